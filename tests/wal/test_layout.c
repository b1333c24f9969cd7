/*
 * Names of segment files, and the little helpers of the decoders.
 */
#include "wal/layout.h"
#include "waltest.h"

static int parse(const char *name, uint32_t *id, enum hg_segment_kind *kind)
{
    *id = 77;
    *kind = HG_KIND_BASE;
    int rc = hg_segment_parse_name(name, id, kind);
    if (rc != 1) {
        cr_assert_eq(*id, 77u, "%s: the id was touched", name);
        cr_assert_eq(*kind, HG_KIND_BASE, "%s: the kind was touched", name);
    }
    return rc;
}

Test(layout, names_are_eight_lower_case_hex_digits)
{
    char name[HG_FILE_NAME_MAX];
    hg_segment_name(name, 10, HG_KIND_FRAMES);
    cr_assert_str_eq(name, "seg/0000000a.hlog");
    hg_segment_name(name, 0xdeadbeef, HG_KIND_EXTENTS);
    cr_assert_str_eq(name, "seg/deadbeef.hext");
    hg_segment_name(name, 1, HG_KIND_HWP);
    cr_assert_str_eq(name, "seg/00000001.hwp");
    hg_segment_name(name, 1, HG_KIND_BASE);
    cr_assert_str_eq(name, "seg/00000001.base");
    hg_segment_tmp_name(name, UINT32_MAX);
    cr_assert_str_eq(name, "seg/ffffffff.tmp");
}

Test(layout, every_name_parses_back)
{
    const enum hg_segment_kind kinds[] = { HG_KIND_FRAMES, HG_KIND_EXTENTS, HG_KIND_HWP,
                                           HG_KIND_BASE };
    struct rng r = rng_begin("every_name_parses_back");
    for (int i = 0; i < 1000; i++) {
        char name[HG_FILE_NAME_MAX];
        uint32_t id = (uint32_t)(rng_any(&r) | 1);
        uint32_t got_id;
        enum hg_segment_kind got;
        hg_segment_name(name, id, kinds[i % 3]);
        cr_assert_eq(parse(name + strlen(HG_SEG_DIR "/"), &got_id, &got), 1, "%s", name);
        cr_assert_eq(got_id, id);
        cr_assert_eq(got, kinds[i % 3]);
    }
}

Test(layout, tmp_files_are_told)
{
    uint32_t id;
    enum hg_segment_kind kind;
    cr_assert_eq(parse("0000000a.tmp", &id, &kind), 2);
    cr_assert_eq(parse("anything.tmp", &id, &kind), 2);
    cr_assert_eq(parse(".tmp", &id, &kind), 2);
}

Test(layout, other_names_are_no_segments)
{
    static const char *const names[] = {
        "",
        "a",
        "0000000a",
        "0000000a.",
        "0000000a.hlo",
        "0000000A.hlog",
        "000000a.hlog",
        "00000000a.hlog",
        "0000000g.hlog",
        "00000000.hlog",
        "0000000a.hlog~",
        "0000000a.HLOG",
        " 000000a.hlog",
        "0000000a.hlogx",
        "tmp",
        "-000000a.hext",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t id;
        enum hg_segment_kind kind;
        cr_assert_eq(parse(names[i], &id, &kind), 0, "\"%s\" passed", names[i]);
    }
}

Test(layout, positions_order_the_log)
{
    hg_pos p = hg_pos_make(0xabcd, 0x1234);
    cr_assert_eq(hg_pos_segment(p), 0xabcdu);
    cr_assert_eq(hg_pos_offset(p), 0x1234u);
    cr_assert_lt(hg_pos_make(1, UINT32_MAX), hg_pos_make(2, 0));
}

Test(layout, one_set_bit_anywhere_is_not_zero)
{
    for (size_t len = 0; len < 40; len++) {
        uint8_t bytes[40] = { 0 };
        cr_assert_eq(hg_layout_zero(bytes, len), 1);
        for (size_t i = 0; i < len * 8; i++) {
            bytes[i / 8] = (uint8_t)(1u << i % 8);
            cr_assert_eq(hg_layout_zero(bytes, len), 0, "bit %zu of %zu bytes", i, len);
            bytes[i / 8] = 0;
        }
    }
}
