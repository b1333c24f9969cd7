/*
 * The shadow model; see model.h.
 */
#include "model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holog/compact.h"
#include "holog/versions.h"

const char *const model_tag_names[MODEL_TAGS] = { "v1", "v2" };

uint64_t rng_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void value_fill(uint8_t *out, size_t len, uint64_t seed)
{
    uint64_t s = seed * 1000003 + len;

    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = rng_next(&s);
        memcpy(out + i, &v, len - i < 8 ? len - i : 8);
    }
}

void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
}

void model_release(struct model *m)
{
    free(m->e);
    model_init(m);
}

void model_copy(const struct model *m, struct model *out)
{
    *out = *m;
    out->e = malloc((m->n + 1) * sizeof *m->e);
    assert(out->e != NULL);
    if (m->n > 0)
        memcpy(out->e, m->e, m->n * sizeof *m->e);
}

static size_t lower(const struct model *m, const char *path)
{
    size_t i = 0;
    while (i < m->n && strcmp(m->e[i].path, path) < 0)
        i++;
    return i;
}

static struct model_entry *find(const struct model *m, const char *path)
{
    size_t i = lower(m, path);
    return i < m->n && strcmp(m->e[i].path, path) == 0 ? &m->e[i] : NULL;
}

static void put(struct model *m, const struct model_entry *e)
{
    size_t i = lower(m, e->path);

    if (i < m->n && strcmp(m->e[i].path, e->path) == 0) {
        m->e[i] = *e;
        return;
    }
    m->e = realloc(m->e, (m->n + 1) * sizeof *m->e);
    assert(m->e != NULL);
    memmove(m->e + i + 1, m->e + i, (m->n - i) * sizeof *m->e);
    m->e[i] = *e;
    m->n++;
}

static int is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return n == 0 || (strncmp(path, dir, n) == 0 && path[n] == '/');
}

static void drop_tree(struct model *m, const char *path)
{
    size_t to = 0;

    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->e[i].path, path) != 0 && !is_below(m->e[i].path, path))
            m->e[to++] = m->e[i];
    }
    m->n = to;
}

/* The type of what contains path: the first ancestor, from the root on, that is no directory. */
static int parent_type(const struct model *m, const char *path)
{
    char dir[MODEL_PATH];

    for (size_t i = 1; path[0] != 0 && path[i] != 0; i++) {
        const struct model_entry *e;
        if (path[i] != '/')
            continue;
        memcpy(dir, path, i);
        dir[i] = 0;
        e = find(m, dir);
        if (e == NULL || e->type != HOLOG_DIRECTORY)
            return e == NULL ? HOLOG_MISSING : e->type;
    }
    return HOLOG_DIRECTORY;
}

static int need_parent(struct model *m, const char *path, unsigned flags)
{
    char dir[MODEL_PATH];
    int type = parent_type(m, path);

    if (type == HOLOG_DIRECTORY)
        return HOLOG_OK;
    if (type != HOLOG_MISSING)
        return HOLOG_E_NOTDIR;
    if ((flags & HOLOG_PARENTS) == 0)
        return HOLOG_E_NOENT;
    for (size_t i = 1; path[i] != 0; i++) {
        struct model_entry e = { .type = HOLOG_DIRECTORY };
        const struct model_entry *have;
        if (path[i] != '/')
            continue;
        memcpy(dir, path, i);
        dir[i] = 0;
        have = find(m, dir);
        if (have != NULL && have->type != HOLOG_DIRECTORY)
            return HOLOG_E_NOTDIR;
        if (have == NULL) {
            memcpy(e.path, dir, i + 1);
            put(m, &e);
        }
    }
    return HOLOG_OK;
}

static int may_put(struct model *m, const char *path, unsigned flags)
{
    const struct model_entry *e = find(m, path);
    int rc = need_parent(m, path, flags);

    if (rc < 0)
        return rc;
    if (e == NULL)
        return HOLOG_OK;
    if ((flags & HOLOG_REPLACE) == 0)
        return HOLOG_E_EXIST;
    return e->type == HOLOG_DIRECTORY ? HOLOG_E_ISDIR : HOLOG_OK;
}

static int save(struct model *m, const char *path, size_t len, uint64_t seed, unsigned flags)
{
    struct model_entry e = { .type = HOLOG_BLOB, .seed = seed, .len = len };
    int rc = may_put(m, path, flags);

    if (rc < 0)
        return rc;
    (void)snprintf(e.path, sizeof e.path, "%s", path);
    put(m, &e);
    return HOLOG_OK;
}

