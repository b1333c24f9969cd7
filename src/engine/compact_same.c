/*
 * Bytes that earlier rounds have moved already: a value that has those of another, in a compressed segment that stays,
 * becomes a difference from it, of which every tile says only that it is the base's.
 *
 * Tables of compressed segments have no hashes of values, but what takes their place: a value's shape, and the sum of its
 * elements modulo 2^64. One pass over them, before anything is written, notes the values that have as many bytes as one
 * that moves. What has the same shape and sum is then read, and compared byte by byte.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "compaction/victims.h"
#include "engine/compact.h"

#define LEN_MIN      1024u /* bytes: to say so takes a few hundred */
#define LENGTHS      65536u
#define SLOTS_MIN    16u
#define TABLE_MAX    (UINT64_C(16) << 20) /* bytes; half as many values as have room there */
#define PIECE_MAX    ((uint64_t)8 << 20)  /* that are compared at once */
#define PIECE_MIN    ((uint64_t)64 << 10)
#define BUDGET_SHARE 16u /* of the budget, at most, for each of both */
#define COPIES_MAX \
    (UINT64_C(512) << 20) /* bytes of those of one base: with its segment all are moved */

struct slot {
    uint64_t key;
    hg_pos birth;    /* 0: free */
    uint64_t copies; /* bytes of values that are read from it */
};

struct hg_compact_same {
    struct hg_compaction *c;
    uint64_t taken;              /* of the budget */
    uint64_t longest;            /* of what moves */
    uint64_t lens[LENGTHS / 64]; /* a bit for the hash of each length of what moves */
    uint32_t segment;            /* asked for last; 0: none */
    int stays;                   /* it */
    size_t found;                /* values whose length has a bit */
    struct slot *slots;          /* open addressing, at most half full; NULL: not yet */
    size_t n_slots;              /* a power of two */
    size_t n;
    uint8_t *piece;
    uint64_t piece_len;
};

/* ---- which segments count ------------------------------------------------------------------------*/

/* 0: the compaction takes it, or may in a later round, or would leave it for the sake of this value alone. */
static int stays(const struct hg_compaction *c, uint32_t segment)
{
    const struct hg_live_segment *g =
        (const struct hg_live_segment *)(const void *)c->segments.data;
    size_t n = c->segments.len / sizeof *g;
    struct hg_candidate v = { .segment = segment };

    while (n > 0 && g->segment != segment) {
        g++;
        n--;
    }
    if (n == 0 || g->unasked || hg_compact_victim(c, segment) != NULL)
        return 0;
    v.used = g->used - HG_MIN(g->own, g->used);
    for (int h = 0; h < HG_HOLDERS; h++)
        v.live += g->live[h];
    return !hg_victim_is_worth(&v);
}

static int segment_stays(struct hg_compact_same *x, uint32_t segment)
{
    if (x->segment != segment) {
        x->segment = segment;
        x->stays = stays(x->c, segment);
    }
    return x->stays;
}

/* ---- lengths -------------------------------------------------------------------------------------*/

static size_t bit_of(uint64_t len)
{
    return (size_t)(hg_hash64(&len, sizeof len) % LENGTHS);
}

static void note_lengths(struct hg_compact_same *x)
{
    const struct hg_moving *m = (const struct hg_moving *)(const void *)x->c->moving.data;
    size_t bit;

    for (size_t i = 0; i < x->c->moving.len / sizeof *m; i++) {
        if (m[i].len < LEN_MIN)
            continue;
        bit = bit_of(m[i].len);
        x->lens[bit / 64] |= UINT64_C(1) << (bit & 63);
        x->longest = HG_MAX(x->longest, m[i].len);
    }
}

/* ---- what is there -------------------------------------------------------------------------------*/

static uint64_t key_of(const struct hg_hwp_shape *shape, uint64_t sum)
{
    uint64_t words[HG_HWP_RANK + 2] = { 0 };

    for (unsigned i = 0; i < shape->rank; i++)
        words[i] = shape->n[i];
    words[HG_HWP_RANK] = shape->size | (uint64_t)shape->kind << 8 | (uint64_t)shape->rank << 16;
    words[HG_HWP_RANK + 1] = sum;
    return hg_hash64(words, sizeof words);
}

static struct slot *find_slot(struct hg_compact_same *x, uint64_t key)
{
    size_t at = (size_t)key & (x->n_slots - 1);

    while (x->slots[at].birth != 0 && x->slots[at].key != key)
        at = (at + 1) & (x->n_slots - 1);
    return &x->slots[at];
}

static int has_length(const struct hg_compact_same *x, const struct hg_hwp_value *v)
{
    size_t bit = bit_of(v->len);

    return v->len >= LEN_MIN && (x->lens[bit / 64] >> (bit & 63) & 1) != 0;
}

static int count_base(void *ctx, uint32_t segment, const struct hg_hwp_value *v)
{
    struct hg_compact_same *x = ctx;

    x->found += v->other == 0 && has_length(x, v) && segment_stays(x, segment);
    return 0;
}

