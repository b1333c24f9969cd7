/*
 * A store whose log begins with a base, as a writer leaves it after each step of making one and of
 * letting go of what is below it.
 */
#ifndef TESTS_RECOVER_BASES_H
#define TESTS_RECOVER_BASES_H

#include "kit.h"

extern struct kit k;

/* What lies where. Frames in OLD and COVERED are below the base's frame. */
enum {
    EXT = 1, /* extents, of which commits 2 and 6 have values */
    OLD,     /* commits 1 and 2 */
    OLDER,   /* commits 3 and 4 */
    COVERED, /* commit 5: the last frame that the base covers */
    LATER,   /* commits 6 ...: the first to declare bases */
    BASE,    /* of COVERED */
    HWP,     /* what was in OLD */
    LAST,    /* a segment after the removal */
    NEWER,   /* a base of LATER's end */
};

/* The steps of making a base and letting go of what is below it, as a writer takes them. */
enum step {
    NO_BASE,
    BASE_FILE,     /* under its name, and its EDIT is not there */
    BASE_EDIT,     /* the EDIT is durable */
    REMOVED,       /* OLD was moved to HWP: the EDIT is durable, the file is there */
    UNLINKED,      /* the file is not there */
    ROLLED,        /* LAST follows */
    NEWER_FILE,    /* a base of LATER, which has no EDIT */
    NEWER_EDIT,    /* it takes the place of the first, whose file is there */
    NEWER_ALONE,   /* whose file is not there */
    OLDER_REMOVED, /* by EDITs; their files are there */
    OLDER_GONE,
    STEPS,
};

/* The store after a step, and one commit more: in k, which the caller ends. */
void bases_build(enum step to);
/* The frames and extents that are there before a base; COVERED is sealed. */
void bases_old_log(void);
/* The base that a log begins with after a step, as replays go; 0: none. */
uint32_t bases_from(enum step s);

#endif
