/*
 * Inside the simulated machine. Everything here runs on one thread.
 *
 *   sim_image.c   bytes of a file, shared copy-on-write between images and machines
 *   sim_state.c   what is durable and what is pending at a step, rolled forward over the trace
 *   sim_crash.c   one of the states that a power cut at a step could leave
 *   sim_disk.c    the volatile file system: nodes, names, capacity, locks, the trace, faults
 *   sim_ops.c     the table of calls
 *   sim_sched.c   coroutines, time, parking, asynchronous requests
 *   sim.c         the machine as tests see it
 *
 * Failing to get memory for the simulation itself ends the test: these allocations are not the
 * library's, and no fault is injected into them.
 */
#ifndef HG_IO_SIM_INT_H
#define HG_IO_SIM_INT_H

#include "base/error.h"
#include "io/common.h"
#include "io/sim.h"

#define SIM_SECTOR 512u /* what a disk writes whole or not at all */

/* ---- memory and chance ------------------------------------------------------------------------- */

void *hg_sim_alloc(size_t count, size_t size);                         /* zeroed; never NULL */
void *hg_sim_grow(void *array, size_t *cap, size_t need, size_t size); /* room for need items */

uint64_t hg_sim_next(uint64_t *rng);                           /* splitmix64 */
static inline uint64_t hg_sim_below(uint64_t *rng, uint64_t n) /* 0 when n is 0 */
{
    return n != 0 ? hg_sim_next(rng) % n : 0;
}

/* ---- images ------------------------------------------------------------------------------------ */

/* Bytes [size, cap) are zero, so growing costs nothing. */
struct sim_image {
    unsigned refs;
    uint64_t size;
    uint64_t cap;
    uint8_t *data;
    uint8_t *known; /* one byte a sector up to cap: 0 = its content never became durable;
                         NULL = all known. Only durable images have unknown sectors. */
};

struct sim_image *hg_sim_image_new(void);
struct sim_image *hg_sim_image_ref(struct sim_image *img);
void hg_sim_image_unref(struct sim_image *img);
/* Make *slot the only reference to its bytes. */
struct sim_image *hg_sim_image_own(struct sim_image **slot);
/* Write bytes; a gap after the old end becomes zeros: known ones, or with `gap_unknown` not. */
void hg_sim_image_write(struct sim_image **slot, uint64_t off, const uint8_t *data, uint64_t len,
                        int gap_unknown);
/* Cut, or extend with known zeros. */
void hg_sim_image_resize(struct sim_image **slot, uint64_t size);
void hg_sim_image_all_known(struct sim_image *img);

/* ---- names ------------------------------------------------------------------------------------- */

struct sim_name {
    unsigned refs;
    char text[];
};

struct sim_entry {
    struct sim_name *name;
    uint32_t ino;
};

struct sim_dir {
    struct sim_entry *e;
    size_t n;
    size_t cap;
};

struct sim_name *hg_sim_name_new(const char *text, size_t len);
void hg_sim_name_unref(struct sim_name *name);                                   /* NULL allowed */
uint32_t hg_sim_dir_find(const struct sim_dir *d, const char *text, size_t len); /* 0 = none */
void hg_sim_dir_set(struct sim_dir *d, struct sim_name *name, uint32_t ino);     /* 0 removes */
void hg_sim_dir_copy(struct sim_dir *to, const struct sim_dir *from);
void hg_sim_dir_release(struct sim_dir *d);

/* ---- the trace --------------------------------------------------------------------------------- */

