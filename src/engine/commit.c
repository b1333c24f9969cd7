/*
 * The commit path.
 *
 *   prepare   (no lock) records are encoded; large values are on their way to extents
 *   sequence  (log lock) room in the log; every operation checked against the sequenced state and
 *             applied to it; the frame joins the filling group. All or nothing: a commit of several
 *             operations that fails half way is taken back by resetting the index to where it was
 *   wait      until the group has completed in the commit's sync mode
 *   publish   hooks, called by the log in commit order: readers see the state
 *
 * What was resolved when the operation was collected may have changed by the time it is sequenced
 * (a symlink turned, a parent made or gone): then the record is encoded again with what is true now.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/node.h"
#include "engine/check.h"
#include "engine/delta.h"
#include "engine/retention.h"
#include "io/event.h"
#include "wal/frame.h"

#define ASYNC_BYTES_MAX (64u << 20) /* appended and not complete: beyond it, HOLOG_E_AGAIN */
#define LIMBO_SHARE     16u         /* of the budget may be replaced and not freed yet, */
#define LIMBO_MIN       (1u << 20)  /* or as much: beyond it, a commit waits, but */
#define LIMBO_WAITS     20
#define LIMBO_WAIT_NS   (100u * 1000u)

/* ---- hooks: called by the log with its lock held ---------------------------------------------------*/

static int on_appended(void *ctx, uint32_t segment, uint32_t offset, const void *data, size_t len)
{
    holog_store *s = ctx;
    int rc = hg_cache_put(s->cache, segment, offset, data, len);

    if (rc == HOLOG_E_INVAL) { /* there was no memory to add the segment when it was made */
        rc = hg_cache_add_segment(s->cache, segment, HG_KIND_FRAMES,
                                  hg_log_super(s->log)->segment_size_max);
        if (rc == HOLOG_OK)
            rc = hg_cache_put(s->cache, segment, offset, data, len);
    }
    if (hg_cache_low(s->cache))
        hg_keeper_wake(s);
    return rc;
}

static struct hg_version *newest(holog_store *s)
{
    if (s->latest != NULL && s->latest->number == s->last_number)
        return s->latest;
    hg_version_put(s, s->latest);
    s->latest = hg_version_freeze(s);
    return s->latest;
}

static void *on_sealed(void *ctx)
{
    struct hg_version *v = newest(ctx);
    __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
    return v;
}

static void publish(holog_store *s, struct hg_version *v)
{
    if (v->number > s->published->number) {
        __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
        hg_version_publish(s, v);
    }
}

/* A write of the log failed: what is not durable is in doubt, and nobody may see it. */
static void fall_back(holog_store *s)
{
    struct hg_version *v = s->durable;
    struct hg_state_mark m = { .root = v->root, .past = v->past, .sums = v->sums };

    hg_state_reset(&s->sequenced, &m);
    hg_timeline_cut(&s->timeline, v->number);
    s->last_number = v->number;
    hg_version_put(s, s->latest);
    s->latest = NULL;
    if (s->published != v) {
        __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
        hg_version_publish(s, v);
    }
}

static void set_durable(holog_store *s, struct hg_version *v)
{
    if (v->number <= s->durable->number)
        return;
    __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
    hg_version_put(s, s->durable);
    s->durable = v;
}

static void on_completed(void *ctx, void *token, int rc, int durable)
{
    holog_store *s = ctx;
    struct hg_version *v = token;

    if (rc < 0) {
        fall_back(s);
    } else if (v != NULL) {
        publish(s, v);
        if (durable)
            set_durable(s, v);
    }
    hg_version_put(s, v);
    hg_store_tell_budget(s);
    hg_scheduler_note(s);
}

static void on_afterwards(void *ctx)
{
    holog_store *s = ctx;
    hg_epoch_poll(s->domain); /* frees what was replaced */
}

static void on_written(void *ctx, uint32_t segment, uint64_t end)
{
    holog_store *s = ctx;
    hg_cache_set_written(s->cache, segment, end);
}

static void on_durable(void *ctx, hg_pos pos, uint64_t number)
{
    holog_store *s = ctx;

    HG_UNUSED(pos);
    if (s->published->number <= number)
        set_durable(s, s->published);
    if (s->event_fd >= 0)
        hg_io_event_signal(s->event_fd);
}

static void on_full(void *ctx)
{
    hg_keeper_segment_full(ctx);
    hg_base_segment_full(ctx);
}

static void on_segment_added(void *ctx, uint32_t id, uint32_t kind, uint64_t capacity)
{
    holog_store *s = ctx;
    (void)hg_cache_add_segment(s->cache, id, kind, capacity); /* no memory: reads add it later */
}

void hg_commit_hooks(holog_store *s, struct hg_log_hooks *out)
{
    *out = (struct hg_log_hooks){ .ctx = s,
                                  .appended = on_appended,
                                  .sealed = on_sealed,
                                  .completed = on_completed,
                                  .written = on_written,
                                  .afterwards = on_afterwards,
                                  .durable = on_durable,
                                  .full = on_full,
                                  .segment_added = on_segment_added };
}

/* ---- sequencing --------------------------------------------------------------------------------------*/

