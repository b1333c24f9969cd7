/*
 * A killed owner: its lock must outlive it for as long as its writes are in flight.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/posix.h"
#include "world.h"

#define NEW    (HG_OPEN_WRITE | HG_OPEN_CREATE)
#define TRIALS 8
#define REQS   64u
#define BYTES  (256u * 1024)

static _Noreturn void write_until_killed(const char *dir, enum hg_io_choice choice, int ready)
{
    static struct hg_req r[REQS];
    static struct hg_req *list[REQS];
    struct hg_io *io = NULL;
    struct hg_file *lock = NULL;
    struct hg_file *f = NULL;
    uint8_t *data = hg_alloc_aligned(HG_IO_BLOCK, BYTES);
    if (data == NULL || hg_io_open(dir, choice, &io) < 0 ||
        io->ops->open(io, "L", HG_OPEN_WRITE, &lock) < 0 || io->ops->lock(lock, 0, 1, 1) < 0 ||
        io->ops->open(io, "f", HG_OPEN_WRITE | HG_OPEN_DIRECT, &f) < 0)
        _exit(1);
    memset(data, 0x11, BYTES);
    for (;;) {
        for (unsigned i = 0; i < REQS; i++) {
            r[i] = (struct hg_req){ .op = HG_REQ_WRITE,
                                    .file = f,
                                    .buf = data,
                                    .len_bytes = BYTES,
                                    .offset = (uint64_t)i * BYTES };
            list[i] = &r[i];
        }
        if (io->ops->submit(io, list, REQS) < 0 || write(ready, "r", 1) != 1)
            _exit(2);
        for (unsigned i = 0; i < REQS; i++)
            if (io->ops->wait(io, &r[i]) < 0)
                _exit(3);
    }
}

/* 1: the lock was had within two seconds. */
static int take_over(struct hg_io *io, struct hg_file *f)
{
    uint64_t until = io->ops->now_ns(io) + 2000000000ull;
    for (;;) {
        int rc = io->ops->lock(f, 0, 1, 1);
        if (rc == HOLOG_OK)
            return 1;
        cr_assert_eq(rc, HOLOG_E_BUSY);
        if (io->ops->now_ns(io) > until)
            return 0;
        io->ops->sleep_ns(io, 1000000);
    }
}

static void overwrite_and_watch(struct hg_io *io)
{
    struct hg_file *f = world_open(io, "f", HG_OPEN_WRITE | HG_OPEN_DIRECT);
    uint8_t *data = hg_alloc_aligned(HG_IO_BLOCK, BYTES);
    memset(data, 0x22, BYTES);
    for (unsigned i = 0; i < REQS; i += 8)
        OK(hg_io_write_full(f, data, HG_IO_BLOCK, (uint64_t)i * BYTES, 0));
    io->ops->sleep_ns(io, 30000000);
    for (unsigned i = 0; i < REQS; i += 8) {
        OK(hg_io_read_full(f, data, HG_IO_BLOCK, (uint64_t)i * BYTES));
        cr_assert_eq(data[0], 0x22, "a write of the dead owner landed after the lock was taken");
        cr_assert_eq(data[HG_IO_BLOCK - 1], 0x22);
    }
    hg_free(data);
    world_close(f);
}

static void kill_the_owner(enum hg_io_choice choice)
{
    char dir[256];
    struct hg_io *io = NULL;
    world_make_dir(dir, sizeof dir);
    OK(hg_io_open(dir, HG_IO_POSIX, &io));
    world_write(io, "L", "", 0);
    world_write(io, "f", "", 0);
    struct hg_file *f = world_open(io, "f", HG_OPEN_WRITE);
    (void)io->ops->fallocate(f, 0, REQS * BYTES); /* where it can be: so that writes overlap */
    world_close(f);
    for (int trial = 0; trial < TRIALS; trial++) {
        int ready[2];
        char c;
        cr_assert_eq(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0)
            write_until_killed(dir, choice, ready[1]);
        cr_assert_eq(read(ready[0], &c, 1), 1);
        io->ops->sleep_ns(io, (uint64_t)trial * 700000);
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        struct hg_file *lock = world_open(io, "L", HG_OPEN_WRITE);
        cr_assert(take_over(io, lock), "the lock stays for more than two seconds");
        overwrite_and_watch(io);
        world_close(lock);
        (void)close(ready[0]);
        (void)close(ready[1]);
    }
    io->ops->destroy(io);
    world_remove_dir(dir);
}

Test(kill, no_write_of_a_killed_ring_lands_after_its_lock_is_free)
{
    struct hg_io *io = NULL;
    int rc = hg_io_open("/tmp", HG_IO_URING, &io);
    if (rc == HOLOG_E_NOTSUP)
        cr_skip_test("%s", world_why());
    OK(rc);
    io->ops->destroy(io);
    kill_the_owner(HG_IO_URING);
}

/* What the kernel does when the owner dies, without the race: its descriptor goes, the ring stays. */
Test(kill, the_ring_keeps_the_lock_when_the_descriptor_is_gone)
{
    char dir[256];
    struct hg_io *io = NULL;
    struct hg_io *other = NULL;
    world_make_dir(dir, sizeof dir);
    int rc = hg_io_open(dir, HG_IO_URING, &io);
    if (rc == HOLOG_E_NOTSUP) {
        world_remove_dir(dir);
        cr_skip_test("%s", world_why());
    }
    OK(rc);
    OK(hg_io_open(dir, HG_IO_POSIX, &other));
    struct hg_file *f = world_open(io, "L", NEW);
    OK(io->ops->lock(f, 0, 1, 1));
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    cr_assert_eq(dup2(null, ((struct hg_px_file *)f)->fd), ((struct hg_px_file *)f)->fd);
    (void)close(null);
    struct hg_file *g = world_open(other, "L", HG_OPEN_WRITE);
    FAILS(HOLOG_E_BUSY, other->ops->lock(g, 0, 1, 1));
    world_close(f);
    io->ops->destroy(io);
    cr_assert(take_over(other, g), "the lock goes with the ring");
    world_close(g);
    other->ops->destroy(other);
    world_remove_dir(dir);
}

Test(kill, no_write_of_a_killed_pool_lands_after_its_lock_is_free)
{
    kill_the_owner(HG_IO_POSIX);
}
