/*
 * What the files of the engine share. Private to src/engine.
 *
 *   store.c      options, init, open, close, config, info
 *   version.c    versions of the store: publishing, views' counts
 *   apply.c      what a change does to the index
 *   resolve.c    paths to entries, through symlinks
 *   value.c      entries to bytes: records, blocks, the cache
 *   value_rope.c the same of values that deltas made
 *   cold.c       values that compactions have moved
 *   rope_load.c  from a version back to what it was made from
 *   fold.c       short spans merged, versions written down again
 *   delta.c      deltas: made ready, met by what is there, judged
 *   stage.c      bytes to extents, before a commit
 *   txn.c        transactions: collecting changes, reading through them
 *   flatten.c    chunks saved whole where their deltas are too many for one frame
 *   batch.c      many puts in one commit, in the order of their keys
 *   commit.c     the commit path
 *   replay.c     the log back into the index
 *   run.c        puts of many commits, or of a large one, sorted
 *   view.c       views, cursors, stat
 *   simple.c     the simple path: one call, one commit
 *   nodes.c      documents and chunks below a directory
 *   writer.c     values written piece by piece
 *   history.c    holog_log
 *   frames.c     frames of commits, read again
 *   ref.c        states by name: references, views of the past, tags
 *   retention.c  how much of the past is kept
 *   note.c       frames of the store's own
 *   keep.c       a condition beside the rules of retention
 *   live.c       what lives, segment by segment; live_walk.c the roots in use, live_follow.c what
 *                records refer to, live_things.c thing by thing, live_sets.c its sets
 *   refs.c       which records a sealed segment has, and what they name; of others refs_read.c, and
 *                what of these is remembered refs_moved.c
 *   space.c      holog_space; scrub.c holog_scrub; census.c holog_codec_stats
 *   base.c       index checkpoints that a log begins with; start.c where an open begins
 *   scheduler.c  compactions that nobody has asked for; commits that wait for them brake.c, how fast
 *                they go pace.c
 *   stats.c      counters, histograms
 *   reader.c     read-only handles; what the store takes on disk
 *   health.c     what a handle can still do
 *   info.c       machine, choices, settings
 *   calibration.c  what a calibration has chosen; made by calibrate.c
 *   maintain.c   verify, repair; verify_moved.c
 *
 * Lock ranks: 0 s->keep_lock, 1 log->lock (the commit lock: sequenced state, versions), 2 the log's
 * ext_lock, 3 the cache's lock, 4 s->misc_lock, 5 those of the ropes, of the list of versions, of
 * the digests and of the scheduler: nothing is taken inside. A lower rank is taken first.
 */
#ifndef HG_ENGINE_STORE_INTERNAL_H
#define HG_ENGINE_STORE_INTERNAL_H

#include "base/buf.h"
#include "base/epoch.h"
#include "engine/apply.h"
#include "engine/cache.h"
#include "engine/calibration.h"
#include "engine/checkpoint.h"
#include "engine/cold.h"
#include "engine/index.h"
#include "engine/past.h"
#include "engine/pathkey.h"
#include "engine/refs.h"
#include "engine/ropes.h"
#include "engine/run.h"
#include "engine/scheduler.h"
#include "engine/side_table.h"
#include "engine/timeline.h"
#include "holog/holog.h"
#include "holog/versions.h"
#include "io/io.h"
#include "wal/ctl.h"
#include "wal/frame.h"
#include "wal/log.h"
#include "wal/recover.h"

/* The store as of one commit. Counted; the published one is read inside an epoch. */
struct hg_version {
    struct hg_retired retired; /* first: the domain frees through it */
    holog_store *store;
    uint32_t refs;    /* atomic */
    uint32_t expired; /* atomic; so many counts are of views that have ended, which hold nothing */
    struct hg_root *root;
    struct hg_root *past;
    struct hg_sums sums;
    uint64_t number;
    int is_past;                  /* as of `number`, seen from the roots of a later commit */
    struct hg_side_table *points; /* atomic; of the past: made when there is much to load */
    uint32_t loads;               /* atomic; of the past: that took the long way */
    struct hg_version *prev,
        *next; /* versions_lock; in the store's list from when it has its roots */
};

/* What of the past is not kept any more is looked for bit by bit (retention.c). */
struct hg_sweep {
    uint64_t horizon; /* of the round under way, or of the last one */
    int under_way;
    struct hg_buf key; /* the next one to be looked at; empty: the first */
    struct hg_buf
        gone;      /* the keys of those that the step at work lets go of, each behind its length */
    uint64_t kept; /* versions in the past, after the last step */
    size_t owed;   /* versions to look at */
    uint64_t checked; /* bytes that commits had ended when the rules were looked at last */
};

/* A condition beside the rules of retention (keep.c). */
struct hg_keep {
    int (*fn)(void *ctx, const holog_commit_info *commit); /* NULL: there is none */
    void *ctx;
    uint64_t max_bytes;
    uint64_t due; /* a horizon that waits for its answers; 0: none */
};

/* What the setting "conservation" says; the first is the default. */
enum hg_conservation {
    HG_CONSERVE_TRACK,
    HG_CONSERVE_OFF,
    HG_CONSERVE_ENFORCE,
};
#define HG_CONSERVATION_KEY "conservation"
int hg_conservation_mode(const char *value); /* enum hg_conservation; -1: it is none */
const char *hg_conservation_name(enum hg_conservation mode);
/* What the setting "compression" says of what is compacted from then on; codec/cold/select.h has the profiles. */
#define HG_COMPRESSION_KEY "compression"
int hg_compression_of(const char *value); /* 0: the default; -1: it is none */
const char *hg_compression_name(int compression);
struct hg_delta_counters { /* since open; log lock */
    uint64_t updates[5];   /* by kind; [0]: all */
    uint64_t bytes, violations;
    uint64_t ns; /* atomic */
    uint64_t folds, fold_bytes;
};

struct hg_setting {
    struct hg_setting *next;
    char *key;
    char *value;
};

/* Writes index checkpoints (keeper.c); log lock. */
struct hg_keeper {
    struct hg_thread *thread;
    uint32_t word;
    int stop;
    struct hg_version *version; /* to be written with `next`; NULL: nothing to do */
    struct hg_checkpoint next;
    hg_pos described; /* the end of the log when the last one was */
    hg_pos covers;    /* what the newest one has; 0: there is none */
    int failed;       /* atomic: the last one could not be written */
};

