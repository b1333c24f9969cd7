/*
 * The fork handler; see fork.h.
 */
#include "io/fork.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"

struct watched {
    struct watched *next;
    struct hg_io *io;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct watched *all;
static int registered;
static uint32_t generation = 1; /* atomic */

static void before(void)
{
    (void)pthread_mutex_lock(&lock); /* so that the child finds the list whole */
}

static void in_parent(void)
{
    (void)pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    __atomic_add_fetch(&generation, 1, __ATOMIC_RELEASE);
    for (struct watched *w = all; w != NULL; w = w->next)
        hg_io_abandon(w->io);
    all = NULL; /* the parent's; their memory stays with the child */
    (void)pthread_mutex_unlock(&lock);
}

uint32_t hg_fork_generation(void)
{
    return __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
}

int hg_fork_watch(struct hg_io *io)
{
    struct watched *w;
    int rc = HOLOG_OK;

    if (io->ops->world == HG_WORLD_SIM)
        return HOLOG_OK;
    w = hg_calloc(1, sizeof *w);
    if (w == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to watch for forks");
    w->io = io;
    (void)pthread_mutex_lock(&lock);
    if (!registered && pthread_atfork(before, in_parent, in_child) != 0)
        rc = hg_error(HOLOG_E_NOMEM, "the fork handler could not be registered");
    if (rc == HOLOG_OK) {
        registered = 1;
        w->next = all;
        all = w;
        w = NULL;
    }
    (void)pthread_mutex_unlock(&lock);
    hg_free(w);
    return rc;
}

void hg_fork_unwatch(struct hg_io *io)
{
    struct watched *gone = NULL;

    (void)pthread_mutex_lock(&lock);
    for (struct watched **at = &all; *at != NULL; at = &(*at)->next) {
        if ((*at)->io == io) {
            gone = *at;
            *at = gone->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    hg_free(gone);
}
