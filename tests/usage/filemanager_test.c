/*
 * What programs do with one file manager over several backends: where results go, what they are when they come
 * back, what is refused. Paths, wells and settings are those of an imaging pipeline.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "usagekit.h"

TestSuite(filemanager, .timeout = 120);

#define ROWS 24
#define COLS 32

static const uint64_t image_shape[2] = { ROWS, COLS };
static uint16_t pixels[ROWS * COLS];

static holog_object_spec image(uint64_t seed)
{
    fill_pixels(pixels, ROWS * COLS, seed);
    return array_spec(pixels, HOLOG_UINT16, 2, image_shape);
}

static void has_image(holog_backend *b, const char *path, uint64_t seed)
{
    uint16_t want[ROWS * COLS];

    fill_pixels(want, ROWS * COLS, seed);
    has_array(b, path, HOLOG_UINT16, 2, image_shape, want);
}

/* ---- the registry ----------------------------------------------------------------------------------*/

static int note_name(void *ctx, const char *name, const char *backend)
{
    (void)snprintf((char *)ctx + strlen(ctx), 200 - strlen(ctx), "<%s:%s>", name, backend);
    return 0;
}

Test(filemanager, memory_disk_and_zarr_are_registered_and_others_are_an_error_that_names_them)
{
    char names[200] = "";
    holog_backend *b = NULL;
    holog_backend_options o = { .struct_size = sizeof o };

    ws_begin();
    OK(holog_backend_list(note_name, names));
    cr_assert_not_null(strstr(names, "<memory:memory>"));
    cr_assert_not_null(strstr(names, "<disk:files>"));
    cr_assert_not_null(strstr(names, "<zarr:zarr>"));
    o.store = ws.box.store;
    FAILS(HOLOG_E_NOENT, holog_backend_open("omero", &o, &b), "zarr");
    cr_assert_null(b);
    OK(holog_backend_open("MEMORY", &o, &b)); /* upper and lower case are one */
    OK(holog_backend_close(b));
    ws_end();
}

/* ---- saving where it is said -------------------------------------------------------------------------*/

Test(filemanager, each_result_goes_to_the_backend_that_is_named)
{
    holog_object_spec o = image(1);

    ws_begin();
    OK(holog_vfs_save(ws.memory, "intermediate/step1_output", &o, HOLOG_PARENTS, NULL));
    if (have_tiff())
        OK(holog_vfs_save(ws.disk, "results/final_output.tif", &o, HOLOG_PARENTS, NULL));
    else
        OK(holog_vfs_save(ws.disk, "results/final_output.npy", &o, HOLOG_PARENTS, NULL));
    OK(holog_vfs_save(ws.zarr, "results/large_dataset", &o, HOLOG_PARENTS, NULL));
    for (int round = 0; round < 2; round++) {
        has_image(ws.memory, "intermediate/step1_output", 1);
        has_image(ws.disk, have_tiff() ? "results/final_output.tif" : "results/final_output.npy",
                  1);
        has_image(ws.zarr, "results/large_dataset", 1);
        ws_reopen();
    }
    ws_end();
}

Test(filemanager, one_path_is_one_object_whichever_backend_saved_it_last)
{
    const char *path = have_tiff() ? "processed/image.tif" : "processed/image.npy";
    holog_backend *all[3];

    ws_begin();
    for (uint64_t i = 0; i < 3; i++) {
        holog_object_spec o = image(i);
        all[0] = ws.memory;
        all[1] = ws.disk;
        all[2] = ws.zarr;
        OK(holog_vfs_save(all[i], path, &o, HOLOG_PARENTS | HOLOG_REPLACE, NULL));
        for (size_t k = 0; k < 3; k++)
            has_image(all[k], path, i);
    }
    ws_reopen();
    has_image(ws.memory, path, 2);
    ws_end();
}

static uint32_t place_kind(holog_backend *b, const char *path, char *out_file)
{
    holog_vfs_place place = { .struct_size = sizeof place };

    OK(holog_vfs_resolve(b, path, &place));
    (void)snprintf(out_file, HOLOG_PATH_MAX, "%s", place.file);
    return place.kind;
}

