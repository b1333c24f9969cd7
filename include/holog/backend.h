/*
 * holog/backend.h: backends by name, and one file manager over all of them.
 *
 * A backend is a way to keep objects (blobs and arrays) under paths. Three are built in, and all of them show
 * one namespace, that of a store: what any of them has saved, all of them load, the same bytes. They differ
 * in when a save is acknowledged, and in what else it makes:
 *
 *   memory   for what passes from step to step. An array is one chunk, so that it is loaded without a copy;
 *            durable later (async) unless the options say otherwise
 *   files    a directory of ordinary files beside the store ("disk" is the same). A save is durable in the store
 *            when its file is written; a load takes the store's entry, or a file where the store has none (also
 *            one whose entry was deleted or rolled back otherwise: only this backend removes files). An error after
 *            the commit, while files are written, says so: the entries are saved then
 *   zarr     arrays in chunks, by default a plane each, with a codec: what Zarr clients like to read
 *
 * Others are registered at run time. The backend is named by who opens it: there is no default, and nothing
 * falls back from one to another.
 *
 *     holog_backend *b;
 *     holog_backend_options o = { .struct_size = sizeof o, .store = store };
 *     holog_object *plane;
 *     holog_backend_open("memory", &o, &b);
 *     holog_vfs_save_bytes(b, "results/well.json", text, len, HOLOG_PARENTS, NULL);
 *     holog_vfs_load(b, "images/z0.npy", &plane);
 *     use(holog_object_data(plane), holog_object_size(plane));
 *     holog_object_release(plane);
 *     holog_backend_close(b);
 *
 * Paths, results, structs and threads: as in holog.h. Names of backends do not tell upper from lower case.
 * The calls on a backend are the same for each, and so are their answers:
 *
 *   HOLOG_E_NOENT      no such entry, or its parent is missing    HOLOG_E_NOTDIR    a component is an object
 *   HOLOG_E_EXIST      it exists and REPLACE was not given        HOLOG_E_ISDIR     it is a directory
 *   HOLOG_E_NOTEMPTY   a directory that has entries               HOLOG_E_LOOP      over 16 symlinks on the way
 *   HOLOG_E_BADPATH    ".." or an empty path                      HOLOG_E_INVAL     arguments make no sense
 *   HOLOG_E_CORRUPT    stored bytes are damaged                   HOLOG_E_TYPE      it is not what was asked for
 * An array is an object here as a blob is, and no directory: nothing is saved below it, and what is looked for there
 * is HOLOG_E_NOTDIR, as it is below a blob; asking whether it is there says no.
 */
#ifndef HOLOG_BACKEND_H
#define HOLOG_BACKEND_H

#include "holog/array.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- objects --------------------------------------------------------------------------------------*/

enum holog_object_kind {
    HOLOG_OBJECT_BLOB = 1,
    HOLOG_OBJECT_ARRAY = 2
};

/* What is to be saved; borrowed for the call. */
typedef struct holog_object_spec {
    uint32_t struct_size;
    uint32_t kind;      /* enum holog_object_kind */
    const void *data;   /* may be NULL when there are no bytes */
    uint64_t len_bytes; /* of a blob; of an array 0, or what type and shape say */
    uint32_t dtype;     /* of an array: enum holog_dtype, ... */
    uint32_t item_size; /* of HOLOG_RAW, ... */
    uint32_t rank;
    uint32_t reserved;      /* 0 */
    const uint64_t *shape;  /* rank sizes, ... */
    const int64_t *strides; /* as in array.h; NULL: C order */
} holog_object_spec;

typedef struct holog_object_info {
    uint32_t struct_size;
    uint32_t kind;
    uint64_t size_bytes;
    uint64_t number; /* commit of this version; 0: the backend has no commits */
    uint32_t dtype;  /* of an array, as what follows */
    uint32_t item_size;
    uint32_t rank;
    uint32_t reserved;
    uint64_t shape[HOLOG_RANK_MAX];
} holog_object_info;

/* What was loaded: counted, unchangeable, elements in C order. Bytes that the library holds in memory already
 * are not copied. Release all objects before the store is closed; they may outlive the backend. */
