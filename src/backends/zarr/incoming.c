/*
 * Directories and zip files as one; see incoming.h.
 */
#include "backends/zarr/incoming.h"

#include <string.h>

#include "base/error.h"

static int read_at(void *ctx, uint64_t offset, void *out, size_t len)
{
    return hg_outside_file_read(ctx, offset, out, len);
}

static int open_zip(struct hg_incoming *in, const char *from)
{
    struct holog_error_detail why;
    struct hg_zip_from file = { .read = read_at,
                                .ctx = in->file,
                                .size = hg_outside_file_size(in->file) };
    int rc = hg_zip_open(&in->zip, &file);

    if (rc == HOLOG_OK)
        return rc;
    hg_error_get(&why);
    return hg_error(rc, "%s: %s", from, why.message);
}

int hg_incoming_open(struct hg_incoming *in, const char *from)
{
    int rc;

    memset(in, 0, sizeof *in);
    rc = hg_outside_file_open(from, &in->file);
    if (rc == HOLOG_OK)
        rc = open_zip(in, from);
    else if (rc == HOLOG_E_ISDIR)
        rc = hg_outside_open(from, 0, &in->dir);
    return rc;
}

void hg_incoming_close(struct hg_incoming *in)
{
    hg_zip_close(&in->zip);
    hg_outside_file_close(in->file);
    hg_outside_close(in->dir);
}

int hg_incoming_list(struct hg_incoming *in, const char *dir,
                     int (*each)(void *ctx, const char *name, int is_dir, uint64_t size), void *ctx)
{
    return in->dir != NULL ? hg_outside_list(in->dir, dir, each, ctx)
                           : hg_zip_list(&in->zip, dir, each, ctx);
}

int hg_incoming_read(struct hg_incoming *in, const char *name, uint64_t max, uint64_t packed_max,
                     struct hg_buf *out)
{
    const struct hg_zip_entry *e;

    if (in->dir != NULL)
        return hg_outside_read(in->dir, name, max, out);
    e = hg_zip_find(&in->zip, name);
    if (e == NULL)
        return hg_error(HOLOG_E_NOENT, "%s: there is no such entry", name);
    return hg_zip_read(&in->zip, e, e->is_deflated ? HG_MIN(max, packed_max) : max, out);
}
