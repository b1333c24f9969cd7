/*
 * Where values and records lie that compactions have moved: the .hwp segments of the store, and reading from them.
 *
 * A value keeps its birth position for ever. Its record may be where it was, while its bytes are no longer in
 * the extents that the record names: then one of these segments has them, under the record's position. What is
 * read is checked by the segment's own hashes, and by who asked against the record's block table; but for boxes, of
 * which the table knows nothing.
 *
 * What lived in a frame segment that was replaced is there as pages, at the offsets it had: the cache asks for
 * them in place of its file (hg_cache_replace), so that who reads a record need not know. All pages of one segment are in
 * one of these: a compaction that moves some of them moves all.
 *
 * Any thread may read; segments come and go under a lock of rank 5, inside which nothing is taken. Who reads holds
 * the segments that there were when it began.
 */
#ifndef HG_ENGINE_COLD_H
#define HG_ENGINE_COLD_H

#include "base/assert.h"
#include "base/buf.h"
#include "holog/holog.h"
#include "wal/layout.h"

struct hg_cold;

HG_MUST_CHECK int hg_cold_create(holog_store *s, struct hg_cold **out);
void hg_cold_destroy(struct hg_cold *c); /* NULL is fine; nobody reads */

/* Memory for coding, that of all segments. */
struct hg_workspaces;
struct hg_workspaces *hg_cold_workspaces(struct hg_cold *c);
/* Segments that are to come (some may be there already) are opened, and there is memory for the list with them: what can fail comes before anything
 * is said to be durable. HOLOG_E_CORRUPT and what reading gives: one of them cannot be used. One at a time. */
struct hg_cold_set;
HG_MUST_CHECK int hg_cold_prepare(struct hg_cold *c, const uint32_t *added, size_t n_added,
                                  struct hg_cold_set **out);
/* They are of the store from now on, and those are not. */
void hg_cold_exchange(struct hg_cold *c, struct hg_cold_set *set, const uint32_t *removed,
                      size_t n_removed);
void hg_cold_drop(struct hg_cold_set *set); /* or they never will be; NULL is fine */
/* 1: the value or payload of the record at `birth` has been moved. */
int hg_cold_has(struct hg_cold *c, hg_pos birth);
/* Where that lies: its blocks, those of the value that it has the bytes of, and of the one that it, or that, is stored as
 * a difference from. Returns how many runs; 0: it has not been moved. */
#define HG_COLD_RUNS 3u
struct hg_cold_run {
    uint32_t segment;
    uint64_t offset;
    uint64_t len;
};
unsigned hg_cold_runs(struct hg_cold *c, hg_pos birth, struct hg_cold_run out[HG_COLD_RUNS]);
/* Bytes of a segment that are no value's: header, tables, footer. 0: there is no such segment. */
uint64_t hg_cold_own(struct hg_cold *c, uint32_t segment);
/* All of them together. */
struct hg_cold_sizes {
    uint64_t values;
    uint64_t raw;    /* their bytes, before they were compressed; the same ones count for each */
    uint64_t stored; /* in the files, without headers and tables */
};
void hg_cold_sizes(struct hg_cold *c, struct hg_cold_sizes *out);
/* Bytes [from, to) of it. HOLOG_E_STALE: it has not been moved. */
HG_MUST_CHECK int hg_cold_read(struct hg_cold *c, hg_pos birth, uint64_t from, uint64_t to,
                               void *out);
/* Some of its elements: as many as `count` along each axis, from `lo` on, of a C order array of shape `n`. */
struct hg_value_box {
    uint32_t
        size; /* bytes of an element; those of complex numbers are two, on an axis of their own */
    unsigned rank; /* 1 to HG_RANK_MAX + 1 */
    const uint64_t *n, *lo, *count;
    /* Above 0: of the array with its last two axes so many times halved; lo and count are of that, n is not. */
    unsigned halvings;
    uint32_t kind; /* of a preview: enum hg_element_kind, as means of other ones are other means */
};
/* Only the tiles are read that have something of it, and of a preview only the first slots of their groups. They are
 * checked by the segment's own hashes, of heads, of parts and of what comes out (a preview: of heads and parts), and by
 * nothing else. 1: it is not there as elements of that size and shape. HOLOG_E_STALE: it has not been moved. out: C
 * order. */
