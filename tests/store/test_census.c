/* How what was compressed is coded: every block is counted, once, as what it is; and how long compressing it took. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bench/codec/fields.h"
#include "base/byteorder.h"
#include "engine/store_internal.h"
#include "holog/array.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"

#define KIB   ((size_t)1024)
#define SIDE  512u
#define TILES (SIDE / 256 * SIDE / 256) /* of an image: 256 x 256 elements each */
#define ROWS  64u

static struct box box;
static char cold[32]; /* the newest .hwp, as file_read takes it */

/* ---- what is in the store ------------------------------------------------------------------------*/

static void save_image(const char *path, const uint16_t *elements)
{
    uint64_t shape[] = { SIDE, SIDE };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = shape, .chunk = shape
    };

    OK(holog_array_save(box.store, path, &spec, elements, NULL, HOLOG_REPLACE, NULL));
}

static void save_images(void)
{
    static const struct light light = { 60, 4000, 0.9 };
    uint16_t *flat = malloc((size_t)SIDE * SIDE * 2);
    struct field f;

    cr_assert_eq(field_make(&f, SIDE, &light, 96), 0);
    save_image("cells", f.image);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        flat[i] = 1000;
    save_image("flat", flat);
    free(flat);
    field_free(&f);
}

static void save_notes(unsigned generation)
{
    char path[32];
    char text[300];

    holog_txn *txn = NULL;

    for (unsigned i = 0; i < 400; i++) {
        if (i % 100 == 0)
            OK(holog_begin(box.store, &txn));
        (void)snprintf(path, sizeof path, "notes/%u", i);
        (void)snprintf(text, sizeof text,
                       "{\"well\": \"B%u\", \"channel\": \"DAPI\", \"x\": %u.5, \"y\": %u.25, "
                       "\"exposure_ms\": %u, \"note\": \"nothing to be seen\"}",
                       i % 12, i * 7, i * 13, generation + i % 50);
        OK(holog_txn_save(txn, path, text, strlen(text), HOLOG_REPLACE | HOLOG_PARENTS));
        if (i % 100 == 99)
            OK(holog_commit(txn, NULL));
    }
}

static holog_compact_report compact_as(unsigned flags)
{
    const holog_compact_options o = { .struct_size = sizeof o,
                                      .flags = (uint32_t)HOLOG_COMPACT_ALL | flags };
    holog_compact_report r = { .struct_size = sizeof r };

    OK(holog_gc(box.store, 1, 0, 0, NULL));
    OK(holog_compact(box.store, &o, &r));
    return r;
}

static void compact(void)
{
    (void)compact_as(0);
}

static void begin_empty(void)
{
    box_make(&box);
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 1024 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1;
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
}

static void begin_saved(void)
{
    begin_empty();
    save_images();
    OK(save_seed(box.store, "once", 300 * KIB, 5, 0));
    OK(save_seed(box.store, "again", 300 * KIB, 5, 0)); /* the same bytes */
    OK(save_seed(box.store, "last", 900 * KIB, 6, 0));  /* what is written to is not compacted */
    for (unsigned g = 0; g < 3; g++)
        save_notes(g);
}

static void begin(void)
{
    begin_saved();
    compact();
}

/* ---- what is said of it --------------------------------------------------------------------------*/

struct said {
    holog_codec_report report;
    holog_codec_row row[ROWS];
    size_t rows;
    unsigned damages;
    char file[64];
    uint64_t offset;
};

static int take_row(void *ctx, const holog_codec_row *row)
{
    struct said *s = ctx;

    cr_assert_lt(s->rows, ROWS);
    cr_assert(row->blocks > 0 && row->stored_bytes > 0 && row->raw_bytes > 0);
    cr_assert_leq(row->differences, row->blocks);
    cr_assert_eq(row->filter_name[0] == 0, row->state != HOLOG_CODEC_KNOWN);
    cr_assert_eq(row->codec_name[0] == 0, row->state != HOLOG_CODEC_KNOWN);
    s->row[s->rows++] = *row;
    return 0;
}

