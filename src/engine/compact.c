/*
 * A compaction from its plan to its edit. What is moved, and how, is compact_move.c.
 */
#include "engine/compact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "compaction/victims.h"
#include "engine/base.h"
#include "wal/frame.h"

#define READER_GRACE_NS \
    (60 * UINT64_C(1000000000))             /* readers in other processes have time to refresh */
#define ROUND_BYTES   (UINT64_C(512) << 20) /* that live in the victims of one round */
#define BASE_COST_MIN ((uint64_t)16 << 10)  /* of a base and the segment that begins with it */
#define BASE_SHARE    64u                   /* of what is used; and not with every round */
#define BASE_GAIN     2u                    /* bytes of garbage for each byte of a base */
#define EDIT_ENTRY    32u                   /* bytes, at most, that name a segment in an EDIT */
#define UNLINK_BYTES  (UINT64_C(4) << 20)   /* of files that go in one step, beside commits */
#define UNLINK_PAUSE  UINT64_C(20000000)    /* ns until the next */
#define READERS_PAUSE UINT64_C(1000000000)  /* until it is looked again whether they are gone */

/* ---- C1: what is to go ---------------------------------------------------------------------------*/

static const struct hg_live_segment *marks(const struct hg_compaction *c, size_t *out_n)
{
    *out_n = c->segments.len / sizeof(struct hg_live_segment);
    return (const struct hg_live_segment *)(const void *)c->segments.data;
}

static uint32_t newest_of(const struct hg_compaction *c)
{
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);

    return n > 0 ? g[n - 1].segment : 0;
}

static uint64_t live_of(const struct hg_live_segment *g)
{
    uint64_t live = 0;

    for (int h = 0; h < HG_HOLDERS; h++)
        live += g->live[h];
    return live;
}

/* A frame segment that is complete, and would go if a base were made. */
static int wants_base(const struct hg_compaction *c, const struct hg_live_segment *g)
{
    return g->kind == HG_KIND_FRAMES && g->sealed && !g->busy && g->segment >= c->begins;
}

static int is_spared(const struct hg_compaction *c, uint32_t segment)
{
    const struct hg_spared *x = (const struct hg_spared *)(const void *)c->spared->data;

    for (size_t i = 0; i < c->spared->len / sizeof *x; i++) {
        if (x[i].segment == segment)
            return 1;
    }
    return 0;
}

/* What earlier compactions have made; frames below the base; extents, unless frames that are not have their records there.
 * Nobody writes to any of them. */
static int can_go(const struct hg_compaction *c, const struct hg_live_segment *g,
                  const struct hg_segment_entry *e, size_t n)
{
    while (n > 0 && e->segment != g->segment) {
        e++;
        n--;
    }
    if (n == 0 || g->busy || g->segment >= c->below || is_spared(c, g->segment) ||
        (c->is_background && hg_scheduler_avoids(c->store, g->segment)))
        return 0;
    if (e->kind == HG_KIND_FRAMES)
        return g->sealed && g->segment < c->begins;
    if (e->kind == (HG_KIND_EXTENTS | HG_SEGMENT_LISTS))
        return hg_log_lists_below(c->store->log, e->segment) <= c->begins;
    return e->kind == HG_KIND_EXTENTS || e->kind == HG_KIND_HWP;
}

/* Bytes that go when it goes. A compressed segment's own, its tables above all, come back with what lives in it. */
static uint64_t bytes_that_go(const struct hg_live_segment *g)
{
    return g->kind == HG_KIND_HWP && live_of(g) > 0 ? g->used - HG_MIN(g->own, g->used) : g->used;
}

/* So much should go that what there is is no more than half way to the cap. */
static uint64_t wanted(const struct hg_compaction *c)
{
    double amp = c->store->recovered.super.space_amp_milli / 1000.0;
    uint64_t used = 0;
    uint64_t live = 0;
    uint64_t target;
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);

    for (size_t i = 0; i < n; i++) {
        used += g[i].used;
        live += live_of(&g[i]) + g[i].own;
    }
    target = (uint64_t)((double)live * (1 + (amp - 1) / 2));
    return used > target ? used - target : 0;
}

