/*
 * A cold block, made; see cold.h.
 */
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/cold/bands.h"
#include "codec/cold/box.h"
#include "codec/cold/cold.h"
#include "codec/cold/filter.h"
#include "codec/cold/load.h"
#include "codec/cold/split.h"
#include "codec/shuffle.h"

#define SHORTEST \
    8 /* words: an axis is not halved any more when the shortest lifted one has less than twice that */
#define ROOM_53 4 /* bits that the words of 5/3 may grow by, where they are not widened */

#define CLASSES 8 /* of squares, at most: more cost more tables than they save bits */

struct job {
    struct hg_coder *c;
    const struct hg_cold_plan *plan;
    const struct hg_cold_aid *aid;
    const uint8_t *raw;
    struct hg_buf *out;
    struct hg_cold_head head;
    size_t begin; /* of the head, in out */
    size_t part;  /* where the part that is written begins */
};

/* ---- parts ---------------------------------------------------------------------------------------*/

static int begin_parts(struct job *j)
{
    const struct hg_cold_head *h = &j->head;
    uint8_t box[HG_COLD_BOX_MAX];
    int rc;

    j->out->len = j->begin;
    j->head.head_bytes = hg_cold_head_bytes(h);
    rc = hg_buf_append_zeros(j->out, j->head.head_bytes);
    j->part = j->out->len;
    if (rc == HOLOG_OK && (h->flags & HG_COLD_BOXED))
        rc = hg_buf_append(j->out, box, hg_cold_box_put(&h->array, j->aid->box, box));
    return rc;
}

static void end_part(struct job *j, unsigned i)
{
    size_t len = j->out->len - j->part;

    j->head.part[i] =
        (struct hg_cold_part){ (uint32_t)len, hg_hash64(j->out->data + j->part, len) };
    j->part = j->out->len;
}

/* One part of one unit, or of several. */
static int put_unit(struct job *j, const struct hg_unit *u, const uint8_t *words)
{
    struct hg_stream_how how = { j->plan->codec, j->plan->level, NULL };

    if (j->head.flags & HG_COLD_SPLIT)
        return hg_unit_put_split(j->c, u, words, CLASSES, j->out);
    return hg_unit_put_planes(j->c, u, words, &how, j->out);
}

/* ---- no filter, or bits moved about --------------------------------------------------------------*/

static int put_bytes(struct job *j)
{
    struct hg_zstd_aid aid = { 0 };
    struct hg_stream_how how = { j->head.codec, j->plan->level, &aid };
    const uint8_t *from;
    int rc = hg_cold_load(j->c, &j->head, j->raw, j->aid, &from);

    if (j->head.codec == HG_CODEC_DICT)
        aid.dict = j->aid->dict;
    if (j->head.codec == HG_CODEC_PREFIX) {
        aid.prefix = j->aid->base;
        aid.prefix_len = j->aid->base_len;
    }
    return rc < 0 ? rc : hg_stream_put(j->c, &how, from, j->head.raw_bytes, j->out);
}

static int put_shuffled(struct job *j)
{
    struct hg_stream_how how = { j->head.codec, j->plan->level, NULL };
    size_t size = j->head.array.size;
    size_t n = j->head.raw_bytes / size;
    const uint8_t *from;
    uint8_t *plane;
    int rc = hg_cold_load(j->c, &j->head, j->raw, j->aid, &from);

    if (rc == HOLOG_OK)
        rc = hg_coder_room(j->c, HG_ROOM_PLANE, n, &plane);
    for (unsigned b = 0; rc == HOLOG_OK && b < size; b++) {
        hg_split_byte(from, plane, n, 8 * b, 0xff, (unsigned)size);
        rc = hg_stream_put(j->c, &how, plane, n, j->out);
    }
    return rc;
}

static int put_bitshuffled(struct job *j)
{
    struct hg_stream_how how = { j->head.codec, j->plan->level, NULL };
    size_t size = j->head.array.size;
    size_t eights = HG_ALIGN_DOWN(j->head.raw_bytes / size, (size_t)8) * size;
    const uint8_t *from;
    uint8_t *bits = NULL;
    int rc = hg_cold_load(j->c, &j->head, j->raw, j->aid, &from);

    if (rc == HOLOG_OK)
        rc = hg_coder_room(j->c, HG_ROOM_WORDS, j->head.raw_bytes, &bits);
    if (rc != HOLOG_OK)
        return rc;
    hg_bitshuffle(from, eights, size, bits);
    memcpy(bits + eights, from + eights, j->head.raw_bytes - eights);
    return hg_stream_put(j->c, &how, bits, j->head.raw_bytes, j->out);
}

