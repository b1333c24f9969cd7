/* Versions that are moved in different rounds: they become differences from one another. */
#include <stdio.h>
#include <string.h>

#include "compactkit.h"
#include "engine/compact.h"
#include "holog/array.h"
#include "holog/versions.h"

#define VERSION_BYTES (400 * KIB)

/* Noise, of which two versions of one path share all but a few bytes; each two paths have the same. */
static void version_fill(uint8_t *to, unsigned path, unsigned version)
{
    value_fill(to, VERSION_BYTES, 5000 + path / 2);
    for (unsigned i = 0; version > 0 && i < 20; i++)
        to[(size_t)(version * 7919 + i * 15013) % VERSION_BYTES] ^= (uint8_t)(version + i) | 1u;
}

static void save_version(unsigned path, unsigned version)
{
    uint8_t *bytes = malloc(VERSION_BYTES);
    char name[16];

    (void)snprintf(name, sizeof name, "p%u", path);
    version_fill(bytes, path, version);
    OK(holog_save(box.store, name, bytes, VERSION_BYTES, HOLOG_REPLACE, NULL));
    free(bytes);
}

static void is_version(holog_value *v, unsigned path, unsigned version)
{
    uint8_t *want = malloc(VERSION_BYTES);

    version_fill(want, path, version);
    cr_assert_eq(holog_value_size(v), VERSION_BYTES);
    cr_assert_eq(memcmp(holog_value_data(v), want, VERSION_BYTES), 0, "version %u of p%u", version,
                 path);
    holog_value_release(v);
    free(want);
}

static void has_version(unsigned path, unsigned version)
{
    char name[16];
    holog_value *v = NULL;

    (void)snprintf(name, sizeof name, "p%u", path);
    OK(holog_load(box.store, name, &v));
    is_version(v, path, version);
}

static void had_version(const char *tag, unsigned path, unsigned version)
{
    char name[16];
    uint64_t number;
    holog_view *then = NULL;
    holog_value *v = NULL;

    (void)snprintf(name, sizeof name, "p%u", path);
    OK(holog_ref(box.store, tag, &number));
    OK(holog_view_open_at(box.store, number, &then));
    OK(holog_view_load(then, name, &v));
    is_version(v, path, version);
    holog_view_close(then);
}

static void garbage(unsigned seed)
{
    for (unsigned i = 0; i < 8; i++)
        OK(save_seed(box.store, "garbage", 900 * KIB, seed + i, HOLOG_REPLACE));
}

/* The second version has been moved, together with "beside"; the first, which a tag keeps, is in extents. */
static void move_the_second(unsigned path, void (*save)(unsigned path, unsigned version))
{
    begin_with(1.1);
    save(path, 1);
    OK(holog_tag(box.store, "one", head(), 0));
    OK(save_seed(box.store, "fills", 560 * KIB, 1, 0)); /* its segment is all alive */
    save(path, 2);
    OK(save_seed(box.store, "beside", 300 * KIB, 2, 0));
    OK(save_seed(box.store, "goes", 250 * KIB, 3, 0));
    OK(holog_delete(box.store, "goes", NULL));
    garbage(100);
    let_go();
    compact(0);
    cr_assert_eq(report.values, 2u,
                 "the second version and what was beside it, not %llu: %llu bytes",
                 (unsigned long long)report.values, (unsigned long long)report.value_bytes);
    OK(holog_delete(box.store, "fills", NULL));
}

/* And then the first. */
static void move_the_second_first(void (*save)(unsigned path, unsigned version))
{
    move_the_second(0, save);
    OK(holog_delete(box.store, "garbage", NULL));
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_geq(report.value_bytes, VERSION_BYTES);
}

Test(compact, a_version_is_a_difference_from_a_newer_one_that_was_moved_before)
{
    move_the_second_first(save_version);
    cr_assert_lt(report.added_bytes, report.value_bytes - VERSION_BYTES * 19 / 20,
                 "%llu bytes for %llu", (unsigned long long)report.added_bytes,
                 (unsigned long long)report.value_bytes);
    had_version("one", 0, 1);
    has_version(0, 2);
    box_same_after_reopen(&box);
    had_version("one", 0, 1);
    has_version(0, 2);
    box_end(&box);
}

/* What is newer does not fit into the round any more; what is older would. */
Test(compact, an_older_version_is_not_moved_before_the_newer_one)
{
    begin_with(1.1);
    save_version(0, 1);
    OK(holog_tag(box.store, "one", head(), 0));
    OK(save_seed(box.store, "goes", 500 * KIB, 1, 0));
    save_version(0, 2);
    OK(save_seed(box.store, "beside", 500 * KIB, 2, 0));
    OK(save_seed(box.store, "behind", 900 * KIB, 3, 0));
    OK(holog_delete(box.store, "goes", NULL));
    garbage(100);
    let_go();
    box.store->round_bytes = 1350 * KIB;
    compact(HOLOG_COMPACT_ALL);
    cr_assert_geq(report.values, 4u);
    cr_assert_geq(report.segments_added, 2u);
    cr_assert_lt(report.added_bytes, report.value_bytes - VERSION_BYTES * 9 / 10,
                 "%llu bytes for %llu", (unsigned long long)report.added_bytes,
                 (unsigned long long)report.value_bytes);
    had_version("one", 0, 1);
    has_version(0, 2);
    box_same_after_reopen(&box);
    had_version("one", 0, 1);
    has_version(0, 2);
    box_end(&box);
}

