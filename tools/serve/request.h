/*
 * request.h: one request on its way, and what its answer may use. Inside tools/serve only.
 */
#ifndef HOLOG_TOOLS_SERVE_REQUEST_H
#define HOLOG_TOOLS_SERVE_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "serve/conditional.h"
#include "serve/metrics.h"
#include "serve/reply.h"
#include "serve/server.h"
#include "serve/target.h"
#include "serve/views.h"

struct server {
    const struct server_settings *settings; /* fixed, as all up to the lock is */
    struct MHD_Daemon *daemon;
    struct views *views;
    struct metrics metrics; /* by themselves */
    /* Changes without a condition hold it shared, so that they share commits; one with a condition alone,
     * from the look at what is there to the commit: nobody else can change the store meanwhile. */
    pthread_rwlock_t changes;
    atomic_uint_fast64_t bodies_bytes; /* being received, all together */
    atomic_bool stopping;
};

enum method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_PUT,
    METHOD_DELETE
};

#define CONDITION_MAX 4096 /* bytes of one If- header, joined */

struct request { /* the connection's thread only */
    struct server *server;
    struct MHD_Connection *connection;
    enum method method; /* set by the first call of the handler, as all below is */
    bool begun;
    char method_name[16];
    uint64_t start_ns;
    unsigned status; /* 0: none was sent yet */
    uint64_t body_bytes;
    /* what PUT brings */
    uint8_t *body;
    size_t body_len;
    size_t body_room;
    uint64_t body_reserved; /* of server->bodies_bytes */
    int body_failed;        /* 0, or the status to answer when it has all come */
    uint64_t body_dropped;  /* bytes after that */
    const char *line;       /* where microhttpd had the target */
    struct target target;
    char raw[]; /* the target as sent, for the log; behind it, what the target's parts point into */
};

/* A header, NULL: it is not there. */
const char *request_header(const struct request *request, const char *name);
/* The If- headers; those that come more than once joined in buf. */
struct condition_headers {
    struct conditional conditional;
    char if_match[CONDITION_MAX];
    char if_none_match[CONDITION_MAX];
};
/* False: they are too long. */
bool request_conditions(const struct request *request, struct condition_headers *out);

/* GET, HEAD and OPTIONS. */
struct reply answer_request(struct request *request);
/* What methods the target takes; for Allow. */
const char *answer_methods(const struct request *request);

/* PUT and DELETE: whether to go on, before a body is asked for. False, and the reply that says why not. */
bool change_begins(struct request *request, struct reply *out_reply);
/* A part of the body. False: the connection is to be closed. */
bool change_body(struct request *request, const void *data, size_t len_bytes);
struct reply change_request(struct request *request);
/* Frees the body. */
void change_ends(struct request *request);

#endif
