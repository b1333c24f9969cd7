/*
 * cmd_ome.c: ome, pyramid: microscopy images, plates, and their levels.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <holog/ome.h>

#include "verbs.h"

/* ---- ome: what is there ------------------------------------------------------------------------ */

static const char *method_name(uint32_t method)
{
    static const char *const names[] = { "", "mean", "nearest", "mode" };

    return method <= HOLOG_OME_MODE ? names[method] : "";
}

/* All names of a list: an array of JSON. */
static json_object *names_of(const holog_ome *ome, uint32_t list, uint32_t n)
{
    json_object *names = json_object_new_array();
    const char *name = NULL;

    for (uint32_t i = 0; i < n && holog_ome_get_name(ome, list, i, &name) == HOLOG_OK; i++)
        (void)json_object_array_add(names, json_text(name));
    return names;
}

static json_object *numbers_of(const uint64_t *n, uint32_t count)
{
    json_object *list = json_object_new_array();

    for (uint32_t i = 0; i < count; i++)
        (void)json_object_array_add(list, json_number(n[i]));
    return list;
}

static json_object *reals_of(const double *d, uint32_t count)
{
    json_object *list = json_object_new_array();

    for (uint32_t i = 0; i < count; i++)
        (void)json_object_array_add(list, json_object_new_double(d[i]));
    return list;
}

static json_object *axes_of(const holog_ome *ome, uint32_t n)
{
    json_object *list = json_object_new_array();
    holog_ome_axis axis;

    for (uint32_t i = 0; i < n && holog_ome_get_axis(ome, i, &axis) == HOLOG_OK; i++) {
        json_object *o = json_object_new_object();
        json_add(o, "name", json_text(axis.name));
        json_add(o, "type", json_text(axis.type));
        json_add(o, "unit", json_text(axis.unit));
        (void)json_object_array_add(list, o);
    }
    return list;
}

static json_object *levels_of(const holog_ome *ome, const holog_ome_info *info)
{
    json_object *list = json_object_new_array();
    holog_ome_level level;

    for (uint32_t k = 0; k < info->n_levels && holog_ome_get_level(ome, k, &level) == HOLOG_OK;
         k++) {
        json_object *o = json_object_new_object();
        json_add(o, "path", json_text(level.path));
        json_add(o, "shape", numbers_of(level.shape, info->n_axes));
        json_add(o, "chunk_shape", numbers_of(level.chunk, info->n_axes));
        json_add(o, "scale", reals_of(level.scale, info->n_axes));
        json_add(o, "translation", reals_of(level.translation, info->n_axes));
        (void)json_object_array_add(list, o);
    }
    return list;
}

static const char *kind_name(const holog_ome_info *info)
{
    return info->kind == HOLOG_OME_PLATE    ? "plate"
           : info->kind == HOLOG_OME_WELL   ? "well"
           : info->kind == HOLOG_OME_LABELS ? "labels"
           : info->is_label                 ? "label"
                                            : "image";
}

static void describe_json(json_object *doc, const holog_ome *ome, const holog_ome_info *info)
{
    json_add(doc, "kind", json_text(kind_name(info)));
    json_add(doc, "name", json_text(info->name));
    if (info->kind == HOLOG_OME_IMAGE) {
        json_add(doc, "dtype", json_text(holog_dtype_name(info->dtype)));
        json_add(doc, "method", json_text(method_name(info->method)));
        json_add(doc, "axes", axes_of(ome, info->n_axes));
        json_add(doc, "levels", levels_of(ome, info));
        json_add(doc, "channels", names_of(ome, HOLOG_OME_LIST_CHANNELS, info->n_channels));
    }
    if (info->kind == HOLOG_OME_IMAGE || info->kind == HOLOG_OME_LABELS)
        json_add(doc, "labels", names_of(ome, HOLOG_OME_LIST_LABELS, info->n_labels));
    if (info->kind == HOLOG_OME_WELL)
        json_add(doc, "fields", names_of(ome, HOLOG_OME_LIST_FIELDS, info->n_fields));
    if (info->kind == HOLOG_OME_PLATE) {
        json_add(doc, "rows", names_of(ome, HOLOG_OME_LIST_ROWS, info->n_rows));
        json_add(doc, "columns", names_of(ome, HOLOG_OME_LIST_COLUMNS, info->n_columns));
        json_add(doc, "wells", names_of(ome, HOLOG_OME_LIST_WELLS, info->n_wells));
        json_add(doc, "acquisitions", json_number(info->n_acquisitions));
    }
}

