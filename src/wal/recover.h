/*
 * Recovery: where the log ends, whether what is behind it was ever acknowledged, and the replay of
 * what is before it. This file is where a torn tail is decided (docs/DURABILITY.md has the table).
 *
 * Nothing is written here until the decision is made; a read-only recovery writes nothing at all.
 * A read error is an error, never the end of the log.
 */
#ifndef HG_WAL_RECOVER_H
#define HG_WAL_RECOVER_H

#include "base/assert.h"
#include "base/buf.h"
#include "holog/holog.h"
#include "io/io.h"
#include "wal/footer.h"
#include "wal/frame.h"
#include "wal/record.h"
#include "wal/segment.h"
#include "wal/super.h"

enum hg_recover_mode {
    HG_RECOVER_STRICT = 0,    /* damage to acknowledged data: HOLOG_E_CORRUPT */
    HG_RECOVER_POINT_IN_TIME, /* ends before the first damage; read_only, the cut is repair's */
};

struct hg_log_segment {
    uint32_t id;
    uint32_t kind; /* enum hg_segment_kind */
    struct hg_segment_header header;
    int sealed;                 /* has a valid footer */
    struct hg_footer_tail tail; /* when sealed */
    uint64_t file_size;
    uint64_t used; /* frames: end of the last valid frame (unrounded). extents: end of the last
                      extent that a frame names, rounded up to 4096; 0 = none known */
    int lists;     /* extents: frames have their records there */
    int cut;       /* extents: the newest list of segments has more in use than the file holds */
};

struct hg_damage_found {
    char file[HG_FILE_NAME_MAX];
    uint32_t segment;
    uint64_t offset;
    uint64_t first_number, last_number;
    char path[256];
    char message[256];
    int harmless;
    hg_pos birth; /* of the value that is damaged, in a .hwp segment; else 0 */
};

/* Called for each commit or system frame behind `from`, in order, after the decision: only frames
 * that stay are shown. Records come one by one; those of a BODY extent as if they stood in the
 * frame (segment, offset: where they lie). Either may be NULL in hg_recover; the follower needs
 * both. From a footer, f has type, len, number and nrec only. Errors, HOLOG_E_STALE among them, may
 * come after some frames have been shown. */
struct hg_replay {
    void *ctx;
    int (*frame)(void *ctx, const struct hg_frame *f, uint32_t segment, uint32_t offset,
                 uint64_t time_ns);
    int (*record)(void *ctx, const struct hg_record *r);
};

struct hg_recover_options {
    enum hg_recover_mode mode;
    int read_only;      /* no quarantine, no cut, no sync */
    hg_pos from;        /* replay frames behind this position; 0 = all. Must be a frame's end */
    uint64_t from_hash; /* header hash of that frame; checked: HOLOG_E_STALE when it is not there,
                           so that the caller drops its checkpoint and starts again */
    uint32_t from_len;
    const struct hg_segment_entry *known; /* what the checkpoint knew of segments; with `from` */
    size_t n_known;
    /* A log that begins with a base is replayed from there on only: `from` 0, or one before the frame that the base
     * covers, is HOLOG_E_STALE. Bases with this id or above are not looked at: the content of that one is damaged.
     * 0: none is passed over. */
    uint32_t base_below;
    hg_pos limit; /* read-only beside a live writer: the durable end from ctl; nothing behind
                           it is looked at or judged. 0 = no limit */
    holog_progress_fn progress; /* may be NULL */
    void *progress_ctx;
};

struct hg_recovered {
    struct hg_super super;
    struct hg_super_slots slots;
    struct hg_log_segment *segments; /* by id; hg_malloc, the caller's */
    size_t n_segments;
    uint32_t last_segment; /* newest frame segment; 0 = none */
    int last_sealed;
    uint64_t end;      /* end of its last frame, unrounded; the next frame starts at align8 or at
                          the next block */
    hg_pos last_frame; /* start of the last frame of the log, last_len and last_hash are its; 0 =
                          none. In an older segment when the last one is empty: a successor's
                          header then says 0 for both */
    uint32_t last_len;
    uint64_t last_hash;
    uint64_t last_number; /* newest commit kept */
    uint64_t last_time_ns;
    uint64_t highest_number; /* ever seen, kept or cut */
    hg_pos floor;            /* highest floor seen */
    uint32_t next_segment;   /* first id never used */
    int clean;               /* SUPER said clean, and the log ends at its floor */
    int cut;                 /* a torn tail: must be cut at (last_segment, end) */
    uint64_t cut_bytes;      /* non-zero bytes behind the cut */
    uint64_t quarantined_bytes;
    struct hg_segment_entry
        *left_over; /* files in seg/ that are of the store no more, or never were;
                                           hg_malloc, the caller's */
    size_t n_left_over;
    uint64_t replaced_bytes; /* of these files, those that edits have removed */
    uint32_t
        base; /* the newest base that is of the store and whose header is sound; 0: the log begins with its first
                      frame */
    uint32_t
        begins; /* the segment with the frame that it covers: those of frames below are of the log no more, and
                        hold records only. 0 = no base */
    int used_known; /* 1: `used` of extent segments takes in all that frames name */
    uint64_t frames_read, bytes_read;
};

