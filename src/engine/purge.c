/*
 * A purge: what is asked for before a compaction's rounds, and after them.
 *
 *   G1  values to come go to new segments, and so does the log
 *   G2  a base covers the second frame segment from then on: all before it may go
 *   G3  rounds: segments from before G1 that hold anything that nobody can ask for (live_unasked.c) are replaced
 *   G4  a last mark: there are none
 * What was garbage at G1 stands in segments from before it. A cut leaves what it would leave of a compaction; who wants to
 * be sure asks again.
 */
#include "base/error.h"
#include "engine/base.h"
#include "engine/compact.h"

#define ROLLS_MAX       8                   /* that gave way to others */
#define READERS_POLL_NS UINT64_C(100000000) /* whether they are gone */

int hg_compact_roll(holog_store *s)
{
    struct hg_log_state st;
    uint32_t was;
    int rc = HOLOG_OK;

    hg_log_lock(s->log);
    hg_log_state(s->log, &st);
    was = st.active_segment;
    for (int i = 0; i < ROLLS_MAX && rc == HOLOG_OK && st.active_segment == was; i++) {
        rc = hg_log_roll_now(s->log, HG_FEATURE_COLD | HG_FEATURE_BASE);
        hg_log_state(s->log, &st);
    }
    hg_log_unlock(s->log);
    if (rc == HOLOG_OK && st.active_segment == was)
        rc = hg_error(HOLOG_E_BUSY, "%s: too many commits are under way to begin a new segment",
                      s->dir);
    return rc;
}

int hg_purge_begin(holog_store *s, uint32_t *out_below)
{
    int rc;

    *out_below = hg_log_extents_leave(s->log);
    rc = hg_log_sync(s->log); /* closes them */
    if (rc == HOLOG_OK)
        rc = hg_compact_roll(s);
    return rc < 0 ? rc : hg_base_make(s);
}

static const struct hg_spared *spared(const struct hg_compaction *c, uint32_t segment)
{
    const struct hg_spared *x = (const struct hg_spared *)(const void *)c->spared->data;

    for (size_t i = 0; i < c->spared->len / sizeof *x; i++) {
        if (x[i].segment == segment)
            return &x[i];
    }
    return NULL;
}

static int left(const struct hg_compaction *c, const struct hg_live_segment *g)
{
    const holog_store *s = c->store;
    const struct hg_spared *x = spared(c, g->segment);
    char name[HG_FILE_NAME_MAX];

    hg_segment_name(name, g->segment, (enum hg_segment_kind)g->kind);
    if (g->busy || x == NULL)
        return hg_error(HOLOG_E_BUSY, "%s/%s still has what nobody can ask for; %s", s->dir, name,
                        g->busy ? "values beside it are being written: repeat the purge later"
                                : "it came about while the purge was under way: repeat it");
    if (x->kind == HG_KIND_FRAMES)
        if (x->bytes > HG_COMPACT_VALUE_MAX)
            return hg_error(
                HOLOG_E_BUSY,
                "%s/%s still has what nobody can ask for; a value of %llu bytes beside it is "
                "too large to be moved (256 MiB are not): save that value anew, and let this "
                "one go",
                s->dir, name, (unsigned long long)x->bytes);
    return hg_error(
        HOLOG_E_BUSY,
        "%s/%s still has what nobody can ask for; a value of %llu bytes beside it is too "
        "large to be moved with a budget of %llu: repeat the purge with one of %llu, or "
        "save that value anew, and let this one go",
        s->dir, name, (unsigned long long)x->bytes, (unsigned long long)s->opts.budget_bytes,
        4 * (unsigned long long)x->bytes);
}

/* Who has the store open in another process may read files that were replaced, for as long as compact.c says. */
static int wait_for_readers(const struct hg_compaction *c)
{
    const holog_compact_options *o = c->opts;
    struct hg_io *io = c->store->io;
    uint32_t waiting = 0;
    int rc = hg_compact_unlink(c->store, &waiting);

    while (rc == HOLOG_OK && waiting > 0) {
        if (o->progress != NULL && o->progress(o->progress_ctx, 0, waiting, "files"))
            return hg_error(HOLOG_E_CANCELED,
                            "%s: the purge was canceled while %u replaced files waited for readers "
                            "in other processes",
                            c->store->dir, (unsigned)waiting);
        io->ops->sleep_ns(io, READERS_POLL_NS);
        rc = hg_compact_unlink(c->store, &waiting);
    }
    return rc;
}

/* The names are gone then; nobody knows what a reader that is still there has open. */
static int prove_no_readers(const holog_store *s)
{
    int held = 0;
    int rc = s->io->ops->lock_test(s->lock_file, HG_LOCK_READERS, 1, 1, &held);

    if (rc == HOLOG_OK && held)
        rc = hg_error(
            HOLOG_E_BUSY,
            "%s: what nobody can ask for is in none of its files any more, but a reader in "
            "another process may have replaced files open still: close it, then repeat "
            "the purge",
            s->dir);
    return rc;
}

int hg_purge_end(const struct hg_compaction *c)
{
    struct hg_buf marks = { 0 };
    const struct hg_live_segment *g;
    int rc = hg_log_sync(c->store->log);

    /* Those whose writers have given up since are cut, and settled below. */
    hg_log_extents_retire(c->store->log);
    if (rc == HOLOG_OK)
        rc = hg_live_mark_unasked(c->store, c->purge_below, &marks);
    g = (const struct hg_live_segment *)(const void *)marks.data;
    for (size_t i = 0; i < marks.len / sizeof *g && rc == HOLOG_OK; i++) {
        if (g[i].unasked)
            rc = left(c, &g[i]);
        else if (g[i].kind == HG_KIND_EXTENTS && g[i].segment < c->purge_below)
            rc = hg_log_extent_sync(c->store->log, g[i].segment);
    }
    hg_buf_release(&marks);
    if (rc == HOLOG_OK)
        rc = wait_for_readers(c);
    return rc < 0 ? rc : prove_no_readers(c->store);
}
