/*
 * See chronicle.h.
 */
#include "chronicle.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pathkey.h"
#include "holog/versions.h"

void chronicle_init(struct chronicle *c)
{
    memset(c, 0, sizeof *c);
    c->at = calloc(1, sizeof *c->at);
    assert(c->at != NULL);
}

static void chapter_release(struct chapter *h)
{
    model_release(&h->m);
    free(h->numbers);
}

void chronicle_release(struct chronicle *c)
{
    for (uint64_t i = 0; i <= c->last; i++)
        chapter_release(&c->at[i]);
    free(c->at);
    free(c->touched);
    memset(c, 0, sizeof *c);
}

const struct model *chronicle_model(const struct chronicle *c, uint64_t number)
{
    assert(number <= c->last);
    return &c->at[number].m;
}

/* ---- writing it ----------------------------------------------------------------------------------*/

static int same_entry(const struct model_entry *a, const struct model_entry *b)
{
    return a->type == b->type && a->seed == b->seed && a->len == b->len &&
           strcmp(a->target, b->target) == 0;
}

static void touch(struct chronicle *c, const char *path)
{
    c->touched = realloc(c->touched, (c->n_touched + 1) * sizeof *c->touched);
    assert(c->touched != NULL);
    (void)snprintf(c->touched[c->n_touched++].path, MODEL_PATH, "%s", path);
}

static int is_touched(const struct chronicle *c, const char *path)
{
    for (size_t i = 0; i < c->n_touched; i++)
        if (strcmp(c->touched[i].path, path) == 0)
            return 1;
    return 0;
}

static int at_or_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

void chronicle_step(struct chronicle *c, const struct step *s, const struct model *before,
                    const struct model *after)
{
    for (size_t i = 0; i < before->n; i++) {
        const struct model_entry *now = model_find(after, before->e[i].path);
        if (now == NULL || !same_entry(now, &before->e[i]))
            touch(c, before->e[i].path);
    }
    for (size_t i = 0; i < after->n; i++) {
        const char *path = after->e[i].path;
        int is_copy = s->op == STEP_COPY || s->op == STEP_MOVE;
        if (model_find(before, path) == NULL || (is_copy && at_or_below(path, s->to)))
            touch(c, path);
    }
}

void chronicle_forget_steps(struct chronicle *c)
{
    c->n_touched = 0;
}

static uint64_t number_in(const struct chapter *h, const char *path)
{
    const struct model_entry *e = model_find(&h->m, path);
    return e == NULL ? 0 : h->numbers[e - h->m.e];
}

static void add_chapter(struct chronicle *c, const struct model *m, uint64_t number)
{
    struct chapter h = { .numbers = calloc(m->n + 1, sizeof(uint64_t)), .is_gap = number == 0 };
    const struct chapter *before = &c->at[c->last];

    assert(h.numbers != NULL);
    model_copy(m, &h.m);
    for (size_t i = 0; i < m->n; i++)
        h.numbers[i] = is_touched(c, m->e[i].path) ? number : number_in(before, m->e[i].path);
    c->at = realloc(c->at, (c->last + 2) * sizeof *c->at);
    assert(c->at != NULL);
    c->at[++c->last] = h;
}

void chronicle_commit(struct chronicle *c, uint64_t number, const struct model *after)
{
    size_t n = c->n_touched;

    c->n_touched = 0;
    while (c->last + 1 < number) {
        uint64_t hash = c->at[c->last].hash;
        add_chapter(c, &c->at[c->last].m, 0);
        c->at[c->last].hash = hash;
    }
    c->n_touched = n;
    add_chapter(c, after, number);
    c->n_touched = 0;
}

uint64_t chronicle_back(const struct chronicle *c, uint64_t back)
{
    uint64_t number = c->last;

    while (number > 0 && (c->at[number].is_gap || back-- > 0))
        number--;
    return number;
}

void chronicle_cut(struct chronicle *c, uint64_t number)
{
    assert(number <= c->last);
    while (c->last > number)
        chapter_release(&c->at[c->last--]);
}

/* ---- comparing -----------------------------------------------------------------------------------*/

