/*
 * 0.5 as 0.4, and back: documents by themselves, and hierarchies of Zarr v2.
 */
#include "ome/version.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json_tokener.h>

#include "backends/zarr/from_v2.h"
#include "base/buf.h"
#include "holog/zarr.h"
#include "omekit.h"

/* Is one the other, in whatever order members stand? */
static void is_json(struct json_object *is, const char *want)
{
    struct json_object *wanted = json_tokener_parse(want);

    cr_assert_not_null(wanted, "%s", want);
    cr_assert(json_object_equal(is, wanted), "%s\nis not\n%s", json_object_to_json_string(is),
              want);
    json_object_put(wanted);
}

static void becomes_v04(const char *from, const char *to)
{
    struct json_object *o = json_tokener_parse(from);

    cr_assert_not_null(o, "%s", from);
    OK(hg_ome_to_v04(o));
    is_json(o, to);
    json_object_put(o);
}

static void becomes_v05(const char *name, const char *from, const char *to)
{
    struct json_object *o = json_tokener_parse(from);

    cr_assert_not_null(o, "%s", from);
    OK(hg_ome_from_v04(o, name));
    is_json(o, to);
    json_object_put(o);
}

static const char *const pairs[][2] = {
    { "{\"a\":1,\"ome\":{\"version\":\"0.5\",\"multiscales\":[{\"n\":1},{\"n\":2}],\"omero\":{\"channels\":[]}}}",
      "{\"a\":1,\"multiscales\":[{\"n\":1,\"version\":\"0.4\"},{\"n\":2,\"version\":\"0.4\"}],"
      "\"omero\":{\"channels\":[]}}" },
    { "{\"ome\":{\"version\":\"0.5\",\"plate\":{\"rows\":[],\"version\":\"0.5\"},\"bioformats2raw.layout\":3}}",
      "{\"plate\":{\"rows\":[],\"version\":\"0.4\"},\"bioformats2raw.layout\":3}" },
    { "{\"ome\":{\"version\":\"0.5\",\"well\":{\"images\":[7],\"version\":\"0.5\"}}}",
      "{\"well\":{\"images\":[7],\"version\":\"0.4\"}}" },
    { "{\"ome\":{\"version\":\"0.5\",\"image-label\":{\"version\":\"0.5\"},\"multiscales\":[{}],"
      "\"omero\":{\"version\":\"0.5\"}}}",
      "{\"image-label\":{\"version\":\"0.4\"},\"multiscales\":[{\"version\":\"0.4\"}],"
      "\"omero\":{\"version\":\"0.4\"}}" },
    /* what nobody here knows stays in ome */
    { "{\"ome\":{\"version\":\"0.5\",\"multiscales\":[{\"theirs\":{\"version\":1}}],\"x\":[1]},\"y\":null}",
      "{\"ome\":{\"x\":[1]},\"multiscales\":[{\"theirs\":{\"version\":1},\"version\":\"0.4\"}],\"y\":null}" },
};

Test(version, what_becomes_0_4_becomes_0_5_again)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        becomes_v04(pairs[i][0], pairs[i][1]);
        becomes_v05("any", pairs[i][1], pairs[i][0]);
    }
}

Test(version, lists_without_a_version_are_known_by_their_place)
{
    static const char labels[] = "{\"labels\":[\"a\"]}";
    static const char series[] = "{\"series\":[\"0\"]}";

    becomes_v05("labels", labels, "{\"ome\":{\"version\":\"0.5\",\"labels\":[\"a\"]}}");
    becomes_v05("other", labels, labels);
    becomes_v05("OME", series, "{\"ome\":{\"version\":\"0.5\",\"series\":[\"0\"]}}");
    becomes_v05("other", series, series);
    becomes_v05("any", "{\"bioformats2raw.layout\":3}",
                "{\"ome\":{\"version\":\"0.5\",\"bioformats2raw.layout\":3}}");
    becomes_v04("{\"ome\":{\"version\":\"0.5\",\"labels\":[\"a\"]}}", labels);
}

Test(version, what_has_no_version_is_known_by_what_0_4_brought)
{
    becomes_v05("any", "{\"multiscales\":[{\"axes\":[{\"name\":\"y\"}]}]}",
                "{\"ome\":{\"version\":\"0.5\",\"multiscales\":[{\"axes\":[{\"name\":\"y\"}]}]}}");
    becomes_v05(
        "any", "{\"plate\":{\"wells\":[{\"rowIndex\":0}]}}",
        "{\"ome\":{\"version\":\"0.5\",\"plate\":{\"wells\":[{\"rowIndex\":0}],\"version\":\"0.5\"}}}");
    becomes_v05(
        "any", "{\"well\":{\"images\":[{\"path\":\"0\"}]}}",
        "{\"ome\":{\"version\":\"0.5\",\"well\":{\"images\":[{\"path\":\"0\"}],\"version\":\"0.5\"}}}");
}

