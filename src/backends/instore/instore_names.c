/*
 * Directories, deletes, copies, moves and links in a store, where an array counts as a file.
 */
#include <string.h>

#include "backends/instore/instore.h"
#include "base/error.h"

struct naming {
    const char *from; /* or the only path */
    const char *to;
    unsigned flags;
    int all;
    int move;
};

/* ---- directories -----------------------------------------------------------------------------------*/

static int make_directory(const struct hg_instore *e, holog_txn *txn, void *ctx)
{
    const struct naming *n = ctx;
    struct hg_resolved r;
    uint32_t type = 0;
    int rc = hg_instore_check_parent(txn, n->from);

    HG_UNUSED(e);
    if (rc == HOLOG_OK)
        rc = hg_instore_look(txn, n->from, 1, &r, &type);
    if (rc < 0 || type == HOLOG_DIRECTORY)
        return rc;
    if (type == HOLOG_MISSING)
        return holog_txn_mkdir(txn, n->from, HOLOG_PARENTS);
    return hg_instore_wrong(HOLOG_E_EXIST, n->from, "exists, and is no directory");
}

int hg_instore_ensure_directory(void *self, const char *path, uint64_t *out_number)
{
    struct naming n = { .from = path };

    return hg_instore_change(self, make_directory, &n, out_number);
}

/* ---- deletes ---------------------------------------------------------------------------------------*/

static int drop(const struct hg_instore *e, holog_txn *txn, void *ctx)
{
    const struct naming *n = ctx;
    struct hg_resolved r;
    uint32_t type = 0;
    int rc;

    HG_UNUSED(e);
    if (n->all)
        return holog_txn_delete_all(txn, n->from);
    rc = hg_instore_look(txn, n->from, 0, &r, &type);
    return rc < 0 ? rc : hg_instore_drop(txn, n->from, type);
}

int hg_instore_remove(void *self, const char *path, int all, uint64_t *out_number)
{
    struct naming n = { .from = path, .all = all };

    return hg_instore_change(self, drop, &n, out_number);
}

