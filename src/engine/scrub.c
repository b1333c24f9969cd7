/*
 * Scrub: cold segments are read again, at a set rate, beside all else.
 */
#include "base/error.h"
#include "compaction/hwp.h"
#include "engine/damage.h"
#include "engine/store_internal.h"
#include "holog/compact.h"

#define SECOND UINT64_C(1000000000)
#define NAP_NS (SECOND / 10)

struct scrub {
    holog_store *s;
    const holog_scrub_options *opts;
    int (*each)(void *ctx, const holog_damage *damage);
    void *ctx;
    holog_scrub_report report;
    uint64_t begun_ns;
    uint64_t done, total; /* bytes of segments gone through, of all */
    uint64_t read;        /* of the one that is read now */
    uint32_t segment;
    int told; /* a damage of it */
    struct hg_damaged damaged;
};

/* As long as more has been read than the rate allows for. */
static void wait_for_turn(const struct scrub *c)
{
    struct hg_io *io = c->s->io;
    uint64_t rate = c->opts->bytes_per_s;
    uint64_t due = 0;
    uint32_t word = 0;

    if (rate > 0)
        due = c->begun_ns + (uint64_t)((double)c->report.bytes / (double)rate * (double)SECOND);
    for (uint64_t now = io->ops->now_ns(io); now < due; now = io->ops->now_ns(io))
        io->ops->word_wait(io, &word, 0, HG_MIN(due - now, NAP_NS));
}

static int tell_progress(const struct scrub *c)
{
    const holog_scrub_options *o = c->opts;

    if (o->progress != NULL &&
        o->progress(o->progress_ctx, HG_MIN(c->done + c->read, c->total), c->total, "bytes") != 0)
        return hg_error(HOLOG_E_CANCELED, "the scrub was stopped");
    return HOLOG_OK;
}

static int on_progress(void *ctx, uint64_t bytes)
{
    struct scrub *c = ctx;

    c->read += bytes;
    c->report.bytes += bytes;
    __atomic_add_fetch(&c->s->scrubbed, bytes, __ATOMIC_RELAXED);
    wait_for_turn(c);
    return tell_progress(c);
}

/* What nobody can ask for any more is told, and no more. */
static void count(struct scrub *c, const holog_damage *d)
{
    if (d->harmless)
        return;
    c->report.damages++;
    __atomic_add_fetch(&c->s->scrub_damages, 1, __ATOMIC_RELAXED);
}

static int tell_damage(struct scrub *c, hg_pos birth)
{
    struct hg_damaged_value value = { .harmless = 0 };
    struct holog_error_detail why;
    char file[HG_FILE_NAME_MAX];
    char message[256];
    holog_damage d = { .file = file, .segment = c->segment, .message = message };

    hg_error_get(&why);
    if (why.has_position) { /* of another segment: a base is damaged there */
        d.segment = why.segment;
        d.offset = why.offset;
    }
    hg_segment_name(file, d.segment, HG_KIND_HWP);
    if (birth != 0)
        hg_damaged_value(c->s, &c->damaged, c->segment, birth, &value);
    hg_damaged_say(&value, why.message, message, sizeof message);
    d.harmless = value.harmless ? 1u : 0u;
    d.path = value.harmless || value.path[0] == 0 ? NULL : value.path;
    count(c, &d);
    c->told = 1;
    if (c->each != NULL && c->each(c->ctx, &d) != 0)
        return hg_error(HOLOG_E_CANCELED, "the scrub was stopped");
    return HOLOG_OK;
}

static int on_damage(void *ctx, const struct hg_hwp_verdict *v)
{
    struct scrub *c = ctx;

    if (!hg_cold_there(c->s->cold, c->segment))
        return hg_error(HOLOG_E_STALE, "segment %08x was replaced", c->segment);
    return tell_damage(c, v->value != NULL ? v->value->birth : 0);
}

static int is_finding(int rc)
{
    return rc == HOLOG_E_CORRUPT || rc == HOLOG_E_NOTSUP || rc == HOLOG_E_IO;
}

static int scrub_segment(struct scrub *c, const struct hg_cold_file *f)
{
    struct hg_hwp_verify how = { .ctx = c, .damage = on_damage, .progress = on_progress };
    int rc;

    c->segment = f->segment;
    c->told = 0;
    c->read = 0;
    rc = hg_cold_verify(c->s->cold, f->segment, &how);
    if (rc != HOLOG_OK && !hg_cold_there(c->s->cold, f->segment) && rc != HOLOG_E_CANCELED)
        rc = HOLOG_E_STALE;
    if (is_finding(rc))
        rc = c->told ? HOLOG_OK : tell_damage(c, 0);
    if (rc == HOLOG_OK) {
        c->report.segments++;
        rc = on_progress(c, f->bytes - HG_MIN(c->read, f->bytes)); /* tables */
    }
    c->done += f->bytes;
    c->read = 0;
    return rc == HOLOG_E_STALE ? HOLOG_OK : rc;
}

static int scrub_all(struct scrub *c)
{
    struct hg_buf files = { 0 };
    int rc = hg_cold_files(c->s->cold, &files);
    const struct hg_cold_file *f = (const struct hg_cold_file *)(const void *)files.data;
    size_t n = files.len / sizeof *f;

    for (size_t i = 0; i < n; i++)
        c->total += f[i].bytes;
    for (size_t i = 0; rc == HOLOG_OK && i < n; i++)
        rc = scrub_segment(c, &f[i]);
    hg_buf_release(&files);
    return rc;
}

int holog_scrub(holog_store *store, const holog_scrub_options *options,
                int (*each)(void *ctx, const holog_damage *damage), void *ctx,
                holog_scrub_report *out_report)
{
    const holog_scrub_options none = { .struct_size = sizeof none };
    struct scrub c = {
        .s = store, .opts = options != NULL ? options : &none, .each = each, .ctx = ctx
    };
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && options != NULL)
        rc = hg_spec_check(options, "holog_scrub_options");
    if (rc == HOLOG_OK && out_report != NULL)
        rc = hg_struct_check(out_report, "holog_scrub_report");
    if (rc < 0)
        return rc;
    c.begun_ns = store->io->ops->now_ns(store->io);
    rc = scrub_all(&c);
    hg_damaged_release(store, &c.damaged);
    if (out_report != NULL && (rc == HOLOG_OK || rc == HOLOG_E_CANCELED))
        hg_struct_fill(out_report, &c.report, sizeof c.report);
    if (rc == HOLOG_OK && c.report.damages > 0)
        rc = hg_error(HOLOG_E_CORRUPT, "%llu damaged places in compressed segments of %s",
                      (unsigned long long)c.report.damages, store->dir);
    return rc;
}
