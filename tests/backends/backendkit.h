/*
 * A claim about all backends: the test of it runs with each of them in turn, on a store and a directory of its own.
 */
#ifndef TESTS_BACKENDS_BACKENDKIT_H
#define TESTS_BACKENDS_BACKENDKIT_H

#include <criterion/criterion.h>

#include "../store/storekit.h"
#include "holog/backend.h"

/* Test(contract, NAME) { ... } for each backend; in it `vfs` is open. */
#define CLAIM(claim)              \
    static void claim(void);      \
    Test(contract, claim)         \
    {                             \
        with_each_backend(claim); \
    }                             \
    static void claim(void)

/* As OK and FAILS; the message names the backend. */
#define GOOD(call)             vfs_good(__LINE__, (call))
#define BAD(code, call, words) vfs_bad(__LINE__, (code), (call), (words))

extern holog_backend *vfs; /* the one at hand */
extern struct box vfs_box; /* the store that it shows */
extern char vfs_root[512]; /* of `files` */

void with_each_backend(void (*claim)(void));
/* A backend that is not of this program: from the module that the build made. */
void load_sample(void);
holog_backend *open_backend(const char *name); /* on the box's store */
int is_in_store(void);                         /* the one at hand shows the store */
/* Closes the backend and the store, verifies, opens both. What keeps nothing is left as it is. */
void reopen(void);
/* The same without verifying, and with something done to the store's files while it is closed. */
void reopen_after(void (*change)(void));

void vfs_good(int line, int rc);
void vfs_bad(int line, int code, int rc, const char *words);

int save(const char *path, const char *text, unsigned flags);
holog_object_spec array_of(const void *data, uint32_t dtype, uint32_t rank, const uint64_t *shape);
void has(int line, const char *path, const char *text); /* a blob with that text */
#define HAS(path, text) has(__LINE__, path, text)
/* An array of 2 rows of 3 pixels, and the bytes of them. */
extern const uint64_t plane_shape[2];
extern const uint16_t plane[6];
int save_plane(const char *path, unsigned flags);
void has_plane(const char *path);
uint32_t kind(const char *path); /* enum holog_type, by stat */
/* "a.npy b.npy ", as they come. */
const char *files_in(const char *dir, const char *pattern, const char *const *extensions,
                     unsigned flags);
const char *names_in(const char *dir);

#endif
