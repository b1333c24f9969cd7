/*
 * Segments of the log: open, roll, seal, shut down; and SUPER.
 *
 * A roll, in order (docs/DURABILITY.md says what a cut after each step leaves):
 *   R1  nothing in flight, everything durable (T4)
 *   R2  seg/<new>.tmp, its space taken; the footer of the old one built, and its space taken
 *   R3  footer of the old segment written; the file cut to its end, synced
 *   R4  header of the new one, synced; rename; sync of seg/
 *   R5  SUPER: active segment and floor
 *   R6  the opening frame (SEGMENTS) joins the first group
 * On a full disk, for what lets go of something, R2 is: the footer built, and its space taken; what the old segment has
 * behind it given back to the disk; seg/<new>.tmp, with so much.
 *
 * What fails in R2, or in R4 before the rename, fails the commit that needed the roll and no other:
 * the .tmp is dropped, and the next commit rolls again, from the old segment or from its seal. What
 * fails in R6 is tried again by the next commit. Whatever else fails poisons: a footer may be half
 * written, a name or SUPER in doubt.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/log_internal.h"
#include "wal/walk.h"

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
    s.feat_incompat |= log->features;
    hg_mutex_lock(log->io, &log->ext_lock);
    s.next_segment = log->next_segment;
    hg_mutex_unlock(log->io, &log->ext_lock);
    rc = hg_super_write(log->super_file, &s);
    if (rc == HOLOG_OK)
        log->super = s;
    return rc;
}

/* ---- the list of segments ---------------------------------------------------------------------------*/

/* From the end: what changes is among the newest. */
struct hg_segment_entry *hg_log_find_entry(struct hg_log *log, uint32_t segment)
{
    struct hg_segment_entry *e = (struct hg_segment_entry *)(void *)log->segments.data;

    for (size_t i = log->segments.len / sizeof *e; i-- > 0;) {
        if (e[i].segment == segment)
            return &e[i];
    }
    return NULL;
}

static int add_entry(struct hg_log *log, uint32_t segment, uint32_t kind, uint64_t used)
{
    struct hg_segment_entry e = { .segment = segment, .kind = (uint8_t)kind, .used = used };
    int rc;

    hg_mutex_lock(log->io, &log->ext_lock);
    rc = hg_buf_append(&log->segments, &e, sizeof e);
    hg_log_lists_named(log, segment); /* who named it is before all that come */
    hg_mutex_unlock(log->io, &log->ext_lock);
    return rc;
}

void hg_log_drop_entry(struct hg_log *log, uint32_t segment)
{
    struct hg_segment_entry *e;

    hg_mutex_lock(log->io, &log->ext_lock);
    e = hg_log_find_entry(log, segment);
    if (e != NULL) {
        size_t behind = log->segments.len - ((size_t)((uint8_t *)(e + 1) - log->segments.data));
        memmove(e, e + 1, behind);
        log->segments.len -= sizeof *e;
    }
    hg_mutex_unlock(log->io, &log->ext_lock);
}

void hg_log_set_used(struct hg_log *log, uint32_t segment, uint64_t used)
{
    struct hg_segment_entry *e = hg_log_find_entry(log, segment);

    HG_ASSERT(e != NULL);
    e->used = used;
}

void hg_log_set_lists(struct hg_log *log, uint32_t segment)
{
    struct hg_segment_entry *e = hg_log_find_entry(log, segment);

    HG_ASSERT(e != NULL);
    e->kind |= HG_SEGMENT_LISTS;
}

static uint32_t *lists_of(struct hg_log *log, uint32_t segment)
{
    uint32_t *pair = (uint32_t *)(void *)log->lists.data;

    for (size_t i = 0; i < log->lists.len / sizeof *pair; i += 2) {
        if (pair[i] == segment)
            return &pair[i + 1];
    }
    return NULL;
}

/* What cannot be noted has lists that may be named anywhere. */
void hg_log_lists_named(struct hg_log *log, uint32_t segment)
{
    const struct hg_segment_entry *e = hg_log_find_entry(log, segment);
    uint32_t *below = lists_of(log, segment);
    const uint32_t pair[2] = { segment, log->next_segment };

    if (e == NULL || (e->kind & HG_SEGMENT_LISTS) == 0)
        return;
    if (below != NULL)
        *below = log->next_segment;
    else if (hg_buf_append(&log->lists, pair, sizeof pair) < 0)
        hg_error_clear();
}

