/*
 * metrics.h: what the server counts, and the Prometheus text of it and of the store.
 */
#ifndef HOLOG_TOOLS_SERVE_METRICS_H
#define HOLOG_TOOLS_SERVE_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <holog/holog.h>

#define METRICS_STATUS_MAX 600

/* Any thread; each figure by itself is right, two of them need not be of the same moment. */
struct metrics {
    atomic_uint_fast64_t answers[METRICS_STATUS_MAX]; /* completed, by status */
    atomic_uint_fast64_t broken;         /* requests that ended without a whole answer */
    atomic_uint_fast64_t sent_bytes;     /* of bodies of completed answers */
    atomic_uint_fast64_t received_bytes; /* of bodies of requests */
    atomic_uint_fast64_t time_ns;        /* of completed answers, first byte to last */
    atomic_uint_fast64_t connections;    /* since the start */
    atomic_uint_fast64_t connections_open;
    atomic_uint_fast64_t requests_open; /* begun, not completed */
};

/* The text, malloc'd; name: of the store, which is open for writing or not. 0, or the code of what failed. */
int metrics_text(const struct metrics *metrics, const char *name, bool writes, holog_store *store,
                 char **out_text, size_t *out_len);

#endif