/* ---- words ---------------------------------------------------------------------------------------*/

static int put_predicted(struct job *j)
{
    struct hg_unit u = hg_cold_whole(&j->head.array);
    struct hg_filtered f;
    int rc = hg_cold_filter(j->c, &j->head, 0, j->raw, j->aid, &f);

    return rc < 0 ? rc : put_unit(j, &u, f.words);
}

static int put_limits(struct job *j, uint64_t least, uint64_t range)
{
    uint8_t both[16];
    size_t size = j->head.array.size;
    uint64_t most = least + range;

    if (hg_cold_limits_bytes(&j->head) == 0)
        return HOLOG_OK;
    memcpy(both, &least, size);
    memcpy(both + size, &most, size);
    return hg_buf_append(j->out, both, 2 * size);
}

static int put_levels(struct job *j, const struct hg_lift *l, const uint8_t *words)
{
    struct hg_unit units[HG_UNIT_BOXES];
    int rc = HOLOG_OK;

    for (unsigned part = 0; rc == HOLOG_OK && part < j->head.parts; part++) {
        unsigned count = hg_bands_of(l, part, units);
        for (unsigned i = 0; rc == HOLOG_OK && i < count; i++)
            rc = put_unit(j, &units[i], words);
        end_part(j, part);
    }
    return rc;
}

static int put_lifted(struct job *j)
{
    struct hg_filtered f;
    int rc = hg_cold_filter(j->c, &j->head, j->plan->levels, j->raw, j->aid, &f);

    if (rc == HOLOG_OK)
        rc = begin_parts(j);
    if (rc == HOLOG_OK)
        rc = put_limits(j, f.least, f.range);
    return rc < 0 ? rc : put_levels(j, &f.l, f.words);
}

/* ---- the block -----------------------------------------------------------------------------------*/

static int put_filtered(struct job *j)
{
    int rc;

    if (j->head.filter >= HG_FILTER_LIFT26)
        return put_lifted(j); /* how many parts there are is not known yet */
    rc = begin_parts(j);
    if (rc < 0)
        return rc;
    switch (j->head.filter) {
    case HG_FILTER_NONE: rc = put_bytes(j); break;
    case HG_FILTER_SHUFFLE: rc = put_shuffled(j); break;
    case HG_FILTER_BITSHUFFLE: rc = put_bitshuffled(j); break;
    default: rc = put_predicted(j); break;
    }
    end_part(j, 0);
    return rc;
}

/* Another filter, with nothing left of the one before. */
static void plan_head(struct job *j, unsigned filter, unsigned codec)
{
    const struct hg_cold_array *a = &j->head.array;
    int has_axes = filter >= HG_FILTER_LORENZO;

    j->head.filter = (uint8_t)filter;
    j->head.codec = (uint8_t)codec;
    j->head.axes = has_axes ? (uint8_t)HG_MIN(j->plan->axes, HG_MAX(a->rank, 1)) : 0;
    j->head.parts = 1;
    j->head.aid_hash = 0;
    j->head.flags = filter >= HG_FILTER_UP && codec == HG_CODEC_LITERALS ? HG_COLD_SPLIT : 0;
    if (codec == HG_CODEC_SAME ||
        (j->aid->difference && codec != HG_CODEC_CONST && codec != HG_CODEC_RAW &&
         codec != HG_CODEC_PREFIX && codec != HG_CODEC_DICT)) {
        j->head.flags |=
            codec == HG_CODEC_SAME ? HG_COLD_AIDED : HG_COLD_AIDED | HG_COLD_DIFFERENCE;
        j->head.aid_hash = hg_hash64(j->aid->base, j->head.raw_bytes);
        if (codec != HG_CODEC_SAME && j->aid->box != NULL)
            j->head.flags |= HG_COLD_BOXED;
    }
    if (codec == HG_CODEC_DICT || codec == HG_CODEC_PREFIX)
        j->head.flags |= HG_COLD_AIDED;
    if (codec == HG_CODEC_DICT)
        j->head.aid_hash = hg_dict_hash(j->aid->dict);
    if (codec == HG_CODEC_PREFIX)
        j->head.aid_hash = hg_hash64(j->aid->base, j->aid->base_len);
}

