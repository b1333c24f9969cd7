/*
 * Asking about entries, and changing the namespace, for every backend.
 */
#include <string.h>

#include "backends/manager.h"
#include "base/error.h"
#include "engine/store_internal.h"

/* ---- asking ------------------------------------------------------------------------------------------*/

int hg_vfs_stat(const holog_backend *b, const char *canonical, holog_vfs_stat_info *out)
{
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    int rc = b->ops->stat(b->self, canonical, &info);

    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR || rc == HOLOG_E_LOOP) {
        info = (holog_vfs_stat_info){ .type = HOLOG_MISSING };
        rc = HOLOG_OK;
    }
    info.struct_size = sizeof info;
    if (rc == HOLOG_OK)
        *out = info;
    return hg_vfs_done(b, rc, "stat", canonical);
}

static int stat_user(const holog_backend *b, const char *path, holog_vfs_stat_info *out)
{
    struct hg_vfs_path p;
    int rc = hg_vfs_begin(b, 0);

    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(path, &p);
    return rc < 0 ? rc : hg_vfs_stat(b, p.text, out);
}

int holog_vfs_stat(holog_backend *backend, const char *path, holog_vfs_stat_info *out_info)
{
    holog_vfs_stat_info info;
    int rc = hg_struct_check(out_info, "holog_vfs_stat_info");

    if (rc == HOLOG_OK)
        rc = stat_user(backend, path, &info);
    if (rc == HOLOG_OK)
        hg_struct_fill(out_info, &info, sizeof info);
    return rc;
}

/* What a path leads to. */
static int type_of(const holog_backend *b, const char *path, const void *out, uint32_t *out_type)
{
    holog_vfs_stat_info info = { .type = HOLOG_MISSING };
    int rc = out == NULL ? hg_error(HOLOG_E_INVAL, "the output is NULL") : HOLOG_OK;

    if (rc == HOLOG_OK)
        rc = stat_user(b, path, &info);
    if (rc == HOLOG_OK)
        *out_type = info.type == HOLOG_SYMLINK ? info.target_type : info.type;
    return rc;
}

int holog_vfs_exists(holog_backend *backend, const char *path, int *out_exists)
{
    uint32_t type = 0;
    int rc = type_of(backend, path, out_exists, &type);

    if (rc == HOLOG_OK)
        *out_exists = type != HOLOG_MISSING;
    return rc;
}

int holog_vfs_is_file(holog_backend *backend, const char *path, int *out_answer)
{
    uint32_t type = 0;
    int rc = type_of(backend, path, out_answer, &type);

    if (rc == HOLOG_OK)
        *out_answer = type == HOLOG_MISSING ? HOLOG_ABSENT : type != HOLOG_DIRECTORY;
    return rc;
}

int holog_vfs_is_dir(holog_backend *backend, const char *path, int *out_answer)
{
    uint32_t type = 0;
    int rc = type_of(backend, path, out_answer, &type);

    if (rc == HOLOG_OK)
        *out_answer = type == HOLOG_MISSING ? HOLOG_ABSENT : type == HOLOG_DIRECTORY;
    return rc;
}

int holog_vfs_resolve(holog_backend *backend, const char *path, holog_vfs_place *out_place)
{
    holog_vfs_place place = { .struct_size = sizeof place };
    struct hg_vfs_path p;
    int rc = hg_struct_check(out_place, "holog_vfs_place");

    if (rc == HOLOG_OK)
        rc = hg_vfs_begin(backend, 0);
    if (rc == HOLOG_OK && backend->ops->resolve == NULL)
        rc = hg_error(HOLOG_E_NOTSUP, "backend %s has no resolve", backend->ops->name);
    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(path, &p);
    if (rc == HOLOG_OK)
        rc = hg_vfs_done(backend, backend->ops->resolve(backend->self, p.text, &place), "resolve",
                         p.text);
    if (rc == HOLOG_OK)
        hg_struct_fill(out_place, &place, sizeof place);
    return rc;
}

/* ---- one path ----------------------------------------------------------------------------------------*/

static int finish(const holog_backend *b, int rc, const char *call, const char *path,
                  uint64_t number, uint64_t *out_number)
{
    rc = hg_vfs_done(b, rc, call, path);
    if (rc == HOLOG_OK && out_number != NULL)
        *out_number = number;
    return rc;
}

int holog_vfs_ensure_directory(holog_backend *backend, const char *path, uint64_t *out_number)
{
    struct hg_vfs_path p;
    uint64_t number = 0;
    int rc = hg_vfs_begin(backend, 0);

    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(path, &p);
    if (rc < 0)
        return rc;
    rc = backend->ops->ensure_directory(backend->self, p.text, &number);
    return finish(backend, rc, "ensure_directory", p.text, number, out_number);
}

static int remove_path(holog_backend *b, const char *path, int all, uint64_t *out_number)
{
    struct hg_vfs_path p;
    uint64_t number = 0;
    int rc = hg_vfs_begin(b, 0);

    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(path, &p);
    if (rc == HOLOG_OK && !all && strcmp(p.text, "/") == 0)
        rc = hg_error(HOLOG_E_INVAL, "the root is no entry that could be deleted");
    if (rc < 0)
        return rc;
    rc = b->ops->remove(b->self, p.text, all, &number);
    return finish(b, rc, "delete", p.text, number, out_number);
}

int holog_vfs_delete(holog_backend *backend, const char *path, uint64_t *out_number)
{
    return remove_path(backend, path, 0, out_number);
}

