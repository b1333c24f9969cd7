/*
 * Counters and latency histograms.
 */
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"

/* Bucket i: [2^(i/2), 2^((i+1)/2)) units of 16 ns, two buckets an octave. */
static unsigned bucket_of(uint64_t ns)
{
    uint64_t units = ns / 16;
    unsigned log2;
    unsigned half;

    if (units < 2)
        return (unsigned)units;
    log2 = 63u - (unsigned)__builtin_clzll(units);
    half = (units >> (log2 - 1)) & 1u; /* 1.5 stands for the square root of 2: close enough */
    return HG_MIN(2 * log2 + half, HOLOG_HIST_BUCKETS - 1u);
}

static void add(holog_histogram *h, uint64_t ns)
{
    uint64_t max = __atomic_load_n(&h->max_ns, __ATOMIC_RELAXED);

    __atomic_add_fetch(&h->count, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&h->sum_ns, ns, __ATOMIC_RELAXED);
    __atomic_add_fetch(&h->buckets[bucket_of(ns)], 1, __ATOMIC_RELAXED);
    while (ns > max && !__atomic_compare_exchange_n(&h->max_ns, &max, ns, 1, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED))
        ;
}

/* Of a histogram that others add to: each number is one that was there, and count is their sum. */
static void snapshot(const holog_histogram *h, holog_histogram *out)
{
    out->count = 0;
    for (unsigned i = 0; i < HOLOG_HIST_BUCKETS; i++) {
        out->buckets[i] = __atomic_load_n(&h->buckets[i], __ATOMIC_RELAXED);
        out->count += out->buckets[i];
    }
    out->sum_ns = __atomic_load_n(&h->sum_ns, __ATOMIC_RELAXED);
    out->max_ns = __atomic_load_n(&h->max_ns, __ATOMIC_RELAXED);
}

void hg_store_count_commit(holog_store *s, uint64_t ns)
{
    add(&s->commit_latency, ns);
}

void hg_store_count_load(holog_store *s, uint64_t ns, uint64_t bytes)
{
    add(&s->load_latency, ns);
    hg_cache_count_loaded(s->cache, bytes);
}

uint64_t holog_histogram_percentile(const holog_histogram *h, double percent)
{
    uint64_t want;
    uint64_t seen = 0;

    if (h == NULL || h->count == 0)
        return 0;
    want = (uint64_t)((double)h->count * percent / 100.0);
    for (unsigned i = 0; i < HOLOG_HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > want || seen == h->count) {
            unsigned log2 = (i + 1) / 2;
            uint64_t upper =
                i < 2 ? i + 1 : (UINT64_C(1) << log2) + ((i + 1) % 2) * (UINT64_C(1) << log2) / 2;
            return HG_MIN(upper * 16, h->max_ns);
        }
    }
    return h->max_ns;
}

static uint64_t oldest_view(holog_store *s, uint64_t *out_open)
{
    uint64_t oldest = 0;

    hg_mutex_lock(s->io, &s->misc_lock);
    for (const holog_view *v = s->views; v != NULL; v = v->next)
        oldest = oldest == 0 ? v->version->number : HG_MIN(oldest, v->version->number);
    *out_open = s->views_open;
    hg_mutex_unlock(s->io, &s->misc_lock);
    return oldest;
}

static void fill_deltas(const struct hg_delta_counters *c, holog_stats *st)
{
    st->delta_updates = c->updates[0];
    st->delta_inserts = c->updates[HG_DELTA_INSERT];
    st->delta_replaces = c->updates[HG_DELTA_UPDATE];
    st->delta_deletes = c->updates[HG_DELTA_DELETE];
    st->delta_moves = c->updates[HG_DELTA_MOVE];
    st->delta_bytes_modified = c->bytes;
    st->delta_time_ns = __atomic_load_n(&c->ns, __ATOMIC_RELAXED);
    st->delta_average_ns = st->delta_updates > 0 ? st->delta_time_ns / st->delta_updates : 0;
    st->conservation_violations = c->violations;
    st->folds = c->folds;
    st->fold_bytes_written = c->fold_bytes;
}

