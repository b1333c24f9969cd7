/*
 * Records, paths, pieces and block tables.
 */
#include "base/node.h"
#include "engine/pathkey.h"
#include "wal/record.h"
#include "wal/recover_internal.h"
#include "waltest.h"

/* ---- paths ---------------------------------------------------------------------------------- */

#define VALID(path)   cr_assert_eq(hg_rec_path_valid((path), sizeof(path) - 1), 1, "%s", (path))
#define INVALID(path) cr_assert_eq(hg_rec_path_valid((path), sizeof(path) - 1), 0, "%s", (path))

Test(path, canonical_ones_pass)
{
    VALID("a");
    VALID("a/b");
    VALID("plates/p1/A01/z0");
    VALID("...");
    VALID(".a");
    VALID("..a/b..");
    VALID("a b\tc\n");
    VALID("1234567");
    VALID("12345678");
    VALID("1234567/8");
    VALID("12345678/9");
    VALID("caf\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x98\x80");
}

Test(path, empty_components_fail)
{
    INVALID("");
    INVALID("/");
    INVALID("/a");
    INVALID("a/");
    INVALID("a//b");
    INVALID("1234567/");
    INVALID("12345678//1");
}

Test(path, dot_components_fail)
{
    INVALID(".");
    INVALID("..");
    INVALID("./a");
    INVALID("a/.");
    INVALID("a/..");
    INVALID("a/../b");
    INVALID("1234567/./b");
}

Test(path, nul_fails_wherever_it_stands)
{
    char path[40];
    for (size_t len = 1; len <= sizeof path; len++) {
        memset(path, 'x', sizeof path);
        cr_assert_eq(hg_rec_path_valid(path, len), 1);
        for (size_t i = 0; i < len; i++) {
            path[i] = 0;
            cr_assert_eq(hg_rec_path_valid(path, len), 0);
            path[i] = 'x';
        }
    }
}

Test(path, bad_utf8_fails)
{
    INVALID("\x80");
    INVALID("a\xff");
    INVALID("\xc3");
    INVALID("\xc0\x80"); /* a longer form of NUL */
    INVALID("\xc1\xbf");
    INVALID("\xe0\x9f\xbf"); /* a longer form */
    INVALID("\xed\xa0\x80"); /* a surrogate */
    INVALID("\xf0\x8f\xbf\xbf");
    INVALID("\xf4\x90\x80\x80"); /* above U+10FFFF */
    INVALID("\xf5\x80\x80\x80");
    INVALID("\xe2\x82/\xac");
    INVALID("12345678\xe2\x82");
    VALID("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\xe0\xa0\x80\xc2\x80");
}

Test(path, the_last_component_may_be_a_document_or_a_chunk)
{
    static const char chunk[] = "a/b/\xff\x80\x81\xff\x87\x81\x80\x80\x80\x80\x80\xff";

    VALID("\xfe\x81");
    VALID("a/\xfe\x81");
    VALID("caf\xc3\xa9/\xfe\x82");
    VALID("a/\xff");
    VALID("a/\xff\x80\x80");
    cr_assert_eq(hg_rec_path_valid(chunk, sizeof chunk - 1), 1);
    for (size_t len = sizeof chunk - 2; len > sizeof chunk - 9; len--)
        cr_assert_eq(hg_rec_path_valid(chunk, len), 0, "cut to %zu", len);
    cr_assert_eq(hg_node_ends(chunk, sizeof chunk - 1), 1);
    cr_assert_eq(hg_node_ends("a/b", 3), 0);
    cr_assert_eq(hg_node_ends("", 0), 0);
    INVALID("\xfe");
    INVALID("a/\xfe\x80");
    INVALID("a/\xfe\x83");
    INVALID("a/\xfe\x81\x81");
    INVALID("a/\xfe\x81/b"); /* nothing is below it */
    INVALID("\xff\x80/b");
    INVALID("\xfd\x81");
    INVALID("\xc3/\xff\x80");  /* what it is in has a name */
    INVALID("a/\xff\x81\x80"); /* a leading 0 */
    INVALID("a/\xff\x81\x7f"); /* no digit */
    INVALID("a/\xff\x7f");
    INVALID("a/\xff\x88\x81\x80\x80\x80\x80\x80\x80\x80");
}

Test(path, only_a_value_is_a_document_or_a_chunk_and_only_where_that_is_declared)
{
    static const uint8_t values[] = { HG_REC_BLOB, HG_REC_LARGE, HG_REC_DELTA, HG_REC_DELETE };
    static const uint8_t others[] = { HG_REC_DIR,  HG_REC_SYMLINK, HG_REC_DELETE_TREE,
                                      HG_REC_MOVE, HG_REC_COPY,    HG_REC_ROLLBACK };
    struct hg_record r = { .path = "a/\xff\x80", .path_len = 4 };

    for (size_t i = 0; i < sizeof values; i++) {
        r.type = values[i];
        cr_assert_eq(hg_rec_check_declared(&r, HG_FEATURE_ARRAYS | HG_FEATURE_VERSIONS), HOLOG_OK);
        cr_assert_eq(hg_rec_check_declared(&r, HG_FEATURE_VERSIONS), HOLOG_E_CORRUPT);
    }
    for (size_t i = 0; i < sizeof others; i++) {
        r.type = others[i];
        cr_assert_eq(hg_rec_check_declared(&r, HG_FEATURES_KNOWN), HOLOG_E_CORRUPT, "type %u",
                     r.type);
    }
    r = (struct hg_record){
        .type = HG_REC_MOVE, .path = "a", .path_len = 1, .to = "\xfe\x81", .to_len = 2
    };
    cr_assert_eq(hg_rec_check_declared(&r, HG_FEATURES_KNOWN), HOLOG_E_CORRUPT);
    r.to = "b";
    r.to_len = 1;
    cr_assert_eq(hg_rec_check_declared(&r, 0), HOLOG_OK);
}

