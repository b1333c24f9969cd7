/*
 * A hierarchy as files, or as one zip file. In a directory data come before what names them: whoever finds a
 * document finds the chunks, and whoever finds the directory finds all. In a zip file documents come first, and
 * whoever finds the file finds all.
 */
#include "backends/zarr/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json_object.h>

#include "backends/zarr/hierarchy.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/partial.h"

struct export
{
    holog_zarr *zarr;
    holog_zarr_export_options options;
    struct hg_partial *partial;
    int is_zip;
    struct hg_zip_writer zip;
    holog_value *value;            /* of the entry that is written */
    char dir[HG_ZARR_KEY_MAX + 1]; /* of the last file */
    struct hg_outside *in_dir;     /* that; NULL: the top */
    struct hg_buf documents;       /* their keys, each with a NUL */
    unsigned n_documents;
    int only_data; /* documents are known, and written */
    uint64_t done;
    int rc;
};

/* ---- one key -----------------------------------------------------------------------------------------*/

static int is_document(const char *key)
{
    const char *slash = strrchr(key, '/');
    const char *name = slash != NULL ? slash + 1 : key;

    return hg_zarr_name_of(name, strlen(name)) != HG_ZARR_PLAIN;
}

/* The directory of a key, made if need be. Those of neighbours are the same. */
static int enter(struct export *e, const char *key, size_t dir_len)
{
    struct hg_outside *top = hg_partial_dir(e->partial);
    int rc;

    if (strncmp(key, e->dir, dir_len) == 0 && e->dir[dir_len] == 0)
        return HOLOG_OK;
    hg_outside_close(e->in_dir);
    e->in_dir = NULL;
    memcpy(e->dir, key, dir_len);
    e->dir[dir_len] = 0;
    rc = dir_len > 0 ? hg_outside_mkdir(top, e->dir, HG_OUTSIDE_LAZY) : HOLOG_OK;
    return rc < 0 || dir_len == 0 ? rc : hg_outside_enter(top, e->dir, &e->in_dir);
}

static int put_file(struct export *e, const char *key, const void *data, size_t len)
{
    const char *slash = strrchr(key, '/');
    int rc = enter(e, key, slash != NULL ? (size_t)(slash - key) : 0);

    if (rc < 0)
        return rc;
    return hg_outside_create(e->in_dir != NULL ? e->in_dir : hg_partial_dir(e->partial),
                             slash != NULL ? slash + 1 : key, data, len);
}

static int first_key(void *ctx, const char *key, uint64_t size)
{
    char *other = ctx;

    (void)size;
    (void)snprintf(other, HG_ZARR_KEY_MAX + 1, "%s", key);
    return 1;
}

/* Zarr has keys, and one may begin with another; files have names, and one that is a directory is no file. */
static int check_alone(struct export *e, const char *key)
{
    char other[HG_ZARR_KEY_MAX + 1] = "";
    struct hg_zarr_place p;
    int rc = hg_zarr_find(&e->zarr->tree, key, 1, &p);

    if (rc == HOLOG_OK && (p.what == HG_ZARR_DIRECTORY || p.what == HG_ZARR_CHUNKS))
        rc = holog_zarr_list(e->zarr, key, first_key, other);
    if (rc == HOLOG_OK && other[0] != 0)
        rc = hg_error_path(HOLOG_E_EXIST, key, (uint32_t)strlen(key),
                           "%s: cannot be a file, since %s is to be below it: move or remove one "
                           "of them",
                           key, other);
    return rc;
}

static int read_key(struct export *e, const char *key, holog_value **out)
{
    int rc = is_document(key) ? HOLOG_OK : check_alone(e, key);

    return rc < 0 ? rc : holog_zarr_get(e->zarr, key, out);
}

static int count_key(struct export *e)
{
    const holog_zarr_export_options *o = &e->options;

    e->done++;
    if (o->progress != NULL && o->progress(o->progress_ctx, e->done, 0, "keys") != 0)
        return hg_error(HOLOG_E_CANCELED, "the export was stopped");
    return HOLOG_OK;
}

/* Where a file could not be written. */
static int name_file(int rc, const char *key)
{
    struct holog_error_detail why;

    if (rc >= 0)
        return rc;
    hg_error_get(&why);
    return hg_error(rc, "%s: %s", key, why.message);
}

