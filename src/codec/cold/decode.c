/*
 * A cold block, read; see cold.h.
 */
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/cold/bands.h"
#include "codec/cold/box.h"
#include "codec/cold/cold.h"
#include "codec/cold/load.h"
#include "codec/cold/split.h"
#include "codec/cold/words.h"
#include "codec/shuffle.h"

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define ANY_IS_RIGHT 1
#else
#define ANY_IS_RIGHT 0
#endif

struct job {
    struct hg_coder *c;
    const struct hg_cold_head *h;
    const struct hg_cold_parts *parts;
    const struct hg_cold_aid *aid;
    uint8_t *out;
    struct hg_cold_box *box; /* in which there is no base; known once part 0 was opened */
};

static int damaged(const char *what, uint64_t n)
{
    return hg_error(HOLOG_E_CORRUPT, "a cold block: %s %llu", what, (unsigned long long)n);
}

/* A part, after its hash was compared. */
static int open_part(const struct job *j, unsigned i, struct hg_reader *out)
{
    const struct hg_cold_part *p = &j->h->part[i];

    if (j->parts->at[i] == NULL)
        return damaged("a part is cut or was not given:", i);
    if (hg_hash64(j->parts->at[i], p->len) != p->hash && !ANY_IS_RIGHT)
        return damaged("the hash is not that of its bytes, of part", i);
    *out = (struct hg_reader){ j->parts->at[i], p->len };
    return HOLOG_OK;
}

/* In front of part 0. */
static int get_box(const struct job *j, struct hg_reader *r)
{
    const uint8_t *at;
    int rc = HOLOG_OK;

    if (!(j->h->flags & HG_COLD_BOXED))
        return HOLOG_OK;
    rc = hg_reader_take(r, (size_t)8 * j->h->array.rank, &at);
    if (rc < 0)
        return rc;
    hg_cold_box_get(&j->h->array, at, j->box);
    return hg_cold_box_fits(&j->h->array, j->box) ? HOLOG_OK : HOLOG_E_CORRUPT;
}

/* Nothing may be left. Damage below has no detail yet. */
static int close_part(int rc, unsigned i, const struct hg_reader *r)
{
    if (rc == HOLOG_E_CORRUPT)
        return damaged("a stream is damaged, in part", i);
    if (rc == HOLOG_OK && r->left > 0)
        return damaged("bytes left over, in part", i);
    return rc;
}

static int get_unit(const struct job *j, const struct hg_unit *u, struct hg_reader *r,
                    uint8_t *words)
{
    if (j->h->flags & HG_COLD_SPLIT)
        return hg_unit_get_split(j->c, u, r, words);
    return hg_unit_get_planes(j->c, u, r, words);
}

/* ---- no filter, or bits moved about --------------------------------------------------------------*/

static int get_const(const struct job *j, struct hg_reader *r)
{
    size_t size = j->h->array.size;
    size_t all = j->h->raw_bytes;
    const uint8_t *element;
    int rc = hg_reader_take(r, size, &element);

    if (rc < 0)
        return rc;
    memcpy(j->out, element, HG_MIN(size, all));
    for (size_t done = size; done < all; done *= 2)
        memcpy(j->out + done, j->out, HG_MIN(done, all - done));
    return HOLOG_OK;
}

static int get_bytes(const struct job *j, struct hg_reader *r)
{
    struct hg_zstd_aid aid = { 0 };

    if (j->h->codec == HG_CODEC_CONST)
        return get_const(j, r);
    if (j->h->codec == HG_CODEC_SAME) {
        memcpy(j->out, j->aid->base, j->h->raw_bytes);
        return HOLOG_OK;
    }
    if (j->h->codec == HG_CODEC_DICT)
        aid.dict = j->aid->dict;
    if (j->h->codec == HG_CODEC_PREFIX) {
        aid.prefix = j->aid->base;
        aid.prefix_len = j->aid->base_len;
    }
    return hg_stream_get(j->c, r, &aid, j->out, j->h->raw_bytes);
}

