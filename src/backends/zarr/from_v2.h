/*
 * Documents of Zarr v2 as documents of v3 whose arrays have the same chunks under the same keys.
 *
 *   .zarray               zarr.json
 *   shape, chunks         shape, chunk_grid
 *   dtype "<u2"           data_type "uint16", and the order of bytes of the codec "bytes"
 *   any other dtype       data_type HG_TWIN_TYPE (twin.h), and the fill value as it stands
 *   order "F"             the codec "transpose", all axes turned round
 *   filters               numcodecs.ID, before "bytes" where they take elements, behind it where they take bytes
 *   compressor            zstd, gzip, blosc, numcodecs.lz4; any other id: numcodecs.ID, which keeps its bytes
 *   fill_value            the same; null: zeros; of raw bits base64 becomes numbers
 *   dimension_separator   chunk_key_encoding "v2"
 *   .zattrs               attributes; OME metadata of 0.4 becomes 0.5; _ARRAY_DIMENSIONS, where it names every axis,
 *                         dimension_names
 *
 * Source: Zarr storage specification version 2.
 */
#ifndef HG_BACKENDS_ZARR_FROM_V2_H
#define HG_BACKENDS_ZARR_FROM_V2_H

#include <stddef.h>

#include "base/assert.h"
#include "base/buf.h"

/* zattrs may be NULL. Appended to out. HOLOG_E_INVAL: it is no such document, the message names the member;
 * HOLOG_E_NOTSUP: something that v3 has no word for. */
HG_MUST_CHECK int hg_zarr_array_from_v2(const void *zarray, size_t len, const void *zattrs,
                                        size_t zattrs_len, struct hg_buf *out);
/* Of a group of that name, whose OME metadata of version 0.4 becomes 0.5 (ome/version.h). zattrs may be NULL. */
HG_MUST_CHECK int hg_zarr_group_from_v2(const char *name, const void *zattrs, size_t zattrs_len,
                                        struct hg_buf *out);

#endif
