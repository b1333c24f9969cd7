/*
 * What of the past is kept; see retention.h.
 */
#include "engine/retention.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "wal/frame.h"

#define COMMITS_DEFAULT 1000u
#define AGE_S_DEFAULT   (7u * 24 * 3600)
#define CHECK_EVERY     64u /* commits */
#define LATE_MIN        64u /* commits that the horizon lags behind the rules, at least */
#define LATE_BYTES      (UINT64_C(1) << 20) /* unless they have ended so many bytes, and ... */
#define LATE_SHARE      8u                  /* ... a part of what lives */
#define GONE_BYTES      (64u << 10)         /* of their keys at a time, about */
#define SWEEP_MIN       256u /* versions looked at at a time, at least: neighbours share a leaf */
#define VERSION_BYTES   48u  /* of memory, in the past; about */
#define SWEEP_RATIO     4u   /* for each version that a commit adds to the past */

/* ---- rules ---------------------------------------------------------------------------------------*/

static int parse(const char *text, uint64_t *out)
{
    char *end = NULL;

    if (strcmp(text, "all") == 0) {
        *out = UINT64_MAX;
        return 1;
    }
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 15)
        return 0;
    *out = strtoull(text, &end, 10);
    return *end == 0;
}

static int apply_rule(struct hg_retention *r, const char *key, const char *value, int *out_ok)
{
    uint64_t n = 0;
    int live = strcmp(value, "live") == 0;

    *out_ok = parse(value, &n);
    if (strcmp(key, "retention.commits") == 0) {
        *out_ok = *out_ok && n > 0;
        r->commits = n;
    } else if (strcmp(key, "retention.age_s") == 0) {
        r->age_ns = n > UINT64_MAX / 1000000000u ? UINT64_MAX : n * 1000000000u;
    } else if (strcmp(key, "pins.max_age_s") == 0) {
        r->pin_age_ns = n > UINT64_MAX / 1000000000u ? UINT64_MAX : n * 1000000000u;
    } else if (strcmp(key, "pins.max_bytes") == 0) {
        r->pin_bytes = n;
    } else if (strcmp(key, "retention.bytes") == 0) {
        *out_ok = *out_ok || live;
        r->bytes = n;
        r->bytes_live = live;
    } else {
        return 0;
    }
    return 1;
}

int hg_retention_setting(const char *key, const char *value, int *out_ok)
{
    struct hg_retention r;

    return apply_rule(&r, key, value, out_ok);
}

void hg_retention_take_settings(holog_store *s)
{
    struct hg_retention rules = { .commits = COMMITS_DEFAULT,
                                  .age_ns = AGE_S_DEFAULT * UINT64_C(1000000000),
                                  .bytes_live = 1,
                                  .pin_age_ns = UINT64_MAX,
                                  .pin_bytes = UINT64_MAX };

    for (const struct hg_setting *e = s->settings; e != NULL; e = e->next) {
        struct hg_retention r = rules;
        int ok = 0;
        if (apply_rule(&r, e->key, e->value, &ok) && ok)
            rules = r;
    }
    s->rules = rules;
    __atomic_store_n(&s->pin_age_ns, rules.pin_age_ns, __ATOMIC_RELAXED);
}

/* Of the moments, the first that each rule keeps. */
static size_t first_by_age(const struct hg_timeline *t, uint64_t now_ns, uint64_t age_ns)
{
    size_t i = now_ns < age_ns ? SIZE_MAX : hg_timeline_find_time(t, now_ns - age_ns);

    return i == SIZE_MAX ? 0 : i + 1;
}

static size_t first_by_bytes(const struct hg_timeline *t, size_t from, uint64_t bytes)
{
    size_t n = hg_timeline_count(t);
    uint64_t held = t->ended_bytes; /* what the states from `from` on need beside what is current */

    for (size_t i = 0; i <= from; i++)
        held -= hg_timeline_at(t, i)->ended_bytes;
    for (; from + 1 < n && held > bytes; from++)
        held -= hg_timeline_at(t, from + 1)->ended_bytes;
    return from;
}

