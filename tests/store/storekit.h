/*
 * Stores in real directories, for the tests of the public calls: a box is a directory of its own
 * under TMPDIR with one handle on the store in it.
 */
#ifndef TESTS_STORE_STOREKIT_H
#define TESTS_STORE_STOREKIT_H

#include <criterion/criterion.h>

#include "../crash/model.h"
#include "holog/holog.h"

#define OK(call) store_ok(__LINE__, (call))
/* The call must fail with `code`; its detail must have a message, and `words` (NULL: any) must stand
 * in the message or the detail's path. */
#define FAILS(code, call, words) store_fails(__LINE__, (code), (call), (words))

struct box {
    char dir[256];
    holog_options opts;
    holog_store *store;
};

void store_ok(int line, int rc);
void store_fails(int line, int code, int rc, const char *words);

int test_level(void);     /* 0 quick, 1 normal, 2 full */
uint64_t test_seed(void); /* HOLOG_TEST_SEED or fixed */

void box_make(struct box *b);   /* a directory and options, no store yet */
void box_open(struct box *b);   /* opens, creating */
void box_begin(struct box *b);  /* both */
void box_reopen(struct box *b); /* closes, opens */
void box_end(struct box *b);    /* closes, removes the directory */
/* Closes, verifies, opens, and demands that everything a reader can see is as it was. */
void box_same_after_reopen(struct box *b);

/* Everything a reader can see: type, size, number, hash of the bytes and target of each entry, in
 * the order of the listing. Free it. */
char *store_text(holog_store *s);

/* A blob of len bytes that value_fill makes from seed. */
int save_seed(holog_store *s, const char *path, size_t len, uint64_t seed, unsigned flags);
/* It is there, byte for byte. */
void has_seed(holog_store *s, const char *path, size_t len, uint64_t seed);
void has_text(holog_store *s, const char *path, const char *text);
int save_text(holog_store *s, const char *path, const char *text, unsigned flags);
enum holog_type type_of(holog_store *s, const char *path);

void remove_tree(const char *dir);
void *file_read(const char *dir, const char *name, size_t *out_len);
void file_write(const char *dir, const char *name, const void *data, size_t len);

#endif