enum sim_event_type {
    SIM_EV_WRITE,    /* ino, off, len, data, dsync */
    SIM_EV_TRUNCATE, /* ino, len = new size */
    SIM_EV_ALLOCATE, /* ino, len = new size, at least */
    SIM_EV_SYNC,     /* ino; failed = 1: what it covered is dropped */
    SIM_EV_CREATE,   /* dir[0]/name[0] := ino */
    SIM_EV_MKDIR,    /* dir[0]/name[0] := ino, a directory */
    SIM_EV_REMOVE,   /* dir[0]/name[0] := nothing */
    SIM_EV_RENAME,   /* dir[0]/name[0] := nothing, dir[1]/name[1] := ino */
    SIM_EV_SYNC_DIR, /* ino, a directory */
    SIM_EV_SETTLE,   /* ino; the disk was read past the cache: what it lost is lost */
};

/* One call with an effect: in flight from step `begin` to step `end`. */
struct sim_event {
    enum sim_event_type type;
    uint32_t ino;
    uint64_t begin;
    uint64_t end;   /* 0 while in flight */
    uint8_t dsync;  /* this write made its own range durable when it ended */
    uint8_t failed; /* the call reported a failure when it ended */
    uint64_t off;
    uint64_t len;
    uint32_t dir[2];
    struct sim_name *name[2];
    uint8_t data[];
};

enum sim_step_kind {
    SIM_STEP_BEGIN,
    SIM_STEP_END,
    SIM_STEP_INSTANT /* begin and end in one */
};

struct sim_step {
    struct sim_event *ev;
    enum sim_step_kind kind;
};

void hg_sim_event_free(struct sim_event *ev);
static inline int hg_sim_is_change(const struct sim_event *ev) /* of a directory entry */
{
    return ev->type >= SIM_EV_CREATE && ev->type <= SIM_EV_RENAME;
}
static inline int hg_sim_is_effect(const struct sim_event *ev) /* on the bytes of a file */
{
    return ev->type <= SIM_EV_ALLOCATE;
}

/* ---- durable state at a step --------------------------------------------------------------------- */

/* An effect that has completed. Forced ones are durable; they stay in the list only while an older
 * pending one must be applied before them. */
struct sim_pending {
    struct sim_event *ev;
    uint8_t forced;
    uint8_t dropped; /* a failed sync covered it: no later sync makes it durable */
};

struct sim_pending_list {
    struct sim_pending *p;
    size_t n;
    size_t cap;
};

struct sim_dnode {
    struct sim_image *data; /* durable bytes; NULL for a directory or a free number */
    struct sim_dir dir;     /* durable entries */
    uint8_t is_dir;
    struct sim_pending_list list; /* effects in the order they completed */
};

/* A pending change of directory entries, in the order of completion. */
struct sim_change {
    struct sim_event *ev;
    uint8_t synced[2]; /* dir[i] was synced since */
};

struct sim_state {
    uint64_t step;
    enum hg_sim_dirs dirs;
    int owns_events;        /* no trace keeps them: free each when nothing needs it any more */
    struct sim_dnode *node; /* by inode number */
    size_t n_node;
    size_t cap_node;
    struct sim_change *change;
    size_t n_change;
    size_t cap_change;
    struct sim_event **flight; /* begun and not ended, in the order of begin */
    size_t n_flight;
    size_t cap_flight;
};

struct hg_sim;
struct sim_state *hg_sim_state_of_now(const struct hg_sim *sim); /* all volatile bytes = durable */
struct sim_state *hg_sim_state_copy(const struct sim_state *st);
void hg_sim_state_free(struct sim_state *st);
void hg_sim_state_step(struct sim_state *st, const struct sim_step *s);
/* The state at step, rolled forward from a cached one; owned by the sim. */
struct sim_state *hg_sim_state_at(const struct hg_sim *sim, uint64_t step);
struct sim_image *hg_sim_device_image(const struct hg_sim *sim, uint32_t ino); /* caller unrefs */

/* ---- the volatile file system -------------------------------------------------------------------- */

struct sim_file;

struct sim_lock {
    const struct sim_file *owner;
    uint64_t from;
    uint64_t to; /* exclusive */
    int exclusive;
};

