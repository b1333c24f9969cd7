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

CODE void F(join)(void *into, const uint8_t *restrict b, size_t n, unsigned shift)
{
    UWORD *v = into;

    for (size_t i = 0; i < n; i++)
        v[i] = (UWORD)(v[i] | (UWORD)((UWORD)b[i] << shift));
}

CODE uint64_t F(sum)(const void *from, size_t n)
{
    const UWORD *v = from;
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

/* How many have so many bits? */
CODE void F(lengths)(const void *from, size_t n, size_t *count)
{
    const UWORD *v = from;

    for (size_t i = 0; i < n; i++)
        count[v[i] == 0 ? 0 : 64 - __builtin_clzll(v[i])]++;
}

static const struct each F(each) = { F(byte), F(top), F(set), F(join), F(sum), F(lengths) };

#undef CODE
#undef WORD
#undef UWORD
#undef BITS
#undef F
