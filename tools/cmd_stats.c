/*
 * cmd_stats.c: stats, as a table, as JSON, or in the Prometheus text format.
 *
 * One table says what there is; each form walks it. "Since open" counters are of this process: they
 * are of interest to a program that holds a store open and prints them by itself, and are given here
 * for completeness. Not those of writing, where the store is open for reading: a 0 would read as if its
 * writer had done nothing.
 */
#include <inttypes.h>
#include <string.h>

#include "map.h"
#include "verbs.h"

enum stat_kind {
    COUNT,
    BYTES
};

struct stat_row {
    const char *name; /* JSON member; "holog_" in front for Prometheus */
    const char *help;
    enum stat_kind kind;
    bool counter; /* since open: "_total" behind for Prometheus */
    bool writers; /* of a store that is open for reading it says nothing */
    bool narrow;  /* uint32_t, else uint64_t */
    size_t offset;
};

#define ANY_ROW(field, kind, counter, writers, help)                                            \
    {                                                                                           \
#field, help, kind, counter, writers,                                                   \
            sizeof(((holog_stats *)0)->field) == sizeof(uint32_t), offsetof(holog_stats, field) \
    }
#define ROW(field, kind, counter, help)     ANY_ROW(field, kind, counter, false, help)
#define WRITERS(field, kind, counter, help) ANY_ROW(field, kind, counter, true, help)

