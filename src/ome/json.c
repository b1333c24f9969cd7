/*
 * Members of documents; see ome_internal.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ome/ome_internal.h"

static int no_memory(void)
{
    return hg_error(HOLOG_E_NOMEM, "no memory for metadata");
}

struct json_object *hg_json_get(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    if (!json_object_is_type(o, json_type_object))
        return NULL;
    return json_object_object_get_ex(o, name, &value) ? value : NULL;
}

const char *hg_json_text(struct json_object *value)
{
    const char *text;

    if (!json_object_is_type(value, json_type_string))
        return NULL;
    text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

int hg_json_is(struct json_object *value, const char *text)
{
    const char *is = hg_json_text(value);

    return is != NULL && strcmp(is, text) == 0;
}

int hg_json_count(struct json_object *value, uint64_t most, uint64_t *out)
{
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
        json_object_get_uint64(value) > most)
        return 0;
    *out = json_object_get_uint64(value);
    return 1;
}

int hg_json_put(struct json_object *o, const char *name, struct json_object *value)
{
    if (o != NULL && value != NULL && json_object_object_add(o, name, value) == 0)
        return HOLOG_OK;
    json_object_put(value);
    return no_memory();
}

int hg_json_add(struct json_object *list, struct json_object *value)
{
    if (list != NULL && value != NULL && json_object_array_add(list, value) == 0)
        return HOLOG_OK;
    json_object_put(value);
    return no_memory();
}

int hg_json_put_text(struct json_object *o, const char *name, const char *text)
{
    return hg_json_put(o, name, json_object_new_string(text));
}

struct json_object *hg_json_number(double d)
{
    char text[40];
    int digits = 15;

    do
        (void)snprintf(text, sizeof text, "%.*g", digits, d);
    while (strtod(text, NULL) != d && digits++ < 17);
    if (strpbrk(text, ".e") == NULL)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ".0");
    return json_object_new_double_s(d, text);
}

struct json_object *hg_json_pair(const char *name, const char *text)
{
    struct json_object *o = json_object_new_object();

    if (hg_json_put_text(o, name, text) == HOLOG_OK)
        return o;
    json_object_put(o);
    return NULL;
}

struct json_object *hg_json_copy(struct json_object *o)
{
    struct json_object *copy = NULL;

    return json_object_deep_copy(o, &copy, NULL) == 0 ? copy : NULL;
}
