/*
 * Cells, blurred, lit, and counted; see fields.h.
 */
#include "fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET      100.0 /* counts, of a camera in the dark */
#define READ_NOISE  1.6   /* counts */
#define BLUR        1.6   /* pixels: the lens */
#define SMOOTH      2.0   /* pixels: a step of a pipeline */
#define CELL_AREA   8000  /* pixels to a cell, on average */
#define VIGNETTE    0.25  /* of the light is lost in the corners */
#define TWO_PI      6.283185307179586
#define NORMAL_FROM 30.0 /* electrons from which a Poisson number is a rounded normal one */

struct random {
    uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(struct random *r)
{
    uint64_t z = (r->state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static double uniform(struct random *r)
{
    return (double)(next(r) >> 11) * 0x1p-53;
}

/* Box and Muller. */
static double normal(struct random *r)
{
    double u = 1 - uniform(r);

    return sqrt(-2 * log(u)) * cos(TWO_PI * uniform(r));
}

static double poisson(struct random *r, double mean)
{
    double left = exp(-mean);
    double product = 1;
    double n = -1;

    if (mean >= NORMAL_FROM)
        return fmax(0, floor(mean + sqrt(mean) * normal(r) + 0.5));
    do { /* Knuth */
        n++;
        product *= uniform(r);
    } while (product > left);
    return n;
}

/* ---- blur ----------------------------------------------------------------------------------------*/

static size_t mirrored(long at, size_t n)
{
    long last = (long)n - 1;

    return (size_t)(at < 0 ? -at - 1 : at > last ? 2 * last + 1 - at : at);
}

/* One axis of a Gaussian, mirrored at the edges: `step` between neighbours, `across` between lines. */
static void blur_lines(const float *from, float *to, size_t n, size_t step, size_t across,
                       double sigma)
{
    long reach = (long)(3 * sigma + 0.5);
    double weight[32] = { 0 };
    double sum = 0;

    for (long i = -reach; i <= reach; i++)
        sum += weight[i + reach] = exp(-0.5 * (double)(i * i) / (sigma * sigma));
    for (size_t line = 0; line < n; line++) {
        for (size_t at = 0; at < n; at++) {
            double v = 0;
            for (long i = -reach; i <= reach; i++)
                v += weight[i + reach] *
                     (double)from[line * across + mirrored((long)at + i, n) * step];
            to[line * across + at * step] = (float)(v / sum);
        }
    }
}

static int blur(float *image, size_t side, double sigma)
{
    float *other = malloc(side * side * sizeof *other);

    if (other == NULL)
        return -1;
    blur_lines(image, other, side, 1, side, sigma);
    blur_lines(other, image, side, side, 1, sigma);
    free(other);
    return 0;
}

/* ---- cells ---------------------------------------------------------------------------------------*/

struct cell {
    double x;
    double y;
    double a; /* half axes */
    double b;
    double turn;
    double bright; /* 0 to 1 */
    int32_t label;
};

static void draw_cell(struct field *f, const struct cell *c)
{
    long reach = (long)c->a + 2;

    for (long y = (long)c->y - reach; y <= (long)c->y + reach; y++) {
        for (long x = (long)c->x - reach; x <= (long)c->x + reach; x++) {
            double dx = (double)x - c->x;
            double dy = (double)y - c->y;
            double u = (dx * cos(c->turn) + dy * sin(c->turn)) / c->a;
            double v = (dy * cos(c->turn) - dx * sin(c->turn)) / c->b;
            double out = u * u + v * v;
            if (x < 0 || y < 0 || x >= (long)f->side || y >= (long)f->side || out >= 1)
                continue;
            size_t at = (size_t)y * f->side + (size_t)x;
            double grain = 1 + 0.3 * sin(0.35 * (double)x + c->label) * sin(0.31 * (double)y);
            f->truth[at] += (float)(c->bright * (0.4 + 0.6 * sqrt(1 - out)) * grain);
            f->labels[at] = c->label;
        }
    }
}

static void draw_cells(struct field *f, struct random *r)
{
    size_t cells = f->side * f->side / CELL_AREA;

    for (size_t i = 1; i <= cells; i++) {
        struct cell c = { .label = (int32_t)i };
        double bright = uniform(r);
        c.x = uniform(r) * (double)f->side;
        c.y = uniform(r) * (double)f->side;
        c.a = 14 + 22 * uniform(r);
        c.b = c.a * (0.6 + 0.4 * uniform(r));
        c.turn = uniform(r) * TWO_PI / 2;
        c.bright = 0.15 + 0.85 * bright * bright;
        draw_cell(f, &c);
    }
}

/* ---- camera --------------------------------------------------------------------------------------*/

static void expose(struct field *f, const struct light *light, struct random *r)
{
    double middle = (double)f->side / 2;

    for (size_t i = 0; i < f->side * f->side; i++) {
        double dx = ((double)(i % f->side) - middle) / middle;
        double dy = ((double)(i / f->side) - middle) / middle;
        double shade = 1 - VIGNETTE * (dx * dx + dy * dy) / 2;
        double electrons = (light->background + light->cell * (double)f->truth[i]) * shade;
        double counts =
            floor(OFFSET + light->gain * poisson(r, electrons) + READ_NOISE * normal(r) + 0.5);
        f->truth[i] = (float)(OFFSET + light->gain * electrons);
        f->image[i] = (uint16_t)fmin(fmax(counts, 0), 65535);
    }
}

int field_make(struct field *f, size_t side, const struct light *light, uint64_t seed)
{
    struct random r = { seed };
    size_t n = side * side;

    *f = (struct field){ .side = side,
                         .truth = calloc(n, sizeof *f->truth),
                         .image = calloc(n, sizeof *f->image),
                         .smooth = calloc(n, sizeof *f->smooth),
                         .labels = calloc(n, sizeof *f->labels) };
    if (f->truth == NULL || f->image == NULL || f->smooth == NULL || f->labels == NULL)
        return -1;
    draw_cells(f, &r);
    if (blur(f->truth, side, BLUR) < 0)
        return -1;
    expose(f, light, &r);
    for (size_t i = 0; i < n; i++)
        f->smooth[i] = (float)f->image[i];
    return blur(f->smooth, side, SMOOTH);
}

void field_free(struct field *f)
{
    free(f->truth);
    free(f->image);
    free(f->smooth);
    free(f->labels);
}

double field_entropy(const uint16_t *image, size_t n)
{
    size_t *count = calloc(65536, sizeof *count);
    double bits = 0;

    if (count == NULL)
        return 0;
    for (size_t i = 0; i < n; i++)
        count[image[i]]++;
    for (size_t i = 0; i < 65536; i++)
        if (count[i] > 0)
            bits -= (double)count[i] * log2((double)count[i] / (double)n);
    free(count);
    return bits / (double)n;
}