struct seq {
    holog_txn *txn;
    holog_store *s;
    struct hg_check_ctx check;
    struct hg_log_place place;
    uint32_t birth_segment; /* of the records: the frame's, or the extent that holds them */
    uint32_t birth_base;    /* offset of the body in it */
    uint64_t number;
    uint64_t body_hash; /* of the frame's */
    int again;          /* the body had to be encoded again: start over */
    struct hg_delta_commit deltas;
    struct hg_checked *checked; /* the operation in hand; 33 KiB, so not part of this */
    int literal;                /* the only operation's path is as it was given; its key is made */
};

static struct hg_op *op_at(holog_txn *txn, size_t i)
{
    return (struct hg_op *)(void *)txn->ops.data + i;
}

static size_t op_count(const holog_txn *txn)
{
    return txn->ops.len / sizeof(struct hg_op);
}

static const char *text(const holog_txn *txn, uint32_t at)
{
    return (const char *)txn->arena.data + at;
}

/* With a name: a document and chunks are the directory's own. */
static int has_children(void *ctx, const struct hg_key *dir)
{
    holog_store *s = ctx;
    uint8_t prefix[HG_KEY_MAX + 1];
    struct hg_root *root = hg_index_freeze(s->sequenced.index);
    struct hg_cursor c;
    int rc;

    memcpy(prefix, dir->bytes, dir->len);
    prefix[dir->len] = 0;
    rc = hg_cursor_open(&c, root, prefix, dir->len + 1, 0);
    if (rc == HOLOG_OK) {
        rc = c.key_len > dir->len + 1 && memcmp(c.key, prefix, dir->len + 1) == 0 &&
             c.key[dir->len + 1] < HG_NODE_FIRST;
        hg_cursor_close(&c);
    } else if (rc == HOLOG_E_NOENT) {
        rc = 0;
    }
    hg_root_put(root);
    return rc;
}

static int was_there(void *ctx, const struct hg_key *k, uint64_t number)
{
    holog_store *s = ctx;
    struct hg_state_mark m;
    struct hg_locator loc;
    int rc;

    hg_state_freeze(&s->sequenced, &m);
    rc = hg_past_get(m.root, m.past, k->bytes, k->len, number, &loc);
    hg_state_mark_release(&m);
    return rc == HOLOG_E_NOENT ? 0 : rc < 0 ? rc : 1;
}

/* The sequenced state with what this commit has done to it so far. Its links are not in the log yet. */
static int get_in_commit(void *ctx, const uint8_t *key, size_t len, struct hg_locator *out)
{
    const struct seq *q = ctx;
    return hg_state_get(&q->s->sequenced, key, len, out);
}

static int target_in_commit(void *ctx, const struct hg_locator *loc, char *out, size_t *out_len)
{
    const struct seq *q = ctx;
    const struct hg_buf *body = &q->txn->body;
    size_t at = loc->offset - q->birth_base;
    struct hg_record r;
    int rc;

    if (loc->segment != q->birth_segment || loc->offset < q->birth_base || at >= body->len)
        return hg_value_target(q->s, loc, out, out_len);
    rc = hg_rec_decode(body->data + at, body->len - at, at, &r);
    HG_ASSERT(rc == HOLOG_OK && r.value_len <= HG_PATH_MAX); /* we encoded it */
    memcpy(out, r.value, (size_t)r.value_len);
    out[r.value_len] = 0;
    *out_len = (size_t)r.value_len;
    return HOLOG_OK;
}

/* The path an operation acts on is not the one its record says: put the true one in. But when a
 * transaction has seen where its path led, a link has been turned since: its author may not want
 * that elsewhere. */
static int rename_op(holog_txn *txn, int seen, uint32_t *at, uint32_t *len,
                     const struct hg_resolved *r)
{
    size_t where = txn->arena.len;
    int rc;

    if (seen)
        return hg_error_path(HOLOG_E_CONFLICT, text(txn, *at), *len,
                             "%s: a symlink on the way leads to %s since this transaction used it",
                             text(txn, *at), r->path);
    rc = hg_buf_append(&txn->arena, r->path, r->path_len + 1);
    if (rc == HOLOG_OK) {
        *at = (uint32_t)where;
        *len = (uint32_t)r->path_len;
    }
    return rc;
}

static int same_path(const holog_txn *txn, uint32_t at, uint32_t len, const struct hg_resolved *r)
{
    return len == r->path_len && memcmp(text(txn, at), r->path, len) == 0;
}

static int settle_paths(struct seq *q, size_t i, const struct hg_checked *c)
{
    holog_txn *txn = q->txn;
    struct hg_op *op = op_at(txn, i);
    int seen = txn->kind == HG_TXN_READING &&
               op->path != op->user_path; /* resolved when it was collected */
    int rc = HOLOG_OK;

    if (op->type == HG_OP_CONFIG || op->type == HG_OP_EXPECT)
        return HOLOG_OK;
    if (!same_path(txn, op->path, op->path_len, &c->at)) {
        rc = rename_op(txn, seen, &op->path, &op->path_len, &c->at);
        q->again = 1;
    }
    if (rc == HOLOG_OK && (op->type == HG_OP_MOVE || op->type == HG_OP_COPY) &&
        !same_path(txn, op->to, op->to_len, &c->to)) {
        rc = rename_op(txn, seen, &op->to, &op->to_len, &c->to);
        q->again = 1;
    }
    return rc;
}

