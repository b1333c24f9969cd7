/*
 * Many small commits at once: up to 256 are under way, each is durable when its callback runs, and
 * holog_wait_durable() waits for a particular one.
 *
 * usage: async [DIR]
 *
 * A commit that waits for the disk costs a disk write; commits under way together share one. The
 * callback runs on a thread of the library's and may only signal: here it gives back a slot.
 */
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <holog/holog.h>

enum {
    COMMITS = 20000,
    IN_FLIGHT = 256,
    WAIT_MS = 10000
};

struct flight {
    sem_t slots;         /* free places among the IN_FLIGHT */
    atomic_uint durable; /* callbacks that reported success */
    atomic_int failure;  /* the first code that was not */
};

static void on_durable(void *ctx, int code, uint64_t number)
{
    struct flight *f = ctx;
    int none = HOLOG_OK;

    (void)number;
    if (code == HOLOG_OK)
        atomic_fetch_add(&f->durable, 1);
    else
        atomic_compare_exchange_strong(&f->failure, &none, code);
    (void)sem_post(&f->slots); /* cannot overflow: one post for each wait */
}

/* Begin a transaction that saves reading i of the sensor. */
static int prepare(holog_store *store, unsigned i, holog_txn **out_txn)
{
    char path[64];
    holog_txn *txn = NULL;
    int rc = holog_begin(store, &txn);

    if (rc < 0)
        return rc;
    (void)snprintf(path, sizeof(path), "sensor/%u/%u", i / 1000, i); /* 10 digits each fit */
    rc = holog_txn_save(txn, path, &i, sizeof(i), HOLOG_PARENTS | HOLOG_REPLACE);
    if (rc < 0) {
        holog_abort(txn);
        return rc;
    }
    *out_txn = txn;
    return HOLOG_OK;
}

static int commit_one(holog_store *store, struct flight *f, unsigned i, uint64_t *number)
{
    holog_txn *txn = NULL;
    int rc = prepare(store, i, &txn);

    if (rc < 0)
        return rc;
    while (sem_wait(&f->slots) != 0)
        ; /* EINTR: ask again */
    /* AGAIN: the bytes under way are at their limit; the transaction is kept for another try. */
    while ((rc = holog_commit_async(txn, on_durable, f, number)) == HOLOG_E_AGAIN)
        (void)holog_wait_durable(store, holog_durable_number(store) + 1,
                                 WAIT_MS); /* none under way any more: try at once */
    return rc;
}

static int commit_all(holog_store *store, struct flight *f)
{
    uint64_t number = 0;
    int rc = HOLOG_OK;

    for (unsigned i = 0; i < COMMITS && rc == HOLOG_OK; i++)
        rc = commit_one(store, f, i, &number);
    if (rc == HOLOG_OK)
        rc = holog_wait_durable(store, number, WAIT_MS); /* and with it, all before */
    return rc;
}

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "async.holog";
    holog_store *store = NULL;
    struct flight f = { .durable = 0, .failure = HOLOG_OK };
    int rc = holog_open(dir, NULL, &store);
    double start = now();

    (void)sem_init(&f.slots, 0, IN_FLIGHT); /* fails only for a value above SEM_VALUE_MAX */
    if (rc == HOLOG_OK)
        rc = commit_all(store, &f);
    double seconds = now() - start;
    int closed = holog_close(store); /* every callback has run when it returns */
    (void)sem_destroy(&f.slots);     /* nobody waits any more */

    if (rc == HOLOG_OK)
        rc = atomic_load(&f.failure) < 0 ? atomic_load(&f.failure) : closed;
    if (rc < 0) {
        (void)fprintf(stderr, "async: %s: %s\n", dir, holog_strerror(rc));
        return 1;
    }
    printf("%u durable commits, %d in flight: %.0f commits/s\n", atomic_load(&f.durable), IN_FLIGHT,
           COMMITS / seconds);
    return atomic_load(&f.durable) != COMMITS;
}
