/*
 * Pages of the index: see index_page.h for the format. Three parts: reading, edits that move bytes
 * without rebuilding keys, and the building of whole pages from lists of entries.
 */
#include "engine/index_page.h"

#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"

#define CACHE_LINE    64
#define LENGTH_ESCAPE 255u /* this byte announces a two-byte length */

/* ---- fields ------------------------------------------------------------------------------------*/

static inline uint32_t page_count(const uint8_t *p)
{
    return hg_get_le16(p);
}

static inline uint32_t page_used(const uint8_t *p)
{
    return hg_get_le16(p + 2);
}

static inline uint32_t page_prefix_len(const uint8_t *p)
{
    return hg_get_le16(p + 4);
}

static inline uint32_t page_runs(const uint8_t *p)
{
    return hg_get_le16(p + 6);
}

static inline uint32_t starts_at(uint32_t runs)
{
    return HG_PAGE_HEADER_SIZE + 8 * runs;
}

static inline uint32_t fills_at(uint32_t runs)
{
    return HG_PAGE_HEADER_SIZE + 10 * runs;
}

static inline uint32_t dir_end(uint32_t runs)
{
    return HG_PAGE_HEADER_SIZE + HG_PAGE_DIR_SIZE * runs;
}

static inline uint64_t head_at(const uint8_t *p, uint32_t run)
{
    return hg_get_le64(p + HG_PAGE_HEADER_SIZE + 8 * (size_t)run);
}

static inline uint32_t run_start(const uint8_t *p, uint32_t runs, uint32_t run)
{
    return hg_get_le16(p + starts_at(runs) + 2 * (size_t)run);
}

static inline uint32_t run_fill(const uint8_t *p, uint32_t runs, uint32_t run)
{
    return p[fills_at(runs) + run];
}

static inline uint32_t run_end(const uint8_t *p, uint32_t runs, uint32_t run)
{
    return run + 1 < runs ? run_start(p, runs, run + 1) : page_used(p);
}

static void put_u16(uint8_t *out, size_t v)
{
    HG_ASSERT(v <= UINT16_MAX);
    hg_put_le16(out, (uint16_t)v);
}

uint32_t hg_page_count(const uint8_t *page)
{
    return page_count(page);
}

uint32_t hg_page_used(const uint8_t *page)
{
    return page_used(page);
}

const uint8_t *hg_page_prefix(const uint8_t *page, uint32_t *out_len)
{
    *out_len = page_prefix_len(page);
    return page + dir_end(page_runs(page));
}

void hg_locator_encode(uint8_t out[HG_LOCATOR_SIZE], const struct hg_locator *loc)
{
    hg_put_le32(out, loc->segment);
    hg_put_le32(out + 4, loc->offset);
    hg_put_le48(out + 8, loc->size);
    hg_put_le48(out + 14, loc->number);
    hg_put_le32(out + 20, (loc->check << 8) | loc->type);
}

void hg_locator_decode(const uint8_t in[HG_LOCATOR_SIZE], struct hg_locator *out_loc)
{
    uint32_t last = hg_get_le32(in + 20);
    out_loc->segment = hg_get_le32(in);
    out_loc->offset = hg_get_le32(in + 4);
    out_loc->size = hg_get_le48(in + 8);
    out_loc->number = hg_get_le48(in + 14);
    out_loc->type = (uint8_t)last;
    out_loc->ends = 0;
    out_loc->check = last >> 8;
}

/* ---- lengths and bytes -------------------------------------------------------------------------*/

static inline size_t length_size(size_t v)
{
    return v < LENGTH_ESCAPE ? 1 : 3;
}

static uint8_t *put_length(uint8_t *out, size_t v)
{
    if (v < LENGTH_ESCAPE) {
        *out = (uint8_t)v;
        return out + 1;
    }
    *out = LENGTH_ESCAPE;
    put_u16(out + 1, v);
    return out + 3;
}

static inline const uint8_t *get_length(const uint8_t *in, uint32_t *out_v)
{
    if (in[0] != LENGTH_ESCAPE) {
        *out_v = in[0];
        return in + 1;
    }
    *out_v = hg_get_le16(in + 1);
    return in + 3;
}

/* Header of a key: returns its bytes. */
static inline const uint8_t *get_key(const uint8_t *in, uint32_t *out_shared, uint32_t *out_len)
{
    if (in[0] != LENGTH_ESCAPE && in[1] != LENGTH_ESCAPE) {
        *out_shared = in[0];
        *out_len = in[1];
        return in + 2;
    }
    return get_length(get_length(in, out_shared), out_len);
}

static inline size_t key_header_size(size_t shared, size_t len)
{
    return length_size(shared) + length_size(len);
}

static uint8_t *put_key(uint8_t *out, size_t shared, const uint8_t *bytes, size_t len)
{
    out = put_length(put_length(out, shared), len);
    if (len > 0)
        memmove(out, bytes, len);
    return out + len;
}

