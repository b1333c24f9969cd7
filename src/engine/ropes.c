/*
 * Ropes in memory; see ropes.h.
 */
#include "engine/ropes.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define ENTRIES_MAX 4096u
#define BUCKETS     1024u /* a power of two */
#define SHARE       8u    /* of the budget */

struct entry {
    hg_pos birth;
    struct hg_rope_at at;
    struct entry *newer, *older, *next; /* next: in the bucket */
};

struct hg_ropes {
    struct hg_io *io; /* fixed, as the next */
    uint64_t bytes_max;
    struct hg_rope_pool pool;
    struct hg_mutex lock; /* rank 5; guards all that follows */
    struct entry *newest, *oldest;
    size_t count;
    uint64_t age;
    struct hg_buf folds; /* struct hg_fold_at, by version */
    struct entry *bucket[BUCKETS];
};

int hg_ropes_create(struct hg_io *io, uint64_t budget_bytes, struct hg_ropes **out_ropes)
{
    struct hg_ropes *r = hg_calloc(1, sizeof *r);

    if (r == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a store");
    r->io = io;
    r->bytes_max = budget_bytes / SHARE;
    r->age = 1;
    *out_ropes = r;
    return HOLOG_OK;
}

struct hg_rope_pool *hg_ropes_pool(struct hg_ropes *r)
{
    return &r->pool;
}

static uint64_t bytes_used(struct hg_ropes *r)
{
    return atomic_load_explicit(&r->pool.bytes, memory_order_relaxed) +
           r->count * sizeof(struct entry) + r->folds.cap + sizeof *r;
}

uint64_t hg_ropes_bytes(struct hg_ropes *r)
{
    hg_mutex_lock(r->io, &r->lock);
    uint64_t bytes = bytes_used(r);
    hg_mutex_unlock(r->io, &r->lock);
    return bytes;
}

/* ---- ropes (lock held) -------------------------------------------------------------------------- */

static struct entry **bucket_of(struct hg_ropes *r, hg_pos birth)
{
    uint64_t h = birth * UINT64_C(0x9E3779B97F4A7C15);

    return &r->bucket[(h >> 40) & (BUCKETS - 1)];
}

static struct entry *find(struct hg_ropes *r, hg_pos birth)
{
    struct entry *e = *bucket_of(r, birth);

    while (e != NULL && e->birth != birth)
        e = e->next;
    return e;
}

static void list_remove(struct hg_ropes *r, struct entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &r->newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &r->oldest) = e->newer;
}

static void list_add(struct hg_ropes *r, struct entry *e)
{
    e->newer = NULL;
    e->older = r->newest;
    *(r->newest != NULL ? &r->newest->newer : &r->oldest) = e;
    r->newest = e;
}

static void forget(struct hg_ropes *r, struct entry *e)
{
    struct entry **link = bucket_of(r, e->birth);

    while (*link != e)
        link = &(*link)->next;
    *link = e->next;
    list_remove(r, e);
    r->count--;
}

/* The oldest are forgotten while there are too many; the caller frees them without the lock, since
 * that may take a while. A rope that is still used elsewhere gives no memory back yet. */
static struct entry *pick_old(struct hg_ropes *r)
{
    struct entry *gone = NULL;
    unsigned n = 0;

    while (r->count > 1 &&
           (r->count > ENTRIES_MAX || (bytes_used(r) > r->bytes_max && n < ENTRIES_MAX / 64))) {
        struct entry *e = r->oldest;
        forget(r, e);
        e->next = gone;
        gone = e;
        n++;
    }
    return gone;
}

static void free_list(struct entry *list)
{
    while (list != NULL) {
        struct entry *next = list->next;
        hg_rope_put(list->at.rope);
        hg_free(list);
        list = next;
    }
}

int hg_ropes_find(struct hg_ropes *r, hg_pos birth, struct hg_rope_at *out)
{
    hg_mutex_lock(r->io, &r->lock);
    struct entry *e = find(r, birth);
    if (e != NULL) {
        list_remove(r, e);
        list_add(r, e);
        *out = e->at;
        (void)hg_rope_get(out->rope);
    }
    hg_mutex_unlock(r->io, &r->lock);
    return e != NULL;
}

