/*
 * Verify, bases and containers: what the log begins with, and what lies below it.
 *
 * A base that is damaged is harmless as long as the store opens without it: with an older one, or
 * from its first frame on. What it holds is known to the caller's function only.
 */
#include <string.h>

#include "base/error.h"
#include "wal/verify_internal.h"

/* ---- before anything is reported --------------------------------------------------------------- */

/* Without SUPER the first segment whose header is sound says who the store is. */
static void find_who(struct hg_verifier *v)
{
    v->who = v->super;
    for (size_t i = hg_listing_next_log(&v->list, 0); v->super_rc < 0 && i < v->list.n;
         i = hg_listing_next_log(&v->list, i + 1)) {
        const struct hg_segment_header *h = &v->list.e[i].s.header;
        if (v->list.e[i].header_rc < 0)
            continue;
        memcpy(v->who.uuid, h->uuid, sizeof v->who.uuid);
        v->who.salt = h->salt;
        return;
    }
}

static int count_damage(void *ctx, hg_pos birth)
{
    HG_UNUSED(birth);
    ++*(unsigned *)ctx;
    return 0;
}

static int check_content(void *ctx, const struct hg_listed *b, int *out_damaged)
{
    const struct hg_verifier *v = ctx;
    unsigned damages = 0;

    int rc = v->base(v->io, &v->who, b->s.id, (v->flags & HOLOG_VERIFY_QUICK) != 0, count_damage,
                     &damages);
    if (rc == HOLOG_E_NOENT && v->live) /* the writer has removed it */
        rc = HOLOG_OK;
    *out_damaged = damages > 0 || rc == HOLOG_E_CORRUPT;
    return rc == HOLOG_E_CORRUPT ? HOLOG_OK : rc;
}

int hg_verify_choose(struct hg_verifier *v)
{
    find_who(v);
    const struct hg_base_search q = { .io = v->io,
                                      .flags = v->extents.flags,
                                      .super = &v->who,
                                      .check = v->base == NULL ? NULL : check_content,
                                      .ctx = v };
    int rc = hg_base_choose(&q, &v->list, &v->begin);
    if (rc < 0)
        return rc;
    v->known = v->super.floor;
    for (size_t i = 0; i < v->list.n; i++) {
        if (hg_base_sound(&v->list.e[i], &v->who))
            v->known = HG_MAX(v->known, hg_base_end(&v->list.e[i].s.header));
    }
    v->dispensable = v->begin.base < v->list.n || hg_chain_whole(&v->list, 0);
    if (v->begin.base < v->list.n)
        v->edits.begins = v->list.e[v->begin.first].s.id;
    return HOLOG_OK;
}

/* ---- when all edits are known ------------------------------------------------------------------ */

struct base_check {
    struct hg_verifier *v;
    const struct hg_log_segment *s;
};

static int base_damage(void *ctx, hg_pos birth)
{
    const struct base_check *c = ctx;
    struct hg_damage_found d = hg_verify_in_segment(c->s, 0, c->v->dispensable);
    struct holog_error_detail e;

    HG_UNUSED(birth);
    hg_error_get(&e);
    d.offset = e.offset;
    return hg_verify_report(c->v, &d, "%.240s", e.message);
}

static int is_left_over(const struct hg_verifier *v, size_t i)
{
    if (v->live || (v->flags & HOLOG_VERIFY_QUICK) != 0 ||
        hg_edits_has_base(&v->edits, v->list.e[i].s.id))
        return 0;
    return i != hg_base_settle(&v->list, &v->begin, &v->edits);
}

static int verify_base(struct hg_verifier *v, size_t i)
{
    const struct hg_listed *e = &v->list.e[i];
    struct base_check c = { .v = v, .s = &e->s };
    struct hg_damage_found d = hg_verify_in_segment(&e->s, 0, 1);

    if (!hg_base_sound(e, &v->who))
        return HOLOG_OK; /* told with its header */
    if (is_left_over(v, i))
        return hg_verify_report(v, &d,
                                "a base that was never of the store, or was replaced later; the "
                                "next open for writing deletes it");
    d.harmless = v->dispensable;
    if (e->spoiled) {
        uint64_t before = v->damages;
        int rc =
            v->base(v->io, &v->who, e->s.id, (v->flags & HOLOG_VERIFY_QUICK) != 0, base_damage, &c);
        return rc == HOLOG_E_CORRUPT && v->damages == before ? base_damage(&c, 0) : rc;
    }
    if (!e->fits && v->begin.base == v->list.n)
        return hg_verify_report(v, &d, "the frame that it covers is not in segment %08x",
                                e->s.header.pred_id);
    return HOLOG_OK;
}

static int has_file(const struct hg_verifier *v, uint32_t id, enum hg_segment_kind kind)
{
    for (size_t i = 0; i < v->list.n; i++) {
        if (v->list.e[i].s.id == id && v->list.e[i].s.kind == kind)
            return 1;
    }
    return 0;
}

static int report_missing(struct hg_verifier *v, uint32_t id, enum hg_segment_kind kind,
                          int harmless, const char *what)
{
    struct hg_damage_found d = { .segment = id, .harmless = harmless };

    if (has_file(v, id, kind))
        return HOLOG_OK;
    hg_segment_name(d.file, id, kind);
    return hg_verify_report(v, &d, "the file is missing: %s", what);
}

/* Beside a writer the EDIT that removed it may be one that was not looked at. */
static int verify_missing(struct hg_verifier *v)
{
    size_t at = 0;
    uint32_t id;
    int rc = HOLOG_OK;

    while (rc == 0 && (id = hg_edits_next_frames(&v->edits, &at)) != 0)
        rc = report_missing(v, id, HG_KIND_FRAMES, 0, "values lie there");
    for (at = 0; rc == 0 && (id = hg_edits_next_base(&v->edits, &at)) != 0;)
        rc = report_missing(v, id, HG_KIND_BASE, v->dispensable, "the log begins with it");
    return rc;
}

int hg_verify_bases(struct hg_verifier *v)
{
    int rc = v->live ? HOLOG_OK : verify_missing(v);

    for (size_t i = 0; rc == 0 && i < v->list.n; i++) {
        if (v->list.e[i].s.kind == HG_KIND_BASE)
            rc = verify_base(v, i);
    }
    return rc;
}
