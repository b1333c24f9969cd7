/*
 * Squares of words of one width, for one machine; included with CODE, UWORD, SUM, BITS, F(name). SUM holds 64 of them.
 */

/* A row of a whole square; of a loop over so few words compilers make no vector. */
typedef UWORD F(eight) __attribute__((vector_size(SIDE * sizeof(UWORD))));

static inline UWORD F(number)(UWORD x)
{
    return (UWORD)((UWORD)(x << 1) ^ (UWORD)(0u - (UWORD)(x >> (BITS - 1))));
}

static inline UWORD F(word)(UWORD v)
{
    return (UWORD)((UWORD)(v >> 1) ^ (UWORD)(0u - (v & 1u)));
}

CODE void F(sum_row)(const struct hg_squares_run *r, const uint8_t *words, uint64_t *sums)
{
    const UWORD *x = (const void *)(words + r->at);

    for (size_t i = 0; i < r->count; i++, x += r->width) {
        size_t n = hg_squares_words(r, i);
        sums[i] = 0;
        for (size_t c = 0; c < n; c++)
            sums[i] += F(number)(x[c]);
    }
}

/* Column by column first: then all of a run is one loop. */
CODE void F(sum)(const struct hg_squares_run *r, const uint8_t *words, uint64_t *sums)
{
    SUM of_col[SIDE * HG_SQUARES_RUN] = { 0 };

    if (r->width != SIDE) {
        F(sum_row)(r, words, sums);
        return;
    }
    for (size_t y = 0; y < r->rows; y++) {
        const UWORD *x = (const void *)(words + r->at + y * r->stride);
        for (size_t c = 0; c < r->cols; c++)
            of_col[c] += F(number)(x[c]);
    }
    for (size_t i = 0; i < r->count; i++) {
        sums[i] = 0;
        for (size_t c = 0; c < SIDE; c++)
            sums[i] += of_col[SIDE * i + c];
    }
}

CODE void F(take)(const struct hg_squares_run *r, const uint8_t *words, const uint8_t *classes,
                  uint8_t **next)
{
    for (size_t i = 0; i < r->count; i++) {
        const uint8_t *at = words + r->at + i * r->width * sizeof(UWORD);
        size_t cols = HG_MIN(r->width, r->cols - i * r->width);
        UWORD *restrict to = (void *)next[classes[i]];
        next[classes[i]] += r->rows * cols * sizeof(UWORD);
        if (r->rows == SIDE && cols == SIDE) {
            for (size_t y = 0; y < SIDE; y++) {
                F(eight) row;
                memcpy(&row, at + y * r->stride, sizeof row);
                row = row << 1 ^ -(row >> (BITS - 1));
                memcpy(to + SIDE * y, &row, sizeof row);
            }
        } else {
            for (size_t y = 0; y < r->rows; y++) {
                const UWORD *x = (const void *)(at + y * r->stride);
                for (size_t c = 0; c < cols; c++)
                    to[y * cols + c] = F(number)(x[c]);
            }
        }
    }
}

CODE void F(give)(const struct hg_squares_run *r, uint8_t *words, const uint8_t *classes,
                  uint8_t **next)
{
    for (size_t i = 0; i < r->count; i++) {
        uint8_t *at = words + r->at + i * r->width * sizeof(UWORD);
        size_t cols = HG_MIN(r->width, r->cols - i * r->width);
        const UWORD *from = (const void *)next[classes[i]];
        next[classes[i]] += r->rows * cols * sizeof(UWORD);
        if (r->rows == SIDE && cols == SIDE) {
            for (size_t y = 0; y < SIDE; y++) {
                F(eight) row;
                memcpy(&row, from + SIDE * y, sizeof row);
                row = row >> 1 ^ -(row & 1);
                memcpy(at + y * r->stride, &row, sizeof row);
            }
        } else {
            for (size_t y = 0; y < r->rows; y++) {
                UWORD *restrict x = (void *)(at + y * r->stride);
                for (size_t c = 0; c < cols; c++)
                    x[c] = F(word)(from[y * cols + c]);
            }
        }
    }
}

static const struct each F(each) = { F(sum), F(take), F(give) };

#undef CODE
#undef UWORD
#undef SUM
#undef BITS
#undef F
