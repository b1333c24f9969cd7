/*
 * Reader processes beside a live writer process, and after it was killed.
 *
 * The writer commits one generation after the other: a few values, inline and in extents, that all
 * say the same number. A reader that refreshes must see one number in all of them, never an older one
 * than before, and write not one byte: it runs with a file size limit of zero.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "storekit.h"

enum {
    VALUES = 5
};
static const size_t lens[VALUES] = { 8, 100, 3000, 20000, 90000 };

static struct shared {
    _Atomic uint64_t acked; /* generation */
    _Atomic uint32_t failed;
    char why[600];
} * sh;
static char dir[256];
static holog_options opts;

static void sleep_ms(unsigned ms)
{
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    (void)nanosleep(&ts, NULL);
}

static pid_t test_pid; /* not a child */

static void child_fails(const char *what, int rc)
{
    struct holog_error_detail d;
    uint32_t none = 0;

    holog_last_error(&d);
    if (atomic_compare_exchange_strong(&sh->failed, &none, 1))
        (void)snprintf(sh->why, sizeof sh->why, "%s: %s: %.500s", what, holog_error_name(rc),
                       rc < 0 ? d.message : "");
    if (getpid() != test_pid)
        _exit(9);
    cr_assert_fail("%s", sh->why);
}

/* ---- the writer ------------------------------------------------------------------------------------*/

static void fill(uint8_t *out, size_t len, uint64_t generation)
{
    value_fill(out, len, generation);
    memcpy(out, &generation, sizeof generation);
}

static _Noreturn void write_generations(void)
{
    static uint8_t data[VALUES][90000];
    holog_store *store = NULL;
    uint64_t g = atomic_load(&sh->acked);
    int rc;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failing test leaves nobody behind */
    rc = holog_open(dir, &opts, &store);
    if (rc < 0)
        child_fails("the writer opens", rc);
    for (;;) {
        holog_item items[VALUES];
        char paths[VALUES][16];
        g++;
        for (unsigned i = 0; i < VALUES; i++) {
            (void)snprintf(paths[i], sizeof paths[i], "d/v%u", i);
            fill(data[i], lens[i], g);
            items[i] = (holog_item){ paths[i], data[i], lens[i] };
        }
        rc = holog_save_batch(store, items, VALUES, HOLOG_REPLACE | HOLOG_PARENTS, NULL);
        if (rc < 0)
            child_fails("the writer saves", rc);
        atomic_store(&sh->acked, g);
    }
}

/* ---- a reader --------------------------------------------------------------------------------------*/

/* The generation that all values of the newest view say; 0: none yet. */
static uint64_t generation_of(holog_store *store)
{
    static uint8_t want[90000];
    holog_view *view = NULL;
    uint64_t g = 0;
    int rc = holog_view_open(store, &view);

    if (rc < 0)
        child_fails("a view", rc);
    for (unsigned i = 0; i < VALUES; i++) {
        char path[16];
        holog_value *v = NULL;
        (void)snprintf(path, sizeof path, "d/v%u", i);
        rc = holog_view_load(view, path, &v);
        if (rc == HOLOG_E_NOENT && i == 0)
            break; /* no commit yet */
        if (rc < 0)
            child_fails("a load", rc);
        if (holog_value_size(v) != lens[i])
            child_fails("a value of another length", 0);
        if (i == 0)
            memcpy(&g, holog_value_data(v), sizeof g);
        fill(want, lens[i], g);
        if (memcmp(holog_value_data(v), want, lens[i]) != 0)
            child_fails("half a commit", 0);
        holog_value_release(v);
    }
    holog_view_close(view);
    return g;
}

static int count_commit(void *ctx, const holog_commit_info *info)
{
    uint64_t *last = ctx;

    if (*last != 0 && info->number != *last - 1)
        return 1;
    *last = info->number;
    return 0;
}

static _Noreturn void read_generations(unsigned rounds)
{
    struct rlimit none = { 0, 0 };
    holog_options o = opts;
    holog_store *store = NULL;
    uint64_t last = 0;
    unsigned newer = 0;
    int rc;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setrlimit(RLIMIT_FSIZE, &none) != 0)
        _exit(8);
    o.flags = HOLOG_OPEN_READONLY;
    rc = holog_open(dir, &o, &store);
    if (rc < 0)
        child_fails("the reader opens", rc);
    for (unsigned i = 0; newer < rounds && i < 200000; i++) {
        uint64_t before = atomic_load(&sh->acked);
        uint64_t g;
        rc = holog_refresh(store, NULL);
        if (rc < 0)
            child_fails("refresh", rc);
        g = generation_of(store);
        if (g < last)
            child_fails("an older generation than before", 0);
        if (g < before)
            child_fails("an acknowledged generation is not there yet", 0);
        newer += g > last;
        if (g == last)
            sleep_ms(1);
        last = g;
        if (newer % 16 == 15) {
            uint64_t number = 0;
            rc = holog_log(store, NULL, 0, 0, count_commit, &number);
            if (rc < 0 || number != 1)
                child_fails("the log of a follower", rc);
        }
    }
    if (newer < rounds)
        child_fails("the writer is not followed", 0);
    rc = holog_close(store);
    if (rc < 0)
        child_fails("the reader closes", rc);
    _exit(0);
}

/* ---- what a directory holds ------------------------------------------------------------------------*/

