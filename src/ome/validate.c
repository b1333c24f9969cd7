/*
 * What is wrong with an image, its labels, a plate, a well: what the specification says that must be, and what it
 * shows to belong together. What should be, and is not, is no problem.
 *
 * Source: OME-NGFF 0.5.2, 0.5/index.bs, and the schemas beside it.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ome/ome_internal.h"

struct check {
    struct hg_ome_source source;
    struct hg_ome_report report;
    int rc; /* what is no problem of the metadata: memory, damage */
};

static int ended(const struct check *c)
{
    return c->rc < 0 || c->report.stop;
}

/* A failed load is what is wrong with the entry that is named, or ends the check. */
static void judge(struct check *c, const char *path, const char *what, int rc)
{
    struct holog_error_detail why;

    if (rc == HOLOG_OK)
        return;
    hg_error_get(&why);
    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_TYPE || rc == HOLOG_E_INVAL || rc == HOLOG_E_NOTDIR ||
        rc == HOLOG_E_NOTSUP || rc == HOLOG_E_LOOP || rc == HOLOG_E_NAMETOOLONG ||
        rc == HOLOG_E_TOOBIG || rc == HOLOG_E_BADPATH)
        hg_ome_problem(&c->report, path, "%s: %s", what, why.message);
    else
        c->rc = rc;
}

/* Names that are there already, in an object; a problem if it is one of them. */
static int is_new(struct check *c, struct json_object *seen, const char *name)
{
    int rc;

    if (hg_json_get(seen, name) != NULL)
        return 0;
    rc = hg_json_put(seen, name, json_object_new_boolean(1));
    if (rc < 0)
        c->rc = rc;
    return 1;
}

/* A list of at least `least` and at most `most` objects; NULL, and a problem: it is none. */
static struct json_object *list_in(struct check *c, const char *path, struct json_object *o,
                                   const char *name, size_t least, size_t most)
{
    struct json_object *list = hg_json_get(o, name);

    if (json_object_is_type(list, json_type_array) && json_object_array_length(list) >= least &&
        json_object_array_length(list) <= most)
        return list;
    hg_ome_problem(&c->report, path, "%s is no list of %zu to %zu", name, least, most);
    return NULL;
}

/* ---- images ----------------------------------------------------------------------------------------*/

static void check_names(struct check *c, const char *at, const struct hg_ome_image *m,
                        const struct hg_document *d)
{
    for (unsigned i = 0; i < m->rank; i++) {
        struct json_object *name = d->names != NULL ? json_object_array_get_idx(d->names, i) : NULL;
        if (!hg_json_is(name, m->axis[i].name)) {
            hg_ome_problem(&c->report, at, "dimension_names[%u] is not \"%.60s\", as the axis", i,
                           m->axis[i].name);
            return;
        }
    }
}

static void check_array(struct check *c, const char *at, const struct hg_ome_image *m,
                        const struct hg_document *d)
{
    if (d->rank != m->rank) {
        hg_ome_problem(&c->report, at, "has %u axes, and its image %u", d->rank, m->rank);
        return;
    }
    check_names(c, at, m, d);
    if (m->is_label && (d->type.dtype < HG_INT8 || d->type.dtype > HG_UINT64))
        hg_ome_problem(&c->report, at, "labels are integers, not %s",
                       holog_dtype_name(d->type.dtype));
}

/* Levels are ordered from the largest to the smallest. */
static void check_level(struct check *c, const char *path, const struct hg_ome_image *m, unsigned k,
                        uint64_t *last)
{
    char at[HG_PATH_MAX + 1];
    struct hg_document d;
    int rc = hg_ome_join(path, m->level[k].path, at);

    if (rc < 0)
        return; /* it was told with the path */
    rc = hg_ome_array_load(&c->source, at, &d);
    judge(c, path, "datasets", rc);
    if (rc < 0)
        return;
    check_array(c, at, m, &d);
    for (unsigned i = 0; d.rank == m->rank && i < d.rank; i++) {
        if (k > 0 && d.shape[i] > last[i])
            hg_ome_problem(&c->report, at, "is longer along \"%.60s\" than the level before",
                           m->axis[i].name);
        last[i] = d.shape[i];
    }
    hg_document_release(&d);
}

static int is_color(const char *text)
{
    return text != NULL && strlen(text) == 6 && strspn(text, "0123456789abcdefABCDEF") == 6;
}

static int is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           json_object_is_type(value, json_type_double);
}