typedef struct holog_object holog_object;
HOLOG_API const void *holog_object_data(const holog_object *object);
HOLOG_API uint64_t holog_object_size(const holog_object *object); /* bytes */
HOLOG_API int holog_object_get_info(const holog_object *object, holog_object_info *out_info);
HOLOG_API holog_object *holog_object_retain(holog_object *object); /* one more to release */
HOLOG_API void holog_object_release(holog_object *object);         /* NULL is fine */

/* ---- the registry -----------------------------------------------------------------------------------*/

typedef struct holog_backend_ops holog_backend_ops;

/* Any thread may call these. ops, its name and its aliases stay as they are until it is unregistered.
 * HOLOG_E_EXIST: a backend has one of these names. HOLOG_E_INVAL: what is missing in ops is in the message.
 * HOLOG_E_VERSION: made for another version of the table. */
HOLOG_API int holog_backend_register(const holog_backend_ops *ops);
/* HOLOG_E_BUSY: it is open somewhere; the built-in ones always are. HOLOG_E_NOENT. */
HOLOG_API int holog_backend_unregister(const char *name);
/* Every name, in no order; of an alias, `backend` is the name of what it stands for. `each` may call the
 * registry; non-zero stops. */
HOLOG_API int holog_backend_list(int (*each)(void *ctx, const char *name, const char *backend),
                                 void *ctx);
/* Registers what a shared object brings: its function holog_backend_entry returns the table. path has a '/' in
 * it: nothing is searched for. The module runs in the process with all its rights, and stays in memory also when
 * it has been unregistered. HOLOG_E_NOENT: there is no such file; HOLOG_E_NOTSUP: it cannot be loaded;
 * HOLOG_E_VERSION: it is no backend, or one for another version. */
HOLOG_API int holog_backend_load(const char *path);
#define HOLOG_BACKEND_ENTRY "holog_backend_entry"
typedef const holog_backend_ops *(*holog_backend_entry_fn)(void);

/* ---- an open backend ----------------------------------------------------------------------------------*/

/* What has survived when a save returns. As holog.h says it of the sync modes, the first mode that is named. */
enum holog_durability {
    HOLOG_DURABILITY_DEFAULT = 0, /* memory: ASYNC; others: SYNC */
    HOLOG_DURABILITY_NONE =
        1, /* HOLOG_SYNC_NONE: lost with the process, unless a sync came later */
    HOLOG_DURABILITY_ASYNC = 2, /* HOLOG_SYNC_INTERVAL: nothing is lost with the process */
    HOLOG_DURABILITY_SYNC = 3   /* HOLOG_SYNC_COMMIT: nothing is lost */
};
enum holog_chunking {
    HOLOG_CHUNKS_DEFAULT = 0, /* memory, files: one chunk; zarr: planes of at most 16 MiB */
    HOLOG_CHUNKS_PLANES = 1,
    HOLOG_CHUNKS_WHOLE = 2
};

typedef struct holog_backend_options {
    uint32_t struct_size;
    uint32_t durability; /* enum holog_durability */
    holog_store *store;  /* of the built-in ones; must outlive the backend */
    const char *
        root; /* of files: their directory, made if missing (its parent is not); neither in the store's
                           * own directory nor above it: HOLOG_E_INVAL */
    const char *config;   /* for backends of others: what they make of it */
    uint64_t max_objects; /* saved through this handle and not yet durable, at most; 0 = 1000 */
    /* A save after which more than this part of max_objects is not durable makes them so before it returns; more
     * than 0, at most 1; 0 = 0.8. How much memory is used is the store's affair (budget_bytes): what is
     * durable gives way there by itself, what is read often stays. */
    double cleanup_threshold;
    uint32_t chunking; /* enum holog_chunking; as what follows, for arrays */
    uint32_t codec;    /* enum holog_array_codec */
    int32_t level;
    uint32_t array_flags; /* enum holog_array_flags */
    /* Of new files of the backend files, whatever the umask: 0600 and what others may do, e.g. 0644. 0: 0666 less
     * the umask, as directories are 0777 less it */
    uint32_t file_mode;
    uint32_t reserved; /* 0 */
} holog_backend_options;

typedef struct holog_backend holog_backend;

/* HOLOG_E_NOENT: no backend has that name; the message names those that there are. opts may be NULL where the
 * backend needs nothing. */
HOLOG_API int holog_backend_open(const char *name, const holog_backend_options *opts,
                                 holog_backend **out_backend);
/* Frees the handle also when it fails. What was saved is as durable as it was. NULL is fine. */
HOLOG_API int holog_backend_close(holog_backend *backend);
HOLOG_API const char *holog_backend_name(const holog_backend *backend);