/* The base that the log begins with, and the one that is being made (base.c). */
struct hg_base {
    /* log lock */
    int wanted;                 /* the next full segment is described */
    int rc;                     /* that failed, with this */
    unsigned full;              /* segments that were full meanwhile */
    struct hg_version *version; /* as described; NULL: not yet */
    struct hg_checkpoint next;
    struct hg_segment_header header;

    /* who has begun a compaction; set at open */
    uint32_t id, begins; /* the newest, and the segment that it covers; 0: none */
    int sound;           /* its content has been read since the store was opened */
    uint64_t bytes;      /* atomic; of its file */
};

/* A run that a thread of its own puts into the index; nobody else's while there is one. */
struct hg_replay_away {
    struct hg_thread *thread; /* the replay's */
    struct hg_run run;
    int rc;
    struct holog_error_detail error; /* when rc < 0 */
};

/* The frame that a follower has begun: what was before it, should it fail half way. */
struct hg_followed {
    hg_pos frame; /* 0: none */
    uint64_t number, time_ns;
    int marked; /* more than a put, which changes all or nothing by itself */
    struct hg_state_mark state;
};

struct holog_store {
    /* fixed after open */
    struct hg_io *io;
    struct hg_files *files;
    struct hg_epoch_domain *domain;
    struct hg_cache *cache;
    struct hg_ropes *ropes;
    struct hg_cold *cold;
    struct hg_log *log;     /* NULL when read-only */
    struct hg_staged *left; /* atomic: values that the end of a write was the last to use */
    struct hg_ctl *ctl;
    struct hg_file *lock_file;
    holog_options opts;
    uint32_t open_txns;  /* atomic; callers' own */
    uint32_t compacting; /* atomic; compact.c's: who is at it */
    uint64_t
        replaced_ns; /* atomic; when the last edit has left files to be unlinked; 0: there are none */
    uint64_t
        round_bytes; /* of a compaction that is asked for; 0: compact.c's (tests have little) */
    uint64_t unlink_bytes; /* of files that go in one step; 0: compact.c's (tests have little) */
    uint32_t unlinking;    /* atomic; the compactor lets files go, step by step */
    char dir[512];
    uint32_t inline_max;
    int pid;
    uint32_t fork_generation;
    int io_is_ours; /* close destroys io */
    struct hg_calibration calibration;
    int event_fd;
#define HG_IDLE_TXNS 16u
    holog_txn *idle_txns[HG_IDLE_TXNS]; /* each by atomic exchange */

    struct hg_version *published;  /* atomic; readers load it inside an epoch */
    struct hg_mutex versions_lock; /* rank 5 */
    struct hg_version *versions;   /* versions_lock; all that are counted, the newest first */
    struct hg_refs *refs;          /* fixed */
    struct hg_side_table *points;  /* fixed; NULL: not wanted */
    int rolled_back; /* atomic; records may be of an earlier commit than their entries */

    /* log lock (read-only: misc_lock) */
    struct hg_state sequenced;
    struct hg_version *durable; /* newest version known durable; a fall-back after a failure */
    struct hg_version *spare;   /* allocated before it is needed: sealing cannot fail */
    struct hg_version *latest;  /* newest frozen, counted; may not be published yet */
    uint64_t strict_number;     /* newest commit that waits for more than being sequenced */
    uint64_t last_number;       /* sequenced */
    uint64_t last_time_ns;
    uint64_t commits, records, bytes_saved;
    struct hg_delta_counters deltas;
#define HG_FOLD_WISHES 64u
    struct hg_buf fold_wishes;         /* fold.c's: objects that may be folded soon */
    enum hg_conservation conservation; /* atomic: as set; written under the lock */
    int compression;                   /* the same; 0: the default */
    struct hg_keeper keeper;
    struct hg_base base;
    struct hg_scheduler sched; /* its own lock */
    struct hg_setting *settings;
    struct hg_timeline timeline;
    struct hg_sweep sweep;
    struct hg_retention rules;
    struct hg_keep keep;       /* fn and ctx change under keep_lock and the log's lock */
    struct hg_mutex keep_lock; /* rank 0; held while the condition is asked */

    struct hg_mutex misc_lock; /* rank 4 */
    holog_view *views;
    uint64_t views_open;
    uint64_t checkpoints;                         /* atomic */
    uint64_t scrubbed, scrub_damages;             /* atomic */
    uint64_t pin_age_ns;                          /* atomic; of rules, for readers */
    holog_histogram commit_latency, load_latency; /* atomic, each number for itself */

    struct hg_key replay_keys[2]; /* replay's: too large for the stack of a loop */
    struct hg_run run;            /* replay's: what is being collected */
    struct hg_replay_away away;   /* replay's: what is on its way to the index */
    uint64_t replayed;            /* commits, by the replay */
    size_t run_bytes_max;         /* 0: replay applies records one by one */

    /* read-only handles */
    struct hg_follower *follower;
    uint32_t ctl_at_end;           /* its sequence when no writer was left and all was read */
    uint32_t followed_segment;     /* the newest that the cache has been told of; misc_lock */
    uint32_t followed_list;        /* the same, of long commits' records; misc_lock */
    uint64_t followed_ended;       /* bytes that commits up to the last one have ended; misc_lock */
    struct hg_followed followed;   /* misc_lock */
    struct hg_buf known_segments;  /* while opening: what the checkpoint knew */
    struct hg_recovered recovered; /* lists of segments are freed after open */
    struct hg_buf followed_added,
        followed_removed;          /* uint32_t: by edits that were read; misc_lock */
    struct hg_buf reader_segments; /* struct hg_log_segment; misc_lock */
    uint64_t reader_replaced;      /* bytes of files that the log had removed at open */
    holog_recovery_report report;
};

/* ---- store.c ---- */
HG_MUST_CHECK int hg_store_check(holog_store *s);       /* NULL, fork */
HG_MUST_CHECK int hg_store_check_write(holog_store *s); /* also read-only and poisoned */
/* Open over an io that the caller keeps (tests: the simulated disk). */
/* Index and hash side-table, to the cache, which has what is left. Log lock held, or nobody else. */
void hg_store_tell_budget(holog_store *s);
HG_MUST_CHECK int hg_store_open_io(struct hg_io *io, const holog_options *opts,
                                   holog_store **out_store);