/* First 8 bytes as a big-endian number, zeros behind a shorter key. */
static uint64_t head_of(const uint8_t *bytes, size_t len)
{
    uint8_t first[8] = { 0 };
    if (len > 0)
        memcpy(first, bytes, HG_MIN(len, sizeof first));
    return __builtin_bswap64(hg_get_le64(first));
}

/* How many of the first n bytes of a and b agree. Reads up to 7 bytes beyond n in both: keys are
 * padded, and the keys of a run are followed by its locators. */
static inline uint32_t agree_padded(const uint8_t *a, const uint8_t *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 8) {
        uint64_t x = hg_get_le64(a + i) ^ hg_get_le64(b + i);
        if (x != 0)
            return HG_MIN(n, i + (uint32_t)__builtin_ctzll(x) / 8);
    }
    return n;
}

static size_t agree(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x = hg_get_le64(a + i) ^ hg_get_le64(b + i);
        if (x != 0)
            return i + (size_t)__builtin_ctzll(x) / 8;
    }
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static int bytes_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t n = HG_MIN(a_len, b_len);
    int c = n > 0 ? memcmp(a, b, n) : 0;
    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

/* ---- search ------------------------------------------------------------------------------------*/

/* First key of a run, after the prefix. */
static inline const uint8_t *run_first(const uint8_t *p, uint32_t runs, uint32_t run,
                                       uint32_t *out_len)
{
    uint32_t shared;
    return get_key(p + run_start(p, runs, run), &shared, out_len);
}

/* How many runs begin with a key <= rest. */
static inline uint32_t runs_not_after(const uint8_t *p, uint32_t runs, const uint8_t *rest,
                                      uint32_t rest_len)
{
    uint64_t head = __builtin_bswap64(hg_get_le64(rest));
    const uint8_t *heads = p + HG_PAGE_HEADER_SIZE;
    uint32_t below = 0;
    uint32_t left = runs;
    while (left > 0) { /* without branches on the data: below = runs with a smaller head */
        uint32_t half = (left + 1) / 2;
        below +=
            half & (0u - (uint32_t)(hg_get_le64(heads + 8 * (size_t)(below + half - 1)) < head));
        left -= half;
    }
    while (below < runs && head_at(p, below) == head) { /* seldom more than one */
        uint32_t len;
        const uint8_t *first = run_first(p, runs, below, &len);
        uint32_t n = HG_MIN(len, rest_len);
        uint32_t same = agree_padded(first, rest, n);
        if (same < n ? first[same] > rest[same] : len > rest_len)
            break;
        below++;
    }
    return below;
}

/* Find rest among the entries of a run. The matched length tells most entries apart without a look
 * at their bytes: one that shares more with its predecessor than rest does lies on the same side
 * of rest, one that shares less lies behind rest. */
static inline void find_in_run(const uint8_t *p, uint32_t fill, const uint8_t *rest,
                               uint32_t rest_len, struct hg_page_pos *pos)
{
    const uint8_t *at = p + pos->at;
    uint32_t match = 0;
    uint32_t i = 0;

    pos->found = 0;
    pos->match_next = 0;
    for (; i < fill; i++) {
        uint32_t shared;
        uint32_t len;
        const uint8_t *bytes = get_key(at, &shared, &len);
        if (shared < match) {
            pos->match_next = shared;
            break;
        }
        if (shared == match) {
            uint32_t n = HG_MIN(len, rest_len - match);
            uint32_t m = agree_padded(bytes, rest + match, n);
            if (m < n ? bytes[m] > rest[match + m] : n < len) {
                pos->match_next = match + m;
                break;
            }
            match += m;
            if (m == len && match == rest_len) {
                pos->found = 1;
                break;
            }
        }
        at = bytes + len;
    }
    pos->match_prev = match;
    pos->index = i;
    pos->at = (uint32_t)(at - p);
}

static inline void page_find(const uint8_t *p, const uint8_t *key, size_t key_len,
                             struct hg_page_pos *pos)
{
    uint32_t runs = page_runs(p);
    uint32_t prefix_len = page_prefix_len(p);
    uint32_t m = (uint32_t)HG_MIN(prefix_len, key_len);
    const uint8_t *prefix = p + dir_end(runs);

    uint32_t same = agree_padded(prefix, key, m);
    pos->outside = same < prefix_len;
    if (pos->outside) { /* before all keys, or behind them */
        int behind = same < m && key[same] > prefix[same];
        pos->run = behind ? runs - 1 : 0;
        pos->index = behind ? run_fill(p, runs, runs - 1) : 0;
        pos->at = behind ? page_used(p) - HG_LOCATOR_SIZE * pos->index : run_start(p, runs, 0);
        pos->found = 0;
        pos->match_prev = 0;
        pos->match_next = 0;
        return;
    }
    const uint8_t *rest = key + prefix_len;
    uint32_t rest_len = (uint32_t)key_len - prefix_len;
    uint32_t r = runs_not_after(p, runs, rest, rest_len);
    pos->run = r > 0 ? r - 1 : 0;
    pos->at = run_start(p, runs, pos->run);
    /* The run's lines at once: keys and locators would else be waited for one after the other. */
    for (uint32_t at = pos->at, end = run_end(p, runs, pos->run); at < end; at += CACHE_LINE)
        __builtin_prefetch(p + at);
    find_in_run(p, run_fill(p, runs, pos->run), rest, rest_len, pos);
}

