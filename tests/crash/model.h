/*
 * The shadow model: what a store should hold, kept as a plain array and changed by the plainest
 * code that could be right. And scripts: lists of changes that both the model and a store follow.
 */
#ifndef TESTS_CRASH_MODEL_H
#define TESTS_CRASH_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "holog/holog.h"

#define MODEL_PATH 64

struct model_entry {
    char path[MODEL_PATH];
    int type; /* enum holog_type */
    uint64_t seed;
    size_t len;              /* blob */
    char target[MODEL_PATH]; /* symlink */
};

#define MODEL_TAGS 2
extern const char *const model_tag_names[MODEL_TAGS];

struct model {
    struct model_entry *e; /* sorted by path, bytewise */
    size_t n;
    uint64_t tags[MODEL_TAGS];  /* 0: there is none */
    uint64_t later[MODEL_TAGS]; /* the same with the last of them that was set or deleted: as of a
                                   commit, that may be there or not */
};

enum step_op {
    STEP_SAVE, /* path, len, seed; flags */
    STEP_MKDIR,
    STEP_DELETE,
    STEP_DELETE_ALL,
    STEP_MOVE, /* path, to */
    STEP_COPY,
    STEP_SYMLINK,  /* path, to = target */
    STEP_BATCH,    /* saves path/0 ... path/count-1, len each */
    STEP_ROLLBACK, /* path as of commit `number`: model_rollback, not model_apply */
    STEP_TAG,      /* path is its name, for commit `number`; 0: it goes; no commit */
    STEP_GC,       /* keeps the last `count` commits; no commit */
    STEP_SYNC,     /* no commit */
    STEP_REOPEN,   /* clean close and open; no commit */
    STEP_COMPACT,  /* flags: enum holog_compact_flags; no commit */
    STEP_BASE,     /* a new base; flags 1: frame segments in which nothing lives go; no commit */
    STEP_IDLE,     /* a pause long enough for the watermark; no commit */
};

struct step {
    enum step_op op;
    const char *path;
    const char *to;
    size_t len;
    uint64_t seed;
    unsigned flags;
    unsigned count;
    enum holog_sync sync;
    uint64_t number;
};

void model_init(struct model *m);
void model_release(struct model *m);
void model_copy(const struct model *m, struct model *out);
/* Returns the code the contract asks for; on failure nothing changes. */
int model_apply(struct model *m, const struct step *s);
/* path and all below it ("": everything) as `then` has it. */
int model_rollback(struct model *m, const struct model *then, const char *path);
/* All that `from` has, too, as it has it. */
void model_add(struct model *m, const struct model *from);
/* NULL when the model has no such entry. */
const struct model_entry *model_find(const struct model *m, const char *path);
int step_commits(const struct step *s);
/* A tag is set, or goes: it may be there, or is (certain). */
void model_tag(struct model *m, const struct step *s, int certain);
int store_tag(holog_store *store, const struct step *s);
int store_compact(holog_store *store, const struct step *s);
int step_in_txn(holog_txn *txn, const struct step *s);
/* The same on a store, as a transaction with the step's sync mode. */
int store_apply(holog_store *store, const struct step *s, uint64_t *out_number);

void value_fill(uint8_t *out, size_t len, uint64_t seed);

/* NULL when the store, seen through a view of its newest commit, holds exactly the model; else what
 * differs (static buffer). Values are compared byte by byte. */
const char *model_differs(const struct model *m, holog_store *store);
/* The same of the store as of a commit, without links; one that is not kept differs in nothing. */
const char *model_differs_at(const struct model *m, holog_store *store, uint64_t number);
/* The tags are `tags`, or `later`; *out_tags (may be NULL) are those. */
const char *model_tags_differ(const struct model *m, holog_store *store, uint64_t *out_tags);

/* splitmix64 */
uint64_t rng_next(uint64_t *state);

#endif