static int take_candidates(struct hg_compaction *c, struct hg_candidate *list, size_t *out_n)
{
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);
    uint32_t newest = newest_of(c);
    struct hg_buf entries = { 0 };
    size_t count = 0;
    int rc = hg_log_segments_flagged(c->store->log, &entries);

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        if (can_go(c, &g[i], (const struct hg_segment_entry *)(const void *)entries.data,
                   entries.len / sizeof(struct hg_segment_entry)))
            list[count++] = (struct hg_candidate){ .segment = g[i].segment,
                                                   .used = bytes_that_go(&g[i]),
                                                   .live = live_of(&g[i]),
                                                   .age = newest - HG_MIN(newest, g[i].segment),
                                                   .compact = g[i].kind == HG_KIND_HWP };
    }
    hg_buf_release(&entries);
    *out_n = count;
    return rc;
}

static const struct hg_live_segment *mark_of(const struct hg_compaction *c, uint32_t segment)
{
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);

    while (n > 0 && g->segment != segment) {
        g++;
        n--;
    }
    HG_ASSERT(n > 0);
    return g;
}

static int any_dead(const struct hg_candidate *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].chosen && v[i].live == 0)
            return 1;
    }
    return 0;
}

/* Where nothing lives goes in a round of its own, the first: that takes no room, and makes some. Else as many as one
 * output holds, the newest first: older versions can be differences from what an earlier round has moved. Never more
 * than the frame of one EDIT can name. */
static int take_victims(struct hg_compaction *c, const struct hg_candidate *v, size_t n)
{
    int dead = (c->opts->flags & HOLOG_COMPACT_DRY_RUN) == 0 && any_dead(v, n);
    size_t room = hg_frame_len_max(hg_log_super(c->store->log)->segment_size_max) / EDIT_ENTRY;
    uint64_t live = 0;
    int rc = HOLOG_OK;

    for (size_t i = n; i-- > 0 && rc == HOLOG_OK && room > 0;) {
        const struct hg_live_segment *g = mark_of(c, v[i].segment);
        struct hg_segment_entry e = { .segment = g->segment, .kind = g->kind, .used = g->used };
        if (!v[i].chosen || (dead && v[i].live > 0))
            continue;
        if (live > 0 && live + v[i].live > c->round_bytes)
            break; /* nor what is older, though it may fit: then it would be moved before what it differs from */
        live += v[i].live;
        room--;
        rc = hg_buf_append(&c->victims, &e, sizeof e);
    }
    return rc;
}

/* Whether frame segments that no base is behind yet hold so much that one pays, which is as long as the index. */
static int base_pays(const struct hg_compaction *c)
{
    uint64_t cost = HG_MAX(hg_index_bytes(c->store->sequenced.index), (uint64_t)BASE_COST_MIN);
    uint64_t used = 0;
    uint64_t gain = 0;
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);

    for (size_t i = 0; i < n; i++) {
        used += g[i].used;
        if (!wants_base(c, &g[i]))
            continue;
        gain += hg_live_dead(&g[i]);
        if ((c->opts->flags & HOLOG_COMPACT_ALL) != 0)
            gain += live_of(&g[i]);
    }
    if ((c->opts->flags & HOLOG_COMPACT_ALL) != 0)
        return gain > BASE_GAIN * cost;
    return gain > BASE_GAIN * HG_MAX(cost, used / BASE_SHARE) && wanted(c) > 0;
}

/* C0. Without room for one the rest is compacted. The mark goes on to count: what was appended since is in segments that it
 * calls busy, or does not know. */
static int get_base(struct hg_compaction *c)
{
    int rc;

    if (c->based || !base_pays(c))
        return HOLOG_OK;
    c->based = 1;
    if ((c->opts->flags & HOLOG_COMPACT_DRY_RUN) != 0) {
        c->begins = UINT32_MAX;
        return HOLOG_OK;
    }
    rc = hg_base_make(c->store);
    if (rc == HOLOG_E_NOSPC) {
        hg_error_clear();
        return HOLOG_OK;
    }
    c->begins = hg_base_begins(c->store);
    return rc;
}

static int choose(struct hg_compaction *c)
{
    const struct hg_appetite a = { .reclaim = wanted(c),
                                   .live_max = c->round_bytes,
                                   .all = (c->opts->flags & HOLOG_COMPACT_ALL) != 0 };
    size_t n = c->segments.len / sizeof(struct hg_live_segment);
    struct hg_candidate *list = hg_calloc(n + 1, sizeof *list);
    int rc = list == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a list of segments")
                          : take_candidates(c, list, &n);

    if (rc == HOLOG_OK && c->purge_below == 0)
        (void)hg_choose_victims(list, n, &a);
    for (size_t i = 0; i < n && rc == HOLOG_OK && c->purge_below != 0; i++)
        list[i].chosen = mark_of(c, list[i].segment)->unasked;
    if (rc == HOLOG_OK)
        rc = take_victims(c, list, n);
    hg_free(list);
    return rc;
}

