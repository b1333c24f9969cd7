/*
 * Running scripts on the simulated disk, crashing them, and the oracle.
 */
#ifndef TESTS_CRASH_KIT_H
#define TESTS_CRASH_KIT_H

#include "engine/store_internal.h"
#include "io/sim.h"
#include "model.h"
#include "total.h"

enum {
    MARK_SUBMITTED = 1,
    MARK_DURABLE = 2,
    MARK_STORE = 3
};

struct script {
    const char *name;
    const struct step *steps;
    size_t n;
    void (*options)(holog_options *o); /* other than kit_options has them; or NULL */
    void (*wrap)(struct hg_io *io);    /* what it runs on; or NULL */
    int past;                          /* earlier states are compared, too */
    int compacts; /* what is left is compacted in the end, and must stay as it is */
    int bases;    /* what is left must be the same without index checkpoints */
    uint64_t
        unlink_bytes; /* steps in which replaced files go; 0: the library's, which are larger than any here */
};

/* STEP_BASE. */
int kit_base(holog_store *store, const struct step *s);

/* Small segments, no threads of the library's own. */
void kit_options(holog_options *o);

/* A script that has been run on a simulated disk, with the model's state after each commit. */
struct played {
    const struct script *script;
    struct hg_sim *sim;
    struct model *states; /* [0 .. n_commits] */
    size_t n_commits;
    int compacts, bases; /* as the script's */
    int rc;
};
/* Runs it to the end (init, open, steps, close); asserts that it succeeds when no fault is set. */
void kit_play(const struct script *s, const struct hg_sim_options *so, struct played *out);
void kit_release(struct played *p);

/* The oracle on a disk that holds a crash state of p: opens (recovery), compares with exactly one
 * prefix that holds everything durable at `step`, verifies, commits three times more, closes,
 * reopens. NULL or what is wrong (static). *out_number (may be NULL): the prefix found. */
const char *kit_check(struct hg_sim *disk, const struct played *p, uint64_t durable,
                      uint64_t submitted, int store_exists);
/* Bounds of the oracle at a step of the played run. */
void kit_bounds(const struct played *p, uint64_t step, uint64_t *out_durable,
                uint64_t *out_submitted, int *out_store);

/* Whether the recovery that kit_check has just looked at began with an index checkpoint. */
int kit_used_checkpoint(void);

int kit_level(void); /* 0 quick, 1 normal, 2 full */
unsigned kit_sparse(
    void);               /* HOLOG_TEST_THIN, at the normal level: how much less is tried; else 1 */
unsigned kit_thin(void); /* 4 under a sanitizer, where all takes ten times as long; else as above */
uint64_t kit_seed(void); /* HOLOG_TEST_SEED or fixed; printed by tests that use it */
char kit_strategy(enum hg_sim_strategy s); /* its letter */

/* Every case of a campaign has a name. With HOLOG_TEST_CASE set only the case of that name runs:
 * `if (!kit_case(...)) continue;`. Checks that follow belong to it. */
int kit_case(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *kit_case_name(void);
/* The case was wrong: prints how to run it again, and what. Returns 1. */
int kit_fail(const char *what);

/* Scripts that reach every path of the log. */
extern const struct script kit_scripts[];
extern const size_t kit_script_count;

#endif
