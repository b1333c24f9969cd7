/*
 * What the past holds and what is let go, for people: gc, holders, du.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/node.h"
#include "engine/retention.h"
#include "holog/versions.h"

#define SLICE 4096u /* versions looked at under the lock at a time */

/* ---- gc ------------------------------------------------------------------------------------------*/

/* Versions of one path, each made of the one before, that go; and what was counted for them. */
struct gone {
    uint64_t path;   /* its key's hash */
    uint64_t number; /* of the oldest so far; 0: none */
    uint64_t bytes;
};

static int is_next(const struct gone *g, const struct hg_cursor *c, const struct hg_past_key *k)
{
    return g->number != 0 && g->number == c->loc.number && g->path == hg_hash64(c->key, k->len);
}

/* What goes at that horizon, and what tags keep. */
static int count_versions(const holog_store *s, const struct hg_state_mark *m, uint64_t horizon,
                          holog_gc_report *r)
{
    struct hg_past_weigher kept = { .now = m->root };
    struct gone gone = { 0 };
    struct hg_root *past = m->past;
    struct hg_cursor c;
    int rc = hg_cursor_open(&c, past, NULL, 0, 0);

    for (; rc == HOLOG_OK; rc = hg_cursor_next(&c)) {
        struct hg_past_key k;
        hg_past_key_decode(c.key, c.key_len, &k);
        if (c.loc.number > horizon) {
            (void)hg_past_weigh(&kept, &c, &k);
        } else if (hg_timeline_has_tag(&s->timeline, k.number, c.loc.number)) {
            uint64_t bytes = hg_past_weigh(&kept, &c, &k);
            r->kept_by_tags_bytes += bytes;
            if (is_next(&gone, &c, &k)) /* what was made of it goes; it stays, with all it has */
                r->bytes -= HG_MIN(bytes, gone.bytes);
            gone = (struct gone){ 0 };
        } else {
            uint64_t bytes = hg_past_ended_bytes(k.ends, &c.loc);
            r->versions++;
            r->bytes += bytes;
            gone.bytes = bytes + (is_next(&gone, &c, &k) ? gone.bytes : 0);
            gone.path = hg_hash64(c.key, k.len);
            gone.number = k.number;
        }
    }
    hg_cursor_close(&c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static void apply_once(struct hg_retention *r, uint64_t commits, uint64_t age_s)
{
    if (commits != 0)
        r->commits = commits;
    if (age_s != 0)
        r->age_ns = age_s > UINT64_MAX / 1000000000u ? UINT64_MAX : age_s * 1000000000u;
}

/* Log lock held on entry and return. */
static int let_go(holog_store *s, uint64_t horizon)
{
    int rc = horizon > s->timeline.horizon ? hg_retention_move(s, horizon, 1) : HOLOG_OK;

    hg_retention_expire(s);
    s->sweep.under_way = 0; /* from the start */
    do {
        if (rc == HOLOG_OK)
            rc = hg_retention_sweep(s, SLICE);
        hg_log_unlock(s->log); /* let others in between */
        hg_log_lock(s->log);
    } while (rc == HOLOG_OK && s->sweep.under_way);
    return rc;
}

int holog_gc(holog_store *store, uint64_t keep_commits, uint64_t keep_age_s, int dry_run,
             holog_gc_report *out_report)
{
    holog_gc_report report = { .struct_size = sizeof report };
    const struct hg_timeline *t;
    struct hg_retention rules;
    struct hg_state_mark m;
    size_t first;
    int rc = dry_run ? hg_store_check(store) : hg_store_check_write(store);

    if (rc == HOLOG_OK && out_report != NULL)
        rc = hg_struct_check(out_report, "holog_gc_report");
    if (rc < 0)
        return rc;
    t = &store->timeline;
    hg_timeline_lock(store);
    rules = store->rules;
    apply_once(&rules, keep_commits, keep_age_s);
    report.horizon_before = t->horizon;
    report.horizon = hg_retention_horizon(store, &rules);
    if (!dry_run && store->keep.fn != NULL) {
        hg_timeline_unlock(store);
        rc = hg_keep_ask(store, report.horizon);
        if (rc < 0)
            return rc;
        hg_timeline_lock(store);
    }
    report.commits_before = hg_timeline_count(t);
    first = hg_timeline_find(t, report.horizon);
    report.commits = report.commits_before - (first == SIZE_MAX ? 0 : first);
    hg_state_freeze(&store->sequenced, &m);
    rc = count_versions(store, &m, report.horizon, &report);
    hg_state_mark_release(&m);
    if (rc == HOLOG_OK && !dry_run)
        rc = let_go(store, report.horizon);
    hg_timeline_unlock(store);
    if (rc == HOLOG_OK && out_report != NULL)
        hg_struct_fill(out_report, &report, sizeof report);
    return rc;
}

/* ---- holders -------------------------------------------------------------------------------------*/

struct held {
    holog_holder holder;
    char name[HG_TAG_NAME_MAX + 1];
};

static struct held *held_at(const struct hg_buf *list, size_t i)
{
    return (struct held *)(void *)list->data + i;
}

static int add_tags(const holog_store *s, struct hg_buf *list)
{
    size_t n = s->timeline.tags.len / sizeof(struct hg_tag);
    const struct hg_tag *t = (const struct hg_tag *)(const void *)s->timeline.tags.data;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct held h = { .holder = { .struct_size = sizeof h.holder,
                                      .kind = HOLOG_HOLDER_TAG,
                                      .number = t[i].number,
                                      .time_ns = t[i].time_ns } };
        memcpy(h.name, t[i].name, sizeof h.name);
        rc = hg_buf_append(list, &h, sizeof h);
    }
    return rc;
}

/* To each tag what lies below the horizon and is of its state. */
static int weigh_tags(const struct hg_state_mark *m, const struct hg_timeline *kept,
                      struct hg_buf *list)
{
    struct hg_past_weigher w = { .now = m->root };
    size_t n = list->len / sizeof(struct held);
    struct hg_cursor c;
    int rc = hg_cursor_open(&c, m->past, NULL, 0, 0);

    for (; rc == HOLOG_OK; rc = hg_cursor_next(&c)) {
        struct hg_past_key k;
        uint64_t bytes;
        hg_past_key_decode(c.key, c.key_len, &k);
        if (!hg_timeline_keeps(kept, k.number, c.loc.number))
            continue;
        bytes = hg_past_weigh(&w, &c, &k);
        if (c.loc.number > kept->horizon)
            continue;
        for (size_t i = 0; i < n; i++) {
            holog_holder *h = &held_at(list, i)->holder;
            if (k.number <= h->number && h->number < c.loc.number)
                h->bytes += bytes;
        }
    }
    hg_cursor_close(&c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int add_views(holog_store *s, uint64_t horizon, uint64_t horizon_total, struct hg_buf *list)
{
    const holog_view *v;
    int rc = HOLOG_OK;

    hg_mutex_lock(s->io, &s->misc_lock);
    for (v = s->views; v != NULL && v->next != NULL;)
        v = v->next;
    for (; v != NULL && rc == HOLOG_OK; v = v->prev) {
        struct held h = { .holder = { .struct_size = sizeof h.holder,
                                      .kind = HOLOG_HOLDER_PIN,
                                      .number = v->version->number,
                                      .time_ns = v->opened_ns } };
        if (__atomic_load_n(&v->expired, __ATOMIC_RELAXED))
            continue;
        h.holder.bytes = hg_retention_pinned(v, horizon, horizon_total);
        rc = hg_buf_append(list, &h, sizeof h);
    }
    hg_mutex_unlock(s->io, &s->misc_lock);
    return rc;
}

int holog_holders(holog_store *store, int (*each)(void *ctx, const holog_holder *holder), void *ctx)
{
    struct hg_buf list = { 0 };
    struct hg_timeline kept = { 0 };
    struct hg_state_mark m;
    uint64_t total;
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && each == NULL)
        rc = hg_error(HOLOG_E_INVAL, "each is NULL");
    if (rc < 0)
        return rc;
    hg_timeline_lock(store);
    total = store->timeline.horizon_total;
    rc = add_tags(store, &list);
    if (rc == HOLOG_OK)
        rc = hg_timeline_copy_kept(&store->timeline, &kept);
    hg_state_freeze(&store->sequenced, &m);
    hg_timeline_unlock(store);
    if (rc == HOLOG_OK)
        rc = weigh_tags(&m, &kept, &list);
    hg_state_mark_release(&m);
    if (rc == HOLOG_OK)
        rc = add_views(store, kept.horizon, total, &list);
    hg_timeline_release(&kept);
    for (size_t i = 0; rc == HOLOG_OK && i < list.len / sizeof(struct held); i++) {
        struct held *h = held_at(&list, i);
        h->holder.name = h->holder.kind == HOLOG_HOLDER_TAG ? h->name : NULL;
        if (each(ctx, &h->holder) != 0)
            break;
    }
    hg_buf_release(&list);
    return rc;
}

/* ---- du ------------------------------------------------------------------------------------------*/

struct du {
    const struct hg_version *v;
    struct hg_key dir;
    struct hg_timeline kept;   /* what is kept; no more of it is set */
    uint8_t child[HG_KEY_MAX]; /* key of the child that is being added up */
    size_t child_len;          /* 0: none */
    holog_du_entry entry;
    holog_du_entry total;
    int (*each)(void *ctx, const holog_du_entry *entry);
    void *ctx;
    struct hg_past_weigher weigher;
    int stopped;
};

static void add_up(holog_du_entry *to, const holog_du_entry *from)
{
    to->entries += from->entries;
    to->live_bytes += from->live_bytes;
    to->history_bytes += from->history_bytes;
    to->tag_bytes += from->tag_bytes;
}

static int tell(struct du *d, holog_du_entry *e, const uint8_t *key, size_t len)
{
    char path[HG_PATH_MAX + 1] = "/";
    size_t n = 1;
    struct hg_locator loc = { .type = HG_ENTRY_DIR };
    int rc = HOLOG_OK;

    if (len > 0) {
        rc = hg_key_to_path(key, len, path, &n);
        loc.type = 0;
        if (rc == HOLOG_OK)
            rc = hg_root_lookup(d->v->root, key, len, &loc);
        if (rc < 0 && rc != HOLOG_E_NOENT)
            return rc;
    }
    path[n] = 0;
    e->struct_size = sizeof *e;
    e->type = loc.type;
    e->path = path;
    d->stopped = d->each(d->ctx, e) != 0;
    e->path = NULL;
    return HOLOG_OK;
}

static int end_child(struct du *d)
{
    int rc = HOLOG_OK;

    if (d->child_len > 0 && !d->stopped)
        rc = tell(d, &d->entry, d->child, d->child_len);
    add_up(&d->total, &d->entry);
    d->entry = (holog_du_entry){ 0 };
    d->child_len = 0;
    return rc;
}

/* The direct child that the key is, or is below; what is of the directory itself goes to the total. */
static int turn_to(struct du *d, const uint8_t *key, size_t len)
{
    size_t from = d->dir.len > 0 ? d->dir.len + 1 : 0;
    size_t n = from;
    int rc;

    if (len <= d->dir.len)
        return HOLOG_OK;
    if (key[from] >= HG_NODE_FIRST) /* the directory's own: they come last */
        return d->child_len > 0 ? end_child(d) : HOLOG_OK;
    while (n < len && key[n] != 0)
        n++;
    if (d->child_len == n && memcmp(d->child, key, n) == 0)
        return HOLOG_OK;
    rc = end_child(d);
    memcpy(d->child, key, n);
    d->child_len = n;
    return rc;
}

static int in_dir(const struct du *d, const uint8_t *key, size_t len)
{
    size_t n = d->dir.len;

    return n == 0 || (len >= n && memcmp(key, d->dir.bytes, n) == 0 && (len == n || key[n] == 0));
}

static int is_before(const struct hg_cursor *now, const struct hg_cursor *past, size_t past_len)
{
    int c = memcmp(now->key, past->key, HG_MIN(now->key_len, past_len));

    return c < 0 || (c == 0 && now->key_len <= past_len);
}

static int count_now(struct du *d, struct hg_cursor *c)
{
    int rc = turn_to(d, c->key, c->key_len);

    d->entry.entries++;
    if (c->loc.type != HG_ENTRY_DIR)
        d->entry.live_bytes += c->loc.size;
    return rc < 0 ? rc : hg_cursor_next(c);
}

static int count_past(struct du *d, struct hg_cursor *c)
{
    struct hg_past_key k;
    int rc;

    hg_past_key_decode(c->key, c->key_len, &k);
    if (!hg_timeline_keeps(&d->kept, k.number, c->loc.number))
        return hg_cursor_next(c);
    rc = turn_to(d, c->key, k.len);
    if (c->loc.number > d->kept.horizon)
        d->entry.history_bytes += hg_past_weigh(&d->weigher, c, &k);
    else
        d->entry.tag_bytes += hg_past_weigh(&d->weigher, c, &k);
    return rc < 0 ? rc : hg_cursor_next(c);
}

static int walk_both(struct du *d)
{
    struct hg_cursor now;
    struct hg_cursor past;
    int a = hg_cursor_open(&now, d->v->root, d->dir.bytes, d->dir.len, 0);
    int b = hg_cursor_open(&past, d->v->past, d->dir.bytes, d->dir.len, 0);

    for (;;) {
        size_t past_len = b == HOLOG_OK ? past.key_len - HG_PAST_SUFFIX : 0;
        if (a == HOLOG_OK && !in_dir(d, now.key, now.key_len))
            a = HOLOG_E_NOENT;
        if (b == HOLOG_OK && !in_dir(d, past.key, past_len))
            b = HOLOG_E_NOENT;
        if ((a < 0 && a != HOLOG_E_NOENT) || (b < 0 && b != HOLOG_E_NOENT) || d->stopped)
            break;
        if (a != HOLOG_OK && b != HOLOG_OK)
            break;
        if (a == HOLOG_OK && (b != HOLOG_OK || is_before(&now, &past, past_len)))
            a = count_now(d, &now);
        else
            b = count_past(d, &past);
    }
    hg_cursor_close(&now);
    hg_cursor_close(&past);
    return a < 0 && a != HOLOG_E_NOENT ? a : b < 0 && b != HOLOG_E_NOENT ? b : HOLOG_OK;
}

int holog_du(holog_store *store, const char *path,
             int (*each)(void *ctx, const holog_du_entry *entry), void *ctx)
{
    struct du d = { .each = each, .ctx = ctx };
    struct hg_resolved at;
    struct hg_version *v;
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && each == NULL)
        rc = hg_error(HOLOG_E_INVAL, "each is NULL");
    if (rc < 0)
        return rc;
    d.v = v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a view");
    hg_timeline_lock(store);
    rc = hg_timeline_copy_kept(&store->timeline, &d.kept);
    hg_timeline_unlock(store);
    d.weigher.now = v->root;
    if (rc == HOLOG_OK)
        rc = hg_resolve_gone(store, v, path, &at);
    if (rc == HOLOG_OK) {
        d.dir = at.key;
        rc = walk_both(&d);
    }
    if (rc == HOLOG_OK)
        rc = end_child(&d);
    if (rc == HOLOG_OK && d.total.entries == 0 && d.total.history_bytes == 0 &&
        d.total.tag_bytes == 0 && at.path_len > 0)
        rc = hg_error_path(HOLOG_E_NOENT, at.path, (uint32_t)at.path_len, "%s: no such entry",
                           at.path);
    if (rc == HOLOG_OK && !d.stopped)
        rc = tell(&d, &d.total, d.dir.bytes, d.dir.len);
    hg_timeline_release(&d.kept);
    hg_version_put(store, v);
    return rc;
}
