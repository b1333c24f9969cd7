/*
 * A condition beside the rules of retention: which states, that the rules would let go, are kept.
 * What it keeps gets a tag, so that it is kept as anything tagged is: in the log, for every process,
 * for anybody to see and to delete.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/retention.h"
#include "holog/versions.h"

#define PREFIX       "kept-"
#define PRIORITY_MAX 9

/* The store whose condition this thread is asking; it may be taken away from there. */
static _Thread_local const holog_store *asking;

int holog_keep_when(holog_store *store, holog_keep_fn keep, void *ctx, uint64_t max_bytes)
{
    int rc = hg_store_check_write(store);

    if (rc < 0)
        return rc;
    if (asking != store) /* the one before is not being asked, and will not be */
        hg_mutex_lock(store->io, &store->keep_lock);
    hg_log_lock(store->log);
    store->keep = (struct hg_keep){ .fn = keep, .ctx = ctx, .max_bytes = max_bytes };
    hg_log_unlock(store->log);
    if (asking != store)
        hg_mutex_unlock(store->io, &store->keep_lock);
    return HOLOG_OK;
}

/* ---- asking --------------------------------------------------------------------------------------*/

/* Those that would go. */
static int copy_moments(holog_store *s, uint64_t horizon, struct hg_buf *out)
{
    size_t n = hg_timeline_count(&s->timeline);
    size_t i = 0;

    while (i < n && hg_timeline_at(&s->timeline, i)->number < horizon)
        i++;
    return i == 0
               ? HOLOG_OK
               : hg_buf_append(out, hg_timeline_at(&s->timeline, 0), i * sizeof(struct hg_moment));
}

static int put_kept(holog_store *s, uint64_t number, int priority)
{
    char name[HG_TAG_NAME_MAX + 1];
    struct hg_ticket ticket;
    int rc;

    (void)snprintf(name, sizeof name, PREFIX "%d-%llu", HG_MIN(priority, PRIORITY_MAX),
                   (unsigned long long)number);
    rc = hg_tag_lock(s, 0);
    if (rc == HOLOG_OK && hg_ref_check(s, number) == HOLOG_OK &&
        hg_timeline_tag(&s->timeline, name) == NULL)
        rc = hg_tag_put(s, name, number, HOLOG_SYNC_NONE, &ticket);
    hg_log_unlock(s->log);
    return rc;
}

/* Its answer; -1: it is not the condition any more. */
static int answer(holog_store *s, const struct hg_keep *keep, const holog_commit_info *info)
{
    int priority = -1;

    hg_mutex_lock(s->io, &s->keep_lock);
    if (s->keep.fn == keep->fn && s->keep.ctx == keep->ctx) {
        asking = s;
        priority = keep->fn(keep->ctx, info);
        priority = HG_MAX(priority, 0);
        asking = NULL;
    }
    hg_mutex_unlock(s->io, &s->keep_lock);
    return priority;
}

static int ask_one(holog_store *s, const struct hg_keep *keep, const struct hg_moment *m,
                   struct hg_fields *fields, int *out_gone)
{
    holog_commit_info info = { .number = m->number,
                               .segment = hg_pos_segment(m->frame),
                               .offset = hg_pos_offset(m->frame),
                               .bytes = m->len };
    int rc = hg_fields_read(s, m, fields);
    int priority;

    if (rc < 0)
        return rc;
    info.time_ns = fields->time_ns;
    info.message = fields->message;
    info.meta = (const char *const *)(const void *)fields->meta.data;
    priority = answer(s, keep, &info);
    *out_gone = priority < 0;
    return priority > 0 ? put_kept(s, m->number, priority) : HOLOG_OK;
}

/* ---- the bound -----------------------------------------------------------------------------------*/

struct kept {
    char name[HG_TAG_NAME_MAX + 1];
    uint64_t number;
    int priority;
};

