/*
 * holog-bench: the command line, the rounds, the report. README.md says what the numbers mean.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "machine.h"

static const struct bench_scale full_scale = {
    .team_secs = 1.0,
    .latency_secs = 2.0,
    .keys = 1000000,
    .save_images = 256,
    .durable_images = 64,
    .load_images = 64,
    .list_entries = 1000000,
    .tail_mib = 64,
    .recovery_mib = 1024,
    .space_values = 4096,
    .lone_commits = 3000,
    .budget_values_mib = 4096,
    .history_commits = 100000,
    .delta_value_mib = 1024,
    .deltas = 1000000,
    .churn_mib = 1024,
    .compact_mib = 1024,
    .compact_idle_secs = 8,
    .rewrite_wells = 8,
    .rewrite_planes = 24,
    .rewrite_rounds = 100,
    .plane_side = 2048,
    .version_planes = { 24, 96 },
    .extent_mib = 256,
    .frame_mib = 64,
};

static const struct bench_scale quick_scale = {
    .team_secs = 0.05,
    .latency_secs = 0.06,
    .keys = 20000,
    .save_images = 8,
    .durable_images = 4,
    .load_images = 8,
    .list_entries = 20000,
    .tail_mib = 4,
    .recovery_mib = 32,
    .space_values = 256,
    .lone_commits = 200,
    .budget_values_mib = 320,
    .history_commits = 2000,
    .delta_value_mib = 16,
    .deltas = 20000,
    .churn_mib = 32,
    .compact_mib = 32,
    .compact_idle_secs = 0.5,
    .rewrite_wells = 8,
    .rewrite_planes = 24,
    .rewrite_rounds = 20,
    .plane_side = 512,
    .version_planes = { 24, 48 },
    .extent_mib = 8,
    .frame_mib = 4,
};

const struct bench_workload *const bench_workloads[] = {
    &bench_durable_1t,  &bench_durable_16t,     &bench_durable_64t,
    &bench_async,       &bench_latency,         &bench_durable_64k,
    &bench_bulk_random, &bench_bulk_sorted,     &bench_get,
    &bench_save_images, &bench_durable_images,  &bench_load_images,
    &bench_space,       &bench_verify,          &bench_reopen,
    &bench_recovery,    &bench_growth,          &bench_ram,
    &bench_list,        &bench_budget,          &bench_history,
    &bench_delta,       &bench_deltas,          &bench_churn,
    &bench_churn_4k,    &bench_compact_latency, &bench_rewrite,
    &bench_versions,
};
const unsigned bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];

static const struct bench_child children[] = {
    { "tail", bench_child_tail },       { "log", bench_child_log },
    { "budget", bench_child_budget },   { "churn", bench_child_churn },
    { "rewrite", bench_child_rewrite },
};

const struct bench_engine *bench_engine_by_name(const char *name)
{
    for (unsigned i = 0; i < bench_engine_count; i++) {
        if (strcmp(bench_engines[i]->name, name) == 0)
            return bench_engines[i];
    }
    return NULL;
}

/* ---- command line ---- */

struct options {
    int quick;
    int list;
    unsigned rounds;     /* 0: 5, or 3 with --quick */
    const char *only;    /* names with commas, or NULL */
    const char *engines; /* likewise */
    const char *dir;
    const char *json;
};

static void print_help(FILE *to)
{
    (void)fputs("usage: holog-bench [OPTION]...\n"
                "Measures holog beside other stores on the same disk in the same run.\n"
                "\n"
                "  --quick           everything much smaller, under a minute; a first look only\n"
                "  --only NAME,...   these workloads (--list names them)\n"
                "  --engines NAME,...  these engines; the disk itself (raw) is always measured\n"
                "  --rounds N        rounds, 1-32 (default 5, with --quick 3)\n"
                "  --dir DIR         scratch directory on the disk to measure (./bench-scratch);\n"
                "                    what the bench made in it is removed at the end\n"
                "  --json FILE       write everything as JSON too\n"
                "  --list            name workloads and engines\n"
                "  --help            this\n"
                "\n"
                "Exit status: 0 measured, 1 something failed, 2 usage. A missed target is no\n"
                "failure: the table says it.\n",
                to);
}

/* Whether name is one of the comma-separated names (NULL: always). */
static int is_named(const char *names, const char *name)
{
    size_t len = strlen(name);

    if (names == NULL)
        return 1;
    for (const char *at = names; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return 1;
    }
    return 0;
}

