/*
 * holog/ome.h: microscopy images as OME-NGFF 0.5 has them: pyramids, labels, plates.
 *
 * An image is a group with an array for each level of resolution, the whole one first ("0", "1", ...), and metadata
 * that says what the axes are, how large a pixel is, and where. holog_zarr_export, `holog serve` and HOLOG_ZARR_V2
 * show it to others: as 0.5 in a Zarr v3 hierarchy, as 0.4 in a v2 one.
 *
 *     holog_ome_axis axes[3] = { { .name = "c", .size = 2 },
 *                                { .name = "y", .size = 2048, .scale = 0.325, .unit = "micrometer" },
 *                                { .name = "x", .size = 2048, .scale = 0.325, .unit = "micrometer" } };
 *     holog_ome_spec spec = { .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .n_axes = 3, .axes = axes };
 *     holog_ome_image_save(store, "cells", &spec, pixels, NULL, HOLOG_PARENTS, NULL);
 *
 * Everything here happens in a transaction: an image with all its levels, a plate with all its wells is in one
 * commit, or is not there; level 0 written in a transaction and holog_txn_ome_pyramid_update in the same one are
 * never seen apart. Level 0 is an array like any other ("cells/0", holog/array.h).
 *
 * Levels     level k + 1 is made of level k: each element of the block of f elements along every axis that is halved
 *            (f is 2 there, and 1 along the others). Axes of type space are halved, the last two always, the
 *            one before (z) as `halve_z` says; one that has a single element is not. An odd axis of n elements
 *            becomes (n + 1) / 2: the last block has what is there.
 * Mean       of a block's n elements. Of integers the exact sum, divided by n, rounded to the nearest, a tie to the
 *            even one; no sum overflows, of 64 bits neither. Of floats the sum in double precision in C order
 *            (where that overflows, of elements divided by n first), divided by n, rounded once to the type; a NaN
 *            in the block makes it NaN (the quiet one, without a sign). Of complex numbers of each part. Of bools
 *            the mean of 0 and 1, rounded like an integer.
 * Nearest    the first element of the block. Mode: the most frequent one, of several the first in C order.
 * Positions  element i of level k stands for blocks of F = f1 * .. * fk elements of level 0, and is where their
 *            middle is: scale_k = scale_0 * F, translation_k = translation_0 + scale_0 * (F - 1) / 2.
 *
 * Sources: the OME-NGFF specification, tag 0.5.2 of github.com/ome/ngff, 0.5/index.bs and 0.4/index.bs.
 *
 * HOLOG_E_INVAL also where metadata that is there is not what the specification says: the message names the entry
 * and the member. Others' members that nobody here knows are kept. Threads, results, structs: as in holog.h.
 */
#ifndef HOLOG_OME_H
#define HOLOG_OME_H

#include "holog/array.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HOLOG_OME_AXES_MAX   5
#define HOLOG_OME_LEVELS_MAX 64
#define HOLOG_OME_NAMES_MAX  10000 /* rows, columns, channels, acquisitions; fields of a well */
#define HOLOG_OME_WELLS_MAX  100000

/* ---- images -----------------------------------------------------------------------------------------*/

enum holog_ome_method {
    HOLOG_OME_DEFAULT = 0, /* MEAN; NEAREST of bools and labels */
    HOLOG_OME_MEAN = 1,
    HOLOG_OME_NEAREST = 2,
    HOLOG_OME_MODE = 3
};
/* Is the axis before the last two, where it is of type space, halved as well? */
enum holog_ome_z {
    HOLOG_OME_Z_AUTO =
        0, /* at levels where its elements are less than 1.5 times as large as those of the
                             last axis; scales and the same unit must have been given */
    HOLOG_OME_Z_HALVED = 1,
    HOLOG_OME_Z_KEPT = 2
};

/* Order: time, then channel or one of a type of your own, then two or three of space (z, y, x). Zero is a default
 * in each member but name and size. */