Test(path, a_chunk_has_at_most_32_coordinates)
{
    char path[40] = "\xff";

    memset(path + 1, 0x80, sizeof path - 1);
    cr_assert_eq(hg_rec_path_valid(path, 33), 1);
    cr_assert_eq(hg_rec_path_valid(path, 34), 0);
}

Test(path, limits_are_255_64_and_4096)
{
    char path[5000];
    memset(path, 'n', sizeof path);
    cr_assert_eq(hg_rec_path_valid(path, 255), 1);
    cr_assert_eq(hg_rec_path_valid(path, 256), 0);
    for (size_t i = 1; i < sizeof path; i += 2)
        path[i] = '/';
    cr_assert_eq(hg_rec_path_valid(path, 127), 1, "64 components");
    cr_assert_eq(hg_rec_path_valid(path, 129), 0, "65 components");
    memset(path, 'n', sizeof path);
    for (size_t i = 200; i < sizeof path; i += 201)
        path[i] = '/';
    cr_assert_eq(hg_rec_path_valid(path, 4096), 1);
    cr_assert_eq(hg_rec_path_valid(path, 4097), 0);
}

/* The plain way, a byte at a time. */
static int path_valid_plainly(const char *p, size_t len)
{
    size_t start = 0;
    int depth = 0;
    if (len == 0 || len > 4096 || memchr(p, 0, len) != NULL || !hg_rec_utf8_valid(p, len))
        return 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && p[i] != '/')
            continue;
        size_t n = i - start;
        if (n == 0 || n > 255 || ++depth > 64 || (n == 1 && p[start] == '.') ||
            (n == 2 && p[start] == '.' && p[start + 1] == '.'))
            return 0;
        start = i + 1;
    }
    return 1;
}

Test(path, eight_bytes_at_a_time_is_what_one_is)
{
    static const char letters[] = "ab./\0\xc3\xa9.//.x";
    struct rng r = rng_begin("eight_bytes_at_a_time_is_what_one_is");
    int good = 0;
    for (int i = 0; i < rounds(300000); i++) {
        size_t len = rng_below(&r, 40);
        char path[40];
        for (size_t j = 0; j < len; j++)
            path[j] = letters[rng_below(&r, rng_below(&r, 4) == 0 ? sizeof letters - 1 : 4)];
        int want = path_valid_plainly(path, len);
        good += want;
        cr_assert_eq(hg_rec_path_valid(path, len), want, "seed %llu, round %d",
                     (unsigned long long)r.seed, i);
    }
    cr_assert_gt(good, 0);
}

Test(path, what_the_engine_makes_canonical_is_valid_here_and_nothing_else)
{
    static const char letters[] = "ab./\0\xc3\xa9.//.x";
    struct rng r = rng_begin("what_the_engine_makes_canonical_is_valid_here");
    for (int i = 0; i < rounds(200000); i++) {
        size_t len = 1 + rng_below(&r, 39);
        char path[40];
        char canonical[HG_PATH_MAX + 1];
        size_t canonical_len = 0;
        for (size_t j = 0; j < len; j++)
            path[j] = letters[rng_below(&r, rng_below(&r, 4) == 0 ? sizeof letters - 1 : 4)];
        int rc = hg_path_canonical(path, len, canonical, &canonical_len);
        int fixed = rc == HOLOG_OK && canonical_len == len && memcmp(path, canonical, len) == 0;
        cr_assert_eq(hg_rec_path_valid(path, len), fixed, "seed %llu, round %d",
                     (unsigned long long)r.seed, i);
        if (rc == HOLOG_OK && canonical_len > 0)
            cr_assert_eq(hg_rec_path_valid(canonical, canonical_len), 1);
    }
}

/* ---- one record at a time ------------------------------------------------------------------------- */

struct one {
    struct hg_buf body;
    size_t at;
    struct hg_record r;
};

static struct one one_begin(void)
{
    struct one o = { 0 };
    cr_assert_eq(hg_body_begin(&o.body, 1, NULL, 0), HOLOG_OK);
    return o;
}

static void one_decode(struct one *o, int rc)
{
    size_t back = 0;
    size_t whole = 0;
    struct hg_record again;
    cr_assert_eq(rc, HOLOG_OK);
    cr_assert_eq(o->at, 9u);
    cr_assert_eq(hg_rec_decode(o->body.data + o->at, o->body.len - o->at, o->at, &o->r), HOLOG_OK);
    cr_assert_eq(o->r.whole_len, o->body.len - o->at);
    cr_assert_eq(hg_rec_decode_at(o->body.data + o->at, o->body.len - o->at, &back, &again), 0);
    cr_assert_eq(back, o->at);
    cr_assert_eq(again.type, o->r.type);
    cr_assert_eq(again.path, o->r.path);
    cr_assert_eq(again.whole_len, o->r.whole_len);
    cr_assert_eq(hg_rec_peek(o->body.data + o->at, HG_MIN(o->r.whole_len, 21u), &whole), HOLOG_OK);
    cr_assert_eq(whole, o->r.whole_len);
    cr_assert_neq(hg_rec_decode(o->body.data + o->at, o->body.len - o->at, o->at + 1, &again), 0);
}

#define SAME(got, got_len, want)                                         \
    do {                                                                 \
        cr_assert_eq((got_len), sizeof(want) - 1);                       \
        cr_assert_arr_eq((const char *)(got), (want), sizeof(want) - 1); \
    } while (0)

