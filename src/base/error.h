/*
 * Error detail. A function that fails for a reason the caller must act on sets the detail of its
 * thread and returns the code in one expression:
 *
 *     return hg_error(HOLOG_E_NOSPC, "no space for a segment of %llu bytes", n);
 *
 * Damage has one choke point, hg_corrupt(): one breakpoint finds every report of damage.
 */
#ifndef HG_BASE_ERROR_H
#define HG_BASE_ERROR_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "holog/error.h"

/* Set message (printf-like), no position, no path. Returns code. */
int hg_error(int code, const char *fmt, ...) HG_PRINTF(2, 3);

/* As hg_error, naming the store path (entry) concerned. */
int hg_error_path(int code, const char *path, uint32_t path_len, const char *fmt, ...)
    HG_PRINTF(4, 5);

/* HOLOG_E_CORRUPT at a byte of a segment. */
int hg_corrupt(uint32_t segment, uint64_t offset, const char *fmt, ...) HG_PRINTF(3, 4);

/* Name the store path (entry) concerned in the detail that is set now; the rest of it stays. */
void hg_error_name_path(const char *path, size_t path_len);

/* As hg_corrupt, of a file that is not a segment ("SUPER", "chk/..."). */
int hg_corrupt_file(const char *file, uint64_t offset, const char *fmt, ...) HG_PRINTF(3, 4);

/* A kernel error: maps errno_value to a code (ENOSPC, EDQUOT -> NOSPC; ENOMEM -> NOMEM; else IO). */
int hg_error_sys(int errno_value, const char *what, const char *file);

/* As hg_error_sys, with the code already chosen by the caller. */
int hg_error_sys_as(int code, int errno_value, const char *what, const char *file);

/* clang-tidy sees one file at a time: without this it follows paths on which a failure is a success. */
#if defined(__clang_analyzer__) && !defined(HG_ERROR_C)
#define hg_error(code, ...)        ((void)hg_error((code), __VA_ARGS__), (code))
#define hg_error_path(code, ...)   ((void)hg_error_path((code), __VA_ARGS__), (code))
#define hg_error_sys_as(code, ...) ((void)hg_error_sys_as((code), __VA_ARGS__), (code))
#define hg_error_sys(...)          ((void)hg_error_sys(__VA_ARGS__), HOLOG_E_IO)
#define hg_corrupt(...)            ((void)hg_corrupt(__VA_ARGS__), HOLOG_E_CORRUPT)
#define hg_corrupt_file(...)       ((void)hg_corrupt_file(__VA_ARGS__), HOLOG_E_CORRUPT)
#endif

void hg_error_clear(void);

/* Keep and put back a detail across cleanup that may itself fail (first cause wins), or hand it to
 * another thread: the group leader's error becomes each follower's. */
void hg_error_get(struct holog_error_detail *out);
void hg_error_set(const struct holog_error_detail *d);

#endif
