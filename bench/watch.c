/*
 * Bytes and blocks of this process; see watch.h.
 */
#include "watch.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util.h"

#define INTERVAL_NS 10000000u

/* ---- /proc/self/io ---- */

static int take_number(const char *line, const char *name, uint64_t *out)
{
    size_t len = strlen(name);

    if (strncmp(line, name, len) != 0)
        return 0;
    *out = strtoull(line + len, NULL, 10);
    return 1;
}

static int process_bytes(struct bench_device_bytes *out_bytes)
{
    char line[128];
    uint64_t read = 0;
    uint64_t asked = 0;
    uint64_t written = 0;
    uint64_t dropped = 0;
    int found = 0;
    FILE *f = fopen("/proc/self/io", "re");

    if (f == NULL)
        return bench_fail("no /proc/self/io");
    while (fgets(line, sizeof line, f) != NULL) {
        found += take_number(line, "rchar:", &asked);
        found += take_number(line, "read_bytes:", &read);
        found += take_number(line, "write_bytes:", &written);
        found += take_number(line, "cancelled_write_bytes:", &dropped);
    }
    (void)fclose(f);
    if (found != 4)
        return bench_fail("/proc/self/io does not count bytes");
    *out_bytes =
        (struct bench_device_bytes){ .written = written - dropped, .read = read, .asked = asked };
    return 0;
}

/* The seventh number is of sectors of 512 bytes. 0 where the file system has no block device of its own. */
static uint64_t disk_written(const char *dir)
{
    char path[96];
    char line[512] = "";
    const char *at = line;
    uint64_t number = 0;
    struct stat st;

    if (stat(dir, &st) != 0)
        return 0;
    (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(st.st_dev),
                   minor(st.st_dev));
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fgets(line, sizeof line, f) == NULL)
        line[0] = '\0';
    (void)fclose(f);
    for (int i = 0; i < 7; i++) {
        char *end;
        number = strtoull(at, &end, 10);
        at = end;
    }
    return number * 512;
}

int bench_device_bytes(const char *dir, struct bench_device_bytes *out_bytes)
{
    if (bench_settle(dir) != 0 || process_bytes(out_bytes) != 0)
        return -1;
    out_bytes->disk_written = disk_written(dir);
    return 0;
}

double bench_written_between(const struct bench_device_bytes *before,
                             const struct bench_device_bytes *after)
{
    uint64_t process = after->written - before->written;
    uint64_t disk = after->disk_written - before->disk_written;

    return (double)(after->disk_written != 0 && disk < process ? disk : process);
}

/* ---- space ---- */

static uint64_t blocks_if_removed(int dir_fd, const char *name)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, 0) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 0)
        return 0;
    return (uint64_t)st.st_blocks * 512;
}

/* A file that is open twice counts twice: nobody here does that with what it has removed. */
static int removed_but_open(uint64_t *out_bytes)
{
    DIR *fds = opendir("/proc/self/fd");

    *out_bytes = 0;
    if (fds == NULL)
        return bench_fail("no /proc/self/fd");
    for (struct dirent *e = readdir(fds); e != NULL; e = readdir(fds))
        *out_bytes += blocks_if_removed(dirfd(fds), e->d_name);
    (void)closedir(fds);
    return 0;
}

int bench_space_held(const char *dir, uint64_t *out_bytes)
{
    uint64_t named = 0;
    uint64_t unnamed = 0;

    if (bench_disk_usage(dir, NULL, &named) != 0 || removed_but_open(&unnamed) != 0)
        return -1;
    *out_bytes = named + unnamed;
    return 0;
}

struct bench_watch {
    char dir[BENCH_PATH_MAX];
    pthread_t thread;
    atomic_int stop;
    int failed; /* read after the join, as what follows */
    uint64_t peak;
};

static void *watch_main(void *arg)
{
    struct bench_watch *w = arg;

    while (!atomic_load(&w->stop) && w->failed == 0) {
        uint64_t now = 0;
        w->failed = bench_space_held(w->dir, &now);
        w->peak = now > w->peak ? now : w->peak;
        bench_sleep_until_ns(bench_now_ns() + INTERVAL_NS);
    }
    return NULL;
}

void bench_watch_start(const char *dir, struct bench_watch **out_watch)
{
    struct bench_watch *w = bench_alloc(sizeof *w);

    (void)snprintf(w->dir, sizeof w->dir, "%s", dir);
    if (pthread_create(&w->thread, NULL, watch_main, w) != 0)
        bench_die("cannot start a thread");
    *out_watch = w;
}

int bench_watch_stop(struct bench_watch *watch, uint64_t *out_peak_bytes)
{
    atomic_store(&watch->stop, 1);
    (void)pthread_join(watch->thread, NULL);
    int rc = watch->failed;
    *out_peak_bytes = watch->peak;
    free(watch);
    return rc;
}
