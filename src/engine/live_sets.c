/*
 * Sets of offsets and of nodes; see live_sets.h.
 */
#include "engine/live_sets.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

#define STEP_BYTES (64u << 10)
#define FIRST      16u

/* ---- memory --------------------------------------------------------------------------------------- */

int hg_live_take(struct hg_live_memory *m, uint64_t bytes)
{
    uint64_t need = m->used + bytes;

    if (need > m->taken) {
        uint64_t more = HG_MAX(need - m->taken, (uint64_t)STEP_BYTES);
        int rc = hg_budget_take(m->cache, more);
        if (rc < 0)
            return rc;
        m->taken += more;
    }
    m->used = need;
    return HOLOG_OK;
}

void hg_live_give(struct hg_live_memory *m, uint64_t bytes)
{
    HG_ASSERT(bytes <= m->used);
    m->used -= bytes;
}

void hg_live_give_all(struct hg_live_memory *m)
{
    hg_budget_give(m->cache, m->taken);
    m->used = m->taken = 0;
}

int hg_live_append(struct hg_live_memory *m, struct hg_buf *b, const void *data, size_t len)
{
    size_t cap = hg_buf_grown(b, len);
    int rc = cap > b->cap ? hg_live_take(m, cap - b->cap) : HOLOG_OK;

    return rc < 0 ? rc : hg_buf_append(b, data, len);
}

static int no_memory(void)
{
    return hg_error(HOLOG_E_NOMEM, "no memory to find out what lives");
}

/* Twice the room, all free. */
static int more_room(struct hg_live_memory *m, size_t cap, size_t size, void **out)
{
    int rc = hg_live_take(m, cap * size);

    if (rc < 0)
        return rc;
    *out = hg_calloc(cap, size);
    if (*out != NULL)
        return HOLOG_OK;
    hg_live_give(m, cap * size);
    return no_memory();
}

static int is_full(size_t count, size_t cap)
{
    return count >= cap - cap / 4;
}

static size_t place_of(uint64_t key, size_t cap)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (cap - 1);
}

/* ---- offsets -------------------------------------------------------------------------------------- */

/* Where it is, or would be. */
static uint32_t *offset_slot(const struct hg_offset_set *s, uint32_t offset)
{
    size_t i = place_of(offset, s->cap);

    while (s->slots[i] != 0 && s->slots[i] >> 1 != offset)
        i = (i + 1) & (s->cap - 1);
    return &s->slots[i];
}

static int offset_grow(struct hg_live_memory *m, struct hg_offset_set *s)
{
    struct hg_offset_set bigger = { .cap = s->cap == 0 ? FIRST : s->cap * 2, .count = s->count };
    void *slots = NULL;
    int rc = more_room(m, bigger.cap, sizeof *s->slots, &slots);

    if (rc < 0)
        return rc;
    bigger.slots = slots;
    for (uint32_t i = 0; i < s->cap; i++) {
        if (s->slots[i] != 0)
            *offset_slot(&bigger, s->slots[i] >> 1) = s->slots[i];
    }
    hg_offset_set_release(m, s);
    *s = bigger;
    return HOLOG_OK;
}

int hg_offset_set_has(const struct hg_offset_set *s, uint32_t offset)
{
    uint32_t found = s->cap == 0 ? 0 : *offset_slot(s, offset);

    return found == 0 ? 0 : (found & 1) != 0 ? 3 : 1;
}

int hg_offset_set_add(struct hg_live_memory *m, struct hg_offset_set *s, uint32_t offset, int bit,
                      int *out_was)
{
    uint32_t *slot;
    int rc = is_full(s->count, s->cap) ? offset_grow(m, s) : HOLOG_OK;

    HG_ASSERT(offset != 0 && offset < UINT32_C(1) << 31);
    if (rc < 0)
        return rc;
    slot = offset_slot(s, offset);
    *out_was = *slot == 0 ? 0 : (*slot & 1) != 0 ? 3 : 1;
    s->count += *slot == 0;
    *slot |= offset << 1 | (bit != 0);
    return HOLOG_OK;
}

void hg_offset_set_release(struct hg_live_memory *m, struct hg_offset_set *s)
{
    hg_live_give(m, (uint64_t)s->cap * sizeof *s->slots);
    hg_free(s->slots);
    *s = (struct hg_offset_set){ 0 };
}

/* ---- nodes ---------------------------------------------------------------------------------------- */

static struct hg_node_seen *node_slot(const struct hg_node_set *s, const void *node)
{
    size_t i = place_of((uint64_t)(uintptr_t)node >> 4, s->cap);

    while (s->slots[i].node != NULL && s->slots[i].node != node)
        i = (i + 1) & (s->cap - 1);
    return &s->slots[i];
}

static int node_grow(struct hg_live_memory *m, struct hg_node_set *s)
{
    struct hg_node_set bigger = { .cap = s->cap == 0 ? FIRST : s->cap * 2, .count = s->count };
    void *slots = NULL;
    int rc = more_room(m, bigger.cap, sizeof *s->slots, &slots);

    if (rc < 0)
        return rc;
    bigger.slots = slots;
    for (size_t i = 0; i < s->cap; i++) {
        if (s->slots[i].node != NULL)
            *node_slot(&bigger, s->slots[i].node) = s->slots[i];
    }
    hg_node_set_release(m, s);
    *s = bigger;
    return HOLOG_OK;
}

int hg_node_set_add(struct hg_live_memory *m, struct hg_node_set *s, const void *node,
                    uint64_t number, int *out_new)
{
    struct hg_node_seen *slot;
    int rc = is_full(s->count, s->cap) ? node_grow(m, s) : HOLOG_OK;

    if (rc < 0)
        return rc;
    slot = node_slot(s, node);
    *out_new = slot->node == NULL || slot->number < number;
    s->count += slot->node == NULL;
    slot->node = node;
    slot->number = HG_MAX(slot->number, number);
    return HOLOG_OK;
}

void hg_node_set_release(struct hg_live_memory *m, struct hg_node_set *s)
{
    hg_live_give(m, s->cap * sizeof *s->slots);
    hg_free(s->slots);
    *s = (struct hg_node_set){ 0 };
}
