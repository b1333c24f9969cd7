/*
 * What is quick here: ways to write tried on a file of the directory, codecs on a sample, the best ones stored.
 *
 * A way to write is tried as the log uses it: 4 KiB, durable each, into space that was written before; and 8 MiB as
 * requests that are on their way together, with a sync behind them. Medians and sums of a stated time, so that one
 * slow moment decides nothing; and the default stays unless something else is clearly better.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "codec/lz4.h"
#include "codec/zstd.h"
#include "engine/calibration.h"
#include "engine/store_internal.h"

#define TRIAL_BYTES     (UINT64_C(32) << 20)
#define SMALL_AREA      (UINT64_C(1) << 20)
#define LARGE_BYTES     ((size_t)8 << 20)
#define LARGE_REQUESTS  8u
#define SMALL_MIN       8u /* writes, however long they take */
#define SMALL_MAX       4096u
#define SAMPLE_MAX      (UINT64_C(64) << 20)
#define SAMPLE_BUILT_IN ((size_t)4 << 20)
#define PIECE           ((size_t)1 << 20) /* as chunks are, more or less */
#define FIGURE_MS       150u
#define FIGURE_MS_MAX   60000u
#define FIGURES         (HOLOG_CALIBRATE_IO + HOLOG_CALIBRATE_CODECS - 1) /* nothing is tried of raw */
#define BETTER          0.9 /* of the time, or it is noise */

struct trial {
    const holog_calibrate_options *opts;
    const char *dir;
    uint64_t figure_ns;
    uint64_t done; /* figures */
    const uint8_t *sample;
    size_t sample_bytes;
};

static int report(struct trial *t)
{
    if (t->opts->progress == NULL ||
        t->opts->progress(t->opts->progress_ctx, ++t->done, FIGURES, "figures") == 0)
        return HOLOG_OK;
    return hg_error(HOLOG_E_CANCELED, "stopped; nothing was stored");
}

/* ---- ways to write ---------------------------------------------------------------------------------*/

