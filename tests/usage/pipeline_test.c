/*
 * Pipelines: images come from files, pass from step to step in memory, end as Zarr; what steps tell each other goes
 * by paths of its own; and all of it is there again in the next run.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imaging.h"
#include "usagekit.h"

TestSuite(pipeline, .timeout = 300);

#define PLANES 3
#define RP     (HOLOG_REPLACE | HOLOG_PARENTS)

static const uint64_t image_shape[2] = { SIDE, SIDE };
static const uint64_t stack_shape[3] = { PLANES, SIDE, SIDE };

static void plane_path(const char *dir, int z, char *out)
{
    (void)snprintf(out, 96, "%s/z%d.npy", dir, z);
}

/* What the microscope has left: ordinary files, that no store knows of. */
static void make_input(const char *dir)
{
    uint16_t pixels[PIXELS];
    char path[96];

    for (int z = 0; z < PLANES; z++) {
        holog_object_spec o = array_spec(pixels, HOLOG_UINT16, 2, image_shape);
        make_cells(pixels, (unsigned)z);
        plane_path(dir, z, path);
        OK(holog_vfs_save(ws.disk, path, &o, RP, NULL));
        OK(holog_delete(ws.box.store, path, NULL)); /* now it is the file's alone */
    }
}

static holog_object *load_plane(holog_backend *from, const char *dir, int z, uint32_t dtype)
{
    holog_object *o = NULL;
    char path[96];

    plane_path(dir, z, path);
    OK(holog_vfs_load_checked(from, path, dtype, 2, image_shape, &o));
    return o;
}

static void save_plane(holog_backend *to, const char *dir, int z, uint32_t dtype, const void *data)
{
    holog_object_spec o = array_spec(data, dtype, 2, image_shape);
    char path[96];

    plane_path(dir, z, path);
    OK(holog_vfs_save(to, path, &o, RP, NULL));
}

/* ---- three steps over three backends -----------------------------------------------------------------*/

static void step_smooth(int z)
{
    holog_object *in = load_plane(ws.disk, "/workspace/A01/input", z, HOLOG_UINT16);
    uint16_t out[PIXELS];

    gaussian_filter(holog_object_data(in), 2.0, out);
    holog_object_release(in);
    save_plane(ws.memory, "/workspace/A01/step1_out", z, HOLOG_UINT16, out);
}

static void step_open(int z)
{
    holog_object *in = load_plane(ws.memory, "/workspace/A01/step1_out", z, HOLOG_UINT16);
    uint8_t out[PIXELS];

    binary_opening(holog_object_data(in), 1500, 3, out);
    holog_object_release(in);
    save_plane(ws.memory, "/workspace/A01/step2_out", z, HOLOG_UINT8, out);
}

static void step_label(void)
{
    static uint32_t labels[PLANES][PIXELS];
    holog_object_spec o = array_spec(labels, HOLOG_UINT32, 3, stack_shape);

    for (int z = 0; z < PLANES; z++) {
        holog_object *in = load_plane(ws.memory, "/workspace/A01/step2_out", z, HOLOG_UINT8);
        (void)label(holog_object_data(in), labels[z]);
        holog_object_release(in);
    }
    OK(holog_vfs_save(ws.zarr, "/workspace/A01/results/labels", &o, RP, NULL));
}

/* The same functions with nothing between them. */
static void expected_labels(uint32_t labels[PLANES][PIXELS])
{
    uint16_t raw[PIXELS];
    uint16_t smooth[PIXELS];
    uint8_t mask[PIXELS];

    for (int z = 0; z < PLANES; z++) {
        make_cells(raw, (unsigned)z);
        gaussian_filter(raw, 2.0, smooth);
        binary_opening(smooth, 1500, 3, mask);
        cr_assert_eq(label(mask, labels[z]), 2, "the specks are gone, the cells are there");
    }
}

