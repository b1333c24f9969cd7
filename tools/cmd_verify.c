/*
 * cmd_verify.c: verify, scrub, repair, dump.
 */
#include <inttypes.h>
#include <string.h>

#include <holog/compact.h>

#include "inspect/dump.h"
#include "verbs.h"

struct damage_listing {
    const struct args *args;
    struct json_stream stream;
    uint64_t count;
    uint64_t harmless;
    bool by_hand; /* something stands where a file belongs */
    bool beyond;  /* damage that is not of a compressed segment */
};

/* ---- one damage ------------------------------------------------------------------------------ */

static json_object *damage_json(const holog_damage *damage)
{
    json_object *out = json_object_new_object();

    json_add(out, "file", json_text(damage->file));
    json_add(out, "segment", json_number(damage->segment));
    json_add(out, "offset", json_number(damage->offset));
    json_add(out, "harmless", json_object_new_boolean(damage->harmless != 0));
    json_add(out, "first_commit", json_number(damage->first_number));
    json_add(out, "last_commit", json_number(damage->last_number));
    json_add(out, "path", json_text(damage->path));
    json_add(out, "message", json_text(damage->message));
    return out;
}

/* Always escaped: one damage is one line. */
static void put_damage(const holog_damage *damage)
{
    if (damage->file != NULL) {
        put_escaped(stdout, damage->file);
        (void)printf(", offset %" PRIu64 ": ", damage->offset);
    }
    put_escaped(stdout, damage->message != NULL ? damage->message : "damaged");
    if (damage->first_number != 0 && damage->first_number == damage->last_number)
        (void)printf("; commit %" PRIu64, damage->first_number);
    else if (damage->first_number != 0)
        (void)printf("; commits %" PRIu64 "-%" PRIu64, damage->first_number, damage->last_number);
    if (damage->path != NULL) {
        (void)fputs("; entry ", stdout);
        put_escaped(stdout, damage->path);
    }
    (void)puts(damage->harmless != 0 ? " (harmless)" : "");
}

static int show_damage(void *ctx, const holog_damage *damage)
{
    struct damage_listing *list = ctx;

    list->count++;
    list->harmless += damage->harmless != 0;
    list->beyond |=
        damage->harmless == 0 && (damage->file == NULL || strstr(damage->file, ".hwp") == NULL);
    list->by_hand |= damage->message != NULL && strstr(damage->message, "take it away") != NULL;
    if (list->args->given[OPT_JSON])
        json_stream_item(&list->stream, damage_json(damage));
    else
        put_damage(damage);
    return 0;
}

static void begin_damage(struct damage_listing *list, const char *name, json_object *head)
{
    json_add(head, "store", json_text(list->args->operands[0]));
    if (list->args->given[OPT_JSON])
        json_stream_begin(&list->stream, head, name);
    else
        (void)json_object_put(head);
}

/* Ends the document; `detail` is of a call that failed, or NULL. */
static void end_damage(struct damage_listing *list, json_object *tail,
                       const struct holog_error_detail *detail)
{
    if (detail != NULL)
        json_add_error(tail, detail);
    if (list->args->given[OPT_JSON])
        json_stream_end(&list->stream, tail);
    else
        (void)json_object_put(tail);
}

/* ---- verify ---------------------------------------------------------------------------------- */

/* A repair cuts the log, so that a store opens: of one that does it mends nothing. */
static const char *verify_advice(const struct damage_listing *list, const char *dir)
{
    const holog_options o = { .struct_size = sizeof o, .flags = HOLOG_OPEN_READONLY };
    holog_store *store = NULL;

    if (list->by_hand)
        return "take away what is in the way, then verify again";
    if (holog_open(dir, &o, &store) == HOLOG_OK) {
        (void)holog_close(store);
        return "the store opens: save again what is named, from a copy, or restore the store";
    }
    return list->beyond ? "'holog repair' makes it open again"
                        : "restore the file from a copy: no repair makes up for it";
}

int verb_verify(const struct args *args)
{
    struct damage_listing list = { .args = args };
    const char *dir = args->operands[0];
    struct holog_error_detail detail;
    struct progress progress;
    json_object *head = json_object_new_object();
    json_object *tail = json_object_new_object();
    uint64_t start = now_ns();

    json_add(head, "quick", json_object_new_boolean(args->given[OPT_QUICK]));
    begin_damage(&list, "damage", head);
    progress_begin(&progress, "verifying");
    int rc = holog_verify(dir, args->given[OPT_QUICK] ? (unsigned)HOLOG_VERIFY_QUICK : 0,
                          show_damage, &list, progress_report, &progress);
    if (rc < 0)
        cli_detail(rc, &detail);
    progress_end(&progress);
    json_add(tail, "sound", json_object_new_boolean(rc >= 0));
    json_add(tail, "duration_ns", json_number(now_ns() - start));
    bool told = rc == HOLOG_E_CORRUPT && list.count > 0;
    end_damage(&list, tail, rc < 0 && !told ? &detail : NULL);
    if (rc < 0 && !told)
        return cli_flush(args, cli_fail_detail(args, &detail, NULL, dir));
    if (rc < 0)
        cli_note(args, "%s: %" PRIu64 " damaged %s; %s", dir, list.count - list.harmless,
                 list.count - list.harmless == 1 ? "place" : "places", verify_advice(&list, dir));
    else if (!args->given[OPT_JSON])
        (void)puts("sound");
    return cli_flush(args, rc < 0 ? EXIT_DAMAGE : EXIT_DONE);
}

/* ---- scrub ----------------------------------------------------------------------------------- */

