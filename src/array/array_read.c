/*
 * Regions of an array to memory.
 *
 * A part of a large raw chunk that lies in less than half of it is read as the stretch of bytes that holds
 * it: only its 64 KiB blocks are read and verified, and the chunk does not take room in the cache; unless a
 * part of it was read not long ago, and there is room. Of a chunk that is compressed it is the tiles that have something
 * of the part, in place of such a stretch, which has whole rows of them. Anything else reads the chunk whole, which is then
 * cached: as it is stored, where it is one of many and nobody has asked for it before; else decoded, in place
 * of that, as who reads one chunk, or a part of it, often comes back.
 *
 * While a chunk is checked, decoded and copied, the disk reads the next ones. Of a long scan (scan.c) they
 * are not kept.
 */
#include <string.h>

#include "array/array_internal.h"
#include "base/alloc.h"
#include "base/error.h"

#define ROW_BYTES    (256u << 10)
#define STRETCH_MIN  (128u << 10) /* of chunks below this it is not worth it */
#define AHEAD_CHUNKS 16u
#define AHEAD_BYTES  ((uint64_t)16 << 20) /* at most, and */
#define AHEAD_SHARE  8u                   /* of the budget */

/* From the first byte of the part's first element to the end of its last. */
static size_t stretch_of(const holog_array *a, const struct hg_array_walk *w)
{
    size_t bytes = a->doc.type.size;

    for (unsigned i = 0; i < a->doc.rank; i++)
        bytes += (size_t)(w->parts.part.count[i] - 1) * (size_t)w->chunk_stride[i];
    return bytes;
}

/* 1: the part at hand may be read as a stretch. */
static int is_stretch(const holog_array *a, const struct hg_array_walk *w,
                      const struct hg_locator *loc)
{
    return a->plain && loc->segment != 0 && loc->size == a->chunk_bytes &&
           loc->size >= STRETCH_MIN && stretch_of(a, w) <= loc->size / 2;
}

/* ---- ahead ---------------------------------------------------------------------------------------*/

struct wanted {
    struct hg_locator loc;
    int rc; /* of finding it */
    int stretch;
    enum hg_array_keep keep;
    struct hg_value_ahead value;
};

/* A ring of chunks that were found and, where they are large, are being read. */
struct ahead {
    struct hg_array_walk walk; /* at the last one that was found */
    struct wanted chunk[AHEAD_CHUNKS];
    uint64_t found, taken;
    uint64_t bytes; /* of those that were found and not taken */
    uint64_t most;
    uint64_t kept; /* so much of what is found yet */
};

static void ahead_begin(const holog_array *a, const struct hg_array_walk *w, uint64_t kept,
                        struct ahead *h)
{
    h->walk = *w;
    h->walk.parts.region = &h->walk.region;
    h->found = 0;
    h->taken = 0;
    h->bytes = 0;
    h->most = HG_MIN(AHEAD_BYTES, a->store->opts.budget_bytes / AHEAD_SHARE);
    h->kept = kept;
}

/* The chunk of the part at hand, and how it is read. */
static void find_part(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                      struct wanted *c)
{
    c->rc = hg_array_find_chunk(a, n, w->parts.part.chunk, &c->loc);
    c->stretch =
        c->rc == HOLOG_OK && is_stretch(a, w, &c->loc) &&
        !hg_cache_again(a->store->cache, hg_pos_make(c->loc.segment, c->loc.offset), c->loc.size);
    c->keep = w->parts.part.whole ? HG_KEEP_IF_SEEN : HG_KEEP;
    c->value = (struct hg_value_ahead){ 0 };
}

static void ahead_find(const holog_array *a, struct ahead *h, struct hg_nodes *n)
{
    struct wanted *c = &h->chunk[h->found++ % AHEAD_CHUNKS];
    int passing = h->kept < a->chunk_bytes;

    h->kept -= passing ? h->kept : a->chunk_bytes;
    find_part(a, &h->walk, n, c);
    if (c->rc < 0 || c->stretch)
        return;
    if (a->plain || c->loc.segment == 0 || a->txn != NULL ||
        !hg_cache_has_form(a->store->cache, hg_pos_make(c->loc.segment, c->loc.offset), a->form))
        hg_value_ahead_begin(a->store, &c->loc, a->path, passing, &c->value);
    if (c->value.birth != 0 && (c->keep == HG_KEEP_IF_SEEN || passing))
        c->keep = HG_KEEP_NOT; /* it will be there, for us */
    h->bytes += c->value.mem != NULL ? c->loc.size : 0;
}

