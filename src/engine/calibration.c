/*
 * See calibration.h.
 */
#include "engine/calibration.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>

#include "base/error.h"
#include "engine/store_internal.h"
#include "io/outside.h"

#define VERSION    1
#define FILE_MAX   65536u /* bytes; what is written has some 300 */
#define DEPTH_MAX  8
#define LEVEL_MAX  65537 /* holog/array.h */
#define ZSTD_LEVEL 22

static const char *const codecs[] = {
    [HOLOG_CODEC_NONE] = "none", [HOLOG_CODEC_ZSTD] = "zstd", [HOLOG_CODEC_LZ4] = "lz4"
};
#define N_CODECS (sizeof codecs / sizeof codecs[0])

const char *hg_calibration_codec_name(uint32_t codec)
{
    HG_ASSERT(codec < N_CODECS);
    return codecs[codec];
}

/* ---- reading ---------------------------------------------------------------------------------------*/

static int ignore(struct hg_calibration *c, const char *why)
{
    *c = (struct hg_calibration){ .state = HG_CALIBRATION_IGNORED };
    (void)snprintf(c->note, sizeof c->note, "%s: %s; `holog calibrate` makes it anew",
                   HG_CALIBRATION_NAME, why);
    return 0;
}

static const char *text_of(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(o, name, &value) ||
        !json_object_is_type(value, json_type_string))
        return "";
    return json_object_get_string(value);
}

/* -1: it is no whole number of 0 or more. */
static int64_t number_of(struct json_object *o, const char *name)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(o, name, &value) || !json_object_is_type(value, json_type_int))
        return -1;
    return json_object_get_int64(value);
}

static int take_choices(struct json_object *o, struct hg_calibration *c)
{
    struct json_object *direct = NULL;
    const char *io = text_of(o, "io");
    int64_t level = number_of(o, "level");
    uint32_t codec = 0;

    while (codec < N_CODECS && strcmp(codecs[codec], text_of(o, "codec")) != 0)
        codec++;
    if (strcmp(io, "posix") != 0 && strcmp(io, "uring") != 0)
        return ignore(c, "io is neither \"posix\" nor \"uring\"");
    if (!json_object_object_get_ex(o, "direct", &direct) ||
        !json_object_is_type(direct, json_type_boolean))
        return ignore(c, "direct is neither true nor false");
    if (codec == N_CODECS)
        return ignore(c, "there is no such codec");
    if (level < 0 || level > (codec == HOLOG_CODEC_ZSTD ? ZSTD_LEVEL : LEVEL_MAX))
        return ignore(c, "level is none of that codec");
    c->io = strcmp(io, "uring") == 0 ? HOLOG_IO_URING : HOLOG_IO_POSIX;
    c->direct = json_object_get_boolean(direct) ? HOLOG_DIRECT_ON : HOLOG_DIRECT_OFF;
    c->codec = codec;
    c->level = (int32_t)level;
    return 1;
}

/* "": it is this one. */
static const char *other_machine(struct json_object *o, const struct hg_machine *m)
{
    if (number_of(o, "cpus") != (int64_t)m->cpus)
        return "made with another number of processors";
    if (strcmp(text_of(o, "simd"), m->simd) != 0)
        return "made on another kind of processor";
    if (strcmp(text_of(o, "kernel"), m->kernel) != 0)
        return "made under another kernel";
    if (strcmp(text_of(o, "file_system"), m->file_system) != 0)
        return "made on another file system";
    return "";
}

static int take(struct json_object *o, const struct hg_machine *m, struct hg_calibration *c)
{
    struct json_object *machine = NULL;
    const char *other;

    if (!json_object_is_type(o, json_type_object) || number_of(o, "holog_calibration") != VERSION)
        return ignore(c, "it is no calibration of this version");
    if (!json_object_object_get_ex(o, "machine", &machine) ||
        !json_object_is_type(machine, json_type_object))
        return ignore(c, "it does not say which machine it is of");
    other = other_machine(machine, m);
    if (other[0] != 0)
        return ignore(c, other);
    return take_choices(o, c);
}

static struct json_object *parse(const struct hg_buf *file)
{
    struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
    struct json_object *o = NULL;

    if (t == NULL)
        return NULL;
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    o = json_tokener_parse_ex(t, (const char *)file->data, (int)file->len);
    if (json_tokener_get_error(t) != json_tokener_success) {
        (void)json_object_put(o);
        o = NULL;
    }
    json_tokener_free(t);
    return o;
}

