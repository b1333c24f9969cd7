/*
 * map_text.c: the map of segments as text and as JSON.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "map.h"

#define BAR_DEFAULT 60u
#define BAR_LEAST   20u
#define BAR_MOST    160u
#define BESIDE      32u /* columns of a line that are not the bar */

/* By enum space_holder; the letters are told apart without colours too. */
static const char letters[SPACE_HOLDERS + 1] = "#=@%|.";
static const char *const colours[SPACE_HOLDERS] = { "32", "36", "35", "33", "37", "31" };

/* ---- figures, for the picture too -------------------------------------------------------------- */

const char *map_share(uint64_t bytes, uint64_t of, char *out)
{
    char text[HUMAN_MAX];
    double percent = of != 0 ? 100 * (double)bytes / (double)of : 0;

    (void)snprintf(out, MAP_SHARE_MAX, "%s, %.*f %%", human_bytes(bytes, text),
                   percent > 0 && percent < 9.95 ? 1 : 0, percent);
    return out;
}

unsigned map_length(uint64_t bytes, uint64_t largest, unsigned full)
{
    double cells = largest != 0 ? (double)bytes / (double)largest * full : 0;

    return cells < 1 ? 1 : (unsigned)(cells + 0.5);
}

/* The method of the largest remainder. */
void map_cells(const uint64_t held[SPACE_HOLDERS], unsigned cells, unsigned out[SPACE_HOLDERS])
{
    double rest[SPACE_HOLDERS];
    double sum = 0;
    unsigned given = 0;

    for (size_t i = 0; i < SPACE_HOLDERS; i++)
        sum += (double)held[i];
    for (size_t i = 0; i < SPACE_HOLDERS; i++) {
        double share = sum > 0 ? (double)held[i] / sum * cells : 0;
        out[i] = (unsigned)share;
        rest[i] = share - out[i];
        given += out[i];
    }
    for (; given < cells && sum > 0; given++) {
        size_t most = 0;
        for (size_t i = 1; i < SPACE_HOLDERS; i++)
            most = rest[i] > rest[most] ? i : most;
        out[most]++;
        rest[most] = -1;
    }
}

/* ---- text ------------------------------------------------------------------------------------ */

static bool wants_colours(void)
{
    const char *no = getenv("NO_COLOR"); /* NOLINT(concurrency-mt-unsafe): nobody sets any */
    const char *term = getenv("TERM");   /* NOLINT(concurrency-mt-unsafe) */

    return isatty(STDOUT_FILENO) != 0 && (no == NULL || no[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static unsigned bar_width(void)
{
    struct winsize size = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return BAR_DEFAULT;
    if (size.ws_col < BAR_LEAST + BESIDE)
        return BAR_LEAST;
    return size.ws_col < BAR_MOST + BESIDE ? size.ws_col - BESIDE : BAR_MOST;
}

static void put_cells(enum space_holder holder, unsigned n, bool colours_too)
{
    if (n != 0 && colours_too)
        (void)printf("\033[%sm", colours[holder]);
    for (unsigned i = 0; i < n; i++)
        (void)putchar(letters[holder]);
    if (n != 0 && colours_too)
        (void)fputs("\033[0m", stdout);
}

static void put_bar(const uint64_t held[SPACE_HOLDERS], unsigned length, bool colours_too)
{
    unsigned cells[SPACE_HOLDERS];

    map_cells(held, length, cells);
    for (unsigned i = 0; i < SPACE_HOLDERS; i++)
        put_cells((enum space_holder)i, cells[i], colours_too);
    (void)putchar('\n');
}

static void put_legend(const struct space *space, bool colours_too)
{
    char share[MAP_SHARE_MAX];

    (void)putchar('\n');
    for (unsigned i = 0; i < SPACE_HOLDERS; i++) {
        put_cells((enum space_holder)i, 1, colours_too);
        (void)printf(" %-8s %20s  %s\n", space_holder_names[i],
                     map_share(space->held[i], space->used, share), space_holder_texts[i]);
    }
}

static uint64_t largest_of(const struct space *space)
{
    uint64_t largest = 0;

    for (size_t i = 0; i < space->count; i++)
        largest = space->segments[i].used > largest ? space->segments[i].used : largest;
    return largest;
}

void map_put_text(const struct space *space)
{
    bool colours_too = wants_colours();
    bool any_busy = false;
    unsigned width = bar_width();
    uint64_t largest = largest_of(space);
    char bytes[HUMAN_MAX];

    (void)printf("%-9s %-8s %11s  what its bytes are there for\n", "segment", "kind", "size");
    for (size_t i = 0; i < space->count; i++) {
        const struct space_segment *s = &space->segments[i];
        (void)printf("%08" PRIx32 "%c %-8s %11s  ", s->id, s->busy ? '*' : ' ',
                     space_kind_name(s->kind), human_bytes(s->used, bytes));
        put_bar(s->held, map_length(s->used, largest, width), colours_too);
        any_busy = any_busy || s->busy;
    }
    (void)printf("\n%zu segments: %zu of frames, %zu of extents, %zu cold%s; %s%s\n", space->count,
                 space->of_kind[HOLOG_SEGMENT_FRAMES], space->of_kind[HOLOG_SEGMENT_EXTENTS],
                 space->of_kind[HOLOG_SEGMENT_COLD],
                 space->of_kind[HOLOG_SEGMENT_BASE] > 0 ? ", a base" : "",
                 human_bytes(space->used, bytes), any_busy ? " (* may be written to)" : "");
    put_legend(space, colours_too);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_object *segment_json(const struct space_segment *s)
{
    json_object *out = json_object_new_object();

    json_add(out, "file", json_text(s->file));
    json_add(out, "segment", json_number(s->id));
    json_add(out, "kind", json_text(space_kind_name(s->kind)));
    json_add(out, "sealed", json_object_new_boolean(s->sealed));
    json_add(out, "busy", json_object_new_boolean(s->busy));
    json_add(out, "used_bytes", json_number(s->used));
    for (size_t i = 0; i < SPACE_HOLDERS; i++)
        json_add(out, space_holder_members[i], json_number(s->held[i]));
    return out;
}

void map_add_json(json_object *doc, const struct space *space)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < space->count; i++)
        (void)json_object_array_add(list, segment_json(&space->segments[i]));
    json_add(doc, "segments", list);
}