uint32_t hg_log_lists_below(struct hg_log *log, uint32_t segment)
{
    const uint32_t *below;
    uint32_t id;

    hg_mutex_lock(log->io, &log->ext_lock);
    below = lists_of(log, segment);
    id = below != NULL ? *below : UINT32_MAX;
    hg_mutex_unlock(log->io, &log->ext_lock);
    return id;
}

int hg_log_segments_flagged(struct hg_log *log, struct hg_buf *out_entries)
{
    int rc;

    hg_mutex_lock(log->io, &log->ext_lock);
    rc = hg_buf_append(out_entries, log->segments.data, log->segments.len);
    hg_mutex_unlock(log->io, &log->ext_lock);
    return rc;
}

int hg_log_segments(struct hg_log *log, struct hg_buf *out_entries)
{
    size_t before = out_entries->len;
    int rc = hg_log_segments_flagged(log, out_entries);
    if (rc < 0)
        return rc;
    struct hg_segment_entry *e =
        (struct hg_segment_entry *)(void *)out_entries->data + before / sizeof *e;
    size_t n = (out_entries->len - before) / sizeof *e;
    size_t kept = 0;

    HG_ASSERT(before % sizeof *e == 0);
    for (size_t i = 0; i < n; i++) {
        if ((e[i].kind & HG_SEGMENT_REMOVED) != 0)
            continue;
        e[kept] = e[i];
        e[kept].kind = (uint8_t)hg_segment_entry_kind(&e[i]);
        kept++;
    }
    out_entries->len = before + kept * sizeof *e;
    return HOLOG_OK;
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

void hg_log_drop_segment(struct hg_log *log, uint32_t id, struct hg_file *file)
{
    struct holog_error_detail first;
    char name[HG_FILE_NAME_MAX];

    hg_error_get(&first);
    if (file != NULL)
        (void)log->io->ops->close(file); /* a temporary: the next open deletes it anyway */
    hg_segment_tmp_name(name, id);
    (void)log->io->ops->unlink(log->io, name);
    hg_log_drop_entry(log, id);
    hg_error_set(&first);
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
    if (rc == HOLOG_OK)
        rc = add_entry(log, h->id, h->kind, HG_SEGMENT_HEADER_SIZE);
    if (rc < 0) {
        hg_log_drop_segment(log, h->id, file);
        return rc;
    }
    *out_file = file;
    return HOLOG_OK;
}

int hg_log_publish_segment(struct hg_log *log, const struct hg_segment_header *h,
                           struct hg_file *file, int *out_in_doubt)
{
    _Alignas(HG_BLOCK) uint8_t block[HG_SEGMENT_HEADER_SIZE]; /* not of the heap: cannot fail */
    char tmp[HG_FILE_NAME_MAX];
    char name[HG_FILE_NAME_MAX];
    int rc;

    *out_in_doubt = 0;
    hg_segment_header_encode(h, block);
    hg_segment_tmp_name(tmp, h->id);
    hg_segment_name(name, h->id, h->kind);
    rc = hg_io_write_full(file, block, sizeof block, 0, 0);
    if (rc == HOLOG_OK)
        rc = log->io->ops->fdatasync(file); /* the header and the taken space */
    if (rc < 0)
        return rc;
    rc = log->io->ops->rename(log->io, tmp, name);
    /* Without room or memory it was not begun; after any other failure nobody knows. */
    *out_in_doubt = rc != HOLOG_E_NOSPC && rc != HOLOG_E_NOMEM;
    if (rc == HOLOG_OK)
        rc = log->io->ops->sync_dir(log->io, HG_SEG_DIR);
    return rc;
}

/* ---- sealing --------------------------------------------------------------------------------------------*/

/* Of a segment that was opened half full. */
static int rebuild_footer(struct hg_log *log)
{
    struct hg_file *f = NULL;
    int rc = hg_files_get(log->files, log->active.id, HG_KIND_FRAMES, &f);

    if (rc < 0)
        return rc;
    rc = hg_footer_of_frames(&log->active, f, log->sealed_end, &log->footer);
    hg_files_put(log->files, log->active.id);
    return rc;
}

/* The bytes that end the old segment, from the block on that holds the end of its frames. */
struct seal {
    uint8_t *data; /* page-aligned, zeros behind len up to a block */
    size_t len;
    uint64_t base; /* where they go */
};

/* R2. Everything that needs memory or space; nothing is written. */
static int prepare_seal(struct hg_log *log, struct seal *out)
{
    struct hg_footer_tail t = { .segment = log->active.id,
                                .epoch = log->active.epoch,
                                .salt = log->fixed.salt,
                                .frames_end = log->sealed_end };
    uint64_t at = HG_ALIGN_UP(log->sealed_end, (uint64_t)8);
    struct hg_buf footer = { 0 };
    size_t in_front = (size_t)(at % HG_BLOCK); /* of the block: the same bytes once more */
    size_t padded;
    int rc = HOLOG_OK;

    out->base = at - in_front;
    memcpy(t.uuid, log->fixed.uuid, sizeof t.uuid);
    if (log->footer == NULL)
        rc = rebuild_footer(log);
    if (rc == HOLOG_OK)
        rc = hg_footer_finish(log->footer, &t, &footer);
    out->len = in_front + footer.len;
    padded = HG_ALIGN_UP(out->len, (size_t)HG_BLOCK);
    if (rc == HOLOG_OK) {
        rc = log->io->ops->fallocate(log->file, 0, out->base + padded);
        if (rc == HOLOG_E_NOTSUP)
            rc = HOLOG_OK;
    }
    if (rc == HOLOG_OK) {
        out->data = hg_alloc_aligned(HG_BLOCK, padded);
        if (out->data == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory to seal segment %u", log->active.id);
    }
    if (rc == HOLOG_OK) {
        HG_ASSERT(footer.data != NULL); /* a tail at the least */
        memcpy(out->data, log->tail, in_front);
        memcpy(out->data + in_front, footer.data, footer.len);
        memset(out->data + out->len, 0, padded - out->len);
    }
    hg_buf_release(&footer);
    return rc;
}

/* R3. */
static int write_seal(struct hg_log *log, const struct seal *seal)
{
    size_t padded = HG_ALIGN_UP(seal->len, (size_t)HG_BLOCK);
    int rc = hg_io_write_full(log->file, seal->data, padded, seal->base, 0);

    if (rc == HOLOG_OK)
        rc = log->io->ops->truncate(log->file, seal->base + seal->len);
    if (rc == HOLOG_OK)
        rc = log->io->ops->fdatasync(log->file);
    return rc;
}

static uint64_t next_capacity(const struct hg_log *log, size_t need)
{
    uint64_t limit = log->fixed.segment_size_max;
    uint64_t c = log->active.capacity == 0 ? HG_SEGMENT_FIRST : log->active.capacity * 2;

    while (c < limit && hg_frame_len_max(c) < need)
        c *= 2;
    return HG_MIN(c, limit);
}

#define SMALL_FIRST (64u << 10) /* where the old segment has no room to give */

/* Of a full disk: as much as the old segment gives, or as little as will do. */
static uint64_t small_capacity(const struct hg_log *log, uint64_t room, size_t need, int try)
{
    uint64_t least = HG_MAX((uint64_t)HG_SEGMENT_MIN, HG_ALIGN_UP(4 * (uint64_t)need, HG_BLOCK));
    uint64_t c = HG_MIN(HG_ALIGN_DOWN(room, (uint64_t)HG_BLOCK), log->active.capacity);

    if (log->active.id == 0)
        c = SMALL_FIRST >> (try - 1);
    return HG_MIN(HG_MAX(c, least), (uint64_t)log->fixed.segment_size_max);
}

/* What is behind the old segment's footer goes back to the disk, for the new one; out_room: so much. */
static int give_room(struct hg_log *log, const struct seal *seal, uint64_t *out_room)
{
    uint64_t end = seal->base + HG_ALIGN_UP(seal->len, (uint64_t)HG_BLOCK);

    *out_room = log->active.capacity - HG_MIN(end, log->active.capacity);
    return *out_room == 0 ? HOLOG_OK : log->io->ops->truncate(log->file, end);
}

/* It was of no use. Somebody else may have the room now: then the segment ends where it does. */
static void take_room_back(struct hg_log *log, const struct seal *seal)
{
    uint64_t end = seal->base + HG_ALIGN_UP(seal->len, (uint64_t)HG_BLOCK);
    struct holog_error_detail first;
    int rc;

    if (end >= log->active.capacity)
        return;
    hg_error_get(&first);
    rc = log->io->ops->fallocate(log->file, 0, log->active.capacity);
    hg_error_set(&first);
    if (rc >= 0 || rc == HOLOG_E_NOTSUP)
        return;
    hg_log_lock(log);
    log->kept -= HG_MIN(log->kept, log->active.capacity - end);
    log->active.capacity = end;
    log->zero_end = HG_MIN(log->zero_end, end);
    hg_log_unlock(log);
}

/* R2 on a full disk: the other way round. */
static int make_small(struct hg_log *log, struct hg_segment_header *h, size_t need, int try,
                      struct seal *seal, struct hg_file **out_file)
{
    uint64_t room = 0;
    int rc = HOLOG_OK;

    if (log->active.id != 0)
        rc = prepare_seal(log, seal);
    if (rc == HOLOG_OK && log->active.id != 0)
        rc = give_room(log, seal, &room);
    if (rc < 0)
        return rc;
    h->capacity = small_capacity(log, room, need, try);
    rc = hg_log_make_segment(log, h, out_file);
    if (rc < 0 && log->active.id != 0)
        take_room_back(log, seal);
    return rc;
}

/* R2. */
static int make_next(struct hg_log *log, struct hg_segment_header *h, size_t need, int small,
                     struct seal *seal, struct hg_file **out_file)
{
    int rc;

    if (small)
        return make_small(log, h, need, small, seal, out_file);
    rc = hg_log_make_segment(log, h, out_file);
    return rc == HOLOG_OK && log->active.id != 0 ? prepare_seal(log, seal) : rc;
}

/* The active segment is sealed: the log goes on in the next, whoever makes it. Lock held. */
static void leave_segment(struct hg_log *log, uint64_t size)
{
    hg_mutex_lock(log->io, &log->ext_lock);
    hg_log_set_used(log, log->active.id, size);
    hg_mutex_unlock(log->io, &log->ext_lock);
    (void)log->io->ops->close(log->file); /* synced and sealed: nothing left to lose */
    log->file = NULL;
    log->active.id = 0;
    log->rolled_bytes += log->end;
    hg_footer_builder_destroy(log->footer);
    log->footer = NULL;
}

/* Lock held. */
static void enter_segment(struct hg_log *log, const struct hg_segment_header *h,
                          struct hg_file *file)
{
    log->file = file;
    log->active = *h;
    log->features = h->feat_incompat;
    log->seal_due = 0;
    log->kept = hg_segment_kept(h->capacity);
    log->kept_for_edits = hg_segment_kept(h->capacity) / 4;
    log->pred_epoch = h->epoch;
    log->end = log->sealed_end = HG_SEGMENT_HEADER_SIZE;
    log->zero_end = HG_SEGMENT_HEADER_SIZE;
    memset(log->tail, 0, sizeof log->tail);
    if (hg_footer_builder_create(h->first_number, &log->footer) < 0)
        log->footer = NULL; /* no memory for it: the roll rebuilds it from the file */
    log->pred_cut = 0;
    log->opening_due = 1;
    log->counters.segment_rolls++;
    if (log->opts.hooks.segment_added != NULL)
        log->opts.hooks.segment_added(log->opts.hooks.ctx, h->id, h->kind, h->capacity);
}

/* R2-R5. Lock held, dropped inside; log->rolling keeps everybody else out. *out_broken: what failed
 * cannot be done again. */
static int roll_files(struct hg_log *log, struct hg_segment_header *h, size_t need, int small,
                      int *out_broken)
{
    struct hg_file *file = NULL;
    struct seal seal = { 0 };
    int have_old = log->active.id != 0;
    int sealed = 0;
    int rc;

    *out_broken = 0;
    hg_log_unlock(log);
    rc = make_next(log, h, need, small, &seal, &file);
    if (rc == HOLOG_OK && have_old) {
        rc = write_seal(log, &seal);
        sealed = rc == HOLOG_OK;
        *out_broken = !sealed;
    }
    if (rc == HOLOG_OK)
        rc = hg_log_publish_segment(log, h, file, out_broken);
    if (rc < 0 && file != NULL)
        hg_log_drop_segment(log, h->id, file);
    hg_free(seal.data);
    hg_log_lock(log);
    if (sealed)
        leave_segment(log, seal.base + seal.len);
    if (rc < 0)
        return rc;
    enter_segment(log, h, file);
    return hg_log_write_super(log, HG_SUPER_OPEN);
}

/* What the successor's header says of the segment before it. */
static void set_predecessor(const struct hg_log *log, struct hg_segment_header *h)
{
    h->first_number = log->highest_number + 1;
    h->highest_number = log->highest_number;
    h->pred_number = log->last_number;
    h->pred_cut = log->pred_cut;
    if (hg_pos_segment(log->last_frame) == log->done_segment) { /* else it holds no frame */
        h->pred_last_len = log->prev_len;
        h->pred_last_hash = log->prev_hash;
    }
    h->pred_id = log->done_segment;
    h->pred_end = log->sealed_end_of_done;
    h->pred_epoch = log->pred_epoch;
}

#define AHEAD 4u /* segments: what has fewer may be read by who knows no edits */

/* An edit may come when the disk is full, and a roll cannot. */
static uint64_t features_ahead(struct hg_log *log)
{
    size_t n;

    hg_mutex_lock(log->io, &log->ext_lock); /* files of segments that were replaced go meanwhile */
    n = log->segments.len / sizeof(struct hg_segment_entry);
    hg_mutex_unlock(log->io, &log->ext_lock);
    return log->opts.compacts && n >= AHEAD ? HG_FEATURE_COLD : 0;
}

int hg_log_roll(struct hg_log *log, size_t need, uint64_t features, int small)
{
    struct hg_segment_header h;
    int broken = 0;
    int rc;

    while (log->rolling)
        hg_log_wait_changed(log, UINT64_MAX);
    log->rolling = 1;
    rc = hg_log_quiesce(log); /* R1 */
    while (rc == HOLOG_OK && log->syncing)
        hg_log_wait_changed(log, UINT64_MAX);
    if (rc == HOLOG_OK && log->active.id != 0 && log->synced_seq < log->done_seq) {
        log->rolling = 0; /* hg_log_sync_held waits for rolls */
        rc = hg_log_sync_held(log);
        if (rc == HOLOG_OK) {
            hg_cond_wake_all(log->io, &log->changed);
            return HOLOG_OK; /* the caller looks again: others may have appended meanwhile */
        }
    }
    while (rc == HOLOG_OK && log->zero_busy_to > 0)
        hg_log_wait_changed(log, UINT64_MAX);
    if (rc == HOLOG_OK && log->active.id != 0 && log->opts.hooks.full != NULL)
        log->opts.hooks.full(log->opts.hooks.ctx);
    if (rc == HOLOG_OK)
        rc = hg_log_new_header(log, HG_KIND_FRAMES, next_capacity(log, need), &h);
    if (rc == HOLOG_OK) {
        set_predecessor(log, &h);
        h.feat_incompat = log->features | features | features_ahead(log);
        rc = roll_files(log, &h, need, small, &broken);
        if (rc < 0 && broken)
            hg_log_poison(log, log->fill_seq, rc);
    }
    log->rolling = 0;
    hg_cond_wake_all(log->io, &log->changed);
    return rc;
}

/* ---- the opening frame -------------------------------------------------------------------------------*/

/* A list too long for a frame of this segment (there are thousands of tiny ones) goes to an extent,
 * durable before the frame that names it. Lock not held. */
static int list_to_extent(struct hg_log *log, const struct hg_buf *list, struct hg_buf *out_body)
{
    size_t padded = HG_ALIGN_UP(list->len, (size_t)HG_BLOCK);
    uint8_t *data = hg_alloc_aligned(HG_BLOCK, padded);
    struct hg_buf pieces = { 0 };
    struct hg_piece piece;
    int rc;

    if (data == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a list of segments");
    memcpy(data, list->data, list->len);
    memset(data + list->len, 0, padded - list->len);
    rc = hg_log_extent_room(log, list->len, 1, &pieces);
    if (rc == HOLOG_OK) {
        memcpy(&piece, pieces.data, sizeof piece);
        rc = hg_log_extent_write(log, piece.segment, piece.offset, data, list->len, 1);
        hg_log_extent_release(log, &piece, 1);
    }
    if (rc == HOLOG_OK)
        rc = hg_body_begin(out_body, log->last_time_ns, NULL, 0);
    if (rc == HOLOG_OK)
        rc = hg_rec_body(out_body, &piece, hg_hash64(list->data, list->len), NULL);
    hg_buf_release(&pieces);
    hg_free(data);
    return rc;
}

static int make_list(struct hg_log *log, struct hg_buf *out_body)
{
    struct hg_buf entries = { 0 };
    int rc = hg_log_segments(log, &entries);

    if (rc == HOLOG_OK)
        rc = hg_body_begin(out_body, log->last_time_ns, NULL, 0);
    if (rc == HOLOG_OK)
        rc = hg_rec_segments(out_body, (const struct hg_segment_entry *)(void *)entries.data,
                             entries.len / sizeof(struct hg_segment_entry), NULL);
    hg_buf_release(&entries);
    return rc;
}

static int append_opening(struct hg_log *log, const struct hg_buf *body)
{
    struct hg_append a = { .type = HG_FRAME_SYSTEM,
                           .body = body->data,
                           .body_len = body->len,
                           .body_hash = hg_hash64(body->data, body->len),
                           .nrec = 1,
                           .number = log->last_number };
    struct hg_log_place place;
    struct hg_ticket ticket;
    int rc = hg_log_reserve_in(log, body->len, 0, HG_RESERVE_ROLLING, &place);

    return rc == HOLOG_OK ? hg_log_append_in(log, &a, &ticket) : rc;
}

int hg_log_write_opening(struct hg_log *log)
{
    struct hg_buf list = { 0 };
    struct hg_buf body = { 0 };
    int in_extent;
    int rc;

    log->rolling = 1;
    rc = make_list(log, &list);
    in_extent = list.len + HG_FRAME_HEADER_SIZE > hg_frame_len_max(log->active.capacity);
    if (rc == HOLOG_OK && in_extent) {
        hg_log_unlock(log);
        rc = list_to_extent(log, &list, &body);
        hg_log_lock(log);
    }
    if (rc == HOLOG_OK)
        rc = append_opening(log, in_extent ? &body : &list);
    if (rc == HOLOG_OK)
        log->opening_due = 0;
    log->rolling = 0;
    hg_cond_wake_all(log->io, &log->changed);
    hg_buf_release(&list);
    hg_buf_release(&body);
    return rc;
}

/* ---- opening and closing ----------------------------------------------------------------------------------*/

/* A full disk must still open: then there is what the last close has kept for deletes, unless a copy
 * of the store has left it out. */
static int take_capacity(struct hg_log *log, uint64_t file_size)
{
    uint64_t end = HG_ALIGN_UP(log->end, (uint64_t)HG_BLOCK);
    int rc = log->io->ops->fallocate(log->file, 0, log->active.capacity);

    if (rc == HOLOG_E_NOSPC) {
        log->active.capacity = HG_MAX(HG_ALIGN_DOWN(file_size, (uint64_t)HG_BLOCK), end);
        rc = log->io->ops->fallocate(log->file, 0, log->active.capacity);
        if (rc == HOLOG_E_NOSPC) {
            log->active.capacity = end; /* the first commit will tell */
            rc = HOLOG_OK;
        }
        log->kept = log->active.capacity - end;
    }
    return rc == HOLOG_E_NOTSUP ? HOLOG_OK : rc;
}

/* Go on in a segment that was closed cleanly, or could not be sealed. */
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
    log->kept = hg_segment_kept(seg->header.capacity);
    log->kept_for_edits = log->kept / 4;
    log->end = log->sealed_end = r->end;
    log->zero_end = HG_ALIGN_UP(r->end, (uint64_t)HG_BLOCK);
    if (r->end % HG_BLOCK != 0) {
        rc = hg_files_read(log->files, seg->id, HG_KIND_FRAMES, log->tail, (size_t)(r->end - block),
                           block, &n);
        if (rc == HOLOG_OK && n != r->end - block)
            rc = hg_error(HOLOG_E_IO, "%s is shorter than it was a moment ago", name);
    }
    log->seal_due = !r->clean; /* no room for its footer was found */
    return rc == HOLOG_OK && r->clean ? take_capacity(log, seg->file_size) : rc;
}

/* The newest extent segment of a store that was closed cleanly: extents go on in it. Not when its
 * file has lost bytes that were handed out once: somebody may want to put them back. */
static void find_rest(struct hg_log *log, const struct hg_recovered *r)
{
    const struct hg_log_segment *newest = NULL;

    for (size_t i = 0; i < r->n_segments; i++)
        newest = r->segments[i].kind == HG_KIND_EXTENTS ? &r->segments[i] : newest;
    if (newest == NULL || newest->header.id != newest->id ||
        newest->header.salt != r->super.salt) /* its header is damaged, or not its own */
        return;
    log->ext_last_capacity = newest->header.capacity;
    if (!r->clean || !r->used_known || newest->cut ||
        newest->header.capacity <= HG_ALIGN4K(newest->file_size))
        return;
    log->ext_rest = (struct hg_ext_rest){ .segment = newest->id,
                                          .from = HG_ALIGN4K(newest->file_size),
                                          .capacity = newest->header.capacity };
}

int hg_log_open_active(struct hg_log *log, const struct hg_recovered *r)
{
    const struct hg_log_segment *last = NULL;
    int rc = HOLOG_OK;

    log->next_segment = HG_MAX(r->next_segment, 1u);
    for (size_t i = 0; i < r->n_segments && rc == HOLOG_OK; i++) {
        const struct hg_log_segment *s = &r->segments[i];
        rc = add_entry(log, s->id, s->kind | (s->lists ? HG_SEGMENT_LISTS : 0),
                       s->sealed || s->kind == HG_KIND_HWP || s->kind == HG_KIND_BASE ? s->file_size
                                                                                      : s->used);
        log->features |= s->header.feat_incompat;
        if (s->id == r->last_segment)
            last = s;
    }
    log->features |= r->super.feat_incompat;
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
    find_rest(log, r);
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

    hg_log_thread_stop(log); /* or it would write ahead of an end that has been cut */
    hg_log_lock(log);
    rc = hg_log_sync_held(log);
    if (rc == HOLOG_OK)
        rc = hg_log_quiesce(log);
    while (log->zero_busy_to > 0)
        hg_log_wait_changed(log, UINT64_MAX);
    if (rc == HOLOG_OK)
        rc = hg_log_extents_shutdown(log);
    if (rc == HOLOG_OK && log->active.id != 0 && !log->seal_due) {
        uint64_t end = HG_ALIGN_UP(log->sealed_end, (uint64_t)HG_BLOCK);
        rc = log->io->ops->truncate(log->file, HG_MIN(end + log->kept, log->active.capacity));
        if (rc == HOLOG_OK)
            rc = log->io->ops->fdatasync(log->file);
    }
    if (rc == HOLOG_OK)
        rc = hg_log_write_super(log, log->seal_due ? HG_SUPER_OPEN : HG_SUPER_CLEAN);
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
    if (log->leaving.file != NULL)
        (void)log->io->ops->close(log->leaving.file); /* it has no name */
    for (unsigned i = 0; i < HG_GROUP_SLOTS; i++) {
        hg_free(log->groups[i].buf);
        hg_buf_release(&log->groups[i].frames);
        hg_buf_release(&log->groups[i].dones);
    }
    hg_footer_builder_destroy(log->footer);
    hg_buf_release(&log->segments);
    hg_buf_release(&log->lists);
    hg_free(log);
}
