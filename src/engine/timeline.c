/*
 * The commits that are kept, tags, the horizon; see timeline.h.
 */
#include "engine/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void hg_timeline_release(struct hg_timeline *t)
{
    hg_buf_release(&t->moments);
    hg_buf_release(&t->tags);
    hg_buf_release(&t->tagged);
    *t = (struct hg_timeline){ 0 };
}

/* ---- moments -------------------------------------------------------------------------------------*/

static struct hg_moment *moment(const struct hg_timeline *t, size_t i)
{
    return (struct hg_moment *)(void *)t->moments.data + t->forgotten + i;
}

size_t hg_timeline_count(const struct hg_timeline *t)
{
    return t->moments.len / sizeof(struct hg_moment) - t->forgotten;
}

const struct hg_moment *hg_timeline_at(const struct hg_timeline *t, size_t i)
{
    HG_ASSERT(i < hg_timeline_count(t));
    return moment(t, i);
}

/* When the buffer is full, what is kept is moved to its front, if that gives a quarter of it. */
int hg_timeline_reserve(struct hg_timeline *t)
{
    size_t at = t->forgotten * sizeof(struct hg_moment);

    if (t->moments.cap - t->moments.len < sizeof(struct hg_moment) && at > t->moments.len / 4) {
        memmove(t->moments.data, t->moments.data + at, t->moments.len - at);
        t->moments.len -= at;
        t->forgotten = 0;
    }
    return hg_buf_reserve(&t->moments, sizeof(struct hg_moment));
}

void hg_timeline_add(struct hg_timeline *t, const struct hg_moment *m)
{
    HG_ASSERT(t->moments.cap - t->moments.len >= sizeof *m);
    memcpy(t->moments.data + t->moments.len, m, sizeof *m);
    t->moments.len += sizeof *m;
    t->ended_bytes += m->ended_bytes;
}

size_t hg_timeline_find(const struct hg_timeline *t, uint64_t number)
{
    size_t low = 0;
    size_t high = hg_timeline_count(t);

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (moment(t, mid)->number <= number)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? SIZE_MAX : low - 1;
}

size_t hg_timeline_find_time(const struct hg_timeline *t, uint64_t time_ns)
{
    size_t low = 0;
    size_t high = hg_timeline_count(t);

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (moment(t, mid)->time_ns <= time_ns)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? SIZE_MAX : low - 1;
}

void hg_timeline_ended(struct hg_timeline *t, uint64_t number, uint64_t bytes, uint64_t total)
{
    size_t i = hg_timeline_find(t, number);

    if (i != SIZE_MAX && moment(t, i)->number == number) {
        moment(t, i)->ended_bytes += bytes;
        moment(t, i)->ended_total = total;
        t->ended_bytes += bytes;
    }
}

uint64_t hg_timeline_sum_up(struct hg_timeline *t)
{
    uint64_t total = 0;

    for (size_t i = 0; i < hg_timeline_count(t); i++) {
        total += moment(t, i)->ended_bytes;
        moment(t, i)->ended_total = total;
    }
    t->horizon_total = hg_timeline_count(t) > 0 ? moment(t, 0)->ended_total : 0;
    return total;
}

void hg_timeline_cut(struct hg_timeline *t, uint64_t number)
{
    size_t n = hg_timeline_count(t);

    while (n > 0 && moment(t, n - 1)->number > number)
        t->ended_bytes -= moment(t, --n)->ended_bytes;
    t->moments.len = (t->forgotten + n) * sizeof(struct hg_moment);
}

void hg_timeline_set_horizon(struct hg_timeline *t, uint64_t horizon)
{
    if (horizon <= t->horizon)
        return;
    t->horizon = horizon;
    while (hg_timeline_count(t) > 0 && moment(t, 0)->number < horizon) {
        t->ended_bytes -= moment(t, 0)->ended_bytes;
        t->forgotten++;
    }
    if (hg_timeline_count(t) > 0)
        t->horizon_total = moment(t, 0)->ended_total;
}

void hg_timeline_say_horizon(struct hg_timeline *t, uint64_t horizon)
{
    t->said = 1;
    hg_timeline_set_horizon(t, horizon);
}

