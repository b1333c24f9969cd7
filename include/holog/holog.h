/*
 * holog: a durable, crash-safe, versioned store for blobs and arrays over one checksummed,
 * append-only segment log.
 *
 * A store is a directory. One process has it open for writing; any number may read it meanwhile.
 * In it a path ("plates/p1/A01/z0") names an entry: a blob, a directory or a symlink. Every change
 * is a commit: atomic, numbered, and durable when the call returns (with the default sync mode).
 *
 *     holog_store *s;
 *     holog_open("data.holog", NULL, &s);                      creates it if need be
 *     holog_save(s, "plates/p1/z0", data, len, HOLOG_PARENTS | HOLOG_REPLACE, NULL);
 *     holog_value *v;
 *     holog_load(s, "plates/p1/z0", &v);
 *     use(holog_value_data(v), holog_value_size(v));
 *     holog_value_release(v);
 *     holog_close(s);
 *
 * Paths     UTF-8, '/' between components of 1-255 bytes, at most 64 components and 4096 bytes.
 *           A leading or trailing '/', "//" and "./" are dropped; ".." and the empty path are
 *           refused; "/" is the root. Paths are NUL-terminated here. Names are compared byte by byte:
 *           upper and lower case, and the Unicode forms of one letter, stay different names; control
 *           characters are allowed (take care when you print them). Symlinks are followed in every
 *           component, at most 16; calls that act on the link itself say so.
 * Results   0 or a negative HOLOG_E_ code (holog/error.h); holog_last_error() has the detail.
 *           Outputs come last and are untouched on failure. Every call may return
 *           HOLOG_E_INVAL, HOLOG_E_NOMEM, HOLOG_E_IO, HOLOG_E_CORRUPT (a stored byte is wrong: the
 *           detail names segment and offset), HOLOG_E_FORKED; every change also HOLOG_E_NOSPC,
 *           HOLOG_E_READONLY, HOLOG_E_POISONED, HOLOG_E_INDOUBT, HOLOG_E_BUDGET.
 * Structs   that begin with struct_size: it is sizeof the struct as the caller knows it, set before
 *           the call (by holog_options_init, or { .struct_size = sizeof s }); less than 8 is
 *           HOLOG_E_INVAL. The library reads or fills no more than that; of a struct it has filled,
 *           struct_size says how many bytes it knew.
 * Threads   Any thread may call anything on a store, a view or a value. A transaction, cursor,
 *           writer or buffer belongs to one thread at a time.
 * Memory    What the library hands out is released with the call its comment names. Data passed
 *           in is borrowed for the call.
 * Fork      A handle is of no use in a forked child: every call returns HOLOG_E_FORKED; only
 *           holog_close() is allowed there, and frees memory without touching the store.
 * Signals   The library handles none. A process with a limit on the size of files (RLIMIT_FSIZE)
 *           ignores SIGXFSZ to get HOLOG_E_NOSPC instead of that signal.
 */
#ifndef HOLOG_HOLOG_H
#define HOLOG_HOLOG_H

#include <stddef.h>
#include <stdint.h>

#include "holog/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HOLOG_VERSION_MAJOR 0
#define HOLOG_VERSION_MINOR 1
#define HOLOG_VERSION_PATCH 0

#define HOLOG_PATH_MAX  4096
#define HOLOG_NAME_MAX  255
#define HOLOG_DEPTH_MAX 64
#define HOLOG_LINKS_MAX 16

HOLOG_API const char *holog_version(void); /* "0.1.0" */

typedef struct holog_store holog_store;
typedef struct holog_txn holog_txn;
typedef struct holog_view holog_view;
typedef struct holog_value holog_value;
typedef struct holog_cursor holog_cursor;
typedef struct holog_writer holog_writer;

/* ---- opening -------------------------------------------------------------------------------- */

/*
 * When a commit is acknowledged (its call returns, or its callback runs), and what that is worth:
 *
 *   mode            process killed              power lost
 *   COMMIT          nothing acknowledged lost   nothing acknowledged lost      (default)
 *   INTERVAL        nothing acknowledged lost   the last sync_interval_ms and one sync may be lost
 *   OS              nothing acknowledged lost   everything since the last sync may be lost
 *   NONE            everything since the last sync or flush may be lost
 * In every mode what survives is a prefix of the commits in order, each whole.
 */
enum holog_sync {
    HOLOG_SYNC_DEFAULT = 0, /* per commit: the store's mode; for a store: COMMIT */
    HOLOG_SYNC_COMMIT = 1,
    HOLOG_SYNC_INTERVAL = 2,
    HOLOG_SYNC_OS = 3,
    HOLOG_SYNC_NONE = 4
};

