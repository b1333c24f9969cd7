/*
 * The short way to a small value: the hash side-table names its record, the record lies in a cached
 * page. What is not to be had so (the value is large, not cached, too new, reached through a
 * symlink, or the table does not know it) is left to the tree.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "engine/store_internal.h"
#include "wal/frame.h"

#define FETCH_LINE  64u
#define FETCH_BYTES 384u /* a path of some length and a value of 256 bytes */

/* ---- commits --------------------------------------------------------------------------------------*/

static uint64_t room_for(const holog_store *s)
{
    return s->opts.budget_bytes / 8;
}

/* Directories have no value. */
static uint64_t values_of(const holog_store *s)
{
    return s->sequenced.sums.entries - s->sequenced.sums.directories;
}

void hg_point_fit(holog_store *s)
{
    if (s->points == NULL)
        return;
    hg_side_table_begin(s->points, s->last_number);
    hg_side_table_fit(s->points, values_of(s), room_for(s));
    hg_side_table_end(s->points);
}

void hg_point_forget(holog_store *s)
{
    if (s->points == NULL)
        return;
    hg_side_table_begin(s->points, s->last_number);
    hg_side_table_clear(s->points);
    hg_side_table_fit(s->points, values_of(s), room_for(s));
    hg_side_table_end(s->points);
}

static uint64_t hash_at(const holog_store *s, const holog_txn *txn, uint32_t path, uint32_t len)
{
    return hg_side_table_hash(s->points, (const char *)txn->arena.data + path, len);
}

/* After the commit. What is not there any more may have been one. */
static int is_directory(holog_store *s, const holog_txn *txn, uint32_t path, uint32_t len)
{
    struct hg_key *k = &s->replay_keys[0];
    struct hg_locator loc;

    hg_key_make((const char *)txn->arena.data + path, len, k);
    return hg_state_get(&s->sequenced, k->bytes, k->len, &loc) != HOLOG_OK ||
           loc.type == HG_ENTRY_DIR;
}

static void note_op(holog_store *s, const holog_txn *txn, const struct hg_op *op, hg_pos body)
{
    switch (op->type) {
    case HG_OP_SAVE:
        if (op->staged == NULL)
            hg_side_table_put(s->points, hash_at(s, txn, op->path, op->path_len),
                              body + op->record);
        else
            hg_side_table_remove(s->points, hash_at(s, txn, op->path, op->path_len));
        break;
    case HG_OP_SYMLINK:
    case HG_OP_DELTA:
    case HG_OP_DELETE:
        hg_side_table_remove(s->points, hash_at(s, txn, op->path, op->path_len));
        break;
    case HG_OP_COPY: hg_side_table_remove(s->points, hash_at(s, txn, op->to, op->to_len)); break;
    case HG_OP_MOVE:
        if (is_directory(s, txn, op->to, op->to_len)) {
            hg_side_table_clear(s->points);
            break;
        }
        hg_side_table_remove(s->points, hash_at(s, txn, op->path, op->path_len));
        hg_side_table_remove(s->points, hash_at(s, txn, op->to, op->to_len));
        break;
    case HG_OP_ROLLBACK:
    case HG_OP_DELETE_TREE: hg_side_table_clear(s->points); break;
    case HG_OP_MKDIR:
    case HG_OP_EXPECT:
    case HG_OP_CONFIG: break; /* there was no value there, and there is none */
    }
}

void hg_point_note(holog_store *s, const holog_txn *txn, hg_pos body)
{
    const struct hg_op *ops = (const struct hg_op *)(const void *)txn->ops.data;
    size_t n = txn->ops.len / sizeof *ops;

    if (s->points == NULL)
        return;
    hg_side_table_begin(s->points, s->last_number);
    hg_side_table_fit(s->points, values_of(s), room_for(s));
    for (size_t i = 0; i < n; i++)
        note_op(s, txn, &ops[i], body);
    hg_side_table_end(s->points);
}

/* ---- loads ----------------------------------------------------------------------------------------*/