static int is_workload(const char *name)
{
    for (unsigned i = 0; i < bench_workload_count; i++) {
        if (strcmp(bench_workloads[i]->name, name) == 0)
            return 1;
    }
    return 0;
}

static int is_engine(const char *name)
{
    return strcmp(name, BENCH_RAW) == 0 || bench_engine_by_name(name) != NULL;
}

static int check_names(const char *names, int (*known)(const char *name), const char *what)
{
    char name[64];

    for (const char *at = names; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        (void)snprintf(name, sizeof name, "%.*s", (int)len, at);
        if (!known(name)) {
            (void)fprintf(stderr, "holog-bench: no %s \"%s\" here; --list names them\n", what,
                          name);
            return -1;
        }
        at += len + (at[len] == ',');
    }
    return 0;
}

static int parse(int argc, char **argv, struct options *out)
{
    static const struct option longs[] = {
        { "quick", no_argument, NULL, 'q' },
        { "only", required_argument, NULL, 'o' },
        { "engines", required_argument, NULL, 'e' },
        { "rounds", required_argument, NULL, 'r' },
        { "dir", required_argument, NULL, 'd' },
        { "json", required_argument, NULL, 'j' },
        { "list", no_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    unsigned long rounds = 0;
    char *end = NULL;
    int c;

    *out = (struct options){ .dir = "bench-scratch" };
    /* lint-allow(concurrency-mt-unsafe): one thread so far */
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'q': out->quick = 1; break;
        case 'o': out->only = optarg; break;
        case 'e': out->engines = optarg; break;
        case 'd': out->dir = optarg; break;
        case 'j': out->json = optarg; break;
        case 'l': out->list = 1; break;
        case 'r':
            rounds = strtoul(optarg, &end, 10);
            if (*optarg == '\0' || *end != '\0' || rounds == 0 || rounds > BENCH_SAMPLES_MAX) {
                (void)fprintf(stderr, "holog-bench: --rounds takes 1 to %d\n", BENCH_SAMPLES_MAX);
                return -1;
            }
            break;
        case 'h': print_help(stdout); exit(0);
        default: return -1;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "holog-bench: \"%s\" is no option; see --help\n", argv[optind]);
        return -1;
    }
    out->rounds = rounds != 0 ? (unsigned)rounds : out->quick ? 3 : 5;
    if (check_names(out->only, is_workload, "workload") != 0)
        return -1;
    return check_names(out->engines, is_engine, "engine");
}

static void print_list(void)
{
    (void)printf("workloads\n");
    for (unsigned i = 0; i < bench_workload_count; i++)
        (void)printf("  %-16s %s\n", bench_workloads[i]->name, bench_workloads[i]->what);
    (void)printf("engines\n");
    for (unsigned i = 0; i < bench_engine_count; i++)
        (void)printf("  %-16s %s\n", bench_engines[i]->name, bench_engines[i]->settings);
    (void)printf("  %-16s %s\n", BENCH_RAW, "the disk itself: direct writes and reads");
    for (unsigned i = 0; bench_engines_missing[i] != NULL; i++)
        (void)printf("  left out: %s was not there when this was built\n",
                     bench_engines_missing[i]);
}

/* ---- rounds ---- */

struct progress {
    unsigned at, of; /* workloads */
    int is_terminal;
};

static void show(const struct progress *p, const struct bench_workload *w, const char *engine,
                 unsigned round, unsigned rounds)
{
    if (p->is_terminal)
        (void)fprintf(stderr, "\r\033[K[%u/%u] %s  round %u/%u  %s", p->at, p->of, w->name,
                      round + 1, rounds, engine);
}

static void hide(const struct progress *p)
{
    if (p->is_terminal)
        (void)fputs("\r\033[K", stderr);
}

static void give_up(struct bench *b, const struct bench_workload *w, const char *engine)
{
    const char *why = bench_error_take();

    for (unsigned i = 0; i < w->row_count; i++)
        bench_report_fail(b->report, w->rows[i].id, engine, why);
}

static int takes_part(const struct bench_workload *w, const struct bench_engine *e)
{
    if (w->only_holog)
        return e == &bench_engine_holog;
    return (e->can & w->needs) == w->needs;
}

