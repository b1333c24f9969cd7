/*
 * holog-demo: a pipeline that is killed again and again, and loses nothing.
 *
 * A worker process runs three steps of image work on wells of 64 planes and saves each well's step
 * in one commit. This process, its parent, writes down every batch that the worker reports as
 * durable, and kills the worker with SIGKILL at moments drawn from a seed. After each kill another
 * process reopens the store and compares what is there, bit for bit, with planes made afresh from
 * the source images; then a new worker goes on where the store says the pipeline is.
 *
 * Exit status: 0 all is well; 1 something acknowledged was lost, or half a batch was seen;
 * 2 it could not start (usage, images, directory); 3 a child failed, and said why.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <holog/holog.h>

#include "album.h"
#include "pipeline.h"
#include "report.h"
#include "supervise.h"
#include "util.h"

enum {
    EXIT_OK = 0,
    EXIT_LOST = 1,
    EXIT_START = 2,
    EXIT_CHILD = 3
};

struct settings {
    const char *dir;
    const char *images;
    const char *volume;
    uint64_t seed;
    unsigned wells;
    unsigned kills;
    uint64_t disk_bytes; /* of each measurement */
};

struct demo {
    struct settings settings;
    char store[PATH_MAX];
    char sheet[PATH_MAX];
    struct plate plate;
    struct report report;
    struct ack acks[WELLS_MAX * STEP_COUNT];
    unsigned ack_count;
    uint64_t random;
};

/* ---- the children ---- */

static int worker_body(void *ctx, int message_fd)
{
    const struct demo *d = ctx;

    return worker_run(&d->plate, d->store, message_fd);
}

static int checker_body(void *ctx, int message_fd)
{
    const struct demo *d = ctx;

    return checker_run(&d->plate, d->store, d->acks, d->ack_count, message_fd);
}

static int start_child(struct demo *d, struct child *child, int (*body)(void *, int))
{
    if (child_start(child, body, d) == 0)
        return EXIT_OK;
    perror("holog-demo: no child process");
    return EXIT_CHILD;
}

/* ---- killing ---- */

/* The moment of a kill: a share of the time that computing or saving a batch takes. */
struct aim {
    unsigned batch;
    enum message_kind after; /* MESSAGE_COMPUTING or MESSAGE_SAVING of that batch */
    double share;
};

/* Kill k of n falls into the k-th part of the pipeline, three times of four while it saves, and
 * before the last batch, which must find a worker alive. */
static struct aim draw_aim(struct demo *d, unsigned k)
{
    unsigned last = plate_batches(&d->plate) - 1;
    unsigned from = k * last / d->settings.kills;
    unsigned to = (k + 1) * last / d->settings.kills;
    unsigned width = to > from ? to - from : 1;
    struct aim aim = { .batch = from + (unsigned)(random_next(&d->random) % width) };

    aim.after = random_next(&d->random) % 4 == 0 ? MESSAGE_COMPUTING : MESSAGE_SAVING;
    aim.share = random_unit(&d->random);
    return aim;
}

/* How long that work takes by what was seen so far; before that, by the disk. */
static uint64_t expected_ns(const struct demo *d, enum message_kind work)
{
    const struct report *r = &d->report;
    double disk = disk_mb_per_s(&r->disk_before);

    if (r->bytes_acked > 0)
        return (work == MESSAGE_SAVING ? r->save_ns : r->compute_ns) *
               plate_batch_bytes(&d->plate, 0) / r->bytes_acked;
    if (work == MESSAGE_SAVING && disk > 0)
        return (uint64_t)((double)plate_batch_bytes(&d->plate, 0) * 1e3 / disk);
    return 50000000; /* 50 ms */
}

/* ---- one life of the worker ---- */

struct life {
    const struct aim *aim; /* NULL: it may live */
    uint64_t deadline_ns;  /* 0: not yet known */
    bool killed;
    bool finished;
    struct message last; /* what it was doing */
    char failure[512];   /* what it said about it */
};

static void hear_ack(struct demo *d, const struct message *m)
{
    struct report *r = &d->report;
    char now[96];

    d->acks[m->batch] = m->ack;
    d->ack_count = m->batch + 1;
    r->batches_acked++;
    r->bytes_acked += m->bytes;
    r->save_ns += m->ns;
    format_text(now, sizeof(now), "step %u %s, well %u saved", batch_step(&d->plate, m->batch),
                step_name(batch_step(&d->plate, m->batch)), batch_well(&d->plate, m->batch) + 1);
    report_progress(r, now);
}