uint64_t hg_retention_horizon(const holog_store *s, const struct hg_retention *r)
{
    const struct hg_timeline *t = &s->timeline;
    size_t n = hg_timeline_count(t);
    size_t first = 0;

    if (n == 0)
        return t->horizon;
    if (n > r->commits)
        first = n - (size_t)r->commits;
    first = HG_MAX(first, first_by_age(t, s->io->ops->wall_ns(s->io), r->age_ns));
    first = HG_MIN(first, n - 1);
    if (r->bytes_live || r->bytes != UINT64_MAX)
        first =
            first_by_bytes(t, first, r->bytes_live ? s->sequenced.sums.live_value_bytes : r->bytes);
    if (first == 0) /* all that there is; what was before the first commit, too */
        return t->horizon;
    return HG_MAX(t->horizon, hg_timeline_at(t, first)->number);
}

/* ---- the horizon ---------------------------------------------------------------------------------*/

int hg_retention_move(holog_store *s, uint64_t horizon, int asked)
{
    struct hg_buf body = { 0 };
    int rc = hg_body_begin(&body, s->last_time_ns, NULL, 0);

    if (rc == HOLOG_OK)
        rc = hg_rec_retention(&body, horizon, NULL);
    if (rc == HOLOG_OK)
        rc = hg_note_append(s, &body, HOLOG_SYNC_NONE, asked, NULL);
    if (rc == HOLOG_OK)
        hg_timeline_say_horizon(&s->timeline, horizon);
    hg_buf_release(&body);
    return rc;
}

/* Some that is below the horizon is still there. */
static int is_letting_go(const holog_store *s)
{
    return s->sweep.under_way || s->timeline.horizon > s->sweep.horizon;
}

/* The past, which is its index and the timeline, has a quarter of the budget, more or less: beyond
 * that, a quarter of what is kept goes, whatever the rules say; and the next one when that has gone.
 * What views hold is not counted: that would not go with it. */
static uint64_t horizon_by_memory(const holog_store *s, uint64_t horizon)
{
    const struct hg_timeline *t = &s->timeline;
    size_t n = hg_timeline_count(t);
    uint64_t bytes =
        hg_index_count(s->sequenced.past) * VERSION_BYTES + n * sizeof(struct hg_moment);

    if (n < 2 || bytes < s->opts.budget_bytes / 4 || is_letting_go(s))
        return horizon;
    return HG_MAX(horizon, hg_timeline_at(t, n - n / 4 * 3 - 1)->number);
}

/* Bytes of values, by which the horizon lags at most: a few commits may replace many, and what nobody may let go is no
 * garbage to a compaction. Of that its cap leaves room for four segments. */
static uint64_t late_bytes(const holog_store *s)
{
    uint64_t bytes = HG_MAX(s->sequenced.sums.live_value_bytes / LATE_SHARE,
                            (uint64_t)s->recovered.super.extent_size_max / 4);

    return HG_MAX(bytes, LATE_BYTES);
}

static uint64_t ended_so_far(const holog_store *s)
{
    size_t n = hg_timeline_count(&s->timeline);

    return n == 0 ? 0 : hg_timeline_at(&s->timeline, n - 1)->ended_total;
}

static int is_due(const holog_store *s, uint64_t horizon)
{
    const struct hg_timeline *t = &s->timeline;
    size_t n = hg_timeline_count(t);
    size_t i = hg_timeline_find(t, horizon);

    return i != SIZE_MAX && (i >= HG_MAX((size_t)LATE_MIN, n / 5) ||
                             hg_timeline_at(t, i)->ended_total - t->horizon_total >= late_bytes(s));
}

uint64_t hg_retention_pinned(const holog_view *v, uint64_t horizon, uint64_t horizon_total)
{
    if (v->version->number >= horizon || horizon_total <= v->held_from)
        return 0;
    return HG_MIN(horizon_total - v->held_from, v->version->sums.live_value_bytes);
}

