/*
 * Files of a hierarchy, in a directory or a zip file, into a store, in one transaction: of each directory its document first, since what it says
 * tells chunks from other names, then files, then the directories below. Documents of Zarr v2 become those of v3
 * (from_v2.h); chunks keep their keys and bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array/document.h"
#include "backends/zarr/array.h"
#include "backends/zarr/from_v2.h"
#include "backends/zarr/incoming.h"
#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"
#include "holog/zarr.h"
#include "ome/version.h"

#define FILE_MAX ((uint64_t)1 << 36) /* of a chunk or a shard */
#define DEFLATED_MAX \
    ((uint64_t)1 << 30) /* of what a zip file says to be so large, and nobody else does */
/* What chunks of N bytes may have when they are encoded: numbers as text are some 6 N, the index of a shard of
 * single elements 16 N. */
#define ENCODED_MAX(n) ((n) < FILE_MAX / 32 - (1u << 15) ? 32 * (n) + (1u << 20) : FILE_MAX)

/* The array around what is at hand. */
struct around {
    int is_array;
    size_t key_len;    /* of its directory */
    uint64_t bytes;    /* of each of its chunks, where that is always the same; else 0 */
    uint64_t elements; /* in a chunk */
    struct hg_zarr_grid grid;
};

struct import {
    holog_txn *txn;
    const char *path;
    holog_zarr_import_options options;
    struct hg_incoming in;
    uint64_t done;
    uint64_t
        chunk_max; /* of files below the arrays around what is at hand, where it was deflated */
    struct around around;
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

static int has(const struct names *n, const char *name)
{
    for (size_t at = 0; at < n->text.len; at += strlen((const char *)n->text.data + at + 1) + 2)
        if (n->text.data[at] == 'f' && strcmp((const char *)n->text.data + at + 1, name) == 0)
            return 1;
    return 0;
}

/* One that this library cannot make sense of, not one that it could not store. */
static int is_of_the_file(int rc)
{
    return rc == HOLOG_E_INVAL || rc == HOLOG_E_NOTSUP || rc == HOLOG_E_TOOBIG ||
           rc == HOLOG_E_CORRUPT || rc == HOLOG_E_BADPATH || rc == HOLOG_E_NAMETOOLONG;
}

/* Something went wrong with the file of that key: does it matter? */
static int judge(struct import *m, int rc)
{
    struct holog_error_detail why;

    if (!is_of_the_file(rc) && rc != HOLOG_E_NOSPC)
        return rc;
    hg_error_get(&why);
    if (rc == HOLOG_E_NOSPC)
        return hg_error(rc, "%s: the store has no room for it: %s; nothing of the import stays",
                        m->key, why.message);
    if (m->options.left_out != NULL &&
        m->options.left_out(m->options.left_out_ctx, m->key, rc, why.message) == 0)
        return HOLOG_OK;
    return hg_error(rc, "%s: %s", m->key, why.message);
}

/* m->key becomes that of a name in the directory. */
static int name_key(struct import *m, size_t dir_len, const char *name)
{
    if (dir_len + 1 + strlen(name) >= sizeof m->key)
        return hg_error(HOLOG_E_NAMETOOLONG, "%s/%s: the name is too long", m->key, name);
    (void)snprintf(m->key + dir_len, sizeof m->key - dir_len, "%s%s", dir_len > 0 ? "/" : "", name);
    return HOLOG_OK;
}

static int read_named(struct import *m, size_t dir_len, const char *name, struct hg_buf *out)
{
    int rc = name_key(m, dir_len, name);

    return rc < 0 ? rc : hg_incoming_read(&m->in, m->key, FILE_MAX, HG_DOCUMENT_MAX, out);
}

/* 1: stored bytes are the elements, in whatever order. */
static int is_raw(const struct hg_document *d)
{
    for (unsigned i = 0; i < d->n_codecs; i++)
        if (d->codecs[i].id != HG_CODEC_BYTES && d->codecs[i].id != HG_CODEC_TRANSPOSE)
            return 0;
    return d->type.dtype != HG_OPAQUE;
}

/* Among the chunks of another array nothing is said: some of what lies there may be the other one's. */
static void note_chunks(struct around *a, const struct hg_document *d, size_t key_len,
                        uint64_t bytes)
{
    struct hg_zarr_grid *g = &a->grid;

    a->bytes = !a->is_array && is_raw(d) && bytes < FILE_MAX ? bytes : 0;
    a->elements = d->type.size > 0 ? bytes / d->type.size : 0;
    a->is_array = 1;
    a->key_len = key_len;
    *g = (struct hg_zarr_grid){ .rank = d->rank, .separator = d->separator, .v2_keys = d->v2_keys };
    for (unsigned i = 0; i < d->rank; i++)
        g->count[i] = hg_document_chunks(d, i);
}

/* What its document, which m->key is, says of the chunks of the array that the directory is. */
static void note_array(struct import *m, const struct hg_buf *json)
{
    const char *slash = strrchr(m->key, '/');
    struct hg_document d;
    uint64_t bytes = HG_ITEM_MAX;

    if (hg_document_read(json->data, json->len, &d) == HOLOG_OK) {
        bytes = d.type.size > 0 ? d.type.size : bytes;
        for (unsigned i = 0; i < d.rank; i++)
            bytes = bytes < FILE_MAX / d.chunk[i] ? bytes * d.chunk[i] : FILE_MAX;
        m->chunk_max = m->chunk_max == DEFLATED_MAX ? ENCODED_MAX(bytes)
                                                    : HG_MAX(m->chunk_max, ENCODED_MAX(bytes));
        note_chunks(&m->around, &d, slash != NULL ? (size_t)(slash - m->key) : 0, bytes);
    }
    hg_document_release(&d);
}

/* A chunk that is nothing but its elements has all of them. */
static int check_chunk(const struct import *m, size_t len)
{
    const struct around *a = &m->around;
    size_t skip = a->key_len + (a->key_len > 0 ? 1 : 0);
    uint64_t index[HG_RANK_MAX];

    if (a->bytes == 0 || len == a->bytes ||
        hg_zarr_chunk_read(&a->grid, m->key + skip, strlen(m->key + skip), index) !=
            (int)a->grid.rank)
        return HOLOG_OK;
    return hg_error(HOLOG_E_INVAL,
                    "the chunk has %zu bytes, and its %" PRIu64 " elements are %" PRIu64
                    "; get it whole from where it came",
                    len, a->elements, a->bytes);
}

/* What some write for numbers that JSON has not. */
static void mend(struct import *m, struct hg_buf *file)
{
    struct hg_buf mended = { 0 };
    unsigned words = 0;
    char message[120];
    int rc = hg_document_mend(file->data, file->len, &mended, &words);

    if (rc < 0 || words == 0) {
        hg_buf_release(&mended);
        return; /* who takes it says what is wrong with it */
    }
    hg_buf_release(file);
    *file = mended;
    (void)snprintf(message, sizeof message,
                   "NaN or Infinity, which JSON has not, taken as strings: %u", words);
    if (m->options.noted != NULL)
        m->options.noted(m->options.noted_ctx, m->key, message);
}

/* Of the directory at hand, which m->key is; of the hierarchy's own where it is imported to. */
static void dir_name(const struct import *m, char out[HG_NAME_MAX + 1])
{
    const char *path = m->key[0] != 0 ? m->key : m->path;
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t len = HG_MIN(strlen(name), (size_t)HG_NAME_MAX);

    memcpy(out, name, len);
    out[len] = 0;
}

/* .zarray or .zgroup, with .zattrs, as zarr.json. */
static int import_v2(struct import *m, size_t dir_len, const struct names *n)
{
    struct hg_buf zattrs = { 0 };
    struct hg_buf zarray = { 0 };
    struct hg_buf json = { 0 };
    char name[HG_NAME_MAX + 1];
    int has_attributes = has(n, ".zattrs");
    int is_array = has(n, ".zarray");
    int rc;

    dir_name(m, name);
    rc = has_attributes ? read_named(m, dir_len, ".zattrs", &zattrs) : HOLOG_OK;
    if (rc == HOLOG_OK && has_attributes)
        mend(m, &zattrs);
    if (rc == HOLOG_OK && is_array)
        rc = read_named(m, dir_len, ".zarray", &zarray);
    if (rc == HOLOG_OK && is_array)
        mend(m, &zarray);
    if (rc < 0)
        rc = judge(m, rc);
    else {
        rc = is_array
                 ? hg_zarr_array_from_v2(zarray.data, zarray.len, zattrs.data, zattrs.len, &json)
                 : hg_zarr_group_from_v2(name, zattrs.data, zattrs.len, &json);
        if (rc == HOLOG_OK)
            rc = name_key(m, dir_len, "zarr.json");
        if (rc == HOLOG_OK)
            rc = holog_txn_zarr_set(m->txn, m->path, m->key, json.data, json.len);
        if (rc == HOLOG_OK && is_array)
            note_array(m, &json);
        rc = judge(m, rc);
    }
    m->key[dir_len] = 0;
    hg_buf_release(&zattrs);
    hg_buf_release(&zarray);
    hg_buf_release(&json);
    return rc;
}

/* What a group says of the documents below it is made up when it is asked for: kept, it would be out of date with
 * the next change. A document that is none is judged by who takes it. */
static int drop_consolidated(struct hg_buf *file)
{
    struct json_object *root = NULL;
    const char *json;
    int rc = HOLOG_OK;

    if (hg_document_json(file->data, file->len, &root) == HOLOG_OK &&
        json_object_is_type(root, json_type_object) &&
        json_object_object_get_ex(root, "consolidated_metadata", NULL)) {
        json_object_object_del(root, "consolidated_metadata");
        json =
            json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                     JSON_C_TO_STRING_NOSLASHESCAPE);
        file->len = 0;
        rc = json == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata")
                          : hg_buf_append(file, json, strlen(json));
    }
    json_object_put(root);
    return rc;
}

