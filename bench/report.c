/*
 * Samples, medians, ratios and verdicts; see report.h.
 */
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "util.h"

#define ROWS_MAX    64
#define ENGINES_MAX 12

struct line {
    char engine[24];
    double samples[BENCH_SAMPLES_MAX];
    unsigned count;
    char note[160];
    char failure[256];
};

struct row {
    const struct bench_row_def *def;
    struct line lines[ENGINES_MAX];
    unsigned count;
    int printed;
};

struct bench_report {
    struct row rows[ROWS_MAX];
    unsigned count;
    unsigned failures;
};

struct bench_report *bench_report_new(void)
{
    return bench_alloc(sizeof(struct bench_report));
}

void bench_report_free(struct bench_report *report)
{
    free(report);
}

/* ---- filling ---- */

void bench_report_row(struct bench_report *report, const struct bench_row_def *def)
{
    if (report->count == ROWS_MAX)
        bench_die("more than %d rows", ROWS_MAX);
    report->rows[report->count++].def = def;
}

static const struct row *find_row(const struct bench_report *report, const char *id)
{
    for (unsigned i = 0; i < report->count; i++) {
        if (strcmp(report->rows[i].def->id, id) == 0)
            return &report->rows[i];
    }
    return NULL;
}

static const struct line *find_line(const struct row *row, const char *engine)
{
    for (unsigned i = 0; row != NULL && i < row->count; i++) {
        if (strcmp(row->lines[i].engine, engine) == 0)
            return &row->lines[i];
    }
    return NULL;
}

static struct line *get_line(struct bench_report *report, const char *id, const char *engine)
{
    const struct row *found = find_row(report, id);

    if (found == NULL)
        bench_die("no row %s", id);
    struct row *row = &report->rows[found - report->rows];
    const struct line *line = find_line(row, engine);
    if (line != NULL)
        return &row->lines[line - row->lines];
    if (row->count == ENGINES_MAX)
        bench_die("more than %d engines", ENGINES_MAX);
    struct line *made = &row->lines[row->count++];
    (void)snprintf(made->engine, sizeof made->engine, "%s", engine);
    return made;
}

void bench_report_add(struct bench_report *report, const char *row, const char *engine,
                      double value)
{
    struct line *line = get_line(report, row, engine);

    if (line->count < BENCH_SAMPLES_MAX)
        line->samples[line->count++] = value;
}

void bench_report_note(struct bench_report *report, const char *row, const char *engine,
                       const char *format, ...)
{
    struct line *line = get_line(report, row, engine);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line->note, sizeof line->note, format, args);
    va_end(args);
}

void bench_report_fail(struct bench_report *report, const char *row, const char *engine,
                       const char *why)
{
    struct line *line = get_line(report, row, engine);

    (void)snprintf(line->failure, sizeof line->failure, "%s", why);
    report->failures++;
}

unsigned bench_report_failures(const struct bench_report *report)
{
    return report->failures;
}

/* ---- judging ---- */

static double median_of(const struct line *line)
{
    return bench_median(line->samples, line->count);
}

static double extreme_of(const struct line *line, int largest)
{
    double value = line->count > 0 ? line->samples[0] : 0;

    for (unsigned i = 1; i < line->count; i++) {
        if (largest ? line->samples[i] > value : line->samples[i] < value)
            value = line->samples[i];
    }
    return value;
}

/* The median, over the rounds, of a in that round by b in the same round. */
static double paired_ratio(const struct line *a, const struct line *b)
{
    double ratios[BENCH_SAMPLES_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < a->count && i < b->count; i++) {
        if (b->samples[i] > 0)
            ratios[n++] = a->samples[i] / b->samples[i];
    }
    return bench_median(ratios, n);
}

static int is_disk(const char *engine)
{
    return strcmp(engine, BENCH_RAW) == 0 || strcmp(engine, BENCH_RAW_2) == 0;
}

static int is_peer(const char *engine)
{
    return strncmp(engine, "holog", 5) != 0 && !is_disk(engine);
}

static const struct line *best_peer(const struct row *row)
{
    const struct line *best = NULL;

    for (unsigned i = 0; i < row->count; i++) {
        const struct line *l = &row->lines[i];
        if (!is_peer(l->engine) || l->count == 0)
            continue;
        if (best == NULL || (row->def->better == BENCH_MORE ? median_of(l) > median_of(best)
                                                            : median_of(l) < median_of(best)))
            best = l;
    }
    return best;
}

struct verdict {
    int judged; /* 0: something to compare with is missing */
    int met;
    double reached;   /* in the target's own terms: a ratio or units */
    double missed_by; /* fraction of the target */
    char target[96];
};

static void format_number(char *out, size_t size, double value)
{
    if (value >= 1e9)
        (void)snprintf(out, size, "%.2f G", value / 1e9);
    else if (value >= 1e6)
        (void)snprintf(out, size, "%.2f M", value / 1e6);
    else if (value >= 1e4)
        (void)snprintf(out, size, "%.1f k", value / 1e3);
    else if (value >= 100)
        (void)snprintf(out, size, "%.0f", value);
    else if (value >= 10)
        (void)snprintf(out, size, "%.1f", value);
    else
        (void)snprintf(out, size, "%.3f", value);
}

