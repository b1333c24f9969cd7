/*
 * Index checkpoints: chk/<number, 16 hex digits>.hidx (docs/FORMAT.md, section 8). A cache: loading
 * one that is damaged, older or of another store says so and the index is rebuilt.
 */
#ifndef HG_ENGINE_CHECKPOINT_H
#define HG_ENGINE_CHECKPOINT_H

#include "base/assert.h"
#include "base/buf.h"
#include "engine/index.h"
#include "engine/ropes.h"
#include "engine/timeline.h"
#include "io/io.h"
#include "wal/layout.h"

struct hg_checkpoint {
    uint8_t uuid[16];
    hg_pos covered;     /* rounded-up end of the last frame covered */
    uint64_t last_hash; /* header hash of that frame */
    uint64_t last_len;
    uint64_t number; /* of the last commit covered */
    uint64_t time_ns;
    uint64_t highest_number;
    uint64_t keys;
    uint64_t live_key_bytes, live_value_bytes, directories;
    uint64_t root_number;   /* last commit that changed a child of the root: in the settings block
                              under the key "\x01root" */
    struct hg_buf settings; /* {varint key length, key, varint value length, value}* */
    struct hg_buf segments; /* struct hg_segment_entry, in memory form */
    struct hg_buf moments;  /* struct hg_moment, oldest first; their ended_bytes are not kept */
    struct hg_buf tags;     /* struct hg_tag, by name */
    struct hg_buf folds;    /* struct hg_fold_at, by version */
    uint64_t horizon;       /* 0: none is said in the log */
    uint64_t past_bytes;
};
void hg_checkpoint_release(struct hg_checkpoint *c);

/* Write chk/<number>.hidx durably (temporary name, sync, rename, sync of chk/), then delete all but
 * this one and the newest below it. past NULL: there is none. A failure leaves the older ones and no half file under the final
 * name. c->keys is not looked at: the root knows. Makes chk/ when it is missing. */
HG_MUST_CHECK int hg_checkpoint_write(struct hg_io *io, const struct hg_checkpoint *c,
                                      const struct hg_root *root, const struct hg_root *past);

/* The bytes of one into `file` from `offset` on, a multiple of HG_BLOCK, to the file's end; not synced. How many there
 * are, to *out_len. */
HG_MUST_CHECK int hg_checkpoint_put(struct hg_file *file, uint64_t offset,
                                    const struct hg_checkpoint *c, const struct hg_root *root,
                                    const struct hg_root *past, uint64_t *out_len);

/* Which ones of chk/ will do. */
struct hg_checkpoint_bounds {
    const uint8_t *uuid; /* of the store, 16 bytes */
    hg_pos covered_min;  /* what covers less has not all that is needed; 0: any */
    uint64_t max_number; /* UINT64_MAX: any */
};
/* Load the newest that is sound and within these bounds, into two empty indexes (empty_past NULL: that one is only
 * checked). HOLOG_E_NOENT: none (why, in *out_note when not NULL:
 * "none" or what was wrong with the newest). HOLOG_E_NOMEM, HOLOG_E_BUDGET: rebuilding would meet
 * it too. On failure the indexes are empty. On success the note is "", or what was wrong with a newer
 * one. */
HG_MUST_CHECK int hg_checkpoint_load(struct hg_io *io, const struct hg_checkpoint_bounds *of,
                                     struct hg_index *empty, struct hg_index *empty_past,
                                     struct hg_checkpoint *out, char out_note[160]);

/* One of which is known where it stands: from `offset` to the end of the file. */
struct hg_checkpoint_at {
    const char *name; /* with offset 0 of a file in chk/, which says its number */
    uint64_t offset;
    const uint8_t *uuid; /* NULL: of any store */
    hg_pos covered_min;  /* as above */
    const struct hg_checkpoint
        *like; /* NULL, or: what it covers is this, of position, frame and numbers */
};
/* Into empty indexes; NULL: only checked. HOLOG_E_CORRUPT, HOLOG_E_VERSION; HOLOG_E_STALE: of another store, or it
 * covers too little; HOLOG_E_NOMEM, HOLOG_E_BUDGET; errors of reading. On failure the indexes are empty. */
HG_MUST_CHECK int hg_checkpoint_read(struct hg_io *io, const struct hg_checkpoint_at *at,
                                     struct hg_index *empty, struct hg_index *empty_past,
                                     struct hg_checkpoint *out);
/* Outer shape and hashes, for verify. Errors as above. */
HG_MUST_CHECK int hg_checkpoint_check(struct hg_io *io, const struct hg_checkpoint_at *at);

#endif