typedef struct holog_ome_axis {
    const char *name; /* UTF-8, no two the same */
    const char *
        type; /* "space", "time", "channel" or your own; NULL: space of x, y, z; time of t; channel of c */
    const char *unit; /* as UDUNITS-2 has them: "micrometer", "second"; NULL: none is said */
    double
        scale; /* from an element to the next, in that unit; finite, above 0; 0: not known, taken for 1 */
    double translation; /* of element 0, in that unit */
    uint64_t size;      /* elements of level 0 */
    uint64_t
        chunk; /* of level 0, and of the others where they are as large; 0: 512 of the last two axes, else 1 */
    uint64_t
        inner_chunk; /* chunks are shards of such ones (holog_array_spec); of all axes or of none */
} holog_ome_axis;

typedef struct holog_ome_channel {
    const char *label;  /* NULL: none */
    uint32_t color;     /* 0xRRGGBB */
    uint32_t is_hidden; /* 1: not shown at first */
    double min, max;    /* that a pixel can have; both 0: those of the type, 0 and 1 of floats */
    double start, end;  /* shown from black to full colour; both 0: min and max */
} holog_ome_channel;

typedef struct holog_ome_spec {
    uint32_t struct_size;
    uint32_t dtype; /* enum holog_dtype, but not RAW */
    uint32_t n_axes;
    uint32_t levels; /* level 0 is one; 0: until every axis that is halved fits its chunk */
    const holog_ome_axis *axes;
    const char *name; /* NULL: the last name of the path */
    uint32_t method;  /* enum holog_ome_method */
    uint32_t halve_z; /* enum holog_ome_z */
    const void *fill; /* as the rest in holog_array_spec, of all levels */
    uint32_t codec;   /* enum holog_array_codec */
    int32_t codec_level;
    uint32_t flags;      /* enum holog_array_flags */
    uint32_t n_channels; /* 0: nothing is said of channels; else as many as the channel axis has */
    const holog_ome_channel *channels;
} holog_ome_spec;

/* An image without elements: all its levels, and what is said of them. Flags as in holog_save: with HOLOG_REPLACE
 * what is at the path goes, labels and all else below it too. HOLOG_E_INVAL: the spec makes no sense, the message
 * says which member. */
HOLOG_API int holog_txn_ome_image_create(holog_txn *txn, const char *path,
                                         const holog_ome_spec *spec, unsigned flags);
/* With all elements of level 0, and the other levels computed. */
HOLOG_API int holog_txn_ome_image_save(holog_txn *txn, const char *path, const holog_ome_spec *spec,
                                       const void *data, const int64_t *strides, unsigned flags);
HOLOG_API int holog_ome_image_save(holog_store *store, const char *path, const holog_ome_spec *spec,
                                   const void *data, const int64_t *strides, unsigned flags,
                                   uint64_t *out_number);
/* The array at the path becomes level 0 of an image at the path (no element is moved), and the other levels are
 * computed. dtype, fill, codec and chunks are the array's; an axis of `size` 0 has the array's; axes NULL: they
 * have the array's names of axes, or, where it has none, are yx, zyx, czyx, tczyx. */
HOLOG_API int holog_txn_ome_image_from_array(holog_txn *txn, const char *path,
                                             const holog_ome_spec *spec, holog_progress_fn progress,
                                             void *progress_ctx);

/* Level 0 has changed inside `region` (NULL: anywhere): whatever depends on it, in all levels, is computed again, in
 * the way that the metadata's "type" says, if holog knows it, else as DEFAULT. A level whose shape does not follow from
 * that of level 0 is resized before, so an image grows when level 0 does. Of images that others made as well: scales of
 * neighbouring levels have to be whole multiples, HOLOG_E_NOTSUP. Memory: one chunk, and 64 MiB at most, however large
 * the image; elements of what is written are on their way to the disk before the commit. Progress in "bytes", of those
 * that are read. */
HOLOG_API int holog_txn_ome_pyramid_update(holog_txn *txn, const char *path,
                                           const holog_slice *region, holog_progress_fn progress,
                                           void *progress_ctx);
