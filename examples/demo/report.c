#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "util.h"

enum {
    BAR_WIDTH = 30
};

static double seconds(uint64_t ns)
{
    return (double)ns * 1e-9;
}

static double mb_per_s(uint64_t bytes, uint64_t ns)
{
    return ns == 0 ? 0 : (double)bytes * 1e3 / (double)ns;
}

static int row_is_bad(const struct kill_row *row)
{
    return row->check.lost > 0 || row->check.half > 0 || row->check.strays > 0;
}

unsigned report_bad(const struct report *r)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < r->row_count; i++)
        bad += r->rows[i].check.lost + r->rows[i].check.half + r->rows[i].check.strays;
    return bad;
}

/* ---- while it runs ---- */

static void progress_bar(const struct report *r, const char *now)
{
    unsigned batches = plate_batches(r->plate);
    unsigned full = r->batches_acked * BAR_WIDTH / batches;
    char bar[BAR_WIDTH + 1];

    for (unsigned i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    printf("\r\033[K[%s] %u/%u batches  %.0f MB/s  kill %u/%u  %s", bar, r->batches_acked, batches,
           mb_per_s(r->bytes_acked, r->save_ns), r->kills, r->kills_planned, now);
    (void)fflush(stdout); /* a bar that does not show is no reason to stop */
}

void report_progress(const struct report *r, const char *now)
{
    if (r->on_terminal)
        progress_bar(r, now);
    else
        printf("%6.2f s  %u/%u batches  %.0f MB/s  %s\n", seconds(now_ns() - r->start_ns),
               r->batches_acked, plate_batches(r->plate), mb_per_s(r->bytes_acked, r->save_ns),
               now);
}

void report_line(const struct report *r, const char *format, ...)
{
    va_list args;

    if (r->on_terminal)
        printf("\r\033[K");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    (void)fflush(stdout); /* nor a line */
}

/* ---- at the end ---- */

static void table_row(const struct report *r, unsigned i)
{
    const struct kill_row *row = &r->rows[i];
    int is_kill = row->doing != NULL;
    char kill[8] = "end";
    char batch[16] = "";
    char tail[32] = "-";

    if (is_kill) {
        format_text(kill, sizeof(kill), "%u", i + 1);
        format_text(batch, sizeof(batch), "%u", row->batch);
    }
    if (row->check.tail_cut != 0)
        format_text(tail, sizeof(tail), "%.2f MB", (double)row->check.cut_bytes * 1e-6);
    printf("%4s  %6.2f  %-10s  %-9s  %5s  %5u  %5u  %4u  %4u  %9s  %7.1f ms%s%s\n", kill,
           seconds(row->at_ns), is_kill ? step_name(row->step) : "", is_kill ? row->doing : "",
           batch, row->acked, row->check.found, row->check.lost,
           row->check.half + row->check.strays, tail, (double)row->check.open_ns * 1e-6,
           row_is_bad(row) ? "  WRONG: " : "", row->text);
}

void report_table(const struct report *r)
{
    report_line(r, "\nWhat survived each kill (SIGKILL); found: there whole, compared bit for bit");
    printf("%4s  %6s  %-10s  %-9s  %5s  %5s  %5s  %4s  %4s  %9s  %10s\n", "kill", "at s", "step",
           "doing", "batch", "acked", "found", "lost", "half", "torn tail", "reopen");
    for (unsigned i = 0; i < r->row_count; i++)
        table_row(r, i);
    printf("acked: reported durable, or seen after an earlier kill; found may be one more, durable "
           "before\nthe worker could say so. torn tail: bytes of the commit under way that the "
           "reopen cut off.\n\n");
}

static double faster_disk(const struct report *r)
{
    double before = disk_mb_per_s(&r->disk_before);
    double after = disk_mb_per_s(&r->disk_after);

    return before > after ? before : after;
}

void report_speed(const struct report *r)
{
    double save = mb_per_s(r->bytes_acked, r->save_ns);
    double disk = faster_disk(r);

    printf("saved     %8.0f MB in %u durable batches: %.0f MB/s while saving, %.0f %% of the disk's"
           " own rate\n",
           (double)r->bytes_acked * 1e-6, r->batches_acked, save, disk > 0 ? 100 * save / disk : 0);
    printf("disk      %8.0f MB/s before, %.0f MB/s after: 8 MiB writes one after the other, %s\n",
           disk_mb_per_s(&r->disk_before), disk_mb_per_s(&r->disk_after),
           r->disk_before.direct ? "O_DIRECT" : "through the page cache, synced");
    printf("compared  %8.0f MB bit for bit after %u kills and at the end\n",
           (double)r->checked_bytes * 1e-6, r->kills);
    printf("time      %8.1f s in all: saving %.1f, computing %.1f\n",
           seconds(now_ns() - r->start_ns), seconds(r->save_ns), seconds(r->compute_ns));
}
