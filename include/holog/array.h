/*
 * holog/array.h: N-dimensional arrays.
 *
 * An array is a directory with a metadata document (that of Zarr v3) and chunks, which are stored one by one
 * and found by their place in the grid: writing a part of an array costs what it changes, and so does keeping
 * what was there before. Everything that can happen to a directory happens to an array as a whole:
 * holog_copy, holog_move, holog_delete_all, holog_rollback; other entries may lie below it.
 *
 *     uint64_t shape[3] = { 900, 2048, 2048 };
 *     holog_array_spec spec = { .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape };
 *     holog_array_save(store, "well/A01", &spec, pixels, NULL, HOLOG_PARENTS, NULL);
 *
 *     holog_array *a;
 *     holog_slice plane[3] = { { 17, 1, 1 }, { 0, 2048, 1 }, { 0, 2048, 1 } };
 *     holog_array_open(store, "well/A01", &a);
 *     holog_array_read(a, plane, out, NULL);                     reads that plane and no other
 *     holog_array_close(a);
 *
 * Elements   are in memory and on disk as little-endian machines have them; a bool is a byte, 0 or 1; a
 *            complex number is its real part, then its imaginary part.
 * Regions    one holog_slice for each axis, outermost first: elements start, start + step, ..., count of
 *            them. NULL: everything. Outside the shape: HOLOG_E_RANGE, and the message names the axis.
 * Strides    bytes from an element to the next along each axis, in the caller's memory; may be negative.
 *            NULL: C order, no gaps.
 * Chunks     that were never written read as the fill value. A damaged one is HOLOG_E_CORRUPT, never the fill
 *            value. A chunk that is all fill value, bit by bit, is not stored.
 * Types      HOLOG_E_TYPE when a path names no array.
 * Limits     32 axes, each up to 2^49 - 1 long (HOLOG_E_INVAL); 2^62 chunks, 2^31 - 1 bytes in a chunk, 16 MiB of
 *            metadata (HOLOG_E_TOOBIG). Attributes are JSON as RFC 8259 has it, integers of at most 64 bits.
 */
#ifndef HOLOG_ARRAY_H
#define HOLOG_ARRAY_H

#include "holog/holog.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HOLOG_RANK_MAX 32
#define HOLOG_ITEM_MAX 1024 /* bytes of an element */

enum holog_dtype {
    HOLOG_BOOL = 1,
    HOLOG_INT8 = 2,
    HOLOG_INT16 = 3,
    HOLOG_INT32 = 4,
    HOLOG_INT64 = 5,
    HOLOG_UINT8 = 6,
    HOLOG_UINT16 = 7,
    HOLOG_UINT32 = 8,
    HOLOG_UINT64 = 9,
    HOLOG_FLOAT16 = 10,
    HOLOG_FLOAT32 = 11,
    HOLOG_FLOAT64 = 12,
    HOLOG_COMPLEX64 = 13, /* two float32 */
    HOLOG_COMPLEX128 = 14,
    HOLOG_RAW = 15 /* bytes that mean something to you; their number is said beside it */
};
/* "uint16", as in Zarr v3; "raw" of RAW. NULL: there is no such type. */
HOLOG_API const char *holog_dtype_name(uint32_t dtype);
HOLOG_API uint32_t holog_dtype_size(uint32_t dtype); /* bytes; 0: RAW, or no such type */

/* How chunks are stored. Raw ones take changes of a part without being written again. */
enum holog_array_codec {
    HOLOG_CODEC_NONE = 0,
    HOLOG_CODEC_ZSTD = 1, /* level 1 to 22; 0 = 3 */
    HOLOG_CODEC_LZ4 = 2,  /* level is the acceleration, 1 to 65537 (faster, larger); 0 = 1 */
    HOLOG_CODEC_AUTO =
        3 /* what a calibration of the store has chosen, its level too; NONE where there is none */
};

/* SHUFFLE: before the codec the first bytes of all elements, then all second ones, ..., which numbers get smaller
 * by. CRC32C: a checksum of its own at the end of each chunk, for other Zarr clients (holog has its own). */
