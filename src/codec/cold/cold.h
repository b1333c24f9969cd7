/*
 * Cold blocks: an array, or a part of one, or bytes, coded once and read often. To the byte: docs/FORMAT.md, section 12.
 *
 * A block is a head, which says all that is needed to read it, and parts, coarse to fine; each has a hash in the
 * head. The head and the parts may lie anywhere: what writes segments puts them where it wants. Pure functions over
 * memory: there is no store here, and nothing is kept but memory to work in (coder.h).
 *
 * A decoder believes no number before it is bounded; it needs memory for some five times the raw bytes (of a
 * widened block nine times), of which there are HG_COLD_RAW_MAX at most, and which the caller has stated.
 */
#ifndef HG_CODEC_COLD_COLD_H
#define HG_CODEC_COLD_COLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buf.h"
#include "codec/cold/coder.h"
#include "codec/cold/stream.h"

#define HG_COLD_RAW_MAX   ((size_t)8 << 20) /* bytes */
#define HG_COLD_RANK_MAX  4
#define HG_COLD_PARTS_MAX 8
#define HG_COLD_LEVELS    (HG_COLD_PARTS_MAX - 1)
#define HG_COLD_HEAD_MIN  40 /* bytes */
#define HG_COLD_HEAD_MAX  148

enum hg_filter {
    HG_FILTER_NONE = 0,
    HG_FILTER_SHUFFLE = 1,    /* bytes, each plane a stream */
    HG_FILTER_BITSHUFFLE = 2, /* shuffle.h */
    HG_FILTER_UP = 3,         /* predict.h, from here */
    HG_FILTER_LEFT = 4,
    HG_FILTER_AVERAGE = 5,
    HG_FILTER_LORENZO = 6,
    HG_FILTER_LIFT26 = 7, /* lift.h, from here */
    HG_FILTER_LIFT53 = 8,
    HG_FILTERS
};

enum hg_element_kind {
    HG_ELEMENT_UNSIGNED = 0,
    HG_ELEMENT_SIGNED = 1,
    HG_ELEMENT_FLOAT = 2, /* IEEE 754, of 2, 4 or 8 bytes */
    HG_ELEMENT_KINDS
};

/* What raw bytes are: elements, C order, little-endian. */
struct hg_cold_array {
    uint8_t size; /* of an element: 1, 2, 4, 8 bytes */
    uint8_t kind; /* enum hg_element_kind */
    uint8_t rank; /* 0 to 4; of rank 0 there is one element */
    uint32_t n[HG_COLD_RANK_MAX];
};

/* How a block is to be made. Zero is: raw. */
struct hg_cold_plan {
    uint8_t filter; /* enum hg_filter */
    uint8_t
        codec; /* enum hg_codec: LZ4, ZSTD, LITERALS of any filter (LITERALS of a predictor or a lift is the
                       split form, unit.h); DICT and PREFIX of filter NONE */
    int8_t level; /* of the codec: stream.h */
    uint8_t
        axes; /* lifted, or of Lorenzo: 1 to 3, from the last; more than there are is taken for all */
    uint8_t levels; /* lifted at most, 1 to HG_COLD_LEVELS */
};

/* From lo to below hi, on each axis. */
struct hg_cold_box {
    uint32_t lo[HG_COLD_RANK_MAX];
    uint32_t hi[HG_COLD_RANK_MAX];
};

/* What else a block is made with, and is needed again to read it. NULL, 0: none. */
struct hg_cold_aid {
    const void *base; /* DICT: none. PREFIX: bytes before. difference: as many as the block's */
    size_t base_len;
    const struct hg_dict *dict;
    int difference; /* elements less those of the base, mod 2^bits; if they are the same, the block is a reference.
                       Only asked on writing */
    const struct hg_cold_box
        *box; /* of a difference: in it the base counts as zero (box.h). Only asked on writing */
};

/* Bytes of it. 0: it is none that can be coded (HG_COLD_RAW_MAX, a size or kind that there is not, an axis of 0). */
size_t hg_cold_raw_bytes(const struct hg_cold_array *a);
/* The most bytes that a block takes: HG_COLD_HEAD_MAX and a few more than raw. */
size_t hg_cold_bound(const struct hg_cold_array *a);

