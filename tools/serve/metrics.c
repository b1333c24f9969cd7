/*
 * metrics.c: Prometheus text of the server, behind that of the store.
 */
#include "serve/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static void put_one(FILE *to, const char *store, const char *name, const char *type,
                    const char *help, uint64_t value)
{
    (void)fprintf(to, "# HELP holog_http_%s %s\n# TYPE holog_http_%s %s\nholog_http_%s", name, help,
                  name, type, name);
    put_labels(to, store, NULL);
    (void)fprintf(to, " %" PRIu64 "\n", value);
}

static void put_answers(FILE *to, const char *store, const struct metrics *m)
{
    char label[32];

    (void)fputs("# HELP holog_http_answers_total Answers sent whole, by status\n"
                "# TYPE holog_http_answers_total counter\n",
                to);
    for (unsigned status = 0; status < METRICS_STATUS_MAX; status++) {
        uint64_t count = atomic_load(&m->answers[status]);
        if (count == 0)
            continue;
        (void)snprintf(label, sizeof label, "status=\"%u\"", status);
        (void)fputs("holog_http_answers_total", to);
        put_labels(to, store, label);
        (void)fprintf(to, " %" PRIu64 "\n", count);
    }
}

static void put_metrics(FILE *to, const char *store, const struct metrics *m)
{
    put_answers(to, store, m);
    put_one(to, store, "broken_total", "counter", "Requests that ended without a whole answer",
            atomic_load(&m->broken));
    put_one(to, store, "sent_bytes_total", "counter", "Bytes of bodies sent",
            atomic_load(&m->sent_bytes));
    put_one(to, store, "received_bytes_total", "counter", "Bytes of bodies received",
            atomic_load(&m->received_bytes));
    put_one(to, store, "connections_total", "counter", "Connections accepted",
            atomic_load(&m->connections));
    put_one(to, store, "connections", "gauge", "Connections open now",
            atomic_load(&m->connections_open));
    put_one(to, store, "requests", "gauge", "Requests being answered now",
            atomic_load(&m->requests_open));
    (void)fputs("# HELP holog_http_answer_seconds Time of an answer, from request to last byte\n"
                "# TYPE holog_http_answer_seconds summary\nholog_http_answer_seconds_sum",
                to);
    put_labels(to, store, NULL);
    uint64_t count = 0;
    for (unsigned status = 0; status < METRICS_STATUS_MAX; status++)
        count += atomic_load(&m->answers[status]);
    (void)fprintf(to, " %.9f\nholog_http_answer_seconds_count",
                  (double)atomic_load(&m->time_ns) / 1e9);
    put_labels(to, store, NULL);
    (void)fprintf(to, " %" PRIu64 "\n", count);
}

int metrics_text(const struct metrics *metrics, const char *name, bool writes, holog_store *store,
                 char **out_text, size_t *out_len)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    if (to == NULL)
        return HOLOG_E_NOMEM;
    int rc = stats_prometheus(to, name, writes, store);
    if (rc >= 0)
        put_metrics(to, name, metrics);
    if (fclose(to) != 0 && rc >= 0)
        rc = HOLOG_E_NOMEM; /* nothing else can fail in memory */
    if (rc < 0) {
        free(text);
        return rc;
    }
    *out_text = text;
    *out_len = len;
    return HOLOG_OK;
}
