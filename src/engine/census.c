/*
 * holog_codec_stats: how what was compressed is coded, and what that gives.
 */
#include "base/error.h"
#include "compaction/hwp_census.h"
#include "engine/store_internal.h"
#include "holog/compact.h"

_Static_assert(HG_HWP_TILES == 0 && HG_HWP_POOL == 1, "the index into coded");

struct taking {
    holog_store *s;
    int (*row)(void *ctx, const holog_codec_row *row);
    int (*damage)(void *ctx, const holog_damage *damage);
    void *ctx;
    uint32_t segment;
    uint64_t damages; /* of the segment at hand */
    holog_codec_report report;
};

/* ---- segments ------------------------------------------------------------------------------------*/

static int on_damage(void *ctx, const struct hg_hwp_verdict *v)
{
    struct taking *t = ctx;
    struct holog_error_detail why;
    char file[HG_FILE_NAME_MAX];
    holog_damage d = { .file = file, .segment = t->segment, .message = why.message };

    HG_UNUSED(v);
    if (!hg_cold_there(t->s->cold, t->segment))
        return hg_error(HOLOG_E_STALE, "segment %08x was replaced", t->segment);
    hg_error_get(&why);
    d.offset = why.has_position ? why.offset : 0;
    hg_segment_name(file, t->segment, HG_KIND_HWP);
    t->damages++;
    if (t->damage != NULL && t->damage(t->ctx, &d) != 0)
        return hg_error(HOLOG_E_CANCELED, "the counting of blocks was stopped");
    return HOLOG_OK;
}

/* All of it, or nothing: it may go meanwhile. */
static int take_segment(struct taking *t, uint32_t segment, struct hg_hwp_census *sum)
{
    struct hg_hwp_census with = *sum;
    int rc;

    t->segment = segment;
    t->damages = 0;
    rc = hg_cold_census(t->s->cold, segment, on_damage, t, &with);
    if (rc == HOLOG_OK) {
        *sum = with;
        t->report.segments++;
        t->report.damages += t->damages;
    }
    return rc == HOLOG_E_STALE ? HOLOG_OK : rc;
}

static int take_all(struct taking *t, struct hg_hwp_census *sum)
{
    struct hg_buf files = { 0 };
    int rc = hg_cold_files(t->s->cold, &files);
    const struct hg_cold_file *f = (const struct hg_cold_file *)(const void *)files.data;

    for (size_t i = 0; rc == HOLOG_OK && i < files.len / sizeof *f; i++)
        rc = take_segment(t, f[i].segment, sum);
    hg_buf_release(&files);
    return rc;
}

/* ---- rows ----------------------------------------------------------------------------------------*/

static int tell(struct taking *t, holog_codec_row row, const struct hg_hwp_count *n)
{
    if (n->blocks == 0)
        return HOLOG_OK;
    row.struct_size = sizeof row;
    row.blocks = n->blocks;
    row.differences = n->differences;
    row.raw_bytes = n->raw;
    row.stored_bytes = n->stored;
    t->report.blocks += n->blocks;
    t->report.differences += n->differences;
    t->report.raw_bytes += n->raw;
    t->report.stored_bytes += n->stored;
    if (t->row != NULL && t->row(t->ctx, &row) != 0)
        return hg_error(HOLOG_E_CANCELED, "the counting of blocks was stopped");
    return HOLOG_OK;
}

static int tell_others(struct taking *t, uint32_t pools, enum holog_codec_state state,
                       const struct hg_hwp_count *n)
{
    const holog_codec_row row = {
        .pools = pools, .state = state, .filter_name = "", .codec_name = ""
    };

    return tell(t, row, n);
}

static int tell_coded(struct taking *t, uint32_t pools, const struct hg_hwp_coded *coded)
{
    int rc = HOLOG_OK;

    for (uint32_t f = 0; f < HG_FILTERS; f++) {
        for (uint32_t k = 0; rc == HOLOG_OK && k < HG_CODECS; k++) {
            const holog_codec_row row = { .pools = pools,
                                          .filter = f,
                                          .codec = k,
                                          .filter_name = hg_filter_name(f),
                                          .codec_name = hg_codec_name(k) };
            rc = tell(t, row, &coded->by[f][k]);
        }
    }
    if (rc == HOLOG_OK)
        rc = tell_others(t, pools, HOLOG_CODEC_LATER, &coded->later);
    if (rc == HOLOG_OK)
        rc = tell_others(t, pools, HOLOG_CODEC_UNREADABLE, &coded->unreadable);
    return rc;
}

/* ---- the call ------------------------------------------------------------------------------------*/

static int take(struct taking *t)
{
    struct hg_hwp_census sum = { .read = 0 };
    int rc = take_all(t, &sum);

    t->report.same_values = sum.same_values;
    t->report.same_bytes = sum.same_bytes;
    t->report.read_bytes = sum.read;
    for (uint32_t pools = 0; rc == HOLOG_OK && pools < 2; pools++)
        rc = tell_coded(t, pools, &sum.coded[pools]);
    return rc;
}

int holog_codec_stats(holog_store *store, int (*row)(void *ctx, const holog_codec_row *row),
                      int (*damage)(void *ctx, const holog_damage *damage), void *ctx,
                      holog_codec_report *out_report)
{
    struct taking t = { .s = store, .row = row, .damage = damage, .ctx = ctx };
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && out_report != NULL)
        rc = hg_struct_check(out_report, "holog_codec_report");
    if (rc == HOLOG_OK)
        rc = take(&t);
    if (rc < 0)
        return rc;
    if (out_report != NULL)
        hg_struct_fill(out_report, &t.report, sizeof t.report);
    if (t.report.damages > 0)
        rc = hg_error(HOLOG_E_CORRUPT, "%llu damaged places in compressed segments of %s",
                      (unsigned long long)t.report.damages, store->dir);
    return rc;
}
