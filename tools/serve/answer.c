/*
 * answer.c: what is read: keys and parts of them, listings, the server's own pages.
 *
 * Every byte of a value is verified before the first one is sent: small parts are copied, anything else is
 * sent from the memory that the library keeps it in. A value for which there is no memory is read twice,
 * piece by piece: once to verify, once to send.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holog/versions.h>
#include <holog/zarr.h>

#include "serve/page.h"
#include "serve/range.h"
#include "serve/request.h"

#define COPY_MAX     ((size_t)4 << 20) /* a part up to this is copied rather than the whole be read */
#define PIECE_BYTES  ((size_t)1 << 20) /* 16 of the blocks that are verified at once */
#define STREAM_BLOCK ((size_t)256 << 10)

/* A key that is there, on its way out. */
struct reading {
    struct request *request;
    struct lease *lease; /* NULL: a stream has it */
    uint64_t number;     /* of its state */
    holog_zarr_info info;
    holog_value *value; /* all of it, where that was asked for at once; else NULL */
    char etag[ETAG_ROOM];
};

/* ---- headers --------------------------------------------------------------------------------- */

/* A number that survives whatever happens means the same for ever; any other may be had again by another
 * commit. */
static void put_state(const struct request *request, const struct reply *reply, uint64_t number)
{
    bool for_ever = request->target.kind == TARGET_NUMBER &&
                    number <= holog_durable_number(request->server->settings->store);

    reply_header_number(reply, "Holog-Number", number);
    if (reply->response == NULL)
        return;
    (void)MHD_del_response_header(reply->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    reply_header(reply, MHD_HTTP_HEADER_CACHE_CONTROL,
                 for_ever ? "public, max-age=31536000, immutable" : "no-cache");
}

static void put_key(const struct reading *r, const struct reply *reply)
{
    put_state(r->request, reply, r->number);
    reply_header(reply, MHD_HTTP_HEADER_ETAG, r->etag);
    reply_header(reply, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
}

static struct reply redirect(char *to)
{
    struct reply reply =
        to != NULL ? reply_text(307, "%s\n", to) : reply_code(HOLOG_E_NOMEM, false);

    if (to != NULL)
        reply_header(&reply, MHD_HTTP_HEADER_LOCATION, to);
    free(to);
    return reply;
}

static struct reply not_found(const struct request *request, uint64_t number)
{
    struct reply reply = reply_text(404, "no such key as of commit %" PRIu64 "\n", number);

    put_state(request, &reply, number);
    return reply;
}

/* ---- values for which there is no memory ------------------------------------------------------- */

struct stream {
    struct views *views;
    struct lease *lease; /* given back with it */
    uint64_t offset;
    uint64_t len_bytes;
    char key[]; /* NUL-terminated */
};

static void stream_free(void *ctx)
{
    struct stream *stream = ctx;

    views_return(stream->views, stream->lease);
    free(stream);
}

static ssize_t stream_read(void *ctx, uint64_t at, char *buf, size_t max)
{
    const struct stream *stream = ctx;
    uint64_t left = stream->len_bytes - at;
    size_t n = 0;

    if (left < max)
        max = (size_t)left;
    int rc =
        holog_zarr_get_range(stream->lease->zarr, stream->key, stream->offset + at, buf, max, &n);
    return rc < 0 || n == 0 ? MHD_CONTENT_READER_END_WITH_ERROR : (ssize_t)n;
}

static int stream_verify(const struct stream *stream)
{
    char *buf = malloc(PIECE_BYTES);
    int rc = buf != NULL ? HOLOG_OK : HOLOG_E_NOMEM;

    for (uint64_t at = 0; rc >= 0 && at < stream->len_bytes; at += PIECE_BYTES) {
        uint64_t left = stream->len_bytes - at;
        size_t n = 0;
        rc = holog_zarr_get_range(stream->lease->zarr, stream->key, stream->offset + at, buf,
                                  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &n);
    }
    free(buf);
    return rc;
}

/* The lease goes with it when it succeeds. */
static int stream_reply(struct reading *r, unsigned status, uint64_t offset, uint64_t len_bytes,
                        struct reply *out)
{
    const char *key = r->request->target.key;
    size_t key_room = strlen(key) + 1;
    struct stream *stream = malloc(sizeof *stream + key_room);

    if (stream == NULL)
        return HOLOG_E_NOMEM;
    *stream = (struct stream){
        .views = r->request->server->views,
        .lease = r->lease,
        .offset = offset,
        .len_bytes = len_bytes,
    };
    memcpy(stream->key, key, key_room);
    int rc = stream_verify(stream);
    if (rc < 0) {
        free(stream);
        return rc;
    }
    *out = reply_stream(status, len_bytes, STREAM_BLOCK, stream_read, stream_free, stream);
    r->lease = NULL; /* given back with the stream */
    return HOLOG_OK;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void release_value(void *ctx)
{
    holog_value_release(ctx);
}

static int copy_part(const struct reading *r, unsigned status, uint64_t offset, size_t len_bytes,
                     struct reply *out)
{
    char *buf = malloc(len_bytes);
    size_t n = 0;

    if (buf == NULL)
        return HOLOG_E_NOMEM;
    int rc =
        holog_zarr_get_range(r->lease->zarr, r->request->target.key, offset, buf, len_bytes, &n);
    if (rc >= 0 && n != len_bytes)
        rc = HOLOG_E_CORRUPT; /* the view does not change: less cannot be there */
    if (rc < 0) {
        free(buf);
        return rc;
    }
    *out = reply_buffer(status, buf, len_bytes);
    return HOLOG_OK;
}

static int send_part(struct reading *r, unsigned status, uint64_t offset, uint64_t len_bytes,
                     struct reply *out)
{
    holog_value *value = r->value;
    int rc = HOLOG_OK;

    if (len_bytes <= COPY_MAX && len_bytes < r->info.size_bytes)
        return copy_part(r, status, offset, (size_t)len_bytes, out);
    if (value == NULL)
        rc = holog_zarr_get(r->lease->zarr, r->request->target.key, &value);
    if (rc == HOLOG_E_BUDGET || rc == HOLOG_E_NOMEM)
        return stream_reply(r, status, offset, len_bytes, out);
    if (rc < 0)
        return rc;
    r->value = NULL; /* the reply's, or released here */
    if (holog_value_size(value) != r->info.size_bytes) {
        holog_value_release(value);
        return HOLOG_E_CORRUPT; /* of one view both are the same */
    }
    *out = reply_data(status, (const char *)holog_value_data(value) + offset, (size_t)len_bytes,
                      release_value, value);
    return HOLOG_OK;
}

static struct reply unsatisfiable(const struct reading *r)
{
    struct reply reply = reply_text(416, "the value has %" PRIu64 " bytes\n", r->info.size_bytes);
    char text[64];

    (void)snprintf(text, sizeof text, "bytes */%" PRIu64, r->info.size_bytes);
    put_key(r, &reply);
    reply_header(&reply, MHD_HTTP_HEADER_CONTENT_RANGE, text);
    return reply;
}

/* The view is of no use any more: numbers are gone then, the newest state can be had again. */
static struct reply stale(const struct reading *r)
{
    struct reply reply = reply_code(HOLOG_E_STALE, false);

    views_drop(r->request->server->views, r->lease);
    if (r->request->target.kind != TARGET_LIVE)
        return reply;
    reply.status = 503;
    reply_header(&reply, MHD_HTTP_HEADER_RETRY_AFTER, "0");
    return reply;
}

static struct reply send_range(struct reading *r, const struct range *range)
{
    bool is_part = range->kind == RANGE_PART;
    uint64_t offset = is_part ? range->offset : 0;
    uint64_t len_bytes = is_part ? range->len_bytes : r->info.size_bytes;
    struct reply reply = { 0 };
    char text[96];

    if (r->request->method == METHOD_HEAD) {
        reply = reply_length(200, len_bytes);
    } else {
        int rc = send_part(r, is_part ? 206 : 200, offset, len_bytes, &reply);
        if (rc == HOLOG_E_STALE)
            return stale(r);
        if (rc < 0)
            return reply_code(rc, false);
    }
    if (is_part) {
        (void)snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset,
                       offset + len_bytes - 1, r->info.size_bytes);
        reply_header(&reply, MHD_HTTP_HEADER_CONTENT_RANGE, text);
    }
    put_key(r, &reply);
    reply_header(&reply, MHD_HTTP_HEADER_CONTENT_TYPE,
                 r->info.is_document != 0 ? "application/json" : "application/octet-stream");
    return reply;
}

static struct reply send_key(struct reading *r)
{
    struct condition_headers headers;
    struct range range = { .kind = RANGE_WHOLE };
    struct reply reply;

    etag_print(r->info.etag, r->etag);
    if (!request_conditions(r->request, &headers))
        return reply_text(431, "a condition is too long\n");
    switch (conditional_judge(&headers.conditional, r->etag, false)) {
    case VERDICT_NOT_MODIFIED:
        reply = reply_empty(304);
        put_key(r, &reply);
        return reply;
    case VERDICT_FAILED:
        reply = reply_text(412, "the value is another one\n");
        put_key(r, &reply);
        return reply;
    case VERDICT_GO_ON: break;
    }
    if (r->request->method == METHOD_GET && conditional_range_holds(&headers.conditional, r->etag))
        range = range_parse(request_header(r->request, MHD_HTTP_HEADER_RANGE), r->info.size_bytes);
    return range.kind == RANGE_UNSATISFIABLE ? unsatisfiable(r) : send_range(r, &range);
}

/* ---- listings -------------------------------------------------------------------------------- */

static int put_entry(void *ctx, const char *name, int is_key, int is_prefix, uint64_t size_bytes)
{
    struct page *page = ctx;

    page_entry(page, name, is_key != 0, is_prefix != 0, size_bytes);
    return page->failed;
}

static struct reply send_page(struct page *page)
{
    int rc = page_end(page);

    if (rc < 0)
        return reply_code(rc, false);
    struct reply reply = reply_buffer(200, page->data, page->len_bytes);
    reply_header(&reply, MHD_HTTP_HEADER_CONTENT_TYPE,
                 page->json ? "application/json" : "text/html; charset=utf-8");
    return reply;
}

static json_object *head_of(const struct request *request, uint64_t number)
{
    json_object *head = json_object_new_object();

    json_add(head, "store", json_text(request->server->settings->name));
    json_add(head, "commit", json_number(number));
    return head;
}

static struct reply send_listing(const struct reading *r)
{
    const struct target *target = &r->request->target;
    char *shown = target_show(target);
    struct page page;

    if (shown == NULL)
        return reply_code(HOLOG_E_NOMEM, false);
    json_object *head = head_of(r->request, r->number);
    json_add(head, "prefix", json_text(target->key));
    page_begin(&page, target->list, shown, head);
    free(shown);
    int rc = holog_zarr_list_dir(r->lease->zarr, target->key, put_entry, &page);
    if (page.failed == 0 && rc < 0) {
        (void)page_end(&page);
        free(page.data);
        return rc == HOLOG_E_STALE ? stale(r) : reply_code(rc, false);
    }
    struct reply reply = send_page(&page);
    if (reply.status == 200)
        put_state(r->request, &reply, r->number);
    return reply;
}

/* A directory without the '/': relative links on its page would lead elsewhere. */
static struct reply lead_into(const struct request *request)
{
    const struct target *t = &request->target;

    return redirect(target_link(t, t->number, !t->bare));
}

/* Nothing stands in the way of sending all of it: one look-up will do. */
static bool wants_all(const struct request *request)
{
    static const char *const unless[] = { MHD_HTTP_HEADER_RANGE, MHD_HTTP_HEADER_IF_NONE_MATCH,
                                          MHD_HTTP_HEADER_IF_MATCH };

    for (size_t i = 0; i < sizeof unless / sizeof unless[0]; i++) {
        if (request_header(request, unless[i]) != NULL)
            return false;
    }
    return request->method == METHOD_GET;
}

static int look_up(struct reading *r)
{
    const char *key = r->request->target.key;
    int rc = HOLOG_E_BUDGET;

    r->info = (holog_zarr_info){ .struct_size = sizeof r->info };
    if (wants_all(r->request))
        rc = holog_zarr_stat_get(r->lease->zarr, key, &r->info, &r->value);
    if (rc == HOLOG_E_BUDGET || rc == HOLOG_E_NOMEM) /* it will be read piece by piece */
        rc = holog_zarr_stat(r->lease->zarr, key, &r->info);
    return rc;
}

static struct reply read_key(struct reading *r)
{
    const char *key = r->request->target.key;
    size_t len = strlen(key);
    int rc = look_up(r);

    if (rc == HOLOG_E_STALE)
        return stale(r);
    if (rc < 0)
        return reply_code(rc, false);
    if (r->info.kind == HOLOG_ZARR_KEY)
        return send_key(r);
    if (r->info.kind == HOLOG_ZARR_PREFIX || len == 0)
        return len == 0 || key[len - 1] == '/' ? send_listing(r) : lead_into(r->request);
    return not_found(r->request, r->number);
}

/* ---- states ---------------------------------------------------------------------------------- */

static struct reply read_state(struct request *request)
{
    const struct target *target = &request->target;
    struct views *views = request->server->views;
    struct reading r = { .request = request };
    int rc;

    if (target->bare)
        return lead_into(request);
    if (target->kind == TARGET_LIVE)
        rc = views_newest(views, target->twin, &r.lease);
    else
        rc = views_at(views, target->number, target->twin, &r.lease);
    if (rc == HOLOG_E_INVAL)
        return reply_text(404, "there is no commit %" PRIu64 " yet\n", target->number);
    if (rc < 0)
        return reply_code(rc, false);
    r.number = r.lease->number;
    struct reply reply = read_key(&r);
    holog_value_release(r.value);
    views_return(views, r.lease);
    return reply;
}

static struct reply lead_to_number(struct request *request)
{
    uint64_t number = 0;
    int rc = views_refresh(request->server->views, false);

    if (rc >= 0)
        rc = holog_ref(request->server->settings->store, request->target.ref, &number);
    if (rc == HOLOG_E_INVAL)
        return reply_text(404, "no number, tag, HEAD~N or time\n");
    if (rc < 0)
        return reply_code(rc, false);
    struct reply reply = redirect(target_link(&request->target, number, false));
    reply_header_number(&reply, "Holog-Number", number);
    return reply;
}

/* ---- the server itself ----------------------------------------------------------------------- */

static int put_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    struct page *page = ctx;
    char text[80];

    (void)number;
    (void)time_ns;
    (void)snprintf(text, sizeof text, "@%s", name);
    page_entry(page, text, false, true, 0);
    return 0;
}

static struct reply show_root(const struct request *request)
{
    const struct server_settings *settings = request->server->settings;
    int rc = views_refresh(request->server->views, false);
    uint64_t number = holog_last_number(settings->store);
    struct page page;
    char text[32];

    if (rc < 0)
        return reply_code(rc, false);
    json_object *head = head_of(request, number);
    json_add(head, "path", json_text(settings->path));
    json_add(head, "writable", json_object_new_boolean(settings->writable));
    json_add(head, "version", json_text(holog_version()));
    page_begin(&page, request->target.list, "/", head);
    page_entry(&page, "live", false, true, 0);
    (void)snprintf(text, sizeof text, "@%" PRIu64, number);
    page_entry(&page, text, false, true, 0);
    rc = holog_tag_list(settings->store, put_tag, &page);
    page_link(&page, "healthz", "");
    page_link(&page, "metrics", "");
    if (page.failed == 0 && rc < 0) {
        (void)page_end(&page);
        free(page.data);
        return reply_code(rc, false);
    }
    struct reply reply = send_page(&page);
    reply_header(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    return reply;
}

static struct reply show_health(const struct request *request)
{
    holog_stats stats = { .struct_size = sizeof stats };
    int rc = views_refresh(request->server->views, false);

    if (rc >= 0)
        rc = holog_stats_get(request->server->settings->store, &stats);
    if (rc >= 0 && stats.poisoned != 0)
        return reply_text(503, "an earlier write failed: restart\n");
    return rc < 0 ? reply_code(rc, false) : reply_text(200, "ok\n");
}

static struct reply show_metrics(const struct request *request)
{
    const struct server_settings *settings = request->server->settings;
    char *text = NULL;
    size_t len = 0;
    int rc = metrics_text(&request->server->metrics, settings->name, settings->writable,
                          settings->store, &text, &len);

    if (rc < 0)
        return reply_code(rc, false);
    struct reply reply = reply_buffer(200, text, len);
    reply_header(&reply, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    reply_header(&reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return reply;
}

const char *answer_methods(const struct request *request)
{
    bool live = request->target.kind == TARGET_LIVE && request->target.twin != TWIN_V2;

    return request->server->settings->writable && live ? "GET, HEAD, OPTIONS, PUT, DELETE"
                                                       : "GET, HEAD, OPTIONS";
}

/* What a browser asks before it asks across origins. */
static struct reply show_options(const struct request *request)
{
    struct reply reply = reply_empty(204);

    reply_header(&reply, MHD_HTTP_HEADER_ALLOW, answer_methods(request));
    reply_header(&reply, "Access-Control-Allow-Methods", answer_methods(request));
    reply_header(&reply, "Access-Control-Allow-Headers",
                 "Range, If-Match, If-None-Match, If-Range, Cache-Control, Authorization, "
                 "Content-Type");
    reply_header(&reply, "Access-Control-Max-Age", "86400");
    return reply;
}

struct reply answer_request(struct request *request)
{
    if (request->method == METHOD_OPTIONS)
        return show_options(request);
    switch (request->target.kind) {
    case TARGET_BAD: return reply_text(400, "no key is spelled like this\n");
    case TARGET_TOO_LONG: return reply_text(414, "the target is too long\n");
    case TARGET_ROOT: return show_root(request);
    case TARGET_HEALTH: return show_health(request);
    case TARGET_METRICS: return show_metrics(request);
    case TARGET_REF: return lead_to_number(request);
    case TARGET_LIVE:
    case TARGET_NUMBER: return read_state(request);
    case TARGET_NOTHING: break;
    }
    return reply_text(404, "nothing is here: /live/KEY, /@NUMBER/KEY and /@REF/KEY are\n");
}
