/*
 * A backend of somebody else's: objects in memory of its own, by path. A module that sees holog/backend.h and is
 * linked with nothing; it keeps the contract that the built-in ones keep, and so shows what there is to do.
 *
 * Things are counted and never change, so a change that fails is undone by putting the table back that was
 * there before it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "holog/backend.h"

struct thing {
    int refs; /* atomic */
    uint32_t type;
    holog_object_info info;
    uint64_t number;
    size_t len;
    char bytes[]; /* elements, or a symlink's target with its NUL */
};

struct entry {
    char *path; /* without a '/' in front; the root is not among them */
    struct thing *thing;
};

struct table {
    struct entry *entries;
    size_t n;
};

struct map {
    pthread_mutex_t lock;
    struct table table; /* lock */
    uint64_t number;    /* lock: of the last change */
};

/* ---- things and tables -----------------------------------------------------------------------------*/

static void thing_put(void *owner)
{
    struct thing *t = owner;

    if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(t);
}

static struct thing *thing_get(struct thing *t)
{
    (void)__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

static struct thing *thing_new(uint32_t type, const void *bytes, size_t len)
{
    struct thing *t = calloc(1, sizeof *t + len + 1);

    if (t == NULL)
        return NULL;
    t->refs = 1;
    t->type = type;
    t->len = len;
    if (len > 0)
        memcpy(t->bytes, bytes, len);
    return t;
}

static void table_release(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->entries[i].path);
        thing_put(t->entries[i].thing);
    }
    free(t->entries);
    *t = (struct table){ 0 };
}

/* Takes over the count on the thing. */
static int table_add(struct table *t, const char *path, struct thing *thing)
{
    struct entry *more = realloc(t->entries, (t->n + 1) * sizeof *more);
    char *copy = strdup(path);

    if (more != NULL)
        t->entries = more;
    if (more == NULL || copy == NULL || thing == NULL) {
        free(copy);
        if (thing != NULL)
            thing_put(thing);
        return HOLOG_E_NOMEM;
    }
    t->entries[t->n++] = (struct entry){ copy, thing };
    return HOLOG_OK;
}

static int table_copy(const struct table *from, struct table *out)
{
    int rc = HOLOG_OK;

    *out = (struct table){ 0 };
    for (size_t i = 0; rc == HOLOG_OK && i < from->n; i++)
        rc = table_add(out, from->entries[i].path, thing_get(from->entries[i].thing));
    if (rc < 0)
        table_release(out);
    return rc;
}

static void table_drop(struct table *t, size_t i)
{
    free(t->entries[i].path);
    thing_put(t->entries[i].thing);
    t->entries[i] = t->entries[--t->n];
}

static struct thing *find(const struct table *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->entries[i].path, path) == 0)
            return t->entries[i].thing;
    return NULL;
}

/* Is path below dir ("": the root), or dir itself? */
static int is_at_or_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return len == 0 || (strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/'));
}

/* ---- paths -----------------------------------------------------------------------------------------*/

struct found {
    char path[HOLOG_PATH_MAX + 1];
    uint32_t type;
    struct thing *thing; /* NULL: missing, or the root */
};

static void append(char *path, const char *component, size_t len)
{
    size_t at = strlen(path);

    if (at > 0)
        path[at++] = '/';
    memcpy(path + at, component, len);
    path[at + len] = '\0';
}

/* Of one component that was appended to f->path. out_target: a symlink that is to be followed. */
static int step(const struct table *t, struct found *f, int is_last, int follow,
                const char **out_target)
{
    f->thing = find(t, f->path);
    f->type = f->thing != NULL ? f->thing->type : HOLOG_MISSING;
    if (f->thing == NULL)
        return is_last ? HOLOG_OK : HOLOG_E_NOENT;
    if (f->type == HOLOG_SYMLINK && (!is_last || follow))
        *out_target = f->thing->bytes;
    else if (!is_last && f->type != HOLOG_DIRECTORY)
        return HOLOG_E_NOTDIR;
    return HOLOG_OK;
}

static int resolve(const struct table *t, const char *path, int follow, struct found *f)
{
    char rest[2 * HOLOG_PATH_MAX + 3] = "";
    int links = 0;

    *f = (struct found){ .type = HOLOG_DIRECTORY };
    memcpy(rest, path, strlen(path) + 1);
    for (char *at = rest; *at != '\0';) {
        size_t before = strlen(f->path);
        size_t len = strcspn(at, "/");
        const char *target = NULL;
        char *next = at + len + (at[len] == '/');
        if (len > 0) {
            int rc;
            append(f->path, at, len);
            rc = step(t, f, *next == '\0', follow, &target);
            if (rc < 0)
                return rc;
        }
        at = next;
        if (target != NULL) {
            size_t target_len = strlen(target);
            if (++links > HOLOG_LINKS_MAX || target_len + 1 + strlen(at) >= sizeof rest)
                return HOLOG_E_LOOP;
            memmove(rest + target_len + 1, at, strlen(at) + 1);
            memcpy(rest, target, target_len);
            rest[target_len] = '/';
            if (rest[target_len + 1] == '\0')
                rest[target_len] = '\0';
            f->path[target[0] == '/' ? 0 : before] = '\0';
            at = rest;
        }
    }
    return HOLOG_OK;
}

