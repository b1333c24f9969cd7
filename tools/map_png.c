/*
 * map_png.c: the map of segments as a picture, by libpng.
 *
 * From the top: what the store holds as a whole, in one bar, and what the colours mean; below, a row for each
 * segment, the oldest first. Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color), which nobody
 * takes for one another; what is dead is hatched besides.
 */
#include "map.h"

#if HOLOG_HAVE_PNG

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#include "glyphs.h"
#include "sink.h"

#define WIDTH      1200u
#define MARGIN     24u
#define DOT        2u /* pixels of a dot of a letter */
#define LETTER     ((GLYPH_WIDTH + 1) * DOT)
#define LINE       (GLYPH_HEIGHT * DOT + 8)
#define BAR_LEFT   252u
#define BAR_WIDTH  648u
#define SUM_HEIGHT 40u
#define HEAD       (MARGIN + 2 * LINE + 8 + SUM_HEIGHT + 12 + SPACE_HOLDERS * LINE + 20 + LINE)
#define ROWS_MOST  400u /* of more segments several share a row */

struct colour {
    uint8_t rgb[3];
};
static const struct colour white = { { 255, 255, 255 } };
static const struct colour ink = { { 34, 34, 34 } };
static const struct colour faint = { { 220, 220, 220 } };
static const struct colour hatch = { { 250, 226, 212 } };
static const struct colour colours[SPACE_HOLDERS] = {
    { { 0, 158, 115 } },  { { 86, 180, 233 } },  { { 204, 121, 167 } },
    { { 240, 228, 66 } }, { { 110, 110, 110 } }, { { 213, 94, 0 } },
};

struct canvas {
    uint32_t height;
    uint8_t *rgb; /* WIDTH pixels a row */
};

/* ---- drawing; what is outside is left out -------------------------------------------------------- */

static void dot(struct canvas *c, unsigned x, unsigned y, const struct colour *colour)
{
    if (x < WIDTH && y < c->height)
        memcpy(c->rgb + ((size_t)y * WIDTH + x) * 3, colour->rgb, 3);
}

static void fill(struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h,
                 const struct colour *colour)
{
    for (unsigned j = y; j < y + h; j++) {
        for (unsigned i = x; i < x + w; i++)
            dot(c, i, j, colour);
    }
}

static void fill_holder(struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h,
                        size_t holder)
{
    fill(c, x, y, w, h, &colours[holder]);
    for (unsigned j = y; j < y + h && holder == SPACE_DEAD; j++) {
        for (unsigned i = x; i < x + w; i++) {
            if ((i + j) % 8 < 4)
                dot(c, i, j, &hatch);
        }
    }
}

static void put_letter(struct canvas *c, unsigned x, unsigned y, char letter)
{
    const uint8_t *columns = glyph_of(letter);

    for (unsigned i = 0; i < GLYPH_WIDTH; i++) {
        for (unsigned j = 0; j < GLYPH_HEIGHT; j++) {
            if ((columns[i] >> j & 1) != 0)
                fill(c, x + i * DOT, y + j * DOT, DOT, DOT, &ink);
        }
    }
}

static void put_text(struct canvas *c, unsigned x, unsigned y, const char *text)
{
    for (; *text != '\0'; text++, x += LETTER)
        put_letter(c, x, y, *text);
}

static void put_text_before(struct canvas *c, unsigned x, unsigned y, const char *text)
{
    unsigned w = (unsigned)strlen(text) * LETTER;

    put_text(c, x > w ? x - w : 0, y, text);
}