static void fill_log(holog_store *s, holog_stats *st)
{
    struct hg_log_counters c;
    struct hg_log_state state;

    hg_log_lock(s->log);
    hg_log_counters(s->log, &c);
    hg_log_state(s->log, &state);
    st->commits = s->commits;
    st->records = s->records;
    st->bytes_saved = s->bytes_saved;
    fill_deltas(&s->deltas, st);
    hg_log_unlock(s->log);
    st->groups = c.groups;
    st->syncs = c.syncs;
    st->bytes_written = c.bytes_written + c.extent_bytes;
    st->segment_rolls = c.segment_rolls;
    st->window_waits = c.window_waits;
    st->groups_beyond_window = c.groups_beyond_window;
    st->group_write_latency = c.group_write;
    st->log_bytes = state.log_bytes;
    st->extent_bytes = state.extent_bytes;
    st->cold_bytes = state.cold_bytes;
    st->base_bytes = state.base_bytes;
    st->segments = state.n_segments;
    st->poisoned = hg_log_poisoned(s->log) != 0;
}

static void fill_cold(holog_store *s, holog_stats *st)
{
    struct hg_cold_sizes cold;

    hg_cold_sizes(s->cold, &cold);
    st->cold_values = cold.values;
    st->cold_raw_bytes = cold.raw;
    st->cold_stored_bytes = cold.stored;
}

int holog_stats_get(holog_store *store, holog_stats *out_stats)
{
    holog_stats st = { .struct_size = sizeof st };
    struct hg_version *v;
    struct hg_cache_counters cache;
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK)
        rc = hg_struct_check(out_stats, "holog_stats");
    if (rc < 0)
        return rc;
    st.durable_number = holog_durable_number(store); /* before the other: never beyond it */
    v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for statistics");
    st.entries = v->sums.entries;
    st.directories = v->sums.directories;
    st.live_key_bytes = v->sums.live_key_bytes;
    st.live_value_bytes = v->sums.live_value_bytes;
    st.last_number = v->number;
    hg_version_put(store, v);
    if (store->log != NULL) {
        fill_log(store, &st);
        hg_scheduler_stats(store, &st);
    } else {
        hg_reader_sizes(store, &st);
    }
    fill_cold(store, &st);
    rc = hg_store_disk_bytes(store, &st.disk_bytes);
    if (rc < 0)
        return rc;
    hg_cache_counters(store->cache, &cache);
    st.index_bytes = hg_index_bytes(store->sequenced.index);
    st.side_table_bytes = store->points != NULL ? hg_side_table_bytes(store->points) : 0;
    st.rope_bytes = hg_ropes_bytes(store->ropes);
    st.cache_bytes =
        cache.bytes - HG_MIN(cache.bytes, st.index_bytes + st.side_table_bytes + st.rope_bytes);
    st.budget_bytes = cache.budget;
    st.cache_hits = cache.hits;
    st.cache_misses = cache.misses;
    st.evictions = cache.evictions;
    st.bytes_read = cache.bytes_read;
    st.bytes_loaded = cache.bytes_loaded;
    st.scrubbed_bytes = __atomic_load_n(&store->scrubbed, __ATOMIC_RELAXED);
    st.scrub_damages = __atomic_load_n(&store->scrub_damages, __ATOMIC_RELAXED);
    st.checkpoints = __atomic_load_n(&store->checkpoints, __ATOMIC_RELAXED);
    st.oldest_view_number = oldest_view(store, &st.views_open);
    snapshot(&store->commit_latency, &st.commit_latency);
    snapshot(&store->load_latency, &st.load_latency);
    hg_struct_fill(out_stats, &st, sizeof st);
    return HOLOG_OK;
}