/* Elements that are all the same, or are those of the base: no filter is needed. 1: so it is. */
static int put_trivial(struct job *j, int *out_rc)
{
    size_t size = j->head.array.size;
    size_t bytes = j->head.raw_bytes;
    int is_const = memcmp(j->raw, j->raw + size, bytes - size) == 0;

    if (is_const)
        plan_head(j, HG_FILTER_NONE, HG_CODEC_CONST);
    else if (j->aid->difference && memcmp(j->raw, j->aid->base, bytes) == 0)
        plan_head(j, HG_FILTER_NONE, HG_CODEC_SAME);
    else
        return 0;
    *out_rc = begin_parts(j);
    if (*out_rc == HOLOG_OK && is_const)
        *out_rc = hg_buf_append(j->out, j->raw, size);
    end_part(j, 0);
    return 1;
}

static int check_plan(const struct hg_cold_array *a, const struct hg_cold_plan *p,
                      const struct hg_cold_aid *aid)
{
    if (hg_cold_raw_bytes(a) == 0)
        return hg_error(
            HOLOG_E_INVAL,
            "no cold block: %u axes of elements of %u bytes, kind %u; all of them %zu bytes at most",
            a->rank, a->size, a->kind, HG_COLD_RAW_MAX);
    if (p->filter >= HG_FILTERS || p->codec == HG_CODEC_CONST || p->codec == HG_CODEC_SAME ||
        p->codec >= HG_CODECS || (p->filter != HG_FILTER_NONE && p->codec >= HG_CODEC_DICT) ||
        (p->filter >= HG_FILTER_LORENZO && (p->axes < 1 || p->axes > 3)) ||
        (p->filter >= HG_FILTER_LIFT26 && (p->levels < 1 || p->levels > HG_COLD_LEVELS)))
        return hg_error(HOLOG_E_INVAL, "no cold block: filter %u, codec %u, %u axes, %u levels",
                        p->filter, p->codec, p->axes, p->levels);
    if ((p->codec == HG_CODEC_DICT && aid->dict == NULL) ||
        (p->codec == HG_CODEC_PREFIX && aid->base == NULL) ||
        (aid->difference && (aid->base == NULL || aid->base_len != hg_cold_raw_bytes(a))) ||
        (aid->box != NULL && (!aid->difference || !hg_cold_box_fits(a, aid->box))))
        return hg_error(HOLOG_E_INVAL, "no cold block: what it needs, with codec %u, is not there",
                        p->codec);
    return HOLOG_OK;
}

static int put_stored(struct job *j)
{
    plan_head(j, HG_FILTER_NONE, HG_CODEC_RAW);
    return put_filtered(j);
}

int hg_cold_encode(struct hg_coder *c, const struct hg_cold_array *a, const void *raw,
                   const struct hg_cold_plan *plan, const struct hg_cold_aid *aid,
                   struct hg_buf *out)
{
    static const struct hg_cold_aid none;
    struct job j = { .c = c,
                     .plan = plan,
                     .aid = aid != NULL ? aid : &none,
                     .raw = raw,
                     .out = out,
                     .begin = out->len };
    int rc = check_plan(a, plan, j.aid);

    if (rc < 0)
        return rc;
    j.head.array = *a;
    memset(j.head.array.n + a->rank, 0, sizeof a->n - a->rank * sizeof a->n[0]);
    j.head.raw_bytes = hg_cold_raw_bytes(a);
    j.head.raw_hash = hg_hash64(raw, j.head.raw_bytes);
    if (!put_trivial(&j, &rc)) {
        plan_head(&j, plan->filter, plan->codec);
        rc = put_filtered(&j);
        if (rc == HOLOG_OK &&
            out->len - j.begin >= j.head.raw_bytes + HG_STREAM_HEAD + HG_COLD_HEAD_MIN)
            rc = put_stored(&j);
    }
    if (rc < 0)
        out->len = j.begin;
    else
        hg_cold_head_encode(&j.head, out->data + j.begin);
    return rc;
}
