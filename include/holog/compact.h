/*
 * holog/compact.h: making what is stored take less room. Conventions (results, structs, threads) are those of
 * holog/holog.h.
 *
 * A store only ever appends. What was replaced or deleted, and is no longer kept by the rules of retention
 * (holog/versions.h), by a tag or by an open view, is garbage; a *compaction* gives its space back: segments without
 * anything that lives go; what lives in others is compressed into a cold segment (.hwp), and then they go. Arrays are
 * compressed by what they are, and read by the parts that are asked for. Nothing that can be read changes: numbers,
 * history and tags stay as they are.
 *
 * Large values lie in extents, small ones in the frames of commits. Frames can only go when the index as of some commit is in a
 * file of its own, which the log begins with from then on (a *base*): one is written when the garbage in frame segments is worth
 * it. What stays of them is kept as it is, compressed.
 *
 * It goes in rounds of at most 512 MiB of values, each of which is there whole or not at all, whatever is cut. While one
 * lasts, what it writes and what it replaces are both on the disk. Other threads go on reading and committing; what they
 * save once the first round has begun is left for the next compaction.
 *
 * A store that is open for writing compacts by itself, on a thread of its own (not with holog_options no_compaction or
 * no_background), so that its segments take no more than max_space_amp times what is needed: what lives for the newest
 * state, history, tags and views, files that only readers in other processes still need, and four segments. Garbage of
 * less than four segments is left alone. How fast it goes follows what commits write. When it is behind, commits (but not
 * those that only delete or roll back) are delayed, by 5 ms each at most, and wait at the limit itself for as long as the
 * compaction gets on; if nothing moves for two seconds they go on. Where a compaction can gain nothing commits never
 * wait: they go on beyond the limit, and opts.log is told once what holds the bytes. holog_stats has all of this in
 * numbers. Where a store is opened only for a moment, again and again, there is no time beside commits: then holog_close
 * does some of it, up to a few times what was written, when three quarters of the way to the limit are gone.
 *
 * How hard it tries is the setting "compression" (holog_config), of what is compacted from then on: "default"; "fast": LZ4,
 * read at twice the speed and up to twice as large; "archive": more is tried, and the highest level where bytes
 * repeat, which is a hundred times slower. What was compacted before stays as it is until it is compacted again.
 *
 * A purge (HOLOG_COMPACT_PURGE) is a compaction that goes to the last byte: when it returns HOLOG_OK, no segment has anything
 * of a value or record that nobody could ask for when it was called. It begins new segments, and writes a base; then
 * frame segments are replaced, compressed segments that have records of those, and of extents and compressed values the
 * segments that do not live as a whole: whatever that is worth. It waits for up to a minute for readers in other processes
 * to let go of the files that were replaced (progress is asked then, too, in "files"; no other compaction goes on
 * meanwhile); then these lose their names all the same. HOLOG_E_BUSY: something has to stay, or a reader is still there,
 * which may have such files open; the message names the file, why, and what to do. Cut, or failed, it is begun anew by the
 * next one.
 *
 * What can still be asked for stays, and with it what it is made of:
 *   - what history, tags and open views hold: let it go first (holog_gc);
 *   - of a value that was changed in parts (holog_apply, regions of arrays), and of copies of it, the bytes that were
 *   replaced: save it anew as a whole first;
 *   - of a commit that is kept, what the same commit had replaced again: it is kept as a whole;
 *   - names of paths and tags, messages and settings, which are no values.
 * Copies of damaged bytes in quarantine/ are not touched. Files are cut or unlinked; what the file system and the disk keep
 * of their blocks is theirs (fstrim).
 *
 *     static int tidy(holog_store *store)
 *     {
 *         holog_compact_report r = { .struct_size = sizeof r };
 *         int rc = holog_compact(store, NULL, &r);
 *         if (rc == HOLOG_OK && r.added_bytes > 0)
 *             printf("%.1f : 1\n", (double)r.value_bytes / (double)r.added_bytes);
 *         return rc;
 *     }
 */