/* What is in a directory, behind what there is: of each its type, and its path with a NUL. */
static int collect(holog_txn *txn, const char *dir, struct hg_buf *found)
{
    const holog_entry *entry;
    holog_cursor *c = NULL;
    int rc = holog_txn_list(txn, dir, &c);

    while (rc == HOLOG_OK && (rc = holog_cursor_next(c, &entry)) == HOLOG_OK) {
        rc = hg_buf_append_byte(found, (uint8_t)entry->type);
        if (rc == HOLOG_OK)
            rc = hg_buf_append(found, entry->path, entry->path_len + 1);
    }
    holog_cursor_close(c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int drop_all(holog_txn *txn, struct hg_buf *found)
{
    char path[HG_PATH_MAX + 1];
    int rc = HOLOG_OK;

    for (size_t at = 0; rc == HOLOG_OK && at < found->len;) {
        uint32_t type = found->data[at];
        size_t size = strlen((const char *)found->data + at + 1) + 1;
        memcpy(path, found->data + at + 1, size);
        at += 1 + size;
        rc = type == HOLOG_DIRECTORY ? collect(txn, path, found) : hg_instore_drop(txn, path, type);
    }
    return rc;
}

static int drop_files(const struct hg_instore *e, holog_txn *txn, void *ctx)
{
    const struct naming *n = ctx;
    struct hg_buf found = { 0 };
    struct hg_resolved r;
    uint32_t type = 0;
    int rc = hg_instore_look(txn, n->from, 1, &r, &type);

    HG_UNUSED(e);
    if (rc == HOLOG_OK && type == HOLOG_MISSING)
        rc = hg_instore_wrong(HOLOG_E_NOENT, n->from, "no such directory");
    if (rc == HOLOG_OK && type != HOLOG_DIRECTORY)
        rc = hg_instore_wrong(HOLOG_E_NOTDIR, n->from, "is no directory");
    if (rc == HOLOG_OK)
        rc = collect(txn, n->from, &found);
    if (rc == HOLOG_OK)
        rc = drop_all(txn, &found);
    hg_buf_release(&found);
    return rc;
}

int hg_instore_remove_files(void *self, const char *dir, uint64_t *out_number)
{
    struct naming n = { .from = dir };

    return hg_instore_change(self, drop_files, &n, out_number);
}

/* ---- copies and moves ------------------------------------------------------------------------------*/

/* To the engine an array is a directory, which neither gives way nor takes a place. */
static int make_way(holog_txn *txn, const struct naming *n)
{
    struct hg_resolved from;
    struct hg_resolved to;
    uint32_t from_type = 0;
    uint32_t to_type = 0;
    int rc = hg_instore_look(txn, n->from, 0, &from, &from_type);

    if (rc == HOLOG_OK)
        rc = hg_instore_look(txn, n->to, 0, &to, &to_type);
    if (rc < 0 || (n->flags & HOLOG_REPLACE) == 0 || to_type == HOLOG_MISSING ||
        from_type == HOLOG_MISSING || (from_type != HOLOG_ARRAY && to_type != HOLOG_ARRAY))
        return rc;
    if (to_type == HOLOG_DIRECTORY)
        return hg_instore_wrong(HOLOG_E_ISDIR, n->to, "is a directory");
    if (from_type == HOLOG_DIRECTORY)
        return hg_instore_wrong(HOLOG_E_NOTDIR, n->to, "is no directory");
    if (strcmp(from.path, to.path) == 0)
        return hg_instore_wrong(HOLOG_E_EXIST, n->to, "would replace itself");
    return hg_instore_drop(txn, n->to, to_type);
}

static int transfer(const struct hg_instore *e, holog_txn *txn, void *ctx)
{
    const struct naming *n = ctx;
    int rc = hg_instore_check_parent(txn, n->to);

    HG_UNUSED(e);
    if (rc == HOLOG_OK)
        rc = make_way(txn, n);
    if (rc < 0)
        return rc;
    return n->move ? holog_txn_move(txn, n->from, n->to, n->flags)
                   : holog_txn_copy(txn, n->from, n->to, n->flags);
}

int hg_instore_copy(void *self, const char *from, const char *to, unsigned flags,
                    uint64_t *out_number)
{
    struct naming n = { .from = from, .to = to, .flags = flags };

    return hg_instore_change(self, transfer, &n, out_number);
}

int hg_instore_move(void *self, const char *from, const char *to, unsigned flags,
                    uint64_t *out_number)
{
    struct naming n = { .from = from, .to = to, .flags = flags, .move = 1 };

    return hg_instore_change(self, transfer, &n, out_number);
}

/* ---- links -----------------------------------------------------------------------------------------*/

static int link_to(const struct hg_instore *e, holog_txn *txn, void *ctx)
{
    const struct naming *n = ctx;
    struct hg_resolved r;
    uint32_t type = 0;
    int rc = hg_instore_check_parent(txn, n->to);

    HG_UNUSED(e);
    if (rc == HOLOG_OK)
        rc = hg_instore_look(txn, n->to, 0, &r, &type);
    if (rc == HOLOG_OK && type == HOLOG_ARRAY && (n->flags & HOLOG_REPLACE) != 0)
        rc = hg_instore_drop(txn, n->to, type);
    if (rc == HOLOG_OK)
        rc = holog_txn_symlink(txn, n->from, n->to, n->flags);
    if (rc == HOLOG_OK)
        rc = hg_instore_look(txn, n->to, 1, &r, &type);
    if (rc == HOLOG_OK && type == HOLOG_MISSING)
        return hg_instore_wrong(HOLOG_E_NOENT, n->from, "there is nothing to link to");
    return rc;
}

int hg_instore_symlink(void *self, const char *target, const char *path, unsigned flags,
                       uint64_t *out_number)
{
    struct naming n = { .from = target, .to = path, .flags = flags };

    return hg_instore_change(self, link_to, &n, out_number);
}

int hg_instore_readlink(void *self, const char *path, char *buf, size_t buf_size)
{
    const struct hg_instore *e = self;

    return holog_readlink(e->store, path, buf, buf_size);
}