static int batch(struct model *m, const struct step *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        char path[MODEL_PATH];
        int rc;
        (void)snprintf(path, sizeof path, "%s/%u", s->path, i);
        rc = save(m, path, s->len, s->seed + i, s->flags);
        if (rc < 0)
            return rc;
    }
    return HOLOG_OK;
}

static int transfer(struct model *m, const struct step *s)
{
    const struct model_entry *from = find(m, s->path);
    const struct model_entry *to = find(m, s->to);
    struct model src;
    int rc;

    if (parent_type(m, s->path) == HOLOG_MISSING)
        return HOLOG_E_NOENT;
    if (parent_type(m, s->path) != HOLOG_DIRECTORY)
        return HOLOG_E_NOTDIR;
    if (from == NULL)
        return HOLOG_E_NOENT;
    rc = need_parent(m, s->to, 0);
    if (rc < 0)
        return rc;
    if (strcmp(s->path, s->to) == 0)
        return HOLOG_E_EXIST;
    if (is_below(s->to, s->path))
        return HOLOG_E_INVAL;
    if (to != NULL && (s->flags & HOLOG_REPLACE) != 0 && from->type == HOLOG_DIRECTORY)
        return HOLOG_E_NOTDIR;
    if (to != NULL)
        rc = (s->flags & HOLOG_REPLACE) == 0 ? HOLOG_E_EXIST
             : to->type == HOLOG_DIRECTORY   ? HOLOG_E_ISDIR
                                             : HOLOG_OK;
    if (rc < 0)
        return rc;
    model_copy(m, &src);
    for (size_t i = 0; i < src.n; i++) {
        struct model_entry e = src.e[i];
        if (strcmp(e.path, s->path) != 0 && !is_below(e.path, s->path))
            continue;
        (void)snprintf(e.path, sizeof e.path, "%s%s", s->to, src.e[i].path + strlen(s->path));
        put(m, &e);
    }
    model_release(&src);
    if (s->op == STEP_MOVE)
        drop_tree(m, s->path);
    return HOLOG_OK;
}

static int apply(struct model *m, const struct step *s)
{
    struct model_entry e = { .type = HOLOG_DIRECTORY };
    const struct model_entry *have;
    int rc;

    switch (s->op) {
    case STEP_SAVE: return save(m, s->path, s->len, s->seed, s->flags);
    case STEP_BATCH: return batch(m, s);
    case STEP_MKDIR:
        rc = need_parent(m, s->path, s->flags);
        have = find(m, s->path);
        if (rc < 0)
            return rc;
        if (have != NULL)
            return (s->flags & HOLOG_PARENTS) == 0 ? HOLOG_E_EXIST
                   : have->type == HOLOG_DIRECTORY ? HOLOG_OK
                                                   : HOLOG_E_NOTDIR;
        (void)snprintf(e.path, sizeof e.path, "%s", s->path);
        put(m, &e);
        return HOLOG_OK;
    case STEP_SYMLINK:
        rc = may_put(m, s->path, s->flags);
        if (rc < 0)
            return rc;
        e.type = HOLOG_SYMLINK;
        (void)snprintf(e.path, sizeof e.path, "%s", s->path);
        (void)snprintf(e.target, sizeof e.target, "%s", s->to);
        put(m, &e);
        return HOLOG_OK;
    case STEP_DELETE:
    case STEP_DELETE_ALL:
        if (s->path[0] == 0 && s->op == STEP_DELETE_ALL) {
            m->n = 0;
            return HOLOG_OK;
        }
        if (s->path[0] == 0)
            return HOLOG_E_INVAL;
        rc = need_parent(m, s->path, 0);
        if (rc < 0)
            return rc;
        have = find(m, s->path);
        if (have == NULL)
            return HOLOG_E_NOENT;
        if (s->op == STEP_DELETE) {
            for (size_t i = 0; i < m->n; i++)
                if (is_below(m->e[i].path, s->path))
                    return HOLOG_E_NOTEMPTY;
        }
        drop_tree(m, s->path);
        return HOLOG_OK;
    case STEP_MOVE:
    case STEP_COPY: return transfer(m, s);
    case STEP_ROLLBACK:
    case STEP_TAG:
    case STEP_GC:
    case STEP_SYNC:
    case STEP_REOPEN:
    case STEP_COMPACT:
    case STEP_BASE:
    case STEP_IDLE:
    default: return HOLOG_OK;
    }
}

