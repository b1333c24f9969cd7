/*
 * array_file.c: arrays from files and to files; see array_file.h.
 */
#include "array_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <holog/array.h>
#include <holog/files.h>

/* ---- from files ------------------------------------------------------------------------------ */

/* The file mapped, so that a large one is not held twice. */
struct mapped {
    void *bytes;
    size_t len;
};

static int map_file(const struct args *args, const char *name, struct mapped *out)
{
    struct stat st;
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return cli_fail_errno(args, errno, "read", name);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        (void)close(fd); /* it was only read */
        return cli_fail_text(args,
                             "%s: is no file with an array in it; with --blob it is saved as it is",
                             name);
    }
    *out = (struct mapped){ .len = (size_t)st.st_size };
    out->bytes = mmap(NULL, out->len, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    (void)close(fd); /* the mapping stays */
    return out->bytes == MAP_FAILED ? cli_fail_errno(args, error, "read", name) : EXIT_DONE;
}

static json_object *saved_json(const struct args *args, const holog_array_info *info)
{
    json_object *doc = json_object_new_object();
    json_object *shape = json_object_new_array();

    json_add(doc, "store", json_text(args->operands[0]));
    json_add(doc, "path", json_text(args->operands[1]));
    json_add(doc, "type", json_text("array"));
    json_add(doc, "dtype", json_text(holog_dtype_name(info->dtype)));
    for (uint32_t i = 0; i < info->rank; i++)
        json_object_array_add(shape, json_number(info->shape[i]));
    json_add(doc, "shape", shape);
    json_add(doc, "bytes", json_number(info->size_bytes));
    return doc;
}

static int save_elements(const struct args *args, const holog_array_info *info, const void *data)
{
    const char *path = args->operands[1];
    holog_array_spec spec = { .struct_size = sizeof spec,
                              .dtype = info->dtype,
                              .item_size = info->item_size,
                              .rank = info->rank,
                              .shape = info->shape };
    unsigned flags = args_save_flags(args);
    struct change change;
    int rc;
    int status = change_begin(args, &change);

    if (status != EXIT_DONE)
        return status;
    rc = change_expect(&change, path, &flags);
    if (rc >= 0)
        rc = holog_txn_array_save(change.txn, path, &spec, data, NULL, flags);
    if (rc < 0)
        status = cli_fail(args, rc, path);
    return change_end(&change, status, path, saved_json(args, info));
}

int save_array_file(const struct args *args, const char *file, uint32_t format)
{
    holog_array_info info = { .struct_size = sizeof info };
    struct mapped mapped = { 0 };
    const void *data = NULL;
    void *buffer = NULL;
    int status = map_file(args, file, &mapped);

    if (status != EXIT_DONE)
        return status;
    int rc = holog_file_decode(format, mapped.bytes, mapped.len, &info, &data, &buffer);
    if (rc == HOLOG_OK) {
        status = save_elements(args, &info, data);
    } else {
        struct holog_error_detail detail;
        cli_detail(rc, &detail);
        status =
            cli_fail_text(args, "%s: %s; with --blob it is saved as it is", file, detail.message);
    }
    holog_buffer_free(buffer);
    (void)munmap(mapped.bytes, mapped.len); /* it was only read */
    return status;
}

/* ---- to files -------------------------------------------------------------------------------- */

struct sink {
    int fd;
    int error;
};

static int write_some(void *ctx, const void *data, size_t len_bytes)
{
    struct sink *sink = ctx;

    sink->error = file_write(sink->fd, data, len_bytes);
    return sink->error;
}

/* Elements alone: a NPY file without what it begins with. */
struct bare {
    struct sink *sink;
    bool begun;
};

static int write_bare(void *ctx, const void *data, size_t len_bytes)
{
    struct bare *bare = ctx;
    bool header = !bare->begun;

    bare->begun = true;
    return header ? 0 : write_some(bare->sink, data, len_bytes);
}

int load_array_file(const struct args *args, holog_view *view, uint32_t halvings, uint32_t format,
                    int fd, const char *name)
{
    const char *path = args->operands[1];
    struct sink sink = { .fd = fd };
    struct bare bare = { .sink = &sink };
    holog_array *array = NULL;
    int rc = holog_view_array(view, path, &array);

    if (rc == HOLOG_OK)
        rc = format == HOLOG_FILE_BYTES
                 ? holog_file_encode_preview(array, halvings, HOLOG_FILE_NPY, write_bare, &bare)
                 : holog_file_encode_preview(array, halvings, format, write_some, &sink);
    int status = rc == HOLOG_OK    ? EXIT_DONE
                 : sink.error != 0 ? cli_fail_errno(args, sink.error, "write", name)
                                   : cli_fail(args, rc, path);
    holog_array_close(array);
    return status;
}

/* ---- what it is ------------------------------------------------------------------------------ */

static json_object *numbers(const uint64_t *n, uint32_t count)
{
    json_object *list = json_object_new_array();

    for (uint32_t i = 0; i < count; i++)
        json_object_array_add(list, json_number(n[i]));
    return list;
}

void json_add_array(json_object *doc, holog_view *view, const char *path)
{
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *array = NULL;

    if (holog_view_array(view, path, &array) == HOLOG_OK &&
        holog_array_get_info(array, &info) == HOLOG_OK) {
        json_add(doc, "bytes", json_number(info.size_bytes));
        json_add(doc, "dtype", json_text(holog_dtype_name(info.dtype)));
        json_add(doc, "shape", numbers(info.shape, info.rank));
        json_add(doc, "chunk_shape", numbers(info.chunk, info.rank));
        json_add(doc, "attributes", json_tokener_parse(holog_array_attributes(array)));
    } else {
        struct holog_error_detail detail;
        holog_last_error(&detail);
        json_add(doc, "unreadable", json_text(detail.message));
    }
    holog_array_close(array);
}

bool array_describe(holog_view *view, const char *path, uint64_t *out_bytes, char *out, size_t size)
{
    holog_array_info info = { .struct_size = sizeof info };
    holog_array *array = NULL;
    bool known = holog_view_array(view, path, &array) == HOLOG_OK &&
                 holog_array_get_info(array, &info) == HOLOG_OK;
    size_t n;

    if (known) {
        *out_bytes = info.size_bytes;
        n = (size_t)snprintf(out, size, "%s (", holog_dtype_name(info.dtype));
        for (uint32_t i = 0; i < info.rank && n < size; i++)
            n +=
                (size_t)snprintf(out + n, size - n, "%s%" PRIu64, i > 0 ? ", " : "", info.shape[i]);
        if (n < size)
            (void)snprintf(out + n, size - n, ")");
    }
    holog_array_close(array);
    return known;
}
