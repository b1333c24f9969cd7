/*
 * cmd_store.c: init, config, info.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "verbs.h"

/* ---- init ------------------------------------------------------------------------------------ */

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

struct bounds {
    unsigned option;
    uint64_t low, high, multiple;
    bool power_of_two;
    const char *text;
};

/* As the library would say, in the words of the command line. */
static int check_sizes(const struct args *args)
{
    static const struct bounds all[] = {
        { OPT_SEGMENT_SIZE, 16 * KIB, 64 * MIB, 1, true,
          "--segment-size is a power of two from 16K to 64M" },
        { OPT_EXTENT_SIZE, 128 * KIB, 1024 * MIB, 4096, false,
          "--extent-segment-size is a multiple of 4096 from 128K to 1G" },
        { OPT_INLINE_MAX, 0, MIB, 1, false, "--inline-max is at most 1M" },
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct bounds *b = &all[i];
        uint64_t n = args->number[b->option];
        if (args->given[b->option] && (n < b->low || n > b->high || n % b->multiple != 0 ||
                                       (b->power_of_two && (n & (n - 1)) != 0)))
            return cli_usage(args, "%s, not %" PRIu64, b->text, n);
    }
    double amp = args->real[OPT_MAX_SPACE_AMP];
    if (args->given[OPT_MAX_SPACE_AMP] && !(amp >= 1.1 && amp <= 100))
        return cli_usage(args, "--max-space-amp is from 1.1 to 100, not %g", amp);
    return EXIT_DONE;
}

int verb_init(const struct args *args)
{
    const char *dir = args->operands[0];
    holog_options opts;

    holog_options_init(&opts);
    int status = check_sizes(args);
    if (status != EXIT_DONE)
        return status;
    opts.segment_size_max = (uint32_t)args->number[OPT_SEGMENT_SIZE];
    opts.extent_segment_size_max = (uint32_t)args->number[OPT_EXTENT_SIZE];
    opts.inline_max = (uint32_t)args->number[OPT_INLINE_MAX];
    opts.max_space_amp = args->real[OPT_MAX_SPACE_AMP];
    int rc = holog_init(dir, &opts);
    if (rc < 0)
        return cli_fail(args, rc, dir);
    if (args->given[OPT_JSON]) {
        json_object *doc = json_object_new_object();
        json_add(doc, "store", json_text(dir));
        json_print(doc);
    }
    return cli_flush(args, EXIT_DONE);
}

/* ---- config ---------------------------------------------------------------------------------- */

#define SETTING_MAX 4097 /* with its NUL */

static int add_setting(void *ctx, const char *key, const char *value)
{
    json_add(ctx, key, json_text(value));
    return 0;
}

/* "key=value" is stored, "key" only asked; the value after that goes to `settings`. */
static int one_setting(const struct args *args, holog_store *store, const char *word,
                       json_object *settings)
{
    const char *equals = strchr(word, '=');
    char value[SETTING_MAX] = "";
    char *key = equals != NULL ? strndup(word, (size_t)(equals - word)) : strdup(word);
    int rc = HOLOG_E_NOMEM;

    if (key != NULL)
        rc = equals == NULL ? HOLOG_OK : holog_config(store, key, equals + 1, NULL, 0);
    if (rc >= 0)
        rc = holog_config(store, key, NULL, value, sizeof value); /* as it is kept */
    int status = rc < 0 ? cli_fail(args, rc, word) : EXIT_DONE;
    if (status == EXIT_DONE)
        json_add(settings, key, json_text(value));
    free(key);
    return status;
}

static void put_settings(const struct args *args, json_object *settings)
{
    bool value_only = args->operand_count == 2 && strchr(args->operands[1], '=') == NULL;

    json_object_object_foreach(settings, key, value) {
        if (!value_only)
            (void)printf("%s=", key);
        put_name(stdout, json_object_get_string(value));
        (void)putchar('\n');
    }
}

