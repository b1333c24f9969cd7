/*
 * Nodes of the index: making, copying, searching. See index_node.h for their layout.
 */
#include "engine/index_node.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"

/* ---- memory ------------------------------------------------------------------------------------*/

static int node_new(struct hg_index *ix, size_t size, uint32_t level, int budget,
                    struct hg_node **out_node)
{
    uint32_t charge = hg_charged(size);
    uint64_t limit = atomic_load_explicit(&ix->limit, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&ix->bytes, memory_order_relaxed);
    if (budget && limit != 0 && (bytes >= limit || charge > limit - bytes))
        return hg_error(HOLOG_E_BUDGET, "the index would need more than its %llu bytes of memory",
                        (unsigned long long)limit);
    struct hg_node *n = hg_malloc(charge - HG_MALLOC_OWN);
    if (n == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for an index node of %zu bytes", size);
    atomic_fetch_add_explicit(&ix->bytes, charge, memory_order_relaxed);
    *n = (struct hg_node){
        .born = ix->head->generation, .newest = ix->stamp, .bytes = charge, .level = level
    };
    *out_node = n;
    return HOLOG_OK;
}

void hg_node_free(struct hg_index *ix, struct hg_node *n)
{
    atomic_fetch_sub_explicit(&ix->bytes, n->bytes, memory_order_relaxed);
    hg_free(n);
}

void hg_nodes_free(struct hg_index *ix, struct hg_node *list)
{
    while (list != NULL) {
        struct hg_node *next = list->next;
        hg_node_free(ix, list);
        list = next;
    }
}

int hg_leaf_new(struct hg_index *ix, size_t room, int budget, struct hg_leaf **out_leaf)
{
    struct hg_node *n = NULL;
    int rc = node_new(ix, sizeof(struct hg_leaf) + room, 0, budget, &n);
    if (rc == HOLOG_OK)
        *out_leaf = hg_node_leaf(n);
    return rc;
}

static size_t inner_size(uint32_t count, size_t bytes)
{
    return sizeof(struct hg_inner) + (count - 1) * sizeof(uint64_t) +
           count * (sizeof(struct hg_node *) + sizeof(uint32_t)) + bytes + HG_KEY_PAD;
}

int hg_inner_copy(struct hg_index *ix, const struct hg_inner *from, int budget,
                  struct hg_inner **out_inner)
{
    size_t size = inner_size(from->count, hg_inner_starts(from)[from->count - 1]);
    struct hg_node *n = NULL;
    int rc = node_new(ix, size, from->node.level, budget, &n);
    if (rc < 0)
        return rc;
    HG_ASSERT(n != NULL);
    n->newest = HG_MAX(n->newest, from->node.newest);
    memcpy(n + 1, &from->node + 1, size - sizeof *n);
    *out_inner = hg_node_inner(n);
    return HOLOG_OK;
}

/* ---- separators --------------------------------------------------------------------------------*/

const uint8_t *hg_inner_sep(const struct hg_inner *in, uint32_t i, uint32_t *out_len)
{
    const uint32_t *starts = hg_inner_starts(in);
    *out_len = starts[i] - starts[i - 1];
    return hg_inner_bytes(in) + starts[i - 1];
}

/* How many bytes two separators share, from the first `from` on, which they are known to. By
 * words: ix->seps is padded while nodes are built. */
static uint32_t seps_agree(const struct hg_index *ix, const struct hg_child *a,
                           const struct hg_child *b, uint32_t from)
{
    const uint8_t *s = ix->seps.data + a->sep;
    const uint8_t *t = ix->seps.data + b->sep;
    uint32_t n = HG_MIN(a->sep_len, b->sep_len);
    for (uint32_t i = from; i < n; i += 8) {
        uint64_t x = hg_get_le64(s + i) ^ hg_get_le64(t + i);
        if (x != 0)
            return HG_MIN(n, i + (uint32_t)__builtin_ctzll(x) / 8);
    }
    return n;
}

int hg_seps_pad(struct hg_index *ix)
{
    int rc = hg_buf_reserve(&ix->seps, HG_KEY_PAD);
    if (rc == HOLOG_OK)
        memset(ix->seps.data + ix->seps.len, 0, HG_KEY_PAD);
    return rc;
}

/* What the separators have in common: that of the first and the last, as they are sorted. */
static uint32_t items_prefix(const struct hg_index *ix, const struct hg_child *items,
                             uint32_t count)
{
    return count < 2 ? 0 : seps_agree(ix, &items[1], &items[count - 1], 0);
}

size_t hg_inner_sep_bytes(const struct hg_index *ix, const struct hg_child *items, uint32_t count)
{
    uint32_t prefix_len = items_prefix(ix, items, count);
    size_t bytes = prefix_len;
    for (uint32_t i = 1; i < count; i++)
        bytes += items[i].sep_len - prefix_len;
    return bytes;
}

/* A bit for each place where two neighbours among the separators first differ. */
static uint64_t differing_places(const struct hg_index *ix, const struct hg_child *items,
                                 uint32_t count, uint32_t prefix_len)
{
    uint64_t places = 0;
    for (uint32_t i = 2; i < count; i++) {
        uint32_t at = seps_agree(ix, &items[i - 1], &items[i], prefix_len) - prefix_len;
        if (at < HG_PICK_END)
            places |= (uint64_t)1 << at;
    }
    return places;
}

/* The lowest eight of the places, filled up with the lowest others: more places keep the order. */
static void choose_places(struct hg_inner *in, uint64_t places)
{
    while (__builtin_popcountll(places) < 8)
        places |= places + 1; /* the lowest bit that is not set */
    for (uint32_t i = 0; i < 8; i++) {
        in->pick[i] = (uint8_t)__builtin_ctzll(places);
        places &= places - 1;
    }
}

int hg_inner_build(struct hg_index *ix, const struct hg_child *items, uint32_t count,
                   uint32_t level, int budget, struct hg_inner **out_inner)
{
    uint32_t prefix_len = items_prefix(ix, items, count);
    struct hg_node *n = NULL;
    int rc =
        node_new(ix, inner_size(count, hg_inner_sep_bytes(ix, items, count)), level, budget, &n);
    if (rc < 0)
        return rc;
    HG_ASSERT(n != NULL);
    struct hg_inner *in = hg_node_inner(n);
    in->count = count;
    in->prefix_len = prefix_len;
    struct hg_node **children = hg_inner_children(in);
    uint32_t *starts = hg_inner_starts(in);
    uint8_t *bytes = hg_inner_bytes(in);
    uint32_t at = prefix_len;
    if (prefix_len > 0)
        memcpy(bytes, ix->seps.data + items[1].sep, prefix_len);
    children[0] = items[0].node;
    n->newest = items[0].node->newest;
    choose_places(in, differing_places(ix, items, count, prefix_len));
    for (uint32_t i = 1; i < count; i++) {
        uint32_t len = items[i].sep_len - prefix_len;
        const uint8_t *sep = ix->seps.data + items[i].sep + prefix_len;
        children[i] = items[i].node;
        n->newest = HG_MAX(n->newest, items[i].node->newest);
        in->words[i - 1] = hg_inner_head(in, sep, len);
        starts[i - 1] = at;
        memcpy(bytes + at, sep, len);
        at += len;
    }
    starts[count - 1] = at;
    memset(bytes + at, 0, HG_KEY_PAD);
    *out_inner = in;
    return HOLOG_OK;
}

int hg_inner_items(struct hg_index *ix, const struct hg_inner *in, uint32_t from, uint32_t to,
                   struct hg_child *items)
{
    const uint32_t *starts = hg_inner_starts(in);
    struct hg_node **children = hg_inner_children(in);
    size_t total = starts[in->count - 1] + (size_t)(to - from) * in->prefix_len;
    int rc = hg_buf_reserve(&ix->seps, total);
    if (rc < 0)
        return rc;
    for (uint32_t i = from; i < to; i++) {
        struct hg_child *it = &items[i - from];
        *it = (struct hg_child){ .node = children[i] };
        if (i == 0)
            continue;
        uint32_t len;
        const uint8_t *sep = hg_inner_sep(in, i, &len);
        uint8_t *out = ix->seps.data + ix->seps.len;
        it->sep = (uint32_t)ix->seps.len;
        it->sep_len = in->prefix_len + len;
        memcpy(out, hg_inner_bytes(in), in->prefix_len);
        memcpy(out + in->prefix_len, sep, len);
        ix->seps.len += it->sep_len;
    }
    return HOLOG_OK;
}

/* ---- search ------------------------------------------------------------------------------------*/

uint64_t hg_inner_head(const struct hg_inner *in, const uint8_t *rest, size_t rest_len)
{
    uint64_t head = 0;
    for (uint32_t i = 0; i < 8; i++)
        head = head << 8 | (in->pick[i] < rest_len ? rest[in->pick[i]] : 0);
    return head;
}

/* The same of a padded key, quickly. */
static inline uint64_t head_of_key(const struct hg_inner *in, const uint8_t *rest, size_t rest_len)
{
    const uint8_t *pick = in->pick;
    if (pick[7] == 7)
        return __builtin_bswap64(hg_get_le64(rest));
    if (pick[7] >= rest_len)
        return hg_inner_head(in, rest, rest_len);
    return (uint64_t)rest[pick[0]] << 56 | (uint64_t)rest[pick[1]] << 48 |
           (uint64_t)rest[pick[2]] << 40 | (uint64_t)rest[pick[3]] << 32 |
           (uint64_t)rest[pick[4]] << 24 | (uint64_t)rest[pick[5]] << 16 |
           (uint64_t)rest[pick[6]] << 8 | rest[pick[7]];
}

/* 1 when separator i (0-based: right of child i) is <= rest (padded). By words: what is read behind
 * the end of either is cut off again. */
static inline int sep_not_after(const struct hg_inner *in, uint32_t i, const uint8_t *rest,
                                size_t rest_len)
{
    uint32_t len;
    const uint8_t *sep = hg_inner_sep(in, i + 1, &len);
    size_t n = HG_MIN(len, rest_len);
    for (size_t at = 0; at < n; at += 8) {
        uint64_t a = hg_get_le64(sep + at);
        uint64_t b = hg_get_le64(rest + at);
        if (a == b)
            continue;
        size_t same = at + (size_t)__builtin_ctzll(a ^ b) / 8;
        if (same < n)
            return sep[same] < rest[same];
        break;
    }
    return len <= rest_len;
}

/* Of separators [lo, hi), sorted, behind those that are not after rest: where the others begin. */
static uint32_t seps_not_after(const struct hg_inner *in, uint32_t lo, uint32_t hi,
                               const uint8_t *rest, size_t rest_len)
{
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (sep_not_after(in, mid, rest, rest_len))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

uint32_t hg_inner_find(const struct hg_inner *in, const uint8_t *key, size_t key_len)
{
    uint32_t n = in->count - 1;
    uint32_t prefix_len = in->prefix_len;
    if (prefix_len > 0) {
        int c = memcmp(key, hg_inner_bytes(in), HG_MIN(prefix_len, key_len));
        if (c != 0)
            return c < 0 ? 0 : n;
        if (key_len < prefix_len)
            return 0;
    }
    return seps_not_after(in, 0, n, key + prefix_len, key_len - prefix_len);
}

/* How many of n sorted heads are below head. The mask keeps compilers from making it a branch,
 * which would be mispredicted every other time. */
static inline uint32_t heads_below(const uint64_t *heads, uint32_t n, uint64_t head)
{
    uint32_t below = 0;
    while (n > 0) {
        uint32_t half = (n + 1) / 2;
        below += half & (0u - (uint32_t)(heads[below + half - 1] < head));
        n -= half;
    }
    return below;
}

/* The child of key (padded), if all prefixes and the places not picked are what they seem. */
static inline uint32_t find_by_head(const struct hg_inner *in, const uint8_t *key, size_t key_len)
{
    uint32_t n = in->count - 1;
    if (key_len < in->prefix_len)
        return 0;
    const uint8_t *rest = key + in->prefix_len;
    size_t rest_len = key_len - in->prefix_len;
    uint64_t head = head_of_key(in, rest, rest_len);
    uint32_t below = heads_below(in->words, n, head);
    if (below == n || in->words[below] != head)
        return below;
    uint32_t end = n;
    if (head != UINT64_MAX)
        end = below + heads_below(in->words + below, n - below, head + 1);
    return seps_not_after(in, below, end, rest, rest_len);
}

#define CACHE_LINE 64

const struct hg_leaf *hg_find_leaf(const struct hg_node *top, const uint8_t *key, size_t key_len,
                                   struct hg_path *path, uint32_t prefetch_bytes)
{
    const struct hg_node *n = top;
    uint32_t height = top->level; /* the leaf itself is not read, nor waited for */
    for (uint32_t depth = 0; depth < height; depth++) {
        struct hg_inner *in = hg_node_inner(n);
        uint32_t i = find_by_head(in, key, key_len);
        if (path != NULL) {
            path->node[depth] = in;
            path->child[depth] = i;
        }
        n = hg_inner_children(in)[i];
    }
    for (uint32_t at = 0; at < prefetch_bytes; at += CACHE_LINE)
        __builtin_prefetch((const uint8_t *)n + at);
    if (path != NULL) {
        path->depth = height;
        path->leaf = hg_node_leaf(n);
    }
    return hg_node_leaf(n);
}
