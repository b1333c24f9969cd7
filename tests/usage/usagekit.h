/*
 * A workspace as programs have one: a store, ordinary files beside it, and the three backends over both.
 */
#ifndef TESTS_USAGE_USAGEKIT_H
#define TESTS_USAGE_USAGEKIT_H

#include "../store/storekit.h"
#include "holog/backend.h"

struct workspace {
    struct box box;
    char root[512]; /* of the backend disk */
    holog_backend *memory;
    holog_backend *disk;
    holog_backend *zarr;
};

extern struct workspace ws;

void ws_begin(void);
/* Closes everything, verifies, opens; what can be read is as it was. */
void ws_reopen(void);
void ws_end(void);
/* Without the store, as after a kill: the backends and the handle are those of another process. */
void ws_open(void);
void ws_close(void);
/* One of the three with options of its own; store and root are filled in. */
holog_backend *ws_backend(const char *name, holog_backend_options options);

/* An array as a save takes it. */
holog_object_spec array_spec(const void *data, uint32_t dtype, uint32_t rank,
                             const uint64_t *shape);
/* 16-bit pixels that differ from place to place and from seed to seed. */
void fill_pixels(uint16_t *pixels, size_t n, uint64_t seed);

void save_text_to(holog_backend *b, const char *path, const char *text);
/* It is there, a blob with that text. */
void has_text_in(holog_backend *b, const char *path, const char *text);
/* It is there, an array of that type and shape with those elements. */
void has_array(holog_backend *b, const char *path, uint32_t dtype, uint32_t rank,
               const uint64_t *shape, const void *data);
int exists_in(holog_backend *b, const char *path);
/* Paths of the objects below dir, one space behind each, as they come. */
const char *listed(holog_backend *b, const char *dir, const char *pattern);
/* The ordinary file of that name beside the store; NULL when there is none. Free it. */
void *file_beside(const char *name, size_t *out_len);
/* Whether this build can read and write TIFF. */
int have_tiff(void);

#endif
