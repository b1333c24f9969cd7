/*
 * Views, cursors and stat.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/node.h"
#include "engine/store_internal.h"

/* ---- views -----------------------------------------------------------------------------------------*/

int hg_view_of(holog_store *store, struct hg_version *version, holog_view **out_view)
{
    holog_view *v = hg_calloc(1, sizeof *v);

    if (v == NULL) {
        hg_version_put(store, version);
        return hg_error(HOLOG_E_NOMEM, "no memory for a view");
    }
    v->store = store;
    v->version = version;
    v->opened_ns = store->io->ops->wall_ns(store->io);
    v->held_from = version->sums.ended_bytes;
    hg_mutex_lock(store->io, &store->misc_lock);
    v->next = store->views;
    if (store->views != NULL)
        store->views->prev = v;
    store->views = v;
    store->views_open++;
    hg_mutex_unlock(store->io, &store->misc_lock);
    *out_view = v;
    return HOLOG_OK;
}

int holog_view_open(holog_store *store, holog_view **out_view)
{
    struct hg_version *v;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (out_view == NULL)
        return hg_error(HOLOG_E_INVAL, "out_view is NULL");
    v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a view");
    return hg_view_of(store, v, out_view);
}

void holog_view_close(holog_view *view)
{
    holog_store *s;

    if (view == NULL)
        return;
    s = view->store;
    hg_mutex_lock(s->io, &s->misc_lock);
    if (view->prev != NULL)
        view->prev->next = view->next;
    else
        s->views = view->next;
    if (view->next != NULL)
        view->next->prev = view->prev;
    s->views_open--;
    hg_mutex_unlock(s->io, &s->misc_lock);
    if (view->expired)
        __atomic_sub_fetch(&view->version->expired, 1, __ATOMIC_RELAXED);
    hg_version_put(s, view->version);
    hg_free(view);
}

uint64_t holog_view_number(const holog_view *view)
{
    return view == NULL ? 0 : view->version->number;
}

int hg_must_be_blob(const struct hg_resolved *r)
{
    if (r->loc.type == HG_ENTRY_BLOB)
        return HOLOG_OK;
    if (r->loc.type == 0)
        return hg_error_path(HOLOG_E_NOENT, r->path, (uint32_t)r->path_len, "%s: no such entry",
                             r->path);
    if (r->loc.type == HG_ENTRY_DIR)
        return hg_error_path(HOLOG_E_ISDIR, r->path, (uint32_t)r->path_len, "%s: is a directory",
                             r->path_len == 0 ? "/" : r->path);
    return hg_error_path(HOLOG_E_TYPE, r->path, (uint32_t)r->path_len, "%s: is no blob", r->path);
}

static int resolve_blob(holog_store *s, struct hg_version *v, const char *path,
                        struct hg_resolved *out)
{
    struct hg_lookup l;
    int rc;

    hg_lookup_version(s, v, &l);
    rc = hg_resolve_user(&l, path, 1, out);
    return rc < 0 ? rc : hg_must_be_blob(out);
}

int hg_load_from(holog_store *s, struct hg_version *v, const char *path, holog_value **out_value)
{
    struct hg_resolved r;
    uint64_t t0 = s->io->ops->now_ns(s->io);
    int rc;

    if (out_value == NULL)
        return hg_error(HOLOG_E_INVAL, "out_value is NULL");
    rc = resolve_blob(s, v, path, &r);
    if (rc == HOLOG_OK)
        rc = hg_value_load(s, &r.loc, r.path, out_value);
    if (rc == HOLOG_OK)
        hg_point_learn(s, v, &r);
    if (rc == HOLOG_OK)
        hg_store_count_load(s, s->io->ops->now_ns(s->io) - t0, r.loc.size);
    return rc;
}

int hg_load_range_from(holog_store *s, struct hg_version *v, const char *path, uint64_t offset,
                       void *buf, size_t len, size_t *out_n)
{
    struct hg_resolved r;
    size_t n = 0;
    int rc;

    if (buf == NULL && len > 0)
        return hg_error(HOLOG_E_INVAL, "the buffer is NULL");
    rc = resolve_blob(s, v, path, &r);
    if (rc == HOLOG_OK)
        rc = hg_value_range(s, &r.loc, r.path, offset, buf, len, &n);
    if (rc < 0)
        return rc;
    hg_cache_count_loaded(s->cache, n);
    if (out_n != NULL)
        *out_n = n;
    hg_point_learn(s, v, &r);
    return HOLOG_OK;
}

