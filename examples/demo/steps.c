#include "steps.h"

#include <stdlib.h>

#include "image.h"

enum {
    BOX_RADIUS = 20, /* surroundings: 41 x 41 pixels, averaged twice, about a Gaussian of 17 */
    MIDDLE = 32768
};

const char *step_name(unsigned step)
{
    static const char *const names[STEP_COUNT] = { "source", "background", "edges" };

    return names[step];
}

/* Beyond the border the border's pixel goes on. */
static uint32_t clamp_at(int64_t at, uint32_t size)
{
    if (at < 0)
        return 0;
    return at < size ? (uint32_t)at : size - 1;
}

static uint16_t clamp_pixel(int32_t v)
{
    if (v < 0)
        return 0;
    return v < UINT16_MAX ? (uint16_t)v : UINT16_MAX;
}

/* ---- a small blur: 1 4 6 4 1, across and down ---- */

static uint16_t weigh(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e)
{
    return (uint16_t)((a + e + 4 * (b + d) + 6 * c + 8) >> 4);
}

static void blur_row(const uint16_t *in, uint32_t width, uint16_t *out)
{
    for (uint32_t x = 0; x < width; x++) {
        if (x >= 2 && x + 2 < width) {
            out[x] = weigh(in[x - 2], in[x - 1], in[x], in[x + 1], in[x + 2]);
            continue;
        }
        int64_t at = x;
        out[x] = weigh(in[clamp_at(at - 2, width)], in[clamp_at(at - 1, width)], in[x],
                       in[clamp_at(at + 1, width)], in[clamp_at(at + 2, width)]);
    }
}

static void blur_down(const uint16_t *in, uint32_t width, uint32_t height, uint16_t *out)
{
    for (uint32_t y = 0; y < height; y++) {
        const uint16_t *rows[5];
        for (int i = 0; i < 5; i++)
            rows[i] = in + image_count(width, clamp_at((int64_t)y + i - 2, height));
        for (uint32_t x = 0; x < width; x++)
            out[image_count(width, y) + x] =
                weigh(rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x]);
    }
}

/* ---- the mean of a box, with sums that move along ---- */

static void mean_row(const uint16_t *in, uint32_t width, uint16_t *out)
{
    uint32_t sum = 0; /* 41 x 65535 fits by far */

    for (int64_t x = -BOX_RADIUS; x <= BOX_RADIUS; x++)
        sum += in[clamp_at(x, width)];
    for (int64_t x = 0; x < width; x++) {
        out[x] = (uint16_t)(sum / (2 * BOX_RADIUS + 1));
        sum += in[clamp_at(x + BOX_RADIUS + 1, width)];
        sum -= in[clamp_at(x - BOX_RADIUS, width)];
    }
}

/* sums: one for each column. */
static void mean_down(const uint16_t *in, uint32_t width, uint32_t height, uint32_t *sums,
                      uint16_t *out)
{
    for (uint32_t x = 0; x < width; x++)
        sums[x] = 0;
    for (int64_t y = -BOX_RADIUS; y <= BOX_RADIUS; y++) {
        const uint16_t *row = in + image_count(width, clamp_at(y, height));
        for (uint32_t x = 0; x < width; x++)
            sums[x] += row[x];
    }
    for (uint32_t y = 0; y < height; y++) {
        int64_t at = y;
        const uint16_t *comes = in + image_count(width, clamp_at(at + BOX_RADIUS + 1, height));
        const uint16_t *goes = in + image_count(width, clamp_at(at - BOX_RADIUS, height));
        for (uint32_t x = 0; x < width; x++) {
            out[image_count(width, y) + x] = (uint16_t)(sums[x] / (2 * BOX_RADIUS + 1));
            sums[x] += comes[x];
            sums[x] -= goes[x];
        }
    }
}

/* ---- the steps ---- */

static int subtract_background(const uint16_t *in, uint32_t width, uint32_t height, uint16_t *out)
{
    size_t count = image_count(width, height);
    uint16_t *rows = malloc(count * sizeof(*rows));
    uint16_t *mean = malloc(count * sizeof(*mean));
    uint32_t *sums = malloc(width * sizeof(*sums));
    int rc = -1;

    if (rows == NULL || mean == NULL || sums == NULL)
        goto out;
    const uint16_t *from = in;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t y = 0; y < height; y++)
            mean_row(from + image_count(width, y), width, rows + image_count(width, y));
        mean_down(rows, width, height, sums, mean);
        from = mean;
    }
    for (uint32_t y = 0; y < height; y++)
        blur_row(in + image_count(width, y), width, rows + image_count(width, y));
    blur_down(rows, width, height, out);
    for (size_t i = 0; i < count; i++)
        out[i] = clamp_pixel(MIDDLE + out[i] - mean[i]);
    rc = 0;
out:
    free(rows);
    free(mean);
    free(sums);
    return rc;
}

/* Sobel's weights, |across| + |down|, which is at most 8 x 65535 before it is clamped. */
static void find_edges(const uint16_t *in, uint32_t width, uint32_t height, uint16_t *out)
{
    for (uint32_t y = 0; y < height; y++) {
        const uint16_t *above = in + image_count(width, clamp_at((int64_t)y - 1, height));
        const uint16_t *here = in + image_count(width, y);
        const uint16_t *below = in + image_count(width, clamp_at((int64_t)y + 1, height));
        for (uint32_t x = 0; x < width; x++) {
            uint32_t l = x > 0 ? x - 1 : 0;
            uint32_t r = x + 1 < width ? x + 1 : x;
            int32_t across = above[r] + 2 * here[r] + below[r] - above[l] - 2 * here[l] - below[l];
            int32_t down = below[l] + 2 * below[x] + below[r] - above[l] - 2 * above[x] - above[r];
            out[image_count(width, y) + x] = clamp_pixel((abs(across) + abs(down)) / 2);
        }
    }
}

int step_run(unsigned step, const uint16_t *in, uint32_t width, uint32_t height, uint16_t *out)
{
    if (step == 1)
        return subtract_background(in, width, height, out);
    find_edges(in, width, height, out);
    return 0;
}
