/*
 * The head of a cold block (docs/FORMAT.md, section 12):
 *
 *    0  4  magic 'HGC1'
 *    4  1  filter
 *    5  1  codec
 *    6  1  flags
 *    7  1  element: its size in bits 0-3, its kind in bits 4-7
 *    8  1  rank in bits 0-3; axes that are lifted, or of Lorenzo, in bits 4-7
 *    9  1  parts, 1 to 8
 *   10  2  zero
 *   12  8  XXH3-64 of the raw bytes, as many as the axes and the size of an element make
 *   20     XXH3-64 of the base, or of the dictionary, 8: with the flag 10 alone
 *          an axis: 4 each
 *          a part: its length, 4, and the XXH3-64 of its bytes, 8; each
 *          XXH3-64 of all of the above, 8
 */
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/cold/cold.h"

#define FIXED 20
#define AXIS  4
#define PART  12
#define HASH  8

_Static_assert(HG_COLD_HEAD_MIN == FIXED + PART + HASH, "the format of the head");
_Static_assert(HG_COLD_HEAD_MAX ==
                   FIXED + HASH + AXIS * HG_COLD_RANK_MAX + PART * HG_COLD_PARTS_MAX + HASH,
               "the format of the head");

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define ANY_IS_RIGHT 1
#else
#define ANY_IS_RIGHT 0
#endif

static const uint8_t magic[4] = { 'H', 'G', 'C', '1' };

size_t hg_cold_raw_bytes(const struct hg_cold_array *a)
{
    size_t bytes = a->size;

    if ((a->size != 1 && a->size != 2 && a->size != 4 && a->size != 8) ||
        a->kind >= HG_ELEMENT_KINDS || (a->kind == HG_ELEMENT_FLOAT && a->size == 1) ||
        a->rank > HG_COLD_RANK_MAX)
        return 0;
    for (unsigned i = 0; i < a->rank; i++) {
        if (a->n[i] == 0 || a->n[i] > HG_COLD_RAW_MAX / bytes)
            return 0;
        bytes *= a->n[i];
    }
    return bytes;
}

size_t hg_cold_bound(const struct hg_cold_array *a)
{
    return HG_COLD_HEAD_MAX + hg_stream_bound(hg_cold_raw_bytes(a));
}

size_t hg_cold_head_bytes(const struct hg_cold_head *h)
{
    return FIXED + (h->flags & HG_COLD_AIDED ? HASH : 0u) + (size_t)AXIS * h->array.rank +
           (size_t)PART * h->parts + HASH;
}

void hg_cold_head_encode(const struct hg_cold_head *h, uint8_t *out)
{
    uint8_t *at = out + FIXED;

    HG_ASSERT(h->head_bytes == hg_cold_head_bytes(h));
    memcpy(out, magic, sizeof magic);
    out[4] = h->filter;
    out[5] = h->codec;
    out[6] = h->flags;
    out[7] = (uint8_t)(h->array.size | h->array.kind << 4);
    out[8] = (uint8_t)(h->array.rank | h->axes << 4);
    out[9] = h->parts;
    hg_put_le16(out + 10, 0);
    hg_put_le64(out + 12, h->raw_hash);
    if (h->flags & HG_COLD_AIDED) {
        hg_put_le64(at, h->aid_hash);
        at += HASH;
    }
    for (unsigned i = 0; i < h->array.rank; i++, at += AXIS)
        hg_put_le32(at, h->array.n[i]);
    for (unsigned i = 0; i < h->parts; i++, at += PART) {
        hg_put_le32(at, h->part[i].len);
        hg_put_le64(at + 4, h->part[i].hash);
    }
    hg_put_le64(at, hg_hash64(out, (size_t)(at - out)));
}

static int damaged(const char *what, uint64_t n)
{
    return hg_error(HOLOG_E_CORRUPT, "a cold block: %s %llu", what, (unsigned long long)n);
}