static inline uint32_t locator_at(const uint8_t *p, uint32_t run, uint32_t index)
{
    uint32_t runs = page_runs(p);
    return run_end(p, runs, run) - HG_LOCATOR_SIZE * (run_fill(p, runs, run) - index);
}

void hg_page_find(const uint8_t *page, const uint8_t *key, size_t key_len,
                  struct hg_page_pos *out_pos)
{
    page_find(page, key, key_len, out_pos);
}

static inline int at_end(const uint8_t *p, const struct hg_page_pos *pos)
{
    uint32_t runs = page_runs(p);
    return pos->run + 1 == runs && pos->index == run_fill(p, runs, pos->run);
}

static inline int is_within(const uint8_t *p, const struct hg_page_pos *pos)
{
    return pos->found || (pos->run + pos->index > 0 && !at_end(p, pos));
}

int hg_page_at_end(const uint8_t *page, const struct hg_page_pos *pos)
{
    return at_end(page, pos);
}

int hg_page_within(const uint8_t *page, const struct hg_page_pos *pos)
{
    return is_within(page, pos);
}

const uint8_t *hg_page_get(const uint8_t *page, const uint8_t *key, size_t key_len, int *out_within)
{
    struct hg_page_pos pos;
    page_find(page, key, key_len, &pos);
    *out_within = is_within(page, &pos);
    return pos.found ? page + locator_at(page, pos.run, pos.index) : NULL;
}

uint8_t *hg_page_locator(uint8_t *page, const struct hg_page_pos *pos)
{
    return page + locator_at(page, pos->run, pos->index);
}

/* ---- reading in order --------------------------------------------------------------------------*/

void hg_page_iter_begin(struct hg_page_iter *it, const uint8_t *page, uint32_t run)
{
    uint32_t runs = page_runs(page);
    it->page = page;
    it->run = run;
    it->index = 0;
    it->fill = run_fill(page, runs, run);
    it->prefix_len = page_prefix_len(page);
    it->next = page + run_start(page, runs, run);
    it->locs = page + run_end(page, runs, run) - HG_LOCATOR_SIZE * it->fill;
}

int hg_page_iter_next(struct hg_page_iter *it, struct hg_page_item *out_item)
{
    if (it->index == it->fill) {
        if (it->run + 1 == page_runs(it->page))
            return 0;
        hg_page_iter_begin(it, it->page, it->run + 1);
    }
    uint32_t shared;
    out_item->tail = get_key(it->next, &shared, &out_item->tail_len);
    out_item->keep = it->prefix_len + shared;
    out_item->loc = it->locs + HG_LOCATOR_SIZE * (size_t)it->index;
    it->next = out_item->tail + out_item->tail_len;
    it->index++;
    return 1;
}

/* ---- validation --------------------------------------------------------------------------------*/

struct check {
    const uint8_t *page;
    uint32_t prefix_len;
    struct hg_buf *key; /* of the entry last read */
    const char *why;
    size_t at;
};

static int bad(struct check *c, const char *why, size_t at)
{
    c->why = why;
    c->at = at;
    return HOLOG_E_CORRUPT;
}

/* A length below `end`, in its one form; NULL when it is not. */
static inline const uint8_t *check_length(const uint8_t *in, const uint8_t *end, uint32_t *out_v)
{
    if (end - in < 1)
        return NULL;
    if (in[0] == LENGTH_ESCAPE && (end - in < 3 || hg_get_le16(in + 1) < LENGTH_ESCAPE))
        return NULL;
    return get_length(in, out_v);
}

/* Sizes and places of everything but the keys. */
static int check_directory(struct check *c, size_t len)
{
    const uint8_t *p = c->page;
    if (len < HG_PAGE_HEADER_SIZE || len > UINT16_MAX || page_used(p) != len)
        return bad(c, "length of page", 2);
    uint32_t count = page_count(p);
    uint32_t runs = page_runs(p);
    if (runs == 0 || runs > count)
        return bad(c, "number of runs", 6);
    c->prefix_len = page_prefix_len(p);
    if (c->prefix_len > HG_KEY_MAX)
        return bad(c, "length of prefix", 4);
    size_t at = (size_t)dir_end(runs) + c->prefix_len;
    if (at > len || run_start(p, runs, 0) != at)
        return bad(c, "start of the first run", starts_at(runs));
    uint32_t sum = 0;
    for (uint32_t r = 0; r < runs; r++) {
        uint32_t start = run_start(p, runs, r);
        uint32_t end = run_end(p, runs, r);
        uint32_t fill = run_fill(p, runs, r);
        if (fill == 0 || fill > HG_PAGE_RUN_MAX)
            return bad(c, "entries of a run", fills_at(runs) + r);
        if (end > len || start > end || end - start < fill * HG_PAGE_ENTRY_MIN)
            return bad(c, "start of a run", starts_at(runs) + 2 * (size_t)r);
        sum += fill;
    }
    return sum == count ? HOLOG_OK : bad(c, "number of entries", 0);
}

