/* Bytes that an earlier compaction has moved, brought once more: they are stored once, and live as long as one needs them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compactkit.h"
#include "engine/compact.h"
#include "holog/array.h"
#include "holog/versions.h"

#define LEN (400 * KIB)

static unsigned pads_made;

/* So that the extents before them are full; they stay, and so do the compressed segments that they are in. */
static void pads(void)
{
    char name[16];

    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof name, "pad%u", pads_made);
        OK(save_seed(box.store, name, 300 * KIB, 7000 + pads_made++, 0));
    }
}

static void garbage(unsigned seed)
{
    for (unsigned i = 0; i < 8; i++)
        OK(save_seed(box.store, "garbage", 900 * KIB, seed + i, HOLOG_REPLACE));
}

static void move_all(void)
{
    pads();
    let_go();
    compact(HOLOG_COMPACT_ALL);
}

/* All that has been moved is noise: how much of it has not been stored? */
static uint64_t saved(void)
{
    return report.value_bytes - HG_MIN(report.value_bytes, report.added_bytes);
}

/* "x" was moved, and is where it is when "y", with its bytes, comes. */
static void move_x_and_y(void)
{
    begin_with(1.1);
    OK(save_seed(box.store, "x", LEN, 1, 0));
    move_all();
    cr_assert_geq(report.value_bytes, LEN);
    cr_assert_lt(saved(), LEN / 4);
    OK(save_seed(box.store, "y", LEN, 1, 0));
    move_all();
    cr_assert_geq(report.value_bytes, LEN);
    cr_assert_gt(saved(), LEN * 3 / 4, "%llu bytes for %llu",
                 (unsigned long long)report.added_bytes, (unsigned long long)report.value_bytes);
}