/* Of a zip file's entry only the name: its bytes are asked for when all names are known. */
static int write_key(struct export *e, const char *key)
{
    holog_value *v = NULL;
    int rc;

    if (e->is_zip)
        return hg_zip_add(&e->zip, key);
    rc = read_key(e, key, &v);
    if (rc < 0)
        return rc;
    rc = name_file(put_file(e, key, holog_value_data(v), holog_value_size(v)), key);
    holog_value_release(v);
    return rc < 0 ? rc : count_key(e);
}

/* ---- documents ---------------------------------------------------------------------------------------*/

static int collect_document(struct export *e, const char *key)
{
    e->n_documents++;
    return hg_buf_append(&e->documents, key, strlen(key) + 1);
}

/* Those of arrays and groups further down come first: from the end of the listing, in which the root's is the
 * first. */
static int write_documents_last(struct export *e)
{
    const char *keys = (const char *)e->documents.data;
    size_t at = e->documents.len;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && at > 0) {
        for (at--; at > 0 && keys[at - 1] != 0; at--)
            continue;
        rc = write_key(e, keys + at);
    }
    return rc;
}

/* By depth; those of one are in the order of the listing. */
static int write_documents_first(struct export *e)
{
    const char *keys = (const char *)e->documents.data;
    unsigned written = 0;
    int rc = HOLOG_OK;

    for (unsigned depth = 0; rc == HOLOG_OK && written < e->n_documents; depth++) {
        for (size_t at = 0; rc == HOLOG_OK && at < e->documents.len; at += strlen(keys + at) + 1) {
            unsigned slashes = 0;
            for (const char *c = keys + at; *c != 0; c++)
                slashes += *c == '/';
            if (slashes != depth)
                continue;
            rc = write_key(e, keys + at);
            written++;
        }
    }
    return rc;
}

/* ---- what Zarr v2 cannot say -------------------------------------------------------------------------*/

/* An array without a document of Zarr v2. */
static int judge_document(void *ctx, const char *key, const struct hg_zarr_place *p)
{
    struct export *e = ctx;
    const holog_zarr_export_options *o = &e->options;
    char path[HG_ZARR_KEY_MAX + 1];
    struct holog_error_detail why;
    struct hg_buf json = { 0 };
    const char *slash = strrchr(key, '/');
    int rc;

    if (p->what != HG_ZARR_ARRAY_DOCUMENT || p->name != HG_ZARR_ZARRAY)
        return HOLOG_OK;
    rc = hg_zarr_make(e->zarr, p, &json);
    hg_buf_release(&json);
    if (rc != HOLOG_E_NOTSUP)
        return rc;
    (void)snprintf(path, sizeof path, "%.*s", slash != NULL ? (int)(slash - key) : 1,
                   slash != NULL ? key : "/");
    hg_error_get(&why);
    if (o->left_out != NULL && o->left_out(o->left_out_ctx, path, rc, why.message) == 0)
        return HOLOG_OK;
    hg_error_set(&why);
    return rc;
}

/* ---- all of it ---------------------------------------------------------------------------------------*/

static int each_key(void *ctx, const char *key, uint64_t size)
{
    struct export *e = ctx;
    int document = is_document(key);

    (void)size;
    if (document && !e->only_data)
        e->rc = collect_document(e, key);
    else if (!document && (e->only_data || !e->is_zip))
        e->rc = write_key(e, key);
    return e->rc != HOLOG_OK;
}

static int walk(struct export *e)
{
    int rc = holog_zarr_list(e->zarr, "", each_key, e);

    return rc < 0 ? rc : e->rc;
}

static int export_files(struct export *e)
{
    int rc = walk(e);

    if (rc == HOLOG_OK)
        rc = hg_outside_sync(hg_partial_dir(e->partial));
    if (rc == HOLOG_OK)
        rc = write_documents_last(e);
    hg_outside_close(e->in_dir);
    return rc;
}

static int put_zip(void *ctx, uint64_t offset, const void *data, size_t len)
{
    const struct export *e = ctx;

    return hg_partial_write(e->partial, offset, data, len);
}

static int begin_entry(void *ctx, const char *name, const void **out, size_t *out_len)
{
    struct export *e = ctx;
    int rc = read_key(e, name, &e->value);

    if (rc < 0)
        return rc;
    *out = holog_value_data(e->value);
    *out_len = holog_value_size(e->value);
    return count_key(e);
}

static void end_entry(void *ctx)
{
    struct export *e = ctx;

    holog_value_release(e->value);
    e->value = NULL;
}