void hg_ropes_put(struct hg_ropes *r, hg_pos birth, const struct hg_rope_at *at)
{
    struct entry *fresh = hg_malloc(sizeof *fresh);
    struct entry *gone;

    if (fresh == NULL)
        return; /* it is made again when it is wanted */
    *fresh = (struct entry){ .birth = birth, .at = *at };
    (void)hg_rope_get(at->rope);
    hg_mutex_lock(r->io, &r->lock);
    if (at->age != r->age) {
        hg_mutex_unlock(r->io, &r->lock);
        fresh->next = NULL;
        free_list(fresh);
        return;
    }
    struct entry *old = find(r, birth);
    if (old != NULL)
        forget(r, old);
    fresh->next = *bucket_of(r, birth);
    *bucket_of(r, birth) = fresh;
    list_add(r, fresh);
    r->count++;
    gone = pick_old(r);
    hg_mutex_unlock(r->io, &r->lock);
    if (old != NULL)
        old->next = NULL;
    free_list(old);
    free_list(gone);
}

uint64_t hg_ropes_age(struct hg_ropes *r)
{
    hg_mutex_lock(r->io, &r->lock);
    uint64_t age = r->age;
    hg_mutex_unlock(r->io, &r->lock);
    return age;
}

void hg_ropes_clear(struct hg_ropes *r)
{
    struct entry *gone = NULL;

    hg_mutex_lock(r->io, &r->lock);
    r->age++;
    while (r->newest != NULL) {
        struct entry *e = r->newest;
        forget(r, e);
        e->next = gone;
        gone = e;
    }
    hg_mutex_unlock(r->io, &r->lock);
    free_list(gone);
}

/* ---- folds -------------------------------------------------------------------------------------- */

static struct hg_fold_at *fold_at(struct hg_ropes *r, size_t i)
{
    return (struct hg_fold_at *)(void *)r->folds.data + i;
}

/* The first that is not before the version. */
static size_t find_fold(struct hg_ropes *r, hg_pos version)
{
    size_t from = 0;
    size_t to = r->folds.len / sizeof(struct hg_fold_at);

    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (fold_at(r, mid)->version < version)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static int has_fold(struct hg_ropes *r, size_t i, hg_pos version)
{
    return i < r->folds.len / sizeof(struct hg_fold_at) && fold_at(r, i)->version == version;
}

hg_pos hg_ropes_fold(struct hg_ropes *r, hg_pos version)
{
    hg_mutex_lock(r->io, &r->lock);
    size_t i = find_fold(r, version);
    hg_pos fold = has_fold(r, i, version) ? fold_at(r, i)->fold : 0;
    hg_mutex_unlock(r->io, &r->lock);
    return fold;
}

int hg_ropes_reserve_fold(struct hg_ropes *r)
{
    hg_mutex_lock(r->io, &r->lock);
    int rc = hg_buf_reserve(&r->folds, sizeof(struct hg_fold_at));
    hg_mutex_unlock(r->io, &r->lock);
    return rc;
}

int hg_ropes_set_fold(struct hg_ropes *r, const struct hg_fold_at *f)
{
    int rc = HOLOG_OK;

    hg_mutex_lock(r->io, &r->lock);
    size_t i = find_fold(r, f->version);
    if (!has_fold(r, i, f->version)) {
        rc = hg_buf_append(&r->folds, f, sizeof *f);
        if (rc == HOLOG_OK) {
            uint8_t *at = r->folds.data + i * sizeof *f;
            memmove(at + sizeof *f, at, r->folds.len - sizeof *f - i * sizeof *f);
        }
    }
    if (rc == HOLOG_OK)
        *fold_at(r, i) = *f;
    hg_mutex_unlock(r->io, &r->lock);
    return rc;
}

int hg_ropes_folds(struct hg_ropes *r, struct hg_buf *out)
{
    int rc = HOLOG_OK;

    hg_mutex_lock(r->io, &r->lock);
    if (r->folds.len > 0)
        rc = hg_buf_append(out, r->folds.data, r->folds.len);
    hg_mutex_unlock(r->io, &r->lock);
    return rc;
}

void hg_ropes_forget_folds(struct hg_ropes *r)
{
    hg_mutex_lock(r->io, &r->lock);
    r->folds.len = 0;
    hg_mutex_unlock(r->io, &r->lock);
}

void hg_ropes_destroy(struct hg_ropes *r)
{
    if (r == NULL)
        return;
    while (r->newest != NULL) {
        struct entry *e = r->newest;
        forget(r, e);
        e->next = NULL;
        free_list(e);
    }
    hg_buf_release(&r->folds);
    hg_free(r);
}
