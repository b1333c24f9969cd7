/*
 * From a path to an entry, through symlinks.
 *
 * The usual path costs one or two lookups: an entry that is there under its literal key has
 * directories above it, since nothing can be put below anything else. So the nearest entry above it
 * that is there tells all: components are walked one by one only when that is no directory.
 */
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"

struct walk {
    const struct hg_lookup *l;
    char done[HG_PATH_MAX + 1]; /* resolved so far: a directory, or "" */
    size_t done_len;
    char rest[2 * HG_PATH_MAX + 2]; /* still to walk */
    size_t rest_len;
    int links;
};

static int look(const struct hg_lookup *l, const char *path, size_t len, struct hg_key *key,
                struct hg_locator *loc)
{
    int rc;

    hg_key_make(path, len, key);
    rc = l->get(l->ctx, key->bytes, key->len, loc);
    if (rc == HOLOG_E_NOENT)
        loc->type = 0;
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* The next component of what is left: its length; it starts at w->rest. */
static size_t next_name(const struct walk *w)
{
    const char *slash = memchr(w->rest, '/', w->rest_len);
    return slash == NULL ? w->rest_len : (size_t)(slash - w->rest);
}

static void drop_name(struct walk *w, size_t name_len)
{
    size_t skip = name_len < w->rest_len ? name_len + 1 : name_len;
    memmove(w->rest, w->rest + skip, w->rest_len - skip);
    w->rest_len -= skip;
}

static int push_name(struct walk *w, const char *name, size_t len)
{
    size_t at = w->done_len;

    if (at + (at > 0) + len > HG_PATH_MAX)
        return hg_error_path(HOLOG_E_NAMETOOLONG, w->done, (uint32_t)at,
                             "the path is longer than %d bytes when its symlinks are followed",
                             HG_PATH_MAX);
    if (at > 0)
        w->done[at++] = '/';
    memcpy(w->done + at, name, len);
    w->done_len = at + len;
    w->done[w->done_len] = 0;
    return HOLOG_OK;
}

static void pop_name(struct walk *w)
{
    w->done_len = w->done_len == 0 ? 0 : hg_path_parent(w->done, w->done_len);
    w->done[w->done_len] = 0;
}

/* Put a symlink's target in front of what is left to walk. */
static int splice_target(struct walk *w, const struct hg_locator *loc)
{
    char target[HG_PATH_MAX + 1];
    size_t len = 0;
    int rc;

    if (++w->links > HOLOG_LINKS_MAX)
        return hg_error_path(HOLOG_E_LOOP, w->done, (uint32_t)w->done_len,
                             "more than %d symlinks on the way", HOLOG_LINKS_MAX);
    rc = w->l->target(w->l->ctx, loc, target, &len);
    if (rc < 0)
        return rc;
    if (len + 1 + w->rest_len > sizeof w->rest)
        return hg_error_path(HOLOG_E_NAMETOOLONG, w->done, (uint32_t)w->done_len,
                             "the path is too long when its symlinks are followed");
    pop_name(w); /* the link itself: relative targets start at its directory */
    if (len > 0 && target[0] == '/') {
        w->done_len = 0;
        w->done[0] = 0;
    }
    memmove(w->rest + len + 1, w->rest, w->rest_len);
    memcpy(w->rest, target, len);
    w->rest[len] = '/';
    w->rest_len += len + 1;
    return HOLOG_OK;
}

/* One component. */
static int step(struct walk *w, int follow, struct hg_key *key, struct hg_locator *loc)
{
    size_t len = next_name(w);
    char name[HG_NAME_MAX + 1];
    int last;
    int rc;

    if (len > HG_NAME_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "a symlink's target has a component of %zu bytes",
                        len);
    memcpy(name, w->rest, len);
    drop_name(w, len);
    while (w->rest_len > 0 && w->rest[0] == '/')
        drop_name(w, 0);
    last = w->rest_len == 0;
    if (len == 0 || (len == 1 && name[0] == '.') ||
        (len == 2 && name[0] == '.' && name[1] == '.')) {
        if (len == 2)
            pop_name(w);
        return look(w->l, w->done, w->done_len, key, loc);
    }
    rc = push_name(w, name, len);
    if (rc == HOLOG_OK)
        rc = look(w->l, w->done, w->done_len, key, loc);
    if (rc < 0)
        return rc;
    if (loc->type == HG_ENTRY_SYMLINK && (!last || follow))
        return splice_target(w, loc);
    if (last || loc->type == HG_ENTRY_DIR || loc->type == HG_ENTRY_ARRAY)
        return HOLOG_OK;
    return loc->type == 0
               ? hg_error_path(HOLOG_E_NOENT, w->done, (uint32_t)w->done_len,
                               "%s: no such directory", w->done)
               : hg_error_path(HOLOG_E_NOTDIR, w->done, (uint32_t)w->done_len, "not a directory");
}

static int walk_all(const struct hg_lookup *l, const char *path, size_t len, int follow,
                    struct hg_resolved *out)
{
    struct walk w; /* 12 KiB: only what counts is set */
    int rc = look(l, "", 0, &out->key, &out->loc);