void hg_retention_expire(holog_store *s)
{
    const struct hg_retention *r = &s->rules;
    uint64_t now = s->io->ops->wall_ns(s->io);

    if (r->pin_age_ns == UINT64_MAX && r->pin_bytes == UINT64_MAX)
        return;
    hg_mutex_lock(s->io, &s->misc_lock);
    for (holog_view *v = s->views; v != NULL; v = v->next) {
        int too_long = now > v->opened_ns && now - v->opened_ns > r->pin_age_ns;
        int too_much =
            hg_retention_pinned(v, s->timeline.horizon, s->timeline.horizon_total) > r->pin_bytes;
        if ((too_long || too_much) && !v->expired) {
            __atomic_store_n(&v->expired, 1, __ATOMIC_RELAXED);
            __atomic_add_fetch(&v->version->expired, 1, __ATOMIC_RELAXED);
        }
    }
    hg_mutex_unlock(s->io, &s->misc_lock);
}

/* The condition is not asked under the lock. */
static void ask_keeper(holog_store *s, uint64_t horizon)
{
    s->keep.due = horizon;
    hg_keeper_wake(s);
}

/* What is said first is no older than what every replay has: see HG_UNSAID_MAX. */
static uint64_t first_to_say(const holog_store *s, uint64_t horizon)
{
    const struct hg_timeline *t = &s->timeline;
    const size_t sure = HG_UNSAID_MAX - HG_UNSAID_MARGIN;
    size_t n = hg_timeline_count(t);

    if (n > sure)
        horizon = HG_MAX(horizon, hg_timeline_at(t, n - sure)->number);
    return HG_MAX(horizon, (uint64_t)1);
}

static int check_rules(holog_store *s)
{
    const struct hg_timeline *t = &s->timeline;
    uint64_t horizon = horizon_by_memory(s, hg_retention_horizon(s, &s->rules));

    s->sweep.checked = ended_so_far(s);
    hg_retention_expire(s);
    if (!t->said && hg_timeline_count(t) > HG_UNSAID_MAX / 2)
        return hg_retention_move(s, first_to_say(s, s->keep.fn == NULL ? horizon : t->horizon), 0);
    if (horizon <= t->horizon || !is_due(s, horizon))
        return HOLOG_OK;
    if (s->keep.fn == NULL)
        return hg_retention_move(s, horizon, 0);
    ask_keeper(s, horizon);
    return HOLOG_OK;
}

void hg_retention_step(holog_store *s)
{
    struct holog_error_detail first;
    uint64_t kept = hg_index_count(s->sequenced.past);
    size_t added = (size_t)(kept > s->sweep.kept ? kept - s->sweep.kept : 0);
    int by_bytes;
    int rc = HOLOG_OK;

    hg_error_get(&first);
    by_bytes = ended_so_far(s) - s->sweep.checked >= late_bytes(s);
    if (by_bytes || s->last_number % CHECK_EVERY ==
                        CHECK_EVERY - 1) /* not of this handle: it may be a short one */
        rc = check_rules(s);
    if (is_letting_go(s))
        s->sweep.owed += 1 + SWEEP_RATIO * added + (by_bytes ? SWEEP_MIN : 0u);
    if (rc == HOLOG_OK && s->sweep.owed >= SWEEP_MIN) {
        rc = hg_retention_sweep(s, s->sweep.owed);
        s->sweep.owed = 0;
    }
    if (rc < 0) /* no room in the log, no memory: later */
        hg_error_set(&first);
    s->sweep.kept = hg_index_count(s->sequenced.past);
}

/* ---- letting go ----------------------------------------------------------------------------------*/

static int is_kept(const holog_store *s, const struct hg_past_key *k, uint64_t end)
{
    return end > s->sweep.horizon || hg_timeline_has_tag(&s->timeline, k->number, end);
}

static int let_go(holog_store *s, const uint8_t *key, size_t len)
{
    struct hg_past_key k;
    struct hg_locator loc;
    int rc = hg_index_remove(s->sequenced.past, key, len, &loc);

    HG_ASSERT(rc != HOLOG_E_NOENT);
    hg_past_key_decode(key, len, &k);
    if (rc == HOLOG_OK)
        s->sequenced.sums.past_bytes -= hg_past_ended_bytes(k.ends, &loc);
    return rc;
}

/* Up to n versions from where the last look ended: the keys of those that nothing keeps are gathered, for
 * a walk sees no edits. HOLOG_E_NOENT: there are no more behind them. */