enum holog_recovery {
    HOLOG_RECOVERY_STRICT = 0,       /* a torn tail is cut; damage refuses read-write open */
    HOLOG_RECOVERY_POINT_IN_TIME = 1 /* repair only: cut at the first damage, quarantine the rest */
};

enum holog_io_choice {
    HOLOG_IO_AUTO = 0,
    HOLOG_IO_POSIX = 1,
    HOLOG_IO_URING = 2
};

enum holog_direct_choice {
    HOLOG_DIRECT_AUTO = 0,
    HOLOG_DIRECT_ON = 1, /* past the page cache, where the file system gives that */
    HOLOG_DIRECT_OFF = 2 /* by way of the page cache; as durable */
};

enum holog_open_flags {
    HOLOG_OPEN_READONLY = 1,      /* writes not one byte; beside a live writer, follows it */
    HOLOG_OPEN_NO_CREATE = 2,     /* HOLOG_E_NOTSTORE when there is none */
    HOLOG_OPEN_MUST_CREATE = 4,   /* HOLOG_E_EXIST when there is one */
    HOLOG_OPEN_NO_CALIBRATION = 8 /* see holog/calibrate.h */
};

enum holog_log_level {
    HOLOG_LOG_INFO = 1,
    HOLOG_LOG_WARN = 2,
    HOLOG_LOG_ERROR = 3
};
/* Called on whatever thread has something to tell; must not call back into holog. */
typedef void (*holog_log_fn)(void *ctx, int level, const char *message);

/* Long calls report here now and then; return non-zero to stop them (HOLOG_E_CANCELED).
 * done and total in `unit` ("bytes", "entries"); total 0 = unknown. */
typedef int (*holog_progress_fn)(void *ctx, uint64_t done, uint64_t total, const char *unit);

typedef struct holog_options {
    uint32_t struct_size;      /* sizeof(holog_options); set by holog_options_init */
    uint32_t flags;            /* enum holog_open_flags */
    uint32_t sync;             /* enum holog_sync; 0 = COMMIT */
    uint32_t sync_interval_ms; /* for INTERVAL; 0 = 50 */
    uint64_t budget_bytes; /* index + cache + staging, at most; 0 = a quarter of RAM or cgroup */
    uint32_t lock_wait_ms; /* how long open waits for a killed owner's last I/O; 0 = 2000 */
    uint32_t io;           /* enum holog_io_choice */
    uint32_t segment_size_max; /* bytes, power of two, 16 KiB - 64 MiB; only when the store is
                                  created; 0 = 64 MiB */
    uint32_t extent_segment_size_max; /* 128 KiB - 1 GiB; only at creation; 0 = 256 MiB */
    uint32_t inline_max;          /* values above this go to extents, to 1 MiB; 0 = 65536; at most
                                     an eighth of segment_size_max; only at creation */
    uint32_t groups_in_flight;    /* W: commit groups being written at once, 1-8; 0 = 1 */
    double max_space_amp;         /* what compaction aims below; only at creation; 0 = 1.5 */
    uint32_t checkpoint_tail_mib; /* write an index checkpoint after so much log; 0 = 64 */
    uint32_t no_background; /* 1: no threads of our own (tests): no window, timers or checkpoints */
    holog_log_fn log;       /* may be NULL */
    void *log_ctx;
    holog_progress_fn progress; /* recovery, verify; may be NULL */
    void *progress_ctx;
    uint32_t no_side_table; /* 1: no hash table beside the index: some 9 bytes less a value, and
                               loads of small values take about twice as long */
    uint32_t direct;        /* enum holog_direct_choice */
    uint32_t
        no_compaction; /* 1: only when it is asked for (holog/compact.h); so with no_background, too */
    uint32_t reserved; /* 0 */
    uint64_t
        compaction_bytes_per_s; /* that compaction by itself may read and write; 0: it finds out */
} holog_options;

/* What is 0 here, the environment may say: HOLOG_IO (auto, posix, uring), HOLOG_DIRECT (auto, on, off)
 * and HOLOG_BUDGET (bytes, or 512M, 4G); what neither says, a stored calibration (holog/calibrate.h), unless
 * HOLOG_CALIBRATION=off; else it is the default. HOLOG_COMPACTION=off is no_compaction. Whatever is said makes the same stores. HOLOG_PLUGIN_PATH is a directory to look
 * for plug-ins in before the installed one; HOLOG_NO_SIMD=1 takes plain C where machine instructions are used.
 * A program that runs with more rights than its user does not look. */
