/*
 * Elements filtered; see filter.h.
 */
#include "codec/cold/filter.h"

#include <string.h>

#include "codec/cold/load.h"
#include "codec/cold/words.h"
#include "holog/error.h"

#define SHORTEST 8 /* words: no level leaves less of the shortest axis that is lifted */
#define ROOM_53  4 /* bits that the words of 5/3 may grow by, where they are not widened */

static int predict(struct hg_coder *c, const struct hg_cold_head *h, const uint8_t *from,
                   struct hg_filtered *out)
{
    struct hg_predict p = hg_cold_predict(&h->array, h->filter, h->axes);
    int rc = hg_coder_room(c, HG_ROOM_WORDS, h->raw_bytes, &out->words);

    if (rc == HOLOG_OK)
        hg_predict_forward(&p, from, out->words);
    return rc;
}

/* How wide must the words be, and are low bands means then? */
static void choose_width(struct hg_cold_head *h, uint64_t range)
{
    unsigned bits = 8u * h->array.size;
    unsigned needed = h->filter == HG_FILTER_LIFT26 ? 1 : ROOM_53;
    int fits = range >> (bits - needed) == 0;

    if (bits == 8 || (!fits && bits < 64))
        h->flags |= HG_COLD_WIDE;
    if ((fits || bits < 64) && !(h->flags & HG_COLD_DIFFERENCE))
        h->flags |= HG_COLD_MEANS;
}

static unsigned choose_levels(const struct hg_lift *l, unsigned most)
{
    size_t shortest = SIZE_MAX;
    unsigned levels = 0;

    for (unsigned i = 3 - l->axes; i < 3; i++)
        if (l->n[i] > 1)
            shortest = HG_MIN(shortest, l->n[i]);
    while (levels < most && shortest != SIZE_MAX && shortest >= (size_t)2 * SHORTEST << levels)
        levels++;
    return levels;
}

/* The words to be lifted, in the room WORDS: `from` is used up. */
static int lay_out(struct hg_coder *c, struct hg_cold_head *h, const uint8_t *from,
                   struct hg_filtered *out)
{
    unsigned size = h->array.size;
    size_t n = h->raw_bytes / size;
    int is_signed = hg_cold_is_signed(&h->array, h->flags);
    int rc;

    out->range = hg_words_range(from, n, size, is_signed, &out->least);
    choose_width(h, out->range);
    out->l = hg_cold_lift(&h->array, h->filter, h->axes, 0, size << !!(h->flags & HG_COLD_WIDE));
    rc = hg_coder_room(c, HG_ROOM_WORDS, n * out->l.width, &out->words);
    if (rc < 0)
        return rc;
    if (h->flags & HG_COLD_WIDE)
        hg_words_widen(from, out->words, n, size, is_signed);
    else
        memcpy(out->words, from, h->raw_bytes);
    return HOLOG_OK;
}

static int lift(struct hg_coder *c, struct hg_cold_head *h, unsigned levels, const uint8_t *from,
                struct hg_filtered *out)
{
    uint8_t *other;
    uint8_t *scratch;
    int rc = lay_out(c, h, from, out);

    if (rc < 0)
        return rc;
    out->l.levels = choose_levels(&out->l, levels);
    h->parts = (uint8_t)(out->l.levels + 1);
    rc = hg_coder_room(c, HG_ROOM_OTHER, h->raw_bytes / h->array.size * out->l.width, &other);
    if (rc == HOLOG_OK)
        rc = hg_coder_room(c, HG_ROOM_SCRATCH, hg_lift_scratch(&out->l), &scratch);
    if (rc == HOLOG_OK)
        hg_lift_forward(&out->l, out->words, other, scratch);
    return rc;
}

int hg_cold_filter(struct hg_coder *c, struct hg_cold_head *h, unsigned levels, const void *raw,
                   const struct hg_cold_aid *aid, struct hg_filtered *out)
{
    const uint8_t *from;
    int rc = hg_cold_load(c, h, raw, aid, &from);

    if (rc < 0)
        return rc;
    return h->filter < HG_FILTER_LIFT26 ? predict(c, h, from, out) : lift(c, h, levels, from, out);
}