/* ---- saving and loading ---------------------------------------------------------------------------------*/

/* Flags as in holog_save: HOLOG_PARENTS, HOLOG_REPLACE. out_number (may be NULL): the commit; 0 of a backend
 * that has none. An array may be refused for its path where that names the format of a file: HOLOG_E_TYPE. */
HOLOG_API int holog_vfs_save(holog_backend *backend, const char *path,
                             const holog_object_spec *object, unsigned flags, uint64_t *out_number);
HOLOG_API int holog_vfs_save_bytes(holog_backend *backend, const char *path, const void *data,
                                   size_t len_bytes, unsigned flags, uint64_t *out_number);

typedef struct holog_vfs_item {
    const char *path;
    const holog_object_spec *object;
} holog_vfs_item;
/* All or none, one commit. The same path twice is HOLOG_E_INVAL, an item below another HOLOG_E_NOTDIR; n == 0 is a
 * success. */
HOLOG_API int holog_vfs_save_batch(holog_backend *backend, const holog_vfs_item *items, size_t n,
                                   unsigned flags, uint64_t *out_number);

/* Follows symlinks. HOLOG_E_NOENT, HOLOG_E_ISDIR, HOLOG_E_CORRUPT. */
HOLOG_API int holog_vfs_load(holog_backend *backend, const char *path, holog_object **out_object);
/* In the order of paths. Fails as a whole, then no object is returned; out_status (n codes, may be NULL) says
 * for each path why, and is also filled then. */
HOLOG_API int holog_vfs_load_batch(holog_backend *backend, const char *const *paths, size_t n,
                                   holog_object **out_objects, int *out_status);
/* HOLOG_E_TYPE unless it is an array of that type and rank, and of that shape unless shape is NULL. dtype 0: a
 * blob. */
HOLOG_API int holog_vfs_load_checked(holog_backend *backend, const char *path, uint32_t dtype,
                                     uint32_t rank, const uint64_t *shape,
                                     holog_object **out_object);

/* ---- asking ----------------------------------------------------------------------------------------------*/

enum holog_answer {
    HOLOG_ABSENT = -1, /* nothing is there, or a symlink that leads nowhere */
    HOLOG_NO = 0,
    HOLOG_YES = 1
};
/* Follow symlinks. What is missing is no error, and nothing is made by asking. */
HOLOG_API int holog_vfs_exists(holog_backend *backend, const char *path, int *out_exists);
/* enum holog_answer. An object, a blob or an array, is a file. */
HOLOG_API int holog_vfs_is_file(holog_backend *backend, const char *path, int *out_answer);
HOLOG_API int holog_vfs_is_dir(holog_backend *backend, const char *path, int *out_answer);

typedef struct holog_vfs_stat_info {
    uint32_t struct_size;
    uint32_t type;        /* enum holog_type; MISSING is not an error */
    uint32_t target_type; /* of a symlink: what it leads to, MISSING when that is nothing */
    uint32_t csum;        /* as in holog_stat_info; 127: not known */
    uint64_t size_bytes;  /* of all elements, of an array */
    uint64_t number;      /* commit of this version; 0: not known, as what follows */
    uint64_t time_ns;
    uint64_t hash_lo; /* of a blob, as in holog_stat_info */
    uint64_t hash_hi;
    uint32_t dtype; /* of an array, as what follows */
    uint32_t item_size;
    uint32_t rank;
    uint32_t reserved;
    uint64_t shape[HOLOG_RANK_MAX];
} holog_vfs_stat_info;
/* Of a symlink itself. */
HOLOG_API int holog_vfs_stat(holog_backend *backend, const char *path,
                             holog_vfs_stat_info *out_info);

enum holog_place_kind {
    HOLOG_PLACE_SEGMENT = 1, /* a record in a segment of the store */
    HOLOG_PLACE_FILE = 2,    /* a file of its own */
    HOLOG_PLACE_ELSEWHERE = 3
};
typedef struct holog_vfs_place {
    uint32_t struct_size;
    uint32_t kind; /* enum holog_place_kind */
    uint32_t
        segment; /* of a record; of an array, that of its directory. 0: it is only in memory yet */
    uint32_t reserved;
    uint64_t offset;
    char file[HOLOG_PATH_MAX]; /* the segment's, or its own */
} holog_vfs_place;
/* Where it is physically, now. Follows symlinks. HOLOG_E_NOENT; HOLOG_E_NOTSUP: the backend does not tell. */
HOLOG_API int holog_vfs_resolve(holog_backend *backend, const char *path,
                                holog_vfs_place *out_place);

