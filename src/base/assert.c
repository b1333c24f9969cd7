/*
 * What happens when an assertion fails: the host's hook, then the C library's own report and abort.
 */
#undef NDEBUG
#include "base/assert.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(hg_assert_hook) assert_hook;

void hg_assert_set_hook(hg_assert_hook hook)
{
    atomic_store(&assert_hook, hook);
}

_Noreturn void hg_assert_failed(const char *expr, const char *file, int line)
{
    hg_assert_hook hook = atomic_load(&assert_hook);
    if (hook != NULL)
        hook(expr, file, line);
    /* Leaves the text in the core file as well, which a bare abort() would not. */
    __assert_fail(expr, file, (unsigned)line, "holog");
}
