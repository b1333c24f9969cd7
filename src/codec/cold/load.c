/*
 * Elements to words; see load.h.
 */
#include "codec/cold/load.h"

#include <string.h>

#include "codec/cold/box.h"
#include "codec/cold/words.h"
#include "holog/error.h"

/* Filters that only move bits about leave floats as they are. */
static int takes_ordered(const struct hg_cold_head *h)
{
    return h->array.kind == HG_ELEMENT_FLOAT && h->filter >= HG_FILTER_UP;
}

int hg_cold_is_signed(const struct hg_cold_array *a, unsigned flags)
{
    return a->kind != HG_ELEMENT_UNSIGNED || (flags & HG_COLD_DIFFERENCE);
}

/* The base as words: itself, or the room VALUES. */
static int load_base(struct hg_coder *c, const struct hg_cold_head *h,
                     const struct hg_cold_aid *aid, const uint8_t **out)
{
    uint8_t *turned;
    int rc;

    *out = aid->base;
    if (!takes_ordered(h) && !(h->flags & HG_COLD_BOXED))
        return HOLOG_OK;
    rc = hg_coder_room(c, HG_ROOM_VALUES, h->raw_bytes, &turned);
    if (rc < 0)
        return rc;
    if (takes_ordered(h))
        hg_words_order_floats(aid->base, turned, h->raw_bytes / h->array.size, h->array.size);
    else
        memcpy(turned, aid->base, h->raw_bytes);
    if (h->flags & HG_COLD_BOXED)
        hg_cold_box_clear(&h->array, aid->box, turned);
    *out = turned;
    return HOLOG_OK;
}

int hg_cold_load(struct hg_coder *c, const struct hg_cold_head *h, const void *raw,
                 const struct hg_cold_aid *aid, const uint8_t **out)
{
    size_t n = h->raw_bytes / h->array.size;
    const uint8_t *of_base;
    uint8_t *turned;
    int rc;

    *out = raw;
    if (!takes_ordered(h) && !(h->flags & HG_COLD_DIFFERENCE))
        return HOLOG_OK;
    rc = hg_coder_room(c, HG_ROOM_OTHER, h->raw_bytes, &turned);
    if (rc < 0)
        return rc;
    if (takes_ordered(h))
        hg_words_order_floats(raw, turned, n, h->array.size);
    else
        memcpy(turned, raw, h->raw_bytes);
    if (h->flags & HG_COLD_DIFFERENCE) {
        rc = load_base(c, h, aid, &of_base);
        if (rc < 0)
            return rc;
        hg_words_subtract(turned, of_base, n, h->array.size);
    }
    *out = turned;
    return HOLOG_OK;
}

int hg_cold_unload(struct hg_coder *c, const struct hg_cold_head *h, void *elements,
                   const struct hg_cold_aid *aid)
{
    size_t n = h->raw_bytes / h->array.size;
    const uint8_t *of_base;
    int rc;

    if (h->flags & HG_COLD_DIFFERENCE) {
        rc = load_base(c, h, aid, &of_base);
        if (rc < 0)
            return rc;
        hg_words_add(elements, of_base, n, h->array.size);
    }
    if (takes_ordered(h))
        hg_words_order_floats(elements, elements, n, h->array.size);
    return HOLOG_OK;
}

size_t hg_cold_limits_bytes(const struct hg_cold_head *h)
{
    return h->filter == HG_FILTER_LIFT53 && (h->flags & HG_COLD_MEANS) ? 2u * h->array.size : 0;
}
