/*
 * A cache over files whose bytes follow a pattern: byte `offset` of segment `id` has one right value, so any read can
 * be checked without a model. Single-threaded tests run on the simulated disk, where files can be counted and made to
 * fail; threads run on a real one. HOLOG_TEST_SEED replays a run.
 */
#ifndef TESTS_ENGINE_CACHEKIT_H
#define TESTS_ENGINE_CACHEKIT_H

#include <stdint.h>

#include <holog/error.h>

#include "engine/cache.h"
#include "io/sim.h"

#define KIB 1024u
#define MIB (1024u * KIB)

/* ---- chance, pattern, effort ---- */
uint64_t next_random(uint64_t *state);
uint32_t below(uint64_t *state, uint32_t n);
uint64_t seed_or(uint64_t fallback); /* HOLOG_TEST_SEED, if it is set */
unsigned effort(void);               /* how often, by HOLOG_TEST_LEVEL */
uint8_t pattern(uint32_t id, uint64_t offset);
void fill_pattern(uint8_t *out, uint32_t id, uint64_t offset, size_t len);
/* Offset of the first wrong byte, or len. */
size_t first_wrong(const uint8_t *in, uint32_t id, uint64_t offset, size_t len);

/* ---- a store's files, and a cache over them ---- */
struct env {
    struct hg_io *io;
    struct hg_files *files;
    struct hg_epoch_domain *domain;
    struct hg_cache *cache;
};

void write_at(struct hg_io *io, const char *name, const void *data, size_t len, uint64_t offset);
/* Bytes [offset, offset + len) of the pattern into the segment's file. */
void write_segment(struct hg_io *io, uint32_t id, uint64_t offset, size_t len);
int env_open(struct env *e, struct hg_io *io, int direct, uint64_t budget);
void env_close(struct env *e);
void env_begin(struct env *e, struct hg_io *io, uint64_t budget); /* with its directory */
void add_segment(struct env *e, uint32_t id, uint64_t size_max);
int put_pattern(struct env *e, uint32_t id, uint32_t offset, size_t len);
void expect_read(struct env *e, uint32_t id, uint64_t offset, size_t len);
struct hg_cache_counters counters(struct env *e);
int cached(struct env *e, uint32_t id, uint64_t offset); /* is the byte in a page? */
/* Take all that can be had, so that everything that may be evicted is, and give it back. */
void squeeze(struct env *e);

/* ---- disks ---- */
/* On the simulated one, with sim as ctx; o NULL: a plain one. It must succeed. */
void on_sim(int (*scenario)(struct hg_io *io, void *ctx), const struct hg_sim_options *o);
char *make_dir(void);                               /* a real one */
void remove_dir(struct hg_io *io, const char *dir); /* the io too */

#endif
