/*
 * SUPER: one slot is encoded and decoded here, and the file read and written.
 *
 *  offset size field                             offset size field
 *       0    8 magic 'HOLOGSUP'                       92    4 next segment
 *       8    4 format version                         96    4 state
 *      12    4 zero                                  100    4 frame segment size limit
 *      16    8 generation                            104    8 extent segment size limit
 *      24   16 uuid                                  112    4 inline limit
 *      40    8 salt                                  116    4 max_space_amp x 1000
 *      48   24 features: compatible, read-only       120    8 created
 *              compatible, must understand           128    4 probe: bits
 *      72    8 floor                                 132    4 probe: ns of a durable 4 KiB write
 *      80    8 number at the floor                   136    4 probe: MB/s
 *      88    4 active segment                        140 3940 zero
 *                                                   4080   16 XXH3-128 of bytes 0..4079
 *
 * The slot of a generation is its lowest bit. A slot is valid when its hash is; the hash stands at
 * the same place in every version of the format, so damage and a later version are told apart.
 */
#include "wal/super.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "io/io.h"

#define SUPER_MAGIC     "HOLOGSUP"
#define SUPER_USED      140u
#define SUPER_HASH_AT   4080u
#define PROBE_FLAGS_ALL 7u
#define GENERATION_END  (UINT64_C(1) << 62) /* no store was written that often */

static_assert(SUPER_HASH_AT + 16 == HG_SUPER_SLOT_SIZE, "the hash ends the slot: format v1");
static_assert(HG_SUPER_SLOT_SIZE == HG_BLOCK, "a slot is one block, written at once");

/* What encode asserts and decode checks: NULL, or what is wrong and where. */
static const char *super_fault(const struct hg_super *s, uint32_t *out_at)
{
    uint32_t floor_segment = hg_pos_segment(s->floor);
    uint32_t floor_offset = hg_pos_offset(s->floor);

    *out_at = 16;
    if (s->generation == 0)
        return "the generation is 0";
    *out_at = 72;
    if (s->floor != 0 && (floor_segment == 0 || floor_segment >= s->next_segment))
        return "the floor lies in a segment that was never used";
    if (s->floor != 0 &&
        (floor_offset < HG_BLOCK || floor_offset % 8 != 0 || floor_offset > HG_SEGMENT_MAX))
        return "the floor is no end of a frame";
    *out_at = 80;
    if (s->floor_number > HG_NUMBER_MAX)
        return "the number at the floor is out of range";
    *out_at = 88;
    if (s->active_segment >= s->next_segment)
        return "the active segment was never used";
    *out_at = 96;
    if (s->state != HG_SUPER_OPEN && s->state != HG_SUPER_CLEAN)
        return "the state is neither open nor closed";
    *out_at = 100;
    if (s->segment_size_max < HG_SEGMENT_MIN || s->segment_size_max > HG_SEGMENT_MAX)
        return "the frame segment size limit is out of range";
    *out_at = 104;
    if (s->extent_size_max < HG_EXTENT_SEGMENT_MIN || s->extent_size_max > HG_EXTENT_SEGMENT_MAX)
        return "the extent segment size limit is out of range";
    *out_at = 112;
    if (s->inline_max > HG_FRAME_MAX)
        return "the inline limit is out of range";
    *out_at = 128;
    if ((s->probe_flags & ~PROBE_FLAGS_ALL) != 0)
        return "unknown probe bits are set";
    return NULL;
}