#define ELEMENTS (VERSION_BYTES / sizeof(uint16_t))
#define ROW      512u

static int remade; /* a part of version 1 has nothing to do with version 2, which is noise */

static uint32_t noise(size_t i)
{
    uint32_t x = (uint32_t)i * 2654435761u;

    x = (x ^ (x >> 15)) * 2246822519u;
    x = (x ^ (x >> 13)) * 3266489917u;
    return x >> 16;
}

static void array_fill(uint16_t *to, unsigned version)
{
    for (size_t i = 0; i < ELEMENTS; i++) /* smooth, with noise in it */
        to[i] = (uint16_t)(1000 + i % ROW + i / ROW + (i * 2654435761u >> 29 & 255));
    for (unsigned i = 0; i < 20; i++)
        to[version * 7919 + i * 9001] ^= (uint16_t)(version + i);
    for (size_t i = 0; i < ELEMENTS && remade; i++) {
        int is_new = i / ROW >= 100 && i / ROW < 300 && i % ROW >= 60 && i % ROW < 400;
        to[i] =
            (uint16_t)(version == 1 && is_new ? 1100 + noise(i + 7) % 16 : 1000 + noise(i) % 256);
    }
}

static void save_array(unsigned path, unsigned version)
{
    uint64_t shape[] = { ELEMENTS / ROW, ROW };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = shape, .chunk = shape
    };
    uint16_t *data = malloc(VERSION_BYTES);

    cr_assert_eq(path, 0u);
    array_fill(data, version);
    OK(holog_array_save(box.store, "p0", &spec, data, NULL, HOLOG_REPLACE, NULL));
    free(data);
}

static void was_array(uint64_t number, unsigned version)
{
    uint16_t *want = malloc(VERSION_BYTES);
    uint16_t *got = malloc(VERSION_BYTES);
    holog_view *then = NULL;
    holog_array *a = NULL;

    array_fill(want, version);
    OK(holog_view_open_at(box.store, number, &then));
    OK(holog_view_array(then, "p0", &a));
    OK(holog_array_read(a, NULL, got, NULL));
    cr_assert_eq(memcmp(got, want, VERSION_BYTES), 0, "version %u", version);
    holog_array_close(a);
    holog_view_close(then);
    free(want);
    free(got);
}

