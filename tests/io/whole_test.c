/*
 * Whole transfers over a kernel that moves as little as it may.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

#define NEW (HG_OPEN_WRITE | HG_OPEN_CREATE)

static int roundtrip(struct hg_io *io, void *ctx)
{
    enum {
        N = 100,
        LEN = 7
    };
    struct iovec iov[N];
    uint8_t data[N * LEN];
    uint8_t back[N * LEN];
    struct hg_file *f = NULL;
    (void)ctx;
    for (size_t i = 0; i < N; i++)
        iov[i] = (struct iovec){ data + i * LEN, i % 10 == 0 ? 0 : LEN };
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    int rc = io->ops->open(io, "f", NEW, &f);
    if (rc < 0)
        return rc;
    rc = hg_io_writev_full(f, iov, N, 11, HG_WRITE_DSYNC);
    size_t total = N * LEN * 9 / 10;
    if (rc == HOLOG_OK)
        rc = hg_io_read_full(f, back, total, 11);
    if (rc == HOLOG_OK) {
        const uint8_t *p = back;
        for (size_t i = 0; i < N; i++) {
            cr_assert_arr_eq(p, iov[i].iov_base, iov[i].iov_len);
            p += iov[i].iov_len;
        }
    }
    int closed = io->ops->close(f);
    return rc < 0 ? rc : closed;
}

static int run(struct hg_sim_options opts, int (*scenario)(struct hg_io *io, void *ctx))
{
    struct hg_sim *sim = NULL;
    OK(hg_sim_create(&opts, &sim));
    int rc = hg_sim_run(sim, scenario, NULL);
    hg_sim_destroy(sim);
    return rc;
}

static struct hg_sim_options fault(enum hg_sim_fault_kind kind, unsigned classes, uint64_t at,
                                   int sticky)
{
    return (struct hg_sim_options){
        .fault_kind = kind, .fault_classes = classes, .fault_at = at, .fault_sticky = sticky
    };
}

Test(whole, one_byte_at_a_time_is_enough)
{
    OK(run(fault(HG_SIM_FAULT_SHORT_ONE, HG_SIM_F_ALL, 1, 1), roundtrip));
    OK(run(fault(HG_SIM_FAULT_SHORT_HALF, HG_SIM_F_ALL, 1, 1), roundtrip));
}

Test(whole, an_interruption_anywhere_does_not_show)
{
    for (uint64_t at = 1; at < 10; at++)
        OK(run(fault(HG_SIM_FAULT_EINTR, HG_SIM_F_ALL, at, 0), roundtrip));
}

Test(whole, interruptions_without_end_are_an_error)
{
    FAILS(HOLOG_E_IO, run(fault(HG_SIM_FAULT_EINTR, HG_SIM_F_WRITE, 1, 1), roundtrip));
    FAILS(HOLOG_E_IO, run(fault(HG_SIM_FAULT_EINTR, HG_SIM_F_READ, 1, 1), roundtrip));
}

Test(whole, a_device_that_moves_nothing_is_given_up)
{
    FAILS(HOLOG_E_IO, run(fault(HG_SIM_FAULT_STUCK, HG_SIM_F_WRITE, 1, 0), roundtrip));
    FAILS(HOLOG_E_IO, run(fault(HG_SIM_FAULT_STUCK, HG_SIM_F_READ, 1, 0), roundtrip));
}

Test(whole, a_full_disk_after_a_short_write_is_no_space)
{
    struct hg_sim_options opts = fault(HG_SIM_FAULT_ERRNO, HG_SIM_F_WRITE, 1, 1);
    opts.fault_errno = ENOSPC;
    FAILS(HOLOG_E_NOSPC, run(opts, roundtrip));
    opts.fault_errno = EIO;
    FAILS(HOLOG_E_IO, run(opts, roundtrip));
}

static int fill_the_disk(struct hg_io *io, void *ctx)
{
    struct hg_file *f = world_open(io, "f", NEW);
    struct hg_file_info info;
    uint8_t *data = hg_calloc(1, 100000);
    (void)ctx;
    FAILS(HOLOG_E_NOSPC, hg_io_write_full(f, data, 100000, 100, 0));
    OK(io->ops->info(f, &info));
    cr_assert_eq(info.size_bytes, 65536, "what fitted was written");
    FAILS(HOLOG_E_NOSPC, io->ops->fallocate(f, 65536, 1));
    OK(hg_io_write_full(f, data, 65536, 0, 0));
    OK(io->ops->truncate(f, 0));
    OK(hg_io_write_full(f, data, 60000, 0, 0));
    world_close(f);
    OK(io->ops->unlink(io, "f"));
    f = world_open(io, "g", NEW);
    OK(io->ops->fallocate(f, 0, 65536));
    world_close(f);
    hg_free(data);
    return HOLOG_OK;
}

Test(whole, space_comes_back_when_files_go)
{
    OK(run((struct hg_sim_options){ .capacity = 65536 }, fill_the_disk));
}

static int read_past_the_end(struct hg_io *io, void *ctx)
{
    uint8_t *data = NULL;
    size_t n = 0;
    char buf[8];
    (void)ctx;
    world_write(io, "f", "abc", 3);
    struct hg_file *f = world_open(io, "f", 0);
    FAILS(HOLOG_E_IO, hg_io_read_full(f, buf, 4, 0));
    cr_assert_not_null(strstr(world_why(), "short file"));
    OK(hg_io_read_upto(f, buf, 8, 1, &n));
    cr_assert_eq(n, 2);
    OK(hg_io_read_upto(f, buf, 8, 10, &n));
    cr_assert_eq(n, 0);
    OK(hg_io_read_upto(f, buf, 0, 0, &n));
    cr_assert_eq(n, 0);
    world_close(f);
    cr_assert_null(data);
    return HOLOG_OK;
}

Test(whole, the_end_of_the_file_is_told_apart_from_an_error)
{
    OK(run((struct hg_sim_options){ 0 }, read_past_the_end));
}

static int always(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return 1;
}

static int read_without_memory(struct hg_io *io, void *ctx)
{
    uint8_t *data = NULL;
    size_t n = 0;
    struct hg_file *f = NULL;
    (void)ctx;
    world_write(io, "f", "abc", 3);
    hg_alloc_set_fault(always, NULL);
    FAILS(HOLOG_E_NOMEM, hg_io_read_file(io, "f", 10, &data, &n));
    FAILS(HOLOG_E_NOMEM, io->ops->open(io, "f", 0, &f));
    hg_alloc_set_fault(NULL, NULL);
    return HOLOG_OK;
}

Test(whole, without_memory_nothing_stays_open)
{
    OK(run((struct hg_sim_options){ 0 }, read_without_memory));
}
