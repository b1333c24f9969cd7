/*
 * holog/error.h: every result code, and what went wrong in detail.
 *
 * Every call returns 0 (HOLOG_OK) or a negative HOLOG_E_ code; values are never reused. Outputs are
 * last and untouched on failure. The detail of the calling thread's last failed call says where:
 * a message in plain English, and the segment, offset and path concerned when there are any.
 */
#ifndef HOLOG_ERROR_H
#define HOLOG_ERROR_H

#include <stdint.h>

#ifndef HOLOG_API
#define HOLOG_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum holog_code {
    HOLOG_OK = 0,

    /* what the caller asked for */
    HOLOG_E_INVAL = -1,       /* an argument makes no sense; nothing was changed */
    HOLOG_E_NOENT = -2,       /* no such entry, or its parent is missing */
    HOLOG_E_EXIST = -3,       /* the entry exists and replacing was not asked for */
    HOLOG_E_NOTDIR = -4,      /* a component of the path is not a directory */
    HOLOG_E_ISDIR = -5,       /* the entry is a directory */
    HOLOG_E_NOTEMPTY = -6,    /* the directory has entries */
    HOLOG_E_LOOP = -7,        /* more than 16 symlinks on the way */
    HOLOG_E_BADPATH = -8,     /* NUL, "..", not UTF-8, an empty path ("/" is the root) */
    HOLOG_E_NAMETOOLONG = -9, /* component > 255 B, path > 4 KiB, or deeper than 64 */
    HOLOG_E_RANGE = -10,      /* offset or length outside the value */
    HOLOG_E_TOOBIG = -11,     /* over a stated limit of the format */
    HOLOG_E_TYPE = -12,       /* the entry is of another type than the call is for */
    HOLOG_E_CONFLICT = -13,   /* something this commit depends on has changed */
    HOLOG_E_VERSION = -14,    /* an options struct, or a store, from a later version of holog */
    HOLOG_E_NOTSUP = -15,     /* this build or machine cannot do that */
    HOLOG_E_CANCELED = -16,   /* the caller's progress function asked to stop */
    HOLOG_E_CONSERVE = -17,   /* a change of the sum of a value that the store keeps (versions.h) */

    /* the state of the handle or store */
    HOLOG_E_BUSY = -32,        /* the store is open for writing already */
    HOLOG_E_READONLY = -33,    /* the handle was opened read-only */
    HOLOG_E_POISONED = -34,    /* an earlier write or sync failed: close and reopen */
    HOLOG_E_FORKED = -35,      /* the handle belongs to the parent process */
    HOLOG_E_NOTSTORE = -36,    /* no holog store here (or not yet: init did not finish) */
    HOLOG_E_NOTDIREMPTY = -37, /* init: the directory holds something else */
    HOLOG_E_STALE = -38,       /* the view, or the open array, is not of what is there any more */
    HOLOG_E_CLOSED = -39,      /* the object was committed, aborted or closed */
    HOLOG_E_DROPPED = -40,     /* that part of the history is not kept any more */

    /* the machine */
    HOLOG_E_NOMEM = -64,   /* no memory */
    HOLOG_E_NOSPC = -65,   /* no space or quota left; nothing was stored, the store stays usable */
    HOLOG_E_IO = -66,      /* the kernel reported an I/O error */
    HOLOG_E_BUDGET = -67,  /* the memory budget given at open does not allow this */
    HOLOG_E_INDOUBT = -68, /* the write failed after its bytes left: the commit may or may not
                              be there after the next open; the handle is poisoned */
    HOLOG_E_AGAIN = -69,   /* too many commits in flight; wait for some */

    /* damage */
    HOLOG_E_CORRUPT = -96, /* stored bytes are not what was written; see segment, offset */
};

/* Always NUL-terminated. `segment` and `offset` hold only when has_position is 1. */
struct holog_error_detail {
    int code;
    int sys_errno;     /* the kernel's errno, or 0 */
    int has_position;  /* 1: segment and offset are set */
    uint32_t segment;  /* segment id */
    uint64_t offset;   /* byte offset in that segment's file */
    char path[256];    /* entry or file concerned, cut to fit; "" if none */
    char message[512]; /* what, where, and what to do next */
};

/* Name and one-line meaning of a code: "HOLOG_E_NOENT", "no such entry". Never NULL. */
HOLOG_API const char *holog_error_name(int code);
HOLOG_API const char *holog_strerror(int code);

/* Detail of this thread's last failed call. Undefined content after a call that succeeded. Nothing
 * happens when out_detail is NULL. */
HOLOG_API void holog_last_error(struct holog_error_detail *out_detail);

#ifdef __cplusplus
}
#endif

#endif
