/*
 * Predictors over runs of words, for one width and one machine; included with CODE, WORD, UWORD, BITS, F(name).
 */

CODE void F(left)(const void *from, void *to, size_t n)
{
    const UWORD *x = from;
    UWORD *restrict y = to;

    y[0] = x[0];
    for (size_t i = 1; i < n; i++)
        y[i] = (UWORD)(x[i] - x[i - 1]);
}

CODE void F(unleft)(void *words, size_t n)
{
    UWORD *x = words;
    UWORD sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum = (UWORD)(sum + x[i]);
        x[i] = sum;
    }
}

CODE void F(less)(void *words, const void *by, size_t n)
{
    UWORD *restrict x = words;
    const UWORD *b = by;

    for (size_t i = 0; i < n; i++)
        x[i] = (UWORD)(x[i] - b[i]);
}

CODE void F(plus)(void *words, const void *by, size_t n)
{
    UWORD *restrict x = words;
    const UWORD *b = by;

    for (size_t i = 0; i < n; i++)
        x[i] = (UWORD)(x[i] + b[i]);
}

CODE void F(average)(const void *from, const void *above, void *to, size_t n)
{
    const UWORD *x = from;
    const UWORD *u = above;
    UWORD *restrict y = to;

    y[0] = (UWORD)(x[0] - u[0]);
    for (size_t i = 1; i < n; i++) {
        WORD diff = (WORD)(UWORD)(u[i] - x[i - 1]);
        y[i] = (UWORD)(x[i] - (UWORD)(x[i - 1] + (UWORD)(diff >> 1)));
    }
}

CODE void F(unaverage)(void *words, const void *above, size_t n)
{
    UWORD *restrict x = words;
    const UWORD *u = above;
    UWORD left = (UWORD)(x[0] + u[0]);

    x[0] = left;
    for (size_t i = 1; i < n; i++) {
        WORD diff = (WORD)(UWORD)(u[i] - left);
        left = (UWORD)(x[i] + (UWORD)(left + (UWORD)(diff >> 1)));
        x[i] = left;
    }
}

static const struct each F(each) = {
    F(left), F(unleft), F(less), F(plus), F(average), F(unaverage)
};

#undef CODE
#undef WORD
#undef UWORD
#undef BITS
#undef F