HG_MUST_CHECK int hg_store_init_io(struct hg_io *io, const holog_options *opts);
/* ---- options.c ---- */
/* A caller's struct that begins with struct_size: there, and with a size that can be. */
HG_MUST_CHECK int hg_struct_check(const void *out, const char *name);
/* The same of what a caller says in the argument `spec`. */
HG_MUST_CHECK int hg_spec_check(const void *spec, const char *name);
/* As much of `from` as the caller's struct has room for; its struct_size says how much. */
void hg_struct_fill(void *out, const void *from, size_t from_size);
/* Defaults filled in, everything checked. */
HG_MUST_CHECK int hg_options_resolve(const holog_options *in, holog_options *out);
/* NULL: it does not say, or nobody listens (holog.h). */
const char *hg_environment(const char *name);
void hg_settings_release(holog_store *s);
HG_MUST_CHECK int hg_setting_put(holog_store *s, const char *key, size_t key_len, const char *value,
                                 size_t value_len);

/* ---- info.c ---- */
void hg_probe_disk(struct hg_io *io, struct hg_super *s);

/* ---- maintain.c ---- */
HG_MUST_CHECK int hg_verify_io(struct hg_io *io, unsigned flags,
                               int (*each)(void *ctx, const holog_damage *damage), void *ctx,
                               holog_progress_fn progress, void *progress_ctx);

/* ---- verify_moved.c ---- */
struct hg_damage_found;
/* Of a store that can be opened: what has no frame that names it. What `found` returns, not 0, ends it. */
HG_MUST_CHECK int hg_verify_moved(struct hg_io *io,
                                  int (*found)(void *ctx, const struct hg_damage_found *d),
                                  void *ctx);

/* ---- version.c ---- */
struct hg_version *hg_version_new(holog_store *s);
struct hg_version *hg_version_get_published(holog_store *s); /* one count for the caller */
/* The store as of `number`, which is not above v's, as far as v's past is kept; one count for the
 * caller. NULL: no memory. */
struct hg_version *hg_version_as_of(holog_store *s, struct hg_version *v, uint64_t number);
void hg_version_put(holog_store *s, struct hg_version *v);
/* Every version that somebody counts and can still read, with a count more each: struct hg_version *, appended to out. */
HG_MUST_CHECK int hg_versions_get(holog_store *s, struct hg_buf *out);
void hg_versions_put(holog_store *s, struct hg_buf *versions); /* the counts; releases it */
/* log lock held (or single-threaded): v becomes what readers see; takes over the caller's count. */
void hg_version_publish(holog_store *s, struct hg_version *v);
/* Freeze the sequenced state into s->spare and hand it over; needs s->spare. */
struct hg_version *hg_version_freeze(holog_store *s);
HG_MUST_CHECK int hg_version_spare(holog_store *s); /* make sure there is one */

/* ---- resolve.c ---- */
/* Where resolution looks entries up: a version, the state a commit meets, a transaction's overlay. */
struct hg_lookup {
    holog_store *store;
    void *ctx;
    int (*get)(void *ctx, const uint8_t *key, size_t len, struct hg_locator *out);
    /* Target of the symlink at loc into out (HG_PATH_MAX + 1). */
    int (*target)(void *ctx, const struct hg_locator *loc, char *out, size_t *out_len);
    int quiet; /* a missing directory on the way is no news: HOLOG_E_NOENT without a message */
};
struct hg_resolved {
    char path[HG_PATH_MAX + 1];
    size_t path_len;
    struct hg_key key;
    struct hg_locator loc; /* type 0: missing, but its parent is a directory */
    int literal;           /* path is as it was given: no symlink is on the way */
    size_t missing;        /* of a literal HOLOG_E_NOENT: length of the first directory missing */
};
/* path: canonical. follow: also in the last component (a dangling link's target is then "missing").
 * HOLOG_E_NOENT: a parent is missing; NOTDIR; LOOP. */
HG_MUST_CHECK int hg_resolve(const struct hg_lookup *l, const char *path, size_t path_len,
                             int follow, struct hg_resolved *out);
/* A caller's path made canonical. "" is refused: the root is "/". */
/* What a symlink may name: not empty, not too long, UTF-8; it need not be a path of this store. */
HG_MUST_CHECK int hg_check_target(const char *target);
HG_MUST_CHECK int hg_user_path(const char *path, char *out, size_t *out_len);
/* Canonicalise a caller's path, then resolve. */
HG_MUST_CHECK int hg_resolve_user(const struct hg_lookup *l, const char *path, int follow,
                                  struct hg_resolved *out);
void hg_lookup_version(holog_store *s, struct hg_version *v, struct hg_lookup *out);

/* ---- value.c ---- */
struct holog_value {
    const uint8_t *data;
    size_t len;
    uint64_t number;
    struct hg_mem *mem; /* NULL: the bytes follow the struct */
};
/* A record by its birth position into bytes of its own; decoded. Verified: value hash against the
 * record, record against the locator. hg_record_release after. */
struct hg_record_read {
    struct hg_record rec;
    struct hg_buf bytes;
    size_t back;
    uint64_t body_time_ns;
};
HG_MUST_CHECK int hg_record_read(holog_store *s, const struct hg_locator *loc, const char *path,
                                 struct hg_record_read *out);
/* Without a locator: verified is only the hash of what it brings; body_time_ns is not set. What r has
 * of bytes is used again; it is released also after a failure. */
HG_MUST_CHECK int hg_record_at(holog_store *s, hg_pos at, const char *path,
                               struct hg_record_read *r);
int hg_record_wrong(hg_pos at, const char *path, const char *why); /* HOLOG_E_CORRUPT */
int hg_record_moved(const char *path); /* HOLOG_E_STALE: of a reader that the writer is ahead of */
void hg_record_release(struct hg_record_read *r);
HG_MUST_CHECK int hg_record_time(holog_store *s, const struct hg_locator *loc,
                                 const struct hg_record *rec, size_t back, uint64_t *out_time_ns);
holog_value *hg_value_copy(const void *data, size_t len, uint64_t number); /* NULL: no memory */
HG_MUST_CHECK int hg_value_load(holog_store *s, const struct hg_locator *loc, const char *path,
                                holog_value **out_value);
