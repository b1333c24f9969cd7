/*
 * The configuration of a codec; see conf.h.
 */
#include "array/conf.h"

#include <string.h>

#include <json-c/linkhash.h>

#include "base/error.h"

int hg_conf_bad(const struct hg_codec *c, const char *member, const char *why)
{
    return hg_error(HOLOG_E_INVAL, "the codec %.40s: %s %s", c->name, member, why);
}

struct json_object *hg_conf_get(const struct hg_codec *c, const char *member)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(c->configuration, member, &value) ? value : NULL;
}

int hg_conf_check(const struct hg_codec *c, const char *const *members, size_t count)
{
    if (c->configuration == NULL)
        return HOLOG_OK;
    json_object_object_foreach(c->configuration, name, value) {
        size_t i = 0;
        HG_UNUSED(value);
        while (i < count && strcmp(name, members[i]) != 0)
            i++;
        if (i == count)
            return hg_error(HOLOG_E_NOTSUP, "the codec %.40s: \"%.40s\" is not known", c->name,
                            name);
    }
    return HOLOG_OK;
}

int hg_conf_int(const struct hg_codec *c, const char *member, int least, int most, int *io_value)
{
    struct json_object *value = hg_conf_get(c, member);
    int64_t n = json_object_get_int64(value);

    if (value == NULL)
        return HOLOG_OK;
    if (!json_object_is_type(value, json_type_int) || n < least || n > most)
        return hg_error(HOLOG_E_INVAL, "the codec %.40s: %s is no number from %d to %d", c->name,
                        member, least, most);
    *io_value = (int)n;
    return HOLOG_OK;
}

int hg_conf_bool(const struct hg_codec *c, const char *member, int *io_value)
{
    struct json_object *value = hg_conf_get(c, member);

    if (value == NULL)
        return HOLOG_OK;
    if (!json_object_is_type(value, json_type_boolean))
        return hg_conf_bad(c, member, "is neither true nor false");
    *io_value = json_object_get_boolean(value) ? 1 : 0;
    return HOLOG_OK;
}

int hg_conf_word(const struct hg_codec *c, const char *member, const char *const *words,
                 size_t count, unsigned *io_word)
{
    struct json_object *value = hg_conf_get(c, member);

    if (value == NULL)
        return HOLOG_OK;
    for (size_t i = 0; json_object_is_type(value, json_type_string) && i < count; i++) {
        if (strcmp(json_object_get_string(value), words[i]) == 0) {
            *io_word = (unsigned)i;
            return HOLOG_OK;
        }
    }
    return hg_error(HOLOG_E_INVAL, "the codec %.40s: %s is %.60s", c->name, member,
                    json_object_to_json_string(value));
}

int hg_conf_list(const struct hg_codec *c, const char *member, unsigned count, uint64_t least,
                 uint64_t *out)
{
    struct json_object *list = hg_conf_get(c, member);

    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != count)
        return hg_conf_bad(c, member, "is not a list of as many numbers as there are axes");
    for (unsigned i = 0; i < count; i++) {
        struct json_object *value = json_object_array_get_idx(list, i);
        uint64_t n = json_object_get_uint64(value);
        if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
            n < least || n > HG_INDEX_MAX)
            return hg_conf_bad(c, member, "has what is no number that can be there");
        out[i] = n;
    }
    return HOLOG_OK;
}