enum holog_array_flags {
    HOLOG_ARRAY_SHUFFLE = 1,
    HOLOG_ARRAY_CRC32C = 2
};
/* What a new array is to be. */
typedef struct holog_array_spec {
    uint32_t struct_size;
    uint32_t dtype; /* enum holog_dtype */
    uint32_t
        item_size; /* of RAW: bytes of an element, 1 to HOLOG_ITEM_MAX; of others it does not count */
    uint32_t rank; /* axes, 0 to HOLOG_RANK_MAX; 0: a single element */
    const uint64_t *shape;
    /* 1 or more each, at most 2^31 - 1 bytes in all. NULL: the last two axes whole if that is at most 16 MiB,
     * else halved until it is; 1 along others */
    const uint64_t *chunk;
    const void *fill;                   /* an element; NULL: zeros */
    const char *const *dimension_names; /* of each axis, may be NULL; NULL: none has one */
    const char *attributes;             /* a JSON object; NULL: none */
    uint32_t codec;                     /* enum holog_array_codec */
    int32_t level;                      /* of the codec; without one it does not count */
    uint32_t flags;                     /* enum holog_array_flags */
    uint32_t reserved;
    /* Chunks are shards for other Zarr clients (codec sharding_indexed), made of chunks of this shape, which
     * divides them. holog stores inner chunks one by one: the smaller ones cost nothing here. NULL: none */
    const uint64_t *inner_chunk;
} holog_array_spec;

typedef struct holog_slice {
    uint64_t start;
    uint64_t count;
    uint64_t step; /* 0 is taken for 1 */
} holog_slice;

/* ---- whole arrays: the simple path ------------------------------------------------------------------*/

/* One commit. An array without any chunk; or with the elements of `data`, all of it. Flags as in holog_save:
 * HOLOG_E_EXIST where something is; with HOLOG_REPLACE it gives way, but for entries below a directory.
 * HOLOG_E_NOTEMPTY: it is the root, and has entries, but is no array yet.
 * HOLOG_E_INVAL: the spec makes no sense, the message says which member. */
HOLOG_API int holog_array_create(holog_store *store, const char *path, const holog_array_spec *spec,
                                 unsigned flags, uint64_t *out_number);
HOLOG_API int holog_array_save(holog_store *store, const char *path, const holog_array_spec *spec,
                               const void *data, const int64_t *strides, unsigned flags,
                               uint64_t *out_number);
HOLOG_API int holog_txn_array_create(holog_txn *txn, const char *path, const holog_array_spec *spec,
                                     unsigned flags);
HOLOG_API int holog_txn_array_save(holog_txn *txn, const char *path, const holog_array_spec *spec,
                                   const void *data, const int64_t *strides, unsigned flags);

/* One commit that writes a region, or appends `count` elements along an axis. Others may write at the same
 * time: it is tried again until it meets what it saw. */
HOLOG_API int holog_array_update(holog_store *store, const char *path, const holog_slice *region,
                                 const void *data, const int64_t *strides, uint64_t *out_number);
HOLOG_API int holog_array_extend(holog_store *store, const char *path, uint32_t axis,
                                 uint64_t count, const void *data, const int64_t *strides,
                                 uint64_t *out_number);

/* ---- an open array ------------------------------------------------------------------------------------*/

/* The array as of the newest commit, of a view (which must outlive it), or of a transaction, with its own
 * changes; a symlink is followed. Any threads may read one that is of no transaction. The calls that change
 * are for those of a transaction, and end with it: HOLOG_E_CLOSED. One whose array the transaction has changed
 * otherwise since (by another handle, a replacement, holog_txn_rollback_to) is HOLOG_E_STALE: open it again. All are
 * closed before the store is. HOLOG_E_NOENT, HOLOG_E_TYPE;
 * HOLOG_E_NOTSUP: an array that somebody else made in a way that holog cannot read. */