static int may_be_consolidated(const char *key)
{
    const char *slash = strrchr(key, '/');

    return strcmp(slash != NULL ? slash + 1 : key, "zarr.json") == 0;
}

/* A file that is there, but not all right. */
static int take_file(struct import *m, int is_metadata)
{
    struct hg_buf file = { 0 };
    int rc = hg_incoming_read(&m->in, m->key, FILE_MAX,
                              is_metadata ? HG_DOCUMENT_MAX : m->chunk_max, &file);

    if (rc == HOLOG_OK && is_metadata)
        mend(m, &file);
    if (rc == HOLOG_OK && is_metadata)
        rc = drop_consolidated(&file);
    if (rc == HOLOG_OK && !is_metadata)
        rc = check_chunk(m, file.len);
    if (rc == HOLOG_OK)
        rc = holog_txn_zarr_set(m->txn, m->path, m->key, file.data, file.len);
    if (rc == HOLOG_OK && is_metadata)
        note_array(m, &file);
    m->done += file.len;
    hg_buf_release(&file);
    return judge(m, rc);
}

static int import_file(struct import *m)
{
    const holog_zarr_import_options *o = &m->options;
    int rc = take_file(m, may_be_consolidated(m->key));

    if (rc == HOLOG_OK && o->progress != NULL &&
        o->progress(o->progress_ctx, m->done, 0, "bytes") != 0)
        rc = hg_error(HOLOG_E_CANCELED, "the import was stopped");
    return rc;
}

