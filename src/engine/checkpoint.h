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

/* Load the newest that is sound, belongs to uuid and covers no more than `max_number`
 * (UINT64_MAX = any), into two empty indexes (empty_past NULL: that one is only checked). HOLOG_E_NOENT: none (why, in *out_note when not NULL:
 * "none" or what was wrong with the newest). HOLOG_E_NOMEM, HOLOG_E_BUDGET: rebuilding would meet
 * it too. On failure the indexes are empty. On success the note is "", or what was wrong with a newer
 * one. */
HG_MUST_CHECK int hg_checkpoint_load(struct hg_io *io, const uint8_t uuid[16], uint64_t max_number,
                                     struct hg_index *empty, struct hg_index *empty_past,
                                     struct hg_checkpoint *out, char out_note[160]);

/* Outer shape and hashes of one file ("chk/....hidx"); for verify. HOLOG_E_CORRUPT, HOLOG_E_VERSION. */
HG_MUST_CHECK int hg_checkpoint_check(struct hg_io *io, const char *name);

#endif
