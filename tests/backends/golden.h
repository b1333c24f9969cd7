/*
 * Files that others wrote, and the elements that they hold by agreement.
 */
#ifndef TESTS_BACKENDS_GOLDEN_H
#define TESTS_BACKENDS_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include "array/dtype.h"

/* A file below golden/, in memory that ends where it ends; release with free(). */
uint8_t *golden_read(const char *name, size_t *out_len);
/* len bytes of memory of their own with the same content; release with free(). */
uint8_t *golden_exact(const void *data, size_t len);
/* Byte k of the elements, in C order and little-endian. */
uint8_t golden_byte(enum hg_dtype dtype, uint64_t k);

/* What went wrong last, for messages. */
const char *golden_why(void);

#define OK(call)                                                                     \
    do {                                                                             \
        int ok_rc = (call);                                                          \
        cr_assert_eq(ok_rc, HOLOG_OK, "%s: %s (%s)", #call, holog_error_name(ok_rc), \
                     golden_why());                                                  \
    } while (0)
#define FAILS(code, call)                                                               \
    do {                                                                                \
        int fails_rc = (call);                                                          \
        cr_assert_eq(fails_rc, (code), "%s: %s instead of %s (%s)", #call,              \
                     holog_error_name(fails_rc), holog_error_name(code), golden_why()); \
    } while (0)

#endif