/* ---- listing ----------------------------------------------------------------------------------------------*/

/* Objects in a directory, with HOLOG_LIST_RECURSIVE in all those below it as well: by depth, then in the natural
 * order of paths. A symlink counts as what it leads to; those to directories are not gone into.
 *
 * pattern      of fnmatch(3), for the last component. NULL: all; "" is HOLOG_E_INVAL
 * extensions   NULL-terminated, e.g. "tif" or ".roi.zip": the name ends in a dot and one of them, in whatever
 *              case. NULL: all; none at all, or an empty one, is HOLOG_E_INVAL
 * each         path is the whole of it, borrowed; type HOLOG_BLOB or HOLOG_ARRAY. Non-zero stops
 * HOLOG_E_NOENT, HOLOG_E_NOTDIR. */
typedef int (*holog_vfs_each)(void *ctx, const char *path, uint32_t type);
HOLOG_API int holog_vfs_list_files(holog_backend *backend, const char *dir, const char *pattern,
                                   const char *const *extensions, unsigned flags,
                                   holog_vfs_each each, void *ctx);
/* Direct children of whatever type, in natural order; `each` gets names. */
HOLOG_API int holog_vfs_list_dir(holog_backend *backend, const char *dir, holog_vfs_each each,
                                 void *ctx);

/* ---- changing the namespace -----------------------------------------------------------------------------------*/

/* With its parents; content when it is there. HOLOG_E_EXIST: an object has that name; HOLOG_E_NOTDIR. */
HOLOG_API int holog_vfs_ensure_directory(holog_backend *backend, const char *path,
                                         uint64_t *out_number);
/* An object, a symlink (not its target) or an empty directory (HOLOG_E_NOTEMPTY). HOLOG_E_NOENT. */
HOLOG_API int holog_vfs_delete(holog_backend *backend, const char *path, uint64_t *out_number);
/* And everything below it. */
HOLOG_API int holog_vfs_delete_all(holog_backend *backend, const char *path, uint64_t *out_number);
/* Every object and symlink (not its target) in a directory and those below it; the directories stay. One change.
 * Follows symlinks to `dir`. HOLOG_E_NOENT, HOLOG_E_NOTDIR; HOLOG_E_NOTSUP: the backend cannot do that at once. */
HOLOG_API int holog_vfs_delete_files(holog_backend *backend, const char *dir, uint64_t *out_number);
/* The target, relative to the link's directory unless it begins with '/', must be there: HOLOG_E_NOENT. It is
 * kept as given; later it may go, and the link leads nowhere. */
HOLOG_API int holog_vfs_symlink(holog_backend *backend, const char *target, const char *path,
                                unsigned flags, uint64_t *out_number);
/* HOLOG_E_TYPE: no symlink. HOLOG_E_RANGE: it does not fit, with the NUL. */
HOLOG_API int holog_vfs_readlink(holog_backend *backend, const char *path, char *buf,
                                 size_t buf_size);
/* Of a directory with all in it; symlinks stay symlinks. In a store no byte of a value is copied. With REPLACE
 * an object or a symlink gives way, a directory never does, and nothing to itself (HOLOG_E_EXIST). Flags as of a
 * save. HOLOG_E_INVAL: a directory into itself. */
HOLOG_API int holog_vfs_copy(holog_backend *backend, const char *from, const char *to,
                             unsigned flags, uint64_t *out_number);
/* As a copy, in one change; what was at `from` is gone. */
HOLOG_API int holog_vfs_move(holog_backend *backend, const char *from, const char *to,
                             unsigned flags, uint64_t *out_number);

/* ---- durability -------------------------------------------------------------------------------------------------*/

/* All that was saved is durable when it returns. */
HOLOG_API int holog_vfs_sync(holog_backend *backend);
/* As holog_wait_durable. With HOLOG_DURABILITY_NONE, of which nothing becomes durable by itself, it is a sync. */
HOLOG_API int holog_vfs_wait_durable(holog_backend *backend, uint64_t number, uint32_t timeout_ms);

/* ---- which backend ------------------------------------------------------------------------------------------------*/

