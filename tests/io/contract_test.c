/*
 * What every world promises, claim by claim.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

#define NEW (HG_OPEN_WRITE | HG_OPEN_CREATE)

static uint64_t size_of(struct hg_file *f)
{
    struct hg_file_info info;
    OK(f->io->ops->info(f, &info));
    return info.size_bytes;
}

/* ---- files ------------------------------------------------------------------------------------- */

CLAIM(a_created_file_is_empty)
{
    struct hg_file *f = world_open(io, "f", NEW);
    cr_assert_eq(size_of(f), 0);
    world_close(f);
}

CLAIM(create_refuses_a_name_that_is_there)
{
    struct hg_file *f = NULL;
    world_write(io, "f", "x", 1);
    FAILS(HOLOG_E_EXIST, io->ops->open(io, "f", NEW, &f));
    cr_assert_null(f, "outputs stay untouched on failure");
}

CLAIM(a_missing_name_is_noent)
{
    struct hg_file *f = NULL;
    FAILS(HOLOG_E_NOENT, io->ops->open(io, "f", 0, &f));
    FAILS(HOLOG_E_NOENT, io->ops->open(io, "no/f", NEW, &f));
    FAILS(HOLOG_E_NOENT, io->ops->unlink(io, "f"));
    FAILS(HOLOG_E_NOENT, io->ops->rename(io, "f", "g"));
    FAILS(HOLOG_E_NOENT, io->ops->sync_dir(io, "no"));
    FAILS(HOLOG_E_NOENT, io->ops->rmdir(io, "no"));
    cr_assert_null(f);
}

CLAIM(names_that_lead_elsewhere_are_refused)
{
    static const char *const bad[] = { "", "..", "../f", "a/../f", "/f", "a//f", "a/", "./f" };
    struct hg_file *f = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FAILS(HOLOG_E_BADPATH, io->ops->open(io, bad[i], NEW, &f));
        FAILS(HOLOG_E_BADPATH, io->ops->unlink(io, bad[i]));
        FAILS(HOLOG_E_BADPATH, io->ops->mkdir(io, bad[i]));
        FAILS(HOLOG_E_BADPATH, io->ops->rename(io, bad[i], "g"));
    }
}

CLAIM(a_directory_is_not_opened_as_a_file_for_writing)
{
    struct hg_file *f = NULL;
    OK(io->ops->mkdir(io, "d"));
    FAILS(HOLOG_E_ISDIR, io->ops->open(io, "d", HG_OPEN_WRITE, &f));
}

CLAIM(vectors_are_read_back_in_order)
{
    struct hg_file *f = world_open(io, "f", NEW);
    char a[] = "hello";
    char b[] = ", ";
    char c[] = "world";
    struct iovec out[] = { { a, 5 }, { b, 0 }, { b, 2 }, { c, 5 } };
    OK(hg_io_writev_full(f, out, 4, 3, 0));
    char x[7] = "";
    char y[9] = "";
    struct iovec in[] = { { x, 6 }, { y, 8 } };
    size_t n = 0;
    OK(io->ops->preadv(f, in, 2, 3, &n));
    cr_assert_eq(n, 12);
    cr_assert_str_eq(x, "hello,");
    cr_assert_str_eq(y, " world");
    world_close(f);
}

CLAIM(a_read_at_the_end_moves_nothing)
{
    world_write(io, "f", "abc", 3);
    struct hg_file *f = world_open(io, "f", 0);
    char buf[8];
    struct iovec iov = { buf, sizeof buf };
    size_t n = 99;
    OK(io->ops->preadv(f, &iov, 1, 3, &n));
    cr_assert_eq(n, 0);
    OK(io->ops->preadv(f, &iov, 1, 1000, &n));
    cr_assert_eq(n, 0);
    OK(io->ops->preadv(f, &iov, 1, 1, &n));
    cr_assert_eq(n, 2);
    world_close(f);
}

CLAIM(a_gap_reads_as_zeros)
{
    struct hg_file *f = world_open(io, "f", NEW);
    uint8_t buf[5001];
    OK(hg_io_write_full(f, "x", 1, 5000, 0));
    OK(hg_io_read_full(f, buf, sizeof buf, 0));
    for (int i = 0; i < 5000; i++)
        cr_assert_eq(buf[i], 0);
    cr_assert_eq(buf[5000], 'x');
    world_close(f);
}