Test(record, blob_round_trip)
{
    struct one o = one_begin();
    one_decode(&o,
               hg_rec_blob(&o.body, "a/b", 3, "value", 5, UINT64_C(0x1122334455667788), 95, &o.at));
    cr_assert_eq(o.r.type, HG_REC_BLOB);
    SAME(o.r.path, o.r.path_len, "a/b");
    SAME(o.r.value, o.r.value_len, "value");
    cr_assert_eq(o.r.csum, 95u);
    cr_assert_eq(o.r.hash.lo, UINT64_C(0x1122334455667788));
    cr_assert_eq(o.r.check, 0x667788u);
    hg_buf_release(&o.body);
}

Test(record, empty_blob_round_trip)
{
    struct one o = one_begin();
    one_decode(&o, hg_rec_blob(&o.body, "a", 1, NULL, 0, hg_hash64("", 0), 0, &o.at));
    cr_assert_eq(o.r.value_len, 0u);
    hg_buf_release(&o.body);
}

Test(record, directory_round_trip)
{
    struct one o = one_begin();
    one_decode(&o, hg_rec_dir(&o.body, "a/b", 3, &o.at));
    cr_assert_eq(o.r.type, HG_REC_DIR);
    SAME(o.r.path, o.r.path_len, "a/b");
    hg_buf_release(&o.body);
}

Test(record, symlink_round_trip)
{
    struct one o = one_begin();
    one_decode(&o, hg_rec_symlink(&o.body, "l", 1, "../there", 8, &o.at));
    cr_assert_eq(o.r.type, HG_REC_SYMLINK);
    SAME(o.r.path, o.r.path_len, "l");
    SAME(o.r.value, o.r.value_len, "../there");
    cr_assert_eq(o.r.hash.lo, hg_hash64("../there", 8));
    cr_assert_eq(o.r.csum, hg_csum("../there", 8));
    hg_buf_release(&o.body);
}

Test(record, delete_round_trip)
{
    struct one o = one_begin();
    one_decode(&o, hg_rec_delete(&o.body, "a", 1, 0xabcdef01, &o.at));
    cr_assert_eq(o.r.type, HG_REC_DELETE);
    cr_assert_eq(o.r.killed_segment, 0xabcdef01u);
    SAME(o.r.path, o.r.path_len, "a");
    hg_buf_release(&o.body);
}

Test(record, delete_tree_of_everything_has_no_path)
{
    struct one o = one_begin();
    one_decode(&o, hg_rec_delete_tree(&o.body, "", 0, &o.at));
    cr_assert_eq(o.r.type, HG_REC_DELETE_TREE);
    cr_assert_eq(o.r.path_len, 0u);
    hg_buf_release(&o.body);
}

Test(record, move_and_copy_round_trip)
{
    for (int i = 0; i < 2; i++) {
        struct one o = one_begin();
        enum hg_record_type type = i == 0 ? HG_REC_MOVE : HG_REC_COPY;
        one_decode(&o, hg_rec_transfer(&o.body, type, "from/x", 6, "to", 2, &o.at));
        cr_assert_eq(o.r.type, type);
        SAME(o.r.path, o.r.path_len, "from/x");
        SAME(o.r.to, o.r.to_len, "to");
        hg_buf_release(&o.body);
    }
}

Test(record, body_round_trip)
{
    struct one o = one_begin();
    struct hg_piece p = { .segment = 7, .offset = 3 * 4096, .len = 100000 };
    one_decode(&o, hg_rec_body(&o.body, &p, 77, &o.at));
    cr_assert_eq(o.r.type, HG_REC_BODY);
    cr_assert_eq(o.r.body.segment, 7u);
    cr_assert_eq(o.r.body.offset, 3u * 4096);
    cr_assert_eq(o.r.body.len, 100000u);
    cr_assert_eq(o.r.body_hash, 77u);
    hg_buf_release(&o.body);
}

Test(record, config_round_trip)
{
    struct one o = one_begin();
    one_decode(&o, hg_rec_config(&o.body, "key", 3, "", 0, &o.at));
    cr_assert_eq(o.r.type, HG_REC_CONFIG);
    SAME(o.r.path, o.r.path_len, "key");
    cr_assert_eq(o.r.value_len, 0u);
    hg_buf_release(&o.body);
}

Test(record, segments_round_trip)
{
    struct hg_segment_entry e[] = { { 1, HG_KIND_FRAMES, 4096 },
                                    { 300, HG_KIND_EXTENTS, HG_EXTENT_SEGMENT_MAX } };
    for (size_t n = 0; n <= 2; n++) {
        struct one o = one_begin();
        struct hg_segment_entry got;
        size_t at = 0;
        one_decode(&o, hg_rec_segments(&o.body, e, n, &o.at));
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(hg_rec_segments_next(&o.r, &at, &got), HOLOG_OK);
            cr_assert_eq(got.segment, e[i].segment);
            cr_assert_eq(got.kind, e[i].kind);
            cr_assert_eq(got.used, e[i].used);
        }
        cr_assert_eq(hg_rec_segments_next(&o.r, &at, &got), HOLOG_E_NOENT);
        hg_buf_release(&o.body);
    }
}

Test(record, edit_round_trip)
{
    struct hg_segment_entry e[] = { { 7, HG_KIND_HWP, HG_HWP_SEGMENT_MAX },
                                    { 1, HG_KIND_EXTENTS, 8192 },
                                    { 300, HG_KIND_BASE, HG_BASE_MAX } };
    for (size_t added = 0; added <= 3; added++) {
        struct one o = one_begin();
        struct hg_segment_entry got;
        int removed = -1;
        size_t at = 0;
        one_decode(&o, hg_rec_edit(&o.body, e, added, e + added, 3 - added, &o.at));
        for (size_t i = 0; i < 3; i++) {
            cr_assert_eq(hg_rec_edit_next(&o.r, &at, &got, &removed), HOLOG_OK);
            cr_assert_eq(removed, i >= added);
            cr_assert_eq(got.segment, e[i].segment);
            cr_assert_eq(got.kind, e[i].kind);
            cr_assert_eq(got.used, e[i].used);
        }
        cr_assert_eq(hg_rec_edit_next(&o.r, &at, &got, &removed), HOLOG_E_NOENT);
        hg_buf_release(&o.body);
    }
}