/* Of the entry that a save, a symlink or a mkdir makes. */
static struct hg_locator op_locator(void *ctx, const struct hg_op *op)
{
    const struct seq *q = ctx;
    struct hg_locator loc = { .segment = q->birth_segment,
                              .offset = q->birth_base + (uint32_t)op->record,
                              .size = op->size,
                              .number = q->number,
                              .type = HG_ENTRY_BLOB,
                              .check = op->check };

    if (op->type == HG_OP_SYMLINK) {
        loc.type = HG_ENTRY_SYMLINK;
    } else if (op->type == HG_OP_MKDIR) {
        loc.type = HG_ENTRY_DIR;
        loc.size = q->number;
        loc.check = 0;
    } else if (op->type == HG_OP_DELTA) {
        loc.ends = hg_delta_ends(op);
    }
    return loc;
}

static int apply_op(struct seq *q, struct hg_op *op, struct hg_checked *c)
{
    struct hg_state *st = &q->s->sequenced;
    struct hg_locator loc = op_locator(q, op);

    switch (op->type) {
    case HG_OP_SAVE:
    case HG_OP_DELTA:
    case HG_OP_SYMLINK: return hg_apply_put(st, &c->at.key, &loc);
    case HG_OP_MKDIR: return c->nothing_to_do ? HOLOG_OK : hg_apply_put(st, &c->at.key, &loc);
    case HG_OP_DELETE:
    case HG_OP_DELETE_TREE: return hg_apply_delete_tree(st, &c->at.key, q->number);
    case HG_OP_COPY: return hg_apply_copy(st, &c->at.key, &c->to.key, q->number);
    case HG_OP_MOVE: return hg_apply_move(st, &c->at.key, &c->to.key, q->number);
    case HG_OP_ROLLBACK:
        __atomic_store_n(&q->s->rolled_back, 1, __ATOMIC_RELEASE);
        return hg_apply_rollback(st, &c->at.key, op->expect, q->number);
    case HG_OP_CONFIG:
        return hg_setting_put(q->s, text(q->txn, op->path), op->path_len, text(q->txn, op->to),
                              op->to_len);
    case HG_OP_EXPECT:
    default: return HOLOG_OK;
    }
}

/* A DELETE record names the segment of what it kills: known only now. */
static void patch_delete(holog_txn *txn, const struct hg_op *op, const struct hg_checked *c)
{
    struct hg_record r;
    uint8_t *at = txn->body.data + op->record;

    if (hg_rec_decode(at, txn->body.len - op->record, op->record, &r) == HOLOG_OK)
        hg_put_le32(at + r.whole_len - op->path_len - 4, c->at.loc.segment);
}

/* Missing parents of operation i, as the sequenced state has it, become operations before it. */
static int add_parents(struct seq *q, size_t i, const struct hg_resolved *found_missing)
{
    int rc = hg_txn_insert_parents(q->txn, i, &q->check.lookup, found_missing);

    if (rc == HOLOG_OK)
        q->again = 1;
    return rc;
}

/* Two items of a batch that lead to one entry, by a symlink: which of them is meant? */
static int check_twice(const struct seq *q, const struct hg_op *op, const struct hg_checked *c)
{
    if (q->txn->kind == HG_TXN_READING || op->type != HG_OP_SAVE || c->at.loc.type == 0 ||
        c->at.loc.number != q->number)
        return HOLOG_OK;
    return hg_error_path(HOLOG_E_INVAL, c->at.path, (uint32_t)c->at.path_len,
                         "%s is in the batch twice, once through a symlink", c->at.path);
}

/* Checked against the state as it is now; q->again when the body had to change. */
static int check_one(struct seq *q, size_t i, struct hg_checked *c)
{
    holog_txn *txn = q->txn;
    struct hg_op *op = op_at(txn, i);
    int moves = op->type == HG_OP_MOVE || op->type == HG_OP_COPY;
    int rc = op->type == HG_OP_ROLLBACK ? hg_ref_check(q->s, op->expect) : HOLOG_OK;

    if (rc < 0) /* what was then is asked only of a state that is kept */
        return rc;
    q->check.lookup.quiet = hg_op_makes_parents(op);
    rc = hg_check_op(&q->check, op, text(txn, op->user_path), op->user_path_len,
                     moves ? text(txn, op->user_to) : "", moves ? op->user_to_len : 0, c);

    if (rc == HOLOG_E_NOENT && c->missing_parent && (op->flags & HOLOG_PARENTS) != 0)
        return add_parents(q, i, moves ? &c->to : &c->at);
    if (rc == HOLOG_OK)
        rc = check_twice(q, op, c);
    if (rc == HOLOG_OK)
        rc = settle_paths(q, i, c);
    if (rc == HOLOG_OK && !q->again && op->type == HG_OP_DELETE)
        patch_delete(txn, op, c);
    if (rc == HOLOG_OK && !q->again && op->type == HG_OP_DELTA)
        rc = hg_delta_meet(&q->deltas, op, &c->at);
    return rc;
}

