/*
 * Inside the index: nodes, versions, and who frees what. Only index*.c include this.
 *
 * NODES. A leaf is a header and a page (index_page.h), allocated at about the size it uses. An
 * inner node has children and, between them, separators: the shortest key that is greater than all
 * keys on its left and not greater than any on its right. All leaves are on level 0.
 *
 *   N1  a node knows the generation it was born in; no child is younger than its parent
 *   N2  nodes of the head's own generation are reached from the head alone: edited in place
 *   N3  no node is empty; inner nodes but the root have at least HG_INNER_MIN children, unless
 *       very long separators forced a cut
 *   N4  no number below a node is above its `newest`: whoever looks for what is new passes over the
 *       rest
 *
 * VERSIONS. There is no count in a node: copying one inner node would touch all its children.
 * Instead a version (struct hg_root: a frozen root, or the head, which is being edited) lists its
 * DEAD: the nodes of its parent version that it no longer has. Versions form a tree; without a
 * reset it is a line.
 *
 *   V1  a node is in the versions from the one it was born in, downwards, until one where it is
 *       dead; on any way down that is an unbroken stretch
 *   V2  generations grow from parent to child
 *   V3  the head holds a count on its parent
 *
 * When the last count on version S is put, with parent P:
 *   one child N   whatever is dead in N and younger than P was in S alone: free it. The rest of
 *                 N's dead is in P too: it stays, joined with S's dead, as N's dead against P.
 *   no child      what S has that is younger than P is in S alone: found by a walk from S's root
 *                 that stops at older nodes (N1).
 *   more          (only after a reset) S stays, without counts, until one child is left.
 * So dropping the oldest or the next to newest of many versions costs what it frees.
 *
 * THREADS. The tree of versions is guarded by ix->lock (rank: nothing is locked inside). The head's
 * nodes and its dead belong to the writer. By V3 the head's parent is never dropped, so nobody
 * else touches the head, and freezing takes no lock. Counts and ix->bytes are atomic. Readers read
 * frozen nodes; the only field written in those is `next`, when no reader's root has them.
 */
#ifndef HG_ENGINE_INDEX_NODE_H
#define HG_ENGINE_INDEX_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/epoch.h"
#include "engine/index.h"
#include "engine/index_page.h"

#define HG_INNER_MAX       256 /* children; two levels, two thirds full, reach 30,000 leaves */
#define HG_INNER_MIN       (HG_INNER_MAX / 4)
#define HG_INNER_BYTES     16384 /* of separators: over this a node of 8 children or more is cut */
#define HG_INNER_BYTES_MIN 8     /* children */
#define HG_HEIGHT_MAX      12    /* inner levels; also in struct hg_cursor */

struct hg_node {
    struct hg_node *next; /* list of nodes to free, or of nodes made by an unfinished edit */
    uint64_t born;        /* generation */
    uint64_t newest;      /* N4 */
    uint32_t bytes;       /* charged to ix->bytes */
    uint32_t level;       /* 0: leaf */
};

struct hg_leaf {
    struct hg_node node;
    uint8_t page[];
};

/*
 * words[0 .. count-2]        heads: of each separator the 8 bytes behind the prefix at the places in
 *                            `pick`, zeros where it is shorter, as a big-endian number. The places
 *                            are those where neighbours first differ (the lowest eight), so
 *                            constant text in paths takes no room in a head, and heads are sorted.
 * then count pointers        children
 * then count u32             where separator i's bytes begin; [count-1] = where the last ends
 * then bytes                 the prefix of all separators, then each separator without it, and
 *                            HG_KEY_PAD bytes that searches may read
 */
struct hg_inner {
    struct hg_node node;
    uint32_t count; /* children, >= 1 */
    uint32_t prefix_len;
    uint8_t pick[8]; /* ascending, below HG_PICK_END, counted from the prefix's end */
    uint64_t words[];
};
#define HG_PICK_END 64

/* Dead nodes of a version against its parent. */
#define HG_DEAD_CHUNK 61 /* a chunk is 992 bytes: small enough for malloc's quickest path */
struct hg_dead_chunk {
    struct hg_dead_chunk *next;
    uint64_t count;
    struct {
        struct hg_node *node;
        uint64_t born;
    } dead[HG_DEAD_CHUNK];
};

struct hg_root {
    struct hg_retired retired; /* first: retired as a whole, with its condemned nodes */
    struct hg_index *ix;       /* fixed */
    struct hg_node *top;       /* NULL: no keys. Fixed once frozen */
    uint64_t count;            /* keys. Fixed once frozen */
    uint64_t generation;       /* fixed */
    _Atomic uint64_t refs;

    /* ix->lock; of the head: writer only */
    struct hg_root *parent;
    struct hg_root *child; /* one of the children */
    struct hg_root *sibling_prev;
    struct hg_root *sibling_next;
    struct hg_dead_chunk *dead;
    struct hg_node *condemned; /* to be freed with the version */
    uint64_t condemned_bytes;  /* once retired, its own too */
    struct hg_root *next_done;
    int dropped; /* its last count was put */
};

/* The way from the root to a leaf. */
struct hg_path {
    struct hg_inner *node[HG_HEIGHT_MAX];
    uint32_t child[HG_HEIGHT_MAX];
    uint32_t depth; /* inner levels */
    struct hg_leaf *leaf;
};

struct hg_index {
    struct hg_epoch_domain *domain; /* fixed; may be NULL */
    size_t page_bytes;              /* fixed: a page of two entries or more is not longer */
    _Atomic uint64_t bytes;         /* of what some root has */
    _Atomic uint64_t limbo;         /* of what is retired and not freed yet */
    _Atomic uint64_t limit;         /* 0: none */
    pthread_mutex_t lock;

