/*
 * Memory and processors; see memory.h.
 */
#include "io/memory.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"

static uint64_t read_limit(const char *file)
{
    char line[64];
    char *end = line;
    uint64_t v = 0;
    FILE *f = fopen(file, "re");

    if (f == NULL)
        return UINT64_MAX;
    if (fgets(line, sizeof line, f) != NULL)
        v = strtoull(line, &end, 10);
    (void)fclose(f);                     /* only read */
    return end != line ? v : UINT64_MAX; /* "max" is no number */
}

uint64_t hg_memory_available(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long size = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_C(1) << 30;
    uint64_t v2 = read_limit("/sys/fs/cgroup/memory.max");
    uint64_t v1 = read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes");

    bytes = HG_MIN(bytes, HG_MIN(v1, v2));
    return HG_MAX(bytes, UINT64_C(64) << 20);
}

unsigned hg_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)HG_MAX(CPU_COUNT(&set), 1);
}
