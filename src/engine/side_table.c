/*
 * The hash side-table; see side_table.h.
 *
 * A slot is two words. `what` has the commit number, a tag of the hash and a count, and is 0 while
 * the slot is empty or being written; who reads the same `what` before and after `where` has read
 * both of one entry.
 *
 *   what   bits 16-63 number, 4-15 tag, 0-3 count of rewrites
 *   where  the birth position
 *
 * Clearing is a new generation. Each chunk of buckets has the generation it was last written in, and
 * is wiped when something is put into it in a later one; so a new array has any bytes in it.
 */
#include "engine/side_table.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"

#define WAYS          4u /* slots of a bucket: a cache line */
#define LINE          64u
#define CHUNK_BUCKETS 64u /* 4 KiB */
#define BITS_MIN      8u  /* buckets, as a power of two */
#define BITS_MAX      40u

struct slot {
    uint64_t what;
    uint64_t where;
};

static_assert(WAYS * sizeof(struct slot) == LINE, "a bucket is one line");

struct array {
    struct hg_retired retired;
    unsigned bits;
    uint64_t bytes;
    uint64_t generation; /* atomic */
    uint64_t *chunks;    /* atomic: generation of each */
    struct slot *slots;  /* atomic words */
};

struct hg_side_table {
    struct hg_epoch_domain *domain;
    uint64_t seed;
    struct array *array; /* atomic; NULL until something is to be kept */
    uint64_t head;       /* locked; the newest commit whose changes have begun to be put in */
    struct hg_io *io;
    struct hg_mutex lock; /* held for a slot by readers, for a commit by the writer */
};

/* ---- arrays ------------------------------------------------------------------------------------- */

static uint64_t bytes_for(unsigned bits)
{
    uint64_t buckets = (uint64_t)1 << bits;

    return sizeof(struct array) + buckets * WAYS * sizeof(struct slot) +
           buckets / CHUNK_BUCKETS * sizeof(uint64_t);
}

static void array_free(struct array *a)
{
    if (a == NULL)
        return;
    hg_free(a->chunks);
    hg_free(a->slots);
    hg_free(a);
}

static void array_destroy(struct hg_retired *r)
{
    array_free((struct array *)(void *)r);
}

static struct array *array_new(unsigned bits)
{
    size_t buckets = (size_t)1 << bits;
    struct array *a = hg_calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->bits = bits;
    a->bytes = bytes_for(bits);
    a->chunks = hg_calloc(buckets / CHUNK_BUCKETS, sizeof *a->chunks);
    a->generation = 1; /* no chunk was written in it */
    a->slots = hg_alloc_huge(buckets * WAYS * sizeof *a->slots);
    if (a->chunks == NULL || a->slots == NULL) {
        array_free(a);
        return NULL;
    }
    return a;
}

/* ---- slots -------------------------------------------------------------------------------------- */

static uint64_t tag_of(uint64_t hash)
{
    return (hash & 0xfff) << 4; /* the bucket is chosen by the other end */
}

static size_t bucket_of(const struct array *a, uint64_t hash)
{
    return (size_t)(hash >> (64 - a->bits));
}

static int has_tag(uint64_t what, uint64_t hash)
{
    return what != 0 && (what & 0xfff0) == tag_of(hash);
}

/* Locked. The bucket, in a chunk of this generation. */
static struct slot *bucket_for_writing(struct array *a, uint64_t hash)
{
    size_t b = bucket_of(a, hash);
    size_t chunk = b / CHUNK_BUCKETS;

    if (__atomic_load_n(&a->chunks[chunk], __ATOMIC_RELAXED) != a->generation) {
        struct slot *s = &a->slots[chunk * CHUNK_BUCKETS * WAYS];
        for (size_t i = 0; i < (size_t)CHUNK_BUCKETS * WAYS; i++)
            __atomic_store_n(&s[i].what, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&a->chunks[chunk], a->generation, __ATOMIC_RELEASE);
    }
    return &a->slots[b * WAYS];
}

static void write_slot(struct slot *s, uint64_t hash, hg_pos birth, uint64_t number, unsigned count)
{
    __atomic_store_n(&s->what, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&s->where, birth,
                     __ATOMIC_RELEASE); /* after what: it is 0 for who sees this */
    __atomic_store_n(&s->what, number << 16 | tag_of(hash) | (count & 15), __ATOMIC_RELEASE);
}

