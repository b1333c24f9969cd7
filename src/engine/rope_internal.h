/*
 * The nodes of a rope: rope.c makes them, rope_diff.c compares them.
 */
#ifndef HG_ENGINE_ROPE_INTERNAL_H
#define HG_ENGINE_ROPE_INTERNAL_H

#include "engine/rope.h"

/* A leaf (height 0) has spans and no children; an inner node has both children and no spans. Only
 * refs ever changes in a node that more than one edit or rope can reach. */
struct hg_rope_node {
    _Atomic uint32_t refs;
    uint8_t height;   /* inner: one more than the higher child's; they differ by at most 1 */
    uint8_t capacity; /* leaf: spans there is room for */
    uint64_t bytes;   /* below it, as the next */
    uint64_t spans;
    struct hg_rope_node *left, *right;
    struct hg_span span[];
};

struct hg_rope {
    _Atomic uint32_t refs;
    struct hg_rope_pool *pool;
    struct hg_rope_node *root; /* NULL: no bytes */
};

#endif
