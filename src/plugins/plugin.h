/*
 * Between the library and its plug-ins: modules that stand between it and libraries that nobody should have to
 * install who does not need them. The library loads one when it is first asked for what it does.
 *
 * A plug-in is not linked with the library and sees nothing of it but this file and the codes of
 * holog/error.h. It exports one function, which returns its table. Whenever one of the structs changes,
 * HG_PLUGIN_VERSION does.
 */
#ifndef HG_PLUGINS_PLUGIN_H
#define HG_PLUGINS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define HG_PLUGIN_VERSION 3
#define HG_PLUGIN_WHY     256 /* room for a reason, with the NUL */

/* Pages of rows of pixels of samples. Elements are little-endian, samples of a pixel stand together. */
struct hg_image {
    char kind;     /* 'u', 'i' or 'f', as in NumPy */
    uint32_t size; /* bytes of a sample: 1, 2, 4 or 8; of 'f' 2, 4 or 8 */
    uint64_t pages, height, width, samples;
};

enum hg_tiff_flags {
    HG_TIFF_BIG = 1, /* BigTIFF, also when less would do */
};

/* Each function of a table returns 0 or a negative HOLOG_E_ code, and then has written the reason to `why`,
 * where there is one, which has HG_PLUGIN_WHY bytes. Any thread may call them. */
struct hg_plugin_tiff {
    uint32_t version;     /* HG_PLUGIN_VERSION */
    uint32_t struct_size; /* of this one */

    /* What the file holds. All its pages agree and decode into at most max_bytes, of which it is plausible
     * that they are in so many bytes. */
    int (*describe)(const void *file, size_t len, uint64_t max_bytes, struct hg_image *out,
                    char *why);
    /* All elements of a file that was described; anything may be in `out` on failure. */
    int (*decode)(const void *file, size_t len, const struct hg_image *image, void *out, char *why);
    /* A file with that image. Its memory is the caller's: grow(ctx, size) gives room for so many bytes, with
     * what is there moved along, or NULL. */
    int (*encode)(const struct hg_image *image, const void *data, unsigned flags,
                  void *(*grow)(void *ctx, size_t size), void *ctx, size_t *out_len, char *why);
};

struct hg_plugin_gzip {
    uint32_t version;     /* HG_PLUGIN_VERSION */
    uint32_t struct_size; /* of this one */

    /* All members, one behind the other, into out, `cap` bytes at most. HOLOG_E_CORRUPT: they are damaged, or
     * more than that. */
    int (*decode)(const void *in, size_t len, void *out, size_t cap, size_t *out_len);
    /* Bytes of a member at most, for encode's cap. */
    size_t (*bound)(size_t len);
    int (*encode)(const void *in, size_t len, int level, void *out, size_t cap, size_t *out_len);
};

/* What a zip file is read from: all of the bytes, or a negative code. As all functions of the caller's: what they
 * return ends the call that they are called by, which returns it with an empty reason. */
struct hg_zip_from {
    int (*read)(void *ctx, uint64_t offset, void *out, size_t len);
    void *ctx;
    uint64_t size;
};

/* What one is written to, and where the bytes of its entries come from. */
struct hg_zip_to {
    /* At the end, or over what was put there. */
    int (*put)(void *ctx, uint64_t offset, const void *data, size_t len);
    /* One entry at a time; the bytes stay until its end. */
    int (*begin)(void *ctx, const char *name, const void **out, size_t *out_len);
    void (*end)(void *ctx);
    void *ctx;
};

/* What the directory says of an entry, unchecked. */
struct hg_zip_about {
    const char *name; /* as it is there, NULs as spaces; until the archive is closed */
    uint64_t size, packed;
    uint32_t mode;   /* of Unix; 0: nothing is said */
    uint16_t method; /* 0 stored, 8 deflated */
    int is_encrypted;
};

struct hg_zip_archive; /* one thread at a time has one */

struct hg_plugin_zip {
    uint32_t version;     /* HG_PLUGIN_VERSION */
    uint32_t struct_size; /* of this one */

    /* A new one: all names first, in order, then all bytes, stored. */
    int (*create)(const struct hg_zip_to *to, struct hg_zip_archive **out, char *why);
    int (*add)(struct hg_zip_archive *a, const char *name, char *why);
    int (*finish)(struct hg_zip_archive *a, const char *comment, char *why);

    /* One that is there. HOLOG_E_TOOBIG: it says to have more entries, or more bytes are to be read to open it. */
    int (*open)(const struct hg_zip_from *from, uint64_t max_entries, uint64_t max_bytes,
                struct hg_zip_archive **out, uint64_t *out_entries, char *why);
    int (*describe)(struct hg_zip_archive *a, uint64_t index, struct hg_zip_about *out, char *why);
    /* All of an entry, which has that size, and the checksum that is there. HOLOG_E_CORRUPT: it has not. */
    int (*read)(struct hg_zip_archive *a, uint64_t index, void *out, size_t size, char *why);

    void (*close)(struct hg_zip_archive *a); /* either kind; NULL is fine */
};

#define HG_PLUGIN_GZIP_FILE   "holog-gzip.so"
#define HG_PLUGIN_GZIP_SYMBOL "holog_plugin_gzip"
typedef const struct hg_plugin_gzip *(*hg_plugin_gzip_entry)(void);

#define HG_PLUGIN_TIFF_FILE   "holog-tiff.so"
#define HG_PLUGIN_TIFF_SYMBOL "holog_plugin_tiff"
typedef const struct hg_plugin_tiff *(*hg_plugin_tiff_entry)(void);

#define HG_PLUGIN_ZIP_FILE   "holog-zip.so"
#define HG_PLUGIN_ZIP_SYMBOL "holog_plugin_zip"
typedef const struct hg_plugin_zip *(*hg_plugin_zip_entry)(void);

#endif