/* ---- as text ----------------------------------------------------------------------------------- */

static void print_names(const holog_ome *ome, const char *what, uint32_t list, uint32_t n)
{
    const char *name = NULL;

    if (n > 0)
        (void)printf("%s", what);
    for (uint32_t i = 0; i < n && holog_ome_get_name(ome, list, i, &name) == HOLOG_OK; i++) {
        (void)fputs(i > 0 ? ", " : "  ", stdout);
        put_name(stdout, name[0] != 0 ? name : "-");
    }
    if (n > 0)
        (void)fputc('\n', stdout);
}

static void print_axes(const holog_ome *ome, const holog_ome_info *info)
{
    holog_ome_axis axis;

    for (uint32_t i = 0; i < info->n_axes && holog_ome_get_axis(ome, i, &axis) == HOLOG_OK; i++) {
        (void)fputs(i > 0 ? "      " : "axes  ", stdout);
        put_name(stdout, axis.name);
        (void)printf("  %-8" PRIu64, axis.size);
        put_name(stdout, axis.type != NULL ? axis.type : "-");
        if (axis.unit != NULL) {
            (void)printf("  %g ", axis.scale);
            put_name(stdout, axis.unit);
        }
        (void)fputc('\n', stdout);
    }
}

static void print_shape(const uint64_t *n, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        (void)printf("%s%" PRIu64, i > 0 ? " x " : "", n[i]);
}

static void print_levels(const holog_ome *ome, const holog_ome_info *info)
{
    holog_ome_level level;

    for (uint32_t k = 0; k < info->n_levels && holog_ome_get_level(ome, k, &level) == HOLOG_OK;
         k++) {
        (void)fputs("level ", stdout);
        put_name(stdout, level.path);
        (void)fputs("  ", stdout);
        print_shape(level.shape, info->n_axes);
        (void)fputs(", chunks of ", stdout);
        print_shape(level.chunk, info->n_axes);
        (void)fputs(", scale", stdout);
        for (uint32_t i = 0; i < info->n_axes; i++)
            (void)printf(" %g", level.scale[i]);
        (void)fputc('\n', stdout);
    }
}

static void print_image(const holog_ome *ome, const holog_ome_info *info)
{
    (void)printf("%s, %s, %" PRIu32 " %s%s%s\n", kind_name(info), holog_dtype_name(info->dtype),
                 info->n_levels, info->n_levels == 1 ? "level" : "levels",
                 info->method != HOLOG_OME_DEFAULT ? " by " : "", method_name(info->method));
    print_axes(ome, info);
    print_levels(ome, info);
    print_names(ome, "channels", HOLOG_OME_LIST_CHANNELS, info->n_channels);
    print_names(ome, "labels", HOLOG_OME_LIST_LABELS, info->n_labels);
}

/* Columns' names from top to bottom, one character wide: plates have 12, 24 or 48 of them. */
static void print_columns(json_object *columns, int margin)
{
    size_t n = json_object_array_length(columns);
    int height = 0;

    for (size_t i = 0; i < n; i++) {
        int len = json_object_get_string_len(json_object_array_get_idx(columns, i));
        height = len > height ? len : height;
    }
    for (int line = 0; line < height; line++) {
        (void)printf("%*s", margin + 1, "");
        for (size_t i = 0; i < n; i++) {
            json_object *name = json_object_array_get_idx(columns, i);
            int at = line - (height - json_object_get_string_len(name));
            (void)printf(" %c", at < 0 ? ' ' : json_object_get_string(name)[at]);
        }
        (void)fputc('\n', stdout);
    }
}

