/*
 * cmd_load.c: load.
 *
 * The value is read from one view in pieces of 4 MiB, each verified, so that memory does not grow
 * with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <holog/array.h>
#include <holog/files.h>

#include "array_file.h"
#include "sink.h"
#include "verbs.h"

#define PIECE_BYTES ((size_t)4 << 20)

/* ---- the bytes ------------------------------------------------------------------------------- */

/* Bytes that are no text make a mess of a terminal. */
static bool spoils_terminal(const struct args *args, const struct sink *sink, const uint8_t *piece,
                            size_t len)
{
    return !args->given[OPT_OUTPUT] && isatty(sink->fd) != 0 &&
           (memchr(piece, 0, len) != NULL || memchr(piece, 0x1B, len) != NULL);
}

/* How many bytes there will be; 0 when that is not known (a symlink, an error to come). */
static uint64_t expected_bytes(const struct args *args, holog_view *view)
{
    holog_stat_info info = { .struct_size = sizeof info };

    if (holog_view_stat(view, args->operands[1], &info) < 0 || info.type != HOLOG_BLOB ||
        args->range_offset > info.size_bytes)
        return 0;
    uint64_t left = info.size_bytes - args->range_offset;
    return left < args->range_len ? left : args->range_len;
}

static int copy_pieces(const struct args *args, holog_view *view, const struct sink *sink,
                       uint8_t *piece, struct progress *progress)
{
    const char *path = args->operands[1];
    uint64_t total = expected_bytes(args, view);
    uint64_t done = 0;
    size_t got = 0;

    do {
        uint64_t left = args->range_len - done;
        size_t wanted = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        int rc = holog_view_load_range(view, path, args->range_offset + done, piece, wanted, &got);
        if (rc < 0)
            return cli_fail(args, rc, path);
        if (done == 0 && spoils_terminal(args, sink, piece, got))
            return cli_fail_text(args,
                                 "%s is not text and standard output is a terminal: use -o FILE, "
                                 "a pipe, or -o - to see it all the same",
                                 path);
        int error = file_write(sink->fd, piece, got);
        if (error != 0)
            return cli_fail_errno(args, error, "write", sink->name);
        done += got;
        if (progress_report(progress, done, total, "bytes") != 0)
            return cli_fail_text(args, "interrupted");
        if (got < wanted)
            break;
    } while (done < args->range_len && (total == 0 || done < total));
    return EXIT_DONE;
}

/* --preview N as halvings; false: it is no such number. */
static bool halvings_of(const struct args *args, uint32_t *out)
{
    uint64_t n = args->given[OPT_PREVIEW] ? args->number[OPT_PREVIEW] : 1;

    *out = 0;
    while (*out < HOLOG_HALVINGS_MAX && UINT64_C(1) << *out < n)
        (*out)++;
    return UINT64_C(1) << *out == n;
}

/* An array goes to a file of its kind, or with --raw, or to where nothing can tell, as elements. */
static int copy_array(const struct args *args, holog_view *view, const struct sink *sink)
{
    const char *file = args->text[OPT_OUTPUT];
    uint32_t format = holog_file_format_of(file);
    uint32_t halvings = 0;

    if (!halvings_of(args, &halvings))
        return cli_usage(args, "--preview: \"%s\" is not 1, 2, 4, 8, 16, 32, 64 or 128",
                         args->text[OPT_PREVIEW]);
    if (args->given[OPT_RANGE])
        return cli_usage(args, "%s is an array: --range is of blobs", args->operands[1]);
    if (format == HOLOG_FILE_BYTES && !args->given[OPT_RAW])
        return cli_fail_text(
            args,
            "%s is an array: load it into a file, -o FILE.npy or -o FILE.tif, or with "
            "--raw as its elements in C order",
            args->operands[1]);
    return load_array_file(args, view, halvings, args->given[OPT_RAW] ? HOLOG_FILE_BYTES : format,
                           sink->fd, sink->name);
}

static bool is_array(const struct args *args, holog_view *view)
{
    holog_stat_info info = { .struct_size = sizeof info };
    holog_array *array = NULL;
    int rc = holog_view_array(view, args->operands[1], &array); /* also through a symlink */

    holog_array_close(array);
    return rc == HOLOG_OK || (holog_view_stat(view, args->operands[1], &info) == HOLOG_OK &&
                              info.type == HOLOG_ARRAY);
}

static int copy_value(const struct args *args, holog_view *view, const struct sink *sink)
{
    struct progress progress;
    uint8_t *piece;

    if (args->given[OPT_PREVIEW])
        return cli_usage(args, "%s is no array: --preview is of arrays", args->operands[1]);
    piece = malloc(PIECE_BYTES);
    if (piece == NULL)
        return cli_fail_errno(args, ENOMEM, "load", args->operands[1]);
    progress_begin(&progress, "loading");
    int status = copy_pieces(args, view, sink, piece, &progress);
    progress_end(&progress);
    free(piece);
    return status;
}

int verb_load(const struct args *args)
{
    holog_store *store = NULL;
    holog_view *view = NULL;
    struct sink sink;
    int status = cli_open(args, OPEN_READ, &store);

    if (status != EXIT_DONE)
        return status;
    status = cli_view(args, store, &view);
    if (status != EXIT_DONE)
        return cli_close(args, store, status);
    catch_signals(); /* from here on there may be a temporary file */
    status = sink_open(args, args->text[OPT_OUTPUT], &sink);
    if (status == EXIT_DONE)
        status =
            is_array(args, view) ? copy_array(args, view, &sink) : copy_value(args, view, &sink);
    status = sink_close(args, &sink, status);
    holog_view_close(view);
    return cli_close(args, store, status);
}