/* The same of a small one that is asked for again and again: kept where its record is in no page. */
HG_MUST_CHECK int hg_value_load_often(holog_store *s, const struct hg_locator *loc,
                                      const char *path, holog_value **out_value);
HG_MUST_CHECK int hg_value_range(holog_store *s, const struct hg_locator *loc, const char *path,
                                 uint64_t offset, void *buf, size_t len, size_t *out_n);
/* The same without a copy where that can be: *out_value has bytes [offset, offset + len), which lie inside the
 * value, and is the caller's to release. */
HG_MUST_CHECK int hg_value_part(holog_store *s, const struct hg_locator *loc, const char *path,
                                uint64_t offset, size_t len, holog_value **out_value);
/* Elements of a large value whose bytes have been moved: *out_value has those of the box, C order, and is the caller's
 * to release. What they are checked by is not the record's block table, as blocks go across the tiles: hg_cold_box. 1: it
 * is in the cache, or not there as such elements, or just not there: hg_value_part, as long as the value is. Previews are
 * not of what is in the cache: they would be others then. */
HG_MUST_CHECK int hg_value_box(holog_store *s, const struct hg_locator *loc, const char *path,
                               const struct hg_value_box *box, holog_value **out_value);
HG_MUST_CHECK int hg_value_target(holog_store *s, const struct hg_locator *loc, char *out,
                                  size_t *out_len);

/* ---- compact.c ---- */
/* Files that compactions have replaced go, unless a reader in another process may be reading them; *out_waiting: how
 * many wait. */
HG_MUST_CHECK int hg_compact_unlink(holog_store *s, uint32_t *out_waiting);
/* The same for who has nothing else to do. 1: it is to be done again. */
int hg_compact_tidy(holog_store *s);
/* One step of it, which commits beside it do not notice. Returns ns until the next; 0: none is left. */
uint64_t hg_compact_tidy_some(holog_store *s);
int hg_compact_is_on(
    const holog_store *s); /* between its mark and its edit nothing may be folded */

/* ---- value_large.c ---- */
/* A read of whole blocks from an extent, under way while `used`: begun, then ended (the result) or
 * dropped. buf: page-aligned, with room up to a multiple of 4096. */
#define HG_READ_CHUNK (2u << 20) /* large values are read in pieces of this, several at once */
struct hg_extent_read {
    struct hg_req req;
    struct hg_file *file;
    uint32_t segment;
    int used;
    size_t len;  /* bytes wanted */
    hg_pos cold; /* the value has been moved: it is read when it is waited for; 0: it has not */
    uint64_t value_at; /* of that: the first byte wanted */
};
/* The bytes are those from value_at on of the value that the record at `birth` names (0: none yet). */
HG_MUST_CHECK int hg_extent_read_begin(holog_store *s, struct hg_extent_read *r, hg_pos birth,
                                       uint64_t value_at, uint32_t segment, uint64_t offset,
                                       uint8_t *buf, size_t len);
HG_MUST_CHECK int hg_extent_read_end(holog_store *s, struct hg_extent_read *r);
void hg_extent_read_drop(holog_store *s, struct hg_extent_read *r);
/* Blocks of a large value from `from`, a multiple of HG_HASH_BLOCK, to `to`, another or the value's end.
 * buf: page-aligned, with room up to a multiple of 4096. */
HG_MUST_CHECK int hg_value_read_blocks(holog_store *s, const struct hg_record *rec,
                                       const char *path, uint64_t from, uint64_t to, uint8_t *buf);
HG_MUST_CHECK int hg_value_read_part(holog_store *s, const struct hg_record *rec, const char *path,
                                     uint64_t from, uint64_t to, struct hg_mem **out_mem);
/* Of a large value, by its record alone: not from the cache, and not for it. One count for the caller. */
HG_MUST_CHECK int hg_value_read_large(holog_store *s, const struct hg_record *rec, const char *path,
                                      struct hg_mem **out_mem);
/* A value whose reads are begun before it is asked for. What is begun is ended, or dropped; what fails ahead
 * fails again, and with its words, when the value is asked for. */
#define HG_READS_IN_FLIGHT 4u
struct hg_value_reading {
    const struct hg_record *rec;
    const char *path;
    uint8_t *buf;
    struct hg_extent_read read[HG_READS_IN_FLIGHT];
    unsigned begun, done;
    uint64_t from, to; /* of the value */
    uint64_t value_at; /* that far reads have been begun */
    struct hg_piece piece;
    uint64_t piece_at; /* where it begins in the value */
    size_t next_piece;
};
struct hg_value_ahead {
    const char *path;
    struct hg_mem *mem; /* NULL: nothing is held; else it stays in the cache until dropped */
    hg_pos birth;       /* 0: no read is under way */
    int passing;        /* mem is not for the cache */
    int ready;          /* passing, ended: mem has the value, verified */
    struct hg_record_read record;
    struct hg_value_reading reading;
};
/* *out, which stays where it is until dropped: a large value that is not in the cache is being read; one that
 * is stays there. path: for messages, as long as *out. passing: it is one of so many that it is not to be kept. */
void hg_value_ahead_begin(holog_store *s, const struct hg_locator *loc, const char *path,
                          int passing, struct hg_value_ahead *out);
/* It is in the cache now, or, passing, in mem, which is the caller's to look at until dropped. */
void hg_value_ahead_end(holog_store *s, struct hg_value_ahead *a);
void hg_value_ahead_drop(holog_store *s, struct hg_value_ahead *a);

/* ---- value_rope.c ---- */
/* A version that deltas made: into v, which has room for a small one; a part of it. */
HG_MUST_CHECK int hg_value_rope_load(holog_store *s, const struct hg_locator *loc, const char *path,
                                     holog_value *v);
HG_MUST_CHECK int hg_value_rope_range(holog_store *s, const struct hg_locator *loc,
                                      const char *path, uint64_t offset, void *buf, size_t len);

