/*
 * A hierarchy as files and back: the same keys and bytes; what was exported is there whole or not at all; what
 * cannot be imported is told, and loses nothing else.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../store/storekit.h"
#include "holog/array.h"
#include "holog/zarr.h"

static struct box box;
static char outside[300];

static void setup(void)
{
    box_begin(&box);
    (void)snprintf(outside, sizeof outside, "%s-files", box.dir);
    cr_assert_eq(mkdir(outside, 0700), 0);
}

static void teardown(void)
{
    box_same_after_reopen(&box);
    box_end(&box);
    remove_tree(outside);
}

TestSuite(zarr_files, .init = setup, .fini = teardown, .timeout = 60);

static const char *place(const char *name)
{
    static char path[600];

    (void)snprintf(path, sizeof path, "%s/%s", outside, name);
    return path;
}

#ifdef HAVE_ZIP
#define ZIP 1
#else
#define ZIP 0
#endif

/* Zip files come by their plug-in. */
static void need_zip(void)
{
    if (!ZIP)
        cr_skip_test("this build has no plug-in for zip files: libzip is missing");
}

static char told[2000];     /* what was left out and noted */
static const char *unnamed; /* what is not to be there while it is made */
static int skips;

static int tell_left_out(void *ctx, const char *path, int code, const char *message)
{
    (void)ctx;
    (void)snprintf(told + strlen(told), sizeof told - strlen(told), "%s %s %s\n", path,
                   holog_error_name(code), message);
    return !skips;
}

static int look(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    (void)ctx;
    (void)done;
    (void)total;
    cr_assert_str_eq(unit, "keys");
    cr_assert(unnamed == NULL || access(place(unnamed), F_OK) != 0, "%s is there", unnamed);
    return 0;
}

/* A name that ends in .ozx is a zip file. */
static int export_to(const char *path, const char *name, unsigned flags)
{
    holog_zarr_export_options options = { .struct_size = sizeof options,
                                          .flags = strstr(name, ".ozx") != NULL
                                                       ? HOLOG_ZARR_EXPORT_ZIP
                                                       : 0,
                                          .left_out = tell_left_out,
                                          .progress = look };
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    int rc;

    told[0] = 0;
    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, path, flags, &zarr));
    rc = holog_zarr_export(zarr, place(name), &options);
    holog_zarr_close(zarr);
    holog_view_close(view);
    return rc;
}

static unsigned damaged;
static int answer;

static int tell(void *ctx, const char *key, int code, const char *message)
{
    (void)ctx;
    (void)code;
    cr_assert_gt(strlen(key), 0);
    cr_assert_gt(strlen(message), 0);
    damaged++;
    return answer;
}

static void note(void *ctx, const char *key, const char *message)
{
    (void)ctx;
    (void)snprintf(told + strlen(told), sizeof told - strlen(told), "%s %s\n", key, message);
}

static int import_from(const char *name, const char *path)
{
    holog_zarr_import_options options = { .struct_size = sizeof options,
                                          .left_out = tell,
                                          .noted = note };
    holog_txn *txn = NULL;
    int rc;

    told[0] = 0;
    OK(holog_begin(box.store, &txn));
    rc = holog_txn_zarr_import(txn, path, place(name), &options);
    if (rc == HOLOG_OK)
        return holog_commit(txn, NULL);
    holog_abort(txn);
    return rc;
}

struct list {
    holog_zarr *zarr;
    uint64_t sum; /* of all keys and bytes */
    unsigned keys;
};

static int add_key(void *ctx, const char *key, uint64_t size)
{
    struct list *l = ctx;
    holog_value *v = NULL;
    const uint8_t *p;

    OK(holog_zarr_get(l->zarr, key, &v));
    cr_assert_eq(size, holog_value_size(v));
    for (const char *c = key; *c != 0; c++)
        l->sum = l->sum * 31 + (uint8_t)*c;
    p = holog_value_data(v);
    for (size_t i = 0; i < holog_value_size(v); i++)
        l->sum = l->sum * 31 + p[i];
    l->keys++;
    holog_value_release(v);
    return 0;
}

static struct list all_of(const char *path)
{
    holog_view *view = NULL;
    struct list l = { 0 };

    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, path, 0, &l.zarr));
    OK(holog_zarr_list(l.zarr, "", add_key, &l));
    holog_zarr_close(l.zarr);
    holog_view_close(view);
    return l;
}

