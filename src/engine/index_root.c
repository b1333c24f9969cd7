/*
 * Versions of the index: freezing, counting, dropping. The rules V1-V3 are in index_node.h.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/index_node.h"

/* ---- memory of versions and lists of the dead --------------------------------------------------*/

static void *charged_malloc(struct hg_index *ix, size_t size)
{
    void *p = hg_malloc(size);
    if (p != NULL)
        atomic_fetch_add_explicit(&ix->bytes, hg_charged(size), memory_order_relaxed);
    return p;
}

static void charged_free(struct hg_index *ix, void *p, size_t size)
{
    if (p == NULL)
        return;
    atomic_fetch_sub_explicit(&ix->bytes, hg_charged(size), memory_order_relaxed);
    hg_free(p);
}

static struct hg_root *version_new(struct hg_index *ix)
{
    struct hg_root *v = charged_malloc(ix, sizeof *v);
    if (v != NULL) {
        *v = (struct hg_root){ .ix = ix, .generation = ix->next_generation++ };
        atomic_init(&v->refs, 1);
    }
    return v;
}

static void version_free(struct hg_root *v)
{
    if (v != NULL)
        charged_free(v->ix, v, sizeof *v);
}

static void chunks_free(struct hg_index *ix, struct hg_dead_chunk *c)
{
    while (c != NULL) {
        struct hg_dead_chunk *next = c->next;
        charged_free(ix, c, sizeof *c);
        c = next;
    }
}

