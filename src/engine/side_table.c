/*
 * The hash side-table; see side_table.h.
 *
 * A bucket is two neighbouring cache lines of slots, and a slot is one word, so that none is ever
 * seen half-written:
 *
 *   bits 52-63 tag, 12 bits of the hash | 30-51 segment | 0-29 offset; 0: the slot is empty
 *
 * Buckets come in chunks. A chunk has the number of the newest commit that anything in it is of: it
 * is raised before the slot is written and looked at after the slot was read, so that a reader of an
 * older version leaves the chunk alone. Clearing is a new generation: a chunk has the one it was last
 * written in, and is wiped when something is put into it in a later one; so a new array has any
 * bytes in it.
 */
#include "engine/side_table.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"

#define WAYS          16u /* slots of a bucket */
#define BUCKET_ALIGN  128u
#define CHUNK_BUCKETS 8u
#define CHUNK_SLOTS   (WAYS * CHUNK_BUCKETS)
#define CHUNKS_MIN    8u
#define CHUNKS_MAX    (UINT32_MAX / CHUNK_BUCKETS)

/* Fuller, one entry in fifteen would find no room; it grows by an eighth, since empty slots are
 * memory too. */
#define FULL(slots)   ((slots) / 16 * 15)
#define GROWN(values) ((values) / 8 * 9)

#define TAG_SHIFT     52
#define SEGMENT_SHIFT 30
#define OFFSET_MASK   ((UINT64_C(1) << SEGMENT_SHIFT) - 1)
#define SEGMENT_MAX   ((UINT32_C(1) << (TAG_SHIFT - SEGMENT_SHIFT)) - 1)
static_assert(HG_SEGMENT_MAX <= OFFSET_MASK, "an offset in a frame segment fits");
static_assert(WAYS * sizeof(uint64_t) == BUCKET_ALIGN, "a bucket is two lines");

struct chunk {
    uint64_t generation; /* atomic, as the next */
    uint64_t newest;
};