/* ---- C2: what lives there ------------------------------------------------------------------------*/

static int by_path(const void *a, const void *b)
{
    const struct hg_moving *x = a;
    const struct hg_moving *y = b;
    int order = 0;

    if (x->path_len > 0 && y->path_len > 0)
        order = memcmp(x->path, y->path, HG_MIN(x->path_len, y->path_len));
    if (order == 0 && x->path_len != y->path_len)
        order = x->path_len < y->path_len ? -1 : 1;
    if (order == 0 && x->birth != y->birth)
        order = x->birth > y->birth
                    ? -1
                    : 1; /* the newest first: others are stored as differences from it */
    return order;
}

const struct hg_segment_entry *hg_compact_victim(const struct hg_compaction *c, uint32_t segment)
{
    const struct hg_segment_entry *v =
        (const struct hg_segment_entry *)(const void *)c->victims.data;

    for (size_t i = 0; i < c->victims.len / sizeof *v; i++) {
        if (v[i].segment == segment)
            return &v[i];
    }
    return NULL;
}

static int spare(struct hg_compaction *c, const struct hg_spared *which)
{
    struct hg_segment_entry *v = (struct hg_segment_entry *)(void *)c->victims.data;
    size_t n = c->victims.len / sizeof *v;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (v[i].segment != which->segment)
            v[kept++] = v[i];
    }
    c->victims.len = kept * sizeof *v;
    return kept < n ? hg_buf_append(c->spared, which, sizeof *which) : HOLOG_OK;
}

/* What no output can hold stays where it is; so does a frame segment that the budget cannot. */
static int spare_what_cannot_move(struct hg_compaction *c)
{
    const struct hg_live_thing *t = (const struct hg_live_thing *)(const void *)c->live.things.data;
    uint64_t quarter = c->store->opts.budget_bytes / 4;
    uint64_t value_max = HG_MIN(HG_COMPACT_VALUE_MAX, quarter);
    int rc = HOLOG_OK;

    for (size_t i = 0; i < c->live.things.len / sizeof *t && rc == HOLOG_OK; i++) {
        const struct hg_segment_entry *v = hg_compact_victim(c, t[i].segment);
        int is_piece = t[i].kind == HG_LIVE_PIECE;
        struct hg_spared one = { t[i].segment, v == NULL ? 0 : v->kind,
                                 is_piece || v == NULL ? t[i].value_len : v->used };
        if (is_piece ? one.bytes > value_max : one.kind == HG_KIND_FRAMES && one.bytes > quarter)
            rc = spare(c, &one);
    }
    return rc;
}

/* Each value once, though in several pieces each names it. */
static int gather(struct hg_compaction *c)
{
    const struct hg_live_thing *t = (const struct hg_live_thing *)(const void *)c->live.things.data;
    size_t n = c->live.things.len / sizeof *t;
    struct hg_moving *m;
    size_t kept = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct hg_moving one = { .birth = t[i].birth,
                                 .len = t[i].value_len,
                                 .path = t[i].path,
                                 .path_len = t[i].path_len,
                                 .is_chunk = t[i].is_chunk };
        if (t[i].kind == HG_LIVE_PIECE && hg_compact_victim(c, t[i].segment) != NULL)
            rc = hg_buf_append(&c->moving, &one, sizeof one);
    }
    if (rc < 0)
        return rc;
    m = (struct hg_moving *)(void *)c->moving.data;
    n = c->moving.len / sizeof *m;
    if (n > 1)
        qsort(m, n, sizeof *m, by_path);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && m[i].birth == m[kept - 1].birth)
            continue;
        c->bytes += m[i].len;
        m[kept++] = m[i];
    }
    c->moving.len = kept * sizeof *m;
    return HOLOG_OK;
}

