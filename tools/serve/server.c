/*
 * server.c: connections and requests, from libmicrohttpd and back to it.
 */
#include "serve/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "serve/request.h"

#define THREADS_MAX       16u
#define IDLE_S            60u         /* a connection on which nothing moves is closed */
#define CONNECTION_MEMORY (64u << 10) /* headers of a request must fit */
#define STOP_LOOK_NS      5000000

/* ---- requests -------------------------------------------------------------------------------- */

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct joining {
    const char *name;
    char *buf; /* CONDITION_MAX */
    size_t len;
    bool any;
    bool failed;
};

static enum MHD_Result join(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct joining *j = ctx;
    size_t len = value != NULL ? strlen(value) : 0;

    (void)kind;
    if (strcasecmp(name, j->name) != 0)
        return MHD_YES;
    if (len > CONDITION_MAX - j->len - 3) {
        j->failed = true;
        return MHD_NO;
    }
    if (j->any)
        j->buf[j->len++] = ',';
    if (len > 0)
        memcpy(j->buf + j->len, value, len);
    j->len += len;
    j->buf[j->len] = '\0';
    j->any = true;
    return MHD_YES;
}

/* NULL in *out: no such header. */
static bool join_headers(const struct request *request, const char *name, char *buf,
                         const char **out)
{
    struct joining j = { .name = name, .buf = buf };

    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, join, &j);
    *out = j.any ? buf : NULL;
    return !j.failed;
}

bool request_conditions(const struct request *request, struct condition_headers *out)
{
    out->conditional.if_range = request_header(request, MHD_HTTP_HEADER_IF_RANGE);
    return join_headers(request, MHD_HTTP_HEADER_IF_MATCH, out->if_match,
                        &out->conditional.if_match) &&
           join_headers(request, MHD_HTTP_HEADER_IF_NONE_MATCH, out->if_none_match,
                        &out->conditional.if_none_match);
}

static enum method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum method method;
    } methods[] = {
        { "GET", METHOD_GET }, { "HEAD", METHOD_HEAD },     { "OPTIONS", METHOD_OPTIONS },
        { "PUT", METHOD_PUT }, { "DELETE", METHOD_DELETE },
    };

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    }
    return METHOD_OTHER;
}

/* Called with the request line, before headers have come. What it returns is the request's context. */
static void *request_new(void *ctx, const char *target, struct MHD_Connection *connection)
{
    struct server *server = ctx;
    size_t room = strlen(target) + 1;
    struct request *request = malloc(sizeof *request + 2 * room);

    atomic_fetch_add(&server->metrics.requests_open, 1);
    if (request == NULL)
        return NULL; /* the handler closes the connection */
    *request = (struct request){
        .server = server,
        .connection = connection,
        .start_ns = now_ns(),
        .line = target,
    };
    memcpy(request->raw, target, room);
    target_parse(target, request->raw + room, &request->target);
    return request;
}

static size_t leave_escaped(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text); /* target.c has read the target as it came */
}

/* ---- answering ------------------------------------------------------------------------------- */

/* Others may be waiting to be let in: connections that are kept for later must not keep them out. */
static bool is_crowded(const struct server *server)
{
    unsigned max = server->settings->connections_max;

    return atomic_load(&server->metrics.connections_open) >= max - max / 8;
}

static enum MHD_Result send_reply(struct request *request, struct reply *reply)
{
    if (reply->response == NULL)
        return MHD_NO;
    if (atomic_load(&request->server->stopping) || is_crowded(request->server))
        reply_header(reply, MHD_HTTP_HEADER_CONNECTION, "close");
    request->status = reply->status;
    request->body_bytes = request->method == METHOD_HEAD ? 0 : reply->body_bytes;
    enum MHD_Result result =
        MHD_queue_response(request->connection, reply->status, reply->response);
    MHD_destroy_response(reply->response); /* microhttpd has counted itself in */
    return result;
}