/*
 * Reads SUPER and all segments, finds the end, decides, replays. On HOLOG_E_CORRUPT the detail
 * names the first damage to acknowledged data. HOLOG_E_NOTSTORE: no store here, or init did not
 * finish. HOLOG_E_VERSION. On failure nothing was changed and *out is not set.
 * When not read_only and a tail must be cut, what is valid behind the cut has been copied to
 * quarantine/ and synced on return; the cut itself is hg_recover_seal's.
 */
HG_MUST_CHECK int hg_recover(struct hg_io *io, const struct hg_recover_options *o,
                             const struct hg_replay *replay, struct hg_recovered *out);

/*
 * After an unclean recovery, before the first new write: cut the last frame segment at `end`, write
 * its footer, sync it; after that the next segment's header states it as predecessor. Idempotent:
 * a crash at any point leaves what the next recovery finds the same. Truncates extent segments to
 * what is named, removes those of which nothing is. r->last_sealed is set, r->super may be new.
 */
HG_MUST_CHECK int hg_recover_seal(struct hg_io *io, struct hg_recovered *r);
/* Sync SUPER, unsealed segments and the directories: what is trusted must be durable first. Called
 * by hg_recover when not read_only, before replay. */

/* ---- following a live writer ----------------------------------------------------------------- */

struct hg_follower;
/* Continue from the end of a read-only recovery. */
HG_MUST_CHECK int hg_follow_create(struct hg_io *io, const struct hg_recovered *r,
                                   struct hg_follower **out);
/* How far it has read; 0: nothing yet. */
hg_pos hg_follow_at(const struct hg_follower *f);
/* Options that make a recovery replay only what lies behind the frame followed last. */
void hg_follow_from(const struct hg_follower *f, struct hg_recover_options *o);
/* Replay frames up to `limit` (the writer's durable end). HOLOG_E_STALE: reopen. */
HG_MUST_CHECK int hg_follow_refresh(struct hg_follower *f, hg_pos limit,
                                    const struct hg_replay *replay);
void hg_follow_destroy(struct hg_follower *f);

/* ---- reading values (shared by recovery, verify and the engine) ------------------------------ */

/* Read len bytes of an extent and verify them block by block against the table entries from block
 * `first_block` on (len whole blocks, or to the end of the value). file is the extent segment.
 * HOLOG_E_CORRUPT names segment and offset of the bad block. */
HG_MUST_CHECK int hg_blocks_verify(const void *data, size_t len, const uint8_t *table,
                                   uint64_t first_block, uint32_t segment, uint64_t offset);

/* ---- verify and repair ----------------------------------------------------------------------- */

/* What is in a .hwp segment, which is not known here: calls `found` for each damage, whose detail is set then; bytes of
 * which value, when it is known (0). quick: as HOLOG_VERIFY_QUICK. Not 0 from found is returned. */
typedef int (*hg_verify_cold_fn)(struct hg_io *io, const struct hg_super *super, uint32_t segment,
                                 int quick, int (*found)(void *ctx, hg_pos birth), void *ctx);
/* Everything readable, checked; see holog_verify. cold: NULL, they are not looked at. base: the same, of the content
 * of a base (birth is 0). `each` may know more of the damage, and write it to d. */
HG_MUST_CHECK int hg_verify(struct hg_io *io, unsigned flags, hg_verify_cold_fn cold,
                            hg_verify_cold_fn base,
                            int (*each)(void *ctx, struct hg_damage_found *d), void *ctx,
                            holog_progress_fn progress, void *progress_ctx);
/* See holog_repair. io's directory is locked by the caller. base: as in hg_verify; NULL: what bases hold is taken for
 * sound. */
HG_MUST_CHECK int hg_repair(struct hg_io *io, enum holog_repair_mode mode, int dry_run,
                            hg_verify_cold_fn base,
                            int (*each)(void *ctx, const struct hg_damage_found *d), void *ctx,
                            holog_repair_report *out_report);

#endif