static int get_shuffled(const struct job *j, struct hg_reader *r)
{
    unsigned size = j->h->array.size;
    size_t n = j->h->raw_bytes / size;
    uint8_t *plane;
    int rc = hg_coder_room(j->c, HG_ROOM_PLANE, n, &plane);

    for (unsigned b = 0; rc == HOLOG_OK && b < size; b++) {
        rc = hg_stream_get(j->c, r, NULL, plane, n);
        if (rc == HOLOG_OK && b == 0)
            hg_split_set(j->out, plane, n, 0, size);
        else if (rc == HOLOG_OK)
            hg_split_join(j->out, plane, n, 8 * b, size);
    }
    return rc;
}

static int get_bitshuffled(const struct job *j, struct hg_reader *r)
{
    size_t size = j->h->array.size;
    size_t eights = HG_ALIGN_DOWN(j->h->raw_bytes / size, (size_t)8) * size;
    uint8_t *bits;
    int rc = hg_coder_room(j->c, HG_ROOM_WORDS, j->h->raw_bytes, &bits);

    if (rc == HOLOG_OK)
        rc = hg_stream_get(j->c, r, NULL, bits, j->h->raw_bytes);
    if (rc < 0)
        return rc;
    hg_bitunshuffle(bits, eights, size, j->out);
    memcpy(j->out + eights, bits + eights, j->h->raw_bytes - eights);
    return HOLOG_OK;
}

static int get_predicted(const struct job *j, struct hg_reader *r)
{
    struct hg_predict p = hg_cold_predict(&j->h->array, j->h->filter, j->h->axes);
    struct hg_unit u = hg_cold_whole(&j->h->array);
    int rc = get_unit(j, &u, r, j->out);

    if (rc == HOLOG_OK)
        hg_predict_inverse(&p, j->out);
    return rc;
}

static int get_one_part(const struct job *j)
{
    struct hg_reader r;
    int rc = open_part(j, 0, &r);

    if (rc < 0)
        return rc;
    rc = get_box(j, &r);
    if (rc < 0)
        return close_part(rc, 0, &r);
    switch (j->h->filter) {
    case HG_FILTER_NONE: rc = get_bytes(j, &r); break;
    case HG_FILTER_SHUFFLE: rc = get_shuffled(j, &r); break;
    case HG_FILTER_BITSHUFFLE: rc = get_bitshuffled(j, &r); break;
    default: rc = get_predicted(j, &r); break;
    }
    return close_part(rc, 0, &r);
}

/* ---- lifted --------------------------------------------------------------------------------------*/

struct lifted {
    struct hg_lift l;
    uint8_t *words;
    uint8_t *other;
    uint8_t *scratch;
    uint8_t limits[16]; /* the least and the greatest element, of 5/3 */
};

static int get_limits(const struct job *j, struct hg_reader *r, struct lifted *t)
{
    size_t n = hg_cold_limits_bytes(j->h);
    const uint8_t *at;
    int rc = hg_reader_take(r, n, &at);

    if (rc == HOLOG_OK)
        memcpy(t->limits, at, n);
    return rc;
}

/* `count` parts, and what they lead to: the corner of level `stop`; all words go to `to`, if it is not NULL. */
static int get_lifted(const struct job *j, unsigned count, unsigned stop, void *to,
                      struct lifted *t)
{
    const struct hg_cold_head *h = j->h;
    unsigned width = (unsigned)h->array.size << !!(h->flags & HG_COLD_WIDE);
    size_t bytes = h->raw_bytes / h->array.size * width;
    struct hg_unit units[HG_UNIT_BOXES];
    struct hg_reader r;
    int rc;

