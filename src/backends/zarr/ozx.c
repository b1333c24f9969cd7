/*
 * The comment of a zip file; see export.h.
 */
#include <string.h>

#include "array/document.h"
#include "backends/zarr/export.h"
#include "backends/zarr/twin.h"
#include "base/error.h"

#define VERSION     "0.5" /* of OME-Zarr: the first on Zarr v3 */
#define VERSION_MAX 32    /* bytes of one that somebody wrote */

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, name, &value)
               ? value
               : NULL;
}

/* {name: value}; takes the value over. */
static struct json_object *wrap(const char *name, struct json_object *value)
{
    struct json_object *o = json_object_new_object();

    if (hg_twin_put(o, name, value) == HOLOG_OK)
        return o;
    json_object_put(o);
    return NULL;
}

static struct json_object *make(const char *version)
{
    struct json_object *ome = wrap("version", json_object_new_string(version));
    struct json_object *first = wrap("jsonFirst", json_object_new_boolean(1));
    int rc = hg_twin_put(ome, "zipFile", wrap("centralDirectory", first));

    if (rc == HOLOG_OK)
        return wrap("ome", ome);
    json_object_put(ome);
    return NULL;
}

static int append(const char *version, struct hg_buf *out)
{
    struct json_object *o = make(version);
    const char *text = o == NULL
                           ? NULL
                           : json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE);
    int rc = text == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for the comment of a zip file")
                          : hg_buf_append(out, text, strlen(text) + 1);

    json_object_put(o);
    return rc;
}

int hg_zarr_zip_comment(holog_zarr *z, struct hg_buf *out)
{
    struct json_object *root = NULL;
    struct json_object *version;
    const char *text = VERSION;
    holog_value *v = NULL;
    int rc;

    if (z->tree.is_v2)
        return hg_buf_append_byte(out, 0);
    rc = holog_zarr_get(z, "zarr.json", &v);
    if (rc == HOLOG_OK)
        rc = hg_document_json(holog_value_data(v), holog_value_size(v), &root);
    holog_value_release(v);
    if (rc < 0)
        return rc;
    version = member(member(member(root, "attributes"), "ome"), "version");
    if (json_object_is_type(version, json_type_string) &&
        json_object_get_string_len(version) <= VERSION_MAX)
        text = json_object_get_string(version);
    rc = append(text, out);
    json_object_put(root);
    return rc;
}