static void make_well(void)
{
    static uint16_t data[20 * 30 * 40];
    const uint64_t shape[3] = { 20, 30, 40 };
    const uint64_t chunk[3] = { 4, 16, 16 };
    const uint64_t inner[3] = { 2, 8, 8 };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape, .chunk = chunk
    };

    for (unsigned i = 0; i < 20 * 30 * 40; i++)
        data[i] = (uint16_t)(i / 7);
    OK(holog_array_save(box.store, "well/raw", &spec, data, NULL, HOLOG_PARENTS, NULL));
    spec.codec = HOLOG_CODEC_ZSTD;
    OK(holog_array_save(box.store, "well/field/packed", &spec, data, NULL, HOLOG_PARENTS, NULL));
    spec.inner_chunk = inner;
    OK(holog_array_save(box.store, "well/field/shards", &spec, data, NULL, 0, NULL));
    OK(save_text(box.store, "well/notes.txt", "beside", 0));
}

Test(zarr_files, what_is_exported_is_imported_byte_for_byte)
{
    struct list before;
    struct list after;

    make_well();
    before = all_of("well");
    OK(export_to("well", "out.zarr", 0));
    OK(import_from("out.zarr", "back"));
    after = all_of("back");
    cr_assert_eq(before.keys, after.keys);
    cr_assert_eq(before.sum, after.sum);
    cr_assert_gt(before.keys, 90);
    OK(export_to("back", "again.zarr", 0));
}

/* Outside, the bytes of a file; NULL: there is none. */
static char *read_outside(const char *name, size_t *out_len)
{
    FILE *f = fopen(place(name), "rb");
    char *bytes = malloc(1 << 22);

    cr_assert_not_null(bytes);
    if (f == NULL) {
        free(bytes);
        return NULL;
    }
    *out_len = fread(bytes, 1, 1 << 22, f);
    (void)fclose(f);
    return bytes;
}

static void write_outside(const char *name, const char *bytes, size_t len)
{
    FILE *f = fopen(place(name), "wb");

    cr_assert(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0, "%s", name);
}

static unsigned names_outside(const char *with)
{
    struct dirent **list = NULL;
    unsigned found = 0;
    int n = scandir(outside, &list, NULL, NULL);

    for (int i = 0; i < n; i++) {
        found += strstr(list[i]->d_name, with) != NULL;
        free(list[i]);
    }
    free(list);
    return found;
}

/* ---- as one file ---------------------------------------------------------------------------------------*/

Test(zarr_files, a_zip_file_is_imported_byte_for_byte_and_is_always_the_same)
{
    struct list before;
    struct list after;
    size_t len = 0;
    size_t again = 0;
    char *bytes;
    char *other;

    need_zip();
    make_well();
    before = all_of("well");
    OK(export_to("well", "out.ozx", 0));
    OK(import_from("out.ozx", "back"));
    after = all_of("back");
    cr_assert(before.keys == after.keys && before.sum == after.sum);
    OK(export_to("back", "again.ozx", 0));
    bytes = read_outside("out.ozx", &len);
    other = read_outside("again.ozx", &again);
    cr_assert(len == again && memcmp(bytes, other, len) == 0);
    cr_assert_eq(memcmp(bytes + len - 75,
                        "{\"ome\":{\"version\":\"0.5\",\"zipFile\":{\"centralDirectory\":{"
                        "\"jsonFirst\":true}}}}",
                        75),
                 0);
    cr_assert_eq(memcmp(bytes + 30, "zarr.json", 9), 0, "the root's is the first");
    free(bytes);
    free(other);
    OK(export_to("back", "out.zarr", 0));
    OK(import_from("out.zarr", "third"));
    cr_assert_eq(all_of("third").sum, before.sum);
}

/* The names of local headers, one behind the other. */
static void names_in_order(const char *bytes, size_t len, char *out, size_t room)
{
    for (size_t at = 0; at + 30 < len && memcmp(bytes + at, "PK\3\4", 4) == 0;) {
        size_t name_len = (uint8_t)bytes[at + 26] | (size_t)(uint8_t)bytes[at + 27] << 8;
        uint64_t size;
        memcpy(&size, bytes + at + 30 + name_len + 4, sizeof size);
        (void)snprintf(out + strlen(out), room - strlen(out), "%.*s ", (int)name_len,
                       bytes + at + 30);
        at += 30 + name_len + 20 + size;
    }
}