static int same_entry(const struct hg_locator *a, const struct hg_locator *b)
{
    return a->type == b->type && (a->type == HG_ENTRY_DIR || a->number == b->number);
}

/* Two walks over what is below a key, entry by entry. 1: the same; 0; or a negative code. */
static int same_walk(const struct hg_root *a, const struct hg_root *b, const uint8_t *prefix,
                     size_t len)
{
    struct hg_cursor x;
    struct hg_cursor y;
    int rx = hg_cursor_open(&x, a, prefix, len, 0);
    int ry = hg_cursor_open(&y, b, prefix, len, 0);
    int x_open = rx == HOLOG_OK;
    int y_open = ry == HOLOG_OK;
    int same = 1;

    for (;;) {
        int in_x = rx == HOLOG_OK && x.key_len >= len && memcmp(x.key, prefix, len) == 0;
        int in_y = ry == HOLOG_OK && y.key_len >= len && memcmp(y.key, prefix, len) == 0;
        same = in_x == in_y &&
               (!in_x || (x.key_len == y.key_len && memcmp(x.key, y.key, x.key_len) == 0 &&
                          same_entry(&x.loc, &y.loc)));
        if (!same || !in_x)
            break;
        rx = hg_cursor_next(&x);
        ry = hg_cursor_next(&y);
    }
    if (x_open)
        hg_cursor_close(&x);
    if (y_open)
        hg_cursor_close(&y);
    rx = rx < 0 && rx != HOLOG_E_NOENT ? rx : ry;
    return rx < 0 && rx != HOLOG_E_NOENT ? rx : same;
}

/* Is the entry, with all below it, what it was in the transaction's base? */
static int same_tree(struct seq *q, const uint8_t *key, size_t len)
{
    const struct hg_root *was = q->txn->base->root;
    struct hg_root *now = hg_index_freeze(q->s->sequenced.index);
    struct hg_locator a = { 0 };
    struct hg_locator b = { 0 };
    uint8_t below[HG_KEY_MAX + 1];
    int rc = hg_root_lookup(was, key, len, &a);

    if (rc == HOLOG_OK || rc == HOLOG_E_NOENT)
        rc = hg_root_lookup(now, key, len, &b);
    if (rc == HOLOG_OK || rc == HOLOG_E_NOENT)
        rc = same_entry(&a, &b);
    if (rc > 0 && a.type == HG_ENTRY_DIR) {
        memcpy(below, key, len);
        below[len] = 0;
        rc = same_walk(was, now, below, len + 1);
    }
    hg_root_put(now);
    return rc;
}

/* 1: still so; 0: not; or a negative code. *out_number: the commit that has changed it, 0 if nothing
 * is there to tell. */
static int still_so(struct seq *q, const struct hg_read *r, uint64_t *out_number)
{
    const uint8_t *key = q->txn->arena.data + r->key;
    struct hg_locator loc = { 0 };
    int rc = hg_state_get(&q->s->sequenced, key, r->key_len, &loc);

    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    *out_number = loc.number;
    switch (r->kind) {
    case HG_READ_DIR: return loc.type == HG_ENTRY_DIR;
    case HG_READ_CHILDREN:
        *out_number = loc.type == HG_ENTRY_DIR ? loc.size : loc.number;
        return loc.type == HG_ENTRY_DIR && loc.size == r->number;
    case HG_READ_TREE: return same_tree(q, key, r->key_len);
    case HG_READ_ENTRY:
    default: return loc.number == r->number;
    }
}

static int conflict(const holog_txn *txn, const struct hg_read *r, uint64_t number)
{
    char path[HG_PATH_MAX + 1] = "/";
    size_t len = 1;

    if (r->key_len > 0 && hg_key_to_path(txn->arena.data + r->key, r->key_len, path, &len) < 0)
        len = 0; /* we made the key: not so */
    if (r->kind == HG_READ_TREE)
        return hg_error_path(HOLOG_E_CONFLICT, path, (uint32_t)len,
                             "%s, or something below it, has been changed since this transaction "
                             "read a copy of it",
                             path);
    if (number == 0)
        return hg_error_path(HOLOG_E_CONFLICT, path, (uint32_t)len,
                             "%s has been deleted or moved since this transaction read it", path);
    return hg_error_path(HOLOG_E_CONFLICT, path, (uint32_t)len,
                         "%s has been changed by commit %llu since this transaction read it", path,
                         (unsigned long long)number);
}

/* What the transaction has read must still be so. */
static int check_reads(struct seq *q)
{
    const holog_txn *txn = q->txn;
    size_t n = txn->reads.len / sizeof(struct hg_read);
    const struct hg_read *reads = (const struct hg_read *)(const void *)txn->reads.data;

    for (size_t i = 0; i < n; i++) {
        uint64_t number = 0;
        int rc = still_so(q, &reads[i], &number);
        if (rc <= 0)
            return rc < 0 ? rc : conflict(txn, &reads[i], number);
    }
    return HOLOG_OK;
}