int holog_view_load(holog_view *view, const char *path, holog_value **out_value)
{
    int rc = hg_view_check(view);

    if (rc < 0)
        return rc;
    if (out_value != NULL && hg_point_load(view->store, view->version, path, out_value))
        return HOLOG_OK;
    return hg_load_from(view->store, view->version, path, out_value);
}

int holog_view_load_range(holog_view *view, const char *path, uint64_t offset, void *buf,
                          size_t len_bytes, size_t *out_n)
{
    int rc = hg_view_check(view);

    if (rc < 0)
        return rc;
    if (buf != NULL &&
        hg_point_range(view->store, view->version, path, offset, buf, len_bytes, out_n))
        return HOLOG_OK;
    return hg_load_range_from(view->store, view->version, path, offset, buf, len_bytes, out_n);
}

/* Its age counts from the first look on; the writer sees to it too (retention.c). */
static int is_too_old(const holog_view *v)
{
    uint64_t age = __atomic_load_n(&v->store->pin_age_ns, __ATOMIC_RELAXED);
    uint64_t now = age == UINT64_MAX ? 0 : v->store->io->ops->wall_ns(v->store->io);

    return now > v->opened_ns && now - v->opened_ns > age;
}

int hg_view_check(const holog_view *view)
{
    if (view == NULL)
        return hg_error(HOLOG_E_INVAL, "the view is NULL");
    if (is_too_old(view) || __atomic_load_n(&view->expired, __ATOMIC_RELAXED))
        return hg_error(
            HOLOG_E_STALE,
            "the view of commit %llu has held its state for longer, or more bytes, than "
            "pins.max_age_s and pins.max_bytes allow: open another",
            (unsigned long long)view->version->number);
    return hg_store_check(view->store);
}

/* ---- stat --------------------------------------------------------------------------------------------*/

/* 1, 0 or a failure. */
static int is_array(const struct hg_lookup *l, const uint8_t *key, size_t len)
{
    uint8_t node[HG_KEY_MAX];
    struct hg_locator loc;
    int rc;

    if (len + sizeof HG_NODE_ARRAY > sizeof node)
        return 0;
    memcpy(node, key, len);
    if (len > 0)
        node[len++] = 0;
    memcpy(node + len, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1);
    rc = l->get(l->ctx, node, len + sizeof HG_NODE_ARRAY - 1, &loc);
    return rc == HOLOG_OK ? 1 : rc == HOLOG_E_NOENT ? 0 : rc;
}

static int stat_record(holog_store *s, const struct hg_resolved *r, holog_stat_info *info)
{
    struct hg_record_read rec;
    int rc;

    if (r->loc.segment == 0)
        return HOLOG_OK; /* the root, or a transaction's own */
    rc = hg_record_read(s, &r->loc, r->path, &rec);
    if (rc < 0)
        return rc;
    info->time_ns = rec.body_time_ns;
    if (rec.rec.type != HG_REC_DELTA) { /* whose hash is of what it brings */
        info->hash_lo = rec.rec.hash.lo;
        info->hash_hi = rec.rec.hash.hi;
    }
    info->csum = rec.rec.csum;
    hg_record_release(&rec);
    return HOLOG_OK;
}

