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

#define ROLLS_MAX 8 /* that gave way to others */

static int roll(holog_store *s)
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
        rc = hg_error(HOLOG_E_BUSY, "%s: too many commits are under way to begin a purge", s->dir);
    return rc;
}

int hg_purge_begin(holog_store *s, uint32_t *out_below)
{
    int rc;

    *out_below = hg_log_extents_leave(s->log);
    rc = hg_log_sync(s->log); /* closes them */
    if (rc == HOLOG_OK)
        rc = roll(s);
    return rc < 0 ? rc : hg_base_make(s);
}

static int is_among(const struct hg_buf *ids, uint32_t segment)
{
    const uint32_t *id = (const uint32_t *)(const void *)ids->data;

    for (size_t i = 0; i < ids->len / sizeof *id; i++) {
        if (id[i] == segment)
            return 1;
    }
    return 0;
}

static int left(holog_store *s, const struct hg_live_segment *g, const struct hg_buf *spared)
{
    const char *why =
        g->busy ? "values beside it are being written: repeat the purge later"
        : is_among(spared, g->segment)
            ? "a value beside it is too large to be moved: copy that to another store, "
              "or delete it"
            : "it came about while the purge was under way: repeat it";
    char name[HG_FILE_NAME_MAX];

    hg_segment_name(name, g->segment, (enum hg_segment_kind)g->kind);
    return hg_error(HOLOG_E_BUSY, "%s/%s still has what nobody can ask for; %s", s->dir, name, why);
}

int hg_purge_end(holog_store *s, uint32_t below, const struct hg_buf *spared, uint32_t waiting)
{
    struct hg_buf marks = { 0 };
    const struct hg_live_segment *g;
    int rc = hg_live_mark_unasked(s, below, &marks);

    g = (const struct hg_live_segment *)(const void *)marks.data;
    for (size_t i = 0; i < marks.len / sizeof *g && rc == HOLOG_OK; i++) {
        if (g[i].unasked)
            rc = left(s, &g[i], spared);
    }
    hg_buf_release(&marks);
    if (rc == HOLOG_OK && waiting > 0)
        rc = hg_error(
            HOLOG_E_BUSY,
            "%s: other processes are reading; %u replaced files stay until a later purge, or "
            "until the store is opened for writing when nobody reads",
            s->dir, (unsigned)waiting);
    return rc;
}