/* Those that go first, first: the lowest priority, of these the oldest. */
static int by_worth(const void *a, const void *b)
{
    const struct kept *x = a;
    const struct kept *y = b;

    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

/* Ours into out, the numbers of all others into others. Log lock held. */
static int list_tags(const holog_store *s, struct hg_buf *out, struct hg_buf *others)
{
    size_t n = s->timeline.tags.len / sizeof(struct hg_tag);
    const struct hg_tag *t = (const struct hg_tag *)(const void *)s->timeline.tags.data;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct kept k = { .number = t[i].number };
        if (strncmp(t[i].name, PREFIX, strlen(PREFIX)) != 0) {
            rc = hg_buf_append(others, &t[i].number, sizeof t[i].number);
            continue;
        }
        k.priority = t[i].name[strlen(PREFIX)] - '0'; /* of our making, or as low as it sorts */
        memcpy(k.name, t[i].name, sizeof k.name);
        rc = hg_buf_append(out, &k, sizeof k);
    }
    if (out->len > 0)
        qsort(out->data, out->len / sizeof(struct kept), sizeof(struct kept), by_worth);
    return rc;
}

static int has_number(const struct hg_buf *numbers, uint64_t first, uint64_t end)
{
    const uint64_t *n = (const uint64_t *)(const void *)numbers->data;
    size_t count = numbers->len / sizeof *n;
    size_t i = 0;

    while (i < count && (n[i] < first || n[i] >= end))
        i++;
    return i < count;
}

/* Bytes of the versions below the horizon that our tags keep, and no others do. Log lock held. */
static int held_bytes(holog_store *s, uint64_t horizon, const struct hg_buf *others, uint64_t *out)
{
    struct hg_past_weigher w = { 0 };
    struct hg_state_mark m;
    struct hg_cursor c;
    int rc;

    hg_state_freeze(&s->sequenced, &m);
    w.now = m.root;
    rc = hg_cursor_open(&c, m.past, NULL, 0, 0);

    *out = 0;
    for (; rc == HOLOG_OK; rc = hg_cursor_next(&c)) {
        struct hg_past_key k;
        uint64_t bytes;
        hg_past_key_decode(c.key, c.key_len, &k);
        if (c.loc.number <= horizon && !hg_timeline_has_tag(&s->timeline, k.number, c.loc.number))
            continue; /* it goes: what it shares, the one before it has alone then */
        bytes = hg_past_weigh(&w, &c, &k);
        if (c.loc.number <= horizon && !has_number(others, k.number, c.loc.number))
            *out += bytes;
    }
    hg_cursor_close(&c);
    hg_state_mark_release(&m);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int hold_to_bound(holog_store *s, uint64_t horizon, uint64_t max_bytes)
{
    struct hg_buf list = { 0 };
    struct hg_buf others = { 0 };
    uint64_t bytes = 0;
    int rc;

    rc = hg_tag_lock(s, 1);
    if (rc == HOLOG_OK)
        rc = list_tags(s, &list, &others);
    for (size_t i = 0; rc == HOLOG_OK && i < list.len / sizeof(struct kept); i++) {
        struct hg_ticket ticket;
        rc = held_bytes(s, horizon, &others, &bytes);
        if (rc < 0 || bytes <= max_bytes)
            break;
        rc = hg_tag_put(s, ((struct kept *)(void *)list.data)[i].name, 0, HOLOG_SYNC_NONE, &ticket);
    }
    hg_log_unlock(s->log);
    hg_buf_release(&list);
    hg_buf_release(&others);
    return rc;
}

static int ask_all(holog_store *s, uint64_t horizon, int *out_gone)
{
    struct hg_buf moments = { 0 };
    struct hg_fields fields = { 0 };
    struct hg_keep keep;
    int rc;

    hg_log_lock(s->log);
    keep = s->keep;
    rc = keep.fn == NULL ? HOLOG_OK : copy_moments(s, horizon, &moments);
    hg_log_unlock(s->log);
    *out_gone = 0;
    for (size_t i = moments.len / sizeof(struct hg_moment); rc == HOLOG_OK && !*out_gone && i > 0;
         i--)
        rc = ask_one(s, &keep, (const struct hg_moment *)(const void *)moments.data + (i - 1),
                     &fields, out_gone);
    if (rc == HOLOG_OK && !*out_gone && keep.max_bytes != 0)
        rc = hold_to_bound(s, horizon, keep.max_bytes);
    if (rc == HOLOG_OK && moments.len > 0)
        rc = hg_log_sync(s->log); /* what is kept is kept before anything goes */
    hg_buf_release(&moments);
    hg_fields_release(&fields);
    return rc;
}

int hg_keep_ask(holog_store *s, uint64_t horizon)
{
    int gone = 0;
    int rc;

    do { /* another one has all of them to judge */
        rc = ask_all(s, horizon, &gone);
    } while (rc == HOLOG_OK && gone);
    return rc;
}
