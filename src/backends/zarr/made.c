/*
 * Documents that are made up when they are read: those of directories without one, all of Zarr v2, and
 * consolidated metadata, which is put together once for a handle: its view does not change.
 */
#include <stdio.h>
#include <string.h>

#include "backends/zarr/hierarchy.h"
#include "backends/zarr/twin.h"
#include "base/error.h"

#define GROUP_V3 "{\"zarr_format\":3,\"node_type\":\"group\"}"
#define GROUP_V2 "{\"zarr_format\":2}"

static int is_root(const holog_zarr *z, const struct hg_zarr_place *p)
{
    return p->at.path_len == z->tree.base_len &&
           memcmp(p->at.path, z->tree.base, z->tree.base_len) == 0;
}

static int is_consolidated(const holog_zarr *z, const struct hg_zarr_place *p)
{
    return p->what == HG_ZARR_CONSOLIDATED ||
           (!z->tree.is_v2 && (z->flags & HOLOG_ZARR_CONSOLIDATED) != 0 && is_root(z, p) &&
            (p->what == HG_ZARR_GROUP_DOCUMENT || p->what == HG_ZARR_MADE_UP));
}

int hg_zarr_is_made(const holog_zarr *z, const struct hg_zarr_place *p)
{
    int is_stored = p->what == HG_ZARR_GROUP_DOCUMENT || p->what == HG_ZARR_ARRAY_DOCUMENT;

    return p->what == HG_ZARR_MADE_UP || (z->tree.is_v2 && is_stored) || is_consolidated(z, p);
}

/* ---- one document --------------------------------------------------------------------------------*/

static int no_memory(void)
{
    return hg_error(HOLOG_E_NOMEM, "no memory for metadata");
}

static int from_text(const char *json, struct json_object **out)
{
    return hg_document_json(json, strlen(json), out);
}

/* Of an array: it has documents of v2 too, or HOLOG_E_NOTSUP and why not. */
static int check_twin(holog_zarr *z, const struct hg_zarr_place *p, const holog_value *v)
{
    struct hg_zarr_array array;
    struct holog_error_detail why;
    int rc = hg_zarr_array_at(&z->tree, &p->loc, p->at.path, &array);

    if (rc < 0 || array.has_twin)
        return rc;
    rc = hg_twin_check(v->data, v->len);
    hg_error_get(&why);
    return rc != HOLOG_E_NOTSUP
               ? rc
               : hg_error_path(rc, p->at.path, (uint32_t)p->at.path_len, "%s: not in Zarr v2: %s",
                               p->at.path_len == 0 ? "/" : p->at.path, why.message);
}

/* Of an entry that has one. */
static int from_stored(holog_zarr *z, const struct hg_zarr_place *p, struct json_object **out)
{
    holog_value *v = NULL;
    int rc = hg_zarr_value(&z->tree, &p->loc, p->at.path, &v);

    if (rc == HOLOG_OK && z->tree.is_v2 && p->what == HG_ZARR_ARRAY_DOCUMENT)
        rc = check_twin(z, p, v);
    if (rc != HOLOG_OK) {
        holog_value_release(v);
        return rc;
    }
    if (!z->tree.is_v2)
        rc = hg_document_json(v->data, v->len, out);
    else if (p->name == HG_ZARR_ZARRAY)
        rc = hg_twin_array(v->data, v->len, out);
    else if (p->name == HG_ZARR_ZATTRS)
        rc = hg_twin_attributes(v->data, v->len, out);
    else
        rc = from_text(GROUP_V2, out);
    holog_value_release(v);
    return rc;
}

/* As JSON, without what is consolidated. */
static int make_one(holog_zarr *z, const struct hg_zarr_place *p, struct json_object **out)
{
    if (p->what != HG_ZARR_MADE_UP)
        return from_stored(z, p, out);
    if (z->tree.is_v2 && p->name != HG_ZARR_ZGROUP)
        return HOLOG_E_NOENT;
    return from_text(z->tree.is_v2 ? GROUP_V2 : GROUP_V3, out);
}

/* One character of UTF-8, as \uXXXX; above U+FFFF as two of them. Its length. */
static size_t escape(const uint8_t *s, char out[13])
{
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    uint32_t c = s[0] & (0xffu >> (len + 1));
    size_t n = 1;

    for (; n < len && s[n] != 0; n++)
        c = c << 6 | (s[n] & 0x3fu);
    if (c > 0xffff)
        (void)snprintf(out, 13, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10 & 0x3ff),
                       0xdc00 + (c & 0x3ff));
    else
        (void)snprintf(out, 13, "\\u%04x", c);
    return n;
}

/* Of Zarr v2 in ASCII: that is how zarr-python 2 reads it. The text is UTF-8: json-c has checked it. */
static int append_ascii(const char *text, struct hg_buf *out)
{
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && *text != 0) {
        char escaped[13];
        const char *end = text;
        while (*end != 0 && (uint8_t)*end < 0x80)
            end++;
        rc = hg_buf_append(out, text, (size_t)(end - text));
        text = end;
        if (rc == HOLOG_OK && *text != 0) {
            text += escape((const uint8_t *)text, escaped);
            rc = hg_buf_append(out, escaped, strlen(escaped));
        }
    }
    return rc;
}