/* Zero with struct_size set. A struct_size larger than the library's is accepted when the tail is
 * zero, else HOLOG_E_VERSION. */
HOLOG_API void holog_options_init(holog_options *opts);

/* Create an empty store in directory `dir` (made if missing; its parent must exist). What the library
 * makes is its owner's alone, directories 0700 and files 0600 whatever the umask: data must not be
 * readable by others because a mask was forgotten; chmod later opens it to them. The directory must be empty (HOLOG_E_NOTDIREMPTY) and hold no store (HOLOG_E_EXIST). A cut during init leaves
 * a directory that init and open treat as "no store yet". */
HOLOG_API int holog_init(const char *dir, const holog_options *opts);

/* What recovery did at open. */
typedef struct holog_recovery_report {
    uint32_t struct_size;
    uint32_t clean;       /* 1: the store had been closed */
    uint64_t last_number; /* newest commit */
    uint64_t frames_read;
    uint64_t bytes_read;
    uint32_t tail_cut;    /* 1: a torn tail (never acknowledged) was cut ... */
    uint32_t cut_segment; /* ... here */
    uint64_t cut_offset;
    uint64_t cut_bytes;         /* bytes behind the cut that were not zero */
    uint64_t quarantined_bytes; /* valid frames behind the cut, kept in quarantine/ */
    uint64_t duration_ns;
    uint32_t used_checkpoint; /* 1: index from a checkpoint; else rebuilt */
    uint32_t reserved;
} holog_recovery_report;

/* Open; create when there is none, unless the flags say otherwise. opts may be NULL. HOLOG_E_BUSY:
 * it is open for writing already, in another process or in this one. HOLOG_E_CORRUPT: acknowledged
 * data is damaged; nothing was changed; open read-only, `holog verify` and `holog repair` go on from there. */
HOLOG_API int holog_open(const char *dir, const holog_options *opts, holog_store **out_store);
HOLOG_API int holog_recovery_info(holog_store *store, holog_recovery_report *out_report);

/* Makes everything durable, writes the index checkpoint, closes. Frees the handle also when it fails, but for
 * HOLOG_E_BUSY: a transaction is open, nothing was done. Views, cursors, values, transactions and open arrays of
 * the store are released before. NULL is fine. */
HOLOG_API int holog_close(holog_store *store);

/* ---- saving and loading: the simple path -------------------------------------------------------*/

enum holog_save_flags {
    HOLOG_REPLACE = 1, /* an existing blob or symlink gets a new version; else HOLOG_E_EXIST */
    HOLOG_PARENTS = 2  /* make missing parent directories; else HOLOG_E_NOENT */
};

/* One blob, one commit. Saving onto a symlink is HOLOG_E_EXIST; with REPLACE it replaces the link.
 * HOLOG_E_NOENT: parent missing. HOLOG_E_NOTDIR: a component is no directory. HOLOG_E_ISDIR.
 * data may be NULL when len is 0. out_number may be NULL. */
HOLOG_API int holog_save(holog_store *store, const char *path, const void *data, size_t len_bytes,
                         unsigned flags, uint64_t *out_number);

/* The whole value, verified, as a counted reference to memory of the library's (no copy when it is
 * cached). HOLOG_E_NOENT, HOLOG_E_ISDIR; HOLOG_E_BUDGET while what others hold fills the budget.
 * Release with holog_value_release. */
HOLOG_API int holog_load(holog_store *store, const char *path, holog_value **out_value);

/* Copy bytes [offset, offset + len) into buf; only the 64 KiB blocks touched are read and verified.
 * *out_n (may be NULL) gets what was copied: less than len at the end of the value. offset beyond
 * the end: HOLOG_E_RANGE. */
HOLOG_API int holog_load_range(holog_store *store, const char *path, uint64_t offset, void *buf,
                               size_t len_bytes, size_t *out_n);

HOLOG_API const void *holog_value_data(
    const holog_value *value); /* 64-byte aligned when > 64 KiB */
HOLOG_API size_t holog_value_size(const holog_value *value);
HOLOG_API uint64_t holog_value_number(const holog_value *value); /* commit of this version */
HOLOG_API void holog_value_release(holog_value *value);          /* NULL is fine */

/* ---- the namespace -----------------------------------------------------------------------------*/

enum holog_type {
    HOLOG_MISSING = 0,
    HOLOG_DIRECTORY = 1,
    HOLOG_BLOB = 2,
    HOLOG_SYMLINK = 3,
    HOLOG_ARRAY = 4 /* a directory with the metadata document of an array (docs/FORMAT.md) */
};