/* The logical path stays what it is; where that is physically, resolve tells. */
Test(filemanager, a_logical_path_is_a_segment_in_the_store_and_a_file_in_the_workspace)
{
    static const char *const logical = "/pipeline/step1/output/processed_images.npy";
    holog_object_spec o = image(4);
    char file[HOLOG_PATH_MAX];
    char want[HOLOG_PATH_MAX];

    ws_begin();
    OK(holog_vfs_save(ws.memory, logical, &o, HOLOG_PARENTS, NULL));
    OK(holog_vfs_sync(ws.memory));
    cr_assert_eq(place_kind(ws.memory, logical, file), HOLOG_PLACE_SEGMENT);
    cr_assert_not_null(strstr(file, "seg/"), "%s", file);
    OK(holog_vfs_save(ws.disk, logical, &o, HOLOG_REPLACE, NULL));
    (void)snprintf(want, sizeof want, "%s%s", ws.root, logical);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(place_kind(ws.disk, logical, file), HOLOG_PLACE_FILE);
        cr_assert_str_eq(file, want);
        cr_assert_eq(place_kind(ws.zarr, logical, file), HOLOG_PLACE_SEGMENT);
        ws_reopen();
    }
    ws_end();
}

/* ---- types -----------------------------------------------------------------------------------------*/

Test(filemanager, an_array_saved_as_npy_is_a_file_that_numpy_reads_and_in_memory_the_array_itself)
{
    static const uint64_t shape[1] = { 3 };
    static const double numpy_array[3] = { 1.5, -2, 1e300 };
    holog_object_spec o = array_spec(numpy_array, HOLOG_FLOAT64, 1, shape);
    size_t len = 0;
    char *file;

    ws_begin();
    OK(holog_vfs_save(ws.disk, "data.npy", &o, 0, NULL));
    OK(holog_vfs_save(ws.memory, "data", &o, 0, NULL));
    file = file_beside("data.npy", &len);
    cr_assert_not_null(file);
    cr_assert_eq(memcmp(file, "\x93NUMPY\x01", 7), 0);
    cr_assert_not_null(memmem(file, len, "'descr': '<f8'", 14));
    cr_assert_eq(memcmp(file + len - sizeof numpy_array, numpy_array, sizeof numpy_array), 0);
    free(file);
    ws_reopen();
    has_array(ws.disk, "data.npy", HOLOG_FLOAT64, 1, shape, numpy_array);
    has_array(ws.memory, "data", HOLOG_FLOAT64, 1, shape, numpy_array);
    ws_end();
}

/* What only another program understands is bytes here, and comes back as these. */
Test(filemanager, a_model_of_another_program_is_its_bytes_on_disk_and_in_memory)
{
    static const char torch_tensor[] = "PK\x03\x04 archive/data.pkl";
    size_t len = 0;
    void *file;

    ws_begin();
    OK(holog_vfs_save_bytes(ws.disk, "model.pt", torch_tensor, sizeof torch_tensor, 0, NULL));
    OK(holog_vfs_save_bytes(ws.memory, "model", torch_tensor, sizeof torch_tensor, 0, NULL));
    ws_reopen();
    file = file_beside("model.pt", &len);
    cr_assert_not_null(file);
    cr_assert_eq(len, sizeof torch_tensor);
    cr_assert_eq(memcmp(file, torch_tensor, len), 0);
    free(file);
    for (int i = 0; i < 2; i++) {
        holog_object *o = NULL;
        OK(holog_vfs_load_checked(i == 0 ? ws.disk : ws.memory, i == 0 ? "model.pt" : "model", 0, 0,
                                  NULL, &o));
        cr_assert_eq(holog_object_size(o), sizeof torch_tensor);
        cr_assert_eq(memcmp(holog_object_data(o), torch_tensor, sizeof torch_tensor), 0);
        holog_object_release(o);
    }
    ws_end();
}