Test(zarr_files, in_a_zip_file_documents_come_first_and_those_further_up_before)
{
    static char names[8000];
    size_t len = 0;
    char *bytes;

    need_zip();
    make_well();
    OK(export_to("well", "out.ozx", 0));
    bytes = read_outside("out.ozx", &len);
    names_in_order(bytes, len, names, sizeof names);
    free(bytes);
    cr_assert_eq(strncmp(names,
                         "zarr.json field/zarr.json raw/zarr.json field/packed/zarr.json "
                         "field/shards/zarr.json field/packed/c/0/0/0 ",
                         106),
                 0, "%s", names);
    cr_assert_eq(strlen(strstr(names, "raw/c/4/1/2")), 12, "and it ends with the last chunk");
}

Test(zarr_files, it_has_its_name_only_when_all_of_it_is_there)
{
    make_well();
    unnamed = "out.zarr";
    OK(export_to("well", "out.zarr", 0));
    unnamed = "out.ozx";
    if (ZIP)
        OK(export_to("well", "out.ozx", 0));
    unnamed = NULL;
    cr_assert_eq(names_outside("partial"), 0);
}

Test(zarr_files, a_zip_file_that_is_there_is_left_alone)
{
    need_zip();
    make_well();
    write_outside("out.ozx", "mine", 4);
    FAILS(HOLOG_E_EXIST, export_to("well", "out.ozx", 0), "exists");
    cr_assert_eq(names_outside("out.ozx"), 1);
}

/* One flipped byte of its data, wherever it is, one that is missing: nothing of it is there afterwards. */
Test(zarr_files, of_a_damaged_zip_file_nothing_or_all_but_that_is_taken)
{
    size_t len = 0;
    char *bytes;

    need_zip();
    make_well();
    OK(export_to("well", "out.ozx", 0));
    bytes = read_outside("out.ozx", &len);
    write_outside("short.ozx", bytes, len - 1000);
    FAILS(HOLOG_E_INVAL, import_from("short.ozx", "none"), "short.ozx");
    bytes[len / 2] ^= 1;
    write_outside("flipped.ozx", bytes, len);
    free(bytes);
    answer = 1;
    FAILS(HOLOG_E_CORRUPT, import_from("flipped.ozx", "none"), "flipped.ozx");
    FAILS(HOLOG_E_CORRUPT, import_from("flipped.ozx", "none"), "entry \"");
    cr_assert_eq(type_of(box.store, "none"), HOLOG_MISSING);
    answer = 0;
    OK(import_from("flipped.ozx", "most"));
    cr_assert_eq(all_of("most").keys, all_of("well").keys - 1);
}

Test(zarr_files, what_is_no_zip_file_is_refused)
{
    need_zip();
    write_outside("text.ozx", "no zip file at all, but long enough to be one", 45);
    FAILS(HOLOG_E_INVAL, import_from("text.ozx", "a"), "no zip file");
    write_outside("empty.ozx", "", 0);
    FAILS(HOLOG_E_INVAL, import_from("empty.ozx", "a"), "no zip file");
    cr_assert_eq(mkfifo(place("fifo.ozx"), 0600), 0);
    FAILS(HOLOG_E_TYPE, import_from("fifo.ozx", "a"), "no regular file");
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
}

/* ---- what does not go ----------------------------------------------------------------------------------*/

Test(zarr_files, a_key_that_others_begin_with_is_named_with_one_of_them)
{
    make_well();
    OK(save_text(box.store, "well/raw/c", "where chunks are to be", 0));
    for (int zip = 0; zip <= ZIP; zip++) {
        FAILS(HOLOG_E_EXIST, export_to("well", zip ? "out.ozx" : "out.zarr", 0), "raw/c: ");
        FAILS(HOLOG_E_EXIST, export_to("well", zip ? "out.ozx" : "out.zarr", 0), "raw/c/0/0/0");
    }
    cr_assert_eq(names_outside("out"), 0, "nothing is left of it");
}

Test(zarr_files, a_failed_export_leaves_nothing_behind)
{
    make_well();
    OK(save_text(box.store, "well/.holog-tmp-x", "a name that files may not have", 0));
    FAILS(HOLOG_E_BADPATH, export_to("well", "out.zarr", 0), "holog-tmp");
    cr_assert_eq(names_outside("out"), 0);
    if (ZIP)
        OK(export_to("well", "out.ozx", 0));
}

