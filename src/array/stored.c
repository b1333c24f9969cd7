/*
 * What of an array is stored one by one; see stored.h.
 */
#include "array/stored.h"

#include <string.h>

static struct json_object *member(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    return json_object_object_get_ex(o, name, &value) ? value : NULL;
}

static int is_text(struct json_object *value, const char *text)
{
    return json_object_is_type(value, json_type_string) &&
           strcmp(json_object_get_string(value), text) == 0;
}

static int is_codec(struct json_object *codec, const char *name)
{
    return is_text(codec, name) ||
           (json_object_is_type(codec, json_type_object) && is_text(member(codec, "name"), name));
}

/* "bytes", little-endian, and perhaps "crc32c". */
static int read_index_codecs(struct json_object *codecs, struct hg_stored *s)
{
    struct json_object *bytes;
    size_t n;

    if (!json_object_is_type(codecs, json_type_array))
        return 0;
    n = json_object_array_length(codecs);
    bytes = n > 0 ? json_object_array_get_idx(codecs, 0) : NULL;
    s->has_crc = n == 2;
    return (n == 1 || (n == 2 && is_codec(json_object_array_get_idx(codecs, 1), "crc32c"))) &&
           is_codec(bytes, "bytes") && json_object_is_type(bytes, json_type_object) &&
           is_text(member(member(bytes, "configuration"), "endian"), "little");
}

/* Inner chunks divide a shard, and have indexes. */
static int read_sizes(const struct hg_document *d, struct json_object *sizes, struct hg_stored *s)
{
    uint64_t chunks = 1;

    if (!json_object_is_type(sizes, json_type_array) || json_object_array_length(sizes) != d->rank)
        return 0;
    for (unsigned i = 0; i < d->rank; i++) {
        struct json_object *size = json_object_array_get_idx(sizes, i);
        uint64_t n = json_object_is_type(size, json_type_int) && json_object_get_int64(size) > 0
                         ? json_object_get_uint64(size)
                         : 0;
        if (n == 0 || n > d->chunk[i] || d->chunk[i] % n != 0)
            return 0;
        s->size[i] = n;
        s->per[i] = d->chunk[i] / n;
        if (s->per[i] > HG_STORED_MAX / chunks ||
            hg_document_chunks(d, i) > HG_INDEX_MAX / s->per[i])
            return 0;
        chunks *= s->per[i];
    }
    s->chunks = (uint32_t)chunks;
    return 1;
}

static int read_configuration(const struct hg_document *d, struct hg_stored *s)
{
    struct json_object *c = d->codecs[0].configuration;
    struct json_object *location = member(c, "index_location");

    if (d->n_codecs != 1 || d->codecs[0].id != HG_CODEC_SHARDING)
        return 0;
    s->index_first = is_text(location, "start");
    return (location == NULL || s->index_first || is_text(location, "end")) &&
           read_index_codecs(member(c, "index_codecs"), s) &&
           read_sizes(d, member(c, "chunk_shape"), s);
}

void hg_stored_of(const struct hg_document *d, struct hg_stored *out)
{
    memset(out, 0, sizeof *out);
    if (read_configuration(d, out))
        return;
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < d->rank; i++) {
        out->per[i] = 1;
        out->size[i] = d->chunk[i];
    }
}