static int take_damage(void *ctx, const holog_damage *d)
{
    struct said *s = ctx;

    cr_assert_eq(s->rows, 0u, "damage is told of first");
    s->damages++;
    s->offset = d->offset;
    (void)snprintf(s->file, sizeof s->file, "%s", d->file);
    cr_assert_not_null(d->message);
    return 0;
}

/* Whatever there is, rows add up to what the footers of the segments say. */
static void adds_up(holog_store *store, const struct said *s)
{
    holog_codec_row sum = { 0 };
    struct hg_cold_sizes sizes;

    for (size_t i = 0; i < s->rows; i++) {
        sum.blocks += s->row[i].blocks;
        sum.differences += s->row[i].differences;
        sum.raw_bytes += s->row[i].raw_bytes;
        sum.stored_bytes += s->row[i].stored_bytes;
    }
    cr_assert_eq(sum.blocks, s->report.blocks);
    cr_assert_eq(sum.differences, s->report.differences);
    cr_assert_eq(sum.raw_bytes, s->report.raw_bytes);
    cr_assert_eq(sum.stored_bytes, s->report.stored_bytes);
    hg_cold_sizes(store->cold, &sizes);
    cr_assert_eq(s->report.raw_bytes + s->report.same_bytes, sizes.raw);
    cr_assert_eq(s->report.stored_bytes, sizes.stored);
    cr_assert_eq(s->damages, s->report.damages);
}

static void ask(holog_store *store, int code, struct said *out)
{
    *out = (struct said){ .report = { .struct_size = sizeof out->report } };
    int rc = holog_codec_stats(store, take_row, take_damage, out, &out->report);
    cr_assert_eq(rc, code, "%d", rc);
    adds_up(store, out);
}

/* The row of that; one of no blocks: there is none. */
static holog_codec_row find(const struct said *s, uint32_t pools, const char *filter,
                            const char *codec)
{
    for (size_t i = 0; i < s->rows; i++) {
        const holog_codec_row *r = &s->row[i];
        if (r->state == HOLOG_CODEC_KNOWN && r->pools == pools &&
            strcmp(r->filter_name, filter) == 0 && strcmp(r->codec_name, codec) == 0)
            return *r;
    }
    return (holog_codec_row){ 0 };
}

static holog_codec_row find_state(const struct said *s, uint32_t pools, uint32_t state)
{
    for (size_t i = 0; i < s->rows; i++)
        if (s->row[i].state == state && s->row[i].pools == pools)
            return s->row[i];
    return (holog_codec_row){ 0 };
}

/* Of blocks of values whose filter makes elements smaller numbers. */
static uint64_t predicted(const struct said *s)
{
    uint64_t blocks = 0;

    for (size_t i = 0; i < s->rows; i++)
        if (s->row[i].pools == 0 && s->row[i].filter >= 3)
            blocks += s->row[i].blocks;
    return blocks;
}

static void is_same(const struct said *a, const struct said *b)
{
    cr_assert_eq(a->rows, b->rows);
    cr_assert_eq(memcmp(a->row, b->row, a->rows * sizeof a->row[0]), 0);
    cr_assert_eq(memcmp(&a->report, &b->report, sizeof a->report), 0);
}

/* ---- files ---------------------------------------------------------------------------------------*/

static void find_cold(void)
{
    char dir[300];
    const struct dirent *e;

    cold[0] = 0;
    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".hwp") != NULL && strncmp(e->d_name, cold + 4, 8) > 0)
            (void)snprintf(cold, sizeof cold, "seg/%.20s", e->d_name);
    (void)closedir(d);
    cr_assert_neq(cold[0], 0);
}

static void flip(size_t at)
{
    size_t len = 0;
    uint8_t *data = file_read(box.dir, cold, &len);

    cr_assert_lt(at, len);
    data[at] ^= 1;
    file_write(box.dir, cold, data, len);
    free(data);
}

/* A field of the first group in the groups' table. */
static uint32_t first_group(size_t at)
{
    size_t len = 0;
    uint8_t *data = file_read(box.dir, cold, &len);
    uint32_t field;

    cr_assert_not_null(data);
    field = hg_get_le32(data + hg_get_le64(data + len - 4096 + 88) + at);
    free(data);
    return field;
}

/* ---- tests ---------------------------------------------------------------------------------------*/