Test(zarr_files, arrays_that_zarr_2_has_no_words_for_are_told_with_the_reason)
{
    make_well();
    FAILS(HOLOG_E_NOTSUP, export_to("well", "two.zarr", HOLOG_ZARR_V2), "field/shards");
    cr_assert_eq(names_outside("two"), 0);
    skips = 1;
    OK(export_to("well", "two.zarr", HOLOG_ZARR_V2));
    skips = 0;
    cr_assert_not_null(strstr(told, "field/shards HOLOG_E_NOTSUP"), "%s", told);
    cr_assert_not_null(strstr(told, "no shards"), "%s", told);
    cr_assert_null(strstr(told, "packed"));
    cr_assert_eq(access(place("two.zarr/field/packed/.zarray"), F_OK), 0);
    cr_assert_neq(access(place("two.zarr/field/shards/.zarray"), F_OK), 0);
}

/* ---- what others write ---------------------------------------------------------------------------------*/

#define TEXTS                                                                            \
    "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4],\"data_type\":\"string\"," \
    "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[2]}},"     \
    "\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":\"\","                 \
    "\"codecs\":[{\"name\":\"vlen-utf8\"}],\"attributes\":{}}"

Test(zarr_files, an_array_of_texts_keeps_its_bytes_and_cannot_be_opened)
{
    char v2[] = "{\"zarr_format\":2,\"shape\":[4],\"chunks\":[2],\"dtype\":\"<U3\",\"order\":\"C\","
                "\"compressor\":null,\"filters\":null,\"fill_value\":\"\"}";
    struct list before;
    holog_array *a = NULL;

    cr_assert_eq(mkdir(place("t.zarr"), 0700), 0);
    cr_assert_eq(mkdir(place("t.zarr/c"), 0700), 0);
    write_outside("t.zarr/zarr.json", TEXTS, sizeof TEXTS - 1);
    write_outside("t.zarr/c/1", "texts", 5);
    OK(import_from("t.zarr", "texts"));
    before = all_of("texts");
    cr_assert_eq(before.keys, 2);
    FAILS(HOLOG_E_NOTSUP, holog_array_open(box.store, "texts", &a), "string");
    OK(export_to("texts", ZIP ? "out.ozx" : "out.zarr", 0));
    OK(import_from(ZIP ? "out.ozx" : "out.zarr", "back"));
    cr_assert_eq(all_of("back").sum, before.sum);
    FAILS(HOLOG_E_NOTSUP, export_to("texts", "two.zarr", HOLOG_ZARR_V2), "string");
    cr_assert_eq(mkdir(place("u.zarr"), 0700), 0);
    write_outside("u.zarr/.zarray", v2, sizeof v2 - 1);
    write_outside("u.zarr/1", "twenty-four bytes of it.", 24);
    OK(import_from("u.zarr", "fixed"));
    FAILS(HOLOG_E_NOTSUP, holog_array_open(box.store, "fixed", &a), "numpy");
    OK(export_to("fixed", "two.zarr", HOLOG_ZARR_V2));
    OK(import_from("two.zarr", "fixed2"));
    cr_assert_eq(all_of("fixed2").sum, all_of("fixed").sum);
}

Test(zarr_files, chunks_over_the_limit_are_refused_with_it)
{
    static const char json[] =
        "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[%s],\"data_type\":\"uint16\","
        "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[%s]}},"
        "\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":0,"
        "\"codecs\":[{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}}]}";
    static const char *const sizes[] = { "1073741823", "1073741824" }; /* of 2 bytes */
    char text[500];
    holog_array *a = NULL;

    answer = 1;
    cr_assert_eq(mkdir(place("big.zarr"), 0700), 0);
    for (unsigned i = 0; i < 2; i++) {
        int len = snprintf(text, sizeof text, json, sizes[i], sizes[i]);
        write_outside("big.zarr/zarr.json", text, (size_t)len);
        if (i == 0)
            OK(import_from("big.zarr", "big"));
        else
            FAILS(HOLOG_E_TOOBIG, import_from("big.zarr", "bigger"), "2^31 - 1");
    }
    OK(holog_array_open(box.store, "big", &a));
    holog_array_close(a);
    cr_assert_eq(type_of(box.store, "bigger"), HOLOG_MISSING);
}

