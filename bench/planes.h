/*
 * Planes of microscopy that compress as such: made-up fields (codec/fields.h), each plane another field shifted by other
 * distances, so that no two have the same bytes at the same place.
 */
#ifndef BENCH_PLANES_H
#define BENCH_PLANES_H

#include <stddef.h>
#include <stdint.h>

struct bench_planes;
/* Square, `side` pixels of uint16 each way. Never NULL; bench_planes_free. */
struct bench_planes *bench_planes_make(uint32_t side);
void bench_planes_free(struct bench_planes *planes); /* NULL is fine */
/* Plane number id, the same whenever it is asked for, into side * side elements. */
void bench_plane(const struct bench_planes *planes, uint64_t id, uint16_t *out);
/* The same plane, but in a square box of `share` of its area, where it is of plane `other`. */
void bench_plane_with_box(const struct bench_planes *planes, uint64_t id, uint64_t other,
                          double share, uint16_t *out);

#endif
