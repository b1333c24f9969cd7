/*
 * Puts collected and sorted; see run.h.
 *
 * SORTING. Refs are sorted by the 8 bytes of their keys at one depth, as numbers; those that agree
 * in them are sorted by the next 8, and so on: most keys differ early, and the sort then reads no
 * key twice. Equal keys stay in the order they came.
 *
 * MARKING. Sorted, a directory comes before all below it, and what is below it has no gap: the
 * directories on the way to the entry at hand are a stack. A directory gets its last change once,
 * when the entries have left it.
 */
#include "engine/run.h"

#include <assert.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "engine/index_page.h"
#include "engine/past.h"

struct record {
    struct hg_locator loc;
    uint16_t key_len;
    uint16_t parent_len;
    uint16_t path_len;
    uint16_t fresh; /* nothing may be there before */
    uint8_t key[];  /* and HG_KEY_PAD zeros, and up to the next multiple of 8 */
};
static_assert(HG_KEY_MAX <= UINT16_MAX, "lengths take two bytes");

struct ref {
    uint64_t head; /* what is compared at the time */
    uint32_t at;   /* of the record, in units of 8: records and their places grow together */
    uint32_t key_len;
};

static struct record *record_at(const struct hg_run *r, uint32_t at)
{
    return (struct record *)(void *)(r->records.data + 8 * (size_t)at);
}

static size_t record_size(size_t key_len)
{
    return HG_ALIGN_UP(sizeof(struct record) + key_len + HG_KEY_PAD, (size_t)8);
}

static int add(struct hg_run *r, const struct hg_run_put *put)
{
    size_t size = record_size(put->key_len);
    int rc = hg_buf_reserve(&r->records, size);

    if (rc < 0)
        return rc;
    struct record *rec = (struct record *)(void *)(r->records.data + r->records.len);
    struct ref ref = { .at = (uint32_t)(r->records.len / 8), .key_len = (uint32_t)put->key_len };
    *rec = (struct record){ .loc = *put->loc,
                            .key_len = (uint16_t)put->key_len,
                            .parent_len = (uint16_t)put->parent_len,
                            .path_len = (uint16_t)put->path_len };
    memcpy(rec->key, put->key, put->key_len);
    memset(rec->key + put->key_len, 0, HG_KEY_PAD);
    rc = hg_buf_append(&r->refs, &ref, sizeof ref);
    if (rc == HOLOG_OK)
        r->records.len += size;
    return rc;
}

int hg_run_add(struct hg_run *r, const struct hg_key *k, const struct hg_locator *loc)
{
    struct hg_run_put put = { .key = k->bytes,
                              .key_len = k->len,
                              .parent_len = k->parent_len,
                              .path_len = k->path_len,
                              .loc = loc };

    r->in_order = 0;
    return add(r, &put);
}

int hg_run_append(struct hg_run *r, const struct hg_run_put *put)
{
    r->in_order |= r->refs.len == 0;
    return add(r, put);
}

struct hg_run_put hg_run_at(const struct hg_run *r, size_t i)
{
    const struct ref *ref = (const struct ref *)(const void *)r->refs.data + i;
    const struct record *rec = record_at(r, ref->at);

    return (struct hg_run_put){ .key = rec->key,
                                .key_len = rec->key_len,
                                .parent_len = rec->parent_len,
                                .path_len = rec->path_len,
                                .loc = &rec->loc };
}

void hg_run_fill(struct hg_run *r, hg_run_fill_fn fill, void *ctx)
{
    size_t i = 0;

    for (size_t at = 0; at < r->records.len; i++) {
        struct record *rec = record_at(r, (uint32_t)(at / 8));
        rec->fresh = (uint16_t)fill(ctx, i, &rec->loc);
        at += record_size(rec->key_len);
    }
}

size_t hg_run_bytes(const struct hg_run *r)
{
    return r->records.len + r->refs.len;
}

void hg_run_release(struct hg_run *r)
{
    hg_buf_release(&r->records);
    hg_buf_release(&r->refs);
    r->misfit = 0;
}

/* ---- sorting -----------------------------------------------------------------------------------*/

#define FEW 12 /* so many are sorted by insertion */

static void swap(struct ref *a, struct ref *b)
{
    struct ref t = *a;
    *a = *b;
    *b = t;
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    return a < b ? (b < c ? b : HG_MAX(a, c)) : (a < c ? a : HG_MAX(b, c));
}

static void insert_by_head(struct ref *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct ref x = a[i];
        size_t j = i;
        for (; j > 0 && a[j - 1].head > x.head; j--)
            a[j] = a[j - 1];
        a[j] = x;
    }
}

/* By head alone; in three parts, since many are alike. */
static void sort_heads(struct ref *a, size_t n)
{
    while (n > FEW) {
        /* Places that no order of puts makes all bad ones. */
        size_t x = (size_t)(a[n / 2].at * UINT64_C(0x9e3779b97f4a7c15) >> 33);
        uint64_t pivot = median(a[x % n].head, a[n / 2].head, a[(x >> 8) % n].head);
        size_t low = 0;
        size_t high = n;
        for (size_t i = 0; i < high;) {
            if (a[i].head < pivot)
                swap(&a[low++], &a[i++]);
            else if (a[i].head > pivot)
                swap(&a[--high], &a[i]);
            else
                i++;
        }
        if (low < n - high) { /* the longer part goes on here: no deeper than the logarithm */
            sort_heads(a, low);
            a += high;
            n -= high;
        } else {
            sort_heads(a + high, n - high);
            n = low;
        }
    }
    insert_by_head(a, n);
}

