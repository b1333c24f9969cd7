/*
 * cmd_save.c: save.
 *
 * A value of up to 16 MiB is read whole and saved by one transaction. A larger one, from a file or
 * from a pipe whose end is not known, goes piece by piece through a writer, so that memory does not
 * grow with it; it too appears in one commit. A writer takes no message and no precondition: with
 * --message or --if-seq the value is read whole, whatever its size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <holog/files.h>

#include "array_file.h"
#include "verbs.h"

#define WHOLE_MAX   ((size_t)16 << 20)
#define PIECE_BYTES ((size_t)4 << 20)

struct source {
    const char *name; /* for messages */
    int fd;
    uint64_t size_bytes; /* 0: unknown */
    uint8_t *head;       /* what was read ahead */
    size_t head_len;
    bool more; /* fd has more behind head */
};

static int open_source(const struct args *args, struct source *out)
{
    const char *file = args_operand(args, 2);
    struct stat st;

    *out = (struct source){ .name = "standard input", .fd = STDIN_FILENO };
    if (file == NULL && isatty(STDIN_FILENO) != 0)
        cli_note(args, "reading from the terminal; end with Ctrl-D");
    if (file != NULL && strcmp(file, "-") != 0) {
        out->name = file;
        out->fd = open(file, O_RDONLY | O_CLOEXEC);
        if (out->fd < 0)
            return cli_fail_errno(args, errno, "read", file);
    }
    if (fstat(out->fd, &st) == 0 && S_ISREG(st.st_mode))
        out->size_bytes = (uint64_t)st.st_size;
    return EXIT_DONE;
}

static void close_source(struct source *source)
{
    free(source->head);
    source->head = NULL;
    if (source->fd > STDIN_FILENO)
        (void)close(source->fd); /* it was only read */
    source->fd = -1;
}

static bool wants_transaction(const struct args *args)
{
    return args->given[OPT_MESSAGE] || args->given[OPT_IF_SEQ];
}

static int read_head(const struct args *args, struct source *source)
{
    size_t max = wants_transaction(args) ? SIZE_MAX / 4 : WHOLE_MAX;
    int error = file_read(source->fd, max, &source->head, &source->head_len, &source->more);

    return error != 0 ? cli_fail_errno(args, error, "read", source->name) : EXIT_DONE;
}

static json_object *saved_json(const struct args *args, uint64_t size_bytes)
{
    json_object *doc = json_object_new_object();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "path", json_text(args->operands[1]));
    json_add(doc, "bytes", json_number(size_bytes));
    return doc;
}

/* ---- whole ----------------------------------------------------------------------------------- */

static int save_whole(const struct args *args, const struct source *source)
{
    const char *path = args->operands[1];
    unsigned flags = args_save_flags(args);
    struct change change;
    int rc;
    int status = change_begin(args, &change);

    if (status != EXIT_DONE)
        return status;
    rc = change_expect(&change, path, &flags);
    if (rc >= 0)
        rc = holog_txn_save(change.txn, path, source->head, source->head_len, flags);
    if (rc < 0)
        status = cli_fail(args, rc, path);
    return change_end(&change, status, path, saved_json(args, source->head_len));
}

/* ---- piece by piece -------------------------------------------------------------------------- */

static int write_pieces(const struct args *args, const struct source *source, holog_writer *writer,
                        uint64_t *out_size)
{
    struct progress progress;
    uint64_t done = source->head_len;
    ssize_t n = 0;
    int error = 0;
    uint8_t *piece = malloc(PIECE_BYTES);
    int rc =
        piece == NULL ? HOLOG_E_NOMEM : holog_writer_write(writer, source->head, source->head_len);

    progress_begin(&progress, "saving");
    while (rc >= 0) {
        n = read(source->fd, piece, PIECE_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        rc = holog_writer_write(writer, piece, (size_t)n);
        done += (uint64_t)n;
        (void)progress_report(&progress, done, source->size_bytes, "bytes");
    }
    if (n < 0)
        error = errno;
    progress_end(&progress);
    free(piece);
    *out_size = done;
    if (rc < 0)
        return cli_fail(args, rc, args->operands[1]);
    return error != 0 ? cli_fail_errno(args, error, "read", source->name) : EXIT_DONE;
}

static int save_stream(const struct args *args, const struct source *source)
{
    const char *path = args->operands[1];
    holog_store *store = NULL;
    holog_writer *writer = NULL;
    uint64_t size = 0;
    uint64_t number = 0;
    int status = cli_open(args, OPEN_WRITE, &store);

    if (status != EXIT_DONE)
        return status;
    int rc = holog_writer_open(store, path, source->size_bytes, args_save_flags(args), &writer);
    if (rc < 0)
        return cli_close(args, store, cli_fail(args, rc, path));
    status = write_pieces(args, source, writer, &size);
    if (status == EXIT_DONE) {
        rc = holog_writer_finish(writer, &number);
        if (rc < 0)
            status = cli_fail(args, rc, path);
    } else {
        holog_writer_abort(writer);
    }
    status = cli_close(args, store, status);
    if (status == EXIT_DONE && args->given[OPT_JSON]) {
        json_object *doc = saved_json(args, size);
        json_add(doc, "commit", json_number(number));
        json_print(doc);
    }
    return cli_flush(args, status);
}

int verb_save(const struct args *args)
{
    const char *file = args_operand(args, 2);
    uint32_t format = args->given[OPT_BLOB] ? HOLOG_FILE_BYTES : holog_file_format_of(file);
    struct source source;
    int status;

    if (format != HOLOG_FILE_BYTES)
        return save_array_file(args, file, format);
    status = open_source(args, &source);
    if (status != EXIT_DONE)
        return status;
    status = read_head(args, &source);
    if (status == EXIT_DONE)
        status = source.more ? save_stream(args, &source) : save_whole(args, &source);
    close_source(&source);
    return status;
}
