/*
 * What the files of OME images and plates share. Private to src/ome.
 *
 *   json.c      members of documents
 *   group.c     documents of groups and arrays, from a view or a transaction, and back
 *   metadata.c  what `multiscales` says, read strictly
 *   reduce.c    a block of elements to one
 *   spec.c      what a caller wants: axes, levels, checked
 *   image.c     new images
 *   pyramid.c   levels from the level before
 *   labels.c    labels; plate.c plates, wells, fields; names.c names of rows
 *   open.c      what is there, for those who read; validate.c what is wrong with it
 *   version.c   0.5 as 0.4, and back: for hierarchies of Zarr v2
 */
#ifndef HG_OME_INTERNAL_H
#define HG_OME_INTERNAL_H

#include <json-c/json_object.h>

#include "array/document.h"
#include "engine/store_internal.h"
#include "holog/ome.h"

#define HG_OME_VERSION "0.5"
#define HG_OME_RANK    HOLOG_OME_AXES_MAX
#define HG_OME_LEVELS  HOLOG_OME_LEVELS_MAX

/* ---- json.c ----------------------------------------------------------------------------------------*/

/* NULL: it is no object, or has none of that name. */
struct json_object *hg_json_get(struct json_object *o, const char *name);
/* The text, without a NUL in it; NULL: it is no such string. */
const char *hg_json_text(struct json_object *value);
int hg_json_is(struct json_object *value, const char *text);
/* An integer from 0 to `most`: 1, and it is in out; else 0. */
int hg_json_count(struct json_object *value, uint64_t most, uint64_t *out);
/* Takes the value over, NULL too, which is no memory, as o or list NULL is. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_json_put(struct json_object *o, const char *name, struct json_object *value);
HG_MUST_CHECK int hg_json_add(struct json_object *list, struct json_object *value);
HG_MUST_CHECK int hg_json_put_text(struct json_object *o, const char *name, const char *text);
/* With as few digits as say it. d is finite. NULL: no memory. */
struct json_object *hg_json_number(double d);
/* {name: text} */
struct json_object *hg_json_pair(const char *name, const char *text);
/* A copy. NULL: no memory. */
struct json_object *hg_json_copy(struct json_object *o);

/* ---- group.c ---------------------------------------------------------------------------------------*/

/* Where documents come from: a view, or a transaction, which remembers what was looked at. */
struct hg_ome_source {
    holog_view *view;
    holog_txn *txn;
};
/* Path and what a document names below it, which is not to lead out. HOLOG_E_INVAL. */
HG_MUST_CHECK int hg_ome_join(const char *path, const char *below, char out[HG_PATH_MAX + 1]);
/* The group's document; the caller's. Of a directory without one, what is made up. HOLOG_E_NOENT, HOLOG_E_TYPE. */
HG_MUST_CHECK int hg_ome_group_load(const struct hg_ome_source *s, const char *path,
                                    struct json_object **out);
/* The same of an array; *out is released by the caller, if HOLOG_OK is returned. */
HG_MUST_CHECK int hg_ome_array_load(const struct hg_ome_source *s, const char *path,
                                    struct hg_document *out);
/* Documents of directories that are there. */
HG_MUST_CHECK int hg_ome_group_save(holog_txn *txn, const char *path, struct json_object *document);
HG_MUST_CHECK int hg_ome_array_save(holog_txn *txn, const char *path, struct json_object *document);
/* attributes.ome of a group's document; NULL: there is none. */
struct json_object *hg_ome_of(struct json_object *document);
/* A group's document, {"version": "0.5"} in its attributes.ome, which *out_ome is. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_ome_document_new(struct json_object **out, struct json_object **out_ome);
/* The path is free: nothing was there, or has gone (HOLOG_REPLACE), and its parents are there (HOLOG_PARENTS).
 * Then it is an empty directory. HOLOG_E_EXIST, and what mkdir says. */
HG_MUST_CHECK int hg_ome_clear(holog_txn *txn, const char *path, unsigned flags);
/* A transaction that can be written to. */
HG_MUST_CHECK int hg_ome_check(holog_txn *txn, unsigned flags);
/* Back to the savepoint, if rc is a failure; returns it. */
int hg_ome_undo(holog_txn *txn, uint32_t savepoint, int rc);
/* A caller's path made canonical; the root is "/". */
HG_MUST_CHECK int hg_ome_path(const char *path, char out[HG_PATH_MAX + 1]);
/* The last name of such a path; "": the root has none. */
const char *hg_ome_base_name(const char *path);

/* ---- metadata.c --------------------------------------------------------------------------------------*/