/* The first key of a run: its head, and that it lies behind the key before. c->key becomes it. */
static int check_first(struct check *c, const uint8_t *bytes, uint32_t len, uint32_t run, int any)
{
    struct hg_buf *key = c->key;
    if (head_of(bytes, len) != head_at(c->page, run))
        return bad(c, "head of a run", HG_PAGE_HEADER_SIZE + 8 * (size_t)run);
    if (any && bytes_compare(key->data + c->prefix_len, key->len - c->prefix_len, bytes, len) >= 0)
        return bad(c, "order of runs", (size_t)(bytes - c->page));
    return HOLOG_OK;
}

static int check_run(struct check *c, uint32_t run)
{
    const uint8_t *p = c->page;
    uint32_t runs = page_runs(p);
    uint32_t fill = run_fill(p, runs, run);
    const uint8_t *locs = p + run_end(p, runs, run) - HG_LOCATOR_SIZE * fill;
    const uint8_t *in = p + run_start(p, runs, run);
    uint8_t *key = c->key->data + c->prefix_len; /* has room for the longest key */
    size_t key_len = c->key->len - c->prefix_len;

    for (uint32_t i = 0; i < fill; i++) {
        size_t at = (size_t)(in - p);
        uint32_t shared = 0;
        uint32_t len = 0;
        const uint8_t *bytes = NULL;
        if (locs - in >= 2 && in[0] != LENGTH_ESCAPE && in[1] != LENGTH_ESCAPE) {
            bytes = get_key(in, &shared, &len);
        } else {
            bytes = check_length(in, locs, &shared);
            bytes = bytes != NULL ? check_length(bytes, locs, &len) : NULL;
        }
        if (bytes == NULL || len > (size_t)(locs - bytes))
            return bad(c, "length of a key", at);
        if (i == 0 ? shared != 0 : shared > key_len)
            return bad(c, "bytes shared with the key before", at);
        if ((size_t)c->prefix_len + shared + len > HG_KEY_MAX)
            return bad(c, "key over the limit", at);
        if (i == 0) {
            c->key->len = c->prefix_len + key_len;
            int rc = check_first(c, bytes, len, run, run > 0);
            if (rc < 0)
                return rc;
        } else if (len == 0 || (shared < key_len && bytes[0] <= key[shared])) {
            return bad(c, "order of keys", at);
        }
        if (locs[HG_LOCATOR_SIZE * i + 20] - 1u >= HG_ENTRY_TYPE_MAX)
            return bad(c, "type of an entry", (size_t)(locs - p) + HG_LOCATOR_SIZE * i + 20);
        memcpy(key + shared, bytes, len);
        key_len = shared + len;
        in = bytes + len;
    }
    c->key->len = c->prefix_len + key_len;
    return in == locs ? HOLOG_OK : bad(c, "end of a run's keys", (size_t)(in - p));
}

int hg_page_validate(const uint8_t *page, size_t len, struct hg_buf *last_key, const char **out_why,
                     size_t *out_at)
{
    struct check c = { .page = page, .key = last_key };
    last_key->len = 0;
    int rc = hg_buf_reserve(last_key, HG_KEY_MAX + HG_KEY_PAD);
    if (rc < 0)
        return rc;
    rc = check_directory(&c, len);
    if (rc == HOLOG_OK) {
        memcpy(last_key->data, page + dir_end(page_runs(page)), c.prefix_len);
        last_key->len = c.prefix_len;
        for (uint32_t r = 0; r < page_runs(page) && rc == HOLOG_OK; r++)
            rc = check_run(&c, r);
    }
    if (rc == HOLOG_E_CORRUPT) {
        *out_why = c.why;
        *out_at = c.at;
    }
    return rc;
}

/* ---- edits by position -------------------------------------------------------------------------*/

/* What inserting at a position does to the bytes of the run. */
struct insertion {
    const uint8_t *bytes; /* of the new key behind what it shares */
    size_t len;
    size_t shared;
    size_t next_shared; /* the entry behind it, when there is one, shares more than before ... */
    size_t next_len;
    size_t next_cut;  /* ... and these many bytes, its old header included, give way ... */
    size_t next_size; /* ... to a new header of this size */
};

