/*
 * An array at half, a quarter, ... of its resolution.
 *
 * A *level* is the array with its last two axes so many times halved, on the array's own grid: element j stands for the
 * elements j * 2^level and the 2^level - 1 behind it, as far as there are any, whatever chunk they are in. It can be made
 * from the elements, of any chunks (shrink), or, of compressed chunks, be read as it is (read_low): from the low bands of
 * one chunk, whose elements are those of the level where the chunk begins at a multiple of 2^level. So chunks whose
 * extents are no such multiple are read at the level where they are one, and what comes out is halved further: means of
 * pairs of means of pairs are the same means.
 *
 * What of a chunk is outside the array is in its low bands as well, and a lift of 5/3 reaches less than two elements of
 * its level to the right: the last three at such an edge, of which one may be cut, are made from the elements
 * (count_clean).
 */
#include <string.h>

#include "array/array_internal.h"
#include "array/halve.h"
#include "base/alloc.h"
#include "base/error.h"

#define AT_ONCE       ((uint64_t)16 << 20) /* bytes of elements in memory at most, and */
#define AT_ONCE_SHARE 8u                   /* of the budget */
#define REACH         2u

struct job {
    const holog_array *a;
    struct hg_nodes n;
    uint64_t at_once;
    uint64_t kept; /* as hg_array_read_parts has it; UINT64_MAX: all */
    unsigned low;  /* the level that chunks are read at; 0: as they are */
    uint32_t kind; /* of elements, as low bands have it */
};

/* A region of a level, and where it goes. */
struct want {
    struct hg_region r;
    uint8_t *out;
    int64_t stride[HG_RANK_MAX];
};

static unsigned rank_of(const struct job *j)
{
    return j->a->doc.rank;
}

static int is_halved(const holog_array *a, unsigned axis)
{
    return axis + HG_MIN(a->doc.rank, 2u) >= a->doc.rank;
}

static uint64_t halve_length(uint64_t n, unsigned halvings)
{
    return n == 0 ? 0 : ((n - 1) >> halvings) + 1;
}

static void shape_at(const holog_array *a, unsigned level, uint64_t *out)
{
    for (unsigned i = 0; i < a->doc.rank; i++)
        out[i] = is_halved(a, i) ? halve_length(a->doc.shape[i], level) : a->doc.shape[i];
}

/* From the first element of a part of a region to the last, along an axis. */
static uint64_t span(const struct want *w, unsigned axis, uint64_t count)
{
    return (count - 1) * w->r.step[axis] + 1;
}

/* Its elements from first on, count of them. */
static struct want cut(const struct job *j, const struct want *w, const uint64_t *first,
                       const uint64_t *count)
{
    struct want part = *w;

    for (unsigned i = 0; i < rank_of(j); i++) {
        part.r.start[i] += first[i] * w->r.step[i];
        part.r.count[i] = count[i];
        part.out += (int64_t)first[i] * w->stride[i];
    }
    return part;
}

/* Elements side by side, of all from the first to the last of the region. */
static void copy_out(const struct job *j, const struct want *w, const uint8_t *elements)
{
    uint64_t count[HG_RANK_MAX];
    int64_t stride[HG_RANK_MAX];

    for (unsigned i = 0; i < rank_of(j); i++)
        count[i] = span(w, i, w->r.count[i]);
    hg_strides_of(rank_of(j), count, j->a->doc.type.size, stride);
    for (unsigned i = 0; i < rank_of(j); i++)
        stride[i] *= (int64_t)w->r.step[i];
    hg_copy_strided(rank_of(j), w->r.count, j->a->doc.type.size, w->out, w->stride, elements,
                    stride);
}

/* ---- a bounded number at a time --------------------------------------------------------------------*/

/* What it takes of level `from`, for so many elements of level `to`. */
static uint64_t bytes_for(const struct job *j, const struct want *w, const uint64_t *size,
                          unsigned by)
{
    uint64_t bytes = j->a->doc.type.size;

    for (unsigned i = 0; i < rank_of(j); i++) {
        uint64_t n = span(w, i, size[i]);
        if (is_halved(j->a, i) && __builtin_mul_overflow(n, UINT64_C(1) << by, &n))
            return UINT64_MAX;
        if (__builtin_mul_overflow(bytes, n, &bytes))
            return UINT64_MAX;
    }
    return bytes;
}