static int wrong(struct chronicle *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct chronicle *c, const char *fmt, ...)
{
    va_list ap;

    if (c->wrong[0] == 0) {
        va_start(ap, fmt);
        (void)vsnprintf(c->wrong, sizeof c->wrong, fmt, ap); /* cut to fit */
        va_end(ap);
    }
    return 1;
}

struct named { /* in the order of listings */
    const struct model_entry *e;
    uint8_t key[8 * MODEL_PATH];
    size_t len;
};

static int by_key(const void *a, const void *b)
{
    const struct named *x = a;
    const struct named *y = b;
    int d = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);
    return d != 0 ? d : (x->len > y->len) - (x->len < y->len);
}

static struct named *in_order(const struct model *m)
{
    struct named *list = calloc(m->n + 1, sizeof *list);

    assert(list != NULL);
    for (size_t i = 0; i < m->n; i++) {
        list[i].e = &m->e[i];
        list[i].len = hg_path_to_key(m->e[i].path, strlen(m->e[i].path), list[i].key);
    }
    qsort(list, m->n, sizeof *list, by_key);
    return list;
}

static int bytes_differ(struct chronicle *c, holog_view *view, const char *path,
                        const struct model_entry *e)
{
    holog_value *v = NULL;
    uint8_t *want = malloc(e->len + 1);
    int rc = holog_view_load(view, path, &v);
    int bad = 0;

    assert(want != NULL);
    value_fill(want, e->len, e->seed);
    if (rc < 0)
        bad = wrong(c, "%s: %s", path, holog_error_name(rc));
    else if (holog_value_size(v) != e->len || memcmp(holog_value_data(v), want, e->len) != 0)
        bad = wrong(c, "%s has wrong bytes", path);
    holog_value_release(v);
    free(want);
    return bad;
}

/* What a link leads to, as of then. Targets are absolute. */
static int link_differs(struct chronicle *c, holog_view *view, const struct model *m,
                        const struct model_entry *link)
{
    const struct model_entry *e = model_find(m, link->target + 1);

    return e != NULL && e->type == HOLOG_BLOB && bytes_differ(c, view, link->path, e);
}

static int entry_differs(struct chronicle *c, holog_view *view, const struct model *m,
                         const holog_entry *got, const struct model_entry *e, uint64_t number,
                         uint64_t made)
{
    holog_stat_info st = { .struct_size = sizeof st };
    uint64_t size = e->type == HOLOG_BLOB      ? e->len
                    : e->type == HOLOG_SYMLINK ? strlen(e->target)
                                               : 0;

    if (strcmp(got->path, e->path) != 0)
        return wrong(c, "%s is listed where %s should be", got->path, e->path);
    if (got->type != (uint32_t)e->type || got->size_bytes != size)
        return wrong(c, "%s has type %u and %llu bytes, not %d and %llu", e->path, got->type,
                     (unsigned long long)got->size_bytes, e->type, (unsigned long long)size);
    if (e->type == HOLOG_BLOB ? got->number != made : got->number > number || got->number == 0)
        return wrong(c, "%s has number %llu, not %llu", e->path, (unsigned long long)got->number,
                     (unsigned long long)made);
    if (holog_view_stat(view, e->path, &st) < 0 || st.type != got->type ||
        st.size_bytes != got->size_bytes || st.number != got->number)
        return wrong(c, "%s: its stat is not what the listing says", e->path);
    if (e->type == HOLOG_BLOB)
        return bytes_differ(c, view, e->path, e);
    return e->type == HOLOG_SYMLINK && link_differs(c, view, m, e);
}

static int tree_differs(struct chronicle *c, holog_view *view, uint64_t number)
{
    const struct chapter *h = &c->at[number];
    struct named *want = in_order(&h->m);
    holog_cursor *cursor = NULL;
    const holog_entry *got;
    size_t i = 0;
    int bad = 0;
    int rc = holog_view_list(view, "/", HOLOG_LIST_RECURSIVE, NULL, NULL, &cursor);

    while (rc == HOLOG_OK && !bad && (rc = holog_cursor_next(cursor, &got)) == HOLOG_OK) {
        if (i == h->m.n) {
            bad = wrong(c, "%s should not be there", got->path);
        } else {
            const struct model_entry *e = want[i++].e;
            bad = entry_differs(c, view, &h->m, got, e, number, h->numbers[e - h->m.e]);
        }
    }
    if (!bad && rc != HOLOG_E_NOENT)
        bad = wrong(c, "listing: %s", holog_error_name(rc));
    if (!bad && i < h->m.n)
        bad = wrong(c, "%s is missing", want[i].e->path);
    holog_cursor_close(cursor);
    free(want);
    return bad;
}

