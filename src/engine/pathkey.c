/*
 * Paths and keys: see pathkey.h for both forms.
 */
#include "engine/pathkey.h"

#include <assert.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/byteorder.h"
#include "base/error.h"
#include "base/node.h"
#include "engine/index.h"

#define ONES          UINT64_C(0x0101010101010101)
#define HIGHS         UINT64_C(0x8080808080808080)
#define COMPONENT_END 0x00
#define LONG_RUN      9 /* digits from which on their number takes a byte of its own */

/* "1/1/1": three key bytes for each digit and one for each separator. */
static_assert(HG_KEY_MAX >= 2 * (HG_PATH_MAX + 1), "every path has a key");

/* ---- UTF-8 -------------------------------------------------------------------------------------*/

/* Bytes of the character at s, 0 when it is none: cut short, overlong, a surrogate, over U+10FFFF.
 * The second byte's range is what tells the last three. */
static size_t utf8_char(const uint8_t *s, size_t avail)
{
    uint8_t c = s[0];
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (len < 2 || len > avail)
        return len == 1 ? 1 : 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return len;
}

/* ---- canonical paths ---------------------------------------------------------------------------*/

/* One component, not "" nor ".": is it a name? `index` counts from 1. */
static int check_name(const char *name, size_t len, unsigned index)
{
    const uint8_t *s = (const uint8_t *)name;
    if (len == 2 && s[0] == '.' && s[1] == '.')
        return hg_error(HOLOG_E_BADPATH, "component %u of the path is \"..\"", index);
    for (size_t at = 0; at < len;) {
        size_t n = s[at] == 0 ? 0 : utf8_char(s + at, len - at);
        if (n == 0)
            return hg_error(HOLOG_E_BADPATH, "component %u of the path has a %s at its byte %zu",
                            index, s[at] == 0 ? "NUL" : "byte that is not UTF-8", at);
        at += n;
    }
    if (len > HG_NAME_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "component %u of the path has %zu bytes, over %d",
                        index, len, HG_NAME_MAX);
    return HOLOG_OK;
}

/* The next component that counts, from *at on: 0 when there is none. */
static int next_component(const char *path, size_t path_len, size_t *at, size_t *out_start,
                          size_t *out_len)
{
    while (*at < path_len) {
        size_t start = *at;
        const char *slash = memchr(path + start, '/', path_len - start);
        size_t len = slash != NULL ? (size_t)(slash - path) - start : path_len - start;
        *at = start + len + (slash != NULL ? 1 : 0);
        if (len == 0 || (len == 1 && path[start] == '.'))
            continue;
        *out_start = start;
        *out_len = len;
        return 1;
    }
    return 0;
}

/* *out_total: bytes of the canonical path. */
static int check_path(const char *path, size_t path_len, size_t *out_total)
{
    size_t at = 0;
    size_t start;
    size_t len;
    size_t total = 0;
    unsigned depth = 0;
    while (next_component(path, path_len, &at, &start, &len)) {
        depth++;
        int rc = check_name(path + start, len, depth);
        if (rc < 0)
            return rc;
        total += len + (depth > 1 ? 1 : 0);
        if (depth > HG_DEPTH_MAX)
            return hg_error(HOLOG_E_NAMETOOLONG, "component %u of the path is over the depth of %d",
                            depth, HG_DEPTH_MAX);
        if (total > HG_PATH_MAX)
            return hg_error(HOLOG_E_NAMETOOLONG, "component %u takes the path over %d bytes", depth,
                            HG_PATH_MAX);
    }
    *out_total = total;
    return HOLOG_OK;
}

/* As hg_path_is_plain, for any length. Eight bytes a step. */
static int is_plain_by_words(const char *path, size_t len)
{
    size_t start = 0; /* of the component */
    unsigned depth = 1;
    if (len == 0 || len > HG_PATH_MAX || path[0] == '.')
        return 0;
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = ONES; /* fills the last step: neither slash nor NUL */
        if (len - at >= 8)
            memcpy(&word, path + at, 8);
        else
            memcpy(&word, path + at, len - at);
        word = hg_get_le64((const uint8_t *)&word);
        uint64_t x = word ^ (ONES * '/');
        uint64_t slashes = (x - ONES) & ~x & HIGHS; /* bytes behind a slash may be marked too */
        if (((word | ((word - ONES) & ~word)) & HIGHS) != 0)
            return 0;
        for (; slashes != 0; slashes &= slashes - 1) {
            size_t end = at + (size_t)__builtin_ctzll(slashes) / 8;
            if (path[end] != '/')
                continue;
            if (end == start || end - start > HG_NAME_MAX || ++depth > HG_DEPTH_MAX)
                return 0;
            start = end + 1;
            if (start < len && path[start] == '.')
                return 0; /* "." and "..", and names that only look like them */
        }
    }
    return start < len && len - start <= HG_NAME_MAX;
}

