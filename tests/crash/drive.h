/*
 * Steps driven on a store while things go wrong, with the oracle kept beside it: what the store
 * must still hold, what it may hold, and what it must not.
 *
 * A drive follows one store through runs, crashes and reopens. After every call it knows
 *   durable     commits up to here must be found by the next open
 *   submitted   commits above here must not be (submitted > durable: in doubt, or weak modes)
 *   states[n]   the model after commit n
 * and what the contract's D2-D4 allow the call to return.
 */
#ifndef TESTS_CRASH_DRIVE_H
#define TESTS_CRASH_DRIVE_H

#include "kit.h"

struct drive {
    holog_options opts;
    struct model *states; /* [0 .. n_states - 1]; a number never given out holds a marker */
    uint64_t n_states;
    struct model now; /* what the open store shows */
    uint64_t last;    /* its number */
    uint64_t found;   /* what it was when it was opened */
    uint64_t durable, submitted;
    int store;    /* init has returned: a store must be found */
    int poisoned; /* the open store has said that a commit is in doubt, or that it is poisoned */
    int failures; /* calls that failed with a code the fault explains */
    int first_rc; /* of them */
    char first_message[300];
    /* What calls may fail with because of what is being done to them; 0 ends the list. */
    int allowed[4];
    /* A script ends where it would reopen after a write or sync of the log has failed: what the
     * page cache then shows is not what the disk has (see test_faults.c). */
    int power_cut_after_failure;
    int compacts, bases; /* as a script's */
    char wrong[500];     /* the first thing that is not right; "" */
};

void drive_init(struct drive *d);
void drive_release(struct drive *d);
/* Says what is wrong, unless something was before. Returns HOLOG_E_INVAL. */
int drive_wrong(struct drive *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes over what a crashed run of `from` leaves to be found: states and bounds. */
void drive_follow(struct drive *d, const struct drive *from);
/* From a script that was played whole, with its bounds at the step of the crash. */
void drive_follow_played(struct drive *d, const struct played *p, uint64_t step);

/* HOLOG_OK; a code that is allowed here (the call failed as it should: see d->failures); or
 * HOLOG_E_INVAL with d->wrong set. */
int drive_create(struct drive *d, struct hg_io *io);
int drive_open(struct drive *d, struct hg_io *io, holog_store **out_store);
int drive_close(struct drive *d, holog_store *store);
/* STEP_REOPEN closes and opens; when that fails, *store is NULL. */
int drive_step(struct drive *d, struct hg_io *io, holog_store **store, const struct step *s);
/* init, open, every step, close. A step that fails with an allowed code is passed over. A store
 * that cannot be opened is tried once more. */
int drive_script(struct drive *d, struct hg_io *io, const struct step *steps, size_t n);

/* The power goes; the oracle of kit.h on what is left. NULL or what is wrong. */
const char *drive_check(const struct drive *d, struct hg_sim *disk);
/* The same on each of a few states that a cut at the end of the last run could leave. */
int drive_check_cuts(struct drive *d, const struct hg_sim *sim, uint64_t step, unsigned seeds,
                     unsigned long *count);

#endif
