/*
 * The metadata document of an array, Zarr v3's zarr.json: read strictly, since what is misunderstood reads
 * wrong values, and written as every client reads it. Attributes, and members that nobody has to understand,
 * are kept as they stand.
 *
 *   member               what is taken
 *   zarr_format          3
 *   node_type            "array"
 *   shape                [0 to 2^49-1, ...], at most 32 axes; none is a single value
 *   data_type            array/dtype.h; another one makes the array opaque: its chunks are kept, nobody here
 *                        reads their elements, and its fill value is whatever stands there
 *   chunk_grid           "regular", chunk_shape [1 to 2^49-1, ...]; an edge chunk is as large as any
 *   chunk_key_encoding   "default" (c/0/1; separator "/" or ".") or "v2" (0.1)
 *   fill_value           array/fill.h
 *   codecs               array to array, one array to bytes, bytes to bytes, in this order
 *   dimension_names      absent, or one for each axis, a string or null
 *   attributes           absent, or an object
 *   storage_transformers absent or []
 *   anything else        an object with "must_understand": false
 *
 * Source: Zarr core specification v3, "Array metadata".
 */
#ifndef HG_ARRAY_DOCUMENT_H
#define HG_ARRAY_DOCUMENT_H

#include <json-c/json_object.h>

#include "array/dtype.h"
#include "base/buf.h"
#include "base/node.h"

#define HG_DOCUMENT_MAX (16u << 20) /* bytes of JSON */
#define HG_CODECS_MAX   16

/* In the order of their stages. */
enum hg_codec_stage {
    HG_ARRAY_TO_ARRAY = 1,
    HG_ARRAY_TO_BYTES,
    HG_BYTES_TO_BYTES,
    HG_STAGE_UNKNOWN
};
enum hg_codec_id {
    HG_CODEC_UNKNOWN, /* holog keeps such chunks, and cannot read their elements */
    HG_CODEC_TRANSPOSE,
    HG_CODEC_BYTES,
    HG_CODEC_SHARDING,
    HG_CODEC_ZSTD,
    HG_CODEC_GZIP,
    HG_CODEC_BLOSC,
    HG_CODEC_CRC32C,
    HG_CODEC_LZ4,     /* numcodecs.lz4 */
    HG_CODEC_SHUFFLE, /* numcodecs.shuffle */
};

struct hg_codec {
    const char *name; /* of the document, as what follows */
    enum hg_codec_id id;
    enum hg_codec_stage stage;
    struct json_object *configuration; /* NULL: there is none */
};

struct hg_document {
    struct json_object *root; /* the whole of it */
    struct hg_type type;      /* HG_OPAQUE: of a type that holog does not know */
    const char *type_name;
    unsigned rank;
    uint64_t shape[HG_RANK_MAX];
    uint64_t chunk[HG_RANK_MAX];
    uint8_t fill[HG_ITEM_MAX];
    char separator; /* '/' or '.' */
    int v2_keys;    /* 0.1, not c/0/1 */
    unsigned n_codecs;
    struct hg_codec codecs[HG_CODECS_MAX];
    struct json_object *names;      /* dimension_names; NULL: there are none */
    struct json_object *attributes; /* NULL: there are none */
};

/* Release it whatever is returned. HOLOG_E_INVAL: it is no such document; HOLOG_E_NOTSUP: one that holog
 * cannot handle; HOLOG_E_TOOBIG: over HG_DOCUMENT_MAX, or more chunks than 2^62. The message names the
 * member. */
HG_MUST_CHECK int hg_document_read(const void *json, size_t len, struct hg_document *out);
void hg_document_release(struct hg_document *d);
/* Any JSON, as strictly as that of a document; the caller's. HOLOG_E_INVAL, HOLOG_E_TOOBIG. */
HG_MUST_CHECK int hg_document_json(const void *json, size_t len, struct json_object **out);

/* JSON in which NaN, Infinity or -Infinity stand for numbers, as Python and JavaScript write them: *out_words of
 * them, and the same with strings in their place appended to out; 0: there are none, and nothing is appended.
 * HOLOG_E_INVAL, HOLOG_E_TOOBIG: it is no JSON even so. */
HG_MUST_CHECK int hg_document_mend(const void *json, size_t len, struct hg_buf *out,
                                   unsigned *out_words);

/* A list of codecs, such as sharding has two of: out (HG_CODECS_MAX) borrows from it. `member` is what
 * messages call it. HOLOG_E_INVAL: there is no list, or no chain of codecs; HOLOG_E_NOTSUP: too many. */
HG_MUST_CHECK int hg_codecs_read(struct json_object *list, const char *member, struct hg_codec *out,
                                 unsigned *out_count);

/* What a new array is to be. Chunks hold little-endian elements, and go through what is asked for in the
 * order of the members below. */
struct hg_array_plan {
    struct hg_type type;
    unsigned rank;
    const uint64_t *shape, *chunk;
    const uint8_t *fill;          /* an element; NULL: zeros */
    const char *const *names;     /* of the axes, each may be NULL; NULL: they have none */
    const char *attributes;       /* a JSON object; NULL: there are none */
    const uint64_t *inner;        /* chunks in a chunk, which is a shard; NULL: it is none */
    const uint8_t *transpose;     /* axes, the outermost as stored first; NULL: C order */
    int shuffle;                  /* the bytes of elements */
    enum hg_codec_id compression; /* HG_CODEC_ZSTD, _LZ4; HG_CODEC_UNKNOWN: none */
    int level;                    /* of zstd; lz4: acceleration */
    int crc32c;                   /* a checksum at the end */
};
/* Its document, appended to out. HOLOG_E_INVAL: attributes are no JSON object, a name is not UTF-8, inner
 * does not divide chunk, transpose does not have every axis once; and as hg_document_read says of what it
 * would read. */
HG_MUST_CHECK int hg_document_write(const struct hg_array_plan *plan, struct hg_buf *out);

/* A caller's attributes, read as strictly: *out is yours to json_object_put. NULL: there are none. HOLOG_E_INVAL. */
HG_MUST_CHECK int hg_document_attributes(const char *json, struct json_object **out);

/* The document with another shape (NULL: as it is) and other attributes (a JSON object; NULL: as they are),
 * appended to out; all else stays as it stands. Errors as of hg_document_write. */
HG_MUST_CHECK int hg_document_change(const struct hg_document *d, const uint64_t *shape,
                                     const char *attributes, struct hg_buf *out);

/* How many chunks there are along an axis, and elements in a chunk. */
uint64_t hg_document_chunks(const struct hg_document *d, unsigned axis);

#endif