CLAIM(a_dsync_write_and_a_sync_succeed_and_read_back)
{
    struct hg_file *f = world_open(io, "f", NEW);
    char buf[4] = "";
    OK(hg_io_write_full(f, "abc", 3, 0, HG_WRITE_DSYNC));
    OK(io->ops->fdatasync(f));
    OK(hg_io_read_full(f, buf, 3, 0));
    cr_assert_str_eq(buf, "abc");
    world_close(f);
}

CLAIM(a_file_opened_for_reading_is_not_written)
{
    world_write(io, "f", "abc", 3);
    struct hg_file *f = world_open(io, "f", 0);
    FAILS(HOLOG_E_IO, hg_io_write_full(f, "x", 1, 0, 0));
    char buf[4] = "";
    OK(hg_io_read_full(f, buf, 3, 0));
    cr_assert_str_eq(buf, "abc");
    world_close(f);
}

CLAIM(truncate_cuts_and_extends_with_zeros)
{
    struct hg_file *f = world_open(io, "f", NEW);
    char buf[6];
    OK(hg_io_write_full(f, "abcdef", 6, 0, 0));
    OK(io->ops->truncate(f, 2));
    cr_assert_eq(size_of(f), 2);
    OK(io->ops->truncate(f, 6));
    OK(hg_io_read_full(f, buf, 6, 0));
    cr_assert_arr_eq(buf, "ab\0\0\0\0", 6, "what was cut does not come back");
    world_close(f);
}

CLAIM(fallocate_extends_with_zeros_and_never_shrinks)
{
    struct hg_file *f = world_open(io, "f", NEW);
    int rc = io->ops->fallocate(f, 0, 10000);
    if (rc == HOLOG_E_NOTSUP) {
        world_close(f);
        return;
    }
    OK(rc);
    cr_assert_eq(size_of(f), 10000);
    OK(io->ops->fallocate(f, 0, 10));
    cr_assert_eq(size_of(f), 10000);
    char c = 1;
    OK(hg_io_read_full(f, &c, 1, 9999));
    cr_assert_eq(c, 0);
    world_close(f);
}

CLAIM(direct_transfers_say_their_alignment_and_work_with_it)
{
    struct hg_file *f = world_open(io, "f", NEW | HG_OPEN_DIRECT);
    struct hg_file_info info;
    OK(io->ops->info(f, &info));
    cr_assert_eq(info.direct == 0, info.why_buffered != NULL);
    cr_assert(info.dio_align <= HG_IO_BLOCK && (info.dio_align & (info.dio_align - 1)) == 0);
    uint8_t *p = hg_alloc_aligned(HG_IO_BLOCK, 3 * HG_IO_BLOCK);
    memset(p, 'd', 2 * HG_IO_BLOCK);
    OK(hg_io_write_full(f, p, 2 * HG_IO_BLOCK, 0, HG_WRITE_DSYNC));
    memset(p, 0, 2 * HG_IO_BLOCK);
    size_t n = 0;
    OK(hg_io_read_upto(f, p, 3 * HG_IO_BLOCK, 0, &n));
    cr_assert_eq(n, 2 * HG_IO_BLOCK);
    cr_assert(p[0] == 'd' && p[2 * HG_IO_BLOCK - 1] == 'd');
    OK(io->ops->truncate(f, 5000));
    OK(hg_io_read_upto(f, p, 3 * HG_IO_BLOCK, 0, &n));
    cr_assert_eq(n, 5000, "a direct read stops at an end that is no multiple of a block");
    hg_free(p);
    world_close(f);
}

/* ---- names ------------------------------------------------------------------------------------- */

CLAIM(rename_replaces_and_moves_between_directories)
{
    uint8_t *data = NULL;
    size_t len = 0;
    int there = 1;
    OK(io->ops->mkdir(io, "d"));
    world_write(io, "new", "new", 3);
    world_write(io, "d/old", "old!", 4);
    OK(io->ops->rename(io, "new", "d/old"));
    OK(hg_io_read_file(io, "d/old", 100, &data, &len));
    cr_assert_eq(len, 3);
    cr_assert_arr_eq(data, "new", 3);
    hg_free(data);
    OK(io->ops->exists(io, "new", &there));
    cr_assert_eq(there, 0);
    OK(io->ops->rename(io, "d/old", "d/old"));
}

