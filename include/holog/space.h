/*
 * holog/space.h: what the segments of a store hold, and for whom.
 *
 *     static int show(void *ctx, const holog_segment_space *s)
 *     {
 *         (void)ctx;
 *         printf("%s: %" PRIu64 " of %" PRIu64 " bytes are dead\n", s->file, s->dead_bytes, s->used_bytes);
 *         return 0;
 *     }
 *     static int show_all(holog_store *store)
 *     {
 *         return holog_space(store, show, NULL);
 *     }
 *
 * Nothing in a segment is ever changed in place: what was replaced or removed stays in it, and is dead once
 * nobody can ask for it any more. These are bytes as they lie in files, with paths, sums and times; holog_du
 * counts values.
 */
#ifndef HOLOG_SPACE_H
#define HOLOG_SPACE_H

#include "holog/holog.h"

#ifdef __cplusplus
extern "C" {
#endif

enum holog_segment_kind {
    HOLOG_SEGMENT_FRAMES = 1, /* .hlog: commits; small values are in them */
    HOLOG_SEGMENT_EXTENTS =
        2,                  /* .hext: large values, and the lists of commits of very many changes */
    HOLOG_SEGMENT_COLD = 3, /* .hwp: values that a compaction has compressed (holog/compact.h) */
    HOLOG_SEGMENT_BASE = 4  /* .base: the index as of a commit, all of it the store's own */
};

/* One segment, in bytes. used = own + head + history + tags + views + dead. A byte that several hold is
 * counted for the first of them in that order. */
typedef struct holog_segment_space {
    uint32_t struct_size;
    uint32_t segment; /* its number */
    const char
        *file; /* in the store's directory, "seg/00000001.hlog"; as long as the call of `each` */
    uint32_t kind;   /* enum holog_segment_kind */
    uint32_t sealed; /* 1: a segment of commits that is complete and has its footer */
    uint32_t
        busy; /* 1: it is being written, or may be: what is dead in it may only not be named yet */
    uint32_t reserved;   /* 0 */
    uint64_t used_bytes; /* of the file, but for room that was taken ahead */
    uint64_t own_bytes;  /* the segment's header, and its footer; all of a base */
    uint64_t head_bytes; /* what the newest state needs */
    uint64_t
        history_bytes; /* what the rules of retention keep beside it: older versions, all commits kept */
    uint64_t tag_bytes; /* what only tags keep */
    uint64_t
        view_bytes; /* what only views, cursors and transactions hold that are open in this process */
    uint64_t dead_bytes; /* the rest: what nobody can ask for, and what lies between */
} holog_segment_space;

/*
 * Call `each` for every segment of the store, by number; not 0 from it ends the list.
 *
 * Everything that the store can be asked for is looked at, at one moment: a second or so for a million
 * paths, and some 40 bytes of the budget for each while it lasts. Reading, saving and committing go on.
 * The store may be open read-only; then views of other processes are not known, and what a living writer
 * has taken ahead counts as used.
 *
 * HOLOG_E_INVAL    each is NULL
 * HOLOG_E_BUDGET   the store has too many paths to look at with holog_options.budget_bytes; open it with more
 * HOLOG_E_CORRUPT  a segment does not have what the index says; `holog verify` tells more
 * HOLOG_E_STALE    (read-only) the writer has removed a segment meanwhile: holog_refresh, and call again
 * Any thread may call this. `each` may call the library.
 */
HOLOG_API int holog_space(holog_store *store, int (*each)(void *ctx, const holog_segment_space *s),
                          void *ctx);

#ifdef __cplusplus
}
#endif

#endif
