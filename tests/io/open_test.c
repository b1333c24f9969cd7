/*
 * The real worlds and the process around them: descriptors, modes, signals, forks, refusals.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#define NEW (HG_OPEN_WRITE | HG_OPEN_CREATE)

static char dir[200];

static void make(void)
{
    world_make_dir(dir, sizeof dir);
}

static void clean(void)
{
    world_remove_dir(dir);
}

TestSuite(open, .init = make, .fini = clean);
TestSuite(refused, .init = make, .fini = clean);

static struct hg_io *open_world(enum hg_io_choice choice)
{
    struct hg_io *io = NULL;
    OK(hg_io_open(dir, choice, &io));
    return io;
}

static mode_t mode_of(const char *name)
{
    char path[400];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    cr_assert_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

Test(open, auto_takes_io_uring_or_says_why_not)
{
    struct hg_io *io = open_world(HG_IO_AUTO);
    if (io->ops->world == HG_WORLD_URING)
        cr_assert_str_eq(io->ops->name, "uring");
    else
        cr_assert_str_not_empty(io->why_world);
    cr_assert_str_eq(io->root, dir);
    io->ops->destroy(io);
}

Test(open, a_directory_that_is_none_is_refused)
{
    struct hg_io *io = NULL;
    char path[300];
    for (int choice = HG_IO_AUTO; choice <= HG_IO_URING; choice++) {
        (void)snprintf(path, sizeof path, "%s/no", dir);
        int rc = hg_io_open(path, (enum hg_io_choice)choice, &io);
        cr_assert(rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTSUP, "%s", world_why());
        rc = hg_io_open("/dev/null", (enum hg_io_choice)choice, &io);
        cr_assert(rc == HOLOG_E_NOTDIR || rc == HOLOG_E_NOTSUP, "%s", world_why());
    }
    cr_assert_null(io);
}

Test(open, modes_are_private_whatever_the_umask)
{
    static const mode_t masks[] = { 0, 0777, 0277 };
    for (int i = 0; i < 3; i++) {
        char name[20];
        char sub[20];
        struct hg_io *io = open_world(HG_IO_POSIX);
        (void)snprintf(name, sizeof name, "f%d", i);
        (void)snprintf(sub, sizeof sub, "d%d", i);
        mode_t before = umask(masks[i]);
        struct hg_file *f = world_open(io, name, NEW);
        OK(io->ops->mkdir(io, sub));
        (void)umask(before);
        world_close(f);
        cr_assert_eq(mode_of(name), 0600);
        cr_assert_eq(mode_of(sub), 0700);
        io->ops->destroy(io);
    }
}

Test(open, a_made_directory_is_private_and_not_made_twice)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/store/", dir);
    mode_t before = umask(0);
    OK(hg_io_make_dir(path));
    (void)umask(before);
    cr_assert_eq(mode_of("store"), 0700);
    FAILS(HOLOG_E_EXIST, hg_io_make_dir(path));
    (void)snprintf(path, sizeof path, "%s/no/store", dir);
    FAILS(HOLOG_E_NOENT, hg_io_make_dir(path));
}

static void use_and_look(enum hg_io_choice choice)
{
    static char byte[] = "x";
    struct hg_io *io = NULL;
    int rc = hg_io_open(dir, choice, &io);
    if (rc == HOLOG_E_NOTSUP)
        return;
    if (rc != HOLOG_OK)
        _exit(1);
    struct hg_file *f = NULL;
    struct hg_req r = { .op = HG_REQ_WRITE, .buf = byte, .len_bytes = 1 };
    struct hg_req *list = &r;
    (void)io->ops->unlink(io, "f");
    if (io->ops->open(io, "f", NEW, &f) < 0)
        _exit(2);
    r.file = f;
    if (io->ops->submit(io, &list, 1) < 0 || io->ops->wait(io, &r) < 0)
        _exit(3);
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            _exit(4);
    if (io->ops->close(f) < 0)
        _exit(5);
    io->ops->destroy(io);
}

Test(open, descriptors_0_to_2_are_never_ours)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        for (int fd = 0; fd < 3; fd++)
            (void)close(fd);
        use_and_look(HG_IO_POSIX);
        use_and_look(HG_IO_URING);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

Test(open, moving_the_directory_does_not_matter)
{
    char moved[300];
    struct hg_io *io = open_world(HG_IO_AUTO);
    (void)snprintf(moved, sizeof moved, "%s-moved", dir);
    cr_assert_eq(rename(dir, moved), 0);
    cr_assert_eq(chdir("/"), 0);
    world_write(io, "f", "x", 1);
    cr_assert_eq(rename(moved, dir), 0);
    cr_assert_eq(mode_of("f"), 0600);
    io->ops->destroy(io);
}

Test(open, symlinks_are_not_followed)
{
    char path[300];
    struct hg_file *f = NULL;
    struct hg_io *io = open_world(HG_IO_AUTO);
    world_write(io, "f", "x", 1);
    OK(io->ops->mkdir(io, "d"));
    (void)snprintf(path, sizeof path, "%s/link", dir);
    cr_assert_eq(symlink("f", path), 0);
    FAILS(HOLOG_E_LOOP, io->ops->open(io, "link", 0, &f));
    (void)snprintf(path, sizeof path, "%s/dlink", dir);
    cr_assert_eq(symlink("d", path), 0);
    FAILS(HOLOG_E_LOOP, io->ops->open(io, "dlink/f", NEW, &f));
    FAILS(HOLOG_E_NOTDIR, io->ops->mkdir(io, "dlink/sub"));
    (void)snprintf(path, sizeof path, "%s/dangling", dir);
    cr_assert_eq(symlink("nowhere", path), 0);
    FAILS(HOLOG_E_EXIST, io->ops->open(io, "dangling", NEW, &f));
    io->ops->destroy(io);
}

static void look_at_signals(void *arg)
{
    sigset_t set;
    int *ok = arg;
    *ok = pthread_sigmask(SIG_SETMASK, NULL, &set) == 0 && sigismember(&set, SIGUSR1) == 1 &&
          sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGSEGV) == 0;
}

Test(open, what_is_no_regular_file_is_refused_at_once)
{
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_file *f = NULL;
    char path[400];

    (void)snprintf(path, sizeof path, "%s/fifo", dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof path, "%s/sub", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    (void)alarm(10); /* an open of a FIFO waits for the other end */
    for (unsigned flags = 0; flags < 2; flags++) {
        FAILS(HOLOG_E_IO, io->ops->open(io, "fifo", flags, &f));
        cr_assert_lt(io->ops->open(io, "sub", flags, &f), 0);
    }
    (void)alarm(0);
    cr_assert_null(f);
    io->ops->destroy(io);
}

