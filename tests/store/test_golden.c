/*
 * A store that holog 0.1.0 wrote before its history could be read (golden_v1/make.sh says how): it
 * opens, its history is there as far as its log goes, and from the first word of that on its files
 * say that older versions must not read them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/store_internal.h"
#include "holog/compact.h"
#include "holog/versions.h"
#include "storekit.h"
#include "wal/segment.h"
#include "wal/super.h"

static struct box box;

static void copy_file(const char *name)
{
    size_t len = 0;
    void *data = file_read(GOLDEN_STORE, name, &len);

    file_write(box.dir, name, data, len);
    free(data);
}

static void setup(void)
{
    static const char *const names[] = { "SUPER", "seg/00000001.hlog", "seg/00000002.hext",
                                         "seg/00000003.hlog" };
    char path[512];

    box_make(&box);
    (void)snprintf(path, sizeof path, "%s/seg", box.dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        copy_file(names[i]);
    box_open(&box);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
}

TestSuite(golden, .init = setup, .fini = teardown, .timeout = 60);

/* Everything there is, but the fillers' bytes: "path=text " or "path/ " or "path@ ". */
static void is_as(uint64_t number, const char *want)
{
    char got[500] = "";
    holog_view *view = NULL;
    holog_cursor *c = NULL;
    const holog_entry *e;

    OK(holog_view_open_at(box.store, number, &view));
    OK(holog_view_list(view, "/", HOLOG_LIST_RECURSIVE, NULL, NULL, &c));
    while (holog_cursor_next(c, &e) == HOLOG_OK) {
        size_t n = strlen(got);
        holog_value *v = NULL;
        if (e->type != HOLOG_BLOB) {
            (void)snprintf(got + n, sizeof got - n, "%s%c ", e->path,
                           e->type == HOLOG_DIRECTORY ? '/' : '@');
            continue;
        }
        OK(holog_view_load(view, e->path, &v));
        (void)snprintf(got + n, sizeof got - n, "%s=%.*s ", e->path,
                       (int)(holog_value_size(v) < 9 ? holog_value_size(v) : 9),
                       (const char *)holog_value_data(v));
        holog_value_release(v);
    }
    cr_assert_str_eq(got, want, "as of %llu", (unsigned long long)number);
    holog_cursor_close(c);
    holog_view_close(view);
}

static void has_its_history(void)
{
    is_as(0, "");
    is_as(1, "a=one ");
    is_as(2, "a=one d/ d/x=first ");
    is_as(3, "a=one d/ d/x=first d/y=second ");
    is_as(5, "a=two d/ d/x=first d/y=second link@ ");
    is_as(6, "a=two d/ d/x=first d/y=second large=012345678 link@ ");
    is_as(26, "a=two d/ d/x=first d/y=second filler=20 ...... large=012345678 link@ ");
    is_as(28, "a=two e/ e/x=third e/y=second filler=20 ...... large=012345678 link@ ");
    is_as(29, "a=two e/ e/x=third e/y=second f/ f/x=third f/y=second filler=20 ...... "
              "large=012345678 link@ ");
    is_as(31, "a=three f/ f/x=third f/y=second filler=20 ...... large=012345678 link@ ");
}

static uint64_t features_of_segment(unsigned id)
{
    struct hg_segment_header h;
    char name[64];
    size_t len = 0;
    void *data;

    (void)snprintf(name, sizeof name, "seg/%08x.hlog", id);
    data = file_read(box.dir, name, &len);
    OK(hg_segment_header_decode(data, id, HG_KIND_FRAMES, &h));
    free(data);
    return h.feat_incompat;
}

static uint64_t features_of_super(void)
{
    struct hg_super super;
    struct hg_super_slots slots;
    struct hg_io *io = box.store->io;

    OK(hg_super_read(io, &super, &slots));
    return super.feat_incompat;
}

Test(golden, an_old_store_has_its_history_and_reading_it_declares_nothing)
{
    has_its_history();
    OK(holog_save(box.store, "new", "1", 1, 0, NULL));
    box_reopen(&box);
    has_its_history();
    cr_assert_eq(features_of_segment(3), 0);
    cr_assert_eq(features_of_super(), 0);
}

Test(golden, what_an_old_version_cannot_read_is_declared_before_it_is_written)
{
    uint64_t number = 0;

    OK(holog_rollback(box.store, "/", 5, &number));
    cr_assert_eq(number, 32);
    is_as(32, "a=two d/ d/x=first d/y=second link@ ");
    OK(holog_rollback(box.store, "/", 31, &number));
    OK(holog_tag(box.store, "before", 29, 0));
    box_reopen(&box);
    has_its_history();
    is_as(33, "a=three f/ f/x=third f/y=second filler=20 ...... large=012345678 link@ ");
    OK(holog_ref(box.store, "before", &number));
    cr_assert_eq(number, 29);
    cr_assert_eq(features_of_segment(1), 0);
    cr_assert_eq(features_of_segment(3), 0);
    cr_assert_eq(features_of_segment(4), HG_FEATURE_VERSIONS);
    cr_assert_eq(features_of_super(), HG_FEATURE_VERSIONS);
}

Test(golden, a_reader_has_the_history_too)
{
    OK(holog_close(box.store));
    box.opts.flags |= HOLOG_OPEN_READONLY;
    box_open(&box);
    has_its_history();
}

Test(golden, an_old_store_is_compacted_and_has_its_history)
{
    const holog_compact_options all = { .struct_size = sizeof all, .flags = HOLOG_COMPACT_ALL };
    holog_compact_report r = { .struct_size = sizeof r };
    unsigned gone = 0;

    OK(holog_config(box.store, "retention.bytes", "100000000", NULL, 0)); /* 100 commits are kept */
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 40; i++)
            OK(save_seed(box.store, "other", 900, i, HOLOG_REPLACE));
        OK(holog_compact(box.store, &all, &r));
        gone += (unsigned)r.segments_removed;
        has_its_history();
        box_reopen(&box);
        has_its_history();
    }
    cr_assert_geq(gone, 3u, "the segments that the old version wrote");
}