static bool has_body(const struct request *request)
{
    const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL ||
           (length != NULL && strcmp(length, "0") != 0);
}

static struct reply wrong_method(const struct request *request)
{
    struct reply reply = reply_text(405, "here go: %s\n", answer_methods(request));

    reply_header(&reply, MHD_HTTP_HEADER_ALLOW, answer_methods(request));
    return reply;
}

/* What has a NUL in it comes cut there. It lies in the request line, one byte in front of the version: what was cut
 * off is between them (microhttpd 1.0 and later refuse such lines themselves). */
static bool is_cut(const struct request *request, const char *version)
{
    return (uintptr_t)version != (uintptr_t)request->line + strlen(request->raw) + 1;
}

/* The headers are there. False: *out is the answer already. */
static bool begin(struct request *request, struct reply *out)
{
    bool is_change = request->method == METHOD_PUT || request->method == METHOD_DELETE;
    bool takes_changes = strstr(answer_methods(request), "PUT") != NULL;
    bool is_named = request->target.kind != TARGET_BAD && request->target.kind != TARGET_TOO_LONG;

    if (request->method == METHOD_OTHER || (is_change && is_named && !takes_changes))
        *out = wrong_method(request);
    else if (request->method != METHOD_PUT && has_body(request))
        *out = reply_text(400, "no body goes with that\n");
    else if (is_change && !is_named)
        *out = answer_request(request); /* says what is wrong with the target */
    else
        return !is_change || change_begins(request, out);
    return false;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_len, void **context)
{
    struct request *request = *context;
    struct reply reply;

    (void)ctx;
    (void)connection;
    (void)url; /* the request has the target */
    if (request == NULL)
        return MHD_NO; /* no memory */
    if (!request->begun) {
        request->begun = true;
        if (is_cut(request, version))
            request->target.kind = TARGET_BAD;
        request->method = method_of(method);
        (void)snprintf(request->method_name, sizeof request->method_name, "%s", method);
        return begin(request, &reply) ? MHD_YES : send_reply(request, &reply);
    }
    if (*data_len > 0) {
        bool go_on = change_body(request, data, *data_len);
        *data_len = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    bool is_change = request->method == METHOD_PUT || request->method == METHOD_DELETE;
    reply = is_change ? change_request(request) : answer_request(request);
    return send_reply(request, &reply);
}

/* ---- afterwards ------------------------------------------------------------------------------ */

static const char *peer_of(const struct request *request, char *buf, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct sockaddr_storage address;

    if (info == NULL || info->client_addr == NULL)
        return "-";
    if (info->client_addr->sa_family == AF_INET) {
        memcpy(&address, info->client_addr, sizeof(struct sockaddr_in));
        return inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)&address)->sin_addr,
                         buf, (socklen_t)size);
    }
    memcpy(&address, info->client_addr, sizeof(struct sockaddr_in6));
    return inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)&address)->sin6_addr,
                     buf, (socklen_t)size);
}

static void put_log(const struct request *request, uint64_t took_ns, bool whole)
{
    char peer[INET6_ADDRSTRLEN];
    char took[HUMAN_MAX];
    const char *from = peer_of(request, peer, sizeof peer);

    flockfile(stderr);
    (void)fprintf(stderr, "%s ", from != NULL ? from : "-");
    put_escaped(stderr, request->begun ? request->method_name : "-");
    (void)fputc(' ', stderr);
    put_escaped(stderr, request->raw);
    (void)fprintf(stderr, " %u %" PRIu64 " %s%s\n", request->status, request->body_bytes,
                  human_duration(took_ns, took), whole ? "" : " broken off");
    funlockfile(stderr);
}

