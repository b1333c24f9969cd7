/*
 * Names and fixed numbers of a store's files (docs/FORMAT.md, section 1).
 */
#ifndef HG_WAL_LAYOUT_H
#define HG_WAL_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define HG_FORMAT_VERSION 1u
#define HG_USE_NEWER      ": use a newer holog" /* ends every message about a later version */
#define HG_BLOCK          4096u
#define HG_HASH_BLOCK     65536u /* block table granularity */

/* Must-understand features (docs/FORMAT.md, section 11). */
#define HG_FEATURE_VERSIONS UINT64_C(1) /* DELTA, ROLLBACK, TAG, RETENTION, FOLD records */
#define HG_FEATURE_ARRAYS   UINT64_C(4) /* node components; 2 stays one that no holog knows */
#define HG_FEATURE_COLD     UINT64_C(8) /* EDIT records, segments of cold blocks */
#define HG_FEATURE_BASE     UINT64_C(16) /* the log may begin with a base, not with its first frame */
#define HG_FEATURES_KNOWN \
    (HG_FEATURE_VERSIONS | HG_FEATURE_ARRAYS | HG_FEATURE_COLD | HG_FEATURE_BASE)

#define HG_SUPER_NAME       "SUPER"
#define HG_CALIBRATION_NAME "calibration.json" /* no part of the log; verify knows it */
#define HG_LOCK_NAME        "LOCK"
#define HG_CTL_NAME         "ctl"
#define HG_SEG_DIR          "seg"
#define HG_CHK_DIR          "chk"
#define HG_CHK_TMP          "new.tmp" /* in it */
#define HG_QUARANTINE_DIR   "quarantine"

enum hg_segment_kind {
    HG_KIND_FRAMES = 1,  /* .hlog */
    HG_KIND_EXTENTS = 2, /* .hext */
    HG_KIND_HWP = 3,     /* .hwp */
    HG_KIND_BASE = 4,    /* .base: the index as of a frame, which the log may begin with */
};

#define HG_SEGMENT_MIN        (16u << 10)
#define HG_SEGMENT_MAX        (64u << 20)
#define HG_SEGMENT_FIRST      (1u << 20) /* size of a store's first frame segment, if the limit allows */
#define HG_EXTENT_SEGMENT_MIN (128u << 10) /* header and at least one 64 KiB block */
#define HG_EXTENT_SEGMENT_MAX (1024u << 20)
#define HG_HWP_SEGMENT_MIN    (8u << 10)          /* header and footer */
#define HG_HWP_SEGMENT_MAX    (UINT64_C(1) << 30) /* offsets fit positions, too */
#define HG_BASE_MIN           (4096u + 272u)      /* headers and a hash: of the file, not rounded */
#define HG_BASE_MAX           (UINT64_C(1) << 40)
#define HG_FRAME_MAX          (16u << 20)
#define HG_INLINE_DEFAULT     65536u

/* Position: segment id and byte offset in one number; 0 = none. Orders the log. */
typedef uint64_t hg_pos;
static inline hg_pos hg_pos_make(uint32_t segment, uint32_t offset)
{
    return (uint64_t)segment << 32 | offset;
}
static inline uint32_t hg_pos_segment(hg_pos p)
{
    return (uint32_t)(p >> 32);
}
static inline uint32_t hg_pos_offset(hg_pos p)
{
    return (uint32_t)p;
}

/* Commit numbers and value lengths stay below this: the index holds them in six bytes. */
#define HG_NUMBER_MAX ((UINT64_C(1) << 48) - 1)

/* A stored hash against a computed one. A fuzzing build takes every hash for right: mutated bytes
 * would never get past one, and what lies behind is to be fuzzed too. */
static inline int hg_hash_matches(uint64_t stored, uint64_t computed)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return (void)stored, (void)computed, 1;
#else
    return stored == computed;
#endif
}

/* 1: len bytes, all zero. */
int hg_layout_zero(const uint8_t *p, size_t len);

#define HG_FILE_NAME_MAX 48
/* "seg/0000000a.hlog" into out (HG_FILE_NAME_MAX bytes). */
void hg_segment_name(char *out, uint32_t id, enum hg_segment_kind kind);
void hg_segment_tmp_name(char *out, uint32_t id);
/* Parse a name inside seg/. 1: a segment (id, kind set); 2: a .tmp;
 * 0: something else. */
int hg_segment_parse_name(const char *name, uint32_t *out_id, enum hg_segment_kind *out_kind);

#endif
