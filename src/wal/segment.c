/*
 * The segment header.
 *
 *  offset size field                             offset size field
 *       0    8 magic 'HOLOGSEG'                      200    8 capacity
 *       8    4 format version                        208    8 created
 *      12    4 kind                                  216    8 first number
 *      16    4 segment id                            224    4 predecessor: id
 *      20    4 zero                                  228    4 predecessor: length of its last frame
 *      24    8 epoch                                 232    8 predecessor: epoch
 *      32   16 uuid                                  240    8 predecessor: end of its last frame
 *      48    8 salt                                  248    8 predecessor: hash of its last frame
 *      56   24 features                              256    8 predecessor: last commit number
 *      80    4 hash id                               264    8 highest number ever seen
 *      84    4 cipher id, zero                       272    8 predecessor was cut
 *      88   16 key id, zero                          280 3800 zero
 *     104   96 wrapped key, zero                    4080   16 XXH3-128 of bytes 0..4079
 */
#include "wal/segment.h"

#include <assert.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/frame.h"

#define SEGMENT_MAGIC   "HOLOGSEG"
#define SEGMENT_HASH_AT 4080u
#define SEGMENT_USED    280u
#define HASH_XXH3       1u

static_assert(SEGMENT_HASH_AT + 16 == HG_SEGMENT_HEADER_SIZE, "the hash ends it: format v1");

/* Predecessor fields: of frame segments, when there is one before; of a base, of the segment with the last frame that it
 * covers, up to there. */
static const char *pred_fault(const struct hg_segment_header *h, uint32_t *out_at)
{
    *out_at = 224;
    if (h->kind == HG_KIND_BASE && (h->pred_id == 0 || h->pred_last_len == 0))
        return "a base that covers no frame";
    *out_at = 216;
    if (h->kind == HG_KIND_BASE && h->first_number != 0)
        return "a base holds no commits, but a first number";
    *out_at = 224;
    if (h->pred_id == 0) {
        if (h->pred_last_len != 0 || h->pred_epoch != 0 || h->pred_end != 0 ||
            h->pred_last_hash != 0 || h->pred_number != 0 || h->pred_cut != 0)
            return "no predecessor, but facts about one";
        return NULL;
    }
    if (h->pred_id >= h->id)
        return "the predecessor has a higher id";
    if (h->kind != HG_KIND_FRAMES && h->kind != HG_KIND_BASE)
        return "only frame segments have a predecessor";
    *out_at = 228;
    if (h->pred_last_len != 0 &&
        (h->pred_last_len < HG_FRAME_MIN || h->pred_last_len > HG_FRAME_MAX))
        return "the length of the predecessor's last frame is out of range";
    *out_at = 240;
    if (h->pred_end < HG_SEGMENT_HEADER_SIZE ||
        h->pred_end - HG_SEGMENT_HEADER_SIZE < h->pred_last_len || h->pred_end > HG_SEGMENT_MAX)
        return "the end of the predecessor is out of range";
    *out_at = 248;
    if (h->pred_last_len == 0 && (h->pred_last_hash != 0 || h->pred_end != HG_SEGMENT_HEADER_SIZE))
        return "the predecessor holds no frame, but the last one has an end or a hash";
    *out_at = 256;
    if (h->pred_number > h->highest_number)
        return "the predecessor's last commit is above the highest number";
    *out_at = 272;
    if (h->pred_cut > (h->kind == HG_KIND_FRAMES ? 1 : 0))
        return "neither cut nor whole";
    return NULL;
}

static int capacity_fits(const struct hg_segment_header *h)
{
    if (h->kind == HG_KIND_EXTENTS)
        return h->capacity >= HG_EXTENT_SEGMENT_MIN && h->capacity <= HG_EXTENT_SEGMENT_MAX;
    if (h->kind == HG_KIND_HWP)
        return h->capacity >= HG_HWP_SEGMENT_MIN && h->capacity <= HG_HWP_SEGMENT_MAX;
    if (h->kind == HG_KIND_BASE)
        return h->capacity >= HG_BASE_MIN && h->capacity <= HG_BASE_MAX;
    return h->capacity >= HG_SEGMENT_MIN && h->capacity <= HG_SEGMENT_MAX;
}

/* What encode asserts and decode checks: NULL, or what is wrong and where. */
static const char *header_fault(const struct hg_segment_header *h, uint32_t *out_at)
{
    *out_at = 12;
    if (h->kind < HG_KIND_FRAMES || h->kind > HG_KIND_BASE)
        return "the kind is unknown";
    *out_at = 16;
    if (h->id == 0)
        return "the segment id is 0";
    *out_at = 200;
    if (!capacity_fits(h))
        return "the capacity is out of range";
    *out_at = 264;
    if (h->highest_number > HG_NUMBER_MAX)
        return "the highest number is out of range";
    *out_at = 216;
    if (h->first_number > HG_NUMBER_MAX ||
        (h->kind == HG_KIND_FRAMES && h->first_number <= h->highest_number))
        return "the first number is not above the highest one before";
    return pred_fault(h, out_at);
}

