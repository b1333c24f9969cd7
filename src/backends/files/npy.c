/*
 * NPY files, read and written; see npy.h. The text of a header comes from anybody: it is read by hand, one
 * piece after the other, and only what a header can be is taken.
 */
#include "backends/files/npy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "array/grid.h"
#include "base/byteorder.h"
#include "base/error.h"

#define MAGIC_SIZE  6
#define PREFIX_SIZE (MAGIC_SIZE + 2)
#define ALIGNMENT   64
#define DESCR_MAX   64 /* with the NUL */
#define TEXT_MAX \
    1024          /* of what is written: 32 axes of 17 bytes each, and some 100 bytes around them */
#define GROWTH 21 /* digits that NumPy leaves room for in the axis that may grow */

static const uint8_t magic[MAGIC_SIZE] = { 0x93, 'N', 'U', 'M', 'P', 'Y' };

/* ---- the text of a header -------------------------------------------------------------------------------*/

struct text {
    const uint8_t *file;
    size_t at; /* the next byte */
    size_t end;
};

enum key {
    DESCR = 1,
    FORTRAN = 2,
    SHAPE = 4,
    ALL_KEYS = 7
};

static int broken(const struct text *t, const char *what)
{
    return hg_corrupt_file("", t->at, "NPY: %s at byte %zu of the header", what, t->at);
}

static void skip_space(struct text *t)
{
    while (t->at < t->end && strchr(" \t\r\n", t->file[t->at]) != NULL && t->file[t->at] != 0)
        t->at++;
}

/* 0 at the end, which no text has otherwise. */
static char peek(struct text *t)
{
    skip_space(t);
    if (t->at == t->end)
        return '\0';
    return (char)t->file[t->at];
}

static int take(struct text *t, char c)
{
    int is = peek(t) == c && t->at < t->end;

    t->at += is ? 1 : 0;
    return is;
}

/* Printable ASCII between quotes; a backslash would be an escape, and is in no header. */
static int read_string(struct text *t, char *out, size_t room)
{
    char quote = peek(t);
    size_t n = 0;

    if (quote != '\'' && quote != '"')
        return broken(t, "no string");
    for (t->at++; t->at < t->end && t->file[t->at] != (uint8_t)quote; t->at++) {
        uint8_t c = t->file[t->at];
        if (c < ' ' || c > '~' || c == '\\')
            return broken(t, "a character that no name has");
        if (n + 1 == room)
            return broken(t, "a name that is too long");
        out[n++] = (char)c;
    }
    if (t->at == t->end)
        return broken(t, "a string without an end");
    t->at++;
    out[n] = '\0';
    return HOLOG_OK;
}

static int read_size(struct text *t, unsigned axis, uint64_t *out)
{
    uint64_t v = 0;
    size_t begin;

    skip_space(t);
    for (begin = t->at; t->at < t->end && t->file[t->at] >= '0' && t->file[t->at] <= '9'; t->at++) {
        v = v * 10 + (t->file[t->at] - (unsigned)'0');
        if (v > HG_INDEX_MAX)
            return hg_error(HOLOG_E_TOOBIG,
                            "NPY: axis %u of the shape has over %" PRIu64 " elements", axis,
                            HG_INDEX_MAX);
    }
    if (t->at == begin || (t->file[begin] == '0' && t->at - begin > 1))
        return broken(t, "no size of an axis");
    if (t->at < t->end && t->file[t->at] == 'L')
        t->at++; /* a long of Python 2 */
    *out = v;
    return HOLOG_OK;
}

/* (), (3,), (3, 4), (3, 4,): a comma is what makes one number a tuple. */
static int read_shape(struct text *t, struct hg_npy *h)
{
    int comma = 1;

    if (!take(t, '('))
        return broken(t, "the shape is no tuple:");
    for (h->rank = 0; !take(t, ')'); comma = take(t, ',')) {
        if (!comma)
            return broken(t, "no comma in the shape");
        if (h->rank == HG_RANK_MAX)
            return hg_error(HOLOG_E_NOTSUP, "NPY: more than %d axes", HG_RANK_MAX);
        int rc = read_size(t, h->rank, &h->shape[h->rank]);
        if (rc < 0)
            return rc;
        h->rank++;
    }
    return h->rank == 1 && !comma ? broken(t, "the shape is no tuple: it ends") : HOLOG_OK;
}

