/*
 * Words of one width, for one machine; included with CODE, WORD, UWORD, BITS, F(name), and for widths that can
 * be widened WIDE and UWIDE.
 */

/* All ones of a negative word, else 0. */
static inline UWORD F(sign)(UWORD x)
{
    return (UWORD)(0u - (UWORD)(x >> (BITS - 1)));
}

CODE void F(order_floats)(const void *from, void *to, size_t n)
{
    const UWORD *x = from;
    UWORD *y = to;
    UWORD but_sign = (UWORD) ~((UWORD)1 << (BITS - 1));

    for (size_t i = 0; i < n; i++)
        y[i] = (UWORD)(x[i] ^ (F(sign)(x[i]) & but_sign));
}

CODE void F(subtract)(void *words, const void *base, size_t n)
{
    UWORD *x = words;
    const UWORD *b = base;

    for (size_t i = 0; i < n; i++)
        x[i] = (UWORD)(x[i] - b[i]);
}

CODE void F(add)(void *words, const void *base, size_t n)
{
    UWORD *x = words;
    const UWORD *b = base;

    for (size_t i = 0; i < n; i++)
        x[i] = (UWORD)(x[i] + b[i]);
}

CODE void F(zigzag)(const void *from, void *to, size_t n)
{
    const UWORD *x = from;
    UWORD *y = to;

    for (size_t i = 0; i < n; i++)
        y[i] = (UWORD)((UWORD)(x[i] << 1) ^ F(sign)(x[i]));
}

CODE void F(unzigzag)(const void *from, void *to, size_t n)
{
    const UWORD *x = from;
    UWORD *y = to;

    for (size_t i = 0; i < n; i++)
        y[i] = (UWORD)((UWORD)(x[i] >> 1) ^ (UWORD)(0u - (x[i] & 1u)));
}

CODE uint64_t F(range)(const void *words, size_t n, int is_signed, uint64_t *out_min)
{
    const UWORD *x = words;
    UWORD turn = is_signed ? (UWORD)((UWORD)1 << (BITS - 1)) : 0;
    UWORD least = (UWORD)(x[0] ^ turn);
    UWORD most = least;

    for (size_t i = 1; i < n; i++) {
        UWORD v = (UWORD)(x[i] ^ turn);
        least = v < least ? v : least;
        most = v > most ? v : most;
    }
    *out_min = (UWORD)(least ^ turn);
    return (uint64_t)(UWORD)(most - least);
}

#ifdef UWIDE
CODE void F(widen)(const void *from, void *to, size_t n, int is_signed)
{
    const UWORD *x = from;
    UWIDE *y = to;

    if (is_signed)
        for (size_t i = 0; i < n; i++)
            y[i] = (UWIDE)(WIDE)(WORD)x[i];
    else
        for (size_t i = 0; i < n; i++)
            y[i] = x[i];
}

CODE void F(narrow)(const void *from, void *to, size_t n)
{
    const UWIDE *x = from;
    UWORD *y = to;

    for (size_t i = 0; i < n; i++)
        y[i] = (UWORD)x[i];
}
#undef WIDE
#undef UWIDE
#define WIDENING F(widen), F(narrow)
#else
#define WIDENING NULL, NULL
#endif

static const struct each F(each) = { F(order_floats), F(subtract), F(add),  F(zigzag),
                                     F(unzigzag),     F(range),    WIDENING };

#undef WIDENING
#undef CODE
#undef WORD
#undef UWORD
#undef BITS
#undef F