Test(census, blocks_are_what_the_data_makes_them)
{
    struct said s;

    begin();
    ask(box.store, HOLOG_OK, &s);
    cr_assert_geq(s.report.segments, 1u);
    holog_codec_row flat = find(&s, 0, "none", "const");
    cr_assert_eq(flat.blocks, TILES);
    cr_assert_eq(flat.raw_bytes, (uint64_t)SIDE * SIDE * 2);
    cr_assert_lt(flat.stored_bytes, TILES * 100u);
    cr_assert_eq(predicted(&s), TILES, "the image of cells");
    holog_codec_row notes = find(&s, 1, "none", "zstd");
    cr_assert_geq(notes.blocks, 1u);
    cr_assert_gt(notes.raw_bytes, 4 * notes.stored_bytes);
    cr_assert_eq(s.report.same_values, 1u);
    cr_assert_eq(s.report.same_bytes, 300 * KIB);
    cr_assert_gt(find(&s, 0, "none", "raw").blocks + find(&s, 0, "none", "zstd").blocks, 0u);
    box_end(&box);
}

Test(census, is_the_same_after_a_reopen_and_from_a_reader)
{
    holog_options o = { .struct_size = sizeof o, .flags = HOLOG_OPEN_READONLY };
    holog_store *reader = NULL;
    struct said before;
    struct said after;

    begin();
    ask(box.store, HOLOG_OK, &before);
    box_same_after_reopen(&box);
    ask(box.store, HOLOG_OK, &after);
    is_same(&before, &after);
    OK(holog_open(box.dir, &o, &reader));
    ask(reader, HOLOG_OK, &after);
    is_same(&before, &after);
    OK(holog_close(reader));
    box_end(&box);
}

Test(census, a_store_without_compressed_segments_has_no_rows)
{
    struct said s;

    begin_empty();
    OK(save_seed(box.store, "v", 300 * KIB, 1, 0));
    ask(box.store, HOLOG_OK, &s);
    cr_assert(s.rows == 0 && s.report.segments == 0 && s.report.read_bytes == 0);
    OK(holog_codec_stats(box.store, NULL, NULL, NULL, NULL));
    box_end(&box);
}

static int stop(void *ctx, const holog_codec_row *row)
{
    (void)row;
    return ++*(unsigned *)ctx == 2;
}

static int stop_at_damage(void *ctx, const holog_damage *d)
{
    (void)d;
    return ++*(unsigned *)ctx == 1;
}

Test(census, is_of_a_store_with_structs_of_a_size_and_can_be_stopped)
{
    holog_codec_report none = { 0 };
    unsigned calls = 0;

    begin();
    FAILS(HOLOG_E_INVAL, holog_codec_stats(NULL, NULL, NULL, NULL, NULL), NULL);
    FAILS(HOLOG_E_INVAL, holog_codec_stats(box.store, NULL, NULL, NULL, &none), "struct_size");
    FAILS(HOLOG_E_CANCELED, holog_codec_stats(box.store, stop, NULL, &calls, NULL), NULL);
    cr_assert_eq(calls, 2u);
    find_cold();
    flip(4096); /* the first group's heads */
    calls = 0;
    FAILS(HOLOG_E_CANCELED, holog_codec_stats(box.store, NULL, stop_at_damage, &calls, NULL), NULL);
    cr_assert_eq(calls, 1u);
    flip(4096);
    box_end(&box);
}

/* A caller of today's library, built with a smaller struct. */
Test(census, fills_in_as_much_as_the_caller_knows)
{
    holog_codec_report r = { .struct_size = offsetof(holog_codec_report, raw_bytes),
                             .raw_bytes = 77 };

    begin();
    OK(holog_codec_stats(box.store, NULL, NULL, NULL, &r));
    cr_assert(r.blocks > 0 && r.raw_bytes == 77);
    cr_assert_eq(r.struct_size, offsetof(holog_codec_report, raw_bytes));
    box_end(&box);
}