    t->l = hg_cold_lift(&h->array, h->filter, h->axes, h->parts - 1u, width);
    rc = hg_coder_room(j->c, HG_ROOM_WORDS, bytes, &t->words);
    if (rc == HOLOG_OK)
        rc = hg_coder_room(j->c, HG_ROOM_OTHER, bytes, &t->other);
    if (rc == HOLOG_OK)
        rc = hg_coder_room(j->c, HG_ROOM_SCRATCH, hg_lift_scratch(&t->l), &t->scratch);
    for (unsigned part = 0; rc == HOLOG_OK && part < count; part++) {
        unsigned n = hg_bands_of(&t->l, part, units);
        rc = open_part(j, part, &r);
        if (rc < 0)
            return rc;
        if (part == 0)
            rc = get_box(j, &r);
        if (rc == HOLOG_OK && part == 0)
            rc = get_limits(j, &r, t);
        for (unsigned i = 0; rc == HOLOG_OK && i < n; i++)
            rc = get_unit(j, &units[i], &r, t->words);
        rc = close_part(rc, part, &r);
    }
    if (rc == HOLOG_OK)
        hg_lift_inverse(&t->l, stop, t->words, t->other, t->scratch, to != NULL ? to : t->words);
    return rc;
}

static int get_all_levels(const struct job *j)
{
    const struct hg_cold_head *h = j->h;
    struct lifted t;
    int is_wide = h->flags & HG_COLD_WIDE;
    int is_there =
        !is_wide && (uintptr_t)j->out % h->array.size == 0; /* words go where they belong */
    int rc = get_lifted(j, h->parts, 0, is_there ? j->out : NULL, &t);

    if (rc < 0)
        return rc;
    if (is_wide)
        hg_words_narrow(t.words, j->out, h->raw_bytes / h->array.size, h->array.size);
    else if (!is_there)
        memcpy(j->out, t.words, h->raw_bytes);
    return HOLOG_OK;
}

/* ---- the block -----------------------------------------------------------------------------------*/

/* Is there what the block needs, and is it that? */
static int check_aid(const struct hg_cold_head *h, const struct hg_cold_aid *aid)
{
    int exact = (h->flags & HG_COLD_DIFFERENCE) || h->codec == HG_CODEC_SAME;
    uint64_t hash = 0;

    if (h->codec == HG_CODEC_DICT) {
        if (aid->dict == NULL)
            return hg_error(HOLOG_E_INVAL, "a cold block needs the dictionary %016llx",
                            (unsigned long long)h->aid_hash);
        hash = hg_dict_hash(aid->dict);
    } else if (exact || h->codec == HG_CODEC_PREFIX) {
        if (aid->base == NULL || (exact && aid->base_len != h->raw_bytes))
            return hg_error(HOLOG_E_INVAL,
                            "a cold block needs its base, whose bytes have the hash %016llx",
                            (unsigned long long)h->aid_hash);
        hash = hg_hash64(aid->base, aid->base_len);
    }
    if (hash != h->aid_hash && !ANY_IS_RIGHT)
        return hg_error(HOLOG_E_INVAL,
                        "a cold block needs a base or dictionary of hash %016llx, not %016llx",
                        (unsigned long long)h->aid_hash, (unsigned long long)hash);
    return HOLOG_OK;
}

int hg_cold_decode(struct hg_coder *c, const struct hg_cold_head *h,
                   const struct hg_cold_parts *parts, const struct hg_cold_aid *aid, void *out,
                   size_t cap)
{
    static const struct hg_cold_aid none;
    struct hg_cold_box box = { { 0 }, { 0 } };
    struct job j = { c, h, parts, aid != NULL ? aid : &none, out, &box };
    struct hg_cold_aid known = *j.aid;
    int rc;

    known.box = &box;
    if (cap < h->raw_bytes)
        return hg_error(HOLOG_E_INVAL, "a cold block of %zu bytes does not go into %zu",
                        h->raw_bytes, cap);
    rc = check_aid(h, j.aid);
    if (rc == HOLOG_OK)
        rc = h->filter >= HG_FILTER_LIFT26 ? get_all_levels(&j) : get_one_part(&j);
    if (rc == HOLOG_OK)
        rc = hg_cold_unload(c, h, out, &known);
    if (rc == HOLOG_OK && hg_hash64(out, h->raw_bytes) != h->raw_hash && !ANY_IS_RIGHT)
        rc = damaged("what comes out has not the hash it should; bytes:", h->raw_bytes);
    return rc;
}