static void check_channels(struct check *c, const char *path, struct json_object *omero)
{
    static const char *const window[] = { "min", "max", "start", "end" };
    struct json_object *list = list_in(c, path, omero, "channels", 0, HOLOG_OME_NAMES_MAX);
    size_t n = list != NULL ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && !ended(c); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        if (!is_color(hg_json_text(hg_json_get(o, "color"))))
            hg_ome_problem(&c->report, path, "omero.channels[%zu].color is not 6 hex digits", i);
        for (size_t k = 0; k < sizeof window / sizeof window[0]; k++)
            if (!is_number(hg_json_get(hg_json_get(o, "window"), window[k])))
                hg_ome_problem(&c->report, path, "omero.channels[%zu].window.%s is no number", i,
                               window[k]);
    }
}

static int is_rgba(struct json_object *list)
{
    uint64_t value;

    if (list == NULL)
        return 1; /* it may be left out */
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != 4)
        return 0;
    for (size_t i = 0; i < 4; i++)
        if (!hg_json_count(json_object_array_get_idx(list, i), 255, &value))
            return 0;
    return 1;
}

/* `colors` or `properties`: a list, if it is there, of one object for each value. */
static void check_values(struct check *c, const char *path, struct json_object *label,
                         const char *member)
{
    struct json_object *list = hg_json_get(label, member);
    struct json_object *seen;

    if (list == NULL)
        return;
    list = list_in(c, path, label, member, 1, HOLOG_OME_WELLS_MAX);
    seen = json_object_new_object();
    for (size_t i = 0; list != NULL && i < json_object_array_length(list) && !ended(c); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        struct json_object *value = hg_json_get(o, "label-value");
        if (!json_object_is_type(value, json_type_int))
            hg_ome_problem(&c->report, path, "%s[%zu].label-value is no integer", member, i);
        else if (!is_new(c, seen, json_object_to_json_string(value)))
            hg_ome_problem(&c->report, path, "%s[%zu].label-value is there twice", member, i);
        if (!is_rgba(hg_json_get(o, "rgba")))
            hg_ome_problem(&c->report, path, "%s[%zu].rgba is not four of 0 to 255", member, i);
    }
    json_object_put(seen);
}

static void check_label(struct check *c, const char *path, struct json_object *label)
{
    struct json_object *source = hg_json_get(label, "source");
    struct json_object *image = hg_json_get(source, "image");

    if (!json_object_is_type(label, json_type_object))
        hg_ome_problem(&c->report, path, "image-label is no object");
    if (source != NULL && !json_object_is_type(source, json_type_object))
        hg_ome_problem(&c->report, path, "image-label.source is no object");
    if (image != NULL && hg_json_text(image) == NULL)
        hg_ome_problem(&c->report, path, "image-label.source.image is no string");
    check_values(c, path, label, "colors");
    check_values(c, path, label, "properties");
}

/* *out_levels: of the first of its multiscales. */
static void check_multiscales(struct check *c, const char *path, struct json_object *ome,
                              unsigned *out_levels)
{
    struct json_object *list = list_in(c, path, ome, "multiscales", 1, HOLOG_OME_NAMES_MAX);
    struct hg_ome_image *m = hg_malloc(sizeof *m);

    *out_levels = 0;
    if (m == NULL)
        c->rc = hg_error(HOLOG_E_NOMEM, "no memory to check an image");
    for (size_t i = 0; m != NULL && list != NULL && i < json_object_array_length(list) && !ended(c);
         i++) {
        uint64_t last[HG_OME_RANK] = { 0 };
        hg_ome_image_parse(ome, i, path, m, &c->report);
        for (unsigned k = 0; k < m->n_levels && !ended(c); k++)
            check_level(c, path, m, k, last);
        if (i == 0)
            *out_levels = m->n_levels;
    }
    hg_free(m);
}

static void check_group(struct check *c, const char *path, unsigned kinds, unsigned *out_levels);
#define IMAGE  1u
#define LABELS 2u
#define PLATE  4u
#define WELL   8u
#define ALONE  16u /* labels beside an image are not looked at: those of labels */