static void read_file(const char *dir, struct hg_outside *root, struct hg_calibration *c)
{
    struct hg_buf file = { 0 };
    struct hg_machine machine;
    struct json_object *o = NULL;
    int rc = hg_outside_read(root, HG_CALIBRATION_NAME, FILE_MAX, &file);

    if (rc == HOLOG_OK)
        rc = hg_machine_of(dir, &machine);
    if (rc == HOLOG_OK)
        o = parse(&file);
    if (rc == HOLOG_OK && o != NULL && take(o, &machine, c))
        c->state = HG_CALIBRATION_USED;
    else if (rc == HOLOG_OK && o == NULL)
        (void)ignore(c, "it is no JSON");
    else if (rc < 0 && rc != HOLOG_E_NOENT)
        (void)ignore(c, "it cannot be read");
    (void)json_object_put(o);
    hg_buf_release(&file);
}

void hg_calibration_read(const char *dir, struct hg_calibration *out)
{
    struct hg_outside *root = NULL;

    *out = (struct hg_calibration){ 0 };
    if (hg_outside_open(dir, 0, &root) == HOLOG_OK)
        read_file(dir, root, out);
    hg_outside_close(root);
    hg_error_clear(); /* a hint: what is wrong with it stands in its note */
}

/* ---- using it --------------------------------------------------------------------------------------*/

void hg_calibration_apply(const char *dir, holog_options *opts, struct hg_calibration *out)
{
    *out = (struct hg_calibration){ .state = HG_CALIBRATION_OFF };
    if ((opts->flags & HOLOG_OPEN_NO_CALIBRATION) != 0)
        return;
    hg_calibration_read(dir, out);
    if (out->state == HG_CALIBRATION_IGNORED && opts->log != NULL)
        opts->log(opts->log_ctx, HOLOG_LOG_WARN, out->note);
    if (out->state != HG_CALIBRATION_USED)
        return;
    /* io_uring and direct I/O are the default where there are: nobody is made to fail for want of them. */
    if (opts->io == HOLOG_IO_AUTO && hg_environment("HOLOG_IO") == NULL &&
        out->io == HOLOG_IO_POSIX)
        opts->io = HOLOG_IO_POSIX;
    if (opts->direct == HOLOG_DIRECT_AUTO && hg_environment("HOLOG_DIRECT") == NULL &&
        out->direct == HOLOG_DIRECT_OFF)
        opts->direct = HOLOG_DIRECT_OFF;
}

/* ---- writing ---------------------------------------------------------------------------------------*/

static int print(const struct hg_machine *m, const struct hg_calibration *c, char *out, size_t room)
{
    int n = snprintf(out, room,
                     "{\n"
                     "  \"holog_calibration\": %d,\n"
                     "  \"machine\": {\n"
                     "    \"cpus\": %llu,\n"
                     "    \"simd\": \"%s\",\n"
                     "    \"kernel\": \"%s\",\n"
                     "    \"file_system\": \"%s\"\n"
                     "  },\n"
                     "  \"io\": \"%s\",\n"
                     "  \"direct\": %s,\n"
                     "  \"codec\": \"%s\",\n"
                     "  \"level\": %d\n"
                     "}\n",
                     VERSION, (unsigned long long)m->cpus, m->simd, m->kernel, m->file_system,
                     c->io == HOLOG_IO_URING ? "uring" : "posix",
                     c->direct == HOLOG_DIRECT_ON ? "true" : "false",
                     hg_calibration_codec_name(c->codec), c->level);

    HG_ASSERT(n > 0 && (size_t)n < room); /* the parts are bounded */
    return n;
}

static int write_tmp(struct hg_io *io, const void *data, size_t len)
{
    struct hg_file *f = NULL;
    int rc = io->ops->unlink(io, HG_CALIBRATION_TMP); /* of one that was cut short */

    if (rc == HOLOG_OK || rc == HOLOG_E_NOENT)
        rc = io->ops->open(io, HG_CALIBRATION_TMP, HG_OPEN_WRITE | HG_OPEN_CREATE, &f);
    if (rc < 0)
        return rc;
    rc = hg_io_write_full(f, data, len, 0, 0);
    if (rc == HOLOG_OK)
        rc = io->ops->fdatasync(f);
    int closed = io->ops->close(f);
    return rc < 0 ? rc : closed;
}

int hg_calibration_write(struct hg_io *io, const struct hg_machine *machine,
                         const struct hg_calibration *c)
{
    char text[1024];
    int len = print(machine, c, text, sizeof text);
    int rc = write_tmp(io, text, (size_t)len);

    if (rc == HOLOG_OK)
        rc = io->ops->rename(io, HG_CALIBRATION_TMP, HG_CALIBRATION_NAME);
    return rc < 0 ? rc : io->ops->sync_dir(io, "");
}
