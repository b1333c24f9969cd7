/*
 * Levels from the level before, in parts of bounded size.
 *
 * What is to be written of a level is cut along its chunks into tiles: a whole chunk or several in a row, so that a
 * chunk is written once. Where the elements that a tile is made of are more than WORK_MAX bytes it is made piece by
 * piece, in memory, and still written once.
 */
#include <math.h>
#include <string.h>

#include "array/array_internal.h"
#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"
#include "ome/ome_internal.h"
#include "ome/reduce.h"

#define WORK_MAX \
    (32u << 20) /* bytes that a piece is made of; twice that, with what becomes of it, in all */
#define TILE_WISH  (4u << 20) /* bytes that a tile is made of: fewer calls for small chunks */
#define FACTOR_MAX 16u

/* A region of a level. */
struct box {
    uint64_t start[HG_OME_RANK];
    uint64_t count[HG_OME_RANK];
};

/* What is done, as far as it has come. */
struct pyramid {
    holog_txn *txn;
    const char *path;
    struct hg_ome_image image;
    struct hg_reduction reduction; /* factors: of the level at hand */
    uint8_t *in;
    size_t in_bytes;
    uint8_t *out;
    size_t out_bytes;
    uint64_t done, total;
    holog_progress_fn progress;
    void *progress_ctx;
};

static uint64_t bytes_of(unsigned rank, const uint64_t *count, uint64_t size)
{
    for (unsigned i = 0; i < rank; i++)
        if (__builtin_mul_overflow(size, count[i], &size))
            return UINT64_MAX;
    return size;
}

/* Those elements of the level before that a box is made of: all along axes without any. */
static void source_of(const struct hg_reduction *r, const uint64_t *shape, const struct box *of,
                      struct box *out)
{
    for (unsigned i = 0; i < r->rank; i++) {
        uint64_t f = r->factor[i];
        out->start[i] = of->start[i] * f;
        out->count[i] = HG_MIN(of->count[i] * f, shape[i] - out->start[i]);
    }
}

static void slices_of(unsigned rank, const struct box *b, holog_slice *out)
{
    for (unsigned i = 0; i < rank; i++)
        out[i] = (holog_slice){ .start = b->start[i], .count = b->count[i], .step = 1 };
}

/* Room for so many bytes. What was in it may go. */
static int make_room(uint8_t **buffer, size_t *bytes, uint64_t wanted)
{
    if (wanted <= *bytes)
        return HOLOG_OK;
    hg_free(*buffer);
    *bytes = 0;
    *buffer = wanted <= SIZE_MAX / 2 ? hg_malloc((size_t)wanted) : NULL;
    if (*buffer == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for %llu bytes of a level",
                        (unsigned long long)wanted);
    *bytes = (size_t)wanted;
    return HOLOG_OK;
}

/* ---- tiles -----------------------------------------------------------------------------------------*/

/* One piece of a tile, from the level before into p->out. */
static int make_piece(struct pyramid *p, holog_array *from, const struct box *tile,
                      const struct box *piece)
{
    const struct hg_reduction *r = &p->reduction;
    holog_slice slices[HG_OME_RANK];
    int64_t stride[HG_OME_RANK];
    int64_t at = 0;
    struct box source = { { 0 }, { 0 } };
    uint64_t bytes;
    int rc;

    source_of(r, from->doc.shape, piece, &source);
    bytes = bytes_of(r->rank, source.count, r->type.size);
    slices_of(r->rank, &source, slices);
    rc = make_room(&p->in, &p->in_bytes, bytes);
    if (rc == HOLOG_OK)
        rc = holog_array_read(from, slices, p->in, NULL);
    if (rc != HOLOG_OK)
        return rc;
    hg_strides_of(r->rank, tile->count, r->type.size, stride);
    for (unsigned i = 0; i < r->rank; i++)
        at += (int64_t)(piece->start[i] - tile->start[i]) * stride[i];
    hg_reduce(r, p->in, source.count, p->out + at, stride);
    p->done += bytes;
    if (p->progress != NULL && p->progress(p->progress_ctx, p->done, p->total, "bytes") != 0)
        return hg_error(HOLOG_E_CANCELED, "the update of a pyramid was stopped");
    return HOLOG_OK;
}