Test(open, background_threads_take_no_signals)
{
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_thread *t = NULL;
    sigset_t set;
    int ok = 0;
    OK(io->ops->thread_start(io, "look", look_at_signals, &ok, &t));
    io->ops->thread_join(io, t);
    cr_assert_eq(ok, 1);
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &set), 0);
    cr_assert_eq(sigismember(&set, SIGUSR1), 0, "the caller's mask is as before");
    io->ops->destroy(io);
}

static void child_holds_no_lock(enum hg_io_choice choice)
{
    struct hg_io *io = NULL;
    int rc = hg_io_open(dir, choice, &io);
    if (rc == HOLOG_E_NOTSUP)
        return;
    OK(rc);
    struct hg_file *f = world_open(io, "L", NEW);
    OK(io->ops->lock(f, 0, 1, 1));
    int go[2];
    int ready[2];
    char c = 0;
    cr_assert(pipe(go) == 0 && pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        hg_io_abandon(io);
        if (write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) < 0)
            _exit(1);
        _exit(0);
    }
    cr_assert_eq(read(ready[0], &c, 1), 1);
    struct hg_io *other = open_world(HG_IO_POSIX);
    struct hg_file *g = world_open(other, "L", HG_OPEN_WRITE);
    FAILS(HOLOG_E_BUSY, other->ops->lock(g, 0, 1, 1));
    world_close(f);
    OK(other->ops->lock(g, 0, 1, 1));
    world_close(g);
    OK(other->ops->unlink(other, "L"));
    other->ops->destroy(other);
    io->ops->destroy(io);
    cr_assert_eq(write(go[1], "g", 1), 1);
    cr_assert_eq(waitpid(child, NULL, 0), child);
}

Test(open, a_forked_child_keeps_no_lock_alive)
{
    child_holds_no_lock(HG_IO_POSIX);
    child_holds_no_lock(HG_IO_URING);
}

Test(open, a_file_size_limit_is_no_space_and_no_signal_in_batches)
{
    static char bytes[9000];
    struct rlimit limit = { 5000, 5000 };
    cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int choice = HG_IO_AUTO; choice <= HG_IO_POSIX; choice++) {
        struct hg_io *io = open_world((enum hg_io_choice)choice);
        struct hg_file *f = world_open(io, choice == HG_IO_AUTO ? "a" : "p", NEW);
        struct hg_req r = { .op = HG_REQ_WRITE, .file = f, .buf = bytes, .len_bytes = 9000 };
        struct hg_req *list = &r;
        OK(io->ops->submit(io, &list, 1));
        FAILS(HOLOG_E_NOSPC, io->ops->wait(io, &r));
        cr_assert_eq(r.done_bytes, 5000, "a short completion first, then the reason");
        FAILS(HOLOG_E_NOSPC, hg_io_write_full(f, bytes, 9000, 0, 0));
        world_close(f);
        io->ops->destroy(io);
    }
}