int holog_vfs_delete_all(holog_backend *backend, const char *path, uint64_t *out_number)
{
    return remove_path(backend, path, 1, out_number);
}

int holog_vfs_delete_files(holog_backend *backend, const char *dir, uint64_t *out_number)
{
    struct hg_vfs_path p;
    uint64_t number = 0;
    int rc = hg_vfs_begin(backend, 0);

    if (rc == HOLOG_OK && backend->ops->remove_files == NULL)
        rc = hg_error(HOLOG_E_NOTSUP, "backend %s has no remove_files", backend->ops->name);
    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(dir, &p);
    if (rc < 0)
        return rc;
    rc = backend->ops->remove_files(backend->self, p.text, &number);
    return finish(backend, rc, "delete_files", p.text, number, out_number);
}

/* Of a link at `path` that failed: p becomes what it was to lead to, where that can be told from the text. */
static void take_target(const char *target, struct hg_vfs_path *p)
{
    struct holog_error_detail why;
    struct hg_vfs_path to;
    char text[2 * HG_PATH_MAX + 2];
    size_t dir_len = target[0] == '/' ? 0 : hg_path_parent(p->text, p->len);

    hg_error_get(&why);
    memcpy(text, p->text, dir_len);
    text[dir_len] = '/';
    memcpy(text + dir_len + 1, target, strlen(target) + 1);
    if (hg_vfs_path_take(text, &to) == HOLOG_OK)
        *p = to;
    else
        hg_error_set(&why);
}

int holog_vfs_symlink(holog_backend *backend, const char *target, const char *path, unsigned flags,
                      uint64_t *out_number)
{
    struct hg_vfs_path p;
    uint64_t number = 0;
    int rc = hg_vfs_begin(backend, flags);

    if (rc == HOLOG_OK && backend->ops->symlink == NULL)
        rc = hg_error(HOLOG_E_NOTSUP, "backend %s has no symlink", backend->ops->name);
    if (rc == HOLOG_OK)
        rc = hg_check_target(target);
    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(path, &p);
    if (rc < 0)
        return rc;
    rc = backend->ops->symlink(backend->self, target, p.text, flags, &number);
    if (rc == HOLOG_E_NOENT)
        take_target(target, &p);
    return finish(backend, rc, "symlink", p.text, number, out_number);
}

int holog_vfs_readlink(holog_backend *backend, const char *path, char *buf, size_t buf_size)
{
    struct hg_vfs_path p;
    int rc = hg_vfs_begin(backend, 0);

    if (rc == HOLOG_OK && backend->ops->readlink == NULL)
        rc = hg_error(HOLOG_E_NOTSUP, "backend %s has no readlink", backend->ops->name);
    if (rc == HOLOG_OK && buf == NULL)
        rc = hg_error(HOLOG_E_INVAL, "buf is NULL");
    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(path, &p);
    if (rc < 0)
        return rc;
    return hg_vfs_done(backend, backend->ops->readlink(backend->self, p.text, buf, buf_size),
                       "readlink", p.text);
}

/* ---- two paths -----------------------------------------------------------------------------------------*/

static int take_two(const holog_backend *b, const char *from, const char *to, unsigned flags,
                    struct hg_vfs_path *out_from, struct hg_vfs_path *out_to)
{
    int rc = hg_vfs_begin(b, flags);

    if (rc == HOLOG_OK)
        rc = hg_vfs_path_take(from, out_from);
    return rc < 0 ? rc : hg_vfs_path_take(to, out_to);
}

int holog_vfs_copy(holog_backend *backend, const char *from, const char *to, unsigned flags,
                   uint64_t *out_number)
{
    struct hg_vfs_path f = { .len = 0 };
    struct hg_vfs_path t = { .len = 0 };
    uint64_t number = 0;
    int rc = take_two(backend, from, to, flags, &f, &t);

    if (rc < 0)
        return rc;
    rc = backend->ops->copy(backend->self, f.text, t.text, flags, &number);
    return finish(backend, rc, "copy", f.text, number, out_number);
}

int holog_vfs_move(holog_backend *backend, const char *from, const char *to, unsigned flags,
                   uint64_t *out_number)
{
    struct hg_vfs_path f = { .len = 0 };
    struct hg_vfs_path t = { .len = 0 };
    uint64_t number = 0;
    int rc = take_two(backend, from, to, flags, &f, &t);

    if (rc == HOLOG_OK &&
        (strcmp(f.text, "/") == 0 || (strncmp(f.text, t.text, f.len) == 0 && t.text[f.len] == '/')))
        rc = hg_error_path(HOLOG_E_INVAL, f.text, (uint32_t)f.len, "%s: cannot move into itself",
                           f.text);
    if (rc < 0)
        return rc;
    rc = backend->ops->move(backend->self, f.text, t.text, flags, &number);
    return finish(backend, rc, "move", f.text, number, out_number);
}

/* ---- durability ------------------------------------------------------------------------------------------*/

int holog_vfs_wait_durable(holog_backend *backend, uint64_t number, uint32_t timeout_ms)
{
    int rc = hg_vfs_begin(backend, 0);

    if (rc < 0 || backend->ops->wait == NULL)
        return rc;
    return hg_vfs_done(backend, backend->ops->wait(backend->self, number, timeout_ms), "wait",
                       NULL);
}

int holog_vfs_sync(holog_backend *backend)
{
    return holog_vfs_wait_durable(backend, 0, UINT32_MAX);
}
