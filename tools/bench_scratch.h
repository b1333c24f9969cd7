/*
 * bench_scratch.h: a directory of our own that goes away again.
 */
#ifndef HOLOG_TOOLS_BENCH_SCRATCH_H
#define HOLOG_TOOLS_BENCH_SCRATCH_H

#include <stddef.h>

/* Makes parent/holog-bench-XXXXXX; its name to out. 0 or errno. */
int scratch_make(const char *parent, char *out, size_t room);
/* Removes it with all files in it; follows no symlink. 0 or errno. */
int scratch_remove(const char *dir);

#endif