/* size: becomes less, outer axes first, until what it takes is little enough, or one element. */
static void bound(const struct job *j, const struct want *w, unsigned by, uint64_t *size)
{
    unsigned axis = 0;

    while (bytes_for(j, w, size, by) > j->at_once && axis < rank_of(j)) {
        if (size[axis] > 1)
            size[axis] = (size[axis] + 1) / 2;
        else
            axis++;
    }
}

/* Pieces of a region, of that size each. */
struct pieces {
    struct hg_region all; /* of indexes in the region */
    struct hg_parts parts;
};

static int pieces_begin(const struct job *j, const struct want *w, const uint64_t *size,
                        struct pieces *out)
{
    for (unsigned i = 0; i < rank_of(j); i++) {
        out->all.start[i] = 0;
        out->all.count[i] = w->r.count[i];
        out->all.step[i] = 1;
    }
    return hg_parts_begin(&out->parts, rank_of(j), w->r.count, size, &out->all);
}

/* ---- from the elements -----------------------------------------------------------------------------*/

static int read_elements(struct job *j, const struct hg_region *r, uint8_t *out)
{
    holog_slice slices[HG_RANK_MAX];
    struct hg_array_walk walk;
    uint64_t bytes = j->a->doc.type.size;
    int rc;

    for (unsigned i = 0; i < rank_of(j); i++) {
        slices[i] = (holog_slice){ r->start[i], r->count[i], 1 };
        bytes *= r->count[i];
    }
    rc = hg_array_walk_begin(j->a, slices, NULL, &walk);
    if (rc < 0)
        return rc;
    /* of a chunk that takes several pieces the others would have to decode it again */
    rc = hg_array_read_parts(j->a, &walk, &j->n,
                             j->a->chunk_bytes > j->at_once ? UINT64_MAX : j->kept, out);
    if (j->kept != UINT64_MAX)
        j->kept -= HG_MIN(j->kept, bytes);
    return rc;
}

static int read_chunks(struct job *j, const struct want *w);

/* All that elements of level `to` stand for, of level `from`. */
static void widen(const struct job *j, const struct want *w, unsigned from, unsigned by,
                  struct hg_region *out)
{
    uint64_t shape[HG_RANK_MAX];

    shape_at(j->a, from, shape);
    for (unsigned i = 0; i < rank_of(j); i++) {
        unsigned shift = is_halved(j->a, i) ? by : 0;
        uint64_t end = (w->r.start[i] + span(w, i, w->r.count[i])) << shift;
        out->start[i] = w->r.start[i] << shift;
        out->count[i] = HG_MIN(end, shape[i]) - out->start[i];
        out->step[i] = 1;
    }
}

static void halve(const struct job *j, const struct hg_region *r, unsigned by, uint8_t *elements)
{
    unsigned axes = HG_MIN(rank_of(j), 2u);
    uint64_t n[3] = { 1, 1, 1 };

    for (unsigned i = 0; i < rank_of(j); i++)
        n[is_halved(j->a, i) ? i + 3 - rank_of(j) : 0] *= r->count[i];
    hg_halve(j->a->doc.type, n, axes, by, elements);
}

/* One piece of `shrink`, through `room`. */
static int shrink_piece(struct job *j, unsigned from, unsigned by, const struct want *w,
                        uint8_t *room)
{
    struct want source = { .out = room };
    int rc;

    widen(j, w, from, by, &source.r);
    hg_strides_of(rank_of(j), source.r.count, j->a->doc.type.size, source.stride);
    rc = from == 0 ? read_elements(j, &source.r, room) : read_chunks(j, &source);
    if (rc < 0)
        return rc;
    halve(j, &source.r, by, room);
    copy_out(j, w, room);
    return HOLOG_OK;
}