/* Record lists too long for a frame go to an extent; the frame then has one BODY record. */
static int stage_long_body(struct seq *q, struct hg_buf *frame_body, struct hg_staged **out_staged)
{
    holog_txn *txn = q->txn;
    struct hg_piece piece;
    struct hg_staged *g = NULL;
    int rc;

    hg_put_le64(txn->body.data, q->s->io->ops->wall_ns(q->s->io)); /* the records' own time */
    rc = hg_stage_body(q->s, txn->body.data, txn->body.len, &g);

    if (rc < 0)
        return rc;
    memcpy(&piece, g->pieces.data, sizeof piece);
    rc = hg_body_begin(frame_body, hg_get_le64(txn->body.data), txn->fields.data, txn->fields.len);
    if (rc == HOLOG_OK)
        rc = hg_rec_body(frame_body, &piece, hg_hash64(txn->body.data, txn->body.len), NULL);
    if (rc == HOLOG_OK)
        rc = hg_staged_wait(g); /* in every mode: readers find the records on the disk */
    if (rc < 0) {
        hg_staged_put(g);
        return rc;
    }
    q->birth_segment = piece.segment;
    q->birth_base = (uint32_t)piece.offset;
    *out_staged = g;
    return HOLOG_OK;
}

static int append(struct seq *q, struct hg_buf *body, uint32_t nrec, holog_commit_fn done,
                  void *ctx, struct hg_ticket *out_ticket)
{
    q->body_hash = hg_hash64(body->data, body->len);
    struct hg_append a = { .type = HG_FRAME_COMMIT,
                           .body = body->data,
                           .body_len = body->len,
                           .body_hash = q->body_hash,
                           .nrec = nrec,
                           .number = q->number,
                           .sync = q->txn->sync,
                           .extents = q->txn->staged != NULL || body != &q->txn->body,
                           .done = done,
                           .done_ctx = ctx };
    return hg_log_append(q->s->log, &a, out_ticket);
}

static void set_time(struct seq *q, struct hg_buf *body)
{
    uint64_t now = q->s->io->ops->wall_ns(q->s->io);

    if (now < q->s->last_time_ns)
        now = q->s->last_time_ns; /* the clock may jump back; commit times do not */
    if (body != &q->txn->body)    /* nor is a commit older than its records in an extent */
        now = HG_MAX(now, hg_get_le64(body->data));
    q->s->last_time_ns = now;
    hg_put_le64(body->data, now);
}

struct finish {
    struct hg_buf *body;
    uint32_t nrec;
    holog_commit_fn done;
    void *ctx;
    struct hg_ticket *ticket;
};

/* Every delta has met its base: what they all come to. */
static int judge_deltas(struct seq *q)
{
    int rc = hg_deltas_judge(&q->deltas);

    if (q->deltas.stale || q->deltas.missing)
        q->again = 1;
    return rc;
}

static int apply_checked(struct seq *q)
{
    size_t n = op_count(q->txn);
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && !q->again && i < n; i++) {
        rc = check_one(q, i, q->checked);
        if (rc == HOLOG_OK && !q->again)
            rc = apply_op(q, op_at(q->txn, i), q->checked);
    }
    return rc == HOLOG_OK && !q->again && q->txn->deltas != NULL ? judge_deltas(q) : rc;
}

/* What a save or a symlink may replace, as check.c has it. */
static unsigned may_replace(const struct hg_op *op)
{
    return (op->flags & HOLOG_REPLACE) != 0 ? 1u << HG_ENTRY_BLOB | 1u << HG_ENTRY_SYMLINK : 0;
}

/* A directory that may be there already: 1: it is; 0: nothing is; HOLOG_E_STALE: something else. */
static int is_there(struct seq *q, const struct hg_op *op, const struct hg_key *k)
{
    struct hg_locator old;
    int rc;

    if (op->type != HG_OP_MKDIR || (op->flags & HOLOG_PARENTS) == 0)
        return 0;
    rc = hg_state_get(&q->s->sequenced, k->bytes, k->len, &old);
    if (rc == HOLOG_E_NOENT)
        return 0;
    return rc < 0 ? rc : old.type == HG_ENTRY_DIR ? 1 : HOLOG_E_STALE;
}

/* A few operations that make entries: the puts tell what they meet. HOLOG_E_STALE: something is
 * unusual, and the state half way. */
static int apply_literals(struct seq *q)
{
    struct hg_key *k = &q->checked->at.key;
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < op_count(q->txn); i++) {
        const struct hg_op *op = op_at(q->txn, i);
        struct hg_locator loc = op_locator(q, op);
        if (!hg_op_makes_entry(op) || !hg_op_is_literal(q->txn, op))
            return HOLOG_E_STALE;
        hg_key_make(text(q->txn, op->path), op->path_len, k);
        int there = is_there(q, op, k);
        if (there > 0)
            continue;
        rc = there < 0 ? there : hg_apply_put_over(&q->s->sequenced, k, &loc, may_replace(op));
        if (rc > 0 || rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR)
            return HOLOG_E_STALE;
    }
    return rc;
}

static int append_body(struct seq *q, const struct finish *f)
{
    set_time(q, f->body);
    return append(q, f->body, f->nrec, f->done, f->ctx, f->ticket);
}