/* docs/FORMAT.md, "Worked example". */
Test(record, edit_is_to_the_byte_what_the_format_says)
{
    static const uint8_t want[] = {
        0x1a, 0x29, 0x09, 0x01, 0x02,                                                 /* */
        0x05, 0x00, 0x00, 0x00, 0x03, 0x00, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* */
        0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x40, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, /* */
        0x04, 0x00, 0x00, 0x00, 0x02, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    const struct hg_segment_entry added = { 5, HG_KIND_HWP, 45056 };
    const struct hg_segment_entry removed[] = { { 2, HG_KIND_EXTENTS, 81920 },
                                                { 4, HG_KIND_EXTENTS, 8192 } };
    struct one o = one_begin();

    one_decode(&o, hg_rec_edit(&o.body, &added, 1, removed, 2, &o.at));
    cr_assert_eq(o.body.len - o.at, sizeof want);
    cr_assert_arr_eq(o.body.data + o.at, want, sizeof want);
    hg_buf_release(&o.body);
}

Test(record, large_round_trip)
{
    static uint8_t value[3 * HG_HASH_BLOCK + 1];
    struct hg_piece pieces[2] = { { 5, 4096, 2 * HG_HASH_BLOCK },
                                  { 6, HG_EXTENT_SEGMENT_MAX - 131072, HG_HASH_BLOCK + 1 } };
    struct hg_buf table = { 0 };
    struct one o = one_begin();
    struct hg_piece got;
    struct hg_block_entry entry;
    uint8_t csum = 0;
    size_t at = 0;

    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 7);
    cr_assert_eq(hg_block_table_add(&table, value, HG_HASH_BLOCK, &csum), HOLOG_OK);
    cr_assert_eq(hg_block_table_add(&table, value + HG_HASH_BLOCK, sizeof value - HG_HASH_BLOCK,
                                    &csum),
                 HOLOG_OK);
    cr_assert_eq(csum, hg_csum(value, sizeof value), "sums of blocks add up to the value's");
    cr_assert_eq(table.len, 4u * HG_BLOCK_ENTRY_SIZE);
    for (size_t i = 0; i < 4; i++) {
        size_t len = i == 3 ? 1 : HG_HASH_BLOCK;
        hg_block_entry_decode(table.data + i * HG_BLOCK_ENTRY_SIZE, &entry);
        cr_assert_eq(entry.hash, hg_hash64(value + i * HG_HASH_BLOCK, len));
        cr_assert_eq(entry.csum, hg_csum(value + i * HG_HASH_BLOCK, len));
        cr_assert_eq(entry.stored_len, len);
    }
    struct hg_hash128 hash = hg_hash128(table.data, table.len);
    one_decode(&o, hg_rec_large(&o.body, "big", 3, sizeof value, hash, csum, pieces, 2, table.data,
                                &o.at));
    cr_assert_eq(o.r.type, HG_REC_LARGE);
    cr_assert_eq(o.r.value_len, sizeof value);
    cr_assert_eq(o.r.n_pieces, 2u);
    cr_assert_eq(o.r.hash.lo, hash.lo);
    cr_assert_eq(o.r.hash.hi, hash.hi);
    cr_assert_arr_eq(o.r.table, table.data, table.len);
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(hg_pieces_next(&o.r, &at, &got), HOLOG_OK);
        cr_assert_eq(got.segment, pieces[i].segment);
        cr_assert_eq(got.offset, pieces[i].offset);
        cr_assert_eq(got.len, pieces[i].len);
    }
    cr_assert_eq(hg_pieces_next(&o.r, &at, &got), HOLOG_E_NOENT);
    hg_buf_release(&table);
    hg_buf_release(&o.body);
}

Test(record, what_a_large_value_may_be_is_said)
{
    struct holog_error_detail d;

    cr_assert_eq(hg_rec_large_check(1, 1), HOLOG_OK);
    cr_assert_eq(hg_rec_large_check(UINT64_C(1) << 40, HG_PIECES_MAX), HOLOG_OK);
    cr_assert_eq(hg_rec_large_check(UINT64_C(1) << 40, HG_PIECES_MAX + 1), HOLOG_E_TOOBIG);
    hg_error_get(&d);
    cr_assert(strstr(d.message, "65536 pieces") != NULL, "%s", d.message);
    cr_assert_eq(hg_rec_large_check(UINT64_C(1) << 42, 1), HOLOG_E_TOOBIG);
    hg_error_get(&d);
    cr_assert(strstr(d.message, "at most") != NULL, "%s", d.message);
}

Test(record, a_symlink_target_that_would_not_decode_is_not_written)
{
    static char target[4097];
    struct one o = one_begin();
    memset(target, 't', sizeof target);
    cr_assert_eq(hg_rec_symlink(&o.body, "l", 1, "", 0, NULL), HOLOG_E_BADPATH);
    cr_assert_eq(hg_rec_symlink(&o.body, "l", 1, "a\0b", 3, NULL), HOLOG_E_BADPATH);
    cr_assert_eq(hg_rec_symlink(&o.body, "l", 1, target, 4097, NULL), HOLOG_E_NAMETOOLONG);
    cr_assert_eq(hg_rec_symlink(&o.body, "l", 1, target, 4096, NULL), HOLOG_OK);
    cr_assert_eq(hg_rec_config(&o.body, "", 0, "v", 1, NULL), HOLOG_E_INVAL);
    cr_assert_eq(hg_rec_config(&o.body, target, 256, "v", 1, NULL), HOLOG_E_INVAL);
    cr_assert_eq(hg_rec_config(&o.body, "\xff", 1, "v", 1, NULL), HOLOG_E_INVAL);
    hg_buf_release(&o.body);
}

