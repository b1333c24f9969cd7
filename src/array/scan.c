/*
 * Scans: regions of one handle that each begin behind the last one, in C order of chunks.
 *
 * Of an array larger than the budget a scan fills half of that. The chunks behind go through the same few
 * buffers and are not kept: kept, they would throw out what the scan read before and all else, and be gone
 * when it comes again. Who goes back, or reads a chunk again, begins anew.
 */
#include <stdatomic.h>

#include "array/array_internal.h"

#define SCAN_SHARE 2u /* of the budget */

/* On an axis. */
static uint64_t chunks_on(const holog_array *a, unsigned axis)
{
    return (a->doc.shape[axis] + a->grid[axis] - 1) / a->grid[axis];
}

/* Or more than anybody has. */
static uint64_t product(uint64_t x, uint64_t y)
{
    uint64_t xy;

    return __builtin_mul_overflow(x, y, &xy) ? UINT64_MAX : xy;
}

static uint64_t bytes_of(const holog_array *a)
{
    uint64_t bytes = a->chunk_bytes;

    for (unsigned i = 0; i < a->doc.rank; i++)
        bytes = product(bytes, chunks_on(a, i));
    return bytes;
}

/* The bytes of the chunks of the scan before this region, which is a part of it from now on. Handles are
 * shared by threads, which disturb each other's scans: then all is kept. */
static uint64_t follow(holog_array *a, const struct hg_region *r)
{
    uint64_t bytes = a->chunk_bytes;
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t before;

    for (unsigned i = 0; i < a->doc.rank; i++) {
        uint64_t from = r->start[i] / a->grid[i];
        uint64_t to = (r->start[i] + (r->count[i] - 1) * r->step[i]) / a->grid[i];
        first = first * chunks_on(a, i) + from;
        last = last * chunks_on(a, i) + to;
        bytes = product(bytes, to - from + 1);
    }
    before = first > atomic_exchange(&a->scan_at, last) ? atomic_load(&a->scan_bytes) : 0;
    atomic_store(&a->scan_bytes, before + HG_MIN(bytes, UINT64_MAX - before));
    return before;
}

uint64_t hg_array_scan(holog_array *a, const struct hg_region *r)
{
    uint64_t most = a->store->opts.budget_bytes / SCAN_SHARE;
    uint64_t before;

    for (unsigned i = 0; i < a->doc.rank; i++)
        if (r->count[i] == 0)
            return UINT64_MAX;
    if (bytes_of(a) <= a->store->opts.budget_bytes)
        return UINT64_MAX;
    before = follow(a, r);
    return before < most ? most - before : 0;
}