typedef struct holog_array holog_array;
HOLOG_API int holog_array_open(holog_store *store, const char *path, holog_array **out_array);
HOLOG_API int holog_view_array(holog_view *view, const char *path, holog_array **out_array);
HOLOG_API int holog_txn_array(holog_txn *txn, const char *path, holog_array **out_array);
HOLOG_API void holog_array_close(holog_array *array); /* NULL is fine */

typedef struct holog_array_info {
    uint32_t struct_size;
    uint32_t dtype;
    uint32_t item_size; /* bytes of an element */
    uint32_t rank;
    uint64_t number;     /* commit that changed it last; 0: this transaction has */
    uint64_t size_bytes; /* of all elements; UINT64_MAX: more than that */
    uint64_t shape[HOLOG_RANK_MAX];
    uint64_t chunk[HOLOG_RANK_MAX];
    uint64_t inner_chunk
        [HOLOG_RANK_MAX]; /* what is stored one by one; as chunk where there are no shards */
    uint32_t plain;       /* 1: it is stored raw */
    uint32_t reserved;
} holog_array_info;
HOLOG_API int holog_array_get_info(const holog_array *array, holog_array_info *out_info);
/* These are of the array, as long as it is open and not changed. */
HOLOG_API const void *holog_array_fill(const holog_array *array);
HOLOG_API const char *holog_array_attributes(const holog_array *array); /* JSON; "{}": none */
/* NULL: it has none. */
HOLOG_API const char *holog_array_dimension_name(const holog_array *array, uint32_t axis);
/* Is it what the caller takes it for? HOLOG_E_TYPE unless it has that type and shape (shape NULL: any). */
HOLOG_API int holog_array_expect(const holog_array *array, uint32_t dtype, uint32_t rank,
                                 const uint64_t *shape);

/* Only the chunks that the region meets are read, of raw ones only the 64 KiB blocks. */
HOLOG_API int holog_array_read(holog_array *array, const holog_slice *region, void *out,
                               const int64_t *strides);
/* All of it in C order, as a counted reference: no copy when it is one raw chunk. HOLOG_E_BUDGET, also when
 * it is larger than memory. */
HOLOG_API int holog_array_load(holog_array *array, holog_value **out_value);

/* ---- previews -----------------------------------------------------------------------------------------*/

/*
 * The array with its last two axes (of one axis: it) `halvings` times halved, 0 to HOLOG_HALVINGS_MAX, in its own element
 * type; other axes stay. Chunks do not show: element (y, x) stands for elements y * 2^h to y * 2^h + 2^h - 1 of the axis
 * before the last, x * 2^h to x * 2^h + 2^h - 1 of the last, as far as the array goes; so an axis of n elements becomes
 * ceil(n / 2^h). What was never written counts as the fill value, what is outside the shape does not count.
 *
 * Means      of pairs, halving by halving, first along the last axis, then along the one before; the last of an odd
 *            number stays as it is.
 * Integers   rounded down along the last axis, up along the other, which has no bias; never less than the least nor more
 *            than the greatest. Bools: the same of 0 and 1, which has one: true where both are along the last axis, where
 *            one is along the other. Labels: means of their numbers, which mean nothing: save them with levels by mode or
 *            nearest (holog/ome.h).
 * Floats     (a + b) / 2 in double precision, rounded to the type each time; a NaN below makes it NaN (the quiet one, without
 *            a sign). Complex numbers: each part by itself.
 * RAW        HOLOG_E_NOTSUP, but for 0 halvings.
 *
 * Compressed chunks (holog/compact.h) of bools and integers are stored coarse to fine where that makes them smaller: of
 * these only the coarse part is read, of the images of microscopes a quarter of their bytes for 1/2, a twelfth for 1/4, a
 * thirtieth for 1/8. Its elements are those of a lift (docs/FORMAT.md, section 12, Previews), never less than the least nor
 * more than the greatest of the 256 x 256 around. Images with noise get the lift 2/6, which is within a few units of the means
 * above; those without may get 5/3, which is close where they are smooth and blurs where they are not. So a preview may
 * change by that much when its chunks are compressed; before, and after, it is always the same.
 * Everything else is read whole, and is the same before and after: floats and complex numbers, chunks with a codec,
 * differences from other versions. Of chunks that begin at no multiple of 2^h elements the coarse part is read at the
 * resolution at which they do, and halved further. Where the array ends inside a chunk the last three elements are made
 * from all that they stand for: tiles at such edges are read whole.
 */
