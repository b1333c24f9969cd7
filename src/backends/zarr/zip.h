/*
 * Zip files: written with every entry stored, read from anybody.
 *
 *   local header      offset size field                    central header  offset size field
 *                          0    4 50 4B 03 04                                   0    4 50 4B 01 02
 *                          4    2 version needed                                4    2 version, system
 *                          6    2 flags                                         6    2 version needed
 *                          8    2 method: 0 stored, 8 deflated                  8    2 flags
 *                         10    4 time, date                                   10    2 method
 *                         14    4 CRC-32                                       12    4 time, date
 *                         18    4 size in the file                             16    4 CRC-32
 *                         22    4 size                                         20    4 size in the file
 *                         26    2 bytes of the name                            24    4 size
 *                         28    2 bytes of the extra field                     28    2 bytes of the name
 *                         30      name, extra field, data                      30    2 bytes of the extra field
 *                                                                              32    2 bytes of the comment
 *   end               offset size field                                        34    2 number of the file
 *                          0    4 50 4B 05 06                                  36    2 internal attributes
 *                          4    4 numbers of files                             38    4 external attributes
 *                          8    2 entries here                                 42    4 offset of the local header
 *                         10    2 entries                                      46      name, extra field, comment
 *                         12    4 bytes of the directory
 *                         16    4 its offset                 zip64 end     offset size field
 *                         20    2 bytes of the comment                          0    4 50 4B 06 06
 *                         22      comment, to the end                           4    8 bytes that follow
 *                                                                              12    4 versions
 *   locator           offset size field                                        16    8 numbers of files
 *                          0    4 50 4B 06 07                                  24    8 entries here
 *                          4    4 number of the file                           32    8 entries
 *                          8    8 offset of the zip64 end                      40    8 bytes of the directory
 *                         16    4 files                                        48    8 its offset
 *
 * In front the entries, each with its local header, then the directory (a central header each), zip64 end,
 * locator, end. A size or an offset of FFFFFFFF stands in the extra field 0001 (size, size in the file, offset;
 * 8 bytes each, only those that are meant). All little-endian.
 *
 * Written: all of that with zip64 in every header, whatever the size is, as RFC-9 of OME-NGFF asks for; entries one
 * behind the other, nothing else between them. Read: the directory decides; a local header must agree with it.
 *
 * Source: PKWARE APPNOTE.TXT 6.3.10; ome/ngff rfc/9.
 */
#ifndef HG_BACKENDS_ZARR_ZIP_H
#define HG_BACKENDS_ZARR_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "codec/crc32.h"

#define HG_ZIP_ENTRIES_MAX ((uint64_t)1 << 24) /* that are read; 50 to 150 bytes of memory each */
#define HG_ZIP_DIR_MAX     ((uint64_t)1 << 31) /* bytes of the directory that is read */
#define HG_ZIP_RATIO_MAX   1032u /* what deflate makes of a byte at most: 258 of two bits */

/* ---- writing: zip_write.c ---- */

/* Gets the bytes of the file, one after the other. */
typedef int (*hg_zip_put)(void *ctx, const void *data, size_t len);

struct hg_zip_writer {
    hg_zip_put put;
    void *ctx;
    uint64_t at;      /* bytes that were put */
    uint64_t entries; /* in the directory */
    struct hg_buf dir;
    struct hg_crc32 crc;
};

void hg_zip_begin(struct hg_zip_writer *w, hg_zip_put put, void *ctx);
/* What the name is, is the caller's business: UTF-8, below 64 KiB, not one that was there. */
HG_MUST_CHECK int hg_zip_add(struct hg_zip_writer *w, const char *name, const void *data,
                             size_t len);
HG_MUST_CHECK int hg_zip_end(struct hg_zip_writer *w, const char *comment);
void hg_zip_release(struct hg_zip_writer *w);

/* ---- reading: zip_read.c ---- */

struct hg_zip_source {
    int (*read)(void *ctx, uint64_t offset, void *out, size_t len); /* all of them, or a failure */
    void *ctx;
    uint64_t size;
};

struct hg_zip_entry {
    uint64_t offset; /* of the local header */
    uint64_t packed; /* bytes in the file */
    uint64_t size;
    uint32_t crc;
    uint32_t name; /* where it is in names; NUL-terminated */
    uint16_t name_len;
    uint8_t is_deflated;
};

struct hg_zip {
    struct hg_zip_source source;
    uint64_t dir_at; /* where entries end */
    size_t n;
    struct hg_zip_entry
        *entries; /* files; by name, '/' before all else: what is below one lies together */
    struct hg_buf names;
    struct hg_crc32 crc;
};

/* Reads the directory, all of it, and refuses what it must not say. HOLOG_E_INVAL: it is no zip file;
 * HOLOG_E_CORRUPT: a damaged one, or two entries of one name, or one below another; HOLOG_E_BADPATH: a name that
 * leads elsewhere; HOLOG_E_LOOP, HOLOG_E_TYPE: an entry is a symlink, or no file; HOLOG_E_NOTSUP: encrypted, split,
 * or by another method; HOLOG_E_TOOBIG: over HG_ZIP_ENTRIES_MAX or HG_ZIP_DIR_MAX, or sizes that cannot be.
 * Release it whatever is returned. */
HG_MUST_CHECK int hg_zip_open(struct hg_zip *z, const struct hg_zip_source *source);
void hg_zip_close(struct hg_zip *z);

/* NULL: there is none of that name. */
const struct hg_zip_entry *hg_zip_find(const struct hg_zip *z, const char *name);
/* What is right below a name ("": the root), as hg_outside_list. */
HG_MUST_CHECK int hg_zip_list(const struct hg_zip *z, const char *dir,
                              int (*each)(void *ctx, const char *name, int is_dir, uint64_t size),
                              void *ctx);
/* Append all of it. HOLOG_E_TOOBIG: more than `max` bytes; HOLOG_E_CORRUPT: damaged; HOLOG_E_NOTSUP: it is
 * deflated, and there is no plug-in. */
HG_MUST_CHECK int hg_zip_read(const struct hg_zip *z, const struct hg_zip_entry *entry,
                              uint64_t max, struct hg_buf *out);

#endif
