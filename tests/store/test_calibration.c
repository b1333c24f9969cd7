/*
 * What a calibration stores and who takes it: the options and the environment count more; damaged, of another machine or
 * unreadable it counts for nothing; and whatever it says, stores are the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/calibration.h"
#include "holog/array.h"
#include "io/sim.h"
#include "storekit.h"

static struct box box;

static void setup(void)
{
    box_make(&box);
}

static void teardown(void)
{
    box_end(&box);
}

TestSuite(calibration, .init = setup, .fini = teardown, .timeout = 120);

static const struct hg_calibration slow_and_steady = {
    .io = HOLOG_IO_POSIX, .direct = HOLOG_DIRECT_OFF, .codec = HOLOG_CODEC_ZSTD, .level = 7
};

/* As a calibration here would have left it. */
static void store_choice(const struct hg_calibration *c)
{
    struct hg_machine machine;
    struct hg_io *io = NULL;

    OK(hg_machine_of(box.dir, &machine));
    OK(hg_io_open(box.dir, HG_IO_POSIX, &io));
    OK(hg_calibration_write(io, &machine, c));
    io->ops->destroy(io);
}

struct facts {
    char io[16], direct_io[80], calibration[16], calibration_codec[16], calibration_reason[200];
};

static int take_fact(void *ctx, const char *key, const char *value)
{
    struct facts *f = ctx;
    const struct {
        const char *key;
        char *out;
        size_t room;
    } all[] = { { "io", f->io, sizeof f->io },
                { "direct_io", f->direct_io, sizeof f->direct_io },
                { "calibration", f->calibration, sizeof f->calibration },
                { "calibration_codec", f->calibration_codec, sizeof f->calibration_codec },
                { "calibration_reason", f->calibration_reason, sizeof f->calibration_reason } };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(key, all[i].key) == 0)
            (void)snprintf(all[i].out, all[i].room, "%s", value);
    }
    return 0;
}

/* Opens, asks, closes. */
static struct facts facts_now(void)
{
    struct facts f = { .io = "" };

    box_open(&box);
    OK(holog_info(box.store, take_fact, &f));
    OK(holog_close(box.store));
    box.store = NULL;
    return f;
}

static int has_uring(void)
{
    struct hg_io *io = NULL;
    int rc = hg_io_open(box.dir, HG_IO_URING, &io);

    if (rc == HOLOG_OK)
        io->ops->destroy(io);
    return rc == HOLOG_OK;
}

/* ---- made --------------------------------------------------------------------------------------------*/

static uint32_t count_chosen(const holog_calibration *c)
{
    uint32_t n = 0;

    for (size_t i = 0; i < HOLOG_CALIBRATE_IO; i++) {
        cr_assert_eq(c->io[i].available != 0, c->io[i].durable_write_ns > 0);
        cr_assert_eq(c->io[i].available != 0, c->io[i].large_bytes_per_s > 0);
        n += c->io[i].chosen + (c->io[i].chosen && !c->io[i].available);
    }
    for (size_t i = 0; i < HOLOG_CALIBRATE_CODECS; i++) {
        cr_assert_gt(c->codecs[i].stored_bytes, 0);
        n += 10 * c->codecs[i].chosen;
    }
    return n;
}

Test(calibration, what_was_measured_and_chosen_is_told_stored_and_used_by_the_next_open)
{
    holog_calibrate_options o = { .struct_size = sizeof o, .figure_ms = 1 };
    holog_calibration c = { .struct_size = sizeof c };
    struct facts f;
    char path[512];

    OK(holog_calibrate(box.dir, &o, &c)); /* before there is a store */
    cr_assert_eq(c.stored, 1);
    cr_assert_eq(count_chosen(&c), 11);
    f = facts_now();
    cr_assert_str_eq(f.calibration, "used");
    for (size_t i = 0; i < HOLOG_CALIBRATE_IO; i++) {
        if (c.io[i].chosen)
            cr_assert_str_eq(f.io, c.io[i].io == HOLOG_IO_URING ? "uring" : "posix");
    }
    OK(holog_calibrate(box.dir, &o, &c)); /* and again, of a store */
    cr_assert_str_eq(facts_now().calibration, "used");
    OK(holog_verify(box.dir, 0, NULL, NULL, NULL, NULL));
    (void)snprintf(path, sizeof path, "%s/calibration.tmp", box.dir);
    cr_assert_neq(access(path, F_OK), 0, "what was measured on is gone");
}