HG_MUST_CHECK int hg_cold_box(struct hg_cold *c, hg_pos birth, const struct hg_value_box *box,
                              void *out);
struct hg_hwp_shape;
struct hg_hwp_box;
/* The segment that has it, where it can be a base of values of that shape: it is neither a difference itself nor the
 * bytes of another. 0: it cannot, or has not been moved. */
uint32_t hg_cold_can_be_base(struct hg_cold *c, hg_pos birth, const struct hg_hwp_shape *shape);
/* As struct hg_hwp_bases (compaction/hwp.h) has it, of a struct hg_cold. */
HG_MUST_CHECK int hg_cold_read_base(void *cold, uint64_t birth, const struct hg_hwp_shape *shape,
                                    const struct hg_hwp_box *box, void *out);

/* Of every segment as it is now: id and bytes of its file, appended to `out`. */
struct hg_cold_file {
    uint32_t segment;
    uint64_t bytes;
};
HG_MUST_CHECK int hg_cold_files(struct hg_cold *c, struct hg_buf *out);
int hg_cold_there(struct hg_cold *c, uint32_t segment); /* just now */
/* How the blocks of one are coded, added to `out` (hg_hwp_census). HOLOG_E_STALE: it is not there any more. */
struct hg_hwp_census;
struct hg_hwp_verdict;
HG_MUST_CHECK int hg_cold_census(struct hg_cold *c, uint32_t segment,
                                 int (*damage)(void *ctx, const struct hg_hwp_verdict *d),
                                 void *ctx, struct hg_hwp_census *out);
/* One is opened anew, and verified (hg_hwp_verify) with the bases that others have for it. HOLOG_E_STALE: it is not there
 * any more. */
struct hg_hwp_verify;
HG_MUST_CHECK int hg_cold_verify(struct hg_cold *c, uint32_t segment, struct hg_hwp_verify *how);

/* All that stands in the tables of values, of the newest segment first: a value may be in two, and is read in the first. Not
 * 0 stops, and is returned. */
struct hg_hwp_value;
int hg_cold_each_entry(struct hg_cold *c,
                       int (*each)(void *ctx, uint32_t segment, const struct hg_hwp_value *v),
                       void *ctx);
/* Each value that each segment has, and whether it is read there; not 0 stops, and is returned. */
HG_MUST_CHECK int hg_cold_each_value(struct hg_cold *c,
                                     int (*each)(void *ctx, uint32_t segment, int is_read,
                                                 hg_pos birth),
                                     void *ctx);

/* ---- frame segments that were replaced -----------------------------------------------------------*/

/* 1: what lives in it is here. Any id. */
int hg_cold_has_pages(struct hg_cold *c, uint32_t segment);
/* The segment that has them; 0: none. */
uint32_t hg_cold_home(struct hg_cold *c, uint32_t segment);
/* Bytes of it, within one page, as hg_cache_replaced_fn gives them. out_thin: NULL is fine. */
HG_MUST_CHECK int hg_cold_bytes(struct hg_cold *c, uint32_t segment, uint64_t offset, void *out,
                                size_t len, int *out_thin);
/* All of them, by id, appended to `out`. */
struct hg_cold_replaced {
    uint32_t segment;
    uint32_t home;
};
HG_MUST_CHECK int hg_cold_replaced(struct hg_cold *c, struct hg_buf *out);
/* The pages of one, by number: which bytes of the home's file they take, each its share of its pool; appended to `out`. */
struct hg_cold_share {
    uint32_t page;
    uint32_t raw; /* bytes that lived in it when it was moved; some more, for their table */
    uint64_t offset;
    uint64_t len;
};
HG_MUST_CHECK int hg_cold_shares(struct hg_cold *c, uint32_t segment, struct hg_buf *out);
#endif