static int find_living(struct hg_compaction *c)
{
    const struct hg_segment_entry *v =
        (const struct hg_segment_entry *)(const void *)c->victims.data;
    size_t n = c->victims.len / sizeof *v;
    uint32_t *ids = hg_calloc(n, sizeof *ids);
    int rc = ids == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a list of segments")
                         : hg_log_sync(c->store->log); /* what has been appended is published */

    for (size_t i = 0; rc == HOLOG_OK && i < n; i++)
        ids[i] = v[i].segment;
    if (rc == HOLOG_OK)
        rc = hg_live_things(c->store, ids, n, &c->live);
    hg_free(ids);
    if (rc == HOLOG_OK)
        rc = spare_what_cannot_move(c);
    if (rc == HOLOG_OK)
        rc = gather(c);
    return rc < 0 ? rc : hg_compact_gather_runs(c);
}

/* Others are taken in place of those that turn out to stay. */
static int choose_what_can_go(struct hg_compaction *c)
{
    size_t spared;
    int rc;

    do {
        spared = c->spared->len;
        hg_live_list_release(c->store, &c->live);
        c->live = (struct hg_live_list){ 0 };
        rc = choose(c);
        if (rc == HOLOG_OK && c->victims.len > 0)
            rc = find_living(c);
    } while (rc == HOLOG_OK && c->victims.len == 0 && c->spared->len > spared);
    return rc;
}

/* ---- C5 to C7 ------------------------------------------------------------------------------------*/

/* What an EDIT that is not there would have named. One that may be there has poisoned the log. */
static void give_up(struct hg_compaction *c)
{
    struct holog_error_detail first;
    char name[HG_FILE_NAME_MAX];

    if (c->output.segment == 0 || hg_log_poisoned(c->store->log) != 0)
        return;
    hg_error_get(&first);
    hg_files_forget(c->store->files, c->output.segment);
    hg_segment_name(name, c->output.segment, HG_KIND_HWP);
    (void)c->store->io->ops->unlink(c->store->io, name); /* the next open does it otherwise */
    hg_error_set(&first);
}

static int exchange(struct hg_compaction *c)
{
    const struct hg_segment_entry *v =
        (const struct hg_segment_entry *)(const void *)c->victims.data;
    const struct hg_edit edit = { .added = &c->output,
                                  .n_added = c->output.segment != 0,
                                  .removed = v,
                                  .n_removed = c->victims.len / sizeof *v };
    struct hg_cold_set *set = NULL;
    struct hg_buf gone = { 0 };
    int rc = HOLOG_OK;

    for (size_t i = 0; i < edit.n_removed && rc == HOLOG_OK; i++)
        rc = hg_buf_append(&gone, &v[i].segment, sizeof v[i].segment);
    if (rc == HOLOG_OK)
        rc = hg_cold_prepare(c->store->cold, &c->output.segment, edit.n_added, &set);
    if (rc == HOLOG_OK)
        rc = hg_log_edit(c->store->log, &edit);
    if (rc < 0) {
        hg_cold_drop(set);
        give_up(c);
    } else {
        hg_cold_exchange(c->store->cold, set, (const uint32_t *)(const void *)gone.data,
                         edit.n_removed);
        hg_log_lock(c->store->log);
        hg_ropes_clear(c->store->ropes);
        hg_log_unlock(c->store->log);
        __atomic_store_n(&c->store->replaced_ns, c->store->io->ops->now_ns(c->store->io) | 1,
                         __ATOMIC_RELEASE);
    }
    for (size_t i = 0; i < edit.n_removed && rc == HOLOG_OK; i++)
        hg_refs_forget(c->store->refs, v[i].segment);
    hg_buf_release(&gone);
    return rc;
}

/* At least so many bytes of them, as long as there are some, or the name of one that is larger. 1: readers hold them. */
static int unlink_some(holog_store *s, uint64_t bytes, uint32_t *out_waiting)
{
    uint64_t since = __atomic_load_n(&s->replaced_ns, __ATOMIC_ACQUIRE);
    int held = 0;
    int rc = s->io->ops->lock_test(s->lock_file, HG_LOCK_READERS, 1, 1, &held);

    *out_waiting = 0;
    if (rc < 0 || since == 0)
        return rc;
    if (held)
        hg_log_unlink_whole(s->log);
    if (held && s->io->ops->now_ns(s->io) - since < READER_GRACE_NS) {
        *out_waiting = hg_log_removed(s->log);
        return *out_waiting > 0;
    }
    rc = hg_log_unlink_removed(s->log, bytes);
    *out_waiting = rc == HOLOG_OK ? hg_log_removed(s->log) : 0;
    if (rc == HOLOG_OK && *out_waiting == 0) /* unless there are new ones */
        (void)__atomic_compare_exchange_n(&s->replaced_ns, &since, 0, 0, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED);
    return rc;
}

