/*
 * Operations on a store on the simulated disk, with power cuts and reopens, against the shadow model.
 * The input is a plan (tests/crash/plan.h). Hashes are compared here, in a fuzzing build as well: what
 * a cut has torn must be found out.
 */
#include "../tests/crash/plan.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct plan p;
    char why[500];

    plan_decode(data, size, &p);
    if (plan_fails(&p, why, sizeof why)) {
        (void)fprintf(stderr, "%s\n", why);
        plan_print(&p);
        abort();
    }
    return 0;
}
