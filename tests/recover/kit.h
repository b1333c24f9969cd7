/*
 * Builds stores byte by byte with the codecs, as a writer would leave them or as it never could,
 * puts them on a simulated disk and runs recovery, verify and repair on them.
 */
#ifndef TESTS_RECOVER_KIT_H
#define TESTS_RECOVER_KIT_H

#include <criterion/criterion.h>

#include "base/buf.h"
#include "io/sim.h"
#include "wal/recover.h"

#define KIT_SEGMENTS 16
#define KIT_FRAMES   64
#define KIT_CAPACITY (64u << 10)
#define KIT_BASE     8192u /* bytes of a base */

struct kit_frame {
    uint32_t segment;
    uint32_t offset;
    uint32_t len;
    uint64_t number;
    uint64_t hash;
};

struct kit_file {
    uint32_t id;
    uint32_t kind;
    struct hg_segment_header header;
    struct hg_buf bytes;
    uint64_t end; /* of its last frame, unrounded */
    uint32_t last_len;
    uint64_t last_hash;
    int sealed;
    int removed; /* an EDIT says so: lists to come have it not */
    /* Of a base: what a checkpoint there knows. */
    struct hg_segment_entry known[KIT_SEGMENTS];
    size_t n_known;
};

struct kit {
    struct hg_super super;
    int no_super;
    struct kit_file file[KIT_SEGMENTS];
    size_t n_files;
    size_t log;        /* index of the frame segment being filled */
    size_t ext;        /* index of the extent segment being filled */
    uint64_t capacity; /* of segments to come */
    hg_pos floor;      /* for frames to come */
    uint32_t prev_len;
    uint64_t prev_hash;
    uint64_t number;
    uint64_t highest;
    struct kit_frame frame[KIT_FRAMES]; /* in order, system frames too */
    size_t n_frames;
};

void kit_begin(struct kit *k);
void kit_end(struct kit *k);
/* A new frame segment after the present one; opens with a SEGMENTS frame unless `empty`. */
void kit_segment(struct kit *k, int empty);
void kit_extents(struct kit *k);
/* One commit with a blob "p/<number>" of len bytes; the blob's bytes come from its number. */
struct kit_frame kit_commit(struct kit *k, size_t len);
/* One commit with a value of len bytes in the extent segment. */
struct kit_frame kit_commit_large(struct kit *k, size_t len);
/* One commit whose records lie in an extent: a blob "b/<number>". */
struct kit_frame kit_commit_body(struct kit *k);
/* One commit with a DELTA, of a byte at the front of p/1, to the version born at base; in_extent: the
 * delta itself is in a list in the extent segment. *out_birth is its own birth position. */
struct kit_frame kit_commit_delta(struct kit *k, hg_pos base, int in_extent, hg_pos *out_birth);
/* As kit_commit_delta; its payload of len bytes is in the extent segment. */
struct kit_frame kit_commit_delta_large(struct kit *k, hg_pos base, size_t len);
/* A system frame with a tag of the newest commit, a horizon and a fold of `version`. */
struct kit_frame kit_put_tag(struct kit *k, const char *name, hg_pos version);
/* A .hwp segment that is a header and nothing else; its id. */
uint32_t kit_cold(struct kit *k);
/* A base that covers all so far; its content is of no sense. Its id. */
uint32_t kit_base(struct kit *k);
/* A system frame with an EDIT; id 0: of none. */
struct kit_frame kit_edit(struct kit *k, uint32_t added, uint32_t removed);
struct kit_frame kit_put_frame(struct kit *k, enum hg_frame_type type, struct hg_buf *body,
                               uint32_t nrec);
void kit_durable(struct kit *k);            /* all so far is durable: the floor of frames to come */
void kit_block(struct kit *k);              /* the next group starts at the next block */
void kit_pad(struct kit *k, uint64_t size); /* zeros behind: the window */
void kit_seal(struct kit *k);
/* SUPER as written now: floor at the end of all frames, or where told. */
void kit_super(struct kit *k, hg_pos floor, enum hg_super_state state);
void kit_super_clean(struct kit *k);
hg_pos kit_pos(const struct kit *k); /* end of the last frame, rounded up to 8 */
hg_pos kit_end_of(const struct kit_frame *f);
uint8_t *kit_at(struct kit *k, const struct kit_frame *f); /* its bytes, for damage */

/* A disk with the store on it. */
struct hg_sim *kit_disk(const struct kit *k);
/* The same with faults set; only what the test runs counts its calls. */
struct hg_sim *kit_disk_with(const struct kit *k, const struct hg_sim_options *o);
void kit_name(char *out, const struct kit_file *f);

/* What a recovery showed. */
struct kit_run {
    struct hg_recover_options o;
    int seal;
    int rc;
    struct holog_error_detail error;
    struct hg_recovered r;
    uint64_t numbers[KIT_FRAMES]; /* commits in order */
    size_t n_numbers;
    size_t n_system;
    size_t n_records;
    hg_pos births[KIT_FRAMES]; /* of blobs and deltas, in order */
    size_t n_births;
    size_t lost_bases; /* deltas of what no record before them brought */
    uint64_t value_bytes;
    size_t n_left_over; /* files that are of the store no more, and the first of them */
    uint32_t left_over;
    char paths[2048]; /* of values, '+' and that of a delta, '#' and a tag; ';' behind each */
};
/* Runs on sim; run->o and run->seal are set by the caller. Segments are freed. */
int kit_recover(struct hg_sim *sim, struct kit_run *run);
int kit_recover_io(struct hg_io *io, void *run);
/* A frame segment cut out of the list: it never was. */
void kit_drop(struct kit *k, size_t file);
void kit_drop_id(struct kit *k, uint32_t id);
/* Three segments of three commits, the last one open; some values in an extent segment. */
void kit_sample(struct kit *k);
/* Strict, writing, sealing. */
int kit_open(struct hg_sim *sim, struct kit_run *run);
/* The same from what a base says; options for that. */
void kit_from_base(const struct kit *k, uint32_t base, struct hg_recover_options *o);
int kit_open_base(struct hg_sim *sim, const struct kit *k, uint32_t base, struct kit_run *run);
struct kit_file *kit_file(struct kit *k, uint32_t id);
/* A hash of all files of the disk. */
uint64_t kit_fingerprint(struct hg_sim *sim);

struct kit_verify {
    unsigned flags;
    int rc;
    struct holog_error_detail error;
    struct hg_damage_found found[64];
    size_t n_found;
    size_t n_harmful;
};
int kit_verify(struct hg_sim *sim, struct kit_verify *out);

struct kit_repair {
    enum holog_repair_mode mode;
    int dry_run;
    int rc;
    struct holog_error_detail error;
    holog_repair_report report;
    struct hg_damage_found found[64];
    size_t n_found;
};
int kit_repair(struct hg_sim *sim, struct kit_repair *out);
int kit_repair_io(struct hg_io *io, void *out);

#endif