    w.l = l;
    w.links = 0;
    w.done[0] = 0;
    w.done_len = 0;
    memcpy(w.rest, path, len);
    w.rest_len = len;
    while (rc == HOLOG_OK && w.rest_len > 0)
        rc = step(&w, follow, &out->key, &out->loc);
    if (rc < 0)
        return rc;
    memcpy(out->path, w.done, w.done_len + 1);
    out->path_len = w.done_len;
    return HOLOG_OK;
}

static int missing_directory(const struct hg_lookup *l, const char *path, size_t len)
{
    return l->quiet ? HOLOG_E_NOENT
                    : hg_error_path(HOLOG_E_NOENT, path, (uint32_t)len, "%.*s: no such directory",
                                    (int)len, path);
}

/* Of an entry that is missing: up to the nearest that is there. 1: its parent, a directory; 0: what
 * is there is no directory, so names do not tell; HOLOG_E_NOENT: a directory further up. */
static int climb(const struct hg_lookup *l, const char *path, size_t path_len,
                 struct hg_resolved *out)
{
    const uint8_t *key = out->key.bytes;
    size_t key_len = out->key.parent_len;

    out->missing = path_len;
    for (;;) {
        struct hg_locator loc;
        int rc = l->get(l->ctx, key, key_len, &loc);
        int is_dir = rc == HOLOG_OK && (loc.type == HG_ENTRY_DIR || loc.type == HG_ENTRY_ARRAY);
        if (is_dir && out->missing < path_len)
            return missing_directory(l, path, out->missing);
        if (rc != HOLOG_E_NOENT)
            return rc < 0 ? rc : is_dir;
        out->missing = hg_path_parent(path, out->missing);
        key_len = hg_key_parent(key, key_len);
    }
}

int hg_resolve(const struct hg_lookup *l, const char *path, size_t path_len, int follow,
               struct hg_resolved *out)
{
    int rc = look(l, path, path_len, &out->key, &out->loc);

    out->literal = 1;
    if (rc < 0)
        return rc;
    if (out->loc.type == 0)
        rc = climb(l, path, path_len, out);
    else
        rc = out->loc.type != HG_ENTRY_SYMLINK || !follow;
    if (rc < 0)
        return rc;
    if (rc == 0) {
        out->literal = 0;
        return walk_all(l, path, path_len, follow, out);
    }
    memcpy(out->path, path, path_len);
    out->path[path_len] = 0;
    out->path_len = path_len;
    return HOLOG_OK;
}

/* An empty path is more often a variable that was never set than the root. */
int hg_user_path(const char *path, char *out, size_t *out_len)
{
    if (path == NULL)
        return hg_error(HOLOG_E_INVAL, "the path is NULL");
    if (path[0] == 0)
        return hg_error(HOLOG_E_BADPATH, "the path is empty; the root directory is \"/\"");
    return hg_path_canonical(path, strlen(path), out, out_len);
}

int hg_resolve_user(const struct hg_lookup *l, const char *path, int follow,
                    struct hg_resolved *out)
{
    char canonical[HG_PATH_MAX + 1];
    size_t len = 0;
    int rc = hg_user_path(path, canonical, &len);

    return rc < 0 ? rc : hg_resolve(l, canonical, len, follow, out);
}

/* ---- where to look -------------------------------------------------------------------------------*/

static int get_in_version(void *ctx, const uint8_t *key, size_t len, struct hg_locator *out)
{
    const struct hg_version *v = ctx;

    if (len == 0) {
        *out = (struct hg_locator){ .type = HG_ENTRY_DIR, .size = v->sums.root_number };
        return HOLOG_OK;
    }
    return v->is_past ? hg_past_get(v->root, v->past, key, len, v->number, out)
                      : hg_root_lookup(v->root, key, len, out);
}

static int target_in_version(void *ctx, const struct hg_locator *loc, char *out, size_t *out_len)
{
    const struct hg_version *v = ctx;
    return hg_value_target(v->store, loc, out, out_len);
}

void hg_lookup_version(holog_store *s, struct hg_version *v, struct hg_lookup *out)
{
    *out = (struct hg_lookup){
        .store = s, .ctx = v, .get = get_in_version, .target = target_in_version
    };
}