/* After a failed sync or durable write the page cache may hold what the disk lost. */
enum sim_doubt {
    SIM_DOUBT_NONE,
    SIM_DOUBT_OPEN,   /* the disk may have it or not */
    SIM_DOUBT_SETTLED /* somebody has looked: it has not */
};

struct sim_node {
    uint8_t is_dir;
    uint8_t removed;        /* no name left */
    uint8_t doubt;          /* enum sim_doubt */
    struct sim_image *data; /* files */
    struct sim_dir dir;     /* directories */
    unsigned links;
    unsigned opens;
    uint64_t charged; /* bytes of capacity */
    struct sim_lock *lock;
    size_t n_lock;
    size_t cap_lock;
    uint8_t *map; /* the shared page(s), or NULL */
    size_t map_len;
    unsigned maps;
};

struct sim_mark {
    uint64_t step;
    uint64_t value;
    uint32_t kind;
};

/* Bytes of a deleted file: blocks that a new file may get from the disk. */
struct sim_stale {
    uint64_t step;
    struct sim_image *data;
};

enum sim_co_state {
    SIM_CO_READY,
    SIM_CO_WORD,
    SIM_CO_SLEEP,
    SIM_CO_JOIN,
    SIM_CO_REQ,
    SIM_CO_ALL,
    SIM_CO_DONE
};

struct sim_co; /* sim_sched.c */

struct sim_io {
    struct hg_io base;
    struct hg_sim *sim;
    int destroyed;
    struct sim_io *next;
};

struct sim_file {
    struct hg_file base;
    struct hg_sim *sim;
    uint32_t ino;
    uint8_t writable;
    uint8_t direct;
    int sync_errno; /* the first failed sync: later ones fail too */
};

#define SIM_CLASSES 15

struct sim_cache {
    struct sim_state *state;  /* somewhere in the trace */
    struct sim_state **saved; /* saved[i] is at step (i + 1) * SIM_SAVE_EVERY */
    size_t n_saved;
    size_t cap_saved;
};

struct hg_sim {
    struct hg_sim_options opts;
    struct sim_io *ios;

    /* file system */
    struct sim_node **node; /* by inode number; [0] is nobody, [1] the root */
    size_t n_node;
    size_t cap_node;
    uint64_t used_bytes;
    unsigned open_files;
    unsigned maps;
    struct sim_stale *stale;
    size_t n_stale;
    size_t cap_stale;

    /* trace */
    uint64_t step;
    struct sim_step *steps; /* steps[i] is step i + 1; none with opts.no_trace */
    size_t n_steps;
    size_t cap_steps;
    struct sim_state *base; /* at step 0; with opts.no_trace at the current step */
    struct sim_cache *cache;
    struct sim_mark *mark;
    size_t n_mark;
    size_t cap_mark;

    /* faults */
    uint64_t calls[SIM_CLASSES];
    uint64_t fault_seen;
    uint64_t crash_step;
    int has_crash_step;
    int crashed;

    /* scheduler */
    uint64_t now_ns;
    uint64_t wall_base_ns;
    uint64_t sched_rng;
    uint64_t random_rng;
    struct sim_co *host; /* the caller of hg_sim_run, outside every coroutine */
    struct sim_co *current;
    struct sim_co *switched_from; /* between leaving one coroutine and arriving in the next */
    struct sim_co **co;
    size_t n_co;
    size_t cap_co;
    unsigned threads; /* started and not joined */
    int in_done;      /* a request's done callback runs: no switching */
    uint64_t idle_picks;
    struct sim_flight *flight; /* asynchronous requests, oldest first */
    size_t n_flight;
    size_t cap_flight;
};

struct sim_flight {
    struct hg_req *req;
    struct sim_event *ev; /* NULL: a read, or failed already */
    int rc;               /* what it will end with */
    unsigned age;         /* scheduling points passed */
};

