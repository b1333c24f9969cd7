/*
 * Steps of lifting over runs of words, for one width and one machine. Included with
 *   CODE   storage and target      WORD, UWORD   int16_t, uint16_t ...      ROWS(name)   what it is called here
 * Results are cut to the width before they are shifted.
 */

CODE void ROWS(split)(const void *from, void *even, void *odd, size_t pairs)
{
    const UWORD *x = from;
    UWORD *restrict a = even;
    UWORD *restrict b = odd;

    for (size_t i = 0; i < pairs; i++) {
        a[i] = x[2 * i];
        b[i] = x[2 * i + 1];
    }
}

CODE void ROWS(join)(const void *even, const void *odd, void *to, size_t pairs)
{
    const UWORD *a = even;
    const UWORD *b = odd;
    UWORD *restrict x = to;

    for (size_t i = 0; i < pairs; i++) {
        x[2 * i] = a[i];
        x[2 * i + 1] = b[i];
    }
}

CODE void ROWS(pair)(const void *from_a, const void *from_b, void *low, void *high, size_t n,
                     int up)
{
    const UWORD *a = from_a;
    const UWORD *b = from_b;
    UWORD *restrict s = low;
    UWORD *restrict d = high;
    UWORD more_by = (UWORD)up;

    for (size_t i = 0; i < n; i++) {
        UWORD diff = (UWORD)(a[i] - b[i]);
        WORD more = (WORD)(UWORD)(diff + more_by);
        s[i] = (UWORD)(b[i] + (UWORD)(more >> 1));
        d[i] = diff;
    }
}

/* high of a pair, as it was before the slope was taken off. */
static inline UWORD ROWS(steep)(UWORD d, UWORD before, UWORD after)
{
    WORD more = (WORD)(UWORD)(before - after + 2u);

    return (UWORD)(d + (UWORD)(more >> 2));
}

static inline UWORD ROWS(second)(UWORD s, UWORD diff, UWORD up)
{
    WORD more = (WORD)(UWORD)(diff + up);

    return (UWORD)(s - (UWORD)(more >> 1));
}

CODE void ROWS(unpair)(const void *low, const void *before, const void *after, const void *high,
                       void *to_a, void *to_b, size_t n, int up)
{
    const UWORD *s = low;
    const UWORD *p = before;
    const UWORD *q = after;
    const UWORD *d = high;
    UWORD *restrict a = to_a;
    UWORD *restrict b = to_b;
    UWORD more_by = (UWORD)up;

    for (size_t i = 0; i < n; i++) {
        UWORD diff = ROWS(steep)(d[i], p[i], q[i]);
        UWORD second = ROWS(second)(s[i], diff, more_by);
        b[i] = second;
        a[i] = (UWORD)(second + diff);
    }
}

/* The same along a row, pair by pair; an even number of words, or the last is low. */
CODE void ROWS(unrow)(const void *low, size_t n_low, const void *high, size_t n_high, void *to,
                      int up)
{
    const UWORD *s = low;
    const UWORD *d = high;
    UWORD *restrict x = to;
    UWORD more_by = (UWORD)up;
    size_t last = n_high - 1;
    UWORD first_diff = ROWS(steep)(d[0], s[0], s[n_low > 1]);
    UWORD last_diff = ROWS(steep)(d[last], s[last > 0 ? last - 1 : 0], s[n_low - 1]);

    x[1] = ROWS(second)(s[0], first_diff, more_by);
    x[0] = (UWORD)(x[1] + first_diff);
    for (size_t i = 1; i < last; i++) {
        UWORD diff = ROWS(steep)(d[i], s[i - 1], s[i + 1]);
        UWORD second = ROWS(second)(s[i], diff, more_by);
        x[2 * i] = (UWORD)(second + diff);
        x[2 * i + 1] = second;
    }
    x[2 * last + 1] = ROWS(second)(s[last], last_diff, more_by);
    x[2 * last] = (UWORD)(x[2 * last + 1] + last_diff);
    if (n_low > n_high)
        x[2 * n_high] = s[n_high];
}

/* d -= (before - after + 2) >> 2 */
CODE void ROWS(slope)(void *high, const void *before, const void *after, size_t n)
{
    UWORD *restrict d = high;
    const UWORD *p = before;
    const UWORD *q = after;

    for (size_t i = 0; i < n; i++) {
        WORD more = (WORD)(UWORD)(p[i] - q[i] + 2u);
        d[i] = (UWORD)(d[i] - (UWORD)(more >> 2));
    }
}

/* to = of - mean(p, q) */
CODE void ROWS(less_mean)(const void *of, const void *from_p, const void *from_q, void *to,
                          size_t n)
{
    const UWORD *b = of;
    const UWORD *p = from_p;
    const UWORD *q = from_q;
    UWORD *restrict d = to;

    for (size_t i = 0; i < n; i++) {
        WORD diff = (WORD)(UWORD)(q[i] - p[i]);
        d[i] = (UWORD)(b[i] - (UWORD)(p[i] + (UWORD)(diff >> 1)));
    }
}

CODE void ROWS(plus_mean)(const void *of, const void *from_p, const void *from_q, void *to,
                          size_t n)
{
    const UWORD *b = of;
    const UWORD *p = from_p;
    const UWORD *q = from_q;
    UWORD *restrict d = to;

    for (size_t i = 0; i < n; i++) {
        WORD diff = (WORD)(UWORD)(q[i] - p[i]);
        d[i] = (UWORD)(b[i] + (UWORD)(p[i] + (UWORD)(diff >> 1)));
    }
}

/* to = of + ((p + q + 1) >> 2) */
CODE void ROWS(plus_quarter)(const void *of, const void *from_p, const void *from_q, void *to,
                             size_t n)
{
    const UWORD *a = of;
    const UWORD *p = from_p;
    const UWORD *q = from_q;
    UWORD *restrict s = to;

    for (size_t i = 0; i < n; i++) {
        WORD sum = (WORD)(UWORD)(p[i] + q[i] + 1u);
        s[i] = (UWORD)(a[i] + (UWORD)(sum >> 2));
    }
}

CODE void ROWS(less_quarter)(const void *of, const void *from_p, const void *from_q, void *to,
                             size_t n)
{
    const UWORD *a = of;
    const UWORD *p = from_p;
    const UWORD *q = from_q;
    UWORD *restrict s = to;

    for (size_t i = 0; i < n; i++) {
        WORD sum = (WORD)(UWORD)(p[i] + q[i] + 1u);
        s[i] = (UWORD)(a[i] - (UWORD)(sum >> 2));
    }
}

static const struct hg_rows ROWS(rows) = {
    sizeof(WORD),    ROWS(split),        ROWS(join),         ROWS(pair),
    ROWS(unpair),    ROWS(unrow),        ROWS(slope),        ROWS(less_mean),
    ROWS(plus_mean), ROWS(plus_quarter), ROWS(less_quarter),
};

#undef CODE
#undef WORD
#undef UWORD
#undef ROWS