int hg_stat_resolved(holog_store *s, const struct hg_lookup *l, const struct hg_resolved *r,
                     holog_stat_info *out)
{
    holog_stat_info info = { .struct_size = sizeof info, .type = r->loc.type };
    struct hg_resolved target;
    int rc = hg_struct_check(out, "holog_stat_info");

    if (rc < 0)
        return rc;
    if (r->loc.type != 0) {
        int is_dir = r->loc.type == HG_ENTRY_DIR;
        info.size_bytes = is_dir ? 0 : r->loc.size;
        info.number = is_dir ? r->loc.size : r->loc.number;
        if (info.number == HG_NUMBER_OWN)
            info.number = 0;
        info.segment = r->loc.segment;
        info.offset = r->loc.offset;
        rc = stat_record(s, r, &info);
        if (rc == HOLOG_OK && is_dir)
            rc = is_array(l, r->key.bytes, r->key.len);
        if (rc < 0)
            return rc;
        if (rc > 0)
            info.type = HOLOG_ARRAY;
    }
    if (r->loc.type == HG_ENTRY_SYMLINK) {
        rc = hg_resolve(l, r->path, r->path_len, 1, &target);
        if (rc == HOLOG_OK)
            info.target_type = target.loc.type;
        else if (rc != HOLOG_E_NOENT && rc != HOLOG_E_NOTDIR && rc != HOLOG_E_LOOP)
            return rc;
    }
    hg_struct_fill(out, &info, sizeof info);
    return HOLOG_OK;
}

int hg_stat_from(holog_store *s, struct hg_version *v, const char *path, holog_stat_info *out)
{
    struct hg_lookup l;
    struct hg_resolved r;
    int rc;

    hg_lookup_version(s, v, &l);
    rc = hg_resolve_user(&l, path, 0, &r);
    return rc < 0 ? rc : hg_stat_resolved(s, &l, &r, out);
}

int holog_view_stat(holog_view *view, const char *path, holog_stat_info *out_info)
{
    int rc = hg_view_check(view);
    return rc < 0 ? rc : hg_stat_from(view->store, view->version, path, out_info);
}

int hg_readlink_from(holog_store *s, struct hg_version *v, const char *path, char *buf, size_t size)
{
    struct hg_lookup l;
    struct hg_resolved r;
    char target[HG_PATH_MAX + 1];
    size_t len = 0;
    int rc;

    hg_lookup_version(s, v, &l);
    rc = hg_resolve_user(&l, path, 0, &r);
    if (rc == HOLOG_OK && r.loc.type == 0)
        rc = hg_must_be_blob(&r);
    else if (rc == HOLOG_OK && r.loc.type != HG_ENTRY_SYMLINK)
        rc = hg_error_path(HOLOG_E_TYPE, r.path, (uint32_t)r.path_len, "%s: is no symlink", r.path);
    if (rc == HOLOG_OK)
        rc = hg_value_target(s, &r.loc, target, &len);
    if (rc < 0)
        return rc;
    if (buf == NULL || len + 1 > size)
        return hg_error(HOLOG_E_RANGE,
                        "the target has %zu bytes; the buffer takes %zu with the NUL", len, size);
    memcpy(buf, target, len + 1);
    return HOLOG_OK;
}

int holog_view_readlink(holog_view *view, const char *path, char *buf, size_t buf_size)
{
    int rc = hg_view_check(view);

    return rc < 0 ? rc : hg_readlink_from(view->store, view->version, path, buf, buf_size);
}

/* ---- merged walk ---------------------------------------------------------------------------------------*/

static int open_walk(holog_cursor *c, const uint8_t *from, size_t from_len, int after)
{
    const struct hg_version *v = c->version;

    c->tree_state = hg_entries_open(&c->tree, v->root, v->is_past ? v->past : NULL, v->number, from,
                                    from_len, after);
    c->tree_open = 1;
    if (c->tree_state < 0 && c->tree_state != HOLOG_E_NOENT)
        return c->tree_state;
    c->over_state = HOLOG_E_NOENT;
    if (c->over_root != NULL) {
        c->over_state = hg_cursor_open(&c->over, c->over_root, from, from_len, after);
        c->over_open = c->over_state == HOLOG_OK;
        if (c->over_state < 0 && c->over_state != HOLOG_E_NOENT)
            return c->over_state;
    }
    return HOLOG_OK;
}

static void begin(holog_cursor *c, holog_store *s, struct hg_version *v, holog_txn *txn)
{
    memset(c, 0, sizeof *c);
    c->store = s;
    c->version = v;
    __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
    if (txn != NULL && txn->overlay != NULL)
        c->over_root = hg_index_freeze(txn->overlay);
}

