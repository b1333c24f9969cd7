/*
 * What was measured: rows of samples, one list for each engine, judged and printed as a table and
 * as JSON. README.md says how the numbers are made.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#define BENCH_SAMPLES_MAX 32
#define BENCH_TARGETS_MAX 2

enum bench_better {
    BENCH_MORE,
    BENCH_LESS
};

enum bench_target_kind {
    BENCH_NO_TARGET,
    BENCH_TIMES_PEER, /* at least x times the best peer (less-is-better rows: 1/x of it) */
    BENCH_TIMES_RAW,  /* more-is-better: at least x times the disk; else at most */
    BENCH_ABSOLUTE    /* more-is-better: at least x units; else at most */
};

struct bench_target {
    enum bench_target_kind kind;
    double x;
    const char *row; /* where the disk's own samples are; NULL: this row */
};

/* Borrowed for ever: all of it is static. */
struct bench_row_def {
    const char *id;
    const char *what;
    const char *unit;
    enum bench_better better;
    struct bench_target targets[BENCH_TARGETS_MAX];
};

struct bench_report;

struct bench_report *bench_report_new(void);
void bench_report_free(struct bench_report *report);

void bench_report_row(struct bench_report *report, const struct bench_row_def *def);
void bench_report_add(struct bench_report *report, const char *row, const char *engine,
                      double value);
/* Shown behind the engine's line; the last one counts. */
void bench_report_note(struct bench_report *report, const char *row, const char *engine,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
void bench_report_fail(struct bench_report *report, const char *row, const char *engine,
                       const char *why);
unsigned bench_report_failures(const struct bench_report *report);

/* The rows added since the last call; the verdicts of rows that are complete. */
void bench_report_print_new(struct bench_report *report, FILE *to);
/* One line for each target: what it is, what was reached. */
void bench_report_print_verdicts(const struct bench_report *report, FILE *to);
/* The rows as a JSON array. */
void bench_report_json(const struct bench_report *report, FILE *to);
void bench_json_string(FILE *to, const char *text); /* quoted and escaped */

#endif
