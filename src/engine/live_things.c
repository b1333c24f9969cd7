/*
 * What lives in some segments, thing by thing: a mark that remembers them, then a second pass over the
 * same roots for the paths of those that an entry names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/node.h"
#include "engine/live_internal.h"

struct name { /* of a birth */
    hg_pos birth;
    uint64_t number; /* of the reference it is of */
    int is_head;     /* that is the newest state's */
    int found;
    uint32_t key_len, key_cap;
    size_t key_at; /* in the mark's keys; in the end the path's place in the list's paths */
    size_t path_len;
};

static struct hg_live_thing *things_of(const struct hg_buf *b, size_t *out_n)
{
    *out_n = b->len / sizeof(struct hg_live_thing);
    return (struct hg_live_thing *)(void *)b->data;
}

/* Payloads have none. */
static int wants_path(const struct hg_live_thing *t)
{
    return t->kind == HG_LIVE_RECORD || (t->kind == HG_LIVE_PIECE && t->type == HG_REC_LARGE);
}

/* ---- order ---------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct hg_live_thing *x = a;
    const struct hg_live_thing *y = b;

    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->birth != y->birth)
        return x->birth < y->birth ? -1 : 1;
    return (x->holder > y->holder) - (x->holder < y->holder);
}

/* In order, each once: records of different rounds share their times. Values may share bytes of a compressed segment: both
 * live. */
static void sort_things(struct hg_buf *b)
{
    size_t n;
    struct hg_live_thing *t = things_of(b, &n);
    size_t kept = 0;

    if (n > 0)
        qsort(t, n, sizeof *t, by_place);
    for (size_t i = 0; i < n; i++) {
        int same = kept > 0 && t[i].segment == t[kept - 1].segment &&
                   t[i].offset == t[kept - 1].offset && t[i].kind == t[kept - 1].kind &&
                   t[i].birth == t[kept - 1].birth;
        if (!same)
            t[kept++] = t[i];
    }
    b->len = kept * sizeof *t;
}

/* ---- names ---------------------------------------------------------------------------------------- */

static int by_birth(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;

    return (x->birth > y->birth) - (x->birth < y->birth);
}

static struct name *find_name(const struct hg_mark *m, hg_pos birth)
{
    struct name key = { .birth = birth };

    return m->names.len == 0
               ? NULL
               : bsearch(&key, m->names.data, m->names.len / sizeof key, sizeof key, by_birth);
}

/* Whose paths are to be found. */
static int list_names(struct hg_mark *m)
{
    size_t n;
    const struct hg_live_thing *t = things_of(&m->things, &n);
    struct name *names;
    size_t kept = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct name name = { .birth = t[i].birth };
        if (wants_path(&t[i]))
            rc = hg_live_append(&m->memory, &m->names, &name, sizeof name);
    }
    names = (struct name *)(void *)m->names.data;
    n = m->names.len / sizeof *names;
    if (n > 0)
        qsort(names, n, sizeof *names, by_birth);
    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct hg_live_place *p;
        if (kept > 0 && names[i].birth == names[kept - 1].birth)
            continue;
        names[kept++] = names[i];
        rc = hg_mark_place(m, hg_pos_segment(names[i].birth), 0, &p);
        if (rc == HOLOG_OK)
            p->named = 1;
    }
    m->names.len = kept * sizeof *names;
    return rc;
}

static int set_key(struct hg_mark *m, struct name *name, const uint8_t *key, size_t len)
{
    int rc = HOLOG_OK;

    if (len > name->key_cap) {
        name->key_at = m->keys.len;
        name->key_cap = (uint32_t)len;
        rc = hg_live_append(&m->memory, &m->keys, key, len);
    } else if (len > 0) {
        memcpy(m->keys.data + name->key_at, key, len);
    }
    name->key_len = (uint32_t)len;
    return rc;
}

/* The second pass: that of the newest state counts, then the newest one. */
static int note_name(struct hg_mark *m, const uint8_t *key, size_t len,
                     const struct hg_locator *loc, uint64_t number)
{
    int is_head = m->holder == HG_HOLD_HEAD;
    struct hg_live_place *p;
    struct name *name;
    int rc;

    if (loc->segment == 0)
        return HOLOG_OK;
    rc = hg_mark_place(m, loc->segment, 0, &p);
    if (rc < 0 || !p->named)
        return rc;
    name = find_name(m, hg_pos_make(loc->segment, loc->offset));
    if (name == NULL || (name->found && (name->is_head > is_head ||
                                         (name->is_head == is_head && name->number >= number))))
        return HOLOG_OK;
    name->found = 1;
    name->is_head = is_head;
    name->number = number;
    return set_key(m, name, key, len);
}

