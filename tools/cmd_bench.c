/*
 * cmd_bench.c: bench. A few workloads, each run for a stated time on a scratch store, beside what
 * the disk itself does, so that the figures can be read without knowing the machine. It says what
 * this machine does today; comparisons with other engines are made by bench/ in the source tree.
 *
 * A workload runs until the deadline, or until the scratch store has taken its share of the free
 * space. Its rate counts the closing sync, if it has one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bench_scratch.h"
#include "verbs.h"

#define SMALL_BYTES  256u
#define LARGE_BYTES  ((size_t)8 << 20)
#define BATCH_COUNT  1000u
#define THREAD_COUNT 16u
#define IN_FLIGHT    256u
#define GET_KEYS     100000u /* what get draws from, if bulk made fewer */
#define LOAD_KEYS    16u     /* 128 MiB: cached under any sensible budget */
#define SLOTS_OCTAVE 8u
#define SLOT_COUNT   (64u * SLOTS_OCTAVE)
#define DISK_FILE    "disk"

/* Latencies to within 1/8 octave. */
struct latency {
    uint64_t slots[SLOT_COUNT];
    uint64_t count;
};

struct bench {
    const struct args *args;
    const char *dir; /* scratch directory */
    holog_store *store;
    uint64_t duration_ns; /* of each workload */
    uint64_t space_bytes; /* left to use */
    uint64_t bulk_keys;   /* in small/, 0: none yet */
    uint64_t large_keys;  /* in large/ */
    uint8_t *large;       /* LARGE_BYTES from holog_buffer_new */
};

struct result {
    uint64_t operations;
    uint64_t bytes;
    uint64_t elapsed_ns;
    struct latency latency;
};

/* ---- small parts ----------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x) /* splitmix64: all different for different x */
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static void fill(uint8_t *out, size_t len_bytes, uint64_t seed)
{
    for (size_t at = 0; at < len_bytes; at += sizeof seed) {
        uint64_t word = mix(seed++);
        size_t left = len_bytes - at;
        memcpy(out + at, &word, left < sizeof word ? left : sizeof word);
    }
}

static void latency_add(struct latency *latency, uint64_t ns)
{
    unsigned top = 63 - (unsigned)__builtin_clzll(ns | SLOTS_OCTAVE);
    unsigned slot = top * SLOTS_OCTAVE + (unsigned)(ns >> (top - 3)) % SLOTS_OCTAVE;

    latency->slots[slot]++;
    latency->count++;
}

static void latency_merge(struct latency *into, const struct latency *from)
{
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        into->slots[i] += from->slots[i];
    into->count += from->count;
}

/* The middle of the slot that holds it; 0 when nothing was measured. */
static uint64_t latency_percentile(const struct latency *latency, double percent)
{
    double wanted = (double)latency->count * percent / 100;
    uint64_t below = 0;

    for (unsigned i = 3 * SLOTS_OCTAVE; i < SLOT_COUNT && latency->count > 0; i++) { /* 8 ns */
        below += latency->slots[i];
        if ((double)below >= wanted && below > 0)
            return (((uint64_t)(i % SLOTS_OCTAVE + SLOTS_OCTAVE) * 2 + 1)
                    << (i / SLOTS_OCTAVE - 3)) /
                   2;
    }
    return 0;
}

/* Takes bytes from the share of the disk that the scratch store may use. */
static bool take_space(struct bench *bench, uint64_t bytes)
{
    if (bench->space_bytes < bytes)
        return false;
    bench->space_bytes -= bytes;
    return true;
}

static bool goes_on(uint64_t deadline_ns)
{
    return now_ns() < deadline_ns && !interrupted();
}

/* ---- the disk itself ------------------------------------------------------------------------- */

static int open_disk_file(const struct bench *bench, int extra_flags)
{
    char name[HOLOG_PATH_MAX + sizeof "/" DISK_FILE];

    (void)snprintf(name, sizeof name, "%s/" DISK_FILE, bench->dir);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | extra_flags, 0600);
    if (fd < 0 && (extra_flags & O_DIRECT) != 0) /* not every filesystem can */
        fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | (extra_flags & ~O_DIRECT), 0600);
    return fd;
}

