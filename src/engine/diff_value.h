/*
 * What differs between two versions of a value.
 */
#ifndef HG_ENGINE_DIFF_VALUE_H
#define HG_ENGINE_DIFF_VALUE_H

#include "engine/store_internal.h"

/* Two blobs, or two symlinks. 0: they are equal; 1: they differ. ranges (holog_range; NULL: it is enough
 * to know whether) gets which bytes, of blobs. What is known to be equal is not read: blocks with equal
 * hashes, and what both have from the same records. */
HG_MUST_CHECK int hg_value_diff(holog_store *s, const struct hg_locator *a,
                                const struct hg_locator *b, const char *path,
                                struct hg_buf *ranges);

#endif