/* sim_disk.c */
struct sim_node *hg_sim_node(const struct hg_sim *sim, uint32_t ino);
uint32_t hg_sim_node_new(struct hg_sim *sim, int is_dir);
void hg_sim_node_unlinked(struct hg_sim *sim, uint32_t ino);
void hg_sim_charge(struct hg_sim *sim, struct sim_node *n);
uint32_t hg_sim_lookup(const struct hg_sim *sim, const char *name);
/* The directory that holds name, and the last component; 0 and errno value in *out_err if none. */
uint32_t hg_sim_parent(const struct hg_sim *sim, const char *name, const char **out_base,
                       int *out_err);
void hg_sim_clear_trace(struct hg_sim *sim);
void hg_sim_flush_maps(struct hg_sim *sim);

struct sim_event *hg_sim_event_new(enum sim_event_type type, uint32_t ino, uint64_t data_len);
/* HOLOG_E_IO when the power is gone, before or while the call is in flight. */
HG_MUST_CHECK int hg_sim_begin(struct hg_sim *sim, struct sim_event *ev);
HG_MUST_CHECK int hg_sim_fly(struct hg_sim *sim, struct sim_event *ev); /* begin, no switching */
void hg_sim_end(struct hg_sim *sim, struct sim_event *ev);
/* A reader goes past the cache of a file in doubt: from here on the disk has lost what it lost. */
void hg_sim_settle(struct hg_sim *sim, uint32_t ino);
int hg_sim_dead(struct hg_sim *sim, const char *what, const char *name); /* the code, detail set */

/* What happens to one fallible call. EINTR is retried here. 0, or an errno to fail with;
 * *out_kind is one of the SHORT and STUCK kinds or NONE. */
int hg_sim_fault(struct hg_sim *sim, unsigned fault_class, enum hg_sim_fault_kind *out_kind);

/* sim_ops.c */
extern const struct hg_io_ops hg_sim_ops;
size_t hg_sim_read(struct sim_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                   size_t max);

struct sim_write {
    const struct iovec *iov;
    int n_iov;
    uint64_t offset;
    unsigned flags;
    int whole; /* a request: no short transfers, what cannot be moved fails */
};

/* What a call will do: `ev`, NULL when nothing moves; then fail with `err`, unless it is 0. */
struct sim_planned {
    struct sim_event *ev;
    int err;
};

/* A code when the call fails at once. */
HG_MUST_CHECK int hg_sim_plan_write(struct sim_file *f, const struct sim_write *w,
                                    struct sim_planned *out);
HG_MUST_CHECK int hg_sim_plan_sync(struct sim_file *f, struct sim_planned *out);
void hg_sim_apply_write(struct hg_sim *sim, const struct sim_event *ev);

/* sim_sched.c */
void hg_sim_sched_init(struct hg_sim *sim);
void hg_sim_sched_release(struct hg_sim *sim);
void hg_sim_point(struct hg_sim *sim);    /* a chance for another coroutine */
void hg_sim_wake_all(struct hg_sim *sim); /* the power is gone: nobody waits any more */
int hg_sim_sched_run(struct hg_sim *sim, int (*scenario)(struct hg_io *io, void *ctx),
                     struct hg_io *io, void *ctx);

int hg_sim_submit(struct hg_io *io, struct hg_req *const *reqs, size_t n);
int hg_sim_wait(struct hg_io *io, struct hg_req *r);
uint64_t hg_sim_now_ns(struct hg_io *io);
uint64_t hg_sim_wall_ns(struct hg_io *io);
int hg_sim_random(struct hg_io *io, void *out, size_t len);
void hg_sim_sleep_ns(struct hg_io *io, uint64_t ns);
int hg_sim_thread_start(struct hg_io *io, const char *name, void (*run)(void *arg), void *arg,
                        struct hg_thread **out_thread);
void hg_sim_thread_join(struct hg_io *io, struct hg_thread *t);
void hg_sim_word_wait(struct hg_io *io, uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void hg_sim_word_wake(struct hg_io *io, uint32_t *word, int n);

#endif
