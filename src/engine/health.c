/*
 * How a handle is: what it can still do, and what is missing.
 */
#include <stdio.h>

#include "base/error.h"
#include "engine/store_internal.h"

struct finding {
    enum holog_health_state state;
    char reason[160];
};

#define FINDINGS_MAX 4u

static void found(struct finding *all, unsigned *n, enum holog_health_state state,
                  const char *reason)
{
    HG_ASSERT(*n < FINDINGS_MAX);
    all[*n].state = state;
    (void)snprintf(all[*n].reason, sizeof all[*n].reason, "%s", reason);
    ++*n;
}

/* The worst first. */
static unsigned look(const holog_store *s, struct finding *out)
{
    unsigned n = 0;
    int poisoned = s->log == NULL ? HOLOG_OK : hg_log_poisoned(s->log);
    char why[160];

    (void)
        snprintf(why, sizeof why,
                 "an earlier write failed (%s): nothing is written any more; close, and open again",
                 holog_error_name(poisoned));
    if (poisoned != HOLOG_OK)
        found(out, &n, HOLOG_HEALTH_FAILED, why);
    if (s->log == NULL)
        found(out, &n, HOLOG_HEALTH_READONLY, "it was opened read-only");
    if (__atomic_load_n(&s->keeper.failed, __ATOMIC_RELAXED))
        found(out, &n, HOLOG_HEALTH_DEGRADED,
              "an index checkpoint could not be written: the next open takes longer");
    if (s->log != NULL && s->ctl == NULL)
        found(out, &n, HOLOG_HEALTH_DEGRADED,
              "the file ctl could not be made: readers in other processes see commits later");
    return n;
}

int holog_health(holog_store *store, uint32_t *out_state,
                 int (*each)(void *ctx, uint32_t state, const char *reason), void *ctx)
{
    struct finding all[FINDINGS_MAX];
    unsigned n;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (out_state == NULL)
        return hg_error(HOLOG_E_INVAL, "out_state is NULL");
    n = look(store, all);
    *out_state = n > 0 ? all[0].state : HOLOG_HEALTH_OK;
    for (unsigned i = 0; each != NULL && i < n; i++) {
        if (each(ctx, all[i].state, all[i].reason) != 0)
            break;
    }
    return HOLOG_OK;
}

const char *holog_health_name(uint32_t state)
{
    static const char *const names[] = { "ok", "degraded", "read-only", "failed" };

    return state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}