Test(pipeline, what_a_step_leaves_in_memory_is_the_input_of_the_next_and_the_end_is_compressed_zarr)
{
    static uint32_t want[PLANES][PIXELS];
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = NULL;

    expected_labels(want);
    ws_begin();
    make_input("/workspace/A01/input");
    for (int run = 0; run < 2; run++) { /* pipelines are run again */
        for (int z = 0; z < PLANES; z++)
            step_smooth(z);
        for (int z = 0; z < PLANES; z++)
            step_open(z);
        step_label();
        has_array(ws.zarr, "/workspace/A01/results/labels", HOLOG_UINT32, 3, stack_shape, want);
        ws_reopen();
    }
    has_array(ws.zarr, "/workspace/A01/results/labels", HOLOG_UINT32, 3, stack_shape, want);
    OK(holog_array_open(ws.box.store, "workspace/A01/results/labels", &a));
    OK(holog_array_get_info(a, &info));
    holog_array_close(a);
    cr_assert_eq(info.plain, 0);
    cr_assert_eq(info.chunk[0], 1); /* a plane is read without the others */
    ws_end();
}

/* ---- steps that tell each other something ---------------------------------------------------------------*/

Test(pipeline, a_later_step_reads_the_original_input_beside_what_came_of_it)
{
    static uint16_t sums[PIXELS];
    uint16_t raw[PIXELS];
    uint16_t smooth[PIXELS];
    holog_object *original_data;
    holog_object *current_data;
    holog_object_spec o = array_spec(sums, HOLOG_UINT16, 2, image_shape);

    ws_begin();
    make_input("/workspace/A01/input");
    step_smooth(1);
    ws_reopen();
    original_data = load_plane(ws.disk, "/workspace/A01/input", 1, HOLOG_UINT16);
    current_data = load_plane(ws.memory, "/workspace/A01/step1_out", 1, HOLOG_UINT16);
    for (int i = 0; i < PIXELS; i++)
        sums[i] = (uint16_t)(((const uint16_t *)holog_object_data(original_data))[i] +
                             ((const uint16_t *)holog_object_data(current_data))[i]);
    holog_object_release(original_data);
    holog_object_release(current_data);
    OK(holog_vfs_save(ws.zarr, "/workspace/A01/combined", &o, RP, NULL));
    ws_reopen();
    make_cells(raw, 1);
    gaussian_filter(raw, 2.0, smooth);
    for (int i = 0; i < PIXELS; i++)
        raw[i] = (uint16_t)(raw[i] + smooth[i]);
    has_array(ws.zarr, "/workspace/A01/combined", HOLOG_UINT16, 2, image_shape, raw);
    ws_end();
}

static const int64_t positions[PLANES][2] = { { 0, 0 }, { 44, -1 }, { 89, 2 } };
static const uint64_t positions_shape[2] = { PLANES, 2 };

static void positions_csv(const int64_t *p, char *out, size_t room)
{
    (void)snprintf(out, room, "x,y\n");
    for (int i = 0; i < PLANES; i++)
        (void)snprintf(out + strlen(out), room - strlen(out), "%lld,%lld\n",
                       (long long)p[(size_t)i * 2], (long long)p[(size_t)i * 2 + 1]);
}

/* The table goes from step to step in memory, and to people as a CSV file. */
Test(pipeline, positions_of_one_step_are_the_input_of_another_and_a_csv_file_for_people)
{
    static const char want[] = "x,y\n0,0\n44,-1\n89,2\n";
    holog_object_spec o = array_spec(positions, HOLOG_INT64, 2, positions_shape);
    holog_object *got = NULL;
    char text[128];
    size_t len = 0;
    char *file;

    ws_begin();
    OK(holog_vfs_save(ws.memory, "/vfs/positions.pkl", &o, RP, NULL));
    OK(holog_vfs_load_checked(ws.memory, "/vfs/positions.pkl", HOLOG_INT64, 2, NULL, &got));
    positions_csv(holog_object_data(got), text, sizeof text);
    holog_object_release(got);
    save_text_to(ws.disk, "results/positions.csv", text);
    ws_reopen();
    has_array(ws.memory, "/vfs/positions.pkl", HOLOG_INT64, 2, positions_shape, positions);
    file = file_beside("results/positions.csv", &len);
    cr_assert_not_null(file);
    cr_assert_eq(len, sizeof want - 1);
    cr_assert_eq(memcmp(file, want, len), 0);
    free(file);
    ws_end();
}

