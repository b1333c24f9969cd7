/*
 * Threads that do one thing together, a thread that does one thing at a steady pace, and children
 * that are this program again; see util.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

/* ---- teams ---- */

struct shared {
    const struct bench_team *team;
    pthread_barrier_t start;
    atomic_int failed;
    atomic_uint_fast64_t begin_ns; /* first thread that passed the barrier */
};

struct member {
    struct shared *shared;
    unsigned index;
    pthread_t thread;
    uint64_t ops;
    uint64_t end_ns;
};

static void run_member(struct member *m, void *own)
{
    const struct bench_team *team = m->shared->team;
    uint64_t now = bench_now_ns();
    uint64_t unset = 0;

    (void)atomic_compare_exchange_strong(&m->shared->begin_ns, &unset, now);
    uint64_t deadline = now + team->run_ns;
    while (now < deadline && !atomic_load(&m->shared->failed)) {
        for (unsigned i = 0; i < team->clock_every; i++) {
            if (team->op(own, m->ops) != 0) {
                atomic_store(&m->shared->failed, 1);
                return;
            }
            m->ops++;
        }
        now = bench_now_ns();
    }
    m->end_ns = now;
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    const struct bench_team *team = m->shared->team;
    void *own = NULL;
    int rc = team->begin(team->ctx, m->index, &own);

    if (rc != 0)
        atomic_store(&m->shared->failed, 1);
    (void)pthread_barrier_wait(&m->shared->start);
    if (rc == 0) {
        run_member(m, own);
        if (team->end != NULL)
            team->end(own);
    }
    return NULL;
}

int bench_team_run(const struct bench_team *team, double *out_ops_per_second)
{
    struct shared shared = { .team = team };
    struct member *members = bench_alloc(team->threads * sizeof *members);
    uint64_t ops = 0;
    uint64_t end_ns = 0;

    if (pthread_barrier_init(&shared.start, NULL, team->threads) != 0)
        bench_die("no barrier for %u threads", team->threads);
    for (unsigned i = 0; i < team->threads; i++) {
        members[i] = (struct member){ .shared = &shared, .index = i };
        if (pthread_create(&members[i].thread, NULL, member_main, &members[i]) != 0)
            bench_die("cannot start thread %u", i);
    }
    for (unsigned i = 0; i < team->threads; i++) {
        (void)pthread_join(members[i].thread, NULL);
        ops += members[i].ops;
        end_ns = members[i].end_ns > end_ns ? members[i].end_ns : end_ns;
    }
    (void)pthread_barrier_destroy(&shared.start);
    free(members);
    uint64_t begin_ns = atomic_load(&shared.begin_ns);
    if (atomic_load(&shared.failed) || end_ns <= begin_ns)
        return -1;
    *out_ops_per_second = (double)ops * 1e9 / (double)(end_ns - begin_ns);
    return 0;
}

/* ---- pacer ---- */

struct bench_pacer {
    pthread_t thread;
    uint64_t interval_ns;
    int (*op)(void *own, uint64_t nth);
    void *own;
    atomic_int stop;
    int failed; /* read after the join, as the two below */
    uint64_t ops;
    uint64_t run_ns;
};

static void *pacer_main(void *arg)
{
    struct bench_pacer *p = arg;
    uint64_t begin = bench_now_ns();
    uint64_t next = begin;

    while (!atomic_load(&p->stop) && p->failed == 0) {
        p->failed = p->op(p->own, p->ops);
        p->ops++;
        next += p->interval_ns;
        uint64_t now = bench_now_ns();
        if (now > next + p->interval_ns)
            next = now;
        else
            bench_sleep_until_ns(next);
    }
    p->run_ns = bench_now_ns() - begin;
    return NULL;
}

int bench_pacer_start(uint64_t interval_ns, int (*op)(void *own, uint64_t nth), void *own,
                      struct bench_pacer **out_pacer)
{
    struct bench_pacer *p = bench_alloc(sizeof *p);

    p->interval_ns = interval_ns;
    p->op = op;
    p->own = own;
    if (pthread_create(&p->thread, NULL, pacer_main, p) != 0)
        bench_die("cannot start a thread");
    *out_pacer = p;
    return 0;
}

int bench_pacer_stop(struct bench_pacer *pacer, double *out_ops_per_second)
{
    atomic_store(&pacer->stop, 1);
    (void)pthread_join(pacer->thread, NULL);
    int rc = pacer->failed;
    *out_ops_per_second = (double)pacer->ops * 1e9 / (double)(pacer->run_ns + 1);
    free(pacer);
    return rc;
}

/* ---- children ---- */

static _Noreturn void become_child(const char *const *args, int out_fd)
{
    char program[] = "/proc/self/exe";
    char flag[] = "--child";
    char *argv[BENCH_CHILD_ARGS + 3] = { program, flag };
    unsigned n = 2;

    for (unsigned i = 0; i < BENCH_CHILD_ARGS && args[i] != NULL; i++)
        argv[n++] = strdup(args[i]);
    if (dup2(out_fd, STDOUT_FILENO) >= 0)
        (void)execv(program, argv);
    _exit(127);
}

static int read_child(FILE *from, struct bench_child_result *out_result)
{
    char line[1024];
    int rc = 0;

    while (fgets(line, sizeof line, from) != NULL) {
        char *end;
        double value = strtod(line, &end);
        if (end == line)
            rc = bench_fail("child: %.*s", (int)strcspn(line, "\n"), line);
        else if (out_result->count < BENCH_CHILD_OUT)
            out_result->values[out_result->count++] = value;
    }
    return rc;
}

/* What the child says until it closes its end. */
static int listen_to_child(int fd, struct bench_child_result *out_result)
{
    FILE *from = fdopen(fd, "r");

    if (from == NULL) {
        (void)close(fd);
        return bench_fail("fdopen: errno %d", errno);
    }
    int rc = read_child(from, out_result);
    (void)fclose(from);
    return rc;
}

int bench_child_run(const char *const *args, struct bench_child_result *out_result)
{
    int fds[2];
    int status = 0;

    memset(out_result, 0, sizeof *out_result);
    if (pipe2(fds, O_CLOEXEC) != 0)
        return bench_fail("pipe: errno %d", errno);
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork: errno %d", errno);
    if (pid == 0)
        become_child(args, fds[1]);
    (void)close(fds[1]);
    int rc = listen_to_child(fds[0], out_result);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    out_result->killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (rc == 0 && !out_result->killed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        rc = bench_fail("child %s ended with status %#x", args[0], (unsigned)status);
    return rc;
}

double bench_peak_rss_bytes(void)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "re");

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtod(line + 6, NULL);
    }
    (void)fclose(f);
    return kib * 1024;
}
