/*
 * Deltas; see delta.h.
 *
 * What is only known when the commit's turn has come, the base, the sum and the size of the new
 * version, is put into the record under the lock. Nearly always it is what was made ready before. When
 * others were faster, the delta is made for what they left, as long as that is in memory; else the
 * commit leaves the lock, makes it ready for what it has met, and comes again.
 */
#include "engine/delta.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/frame.h"

#define MEMORY_BYTES 65536u /* bytes added up under the log's lock, at most ... */
#define MEMORY_SPANS 16u    /* ... in so many spans */

/* In a record until its base is known: where one could stand, so that the record can be decoded. */
#define ANY_BASE hg_pos_make(1, HG_BLOCK + 1)

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

static enum hg_conservation conservation(holog_store *s)
{
    return (enum hg_conservation)__atomic_load_n(&s->conservation, __ATOMIC_RELAXED);
}

static uint8_t csum_sub(uint8_t a, uint8_t b)
{
    return (uint8_t)((a + HG_CSUM_MOD - b) % HG_CSUM_MOD);
}

/* ---- collecting ----------------------------------------------------------------------------------*/

int hg_delta_check_call(const holog_delta *d)
{
    int range = d->kind != HOLOG_DELTA_INSERT;
    int brings = d->kind == HOLOG_DELTA_INSERT || d->kind == HOLOG_DELTA_UPDATE;

    if (d->kind < HOLOG_DELTA_INSERT || d->kind > HOLOG_DELTA_MOVE || d->reserved != 0)
        return hg_error(HOLOG_E_INVAL, "%u is no kind of delta", d->kind);
    if (brings && d->data == NULL && d->len_bytes > 0)
        return hg_error(HOLOG_E_INVAL, "a delta's data is NULL and its len %zu", d->len_bytes);
    if (range && d->start > d->end)
        return hg_error(HOLOG_E_INVAL, "a delta's range starts at %llu and ends at %llu",
                        (unsigned long long)d->start, (unsigned long long)d->end);
    if (d->kind == HOLOG_DELTA_MOVE && d->to > d->start && d->to < d->end)
        return hg_error(HOLOG_E_INVAL, "bytes %llu to %llu cannot move to %llu, inside of them",
                        (unsigned long long)d->start, (unsigned long long)d->end,
                        (unsigned long long)d->to);
    if (d->start > HG_NUMBER_MAX || (range && d->end > HG_NUMBER_MAX) ||
        (d->kind == HOLOG_DELTA_MOVE && d->to > HG_NUMBER_MAX) ||
        (brings && d->len_bytes > HG_NUMBER_MAX - d->start))
        return hg_error(HOLOG_E_RANGE, "a delta behind the end of any value");
    return HOLOG_OK;
}

int hg_delta_collect(holog_txn *txn, const holog_delta *delta, unsigned flags,
                     struct hg_delta_op **out)
{
    struct hg_delta_op *d;
    int rc = hg_delta_check_call(delta);