/* The record's lines are asked for at once: found out one after the other, each would be a wait. */
static void fetch(const uint8_t *p, size_t avail)
{
    for (size_t at = FETCH_LINE; at < HG_MIN(avail, (size_t)FETCH_BYTES); at += FETCH_LINE)
        __builtin_prefetch(p + at);
}

static struct hg_side_table *table_of(const holog_store *s, const struct hg_version *v)
{
    return v->is_past ? __atomic_load_n(&v->points, __ATOMIC_ACQUIRE) : s->points;
}

/* Of a canonical path. In version v, or the published one when it is NULL. Inside an epoch, which
 * keeps that and the page. 1 and the value, verified. */
static int find_canonical(holog_store *s, const struct hg_version *v, const char *path, size_t len,
                          struct hg_rec_blob_value *out, hg_pos *out_birth)
{
    const struct hg_side_table *points;
    size_t avail = 0;
    hg_pos birth;
    const uint8_t *p;

    if (v == NULL)
        v = __atomic_load_n(&s->published, __ATOMIC_ACQUIRE);
    points = table_of(s, v);
    if (points == NULL ||
        !hg_side_table_find(points, hg_side_table_hash(points, path, len), v->number, &birth))
        return 0;
    *out_birth = birth;
    p = hg_cache_peek(s->cache, hg_pos_segment(birth), hg_pos_offset(birth), 8, &avail);
    if (p == NULL)
        return 0;
    fetch(p, avail);
    return hg_rec_is_blob_of(p, avail, path, len, out) &&
           hg_hash64(out->bytes, out->len) == out->hash;
}

/* Of any path; apart, for its large frame. */
__attribute__((noinline)) static int find_other(holog_store *s, const struct hg_version *v,
                                                const char *path, size_t len,
                                                struct hg_rec_blob_value *out, hg_pos *out_birth)
{
    char canonical[HG_PATH_MAX + 1];

    return hg_path_canonical(path, len, canonical, &len) == HOLOG_OK &&
           find_canonical(s, v, canonical, len, out, out_birth);
}

static int find(holog_store *s, const struct hg_version *v, const char *path,
                struct hg_rec_blob_value *out, hg_pos *out_birth)
{
    size_t len;

    if (path == NULL)
        return 0;
    len = strlen(path);
    return hg_path_is_plain(path, len) ? find_canonical(s, v, path, len, out, out_birth)
                                       : find_other(s, v, path, len, out, out_birth);
}

/* The commit that the record at birth is of, as the header of its frame has it, which is verified for
 * its place, but for the segment's epoch: that is the one it says itself. */
static int find_number(holog_store *s, hg_pos birth, size_t back, uint64_t *out_number)
{
    size_t before = back + HG_FRAME_HEADER_SIZE;
    uint32_t offset = hg_pos_offset(birth);
    size_t avail = 0;
    struct hg_frame f;

    if (before > offset)
        return 0; /* its body is in an extent */
    struct hg_frame_place at = { .salt = s->recovered.super.salt,
                                 .segment = hg_pos_segment(birth),
                                 .offset = offset - (uint32_t)before };
    const uint8_t *p = hg_cache_peek(s->cache, at.segment, at.offset, HG_FRAME_HEADER_SIZE, &avail);
    if (p == NULL)
        return 0;
    at.epoch = hg_frame_epoch(p, at.offset);
    if (hg_frame_is_draft(p, &at, out_number))
        return 1;
    if (hg_frame_decode(p, &at, HG_SEGMENT_MAX, &f) != HG_FRAME_OK || f.len <= before)
        return 0;
    *out_number = f.number;
    return 1;
}

int hg_point_load(holog_store *s, const struct hg_version *v, const char *path,
                  holog_value **out_value)
{
    struct hg_rec_blob_value r;
    uint64_t number = 0;
    hg_pos birth = 0;
    holog_value *value = NULL;
    uint64_t t0 = s->io->ops->now_ns(s->io);
    struct hg_epoch_slot *slot = s->points != NULL ? hg_epoch_enter(s->domain) : NULL;

    if (slot == NULL)
        return 0;
    if (!__atomic_load_n(&s->rolled_back, __ATOMIC_ACQUIRE) && find(s, v, path, &r, &birth) &&
        find_number(s, birth, r.back, &number))
        value = hg_value_copy(r.bytes, r.len, number);
    hg_epoch_leave(slot);
    if (value == NULL)
        return 0;
    hg_store_count_load(s, s->io->ops->now_ns(s->io) - t0, value->len);
    *out_value = value;
    return 1;
}