/* Locked. */
static void put(struct hg_side_table *t, uint64_t hash, hg_pos birth, uint64_t number)
{
    struct array *a = t->array;
    struct slot *s;
    size_t pick = WAYS;

    if (a == NULL || number >= (uint64_t)1 << 48)
        return;
    s = bucket_for_writing(a, hash);
    for (size_t i = 0; i < WAYS; i++) {
        if (has_tag(s[i].what, hash) || (s[i].what == 0 && pick == WAYS))
            pick = i;
    }
    if (pick == WAYS)
        pick = (size_t)(hash >> 12) % WAYS; /* full: anyone must go */
    write_slot(&s[pick], hash, birth, number, (unsigned)s[pick].what + 1);
}

/* ---- the interface -------------------------------------------------------------------------------- */

int hg_side_table_create(struct hg_io *io, struct hg_epoch_domain *domain, uint64_t seed,
                         struct hg_side_table **out_table)
{
    struct hg_side_table *t = hg_calloc(1, sizeof *t);

    if (t == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the hash side-table");
    t->io = io;
    t->domain = domain;
    t->seed = seed;
    *out_table = t;
    return HOLOG_OK;
}

void hg_side_table_destroy(struct hg_side_table *t)
{
    if (t == NULL)
        return;
    array_free(t->array);
    hg_free(t);
}

uint64_t hg_side_table_hash(const struct hg_side_table *t, const char *path, size_t path_len)
{
    return hg_hash64_seeded(path, path_len, t->seed);
}

int hg_side_table_find(const struct hg_side_table *t, uint64_t hash, uint64_t number,
                       hg_pos *out_birth, uint64_t *out_number)
{
    const struct array *a = __atomic_load_n(&t->array, __ATOMIC_ACQUIRE);
    const struct slot *s;
    size_t b;

    if (a == NULL)
        return 0;
    b = bucket_of(a, hash);
    if (__atomic_load_n(&a->chunks[b / CHUNK_BUCKETS], __ATOMIC_ACQUIRE) !=
        __atomic_load_n(&a->generation, __ATOMIC_ACQUIRE))
        return 0;
    s = &a->slots[b * WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t what = __atomic_load_n(&s[i].what, __ATOMIC_ACQUIRE);
        uint64_t where;
        if (!has_tag(what, hash))
            continue;
        where = __atomic_load_n(&s[i].where, __ATOMIC_ACQUIRE);
        if (__atomic_load_n(&s[i].what, __ATOMIC_RELAXED) != what || what >> 16 > number)
            return 0;
        *out_birth = where;
        *out_number = what >> 16;
        return 1;
    }
    return 0;
}

void hg_side_table_learn(struct hg_side_table *t, uint64_t hash, hg_pos birth, uint64_t number,
                         uint64_t seen)
{
    if (!hg_mutex_trylock(&t->lock))
        return; /* another time */
    if (t->head <= seen)
        put(t, hash, birth, number);
    hg_mutex_unlock(t->io, &t->lock);
}

void hg_side_table_begin(struct hg_side_table *t, uint64_t number)
{
    hg_mutex_lock(t->io, &t->lock);
    t->head = number;
}

void hg_side_table_put(struct hg_side_table *t, uint64_t hash, hg_pos birth, uint64_t number)
{
    put(t, hash, birth, number);
}

void hg_side_table_remove(struct hg_side_table *t, uint64_t hash)
{
    struct array *a = t->array;
    struct slot *s;

    if (a == NULL)
        return;
    s = bucket_for_writing(a, hash);
    for (size_t i = 0; i < WAYS; i++)
        if (has_tag(s[i].what, hash))
            __atomic_store_n(&s[i].what, 0, __ATOMIC_RELAXED);
}

void hg_side_table_clear(struct hg_side_table *t)
{
    if (t->array != NULL)
        __atomic_store_n(&t->array->generation, t->array->generation + 1, __ATOMIC_RELEASE);
}

void hg_side_table_fit(struct hg_side_table *t, uint64_t entries, uint64_t max_bytes)
{
    struct array *old = t->array;
    struct array *a;
    unsigned bits = old != NULL ? old->bits : BITS_MIN;

    if (entries == 0 || (old != NULL && entries <= (uint64_t)WAYS << bits))
        return;
    while (bits < BITS_MAX && entries > (uint64_t)WAYS << bits)
        bits++;
    if (bytes_for(bits) > max_bytes)
        return;
    a = array_new(bits);
    if (a == NULL)
        return;
    __atomic_store_n(&t->array, a, __ATOMIC_RELEASE);
    if (old != NULL)
        hg_epoch_retire(t->domain, &old->retired, array_destroy);
}

void hg_side_table_end(struct hg_side_table *t)
{
    hg_mutex_unlock(t->io, &t->lock);
}

uint64_t hg_side_table_bytes(const struct hg_side_table *t)
{
    const struct array *a = __atomic_load_n(&t->array, __ATOMIC_ACQUIRE);

    return a == NULL ? 0 : a->bytes;
}