    if (rc < 0)
        return rc;
    d = hg_calloc(1, sizeof *d);
    if (d == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a delta");
    d->kind = (uint8_t)delta->kind;
    d->start = delta->start;
    d->end = delta->kind == HOLOG_DELTA_INSERT ? delta->start : delta->end;
    d->to = delta->kind == HOLOG_DELTA_MOVE ? delta->to : 0;
    d->balance = (flags & HOLOG_BALANCE) != 0;
    if (hg_delta_has_payload(d->kind)) {
        d->len = delta->len_bytes;
        d->payload_csum = hg_csum(delta->data, delta->len_bytes);
    }
    d->next = txn->deltas;
    txn->deltas = d;
    *out = d;
    return HOLOG_OK;
}

static void unprepare(struct hg_delta_op *d)
{
    hg_rope_put(d->rope);
    hg_rope_put(d->base_at.rope);
    d->rope = NULL;
    d->base_at.rope = NULL;
    d->ready = 0;
}

void hg_deltas_free(holog_txn *txn, const struct hg_delta_op *upto)
{
    while (txn->deltas != upto) {
        struct hg_delta_op *d = txn->deltas;
        txn->deltas = d->next;
        unprepare(d);
        hg_free(d);
    }
}

/* ---- one change ----------------------------------------------------------------------------------*/

static int out_of_range(const struct hg_delta_op *d, uint64_t size, const char *path)
{
    static const char *const verbs[] = { "", "insert at", "update", "delete", "move" };
    char to[40] = "";

    if (d->kind == HG_DELTA_MOVE)
        (void)snprintf(to, sizeof to, " to %llu", (unsigned long long)d->to);
    if (d->kind == HG_DELTA_INSERT)
        return hg_error_path(HOLOG_E_RANGE, path, (uint32_t)strlen(path),
                             "%s: insert at %llu: the value has %llu bytes", path,
                             (unsigned long long)d->start, (unsigned long long)size);
    return hg_error_path(HOLOG_E_RANGE, path, (uint32_t)strlen(path),
                         "%s: %s bytes %llu to %llu%s: the value has %llu bytes", path,
                         verbs[d->kind], (unsigned long long)d->start, (unsigned long long)d->end,
                         to, (unsigned long long)size);
}

/* Of the new version, when the old one has `size` bytes. */
static int new_size(const struct hg_delta_op *d, uint64_t size, const char *path, uint64_t *out)
{
    if (d->end > size || d->to > size)
        return out_of_range(d, size, path);
    if (d->kind == HG_DELTA_MOVE) {
        *out = size;
        return HOLOG_OK;
    }
    size -= d->end - d->start;
    if (d->len > HG_NUMBER_MAX - size)
        return hg_error_path(HOLOG_E_TOOBIG, path, (uint32_t)strlen(path),
                             "%s: would have more than %llu bytes", path,
                             (unsigned long long)HG_NUMBER_MAX);
    *out = size + d->len;
    return HOLOG_OK;
}

/* The least that it can have: a record can be encoded before more is known. */
static uint64_t least_size(const struct hg_delta_op *d)
{
    return d->kind == HG_DELTA_MOVE ? HG_MAX(d->end, d->to) : d->start + d->len;
}

static int change(const struct hg_delta_op *d, struct hg_rope *base, hg_pos birth,
                  struct hg_rope **out)
{
    struct hg_span span = { .birth = birth, .len = d->len };