/* Halves the outermost axes of a piece until what it is made of is not too much. */
static void cut_piece(const struct hg_reduction *r, const uint64_t *whole, uint64_t *out)
{
    uint64_t source[HG_OME_RANK] = { 0 };
    unsigned axis = 0;

    memcpy(out, whole, r->rank * sizeof *out);
    for (;;) {
        for (unsigned i = 0; i < r->rank; i++)
            source[i] = out[i] * r->factor[i];
        while (axis < r->rank && out[axis] == 1)
            axis++;
        if (axis == r->rank || bytes_of(r->rank, source, r->type.size) <= WORK_MAX)
            return;
        out[axis] = out[axis] / 2 + out[axis] % 2;
    }
}

/* The parts of a region, cut at multiples of `step`: w, begun, walks them. */
static int begin_parts(unsigned rank, const uint64_t *shape, const uint64_t *step,
                       const struct box *b, struct hg_region *region, struct hg_parts *w)
{
    for (unsigned i = 0; i < rank; i++) {
        region->start[i] = b->start[i];
        region->count[i] = b->count[i];
        region->step[i] = 1;
    }
    return hg_parts_begin(w, rank, shape, step, region);
}

static void part_of(const struct hg_parts *w, const struct box *of, struct box *out)
{
    for (unsigned i = 0; i < w->rank; i++) {
        out->start[i] = of->start[i] + w->part.first[i];
        out->count[i] = w->part.count[i];
    }
}

static int make_tile(struct pyramid *p, holog_array *from, holog_array *to, const struct box *tile)
{
    const struct hg_reduction *r = &p->reduction;
    holog_slice slices[HG_OME_RANK];
    uint64_t step[HG_OME_RANK] = { 0 };
    struct hg_region region;
    struct hg_parts w;
    struct box piece = { { 0 }, { 0 } };
    int rc = make_room(&p->out, &p->out_bytes, bytes_of(r->rank, tile->count, r->type.size));

    cut_piece(r, tile->count, step);
    if (rc == HOLOG_OK)
        rc = begin_parts(r->rank, to->doc.shape, step, tile, &region, &w);
    while (rc == HOLOG_OK && hg_parts_next(&w)) {
        part_of(&w, tile, &piece);
        rc = make_piece(p, from, tile, &piece);
    }
    if (rc != HOLOG_OK)
        return rc;
    slices_of(r->rank, tile, slices);
    return holog_array_write(to, slices, p->out, NULL);
}

/* Chunks (what is stored one by one) in a row, the innermost axes first, as long as they are not many bytes. */
static void choose_tile(const struct hg_reduction *r, const holog_array *to, const struct box *b,
                        uint64_t *out)
{
    uint64_t source[HG_OME_RANK] = { 0 };

    for (unsigned i = 0; i < r->rank; i++) {
        out[i] = to->grid[i];
        source[i] = out[i] * r->factor[i];
    }
    for (unsigned i = r->rank; i-- > 0;) {
        uint64_t bytes = bytes_of(r->rank, source, r->type.size);
        uint64_t most = hg_blocks(b->count[i], to->grid[i]);
        uint64_t n = HG_MIN(TILE_WISH / HG_MAX(bytes, UINT64_C(1)), most);
        if (n > 1) {
            out[i] *= n;
            source[i] *= n;
        }
        if (n < most)
            return; /* what is further out would lie apart */
    }
}

/* The box of level `to`, from the level before. */
static int make_box(struct pyramid *p, holog_array *from, holog_array *to, const struct box *b)
{
    uint64_t step[HG_OME_RANK] = { 0 };
    struct hg_region region;
    struct hg_parts w;
    struct box tile = { { 0 }, { 0 } };
    int rc;

    choose_tile(&p->reduction, to, b, step);
    rc = begin_parts(p->reduction.rank, to->doc.shape, step, b, &region, &w);
    while (rc == HOLOG_OK && hg_parts_next(&w)) {
        part_of(&w, b, &tile);
        rc = make_tile(p, from, to, &tile);
    }
    return rc;
}

/* ---- levels ----------------------------------------------------------------------------------------*/

static int open_level(const struct pyramid *p, unsigned k, holog_array **out)
{
    char at[HG_PATH_MAX + 1];
    int rc = hg_ome_join(p->path, p->image.level[k].path, at);

    if (rc == HOLOG_OK)
        rc = holog_txn_array(p->txn, at, out);
    if (rc == HOLOG_OK && (*out)->doc.rank != p->image.rank)
        return hg_error(HOLOG_E_INVAL, "%s: has %u axes, and its image %u", at, (*out)->doc.rank,
                        p->image.rank);
    return rc;
}

