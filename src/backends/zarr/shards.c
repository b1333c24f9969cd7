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

/* ---- the index -----------------------------------------------------------------------------------*/

size_t hg_zarr_shard_index_size(const struct hg_stored *s)
{
    return (size_t)s->chunks * ENTRY_SIZE + (s->has_crc ? HG_CRC32C_SIZE : 0);
}

void hg_zarr_shard_index_write(const struct hg_stored *s, const void *chunks, size_t n, size_t step,
                               uint8_t *out)
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

int hg_zarr_shard_read(const struct hg_stored *s, const uint8_t *shard, size_t len,
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

void hg_zarr_shard_inner(const struct hg_stored *s, unsigned rank, const uint64_t *shard,
                         uint32_t slot, uint64_t *out_index)
{
    uint64_t rest = slot;

    for (unsigned i = rank; i-- > 0;) {
        out_index[i] = shard[i] * s->per[i] + rest % s->per[i];
        rest /= s->per[i];
    }
}

uint32_t hg_zarr_shard_slot(const struct hg_stored *s, unsigned rank, const uint64_t *index)
{
    uint64_t slot = 0;

    for (unsigned i = 0; i < rank; i++)
        slot = slot * s->per[i] + index[i] % s->per[i];
    return (uint32_t)slot;
}