static void add_text(FILE *out, const char *path)
{
    struct stat st;
    size_t len;
    uint8_t *data;

    cr_assert_eq(lstat(path, &st), 0);
    (void)fprintf(out, "%s %llo %lld %lld.%09ld %lld.%09ld", path, (unsigned long long)st.st_mode,
                  (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                  (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    if (S_ISREG(st.st_mode)) {
        data = file_read("", path, &len);
        (void)fprintf(out, " %016llx", (unsigned long long)hg_hash64(data, len));
        free(data);
    }
    (void)fputc('\n', out);
}

static void walk(FILE *out, const char *path)
{
    struct dirent **names = NULL;
    int n = scandir(path, &names, NULL, alphasort);

    cr_assert_geq(n, 0);
    for (int i = 0; i < n; i++) {
        char below[600];
        (void)snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0) {
            add_text(out, below);
            if (names[i]->d_type == DT_DIR)
                walk(out, below);
        }
        free(names[i]);
    }
    free(names);
}

static char *directory_text(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    cr_assert_not_null(out);
    add_text(out, dir);
    walk(out, dir);
    (void)fclose(out);
    return text;
}

/* ---- the tests -------------------------------------------------------------------------------------*/

static struct box box;

static void setup(void)
{
    test_pid = getpid();
    box_make(&box);
    (void)snprintf(dir, sizeof dir, "%s", box.dir);
    opts = box.opts;
    opts.segment_size_max = 64 << 10;
    opts.extent_segment_size_max = 1 << 20;
    opts.lock_wait_ms = 10000;
    sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(sh, MAP_FAILED);
}

static void teardown(void)
{
    (void)munmap(sh, sizeof *sh);
    remove_tree(dir);
}

TestSuite(readers, .init = setup, .fini = teardown, .timeout = 3600);

static pid_t start_writer(void)
{
    uint64_t before = atomic_load(&sh->acked);
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0)
        write_generations();
    for (unsigned i = 0; i < 30000 && atomic_load(&sh->acked) == before; i++) {
        cr_assert_eq(atomic_load(&sh->failed), 0, "%s", sh->why);
        sleep_ms(1);
    }
    return pid;
}

static void kill_writer(pid_t pid)
{
    int status = 0;

    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        cr_assert_eq(errno, EINTR);
    cr_assert_eq(atomic_load(&sh->failed), 0, "%s", sh->why);
}

static void follow(enum holog_io_choice world, unsigned readers)
{
    static const unsigned rounds[] = { 40, 300, 5000 };
    pid_t writer, reader[4];
    holog_store *store = NULL;
    int rc;

    opts.io = world;
    rc = holog_open(dir, &opts, &store);
    if (rc == HOLOG_E_NOTSUP)
        cr_skip_test("this machine has no io_uring");
    OK(rc);
    OK(holog_close(store));
    writer = start_writer();
    for (unsigned i = 0; i < readers; i++) {
        reader[i] = fork();
        cr_assert_geq(reader[i], 0);
        if (reader[i] == 0)
            read_generations(rounds[test_level()]);
    }
    for (unsigned i = 0; i < readers; i++) {
        int status = 0;
        while (waitpid(reader[i], &status, 0) < 0)
            cr_assert_eq(errno, EINTR);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            (void)kill(writer, SIGKILL);
        cr_assert_eq(atomic_load(&sh->failed), 0, "%s", sh->why);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a reader ended with %#x",
                  (unsigned)status);
    }
    kill_writer(writer);
}

Test(readers, follow_a_live_writer_and_never_see_half_a_commit)
{
    follow(HOLOG_IO_POSIX, 2);
}

Test(readers, follow_a_live_writer_over_io_uring)
{
    follow(HOLOG_IO_URING, 2);
}

/* Opens and reads what a killed writer left; more than once, the second time by another writer. */
Test(readers, read_what_a_killed_writer_left_and_write_not_one_byte)
{
    for (unsigned round = 0; round < (test_level() == 0 ? 5u : 40u); round++) {
        holog_options o = opts;
        holog_store *store = NULL;
        char *before, *after;
        uint64_t g;
        pid_t pid = start_writer();
        sleep_ms(20 + round);
        kill_writer(pid);
        sleep_ms(50); /* its last writes */
        before = directory_text();
        o.flags = HOLOG_OPEN_READONLY;
        OK(holog_open(dir, &o, &store));
        OK(holog_refresh(store, NULL));
        g = generation_of(store);
        cr_assert_eq(atomic_load(&sh->failed), 0, "%s", sh->why);
        cr_assert_geq(g, atomic_load(&sh->acked));
        cr_assert_leq(g, atomic_load(&sh->acked) + 1);
        OK(holog_close(store));
        after = directory_text();
        cr_assert_str_eq(after, before);
        free(before);
        free(after);
        atomic_store(&sh->acked, g);
    }
}

Test(readers, a_reader_keeps_what_it_has_when_the_writer_goes)
{
    holog_options o = opts;
    holog_store *store = NULL;
    uint64_t before, after;
    pid_t pid = start_writer();

    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(dir, &o, &store));
    OK(holog_refresh(store, NULL));
    before = generation_of(store);
    kill_writer(pid);
    after = generation_of(store);
    cr_assert_eq(after, before);
    OK(holog_refresh(store, NULL));
    cr_assert_geq(generation_of(store), before);
    pid = start_writer(); /* it recovers, cuts, seals, goes on */
    OK(holog_refresh(store, NULL));
    cr_assert_geq(generation_of(store), before);
    cr_assert_eq(atomic_load(&sh->failed), 0, "%s", sh->why);
    kill_writer(pid);
    OK(holog_close(store));
}