/* ---- stage.c ---- */
/* A large value on its way to extents. */
struct hg_staged {
    struct hg_staged *next;
    struct hg_mem *mem;   /* the copy that is written; NULL: it is, and had to make way */
    struct hg_buf pieces; /* struct hg_piece */
    struct hg_buf table;  /* block entries */
    uint64_t len;
    uint8_t csum;
    struct hg_hash128 hash;
    uint32_t pending; /* atomic: writes not over */
    int rc;           /* atomic: first failure */
    uint32_t refs;    /* atomic: owner + pending writes; the last one gone, `next` is in left */
    int named;        /* a frame of the log names its pieces; owner only */
    int held;         /* deltas are made of these bytes: mem stays; owner only */
    holog_store *store;
};
HG_MUST_CHECK int hg_stage(holog_store *s, const void *data, size_t len, struct hg_staged **out);
/* The same of bytes that are in a buffer of the cache's already; takes over the caller's count. */
HG_MUST_CHECK int hg_stage_mem(holog_store *s, struct hg_mem *mem, size_t len,
                               struct hg_staged **out);
/* A run of bytes that is no value (a record list): its one piece and hash. */
HG_MUST_CHECK int hg_stage_body(holog_store *s, const void *data, size_t len,
                                struct hg_staged **out);
/* Values of the list, but for the first that make up `keep` bytes, are no longer in memory once they are
 * written. 1: some did go; 0; or a failure of a write. */
int hg_staged_make_way(struct hg_staged *list, uint64_t keep);
int hg_staged_wait(struct hg_staged *g); /* until no write is under way; the first failure */
/* The owner's end of it. Unless it is named, waits for its writes and gives its room back. Not from
 * the end of a write. */
void hg_staged_put(struct hg_staged *g);
void hg_staged_collect(holog_store *s); /* frees what ends of writes have left */
HG_MUST_CHECK int hg_staged_record(const struct hg_staged *g, struct hg_buf *body, const char *path,
                                   size_t path_len, size_t *out_at);

/* ---- txn.c, commit.c ---- */
enum hg_op_type {
    HG_OP_SAVE = 1, /* inline or staged */
    HG_OP_MKDIR,
    HG_OP_DELETE,
    HG_OP_DELETE_TREE,
    HG_OP_MOVE,
    HG_OP_COPY,
    HG_OP_SYMLINK,
    HG_OP_EXPECT,
    HG_OP_CONFIG,
    HG_OP_ROLLBACK,
    HG_OP_DELTA, /* inline or staged */
};
struct hg_delta_op;
struct hg_op {
    enum hg_op_type type;
    unsigned flags; /* HOLOG_REPLACE, HOLOG_PARENTS (MKDIR: exists is fine) */
    uint32_t path;  /* offset in txn->arena of the resolved canonical path, NUL-terminated */
    uint32_t path_len;
    uint32_t to; /* MOVE, COPY: destination; SYMLINK: target; CONFIG: value */
    uint32_t to_len;
    uint32_t user_path; /* as the caller gave it, canonical: resolved again when the world moved */
    uint32_t user_path_len;
    uint32_t user_to;
    uint32_t user_to_len;
    size_t record; /* offset of its record in txn->body; SIZE_MAX: none */
    uint64_t size; /* value bytes */
    uint32_t check;
    uint64_t expect;           /* EXPECT; ROLLBACK: the target */
    struct hg_staged *staged;  /* large values */
    struct hg_delta_op *delta; /* DELTA; the transaction's */
    uint64_t serial;           /* no other of the transaction's has, or had, it */
};
enum hg_read_kind {
    HG_READ_ENTRY = 1, /* the entry's number; 0: it is missing */
    HG_READ_DIR,       /* that it is a directory, whatever is in it */
    HG_READ_CHILDREN,  /* number of the directory's last change of its children */
    HG_READ_TREE       /* the entry and all below it, as in the transaction's base */
};
struct hg_read { /* something that what the transaction has seen depends on */
    enum hg_read_kind kind;
    uint32_t key; /* offset in txn->arena */
    uint32_t key_len;
    uint64_t number;
};
enum hg_txn_kind {
    HG_TXN_READING, /* holog_begin: checks each operation against its own view, and can be read */
    HG_TXN_SINGLE   /* one call, one commit: checked when it is sequenced, and never read */
};

/* Something that is of no use without its transaction: told when that ends. */
struct hg_txn_child {
    struct hg_txn_child *next;
    void (*ended)(struct hg_txn_child *child);
};

struct holog_txn {
    holog_store *store;
    struct hg_version *base; /* what it reads below its own changes; others: NULL */
    struct hg_buf arena;     /* paths */
    struct hg_buf body;      /* time (8 zero bytes), fields, records */
    struct hg_buf fields;
    struct hg_buf ops;          /* struct hg_op */
    struct hg_buf reads;        /* struct hg_read */
    struct hg_buf savepoints;   /* struct hg_savepoint in txn.c */
    struct hg_run run;          /* batch.c's: put i is operation i; empty: there is none */
    size_t copies_noted;        /* operations whose sources are among the reads, if any was read */
    struct hg_index *overlay;   /* own changes, for own reads; NULL until needed */
    struct hg_staged *staged;   /* all of them, the newest first */
    uint64_t staged_bytes;      /* of those whose copies are still in memory, or nearly */
    struct hg_delta_op *deltas; /* all of them */
    struct hg_delta_op *delta;  /* of the operation that is being collected */
    size_t own_fields_len;      /* of the fields: the last are the store's own */
    uint64_t taken;             /* of the budget, for all of these */
    enum holog_sync sync;
    uint32_t nrec;
    uint64_t expecting; /* number for the HG_OP_EXPECT being collected */
    int internal;       /* the path of the operation being collected is canonical or internal */
    int nodes;          /* an operation is on a document or a chunk */
    uint64_t serials;   /* operations collected, those taken back too */
    struct hg_txn_child *children;
    enum hg_txn_kind kind;
    void *kept; /* a backend's, released with the transaction; NULL: nothing is */
    void (*release_kept)(void *kept);
    int parent_missing; /* why the operation collected last was refused */
};
static inline int hg_op_makes_entry(const struct hg_op *op)
{
    return op->type == HG_OP_SAVE || op->type == HG_OP_SYMLINK || op->type == HG_OP_MKDIR;
}
/* Nothing can be missing for it but parents, and those it makes. */
static inline int hg_op_makes_parents(const struct hg_op *op)
{
    return hg_op_makes_entry(op) && (op->flags & HOLOG_PARENTS) != 0;
}
/* It acts on the path that it was given: no symlink has led elsewhere. */
static inline int hg_op_is_literal(const holog_txn *txn, const struct hg_op *op)
{
    const uint8_t *texts = txn->arena.data;
    return op->path_len == op->user_path_len &&
           (op->path == op->user_path ||
            memcmp(texts + op->path, texts + op->user_path, op->path_len) == 0);
}
HG_MUST_CHECK int hg_txn_begin(holog_store *s, enum hg_txn_kind kind, holog_txn **out_txn);
void hg_txn_free(holog_txn *txn);
void hg_txn_free_idle(holog_store *s); /* those kept for the next to begin */
HG_MUST_CHECK int hg_txn_op(holog_txn *txn, enum hg_op_type type, unsigned flags, const char *path,
                            const char *to, const void *data, size_t len, struct hg_staged *staged);
