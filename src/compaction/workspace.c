/*
 * Workspaces; see workspace.h. Idle ones lie in a few slots that are swapped: nobody waits.
 */
#include "compaction/workspace.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/io.h"

#define IDLE_MAX  4u
#define ROOM_KEPT ((size_t)2 << 20) /* bytes: larger rooms are not kept idle */

struct hg_workspaces {
    struct hg_workspace *idle[IDLE_MAX]; /* swapped by atomic exchange */
};

int hg_workspace_room(struct hg_workspace *w, enum hg_work_room room, size_t bytes, void *out)
{
    if (w->room[room] == NULL || bytes > w->bytes[room]) {
        size_t size = HG_ALIGN_UP(HG_MAX(bytes, (size_t)1), (size_t)HG_IO_BLOCK);
        void *p = hg_alloc_aligned(HG_IO_BLOCK, size);
        if (p == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for %zu bytes of a compressed segment", size);
        hg_free(w->room[room]);
        w->room[room] = p;
        w->bytes[room] = size;
    }
    memcpy(out, &w->room[room],
           sizeof w->room[room]); /* a pointer to what the caller reads there */
    return HOLOG_OK;
}

int hg_workspaces_create(struct hg_workspaces **out)
{
    struct hg_workspaces *s = hg_calloc(1, sizeof *s);

    if (s == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to decode in");
    *out = s;
    return HOLOG_OK;
}

static void destroy(struct hg_workspace *w)
{
    if (w == NULL)
        return;
    hg_coder_destroy(w->coder);
    for (unsigned i = 0; i < HG_WORK_ROOMS; i++)
        hg_free(w->room[i]);
    hg_free(w);
}

void hg_workspaces_destroy(struct hg_workspaces *s)
{
    if (s == NULL)
        return;
    for (unsigned i = 0; i < IDLE_MAX; i++)
        destroy(s->idle[i]);
    hg_free(s);
}

int hg_workspace_take(struct hg_workspaces *s, struct hg_workspace **out)
{
    struct hg_workspace *w = NULL;
    int rc;

    for (unsigned i = 0; i < IDLE_MAX && w == NULL; i++)
        w = __atomic_exchange_n(&s->idle[i], NULL, __ATOMIC_ACQ_REL);
    if (w != NULL) {
        *out = w;
        return HOLOG_OK;
    }
    w = hg_calloc(1, sizeof *w);
    if (w == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to decode in");
    rc = hg_coder_create(&w->coder);
    if (rc == HOLOG_OK)
        *out = w;
    else
        destroy(w);
    return rc;
}

static void drop_large_rooms(struct hg_workspace *w)
{
    for (unsigned i = 0; i < HG_WORK_ROOMS; i++) {
        if (w->bytes[i] <= ROOM_KEPT)
            continue;
        hg_free(w->room[i]);
        w->room[i] = NULL;
        w->bytes[i] = 0;
    }
}

void hg_workspace_give(struct hg_workspaces *s, struct hg_workspace *w)
{
    if (w == NULL)
        return;
    drop_large_rooms(w);
    for (unsigned i = 0; i < IDLE_MAX && w != NULL; i++)
        w = __atomic_exchange_n(&s->idle[i], w, __ATOMIC_ACQ_REL);
    destroy(w);
}