/* One commit; tried again when others change what it read meanwhile. */
HOLOG_API int holog_ome_pyramid_update(holog_store *store, const char *path,
                                       const holog_slice *region, holog_progress_fn progress,
                                       void *progress_ctx, uint64_t *out_number);
/* All levels but the first go, and others come: so many in all, made so (method DEFAULT: as before, if that is known),
 * stored as level 0 is, but zstd where holog does not write its codec. Labels get as many. Of `multiscales` the first. */
HOLOG_API int holog_txn_ome_pyramid_make(holog_txn *txn, const char *path, uint32_t levels,
                                         uint32_t method, uint32_t halve_z,
                                         holog_progress_fn progress, void *progress_ctx);

/* ---- labels -----------------------------------------------------------------------------------------*/

typedef struct holog_ome_color {
    int64_t value;
    uint8_t rgba[4];
} holog_ome_color;

typedef struct holog_ome_label_spec {
    uint32_t struct_size;
    uint32_t dtype;  /* an integer */
    uint32_t method; /* enum holog_ome_method; not MEAN */
    uint32_t codec;
    int32_t codec_level;
    uint32_t flags;
    const holog_ome_color *colors; /* no value twice */
    size_t n_colors;
} holog_ome_label_spec;

/* An image of labels without elements, IMAGE/labels/NAME, on the list of the image's labels: as many levels as the image,
 * of the same shapes, scales and chunks, but one element along an axis of type channel. Flags as of images. Write its
 * level 0 ("IMAGE/labels/NAME/0"), and update its pyramid. */
HOLOG_API int holog_txn_ome_label_create(holog_txn *txn, const char *image, const char *name,
                                         const holog_ome_label_spec *spec, unsigned flags);

/* ---- plates -----------------------------------------------------------------------------------------*/

/* The name of row `index` (0 is A, 25 Z, 26 AA, 31 AF; a plate of 1536 wells has 32) into out, with the NUL.
 * HOLOG_E_RANGE: index is above 18277 (ZZZ). */
#define HOLOG_OME_ROW_NAME_MAX 4
HOLOG_API int holog_ome_row_name(uint32_t index, char out[HOLOG_OME_ROW_NAME_MAX]);
/* And back; HOLOG_E_INVAL: it is not one to three capital letters. */
HOLOG_API int holog_ome_row_index(const char *name, uint32_t *out_index);

typedef struct holog_ome_acquisition {
    uint32_t id; /* no two the same */
    uint32_t reserved;
    const char *name; /* NULL: none */
    uint64_t start_time,
        end_time; /* as the microscope has it, an integer since 1970; 0: not said */
} holog_ome_acquisition;

typedef struct holog_ome_plate_spec {
    uint32_t struct_size;
    uint32_t n_rows, n_columns;
    uint32_t n_acquisitions;
    const char *const *rows;    /* letters and digits, no two the same; NULL: A, B, ..., AA, ... */
    const char *const *columns; /* NULL: 1, 2, ... */
    const char *name;           /* NULL: the last name of the path */
    const holog_ome_acquisition *acquisitions;
    const char *const *
        wells; /* "AA/12": those that fields will be added to; adding to a well that is not among them
                                 changes the plate's metadata once more. May be NULL */
    uint32_t n_wells;
    uint32_t reserved;
} holog_ome_plate_spec;

/* Flags as of images. */
HOLOG_API int holog_txn_ome_plate_create(holog_txn *txn, const char *path,
                                         const holog_ome_plate_spec *spec, unsigned flags);
/* An image without elements, as the next field of view of well ROW/COLUMN ("0", then "1", ...), whose metadata, and
 * what the plate says of its wells and of how many fields there are, are changed with it. acquisition: its id; -1: of
 * none. out_path (HOLOG_PATH_MAX + 1 bytes; may be NULL) is where the image is. HOLOG_E_INVAL: the plate has no such row,
 * column or acquisition. */
HOLOG_API int holog_txn_ome_field_create(holog_txn *txn, const char *plate, const char *row,
                                         const char *column, int64_t acquisition,
                                         const holog_ome_spec *spec, char *out_path);