void model_tag(struct model *m, const struct step *s, int certain)
{
    for (int i = 0; i < MODEL_TAGS; i++) {
        if (strcmp(model_tag_names[i], s->path) == 0)
            m->later[i] = s->number;
    }
    if (certain)
        memcpy(m->tags, m->later, sizeof m->tags);
}

int store_tag(holog_store *store, const struct step *s)
{
    return s->number == 0 ? holog_tag_delete(store, s->path)
                          : holog_tag(store, s->path, s->number, HOLOG_REPLACE);
}

int store_compact(holog_store *store, const struct step *s)
{
    const holog_compact_options o = { .struct_size = sizeof o, .flags = s->flags };

    return holog_compact(store, &o, NULL);
}

const struct model_entry *model_find(const struct model *m, const char *path)
{
    return find(m, path);
}

void model_add(struct model *m, const struct model *from)
{
    for (size_t i = 0; i < from->n; i++)
        put(m, &from->e[i]);
}

int model_rollback(struct model *m, const struct model *then, const char *path)
{
    int type = parent_type(m, path);

    if (type != HOLOG_DIRECTORY)
        return type == HOLOG_MISSING ? HOLOG_E_NOENT : HOLOG_E_NOTDIR;
    if (path[0] != 0 && find(m, path) == NULL && find(then, path) == NULL)
        return HOLOG_E_NOENT;
    drop_tree(m, path);
    for (size_t i = 0; i < then->n; i++) {
        if (strcmp(then->e[i].path, path) == 0 || is_below(then->e[i].path, path))
            put(m, &then->e[i]);
    }
    return HOLOG_OK;
}

int model_apply(struct model *m, const struct step *s)
{
    struct model before;
    int rc;

    model_copy(m, &before);
    rc = apply(m, s);
    if (rc < 0) {
        model_release(m);
        *m = before;
    } else {
        model_release(&before);
    }
    return rc;
}

int step_commits(const struct step *s)
{
    return s->op != STEP_SYNC && s->op != STEP_REOPEN && s->op != STEP_IDLE && s->op != STEP_TAG &&
           s->op != STEP_GC && s->op != STEP_COMPACT && s->op != STEP_BASE;
}

static int txn_batch(holog_txn *t, const struct step *s)
{
    uint8_t *v = malloc(s->len + 1);
    int rc = HOLOG_OK;

    assert(v != NULL);
    for (unsigned i = 0; i < s->count && rc == HOLOG_OK; i++) {
        char path[MODEL_PATH];
        (void)snprintf(path, sizeof path, "%s/%u", s->path, i);
        value_fill(v, s->len, s->seed + i);
        rc = holog_txn_save(t, path, v, s->len, s->flags);
    }
    free(v);
    return rc;
}

int step_in_txn(holog_txn *t, const struct step *s)
{
    uint8_t *v;
    int rc;

    switch (s->op) {
    case STEP_SAVE:
        v = malloc(s->len + 1);
        assert(v != NULL);
        value_fill(v, s->len, s->seed);
        rc = holog_txn_save(t, s->path, v, s->len, s->flags);
        free(v);
        return rc;
    case STEP_BATCH: return txn_batch(t, s);
    case STEP_MKDIR: return holog_txn_mkdir(t, s->path, s->flags);
    case STEP_DELETE: return holog_txn_delete(t, s->path);
    case STEP_DELETE_ALL: return holog_txn_delete_all(t, s->path[0] == 0 ? "/" : s->path);
    case STEP_MOVE: return holog_txn_move(t, s->path, s->to, s->flags);
    case STEP_COPY: return holog_txn_copy(t, s->path, s->to, s->flags);
    case STEP_SYMLINK: return holog_txn_symlink(t, s->to, s->path, s->flags);
    case STEP_ROLLBACK: return holog_txn_rollback(t, s->path[0] == 0 ? "/" : s->path, s->number);
    case STEP_TAG:
    case STEP_GC:
    case STEP_SYNC:
    case STEP_REOPEN:
    case STEP_COMPACT:
    case STEP_BASE:
    case STEP_IDLE:
    default: return HOLOG_OK;
    }
}

int store_apply(holog_store *store, const struct step *s, uint64_t *out_number)
{
    holog_txn *t = NULL;
    int rc = holog_begin(store, &t);

    if (rc < 0)
        return rc;
    rc = holog_txn_sync(t, s->sync);
    if (rc == HOLOG_OK)
        rc = step_in_txn(t, s);
    if (rc < 0) {
        holog_abort(t);
        return rc;
    }
    return holog_commit(t, out_number);
}

