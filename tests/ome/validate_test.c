/*
 * What is wrong is found, named, and never more than a message: one thing wrong at a time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holog/zarr.h"
#include "omekit.h"

static struct box box;

static void begin(void)
{
    box_begin(&box);
}

static void end(void)
{
    box_end(&box);
}

TestSuite(validate, .init = begin, .fini = end);

static void set(const char *key, const char *json)
{
    holog_txn *txn = NULL;

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_zarr_set(txn, "/", key, json, strlen(json)));
    OK(holog_commit(txn, NULL));
}

static void set_ome(const char *key, const char *ome)
{
    char json[4096];

    cr_assert_lt(snprintf(json, sizeof json,
                          "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"ome\":%s}}",
                          ome),
                 (int)sizeof json);
    set(key, json);
}

static void set_array(const char *key, const char *shape, const char *dtype, const char *names)
{
    char json[1024];

    (void)snprintf(json, sizeof json,
                   "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":%s,\"data_type\":\"%s\","
                   "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":%s}},"
                   "\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":0,\"codecs\":"
                   "[{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}}]%s%s}",
                   shape, dtype, shape, names[0] != 0 ? ",\"dimension_names\":" : "", names);
    set(key, json);
}

struct told {
    unsigned count, stop_at;
    char path[200], message[500];
};

static int tell(void *ctx, const char *path, const char *message)
{
    struct told *t = ctx;

    if (t->count++ == 0) {
        (void)snprintf(t->path, sizeof t->path, "%s", path);
        (void)snprintf(t->message, sizeof t->message, "%s", message);
    }
    return t->count == t->stop_at;
}

static int validate(const char *path, struct told *t)
{
    holog_view *view = NULL;
    int rc;

    *t = (struct told){ .stop_at = t->stop_at };
    OK(holog_view_open(box.store, &view));
    rc = holog_ome_validate(view, path, tell, t);
    holog_view_close(view);
    return rc;
}

/* One problem, of that entry, and those words are in it. */
static void finds(const char *at, const char *path, const char *words)
{
    struct told t = { 0 };

    FAILS(HOLOG_E_INVAL, validate(at, &t), words);
    cr_assert_eq(t.count, 1, "%u problems, the first: %s: %s (looking for %s)", t.count, t.path,
                 t.message, words);
    cr_assert_str_eq(t.path, path, "%s: %s", t.path, t.message);
    cr_assert_not_null(strstr(t.message, words), "%s: %s", t.path, t.message);
}

static void is_right(const char *path)
{
    struct told t = { 0 };
    int rc = validate(path, &t);

    cr_assert_eq(rc, HOLOG_OK, "%s: %s", t.path, t.message);
}

/* ---- images ------------------------------------------------------------------------------------------*/

#define Y     "{\"name\":\"y\",\"type\":\"space\"}"
#define X     "{\"name\":\"x\",\"type\":\"space\"}"
#define T     "{\"name\":\"t\",\"type\":\"time\"}"
#define C     "{\"name\":\"c\",\"type\":\"channel\"}"
#define SCALE "{\"type\":\"scale\",\"scale\":[1,1]}"
#define ONE   "{\"path\":\"0\",\"coordinateTransformations\":[" SCALE "]}"
#define TWO   "{\"path\":\"1\",\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":[2,2]}]}"
#define IMAGE(axes, datasets, more)                                                      \
    "{\"version\":\"0.5\",\"multiscales\":[{\"axes\":[" axes "],\"datasets\":[" datasets \
    "]}]" more "}"

static void set_levels(void)
{
    set_array("a/0/zarr.json", "[8,8]", "uint8", "[\"y\",\"x\"]");
    set_array("a/1/zarr.json", "[4,4]", "uint8", "[\"y\",\"x\"]");
}

Test(validate, an_image_is_right)
{
    set_ome("a/zarr.json", IMAGE(Y "," X, ONE "," TWO, ""));
    set_levels();
    is_right("a");
    set_ome("a/zarr.json",
            IMAGE("{\"name\":\"r\",\"type\":\"space\",\"unit\":\"\xc2\xb5m\",\"theirs\":[1]}," X,
                  ONE, ",\"theirs\":{}"));
    set_array("a/0/zarr.json", "[8,8]", "uint8", "[\"r\",\"x\"]");
    is_right("a");
}