static int find_names(struct hg_mark *m)
{
    int rc = list_names(m);

    m->each = note_name;
    for (m->holder = 0; m->holder < HG_HOLDERS && rc == HOLOG_OK; m->holder++)
        rc = hg_mark_walk(m);
    hg_mark_walk_end(m);
    return rc;
}

/* ---- paths ---------------------------------------------------------------------------------------- */

static int make_path(const struct hg_mark *m, struct name *name, struct hg_buf *paths)
{
    char path[HG_PATH_MAX + 1];
    size_t len = 0;
    int rc = hg_key_to_path(m->keys.data + name->key_at, name->key_len, path, &len);

    if (rc < 0)
        return rc;
    path[len] = 0;
    name->key_at = paths->len;
    name->path_len = len;
    return hg_buf_append(paths, path, len + 1);
}

static int is_chunk(const char *path, size_t len)
{
    uint64_t index[HG_RANK_MAX];
    size_t at = len;

    while (at > 0 && path[at - 1] != '/')
        at--;
    return hg_node_valid(path + at, len - at) && hg_node_index(path + at, len - at, index) >= 0;
}

static void set_path(struct hg_live_thing *t, const struct name *name, const struct hg_buf *paths)
{
    if (name == NULL || !name->found)
        return;
    t->path = (const char *)paths->data + name->key_at;
    t->path_len = name->path_len;
    t->is_chunk = t->kind == HG_LIVE_PIECE && is_chunk(t->path, t->path_len);
}

static int set_paths(struct hg_mark *m, struct hg_live_list *out)
{
    struct name *names = (struct name *)(void *)m->names.data;
    size_t n;
    struct hg_live_thing *t = things_of(&m->things, &n);
    int rc = HOLOG_OK;

    for (size_t i = 0; i < m->names.len / sizeof *names && rc == HOLOG_OK; i++) {
        if (names[i].found)
            rc = make_path(m, &names[i], &out->paths);
    }
    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        if (wants_path(&t[i]))
            set_path(&t[i], find_name(m, t[i].birth), &out->paths);
    }
    return rc;
}

/* ---- the list ------------------------------------------------------------------------------------- */

/* With a segment that has the pages of others, what lives in those. */
static void choose_pages(struct hg_mark *m, uint32_t home)
{
    for (size_t i = 0; i < hg_mark_places(m); i++) {
        if (hg_mark_place_at(m, i)->home == home)
            hg_mark_place_at(m, i)->chosen = 1;
    }
}

static int choose(struct hg_mark *m, const uint32_t *segments, size_t n)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct hg_live_place *p;
        rc = hg_mark_place(m, segments[i], 0, &p);
        if (rc == HOLOG_OK) {
            p->chosen = 1;
            choose_pages(m, segments[i]);
        }
    }
    return rc;
}

int hg_live_things(holog_store *s, const uint32_t *segments, size_t n, struct hg_live_list *out)
{
    struct hg_mark m = { .s = s, .memory = { .cache = s->cache } };
    int rc = hg_mark_begin(&m);

    *out = (struct hg_live_list){ 0 };
    if (rc == HOLOG_OK)
        rc = choose(&m, segments, n);
    if (rc == HOLOG_OK)
        rc = hg_mark_rounds(&m);
    sort_things(&m.things);
    if (rc == HOLOG_OK)
        rc = find_names(&m);
    if (rc == HOLOG_OK)
        rc = set_paths(&m, out);
    out->things = m.things;
    m.things = (struct hg_buf){ 0 };
    hg_mark_end(&m);
    if (rc == HOLOG_OK) {
        rc = hg_budget_take(s->cache, out->things.cap + out->paths.cap);
        out->taken = rc == HOLOG_OK ? out->things.cap + out->paths.cap : 0;
    }
    return rc;
}

void hg_live_list_release(holog_store *s, struct hg_live_list *list)
{
    hg_budget_give(s->cache, list->taken);
    hg_buf_release(&list->things);
    hg_buf_release(&list->paths);
    list->taken = 0;
}