static int import_dir(struct import *m, size_t dir_len);

/* Of v2, where there is no document of v3 beside them, all are made into one, or made up when they are read. */
static int is_document(const struct names *n, const char *name)
{
    static const char *const documents[] = { ".zarray", ".zgroup", ".zattrs", ".zmetadata" };

    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++)
        if (strcmp(name, documents[i]) == 0)
            return !has(n, "zarr.json"); /* looks at all of them: not for each chunk */
    return strcmp(name, "zarr.json") == 0;
}

/* kind: 'f': all but documents; or 'd'. */
static int import_some(struct import *m, size_t dir_len, const struct names *n, char kind)
{
    int rc = HOLOG_OK;

    for (size_t at = 0; rc == HOLOG_OK && at < n->text.len;) {
        const char *name = (const char *)n->text.data + at + 1;
        int wanted = n->text.data[at] == (uint8_t)kind && (kind == 'd' || !is_document(n, name));
        at += strlen(name) + 2;
        if (!wanted)
            continue;
        rc = name_key(m, dir_len, name);
        if (rc == HOLOG_OK)
            rc = kind == 'd' ? import_dir(m, strlen(m->key)) : import_file(m);
        m->key[dir_len] = 0;
    }
    return rc;
}

static int import_document(struct import *m, size_t dir_len, const struct names *n)
{
    int rc;

    if (!has(n, "zarr.json"))
        return has(n, ".zarray") || has(n, ".zgroup") ? import_v2(m, dir_len, n) : HOLOG_OK;
    rc = name_key(m, dir_len, "zarr.json");
    if (rc == HOLOG_OK)
        rc = import_file(m);
    m->key[dir_len] = 0;
    return rc;
}