static int by_size(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static int time_small(struct hg_file *f, const struct trial *t, const uint8_t *block,
                      uint64_t *out_ns)
{
    struct hg_io *io = f->io;
    uint64_t *times = hg_malloc(SMALL_MAX * sizeof *times);
    uint64_t until = io->ops->now_ns(io) + t->figure_ns;
    uint64_t now = 0;
    size_t n = 0;
    int rc = times == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to calibrate") : HOLOG_OK;

    while (rc == HOLOG_OK && n < SMALL_MAX && (n < SMALL_MIN || now < until)) {
        uint64_t begun = io->ops->now_ns(io);
        rc = hg_io_write_full(f, block, HG_BLOCK, n * HG_BLOCK % SMALL_AREA, HG_WRITE_DSYNC);
        now = io->ops->now_ns(io);
        times[n++] = now - begun;
    }
    if (rc == HOLOG_OK) {
        qsort(times, n, sizeof *times, by_size);
        *out_ns = HG_MAX(times[n / 2], UINT64_C(1));
    }
    hg_free(times);
    return rc;
}

static int write_large(struct hg_file *f, uint8_t *data, uint64_t offset)
{
    struct hg_req *reqs = hg_calloc(LARGE_REQUESTS, sizeof *reqs);
    struct hg_req *list[LARGE_REQUESTS];
    size_t each = LARGE_BYTES / LARGE_REQUESTS;
    int rc;

    if (reqs == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to calibrate");
    for (size_t i = 0; i < LARGE_REQUESTS; i++) {
        reqs[i] = (struct hg_req){ .op = HG_REQ_WRITE,
                                   .file = f,
                                   .buf = data + i * each,
                                   .len_bytes = each,
                                   .offset = offset + i * each };
        list[i] = &reqs[i];
    }
    rc = f->io->ops->submit(f->io, list, LARGE_REQUESTS); /* all, or none */
    for (size_t i = rc == HOLOG_OK ? 0 : LARGE_REQUESTS; i < LARGE_REQUESTS; i++) {
        int one = f->io->ops->wait(f->io, &reqs[i]);
        rc = rc < 0 ? rc : one;
    }
    hg_free(reqs);
    return rc < 0 ? rc : f->io->ops->fdatasync(f);
}

static int time_large(struct hg_file *f, const struct trial *t, uint8_t *data, uint64_t *out_rate)
{
    struct hg_io *io = f->io;
    uint64_t begun = io->ops->now_ns(io);
    uint64_t now = begun;
    uint64_t bytes = 0;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && (bytes == 0 || now - begun < t->figure_ns)) {
        rc = write_large(f, data, SMALL_AREA + bytes % (TRIAL_BYTES - LARGE_BYTES));
        now = io->ops->now_ns(io);
        bytes += LARGE_BYTES;
    }
    if (rc == HOLOG_OK)
        *out_rate =
            HG_MAX((uint64_t)((double)bytes * 1e9 / (double)HG_MAX(now - begun, 1u)), UINT64_C(1));
    return rc;
}

static int time_file(struct hg_file *f, const struct trial *t, holog_io_figure *out)
{
    struct hg_file_info info;
    uint8_t *data = hg_alloc_aligned(HG_BLOCK, LARGE_BYTES);
    int rc = data == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to calibrate")
                          : f->io->ops->info(f, &info);

    if (rc < 0 || (out->direct == HOLOG_DIRECT_ON && !info.direct)) {
        hg_free(data);
        return rc;
    }
    memset(data, 0x5a, LARGE_BYTES);
    rc = write_large(f, data, 0); /* the first writes are dearer: room is found */
    if (rc == HOLOG_OK)
        rc = time_small(f, t, data, &out->durable_write_ns);
    if (rc == HOLOG_OK)
        rc = time_large(f, t, data, &out->large_bytes_per_s);
    out->available = rc == HOLOG_OK;
    hg_free(data);
    return rc;
}

/* Without one that was left there. */
static int drop_trial(struct hg_io *io)
{
    int rc = io->ops->unlink(io, HG_CALIBRATION_TRIAL);

    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int time_way(struct trial *t, holog_io_figure *out)
{
    struct holog_error_detail first;
    struct hg_io *io = NULL;
    struct hg_file *f = NULL;
    int rc = hg_io_open(t->dir, out->io == HOLOG_IO_URING ? HG_IO_URING : HG_IO_POSIX, &io);

    if (rc == HOLOG_E_NOTSUP)
        return report(t); /* not here */
    if (rc < 0)
        return rc;
    io->buffered = out->direct == HOLOG_DIRECT_OFF;
    rc = drop_trial(io);
    if (rc == HOLOG_OK)
        rc = io->ops->open(io, HG_CALIBRATION_TRIAL,
                           HG_OPEN_WRITE | HG_OPEN_CREATE | HG_OPEN_DIRECT, &f);
    if (rc == HOLOG_OK)
        rc = time_file(f, t, out);
    hg_error_get(&first);
    if (f != NULL) {
        (void)io->ops->close(f); /* nobody needs what is in it */
        (void)drop_trial(io);
    }
    io->ops->destroy(io);
    hg_error_set(&first);
    return rc < 0 ? rc : report(t);
}

/* Smaller is better. */
static double io_cost(const holog_io_figure *f, const holog_io_figure *of)
{
    return (double)f->durable_write_ns / (double)of->durable_write_ns +
           (double)of->large_bytes_per_s / (double)f->large_bytes_per_s;
}

static int choose_io(struct trial *t, holog_io_figure *all, const holog_io_figure **out_best)
{
    static const struct {
        uint32_t io, direct;
    } ways[HOLOG_CALIBRATE_IO] = { { HOLOG_IO_URING, HOLOG_DIRECT_ON },
                                   { HOLOG_IO_POSIX, HOLOG_DIRECT_ON },
                                   { HOLOG_IO_URING, HOLOG_DIRECT_OFF },
                                   { HOLOG_IO_POSIX, HOLOG_DIRECT_OFF } };
    holog_io_figure *best = NULL;

    for (size_t i = 0; i < HOLOG_CALIBRATE_IO; i++) {
        int rc;
        all[i] = (holog_io_figure){ .io = ways[i].io, .direct = ways[i].direct };
        rc = time_way(t, &all[i]);
        if (rc < 0)
            return rc;
        if (all[i].available && (best == NULL || io_cost(&all[i], best) < 2 * BETTER))
            best = &all[i];
    }
    HG_ASSERT(best != NULL); /* plain calls by way of the page cache are everywhere */
    best->chosen = 1;
    *out_best = best;
    return HOLOG_OK;
}

/* ---- codecs ----------------------------------------------------------------------------------------*/

/* As a camera's images are: a ground with the noise of counting, and something bright now and then. */
static void fill_sample(uint16_t *pixels, size_t n)
{
    uint64_t state = 1;

    for (size_t i = 0; i < n; i++) {
        size_t x = i % 1024;
        size_t y = i / 1024;
        size_t away = (x % 128 - 64) * (x % 128 - 64) + (y % 128 - 64) * (y % 128 - 64);
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        pixels[i] = (uint16_t)(400 + (state >> 60) + (state >> 57 & 7) +
                               (away < 600 ? 3 * (600 - away) : 0));
    }
}

struct coding {
    const struct trial *t;
    struct hg_zstd_encoder *zstd; /* NULL unless it is the codec */
    struct hg_buf pieces;         /* one behind the other */
    size_t ends[SAMPLE_MAX / PIECE];
    size_t n;
};

static int encode(struct coding *c, const holog_codec_figure *f)
{
    int rc = HOLOG_OK;

    c->pieces.len = c->n = 0;
    for (size_t at = 0; rc == HOLOG_OK && at < c->t->sample_bytes; at += PIECE) {
        size_t len = HG_MIN(PIECE, c->t->sample_bytes - at);
        rc = f->codec == HOLOG_CODEC_ZSTD
                 ? hg_zstd_encoder_run(c->zstd, c->t->sample + at, len, f->level, 0, &c->pieces)
                 : hg_lz4_compress(c->t->sample + at, len, f->level, &c->pieces);
        c->ends[c->n++] = c->pieces.len;
    }
    return rc;
}

static int decode(const struct coding *c, const holog_codec_figure *f, uint8_t *piece)
{
    size_t begin = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < c->n; begin = c->ends[i++]) {
        const uint8_t *in = c->pieces.data + begin;
        size_t want = HG_MIN(PIECE, c->t->sample_bytes - i * PIECE);
        size_t len = 0;
        rc = f->codec == HOLOG_CODEC_ZSTD
                 ? hg_zstd_decompress_any(in, c->ends[i] - begin, piece, PIECE, &len)
                 : hg_lz4_decompress(in, c->ends[i] - begin, piece, PIECE, &len);
        HG_ASSERT(rc < 0 || (len == want && memcmp(piece, c->t->sample + i * PIECE, len) == 0));
    }
    return rc;
}

/* Bytes of the sample for each second of what `decoding` says. */
static int time_codec(struct coding *c, const holog_codec_figure *f, struct hg_io *clock,
                      uint8_t *piece, uint64_t *out_rate)
{
    uint64_t begun = clock->ops->now_ns(clock);
    uint64_t now = begun;
    uint64_t bytes = 0;
    int rc = HOLOG_OK;

    while (rc == HOLOG_OK && (bytes == 0 || now - begun < c->t->figure_ns)) {
        rc = piece == NULL ? encode(c, f) : decode(c, f, piece);
        now = clock->ops->now_ns(clock);
        bytes += c->t->sample_bytes;
    }
    *out_rate =
        HG_MAX((uint64_t)((double)bytes * 1e9 / (double)HG_MAX(now - begun, 1u)), UINT64_C(1));
    return rc;
}

static int try_codec(struct trial *t, struct hg_io *clock, holog_codec_figure *f)
{
    struct coding *c = hg_calloc(1, sizeof *c);
    uint8_t *piece = hg_malloc(PIECE);
    int rc = HOLOG_OK;

    if (c == NULL || piece == NULL) {
        rc = hg_error(HOLOG_E_NOMEM, "no memory to calibrate");
        goto out;
    }
    c->t = t;
    if (f->codec == HOLOG_CODEC_ZSTD)
        rc = hg_zstd_encoder_create(&c->zstd);
    if (rc == HOLOG_OK)
        rc = time_codec(c, f, clock, NULL, &f->encode_bytes_per_s);
    if (rc == HOLOG_OK)
        rc = time_codec(c, f, clock, piece, &f->decode_bytes_per_s);
    f->stored_bytes = c->pieces.len;
out:
    if (c != NULL) {
        hg_zstd_encoder_destroy(c->zstd);
        hg_buf_release(&c->pieces);
    }
    hg_free(c);
    hg_free(piece);
    return rc < 0 ? rc : report(t);
}

/* Seconds until the sample is on the disk. */
static double codec_cost(const holog_codec_figure *f, size_t sample_bytes, uint64_t disk_rate)
{
    double coding =
        f->encode_bytes_per_s > 0 ? (double)sample_bytes / (double)f->encode_bytes_per_s : 0;

    return coding + (double)f->stored_bytes / (double)disk_rate;
}

static int choose_codec(struct trial *t, struct hg_io *clock, uint64_t disk_rate,
                        holog_codec_figure *all, const holog_codec_figure **out_best)
{
    static const holog_codec_figure known[HOLOG_CALIBRATE_CODECS] = {
        { .codec = HOLOG_CODEC_NONE },
        { .codec = HOLOG_CODEC_LZ4, .level = 1 },
        { .codec = HOLOG_CODEC_ZSTD, .level = 1 },
        { .codec = HOLOG_CODEC_ZSTD, .level = 3 },
    };
    holog_codec_figure *best = &all[0];

    memcpy(all, known, sizeof known);
    all[0].stored_bytes = t->sample_bytes;
    for (size_t i = 1; i < HOLOG_CALIBRATE_CODECS; i++) {
        int rc = try_codec(t, clock, &all[i]);
        if (rc < 0)
            return rc;
        if (codec_cost(&all[i], t->sample_bytes, disk_rate) <
            BETTER * codec_cost(best, t->sample_bytes, disk_rate))
            best = &all[i];
    }
    best->chosen = 1;
    *out_best = best;
    return HOLOG_OK;
}

/* ---- all of it -------------------------------------------------------------------------------------*/

static int check_options(const holog_calibrate_options *in, holog_calibrate_options *out)
{
    int rc = in == NULL ? HOLOG_OK : hg_struct_check(in, "holog_calibrate_options");

    *out = (holog_calibrate_options){ .struct_size = sizeof *out };
    if (rc < 0)
        return rc;
    if (in != NULL)
        memcpy(out, in, HG_MIN((size_t)in->struct_size, sizeof *out));
    if ((out->flags & ~(uint32_t)HOLOG_CALIBRATE_DRY_RUN) != 0 || out->reserved != 0)
        return hg_error(HOLOG_E_INVAL, "flags: %#x is not known", out->flags);
    if (out->sample != NULL && out->sample_bytes == 0)
        return hg_error(HOLOG_E_INVAL, "sample: there is nothing in it");
    if (out->figure_ms > FIGURE_MS_MAX)
        return hg_error(HOLOG_E_INVAL, "figure_ms is %u: at most %u", out->figure_ms,
                        FIGURE_MS_MAX);
    if (out->figure_ms == 0)
        out->figure_ms = FIGURE_MS;
    return HOLOG_OK;
}

static int measure(struct trial *t, struct hg_io *io, struct hg_calibration *choice,
                   holog_calibration *found)
{
    const holog_io_figure *way = NULL;
    const holog_codec_figure *codec = NULL;
    int rc = choose_io(t, found->io, &way);

    if (rc == HOLOG_OK)
        rc = choose_codec(t, io, way->large_bytes_per_s, found->codecs, &codec);
    if (rc == HOLOG_OK)
        *choice = (struct hg_calibration){
            .io = way->io, .direct = way->direct, .codec = codec->codec, .level = codec->level
        };
    return rc;
}

/* What went wrong with the directory. */
static int blame_place(const struct trial *t, int rc)
{
    struct holog_error_detail why;

    if (rc == HOLOG_OK || rc == HOLOG_E_CANCELED || rc == HOLOG_E_NOMEM)
        return rc;
    hg_error_get(&why);
    return hg_error(rc,
                    "%s: to measure takes a directory that may be written, with 25 MiB of room: %s",
                    t->dir, why.message);
}

static int calibrate(struct trial *t, holog_calibration *found)
{
    struct hg_calibration choice;
    struct hg_machine machine;
    struct hg_io *io = NULL;
    int rc = hg_machine_of(t->dir, &machine);

    if (rc == HOLOG_OK)
        rc = hg_io_open(t->dir, HG_IO_POSIX, &io);
    if (rc != HOLOG_OK)
        return rc;
    rc = measure(t, io, &choice, found);
    if (rc == HOLOG_OK && (t->opts->flags & HOLOG_CALIBRATE_DRY_RUN) == 0) {
        rc = hg_calibration_write(io, &machine, &choice);
        found->stored = rc == HOLOG_OK;
    }
    io->ops->destroy(io);
    return rc;
}

int holog_calibrate(const char *dir, const holog_calibrate_options *opts, holog_calibration *out)
{
    holog_calibrate_options o;
    holog_calibration found = { .struct_size = sizeof found };
    struct trial t = { .opts = &o, .dir = dir };
    uint16_t *built_in = NULL;
    int rc = hg_struct_check(out, "holog_calibration");

    if (rc == HOLOG_OK && (dir == NULL || dir[0] == 0))
        rc = hg_error(HOLOG_E_INVAL, "the directory is empty or NULL");
    if (rc == HOLOG_OK)
        rc = check_options(opts, &o);
    if (rc != HOLOG_OK)
        return rc;
    t.figure_ns = (uint64_t)o.figure_ms * 1000000u;
    t.sample = o.sample;
    t.sample_bytes = (size_t)HG_MIN(o.sample_bytes, SAMPLE_MAX);
    if (o.sample == NULL) {
        built_in = hg_malloc(SAMPLE_BUILT_IN);
        if (built_in == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory to calibrate");
        fill_sample(built_in, SAMPLE_BUILT_IN / sizeof *built_in);
        t.sample = (const uint8_t *)built_in;
        t.sample_bytes = SAMPLE_BUILT_IN;
    }
    found.sample_bytes = t.sample_bytes;
    rc = blame_place(&t, calibrate(&t, &found));
    hg_free(built_in);
    if (rc == HOLOG_OK)
        hg_struct_fill(out, &found, sizeof found);
    return rc;
}