#define HG_NUMBER_OWN ((UINT64_C(1) << 48) - 1) /* number of what a transaction itself has made */
#define HG_GONE       UINT32_MAX /* segment, in an overlay: the transaction has deleted the entry */
static inline int hg_is_gone(const struct hg_locator *loc)
{
    return loc->segment == HG_GONE;
}
void hg_txn_lookup(holog_txn *txn, struct hg_lookup *out);
/* As hg_txn_lookup, for what the caller of the library gets to know: each entry that is looked at
 * on the way, or is found missing, is remembered and must be the same at commit. */
void hg_txn_lookup_reading(holog_txn *txn, struct hg_lookup *out);
/* The value that a lookup through the transaction has found. */
HG_MUST_CHECK int hg_txn_value_load(holog_txn *txn, const struct hg_locator *loc, const char *path,
                                    holog_value **out_value);
HG_MUST_CHECK int hg_txn_note_listing(holog_txn *txn, const struct hg_key *dir);
HG_MUST_CHECK int hg_txn_settle(holog_txn *txn);
HG_MUST_CHECK int hg_txn_truncate(holog_txn *txn, size_t n_ops);
HG_MUST_CHECK int hg_txn_encode(holog_txn *txn); /* body from ops */
/* Its record, behind those that there are; op->record says where, SIZE_MAX: it has none. */
HG_MUST_CHECK int hg_op_encode(holog_txn *txn, struct hg_op *op, const void *data, size_t len);
void hg_txn_make_way(holog_txn *txn); /* gives back what it took for the commit's own memory */
/* MKDIR operations for the missing parents of operation i, put before it. */
HG_MUST_CHECK int hg_txn_insert_parents(holog_txn *txn, size_t i, const struct hg_lookup *l,
                                        const struct hg_resolved *found_missing);
HG_MUST_CHECK int hg_txn_save(holog_txn *txn, const char *path, const void *data, size_t len,
                              unsigned flags);
HG_MUST_CHECK int hg_txn_op_expect(holog_txn *txn, const char *path, uint64_t number);
/* The transaction's from now on, whatever becomes of the operation that it is for. HOLOG_E_IO: one before it
 * could not be written. */
HG_MUST_CHECK int hg_txn_take_staged(holog_txn *txn, struct hg_staged *g);
/* Memory for a value of the transaction's: those it has staged before make way. HOLOG_E_BUDGET. */
HG_MUST_CHECK int hg_txn_mem_new(holog_txn *txn, size_t len, struct hg_mem **out_mem);
/* The bytes of a staged value, in memory again: one count for the caller. */
HG_MUST_CHECK int hg_txn_staged_bytes(holog_txn *txn, const struct hg_op *op,
                                      struct hg_mem **out_mem);
HG_MUST_CHECK int hg_txn_op_rollback(holog_txn *txn, const char *path, uint64_t number);
HG_MUST_CHECK int hg_commit(holog_txn *txn, int async, holog_commit_fn done, void *ctx,
                            uint64_t *out_number);
void hg_commit_hooks(holog_store *s, struct hg_log_hooks *out);
/* Flags the call knows, and a log that is sound. */
HG_MUST_CHECK int hg_txn_check_call(const holog_txn *txn, enum hg_op_type type, unsigned flags);
/* For batches. The text is kept in the arena, NUL-terminated. */
HG_MUST_CHECK int hg_txn_keep_text(holog_txn *txn, const char *s, size_t len, uint32_t *out_at,
                                   uint32_t *out_len);
/* An operation of a simple transaction, whose path is in the arena: encoded and remembered. */
HG_MUST_CHECK int hg_txn_add(holog_txn *txn, struct hg_op *op, const void *data, size_t len);
/* That so many operations are to come, with so many bytes of values in their records. */
HG_MUST_CHECK int hg_txn_expect_bytes(holog_txn *txn, size_t n_ops, size_t value_bytes);
/* A value too long for a record is on its way to an extent; else *out_staged is NULL. */
HG_MUST_CHECK int hg_txn_stage(holog_txn *txn, const void *data, size_t len,
                               struct hg_staged **out_staged);
HG_MUST_CHECK int hg_txn_refuse_root(enum hg_op_type type, unsigned flags, int is_destination);
/* 1, 0 or a negative code. */
int hg_parent_is_missing(const struct hg_lookup *l, const char *path, size_t len);

/* ---- flatten.c ---- */
/* Chunks that deltas have changed are saved whole. Its operations keep their places. */
HG_MUST_CHECK int hg_txn_flatten(holog_txn *txn);

/* ---- batch.c ---- */
HG_MUST_CHECK int hg_batch_save(holog_txn *txn, const holog_item *items, size_t n, unsigned flags);
/* No lock: the operations by key, if they are many and nothing but puts. */
HG_MUST_CHECK int hg_batch_prepare(holog_txn *txn);
/* Log lock: all of them, as prepared. HOLOG_E_STALE: something is unusual; the state is now
 * anything. */
typedef struct hg_locator (*hg_batch_locator_fn)(void *ctx, const struct hg_op *op);
HG_MUST_CHECK int hg_batch_apply(holog_txn *txn, struct hg_state *st, hg_batch_locator_fn locator,
                                 void *ctx);

/* ---- store.c ---- */
void hg_recovered_release(struct hg_recovered *r); /* its lists */

/* ---- base.c ---- */
void hg_base_segment_full(holog_store *s); /* as hg_keeper_segment_full */

/* ---- keep.c ---- */
/* Asks for the states below the horizon. Not under a lock. */
HG_MUST_CHECK int hg_keep_ask(holog_store *s, uint64_t horizon);