typedef struct holog_stat_info {
    uint32_t struct_size;
    uint32_t type;       /* enum holog_type; MISSING is not an error */
    uint64_t size_bytes; /* blob: value; symlink: length of its target; directory: 0 */
    uint64_t number;     /* commit of this version; directory: last change of its children */
    uint64_t time_ns;    /* when its bytes were saved (copy and move keep it), UTC ns since 1970 */
    uint64_t hash_lo; /* value hash (docs/FORMAT.md): XXH3-64, or XXH3-128 of the table; 0 when */
    uint64_t hash_hi; /* deltas made the value (holog/versions.h): it is not kept as a whole */
    uint32_t csum;    /* sum of the value's bytes modulo 96; 127: not known */
    uint32_t target_type; /* symlink: type of what it resolves to, MISSING when dangling */
    uint32_t segment;     /* where the record is */
    uint32_t reserved;
    uint64_t offset;
} holog_stat_info;

/* lstat: does not follow a symlink in the last component. Missing entry: OK and type MISSING;
 * missing or non-directory parent: HOLOG_E_NOENT / HOLOG_E_NOTDIR. */
HOLOG_API int holog_stat(holog_store *store, const char *path, holog_stat_info *out_info);
/* 1 in *out_exists iff the path resolves (follows symlinks). Never an error for a missing one. */
HOLOG_API int holog_exists(holog_store *store, const char *path, int *out_exists);

/* PARENTS (the only flag): makes ancestors and is content when the directory exists. */
HOLOG_API int holog_mkdir(holog_store *store, const char *path, unsigned flags,
                          uint64_t *out_number);
/* A blob, a symlink (not its target) or an empty directory (HOLOG_E_NOTEMPTY). */
HOLOG_API int holog_delete(holog_store *store, const char *path, uint64_t *out_number);
/* An entry and everything below it, in one commit; of "/" everything in the store. */
HOLOG_API int holog_delete_all(holog_store *store, const char *path, uint64_t *out_number);
/* O(1) for a blob (no bytes are copied); a directory with what is in it; symlinks stay symlinks.
 * Destination: what exists is HOLOG_E_EXIST without REPLACE. With it a blob or symlink gives way; a
 * directory replaces nothing (HOLOG_E_NOTDIR) and is not replaced (HOLOG_E_ISDIR). */
HOLOG_API int holog_copy(holog_store *store, const char *from, const char *to, unsigned flags,
                         uint64_t *out_number);
/* Atomic. Into itself: HOLOG_E_INVAL. Moves a symlink itself. */
HOLOG_API int holog_move(holog_store *store, const char *from, const char *to, unsigned flags,
                         uint64_t *out_number);
/* target is UTF-8 (else HOLOG_E_BADPATH), kept as given; it need not exist. Relative targets start at the link's directory. */
HOLOG_API int holog_symlink(holog_store *store, const char *target, const char *path,
                            unsigned flags, uint64_t *out_number);
/* NUL-terminated into buf; HOLOG_E_RANGE when it does not fit; HOLOG_E_TYPE when no symlink. */
HOLOG_API int holog_readlink(holog_store *store, const char *path, char *buf, size_t buf_size);

/* ---- batches -----------------------------------------------------------------------------------*/

typedef struct holog_item {
    const char *path;
    const void *data;
    size_t len_bytes;
} holog_item;

/* All or none, one commit: everything is checked, then everything applies, in the order of the
 * paths. The same entry twice, also by way of a symlink, is HOLOG_E_INVAL; an item below another one
 * is HOLOG_E_NOTDIR. n == 0 is a success without a commit. */
HOLOG_API int holog_save_batch(holog_store *store, const holog_item *items, size_t n,
                               unsigned flags, uint64_t *out_number);
/* From one version of the store. Fails as a whole, then no value is returned; out_status (n codes,
 * may be NULL) says for each item why. */
HOLOG_API int holog_load_batch(holog_store *store, const char *const *paths, size_t n,
                               holog_value **out_values, int *out_status);

/* ---- transactions ------------------------------------------------------------------------------*/

/*
 * A transaction collects changes, sees them in its own reads, and applies them in one commit.
 * What it reads is remembered; commit fails with HOLOG_E_CONFLICT, naming the path, when any of it
 * has been changed by another commit since (optimistic). A read depends on the entry, or on its being
 * missing; on every symlink and directory on the way to it; a listing on the directory's children (a
 * stat of a directory only on its being one); and what the transaction has copied or moved and then
 * reads, on the source. A change through a symlink that leads elsewhere by then is a conflict too.
 * Changes are checked against the contract of the calls above when they are made, against what readers
 * see (commits that are on their way are not among that), and again at commit, against all.
 */
