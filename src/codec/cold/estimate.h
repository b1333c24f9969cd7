/*
 * How many bytes would a block take? Inside cold/ only.
 */
#ifndef HG_CODEC_COLD_ESTIMATE_H
#define HG_CODEC_COLD_ESTIMATE_H

#include "codec/cold/cold.h"

/* Four strips of whole rows, one behind the other: *sample is an array of their own, its elements in the room
 * SAMPLE. */
HG_MUST_CHECK int hg_cold_take_strips(struct hg_coder *c, const struct hg_cold_array *a,
                                      const void *raw, struct hg_cold_array *sample,
                                      const uint8_t **out_elements);
/* By coding the sample; of a block of `raw_bytes`. */
HG_MUST_CHECK int hg_cold_estimate_coded(struct hg_coder *c, const struct hg_cold_array *sample,
                                         const uint8_t *elements, const struct hg_cold_plan *plan,
                                         size_t raw_bytes, uint64_t *out_bytes);

/* Four windows, in the same way. */
HG_MUST_CHECK int hg_cold_take_sample(struct hg_coder *c, const struct hg_cold_array *a,
                                      const void *raw, struct hg_cold_array *sample,
                                      const uint8_t **out_elements);
/* By their entropy, after a predictor or a lift in split form; of a block of `raw_bytes`. */
HG_MUST_CHECK int hg_cold_estimate_entropy(struct hg_coder *c, const struct hg_cold_array *sample,
                                           const uint8_t *elements, const struct hg_cold_plan *plan,
                                           size_t raw_bytes, uint64_t *out_bytes);

#endif