/* One round: the disk, then each engine that has not failed. */
static void run_round(struct bench *b, const struct bench_workload *w, const struct progress *p,
                      unsigned round, unsigned rounds, int *alive, int *raw_alive)
{
    if (w->raw != NULL && *raw_alive) {
        show(p, w, BENCH_RAW, round, rounds);
        *raw_alive = w->raw(b) == 0;
        if (!*raw_alive)
            give_up(b, w, BENCH_RAW);
    }
    for (unsigned i = 0; i < b->engine_count && !bench_stopped(); i++) {
        if (!alive[i])
            continue;
        show(p, w, b->engines[i]->name, round, rounds);
        alive[i] = w->measure(b, b->engines[i], round) == 0;
        if (!alive[i])
            give_up(b, w, b->engines[i]->name);
    }
}

static void run_workload(struct bench *b, const struct bench_workload *w, const struct progress *p)
{
    unsigned rounds = w->rounds_max != 0 && w->rounds_max < b->rounds ? w->rounds_max : b->rounds;
    int alive[16] = { 0 };
    int raw_alive = 1;
    unsigned count = 0;

    for (unsigned i = 0; i < w->row_count; i++)
        bench_report_row(b->report, &w->rows[i]);
    for (unsigned i = 0; i < b->engine_count && !bench_stopped(); i++) {
        alive[i] = takes_part(w, b->engines[i]);
        if (alive[i] && w->prepare != NULL) {
            show(p, w, b->engines[i]->name, 0, rounds);
            alive[i] = w->prepare(b, b->engines[i]) == 0;
            if (!alive[i])
                give_up(b, w, b->engines[i]->name);
        }
        count += alive[i] != 0;
    }
    for (unsigned r = 0; count > 0 && r < rounds && !bench_stopped(); r++)
        run_round(b, w, p, r, rounds, alive, &raw_alive);
    if (w->finish != NULL)
        w->finish(b);
    bench_keys_release();
    hide(p);
    bench_report_print_new(b->report, stdout);
}

static void run_all(struct bench *b, const struct options *o)
{
    struct progress p = { .is_terminal = isatty(STDERR_FILENO) };

    for (unsigned i = 0; i < bench_workload_count; i++)
        p.of += (unsigned)is_named(o->only, bench_workloads[i]->name);
    for (unsigned i = 0; i < bench_workload_count && !bench_stopped(); i++) {
        if (!is_named(o->only, bench_workloads[i]->name))
            continue;
        p.at++;
        run_workload(b, bench_workloads[i], &p);
    }
}

/* ---- report ---- */

static void print_scale(const struct bench *b)
{
    const struct bench_scale *s = b->scale;

    (void)printf("rounds       %u, interleaved; x peer = median over the rounds of engine by best "
                 "peer\n",
                 b->rounds);
    if (b->quick)
        (void)
            printf("--quick      a first look only: %.0f ms a run, %u paths instead of 1 M, %u and "
                   "%u images, %u MiB under the budget instead of 4 GiB, %u MiB tail, %u MiB of "
                   "log for recovery, %u MiB of live data and segments of %u MiB where values are "
                   "replaced; fixed costs weigh more than they should\n",
                   s->team_secs * 1e3, s->keys, s->save_images, s->durable_images,
                   s->budget_values_mib, s->tail_mib, s->recovery_mib, s->churn_mib, s->extent_mib);
}

static void print_head(const struct bench *b, const struct bench_machine *m)
{
    char version[64];

    bench_machine_print(m, stdout);
    print_scale(b);
    for (unsigned i = 0; i < b->engine_count; i++) {
        b->engines[i]->version(version, sizeof version);
        (void)printf("%-12s %s: %s\n", b->engines[i]->name, version, b->engines[i]->settings);
    }
    for (unsigned i = 0; bench_engines_missing[i] != NULL; i++)
        (void)printf("LEFT OUT     %s: not there when this was built\n", bench_engines_missing[i]);
    (void)fflush(stdout);
}

static void json_engines(const struct bench *b, FILE *f)
{
    char version[64];

    (void)fprintf(f, " \"engines\": [");
    for (unsigned i = 0; i < b->engine_count; i++) {
        b->engines[i]->version(version, sizeof version);
        (void)fprintf(f, "%s\n  {\"name\": ", i > 0 ? "," : "");
        bench_json_string(f, b->engines[i]->name);
        (void)fprintf(f, ", \"version\": ");
        bench_json_string(f, version);
        (void)fprintf(f, ", \"settings\": ");
        bench_json_string(f, b->engines[i]->settings);
        (void)fputc('}', f);
    }
    (void)fprintf(f, "],\n \"left_out\": [");
    for (unsigned i = 0; bench_engines_missing[i] != NULL; i++) {
        (void)fputs(i > 0 ? ", " : "", f);
        bench_json_string(f, bench_engines_missing[i]);
    }
    (void)fprintf(f, "],\n");
}