/* ---- plans -------------------------------------------------------------------------------------------------*/

struct special {
    const char *path, *backend;
};
struct step_plan {
    const char *input_dir, *output_dir;
    const char *read_backend, *write_backend;
    struct special positions; /* input */
    struct special metadata;  /* output */
};

/* A step that knows directories and backends from its plan only. */
static void run_step(const struct step_plan *plan)
{
    holog_backend *from = ws_backend(plan->read_backend, (holog_backend_options){ 0 });
    holog_backend *to = ws_backend(plan->write_backend, (holog_backend_options){ 0 });
    holog_backend *special = ws_backend(plan->positions.backend, (holog_backend_options){ 0 });
    holog_object *p = NULL;
    char text[128];

    OK(holog_vfs_load_checked(special, plan->positions.path, HOLOG_INT64, 2, positions_shape, &p));
    positions_csv(holog_object_data(p), text, sizeof text);
    holog_object_release(p);
    OK(holog_backend_close(special));
    for (int z = 0; z < PLANES; z++) {
        holog_object *in = load_plane(from, plan->input_dir, z, HOLOG_UINT16);
        save_plane(to, plan->output_dir, z, HOLOG_UINT16, holog_object_data(in));
        holog_object_release(in);
    }
    special = ws_backend(plan->metadata.backend, (holog_backend_options){ 0 });
    save_text_to(special, plan->metadata.path, text);
    OK(holog_backend_close(special));
    OK(holog_backend_close(from));
    OK(holog_backend_close(to));
}

Test(pipeline, a_step_runs_by_its_plan_of_directories_backends_and_special_paths)
{
    static const struct step_plan plan = {
        .input_dir = "/workspace/A01/input",
        .output_dir = "/workspace/A01/step1_out",
        .read_backend = "disk",
        .write_backend = "memory",
        .positions = { "/vfs/positions.pkl", "memory" },
        .metadata = { "/vfs/metadata.pkl", "memory" },
    };
    holog_object_spec o = array_spec(positions, HOLOG_INT64, 2, positions_shape);
    uint16_t want[PIXELS];

    ws_begin();
    make_input(plan.input_dir);
    OK(holog_vfs_save(ws.memory, plan.positions.path, &o, RP, NULL));
    run_step(&plan);
    ws_reopen();
    for (int z = 0; z < PLANES; z++) {
        char path[96];
        make_cells(want, (unsigned)z);
        plane_path(plan.output_dir, z, path);
        has_array(ws.memory, path, HOLOG_UINT16, 2, image_shape, want);
    }
    has_text_in(ws.memory, plan.metadata.path, "x,y\n0,0\n44,-1\n89,2\n");
    ws_end();
}

Test(pipeline,
     the_first_and_the_last_step_use_files_and_those_between_memory_unless_it_is_too_small)
{
    const uint64_t gib = UINT64_C(1) << 30;

    cr_assert_str_eq(holog_select_backend(0, 4, HOLOG_STEP_FUNCTION, gib, 8 * gib), "files");
    cr_assert_str_eq(holog_select_backend(4, 4, HOLOG_STEP_FUNCTION, gib, 8 * gib), "files");
    cr_assert_str_eq(holog_select_backend(2, 4, HOLOG_STEP_FUNCTION, gib, 8 * gib), "memory");
    cr_assert_str_eq(holog_select_backend(2, 4, HOLOG_STEP_FUNCTION, 7 * gib, 8 * gib), "files");
    cr_assert_str_eq(holog_select_backend(2, 4, HOLOG_STEP_OTHER, gib, 8 * gib), "files");
}

/* ---- stacks --------------------------------------------------------------------------------------------------*/

