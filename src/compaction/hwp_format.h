/*
 * The tables and the footer of a compressed segment, as bytes and as structs. To the byte: docs/FORMAT.md, section 13.
 *
 * Pure functions over memory. Decoders believe nothing: what they give back is bounded and fits together, but for
 * what only the groups themselves can tell (hwp.h).
 */
#ifndef HG_COMPACTION_HWP_FORMAT_H
#define HG_COMPACTION_HWP_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/hash.h"
#include "codec/cold/cold.h"

#define HG_HWP_FOOTER_SIZE 4096u
#define HG_HWP_VERSION     1u

#define HG_HWP_GROUP_RAW ((size_t)8 << 20) /* bytes: tiles of one group, unless one tile is more */
#define HG_HWP_TILE_SIDE 256u              /* elements, along the last two axes */
#define HG_HWP_TILE_RAW  ((size_t)512 << 10) /* bytes at most */
#define HG_HWP_RUN_RAW   ((size_t)128 << 10) /* bytes: a tile of one axis */
#define HG_HWP_POOL_RAW  ((size_t)256 << 10) /* bytes of pages in a pool */
#define HG_HWP_PAGE      65536u              /* bytes of a segment that a page stands for */
#define HG_HWP_SLOTS     HG_COLD_PARTS_MAX
#define HG_HWP_HALVINGS  HG_COLD_LEVELS
#define HG_HWP_RANK      HG_COLD_RANK_MAX
#define HG_HWP_PROFILES  3u

/* ---- values --------------------------------------------------------------------------------------*/

/* What the bytes of a value are: elements in C order, little-endian. Bytes: rank 1, size 1, unsigned. */
struct hg_hwp_shape {
    uint8_t size; /* of an element: 1, 2, 4, 8 bytes */
    uint8_t kind; /* enum hg_element_kind */
    uint8_t rank; /* 0 to HG_HWP_RANK */
    uint64_t n[HG_HWP_RANK];
};

enum hg_hwp_value_flags {
    HG_HWP_DIFFERENCE = 1, /* some tiles are differences from those of the value `other` */
    HG_HWP_SAME = 2,       /* the bytes are those of the value `other`, in this segment */
    HG_HWP_ARRAY = 4,      /* elements; else bytes */
    HG_HWP_VALUE_FLAGS = 7
};

struct hg_hwp_value {
    uint64_t birth; /* position of the record that names it */
    uint64_t len;   /* bytes */
    uint64_t other; /* birth of the base, or of the value with the same bytes; 0: none */
    uint64_t sum; /* of its elements, taken as unsigned numbers (signed ones as signed), mod 2^64 */
    uint32_t group; /* the first */
    uint32_t groups;
    uint8_t csum; /* of its bytes, mod 96 */
    uint8_t flags;
    struct hg_hwp_shape shape;
};
#define HG_HWP_VALUE_SIZE 80u

/* ---- pages ---------------------------------------------------------------------------------------*/

struct hg_hwp_page {
    uint32_t segment;
    uint32_t page;   /* bytes from page * HG_HWP_PAGE on */
    uint32_t group;  /* a pool */
    uint32_t offset; /* in its raw bytes */
    uint32_t len;
};
#define HG_HWP_PAGE_SIZE 20u

/* ---- groups --------------------------------------------------------------------------------------*/

enum hg_hwp_group_kind {
    HG_HWP_TILES = 0,
    HG_HWP_POOL = 1,
};

struct hg_hwp_group {
    uint64_t offset; /* in the file */
    uint64_t raw;    /* bytes */
    uint64_t heads_hash;
    uint32_t heads_len;
    uint32_t tiles;
    uint32_t slot[HG_HWP_SLOTS]; /* lengths */
    uint8_t slots;
    uint8_t kind;
};
#define HG_HWP_GROUP_SIZE 72u

uint64_t hg_hwp_group_stored(const struct hg_hwp_group *g); /* bytes in the file */

/* ---- sources -------------------------------------------------------------------------------------*/

struct hg_hwp_source {
    uint32_t id;
    uint32_t kind; /* enum hg_segment_kind */
    uint64_t epoch;
};
#define HG_HWP_SOURCE_SIZE 16u

/* ---- footer --------------------------------------------------------------------------------------*/

enum hg_hwp_table {
    HG_HWP_GROUPS,
    HG_HWP_VALUES,
    HG_HWP_PAGES,
    HG_HWP_SOURCES,
    HG_HWP_TABLES
};

struct hg_hwp_extent {
    uint64_t offset;
    uint64_t len;
    uint64_t count;
    struct hg_hash128 hash;
};

struct hg_hwp_footer {
    uint32_t id;
    uint32_t profile;
    uint64_t epoch;
    uint8_t uuid[16];
    uint64_t salt;
    uint64_t raw;                              /* bytes of all groups */
    uint64_t stored;                           /* and what they take */
    uint64_t size;                             /* bytes of the file */
    struct hg_hwp_extent table[HG_HWP_TABLES]; /* one behind the other */
    struct hg_hash128 root;                    /* of the hashes of the tables */
};

void hg_hwp_footer_encode(const struct hg_hwp_footer *f, uint8_t out[HG_HWP_FOOTER_SIZE]);
/* Of a file of `size` bytes of segment `id`. HOLOG_E_VERSION: a later version, or features that are not known. */
HG_MUST_CHECK int hg_hwp_footer_decode(const uint8_t in[HG_HWP_FOOTER_SIZE], uint32_t id,
                                       uint64_t size, struct hg_hwp_footer *out);

/* ---- tables --------------------------------------------------------------------------------------*/

struct hg_hwp_tables {
    struct hg_hwp_group *group;
    struct hg_hwp_value *value;   /* by birth */
    struct hg_hwp_page *page;     /* by segment and page */
    struct hg_hwp_source *source; /* by id */
    size_t count[HG_HWP_TABLES];
};

size_t hg_hwp_entry_size(enum hg_hwp_table t);
void hg_hwp_group_encode(const struct hg_hwp_group *g, uint8_t out[HG_HWP_GROUP_SIZE]);
void hg_hwp_value_encode(const struct hg_hwp_value *v, uint8_t out[HG_HWP_VALUE_SIZE]);
void hg_hwp_page_encode(const struct hg_hwp_page *p, uint8_t out[HG_HWP_PAGE_SIZE]);
void hg_hwp_source_encode(const struct hg_hwp_source *s, uint8_t out[HG_HWP_SOURCE_SIZE]);

/* in: the file from the first table up to the footer. Checks hashes, order, and that all entries fit together:
 * groups fill the file, each belongs to one value or is a pool, values have as many as their shape makes.
 * HOLOG_E_CORRUPT, HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_hwp_tables_decode(const struct hg_hwp_footer *f, const uint8_t *in,
                                       struct hg_hwp_tables *out);
void hg_hwp_tables_release(struct hg_hwp_tables *t);

const struct hg_hwp_value *hg_hwp_tables_find(const struct hg_hwp_tables *t, uint64_t birth);

#endif
