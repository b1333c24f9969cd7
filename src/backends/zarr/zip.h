/*
 * Zip files, by the plug-in holog-zip.so: written with every entry stored, read from anybody.
 *
 * Written: entries in the order in which they were added, of a regular file each, of January 1, 1980, with their
 * sizes in 64 bits in front of them (RFC-9 of OME-NGFF asks for zip64 whatever the size is); what comes behind them
 * has 64 bits where it needs them. Read: the directory decides. Of several entries of one name the last counts, as
 * for Python's zipfile: who appends to a zip file replaces what is there.
 *
 * Without the plug-in all of these are HOLOG_E_NOTSUP or HOLOG_E_VERSION. One thread at a time has a file.
 *
 * Source: PKWARE APPNOTE.TXT 6.3.10; ome/ngff rfc/9.
 */
#ifndef HG_BACKENDS_ZARR_ZIP_H
#define HG_BACKENDS_ZARR_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "plugins/plugin.h"

#define HG_ZIP_ENTRIES_MAX ((uint64_t)1 << 24) /* that are read; some 400 bytes of memory each */
#define HG_ZIP_DIR_MAX     ((uint64_t)1 << 30) /* bytes that are read to open one */
#define HG_ZIP_RATIO_MAX   1032u /* what deflate makes of a byte at most: 258 of two bits */

/* ---- writing: zip_write.c ---- */

struct hg_zip_writer {
    const struct hg_plugin_zip *plugin;
    struct hg_zip_archive *archive;
};

/* `to` is copied. Release it whatever is returned. */
HG_MUST_CHECK int hg_zip_begin(struct hg_zip_writer *w, const struct hg_zip_to *to);
/* What the name is, is the caller's business: UTF-8, below 64 KiB, not one that was there. Its bytes are asked for
 * by hg_zip_end. Some 500 bytes of memory each. */
HG_MUST_CHECK int hg_zip_add(struct hg_zip_writer *w, const char *name);
/* All of them, in order; at least one was added. What a function of `to` returns comes back as it is. */
HG_MUST_CHECK int hg_zip_end(struct hg_zip_writer *w, const char *comment);
void hg_zip_release(struct hg_zip_writer *w);

/* ---- reading: zip_read.c ---- */

struct hg_zip_entry {
    const char *name; /* the plug-in's */
    uint64_t size;
    uint64_t packed; /* bytes in the file */
    uint32_t index;
    uint32_t copies; /* that it replaces */
    uint16_t name_len;
    uint8_t is_deflated;
};

struct hg_zip {
    const struct hg_plugin_zip *plugin;
    struct hg_zip_archive *archive;
    size_t n;
    struct hg_zip_entry
        *entries; /* files; by name, '/' before all else: what is below one lies together */
};

/* Reads the directory, all of it, and refuses what it must not say. HOLOG_E_INVAL: it is no zip file;
 * HOLOG_E_CORRUPT: a damaged one, or one entry is below another; HOLOG_E_BADPATH: a name that leads elsewhere;
 * HOLOG_E_LOOP, HOLOG_E_TYPE: an entry is a symlink, or no file; HOLOG_E_NOTSUP: encrypted, split, or by another
 * method; HOLOG_E_TOOBIG: over HG_ZIP_ENTRIES_MAX or HG_ZIP_DIR_MAX, or sizes that cannot be.
 * Release it whatever is returned. */
HG_MUST_CHECK int hg_zip_open(struct hg_zip *z, const struct hg_zip_from *from);
/* By that plug-in. */
HG_MUST_CHECK int hg_zip_open_by(struct hg_zip *z, const struct hg_plugin_zip *plugin,
                                 const struct hg_zip_from *from);
void hg_zip_close(struct hg_zip *z);

/* NULL: there is none of that name. */
const struct hg_zip_entry *hg_zip_find(const struct hg_zip *z, const char *name);
/* What is right below a name ("": the root), as hg_outside_list. */
HG_MUST_CHECK int hg_zip_list(const struct hg_zip *z, const char *dir,
                              int (*each)(void *ctx, const char *name, int is_dir, uint64_t size),
                              void *ctx);
/* Append all of it. HOLOG_E_TOOBIG: more than `max` bytes; HOLOG_E_CORRUPT: damaged. */
HG_MUST_CHECK int hg_zip_read(const struct hg_zip *z, const struct hg_zip_entry *entry,
                              uint64_t max, struct hg_buf *out);

#endif
