/*
 * Compaction by itself: when a round may pay, how far commits are held back meanwhile, and how fast it goes.
 *
 * What lives is known exactly as of a mark (live.h). Since then it is estimated: the sums that the index keeps say how
 * many bytes of values and paths have come and gone, and no more can live now than lived then and was written since.
 *
 *   needed    what lives: for the newest state, history, tags and views; with the segments' own tables
 *   allowance what is left alone in any case: four segments, two of frames and two of extents, as large as the
 *             largest there are
 *   trigger   needed x (1 + (max_space_amp - 1) / 2) + allowance: a mark may pay
 *   cap       (needed + files that wait for readers + allowance) x max_space_amp
 *   soft      half way between these: commits are delayed, the more the nearer they come to the cap; there they wait
 *
 * A store that was opened, with much garbage, far above its cap is not shut until that has gone: commits may make it
 * larger by the allowance than it was at its smallest, and wait then; nor is the round in a hurry.
 *
 * A mark that finds nothing to gain puts the next one off: twice as many bytes have to be written each time. Until
 * then nobody waits: what cannot be lowered is told (opts.log), once.
 *
 * Locks: `lock` is taken last. Nobody waits for room while holding one. Private to src/engine.
 */
#ifndef HG_ENGINE_SCHEDULER_H
#define HG_ENGINE_SCHEDULER_H

#include "engine/live.h"
#include "engine/pace.h"
#include "holog/compact.h"
#include "io/io.h"

struct hg_compaction;

/* What a round has found and done: bytes of the store's segments. */
struct hg_round {
    uint64_t sums;     /* as hg_scheduler_sums has it, before the mark */
    uint64_t appended; /* the same moment */
    uint64_t used;
    uint64_t own;
    uint64_t live[HG_HOLDERS];
    uint64_t gone; /* segments, with all that was in them; 0: there were none to gain by */
    uint64_t gone_own;
    uint64_t gone_live[HG_HOLDERS];
    uint64_t added; /* the output */
};

struct hg_scheduler {
    struct hg_thread *thread; /* who opens and closes only */
    int on;                   /* there is one; fixed while commits may come */
    uint32_t word;            /* atomic: changes when there may be something to do */
    uint32_t stop;            /* atomic */
    uint32_t paused;          /* atomic: so many want it quiet */
    uint32_t pauses;          /* atomic: of these, callers of the library */
    uint32_t busy;            /* atomic: a step is under way */
    uint32_t brake_word;      /* atomic: changes when those who wait should look */
    uint32_t hopeless;        /* atomic: the last mark found nothing to gain, or a round failed */
    uint32_t stuck;           /* atomic: `progress` when somebody gave up waiting; 0: nobody has */
    uint32_t progress;        /* atomic: changes with each piece of work that is done; never 0 */
    uint32_t told;            /* atomic: what cannot be lowered has been told */
    uint64_t appended;        /* atomic: bytes of the log since open, as the last group found it */
    uint64_t soft_at;         /* atomic: in these bytes, where commits are held back */
    uint64_t braked_at;       /* atomic: in these bytes, at the last delay */
    uint64_t free_rate;       /* atomic: bytes/s that rounds have freed of late; 0: not known */
    uint64_t done, total;     /* atomic: of the round under way, in bytes read and written */
    uint64_t begun_ns;        /* atomic: of that; 0: there is none */
    uint64_t moving;          /* atomic: what its output may take */

