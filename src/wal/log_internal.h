/*
 * What the files of the log writer share: log.c (groups), log_wait.c (who waits for them), log_roll.c
 * (segments, SUPER), log_extent.c (extents), log_thread.c (the log's own threads). Private to them.
 */
#ifndef HG_WAL_LOG_INTERNAL_H
#define HG_WAL_LOG_INTERNAL_H

#include "base/buf.h"
#include "wal/footer.h"
#include "wal/log.h"
#include "wal/segment.h"
#include "wal/super.h"

#define HG_GROUP_BYTES     (1u << 20) /* a group is written when it has grown to this */
#define HG_GROUP_SLOTS     12u        /* W <= 8 in flight, one filling, some handed over */
#define HG_WINDOW_BYTES    (2u << 20) /* zeros written ahead of the end, when groups are small */
#define HG_WINDOW_STEP     (512u << 10)
#define HG_SMALL_GROUP     (32u << 10) /* larger groups gain nothing from pre-written space */
#define HG_SMALL_MANY      8u          /* a few commits and a close do not pay for a window */
#define HG_PATIENCE_MAX_NS (100u * 1000u)
#define HG_IDLE_NS         (20u * 1000u * 1000u) /* pause after which the watermark goes to SUPER */

/* Whether the group that fills may be sealed and written. */
enum hg_lead {
    HG_LEAD_NO,
    HG_LEAD_SOON, /* unless more comes, after log->patience_ns */
    HG_LEAD_NOW
};

enum hg_group_state {
    HG_GROUP_FREE = 0,
    HG_GROUP_FILLING,
    HG_GROUP_SEALED, /* headers final, waits for a writer */
    HG_GROUP_WRITING,
    HG_GROUP_WRITTEN, /* its own transfer is over; completes when those before it have */
    HG_GROUP_DONE     /* complete; its frames are not in the footer yet */
};

struct hg_group_frame {
    uint32_t at; /* offset in buf */
    struct hg_frame head;
};

struct hg_group_done {
    holog_commit_fn fn;
    void *ctx;
    uint64_t number;
};

struct hg_group {
    uint64_t seq;
    enum hg_group_state state;
    uint8_t *buf; /* page-aligned; starts at file offset base */
    size_t cap;
    size_t len;     /* bytes used from base on, up to the end of the last frame (unrounded) */
    uint64_t base;  /* multiple of 4096 */
    uint64_t start; /* first byte that is new: base, or inside the block continued */
    int need_sync;  /* a commit in it asks for DSYNC */
    int extents;    /* a commit in it names extents that no sync has covered */
    int unattended; /* a commit in it that nobody waits for */
    int durable;    /* set by the writer when its transfer proved it */
    int rc;
    uint32_t commits;
    uint64_t last_number;
    void *token;
    uint32_t word;    /* bumped when waiters should look again */
    uint32_t waiters; /* atomic */
    uint64_t opened_ns;
    struct hg_buf frames; /* struct hg_group_frame */
    struct hg_buf dones;  /* struct hg_group_done */
};

struct hg_log_undo { /* what an append changed */
    size_t frames_len, dones_len, len;
    uint32_t commits;
    uint64_t group_last_number;
    int need_sync, extents;
    uint64_t end, last_number, highest_number, last_time_ns;
};

struct hg_ext_seg {
    struct hg_ext_seg *next;
    uint32_t id;
    struct hg_file *file;
    uint64_t capacity;
    uint64_t used;  /* bytes handed out, multiple of 4096 */
    unsigned users; /* pieces handed out and not released */
    int active;
    int dirty;   /* atomic: written without DSYNC since the last sync */
    int syncing; /* the sync under way has taken it */
};

/* What the newest extent segment of a store that was closed cleanly may still grow by. */
struct hg_ext_rest {
    uint32_t segment; /* 0: none, or it has been taken up */
    uint64_t from;    /* where its file ends, a multiple of 4096 */
    uint64_t capacity;
};

/* A file without a name that is cut shorter, step by step (log_unlink.c): who unlinks, one at a time. */
struct hg_log_leaving {
    struct hg_file *file; /* NULL: none */
    uint32_t segment;
    uint64_t size;
    uint64_t cut; /* atomic: bytes that have gone */
};

struct hg_log {
    struct hg_io *io;           /* fixed after open */
    struct hg_files *files;     /* fixed */
    struct hg_ctl *ctl;         /* fixed; may be NULL */
    struct hg_log_options opts; /* fixed */

    struct hg_mutex lock; /* rank 1: everything below unless said otherwise */
    struct hg_cond
        changed; /* a group completed, a slot is free, a roll or sync or zero-write over */