HOLOG_API int holog_begin(holog_store *store, holog_txn **out_txn);
HOLOG_API int holog_txn_save(holog_txn *txn, const char *path, const void *data, size_t len_bytes,
                             unsigned flags);
HOLOG_API int holog_txn_mkdir(holog_txn *txn, const char *path, unsigned flags);
HOLOG_API int holog_txn_delete(holog_txn *txn, const char *path);
HOLOG_API int holog_txn_delete_all(holog_txn *txn, const char *path);
HOLOG_API int holog_txn_copy(holog_txn *txn, const char *from, const char *to, unsigned flags);
HOLOG_API int holog_txn_move(holog_txn *txn, const char *from, const char *to, unsigned flags);
HOLOG_API int holog_txn_symlink(holog_txn *txn, const char *target, const char *path,
                                unsigned flags);
HOLOG_API int holog_txn_load(holog_txn *txn, const char *path, holog_value **out_value);
HOLOG_API int holog_txn_stat(holog_txn *txn, const char *path, holog_stat_info *out_info);
HOLOG_API int holog_txn_list(holog_txn *txn, const char *path, holog_cursor **out_cursor);
/* The commit fails with HOLOG_E_CONFLICT unless the entry's number is still `number` (0: unless it
 * is missing, or a directory on the way to it). */
HOLOG_API int holog_txn_expect(holog_txn *txn, const char *path, uint64_t number);
/* Up to 4 KiB of UTF-8 kept with the commit. */
HOLOG_API int holog_txn_message(holog_txn *txn, const char *message);
/* key=value kept with the commit; keys of 1-255 bytes, values to 4 KiB, 64 of them. */
HOLOG_API int holog_txn_meta(holog_txn *txn, const char *key, const char *value);
HOLOG_API int holog_txn_sync(holog_txn *txn, enum holog_sync sync); /* for this commit */
/* Savepoints nest: *out_id names the present state; rollback_to undoes all changes after it. */
HOLOG_API int holog_txn_savepoint(holog_txn *txn, uint32_t *out_id);
HOLOG_API int holog_txn_rollback_to(holog_txn *txn, uint32_t id);

/* Commit and free txn (also on failure, but for HOLOG_E_AGAIN). Without changes: success, no
 * commit, *out_number = the newest. HOLOG_E_DROPPED: the state that it rolls back to has gone since. Returns when acknowledged in the sync mode. */
HOLOG_API int holog_commit(holog_txn *txn, uint64_t *out_number);

/* As holog_commit, but returns once the commit has its number and its place in the log; checks
 * have been made and it will be seen, durable, later. `done` (may be NULL) is called exactly once
 * when it is acknowledged in its sync mode or has failed, in commit order, on a thread of the
 * library's (with no_background: on the thread that waits); it may only signal. HOLOG_E_AGAIN: the
 * bytes in flight are at their limit; the transaction is kept, wait for some. */
typedef void (*holog_commit_fn)(void *ctx, int code, uint64_t number);
HOLOG_API int holog_commit_async(holog_txn *txn, holog_commit_fn done, void *ctx,
                                 uint64_t *out_number);
HOLOG_API void holog_abort(holog_txn *txn); /* NULL is fine */

/* ---- durability ---------------------------------------------------------------------------------*/

HOLOG_API int holog_sync(holog_store *store); /* all acknowledged so far is as durable as COMMIT */
/* Returns when `number` and all before it are durable. timeout_ms 0: asks only (HOLOG_E_AGAIN);
 * UINT32_MAX: as long as it takes. HOLOG_E_INVAL: no commit has that number yet. */
HOLOG_API int holog_wait_durable(holog_store *store, uint64_t number, uint32_t timeout_ms);
/* Never ahead of the next: what is durable can be read. */
HOLOG_API uint64_t holog_durable_number(holog_store *store);
HOLOG_API uint64_t holog_last_number(holog_store *store); /* newest commit that readers here see */
/* An eventfd that counts up whenever the durable number advances, and once when it is asked for (one
 * for the store, the library owns it; poll it with your event loop). HOLOG_E_NOTSUP where there is
 * none. */
HOLOG_API int holog_event_fd(holog_store *store, int *out_fd);

/* ---- reading: views and cursors -----------------------------------------------------------------*/

