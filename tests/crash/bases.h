/*
 * Bases, and frame segments that go: what compactions do with both, without moving anything.
 */
#ifndef TESTS_CRASH_BASES_H
#define TESTS_CRASH_BASES_H

#include "engine/base.h"

/* An edit takes the frame segments below the base away in which nothing lives; their files go if nobody reads them. */
int base_remove_dead_frames(holog_store *s, unsigned *out_n);

#endif