Test(filemanager, an_image_is_a_tiff_on_disk_and_a_zarr_array_in_zarr)
{
    holog_object_spec o = image(5);
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    size_t len = 0;
    uint8_t *file;

    if (!have_tiff())
        cr_skip_test("this build has no plug-in for TIFF");
    ws_begin();
    OK(holog_vfs_save(ws.disk, "image.tif", &o, 0, NULL));
    OK(holog_vfs_save(ws.zarr, "image", &o, 0, NULL));
    ws_reopen();
    file = file_beside("image.tif", &len);
    cr_assert_not_null(file);
    cr_assert(memcmp(file, "II*\0", 4) == 0 || memcmp(file, "II+\0", 4) == 0);
    free(file);
    OK(holog_vfs_stat(ws.zarr, "image", &info));
    cr_assert_eq(info.type, HOLOG_ARRAY);
    cr_assert_eq(info.dtype, HOLOG_UINT16);
    has_image(ws.disk, "image.tif", 5);
    has_image(ws.zarr, "image", 5);
    ws_end();
}

/* Text of whatever ending keeps its bytes: what was a dict is no Python text afterwards. */
Test(filemanager, text_that_is_saved_is_the_text_of_the_file)
{
    size_t len = 0;
    char *file;

    ws_begin();
    save_text_to(ws.disk, "results/well.json", "{\"well\": \"A01\", \"cells\": [3, 5]}\n");
    save_text_to(ws.disk, "results/counts.csv", "well,cells\nA01,8\n");
    ws_reopen();
    has_text_in(ws.memory, "results/well.json", "{\"well\": \"A01\", \"cells\": [3, 5]}\n");
    file = file_beside("results/counts.csv", &len);
    cr_assert_not_null(file);
    cr_assert_eq(len, strlen("well,cells\nA01,8\n"));
    cr_assert_eq(memcmp(file, "well,cells\nA01,8\n", len), 0);
    free(file);
    ws_end();
}

Test(filemanager, an_array_without_a_format_in_its_name_is_for_memory_and_zarr_and_disk_says_so)
{
    holog_object_spec o = image(6);

    ws_begin();
    OK(holog_vfs_save(ws.memory, "data/output", &o, HOLOG_PARENTS, NULL));
    OK(holog_vfs_save(ws.zarr, "images/processed", &o, HOLOG_PARENTS, NULL));
    FAILS(HOLOG_E_TYPE, holog_vfs_save(ws.disk, "tensors/model", &o, HOLOG_PARENTS, NULL),
          "tensors/model");
    ws_reopen();
    cr_assert_eq(exists_in(ws.disk, "tensors/model"), 0);
    has_image(ws.disk, "data/output", 6); /* loading it is another matter */
    has_image(ws.zarr, "images/processed", 6);
    ws_end();
}

/* ---- what is refused -----------------------------------------------------------------------------*/

Test(filemanager, a_save_needs_its_parent_and_overwrites_nothing_unless_it_is_told_to)
{
    ws_begin();
    FAILS(HOLOG_E_NOENT, holog_vfs_save_bytes(ws.memory, "step1/output", "x", 1, 0, NULL), "step1");
    OK(holog_vfs_ensure_directory(ws.memory, "step1", NULL));
    OK(holog_vfs_save_bytes(ws.memory, "step1/output", "x", 1, 0, NULL));
    FAILS(HOLOG_E_EXIST, holog_vfs_save_bytes(ws.memory, "step1/output", "y", 1, 0, NULL),
          "step1/output");
    FAILS(HOLOG_E_NOTDIR, holog_vfs_save_bytes(ws.memory, "step1/output/z", "y", 1, 0, NULL), NULL);
    ws_reopen();
    has_text_in(ws.memory, "step1/output", "x");
    ws_end();
}

