/*
 * Documents of Zarr v2 for what is kept as v3: a view, where the chunks are the same bytes in both.
 *
 *   v3                                              v2
 *   transpose, that turns the axes round            order "F"
 *   bytes, of either order or of single bytes       dtype "<..", ">.." or "|.."
 *   numcodecs.shuffle                               filter "shuffle"
 *   nothing, zstd, gzip, blosc, numcodecs.lz4       compressor
 *   data_type HG_TWIN_TYPE                          dtype, as it stands there
 * in this order, and none of it twice. A fill value that is a NaN of its own is a NaN; one of raw bits is in
 * base64. Names of axes are the attribute _ARRAY_DIMENSIONS, as xarray has them. A group's OME metadata of version 0.5
 * becomes 0.4 (ome/version.h).
 *
 * Source: Zarr storage specification v2; numcodecs for the configurations.
 */
#ifndef HG_BACKENDS_ZARR_TWIN_H
#define HG_BACKENDS_ZARR_TWIN_H

#include "array/document.h"

/* What holog has no type for, as v2 has named it: {"name": "holog.numpy", "configuration": {"dtype": ..}}. The fill
 * value is that of v2 too. */
#define HG_TWIN_TYPE "holog.numpy"
/* The attribute that names of axes are, where all of them have one: a list of strings, and not empty. */
#define HG_TWIN_NAMES "_ARRAY_DIMENSIONS"
int hg_twin_are_names(struct json_object *names);

int hg_twin_is_possible(const struct hg_document *d);
/* HOLOG_E_NOTSUP: it is not, and the message says why; and as hg_document_read. */
HG_MUST_CHECK int hg_twin_check(const void *json, size_t len);
/* .zarray of the v3 document. HOLOG_E_NOTSUP: there is none; and as hg_document_read. */
HG_MUST_CHECK int hg_twin_array(const void *json, size_t len, struct json_object **out);
/* .zattrs of the v3 document of an array or a group. HOLOG_E_NOENT without a message: it has no attributes. */
HG_MUST_CHECK int hg_twin_attributes(const void *json, size_t len, struct json_object **out);

/* An object's member, which it takes over also when this fails; with o or value NULL it does. */
HG_MUST_CHECK int hg_twin_put(struct json_object *o, const char *name, struct json_object *value);

#endif
