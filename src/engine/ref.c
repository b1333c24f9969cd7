/*
 * Naming states of the store: references, views as of a number, tags.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/retention.h"
#include "engine/store_internal.h"
#include "holog/versions.h"
#include "wal/frame.h"

void hg_timeline_lock(holog_store *s)
{
    if (s->log != NULL)
        hg_log_lock(s->log);
    else
        hg_mutex_lock(s->io, &s->misc_lock);
}

void hg_timeline_unlock(holog_store *s)
{
    if (s->log != NULL)
        hg_log_unlock(s->log);
    else
        hg_mutex_unlock(s->io, &s->misc_lock);
}

/* ---- what is kept ----------------------------------------------------------------------------------*/

static int dropped(const holog_store *s, uint64_t number)
{
    return hg_error(HOLOG_E_DROPPED,
                    "the state of commit %llu is not kept any more; the oldest that is, is %llu "
                    "(tags keep older ones)",
                    (unsigned long long)number, (unsigned long long)s->timeline.horizon);
}

/* There may be a replay that does not keep it: see HG_UNSAID_MAX. */
static int is_too_old(const holog_store *s, uint64_t number)
{
    const struct hg_timeline *t = &s->timeline;
    size_t n = hg_timeline_count(t);
    size_t i = hg_timeline_find(t, number);
    uint64_t back = i == SIZE_MAX ? n : n - i;

    return !t->said && back > HG_UNSAID_MAX - HG_UNSAID_MARGIN;
}

int hg_ref_check(const holog_store *s, uint64_t number)
{
    if (number > s->last_number)
        return hg_error(HOLOG_E_INVAL, "there is no commit %llu yet; the newest is %llu",
                        (unsigned long long)number, (unsigned long long)s->last_number);
    if (hg_timeline_has_tag(&s->timeline, number, number + 1))
        return HOLOG_OK;
    if (number < s->timeline.horizon || is_too_old(s, number))
        return dropped(s, number);
    return HOLOG_OK;
}

/* ---- references ------------------------------------------------------------------------------------*/

static int not_a_ref(const char *ref)
{
    return hg_error(HOLOG_E_INVAL,
                    "\"%s\" names no state: a number, a tag, HEAD, HEAD~N or a time like "
                    "2026-11-21T08:00:00Z",
                    ref);
}

/* Digits only, all of the text. 0: it is none. */
static int parse_number(const char *text, uint64_t *out)
{
    size_t n = strlen(text);

    if (n == 0 || n > 15 || strspn(text, "0123456789") != n)
        return 0;
    *out = strtoull(text, NULL, 10);
    return 1;
}

static int two_digits(const char *p, int low, int high, int *out)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return 0;
    *out = (p[0] - '0') * 10 + (p[1] - '0');
    return *out >= low && *out <= high;
}

/* "Z", or "+hh:mm" as seconds to take off. 0: neither. */
static int parse_zone(const char *p, int64_t *out_offset_s)
{
    int h;
    int m;

    *out_offset_s = 0;
    if (strcmp(p, "Z") == 0)
        return 1;
    if ((p[0] != '+' && p[0] != '-') || !two_digits(p + 1, 0, 23, &h) || p[3] != ':' ||
        !two_digits(p + 4, 0, 59, &m) || p[6] != 0)
        return 0;
    *out_offset_s = (p[0] == '+' ? 1 : -1) * (h * 3600 + m * 60);
    return 1;
}

/* RFC 3339. 0: it is none. */
static int parse_time(const char *p, uint64_t *out_ns)
{
    struct tm t = { 0 };
    int century;
    int year;
    int64_t offset;
    uint64_t ns = 0;
    int64_t s;

    if (strlen(p) < 20 || !two_digits(p, 19, 99, &century) || !two_digits(p + 2, 0, 99, &year) ||
        p[4] != '-' || !two_digits(p + 5, 1, 12, &t.tm_mon) || p[7] != '-' ||
        !two_digits(p + 8, 1, 31, &t.tm_mday) || p[10] != 'T' ||
        !two_digits(p + 11, 0, 23, &t.tm_hour) || p[13] != ':' ||
        !two_digits(p + 14, 0, 59, &t.tm_min) || p[16] != ':' ||
        !two_digits(p + 17, 0, 60, &t.tm_sec))
        return 0;
    p += 19;
    if (*p == '.') {
        uint64_t unit = 100000000;
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            ns += (uint64_t)(*p - '0') * unit;
    }
    if (!parse_zone(p, &offset))
        return 0;
    t.tm_year = century * 100 + year - 1900;
    t.tm_mon -= 1;
    int day = t.tm_sec == 60 ? 0 : t.tm_mday;
    s = (int64_t)timegm(&t) - offset; /* puts days that a month has not into the next */
    if (s < 0 || (day != 0 && t.tm_mday != day))
        return 0;
    *out_ns = (uint64_t)s < UINT64_MAX / 1000000000u ? (uint64_t)s * 1000000000u + ns : UINT64_MAX;
    return 1;
}