/* ---- reading what is there ------------------------------------------------------------------------------*/

typedef struct holog_ome holog_ome;

enum holog_ome_kind {
    HOLOG_OME_IMAGE = 1,
    HOLOG_OME_LABELS = 2, /* the list of an image's labels */
    HOLOG_OME_PLATE = 3,
    HOLOG_OME_WELL = 4
};
typedef struct holog_ome_info {
    uint32_t struct_size;
    uint32_t
        kind; /* enum holog_ome_kind; what is a plate or a well and an image is an image last */
    const char *name;                    /* "": it has none; of the handle */
    uint32_t n_axes, n_levels;           /* of an image */
    uint32_t is_label;                   /* an image of labels */
    uint32_t dtype;                      /* of level 0 */
    uint32_t n_channels;                 /* that are described */
    uint32_t n_labels;                   /* of an image, or of a list of labels */
    uint32_t n_rows, n_columns, n_wells; /* of a plate */
    uint32_t n_acquisitions;             /* of a plate */
    uint32_t n_fields;                   /* of a well */
    uint32_t method; /* of an image: enum holog_ome_method; DEFAULT: it says none */
} holog_ome_info;
typedef struct holog_ome_level {
    const char *path; /* below the image; of the handle */
    double scale[HOLOG_OME_AXES_MAX];
    double translation[HOLOG_OME_AXES_MAX];
    uint64_t shape[HOLOG_OME_AXES_MAX];
    uint64_t chunk[HOLOG_OME_AXES_MAX];
} holog_ome_level;
/* Lists of names; of WELLS "A/1", of FIELDS the paths in the well. */
enum holog_ome_list {
    HOLOG_OME_LIST_LABELS = 1,
    HOLOG_OME_LIST_ROWS = 2,
    HOLOG_OME_LIST_COLUMNS = 3,
    HOLOG_OME_LIST_WELLS = 4,
    HOLOG_OME_LIST_FIELDS = 5,
    HOLOG_OME_LIST_CHANNELS = 6,
    HOLOG_OME_LIST_ACQUISITIONS = 7
};

/* What the group at the path is, as of the view, which must outlive it; any threads may ask it. HOLOG_E_TYPE: it is
 * nothing of OME-NGFF 0.5. */
HOLOG_API int holog_ome_open(holog_view *view, const char *path, holog_ome **out_ome);
HOLOG_API void holog_ome_close(holog_ome *ome); /* NULL is fine */
HOLOG_API int holog_ome_get_info(const holog_ome *ome, holog_ome_info *out_info);
/* Of an image; size and chunk are those of level 0. HOLOG_E_RANGE. */
HOLOG_API int holog_ome_get_axis(const holog_ome *ome, uint32_t index, holog_ome_axis *out_axis);
HOLOG_API int holog_ome_get_level(const holog_ome *ome, uint32_t index, holog_ome_level *out_level);
/* The handle's. "": there is no name. HOLOG_E_RANGE: the list has no such entry. */
HOLOG_API int holog_ome_get_name(const holog_ome *ome, uint32_t list, uint32_t index,
                                 const char **out_name);

/* ---- is it right? ---------------------------------------------------------------------------------------*/

/* Checks the image, labels, plate or well at the path, and all that they name below, against what the specification
 * says that must be, arrays included. `each` is told each problem: the path of the entry, and what is wrong in it; not 0
 * ends it, without an error. HOLOG_OK: there is none; HOLOG_E_INVAL: there are, and the last error is the first of
 * them; HOLOG_E_TYPE: nothing there is of OME-NGFF 0.5. `each` may be NULL. */
HOLOG_API int holog_ome_validate(holog_view *view, const char *path,
                                 int (*each)(void *ctx, const char *path, const char *message),
                                 void *ctx);
/* The same of what a transaction has made so far, an import say. */
HOLOG_API int holog_txn_ome_validate(holog_txn *txn, const char *path,
                                     int (*each)(void *ctx, const char *path, const char *message),
                                     void *ctx);

#ifdef __cplusplus
}
#endif

#endif