static int make_directory(struct table *t, const char *path)
{
    struct found f;
    char parent[HOLOG_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    int rc = resolve(t, path, 1, &f);

    if (rc == HOLOG_E_NOENT && slash != NULL) {
        memcpy(parent, path, (size_t)(slash - path));
        parent[slash - path] = '\0';
        rc = make_directory(t, parent);
        if (rc == HOLOG_OK)
            rc = resolve(t, path, 1, &f);
    }
    if (rc < 0 || f.type == HOLOG_DIRECTORY)
        return rc;
    return f.type == HOLOG_MISSING ? table_add(t, f.path, thing_new(HOLOG_DIRECTORY, NULL, 0))
                                   : HOLOG_E_EXIST;
}

/* Where a thing is to be: made free. `is_dir`: what comes is a directory. */
static int make_way(struct table *t, const char *path, unsigned flags, int is_dir,
                    struct found *out)
{
    char parent[HOLOG_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    int rc = resolve(t, path, 0, out);

    if (rc == HOLOG_E_NOENT && (flags & HOLOG_PARENTS) != 0 && slash != NULL) {
        memcpy(parent, path, (size_t)(slash - path));
        parent[slash - path] = '\0';
        rc = make_directory(t, parent);
        if (rc == HOLOG_OK)
            rc = resolve(t, path, 0, out);
    }
    if (rc < 0 || out->type == HOLOG_MISSING)
        return rc;
    if ((flags & HOLOG_REPLACE) == 0)
        return HOLOG_E_EXIST;
    if (out->type == HOLOG_DIRECTORY)
        return HOLOG_E_ISDIR;
    if (is_dir)
        return HOLOG_E_NOTDIR;
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->entries[i].path, out->path) == 0)
            table_drop(t, i);
    return HOLOG_OK;
}

/* ---- changes, all or nothing -----------------------------------------------------------------------*/

struct change {
    const holog_vfs_item *items; /* of a save */
    size_t n;
    const char *from; /* or the only path */
    const char *to;
    unsigned flags;
    int all, move;
};

