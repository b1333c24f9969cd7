#include "sheet.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

enum {
    COLUMNS = 8,
    TILE = 200,
    GAP = 8,
    NAMES = 16, /* the line of text above all, in small letters */
    TITLE = 26, /* the line of text above each row of tiles */
    SHEET_WIDTH = COLUMNS * TILE + (COLUMNS + 1) * GAP,
    SHEET_HEIGHT = NAMES + STEP_COUNT * (TITLE + TILE + GAP) + GAP,
    PAPER = 24,
    INK = 220
};

struct sheet {
    uint8_t *greys; /* SHEET_WIDTH x SHEET_HEIGHT */
};

/* ---- letters: 5 columns of 7 dots, the lowest bit on top ---- */

static const uint8_t DIGITS[10][5] = {
    { 0x3E, 0x51, 0x49, 0x45, 0x3E }, { 0x00, 0x42, 0x7F, 0x40, 0x00 },
    { 0x42, 0x61, 0x51, 0x49, 0x46 }, { 0x21, 0x41, 0x45, 0x4B, 0x31 },
    { 0x18, 0x14, 0x12, 0x7F, 0x10 }, { 0x27, 0x45, 0x45, 0x45, 0x39 },
    { 0x3C, 0x4A, 0x49, 0x49, 0x30 }, { 0x01, 0x71, 0x09, 0x05, 0x03 },
    { 0x36, 0x49, 0x49, 0x49, 0x36 }, { 0x06, 0x49, 0x49, 0x29, 0x1E },
};
static const uint8_t LETTERS[26][5] = {
    { 0x7E, 0x11, 0x11, 0x11, 0x7E }, { 0x7F, 0x49, 0x49, 0x49, 0x36 },
    { 0x3E, 0x41, 0x41, 0x41, 0x22 }, { 0x7F, 0x41, 0x41, 0x22, 0x1C },
    { 0x7F, 0x49, 0x49, 0x49, 0x41 }, { 0x7F, 0x09, 0x09, 0x09, 0x01 },
    { 0x3E, 0x41, 0x49, 0x49, 0x7A }, { 0x7F, 0x08, 0x08, 0x08, 0x7F },
    { 0x00, 0x41, 0x7F, 0x41, 0x00 }, { 0x20, 0x40, 0x41, 0x3F, 0x01 },
    { 0x7F, 0x08, 0x14, 0x22, 0x41 }, { 0x7F, 0x40, 0x40, 0x40, 0x40 },
    { 0x7F, 0x02, 0x0C, 0x02, 0x7F }, { 0x7F, 0x04, 0x08, 0x10, 0x7F },
    { 0x3E, 0x41, 0x41, 0x41, 0x3E }, { 0x7F, 0x09, 0x09, 0x09, 0x06 },
    { 0x3E, 0x41, 0x51, 0x21, 0x5E }, { 0x7F, 0x09, 0x19, 0x29, 0x46 },
    { 0x46, 0x49, 0x49, 0x49, 0x31 }, { 0x01, 0x01, 0x7F, 0x01, 0x01 },
    { 0x3F, 0x40, 0x40, 0x40, 0x3F }, { 0x1F, 0x20, 0x40, 0x20, 0x1F },
    { 0x3F, 0x40, 0x38, 0x40, 0x3F }, { 0x63, 0x14, 0x08, 0x14, 0x63 },
    { 0x07, 0x08, 0x70, 0x08, 0x07 }, { 0x61, 0x51, 0x49, 0x45, 0x43 },
};

static const uint8_t *glyph_of(char c)
{
    if (c >= '0' && c <= '9')
        return DIGITS[c - '0'];
    if (c >= 'A' && c <= 'Z')
        return LETTERS[c - 'A'];
    if (c >= 'a' && c <= 'z')
        return LETTERS[c - 'a'];
    return NULL; /* a blank */
}

/* Each dot is `scale` pixels square; what does not fit in `room` pixels is left out. */
static void draw_text(struct sheet *s, uint32_t left, uint32_t top, uint32_t scale, uint32_t room,
                      const char *text)
{
    for (uint32_t x = left; *text != '\0' && x + 6 * scale <= left + room; x += 6 * scale, text++) {
        const uint8_t *glyph = glyph_of(*text);
        for (uint32_t i = 0; glyph != NULL && i < 5 * scale * 7 * scale; i++) {
            uint32_t column = i % (5 * scale);
            uint32_t row = i / (5 * scale);
            if ((glyph[column / scale] >> (row / scale) & 1) != 0)
                s->greys[image_count(SHEET_WIDTH, top + row) + x + column] = INK;
        }
    }
}

/* ---- tiles ---- */

/* The value that a share of all pixels lies below, to 256 levels. */
static uint32_t percentile(const uint16_t *pixels, size_t count, double share)
{
    size_t histogram[256] = { 0 };
    size_t below = 0;
    uint32_t level = 0;

    for (size_t i = 0; i < count; i++)
        histogram[pixels[i] >> 8]++;
    while (level < 255 && (double)(below + histogram[level]) < share * (double)count)
        below += histogram[level++];
    return level << 8;
}