/* ---- kernels that lack something ----------------------------------------------------------------- */

static void refused_ring(int err, const char *why)
{
    struct hg_io *io = NULL;
    world_refuse(SYS_io_uring_setup, -1, err);
    FAILS(HOLOG_E_NOTSUP, hg_io_open(dir, HG_IO_URING, &io));
    io = open_world(HG_IO_AUTO);
    cr_assert_eq(io->ops->world, HG_WORLD_POSIX);
    cr_assert_not_null(strstr(io->why_world, why), "%s", io->why_world);
    world_write(io, "f", "x", 1);
    io->ops->destroy(io);
}

Test(refused, without_permission_for_io_uring_auto_is_posix)
{
    refused_ring(EPERM, "EPERM");
}

Test(refused, without_io_uring_in_the_kernel_auto_is_posix)
{
    refused_ring(ENOSYS, "ENOSYS");
}

Test(refused, without_registered_files_auto_is_posix)
{
    struct hg_io *io;
    world_refuse(SYS_io_uring_register, -1, EINVAL);
    io = open_world(HG_IO_AUTO);
    cr_assert_eq(io->ops->world, HG_WORLD_POSIX);
    io->ops->destroy(io);
}

static void names_by_steps(int err)
{
    world_refuse(SYS_openat2, -1, err);
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_file *f = NULL;
    char path[300];
    OK(io->ops->mkdir(io, "a"));
    OK(io->ops->mkdir(io, "a/b"));
    world_write(io, "a/b/f", "x", 1);
    OK(io->ops->rename(io, "a/b/f", "a/g"));
    OK(io->ops->sync_dir(io, "a/b"));
    OK(io->ops->sync_dir(io, ""));
    (void)snprintf(path, sizeof path, "%s/link", dir);
    cr_assert_eq(symlink("a", path), 0);
    FAILS(HOLOG_E_NOTDIR, io->ops->open(io, "link/g", 0, &f));
    FAILS(HOLOG_E_NOENT, io->ops->open(io, "a/no/g", 0, &f));
    FAILS(HOLOG_E_NOENT, io->ops->open(io, "a/no", 0, &f));
    io->ops->destroy(io);
}

Test(refused, without_openat2_names_are_walked_by_steps)
{
    names_by_steps(ENOSYS);
}

Test(refused, a_filter_that_does_not_know_openat2_is_walked_around)
{
    names_by_steps(EPERM);
}

Test(refused, without_rwf_dsync_a_write_is_followed_by_a_sync)
{
    world_refuse(SYS_pwritev2, 5, EOPNOTSUPP);
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_file *f = world_open(io, "f", NEW);
    OK(hg_io_write_full(f, "abc", 3, 0, HG_WRITE_DSYNC));
    OK(hg_io_write_full(f, "abc", 3, 3, HG_WRITE_DSYNC));
    world_close(f);
    io->ops->destroy(io);
}

Test(refused, without_fallocate_the_caller_is_told)
{
    world_refuse(SYS_fallocate, -1, EOPNOTSUPP);
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_file *f = world_open(io, "f", NEW);
    FAILS(HOLOG_E_NOTSUP, io->ops->fallocate(f, 0, 4096));
    world_close(f);
    io->ops->destroy(io);
}

Test(refused, a_failed_sync_fails_for_ever)
{
    world_refuse(SYS_fdatasync, -1, EIO);
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_file *f = world_open(io, "f", NEW);
    struct holog_error_detail d;
    FAILS(HOLOG_E_IO, io->ops->fdatasync(f));
    FAILS(HOLOG_E_IO, io->ops->fdatasync(f));
    holog_last_error(&d);
    cr_assert_eq(d.sys_errno, EIO);
    cr_assert_not_null(strstr(d.message, "an earlier one failed"));
    world_close(f);
    io->ops->destroy(io);
}

Test(refused, a_failed_dsync_write_fails_later_syncs)
{
    world_refuse(SYS_pwritev2, 5, EIO);
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_file *f = world_open(io, "f", NEW);
    FAILS(HOLOG_E_IO, hg_io_write_full(f, "abc", 3, 0, HG_WRITE_DSYNC));
    FAILS(HOLOG_E_IO, io->ops->fdatasync(f));
    world_close(f);
    io->ops->destroy(io);
}

Test(refused, an_interrupted_call_is_tried_again_but_not_for_ever)
{
    world_refuse(SYS_preadv, -1, EINTR);
    struct hg_io *io = open_world(HG_IO_POSIX);
    struct hg_file *f = world_open(io, "f", NEW);
    char c;
    FAILS(HOLOG_E_IO, hg_io_read_full(f, &c, 1, 0));
    world_close(f);
    io->ops->destroy(io);
}