Test(validate, one_thing_wrong_with_an_image_is_found)
{
    static const struct {
        const char *ome;
        const char *words;
    } cases[] = {
        { IMAGE(Y, ONE, ""), "2 to 5 axes" },
        { IMAGE(Y "," Y, ONE, ""), "two have the name" },
        { IMAGE("{\"type\":\"space\"}," X, ONE, ""), "axes[0].name" },
        { IMAGE("{\"name\":7,\"type\":\"space\"}," X, ONE, ""), "axes[0].name" },
        { IMAGE("{\"name\":\"y\",\"type\":7}," X, ONE, ""), "axes[0].type" },
        { IMAGE("{\"name\":\"y\",\"type\":\"space\",\"unit\":{}}," X, ONE, ""), "axes[0].unit" },
        { IMAGE("7," X, ONE, ""), "axes[0].name" },
        { IMAGE(T "," X, ONE, ""), "not 2 or 3" },
        { IMAGE(Y "," X, "", ""), "1 to 64 levels" },
        { IMAGE(Y "," X, "7", ""), "datasets[0].path" },
        { IMAGE(Y "," X, "{\"coordinateTransformations\":[" SCALE "]}", ""), "datasets[0].path" },
        { IMAGE(Y "," X, "{\"path\":\"../b\",\"coordinateTransformations\":[" SCALE "]}", ""),
          "datasets[0].path" },
        { IMAGE(Y "," X, "{\"path\":\"/0\",\"coordinateTransformations\":[" SCALE "]}", ""),
          "datasets[0].path" },
        { IMAGE(Y "," X, "{\"path\":\"0\\u0000\",\"coordinateTransformations\":[" SCALE "]}", ""),
          "datasets[0].path" },
        { IMAGE(Y "," X, "{\"path\":\"2\",\"coordinateTransformations\":[" SCALE "]}", ""), "a/2" },
        { IMAGE(Y "," X, ONE "," ONE, ""), "datasets[1].path" },
        { IMAGE(Y "," X, TWO "," ONE, ""), "smaller elements" },
        { IMAGE(Y "," X, "{\"path\":\"0\"}", ""), "coordinateTransformations" },
        { IMAGE(Y "," X, "{\"path\":\"0\",\"coordinateTransformations\":[]}", ""), "no list" },
        { IMAGE(Y "," X, "{\"path\":\"0\",\"coordinateTransformations\":[" SCALE "," SCALE "]}",
                ""),
          "\"translation\"" },
        { IMAGE(Y "," X, "{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"identity\"}]}",
                ""),
          "\"scale\"" },
        { IMAGE(
              Y "," X,
              "{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":[1]}]}",
              ""),
          "for each of 2 axes" },
        { IMAGE(
              Y "," X,
              "{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":[1,\"2\"]}]}",
              ""),
          "for each of 2 axes" },
        { IMAGE(
              Y "," X,
              "{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":[0,1]}]}",
              ""),
          "above 0" },
        { IMAGE(Y "," X, ONE, ",\"omero\":{}"), "channels" },
        { IMAGE(Y "," X, ONE, ",\"omero\":{\"channels\":[7]}"), "color" },
        { IMAGE(
              Y "," X, ONE,
              ",\"omero\":{\"channels\":[{\"color\":\"00ff0\",\"window\":{\"min\":0,\"max\":1,\"start\":0,"
              "\"end\":1}}]}"),
          "color" },
        { IMAGE(
              Y "," X, ONE,
              ",\"omero\":{\"channels\":[{\"color\":\"00ff00\",\"window\":{\"min\":0,\"max\":1,\"start\":0}}]}"),
          "window.end" },
        { "{\"version\":\"0.5\",\"multiscales\":7}", "multiscales" },
        { "{\"version\":\"0.5\",\"multiscales\":[]}", "multiscales" },
        { "{\"version\":\"0.5\",\"multiscales\":[7]}", "multiscales" },
        { "{\"version\":\"0.4\",\"multiscales\":[{\"axes\":[" Y "," X "],\"datasets\":[" ONE "]}]}",
          "version" },
        { "{\"multiscales\":[{\"axes\":[" Y "," X "],\"datasets\":[" ONE "]}]}", "version" },
    };

    set_levels();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct told t = { .stop_at = 1 };
        set_ome("a/zarr.json", cases[i].ome);
        FAILS(HOLOG_E_INVAL, validate("a", &t), cases[i].words);
        cr_assert_str_eq(t.path, "a");
    }
}