Test(filemanager, disk_makes_directories_where_that_is_asked_for)
{
    ws_begin();
    FAILS(HOLOG_E_NOENT, holog_vfs_save_bytes(ws.disk, "A01/step1_out/a.txt", "x", 1, 0, NULL),
          NULL);
    OK(holog_vfs_save_bytes(ws.disk, "A01/step1_out/a.txt", "x", 1, HOLOG_PARENTS, NULL));
    ws_reopen();
    has_text_in(ws.disk, "A01/step1_out/a.txt", "x");
    cr_assert_str_eq(listed(ws.disk, "/", NULL), "A01/step1_out/a.txt ");
    ws_end();
}

/* ---- the calls one after the other -----------------------------------------------------------------*/

static int stop(void *ctx, const char *path, uint32_t type)
{
    (void)ctx;
    (void)path;
    (void)type;
    return 1;
}

static void save_ask_list_delete(holog_backend *b, const char *dir)
{
    holog_object_spec o = image(7);
    char path[64];
    char want[80];

    (void)snprintf(path, sizeof path, "%s/data.npy", dir);
    (void)snprintf(want, sizeof want, "%s ", path);
    cr_assert_eq(exists_in(b, path), 0);
    OK(holog_vfs_save(b, path, &o, HOLOG_PARENTS, NULL));
    cr_assert_eq(exists_in(b, path), 1);
    has_image(b, path, 7);
    cr_assert_str_eq(listed(b, dir, "*.npy"), want);
    cr_assert_str_eq(listed(b, dir, "*.tif"), "");
    OK(holog_vfs_delete(b, path, NULL));
    cr_assert_eq(exists_in(b, path), 0);
    FAILS(HOLOG_E_NOENT, holog_vfs_delete(b, path, NULL), "data.npy");
}

Test(filemanager, save_load_exists_delete_and_list_files_are_the_same_on_every_backend)
{
    ws_begin();
    save_ask_list_delete(ws.memory, "path/to");
    save_ask_list_delete(ws.disk, "path/on");
    save_ask_list_delete(ws.zarr, "path/in");
    ws_reopen();
    cr_assert_str_eq(listed(ws.memory, "/", NULL), "");
    FAILS(HOLOG_E_NOENT, holog_vfs_list_files(ws.disk, "nowhere", NULL, NULL, 0, stop, NULL), NULL);
    ws_end();
}

Test(filemanager, what_is_not_there_is_an_error_that_names_what_is_missing)
{
    holog_object *o = NULL;

    ws_begin();
    cr_assert_eq(exists_in(ws.memory, "path/to/data"), 0);
    FAILS(HOLOG_E_NOENT, holog_vfs_load(ws.memory, "path/to/data", &o), "path");
    FAILS(HOLOG_E_NOENT, holog_vfs_load(ws.disk, "path/to/data", &o), "path/to/data");
    OK(holog_vfs_ensure_directory(ws.memory, "path/to", NULL));
    FAILS(HOLOG_E_NOENT, holog_vfs_load(ws.memory, "path/to/data", &o), "path/to/data");
    cr_assert_null(o);
    cr_assert_str_eq(listed(ws.disk, "/", NULL), ""); /* asking has made nothing */
    ws_end();
}

Test(filemanager, data_that_is_loaded_is_checked_against_what_the_step_expects)
{
    holog_object_spec o = image(8);
    holog_object *got = NULL;

    ws_begin();
    OK(holog_vfs_save(ws.memory, "path/to/data", &o, HOLOG_PARENTS, NULL));
    save_text_to(ws.memory, "path/to/notes", "no array");
    ws_reopen();
    FAILS(HOLOG_E_NOENT,
          holog_vfs_load_checked(ws.memory, "path/to/none", HOLOG_UINT16, 2, NULL, &got), NULL);
    FAILS(HOLOG_E_TYPE,
          holog_vfs_load_checked(ws.memory, "path/to/notes", HOLOG_UINT16, 2, NULL, &got), NULL);
    FAILS(HOLOG_E_TYPE,
          holog_vfs_load_checked(ws.memory, "path/to/data", HOLOG_FLOAT32, 2, NULL, &got),
          "float32");
    cr_assert_null(got);
    has_image(ws.memory, "path/to/data", 8);
    ws_end();
}

/* ---- arrays of many images ---------------------------------------------------------------------------*/