enum holog_step_type {
    HOLOG_STEP_FUNCTION = 1,
    HOLOG_STEP_OTHER = 2
};
/*
 * For where step `step` (the first is 0) of a pipeline puts what it makes; a rule and no more, the first line that
 * holds:
 *
 *   step is 0                                      "files"    it begins with files
 *   step is last_step                              "files"    the results are to be files
 *   data_bytes > 0.8 * memory_available_bytes      "files"    too large
 *   step_type is HOLOG_STEP_FUNCTION               "memory"
 *   any other                                      "files"
 */
HOLOG_API const char *holog_select_backend(uint32_t step, uint32_t last_step, uint32_t step_type,
                                           uint64_t data_bytes, uint64_t memory_available_bytes);

/* ---- for who writes a backend ---------------------------------------------------------------------------------------*/

#define HOLOG_BACKEND_VERSION 1 /* of what follows */

/* An object that was loaded. release(owner) is called once, when nobody needs data any more, which may be after
 * the backend was closed; NULL: data stays for ever. */
typedef struct holog_payload {
    holog_object_info info;
    const void *data;
    void *owner;
    void (*release)(void *owner);
} holog_payload;

enum holog_backend_flags {
    HOLOG_BACKEND_STRIDES = 1, /* save takes strides; else arrays come in C order, without any */
    HOLOG_BACKEND_DEEP =
        2 /* list takes HOLOG_LIST_RECURSIVE; else it is asked for each directory */
};

/*
 * The calls that the library makes, from any thread, also at once. Each returns 0 or a HOLOG_E_ code, which the
 * caller gets; outputs are untouched on failure. Arguments have been checked: paths are canonical, without a '/' at
 * either end, the root is "/"; structs are whole, kinds and flags known, items of a batch differ and none is below
 * another one. The contract above is the backend's to keep: whether a parent is there, what REPLACE means, links.
 */
struct holog_backend_ops {
    uint32_t struct_size;
    uint32_t version;           /* HOLOG_BACKEND_VERSION */
    const char *name;           /* 1 to 63 of A-Z a-z 0-9 . _ - */
    const char *const *aliases; /* NULL-terminated; NULL: none */
    uint32_t flags;             /* enum holog_backend_flags */
    uint32_t reserved;          /* 0 */

    /* opts: whole, but not judged; borrowed for the call. Both may be NULL: nothing to open. */
    int (*open)(const holog_backend_options *opts, void **out_self);
    int (*close)(void *self);

    /* All n or none. */
    int (*save)(void *self, const holog_vfs_item *items, size_t n, unsigned flags,
                uint64_t *out_number);
    /* status[i] says how it went with paths[i], and out[i] is set where that is HOLOG_OK; the result is only
     * of failures that concern them all. out comes zeroed. */
    int (*load)(void *self, const char *const *paths, size_t n, holog_payload *out, int *status);
    /* Of a symlink itself. out comes zeroed. Missing: type MISSING, or HOLOG_E_NOENT. */
    int (*stat)(void *self, const char *path, holog_vfs_stat_info *out);
    /* Children, in any order; of a symlink `type` is HOLOG_SYMLINK. Recursive: their paths relative to dir. A result
     * other than 0 from `each` stops and is returned. */
    int (*list)(void *self, const char *dir, unsigned flags,
                int (*each)(void *ctx, const char *name, uint32_t type), void *ctx);
    int (*ensure_directory)(void *self, const char *path, uint64_t *out_number);
    int (*remove)(void *self, const char *path, int all, uint64_t *out_number);
    int (*copy)(void *self, const char *from, const char *to, unsigned flags, uint64_t *out_number);
    int (*move)(void *self, const char *from, const char *to, unsigned flags, uint64_t *out_number);

    /* These may be NULL: HOLOG_E_NOTSUP; of wait: all is durable at once. number 0: everything so far. */
    int (*symlink)(void *self, const char *target, const char *path, unsigned flags,
                   uint64_t *out_number);
    int (*readlink)(void *self, const char *path, char *buf, size_t buf_size);
    int (*resolve)(void *self, const char *path, holog_vfs_place *out);
    int (*wait)(void *self, uint64_t number, uint32_t timeout_ms);
    int (*remove_files)(void *self, const char *dir, uint64_t *out_number);
};

#ifdef __cplusplus
}
#endif

#endif
