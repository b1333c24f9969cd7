/*
 * The operating system, as one table. Nothing outside src/io calls the kernel for files, time,
 * randomness or threads; so a test can replace all of it by the simulated disk and crash it.
 *
 * Three worlds:
 *   uring   io_uring for batches (submit/poll), pwritev2 for the commit leader
 *   posix   preadv2/pwritev2/fdatasync everywhere; batches go through a small thread pool
 *   sim     io/sim.h: a disk in memory, a seeded scheduler of coroutines, faults and crashes
 *
 * Names are relative to the directory the io was opened on ("SUPER", "seg/0000000a.hlog"); no
 * component may be "..". Results are 0 or a negative HOLOG_E_ code with error detail set. A
 * transfer may be short (out_n < asked): callers use the hg_io_*_full helpers, which loop.
 * EINTR/EAGAIN are completed inside the worlds or the helpers, a bounded number of times.
 *
 * Any thread may call anything here; two calls on overlapping ranges of one file are not ordered.
 */
#ifndef HG_IO_IO_H
#define HG_IO_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/assert.h"

#define HG_IO_BLOCK 4096u /* unit of O_DIRECT transfers and of the log's tail block */

enum hg_open_flags {
    HG_OPEN_WRITE = 1,  /* else read-only */
    HG_OPEN_CREATE = 2, /* create, fail with HOLOG_E_EXIST when there; mode 0600 */
    HG_OPEN_DIRECT = 4, /* O_DIRECT where the file system gives it, else silently buffered (see
                           hg_file_info) */
};

enum hg_write_flags {
    HG_WRITE_DSYNC = 1, /* when the call returns, exactly these bytes are on stable storage
                           (RWF_DSYNC). Proves nothing about any other byte of the file. */
};

enum hg_world {
    HG_WORLD_URING = 1,
    HG_WORLD_POSIX = 2,
    HG_WORLD_SIM = 3
};

struct hg_io;
struct hg_file;
struct hg_thread;

struct hg_file_info {
    uint64_t size_bytes;
    uint32_t direct;    /* 1: transfers bypass the page cache; buffer, offset, length aligned */
    uint32_t dio_align; /* bytes; buffers, offsets, lengths when direct; 1 otherwise */
    uint64_t links;     /* names that it has; 0: it ends with the last who has it open */
    const char *why_buffered; /* reason when HG_OPEN_DIRECT was asked and not given; else NULL */
};

/* One asynchronous request. The caller owns it and its buffers until `done` is called. */
enum hg_req_op {
    HG_REQ_READ,
    HG_REQ_WRITE,
    HG_REQ_WRITE_DSYNC,
    HG_REQ_FDATASYNC
};
struct hg_req {
    enum hg_req_op op;
    struct hg_file *file;
    void *buf;
    size_t len_bytes;
    uint64_t offset;
    int rc;            /* result: 0 or a code; set before done */
    size_t done_bytes; /* whole on success: short transfers are continued inside. A read past
                            the end of the file is HOLOG_E_IO, and this tells how far it came */
    void (*done)(struct hg_req *r); /* called on the world's I/O thread, last of all (after
                                       `complete` is 1): may free r, may not block or submit;
                                       NULL = only rc and `complete` */
    void *ctx;                      /* caller's */
    uint32_t complete;              /* 0 -> 1 with release order when finished */
    struct hg_req *next;            /* the world's, while in flight */
};

struct hg_io_ops {
    const char *name; /* "uring", "posix", "sim" */
    enum hg_world world;

    /* files */
    int (*open)(struct hg_io *io, const char *name, unsigned flags, struct hg_file **out_file);
    int (*close)(struct hg_file *f); /* frees f even when it fails */
    int (*info)(struct hg_file *f, struct hg_file_info *out_info);
    int (*preadv)(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                  size_t *out_n); /* *out_n == 0: end of file */
    int (*pwritev)(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                   unsigned flags, size_t *out_n);
    int (*fdatasync)(struct hg_file *f); /* a failure is remembered: every later call fails too */
    int (*fallocate)(struct hg_file *f, uint64_t offset, uint64_t len); /* extends the size; where
                   the file system has no fallocate: HOLOG_E_NOTSUP */
    int (*truncate)(struct hg_file *f, uint64_t size);

    /* names */
    int (*rename)(struct hg_io *io, const char *from, const char *to);
    int (*unlink)(struct hg_io *io, const char *name); /* HOLOG_E_NOENT when missing */
    int (*mkdir)(struct hg_io *io, const char *name);  /* 0700; HOLOG_E_EXIST when there */
    int (*rmdir)(struct hg_io *io, const char *name);
    int (*sync_dir)(struct hg_io *io, const char *name); /* "" = the root */
    int (*exists)(struct hg_io *io, const char *name, int *out_exists);
    /* Calls `each` with every name in a directory but . and .. (any order); stops on non-zero. */
    int (*read_dir)(struct hg_io *io, const char *name,
                    int (*each)(void *ctx, const char *name, int is_dir), void *ctx);

    /* Locks (open file description locks) on a byte range of f; released by close. Not waiting:
     * HOLOG_E_BUSY when somebody else holds it. The uring world registers f with its rings, so the
     * lock outlives a killed process for as long as its writes are in flight. */
    int (*lock)(struct hg_file *f, uint64_t offset, uint64_t len, int exclusive);
    int (*unlock)(struct hg_file *f, uint64_t offset, uint64_t len);
    /* 1 in *out_held if another open description holds a conflicting lock there. */
    int (*lock_test)(struct hg_file *f, uint64_t offset, uint64_t len, int exclusive,
                     int *out_held);