CLAIM(an_unlinked_file_stays_readable_through_its_handle)
{
    world_write(io, "f", "abc", 3);
    struct hg_file *f = world_open(io, "f", 0);
    char buf[3];
    OK(io->ops->unlink(io, "f"));
    OK(hg_io_read_full(f, buf, 3, 0));
    world_close(f);
    FAILS(HOLOG_E_NOENT, io->ops->unlink(io, "f"));
}

CLAIM(directories_are_made_once_and_removed_empty)
{
    OK(io->ops->mkdir(io, "d"));
    FAILS(HOLOG_E_EXIST, io->ops->mkdir(io, "d"));
    world_write(io, "d/f", "x", 1);
    FAILS(HOLOG_E_NOTEMPTY, io->ops->rmdir(io, "d"));
    FAILS(HOLOG_E_NOTDIR, io->ops->rmdir(io, "d/f"));
    FAILS(HOLOG_E_NOTDIR, io->ops->mkdir(io, "d/f/g"));
    OK(io->ops->unlink(io, "d/f"));
    OK(io->ops->rmdir(io, "d"));
    OK(io->ops->sync_dir(io, ""));
}

CLAIM(exists_tells_files_directories_and_nothing)
{
    int there = -1;
    OK(io->ops->exists(io, "f", &there));
    cr_assert_eq(there, 0);
    OK(io->ops->exists(io, "no/f", &there));
    cr_assert_eq(there, 0);
    world_write(io, "f", "x", 1);
    OK(io->ops->exists(io, "f", &there));
    cr_assert_eq(there, 1);
    OK(io->ops->mkdir(io, "d"));
    OK(io->ops->exists(io, "d", &there));
    cr_assert_eq(there, 1);
}

struct listing {
    struct hg_io *io;
    int seen[300];
    int dirs;
    int total;
    int stop_at;
    int stop_with;
};

static int note_name(void *ctx, const char *name, int is_dir)
{
    struct listing *l = ctx;
    l->total++;
    l->dirs += is_dir;
    if (name[0] == 'f')
        l->seen[strtol(name + 1, NULL, 10)]++;
    return l->total == l->stop_at ? l->stop_with : 0;
}

CLAIM(a_listing_shows_each_name_once)
{
    struct listing l = { 0 };
    OK(io->ops->mkdir(io, "d"));
    OK(io->ops->mkdir(io, "d/sub"));
    for (int i = 0; i < 300; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "d/f%d", i);
        world_close(world_open(io, name, NEW));
    }
    OK(io->ops->read_dir(io, "d", note_name, &l));
    for (int i = 0; i < 300; i++)
        cr_assert_eq(l.seen[i], 1);
    cr_assert_eq(l.dirs, 1);
    cr_assert_eq(l.total, 301);
    struct listing root = { 0 };
    OK(io->ops->read_dir(io, "", note_name, &root));
    cr_assert_eq(root.total, 1);
}

CLAIM(a_listing_stops_when_told_and_hands_on_a_code)
{
    world_write(io, "f1", "", 0);
    world_write(io, "f2", "", 0);
    struct listing l = { .stop_at = 1, .stop_with = 1 };
    OK(io->ops->read_dir(io, "", note_name, &l));
    cr_assert_eq(l.total, 1);
    struct listing bad = { .stop_at = 1, .stop_with = HOLOG_E_CORRUPT };
    FAILS(HOLOG_E_CORRUPT, io->ops->read_dir(io, "", note_name, &bad));
}

static int unlink_each(void *ctx, const char *name, int is_dir)
{
    struct listing *l = ctx;
    (void)is_dir;
    return l->io->ops->unlink(l->io, name);
}

CLAIM(a_listing_may_unlink_what_it_is_shown)
{
    struct listing l = { .io = io };
    for (int i = 0; i < 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "f%d", i);
        world_write(io, name, "", 0);
    }
    OK(io->ops->read_dir(io, "", unlink_each, &l));
    OK(io->ops->read_dir(io, "", note_name, &l));
    cr_assert_eq(l.total, 0);
}