static const struct stat_row rows[] = {
    ROW(entries, COUNT, false, "Entries at the newest commit"),
    ROW(directories, COUNT, false, "Directories among the entries"),
    ROW(last_number, COUNT, false, "Number of the newest commit"),
    ROW(durable_number, COUNT, false, "Number of the newest durable commit"),
    ROW(live_key_bytes, BYTES, false, "Bytes of the paths of live entries"),
    ROW(live_value_bytes, BYTES, false, "Bytes of the values of live entries"),
    ROW(disk_bytes, BYTES, false, "Bytes of all files of the store, as allocated"),
    ROW(log_bytes, BYTES, false, "Bytes used in frame segments"),
    ROW(extent_bytes, BYTES, false, "Bytes used in extent segments"),
    ROW(cold_bytes, BYTES, false, "Bytes used in cold segments, which compaction writes"),
    ROW(base_bytes, BYTES, false, "Bytes used in bases: the index, where older frames may be gone"),
    ROW(cold_values, COUNT, false, "Values in cold segments"),
    ROW(cold_raw_bytes, BYTES, false, "Bytes of these values"),
    ROW(cold_stored_bytes, BYTES, false, "Bytes that these values take, compressed"),
    ROW(segments, COUNT, false, "Segments"),
    ROW(cache_bytes, BYTES, false, "Memory of cached values"),
    ROW(index_bytes, BYTES, false, "Memory of the index"),
    ROW(budget_bytes, BYTES, false, "Memory that cache, index and staging may take"),
    ROW(views_open, COUNT, false, "Views held open"),
    ROW(oldest_view_number, COUNT, false, "Commit of the oldest view held open"),
    WRITERS(poisoned, COUNT, false, "1 after a failed write: the handle takes no more changes"),
    WRITERS(commits, COUNT, true, "Commits since open"),
    WRITERS(groups, COUNT, true, "Commit groups written since open"),
    WRITERS(syncs, COUNT, true, "Syncs since open"),
    WRITERS(records, COUNT, true, "Changes since open"),
    WRITERS(bytes_saved, BYTES, true, "Bytes of values saved since open"),
    ROW(bytes_loaded, BYTES, true, "Bytes of values loaded since open"),
    WRITERS(bytes_written, BYTES, true, "Bytes written to the disk since open"),
    ROW(bytes_read, BYTES, true, "Bytes read from the disk since open"),
    ROW(cache_hits, COUNT, true, "Loads answered from the cache since open"),
    ROW(cache_misses, COUNT, true, "Loads that went to the disk since open"),
    ROW(evictions, COUNT, true, "Values dropped from the cache since open"),
    WRITERS(segment_rolls, COUNT, true, "New segments begun since open"),
    WRITERS(checkpoints, COUNT, true, "Index checkpoints written since open"),
    WRITERS(window_waits, COUNT, true, "Waits for space written ahead since open"),
    WRITERS(groups_beyond_window, COUNT, true, "Groups written outside that space since open"),
    ROW(rope_bytes, BYTES, false, "Memory of values as deltas made them"),
    WRITERS(delta_updates, COUNT, true, "Deltas since open"),
    WRITERS(delta_inserts, COUNT, true, "Deltas that inserted since open"),
    WRITERS(delta_replaces, COUNT, true, "Deltas that updated since open"),
    WRITERS(delta_deletes, COUNT, true, "Deltas that deleted since open"),
    WRITERS(delta_moves, COUNT, true, "Deltas that moved since open"),
    WRITERS(delta_bytes_modified, BYTES, true, "Bytes that deltas have changed since open"),
    WRITERS(delta_time_ns, COUNT, true, "Nanoseconds of commits with deltas since open"),
    WRITERS(delta_average_ns, COUNT, true, "Nanoseconds of a delta, on the average, since open"),
    WRITERS(conservation_violations, COUNT, true, "Deltas refused for their sums since open"),
    WRITERS(folds, COUNT, true, "Folds since open"),
    WRITERS(fold_bytes_written, BYTES, true, "Bytes that folds have written since open"),
    ROW(compaction_used_bytes, BYTES, false, "Bytes used in all segments"),
    ROW(compaction_waiting_bytes, BYTES, false,
        "Bytes of replaced files that readers may still need"),
    WRITERS(compaction_needed_bytes, BYTES, false, "Bytes that live in segments, estimated"),
    WRITERS(compaction_cap_bytes, BYTES, false, "Bytes that segments should take at most"),
    WRITERS(compactions, COUNT, true, "Compactions by itself since open"),
    WRITERS(compaction_rounds, COUNT, true, "Rounds of these since open"),
    WRITERS(compaction_marks, COUNT, true, "Looks at what lives since open"),
    WRITERS(compaction_moved_bytes, BYTES, true, "Bytes of values that these moved since open"),
    WRITERS(compaction_freed_bytes, BYTES, true, "Bytes of files that these freed since open"),
    WRITERS(compactions_forced, COUNT, true, "Compactions that were asked for since open"),
    WRITERS(compaction_forced_bytes, BYTES, true, "Bytes of values that those moved since open"),
    WRITERS(compaction_time_ns, COUNT, true, "Nanoseconds of rounds that did something since open"),
    WRITERS(compaction_record_bytes, BYTES, true,
            "Bytes of small records that these moved since open"),
    WRITERS(compaction_written_bytes, BYTES, true,
            "Bytes of cold segments that these wrote since open"),
    /* Of a process that has the store open for long, as a writer has: who reads to scrub, ends with that. */
    WRITERS(scrubbed_bytes, BYTES, true, "Bytes that scrubs have read since open"),
    WRITERS(scrub_damages, COUNT, true, "Damages that scrubs have found since open"),
    WRITERS(compaction_running_ns, COUNT, false, "Nanoseconds that the round under way has lasted"),
    WRITERS(compaction_done_bytes, BYTES, false, "Bytes that it has read and written"),
    WRITERS(compaction_total_bytes, BYTES, false, "Bytes that it has to read and write"),
    WRITERS(commits_delayed, COUNT, true, "Commits held back by compaction since open"),
    WRITERS(commit_delay_ns, COUNT, true, "Nanoseconds that these were held back since open"),
    WRITERS(commits_stalled, COUNT, true, "Commits that waited for room since open"),
    WRITERS(commit_stall_max_ns, COUNT, false, "Nanoseconds of the longest such wait"),
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

static const struct {
    const char *name;
    const char *help;
    bool writers;
    size_t offset;
} histograms[] = {
    { "commit_latency", "Time of a commit, until acknowledged", true,
      offsetof(holog_stats, commit_latency) },
    { "group_write_latency", "Time of the write of a commit group", true,
      offsetof(holog_stats, group_write_latency) },
    { "load_latency", "Time of a load", false, offsetof(holog_stats, load_latency) },
};
#define HISTOGRAM_COUNT (sizeof histograms / sizeof histograms[0])

static uint64_t value_of(const holog_stats *stats, const struct stat_row *row)
{
    const char *at = (const char *)stats + row->offset;
    uint32_t narrow = 0;
    uint64_t wide = 0;

    if (!row->narrow) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

static const holog_histogram *histogram_of(const holog_stats *stats, size_t i)
{
    return (const void *)((const char *)stats + histograms[i].offset);
}

/* ---- what keeps the past --------------------------------------------------------------------- */

/* The rules, and one line or item for each tag and each view that is held open. */
struct keepers {
    json_object *retention; /* setting: value */
    json_object *holders;
};

static int add_holder(void *ctx, const holog_holder *holder)
{
    json_object *item = json_object_new_object();
    char when[HUMAN_MAX];

    json_add(item, "kind", json_text(holder->kind == HOLOG_HOLDER_TAG ? "tag" : "pin"));
    json_add(item, "name", json_text(holder->name));
    json_add(item, "commit", json_number(holder->number));
    json_add(item, "time", json_text(iso_time(holder->time_ns, when)));
    json_add(item, "time_ns", json_number(holder->time_ns));
    json_add(item, "bytes", json_number(holder->bytes));
    (void)json_object_array_add(ctx, item);
    return 0;
}

static int add_rule(void *ctx, const char *key, const char *value)
{
    if (strncmp(key, "retention.", 10) == 0 || strncmp(key, "pins.", 5) == 0)
        json_add(ctx, key, json_text(value));
    return 0;
}

static int get_keepers(holog_store *store, struct keepers *out)
{
    out->retention = json_object_new_object();
    out->holders = json_object_new_array();
    int rc = holog_config_list(store, add_rule, out->retention);

    return rc < 0 ? rc : holog_holders(store, add_holder, out->holders);
}

static void free_keepers(struct keepers *keepers)
{
    (void)json_object_put(keepers->retention);
    (void)json_object_put(keepers->holders);
}

static const char *member_text(json_object *item, const char *key)
{
    return json_object_get_string(json_object_object_get(item, key));
}

static uint64_t member_number(json_object *item, const char *key)
{
    return json_object_get_uint64(json_object_object_get(item, key));
}

static void put_keepers(const struct keepers *keepers)
{
    char bytes[HUMAN_MAX];
    char label[80];

    json_object_object_foreach(keepers->retention, key, value) {
        (void)printf("%-22s %16s  Rule of what is kept of the past\n", key,
                     json_object_get_string(value));
    }
    for (size_t i = 0; i < json_object_array_length(keepers->holders); i++) {
        json_object *item = json_object_array_get_idx(keepers->holders, i);
        const char *name = member_text(item, "name");
        (void)snprintf(label, sizeof label, "%s%s%s", member_text(item, "kind"),
                       name != NULL ? " " : "", name != NULL ? name : "");
        (void)printf("%-22s %16s  Values kept beside the rules, of commit %" PRIu64 "\n", label,
                     human_bytes(member_number(item, "bytes"), bytes),
                     member_number(item, "commit"));
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

struct figures {
    holog_stats stats;
    struct keepers keepers;
    struct space space;
    bool has_space;
    bool known; /* the others */
};

/* Other figures are shown without it. EXIT_DONE, or EXIT_DAMAGE after a message. */
static int get_space(const struct args *args, holog_store *store, struct figures *out)
{
    struct holog_error_detail detail;
    int rc = space_get(store, &out->space);

    out->has_space = rc >= 0;
    if (rc >= 0)
        return EXIT_DONE;
    cli_detail(rc, &detail);
    if (rc == HOLOG_E_CORRUPT)
        return cli_fail_detail(args, &detail, "what segments hold is not known", NULL);
    cli_note(args, "what segments hold is not known: %s", detail.message);
    return EXIT_DONE;
}

static int get_figures(const struct args *args, holog_store *store, struct figures *out)
{
    int status =
        get_space(args, store, out); /* first: it may read on, in a store that is written */

    out->stats = (holog_stats){ .struct_size = sizeof out->stats };
    int rc = holog_stats_get(store, &out->stats);
    if (rc >= 0)
        rc = get_keepers(store, &out->keepers);
    out->known = rc >= 0;
    return rc < 0 ? cli_fail(args, rc, args->operands[0]) : status;
}

static void free_figures(struct figures *figures)
{
    free_keepers(&figures->keepers);
    space_release(&figures->space);
}

static const struct space *space_of(const struct figures *figures)
{
    return figures->has_space ? &figures->space : NULL;
}

/* ---- table and JSON -------------------------------------------------------------------------- */

static void put_table(const struct figures *figures)
{
    const holog_stats *stats = &figures->stats;
    char text[HUMAN_MAX];

    for (size_t i = 0; i < ROW_COUNT; i++) {
        uint64_t value = value_of(stats, &rows[i]);
        if (rows[i].writers)
            continue;
        if (rows[i].kind == BYTES)
            (void)printf("%-22s %16s  %s\n", rows[i].name, human_bytes(value, text), rows[i].help);
        else
            (void)printf("%-22s %16" PRIu64 "  %s\n", rows[i].name, value, rows[i].help);
    }
    space_put_table(space_of(figures), stats);
    put_keepers(&figures->keepers);
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
        const holog_histogram *h = histogram_of(stats, i);
        if (histograms[i].writers || h->count == 0)
            continue;
        (void)printf("%-22s %16s  p50 of %" PRIu64 "; ", histograms[i].name,
                     human_duration(holog_histogram_percentile(h, 50), text), h->count);
        (void)printf("p99 %s, ", human_duration(holog_histogram_percentile(h, 99), text));
        (void)printf("max %s\n", human_duration(h->max_ns, text));
    }
}

static json_object *histogram_json(const holog_histogram *h)
{
    json_object *out = json_object_new_object();

    json_add(out, "count", json_number(h->count));
    json_add(out, "sum_ns", json_number(h->sum_ns));
    json_add(out, "max_ns", json_number(h->max_ns));
    json_add(out, "p50_ns", json_number(holog_histogram_percentile(h, 50)));
    json_add(out, "p90_ns", json_number(holog_histogram_percentile(h, 90)));
    json_add(out, "p99_ns", json_number(holog_histogram_percentile(h, 99)));
    json_add(out, "p999_ns", json_number(holog_histogram_percentile(h, 99.9)));
    return out;
}

static void put_json(const struct args *args, const struct figures *figures)
{
    const holog_stats *stats = &figures->stats;
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (!rows[i].writers)
            json_add(doc, rows[i].name, json_number(value_of(stats, &rows[i])));
    }
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
        if (!histograms[i].writers)
            json_add(doc, histograms[i].name, histogram_json(histogram_of(stats, i)));
    }
    space_add_json(doc, space_of(figures), stats);
    json_add(doc, "retention", json_object_get(figures->keepers.retention));
    json_add(doc, "holders", json_object_get(figures->keepers.holders));
    json_print(doc);
}

/* ---- Prometheus ------------------------------------------------------------------------------ */

void put_labels(FILE *to, const char *store, const char *more)
{
    (void)fputs("{store=\"", to);
    for (const char *s = store; *s != '\0'; s++) {
        if (*s == '\n')
            (void)fputs("\\n", to);
        else if (*s == '"' || *s == '\\')
            (void)fprintf(to, "\\%c", *s);
        else
            (void)fputc(*s, to);
    }
    (void)fprintf(to, "\"%s%s}", more != NULL ? "," : "", more != NULL ? more : "");
}

static void put_metric(FILE *to, const char *store, const holog_stats *stats,
                       const struct stat_row *row)
{
    const char *suffix = row->counter ? "_total" : "";

    (void)fprintf(to, "# HELP holog_%s%s %s\n", row->name, suffix, row->help);
    (void)fprintf(to, "# TYPE holog_%s%s %s\n", row->name, suffix,
                  row->counter ? "counter" : "gauge");
    (void)fprintf(to, "holog_%s%s", row->name, suffix);
    put_labels(to, store, NULL);
    (void)fprintf(to, " %" PRIu64 "\n", value_of(stats, row));
}

/* Upper edge of bucket i, in seconds: 2^((i+1)/2) units of 16 ns. */
static double bucket_edge(unsigned i)
{
    double edge = (double)(1ULL << ((i + 1) / 2)) * 16e-9;

    return (i + 1) % 2 == 0 ? edge : edge * 1.4142135623730951;
}

static void put_histogram(FILE *to, const char *store, const holog_histogram *h, const char *name,
                          const char *help)
{
    uint64_t below = 0;
    char label[64];

    (void)fprintf(to, "# HELP holog_%s_seconds %s\n# TYPE holog_%s_seconds histogram\n", name, help,
                  name);
    for (unsigned i = 0; i < HOLOG_HIST_BUCKETS; i++) {
        below += h->buckets[i];
        if (h->buckets[i] == 0)
            continue; /* buckets are cumulative: an empty one says nothing */
        (void)snprintf(label, sizeof label, "le=\"%.9g\"", bucket_edge(i));
        (void)fprintf(to, "holog_%s_seconds_bucket", name);
        put_labels(to, store, label);
        (void)fprintf(to, " %" PRIu64 "\n", below);
    }
    (void)fprintf(to, "holog_%s_seconds_bucket", name);
    put_labels(to, store, "le=\"+Inf\"");
    (void)fprintf(to, " %" PRIu64 "\nholog_%s_seconds_sum", h->count, name);
    put_labels(to, store, NULL);
    (void)fprintf(to, " %.9f\nholog_%s_seconds_count", (double)h->sum_ns / 1e9, name);
    put_labels(to, store, NULL);
    (void)fprintf(to, " %" PRIu64 "\n", h->count);
}

/* Names of tags hold nothing that would have to be escaped. */
static void put_holders(FILE *to, const char *store, json_object *holders)
{
    char labels[160];

    (void)fprintf(to, "# HELP holog_held_bytes Bytes of values that a tag or an open view keeps\n"
                      "# TYPE holog_held_bytes gauge\n");
    for (size_t i = 0; i < json_object_array_length(holders); i++) {
        json_object *item = json_object_array_get_idx(holders, i);
        const char *name = member_text(item, "name");
        (void)snprintf(labels, sizeof labels, "kind=\"%s\",name=\"%s\",commit=\"%" PRIu64 "\"",
                       member_text(item, "kind"), name != NULL ? name : "",
                       member_number(item, "commit"));
        (void)fprintf(to, "holog_held_bytes");
        put_labels(to, store, labels);
        (void)fprintf(to, " %" PRIu64 "\n", member_number(item, "bytes"));
    }
}

static void put_prometheus(FILE *to, const char *store, bool writes, const holog_stats *stats,
                           json_object *holders)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (writes || !rows[i].writers)
            put_metric(to, store, stats, &rows[i]);
    }
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
        if (writes || !histograms[i].writers)
            put_histogram(to, store, histogram_of(stats, i), histograms[i].name,
                          histograms[i].help);
    }
    put_holders(to, store, holders);
}