#define WELLS 4
#define BATCH 9

/* Wells x batch, as one array in one compressed chunk, that a client of Zarr opens as it stands. */
Test(filemanager, a_plate_is_one_array_of_wells_times_batch_in_a_single_lz4_chunk)
{
    static const uint64_t full_shape[3] = { (uint64_t)WELLS * BATCH, ROWS, COLS };
    static uint16_t all[WELLS * BATCH * ROWS * COLS];
    holog_object_spec o = array_spec(all, HOLOG_UINT16, 3, full_shape);
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = NULL;
    holog_backend *zarr;

    for (size_t i = 0; i < sizeof all / 2; i++)
        all[i] = (uint16_t)(100 + i / 50); /* as dark images are */
    ws_begin();
    zarr = ws_backend("zarr", (holog_backend_options){ .chunking = HOLOG_CHUNKS_WHOLE,
                                                       .codec = HOLOG_CODEC_LZ4,
                                                       .level = 1 });
    OK(holog_vfs_save(zarr, "plate.zarr/images", &o, HOLOG_PARENTS, NULL));
    OK(holog_backend_close(zarr));
    ws_reopen();
    OK(holog_array_open(ws.box.store, "plate.zarr/images", &a));
    OK(holog_array_get_info(a, &info));
    holog_array_close(a);
    cr_assert_eq(memcmp(info.chunk, full_shape, sizeof full_shape), 0);
    cr_assert_eq(info.plain, 0);
    has_array(ws.zarr, "plate.zarr/images", HOLOG_UINT16, 3, full_shape, all);
    ws_end();
}

/* The array knows which file each plane was, so that no list beside it can be lost. */
Test(filemanager, an_array_of_wells_knows_its_images_by_their_file_names)
{
    static const char *const all_wells[WELLS] = { "A01", "A02", "B01", "B02" };
    static uint16_t planes[WELLS * BATCH][ROWS * COLS];
    char names[WELLS * BATCH][32];
    const char *name[WELLS * BATCH];
    const void *plane[WELLS * BATCH];
    uint16_t got[ROWS * COLS];
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = HOLOG_UINT16,
                              .rank = 2,
                              .shape = image_shape,
                              .codec = HOLOG_CODEC_LZ4 };
    holog_array *a = NULL;
    uint64_t index = 0;

    for (size_t i = 0; i < (size_t)WELLS * BATCH; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s_s%zu_w1.tif", all_wells[i / BATCH],
                       i % BATCH + 1);
        fill_pixels(planes[i], ROWS * COLS, i);
        name[i] = names[i];
        plane[i] = planes[i];
    }
    ws_begin();
    OK(holog_planes_save(ws.box.store, "plate", name, plane, (size_t)WELLS * BATCH, &spec, 0,
                         NULL));
    ws_reopen();
    OK(holog_array_open(ws.box.store, "plate", &a));
    OK(holog_planes_find(a, "B01_s3_w1.tif", &index));
    cr_assert_eq(index, 2 * BATCH + 2);
    OK(holog_planes_read(a, "B01_s3_w1.tif", got, NULL));
    cr_assert_eq(memcmp(got, planes[index], sizeof got), 0);
    FAILS(HOLOG_E_NOENT, holog_planes_find(a, "C01_s1_w1.tif", &index), "C01_s1_w1.tif");
    holog_array_close(a);
    ws_end();
}

/* ---- settings ----------------------------------------------------------------------------------------*/

/* Intermediate results in memory, the last ones in zarr, files under one root. */
Test(filemanager, intermediate_and_final_backends_are_a_choice_of_two_names_and_a_root)
{
    static const struct {
        const char *intermediate_backend, *materialization_backend;
    } vfs_config = { "memory", "zarr" };
    holog_object_spec o = image(9);
    holog_backend *step;
    holog_backend *final;

    ws_begin();
    step = ws_backend(vfs_config.intermediate_backend, (holog_backend_options){ 0 });
    final = ws_backend(vfs_config.materialization_backend, (holog_backend_options){ 0 });
    OK(holog_vfs_save(step, "step1/out", &o, HOLOG_PARENTS, NULL));
    OK(holog_vfs_copy(step, "step1/out", "results/out", HOLOG_PARENTS, NULL));
    OK(holog_vfs_sync(final));
    OK(holog_backend_close(step));
    OK(holog_backend_close(final));
    ws_reopen();
    has_image(ws.zarr, "results/out", 9);
    ws_end();
}

