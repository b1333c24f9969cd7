/*
 * What each operation asks of the state it meets; see check.h.
 */
#include "engine/check.h"

#include <string.h>

#include "base/error.h"

static int fail(int code, const struct hg_resolved *r, const char *what)
{
    return hg_error_path(code, r->path, (uint32_t)r->path_len, "%s: %s",
                         r->path_len == 0 ? "/" : r->path, what);
}

static int check_target(const struct hg_resolved *r, unsigned flags)
{
    int replace = (flags & HOLOG_REPLACE) != 0;

    switch (r->loc.type) {
    case 0: return HOLOG_OK;
    case HG_ENTRY_DIR:
    case HG_ENTRY_ARRAY:
        return replace ? fail(HOLOG_E_ISDIR, r, "is a directory; delete it first")
                       : fail(HOLOG_E_EXIST, r, "exists (a directory)");
    default: return replace ? HOLOG_OK : fail(HOLOG_E_EXIST, r, "exists");
    }
}

static int check_mkdir(const struct hg_check_ctx *c, const struct hg_op *op, const char *path,
                       size_t path_len, struct hg_checked *out)
{
    int parents = (op->flags & HOLOG_PARENTS) != 0;

    if (out->at.loc.type == HG_ENTRY_SYMLINK && parents) {
        int rc = hg_resolve(&c->lookup, path, path_len, 1, &out->at);
        if (rc < 0)
            return rc;
    }
    if (out->at.loc.type == HG_ENTRY_DIR && parents) {
        out->nothing_to_do = 1;
        return HOLOG_OK;
    }
    if (out->at.loc.type == 0)
        return HOLOG_OK;
    return fail(parents && out->at.loc.type != HG_ENTRY_DIR ? HOLOG_E_NOTDIR : HOLOG_E_EXIST,
                &out->at,
                out->at.loc.type == HG_ENTRY_DIR ? "exists" : "exists, and is no directory");
}

/* Where the way to an entry ends early the entry is missing. */
static int check_expect(const struct hg_op *op, int rc, const char *path, size_t path_len,
                        const struct hg_checked *c)
{
    uint64_t found = rc == HOLOG_OK && c->at.loc.type != 0 ? c->at.loc.number : 0;

    if (rc < 0 && rc != HOLOG_E_NOENT && rc != HOLOG_E_NOTDIR)
        return rc;
    if (found == op->expect)
        return HOLOG_OK;
    return hg_error_path(HOLOG_E_CONFLICT, path, (uint32_t)path_len,
                         "%s: expected version %llu, found %llu", path,
                         (unsigned long long)op->expect, (unsigned long long)found);
}

static int check_delete(const struct hg_check_ctx *c, struct hg_checked *out)
{
    int children;

    if (out->at.path_len == 0)
        return fail(HOLOG_E_INVAL, &out->at, "the root directory cannot be deleted");
    if (out->at.loc.type == 0)
        return fail(HOLOG_E_NOENT, &out->at, "no such entry");
    if (out->at.loc.type != HG_ENTRY_DIR)
        return HOLOG_OK;
    children = c->has_children(c->children_ctx, &out->at.key);
    if (children > 0)
        return fail(HOLOG_E_NOTEMPTY, &out->at,
                    "the directory is not empty; delete it with all below it instead");
    return children;
}

static int check_transfer(const struct hg_check_ctx *c, const struct hg_op *op, const char *to,
                          size_t to_len, struct hg_checked *out)
{
    const struct hg_resolved *from = &out->at;
    int rc;

    if (from->path_len == 0)
        return fail(HOLOG_E_INVAL, from, "the root directory cannot be moved or copied");
    if (from->loc.type == 0)
        return fail(HOLOG_E_NOENT, from, "no such entry");
    rc = hg_resolve(&c->lookup, to, to_len, 0, &out->to);
    if (rc < 0) {
        out->missing_parent = rc == HOLOG_E_NOENT;
        return rc;
    }
    if (out->to.path_len == from->path_len && memcmp(out->to.path, from->path, from->path_len) == 0)
        return fail(HOLOG_E_EXIST, &out->to, "source and destination are the same entry");
    if (out->to.path_len > from->path_len && out->to.path[from->path_len] == '/' &&
        memcmp(out->to.path, from->path, from->path_len) == 0)
        return fail(HOLOG_E_INVAL, &out->to, "a directory cannot go into itself");
    if (out->to.loc.type != 0 && (op->flags & HOLOG_REPLACE) != 0 && from->loc.type == HG_ENTRY_DIR)
        return fail(HOLOG_E_NOTDIR, &out->to, "a directory cannot replace it; delete it first");
    return check_target(&out->to, op->flags);
}

static int check_rollback(const struct hg_check_ctx *c, const struct hg_op *op,
                          struct hg_checked *out)
{
    int was;

    if (out->at.loc.type != 0)
        return HOLOG_OK;
    was = c->was_there(c->children_ctx, &out->at.key, op->expect);
    return was == 0 ? fail(HOLOG_E_NOENT, &out->at, "no such entry, neither now nor then")
                    : HG_MIN(was, 0);
}

int hg_check_op(const struct hg_check_ctx *c, const struct hg_op *op, const char *path,
                size_t path_len, const char *to, size_t to_len, struct hg_checked *out)
{
    int rc;

    out->nothing_to_do = 0;
    out->missing_parent = 0;
    if (op->type == HG_OP_CONFIG)
        return HOLOG_OK;
    rc = hg_resolve(&c->lookup, path, path_len, op->type == HG_OP_DELTA, &out->at);
    if (op->type == HG_OP_EXPECT)
        return check_expect(op, rc, path, path_len, out);
    if (rc < 0) {
        out->missing_parent =
            rc == HOLOG_E_NOENT && op->type != HG_OP_MOVE && op->type != HG_OP_COPY;
        return rc;
    }
    switch (op->type) {
    case HG_OP_SAVE:
    case HG_OP_SYMLINK: return check_target(&out->at, op->flags);
    case HG_OP_MKDIR: return check_mkdir(c, op, path, path_len, out);
    case HG_OP_DELETE: return check_delete(c, out);
    case HG_OP_DELETE_TREE:
        return out->at.loc.type == 0 ? fail(HOLOG_E_NOENT, &out->at, "no such entry") : HOLOG_OK;
    case HG_OP_MOVE:
    case HG_OP_COPY: return check_transfer(c, op, to, to_len, out);
    case HG_OP_ROLLBACK: return check_rollback(c, op, out);
    case HG_OP_DELTA: return hg_must_be_blob(&out->at);
    case HG_OP_EXPECT:
    case HG_OP_CONFIG:
    default: return HOLOG_OK;
    }
}
