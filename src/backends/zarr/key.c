/*
 * Keys of a Zarr hierarchy; see key.h.
 */
#include "backends/zarr/key.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "wal/record.h"

#define DIGITS_MAX 15u /* of HG_INDEX_MAX */

/* ---- keys ----------------------------------------------------------------------------------------*/

static int check_name(const char *name, size_t len)
{
    if (len == 0)
        return hg_error(HOLOG_E_BADPATH, "a key has an empty name in it");
    if (len > HG_NAME_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "a key has a name of %zu bytes, over %d", len,
                        HG_NAME_MAX);
    if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
        return hg_error(HOLOG_E_BADPATH, "a key has the name \"%.*s\" in it", (int)len, name);
    if (memchr(name, 0, len) != NULL || !hg_rec_utf8_valid(name, len))
        return hg_error(HOLOG_E_BADPATH, "a key has a name that is not UTF-8, or has a NUL in it");
    return HOLOG_OK;
}

enum hg_zarr_name hg_zarr_name_of(const char *name, size_t len)
{
    static const struct {
        const char *text;
        enum hg_zarr_name name;
    } known[] = {
        { "zarr.json", HG_ZARR_JSON },       { ".zgroup", HG_ZARR_ZGROUP },
        { ".zarray", HG_ZARR_ZARRAY },       { ".zattrs", HG_ZARR_ZATTRS },
        { ".zmetadata", HG_ZARR_ZMETADATA },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (len == strlen(known[i].text) && memcmp(name, known[i].text, len) == 0)
            return known[i].name;
    return HG_ZARR_PLAIN;
}

int hg_zarr_key_read(const char *key, size_t len, struct hg_zarr_key *out)
{
    struct hg_zarr_key k = { .len = len, .is_prefix = len == 0 };
    size_t start = 0; /* of the last name */
    int rc = HOLOG_OK;

    if (len > HG_ZARR_KEY_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "a key of %zu bytes, over %d", len, HG_ZARR_KEY_MAX);
    if (len > 0 && key[len - 1] == '/') {
        k.len--;
        k.is_prefix = 1;
    }
    for (size_t at = 0; rc == HOLOG_OK && len > 0; start = at + 1) {
        at = start;
        while (at < k.len && key[at] != '/')
            at++;
        rc = check_name(key + start, at - start);
        if (at == k.len)
            break;
    }
    if (rc < 0)
        return rc;
    k.dir_len = start > 0 ? start - 1 : 0;
    k.name = hg_zarr_name_of(key + start, k.len - start);
    *out = k;
    return HOLOG_OK;
}

/* ---- chunks --------------------------------------------------------------------------------------*/

/* A canonical decimal number; returns its length, 0: there is none. */
static size_t read_index(const char *text, size_t len, uint64_t *out)
{
    uint64_t index = 0;
    size_t n = 0;

    while (n < len && n < DIGITS_MAX && text[n] >= '0' && text[n] <= '9')
        index = index * 10 + (uint64_t)(text[n++] - '0');
    if (n > 1 && text[0] == '0')
        return 0;
    *out = index;
    return n;
}

/* Indexes from the text, with a separator between them. */
static int read_indexes(const struct hg_zarr_grid *g, const char *text, size_t len, uint64_t *out)
{
    unsigned n = 0;

    for (size_t at = 0; n < g->rank; at++) {
        size_t digits = read_index(text + at, len - at, &out[n]);
        if (digits == 0 || out[n] >= g->count[n])
            return -1;
        n++;
        at += digits;
        if (at == len)
            return n == g->rank || g->separator == '/' ? (int)n : -1;
        if (text[at] != g->separator)
            return -1;
    }
    return -1; /* more than the array has axes */
}

int hg_zarr_chunk_read(const struct hg_zarr_grid *g, const char *text, size_t len,
                       uint64_t *out_index)
{
    uint64_t index[HG_RANK_MAX];
    int n;

    if (g->v2_keys && g->rank == 0)
        return len == 1 && text[0] == '0' ? 0 : -1;
    if (!g->v2_keys) {
        if (len == 0 || text[0] != 'c')
            return -1;
        if (len == 1)
            return g->rank == 0 || g->separator == '/' ? 0 : -1;
        if (text[1] != g->separator)
            return -1;
        text += 2;
        len -= 2;
    }
    n = read_indexes(g, text, len, index);
    if (n > 0)
        memcpy(out_index, index, (size_t)n * sizeof index[0]);
    return n;
}

size_t hg_zarr_chunk_text(const struct hg_zarr_grid *g, const uint64_t *index, unsigned n,
                          char *out)
{
    size_t len = 0;

    HG_ASSERT(n <= g->rank && g->rank <= HG_RANK_MAX);
    if (!g->v2_keys || g->rank == 0)
        out[len++] = g->v2_keys ? '0' : 'c';
    out[len] = 0;
    for (unsigned i = 0; i < n; i++) {
        if (len > 0)
            out[len++] = g->separator;
        len += (size_t)snprintf(out + len, HG_NODE_TEXT_MAX - len, "%llu",
                                (unsigned long long)index[i]);
    }
    return len;
}
