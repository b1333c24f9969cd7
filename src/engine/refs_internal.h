/*
 * What refs.c (digests) and refs_read.c (records one by one) share. Private to them.
 */
#ifndef HG_ENGINE_REFS_INTERNAL_H
#define HG_ENGINE_REFS_INTERNAL_H

#include "engine/refs.h"

/* What a decoded record refers to; its pieces are appended to `pieces`, out->pieces is not set. */
HG_MUST_CHECK int hg_ref_take(const struct hg_record *r, struct hg_ref *out, struct hg_buf *pieces);

/* ---- refs_moved.c ---- */
struct hg_moved_refs;
HG_MUST_CHECK int hg_moved_refs_create(struct hg_io *io, struct hg_cache *cache, uint64_t bytes_max,
                                       struct hg_moved_refs **out);
void hg_moved_refs_destroy(struct hg_moved_refs *m); /* NULL is fine */
int hg_moved_refs_find(struct hg_moved_refs *m, hg_pos birth, struct hg_ref *out);
void hg_moved_refs_note(struct hg_moved_refs *m, hg_pos birth, const struct hg_ref *ref);

#endif