void hg_super_encode(const struct hg_super *s, uint8_t out[HG_SUPER_SLOT_SIZE])
{
    uint32_t at = 0;
    HG_ASSERT(super_fault(s, &at) == NULL);
    memset(out, 0, HG_SUPER_SLOT_SIZE);
    memcpy(out + 0, SUPER_MAGIC, 8);
    hg_put_le32(out + 8, HG_FORMAT_VERSION);
    hg_put_le64(out + 16, s->generation);
    memcpy(out + 24, s->uuid, 16);
    hg_put_le64(out + 40, s->salt);
    hg_put_le64(out + 48, s->feat_compat);
    hg_put_le64(out + 56, s->feat_ro_compat);
    hg_put_le64(out + 64, s->feat_incompat);
    hg_put_le64(out + 72, s->floor);
    hg_put_le64(out + 80, s->floor_number);
    hg_put_le32(out + 88, s->active_segment);
    hg_put_le32(out + 92, s->next_segment);
    hg_put_le32(out + 96, s->state);
    hg_put_le32(out + 100, s->segment_size_max);
    hg_put_le64(out + 104, s->extent_size_max);
    hg_put_le32(out + 112, s->inline_max);
    hg_put_le32(out + 116, s->space_amp_milli);
    hg_put_le64(out + 120, s->created_ns);
    hg_put_le32(out + 128, s->probe_flags);
    hg_put_le32(out + 132, s->probe_write_ns);
    hg_put_le32(out + 136, s->probe_mb_per_s);
    struct hg_hash128 hash = hg_hash128(out, SUPER_HASH_AT);
    hg_put_le64(out + SUPER_HASH_AT, hash.lo);
    hg_put_le64(out + SUPER_HASH_AT + 8, hash.hi);
}

static void read_fields(const uint8_t *in, struct hg_super *s)
{
    s->generation = hg_get_le64(in + 16);
    memcpy(s->uuid, in + 24, 16);
    s->salt = hg_get_le64(in + 40);
    s->feat_compat = hg_get_le64(in + 48);
    s->feat_ro_compat = hg_get_le64(in + 56);
    s->feat_incompat = hg_get_le64(in + 64);
    s->floor = hg_get_le64(in + 72);
    s->floor_number = hg_get_le64(in + 80);
    s->active_segment = hg_get_le32(in + 88);
    s->next_segment = hg_get_le32(in + 92);
    s->state = hg_get_le32(in + 96);
    s->segment_size_max = hg_get_le32(in + 100);
    s->extent_size_max = hg_get_le64(in + 104);
    s->inline_max = hg_get_le32(in + 112);
    s->space_amp_milli = hg_get_le32(in + 116);
    s->created_ns = hg_get_le64(in + 120);
    s->probe_flags = hg_get_le32(in + 128);
    s->probe_write_ns = hg_get_le32(in + 132);
    s->probe_mb_per_s = hg_get_le32(in + 136);
}

/* base: where the slot lies in the file, for the report. */
static int decode_slot(const uint8_t *in, uint64_t base, struct hg_super *out)
{
    struct hg_super s;
    uint32_t at = 0;

    if (memcmp(in, SUPER_MAGIC, 8) != 0)
        return hg_corrupt_file(HG_SUPER_NAME, base, "no SUPER slot: the magic is wrong");
    struct hg_hash128 hash = hg_hash128(in, SUPER_HASH_AT);
    if (!hg_hash_matches(hg_get_le64(in + SUPER_HASH_AT), hash.lo) ||
        !hg_hash_matches(hg_get_le64(in + SUPER_HASH_AT + 8), hash.hi))
        return hg_corrupt_file(HG_SUPER_NAME, base + SUPER_HASH_AT, "the slot's hash is wrong");
    uint32_t version = hg_get_le32(in + 8);
    if (version != HG_FORMAT_VERSION)
        return hg_error(HOLOG_E_VERSION,
                        "SUPER has format version %u; this holog reads %u" HG_USE_NEWER,
                        (unsigned)version, HG_FORMAT_VERSION);
    read_fields(in, &s);
    uint64_t unknown = s.feat_incompat & ~HG_FEATURES_KNOWN;
    if (unknown != 0)
        return hg_error(HOLOG_E_VERSION,
                        "SUPER needs features 0x%llx that this holog lacks" HG_USE_NEWER,
                        (unsigned long long)unknown);
    if (s.generation >= GENERATION_END)
        return hg_corrupt_file(HG_SUPER_NAME, base + 16, "the generation has no next one");
    if (hg_get_le32(in + 12) != 0)
        return hg_corrupt_file(HG_SUPER_NAME, base + 12, "reserved bytes are not zero");
    if (!hg_layout_zero(in + SUPER_USED, SUPER_HASH_AT - SUPER_USED))
        return hg_corrupt_file(HG_SUPER_NAME, base + SUPER_USED, "reserved bytes are not zero");
    const char *fault = super_fault(&s, &at);
    if (fault != NULL)
        return hg_corrupt_file(HG_SUPER_NAME, base + at, "%s", fault);
    *out = s;
    return HOLOG_OK;
}