/* The mean of the source pixels that fall on one pixel of the tile. */
static uint32_t mean_of(const struct image *image, uint32_t x0, uint32_t x1, uint32_t y0,
                        uint32_t y1)
{
    uint64_t sum = 0;

    x1 = x1 > x0 ? x1 : x0 + 1;
    y1 = y1 > y0 ? y1 : y0 + 1;
    for (uint32_t y = y0; y < y1; y++)
        for (uint32_t x = x0; x < x1; x++)
            sum += image->pixels[image_count(image->width, y) + x];
    size_t count = image_count(x1 - x0, y1 - y0);
    return count == 0 ? 0 : (uint32_t)(sum / count);
}

/* Shrunk to fit a tile, greys from the 1st to the 99.5th percentile. */
static void draw_tile(struct sheet *s, uint32_t left, uint32_t top, const struct image *image)
{
    size_t count = image_count(image->width, image->height);
    uint32_t low = percentile(image->pixels, count, 0.01);
    uint32_t high = percentile(image->pixels, count, 0.995);
    uint32_t range = 256 + (high > low ? high - low : 0); /* one level at least */
    uint32_t longer = image->width > image->height ? image->width : image->height;
    uint32_t width = image->width * TILE / longer;
    uint32_t height = image->height * TILE / longer;

    left += (TILE - width) / 2;
    top += (TILE - height) / 2;
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            uint32_t v = mean_of(image, x * image->width / width, (x + 1) * image->width / width,
                                 y * image->height / height, (y + 1) * image->height / height);
            v = v < low ? low : v;
            v = v - low > range ? range : v - low;
            s->greys[image_count(SHEET_WIDTH, top + y) + left + x] = (uint8_t)(v * 255 / range);
        }
    }
}

/* The first plane of that source in well 0; 0 when there is none. */
static unsigned plane_of_source(const struct plate *plate, unsigned source)
{
    for (unsigned plane = 0; plane < PLANES; plane++)
        if (plate_source_of(plate, plane) == source)
            return plane;
    return 0;
}

/* Five photographs and a slice of each view of the brain, from its middle. */
static unsigned column_plane(const struct plate *plate, unsigned column)
{
    unsigned slices = COLUMNS - 3;

    return plane_of_source(plate,
                           column < slices ? column : plate->png_count + 15 + column - slices);
}

static void draw_names(struct sheet *s, const struct plate *plate)
{
    for (unsigned column = 0; column < COLUMNS; column++) {
        unsigned source = plate_source_of(plate, column_plane(plate, column));
        draw_text(s, GAP + column * (TILE + GAP), GAP, 1, TILE, plate->sources[source].name);
    }
}

static int draw_plane(struct sheet *s, const struct plate *plate, unsigned step, unsigned column,
                      sheet_pixels_fn pixels, void *ctx)
{
    unsigned plane = column_plane(plate, column);
    struct image image = { 0 };
    uint32_t width = 0;
    uint32_t height = 0;

    plate_shape(plate, 0, plane, &width, &height);
    if (image_alloc(&image, width, height) < 0)
        return -1;
    int rc = pixels(ctx, step, plane, image.pixels);
    if (rc == 0)
        draw_tile(s, GAP + column * (TILE + GAP), NAMES + GAP + TITLE + step * (TITLE + TILE + GAP),
                  &image);
    image_free(&image);
    return rc;
}

static int draw_row(struct sheet *s, const struct plate *plate, unsigned step,
                    sheet_pixels_fn pixels, void *ctx)
{
    char title[64];
    int rc = 0;

    format_text(title, sizeof(title), "step %u  %s", step, step_name(step));
    draw_text(s, GAP, NAMES + GAP + 4 + step * (TITLE + TILE + GAP), 2, 5 * TILE, title);
    for (unsigned column = 0; column < COLUMNS && rc == 0; column++)
        rc = draw_plane(s, plate, step, column, pixels, ctx);
    return rc;
}

int sheet_write(const struct plate *plate, const char *path, sheet_pixels_fn pixels, void *ctx)
{
    struct sheet s = { .greys = malloc(image_count(SHEET_WIDTH, SHEET_HEIGHT)) };
    int rc = 0;

    if (s.greys == NULL)
        return -1;
    memset(s.greys, PAPER, image_count(SHEET_WIDTH, SHEET_HEIGHT));
    draw_names(&s, plate);
    for (unsigned step = 0; step < STEP_COUNT && rc == 0; step++)
        rc = draw_row(&s, plate, step, pixels, ctx);
    if (rc == 0)
        rc = image_write_png(path, SHEET_WIDTH, SHEET_HEIGHT, s.greys);
    free(s.greys);
    return rc;
}
