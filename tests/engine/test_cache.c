/*
 * Pages of the cache: what is put, filled and read, what is never kept, and what goes first. See cachekit.h.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "cachekit.h"

/* ---- pages ---------------------------------------------------------------------------------------*/

static int put_then_read(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 4096);
    add_segment(&e, 1, MIB);
    uint32_t at = 4096;
    for (uint32_t i = 0; i < 40; i++) {
        size_t len = 1 + i * 311;
        cr_assert_eq(put_pattern(&e, 1, at, len), 0);
        expect_read(&e, 1, at, len);
        at += (uint32_t)len;
    }
    expect_read(&e, 1, 4096, at - 4096);
    cr_assert_eq(counters(&e).bytes_read, 4096, "only what stood before the first put");
    cr_assert_eq(counters(&e).misses, 0);
    expect_read(&e, 1, 0, 4096);
    cr_assert_eq(counters(&e).bytes_read, 4096);
    env_close(&e);
    return 0;
}

Test(cache, what_was_put_is_read_without_the_disk)
{
    on_sim(put_then_read, NULL);
}

static int long_put(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    add_segment(&e, 1, 4 * MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, 100), 0);
    cr_assert_eq(put_pattern(&e, 1, 100, 3 * MIB), 0, "over many pages, beginning inside one");
    expect_read(&e, 1, 0, 100 + 3 * MIB);
    cr_assert_eq(counters(&e).bytes_read, 0);
    cr_assert_eq(hg_cache_put(e.cache, 1, 5, "", 0), 0, "nothing is a put too");
    env_close(&e);
    return 0;
}

Test(cache, a_put_may_span_pages)
{
    on_sim(long_put, NULL);
}

static int gaps(struct hg_io *io, void *ctx)
{
    struct env e;
    uint8_t out[3000];
    size_t n = 0;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    add_segment(&e, 1, MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, 1000), 0);
    cr_assert_eq(put_pattern(&e, 1, 2000, 1000), 0);
    cr_assert_eq(hg_cache_read(e.cache, 1, 0, out, 3000, &n), 0);
    cr_assert_eq(n, 3000);
    for (size_t i = 1000; i < 2000; i++)
        cr_assert_eq(out[i], 0);
    expect_read(&e, 1, 2000, 1000);
    /* Over a page's end: the next page begins with zeros. */
    cr_assert_eq(put_pattern(&e, 1, 2 * HG_PAGE_BYTES + 50, 100), 0);
    cr_assert_eq(hg_cache_read(e.cache, 1, 2 * HG_PAGE_BYTES, out, 150, &n), 0);
    for (size_t i = 0; i < 50; i++)
        cr_assert_eq(out[i], 0);
    expect_read(&e, 1, 2 * HG_PAGE_BYTES + 50, 100);
    env_close(&e);
    return 0;
}

Test(cache, gaps_between_puts_are_zeros)
{
    on_sim(gaps, NULL);
}

static int over_stale(struct hg_io *io, void *ctx)
{
    struct env e;
    uint8_t zeros[8192] = { 0 };
    uint8_t out[8192];
    size_t n = 0;
    char name[HG_FILE_NAME_MAX];
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    hg_segment_name(name, 1, HG_KIND_FRAMES);
    write_segment(io, 1, 0, 4096);
    write_at(io, name, zeros, sizeof zeros, 4096); /* written ahead */
    add_segment(&e, 1, MIB);
    hg_cache_set_written(e.cache, 1, 8192); /* more than the log's end: it was rounded up */
    cr_assert_eq(hg_cache_read(e.cache, 1, 0, out, 8192, &n), 0);
    cr_assert(n == 8192 && cached(&e, 1, 8000));
    cr_assert_eq(put_pattern(&e, 1, 4096, 100), 0);
    expect_read(&e, 1, 0, 4196);
    cr_assert_not(cached(&e, 1, 4196), "zeros that were filled end where the put ended");

    /* Put once more at the same place, as after a commit that failed. */
    cr_assert_eq(hg_cache_put(e.cache, 1, 4096, zeros, 50), 0);
    cr_assert_eq(hg_cache_read(e.cache, 1, 4096, out, 50, &n), 0);
    cr_assert_eq(memcmp(out, zeros, 50), 0);
    expect_read(&e, 1, 0, 4096);
    env_close(&e);
    return 0;
}

Test(cache, a_put_replaces_what_a_fill_or_an_older_put_left_there)
{
    on_sim(over_stale, NULL);
}

static int reader_limit(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 300 * KIB);
    add_segment(&e, 1, MIB);
    expect_read(&e, 1, 0, 1000);
    cr_assert_not(cached(&e, 1, 0), "nothing is known to be final");
    hg_cache_set_written(e.cache, 1, 10000);
    expect_read(&e, 1, 9000, 2000);
    cr_assert(cached(&e, 1, 9999));
    cr_assert_not(cached(&e, 1, 10000), "read, but not kept");
    hg_cache_set_written(e.cache, 1, 20000);
    expect_read(&e, 1, 9000, 5000);
    cr_assert(cached(&e, 1, 19999), "filled again when more is final");
    hg_cache_set_written(e.cache, 1, 5000);
    cr_assert(cached(&e, 1, 19999));
    expect_read(&e, 1, 0, 300 * KIB);
    hg_cache_set_written(e.cache, 2, 5000); /* of a segment nobody knows: no harm */
    env_close(&e);
    return 0;
}