/* ---- keeper.c ---- */
HG_MUST_CHECK int hg_keeper_start(holog_store *s);
void hg_keeper_stop(holog_store *s);         /* waits for a checkpoint under way */
void hg_keeper_segment_full(holog_store *s); /* nothing under way, all durable; log lock held */
void hg_keeper_wake(holog_store *s);         /* to look what there is to do; log lock held */
/* The store as it is, all of it in version v. Log lock held, or nobody else is left. */
HG_MUST_CHECK int hg_keeper_describe(holog_store *s, const struct hg_log_state *st,
                                     const struct hg_version *v, struct hg_checkpoint *out);
/* At close: everything is durable, nobody else is left. Nothing to do when the newest has it all. */
HG_MUST_CHECK int hg_keeper_last(holog_store *s);

/* ---- point.c ---- */
/* The commit s->last_number, whose records begin at `body`, is sequenced and cannot be read yet. Log
 * lock held. */
void hg_point_note(holog_store *s, const holog_txn *txn, hg_pos body);
/* Anything may have changed, up to s->last_number; nobody can read it yet. */
void hg_point_forget(holog_store *s);
void hg_point_fit(holog_store *s); /* to the number of entries */
/* From version v, which the caller counts, or with NULL the published one. 1: done; 0, and no error:
 * take the long way. */
int hg_point_load(holog_store *s, const struct hg_version *v, const char *path,
                  holog_value **out_value);
int hg_point_range(holog_store *s, const struct hg_version *v, const char *path, uint64_t offset,
                   void *buf, size_t len, size_t *out_n);
/* A reader of version v found the blob r. */
void hg_point_learn(holog_store *s, struct hg_version *v, const struct hg_resolved *r);
void hg_point_forget_past(holog_store *s, struct hg_version *v); /* nobody reads v any more */

/* ---- replay.c ---- */
void hg_replay_into(holog_store *s, struct hg_replay *out);
/* Of a follower, behind the last frame it has read: one that failed half way has never begun. */
void hg_replay_followed(holog_store *s, int failed);
/* After the last record, or after the failure rc, which it returns: nothing is under way any more,
 * and what was collected is in the index unless it failed. */
HG_MUST_CHECK int hg_replay_end(holog_store *s, int rc);

/* ---- view.c ---- */
struct holog_view {
    holog_store *store;
    struct hg_version *version;
    uint64_t opened_ns;      /* UTC */
    uint64_t held_from;      /* ended_bytes as of its number */
    int expired;             /* atomic; it has held too long, or too much */
    holog_view *prev, *next; /* misc_lock; the newest first */
};
int hg_view_check(const holog_view *view);
/* Takes over the count on v. */
HG_MUST_CHECK int hg_view_of(holog_store *s, struct hg_version *v, holog_view **out_view);
int hg_must_be_blob(const struct hg_resolved *r);
HG_MUST_CHECK int hg_load_from(holog_store *s, struct hg_version *v, const char *path,
                               holog_value **out_value);
HG_MUST_CHECK int hg_load_range_from(holog_store *s, struct hg_version *v, const char *path,
                                     uint64_t offset, void *buf, size_t len, size_t *out_n);
HG_MUST_CHECK int hg_stat_resolved(holog_store *s, const struct hg_lookup *l,
                                   const struct hg_resolved *r, holog_stat_info *out);
HG_MUST_CHECK int hg_stat_from(holog_store *s, struct hg_version *v, const char *path,
                               holog_stat_info *out);
HG_MUST_CHECK int hg_readlink_from(holog_store *s, struct hg_version *v, const char *path,
                                   char *buf, size_t size);
/* What lies below a directory: a version's entries, with a transaction's own laid over them. */
struct holog_cursor {
    holog_store *store;
    struct hg_version *version; /* counted */
    struct hg_entries tree;
    struct hg_cursor over;
    struct hg_root *over_root;  /* NULL: no overlay */
    int tree_state, over_state; /* HOLOG_OK: positioned; HOLOG_E_NOENT: at the end */
    int tree_taken, over_taken; /* its key has been handed out: move on first */
    int tree_open, over_open;
    uint8_t prefix[HG_KEY_MAX + 1]; /* every key starts with it */
    size_t prefix_len;
    unsigned flags;
    char *name_prefix;
    size_t name_prefix_len;
    char dir[HG_PATH_MAX + 1]; /* canonical path listed */
    size_t dir_len;
    char path[HG_PATH_MAX + 1];
    holog_entry entry;
};
/* Keys strictly below dir, in order. txn may be NULL. hg_cursor_end also after a failure. */
HG_MUST_CHECK int hg_cursor_begin(holog_cursor *c, holog_store *s, struct hg_version *v,
                                  holog_txn *txn, const struct hg_key *dir);
/* The same of a directory's documents and chunks whose components begin with `prefix`, from the first that is
 * not below `from`, which begins so too (from_len 0: all). */
struct hg_node_range {
    const struct hg_key *dir;
    const char *prefix;
    size_t prefix_len;
    const char *from;
    size_t from_len;
};
HG_MUST_CHECK int hg_cursor_begin_nodes(holog_cursor *c, holog_store *s, struct hg_version *v,
                                        holog_txn *txn, const struct hg_node_range *nodes);
/* The next key and locator, or HOLOG_E_NOENT. Borrowed until the next call. */
struct hg_cursor_at {
    const uint8_t *key;
    size_t key_len;
    struct hg_locator loc;
};
HG_MUST_CHECK int hg_cursor_step(holog_cursor *c, struct hg_cursor_at *out_at);
/* Leave out everything below the key handed out last. */
HG_MUST_CHECK int hg_cursor_skip_below(holog_cursor *c, const struct hg_cursor_at *at);
/* The key handed out last is a document's or a chunk's: leave out the others whose components begin with the
 * same len bytes. */
void hg_cursor_skip_nodes(holog_cursor *c, const struct hg_cursor_at *at, size_t len);
void hg_cursor_end(holog_cursor *c);
HG_MUST_CHECK int hg_list(holog_store *s, struct hg_version *v, holog_txn *txn, const char *path,
                          unsigned flags, const char *prefix, const char *after,
                          holog_cursor **out_cursor);

