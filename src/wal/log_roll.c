/*
 * Segments of the log: open, roll, seal, shut down; and SUPER.
 *
 * A roll, in order (docs/DURABILITY.md says what a cut after each step leaves):
 *   R1  nothing in flight, everything durable (T4)
 *   R2  seg/<new>.tmp, its space taken; the space for the footer of the old one taken. No space:
 *       the commit that needed the roll fails with HOLOG_E_NOSPC and nothing has changed
 *   R3  footer of the old segment, synced; the file cut to its end, synced
 *   R4  header of the new one, synced; rename; sync of seg/
 *   R5  SUPER: active segment and floor
 *   R6  the opening frame (SEGMENTS) joins the first group
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/log_internal.h"

void hg_log_note(struct hg_log *log, int level, const char *fmt, ...)
{
    char message[512];
    va_list ap;

    if (log->opts.log == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof message, fmt, ap); /* cut to fit */
    va_end(ap);
    log->opts.log(log->opts.log_ctx, level, message);
}

/* ---- SUPER ---------------------------------------------------------------------------------------*/

int hg_log_write_super(struct hg_log *log, uint32_t state)
{
    struct hg_super s = log->super;
    int rc;

    s.generation++;
    s.state = state;
    s.floor = log->durable_pos;
    s.floor_number = log->durable_number;
    s.active_segment = log->active.id;
    hg_mutex_lock(log->io, &log->ext_lock);
    s.next_segment = log->next_segment;
    hg_mutex_unlock(log->io, &log->ext_lock);
    rc = hg_super_write(log->super_file, &s);
    if (rc == HOLOG_OK)
        log->super = s;
    return rc;
}

/* ---- the list of segments ---------------------------------------------------------------------------*/

int hg_log_set_used(struct hg_log *log, uint32_t segment, uint32_t kind, uint64_t used)
{
    struct hg_segment_entry e = { .segment = segment, .kind = (uint8_t)kind, .used = used };
    int rc = HOLOG_OK;
    size_t i;

    hg_mutex_lock(log->io, &log->ext_lock);
    for (i = 0; i < log->segments.len; i += sizeof e) {
        struct hg_segment_entry *have = (struct hg_segment_entry *)(void *)(log->segments.data + i);
        if (have->segment == segment) {
            have->used = used;
            break;
        }
    }
    if (i >= log->segments.len)
        rc = hg_buf_append(&log->segments, &e, sizeof e);
    hg_mutex_unlock(log->io, &log->ext_lock);
    return rc;
}

int hg_log_segments(struct hg_log *log, struct hg_buf *out_entries)
{
    int rc;

    hg_mutex_lock(log->io, &log->ext_lock);
    rc = hg_buf_append(out_entries, log->segments.data, log->segments.len);
    hg_mutex_unlock(log->io, &log->ext_lock);
    return rc;
}

/* ---- making a segment ----------------------------------------------------------------------------------*/

int hg_log_new_header(struct hg_log *log, enum hg_segment_kind kind, uint64_t capacity,
                      struct hg_segment_header *out)
{
    struct hg_segment_header h = { .kind = kind, .capacity = capacity, .salt = log->fixed.salt };
    int rc = log->io->ops->random(log->io, &h.epoch, sizeof h.epoch);

    if (rc < 0)
        return rc;
    memcpy(h.uuid, log->fixed.uuid, sizeof h.uuid);
    h.created_ns = log->io->ops->wall_ns(log->io);
    hg_mutex_lock(log->io, &log->ext_lock);
    h.id = log->next_segment++; /* never given back: an id is used once, even for a failure */
    hg_mutex_unlock(log->io, &log->ext_lock);
    *out = h;
    return HOLOG_OK;
}

void hg_log_drop_tmp(struct hg_log *log, uint32_t id, struct hg_file *file)
{
    char name[HG_FILE_NAME_MAX];

    if (file != NULL)
        (void)log->io->ops->close(file); /* a temporary: the next open deletes it anyway */
    hg_segment_tmp_name(name, id);
    (void)log->io->ops->unlink(log->io, name);
}