static int read_descr(struct text *t, struct hg_npy *h)
{
    char descr[DESCR_MAX];
    char first = peek(t);

    if (first == '[')
        return hg_error(
            HOLOG_E_NOTSUP,
            "NPY: elements with fields (a structured type); save each field as an array");
    if (first == '(')
        return hg_error(HOLOG_E_NOTSUP,
                        "NPY: elements that are arrays themselves; save them as one "
                        "array with more axes");
    int rc = read_string(t, descr, sizeof descr);
    if (rc < 0)
        return rc;
    if (descr[0] != '\0' && descr[1] == 'O')
        return hg_error(HOLOG_E_NOTSUP,
                        "NPY: elements of type \"%s\", Python objects; only numbers can be read",
                        descr);
    return hg_type_from_numpy(descr, &h->type, &h->swapped);
}

static int read_truth(struct text *t, int *out)
{
    static const char *const words[] = { "False", "True" };

    skip_space(t);
    for (int i = 0; i < 2; i++) {
        size_t len = strlen(words[i]);
        if (t->end - t->at < len || memcmp(t->file + t->at, words[i], len) != 0)
            continue;
        t->at += len;
        *out = i;
        return HOLOG_OK;
    }
    return broken(t, "neither True nor False");
}

static int read_entry(struct text *t, struct hg_npy *h, unsigned *seen)
{
    static const char *const keys[] = { "descr", "fortran_order", "shape" };
    char name[DESCR_MAX];
    unsigned i = 0;
    int rc = read_string(t, name, sizeof name);

    if (rc < 0)
        return rc;
    while (i < 3 && strcmp(name, keys[i]) != 0)
        i++;
    if (i == 3 || (*seen & 1u << i) != 0)
        return broken(t, i == 3 ? "an unknown key ends" : "a key for the second time ends");
    *seen |= 1u << i;
    if (!take(t, ':'))
        return broken(t, "no colon");
    switch (1u << i) {
    case DESCR: return read_descr(t, h);
    case FORTRAN: return read_truth(t, &h->fortran);
    default: return read_shape(t, h);
    }
}

static int read_dict(struct text *t, struct hg_npy *h)
{
    unsigned seen = 0;
    int comma = 1;

    if (!take(t, '{'))
        return broken(t, "no dict");
    for (; !take(t, '}'); comma = take(t, ',')) {
        int rc = comma ? read_entry(t, h, &seen) : broken(t, "no comma");
        if (rc < 0)
            return rc;
    }
    if (seen != ALL_KEYS)
        return broken(t, "not all of descr, fortran_order and shape: the dict ends");
    skip_space(t);
    return t->at == t->end ? HOLOG_OK : broken(t, "something behind the dict");
}

/* ---- a file ---------------------------------------------------------------------------------------------*/

static int read_prefix(const uint8_t *file, size_t len, struct text *out)
{
    if (len < PREFIX_SIZE + 2 || memcmp(file, magic, MAGIC_SIZE) != 0)
        return hg_corrupt_file("", 0,
                               "no NPY file: it does not begin with \\x93NUMPY and a version");
    if (file[6] < 1 || file[6] > 3 || file[7] != 0)
        return hg_error(HOLOG_E_NOTSUP, "NPY: version %u.%u; 1.0, 2.0 and 3.0 are known", file[6],
                        file[7]);
    size_t begin = PREFIX_SIZE + (file[6] == 1 ? 2 : 4);
    if (len < begin)
        return hg_corrupt_file("", len, "NPY: the file ends at byte %zu, in its header", len);
    size_t size = file[6] == 1 ? hg_get_le16(file + PREFIX_SIZE) : hg_get_le32(file + PREFIX_SIZE);
    if (size > len - begin)
        return hg_corrupt_file(
            "", len,
            "NPY: the file ends at byte %zu, in its header, which is said to have "
            "%zu bytes",
            len, size);
    *out = (struct text){ .file = file, .at = begin, .end = begin + size };
    return HOLOG_OK;
}

/* The bytes of all elements. */
static int measure(struct hg_npy *h)
{
    uint64_t bytes = h->type.size;
    int empty = 0;
    int over = 0;

    for (unsigned i = 0; i < h->rank; i++) {
        if (h->shape[i] == 0)
            empty = 1; /* whatever the other axes would come to */
        else
            over |= __builtin_mul_overflow(bytes, h->shape[i], &bytes) || bytes > INT64_MAX;
    }
    if (over && !empty)
        return hg_error(HOLOG_E_TOOBIG, "NPY: the shape says more than 2^63 bytes");
    h->data_bytes = empty ? 0 : bytes;
    return HOLOG_OK;
}