Test(compact, a_chunk_is_a_difference_from_a_newer_one_that_was_moved_before)
{
    uint64_t one;

    move_the_second_first(save_array);
    cr_assert_lt(report.added_bytes, VERSION_BYTES / 20, "%llu bytes",
                 (unsigned long long)report.added_bytes);
    OK(holog_ref(box.store, "one", &one));
    for (unsigned again = 0; again < 2; again++) {
        was_array(one, 1);
        was_array(head(), 2);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

/* 200 x 340 elements of 4 bits of noise, where the newer version has 8. */
Test(compact, what_was_made_anew_is_no_difference_within_its_box)
{
    uint64_t one;

    remade = 1;
    move_the_second_first(save_array);
    cr_assert_lt(report.added_bytes, 70000u, "%llu bytes", (unsigned long long)report.added_bytes);
    OK(holog_ref(box.store, "one", &one));
    for (unsigned again = 0; again < 2; again++) {
        was_array(one, 1);
        was_array(head(), 2);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

/* Nobody reads the base itself any more; then the segment goes that it is in; and the next, again. */
Test(compact, a_base_that_is_dead_goes_when_nothing_is_a_difference_from_it)
{
    move_the_second_first(save_version);
    save_version(0, 3);
    let_go();
    compact(HOLOG_COMPACT_ALL); /* the third may be moved, the second is where it was */
    had_version("one", 0, 1);
    OK(holog_delete(box.store, "beside", NULL));
    for (unsigned round = 0; round < 4; round++) {
        garbage(200 + 10 * round);
        let_go();
        compact(round % 2 == 0 ? HOLOG_COMPACT_ALL : 0);
        had_version("one", 0, 1);
        has_version(0, 3 + round);
        box_reopen(&box);
        had_version("one", 0, 1);
        has_version(0, 3 + round);
        save_version(0, 4 + round);
    }
    box_same_after_reopen(&box);
    had_version("one", 0, 1);
    box_end(&box);
}

/* Where another path has brought the newest version's bytes, that is not stored itself any more. */
Test(compact, a_version_is_no_difference_from_what_is_to_go)
{
    move_the_second(1, save_version);
    save_version(0, 2); /* the same bytes */
    OK(holog_delete(box.store, "beside", NULL));
    garbage(200);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    had_version("one", 1, 1);
    has_version(0, 2);
    has_version(1, 2);
    box_same_after_reopen(&box);
    had_version("one", 1, 1);
    box_end(&box);
}

Test(compact, a_version_is_no_difference_from_what_has_the_bytes_of_another)
{
    begin_with(1.1);
    save_version(1, 1);
    OK(holog_tag(box.store, "one", head(), 0));
    OK(save_seed(box.store, "fills", 560 * KIB, 1, 0)); /* its segment is all alive */
    save_version(0, 2);
    save_version(1, 2);
    OK(save_seed(box.store, "goes", 190 * KIB, 3, 0));
    OK(holog_delete(box.store, "goes", NULL));
    garbage(100);
    let_go();
    compact(0);
    cr_assert_eq(report.values, 2u);
    cr_assert_lt(report.added_bytes, report.value_bytes * 3 / 4, "one of them, stored once");
    OK(holog_delete(box.store, "fills", NULL));
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_geq(report.values, 1u);
    had_version("one", 1, 1);
    has_version(1, 2);
    box_same_after_reopen(&box);
    had_version("one", 1, 1);
    box_end(&box);
}

/* p1 has the bytes of a difference, whose base is in another segment: that lives as long as p1 does. */
Test(compact, the_base_of_a_difference_lives_for_those_that_have_its_bytes)
{
    move_the_second(0, save_version);
    save_version(1, 1);
    garbage(200);
    let_go();
    compact(HOLOG_COMPACT_ALL); /* p0 as of the tag: a difference; p1: the same as that */
    cr_assert_geq(report.value_bytes, 2 * VERSION_BYTES);
    cr_assert_lt(report.added_bytes, report.value_bytes - VERSION_BYTES * 19 / 10,
                 "%llu bytes for %llu", (unsigned long long)report.added_bytes,
                 (unsigned long long)report.value_bytes);
    save_version(0, 3); /* nobody asks for the base itself any more */
    OK(holog_delete(box.store, "beside", NULL));
    let_go();
    compact(0);
    had_version("one", 0, 1);
    has_version(1, 1);
    OK(holog_tag_delete(box.store, "one")); /* nor for the difference */
    for (unsigned round = 0; round < 3; round++) {
        garbage(300 + 10 * round);
        let_go();
        compact(round % 2 == 0 ? 0 : HOLOG_COMPACT_ALL);
        has_version(1, 1);
        box_same_after_reopen(&box);
        has_version(1, 1);
    }
    box_end(&box);
}

/* ---- any history ---------------------------------------------------------------------------------*/

#define PATHS 4u
#define TAGS  4u

struct tagged {
    int is_set;
    unsigned version[PATHS];
};

static uint64_t chance;

static unsigned pick(unsigned n)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance >> 33) % n;
}

static void keep(struct tagged *tags, const unsigned *now)
{
    unsigned t = pick(TAGS);
    char name[8];

    (void)snprintf(name, sizeof name, "t%u", t);
    if (tags[t].is_set)
        OK(holog_tag_delete(box.store, name));
    else
        OK(holog_tag(box.store, name, head(), 0));
    tags[t].is_set = !tags[t].is_set;
    memcpy(tags[t].version, now, sizeof tags[t].version);
}

static void compact_somehow(void)
{
    holog_compact_report r = { .struct_size = sizeof r };
    unsigned rounds = 1 + pick(4);

    if (pick(4) == 0) {
        compact(HOLOG_COMPACT_ALL);
        return;
    }
    while (rounds-- > 0) {
        int rc = hg_compact_background(box.store, pick(3) == 0 ? 1 : 1024 * KIB, &r);
        cr_assert_geq(rc, 0);
    }
}

static void all_is_there(const struct tagged *tags, const unsigned *now)
{
    char name[8];

    for (unsigned p = 0; p < PATHS; p++) {
        has_version(p, now[p]);
        for (unsigned t = 0; t < TAGS; t++) {
            (void)snprintf(name, sizeof name, "t%u", t);
            if (tags[t].is_set)
                had_version(name, p, tags[t].version[p]);
        }
    }
}

Test(compact, versions_moved_in_any_order_read_as_they_were, .timeout = 250)
{
    unsigned steps = test_level() == 0 ? 60 : 250;
    struct tagged tags[TAGS] = { { 0 } };
    unsigned now[PATHS] = { 0 };

    chance = test_seed();
    (void)fprintf(stderr, "seed %llu\n", (unsigned long long)chance);
    begin_with(1.1);
    for (unsigned p = 0; p < PATHS; p++)
        save_version(p, 0);
    for (unsigned step = 1; step <= steps; step++) {
        unsigned p = pick(PATHS);
        switch (pick(6)) {
        case 0: keep(tags, now); break;
        case 1:
            let_go();
            compact_somehow();
            all_is_there(tags, now);
            break;
        case 2: OK(save_seed(box.store, "garbage", 300 * KIB, step, HOLOG_REPLACE)); break;
        case 3:
            if (pick(4) == 0)
                box_reopen(&box);
            break;
        default: now[p] = pick(3) == 0 ? now[p ^ 1u] : step; save_version(p, now[p]);
        }
    }
    all_is_there(tags, now);
    box_same_after_reopen(&box);
    all_is_there(tags, now);
    box_end(&box);
}
