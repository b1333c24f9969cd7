/*
 * The contract of every operation: what must hold for it to be allowed. One place, used when a
 * transaction collects a change (against what it sees) and again when it commits (against the
 * sequenced state).
 */
#ifndef HG_ENGINE_CHECK_H
#define HG_ENGINE_CHECK_H

#include "engine/store_internal.h"

struct hg_checked {
    struct hg_resolved at; /* the entry the operation is about; MOVE, COPY: the source */
    struct hg_resolved to; /* MOVE, COPY: the destination */
    int nothing_to_do;     /* MKDIR of a directory that is there */
    int missing_parent;    /* HOLOG_E_NOENT because a parent directory is missing */
};

/* path and to: canonical. has_children (may be asked of directories), was_there: 1, 0 or a negative
 * code. */
struct hg_check_ctx {
    struct hg_lookup lookup;
    int (*has_children)(void *ctx, const struct hg_key *dir);
    int (*was_there)(void *ctx, const struct hg_key *k, uint64_t number); /* as of that commit */
    void *children_ctx;                                                   /* of both */
};
HG_MUST_CHECK int hg_check_op(const struct hg_check_ctx *c, const struct hg_op *op,
                              const char *path, size_t path_len, const char *to, size_t to_len,
                              struct hg_checked *out);

#endif