/* A view is the store as of one commit, for as long as it is held. It blocks nobody. */
HOLOG_API int holog_view_open(holog_store *store, holog_view **out_view);
HOLOG_API void holog_view_close(holog_view *view); /* NULL is fine */
HOLOG_API uint64_t holog_view_number(const holog_view *view);
HOLOG_API int holog_view_load(holog_view *view, const char *path, holog_value **out_value);
HOLOG_API int holog_view_load_range(holog_view *view, const char *path, uint64_t offset, void *buf,
                                    size_t len_bytes, size_t *out_n);
HOLOG_API int holog_view_stat(holog_view *view, const char *path, holog_stat_info *out_info);
HOLOG_API int holog_view_readlink(holog_view *view, const char *path, char *buf, size_t buf_size);

enum holog_list_flags {
    HOLOG_LIST_RECURSIVE =
        1 /* everything below, in path order (a directory before what is in it) */
};
typedef struct holog_entry {
    const char *path; /* canonical, borrowed until the next call on the cursor */
    const char *name; /* last component, inside path */
    size_t path_len;
    uint32_t type; /* enum holog_type */
    uint32_t reserved;
    uint64_t size_bytes;
    uint64_t number;
} holog_entry;
/* Direct children in natural order ("z2" before "z10"), only names that start with `prefix` (NULL:
 * all; with RECURSIVE each entry's own name is asked, at every level) and come after `after` (NULL: from the start; the last name of a page resumes it).
 * HOLOG_E_NOENT, HOLOG_E_NOTDIR. The view must outlive the cursor. */
HOLOG_API int holog_view_list(holog_view *view, const char *path, unsigned flags,
                              const char *prefix, const char *after, holog_cursor **out_cursor);
/* As holog_view_list on a view of the newest commit that the cursor owns. */
HOLOG_API int holog_list(holog_store *store, const char *path, unsigned flags, const char *prefix,
                         const char *after, holog_cursor **out_cursor);
/* HOLOG_OK and an entry, or HOLOG_E_NOENT at the end. out_entry is borrowed till the next call. */
HOLOG_API int holog_cursor_next(holog_cursor *cursor, const holog_entry **out_entry);
HOLOG_API void holog_cursor_close(holog_cursor *cursor); /* NULL is fine */

/* ---- values larger than memory -------------------------------------------------------------------*/

/* Write a blob piece by piece; it appears when finished, in one commit. size_hint 0 = unknown.
 * Opening refuses what holog_save would refuse now; finishing checks again. Any budget will do: a
 * writer takes a sixteenth of it at most, and waits for its own writes before it takes more than
 * one buffer (64 KiB to 8 MiB). An aborted or failed one gives its room on disk back. */
HOLOG_API int holog_writer_open(holog_store *store, const char *path, uint64_t size_hint,
                                unsigned flags, holog_writer **out_writer);
HOLOG_API int holog_writer_write(holog_writer *writer, const void *data, size_t len_bytes);
HOLOG_API int holog_writer_finish(holog_writer *writer, uint64_t *out_number); /* frees it */
HOLOG_API void holog_writer_abort(holog_writer *writer);                       /* NULL is fine */
/* Reading piece by piece is holog_view_load_range. */

/* A page-aligned buffer of the library's own memory, for images that are made once and saved. Free
 * with holog_buffer_free. NULL: no memory. */
HOLOG_API void *holog_buffer_new(size_t len_bytes);
HOLOG_API void holog_buffer_free(void *buffer);

/* ---- other processes ------------------------------------------------------------------------------*/

/* Read-only handles: catch up with the writer; *out_number (may be NULL) is the newest seen. */
HOLOG_API int holog_refresh(holog_store *store, uint64_t *out_number);

/* ---- the log ----------------------------------------------------------------------------------------*/

typedef struct holog_commit_info {
    uint64_t number;
    uint64_t time_ns;
    uint32_t records; /* changes in it */
    uint32_t segment; /* its frame */
    uint64_t offset;
    uint64_t bytes;          /* frame and extents */
    const char *message;     /* borrowed for the callback; "" when none */
    const char *const *meta; /* key, value, key, value, ..., NULL */
    const char *path;        /* with a path filter: the path as changed there; else NULL */
} holog_commit_info;
/* Newest first, at most `limit` (0 = all), only numbers < before (0 = from the newest), only
 * commits that changed `path` or something below it (NULL: all). `each` returns non-zero to stop.
 * Reads the log: seconds for each GiB of it. */
