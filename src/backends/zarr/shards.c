/*
 * Shards, whose inner chunks are stored one by one; see shards.h.
 */
#include "backends/zarr/shards.h"

#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "codec/crc32c.h"

#define ENTRY_SIZE 16u
#define ABSENT     UINT64_MAX

/* ---- from a document -----------------------------------------------------------------------------*/

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
static int read_index_codecs(struct json_object *codecs, struct hg_zarr_shards *s)
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
static int read_sizes(const struct hg_document *d, struct json_object *sizes,
                      struct hg_zarr_shards *s)
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
        if (s->per[i] > HG_ZARR_SHARD_CHUNKS_MAX / chunks ||
            hg_document_chunks(d, i) > HG_INDEX_MAX / s->per[i])
            return 0;
        chunks *= s->per[i];
    }
    s->chunks = (uint32_t)chunks;
    return 1;
}

static int read_configuration(const struct hg_document *d, struct hg_zarr_shards *s)
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

void hg_zarr_shards_of(const struct hg_document *d, struct hg_zarr_shards *out)
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

/* ---- the index -----------------------------------------------------------------------------------*/

size_t hg_zarr_shard_index_size(const struct hg_zarr_shards *s)
{
    return (size_t)s->chunks * ENTRY_SIZE + (s->has_crc ? HG_CRC32C_SIZE : 0);
}

void hg_zarr_shard_index_write(const struct hg_zarr_shards *s, const void *chunks, size_t n,
                               size_t step, uint8_t *out)
{
    size_t entries = (size_t)s->chunks * ENTRY_SIZE;
    uint64_t at = s->index_first ? hg_zarr_shard_index_size(s) : 0;

    memset(out, 0xff, entries);
    for (size_t i = 0; i < n; i++) {
        struct hg_zarr_inner_chunk c;
        memcpy(&c, (const uint8_t *)chunks + i * step, sizeof c);
        HG_ASSERT(c.slot < s->chunks);
        hg_put_le64(out + (size_t)c.slot * ENTRY_SIZE, at);
        hg_put_le64(out + (size_t)c.slot * ENTRY_SIZE + 8, c.size);
        at += c.size;
    }
    if (s->has_crc)
        hg_put_le32(out + entries, hg_crc32c(out, entries));
}

static int bad(const char *why)
{
    return hg_error(HOLOG_E_INVAL, "a shard %s", why);
}

int hg_zarr_shard_read(const struct hg_zarr_shards *s, const uint8_t *shard, size_t len,
                       struct hg_zarr_inner_place *out)
{
    size_t index_size = hg_zarr_shard_index_size(s);
    const uint8_t *index;
    uint64_t left;

    if (len < index_size)
        return bad("is shorter than its index");
    index = s->index_first ? shard : shard + (len - index_size);
    if (s->has_crc && hg_get_le32(index + index_size - HG_CRC32C_SIZE) !=
                          hg_crc32c(index, index_size - HG_CRC32C_SIZE))
        return bad("has an index that does not match its checksum: it is cut short, or another's");
    left = len - index_size;
    for (uint32_t slot = 0; slot < s->chunks; slot++) {
        uint64_t offset = hg_get_le64(index + (size_t)slot * ENTRY_SIZE);
        uint64_t size = hg_get_le64(index + (size_t)slot * ENTRY_SIZE + 8);
        out[slot] = (struct hg_zarr_inner_place){ offset, size };
        if (offset == ABSENT && size == ABSENT)
            continue;
        if (offset > len || size > len - offset)
            return bad("has a chunk that reaches beyond its end");
        if (size > left) /* or a small shard would become a large array */
            return bad("has chunks that share bytes");
        left -= size;
    }
    return HOLOG_OK;
}

/* ---- places --------------------------------------------------------------------------------------*/

void hg_zarr_shard_inner(const struct hg_zarr_shards *s, unsigned rank, const uint64_t *shard,
                         uint32_t slot, uint64_t *out_index)
{
    uint64_t rest = slot;

    for (unsigned i = rank; i-- > 0;) {
        out_index[i] = shard[i] * s->per[i] + rest % s->per[i];
        rest /= s->per[i];
    }
}

uint32_t hg_zarr_shard_slot(const struct hg_zarr_shards *s, unsigned rank, const uint64_t *index)
{
    uint64_t slot = 0;

    for (unsigned i = 0; i < rank; i++)
        slot = slot * s->per[i] + index[i] % s->per[i];
    return (uint32_t)slot;
}