/* ---- tags ----------------------------------------------------------------------------------------*/

static struct hg_tag *tag(const struct hg_timeline *t, size_t i)
{
    return (struct hg_tag *)(void *)t->tags.data + i;
}

static size_t tag_count(const struct hg_timeline *t)
{
    return t->tags.len / sizeof(struct hg_tag);
}

/* Its place, or that of the first behind it. */
static size_t find_tag(const struct hg_timeline *t, const char *name, size_t len, int *out_found)
{
    size_t i = 0;

    *out_found = 0;
    for (; i < tag_count(t); i++) {
        size_t n = strlen(tag(t, i)->name);
        int d = memcmp(tag(t, i)->name, name, HG_MIN(n, len));
        d = d != 0 ? d : (n > len) - (n < len);
        if (d >= 0) {
            *out_found = d == 0;
            break;
        }
    }
    return i;
}

const struct hg_tag *hg_timeline_tag(const struct hg_timeline *t, const char *name)
{
    int found;
    size_t i = find_tag(t, name, strlen(name), &found);

    return found ? tag(t, i) : NULL;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

/* There is room. */
static void index_tags(struct hg_timeline *t)
{
    t->tagged.len = 0;
    for (size_t i = 0; i < tag_count(t); i++) {
        memcpy(t->tagged.data + t->tagged.len, &tag(t, i)->number, sizeof(uint64_t));
        t->tagged.len += sizeof(uint64_t);
    }
    if (t->tagged.len > 0)
        qsort(t->tagged.data, t->tagged.len / sizeof(uint64_t), sizeof(uint64_t), by_number);
}

int hg_timeline_index_tags(struct hg_timeline *t)
{
    int rc;

    t->tagged.len = 0;
    rc = hg_buf_reserve(&t->tagged, tag_count(t) * sizeof(uint64_t));
    if (rc == HOLOG_OK)
        index_tags(t);
    return rc;
}

int hg_timeline_set_tag(struct hg_timeline *t, const char *name, size_t name_len, uint64_t number,
                        uint64_t time_ns)
{
    struct hg_tag g = { .number = number, .time_ns = time_ns };
    int found;
    size_t i = find_tag(t, name, name_len, &found);
    int rc = hg_buf_reserve(&t->tagged, sizeof(uint64_t));

    if (rc == HOLOG_OK && !found)
        rc = hg_buf_append(&t->tags, &g, sizeof g);
    if (rc < 0)
        return rc;
    HG_ASSERT(name_len <= HG_TAG_NAME_MAX);
    memcpy(g.name, name, name_len);
    if (!found)
        memmove(tag(t, i + 1), tag(t, i), (tag_count(t) - 1 - i) * sizeof g);
    *tag(t, i) = g;
    index_tags(t);
    return HOLOG_OK;
}

void hg_timeline_remove_tag(struct hg_timeline *t, const char *name, size_t name_len)
{
    int found;
    size_t i = find_tag(t, name, name_len, &found);

    if (!found)
        return;
    memmove(tag(t, i), tag(t, i + 1), (tag_count(t) - 1 - i) * sizeof(struct hg_tag));
    t->tags.len -= sizeof(struct hg_tag);
    index_tags(t);
}

int hg_timeline_has_tag(const struct hg_timeline *t, uint64_t first, uint64_t end)
{
    const uint64_t *tagged = (const uint64_t *)(const void *)t->tagged.data;
    size_t n = t->tagged.len / sizeof *tagged;
    size_t low = 0;
    size_t high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (tagged[mid] < first)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && tagged[low] < end;
}

int hg_timeline_keeps(const struct hg_timeline *t, uint64_t number, uint64_t end)
{
    return end > t->horizon || hg_timeline_has_tag(t, number, end);
}

int hg_timeline_copy_kept(const struct hg_timeline *t, struct hg_timeline *out)
{
    *out = (struct hg_timeline){ .horizon = t->horizon };
    return t->tagged.len == 0 ? HOLOG_OK
                              : hg_buf_append(&out->tagged, t->tagged.data, t->tagged.len);
}
