/*
 * See segments.h.
 */
#include "segments.h"

#include <holog/space.h>

#include "util.h"

static int add_segment(void *ctx, const holog_segment_space *s)
{
    struct bench_segments *sum = ctx;

    sum->used += s->used_bytes;
    sum->live += s->head_bytes + s->history_bytes + s->tag_bytes + s->view_bytes;
    return 0;
}

int bench_segments_ask(holog_store *store, struct bench_segments *out_segments)
{
    *out_segments = (struct bench_segments){ 0 };
    int rc = holog_space(store, add_segment, out_segments);
    return rc == HOLOG_OK ? 0 : bench_fail("holog space: %s", holog_error_name(rc));
}