    /* groups */
    struct hg_group groups[HG_GROUP_SLOTS]; /* seq % slots */
    uint64_t fill_seq;                      /* the group that fills, or would be filled next */
    uint64_t done_seq;                      /* atomic: all groups up to here have completed */
    uint64_t patience_ns;  /* what a leader waits for others: a fraction of the last transfer */
    uint64_t fail_seq;     /* first group that failed; UINT64_MAX = none */
    uint32_t *wake_leader; /* word of one waiter to be woken when the lock is free; or NULL */
    uint32_t wake_groups;  /* bits: slots whose waiters are all to be woken then */
    unsigned in_flight;    /* sealed or writing or written, not complete */
    uint32_t last_commits; /* commits in the group sealed last */
    int poison;
    struct holog_error_detail poison_detail;
    uint64_t inflight_bytes;
    struct hg_log_undo undo;

    /* the chain */
    struct hg_super fixed; /* uuid, salt, limits: fixed after open, read without the lock */
    struct hg_super super; /* as last written */
    struct hg_file *super_file;
    uint64_t features; /* must-understand ones in use: of new frame segments, and SUPER */
    struct hg_segment_header active; /* active.id == 0: none, the next reserve rolls */
    int seal_due;                    /* a crash has ended it: it takes no frame any more */
    uint64_t kept;                   /* at its end, for commits that delete */
    uint64_t kept_for_edits;         /* of that, at most; the last of it */
    struct hg_file *file;            /* of the active segment; NULL when there is none */
    uint64_t end;                    /* of the last frame sealed or appended, unrounded */
    uint64_t sealed_end;             /* of the last frame sealed */
    uint32_t prev_len;               /* last frame sealed */
    uint64_t prev_hash;
    hg_pos last_frame;
    uint64_t last_number; /* last commit appended */
    uint64_t highest_number;
    uint64_t last_time_ns; /* of the last frame appended: times never go back */
    uint64_t pred_cut;
    uint64_t pred_epoch;              /* of the newest frame segment */
    uint32_t next_segment;            /* ext_lock */
    uint8_t tail[HG_BLOCK];           /* the block that holds `sealed_end`, as written */
    struct hg_footer_builder *footer; /* NULL: opened half full, or no memory; rebuilt at roll. Its
                                         owner's, while footer_busy */
    uint64_t footer_seq;              /* the groups up to here are in it */
    int footer_busy;                  /* somebody puts groups in, without the lock */
    int opening_due; /* the active segment has no list of segments yet: its first frame */
    int rolling;     /* somebody is in a roll, or writes that frame: nobody else appends */

    /* durability */
    hg_pos durable_pos;
    uint64_t durable_number;
    uint64_t unsynced_seq;       /* newest group written without DSYNC */
    uint64_t synced_seq;         /* a sync of everything up to this group has completed */
    uint64_t sealed_end_of_done; /* end of the last completed group */
    uint64_t done_number;
    uint32_t done_segment;
    int syncing;
    uint64_t last_activity_ns;
    uint64_t last_sync_ns;

    struct hg_log_leaving leaving;

    /* the window of zeros; offsets in the active segment */
    uint64_t zero_end;                     /* zeros are on disk up to here */
    uint64_t zero_busy_from, zero_busy_to; /* a zero-write is under way there */
    unsigned small_groups; /* so many groups in a row were small: the window is worth it */

    /* extents */
    struct hg_mutex ext_lock; /* rank 2 */
    struct hg_cond ext_changed;
    struct hg_ext_seg *exts; /* ext_lock */
    uint64_t ext_last_capacity;
    struct hg_ext_rest ext_rest; /* whoever grows (ext_growing) */
    uint32_t ext_writes[2];      /* atomic: submitted and not over, by generation */
    unsigned ext_gen;
    int ext_dirty;   /* atomic */
    int ext_failed;  /* atomic: a submitted write failed with this */
    int ext_growing; /* somebody makes a segment */
    int ext_syncing; /* somebody syncs */

    /* all segments of the store: struct hg_segment_entry */
    struct hg_buf segments; /* ext_lock */
    struct hg_buf lists;    /* ext_lock; {u32 extents, u32 below}: hg_log_lists_below */

    /* the threads: one for all that there is to do, one that only writes groups, so that two of
     * those nobody waits for can be in flight */
    struct hg_thread *thread;
    struct hg_thread *writer;
    uint32_t thread_word;
    uint32_t writer_word;
    int thread_busy;
    int stop;
    enum hg_lead kicked; /* what a thread has been woken for since the last group was sealed */
    int thread_parked;   /* it sleeps until woken: nothing to watch */

    /* callbacks run in order, by one thread at a time, without the lock */
    struct hg_buf done_queue; /* struct done_call of log.c */
    int draining;

    struct hg_log_counters counters; /* but for extent_bytes */
    uint64_t extent_bytes;           /* atomic; written to extents since open */
    uint64_t rolled_bytes;           /* of frame segments that this writer has left */
};