/* # has images, . has none. */
static void print_map(json_object *rows, json_object *columns, json_object *wells, int margin)
{
    print_columns(columns, margin);
    for (size_t r = 0; r < json_object_array_length(rows); r++) {
        const char *row = json_object_get_string(json_object_array_get_idx(rows, r));
        (void)printf("%*s ", margin, row);
        for (size_t c = 0; c < json_object_array_length(columns); c++) {
            char well[600];
            (void)snprintf(well, sizeof well, "%s/%s", row,
                           json_object_get_string(json_object_array_get_idx(columns, c)));
            (void)printf(" %c", json_object_object_get_ex(wells, well, NULL) ? '#' : '.');
        }
        (void)fputc('\n', stdout);
    }
}

/* Names of rows and columns that can be drawn: those of letters and digits. */
static bool is_plain(json_object *names, int *out_longest)
{
    static const char known[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i < json_object_array_length(names); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        int len = (int)strlen(name);
        if (len == 0 || len > 255 || strspn(name, known) != (size_t)len)
            return false;
        *out_longest = len > *out_longest ? len : *out_longest;
    }
    return true;
}

static void print_plate(const holog_ome *ome, const holog_ome_info *info)
{
    json_object *rows = names_of(ome, HOLOG_OME_LIST_ROWS, info->n_rows);
    json_object *columns = names_of(ome, HOLOG_OME_LIST_COLUMNS, info->n_columns);
    json_object *wells = json_object_new_object();
    const char *well = NULL;
    int margin = 1;
    int unused = 0;

    (void)printf("plate of %" PRIu32 " x %" PRIu32 ", %" PRIu32 " %s, %" PRIu32 " %s\n",
                 info->n_rows, info->n_columns, info->n_wells,
                 info->n_wells == 1 ? "well" : "wells", info->n_acquisitions,
                 info->n_acquisitions == 1 ? "acquisition" : "acquisitions");
    for (uint32_t i = 0; i < info->n_wells; i++)
        if (holog_ome_get_name(ome, HOLOG_OME_LIST_WELLS, i, &well) == HOLOG_OK)
            json_add(wells, well, json_object_new_boolean(1));
    if (is_plain(rows, &margin) && is_plain(columns, &unused))
        print_map(rows, columns, wells, margin);
    (void)json_object_put(rows);
    (void)json_object_put(columns);
    (void)json_object_put(wells);
}

static void describe(const holog_ome *ome, const holog_ome_info *info)
{
    if (info->name[0] != 0) {
        put_name(stdout, info->name);
        (void)fputs(": ", stdout);
    }
    if (info->kind == HOLOG_OME_PLATE) {
        print_plate(ome, info);
    } else if (info->kind == HOLOG_OME_IMAGE) {
        print_image(ome, info);
    } else {
        (void)printf("%s\n", kind_name(info));
        print_names(ome, "labels", HOLOG_OME_LIST_LABELS, info->n_labels);
        print_names(ome, "fields", HOLOG_OME_LIST_FIELDS, info->n_fields);
    }
}

static int show(const struct args *args, holog_view *view, const char *path, json_object *doc)
{
    holog_ome_info info = { .struct_size = sizeof info };
    holog_ome *ome = NULL;
    int rc = holog_ome_open(view, path, &ome);

    if (rc == HOLOG_OK)
        rc = holog_ome_get_info(ome, &info);
    if (rc == HOLOG_OK && args->given[OPT_JSON])
        describe_json(doc, ome, &info);
    else if (rc == HOLOG_OK)
        describe(ome, &info);
    holog_ome_close(ome);
    return rc < 0 ? cli_fail(args, rc, path) : EXIT_DONE;
}

/* ---- is it right? ------------------------------------------------------------------------------ */

struct problems {
    const struct args *args;
    json_object *list;
    uint64_t count;
};