/* Elements of level k along each axis by those of the one before: whole numbers, as nearly as scales are computed
 * from lengths that were rounded. */
static int find_factors(struct pyramid *p, unsigned k)
{
    const struct hg_ome_image *m = &p->image;
    uint64_t block = 1;

    for (unsigned i = 0; i < m->rank; i++) {
        double ratio = m->level[k].scale[i] / m->level[k - 1].scale[i];
        double whole = round(ratio);
        if (!(whole >= 1 && whole <= FACTOR_MAX) || fabs(ratio - whole) > 0.01 * whole)
            return hg_error(HOLOG_E_NOTSUP,
                            "%s: level %u: elements along \"%.60s\" are %.4g times as large as in "
                            "the level before; holog makes levels of 1 to %u times",
                            p->path, k, m->axis[i].name, ratio, FACTOR_MAX);
        p->reduction.factor[i] = (uint64_t)whole;
        block *= (uint64_t)whole;
    }
    if (block > HG_BLOCK_MAX)
        return hg_error(HOLOG_E_NOTSUP, "%s: level %u: blocks of %llu elements; %u are possible",
                        p->path, k, (unsigned long long)block, HG_BLOCK_MAX);
    return HOLOG_OK;
}

/* The level's shape follows from that of the level before. */
static int fit_level(const struct pyramid *p, const holog_array *from, holog_array *to)
{
    uint64_t shape[HG_OME_RANK];
    int same = 1;

    if (to->doc.type.dtype != from->doc.type.dtype || to->doc.type.size != from->doc.type.size)
        return hg_error(HOLOG_E_NOTSUP, "%s: its elements are of another type than those of %s",
                        to->path, from->path);
    for (unsigned i = 0; i < p->image.rank; i++) {
        shape[i] = hg_blocks(from->doc.shape[i], p->reduction.factor[i]);
        same &= shape[i] == to->doc.shape[i];
    }
    return same ? HOLOG_OK : holog_array_resize(to, shape);
}

/* Of the box of a level, what depends on it in the next. */
static void next_box(const struct hg_reduction *r, struct box *b)
{
    for (unsigned i = 0; i < r->rank; i++) {
        uint64_t end = hg_blocks(b->start[i] + b->count[i], r->factor[i]);
        b->start[i] /= r->factor[i];
        b->count[i] = b->count[i] > 0 ? end - b->start[i] : 0;
    }
}

static int update_level(struct pyramid *p, unsigned k, holog_array *from, holog_array *to,
                        struct box *b)
{
    int rc = find_factors(p, k);

    if (rc == HOLOG_OK)
        rc = fit_level(p, from, to);
    if (rc != HOLOG_OK)
        return rc;
    next_box(&p->reduction, b);
    return make_box(p, from, to, b);
}

/* From the first to the last element of a slice. */
static uint64_t extent(const holog_slice *slice)
{
    uint64_t more = slice->count;

    if (more == 0)
        return 0;
    if (__builtin_mul_overflow(more - 1, HG_MAX(slice->step, UINT64_C(1)), &more))
        return UINT64_MAX;
    return more == UINT64_MAX ? more : more + 1;
}

/* What lies in the array of a caller's region. */
static void take_region(const holog_array *a, const holog_slice *region, struct box *out)
{
    for (unsigned i = 0; i < a->doc.rank; i++) {
        uint64_t n = a->doc.shape[i];
        out->start[i] = region != NULL ? HG_MIN(region[i].start, n) : 0;
        out->count[i] = HG_MIN(region != NULL ? extent(&region[i]) : n, n - out->start[i]);
    }
}

static uint64_t count_bytes(const struct pyramid *p, const struct box *b)
{
    return p->image.n_levels < 2 ? 0 : bytes_of(p->image.rank, b->count, p->reduction.type.size);
}

static int update_levels(struct pyramid *p, const holog_slice *region)
{
    holog_array *from = NULL;
    struct box b = { { 0 }, { 0 } };
    int rc = open_level(p, 0, &from);

    if (rc != HOLOG_OK) {
        holog_array_close(from);
        return rc;
    }
    p->reduction.type = from->doc.type;
    p->reduction.rank = p->image.rank;
    if (p->reduction.method == HOLOG_OME_DEFAULT)
        p->reduction.method = p->image.is_label || from->doc.type.dtype == HG_BOOL
                                  ? HOLOG_OME_NEAREST
                                  : HOLOG_OME_MEAN;
    take_region(from, region, &b);
    p->total = count_bytes(p, &b);
    for (unsigned k = 1; rc == HOLOG_OK && k < p->image.n_levels; k++) {
        holog_array *to = NULL;
        rc = open_level(p, k, &to);
        if (rc == HOLOG_OK)
            rc = update_level(p, k, from, to, &b);
        if (rc == HOLOG_OK && k + 1 < p->image.n_levels)
            p->total += count_bytes(p, &b);
        holog_array_close(from);
        from = to;
    }
    holog_array_close(from);
    return rc;
}