    if (d->kind == HG_DELTA_MOVE)
        return hg_rope_move(base, d->start, d->end, d->to, out);
    return hg_rope_splice(base, d->start, d->end, d->len > 0 ? &span : NULL, out);
}

/* Are there bytes that go? A move takes none away. */
static int cuts(const struct hg_delta_op *d)
{
    return d->kind != HG_DELTA_MOVE && d->end > d->start;
}

uint8_t hg_delta_ends(const struct hg_op *op)
{
    return hg_past_ends(cuts(op->delta) ? op->delta->end - op->delta->start : 0);
}

static uint8_t new_csum(const struct hg_delta_op *d, uint8_t base, uint8_t cut, int cut_known)
{
    if (base == HG_CSUM_UNKNOWN || !cut_known)
        return HG_CSUM_UNKNOWN;
    return hg_csum_add(csum_sub(base, cut), d->payload_csum);
}

static int whole(holog_store *s, hg_pos birth, uint64_t len, struct hg_rope **out)
{
    struct hg_span span = { .birth = birth, .len = len };

    return hg_rope_build(hg_ropes_pool(s->ropes), &span, len > 0, out);
}

/* The sum of what an operation saves. */
static uint8_t saved_csum(const holog_txn *txn, const struct hg_op *op)
{
    struct hg_record r = { 0 };
    int rc;

    if (op->staged != NULL)
        return op->staged->csum;
    rc = hg_rec_decode(txn->body.data + op->record, txn->body.len - op->record, op->record, &r);
    HG_ASSERT(rc == HOLOG_OK); /* we encoded it */
    return r.csum;
}

/* ---- made ready ----------------------------------------------------------------------------------*/

/* Its bytes are in memory, and stay there: they are wanted under the log's lock. */
static int hold(holog_txn *txn, const struct hg_op *op)
{
    struct hg_mem *mem = NULL;
    int rc;

    if (op->staged == NULL || op->staged->held)
        return HOLOG_OK;
    rc = hg_txn_staged_bytes(txn, op, &mem);
    if (rc < 0)
        return rc;
    hg_mem_put(op->staged->mem);
    op->staged->mem = mem;
    op->staged->held = 1;
    return HOLOG_OK;
}

/* 0: the operation that it is to change is not ready itself. */
static int own_base(holog_txn *txn, struct hg_delta_op *d)
{
    size_t i = d->from.offset;
    const struct hg_op *op = op_at(txn, i);
    int rc;

    d->base = 0;
    d->own = op->user_path + 1;
    if (op->type == HG_OP_DELTA) {
        if (!op->delta->ready)
            return 0;
        d->base_at = (struct hg_rope_at){ .rope = hg_rope_get(op->delta->rope),
                                          .csum = op->delta->csum,
                                          .age = op->delta->base_at.age };
        return 1;
    }
    rc = hold(txn, op);
    if (rc == HOLOG_OK)
        rc = whole(txn->store, hg_pos_make(0, (uint32_t)i), op->size, &d->base_at.rope);
    if (rc < 0)
        return rc;
    d->base_at.csum = saved_csum(txn, op);
    d->base_at.age = hg_ropes_age(txn->store->ropes);
    return 1;
}

static int find_base(holog_txn *txn, struct hg_delta_op *d, const char *path)
{
    int rc;

    if (d->from.type == 0)
        return 0;
    if (d->from.segment == 0)
        return own_base(txn, d);
    rc = hg_rope_load(txn->store, &d->from, path, &d->base_at);
    d->base = hg_pos_make(d->from.segment, d->from.offset);
    d->own = 0;
    return rc < 0 ? rc : 1;
}

static int prepare(holog_txn *txn, struct hg_op *op, size_t i, const char *path)
{
    holog_store *s = txn->store;
    struct hg_delta_op *d = op->delta;
    int rc;

    unprepare(d);
    rc = find_base(txn, d, path);
    if (rc <= 0) {
        op->size = HG_MAX(op->size, least_size(d));
        return rc;
    }
    rc = new_size(d, hg_rope_size(d->base_at.rope), path, &op->size);
    d->cut = 0;
    d->cut_known = !cuts(d);
    if (rc == HOLOG_OK && cuts(d) && conservation(s) != HG_CONSERVE_OFF) {
        rc = hg_rope_sum(s, txn, d->base_at.rope, path, d->start, d->end, &d->cut);
        d->cut_known = rc == HOLOG_OK;
    }
    if (rc == HOLOG_OK)
        rc = change(d, d->base_at.rope, hg_pos_make(0, (uint32_t)i), &d->rope);
    if (rc == HOLOG_OK) {
        d->csum = new_csum(d, d->base_at.csum, d->cut, d->cut_known);
        d->ready = 1;
    } else {
        unprepare(d);
        op->size = least_size(d);
    }
    return rc;
}

int hg_delta_prepare(holog_txn *txn, struct hg_op *op, size_t i, const char *path)
{
    uint64_t age = hg_ropes_age(txn->store->ropes);
    int rc = prepare(txn, op, i, path);

    /* A compaction came between: what the rope was made of may be gone. */
    return rc == HOLOG_E_CORRUPT && age != hg_ropes_age(txn->store->ropes)
               ? prepare(txn, op, i, path)
               : rc;
}

int hg_deltas_prepare(holog_txn *txn)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; i < op_count(txn) && rc == HOLOG_OK; i++) {
        struct hg_op *op = op_at(txn, i);
        if (op->type == HG_OP_DELTA)
            rc = hg_delta_prepare(txn, op, i, text(txn, op->path));
    }
    return rc;
}