/* Equal or by order of coming: <0, >0. Both agree in the first `depth` bytes. */
static int compare_rest(const struct hg_run *r, const struct ref *a, const struct ref *b,
                        size_t depth)
{
    size_t n = HG_MIN(a->key_len, b->key_len);
    int c = 0;

    if (n > depth)
        c = memcmp(record_at(r, a->at)->key + depth, record_at(r, b->at)->key + depth, n - depth);
    if (c == 0 && a->key_len != b->key_len)
        c = a->key_len < b->key_len ? -1 : 1;
    return c != 0 ? c : a->at < b->at ? -1 : 1;
}

static void sort_few(const struct hg_run *r, struct ref *a, size_t n, size_t depth)
{
    for (size_t i = 1; i < n; i++) {
        struct ref x = a[i];
        size_t j = i;
        for (; j > 0 && compare_rest(r, &a[j - 1], &x, depth) > 0; j--)
            a[j] = a[j - 1];
        a[j] = x;
    }
}

/* Keys that end before `depth` go first (zeros stand behind them, and a zero is also a byte of a
 * key): shorter before longer, equal ones as they came. Returns how many there are. */
static size_t sort_ended(struct ref *a, size_t n, size_t depth)
{
    size_t ended = 0;

    for (size_t i = 0; i < n; i++) {
        if (a[i].key_len > depth)
            continue;
        a[i].head = (uint64_t)a[i].key_len << 32 | a[i].at;
        swap(&a[i], &a[ended++]);
    }
    sort_heads(a, ended);
    return ended;
}

static void sort_refs(const struct hg_run *r, struct ref *a, size_t n, size_t depth)
{
    for (size_t i = 0; i < n; i++) /* key_len > depth, or it would have ended */
        a[i].head = __builtin_bswap64(hg_get_le64(record_at(r, a[i].at)->key + depth));
    sort_heads(a, n);
    depth += 8;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && a[to].head == a[from].head;)
            to++;
        if (to - from <= FEW) {
            sort_few(r, a + from, to - from, depth);
        } else {
            size_t ended = sort_ended(a + from, to - from, depth);
            sort_refs(r, a + from + ended, to - from - ended, depth);
        }
    }
}

/* ---- applying ----------------------------------------------------------------------------------*/

#define BATCH 256

/* A directory on the way to the entry at hand. */
struct open_dir {
    size_t key_len;
    uint64_t number; /* last change of a child, by this run; 0: none */
    uint64_t told;   /* what the index says of it, when this run made it */
    uint32_t made;   /* its record, when this run made it: children before it had no parent */
};

struct flush {
    struct hg_run *run;
    struct hg_state *st;
    const uint8_t *key; /* of the entry last seen, or the one at hand: the stack's keys begin it */
    uint32_t depth;
    struct open_dir dirs[HG_DEPTH_MAX];
};

static int misfit(struct hg_run *r, const char *why)
{
    r->misfit = 1;
    return hg_error(HOLOG_E_STALE, "%s", why);
}

static int close_dir(struct flush *f)
{
    const struct open_dir *d = &f->dirs[--f->depth];
    struct hg_locator loc;
    int rc;

    if (d->number <= d->told)
        return HOLOG_OK;
    rc = hg_index_mark(f->st->index, f->key, d->key_len, d->number, &loc);
    if (rc == HOLOG_E_NOENT)
        return misfit(f->run, "a parent directory is missing");
    if (rc == HOLOG_OK && loc.type != HG_ENTRY_DIR)
        return misfit(f->run, "a parent is not a directory");
    return rc;
}

/* The directories that the next key is not below are done with. */
static int leave_dirs(struct flush *f, const struct record *next)
{
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && f->depth > 0) {
        size_t len = f->dirs[f->depth - 1].key_len;
        if (next != NULL && next->key_len > len && next->key[len] == 0 &&
            memcmp(next->key, f->key, len) == 0)
            break;
        rc = close_dir(f);
    }
    if (next != NULL)
        f->key = next->key;
    return rc;
}

static int mark_parent(struct flush *f, const struct record *rec, uint32_t first_at)
{
    struct open_dir *d = &f->dirs[f->depth - (f->depth > 0)];

    if (rec->parent_len == 0) {
        f->st->sums.root_number = HG_MAX(f->st->sums.root_number, rec->loc.number);
        return HOLOG_OK;
    }
    if (f->depth == 0 || d->key_len != rec->parent_len) {
        HG_ASSERT(f->depth < HG_DEPTH_MAX);
        d = &f->dirs[f->depth++];
        *d = (struct open_dir){ .key_len = rec->parent_len };
    }
    if (d->made > first_at)
        return misfit(f->run, "a parent directory is younger than a child");
    d->number = HG_MAX(d->number, rec->loc.number);
    return HOLOG_OK;
}