static void plan_insertion(const uint8_t *p, const struct hg_page_pos *pos, const uint8_t *key,
                           size_t key_len, struct insertion *out)
{
    uint32_t prefix_len = page_prefix_len(p);
    *out = (struct insertion){ .shared = pos->index > 0 ? pos->match_prev : 0 };
    out->len = key_len - prefix_len - out->shared;
    out->bytes = key + prefix_len + out->shared;
    if (pos->index == run_fill(p, page_runs(p), pos->run))
        return;
    uint32_t old_shared;
    uint32_t old_len;
    const uint8_t *old = get_key(p + pos->at, &old_shared, &old_len);
    size_t more = pos->match_next - old_shared;
    out->next_shared = pos->match_next;
    out->next_len = old_len - more;
    out->next_cut = (size_t)(old - (p + pos->at)) + more;
    out->next_size = key_header_size(out->next_shared, out->next_len);
}

static size_t insertion_growth(const struct insertion *in)
{
    return key_header_size(in->shared, in->len) + in->len + in->next_size - in->next_cut;
}

uint32_t hg_page_insert_size(const uint8_t *page, const struct hg_page_pos *pos, const uint8_t *key,
                             size_t key_len)
{
    struct insertion in;
    plan_insertion(page, pos, key, key_len, &in);
    return page_used(page) + (uint32_t)insertion_growth(&in) + HG_LOCATOR_SIZE;
}

int hg_page_run_full(const uint8_t *page, const struct hg_page_pos *pos)
{
    return run_fill(page, page_runs(page), pos->run) >= HG_PAGE_RUN_MAX;
}

/*
 *   src  ... keys | [cut] rest of keys | locators | locators and further runs
 *   dst  ... keys | new key, header    | rest of keys | locators | new | locators and further runs
 *
 * Pieces move from the last to the first, so that src may be dst.
 */
void hg_page_insert(const uint8_t *src, uint8_t *dst, const struct hg_page_pos *pos,
                    const uint8_t *key, size_t key_len, const uint8_t loc[HG_LOCATOR_SIZE])
{
    struct insertion in;
    plan_insertion(src, pos, key, key_len, &in);
    uint32_t runs = page_runs(src);
    uint32_t used = page_used(src);
    uint32_t fill = run_fill(src, runs, pos->run);
    uint32_t locs = run_end(src, runs, pos->run) - HG_LOCATOR_SIZE * fill;
    uint32_t behind = locs + HG_LOCATOR_SIZE * pos->index;
    uint32_t grow = (uint32_t)insertion_growth(&in);
    uint32_t rest = pos->at + (uint32_t)in.next_cut;

    memmove(dst + behind + grow + HG_LOCATOR_SIZE, src + behind, used - behind);
    memmove(dst + rest + grow, src + rest, behind - rest);
    memcpy(dst + behind + grow, loc, HG_LOCATOR_SIZE);
    if (dst != src)
        memcpy(dst, src, pos->at);
    uint8_t *out = put_key(dst + pos->at, in.shared, in.bytes, in.len);
    if (in.next_size > 0)
        out = put_length(put_length(out, in.next_shared), in.next_len);
    HG_ASSERT(out == dst + rest + grow);

    put_u16(dst, page_count(dst) + 1u);
    put_u16(dst + 2, used + grow + HG_LOCATOR_SIZE);
    dst[fills_at(runs) + pos->run] = (uint8_t)(fill + 1);
    for (uint32_t r = pos->run + 1; r < runs; r++)
        put_u16(dst + starts_at(runs) + 2 * (size_t)r,
                run_start(dst, runs, r) + grow + HG_LOCATOR_SIZE);
    if (pos->index == 0)
        hg_put_le64(dst + HG_PAGE_HEADER_SIZE + 8 * (size_t)pos->run, head_of(in.bytes, in.len));
}

/* Key of the entry at `index` of a run, after the prefix, into out. Returns its length. */
static uint32_t rebuild_key(const uint8_t *p, uint32_t run, uint32_t index, uint8_t *out)
{
    const uint8_t *in = p + run_start(p, page_runs(p), run);
    uint32_t key_len = 0;
    for (uint32_t i = 0; i <= index; i++) {
        uint32_t shared;
        uint32_t len;
        const uint8_t *bytes = get_key(in, &shared, &len);
        memcpy(out + shared, bytes, len);
        key_len = shared + len;
        in = bytes + len;
    }
    return key_len;
}

/*
 * A page written from front to back: the number of runs must be known, since the directory comes
 * first. Each run is opened, gets its keys, then its locators.
 */
struct writer {
    uint8_t *page;
    uint32_t runs;
    uint32_t run;   /* runs opened so far */
    uint32_t count; /* entries so far */
    uint32_t at;
};

static void writer_begin(struct writer *w, uint8_t *page, uint32_t runs, const uint8_t *prefix,
                         uint32_t prefix_len)
{
    *w = (struct writer){ .page = page, .runs = runs, .at = dir_end(runs) + prefix_len };
    put_u16(page + 4, prefix_len);
    put_u16(page + 6, runs);
    if (prefix_len > 0)
        memcpy(page + dir_end(runs), prefix, prefix_len);
}

