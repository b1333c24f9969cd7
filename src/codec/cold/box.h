/*
 * A box of a block that is a difference: in it the base counts as zero, so that elements stand there as they are. What has
 * nothing to do with the base any more (a region that was made anew, of noise) is smaller so.
 */
#ifndef HG_CODEC_COLD_BOX_H
#define HG_CODEC_COLD_BOX_H

#include "codec/cold/cold.h"

/* Is it one of such an array: lo < hi on each axis, of which there is one at least? */
int hg_cold_box_fits(const struct hg_cold_array *a, const struct hg_cold_box *box);
/* The least box that has every element in which both differ; the return value says how many do. Of none, or of rank 0, there
 * is no box. */
size_t hg_cold_box_of_changes(const struct hg_cold_array *a, const void *raw, const void *base,
                              struct hg_cold_box *out);
size_t hg_cold_box_elements(const struct hg_cold_array *a, const struct hg_cold_box *box);
/* Words, of the size of the elements: those in the box become zero. */
void hg_cold_box_clear(const struct hg_cold_array *a, const struct hg_cold_box *box, void *words);

/* As it stands in front of part 0: lo and hi of each axis, 4 bytes each. */
#define HG_COLD_BOX_MAX (8 * HG_COLD_RANK_MAX)
size_t hg_cold_box_put(const struct hg_cold_array *a, const struct hg_cold_box *box, uint8_t *out);
void hg_cold_box_get(const struct hg_cold_array *a, const uint8_t *in, struct hg_cold_box *out);

#endif
