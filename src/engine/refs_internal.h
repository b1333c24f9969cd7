/*
 * What refs.c (digests) and refs_read.c (records one by one) share. Private to them.
 */
#ifndef HG_ENGINE_REFS_INTERNAL_H
#define HG_ENGINE_REFS_INTERNAL_H

#include "engine/refs.h"

/* What a decoded record refers to; its pieces are appended to `pieces`, out->pieces is not set. */
HG_MUST_CHECK int hg_ref_take(const struct hg_record *r, struct hg_ref *out, struct hg_buf *pieces);

#endif