int hg_point_range(holog_store *s, const struct hg_version *v, const char *path, uint64_t offset,
                   void *buf, size_t len, size_t *out_n)
{
    struct hg_rec_blob_value r;
    hg_pos birth = 0;
    size_t n = 0;
    int found;
    struct hg_epoch_slot *slot = s->points != NULL ? hg_epoch_enter(s->domain) : NULL;

    if (slot == NULL)
        return 0;
    found = find(s, v, path, &r, &birth) && offset <= r.len;
    if (found) {
        n = (size_t)HG_MIN((uint64_t)len, r.len - offset);
        if (n > 0)
            memcpy(buf, r.bytes + offset, n);
    }
    hg_epoch_leave(slot);
    if (found)
        hg_cache_count_loaded(s->cache, n);
    if (found && out_n != NULL)
        *out_n = n;
    return found;
}

/* A view of the past never changes, so its table only learns. It is made when the view has been asked
 * so often that it pays. */
#define PAST_LOADS 256u

static struct hg_side_table *table_of_past(holog_store *s, struct hg_version *v)
{
    struct hg_side_table *t = __atomic_load_n(&v->points, __ATOMIC_ACQUIRE);
    struct hg_side_table *none = NULL;
    uint64_t seed = 0;

    if (t != NULL || s->points == NULL ||
        __atomic_add_fetch(&v->loads, 1, __ATOMIC_RELAXED) != PAST_LOADS)
        return t;
    if (s->io->ops->random(s->io, &seed, sizeof seed) < 0 ||
        hg_side_table_create(s->io, s->domain, seed, &t) < 0) {
        hg_error_clear(); /* it goes without */
        return NULL;
    }
    hg_side_table_begin(t, v->number);
    hg_side_table_fit(t, hg_root_count(v->root), room_for(s) / 4);
    hg_side_table_end(t);
    if (hg_budget_take(s->cache, hg_side_table_bytes(t)) < 0 ||
        !__atomic_compare_exchange_n(&v->points, &none, t, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        hg_error_clear();
        hg_side_table_destroy(t);
        return none;
    }
    return t;
}

/* Whether a load by the short way would answer with what the tree has: of an entry that was moved or
 * copied, the record may name another path, or, when it came back to the first, another commit. */
static int is_as_recorded(holog_store *s, const struct hg_resolved *r, hg_pos birth)
{
    struct hg_epoch_slot *slot = hg_epoch_enter(s->domain);
    struct hg_rec_blob_value rec;
    uint64_t number = 0;
    size_t avail = 0;
    const uint8_t *p;
    int yes;

    if (slot == NULL)
        return 0;
    p = hg_cache_peek(s->cache, r->loc.segment, r->loc.offset, 8, &avail);
    yes = p != NULL && hg_rec_is_blob_of(p, avail, r->path, r->path_len, &rec) &&
          find_number(s, birth, rec.back, &number) && number == r->loc.number;
    hg_epoch_leave(slot);
    return yes;
}

void hg_point_learn(holog_store *s, struct hg_version *v, const struct hg_resolved *r)
{
    struct hg_side_table *t = v->is_past ? table_of_past(s, v) : s->points;
    hg_pos birth = hg_pos_make(r->loc.segment, r->loc.offset);

    if (t != NULL && r->loc.size <= s->inline_max && r->loc.segment != 0 &&
        is_as_recorded(s, r, birth))
        hg_side_table_learn(t, hg_side_table_hash(t, r->path, r->path_len), birth, r->loc.number,
                            v->number);
}

void hg_point_forget_past(holog_store *s, struct hg_version *v)
{
    if (v->points == NULL)
        return;
    hg_budget_give(s->cache, hg_side_table_bytes(v->points));
    hg_side_table_destroy(v->points);
}
