/*
 * Sets for the mark: of numbers above 0, each with a small value. Open addressing, at most three quarters
 * full. One thread's.
 */
#ifndef HG_ENGINE_LIVE_SETS_H
#define HG_ENGINE_LIVE_SETS_H

#include <stdint.h>

#include "base/assert.h"
#include "engine/cache.h"

/* Memory of a mark, taken from the budget in steps. */
struct hg_live_memory {
    struct hg_cache *cache;
    uint64_t used, taken;
};
HG_MUST_CHECK int hg_live_take(struct hg_live_memory *m, uint64_t bytes);
void hg_live_give(struct hg_live_memory *m, uint64_t bytes); /* the budget gets it at the end */
void hg_live_give_all(struct hg_live_memory *m);
/* hg_buf_append, with what the buffer grows by taken. */
struct hg_buf;
HG_MUST_CHECK int hg_live_append(struct hg_live_memory *m, struct hg_buf *b, const void *data,
                                 size_t len);

/* Offsets in a segment, below 2^31, each with a bit. */
struct hg_offset_set {
    uint32_t *slots; /* offset << 1 | bit; 0: free */
    uint32_t cap;    /* a power of two, or 0 */
    uint32_t count;
};
/* Puts it in, or sets its bit too. *out_was: 0 it was not there, 1 it was, 3 with the bit. */
HG_MUST_CHECK int hg_offset_set_add(struct hg_live_memory *m, struct hg_offset_set *s,
                                    uint32_t offset, int bit, int *out_was);
/* As out_was. */
int hg_offset_set_has(const struct hg_offset_set *s, uint32_t offset);
void hg_offset_set_release(struct hg_live_memory *m, struct hg_offset_set *s);

/* Nodes of the index, each with the highest number that it was walked for. */
struct hg_node_set {
    struct hg_node_seen {
        const void *node; /* NULL: free */
        uint64_t number;
    } * slots;
    size_t cap;
    size_t count;
};
/* *out_new 1: it was not there with this number or a higher one, and is now. */
HG_MUST_CHECK int hg_node_set_add(struct hg_live_memory *m, struct hg_node_set *s, const void *node,
                                  uint64_t number, int *out_new);
void hg_node_set_release(struct hg_live_memory *m, struct hg_node_set *s);

#endif
