/*
 * change.c: PUT and DELETE, each one durable commit.
 *
 * A condition (If-Match, If-None-Match) is about bytes as they are served, which need not be one entry of
 * the store (a shard, a document that is made up), so a transaction cannot be told to expect them. It holds
 * all the same: the store is open for writing here and nowhere else, all changes go through the lock
 * `changes`, and one with a condition has it alone from the look to the commit. Changes without one share
 * the lock, and so their commits share the disk's writes. When two of them meet in what they read
 * (HOLOG_E_CONFLICT), the one that came second tries again, at last alone.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <holog/zarr.h>

#include "serve/request.h"

#define TRIES_SHARED 4
#define ROOM_MIN     ((size_t)64 << 10)
#define DROP_MAX \
    ((uint64_t)64 << 20) /* of a body that is refused is read, so that its sender hears why */

/* ---- who may --------------------------------------------------------------------------------- */

/* Takes as long whatever the bytes are; the length of ours is no secret. */
static bool same_token(const char *ours, const char *theirs)
{
    size_t len = strlen(ours);
    size_t their_len = strlen(theirs);
    unsigned differ = len != their_len;

    for (size_t i = 0; i < their_len; i++)
        differ |= (unsigned)(unsigned char)ours[i % len] ^ (unsigned)(unsigned char)theirs[i];
    return differ == 0;
}

static bool may_change(const struct request *request)
{
    const char *header = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION);

    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
        return false;
    header += 7;
    while (*header == ' ')
        header++;
    return same_token(request->server->settings->token, header);
}

static struct reply who_are_you(const struct request *request)
{
    bool tried = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION) != NULL;
    struct reply reply = reply_text(401, "changes need the token of this server\n");

    reply_header(&reply, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                 tried ? "Bearer realm=\"holog\", error=\"invalid_token\""
                       : "Bearer realm=\"holog\"");
    return reply;
}

/* ---- the body -------------------------------------------------------------------------------- */

/* Its share of what may be received at once. */
static bool reserve(struct request *request, uint64_t bytes)
{
    struct server *server = request->server;
    uint64_t sum = atomic_fetch_add(&server->bodies_bytes, bytes) + bytes;

    request->body_reserved += bytes;
    return sum <= server->settings->bodies_max_bytes;
}

/* 0, or the status to answer. */
static int grow(struct request *request, size_t room)
{
    if (room > request->server->settings->max_body_bytes)
        return 413;
    if (!reserve(request, room - request->body_room))
        return 503;
    uint8_t *grown = holog_buffer_new(room);
    if (grown == NULL)
        return 503;
    if (request->body_len > 0)
        memcpy(grown, request->body, request->body_len);
    holog_buffer_free(request->body);
    request->body = grown;
    request->body_room = room;
    return 0;
}

static int take(struct request *request, const void *data, size_t len_bytes)
{
    uint64_t max = request->server->settings->max_body_bytes;
    uint64_t needed = (uint64_t)request->body_len + len_bytes;
    int status = 0;

    if (needed > request->body_room) {
        uint64_t room = request->body_room < ROOM_MIN ? ROOM_MIN : 2 * (uint64_t)request->body_room;
        room = room < needed ? needed : room;
        status = grow(request, (size_t)(room > max && needed <= max ? max : room));
    }
    if (status != 0)
        return status;
    memcpy(request->body + request->body_len, data, len_bytes);
    request->body_len += len_bytes;
    return 0;
}

bool change_body(struct request *request, const void *data, size_t len_bytes)
{
    atomic_fetch_add(&request->server->metrics.received_bytes, len_bytes);
    if (request->body_failed == 0)
        request->body_failed = take(request, data, len_bytes);
    if (request->body_failed != 0)
        request->body_dropped += len_bytes;
    return request->body_dropped <= DROP_MAX;
}

void change_ends(struct request *request)
{
    holog_buffer_free(request->body);
    request->body = NULL;
    atomic_fetch_sub(&request->server->bodies_bytes, request->body_reserved);
    request->body_reserved = 0;
}

static struct reply refuse_body(const struct request *request, int status)
{
    struct reply reply;

    if (status == 413)
        return reply_text(413, "at most %llu bytes are taken\n",
                          (unsigned long long)request->server->settings->max_body_bytes);
    reply = reply_text(503, "too much is being received at once\n");
    reply_header(&reply, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    return reply;
}

/* ---- before the body ------------------------------------------------------------------------- */

/* Whether the body that is announced can be taken: 0, or the status. */
static int judge_length(struct request *request)
{
    const char *header = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t len_bytes = 0;

    if (header == NULL || !parse_number(header, &len_bytes) || len_bytes == 0)
        return 0; /* in chunks, or none; microhttpd has refused what is no number */
    return len_bytes > request->server->settings->max_body_bytes ? 413
                                                                 : grow(request, (size_t)len_bytes);
}

bool change_begins(struct request *request, struct reply *out_reply)
{
    const char *encoding = request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
    const char *key = request->target.key;
    size_t len = strlen(key);

    if (!may_change(request)) {
        *out_reply = who_are_you(request);
        return false;
    }
    if (len == 0 || key[len - 1] == '/') {
        *out_reply = reply_text(400, "a key is needed, not a directory\n");
        return false;
    }
    if (request_header(request, MHD_HTTP_HEADER_CONTENT_RANGE) != NULL) {
        *out_reply = reply_text(400, "values are replaced whole\n");
        return false;
    }
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
        *out_reply = reply_text(415, "bytes are kept as they come: no Content-Encoding\n");
        return false;
    }
    int status = request->method == METHOD_PUT ? judge_length(request) : 0;
    if (status != 0)
        *out_reply = refuse_body(request, status);
    return status == 0;
}

