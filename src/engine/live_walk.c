/*
 * The roots in use, walked: each holder's entries. Nodes that roots share are walked once.
 *
 * The newest state has what its index has. History and tags have what its past has, as far as that is
 * kept. A version that somebody counts has, when it is not of the past, what its index has; as of number n
 * the entries of its index up to n, and of its past those that were there as of n. When n is kept, those
 * of any past are among what is kept.
 */
#include "engine/live_internal.h"

/* ---- one root ------------------------------------------------------------------------------------- */

static int enter_now(void *ctx, const void *node)
{
    struct hg_mark *m = ctx;
    int is_new = 0;
    int rc = hg_node_set_add(&m->memory, &m->walk.now, node, m->walk.at, &is_new);

    return rc < 0 ? rc : is_new;
}

static int each_now(void *ctx, const uint8_t *key, size_t len, const struct hg_locator *loc)
{
    struct hg_mark *m = ctx;

    return loc->number <= m->walk.at ? m->each(m, key, len, loc, loc->number) : 0;
}

static int walk_now(struct hg_mark *m, const struct hg_root *root, uint64_t at)
{
    const struct hg_root_visitor v = { .ctx = m, .enter = enter_now, .each = each_now };

    m->walk.at = at;
    return hg_root_walk(root, &v);
}

static int enter_past(void *ctx, const void *node)
{
    struct hg_mark *m = ctx;
    int is_new = 0;
    int rc = hg_node_set_add(&m->memory, &m->walk.past, node, 1, &is_new);

    return rc < 0 ? rc : is_new;
}

static int each_kept(void *ctx, const uint8_t *key, size_t len, const struct hg_locator *loc)
{
    struct hg_mark *m = ctx;
    struct hg_past_key k;

    hg_past_key_decode(key, len, &k);
    if (!hg_timeline_keeps(&m->kept, k.number, loc->number))
        return 0;
    return m->each(m, key, k.len, loc, k.number);
}

static int each_in_history(void *ctx, const uint8_t *key, size_t len, const struct hg_locator *loc)
{
    struct hg_mark *m = ctx;

    return loc->number > m->kept.horizon ? each_kept(ctx, key, len, loc) : 0;
}

static int each_as_of(void *ctx, const uint8_t *key, size_t len, const struct hg_locator *loc)
{
    struct hg_mark *m = ctx;
    struct hg_past_key k;

    hg_past_key_decode(key, len, &k);
    if (k.number > m->walk.at || m->walk.at >= loc->number)
        return 0;
    return m->each(m, key, k.len, loc, k.number);
}

/* ---- rounds --------------------------------------------------------------------------------------- */

static int walk_history(struct hg_mark *m)
{
    const struct hg_root_visitor v = { .ctx = m, .enter = enter_past, .each = each_in_history };

    return hg_root_walk(m->state.past, &v);
}

static int walk_tags(struct hg_mark *m)
{
    const struct hg_root_visitor v = { .ctx = m,
                                       .each = each_kept }; /* its nodes have been entered */

    return m->kept.tagged.len == 0 ? 0 : hg_root_walk(m->state.past, &v);
}

static int is_kept(const struct hg_mark *m, uint64_t number)
{
    return number >= m->kept.horizon || hg_timeline_has_tag(&m->kept, number, number + 1);
}

static int walk_past_of(struct hg_mark *m, const struct hg_version *v)
{
    const struct hg_root_visitor kept = { .ctx = m, .enter = enter_past, .each = each_kept };
    const struct hg_root_visitor as_of = { .ctx = m, .each = each_as_of };

    if (is_kept(m, v->number))
        return hg_root_walk(v->past, &kept);
    m->walk.at = v->number;
    return hg_root_walk(v->past, &as_of);
}

static int walk_versions(struct hg_mark *m)
{
    struct hg_version *const *v = (struct hg_version *const *)(const void *)m->versions.data;
    int rc = 0;

    for (size_t i = 0; i < m->versions.len / sizeof(void *) && rc == 0; i++) {
        rc = walk_now(m, v[i]->root, v[i]->is_past ? v[i]->number : UINT64_MAX);
        if (rc == 0 && v[i]->is_past)
            rc = walk_past_of(m, v[i]);
    }
    return rc;
}

int hg_mark_walk(struct hg_mark *m)
{
    switch (m->holder) {
    case HG_HOLD_HEAD: return walk_now(m, m->state.root, UINT64_MAX);
    case HG_HOLD_HISTORY: return walk_history(m);
    case HG_HOLD_TAGS: return walk_tags(m);
    default: return walk_versions(m);
    }
}

void hg_mark_walk_end(struct hg_mark *m)
{
    hg_node_set_release(&m->memory, &m->walk.now);
    hg_node_set_release(&m->memory, &m->walk.past);
}