Test(cache, bytes_that_may_still_change_are_never_kept)
{
    on_sim(reader_limit, NULL);
}

static int file_end(struct hg_io *io, void *ctx)
{
    struct env e;
    uint8_t out[64];
    size_t n = 9;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 5000);
    add_segment(&e, 1, MIB);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(hg_cache_read(e.cache, 1, 4990, out, 64, &n), 0);
        cr_assert_eq(n, 10);
        cr_assert_eq(first_wrong(out, 1, 4990, 10), 10);
        cr_assert_eq(hg_cache_read(e.cache, 1, 5000, out, 64, &n), 0);
        cr_assert_eq(n, 0);
        cr_assert_eq(hg_cache_read(e.cache, 1, 20 * MIB, out, 64, &n), 0);
        cr_assert_eq(n, 0, "behind the size the segment was added with");
        hg_cache_set_written(e.cache, 1, 100000); /* more than there is */
    }
    cr_assert_eq(hg_cache_read(e.cache, 2, 0, out, 64, &n), HOLOG_E_STALE);
    add_segment(&e, 2, MIB);
    cr_assert_eq(hg_cache_read(e.cache, 2, 0, out, 64, &n), HOLOG_E_STALE, "no such file");
    cr_assert_eq(hg_cache_put(e.cache, 1, MIB - 1, "ab", 2), HOLOG_E_INVAL);
    cr_assert_eq(hg_cache_put(e.cache, 3, 0, "ab", 2), HOLOG_E_INVAL);
    env_close(&e);
    return 0;
}

Test(cache, a_read_is_short_only_at_the_end_of_the_file)
{
    on_sim(file_end, NULL);
}

static int peeks(struct hg_io *io, void *ctx)
{
    struct env e;
    size_t n = 0;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    add_segment(&e, 1, MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, HG_PAGE_BYTES + 100), 0);
    struct hg_epoch_slot *slot = hg_epoch_enter(e.domain);
    const uint8_t *p = hg_cache_peek(e.cache, 1, HG_PAGE_BYTES - 10, 10, &n);
    cr_assert_not_null(p);
    cr_assert_eq(n, 10);
    cr_assert_eq(first_wrong(p, 1, HG_PAGE_BYTES - 10, 10), 10);
    cr_assert_null(hg_cache_peek(e.cache, 1, HG_PAGE_BYTES - 10, 11, &n), "not in one page");
    p = hg_cache_peek(e.cache, 1, HG_PAGE_BYTES, 1, &n);
    cr_assert(p != NULL && n == 100);
    cr_assert_null(hg_cache_peek(e.cache, 1, HG_PAGE_BYTES + 100, 1, &n));
    cr_assert_null(hg_cache_peek(e.cache, 2, 0, 1, &n));
    cr_assert_null(hg_cache_peek(e.cache, 1, UINT64_MAX, 1, &n));
    hg_epoch_leave(slot);
    cr_assert_eq(counters(&e).hits, 2);
    env_close(&e);
    return 0;
}

Test(cache, a_peek_gives_what_lies_in_one_page)
{
    on_sim(peeks, NULL);
}

static int held_page(struct hg_io *io, void *ctx)
{
    struct env e;
    size_t n = 0;
    HG_UNUSED(ctx);
    env_begin(&e, io, 2 * MIB);
    write_segment(io, 1, 0, MIB);
    add_segment(&e, 1, MIB);
    hg_cache_set_written(e.cache, 1, MIB);
    expect_read(&e, 1, 0, 100);
    struct hg_epoch_slot *slot = hg_epoch_enter(e.domain);
    const uint8_t *p = hg_cache_peek(e.cache, 1, 0, 100, &n);
    cr_assert_not_null(p);
    squeeze(&e);
    cr_assert_null(hg_cache_peek(e.cache, 1, 0, 100, &n), "evicted");
    cr_assert_eq(first_wrong(p, 1, 0, 100), 100, "and still there for who is inside");
    hg_epoch_leave(slot);
    env_close(&e);
    return 0;
}

Test(cache, an_evicted_page_stays_for_who_is_inside)
{
    on_sim(held_page, NULL);
}