/* ---- the calls -------------------------------------------------------------------------------------*/

static int update(holog_txn *txn, const char *path, const holog_slice *region,
                  holog_progress_fn progress, void *progress_ctx)
{
    const struct hg_ome_source s = { .txn = txn };
    struct json_object *document = NULL;
    struct pyramid *p = hg_calloc(1, sizeof *p);
    int rc = p == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to update a pyramid")
                       : hg_ome_image_load(&s, path, &document, &p->image);

    if (rc == HOLOG_OK) {
        p->txn = txn;
        p->path = path;
        p->progress = progress;
        p->progress_ctx = progress_ctx;
        p->reduction.method = p->image.method;
        rc = update_levels(p, region);
        hg_free(p->in);
        hg_free(p->out);
        json_object_put(document);
    }
    hg_free(p);
    return rc;
}

int holog_txn_ome_pyramid_update(holog_txn *txn, const char *path, const holog_slice *region,
                                 holog_progress_fn progress, void *progress_ctx)
{
    uint32_t savepoint = 0;
    int rc = hg_ome_check(txn, 0);

    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    return rc != HOLOG_OK
               ? rc
               : hg_ome_undo(txn, savepoint, update(txn, path, region, progress, progress_ctx));
}

static int update_once(holog_store *store, const char *path, const holog_slice *region,
                       holog_progress_fn progress, void *progress_ctx, uint64_t *out_number)
{
    holog_txn *txn = NULL;
    int rc = holog_begin(store, &txn);

    if (rc != HOLOG_OK)
        return rc;
    rc = holog_txn_ome_pyramid_update(txn, path, region, progress, progress_ctx);
    if (rc == HOLOG_OK)
        return holog_commit(txn, out_number);
    holog_abort(txn);
    return rc;
}

int holog_ome_pyramid_update(holog_store *store, const char *path, const holog_slice *region,
                             holog_progress_fn progress, void *progress_ctx, uint64_t *out_number)
{
    int rc = hg_store_check_write(store);

    if (rc == HOLOG_OK)
        rc = update_once(store, path, region, progress, progress_ctx, out_number);
    while (rc == HOLOG_E_CONFLICT) { /* what others changed is seen when it is acknowledged */
        rc = hg_log_sync(store->log);
        if (rc == HOLOG_OK)
            rc = update_once(store, path, region, progress, progress_ctx, out_number);
    }
    return rc;
}

/* ---- other levels ----------------------------------------------------------------------------------*/

/* Level 0 as it is, and what the caller wants above it. */
static int plan_levels(holog_txn *txn, const char *path, const struct hg_ome_image *m,
                       uint32_t levels, uint32_t method, uint32_t halve_z, struct hg_ome_plan *out)
{
    holog_ome_axis axes[HG_OME_RANK] = { 0 };
    char at[HG_PATH_MAX + 1];
    holog_array *a = NULL;
    int rc = hg_ome_join(path, m->level[0].path, at);

    if (rc == HOLOG_OK)
        rc = holog_txn_array(txn, at, &a);
    if (rc == HOLOG_OK && a->doc.rank != m->rank)
        rc = hg_error(HOLOG_E_INVAL, "%s: has %u axes, and its image %u", at, a->doc.rank, m->rank);
    for (unsigned i = 0; rc == HOLOG_OK && i < m->rank; i++)
        axes[i] = (holog_ome_axis){ .name = m->axis[i].name,
                                    .type = m->axis[i].type != NULL ? m->axis[i].type : "channel",
                                    .unit = m->axis[i].unit,
                                    .scale = m->level[0].scale[i],
                                    .translation = m->level[0].translation[i],
                                    .size = a->doc.shape[i],
                                    .chunk = a->doc.chunk[i] };
    if (rc == HOLOG_OK)
        rc = hg_ome_plan_axes(axes, m->rank, out);
    for (unsigned i = 0; rc == HOLOG_OK && i < m->rank; i++) /* 1 without a unit is no scale */
        out->is_scaled[i] = m->axis[i].unit != NULL || fabs(axes[i].scale - 1) > 0;
    if (rc == HOLOG_OK) {
        out->is_sharded = hg_chain_shard(a->outer) != NULL;
        rc = hg_ome_plan_levels(out, levels, method, halve_z, a->doc.type.dtype, m->is_label);
    }
    holog_array_close(a);
    return rc;
}

