/*
 * Metadata of OME-NGFF 0.5 as 0.4, and back. The store's own is 0.5, in attributes.ome of a Zarr v3 document; 0.4
 * stands in a v2 group's attributes themselves.
 *
 *   0.5                                        0.4
 *   ome.version                                "version" in each of multiscales, in plate, well, image-label
 *   ome.{multiscales, omero, labels,           the same, one level up
 *     image-label, plate, well, series,
 *     bioformats2raw.layout}
 *   ome.{anything else}                        ome.{anything else}
 *   ome of another version                     as it is, and so are 0.1 to 0.3 on the right; without a version
 *                                              0.4 is known by what it brought
 *
 * Sources: OME-NGFF 0.5.2, 0.4/index.bs and 0.5/index.bs.
 */
#ifndef HG_OME_VERSION_H
#define HG_OME_VERSION_H

#include <json-c/json_object.h>

#include "base/assert.h"
#include "holog/holog.h"

/* A group's attributes, changed in place. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_ome_to_v04(struct json_object *attributes);
/* name: of the group: a list of labels has no version, and is known by its place, "labels"; series by theirs,
 * "OME". */
HG_MUST_CHECK int hg_ome_from_v04(struct json_object *attributes, const char *name);

/* 0.5 wants each level's axes to have names, which Zarr v2 has no place for: those levels of the image at the path that
 * have none get them. What is no image of 0.5 stays as it is. */
HG_MUST_CHECK int hg_ome_name_levels(holog_txn *txn, const char *path);

#endif