/* Slices in, one stack in the middle, slices out: all of them in one commit or none. */
Test(pipeline, slices_become_a_stack_and_the_stack_slices_again_in_one_commit)
{
    static uint16_t image_stack[PLANES][PIXELS];
    holog_object_spec slices[PLANES];
    holog_vfs_item items[PLANES];
    holog_object *raw_slices[PLANES];
    char paths[PLANES][96];
    const char *matching_files[PLANES];
    uint64_t before;
    uint64_t number = 0;

    ws_begin();
    make_input("/workspace/A01/input");
    for (int z = 0; z < PLANES; z++) {
        plane_path("/workspace/A01/input", z, paths[z]);
        matching_files[z] = paths[z];
    }
    OK(holog_vfs_load_batch(ws.disk, matching_files, PLANES, raw_slices, NULL));
    for (int z = 0; z < PLANES; z++) {
        gaussian_filter(holog_object_data(raw_slices[z]), 2.0, image_stack[z]);
        holog_object_release(raw_slices[z]);
        plane_path("/workspace/A01/step1_out", z, paths[z]);
        slices[z] = array_spec(image_stack[z], HOLOG_UINT16, 2, image_shape);
        items[z] = (holog_vfs_item){ paths[z], &slices[z] };
    }
    before = holog_last_number(ws.box.store);
    OK(holog_vfs_save_batch(ws.memory, items, PLANES, HOLOG_PARENTS, &number));
    cr_assert_eq(number, before + 1);
    ws_reopen();
    for (int z = 0; z < PLANES; z++)
        has_array(ws.memory, paths[z], HOLOG_UINT16, 2, image_shape, image_stack[z]);
    ws_end();
}

/* ---- sizes ---------------------------------------------------------------------------------------------------*/

#define WELLS  384
#define FIELDS 9

/* 384 wells x 9 fields: a commit a well, and any image is found at once. */
Test(pipeline, a_plate_of_384_wells_with_9_fields_is_3456_images_that_all_come_back)
{
    static const uint64_t tile[2] = { 8, 8 };
    holog_object_spec o[FIELDS];
    holog_vfs_item items[FIELDS];
    uint16_t pixels[FIELDS][64];
    uint16_t want[64];
    char paths[FIELDS][64];
    holog_stats st = { .struct_size = sizeof st };

    ws_begin();
    for (int well = 0; well < WELLS; well++) {
        for (int f = 0; f < FIELDS; f++) {
            fill_pixels(pixels[f], 64, (uint64_t)(well * FIELDS + f));
            o[f] = array_spec(pixels[f], HOLOG_UINT16, 2, tile);
            (void)snprintf(paths[f], sizeof paths[f], "plate/%c%02d/s%d.npy", 'A' + well / 24,
                           well % 24 + 1, f + 1);
            items[f] = (holog_vfs_item){ paths[f], &o[f] };
        }
        OK(holog_vfs_save_batch(ws.memory, items, FIELDS, HOLOG_PARENTS, NULL));
    }
    ws_reopen();
    OK(holog_stats_get(ws.box.store, &st));
    cr_assert_geq(st.entries, (uint64_t)WELLS * FIELDS);
    for (int well = 0; well < WELLS; well += 7) {
        char path[64];
        int f = well % FIELDS;
        (void)snprintf(path, sizeof path, "plate/%c%02d/s%d.npy", 'A' + well / 24, well % 24 + 1,
                       f + 1);
        fill_pixels(want, 64, (uint64_t)(well * FIELDS + f));
        has_array(ws.memory, path, HOLOG_UINT16, 2, tile, want);
    }
    ws_end();
}

#define LONG_PLANES 24
#define LONG_SIDE   512 /* 512 KiB a plane; 12 MiB in all */