static int export_zip(struct export *e)
{
    struct hg_zip_to to = { .put = put_zip, .begin = begin_entry, .end = end_entry, .ctx = e };
    struct hg_buf comment = { 0 };
    int rc = hg_zip_begin(&e->zip, &to);

    if (rc == HOLOG_OK)
        rc = walk(e);
    if (rc == HOLOG_OK)
        rc = write_documents_first(e);
    e->only_data = 1;
    if (rc == HOLOG_OK)
        rc = walk(e);
    if (rc == HOLOG_OK)
        rc = hg_zarr_zip_comment(e->zarr, &comment);
    if (rc == HOLOG_OK)
        rc = hg_zip_end(&e->zip, (const char *)comment.data);
    hg_buf_release(&comment);
    hg_zip_release(&e->zip);
    holog_value_release(e->value);
    return rc;
}

/* "some/where/name" to its directory, opened, and the name, without slashes behind it. */
static int open_above(const char *to, struct hg_outside **out, char *out_name)
{
    size_t len = strlen(to);
    const char *name;
    char *above;
    int rc;

    while (len > 1 && to[len - 1] == '/')
        len--;
    name = memrchr(to, '/', len);
    name = name != NULL ? name + 1 : to;
    if (len - (size_t)(name - to) > HG_NAME_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "%s: the name is too long", to);
    (void)snprintf(out_name, HG_NAME_MAX + 1, "%.*s", (int)(len - (size_t)(name - to)), name);
    above = hg_malloc((size_t)(name - to) + 2);
    if (above == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to export");
    (void)snprintf(above, (size_t)(name - to) + 2, "%.*s", name > to ? (int)(name - to) : 1,
                   name > to ? to : ".");
    rc = hg_outside_open(above, 0, out);
    hg_free(above);
    return rc;
}

/* Nothing of it stays; what there was no room for is worth more words. */
static void abandon(struct export *e, int rc)
{
    struct holog_error_detail why;

    hg_error_get(&why);
    hg_partial_abandon(e->partial);
    if (rc == HOLOG_E_NOSPC)
        (void)hg_error(rc, "%s; what was written is removed again", why.message);
    else
        hg_error_set(&why);
}

static int export_all(struct export *e, const char *to)
{
    char name[HG_NAME_MAX + 1];
    struct hg_outside *above = NULL;
    int rc = e->zarr->tree.is_v2 ? hg_zarr_each_document(e->zarr, judge_document, e) : HOLOG_OK;

    if (rc == HOLOG_OK)
        rc = open_above(to, &above, name);
    if (rc == HOLOG_OK)
        rc = hg_partial_begin(above, name, !e->is_zip, &e->partial);
    if (rc < 0) {
        hg_outside_close(above);
        return rc;
    }
    rc = e->is_zip ? export_zip(e) : export_files(e);
    if (rc == HOLOG_OK)
        rc = hg_partial_finish(e->partial);
    else
        abandon(e, rc);
    hg_outside_close(above);
    return rc;
}

static int check_options(const holog_zarr_export_options *in, holog_zarr_export_options *out)
{
    int rc = in == NULL ? HOLOG_OK : hg_struct_check(in, "holog_zarr_export_options");

    *out = (holog_zarr_export_options){ .struct_size = sizeof *out };
    if (rc == HOLOG_OK && in != NULL)
        memcpy(out, in, HG_MIN((size_t)in->struct_size, sizeof *out));
    if (rc == HOLOG_OK && (out->flags & ~(unsigned)HOLOG_ZARR_EXPORT_ZIP) != 0)
        rc = hg_error(HOLOG_E_INVAL, "flags of an export are unknown");
    return rc;
}

int holog_zarr_export(holog_zarr *zarr, const char *to, const holog_zarr_export_options *options)
{
    holog_zarr_export_options o = { 0 };
    struct export *e;
    int rc = hg_zarr_check(zarr);

    if (rc == HOLOG_OK)
        rc = check_options(options, &o);
    if (rc == HOLOG_OK && (to == NULL || to[0] == 0 || strcmp(to, "/") == 0))
        rc = hg_error(HOLOG_E_INVAL, "what to export to has no name");
    if (rc < 0)
        return rc;
    e = hg_calloc(1, sizeof *e);
    if (e == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to export");
    e->zarr = zarr;
    e->options = o;
    e->is_zip = (o.flags & HOLOG_ZARR_EXPORT_ZIP) != 0;
    rc = export_all(e, to);
    hg_buf_release(&e->documents);
    hg_free(e);
    return rc;
}