Test(validate, levels_are_what_their_image_says)
{
    set_ome("a/zarr.json", IMAGE(Y "," X, ONE "," TWO, ""));
    set_levels();
    set_array("a/1/zarr.json", "[4,4]", "uint8", "");
    finds("a", "a/1", "dimension_names");
    set_array("a/1/zarr.json", "[4,4]", "uint8", "[\"x\",\"y\"]");
    finds("a", "a/1", "dimension_names");
    set_array("a/1/zarr.json", "[4,9]", "uint8", "[\"y\",\"x\"]");
    finds("a", "a/1", "longer");
    set_array("a/1/zarr.json", "[4]", "uint8", "[\"y\"]");
    finds("a", "a/1", "1 axes");
    set_ome("a/zarr.json", IMAGE(Y "," X, ONE "," TWO, ",\"image-label\":{}"));
    set_array("a/1/zarr.json", "[4,4]", "float32", "[\"y\",\"x\"]");
    finds("a", "a/1", "integers");
}

Test(validate, axes_come_in_their_order)
{
    set_array("a/0/zarr.json", "[1,1,8,8]", "uint8", "[\"c\",\"t\",\"y\",\"x\"]");
    set_ome(
        "a/zarr.json",
        IMAGE(
            C "," T "," Y "," X,
            "{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"scale\",\"scale\":[1,1,1,1]}]}",
            ""));
    finds("a", "a", "order");
}

/* ---- labels ------------------------------------------------------------------------------------------*/

static void set_label(const char *more)
{
    char ome[1000];

    (void)snprintf(ome, sizeof ome, "%.*s%s}", (int)strlen(IMAGE(Y "," X, ONE "," TWO, "")) - 1,
                   IMAGE(Y "," X, ONE "," TWO, ""), more);
    set_ome("a/labels/l/zarr.json", ome);
}

Test(validate, what_is_wrong_with_labels_is_found)
{
    set_ome("a/zarr.json", IMAGE(Y "," X, ONE "," TWO, ""));
    set_levels();
    set_ome("a/labels/zarr.json", "{\"version\":\"0.5\",\"labels\":[\"l\"]}");
    finds("a", "a/labels/l", "no such entry");
    set_array("a/labels/l/0/zarr.json", "[8,8]", "uint8", "[\"y\",\"x\"]");
    set_array("a/labels/l/1/zarr.json", "[4,4]", "uint8", "[\"y\",\"x\"]");
    finds("a", "a/labels/l", "no image");
    set_label("");
    is_right("a");
    is_right("a/labels");
    set_label(",\"image-label\":7");
    finds("a", "a/labels/l", "image-label");
    set_label(",\"image-label\":{\"colors\":[{\"label-value\":1.5}]}");
    finds("a", "a/labels/l", "colors[0].label-value");
    set_label(",\"image-label\":{\"colors\":[{\"label-value\":1},{\"label-value\":1}]}");
    finds("a", "a/labels/l", "colors[1].label-value is there twice");
    set_label(",\"image-label\":{\"colors\":[{\"label-value\":1,\"rgba\":[0,0,256,0]}]}");
    finds("a", "a/labels/l", "rgba");
    set_label(",\"image-label\":{\"properties\":[{}]}");
    finds("a", "a/labels/l", "properties[0]");
    set_label(",\"image-label\":{\"source\":{\"image\":7}}");
    finds("a", "a/labels/l", "source.image");
    set_label(",\"image-label\":{\"source\":{\"image\":\"../../\"}}");
    is_right("a");
    set_ome("a/labels/l/zarr.json", IMAGE(Y "," X, ONE, ""));
    finds("a", "a/labels/l", "1 levels, and the image 2");
    set_ome("a/labels/zarr.json", "{\"version\":\"0.5\",\"labels\":[7]}");
    finds("a", "a/labels", "labels[0]");
    set_ome("a/labels/zarr.json", "{\"version\":\"0.5\",\"labels\":[\"../x\"]}");
    finds("a", "a/labels", "labels[0]");
    set_ome("a/labels/zarr.json", "{\"version\":\"0.5\",\"labels\":{}}");
    finds("a", "a", "labels");
}

/* ---- plates ------------------------------------------------------------------------------------------*/

#define PLATE(rows, columns, wells, more)                                       \
    "{\"version\":\"0.5\",\"plate\":{\"rows\":[" rows "],\"columns\":[" columns \
    "],\"wells\":[" wells "]" more "}}"
#define A   "{\"name\":\"A\"}"
#define N1  "{\"name\":\"1\"}"
#define N2  "{\"name\":\"2\"}"
#define A1  "{\"path\":\"A/1\",\"rowIndex\":0,\"columnIndex\":0}"
#define ACQ ",\"acquisitions\":[{\"id\":0},{\"id\":1}]"

