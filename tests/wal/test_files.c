/*
 * Open files of segments: few, shared, and read the same at any alignment. See ../engine/cachekit.h.
 */
#include <stdatomic.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../engine/cachekit.h"
#include "base/alloc.h"

/* ---- open files ----------------------------------------------------------------------------------*/

#define MANY_FILES 300u

static int many_files(struct hg_io *io, void *ctx)
{
    struct hg_sim *sim = ctx;
    struct hg_files *fs = NULL;
    uint8_t byte = 0;
    size_t n = 0;
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    for (uint32_t id = 1; id <= MANY_FILES; id++)
        write_segment(io, id, 0, 16);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    for (uint32_t i = 0; i < 3 * MANY_FILES; i++) {
        uint32_t id = i * 7 % MANY_FILES + 1;
        cr_assert_eq(hg_files_read(fs, id, HG_KIND_FRAMES, &byte, 1, 5, &n), 0);
        cr_assert(n == 1 && byte == pattern(id, 5));
        cr_assert_leq(hg_sim_open_files(sim), HG_FILES_MAX);
    }
    hg_files_destroy(fs);
    cr_assert_eq(hg_sim_open_files(sim), 0);
    return 0;
}

Test(files, more_segments_than_may_be_open_are_all_read)
{
    on_sim(many_files, NULL);
}

static int all_in_use(struct hg_io *io, void *ctx)
{
    struct hg_files *fs = NULL;
    struct hg_file *f = NULL;
    HG_UNUSED(ctx);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    for (uint32_t id = 1; id <= HG_FILES_MAX + 1; id++)
        write_segment(io, id, 0, 1);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    for (uint32_t id = 1; id <= HG_FILES_MAX; id++)
        cr_assert_eq(hg_files_get(fs, id, HG_KIND_FRAMES, &f), 0);
    cr_assert_eq(hg_files_get(fs, 7, HG_KIND_FRAMES, &f), 0, "one that is open costs nothing");
    hg_files_put(fs, 7);
    cr_assert_eq(hg_files_get(fs, HG_FILES_MAX + 1, HG_KIND_FRAMES, &f), HOLOG_E_AGAIN);
    hg_files_put(fs, 7);
    cr_assert_eq(hg_files_get(fs, HG_FILES_MAX + 1, HG_KIND_FRAMES, &f), 0);
    for (uint32_t id = 1; id <= HG_FILES_MAX + 1; id++)
        if (id != 7)
            hg_files_put(fs, id);
    hg_files_destroy(fs);
    return 0;
}

Test(files, what_is_in_use_is_never_closed_for_another)
{
    on_sim(all_in_use, NULL);
}

static int gone_file(struct hg_io *io, void *ctx)
{
    struct hg_files *fs = NULL;
    struct hg_file *f = NULL;
    HG_UNUSED(ctx);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    cr_assert_eq(hg_files_get(fs, 9, HG_KIND_FRAMES, &f), HOLOG_E_STALE);
    write_segment(io, 9, 0, 1);
    cr_assert_eq(hg_files_get(fs, 9, HG_KIND_FRAMES, &f), 0, "the failure was not remembered");
    hg_files_put(fs, 9);
    hg_files_destroy(fs);
    return 0;
}

Test(files, a_missing_segment_is_stale)
{
    on_sim(gone_file, NULL);
}

static void reads_of_any_alignment(struct hg_io *io, uint64_t seed)
{
    const size_t size = 700001; /* ends inside a block */
    struct hg_files *fs = NULL;
    uint8_t *buf = hg_alloc_aligned(4096, MIB);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    write_segment(io, 3, 0, size);
    cr_assert_eq(hg_files_create(io, 1, &fs), 0);
    for (unsigned i = 0; i < 400 * effort(); i++) {
        size_t shift = below(&seed, 3) == 0 ? 0 : below(&seed, 5000);
        uint64_t offset = below(&seed, 710000);
        size_t len = below(&seed, below(&seed, 2) == 0 ? 300 : 700000);
        size_t n = 77;
        if (below(&seed, 2) == 0)
            offset = HG_ALIGN_DOWN(offset, 4096u);
        size_t want = offset < size ? HG_MIN(len, size - (size_t)offset) : 0;
        memset(buf, 0xee, MIB);
        int rc = hg_files_read(fs, 3, HG_KIND_FRAMES, buf + shift, len, offset, &n);
        cr_assert_eq(rc, 0);
        cr_assert_eq(n, want, "%zu for %zu at %llu", n, len, (unsigned long long)offset);
        cr_assert_eq(first_wrong(buf + shift, 3, offset, n), n);
        cr_assert_eq(buf[shift + len], 0xee, "a byte behind the buffer was written");
    }
    hg_files_destroy(fs);
    hg_free(buf);
}

Test(files, direct_reads_of_any_alignment_give_the_same_bytes)
{
    struct hg_io *io = NULL;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    reads_of_any_alignment(io, seed_or(11));
    remove_dir(io, dir);
}

static int sim_alignment(struct hg_io *io, void *ctx)
{
    HG_UNUSED(ctx);
    reads_of_any_alignment(io, seed_or(12));
    return 0;
}

Test(files, direct_reads_of_any_alignment_survive_short_transfers)
{
    const struct hg_sim_options o = { .seed = 3,
                                      .no_trace = 1,
                                      .fault_classes = HG_SIM_F_READ,
                                      .fault_at = 1,
                                      .fault_sticky = 1,
                                      .fault_kind = HG_SIM_FAULT_SHORT_HALF };
    on_sim(sim_alignment, &o);
}

struct files_thread {
    struct hg_files *fs;
    uint64_t seed;
    _Atomic uint32_t *failures;
};

static void files_reader(void *arg)
{
    struct files_thread *t = arg;
    for (unsigned i = 0; i < 1500 * effort(); i++) {
        uint32_t id = below(&t->seed, MANY_FILES) + 1;
        uint8_t byte = 0;
        size_t n = 0;
        int rc = hg_files_read(t->fs, id, HG_KIND_FRAMES, &byte, 1, 3, &n);
        if (rc < 0 || n != 1 || byte != pattern(id, 3))
            atomic_fetch_add(t->failures, 1);
    }
}

Test(files, threads_share_handles_that_come_and_go, .timeout = 120)
{
    enum {
        THREADS = 4
    };
    struct hg_io *io = NULL;
    struct hg_files *fs = NULL;
    struct hg_thread *threads[THREADS];
    struct files_thread args[THREADS];
    _Atomic uint32_t failures = 0;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    cr_assert_eq(io->ops->mkdir(io, HG_SEG_DIR), 0);
    for (uint32_t id = 1; id <= MANY_FILES; id++)
        write_segment(io, id, 0, 16);
    cr_assert_eq(hg_files_create(io, 0, &fs), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        args[i] = (struct files_thread){ fs, seed_or(20) + i, &failures };
        cr_assert_eq(io->ops->thread_start(io, "reader", files_reader, &args[i], &threads[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        io->ops->thread_join(io, threads[i]);
    cr_assert_eq(failures, 0);
    hg_files_destroy(fs);
    remove_dir(io, dir);
}