Test(calibration, codecs_are_tried_on_the_sample_that_is_given)
{
    static uint8_t zeros[3 << 20];
    static uint8_t noise[3 << 20];
    holog_calibrate_options o = { .struct_size = sizeof o,
                                  .figure_ms = 1,
                                  .flags = HOLOG_CALIBRATE_DRY_RUN };
    holog_calibration c = { .struct_size = sizeof c };

    value_fill(noise, sizeof noise, 3);
    o.sample = noise;
    o.sample_bytes = sizeof noise;
    OK(holog_calibrate(box.dir, &o, &c));
    cr_assert_eq(c.stored, 0);
    cr_assert_eq(c.codecs[0].chosen, 1, "nothing makes noise smaller");
    for (size_t i = 0; i < HOLOG_CALIBRATE_CODECS; i++)
        cr_assert_geq(c.codecs[i].stored_bytes, sizeof noise);
    o.sample = zeros;
    OK(holog_calibrate(box.dir, &o, &c));
    for (size_t i = 1; i < HOLOG_CALIBRATE_CODECS; i++)
        cr_assert_lt(c.codecs[i].stored_bytes, sizeof zeros / 100);
    cr_assert_str_eq(facts_now().calibration, "none", "a dry run stores nothing");
}

static int stop_at_third(void *ctx, uint64_t done, uint64_t total, const char *unit)
{
    cr_assert_eq(total, 7);
    cr_assert_str_eq(unit, "figures");
    *(uint64_t *)ctx = done;
    return done == 3;
}

Test(calibration, one_that_is_stopped_or_refused_leaves_what_was_there)
{
    uint64_t done = 0;
    holog_calibrate_options o = {
        .struct_size = sizeof o, .figure_ms = 1, .progress = stop_at_third, .progress_ctx = &done
    };
    holog_calibration c = { .struct_size = sizeof c };

    store_choice(&slow_and_steady);
    FAILS(HOLOG_E_CANCELED, holog_calibrate(box.dir, &o, &c), NULL);
    cr_assert_eq(done, 3);
    o.flags = 8;
    FAILS(HOLOG_E_INVAL, holog_calibrate(box.dir, &o, &c), "0x8");
    o.flags = 0;
    o.figure_ms = 70000;
    FAILS(HOLOG_E_INVAL, holog_calibrate(box.dir, &o, &c), "70000");
    FAILS(HOLOG_E_INVAL, holog_calibrate("", NULL, &c), NULL);
    FAILS(HOLOG_E_NOENT, holog_calibrate("/nowhere/at/all", NULL, &c), "/nowhere/at/all");
    cr_assert_str_eq(facts_now().calibration_codec, "zstd");
}

/* ---- taken, or not -----------------------------------------------------------------------------------*/

Test(calibration, it_decides_what_options_and_environment_leave_open_and_nothing_else)
{
    struct facts f;

    store_choice(&slow_and_steady);
    f = facts_now();
    cr_assert_str_eq(f.io, "posix");
    cr_assert_str_eq(f.direct_io, "the page cache was chosen");
    cr_assert_eq(setenv("HOLOG_DIRECT", "on", 1), 0);
    cr_assert_str_neq(facts_now().direct_io, "the page cache was chosen");
    cr_assert_eq(setenv("HOLOG_DIRECT", "auto", 1), 0);
    cr_assert_str_neq(facts_now().direct_io, "the page cache was chosen");
    cr_assert_eq(unsetenv("HOLOG_DIRECT"), 0);
    box.opts.direct = HOLOG_DIRECT_ON;
    cr_assert_str_neq(facts_now().direct_io, "the page cache was chosen");
    box.opts.direct = HOLOG_DIRECT_AUTO;
    if (!has_uring())
        return;
    cr_assert_eq(setenv("HOLOG_IO", "uring", 1), 0);
    cr_assert_str_eq(facts_now().io, "uring");
    cr_assert_eq(unsetenv("HOLOG_IO"), 0);
    box.opts.io = HOLOG_IO_URING;
    cr_assert_str_eq(facts_now().io, "uring");
    cr_assert_str_eq(facts_now().direct_io, "the page cache was chosen", "each for itself");
}

