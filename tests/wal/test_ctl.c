/*
 * The page that the writer shares with reader processes.
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "../engine/cachekit.h"
#include "base/alloc.h"
#include "wal/ctl.h"

/* ---- ctl -----------------------------------------------------------------------------------------*/

Test(ctl, a_reader_sees_what_the_writer_published_and_nothing_before)
{
    struct hg_io *io = NULL;
    struct hg_ctl *w = NULL;
    struct hg_ctl *r = NULL;
    hg_pos pos = 0;
    uint64_t number = 0;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);

    cr_assert_eq(hg_ctl_open(io, 0, &r), HOLOG_E_NOENT);
    write_at(io, HG_CTL_NAME, "short", 5, 0);
    cr_assert_eq(hg_ctl_open(io, 0, &r), HOLOG_E_AGAIN, "mapping it would end in SIGBUS");
    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    cr_assert_eq(hg_ctl_open(io, 0, &r), 0);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), HOLOG_E_AGAIN);
    hg_ctl_publish(w, hg_pos_make(3, 8192), 77);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), 0);
    cr_assert(pos == hg_pos_make(3, 8192) && number == 77);
    hg_ctl_close(w);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), 0, "the page outlives its writer");

    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), HOLOG_E_AGAIN, "the next one has said nothing");
    hg_ctl_publish(w, hg_pos_make(4, 4096), 78);
    cr_assert_eq(hg_ctl_read(r, &pos, &number), 0);
    cr_assert_eq(number, 78);
    hg_ctl_close(w);
    hg_ctl_close(r);
    hg_ctl_close(NULL);
    remove_dir(io, dir);
}

Test(ctl, every_field_is_where_the_format_says)
{
    struct hg_io *io = NULL;
    struct hg_ctl *w = NULL;
    uint8_t *page = NULL;
    size_t len = 0;
    uint64_t v64 = 0;
    uint32_t v32 = 0;
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    hg_ctl_publish(w, 0x1122334455667788u, 0x99aabb);
    cr_assert_eq(hg_io_read_file(io, HG_CTL_NAME, 8192, &page, &len), 0);
    cr_assert_eq(len, HG_CTL_SIZE);
    cr_assert_eq(memcmp(page, "HOLOGCTL", 8), 0);
    memcpy(&v32, page + 8, 4);
    cr_assert_eq(v32, 1);
    memcpy(&v32, page + 12, 4);
    cr_assert_eq(v32 % 2, 0);
    memcpy(&v64, page + 16, 8);
    cr_assert_eq(v64, 0x1122334455667788u);
    memcpy(&v64, page + 24, 8);
    cr_assert_eq(v64, 0x99aabb);
    memcpy(&v32, page + 40, 4);
    cr_assert_eq(v32, (uint32_t)getpid());
    hg_free(page);
    hg_ctl_close(w);
    remove_dir(io, dir);
}

struct ctl_thread {
    struct hg_ctl *ctl;
    _Atomic uint32_t stop;
    _Atomic uint32_t torn;
    _Atomic uint64_t reads;
};

static void ctl_reader(void *arg)
{
    struct ctl_thread *t = arg;
    while (atomic_load(&t->stop) == 0) {
        hg_pos pos = 0;
        uint64_t number = 0;
        if (hg_ctl_read(t->ctl, &pos, &number) < 0)
            continue;
        if (pos != number * 8)
            atomic_fetch_add(&t->torn, 1);
        atomic_fetch_add(&t->reads, 1);
    }
}

Test(ctl, no_reader_ever_sees_half_of_what_was_published, .timeout = 60)
{
    struct hg_io *io = NULL;
    struct hg_ctl *w = NULL;
    struct hg_thread *thread = NULL;
    struct ctl_thread t = { 0 };
    char *dir = make_dir();
    cr_assert_eq(hg_io_open(dir, HG_IO_POSIX, &io), 0);
    cr_assert_eq(hg_ctl_open(io, 1, &w), 0);
    hg_ctl_publish(w, 8, 1);
    cr_assert_eq(hg_ctl_open(io, 0, &t.ctl), 0);
    cr_assert_eq(io->ops->thread_start(io, "reader", ctl_reader, &t, &thread), 0);
    for (uint64_t i = 1; atomic_load(&t.reads) < 300000 * effort(); i++)
        hg_ctl_publish(w, i * 8, i);
    atomic_store(&t.stop, 1);
    io->ops->thread_join(io, thread);
    cr_assert_eq(t.torn, 0);
    hg_ctl_close(t.ctl);
    hg_ctl_close(w);
    remove_dir(io, dir);
}
