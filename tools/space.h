/*
 * space.h: what the segments of a store hold, and for whom, in figures that people ask for.
 */
#ifndef HOLOG_TOOLS_SPACE_H
#define HOLOG_TOOLS_SPACE_H

#include <holog/space.h>

#include "cli.h"

/* What a byte of a segment is there for; of several the first. */
enum space_holder {
    SPACE_HEAD,
    SPACE_HISTORY,
    SPACE_TAGS,
    SPACE_VIEWS,
    SPACE_OWN,
    SPACE_DEAD,
    SPACE_HOLDERS
};
extern const char *const space_holder_names[SPACE_HOLDERS];   /* labels */
extern const char *const space_holder_members[SPACE_HOLDERS]; /* of JSON */
extern const char *const space_holder_texts[SPACE_HOLDERS];   /* for people */

struct space_segment {
    uint32_t id;
    uint32_t kind;     /* enum holog_segment_kind */
    bool sealed, busy; /* as holog_segment_space has them */
    char file[32];     /* "seg/00000001.hlog" */
    uint64_t used;
    uint64_t held[SPACE_HOLDERS];
};

#define SPACE_KINDS 5 /* enum holog_segment_kind, from 1 */
const char *space_kind_name(uint32_t kind);

struct space {
    struct space_segment *segments; /* by id */
    size_t count;
    size_t of_kind[SPACE_KINDS];
    uint64_t used;
    uint64_t held[SPACE_HOLDERS];
};

/* HOLOG_OK or the code of what failed; to be released in both cases. */
int space_get(holog_store *store, struct space *out);
void space_release(struct space *space);

/* Bytes on the disk by those that are needed or kept; 0: nothing is. */
double space_amplification(const struct space *space, const holog_stats *stats);
/* Of values in cold segments, their bytes by what they take; 0: there are none. */
double space_cold_ratio(const holog_stats *stats);

/* "space": {...}; space NULL: null. */
void space_add_json(json_object *doc, const struct space *space, const holog_stats *stats);
void space_put_table(const struct space *space, const holog_stats *stats);
void space_put_prometheus(FILE *to, const char *store, const struct space *space,
                          const holog_stats *stats);

#endif