CLAIM(whole_small_files_are_read_with_a_limit)
{
    uint8_t *data = NULL;
    size_t len = 1;
    world_write(io, "f", "abc", 3);
    FAILS(HOLOG_E_TOOBIG, hg_io_read_file(io, "f", 2, &data, &len));
    FAILS(HOLOG_E_NOENT, hg_io_read_file(io, "g", 2, &data, &len));
    cr_assert(data == NULL && len == 1);
    OK(hg_io_read_file(io, "f", 3, &data, &len));
    cr_assert_eq(len, 3);
    hg_free(data);
    world_write(io, "empty", "", 0);
    OK(hg_io_read_file(io, "empty", 0, &data, &len));
    cr_assert_not_null(data);
    cr_assert_eq(len, 0);
    hg_free(data);
}

/* ---- locks ------------------------------------------------------------------------------------- */

CLAIM(an_exclusive_lock_keeps_others_out_until_it_is_closed)
{
    int held = -1;
    world_write(io, "L", "", 0);
    struct hg_file *a = world_open(io, "L", HG_OPEN_WRITE);
    struct hg_file *b = world_open(io, "L", HG_OPEN_WRITE);
    OK(io->ops->lock(a, 0, 1, 1));
    OK(io->ops->lock(a, 0, 1, 1));
    FAILS(HOLOG_E_BUSY, io->ops->lock(b, 0, 1, 1));
    FAILS(HOLOG_E_BUSY, io->ops->lock(b, 0, 1, 0));
    OK(io->ops->lock_test(b, 0, 1, 0, &held));
    cr_assert_eq(held, 1);
    OK(io->ops->lock_test(a, 0, 1, 1, &held));
    cr_assert_eq(held, 0, "one's own lock is no obstacle");
    OK(io->ops->lock(b, 1, 1, 1));
    world_close(a);
    OK(io->ops->lock(b, 0, 1, 1));
    world_close(b);
}

CLAIM(shared_locks_go_together_and_keep_an_exclusive_one_out)
{
    int held = -1;
    world_write(io, "L", "", 0);
    struct hg_file *a = world_open(io, "L", HG_OPEN_WRITE);
    struct hg_file *b = world_open(io, "L", HG_OPEN_WRITE);
    OK(io->ops->lock(a, 8, 8, 0));
    OK(io->ops->lock(b, 8, 8, 0));
    FAILS(HOLOG_E_BUSY, io->ops->lock(a, 8, 8, 1));
    OK(io->ops->unlock(b, 8, 4));
    FAILS(HOLOG_E_BUSY, io->ops->lock(a, 8, 8, 1));
    OK(io->ops->lock_test(a, 8, 4, 1, &held));
    cr_assert_eq(held, 0, "the first half is free");
    OK(io->ops->lock_test(a, 12, 4, 1, &held));
    cr_assert_eq(held, 1);
    OK(io->ops->unlock(b, 0, 0));
    OK(io->ops->lock(a, 8, 8, 1));
    world_close(a);
    world_close(b);
}

CLAIM(closing_another_handle_of_the_file_keeps_the_lock)
{
    world_write(io, "L", "", 0);
    struct hg_file *a = world_open(io, "L", HG_OPEN_WRITE);
    OK(io->ops->lock(a, 0, 0, 1));
    world_close(world_open(io, "L", HG_OPEN_WRITE));
    struct hg_file *b = world_open(io, "L", HG_OPEN_WRITE);
    FAILS(HOLOG_E_BUSY, io->ops->lock(b, 5, 1, 1));
    world_close(b);
    world_close(a);
}

CLAIM(many_files_in_turn_may_hold_locks)
{
    world_write(io, "L", "", 0);
    for (int i = 0; i < 50; i++) {
        struct hg_file *f = world_open(io, "L", HG_OPEN_WRITE);
        OK(io->ops->lock(f, 0, 1, 1));
        world_close(f);
    }
}

CLAIM(a_shared_page_is_seen_by_all_and_lands_in_the_file)
{
    struct hg_file *f = world_open(io, "ctl", NEW);
    struct hg_file *g = world_open(io, "ctl", 0);
    OK(io->ops->truncate(f, 4096));
    void *w = NULL;
    void *r = NULL;
    OK(io->ops->map_shared(f, 4096, 1, &w));
    OK(io->ops->map_shared(g, 4096, 0, &r));
    __atomic_store_n((uint64_t *)w + 5, 77, __ATOMIC_RELEASE);
    cr_assert_eq(__atomic_load_n((const uint64_t *)r + 5, __ATOMIC_ACQUIRE), 77);
    uint64_t v = 0;
    OK(hg_io_read_full(g, &v, 8, 40));
    cr_assert_eq(v, 77);
    v = 99;
    OK(hg_io_write_full(f, &v, 8, 48, 0));
    cr_assert_eq(((const uint64_t *)r)[6], 99);
    io->ops->unmap(io, w, 4096);
    io->ops->unmap(io, r, 4096);
    world_close(f);
    world_close(g);
}