/* Which filters can have which parts, axes and flags? */
static int check_sense(const struct hg_cold_head *h)
{
    int lifts = h->filter >= HG_FILTER_LIFT26;
    int has_axes = lifts || h->filter == HG_FILTER_LORENZO;
    int aided = (h->flags & HG_COLD_DIFFERENCE) || h->codec == HG_CODEC_DICT ||
                h->codec == HG_CODEC_PREFIX || h->codec == HG_CODEC_SAME;

    if (has_axes ? h->axes < 1 || h->axes > 3 || h->axes > HG_MAX(h->array.rank, 1) : h->axes != 0)
        return damaged("axes of its filter:", h->axes);
    if (!lifts && h->parts != 1)
        return damaged("parts of what is not lifted:", h->parts);
    if ((!lifts && (h->flags & (HG_COLD_WIDE | HG_COLD_MEANS))) ||
        (h->filter < HG_FILTER_UP && (h->flags & HG_COLD_SPLIT)) ||
        ((h->flags & HG_COLD_WIDE) && h->array.size == 8) ||
        (lifts && h->array.size == 1 && !(h->flags & HG_COLD_WIDE)) ||
        ((h->flags & HG_COLD_MEANS) && (h->flags & HG_COLD_DIFFERENCE)) ||
        ((h->flags & HG_COLD_BOXED) && (!(h->flags & HG_COLD_DIFFERENCE) || h->array.rank == 0)))
        return damaged("flags that do not go with its filter:", h->flags);
    if (h->filter != HG_FILTER_NONE &&
        (h->codec == HG_CODEC_CONST || h->codec == HG_CODEC_DICT || h->codec >= HG_CODEC_SAME))
        return damaged("a filter that does not go with its codec:", h->filter);
    if (aided != !!(h->flags & HG_COLD_AIDED))
        return damaged("the hash of a base does not go with its codec:", h->codec);
    return HOLOG_OK;
}

static int check_known(const struct hg_cold_head *h)
{
    if (h->filter >= HG_FILTERS || h->codec >= HG_CODECS || (h->flags & ~HG_COLD_FLAGS))
        return hg_error(
            HOLOG_E_NOTSUP,
            "a cold block with filter %u, codec %u, flags %02x: it is of a later version",
            h->filter, h->codec, h->flags);
    return HOLOG_OK;
}

/* Everything before the axes. */
static int read_fixed(const uint8_t *in, struct hg_cold_head *h)
{
    *h = (struct hg_cold_head){
        .array = { .size = in[7] & 15, .kind = in[7] >> 4, .rank = in[8] & 15 },
        .filter = in[4],
        .codec = in[5],
        .flags = in[6],
        .axes = in[8] >> 4,
        .parts = in[9],
        .raw_hash = hg_get_le64(in + 12),
    };
    if (memcmp(in, magic, sizeof magic) != 0)
        return damaged("its magic is", hg_get_le32(in));
    if (h->array.rank > HG_COLD_RANK_MAX)
        return damaged("its rank is", h->array.rank);
    if (h->parts < 1 || h->parts > HG_COLD_PARTS_MAX)
        return damaged("its parts are", h->parts);
    h->head_bytes = hg_cold_head_bytes(h);
    return HOLOG_OK;
}

int hg_cold_head_decode(const void *in, size_t avail, struct hg_cold_head *out)
{
    struct hg_cold_head h;
    const uint8_t *at = in;
    int known;
    int rc =
        avail < HG_COLD_HEAD_MIN ? damaged("too short for a head:", avail) : read_fixed(in, &h);

    if (rc < 0)
        return rc;
    if (h.head_bytes > avail)
        return damaged("its head is cut at byte", avail);
    if (hg_get_le64(at + h.head_bytes - HASH) != hg_hash64(at, h.head_bytes - HASH) &&
        !ANY_IS_RIGHT)
        return damaged("the hash of its head is not that of its bytes:", h.head_bytes);
    if (hg_get_le16(at + 10) != 0)
        return damaged("bytes that are zero are", hg_get_le16(at + 10));
    at += FIXED;
    if (h.flags & HG_COLD_AIDED) {
        h.aid_hash = hg_get_le64(at);
        at += HASH;
    }
    for (unsigned i = 0; i < h.array.rank; i++, at += AXIS)
        h.array.n[i] = hg_get_le32(at);
    h.raw_bytes = hg_cold_raw_bytes(&h.array);
    if (h.raw_bytes == 0)
        return damaged("its shape cannot be; axes:", h.array.rank);
    for (unsigned i = 0; i < h.parts; i++, at += PART)
        h.part[i] = (struct hg_cold_part){ hg_get_le32(at), hg_get_le64(at + 4) };
    known = check_known(&h); /* of a later version: the hash is right */
    rc = known < 0 ? HOLOG_OK : check_sense(&h);
    if (rc == HOLOG_OK)
        *out = h;
    return rc < 0 ? rc : known;
}

void hg_cold_parts_of(const struct hg_cold_head *h, const void *block, size_t avail,
                      struct hg_cold_parts *out)
{
    size_t at = h->head_bytes;

    *out = (struct hg_cold_parts){ { NULL } };
    for (unsigned i = 0; i < h->parts; i++) {
        if (at > avail || h->part[i].len > avail - at)
            return;
        out->at[i] = (const uint8_t *)block + at;
        at += h->part[i].len;
    }
}