Test(compact_same, bytes_that_were_moved_before_are_stored_once)
{
    move_x_and_y();
    for (unsigned again = 0; again < 2; again++) {
        has_seed(box.store, "x", LEN, 1);
        has_seed(box.store, "y", LEN, 1);
        box_same_after_reopen(&box);
    }
    OK(save_seed(box.store, "z", LEN, 1, 0)); /* and again */
    OK(save_seed(box.store, "zz", LEN, 1, 0));
    move_all();
    cr_assert_gt(saved(), 2 * LEN * 3 / 4);
    for (unsigned again = 0; again < 2; again++) {
        has_seed(box.store, "x", LEN, 1);
        has_seed(box.store, "y", LEN, 1);
        has_seed(box.store, "z", LEN, 1);
        has_seed(box.store, "zz", LEN, 1);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

/* The same in rounds of one compaction. */
Test(compact_same, bytes_that_an_earlier_round_has_moved_are_stored_once)
{
    begin_with(1.1);
    OK(save_seed(box.store, "x", LEN, 1, 0));
    pads();
    pads();
    OK(save_seed(box.store, "y", LEN, 1, 0));
    box.store->round_bytes = 1100 * KIB;
    move_all();
    cr_assert_geq(report.segments_added, 2u);
    cr_assert_gt(saved(), LEN * 3 / 4, "%llu bytes for %llu",
                 (unsigned long long)report.added_bytes, (unsigned long long)report.value_bytes);
    for (unsigned again = 0; again < 2; again++) {
        has_seed(box.store, "x", LEN, 1);
        has_seed(box.store, "y", LEN, 1);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

Test(compact_same, bytes_live_when_the_value_that_brought_them_is_gone)
{
    move_x_and_y();
    OK(holog_delete(box.store, "x", NULL));
    for (unsigned round = 0; round < 4; round++) {
        garbage(100 + 10 * round);
        let_go();
        compact(round % 2 == 0 ? 0 : HOLOG_COMPACT_ALL);
        has_seed(box.store, "y", LEN, 1);
        box_same_after_reopen(&box);
        has_seed(box.store, "y", LEN, 1);
    }
    for (unsigned i = 0; i < 4; i++) { /* the segment goes that x was in, and its bytes with it */
        char name[16];
        (void)snprintf(name, sizeof name, "pad%u", i);
        OK(holog_delete(box.store, name, NULL));
    }
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_geq(report.value_bytes, LEN);
    cr_assert_geq(report.segments_removed, 1u);
    has_seed(box.store, "y", LEN, 1);
    box_same_after_reopen(&box);
    has_seed(box.store, "y", LEN, 1);
    OK(holog_delete(box.store, "y", NULL));
    let_go();
    compact(HOLOG_COMPACT_ALL);
    cr_assert_gt(report.removed_bytes, report.added_bytes + LEN * 3 / 4, "they are gone");
    box_same_after_reopen(&box);
    box_end(&box);
}

Test(compact_same, bytes_live_when_the_value_that_brought_them_is_replaced)
{
    move_x_and_y();
    for (unsigned round = 0; round < 4; round++) {
        OK(save_seed(box.store, "x", LEN, 2 + round % 2, HOLOG_REPLACE));
        if (round == 2)
            OK(save_seed(box.store, "y", LEN, 3, HOLOG_REPLACE)); /* what x had last */
        garbage(100 + 10 * round);
        let_go();
        compact(HOLOG_COMPACT_ALL);
        for (unsigned again = 0; again < 2; again++) {
            has_seed(box.store, "x", LEN, 2 + round % 2);
            has_seed(box.store, "y", LEN, round < 2 ? 1 : 3);
            box_same_after_reopen(&box);
        }
    }
    box_end(&box);
}

/* Only the past has them: x as of the tag; then nobody but y. */
Test(compact_same, bytes_of_the_past_are_stored_once)
{
    uint64_t number;
    holog_view *then = NULL;
    holog_value *v = NULL;

    begin_with(1.1);
    OK(save_seed(box.store, "x", LEN, 1, 0));
    OK(holog_tag(box.store, "one", head(), 0));
    move_all();
    OK(holog_delete(box.store, "x", NULL));
    OK(save_seed(box.store, "y", LEN, 1, 0));
    move_all();
    cr_assert_gt(saved(), LEN * 3 / 4);
    has_seed(box.store, "y", LEN, 1);
    OK(holog_ref(box.store, "one", &number));
    OK(holog_view_open_at(box.store, number, &then));
    OK(holog_view_load(then, "x", &v));
    cr_assert_eq(holog_value_size(v), LEN);
    holog_value_release(v);
    holog_view_close(then);
    OK(holog_tag_delete(box.store, "one"));
    garbage(100);
    let_go();
    compact(HOLOG_COMPACT_ALL);
    has_seed(box.store, "y", LEN, 1);
    box_same_after_reopen(&box);
    has_seed(box.store, "y", LEN, 1);
    box_end(&box);
}

/* x is dead, and what is left of its segment goes with the round that moves y. */
Test(compact_same, bytes_that_are_to_go_are_stored_anew)
{
    begin_with(1.1);
    OK(save_seed(box.store, "x", LEN, 1, 0));
    move_all();
    OK(holog_delete(box.store, "x", NULL));
    OK(save_seed(box.store, "y", LEN, 1, 0));
    move_all();
    cr_assert_geq(report.value_bytes, LEN);
    for (unsigned again = 0; again < 2; again++) {
        has_seed(box.store, "y", LEN, 1);
        box_same_after_reopen(&box);
    }
    box_end(&box);
}

static void save_bytes(const char *path, const uint8_t *bytes)
{
    OK(holog_save(box.store, path, bytes, LEN, HOLOG_REPLACE, NULL));
}

static void has_bytes(const char *path, const uint8_t *want)
{
    holog_value *v = NULL;

    OK(holog_load(box.store, path, &v));
    cr_assert_eq(holog_value_size(v), LEN);
    cr_assert_eq(memcmp(holog_value_data(v), want, LEN), 0, "%s", path);
    holog_value_release(v);
}

/* Their sum is the same, as is all that a table says. */
Test(compact_same, the_same_bytes_in_another_order_are_others)
{
    uint8_t *bytes = malloc(LEN);
    uint8_t swapped;

    begin_with(1.1);
    value_fill(bytes, LEN, 1);
    save_bytes("x", bytes);
    move_all();
    swapped = bytes[LEN - 1];
    bytes[LEN - 1] = bytes[7];
    bytes[7] = swapped;
    cr_assert_neq(bytes[7], bytes[LEN - 1]);
    save_bytes("y", bytes);
    move_all();
    cr_assert_lt(saved(), LEN / 4);
    for (unsigned again = 0; again < 2; again++) {
        has_seed(box.store, "x", LEN, 1);
        has_bytes("y", bytes);
        box_same_after_reopen(&box);
    }
    box_end(&box);
    free(bytes);
}

/* Versions of y are differences from the value that has y's bytes. */
Test(compact_same, versions_are_differences_from_what_has_the_bytes_of_the_newest)
{
    uint8_t *bytes = malloc(LEN);
    uint64_t number;
    holog_view *then = NULL;
    holog_value *v = NULL;

    begin_with(1.1);
    OK(save_seed(box.store, "x", LEN, 1, 0));
    move_all();
    value_fill(bytes, LEN, 1);
    bytes[LEN / 2] ^= 1;
    save_bytes("y", bytes);
    OK(holog_tag(box.store, "one", head(), 0));
    OK(save_seed(box.store, "y", LEN, 1, HOLOG_REPLACE));
    move_all();
    cr_assert_geq(report.value_bytes, 2 * LEN);
    cr_assert_gt(saved(), 2 * LEN * 3 / 4, "%llu bytes for %llu",
                 (unsigned long long)report.added_bytes, (unsigned long long)report.value_bytes);
    OK(holog_delete(box.store, "x", NULL));
    OK(holog_delete(box.store, "y", NULL));
    for (unsigned round = 0; round < 3; round++) {
        OK(holog_ref(box.store, "one", &number));
        OK(holog_view_open_at(box.store, number, &then));
        OK(holog_view_load(then, "y", &v));
        cr_assert_eq(memcmp(holog_value_data(v), bytes, LEN), 0);
        holog_value_release(v);
        holog_view_close(then);
        garbage(100 + 10 * round);
        let_go();
        compact(round == 0 ? 0 : HOLOG_COMPACT_ALL);
        box_same_after_reopen(&box);
    }
    box_end(&box);
    free(bytes);
}

#define ROW  512u
#define ROWS (LEN / sizeof(uint16_t) / ROW)

static void save_array(const char *path, const uint16_t *data)
{
    uint64_t shape[] = { ROWS, ROW };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = shape, .chunk = shape
    };

    OK(holog_array_save(box.store, path, &spec, data, NULL, HOLOG_REPLACE, NULL));
}

static void has_array(const char *path, const uint16_t *data)
{
    const holog_slice part[2] = { { 100, 50, 1 }, { 37, 200, 1 } };
    uint16_t *got = malloc(LEN);
    holog_array *a = NULL;

    OK(holog_array_open(box.store, path, &a));
    OK(holog_array_read(a, part, got, NULL));
    for (size_t y = 0; y < 50; y++)
        cr_assert_eq(memcmp(got + y * 200, data + (y + 100) * ROW + 37, 200 * sizeof *got), 0);
    OK(holog_array_read(a, NULL, got, NULL));
    cr_assert_eq(memcmp(got, data, LEN), 0, "%s", path);
    holog_array_close(a);
    free(got);
}

static void has_preview(const char *path, uint32_t halvings, const uint16_t *want)
{
    uint16_t *got = malloc(LEN);
    holog_array *a = NULL;

    OK(holog_array_open(box.store, path, &a));
    OK(holog_array_preview(a, halvings, NULL, got, NULL));
    cr_assert_eq(memcmp(got, want, (ROWS >> halvings) * (ROW >> halvings) * sizeof *got), 0);
    holog_array_close(a);
    free(got);
}

/* Smooth: previews come from low bands, which a copy has not. */
Test(compact_same, previews_of_a_copy_are_those_of_the_other)
{
    uint16_t *data = malloc(LEN);
    uint16_t *want = malloc(LEN);

    begin_with(1.1);
    for (size_t i = 0; i < LEN / sizeof *data; i++)
        data[i] = (uint16_t)(1000 + i % ROW + i / ROW + (i * 2654435761u >> 29 & 63));
    save_array("a", data);
    move_all();
    save_array("b", data);
    move_all();
    for (uint32_t halvings = 1; halvings < 4; halvings++) {
        holog_array *a = NULL;
        OK(holog_array_open(box.store, "a", &a));
        OK(holog_array_preview(a, halvings, NULL, want, NULL));
        holog_array_close(a);
        box_reopen(&box);
        has_preview("b", halvings, want);
    }
    has_array("b", data);
    box_end(&box);
    free(data);
    free(want);
}

Test(compact_same, chunks_of_two_arrays_are_stored_once)
{
    uint16_t *data = malloc(LEN);

    begin_with(1.1);
    value_fill((uint8_t *)data, LEN, 1);
    save_array("a", data);
    move_all();
    save_array("b", data);
    move_all();
    cr_assert_gt(saved(), LEN * 3 / 4, "%llu bytes for %llu",
                 (unsigned long long)report.added_bytes, (unsigned long long)report.value_bytes);
    save_bytes("c", (const uint8_t *)data); /* they are no elements here */
    move_all();
    for (unsigned round = 0; round < 3; round++) {
        if (round == 0)
            has_array("a", data);
        has_array("b", data);
        has_bytes("c", (const uint8_t *)data);
        box_same_after_reopen(&box);
        has_array("b", data);
        if (round == 0)
            OK(holog_delete_all(box.store, "a", NULL));
        garbage(100 + 10 * round);
        let_go();
        compact(HOLOG_COMPACT_ALL);
    }
    box_end(&box);
    free(data);
}

/* With the segment of a base all are moved that are read from it: there is an end to that. */
Test(compact_same, copies_of_one_base_are_no_more_than_a_round)
{
    char name[16];
    unsigned anew = 0;

    begin_with(1.1);
    OK(save_seed(box.store, "x", LEN, 1, 0));
    move_all();
    box.store->round_bytes = 4 * LEN - 1;
    for (unsigned i = 0; i < 8; i++) {
        (void)snprintf(name, sizeof name, "y%u", i);
        OK(save_seed(box.store, name, LEN, 1, 0));
        move_all();
        cr_assert_geq(report.value_bytes, LEN);
        anew += saved() < LEN / 4;
        if (i == 5)
            box_reopen(&box);
        box.store->round_bytes = 4 * LEN - 1;
    }
    cr_assert_eq(anew, 1u);
    for (unsigned i = 0; i < 8; i++) {
        (void)snprintf(name, sizeof name, "y%u", i);
        has_seed(box.store, name, LEN, 1);
    }
    box_same_after_reopen(&box);
    box_end(&box);
}

/* One bit of x, where it is. */
static void damage(void)
{
    char dir[300];
    char name[32];
    uint8_t *bytes = malloc(LEN);
    unsigned found = 0;

    value_fill(bytes, LEN, 1);
    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    for (unsigned id = 1; id < 64; id++) {
        char path[400];
        size_t len = 0;
        uint8_t *data;
        uint8_t *at;
        (void)snprintf(name, sizeof name, "%08x.hwp", id);
        (void)snprintf(path, sizeof path, "%s/%s", dir, name);
        if (access(path, F_OK) != 0)
            continue;
        data = file_read(dir, name, &len);
        at = memmem(data, len, bytes + LEN / 2, 64);
        if (at != NULL) {
            at[5] ^= 4;
            file_write(dir, name, data, len);
            found++;
        }
        free(data);
    }
    cr_assert_eq(found, 1u);
    free(bytes);
}

Test(compact_same, a_base_that_cannot_be_read_is_none)
{
    holog_value *v = NULL;

    begin_with(1.1);
    OK(save_seed(box.store, "x", LEN, 1, 0));
    move_all();
    OK(holog_close(box.store));
    damage();
    box_open(&box);
    OK(save_seed(box.store, "y", LEN, 1, 0));
    move_all();
    cr_assert_lt(saved(), LEN / 4);
    has_seed(box.store, "y", LEN, 1);
    FAILS(HOLOG_E_CORRUPT, holog_load(box.store, "x", &v), NULL);
    box_reopen(&box);
    has_seed(box.store, "y", LEN, 1);
    box_end(&box);
}

/* ---- any history ---------------------------------------------------------------------------------*/

enum {
    PATHS = 6,
    SEEDS = 4
};

static uint64_t chance;

static unsigned pick(unsigned n)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance >> 33) % n;
}

static void all_are_there(const unsigned *now)
{
    char name[16];

    for (unsigned p = 0; p < PATHS; p++) {
        (void)snprintf(name, sizeof name, "p%u", p);
        if (now[p] != 0)
            has_seed(box.store, name, LEN / 4, now[p]);
    }
}

static void compact_somehow(void)
{
    holog_compact_report r = { .struct_size = sizeof r };

    let_go();
    switch (pick(5)) {
    case 0: compact(HOLOG_COMPACT_PURGE); break;
    case 1:
    case 2: compact(HOLOG_COMPACT_ALL); break;
    case 3: compact(0); break;
    default: cr_assert_geq(hg_compact_background(box.store, 1 + pick(1024 * KIB), &r), 0);
    }
}

/* Few values, by many paths, that come and go. */
Test(compact_same, values_moved_in_any_order_read_as_they_were, .timeout = 250)
{
    unsigned steps = test_level() == 0 ? 120 : 600;
    unsigned now[PATHS] = { 0 };
    char name[16];

    chance = test_seed();
    (void)fprintf(stderr, "seed %llu\n", (unsigned long long)chance);
    begin_with(1.1);
    for (unsigned step = 1; step <= steps; step++) {
        unsigned p = pick(PATHS);
        (void)snprintf(name, sizeof name, "p%u", p);
        switch (pick(7)) {
        case 0:
            if (now[p] != 0)
                OK(holog_delete(box.store, name, NULL));
            now[p] = 0;
            break;
        case 1:
            compact_somehow();
            all_are_there(now);
            break;
        case 2:
            (void)snprintf(name, sizeof name, "beside%u", pick(4));
            OK(save_seed(box.store, name, 300 * KIB, step + 100, HOLOG_REPLACE));
            break;
        case 3:
            if (pick(4) == 0)
                box_reopen(&box);
            break;
        default:
            now[p] = 1 + pick(SEEDS);
            OK(save_seed(box.store, name, LEN / 4, now[p], HOLOG_REPLACE));
        }
    }
    all_are_there(now);
    box_same_after_reopen(&box);
    all_are_there(now);
    box_end(&box);
}