static int unwritten(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, MIB);
    add_segment(&e, 1, 4 * MIB);
    uint32_t at = 0;
    int rc;
    while ((rc = put_pattern(&e, 1, at, 3000)) == HOLOG_OK)
        at += 3000;
    cr_assert_eq(rc, HOLOG_E_BUDGET);
    cr_assert_gt(at, 800 * KIB);
    cr_assert_leq(counters(&e).bytes, MIB);
    squeeze(&e);
    expect_read(&e, 1, 0, at);
    cr_assert_eq(counters(&e).bytes_read, 0, "none of it is on the disk, so none may go");
    cr_assert_eq(put_pattern(&e, 1, at, 3000), HOLOG_E_BUDGET);
    cr_assert_not(cached(&e, 1, at), "a refused put shows nothing");

    write_segment(io, 1, 0, at);
    hg_cache_set_written(e.cache, 1, at);
    cr_assert_eq(put_pattern(&e, 1, at, 3000), 0, "now there is room");
    expect_read(&e, 1, 0, at + 3000);
    squeeze(&e);
    cr_assert(cached(&e, 1, at), "the page that is appended to is not all written");
    cr_assert_not(cached(&e, 1, 0));
    expect_read(&e, 1, 0, at + 3000);

    /* Evicted although appends go on: they find it again in the file. */
    at += 3000;
    write_segment(io, 1, at - 3000, 3000);
    hg_cache_set_written(e.cache, 1, at);
    squeeze(&e);
    cr_assert_not(cached(&e, 1, at - 1));
    cr_assert_eq(put_pattern(&e, 1, at + 8, 10), 0);
    expect_read(&e, 1, at - 3000, 3000);
    expect_read(&e, 1, at + 8, 10);
    env_close(&e);
    return 0;
}

Test(cache, what_is_not_on_disk_is_never_evicted)
{
    on_sim(unwritten, NULL);
}

static int own_need(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 2 * HG_PAGE_BYTES); /* of two pages with their headers only one fits */
    write_segment(io, 1, 0, 30000);
    add_segment(&e, 1, MIB);
    cr_assert_eq(put_pattern(&e, 1, 0, 30000), 0);
    hg_cache_set_written(e.cache, 1, 30000);
    cr_assert_eq(put_pattern(&e, 1, 30000, HG_PAGE_BYTES), HOLOG_E_BUDGET);
    cr_assert(cached(&e, 1, 29999));
    cr_assert_not(cached(&e, 1, 30000));
    cr_assert_eq(put_pattern(&e, 1, 30000, 1000), 0);
    expect_read(&e, 1, 0, 31000);
    env_close(&e);
    return 0;
}

Test(cache, a_put_never_evicts_the_page_it_appends_to)
{
    on_sim(own_need, NULL);
}

/* A put that happens while a read is between missing a page and publishing it. */
static struct env *late_env;
static int late_done;

static int put_meanwhile(size_t size, void *ctx)
{
    HG_UNUSED(ctx);
    if (size >= HG_PAGE_BYTES && !late_done) {
        late_done = 1;
        cr_assert_eq(put_pattern(late_env, 1, 1000, 1000), 0);
    }
    return 0;
}

static int late_fill(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 8 * MIB);
    write_segment(io, 1, 0, 1000);
    add_segment(&e, 1, MIB);
    hg_cache_set_written(e.cache, 1, 1000);
    late_env = &e;
    hg_alloc_set_fault(put_meanwhile, NULL);
    expect_read(&e, 1, 0, 1000);
    hg_alloc_set_fault(NULL, NULL);
    cr_assert(late_done);
    expect_read(&e, 1, 0, 2000); /* the second half is nowhere else */
    env_close(&e);
    return 0;
}

Test(cache, a_fill_that_comes_late_does_not_undo_a_put)
{
    on_sim(late_fill, NULL);
}

static int clock_order(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 16 * MIB);
    write_segment(io, 1, 0, 12 * MIB);
    add_segment(&e, 1, 12 * MIB);
    hg_cache_set_written(e.cache, 1, 12 * MIB);
    for (uint64_t at = 0; at < 12 * MIB; at += HG_PAGE_BYTES)
        expect_read(&e, 1, at, 10);
    for (uint64_t at = 0; at < MIB; at += HG_PAGE_BYTES)
        expect_read(&e, 1, at, 10); /* used once more */
    cr_assert_eq(hg_budget_take(e.cache, 8 * MIB), 0);
    for (uint64_t at = 0; at < MIB; at += HG_PAGE_BYTES)
        cr_assert(cached(&e, 1, at));
    cr_assert_not(cached(&e, 1, MIB));
    cr_assert_gt(counters(&e).evictions, 0);
    hg_budget_give(e.cache, 8 * MIB);
    env_close(&e);
    return 0;
}

Test(cache, a_page_used_again_outlives_one_that_was_not)
{
    on_sim(clock_order, NULL);
}

static int many_segments(struct hg_io *io, void *ctx)
{
    struct env e;
    HG_UNUSED(ctx);
    env_begin(&e, io, 64 * MIB);
    for (uint32_t i = 0; i < 3000; i++)
        add_segment(&e, i * 2654435761u | 1, 16 * KIB); /* ids from names may be anything */
    add_segment(&e, UINT32_MAX, UINT32_MAX);
    add_segment(&e, UINT32_MAX, 1);
    for (uint32_t i = 0; i < 3000; i += 10)
        cr_assert_eq(put_pattern(&e, i * 2654435761u | 1, 0, 100), 0);
    for (uint32_t i = 0; i < 3000; i += 10)
        expect_read(&e, i * 2654435761u | 1, 0, 100);
    env_close(&e);
    return 0;
}

Test(cache, segment_ids_may_be_anything_and_many)
{
    on_sim(many_segments, NULL);
}
