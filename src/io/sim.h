/*
 * The simulated disk: a file system in memory with a volatile and a durable image, a seeded
 * scheduler that runs callers and background threads as coroutines, faults at chosen calls, and
 * crash states built from the trace of what happened.
 *
 * How a test uses it
 *     struct hg_sim *sim;  hg_sim_create(&opts, &sim);
 *     hg_sim_run(sim, scenario, ctx);            runs scenario(hg_sim_io(sim), ctx) as a coroutine;
 *                                                returns when it and all it started have ended
 *     for (step = 0; step <= hg_sim_steps(sim); step++)
 *         for each strategy and seed:
 *             hg_sim_crash(sim, step, strategy, seed, &after)   a fresh disk holding that state
 *             hg_sim_run(after, recover_and_check, ...)
 *
 * What is simulated (the specification is in docs/TESTING.md)
 *   - A file is a volatile image, a durable image and a list of effects (write, truncate,
 *     fallocate) not yet durable. Effects have 512-byte granularity: at a crash any subset of the
 *     sectors of a pending effect may have reached the disk; the size is chosen independently
 *     between the durable and any pending size; bytes never chosen are zeros, 0xA5, or stale bytes
 *     of deleted files.
 *   - HG_WRITE_DSYNC makes exactly its own range durable (with the size it needs), nothing else.
 *     fdatasync makes durable the effects of that file that had completed when it began.
 *   - A write that has begun and not completed at the crash is applied, torn or absent.
 *   - A failed fdatasync drops what it covered from what a later sync may promise; each sector of
 *     it stays individually possible. Later syncs of that file fail.
 *   - Directory entries are volatile until sync_dir; two models: `posix` (each pending entry change
 *     independently) and `journal` (pending changes reach the disk in order, a prefix of them).
 *     rename is atomic. fsync of a file does not make its name durable.
 *   - Locks, mapped pages, word_wait: within one simulated machine. After a crash no lock is held,
 *     and mapped pages count as ordinary pending writes.
 *   - Time is simulated: sleeping advances it when no coroutine can run; random() is seeded.
 *
 * With `yields` a call is in flight between its begin and its end, where others may run.
 * A call that fails before it changes anything (no such file) is no step. Reading is none either:
 * it changes no disk, so a power cut there is the same as one at the step before.
 *
 * Faults: at the n-th fallible call (counted over the classes chosen), once or from then on.
 * Short transfers, EINTR and EAGAIN are injected below the vtable's promise, as a kernel would.
 *
 * A crash inside a run: hg_sim_set_crash_step(sim, n) makes every call from step n on fail with
 * HOLOG_E_IO and have no effect, so that the run unwinds through its own error paths and frees
 * everything; the state to recover is then made by hg_sim_crash(sim, n, ...). This is how crashes
 * inside recovery are tested.
 */
#ifndef HG_IO_SIM_H
#define HG_IO_SIM_H

#include "io/io.h"

struct hg_sim;

enum hg_sim_dirs {
    HG_SIM_DIRS_JOURNAL = 0,
    HG_SIM_DIRS_POSIX = 1
};

enum hg_sim_fault_class {
    HG_SIM_F_OPEN = 1 << 0,
    HG_SIM_F_READ = 1 << 1,
    HG_SIM_F_WRITE = 1 << 2,
    HG_SIM_F_SYNC = 1 << 3,
    HG_SIM_F_SYNC_DIR = 1 << 4,
    HG_SIM_F_FALLOCATE = 1 << 5,
    HG_SIM_F_TRUNCATE = 1 << 6,
    HG_SIM_F_RENAME = 1 << 7,
    HG_SIM_F_UNLINK = 1 << 8,
    HG_SIM_F_MKDIR = 1 << 9,
    HG_SIM_F_READ_DIR = 1 << 10,
    HG_SIM_F_CLOSE = 1 << 11,
    HG_SIM_F_LOCK = 1 << 12,
    HG_SIM_F_THREAD = 1 << 13,
    HG_SIM_F_RANDOM = 1 << 14,
    HG_SIM_F_ALL = (1 << 15) - 1,
};

enum hg_sim_fault_kind {
    HG_SIM_FAULT_NONE = 0,
    HG_SIM_FAULT_ERRNO,      /* the call fails with fault_errno; a write may have been partial */
    HG_SIM_FAULT_SHORT_ONE,  /* transfers move one byte (one block when direct) */
    HG_SIM_FAULT_SHORT_HALF, /* transfers move half */
    HG_SIM_FAULT_EINTR,      /* interrupted before anything moved */
    HG_SIM_FAULT_STUCK,      /* transfers move nothing, for ever: helpers must give up */
};