#ifndef HOLOG_COMPACT_H
#define HOLOG_COMPACT_H

#include "holog/holog.h"

#ifdef __cplusplus
extern "C" {
#endif

enum holog_compact_flags {
    HOLOG_COMPACT_ALL =
        1, /* everything that is large enough to be moved, not only what has much garbage beside it */
    HOLOG_COMPACT_DRY_RUN = 2, /* says what would be done */
    HOLOG_COMPACT_PURGE =
        4 /* what nobody can ask for any more is in no segment when the call returns: see above */
};

typedef struct holog_compact_options {
    uint32_t struct_size;
    uint32_t flags; /* enum holog_compact_flags */
    holog_progress_fn
        progress; /* bytes of values moved, and to be moved; may be NULL. Not 0 ends it: HOLOG_E_CANCELED,
                                   and this round has changed nothing */
    void *progress_ctx;
} holog_compact_options;

typedef struct holog_compact_report {
    uint32_t struct_size;
    uint32_t
        waiting; /* files that readers, in other processes too, may still read: they go with a later call or open */
    uint64_t segments_removed; /* dry run: that would be; so all below */
    uint64_t removed_bytes;    /* their files */
    uint64_t segments_added;   /* one for each round that moved something */
    uint64_t added_bytes;      /* their files; 0 of a dry run */
    uint64_t values;           /* large ones, moved */
    uint64_t value_bytes;
    uint64_t
        records; /* moved as they are: small values, and what else commits say that is still asked for */
    uint64_t record_bytes;
} holog_compact_report;

/* Compacts now. options may be NULL: what has much garbage beside it. out_report may be NULL. HOLOG_E_BUSY: another
 * compaction is under way. HOLOG_E_NOSPC, HOLOG_E_BUDGET, HOLOG_E_CORRUPT (something that lives cannot be read; where, the
 * error says) and other errors: the round has changed nothing that can be read (what had nothing alive in it may
 * have gone); what rounds before it did is done. out_report is then
 * as it was. A dry run is of the first round, and needs a store that is open for writing, too. A purge: HOLOG_E_BUSY also when
 * something stays, with file and reason: values beside it are being written, or one is too large to be moved (256 MiB, or a
 * quarter of the budget), or readers in other processes still use files that were replaced; all else is done then.
 * HOLOG_E_INVAL: flags that are unknown, or do not go together. Any thread; one at a time.
 * HOLOG_E_READONLY: the store is open for reading only. */
HOLOG_API int holog_compact(holog_store *store, const holog_compact_options *options,
                            holog_compact_report *out_report);

/* No compaction by itself until holog_compact_resume has been called as often. One round under way ends, having changed
 * nothing, or is finished; on return none is. Commits do not wait for room meanwhile. holog_compact works all the same.
 * Any thread. HOLOG_E_READONLY; resume: HOLOG_E_INVAL, it is not paused. */
HOLOG_API int holog_compact_pause(holog_store *store);
HOLOG_API int holog_compact_resume(holog_store *store);

/* What the store's own thread does when it wakes up, at once: one round at most, if it may pay. For stores without threads
 * of their own (no_background), and tests. out_report may be NULL; all of it is 0 when there was nothing to do, or it is
 * paused. HOLOG_E_BUSY: another compaction is under way; other errors as for holog_compact. Any thread. */
HOLOG_API int holog_compact_step(holog_store *store, holog_compact_report *out_report);

/* ---- scrub ----------------------------------------------------------------------------------------*/

typedef struct holog_scrub_options {
    uint32_t struct_size;
    uint64_t
        bytes_per_s; /* read, on the average over a second; 0: as fast as the disk gives them */
    holog_progress_fn
        progress; /* bytes read, of all there are; may be NULL. Not 0 ends it: HOLOG_E_CANCELED */
    void *progress_ctx;
} holog_scrub_options;

typedef struct holog_scrub_report {
    uint32_t struct_size;
    uint32_t segments; /* read to the end */
    uint64_t bytes;    /* read, those twice that several values have */
    uint64_t damages;  /* but for those that are harmless */
} holog_scrub_report;

/* Reads the cold segments of an open store, decodes every block and compares all hashes and sums, while others read and
 * commit: for damage that nobody comes across for years, found while there is a copy elsewhere. `each` (may be NULL) is told
 * of every value, or pool of small records, that is damaged, with file, offset and path, also of values that are only read
 * with the bytes of one that is: the same, or differences from it; not 0 ends it: HOLOG_E_CANCELED.
 * Of a value that is not the newest version the message says so. One that nobody can ask for any more is told as harmless,
 * without a path, and is no reason for HOLOG_E_CORRUPT: it goes when its segment is compacted, or with a purge. The path is
 * that by which it can be asked for; to know it, the first damage of a segment takes a mark of what lives in the store.
 * Nothing is written. A segment that a compaction replaces meanwhile is passed over. holog_verify, which is of a directory,
 * reads all else as well, and as fast as it can. HOLOG_E_CORRUPT: damage was told of that is not harmless; out_report (may be NULL) is filled in
 * then, too. Counted in holog_stats. Any thread, a read-only handle also. */
HOLOG_API int holog_scrub(holog_store *store, const holog_scrub_options *options,
                          int (*each)(void *ctx, const holog_damage *damage), void *ctx,
                          holog_scrub_report *out_report);

/* ---- codecs ---------------------------------------------------------------------------------------*/

enum holog_codec_state {
    HOLOG_CODEC_KNOWN = 0,
    HOLOG_CODEC_LATER = 1,     /* coded in a way that only later versions of holog know */
    HOLOG_CODEC_UNREADABLE = 2 /* where how they are coded is said there is damage */
};

/* The blocks of cold segments that are coded in one way: a block is a tile of an array, up to 128 KiB of other values, or a
 * pool of up to 256 KiB of small records. */
typedef struct holog_codec_row {
    uint32_t struct_size;
    uint32_t pools;         /* 1: pools of small records; 0: values */
    uint32_t state;         /* enum holog_codec_state */
    uint32_t filter, codec; /* by docs/FORMAT.md, section 12; 0 unless they are known */
    uint32_t reserved;      /* 0 */
    const char *filter_name, *codec_name; /* "lift26", "literals"; "" unless they are known */
    uint64_t blocks;
    uint64_t differences;  /* of these, that are stored as what is different from another version */
    uint64_t raw_bytes;    /* what comes out of them */
    uint64_t stored_bytes; /* what they take in the files */
} holog_codec_row;

typedef struct holog_codec_report {
    uint32_t struct_size;
    uint32_t segments;
    uint64_t blocks, differences, raw_bytes, stored_bytes; /* of all rows */
    uint64_t same_values; /* have the bytes of other values, take none, and are in no row */
    uint64_t same_bytes;  /* of these; with raw_bytes what holog_stats calls cold_raw_bytes */
    uint64_t damages;     /* that were told of */
    uint64_t read_bytes;  /* of the files, to know this */
} holog_codec_report;

/* How well what was compressed is compressed, by codec: `row` is called for each way in which there are blocks, those of
 * values first, then by filter and codec. Of the files no more is read than says how blocks are coded: less than a
 * hundredth of what arrays take, a block of the disk for each pool; where blocks take a few KiB only, up to all. Nothing is
 * written.
 *
 * Blocks of which that is damaged are counted as unreadable, and `damage` is told of each place, before the rows. Not 0 from
 * either ends it: HOLOG_E_CANCELED. Each may be NULL, as may out_report. A segment that a compaction replaces meanwhile is
 * passed over, and one that it adds is not there yet. Any thread, a read-only handle also.
 *
 * HOLOG_E_CORRUPT  there are unreadable blocks; all rows were given, and out_report is filled in, all the same */
HOLOG_API int holog_codec_stats(holog_store *store,
                                int (*row)(void *ctx, const holog_codec_row *row),
                                int (*damage)(void *ctx, const holog_damage *damage), void *ctx,
                                holog_codec_report *out_report);

#ifdef __cplusplus
}
#endif

#endif