int hg_compact_unlink(holog_store *s, uint32_t *out_waiting)
{
    int rc = unlink_some(s, UINT64_MAX, out_waiting);

    return rc < 0 ? rc : HOLOG_OK;
}

enum {
    NOBODY,
    COMPACTS,
    TIDIES /* a moment */
};

static int begin(holog_store *s, uint32_t who)
{
    uint32_t idle = NOBODY;

    while (!__atomic_compare_exchange_n(&s->compacting, &idle, who, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        if (idle != TIDIES)
            return hg_error(HOLOG_E_BUSY, "another compaction of %s is under way", s->dir);
        s->io->ops->sleep_ns(s->io, 1000000);
        idle = NOBODY;
    }
    return HOLOG_OK;
}

static void end(holog_store *s)
{
    __atomic_store_n(&s->compacting, NOBODY, __ATOMIC_RELEASE);
}

int hg_compact_is_on(const holog_store *s)
{
    return __atomic_load_n(&s->compacting, __ATOMIC_ACQUIRE) == COMPACTS;
}

static uint64_t step_of(const holog_store *s)
{
    return s->unlink_bytes != 0 ? s->unlink_bytes : UNLINK_BYTES;
}

/* ns until it is to be done again; 0: none is left. */
static uint64_t tidy(holog_store *s, uint64_t bytes)
{
    struct holog_error_detail before;
    uint32_t waiting = 1;
    int rc;

    if (__atomic_load_n(&s->replaced_ns, __ATOMIC_RELAXED) == 0)
        return 0;
    hg_error_get(&before);
    rc = begin(s, TIDIES);
    if (rc == HOLOG_OK) {
        rc = unlink_some(s, bytes, &waiting);
        end(s);
    }
    if (rc < 0)
        hg_error_set(&before); /* the next open does it */
    if (rc != HOLOG_OK)
        return READERS_PAUSE;
    return waiting > 0 ? UNLINK_PAUSE : 0;
}

int hg_compact_tidy(holog_store *s)
{
    return tidy(s, UINT64_MAX) > 0;
}

uint64_t hg_compact_tidy_some(holog_store *s)
{
    if (__atomic_load_n(&s->unlinking, __ATOMIC_RELAXED)) /* at a pace of its own */
        return READERS_PAUSE;
    return tidy(s, step_of(s));
}

static void count(struct hg_compaction *c, holog_compact_report *r)
{
    const struct hg_segment_entry *v =
        (const struct hg_segment_entry *)(const void *)c->victims.data;

    for (size_t i = 0; i < c->victims.len / sizeof *v; i++) {
        r->segments_removed++;
        r->removed_bytes += v[i].used;
    }
    r->values += c->moving.len / sizeof(struct hg_moving);
    r->value_bytes += c->bytes - c->run_bytes;
    r->records += c->records;
    r->record_bytes += c->run_bytes;
    r->segments_added += c->output.segment != 0;
    r->added_bytes += c->output.used;
}

/* What the scheduler goes by from now on. */
static void note_found(struct hg_compaction *c)
{
    struct hg_round *r = &c->seen;
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);

    for (size_t i = 0; i < n; i++) {
        r->used += g[i].used;
        r->own += g[i].own;
        for (int h = 0; h < HG_HOLDERS; h++)
            r->live[h] += g[i].live[h];
    }
}

static void note_done(struct hg_compaction *c)
{
    struct hg_round *r = &c->seen;
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);

    r->added = c->output.used;
    for (size_t i = 0; i < n; i++) {
        if (hg_compact_victim(c, g[i].segment) == NULL)
            continue;
        r->gone += g[i].used;
        r->gone_own += g[i].own;
        for (int h = 0; h < HG_HOLDERS; h++)
            r->gone_live[h] += g[i].live[h];
    }
}

static int mark(struct hg_compaction *c)
{
    int rc;

    c->seen = (struct hg_round){ 0 };
    hg_scheduler_mark(c->store, &c->seen);
    rc = c->purge_below != 0 ? hg_live_mark_unasked(c->store, c->purge_below, &c->segments)
                             : hg_live_mark(c->store, &c->segments);
    if (rc == HOLOG_OK)
        note_found(c);
    if (rc == HOLOG_OK && c->below == 0)
        c->below = newest_of(c) + 1;
    return rc;
}

