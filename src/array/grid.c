/*
 * Regions, parts of them in chunks, and elements with strides; see grid.h.
 */
#include "array/grid.h"

#include <string.h>

#include "base/error.h"

/* ---- parts ---------------------------------------------------------------------------------------*/

static int check_axis(const struct hg_parts *w, unsigned i)
{
    const struct hg_region *r = w->region;
    uint64_t shape = w->shape[i];
    int inside;

    if (r->step[i] == 0)
        return hg_error(HOLOG_E_INVAL, "axis %u: a step of 0", i);
    if (r->count[i] == 0)
        inside = r->start[i] <= shape;
    else
        inside = r->start[i] < shape && r->count[i] - 1 <= (shape - 1 - r->start[i]) / r->step[i];
    if (inside)
        return HOLOG_OK;
    return hg_error(
        HOLOG_E_RANGE,
        "axis %u: %llu elements from %llu on, %llu apart, are not inside the %llu that there "
        "are",
        i, (unsigned long long)r->count[i], (unsigned long long)r->start[i],
        (unsigned long long)r->step[i], (unsigned long long)shape);
}

/* What of the region from its element `first` on lies in one chunk, along an axis. */
static void turn_to(struct hg_parts *w, unsigned i, uint64_t first)
{
    const struct hg_region *r = w->region;
    struct hg_part *p = &w->part;
    uint64_t at = r->start[i] + first * r->step[i];
    uint64_t left = w->chunk[i] - 1 - at % w->chunk[i]; /* elements of the chunk behind it */

    p->chunk[i] = at / w->chunk[i];
    p->start[i] = at % w->chunk[i];
    p->first[i] = first;
    p->count[i] = HG_MIN(left / r->step[i] + 1, r->count[i] - first);
}

static int is_whole(const struct hg_parts *w)
{
    const struct hg_part *p = &w->part;

    for (unsigned i = 0; i < w->rank; i++) {
        uint64_t begin = p->chunk[i] * w->chunk[i];
        if ((w->region->step[i] != 1 && p->count[i] > 1) || p->start[i] != 0 ||
            p->count[i] != HG_MIN(w->chunk[i], w->shape[i] - begin))
            return 0;
    }
    return 1;
}

int hg_parts_begin(struct hg_parts *w, unsigned rank, const uint64_t *shape, const uint64_t *chunk,
                   const struct hg_region *region)
{
    int rc = HOLOG_OK;

    HG_ASSERT(rank <= HG_RANK_MAX);
    *w = (struct hg_parts){ .rank = rank, .shape = shape, .chunk = chunk, .region = region };
    for (unsigned i = 0; rc == HOLOG_OK && i < rank; i++)
        rc = check_axis(w, i);
    return rc;
}

static int begin(struct hg_parts *w)
{
    w->begun = 1;
    for (unsigned i = 0; i < w->rank; i++)
        if (w->region->count[i] == 0)
            return 0;
    for (unsigned i = 0; i < w->rank; i++)
        turn_to(w, i, 0);
    return 1;
}

int hg_parts_next(struct hg_parts *w)
{
    unsigned i = w->ended ? 0 : w->rank;
    int more = 0;

    if (!w->begun) {
        more = begin(w);
    } else {
        while (!more && i-- > 0) {
            uint64_t next = w->part.first[i] + w->part.count[i];
            more = next < w->region->count[i];
            turn_to(w, i, more ? next : 0);
        }
    }
    w->ended = !more;
    w->part.whole = more && is_whole(w);
    return more;
}

/* ---- strides -------------------------------------------------------------------------------------*/

void hg_strides_of(unsigned rank, const uint64_t *count, size_t size, int64_t *out)
{
    int64_t stride = (int64_t)size;

    for (unsigned i = rank; i-- > 0;) {
        out[i] = stride;
        stride *= (int64_t)count[i];
    }
}

/* Elements of a size that the compiler knows move in registers. */
static void copy_row(uint64_t n, size_t size, uint8_t *to, int64_t to_stride, const uint8_t *from,
                     int64_t from_stride)
{
    switch (size) {
    case 1:
        for (; n > 0; n--, to += to_stride, from += from_stride)
            *to = *from;
        break;
    case 2:
        for (; n > 0; n--, to += to_stride, from += from_stride)
            memcpy(to, from, 2);
        break;
    case 4:
        for (; n > 0; n--, to += to_stride, from += from_stride)
            memcpy(to, from, 4);
        break;
    case 8:
        for (; n > 0; n--, to += to_stride, from += from_stride)
            memcpy(to, from, 8);
        break;
    default:
        for (; n > 0; n--, to += to_stride, from += from_stride)
            memcpy(to, from, size);
        break;
    }
}

void hg_copy_strided(unsigned rank, const uint64_t *count, size_t size, uint8_t *to,
                     const int64_t *to_stride, const uint8_t *from, const int64_t *from_stride)
{
    uint64_t at[HG_RANK_MAX] = { 0 };

    for (unsigned i = 0; i < rank; i++)
        if (count[i] == 0)
            return;
    /* Innermost axes that lie one element behind the other in both places are one. */
    while (rank > 0 && to_stride[rank - 1] == (int64_t)size &&
           from_stride[rank - 1] == (int64_t)size)
        size *= (size_t)count[--rank];
    if (rank == 0) {
        memcpy(to, from, size);
        return;
    }
    rank--; /* the rows */
    for (;;) {
        unsigned i = rank;
        copy_row(count[rank], size, to, to_stride[rank], from, from_stride[rank]);
        while (i > 0 && ++at[i - 1] == count[i - 1]) {
            i--;
            to -= (int64_t)(count[i] - 1) * to_stride[i];
            from -= (int64_t)(count[i] - 1) * from_stride[i];
            at[i] = 0;
        }
        if (i == 0)
            return;
        to += to_stride[i - 1];
        from += from_stride[i - 1];
    }
}

/* n elements one after the other: each round doubles what is there. */
static void fill_run(uint64_t n, size_t size, uint8_t *to, const uint8_t *element)
{
    uint64_t bytes = n * size;
    uint64_t done = HG_MIN((uint64_t)size, bytes);

    memcpy(to, element, (size_t)done);
    while (done < bytes) {
        uint64_t more = HG_MIN(done, bytes - done);
        memcpy(to + done, to, (size_t)more);
        done += more;
    }
}

void hg_fill_strided(unsigned rank, const uint64_t *count, size_t size, uint8_t *to,
                     const int64_t *to_stride, const uint8_t *element)
{
    static const int64_t still[HG_RANK_MAX];
    uint64_t run = 1;
    unsigned outer = rank;
    uint64_t at[HG_RANK_MAX] = { 0 };

    for (unsigned i = 0; i < rank; i++)
        if (count[i] == 0)
            return;
    while (outer > 0 && to_stride[outer - 1] == (int64_t)(run * size))
        run *= count[--outer];
    if (outer == rank && rank > 0) { /* no two elements touch */
        hg_copy_strided(rank, count, size, to, to_stride, element, still);
        return;
    }
    for (;;) {
        unsigned i = outer;
        fill_run(run, size, to, element);
        while (i > 0 && ++at[i - 1] == count[i - 1]) {
            i--;
            to -= (int64_t)(count[i] - 1) * to_stride[i];
            at[i] = 0;
        }
        if (i == 0)
            return;
        to += to_stride[i - 1];
    }
}