static void hear(struct demo *d, struct life *life, const struct message *m)
{
    switch ((enum message_kind)m->kind) {
    case MESSAGE_ACKED: hear_ack(d, m); break;
    case MESSAGE_SAVING: d->report.compute_ns += m->ns; break;
    case MESSAGE_FINISHED: life->finished = true; break;
    case MESSAGE_FAILED: memcpy(life->failure, m->text, sizeof(life->failure)); return;
    case MESSAGE_NONE:
    case MESSAGE_OPENED:
    case MESSAGE_COMPUTING:
    case MESSAGE_CHECKED: break;
    }
    life->last = *m;
    /* At or past the place aimed at: draw the line. (A batch may be done before we aim at it.) */
    if (life->aim != NULL && life->deadline_ns == 0 && m->kind == life->aim->after &&
        m->batch >= life->aim->batch) {
        double wait = life->aim->share * (double)expected_ns(d, life->aim->after);
        life->deadline_ns = now_ns() + (uint64_t)wait + 1;
    }
    /* The last chance: it was faster than expected, or was aimed at in vain. */
    if (life->aim != NULL && m->kind == MESSAGE_SAVING && m->batch + 1 == plate_batches(&d->plate))
        life->deadline_ns = now_ns();
}

/* From start to end, which is its own or ours. */
static int live(struct demo *d, struct life *life)
{
    struct child child;
    struct message m;
    uint64_t start = now_ns();
    int rc = start_child(d, &child, worker_body);
    int heard = 1;

    if (rc != EXIT_OK)
        return rc;
    while (heard != 0) {
        heard = child_hear(&child, life->killed ? 0 : life->deadline_ns, &m);
        if (heard > 0)
            hear(d, life, &m);
        if (heard < 0) {
            child_kill(&child);
            life->killed = true;
        }
    }
    int status = child_reap(&child);
    d->report.pipeline_ns += now_ns() - start;
    if (life->failure[0] == '\0' && (status == 0 || (status < 0 && life->killed)))
        return EXIT_OK;
    report_line(&d->report, "%s",
                life->failure[0] != '\0' ? life->failure : "the worker died, and not by our hand");
    return EXIT_CHILD;
}

/* ---- what survived ---- */

static int check(struct demo *d, struct kill_row *row)
{
    struct child child;
    struct message m;
    struct message checked = { .kind = MESSAGE_NONE };
    int rc = start_child(d, &child, checker_body);

    if (rc != EXIT_OK)
        return rc;
    while (child_hear(&child, 0, &m) > 0)
        if (checked.kind != MESSAGE_FAILED)
            checked = m;
    if (child_reap(&child) != 0 || checked.kind != MESSAGE_CHECKED) {
        report_line(&d->report, "%s",
                    checked.kind == MESSAGE_FAILED ? checked.text : "the checker died");
        return EXIT_CHILD;
    }
    row->check = checked.check;
    memcpy(row->text, checked.text, sizeof(row->text));
    d->report.checked_bytes += checked.check.bytes;
    /* What one reopen has seen, the next must see too. */
    for (; d->ack_count < row->check.found; d->ack_count++)
        d->acks[d->ack_count] = (struct ack){ 0 };
    return EXIT_OK;
}

static const char *doing_of(const struct life *life)
{
    switch ((enum message_kind)life->last.kind) {
    case MESSAGE_COMPUTING: return "computing";
    case MESSAGE_SAVING: return "saving";
    case MESSAGE_FINISHED: return "finished";
    case MESSAGE_NONE:
    case MESSAGE_OPENED:
    case MESSAGE_ACKED:
    case MESSAGE_CHECKED:
    case MESSAGE_FAILED: break;
    }
    return "between";
}

