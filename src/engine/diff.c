/*
 * holog_diff: what differs between two states. Paths come from what has changed since the older one, or
 * from the commits between the two; values are compared in diff_value.c.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/node.h"
#include "engine/diff_value.h"
#include "holog/versions.h"

/* States so near each other, with so much behind them, are compared by the commits between them. */
#define NEAR_COMMITS 1024u
#define NEAR_BYTES   (16u << 20)

struct side {
    struct hg_version *v;
    struct hg_locator loc; /* type 0: nothing is there */
};

struct diff {
    holog_store *s;
    struct side a;
    struct side b;
    unsigned flags;
    struct hg_buf ranges; /* holog_range */
    struct hg_run named;  /* paths that commits between the two name */
    struct hg_key key;
    char path[HG_PATH_MAX + HG_NODE_TEXT_MAX];
    int (*each)(void *ctx, const holog_difference *d);
    void *ctx;
};

/* ---- entries -------------------------------------------------------------------------------------*/

static int get(const struct side *x, const uint8_t *key, size_t len, struct hg_locator *out)
{
    int rc = hg_past_get(x->v->root, x->v->past, key, len, x->v->number, out);

    if (rc == HOLOG_E_NOENT)
        *out = (struct hg_locator){ 0 };
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int same_version(const struct hg_locator *a, const struct hg_locator *b)
{
    return a->type == b->type && (a->type == 0 || a->type == HG_ENTRY_DIR ||
                                  (a->segment == b->segment && a->offset == b->offset));
}

static int tell(struct diff *d)
{
    int blobs = d->a.loc.type == HG_ENTRY_BLOB && d->b.loc.type == HG_ENTRY_BLOB;
    holog_difference out = { .struct_size = sizeof out,
                             .a_type = d->a.loc.type,
                             .b_type = d->b.loc.type,
                             .a_number = d->a.loc.number,
                             .b_number = d->b.loc.number,
                             .a_size = d->a.loc.type == HG_ENTRY_DIR ? 0 : d->a.loc.size,
                             .b_size = d->b.loc.type == HG_ENTRY_DIR ? 0 : d->b.loc.size,
                             .path = d->path };

    hg_node_show(d->path, sizeof d->path);
    if (blobs && (d->flags & HOLOG_DIFF_RANGES) != 0) {
        out.n_ranges = (uint32_t)(d->ranges.len / sizeof(holog_range));
        out.ranges = (const holog_range *)(const void *)d->ranges.data;
    }
    return d->each(d->ctx, &out) != 0;
}

/* Two versions that are not one. 1: `each` has had enough. */
static int compare_versions(struct diff *d)
{
    int values = d->a.loc.type == d->b.loc.type && d->a.loc.type != HG_ENTRY_DIR;
    int rc;

    d->ranges.len = 0;
    if (!values)
        return tell(d);
    rc = hg_value_diff(d->s, &d->a.loc, &d->b.loc, d->path,
                       (d->flags & HOLOG_DIFF_RANGES) != 0 ? &d->ranges : NULL);
    return rc <= 0 ? rc : tell(d);
}

static int one_key(struct diff *d, const uint8_t *key, size_t len)
{
    size_t path_len = 0;
    int rc = get(&d->a, key, len, &d->a.loc);

    if (rc == HOLOG_OK)
        rc = get(&d->b, key, len, &d->b.loc);
    if (rc < 0 || same_version(&d->a.loc, &d->b.loc))
        return rc;
    rc = hg_key_to_path(key, len, d->path, &path_len);
    d->path[path_len] = 0;
    return rc < 0 ? rc : compare_versions(d);
}

static int walk_changes(struct diff *d, const struct hg_key *subtree)
{
    const struct side *older = d->a.v->number < d->b.v->number ? &d->a : &d->b;
    struct hg_changes *c = hg_malloc(sizeof *c);
    int rc;

    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to compare states");
    rc = hg_changes_open(c, older->v->root, older->v->past, subtree, older->v->number);
    while (rc == HOLOG_OK) {
        rc = hg_changes_next(c);
        if (rc == HOLOG_OK)
            rc = one_key(d, c->key, c->key_len);
    }
    hg_changes_close(c);
    hg_free(c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : HG_MIN(rc, 0); /* 1: it was asked to stop */
}

/* ---- by the commits between ----------------------------------------------------------------------*/

/* The paths that records name, as puts of a run, which sorts them; directories stand for all that is
 * below them. */
static int note_path(struct diff *d, const char *path, size_t len, int tree)
{
    struct hg_locator loc = { .type = tree ? HG_ENTRY_DIR : HG_ENTRY_BLOB };

    hg_key_make(path, len, &d->key);
    return hg_run_add(&d->named, &d->key, &loc);
}

static int note_record(void *ctx, const struct hg_record *r)
{
    struct diff *d = ctx;
    int tree = r->type == HG_REC_DELETE_TREE || r->type == HG_REC_MOVE || r->type == HG_REC_COPY ||
               r->type == HG_REC_ROLLBACK;
    int rc = HOLOG_OK;

    if (r->type == HG_REC_BODY || r->type == HG_REC_CONFIG || r->ignorable)
        return HOLOG_OK;
    if (r->type != HG_REC_COPY)
        rc = note_path(d, r->path, r->path_len, tree);
    if (rc == HOLOG_OK && (r->type == HG_REC_MOVE || r->type == HG_REC_COPY))
        rc = note_path(d, r->to, r->to_len, 1);
    return rc;
}

static int is_at_or_below(const uint8_t *key, size_t len, const uint8_t *dir, size_t dir_len)
{
    return dir_len == 0 || (len >= dir_len && memcmp(key, dir, dir_len) == 0 &&
                            (len == dir_len || key[dir_len] == 0));
}

static int same_path(const struct hg_run_put *a, const struct hg_run_put *b)
{
    return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

/* All that has changed at or below a path, as far as it is of the subtree. */
static int walk_tree(struct diff *d, const struct hg_run_put *p, const struct hg_key *subtree)
{
    if (!is_at_or_below(p->key, p->key_len, subtree->bytes, subtree->len))
        return is_at_or_below(subtree->bytes, subtree->len, p->key, p->key_len)
                   ? walk_changes(d, subtree)
                   : HOLOG_OK;
    d->key.len = p->key_len;
    memcpy(d->key.bytes, p->key, p->key_len);
    return walk_changes(d, &d->key);
}

/* In the order of keys, each once. What lies below a tree that was told comes right behind it. */
static int walk_named(struct diff *d, const struct hg_key *subtree)
{
    size_t n = hg_run_count(&d->named);
    struct hg_run_put tree = { .key = NULL };
    int rc = HOLOG_OK;

    hg_run_sort(&d->named);
    for (size_t i = 0, next; i < n && rc == HOLOG_OK; i = next) {
        struct hg_run_put p = hg_run_at(&d->named, i);
        int is_tree = 0;
        for (next = i; next < n; next++) { /* the same path once more */
            struct hg_run_put q = hg_run_at(&d->named, next);
            if (!same_path(&p, &q))
                break;
            is_tree |= q.loc->type == HG_ENTRY_DIR;
        }
        if (tree.key != NULL && is_at_or_below(p.key, p.key_len, tree.key, tree.key_len))
            continue;
        if (is_tree) {
            tree = p;
            rc = walk_tree(d, &p, subtree);
        } else if (is_at_or_below(p.key, p.key_len, subtree->bytes, subtree->len)) {
            rc = one_key(d, p.key, p.key_len);
        }
    }
    return HG_MIN(rc, 0);
}

/* The commits between, if that is the shorter way. */
static int take_moments(struct diff *d, uint64_t older, uint64_t newer, struct hg_buf *out)
{
    const struct hg_timeline *t = &d->s->timeline;
    uint64_t bytes = 0;
    size_t from;
    size_t to;
    int rc = HOLOG_OK;

    hg_timeline_lock(d->s);
    from = hg_timeline_find(t, older);
    to = hg_timeline_find(t, newer);
    if (from != SIZE_MAX && to > from && to - from <= NEAR_COMMITS &&
        hg_timeline_count(t) - to > NEAR_COMMITS) {
        for (size_t i = from + 1; i <= to; i++)
            bytes += hg_timeline_at(t, i)->len;
        if (bytes <= NEAR_BYTES)
            rc = hg_buf_append(out, hg_timeline_at(t, from + 1),
                               (to - from) * sizeof(struct hg_moment));
    }
    hg_timeline_unlock(d->s);
    return rc;
}

static int walk(struct diff *d, const struct hg_key *subtree)
{
    uint64_t older = HG_MIN(d->a.v->number, d->b.v->number);
    uint64_t newer = HG_MAX(d->a.v->number, d->b.v->number);
    struct hg_buf moments = { 0 };
    struct hg_buf scratch = { 0 };
    int rc = take_moments(d, older, newer, &moments);
    size_t n = moments.len / sizeof(struct hg_moment);

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++)
        rc = hg_moment_records(d->s, (const struct hg_moment *)(const void *)moments.data + i,
                               &scratch, note_record, d);
    if (rc == HOLOG_OK)
        rc = n > 0 ? walk_named(d, subtree) : walk_changes(d, subtree);
    hg_buf_release(&moments);
    hg_buf_release(&scratch);
    hg_run_release(&d->named);
    return rc;
}

/* Both from the same roots, those of the later state; the earlier one is in them if it is kept even
 * after they were taken. */
static int take_states(struct diff *d, uint64_t a, uint64_t b)
{
    struct hg_version *v = NULL;
    struct hg_version *earlier = NULL;
    int rc = hg_version_at(d->s, HG_MAX(a, b), &v);

    if (rc == HOLOG_OK)
        rc = hg_version_at(d->s, HG_MIN(a, b), &earlier);
    if (rc < 0) {
        hg_version_put(d->s, earlier);
        hg_version_put(d->s, v);
        return rc;
    }
    d->a.v = hg_version_as_of(d->s, v, a);
    d->b.v = hg_version_as_of(d->s, v, b);
    hg_version_put(d->s, earlier); /* counted until another version has what it has */
    hg_version_put(d->s, v);
    return d->a.v == NULL || d->b.v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to compare states")
                                            : HOLOG_OK;
}

int holog_diff(holog_store *store, uint64_t a, uint64_t b, const char *path, unsigned flags,
               int (*each)(void *ctx, const holog_difference *d), void *ctx)
{
    struct diff d = { .s = store, .flags = flags, .each = each, .ctx = ctx };
    struct hg_version *now = NULL;
    struct hg_resolved at;
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && (each == NULL || (flags & ~(unsigned)HOLOG_DIFF_RANGES) != 0))
        rc = hg_error(HOLOG_E_INVAL, "each is NULL or flags are unknown");
    if (rc < 0)
        return rc;
    now = hg_version_get_published(store);
    rc = now == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to compare states")
                     : hg_resolve_gone(store, now, path, &at);
    hg_version_put(store, now);
    if (rc == HOLOG_OK)
        rc = take_states(&d, a, b);
    if (rc == HOLOG_OK && a != b)
        rc = walk(&d, &at.key);
    hg_version_put(store, d.a.v);
    hg_version_put(store, d.b.v);
    hg_buf_release(&d.ranges);
    return rc;
}
