#include "world.h"

#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

const char *world_why(void)
{
    static _Thread_local struct holog_error_detail d;
    holog_last_error(&d);
    return d.message;
}

void world_make_dir(char *out_dir, size_t room)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(out_dir, room, "%s/holog-io-XXXXXX", tmp != NULL ? tmp : "/tmp");
    cr_assert(n > 0 && (size_t)n < room);
    cr_assert_not_null(mkdtemp(out_dir));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void world_remove_dir(const char *dir)
{
    cr_assert_eq(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void run_real(enum hg_io_choice choice, void (*claim)(struct hg_io *io))
{
    char dir[256];
    struct hg_io *io = NULL;
    world_make_dir(dir, sizeof dir);
    int rc = hg_io_open(dir, choice, &io);
    if (rc == HOLOG_E_NOTSUP && choice == HG_IO_URING) {
        world_remove_dir(dir);
        cr_skip_test("%s", world_why());
    }
    cr_assert_eq(rc, HOLOG_OK, "%s", world_why());
    claim(io);
    io->ops->destroy(io);
    world_remove_dir(dir);
}

void world_posix(void (*claim)(struct hg_io *io))
{
    run_real(HG_IO_POSIX, claim);
}

void world_uring(void (*claim)(struct hg_io *io))
{
    run_real(HG_IO_URING, claim);
}

static int run_claim(struct hg_io *io, void *ctx)
{
    void (**claim)(struct hg_io *) = ctx;
    (*claim)(io);
    return HOLOG_OK;
}

void world_sim(void (*claim)(struct hg_io *io))
{
    for (unsigned seed = 0; seed < 20; seed++) {
        struct hg_sim_options opts = { .seed = seed,
                                       .yields = seed % 4 != 0,
                                       .no_trace = seed % 3 == 0,
                                       .dirs = seed % 2 != 0 ? HG_SIM_DIRS_POSIX
                                                             : HG_SIM_DIRS_JOURNAL };
        struct hg_sim *sim = NULL;
        OK(hg_sim_create(&opts, &sim));
        OK(hg_sim_run(sim, run_claim, (void *)&claim));
        hg_sim_destroy(sim); /* asserts that nothing is left open */
    }
}

struct hg_file *world_open(struct hg_io *io, const char *name, unsigned flags)
{
    struct hg_file *f = NULL;
    OK(io->ops->open(io, name, flags, &f));
    return f;
}

void world_close(struct hg_file *f)
{
    OK(f->io->ops->close(f));
}

void world_write(struct hg_io *io, const char *name, const void *data, size_t len)
{
    struct hg_file *f = world_open(io, name, HG_OPEN_WRITE | HG_OPEN_CREATE);
    OK(hg_io_write_full(f, data, len, 0, 0));
    world_close(f);
}

void world_refuse(int nr, int arg, int err)
{
    uint32_t at = arg < 0 ? offsetof(struct seccomp_data, nr)
                          : (uint32_t)(offsetof(struct seccomp_data, args) + 8u * (unsigned)arg);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof code / sizeof code[0], .filter = code };
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}
