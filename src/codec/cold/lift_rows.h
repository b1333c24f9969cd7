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

CODE void ROWS(unpair)(const void *low, const void *high, void *to_a, void *to_b, size_t n, int up)
{
    const UWORD *s = low;
    const UWORD *d = high;
    UWORD *restrict a = to_a;
    UWORD *restrict b = to_b;
    UWORD more_by = (UWORD)up;

    for (size_t i = 0; i < n; i++) {
        WORD more = (WORD)(UWORD)(d[i] + more_by);
        UWORD second = (UWORD)(s[i] - (UWORD)(more >> 1));
        b[i] = second;
        a[i] = (UWORD)(second + d[i]);
    }
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

CODE void ROWS(unslope)(void *high, const void *before, const void *after, size_t n)
{
    UWORD *restrict d = high;
    const UWORD *p = before;
    const UWORD *q = after;

    for (size_t i = 0; i < n; i++) {
        WORD more = (WORD)(UWORD)(p[i] - q[i] + 2u);
        d[i] = (UWORD)(d[i] + (UWORD)(more >> 2));
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
    ROWS(unpair),    ROWS(slope),        ROWS(unslope),      ROWS(less_mean),
    ROWS(plus_mean), ROWS(plus_quarter), ROWS(less_quarter),
};

#undef CODE
#undef WORD
#undef UWORD
#undef ROWS
