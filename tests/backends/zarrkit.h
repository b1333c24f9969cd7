/*
 * A store in a box of its own (storekit.h), as a Zarr hierarchy.
 *
 * What a test leaves in it must be the same after the store is verified and opened again, and its listings must
 * agree: with each other, and with what single keys are.
 */
#ifndef TESTS_BACKENDS_ZARRKIT_H
#define TESTS_BACKENDS_ZARRKIT_H

#include "../store/storekit.h"
#include "holog/zarr.h"

extern struct box box;
extern holog_view *view; /* of what open_at has opened */
extern int has_round; /* set: a symlink leads to a directory, so that by levels there is no end */

void zarr_setup(void);
void zarr_teardown(void);
#define ZARR_SUITE(name) TestSuite(name, .init = zarr_setup, .fini = zarr_teardown, .timeout = 60)

holog_zarr *open_at(const char *path, unsigned flags);
holog_zarr *open_zarr(void);
void close_zarr(holog_zarr *z);

/* One commit each. */
int set_bytes(const char *key, const void *data, size_t len);
int set_text(const char *key, const char *text);
void drop(const char *key);
void drop_prefix(const char *prefix);

/* holog_zarr_stat_get gives what holog_zarr_stat and holog_zarr_get give, of whatever it is. */
void both_agree(holog_zarr *z, const char *key);
/* The key's bytes, and that stat tells their size; NUL behind them. */
int get_key(holog_zarr *z, const char *key, char *out, size_t cap, size_t *out_len);
const char *text_of(const char *key); /* or the name of the failure */
unsigned kind_of(const char *key);    /* enum holog_zarr_kind */

/* "key=size ..", of a document "key "; of prefixes "name/ ". */
int append_key(void *ctx, const char *key, uint64_t size);
int append_name(void *ctx, const char *name, int is_key, int is_prefix, uint64_t size);
const char *all_keys(void);
const char *keys_below(const char *prefix);
const char *names_below(const char *prefix);
/* What levels name is what is listed at once, each key once and there. */
void listings_agree(unsigned flags);

/* ---- documents ---- */
#define GROUP      "{\"zarr_format\":3,\"node_type\":\"group\"}"
#define SLASHES    "\"name\": \"default\""
#define DOTS       "\"name\": \"default\", \"configuration\": {\"separator\": \".\"}"
#define V2_DOTS    "\"name\": \"v2\""
#define V2_SLASHES "\"name\": \"v2\", \"configuration\": {\"separator\": \"/\"}"
#define CRC        ", {\"name\": \"crc32c\"}"
#define START      ", \"index_location\": \"start\""
#define END        ", \"index_location\": \"end\""

/* Of bytes, as they are. */
const char *array_json(const char *shape, const char *chunk, const char *keys);
const char *plain(void); /* 4 x 6 in chunks of 2 x 2 */
/* 4 x 6 in shards of 4 x 4, each with 2 x 2 inner chunks. */
const char *sharded(const char *index_codecs, const char *location);

/* ---- shards ---- */
struct layout {
    int start, crc;
    unsigned order[4]; /* in which inner chunks lie in it */
    size_t gap;        /* behind each */
};
extern const struct layout ours;
extern const char *const three[4]; /* inner chunks, one of them missing */
/* As the specification says; NULL: the inner chunk is missing. Returns its size. */
size_t make_shard(const struct layout *l, const char *const inner[4], uint8_t *out);

#endif