struct page {
    char dir[MODEL_PATH]; /* "" or a directory */
    char prefix[4];
    char after[MODEL_PATH]; /* a name; recursive: a path below dir */
    unsigned flags;
};

static int on_page(const struct page *p, const struct named *n)
{
    struct named after = { .len = 0 };
    char path[2 * MODEL_PATH + 2];
    size_t dir_len = strlen(p->dir);
    const char *rest = n->e->path + dir_len + (dir_len > 0);
    const char *name = strrchr(n->e->path, '/');

    name = name == NULL ? n->e->path : name + 1;
    if (dir_len > 0 && (!at_or_below(n->e->path, p->dir) || n->e->path[dir_len] == 0))
        return 0;
    if ((p->flags & HOLOG_LIST_RECURSIVE) == 0 && strchr(rest, '/') != NULL)
        return 0;
    if (strncmp(name, p->prefix, strlen(p->prefix)) != 0)
        return 0;
    if (p->after[0] == 0)
        return 1;
    (void)snprintf(path, sizeof path, "%s%s%s", p->dir, dir_len > 0 ? "/" : "", p->after);
    after.len = hg_path_to_key(path, strlen(path), after.key);
    return by_key(n, &after) > 0;
}

static void choose_page(const struct model *m, struct page *out, uint64_t *rng)
{
    static const char *const prefixes[] = { "", "", "a", "f", "x1" };
    static const char *const afters[] = { "", "", "b", "f", "f2", "f10", "d1/x", "~" };
    const struct model_entry *e = m->n > 0 ? &m->e[rng_next(rng) % m->n] : NULL;

    memset(out, 0, sizeof *out);
    out->flags = rng_next(rng) % 3 == 0 ? HOLOG_LIST_RECURSIVE : 0;
    if (e != NULL && e->type == HOLOG_DIRECTORY)
        memcpy(out->dir, e->path, sizeof out->dir);
    (void)snprintf(out->prefix, sizeof out->prefix, "%s", prefixes[rng_next(rng) % 5]);
    (void)snprintf(out->after, sizeof out->after, "%s", afters[rng_next(rng) % 8]);
    if ((out->flags & HOLOG_LIST_RECURSIVE) == 0 && strchr(out->after, '/') != NULL)
        out->after[0] = 0;
}

static int page_differs(struct chronicle *c, holog_view *view, const struct model *m,
                        const struct page *p)
{
    struct named *want = in_order(m);
    holog_cursor *cursor = NULL;
    const holog_entry *got = NULL;
    size_t i = 0;
    int bad = 0;
    int rc = holog_view_list(view, p->dir[0] == 0 ? "/" : p->dir, p->flags, p->prefix, p->after,
                             &cursor);

    while (rc == HOLOG_OK && !bad && (rc = holog_cursor_next(cursor, &got)) == HOLOG_OK) {
        while (i < m->n && !on_page(p, &want[i]))
            i++;
        bad = i == m->n || strcmp(want[i++].e->path, got->path) != 0;
    }
    while (i < m->n && !on_page(p, &want[i]))
        i++;
    if (bad || rc != HOLOG_E_NOENT || i < m->n)
        bad = wrong(c, "list \"%s\" flags %u prefix \"%s\" after \"%s\": %s at \"%s\", want \"%s\"",
                    p->dir, p->flags, p->prefix, p->after, holog_error_name(rc),
                    rc == HOLOG_OK && got != NULL ? got->path : "the end",
                    i < m->n ? want[i].e->path : "");
    holog_cursor_close(cursor);
    free(want);
    return bad;
}

int chronicle_differs(struct chronicle *c, holog_view *view, uint64_t number, uint64_t *rng)
{
    struct chapter *h = &c->at[number];
    uint64_t hash = 0;
    struct page p;

    if (tree_differs(c, view, number))
        return 1;
    for (int i = 0; i < 3; i++) {
        choose_page(&h->m, &p, rng);
        if (page_differs(c, view, &h->m, &p))
            return 1;
    }
    if (holog_state_hash(view, &hash) < 0 || (h->hash != 0 && h->hash != hash))
        return wrong(c, "the hash of the state is another one");
    h->hash = hash;
    return 0;
}