int hg_cursor_begin(holog_cursor *c, holog_store *s, struct hg_version *v, holog_txn *txn,
                    const struct hg_key *dir)
{
    begin(c, s, v, txn);
    memcpy(c->prefix, dir->bytes, dir->len);
    c->prefix_len = dir->len;
    if (dir->len > 0)
        c->prefix[c->prefix_len++] = 0;
    return open_walk(c, c->prefix, c->prefix_len, 0);
}

int hg_cursor_begin_nodes(holog_cursor *c, holog_store *s, struct hg_version *v, holog_txn *txn,
                          const struct hg_node_range *n)
{
    uint8_t from[HG_KEY_MAX];
    size_t dir_len = n->dir->len + (n->dir->len > 0 ? 1 : 0);

    HG_ASSERT(n->prefix_len <= HG_NODE_LEN_MAX && n->from_len <= HG_NODE_LEN_MAX);
    HG_ASSERT(dir_len + HG_NODE_LEN_MAX <= HG_KEY_MAX); /* a path's is two thirds of that at most */
    begin(c, s, v, txn);
    memcpy(from, n->dir->bytes, n->dir->len);
    from[n->dir->len] = 0;
    memcpy(from + dir_len, n->prefix, n->prefix_len);
    c->prefix_len = dir_len + n->prefix_len;
    memcpy(c->prefix, from, c->prefix_len);
    if (n->from_len == 0)
        return open_walk(c, c->prefix, c->prefix_len, 0);
    memcpy(from + dir_len, n->from, n->from_len);
    return open_walk(c, from, dir_len + n->from_len, 0);
}

static int in_prefix(const holog_cursor *c, const uint8_t *key, size_t len)
{
    return len >= c->prefix_len && memcmp(key, c->prefix, c->prefix_len) == 0;
}

