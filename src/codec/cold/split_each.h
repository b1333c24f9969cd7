/*
 * Numbers of one width taken apart, for one machine; included with CODE, UWORD, F(name).
 */

CODE void F(byte)(const void *from, uint8_t *restrict to, size_t n, unsigned shift, uint8_t mask)
{
    const UWORD *v = from;

    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)((UWORD)(v[i] >> shift) & mask);
}

CODE void F(top)(const void *from, uint8_t *restrict to, size_t n, unsigned k)
{
    const UWORD *v = from;

    for (size_t i = 0; i < n; i++) {
        UWORD top = (UWORD)(v[i] >> k);
        to[i] = (uint8_t)(top < HG_SPLIT_ESCAPE ? top : HG_SPLIT_ESCAPE);
    }
}

CODE void F(set)(void *into, const uint8_t *restrict b, size_t n, unsigned shift)
{
    UWORD *v = into;

    for (size_t i = 0; i < n; i++)
        v[i] = (UWORD)((UWORD)b[i] << shift);
}

CODE void F(both)(void *into, const uint8_t *restrict tops, const uint8_t *restrict lows, size_t n,
                  unsigned k)
{
    UWORD *v = into;

    for (size_t i = 0; i < n; i++)
        v[i] = (UWORD)((UWORD)((UWORD)tops[i] << k) | lows[i]);
}

CODE void F(join)(void *into, const uint8_t *restrict b, size_t n, unsigned shift)
{
    UWORD *v = into;

    for (size_t i = 0; i < n; i++)
        v[i] = (UWORD)(v[i] | (UWORD)((UWORD)b[i] << shift));
}

/* How many have each shape (split.c)? Numbers that are next to each other are counted apart, as many are alike: a count
 * need not wait for the one before. */
CODE void F(shapes)(const void *from, size_t n, uint32_t *count, uint32_t *more)
{
    const UWORD *v = from;

    for (size_t i = 0; i < n; i++) {
        uint64_t x = v[i];
        unsigned length = 56 - (unsigned)__builtin_clzll(x | 128); /* above that of a byte */
        size_t shape = OF_A_LENGTH * (size_t)length + (x >> length);
        (i & 1 ? more : count)[shape]++;
    }
}

static const struct each F(each) = { F(byte), F(top), F(set), F(both), F(join), F(shapes) };

#undef CODE
#undef WORD
#undef UWORD
#undef BITS
#undef F
