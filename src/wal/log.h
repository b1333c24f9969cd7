/*
 * The writer's end of the log: leader/follower group commit, segment roll, extents, watermark.
 *
 * A committer, holding the log's lock (hg_log_lock):
 *     hg_log_reserve(log, body_len, ...)        room for a frame: where it will stand. May release
 *                                               and retake the lock (a roll, a full group)
 *     ... checks and applies its changes to the index, births at `place` ...
 *     hg_log_append(log, ...)                   the frame joins the group being filled
 * then unlocks and, if its sync mode asks for it, hg_log_wait(ticket).
 *
 * Groups. One group fills while up to W are being written. Whoever waits for a group that nobody
 * writes becomes its leader: it seals the group under the lock (floors, predecessor links and
 * header hashes are set there), writes it outside the lock in one transfer, and completes it.
 * Groups complete in order: a group whose predecessors are not complete stays `written` until they
 * are. Commits that nobody waits for are led by the log's own thread.
 *
 * What a group's write may rely on (docs/DURABILITY.md):
 *   T1  It continues the last 4 KiB block only when nothing is in flight and its predecessor is
 *       durable; else it starts at the next block.
 *   T2  It is acknowledged as durable only when it was written with DSYNC and everything before it
 *       is durable, or a sync of the file issued after it, and all before it, had completed.
 *   T3  It never overlaps a zero-write of the window that is under way.
 *   T4  A segment is rolled only when nothing is in flight and all of it is durable.
 *   T5  A failed write or sync poisons the log for good.
 *
 * Lock ranks: log->lock is above everything in wal; the hooks `sealed` and `completed` are called
 * with it held, `appended` too.
 */
#ifndef HG_WAL_LOG_H
#define HG_WAL_LOG_H

#include "base/assert.h"
#include "base/buf.h"
#include "holog/holog.h"
#include "io/io.h"
#include "wal/ctl.h"
#include "wal/files.h"
#include "wal/frame.h"
#include "wal/layout.h"
#include "wal/record.h"
#include "wal/recover.h"
#include "wal/segment.h"

struct hg_log;

struct hg_log_hooks {
    void *ctx;
    /* A frame of the active segment, which stands at `offset`: as it will be on disk, but for its
     * header, which is a draft (hg_frame_draft). A failure fails the append, but not that of a frame
     * of the log's own. */
    int (*appended)(void *ctx, uint32_t segment, uint32_t offset, const void *data, size_t len);
    /* A group is closed: what was applied up to here will be published by its completion. Returns
     * the engine's token for that state. */
    void *(*sealed)(void *ctx);
    /* In commit order. rc < 0: the group's commits are in doubt and every later one is gone;
     * `token` is what sealed returned. durable: the log is durable through this group. */
    void (*completed)(void *ctx, void *token, int rc, int durable);
    /* Bytes of the segment below `end` are with the kernel or the disk: they can be read back. */
    void (*written)(void *ctx, uint32_t segment, uint64_t end);
    /* Some groups have completed: what can be done late, without the lock. May be NULL. */
    void (*afterwards)(void *ctx);
    /* The durable end has moved to number/pos (a sync, or a group). */
    void (*durable)(void *ctx, hg_pos pos, uint64_t number);
    /* The active segment is full: nothing is under way, all of it is durable. May be NULL. */
    void (*full)(void *ctx);
    /* A segment exists now (roll, new extent segment): a message for health and readers. */
    void (*segment_added)(void *ctx, uint32_t id, uint32_t kind, uint64_t capacity);
};

struct hg_log_options {
    uint32_t groups_in_flight; /* 1-8 */
    int background;            /* run the log's own thread */
    int compacts;              /* edits may come: segments declare ahead what these need */
    uint32_t sync_interval_ms;
    struct hg_log_hooks hooks;
    holog_log_fn log;
    void *log_ctx;
};

struct hg_log_counters {
    uint64_t groups, syncs, bytes_written, segment_rolls, window_waits, groups_beyond_window;
    uint64_t extent_bytes;
    holog_histogram group_write;
};

/* r: what hg_recover found (sealed, if it was unclean). Borrows files, ctl (may be NULL). */
HG_MUST_CHECK int hg_log_open(struct hg_io *io, struct hg_files *files, struct hg_ctl *ctl,
                              const struct hg_recovered *r, const struct hg_log_options *o,
                              struct hg_log **out_log);
