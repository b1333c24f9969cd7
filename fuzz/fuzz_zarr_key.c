/*
 * Keys of a Zarr hierarchy, of any bytes. What is taken is a path as it stands, and a chunk's key is the one that is
 * written of its indexes.
 *
 *   byte 0   1: keys of v2; 2: '.' between indexes; the rest: axes
 *   then     a byte for each axis: chunks along it, times 1 or 2^40
 *   then     the key
 */
#include <string.h>

#include "backends/zarr/key.h"
#include "base/error.h"
#include "fuzz.h"

static void check_key(const char *key, size_t len)
{
    static char canonical[HG_PATH_MAX + 1];
    struct hg_zarr_key k;
    size_t n = 0;

    if (hg_zarr_key_read(key, len, &k) < 0)
        return;
    FUZZ_CHECK(k.len <= len && k.dir_len <= k.len && len - k.len <= 1);
    FUZZ_CHECK(k.is_prefix == (k.len == 0 || k.len < len));
    if (hg_path_canonical(key, k.len, canonical, &n) == HOLOG_OK)
        FUZZ_CHECK(n == k.len && memcmp(canonical, key, n) == 0);
}

static void check_chunk(const struct hg_zarr_grid *g, const char *text, size_t len)
{
    uint64_t index[HG_RANK_MAX];
    char again[HG_NODE_TEXT_MAX];
    int n = hg_zarr_chunk_read(g, text, len, index);

    FUZZ_CHECK(n >= -1 && n <= (int)g->rank);
    if (n < 0)
        return;
    for (int i = 0; i < n; i++)
        FUZZ_CHECK(index[i] < g->count[i]);
    FUZZ_CHECK(hg_zarr_chunk_text(g, index, (unsigned)n, again) == len);
    FUZZ_CHECK(memcmp(again, text, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_zarr_grid g = { .separator = '/' };

    if (size == 0)
        return 0;
    g.v2_keys = data[0] & 1;
    g.separator = (data[0] & 2) != 0 ? '.' : '/';
    g.rank = (data[0] >> 2) % (HG_RANK_MAX + 1);
    if (size < 1 + g.rank)
        return 0;
    for (unsigned i = 0; i < g.rank; i++)
        g.count[i] = (data[1 + i] & 1) != 0 ? (uint64_t)data[1 + i] << 40 : data[1 + i];
    data += 1 + g.rank;
    size -= 1 + g.rank;
    check_key((const char *)data, size);
    check_chunk(&g, (const char *)data, size);
    return 0;
}
