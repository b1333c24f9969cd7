/*
 * Files of a hierarchy into a store, in one transaction: of each directory its document first, since what it says
 * tells chunks from other names, then files, then the directories below.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"
#include "holog/zarr.h"
#include "io/outside.h"

#define FILE_MAX ((uint64_t)1 << 36) /* of a chunk or a shard */

struct import {
    holog_txn *txn;
    const char *path;
    struct hg_outside *in;
    int (*damaged)(void *ctx, const char *key, int code, const char *message);
    void *damaged_ctx;
    holog_progress_fn progress;
    void *progress_ctx;
    uint64_t done;
    char key[HG_PATH_MAX + 1];
};

struct names {
    struct hg_buf text; /* each with a NUL, behind 'f' or 'd' */
    int rc;
};

static int collect(void *ctx, const char *name, int is_dir, uint64_t size)
{
    struct names *n = ctx;

    (void)size;
    n->rc = hg_buf_append_byte(&n->text, is_dir ? 'd' : 'f');
    if (n->rc == HOLOG_OK)
        n->rc = hg_buf_append(&n->text, name, strlen(name) + 1);
    return n->rc;
}

static int is_document(const char *name)
{
    return strcmp(name, "zarr.json") == 0;
}

/* One that this library cannot make sense of, not one that it could not store. */
static int is_of_the_file(int rc)
{
    return rc == HOLOG_E_INVAL || rc == HOLOG_E_NOTSUP || rc == HOLOG_E_TOOBIG ||
           rc == HOLOG_E_CORRUPT || rc == HOLOG_E_BADPATH || rc == HOLOG_E_NAMETOOLONG;
}

static int import_file(struct import *m)
{
    struct hg_buf file = { 0 };
    struct holog_error_detail why;
    int rc = hg_outside_read(m->in, m->key, FILE_MAX, &file);

    if (rc == HOLOG_OK) {
        rc = holog_txn_zarr_set(m->txn, m->path, m->key, file.data, file.len);
        if (is_of_the_file(rc)) {
            hg_error_get(&why);
            rc = m->damaged != NULL && m->damaged(m->damaged_ctx, m->key, rc, why.message) == 0
                     ? HOLOG_OK
                     : hg_error(rc, "%s: %s", m->key, why.message);
        }
        m->done += file.len;
    }
    hg_buf_release(&file);
    if (rc == HOLOG_OK && m->progress != NULL &&
        m->progress(m->progress_ctx, m->done, 0, "bytes") != 0)
        rc = hg_error(HOLOG_E_CANCELED, "the import was stopped");
    return rc;
}

static int import_dir(struct import *m, size_t dir_len);

/* kind: 'f' or 'd'; of files documents, or all others. */
static int import_some(struct import *m, size_t dir_len, const struct names *n, char kind,
                       int documents)
{
    size_t at_name = dir_len + (dir_len > 0);
    int rc = HOLOG_OK;

    HG_ASSERT(dir_len < HG_PATH_MAX);
    for (size_t at = 0; rc == HOLOG_OK && at < n->text.len;) {
        const char *name = (const char *)n->text.data + at + 1;
        size_t len = strlen(name);
        int wanted =
            n->text.data[at] == (uint8_t)kind && (kind == 'd' || is_document(name) == documents);
        at += len + 2;
        if (!wanted)
            continue;
        if (at_name + len >= HG_PATH_MAX)
            return hg_error(HOLOG_E_NAMETOOLONG, "%s/%s: the name is too long", m->key, name);
        (void)snprintf(m->key + dir_len, sizeof m->key - dir_len, "%s%s", dir_len > 0 ? "/" : "",
                       name);
        rc = kind == 'd' ? import_dir(m, at_name + len) : import_file(m);
        m->key[dir_len] = 0;
    }
    return rc;
}

static int import_dir(struct import *m, size_t dir_len)
{
    struct names n = { 0 };
    int rc = hg_outside_list(m->in, m->key, collect, &n);

    if (rc == HOLOG_OK)
        rc = n.rc;
    if (rc == HOLOG_OK)
        rc = import_some(m, dir_len, &n, 'f', 1);
    if (rc == HOLOG_OK)
        rc = import_some(m, dir_len, &n, 'f', 0);
    if (rc == HOLOG_OK)
        rc = import_some(m, dir_len, &n, 'd', 0);
    hg_buf_release(&n.text);
    return rc;
}

/* Is there such a hierarchy? */
static int check_root(struct import *m, const char *dir)
{
    struct hg_buf json = { 0 };
    int rc = hg_outside_read(m->in, "zarr.json", FILE_MAX, &json);

    hg_buf_release(&json);
    if (rc == HOLOG_E_NOENT)
        return hg_error(HOLOG_E_INVAL,
                        "%s: is no Zarr hierarchy of version 3: there is no zarr.json", dir);
    return rc;
}

int holog_txn_zarr_import(holog_txn *txn, const char *path, const char *dir,
                          int (*damaged)(void *ctx, const char *key, int code, const char *message),
                          void *damaged_ctx, holog_progress_fn progress, void *progress_ctx)
{
    struct import *m;
    int rc = txn == NULL || dir == NULL ? hg_error(HOLOG_E_INVAL, "txn or dir is NULL")
                                        : hg_store_check_write(txn->store);

    if (rc < 0)
        return rc;
    m = hg_calloc(1, sizeof *m);
    if (m == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to import");
    m->txn = txn;
    m->path = path;
    m->damaged = damaged;
    m->damaged_ctx = damaged_ctx;
    m->progress = progress;
    m->progress_ctx = progress_ctx;
    rc = hg_outside_open(dir, 0, &m->in);
    if (rc == HOLOG_OK)
        rc = check_root(m, dir);
    if (rc == HOLOG_OK)
        rc = import_dir(m, 0);
    hg_outside_close(m->in);
    hg_free(m);
    return rc;
}