    /* A shared page (the `ctl` file): len bytes mapped shared; writers in other processes are
     * seen. The only mapping of a store. */
    int (*map_shared)(struct hg_file *f, size_t len, int writable, void **out_addr);
    void (*unmap)(struct hg_io *io, void *addr, size_t len);

    /* batches */
    int (*submit)(struct hg_io *io, struct hg_req *const *reqs, size_t n);
    int (*wait)(struct hg_io *io, struct hg_req *r); /* until r is complete; returns r->rc */

    /* clock and chance */
    uint64_t (*now_ns)(struct hg_io *io);  /* monotonic */
    uint64_t (*wall_ns)(struct hg_io *io); /* UTC, ns since 1970; may jump */
    int (*random)(struct hg_io *io, void *out, size_t len);
    void (*sleep_ns)(struct hg_io *io, uint64_t ns);

    /* threads */
    int (*thread_start)(struct hg_io *io, const char *name, void (*run)(void *arg), void *arg,
                        struct hg_thread **out_thread);
    void (*thread_join)(struct hg_io *io, struct hg_thread *t); /* frees t */
    /* The calling thread gives way to others, as far as the system does that; may be NULL. */
    void (*thread_low)(struct hg_io *io);

    /* Park while *word == expected, at most timeout_ns (UINT64_MAX = for ever); may return early.
     * wake: n waiters at the most (INT_MAX = all). A futex; in the sim, a scheduling point. */
    void (*word_wait)(struct hg_io *io, uint32_t *word, uint32_t expected, uint64_t timeout_ns);
    void (*word_wake)(struct hg_io *io, uint32_t *word, int n);

    void (*destroy)(struct hg_io *io); /* every file closed, every thread joined before */
};

/* The head of every world's own struct. */
struct hg_io {
    const struct hg_io_ops *ops;
    const char *why_world; /* why this world was chosen ("io_uring refused: EPERM"), or "" */
    char root[256];        /* for messages: the directory, cut to fit */
    int buffered; /* HG_OPEN_DIRECT is not done: somebody has chosen the page cache; set after open */
};

/* The head of every world's own file struct. `ops` via io. */
struct hg_file {
    struct hg_io *io;
    char name[64]; /* for messages */
};

/* ---- the worlds ---------------------------------------------------------------------------- */

enum hg_io_choice {
    HG_IO_AUTO = 0,
    HG_IO_POSIX = 1,
    HG_IO_URING = 2
};

/*
 * Open a world on directory `dir` (must exist; held by an O_PATH/O_DIRECTORY descriptor, so chdir
 * and renames of the directory do not matter). HG_IO_AUTO: io_uring if the kernel, the limits and
 * the build give it, else posix (why_world says why). HG_IO_URING: HOLOG_E_NOTSUP when refused.
 * No descriptor 0-2 is ever used. After fork the child must only call hg_io_abandon.
 */
HG_MUST_CHECK int hg_io_open(const char *dir, enum hg_io_choice choice, struct hg_io **out_io);

/* In a forked child: closes the descriptors that would keep the parent's locks and rings alive
 * (lock file, rings) and nothing else. */
void hg_io_abandon(struct hg_io *io);

/* The directory itself, before it is a store: create (parents not made), list. Used by init. */
HG_MUST_CHECK int hg_io_make_dir(const char *dir);

/* ---- mutex and condition over word_wait (io/sync.c) ------------------------------------------ */

struct hg_mutex {
    uint32_t word; /* 0 free, 1 held, 2 held and somebody waits */
};
struct hg_cond {
    uint32_t seq;
    uint32_t waiters; /* a wake that nobody waits for costs no call into the kernel */
};
void hg_mutex_lock(struct hg_io *io, struct hg_mutex *m); /* spins briefly, then parks */
int hg_mutex_trylock(struct hg_mutex *m);                 /* 1 if taken */
void hg_mutex_unlock(struct hg_io *io, struct hg_mutex *m);
/* In three steps, for whoever lets the mutex go in a way of its own: the first with it held, the
 * others without. hg_cond_wait is all of them: m held, returns with m held. May return early. */
uint32_t hg_cond_enter(struct hg_cond *c);
void hg_cond_sleep(struct hg_io *io, struct hg_cond *c, uint32_t entered, uint64_t timeout_ns);
void hg_cond_wait(struct hg_io *io, struct hg_cond *c, struct hg_mutex *m, uint64_t timeout_ns);
void hg_cond_wake_one(struct hg_io *io, struct hg_cond *c);
void hg_cond_wake_all(struct hg_io *io, struct hg_cond *c);

/* ---- whole transfers (io/whole.c) ------------------------------------------------------------- */

/* Read exactly len bytes; fewer before the end of the file is HOLOG_E_IO ("short file"). */
HG_MUST_CHECK int hg_io_read_full(struct hg_file *f, void *buf, size_t len, uint64_t offset);
/* Read up to len; *out_n < len only at the end of the file. */
HG_MUST_CHECK int hg_io_read_upto(struct hg_file *f, void *buf, size_t len, uint64_t offset,
                                  size_t *out_n);
/* Write all; after 64 tries without progress: HOLOG_E_IO. ENOSPC after a short write: NOSPC. */
HG_MUST_CHECK int hg_io_write_full(struct hg_file *f, const void *buf, size_t len, uint64_t offset,
                                   unsigned flags);
HG_MUST_CHECK int hg_io_writev_full(struct hg_file *f, const struct iovec *iov, int n_iov,
                                    uint64_t offset, unsigned flags);
/* Whole small file into fresh hg_malloc memory; HOLOG_E_TOOBIG above max. */
HG_MUST_CHECK int hg_io_read_file(struct hg_io *io, const char *name, size_t max_bytes,
                                  uint8_t **out_data, size_t *out_len);

#endif