HOLOG_API int holog_log(holog_store *store, const char *path, uint64_t before, uint64_t limit,
                        int (*each)(void *ctx, const holog_commit_info *info), void *ctx);

/* ---- health -------------------------------------------------------------------------------------------*/

#define HOLOG_HIST_BUCKETS \
    64 /* bucket i counts latencies in [2^(i/2), 2^((i+1)/2)) of 16 ns units */
typedef struct holog_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t buckets[HOLOG_HIST_BUCKETS];
} holog_histogram;
HOLOG_API uint64_t holog_histogram_percentile(const holog_histogram *h, double percent); /* ns */

typedef struct holog_stats {
    uint32_t struct_size;
    uint32_t poisoned; /* 1: HOLOG_E_POISONED from now on */
    uint64_t entries, directories;
    uint64_t last_number, durable_number;
    uint64_t live_key_bytes, live_value_bytes; /* at the newest commit */
    uint64_t disk_bytes;                       /* all files of the store, allocated */
    uint64_t log_bytes, extent_bytes;          /* used in frame and extent segments */
    uint64_t segments;
    uint64_t commits, groups, syncs, records; /* since open */
    uint64_t bytes_saved,
        bytes_loaded; /* loaded: of values, ranges, regions of arrays and previews, as callers got them */
    uint64_t bytes_written, bytes_read; /* to segment files, and asked of them */
    uint64_t cache_bytes, index_bytes, budget_bytes;
    uint64_t cache_hits, cache_misses, evictions;
    uint64_t views_open, oldest_view_number;
    uint64_t segment_rolls, checkpoints, window_waits, groups_beyond_window;
    holog_histogram commit_latency, group_write_latency, load_latency;
    uint64_t side_table_bytes; /* the hash table beside the index; not in index_bytes */
    /* deltas (holog/versions.h), since open */
    uint64_t delta_updates; /* of all kinds: */
    uint64_t delta_inserts, delta_replaces, delta_deletes, delta_moves;
    uint64_t delta_bytes_modified;    /* that came, went or moved; of an update the larger number */
    uint64_t delta_time_ns;           /* of the commits with deltas */
    uint64_t delta_average_ns;        /* for each delta; 0 while there are none */
    uint64_t conservation_violations; /* refused, HOLOG_E_CONSERVE */
    uint64_t folds, fold_bytes_written; /* since open, too */
    uint64_t rope_bytes;                /* memory of ropes: values as deltas made them */
    /* cold segments (holog/compact.h), where compactions have put values */
    uint64_t cold_bytes;        /* used in them, as log_bytes and extent_bytes of the others */
    uint64_t cold_values;       /* in them, those too that nobody needs any more */
    uint64_t cold_raw_bytes;    /* of these values; several with the same bytes have them each */
    uint64_t cold_stored_bytes; /* what these take: cold_bytes without headers and tables */
    /* compaction by itself (holog/compact.h), since open; of a read-only handle 0, but compaction_used_bytes and
     * compaction_waiting_bytes, which are as of its open */
    uint64_t compactions; /* of one round or more each, which moved or removed something */
    uint64_t compaction_rounds, compaction_marks;
    uint64_t compaction_moved_bytes; /* of values */
    uint64_t compaction_freed_bytes; /* of files, those that came taken off */
    uint64_t
        compactions_forced; /* calls of holog_compact, which do not count above but for their marks */
    uint64_t compaction_forced_bytes; /* of values that these moved */
    uint64_t commits_delayed;         /* by a compaction that was behind: */
    uint64_t commit_delay_ns;         /* together */
    uint64_t commits_stalled;         /* of those, that waited at the cap */
    uint64_t commit_stall_max_ns;     /* the longest */
    uint64_t compaction_running_ns;  /* how long the round under way has lasted; 0: there is none */
    uint64_t compaction_done_bytes;  /* of it, read and written ... */
    uint64_t compaction_total_bytes; /* ... of so many; 0: not known yet */
    uint64_t compaction_used_bytes;  /* in segments */
    uint64_t compaction_waiting_bytes; /* in files that only readers elsewhere may still need */
    uint64_t
        compaction_needed_bytes; /* what lives in them: for the newest state, history, tags, views; an
                                           estimate, exact as of the last mark */
    uint64_t compaction_cap_bytes; /* what compaction_used_bytes should stay below */
    uint64_t
        base_bytes; /* used in bases: the index as of a frame, where frames before that may be gone */
    /* holog_scrub (holog/compact.h), since open */
    uint64_t scrubbed_bytes; /* read */
    uint64_t scrub_damages;  /* found */
    /* compactions, by itself and asked for, since open: rounds that moved or removed something. Together with the bytes of
     * values above, how fast they are */
    uint64_t compaction_time_ns;       /* that they took, with the pauses they made for others */
    uint64_t compaction_record_bytes;  /* of small records, and what else was moved as it is */
    uint64_t compaction_written_bytes; /* of the cold segments that they wrote */
} holog_stats;
HOLOG_API int holog_stats_get(holog_store *store, holog_stats *out_stats);