/* Levels of an image of v2 get the names of its axes. */
static int name_axes(struct import *m, size_t dir_len, const struct names *n)
{
    char path[HG_PATH_MAX + 1];

    if (has(n, "zarr.json") || has(n, ".zarray") || !has(n, ".zgroup"))
        return HOLOG_OK;
    if ((size_t)snprintf(path, sizeof path, "%s%s%.*s", m->path, dir_len > 0 ? "/" : "",
                         (int)dir_len, m->key) >= sizeof path)
        return HOLOG_OK; /* it would not have come so far */
    return hg_ome_name_levels(m->txn, path);
}

static int import_dir(struct import *m, size_t dir_len)
{
    struct names n = { 0 };
    uint64_t chunk_max = m->chunk_max;
    struct around around = m->around; /* some 300 bytes for each directory on the way */
    int rc = hg_incoming_list(&m->in, m->key, collect, &n);

    if (rc == HOLOG_OK)
        rc = n.rc;
    if (rc == HOLOG_OK && dir_len == 0 && !has(&n, "zarr.json") && !has(&n, ".zarray") &&
        !has(&n, ".zgroup"))
        rc = hg_error(HOLOG_E_INVAL,
                      "this is no Zarr hierarchy: there is no zarr.json, .zgroup or .zarray");
    if (rc == HOLOG_OK)
        rc = import_document(m, dir_len, &n);
    if (rc == HOLOG_OK)
        rc = import_some(m, dir_len, &n, 'f');
    if (rc == HOLOG_OK)
        rc = import_some(m, dir_len, &n, 'd');
    if (rc == HOLOG_OK)
        rc = name_axes(m, dir_len, &n);
    m->chunk_max = chunk_max;
    m->around = around;
    hg_buf_release(&n.text);
    return rc;
}

/* Who changes a zip file writes a document behind the one that is there. */
static void note_copies(const struct import *m)
{
    char message[120];

    for (size_t i = 0; m->options.noted != NULL && i < m->in.zip.n; i++) {
        const struct hg_zip_entry *e = &m->in.zip.entries[i];
        if (e->copies == 0)
            continue;
        (void)snprintf(message, sizeof message,
                       "is there %" PRIu32 " times in the zip file; the last of them is taken",
                       e->copies + 1);
        m->options.noted(m->options.noted_ctx, e->name, message);
    }
}

static int import_all(struct import *m, const char *from)
{
    struct holog_error_detail why;
    int rc = hg_incoming_open(&m->in, from);

    if (rc < 0)
        return rc;
    m->chunk_max = DEFLATED_MAX;
    note_copies(m);
    rc = import_dir(m, 0);
    if (rc < 0 && m->in.dir == NULL) {
        hg_error_get(&why);
        rc = hg_error(rc, "%s: %s", from, why.message);
    }
    return rc;
}

static int check_options(const holog_zarr_import_options *in, holog_zarr_import_options *out)
{
    int rc = in == NULL ? HOLOG_OK : hg_struct_check(in, "holog_zarr_import_options");

    *out = (holog_zarr_import_options){ .struct_size = sizeof *out };
    if (rc == HOLOG_OK && in != NULL)
        memcpy(out, in, HG_MIN((size_t)in->struct_size, sizeof *out));
    if (rc == HOLOG_OK && out->reserved != 0)
        rc = hg_error(HOLOG_E_INVAL, "reserved of an import is not 0");
    return rc;
}

int holog_txn_zarr_import(holog_txn *txn, const char *path, const char *from,
                          const holog_zarr_import_options *options)
{
    holog_zarr_import_options o = { 0 };
    struct import *m;
    int rc = txn == NULL || from == NULL ? hg_error(HOLOG_E_INVAL, "txn or from is NULL")
                                         : hg_store_check_write(txn->store);

    if (rc == HOLOG_OK)
        rc = check_options(options, &o);
    if (rc < 0)
        return rc;
    m = hg_calloc(1, sizeof *m);
    if (m == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to import");
    m->txn = txn;
    m->path = path;
    m->options = o;
    rc = import_all(m, from);
    hg_incoming_close(&m->in);
    hg_free(m);
    return rc;
}