/* ---- differences ---------------------------------------------------------------------------------*/

/* Short values of two seeds may be alike. */
static int same_bytes(const struct model_entry *a, const struct model_entry *b)
{
    uint8_t x[8];
    uint8_t y[8];

    if (a->len != b->len || a->len > sizeof x)
        return a->len == b->len && a->seed == b->seed;
    value_fill(x, a->len, a->seed);
    value_fill(y, b->len, b->seed);
    return memcmp(x, y, a->len) == 0;
}

static int same_content(const struct model_entry *a, const struct model_entry *b)
{
    if (a == NULL || b == NULL || a->type != b->type)
        return a == b;
    if (a->type == HOLOG_BLOB)
        return same_bytes(a, b);
    return strcmp(a->target, b->target) == 0;
}

struct comparison {
    struct chronicle *c;
    const struct model *a, *b;
    struct model both; /* the paths of either */
    struct named *want;
    size_t at;
    const char *path;
    int bad;
};

static int is_wanted(const struct comparison *k, const char *path)
{
    return (k->path[0] == 0 || at_or_below(path, k->path)) &&
           !same_content(model_find(k->a, path), model_find(k->b, path));
}

static void skip_to_wanted(struct comparison *k)
{
    while (k->at < k->both.n && !is_wanted(k, k->want[k->at].e->path))
        k->at++;
}

static uint8_t *bytes_of(const struct model_entry *e)
{
    uint8_t *v = malloc(e->len + 1);

    assert(v != NULL);
    value_fill(v, e->len, e->seed);
    return v;
}

/* What lies between the ranges is the same; ranges are apart, and in order. */
static int ranges_differ(struct comparison *k, const holog_difference *d,
                         const struct model_entry *a, const struct model_entry *b)
{
    uint8_t *x = bytes_of(a);
    uint8_t *y = bytes_of(b);
    uint64_t at_a = 0;
    uint64_t at_b = 0;
    int bad = d->n_ranges == 0;

    for (uint32_t i = 0; i <= d->n_ranges && !bad; i++) {
        holog_range end = { .a_offset = a->len, .b_offset = b->len };
        const holog_range *r = i < d->n_ranges ? &d->ranges[i] : &end;
        bad = r->a_offset < at_a || r->b_offset < at_b || r->a_offset > a->len ||
              r->a_len > a->len - r->a_offset || r->b_offset > b->len ||
              r->b_len > b->len - r->b_offset || r->a_offset - at_a != r->b_offset - at_b ||
              memcmp(x + at_a, y + at_b, r->a_offset - at_a) != 0;
        at_a = r->a_offset + r->a_len;
        at_b = r->b_offset + r->b_len;
    }
    free(x);
    free(y);
    return bad ? wrong(k->c, "%s: the ranges do not say what differs", d->path) : 0;
}

static int on_difference(void *ctx, const holog_difference *d)
{
    struct comparison *k = ctx;
    const struct model_entry *a;
    const struct model_entry *b;

    skip_to_wanted(k);
    if (k->at == k->both.n || strcmp(k->want[k->at].e->path, d->path) != 0)
        return k->bad = wrong(k->c, "%s is told, not %s", d->path,
                              k->at < k->both.n ? k->want[k->at].e->path : "the end");
    a = model_find(k->a, d->path);
    b = model_find(k->b, d->path);
    k->at++;
    if (d->a_type != (a == NULL ? HOLOG_MISSING : (uint32_t)a->type) ||
        d->b_type != (b == NULL ? HOLOG_MISSING : (uint32_t)b->type))
        return k->bad = wrong(k->c, "%s has types %u and %u", d->path, d->a_type, d->b_type);
    if (d->a_type == HOLOG_BLOB && d->b_type == HOLOG_BLOB)
        k->bad = ranges_differ(k, d, a, b);
    return k->bad;
}