Test(calibration, options_and_environment_turn_it_off)
{
    store_choice(&slow_and_steady);
    box.opts.flags = HOLOG_OPEN_NO_CALIBRATION;
    cr_assert_str_eq(facts_now().calibration, "off");
    cr_assert_str_neq(facts_now().direct_io, "the page cache was chosen");
    box.opts.flags = 0;
    cr_assert_eq(setenv("HOLOG_CALIBRATION", "off", 1), 0);
    cr_assert_str_eq(facts_now().calibration, "off");
    cr_assert_str_neq(facts_now().direct_io, "the page cache was chosen");
    cr_assert_eq(setenv("HOLOG_CALIBRATION", "perhaps", 1), 0);
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, &box.opts, &box.store), "HOLOG_CALIBRATION");
    cr_assert_eq(setenv("HOLOG_CALIBRATION", "on", 1), 0);
    cr_assert_str_eq(facts_now().calibration, "used");
    cr_assert_eq(unsetenv("HOLOG_CALIBRATION"), 0);
    cr_assert_eq(setenv("HOLOG_DIRECT", "maybe", 1), 0);
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, &box.opts, &box.store), "HOLOG_DIRECT");
    cr_assert_eq(unsetenv("HOLOG_DIRECT"), 0);
    box.opts.direct = 3;
    FAILS(HOLOG_E_INVAL, holog_open(box.dir, &box.opts, &box.store), "direct");
    box.opts.direct = 0;
    box_open(&box);
}

/* ---- the codec -----------------------------------------------------------------------------------------*/

static holog_array_info saved_with(const char *path, uint32_t codec)
{
    static const uint64_t shape[2] = { 30, 40 };
    static uint16_t pixels[1200];
    uint16_t got[1200];
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = shape, .codec = codec
    };
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *a = NULL;

    for (size_t i = 0; i < 1200; i++)
        pixels[i] = (uint16_t)(i / 7 + 1);
    OK(holog_array_save(box.store, path, &spec, pixels, NULL, HOLOG_REPLACE, NULL));
    OK(holog_array_open(box.store, path, &a));
    OK(holog_array_get_info(a, &info));
    OK(holog_array_read(a, NULL, got, NULL));
    cr_assert_eq(memcmp(got, pixels, sizeof got), 0);
    holog_array_close(a);
    return info;
}

Test(calibration, its_codec_is_for_arrays_that_ask_for_auto_and_for_no_others)
{
    box_open(&box);
    cr_assert_eq(saved_with("auto", HOLOG_CODEC_AUTO).plain, 1, "nothing was chosen yet");
    store_choice(&slow_and_steady);
    box_reopen(&box);
    cr_assert_eq(saved_with("auto", HOLOG_CODEC_AUTO).plain, 0);
    cr_assert_eq(saved_with("unsaid", HOLOG_CODEC_NONE).plain, 1);
    box_same_after_reopen(&box);
    store_choice(&(struct hg_calibration){ .io = HOLOG_IO_URING, .direct = HOLOG_DIRECT_ON });
    box_reopen(&box);
    cr_assert_eq(saved_with("raw", HOLOG_CODEC_AUTO).plain, 1, "raw was the quickest");
    FAILS(HOLOG_E_INVAL,
          holog_array_create(box.store, "x",
                             &(holog_array_spec){ .struct_size = sizeof(holog_array_spec),
                                                  .dtype = HOLOG_UINT8,
                                                  .codec = HOLOG_CODEC_AUTO + 1 },
                             0, NULL),
          "codec");
}

/* ---- what cannot be used ---------------------------------------------------------------------------------*/

static char noted[256];

static void note(void *ctx, int level, const char *message)
{
    (void)ctx;
    if (level == HOLOG_LOG_WARN)
        (void)snprintf(noted, sizeof noted, "%s", message);
}

/* Opened all the same, with the defaults, and told why. */
static void is_ignored(const char *text, const char *why)
{
    struct facts f;

    file_write(box.dir, "calibration.json", text, strlen(text));
    noted[0] = 0;
    box.opts.log = note;
    f = facts_now();
    cr_assert_str_eq(f.calibration, "ignored", "%s", text);
    cr_assert_str_neq(f.direct_io, "the page cache was chosen");
    cr_assert_not_null(strstr(f.calibration_reason, why), "\"%s\" does not say %s",
                       f.calibration_reason, why);
    cr_assert_not_null(strstr(noted, why), "\"%s\" does not say %s", noted, why);
}

static char *with(const char *text, const char *old, const char *new)
{
    static char out[2048];
    const char *at = strstr(text, old);

    cr_assert_not_null(at, "%s", old);
    (void)snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    return out;
}