static int append_json(const holog_zarr *z, struct json_object *o, struct hg_buf *out)
{
    const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE);

    if (text == NULL)
        return no_memory();
    return z->tree.is_v2 ? append_ascii(text, out) : hg_buf_append(out, text, strlen(text));
}

/* ---- all of them ---------------------------------------------------------------------------------*/

struct collecting {
    holog_zarr *z;
    struct json_object *metadata;
};

/* An array of v2 whose type v3 has no word for: a reader that meets one in consolidated metadata refuses all of
 * them (zarr-python 3.1.6). */
static int has_no_word(struct json_object *document)
{
    struct json_object *type = NULL;
    struct json_object *name = NULL;

    return json_object_object_get_ex(document, "data_type", &type) &&
           json_object_object_get_ex(type, "name", &name) &&
           strcmp(json_object_get_string(name), HG_TWIN_TYPE) == 0;
}

/* Of v3 under the name of the node, of v2 under the key. */
static int collect(void *ctx, const char *key, const struct hg_zarr_place *p)
{
    struct collecting *c = ctx;
    struct json_object *o = NULL;
    const char *slash = strrchr(key, '/');
    char name[HG_ZARR_KEY_MAX + 1];
    size_t len = strlen(key);
    int rc;

    if (!c->z->tree.is_v2)
        len = slash != NULL ? (size_t)(slash - key) : 0;
    if (len == 0 || p->what == HG_ZARR_CONSOLIDATED)
        return HOLOG_OK; /* what they are all going to be in */
    memcpy(name, key, len);
    name[len] = 0;
    rc = make_one(c->z, p, &o);
    if (rc < 0)
        return rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTSUP ? HOLOG_OK : rc;
    if (!c->z->tree.is_v2 && has_no_word(o)) {
        json_object_put(o);
        return HOLOG_OK;
    }
    return hg_twin_put(c->metadata, name, o);
}

/* {"metadata": .., "zarr_consolidated_format": 1} */
static int wrap_v2(struct json_object *metadata, struct json_object **out)
{
    struct json_object *o = json_object_new_object();
    int rc = hg_twin_put(o, "metadata", metadata);

    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "zarr_consolidated_format", json_object_new_int(1));
    if (rc == HOLOG_OK)
        *out = o;
    else
        json_object_put(o);
    return rc;
}

/* The root's document with {"kind": "inline", "must_understand": false, "metadata": ..} in it. */
static int wrap_v3(holog_zarr *z, const struct hg_zarr_place *p, struct json_object *metadata,
                   struct json_object **out)
{
    struct json_object *root = NULL;
    struct json_object *o = json_object_new_object();
    int rc = hg_twin_put(o, "metadata", metadata);

    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "kind", json_object_new_string("inline"));
    if (rc == HOLOG_OK)
        rc = hg_twin_put(o, "must_understand", json_object_new_boolean(0));
    if (rc == HOLOG_OK)
        rc = make_one(z, p, &root);
    if (rc == HOLOG_OK)
        rc = hg_twin_put(root, "consolidated_metadata", o);
    else
        json_object_put(o);
    if (rc == HOLOG_OK)
        *out = root;
    else
        json_object_put(root);
    return rc;
}

static int make_all(holog_zarr *z, const struct hg_zarr_place *p, struct hg_buf *out)
{
    struct collecting c = { z, json_object_new_object() };
    struct json_object *o = NULL;
    int rc = c.metadata == NULL ? no_memory() : hg_zarr_each_document(z, collect, &c);

    if (rc < 0) {
        json_object_put(c.metadata);
        return rc;
    }
    rc = z->tree.is_v2 ? wrap_v2(c.metadata, &o) : wrap_v3(z, p, c.metadata, &o);
    if (rc == HOLOG_OK)
        rc = append_json(z, o, out);
    json_object_put(o);
    return rc;
}

/* ---- the call ------------------------------------------------------------------------------------*/

static int make_consolidated(holog_zarr *z, const struct hg_zarr_place *p, struct hg_buf *out)
{
    struct hg_io *io = z->tree.store->io;
    int rc = HOLOG_OK;

    hg_mutex_lock(io, &z->making);
    if (z->consolidated.len == 0)
        rc = make_all(z, p, &z->consolidated);
    if (rc < 0)
        z->consolidated.len = 0;
    else
        rc = hg_buf_append(out, z->consolidated.data, z->consolidated.len);
    hg_mutex_unlock(io, &z->making);
    return rc;
}

int hg_zarr_make(holog_zarr *z, const struct hg_zarr_place *p, struct hg_buf *out)
{
    struct json_object *o = NULL;
    int rc;

    if (is_consolidated(z, p))
        return make_consolidated(z, p, out);
    if (p->what == HG_ZARR_MADE_UP && !z->tree.is_v2)
        return hg_buf_append(out, GROUP_V3, sizeof GROUP_V3 - 1);
    rc = make_one(z, p, &o);
    if (rc == HOLOG_OK)
        rc = append_json(z, o, out);
    json_object_put(o);
    return rc;
}