#define HOLOG_HALVINGS_MAX 7

/* out_shape: as many numbers as the array has axes. HOLOG_E_INVAL: too many halvings; HOLOG_E_NOTSUP. */
HOLOG_API int holog_array_preview_shape(const holog_array *array, uint32_t halvings,
                                        uint64_t *out_shape);
/* A region of the preview, as holog_array_read reads one of the array: slices, strides and errors as there, in elements
 * of the preview. 0 halvings: the array itself. Memory beside `out` is bounded, 16 MiB or an eighth of the budget. */
HOLOG_API int holog_array_preview(holog_array *array, uint32_t halvings, const holog_slice *region,
                                  void *out, const int64_t *strides);

/* ---- changing it, in a transaction ----------------------------------------------------------------*/

/* Others that change the same chunk, or the shape, before the transaction commits: HOLOG_E_CONFLICT. */
HOLOG_API int holog_array_write(holog_array *array, const holog_slice *region, const void *data,
                                const int64_t *strides);
/* The fill value takes the place of what was never there; what is outside goes, and is fill value should the
 * array grow again. The number of axes stays. */
HOLOG_API int holog_array_resize(holog_array *array, const uint64_t *shape);
/* The array grows along the axis by `count`, and gets data (as large as the array along the others). */
HOLOG_API int holog_array_append(holog_array *array, uint32_t axis, uint64_t count,
                                 const void *data, const int64_t *strides);
/* A JSON object in place of all that are there. */
HOLOG_API int holog_array_set_attributes(holog_array *array, const char *json);

/* ---- planes: many images of one shape as one array --------------------------------------------------*/

/*
 * n arrays of one type and shape become one, with a first axis of n, in one commit. Each has a name, which the
 * array's attributes keep in order: {"holog": {"planes": ["z0.tif", ...]}}; so other Zarr clients see them, too.
 *
 * spec     of one plane; `chunk`, where it is given, is of one plane as well, and a chunk never holds two: a
 *          plane is read without the others. dimension_names has one more, of the first axis; `attributes` are
 *          kept beside the names. No inner_chunk
 * names    UTF-8, 1 to 4096 bytes, no two the same; planes[i] has the elements of names[i], in C order
 *
 * Flags as in holog_array_save. HOLOG_E_INVAL also when n is 0; the message says which name or member.
 */
HOLOG_API int holog_planes_save(holog_store *store, const char *path, const char *const *names,
                                const void *const *planes, size_t n, const holog_array_spec *spec,
                                unsigned flags, uint64_t *out_number);
HOLOG_API int holog_txn_planes_save(holog_txn *txn, const char *path, const char *const *names,
                                    const void *const *planes, size_t n,
                                    const holog_array_spec *spec, unsigned flags);
/* Index on the first axis. HOLOG_E_NOENT: no plane has that name. HOLOG_E_TYPE: the array has no names, or not as
 * many as planes (somebody has resized it, or changed its attributes). */
HOLOG_API int holog_planes_find(const holog_array *array, const char *name, uint64_t *out_index);
/* The name of a plane, the array's until it is closed or changed. HOLOG_E_RANGE: there is no such plane. */
HOLOG_API int holog_planes_name(const holog_array *array, uint64_t index, const char **out_name);
/* All elements of one plane, and no chunk of another; strides: of a plane's axes. */
HOLOG_API int holog_planes_read(holog_array *array, const char *name, void *out,
                                const int64_t *strides);

#ifdef __cplusplus
}
#endif

#endif