/* ---- nodes.c ---- */
/* Documents and chunks of one directory, whose path is resolved (base/node.h). One thread's. */
struct hg_nodes {
    struct hg_lookup lookup;
    holog_txn *txn;             /* NULL: the lookup is a version's */
    char path[HG_PATH_MAX + 1]; /* of the directory, then of the node looked at last */
    size_t dir_len;
    uint8_t key[HG_KEY_MAX];
    size_t key_len; /* of the directory */
};
/* HOLOG_E_NAMETOOLONG: no room for a node below that path. */
HG_MUST_CHECK int hg_nodes_begin(struct hg_nodes *n, const struct hg_lookup *l, holog_txn *txn,
                                 const char *dir, size_t dir_len);
/* n->path becomes the node's. */
void hg_nodes_name(struct hg_nodes *n, const char *component, size_t len);
/* The same, and where it is. HOLOG_E_NOENT, without a message: there is no such node. */
HG_MUST_CHECK int hg_nodes_find(struct hg_nodes *n, const char *component, size_t len,
                                struct hg_locator *out);
/* A document: it is asked for each time that something of its array is. */
HG_MUST_CHECK int hg_nodes_load_document(struct hg_nodes *n, const struct hg_locator *loc,
                                         holog_value **out_value);
HG_MUST_CHECK int hg_nodes_load(struct hg_nodes *n, const struct hg_locator *loc,
                                holog_value **out_value);
/* Of the node at n->path, in a transaction: what is there gives way. */
HG_MUST_CHECK int hg_nodes_save(struct hg_nodes *n, const void *data, size_t len);
/* The same of bytes that are in a buffer of the cache's; takes over the caller's count. */
HG_MUST_CHECK int hg_nodes_save_mem(struct hg_nodes *n, struct hg_mem *mem, size_t len);
HG_MUST_CHECK int hg_nodes_delete(struct hg_nodes *n);
HG_MUST_CHECK int hg_nodes_apply(struct hg_nodes *n, const holog_delta *deltas, size_t count);
/* Every chunk, in C order of their indexes: its component and locator. Not 0 from `each` ends it, and is
 * returned. `each` may change the chunk in the transaction. */
HG_MUST_CHECK int hg_nodes_chunks(struct hg_nodes *n, struct hg_version *v,
                                  int (*each)(void *ctx, const char *component, size_t len,
                                              const struct hg_locator *loc),
                                  void *ctx);

/* ---- note.c ---- */
/* A frame of the store's own with one record. Log lock held; may release and retake it. out_ticket may
 * be NULL. deletes: as in hg_log_reserve. */
HG_MUST_CHECK int hg_note_append(holog_store *s, struct hg_buf *body, enum holog_sync sync,
                                 int deletes, struct hg_ticket *out_ticket);

/* ---- frames.c ---- */
/* Of a commit, as its frame has them. Zero-initialise. */
struct hg_fields {
    uint64_t time_ns;
    const char *message; /* "" when there is none */
    struct hg_buf meta;  /* const char *: key, value, ..., NULL */
    struct hg_buf text;
    struct hg_buf frame;
};
HG_MUST_CHECK int hg_fields_take(struct hg_fields *f, const struct hg_body *b);
HG_MUST_CHECK int hg_fields_read(holog_store *s, const struct hg_moment *m, struct hg_fields *f);
/* The whole frame, header and body; the body verified. The header is zeros when this process has just appended it. */
HG_MUST_CHECK int hg_moment_frame(holog_store *s, const struct hg_moment *m, struct hg_buf *out);
/* The records from `at` on of a verified body, those of a long list behind the one that names it. Not
 * 0 from `each` ends it, and is returned. */
HG_MUST_CHECK int hg_records_each(holog_store *s, const uint8_t *body, size_t len, size_t at,
                                  int (*each)(void *ctx, const struct hg_record *r), void *ctx);
/* Those of a commit. */
HG_MUST_CHECK int hg_moment_records(holog_store *s, const struct hg_moment *m,
                                    struct hg_buf *scratch,
                                    int (*each)(void *ctx, const struct hg_record *r), void *ctx);
void hg_fields_release(struct hg_fields *f);

/* ---- ref.c ---- */
/* Can the store be read as of `number`? HOLOG_OK, HOLOG_E_DROPPED, HOLOG_E_INVAL. Locks nothing. */
HG_MUST_CHECK int hg_ref_check(const holog_store *s, uint64_t number);
/* Takes the log's lock when there is room for a tag: waiting for room lets others in, and what is found
 * after it is still so when the tag is put. The lock is held also when this fails. deletes: one that is to go. */
HG_MUST_CHECK int hg_tag_lock(holog_store *s, int deletes);
/* Under hg_tag_lock: the tag is set, or goes (number 0). */
HG_MUST_CHECK int hg_tag_put(holog_store *s, const char *name, uint64_t number,
                             enum holog_sync sync, struct hg_ticket *out_ticket);
/* Has the commit changed something at or below k? 1 also when that is not known any more; 0; or a
 * negative code. */
HG_MUST_CHECK int hg_changed_by(holog_store *s, const struct hg_version *v, const struct hg_key *k,
                                uint64_t number);
/* Where the path leads in v, the last component not followed; when nothing is there any more, as it was
 * given (its type is 0 then). */
HG_MUST_CHECK int hg_resolve_gone(holog_store *s, struct hg_version *v, const char *path,
                                  struct hg_resolved *r);
/* The store as of a number that is kept; one count for the caller. */
HG_MUST_CHECK int hg_version_at(holog_store *s, uint64_t number, struct hg_version **out);
void hg_timeline_lock(holog_store *s); /* of a writer the log's lock, else misc_lock */
void hg_timeline_unlock(holog_store *s);

/* ---- stats.c ---- */
/* ---- reader.c ---- */
HG_MUST_CHECK int hg_reader_limit(holog_store *s, hg_pos *out_limit, uint64_t *out_number);
HG_MUST_CHECK int hg_reader_segments(holog_store *s);
HG_MUST_CHECK int hg_reader_edit(holog_store *s,
                                 const struct hg_record *r); /* of the writer's; misc_lock */
void hg_reader_sizes(holog_store *s, holog_stats *st);
HG_MUST_CHECK int hg_store_disk_bytes(holog_store *s, uint64_t *out_bytes);
void hg_store_count_commit(holog_store *s, uint64_t ns);
void hg_store_count_load(holog_store *s, uint64_t ns, uint64_t bytes);

#endif