static int write_json(const struct bench *b, const struct bench_machine *m, const char *path,
                      double seconds)
{
    char load[64];
    FILE *f = fopen(path, "we");

    if (f == NULL) {
        (void)fprintf(stderr, "holog-bench: cannot write %s: errno %d\n", path, errno);
        return -1;
    }
    bench_machine_load(load, sizeof load);
    (void)fprintf(f, "{\"format\": 1,\n \"machine\": ");
    bench_machine_json(m, f);
    (void)fprintf(f, ",\n \"load_at_end\": ");
    bench_json_string(f, load);
    (void)fprintf(f, ",\n \"quick\": %s, \"rounds\": %u, \"seconds\": %.1f, \"complete\": %s,\n",
                  b->quick ? "true" : "false", b->rounds, seconds,
                  bench_stopped() ? "false" : "true");
    json_engines(b, f);
    (void)fprintf(f, " \"rows\": ");
    bench_report_json(b->report, f);
    (void)fprintf(f, "}\n");
    int bad = ferror(f);
    return fclose(f) != 0 || bad ? -1 : 0;
}

/* ---- scratch ---- */

/* DIR/run-PID; *out_made: DIR was made here, and goes again at the end. */
static void make_scratch(struct bench *b, const char *dir, int *out_made)
{
    uint64_t room = 0;
    uint64_t wanted = b->quick ? 4 * GIB : 24 * GIB;

    *out_made = mkdir(dir, 0700) == 0;
    if (!*out_made && errno != EEXIST)
        bench_die("cannot make %s: errno %d", dir, errno);
    if (bench_path(b->dir, "%s/run-%ld", dir, (long)getpid()) != 0 ||
        bench_make_fresh_dir(b->dir) != 0 || bench_free_space(b->dir, &room) != 0)
        bench_die("%s", bench_error_take());
    if (room < wanted)
        (void)fprintf(stderr, "holog-bench: %.1f GiB free in %s; a whole run may need %.0f\n",
                      (double)room / (double)GIB, dir, (double)wanted / (double)GIB);
}

static void remove_scratch(const struct bench *b, const char *dir, int made)
{
    if (bench_remove_tree(b->dir) != 0)
        (void)fprintf(stderr, "holog-bench: %s\n", bench_error_take());
    if (made)
        (void)rmdir(dir); /* not when somebody else put something there */
}

static void choose_engines(struct bench *b, const char *names)
{
    for (unsigned i = 0; i < bench_engine_count; i++) {
        if (is_named(names, bench_engines[i]->name))
            b->engines[b->engine_count++] = bench_engines[i];
    }
}

static int run_bench(const struct options *o)
{
    struct bench *b = bench_alloc(sizeof *b);
    struct bench_machine machine;
    char load[64];
    int made = 0;
    int rc = 0;

    b->scale = o->quick ? &quick_scale : &full_scale;
    b->quick = o->quick;
    b->rounds = o->rounds;
    b->report = bench_report_new();
    choose_engines(b, o->engines);
    bench_catch_signals();
    make_scratch(b, o->dir, &made);
    bench_machine_read(b->dir, &machine);
    print_head(b, &machine);
    uint64_t start = bench_now_ns();
    run_all(b, o);
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    remove_scratch(b, o->dir, made);
    bench_report_print_verdicts(b->report, stdout);
    bench_machine_load(load, sizeof load);
    (void)printf("%.0f s; load %s%s\n", seconds, load, bench_stopped() ? "; stopped early" : "");
    if (o->json != NULL)
        rc = write_json(b, &machine, o->json, seconds);
    if (bench_report_failures(b->report) > 0 || bench_stopped())
        rc = -1;
    bench_report_free(b->report);
    free(b);
    return rc == 0 ? 0 : 1;
}

/* A child tells its parent what went wrong as a line that is no number. */
static int run_child(int argc, char **argv)
{
    for (unsigned i = 0; i < sizeof children / sizeof children[0]; i++) {
        if (strcmp(children[i].name, argv[0]) != 0)
            continue;
        if (children[i].run(argc - 1, argv + 1) == 0)
            return 0;
        (void)printf("%s\n", bench_error_take());
        return 1;
    }
    return 2;
}

int main(int argc, char **argv)
{
    struct options o;

    if (argc >= 3 && strcmp(argv[1], "--child") == 0)
        return run_child(argc - 2, argv + 2);
    if (parse(argc, argv, &o) != 0)
        return 2;
    if (o.list) {
        print_list();
        return 0;
    }
    return run_bench(&o);
}