/* Plane by plane, in and out, with a budget of a third of it. */
Test(pipeline, an_array_larger_than_the_budget_is_written_and_read_plane_by_plane)
{
    static uint16_t plane[LONG_SIDE * LONG_SIDE];
    static uint16_t got[LONG_SIDE * LONG_SIDE];
    uint64_t shape[3] = { 0, LONG_SIDE, LONG_SIDE };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape
    };
    holog_stats st = { .struct_size = sizeof st };
    holog_array *a = NULL;

    box_make(&ws.box);
    ws.box.opts.budget_bytes = 4 << 20;
    (void)snprintf(ws.root, sizeof ws.root, "%s-workspace", ws.box.dir);
    ws_open();
    OK(holog_array_create(ws.box.store, "long", &spec, 0, NULL));
    for (uint64_t z = 0; z < LONG_PLANES; z++) {
        fill_pixels(plane, LONG_SIDE * LONG_SIDE, z);
        OK(holog_array_extend(ws.box.store, "long", 0, 1, plane, NULL, NULL));
    }
    ws_close();
    ws_open();
    OK(holog_array_open(ws.box.store, "long", &a));
    for (uint64_t z = 0; z < LONG_PLANES; z++) {
        holog_slice one[3] = { { z, 1, 1 }, { 0, LONG_SIDE, 1 }, { 0, LONG_SIDE, 1 } };
        fill_pixels(plane, LONG_SIDE * LONG_SIDE, z);
        OK(holog_array_read(a, one, got, NULL));
        cr_assert_eq(memcmp(got, plane, sizeof got), 0, "plane %llu", (unsigned long long)z);
    }
    holog_array_close(a);
    OK(holog_stats_get(ws.box.store, &st));
    cr_assert_leq(st.cache_bytes + st.index_bytes, st.budget_bytes);
    ws_end();
}

/* ---- other processes, and the end of this one ----------------------------------------------------------------*/

static int exit_status_of(pid_t pid)
{
    int status = 0;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Memory that processes share: one writes, another looks on. */
Test(pipeline, another_process_reads_what_a_step_has_left_in_memory)
{
    pid_t pid;

    ws_begin();
    OK(holog_vfs_save_bytes(ws.memory, "step1/output", "between processes", 17, RP, NULL));
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        holog_options o = ws.box.opts;
        holog_backend_options bo = { .struct_size = sizeof bo };
        holog_backend *b = NULL;
        holog_object *got = NULL;
        o.flags = HOLOG_OPEN_READONLY;
        int rc = holog_open(ws.box.dir, &o, &bo.store);
        if (rc == HOLOG_OK)
            rc = holog_backend_open("memory", &bo, &b);
        if (rc == HOLOG_OK)
            rc = holog_vfs_load(b, "step1/output", &got);
        _exit(rc == HOLOG_OK && holog_object_size(got) == 17 &&
                      memcmp(holog_object_data(got), "between processes", 17) == 0
                  ? 7
                  : 1);
    }
    cr_assert_eq(exit_status_of(pid), 7);
    ws_end();
}

/* In a process of its own, until it is killed. */
static void run_until_killed(void)
{
    ws_open();
    OK(holog_vfs_save_bytes(ws.memory, "step1/output", "in memory", 9, RP, NULL));
    OK(holog_vfs_save_bytes(ws.disk, "results/final.txt", "on disk", 7, RP, NULL));
    (void)kill(getpid(), SIGKILL);
}

/* A save on disk waits for what came before it, so that no result is there without what it was made of. */
Test(pipeline, what_was_saved_on_disk_survives_a_kill_and_with_it_what_came_before)
{
    pid_t pid;

    box_make(&ws.box);
    (void)snprintf(ws.root, sizeof ws.root, "%s-workspace", ws.box.dir);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        run_until_killed();
        _exit(1);
    }
    cr_assert_eq(exit_status_of(pid), -SIGKILL);
    ws.box.opts.lock_wait_ms = 10000; /* for the end of its last writes */
    ws_open();
    has_text_in(ws.disk, "results/final.txt", "on disk");
    has_text_in(ws.memory, "step1/output", "in memory");
    ws_reopen();
    has_text_in(ws.memory, "step1/output", "in memory");
    ws_end();
}
