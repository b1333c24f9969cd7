/*
 * holog/zarr.h: a store, or a directory of it, as a Zarr hierarchy: keys and their bytes, as any Zarr client
 * reads and writes them.
 *
 * The verbs are those of the abstract store of Zarr v3. A key is names with '/' between them, without one in
 * front ("plate/A/1/zarr.json", "plate/A/1/c/0/12"); it is relative to the path that the hierarchy was opened
 * at. What a key names:
 *
 *   P/zarr.json           the metadata document of the group or array P. Of an array, and of a group that was
 *                         given one: those very bytes. Any other directory is a group too, and its document
 *                         is made up when it is read, unless it lies below an array: then it is part of that
 *   P/c/1/2               a chunk of array P, spelled as the document says. A missing one is HOLOG_E_NOENT,
 *                         which to Zarr means: all fill value; a damaged one is HOLOG_E_CORRUPT
 *   anything else         the blob of that path
 * A key that is spelled like a chunk and is none (c/00, beyond the grid) is a blob of that name, and hides no
 * chunk; a blob that has the path of a chunk, or of a zarr.json, is not seen here. Chunks are bytes, whatever
 * codecs the document names. Where "sharding_indexed" is the only codec of an array, inner chunks are stored one
 * by one: a shard is put together when it is read, whole or in parts, the same bytes each time, and taken apart
 * when it is set; other shards are kept as they come. Symlinks are followed, but holog_zarr_list does not go
 * into directories that they lead to. Calls refuse what can be no key, an empty name, ".", "..", a '/' in front,
 * bytes that are not UTF-8, with HOLOG_E_BADPATH, and names over 255 bytes with HOLOG_E_NAMETOOLONG.
 *
 * With HOLOG_ZARR_V2 the same entries have the keys and documents of Zarr v2: P/.zgroup, P/.zattrs, P/.zarray,
 * P/0.1 or P/0/1. Only arrays whose chunks are the same bytes in both versions are there: HOLOG_E_NOTSUP, with the
 * reason, on the documents of another and on its chunks, and listings leave them out. Arrays of types that holog
 * does not know are kept whole; they are there as v2 if that is what they came as. Names of axes are the attribute
 * _ARRAY_DIMENSIONS.
 * Consolidated metadata is made up, never stored: .zmetadata at the root of a v2 hierarchy; of a v3 one, in the
 * root group's zarr.json with HOLOG_ZARR_CONSOLIDATED. (Without that flag a document that was set with its own is
 * what it is, and as old.)
 *
 * Reading writes nothing. Threads, results and structs: as in holog.h.
 */
#ifndef HOLOG_ZARR_H
#define HOLOG_ZARR_H

#include "holog/holog.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct holog_zarr holog_zarr;

enum holog_zarr_flags {
    HOLOG_ZARR_V2 = 1,
    HOLOG_ZARR_CONSOLIDATED = 2
};

/* The hierarchy at directory `path` ("/": all of the store) as of the view, which must outlive it. Any
 * threads may read it at once. HOLOG_E_NOENT, HOLOG_E_NOTDIR. */
HOLOG_API int holog_zarr_open(holog_view *view, const char *path, unsigned flags,
                              holog_zarr **out_zarr);
HOLOG_API void holog_zarr_close(holog_zarr *zarr); /* NULL is fine */

enum holog_zarr_kind {
    HOLOG_ZARR_MISSING = 0,
    HOLOG_ZARR_KEY = 1,   /* has bytes */
    HOLOG_ZARR_PREFIX = 2 /* keys begin with it and a '/' */
};
typedef struct holog_zarr_info {
    uint32_t struct_size;
    uint32_t kind;       /* enum holog_zarr_kind; MISSING is not an error */
    uint64_t size_bytes; /* of a key */
    uint64_t etag[2]; /* of a key: other bytes have another; the same version has the same one, also
                         in another process and after the store was opened again */
    uint32_t is_document; /* 1: JSON metadata */
    uint32_t reserved;
} holog_zarr_info;
/* A key may be spelled with a '/' behind it: then only a prefix is meant. "" is the root. What is a key and a
 * prefix is a key here. */
HOLOG_API int holog_zarr_stat(holog_zarr *zarr, const char *key, holog_zarr_info *out_info);
/* All its bytes, verified. HOLOG_E_NOENT: there is no such key (a prefix has no bytes). Release with
 * holog_value_release. */
HOLOG_API int holog_zarr_get(holog_zarr *zarr, const char *key, holog_value **out_value);
/* Both, for little more than one of them costs: what holog_zarr_stat says, and the bytes. Of what is no key
 * *out_value is NULL, and that is no error. */
HOLOG_API int holog_zarr_stat_get(holog_zarr *zarr, const char *key, holog_zarr_info *out_info,
                                  holog_value **out_value);
/* Bytes [offset, offset + len) of it; *out_n: how many these are, less than len at the end. HOLOG_E_RANGE:
 * offset is behind the end. */
HOLOG_API int holog_zarr_get_range(holog_zarr *zarr, const char *key, uint64_t offset, void *buf,
                                   size_t len_bytes, size_t *out_n);

/* What comes right below a prefix ("" or "a/b", a '/' behind it is the same): each name once, documents first,
 * then names in natural order, then those of chunks in the order of indexes. is_prefix: it is a directory, or keys
 * of chunks lie below it; is_key: it is a key itself (both may be). A prefix without keys: no calls, no error.
 * `each` returns non-zero to stop, which is no error. Chunks that are not named are passed over, however many. */
HOLOG_API int holog_zarr_list_dir(holog_zarr *zarr, const char *prefix,
                                  int (*each)(void *ctx, const char *name, int is_key,
                                              int is_prefix, uint64_t size_bytes),
                                  void *ctx);
