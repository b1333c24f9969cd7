/*
 * Extents: room for large values, and their writes.
 *
 * An extent segment exists (header synced, renamed, directory synced) before any of its room is
 * handed out, so a frame can only name what is there. What is handed out and never named is garbage
 * from birth; while nothing stands behind it, its room is handed out again. No frame, written or in
 * doubt, can name it then: a commit whose frame was appended keeps its pieces.
 *
 * A clean close cuts the active segment to what is used, and the next writer goes on in it, at the
 * end of its file: else each process that saves one value would leave a file of its own.
 */
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wal/log_internal.h"

#define EXT_FIRST (4u << 20) /* a store's first extent segment, if the limit allows */
#define EXT_SPLIT (1u << 20) /* a remainder smaller than this is left unused */

static void lock(struct hg_log *log)
{
    hg_mutex_lock(log->io, &log->ext_lock);
}

static void unlock(struct hg_log *log)
{
    hg_mutex_unlock(log->io, &log->ext_lock);
}

static struct hg_ext_seg *find(struct hg_log *log, uint32_t id)
{
    struct hg_ext_seg *e = log->exts;
    while (e != NULL && e->id != id)
        e = e->next;
    return e;
}

static void drop_user(struct hg_log *log, const struct hg_piece *p, int keep)
{
    struct hg_ext_seg *e = find(log, p->segment);

    HG_ASSERT(e != NULL && e->users > 0);
    e->users--;
    if (!keep && p->offset + HG_ALIGN_UP(p->len, (uint64_t)HG_BLOCK) == e->used)
        e->used = p->offset;
    hg_log_set_used(log, e->id, e->used);
    hg_log_lists_named(log, e->id);
}

static struct hg_ext_seg *active(struct hg_log *log)
{
    struct hg_ext_seg *e = log->exts;
    while (e != NULL && !e->active)
        e = e->next;
    return e;
}

static int is_dirty(const struct hg_ext_seg *e)
{
    return __atomic_load_n(&e->dirty, __ATOMIC_SEQ_CST);
}

/* The segment first: a sync clears these in the other order. */
static void set_dirty(struct hg_log *log, struct hg_ext_seg *e)
{
    __atomic_store_n(&e->dirty, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&log->ext_dirty, 1, __ATOMIC_SEQ_CST);
}

/* Close what nobody uses any more. ext_lock held, dropped while a file is cut and closed. */
static void retire_idle(struct hg_log *log)
{
    struct hg_ext_seg **at = &log->exts;

    while (*at != NULL) {
        struct hg_ext_seg *e = *at;
        if (e->active || e->users > 0 || is_dirty(e)) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        unlock(log);
        (void)log->io->ops->truncate(e->file, e->used); /* only gives back what was not used */
        (void)log->io->ops->close(e->file);             /* all its bytes were synced: dirty is 0 */
        hg_free(e);
        lock(log);
        at = &log->exts;
    }
}

static uint64_t next_capacity(const struct hg_log *log, uint64_t need, int contiguous)
{
    uint64_t limit = log->fixed.extent_size_max;
    uint64_t whole = HG_ALIGN_UP(need, (uint64_t)HG_BLOCK) + HG_SEGMENT_HEADER_SIZE;
    uint64_t c = log->ext_last_capacity == 0 ? EXT_FIRST : log->ext_last_capacity * 2;

    while (c < limit && c < whole)
        c *= 2;
    c = HG_MIN(c, limit);
    return contiguous ? HG_MAX(c, whole) : c;
}

static void poison(struct hg_log *log, int rc)
{
    hg_log_lock(log);
    hg_log_poison(log, log->fill_seq, rc);
    hg_log_complete(log);
    hg_log_unlock(log);
}

/* A new extent segment. What fails before its name may be there fails one commit: no frame names
 * it. */