/* ---- malformed records, one field each -------------------------------------------------------------- */

#define HASH8  "hhhhhhhh"
#define HASH16 "hhhhhhhhHHHHHHHH"
#define SEG2   "\x02\0\0\0"
#define ENTRY5 "hhhhhhhh\x05\x05\0\0\0" /* one block of five bytes whose sum is 5 */

CONTENT(blob_as_it_should_be, HG_REC_BLOB,
        "\x05" HASH8 "\x01"
        "pvalue",
        HOLOG_OK)
CONTENT(blob_cut_in_its_hash, HG_REC_BLOB, "\x05hhhhhhh", HOLOG_E_CORRUPT)
CONTENT(blob_sum_out_of_range, HG_REC_BLOB,
        "\x60" HASH8 "\x01"
        "p",
        HOLOG_E_CORRUPT)
CONTENT(blob_without_a_path, HG_REC_BLOB, "\x05" HASH8, HOLOG_E_CORRUPT)
CONTENT(blob_with_an_empty_path, HG_REC_BLOB, "\x05" HASH8 "\x00value", HOLOG_E_CORRUPT)
CONTENT(blob_path_longer_than_it, HG_REC_BLOB,
        "\x05" HASH8 "\x03"
        "pp",
        HOLOG_E_CORRUPT)
CONTENT(blob_path_not_canonical, HG_REC_BLOB,
        "\x05" HASH8 "\x03"
        "p//",
        HOLOG_E_CORRUPT)
CONTENT(blob_path_length_in_a_longer_form, HG_REC_BLOB, "\x05" HASH8 "\x81\x00p", HOLOG_E_CORRUPT)
CONTENT(symlink_as_it_should_be, HG_REC_SYMLINK,
        "\x05" HASH8 "\x01"
        "pt",
        HOLOG_OK)
CONTENT(symlink_without_target, HG_REC_SYMLINK,
        "\x05" HASH8 "\x01"
        "p",
        HOLOG_E_CORRUPT)
CONTENT(symlink_target_with_nul, HG_REC_SYMLINK,
        "\x05" HASH8 "\x01"
        "pa\0b",
        HOLOG_E_CORRUPT)
CONTENT(directory_without_path, HG_REC_DIR, "", HOLOG_E_CORRUPT)
CONTENT(directory_path_not_canonical, HG_REC_DIR, "a/../b", HOLOG_E_CORRUPT)
CONTENT(delete_cut_in_its_segment, HG_REC_DELETE, "\x01\0\0", HOLOG_E_CORRUPT)
CONTENT(delete_without_path, HG_REC_DELETE, "\x01\0\0\0", HOLOG_E_CORRUPT)
CONTENT(delete_tree_path_not_canonical, HG_REC_DELETE_TREE, "a/", HOLOG_E_CORRUPT)
CONTENT(move_without_from, HG_REC_MOVE, "\x00to", HOLOG_E_CORRUPT)
CONTENT(move_without_to, HG_REC_MOVE,
        "\x04"
        "from",
        HOLOG_E_CORRUPT)
CONTENT(move_to_not_canonical, HG_REC_MOVE,
        "\x04"
        "from..",
        HOLOG_E_CORRUPT)
CONTENT(copy_from_longer_than_it, HG_REC_COPY,
        "\x05"
        "from",
        HOLOG_E_CORRUPT)
CONTENT(body_as_it_should_be, HG_REC_BODY, SEG2 "\x01\x09" HASH8, HOLOG_OK)
CONTENT(body_without_segment, HG_REC_BODY, "\0\0\0\0\x01\x09" HASH8, HOLOG_E_CORRUPT)
CONTENT(body_inside_a_header, HG_REC_BODY, SEG2 "\x00\x09" HASH8, HOLOG_E_CORRUPT)
CONTENT(body_shorter_than_any, HG_REC_BODY, SEG2 "\x01\x08" HASH8, HOLOG_E_CORRUPT)
CONTENT(body_behind_any_segment, HG_REC_BODY, SEG2 "\x80\x80\x10\x09" HASH8, HOLOG_E_CORRUPT)
CONTENT(body_ends_behind_any_segment, HG_REC_BODY, SEG2 "\x01\x80\x80\x80\x80\x04" HASH8,
        HOLOG_E_CORRUPT)
CONTENT(body_with_bytes_behind, HG_REC_BODY, SEG2 "\x01\x09" HASH8 "x", HOLOG_E_CORRUPT)
CONTENT(body_cut_in_its_hash, HG_REC_BODY, SEG2 "\x01\x09hhh", HOLOG_E_CORRUPT)
CONTENT(segments_as_they_should_be, HG_REC_SEGMENTS, "\x01" SEG2 "\x01\0\0\0\0\0\0\0\0", HOLOG_OK)
CONTENT(segments_count_too_high, HG_REC_SEGMENTS, "\x02" SEG2 "\x01\0\0\0\0\0\0\0\0",
        HOLOG_E_CORRUPT)
