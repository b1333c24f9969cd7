/*
 * Which machine this is, as far as it tells which way of input and output is the fast one.
 */
#ifndef HG_IO_MACHINE_H
#define HG_IO_MACHINE_H

#include <stdint.h>

#include "base/assert.h"

struct hg_machine {
    uint64_t cpus;        /* that are online, whoever may run on them */
    char simd[32];        /* as hg_cpu_simd */
    char kernel[96];      /* "6.18.3" */
    char file_system[48]; /* type and id of the one that a directory lies on: "ef53-8a1f..." */
};

/* The names of instructions that the library and those below it use, and that this machine has. */
const char *hg_cpu_simd(void);
/* HOLOG_E_IO, HOLOG_E_NOENT: there is no such directory. */
HG_MUST_CHECK int hg_machine_of(const char *dir, struct hg_machine *out);

#endif
