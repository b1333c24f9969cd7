/*
 * holog/versions.h: the history of a store. Earlier states, what changed between them, the way back,
 * and how much of it all is kept. Conventions (results, structs, threads) are those of holog/holog.h.
 *
 * Numbers   Every commit has a number; the state "as of" a number is what that commit left. States are
 *           kept by the rules of retention (the settings retention.commits, default 1000,
 *           retention.age_s, 604800, and retention.bytes, "live": the first that is reached counts;
 *           "all" takes a rule away), and as long as a tag names them. Rules are applied now and then:
 *           some more commits than they ask for may be there. What is not kept any more is
 *           HOLOG_E_DROPPED; a number that no commit has had yet is HOLOG_E_INVAL.
 * Cost      Reading as of a number costs the same at any distance.
 */
#ifndef HOLOG_VERSIONS_H
#define HOLOG_VERSIONS_H

#include "holog/holog.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- naming a state -------------------------------------------------------------------------------*/

/* A REF: a number ("17"), a tag ("v1"), "HEAD" or "HEAD~3" (so many commits before the newest), or a
 * time ("2026-11-21T08:00:00Z": the newest commit at or before it; fractions of a second are allowed,
 * and "+02:00" in place of Z). HOLOG_E_INVAL: not one of these; HOLOG_E_NOENT: no such tag, or no
 * commit that early; HOLOG_E_DROPPED. */
HOLOG_API int holog_ref(holog_store *store, const char *ref, uint64_t *out_number);

/* A view as of a number: everything that reads a view reads it. A directory that has changed since
 * shows the number of the commit that made it. Release with holog_view_close. */
HOLOG_API int holog_view_open_at(holog_store *store, uint64_t number, holog_view **out_view);

/* The number before the last n commits that changed `path` or something below it: where going back n
 * steps leads. HOLOG_E_DROPPED: so many are not kept; HOLOG_E_NOENT: there is and was nothing;
 * HOLOG_E_INVAL: n is 0. */
HOLOG_API int holog_before_changes(holog_store *store, const char *path, uint64_t n,
                                   uint64_t *out_number);

/* ---- history of one path --------------------------------------------------------------------------*/

typedef struct holog_version_info {
    uint32_t struct_size;
    uint32_t type;           /* enum holog_type */
    uint64_t number;         /* commit that made this version ... */
    uint64_t end_number;     /* ... and the one that replaced or removed it; 0: it is current */
    uint64_t time_ns;        /* of the commit; 0: it is not known any more */
    uint64_t size_bytes;     /* as in holog_stat */
    uint64_t segment;        /* where its record is */
    uint64_t offset;         /*  */
    const char *message;     /* of the commit; borrowed for the callback; "" when none */
    const char *const *meta; /* key, value, ..., NULL */
} holog_version_info;
/* The versions of `path` (a symlink on the way is followed as it leads now, the last component is
 * not), newest first, at most `limit` (0 = all that are kept). `each` returns non-zero to stop.
 * HOLOG_E_NOENT: there is and was nothing; HOLOG_E_INVAL: the root directory, which has none. */
HOLOG_API int holog_history(holog_store *store, const char *path, uint64_t limit,
                            int (*each)(void *ctx, const holog_version_info *info), void *ctx);

/* ---- differences ----------------------------------------------------------------------------------*/

/* Bytes [a_offset, a_offset + a_len) of the older and [b_offset, ...) of the newer value differ; what
 * lies between ranges is the same in both. a_len 0: inserted; b_len 0: removed. */
typedef struct holog_range {
    uint64_t a_offset, a_len;
    uint64_t b_offset, b_len;
} holog_range;
typedef struct holog_difference {
    uint32_t struct_size;
    uint32_t a_type, b_type;     /* MISSING: it is only in the other state */
    uint32_t n_ranges;           /* with HOLOG_DIFF_RANGES, of two blobs */
    uint64_t a_number, b_number; /* of the versions */
    uint64_t a_size, b_size;     /* bytes */
    const char *path;            /* borrowed for the callback, as ranges are */
    const holog_range *ranges;
} holog_difference;
enum holog_diff_flags {
    HOLOG_DIFF_RANGES = 1 /* also which bytes: reads the parts that may differ */
};
/* What differs at or below `path` ("/" = everything) between the states as of a and b, in the order of
 * the paths. Costs what has changed since the older of them, not what is there. */