static void writer_open(struct writer *w, uint32_t fill, uint64_t head)
{
    HG_ASSERT(w->run < w->runs && fill > 0 && fill <= HG_PAGE_RUN_MAX);
    hg_put_le64(w->page + HG_PAGE_HEADER_SIZE + 8 * (size_t)w->run, head);
    put_u16(w->page + starts_at(w->runs) + 2 * (size_t)w->run, w->at);
    w->page[fills_at(w->runs) + w->run] = (uint8_t)fill;
    w->run++;
    w->count += fill;
}

static void writer_bytes(struct writer *w, const uint8_t *bytes, size_t len)
{
    if (len > 0)
        memcpy(w->page + w->at, bytes, len);
    w->at += (uint32_t)len;
}

static void writer_key(struct writer *w, size_t shared, const uint8_t *bytes, size_t len)
{
    w->at = (uint32_t)(put_key(w->page + w->at, shared, bytes, len) - w->page);
}

/* Runs [from, to) of src as they are. */
static void writer_copy(struct writer *w, const uint8_t *src, uint32_t from, uint32_t to)
{
    if (from >= to)
        return;
    uint32_t runs = page_runs(src);
    uint32_t begin = run_start(src, runs, from);
    uint32_t end = run_end(src, runs, to - 1);
    uint32_t shift = w->at - begin; /* modulo 2^32: may be a step down */
    for (uint32_t r = from; r < to; r++) {
        w->at = run_start(src, runs, r) + shift;
        writer_open(w, run_fill(src, runs, r), head_at(src, r));
    }
    w->at = begin + shift;
    writer_bytes(w, src + begin, end - begin);
}

static void writer_end(struct writer *w)
{
    HG_ASSERT(w->run == w->runs);
    put_u16(w->page, w->count);
    put_u16(w->page + 2, w->at);
}

/* Offset of the entry at `index` of a run, or of its locators. */
static uint32_t entry_at(const uint8_t *p, uint32_t run, uint32_t index)
{
    const uint8_t *in = p + run_start(p, page_runs(p), run);
    for (uint32_t i = 0; i < index; i++) {
        uint32_t shared;
        uint32_t len;
        const uint8_t *bytes = get_key(in, &shared, &len);
        in = bytes + len;
    }
    return (uint32_t)(in - p);
}

void hg_page_split_run(const uint8_t *src, uint8_t *dst, uint32_t run)
{
    uint8_t key[HG_KEY_MAX];
    uint32_t runs = page_runs(src);
    uint32_t fill = run_fill(src, runs, run);
    uint32_t cut = fill / 2;
    uint32_t start = run_start(src, runs, run);
    uint32_t locs = locator_at(src, run, 0);
    uint32_t keep_end = entry_at(src, run, cut);
    uint32_t rest = entry_at(src, run, cut + 1);
    uint32_t prefix_len = page_prefix_len(src);
    struct writer w;

    HG_ASSERT(fill >= 2);
    uint32_t key_len = rebuild_key(src, run, cut, key);
    writer_begin(&w, dst, runs + 1, src + dir_end(runs), prefix_len);
    writer_copy(&w, src, 0, run);
    writer_open(&w, cut, head_at(src, run));
    writer_bytes(&w, src + start, keep_end - start);
    writer_bytes(&w, src + locs, HG_LOCATOR_SIZE * (size_t)cut);
    writer_open(&w, fill - cut, head_of(key, key_len));
    writer_key(&w, 0, key, key_len);
    writer_bytes(&w, src + rest, locs - rest);
    writer_bytes(&w, src + locs + HG_LOCATOR_SIZE * cut, HG_LOCATOR_SIZE * (size_t)(fill - cut));
    writer_copy(&w, src, run + 1, runs);
    writer_end(&w);
}

void hg_page_append(const uint8_t *src, uint8_t *dst, const uint8_t *key, size_t key_len,
                    const uint8_t loc[HG_LOCATOR_SIZE])
{
    uint32_t runs = page_runs(src);
    uint32_t prefix_len = page_prefix_len(src);
    const uint8_t *rest = key + prefix_len;
    size_t rest_len = key_len - prefix_len;
    struct writer w;

    writer_begin(&w, dst, runs + 1, src + dir_end(runs), prefix_len);
    writer_copy(&w, src, 0, runs);
    writer_open(&w, 1, head_of(rest, rest_len));
    writer_key(&w, 0, rest, rest_len);
    writer_bytes(&w, loc, HG_LOCATOR_SIZE);
    writer_end(&w);
}

/* The run without its entry at `index`, which is not its only one. The entry behind it must spell
 * out what it shared with the one that goes and does not share with the one before. */
