/*
 * Documents of groups and arrays; see ome_internal.h.
 */
#include <string.h>

#include "base/error.h"
#include "ome/ome_internal.h"

/* ---- paths -----------------------------------------------------------------------------------------*/

/* A name of a node: not "." or "..", nor empty. */
static int is_name(const char *at, size_t len)
{
    return len > 0 && !(at[0] == '.' && (len == 1 || (len == 2 && at[1] == '.')));
}

int hg_ome_join(const char *path, const char *below, char out[HG_PATH_MAX + 1])
{
    size_t len = 0;
    size_t more = strlen(below);
    int rc = hg_user_path(path, out, &len);

    if (rc != HOLOG_OK)
        return rc;
    for (const char *at = below;; at++) {
        size_t n = strcspn(at, "/");
        if (!is_name(at, n))
            return hg_error(HOLOG_E_INVAL, "\"%.100s\" is no path of something below a group",
                            below);
        at += n;
        if (*at == 0)
            break;
    }
    if (len + 1 + more > HG_PATH_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "%s/%.100s: the path is too long", out, below);
    if (len > 0)
        out[len++] = '/';
    memcpy(out + len, below, more + 1);
    return HOLOG_OK;
}

int hg_ome_path(const char *path, char out[HG_PATH_MAX + 1])
{
    size_t len = 0;
    int rc = hg_user_path(path, out, &len);

    if (rc == HOLOG_OK && len == 0)
        memcpy(out, "/", 2);
    return rc;
}

const char *hg_ome_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* ---- loading ---------------------------------------------------------------------------------------*/

static int lookup_of(const struct hg_ome_source *s, struct hg_lookup *out)
{
    int rc;

    if (s->txn != NULL) {
        rc = hg_txn_settle(s->txn);
        hg_txn_lookup_reading(s->txn, out);
        return rc;
    }
    HG_ASSERT(s->view != NULL);
    rc = hg_view_check(s->view);
    if (rc == HOLOG_OK)
        hg_lookup_version(s->view->store, s->view->version, out);
    return rc;
}

static int find_nodes(const struct hg_ome_source *s, const char *path, struct hg_nodes *out)
{
    struct hg_lookup l;
    struct hg_resolved r;
    int rc = lookup_of(s, &l);

    if (rc == HOLOG_OK)
        rc = hg_resolve_user(&l, path, 1, &r);
    if (rc != HOLOG_OK)
        return rc;
    if (r.loc.type == 0)
        return hg_error_path(HOLOG_E_NOENT, r.path, (uint32_t)r.path_len, "%s: no such entry",
                             r.path);
    if (r.loc.type != HG_ENTRY_DIR)
        return hg_error_path(HOLOG_E_TYPE, r.path, (uint32_t)r.path_len,
                             "%s: is no group or array, but a blob", r.path);
    return hg_nodes_begin(out, &l, s->txn, r.path, r.path_len);
}

/* The node's JSON. HOLOG_E_NOENT without a message: there is none. */
static int load_json(struct hg_nodes *n, const char *node, struct json_object **out)
{
    struct hg_locator loc;
    holog_value *v = NULL;
    int rc = hg_nodes_find(n, node, 2, &loc);

    if (rc == HOLOG_OK)
        rc = hg_nodes_load(n, &loc, &v);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_document_json(holog_value_data(v), holog_value_size(v), out);
    holog_value_release(v);
    return rc;
}

int hg_ome_group_load(const struct hg_ome_source *s, const char *path, struct json_object **out)
{
    static const char made_up[] = "{\"zarr_format\":3,\"node_type\":\"group\"}";
    struct hg_locator loc;
    struct hg_nodes n;
    int rc = find_nodes(s, path, &n);

    if (rc != HOLOG_OK)
        return rc;
    rc = hg_nodes_find(&n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1, &loc);
    if (rc == HOLOG_OK)
        return hg_error(HOLOG_E_TYPE, "%s: is an array, and no group", path);
    if (rc == HOLOG_E_NOENT)
        rc = load_json(&n, HG_NODE_GROUP, out);
    return rc == HOLOG_E_NOENT ? hg_document_json(made_up, sizeof made_up - 1, out) : rc;
}

int hg_ome_array_load(const struct hg_ome_source *s, const char *path, struct hg_document *out)
{
    struct hg_locator loc;
    struct hg_nodes n;
    holog_value *v = NULL;
    int rc = find_nodes(s, path, &n);

    if (rc != HOLOG_OK)
        return rc;
    rc = hg_nodes_find(&n, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY - 1, &loc);
    if (rc == HOLOG_E_NOENT)
        return hg_error(HOLOG_E_TYPE, "%s: is no array", path);
    if (rc == HOLOG_OK)
        rc = hg_nodes_load(&n, &loc, &v);
    if (rc != HOLOG_OK)
        return rc;
    rc = hg_document_read(holog_value_data(v), holog_value_size(v), out);
    if (rc < 0)
        hg_document_release(out);
    holog_value_release(v);
    return rc;
}

