/*
 * quarantine/: what recovery or repair is about to cut, kept for whoever wants to know.
 *
 * A name is segment, offset and the highest commit number known when it was written: the number
 * must not be given again, even when the cut is made and its successor's header, which would
 * remember it, is not yet there.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wal/recover_internal.h"

#define COPY_BYTES (1u << 20)
#define TMP_NAME   HG_QUARANTINE_DIR "/copy.tmp"

int hg_quarantine_dir(struct hg_io *io)
{
    int there = 0;
    int rc = io->ops->exists(io, HG_QUARANTINE_DIR, &there);
    if (rc < 0)
        return rc;
    if (!there) {
        rc = io->ops->mkdir(io, HG_QUARANTINE_DIR);
        if (rc < 0)
            return rc;
    }
    return io->ops->sync_dir(io, ""); /* also when it was there: its maker may have been killed */
}

static int copy_range(struct hg_file *from, struct hg_file *to, uint64_t at, uint64_t end)
{
    uint8_t *buf = hg_malloc(COPY_BYTES);
    uint64_t done = 0;
    int rc = HOLOG_OK;

    if (buf == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to copy into quarantine");
    while (rc >= 0 && at + done < end) {
        size_t n = (size_t)HG_MIN(end - at - done, (uint64_t)COPY_BYTES);
        rc = hg_io_read_full(from, buf, n, at + done);
        if (rc >= 0)
            rc = hg_io_write_full(to, buf, n, done, 0);
        done += n;
    }
    hg_free(buf);
    return rc >= 0 ? to->io->ops->fdatasync(to) : rc;
}

static int copy_to_tmp(struct hg_io *io, const char *name, uint64_t from, uint64_t to)
{
    struct hg_file *in = NULL;
    struct hg_file *out = NULL;

    int rc = io->ops->unlink(io, TMP_NAME); /* of a copy that was cut short */
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    rc = io->ops->open(io, name, 0, &in);
    if (rc < 0)
        return rc;
    rc = io->ops->open(io, TMP_NAME, HG_OPEN_WRITE | HG_OPEN_CREATE, &out);
    if (rc >= 0)
        rc = copy_range(in, out, from, to);
    rc = hg_close_keep(out, rc);
    return hg_close_keep(in, rc);
}

int hg_quarantine_copy(struct hg_io *io, uint32_t segment, uint64_t from, uint64_t to,
                       uint64_t number, uint64_t *out_bytes)
{
    char name[HG_FILE_NAME_MAX];
    char kept[HG_QUARANTINE_NAME_MAX];
    int there = 0;

    hg_segment_name(name, segment, HG_KIND_FRAMES);
    hg_quarantine_name(kept, segment, from, number);
    int rc = hg_quarantine_dir(io);
    if (rc >= 0)
        rc = io->ops->exists(io, kept, &there);
    if (rc >= 0 && !there) {
        rc = copy_to_tmp(io, name, from, to);
        if (rc >= 0)
            rc = io->ops->rename(io, TMP_NAME, kept);
    }
    if (rc >= 0)
        rc = io->ops->sync_dir(io, HG_QUARANTINE_DIR);
    if (rc < 0)
        return rc;
    *out_bytes += to - from;
    return HOLOG_OK;
}

int hg_quarantine_move(struct hg_io *io, const struct hg_log_segment *s, uint64_t number)
{
    char name[HG_FILE_NAME_MAX];
    char kept[HG_QUARANTINE_NAME_MAX];

    hg_segment_name(name, s->id, s->kind);
    hg_quarantine_name(kept, s->id, 0, number);
    int rc = hg_quarantine_dir(io);
    return rc < 0 ? rc : io->ops->rename(io, name, kept);
}
