/*
 * See machine.h.
 */
#include "io/machine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "io/common.h"

const char *hg_cpu_simd(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return "sse4.2 avx2 avx512f";
    if (__builtin_cpu_supports("avx2"))
        return "sse4.2 avx2";
    return __builtin_cpu_supports("sse4.2") ? "sse4.2" : "none";
#else
    return "not known";
#endif
}

int hg_machine_of(const char *dir, struct hg_machine *out)
{
    struct statfs fs;
    struct utsname name;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t id;

    if (statfs(dir, &fs) != 0)
        return hg_io_fail(errno, "look at the file system of", dir);
    if (uname(&name) != 0)
        return hg_io_fail(errno, "ask the kernel's name for", dir);
    static_assert(sizeof fs.f_fsid == sizeof id, "an id is two ints");
    memcpy(&id, &fs.f_fsid, sizeof id);
    *out = (struct hg_machine){ .cpus = cpus > 0 ? (uint64_t)cpus : 1 };
    (void)snprintf(out->simd, sizeof out->simd, "%s", hg_cpu_simd());
    (void)snprintf(out->kernel, sizeof out->kernel, "%.*s", (int)sizeof out->kernel - 1,
                   name.release);
    (void)snprintf(out->file_system, sizeof out->file_system, "%llx-%016llx",
                   (unsigned long long)fs.f_type, (unsigned long long)id);
    return HOLOG_OK;
}