Test(census, damaged_heads_are_told_of_and_all_others_counted)
{
    struct said sound;
    struct said s;

    begin();
    ask(box.store, HOLOG_OK, &sound);
    find_cold();
    flip(4096 + 20); /* the first head */
    ask(box.store, HOLOG_E_CORRUPT, &s);
    cr_assert_eq(s.damages, 1u);
    cr_assert_str_eq(s.file, cold);
    cr_assert_eq(s.offset, 4096u);
    cr_assert_eq(find_state(&s, 0, HOLOG_CODEC_UNREADABLE).blocks, first_group(28),
                 "as many as the group has");
    cr_assert_eq(s.report.blocks, sound.report.blocks);
    cr_assert_eq(s.report.raw_bytes, sound.report.raw_bytes);
    FAILS(HOLOG_E_CORRUPT, holog_codec_stats(box.store, NULL, NULL, NULL, NULL), "damaged");
    flip(4096 + 20);
    ask(box.store, HOLOG_OK, &s);
    box_end(&box);
}

/* Behind the heads of the first group: its parts, and nobody looks there. */
Test(census, parts_are_not_read)
{
    struct said s;
    begin();
    find_cold();
    size_t parts = (size_t)4096 + first_group(24);
    flip(parts);
    ask(box.store, HOLOG_OK, &s);
    cr_assert_lt(s.report.read_bytes, s.report.stored_bytes / 2);
    FAILS(HOLOG_E_CORRUPT, holog_scrub(box.store, NULL, NULL, NULL, NULL), NULL);
    flip(parts);
    box_end(&box);
}

static void *ask_again_and_again(void *arg)
{
    uint32_t *stop_it = arg;
    unsigned n = 0;

    do {
        struct said s = { .report = { .struct_size = sizeof s.report } };
        OK(holog_codec_stats(box.store, take_row, take_damage, &s, &s.report));
        cr_assert_eq(s.damages, 0u);
        n++;
    } while (__atomic_load_n(stop_it, __ATOMIC_ACQUIRE) == 0);
    cr_assert_gt(n, 0u);
    return NULL;
}

Test(census, goes_on_beside_commits_and_compactions)
{
    pthread_t thread;
    uint32_t stop_it = 0;
    struct said s;

    begin();
    cr_assert_eq(pthread_create(&thread, NULL, ask_again_and_again, &stop_it), 0);
    for (unsigned g = 5; g < 10; g++) {
        save_notes(g);
        OK(save_seed(box.store, "once", 300 * KIB, g, HOLOG_REPLACE));
        compact();
    }
    __atomic_store_n(&stop_it, 1, __ATOMIC_RELEASE);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    ask(box.store, HOLOG_OK, &s);
    box_same_after_reopen(&box);
    box_end(&box);
}

static holog_stats stats(void)
{
    holog_stats st = { .struct_size = sizeof st };

    OK(holog_stats_get(box.store, &st));
    return st;
}

Test(census, statistics_say_what_compactions_moved_and_how_long_that_took)
{
    begin_saved();
    cr_assert_gt(compact_as(HOLOG_COMPACT_DRY_RUN).value_bytes, 0u);
    holog_stats st = stats();
    cr_assert_eq(st.compactions_forced, 1u);
    cr_assert_eq(st.compaction_forced_bytes + st.compaction_record_bytes, 0u, "nothing was moved");
    cr_assert_eq(st.compaction_written_bytes + st.compaction_time_ns, 0u);
    holog_compact_report r = compact_as(0);
    st = stats();
    cr_assert(r.value_bytes > 0 && r.record_bytes > 0);
    cr_assert_eq(st.compactions_forced, 2u);
    cr_assert_eq(st.compaction_forced_bytes, r.value_bytes);
    cr_assert_eq(st.compaction_record_bytes, r.record_bytes);
    cr_assert_eq(st.compaction_written_bytes, r.added_bytes);
    cr_assert_gt(st.compaction_time_ns, 0u);
    uint64_t time_ns = st.compaction_time_ns;
    cr_assert_eq(compact_as(0).segments_removed, 0u, "nothing is left to do");
    cr_assert_eq(stats().compaction_time_ns, time_ns);
    box_same_after_reopen(&box);
    st = stats();
    cr_assert_eq(st.compaction_time_ns + st.compaction_written_bytes, 0u, "since open");
    box_end(&box);
}
