/*
 * Records of frame segments that were replaced: how long they are, and where their time is. There is no footer to
 * ask any more, and a record is read only through the page that it lies in, which has to be decoded; a mark would
 * decode all that ever moved. So what a mark has found out is kept, by birth, for the next one: a record never changes.
 * Those that refer to others are few, and read again.
 *
 * One table, open addressing, at most three quarters full, within a sixteenth of the budget. When it would be more it
 * begins again: births that are of no use any more go then, too.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "engine/refs_internal.h"

#define SLOTS_MIN 1024u
#define BACK_MAX  (UINT32_C(1) << 24)

struct slot {
    hg_pos birth; /* 0: free */
    uint32_t len;
    uint32_t back; /* from the record to its body << 8 | type */
};

struct hg_moved_refs {
    struct hg_io *io; /* fixed, as the next two */
    struct hg_cache *cache;
    uint64_t bytes_max;
    struct hg_mutex lock; /* rank 5; guards all that follows */
    struct slot *slots;
    size_t cap, count;
};

int hg_moved_refs_create(struct hg_io *io, struct hg_cache *cache, uint64_t bytes_max,
                         struct hg_moved_refs **out)
{
    struct hg_moved_refs *m = hg_calloc(1, sizeof *m);

    if (m == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a store");
    m->io = io;
    m->cache = cache;
    m->bytes_max = bytes_max;
    *out = m;
    return HOLOG_OK;
}

void hg_moved_refs_destroy(struct hg_moved_refs *m)
{
    if (m == NULL)
        return;
    hg_budget_give(m->cache, m->cap * sizeof *m->slots);
    hg_free(m->slots);
    hg_free(m);
}

static struct slot *seek(struct slot *slots, size_t cap, hg_pos birth)
{
    size_t at = (size_t)(birth * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (cap - 1);

    while (slots[at].birth != 0 && slots[at].birth != birth)
        at = (at + 1) & (cap - 1);
    return &slots[at];
}

int hg_moved_refs_find(struct hg_moved_refs *m, hg_pos birth, struct hg_ref *out)
{
    const struct slot *s;
    int found = 0;

    hg_mutex_lock(m->io, &m->lock);
    if (m->cap > 0) {
        s = seek(m->slots, m->cap, birth);
        found = s->birth == birth;
        if (found)
            *out = (struct hg_ref){ .offset = hg_pos_offset(birth),
                                    .len = s->len,
                                    .body = hg_pos_offset(birth) - (s->back >> 8),
                                    .type = (uint8_t)s->back };
    }
    hg_mutex_unlock(m->io, &m->lock);
    return found;
}

/* Twice the room, or as much again from nothing. Lock not held. Without memory nothing is kept. */
static void grow(struct hg_moved_refs *m, size_t cap)
{
    size_t more = cap == 0 ? SLOTS_MIN : 2 * cap;
    int fits = more * sizeof(struct slot) <= m->bytes_max;
    size_t give = 0;
    struct slot *old = NULL;
    struct slot *slots = NULL;
    struct holog_error_detail before;

    hg_error_get(&before);
    if (!fits)
        more = HG_MAX(cap, (size_t)SLOTS_MIN);
    if (hg_budget_take(m->cache, more * sizeof *slots) == HOLOG_OK) {
        give = more;
        slots = hg_calloc(more, sizeof *slots);
    }
    hg_error_set(&before);
    hg_mutex_lock(m->io, &m->lock);
    if (slots != NULL && m->cap == cap) {
        for (size_t i = 0; fits && i < cap; i++) {
            if (m->slots[i].birth != 0)
                *seek(slots, more, m->slots[i].birth) = m->slots[i];
        }
        m->count = fits ? m->count : 0;
        old = m->slots;
        m->slots = slots;
        m->cap = more;
        give = cap;
        slots = NULL;
    }
    hg_mutex_unlock(m->io, &m->lock);
    hg_free(slots);
    hg_free(old);
    hg_budget_give(m->cache, give * sizeof *slots);
}

void hg_moved_refs_note(struct hg_moved_refs *m, hg_pos birth, const struct hg_ref *ref)
{
    uint32_t back = ref->offset - ref->body;
    size_t full = SIZE_MAX;

    if (ref->n_pieces > 0 || ref->base != 0 || ref->type == HG_REC_BODY || back >= BACK_MAX)
        return;
    hg_mutex_lock(m->io, &m->lock);
    if (m->count + 1 > m->cap / 4 * 3)
        full = m->cap;
    hg_mutex_unlock(m->io, &m->lock);
    if (full != SIZE_MAX)
        grow(m, full);
    hg_mutex_lock(m->io, &m->lock);
    if (m->count + 1 <= m->cap / 4 * 3) {
        struct slot *s = seek(m->slots, m->cap, birth);
        m->count += s->birth == 0;
        *s = (struct slot){ .birth = birth, .len = ref->len, .back = back << 8 | ref->type };
    }
    hg_mutex_unlock(m->io, &m->lock);
}