int stats_prometheus(FILE *to, const char *name, bool writes, holog_store *store)
{
    holog_stats stats = { .struct_size = sizeof stats };
    struct keepers keepers = { 0 };
    int rc = holog_stats_get(store, &stats);

    if (rc >= 0)
        rc = get_keepers(store, &keepers);
    if (rc >= 0)
        put_prometheus(to, name, writes, &stats, keepers.holders);
    free_keepers(&keepers);
    return rc;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static void put_figures(const struct args *args, const struct figures *figures)
{
    const char *store = args->operands[0];

    if (args->given[OPT_JSON]) {
        put_json(args, figures);
    } else if (args->given[OPT_PROMETHEUS]) {
        put_prometheus(stdout, store, false, &figures->stats, figures->keepers.holders);
        space_put_prometheus(stdout, store, space_of(figures), &figures->stats);
    } else {
        put_table(figures);
    }
}

/* Of the map; NULL: none. */
static const char *file_of(const struct args *args)
{
    return args->given[OPT_OUTPUT] ? args->text[OPT_OUTPUT] : args->text[OPT_MAP];
}

/* Forms that exclude each other. */
static int check_pairs(const struct args *args)
{
    static const struct {
        unsigned id;
        const char *name;
    } forms[] = { { OPT_SEGMENTS, "segments" },
                  { OPT_CODECS, "codecs" },
                  { OPT_MAP, "map" },
                  { OPT_PROMETHEUS, "prometheus" } };
    const size_t n = sizeof forms / sizeof forms[0];

    if (args->given[OPT_JSON] && args->given[OPT_PROMETHEUS])
        return cli_usage(args, "--json and --prometheus exclude each other");
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            if (args->given[forms[i].id] && args->given[forms[j].id])
                return cli_usage(args, "--%s and --%s exclude each other", forms[i].name,
                                 forms[j].name);
        }
    }
    return EXIT_DONE;
}