int verb_config(const struct args *args)
{
    enum open_mode mode = OPEN_READ;
    holog_store *store = NULL;

    for (int i = 1; i < args->operand_count; i++) {
        if (strchr(args->operands[i], '=') != NULL)
            mode = OPEN_WRITE;
    }
    int status = cli_open(args, mode, &store);
    if (status != EXIT_DONE)
        return status;
    json_object *settings = json_object_new_object();
    for (int i = 1; i < args->operand_count && status == EXIT_DONE; i++)
        status = one_setting(args, store, args->operands[i], settings);
    if (args->operand_count == 1) {
        int rc = holog_config_list(store, add_setting, settings);
        status = rc < 0 ? cli_fail(args, rc, NULL) : EXIT_DONE;
    }
    status = cli_close(args, store, status);
    if (status == EXIT_DONE && args->given[OPT_JSON]) {
        json_object *doc = json_object_new_object();
        json_add(doc, "store", json_text(args->operands[0]));
        json_add(doc, "config", json_object_get(settings));
        json_print(doc);
    } else if (status == EXIT_DONE) {
        put_settings(args, settings);
    }
    (void)json_object_put(settings);
    return cli_flush(args, status);
}

/* ---- info ------------------------------------------------------------------------------------ */

static int take_simd(void *ctx, const char *key, const char *value)
{
    if (strcmp(key, "simd") == 0)
        json_add(ctx, key, json_text(value));
    return 0;
}

static json_object *machine_info(void)
{
    json_object *machine = json_object_new_object();
    struct utsname name;

    if (uname(&name) == 0) {
        json_add(machine, "system", json_text(name.sysname));
        json_add(machine, "release", json_text(name.release));
        json_add(machine, "architecture", json_text(name.machine));
    }
    (void)holog_info(NULL, take_simd, machine); /* without a store nothing can fail */
    json_add(machine, "cpus", json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
    json_add(machine, "page_bytes", json_object_new_int64(sysconf(_SC_PAGESIZE)));
    return machine;
}

static json_object *recovery_json(holog_store *store)
{
    holog_recovery_report r = { .struct_size = sizeof r };

    if (holog_recovery_info(store, &r) < 0)
        return NULL;
    json_object *out = json_object_new_object();
    json_add(out, "clean", json_object_new_boolean(r.clean != 0));
    json_add(out, "last_commit", json_number(r.last_number));
    json_add(out, "frames_read", json_number(r.frames_read));
    json_add(out, "bytes_read", json_number(r.bytes_read));
    json_add(out, "used_checkpoint", json_object_new_boolean(r.used_checkpoint != 0));
    json_add(out, "tail_cut", json_object_new_boolean(r.tail_cut != 0));
    if (r.tail_cut != 0) {
        json_add(out, "cut_segment", json_number(r.cut_segment));
        json_add(out, "cut_offset", json_number(r.cut_offset));
        json_add(out, "cut_bytes", json_number(r.cut_bytes));
        json_add(out, "quarantined_bytes", json_number(r.quarantined_bytes));
    }
    json_add(out, "duration_ns", json_number(r.duration_ns));
    return out;
}

/* One level of objects becomes "outer.inner". */
static void put_facts(const char *outer, json_object *facts)
{
    json_object_object_foreach(facts, key, value) {
        if (json_object_is_type(value, json_type_object)) {
            put_facts(key, value);
            continue;
        }
        (void)printf("%s%s%s: ", outer, outer[0] != '\0' ? "." : "", key);
        put_name(stdout, json_object_get_string(value));
        (void)putchar('\n');
    }
}

int verb_info(const struct args *args)
{
    json_object *doc = json_object_new_object();
    holog_store *store = NULL;
    int status = EXIT_DONE;

    json_add(doc, "version", json_text(holog_version()));
    json_add(doc, "machine", machine_info());
    if (args->operand_count > 0)
        status = cli_open(args, OPEN_READ, &store);
    if (store != NULL) {
        json_object *facts = json_object_new_object();
        json_add(doc, "store", json_text(args->operands[0]));
        json_add(doc, "info", facts);
        json_add(doc, "recovery", recovery_json(store));
        int rc = holog_info(store, add_setting, facts);
        if (rc < 0)
            status = cli_fail(args, rc, args->operands[0]);
        status = cli_close(args, store, status);
    }
    if (status != EXIT_DONE) {
        (void)json_object_put(doc);
    } else if (args->given[OPT_JSON]) {
        json_print(doc);
    } else {
        put_facts("", doc);
        (void)json_object_put(doc);
    }
    return cli_flush(args, status);
}