/* A region of level from + by, by means of pairs of level `from`: 0, or the level of the low bands. */
static int shrink(struct job *j, unsigned from, unsigned by, const struct want *w)
{
    uint64_t size[HG_RANK_MAX];
    struct pieces p;
    uint8_t *room;
    int rc;

    memcpy(size, w->r.count, sizeof size);
    bound(j, w, by, size);
    rc = pieces_begin(j, w, size, &p);
    if (rc < 0)
        return rc;
    room = hg_malloc((size_t)bytes_for(j, w, size, by));
    if (room == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to halve a part of %s", j->a->path);
    while (rc == HOLOG_OK && hg_parts_next(&p.parts)) {
        struct want part = cut(j, w, p.parts.part.first, p.parts.part.count);
        rc = shrink_piece(j, from, by, &part, room);
    }
    hg_free(room);
    return rc;
}

/* ---- from low bands --------------------------------------------------------------------------------*/

/* One box of a chunk. at: of its first element, in the chunk's level. */
static int read_low_box(struct job *j, const struct hg_locator *loc, const struct want *w,
                        const uint64_t *at)
{
    uint64_t count[HG_RANK_MAX];
    const struct hg_value_box box = {
        .size = j->a->doc.type.size,
        .rank = rank_of(j),
        .n = j->a->grid,
        .lo = at,
        .count = count,
        .halvings = j->low,
        .kind = j->kind,
    };
    holog_value *v = NULL;
    int rc;

    for (unsigned i = 0; i < rank_of(j); i++)
        count[i] = span(w, i, w->r.count[i]);
    rc = hg_value_box(j->a->store, loc, j->n.path, &box, &v);
    if (rc != HOLOG_OK)
        return rc;
    copy_out(j, w, holog_value_data(v));
    holog_value_release(v);
    return HOLOG_OK;
}

/* A region in one chunk that is compressed. 1: it is not, or not as such elements; `out` may have been written to. */
static int read_low(struct job *j, const struct hg_locator *loc, const struct want *w,
                    const uint64_t *at)
{
    uint64_t size[HG_RANK_MAX];
    struct pieces p;
    int rc;

    if (loc->segment == 0)
        return 1; /* of this transaction */
    memcpy(size, w->r.count, sizeof size);
    for (unsigned i = 0; i + HG_LOW_AXES < rank_of(j); i++)
        size[i] = 1; /* outer axes that are merged there: in one piece */
    bound(j, w, 0, size);
    rc = pieces_begin(j, w, size, &p);
    while (rc == HOLOG_OK && hg_parts_next(&p.parts)) {
        struct want part = cut(j, w, p.parts.part.first, p.parts.part.count);
        uint64_t from[HG_RANK_MAX];
        for (unsigned i = 0; i < rank_of(j); i++)
            from[i] = at[i] + p.parts.part.first[i] * w->r.step[i];
        rc = read_low_box(j, loc, &part, from);
    }
    return rc;
}

/* How many elements of a chunk's level along an axis, from its first on, have nothing in them of what is outside the
 * array. */
static uint64_t count_clean(const struct job *j, unsigned axis, uint64_t chunk)
{
    uint64_t inside = j->a->doc.shape[axis] - chunk * j->a->grid[axis];

    if (!is_halved(j->a, axis) || inside >= j->a->grid[axis])
        return UINT64_MAX;
    inside >>= j->low;
    return inside > REACH ? inside - REACH : 0;
}

/* Of the part at hand; 0: along one axis there are none. */
static int find_clean(const struct job *j, const struct hg_part *part, const struct want *w,
                      uint64_t *out)
{
    for (unsigned i = 0; i < rank_of(j); i++) {
        uint64_t clean = count_clean(j, i, part->chunk[i]);
        HG_ASSERT(w->r.step[i] > 0);
        if (clean <= part->start[i])
            return 0;
        out[i] = HG_MIN(part->count[i], (clean - 1 - part->start[i]) / w->r.step[i] + 1);
    }
    return 1;
}

/* All but the first `clean` elements along each axis: what is left of the last axis, then, of the others, what is left of
 * the one before. */
static int shrink_rest(struct job *j, const struct want *w, const uint64_t *clean)
{
    uint64_t first[HG_RANK_MAX] = { 0 };
    uint64_t count[HG_RANK_MAX];
    int rc = HOLOG_OK;

    memcpy(count, w->r.count, sizeof count);
    for (unsigned i = rank_of(j); rc == HOLOG_OK && i-- > 0;) {
        struct want part;
        if (clean[i] == w->r.count[i])
            continue;
        first[i] = clean[i];
        count[i] = w->r.count[i] - clean[i];
        part = cut(j, w, first, count);
        rc = shrink(j, 0, j->low, &part);
        first[i] = 0;
        count[i] = clean[i];
    }
    return rc;
}

/* ---- chunk by chunk --------------------------------------------------------------------------------*/

/* Of a chunk that was never written; two NaN are one. */
static void fill(const struct job *j, const struct want *w)
{
    uint8_t pair[2 * HG_ITEM_MAX];
    size_t size = j->a->doc.type.size;
    uint64_t n[3] = { 1, 1, 2 };

    memcpy(pair, j->a->doc.fill, size);
    memcpy(pair + size, j->a->doc.fill, size);
    hg_halve(j->a->doc.type, n, 1, 1, pair);
    hg_fill_strided(rank_of(j), w->r.count, size, w->out, w->stride, pair);
}

static int read_chunk(struct job *j, const struct hg_part *part, const struct want *w)
{
    uint64_t clean[HG_RANK_MAX];
    struct hg_locator loc;
    struct want from_low;
    static const uint64_t origin[HG_RANK_MAX];
    int rc = hg_array_find_chunk(j->a, &j->n, part->chunk, &loc);

    if (rc == HOLOG_E_NOENT) {
        fill(j, w);
        return HOLOG_OK;
    }
    if (rc < 0)
        return rc;
    if (!find_clean(j, part, w, clean))
        return shrink(j, 0, j->low, w);
    from_low = cut(j, w, origin, clean);
    rc = read_low(j, &loc, &from_low, part->start);
    if (rc == 1)
        return shrink(j, 0, j->low, w);
    return rc < 0 ? rc : shrink_rest(j, w, clean);
}

/* A region of the level that chunks are read at. */
static int read_chunks(struct job *j, const struct want *w)
{
    uint64_t shape[HG_RANK_MAX];
    uint64_t chunk[HG_RANK_MAX];
    struct hg_parts parts;
    int rc;

    shape_at(j->a, j->low, shape);
    for (unsigned i = 0; i < rank_of(j); i++)
        chunk[i] = is_halved(j->a, i) ? halve_length(j->a->grid[i], j->low) : j->a->grid[i];
    rc = hg_parts_begin(&parts, rank_of(j), shape, chunk, &w->r);
    while (rc == HOLOG_OK && hg_parts_next(&parts)) {
        struct want part = cut(j, w, parts.part.first, parts.part.count);
        rc = read_chunk(j, &parts.part, &part);
    }
    return rc;
}

/* Nothing of it can have low bands: rows of chunks, as many at a time as there is room for, so that the next ones are
 * read while one is halved. */
static int read_rows(struct job *j, unsigned halvings, const struct want *w)
{
    uint64_t shape[HG_RANK_MAX];
    uint64_t size[HG_RANK_MAX];
    unsigned rank = rank_of(j);
    struct want one = *w;
    struct hg_parts parts;
    int rc;

    shape_at(j->a, halvings, shape);
    for (unsigned i = 0; i < rank; i++) {
        size[i] = is_halved(j->a, i) ? halve_length(j->a->grid[i], halvings) : j->a->grid[i];
        one.r.step[i] = 1;
    }
    if (rank > 0) {
        uint64_t bytes = bytes_for(j, &one, size, halvings);
        size[rank - 1] *= HG_MAX(j->at_once / bytes, UINT64_C(1));
    }
    rc = hg_parts_begin(&parts, rank, shape, size, &w->r);
    while (rc == HOLOG_OK && hg_parts_next(&parts)) {
        struct want part = cut(j, w, parts.part.first, parts.part.count);
        rc = shrink(j, 0, halvings, &part);
    }
    return rc;
}

/* ---- all of it -------------------------------------------------------------------------------------*/

/* The level that chunks are read at: where they begin at elements of it. */
static unsigned choose_low(const holog_array *a, unsigned halvings, uint32_t *out_kind)
{
    struct hg_cold_sizes sizes;
    unsigned low = halvings;

    if (!a->plain || !hg_has_low_bands(a->doc.type, out_kind) || a->doc.rank == 0)
        return 0;
    hg_cold_sizes(a->store->cold, &sizes);
    if (sizes.values == 0)
        return 0;
    for (unsigned i = 0; i < a->doc.rank; i++)
        if (is_halved(a, i) && a->doc.shape[i] > a->grid[i])
            low = HG_MIN(low, (unsigned)__builtin_ctzll(a->grid[i]));
    return low;
}

static int check(const holog_array *a, unsigned halvings)
{
    int rc = hg_array_check(a);

    if (rc < 0)
        return rc;
    if (halvings > HOLOG_HALVINGS_MAX)
        return hg_error(HOLOG_E_INVAL, "%s: %u halvings: at most %d, a preview of 1/%d", a->path,
                        halvings, HOLOG_HALVINGS_MAX, 1 << HOLOG_HALVINGS_MAX);
    if (halvings > 0 && !hg_has_mean(a->doc.type))
        return hg_error_path(HOLOG_E_NOTSUP, a->path, (uint32_t)a->path_len,
                             "%s: has no preview: elements of type %s have no mean", a->path,
                             holog_dtype_name(a->doc.type.dtype));
    return HOLOG_OK;
}

/* 1: there is nothing to read. */
static int take_region(const holog_array *a, unsigned halvings, const holog_slice *slices,
                       const int64_t *strides, struct want *w)
{
    uint64_t shape[HG_RANK_MAX];
    uint64_t bytes = a->doc.type.size;
    struct hg_parts parts;
    int rc;

    shape_at(a, halvings, shape);
    for (unsigned i = 0; i < a->doc.rank; i++) {
        w->r.start[i] = slices == NULL ? 0 : slices[i].start;
        w->r.count[i] = slices == NULL ? shape[i] : slices[i].count;
        w->r.step[i] =
            slices == NULL || slices[i].step == 0 || w->r.count[i] <= 1 ? 1 : slices[i].step;
        if (__builtin_mul_overflow(bytes, w->r.count[i], &bytes) || bytes > INT64_MAX)
            return hg_error(HOLOG_E_TOOBIG, "the region has more than 2^63 bytes");
    }
    rc = hg_parts_begin(&parts, a->doc.rank, shape, a->grid, &w->r);
    if (rc < 0)
        return rc;
    if (strides != NULL)
        memcpy(w->stride, strides, a->doc.rank * sizeof *strides);
    else
        hg_strides_of(a->doc.rank, w->r.count, a->doc.type.size, w->stride);
    if (!hg_parts_next(&parts))
        return 1;
    return w->out == NULL ? hg_error(HOLOG_E_INVAL, "out is NULL") : HOLOG_OK;
}

static int read_preview(struct job *j, unsigned halvings, const struct want *w)
{
    if (j->low == 0)
        return read_rows(j, halvings, w);
    return j->low == halvings ? read_chunks(j, w) : shrink(j, j->low, halvings - j->low, w);
}

int holog_array_preview_shape(const holog_array *array, uint32_t halvings, uint64_t *out_shape)
{
    int rc = check(array, halvings);

    if (rc < 0)
        return rc;
    if (out_shape == NULL && array->doc.rank > 0)
        return hg_error(HOLOG_E_INVAL, "out_shape is NULL");
    shape_at(array, halvings, out_shape);
    return HOLOG_OK;
}

int holog_array_preview(holog_array *array, uint32_t halvings, const holog_slice *region, void *out,
                        const int64_t *strides)
{
    struct want w = { .out = out };
    struct hg_region all;
    struct job j;
    int rc = check(array, halvings);

    if (rc < 0)
        return rc;
    if (halvings == 0)
        return holog_array_read(array, region, out, strides);
    rc = take_region(array, halvings, region, strides, &w);
    if (rc != HOLOG_OK)
        return rc < 0 ? rc : HOLOG_OK;
    j.a = array;
    j.at_once = HG_MIN(AT_ONCE, array->store->opts.budget_bytes / AT_ONCE_SHARE);
    j.low = choose_low(array, halvings, &j.kind);
    rc = hg_array_nodes(array, &j.n);
    if (rc < 0)
        return rc;
    widen(&j, &w, 0, halvings, &all);
    j.kept = hg_array_scan(array, &all);
    rc = read_preview(&j, halvings, &w);
    if (rc == HOLOG_OK)
        hg_cache_count_loaded(array->store->cache,
                              hg_region_bytes(&w.r, array->doc.rank, array->doc.type.size));
    return rc;
}