enum holog_health_state {
    HOLOG_HEALTH_OK = 0,
    HOLOG_HEALTH_DEGRADED =
        1, /* everything works; something is slower, until it can be done again */
    HOLOG_HEALTH_READONLY = 2, /* reading works */
    HOLOG_HEALTH_FAILED = 3    /* an earlier write failed: reading works, until it is closed */
};
/* How the handle is, the worst of all that there is to say; asks the disk nothing. `each` (may be NULL) gets the
 * reasons, the worst first, borrowed for the call; non-zero stops. */
HOLOG_API int holog_health(holog_store *store, uint32_t *out_state,
                           int (*each)(void *ctx, uint32_t state, const char *reason), void *ctx);
HOLOG_API const char *holog_health_name(
    uint32_t state); /* "ok", "degraded", "read-only", "failed" */

/* What machine and what choices: keys and values for people and --json. */
HOLOG_API int holog_info(holog_store *store,
                         int (*each)(void *ctx, const char *key, const char *value), void *ctx);
/* Settings kept in the store: value NULL asks. Sizes and max_space_amp are fixed at creation; names
 * that begin with "user." are yours. */
HOLOG_API int holog_config(holog_store *store, const char *key, const char *value, char *out_value,
                           size_t out_size);
HOLOG_API int holog_config_list(holog_store *store,
                                int (*each)(void *ctx, const char *key, const char *value),
                                void *ctx);

typedef struct holog_damage {
    const char *file; /* "seg/00000001.hlog"; NULL: what is said is of no one file */
    uint32_t segment;
    uint32_t harmless; /* 1: nothing is lost, and the store does without or rebuilds it */
    uint64_t offset;
    uint64_t first_number, last_number; /* commits concerned; 0 when unknown */
    const char *path;                   /* entry concerned, or NULL */
    const char *message;
} holog_damage;
enum holog_verify_flags {
    HOLOG_VERIFY_QUICK = 1 /* headers, footers, chain; no payload */
};
/* Reads and checks everything in directory `dir`; the store need not be openable, and may be open
 * here or elsewhere: what its writer has made durable is checked, nothing behind it is judged.
 * Writes nothing. HOLOG_OK: sound (out counts may be NULL); HOLOG_E_CORRUPT
 * after reporting every damage found. A store with compressed segments is opened, too, as a reader does, and takes the
 * memory of one: what it holds in extents may be named by nothing else, and damaged values in them are told as
 * holog_scrub does (holog/compact.h), if it can be opened. */
HOLOG_API int holog_verify(const char *dir, unsigned flags,
                           int (*each)(void *ctx, const holog_damage *damage), void *ctx,
                           holog_progress_fn progress, void *progress_ctx);

enum holog_repair_mode {
    HOLOG_REPAIR_POINT_IN_TIME = 1,
    HOLOG_REPAIR_SALVAGE = 2
};
typedef struct holog_repair_report {
    uint32_t struct_size;
    uint32_t changed;                             /* 0: nothing needed doing */
    uint64_t kept_through_number;                 /* newest commit kept whole */
    uint64_t lost_first_number, lost_last_number; /* 0, 0: none */
    uint64_t entries_lost;
    uint64_t quarantined_bytes;
} holog_repair_report;
/* Makes a damaged store open again. POINT_IN_TIME keeps everything before the first damage;
 * SALVAGE keeps every commit that verifies and lists what is gone (each lost path through `log`
 * style callback). What is cut is first copied to quarantine/. dry_run: reports only. Idempotent.
 * HOLOG_E_BUSY, of a dry run too: a process has the store open for writing. out_report may
 * be NULL. */
HOLOG_API int holog_repair(const char *dir, enum holog_repair_mode mode, int dry_run,
                           int (*each)(void *ctx, const holog_damage *lost), void *ctx,
                           holog_repair_report *out_report);

/* A number that two stores with the same paths, values and types share, made with the same inline_max:
 * for tests and replicas. */
HOLOG_API int holog_state_hash(holog_view *view, uint64_t *out_hash);

#ifdef __cplusplus
}
#endif

#endif