Test(validate, what_is_wrong_with_a_plate_is_found)
{
    static const struct {
        const char *ome;
        const char *words;
    } cases[] = {
        { PLATE("", N1, A1, ""), "rows" },
        { PLATE(A, "7", A1, ""), "columns[0]" },
        { PLATE(A "," A, N1, A1, ""), "two have the name" },
        { PLATE(A, "{\"name\":\"1\"},{\"name\":\"1/2\"}", A1, ""), "columns[1]" },
        { PLATE(A, N1, "", ""), "wells" },
        { PLATE(A, N1, "7", ""), "wells[0]" },
        { PLATE(A, N1, "{\"path\":\"A/1\",\"rowIndex\":1,\"columnIndex\":0}", ""), "wells[0]" },
        { PLATE(A, N1, "{\"path\":\"A/1\",\"rowIndex\":0,\"columnIndex\":-1}", ""), "wells[0]" },
        { PLATE(A, N1, "{\"path\":\"A/2\",\"rowIndex\":0,\"columnIndex\":0}", ""), "wells[0]" },
        { PLATE(A, N1, "{\"path\":\"x/A/1\",\"rowIndex\":0,\"columnIndex\":0}", ""), "wells[0]" },
        { PLATE(A, N1, "{\"path\":\"../a\",\"rowIndex\":0,\"columnIndex\":0}", ""), "wells[0]" },
        { PLATE(A, N1, A1 "," A1, ""), "wells[1] is there twice" },
        { PLATE(A, N1, A1, ",\"field_count\":0"), "field_count" },
        { PLATE(A, N1, A1, ",\"field_count\":1"), "field_count is 1, and a well has 2" },
        { PLATE(A, N1, A1, ",\"acquisitions\":[{\"id\":-1}]"), "acquisitions[0].id" },
        { PLATE(A, N1, A1, ",\"acquisitions\":[{\"id\":1},{\"id\":1}]"), "acquisitions[1].id" },
        { PLATE(A, N1, A1, ",\"acquisitions\":[{\"id\":1,\"maximumfieldcount\":0}]"),
          "maximumfieldcount" },
        { "{\"version\":\"0.5\",\"plate\":7}", "rows" },
    };

    set_ome("p/A/1/zarr.json",
            "{\"version\":\"0.5\",\"well\":{\"images\":[{\"path\":\"0\",\"acquisition\":1},"
            "{\"path\":\"1\",\"acquisition\":1}]}}");
    set_ome("p/A/1/0/zarr.json", IMAGE(Y "," X, ONE, ""));
    set_array("p/A/1/0/0/zarr.json", "[8,8]", "uint8", "[\"y\",\"x\"]");
    set_ome("p/A/1/1/zarr.json", IMAGE(Y "," X, ONE, ""));
    set_array("p/A/1/1/0/zarr.json", "[8,8]", "uint8", "[\"y\",\"x\"]");
    set_ome("p/zarr.json",
            PLATE(A, N1 "," N2, A1 ",{\"path\":\"A/2\",\"rowIndex\":0,\"columnIndex\":1}", ACQ));
    is_right("p"); /* A/2 has no images, and no group */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct told t = { .stop_at = 1 };
        set_ome("p/zarr.json", cases[i].ome);
        FAILS(HOLOG_E_INVAL, validate("p", &t), cases[i].words);
        cr_assert_str_eq(t.path, "p");
    }
}

Test(validate, what_is_wrong_with_a_well_is_found)
{
    static const struct {
        const char *images;
        const char *at;
        const char *words;
    } cases[] = {
        { "", "p/A/1", "images" },
        { "{\"acquisition\":0}", "p/A/1", "images[0].path" },
        { "{\"path\":\"0/0\",\"acquisition\":0}", "p/A/1", "images[0].path" },
        { "{\"path\":\"..\",\"acquisition\":0}", "p/A/1", "images[0].path" },
        { "{\"path\":\"5\",\"acquisition\":0}", "p/A/1/5", "no such entry" },
        { "{\"path\":\"0\"}", "p/A/1", "no acquisition" },
        { "{\"path\":\"0\",\"acquisition\":\"0\"}", "p/A/1", "no integer" },
        { "{\"path\":\"0\",\"acquisition\":2}", "p/A/1", "none of the plate's" },
        { "{\"path\":\"0\",\"acquisition\":0},{\"path\":\"0\",\"acquisition\":1}", "p/A/1",
          "twice" },
    };

    set_ome("p/zarr.json", PLATE(A, N1, A1, ACQ));
    set_ome("p/A/1/0/zarr.json", IMAGE(Y "," X, ONE, ""));
    set_array("p/A/1/0/0/zarr.json", "[8,8]", "uint8", "[\"y\",\"x\"]");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char ome[400];
        (void)snprintf(ome, sizeof ome, "{\"version\":\"0.5\",\"well\":{\"images\":[%s]}}",
                       cases[i].images);
        set_ome("p/A/1/zarr.json", ome);
        finds("p", cases[i].at, cases[i].words);
    }
    set_ome("p/A/1/zarr.json",
            "{\"version\":\"0.4\",\"well\":{\"images\":[{\"path\":\"0\",\"acquisition\":0}]}}");
    finds("p", "p/A/1", "version");
}