int hg_head_prepare(struct hg_index *ix, uint32_t nodes)
{
    if (ix->spare == NULL)
        ix->spare = version_new(ix);
    if (ix->spare == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a version of the index");
    const struct hg_dead_chunk *first = ix->head->dead;
    uint64_t room = first != NULL ? HG_DEAD_CHUNK - first->count : 0;
    for (const struct hg_dead_chunk *c = ix->chunks; c != NULL; c = c->next)
        room += HG_DEAD_CHUNK;
    while (room < nodes) {
        struct hg_dead_chunk *c = charged_malloc(ix, sizeof *c);
        if (c == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for the list of replaced index nodes");
        c->count = 0;
        c->next = ix->chunks;
        ix->chunks = c;
        room += HG_DEAD_CHUNK;
    }
    return HOLOG_OK;
}

void hg_head_drop(struct hg_index *ix, struct hg_node *n)
{
    struct hg_root *head = ix->head;
    if (n->born == head->generation) { /* N2 */
        hg_node_free(ix, n);
        return;
    }
    struct hg_dead_chunk *c = head->dead;
    if (c == NULL || c->count == HG_DEAD_CHUNK) {
        c = ix->chunks;
        HG_ASSERT(c != NULL); /* hg_head_prepare came first */
        ix->chunks = c->next;
        c->next = head->dead;
        head->dead = c;
    }
    c->dead[c->count].node = n;
    c->dead[c->count].born = n->born;
    c->count++;
}

/* ---- the tree of versions: under ix->lock ------------------------------------------------------*/

static void version_link(struct hg_root *parent, struct hg_root *child)
{
    child->parent = parent;
    child->sibling_prev = NULL;
    child->sibling_next = parent != NULL ? parent->child : NULL;
    if (child->sibling_next != NULL)
        child->sibling_next->sibling_prev = child;
    if (parent != NULL)
        parent->child = child;
}

static void version_unlink(struct hg_root *v)
{
    if (v->sibling_next != NULL)
        v->sibling_next->sibling_prev = v->sibling_prev;
    if (v->sibling_prev != NULL)
        v->sibling_prev->sibling_next = v->sibling_next;
    else if (v->parent != NULL)
        v->parent->child = v->sibling_next;
    v->parent = NULL;
}

static void condemn(struct hg_root *v, struct hg_node *n)
{
    n->next = v->condemned;
    v->condemned = n;
    v->condemned_bytes += n->bytes;
}

/* Condemn the nodes below n that are younger than `generation`. */
static void condemn_younger(struct hg_root *v, struct hg_node *n, uint64_t generation)
{
    if (n == NULL || n->born <= generation) /* N1: nothing younger below */
        return;
    if (n->level > 0) {
        const struct hg_inner *in = hg_node_inner(n);
        for (uint32_t i = 0; i < in->count; i++)
            condemn_younger(v, hg_inner_children(in)[i], generation);
    }
    condemn(v, n);
}

/* Of the dead of `from`, condemn with v what is younger than `generation`. Empty chunks go. */
static void condemn_dead(struct hg_root *v, struct hg_root *from, uint64_t generation)
{
    struct hg_dead_chunk **link = &from->dead;
    while (*link != NULL) {
        struct hg_dead_chunk *c = *link;
        uint64_t kept = 0;
        for (uint64_t i = 0; i < c->count; i++) {
            if (c->dead[i].born > generation) {
                condemn(v, c->dead[i].node);
            } else {
                c->dead[kept++] = c->dead[i];
            }
        }
        c->count = kept;
        if (kept == 0) {
            *link = c->next;
            charged_free(v->ix, c, sizeof *c);
        } else {
            link = &c->next;
        }
    }
}

/* Join the dead of `from` to those of `to`. Chunks that fit into one become one, so many versions
 * that each left little behind do not hold a chunk each. */
static void join_dead(struct hg_root *to, struct hg_root *from)
{
    struct hg_dead_chunk *a = from->dead;
    struct hg_dead_chunk **end = &to->dead;
    from->dead = NULL;
    while (*end != NULL && (*end)->next != NULL)
        end = &(*end)->next;
    struct hg_dead_chunk *b = *end;
    if (a != NULL && b != NULL && a->count + b->count <= HG_DEAD_CHUNK) {
        memcpy(&b->dead[b->count], a->dead, a->count * sizeof a->dead[0]);
        b->count += a->count;
        struct hg_dead_chunk *rest = a->next;
        charged_free(to->ix, a, sizeof *a);
        a = rest;
    }
    if (b != NULL)
        b->next = a;
    else
        to->dead = a;
}

/* v was dropped and has at most one child: condemn what it alone has, and take it out. */
static void version_take_out(struct hg_root *v)
{
    struct hg_root *parent = v->parent;
    struct hg_root *child = v->child;
    uint64_t generation = parent != NULL ? parent->generation : 0;

    if (child == NULL) {
        condemn_younger(v, v->top, generation);
        chunks_free(v->ix, v->dead); /* the nodes are the parent's */
        v->dead = NULL;
        version_unlink(v);
        return;
    }
    condemn_dead(v, child, generation);
    join_dead(child, v);
    version_unlink(v);
    v->child = NULL;
    version_link(parent, child);
}

/* Take out v and those above it that had to wait for it. Returns a list of what was taken out. */
static struct hg_root *version_drop(struct hg_root *v)
{
    struct hg_root *done = NULL;
    v->dropped = 1;
    while (v != NULL && v->dropped && (v->child == NULL || v->child->sibling_next == NULL)) {
        struct hg_root *parent = v->parent;
        version_take_out(v);
        v->next_done = done;
        done = v;
        v = parent;
    }
    return done;
}

static void version_destroy(struct hg_retired *retired)
{
    struct hg_root *v = (struct hg_root *)(void *)retired;
    while (v->condemned != NULL) {
        struct hg_node *next = v->condemned->next;
        hg_free(v->condemned);
        v->condemned = next;
    }
    atomic_fetch_sub_explicit(&v->ix->limbo, v->condemned_bytes, memory_order_relaxed);
    hg_free(v);
}

/* It and what it condemned, which no root has any more, count no longer, though readers may still be
 * inside. */
static void version_retire(struct hg_root *v)
{
    struct hg_index *ix = v->ix;
    v->condemned_bytes += hg_charged(sizeof *v);
    atomic_fetch_add_explicit(&ix->limbo, v->condemned_bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&ix->bytes, v->condemned_bytes, memory_order_relaxed);
    if (ix->domain != NULL)
        hg_epoch_retire(ix->domain, &v->retired, version_destroy);
    else
        version_destroy(&v->retired);
}

/* ---- counts ------------------------------------------------------------------------------------*/

void hg_root_get(struct hg_root *root)
{
    uint64_t before = atomic_fetch_add_explicit(&root->refs, 1, memory_order_relaxed);
    HG_ASSERT(before > 0);
}

int hg_root_try_get(struct hg_root *root)
{
    uint64_t refs = atomic_load_explicit(&root->refs, memory_order_relaxed);
    while (refs > 0) {
        if (atomic_compare_exchange_weak_explicit(&root->refs, &refs, refs + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return 1;
    }
    return 0;
}

void hg_root_put(struct hg_root *root)
{
    struct hg_index *ix = root->ix;
    uint64_t before = atomic_fetch_sub_explicit(&root->refs, 1, memory_order_acq_rel);
    HG_ASSERT(before > 0);
    if (before > 1)
        return;
    (void)pthread_mutex_lock(&ix->lock); /* a plain mutex that is never destroyed while held */
    struct hg_root *done = version_drop(root);
    (void)pthread_mutex_unlock(&ix->lock);
    while (done != NULL) {
        struct hg_root *next = done->next_done;
        version_retire(done);
        done = next;
    }
}

uint64_t hg_root_count(const struct hg_root *root)
{
    return root->count;
}

/* ---- the head ----------------------------------------------------------------------------------*/

struct hg_root *hg_index_freeze(struct hg_index *ix)
{
    struct hg_root *frozen = ix->head;
    if (!ix->dirty) { /* the same state as its parent, which the head keeps alive (V3) */
        hg_root_get(frozen->parent);
        return frozen->parent;
    }
    struct hg_root *head = ix->spare;
    HG_ASSERT(head != NULL); /* the edit that made it dirty saw to it */
    ix->spare = NULL;
    head->generation = ix->next_generation++;
    head->top = frozen->top;
    head->count = frozen->count;
    /* No lock: nobody but the writer reaches the frozen one before this returns. */
    version_link(frozen, head);
    hg_root_get(frozen); /* V3: for the head; the count it had as head is the caller's */
    ix->head = head;
    ix->dirty = 0;
    hg_root_put(frozen->parent);
    return frozen;
}

/* Free what was made since the last freeze. */
static void head_discard(struct hg_index *ix)
{
    struct hg_root *head = ix->head;
    condemn_younger(head, head->top, head->generation - 1);
    hg_nodes_free(ix, head->condemned);
    head->condemned = NULL;
    head->condemned_bytes = 0;
    chunks_free(ix, head->dead);
    head->dead = NULL;
    ix->dirty = 0;
}

void hg_index_reset(struct hg_index *ix, struct hg_root *root)
{
    struct hg_root *head = ix->head;
    struct hg_root *before = head->parent;

    HG_ASSERT(root->ix == ix && root != head);
    head_discard(ix);
    ix->near.leaf = NULL;
    head->top = root->top;
    head->count = root->count;
    if (root == before)
        return;
    hg_root_get(root); /* V3 */
    (void)pthread_mutex_lock(&ix->lock);
    version_unlink(head);
    version_link(root, head);
    (void)pthread_mutex_unlock(&ix->lock);
    hg_root_put(before);
}

int hg_versions_init(struct hg_index *ix)
{
    ix->next_generation = 1;
    struct hg_root *empty = version_new(ix);
    struct hg_root *head = empty != NULL ? version_new(ix) : NULL;
    if (head == NULL) {
        version_free(empty);
        return hg_error(HOLOG_E_NOMEM, "no memory for a version of the index");
    }
    version_link(empty, head); /* empty's only count is the head's (V3) */
    ix->head = head;
    return HOLOG_OK;
}

void hg_versions_destroy(struct hg_index *ix)
{
    struct hg_root *head = ix->head;
    struct hg_root *last = head->parent;
    head_discard(ix);
    version_unlink(head);
    version_free(head);
    version_free(ix->spare);
    HG_ASSERT(atomic_load(&last->refs) == 1 && last->parent == NULL && last->child == NULL);
    hg_root_put(last);
    chunks_free(ix, ix->chunks);
    if (ix->domain != NULL)
        hg_epoch_synchronize(ix->domain); /* retired versions still count bytes in ix */
}