/* Readers that meet a type that they do not know there refuse every array of the hierarchy. */
Test(zarr_files, a_type_that_v3_has_no_word_for_is_not_in_consolidated_metadata)
{
    char plain[] =
        "{\"zarr_format\":2,\"shape\":[4],\"chunks\":[2],\"dtype\":\"<u2\",\"order\":\"C\","
        "\"compressor\":null,\"filters\":null,\"fill_value\":0}";
    char dates[] =
        "{\"zarr_format\":2,\"shape\":[4],\"chunks\":[2],\"dtype\":\"<M8[ns]\",\"order\":\"C\","
        "\"compressor\":null,\"filters\":null,\"fill_value\":0}";
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    holog_value *v = NULL;

    cr_assert_eq(mkdir(place("g.zarr"), 0700), 0);
    cr_assert_eq(mkdir(place("g.zarr/plain"), 0700), 0);
    cr_assert_eq(mkdir(place("g.zarr/dates"), 0700), 0);
    write_outside("g.zarr/.zgroup", "{\"zarr_format\":2}", 17);
    write_outside("g.zarr/plain/.zarray", plain, sizeof plain - 1);
    write_outside("g.zarr/dates/.zarray", dates, sizeof dates - 1);
    OK(import_from("g.zarr", "g"));
    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, "g", HOLOG_ZARR_CONSOLIDATED, &zarr));
    OK(holog_zarr_get(zarr, "zarr.json", &v));
    cr_assert_not_null(memmem(holog_value_data(v), holog_value_size(v), "plain", 5));
    cr_assert_null(memmem(holog_value_data(v), holog_value_size(v), "dates", 5));
    holog_value_release(v);
    OK(holog_zarr_get(zarr, "dates/zarr.json", &v));
    holog_value_release(v);
    holog_zarr_close(zarr);
    OK(holog_zarr_open(view, "g", HOLOG_ZARR_V2, &zarr));
    OK(holog_zarr_get(zarr, ".zmetadata", &v));
    cr_assert_not_null(memmem(holog_value_data(v), holog_value_size(v), "M8", 2));
    holog_value_release(v);
    holog_zarr_close(zarr);
    holog_view_close(view);
}

Test(zarr_files, numbers_that_json_has_not_are_taken_as_strings_and_noted)
{
    static const char group[] = "{\"zarr_format\":3,\"node_type\":\"group\","
                                "\"attributes\":{\"low\":-Infinity,\"of\":[NaN,1]}}";
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;
    holog_value *v = NULL;

    cr_assert_eq(mkdir(place("n.zarr"), 0700), 0);
    write_outside("n.zarr/zarr.json", group, sizeof group - 1);
    OK(import_from("n.zarr", "n"));
    cr_assert_not_null(strstr(told, "zarr.json NaN or Infinity"), "%s", told);
    cr_assert_not_null(strstr(told, ": 2"), "%s", told);
    OK(holog_view_open(box.store, &view));
    OK(holog_zarr_open(view, "n", 0, &zarr));
    OK(holog_zarr_get(zarr, "zarr.json", &v));
    cr_assert_not_null(memmem(holog_value_data(v), holog_value_size(v), "\"-Infinity\"", 11));
    cr_assert_not_null(memmem(holog_value_data(v), holog_value_size(v), "\"NaN\"", 5));
    holog_value_release(v);
    holog_zarr_close(zarr);
    holog_view_close(view);
    OK(import_from("n.zarr", "m"));
    write_outside("n.zarr/zarr.json", "{\"zarr_format\":Nan}", 19);
    answer = 1;
    FAILS(HOLOG_E_INVAL, import_from("n.zarr", "o"), "word");
}

Test(zarr_files, a_directory_that_is_there_is_left_alone)
{
    make_well();
    cr_assert_eq(mkdir(place("out.zarr"), 0700), 0);
    FAILS(HOLOG_E_EXIST, export_to("well", "out.zarr", 0), "exists");
    cr_assert_eq(rmdir(place("out.zarr")), 0, "nothing was put there");
}

Test(zarr_files, a_failed_export_does_not_look_complete)
{
    make_well();
    OK(save_text(box.store, "well/.holog-tmp-x", "a name that files may not have", 0));
    FAILS(HOLOG_E_BADPATH, export_to("well", "out.zarr", 0), "holog-tmp");
    cr_assert_neq(access(place("out.zarr"), F_OK), 0);
}

Test(zarr_files, a_torn_shard_is_told_and_all_else_is_imported)
{
    char shard[600];

    make_well();
    OK(export_to("well", "out.zarr", 0));
    (void)snprintf(shard, sizeof shard, "%s", place("out.zarr/field/shards/c/0/0/0"));
    cr_assert_eq(truncate(shard, 1000), 0); /* what a killed writer leaves */
    answer = 1;
    FAILS(HOLOG_E_INVAL, import_from("out.zarr", "none"), NULL);
    cr_assert_eq(type_of(box.store, "none"), HOLOG_MISSING);
    cr_assert_eq(damaged, 1);
    answer = 0;
    OK(import_from("out.zarr", "most"));
    cr_assert_eq(damaged, 2);
    cr_assert_eq(all_of("most").keys, all_of("well").keys - 1);
}

