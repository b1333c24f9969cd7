/*
 * What a zip file says of itself in its comment, after RFC-9 of OME-NGFF.
 */
#ifndef HG_BACKENDS_ZARR_EXPORT_H
#define HG_BACKENDS_ZARR_EXPORT_H

#include "backends/zarr/hierarchy.h"
#include "backends/zarr/zip.h"

/* {"ome":{"version":"0.5","zipFile":{"centralDirectory":{"jsonFirst":true}}}}, NUL-terminated; the version is what
 * the root says of itself, where it does. Of Zarr v2, which the RFC knows nothing of, nothing. */
HG_MUST_CHECK int hg_zarr_zip_comment(holog_zarr *z, struct hg_buf *out);

#endif