struct hg_sim_options {
    uint64_t seed;
    enum hg_sim_dirs dirs;
    int yields;        /* 1: the scheduler switches coroutines at every call, seeded;
                              0: only where a coroutine must wait (faster, one interleaving) */
    uint64_t capacity; /* bytes of disk; 0 = no limit; full = ENOSPC */
    unsigned fault_classes;
    uint64_t fault_at; /* 1-based among fallible calls of those classes; 0 = never */
    int fault_sticky;  /* 1: every one from there on */
    enum hg_sim_fault_kind fault_kind;
    int fault_errno;
    int no_trace; /* 1: record no effects (long model runs); hg_sim_crash only at the end */
};

HG_MUST_CHECK int hg_sim_create(const struct hg_sim_options *opts, struct hg_sim **out_sim);
void hg_sim_destroy(struct hg_sim *sim); /* asserts that nothing is open unless crashed */

/* Between runs: take over all options but `dirs`, count faults from 0, forget the trace (what the
 * disk holds is durable from here on). For faults and seeds of a run on a crashed disk. */
void hg_sim_set_options(struct hg_sim *sim, const struct hg_sim_options *opts);

/* Returns what scenario returned. Asserts on deadlock (no coroutine can run, none sleeps). */
int hg_sim_run(struct hg_sim *sim, int (*scenario)(struct hg_io *io, void *ctx), void *ctx);

/* A handle on the simulated machine, as hg_io_open gives on a real one. Several may be opened at
 * once (a reader "process" beside the writer); ops->destroy closes it. Each is a process of its
 * own for locks. */
HG_MUST_CHECK int hg_sim_open_io(struct hg_sim *sim, struct hg_io **out_io);

/* Steps: every vtable call that changes the disk or syncs it advances the step by one at its begin
 * and one at its end. Marks let the oracle know what was acknowledged by a step. */
uint64_t hg_sim_steps(const struct hg_sim *sim);
void hg_sim_mark(struct hg_sim *sim, uint32_t kind, uint64_t value);
/* Largest value marked with `kind` at or before step; `none` when there is none. */
uint64_t hg_sim_marked_max(const struct hg_sim *sim, uint32_t kind, uint64_t step, uint64_t none);
uint64_t hg_sim_fallible_calls(const struct hg_sim *sim, unsigned classes); /* so far */
void hg_sim_set_crash_step(struct hg_sim *sim, uint64_t step);
int hg_sim_crashed(const struct hg_sim *sim);
unsigned hg_sim_open_files(const struct hg_sim *sim);
unsigned hg_sim_live_threads(const struct hg_sim *sim);

enum hg_sim_strategy {
    HG_SIM_CRASH_NONE,      /* n: nothing pending survives */
    HG_SIM_CRASH_ALL,       /* a: everything pending survives, in-flight applied */
    HG_SIM_CRASH_KEEP_ONE,  /* k: one pending effect survives (seed picks) */
    HG_SIM_CRASH_DROP_ONE,  /* o: all but one */
    HG_SIM_CRASH_TORN_HEAD, /* t: a prefix of the sectors of the newest effect, all older */
    HG_SIM_CRASH_TORN_TAIL, /* u: a suffix of the sectors of the newest effect, all older */
    HG_SIM_CRASH_SECTORS,   /* s: seeded subset of sectors of every pending effect */
    HG_SIM_CRASH_ZEROS,     /* z: sizes extended, contents zeros */
    HG_SIM_CRASH_GARBAGE,   /* g: sizes extended, contents 0xA5 or stale */
    HG_SIM_CRASH_RANDOM,    /* r: everything above mixed by the seed */
    HG_SIM_CRASH_STRATEGIES
};
/* A new disk (same options but faults off) in a state a power cut at `step` could leave. Free it
 * with hg_sim_destroy. Consecutive steps are cheap, going back costs up to 1024 steps. */
HG_MUST_CHECK int hg_sim_crash(const struct hg_sim *sim, uint64_t step,
                               enum hg_sim_strategy strategy, uint64_t seed,
                               struct hg_sim **out_after);
/* Number of pending effects at a step: strategies k and o are worth that many seeds. */
unsigned hg_sim_pending(const struct hg_sim *sim, uint64_t step);

/* The disk as bytes, for flips and cuts between runs (nothing open). A clone shares its bytes with
 * the original until either is written to. Touching bytes makes the disk durable as it is and
 * forgets the trace. */
HG_MUST_CHECK int hg_sim_clone(const struct hg_sim *sim, struct hg_sim **out_copy);
HG_MUST_CHECK int hg_sim_each_file(const struct hg_sim *sim,
                                   int (*each)(void *ctx, const char *name, uint64_t size),
                                   void *ctx);
/* Direct access to the volatile = durable image of a file at rest. NULL when missing. */
uint8_t *hg_sim_file_data(struct hg_sim *sim, const char *name, uint64_t *out_size);
HG_MUST_CHECK int hg_sim_file_put(struct hg_sim *sim, const char *name, const void *data,
                                  uint64_t size); /* replaces or creates */
int hg_sim_file_remove(struct hg_sim *sim, const char *name);

#endif
