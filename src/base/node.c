/*
 * Node components; see node.h.
 */
#include "base/node.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define CHUNK      0xff
#define HIGH       0x80u
#define DIGIT_BITS 7
#define DIGITS_MAX 7u

/* ---- coordinates ---------------------------------------------------------------------------------*/

/* The index at p, of at most `left` bytes. Returns its length, 0 when there is none. */
static size_t read_index(const uint8_t *p, size_t left, uint64_t *out)
{
    size_t digits = p[0] - HIGH;
    uint64_t index = 0;

    if (p[0] < HIGH || digits > DIGITS_MAX || digits >= left || (digits > 0 && p[1] == HIGH))
        return 0;
    for (size_t i = 1; i <= digits; i++) {
        if (p[i] < HIGH)
            return 0;
        index = index << DIGIT_BITS | (p[i] - HIGH);
    }
    *out = index;
    return 1 + digits;
}

/* -1: it is no chunk. */
static int read_chunk(const uint8_t *p, size_t len, uint64_t *out_index)
{
    int rank = 0;

    if (len == 0 || len > HG_NODE_LEN_MAX || p[0] != CHUNK)
        return -1;
    for (size_t at = 1, n; at < len; at += n, rank++) {
        n = rank < HG_RANK_MAX ? read_index(p + at, len - at, &out_index[rank]) : 0;
        if (n == 0)
            return -1;
    }
    return rank;
}

size_t hg_node_chunk(const uint64_t *index, unsigned rank, char *out)
{
    uint8_t *p = (uint8_t *)out;
    size_t len = 1;

    HG_ASSERT(rank <= HG_RANK_MAX);
    p[0] = CHUNK;
    for (unsigned axis = 0; axis < rank; axis++) {
        unsigned digits = 0;
        HG_ASSERT(index[axis] <= HG_INDEX_MAX);
        while (index[axis] >> (DIGIT_BITS * digits) != 0)
            digits++;
        if (len + 1 + digits > HG_NODE_LEN_MAX)
            return 0;
        p[len++] = (uint8_t)(HIGH + digits);
        while (digits-- > 0)
            p[len++] = (uint8_t)(HIGH | (index[axis] >> (DIGIT_BITS * digits)));
    }
    return len;
}

int hg_node_index(const char *component, size_t len, uint64_t *out_index)
{
    return read_chunk((const uint8_t *)component, len, out_index);
}

/* ---- components ----------------------------------------------------------------------------------*/

static int is_document(const char *component, size_t len)
{
    return len == 2 &&
           (memcmp(component, HG_NODE_GROUP, 2) == 0 || memcmp(component, HG_NODE_ARRAY, 2) == 0);
}

int hg_node_valid(const char *component, size_t len)
{
    uint64_t index[HG_RANK_MAX];

    return is_document(component, len) || read_chunk((const uint8_t *)component, len, index) >= 0;
}

int hg_node_ends(const char *path, size_t path_len)
{
    const char *slash = path_len > 0 ? memrchr(path, '/', path_len) : NULL;
    const char *component = slash != NULL ? slash + 1 : path;

    return path_len > 0 && component < path + path_len && (uint8_t)*component >= HG_NODE_FIRST;
}

/* ---- for people ----------------------------------------------------------------------------------*/

size_t hg_node_text(const char *component, size_t len, char *out)
{
    uint64_t index[HG_RANK_MAX];
    int rank = read_chunk((const uint8_t *)component, len, index);
    const char *name = rank >= 0 ? "c" : is_document(component, len) ? "zarr.json" : "?";
    size_t n = (size_t)snprintf(out, HG_NODE_TEXT_MAX, "%s", name);

    for (int i = 0; i < rank; i++)
        n += (size_t)snprintf(out + n, HG_NODE_TEXT_MAX - n, "/%llu", (unsigned long long)index[i]);
    return n;
}

/* Its end in a text: every byte has the high bit. */
static size_t node_len(const char *text)
{
    size_t len = 1;

    while (((uint8_t)text[len] & HIGH) != 0)
        len++;
    return len;
}

static int is_of_a_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c == '-' || ((uint8_t)c & HIGH) != 0;
}

void hg_node_show(char *text, size_t cap)
{
    char shown[HG_NODE_TEXT_MAX];
    char *p = text;

    while (*p != '\0') {
        size_t len = (uint8_t)*p < HG_NODE_FIRST ? 0 : node_len(p);
        if (len == 0 || (p > text && is_of_a_name(p[-1])) || is_of_a_name(p[len])) {
            p += HG_MAX(len, (size_t)1); /* of a file's name, which may be any bytes */
            continue;
        }
        size_t room = cap - (size_t)(p - text) - 1; /* without the NUL */
        size_t n = HG_MIN(hg_node_text(p, len, shown), room);
        size_t rest = HG_MIN(strlen(p + len), room - n);
        memmove(p + n, p + len, rest);
        memcpy(p, shown, n);
        p[n + rest] = '\0';
        p += n;
    }
}
