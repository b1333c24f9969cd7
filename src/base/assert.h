/*
 * Assertions: for what only a bug of ours could break. Disk, kernel and caller get error codes.
 * HG_ASSERT stays on in release; HG_INVARIANT is for expensive walks (-Dinvariants=true).
 */
#ifndef HG_BASE_ASSERT_H
#define HG_BASE_ASSERT_H

_Noreturn void hg_assert_failed(const char *expr, const char *file, int line);

/* Called before abort() when an assertion fails; the host may log. NULL restores the default. */
typedef void (*hg_assert_hook)(const char *expr, const char *file, int line);
void hg_assert_set_hook(hg_assert_hook hook);

#define HG_ASSERT(expr) ((expr) ? (void)0 : hg_assert_failed(#expr, __FILE__, __LINE__))

#ifdef HG_INVARIANTS
#define HG_INVARIANT(expr) HG_ASSERT(expr)
#else
#define HG_INVARIANT(expr) ((void)sizeof((expr) ? 1 : 0))
#endif

#define HG_UNUSED(x) ((void)(x))
#define HG_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HG_MAX(a, b) ((a) > (b) ? (a) : (b))
/* a: a power of two of any type: ~(a - 1) would cut a 64-bit x to the width of a. */
#define HG_ALIGN_DOWN(x, a)  ((x) - ((x) & ((a)-1)))
#define HG_ALIGN_UP(x, a)    HG_ALIGN_DOWN((x) + ((a)-1), a)
#define HG_MUST_CHECK        __attribute__((warn_unused_result))
#define HG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
