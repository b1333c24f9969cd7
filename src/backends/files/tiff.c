/*
 * TIFF files as arrays; see tiff.h. Here are types and axes; files are the plug-in's.
 */
#include "backends/files/tiff.h"

#include "base/error.h"
#include "io/plugin.h"

/* The kind and size of samples, and the type that they are. */
static const struct {
    char kind;
    uint8_t size;
    enum hg_dtype dtype;
} types[] = {
    { 'u', 1, HG_UINT8 },   { 'u', 2, HG_UINT16 },  { 'u', 4, HG_UINT32 },  { 'u', 8, HG_UINT64 },
    { 'i', 1, HG_INT8 },    { 'i', 2, HG_INT16 },   { 'i', 4, HG_INT32 },   { 'i', 8, HG_INT64 },
    { 'f', 2, HG_FLOAT16 }, { 'f', 4, HG_FLOAT32 }, { 'f', 8, HG_FLOAT64 },
};
#define KNOWN (sizeof types / sizeof types[0])

static void add_axis(struct hg_tiff *h, uint64_t n)
{
    h->shape[h->rank++] = n;
}

int hg_tiff_read_header(const void *file, size_t len, uint64_t max_bytes, struct hg_tiff *out)
{
    const struct hg_plugin_tiff *plugin = NULL;
    struct hg_tiff h = { .rank = 0 };
    char why[HG_PLUGIN_WHY] = "";
    int rc = hg_plugin_tiff(&plugin);

    if (rc < 0)
        return rc;
    rc = plugin->describe(file, len, max_bytes, &h.image, why);
    if (rc < 0)
        return hg_error(rc, "TIFF: %s", why);
    for (size_t i = 0; i < KNOWN; i++)
        if (types[i].kind == h.image.kind && types[i].size == h.image.size)
            h.type = hg_type_of(types[i].dtype, 0);
    HG_ASSERT(h.type.size != 0); /* no other is described */
    if (h.image.pages > 1)
        add_axis(&h, h.image.pages);
    add_axis(&h, h.image.height);
    add_axis(&h, h.image.width);
    h.samples = h.image.samples > 1;
    if (h.samples)
        add_axis(&h, h.image.samples);
    h.data_bytes = h.type.size; /* max_bytes is above the product */
    for (unsigned axis = 0; axis < h.rank; axis++)
        h.data_bytes *= h.shape[axis];
    *out = h;
    return HOLOG_OK;
}

int hg_tiff_elements(const void *file, size_t len, const struct hg_tiff *h, void *out)
{
    const struct hg_plugin_tiff *plugin = NULL;
    char why[HG_PLUGIN_WHY] = "";
    int rc = hg_plugin_tiff(&plugin);

    if (rc == HOLOG_OK) {
        rc = plugin->decode(file, len, &h->image, out, why);
        if (rc < 0)
            return hg_error(rc, "TIFF: %s", why);
    }
    return rc;
}

static int image_of(struct hg_type type, unsigned rank, const uint64_t *shape, unsigned flags,
                    struct hg_image *out)
{
    char name[HG_DTYPE_NAME_MAX];
    int samples = rank == 4 || (rank == 3 && (flags & HG_TIFF_WRITE_SAMPLES) != 0);
    int pages = rank == 4 || (rank == 3 && !samples);
    size_t i = 0;

    while (i < KNOWN && types[i].dtype != type.dtype)
        i++;
    hg_type_to_v3(type, name);
    if (i == KNOWN)
        return hg_error(HOLOG_E_NOTSUP, "TIFF: no file has elements of type %s; a .npy file has",
                        name);
    if (rank < 2 || rank > HG_TIFF_RANK_MAX)
        return hg_error(HOLOG_E_NOTSUP,
                        "TIFF: an array with %u axes; an image has 2, with pages and samples 4",
                        rank);
    *out = (struct hg_image){ .kind = types[i].kind,
                              .size = types[i].size,
                              .pages = pages ? shape[0] : 1,
                              .height = shape[pages ? 1 : 0],
                              .width = shape[pages ? 2 : 1],
                              .samples = samples ? shape[rank - 1] : 1 };
    return HOLOG_OK;
}

/* Room behind what is there already. */
static void *grow(void *ctx, size_t size)
{
    struct hg_buf *b = ctx;

    return hg_buf_reserve(b, size) == HOLOG_OK ? b->data + b->len : NULL;
}

int hg_tiff_write(struct hg_type type, unsigned rank, const uint64_t *shape, const void *data,
                  unsigned flags, struct hg_buf *out)
{
    const struct hg_plugin_tiff *plugin = NULL;
    struct hg_image image;
    char why[HG_PLUGIN_WHY] = "";
    size_t len = 0;
    int rc = image_of(type, rank, shape, flags, &image);

    if (rc < 0)
        return rc;
    rc = hg_plugin_tiff(&plugin);
    if (rc < 0)
        return rc;
    rc = plugin->encode(&image, data, (flags & HG_TIFF_WRITE_BIG) != 0 ? HG_TIFF_BIG : 0, grow, out,
                        &len, why);
    if (rc < 0)
        return hg_error(rc, "TIFF: %s", why);
    out->len += len;
    return HOLOG_OK;
}