static void check_labels(struct check *c, const char *path, unsigned levels)
{
    struct json_object *document = NULL;
    struct json_object *list = NULL;
    char labels[HG_PATH_MAX + 1];
    char at[HG_PATH_MAX + 1];
    int rc = hg_ome_labels_load(&c->source, path, &document, &list);

    judge(c, path, "labels", rc);
    if (rc == HOLOG_OK && list != NULL && hg_ome_join(path, "labels", labels) == HOLOG_OK) {
        hg_ome_version_check(hg_ome_of(document), labels, &c->report);
        for (size_t i = 0; i < json_object_array_length(list) && !ended(c); i++) {
            const char *name = hg_json_text(json_object_array_get_idx(list, i));
            unsigned has = 0;
            if (name == NULL || hg_ome_join(labels, name, at) < 0) {
                hg_ome_problem(&c->report, labels, "labels[%zu] is no path below the group", i);
                continue;
            }
            check_group(c, at, IMAGE | ALONE, &has);
            if (has != levels && has > 0 && levels > 0)
                hg_ome_problem(&c->report, at, "has %u levels, and the image %u", has, levels);
        }
    }
    json_object_put(document);
}

static void check_image(struct check *c, const char *path, struct json_object *ome, unsigned kinds,
                        unsigned *out_levels)
{
    struct json_object *omero = hg_json_get(ome, "omero");
    struct json_object *label = hg_json_get(ome, "image-label");

    check_multiscales(c, path, ome, out_levels);
    if (omero != NULL)
        check_channels(c, path, omero);
    if (label != NULL)
        check_label(c, path, label);
    if (!ended(c) && (kinds & ALONE) == 0)
        check_labels(c, path, *out_levels);
}

/* ---- plates ----------------------------------------------------------------------------------------*/

/* Rows or columns: {name: index} of those that are right. */
static struct json_object *check_line(struct check *c, const char *path, struct json_object *plate,
                                      const char *member)
{
    struct json_object *list = list_in(c, path, plate, member, 1, HOLOG_OME_NAMES_MAX);
    struct json_object *index = json_object_new_object();

    for (size_t i = 0; list != NULL && i < json_object_array_length(list) && !ended(c); i++) {
        const char *name = hg_json_text(hg_json_get(json_object_array_get_idx(list, i), "name"));
        int rc = HOLOG_OK;
        if (!hg_ome_is_alphanumeric(name))
            hg_ome_problem(&c->report, path, "plate.%s[%zu].name is not of letters and digits",
                           member, i);
        else if (hg_json_get(index, name) != NULL)
            hg_ome_problem(&c->report, path, "plate.%s: two have the name \"%.60s\"", member, name);
        else
            rc = hg_json_put(index, name, json_object_new_uint64(i));
        if (rc < 0)
            c->rc = rc;
    }
    return index;
}

/* {id: true} of those that are right. */
static struct json_object *check_acquisitions(struct check *c, const char *path,
                                              struct json_object *plate)
{
    struct json_object *list = hg_json_get(plate, "acquisitions");
    struct json_object *ids = json_object_new_object();

    if (list != NULL)
        list = list_in(c, path, plate, "acquisitions", 0, HOLOG_OME_NAMES_MAX);
    for (size_t i = 0; list != NULL && i < json_object_array_length(list) && !ended(c); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        struct json_object *most = hg_json_get(o, "maximumfieldcount");
        uint64_t id = 0;
        if (!hg_json_count(hg_json_get(o, "id"), INT64_MAX, &id))
            hg_ome_problem(&c->report, path, "plate.acquisitions[%zu].id is not 0 or above", i);
        else if (!is_new(c, ids, json_object_to_json_string(hg_json_get(o, "id"))))
            hg_ome_problem(&c->report, path, "plate.acquisitions[%zu].id is there twice", i);
        if (most != NULL && (!hg_json_count(most, INT64_MAX, &id) || id == 0))
            hg_ome_problem(&c->report, path,
                           "plate.acquisitions[%zu].maximumfieldcount is not above 0", i);
    }
    return ids;
}

/* The name in the first part of a well's path, or the second, has the index that is said. */
static int is_at(struct json_object *line, const char *name, size_t len, struct json_object *index)
{
    char text[HOLOG_NAME_MAX + 1];
    uint64_t is = 0;

    if (len > HOLOG_NAME_MAX)
        return 0;
    memcpy(text, name, len);
    text[len] = 0;
    return hg_json_get(line, text) != NULL && hg_json_count(index, INT64_MAX, &is) &&
           is == json_object_get_uint64(hg_json_get(line, text));
}

/* What is asked of fields when wells are checked. */
struct wells {
    const char *path;
    struct json_object *rows, *columns, *ids;
    uint64_t most_fields;
};