/* A row for this moment, filled in by a checker. life NULL: the end. */
static int take_stock(struct demo *d, const struct life *life)
{
    struct report *r = &d->report;
    struct kill_row *row = &r->rows[r->row_count];

    *row = (struct kill_row){ .at_ns = now_ns() - r->start_ns, .acked = d->ack_count };
    if (life != NULL) {
        row->batch = life->last.batch;
        row->step = batch_step(&d->plate, row->batch);
        row->doing = doing_of(life);
    }
    int rc = check(d, row);
    if (rc != EXIT_OK)
        return rc;
    r->row_count++;
    if (life != NULL) {
        r->kills++;
        report_line(r,
                    "killed while %s batch %u (step %u %s): %u acknowledged, %u found, %u lost, "
                    "%u half; compared %.0f MB in %.1f s",
                    row->doing, row->batch, row->step, step_name(row->step), row->acked,
                    row->check.found, row->check.lost, row->check.half + row->check.strays,
                    (double)row->check.bytes * 1e-6, (double)row->check.check_ns * 1e-9);
    }
    return EXIT_OK;
}

/* Workers, kills and checks, until a worker finishes or something is wrong; then the last check. */
static int run_pipeline(struct demo *d)
{
    for (;;) {
        struct aim aim = { 0 };
        struct life life = { 0 };
        if (d->report.kills < d->settings.kills) {
            aim = draw_aim(d, d->report.kills);
            life.aim = &aim;
        }
        int rc = live(d, &life);
        if (rc == EXIT_OK)
            rc = take_stock(d, life.finished ? NULL : &life);
        if (rc == EXIT_OK && report_bad(&d->report) > 0)
            rc = EXIT_LOST;
        if (rc != EXIT_OK || life.finished)
            return rc;
    }
}

/* ---- the end ---- */

static int on_damage(void *ctx, const holog_damage *damage)
{
    unsigned *count = ctx;

    *count += damage->harmless == 0;
    printf("%s %s at %llu: %s\n", damage->harmless != 0 ? "note     " : "damage   ", damage->file,
           (unsigned long long)damage->offset, damage->message);
    return 0;
}

/* Every stored byte against its checksum, by the library's own verifier. */
static int verify(const struct demo *d)
{
    unsigned damages = 0;
    uint64_t start = now_ns();
    int rc = holog_verify(d->store, 0, on_damage, &damages, NULL, NULL);

    if (rc < 0) {
        printf("verify    %s, %u damages\n", holog_strerror(rc), damages);
        return EXIT_LOST;
    }
    printf("verify    every checksum of the store holds (%.1f s)\n",
           (double)(now_ns() - start) * 1e-9);
    return EXIT_OK;
}

static int conclude(struct demo *d)
{
    struct report *r = &d->report;
    unsigned batches = plate_batches(&d->plate);
    unsigned found = r->rows[r->row_count - 1].check.found;

    if (disk_measure(d->settings.dir, d->settings.disk_bytes, &r->disk_after) < 0)
        r->disk_after = r->disk_before;
    report_table(r);
    report_speed(r);
    int rc = verify(d);
    if (album_write_sheet(&d->plate, d->store, d->sheet) < 0)
        rc = EXIT_CHILD;
    else
        printf("sheet     %s\n", d->sheet);
    printf("store     %s\nlook      build/holog ls -l %s A01/step2\n", d->store, d->store);
    if (r->kills < d->settings.kills) {
        printf("only %u of %u kills hit a worker\n", r->kills, d->settings.kills);
        rc = EXIT_CHILD;
    }
    if (found != batches)
        rc = EXIT_LOST;
    printf("%s: %u kills, %u of %u batches at the end, 0 lost, 0 half\n",
           rc == EXIT_OK ? "OK" : "FAILED", r->kills, found, batches);
    return rc;
}

/* Something is wrong: the store stays as it is, for whoever looks into it. */
static void give_up(const struct demo *d)
{
    if (d->report.row_count > 0)
        report_table(&d->report);
    printf("FAILED: after %u kills; the store is kept: %s\n", d->report.kills, d->store);
}

/* ---- beginning ---- */

static int usage(FILE *to, int status)
{
    (void)fprintf(
        to,
        "usage: holog-demo [OPTION]... DIR\n"
        "Runs a three-step image pipeline on a new store in DIR, kills it again and again,\n"
        "and checks after each kill that nothing acknowledged is lost.\n\n"
        "  --images DIR    scikit-image's data: PNG files\n"
        "  --volume FILE   a brain volume: NIfTI-1, .nii or .nii.gz\n"
        "  --seed N        the kills that N decides (default: another each time)\n"
        "  --kills N       1 to %d (default 8)\n"
        "  --wells N       1 to %d (default 10, about 65 MB each)\n"
        "  --short         one well, two kills: some seconds\n"
        "  --help\n",
        KILLS_MAX, WELLS_MAX);
    return status;
}

