/*
 * Recovery, in order: decide (recover_plan.c), make durable what was decided on, replay
 * (recover_replay.c), keep evidence of what will be cut (seal_quarantine.c). A failure before the
 * last step has changed nothing.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wal/recover_internal.h"

int hg_sync_file(struct hg_io *io, const char *name)
{
    struct hg_file *f = NULL;
    int rc = io->ops->open(io, name, HG_OPEN_WRITE, &f);
    if (rc < 0)
        return rc;
    rc = io->ops->fdatasync(f);
    return hg_close_keep(f, rc);
}

/* The extent segments that frames above the floor name: their bytes may be in the page cache
 * only, left there by a process that was killed. */
static int sync_extents(struct hg_plan *p)
{
    const struct hg_buf *opened = &p->extents.opened;
    char name[HG_FILE_NAME_MAX];

    for (size_t i = 0; i < opened->len; i += sizeof(uint32_t)) {
        uint32_t id;
        size_t seen = 0;
        memcpy(&id, opened->data + i, sizeof id);
        while (memcmp(opened->data + seen, &id, sizeof id) != 0)
            seen += sizeof id;
        if (seen < i || hg_listing_find(&p->list, id) == NULL)
            continue; /* done; or missing, which is why the frame that names it is not kept */
        hg_segment_name(name, id, HG_KIND_EXTENTS);
        int rc = hg_sync_file(p->io, name);
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

/* What is trusted must be durable before anything is built on it. */
static int sync_trusted(struct hg_plan *p)
{
    char name[HG_FILE_NAME_MAX];

    int rc = sync_extents(p);
    if (rc >= 0 && p->last < p->list.n) {
        hg_segment_name(name, p->list.e[p->last].s.id, HG_KIND_FRAMES);
        rc = hg_sync_file(p->io, name);
    }
    if (rc >= 0)
        rc = hg_sync_file(p->io, HG_SUPER_NAME);
    if (rc >= 0)
        rc = p->io->ops->sync_dir(p->io, HG_SEG_DIR);
    if (rc >= 0)
        rc = p->io->ops->sync_dir(p->io, "");
    return rc;
}

/* Frame segments that the decision keeps, and all others. */
static int copy_segments(const struct hg_plan *p, struct hg_recovered *out)
{
    if (p->list.n == 0)
        return HOLOG_OK;
    out->segments = hg_calloc(p->list.n, sizeof *out->segments);
    if (out->segments == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a list of %zu segments", p->list.n);
    for (size_t i = 0; i < p->list.n; i++) {
        const struct hg_log_segment *s = &p->list.e[i].s;
        if (s->kind == HG_KIND_FRAMES && (p->last == p->list.n || i > p->last))
            continue;
        out->segments[out->n_segments++] = *s;
    }
    return HOLOG_OK;
}

static int fill_result(const struct hg_plan *p, struct hg_recovered *out)
{
    *out = (struct hg_recovered){
        .super = p->super,
        .slots = p->slots,
        .end = p->end,
        .last_frame = p->link.frame,
        .last_len = p->link.len,
        .last_hash = p->link.hash,
        .last_number = p->link.number,
        .last_time_ns = p->link.time_ns,
        .highest_number = p->highest,
        .floor = p->floor,
        .next_segment = HG_MAX(p->super.next_segment, p->list.id_max + 1),
        .clean = p->clean,
        .cut = p->cut,
        .cut_bytes = p->cut ? p->behind.nonzero : 0,
        .bytes_read = p->bytes_read,
    };
    if (p->last < p->list.n) {
        out->last_segment = p->list.e[p->last].s.id;
        out->last_sealed = p->list.e[p->last].s.sealed;
    }
    return copy_segments(p, out);
}

static int keep_evidence(const struct hg_plan *p, struct hg_recovered *out)
{
    if (!p->cut || p->behind.frames == 0)
        return HOLOG_OK;
    return hg_quarantine_copy(p->io, out->last_segment, HG_ALIGN8(p->end), p->behind.nonzero_end,
                              p->highest, &out->quarantined_bytes);
}

int hg_recover(struct hg_io *io, const struct hg_recover_options *o, const struct hg_replay *replay,
               struct hg_recovered *out)
{
    struct hg_recovered r = { 0 };
    struct hg_plan p = {
        .io = io,
        .mode = o->mode,
        .limit = o->limit,
        .base_below = o->base_below,
        /* Past the page cache: a failed write may have left there what the disk never got, and a
         * live writer bypasses it. */
        .flags = HG_OPEN_DIRECT,
        .progress = o->progress,
        .progress_ctx = o->progress_ctx,
    };

    if (!o->read_only && (o->mode != HG_RECOVER_STRICT || o->limit != 0))
        return hg_error(HOLOG_E_INVAL, "recovery cuts at damage, or beside a writer, read-only");
    int rc = hg_plan_make(&p);
    if (rc >= 0 && !o->read_only)
        rc = hg_plan_may_write(&p);
    if (rc >= 0)
        rc = fill_result(&p, &r);
    if (rc >= 0 && !o->read_only)
        rc = sync_trusted(&p);
    if (rc >= 0)
        rc = hg_plan_replay(&p, o, replay, &r);
    if (rc >= 0 && !o->read_only)
        rc = keep_evidence(&p, &r);
    hg_plan_release(&p);
    if (rc != 0) {
        hg_free(r.segments);
        hg_free(r.left_over);
        return rc;
    }
    *out = r;
    return HOLOG_OK;
}
