/*
 * cmd_codecs.c: stats --codecs. How what was compressed is coded, and what that gives.
 */
#include <inttypes.h>

#include <holog/compact.h>

#include "verbs.h"

struct codecs {
    const struct args *args;
    holog_codec_report report;
    json_object *rows;
    json_object *damage;
    bool begun; /* the table has its title */
};

static double ratio_of(uint64_t raw, uint64_t stored)
{
    return stored != 0 ? (double)raw / (double)stored : 0;
}

static const char *use_of(const holog_codec_row *row)
{
    return row->pools ? "records" : "values";
}

static const char *state_of(const holog_codec_row *row)
{
    static const char *const names[] = { "known", "later", "unreadable" };

    return names[row->state <= HOLOG_CODEC_UNREADABLE ? row->state : HOLOG_CODEC_LATER];
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_sizes(json_object *item, const holog_codec_row *row)
{
    double ratio = ratio_of(row->raw_bytes, row->stored_bytes);

    json_add(item, "blocks", json_number(row->blocks));
    json_add(item, "differences", json_number(row->differences));
    json_add(item, "raw_bytes", json_number(row->raw_bytes));
    json_add(item, "stored_bytes", json_number(row->stored_bytes));
    json_add(item, "ratio", ratio > 0 ? json_object_new_double(ratio) : NULL);
}

static json_object *row_json(const holog_codec_row *row)
{
    json_object *item = json_object_new_object();
    bool known = row->state == HOLOG_CODEC_KNOWN;

    json_add(item, "of", json_text(use_of(row)));
    json_add(item, "state", json_text(state_of(row)));
    json_add(item, "filter", json_text(known ? row->filter_name : NULL));
    json_add(item, "codec", json_text(known ? row->codec_name : NULL));
    add_sizes(item, row);
    return item;
}

/* ---- table ----------------------------------------------------------------------------------- */

static void put_row(const char *use, const char *filter, const char *codec,
                    const holog_codec_row *row)
{
    char raw[HUMAN_MAX];
    char stored[HUMAN_MAX];

    (void)printf("%-8s %-10s %-9s %10" PRIu64 " %11" PRIu64 " %10s %10s %8.2f\n", use, filter,
                 codec, row->blocks, row->differences, human_bytes(row->raw_bytes, raw),
                 human_bytes(row->stored_bytes, stored),
                 ratio_of(row->raw_bytes, row->stored_bytes));
}

static void put_title(struct codecs *c)
{
    if (!c->begun)
        (void)printf("%-8s %-10s %-9s %10s %11s %10s %10s %8s\n", "of", "filter", "codec", "blocks",
                     "differences", "raw", "stored", "ratio");
    c->begun = true;
}

/* ---- what the library tells ------------------------------------------------------------------ */

static int take_row(void *ctx, const holog_codec_row *row)
{
    struct codecs *c = ctx;
    bool known = row->state == HOLOG_CODEC_KNOWN;

    if (c->args->given[OPT_JSON]) {
        (void)json_object_array_add(c->rows, row_json(row));
        return 0;
    }
    put_title(c);
    put_row(use_of(row), known ? row->filter_name : state_of(row), known ? row->codec_name : "",
            row);
    return ferror(stdout) != 0;
}

static int take_damage(void *ctx, const holog_damage *damage)
{
    struct codecs *c = ctx;
    json_object *item;

    if (!c->args->given[OPT_JSON]) {
        cli_note(c->args, "%s, offset %" PRIu64 ": %s", damage->file, damage->offset,
                 damage->message);
        return 0;
    }
    item = json_object_new_object();
    json_add(item, "file", json_text(damage->file));
    json_add(item, "segment", json_number(damage->segment));
    json_add(item, "offset", json_number(damage->offset));
    json_add(item, "message", json_text(damage->message));
    (void)json_object_array_add(c->damage, item);
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static holog_codec_row total_of(const holog_codec_report *r)
{
    return (holog_codec_row){ .blocks = r->blocks,
                              .differences = r->differences,
                              .raw_bytes = r->raw_bytes,
                              .stored_bytes = r->stored_bytes };
}

/* Takes rows and damage. */
static void put_json(struct codecs *c)
{
    const holog_codec_row total = total_of(&c->report);
    json_object *doc = json_object_new_object();
    json_object *sum = json_object_new_object();

    add_sizes(sum, &total);
    json_add(doc, "store", json_text(c->args->operands[0]));
    json_add(doc, "segments", json_number(c->report.segments));
    json_add(doc, "codecs", c->rows);
    json_add(doc, "total", sum);
    json_add(doc, "same_values", json_number(c->report.same_values));
    json_add(doc, "same_bytes", json_number(c->report.same_bytes));
    json_add(doc, "read_bytes", json_number(c->report.read_bytes));
    json_add(doc, "damage", c->damage);
    json_print(doc);
    c->rows = c->damage = NULL;
}

static void put_end(const struct codecs *c)
{
    const holog_codec_report *r = &c->report;
    const holog_codec_row total = total_of(r);
    char bytes[HUMAN_MAX];

    if (r->blocks == 0 && r->same_values == 0) {
        (void)puts("nothing is compressed: see 'holog compact'");
        return;
    }
    put_row("total", "", "", &total);
    if (r->same_values > 0)
        (void)printf("%" PRIu64 " more value%s, %s, ha%s the bytes of others, and take%s none\n",
                     r->same_values, r->same_values == 1 ? "" : "s",
                     human_bytes(r->same_bytes, bytes), r->same_values == 1 ? "s" : "ve",
                     r->same_values == 1 ? "s" : "");
}

/* Figures are shown, damage or not. */
static int put(struct codecs *c, int rc)
{
    const struct args *args = c->args;
    bool told = rc == HOLOG_E_CORRUPT && c->report.damages > 0;

    if (rc < 0 && !told)
        return cli_fail(args, rc, args->operands[0]);
    if (args->given[OPT_JSON])
        put_json(c);
    else
        put_end(c);
    if (told)
        cli_note(args,
                 "%s: %" PRIu64 " damaged place%s; 'holog scrub' says which values are damaged",
                 args->operands[0], c->report.damages, c->report.damages == 1 ? "" : "s");
    return told ? EXIT_DAMAGE : EXIT_DONE;
}

int stats_codecs(const struct args *args, holog_store *store)
{
    struct codecs c = { .args = args, .report = { .struct_size = sizeof c.report } };
    int status;

    c.rows = json_object_new_array();
    c.damage = json_object_new_array();
    status = put(&c, holog_codec_stats(store, take_row, take_damage, &c, &c.report));
    (void)json_object_put(c.rows);
    (void)json_object_put(c.damage);
    return status;
}