/* ---- the commit ------------------------------------------------------------------------------ */

/* What the key is, as of a number; UINT64_MAX: of the newest. Missing directories above it are no error. */
static int look(const struct request *request, uint64_t number, holog_zarr_info *out_info)
{
    const struct server_settings *settings = request->server->settings;
    unsigned flags = request->target.twin == TWIN_V3 ? (unsigned)HOLOG_ZARR_CONSOLIDATED : 0;
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_view *view = NULL;
    holog_zarr *zarr = NULL;

    int rc = number == UINT64_MAX ? holog_view_open(settings->store, &view)
                                  : holog_view_open_at(settings->store, number, &view);
    if (rc >= 0)
        rc = holog_zarr_open(view, settings->path, flags, &zarr);
    if (rc >= 0)
        rc = holog_zarr_stat(zarr, request->target.key, &info);
    holog_zarr_close(zarr);
    holog_view_close(view);
    if (rc == HOLOG_E_NOENT)
        rc = HOLOG_OK;
    if (rc >= 0)
        *out_info = info;
    return rc;
}

static int commit(const struct request *request, uint64_t *out_number)
{
    const struct server_settings *settings = request->server->settings;
    const char *key = request->target.key;
    holog_txn *txn = NULL;
    int rc = holog_begin(settings->store, &txn);

    if (rc >= 0 && request->method == METHOD_PUT)
        rc = holog_txn_zarr_set(txn, settings->path, key, request->body, request->body_len);
    else if (rc >= 0)
        rc = holog_txn_zarr_delete(txn, settings->path, key);
    if (rc >= 0) {
        rc = holog_commit(txn, out_number);
        if (rc != HOLOG_E_AGAIN)
            txn = NULL; /* freed, also when it failed */
    }
    holog_abort(txn);
    return rc;
}

struct outcome {
    bool existed;
    enum verdict verdict;
    uint64_t number;
};

/* With the lock, alone if there is a condition. */
static int try_once(const struct request *request, const struct conditional *conditional,
                    struct outcome *out)
{
    holog_zarr_info info;
    char etag[ETAG_ROOM];
    int rc = look(request, UINT64_MAX, &info);

    if (rc < 0)
        return rc;
    out->existed = info.kind == HOLOG_ZARR_KEY;
    if (out->existed)
        etag_print(info.etag, etag);
    out->verdict = conditional_judge(conditional, out->existed ? etag : NULL, true);
    return out->verdict == VERDICT_GO_ON ? commit(request, &out->number) : HOLOG_OK;
}

static int try_often(const struct request *request, const struct conditional *conditional,
                     struct outcome *out)
{
    bool alone = conditional->if_match != NULL || conditional->if_none_match != NULL;
    pthread_rwlock_t *lock = &request->server->changes;
    int rc = HOLOG_E_CONFLICT;

    for (int i = 0; rc == HOLOG_E_CONFLICT && i <= TRIES_SHARED; i++) {
        if (alone || i == TRIES_SHARED)
            (void)pthread_rwlock_wrlock(lock); /* nobody has it twice: cannot fail */
        else
            (void)pthread_rwlock_rdlock(lock);
        rc = try_once(request, conditional, out);
        (void)pthread_rwlock_unlock(lock);
    }
    return rc;
}

static struct reply tell(const struct request *request, const struct outcome *outcome)
{
    struct reply reply =
        reply_empty(request->method == METHOD_PUT && !outcome->existed ? 201 : 204);
    struct target at = request->target;
    holog_zarr_info info = { .struct_size = sizeof info };
    char etag[ETAG_ROOM];

    reply_header_number(&reply, "Holog-Number", outcome->number);
    if (request->method != METHOD_PUT)
        return reply;
    at.kind = TARGET_NUMBER;
    char *link = target_link(&at, outcome->number, false);
    if (link != NULL)
        reply_header(&reply, "Content-Location", link);
    free(link);
    if (look(request, outcome->number, &info) >= 0 && info.kind == HOLOG_ZARR_KEY) {
        etag_print(info.etag, etag); /* without it a client asks again */
        reply_header(&reply, MHD_HTTP_HEADER_ETAG, etag);
    }
    return reply;
}

struct reply change_request(struct request *request)
{
    struct condition_headers headers;
    struct outcome outcome = { 0 };

    if (request->body_failed != 0)
        return refuse_body(request, request->body_failed);
    if (!request_conditions(request, &headers))
        return reply_text(431, "a condition is too long\n");
    int rc = try_often(request, &headers.conditional, &outcome);
    change_ends(request); /* before the client hears of it: its next body may need the room */
    if (rc < 0)
        return reply_code(rc, true);
    return outcome.verdict == VERDICT_GO_ON ? tell(request, &outcome)
                                            : reply_text(412, "it is not as you say\n");
}