static void write_run_without(struct writer *w, const uint8_t *src, uint32_t run, uint32_t index)
{
    uint8_t key[HG_KEY_MAX];
    uint32_t runs = page_runs(src);
    uint32_t fill = run_fill(src, runs, run);
    uint32_t start = run_start(src, runs, run);
    uint32_t locs = locator_at(src, run, 0);
    uint32_t at = entry_at(src, run, index);
    uint32_t shared;
    uint32_t len;

    const uint8_t *bytes = get_key(src + at, &shared, &len);
    const uint8_t *rest = bytes + len;
    uint64_t head = head_at(src, run);
    uint32_t key_len = 0;
    uint32_t next_shared = 0;
    if (index + 1 < fill) {
        uint32_t next_len;
        const uint8_t *next = get_key(rest, &next_shared, &next_len);
        rest = next + next_len;
        key_len = rebuild_key(src, run, index + 1, key);
        next_shared = HG_MIN(next_shared, shared);
        if (index == 0)
            head = head_of(key, key_len);
    }
    writer_open(w, fill - 1, head);
    writer_bytes(w, src + start, at - start);
    if (index + 1 < fill)
        writer_key(w, next_shared, key + next_shared, key_len - next_shared);
    writer_bytes(w, rest, (size_t)(src + locs - rest));
    writer_bytes(w, src + locs, HG_LOCATOR_SIZE * (size_t)index);
    writer_bytes(w, src + locs + HG_LOCATOR_SIZE * (index + 1),
                 HG_LOCATOR_SIZE * (size_t)(fill - index - 1));
}

void hg_page_remove(const uint8_t *src, uint8_t *dst, const struct hg_page_pos *pos)
{
    uint32_t runs = page_runs(src);
    int last_of_run = run_fill(src, runs, pos->run) == 1;
    struct writer w;

    HG_ASSERT(page_count(src) > 1);
    writer_begin(&w, dst, last_of_run ? runs - 1 : runs, src + dir_end(runs), page_prefix_len(src));
    writer_copy(&w, src, 0, pos->run);
    if (!last_of_run)
        write_run_without(&w, src, pos->run, pos->index);
    writer_copy(&w, src, pos->run + 1, runs);
    writer_end(&w);
}

/* ---- whole pages -------------------------------------------------------------------------------*/

#define LIST_BYTES_KEPT ((size_t)1 << 20) /* what a list holds on to between uses */

void hg_page_list_clear(struct hg_page_list *l)
{
    l->count = 0;
    l->bytes.len = 0;
    if (l->bytes.cap > LIST_BYTES_KEPT)
        hg_buf_release(&l->bytes);
}

void hg_page_list_release(struct hg_page_list *l)
{
    hg_free(l->entries);
    hg_buf_release(&l->bytes);
    *l = (struct hg_page_list){ 0 };
}

static int list_reserve(struct hg_page_list *l, uint32_t extra)
{
    if (extra <= l->cap - l->count)
        return HOLOG_OK;
    uint32_t cap = HG_MAX(l->cap * 2, l->count + extra);
    struct hg_page_entry *entries = hg_realloc(l->entries, cap * sizeof *entries);
    if (entries == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to rebuild an index page");
    l->entries = entries;
    l->cap = cap;
    return HOLOG_OK;
}

const uint8_t *hg_page_list_key(const struct hg_page_list *l, uint32_t at)
{
    return l->bytes.data + l->entries[at].key;
}

/* Set what entries[at] has in common with the one before. */
static void list_relate(struct hg_page_list *l, uint32_t at)
{
    if (at >= l->count)
        return;
    struct hg_page_entry *e = &l->entries[at];
    e->lcp = 0;
    if (at > 0)
        e->lcp = (uint32_t)agree(hg_page_list_key(l, at - 1), hg_page_list_key(l, at),
                                 HG_MIN(e[-1].len, e->len));
}

int hg_page_list_add(struct hg_page_list *l, uint32_t at, const uint8_t *page)
{
    uint32_t prefix_len;
    const uint8_t *before = hg_page_prefix(page, &prefix_len);
    struct hg_page_iter it;
    struct hg_page_item item;
    uint32_t count = page_count(page);
    size_t total = 0;

    hg_page_iter_begin(&it, page, 0);
    while (hg_page_iter_next(&it, &item))
        total += item.keep + item.tail_len;
    int rc = list_reserve(l, count);
    if (rc == HOLOG_OK)
        rc = hg_buf_reserve(&l->bytes, total + 1); /* never NULL */
    if (rc < 0)
        return rc;

    memmove(l->entries + at + count, l->entries + at, (l->count - at) * sizeof *l->entries);
    l->count += count;
    struct hg_page_entry *e = l->entries + at;
    hg_page_iter_begin(&it, page, 0);
    while (hg_page_iter_next(&it, &item)) {
        uint8_t *key = l->bytes.data + l->bytes.len;
        *e = (struct hg_page_entry){ .key = (uint32_t)l->bytes.len,
                                     .len = item.keep + item.tail_len,
                                     .lcp = item.keep,
                                     .loc = item.loc };
        memcpy(key, before, item.keep);
        memcpy(key + item.keep, item.tail, item.tail_len);
        l->bytes.len += e->len;
        if (it.index == 1) /* first of a run: what it shares is not stored */
            list_relate(l, (uint32_t)(e - l->entries));
        before = key;
        e++;
    }
    list_relate(l, at + count);
    return HOLOG_OK;
}

int hg_page_list_insert(struct hg_page_list *l, uint32_t at, const uint8_t *key, size_t key_len,
                        const uint8_t *loc)
{
    HG_ASSERT(at <= l->count);
    int rc = list_reserve(l, 1);
    uint32_t offset = (uint32_t)l->bytes.len;
    if (rc == HOLOG_OK)
        rc = hg_buf_reserve(&l->bytes, key_len + 1); /* never NULL */
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&l->bytes, key, key_len);
    if (rc < 0)
        return rc;
    memmove(l->entries + at + 1, l->entries + at, (l->count - at) * sizeof *l->entries);
    l->entries[at] = (struct hg_page_entry){ .key = offset, .len = (uint32_t)key_len, .loc = loc };
    l->count++;
    list_relate(l, at);
    list_relate(l, at + 1);
    return HOLOG_OK;
}