static int steps_back(const holog_store *s, uint64_t newest, uint64_t n, uint64_t *out)
{
    const struct hg_timeline *t = &s->timeline;
    size_t i = hg_timeline_find(t, newest);

    if (n == 0 || (i == SIZE_MAX && newest == 0)) {
        *out = newest;
        return n == 0 ? HOLOG_OK : hg_error(HOLOG_E_NOENT, "there are no commits yet");
    }
    if (i == SIZE_MAX || n > i) {
        if (t->horizon == 0)
            return hg_error(HOLOG_E_NOENT, "HEAD~%llu: there are only %zu commits",
                            (unsigned long long)n, i == SIZE_MAX ? 0 : i + 1);
        return hg_error(HOLOG_E_DROPPED, "HEAD~%llu is not kept any more; the oldest is HEAD~%zu",
                        (unsigned long long)n, i == SIZE_MAX ? 0 : i);
    }
    *out = hg_timeline_at(t, i - (size_t)n)->number;
    return HOLOG_OK;
}

static int at_time(const holog_store *s, uint64_t newest, const char *ref, uint64_t ns,
                   uint64_t *out)
{
    const struct hg_timeline *t = &s->timeline;
    size_t i = hg_timeline_find_time(t, ns);

    if (i == SIZE_MAX)
        return t->horizon == 0
                   ? hg_error(HOLOG_E_NOENT, "%s is before the first commit", ref)
                   : hg_error(HOLOG_E_DROPPED, "%s is before the oldest commit that is kept", ref);
    *out = HG_MIN(hg_timeline_at(t, i)->number, newest);
    return HOLOG_OK;
}

static int resolve(holog_store *s, const char *ref, uint64_t newest, uint64_t *out)
{
    const struct hg_tag *tag;
    uint64_t n = 0;

    if (parse_number(ref, out))
        return HOLOG_OK;
    if (strcmp(ref, "HEAD") == 0)
        return steps_back(s, newest, 0, out);
    if (strncmp(ref, "HEAD~", 5) == 0)
        return parse_number(ref + 5, &n) ? steps_back(s, newest, n, out) : not_a_ref(ref);
    if (parse_time(ref, &n))
        return at_time(s, newest, ref, n, out);
    if (!hg_tag_name_valid(ref, strlen(ref)))
        return not_a_ref(ref);
    tag = hg_timeline_tag(&s->timeline, ref);
    if (tag == NULL)
        return hg_error(HOLOG_E_NOENT, "no tag is called \"%s\"", ref);
    *out = tag->number;
    return HOLOG_OK;
}

int holog_ref(holog_store *store, const char *ref, uint64_t *out_number)
{
    uint64_t newest;
    uint64_t number = 0;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (ref == NULL || out_number == NULL)
        return hg_error(HOLOG_E_INVAL, "ref or out_number is NULL");
    newest = holog_last_number(store);
    hg_timeline_lock(store);
    rc = resolve(store, ref, newest, &number);
    if (rc == HOLOG_OK && number > newest)
        rc = hg_error(HOLOG_E_INVAL, "there is no commit %llu yet; the newest is %llu",
                      (unsigned long long)number, (unsigned long long)newest);
    if (rc == HOLOG_OK)
        rc = hg_ref_check(store, number);
    hg_timeline_unlock(store);
    if (rc == HOLOG_OK)
        *out_number = number;
    return rc;
}

/* ---- views -----------------------------------------------------------------------------------------*/

