/*
 * holog_space: what the segments hold, for people.
 */
#include "holog/space.h"

#include "base/error.h"
#include "engine/live.h"
#include "engine/store_internal.h"

static void take(const struct hg_live_segment *g, const char *file, holog_segment_space *out)
{
    *out = (holog_segment_space){
        .struct_size = sizeof *out,
        .segment = g->segment,
        .file = file,
        .kind = g->kind,
        .sealed = g->sealed,
        .busy = g->busy,
        .used_bytes = g->used,
        .own_bytes = g->own,
        .head_bytes = g->live[HG_HOLD_HEAD],
        .history_bytes = g->live[HG_HOLD_HISTORY],
        .tag_bytes = g->live[HG_HOLD_TAGS],
        .view_bytes = g->live[HG_HOLD_VIEWS],
        .dead_bytes = hg_live_dead(g),
    };
}

int holog_space(holog_store *store, int (*each)(void *ctx, const holog_segment_space *s), void *ctx)
{
    struct hg_buf list = { 0 };
    const struct hg_live_segment *g;
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && each == NULL)
        rc = hg_error(HOLOG_E_INVAL, "each is NULL");
    if (rc == HOLOG_OK)
        rc = hg_live_mark(store, &list);
    g = (const struct hg_live_segment *)(const void *)list.data;
    for (size_t i = 0; rc == HOLOG_OK && i < list.len / sizeof *g; i++) {
        char file[HG_FILE_NAME_MAX];
        holog_segment_space s;
        hg_segment_name(file, g[i].segment, g[i].kind);
        take(&g[i], file, &s);
        if (each(ctx, &s) != 0)
            break;
    }
    hg_buf_release(&list);
    return rc;
}