static int look_at_some(holog_store *s, size_t n)
{
    struct hg_sweep *w = &s->sweep;
    struct hg_cursor c;
    int rc;

    w->gone.len = 0;
    rc = hg_cursor_open(&c, hg_index_head(s->sequenced.past), w->key.data, w->key.len, 0);
    for (; rc == HOLOG_OK && n > 0 && w->gone.len < GONE_BYTES; n--) {
        struct hg_past_key k;
        uint16_t len = (uint16_t)c.key_len;
        hg_past_key_decode(c.key, c.key_len, &k);
        if (!is_kept(s, &k, c.loc.number)) {
            rc = hg_buf_append(&w->gone, &len, sizeof len);
            if (rc == HOLOG_OK)
                rc = hg_buf_append(&w->gone, c.key, len);
        }
        if (rc == HOLOG_OK)
            rc = hg_cursor_next(&c);
    }
    w->key.len = 0;
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&w->key, c.key, c.key_len);
    hg_cursor_close(&c);
    return rc;
}

static int let_go_of_those(holog_store *s)
{
    const struct hg_buf *gone = &s->sweep.gone;
    int rc = HOLOG_OK;

    for (size_t at = 0; rc == HOLOG_OK && at < gone->len;) {
        uint16_t len;
        memcpy(&len, gone->data + at, sizeof len);
        rc = let_go(s, gone->data + at + sizeof len, len);
        at += sizeof len + len;
    }
    return rc;
}

/* Nothing is frozen for it: after a freeze each commit that keeps something would copy leaves. */
int hg_retention_sweep(holog_store *s, size_t quota)
{
    struct hg_sweep *w = &s->sweep;
    int rc = HOLOG_OK;

    if (!w->under_way) {
        w->under_way = 1;
        w->horizon = s->timeline.horizon;
        w->key.len = 0;
    }
    while (rc == HOLOG_OK && quota > 0) {
        size_t n = HG_MIN(quota, (size_t)SWEEP_MIN);
        int gone;
        rc = look_at_some(s, n);
        gone = rc == HOLOG_OK || rc == HOLOG_E_NOENT ? let_go_of_those(s) : HOLOG_OK;
        rc = gone < 0 ? gone : rc;
        quota -= n;
    }
    if (rc != HOLOG_OK)
        w->under_way = 0; /* all was looked at; or no memory: from the start, later */
    if (rc < 0 && rc != HOLOG_E_NOENT)
        w->horizon = 0;
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* ---- replay --------------------------------------------------------------------------------------*/

void hg_retention_unsaid(holog_store *s)
{
    struct hg_timeline *t = &s->timeline;
    size_t n = hg_timeline_count(t);

    if (!t->said && n > HG_UNSAID_MAX)
        hg_timeline_set_horizon(t, hg_timeline_at(t, n - HG_UNSAID_MAX)->number);
}

/* With fewer commits nothing was let go: numbers before the first one were never used, or cut. */
void hg_retention_unsaid_before(holog_store *s)
{
    struct hg_timeline *t = &s->timeline;

    if (hg_timeline_count(t) >= HG_UNSAID_MAX && hg_timeline_at(t, 0)->number > 1)
        hg_timeline_set_horizon(t, hg_timeline_at(t, 0)->number);
}

int hg_retention_replayed(holog_store *s)
{
    int rc = HOLOG_OK;

    if (s->timeline.horizon > s->sweep.horizon)
        rc = hg_retention_sweep(s, SIZE_MAX);
    s->sweep.kept = hg_index_count(s->sequenced.past);
    return rc;
}

/* What each commit has ended, from what is kept of it. */
int hg_retention_count_ended(holog_store *s)
{
    struct hg_timeline *t = &s->timeline;
    struct hg_root *root = hg_index_freeze(s->sequenced.past);
    struct hg_cursor c;
    int rc = hg_cursor_open(&c, root, NULL, 0, 0);

    for (; rc == HOLOG_OK; rc = hg_cursor_next(&c)) {
        struct hg_past_key k;
        hg_past_key_decode(c.key, c.key_len, &k);
        hg_timeline_ended(t, c.loc.number, hg_past_ended_bytes(k.ends, &c.loc), 0);
    }
    hg_cursor_close(&c);
    hg_root_put(root);
    s->sequenced.sums.ended_bytes = hg_timeline_sum_up(t);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}