void hg_staged_payload(const struct hg_staged *g, struct hg_payload *out)
{
    *out = (struct hg_payload){ .len = g->len,
                                .hash = g->hash,
                                .csum = g->csum,
                                .n_pieces = (uint32_t)(g->pieces.len / sizeof(struct hg_piece)),
                                .pieces = (const struct hg_piece *)(const void *)g->pieces.data,
                                .table = g->table.data };
}

int hg_delta_encode(struct hg_buf *body, struct hg_op *op, const char *path, const void *data)
{
    const struct hg_delta_op *d = op->delta;
    struct hg_delta_rec rec = { .path = path,
                                .path_len = op->path_len,
                                .base = d->ready && d->base != 0 ? d->base : ANY_BASE,
                                .csum = d->ready ? d->csum : HG_CSUM_UNKNOWN,
                                .kind = d->kind,
                                .version_size = op->size,
                                .start = d->start,
                                .end = d->end,
                                .move_to = d->to,
                                .payload = { .len = d->len } };
    const struct hg_staged *g = op->staged;

    if (g != NULL)
        hg_staged_payload(g, &rec.payload);
    else if (hg_delta_has_payload(d->kind)) {
        rec.payload.bytes = data;
        rec.payload.hash.lo = hg_hash64(data, (size_t)d->len);
    }
    op->check = (uint32_t)rec.payload.hash.lo & 0xffffffu;
    return hg_rec_delta(body, &rec, &op->record);
}

int hg_delta_load_own(holog_txn *txn, const struct hg_op *op, holog_value **out)
{
    const char *path = text(txn, op->path);
    int small = op->size <= txn->store->inline_max;
    holog_value *v = hg_malloc(sizeof *v + (small ? (size_t)op->size : 0));
    int rc;

    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to load %s", path);
    HG_ASSERT(op->delta->ready); /* a transaction that is read refuses what cannot be made ready */
    *v = (holog_value){ .data = (uint8_t *)(v + 1), .len = (size_t)op->size };
    rc = small ? HOLOG_OK : hg_mem_new(txn->store->cache, (size_t)op->size, &v->mem);
    if (rc == HOLOG_OK)
        rc = hg_rope_read(txn->store, txn, op->delta->rope, path, 0, op->size,
                          small ? (uint8_t *)(v + 1) : v->mem->data);
    if (rc == HOLOG_E_CORRUPT && op->delta->base_at.age != hg_ropes_age(txn->store->ropes)) {
        rc = hg_deltas_prepare(txn); /* a compaction has come since */
        if (rc == HOLOG_OK)
            rc = hg_rope_read(txn->store, txn, op->delta->rope, path, 0, op->size,
                              small ? (uint8_t *)(v + 1) : v->mem->data);
    }
    if (rc < 0) {
        holog_value_release(v);
        return rc;
    }
    if (!small)
        v->data = v->mem->data;
    *out = v;
    return HOLOG_OK;
}

/* ---- under the lock ------------------------------------------------------------------------------*/

struct made { /* a version by this commit */
    size_t record;
    struct hg_op *op;
    struct hg_rope_at at; /* rope NULL: it is missing */
    uint8_t was;          /* sum of what the first of these deltas changed, if it is known */
    uint8_t change;       /* of the sum, by them all */
    int as_prepared;
    int balance;
    int changed_again; /* by the next of them */
};

static struct made *made_at(const struct hg_delta_commit *x, size_t i)
{
    return (struct made *)(void *)x->made.data + i;
}

static size_t made_count(const struct hg_delta_commit *x)
{
    return x->made.len / sizeof(struct made);
}

