/*
 * reply.h: answers, made ready for libmicrohttpd.
 *
 * A reply is a status, headers and a body that the response owns: it frees the body, or gives it back,
 * when the last byte has left. Functions that make one never fail visibly: without memory `response` is
 * NULL, and the connection is closed without an answer.
 * Every reply has the headers that browsers and other clients want of all: CORS, nosniff.
 */
#ifndef HOLOG_TOOLS_SERVE_REPLY_H
#define HOLOG_TOOLS_SERVE_REPLY_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli.h"

struct reply {
    unsigned status;
    uint64_t body_bytes; /* that will be sent */
    struct MHD_Response *response;
};

/* data: len_bytes that stay until release(ctx) is called, which happens here when there is no memory. */
struct reply reply_data(unsigned status, const void *data, size_t len_bytes,
                        void (*release)(void *ctx), void *ctx);
/* malloc'd data, handed over. */
struct reply reply_buffer(unsigned status, char *data, size_t len_bytes);
/* As if there were so many bytes, none of which HEAD sends. */
struct reply reply_length(unsigned status, uint64_t len_bytes);
/* Read piece by piece, as microhttpd asks; release(ctx) at the end, or here when there is no memory. */
struct reply reply_stream(unsigned status, uint64_t len_bytes, size_t block_bytes,
                          MHD_ContentReaderCallback read, void (*release)(void *ctx), void *ctx);
struct reply reply_empty(unsigned status);
/* One line for people. Not to be cached. */
struct reply reply_text(unsigned status, const char *format, ...) CLI_PRINTF(2, 3);
/* A call of the library failed just now, on this thread: its message, and the status that fits. change: it
 * was asked to change something. */
struct reply reply_code(int code, bool change);

void reply_header(const struct reply *reply, const char *name, const char *value);
void reply_header_number(const struct reply *reply, const char *name, uint64_t value);

#endif