Test(calibration,
     one_of_another_machine_or_version_or_without_sense_is_ignored_and_the_log_says_why)
{
    struct hg_machine m;
    char cpus[64];
    char file_system[64];
    size_t len = 0;
    char *text;

    OK(hg_machine_of(box.dir, &m));
    store_choice(&slow_and_steady);
    text = file_read(box.dir, "calibration.json", &len);
    text[len] = 0;
    (void)snprintf(cpus, sizeof cpus, "\"cpus\": %llu", (unsigned long long)m.cpus);
    (void)snprintf(file_system, sizeof file_system, "\"%s\"", m.file_system);
    is_ignored(with(text, cpus, "\"cpus\": 4097"), "number of processors");
    is_ignored(with(text, m.simd, "mmx"), "kind of processor");
    is_ignored(with(text, m.kernel, "2.4.20"), "kernel");
    is_ignored(with(text, file_system, "\"1-2\""), "file system");
    is_ignored(with(text, "\"machine\"", "\"unit\""), "which machine");
    is_ignored(with(text, "\"holog_calibration\": 1", "\"holog_calibration\": 2"), "version");
    is_ignored(with(text, "\"posix\"", "\"magic\""), "io is neither");
    is_ignored(with(text, "false", "0"), "direct is neither");
    is_ignored(with(text, "\"zstd\"", "\"bzip\""), "no such codec");
    is_ignored(with(text, "\"level\": 7", "\"level\": 23"), "level");
    is_ignored(with(text, "\"level\": 7", "\"level\": -1"), "level");
    is_ignored(with(text, "\"level\": 7", "\"level\": 99999999999999999999"), "level");
    is_ignored("", "no JSON");
    is_ignored("[]", "version");
    is_ignored("{", "no JSON");
    free(text);
}

/* Whatever bit of it changes, the store opens, and is what it was. */
Test(calibration, no_damage_to_it_keeps_a_store_from_opening)
{
    size_t step = test_level() == 0 ? 7 : 1;
    size_t len = 0;
    char *text;

    box_open(&box);
    OK(save_text(box.store, "f", "x", 0));
    OK(holog_close(box.store));
    store_choice(&slow_and_steady);
    text = file_read(box.dir, "calibration.json", &len);
    for (size_t i = 0; i < len; i += step) {
        text[i] ^= (char)(1 << i % 8);
        file_write(box.dir, "calibration.json", text, len);
        text[i] ^= (char)(1 << i % 8);
        box_open(&box);
        has_text(box.store, "f", "x");
        OK(holog_close(box.store));
        file_write(box.dir, "calibration.json", text, i);
        box_open(&box);
        has_text(box.store, "f", "x");
        OK(holog_close(box.store));
    }
    box.store = NULL;
    free(text);
}

Test(calibration, one_that_is_no_file_or_too_large_or_leads_elsewhere_is_ignored)
{
    char path[512];
    char other[512];
    char *large = malloc(70000);

    (void)snprintf(path, sizeof path, "%s/calibration.json", box.dir);
    (void)snprintf(other, sizeof other, "%s/elsewhere", box.dir);
    store_choice(&slow_and_steady);
    (void)facts_now();
    cr_assert_eq(rename(path, other), 0);
    cr_assert_eq(symlink("elsewhere", path), 0);
    cr_assert_str_eq(facts_now().calibration, "ignored");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0); /* nobody waits for who may write into it */
    cr_assert_str_eq(facts_now().calibration, "ignored");
    cr_assert_eq(unlink(path), 0);
    cr_assert_not_null(large);
    memset(large, ' ', 70000);
    file_write(box.dir, "calibration.json", large, 70000);
    free(large);
    cr_assert_str_eq(facts_now().calibration, "ignored");
    cr_assert_eq(unlink(path), 0);
    cr_assert_str_eq(facts_now().calibration, "none");
}

/* ---- stores stay what they are ---------------------------------------------------------------------------*/

static void change(holog_store *s)
{
    static const char *const paths[] = { "a", "b" };

    for (size_t i = 0; i < 2; i++)
        OK(save_seed(s, paths[i], 200000, i, HOLOG_REPLACE));
    for (unsigned i = 0; i < 50; i++)
        OK(save_text(s, "small", "text", HOLOG_REPLACE));
    cr_assert_geq(holog_durable_number(s), holog_last_number(s), "acknowledged is durable");
}