/* Those of the newest segments, as far as there is room. */
static int note_base(void *ctx, uint32_t segment, const struct hg_hwp_value *v)
{
    struct hg_compact_same *x = ctx;
    uint64_t key;
    struct slot *slot;

    if (v->other != 0 || !has_length(x, v) || !segment_stays(x, segment))
        return 0;
    key = key_of(&v->shape, v->sum);
    slot = find_slot(x, key);
    if (slot->birth == 0) {
        *slot = (struct slot){ .key = key, .birth = v->birth };
        x->n++;
    }
    return x->n == x->n_slots / 2;
}

static int note_copy(void *ctx, uint32_t segment, const struct hg_hwp_value *v)
{
    struct hg_compact_same *x = ctx;
    struct slot *slot;

    HG_UNUSED(segment);
    if (v->other == 0 || !has_length(x, v))
        return 0;
    slot = find_slot(x, key_of(&v->shape, v->sum));
    if (slot->birth != 0 && (slot->birth == v->other || (v->flags & HG_HWP_SAME) != 0))
        slot->copies += v->len;
    return 0;
}

static int make_room(struct hg_compact_same *x)
{
    uint64_t share = x->c->store->opts.budget_bytes / BUDGET_SHARE;
    uint64_t table_max = HG_MIN(TABLE_MAX, share);
    uint64_t bytes;
    int rc;

    for (x->n_slots = SLOTS_MIN;
         x->n_slots < 2 * x->found && 2 * x->n_slots * sizeof *x->slots <= table_max;)
        x->n_slots *= 2;
    x->piece_len = HG_MIN(HG_MIN(x->longest, PIECE_MAX), HG_MAX(share, PIECE_MIN));
    bytes = x->n_slots * sizeof *x->slots + x->piece_len;
    rc = hg_budget_take(x->c->store->cache, bytes);
    if (rc < 0)
        return rc;
    x->taken = bytes;
    x->slots = hg_calloc(x->n_slots, sizeof *x->slots);
    x->piece = hg_malloc(x->piece_len);
    return x->slots == NULL || x->piece == NULL ? HOLOG_E_NOMEM : HOLOG_OK;
}

void hg_compact_same_free(struct hg_compact_same *x)
{
    if (x == NULL)
        return;
    hg_budget_give(x->c->store->cache, x->taken);
    hg_free(x->slots);
    hg_free(x->piece);
    hg_free(x);
}

static void note_all(struct hg_compact_same *x)
{
    struct hg_cold *cold = x->c->store->cold;

    (void)hg_cold_each_entry(cold, note_base, x); /* 1: the table is full */
    (void)hg_cold_each_entry(cold, note_copy, x);
}

struct hg_compact_same *hg_compact_same_make(struct hg_compaction *c)
{
    struct holog_error_detail before;
    struct hg_compact_same *x = hg_calloc(1, sizeof *x);

    if (x == NULL)
        return NULL;
    x->c = c;
    note_lengths(x);
    if (x->longest > 0)
        (void)hg_cold_each_entry(c->store->cold, count_base, x);
    hg_error_get(&before);
    if (x->found == 0 || make_room(x) < 0) {
        hg_error_set(&before);
        hg_compact_same_free(x);
        return NULL;
    }
    note_all(x);
    return x;
}

/* ---- who has these bytes -------------------------------------------------------------------------*/

static int is_same(struct hg_compact_same *x, hg_pos birth, const uint8_t *raw, uint64_t len)
{
    for (uint64_t at = 0; at < len; at += x->piece_len) {
        uint64_t to = HG_MIN(at + x->piece_len, len);
        int rc = hg_cold_read(x->c->store->cold, birth, at, to, x->piece);
        if (rc < 0)
            return rc;
        if (memcmp(x->piece, raw + at, (size_t)(to - at)) != 0)
            return 0;
    }
    return 1;
}

static uint64_t copies_max(const holog_store *s)
{
    return s->round_bytes != 0 ? s->round_bytes : COPIES_MAX;
}

/* Where that is known: the value itself is none, though it may have been there before. */
static struct slot *candidate(struct hg_compact_same *x, const struct hg_hwp_shape *shape,
                              uint64_t sum, const struct hg_moving *v)
{
    struct slot *slot = find_slot(x, key_of(shape, sum));
    uint32_t home;

    if (slot->birth == 0 || slot->birth == v->birth || slot->copies >= copies_max(x->c->store))
        return NULL;
    home = hg_cold_can_be_base(x->c->store->cold, slot->birth, shape);
    return home == 0 || !segment_stays(x, home) ? NULL : slot;
}

int hg_compact_same_find(struct hg_compact_same *x, const struct hg_moving *v,
                         const struct hg_hwp_shape *shape, const void *raw, hg_pos *out)
{
    struct holog_error_detail before;
    struct slot *slot;
    int rc;

    *out = 0;
    if (x == NULL || v->len < LEN_MIN)
        return HOLOG_OK;
    slot = candidate(x, shape, hg_hwp_sum(shape->size, shape->kind, raw, (size_t)v->len), v);
    if (slot == NULL)
        return HOLOG_OK;
    hg_error_get(&before);
    rc = is_same(x, slot->birth, raw, v->len);
    if (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_NOTSUP || rc == HOLOG_E_BUDGET) {
        hg_error_set(&before);
        return HOLOG_OK;
    }
    if (rc > 0) {
        *out = slot->birth;
        slot->copies += v->len;
    }
    return HG_MIN(rc, 0);
}
