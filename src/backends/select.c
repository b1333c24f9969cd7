/*
 * Which backend a step of a pipeline is for; see holog/backend.h.
 */
#include "holog/backend.h"

const char *holog_select_backend(uint32_t step, uint32_t last_step, uint32_t step_type,
                                 uint64_t data_bytes, uint64_t memory_available_bytes)
{
    if (step == 0 || step == last_step)
        return "files";
    /* 0.8, rounded down, without a product that overflows. */
    if (data_bytes > memory_available_bytes / 5 * 4 + memory_available_bytes % 5 * 4 / 5)
        return "files";
    return step_type == HOLOG_STEP_FUNCTION ? "memory" : "files";
}