int hg_npy_read_header(const void *file, size_t len, struct hg_npy *out)
{
    struct hg_npy h = { .rank = 0 };
    struct text t;
    int rc = read_prefix(file, len, &t);

    if (rc == HOLOG_OK)
        rc = read_dict(&t, &h);
    if (rc == HOLOG_OK)
        rc = measure(&h);
    if (rc < 0)
        return rc;
    h.data_at = t.end;
    if (len - h.data_at != h.data_bytes)
        return hg_corrupt_file(
            "", HG_MIN(len, h.data_at + h.data_bytes),
            "NPY: %zu bytes of elements, from byte %zu to the end of the file, where "
            "type and shape make %" PRIu64,
            len - h.data_at, h.data_at, h.data_bytes);
    *out = h;
    return HOLOG_OK;
}

/* ---- elements -------------------------------------------------------------------------------------------*/

static int check_bools(const struct hg_npy *h, const uint8_t *data)
{
    for (uint64_t i = 0; i < h->data_bytes; i++)
        if (data[i] > 1)
            return hg_corrupt_file("", h->data_at + i,
                                   "NPY: a bool of %u, neither 0 nor 1, at byte %" PRIu64, data[i],
                                   h->data_at + i);
    return HOLOG_OK;
}

static void turn_round(uint8_t *data, uint64_t len, uint32_t word)
{
    for (uint8_t *end = data + len; data < end; data += word) {
        if (word == 2) {
            hg_put_le16(data, __builtin_bswap16(hg_get_le16(data)));
        } else if (word == 4) {
            hg_put_le32(data, __builtin_bswap32(hg_get_le32(data)));
        } else {
            HG_ASSERT(word == 8);
            hg_put_le64(data, __builtin_bswap64(hg_get_le64(data)));
        }
    }
}

int hg_npy_elements(const struct hg_npy *h, const void *data, void *out)
{
    int64_t to[HG_RANK_MAX];
    int64_t from[HG_RANK_MAX];
    int64_t stride = (int64_t)h->type.size;
    int rc = h->type.dtype == HG_BOOL ? check_bools(h, data) : HOLOG_OK;

    if (rc < 0 || h->data_bytes == 0)
        return rc;
    if (h->fortran && h->rank > 1) {
        for (unsigned i = 0; i < h->rank; stride *= (int64_t)h->shape[i++])
            from[i] = stride;
        hg_strides_of(h->rank, h->shape, h->type.size, to);
        hg_copy_strided(h->rank, h->shape, h->type.size, out, to, data, from);
    } else {
        memcpy(out, data, h->data_bytes);
    }
    if (h->swapped)
        turn_round(out, h->data_bytes, hg_type_word(h->type));
    return HOLOG_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------*/

struct line {
    char text[TEXT_MAX];
    size_t len;
};

HG_PRINTF(2, 3) static void say(struct line *l, const char *fmt, ...);

static void say(struct line *l, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(l->text + l->len, sizeof l->text - l->len, fmt, args);
    va_end(args);
    HG_ASSERT(n >= 0 && (size_t)n < sizeof l->text - l->len);
    l->len += (size_t)n;
}

int hg_npy_write_header(struct hg_type type, unsigned rank, const uint64_t *shape, int fortran,
                        struct hg_buf *out)
{
    struct line l = { .len = 0 };
    char descr[HG_DTYPE_NAME_MAX];
    uint8_t prefix[PREFIX_SIZE + 2];

    HG_ASSERT(rank <= HG_RANK_MAX);
    hg_type_to_numpy(type, descr);
    say(&l, "{'descr': '%s', 'fortran_order': %s, 'shape': (", descr, fortran ? "True" : "False");
    for (unsigned i = 0; i < rank; i++)
        say(&l, "%s%" PRIu64, i > 0 ? ", " : "", shape[i]);
    say(&l, "%s), }", rank == 1 ? "," : "");
    if (rank > 0)
        say(&l, "%*s", GROWTH - snprintf(NULL, 0, "%" PRIu64, shape[fortran ? rank - 1 : 0]), "");
    /* 1 to 64 spaces: NumPy never pads with none. */
    say(&l, "%*s\n", (int)(ALIGNMENT - (sizeof prefix + l.len + 1) % ALIGNMENT), "");
    memcpy(prefix, magic, MAGIC_SIZE);
    prefix[6] = 1;
    prefix[7] = 0;
    hg_put_le16(prefix + PREFIX_SIZE, (uint16_t)l.len);
    int rc = hg_buf_reserve(out, sizeof prefix + l.len); /* all of it or nothing */
    if (rc == HOLOG_OK)
        rc = hg_buf_append(out, prefix, sizeof prefix);
    return rc == HOLOG_OK ? hg_buf_append(out, l.text, l.len) : rc;
}
