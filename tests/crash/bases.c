#include "bases.h"

#include "engine/live.h"

static uint64_t live_of(const struct hg_live_segment *g)
{
    uint64_t live = 0;

    for (unsigned h = 0; h < HG_HOLDERS; h++)
        live += g->live[h];
    return live;
}

static int remove_entries(holog_store *s, const struct hg_buf *gone)
{
    const struct hg_edit edit = { .removed =
                                      (const struct hg_segment_entry *)(const void *)gone->data,
                                  .n_removed = gone->len / sizeof(struct hg_segment_entry) };
    uint32_t waiting = 0;
    int rc = edit.n_removed > 0 ? hg_log_edit(s->log, &edit) : HOLOG_OK;

    if (rc < 0)
        return rc;
    s->replaced_ns = s->io->ops->now_ns(s->io) | 1;
    return hg_compact_unlink(s, &waiting);
}

int base_remove_dead_frames(holog_store *s, unsigned *out_n)
{
    struct hg_buf marks = { 0 };
    struct hg_buf gone = { 0 };
    uint32_t begins = hg_base_begins(s);
    const struct hg_live_segment *g;
    int rc = hg_log_sync(s->log);

    if (rc == HOLOG_OK)
        rc = hg_live_mark(s, &marks);
    g = (const struct hg_live_segment *)(const void *)marks.data;
    for (size_t i = 0; i < marks.len / sizeof *g && rc == HOLOG_OK; i++) {
        struct hg_segment_entry e = { .segment = g[i].segment,
                                      .kind = HG_KIND_FRAMES,
                                      .used = g[i].used };
        if (g[i].kind == HG_KIND_FRAMES && live_of(&g[i]) == 0 && g[i].segment < begins)
            rc = hg_buf_append(&gone, &e, sizeof e);
    }
    if (rc == HOLOG_OK)
        rc = remove_entries(s, &gone);
    *out_n = (unsigned)(gone.len / sizeof(struct hg_segment_entry));
    hg_buf_release(&marks);
    hg_buf_release(&gone);
    return rc;
}