Test(version, others_stay_as_they_are)
{
    static const char *const same[] = {
        "{\"ome\":{\"version\":\"0.6\",\"multiscales\":[{}]}}",
        "{\"ome\":7}",
        "{\"ome\":{\"version\":5}}",
        "{\"multiscales\":[{\"version\":\"0.3\"}]}",
        "{\"multiscales\":[]}",
        "{\"multiscales\":[{\"axes\":[\"y\",\"x\"]}]}",
        "{\"plate\":{\"wells\":[{\"path\":\"A/1\"}]}}",
        "{\"multiscales\":[7]}",
        "{\"multiscales\":7}",
        "{\"plate\":7,\"well\":null}",
        "{\"plate\":{\"version\":\"0.4\"},\"ome\":[]}",
        "{}",
    };

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        becomes_v05("any", same[i], same[i]);
        if (i + 2 < sizeof same / sizeof same[0])
            becomes_v04(same[i], same[i]);
    }
    becomes_v04("{\"ome\":{\"version\":\"0.5\",\"multiscales\":7,\"plate\":[]}}",
                "{\"multiscales\":7,\"plate\":[]}");
}

/* ---- in a store --------------------------------------------------------------------------------------*/

static struct box box;

static void begin(void)
{
    box_begin(&box);
}

static void end(void)
{
    box_end(&box);
}

Test(version, a_group_of_v2_shows_0_4, .init = begin, .fini = end)
{
    const holog_ome_axis axes[2] = { { .name = "y", .size = 8 }, { .name = "x", .size = 8 } };
    const holog_ome_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT8, .n_axes = 2, .axes = axes, .levels = 2
    };
    holog_txn *txn = NULL;
    struct json_object *o;
    struct hg_buf back = { 0 };
    char *v2;
    char *v3;

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_image_create(txn, "a", &spec, 0));
    OK(holog_commit(txn, NULL));
    box_reopen(&box);
    v2 = document_of(box.store, HOLOG_ZARR_V2, "a/.zattrs");
    v3 = document_of(box.store, 0, "a/zarr.json");
    o = json_tokener_parse(v2);
    cr_assert_null(json_object_object_get(o, "ome"));
    cr_assert_str_eq(json_object_get_string(json_object_object_get(
                         json_object_array_get_idx(json_object_object_get(o, "multiscales"), 0),
                         "version")),
                     "0.4");
    json_object_put(o);
    OK(hg_zarr_group_from_v2("a", v2, strlen(v2), &back));
    OK(hg_buf_append_byte(&back, 0));
    o = json_tokener_parse((const char *)back.data);
    is_json(o, v3);
    json_object_put(o);
    hg_buf_release(&back);
    free(v2);
    free(v3);
    v2 = document_of(box.store, HOLOG_ZARR_V2, ".zmetadata");
    cr_assert_not_null(strstr(v2, "\"version\":\"0.4\""));
    cr_assert_null(strstr(v2, "\"0.5\""));
    free(v2);
    v2 = document_of(box.store, HOLOG_ZARR_V2, "a/0/.zattrs");
    cr_assert_not_null(strstr(v2, "_ARRAY_DIMENSIONS"));
    free(v2);
}

Test(version, levels_without_names_get_those_of_the_axes, .init = begin, .fini = end)
{
    static const char group[] =
        "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"ome\":{\"version\":\"0.5\","
        "\"multiscales\":[{\"axes\":[{\"name\":\"y\",\"type\":\"space\"},{\"name\":\"x\",\"type\":"
        "\"space\"}],\"datasets\":[{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"scale\","
        "\"scale\":[1,1]}]},{\"path\":\"gone\",\"coordinateTransformations\":[{\"type\":\"scale\","
        "\"scale\":[1,1]}]}]}]}}}";
    const uint64_t shape[2] = { 4, 4 };
    const holog_array_spec array = {
        .struct_size = sizeof array, .dtype = HOLOG_UINT8, .rank = 2, .shape = shape
    };
    holog_txn *txn = NULL;
    holog_array *a = NULL;

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_zarr_set(txn, "/", "a/zarr.json", group, sizeof group - 1));
    OK(holog_txn_array_create(txn, "a/0", &array, 0));
    OK(hg_ome_name_levels(txn, "a"));
    OK(hg_ome_name_levels(txn, "a/0"));
    OK(holog_commit(txn, NULL));
    box_reopen(&box);
    OK(holog_array_open(box.store, "a/0", &a));
    cr_assert_str_eq(holog_array_dimension_name(a, 0), "y");
    cr_assert_str_eq(holog_array_dimension_name(a, 1), "x");
    holog_array_close(a);
}