/* What was live then is live now or has ended since. */
static void sum_up_past(struct hg_sums *past, const struct hg_sums *now, uint64_t ended_bytes)
{
    past->ended_bytes = ended_bytes;
    past->live_value_bytes =
        now->live_value_bytes + HG_MAX(now->ended_bytes, ended_bytes) - ended_bytes;
}

/* The published version and the check are taken together: the past that the version froze still has
 * what is kept now. The view of it is in the list of versions before the lock goes: whoever takes the
 * lock then, and asks what is kept, finds it there or finds its number kept. */
int hg_version_at(holog_store *s, uint64_t number, struct hg_version **out)
{
    struct hg_version *past;
    struct hg_version *v;
    uint64_t held_from;
    size_t i;
    int rc;

    hg_timeline_lock(s);
    v = hg_version_get_published(s);
    rc = v == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a view") : HOLOG_OK;
    i = hg_timeline_find(&s->timeline, number);
    held_from =
        i == SIZE_MAX ? s->timeline.horizon_total : hg_timeline_at(&s->timeline, i)->ended_total;
    if (rc == HOLOG_OK && number > v->number)
        rc = hg_error(HOLOG_E_INVAL, "there is no commit %llu yet; the newest is %llu",
                      (unsigned long long)number, (unsigned long long)v->number);
    if (rc == HOLOG_OK)
        rc = hg_ref_check(s, number);
    if (rc == HOLOG_OK && number < v->number) {
        past = hg_version_as_of(s, v, number);
        if (past == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory for a view");
        else
            sum_up_past(&past->sums, &v->sums, held_from);
        hg_version_put(s, v);
        v = past;
    }
    hg_timeline_unlock(s);
    if (rc < 0) {
        hg_version_put(s, v);
        return rc;
    }
    *out = v;
    return HOLOG_OK;
}

int holog_view_open_at(holog_store *store, uint64_t number, holog_view **out_view)
{
    struct hg_version *v = NULL;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (out_view == NULL)
        return hg_error(HOLOG_E_INVAL, "out_view is NULL");
    rc = hg_version_at(store, number, &v);
    return rc < 0 ? rc : hg_view_of(store, v, out_view);
}

int hg_resolve_gone(holog_store *s, struct hg_version *v, const char *path, struct hg_resolved *r)
{
    struct hg_lookup l;
    int rc;

    hg_lookup_version(s, v, &l);
    l.quiet = 1;
    rc = hg_resolve_user(&l, path, 0, r);
    if (rc != HOLOG_E_NOENT && rc != HOLOG_E_NOTDIR)
        return rc;
    rc = hg_user_path(path, r->path, &r->path_len);
    r->path[r->path_len] = 0;
    r->loc = (struct hg_locator){ 0 };
    if (rc == HOLOG_OK)
        hg_key_make(r->path, r->path_len, &r->key);
    return rc;
}

/* ---- changes of a path -----------------------------------------------------------------------------*/

struct numbers {
    struct hg_buf list; /* uint64_t, descending, each once; at most `want` of them */
    uint64_t want;
    uint64_t only; /* 0: any number */
};

static uint64_t *number_at(const struct numbers *n, size_t i)
{
    return (uint64_t *)(void *)n->list.data + i;
}

static int add_number(struct numbers *n, uint64_t number)
{
    size_t count = n->list.len / sizeof number;
    size_t i = count;
    int rc;

    while (i > 0 && *number_at(n, i - 1) < number)
        i--;
    if ((i > 0 && *number_at(n, i - 1) == number) || i >= n->want ||
        (n->only != 0 && number != n->only))
        return HOLOG_OK;
    rc = hg_buf_append(&n->list, &number, sizeof number);
    if (rc < 0)
        return rc;
    memmove(number_at(n, i + 1), number_at(n, i), (count - i) * sizeof number);
    *number_at(n, i) = number;
    if (count + 1 > n->want)
        n->list.len -= sizeof number;
    return HOLOG_OK;
}

static int in_subtree(const struct hg_key *k, const uint8_t *key, size_t len)
{
    return k->len == 0 || (len >= k->len && memcmp(key, k->bytes, k->len) == 0 &&
                           (len == k->len || key[k->len] == 0));
}

/* Every number at which something in the subtree came or went, above `since`. */
static int collect_numbers(const struct hg_version *v, const struct hg_key *k, uint64_t since,
                           struct numbers *n)
{
    struct hg_cursor c;
    int rc = hg_cursor_open_since(&c, v->root, k->bytes, k->len, since);

    for (; rc == HOLOG_OK && in_subtree(k, c.key, c.key_len); rc = hg_cursor_next(&c)) {
        rc = add_number(n, c.loc.number);
        if (rc < 0)
            break;
    }
    hg_cursor_close(&c);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    rc = hg_cursor_open_since(&c, v->past, k->bytes, k->len, since);
    for (; rc == HOLOG_OK && in_subtree(k, c.key, c.key_len - HG_PAST_SUFFIX);
         rc = hg_cursor_next(&c)) {
        struct hg_past_key p;
        hg_past_key_decode(c.key, c.key_len, &p);
        rc = add_number(n, c.loc.number);
        if (rc == HOLOG_OK && p.number > since)
            rc = add_number(n, p.number);
        if (rc < 0)
            break;
    }
    hg_cursor_close(&c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_changed_by(holog_store *s, const struct hg_version *v, const struct hg_key *k,
                  uint64_t number)
{
    struct numbers n = { .want = UINT64_MAX };
    uint64_t horizon;
    int rc;

    hg_timeline_lock(s);
    horizon = s->timeline.horizon;
    hg_timeline_unlock(s);
    if (number <= horizon)
        return 1; /* nobody knows any more */
    n.only = number;
    rc = collect_numbers(v, k, number - 1, &n);
    rc = rc < 0 ? rc : n.list.len > 0;
    hg_buf_release(&n.list);
    return rc;
}

int holog_before_changes(holog_store *store, const char *path, uint64_t n, uint64_t *out_number)
{
    struct numbers numbers = { .want = n };
    struct hg_version *v = NULL;
    struct hg_resolved r;
    const char *name;
    uint64_t horizon;
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && (n == 0 || out_number == NULL))
        rc = hg_error(HOLOG_E_INVAL, "n is 0, or out_number is NULL");
    if (rc < 0)
        return rc;
    v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a view");
    hg_timeline_lock(store);
    horizon = store->timeline.horizon;
    hg_timeline_unlock(store);
    rc = hg_resolve_gone(store, v, path, &r);
    name = rc == HOLOG_OK && r.path_len > 0 ? r.path : "/";
    if (rc == HOLOG_OK)
        rc = collect_numbers(v, &r.key, HG_MAX(horizon, (uint64_t)1) - 1, &numbers);
    hg_version_put(store, v);
    if (rc == HOLOG_OK && numbers.list.len == 0 && r.path_len > 0 && horizon <= 1) /* all is kept */
        rc = hg_error_path(HOLOG_E_NOENT, r.path, (uint32_t)r.path_len,
                           "%s: there is nothing, and never was", name);
    if (rc == HOLOG_OK && numbers.list.len / sizeof(uint64_t) < n)
        rc = hg_error(HOLOG_E_DROPPED, "%s: of %llu changes only the last %zu are kept", name,
                      (unsigned long long)n, numbers.list.len / sizeof(uint64_t));
    if (rc == HOLOG_OK && *number_at(&numbers, (size_t)n - 1) <= horizon)
        rc = hg_error(HOLOG_E_DROPPED, "%s: what was before the last %llu changes is not kept",
                      name, (unsigned long long)n);
    if (rc == HOLOG_OK)
        *out_number = *number_at(&numbers, (size_t)n - 1) - 1;
    hg_buf_release(&numbers.list);
    return rc;
}

/* ---- tags ------------------------------------------------------------------------------------------*/

#define TAG_BODY_MAX 256u

static int check_name(const char *name)
{
    if (name != NULL && hg_tag_name_valid(name, strlen(name)))
        return HOLOG_OK;
    return hg_error(HOLOG_E_INVAL,
                    "a tag's name is a letter and up to 63 letters, digits, '.', '_' or '-'; HEAD "
                    "is taken");
}

int hg_tag_lock(holog_store *s, int deletes)
{
    struct hg_log_place any;
    int rc;

    hg_log_lock(s->log);
    rc = hg_log_need(s->log, HG_FEATURE_VERSIONS, deletes);
    return rc < 0 ? rc : hg_log_reserve(s->log, TAG_BODY_MAX, deletes, &any);
}

int hg_tag_put(holog_store *s, const char *name, uint64_t number, enum holog_sync sync,
               struct hg_ticket *out_ticket)
{
    struct hg_buf body = { 0 };
    uint64_t now = s->io->ops->wall_ns(s->io);
    int was_set = hg_timeline_tag(&s->timeline, name) != NULL;
    int rc = hg_body_begin(&body, s->last_time_ns, NULL, 0);

    if (rc == HOLOG_OK)
        rc = hg_rec_tag(&body, number, now, name, strlen(name), NULL);
    HG_ASSERT(rc < 0 || body.len <= TAG_BODY_MAX);
    if (rc == HOLOG_OK)
        rc = hg_note_append(s, &body, sync, number == 0, out_ticket);
    hg_buf_release(&body);
    if (rc == HOLOG_OK && number == 0)
        hg_timeline_remove_tag(&s->timeline, name, strlen(name));
    else if (rc == HOLOG_OK) {
        rc = hg_timeline_set_tag(&s->timeline, name, strlen(name), number, now);
        if (rc < 0)
            hg_log_unappend(s->log);
    }
    if (rc == HOLOG_OK && was_set)
        s->sweep.horizon = 0; /* what it alone has kept until now is to be looked for */
    return rc;
}

/* The lock is held on entry and released on return. */
static int write_tag(holog_store *s, const char *name, uint64_t number)
{
    struct hg_ticket ticket;
    int rc = hg_tag_put(s, name, number, HOLOG_SYNC_COMMIT, &ticket);

    if (rc < 0) {
        hg_log_unlock(s->log);
        return rc;
    }
    return hg_log_wait(s->log, &ticket);
}

int holog_tag(holog_store *store, const char *name, uint64_t number, unsigned flags)
{
    const struct hg_tag *old;
    int rc = hg_store_check_write(store);

    if (rc == HOLOG_OK)
        rc = check_name(name);
    if (rc == HOLOG_OK && (flags & ~(unsigned)HOLOG_REPLACE) != 0)
        rc = hg_error(HOLOG_E_INVAL, "flags %#x: not known to this call", flags);
    if (rc == HOLOG_OK && number == 0)
        rc = hg_error(HOLOG_E_INVAL, "no commit has number 0");
    if (rc < 0)
        return rc;
    rc = hg_tag_lock(store, 0);
    if (rc == HOLOG_OK)
        rc = hg_ref_check(store, number);
    old = hg_timeline_tag(&store->timeline, name);
    if (rc == HOLOG_OK && (flags & HOLOG_REPLACE) == 0 && old != NULL)
        rc = hg_error(HOLOG_E_EXIST, "the tag \"%s\" exists: it names commit %llu", name,
                      (unsigned long long)old->number);
    if (rc == HOLOG_OK)
        return write_tag(store, name, number);
    hg_log_unlock(store->log);
    return rc;
}

int holog_tag_delete(holog_store *store, const char *name)
{
    int rc = hg_store_check_write(store);

    if (rc == HOLOG_OK)
        rc = check_name(name);
    if (rc < 0)
        return rc;
    rc = hg_tag_lock(store, 1);
    if (rc == HOLOG_OK && hg_timeline_tag(&store->timeline, name) == NULL)
        rc = hg_error(HOLOG_E_NOENT, "no tag is called \"%s\"", name);
    if (rc == HOLOG_OK)
        return write_tag(store, name, 0);
    hg_log_unlock(store->log);
    return rc;
}

int holog_tag_list(holog_store *store,
                   int (*each)(void *ctx, const char *name, uint64_t number, uint64_t time_ns),
                   void *ctx)
{
    struct hg_buf copy = { 0 };
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && each == NULL)
        rc = hg_error(HOLOG_E_INVAL, "each is NULL");
    if (rc < 0)
        return rc;
    hg_timeline_lock(store);
    if (store->timeline.tags.len > 0)
        rc = hg_buf_append(&copy, store->timeline.tags.data, store->timeline.tags.len);
    hg_timeline_unlock(store);
    for (size_t at = 0; rc == HOLOG_OK && at < copy.len; at += sizeof(struct hg_tag)) {
        const struct hg_tag *t = (const struct hg_tag *)(const void *)(copy.data + at);
        if (each(ctx, t->name, t->number, t->time_ns) != 0) /* a callback: not under the lock */
            break;
    }
    hg_buf_release(&copy);
    return rc;
}