    /* writer only */
    struct hg_root *head;
    struct hg_root *spare;        /* the next head, so that freezing cannot fail */
    struct hg_dead_chunk *chunks; /* empty ones, so that a finished edit cannot fail */
    uint64_t next_generation;
    int dirty;      /* the head differs from its parent */
    uint64_t stamp; /* N4: of the nodes that the edit at work makes */
    struct hg_page_list list;
    struct hg_buf seps; /* separators of the edit at work */
    struct hg_child *items[2];
    uint32_t items_cap[2];
    uint8_t *scratch;    /* HG_PAGE_SCRATCH_SIZE, twice */
    uint8_t *key;        /* padded copy of the caller's key */
    struct hg_path near; /* to where a directory was just marked: its children are there, and the
                            next one to be marked; leaf NULL: something else was done since */
};

/* A child to be, with the separator on its left (in ix->seps; none for the first). */
struct hg_child {
    struct hg_node *node;
    uint32_t sep;
    uint32_t sep_len;
};

/* ---- nodes (index_node.c) ----------------------------------------------------------------------*/

static inline struct hg_leaf *hg_node_leaf(const struct hg_node *n)
{
    return (struct hg_leaf *)(uintptr_t)n;
}

static inline struct hg_inner *hg_node_inner(const struct hg_node *n)
{
    return (struct hg_inner *)(uintptr_t)n;
}

static inline struct hg_node **hg_inner_children(const struct hg_inner *in)
{
    return (struct hg_node **)(uintptr_t)(in->words + in->count - 1);
}

static inline uint32_t *hg_inner_starts(const struct hg_inner *in)
{
    return (uint32_t *)(uintptr_t)(hg_inner_children(in) + in->count);
}

/* The prefix, then the separators: starts count from here. */
static inline uint8_t *hg_inner_bytes(const struct hg_inner *in)
{
    return (uint8_t *)(hg_inner_starts(in) + in->count);
}

#define HG_MALLOC_OWN 8u /* bytes glibc's malloc keeps in front of each block */

/* Bytes of a page this leaf can hold. */
static inline uint32_t hg_leaf_room(const struct hg_leaf *leaf)
{
    return leaf->node.bytes - (uint32_t)sizeof *leaf - HG_MALLOC_OWN;
}

/* What malloc takes for size bytes, its own included. */
static inline uint32_t hg_charged(size_t size)
{
    return (uint32_t)HG_MAX((size_t)32, HG_ALIGN_UP(size + HG_MALLOC_OWN, (size_t)16));
}

/* A leaf of the head's generation with room for at least room bytes. HOLOG_E_NOMEM, or
 * HOLOG_E_BUDGET when `budget` and the limit forbids it. */
HG_MUST_CHECK int hg_leaf_new(struct hg_index *ix, size_t room, int budget,
                              struct hg_leaf **out_leaf);
HG_MUST_CHECK int hg_inner_copy(struct hg_index *ix, const struct hg_inner *from, int budget,
                                struct hg_inner **out_inner);
/* Zeros behind ix->seps, which building reads: before every run of builds. */
HG_MUST_CHECK int hg_seps_pad(struct hg_index *ix);
/* From items whose separators are in ix->seps. */
HG_MUST_CHECK int hg_inner_build(struct hg_index *ix, const struct hg_child *items, uint32_t count,
                                 uint32_t level, int budget, struct hg_inner **out_inner);
/* Bytes of the separators items[1 .. count-1] of a node, its prefix counted once. */
size_t hg_inner_sep_bytes(const struct hg_index *ix, const struct hg_child *items, uint32_t count);
/* The children [from, to) with their separators appended to ix->seps; items[0] has the separator
 * left of it when from > 0. */
HG_MUST_CHECK int hg_inner_items(struct hg_index *ix, const struct hg_inner *in, uint32_t from,
                                 uint32_t to, struct hg_child *items);
/* Separator left of child i > 0: its part after the prefix. */
const uint8_t *hg_inner_sep(const struct hg_inner *in, uint32_t i, uint32_t *out_len);
/* The head of a separator, or a key, given from the prefix's end on. */
uint64_t hg_inner_head(const struct hg_inner *in, const uint8_t *rest, size_t rest_len);
/* The child that has key (padded), if any has. */
uint32_t hg_inner_find(const struct hg_inner *in, const uint8_t *key, size_t key_len);

/* The leaf that most likely has key (padded): only heads are compared, which spares cache misses
 * in each node. It is the right one if hg_page_within says so; else go down with hg_inner_find.
 * path may be NULL. The first prefetch_bytes of the leaf are asked for at once. */
const struct hg_leaf *hg_find_leaf(const struct hg_node *top, const uint8_t *key, size_t key_len,
                                   struct hg_path *path, uint32_t prefetch_bytes);
void hg_node_free(struct hg_index *ix, struct hg_node *n);
void hg_nodes_free(struct hg_index *ix, struct hg_node *list); /* by next */

/* ---- versions (index_root.c) -------------------------------------------------------------------*/

/* Room for `nodes` dead nodes and one freeze. Must precede any edit. */
HG_MUST_CHECK int hg_head_prepare(struct hg_index *ix, uint32_t nodes);
/* The head lost this node: free it if it is its own, else it is dead. */
void hg_head_drop(struct hg_index *ix, struct hg_node *n);
HG_MUST_CHECK int hg_versions_init(struct hg_index *ix);
void hg_versions_destroy(struct hg_index *ix); /* all roots put */

#endif