static int tell_problem(void *ctx, const char *path, const char *message)
{
    struct problems *p = ctx;

    p->count++;
    if (p->args->given[OPT_JSON]) {
        json_object *o = json_object_new_object();
        json_add(o, "path", json_text(path));
        json_add(o, "message", json_text(message));
        (void)json_object_array_add(p->list, o);
        return 0;
    }
    put_name(stdout, path);
    (void)fputs(": ", stdout);
    put_name(stdout, message);
    (void)fputc('\n', stdout);
    return ferror(stdout) != 0;
}

static int check(const struct args *args, holog_view *view, const char *path, json_object *doc)
{
    struct problems p = { .args = args, .list = json_object_new_array() };
    int rc = holog_ome_validate(view, path, tell_problem, &p);

    json_add(doc, "problems", p.list);
    if (rc < 0 && p.count == 0)
        return cli_fail(args, rc, path);
    if (!args->given[OPT_JSON] && p.count == 0)
        (void)puts("as OME-NGFF 0.5 says that it must be");
    if (p.count == 0)
        return EXIT_DONE;
    return cli_fail_text(args, "%s: %" PRIu64 " %s not as OME-NGFF 0.5 says", path, p.count,
                         p.count == 1 ? "thing is" : "things are");
}

int verb_ome(const struct args *args)
{
    const char *path = args->operand_count > 1 ? args->operands[1] : "/";
    holog_store *store = NULL;
    holog_view *view = NULL;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    json_object *doc = json_object_new_object();
    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "path", json_text(path));
    status = cli_view(args, store, &view);
    if (status == EXIT_DONE) {
        json_add(doc, "commit", json_number(holog_view_number(view)));
        status =
            args->given[OPT_CHECK] ? check(args, view, path, doc) : show(args, view, path, doc);
    }
    holog_view_close(view);
    if (args->given[OPT_JSON] && (status == EXIT_DONE || args->given[OPT_CHECK]))
        json_print(json_object_get(doc));
    (void)json_object_put(doc);
    return cli_flush(args, cli_close(args, store, status));
}

int ome_check_import(const struct args *args, holog_txn *txn, const char *path)
{
    struct holog_error_detail why;
    int rc = holog_txn_ome_validate(txn, path, NULL, NULL);

    if (rc == HOLOG_OK)
        return EXIT_DONE;
    cli_detail(rc, &why);
    return cli_fail_detail(args, &why, "nothing was imported", path);
}

/* ---- pyramid ----------------------------------------------------------------------------------- */

struct wanted {
    holog_ome_spec spec;
    holog_ome_axis axes[HOLOG_OME_AXES_MAX];
    char names[HOLOG_OME_AXES_MAX][2];
};

static bool parse_method(const struct args *args, uint32_t *out)
{
    const char *name = args->given[OPT_METHOD] ? args->text[OPT_METHOD] : "";

    for (uint32_t i = HOLOG_OME_DEFAULT; i <= HOLOG_OME_MODE; i++) {
        if (strcmp(name, method_name(i)) == 0) {
            *out = i;
            return !args->given[OPT_METHOD] || i != HOLOG_OME_DEFAULT;
        }
    }
    return false;
}

/* One letter for each axis. */
static bool parse_axes(const struct args *args, struct wanted *out)
{
    const char *letters = args->given[OPT_AXES] ? args->text[OPT_AXES] : "";
    size_t n = strlen(letters);

    if (n > HOLOG_OME_AXES_MAX || strspn(letters, "tczyx") != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        out->names[i][0] = letters[i];
        out->axes[i].name = out->names[i];
    }
    out->spec.n_axes = (uint32_t)n;
    out->spec.axes = n > 0 ? out->axes : NULL;
    return n > 0 || !args->given[OPT_AXES];
}

static bool is_spatial(const holog_ome_axis *axis)
{
    return strchr("zyx", axis->name[0]) != NULL;
}

