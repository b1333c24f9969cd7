/*
 * views.c: open states of the store, shared.
 */
#include "serve/views.h"

#include <pthread.h>
#include <stdlib.h>

#include "cli.h"

#define REFRESH_NS \
    10000000u /* a request sees what was committed so long before it, at the latest */

struct views {
    holog_store *store; /* fixed, as path and follow are */
    const char *path;
    bool follow;
    pthread_mutex_t
        refresh_lock;      /* held while the store is refreshed; taken before `lock` or alone */
    uint64_t refreshed_ns; /* refresh_lock */
    pthread_mutex_t lock;
    struct lease *kept[VIEWS_MAX]; /* lock; NULL: free */
};

struct views *views_new(holog_store *store, const char *path, bool follow)
{
    struct views *views = calloc(1, sizeof *views);

    if (views == NULL)
        return NULL;
    views->store = store;
    views->path = path;
    views->follow = follow;
    if (pthread_mutex_init(&views->lock, NULL) != 0)
        goto no_lock;
    if (pthread_mutex_init(&views->refresh_lock, NULL) != 0)
        goto no_refresh_lock;
    return views;
no_refresh_lock:
    (void)pthread_mutex_destroy(&views->lock); /* nobody has it */
no_lock:
    free(views);
    return NULL;
}

static void close_lease(struct lease *lease)
{
    if (lease == NULL)
        return;
    holog_zarr_close(lease->zarr);
    holog_view_close(lease->view);
    free(lease);
}

void views_free(struct views *views)
{
    if (views == NULL)
        return;
    views_expire(views, true);
    (void)pthread_mutex_destroy(&views->refresh_lock); /* nobody has it */
    (void)pthread_mutex_destroy(&views->lock);
    free(views);
}

int views_refresh(struct views *views, bool now)
{
    int rc = HOLOG_OK;

    if (!views->follow)
        return HOLOG_OK;
    (void)pthread_mutex_lock(&views->refresh_lock); /* an ordinary mutex: cannot fail */
    uint64_t at = now_ns();
    if (now || at - views->refreshed_ns >= REFRESH_NS) {
        rc = holog_refresh(views->store, NULL);
        views->refreshed_ns = rc < 0 ? 0 : now_ns();
    }
    (void)pthread_mutex_unlock(&views->refresh_lock);
    return rc;
}

/* ---- what is kept ---------------------------------------------------------------------------- */

/* With the lock. A lease is taken. */
static struct lease *find(struct views *views, uint64_t number, enum target_twin twin)
{
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        struct lease *lease = views->kept[i];
        if (lease != NULL && lease->number == number && lease->twin == twin) {
            lease->count++;
            lease->used_ns = now_ns();
            return lease;
        }
    }
    return NULL;
}

/* With the lock: no request will find it any more. The caller closes what is returned, without the lock;
 * NULL: its last reader will. */
static struct lease *forget(struct views *views, size_t i)
{
    struct lease *lease = views->kept[i];

    views->kept[i] = NULL;
    lease->kept = false;
    return lease->count == 0 ? lease : NULL;
}

/* With the lock. A place for one more, at the cost of what was not used for longest; VIEWS_MAX: all are
 * being read. */
static size_t find_place(struct views *views, struct lease **out_old)
{
    size_t best = VIEWS_MAX;

    for (size_t i = 0; i < VIEWS_MAX; i++) {
        const struct lease *lease = views->kept[i];
        if (lease == NULL)
            return i;
        if (lease->count == 0 && (best == VIEWS_MAX || lease->used_ns < views->kept[best]->used_ns))
            best = i;
    }
    if (best < VIEWS_MAX)
        *out_old = forget(views, best);
    return best;
}

/* The lease to use: the one that came, or the one that another request has put there meanwhile. */
static struct lease *keep(struct views *views, struct lease *lease)
{
    struct lease *old = NULL;

    (void)pthread_mutex_lock(&views->lock);
    struct lease *there = find(views, lease->number, lease->twin);
    if (there != NULL) {
        old = lease;
    } else {
        size_t place = find_place(views, &old);
        if (place < VIEWS_MAX) {
            views->kept[place] = lease;
            lease->kept = true;
        }
        there = lease;
    }
    (void)pthread_mutex_unlock(&views->lock);
    close_lease(old);
    return there;
}