static struct made *find_made(const struct hg_delta_commit *x, size_t record)
{
    size_t from = 0;
    size_t to = made_count(x);

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (made_at(x, mid)->record < record)
            from = mid + 1;
        else
            to = mid;
    }
    return from < made_count(x) && made_at(x, from)->record == record ? made_at(x, from) : NULL;
}

/* Records stand in the order of their operations; some operations have none. */
static struct hg_op *find_op(const struct hg_delta_commit *x, size_t record)
{
    size_t from = 0;
    size_t to = op_count(x->txn);

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        size_t at = mid;
        while (at > from && op_at(x->txn, at)->record == SIZE_MAX)
            at--;
        if (op_at(x->txn, at)->record < record || op_at(x->txn, at)->record == SIZE_MAX)
            from = mid + 1;
        else
            to = at;
    }
    while (from < op_count(x->txn) && op_at(x->txn, from)->record == SIZE_MAX)
        from++;
    HG_ASSERT(from < op_count(x->txn) && op_at(x->txn, from)->record == record);
    return op_at(x->txn, from);
}

/* The record of this commit at `birth`, or SIZE_MAX: it is another's. */
static size_t own_record(const struct hg_delta_commit *x, hg_pos birth)
{
    uint32_t offset = hg_pos_offset(birth);

    if (hg_pos_segment(birth) != x->birth_segment || offset < x->birth_base ||
        offset - x->birth_base >= x->txn->body.len)
        return SIZE_MAX;
    return offset - x->birth_base;
}

static hg_pos birth_of(const struct hg_delta_commit *x, const struct hg_op *op)
{
    return hg_pos_make(x->birth_segment, x->birth_base + (uint32_t)op->record);
}

static const uint8_t *own_bytes(const struct hg_delta_commit *x, size_t record)
{
    const struct hg_op *op = find_op(x, record);
    struct hg_record r = { 0 };
    int rc;

    if (op->staged != NULL)
        return op->staged->mem->data;
    rc = hg_rec_decode(x->txn->body.data + record, x->txn->body.len - record, record, &r);
    HG_ASSERT(rc == HOLOG_OK); /* we encoded it */
    return r.value;
}

/* A span of a record that lies in a cached page. 1: added. Inside an epoch. */
static int sum_in_page(holog_store *s, const struct hg_span *span, uint8_t *sum)
{
    size_t avail = 0;
    size_t whole_len = 0;
    size_t back = 0;
    struct hg_record r = { 0 };
    const uint8_t *p =
        hg_cache_peek(s->cache, hg_pos_segment(span->birth), hg_pos_offset(span->birth), 8, &avail);

    if (p == NULL || hg_rec_peek(p, avail, &whole_len) < 0 || whole_len > avail ||
        hg_rec_decode_at(p, avail, &back, &r) < 0 ||
        (r.type != HG_REC_BLOB && !hg_rec_has_payload(&r)) || r.value == NULL ||
        span->at > r.value_len || span->len > r.value_len - span->at ||
        hg_hash64(r.value, (size_t)r.value_len) != r.hash.lo)
        return 0;
    *sum = hg_csum_add(*sum, hg_csum(r.value + span->at, (size_t)span->len));
    return 1;
}

static int sum_in_cache(holog_store *s, const struct hg_span *span, uint8_t *sum)
{
    struct hg_mem *m = hg_cache_find(s->cache, span->birth);
    int done;

    if (m != NULL && m->made) {
        hg_mem_put(m);
        m = NULL;
    }
    if (m == NULL)
        m = hg_cache_find(s->cache, hg_payload_key(span->birth));
    done = m != NULL && span->at <= m->len && span->len <= m->len - span->at;
    if (done)
        *sum = hg_csum_add(*sum, hg_csum(m->data + span->at, (size_t)span->len));
    hg_mem_put(m);
    return done;
}

