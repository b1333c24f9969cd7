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

/* A large block straight from the kernel, and back to it: malloc, which learns from what was freed,
 * would keep several of them in an arena of each thread. Whole pages; large ones in huge pages. */
void *hg_alloc_pages(size_t size);
void hg_free_pages(void *block, size_t size); /* NULL is fine */
/* For a block of pages that will be used again and again, and holds nothing now: one more huge page behind the
 * first `huge` bytes, however slowly it comes. Returns how far huge pages were asked for. */
size_t hg_alloc_more_huge(void *block, size_t size, size_t huge);

/* Return non-zero to make this allocation fail. Test hook; any thread may call it. NULL = off. */
typedef int (*hg_alloc_fault)(size_t size, void *ctx);
void hg_alloc_set_fault(hg_alloc_fault fault, void *ctx);

/* Blocks handed out and not yet freed, counted only while a fault hook is set. */
long hg_alloc_live(void);

/* AddressSanitizer only sees what comes from malloc. */
#if defined(__SANITIZE_ADDRESS__)
#define HG_ALLOC_BY_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HG_ALLOC_BY_MALLOC 1
#endif
#endif
#ifndef HG_ALLOC_BY_MALLOC
#define HG_ALLOC_BY_MALLOC 0
#endif

/* Memory from the kernel at a multiple of `align`, and back; neither counted nor failed. NULL. */
void *hg_alloc_map(size_t align, size_t size);
void hg_alloc_unmap(void *block, size_t size);

/* For who gets memory elsewhere (slab.c): ask before, count what there is (NULL: nothing), uncount
 * before it goes. */
int hg_alloc_must_fail(size_t size);
void *hg_alloc_counted(void *block);
void hg_alloc_uncount(void);

#endif
