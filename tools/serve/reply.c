/*
 * reply.c: answers.
 */
#include "serve/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reply_header(const struct reply *reply, const char *name, const char *value)
{
    if (reply->response != NULL)
        (void)MHD_add_response_header(reply->response, name, value); /* fails only without memory */
}

void reply_header_number(const struct reply *reply, const char *name, uint64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    reply_header(reply, name, text);
}

static struct reply finish(unsigned status, struct MHD_Response *response, uint64_t body_bytes)
{
    struct reply reply = { .status = status, .body_bytes = body_bytes, .response = response };

    reply_header(&reply, "Access-Control-Allow-Origin", "*");
    reply_header(&reply, "Access-Control-Expose-Headers",
                 "Content-Length, Content-Range, Content-Location, Accept-Ranges, Cache-Control, "
                 "ETag, Holog-Number, Location, Retry-After");
    reply_header(&reply, "X-Content-Type-Options", "nosniff");
    return reply;
}

struct reply reply_data(unsigned status, const void *data, size_t len_bytes,
                        void (*release)(void *ctx), void *ctx)
{
    union { /* only read; microhttpd takes it without const */
        const void *from;
        void *to;
    } bytes = { .from = data };
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(len_bytes, bytes.to, release, ctx);

    if (response == NULL)
        release(ctx);
    return finish(status, response, len_bytes);
}

struct reply reply_buffer(unsigned status, char *data, size_t len_bytes)
{
    return reply_data(status, data, len_bytes, free, data);
}

static ssize_t read_nothing(void *ctx, uint64_t offset, char *buf, size_t max)
{
    (void)ctx;
    (void)offset;
    (void)buf;
    (void)max;
    return MHD_CONTENT_READER_END_WITH_ERROR; /* of an answer to HEAD no body is asked for */
}

struct reply reply_length(unsigned status, uint64_t len_bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(len_bytes, 64, read_nothing, NULL, NULL);
    struct reply reply = finish(status, response, len_bytes);

    reply.body_bytes = 0;
    return reply;
}

struct reply reply_stream(unsigned status, uint64_t len_bytes, size_t block_bytes,
                          MHD_ContentReaderCallback read, void (*release)(void *ctx), void *ctx)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(len_bytes, block_bytes, read, ctx, release);

    if (response == NULL)
        release(ctx);
    return finish(status, response, len_bytes);
}

static void keep(void *ctx)
{
    (void)ctx;
}

struct reply reply_empty(unsigned status)
{
    return reply_data(status, "", 0, keep, NULL);
}

struct reply reply_text(unsigned status, const char *format, ...)
{
    char *text = NULL;
    va_list list;

    va_start(list, format);
    int len = vasprintf(&text, format, list);
    va_end(list);
    if (len < 0)
        return (struct reply){ .status = status };
    struct reply reply = reply_buffer(status, text, (size_t)len);
    reply_header(&reply, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
    reply_header(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return reply;
}

/* Missing is 404 and only that is; damage is never. */
static unsigned status_of(int code, bool change)
{
    switch (code) {
    case HOLOG_E_NOENT:
    case HOLOG_E_NOTDIR:
    case HOLOG_E_ISDIR:
    case HOLOG_E_LOOP: return change ? 409 : 404;
    case HOLOG_E_BADPATH:
    case HOLOG_E_NAMETOOLONG: return change ? 400 : 404;
    case HOLOG_E_INVAL: return change ? 400 : 500;
    case HOLOG_E_DROPPED:
    case HOLOG_E_STALE: return 410;
    case HOLOG_E_CONFLICT:
    case HOLOG_E_EXIST:
    case HOLOG_E_NOTEMPTY:
    case HOLOG_E_TYPE: return 409;
    case HOLOG_E_TOOBIG: return 413;
    case HOLOG_E_RANGE: return 416;
    case HOLOG_E_NOTSUP: return change ? 422 : 501;
    case HOLOG_E_NOMEM:
    case HOLOG_E_BUDGET:
    case HOLOG_E_AGAIN:
    case HOLOG_E_BUSY:
    case HOLOG_E_POISONED: return 503;
    case HOLOG_E_NOSPC: return 507;
    default: return 500;
    }
}

struct reply reply_code(int code, bool change)
{
    unsigned status = status_of(code, change);
    struct holog_error_detail detail;
    struct reply reply;

    cli_detail(code, &detail);
    if (detail.has_position != 0)
        reply = reply_text(status, "%s: %s (segment %" PRIu32 ", offset %" PRIu64 ")\n",
                           holog_error_name(code), detail.message, detail.segment, detail.offset);
    else
        reply = reply_text(status, "%s: %s\n", holog_error_name(code), detail.message);
    if (status == 503)
        reply_header(&reply, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    return reply;
}