/* The next one at least, and as many behind it as the ring and its bytes allow. */
static void ahead_fill(const holog_array *a, struct ahead *h, struct hg_nodes *n)
{
    while (
        (h->found == h->taken || (h->found - h->taken < AHEAD_CHUNKS - 1 && h->bytes < h->most)) &&
        hg_parts_next(&h->walk.parts))
        ahead_find(a, h, n);
}

/* Of the part at hand, which is the next one that was found: in the cache, or passing, until it is dropped. */
static struct wanted *ahead_take(const holog_array *a, struct ahead *h)
{
    struct wanted *c = &h->chunk[h->taken++ % AHEAD_CHUNKS];

    h->bytes -= c->value.mem != NULL ? c->loc.size : 0;
    hg_value_ahead_end(a->store, &c->value);
    return c;
}

static void ahead_end(const holog_array *a, struct ahead *h)
{
    for (; h->taken < h->found; h->taken++)
        hg_value_ahead_drop(a->store, &h->chunk[h->taken % AHEAD_CHUNKS].value);
}

/* ---- parts ---------------------------------------------------------------------------------------*/

static void copy_out(const holog_array *a, const struct hg_array_walk *w, const uint8_t *first,
                     uint8_t *out)
{
    hg_copy_strided(a->doc.rank, w->parts.part.count, a->doc.type.size, out + hg_array_walk_at(w),
                    w->stride, first, w->chunk_stride);
}

struct box_axes {
    uint64_t n[HG_RANK_MAX + 1];
    uint64_t lo[HG_RANK_MAX + 1];
    uint64_t count[HG_RANK_MAX + 1];
};

/* From the part's first element to its last, along each axis; what its steps leave out is in it. */
static struct hg_value_box box_of(const holog_array *a, const struct hg_array_walk *w,
                                  struct box_axes *axes)
{
    unsigned rank = a->doc.rank;
    uint32_t word = hg_type_word(a->doc.type);

    for (unsigned i = 0; i < rank; i++) {
        axes->n[i] = a->grid[i];
        axes->lo[i] = w->parts.part.start[i];
        axes->count[i] = (w->parts.part.count[i] - 1) * w->region.step[i] + 1;
    }
    if (word != a->doc.type.size) { /* complex */
        axes->n[rank] = axes->count[rank] = a->doc.type.size / word;
        axes->lo[rank++] = 0;
    }
    return (struct hg_value_box){
        .size = word, .rank = rank, .n = axes->n, .lo = axes->lo, .count = axes->count
    };
}

/* 1: not as a box. */
static int read_box(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                    const struct hg_locator *loc, uint8_t *out)
{
    struct box_axes axes;
    struct hg_value_box box = box_of(a, w, &axes);
    int64_t stride[HG_RANK_MAX];
    holog_value *part = NULL;
    int rc = hg_value_box(a->store, loc, n->path, &box, &part);

    if (rc != HOLOG_OK)
        return rc;
    hg_strides_of(a->doc.rank, axes.count, a->doc.type.size, stride);
    for (unsigned i = 0; i < a->doc.rank; i++)
        stride[i] *= (int64_t)w->region.step[i];
    hg_copy_strided(a->doc.rank, w->parts.part.count, a->doc.type.size, out + hg_array_walk_at(w),
                    w->stride, holog_value_data(part), stride);
    holog_value_release(part);
    return HOLOG_OK;
}

static int read_stretch(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                        const struct hg_locator *loc, uint8_t *out)
{
    holog_value *part = NULL;
    int rc = read_box(a, w, n, loc, out);

    if (rc != 1)
        return rc;
    rc = hg_value_part(a->store, loc, n->path, hg_array_walk_in_chunk(a, w), stretch_of(a, w),
                       &part);
    if (rc < 0)
        return rc;
    copy_out(a, w, holog_value_data(part), out);
    holog_value_release(part);
    return HOLOG_OK;
}