static int sum_in_memory(const struct hg_delta_commit *x, const struct hg_span *span, uint8_t *sum)
{
    holog_store *s = x->txn->store;
    size_t record = own_record(x, span->birth);
    struct hg_epoch_slot *slot;
    int done;

    if (record != SIZE_MAX) {
        *sum = hg_csum_add(*sum, hg_csum(own_bytes(x, record) + span->at, (size_t)span->len));
        return 1;
    }
    slot = hg_epoch_enter(s->domain);
    done = slot != NULL && sum_in_page(s, span, sum);
    if (slot != NULL)
        hg_epoch_leave(slot);
    return done || sum_in_cache(s, span, sum);
}

/* How the bytes add up that go. 0: not from memory, or they are many. */
static int sum_now(const struct hg_delta_commit *x, const struct hg_rope *rope,
                   const struct hg_delta_op *d, uint8_t *out)
{
    struct hg_rope_cursor c;
    struct hg_span span;
    uint8_t sum = 0;
    unsigned n = 0;

    if (rope == NULL || d->end - d->start > MEMORY_BYTES ||
        hg_rope_seek(&c, rope, d->start, d->end) < 0)
        return 0;
    while (hg_rope_next(&c, &span))
        if (++n > MEMORY_SPANS || !sum_in_memory(x, &span, &sum))
            return 0;
    *out = sum;
    return 1;
}

/* What a delta meets. */
struct base {
    struct hg_rope_at at; /* the rope is counted; NULL: not in memory */
    struct made *made;    /* by a delta of the same commit */
    int as_prepared;
};

static int meet_own(struct hg_delta_commit *x, struct hg_delta_op *d, size_t record, hg_pos birth,
                    struct base *b)
{
    const struct hg_op *op = find_op(x, record);
    int rc = HOLOG_OK;

    d->from.segment = 0;
    d->from.offset = (uint32_t)(op - op_at(x->txn, 0));
    b->as_prepared = d->ready && d->own == op->user_path + 1;
    b->made = find_made(x, record);
    if (b->made != NULL) {
        b->at = b->made->at;
        b->made->changed_again = 1;
        b->as_prepared &= b->made->as_prepared;
        if (b->at.rope != NULL)
            (void)hg_rope_get(b->at.rope);
        return HOLOG_OK;
    }
    b->at.csum = saved_csum(x->txn, op);
    b->at.age = hg_ropes_age(x->txn->store->ropes);
    rc = whole(x->txn->store, birth, op->size, &b->at.rope);
    return rc;
}

/* A blob that was saved whole, in a cached page: it is its own rope. 1: so it is. */
static int peek_blob(holog_store *s, hg_pos birth, uint64_t size, struct hg_rope_at *out)
{
    struct hg_epoch_slot *slot = hg_epoch_enter(s->domain);
    size_t avail = 0;
    size_t whole_len = 0;
    size_t back = 0;
    struct hg_record r = { 0 };
    const uint8_t *p = slot == NULL ? NULL
                                    : hg_cache_peek(s->cache, hg_pos_segment(birth),
                                                    hg_pos_offset(birth), 8, &avail);
    int found = p != NULL && hg_rec_peek(p, avail, &whole_len) == HOLOG_OK && whole_len <= avail &&
                hg_rec_decode_at(p, avail, &back, &r) == HOLOG_OK && r.type == HG_REC_BLOB &&
                r.value_len == size;

    *out = (struct hg_rope_at){ .csum = r.csum, .age = hg_ropes_age(s->ropes) };
    if (slot != NULL)
        hg_epoch_leave(slot);
    return found && whole(s, birth, size, &out->rope) == HOLOG_OK;
}

static void meet_other(struct hg_delta_commit *x, struct hg_delta_op *d, hg_pos birth,
                       uint64_t size, struct base *b)
{
    holog_store *s = x->txn->store;

    b->as_prepared = d->ready && d->base == birth;
    if (hg_ropes_find(s->ropes, birth, &b->at)) /* first: it may have been folded since */
        return;
    if (b->as_prepared) {
        b->at = d->base_at;
        (void)hg_rope_get(b->at.rope);
    } else if (!peek_blob(s, birth, size, &b->at)) {
        b->at.rope = NULL;
    }
}

