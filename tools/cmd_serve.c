/*
 * cmd_serve.c: serve. Options, the token, the socket, and the wait for a signal; the rest is in serve/.
 */
#include "verbs.h"

#if HOLOG_HAVE_SERVE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/server.h"

#define PORT_DEFAULT        8080u
#define CONNECTIONS_DEFAULT 256u
#define CONNECTIONS_MAX     100000u
#define BODY_DEFAULT        ((uint64_t)1 << 30)
#define TIDY_MS             5000
#define STOP_WAIT_NS        10000000000u /* for answers that are on their way */

/* ---- the token ------------------------------------------------------------------------------- */

/* A secret that others may read is none. */
static int check_token_file(const struct args *args, int fd)
{
    const char *name = args->text[OPT_TOKEN];
    struct stat st;

    if (fstat(fd, &st) != 0)
        return cli_fail_errno(args, errno, "look at", name);
    if (!S_ISREG(st.st_mode))
        return cli_fail_text(args, "%s is no file", name);
    if ((st.st_mode & 077) != 0)
        return cli_fail_text(args, "others can read %s: chmod 600 it", name);
    return EXIT_DONE;
}

/* Cuts the line's end off. */
static int check_token(const struct args *args, char *token, size_t len)
{
    const char *name = args->text[OPT_TOKEN];

    while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r'))
        len--;
    token[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (token[i] < '!' || token[i] > '~')
            return cli_fail_text(args, "%s: a token is one line of ASCII without blanks", name);
    }
    if (len < TOKEN_MIN)
        return cli_fail_text(args,
                             "%s: a token has at least %d bytes: 'openssl rand -hex 32' makes one",
                             name, TOKEN_MIN);
    return EXIT_DONE;
}

/* *out_token is malloc'd. */
static int read_token(const struct args *args, char **out_token)
{
    const char *name = args->text[OPT_TOKEN];
    uint8_t *data = NULL;
    size_t len = 0;
    bool more = false;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return cli_fail_errno(args, errno, "open", name);
    int status = check_token_file(args, fd);
    int error = status == EXIT_DONE ? file_read(fd, TOKEN_MAX, &data, &len, &more) : 0;
    (void)close(fd); /* it was only read */
    if (error != 0)
        return cli_fail_errno(args, error, "read", name);
    if (status != EXIT_DONE)
        return status;
    char *token = calloc(1, TOKEN_MAX + 2);
    if (token != NULL && len > 0)
        memcpy(token, data, len);
    free(data);
    if (token == NULL)
        return cli_fail_errno(args, ENOMEM, "read", name);
    status = more ? cli_fail_text(args, "%s: a token has at most %d bytes", name, TOKEN_MAX)
                  : check_token(args, token, len);
    if (status != EXIT_DONE)
        free(token);
    else
        *out_token = token;
    return status;
}

/* ---- the socket ------------------------------------------------------------------------------ */

struct place {
    const char *address;
    unsigned port;
    int fd;
    bool loopback;
    char url[128];
};

static bool is_loopback(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
}

/* The port that was given for 0. */
static unsigned port_of(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET) {
        memcpy(&v4, &address, sizeof v4);
        return ntohs(v4.sin_port);
    }
    memcpy(&v6, &address, sizeof v6);
    return ntohs(v6.sin6_port);
}

/* 0 or errno. */
static int open_socket(const struct addrinfo *found, struct place *place)
{
    const int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return errno;
    /* Without it a restart would wait for connections of the last run; failing only means that. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        int error = errno;
        (void)close(fd); /* nothing came of it */
        return error;
    }
    bool v6 = found->ai_family == AF_INET6;
    place->fd = fd;
    place->loopback = is_loopback(found->ai_addr);
    place->port = port_of(fd);
    (void)snprintf(place->url, sizeof place->url, "http://%s%s%s:%u/", v6 ? "[" : "",
                   place->address, v6 ? "]" : "", place->port);
    return 0;
}

static int listen_at(const struct args *args, struct place *place)
{
    const struct addrinfo wanted = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *found = NULL;
    char port[8];
    char where[96];

    (void)snprintf(port, sizeof port, "%u", place->port);
    int failed = getaddrinfo(place->address, port, &wanted, &found);
    if (failed == EAI_NONAME || failed == EAI_ADDRFAMILY)
        return cli_usage(args, "--bind: \"%s\" is no address (127.0.0.1, 0.0.0.0, ::1)",
                         place->address);
    if (failed != 0)
        return cli_fail_text(args, "--bind %s: %s", place->address, gai_strerror(failed));
    int error = open_socket(found, place);
    freeaddrinfo(found);
    (void)snprintf(where, sizeof where, "%s, port %s", place->address, port);
    return error != 0 ? cli_fail_errno(args, error, "listen at", where) : EXIT_DONE;
}

/* ---- settings -------------------------------------------------------------------------------- */

static int check_usage(const struct args *args)
{
    uint64_t connections = args->number[OPT_MAX_CONNECTIONS];

    if (args->given[OPT_PORT] && args->number[OPT_PORT] > 65535)
        return cli_usage(args, "--port: a port is at most 65535");
    if (args->given[OPT_MAX_CONNECTIONS] && (connections == 0 || connections > CONNECTIONS_MAX))
        return cli_usage(args, "--max-connections: from 1 to %u", CONNECTIONS_MAX);
    if (args->given[OPT_WRITABLE] != args->given[OPT_TOKEN])
        return cli_usage(args, "--writable and --token FILE go together");
    if (args->given[OPT_MAX_BODY] && !args->given[OPT_WRITABLE])
        return cli_usage(args, "--max-body goes with --writable");
    return EXIT_DONE;
}