/* The elements of one row of the part, from `at` in the chunk, a bounded number at a time. */
static int read_row(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                    const struct hg_locator *loc, uint64_t at, uint8_t *bytes, uint8_t *out)
{
    unsigned last = a->doc.rank - 1;
    size_t size = a->doc.type.size;
    uint64_t step = (uint64_t)w->chunk_stride[last];
    uint64_t most = (ROW_BYTES - size) / step + 1;
    int rc = HOLOG_OK;

    for (uint64_t i = 0, k; rc == HOLOG_OK && i < w->parts.part.count[last]; i += k) {
        k = HG_MIN(most, w->parts.part.count[last] - i);
        rc = hg_value_range(a->store, loc, n->path, at + i * step, bytes,
                            (size_t)((k - 1) * step) + size, NULL);
        if (rc == HOLOG_OK)
            hg_copy_strided(1, &k, size, out + (int64_t)i * w->stride[last], &w->stride[last],
                            bytes, &w->chunk_stride[last]);
    }
    return rc;
}

/* Of a raw chunk, for which there is no room in the budget: row by row, in memory that does not grow with it.
 * Blocks that several rows lie in are read as often. */
static int read_rows(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                     const struct hg_locator *loc, uint8_t *out)
{
    uint64_t index[HG_RANK_MAX] = { 0 };
    uint8_t *bytes = hg_malloc(ROW_BYTES);
    int rc = bytes == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to read a part of %s", n->path)
                           : HOLOG_OK;
    unsigned axis = a->doc.rank;

    while (rc == HOLOG_OK && axis > 0) {
        uint64_t at = hg_array_walk_in_chunk(a, w);
        int64_t to = hg_array_walk_at(w);
        for (unsigned i = 0; i + 1 < a->doc.rank; i++) {
            at += index[i] * (uint64_t)w->chunk_stride[i];
            to += (int64_t)index[i] * w->stride[i];
        }
        rc = read_row(a, w, n, loc, at, bytes, out + to);
        for (axis = a->doc.rank - 1;
             axis > 0 && ++index[axis - 1] == w->parts.part.count[axis - 1];)
            index[--axis] = 0;
    }
    hg_free(bytes);
    return rc;
}

static int load_part(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                     const struct wanted *c, uint8_t *out)
{
    holog_value *chunk = NULL;
    int rc = c->value.ready ? hg_array_take_chunk(a, n, c->value.mem, &chunk)
                            : hg_array_load_chunk(a, n, &c->loc, c->keep, &chunk);

    if (rc < 0)
        return rc;
    copy_out(a, w, (const uint8_t *)holog_value_data(chunk) + hg_array_walk_in_chunk(a, w), out);
    holog_value_release(chunk);
    return HOLOG_OK;
}

static int read_part(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                     const struct wanted *c, uint8_t *out)
{
    int rc = c->rc;

    if (rc == HOLOG_E_NOENT) {
        hg_fill_strided(a->doc.rank, w->parts.part.count, a->doc.type.size,
                        out + hg_array_walk_at(w), w->stride, a->doc.fill);
        return HOLOG_OK;
    }
    if (rc < 0)
        return rc;
    rc = c->stretch ? read_stretch(a, w, n, &c->loc, out) : load_part(a, w, n, c, out);
    if (rc == HOLOG_E_BUDGET && a->plain && a->doc.rank > 0 && c->loc.segment != 0 &&
        c->loc.size == a->chunk_bytes)
        rc = read_rows(a, w, n, &c->loc, out);
    return rc;
}

static int read_one(const holog_array *a, const struct hg_array_walk *w, struct hg_nodes *n,
                    uint8_t *out)
{
    struct wanted c;

    find_part(a, w, n, &c);
    c.keep = HG_KEEP;
    return read_part(a, w, n, &c, out);
}

static int read_several(const holog_array *a, struct hg_array_walk *w, struct hg_nodes *n,
                        uint64_t kept, struct ahead *h, uint8_t *out)
{
    int rc = HOLOG_OK;

    ahead_begin(a, w, kept, h);
    while (rc == HOLOG_OK && hg_parts_next(&w->parts)) {
        struct wanted *c;
        ahead_fill(a, h, n);
        c = ahead_take(a, h);
        ahead_fill(a, h, n);
        if (c->rc < 0 && c->rc != HOLOG_E_NOENT) {
            rc = read_one(a, w, n, out); /* with its words */
        } else {
            hg_array_name_chunk(a, n, w->parts.part.chunk);
            rc = read_part(a, w, n, c, out);
        }
        hg_value_ahead_drop(a->store, &c->value);
    }
    ahead_end(a, h);
    return rc;
}