int hg_super_decode(const uint8_t in[HG_SUPER_SLOT_SIZE], struct hg_super *out)
{
    return decode_slot(in, 0, out);
}

/* Both slots from what of the file was read. A slot of a later version makes the store one: its
 * generation cannot be judged, and what it says may overrule the other slot. */
static int choose_slot(const uint8_t *in, size_t len, struct hg_super *out_super,
                       struct hg_super_slots *out_slots)
{
    struct hg_super found[2] = { { 0 }, { 0 } };
    struct hg_super_slots slots = { .rc = { HOLOG_E_CORRUPT, HOLOG_E_CORRUPT }, .best = -1 };
    struct holog_error_detail first;
    int rc = HOLOG_OK;

    for (int i = 0; i < 2; i++) {
        size_t base = (size_t)i * HG_SUPER_SLOT_SIZE;
        if (len < base + HG_SUPER_SLOT_SIZE)
            slots.rc[i] = hg_corrupt_file(HG_SUPER_NAME, len, "the file ends inside slot %d", i);
        else
            slots.rc[i] = decode_slot(in + base, base, &found[i]);
        if (slots.rc[i] < 0 && (rc == HOLOG_OK || slots.rc[i] == HOLOG_E_VERSION)) {
            rc = slots.rc[i];
            hg_error_get(&first);
        }
        if (slots.rc[i] == HOLOG_OK &&
            (slots.best < 0 || found[i].generation > found[slots.best].generation))
            slots.best = i;
    }
    if (rc == HOLOG_E_VERSION || slots.best < 0) {
        hg_error_set(&first);
        return rc;
    }
    *out_super = found[slots.best];
    *out_slots = slots;
    return HOLOG_OK;
}

int hg_super_read(struct hg_io *io, struct hg_super *out_super, struct hg_super_slots *out_slots)
{
    struct hg_file *file = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;

    int rc = io->ops->open(io, HG_SUPER_NAME, 0, &file);
    if (rc < 0)
        return rc;
    bytes = hg_malloc(2 * HG_SUPER_SLOT_SIZE);
    if (bytes == NULL) {
        rc = hg_error(HOLOG_E_NOMEM, "no memory to read SUPER");
        goto out;
    }
    /* A read error fails the whole: the slot that cannot be read may be the one with the higher
     * floor, and a cut may follow from the floor. */
    rc = hg_io_read_upto(file, bytes, 2 * HG_SUPER_SLOT_SIZE, 0, &len);
    if (rc < 0)
        goto out;
    rc = choose_slot(bytes, len, out_super, out_slots);
out:
    hg_free(bytes);
    (void)io->ops->close(file); /* nothing was written */
    return rc;
}

int hg_super_write(struct hg_file *f, const struct hg_super *s)
{
    _Alignas(HG_BLOCK) uint8_t slot[HG_SUPER_SLOT_SIZE]; /* f may be O_DIRECT; no memory to miss */

    hg_super_encode(s, slot);
    return hg_io_write_full(f, slot, sizeof slot, s->generation % 2 * HG_SUPER_SLOT_SIZE,
                            HG_WRITE_DSYNC);
}
