/*
 * See imaging.h.
 */
#include "imaging.h"

#include <math.h>
#include <string.h>

static int inside(int y, int x)
{
    return y >= 0 && y < SIDE && x >= 0 && x < SIDE;
}

static int in_disc(int y, int x, int cy, int cx, int radius)
{
    return (y - cy) * (y - cy) + (x - cx) * (x - cx) <= radius * radius;
}

void make_cells(uint16_t *out, unsigned shift)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            int cell = in_disc(y, x, 13, 13 + (int)shift, 9) || in_disc(y, x, 36, 36, 6);
            int speck = y * SIDE + x == 5 * SIDE + 40;
            out[y * SIDE + x] = (uint16_t)(100 + (y * 7 + x * 3) % 5 + (cell || speck ? 4000 : 0));
        }
    }
}

/* d c b a | a b c d | d c b a */
static int mirrored(int i)
{
    if (i < 0)
        return -i - 1;
    return i >= SIDE ? 2 * SIDE - 1 - i : i;
}

static void filter_rows(const double *in, const double *weights, int reach, double *out)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            double sum = 0;
            for (int k = -reach; k <= reach; k++)
                sum += weights[k + reach] * in[y * SIDE + mirrored(x + k)];
            out[x * SIDE + y] = sum; /* turned, so that the second time does the columns */
        }
    }
}

void gaussian_filter(const uint16_t *in, double sigma, uint16_t *out)
{
    double a[PIXELS];
    double b[PIXELS];
    double weights[65];
    double sum = 0;
    int reach = (int)(4 * sigma + 0.5);

    for (int k = -reach; k <= reach; k++)
        sum += weights[k + reach] = exp(-0.5 * k * k / (sigma * sigma));
    for (int k = 0; k <= 2 * reach; k++)
        weights[k] /= sum;
    for (int i = 0; i < PIXELS; i++)
        a[i] = in[i];
    filter_rows(a, weights, reach, b);
    filter_rows(b, weights, reach, a);
    for (int i = 0; i < PIXELS; i++)
        out[i] = (uint16_t)lround(a[i]);
}

/* 1 where all (or, `any`, one) of the disc around a pixel are 1. */
static void probe(const uint8_t *in, int radius, int any, uint8_t *out)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            int found = !any;
            for (int dy = -radius; dy <= radius; dy++) {
                for (int dx = -radius; dx <= radius; dx++) {
                    int set = inside(y + dy, x + dx) && in[(y + dy) * SIDE + x + dx];
                    if (in_disc(dy, dx, 0, 0, radius) && set == any)
                        found = any;
                }
            }
            out[y * SIDE + x] = (uint8_t)found;
        }
    }
}

void binary_opening(const uint16_t *in, uint16_t threshold, int radius, uint8_t *out)
{
    uint8_t mask[PIXELS];
    uint8_t eroded[PIXELS];

    for (int i = 0; i < PIXELS; i++)
        mask[i] = in[i] > threshold;
    probe(mask, radius, 0, eroded);
    probe(eroded, radius, 1, out);
}

static void flood(const uint8_t *in, uint32_t *out, int start, uint32_t number)
{
    int stack[PIXELS * 8];
    int n = 0;

    stack[n++] = start;
    while (n > 0) {
        int at = stack[--n];
        if (out[at] != 0)
            continue;
        out[at] = number;
        for (int dy = -1; dy <= 1; dy++) {
            for (int dx = -1; dx <= 1; dx++) {
                int y = at / SIDE + dy;
                int x = at % SIDE + dx;
                if (inside(y, x) && in[y * SIDE + x] && out[y * SIDE + x] == 0)
                    stack[n++] = y * SIDE + x;
            }
        }
    }
}

uint32_t label(const uint8_t *in, uint32_t *out)
{
    uint32_t number = 0;

    memset(out, 0, PIXELS * sizeof out[0]);
    for (int i = 0; i < PIXELS; i++) {
        if (in[i] && out[i] == 0)
            flood(in, out, i, ++number);
    }
    return number;
}