/* ---- previews ------------------------------------------------------------------------------------*/

int hg_cold_preview_shape(const struct hg_cold_head *h, unsigned halvings,
                          struct hg_cold_array *out, unsigned *out_parts)
{
    if (!(h->flags & HG_COLD_MEANS) || halvings >= h->parts)
        return hg_error(HOLOG_E_NOTSUP,
                        "a cold block with filter %u and %u parts has no preview of 1/%u",
                        h->filter, h->parts, 1u << HG_MIN(halvings, 31));
    *out = h->array;
    for (unsigned i = 0; i < h->array.rank; i++)
        if (h->array.rank - 1 - i < h->axes)
            out->n[i] = (uint32_t)hg_lift_length(h->array.n[i], halvings);
    *out_parts = h->parts - halvings;
    return HOLOG_OK;
}

/* Words of 5/3 may go past the least and the greatest element. */
static void limit(const struct job *j, const struct lifted *t, uint8_t *words, size_t n)
{
    unsigned width = t->l.width;
    size_t size = j->h->array.size;
    unsigned spare = 64 - 8 * width;
    uint64_t least = 0;
    uint64_t most = 0;
    uint64_t range;

    memcpy(&least, t->limits, size);
    memcpy(&most, t->limits + size, size);
    range = (most - least) << (64 - 8 * size) >> (64 - 8 * size);
    if (width > size && hg_cold_is_signed(&j->h->array, j->h->flags))
        least = (uint64_t)((int64_t)(least << (64 - 8 * size)) >> (64 - 8 * size));
    for (size_t i = 0; i < n; i++) {
        uint64_t v = 0;
        int64_t above;
        memcpy(&v, words + i * width, width);
        above = (int64_t)((v - least) << spare) >> spare;
        v = above < 0 ? least : (uint64_t)above > range ? least + range : v;
        memcpy(words + i * width, &v, width);
    }
}

/* The corner's words, side by side in the room OTHER. */
static void close_up(const struct lifted *t, unsigned halvings)
{
    struct hg_lift l = t->l;
    size_t row = hg_lift_length(l.n[2], halvings) * l.width;
    uint8_t *to = t->other;

    for (size_t o = 0; o < l.outer; o++)
        for (size_t z = 0; z < hg_lift_length(l.n[0], halvings); z++)
            for (size_t y = 0; y < hg_lift_length(l.n[1], halvings); y++, to += row)
                memcpy(to, t->words + ((o * l.n[0] + z) * l.n[1] + y) * l.n[2] * l.width, row);
}

int hg_cold_preview(struct hg_coder *c, const struct hg_cold_head *h,
                    const struct hg_cold_parts *parts, unsigned halvings, void *out, size_t cap)
{
    static const struct hg_cold_aid none;
    struct job j = { c, h, parts, &none, out, NULL };
    struct hg_cold_array shape;
    struct lifted t;
    unsigned count = 0;
    size_t n;
    int rc = hg_cold_preview_shape(h, halvings, &shape, &count);

    if (rc < 0)
        return rc;
    n = hg_cold_raw_bytes(&shape) / shape.size;
    if (cap < n * shape.size)
        return hg_error(HOLOG_E_INVAL, "a preview of %zu bytes does not go into %zu",
                        n * shape.size, cap);
    rc = get_lifted(&j, count, halvings, NULL, &t);
    if (rc < 0)
        return rc;
    close_up(&t, halvings);
    if (hg_cold_limits_bytes(h) > 0)
        limit(&j, &t, t.other, n);
    if (h->flags & HG_COLD_WIDE)
        hg_words_narrow(t.other, out, n, shape.size);
    else
        memcpy(out, t.other, n * shape.size);
    if (h->array.kind == HG_ELEMENT_FLOAT)
        hg_words_order_floats(out, out, n, shape.size);
    return HOLOG_OK;
}
