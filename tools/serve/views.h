/*
 * views.h: states of the store as hierarchies, opened once and shared by the requests that read them.
 *
 * A request takes a lease, reads, gives it back. A few states stay open when nobody reads them, so that
 * the next request for one costs nothing: those asked for by number until VIEWS_IDLE_NS after the last
 * request, the newest one until a newer one is asked for. An open view keeps its state from being let go of
 * (in this process), which is why they do not stay for ever.
 *
 * Any thread may call anything. The lock is held for looking only, never while something is opened.
 */
#ifndef HOLOG_TOOLS_SERVE_VIEWS_H
#define HOLOG_TOOLS_SERVE_VIEWS_H

#include <stdbool.h>
#include <stdint.h>

#include <holog/zarr.h>

#include "serve/target.h"

#define VIEWS_MAX     32
#define VIEWS_IDLE_NS 30000000000u

struct lease {
    uint64_t number;
    enum target_twin twin;
    holog_view *view;
    holog_zarr *zarr;
    /* under the lock of the views */
    unsigned count;   /* of requests that read it */
    bool kept;        /* found by the next request; else closed with the last lease */
    bool newest;      /* asked for as the newest state, not by its number */
    uint64_t used_ns; /* of now_ns() */
};

struct views;

/* path: of the directory that is served, "/" for all; borrowed. follow: the store is read-only, and its
 * writer is followed. NULL: no memory. */
struct views *views_new(holog_store *store, const char *path, bool follow);
/* All leases have been given back. NULL is fine. */
void views_free(struct views *views);

/* Catches up with the writer, if that is another process; not more often than every few ms unless `now`. */
int views_refresh(struct views *views, bool now);
/* The state that commit `number` left. What holog_view_open_at and holog_zarr_open say. */
int views_at(struct views *views, uint64_t number, enum target_twin twin, struct lease **out);
/* The newest one. */
int views_newest(struct views *views, enum target_twin twin, struct lease **out);
void views_return(struct views *views, struct lease *lease);
/* The view has outlived what it reads (HOLOG_E_STALE): the next request opens another. */
void views_drop(struct views *views, struct lease *lease);
/* Closes what nobody has asked for lately; of all: what nobody reads. */
void views_expire(struct views *views, bool all);

#endif