static int change(struct map *m, int (*make)(struct map *m, const struct change *c),
                  const struct change *c, uint64_t *out_number)
{
    struct table before;
    int rc;

    (void)pthread_mutex_lock(&m->lock);
    rc = table_copy(&m->table, &before);
    if (rc == HOLOG_OK) {
        m->number++;
        rc = make(m, c);
        if (rc < 0) {
            table_release(&m->table);
            m->table = before;
            m->number--;
        } else {
            table_release(&before);
            *out_number = m->number;
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

static int put_one(struct map *m, const holog_vfs_item *item, unsigned flags)
{
    const holog_object_spec *o = item->object;
    struct thing *thing;
    struct found f;
    int rc = make_way(&m->table, item->path, flags, 0, &f);

    if (rc < 0)
        return rc;
    thing = thing_new(o->kind == HOLOG_OBJECT_ARRAY ? HOLOG_ARRAY : HOLOG_BLOB, o->data,
                      (size_t)o->len_bytes);
    if (thing == NULL)
        return HOLOG_E_NOMEM;
    thing->number = m->number;
    thing->info = (holog_object_info){ .struct_size = sizeof thing->info,
                                       .kind = o->kind,
                                       .size_bytes = o->len_bytes,
                                       .number = m->number,
                                       .dtype = o->dtype,
                                       .item_size = o->item_size,
                                       .rank = o->rank };
    if (o->rank > 0)
        memcpy(thing->info.shape, o->shape, o->rank * sizeof *o->shape);
    return table_add(&m->table, f.path, thing);
}

static int put_all(struct map *m, const struct change *c)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < c->n; i++)
        rc = put_one(m, &c->items[i], c->flags);
    return rc;
}

static int map_save(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                    uint64_t *out_number)
{
    struct change c = { .items = items, .n = n, .flags = flags };

    return change(self, put_all, &c, out_number);
}

static int make_one_directory(struct map *m, const struct change *c)
{
    return make_directory(&m->table, c->from);
}

static int map_ensure_directory(void *self, const char *path, uint64_t *out_number)
{
    struct change c = { .from = path };

    return change(self, make_one_directory, &c, out_number);
}

static int drop(struct map *m, const struct change *c)
{
    struct found f;
    int rc = resolve(&m->table, c->from, 0, &f);

    if (rc < 0 || f.type == HOLOG_MISSING)
        return rc < 0 ? rc : HOLOG_E_NOENT;
    for (size_t i = m->table.n; i-- > 0;)
        if (!c->all && strcmp(m->table.entries[i].path, f.path) != 0 &&
            is_at_or_below(m->table.entries[i].path, f.path))
            return HOLOG_E_NOTEMPTY;
    for (size_t i = m->table.n; i-- > 0;)
        if (is_at_or_below(m->table.entries[i].path, f.path))
            table_drop(&m->table, i);
    return HOLOG_OK;
}

static int map_remove(void *self, const char *path, int all, uint64_t *out_number)
{
    struct change c = { .from = path, .all = all };

    return change(self, drop, &c, out_number);
}

static int drop_files(struct map *m, const struct change *c)
{
    struct found f;
    int rc = resolve(&m->table, c->from, 1, &f);

    if (rc < 0 || f.type != HOLOG_DIRECTORY)
        return rc < 0 ? rc : f.type == HOLOG_MISSING ? HOLOG_E_NOENT : HOLOG_E_NOTDIR;
    for (size_t i = m->table.n; i-- > 0;)
        if (m->table.entries[i].thing->type != HOLOG_DIRECTORY &&
            is_at_or_below(m->table.entries[i].path, f.path))
            table_drop(&m->table, i);
    return HOLOG_OK;
}

static int map_remove_files(void *self, const char *dir, uint64_t *out_number)
{
    struct change c = { .from = dir };

    return change(self, drop_files, &c, out_number);
}

static int transfer(struct map *m, const struct change *c)
{
    struct found from;
    struct found to;
    struct table added = { 0 };
    size_t len;
    int rc = resolve(&m->table, c->from, 0, &from);

    if (rc < 0 || from.type == HOLOG_MISSING)
        return rc < 0 ? rc : HOLOG_E_NOENT;
    rc = table_copy(&m->table, &added); /* as it was before the destination made way */
    if (rc == HOLOG_OK)
        rc = make_way(&m->table, c->to, c->flags, from.type == HOLOG_DIRECTORY, &to);
    if (rc == HOLOG_OK && is_at_or_below(to.path, from.path))
        rc = strcmp(to.path, from.path) == 0 ? HOLOG_E_EXIST : HOLOG_E_INVAL;
    len = strlen(from.path);
    for (size_t i = 0; rc == HOLOG_OK && i < added.n; i++) {
        char path[2 * HOLOG_PATH_MAX + 2];
        const char *is = added.entries[i].path;
        if (!is_at_or_below(is, from.path))
            continue;
        memcpy(path, to.path, strlen(to.path));
        memcpy(path + strlen(to.path), is + len, strlen(is + len) + 1);
        rc = table_add(&m->table, path, thing_get(added.entries[i].thing));
    }
    for (size_t i = m->table.n; rc == HOLOG_OK && c->move && i-- > 0;)
        if (is_at_or_below(m->table.entries[i].path, from.path))
            table_drop(&m->table, i);
    table_release(&added);
    return rc;
}

static int map_copy(void *self, const char *from, const char *to, unsigned flags,
                    uint64_t *out_number)
{
    struct change c = { .from = from, .to = to, .flags = flags };

    return change(self, transfer, &c, out_number);
}

static int map_move(void *self, const char *from, const char *to, unsigned flags,
                    uint64_t *out_number)
{
    struct change c = { .from = from, .to = to, .flags = flags, .move = 1 };

    return change(self, transfer, &c, out_number);
}

static int link_to(struct map *m, const struct change *c)
{
    struct found f;
    int rc = make_way(&m->table, c->to, c->flags, 0, &f);

    if (rc == HOLOG_OK)
        rc = table_add(&m->table, f.path, thing_new(HOLOG_SYMLINK, c->from, strlen(c->from)));
    if (rc == HOLOG_OK)
        rc = resolve(&m->table, c->to, 1, &f);
    return rc == HOLOG_OK && f.type == HOLOG_MISSING ? HOLOG_E_NOENT : rc;
}

static int map_symlink(void *self, const char *target, const char *path, unsigned flags,
                       uint64_t *out_number)
{
    struct change c = { .from = target, .to = path, .flags = flags };

    return change(self, link_to, &c, out_number);
}

/* ---- reading ---------------------------------------------------------------------------------------*/

static int load_one(struct map *m, const char *path, holog_payload *out)
{
    struct found f;
    int rc = resolve(&m->table, path, 1, &f);

    if (rc < 0 || f.type == HOLOG_MISSING)
        return rc < 0 ? rc : HOLOG_E_NOENT;
    if (f.type == HOLOG_DIRECTORY)
        return HOLOG_E_ISDIR;
    *out = (holog_payload){ .info = f.thing->info,
                            .data = f.thing->bytes,
                            .owner = thing_get(f.thing),
                            .release = thing_put };
    return HOLOG_OK;
}

static int map_load(void *self, const char *const *paths, size_t n, holog_payload *out, int *status)
{
    struct map *m = self;

    (void)pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < n; i++)
        status[i] = load_one(m, paths[i], &out[i]);
    (void)pthread_mutex_unlock(&m->lock);
    return HOLOG_OK;
}

