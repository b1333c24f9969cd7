/*
 * Compressed segments: what compaction keeps of segments that it replaces. docs/FORMAT.md, section 13.
 *
 *   segment header | group | group | ... | tables | footer
 *
 * A *value* is the whole bytes of a large value or payload, named by its birth: the position of the record that names
 * it. Arrays are cut into tiles (hwp_tiles.h), bytes into runs; each tile is a cold block (codec/cold). A group is
 * the tiles of one value, up to 8 MiB of them: first all heads, then slot 0 of all tiles, slot 1, ... A tile of p
 * parts fills the last p slots, coarse to fine. So a preview, and a value, is one contiguous read.
 *
 * A *page* stands for 64 KiB of a segment that is gone: its live runs of bytes at the offsets where they were. Pages
 * are put into pools of up to 256 KiB, each a group of one block.
 *
 * The footer is written last and has the hash of each table; the tables have the hash of each group's heads, the heads
 * those of their parts and of what comes out. Nothing is returned that does not have the hash it should.
 */
#ifndef HG_COMPACTION_HWP_H
#define HG_COMPACTION_HWP_H

#include "codec/cold/select.h"
#include "compaction/hwp_tiles.h"
#include "compaction/workspace.h"
#include "io/io.h"
#include "wal/files.h"
#include "wal/segment.h"

/* ---- writing: one thread -------------------------------------------------------------------------*/

struct hg_hwp_writer;

/* An array's elements, C order, little-endian. Axes outermost first. */
struct hg_hwp_array {
    uint8_t size; /* of an element: 1, 2, 4, 8 bytes */
    uint8_t kind; /* enum hg_element_kind */
    unsigned rank;
    const uint64_t *n;
    uint64_t id; /* values of one id are coded alike as long as that pays; any number */
};

/* A value to store a difference from: of the same shape, itself stored without one, here or elsewhere. */
struct hg_hwp_base {
    uint64_t birth;
    const void *raw; /* as many bytes as the value's; the value's own, if they are the same */
};

struct hg_hwp_run {
    uint32_t offset; /* in the page */
    uint32_t len;
    const void *bytes;
};

struct hg_hwp_info {
    uint64_t size; /* bytes of the file */
    uint64_t raw;
    uint64_t stored;
    size_t count[HG_HWP_TABLES];
};

/* A file seg/xxxxxxxx.tmp, written with O_DIRECT where that is given, in pieces of 1 MiB. header: kind HG_KIND_HWP; its
 * capacity is the most that the file may have: what does not go in is HOLOG_E_TOOBIG. Every function below that fails
 * makes the writer fail for good; then, or at any time, hg_hwp_abort. */
HG_MUST_CHECK int hg_hwp_create(struct hg_io *io, const struct hg_segment_header *header,
                                enum hg_profile profile, struct hg_hwp_writer **out);
/* raw: len bytes, borrowed for the call. array: NULL for bytes of which nothing is known. base: NULL for none.
 * HOLOG_E_INVAL: a shape that cannot be tiled, or of other bytes than len. */
HG_MUST_CHECK int hg_hwp_add_value(struct hg_hwp_writer *w, uint64_t birth,
                                   const struct hg_hwp_array *array, const void *raw, uint64_t len,
                                   const struct hg_hwp_base *base);
/* The bytes are those of another value in this segment, added before or after, which is none of these. */
HG_MUST_CHECK int hg_hwp_add_same(struct hg_hwp_writer *w, uint64_t birth, uint64_t same_as);
/* Live runs of page `page` of a segment: by offset, apart from each other, at least one. Pages come in the order of
 * segments, and in theirs. */
HG_MUST_CHECK int hg_hwp_add_page(struct hg_hwp_writer *w, uint32_t segment, uint32_t page,
                                  const struct hg_hwp_run *runs, size_t count);
/* A segment that this one replaces. */
HG_MUST_CHECK int hg_hwp_add_source(struct hg_hwp_writer *w, const struct hg_hwp_source *source);
/* Bytes written so far and waiting to be, without the tables. */
uint64_t hg_hwp_written(const struct hg_hwp_writer *w);
/* Tables, footer, fdatasync; the file is closed, and named .tmp still. Frees w; on failure the file is removed.
 * HOLOG_E_INVAL: a birth, page or source twice; a base or same value that cannot be. info: NULL is fine. */
HG_MUST_CHECK int hg_hwp_finish(struct hg_hwp_writer *w, struct hg_hwp_info *info);
/* Removes the file, frees w; the error detail stays. NULL is fine. */
void hg_hwp_abort(struct hg_hwp_writer *w);

/* ---- reading: any thread -------------------------------------------------------------------------*/

struct hg_hwp;

/* Bytes to read a segment from: as hg_files_read. */
struct hg_hwp_bytes {
    int (*read)(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n);
    void *ctx;
    uint64_t size;
};

/* Which file, and how it is read: one of the last three. */
struct hg_hwp_from {
    uint32_t id;
    const uint8_t *uuid; /* of the store; NULL: any, and any salt */
    uint64_t salt;
    struct hg_workspaces *work;
    struct hg_files *files;           /* seg/xxxxxxxx.hwp */
    struct hg_io *io;                 /* seg/xxxxxxxx.tmp: what has been finished and not renamed */
    const struct hg_hwp_bytes *bytes; /* whatever they are; outlives the handle */
};

/* Reads and checks header, footer and tables. HOLOG_E_CORRUPT, HOLOG_E_VERSION, HOLOG_E_STALE, HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_hwp_open(const struct hg_hwp_from *from, struct hg_hwp **out);
void hg_hwp_close(struct hg_hwp *h); /* nobody reads; NULL is fine */