/* ---- batches ----------------------------------------------------------------------------------- */

#define BATCH     300
#define REQ_BYTES 4096u

CLAIM(a_batch_larger_than_any_queue_completes)
{
    struct hg_file *f = world_open(io, "f", NEW | HG_OPEN_DIRECT);
    uint8_t *data = hg_alloc_aligned(HG_IO_BLOCK, BATCH * REQ_BYTES);
    struct hg_req *r = hg_calloc(BATCH, sizeof *r);
    struct hg_req *list[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        memset(data + i * REQ_BYTES, (int)i, REQ_BYTES);
        r[i] = (struct hg_req){ .op = i % 2 != 0 ? HG_REQ_WRITE : HG_REQ_WRITE_DSYNC,
                                .file = f,
                                .buf = data + i * REQ_BYTES,
                                .len_bytes = REQ_BYTES,
                                .offset = i * REQ_BYTES };
        list[i] = &r[i];
    }
    OK(io->ops->submit(io, list, BATCH));
    for (unsigned i = 0; i < BATCH; i++) {
        OK(io->ops->wait(io, &r[BATCH - 1 - i]));
        cr_assert_eq(r[BATCH - 1 - i].done_bytes, REQ_BYTES);
    }
    struct hg_req sync = { .op = HG_REQ_FDATASYNC, .file = f };
    list[0] = &sync;
    OK(io->ops->submit(io, list, 1));
    OK(io->ops->wait(io, &sync));
    memset(data, 0xee, BATCH * REQ_BYTES);
    for (unsigned i = 0; i < BATCH; i++) {
        r[i].op = HG_REQ_READ;
        list[i] = &r[i];
    }
    OK(io->ops->submit(io, list, BATCH));
    for (unsigned i = 0; i < BATCH; i++)
        OK(io->ops->wait(io, &r[i]));
    for (unsigned i = 0; i < BATCH; i++)
        cr_assert(data[i * REQ_BYTES] == (uint8_t)i &&
                  data[i * REQ_BYTES + REQ_BYTES - 1] == (uint8_t)i);
    world_close(f);
    hg_free(r);
    hg_free(data);
}

CLAIM(a_request_past_the_end_fails_and_says_how_far_it_came)
{
    char buf[10];
    world_write(io, "f", "abc", 3);
    struct hg_file *f = world_open(io, "f", 0);
    struct hg_req r = { .op = HG_REQ_READ, .file = f, .buf = buf, .len_bytes = sizeof buf };
    struct hg_req *list = &r;
    OK(io->ops->submit(io, &list, 1));
    FAILS(HOLOG_E_IO, io->ops->wait(io, &r));
    cr_assert_eq(r.done_bytes, 3);
    cr_assert_not_null(strstr(world_why(), "read of f"));
    world_close(f);
}

CLAIM(a_request_of_no_bytes_completes)
{
    struct hg_file *f = world_open(io, "f", NEW);
    struct hg_req r = { .op = HG_REQ_WRITE_DSYNC, .file = f };
    struct hg_req *list = &r;
    OK(io->ops->submit(io, &list, 1));
    OK(io->ops->wait(io, &r));
    world_close(f);
}

struct finish_line {
    struct hg_io *io;
    uint32_t left;
};

static void count_down(struct hg_req *r)
{
    struct finish_line *line = r->ctx;
    struct hg_io *io = line->io; /* at zero the line belongs to the waiter again */
    hg_free(r);                  /* done is last of all: the request is ours again */
    if (__atomic_sub_fetch(&line->left, 1, __ATOMIC_ACQ_REL) == 0)
        io->ops->word_wake(io, &line->left, INT_MAX);
}