/* log.c */
struct hg_group *hg_log_slot(struct hg_log *log, uint64_t seq);
int hg_log_filling_is_empty(struct hg_log *log);
int hg_log_poisoned_error(struct hg_log *log); /* HOLOG_E_POISONED, and why */
void hg_log_poison(struct hg_log *log, uint64_t seq, int rc);
void hg_log_wait_changed(struct hg_log *log, uint64_t timeout_ns); /* lock held, dropped inside */
void hg_log_complete(struct hg_log *log); /* lock held: complete in order what can be */
int hg_log_lead(struct hg_log *log);      /* lock held: seal and write the filling group */
void hg_log_write_group(struct hg_log *log, struct hg_group *g); /* lock held, dropped inside */
int hg_log_seal_group(struct hg_log *log, struct hg_group *g);   /* lock held */
/* Writes the oldest group up to `last` that was full and that nobody writes yet. 1: there was one. Lock
 * held, dropped inside. */
int hg_log_write_handed_over(struct hg_log *log, uint64_t last);
void hg_log_run_dones(struct hg_log *log);                     /* lock held, dropped inside */
void hg_log_advance_durable(struct hg_log *log, uint64_t seq); /* lock held */
struct hg_group *hg_log_filling(struct hg_log *log);
enum hg_reserve_flags {
    HG_RESERVE_ROLLING = 1, /* by whoever rolls: the opening frame */
    HG_RESERVE_DELETES = 2, /* may use what a segment keeps, when there can be no other */
    HG_RESERVE_EDIT = 4,    /* all of that */
};
/* features: what the segment of the frame must declare, besides what it does. */
int hg_log_reserve_in(struct hg_log *log, size_t body_len, uint64_t features, unsigned flags,
                      struct hg_log_place *out);
int hg_log_append_in(struct hg_log *log, const struct hg_append *a, struct hg_ticket *out);

/* log_wait.c; lock held, dropped inside */
enum hg_lead hg_log_may_lead(struct hg_log *log);
int hg_log_quiesce(
    struct hg_log *log); /* nothing filling or in flight, and nothing left for later */
int hg_log_sync_held(struct hg_log *log);

/* log_roll.c */
/* To a segment that takes a frame of `need` bytes and declares these features too; small: one that fits
 * what the old one had room for, or if there is none, smaller with each try from 1 on. Lock held, dropped inside. */
int hg_log_roll(struct hg_log *log, size_t need, uint64_t features, int small);
int hg_log_open_active(struct hg_log *log, const struct hg_recovered *r);
int hg_log_write_super(struct hg_log *log, uint32_t state); /* lock held or single-threaded */
/* seg/<id>.tmp with space for h->capacity bytes taken, and a place in the list of segments; its
 * file is open for direct writing. */
int hg_log_make_segment(struct hg_log *log, const struct hg_segment_header *h,
                        struct hg_file **out_file);
/* Header, sync, rename, sync of seg/: from here on the segment exists. */
/* *out_in_doubt is set once the name may be there: a failure after that poisons. */
int hg_log_publish_segment(struct hg_log *log, const struct hg_segment_header *h,
                           struct hg_file *file, int *out_in_doubt);
/* A segment that was made and not published is not to be; closes file. Keeps the error. */
void hg_log_drop_segment(struct hg_log *log, uint32_t id, struct hg_file *file);
/* The first frame of a segment: the list of all. Lock held, dropped inside. */
int hg_log_write_opening(struct hg_log *log);
/* Identity fields of a new segment's header; the lock or ext_lock held for the id. */
int hg_log_new_header(struct hg_log *log, enum hg_segment_kind kind, uint64_t capacity,
                      struct hg_segment_header *out);
void hg_log_note(struct hg_log *log, int level, const char *fmt, ...) HG_PRINTF(3, 4);
/* In the list of segments; NULL: it is not there. ext_lock held. */
struct hg_segment_entry *hg_log_find_entry(struct hg_log *log, uint32_t segment);
void hg_log_drop_entry(struct hg_log *log, uint32_t segment); /* from the list of segments */
/* seg/: of those of frame segments, too. A failure poisons. */
HG_MUST_CHECK int hg_log_sync_names(struct hg_log *log);
void hg_log_set_lists(struct hg_log *log, uint32_t segment); /* ext_lock held: it has some */
/* ext_lock held: whoever took room there for a list has named it in a frame by now. */
void hg_log_lists_named(struct hg_log *log, uint32_t segment);
void hg_log_set_used(struct hg_log *log, uint32_t segment, uint64_t used); /* ext_lock held */

/* log_extent.c */
/* hg_log_extent_alloc, for the log itself: a contiguous run may make its segment larger than the
 * store's limit. */
int hg_log_extent_room(struct hg_log *log, uint64_t len, int contiguous, struct hg_buf *out_pieces);
int hg_log_extents_sync(struct hg_log *log); /* lock not held */
int hg_log_extents_shutdown(struct hg_log *log);
void hg_log_extents_destroy(struct hg_log *log);

/* log_thread.c */
int hg_log_thread_start(struct hg_log *log);
void hg_log_thread_stop(struct hg_log *log);
void hg_log_thread_wake(struct hg_log *log);
void hg_log_wake_a_writer(struct hg_log *log); /* lock held: one of the two is to look */

#endif