/* Ends the thread; writes nothing. Call hg_log_shutdown first to close cleanly. */
void hg_log_destroy(struct hg_log *log);
/* Everything written and synced, the active segments cut to what is used, SUPER says clean. */
HG_MUST_CHECK int hg_log_shutdown(struct hg_log *log);

void hg_log_lock(struct hg_log *log);
void hg_log_unlock(struct hg_log *log);
int hg_log_poisoned(const struct hg_log *log);      /* 0, or the first cause */
HG_MUST_CHECK int hg_log_check(struct hg_log *log); /* HOLOG_E_POISONED, and why, after that */

/* ---- committing (lock held) -------------------------------------------------------------------- */

struct hg_log_place {
    uint32_t segment;
    uint32_t frame_offset;
    uint32_t body_offset; /* frame_offset + 64 */
};
/* Longest body a frame of this store may hold now; longer record lists go to an extent (BODY). */
size_t hg_log_body_max(const struct hg_log *log);
/* From now on the active segment declares these must-understand features (HG_FEATURE_*): rolls when it
 * does not. To be called before the reserve of a frame whose records need them (hg_rec_needs). May
 * release and retake the lock. deletes: as in hg_log_reserve. HOLOG_E_NOSPC and other errors: as before,
 * nothing is declared. */
HG_MUST_CHECK int hg_log_need(struct hg_log *log, uint64_t features, int deletes);
#define HG_LOG_EDIT 2 /* `deletes` of an EDIT, which has the last of that room */
/* HOLOG_E_NOSPC: no room for a new segment, nothing changed. `deletes`: it lets go of something, or
 * goes back to what was, and does nothing else; then it may use what a segment keeps for such, and when that is
 * used up, or the segment does not declare what it needs, makes a small one of what the old one leaves. */
HG_MUST_CHECK int hg_log_reserve(struct hg_log *log, size_t body_len, int deletes,
                                 struct hg_log_place *out);

struct hg_ticket {
    uint64_t group; /* sequence number of the group it is in */
    uint64_t number;
};
struct hg_append {
    uint8_t type; /* enum hg_frame_type */
    const uint8_t *body;
    size_t body_len;
    uint64_t body_hash;
    uint32_t nrec;
    uint64_t number;
    enum holog_sync sync; /* COMMIT: the group is written with DSYNC */
    int extents;          /* it names extents that were written without DSYNC */
    holog_commit_fn done; /* may be NULL; called when acknowledged in its mode */
    void *done_ctx;
};
/* After a successful reserve of the same length under the same holding of the lock. */
HG_MUST_CHECK int hg_log_append(struct hg_log *log, const struct hg_append *a,
                                struct hg_ticket *out_ticket);

/* A system frame: records that belong to no commit (TAG, RETENTION, FOLD). Reserves room and appends;
 * may release and retake the lock before that. body begins with a time (hg_body_begin), which is set
 * here: the frame repeats time and number of what comes before it. extents: as in hg_append; deletes: as
 * in hg_log_reserve. The ticket is waited for like a commit's. A failure leaves everything as it was. */
HG_MUST_CHECK int hg_log_append_system(struct hg_log *log, struct hg_buf *body, uint32_t nrec,
                                       enum holog_sync sync, int extents, int deletes,
                                       struct hg_log_place *out_place,
                                       struct hg_ticket *out_ticket);

/* Take the frame appended last back: under the same holding of the lock, nothing appended since. */
void hg_log_unappend(struct hg_log *log);
/* The number the next commit gets: one above all ever seen. Lock held. */
uint64_t hg_log_next_number(const struct hg_log *log);
/* Ends the lock: waits until the ticket's group has completed in its mode, leading it if need be.
 * The lock is held on entry and released on return. The group's result. */
HG_MUST_CHECK int hg_log_wait(struct hg_log *log, const struct hg_ticket *t);
/* A ticket for everything appended so far. Lock held. */
struct hg_ticket hg_log_newest(struct hg_log *log);
/* Nobody waits for what was appended: see to it that somebody leads. Lock held, stays held. */
void hg_log_kick(struct hg_log *log);

/* ---- waiting (lock not held) --------------------------------------------------------------------*/

