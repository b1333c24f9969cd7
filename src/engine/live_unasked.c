/*
 * Which segments hold something that nobody can ask for: what a purge replaces; see live.h.
 *
 * By what they are made of, not by sums of bytes: a compressed segment's pools are shared by pages, and a value that is
 * gone may still be read as what another one differs from.
 */
#include "base/error.h"
#include "engine/live_internal.h"

/* Between its header and its end, but for what fills up the last block of a value. */
static int has_gap(const struct hg_live_place *p)
{
    uint64_t reached = HG_SEGMENT_HEADER_SIZE;
    uint64_t end = 0;
    uint64_t from = 0;
    size_t at = 0;

    while (hg_mark_next_run(p, HG_HOLDERS - 1, &at, &end, &from)) {
        if (from > reached)
            return 1;
        reached = HG_ALIGN_UP(end, (uint64_t)HG_BLOCK);
    }
    return p->g.used > reached;
}

static int lives(struct hg_mark *m, hg_pos birth)
{
    const struct hg_live_place *p = hg_mark_find(m, hg_pos_segment(birth));

    return p != NULL && hg_offset_set_has(&p->found, hg_pos_offset(birth)) != 0;
}

/* One that an output of later has, too, is asked for there. */
static int look_at_value(void *ctx, uint32_t segment, int is_read, hg_pos birth)
{
    struct hg_mark *m = ctx;
    struct hg_live_place *p = hg_mark_find(m, segment);

    if (p != NULL && (!is_read || !lives(m, birth)))
        p->g.unasked = 1;
    return 0;
}

int hg_mark_unasked(struct hg_mark *m, uint32_t below)
{
    int rc = hg_cold_each_value(m->s->cold, look_at_value, m);

    for (size_t i = 0; i < hg_mark_places(m); i++) {
        struct hg_live_place *p = hg_mark_place_at(m, i);
        if (p->g.kind == HG_KIND_FRAMES ||
            (p->g.kind == HG_KIND_EXTENTS && (p->open || has_gap(p)))) /* open: not yet cut */
            p->g.unasked = 1;
        if (p->home != 0) {
            struct hg_live_place *home = hg_mark_find(m, p->home);
            if (home != NULL)
                home->g.unasked = 1;
        }
    }
    for (size_t i = 0; i < hg_mark_places(m); i++) {
        if (hg_mark_place_at(m, i)->g.segment >= below)
            hg_mark_place_at(m, i)->g.unasked = 0;
    }
    return rc;
}