/* ---- comparing --------------------------------------------------------------------------------*/

static char why[256];

static const char *entry_differs(const struct model_entry *e, const holog_entry *got,
                                 holog_store *store, holog_view *view)
{
    holog_value *v = NULL;
    uint8_t *want;
    char target[MODEL_PATH + 1];
    int rc;
    int same;

    if (got->type != (uint32_t)e->type) {
        (void)snprintf(why, sizeof why, "%s has type %u, not %d", e->path, got->type, e->type);
        return why;
    }
    if (e->type == HOLOG_SYMLINK) {
        rc = holog_readlink(store, e->path, target, sizeof target);
        if (rc < 0 || strcmp(target, e->target) != 0) {
            (void)snprintf(why, sizeof why, "%s points elsewhere (%d)", e->path, rc);
            return why;
        }
    }
    if (e->type != HOLOG_BLOB)
        return NULL;
    rc = holog_view_load(view, e->path, &v);
    if (rc < 0 || holog_value_size(v) != e->len) {
        struct holog_error_detail d;
        holog_last_error(&d);
        (void)snprintf(why, sizeof why, "%s: %s (%.120s), %zu bytes, not %zu", e->path,
                       holog_error_name(rc), rc < 0 ? d.message : "", holog_value_size(v), e->len);
        holog_value_release(v);
        return why;
    }
    want = malloc(e->len + 1);
    assert(want != NULL);
    value_fill(want, e->len, e->seed);
    same = memcmp(want, holog_value_data(v), e->len) == 0;
    free(want);
    holog_value_release(v);
    if (!same) {
        (void)snprintf(why, sizeof why, "%s has wrong bytes", e->path);
        return why;
    }
    return NULL;
}

static const char *view_differs(const struct model *m, holog_store *store, holog_view *view)
{
    holog_cursor *c = NULL;
    const holog_entry *got;
    const char *diff = NULL;
    size_t seen = 0;
    int rc = holog_view_list(view, "/", HOLOG_LIST_RECURSIVE, NULL, NULL, &c);
    while (rc == HOLOG_OK && diff == NULL && (rc = holog_cursor_next(c, &got)) == HOLOG_OK) {
        const struct model_entry *e = find(m, got->path);
        seen++;
        if (e == NULL) {
            (void)snprintf(why, sizeof why, "%.100s should not be there", got->path);
            diff = why;
        } else {
            diff = entry_differs(e, got, store, view);
        }
    }
    if (diff == NULL && rc != HOLOG_E_NOENT) {
        (void)snprintf(why, sizeof why, "listing fails: %s", holog_error_name(rc));
        diff = why;
    }
    if (diff == NULL && seen != m->n) {
        (void)snprintf(why, sizeof why, "%zu entries, not %zu", seen, m->n);
        diff = why;
    }
    holog_cursor_close(c);
    return diff;
}

const char *model_differs(const struct model *m, holog_store *store)
{
    holog_view *view = NULL;
    const char *diff =
        holog_view_open(store, &view) < 0 ? "there is no view" : view_differs(m, store, view);

    holog_view_close(view);
    return diff;
}

const char *model_differs_at(const struct model *m, holog_store *store, uint64_t number)
{
    holog_view *view = NULL;
    int rc = holog_view_open_at(store, number, &view);
    const char *diff = rc == HOLOG_E_DROPPED ? NULL
                       : rc < 0              ? "there is no view of an earlier commit"
                                             : view_differs(m, store, view);

    holog_view_close(view);
    return diff;
}

const char *model_tags_differ(const struct model *m, holog_store *store, uint64_t *out_tags)
{
    uint64_t got[MODEL_TAGS] = { 0 };

    for (int i = 0; i < MODEL_TAGS; i++) {
        int rc = holog_ref(store, model_tag_names[i], &got[i]);
        if (rc < 0 && rc != HOLOG_E_NOENT)
            return "a tag names nothing";
    }
    if (memcmp(got, m->tags, sizeof got) != 0 && memcmp(got, m->later, sizeof got) != 0) {
        (void)snprintf(why, sizeof why, "tags %llu, %llu; not %llu, %llu, or %llu, %llu",
                       (unsigned long long)got[0], (unsigned long long)got[1],
                       (unsigned long long)m->tags[0], (unsigned long long)m->tags[1],
                       (unsigned long long)m->later[0], (unsigned long long)m->later[1]);
        return why;
    }
    if (out_tags != NULL)
        memcpy(out_tags, got, sizeof got);
    return NULL;
}