static int check_expected(const struct hg_delta_op *d, const struct hg_resolved *at)
{
    if (d->expect == 0 || at->loc.number == d->expect)
        return HOLOG_OK;
    return hg_error_path(HOLOG_E_CONFLICT, at->path, (uint32_t)at->path_len,
                         "%s: expected version %llu, found %llu", at->path,
                         (unsigned long long)d->expect, (unsigned long long)at->loc.number);
}

/* The base is known and its rope in memory: the new version. */
static int make(struct hg_delta_commit *x, struct hg_op *op, const struct base *b, struct made *m)
{
    const struct hg_delta_op *d = op->delta;
    int wanted = conservation(x->txn->store) != HG_CONSERVE_OFF;
    uint8_t cut = d->cut;
    int known = !cuts(d) || (b->as_prepared && d->cut_known);
    int rc;

    m->as_prepared = b->as_prepared && (known || !wanted);
    if (!known && wanted) {
        known = sum_now(x, b->at.rope, d, &cut);
        x->missing |= !known;
    }
    if (!cuts(d))
        cut = 0;
    m->at.csum = wanted ? new_csum(d, b->at.csum, cut, known) : HG_CSUM_UNKNOWN;
    m->at.depth = b->at.depth + 1;
    m->at.age = b->at.age;
    m->was = b->made != NULL ? b->made->was : b->at.csum;
    m->balance = d->balance || (b->made != NULL && b->made->balance);
    m->change = hg_csum_add(b->made != NULL ? b->made->change : 0, csum_sub(d->payload_csum, cut));
    if (b->at.rope == NULL) {
        x->missing = 1;
        return HOLOG_OK;
    }
    rc = change(d, b->at.rope, birth_of(x, op), &m->at.rope);
    return rc;
}

int hg_delta_meet(struct hg_delta_commit *x, struct hg_op *op, const struct hg_resolved *at)
{
    struct hg_delta_op *d = op->delta;
    hg_pos birth = hg_pos_make(at->loc.segment, at->loc.offset);
    size_t own = own_record(x, birth);
    struct base b = { 0 };
    struct made m = { .record = op->record, .op = op };
    int rc = check_expected(d, at);

    if (rc == HOLOG_OK)
        rc = new_size(d, at->loc.size, at->path, &op->size);
    if (rc < 0)
        return rc;
    d->from = at->loc;
    if (own != SIZE_MAX)
        rc = meet_own(x, d, own, birth, &b);
    else
        meet_other(x, d, birth, at->loc.size, &b);
    if (rc == HOLOG_OK)
        rc = make(x, op, &b, &m);
    hg_rope_put(b.at.rope);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&x->made, &m, sizeof m);
    if (rc < 0) {
        hg_rope_put(m.at.rope);
        return rc;
    }
    if (!hg_rec_delta_patch(x->txn->body.data + op->record, x->txn->body.len - op->record,
                            m.at.csum, birth, op->size))
        x->stale = 1;
    return HOLOG_OK;
}

void hg_deltas_end(struct hg_delta_commit *x)
{
    for (size_t i = 0; i < made_count(x); i++)
        hg_rope_put(made_at(x, i)->at.rope);
    hg_buf_release(&x->made);
}

static void count(holog_store *s, const struct hg_delta_op *d)
{
    struct hg_delta_counters *c = &s->deltas;

    c->updates[0]++;
    c->updates[d->kind]++;
    c->bytes += HG_MAX(d->end - d->start, d->len);
}

void hg_deltas_sequenced(struct hg_delta_commit *x)
{
    holog_store *s = x->txn->store;

    for (size_t i = 0; i < made_count(x); i++) {
        const struct made *m = made_at(x, i);
        count(s, m->op->delta);
        if (m->changed_again)
            continue;
        hg_ropes_put(s->ropes, birth_of(x, m->op), &m->at);
        hg_fold_note(s, text(x->txn, m->op->path), m->op->path_len, &m->at);
    }
}

