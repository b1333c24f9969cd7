/*
 * What /proc and /sys say about this machine; see machine.h.
 */
#include "machine.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "report.h"
#include "util.h"

/* First line of a file, without its end; "" when there is none. */
static void read_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");

    out[0] = '\0';
    if (f == NULL)
        return;
    if (fgets(out, (int)size, f) != NULL)
        out[strcspn(out, "\n")] = '\0';
    (void)fclose(f);
}

static void read_cpu(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");

    (void)snprintf(out, size, "unknown");
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(out, size, "%s", colon + 2);
        break;
    }
    (void)fclose(f);
}

/* One line of mountinfo: id parent MAJ:MIN root mountpoint options... - TYPE source ... */
static void read_file_system(dev_t dev, char *out, size_t size)
{
    char line[1024];
    char id[32];
    FILE *f = fopen("/proc/self/mountinfo", "re");

    (void)snprintf(out, size, "unknown");
    (void)snprintf(id, sizeof id, " %u:%u ", major(dev), minor(dev));
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        const char *dash = strstr(line, " - ");
        if (strstr(line, id) == NULL || dash == NULL)
            continue;
        (void)snprintf(out, size, "%.*s", (int)strcspn(dash + 3, " "), dash + 3);
        break;
    }
    (void)fclose(f);
}

static void read_field(const char *dir, const char *name, char *out, size_t size)
{
    char path[320];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    read_line(path, out, size);
}

static void read_device(dev_t dev, char *out, size_t size)
{
    char base[64], path[256], link[256], cache[32], fua[16], physical[16], spins[16];

    (void)snprintf(base, sizeof base, "/sys/dev/block/%u:%u", major(dev), minor(dev));
    ssize_t n = readlink(base, link, sizeof link - 1);
    if (n <= 0) {
        (void)snprintf(out, size, "no block device");
        return;
    }
    link[n] = '\0';
    (void)snprintf(path, sizeof path, "%s/queue", base);
    if (access(path, R_OK) != 0) /* a partition: the queue is the disk's */
        (void)snprintf(path, sizeof path, "%s/../queue", base);
    read_field(path, "write_cache", cache, sizeof cache);
    read_field(path, "fua", fua, sizeof fua);
    read_field(path, "physical_block_size", physical, sizeof physical);
    read_field(path, "rotational", spins, sizeof spins);
    const char *name = strrchr(link, '/');
    (void)snprintf(out, size, "%s, %s, FUA %s, physical block %s, rotational %s",
                   name != NULL ? name + 1 : "?", cache, fua, physical, spins);
}

void bench_machine_load(char *out, size_t size)
{
    read_line("/proc/loadavg", out, size);
}

void bench_machine_read(const char *dir, struct bench_machine *out_machine)
{
    struct bench_machine *m = out_machine;
    struct utsname u;
    struct stat st;
    struct tm tm;
    time_t now = time(NULL);

    memset(m, 0, sizeof *m);
    if (gmtime_r(&now, &tm) != NULL)
        (void)strftime(m->date, sizeof m->date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    read_cpu(m->cpu, sizeof m->cpu);
    m->cores = sysconf(_SC_NPROCESSORS_ONLN);
    m->ram_gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (double)GIB;
    if (uname(&u) == 0)
        (void)snprintf(m->kernel, sizeof m->kernel, "%s %s %s", u.sysname, u.release, u.machine);
    if (stat(dir, &st) == 0) {
        read_file_system(st.st_dev, m->file_system, sizeof m->file_system);
        read_device(st.st_dev, m->device, sizeof m->device);
    }
    bench_machine_load(m->load, sizeof m->load);
#ifdef __clang__
    (void)snprintf(m->compiler, sizeof m->compiler, "clang %s", __clang_version__);
#else
    (void)snprintf(m->compiler, sizeof m->compiler, "gcc %s", __VERSION__);
#endif
#ifndef __OPTIMIZE__
    (void)strncat(m->compiler, ", NOT OPTIMISED", sizeof m->compiler - strlen(m->compiler) - 1);
#endif
}

void bench_machine_print(const struct bench_machine *machine, FILE *to)
{
    const struct bench_machine *m = machine;

    (void)fprintf(to, "date         %s\n", m->date);
    (void)fprintf(to, "cpu          %s, %ld cores\n", m->cpu, m->cores);
    (void)fprintf(to, "memory       %.1f GiB\n", m->ram_gib);
    (void)fprintf(to, "kernel       %s\n", m->kernel);
    (void)fprintf(to, "disk         %s on %s\n", m->file_system, m->device);
    (void)fprintf(to, "load         %s\n", m->load);
    (void)fprintf(to, "compiler     %s\n", m->compiler);
}

void bench_machine_json(const struct bench_machine *machine, FILE *to)
{
    const struct bench_machine *m = machine;
    const char *const fields[][2] = {
        { "date", m->date },         { "cpu", m->cpu },
        { "kernel", m->kernel },     { "file_system", m->file_system },
        { "device", m->device },     { "load_at_start", m->load },
        { "compiler", m->compiler },
    };

    (void)fprintf(to, "{");
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        (void)fprintf(to, "\"%s\": ", fields[i][0]);
        bench_json_string(to, fields[i][1]);
        (void)fprintf(to, ", ");
    }
    (void)fprintf(to, "\"cores\": %ld, \"ram_gib\": %.1f}", m->cores, m->ram_gib);
}