static void judge_ratio(const struct row *row, const struct line *ours, const struct line *other,
                        struct verdict *v)
{
    if (other == NULL || other->count == 0)
        return;
    v->reached = paired_ratio(ours, other);
    if (row->def->better == BENCH_LESS && v->reached > 0 && !is_disk(other->engine))
        v->reached = 1 / v->reached;
    v->judged = v->reached > 0;
}

static void judge(const struct bench_report *report, const struct row *row,
                  const struct bench_target *t, struct verdict *v)
{
    const struct line *ours = find_line(row, "holog");
    const struct line *peer = best_peer(row);
    int at_least = row->def->better == BENCH_MORE || t->kind == BENCH_TIMES_PEER;
    const char *sign = at_least ? ">=" : "<=";
    char number[32];

    memset(v, 0, sizeof *v);
    format_number(number, sizeof number, t->x);
    if (t->kind == BENCH_TIMES_PEER)
        (void)snprintf(v->target, sizeof v->target, "%s %.2f x best peer (%s)", sign, t->x,
                       peer != NULL ? peer->engine : "none here");
    else if (t->kind == BENCH_TIMES_RAW)
        (void)snprintf(v->target, sizeof v->target, "%s %.2f x the disk%s", sign, t->x,
                       t->row != NULL ? " when idle" : "");
    else
        (void)snprintf(v->target, sizeof v->target, "%s %s %s", sign, number, row->def->unit);
    if (ours == NULL || ours->count == 0)
        return;
    if (t->kind == BENCH_TIMES_PEER) {
        judge_ratio(row, ours, peer, v);
    } else if (t->kind == BENCH_TIMES_RAW) {
        judge_ratio(row, ours,
                    find_line(t->row != NULL ? find_row(report, t->row) : row, BENCH_RAW), v);
    } else {
        v->reached = median_of(ours);
        v->judged = 1;
    }
    v->met = v->judged && (at_least ? v->reached >= t->x : v->reached <= t->x);
    v->missed_by = v->met ? 0 : (at_least ? 1 - v->reached / t->x : v->reached / t->x - 1);
}

static void format_verdict(char *out, size_t size, const struct verdict *v, int ratio)
{
    char number[32];

    if (!v->judged) {
        (void)snprintf(out, size, "not judged");
        return;
    }
    format_number(number, sizeof number, v->reached);
    if (v->met)
        (void)snprintf(out, size, "met (%s%s)", number, ratio ? " x" : "");
    else
        (void)snprintf(out, size, "missed by %.0f %% (%s%s)", v->missed_by * 100, number,
                       ratio ? " x" : "");
}

/* ---- printing ---- */

static void print_line(const struct row *row, const struct line *line, FILE *to)
{
    char median[32], least[32], most[32];
    const struct line *peer = best_peer(row);
    double spread = 0;

    if (line->count == 0) {
        (void)fprintf(to, "  %-13s failed: %s\n", line->engine, line->failure);
        return;
    }
    format_number(median, sizeof median, median_of(line));
    format_number(least, sizeof least, extreme_of(line, 0));
    format_number(most, sizeof most, extreme_of(line, 1));
    if (median_of(line) > 0)
        spread = (extreme_of(line, 1) - extreme_of(line, 0)) / median_of(line) * 100;
    (void)fprintf(to, "  %-13s %10s %10s %10s %6.0f %%", line->engine, median, least, most, spread);
    if (peer != NULL && !is_disk(line->engine))
        (void)fprintf(to, " %8.2f", line == peer ? 1.0 : paired_ratio(line, peer));
    else
        (void)fprintf(to, " %8s", "");
    if (is_disk(line->engine))
        (void)fprintf(to, "  the disk itself%s",
                      strcmp(line->engine, BENCH_RAW_2) == 0 ? ", two transfers in flight" : "");
    if (line->note[0] != '\0')
        (void)fprintf(to, "  %s", line->note);
    if (line->failure[0] != '\0')
        (void)fprintf(to, "  FAILED in a round: %s", line->failure);
    (void)fputc('\n', to);
}

static void print_row(const struct bench_report *report, const struct row *row, FILE *to)
{
    (void)fprintf(to, "\n%s: %s [%s, %s is better]\n", row->def->id, row->def->what, row->def->unit,
                  row->def->better == BENCH_MORE ? "more" : "less");
    (void)fprintf(to, "  %-13s %10s %10s %10s %8s %8s\n", "", "median", "min", "max", "spread",
                  "x peer");
    for (unsigned i = 0; i < row->count; i++)
        print_line(row, &row->lines[i], to);
    for (unsigned i = 0; i < BENCH_TARGETS_MAX; i++) {
        const struct bench_target *t = &row->def->targets[i];
        struct verdict v;
        char text[64];
        if (t->kind == BENCH_NO_TARGET)
            continue;
        judge(report, row, t, &v);
        format_verdict(text, sizeof text, &v, t->kind != BENCH_ABSOLUTE);
        (void)fprintf(to, "  target %s: %s\n", v.target, text);
    }
    (void)fflush(to);
}