void hg_page_list_remove(struct hg_page_list *l, uint32_t from, uint32_t to)
{
    HG_ASSERT(from <= to && to <= l->count);
    memmove(l->entries + from, l->entries + to, (l->count - to) * sizeof *l->entries);
    l->count -= to - from;
    list_relate(l, from);
}

uint32_t hg_page_list_find(const struct hg_page_list *l, const uint8_t *key, size_t key_len)
{
    uint32_t lo = 0;
    uint32_t hi = l->count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (bytes_compare(hg_page_list_key(l, mid), l->entries[mid].len, key, key_len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t list_runs(uint32_t count)
{
    return (count + HG_PAGE_RUN_MAX - 1) / HG_PAGE_RUN_MAX;
}

/* The first entry of run r of n, spread evenly. */
static uint32_t run_first_entry(uint32_t count, uint32_t runs, uint32_t r)
{
    return (uint32_t)((uint64_t)count * r / runs);
}

static uint32_t list_prefix(const struct hg_page_list *l, uint32_t from, uint32_t to)
{
    uint32_t prefix_len = l->entries[from].len;
    for (uint32_t i = from + 1; i < to; i++)
        prefix_len = HG_MIN(prefix_len, l->entries[i].lcp);
    return prefix_len;
}

size_t hg_page_list_size(const struct hg_page_list *l, uint32_t from, uint32_t to)
{
    uint32_t count = to - from;
    uint32_t runs = list_runs(count);
    uint32_t prefix_len = list_prefix(l, from, to);
    size_t size = (size_t)dir_end(runs) + prefix_len + (size_t)count * HG_LOCATOR_SIZE;
    for (uint32_t r = 0; r < runs; r++) {
        uint32_t end = from + run_first_entry(count, runs, r + 1);
        uint32_t keep = prefix_len; /* the first of a run keeps the prefix only */
        for (uint32_t i = from + run_first_entry(count, runs, r); i < end; i++) {
            const struct hg_page_entry *e = &l->entries[i];
            size += key_header_size(keep - prefix_len, e->len - keep) + e->len - keep;
            if (i + 1 < end)
                keep = l->entries[i + 1].lcp;
        }
    }
    return size;
}

void hg_page_list_encode(const struct hg_page_list *l, uint32_t from, uint32_t to, uint8_t *out)
{
    uint32_t count = to - from;
    uint32_t runs = list_runs(count);
    uint32_t prefix_len = list_prefix(l, from, to);
    struct writer w;

    writer_begin(&w, out, runs, hg_page_list_key(l, from), prefix_len);
    for (uint32_t r = 0; r < runs; r++) {
        uint32_t begin = from + run_first_entry(count, runs, r);
        uint32_t end = from + run_first_entry(count, runs, r + 1);
        writer_open(&w, end - begin,
                    head_of(hg_page_list_key(l, begin) + prefix_len,
                            l->entries[begin].len - prefix_len));
        for (uint32_t i = begin; i < end; i++) {
            uint32_t keep = i == begin ? prefix_len : l->entries[i].lcp;
            writer_key(&w, keep - prefix_len, hg_page_list_key(l, i) + keep,
                       l->entries[i].len - keep);
        }
        for (uint32_t i = begin; i < end; i++)
            writer_bytes(&w, l->entries[i].loc, HG_LOCATOR_SIZE);
    }
    writer_end(&w);
}

uint32_t hg_page_list_cut(const struct hg_page_list *l, uint32_t from, uint32_t to)
{
    HG_ASSERT(to - from >= 2);
    size_t total = 0;
    for (uint32_t i = from; i < to; i++)
        total += HG_PAGE_ENTRY_MIN + l->entries[i].len - l->entries[i].lcp;
    size_t sum = 0;
    uint32_t best = 0;
    for (uint32_t i = from + 1; i < to; i++) {
        sum += HG_PAGE_ENTRY_MIN + l->entries[i - 1].len - l->entries[i - 1].lcp;
        int central = sum >= total * 3 / 8 && sum <= total * 5 / 8;
        if (best == 0 || (central && l->entries[i].lcp < l->entries[best].lcp) ||
            sum < total * 3 / 8)
            best = i;
    }
    return best;
}