static int disk_error(const struct bench *bench, int error, int fd)
{
    int status = cli_fail_errno(bench->args, error, "write in", bench->dir);

    if (fd >= 0)
        (void)close(fd); /* the write's error is the one to tell */
    return status;
}

static int run_disk(struct bench *bench, struct result *out)
{
    int fd = open_disk_file(bench, O_DIRECT);
    uint64_t start = now_ns();

    if (fd < 0)
        return disk_error(bench, errno, fd);
    while (goes_on(start + bench->duration_ns) && take_space(bench, LARGE_BYTES)) {
        int error = file_write(fd, bench->large, LARGE_BYTES);
        if (error != 0)
            return disk_error(bench, error, fd);
        out->operations++;
    }
    if (fdatasync(fd) != 0)
        return disk_error(bench, errno, fd);
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * LARGE_BYTES;
    bench->space_bytes += out->bytes;
    int rc = ftruncate(fd, 0);
    if (close(fd) != 0 || rc != 0)
        return disk_error(bench, errno, -1);
    return EXIT_DONE;
}

/* Writes over one block again and again: what any log has to wait for, and nothing else. */
static int run_sync(struct bench *bench, struct result *out)
{
    int fd = open_disk_file(bench, O_DIRECT | O_DSYNC);
    uint64_t start = now_ns();

    if (fd < 0)
        return disk_error(bench, errno, fd);
    if (pwrite(fd, bench->large, 65536, 0) != 65536 || fsync(fd) != 0)
        return disk_error(bench, errno, fd);
    while (goes_on(start + bench->duration_ns)) {
        uint64_t before = now_ns();
        if (pwrite(fd, bench->large, 4096, (off_t)(out->operations % 16 * 4096)) != 4096)
            return disk_error(bench, errno, fd);
        latency_add(&out->latency, now_ns() - before);
        out->operations++;
    }
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * 4096;
    return close(fd) != 0 ? disk_error(bench, errno, -1) : EXIT_DONE;
}

/* ---- durable commits ------------------------------------------------------------------------- */

struct committer {
    struct bench *bench;
    pthread_t thread;
    unsigned index;
    int code;
    struct holog_error_detail detail; /* when code < 0 */
    struct result result;
    uint64_t deadline_ns;
};

static void *commit_loop(void *ctx)
{
    struct committer *c = ctx;
    uint8_t value[SMALL_BYTES];
    char path[64];

    fill(value, sizeof value, c->index);
    while (c->code >= 0 && goes_on(c->deadline_ns)) {
        (void)snprintf(path, sizeof path, "commit/%u-%" PRIu64, c->index, c->result.operations);
        uint64_t before = now_ns();
        c->code = holog_save(c->bench->store, path, value, sizeof value, HOLOG_REPLACE, NULL);
        if (c->code < 0) {
            cli_detail(c->code, &c->detail);
            break;
        }
        latency_add(&c->result.latency, now_ns() - before);
        c->result.operations++;
    }
    return NULL;
}

