/*
 * What a handle says of itself: sound, read-only, with something missing, or no longer writing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/store_internal.h"
#include "storekit.h"

static struct box box;

/* Over a real directory, whose calls can be made to fail. */
static const struct hg_io_ops *real;
static struct hg_io_ops ops;
static struct hg_io *io;
static int no_writes;      /* atomic: every write fails */
static int no_checkpoints; /* atomic: nothing is made in chk/ */

static int failing_pwritev(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                           unsigned flags, size_t *out_n)
{
    if (__atomic_load_n(&no_writes, __ATOMIC_RELAXED))
        return hg_error(HOLOG_E_IO, "the disk is gone");
    return real->pwritev(f, iov, n_iov, offset, flags, out_n);
}

static int failing_open(struct hg_io *of, const char *name, unsigned flags, struct hg_file **out)
{
    if (__atomic_load_n(&no_checkpoints, __ATOMIC_RELAXED) && strncmp(name, "chk/", 4) == 0 &&
        (flags & HG_OPEN_CREATE) != 0)
        return hg_error(HOLOG_E_NOSPC, "there is no room");
    return real->open(of, name, flags, out);
}

static void setup(void)
{
    box_make(&box);
    box_open(&box);
    OK(save_text(box.store, "f", "x", 0));
    OK(holog_close(box.store));
    box.store = NULL;
    OK(hg_io_open(box.dir, HG_IO_POSIX, &io));
    real = io->ops;
    ops = *real;
    ops.pwritev = failing_pwritev;
    ops.open = failing_open;
    io->ops = &ops;
    box.opts.checkpoint_tail_mib = 1;
    box.opts.no_compaction = 1; /* a base would have what a checkpoint lacks */
    OK(hg_store_open_io(io, &box.opts, &box.store));
}

static void teardown(void)
{
    (void)holog_close(box.store); /* some tests have broken it */
    real->destroy(io);
    remove_tree(box.dir);
}

TestSuite(health, .init = setup, .fini = teardown, .timeout = 120);

static char reasons[512];

static int take_reason(void *ctx, uint32_t state, const char *reason)
{
    (void)ctx;
    (void)snprintf(reasons + strlen(reasons), sizeof reasons - strlen(reasons), "%s: %s\n",
                   holog_health_name(state), reason);
    return 0;
}

static uint32_t health(void)
{
    uint32_t state = 77;

    reasons[0] = '\0';
    OK(holog_health(box.store, &state, take_reason, NULL));
    return state;
}

Test(health, a_sound_store_is_ok_and_has_nothing_to_say)
{
    cr_assert_eq(health(), HOLOG_HEALTH_OK);
    cr_assert_str_eq(reasons, "");
    cr_assert_str_eq(holog_health_name(HOLOG_HEALTH_OK), "ok");
    FAILS(HOLOG_E_INVAL, holog_health(box.store, NULL, take_reason, NULL), "out_state");
    FAILS(HOLOG_E_INVAL, holog_health(NULL, NULL, NULL, NULL), "NULL");
}

Test(health, a_handle_for_reading_is_read_only)
{
    holog_store *writer = box.store;
    holog_options o = box.opts;

    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &box.store));
    cr_assert_eq(health(), HOLOG_HEALTH_READONLY);
    cr_assert_not_null(strstr(reasons, "read-only: it was opened read-only"));
    OK(holog_close(box.store));
    box.store = writer;
}

Test(health, after_a_failed_write_it_has_failed_until_it_is_opened_again)
{
    __atomic_store_n(&no_writes, 1, __ATOMIC_RELAXED);
    cr_assert_lt(save_text(box.store, "g", "y", 0), 0);
    cr_assert_eq(health(), HOLOG_HEALTH_FAILED);
    cr_assert_not_null(strstr(reasons, "failed: an earlier write failed"));
    cr_assert_not_null(strstr(reasons, "open again"));
    has_text(box.store, "f", "x");
    __atomic_store_n(&no_writes, 0, __ATOMIC_RELAXED);
    cr_assert_eq(health(), HOLOG_HEALTH_FAILED);
    FAILS(HOLOG_E_POISONED, holog_close(box.store), NULL);
    OK(hg_store_open_io(io, &box.opts, &box.store));
    cr_assert_eq(health(), HOLOG_HEALTH_OK);
    OK(save_text(box.store, "g", "y", HOLOG_REPLACE));
}

/* Some 300 KiB of log. */
static void change_some(unsigned round)
{
    for (unsigned i = 0; i < 300; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "e%u", i);
        OK(save_seed(box.store, path, 1000, round * 300 + i, HOLOG_REPLACE));
    }
}

Test(health, without_room_for_a_checkpoint_it_is_degraded_until_one_is_written)
{
    unsigned round = 0;

    __atomic_store_n(&no_checkpoints, 1, __ATOMIC_RELAXED);
    while (health() == HOLOG_HEALTH_OK)
        change_some(round++);
    cr_assert_eq(health(), HOLOG_HEALTH_DEGRADED);
    cr_assert_not_null(strstr(reasons, "degraded: an index checkpoint could not be written"));
    __atomic_store_n(&no_checkpoints, 0, __ATOMIC_RELAXED);
    while (health() != HOLOG_HEALTH_OK)
        change_some(round++);
    has_text(box.store, "f", "x");
    OK(holog_close(box.store));
    OK(hg_store_open_io(io, &box.opts, &box.store));
    has_text(box.store, "f", "x");
}
