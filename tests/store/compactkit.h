/*
 * One box, whose store compacts only where a test asks for it, and what the tests of compactions do with it.
 */
#ifndef TESTS_STORE_COMPACTKIT_H
#define TESTS_STORE_COMPACTKIT_H

#include "holog/compact.h"
#include "storekit.h"

#define KIB ((size_t)1024)

extern struct box box;
extern holog_compact_report report; /* of the last compact() */

/* Makes the box and opens it: frame segments of 64 KiB, extent segments of 1 MiB, where values of more than 8 KiB
 * go, and a history of one commit. space_amp: max_space_amp; 0, as begin() has it: the default. */
void begin_with(double space_amp);
void begin(void);

void compact(unsigned flags);          /* HOLOG_COMPACT_* */
void let_go(void);                     /* of all that the last commit, tags and views have not */
unsigned files_of(const char *suffix); /* how many names in seg/ end so */
uint64_t head(void);

/* A commit of one delta: it updates [at, at + len) of the value. */
int change(const char *path, uint64_t at, const void *bytes, size_t len);

#endif