Test(zarr_files, a_raw_chunk_of_another_length_is_told_and_all_else_is_imported)
{
    char chunk[600];

    make_well();
    OK(export_to("well", "out.zarr", 0));
    (void)snprintf(chunk, sizeof chunk, "%s", place("out.zarr/raw/c/1/0/2"));
    cr_assert_eq(truncate(chunk, 2047), 0);
    answer = 1;
    FAILS(HOLOG_E_INVAL, import_from("out.zarr", "none"),
          "raw/c/1/0/2: the chunk has 2047 bytes, and its 1024 elements are 2048");
    cr_assert_eq(type_of(box.store, "none"), HOLOG_MISSING);
    cr_assert_eq(damaged, 1);
    cr_assert_eq(truncate(chunk, 4096), 0);
    answer = 0;
    OK(import_from("out.zarr", "most"));
    cr_assert_eq(damaged, 2);
    cr_assert_eq(all_of("most").keys, all_of("well").keys - 1);
    cr_assert_eq(truncate(chunk, 0), 0);
    OK(import_from("out.zarr", "again"));
    cr_assert_eq(damaged, 3);
}

/* Also of v2, and of big-endian elements; what is encoded has any length. */
Test(zarr_files, only_chunks_that_are_their_elements_are_measured)
{
    static const char v2[] =
        "{\"zarr_format\":2,\"shape\":[4],\"chunks\":[2],\"dtype\":\">u2\",\"order\":\"C\","
        "\"compressor\":%s,\"filters\":null,\"fill_value\":0}";
    static const char *const compressors[] = { "null", "{\"id\":\"zlib\",\"level\":1}" };
    char json[300];

    cr_assert_eq(mkdir(place("v.zarr"), 0700), 0);
    write_outside("v.zarr/0", "12345", 5);
    write_outside("v.zarr/1", "1234", 4);
    write_outside("v.zarr/2", "beyond the grid: no chunk", 25);
    for (unsigned i = 0; i < 2; i++) {
        int len = snprintf(json, sizeof json, v2, compressors[i]);
        write_outside("v.zarr/.zarray", json, (size_t)len);
        damaged = 0;
        answer = 0;
        OK(import_from("v.zarr", i == 0 ? "raw" : "encoded"));
        cr_assert_eq(damaged, i == 0 ? 1 : 0, "%s", compressors[i]);
    }
}

/* What other stores cannot: after a torn shard every later write of it fails there, for ever. */
Test(zarr_files, a_shard_that_was_torn_elsewhere_is_written_again_here)
{
    const holog_slice dot[3] = { { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 } };
    const uint16_t seven = 7;
    uint16_t read = 0;
    holog_array *a = NULL;

    make_well();
    OK(export_to("well", "out.zarr", 0));
    cr_assert_eq(truncate(place("out.zarr/field/shards/c/0/0/0"), 1000), 0);
    OK(import_from("out.zarr", "most"));
    OK(holog_array_update(box.store, "most/field/shards", dot, &seven, NULL, NULL));
    OK(holog_array_open(box.store, "most/field/shards", &a));
    OK(holog_array_read(a, dot, &read, NULL));
    cr_assert_eq(read, 7);
    holog_array_close(a);
}

Test(zarr_files, symlinks_lead_nowhere)
{
    make_well();
    OK(export_to("well", "out.zarr", 0));
    cr_assert_eq(symlink("/etc", place("out.zarr/etc")), 0);
    OK(import_from("out.zarr", "back"));
    cr_assert_eq(type_of(box.store, "back/etc"), HOLOG_MISSING);
    cr_assert_eq(all_of("back").sum, all_of("well").sum);
}

Test(zarr_files, what_is_no_hierarchy_is_refused)
{
    cr_assert_eq(mkdir(place("empty"), 0700), 0);
    FAILS(HOLOG_E_INVAL, import_from("empty", "a"), "zarr.json");
    FAILS(HOLOG_E_NOENT, import_from("missing", "a"), NULL);
    cr_assert_eq(type_of(box.store, "a"), HOLOG_MISSING);
}
