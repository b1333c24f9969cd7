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

#define HG_PLUGIN_VERSION 2
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
    /* A deflate stream without a frame (RFC 1951), as zip files have it, that makes exactly `size` bytes.
     * HOLOG_E_CORRUPT: it is damaged, makes less or more, or something follows it. */
    int (*inflate)(const void *in, size_t len, void *out, size_t size);
    /* Bytes of a member at most, for encode's cap. */
    size_t (*bound)(size_t len);
    int (*encode)(const void *in, size_t len, int level, void *out, size_t cap, size_t *out_len);
};

#define HG_PLUGIN_GZIP_FILE   "holog-gzip.so"
#define HG_PLUGIN_GZIP_SYMBOL "holog_plugin_gzip"
typedef const struct hg_plugin_gzip *(*hg_plugin_gzip_entry)(void);

#define HG_PLUGIN_TIFF_FILE   "holog-tiff.so"
#define HG_PLUGIN_TIFF_SYMBOL "holog_plugin_tiff"
typedef const struct hg_plugin_tiff *(*hg_plugin_tiff_entry)(void);

#endif