static void check_well(struct check *c, const char *path, struct json_object *well,
                       struct wells *of);

static void check_well_of(struct check *c, struct wells *w, struct json_object *o, size_t i)
{
    const char *path = hg_json_text(hg_json_get(o, "path"));
    const char *slash = path != NULL ? strchr(path, '/') : NULL;
    struct json_object *document = NULL;
    char at[HG_PATH_MAX + 1];
    int rc;

    if (slash == NULL ||
        !is_at(w->rows, path, (size_t)(slash - path), hg_json_get(o, "rowIndex")) ||
        !is_at(w->columns, slash + 1, strlen(slash + 1), hg_json_get(o, "columnIndex")) ||
        hg_ome_join(w->path, path, at) < 0) {
        hg_ome_problem(
            &c->report, w->path,
            "plate.wells[%zu]: path, rowIndex and columnIndex are not one row and column", i);
        return;
    }
    rc = hg_ome_group_load(&c->source, at, &document);
    if (rc == HOLOG_E_NOENT)
        return; /* a well without images has no group */
    judge(c, w->path, "plate.wells", rc);
    if (rc == HOLOG_OK) {
        hg_ome_version_check(hg_ome_of(document), at, &c->report);
        check_well(c, at, hg_json_get(hg_ome_of(document), "well"), w);
    }
    json_object_put(document);
}

static void check_plate(struct check *c, const char *path, struct json_object *plate)
{
    struct wells w = { .path = path,
                       .rows = check_line(c, path, plate, "rows"),
                       .columns = check_line(c, path, plate, "columns"),
                       .ids = check_acquisitions(c, path, plate) };
    struct json_object *list = list_in(c, path, plate, "wells", 1, HOLOG_OME_WELLS_MAX);
    struct json_object *seen = json_object_new_object();
    struct json_object *count = hg_json_get(plate, "field_count");
    uint64_t fields = UINT64_MAX;

    for (size_t i = 0; list != NULL && i < json_object_array_length(list) && !ended(c); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        const char *name = hg_json_text(hg_json_get(o, "path"));
        check_well_of(c, &w, o, i);
        if (name != NULL && !ended(c) && !is_new(c, seen, name))
            hg_ome_problem(&c->report, path, "plate.wells[%zu] is there twice", i);
    }
    if (count != NULL && (!hg_json_count(count, INT64_MAX, &fields) || fields == 0))
        hg_ome_problem(&c->report, path, "plate.field_count is not above 0");
    else if (!ended(c) && fields < w.most_fields)
        hg_ome_problem(&c->report, path, "plate.field_count is %llu, and a well has %llu",
                       (unsigned long long)fields, (unsigned long long)w.most_fields);
    json_object_put(w.rows);
    json_object_put(w.columns);
    json_object_put(w.ids);
    json_object_put(seen);
}

/* The acquisition of a field; of: NULL: its plate is not looked at. */
static void check_field(struct check *c, const char *path, struct json_object *o, size_t i,
                        const struct wells *of)
{
    struct json_object *id = hg_json_get(o, "acquisition");
    size_t several = of != NULL ? (size_t)json_object_object_length(of->ids) : 0;

    if (id == NULL && several > 1)
        hg_ome_problem(&c->report, path,
                       "well.images[%zu] has no acquisition, and the plate several", i);
    if (id != NULL && !json_object_is_type(id, json_type_int))
        hg_ome_problem(&c->report, path, "well.images[%zu].acquisition is no integer", i);
    else if (id != NULL && several > 0 &&
             hg_json_get(of->ids, json_object_to_json_string(id)) == NULL)
        hg_ome_problem(&c->report, path, "well.images[%zu].acquisition is none of the plate's", i);
}

static void check_well(struct check *c, const char *path, struct json_object *well,
                       struct wells *of)
{
    struct json_object *list = list_in(c, path, well, "images", 1, HOLOG_OME_NAMES_MAX);
    struct json_object *seen = json_object_new_object();
    size_t n = list != NULL ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && !ended(c); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        const char *name = hg_json_text(hg_json_get(o, "path"));
        char at[HG_PATH_MAX + 1];
        unsigned levels;
        check_field(c, path, o, i, of);
        if (!hg_ome_is_alphanumeric(name))
            hg_ome_problem(&c->report, path, "well.images[%zu].path is not of letters and digits",
                           i);
        else if (!is_new(c, seen, name))
            hg_ome_problem(&c->report, path, "well.images[%zu].path is there twice", i);
        else if (hg_ome_join(path, name, at) == HOLOG_OK)
            check_group(c, at, IMAGE, &levels);
    }
    if (of != NULL)
        of->most_fields = HG_MAX(of->most_fields, (uint64_t)n);
    json_object_put(seen);
}