static int stat_found(const struct table *t, const char *path, holog_vfs_stat_info *out)
{
    struct found f;
    int rc = resolve(t, path, 0, &f);

    if (rc < 0)
        return rc;
    out->type = f.type;
    out->csum = 127;
    if (f.thing != NULL) {
        out->size_bytes = f.thing->len;
        out->number = f.thing->number;
        out->dtype = f.thing->info.dtype;
        out->item_size = f.thing->info.item_size;
        out->rank = f.thing->info.rank;
        memcpy(out->shape, f.thing->info.shape, sizeof out->shape);
    }
    if (f.type == HOLOG_SYMLINK)
        out->target_type = resolve(t, path, 1, &f) < 0 ? HOLOG_MISSING : f.type;
    return HOLOG_OK;
}

static int map_stat(void *self, const char *path, holog_vfs_stat_info *out)
{
    struct map *m = self;
    int rc;

    (void)pthread_mutex_lock(&m->lock);
    rc = stat_found(&m->table, path, out);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

static int list_found(const struct table *t, const char *dir,
                      int (*each)(void *ctx, const char *name, uint32_t type), void *ctx)
{
    struct found f;
    size_t skip;
    int rc = resolve(t, dir, 1, &f);

    if (rc == HOLOG_OK && f.type != HOLOG_DIRECTORY)
        rc = f.type == HOLOG_MISSING ? HOLOG_E_NOENT : HOLOG_E_NOTDIR;
    skip = f.path[0] == '\0' ? 0 : strlen(f.path) + 1;
    for (size_t i = 0; rc == HOLOG_OK && i < t->n; i++) {
        const char *path = t->entries[i].path;
        if (is_at_or_below(path, f.path) && strlen(path) > skip && strchr(path + skip, '/') == NULL)
            rc = each(ctx, path + skip, t->entries[i].thing->type);
    }
    return rc;
}

/* `each` may ask again: not under the lock. */
static int map_list(void *self, const char *dir, unsigned flags,
                    int (*each)(void *ctx, const char *name, uint32_t type), void *ctx)
{
    struct map *m = self;
    struct table now;
    int rc;

    (void)flags; /* no HOLOG_BACKEND_DEEP: only this directory */
    (void)pthread_mutex_lock(&m->lock);
    rc = table_copy(&m->table, &now);
    (void)pthread_mutex_unlock(&m->lock);
    if (rc < 0)
        return rc;
    rc = list_found(&now, dir, each, ctx);
    table_release(&now);
    return rc;
}

static int map_readlink(void *self, const char *path, char *buf, size_t buf_size)
{
    struct map *m = self;
    struct found f;
    int rc;

    (void)pthread_mutex_lock(&m->lock);
    rc = resolve(&m->table, path, 0, &f);
    if (rc == HOLOG_OK && f.type != HOLOG_SYMLINK)
        rc = f.type == HOLOG_MISSING ? HOLOG_E_NOENT : HOLOG_E_TYPE;
    if (rc == HOLOG_OK && f.thing->len + 1 > buf_size)
        rc = HOLOG_E_RANGE;
    if (rc == HOLOG_OK)
        memcpy(buf, f.thing->bytes, f.thing->len + 1);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

static int map_open(const holog_backend_options *opts, void **out_self)
{
    struct map *m = calloc(1, sizeof *m);

    (void)opts;
    if (m == NULL)
        return HOLOG_E_NOMEM;
    (void)pthread_mutex_init(&m->lock, NULL);
    *out_self = m;
    return HOLOG_OK;
}

static int map_close(void *self)
{
    struct map *m = self;

    table_release(&m->table);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
    return HOLOG_OK;
}

HOLOG_API const holog_backend_ops *holog_backend_entry(void);
const holog_backend_ops *holog_backend_entry(void)
{
    static const char *const aliases[] = { "sample", NULL };
    static const holog_backend_ops ops = {
        .struct_size = sizeof(holog_backend_ops),
        .version = HOLOG_BACKEND_VERSION,
        .name = "map",
        .aliases = aliases,
        .open = map_open,
        .close = map_close,
        .save = map_save,
        .load = map_load,
        .stat = map_stat,
        .list = map_list,
        .ensure_directory = map_ensure_directory,
        .remove = map_remove,
        .copy = map_copy,
        .move = map_move,
        .symlink = map_symlink,
        .readlink = map_readlink,
        .remove_files = map_remove_files,
    };

    return &ops;
}
