/*
 * Documents of arrays and groups, as a hierarchy takes them; see array.h.
 */
#include "backends/zarr/array.h"

#include <string.h>

#include <json-c/linkhash.h>

#include "array/chain.h"
#include "backends/zarr/twin.h"
#include "base/error.h"

/* ---- arrays --------------------------------------------------------------------------------------*/

int hg_zarr_array_read(const void *json, size_t len, struct hg_zarr_array *out)
{
    struct hg_document d;
    int rc = hg_document_read(json, len, &d);

    if (rc == HOLOG_OK) {
        memset(out, 0, sizeof *out);
        out->grid.rank = d.rank;
        out->grid.separator = d.separator;
        out->grid.v2_keys = d.v2_keys;
        for (unsigned i = 0; i < d.rank; i++) {
            out->grid.count[i] = hg_document_chunks(&d, i);
            out->shape[i] = d.shape[i];
        }
        hg_stored_of(&d, &out->shards);
        out->has_twin = hg_twin_is_possible(&d);
    }
    hg_document_release(&d);
    return rc;
}

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(o, name, &value) ? value : NULL;
}

/* Of opaque ones what stands there. */
static int same_type_and_fill(const struct hg_document *a, const struct hg_document *b)
{
    if (a->type.dtype != HG_OPAQUE)
        return memcmp(a->fill, b->fill, a->type.size) == 0;
    return json_object_equal(member(a->root, "data_type"), member(b->root, "data_type")) &&
           json_object_equal(member(a->root, "fill_value"), member(b->root, "fill_value"));
}

static int same(const struct hg_document *a, const struct hg_document *b)
{
    return a->type.dtype == b->type.dtype && a->type.size == b->type.size && a->rank == b->rank &&
           memcmp(a->chunk, b->chunk, a->rank * sizeof a->chunk[0]) == 0 &&
           same_type_and_fill(a, b) && a->separator == b->separator && a->v2_keys == b->v2_keys &&
           json_object_equal(member(a->root, "codecs"), member(b->root, "codecs"));
}

int hg_zarr_same_chunks(const void *json, size_t len, const void *other, size_t other_len)
{
    struct hg_document a;
    struct hg_document b;
    int rc = hg_document_read(json, len, &a);

    if (rc == HOLOG_OK) {
        rc = hg_document_read(other, other_len, &b);
        rc = rc < 0 ? rc : same(&a, &b);
        hg_document_release(&b);
    }
    hg_document_release(&a);
    return rc;
}

/* ---- groups --------------------------------------------------------------------------------------*/

static int bad(const char *what)
{
    return hg_error(HOLOG_E_INVAL, "zarr.json: %s", what);
}

static int is_text(struct json_object *value, const char *text)
{
    return json_object_is_type(value, json_type_string) &&
           strcmp(json_object_get_string(value), text) == 0;
}

/* Consolidated metadata is made up when it is asked for: what a document has of it is nobody's business. */
static int check_member(const char *name, struct json_object *value)
{
    static const char *const known[] = { "zarr_format", "node_type", "attributes",
                                         "consolidated_metadata" };
    struct json_object *must;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i]) == 0)
            return HOLOG_OK;
    must = json_object_is_type(value, json_type_object) ? member(value, "must_understand") : NULL;
    if (json_object_is_type(must, json_type_boolean) && !json_object_get_boolean(must))
        return HOLOG_OK;
    return hg_error(HOLOG_E_NOTSUP,
                    "zarr.json: the group's \"%.40s\" is not known, and must be understood", name);
}

static int check_group(struct json_object *root)
{
    struct json_object *attributes = NULL;
    int rc = HOLOG_OK;

    if (!json_object_is_type(member(root, "zarr_format"), json_type_int) ||
        json_object_get_int64(member(root, "zarr_format")) != 3)
        return bad("zarr_format is not 3");
    if (json_object_object_get_ex(root, "attributes", &attributes) &&
        !json_object_is_type(attributes, json_type_object))
        return bad("attributes is no object");
    json_object_object_foreach(root, name, value) {
        if (rc == HOLOG_OK)
            rc = check_member(name, value);
    }
    return rc;
}

/* Codecs and types that nobody here knows are kept as they are; chunks over the limit are no use to anybody. */
static int check_chunks(const struct hg_document *d)
{
    struct hg_chain *chain = NULL;
    int rc = hg_chain_create(d, &chain);

    hg_chain_destroy(chain);
    return rc == HOLOG_E_TOOBIG || rc == HOLOG_E_NOMEM ? rc : HOLOG_OK;
}

int hg_zarr_document_check(const void *json, size_t len, int *out_is_array)
{
    struct json_object *root = NULL;
    struct hg_document d;
    int is_array = 0;
    int rc = hg_document_json(json, len, &root);

    if (rc < 0)
        return rc;
    if (!json_object_is_type(root, json_type_object))
        rc = bad("it is no JSON object");
    else if (is_text(member(root, "node_type"), "array"))
        is_array = 1;
    else if (is_text(member(root, "node_type"), "group"))
        rc = check_group(root);
    else
        rc = bad("node_type is neither \"array\" nor \"group\"");
    json_object_put(root);
    if (is_array) {
        rc = hg_document_read(json, len, &d);
        if (rc == HOLOG_OK)
            rc = check_chunks(&d);
        hg_document_release(&d);
    }
    if (rc == HOLOG_OK)
        *out_is_array = is_array;
    return rc;
}