/* Who is told what is wrong. */
struct hg_ome_report {
    int (*each)(void *ctx, const char *path, const char *message); /* NULL: the first is enough */
    void *ctx;
    uint64_t count;
    int stop;
    struct holog_error_detail first;
};
void hg_ome_problem(struct hg_ome_report *r, const char *path, const char *fmt, ...)
    HG_PRINTF(3, 4);
/* HOLOG_OK: there was no problem; else HOLOG_E_INVAL, with the first as the last error. */
HG_MUST_CHECK int hg_ome_verdict(const struct hg_ome_report *r);

struct hg_ome_level {
    const char *path;
    double scale[HG_OME_RANK];
    double translation[HG_OME_RANK];
};
/* One of a group's multiscales. Texts are the document's. */
struct hg_ome_image {
    struct json_object *multiscale;
    unsigned rank;
    struct {
        const char *name, *type, *unit; /* type, unit: NULL: it has none */
    } axis[HG_OME_RANK];
    unsigned n_levels;
    struct hg_ome_level level[HG_OME_LEVELS];
    int is_label;
    uint32_t method; /* enum holog_ome_method; DEFAULT: it says none that is known */
};
int hg_ome_is_space(const struct hg_ome_image *m, unsigned axis);
/* Number `which` of ome.multiscales, told to r under `path`. HOLOG_OK, whatever r was told. */
void hg_ome_image_parse(struct json_object *ome, size_t which, const char *path,
                        struct hg_ome_image *out, struct hg_ome_report *r);
/* The version, told to r if it is not 0.5. */
void hg_ome_version_check(struct json_object *ome, const char *path, struct hg_ome_report *r);
/* The first multiscale of the group, strictly: HOLOG_E_INVAL, HOLOG_E_TYPE (it has none). *out_document is the
 * caller's, and out is valid as long as it is. */
HG_MUST_CHECK int hg_ome_image_load(const struct hg_ome_source *s, const char *path,
                                    struct json_object **out_document, struct hg_ome_image *out);
/* Letters and digits, at least one. */
int hg_ome_is_alphanumeric(const char *name);

/* ---- spec.c ------------------------------------------------------------------------------------------*/

/* An image that is to be: all levels of it. */
struct hg_ome_plan {
    unsigned rank;
    holog_ome_axis axis[HG_OME_RANK]; /* type and scale never missing */
    int is_scaled[HG_OME_RANK];       /* its scale was given */
    unsigned n_levels;
    uint64_t shape[HG_OME_LEVELS][HG_OME_RANK];
    uint64_t factor[HG_OME_LEVELS][HG_OME_RANK]; /* to it from the level before */
    uint64_t chunk[HG_OME_RANK];                 /* of level 0 */
    int is_sharded;
    uint32_t method; /* never DEFAULT */
};
/* As much of the caller's struct as there is. */
HG_MUST_CHECK int hg_ome_spec_take(const holog_ome_spec *spec, holog_ome_spec *out);
/* Axes, checked; types and scales in the place of defaults. */
HG_MUST_CHECK int hg_ome_plan_axes(const holog_ome_axis *axes, uint32_t n_axes,
                                   struct hg_ome_plan *out);
/* Chunks and levels, of what the axes say. levels 0: as many as make sense. */
HG_MUST_CHECK int hg_ome_plan_levels(struct hg_ome_plan *p, uint32_t levels, uint32_t method,
                                     uint32_t halve_z, uint32_t dtype, int is_label);
/* The multiscale, from its level 0 on; the caller's. Paths of levels: "0", "1", ...; of 0: first_path. NULL: no
 * memory. */
struct json_object *hg_ome_plan_multiscale(const struct hg_ome_plan *p, const char *name,
                                           const char *first_path);
/* The list of datasets of it. */
struct json_object *hg_ome_plan_datasets(const struct hg_ome_plan *p, const char *first_path);
/* What `type` and `metadata` of a multiscale say of the method. */
HG_MUST_CHECK int hg_ome_put_method(struct json_object *multiscale, uint32_t method);
HG_MUST_CHECK int hg_ome_check_method(uint32_t method, uint32_t halve_z);

/* ---- image.c -----------------------------------------------------------------------------------------*/

/* Arrays of levels 1 and on, as level 0's document says but for shape and chunks; nothing lies there. */
HG_MUST_CHECK int hg_ome_levels_create(holog_txn *txn, const char *path,
                                       const struct hg_ome_plan *p, const char *first_path);

/* ---- labels.c ----------------------------------------------------------------------------------------*/

/* What an image's `labels` group says: its list, part of *out_document, which is the caller's; both NULL when there is
 * none. HOLOG_E_INVAL: it says something else. */
HG_MUST_CHECK int hg_ome_labels_load(const struct hg_ome_source *s, const char *image,
                                     struct json_object **out_document,
                                     struct json_object **out_list);

#endif