static int make(struct hg_log *log, uint64_t capacity, struct hg_ext_seg *e)
{
    struct hg_segment_header h;
    int in_doubt = 0;
    int rc = hg_log_new_header(log, HG_KIND_EXTENTS, capacity, &h);

    if (rc == HOLOG_OK)
        rc = hg_log_make_segment(log, &h, &e->file);
    if (rc == HOLOG_OK) {
        rc = hg_log_publish_segment(log, &h, e->file, &in_doubt);
        if (rc < 0)
            hg_log_drop_segment(log, h.id, e->file);
    }
    if (rc < 0 && in_doubt)
        poison(log, rc); /* a sync of seg/ that fails is not tried again */
    if (rc < 0)
        return rc;
    if (log->opts.hooks.segment_added != NULL)
        log->opts.hooks.segment_added(log->opts.hooks.ctx, h.id, h.kind, h.capacity);
    e->id = h.id;
    e->capacity = h.capacity;
    e->used = HG_SEGMENT_HEADER_SIZE;
    return HOLOG_OK;
}

/* From here on a crash is one: who opens next cuts off what a longer file holds for nobody. */
static int no_longer_clean(struct hg_log *log)
{
    int rc = HOLOG_OK;

    hg_log_lock(log);
    if (log->super.state == HG_SUPER_CLEAN)
        rc = hg_log_write_super(log, HG_SUPER_OPEN);
    hg_log_unlock(log);
    if (rc < 0)
        poison(log, rc); /* its slot may be half written */
    return rc;
}

/* The segment that the last writer closed, from the end of its file on: nothing that a frame, kept
 * or in quarantine/, names lies there. What fails behind SUPER has changed no byte, and fails one
 * commit; a full disk may have room later. */
static int go_on(struct hg_log *log, struct hg_ext_seg *e)
{
    struct hg_ext_rest rest = log->ext_rest;
    char name[HG_FILE_NAME_MAX];
    int rc;

    rc = no_longer_clean(log);
    if (rc < 0)
        return rc;
    hg_segment_name(name, rest.segment, HG_KIND_EXTENTS);
    rc = log->io->ops->open(log->io, name, HG_OPEN_WRITE | HG_OPEN_DIRECT, &e->file);
    if (rc == HOLOG_OK) {
        rc = log->io->ops->fallocate(e->file, rest.from, rest.capacity - rest.from);
        if (rc == HOLOG_E_NOTSUP)
            rc = HOLOG_OK;
        if (rc < 0)
            (void)log->io->ops->close(e->file); /* nothing was written */
    }
    if (rc != HOLOG_E_NOSPC)
        log->ext_rest.segment = 0;
    if (rc < 0)
        return rc;
    e->id = rest.segment;
    e->capacity = rest.capacity;
    e->used = rest.from;
    return HOLOG_OK;
}