int hg_log_make_segment(struct hg_log *log, const struct hg_segment_header *h,
                        struct hg_file **out_file)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_file *file = NULL;
    int rc;

    hg_segment_tmp_name(name, h->id);
    rc = log->io->ops->open(log->io, name, HG_OPEN_WRITE | HG_OPEN_CREATE | HG_OPEN_DIRECT, &file);
    if (rc < 0)
        return rc;
    rc = log->io->ops->fallocate(file, 0, h->capacity);
    if (rc == HOLOG_E_NOTSUP)
        rc = HOLOG_OK; /* space is taken as it is written; a full disk then poisons */
    if (rc < 0) {
        hg_log_drop_tmp(log, h->id, file);
        return rc;
    }
    *out_file = file;
    return HOLOG_OK;
}

int hg_log_publish_segment(struct hg_log *log, const struct hg_segment_header *h,
                           struct hg_file *file)
{
    char tmp[HG_FILE_NAME_MAX];
    char name[HG_FILE_NAME_MAX];
    uint8_t *block = hg_alloc_aligned(HG_BLOCK, HG_SEGMENT_HEADER_SIZE);
    int rc;

    if (block == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a segment header");
    hg_segment_header_encode(h, block);
    hg_segment_tmp_name(tmp, h->id);
    hg_segment_name(name, h->id, h->kind);
    rc = hg_io_write_full(file, block, HG_SEGMENT_HEADER_SIZE, 0, 0);
    hg_free(block);
    if (rc == HOLOG_OK)
        rc = log->io->ops->fdatasync(file); /* the header and the taken space */
    if (rc == HOLOG_OK)
        rc = log->io->ops->rename(log->io, tmp, name);
    if (rc == HOLOG_OK)
        rc = log->io->ops->sync_dir(log->io, HG_SEG_DIR);
    return rc;
}

/* ---- sealing --------------------------------------------------------------------------------------------*/

/* The footer builder of a segment that was opened half full: from its frames on disk. */
static int rebuild_footer(struct hg_log *log, struct hg_footer_builder **out)
{
    size_t len = (size_t)HG_ALIGN_UP(log->sealed_end, (uint64_t)HG_BLOCK);
    struct hg_footer_builder *b = NULL;
    uint8_t *data = hg_alloc_aligned(HG_BLOCK, len);
    uint64_t at = HG_SEGMENT_HEADER_SIZE;
    size_t n = 0;
    int rc;

    if (data == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to seal segment %u", log->active.id);
    rc = hg_files_read(log->files, log->active.id, HG_KIND_FRAMES, data, len, 0, &n);
    if (rc == HOLOG_OK && n < log->sealed_end)
        rc = hg_error(HOLOG_E_IO, "segment %u is shorter than what was written", log->active.id);
    if (rc == HOLOG_OK)
        rc = hg_footer_builder_create(log->active.first_number, &b);
    while (rc == HOLOG_OK && at + HG_FRAME_HEADER_SIZE <= log->sealed_end) {
        struct hg_frame f;
        struct hg_frame_place place = { log->fixed.salt, log->active.epoch, log->active.id,
                                        (uint32_t)at };
        enum hg_frame_verdict v = hg_frame_decode(data + at, &place, log->active.capacity, &f);
        /* Nearer to the block's end than a header is long, the zeros are not all that is decoded. */
        if ((v == HG_FRAME_ZERO || v == HG_FRAME_BAD) && at % HG_BLOCK != 0) {
            at = HG_ALIGN_UP(at, (uint64_t)HG_BLOCK);
            continue;
        }
        if (v != HG_FRAME_OK || f.len > log->sealed_end - at)
            rc = hg_corrupt(log->active.id, at, "a frame written earlier cannot be read back");
        else
            rc = hg_footer_add(b, &f, (uint32_t)at, data + at + HG_FRAME_HEADER_SIZE);
        at = HG_ALIGN_UP(at + f.len, (uint64_t)8);
    }
    hg_free(data);
    if (rc < 0) {
        hg_footer_builder_destroy(b);
        return rc;
    }
    *out = b;
    return HOLOG_OK;
}

/* The footer's bytes from the block on that holds the end of the frames: same bytes in front. */
static int build_footer(struct hg_log *log, struct hg_buf *out, uint64_t *out_base)
{
    struct hg_footer_tail t = { .segment = log->active.id,
                                .epoch = log->active.epoch,
                                .salt = log->fixed.salt,
                                .frames_end = log->sealed_end };
    uint64_t at = HG_ALIGN_UP(log->sealed_end, (uint64_t)8);
    uint64_t base = HG_ALIGN_DOWN(at, (uint64_t)HG_BLOCK);
    int rc = HOLOG_OK;

    memcpy(t.uuid, log->fixed.uuid, sizeof t.uuid);
    if (log->footer == NULL)
        rc = rebuild_footer(log, &log->footer);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(out, log->tail, (size_t)(at - base));
    if (rc == HOLOG_OK)
        rc = hg_footer_finish(log->footer, &t, out);
    *out_base = base;
    return rc;
}

/* R3. Lock not held, nothing in flight. */
static int seal_active(struct hg_log *log, const struct hg_buf *footer, uint64_t base)
{
    size_t padded = HG_ALIGN_UP(footer->len, (size_t)HG_BLOCK);
    uint8_t *block = hg_alloc_aligned(HG_BLOCK, padded);
    int rc;

    if (block == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to seal segment %u", log->active.id);
    HG_ASSERT(footer->data != NULL); /* a tail at the least */
    memcpy(block, footer->data, footer->len);
    memset(block + footer->len, 0, padded - footer->len);
    rc = hg_io_write_full(log->file, block, padded, base, 0);
    hg_free(block);
    if (rc == HOLOG_OK)
        rc = log->io->ops->truncate(log->file, base + footer->len);
    if (rc == HOLOG_OK)
        rc = log->io->ops->fdatasync(log->file);
    return rc;
}

static uint64_t next_capacity(const struct hg_log *log, size_t need)
{
    uint64_t limit = log->fixed.segment_size_max;
    uint64_t c = log->active.id == 0 ? HG_SEGMENT_FIRST : log->active.capacity * 2;

    while (c < limit && hg_frame_len_max(c) < need)
        c *= 2;
    return HG_MIN(c, limit);
}

static int append_list(struct hg_log *log, const struct hg_segment_entry *entries, size_t n)
{
    struct hg_buf body = { 0 };
    struct hg_log_place place;
    struct hg_ticket ticket;
    struct hg_append a = { .type = HG_FRAME_SYSTEM, .nrec = 1, .number = log->last_number };
    int rc = hg_body_begin(&body, log->last_time_ns, NULL, 0);

    if (rc == HOLOG_OK)
        rc = hg_rec_segments(&body, entries, n, NULL);
    if (rc == HOLOG_OK)
        rc = hg_log_reserve_in(log, body.len, &place, 1);
    if (rc == HOLOG_OK) {
        a.body = body.data;
        a.body_len = body.len;
        a.body_hash = hg_hash64(body.data, body.len);
        rc = hg_log_append_in(log, &a, &ticket);
    }
    hg_buf_release(&body);
    return rc;
}

/* R6. Lock held. A list too long for one frame (tiny segments) goes on in the next. */
static int append_opening(struct hg_log *log, const struct hg_segment_entry *entries, size_t n)
{
    enum {
        ENTRY_MAX = 13,
        ROOM = 64
    }; /* 4 + 1 + 8; the record's and body's own fields */
    size_t frame = hg_frame_len_max(log->active.capacity) - HG_FRAME_HEADER_SIZE - ROOM;
    size_t each = HG_MAX(frame / ENTRY_MAX, (size_t)1);
    int rc;

    do {
        size_t m = HG_MIN(n, each);
        rc = append_list(log, entries, m);
        entries += m;
        n -= m;
    } while (rc == HOLOG_OK && n > 0);
    return rc;
}

static void adopt_segment(struct hg_log *log, const struct hg_segment_header *h,
                          struct hg_file *file, struct hg_footer_builder *footer)
{
    if (log->file != NULL)
        (void)log->io->ops->close(log->file); /* synced and sealed: nothing left to lose */
    log->file = file;
    log->active = *h;
    log->end = log->sealed_end = HG_SEGMENT_HEADER_SIZE;
    log->zero_end = HG_SEGMENT_HEADER_SIZE;
    memset(log->tail, 0, sizeof log->tail);
    hg_footer_builder_destroy(log->footer);
    log->footer = footer;
    log->pred_cut = 0;
    log->counters.segment_rolls++;
}

/* R2-R5 without the lock; log->rolling keeps everybody else out. */
static int roll_files(struct hg_log *log, struct hg_segment_header *h, struct hg_file **out_file,
                      int *out_poison)
{
    struct hg_buf footer = { 0 };
    struct hg_file *file = NULL;
    uint64_t base = 0;
    int have_old = log->active.id != 0;
    int rc = hg_log_make_segment(log, h, &file);

    *out_poison = 0;
    if (rc < 0)
        return rc;
    if (have_old) {
        rc = build_footer(log, &footer, &base);
        if (rc == HOLOG_OK) {
            rc = log->io->ops->fallocate(log->file, 0,
                                         base + HG_ALIGN_UP((uint64_t)footer.len, HG_BLOCK));
            if (rc == HOLOG_E_NOTSUP)
                rc = HOLOG_OK;
        }
    }
    if (rc < 0) {
        hg_log_drop_tmp(log, h->id, file);
        hg_buf_release(&footer);
        return rc;
    }
    *out_poison = 1; /* from here on bytes are handed out */
    if (have_old)
        rc = seal_active(log, &footer, base);
    if (rc == HOLOG_OK && have_old)
        rc = hg_log_set_used(log, log->active.id, HG_KIND_FRAMES, base + footer.len);
    hg_buf_release(&footer);
    if (rc == HOLOG_OK)
        rc = hg_log_publish_segment(log, h, file);
    if (rc < 0) {
        (void)log->io->ops->close(file); /* the first cause is told */
        return rc;
    }
    *out_file = file;
    return HOLOG_OK;
}

static int finish_roll(struct hg_log *log, const struct hg_segment_header *h, struct hg_file *file)
{
    struct hg_footer_builder *footer = NULL;
    struct hg_buf entries = { 0 };
    int rc = hg_footer_builder_create(h->first_number, &footer);

    if (rc < 0) {
        (void)log->io->ops->close(file); /* the first cause is told */
        return rc;
    }
    adopt_segment(log, h, file, footer);
    rc = hg_log_set_used(log, h->id, HG_KIND_FRAMES, HG_SEGMENT_HEADER_SIZE);
    if (rc == HOLOG_OK)
        rc = hg_log_write_super(log, HG_SUPER_OPEN);
    if (rc == HOLOG_OK && log->opts.hooks.segment_added != NULL)
        log->opts.hooks.segment_added(log->opts.hooks.ctx, h->id, h->kind, h->capacity);
    if (rc == HOLOG_OK)
        rc = hg_log_segments(log, &entries);
    if (rc == HOLOG_OK)
        rc = append_opening(log, (const struct hg_segment_entry *)(void *)entries.data,
                            entries.len / sizeof(struct hg_segment_entry));
    hg_buf_release(&entries);
    return rc;
}

int hg_log_roll(struct hg_log *log, size_t need)
{
    struct hg_segment_header h;
    struct hg_file *file = NULL;
    int poison = 0;
    int rc;

    while (log->rolling)
        hg_cond_wait(log->io, &log->changed, &log->lock, UINT64_MAX);
    log->rolling = 1;
    rc = hg_log_quiesce(log); /* R1 */
    while (rc == HOLOG_OK && log->syncing)
        hg_cond_wait(log->io, &log->changed, &log->lock, UINT64_MAX);
    if (rc == HOLOG_OK && log->active.id != 0 && log->synced_seq < log->done_seq) {
        log->rolling = 0; /* hg_log_sync_held waits for rolls */
        rc = hg_log_sync_held(log);
        if (rc == HOLOG_OK) {
            hg_cond_wake_all(log->io, &log->changed);
            return HOLOG_OK; /* the caller looks again: others may have appended meanwhile */
        }
    }
    while (rc == HOLOG_OK && log->zero_busy_to > 0)
        hg_cond_wait(log->io, &log->changed, &log->lock, UINT64_MAX);
    if (rc == HOLOG_OK)
        rc = hg_log_new_header(log, HG_KIND_FRAMES, next_capacity(log, need), &h);
    if (rc == HOLOG_OK) {
        h.first_number = log->highest_number + 1;
        h.highest_number = log->highest_number;
        h.pred_number = log->last_number;
        h.pred_cut = log->pred_cut;
        if (hg_pos_segment(log->last_frame) == log->done_segment) { /* else it holds no frame */
            h.pred_last_len = log->prev_len;
            h.pred_last_hash = log->prev_hash;
        }
        h.pred_id = log->done_segment;
        h.pred_end = log->sealed_end_of_done;
        h.pred_epoch = log->pred_epoch;
        hg_log_unlock(log);
        rc = roll_files(log, &h, &file, &poison);
        hg_log_lock(log);
        if (rc == HOLOG_OK)
            rc = finish_roll(log, &h, file);
        if (rc == HOLOG_OK)
            log->pred_epoch = h.epoch;
        else if (poison)
            hg_log_poison(log, log->fill_seq, rc);
    }
    log->rolling = 0;
    hg_cond_wake_all(log->io, &log->changed);
    return rc;
}

/* ---- opening and closing ----------------------------------------------------------------------------------*/

/* Go on in a segment that was closed cleanly. */
static int reopen_active(struct hg_log *log, const struct hg_log_segment *seg,
                         const struct hg_recovered *r)
{
    char name[HG_FILE_NAME_MAX];
    uint64_t block = HG_ALIGN_DOWN(r->end, (uint64_t)HG_BLOCK);
    size_t n = 0;
    int rc;

    hg_segment_name(name, seg->id, seg->kind);
    rc = log->io->ops->open(log->io, name, HG_OPEN_WRITE | HG_OPEN_DIRECT, &log->file);
    if (rc < 0)
        return rc;
    log->active = seg->header;
    log->end = log->sealed_end = r->end;
    log->zero_end = HG_ALIGN_UP(r->end, (uint64_t)HG_BLOCK);
    if (r->end % HG_BLOCK != 0) {
        rc = hg_files_read(log->files, seg->id, HG_KIND_FRAMES, log->tail, (size_t)(r->end - block),
                           block, &n);
        if (rc == HOLOG_OK && n != r->end - block)
            rc = hg_error(HOLOG_E_IO, "%s is shorter than it was a moment ago", name);
    }
    if (rc == HOLOG_OK) {
        rc = log->io->ops->fallocate(log->file, 0, seg->header.capacity);
        if (rc == HOLOG_E_NOTSUP)
            rc = HOLOG_OK;
        if (rc == HOLOG_E_NOSPC) { /* a full disk must still open: the first commit will tell */
            log->active.capacity = HG_ALIGN_UP(r->end, (uint64_t)HG_BLOCK);
            rc = HOLOG_OK;
        }
    }
    return rc;
}

int hg_log_open_active(struct hg_log *log, const struct hg_recovered *r)
{
    const struct hg_log_segment *last = NULL;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < r->n_segments && rc == HOLOG_OK; i++) {
        const struct hg_log_segment *s = &r->segments[i];
        rc = hg_log_set_used(log, s->id, s->kind, s->sealed ? s->file_size : s->used);
        if (s->id == r->last_segment)
            last = s;
    }
    log->prev_len = r->last_len;
    log->prev_hash = r->last_hash;
    log->last_frame = r->last_frame;
    log->last_number = log->done_number = log->durable_number = r->last_number;
    log->highest_number = r->highest_number;
    log->last_time_ns = r->last_time_ns;
    log->done_segment = r->last_segment;
    log->sealed_end_of_done = r->end;
    log->durable_pos =
        r->last_segment == 0 ? 0 : hg_pos_make(r->last_segment, (uint32_t)HG_ALIGN_UP(r->end, 8u));
    log->next_segment = HG_MAX(r->next_segment, 1u);
    if (last != NULL)
        log->pred_epoch = last->header.epoch;
    log->pred_cut = r->cut ? 1 : 0;
    if (rc == HOLOG_OK && last != NULL && !r->last_sealed)
        rc = reopen_active(log, last, r);
    return rc;
}

int hg_log_shutdown(struct hg_log *log)
{
    int rc;

    hg_log_lock(log);
    rc = hg_log_sync_held(log);
    if (rc == HOLOG_OK)
        rc = hg_log_quiesce(log);
    while (log->zero_busy_to > 0)
        hg_cond_wait(log->io, &log->changed, &log->lock, UINT64_MAX);
    if (rc == HOLOG_OK)
        rc = hg_log_extents_shutdown(log);
    if (rc == HOLOG_OK && log->active.id != 0) {
        rc = log->io->ops->truncate(log->file, HG_ALIGN_UP(log->sealed_end, (uint64_t)HG_BLOCK));
        if (rc == HOLOG_OK)
            rc = log->io->ops->fdatasync(log->file);
    }
    if (rc == HOLOG_OK)
        rc = hg_log_write_super(log, HG_SUPER_CLEAN);
    hg_log_unlock(log);
    return rc;
}

int hg_log_open(struct hg_io *io, struct hg_files *files, struct hg_ctl *ctl,
                const struct hg_recovered *r, const struct hg_log_options *o,
                struct hg_log **out_log)
{
    struct hg_log *log = hg_calloc(1, sizeof *log);
    int rc;

    if (log == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the log");
    log->io = io;
    log->files = files;
    log->ctl = ctl;
    log->opts = *o;
    log->opts.groups_in_flight = HG_MAX(1u, HG_MIN(o->groups_in_flight, 8u));
    log->fixed = log->super = r->super;
    log->fill_seq = 1;
    log->fail_seq = UINT64_MAX;
    rc = io->ops->open(io, HG_SUPER_NAME, HG_OPEN_WRITE, &log->super_file);
    if (rc == HOLOG_OK)
        rc = hg_log_open_active(log, r);
    if (rc == HOLOG_OK && ctl != NULL)
        hg_ctl_publish(ctl, log->durable_pos, log->durable_number);
    if (rc == HOLOG_OK && o->background)
        rc = hg_log_thread_start(log);
    if (rc < 0) {
        hg_log_destroy(log);
        return rc;
    }
    *out_log = log;
    return HOLOG_OK;
}

void hg_log_destroy(struct hg_log *log)
{
    if (log == NULL)
        return;
    hg_log_thread_stop(log);
    hg_log_extents_destroy(log);
    if (log->file != NULL)
        (void)log->io->ops->close(log->file); /* shutdown has synced, or the log is poisoned */
    if (log->super_file != NULL)
        (void)log->io->ops->close(log->super_file);
    for (unsigned i = 0; i < HG_GROUP_SLOTS; i++) {
        hg_free(log->groups[i].buf);
        hg_buf_release(&log->groups[i].frames);
        hg_buf_release(&log->groups[i].dones);
    }
    hg_footer_builder_destroy(log->footer);
    hg_buf_release(&log->segments);
    hg_buf_release(&log->done_queue);
    hg_free(log);
}
