/*
 * range.c: the header Range.
 */
#include "serve/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

/* Digits at *text, which is moved behind them. A number too large for 64 bits becomes the largest: it is
 * behind the end of any value all the same. */
static bool take_number(const char **text, uint64_t *out)
{
    const char *s = *text;
    uint64_t value = 0;

    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        uint64_t digit = (uint64_t)(*s - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    *text = s;
    *out = value;
    return true;
}

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

static struct range part(uint64_t offset, uint64_t len_bytes)
{
    return (struct range){ .kind = RANGE_PART, .offset = offset, .len_bytes = len_bytes };
}

static struct range last_bytes(uint64_t n, uint64_t size_bytes)
{
    if (n == 0)
        return (struct range){ .kind = RANGE_UNSATISFIABLE };
    if (size_bytes == 0)
        return (struct range){ .kind =
                                   RANGE_WHOLE }; /* satisfiable, but no 206 can say "no bytes" */
    return n >= size_bytes ? part(0, size_bytes) : part(size_bytes - n, n);
}

struct range range_parse(const char *header, uint64_t size_bytes)
{
    const struct range whole = { .kind = RANGE_WHOLE };
    uint64_t first = 0;
    uint64_t last = UINT64_MAX;

    if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
        return whole;
    const char *s = skip_blanks(header + 6);
    bool suffix = !take_number(&s, &first);
    if (*s++ != '-')
        return whole;
    if (!take_number(&s, &last) && suffix)
        return whole;
    if (*skip_blanks(s) != '\0')
        return whole; /* several ranges, or nothing that is one */
    if (suffix)
        return last_bytes(last, size_bytes);
    if (last < first ||
        first >= size_bytes) /* backwards: a mistake of the client's, better heard of */
        return (struct range){ .kind = RANGE_UNSATISFIABLE };
    if (last > size_bytes - 1)
        last = size_bytes - 1;
    return part(first, last - first + 1);
}