/* 1: something was done, or would be; 0: there is nothing to do. */
static int run(struct hg_compaction *c)
{
    int dry = (c->opts->flags & HOLOG_COMPACT_DRY_RUN) != 0;
    int marked = mark(c);
    int rc = marked;

    c->begins = hg_base_begins(c->store);
    if (rc == HOLOG_OK)
        rc = get_base(c);
    if (rc == HOLOG_OK)
        rc = choose_what_can_go(c);
    hg_scheduler_moves(c);
    if (rc == HOLOG_OK && c->moving.len + c->runs.len > 0 && !dry)
        rc = hg_compact_move(c);
    if (rc == HOLOG_OK && c->victims.len > 0 && !dry)
        rc = exchange(c);
    if (rc == HOLOG_OK && !dry)
        note_done(c);
    if (rc == HOLOG_OK && c->victims.len > 0 && !dry)
        hg_scheduler_worked(c);
    if (marked == HOLOG_OK)
        hg_scheduler_saw(c->store, &c->seen);
    return rc < 0 ? rc : c->victims.len > 0;
}

static const char *file_of(struct hg_compaction *c, uint32_t segment, char name[HG_FILE_NAME_MAX])
{
    size_t n;
    const struct hg_live_segment *g = marks(c, &n);

    if (hg_cold_there(c->store->cold, segment)) {
        hg_segment_name(name, segment, HG_KIND_HWP);
        return name;
    }
    for (size_t i = 0; i < n; i++) {
        if (g[i].segment != segment)
            continue;
        hg_segment_name(name, segment, (enum hg_segment_kind)g[i].kind);
        return name;
    }
    (void)snprintf(name, HG_FILE_NAME_MAX, "segment %08x", segment);
    return name;
}

/* What cannot be read is somewhere in the store: who asked for a compaction has named no value, and no file. */
static int say_where(struct hg_compaction *c, int rc)
{
    struct holog_error_detail d;
    char name[HG_FILE_NAME_MAX];

    if (rc != HOLOG_E_CORRUPT)
        return rc;
    hg_error_get(&d);
    if (!d.has_position)
        return rc;
    rc = hg_corrupt(d.segment, d.offset, "%s, offset %llu: %.120s%s%.200s",
                    file_of(c, d.segment, name), (unsigned long long)d.offset, d.path,
                    d.path[0] != 0 ? ": " : "", d.message);
    hg_error_name_path(d.path, strlen(d.path));
    return rc;
}

/* c: what the rounds have in common. 1: go on. */
static int run_round(struct hg_compaction *common, holog_compact_report *r)
{
    struct hg_compaction c = *common;
    int rc;

    hg_scheduler_begins(c.store);
    rc = say_where(&c, run(&c));
    hg_scheduler_ends(c.store);
    common->based = c.based;
    common->below = c.below;
    if (rc > 0)
        count(&c, r);
    hg_live_list_release(c.store, &c.live);
    hg_buf_release(&c.segments);
    hg_buf_release(&c.victims);
    hg_buf_release(&c.moving);
    hg_buf_release(&c.runs);
    hg_buf_release(&c.pages);
    return rc;
}

/* Files go after each round: the next one may need their room. A dry run says what there is to do now: later rounds
 * depend on what comes out of the first. */
static int run_all(holog_store *s, const holog_compact_options *options, holog_compact_report *r)
{
    int dry = (options->flags & HOLOG_COMPACT_DRY_RUN) != 0;
    int purge = (options->flags & HOLOG_COMPACT_PURGE) != 0;
    struct hg_buf spared = { 0 };
    struct hg_compaction c = { .store = s,
                               .opts = options,
                               .spared = &spared,
                               .round_bytes = s->round_bytes,
                               .based = purge };
    int rc = purge ? hg_purge_begin(s, &c.purge_below) : HOLOG_OK;

    if (c.round_bytes == 0)
        c.round_bytes = ROUND_BYTES;
    if (rc == HOLOG_OK) {
        do {
            rc = run_round(&c, r);
            if (rc >= 0 && !dry) {
                int unlinked = hg_compact_unlink(s, &r->waiting);
                rc = unlinked < 0 ? unlinked : rc;
            }
        } while (rc > 0 && !dry);
    }
    if (rc >= 0 && purge)
        rc = hg_purge_end(&c);
    if (rc == HOLOG_OK && purge)
        r->waiting = 0;
    hg_buf_release(&spared);
    return rc < 0 ? rc : HOLOG_OK;
}

