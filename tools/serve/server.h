/*
 * server.h: a store over HTTP: what `holog serve` starts.
 *
 * Threads: a pool of libmicrohttpd's, each with its share of the connections; a request is answered on the
 * thread of its connection, from opening the state to the last byte. What all of them share: the views
 * (views.h), the counters (metrics.h), the lock of changes, the sum of bodies being received.
 */
#ifndef HOLOG_TOOLS_SERVE_SERVER_H
#define HOLOG_TOOLS_SERVE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holog/holog.h>

#define TOKEN_MIN 16 /* bytes */
#define TOKEN_MAX 4096

struct server_settings {
    holog_store *store;
    const char *name; /* of the store, for people and metrics */
    const char *path; /* of the directory that is served */
    bool writable;
    bool verbose;
    const char *token;         /* of who may write; NULL when not writable */
    uint64_t max_body_bytes;   /* of one request */
    uint64_t bodies_max_bytes; /* of all together; at least one fits */
    unsigned connections_max;
};

struct server;

/* Serves from now on; settings, and what they point to, stay until the server is stopped. listen_fd: a socket
 * that listens, taken over when it succeeds. 0 or errno. */
int server_start(const struct server_settings *settings, int listen_fd, struct server **out);
/* Now and then: closes what nobody has used lately. */
void server_tidy(struct server *server);
/* Takes no more connections; waits until requests that have begun are answered, at most so long; ends the
 * rest and frees. NULL is fine. */
void server_stop(struct server *server, uint64_t wait_ns);

#endif