void hg_segment_header_encode(const struct hg_segment_header *h,
                              uint8_t out[HG_SEGMENT_HEADER_SIZE])
{
    uint32_t at = 0;
    HG_ASSERT(header_fault(h, &at) == NULL);
    memset(out, 0, HG_SEGMENT_HEADER_SIZE);
    memcpy(out + 0, SEGMENT_MAGIC, 8);
    hg_put_le32(out + 8, HG_FORMAT_VERSION);
    hg_put_le32(out + 12, h->kind);
    hg_put_le32(out + 16, h->id);
    hg_put_le64(out + 24, h->epoch);
    memcpy(out + 32, h->uuid, 16);
    hg_put_le64(out + 48, h->salt);
    hg_put_le64(out + 56, h->feat_compat);
    hg_put_le64(out + 64, h->feat_ro_compat);
    hg_put_le64(out + 72, h->feat_incompat);
    hg_put_le32(out + 80, HASH_XXH3);
    hg_put_le64(out + 200, h->capacity);
    hg_put_le64(out + 208, h->created_ns);
    hg_put_le64(out + 216, h->first_number);
    hg_put_le32(out + 224, h->pred_id);
    hg_put_le32(out + 228, h->pred_last_len);
    hg_put_le64(out + 232, h->pred_epoch);
    hg_put_le64(out + 240, h->pred_end);
    hg_put_le64(out + 248, h->pred_last_hash);
    hg_put_le64(out + 256, h->pred_number);
    hg_put_le64(out + 264, h->highest_number);
    hg_put_le64(out + 272, h->pred_cut);
    struct hg_hash128 hash = hg_hash128(out, SEGMENT_HASH_AT);
    hg_put_le64(out + SEGMENT_HASH_AT, hash.lo);
    hg_put_le64(out + SEGMENT_HASH_AT + 8, hash.hi);
}

static void read_fields(const uint8_t *in, struct hg_segment_header *h)
{
    h->kind = hg_get_le32(in + 12);
    h->id = hg_get_le32(in + 16);
    h->epoch = hg_get_le64(in + 24);
    memcpy(h->uuid, in + 32, 16);
    h->salt = hg_get_le64(in + 48);
    h->feat_compat = hg_get_le64(in + 56);
    h->feat_ro_compat = hg_get_le64(in + 64);
    h->feat_incompat = hg_get_le64(in + 72);
    h->capacity = hg_get_le64(in + 200);
    h->created_ns = hg_get_le64(in + 208);
    h->first_number = hg_get_le64(in + 216);
    h->pred_id = hg_get_le32(in + 224);
    h->pred_last_len = hg_get_le32(in + 228);
    h->pred_epoch = hg_get_le64(in + 232);
    h->pred_end = hg_get_le64(in + 240);
    h->pred_last_hash = hg_get_le64(in + 248);
    h->pred_number = hg_get_le64(in + 256);
    h->highest_number = hg_get_le64(in + 264);
    h->pred_cut = hg_get_le64(in + 272);
}

/* Whether this version can read such a segment at all; the hash has been checked. */
static int understand(const uint8_t *in, const struct hg_segment_header *h, uint32_t id)
{
    uint32_t version = hg_get_le32(in + 8);
    if (version != HG_FORMAT_VERSION)
        return hg_error(HOLOG_E_VERSION,
                        "segment %08x has format version %u; this holog reads %u" HG_USE_NEWER,
                        (unsigned)id, (unsigned)version, HG_FORMAT_VERSION);
    uint64_t unknown = h->feat_incompat & ~HG_FEATURES_KNOWN;
    if (unknown != 0)
        return hg_error(HOLOG_E_VERSION,
                        "segment %08x needs features 0x%llx that this holog lacks" HG_USE_NEWER,
                        (unsigned)id, (unsigned long long)unknown);
    if (hg_get_le32(in + 80) != HASH_XXH3)
        return hg_error(HOLOG_E_VERSION,
                        "segment %08x uses hash %u; this holog knows %u" HG_USE_NEWER, (unsigned)id,
                        (unsigned)hg_get_le32(in + 80), HASH_XXH3);
    if (hg_get_le32(in + 84) != 0)
        return hg_error(HOLOG_E_VERSION, "segment %08x is encrypted (cipher %u)" HG_USE_NEWER,
                        (unsigned)id, (unsigned)hg_get_le32(in + 84));
    return HOLOG_OK;
}

int hg_segment_header_decode(const uint8_t in[HG_SEGMENT_HEADER_SIZE], uint32_t id, uint32_t kind,
                             struct hg_segment_header *out)
{
    struct hg_segment_header h;
    uint32_t at = 0;

    if (memcmp(in, SEGMENT_MAGIC, 8) != 0)
        return hg_corrupt(id, 0, "no segment header: the magic is wrong");
    struct hg_hash128 hash = hg_hash128(in, SEGMENT_HASH_AT);
    if (!hg_hash_matches(hg_get_le64(in + SEGMENT_HASH_AT), hash.lo) ||
        !hg_hash_matches(hg_get_le64(in + SEGMENT_HASH_AT + 8), hash.hi))
        return hg_corrupt(id, SEGMENT_HASH_AT, "the segment header's hash is wrong");
    read_fields(in, &h);
    int rc = understand(in, &h, id);
    if (rc < 0)
        return rc;
    if (h.kind != kind)
        return hg_corrupt(id, 12, "the header says kind %u, the file's name %u", (unsigned)h.kind,
                          (unsigned)kind);
    if (h.id != id)
        return hg_corrupt(id, 16, "the header belongs to segment %08x", (unsigned)h.id);
    if (hg_get_le32(in + 20) != 0)
        return hg_corrupt(id, 20, "reserved bytes are not zero");
    if (!hg_layout_zero(in + 88, 16 + 96)) /* key id, wrapped key */
        return hg_corrupt(id, 88, "reserved bytes are not zero");
    if (!hg_layout_zero(in + SEGMENT_USED, SEGMENT_HASH_AT - SEGMENT_USED))
        return hg_corrupt(id, SEGMENT_USED, "reserved bytes are not zero");
    const char *fault = header_fault(&h, &at);
    if (fault != NULL)
        return hg_corrupt(id, at, "%s", fault);
    *out = h;
    return HOLOG_OK;
}