HOLOG_API int holog_diff(holog_store *store, uint64_t a, uint64_t b, const char *path,
                         unsigned flags, int (*each)(void *ctx, const holog_difference *d),
                         void *ctx);

/* ---- deltas ----------------------------------------------------------------------------------------*/

/*
 * Changes of a part of a blob. Each costs what it changes, whatever the size of the value, and makes
 * a version of its own in the history. Offsets count bytes of the value as it is before the change.
 *
 *   INSERT  data comes before byte `start`, and what was there follows. start <= size
 *   UPDATE  bytes [start, end) give way to data, which may be longer or shorter. start <= end <= size
 *   DELETE  bytes [start, end) go
 *   MOVE    bytes [start, end) are cut out and come before byte `to`, counted before the cut.
 *           to <= size; not start < to < end
 * Nothing is written past the end: HOLOG_E_RANGE. start > end and a move into its own range are
 * HOLOG_E_INVAL. A length of zero is fine: a change that changes nothing still makes a version.
 */
enum holog_delta_kind {
    HOLOG_DELTA_INSERT = 1,
    HOLOG_DELTA_UPDATE = 2,
    HOLOG_DELTA_DELETE = 3,
    HOLOG_DELTA_MOVE = 4
};
typedef struct holog_delta {
    uint32_t kind; /* enum holog_delta_kind */
    uint32_t reserved;
    uint64_t start;
    uint64_t end;     /* not of INSERT */
    uint64_t to;      /* MOVE */
    const void *data; /* INSERT, UPDATE; may be NULL when len_bytes is 0 */
    size_t len_bytes;
} holog_delta;

enum holog_apply_flags {
    HOLOG_BALANCE = 4 /* see conservation */
};

/* All or none, one commit; each sees those before it. A symlink is followed, as by a load. n == 0 is a
 * success without a commit. expect_number: HOLOG_E_CONFLICT unless that is the number of the entry (0:
 * any). HOLOG_E_NOENT, HOLOG_E_ISDIR. HOLOG_E_TOOBIG: the records are more than a frame holds (some
 * 100,000 deltas with the default sizes; data above inline_max does not count).
 *
 * Conservation: the sum of a value's bytes modulo 96 (`csum` of holog_stat) is kept up with each delta.
 * The setting "conservation" says what for: "off" (the csum of what a delta changes is 127 then: not known), "track" (the default),
 * "enforce": deltas that change the sum of a value, all those of a commit together, are refused with
 * HOLOG_E_CONSERVE unless one of them has HOLOG_BALANCE; then what is missing, (96 - csum) % 96, goes
 * with the commit as metadata: "holog.deficit", "<deficit> <path>". The value itself is never touched. */
HOLOG_API int holog_apply(holog_store *store, const char *path, const holog_delta *deltas, size_t n,
                          unsigned flags, uint64_t expect_number, uint64_t *out_number);
/* Within a transaction the deltas apply to what it sees. At commit they apply to what is there then:
 * where the transaction has not read the value itself, others may have changed it. */
HOLOG_API int holog_txn_apply(holog_txn *txn, const char *path, const holog_delta *deltas, size_t n,
                              unsigned flags);

/* Values that deltas changed often are folded now and then, by a thread of the library's: bytes that
 * lie in many short pieces are written once more in one, so that reading stays fast. Nobody sees it:
 * bytes, numbers and history stay. This does it now, for all of the blob's short pieces (a store with
 * no_background is folded by nothing else). Returns when it is in the log; it need not be durable.
 * HOLOG_E_BUSY: a compaction is under way (holog/compact.h); later. */
HOLOG_API int holog_fold(holog_store *store, const char *path);

/* ---- going back -----------------------------------------------------------------------------------*/

/* `path` and all below it ("/" = everything) is again what it was as of `number`: one commit, which is
 * in the history itself and can be undone by another. What was not there then goes; nothing outside
 * `path` changes. No value is moved or written: the time depends on how many paths differ. Tags,
 * settings and rules of retention are not rolled back. HOLOG_E_NOENT: it is missing now and was missing
 * then, or its directory is missing. HOLOG_E_DROPPED. */
