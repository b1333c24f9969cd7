/*
 * Whose a damaged value of a compressed segment is, and what there is to say of it.
 */
#ifndef HG_ENGINE_DAMAGE_H
#define HG_ENGINE_DAMAGE_H

#include "engine/live.h"

/* What lives in the segment that damage was told of last; all 0: none yet. */
struct hg_damaged {
    uint32_t segment;
    int known; /* list is what lives in it */
    struct hg_live_list list;
};

struct hg_damaged_value {
    char path[256]; /* that it can be asked for by, else that it was saved under; "": not known */
    const char *which; /* what to say where it is not the newest version; NULL: it is */
    int harmless;      /* nobody can ask for it any more */
};

/* Any thread, in no lock; the error detail stays. The first of a segment takes a mark. */
void hg_damaged_value(holog_store *s, struct hg_damaged *d, uint32_t segment, hg_pos birth,
                      struct hg_damaged_value *out);
/* The message: why, and what follows from it. */
void hg_damaged_say(const struct hg_damaged_value *v, const char *why, char *out, size_t room);
void hg_damaged_release(holog_store *s, struct hg_damaged *d);

#endif
