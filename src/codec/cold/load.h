/*
 * A block's elements to words that filters take, and back. Inside cold/ only.
 */
#ifndef HG_CODEC_COLD_LOAD_H
#define HG_CODEC_COLD_LOAD_H

#include "codec/cold/cold.h"

/* Are the words of these signed, as far as their order goes? */
int hg_cold_is_signed(const struct hg_cold_array *a, unsigned flags);
/* Raw elements as the filter takes them: floats in order, less the base, as far as the box of the aid leaves one. *out: raw
 * itself, or the room OTHER. */
HG_MUST_CHECK int hg_cold_load(struct hg_coder *c, const struct hg_cold_head *h, const void *raw,
                               const struct hg_cold_aid *aid, const uint8_t **out);
/* The other way, in place; the aid only of a difference. */
HG_MUST_CHECK int hg_cold_unload(struct hg_coder *c, const struct hg_cold_head *h, void *elements,
                                 const struct hg_cold_aid *aid);

/* Bytes in front of part 0: of 5/3 the least and the greatest element, which previews stay between. */
size_t hg_cold_limits_bytes(const struct hg_cold_head *h);

#endif
