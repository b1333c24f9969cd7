/* Node components: what is one, and what people are told of it. */
#include "base/node.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"

#define VALID(c)   cr_assert_eq(hg_node_valid((c), sizeof(c) - 1), 1, "line %d", __LINE__)
#define INVALID(c) cr_assert_eq(hg_node_valid((c), sizeof(c) - 1), 0, "line %d", __LINE__)

static void reads(const char *component, size_t len, const char *want)
{
    char text[HG_NODE_TEXT_MAX];

    cr_assert_eq(hg_node_text(component, len, text), strlen(want));
    cr_assert_str_eq(text, want);
}

Test(node, documents_and_chunks_are_some)
{
    VALID(HG_NODE_GROUP);
    VALID(HG_NODE_ARRAY);
    VALID("\xff");
    VALID("\xff\x80\x80");
    VALID("\xff\x81\xff\x87\x81\x80\x80\x80\x80\x80\xff");
    INVALID("");
    INVALID("\xfe");
    INVALID("\xfe\x80");
    INVALID("\xfe\x83");
    INVALID("\xfe\x81\x81");
    INVALID("\xff\x81\x80"); /* a leading 0 */
    INVALID("\xff\x81\x7f"); /* no digit */
    INVALID("\xff\x7f");
    INVALID("\xff\x82\x81");                             /* cut short */
    INVALID("\xff\x88\x81\x80\x80\x80\x80\x80\x80\x80"); /* eight digits */
    INVALID("name");
}

Test(node, an_index_comes_back_from_its_chunk)
{
    static const uint64_t some[] = { 0,           1,     127,        128,
                                     16383,       16384, UINT32_MAX, HG_INDEX_MAX - 1,
                                     HG_INDEX_MAX };
    const size_t n = sizeof some / sizeof some[0];
    char component[HG_NODE_LEN_MAX];
    uint64_t back[HG_RANK_MAX];
    char last[HG_NODE_LEN_MAX] = "";
    size_t last_len = 0;

    for (size_t i = 0; i < n * n; i++) {
        const uint64_t index[2] = { some[i / n], some[i % n] };
        size_t len = hg_node_chunk(index, 2, component);
        cr_assert_eq(hg_node_valid(component, len), 1);
        cr_assert_eq(hg_node_index(component, len, back), 2);
        cr_assert_eq(memcmp(back, index, sizeof index), 0);
        int order = memcmp(last, component, last_len < len ? last_len : len);
        cr_assert(order < 0 || (order == 0 && last_len < len), "C order, at %zu", i);
        memcpy(last, component, len);
        last_len = len;
    }
    cr_assert_eq(hg_node_chunk(NULL, 0, component), 1);
    cr_assert_eq(hg_node_index(component, 1, back), 0);
    cr_assert_eq(hg_node_index(HG_NODE_ARRAY, 2, back), -1);
}

Test(node, there_are_at_most_32_axes_and_255_bytes)
{
    char component[HG_NODE_LEN_MAX];
    uint64_t index[HG_RANK_MAX] = { 0 };
    char long_one[34] = "\xff";

    cr_assert_eq(hg_node_chunk(index, HG_RANK_MAX, component), 33);
    memset(long_one + 1, 0x80, sizeof long_one - 1);
    cr_assert_eq(hg_node_valid(long_one, 33), 1);
    cr_assert_eq(hg_node_valid(long_one, 34), 0);
    for (size_t i = 0; i < HG_RANK_MAX; i++)
        index[i] = HG_INDEX_MAX;
    cr_assert_eq(hg_node_chunk(index, HG_RANK_MAX, component), 0);
    cr_assert_eq(hg_node_chunk(index, 31, component), 249);
}

Test(node, people_read_what_a_zarr_hierarchy_has)
{
    reads(HG_NODE_GROUP, 2, "zarr.json");
    reads(HG_NODE_ARRAY, 2, "zarr.json");
    reads("\xff", 1, "c");
    reads("\xff\x80\x81\x8c", 4, "c/0/12");
    reads("\xff\x87\xff\xff\xff\xff\xff\xff\xff", 9, "c/562949953421311");
    reads("\xff\x82\x81", 3, "?");
}

Test(node, a_message_or_a_path_names_no_bytes_that_are_no_text)
{
    struct holog_error_detail d;
    char text[32] = "a/\xff\x80\x81\x8c: b/\xfe\x82";

    hg_node_show(text, sizeof text);
    cr_assert_str_eq(text, "a/c/0/12: b/zarr.json");
    hg_node_show(text, sizeof text);
    cr_assert_str_eq(text, "a/c/0/12: b/zarr.json");
    for (size_t cap = 5; cap <= 14; cap++) { /* cut to fit */
        memset(text, 'x', sizeof text);
        memcpy(text, "a/\xff\x80", 5);
        hg_node_show(text, cap);
        cr_assert_eq(text[cap], 'x');
        cr_assert_eq(strncmp(text, "a/c/0", cap - 1), 0);
    }
    (void)hg_error_path(HOLOG_E_NOENT, "p/\xff\x81\x83", 5, "%s: no such chunk", "p/\xff\x81\x83");
    hg_error_get(&d);
    cr_assert_str_eq(d.path, "p/c/3");
    cr_assert_str_eq(d.message, "p/c/3: no such chunk");
}

/* Files of others have names of any bytes. */
Test(node, bytes_inside_of_a_name_are_none_of_ours)
{
    char text[32] = "n\xff"
                    "m: a/\xff"
                    "m (\xfe\x82) x\xfe\x82";

    hg_node_show(text, sizeof text);
    cr_assert_str_eq(text, "n\xff"
                           "m: a/\xff"
                           "m (zarr.json) x\xfe\x82");
}

Test(node, paths_tell_whether_they_end_in_one)
{
    cr_assert_eq(hg_node_ends("a/" HG_NODE_ARRAY, 4), 1);
    cr_assert_eq(hg_node_ends("\xff\x80", 2), 1);
    cr_assert_eq(hg_node_ends("a/b", 3), 0);
    cr_assert_eq(hg_node_ends("", 0), 0);
    cr_assert_eq(hg_node_ends("\xf4\x8f\xbf\xbf", 4), 0);
}