/* All keys below a prefix, chunks of an array in C order and behind the names in it. `each` returns non-zero to
 * stop, which is no error. */
HOLOG_API int holog_zarr_list(holog_zarr *zarr, const char *prefix,
                              int (*each)(void *ctx, const char *key, uint64_t size_bytes),
                              void *ctx);

/* ---- out and in ---- */

enum holog_zarr_export_flags {
    HOLOG_ZARR_EXPORT_ZIP = 1 /* one zip file, not a directory */
};
typedef struct holog_zarr_export_options {
    uint32_t struct_size;
    uint32_t flags; /* enum holog_zarr_export_flags */
    /* An array that has no documents of Zarr v2, with the reason: 0 to go on without it. NULL, or any other
     * answer: the export ends with that code, and nothing is written. */
    int (*left_out)(void *ctx, const char *path, int code, const char *message);
    void *left_out_ctx;
    holog_progress_fn progress; /* or NULL; its unit is "keys" */
    void *progress_ctx;
} holog_zarr_export_options;
/* All keys as files below the directory `to`, which is made, and must not be there (HOLOG_E_EXIST): chunks first,
 * then the documents, the root's last. Or as one zip file of that name, after RFC-9 of OME-NGFF (".ozx"), with the
 * plug-in holog-zip.so (HOLOG_E_NOTSUP without it): every entry stored, its sizes in 64 bits in front of it,
 * documents first, the root's before the others and those by their depth, and, of Zarr v3, a comment that says so;
 * the same state makes the same bytes. The directory and the end have zip64 where they need it: the RFC says SHOULD
 * of all sizes.
 * Synced, and only then is it called so: until then it is TO.partial-PID, which a failure removes; what a killed
 * process has left of it, the next export to the same name removes. A key that is also what others begin with
 * (a blob a/c beside chunks a/c/0) can be no file: HOLOG_E_EXIST, which names both. options NULL: all zeros.
 * Memory beside the store's own: a value, and of a zip file some 500 bytes for each key. */
HOLOG_API int holog_zarr_export(holog_zarr *zarr, const char *to,
                                const holog_zarr_export_options *options);

/* Changes, in a transaction; v3 keys, relative to directory `path`, which is made if missing, as all parents
 * are. What is there gives way, but for a directory of the key's name (HOLOG_E_ISDIR).
 *
 * A document is checked before it is taken and keeps its bytes: HOLOG_E_INVAL, HOLOG_E_NOTSUP, HOLOG_E_TOOBIG. A
 * document of an array that has chunks is replaced only by one that reads them the same way (attributes, names, a
 * larger or smaller shape, which drops the chunks outside): else HOLOG_E_EXIST, delete the array first; as where
 * a blob has the path of the group or array. Blobs that have come before, under keys that the document makes those
 * of chunks, become chunks. A shard that cannot be taken apart is HOLOG_E_INVAL, chunks of more than 2^31 - 1 bytes are
 * HOLOG_E_TOOBIG. The commit is HOLOG_E_CONFLICT
 * if another one has changed the document by which a chunk was understood. */
HOLOG_API int holog_txn_zarr_set(holog_txn *txn, const char *path, const char *key,
                                 const void *data, size_t len_bytes);
/* No error if it is missing. An array's document goes with all chunks. The directory of a document goes too,
 * unless it has names in it: then it stays, as a group whose document is made up. */
HOLOG_API int holog_txn_zarr_delete(holog_txn *txn, const char *path, const char *key);
/* All keys that begin with the prefix and a '/'; "": all. Of a symlink the link goes, not what it leads to. */
HOLOG_API int holog_txn_zarr_delete_prefix(holog_txn *txn, const char *path, const char *prefix);

typedef struct holog_zarr_import_options {
    uint32_t struct_size;
    uint32_t reserved;
    /* What cannot be taken: 0 to go on without it. HOLOG_E_NOTSUP: holog has no such thing; any other code: it is
     * damaged. NULL, or any other answer: the import ends with that error. */
    int (*left_out)(void *ctx, const char *key, int code, const char *message);
    void *left_out_ctx;
    /* What was taken, but not as it stands. NULL: nobody is told. */
    void (*noted)(void *ctx, const char *key, const char *message);
    void *noted_ctx;
    holog_progress_fn progress; /* or NULL; its unit is "bytes" */
    void *progress_ctx;
} holog_zarr_import_options;
/* The hierarchy in a directory, or in a zip file (with the plug-in holog-zip.so; entries stored or deflated), as it
 * stands: whatever its codecs and types are, chunks keep their bytes, and their keys; documents of Zarr v2 become
 * those of v3, and consolidated metadata is left out, since it is made when it is asked for. NaN and Infinity, which
 * are no JSON and which some write nevertheless, become the strings "NaN", "Infinity" and "-Infinity", and are noted.
 * In a directory symlinks and what is neither file nor directory are passed over; a zip file is refused for them,
 * and for all else that it should not have, before anything is taken (src/backends/zarr/zip.h has the codes). Of its
 * entries of one name the last is taken, and that is noted. A chunk that is nothing but its elements and does not
 * have the length of them is HOLOG_E_INVAL to left_out; what is encoded is not looked into.
 * HOLOG_E_INVAL: there is no zarr.json, .zgroup or .zarray at its root. options NULL: all zeros. It may be larger
 * than memory: a file at a time is there, and of a zip file its directory (some 400 bytes an entry). */
HOLOG_API int holog_txn_zarr_import(holog_txn *txn, const char *path, const char *from,
                                    const holog_zarr_import_options *options);

#ifdef __cplusplus
}
#endif

#endif