static const char *const conservation_names[] = { "track", "off", "enforce" }; /* by the enum */

int hg_conservation_mode(const char *value)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(value, conservation_names[i]) == 0)
            return i;
    return -1;
}

const char *hg_conservation_name(enum hg_conservation mode)
{
    return conservation_names[mode];
}

/* ---- conservation --------------------------------------------------------------------------------*/

static int refuse(holog_store *s, const struct made *m, const char *path)
{
    s->deltas.violations++;
    if (m->at.csum == HG_CSUM_UNKNOWN)
        return hg_error_path(HOLOG_E_CONSERVE, path, (uint32_t)strlen(path),
                             "%s: the sum of its bytes (modulo 96, not known) would change by %u; "
                             "conservation is enforced",
                             path, m->change);
    return hg_error_path(HOLOG_E_CONSERVE, path, (uint32_t)strlen(path),
                         "%s: the sum of its bytes is %u modulo 96 and would be %u; conservation "
                         "is enforced",
                         path, m->was, m->at.csum);
}

static int add_deficit(struct hg_buf *fields, const struct made *m, const char *path)
{
    char value[HG_PATH_MAX + 16];
    uint8_t deficit =
        m->at.csum == HG_CSUM_UNKNOWN ? csum_sub(0, m->change) : csum_sub(0, m->at.csum);
    int n = snprintf(value, sizeof value, "%u %s", deficit, path);

    return hg_field_append_meta(fields, "holog.deficit", 13, value, (size_t)n);
}

/* The version that stands at the path of delta i in the end, if deltas made it; each once. */
static const struct made *final_version(struct hg_delta_commit *x, size_t i)
{
    const struct hg_op *op = made_at(x, i)->op;
    struct hg_key *k = &x->txn->store->replay_keys[0];
    struct hg_locator loc;
    size_t own;

    hg_key_make(text(x->txn, op->path), op->path_len, k);
    if (hg_state_get(&x->txn->store->sequenced, k->bytes, k->len, &loc) < 0)
        return NULL;
    own = own_record(x, hg_pos_make(loc.segment, loc.offset));
    return own == made_at(x, i)->record ? made_at(x, i) : NULL;
}

/* The commit's own fields are these now; what has changed is encoded again. */
static int set_own_fields(struct hg_delta_commit *x, const struct hg_buf *fields)
{
    holog_txn *txn = x->txn;
    size_t at = txn->fields.len - txn->own_fields_len;
    int rc;

    if (fields->len == txn->own_fields_len &&
        (fields->len == 0 || memcmp(txn->fields.data + at, fields->data, fields->len) == 0))
        return HOLOG_OK;
    x->stale = 1;
    txn->fields.len = at;
    txn->own_fields_len = 0;
    rc = fields->len == 0 ? HOLOG_OK : hg_buf_append(&txn->fields, fields->data, fields->len);
    if (rc == HOLOG_OK)
        txn->own_fields_len = fields->len;
    return rc;
}

int hg_deltas_judge(struct hg_delta_commit *x)
{
    struct hg_buf fields = { 0 };
    int enforced = conservation(x->txn->store) == HG_CONSERVE_ENFORCE;
    int rc = HOLOG_OK;

    if (x->missing)
        return HOLOG_OK;
    for (size_t i = 0; enforced && i < made_count(x) && rc == HOLOG_OK; i++) {
        const struct made *m = final_version(x, i);
        if (m == NULL || m->change == 0)
            continue;
        rc = m->balance ? add_deficit(&fields, m, text(x->txn, m->op->path))
                        : refuse(x->txn->store, m, text(x->txn, m->op->path));
    }
    if (rc == HOLOG_OK)
        rc = set_own_fields(x, &fields);
    hg_buf_release(&fields);
    return rc;
}