/* An item is in the index: sums, marks. */
static int account(struct flush *f, const struct record *rec, const struct hg_index_item *item,
                   uint32_t first_at)
{
    int was_dir = item->old.type == HG_ENTRY_DIR;
    int is_dir = item->loc.type == HG_ENTRY_DIR;
    int rc = leave_dirs(f, rec);

    if (rc == HOLOG_OK && rec->fresh && item->old.type != 0)
        return misfit(f->run, "what must be new is there");
    if (rc < 0 || (was_dir && is_dir))
        return rc;
    if (item->old.type != 0 && was_dir != is_dir)
        return misfit(f->run, "a directory and something else take each other's place");
    if (item->old.type != 0)
        hg_sums_count(&f->st->sums, &item->old, rec->path_len, -1);
    hg_sums_count(&f->st->sums, &item->loc, rec->path_len, +1);
    rc = mark_parent(f, rec, first_at);
    if (rc == HOLOG_OK && is_dir) {
        HG_ASSERT(f->depth < HG_DEPTH_MAX);
        f->dirs[f->depth++] =
            (struct open_dir){ .key_len = rec->key_len, .told = rec->loc.size, .made = first_at };
    }
    return rc;
}

static int same_key(const struct hg_run *r, const struct ref *a, const struct ref *b)
{
    return a->key_len == b->key_len &&
           memcmp(record_at(r, a->at)->key, record_at(r, b->at)->key, a->key_len) == 0;
}

/* Of the puts of one key the last counts, of directories the first. *out_n: how many there are. */
static int choose(struct hg_run *r, const struct ref *refs, size_t left, size_t *out_n,
                  size_t *out_which)
{
    int dirs = record_at(r, refs[0].at)->loc.type == HG_ENTRY_DIR;
    int fresh = record_at(r, refs[0].at)->fresh;
    size_t n = 1;

    for (; n < left && same_key(r, &refs[0], &refs[n]); n++) {
        const struct record *rec = record_at(r, refs[n].at);
        fresh |= rec->fresh;
        if ((rec->loc.type == HG_ENTRY_DIR) != dirs)
            return misfit(r, "a directory and something else take each other's place");
    }
    if (fresh && n > 1)
        return misfit(r, "what must be new comes twice");
    *out_n = n;
    *out_which = dirs ? 0 : n - 1;
    return HOLOG_OK;
}

/* What was there before the puts of one key, and each of them but the last, is of the past. */
static int keep_versions(struct flush *f, const struct hg_index_item *item, const struct ref *refs,
                         size_t n)
{
    struct hg_locator before = item->old;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && item->loc.type != HG_ENTRY_DIR && rc == HOLOG_OK; i++) {
        const struct hg_locator *loc = &record_at(f->run, refs[i].at)->loc;
        if (before.type != 0)
            rc = hg_past_keep(f->st, item->key, item->key_len, &before, loc->number, loc->ends);
        before = *loc;
    }
    return rc;
}

static int flush_sorted(struct flush *f, const struct ref *refs, size_t n)
{
    struct hg_index_item items[BATCH];
    uint32_t at[BATCH];          /* the record that counts */
    const struct ref *of[BATCH]; /* the puts of its key, in the order they came */
    uint32_t times[BATCH];       /* how many there are */
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK;) {
        size_t count = 0;
        for (; rc == HOLOG_OK && i < n && count < BATCH; count++) {
            size_t same = 1;
            size_t which = 0;
            rc = choose(f->run, &refs[i], n - i, &same, &which);
            if (rc < 0)
                return rc;
            at[count] = refs[i + which].at;
            of[count] = &refs[i];
            times[count] = (uint32_t)same;
            const struct record *rec = record_at(f->run, at[count]);
            items[count].key = rec->key;
            items[count].key_len = rec->key_len;
            items[count].loc = rec->loc;
            i += same;
        }
        rc = hg_index_put_sorted(f->st->index, items, count);
        for (size_t k = 0; k < count && rc == HOLOG_OK; k++) {
            rc = account(f, record_at(f->run, at[k]), &items[k], of[k]->at);
            if (rc == HOLOG_OK)
                rc = keep_versions(f, &items[k], of[k], times[k]);
        }
    }
    return rc < 0 ? rc : leave_dirs(f, NULL);
}

size_t hg_run_count(const struct hg_run *r)
{
    return r->refs.len / sizeof(struct ref);
}

void hg_run_sort(struct hg_run *r)
{
    if (!r->in_order && hg_run_count(r) > 0)
        sort_refs(r, (struct ref *)(void *)r->refs.data, hg_run_count(r), 0);
    r->in_order = 1;
}

int hg_run_flush(struct hg_run *r, struct hg_state *st)
{
    struct flush f = { .run = r, .st = st };
    int rc;

    hg_run_sort(r);
    rc = flush_sorted(&f, (const struct ref *)(const void *)r->refs.data, hg_run_count(r));
    r->records.len = 0;
    r->refs.len = 0;
    return rc;
}