/* 0, 1, or 2 for more. */
static int count_parts(const struct hg_array_walk *w)
{
    struct hg_array_walk copy = *w;

    copy.parts.region = &copy.region;
    return !hg_parts_next(&copy.parts) ? 0 : !hg_parts_next(&copy.parts) ? 1 : 2;
}

int hg_array_read_parts(const holog_array *a, struct hg_array_walk *w, struct hg_nodes *n,
                        uint64_t kept, uint8_t *out)
{
    int ahead = count_parts(w) > 1 || kept < a->chunk_bytes;
    struct ahead *h = ahead ? hg_malloc(sizeof *h) : NULL;
    int rc = HOLOG_OK;

    if (h != NULL) {
        rc = read_several(a, w, n, kept, h, out);
        hg_free(h);
        return rc;
    }
    while (rc == HOLOG_OK && hg_parts_next(&w->parts)) /* or there is no memory */
        rc = read_one(a, w, n, out);
    return rc;
}

int holog_array_read(holog_array *array, const holog_slice *region, void *out,
                     const int64_t *strides)
{
    struct hg_array_walk w;
    struct hg_nodes n;
    int rc = hg_array_check(array);

    if (rc == HOLOG_OK)
        rc = hg_array_walk_begin(array, region, strides, &w);
    if (rc == HOLOG_OK)
        rc = hg_array_nodes(array, &n);
    if (rc < 0)
        return rc;
    if (out == NULL && count_parts(&w) > 0)
        return hg_error(HOLOG_E_INVAL, "out is NULL");
    rc = hg_array_read_parts(array, &w, &n, hg_array_scan(array, &w.region), out);
    if (rc == HOLOG_OK)
        hg_cache_count_loaded(array->store->cache,
                              hg_region_bytes(&w.region, array->doc.rank, array->doc.type.size));
    return rc;
}

/* 1: all elements are one chunk, in its order. */
static int is_one_chunk(const holog_array *a)
{
    for (unsigned i = 0; i < a->doc.rank; i++)
        if (a->doc.shape[i] != a->grid[i])
            return 0;
    return 1;
}

static int load_one(const holog_array *a, holog_value **out)
{
    static const uint64_t origin[HG_RANK_MAX];
    struct hg_locator loc;
    struct hg_nodes n;
    int rc = hg_array_nodes(a, &n);

    if (rc == HOLOG_OK)
        rc = hg_array_find_chunk(a, &n, origin, &loc);
    return rc < 0 ? rc : hg_array_load_chunk(a, &n, &loc, HG_KEEP, out);
}

int holog_array_load(holog_array *array, holog_value **out_value)
{
    holog_array_info info = { .struct_size = sizeof info };
    struct hg_mem *mem = NULL;
    holog_value *v = NULL;
    int rc = holog_array_get_info(array, &info);

    if (rc == HOLOG_OK && out_value == NULL)
        rc = hg_error(HOLOG_E_INVAL, "out_value is NULL");
    if (rc == HOLOG_OK && is_one_chunk(array)) {
        rc = load_one(array, out_value);
        if (rc == HOLOG_OK)
            hg_cache_count_loaded(array->store->cache, (*out_value)->len);
        if (rc != HOLOG_E_NOENT)
            return rc;
        rc = HOLOG_OK; /* all fill value */
    }
    if (rc == HOLOG_OK && info.size_bytes > SIZE_MAX / 2)
        rc = hg_error(HOLOG_E_BUDGET, "%s: is larger than memory; read it in regions", array->path);
    if (rc == HOLOG_OK)
        rc = hg_mem_new(array->store->cache, (size_t)info.size_bytes, &mem);
    if (rc != HOLOG_OK)
        return rc;
    v = hg_malloc(sizeof *v);
    rc = v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to load %s", array->path)
                   : holog_array_read(array, NULL, mem->data, NULL);
    if (rc < 0) {
        hg_free(v);
        hg_mem_put(mem);
        return rc;
    }
    *v = (holog_value){
        .data = mem->data, .len = (size_t)info.size_bytes, .number = info.number, .mem = mem
    };
    *out_value = v;
    return HOLOG_OK;
}