/* What is received lies in memory until it is saved. */
static int choose_bodies(const struct args *args, struct server_settings *settings)
{
    holog_stats stats = { .struct_size = sizeof stats };
    char text[HUMAN_MAX];
    int rc = holog_stats_get(settings->store, &stats);

    if (rc < 0)
        return cli_fail(args, rc, args->operands[0]);
    uint64_t most = stats.budget_bytes / 2;
    settings->bodies_max_bytes = most;
    if (!args->given[OPT_MAX_BODY]) {
        settings->max_body_bytes = BODY_DEFAULT < most / 2 ? BODY_DEFAULT : most / 2;
        return EXIT_DONE;
    }
    if (args->number[OPT_MAX_BODY] > most)
        return cli_fail_text(args, "--max-body: at most %s, half of the memory budget",
                             human_bytes(most, text));
    settings->max_body_bytes = args->number[OPT_MAX_BODY];
    return EXIT_DONE;
}

/* Of a store that nobody writes here a directory that is missing is a mistake. */
static int check_path(const struct args *args, const struct server_settings *settings)
{
    holog_stat_info info = { .struct_size = sizeof info };
    int rc = holog_stat(settings->store, settings->path, &info);

    if (rc < 0 && !(settings->writable && rc == HOLOG_E_NOENT))
        return cli_fail(args, rc, settings->path);
    if (info.type == HOLOG_MISSING && !settings->writable)
        return cli_fail_text(args, "%s: no such directory", settings->path);
    if (info.type == HOLOG_BLOB)
        return cli_fail_text(args, "%s is no directory", settings->path);
    return EXIT_DONE;
}

/* ---- serving --------------------------------------------------------------------------------- */

/* Until a signal comes. */
static void wait_for_signal(struct server *server, int wake_fd)
{
    struct pollfd wake = { .fd = wake_fd, .events = POLLIN };

    while (!interrupted()) {
        (void)poll(&wake, 1, TIDY_MS); /* whatever woke it, the loop looks */
        server_tidy(server);
    }
}

static int serve(const struct args *args, const struct server_settings *settings,
                 const struct place *place, int wake_fd)
{
    struct server *server = NULL;
    int error = server_start(settings, place->fd, &server);

    if (error != 0) {
        (void)close(place->fd); /* nothing was sent */
        return cli_fail_errno(args, error, "start", "the server");
    }
    (void)fputs("serving ", stdout);
    put_name(stdout, settings->name);
    (void)printf(" at %s (%s)\n", place->url, settings->writable ? "writable" : "read-only");
    int status = cli_flush(args, EXIT_DONE);
    if (status == EXIT_DONE)
        wait_for_signal(server, wake_fd);
    server_stop(server, STOP_WAIT_NS);
    return status;
}

static int open_and_serve(const struct args *args, struct server_settings *settings,
                          struct place *place)
{
    int wake_fd = -1;
    int error = interrupted_fd(&wake_fd);

    if (error != 0)
        return cli_fail_errno(args, error, "make", "an eventfd");
    (void)signal(SIGPIPE, SIG_IGN); /* a client that goes is no reason to end */
    catch_signals();
    int status = cli_open(args, settings->writable ? OPEN_WRITE : OPEN_READ, &settings->store);
    if (status != EXIT_DONE)
        return status;
    status = check_path(args, settings);
    if (status == EXIT_DONE && settings->writable)
        status = choose_bodies(args, settings);
    if (status == EXIT_DONE)
        status = listen_at(args, place);
    if (status == EXIT_DONE && settings->writable && !place->loopback)
        cli_note(args, "whoever knows the token can change the store from other machines, and the "
                       "token goes over the network as it is: put a proxy with TLS in front");
    if (status == EXIT_DONE)
        status = serve(args, settings, place, wake_fd);
    return cli_close(args, settings->store, status);
}

int verb_serve(const struct args *args)
{
    char *token = NULL;
    int status = check_usage(args);

    if (status == EXIT_DONE && args->given[OPT_TOKEN])
        status = read_token(args, &token);
    if (status != EXIT_DONE)
        return status;
    struct server_settings settings = {
        .name = args->operands[0],
        .path = args->given[OPT_PATH] ? args->text[OPT_PATH] : "/",
        .writable = args->given[OPT_WRITABLE],
        .verbose = args->given[OPT_VERBOSE],
        .token = token,
        .connections_max = args->given[OPT_MAX_CONNECTIONS]
                               ? (unsigned)args->number[OPT_MAX_CONNECTIONS]
                               : CONNECTIONS_DEFAULT,
    };
    struct place place = {
        .address = args->given[OPT_BIND] ? args->text[OPT_BIND] : "127.0.0.1",
        .port = args->given[OPT_PORT] ? (unsigned)args->number[OPT_PORT] : PORT_DEFAULT,
        .fd = -1,
    };
    status = open_and_serve(args, &settings, &place);
    free(token);
    return status;
}

#else

int verb_serve(const struct args *args)
{
    return cli_fail_text(args, "this holog was built without libmicrohttpd: install "
                               "libmicrohttpd-dev and build it again");
}

#endif