int chronicle_diff_differs(struct chronicle *c, holog_store *store, uint64_t a, uint64_t b,
                           const char *path)
{
    struct comparison k = { .c = c, .a = &c->at[a].m, .b = &c->at[b].m, .path = path };
    int rc;

    model_copy(k.a, &k.both);
    model_add(&k.both, k.b);
    k.want = in_order(&k.both);
    rc = holog_diff(store, a, b, path[0] == 0 ? "/" : path, HOLOG_DIFF_RANGES, on_difference, &k);
    skip_to_wanted(&k);
    if (!k.bad && rc != HOLOG_OK)
        k.bad = wrong(c, "%s", holog_error_name(rc));
    if (!k.bad && k.at < k.both.n)
        k.bad = wrong(c, "%s is not told", k.want[k.at].e->path);
    free(k.want);
    model_release(&k.both);
    return k.bad;
}

/* ---- versions ------------------------------------------------------------------------------------*/

struct versions {
    struct chronicle *c;
    const char *path;
    uint64_t horizon;
    uint64_t next; /* all states from here on have been told of */
    int bad;
};

/* The newest state below `number` in which the path is there; 0: none that is kept. */
static uint64_t last_with(const struct versions *v, uint64_t number)
{
    while (number-- > v->horizon)
        if (model_find(&v->c->at[number].m, v->path) != NULL)
            return number;
    return 0;
}

static int on_version(void *ctx, const holog_version_info *info)
{
    struct versions *v = ctx;
    const struct model_entry *e;
    uint64_t at;

    if (info->end_number != 0 && info->end_number <= v->horizon)
        return 0; /* of a tag */
    at = last_with(v, v->next);
    e = at == 0 ? NULL : model_find(&v->c->at[at].m, v->path);
    if (e == NULL || info->type != (uint32_t)e->type ||
        info->number != number_in(&v->c->at[at], v->path) ||
        info->end_number != (at == v->c->last ? 0 : at + 1) ||
        (e->type == HOLOG_BLOB && info->size_bytes != e->len))
        return v->bad =
                   wrong(v->c, "[%llu, %llu) is told, type %u, %llu bytes; then came %llu",
                         (unsigned long long)info->number, (unsigned long long)info->end_number,
                         info->type, (unsigned long long)info->size_bytes, (unsigned long long)at);
    v->next = info->number;
    return 0;
}

/* Did commit `number` change something at or below the path? */
static int changed(const struct chronicle *c, uint64_t number, const char *path)
{
    const struct chapter *a = &c->at[number - 1];
    const struct chapter *b = &c->at[number];

    for (size_t i = 0; i < b->m.n; i++)
        if (b->numbers[i] == number && at_or_below(b->m.e[i].path, path))
            return 1;
    for (size_t i = 0; i < a->m.n; i++)
        if (at_or_below(a->m.e[i].path, path) && model_find(&b->m, a->m.e[i].path) == NULL)
            return 1;
    return 0;
}

static int steps_differ(struct chronicle *c, holog_store *store, const char *path, uint64_t horizon)
{
    uint64_t n = 0;

    for (uint64_t number = c->last; number > 0 && n < 6; number--) {
        uint64_t got = UINT64_MAX;
        int want = number > horizon ? HOLOG_OK : HOLOG_E_DROPPED;
        int rc;
        if (!changed(c, number, path))
            continue;
        rc = holog_before_changes(store, path, ++n, &got);
        if (rc != want || (rc == HOLOG_OK && got != number - 1))
            return wrong(c, "before %llu changes: %s, %llu, not %llu (horizon %llu)",
                         (unsigned long long)n, holog_error_name(rc), (unsigned long long)got,
                         (unsigned long long)number - 1, (unsigned long long)horizon);
        if (rc != HOLOG_OK)
            break;
    }
    return 0;
}

int chronicle_history_differs(struct chronicle *c, holog_store *store, const char *path,
                              uint64_t horizon)
{
    struct versions v = { .c = c, .path = path, .horizon = horizon, .next = c->last + 1 };
    int rc = holog_history(store, path, 0, on_version, &v);

    if (v.bad)
        return 1;
    if (rc != HOLOG_OK && rc != HOLOG_E_NOENT)
        return wrong(c, "%s", holog_error_name(rc));
    if (last_with(&v, v.next) != 0)
        return wrong(c, "what it was as of %llu is not told",
                     (unsigned long long)last_with(&v, v.next));
    return steps_differ(c, store, path, horizon);
}