static int check_options(const struct args *args)
{
    const char *in_map = args->text[OPT_MAP];
    size_t len = in_map != NULL ? strlen(in_map) : 0;
    int status = check_pairs(args);

    if (status != EXIT_DONE)
        return status;
    if (args->given[OPT_OUTPUT] && !args->given[OPT_MAP])
        return cli_usage(args, "--output goes with --map");
    if (file_of(args) != NULL && args->given[OPT_JSON])
        return cli_usage(args, "--json and a picture exclude each other");
    if (in_map != NULL && args->given[OPT_OUTPUT])
        return cli_usage(args, "--map=%s and --output name two files", in_map);
    if (in_map != NULL && (len < 5 || strcmp(in_map + len - 4, ".png") != 0))
        return cli_usage(args, "--map: %s is no name for a PNG file (FILE.png)", in_map);
    return EXIT_DONE;
}

/* Here nothing is shown of a store that cannot be looked at. */
static int put_map(const struct args *args, holog_store *store)
{
    struct space space = { 0 };
    int rc = space_get(store, &space);
    int status = rc < 0 ? cli_fail(args, rc, args->operands[0]) : EXIT_DONE;

    if (status == EXIT_DONE && file_of(args) != NULL) {
        status = map_write_png(args, &space, file_of(args));
    } else if (status == EXIT_DONE && args->given[OPT_JSON]) {
        json_object *doc = json_object_new_object();
        json_add(doc, "store", json_text(args->operands[0]));
        map_add_json(doc, &space);
        json_print(doc);
    } else if (status == EXIT_DONE) {
        map_put_text(&space);
    }
    space_release(&space);
    return status;
}

static int put_segments(const struct args *args, holog_store *store)
{
    int rc = stats_segments(args, store);

    return rc < 0 ? cli_fail(args, rc, args->operands[0]) : EXIT_DONE;
}

static int put_all(const struct args *args, holog_store *store)
{
    struct figures figures = { 0 };
    int status = get_figures(args, store, &figures);

    if (figures.known)
        put_figures(args, &figures);
    free_figures(&figures);
    return status;
}

int verb_stats(const struct args *args)
{
    holog_store *store = NULL;
    int status = check_options(args);

    if (status == EXIT_DONE)
        status = cli_open(args, OPEN_READ, &store);
    if (status != EXIT_DONE)
        return status;
    if (args->given[OPT_SEGMENTS])
        status = put_segments(args, store);
    else if (args->given[OPT_CODECS])
        status = stats_codecs(args, store);
    else
        status = args->given[OPT_MAP] ? put_map(args, store) : put_all(args, store);
    status = cli_close(args, store, status);
    return cli_flush(args, status);
}
