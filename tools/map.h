/*
 * map.h: a picture of a store's segments: for each one a bar, as long as it is large, of what its bytes are there for.
 *
 * As text it has one line for each segment. As a PNG file it has a sum and a legend besides; of very many segments
 * each row stands for several.
 */
#ifndef HOLOG_TOOLS_MAP_H
#define HOLOG_TOOLS_MAP_H

#include "space.h"

/* To standard output; on a terminal in colours, unless NO_COLOR (https://no-color.org) is set. */
void map_put_text(const struct space *space);
/* "segments": [...], one object each. */
void map_add_json(json_object *doc, const struct space *space);

/* file: "-" is standard output. EXIT_DONE, or the status after a message; without libpng that is all. */
int map_write_png(const struct args *args, const struct space *space, const char *file);

/* "2.1 MiB, 24 %" of all that is used. Returns out, which has room for MAP_SHARE_MAX bytes. */
#define MAP_SHARE_MAX (HUMAN_MAX + 16)
const char *map_share(uint64_t bytes, uint64_t of, char *out);
/* Shares `cells` among the holders, as near as whole ones can be to what they hold. */
void map_cells(const uint64_t held[SPACE_HOLDERS], unsigned cells, unsigned out[SPACE_HOLDERS]);
/* Of `bytes`, when the largest has `full` cells; at least one. */
unsigned map_length(uint64_t bytes, uint64_t largest, unsigned full);

#endif