CLAIM(done_is_called_once_and_may_free_the_request)
{
    static char byte[] = "x";
    struct finish_line line = { .io = io, .left = 40 };
    struct hg_file *f = world_open(io, "f", NEW);
    for (unsigned i = 0; i < 40; i++) {
        struct hg_req *r = hg_calloc(1, sizeof *r);
        *r = (struct hg_req){ .op = HG_REQ_WRITE,
                              .file = f,
                              .buf = byte,
                              .len_bytes = 1,
                              .offset = i,
                              .done = count_down,
                              .ctx = &line };
        OK(io->ops->submit(io, &r, 1));
    }
    uint32_t left;
    while ((left = __atomic_load_n(&line.left, __ATOMIC_ACQUIRE)) != 0)
        io->ops->word_wait(io, &line.left, left, UINT64_MAX);
    cr_assert_eq(size_of(f), 40);
    world_close(f);
}

/* ---- time, chance, threads --------------------------------------------------------------------- */

CLAIM(time_goes_forward_and_sleep_sleeps)
{
    uint64_t before = io->ops->now_ns(io);
    io->ops->sleep_ns(io, 2000000);
    uint64_t after = io->ops->now_ns(io);
    cr_assert(after >= before + 2000000);
    cr_assert(io->ops->wall_ns(io) > 1600000000ull * 1000000000ull, "after 2020");
}

CLAIM(random_bytes_differ)
{
    uint8_t a[33] = { 0 };
    uint8_t b[33] = { 0 };
    OK(io->ops->random(io, a, sizeof a));
    OK(io->ops->random(io, b, sizeof b));
    cr_assert_arr_neq(a, b, sizeof a);
}

struct counter {
    struct hg_io *io;
    struct hg_mutex mutex;
    struct hg_cond cond;
    unsigned long value; /* mutex */
    int turn;            /* mutex */
    int me;
};

static void add_a_thousand(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < 1000; i++) {
        hg_mutex_lock(c->io, &c->mutex);
        unsigned long v = c->value;
        if (i % 100 == 0)
            c->io->ops->sleep_ns(c->io, 1000); /* so that others come and must wait */
        c->value = v + 1;
        hg_mutex_unlock(c->io, &c->mutex);
    }
}

CLAIM(a_mutex_lets_one_in_at_a_time)
{
    struct counter c = { .io = io };
    struct hg_thread *t[4];
    for (int i = 0; i < 4; i++)
        OK(io->ops->thread_start(io, "adder", add_a_thousand, &c, &t[i]));
    for (int i = 0; i < 4; i++)
        io->ops->thread_join(io, t[i]);
    cr_assert_eq(c.value, 4000);
    cr_assert_eq(hg_mutex_trylock(&c.mutex), 1);
    cr_assert_eq(hg_mutex_trylock(&c.mutex), 0);
    hg_mutex_unlock(io, &c.mutex);
}

static void play(struct counter *c, int me)
{
    for (int i = 0; i < 200; i++) {
        hg_mutex_lock(c->io, &c->mutex);
        while (c->turn != me)
            hg_cond_wait(c->io, &c->cond, &c->mutex, UINT64_MAX);
        c->turn = !me;
        c->value++;
        hg_cond_wake_all(c->io, &c->cond);
        hg_mutex_unlock(c->io, &c->mutex);
    }
}

static void play_second(void *arg)
{
    play(arg, 1);
}

CLAIM(a_condition_hands_the_turn_back_and_forth)
{
    struct counter c = { .io = io };
    struct hg_thread *t = NULL;
    OK(io->ops->thread_start(io, "a name longer than the kernel keeps", play_second, &c, &t));
    play(&c, 0);
    io->ops->thread_join(io, t);
    cr_assert_eq(c.value, 400);
}

CLAIM(waits_end_at_their_timeout_and_at_once_when_the_word_differs)
{
    uint32_t word = 5;
    uint64_t before = io->ops->now_ns(io);
    io->ops->word_wait(io, &word, 4, UINT64_MAX);
    io->ops->word_wait(io, &word, 5, 0);
    struct counter c = { .io = io };
    hg_mutex_lock(io, &c.mutex);
    while (io->ops->now_ns(io) < before + 3000000)
        hg_cond_wait(io, &c.cond, &c.mutex, 1000000);
    hg_cond_wake_one(io, &c.cond);
    hg_mutex_unlock(io, &c.mutex);
}