static void put_bar(struct canvas *c, unsigned x, unsigned y, unsigned w, unsigned h,
                    const uint64_t held[SPACE_HOLDERS])
{
    unsigned cells[SPACE_HOLDERS];

    map_cells(held, w, cells);
    for (size_t i = 0; i < SPACE_HOLDERS; i++) {
        fill_holder(c, x, y, cells[i], h, i);
        x += cells[i];
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* One segment, or several. */
struct row {
    uint32_t id; /* the first */
    uint32_t kind;
    bool busy;
    uint64_t used;
    uint64_t held[SPACE_HOLDERS];
};

struct layout {
    const struct space *space;
    size_t each; /* segments of a row */
    size_t count;
    unsigned height;  /* of a row */
    size_t label;     /* every so many rows have one */
    uint64_t largest; /* of a row */
};

static struct row row_at(const struct layout *l, size_t i)
{
    const struct space_segment *s = l->space->segments + i * l->each;
    struct row row = { .id = s->id, .kind = s->kind };

    for (size_t k = i * l->each; k < l->space->count && k < (i + 1) * l->each; k++, s++) {
        row.used += s->used;
        row.busy = row.busy || s->busy;
        for (size_t h = 0; h < SPACE_HOLDERS; h++)
            row.held[h] += s->held[h];
    }
    return row;
}

static struct layout lay_out(const struct space *space)
{
    struct layout l = { .space = space };

    l.each = space->count / ROWS_MOST + 1;
    l.count = (space->count + l.each - 1) / l.each;
    l.height = l.count <= 60 ? LINE : l.count <= 200 ? 10 : 5;
    l.label = (LINE + l.height - 1) / l.height;
    for (size_t i = 0; i < l.count; i++) {
        uint64_t used = row_at(&l, i).used;
        l.largest = used > l.largest ? used : l.largest;
    }
    return l;
}

static void put_row_labels(struct canvas *c, const struct layout *l, size_t i, unsigned y)
{
    struct row row = row_at(l, i);
    char share[MAP_SHARE_MAX];
    char text[MAP_SHARE_MAX + 16];

    if (i % l->label != 0)
        return;
    (void)snprintf(text, sizeof text, "%08" PRIx32 "%c %s", row.id, row.busy ? '*' : ' ',
                   l->each == 1 ? space_kind_name(row.kind) : "...");
    put_text(c, MARGIN, y, text);
    if (l->label > 1)
        return;
    (void)snprintf(text, sizeof text, "%s dead", map_share(row.held[SPACE_DEAD], row.used, share));
    put_text_before(c, WIDTH - MARGIN, y, text);
}

static void put_rows(struct canvas *c, const struct layout *l)
{
    unsigned gap = l->height > 8 ? 3 : 1;
    unsigned y = HEAD;

    for (size_t i = 0; i < l->count; i++, y += l->height) {
        struct row row = row_at(l, i);
        put_bar(c, BAR_LEFT, y, map_length(row.used, l->largest, BAR_WIDTH), l->height - gap,
                row.held);
        put_row_labels(c, l, i, y + (l->height > GLYPH_HEIGHT * DOT ? 2 : 0));
    }
}

/* A power of two: there are at most five of them. */
static uint64_t tick_of(uint64_t largest)
{
    uint64_t tick = 1;

    while (tick < largest / 4)
        tick *= 2;
    return tick;
}

static void put_axis(struct canvas *c, const struct layout *l)
{
    uint64_t tick = tick_of(l->largest);
    char text[HUMAN_MAX];

    for (uint64_t at = 0; at <= l->largest && l->largest != 0; at += tick) {
        unsigned x = BAR_LEFT + (unsigned)((double)at / (double)l->largest * BAR_WIDTH);
        (void)human_bytes(at, text);
        put_text(c, at == 0 ? x : x - (unsigned)strlen(text) * LETTER / 2, HEAD - LINE, text);
        fill(c, x, HEAD - 6, 1, (unsigned)l->count * l->height + 8, &faint);
    }
}

/* ---- head ------------------------------------------------------------------------------------ */

static void put_title(struct canvas *c, const struct layout *l, const char *store)
{
    const struct space *s = l->space;
    size_t most = (WIDTH - 2 * MARGIN) / LETTER - 20;
    size_t len = strlen(store);
    char bytes[HUMAN_MAX];
    char text[256];

    (void)snprintf(text, sizeof text, "Segments of %s%s", len > most ? "..." : "",
                   len > most ? store + len - most : store);
    put_text(c, MARGIN, MARGIN, text);
    (void)snprintf(text, sizeof text, "%zu of frames, %zu of extents, %zu cold%s: %s",
                   s->of_kind[HOLOG_SEGMENT_FRAMES], s->of_kind[HOLOG_SEGMENT_EXTENTS],
                   s->of_kind[HOLOG_SEGMENT_COLD],
                   s->of_kind[HOLOG_SEGMENT_BASE] > 0 ? ", a base" : "",
                   human_bytes(s->used, bytes));
    put_text(c, MARGIN, MARGIN + LINE, text);
}

static void put_legend(struct canvas *c, const struct space *space)
{
    unsigned y = MARGIN + 2 * LINE + 8;
    char share[MAP_SHARE_MAX];

    put_bar(c, MARGIN, y, WIDTH - 2 * MARGIN, SUM_HEIGHT, space->held);
    y += SUM_HEIGHT + 12;
    for (size_t i = 0; i < SPACE_HOLDERS; i++, y += LINE) {
        fill_holder(c, MARGIN, y, 20, GLYPH_HEIGHT * DOT, i);
        put_text(c, MARGIN + 32, y + 1, space_holder_names[i]);
        put_text_before(c, MARGIN + 32 + 29 * LETTER, y + 1,
                        map_share(space->held[i], space->used, share));
        put_text(c, MARGIN + 32 + 31 * LETTER, y + 1, space_holder_texts[i]);
    }
}

static void put_foot(struct canvas *c, const struct layout *l)
{
    unsigned y = HEAD + (unsigned)l->count * l->height + 12;
    char text[128];

    put_text(c, MARGIN, y, "The oldest at the top; * may be written to.");
    put_text(c, MARGIN, y + LINE,
             "'holog compact' gives back what is dead; in frames, once it is worth a base.");
    if (l->each > 1) {
        (void)snprintf(text, sizeof text, "Each row is %zu segments.", l->each);
        put_text_before(c, WIDTH - MARGIN, y, text);
    }
}

static int draw(struct canvas *c, const struct space *space, const char *store)
{
    const struct layout l = lay_out(space);

    c->height = HEAD + (unsigned)l.count * l.height + 12 + 2 * LINE + MARGIN;
    c->rgb = malloc((size_t)WIDTH * c->height * 3);
    if (c->rgb == NULL)
        return ENOMEM;
    fill(c, 0, 0, WIDTH, c->height, &white);
    put_title(c, &l, store);
    put_legend(c, space);
    put_axis(c, &l);
    put_rows(c, &l);
    put_foot(c, &l);
    return 0;
}

/* ---- the file -------------------------------------------------------------------------------- */

static int encode(const struct args *args, const struct canvas *c, uint8_t **out, size_t *out_len)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = WIDTH, .height = c->height, .format = PNG_FORMAT_RGB
    };
    png_alloc_size_t len = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *bytes = malloc(len);

    if (bytes == NULL)
        return cli_fail_errno(args, ENOMEM, "draw", "the map");
    if (png_image_write_to_memory(&image, bytes, &len, 0, c->rgb, 0, NULL) == 0) {
        free(bytes);
        return cli_fail_text(args, "the map could not be drawn: %s", image.message);
    }
    *out = bytes;
    *out_len = len;
    return EXIT_DONE;
}