static int check_options(const holog_compact_options *o)
{
    const uint32_t known = HOLOG_COMPACT_ALL | HOLOG_COMPACT_DRY_RUN | HOLOG_COMPACT_PURGE;
    int rc = hg_struct_check(o, "holog_compact_options");

    if (rc == HOLOG_OK && (o->flags & ~known) != 0)
        rc = hg_error(HOLOG_E_INVAL, "a compaction: unknown flags %#x", o->flags & ~known);
    if (rc == HOLOG_OK && (o->flags & HOLOG_COMPACT_PURGE) != 0 &&
        (o->flags & HOLOG_COMPACT_DRY_RUN) != 0)
        rc = hg_error(HOLOG_E_INVAL, "a purge cannot be tried: it begins with a base");
    return rc;
}

int holog_compact(holog_store *s, const holog_compact_options *options,
                  holog_compact_report *out_report)
{
    const holog_compact_options none = { .struct_size = sizeof none };
    holog_compact_report report = { .struct_size = sizeof report };
    int rc = hg_store_check_write(s);

    if (rc == HOLOG_OK && options != NULL)
        rc = check_options(options);
    if (rc == HOLOG_OK && out_report != NULL)
        rc = hg_struct_check(out_report, "holog_compact_report");
    if (rc == HOLOG_OK && hg_log_poisoned(s->log) != 0)
        rc = hg_error(HOLOG_E_POISONED, "an earlier write failed; close and reopen the store");
    if (rc < 0)
        return rc;
    hg_scheduler_hold(s); /* one that nobody has asked for makes way */
    rc = begin(s, COMPACTS);
    if (rc == HOLOG_OK) {
        rc = run_all(s, options != NULL ? options : &none, &report);
        end(s);
    }
    hg_scheduler_release(s);
    hg_scheduler_forced(s);
    if (rc == HOLOG_OK && out_report != NULL)
        hg_struct_fill(out_report, &report, sizeof report);
    return rc;
}

/* A file system that gives much back at once makes commits wait for its journal: so it is given time, as long as there is
 * room. What is left when somebody wants to go on is for the keeper, or for who compacts next. */
static int unlink_in_turn(holog_store *s, uint32_t *out_waiting)
{
    int failed = HOLOG_OK;
    int rc = HOLOG_OK;

    *out_waiting = hg_log_removed(s->log);
    __atomic_store_n(&s->unlinking, 1, __ATOMIC_RELAXED);
    while (rc == HOLOG_OK && *out_waiting > 0) {
        uint64_t bytes = UINT64_MAX;
        if (s->sched.on)
            bytes = hg_scheduler_unlink_step(s, UNLINK_PAUSE, step_of(s));
        rc = begin(s, TIDIES);
        if (rc < 0) { /* who compacts now does it */
            hg_error_clear();
            break;
        }
        rc = unlink_some(s, bytes, out_waiting);
        end(s);
        if (rc < 0)
            failed = rc;
        else if (rc == HOLOG_OK && *out_waiting > 0 && hg_scheduler_rest(s, UNLINK_PAUSE))
            break;
    }
    __atomic_store_n(&s->unlinking, 0, __ATOMIC_RELAXED);
    return failed;
}

static void avoid_damage(holog_store *s)
{
    struct holog_error_detail d;

    hg_error_get(&d);
    if (d.has_position)
        hg_scheduler_avoid(s, d.segment);
}

int hg_compact_background(holog_store *s, uint64_t round_bytes, holog_compact_report *r)
{
    const holog_compact_options none = { .struct_size = sizeof none };
    struct hg_buf spared = { 0 };
    struct hg_compaction c = { .store = s,
                               .opts = &none,
                               .spared = &spared,
                               .round_bytes = HG_MIN(round_bytes, ROUND_BYTES),
                               .is_background = 1 };
    int unlinked = HOLOG_OK;
    int rc = begin(s, COMPACTS);

    if (rc < 0)
        return rc;
    rc = run_round(&c, r);
    hg_buf_release(&spared);
    if (rc == HOLOG_E_CORRUPT)
        avoid_damage(s);
    end(s);
    if (rc > 0)
        unlinked = unlink_in_turn(s, &r->waiting);
    return unlinked < 0 ? unlinked : rc;
}
