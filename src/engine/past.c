/*
 * The past of the index; see past.h.
 */
#include "engine/past.h"

#include <string.h>

#include "base/error.h"

/* ---- keys ----------------------------------------------------------------------------------------*/

static size_t make_key(const uint8_t *key, size_t len, uint64_t number, uint8_t ends, uint8_t *out)
{
    memcpy(out, key, len);
    out[len] = 0;
    out[len + 1] = 0;
    for (int i = 0; i < 6; i++)
        out[len + 2 + (size_t)i] = (uint8_t) ~(number >> (40 - 8 * i));
    out[len + 8] = ends;
    return len + HG_PAST_SUFFIX;
}

void hg_past_key_decode(const uint8_t *key, size_t len, struct hg_past_key *out)
{
    HG_ASSERT(len >= HG_PAST_SUFFIX);
    *out = (struct hg_past_key){ .len = len - HG_PAST_SUFFIX, .ends = key[len - 1] };
    for (size_t i = 0; i < 6; i++)
        out->number = out->number << 8 | (uint8_t)~key[out->len + 2 + i];
}

uint8_t hg_past_ends(uint64_t bytes)
{
    unsigned shift = 0;

    bytes = HG_MAX(bytes, (uint64_t)1);
    for (; bytes > 7; shift++)
        bytes = bytes / 2 + (bytes & 1);
    return (uint8_t)(shift == 0 ? HG_ENDS_NONE + bytes : 9 + (shift - 1) * 4 + (bytes - 4));
}

uint64_t hg_past_ended_bytes(uint8_t ends, const struct hg_locator *loc)
{
    uint64_t bytes;

    if (loc->type == HG_ENTRY_DIR || ends == HG_ENDS_NONE)
        return 0;
    if (ends == HG_ENDS_ALL)
        return loc->size;
    bytes = ends < 9 ? ends - HG_ENDS_NONE
                     : (uint64_t)(4 + (ends - 9u) % 4) << HG_MIN((ends - 9u) / 4 + 1, 48u);
    return HG_MIN(bytes, loc->size);
}

uint64_t hg_past_weigh(struct hg_past_weigher *w, const struct hg_cursor *c,
                       const struct hg_past_key *k)
{
    int same = w->len == k->len && memcmp(w->key, c->key, k->len) == 0;
    uint64_t end = c->loc.number;
    int shared = same && w->number == end;

    if (!same) {
        struct hg_locator loc;
        memcpy(w->key, c->key, k->len);
        w->len = k->len;
        shared = hg_root_lookup(w->now, w->key, w->len, &loc) == HOLOG_OK && loc.number == end;
    }
    w->number = k->number;
    return hg_past_ended_bytes(shared || k->ends == HG_ENDS_NONE ? k->ends : HG_ENDS_ALL, &c->loc);
}

