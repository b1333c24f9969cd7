/*
 * SUPER: two slots that say who the store is and how far its log is known durable
 * (docs/FORMAT.md, section 2). Losing it loses no data.
 */
#ifndef HG_WAL_SUPER_H
#define HG_WAL_SUPER_H

#include "base/assert.h"
#include "wal/layout.h"

#define HG_SUPER_SLOT_SIZE 4096u

enum hg_super_state {
    HG_SUPER_OPEN = 1,
    HG_SUPER_CLEAN = 2
};

struct hg_super {
    uint64_t generation;
    uint8_t uuid[16];
    uint64_t salt;
    uint64_t feat_compat, feat_ro_compat, feat_incompat;
    hg_pos floor; /* the end (rounded up to 8) of a durable frame; 0 = none yet */
    uint64_t floor_number;
    uint32_t active_segment;
    uint32_t next_segment;
    uint32_t state; /* enum hg_super_state */
    uint32_t segment_size_max;
    uint64_t extent_size_max;
    uint32_t inline_max;
    uint32_t space_amp_milli;
    uint64_t created_ns;
    uint32_t probe_flags; /* 1 RWF_DSYNC, 2 O_DIRECT, 4 io_uring */
    uint32_t probe_write_ns;
    uint32_t probe_mb_per_s;
};

void hg_super_encode(const struct hg_super *s, uint8_t out[HG_SUPER_SLOT_SIZE]);
/* HOLOG_E_CORRUPT (with the reason in the detail), HOLOG_E_VERSION (format or features). */
HG_MUST_CHECK int hg_super_decode(const uint8_t in[HG_SUPER_SLOT_SIZE], struct hg_super *out);

struct hg_io;
struct hg_file;
struct hg_super_slots {
    int rc[2]; /* of each slot's decode */
    int best;  /* 0 or 1: the slot in *out_super */
};
/* Reads both slots. HOLOG_E_NOENT no file; HOLOG_E_CORRUPT no valid slot; HOLOG_E_VERSION; HOLOG_E_IO. */
HG_MUST_CHECK int hg_super_read(struct hg_io *io, struct hg_super *out_super,
                                struct hg_super_slots *out_slots);
/* Writes s (generation as given) to slot `generation % 2` of an open file, durably (DSYNC). f opened
 * with HG_OPEN_WRITE | HG_OPEN_DIRECT or buffered. */
HG_MUST_CHECK int hg_super_write(struct hg_file *f, const struct hg_super *s);

#endif