    struct hg_mutex lock;   /* for all below */
    int known;              /* there has been a mark: */
    struct hg_round last;   /* the newest, with what the round has done taken off */
    uint64_t opened_at;     /* appended when the store was opened; fixed */
    uint64_t looked_at;     /* appended at the last look */
    uint64_t looked_sums;   /* sums then */
    uint64_t let_go;        /* bytes by which sums have fallen since open */
    uint64_t look_after;    /* bytes that come or go before the next one */
    uint64_t least;         /* bytes of segments, at any look since open */
    uint64_t retry_at;      /* appended and let go: no mark before that */
    uint64_t backoff;       /* bytes */
    int last_code;          /* of the failure told last */
    struct hg_buf avoided;  /* uint32_t: segments in which damage has ended a round */
    int is_run;             /* the last step has done something */
    int is_full;            /* a commit has found the disk full */
    struct hg_pace pace;    /* of the thread alone; what a round reads and writes */
    struct hg_pace unlinks; /* the same; files that go */
    uint64_t runs, rounds, marks, moved,
        freed; /* atomic, all counters: written by one, read by many */
    uint64_t forced, forced_moved;
    uint64_t work_ns, records_moved, written; /* of all rounds */
    uint64_t delayed, delay_ns, stalled, stall_max_ns;
};

/* Bytes of segments; see above. */
struct hg_estimate {
    uint64_t used;
    uint64_t waiting;
    uint64_t needed;
    uint64_t allowance;
    uint64_t trigger;
    uint64_t soft;
    uint64_t cap;
    uint64_t held_soft, held_cap; /* the same for commits: see above */
    uint64_t pinned;              /* of what is needed, by tags and views */
};
/* No lock held. Sets from where on commits are held back. */
void hg_scheduler_estimate(holog_store *s, struct hg_estimate *out);

/* A round ended at damage there: rounds that nobody has asked for leave it where it is, or no other would ever end. */
void hg_scheduler_avoid(holog_store *s, uint32_t segment);
int hg_scheduler_avoids(holog_store *s, uint32_t segment);

HG_MUST_CHECK int hg_scheduler_start(holog_store *s);
/* Ends the round under way. Where there has been none, and the store is near its cap, a few are done now. */
void hg_scheduler_stop(holog_store *s);
/* At most one round, if it may pay. 1: it did something; 0: nothing; HOLOG_E_BUSY: somebody else is at it; or why the
 * round failed. */
int hg_scheduler_step(holog_store *s, holog_compact_report *r);
void hg_scheduler_wake(holog_store *s); /* there may be something to do */
/* Somebody has asked for a compaction, and had one. */
void hg_scheduler_forced(holog_store *s);
/* Somebody else compacts, or wants quiet: counted, returns when no step is under way. */
void hg_scheduler_hold(holog_store *s);
void hg_scheduler_release(holog_store *s);

/* ---- for compact.c and compact_move.c */
/* Before the mark. */
void hg_scheduler_mark(holog_store *s, struct hg_round *r);
void hg_scheduler_begins(holog_store *s);
void hg_scheduler_ends(holog_store *s);
/* What is to be moved is known; c->bytes. */
void hg_scheduler_moves(struct hg_compaction *c);
/* A mark has been made, and what came of it is done. */
void hg_scheduler_saw(holog_store *s, const struct hg_round *r);
/* The round, which has not ended yet, has moved or removed something. */
void hg_scheduler_worked(const struct hg_compaction *c);
/* So many bytes were read or written. 1: the round is to end. */
int hg_scheduler_progress(struct hg_compaction *c, uint64_t bytes);
/* Bytes of replaced files that should go now, if it is asked again in so many ns: at least floor, more the nearer commits
 * come to the cap; UINT64_MAX: all. */
uint64_t hg_scheduler_unlink_step(holog_store *s, uint64_t ns, uint64_t floor);
/* The background waits. 1: it is to end. */
int hg_scheduler_rest(holog_store *s, uint64_t ns);

/* ---- for commits */
/* A group has completed; log lock held. */
void hg_scheduler_note(holog_store *s);
/* A commit that makes the store larger is to come: waits if there is no room for it yet. No lock held. */
void hg_scheduler_brake(holog_store *s);
/* A commit has found the disk full: what there is to gain should be gained. */
void hg_scheduler_full(holog_store *s);

void hg_scheduler_stats(holog_store *s, holog_stats *st);

#endif