void bench_report_print_new(struct bench_report *report, FILE *to)
{
    for (unsigned i = 0; i < report->count; i++) {
        struct row *row = &report->rows[i];
        if (!row->printed && row->count > 0)
            print_row(report, row, to);
        row->printed = 1;
    }
}

void bench_report_print_verdicts(const struct bench_report *report, FILE *to)
{
    unsigned met = 0;
    unsigned missed = 0;

    (void)fprintf(to, "\n%-22s %-40s %s\n", "row", "target", "verdict");
    for (unsigned i = 0; i < report->count; i++) {
        const struct row *row = &report->rows[i];
        for (unsigned k = 0; k < BENCH_TARGETS_MAX; k++) {
            const struct bench_target *t = &row->def->targets[k];
            struct verdict v;
            char text[64];
            if (t->kind == BENCH_NO_TARGET)
                continue;
            judge(report, row, t, &v);
            format_verdict(text, sizeof text, &v, t->kind != BENCH_ABSOLUTE);
            (void)fprintf(to, "%-22s %-40s %s\n", row->def->id, v.target, text);
            met += v.judged && v.met;
            missed += v.judged && !v.met;
        }
    }
    (void)fprintf(to, "%u met, %u missed\n", met, missed);
}

/* ---- JSON ---- */

void bench_json_string(FILE *to, const char *text)
{
    (void)fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            (void)fprintf(to, "\\%c", c);
        else if (c < 0x20)
            (void)fprintf(to, "\\u%04x", c);
        else
            (void)fputc(c, to);
    }
    (void)fputc('"', to);
}

static void json_line(const struct row *row, const struct line *line, FILE *to)
{
    const struct line *peer = best_peer(row);

    (void)fprintf(to, "    {\"engine\": ");
    bench_json_string(to, line->engine);
    if (line->count > 0)
        (void)fprintf(to, ", \"median\": %.6g, \"min\": %.6g, \"max\": %.6g", median_of(line),
                      extreme_of(line, 0), extreme_of(line, 1));
    (void)fprintf(to, ", \"samples\": [");
    for (unsigned i = 0; i < line->count; i++)
        (void)fprintf(to, "%s%.6g", i > 0 ? ", " : "", line->samples[i]);
    (void)fputc(']', to);
    if (peer != NULL && line->count > 0)
        (void)fprintf(to, ", \"times_best_peer\": %.4g", paired_ratio(line, peer));
    if (line->note[0] != '\0') {
        (void)fprintf(to, ", \"note\": ");
        bench_json_string(to, line->note);
    }
    if (line->failure[0] != '\0') {
        (void)fprintf(to, ", \"failed\": ");
        bench_json_string(to, line->failure);
    }
    (void)fputc('}', to);
}

static void json_targets(const struct bench_report *report, const struct row *row, FILE *to)
{
    const char *separator = "";

    (void)fprintf(to, "   \"targets\": [");
    for (unsigned i = 0; i < BENCH_TARGETS_MAX; i++) {
        const struct bench_target *t = &row->def->targets[i];
        struct verdict v;
        if (t->kind == BENCH_NO_TARGET)
            continue;
        judge(report, row, t, &v);
        (void)fprintf(to, "%s{\"target\": ", separator);
        bench_json_string(to, v.target);
        if (v.judged)
            (void)fprintf(to, ", \"reached\": %.6g, \"met\": %s, \"missed_by\": %.4g", v.reached,
                          v.met ? "true" : "false", v.missed_by);
        (void)fputc('}', to);
        separator = ", ";
    }
    (void)fprintf(to, "]}");
}

void bench_report_json(const struct bench_report *report, FILE *to)
{
    (void)fputc('[', to);
    for (unsigned i = 0; i < report->count; i++) {
        const struct row *row = &report->rows[i];
        (void)fprintf(to, "%s\n  {\"id\": ", i > 0 ? "," : "");
        bench_json_string(to, row->def->id);
        (void)fprintf(to, ", \"what\": ");
        bench_json_string(to, row->def->what);
        (void)fprintf(to, ", \"unit\": ");
        bench_json_string(to, row->def->unit);
        (void)fprintf(to, ", \"better\": \"%s\",\n   \"results\": [\n",
                      row->def->better == BENCH_MORE ? "more" : "less");
        for (unsigned k = 0; k < row->count; k++) {
            json_line(row, &row->lines[k], to);
            (void)fprintf(to, k + 1 < row->count ? ",\n" : "],\n");
        }
        if (row->count == 0)
            (void)fprintf(to, "   ],\n");
        json_targets(report, row, to);
    }
    (void)fprintf(to, "\n ]");
}