/* Everything that stands in the tables, by key; it lasts as long as h. */
const struct hg_hwp_tables *hg_hwp_tables(const struct hg_hwp *h);
const struct hg_hwp_footer *hg_hwp_footer(const struct hg_hwp *h);
const struct hg_segment_header *hg_hwp_header(const struct hg_hwp *h);
/* NULL: it is not here. */
const struct hg_hwp_value *hg_hwp_find(const struct hg_hwp *h, uint64_t birth);
const struct hg_hwp_page *hg_hwp_find_page(const struct hg_hwp *h, uint32_t segment, uint32_t page);
/* All of one segment, in their order. */
const struct hg_hwp_page *hg_hwp_find_pages(const struct hg_hwp *h, uint32_t segment,
                                            size_t *out_n);

/* Gives elements of a value that differences refer to and that is not in the segment: those in `box`, C order, of a
 * value of that shape (four axes: hg_hwp_tile). */
struct hg_hwp_bases {
    void *ctx;
    int (*read)(void *ctx, uint64_t birth, const struct hg_hwp_shape *shape,
                const struct hg_hwp_box *box, void *out);
    /* Where that value is: that lasts as long as anything is read with these. NULL: it is only read. */
    int (*find)(void *ctx, uint64_t birth, const struct hg_hwp_shape *shape, struct hg_hwp **out,
                const struct hg_hwp_value **out_value);
};

/* All of these: HOLOG_E_CORRUPT: damage, with segment and offset; HOLOG_E_NOTSUP: a tile of a later version;
 * HOLOG_E_INVAL: not in the value, or its base is elsewhere and `bases` is NULL; HOLOG_E_NOMEM; what reading gives.
 * After a failure out may have been written to. */

/* Bytes [from, to). Decodes the tiles that they lie in, and reads those alone. */
HG_MUST_CHECK int hg_hwp_read(struct hg_hwp *h, const struct hg_hwp_value *v, uint64_t from,
                              uint64_t to, void *out, const struct hg_hwp_bases *bases);
/* The shape of a preview: the last two axes `halvings` times halved, rounding up. HOLOG_E_NOTSUP: bytes. */
HG_MUST_CHECK int hg_hwp_preview_shape(const struct hg_hwp_value *v, unsigned halvings,
                                       struct hg_hwp_shape *out);
/* A box of elements (halvings 0), or of a preview, C order. box: as hg_hwp_tile makes axes of the shape. Of a preview
 * only the parts that it takes are read; a tile without low bands, or with too few of them, is decoded as small as it
 * can be and halved by means. */
HG_MUST_CHECK int hg_hwp_region(struct hg_hwp *h, const struct hg_hwp_value *v,
                                const struct hg_hwp_box *box, unsigned halvings, void *out,
                                const struct hg_hwp_bases *bases);

/* In place: the last `axes` axes of elements in C order become means of pairs, `halvings` times; of an odd number the
 * last one stays. n: four axes, becomes what they are then. */
void hg_hwp_halve(uint8_t size, uint8_t kind, uint64_t n[HG_HWP_RANK], unsigned axes,
                  unsigned halvings, void *elements);

/* The raw bytes of a pool, as many as its group says: for who keeps it decoded. */
HG_MUST_CHECK int hg_hwp_read_pool(struct hg_hwp *h, uint32_t group, void *out);
/* A page out of its pool's raw bytes: HG_HWP_PAGE bytes, zeros where no run is. */
HG_MUST_CHECK int hg_hwp_page_of_pool(const struct hg_hwp *h, const struct hg_hwp_page *p,
                                      const void *pool, uint8_t out[HG_HWP_PAGE]);
/* Some of it: [from, from + len). */
HG_MUST_CHECK int hg_hwp_bytes_of_page(const struct hg_hwp *h, const struct hg_hwp_page *p,
                                       const void *pool, uint32_t from, size_t len, void *out);
/* A page, for who has no pool. */
HG_MUST_CHECK int hg_hwp_read_page(struct hg_hwp *h, const struct hg_hwp_page *p,
                                   uint8_t out[HG_HWP_PAGE]);
/* The live runs of a page, in its pool's raw bytes, by offset; `bytes` in the pool. Non-zero from `each` stops and is
 * returned. */
HG_MUST_CHECK int hg_hwp_each_run(const struct hg_hwp *h, const struct hg_hwp_page *p,
                                  const void *pool,
                                  int (*each)(void *ctx, const struct hg_hwp_run *run), void *ctx);

/* What one group is made of, for who looks: `each` tile's head, in turn. */
HG_MUST_CHECK int hg_hwp_each_head(struct hg_hwp *h, uint32_t group,
                                   int (*each)(void *ctx, const struct hg_cold_head *head),
                                   void *ctx);

/* ---- verifying -----------------------------------------------------------------------------------*/

struct hg_hwp_verdict {
    uint32_t group;
    const struct hg_hwp_value *value; /* NULL: of a pool */
    int rc;                           /* what reading it gave; the error detail says where */
};

struct hg_hwp_verify {
    void *ctx;
    /* Of each group that does not read, and once more for each value that has the bytes of its value; NULL: the first
     * ends it. Non-zero stops. */
    int (*damage)(void *ctx, const struct hg_hwp_verdict *d);
    /* After each group: bytes that it takes. NULL: none. Non-zero stops and is returned. */
    int (*progress)(void *ctx, uint64_t bytes);
    const struct hg_hwp_bases *bases;
};

/* Reads and decodes everything: every hash, every sum, every page. The first damage's code, or HOLOG_OK. A difference from
 * a base elsewhere, without bases, is not decoded: its parts' hashes are all that is compared. */
HG_MUST_CHECK int hg_hwp_verify(struct hg_hwp *h, const struct hg_hwp_verify *how);

#endif