static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
    char *end = NULL;

    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || v < low || v > high)
        return false;
    *out = v;
    return true;
}

/* Takes the option at argv[0], with its value at argv[1]. How many words that were; 0: refused. */
static int parse_option(struct settings *s, char **argv)
{
    const char *name = argv[0];
    const char *value = argv[1];
    uint64_t n = 0;

    if (strcmp(name, "--short") == 0) {
        s->wells = 1;
        s->kills = 2;
        s->disk_bytes = 64U << 20;
        return 1;
    }
    if (value == NULL)
        return 0;
    if (strcmp(name, "--images") == 0)
        s->images = value;
    else if (strcmp(name, "--volume") == 0)
        s->volume = value;
    else if (strcmp(name, "--seed") == 0 && parse_number(value, 0, UINT64_MAX, &n))
        s->seed = n;
    else if (strcmp(name, "--kills") == 0 && parse_number(value, 1, KILLS_MAX, &n))
        s->kills = (unsigned)n;
    else if (strcmp(name, "--wells") == 0 && parse_number(value, 1, WELLS_MAX, &n))
        s->wells = (unsigned)n;
    else
        return 0;
    return 2;
}

static int parse(struct settings *s, char **argv)
{
    for (argv++; *argv != NULL;) {
        int words = 1;
        if (strcmp(*argv, "--help") == 0)
            return -1;
        if (strncmp(*argv, "--", 2) == 0)
            words = parse_option(s, argv);
        else if (s->dir == NULL)
            s->dir = *argv;
        else
            words = 0;
        if (words == 0) {
            (void)fprintf(stderr, "holog-demo: %s is not understood\n", *argv);
            return EXIT_START;
        }
        argv += words;
    }
    return s->dir != NULL && s->images != NULL && s->volume != NULL ? EXIT_OK : EXIT_START;
}

/* Paths, images, the disk's own speed, and a directory without a store. */
static int prepare(struct demo *d)
{
    const struct settings *s = &d->settings;
    struct report *r = &d->report;

    if (strlen(s->dir) > PATH_MAX - 64) {
        (void)fprintf(stderr, "holog-demo: the directory's name is too long\n");
        return EXIT_START;
    }
    format_text(d->store, sizeof(d->store), "%s/demo.holog", s->dir);
    format_text(d->sheet, sizeof(d->sheet), "%s/contact-sheet.png", s->dir);
    if (access(d->store, F_OK) == 0) {
        (void)fprintf(stderr, "holog-demo: %s exists already: remove it first\n", d->store);
        return EXIT_START;
    }
    if (plate_load(&d->plate, s->images, s->volume, s->wells) < 0)
        return EXIT_START;
    d->random = s->seed;
    r->plate = &d->plate;
    r->kills_planned = s->kills;
    r->on_terminal = isatty(STDOUT_FILENO);
    printf("holog %s: %u images, %u wells x %d steps x %d planes: %u batches of %.1f MB, %.0f MB\n",
           holog_version(), d->plate.source_count, s->wells, STEP_COUNT, PLANES,
           plate_batches(&d->plate), (double)plate_batch_bytes(&d->plate, 0) * 1e-6,
           (double)plate_batch_bytes(&d->plate, 0) * plate_batches(&d->plate) * 1e-6);
    printf("seed %llu, %u kills\n", (unsigned long long)s->seed, s->kills);
    (void)fflush(stdout); /* before any child could inherit it */
    r->start_ns = now_ns();
    if (disk_measure(s->dir, s->disk_bytes, &r->disk_before) < 0) {
        perror(s->dir);
        plate_free(&d->plate);
        return EXIT_START;
    }
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    static struct demo d; /* half a MB of rows and messages: no place for the stack */

    (void)argc;
    d.settings = (struct settings){
        .seed = (uint64_t)time(NULL), .wells = 10, .kills = 8, .disk_bytes = 384U << 20
    };
    int rc = parse(&d.settings, argv);
    if (rc != EXIT_OK)
        return rc < 0 ? usage(stdout, EXIT_OK) : usage(stderr, EXIT_START);
    rc = prepare(&d);
    if (rc != EXIT_OK)
        return rc;
    rc = run_pipeline(&d);
    if (rc == EXIT_OK)
        rc = conclude(&d);
    else
        give_up(&d);
    plate_free(&d.plate);
    return rc;
}
