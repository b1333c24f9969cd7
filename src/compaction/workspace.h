/*
 * What coding takes: a coder, and memory. Threads borrow them from a set that all segments of a store share.
 */
#ifndef HG_COMPACTION_WORKSPACE_H
#define HG_COMPACTION_WORKSPACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "codec/cold/coder.h"

enum hg_work_room {
    HG_WORK_HEADS,  /* of a group, as bytes */
    HG_WORK_PARTS,  /* what is read of a group */
    HG_WORK_LAYOUT, /* which tile lies where */
    HG_WORK_TILE,
    HG_WORK_BASE, /* as much again */
    HG_WORK_ROOMS
};

struct hg_workspace {
    struct hg_coder *coder;
    void *room[HG_WORK_ROOMS];
    size_t bytes[HG_WORK_ROOMS];
};

/* Memory of at least `bytes`, aligned to HG_IO_BLOCK, with anything in it; until the room is asked again. */
HG_MUST_CHECK int hg_workspace_room(struct hg_workspace *w, enum hg_work_room room, size_t bytes,
                                    void *out);

struct hg_workspaces;
HG_MUST_CHECK int hg_workspaces_create(struct hg_workspaces **out);
void hg_workspaces_destroy(struct hg_workspaces *s); /* all given back; NULL is fine */
/* Any thread. One that has been used before, if there is one. */
HG_MUST_CHECK int hg_workspace_take(struct hg_workspaces *s, struct hg_workspace **out);
void hg_workspace_give(struct hg_workspaces *s, struct hg_workspace *w); /* NULL is fine */

#endif