/* 1: done; 0: something is unusual and nothing has changed; or a negative code, the same. Appended
 * between the mark, which tells whether the parent is there, and the put: what is refused then can be
 * taken back from both, and nothing of the index has to be kept for that. */
static int run_literal(struct seq *q, const struct hg_op *op, const struct finish *f)
{
    struct hg_state *st = &q->s->sequenced;
    struct hg_key *k = &q->checked->at.key;
    struct hg_locator loc = op_locator(q, op);
    uint64_t was = 0;
    int rc;

    if (!q->literal)
        return 0;
    rc = hg_apply_mark(st, k, q->number, &was);
    if (rc < 0)
        return rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR ? 0 : rc;
    rc = append_body(q, f);
    if (rc == HOLOG_OK) {
        rc = hg_apply_put_marked(st, k, &loc, may_replace(op));
        if (rc == HOLOG_OK)
            return 1;
        hg_log_unappend(q->s->log);
    }
    hg_apply_unmark(st, k, q->number, was);
    return rc < 0 ? rc : 0;
}

/* One operation that makes one entry. */
static int run_single(struct seq *q, const struct finish *f)
{
    struct hg_op *op = op_at(q->txn, 0);
    int may_be_there = op->type == HG_OP_MKDIR && (op->flags & HOLOG_PARENTS) != 0;
    int rc = may_be_there ? 0 : run_literal(q, op, f);

    if (rc != 0)
        return rc < 0 ? rc : HOLOG_OK;
    rc = check_one(q, 0, q->checked);
    if (rc < 0 || q->again)
        return rc;
    rc = append_body(q, f);
    if (rc < 0)
        return rc;
    rc = apply_op(q, op, q->checked);
    if (rc < 0)
        hg_log_unappend(q->s->log);
    return rc;
}

/* One delta, of whose sum nobody asks that it stay. */
static int run_delta(struct seq *q, const struct finish *f)
{
    struct hg_op *op = op_at(q->txn, 0);
    int rc = check_one(q, 0, q->checked);

    if (rc < 0 || q->again)
        return rc;
    if (q->deltas.stale || q->deltas.missing) {
        q->again = 1;
        return HOLOG_OK;
    }
    rc = append_body(q, f);
    if (rc < 0)
        return rc;
    rc = apply_op(q, op, q->checked);
    if (rc < 0)
        hg_log_unappend(q->s->log);
    return rc;
}

/* Each operation sees those before it; a failure resets the index to where it was. Most batches
 * need no look at what is there, since the puts themselves tell what they meet; whatever is unusual
 * in one is taken back and checked step by step. */
static int run_many(struct seq *q, const struct finish *f)
{
    holog_store *s = q->s;
    struct hg_state_mark before;
    int rc;

    hg_state_freeze(&s->sequenced, &before);
    if (q->txn->deltas != NULL)
        rc = apply_checked(q);
    else if (q->txn->run.refs.len > 0)
        rc = hg_batch_apply(q->txn, &s->sequenced, op_locator, q);
    else
        rc = apply_literals(q);
    if (rc == HOLOG_E_STALE) {
        hg_state_reset(&s->sequenced, &before);
        rc = apply_checked(q);
    }
    if (rc == HOLOG_OK && !q->again)
        rc = append_body(q, f);
    if (rc < 0 || q->again)
        hg_state_reset(&s->sequenced, &before);
    hg_state_mark_release(&before);
    return rc;
}

/* Or goes back to what was, which is as short, and may be the way out of a full disk. */
static int only_deletes(const holog_txn *txn)
{
    const struct hg_op *op = (const struct hg_op *)(const void *)txn->ops.data;
    size_t i = 0;

    while (i < op_count(txn) && (op[i].type == HG_OP_DELETE || op[i].type == HG_OP_DELETE_TREE ||
                                 op[i].type == HG_OP_ROLLBACK || op[i].type == HG_OP_EXPECT))
        i++;
    return i == op_count(txn);
}

static uint64_t features_of(const holog_txn *txn)
{
    const struct hg_op *op = (const struct hg_op *)(const void *)txn->ops.data;
    size_t i = 0;

    while (txn->deltas == NULL && i < op_count(txn) && op[i].type != HG_OP_ROLLBACK)
        i++;
    return (i < op_count(txn) ? HG_FEATURE_VERSIONS : 0) | (txn->nodes ? HG_FEATURE_ARRAYS : 0);
}

static int run(struct seq *q, const struct finish *f)
{
    const struct hg_op *op = op_at(q->txn, 0);

    if (op_count(q->txn) == 1 && hg_op_makes_entry(op))
        return run_single(q, f);
    if (op_count(q->txn) == 1 && op->type == HG_OP_DELTA &&
        q->s->conservation != HG_CONSERVE_ENFORCE && q->txn->own_fields_len == 0)
        return run_delta(q, f);
    return run_many(q, f);
}

