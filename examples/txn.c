/*
 * Optimistic transactions: read, compute, write, commit; when somebody else changed what was read,
 * the commit fails with HOLOG_E_CONFLICT, nothing is stored, and the whole is tried again.
 *
 * usage: txn [DIR]
 *
 * Two threads move coins between two accounts. Whatever the order, no coin is made or lost.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <holog/holog.h>

enum {
    COINS = 1000,
    MOVES = 200,
    WAIT_MS = 1000
};

struct mover {
    holog_store *store;
    const char *from;
    const char *to;
    unsigned conflicts;
    int rc;
};

static int read_coins(holog_txn *txn, const char *path, unsigned *out_coins)
{
    holog_value *value = NULL;
    int rc = holog_txn_load(txn, path, &value);

    if (rc < 0)
        return rc;
    if (holog_value_size(value) == sizeof(*out_coins))
        memcpy(out_coins, holog_value_data(value), sizeof(*out_coins));
    else
        rc = HOLOG_E_TYPE;
    holog_value_release(value);
    return rc;
}

/* What one transaction does: it may run several times, so it touches nothing but the store. */
static int move_coin(holog_txn *txn, const char *from, const char *to)
{
    unsigned a = 0;
    unsigned b = 0;
    int rc = read_coins(txn, from, &a);

    if (rc == HOLOG_OK)
        rc = read_coins(txn, to, &b);
    if (rc < 0 || a == 0)
        return rc;
    a--;
    b++;
    rc = holog_txn_save(txn, from, &a, sizeof(a), HOLOG_REPLACE);
    if (rc == HOLOG_OK)
        rc = holog_txn_save(txn, to, &b, sizeof(b), HOLOG_REPLACE);
    return rc;
}

/* Try until it goes through. Of several that conflict one always succeeds, so this ends. */
static int move_with_retry(struct mover *m)
{
    for (;;) {
        holog_txn *txn = NULL;
        int rc = holog_begin(m->store, &txn);

        if (rc == HOLOG_OK)
            rc = move_coin(txn, m->from, m->to);
        if (rc == HOLOG_OK)
            rc = holog_commit(txn, NULL); /* frees txn, also when it fails */
        else
            holog_abort(txn);
        if (rc != HOLOG_E_CONFLICT)
            return rc;
        m->conflicts++;
        /* What we conflict with may be on its way to the disk still; reads do not see it before
         * it is there, so to try again at once would be in vain. Nothing on its way: no wait. */
        (void)holog_wait_durable(m->store, holog_durable_number(m->store) + 1, WAIT_MS);
    }
}

static void *mover_main(void *arg)
{
    struct mover *m = arg;

    for (int i = 0; i < MOVES && m->rc == HOLOG_OK; i++)
        m->rc = move_with_retry(m);
    return NULL;
}

static int open_accounts(holog_store *store)
{
    const unsigned coins = COINS;
    const holog_item items[] = {
        { .path = "accounts/left", .data = &coins, .len_bytes = sizeof(coins) },
        { .path = "accounts/right", .data = &coins, .len_bytes = sizeof(coins) },
    };

    return holog_save_batch(store, items, 2, HOLOG_PARENTS | HOLOG_REPLACE, NULL);
}

static int move_both_ways(holog_store *store, unsigned *out_conflicts)
{
    struct mover m[2] = {
        { .store = store, .from = "accounts/left", .to = "accounts/right" },
        { .store = store, .from = "accounts/right", .to = "accounts/left" },
    };
    pthread_t other;
    int has_other = pthread_create(&other, NULL, mover_main, &m[1]) == 0;

    (void)mover_main(&m[0]);
    if (has_other)
        (void)pthread_join(other, NULL); /* fails only for a thread that is not there */
    *out_conflicts = m[0].conflicts + m[1].conflicts;
    if (m[0].rc < 0)
        return m[0].rc;
    return has_other ? m[1].rc : HOLOG_E_NOMEM;
}

/* Both accounts as of one commit: a transaction that only reads. */
static int count_coins(holog_store *store, unsigned *out_sum)
{
    holog_txn *txn = NULL;
    unsigned left = 0;
    unsigned right = 0;
    int rc = holog_begin(store, &txn);

    if (rc == HOLOG_OK)
        rc = read_coins(txn, "accounts/left", &left);
    if (rc == HOLOG_OK)
        rc = read_coins(txn, "accounts/right", &right);
    holog_abort(txn);
    if (rc == HOLOG_OK)
        *out_sum = left + right;
    return rc;
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "txn.holog";
    holog_store *store = NULL;
    unsigned conflicts = 0;
    unsigned sum = 0;
    int rc = holog_open(dir, NULL, &store);

    if (rc == HOLOG_OK)
        rc = open_accounts(store);
    if (rc == HOLOG_OK)
        rc = move_both_ways(store, &conflicts);
    if (rc == HOLOG_OK)
        rc = count_coins(store, &sum);
    int closed = holog_close(store);
    if (rc < 0 || closed < 0) {
        (void)fprintf(stderr, "txn: %s: %s\n", dir, holog_strerror(rc < 0 ? rc : closed));
        return 1;
    }
    printf("%d moves, %u conflicts tried again, %u coins\n", 2 * MOVES, conflicts, sum);
    return sum != 2 * COINS;
}