/* Append a block: head and parts. What the plan does not make smaller is stored; elements that are all the same
 * are one. Same arguments, same bytes. HOLOG_E_INVAL: an array or plan that cannot be; HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_cold_encode(struct hg_coder *c, const struct hg_cold_array *a, const void *raw,
                                 const struct hg_cold_plan *plan, const struct hg_cold_aid *aid,
                                 struct hg_buf *out);

/* ---- reading -------------------------------------------------------------------------------------*/

#define HG_COLD_DIFFERENCE 0x01 /* from a base */
#define HG_COLD_WIDE       0x02 /* lifted in words twice as wide as an element */
#define HG_COLD_SPLIT      0x04
#define HG_COLD_MEANS      0x08 /* low bands are the array, smaller: previews are possible */
#define HG_COLD_AIDED      0x10 /* the head has the hash of a base or dictionary */
#define HG_COLD_BOXED      0x20 /* in a box, which part 0 begins with, there is no base */
#define HG_COLD_FLAGS      0x3F

struct hg_cold_part {
    uint32_t len;
    uint64_t hash; /* XXH3-64 */
};

struct hg_cold_head {
    struct hg_cold_array array;
    uint8_t filter;
    uint8_t codec;
    uint8_t flags;
    uint8_t axes; /* lifted, or of Lorenzo; 0 of other filters */
    uint8_t parts;
    size_t raw_bytes;
    size_t head_bytes;
    uint64_t raw_hash;
    uint64_t aid_hash; /* of the base, or the dictionary: XXH3-64 of its bytes; with AIDED */
    struct hg_cold_part part[HG_COLD_PARTS_MAX]; /* coarse to fine */
};

/* For people: "lift26", "zstd". NULL: there is none of that number. */
const char *hg_filter_name(unsigned filter);
const char *hg_codec_name(unsigned codec);

size_t hg_cold_head_bytes(const struct hg_cold_head *h); /* by its rank, parts and flags */
void hg_cold_head_encode(const struct hg_cold_head *h, uint8_t *out); /* head_bytes */
/* All of it bounded and consistent. HOLOG_E_CORRUPT; HOLOG_E_NOTSUP: a filter, codec or flag of a later version: *out
 * has all the same what the block takes and makes, so that who keeps several can pass over it. */
HG_MUST_CHECK int hg_cold_head_decode(const void *in, size_t avail, struct hg_cold_head *out);

/* Where the parts are; as many of the first as are there: the others are NULL. */
struct hg_cold_parts {
    const void *at[HG_COLD_PARTS_MAX];
};
/* Of a block in one piece of `avail` bytes, head first. Parts that are not there whole are NULL. */
void hg_cold_parts_of(const struct hg_cold_head *h, const void *block, size_t avail,
                      struct hg_cold_parts *out);

/* All of it into out, raw_bytes. Parts and what comes out are compared with their hashes. HOLOG_E_CORRUPT;
 * HOLOG_E_INVAL: a base or dictionary is needed that is not there, or is another; HOLOG_E_NOTSUP; HOLOG_E_NOMEM.
 * After a failure out may have been written to. */
HG_MUST_CHECK int hg_cold_decode(struct hg_coder *c, const struct hg_cold_head *h,
                                 const struct hg_cold_parts *parts, const struct hg_cold_aid *aid,
                                 void *out, size_t cap);

/* A preview: lifted axes `halvings` times halved, rounded up; from the first parts alone.
 * *out: its shape; *out_parts: how many parts that takes. HOLOG_E_NOTSUP: the block has no such. */
HG_MUST_CHECK int hg_cold_preview_shape(const struct hg_cold_head *h, unsigned halvings,
                                        struct hg_cold_array *out, unsigned *out_parts);
HG_MUST_CHECK int hg_cold_preview(struct hg_coder *c, const struct hg_cold_head *h,
                                  const struct hg_cold_parts *parts, unsigned halvings, void *out,
                                  size_t cap);

#endif