/* Under the lock: room, checks, index, log. On failure nothing has changed. */
static int sequence(struct seq *q, struct hg_buf *frame_body, int in_extent, holog_commit_fn done,
                    void *ctx, struct hg_ticket *out_ticket)
{
    holog_store *s = q->s;
    struct hg_buf *body = in_extent ? frame_body : &q->txn->body;
    struct finish f = { body, in_extent ? 1 : q->txn->nrec, done, ctx, out_ticket };
    uint64_t ended;
    uint64_t features = features_of(q->txn);
    int deletes = only_deletes(q->txn);
    int rc = features != 0 ? hg_log_need(s->log, features, deletes) : HOLOG_OK;

    hg_retention_step(s);
    if (rc == HOLOG_OK)
        rc = hg_log_reserve(s->log, body->len, deletes, &q->place);

    if (rc == HOLOG_OK)
        rc = hg_version_spare(s); /* after the reserve, which may have sealed a group with it */
    if (rc == HOLOG_OK)
        rc = hg_timeline_reserve(&s->timeline);
    if (rc < 0)
        return rc;
    if (!in_extent) {
        q->birth_segment = q->place.segment;
        q->birth_base = q->place.body_offset;
    }
    q->deltas.birth_segment = q->birth_segment;
    q->deltas.birth_base = q->birth_base;
    q->number = hg_log_next_number(s->log);
    rc = check_reads(q);
    if (rc < 0)
        return rc;
    ended = s->sequenced.sums.ended_bytes;
    rc = run(q, &f);
    if (rc == HOLOG_OK && !q->again) {
        struct hg_moment m = { .number = q->number,
                               .time_ns = s->last_time_ns,
                               .frame = hg_pos_make(q->place.segment, q->place.frame_offset),
                               .len = (uint32_t)(HG_FRAME_HEADER_SIZE + body->len),
                               .body_hash = q->body_hash,
                               .ended_bytes = s->sequenced.sums.ended_bytes - ended,
                               .ended_total = s->sequenced.sums.ended_bytes };
        hg_timeline_add(&s->timeline, &m);
        s->last_number = q->number;
        s->commits++;
        s->records += q->txn->nrec;
        hg_point_note(s, q->txn, hg_pos_make(q->birth_segment, q->birth_base));
        hg_deltas_sequenced(&q->deltas);
    }
    return rc;
}

/* ---- after sequencing ----------------------------------------------------------------------------------*/

/* SYNC_NONE acknowledges now: readers see it at once, unless stricter commits before it are still
 * on their way; then it is seen with them. Lock held. */
static int publish_now(holog_store *s)
{
    struct hg_version *v;

    if (s->published->number < s->strict_number)
        return 0;
    v = newest(s);
    publish(s, v);
    return 1;
}

static void offer_values(holog_txn *txn, const struct seq *q)
{
    for (size_t i = 0; i < op_count(txn); i++) {
        const struct hg_op *op = op_at(txn, i);
        hg_pos birth = hg_pos_make(q->birth_segment, q->birth_base + (uint32_t)op->record);
        if (op->staged != NULL && op->staged->mem != NULL)
            hg_cache_offer(q->s->cache, op->type == HG_OP_DELTA ? hg_payload_key(birth) : birth,
                           op->staged->mem, 1);
    }
}

static int wait_for_staged(holog_txn *txn)
{
    int rc = HOLOG_OK;

    if (txn->sync == HOLOG_SYNC_NONE)
        return HOLOG_OK; /* the next sync of the log covers them */
    for (struct hg_staged *g = txn->staged; g != NULL && rc == HOLOG_OK; g = g->next)
        rc = hg_staged_wait(g);
    return rc;
}

/* From here on a frame may be found that names their extents, whatever becomes of this commit. */
static void name_staged(holog_txn *txn, struct hg_staged *body)
{
    for (struct hg_staged *g = txn->staged; g != NULL; g = g->next)
        g->named = 1;
    if (body != NULL)
        body->named = 1;
}

static uint64_t limbo_of(const holog_store *s)
{
    return hg_index_limbo(s->sequenced.index) + hg_index_limbo(s->sequenced.past);
}

/* Each commit that is published by itself leaves the pages of the index that it has replaced. A reader
 * that is held up inside keeps them all from being freed: nobody waits for it before they are many. */
static void free_replaced(holog_store *s)
{
    uint64_t most = HG_MAX(s->opts.budget_bytes / LIMBO_SHARE, (uint64_t)LIMBO_MIN);

    hg_epoch_poll(s->domain);
    for (int i = 0; i < LIMBO_WAITS && limbo_of(s) > most; i++) {
        s->io->ops->sleep_ns(s->io, LIMBO_WAIT_NS);
        hg_epoch_poll(s->domain);
    }
}

/* The lock is held on entry and released on return. */
static int acknowledge(holog_txn *txn, int async, const struct hg_ticket *ticket)
{
    holog_store *s = txn->store;

    if (txn->sync == HOLOG_SYNC_NONE && publish_now(s)) {
        hg_log_unlock(s->log);
        free_replaced(s);
        return HOLOG_OK;
    }
    if (txn->sync != HOLOG_SYNC_NONE)
        s->strict_number = ticket->number;
    if (async) {
        hg_log_kick(s->log);
        hg_log_unlock(s->log);
        return HOLOG_OK;
    }
    return hg_log_wait(s->log, ticket);
}