/* view: taken over, also when it fails. */
static int open_lease(struct views *views, holog_view *view, enum target_twin twin, bool newest,
                      struct lease **out)
{
    static const unsigned flags[] = {
        [TWIN_NONE] = 0,
        [TWIN_V2] = HOLOG_ZARR_V2 | HOLOG_ZARR_CONSOLIDATED,
        [TWIN_V3] = HOLOG_ZARR_CONSOLIDATED,
    };
    struct lease *lease = calloc(1, sizeof *lease);

    if (lease == NULL) {
        holog_view_close(view);
        return HOLOG_E_NOMEM;
    }
    *lease = (struct lease){
        .number = holog_view_number(view),
        .twin = twin,
        .view = view,
        .count = 1,
        .newest = newest,
        .used_ns = now_ns(),
    };
    int rc = holog_zarr_open(view, views->path, flags[twin], &lease->zarr);
    if (rc < 0) {
        close_lease(lease);
        return rc;
    }
    *out = keep(views, lease);
    return HOLOG_OK;
}

int views_at(struct views *views, uint64_t number, enum target_twin twin, struct lease **out)
{
    holog_view *view = NULL;

    (void)pthread_mutex_lock(&views->lock);
    struct lease *lease = find(views, number, twin);
    if (lease != NULL)
        lease->newest = false; /* asked for by its number: more such requests will come */
    (void)pthread_mutex_unlock(&views->lock);
    if (lease != NULL) {
        *out = lease;
        return HOLOG_OK;
    }
    int rc = number > holog_last_number(views->store) ? views_refresh(views, true) : HOLOG_OK;
    if (rc >= 0)
        rc = holog_view_open_at(views->store, number, &view);
    return rc < 0 ? rc : open_lease(views, view, twin, false, out);
}

/* States that were the newest once, and that nobody has asked for by number. */
static void forget_older(struct views *views, uint64_t number)
{
    struct lease *old[VIEWS_MAX];
    size_t count = 0;

    (void)pthread_mutex_lock(&views->lock);
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        const struct lease *lease = views->kept[i];
        if (lease != NULL && lease->newest && lease->number < number)
            old[count++] = forget(views, i);
    }
    (void)pthread_mutex_unlock(&views->lock);
    while (count > 0)
        close_lease(old[--count]);
}

int views_newest(struct views *views, enum target_twin twin, struct lease **out)
{
    holog_view *view = NULL;
    int rc = views_refresh(views, false);

    if (rc < 0)
        return rc;
    uint64_t number = holog_last_number(views->store);
    (void)pthread_mutex_lock(&views->lock);
    struct lease *lease = find(views, number, twin);
    (void)pthread_mutex_unlock(&views->lock);
    if (lease != NULL) {
        *out = lease;
        return HOLOG_OK;
    }
    forget_older(views, number);
    rc = holog_view_open(views->store, &view); /* may be newer still */
    return rc < 0 ? rc : open_lease(views, view, twin, true, out);
}

void views_return(struct views *views, struct lease *lease)
{
    if (lease == NULL)
        return;
    (void)pthread_mutex_lock(&views->lock);
    bool last = --lease->count == 0 && !lease->kept;
    (void)pthread_mutex_unlock(&views->lock);
    if (last)
        close_lease(lease);
}

void views_drop(struct views *views, struct lease *lease)
{
    (void)pthread_mutex_lock(&views->lock);
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        if (views->kept[i] == lease)
            (void)forget(views, i); /* the caller still has it: closed when it is given back */
    }
    (void)pthread_mutex_unlock(&views->lock);
}

void views_expire(struct views *views, bool all)
{
    struct lease *old[VIEWS_MAX];
    uint64_t now = now_ns();
    size_t count = 0;

    (void)pthread_mutex_lock(&views->lock);
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        const struct lease *lease = views->kept[i];
        if (lease == NULL || lease->count != 0)
            continue;
        if (all || now - lease->used_ns >= VIEWS_IDLE_NS)
            old[count++] = forget(views, i);
    }
    (void)pthread_mutex_unlock(&views->lock);
    while (count > 0)
        close_lease(old[--count]);
}