Test(calibration, whatever_it_says_commits_are_durable_when_they_return_and_stores_are_the_same)
{
    static const struct hg_calibration choices[] = {
        { .io = HOLOG_IO_POSIX, .direct = HOLOG_DIRECT_ON },
        { .io = HOLOG_IO_POSIX, .direct = HOLOG_DIRECT_OFF },
        { .io = HOLOG_IO_URING, .direct = HOLOG_DIRECT_OFF, .codec = HOLOG_CODEC_LZ4, .level = 1 },
    };
    uint64_t hash[3] = { 0 };

    for (size_t i = 0; i < 3; i++) {
        holog_view *view = NULL;
        store_choice(&choices[i]);
        box_open(&box);
        change(box.store);
        OK(holog_delete_all(box.store, "/", NULL));
        change(box.store);
        box_same_after_reopen(&box);
        OK(holog_view_open(box.store, &view));
        OK(holog_state_hash(view, &hash[i]));
        holog_view_close(view);
        OK(holog_close(box.store));
        cr_assert_eq(hash[i], hash[0]);
    }
    box.store = NULL;
}

/* Nothing is written but SUPER and the log of a store on the way to it. */
Test(calibration, a_reader_takes_it_and_writes_nothing)
{
    struct stat before;
    struct stat after;
    struct facts f = { .io = "" };

    box_open(&box);
    OK(save_text(box.store, "f", "x", 0));
    OK(holog_close(box.store));
    store_choice(&slow_and_steady);
    cr_assert_eq(stat(box.dir, &before), 0);
    box.opts.flags = HOLOG_OPEN_READONLY;
    box_open(&box);
    has_text(box.store, "f", "x");
    OK(holog_info(box.store, take_fact, &f));
    cr_assert_str_eq(f.io, "posix");
    cr_assert_str_eq(f.direct_io, "the page cache was chosen");
    OK(holog_close(box.store));
    box.store = NULL;
    cr_assert_eq(stat(box.dir, &after), 0);
    cr_assert_eq(memcmp(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim), 0);
}

static const struct hg_machine some_machine = { .cpus = 1 };

static int write_twice(struct hg_io *io, void *ctx)
{
    struct hg_calibration c = slow_and_steady;

    (void)ctx;
    OK(hg_calibration_write(io, &some_machine, &c));
    hg_sim_mark(ctx, 1, 1);
    c.level = 8;
    OK(hg_calibration_write(io, &some_machine, &c));
    hg_sim_mark(ctx, 1, 2);
    return HOLOG_OK;
}

Test(calibration, a_power_cut_leaves_the_one_before_or_the_new_one_each_whole)
{
    struct hg_sim_options o = { .dirs = HG_SIM_DIRS_POSIX };
    struct hg_sim *sim = NULL;

    OK(hg_sim_create(&o, &sim));
    OK(hg_sim_run(sim, write_twice, sim));
    for (uint64_t step = 0; step <= hg_sim_steps(sim); step++) {
        for (int s = 0; s < HG_SIM_CRASH_STRATEGIES; s++) {
            uint64_t written = hg_sim_marked_max(sim, 1, step, 0);
            struct hg_sim *after = NULL;
            uint64_t size = 0;
            const uint8_t *file;
            int level = 0;
            OK(hg_sim_crash(sim, step, (enum hg_sim_strategy)s, step, &after));
            file = hg_sim_file_data(after, HG_CALIBRATION_NAME, &size);
            if (file != NULL) {
                cr_assert_eq(memcmp(file + size - 2, "}\n", 2), 0, "step %llu",
                             (unsigned long long)step);
                level = memmem(file, size, "\"level\": 8", 10) != NULL ? 2 : 1;
                cr_assert(level == 2 || memmem(file, size, "\"level\": 7", 10) != NULL);
            }
            cr_assert_geq(level, (int)written, "step %llu", (unsigned long long)step);
            hg_sim_destroy(after);
        }
    }
    hg_sim_destroy(sim);
}

Test(calibration, what_a_kill_has_left_of_one_goes_with_the_next_open_for_writing)
{
    char tmp[512];
    char trial[512];

    file_write(box.dir, "calibration.json.tmp", "{", 1);
    file_write(box.dir, "calibration.tmp", "x", 1);
    (void)snprintf(tmp, sizeof tmp, "%s/calibration.json.tmp", box.dir);
    (void)snprintf(trial, sizeof trial, "%s/calibration.tmp", box.dir);
    box_open(&box); /* and they are not in the way of a new store */
    cr_assert_neq(access(tmp, F_OK), 0);
    cr_assert_neq(access(trial, F_OK), 0);
}