/* Another active extent segment. Called without any lock; ext_growing keeps others waiting. */
static int grow(struct hg_log *log, uint64_t need, int contiguous)
{
    struct hg_ext_seg *e = hg_calloc(1, sizeof *e);
    int rc;

    if (e == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for an extent segment");
    if (log->ext_rest.segment != 0)
        rc = go_on(log, e);
    else
        rc = make(log, next_capacity(log, need, contiguous), e);
    if (rc < 0) {
        hg_free(e);
        return rc;
    }
    e->active = 1;
    lock(log);
    for (struct hg_ext_seg *o = log->exts; o != NULL; o = o->next)
        o->active = 0;
    e->next = log->exts;
    log->exts = e;
    log->ext_last_capacity = e->capacity;
    unlock(log);
    return HOLOG_OK;
}

/* Take up to `want` bytes from the active segment. ext_lock held. 0 when there is too little. */
static uint64_t take(struct hg_log *log, uint64_t want, int contiguous, struct hg_piece *out)
{
    struct hg_ext_seg *e = active(log);
    uint64_t room = e == NULL ? 0 : e->capacity - e->used;
    uint64_t len = want;

    if (e == NULL)
        return 0;
    if (HG_ALIGN_UP(want, (uint64_t)HG_BLOCK) > room) {
        len = HG_ALIGN_DOWN(room, (uint64_t)HG_HASH_BLOCK);
        /* Fill a segment up only when it cannot hold the whole anyway. */
        int fits_alone = want + HG_SEGMENT_HEADER_SIZE <= log->fixed.extent_size_max;
        if (contiguous || len == 0 || (fits_alone && (len < EXT_SPLIT || len < want / 2)))
            return 0;
    }
    *out = (struct hg_piece){ .segment = e->id, .offset = e->used, .len = len };
    e->used += HG_ALIGN_UP(len, (uint64_t)HG_BLOCK);
    e->users++;
    hg_log_set_used(log, e->id, e->used); /* now: a list written before the release has it */
    if (contiguous)
        hg_log_set_lists(log, e->id);
    return len;
}

int hg_log_extent_alloc(struct hg_log *log, uint64_t len, int contiguous, struct hg_buf *out_pieces)
{
    if (contiguous && len > log->fixed.extent_size_max - HG_SEGMENT_HEADER_SIZE)
        return hg_error(HOLOG_E_TOOBIG,
                        "%llu bytes in one run: the limit is the extent segment size "
                        "(%llu); split the batch",
                        (unsigned long long)len, (unsigned long long)log->fixed.extent_size_max);
    return hg_log_extent_room(log, len, contiguous, out_pieces);
}

int hg_log_extent_room(struct hg_log *log, uint64_t len, int contiguous, struct hg_buf *out_pieces)
{
    uint64_t left = len;
    size_t had = out_pieces->len;
    int rc = HOLOG_OK;

    if (hg_log_poisoned(log) != 0)
        return hg_error(HOLOG_E_POISONED, "an earlier write failed; close and reopen the store");
    lock(log);
    while (left > 0 && rc == HOLOG_OK) {
        struct hg_piece p;
        uint64_t got;

        while (log->ext_growing)
            hg_cond_wait(log->io, &log->ext_changed, &log->ext_lock, UINT64_MAX);
        got = take(log, left, contiguous, &p);
        if (got > 0) {
            left -= got;
            rc = hg_buf_append(out_pieces, &p, sizeof p);
            if (rc < 0)
                drop_user(log, &p, 0); /* nobody knows of this piece */
            continue;
        }
        log->ext_growing = 1;
        unlock(log);
        rc = grow(log, left, contiguous);
        lock(log);
        log->ext_growing = 0;
        hg_cond_wake_all(log->io, &log->ext_changed);
        retire_idle(log);
    }
    unlock(log);
    if (rc < 0) { /* what was taken is garbage from birth */
        for (size_t at = out_pieces->len; at > had; at -= sizeof(struct hg_piece)) {
            struct hg_piece p;
            memcpy(&p, out_pieces->data + at - sizeof p, sizeof p);
            hg_log_extent_release(log, &p, 0);
        }
        out_pieces->len = had;
    }
    return rc;
}

void hg_log_extent_release(struct hg_log *log, const struct hg_piece *p, int keep)
{
    lock(log);
    drop_user(log, p, keep);
    unlock(log);
}

int hg_log_extents_open(struct hg_log *log, struct hg_buf *out)
{
    int rc = HOLOG_OK;

    lock(log);
    while (log->ext_growing)
        hg_cond_wait(log->io, &log->ext_changed, &log->ext_lock, UINT64_MAX);
    if (log->ext_rest.segment != 0) {
        struct hg_log_extent x = { log->ext_rest.segment, 1, log->ext_rest.from };
        rc = hg_buf_append(out, &x, sizeof x);
    }
    for (struct hg_ext_seg *e = log->exts; e != NULL && rc == HOLOG_OK; e = e->next) {
        struct hg_log_extent x = { e->id, e->active || e->users > 0, e->used };
        rc = hg_buf_append(out, &x, sizeof x);
    }
    unlock(log);
    return rc;
}

uint32_t hg_log_extents_leave(struct hg_log *log)
{
    uint32_t next;

    lock(log);
    while (log->ext_growing)
        hg_cond_wait(log->io, &log->ext_changed, &log->ext_lock, UINT64_MAX);
    log->ext_rest.segment = 0; /* its file ends where the last writer left it */
    for (struct hg_ext_seg *e = log->exts; e != NULL; e = e->next)
        e->active = 0;
    next = log->next_segment;
    retire_idle(log);
    unlock(log);
    return next;
}

void hg_log_extents_retire(struct hg_log *log)
{
    lock(log);
    retire_idle(log);
    unlock(log);
}

int hg_log_extent_sync(struct hg_log *log, uint32_t segment)
{
    struct hg_file *f = NULL;
    int rc = hg_files_get(log->files, segment, HG_KIND_EXTENTS, &f);

    if (rc < 0)
        return rc;
    rc = log->io->ops->fdatasync(f);
    hg_files_put(log->files, segment);
    if (rc < 0)
        poison(log, rc);
    return rc;
}

static struct hg_ext_seg *begin_write(struct hg_log *log, uint32_t segment, int durable,
                                      unsigned *out_gen)
{
    struct hg_ext_seg *e;

    lock(log);
    e = find(log, segment);
    HG_ASSERT(e != NULL && e->users > 0);
    if (!durable)
        set_dirty(log, e);
    *out_gen = log->ext_gen;
    __atomic_add_fetch(&log->ext_writes[log->ext_gen], 1, __ATOMIC_RELAXED);
    unlock(log);
    return e;
}

/* Also from a request's done, which may not block: no lock. */
static void end_write(struct hg_log *log, unsigned gen)
{
    struct hg_io *io = log->io; /* with the count at 0 the log may go */
    uint32_t *writes = &log->ext_writes[gen];

    if (__atomic_sub_fetch(writes, 1, __ATOMIC_ACQ_REL) == 0)
        io->ops->word_wake(io, writes, INT_MAX);
}

/* Until no write of a generation is under way. ext_lock held, dropped while waiting. */
static void wait_for_writes(struct hg_log *log, unsigned gen)
{
    uint32_t n;

    while ((n = __atomic_load_n(&log->ext_writes[gen], __ATOMIC_ACQUIRE)) > 0) {
        unlock(log);
        log->io->ops->word_wait(log->io, &log->ext_writes[gen], n, UINT64_MAX);
        lock(log);
    }
}

int hg_log_extent_write(struct hg_log *log, uint32_t segment, uint64_t offset, const void *data,
                        size_t len, int durable)
{
    unsigned gen;
    struct hg_ext_seg *e = begin_write(log, segment, durable, &gen);
    int rc = hg_io_write_full(e->file, data, HG_ALIGN_UP(len, (size_t)HG_BLOCK), offset,
                              durable ? HG_WRITE_DSYNC : 0);

    if (!durable)
        set_dirty(log, e); /* a sync that came meanwhile has cleared it, not covering this */
    end_write(log, gen);
    __atomic_add_fetch(&log->extent_bytes, len, __ATOMIC_RELAXED);
    if (rc < 0)
        poison(log, rc);
    return rc;
}

struct ext_req {
    struct hg_req req;
    struct hg_log *log;
    struct hg_ext_seg *seg; /* its piece is not released before `done` */
    unsigned gen;
    hg_extent_done done;
    void *ctx;
};

static void ext_req_done(struct hg_req *r)
{
    struct ext_req *e = r->ctx;
    struct hg_log *log = e->log;

    if (r->rc < 0) /* not while holding io's locks: the next sync sees it */
        __atomic_store_n(&log->ext_failed, r->rc, __ATOMIC_RELEASE);
    set_dirty(log, e->seg); /* a sync that came meanwhile has cleared it, not covering this */
    e->done(e->ctx, r->rc);
    end_write(log, e->gen);
    hg_free(e);
}

int hg_log_extent_submit(struct hg_log *log, uint32_t segment, uint64_t offset, const void *data,
                         size_t len, hg_extent_done done, void *ctx)
{
    struct ext_req *e = hg_calloc(1, sizeof *e);
    struct hg_req *list[1];
    int rc;

    if (e == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a write");
    e->log = log;
    e->done = done;
    e->ctx = ctx;
    e->req.op = HG_REQ_WRITE;
    e->seg = begin_write(log, segment, 0, &e->gen);
    e->req.file = e->seg->file;
    memcpy(&e->req.buf, &data, sizeof data); /* io does not write through it */
    e->req.len_bytes = HG_ALIGN_UP(len, (size_t)HG_BLOCK);
    e->req.offset = offset;
    e->req.done = ext_req_done;
    e->req.ctx = e;
    __atomic_add_fetch(&log->extent_bytes, len, __ATOMIC_RELAXED);
    list[0] = &e->req;
    rc = log->io->ops->submit(log->io, list, 1);
    if (rc < 0) {
        end_write(log, e->gen);
        hg_free(e);
    }
    return rc;
}

void hg_log_extents_settle(struct hg_log *log)
{
    unsigned gen;

    lock(log);
    while (log->ext_syncing)
        hg_cond_wait(log->io, &log->ext_changed, &log->ext_lock, UINT64_MAX);
    gen = log->ext_gen;
    wait_for_writes(log, gen);
    unlock(log);
}

/* Every extent written before this call is durable after it. */
int hg_log_extents_sync(struct hg_log *log)
{
    unsigned gen;
    int rc = HOLOG_OK;

    lock(log);
    while (log->ext_syncing)
        hg_cond_wait(log->io, &log->ext_changed, &log->ext_lock, UINT64_MAX);
    log->ext_syncing = 1;
    gen = log->ext_gen;
    log->ext_gen ^= 1; /* the other generation ran empty in the sync before this one */
    wait_for_writes(log, gen);
    __atomic_store_n(&log->ext_dirty, 0, __ATOMIC_SEQ_CST);
    for (;;) {
        struct hg_ext_seg *e = log->exts;
        while (e != NULL && (!is_dirty(e) || e->syncing))
            e = e->next;
        if (e == NULL || rc < 0)
            break;
        __atomic_store_n(&e->dirty, 0, __ATOMIC_SEQ_CST);
        e->syncing = 1;
        e->users++;
        unlock(log);
        rc = log->io->ops->fdatasync(e->file);
        lock(log);
        e->users--;
    }
    for (struct hg_ext_seg *e = log->exts; e != NULL; e = e->next)
        e->syncing = 0;
    if (rc == HOLOG_OK && __atomic_load_n(&log->ext_failed, __ATOMIC_ACQUIRE) < 0)
        rc = hg_error(log->ext_failed, "a write of an extent failed");
    log->ext_syncing = 0;
    hg_cond_wake_all(log->io, &log->ext_changed);
    retire_idle(log);
    unlock(log);
    return rc;
}

/* Clean close: cut the active segment to what is used. Everything is synced. */
int hg_log_extents_shutdown(struct hg_log *log)
{
    int rc = HOLOG_OK;

    lock(log);
    for (struct hg_ext_seg *e = log->exts; e != NULL && rc == HOLOG_OK; e = e->next) {
        HG_ASSERT(e->users == 0 && !is_dirty(e));
        rc = log->io->ops->truncate(e->file, e->used);
        if (rc == HOLOG_OK)
            rc = log->io->ops->fdatasync(e->file);
        e->capacity = e->used;
    }
    unlock(log);
    return rc;
}

void hg_log_extents_destroy(struct hg_log *log)
{
    lock(log); /* a poisoned log may have writes under way: they use its memory */
    wait_for_writes(log, 0);
    wait_for_writes(log, 1);
    unlock(log);
    while (log->exts != NULL) {
        struct hg_ext_seg *e = log->exts;
        log->exts = e->next;
        (void)log->io->ops->close(e->file); /* shut down or poisoned */
        hg_free(e);
    }
}