CONTENT(segments_count_that_overflows, HG_REC_SEGMENTS,
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" SEG2 "\x01\0\0\0\0\0\0\0\0", HOLOG_E_CORRUPT)
CONTENT(segments_with_bytes_behind, HG_REC_SEGMENTS, "\x00x", HOLOG_E_CORRUPT)
CONTENT(segments_without_a_count, HG_REC_SEGMENTS, "", HOLOG_E_CORRUPT)
CONTENT(segments_entry_without_segment, HG_REC_SEGMENTS, "\x01\0\0\0\0\x01\0\0\0\0\0\0\0\0",
        HOLOG_E_CORRUPT)
CONTENT(segments_entry_of_unknown_kind, HG_REC_SEGMENTS, "\x01" SEG2 "\x05\0\0\0\0\0\0\0\0",
        HOLOG_E_CORRUPT)
CONTENT(segments_entry_too_large, HG_REC_SEGMENTS, "\x01" SEG2 "\x01\0\0\0\0\x01\0\0\0",
        HOLOG_E_CORRUPT)
CONTENT(edit_as_it_should_be, HG_REC_EDIT, "\x00\x01" SEG2 "\x02\0\0\0\0\0\0\0\0", HOLOG_OK)
CONTENT(edit_without_its_second_count, HG_REC_EDIT, "\x00", HOLOG_E_CORRUPT)
CONTENT(edit_with_less_than_it_says, HG_REC_EDIT, "\x01\x01" SEG2 "\x02\0\0\0\0\0\0\0\0",
        HOLOG_E_CORRUPT)
CONTENT(edit_with_counts_that_overflow, HG_REC_EDIT,
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02" SEG2 "\x02\0\0\0\0\0\0\0\0", HOLOG_E_CORRUPT)
CONTENT(edit_of_an_unknown_kind, HG_REC_EDIT, "\x00\x01" SEG2 "\x82\0\0\0\0\0\0\0\0",
        HOLOG_E_CORRUPT)
CONTENT(config_without_a_key, HG_REC_CONFIG, "\x00v", HOLOG_E_CORRUPT)
CONTENT(config_key_longer_than_it, HG_REC_CONFIG, "\x03kv", HOLOG_E_CORRUPT)
CONTENT(config_key_not_utf8, HG_REC_CONFIG, "\x01\xffv", HOLOG_E_CORRUPT)
CONTENT(large_as_it_should_be, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0d" ENTRY5, HOLOG_OK)
CONTENT(large_cut_in_its_hash, HG_REC_LARGE, "\x05hhhhhhhh", HOLOG_E_CORRUPT)
CONTENT(large_sum_out_of_range, HG_REC_LARGE,
        "\x65" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_sum_not_that_of_its_blocks, HG_REC_LARGE,
        "\x06" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_path_not_canonical, HG_REC_LARGE,
        "\x05" HASH16 "\x01.\x05\x01" SEG2 "\x01\x05\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_without_bytes, HG_REC_LARGE, "\x05" HASH16 "\x01p\x00\x01" SEG2 "\x01\x05\x0d",
        HOLOG_E_CORRUPT)
CONTENT(large_over_48_bits, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x80\x80\x80\x80\x80\x80\x40\x01" SEG2 "\x01\x05\x0d" ENTRY5,
        HOLOG_E_CORRUPT)
CONTENT(large_without_pieces, HG_REC_LARGE, "\x05" HASH16 "\x01p\x05\x00\x0d" ENTRY5,
        HOLOG_E_CORRUPT)
CONTENT(large_with_too_many_pieces, HG_REC_LARGE, "\x05" HASH16 "\x01p\x05\x81\x80\x04" SEG2,
        HOLOG_E_CORRUPT)
CONTENT(large_pieces_shorter_than_it, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x04\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_pieces_longer_than_it, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x06\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_first_piece_no_whole_blocks, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x02" SEG2 "\x01\x04" SEG2 "\x02\x01\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_piece_without_segment, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01\0\0\0\0\x01\x05\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_piece_inside_a_header, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x00\x05\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_piece_behind_any_segment, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x80\x80\x10\x05\x0d" ENTRY5, HOLOG_E_CORRUPT)
CONTENT(large_without_a_table, HG_REC_LARGE, "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05",
        HOLOG_E_CORRUPT)
CONTENT(large_table_of_another_width, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0e" ENTRY5 "x", HOLOG_E_VERSION)
CONTENT(large_table_too_short, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0dhhhhhhhh\x05\x05\0\0", HOLOG_E_CORRUPT)
CONTENT(large_table_too_long, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0d" ENTRY5 "x", HOLOG_E_CORRUPT)
CONTENT(large_block_of_another_length, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0dhhhhhhhh\x05\x06\0\0\0", HOLOG_E_CORRUPT)
CONTENT(large_block_sum_out_of_range, HG_REC_LARGE,
        "\x05" HASH16 "\x01p\x05\x01" SEG2 "\x01\x05\x0dhhhhhhhh\x65\x05\0\0\0", HOLOG_E_CORRUPT)
CONTENT(type_zero, 0, "x", HOLOG_E_CORRUPT)
CONTENT(type_zero_that_may_be_skipped, 0x80, "x", HOLOG_E_CORRUPT)
CONTENT(reserved_type_bit, 0x40 | HG_REC_DIR, "x", HOLOG_E_CORRUPT)
CONTENT(reserved_type_bit_of_an_unknown_type, 0xc0 | 40, "x", HOLOG_E_CORRUPT)
CONTENT(a_known_type_may_not_be_skipped, 0x80 | HG_REC_DIR, "x", HOLOG_E_CORRUPT)
CONTENT(unknown_type_is_of_a_later_version, 40, "x", HOLOG_E_VERSION)
CONTENT(reserved_type_is_of_a_later_version, 11, "x", HOLOG_E_VERSION)
CONTENT(unknown_type_that_may_be_skipped, 0x80 | 40, "x", HOLOG_OK)

static int decode_raw(const char *bytes, size_t len, size_t back)
{
    struct hg_record r;
    uint8_t *copy = exact_copy(bytes, len);
    int rc = hg_rec_decode(copy, len, back, &r);
    free(copy);
    return rc;
}

Test(malformed, heads)
{
    cr_assert_eq(decode_raw("\x03\x01\x09p", 4, 9), HOLOG_OK);
    cr_assert_eq(decode_raw("", 0, 9), HOLOG_E_CORRUPT, "nothing");
    cr_assert_eq(decode_raw("\x03\x02\x09p", 4, 9), HOLOG_E_CORRUPT, "longer than what holds it");
    cr_assert_eq(decode_raw("\x03\x81\x00\x09p", 5, 9), HOLOG_E_CORRUPT, "a longer form");
    cr_assert_eq(decode_raw("\x03\x01\x0ap", 4, 9), HOLOG_E_CORRUPT, "another place");
    cr_assert_eq(decode_raw("\x03\x01\x08p", 4, 8), HOLOG_E_CORRUPT, "inside time and fields");
    cr_assert_eq(decode_raw("\x03\x81\x80\x80\x80\x04\x09p", 8, 9), HOLOG_E_CORRUPT, "over 1 GiB");
    cr_assert_eq(decode_raw("\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x09p", 13, 9),
                 HOLOG_E_CORRUPT, "2^64 - 1");
    cr_assert_eq(decode_raw("\x03\x01\x80\x80\x80\x80\x10p", 8, 9), HOLOG_E_CORRUPT, "back 2^32");
}

/* ---- all kinds at once ------------------------------------------------------------------------------- */

/* Calls visit for each record of the tiny segments. */
static void each_record_of(struct tiny t,
                           void (*visit)(const uint8_t *record, size_t avail, size_t at))
{
    for (uint32_t i = 0; i < t.n; i++) {
        const uint8_t *body = t.file.data + t.offsets[i] + HG_FRAME_HEADER_SIZE;
        size_t len = t.frames[i].len - HG_FRAME_HEADER_SIZE;
        struct hg_body b;
        struct hg_record r;
        cr_assert_eq(hg_body_decode(body, len, &b), HOLOG_OK);
        for (size_t at = b.records_at; at < len; at += r.whole_len) {
            cr_assert_eq(hg_rec_decode(body + at, len - at, at, &r), HOLOG_OK);
            visit(body + at, r.whole_len, at);
        }
    }
    hg_buf_release(&t.file);
}

static void each_record(void (*visit)(const uint8_t *record, size_t avail, size_t at))
{
    each_record_of(tiny_build(), visit);
    each_record_of(tiny_versions_build(TINY_GOOD), visit);
}

static void truncate_everywhere(const uint8_t *record, size_t avail, size_t at)
{
    for (size_t n = 0; n < avail; n++) {
        struct hg_record r;
        uint8_t *copy = exact_copy(record, n);
        cr_assert_eq(hg_rec_decode(copy, n, at, &r), HOLOG_E_CORRUPT, "type %u, %zu of %zu bytes",
                     record[0], n, avail);
        free(copy);
    }
}

Test(record, every_truncated_length_is_refused)
{
    each_record(truncate_everywhere);
}

/* A flip may make another valid record (a hash or a name changed): the frame's body hash sees that.
 * What decodes must lie within its bytes, and touch none behind them. */
static void flip_everywhere(const uint8_t *record, size_t avail, size_t at)
{
    uint64_t hash = hg_hash64(record, avail);
    for (size_t i = 0; i < avail * 8; i++) {
        struct hg_record r;
        size_t whole = 0;
        uint8_t *copy = exact_copy(record, avail);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        cr_assert_neq(hg_hash64(copy, avail), hash);
        if (hg_rec_decode(copy, avail, at, &r) == HOLOG_OK) {
            cr_assert_leq(r.whole_len, avail);
            cr_assert(r.path == NULL || ((const uint8_t *)r.path >= copy &&
                                         (const uint8_t *)r.path + r.path_len <= copy + avail));
            cr_assert(r.value == NULL ||
                      (r.value >= copy && r.value_len <= (size_t)(copy + avail - r.value)));
            cr_assert_eq(hg_rec_peek(copy, avail, &whole), HOLOG_OK);
            cr_assert_eq(whole, r.whole_len);
        }
        free(copy);
    }
}

Test(record, every_flipped_bit_stays_within_bounds)
{
    each_record(flip_everywhere);
}

Test(record, a_prefix_is_enough_to_know_the_length)
{
    uint8_t prefix[HG_REC_PREFIX_MAX] = { HG_REC_BLOB };
    size_t whole = 0;
    size_t n = 1 + hg_put_varint(prefix + 1, HG_EXTENT_SEGMENT_MAX);
    n += hg_put_varint(prefix + n, UINT32_MAX);
    cr_assert_eq(hg_rec_peek(prefix, sizeof prefix, &whole), HOLOG_OK);
    cr_assert_eq(whole, n + HG_EXTENT_SEGMENT_MAX);
}

/* ---- random records ---------------------------------------------------------------------------------- */

static size_t random_path(struct rng *r, char *out)
{
    static const char letters[] = "abcdefghij0123456789 ._-";
    size_t len = 0;
    size_t depth = 1 + rng_below(r, 6);
    for (size_t d = 0; d < depth; d++) {
        if (d > 0)
            out[len++] = '/';
        size_t n = 1 + rng_below(r, rng_below(r, 20) == 0 ? 255 : 12);
        out[len] = 'x'; /* not a dot */
        for (size_t i = 1; i < n; i++)
            out[len + i] = letters[rng_below(r, sizeof letters - 1)];
        len += n;
    }
    return len;
}

static void random_record(struct rng *r, struct hg_buf *body)
{
    static uint8_t value[200000];
    char path[2048];
    char to[2048];
    size_t len = random_path(r, path);
    size_t value_len = rng_below(r, rng_below(r, 10) == 0 ? 5000 : 100);
    uint8_t csum = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < value_len; i++)
        value[i] = (uint8_t)rng_next(r);
    switch (rng_below(r, 9)) {
    case 0:
    case 1:
        rc = hg_rec_blob(body, path, len, value, value_len, hg_hash64(value, value_len),
                         hg_csum(value, value_len), NULL);
        break;
    case 2: rc = hg_rec_dir(body, path, len, NULL); break;
    case 3: rc = hg_rec_symlink(body, path, len, to, random_path(r, to), NULL); break;
    case 4: rc = hg_rec_delete(body, path, len, (uint32_t)rng_any(r), NULL); break;
    case 5: rc = hg_rec_delete_tree(body, path, rng_below(r, 4) == 0 ? 0 : len, NULL); break;
    case 6:
        rc = hg_rec_transfer(body, rng_below(r, 2) ? HG_REC_MOVE : HG_REC_COPY, path, len, to,
                             random_path(r, to), NULL);
        break;
    case 7: rc = hg_rec_config(body, "setting", 7, value, value_len, NULL); break;
    default: {
        struct hg_buf table = { 0 };
        struct hg_piece pieces[2] = { { (uint32_t)(rng_any(r) | 1), 4096, 65536 },
                                      { 9, 4096 * (1 + rng_below(r, 1000)), 0 } };
        pieces[1].len = 1 + rng_below(r, sizeof value - 65536);
        rc = hg_block_table_add(&table, value, 65536 + pieces[1].len, &csum);
        cr_assert_eq(rc, HOLOG_OK);
        rc = hg_rec_large(body, path, len, 65536 + pieces[1].len, hg_hash128(table.data, table.len),
                          csum, pieces, 2, table.data, NULL);
        hg_buf_release(&table);
    }
    }
    cr_assert_eq(rc, HOLOG_OK);
}

/* Writes a decoded record again. */
static void encode_again(struct hg_buf *body, const struct hg_record *r)
{
    struct hg_piece pieces[2];
    size_t at = 0;
    int rc = HOLOG_E_INVAL;
    switch (r->type) {
    case HG_REC_BLOB:
        rc = hg_rec_blob(body, r->path, r->path_len, r->value, r->value_len, r->hash.lo, r->csum,
                         NULL);
        break;
    case HG_REC_DIR: rc = hg_rec_dir(body, r->path, r->path_len, NULL); break;
    case HG_REC_SYMLINK:
        rc = hg_rec_symlink(body, r->path, r->path_len, (const char *)r->value, r->value_len, NULL);
        break;
    case HG_REC_DELETE:
        rc = hg_rec_delete(body, r->path, r->path_len, r->killed_segment, NULL);
        break;
    case HG_REC_DELETE_TREE: rc = hg_rec_delete_tree(body, r->path, r->path_len, NULL); break;
    case HG_REC_MOVE:
    case HG_REC_COPY:
        rc = hg_rec_transfer(body, r->type == HG_REC_MOVE ? HG_REC_MOVE : HG_REC_COPY, r->path,
                             r->path_len, r->to, r->to_len, NULL);
        break;
    case HG_REC_CONFIG:
        rc = hg_rec_config(body, r->path, r->path_len, r->value, r->value_len, NULL);
        break;
    case HG_REC_LARGE:
        for (uint32_t i = 0; i < r->n_pieces; i++)
            cr_assert_eq(hg_pieces_next(r, &at, &pieces[i]), HOLOG_OK);
        rc = hg_rec_large(body, r->path, r->path_len, r->value_len, r->hash, r->csum, pieces,
                          r->n_pieces, r->table, NULL);
        break;
    default: break;
    }
    cr_assert_eq(rc, HOLOG_OK);
}

Test(record, random_records_round_trip)
{
    struct rng r = rng_begin("random_records_round_trip");
    for (int i = 0; i < rounds(300); i++) {
        struct hg_buf body = { 0 };
        struct hg_buf again = { 0 };
        struct hg_record rec;
        size_t n = 1 + rng_below(&r, 20);
        cr_assert_eq(hg_body_begin(&body, 1, NULL, 0), HOLOG_OK);
        cr_assert_eq(hg_body_begin(&again, 1, NULL, 0), HOLOG_OK);
        for (size_t k = 0; k < n; k++)
            random_record(&r, &body);
        size_t at = 9;
        for (size_t k = 0; k < n; k++) {
            cr_assert_eq(hg_rec_decode(body.data + at, body.len - at, at, &rec), HOLOG_OK,
                         "seed %llu, round %d", (unsigned long long)r.seed, i);
            encode_again(&again, &rec);
            at += rec.whole_len;
        }
        cr_assert_eq(at, body.len);
        cr_assert_eq(again.len, body.len);
        cr_assert_eq(memcmp(again.data, body.data, body.len), 0, "seed %llu, round %d",
                     (unsigned long long)r.seed, i);
        hg_buf_release(&body);
        hg_buf_release(&again);
    }
}

Test(record, noise_never_reads_past_its_end)
{
    struct rng r = rng_begin("noise_never_reads_past_its_end");
    for (int i = 0; i < rounds(20000); i++) {
        uint8_t noise[64];
        struct hg_record rec;
        size_t len = rng_below(&r, sizeof noise);
        size_t back = 0;
        for (size_t j = 0; j < sizeof noise; j += 8)
            hg_put_le64(noise + j, rng_next(&r));
        noise[0] = (uint8_t)rng_below(&r, 40);
        noise[1] = (uint8_t)rng_below(&r, 64);
        noise[2] = (uint8_t)rng_below(&r, 64);
        uint8_t *copy = exact_copy(noise, len);
        if (hg_rec_decode_at(copy, len, &back, &rec) == HOLOG_OK)
            cr_assert_leq(rec.whole_len, len);
        free(copy);
    }
}