/* Everything appended so far durable. */
HG_MUST_CHECK int hg_log_sync(struct hg_log *log);
/* Until the durable number is at least `number`; HOLOG_E_AGAIN after timeout_ns. */
HG_MUST_CHECK int hg_log_wait_durable(struct hg_log *log, uint64_t number, uint64_t timeout_ns);
/* Everything appended so far is in the files (not durable). */
HG_MUST_CHECK int hg_log_flush(struct hg_log *log);
uint64_t hg_log_durable_number(const struct hg_log *log);
hg_pos hg_log_durable_pos(const struct hg_log *log);
/* Bytes appended and not yet completed. */
uint64_t hg_log_inflight_bytes(const struct hg_log *log);

/* ---- extents (lock not held) ---------------------------------------------------------------------*/

/* Take room for len bytes in one or more pieces (each but the last a multiple of 64 KiB; contiguous:
 * exactly one), appended to `out` as struct hg_piece. Rolls extent segments. HOLOG_E_NOSPC: nothing
 * taken. HOLOG_E_TOOBIG: contiguous and longer than an extent segment. */
HG_MUST_CHECK int hg_log_extent_alloc(struct hg_log *log, uint64_t len, int contiguous,
                                      struct hg_buf *out_pieces);
/* Write bytes into room taken before; data page-aligned, its memory readable up to a multiple of
 * 4096 (the rest is written as it is); offset a multiple of 4096. durable: with DSYNC. Else the
 * file is noted, and the next sync of the log covers it. A failure poisons. */
HG_MUST_CHECK int hg_log_extent_write(struct hg_log *log, uint32_t segment, uint64_t offset,
                                      const void *data, size_t len, int durable);
/* As above, not waiting and not durable: `done` is called when the bytes are with the disk, on a
 * thread of io's; it may not block. Every sync of the log issued after this call covers it. data
 * must stay until then. */
typedef void (*hg_extent_done)(void *ctx, int rc);
HG_MUST_CHECK int hg_log_extent_submit(struct hg_log *log, uint32_t segment, uint64_t offset,
                                       const void *data, size_t len, hg_extent_done done,
                                       void *ctx);
/* Until every extent write submitted before this call is over. */
void hg_log_extents_settle(struct hg_log *log);
/* The caller is done with a piece that hg_log_extent_alloc gave, after its writes (or with the second
 * of two that it has joined): lets the file be closed. keep 0: no frame names the piece; its room is
 * taken again while nothing stands behind it, else it is garbage. */
void hg_log_extent_release(struct hg_log *log, const struct hg_piece *p, int keep);

/* An extent segment that this writer has open, or goes on in. What the files of all others hold is all
 * that was ever handed out in them. */
struct hg_log_extent {
    uint32_t segment;
    int busy; /* room has been taken and not released, or will be taken: what no frame names there may
                      be named soon */
    uint64_t used; /* bytes handed out */
};
HG_MUST_CHECK int hg_log_extents_open(struct hg_log *log, struct hg_buf *out); /* appended */
/* Values to come go to segments to come. Returns the first id that these can have: those with lower ones are closed when
 * their room is released and synced. */
uint32_t hg_log_extents_leave(struct hg_log *log);
/* Closes those now, which else the next sync of extents does: their files are cut to what is used. */
void hg_log_extents_retire(struct hg_log *log);
/* What was cut off one that is closed does not come back after a power cut. A failure poisons the log. */
HG_MUST_CHECK int hg_log_extent_sync(struct hg_log *log, uint32_t segment);

/* ---- edits (lock not held; log_edit.c) ----------------------------------------------------------*/

/* Identity of a new .hwp segment, which the caller writes as seg/<id>.tmp and renames. */
HG_MUST_CHECK int hg_log_cold_header(struct hg_log *log, uint64_t capacity,
                                     struct hg_segment_header *out);
/* seg/<id>.tmp, synced, gets its name; seg/ is synced. A sync that fails poisons. */
HG_MUST_CHECK int hg_log_cold_name(struct hg_log *log, uint32_t id);
/* The log goes on in a new frame segment, which declares these features; hooks.full is called for the one before. Lock
 * held, dropped inside. Others may have come meanwhile, so that nothing was done: the caller looks whether it was called.
 * HOLOG_E_NOSPC and other errors: as with a commit that needs a roll. */