static void request_done(void *ctx, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct server *server = ctx;
    struct request *request = *context;
    bool whole = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;

    (void)connection;
    *context = NULL;
    if (request != NULL) {
        uint64_t took_ns = now_ns() - request->start_ns;
        whole = whole && request->status != 0 && request->status < METRICS_STATUS_MAX;
        if (whole) {
            atomic_fetch_add(&server->metrics.answers[request->status], 1);
            atomic_fetch_add(&server->metrics.sent_bytes, request->body_bytes);
            atomic_fetch_add(&server->metrics.time_ns, took_ns);
        }
        if (server->settings->verbose)
            put_log(request, took_ns, whole);
        change_ends(request);
        free(request);
    }
    if (request == NULL || !whole)
        atomic_fetch_add(&server->metrics.broken, 1);
    atomic_fetch_sub(&server->metrics.requests_open, 1); /* last: server_stop waits for it */
}

static void connection_changed(void *ctx, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct server *server = ctx;

    (void)connection;
    (void)context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        atomic_fetch_add(&server->metrics.connections, 1);
        atomic_fetch_add(&server->metrics.connections_open, 1);
    } else {
        atomic_fetch_sub(&server->metrics.connections_open, 1);
    }
}

/* ---- the server ------------------------------------------------------------------------------ */

/* Twice as many as there are processors, since they wait for the disk; each has a connection at least. */
static unsigned thread_count(unsigned connections_max)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = cpus < 2 ? 4 : (unsigned)(2 * cpus);

    count = count > THREADS_MAX ? THREADS_MAX : count;
    return count > connections_max ? connections_max : count;
}

static struct MHD_Daemon *start_daemon(struct server *server, int listen_fd)
{
    unsigned connections_max = server->settings->connections_max;
    unsigned threads = thread_count(connections_max);
    struct MHD_OptionItem options[] = {
        { MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL },
        { MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connections_max, NULL },
        { MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
        { threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL },
        { MHD_OPTION_END, 0, NULL },
    };

    /* Not epoll: with it microhttpd 0.9.75 overlooks the end of a connection that comes together with the
     * last bytes, and holds it until it has been idle for IDLE_S. */
    return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle,
                            server, /* these with functions cannot stand in the table */
                            MHD_OPTION_URI_LOG_CALLBACK, request_new, server,
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
                            MHD_OPTION_NOTIFY_COMPLETED, request_done, server,
                            MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server,
                            MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

int server_start(const struct server_settings *settings, int listen_fd, struct server **out)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return ENOMEM;
    server->settings = settings;
    int error = pthread_rwlock_init(&server->changes, NULL);
    if (error != 0)
        goto no_lock;
    server->views = views_new(settings->store, settings->path, !settings->writable);
    error = ENOMEM;
    if (server->views == NULL)
        goto no_views;
    errno = 0;
    server->daemon = start_daemon(server, listen_fd);
    if (server->daemon == NULL) {
        error = errno != 0 ? errno : EAGAIN;
        goto no_views;
    }
    *out = server;
    return 0;
no_views:
    views_free(server->views);
    (void)pthread_rwlock_destroy(&server->changes); /* nobody has it */
no_lock:
    free(server);
    return error;
}

void server_tidy(struct server *server)
{
    views_expire(server->views, false);
}

void server_stop(struct server *server, uint64_t wait_ns)
{
    const struct timespec pause = { .tv_nsec = STOP_LOOK_NS };

    if (server == NULL)
        return;
    atomic_store(&server->stopping, true);
    MHD_socket listen_fd = MHD_quiesce_daemon(server->daemon);
    if (listen_fd != MHD_INVALID_SOCKET)
        (void)shutdown(listen_fd, SHUT_RDWR); /* threads may look at it still: closed below */
    uint64_t start_ns = now_ns();
    while (atomic_load(&server->metrics.requests_open) > 0 && now_ns() - start_ns < wait_ns)
        (void)nanosleep(&pause, NULL);
    MHD_stop_daemon(server->daemon); /* also waits for handlers: nobody has a lease then */
    if (listen_fd != MHD_INVALID_SOCKET)
        (void)close(listen_fd); /* nothing was written to it */
    views_free(server->views);
    (void)pthread_rwlock_destroy(&server->changes);
    free(server);
}