/* What is in conflict may not be seen by readers yet: who tries again must see it, or would only fail
 * again. The lock is held on entry and released on return. */
static int report_conflict(holog_store *s)
{
    struct hg_ticket newest = hg_log_newest(s->log);
    struct holog_error_detail d;

    hg_error_get(&d);
    if (hg_log_wait(s->log, &newest) == HOLOG_OK)
        hg_error_set(&d);
    return HOLOG_E_CONFLICT;
}

static int commit_once(holog_txn *txn, int async, holog_commit_fn done, void *ctx,
                       uint64_t *out_number, int *out_again, int *out_missing)
{
    holog_store *s = txn->store;
    struct hg_checked checked; /* set by each check before it is used */
    struct seq q = { .txn = txn, .s = s, .checked = &checked, .deltas = { .txn = txn } };
    struct hg_buf frame_body = { 0 };
    struct hg_staged *body_staged = NULL;
    struct hg_ticket ticket;
    int in_extent = txn->body.len > hg_log_body_max(s->log);
    int rc = HOLOG_OK;

    q.check = (struct hg_check_ctx){
        .lookup = { .store = s, .ctx = &q, .get = get_in_commit, .target = target_in_commit },
        .has_children = has_children,
        .was_there = was_there,
        .children_ctx = s
    };
    if (in_extent && txn->deltas != NULL) /* what they change is known too late for that */
        rc = hg_error(HOLOG_E_TOOBIG,
                      "a commit with deltas is one frame: %zu bytes of records, at most %zu",
                      txn->body.len, hg_log_body_max(s->log));
    else if (in_extent)
        rc = stage_long_body(&q, &frame_body, &body_staged);
    if (rc < 0) {
        hg_buf_release(&frame_body);
        return rc;
    }
    if (op_count(txn) == 1 && hg_op_makes_entry(op_at(txn, 0)) &&
        hg_op_is_literal(txn, op_at(txn, 0))) {
        hg_key_make(text(txn, op_at(txn, 0)->path), op_at(txn, 0)->path_len, &checked.at.key);
        q.literal = 1;
    }
    hg_log_lock(s->log);
    if (async && hg_log_inflight_bytes(s->log) > ASYNC_BYTES_MAX)
        rc = hg_error(HOLOG_E_AGAIN, "%u MiB of commits are in flight: wait for some of them",
                      ASYNC_BYTES_MAX >> 20);
    if (rc == HOLOG_OK)
        rc = sequence(&q, &frame_body, in_extent, done, ctx, &ticket);
    if (rc == HOLOG_OK && !q.again) {
        name_staged(txn, body_staged);
        offer_values(txn, &q);
        if (out_number != NULL)
            *out_number = ticket.number;
        rc = acknowledge(txn, async, &ticket);
    } else if (rc == HOLOG_E_CONFLICT) {
        rc = report_conflict(s);
    } else {
        hg_log_unlock(s->log);
    }
    *out_missing = q.deltas.missing;
    hg_deltas_end(&q.deltas);
    hg_staged_put(body_staged); /* a write under way holds a count of its own */
    hg_buf_release(&frame_body);
    *out_again = q.again;
    return rc;
}

int hg_commit(holog_txn *txn, int async, holog_commit_fn done, void *ctx, uint64_t *out_number)
{
    holog_store *s = txn->store;
    uint64_t t0 = s->io->ops->now_ns(s->io);
    int again = 0;
    int missing = 0;
    int rc = HOLOG_OK;

    if (txn->fields.len > 0)
        rc = hg_txn_encode(txn);
    if (rc == HOLOG_OK && txn->nodes && txn->deltas != NULL &&
        txn->body.len > hg_log_body_max(s->log))
        rc = hg_txn_flatten(txn);
    hg_txn_make_way(txn);
    if (rc == HOLOG_OK)
        rc = hg_batch_prepare(txn);
    if (rc == HOLOG_OK)
        rc = wait_for_staged(txn);
    if (rc == HOLOG_OK && !only_deletes(txn))
        hg_scheduler_brake(s);
    do {
        if (again) {
            hg_run_release(&txn->run); /* there are other operations now, or other paths */
            rc = missing ? hg_deltas_prepare(txn) : HOLOG_OK;
            if (rc == HOLOG_OK)
                rc = hg_txn_encode(txn);
        }
        if (rc == HOLOG_OK)
            rc = commit_once(txn, async, done, ctx, out_number, &again, &missing);
    } while (rc == HOLOG_OK && again);
    if (rc < 0) { /* who tries again may say more */
        txn->fields.len -= txn->own_fields_len;
        txn->own_fields_len = 0;
    }
    if (rc == HOLOG_E_NOSPC)
        hg_scheduler_full(s);
    hg_run_release(&txn->run); /* of a commit that may be tried again with more operations */
    if (rc == HOLOG_OK) {
        uint64_t took = s->io->ops->now_ns(s->io) - t0;
        hg_store_count_commit(s, took);
        if (txn->deltas != NULL)
            __atomic_add_fetch(&s->deltas.ns, took, __ATOMIC_RELAXED);
    }
    return rc;
}