struct array {
    struct hg_retired retired;
    uint64_t chunk_count;
    uint64_t bytes;
    uint64_t generation; /* atomic */
    struct chunk *chunks;
    uint64_t *slots; /* atomic words */
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

static uint64_t bytes_for(uint64_t chunks)
{
    return sizeof(struct array) + chunks * (sizeof(struct chunk) + CHUNK_SLOTS * sizeof(uint64_t));
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

static struct array *array_new(uint64_t chunks)
{
    size_t bytes = (size_t)chunks * CHUNK_SLOTS * sizeof(uint64_t);
    struct array *a = hg_calloc(1, sizeof *a);

    if (a == NULL)
        return NULL;
    a->chunk_count = chunks;
    a->bytes = bytes_for(chunks);
    a->chunks = hg_calloc((size_t)chunks, sizeof *a->chunks);
    a->slots = hg_alloc_aligned(BUCKET_ALIGN, bytes);
    a->generation = 1; /* no chunk was written in it */
    if (a->chunks == NULL || a->slots == NULL) {
        array_free(a);
        return NULL;
    }
    return a;
}

/* ---- slots -------------------------------------------------------------------------------------- */

/* By the upper half of the hash; the tag is of the lower. */
static size_t bucket_of(const struct array *a, uint64_t hash)
{
    return (size_t)((hash >> 32) * (a->chunk_count * CHUNK_BUCKETS) >> 32);
}

static uint64_t tag_of(uint64_t hash)
{
    return hash << TAG_SHIFT;
}

static int has_tag(uint64_t slot, uint64_t hash)
{
    return slot != 0 && (slot ^ tag_of(hash)) >> TAG_SHIFT == 0;
}

/* 0: such a position does not fit; the entry is left to the tree. */
static uint64_t slot_make(uint64_t hash, hg_pos birth)
{
    uint64_t segment = hg_pos_segment(birth);
    uint64_t offset = hg_pos_offset(birth);

    return segment > SEGMENT_MAX || offset > OFFSET_MASK
               ? 0
               : tag_of(hash) | segment << SEGMENT_SHIFT | offset;
}

static hg_pos slot_birth(uint64_t slot)
{
    return hg_pos_make((uint32_t)(slot >> SEGMENT_SHIFT) & SEGMENT_MAX,
                       (uint32_t)(slot & OFFSET_MASK));
}

/* Locked. The bucket, in a chunk of this generation. */
static uint64_t *bucket_for_writing(struct array *a, uint64_t hash)
{
    size_t b = bucket_of(a, hash);
    struct chunk *c = &a->chunks[b / CHUNK_BUCKETS];

    if (__atomic_load_n(&c->generation, __ATOMIC_RELAXED) != a->generation) {
        uint64_t *slots = &a->slots[b / CHUNK_BUCKETS * CHUNK_SLOTS];
        for (size_t i = 0; i < CHUNK_SLOTS; i++)
            __atomic_store_n(&slots[i], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&c->generation, a->generation, __ATOMIC_RELEASE);
    }
    return &a->slots[b * WAYS];
}

/* Locked. The version is that of commit `number`. */
static void put(struct hg_side_table *t, uint64_t hash, hg_pos birth, uint64_t number)
{
    struct array *a = t->array;
    uint64_t *s;
    size_t pick = WAYS;

    if (a == NULL)
        return;
    s = bucket_for_writing(a, hash);
    for (size_t i = 0; i < WAYS; i++) {
        if (has_tag(s[i], hash)) {
            pick = i;
            break;
        }
        if (s[i] == 0 && pick == WAYS)
            pick = i;
    }
    if (pick == WAYS)
        pick = (size_t)(hash >> 12) % WAYS; /* full: anyone must go */
    struct chunk *c = &a->chunks[bucket_of(a, hash) / CHUNK_BUCKETS];
    if (number > c->newest)
        __atomic_store_n(&c->newest, number, __ATOMIC_RELAXED);
    __atomic_store_n(&s[pick], slot_make(hash, birth), __ATOMIC_RELEASE); /* after newest */
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
                       hg_pos *out_birth)
{
    const struct array *a = __atomic_load_n(&t->array, __ATOMIC_ACQUIRE);
    const struct chunk *c;
    const uint64_t *s;
    size_t b;

    if (a == NULL)
        return 0;
    b = bucket_of(a, hash);
    s = &a->slots[b * WAYS];
    __builtin_prefetch(s);
    c = &a->chunks[b / CHUNK_BUCKETS];
    if (__atomic_load_n(&c->generation, __ATOMIC_ACQUIRE) !=
        __atomic_load_n(&a->generation, __ATOMIC_ACQUIRE))
        return 0;
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t slot = __atomic_load_n(&s[i], __ATOMIC_ACQUIRE);
        if (!has_tag(slot, hash))
            continue;
        if (__atomic_load_n(&c->newest, __ATOMIC_RELAXED) > number)
            return 0;
        *out_birth = slot_birth(slot);
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

void hg_side_table_put(struct hg_side_table *t, uint64_t hash, hg_pos birth)
{
    put(t, hash, birth, t->head);
}

void hg_side_table_remove(struct hg_side_table *t, uint64_t hash)
{
    struct array *a = t->array;
    uint64_t *s;

    if (a == NULL)
        return;
    s = bucket_for_writing(a, hash);
    for (size_t i = 0; i < WAYS; i++)
        if (has_tag(s[i], hash))
            __atomic_store_n(&s[i], 0, __ATOMIC_RELAXED);
}

void hg_side_table_clear(struct hg_side_table *t)
{
    if (t->array != NULL)
        __atomic_store_n(&t->array->generation, t->array->generation + 1, __ATOMIC_RELEASE);
}

void hg_side_table_fit(struct hg_side_table *t, uint64_t values, uint64_t max_bytes)
{
    struct array *old = t->array;
    struct array *a;
    uint64_t chunks = CHUNKS_MIN;

    if (values == 0 || (old != NULL && values <= FULL(old->chunk_count * CHUNK_SLOTS)))
        return;
    chunks = HG_MAX(chunks, GROWN(values) / FULL(CHUNK_SLOTS) + 1);
    if (chunks > CHUNKS_MAX || bytes_for(chunks) > max_bytes)
        return;
    a = array_new(chunks);
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
