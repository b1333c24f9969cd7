/*
 * cmd_calibrate.c: calibrate. What the library measures, as a table.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <holog/calibrate.h>

#include "verbs.h"

/* ---- what codecs are tried on -------------------------------------------------------------------------- */

struct sample {
    uint8_t *file;      /* of a file, owned */
    holog_store *store; /* of a path */
    holog_value *value;
};

static void sample_release(const struct args *args, struct sample *sample)
{
    free(sample->file);
    holog_value_release(sample->value);
    (void)cli_close(args, sample->store, EXIT_DONE); /* it was only read */
}

/* A blob, or the elements of an array. */
static int load_path(holog_store *store, const char *path, holog_value **out_value)
{
    holog_array *array = NULL;
    int rc = holog_array_open(store, path, &array);

    if (rc == HOLOG_E_TYPE)
        return holog_load(store, path, out_value);
    if (rc == HOLOG_OK)
        rc = holog_array_load(array, out_value);
    holog_array_close(array);
    return rc;
}

static int take_sample(const struct args *args, struct sample *sample, holog_calibrate_options *o)
{
    const char *name = args->text[OPT_SAMPLE];
    size_t len = 0;

    if (access(name, F_OK) == 0) {
        int error = file_load(name, &sample->file, &len);
        if (error != 0)
            return cli_fail_errno(args, error, "read", name);
        o->sample = sample->file;
        o->sample_bytes = len;
    } else {
        int status = cli_open(args, OPEN_READ, &sample->store);
        if (status != EXIT_DONE)
            return status;
        int rc = load_path(sample->store, name, &sample->value);
        if (rc < 0)
            return cli_fail(args, rc, name);
        o->sample = holog_value_data(sample->value);
        o->sample_bytes = holog_value_size(sample->value);
    }
    if (o->sample_bytes == 0)
        return cli_fail_text(args, "%s: there is nothing in it to try codecs on", name);
    return EXIT_DONE;
}

/* ---- what came of it ------------------------------------------------------------------------------------- */

static const char *io_name(const holog_io_figure *f)
{
    return f->io == HOLOG_IO_URING ? "uring" : "posix";
}

static const char *codec_name(const holog_codec_figure *f)
{
    static const char *const names[] = { "none", "zstd", "lz4" };

    return names[f->codec];
}

static void put_table(const struct args *args, const holog_calibration *c)
{
    (void)puts("  io     direct  durable 4 KiB   large writes");
    for (size_t i = 0; i < HOLOG_CALIBRATE_IO; i++) {
        const holog_io_figure *f = &c->io[i];
        const char *direct = f->direct == HOLOG_DIRECT_ON ? "on" : "off";
        if (!f->available)
            (void)printf("  %-6s %-6s  not available here\n", io_name(f), direct);
        else
            (void)printf("%c %-6s %-6s %11.1f us %9.0f MB/s\n", f->chosen ? '*' : ' ', io_name(f),
                         direct, (double)f->durable_write_ns / 1e3,
                         (double)f->large_bytes_per_s / 1e6);
    }
    (void)puts("  codec  level   stored      encode        decode");
    for (size_t i = 0; i < HOLOG_CALIBRATE_CODECS; i++) {
        const holog_codec_figure *f = &c->codecs[i];
        (void)printf("%c %-6s %5d  %5.1f %%", f->chosen ? '*' : ' ', codec_name(f), f->level,
                     100 * (double)f->stored_bytes / (double)c->sample_bytes);
        if (f->encode_bytes_per_s > 0)
            (void)printf(" %8.0f MB/s %8.0f MB/s", (double)f->encode_bytes_per_s / 1e6,
                         (double)f->decode_bytes_per_s / 1e6);
        (void)putchar('\n');
    }
    if (c->stored)
        (void)printf("* chosen; stored in %s/calibration.json\n", args->operands[0]);
    else
        (void)puts("* chosen; not stored (--dry-run)");
}

static json_object *io_json(const holog_calibration *c)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < HOLOG_CALIBRATE_IO; i++) {
        const holog_io_figure *f = &c->io[i];
        json_object *o = json_object_new_object();
        json_add(o, "io", json_text(io_name(f)));
        json_add(o, "direct", json_object_new_boolean(f->direct == HOLOG_DIRECT_ON));
        json_add(o, "available", json_object_new_boolean(f->available != 0));
        json_add(o, "chosen", json_object_new_boolean(f->chosen != 0));
        json_add(o, "durable_write_ns", json_number(f->durable_write_ns));
        json_add(o, "large_bytes_per_s", json_number(f->large_bytes_per_s));
        (void)json_object_array_add(list, o);
    }
    return list;
}

static json_object *codecs_json(const holog_calibration *c)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < HOLOG_CALIBRATE_CODECS; i++) {
        const holog_codec_figure *f = &c->codecs[i];
        json_object *o = json_object_new_object();
        json_add(o, "codec", json_text(codec_name(f)));
        json_add(o, "level", json_object_new_int(f->level));
        json_add(o, "chosen", json_object_new_boolean(f->chosen != 0));
        json_add(o, "stored_bytes", json_number(f->stored_bytes));
        json_add(o, "encode_bytes_per_s", json_number(f->encode_bytes_per_s));
        json_add(o, "decode_bytes_per_s", json_number(f->decode_bytes_per_s));
        (void)json_object_array_add(list, o);
    }
    return list;
}

static void put_json(const struct args *args, const holog_calibration *c)
{
    json_object *doc = json_object_new_object();

    json_add(doc, "directory", json_text(args->operands[0]));
    json_add(doc, "stored", json_object_new_boolean(c->stored != 0));
    json_add(doc, "sample_bytes", json_number(c->sample_bytes));
    json_add(doc, "io", io_json(c));
    json_add(doc, "codecs", codecs_json(c));
    json_print(doc);
}

int verb_calibrate(const struct args *args)
{
    holog_calibration found = { .struct_size = sizeof found };
    struct progress progress;
    holog_calibrate_options o = { .struct_size = sizeof o,
                                  .progress = progress_report,
                                  .progress_ctx = &progress };
    struct sample sample = { 0 };
    int status = args->given[OPT_SAMPLE] ? take_sample(args, &sample, &o) : EXIT_DONE;

    if (args->given[OPT_DRY_RUN])
        o.flags = HOLOG_CALIBRATE_DRY_RUN;
    if (status == EXIT_DONE) {
        progress_begin(&progress, "calibrating");
        int rc = holog_calibrate(args->operands[0], &o, &found);
        progress_end(&progress);
        status = rc < 0 ? cli_fail(args, rc, args->operands[0]) : EXIT_DONE;
    }
    sample_release(args, &sample);
    if (status == EXIT_DONE && args->given[OPT_JSON])
        put_json(args, &found);
    else if (status == EXIT_DONE)
        put_table(args, &found);
    return cli_flush(args, status);
}
