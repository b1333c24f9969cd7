/*
 * What a store was after each of its commits, kept as whole trees, and whether a view of it says the
 * same.
 */
#ifndef TESTS_STORE_CHRONICLE_H
#define TESTS_STORE_CHRONICLE_H

#include "../crash/model.h"
#include "holog/holog.h"

struct chapter {
    struct model m;
    uint64_t *numbers; /* of m's entries: when they became what they are */
    uint64_t hash;     /* holog_state_hash of it; 0: not known */
    int is_gap;        /* there is no commit of this number */
};

struct touched {
    char path[MODEL_PATH];
};

struct chronicle {
    struct chapter *at; /* [0 .. last] */
    uint64_t last;
    struct touched *touched; /* by the commit being made */
    size_t n_touched;
    char wrong[400]; /* the first thing that is not right; "" */
};

void chronicle_init(struct chronicle *c);
void chronicle_release(struct chronicle *c);
const struct model *chronicle_model(const struct chronicle *c, uint64_t number);
/* A commit: each of its steps, then its number. Numbers left out are what the one before was. */
void chronicle_step(struct chronicle *c, const struct step *s, const struct model *before,
                    const struct model *after);
void chronicle_commit(struct chronicle *c, uint64_t number, const struct model *after);
/* The number of the commit `back` commits before the last; 0: there are not so many. */
uint64_t chronicle_back(const struct chronicle *c, uint64_t back);
void chronicle_forget_steps(struct chronicle *c);         /* they have been refused */
void chronicle_cut(struct chronicle *c, uint64_t number); /* what came after it never happened */

/* Does the view show what the store was as of `number`: every entry, every byte, in order; children
 * of a directory by pages and by prefix? 0, or c->wrong is set. */
int chronicle_differs(struct chronicle *c, holog_view *view, uint64_t number, uint64_t *rng);
/* The same of what differs between two of them at or below a path ("": everything), ... */
int chronicle_diff_differs(struct chronicle *c, holog_store *store, uint64_t a, uint64_t b,
                           const char *path);
/* ... and of the versions of a path, and the commits that changed something at or below it, as far as
 * they are kept. No symlink may be at or above it. */
int chronicle_history_differs(struct chronicle *c, holog_store *store, const char *path,
                              uint64_t horizon);

#endif