static int order(const struct hg_entries *a, const struct hg_cursor *b)
{
    size_t n = HG_MIN(a->key_len, b->key_len);
    int d = memcmp(a->key, b->key, n);

    return d != 0 ? d : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static int advance(holog_cursor *c)
{
    if (c->tree_taken && c->tree_state == HOLOG_OK)
        c->tree_state = hg_entries_next(&c->tree);
    if (c->over_taken && c->over_state == HOLOG_OK)
        c->over_state = hg_cursor_next(&c->over);
    c->tree_taken = c->over_taken = 0;
    if (c->tree_state == HOLOG_OK && !in_prefix(c, c->tree.key, c->tree.key_len))
        c->tree_state = HOLOG_E_NOENT;
    if (c->over_state == HOLOG_OK && !in_prefix(c, c->over.key, c->over.key_len))
        c->over_state = HOLOG_E_NOENT;
    if (c->tree_state < 0 && c->tree_state != HOLOG_E_NOENT)
        return c->tree_state;
    return c->over_state == HOLOG_E_NOENT ? HOLOG_OK : c->over_state;
}

int hg_cursor_step(holog_cursor *c, struct hg_cursor_at *out_at)
{
    for (;;) {
        int rc = advance(c);
        int d;
        if (rc < 0)
            return rc;
        if (c->tree_state != HOLOG_OK && c->over_state != HOLOG_OK)
            return HOLOG_E_NOENT;
        d = c->tree_state != HOLOG_OK   ? 1
            : c->over_state != HOLOG_OK ? -1
                                        : order(&c->tree, &c->over);
        c->tree_taken = d <= 0;
        c->over_taken = d >= 0;
        if (c->over_taken && hg_is_gone(&c->over.loc))
            continue;
        if (c->over_taken)
            *out_at = (struct hg_cursor_at){ c->over.key, c->over.key_len, c->over.loc };
        else
            *out_at = (struct hg_cursor_at){ c->tree.key, c->tree.key_len, c->tree.loc };
        return HOLOG_OK;
    }
}

/* The key handed out last begins with the prefix, or is right before all that do. */
static void skip_prefix(holog_cursor *c, const uint8_t *below, size_t len)
{
    if (c->tree_state == HOLOG_OK &&
        (c->tree_taken || (c->tree.key_len >= len && memcmp(c->tree.key, below, len) == 0))) {
        c->tree_state = hg_entries_skip_prefix(&c->tree, below, len);
        c->tree_taken = 0;
    }
    if (c->over_state == HOLOG_OK &&
        (c->over_taken || (c->over.key_len >= len && memcmp(c->over.key, below, len) == 0))) {
        c->over_state = hg_cursor_skip_prefix(&c->over, below, len);
        c->over_taken = 0;
    }
}

int hg_cursor_skip_below(holog_cursor *c, const struct hg_cursor_at *at)
{
    uint8_t below[HG_KEY_MAX + 1];

    memcpy(below, at->key, at->key_len);
    below[at->key_len] = 0;
    skip_prefix(c, below, at->key_len + 1);
    return HOLOG_OK;
}

void hg_cursor_skip_nodes(holog_cursor *c, const struct hg_cursor_at *at, size_t len)
{
    uint8_t nodes[HG_KEY_MAX];
    size_t parent = hg_key_parent(at->key, at->key_len);

    len += parent + (parent > 0 ? 1 : 0);
    HG_ASSERT(len <= at->key_len);
    memcpy(nodes, at->key, len);
    skip_prefix(c, nodes, len);
}

void hg_cursor_end(holog_cursor *c)
{
    if (c->tree_open)
        hg_entries_close(&c->tree);
    if (c->over_open)
        hg_cursor_close(&c->over);
    if (c->over_root != NULL)
        hg_root_put(c->over_root);
    hg_version_put(c->store, c->version);
    hg_free(c->name_prefix);
    c->tree_open = c->over_open = 0;
    c->over_root = NULL;
    c->version = NULL;
    c->name_prefix = NULL;
}

/* ---- cursors ---------------------------------------------------------------------------------------------*/

/* Start after name `after` of the directory: behind everything below it too, unless recursive. */
static int start_after(holog_cursor *c, const char *after)
{
    char path[2 * HG_PATH_MAX + 2];
    char canonical[HG_PATH_MAX + 1];
    struct hg_key key;
    size_t len = c->dir_len;
    size_t n = 0;
    int rc;

    if (strlen(after) > HG_PATH_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "`after` is too long");
    memcpy(path, c->dir, len);
    if (len > 0)
        path[len++] = '/';
    memcpy(path + len, after, strlen(after) + 1);
    rc = hg_path_canonical(path, len + strlen(after), canonical, &n);
    if (rc < 0)
        return rc;
    hg_key_make(canonical, n, &key);
    if (c->tree_open)
        hg_entries_close(&c->tree);
    if (c->over_open)
        hg_cursor_close(&c->over);
    c->tree_open = c->over_open = 0;
    if ((c->flags & HOLOG_LIST_RECURSIVE) == 0) {
        /* Nothing of the directory's own level lies between key 00 ... and key 01. */
        key.bytes[key.len++] = 1;
        rc = open_walk(c, key.bytes, key.len, 0);
    } else {
        rc = open_walk(c, key.bytes, key.len, 1);
    }
    return rc;
}

int hg_list(holog_store *s, struct hg_version *v, holog_txn *txn, const char *path, unsigned flags,
            const char *prefix, const char *after, holog_cursor **out_cursor)
{
    struct hg_lookup l;
    struct hg_resolved r;
    holog_cursor *c;
    int rc;

    if (out_cursor == NULL || (flags & ~(unsigned)HOLOG_LIST_RECURSIVE) != 0)
        return hg_error(HOLOG_E_INVAL, "out_cursor is NULL or flags are unknown");
    if (txn != NULL)
        hg_txn_lookup(txn, &l);
    else
        hg_lookup_version(s, v, &l);
    rc = hg_resolve_user(&l, path, 1, &r);
    if (rc < 0)
        return rc;
    if (r.loc.type != HG_ENTRY_DIR)
        return hg_error_path(r.loc.type == 0 ? HOLOG_E_NOENT : HOLOG_E_NOTDIR, r.path,
                             (uint32_t)r.path_len, "%s: %s", r.path,
                             r.loc.type == 0 ? "no such directory" : "not a directory");
    c = hg_malloc(sizeof *c);
    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    rc = hg_cursor_begin(c, s, v, txn, &r.key);
    c->flags = flags;
    memcpy(c->dir, r.path, r.path_len + 1);
    c->dir_len = r.path_len;
    if (rc == HOLOG_OK && prefix != NULL && prefix[0] != 0) {
        c->name_prefix_len = strlen(prefix);
        c->name_prefix = hg_strndup(prefix, c->name_prefix_len);
        if (c->name_prefix == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    }
    if (rc == HOLOG_OK && after != NULL && after[0] != 0)
        rc = start_after(c, after);
    if (rc < 0) {
        holog_cursor_close(c);
        return rc;
    }
    *out_cursor = c;
    return HOLOG_OK;
}

int holog_view_list(holog_view *view, const char *path, unsigned flags, const char *prefix,
                    const char *after, holog_cursor **out_cursor)
{
    int rc = hg_view_check(view);
    return rc < 0
               ? rc
               : hg_list(view->store, view->version, NULL, path, flags, prefix, after, out_cursor);
}

int holog_list(holog_store *store, const char *path, unsigned flags, const char *prefix,
               const char *after, holog_cursor **out_cursor)
{
    struct hg_version *v;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a listing");
    rc = hg_list(store, v, NULL, path, flags, prefix, after, out_cursor);
    hg_version_put(store, v);
    return rc;
}

static int get_through(void *ctx, const uint8_t *key, size_t len, struct hg_locator *out)
{
    const holog_cursor *c = ctx;
    struct hg_lookup l;
    int rc = c->over_root != NULL ? hg_root_lookup(c->over_root, key, len, out) : HOLOG_E_NOENT;

    if (rc != HOLOG_E_NOENT)
        return rc == HOLOG_OK && hg_is_gone(out) ? HOLOG_E_NOENT : rc;
    hg_lookup_version(c->store, c->version, &l);
    return l.get(l.ctx, key, len, out);
}

static int fill_entry(holog_cursor *c, const struct hg_cursor_at *at)
{
    size_t len = 0;
    int rc = hg_key_to_path(at->key, at->key_len, c->path, &len);
    const char *slash;

    if (rc < 0)
        return rc;
    slash = memrchr(c->path, '/', len);
    if (at->loc.type == HG_ENTRY_DIR)
        rc = is_array(&(struct hg_lookup){ .ctx = c, .get = get_through }, at->key, at->key_len);
    if (rc < 0)
        return rc;
    c->entry =
        (holog_entry){ .path = c->path,
                       .name = slash == NULL ? c->path : slash + 1,
                       .path_len = len,
                       .type = rc > 0 ? HOLOG_ARRAY : at->loc.type,
                       .size_bytes = at->loc.type == HG_ENTRY_DIR ? 0 : at->loc.size,
                       .number = at->loc.type == HG_ENTRY_DIR ? at->loc.size : at->loc.number };
    if (c->entry.number == HG_NUMBER_OWN)
        c->entry.number = 0;
    return HOLOG_OK;
}

int holog_cursor_next(holog_cursor *cursor, const holog_entry **out_entry)
{
    int rc;

    if (cursor == NULL || out_entry == NULL)
        return hg_error(HOLOG_E_INVAL, "the cursor or out_entry is NULL");
    rc = hg_store_check(cursor->store);
    while (rc == HOLOG_OK) {
        struct hg_cursor_at at;
        rc = hg_cursor_step(cursor, &at);
        if (rc == HOLOG_OK && hg_key_is_node(at.key, at.key_len)) {
            hg_cursor_skip_nodes(cursor, &at, 1); /* an array may have a million chunks */
            continue;
        }
        if (rc == HOLOG_OK)
            rc = fill_entry(cursor, &at);
        if (rc == HOLOG_OK && (cursor->flags & HOLOG_LIST_RECURSIVE) == 0 &&
            at.loc.type == HG_ENTRY_DIR)
            rc = hg_cursor_skip_below(cursor, &at);
        if (rc < 0)
            break;
        if (cursor->name_prefix == NULL ||
            strncmp(cursor->entry.name, cursor->name_prefix, cursor->name_prefix_len) == 0) {
            *out_entry = &cursor->entry;
            return HOLOG_OK;
        }
    }
    return rc;
}

void holog_cursor_close(holog_cursor *cursor)
{
    if (cursor == NULL)
        return;
    hg_cursor_end(cursor);
    hg_free(cursor);
}