/* ---- a group ---------------------------------------------------------------------------------------*/

/* A list of labels by itself: each is an image. */
static void check_list(struct check *c, const char *path, struct json_object *ome)
{
    struct json_object *list = list_in(c, path, ome, "labels", 0, HOLOG_OME_NAMES_MAX);

    for (size_t i = 0; list != NULL && i < json_object_array_length(list) && !ended(c); i++) {
        const char *name = hg_json_text(json_object_array_get_idx(list, i));
        char at[HG_PATH_MAX + 1];
        unsigned levels;
        if (name == NULL || hg_ome_join(path, name, at) < 0)
            hg_ome_problem(&c->report, path, "labels[%zu] is no path below the group", i);
        else
            check_group(c, at, IMAGE | ALONE, &levels);
    }
}

/* One of `kinds`. */
static void check_group(struct check *c, const char *path, unsigned kinds, unsigned *out_levels)
{
    struct json_object *document = NULL;
    struct json_object *ome;
    unsigned has = 0;
    int rc = hg_ome_group_load(&c->source, path, &document);

    *out_levels = 0;
    judge(c, path, "group", rc);
    if (rc < 0)
        return;
    ome = hg_ome_of(document);
    has |= hg_json_get(ome, "multiscales") != NULL ? IMAGE : 0;
    has |= hg_json_get(ome, "labels") != NULL ? LABELS : 0;
    has |= hg_json_get(ome, "plate") != NULL ? PLATE : 0;
    has |= hg_json_get(ome, "well") != NULL ? WELL : 0;
    if ((has & kinds) == 0)
        hg_ome_problem(&c->report, path, "is no %s of OME-NGFF " HG_OME_VERSION,
                       (kinds & PLATE) == 0 ? "image" : "image, labels, plate or well");
    else
        hg_ome_version_check(ome, path, &c->report);
    if ((has & kinds & PLATE) != 0 && !ended(c))
        check_plate(c, path, hg_json_get(ome, "plate"));
    if ((has & kinds & WELL) != 0 && !ended(c))
        check_well(c, path, hg_json_get(ome, "well"), NULL);
    if ((has & kinds & LABELS) != 0 && !ended(c))
        check_list(c, path, ome);
    if ((has & kinds & IMAGE) != 0 && !ended(c))
        check_image(c, path, ome, kinds, out_levels);
    json_object_put(document);
}

static int is_ome(const struct hg_ome_source *s, const char *path)
{
    struct json_object *document = NULL;
    int rc = hg_ome_group_load(s, path, &document);

    if (rc == HOLOG_OK && hg_ome_of(document) == NULL)
        rc = hg_error_path(HOLOG_E_TYPE, path, (uint32_t)strlen(path),
                           "%s: has no metadata of OME-NGFF " HG_OME_VERSION, path);
    json_object_put(document);
    return rc;
}

static int validate(const struct hg_ome_source *s, const char *path,
                    int (*each)(void *ctx, const char *path, const char *message), void *ctx)
{
    struct check c = { .source = *s, .report = { .each = each, .ctx = ctx } };
    char at[HG_PATH_MAX + 1];
    unsigned levels;
    int rc = hg_ome_path(path, at);

    if (rc == HOLOG_OK)
        rc = is_ome(s, at);
    if (rc < 0)
        return rc;
    check_group(&c, at, IMAGE | LABELS | PLATE | WELL, &levels);
    return c.rc < 0 ? c.rc : hg_ome_verdict(&c.report);
}

int holog_ome_validate(holog_view *view, const char *path,
                       int (*each)(void *ctx, const char *path, const char *message), void *ctx)
{
    const struct hg_ome_source s = { .view = view };
    int rc = hg_view_check(view);

    return rc != HOLOG_OK ? rc : validate(&s, path, each, ctx);
}

int holog_txn_ome_validate(holog_txn *txn, const char *path,
                           int (*each)(void *ctx, const char *path, const char *message), void *ctx)
{
    const struct hg_ome_source s = { .txn = txn };
    int rc = hg_ome_check(txn, 0);

    return rc != HOLOG_OK ? rc : validate(&s, path, each, ctx);
}