static int scrub(const struct args *args, holog_store *store, struct damage_listing *list,
                 holog_scrub_report *report)
{
    struct progress progress;
    const holog_scrub_options opts = { .struct_size = sizeof opts,
                                       .bytes_per_s =
                                           args->given[OPT_RATE] ? args->number[OPT_RATE] : 0,
                                       .progress = progress_report,
                                       .progress_ctx = &progress };

    progress_begin(&progress, "scrubbing");
    int rc = holog_scrub(store, &opts, show_damage, list, report);
    progress_end(&progress);
    return rc;
}

static int end_scrub(struct damage_listing *list, const holog_scrub_report *report, int rc)
{
    const struct args *args = list->args;
    bool told = rc == HOLOG_E_CORRUPT && list->count > 0;
    struct holog_error_detail detail;
    json_object *tail = json_object_new_object();
    char bytes[HUMAN_MAX];

    if (rc < 0)
        cli_detail(rc, &detail);
    json_add(tail, "sound", json_object_new_boolean(rc >= 0));
    json_add(tail, "segments", json_number(report->segments));
    json_add(tail, "bytes", json_number(report->bytes));
    end_damage(list, tail, rc < 0 && !told ? &detail : NULL);
    if (rc < 0 && !told)
        return cli_fail_detail(args, &detail, NULL, args->operands[0]);
    if (rc < 0)
        cli_note(args, "%s: %" PRIu64 " damaged %s; save again what is named, from a copy",
                 args->operands[0], report->damages, report->damages == 1 ? "place" : "places");
    else if (!args->given[OPT_JSON])
        (void)printf("sound: %" PRIu32 " compressed segment%s, %s\n", report->segments,
                     report->segments == 1 ? "" : "s", human_bytes(report->bytes, bytes));
    return rc < 0 ? EXIT_DAMAGE : EXIT_DONE;
}

int verb_scrub(const struct args *args)
{
    struct damage_listing list = { .args = args };
    holog_scrub_report report = { .struct_size = sizeof report };
    holog_store *store = NULL;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    catch_signals();
    begin_damage(&list, "damage", json_object_new_object());
    status = end_scrub(&list, &report, scrub(args, store, &list, &report));
    return cli_flush(args, cli_close(args, store, status));
}

/* ---- repair ---------------------------------------------------------------------------------- */

static json_object *repair_json(const holog_repair_report *report)
{
    json_object *out = json_object_new_object();

    json_add(out, "changed", json_object_new_boolean(report->changed != 0));
    json_add(out, "kept_through_commit", json_number(report->kept_through_number));
    json_add(out, "lost_first_commit", json_number(report->lost_first_number));
    json_add(out, "lost_last_commit", json_number(report->lost_last_number));
    json_add(out, "entries_lost", json_number(report->entries_lost));
    json_add(out, "quarantined_bytes", json_number(report->quarantined_bytes));
    return out;
}

static void put_repair(const struct args *args, const holog_repair_report *report)
{
    const char *would = args->given[OPT_DRY_RUN] ? "would be " : "";
    char bytes[HUMAN_MAX];

    if (report->changed == 0) {
        (void)puts("nothing needed doing");
        return;
    }
    (void)printf("%skept: everything through commit %" PRIu64 "\n", would,
                 report->kept_through_number);
    if (report->lost_first_number != 0)
        (void)printf("%slost: commits %" PRIu64 "-%" PRIu64 ", %" PRIu64 " entries\n", would,
                     report->lost_first_number, report->lost_last_number, report->entries_lost);
    (void)printf("%scopied to quarantine/: %s\n", would,
                 human_bytes(report->quarantined_bytes, bytes));
}

static int repair_mode(const struct args *args, enum holog_repair_mode *out_mode)
{
    const char *mode = args->text[OPT_MODE];

    if (mode == NULL)
        return cli_usage(args, "--mode is missing: point-in-time keeps all before the first "
                               "damage, salvage every commit that verifies");
    if (strcmp(mode, "point-in-time") == 0)
        *out_mode = HOLOG_REPAIR_POINT_IN_TIME;
    else if (strcmp(mode, "salvage") == 0)
        *out_mode = HOLOG_REPAIR_SALVAGE;
    else
        return cli_usage(args, "--mode: \"%s\" is neither point-in-time nor salvage", mode);
    return EXIT_DONE;
}

int verb_repair(const struct args *args)
{
    struct damage_listing list = { .args = args };
    holog_repair_report report = { .struct_size = sizeof report };
    enum holog_repair_mode mode = HOLOG_REPAIR_POINT_IN_TIME;
    struct holog_error_detail detail;
    bool dry_run = args->given[OPT_DRY_RUN];
    int status = repair_mode(args, &mode);

    if (status != EXIT_DONE)
        return status;
    json_object *head = json_object_new_object();
    json_add(head, "mode", json_text(args->text[OPT_MODE]));
    json_add(head, "dry_run", json_object_new_boolean(dry_run));
    begin_damage(&list, "lost", head);
    int rc = holog_repair(args->operands[0], mode, dry_run, show_damage, &list, &report);
    if (rc < 0)
        cli_detail(rc, &detail);
    end_damage(&list, rc >= 0 ? repair_json(&report) : json_object_new_object(),
               rc < 0 ? &detail : NULL);
    if (rc < 0)
        return cli_flush(args, cli_fail_detail(args, &detail, NULL, args->operands[0]));
    if (!args->given[OPT_JSON])
        put_repair(args, &report);
    if (!dry_run || report.changed == 0)
        return cli_flush(args, EXIT_DONE);
    cli_note(args, "%s is as it was; without --dry-run this is done", args->operands[0]);
    return cli_flush(args, EXIT_DAMAGE);
}

/* ---- dump ------------------------------------------------------------------------------------ */

int verb_dump(const struct args *args)
{
    return cli_flush(args, dump_segment(args->operands[0], args->given[OPT_JSON]));
}