HOLOG_API int holog_rollback(holog_store *store, const char *path, uint64_t number,
                             uint64_t *out_number);
HOLOG_API int holog_txn_rollback(holog_txn *txn, const char *path, uint64_t number);

/* ---- tags -----------------------------------------------------------------------------------------*/

/* A durable name for a number, [A-Za-z][A-Za-z0-9._-]{0,63} and not HEAD; the state it names is kept.
 * Durable on return. HOLOG_E_EXIST without HOLOG_REPLACE (the only flag). Tags are no commits. */
HOLOG_API int holog_tag(holog_store *store, const char *name, uint64_t number, unsigned flags);
HOLOG_API int holog_tag_delete(holog_store *store, const char *name); /* HOLOG_E_NOENT */
HOLOG_API int holog_tag_list(holog_store *store,
                             int (*each)(void *ctx, const char *name, uint64_t number,
                                         uint64_t time_ns),
                             void *ctx);

/* ---- retention ------------------------------------------------------------------------------------*/

typedef struct holog_gc_report {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t horizon_before, horizon; /* oldest number kept by the rules */
    uint64_t commits_before, commits; /* whose states are kept */
    uint64_t versions, bytes;         /* let go (dry run: that would be); bytes of values */
    uint64_t kept_by_tags_bytes;      /* older than the horizon, kept by tags alone */
} holog_gc_report;
/* Applies the rules now, all the way. keep_commits, keep_age_s: for this once in place of the store's
 * (0: the store's). dry_run: only says what would go. */
HOLOG_API int holog_gc(holog_store *store, uint64_t keep_commits, uint64_t keep_age_s, int dry_run,
                       holog_gc_report *out_report);

/* A condition beside the rules. Before the rules let states go, `keep` is asked for each of them, the
 * newest first (number, time, message and metadata are set), and returns 0: it may go; or a priority
 * of 1 to 9: it gets the tag "kept-PRIORITY-NUMBER", which keeps it until somebody deletes that.
 * max_bytes (0: no bound): when what those tags alone hold is more, those of the lowest priority are
 * deleted, the oldest first. A condition is of this handle, not of the store; it is asked on a thread
 * of the library's, by holog_gc on the caller's, and with no_background only there; it may read the
 * store. Until it has answered nothing goes. NULL takes it away: on return it is not being asked, and is
 * not asked any more. */
typedef int (*holog_keep_fn)(void *ctx, const holog_commit_info *commit);
HOLOG_API int holog_keep_when(holog_store *store, holog_keep_fn keep, void *ctx,
                              uint64_t max_bytes);

/* What keeps values that are not current, beside the rules. */
enum holog_holder_kind {
    HOLOG_HOLDER_TAG = 1,
    HOLOG_HOLDER_PIN = 2 /* an open view, of this handle */
};
typedef struct holog_holder {
    uint32_t struct_size;
    uint32_t kind;
    uint64_t number;  /* the state that is held */
    uint64_t time_ns; /* since when, UTC */
    uint64_t bytes;   /* of values that the rules would let go; of a pin: at most so many */
    const char *name; /* of a tag; NULL of a pin. Borrowed for the callback */
} holog_holder;
/* Tags by name, then views, the oldest first. The settings pins.max_age_s and pins.max_bytes (default
 * "all": no bound) end views that hold for longer, or more: then every call on them is
 * HOLOG_E_STALE, and they hold nothing. */
HOLOG_API int holog_holders(holog_store *store, int (*each)(void *ctx, const holog_holder *holder),
                            void *ctx);

typedef struct holog_du_entry {
    uint32_t struct_size;
    uint32_t type;          /* enum holog_type, now; MISSING: it is only in the past */
    uint64_t entries;       /* now, itself included */
    uint64_t live_bytes;    /* values of these */
    uint64_t history_bytes; /* values that were replaced or removed and are kept by the rules */
    uint64_t tag_bytes;     /* older ones, that tags keep */
    const char *path;       /* borrowed for the callback */
} holog_du_entry;
/* What holds the space: one call for each direct child of `path`, in order, then one for path itself
 * with all of it. What a copy shares with its source counts in both. */
HOLOG_API int holog_du(holog_store *store, const char *path,
                       int (*each)(void *ctx, const holog_du_entry *entry), void *ctx);

#ifdef __cplusplus
}
#endif

#endif