/* ---- in all ------------------------------------------------------------------------------------------*/

Test(validate, each_problem_is_told_until_it_is_enough)
{
    struct told t = { 0 };

    set_ome("a/zarr.json", "{\"multiscales\":[{\"axes\":[" Y "," X "],\"datasets\":[7,7,7]}]}");
    FAILS(HOLOG_E_INVAL, validate("a", &t), "version");
    cr_assert_gt(t.count, 6);
    t.stop_at = 3;
    FAILS(HOLOG_E_INVAL, validate("a", &t), "version");
    cr_assert_eq(t.count, 3);
}

Test(validate, what_is_nothing_of_ome_is_said_to_be)
{
    struct told t = { 0 };

    set("g/zarr.json", "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"ome\":7}}");
    FAILS(HOLOG_E_TYPE, validate("g", &t), "no metadata");
    FAILS(HOLOG_E_TYPE, validate("/", &t), "no metadata");
    FAILS(HOLOG_E_NOENT, validate("none", &t), "none");
    set_ome("g/zarr.json", "{\"version\":\"0.5\"}");
    FAILS(HOLOG_E_INVAL, validate("g", &t), "no image, labels, plate or well");
}

Test(validate, a_transaction_is_checked_before_it_commits)
{
    const holog_ome_plate_spec plate = { .struct_size = sizeof plate, .n_rows = 1, .n_columns = 1 };
    holog_txn *txn = NULL;
    struct told t = { 0 };

    OK(holog_begin(box.store, &txn));
    OK(holog_txn_ome_plate_create(txn, "p", &plate, 0));
    FAILS(HOLOG_E_INVAL, holog_txn_ome_validate(txn, "p", tell, &t), "wells");
    FAILS(HOLOG_E_INVAL, holog_txn_ome_validate(txn, "p", NULL, NULL), "wells");
    holog_abort(txn);
}

/* Labels that lead back to themselves, by symlinks. */
Test(validate, links_in_a_circle_end)
{
    struct told t = { 0 };

    set_ome("a/zarr.json", IMAGE(Y "," X, ONE "," TWO, ""));
    set_levels();
    set_ome("a/labels/zarr.json", "{\"version\":\"0.5\",\"labels\":[\"l\",\"m\"]}");
    OK(holog_symlink(box.store, "..", "a/labels/l", 0, NULL));
    OK(holog_symlink(box.store, "m", "a/labels/m", 0, NULL));
    FAILS(HOLOG_E_INVAL, validate("a", &t), "m");
    cr_assert_eq(t.count, 1, "%u: %s", t.count, t.message);
}

/* What any byte of a document can become is an answer. */
Test(validate, documents_with_other_bytes_are_judged)
{
    static const char good[] =
        "{\"zarr_format\":3,\"node_type\":\"group\",\"attributes\":{\"ome\":" IMAGE(
            Y "," X, ONE "," TWO,
            ",\"omero\":{\"channels\":[]},\"image-label\":{\"colors\":[]}") "}}";
    static const char other[] = "0-{}[],\"9e.n/";
    holog_txn *txn = NULL;
    unsigned judged = 0;

    set_levels();
    for (size_t at = 0; at < sizeof good - 1; at++) {
        for (size_t k = 0; k < sizeof other - 1; k += test_level() == 0 ? 4 : 1) {
            char bad[sizeof good];
            int rc;
            memcpy(bad, good, sizeof good);
            bad[at] = other[(at + k) % (sizeof other - 1)];
            OK(holog_begin(box.store, &txn));
            if (holog_txn_zarr_set(txn, "/", "a/zarr.json", bad, strlen(bad)) == HOLOG_OK) {
                rc = holog_txn_ome_validate(txn, "a", NULL, NULL);
                cr_assert(rc == HOLOG_OK || rc == HOLOG_E_INVAL || rc == HOLOG_E_TYPE, "%s: %s",
                          bad, holog_error_name(rc));
                rc = holog_txn_ome_pyramid_update(txn, "a", NULL, NULL, NULL);
                cr_assert(rc == HOLOG_OK || rc == HOLOG_E_INVAL || rc == HOLOG_E_TYPE ||
                              rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTSUP,
                          "%s: %s", bad, holog_error_name(rc));
                judged++;
            }
            holog_abort(txn);
        }
    }
    cr_assert_gt(judged, 200);
}
