/*
 * The allocator: malloc with one hook in front. With no hook set it costs one relaxed load.
 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/assert.h"

static _Atomic(hg_alloc_fault) alloc_fault;
static _Atomic(void *) alloc_fault_ctx;
static atomic_long alloc_live;

void hg_alloc_set_fault(hg_alloc_fault fault, void *ctx)
{
    atomic_store(&alloc_fault, NULL); /* never the new context with the old function */
    atomic_store(&alloc_fault_ctx, ctx);
    if (fault != NULL)
        atomic_store(&alloc_live, 0);
    atomic_store(&alloc_fault, fault);
}

long hg_alloc_live(void)
{
    return atomic_load(&alloc_live);
}

int hg_alloc_must_fail(size_t size)
{
    hg_alloc_fault fault = atomic_load_explicit(&alloc_fault, memory_order_acquire);
    return fault != NULL && fault(size, atomic_load(&alloc_fault_ctx)) != 0;
}

static void count_blocks(long change)
{
    if (atomic_load_explicit(&alloc_fault, memory_order_relaxed) != NULL)
        atomic_fetch_add_explicit(&alloc_live, change, memory_order_relaxed);
}

void *hg_alloc_counted(void *block)
{
    if (block != NULL)
        count_blocks(1);
    return block;
}

void hg_alloc_uncount(void)
{
    count_blocks(-1);
}

void *hg_malloc(size_t size)
{
    if (hg_alloc_must_fail(size))
        return NULL;
    return hg_alloc_counted(malloc(size != 0 ? size : 1));
}

void *hg_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || hg_alloc_must_fail(bytes))
        return NULL;
    return hg_alloc_counted(calloc(1, bytes != 0 ? bytes : 1));
}

void *hg_realloc(void *ptr, size_t size)
{
    if (hg_alloc_must_fail(size))
        return NULL;
    void *block = realloc(ptr, size != 0 ? size : 1);
    return ptr == NULL ? hg_alloc_counted(block) : block;
}

void hg_free(void *ptr)
{
    if (ptr == NULL)
        return;
    hg_alloc_uncount();
    free(ptr);
}

char *hg_strndup(const char *s, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = hg_malloc(len + 1);
    if (copy == NULL)
        return NULL;
    if (len != 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

#define PAGE      ((size_t)4096)
#define HUGE_PAGE ((size_t)2 << 20) /* an 8 MiB copy spends half its time in 2048 page faults */

static size_t align_for(size_t align, size_t size)
{
    return size >= HUGE_PAGE ? HG_MAX(align, HUGE_PAGE) : align;
}

/*
 * Huge pages come at memory speed, or slower than small ones: where a hypervisor takes back what a guest has
 * freed, it takes blocks of huge pages, and each is mapped anew in small pieces (measured: 0.4 GB/s, and
 * 2.5 GB/s for small pages, which come from what was never taken; 20 GB/s where it is not so). Which it will
 * be changes from page to page with what others have just freed. So those of large buffers are asked for one
 * at a time, touched and timed, and after a slow one small ones do for a while: the slow ones take a
 * twentieth of the time at most.
 */
#define HUGE_NS_MAX ((uint64_t)1000 * 1000) /* for one; it is cleared in 0.1 ms */
#define HUGE_REST   20u                     /* times as long as the slow one took */

static _Atomic uint64_t huge_rest_until; /* ns */

static uint64_t now_ns(void)
{
    struct timespec t;

    /* lint-allow(clock_gettime): how fast memory comes, which no test replays */
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Only what fills huge pages: the rest would grow past its size. */
static void ask_for_huge(void *block, size_t size)
{
    /* lint-allow(madvise): of memory, not of a file; advice, whose failure changes nothing */
    (void)madvise(block, HG_ALIGN_DOWN(size, HUGE_PAGE), MADV_HUGEPAGE);
}

static void touch_huge(uint8_t *block, size_t size)
{
    uint64_t start = now_ns();

    if (start < atomic_load(&huge_rest_until))
        return;
    for (size_t at = 0; at + HUGE_PAGE <= size; at += HUGE_PAGE) {
        uint64_t end;
        ask_for_huge(block + at, HUGE_PAGE);
        *(volatile uint8_t *)(block + at) = 0;
        end = now_ns();
        if (end - start > HUGE_NS_MAX) {
            atomic_store(&huge_rest_until, end + HUGE_REST * (end - start));
            return;
        }
        start = end;
    }
}

void *hg_alloc_aligned(size_t align, size_t size)
{
    HG_ASSERT(align >= sizeof(void *) && (align & (align - 1)) == 0);
    void *block = NULL;
    if (hg_alloc_must_fail(size) ||
        posix_memalign(&block, align_for(align, size), size != 0 ? size : 1) != 0)
        return NULL;
    if (size >= HUGE_PAGE && now_ns() >= atomic_load(&huge_rest_until))
        ask_for_huge(block, size);
    return hg_alloc_counted(block);
}

/* ---- from the kernel ---------------------------------------------------------------------------*/

/* More is mapped and the ends are given back. */
void *hg_alloc_map(size_t align, size_t size)
{
    size_t whole = size + align;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    if (whole < size)
        return NULL;
    /* lint-allow(mmap): of memory, not of a file */
    uint8_t *all = mmap(NULL, whole, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)all & (align - 1));
    uint8_t *block = all + before;
    if (before > 0)
        (void)munmap(all, before); /* lint-allow(munmap): what stays mapped is never touched */
    (void)munmap(block + size, align - before); /* lint-allow(munmap): as above */
    return block;
}

void hg_alloc_unmap(void *block, size_t size)
{
    (void)munmap(block, size); /* lint-allow(munmap): of memory */
}

void *hg_alloc_pages(size_t size)
{
    size = HG_ALIGN_UP(size, PAGE);
    HG_ASSERT(size > 0);
    if (HG_ALLOC_BY_MALLOC)
        return hg_alloc_aligned(PAGE, size);
    if (hg_alloc_must_fail(size))
        return NULL;
    void *block = hg_alloc_map(align_for(PAGE, size), size);
    if (block != NULL && size >= HUGE_PAGE)
        touch_huge(block, size);
    return hg_alloc_counted(block);
}

size_t hg_alloc_more_huge(void *block, size_t size, size_t huge)
{
    uint8_t *at = (uint8_t *)block + huge;

    if (HG_ALLOC_BY_MALLOC || size - huge < HUGE_PAGE)
        return huge;
    (void)madvise(at, HUGE_PAGE, MADV_DONTNEED); /* lint-allow(madvise): as above */
    ask_for_huge(at, HUGE_PAGE);
    *(volatile uint8_t *)at = 0;
    return huge + HUGE_PAGE;
}

void hg_free_pages(void *block, size_t size)
{
    if (HG_ALLOC_BY_MALLOC) {
        hg_free(block);
        return;
    }
    if (block == NULL)
        return;
    hg_alloc_uncount();
    hg_alloc_unmap(block, HG_ALIGN_UP(size, PAGE));
}