#if defined(__SSE2__)

#define SHORT_MIN 16u /* a register */
#define SHORT_MAX 64u /* bits of a word; neither a name nor the depth can be over its limit */

/* A bit for each byte of the path. */
struct marks {
    uint64_t slashes, dots, others; /* others: not ASCII, or NUL */
};

static struct marks mark(const char *path, size_t at, struct marks m)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(path + at));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('/'));
    __m128i dot = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'));
    __m128i other = _mm_or_si128(bytes, _mm_cmpeq_epi8(bytes, _mm_setzero_si128()));

    m.slashes |= (uint64_t)(uint32_t)_mm_movemask_epi8(slash) << at;
    m.dots |= (uint64_t)(uint32_t)_mm_movemask_epi8(dot) << at;
    m.others |= (uint64_t)(uint32_t)_mm_movemask_epi8(other) << at;
    return m;
}

int hg_path_is_plain(const char *path, size_t len)
{
    struct marks m = { 0 };

    if (len < SHORT_MIN || len > SHORT_MAX)
        return is_plain_by_words(path, len);
    for (size_t at = 0; at + SHORT_MIN <= len; at += SHORT_MIN)
        m = mark(path, at, m);
    m = mark(path, len - SHORT_MIN, m); /* the rest, with some that were looked at before */
    uint64_t starts = m.slashes << 1 | 1;
    return (m.others | (starts & (m.slashes | m.dots)) | (m.slashes >> (len - 1))) == 0;
}

#else

int hg_path_is_plain(const char *path, size_t len)
{
    return is_plain_by_words(path, len);
}

#endif

int hg_path_canonical(const char *path, size_t path_len, char *out, size_t *out_len)
{
    if (hg_path_is_plain(path, path_len)) {
        memcpy(out, path, path_len);
        out[path_len] = '\0';
        *out_len = path_len;
        return HOLOG_OK;
    }
    size_t at = 0;
    size_t start;
    size_t len;
    size_t total = 0;
    int rc = check_path(path, path_len, &total); /* first: out is untouched on failure */
    if (rc < 0)
        return rc;
    total = 0;
    while (next_component(path, path_len, &at, &start, &len)) {
        if (total > 0)
            out[total++] = '/';
        memcpy(out + total, path + start, len);
        total += len;
    }
    out[total] = '\0';
    *out_len = total;
    return HOLOG_OK;
}

size_t hg_path_parent(const char *path, size_t path_len)
{
    HG_ASSERT(path_len > 0);
    const char *slash = memrchr(path, '/', path_len);
    return slash != NULL ? (size_t)(slash - path) : 0;
}

/* ---- keys --------------------------------------------------------------------------------------*/

static int is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* A run of digits: the number itself without leading zeros; the last digit of zero is none. */
struct digits {
    const uint8_t *first; /* of the significant ones */
    size_t count;         /* 0: the number zero */
    size_t zeros;         /* leading ones */
    const uint8_t *end;
};

static struct digits read_digits(const uint8_t *s, const uint8_t *end)
{
    struct digits d = { .first = s };
    while (d.first < end && *d.first == '0')
        d.first++;
    d.end = d.first;
    while (d.end < end && is_digit(*d.end))
        d.end++;
    d.count = (size_t)(d.end - d.first);
    d.zeros = (size_t)(d.first - s) - (d.count == 0 ? 1 : 0);
    return d;
}

/* Where a copy has come to. By value: a byte written through a pointer could be the pointer's. */
struct copy {
    const uint8_t *in;
    uint8_t *out;
};

/* A digit run. Byte by byte: runs are short. */
static inline struct copy copy_digits(struct copy c, const uint8_t *end)
{
    const uint8_t *start = c.in;
    const uint8_t *in = start;
    uint8_t *o = c.out;
    while (in < end && *in == '0')
        in++;
    const uint8_t *first = in;
    uint8_t *out = o + 1;
    while (in < end && is_digit(*in))
        *out++ = *in++;
    size_t count = (size_t)(in - first);
    size_t zeros = (size_t)(first - start) - (count == 0 ? 1 : 0);
    HG_ASSERT(count <= HG_NAME_MAX && zeros < HG_NAME_MAX); /* the path is canonical */
    *o = (uint8_t)('0' + HG_MIN(count, (size_t)LONG_RUN));
    if (count >= LONG_RUN) {
        memmove(o + 2, o + 1, count);
        o[1] = (uint8_t)count;
        out++;
    }
    *out = (uint8_t)(1 + zeros);
    return (struct copy){ .in = in, .out = out + 1 };
}