static unsigned mode_of(const char *name)
{
    char path[1024];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s/%s", ws.root, name);
    cr_assert_eq(stat(path, &st), 0, "%s", path);
    return st.st_mode & 0777;
}

/* base_path, create_directories, file_permissions: a root, HOLOG_PARENTS, a mode. */
Test(filemanager, files_on_disk_have_the_permissions_that_were_asked_for_whatever_the_umask)
{
    holog_backend_options bad = { .struct_size = sizeof bad, .file_mode = 0444 };
    holog_backend *b = NULL;

    ws_begin();
    (void)umask(077);
    b = ws_backend("disk", (holog_backend_options){ .file_mode = 0644 });
    OK(holog_vfs_save_bytes(b, "A01/shared.txt", "x", 1, HOLOG_PARENTS, NULL));
    OK(holog_vfs_save_bytes(ws.disk, "A01/own.txt", "x", 1, 0, NULL));
    OK(holog_vfs_move(b, "A01/own.txt", "A01/given.txt", 0, NULL));
    cr_assert_eq(mode_of("A01/shared.txt"), 0644);
    cr_assert_eq(mode_of("A01/given.txt"), 0644);
    OK(holog_vfs_save_bytes(ws.disk, "A01/own.txt", "x", 1, 0, NULL));
    cr_assert_eq(mode_of("A01/own.txt"), 0600);
    OK(holog_backend_close(b));
    bad.store = ws.box.store;
    bad.root = ws.root;
    FAILS(HOLOG_E_INVAL, holog_backend_open("disk", &bad, &b), "0444");
    bad.file_mode = 04755;
    FAILS(HOLOG_E_INVAL, holog_backend_open("disk", &bad, &b), "04755");
    ws_reopen();
    has_text_in(ws.disk, "A01/shared.txt", "x");
    ws_end();
}

static uint64_t save_blob(holog_backend *b, unsigned i)
{
    char path[32];
    uint64_t number = 0;

    (void)snprintf(path, sizeof path, "o%u", i);
    OK(holog_vfs_save_bytes(b, path, "x", 1, 0, &number));
    return number;
}

/* 1000 objects and 0.8 unless somebody says otherwise: the 801st makes all of them durable. */
Test(filemanager, memory_keeps_at_most_as_many_objects_from_the_disk_as_it_is_told)
{
    holog_backend *b;
    uint64_t number = 0;

    box_make(&ws.box);
    ws.box.opts.no_background = 1; /* nothing becomes durable unless it is asked for */
    (void)snprintf(ws.root, sizeof ws.root, "%s-workspace", ws.box.dir);
    ws_open();
    b = ws_backend("memory", (holog_backend_options){ .durability = HOLOG_DURABILITY_NONE });
    for (unsigned i = 0; i < 800; i++)
        number = save_blob(b, i);
    cr_assert_lt(holog_durable_number(ws.box.store), number);
    number = save_blob(b, 800);
    cr_assert_geq(holog_durable_number(ws.box.store), number);
    OK(holog_backend_close(b));
    b = ws_backend("memory", (holog_backend_options){ .durability = HOLOG_DURABILITY_NONE,
                                                      .max_objects = 10,
                                                      .cleanup_threshold = 1 });
    for (unsigned i = 0; i < 10; i++)
        number = save_blob(b, 1000 + i);
    cr_assert_lt(holog_durable_number(ws.box.store), number);
    number = save_blob(b, 1010);
    cr_assert_geq(holog_durable_number(ws.box.store), number);
    OK(holog_backend_close(b));
    ws_reopen();
    ws_end();
}