static int run_committers(struct bench *bench, unsigned count, struct result *out)
{
    struct committer *all = calloc(count, sizeof *all);
    int rc = holog_mkdir(bench->store, "commit", HOLOG_PARENTS, NULL);
    unsigned started = 0;
    int status = EXIT_DONE;

    if (all == NULL || rc < 0) {
        free(all);
        return cli_fail(bench->args, rc < 0 ? rc : HOLOG_E_NOMEM, "commit");
    }
    uint64_t start = now_ns();
    for (; started < count; started++) {
        all[started].bench = bench;
        all[started].index = started;
        all[started].deadline_ns = start + bench->duration_ns;
        int error = pthread_create(&all[started].thread, NULL, commit_loop, &all[started]);
        if (error != 0) {
            status = cli_fail_errno(bench->args, error, "start", "a thread");
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(all[i].thread, NULL); /* a thread of ours, joined once */
        out->operations += all[i].result.operations;
        latency_merge(&out->latency, &all[i].result.latency);
        if (all[i].code < 0 && status == EXIT_DONE)
            status = cli_fail_detail(bench->args, &all[i].detail, NULL, NULL);
    }
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * SMALL_BYTES;
    free(all);
    return status;
}

static int run_commit(struct bench *bench, struct result *out)
{
    return run_committers(bench, 1, out);
}

static int run_commit16(struct bench *bench, struct result *out)
{
    return run_committers(bench, THREAD_COUNT, out);
}

/* ---- asynchronous commits -------------------------------------------------------------------- */

struct flight {
    sem_t places; /* free places among IN_FLIGHT */
    int code;     /* first failure; read when all have landed */
};

static void landed(void *ctx, int code, uint64_t number)
{
    struct flight *flight = ctx;

    (void)number;
    if (code < 0)
        __atomic_store_n(&flight->code, code, __ATOMIC_RELAXED);
    (void)sem_post(&flight->places); /* cannot overflow: IN_FLIGHT at most */
}

static void wait_place(struct flight *flight)
{
    while (sem_wait(&flight->places) != 0 && errno == EINTR)
        continue;
}

/* One commit on its way; negative: it is not, and its place is free again. */
static int send_one(struct bench *bench, struct flight *flight, const char *path,
                    const uint8_t *value)
{
    holog_txn *txn = NULL;
    int rc = holog_begin(bench->store, &txn);

    if (rc >= 0)
        rc = holog_txn_save(txn, path, value, SMALL_BYTES, HOLOG_REPLACE);
    if (rc < 0) {
        holog_abort(txn);
    } else {
        while ((rc = holog_commit_async(txn, landed, flight, NULL)) == HOLOG_E_AGAIN)
            (void)holog_wait_durable(bench->store, holog_last_number(bench->store), 100);
    }
    if (rc < 0)
        (void)sem_post(&flight->places);
    return rc;
}

static int run_async(struct bench *bench, struct result *out)
{
    struct flight flight = { .code = HOLOG_OK };
    uint8_t value[SMALL_BYTES];
    char path[64];
    int rc = holog_mkdir(bench->store, "async", HOLOG_PARENTS, NULL);

    if (sem_init(&flight.places, 0, IN_FLIGHT) != 0)
        return cli_fail_errno(bench->args, errno, "make", "a semaphore");
    fill(value, sizeof value, 1);
    uint64_t start = now_ns();
    while (rc >= 0 && goes_on(start + bench->duration_ns)) {
        wait_place(&flight);
        (void)snprintf(path, sizeof path, "async/%" PRIu64, out->operations);
        rc = send_one(bench, &flight, path, value);
        out->operations += rc >= 0;
    }
    int status = rc < 0 ? cli_fail(bench->args, rc, "async") : EXIT_DONE;
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        wait_place(&flight); /* all have landed */
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * SMALL_BYTES;
    (void)sem_destroy(&flight.places); /* nobody waits on it */
    if (status == EXIT_DONE && flight.code < 0)
        status = cli_fail(bench->args, flight.code, "async");
    return status;
}

/* ---- bulk and get ---------------------------------------------------------------------------- */

static void small_path(char *out, size_t room, uint64_t key)
{
    (void)snprintf(out, room, "small/%016" PRIx64, mix(key));
}

static int save_small_batch(struct bench *bench)
{
    uint8_t value[SMALL_BYTES];
    holog_txn *txn = NULL;
    char path[64];
    int rc = holog_begin(bench->store, &txn);

    if (rc >= 0)
        rc = holog_txn_sync(txn, HOLOG_SYNC_NONE);
    for (unsigned i = 0; i < BATCH_COUNT && rc >= 0; i++) {
        small_path(path, sizeof path, bench->bulk_keys + i);
        fill(value, sizeof value, bench->bulk_keys + i);
        rc = holog_txn_save(txn, path, value, sizeof value, HOLOG_PARENTS);
    }
    if (rc < 0) {
        holog_abort(txn);
        return rc;
    }
    rc = holog_commit(txn, NULL);
    if (rc == HOLOG_E_AGAIN)
        holog_abort(txn);
    if (rc >= 0)
        bench->bulk_keys += BATCH_COUNT;
    return rc;
}

static int run_bulk(struct bench *bench, struct result *out)
{
    uint64_t start = now_ns();
    int rc = HOLOG_OK;

    while (rc >= 0 && goes_on(start + bench->duration_ns) &&
           take_space(bench, (uint64_t)BATCH_COUNT * 512)) {
        rc = save_small_batch(bench);
        out->operations += rc >= 0 ? BATCH_COUNT : 0;
    }
    if (rc >= 0)
        rc = holog_sync(bench->store);
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * SMALL_BYTES;
    return rc < 0 ? cli_fail(bench->args, rc, "small") : EXIT_DONE;
}

static int get_one(struct bench *bench, uint64_t key)
{
    holog_value *value = NULL;
    char path[64];

    small_path(path, sizeof path, key);
    int rc = holog_load(bench->store, path, &value);
    holog_value_release(value);
    return rc;
}

static int run_get(struct bench *bench, struct result *out)
{
    int rc = HOLOG_OK;

    while (rc >= 0 && bench->bulk_keys < GET_KEYS && !interrupted())
        rc = save_small_batch(bench);
    for (uint64_t key = 0; key < bench->bulk_keys && rc >= 0 && !interrupted(); key++)
        rc = get_one(bench, key); /* warm */
    uint64_t start = now_ns();
    while (rc >= 0 && bench->bulk_keys > 0 && goes_on(start + bench->duration_ns)) {
        uint64_t before = now_ns();
        rc = get_one(bench, mix(out->operations) % bench->bulk_keys);
        latency_add(&out->latency, now_ns() - before);
        out->operations++;
    }
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * SMALL_BYTES;
    return rc < 0 ? cli_fail(bench->args, rc, "small") : EXIT_DONE;
}

/* ---- large values ---------------------------------------------------------------------------- */

static int save_large(struct bench *bench)
{
    holog_txn *txn = NULL;
    char path[64];
    int rc = holog_begin(bench->store, &txn);

    (void)snprintf(path, sizeof path, "large/%" PRIu64, bench->large_keys);
    if (rc >= 0)
        rc = holog_txn_sync(txn, HOLOG_SYNC_NONE);
    if (rc >= 0)
        rc = holog_txn_save(txn, path, bench->large, LARGE_BYTES, HOLOG_PARENTS);
    if (rc < 0) {
        holog_abort(txn);
        return rc;
    }
    rc = holog_commit(txn, NULL);
    if (rc == HOLOG_E_AGAIN)
        holog_abort(txn);
    bench->large_keys += rc >= 0;
    return rc;
}

static int run_save(struct bench *bench, struct result *out)
{
    uint64_t start = now_ns();
    int rc = HOLOG_OK;

    while (rc >= 0 && goes_on(start + bench->duration_ns) && take_space(bench, LARGE_BYTES)) {
        uint64_t before = now_ns();
        rc = save_large(bench);
        latency_add(&out->latency, now_ns() - before);
        out->operations += rc >= 0;
    }
    if (rc >= 0)
        rc = holog_sync(bench->store);
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * LARGE_BYTES;
    return rc < 0 ? cli_fail(bench->args, rc, "large") : EXIT_DONE;
}

/* Reads one byte of each cache line, so that "loaded" means that the bytes arrived. */
static int touch_large(struct bench *bench, uint64_t key, uint64_t *sum)
{
    holog_value *value = NULL;
    char path[64];

    (void)snprintf(path, sizeof path, "large/%" PRIu64, key);
    int rc = holog_load(bench->store, path, &value);
    if (rc < 0)
        return rc;
    const uint8_t *data = holog_value_data(value);
    size_t len = holog_value_size(value);
    for (size_t at = 0; at < len; at += 64)
        *sum += data[at];
    holog_value_release(value);
    return HOLOG_OK;
}

static int run_load(struct bench *bench, struct result *out)
{
    volatile uint64_t seen;
    uint64_t sum = 0;
    int rc = HOLOG_OK;

    while (rc >= 0 && bench->large_keys < LOAD_KEYS && !interrupted() &&
           take_space(bench, LARGE_BYTES))
        rc = save_large(bench);
    uint64_t keys = bench->large_keys < LOAD_KEYS ? bench->large_keys : LOAD_KEYS;
    for (uint64_t key = 0; key < keys && rc >= 0; key++)
        rc = touch_large(bench, key, &sum); /* warm */
    uint64_t start = now_ns();
    while (rc >= 0 && keys > 0 && goes_on(start + bench->duration_ns)) {
        uint64_t before = now_ns();
        rc = touch_large(bench, out->operations % keys, &sum);
        latency_add(&out->latency, now_ns() - before);
        out->operations++;
    }
    out->elapsed_ns = now_ns() - start;
    out->bytes = out->operations * LARGE_BYTES;
    seen = sum; /* the reads must not be optimised away */
    (void)seen;
    return rc < 0 ? cli_fail(bench->args, rc, "large") : EXIT_DONE;
}

/* ---- the table of workloads ------------------------------------------------------------------ */

static const struct workload {
    const char *name;
    const char *what;
    int (*run)(struct bench *bench, struct result *out);
} workloads[] = {
    { "disk", "the disk itself, 8 MiB direct writes", run_disk },
    { "sync", "the disk itself, durable 4 KiB writes", run_sync },
    { "commit", "durable 256 B commits, 1 thread", run_commit },
    { "commit16", "durable 256 B commits, 16 threads", run_commit16 },
    { "async", "durable 256 B commits, 256 in flight", run_async },
    { "bulk", "256 B saves, 1,000 a commit, one sync", run_bulk },
    { "get", "random 256 B gets, cached", run_get },
    { "save", "8 MiB saves, one sync", run_save },
    { "load", "8 MiB loads, cached", run_load },
};
#define WORKLOAD_COUNT (sizeof workloads / sizeof workloads[0])

static const struct workload *find_workload(const char *name)
{
    for (size_t i = 0; i < WORKLOAD_COUNT; i++) {
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
    }
    return NULL;
}

/* ---- results --------------------------------------------------------------------------------- */

static double per_second(uint64_t amount, const struct result *result)
{
    return result->elapsed_ns == 0 ? 0 : (double)amount * 1e9 / (double)result->elapsed_ns;
}

static json_object *result_json(const struct workload *workload, const struct result *result)
{
    json_object *out = json_object_new_object();

    json_add(out, "workload", json_text(workload->name));
    json_add(out, "what", json_text(workload->what));
    json_add(out, "operations", json_number(result->operations));
    json_add(out, "bytes", json_number(result->bytes));
    json_add(out, "seconds", json_object_new_double((double)result->elapsed_ns / 1e9));
    json_add(out, "operations_per_second",
             json_object_new_double(per_second(result->operations, result)));
    json_add(out, "bytes_per_second", json_object_new_double(per_second(result->bytes, result)));
    if (result->latency.count > 0) {
        json_add(out, "p50_ns", json_number(latency_percentile(&result->latency, 50)));
        json_add(out, "p99_ns", json_number(latency_percentile(&result->latency, 99)));
    }
    return out;
}

static void put_result(const struct workload *workload, const struct result *result)
{
    char rate[HUMAN_MAX];
    char p50[HUMAN_MAX] = "-";
    char p99[HUMAN_MAX] = "-";

    if (result->latency.count > 0) {
        (void)human_duration(latency_percentile(&result->latency, 50), p50);
        (void)human_duration(latency_percentile(&result->latency, 99), p99);
    }
    (void)human_bytes((uint64_t)per_second(result->bytes, result), rate);
    (void)printf("%-9s %-38s %12.0f /s %12s/s %9s %9s %7.1f s\n", workload->name, workload->what,
                 per_second(result->operations, result), rate, p50, p99,
                 (double)result->elapsed_ns / 1e9);
    (void)fflush(stdout); /* each line when it is known; errors show in cli_flush */
}

static int run_one(struct bench *bench, const struct workload *workload, struct json_stream *stream)
{
    struct result *result = calloc(1, sizeof *result);

    if (result == NULL)
        return cli_fail_errno(bench->args, ENOMEM, "run", workload->name);
    int status = workload->run(bench, result);
    if (status == EXIT_DONE && interrupted())
        status = cli_fail_text(bench->args, "interrupted");
    if (status == EXIT_DONE && bench->args->given[OPT_JSON])
        json_stream_item(stream, result_json(workload, result));
    else if (status == EXIT_DONE)
        put_result(workload, result);
    free(result);
    return status;
}

static void begin_results(const struct bench *bench, struct json_stream *stream)
{
    double seconds = (double)bench->duration_ns / 1e9;

    if (bench->args->given[OPT_JSON]) {
        json_object *head = json_object_new_object();
        json_add(head, "version", json_text(holog_version()));
        json_add(head, "directory", json_text(bench->dir));
        json_add(head, "cpus", json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
        json_add(head, "seconds_each", json_object_new_double(seconds));
        json_stream_begin(stream, head, "results");
        return;
    }
    (void)printf("holog %s, scratch store in %s, %ld CPUs, %.3g s for each workload\n\n",
                 holog_version(), bench->dir, sysconf(_SC_NPROCESSORS_ONLN), seconds);
    (void)printf("%-9s %-38s %15s %14s %9s %9s %9s\n", "workload", "what", "operations", "bytes",
                 "p50", "p99", "took");
}

static int run_all(struct bench *bench)
{
    const struct args *args = bench->args;
    struct json_stream stream;
    uint64_t start = now_ns();
    int status = EXIT_DONE;

    begin_results(bench, &stream);
    for (size_t i = 0; i < WORKLOAD_COUNT && args->operand_count == 0 && status == EXIT_DONE; i++)
        status = run_one(bench, &workloads[i], &stream);
    for (int i = 0; i < args->operand_count && status == EXIT_DONE; i++)
        status = run_one(bench, find_workload(args->operands[i]), &stream);
    double seconds = (double)(now_ns() - start) / 1e9;
    if (args->given[OPT_JSON]) {
        json_object *tail = json_object_new_object();
        json_add(tail, "seconds", json_object_new_double(seconds));
        json_stream_end(&stream, tail);
    } else if (status == EXIT_DONE) {
        (void)printf("\nall of it took %.1f s\n", seconds);
    }
    return status;
}

/* ---- around it ------------------------------------------------------------------------------- */

static int with_store(struct bench *bench)
{
    char dir[HOLOG_PATH_MAX + sizeof "/store"];
    struct statvfs vfs;

    (void)snprintf(dir, sizeof dir, "%s/store", bench->dir);
    if (statvfs(bench->dir, &vfs) != 0)
        return cli_fail_errno(bench->args, errno, "use", bench->dir);
    bench->space_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize / 2;
    bench->large = holog_buffer_new(LARGE_BYTES);
    if (bench->large == NULL)
        return cli_fail_errno(bench->args, ENOMEM, "run", "bench");
    fill(bench->large, LARGE_BYTES, 7);
    int rc = holog_open(dir, NULL, &bench->store);
    int status = rc < 0 ? cli_fail(bench->args, rc, dir) : run_all(bench);
    rc = holog_close(bench->store);
    if (rc < 0 && status == EXIT_DONE)
        status = cli_fail(bench->args, rc, dir);
    holog_buffer_free(bench->large);
    return status;
}

int verb_bench(const struct args *args)
{
    const char *parent = args->given[OPT_DIR] ? args->text[OPT_DIR] : ".";
    double seconds = args->given[OPT_SECONDS] ? args->real[OPT_SECONDS] : 2;
    struct bench bench = { .args = args, .duration_ns = (uint64_t)(seconds * 1e9) };
    char dir[HOLOG_PATH_MAX];

    for (int i = 0; i < args->operand_count; i++) {
        if (find_workload(args->operands[i]) == NULL)
            return cli_usage(args, "there is no workload '%s'", args->operands[i]);
    }
    catch_signals(); /* the scratch directory must not stay behind */
    int error = scratch_make(parent, dir, sizeof dir);
    if (error != 0)
        return cli_fail_errno(args, error, "make a scratch directory in", parent);
    bench.dir = dir;
    int status = with_store(&bench);
    error = scratch_remove(dir);
    if (error != 0)
        cli_note(args, "could not remove %s; it may be removed by hand", dir);
    return cli_flush(args, status);
}
