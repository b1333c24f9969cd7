/*
 * cmd_gc.c: gc. Says what each rule of retention lets go of, then lets go.
 *
 * Rules add up: a state that one of them does not keep is not kept. So each line says what its rule
 * takes beside those above it; they are asked by dry runs with the rules below it switched off.
 */
#include <inttypes.h>

#include "verbs.h"

#define ALL UINT64_MAX /* switches a rule off */

struct rule {
    char text[64];          /* as on the command line, or the store's own setting */
    holog_gc_report report; /* of this one and those above it */
};

enum {
    RULE_BYTES,
    RULE_COMMITS,
    RULE_AGE,
    RULE_COUNT
};

/* ---- asking ---------------------------------------------------------------------------------- */

static int describe(const struct args *args, holog_store *store, struct rule *rule, unsigned option,
                    const char *key)
{
    char value[32] = "";

    if (option != OPT_END && args->given[option]) {
        (void)snprintf(rule->text, sizeof rule->text, "--%s %s",
                       option == OPT_KEEP ? "keep" : "older", args->text[option]);
        return HOLOG_OK;
    }
    int rc = holog_config(store, key, NULL, value, sizeof value);
    (void)snprintf(rule->text, sizeof rule->text, "%s=%s", key, value);
    return rc;
}

static int ask_rules(const struct args *args, holog_store *store, struct rule *rules)
{
    uint64_t commits = args->number[OPT_KEEP]; /* 0, not given: the store's rule */
    uint64_t age_s = args->number[OPT_OLDER];
    const uint64_t steps[RULE_COUNT][2] = { { ALL, ALL }, { commits, ALL }, { commits, age_s } };
    int rc = describe(args, store, &rules[RULE_BYTES], OPT_END, "retention.bytes");

    if (rc >= 0)
        rc = describe(args, store, &rules[RULE_COMMITS], OPT_KEEP, "retention.commits");
    if (rc >= 0)
        rc = describe(args, store, &rules[RULE_AGE], OPT_OLDER, "retention.age_s");
    for (size_t i = 0; i < RULE_COUNT && rc >= 0; i++) {
        rules[i].report = (holog_gc_report){ .struct_size = sizeof rules[i].report };
        rc = holog_gc(store, steps[i][0], steps[i][1], 1, &rules[i].report);
    }
    return rc;
}

/* What rule i takes beside those above it. */
static uint64_t bytes_beside(const struct rule *rules, size_t i)
{
    return rules[i].report.bytes - (i > 0 ? rules[i - 1].report.bytes : 0);
}

static uint64_t versions_beside(const struct rule *rules, size_t i)
{
    return rules[i].report.versions - (i > 0 ? rules[i - 1].report.versions : 0);
}

/* ---- saying ---------------------------------------------------------------------------------- */

static json_object *rules_json(const struct rule *rules)
{
    json_object *out = json_object_new_array();

    for (size_t i = 0; i < RULE_COUNT; i++) {
        json_object *item = json_object_new_object();
        json_add(item, "rule", json_text(rules[i].text));
        json_add(item, "keeps_from", json_number(rules[i].report.horizon));
        json_add(item, "versions", json_number(versions_beside(rules, i)));
        json_add(item, "bytes", json_number(bytes_beside(rules, i)));
        (void)json_object_array_add(out, item);
    }
    return out;
}

static void put_json(const struct args *args, const struct rule *rules, const holog_gc_report *r)
{
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "dry_run", json_object_new_boolean(args->given[OPT_DRY_RUN]));
    json_add(doc, "rules", rules_json(rules));
    json_add(doc, "kept_from_before", json_number(r->horizon_before));
    json_add(doc, "kept_from", json_number(r->horizon));
    json_add(doc, "commits_before", json_number(r->commits_before));
    json_add(doc, "commits", json_number(r->commits));
    json_add(doc, "versions", json_number(r->versions));
    json_add(doc, "bytes", json_number(r->bytes));
    json_add(doc, "kept_by_tags_bytes", json_number(r->kept_by_tags_bytes));
    json_print(doc);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void put_rules(const struct rule *rules)
{
    char bytes[HUMAN_MAX];

    (void)printf("%-28s %12s %10s %12s\n", "rule", "keeps from", "versions", "bytes freed");
    for (size_t i = 0; i < RULE_COUNT; i++)
        (void)printf("%-28s %12" PRIu64 " %10" PRIu64 " %12s\n", rules[i].text,
                     rules[i].report.horizon, versions_beside(rules, i),
                     human_bytes(bytes_beside(rules, i), bytes));
}

static void put_total(const struct args *args, const holog_gc_report *r)
{
    const char *would = args->given[OPT_DRY_RUN] ? "would be " : "";
    char bytes[HUMAN_MAX];

    (void)printf("\n%" PRIu64 " version%s, %s, %sfreed; ", r->versions, plural(r->versions),
                 human_bytes(r->bytes, bytes), would);
    (void)printf("of %" PRIu64 " state%s %" PRIu64 " %skept, from commit %" PRIu64 " on\n",
                 r->commits_before, plural(r->commits_before), r->commits, would, r->horizon);
    if (r->kept_by_tags_bytes != 0)
        (void)printf("tags keep %s of older versions ('holog stats' lists them)\n",
                     human_bytes(r->kept_by_tags_bytes, bytes));
}

/* ---- the verb -------------------------------------------------------------------------------- */

static int collect(const struct args *args, holog_store *store)
{
    holog_gc_report report = { .struct_size = sizeof report };
    struct rule rules[RULE_COUNT];
    int rc = ask_rules(args, store, rules);

    if (rc >= 0 && !args->given[OPT_JSON]) {
        put_rules(rules); /* first says, then does */
        (void)fflush(stdout);
    }
    if (rc >= 0)
        rc = holog_gc(store, args->number[OPT_KEEP], args->number[OPT_OLDER],
                      args->given[OPT_DRY_RUN], &report);
    if (rc < 0)
        return cli_fail(args, rc, args->operands[0]);
    if (args->given[OPT_JSON])
        put_json(args, rules, &report);
    else
        put_total(args, &report);
    return EXIT_DONE;
}

int verb_gc(const struct args *args)
{
    holog_store *store = NULL;

    if (args->given[OPT_KEEP] && args->number[OPT_KEEP] == 0)
        return cli_usage(args, "--keep 0: the newest state is always kept, so at least 1");
    if (args->given[OPT_OLDER] && args->number[OPT_OLDER] == 0)
        return cli_usage(args, "--older 0: at least a second (1s)");
    int status = cli_open(args, args->given[OPT_DRY_RUN] ? OPEN_READ : OPEN_WRITE, &store);
    if (status != EXIT_DONE)
        return status;
    status = collect(args, store);
    status = cli_close(args, store, status);
    return cli_flush(args, status);
}