/* A number for each axis of space, in their order; one for all of them. */
static bool parse_scale(const struct args *args, struct wanted *w)
{
    const char *at = args->given[OPT_SCALE] ? args->text[OPT_SCALE] : "";
    double scale = 0;

    for (uint32_t i = 0; args->given[OPT_SCALE] && i < w->spec.n_axes; i++) {
        char *end = NULL;
        if (!is_spatial(&w->axes[i]))
            continue;
        if (*at != 0) {
            scale = strtod(at, &end);
            if (end == at || !(scale > 0) || (*end != ',' && *end != 0))
                return false;
            at = *end == ',' ? end + 1 : end;
        }
        w->axes[i].scale = scale;
        w->axes[i].unit = args->given[OPT_UNIT] ? args->text[OPT_UNIT] : NULL;
    }
    return *at == 0;
}

static int parse_wanted(const struct args *args, struct wanted *out)
{
    *out = (struct wanted){ .spec = { .struct_size = sizeof out->spec } };
    if (args->given[OPT_LEVELS] &&
        (args->number[OPT_LEVELS] == 0 || args->number[OPT_LEVELS] > HOLOG_OME_LEVELS_MAX))
        return cli_usage(args, "--levels is 1 to %d", HOLOG_OME_LEVELS_MAX);
    out->spec.levels = args->given[OPT_LEVELS] ? (uint32_t)args->number[OPT_LEVELS] : 0;
    out->spec.halve_z = args->given[OPT_HALVE_Z] ? HOLOG_OME_Z_HALVED : HOLOG_OME_Z_AUTO;
    if (!parse_method(args, &out->spec.method))
        return cli_usage(args, "--method is mean, nearest or mode, not %s", args->text[OPT_METHOD]);
    if (!parse_axes(args, out))
        return cli_usage(args, "--axes has a letter of tczyx for each axis, not %s",
                         args->text[OPT_AXES]);
    if ((args->given[OPT_SCALE] && !args->given[OPT_AXES]) ||
        (args->given[OPT_UNIT] && !args->given[OPT_SCALE]))
        return cli_usage(args, "--unit goes with --scale, and --scale with --axes");
    if (!parse_scale(args, out))
        return cli_usage(args, "--scale has a number above 0 for each of z, y and x, not %s",
                         args->text[OPT_SCALE]);
    return EXIT_DONE;
}

/* 1, 0 or a failure. */
static int is_array(holog_txn *txn, const char *path)
{
    holog_array *a = NULL;
    int rc = holog_txn_array(txn, path, &a);

    holog_array_close(a);
    return rc == HOLOG_OK ? 1 : rc == HOLOG_E_TYPE ? 0 : rc;
}

static int make(const struct args *args, holog_txn *txn, const char *path, const struct wanted *w,
                struct progress *progress)
{
    int anew = args->given[OPT_LEVELS] || args->given[OPT_METHOD] || args->given[OPT_HALVE_Z];
    int rc = is_array(txn, path);

    if (rc > 0)
        return holog_txn_ome_image_from_array(txn, path, &w->spec, progress_report, progress);
    if (rc < 0)
        return rc;
    return anew ? holog_txn_ome_pyramid_make(txn, path, w->spec.levels, w->spec.method,
                                             w->spec.halve_z, progress_report, progress)
                : holog_txn_ome_pyramid_update(txn, path, NULL, progress_report, progress);
}

int verb_pyramid(const struct args *args)
{
    const char *path = args->operands[1];
    json_object *doc = NULL;
    struct progress progress;
    struct change change;
    struct wanted w;
    int status = parse_wanted(args, &w);

    if (status == EXIT_DONE)
        status = change_begin(args, &change);
    if (status != EXIT_DONE)
        return status;
    progress_begin(&progress, "computing levels");
    int rc = make(args, change.txn, path, &w, &progress);
    progress_end(&progress);
    if (rc < 0)
        status = cli_fail(args, rc, path);
    if (rc == HOLOG_E_NOTSUP && !args->given[OPT_LEVELS])
        cli_note(args, "with --levels N levels that holog can write take the place of those");
    if (args->given[OPT_JSON]) {
        doc = json_object_new_object();
        json_add(doc, "store", json_text(args->operands[0]));
        json_add(doc, "path", json_text(path));
    }
    return change_end(&change, status, path, doc);
}