int hg_past_check(const struct hg_root *past, uint64_t last)
{
    struct hg_cursor c;
    int rc = hg_cursor_open(&c, past, NULL, 0, 0);

    for (; rc == HOLOG_OK; rc = hg_cursor_next(&c)) {
        struct hg_past_key k;
        if (c.key_len <= HG_PAST_SUFFIX)
            break;
        hg_past_key_decode(c.key, c.key_len, &k);
        if (c.key[k.len] != 0 || c.key[k.len + 1] != 0 || k.ends > HG_ENDS_MAX ||
            k.number >= c.loc.number || c.loc.number > last)
            break;
    }
    hg_cursor_close(&c);
    return rc == HOLOG_OK ? HOLOG_E_CORRUPT : rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_past_keep(struct hg_state *st, const uint8_t *key, size_t key_len,
                 const struct hg_locator *old, uint64_t end, uint8_t ends)
{
    uint8_t past[HG_KEY_MAX];
    struct hg_locator loc = *old;
    size_t len;
    int rc;

    if (st->past == NULL || old->number >= end)
        return HOLOG_OK;
    HG_ASSERT(key_len + HG_PAST_SUFFIX <= sizeof past);
    len = make_key(key, key_len, old->number, ends, past);
    loc.number = end;
    rc = hg_index_put(st->past, past, len, &loc, NULL, NULL);
    if (rc == HOLOG_OK) {
        st->sums.past_bytes += hg_past_ended_bytes(ends, &loc);
        st->sums.ended_bytes += hg_past_ended_bytes(ends, &loc);
    }
    return rc;
}

/* ---- one entry -----------------------------------------------------------------------------------*/

/* As it was then. Of a directory only its last change is known: if that came later, what is left to
 * say is when it was made. */
static void as_of(struct hg_locator *loc, uint64_t at)
{
    if (loc->type == HG_ENTRY_DIR && loc->size > at)
        loc->size = loc->number;
}

int hg_past_find(const struct hg_root *past, const uint8_t *key, size_t key_len, uint64_t at,
                 struct hg_locator *out)
{
    uint8_t from[HG_KEY_MAX];
    struct hg_past_key k;
    struct hg_cursor c;
    size_t len;
    int rc;

    if (past == NULL || hg_root_count(past) == 0 || key_len == 0)
        return HOLOG_E_NOENT;
    len = make_key(key, key_len, at, 0, from);
    rc = hg_cursor_open(&c, past, from, len, 0);
    if (rc == HOLOG_OK) {
        rc = HOLOG_E_NOENT;
        if (c.key_len == len && memcmp(c.key, from, key_len + 2) == 0 && c.loc.number > at) {
            hg_past_key_decode(c.key, c.key_len, &k);
            *out = c.loc;
            out->number = k.number;
            as_of(out, at);
            rc = HOLOG_OK;
        }
        hg_cursor_close(&c);
    }
    return rc;
}

int hg_past_get(const struct hg_root *now, const struct hg_root *past, const uint8_t *key,
                size_t key_len, uint64_t at, struct hg_locator *out)
{
    int rc = hg_root_lookup(now, key, key_len, out);

    if (rc == HOLOG_OK && out->number <= at) {
        as_of(out, at);
        return HOLOG_OK;
    }
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    return hg_past_find(past, key, key_len, at, out);
}

/* ---- entries in order ----------------------------------------------------------------------------*/

static int order(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int d = memcmp(a, b, HG_MIN(a_len, b_len));
    return d != 0 ? d : (a_len > b_len) - (a_len < b_len);
}

static int next_path_of_past(struct hg_cursor *c)
{
    return hg_cursor_skip_prefix(c, c->key, c->key_len - HG_PAST_SUFFIX + 2);
}

static int is_failure(int rc)
{
    return rc < 0 && rc != HOLOG_E_NOENT;
}

static int advance(struct hg_entries *e)
{
    if (e->now_taken && e->now_state == HOLOG_OK)
        e->now_state = hg_cursor_next(&e->now);
    if (e->past_taken && e->past_state == HOLOG_OK)
        e->past_state = next_path_of_past(&e->past);
    e->now_taken = e->past_taken = 0;
    return is_failure(e->now_state) ? e->now_state : is_failure(e->past_state) ? e->past_state : 0;
}

/* The next path that either has; 1 when there is an entry of it. */
static int take(struct hg_entries *e)
{
    size_t past_len = e->past_state == HOLOG_OK ? e->past.key_len - HG_PAST_SUFFIX : 0;
    int d = e->past_state != HOLOG_OK  ? -1
            : e->now_state != HOLOG_OK ? 1
                                       : order(e->now.key, e->now.key_len, e->past.key, past_len);
    int rc;

    e->now_taken = d <= 0;
    e->past_taken = d >= 0;
    e->key = d <= 0 ? e->now.key : e->past.key;
    e->key_len = d <= 0 ? e->now.key_len : past_len;
    if (d <= 0 && e->now.loc.number <= e->at) {
        e->loc = e->now.loc;
        as_of(&e->loc, e->at);
        return 1;
    }
    if (d < 0)
        return 0;
    rc = hg_past_find(e->past_root, e->key, e->key_len, e->at, &e->loc);
    return rc == HOLOG_E_NOENT ? 0 : rc < 0 ? rc : 1;
}

int hg_entries_next(struct hg_entries *e)
{
    for (;;) {
        int rc = advance(e);
        if (rc < 0)
            return rc;
        if (e->past_root == NULL) {
            e->now_taken = 1;
            e->key = e->now.key;
            e->key_len = e->now.key_len;
            e->loc = e->now.loc;
            return e->now_state;
        }
        if (e->now_state != HOLOG_OK && e->past_state != HOLOG_OK)
            return HOLOG_E_NOENT;
        rc = take(e);
        if (rc != 0)
            return rc < 0 ? rc : HOLOG_OK;
    }
}

int hg_entries_open(struct hg_entries *e, const struct hg_root *now, const struct hg_root *past,
                    uint64_t at, const uint8_t *from, size_t from_len, int after)
{
    uint8_t key[HG_KEY_MAX];

    *e = (struct hg_entries){ .past_root = past, .at = at };
    e->now_state = hg_cursor_open(&e->now, now, from, from_len, after);
    e->now_open = 1;
    e->past_state = HOLOG_E_NOENT;
    if (past != NULL) {
        if (from_len > 0)
            memcpy(key, from, from_len);
        if (after) /* behind its versions, before what is below it */
            key[from_len++] = 0;
        if (from_len > 0 && key[from_len - 1] == 0) /* below a directory: behind its versions */
            key[from_len++] = 1;
        e->past_state = hg_cursor_open(&e->past, past, key, from_len, 0);
        e->past_open = 1;
    }
    return hg_entries_next(e);
}

int hg_entries_skip_prefix(struct hg_entries *e, const uint8_t *prefix, size_t prefix_len)
{
    /* A cursor before the prefix has been handed out and moves on by itself; one that is behind the
     * prefix stays. */
    if (e->now_state == HOLOG_OK &&
        (e->now_taken ||
         (e->now.key_len >= prefix_len && memcmp(e->now.key, prefix, prefix_len) == 0))) {
        e->now_state = hg_cursor_skip_prefix(&e->now, prefix, prefix_len);
        e->now_taken = 0;
    }
    if (e->past_state == HOLOG_OK &&
        (e->past_taken ||
         (e->past.key_len >= prefix_len && memcmp(e->past.key, prefix, prefix_len) == 0))) {
        e->past_state = hg_cursor_skip_prefix(&e->past, prefix, prefix_len);
        e->past_taken = 0;
    }
    return hg_entries_next(e);
}

void hg_entries_close(struct hg_entries *e)
{
    if (e->now_open)
        hg_cursor_close(&e->now);
    if (e->past_open)
        hg_cursor_close(&e->past);
    e->now_open = e->past_open = 0;
}

#define VERSIONS_STEPPED 8u

/* ---- changes -------------------------------------------------------------------------------------*/

/* Everything at or below the subtree, that is all keys between prefix and those that begin with
 * prefix 00; others between them begin with the prefix and another byte. */
static int in_subtree(const struct hg_changes *c, const uint8_t *key, size_t len)
{
    size_t n = c->prefix_len;

    return n == 0 || (len >= n && memcmp(key, c->prefix, n) == 0 && (len == n || key[n] == 0));
}

int hg_changes_open(struct hg_changes *c, const struct hg_root *now, const struct hg_root *past,
                    const struct hg_key *subtree, uint64_t since)
{
    c->prefix = subtree->bytes;
    c->prefix_len = subtree->len;
    c->key_len = SIZE_MAX;
    c->past_len = SIZE_MAX;
    c->versions = 0;
    c->now_state = since == 0
                       ? hg_cursor_open(&c->now, now, subtree->bytes, subtree->len, 0)
                       : hg_cursor_open_since(&c->now, now, subtree->bytes, subtree->len, since);
    c->past = (struct hg_cursor){ 0 };
    c->past_state = past == NULL ? HOLOG_E_NOENT
                    : since == 0
                        ? hg_cursor_open(&c->past, past, subtree->bytes, subtree->len, 0)
                        : hg_cursor_open_since(&c->past, past, subtree->bytes, subtree->len, since);
    return is_failure(c->now_state)    ? c->now_state
           : is_failure(c->past_state) ? c->past_state
                                       : HOLOG_OK;
}

/* Most paths have few versions: the next one is near. What was written over and over is jumped. */
static int leave_version(struct hg_changes *c, size_t past_len)
{
    c->versions = c->past_len == past_len ? c->versions + 1 : 0;
    c->past_len = past_len;
    if (c->versions < VERSIONS_STEPPED)
        return hg_cursor_next(&c->past);
    c->versions = 0;
    return next_path_of_past(&c->past);
}

int hg_changes_next(struct hg_changes *c)
{
    for (;;) {
        size_t past_len = c->past_state == HOLOG_OK ? c->past.key_len - HG_PAST_SUFFIX : 0;
        const uint8_t *key;
        size_t key_len;
        int d;
        int seen;
        if (c->now_state == HOLOG_OK && !in_subtree(c, c->now.key, c->now.key_len))
            c->now_state = HOLOG_E_NOENT;
        if (c->past_state == HOLOG_OK && !in_subtree(c, c->past.key, past_len))
            c->past_state = HOLOG_E_NOENT;
        if (is_failure(c->now_state) || is_failure(c->past_state))
            return is_failure(c->now_state) ? c->now_state : c->past_state;
        if (c->now_state != HOLOG_OK && c->past_state != HOLOG_OK)
            return HOLOG_E_NOENT;
        d = c->past_state != HOLOG_OK  ? -1
            : c->now_state != HOLOG_OK ? 1
                                       : order(c->now.key, c->now.key_len, c->past.key, past_len);
        key = d <= 0 ? c->now.key : c->past.key;
        key_len = d <= 0 ? c->now.key_len : past_len;
        seen = c->key_len == key_len && memcmp(c->key, key, key_len) == 0;
        c->key_len = key_len;
        memcpy(c->key, key, key_len);
        if (d <= 0)
            c->now_state = hg_cursor_next(&c->now);
        else
            c->past_state = leave_version(c, past_len);
        if (!seen)
            return HOLOG_OK;
    }
}

void hg_changes_close(struct hg_changes *c)
{
    hg_cursor_close(&c->now);
    hg_cursor_close(&c->past);
}
