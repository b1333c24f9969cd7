/*
 * Memory: every allocation of the library goes through here, so a test can fail the n-th one.
 * NULL on failure; the caller reports HOLOG_E_NOMEM. hg_free(NULL) is allowed.
 */
#ifndef HG_BASE_ALLOC_H
#define HG_BASE_ALLOC_H

#include <stddef.h>

void *hg_malloc(size_t size);
void *hg_calloc(size_t count, size_t size); /* checks the product */
void *hg_realloc(void *ptr, size_t size);
void hg_free(void *ptr);
char *hg_strndup(const char *s, size_t len); /* always NUL-terminated */

/* Aligned to `align` (a power of two, >= sizeof(void *)); freed by hg_free. */
void *hg_alloc_aligned(size_t align, size_t size);

/* Return non-zero to make this allocation fail. Test hook; any thread may call it. NULL = off. */
typedef int (*hg_alloc_fault)(size_t size, void *ctx);
void hg_alloc_set_fault(hg_alloc_fault fault, void *ctx);

/* Blocks handed out and not yet freed, counted only while a fault hook is set. */
long hg_alloc_live(void);

/* For who gets memory elsewhere (slab.c): ask before, count what there is (NULL: nothing), uncount
 * before it goes. */
int hg_alloc_must_fail(size_t size);
void *hg_alloc_counted(void *block);
void hg_alloc_uncount(void);

#endif
