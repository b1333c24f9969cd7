/*
 * One claim, three worlds: each claim of the contract is a test of its own in every world.
 */
#ifndef TESTS_IO_WORLD_H
#define TESTS_IO_WORLD_H

#include <criterion/criterion.h>

#include "base/error.h"
#include "io/sim.h"

/* A fresh directory below $TMPDIR (or /tmp), removed with all it holds by world_remove_dir. */
void world_make_dir(char *out_dir, size_t room);
void world_remove_dir(const char *dir);

/* Run claim on an empty directory of that world. The uring one is skipped where it is refused. */
void world_posix(void (*claim)(struct hg_io *io));
void world_uring(void (*claim)(struct hg_io *io));
void world_sim(void (*claim)(struct hg_io *io)); /* with and without yields, several seeds */

/* From here on system call `nr` fails with err in this process; with arg >= 0 only if that argument is
 * not 0. */
void world_refuse(int nr, int arg, int err);

#define CLAIM(text)                             \
    static void claim_##text(struct hg_io *io); \
    Test(posix, text)                           \
    {                                           \
        world_posix(claim_##text);              \
    }                                           \
    Test(uring, text)                           \
    {                                           \
        world_uring(claim_##text);              \
    }                                           \
    Test(sim, text)                             \
    {                                           \
        world_sim(claim_##text);                \
    }                                           \
    static void claim_##text(struct hg_io *io)

/* What went wrong, for messages. */
const char *world_why(void);

#define OK(call)                                                                                   \
    do {                                                                                           \
        int ok_rc = (call);                                                                        \
        cr_assert_eq(ok_rc, HOLOG_OK, "%s: %s (%s)", #call, holog_error_name(ok_rc), world_why()); \
    } while (0)
#define FAILS(code, call)                                                                         \
    do {                                                                                          \
        int fails_rc = (call);                                                                    \
        cr_assert_eq(fails_rc, (code), "%s: %s instead of %s", #call, holog_error_name(fails_rc), \
                     holog_error_name(code));                                                     \
    } while (0)

/* Create (or open) and fill. */
struct hg_file *world_open(struct hg_io *io, const char *name, unsigned flags);
void world_write(struct hg_io *io, const char *name, const void *data, size_t len);
void world_close(struct hg_file *f);

#endif