static int drop_levels(holog_txn *txn, const char *path, const struct hg_ome_image *m)
{
    char at[HG_PATH_MAX + 1];
    int rc = HOLOG_OK;

    for (unsigned k = 1; rc == HOLOG_OK && k < m->n_levels; k++) {
        rc = hg_ome_join(path, m->level[k].path, at);
        if (rc == HOLOG_OK)
            rc = holog_txn_delete_all(txn, at);
    }
    return rc;
}

/* method DEFAULT: the one that it has now, if that is known. out_levels may be NULL. */
static int make_levels(holog_txn *txn, const char *path, uint32_t levels, uint32_t method,
                       uint32_t halve_z, uint32_t *out_levels)
{
    const struct hg_ome_source s = { .txn = txn };
    struct json_object *document = NULL;
    struct hg_ome_image m;
    struct hg_ome_plan p;
    char first[HG_PATH_MAX + 1];
    int rc = hg_ome_image_load(&s, path, &document, &m);

    if (rc != HOLOG_OK)
        return rc;
    rc = plan_levels(txn, path, &m, levels, method == HOLOG_OME_DEFAULT ? m.method : method,
                     halve_z, &p);
    if (rc == HOLOG_OK && out_levels != NULL)
        *out_levels = p.n_levels;
    if (rc == HOLOG_OK)
        rc = drop_levels(txn, path, &m);
    if (rc == HOLOG_OK)
        rc = hg_ome_levels_create(txn, path, &p, m.level[0].path);
    if (rc == HOLOG_OK) {
        memcpy(first, m.level[0].path, strlen(m.level[0].path) + 1); /* it goes with the list */
        rc = hg_json_put(m.multiscale, "datasets", hg_ome_plan_datasets(&p, first));
    }
    if (rc == HOLOG_OK)
        rc = hg_ome_put_method(m.multiscale, p.method);
    if (rc == HOLOG_OK)
        rc = hg_ome_group_save(txn, path, document);
    json_object_put(document);
    return rc;
}

/* An image's labels have as many levels as it has. */
static int make_labels(holog_txn *txn, const char *path, uint32_t levels, uint32_t halve_z)
{
    const struct hg_ome_source s = { .txn = txn };
    struct json_object *document = NULL;
    struct json_object *list = NULL;
    int rc = hg_ome_labels_load(&s, path, &document, &list);

    for (size_t i = 0; rc == HOLOG_OK && list != NULL && i < json_object_array_length(list); i++) {
        const char *name = hg_json_text(json_object_array_get_idx(list, i));
        char labels[HG_PATH_MAX + 1];
        char at[HG_PATH_MAX + 1];
        rc = hg_ome_join(path, "labels", labels);
        if (rc == HOLOG_OK)
            rc = hg_ome_join(labels, name != NULL ? name : "", at);
        if (rc == HOLOG_OK)
            rc = make_levels(txn, at, levels, HOLOG_OME_DEFAULT, halve_z, NULL);
        if (rc == HOLOG_OK)
            rc = update(txn, at, NULL, NULL, NULL);
    }
    json_object_put(document);
    return rc;
}

int holog_txn_ome_pyramid_make(holog_txn *txn, const char *path, uint32_t levels, uint32_t method,
                               uint32_t halve_z, holog_progress_fn progress, void *progress_ctx)
{
    uint32_t savepoint = 0;
    uint32_t made = 0;
    int rc = hg_ome_check(txn, 0);

    if (rc == HOLOG_OK)
        rc = hg_ome_check_method(method, halve_z);
    if (rc == HOLOG_OK)
        rc = holog_txn_savepoint(txn, &savepoint);
    if (rc != HOLOG_OK)
        return rc;
    rc = make_levels(txn, path, levels, method, halve_z, &made);
    if (rc == HOLOG_OK)
        rc = update(txn, path, NULL, progress, progress_ctx);
    if (rc == HOLOG_OK)
        rc = make_labels(txn, path, made, halve_z);
    return hg_ome_undo(txn, savepoint, rc);
}