size_t hg_path_to_key(const char *path, size_t path_len, uint8_t *out)
{
    struct copy c = { .in = (const uint8_t *)path, .out = out };
    const uint8_t *end = c.in + path_len;
    HG_ASSERT(path_len <= HG_PATH_MAX);
    while (c.in < end) {
        uint8_t byte = *c.in;
        if (is_digit(byte)) {
            c = copy_digits(c, end);
            continue;
        }
        *c.out++ = byte == '/' ? COMPONENT_END : byte;
        c.in++;
    }
    return (size_t)(c.out - out);
}

int hg_key_is_node(const uint8_t *key, size_t key_len)
{
    const uint8_t *end = memrchr(key, COMPONENT_END, key_len);
    const uint8_t *component = end != NULL ? end + 1 : key;
    return component < key + key_len && *component >= HG_NODE_FIRST;
}

size_t hg_key_parent(const uint8_t *key, size_t key_len)
{
    const uint8_t *end = memrchr(key, COMPONENT_END, key_len); /* occurs nowhere else in a key */
    return end != NULL ? (size_t)(end - key) : 0;
}

/* A path being written, at most HG_PATH_MAX bytes. */
struct path_writer {
    char *out;
    size_t len;
};

static int write_path(struct path_writer *w, const void *bytes, size_t len)
{
    if (len > HG_PATH_MAX - w->len)
        return -1;
    memcpy(w->out + w->len, bytes, len);
    w->len += len;
    return 0;
}

/* The digit run at in; returns its end, or NULL when no path has it. */
static const uint8_t *read_key_digits(struct path_writer *w, const uint8_t *in, const uint8_t *end)
{
    char zeros[HG_NAME_MAX];
    size_t count = (size_t)(*in++ - '0');
    if (w->len > 0 && is_digit((uint8_t)w->out[w->len - 1]))
        return NULL; /* two runs in a row would be one */
    if (count == LONG_RUN) {
        if (in == end || *in < LONG_RUN)
            return NULL;
        count = *in++;
    }
    if ((size_t)(end - in) < count + 1)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!is_digit(in[i]) || (i == 0 && in[i] == '0'))
            return NULL;
    uint8_t zz = in[count];
    if (zz == 0)
        return NULL;
    size_t zero_count = zz - 1u + (count == 0 ? 1 : 0);
    memset(zeros, '0', zero_count);
    if (write_path(w, zeros, zero_count) < 0 || write_path(w, in, count) < 0)
        return NULL;
    return in + count + 1;
}

static int bad_key(size_t at)
{
    return hg_error(HOLOG_E_CORRUPT, "byte %zu of a key belongs to no path", at);
}

int hg_key_to_path(const uint8_t *key, size_t key_len, char *out, size_t *out_len)
{
    char path[HG_PATH_MAX + 1];
    struct path_writer w = { .out = path };
    const uint8_t *in = key;
    const uint8_t *end = key + key_len;
    while (in < end) {
        const uint8_t *at = in;
        if (is_digit(*in)) {
            in = read_key_digits(&w, in, end);
        } else {
            char c = (char)*in;
            if (*in == COMPONENT_END)
                c = '/';
            if (*in == '/' || write_path(&w, &c, 1) < 0)
                in = NULL;
            else
                in++;
        }
        if (in == NULL)
            return bad_key((size_t)(at - key));
    }
    /* Canonical already, or it is no path: empty and "." components would be dropped. */
    size_t named = w.len;
    size_t total = 0;
    if (hg_node_ends(path, w.len)) {
        named = hg_path_parent(path, w.len);
        size_t node = named + (named > 0 ? 1 : 0);
        if (!hg_node_valid(path + node, w.len - node))
            return bad_key(0);
    }
    if (check_path(path, named, &total) < 0 || total != named)
        return bad_key(0);
    memcpy(out, path, w.len);
    out[w.len] = '\0';
    *out_len = w.len;
    return HOLOG_OK;
}

/* ---- order -------------------------------------------------------------------------------------*/

static int sign(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_digits(const struct digits *a, const struct digits *b)
{
    int c = sign(a->count, b->count);
    if (c == 0)
        c = memcmp(a->first, b->first, a->count);
    return c != 0 ? c : sign(a->zeros, b->zeros);
}

int hg_name_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const uint8_t *s = (const uint8_t *)a;
    const uint8_t *t = (const uint8_t *)b;
    const uint8_t *s_end = s + a_len;
    const uint8_t *t_end = t + b_len;
    while (s < s_end && t < t_end) {
        if (!is_digit(*s) || !is_digit(*t)) {
            if (*s != *t)
                return *s < *t ? -1 : 1;
            s++;
            t++;
            continue;
        }
        struct digits d = read_digits(s, s_end);
        struct digits e = read_digits(t, t_end);
        int c = compare_digits(&d, &e);
        if (c != 0)
            return c;
        s = d.end;
        t = e.end;
    }
    return sign((size_t)(s_end - s), (size_t)(t_end - t));
}