/* ---- saving ----------------------------------------------------------------------------------------*/

static int save(holog_txn *txn, const char *path, const char *node, struct json_object *document)
{
    const struct hg_ome_source s = { .txn = txn };
    struct hg_nodes n;
    const char *json =
        json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                     JSON_C_TO_STRING_NOSLASHESCAPE);
    int rc =
        json == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for metadata") : find_nodes(&s, path, &n);

    if (rc != HOLOG_OK)
        return rc;
    if (strlen(json) > HG_DOCUMENT_MAX)
        return hg_error(HOLOG_E_TOOBIG, "%s: its metadata would have %zu bytes; %u are possible",
                        path, strlen(json), HG_DOCUMENT_MAX);
    hg_nodes_name(&n, node, 2);
    return hg_nodes_save(&n, json, strlen(json));
}

int hg_ome_group_save(holog_txn *txn, const char *path, struct json_object *document)
{
    return save(txn, path, HG_NODE_GROUP, document);
}

int hg_ome_array_save(holog_txn *txn, const char *path, struct json_object *document)
{
    return save(txn, path, HG_NODE_ARRAY, document);
}

struct json_object *hg_ome_of(struct json_object *document)
{
    struct json_object *ome = hg_json_get(hg_json_get(document, "attributes"), "ome");

    return json_object_is_type(ome, json_type_object) ? ome : NULL;
}

int hg_ome_document_new(struct json_object **out, struct json_object **out_ome)
{
    struct json_object *root = json_object_new_object();
    struct json_object *attributes = json_object_new_object();
    struct json_object *ome = hg_json_pair("version", HG_OME_VERSION);
    int rc = hg_json_put(root, "zarr_format", json_object_new_int(3));

    if (rc == HOLOG_OK)
        rc = hg_json_put_text(root, "node_type", "group");
    if (rc == HOLOG_OK) {
        rc = hg_json_put(attributes, "ome", ome);
        if (rc == HOLOG_OK)
            rc = hg_json_put(root, "attributes", attributes);
        else
            json_object_put(attributes);
    } else {
        json_object_put(ome);
        json_object_put(attributes);
    }
    if (rc < 0) {
        json_object_put(root);
        return rc;
    }
    *out = root;
    *out_ome = ome;
    return HOLOG_OK;
}

/* ---- transactions ----------------------------------------------------------------------------------*/

int hg_ome_check(holog_txn *txn, unsigned flags)
{
    int rc = txn == NULL ? hg_error(HOLOG_E_INVAL, "the transaction is NULL")
                         : hg_store_check_write(txn->store);

    return rc != HOLOG_OK ? rc : hg_txn_check_call(txn, HG_OP_SAVE, flags);
}

/* The root is always there: as long as it is no image, plate or array it can become one. */
static int clear_root(holog_txn *txn, unsigned flags)
{
    const struct hg_ome_source s = { .txn = txn };
    struct json_object *document = NULL;
    int rc = HOLOG_OK;

    if ((flags & HOLOG_REPLACE) != 0)
        return holog_txn_delete_all(txn, "/");
    rc = hg_ome_group_load(&s, "/", &document);
    if (rc == HOLOG_E_TYPE || (rc == HOLOG_OK && hg_ome_of(document) != NULL))
        rc = hg_error(HOLOG_E_EXIST, "/: is an array, an image or a plate already");
    json_object_put(document);
    return rc;
}

int hg_ome_clear(holog_txn *txn, const char *path, unsigned flags)
{
    holog_stat_info info = { .struct_size = sizeof info };
    int rc;

    if (strcmp(path, "/") == 0)
        return clear_root(txn, flags);
    rc = holog_txn_stat(txn, path, &info);
    if (rc == HOLOG_E_NOENT) /* a directory above is missing, which mkdir judges */
        return holog_txn_mkdir(txn, path, flags & HOLOG_PARENTS);
    if (rc == HOLOG_OK && info.type != HOLOG_MISSING && (flags & HOLOG_REPLACE) == 0)
        return hg_error_path(HOLOG_E_EXIST, path, (uint32_t)strlen(path), "%s: exists", path);
    if (rc == HOLOG_OK && info.type != HOLOG_MISSING)
        rc = holog_txn_delete_all(txn, path);
    return rc != HOLOG_OK ? rc : holog_txn_mkdir(txn, path, flags & HOLOG_PARENTS);
}

int hg_ome_undo(holog_txn *txn, uint32_t savepoint, int rc)
{
    struct holog_error_detail why;
    int back;

    if (rc == HOLOG_OK)
        return rc;
    hg_error_get(&why);
    back = holog_txn_rollback_to(txn, savepoint);
    if (back < 0)
        return back;
    hg_error_set(&why);
    return rc;
}