HG_MUST_CHECK int hg_log_roll_now(struct hg_log *log, uint64_t features);
/* For hooks.full: what the header of a base says of the last frame (pred_*, highest_number). 0: the segment that is
 * full has no frame. Lock held. */
int hg_log_covered(const struct hg_log *log, struct hg_segment_header *out);
/* Identity of a new base, which covers what `h` says. Written and named like a .hwp segment. */
HG_MUST_CHECK int hg_log_base_header(struct hg_log *log, struct hg_segment_header *h);
HG_MUST_CHECK int hg_log_base_name(struct hg_log *log, uint32_t id);
struct hg_edit {
    const struct hg_segment_entry *added; /* their files are there, durable */
    size_t n_added;
    const struct hg_segment_entry *removed; /* of the store so far; nobody writes to them */
    size_t n_removed;
};
/* Durable on return: from now on these segments are of the store, and those are not. Files stay. A failure
 * before the frame is written has changed nothing; after that the log is poisoned. */
HG_MUST_CHECK int hg_log_edit(struct hg_log *log, const struct hg_edit *edit);
/* Edits have removed these before the store was opened, and their files are there. */
HG_MUST_CHECK int hg_log_add_removed(struct hg_log *log, const struct hg_segment_entry *entries,
                                     size_t n);
/* The files of segments that edits have removed go, the oldest first, until at least `bytes` of them have: a larger one in
 * steps, its name first; UINT64_MAX: all of them at once. Names are gone durably on return. What fails is tried again by the
 * next call, or the next open; a sync of seg/ that fails poisons. No edit meanwhile; one at a time. */
HG_MUST_CHECK int hg_log_unlink_removed(struct hg_log *log, uint64_t bytes);
/* Some other process may be reading: what has no name, and was not cut yet, goes whole with the last who has it. To be
 * called before the above, as that cuts. */
void hg_log_unlink_whole(struct hg_log *log);
/* How many there are, with the one that goes in steps. */
uint32_t hg_log_removed(struct hg_log *log);

/* ---- facts -----------------------------------------------------------------------------------------*/

struct hg_log_state {
    uint32_t active_segment;
    uint64_t end;      /* of the last frame appended */
    uint64_t appended; /* the same, also when it is in flight */
    hg_pos last_frame;
    uint64_t last_hash;
    uint32_t last_len;
    uint64_t log_bytes, extent_bytes, cold_bytes, base_bytes; /* used, all segments */
    uint64_t n_segments;
};
/* Lock held. `end` and `last_` are of the log's end when nothing is in flight or filling (after
 * hg_log_sync under no concurrent commits). */
void hg_log_state(struct hg_log *log, struct hg_log_state *out);
/* Bytes of frame segments behind a position. Lock held. */
uint64_t hg_log_bytes_behind(struct hg_log *log, hg_pos pos);
void hg_log_counters(struct hg_log *log, struct hg_log_counters *out);
/* Bytes of segments, used; of those too that are to be unlinked. Lock held. */
struct hg_log_space {
    uint64_t used;
    uint64_t removed;                         /* not among these */
    uint64_t largest_frames, largest_extents; /* one segment */
    uint64_t appended;                        /* see hg_log_appended */
};
void hg_log_space(struct hg_log *log, struct hg_log_space *out);
/* Bytes by which frame and extent segments have grown since the log was opened, and some: it only grows. Lock held. */
uint64_t hg_log_appended(const struct hg_log *log);
/* The segments of the store with their used bytes. */
HG_MUST_CHECK int hg_log_segments(struct hg_log *log, struct hg_buf *out_entries);
/* Of an extent segment with lists (HG_SEGMENT_LISTS), to which nobody writes: all frames that name them are in segments with lower
 * ids than this. */
uint32_t hg_log_lists_below(struct hg_log *log, uint32_t segment);
/* With what is known of them (HG_SEGMENT_LISTS), those that are to be unlinked too: for checkpoints. */
HG_MUST_CHECK int hg_log_segments_flagged(struct hg_log *log, struct hg_buf *out_entries);
/* SUPER as it stands (settings, uuid, salt). */
const struct hg_super *hg_log_super(const struct hg_log *log);

#endif