static int write_file(const struct args *args, const char *file, const uint8_t *bytes, size_t len)
{
    struct sink sink;

    if (strcmp(file, "-") == 0 && isatty(STDOUT_FILENO) != 0)
        return cli_fail_text(args,
                             "a picture is no text, and standard output is a terminal: give a "
                             "name, --map=FILE.png");
    catch_signals(); /* from here on there may be a temporary file */
    int status = sink_open(args, file, &sink);
    int error = status == EXIT_DONE ? file_write(sink.fd, bytes, len) : 0;
    if (error != 0)
        status = cli_fail_errno(args, error, "write", sink.name);
    return sink_close(args, &sink, status);
}

int map_write_png(const struct args *args, const struct space *space, const char *file)
{
    struct canvas canvas = { 0 };
    uint8_t *bytes = NULL;
    size_t len = 0;
    int error = draw(&canvas, space, args->operands[0]);
    int status = error != 0 ? cli_fail_errno(args, error, "draw", "the map")
                            : encode(args, &canvas, &bytes, &len);

    if (status == EXIT_DONE)
        status = write_file(args, file, bytes, len);
    free(bytes);
    free(canvas.rgb);
    return status;
}

#else

int map_write_png(const struct args *args, const struct space *space, const char *file)
{
    (void)space;
    return cli_fail_text(args,
                         "%s: %s: it was built without libpng (libpng-dev); --map alone is text",
                         file, holog_strerror(HOLOG_E_NOTSUP));
}

#endif
