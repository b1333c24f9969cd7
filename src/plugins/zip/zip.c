/*
 * The plug-in for zip files, by libzip.
 *
 * libzip finds its way in files that anybody made, and checks their sums; what entries may be called and may be is
 * the library's business. Here is bounded what it takes before it can be asked: entries that the end speaks of, for
 * all of which libzip makes room at once, and bytes that are read to open a file.
 */
#include <endian.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "holog/error.h"
#include "plugins/plugin.h"

#define TAIL      (20 + 22 + 65535) /* locator, end and comment: where libzip looks for them */
#define END       22
#define LOCATOR   20
#define END64     56
#define NEW_YEAR  (1 << 5 | 1) /* January 1, 1980: what is the same has the same bytes */
#define FILE_MODE (0100644u << 16)

HOLOG_API const struct hg_plugin_zip *holog_plugin_zip(void);

struct hg_zip_archive {
    zip_t *zip;
    zip_error_t error; /* what libzip is told of the caller's functions */
    int failed;        /* what they said */

    /* one that is read */
    struct hg_zip_from from;
    uint64_t at;
    uint64_t may_read; /* bytes, until it is open */

    /* one that is written; at is used, too */
    struct hg_zip_to to;
    uint64_t end;
    const uint8_t *value; /* of the entry at hand */
    size_t value_len, value_at;
};

static int refuse(int code, char *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int refuse(int code, char *why, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not, since the line above */
    (void)vsnprintf(why, HG_PLUGIN_WHY, fmt, args); /* cut to fit */
    va_end(args);
    return code;
}

/* ---- what libzip says --------------------------------------------------------------------------------*/

static const struct {
    int zip, code;
    const char *why; /* NULL: libzip's words */
} errors[] = {
    { ZIP_ER_NOZIP, HOLOG_E_INVAL, "it is no zip file, or one that is cut short" },
    { ZIP_ER_MULTIDISK, HOLOG_E_NOTSUP, "the zip file is one of several parts" },
    { ZIP_ER_MEMORY, HOLOG_E_NOMEM, "no memory for a zip file" },
    { ZIP_ER_CRC, HOLOG_E_CORRUPT, "its checksum is another one" },
    { ZIP_ER_EOF, HOLOG_E_CORRUPT, "it is cut short" },
    { ZIP_ER_ZLIB, HOLOG_E_CORRUPT, "what is deflated is damaged" },
    { ZIP_ER_COMPRESSED_DATA, HOLOG_E_CORRUPT, "what is deflated is damaged" },
    { ZIP_ER_COMPNOTSUPP, HOLOG_E_NOTSUP, NULL },
    { ZIP_ER_ENCRNOTSUPP, HOLOG_E_NOTSUP, NULL },
    { ZIP_ER_EXISTS, HOLOG_E_EXIST, NULL },
};

/* First cause: what a function of the caller said, of which the caller has the words. */
static int fail(struct hg_zip_archive *a, zip_error_t *error, char *why)
{
    int zip = zip_error_code_zip(error);

    if (a->failed < 0)
        return a->failed;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].zip == zip)
            return refuse(errors[i].code, why, "%s",
                          errors[i].why != NULL ? errors[i].why : zip_error_strerror(error));
    return refuse(HOLOG_E_CORRUPT, why, "the zip file is damaged: %s", zip_error_strerror(error));
}

/* Of a source: for its return value. */
static zip_int64_t told(struct hg_zip_archive *a, int rc)
{
    a->failed = rc;
    zip_error_set(&a->error, ZIP_ER_READ, 0);
    return -1;
}

/* libzip keeps what sources must be able to do in variables of its own, which it does not guard. */
static void prepare(void)
{
    zip_source_t *empty = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_t *zip = empty != NULL ? zip_open_from_source(empty, ZIP_RDONLY, NULL) : NULL;

    if (zip != NULL)
        zip_discard(zip);
    else
        zip_source_free(empty);
}

static void archive_close(struct hg_zip_archive *a)
{
    if (a == NULL)
        return;
    if (a->zip != NULL)
        zip_discard(a->zip);
    zip_error_fini(&a->error);
    free(a);
}

/* NULL: there is no memory for it. */
static struct hg_zip_archive *archive_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct hg_zip_archive *a = calloc(1, sizeof *a);

    (void)pthread_once(&once, prepare); /* it fails on what is no such thing */
    if (a != NULL)
        zip_error_init(&a->error);
    return a;
}

/* The archive as a source, which libzip owns with it. */
static int open_source(struct hg_zip_archive *a, zip_source_callback callback, int flags, char *why)
{
    zip_error_t error;
    zip_source_t *source;
    int rc = 0;

    zip_error_init(&error);
    source = zip_source_function_create(callback, a, &error);
    if (source != NULL)
        a->zip = zip_open_from_source(source, flags, &error);
    if (a->zip == NULL) {
        rc = fail(a, &error, why);
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return rc;
}

static zip_int64_t seek(struct hg_zip_archive *a, uint64_t size, void *args, zip_uint64_t len)
{
    zip_int64_t at = zip_source_seek_compute_offset(a->at, size, args, len, &a->error);

    if (at < 0)
        return -1;
    a->at = (uint64_t)at;
    return 0;
}

/* What a source says of itself. */
static zip_int64_t say_size(uint64_t size, void *out, zip_uint64_t len)
{
    zip_stat_t *st = out;

    if (len < sizeof *st)
        return -1;
    zip_stat_init(st);
    st->valid = ZIP_STAT_SIZE;
    st->size = size;
    return sizeof *st;
}

/* ---- written -----------------------------------------------------------------------------------------*/

static zip_int64_t put(struct hg_zip_archive *a, const void *data, zip_uint64_t len)
{
    int rc = a->to.put(a->to.ctx, a->at, data, (size_t)len);

    if (rc < 0)
        return told(a, rc);
    a->at += len;
    a->end = a->at > a->end ? a->at : a->end;
    return (zip_int64_t)len;
}

static zip_int64_t written(void *ctx, void *data, zip_uint64_t len, zip_source_cmd_t cmd)
{
    struct hg_zip_archive *a = ctx;

    switch ((int)cmd) {
    case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_WRITABLE;
    case ZIP_SOURCE_STAT: return say_size(0, data, len);
    case ZIP_SOURCE_WRITE: return put(a, data, len);
    case ZIP_SOURCE_SEEK_WRITE: return seek(a, a->end, data, len);
    case ZIP_SOURCE_TELL_WRITE: return (zip_int64_t)a->at;
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&a->error, data, len);
    case ZIP_SOURCE_OPEN:
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_COMMIT_WRITE:   /* the caller's business, */
    case ZIP_SOURCE_ROLLBACK_WRITE: /* as this is */
    case ZIP_SOURCE_FREE: return 0;
    default: zip_error_set(&a->error, ZIP_ER_OPNOTSUPP, 0); return -1;
    }
}

/* An entry's bytes, which the caller has when they are written. */
struct value {
    struct hg_zip_archive *archive;
    zip_uint64_t index;
};

static zip_int64_t value_open(const struct value *v)
{
    struct hg_zip_archive *a = v->archive;
    const char *name = zip_get_name(a->zip, v->index, ZIP_FL_ENC_RAW);
    const void *data = NULL;
    int rc = a->to.begin(a->to.ctx, name, &data, &a->value_len);

    if (rc < 0)
        return told(a, rc);
    a->value = data;
    a->value_at = 0;
    return 0;
}

static zip_int64_t value_read(struct hg_zip_archive *a, void *out, zip_uint64_t len)
{
    size_t left = a->value_len - a->value_at;
    size_t n = len < left ? (size_t)len : left;

    if (n > 0)
        memcpy(out, a->value + a->value_at, n);
    a->value_at += n;
    return (zip_int64_t)n;
}

/* One that does not know its size gets the fields of zip64, which RFC-9 of OME-NGFF asks for. */
static zip_int64_t say_nothing(void *out, zip_uint64_t len)
{
    zip_int64_t n = say_size(0, out, len);

    if (n > 0)
        zip_stat_init(out);
    return n;
}

static zip_int64_t value(void *ctx, void *data, zip_uint64_t len, zip_source_cmd_t cmd)
{
    struct value *v = ctx;

    switch ((int)cmd) {
    case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_READABLE;
    case ZIP_SOURCE_STAT: return say_nothing(data, len);
    case ZIP_SOURCE_OPEN: return value_open(v);
    case ZIP_SOURCE_READ: return value_read(v->archive, data, len);
    case ZIP_SOURCE_CLOSE:
        v->archive->value = NULL;
        v->archive->to.end(v->archive->to.ctx);
        return 0;
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&v->archive->error, data, len);
    case ZIP_SOURCE_FREE: free(v); return 0;
    default: zip_error_set(&v->archive->error, ZIP_ER_OPNOTSUPP, 0); return -1;
    }
}

static int plugin_create(const struct hg_zip_to *to, struct hg_zip_archive **out, char *why)
{
    struct hg_zip_archive *a = archive_new();
    int rc;

    if (a == NULL)
        return refuse(HOLOG_E_NOMEM, why, "no memory for a zip file");
    a->to = *to;
    rc = open_source(a, written, ZIP_CREATE | ZIP_TRUNCATE, why);
    if (rc < 0)
        archive_close(a);
    else
        *out = a;
    return rc;
}

static int plugin_add(struct hg_zip_archive *a, const char *name, char *why)
{
    struct value *v = calloc(1, sizeof *v);
    zip_source_t *source = v == NULL ? NULL : zip_source_function(a->zip, value, v);
    zip_int64_t index;

    if (source == NULL) {
        free(v);
        return refuse(HOLOG_E_NOMEM, why, "no memory for an entry of a zip file");
    }
    v->archive = a;
    index = zip_file_add(a->zip, name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return fail(a, zip_get_error(a->zip), why);
    }
    v->index = (zip_uint64_t)index;
    if (zip_set_file_compression(a->zip, v->index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(a->zip, v->index, 0, NEW_YEAR, 0) != 0 ||
        zip_file_set_external_attributes(a->zip, v->index, 0, ZIP_OPSYS_UNIX, FILE_MODE) != 0)
        return fail(a, zip_get_error(a->zip), why);
    return 0;
}

static int plugin_finish(struct hg_zip_archive *a, const char *comment, char *why)
{
    if ((comment[0] != 0 &&
         zip_set_archive_comment(a->zip, comment, (zip_uint16_t)strlen(comment)) != 0) ||
        zip_close(a->zip) != 0)
        return fail(a, zip_get_error(a->zip), why);
    a->zip = NULL;
    return 0;
}

/* ---- read --------------------------------------------------------------------------------------------*/

static uint64_t get_64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    return le64toh(v);
}

/* The end at `at` of the tail, with its locator in front of it: how many entries are there to be? 0: it says
 * nothing of them, or libzip will find what is wrong with it. */
static int read_count(const struct hg_zip_from *from, const uint8_t *tail, size_t at,
                      uint64_t *out_count)
{
    uint8_t end64[END64];
    uint64_t offset;
    int rc;

    *out_count = 0;
    if (memcmp(tail + at, "PK\5\6", 4) != 0 || memcmp(tail + at - LOCATOR, "PK\6\7", 4) != 0)
        return 0;
    offset = get_64(tail + at - LOCATOR + 8);
    if (from->size < END64 || offset > from->size - END64)
        return 0;
    rc = from->read(from->ctx, offset, end64, sizeof end64);
    if (rc == 0)
        *out_count = get_64(end64 + 32);
    return rc;
}

/* libzip asks for memory for all entries of zip64 before it reads one. */
static int check_count(const struct hg_zip_from *from, uint64_t max, char *why)
{
    size_t len = from->size < TAIL ? (size_t)from->size : TAIL;
    uint8_t *tail = malloc(len + 1);
    uint64_t count = 0;
    int rc;

    if (tail == NULL)
        return refuse(HOLOG_E_NOMEM, why, "no memory for a zip file");
    rc = from->read(from->ctx, from->size - len, tail, len);
    for (size_t at = LOCATOR; rc == 0 && count <= max && at + END <= len; at++)
        rc = read_count(from, tail, at, &count);
    free(tail);
    if (rc == 0 && count > max)
        rc = refuse(HOLOG_E_TOOBIG, why,
                    "the zip file has %llu entries; at most %llu are read: unpack it, and import "
                    "the directory",
                    (unsigned long long)count, (unsigned long long)max);
    return rc;
}

static zip_int64_t get(struct hg_zip_archive *a, void *out, zip_uint64_t len)
{
    uint64_t left = a->from.size - a->at;
    size_t n = (size_t)(len < left ? len : left);
    int rc;

    if (n > a->may_read)
        return told(a, HOLOG_E_TOOBIG);
    rc = n == 0 ? 0 : a->from.read(a->from.ctx, a->at, out, n);
    if (rc < 0)
        return told(a, rc);
    a->at += n;
    a->may_read -= n;
    return (zip_int64_t)n;
}

static zip_int64_t being_read(void *ctx, void *data, zip_uint64_t len, zip_source_cmd_t cmd)
{
    struct hg_zip_archive *a = ctx;

    switch ((int)cmd) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_SEEKABLE |
               ZIP_SOURCE_MAKE_COMMAND_BITMASK(ZIP_SOURCE_ACCEPT_EMPTY);
    case ZIP_SOURCE_STAT: return say_size(a->from.size, data, len);
    case ZIP_SOURCE_READ: return get(a, data, len);
    case ZIP_SOURCE_SEEK: return seek(a, a->from.size, data, len);
    case ZIP_SOURCE_TELL: return (zip_int64_t)a->at;
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&a->error, data, len);
    case ZIP_SOURCE_OPEN: a->at = 0; return 0;
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
    case ZIP_SOURCE_ACCEPT_EMPTY: /* it is no zip file */ return 0;
    default: zip_error_set(&a->error, ZIP_ER_OPNOTSUPP, 0); return -1;
    }
}

static int plugin_open(const struct hg_zip_from *from, uint64_t max_entries, uint64_t max_bytes,
                       struct hg_zip_archive **out, uint64_t *out_entries, char *why)
{
    struct hg_zip_archive *a;
    int rc = check_count(from, max_entries, why);

    if (rc < 0)
        return rc;
    a = archive_new();
    if (a == NULL)
        return refuse(HOLOG_E_NOMEM, why, "no memory for a zip file");
    a->from = *from;
    a->may_read = max_bytes;
    rc = open_source(a, being_read, ZIP_RDONLY, why);
    if (rc == 0)
        rc = a->failed; /* behind one end that is good it looks for others */
    if (rc == HOLOG_E_TOOBIG)
        rc = refuse(rc, why,
                    "the directory of the zip file is too large: unpack it, and import the "
                    "directory");
    if (rc < 0) {
        archive_close(a);
        return rc;
    }
    a->may_read = UINT64_MAX;
    *out_entries = (uint64_t)zip_get_num_entries(a->zip, 0);
    *out = a;
    return 0;
}

static int plugin_describe(struct hg_zip_archive *a, uint64_t index, struct hg_zip_about *out,
                           char *why)
{
    zip_stat_t st;
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;

    if (zip_stat_index(a->zip, index, ZIP_FL_ENC_RAW, &st) != 0 ||
        zip_file_get_external_attributes(a->zip, index, 0, &system, &attributes) != 0)
        return fail(a, zip_get_error(a->zip), why);
    *out = (struct hg_zip_about){ .name = st.name,
                                  .size = st.size,
                                  .packed = st.comp_size,
                                  .method = st.comp_method,
                                  .is_encrypted = st.encryption_method != ZIP_EM_NONE };
    if (system == ZIP_OPSYS_UNIX || system == ZIP_OPSYS_OS_X)
        out->mode = attributes >> 16;
    return 0;
}

/* A byte more shows whether that was all, and has libzip compare the checksum. */
static int read_open(zip_file_t *f, uint8_t *out, size_t size)
{
    uint8_t more;
    size_t at = 0;
    zip_int64_t n = 1;

    while (n > 0 && at < size) {
        n = zip_fread(f, out + at, size - at);
        at += n > 0 ? (size_t)n : 0;
    }
    if (n >= 0)
        n = zip_fread(f, &more, 1);
    if (n < 0)
        return -1;
    return at == size && n == 0 ? 0 : 1;
}

static int plugin_read(struct hg_zip_archive *a, uint64_t index, void *out, size_t size, char *why)
{
    zip_file_t *f;
    int rc;

    a->failed = 0;
    f = zip_fopen_index(a->zip, index, 0);
    if (f == NULL)
        return fail(a, zip_get_error(a->zip), why);
    rc = read_open(f, out, size);
    if (rc < 0)
        rc = fail(a, zip_file_get_error(f), why);
    else if (rc > 0)
        rc = refuse(HOLOG_E_CORRUPT, why, "it has more or fewer bytes than it says");
    (void)zip_fclose(f); /* only read */
    return rc;
}

const struct hg_plugin_zip *holog_plugin_zip(void)
{
    static const struct hg_plugin_zip table = { .version = HG_PLUGIN_VERSION,
                                                .struct_size = sizeof table,
                                                .create = plugin_create,
                                                .add = plugin_add,
                                                .finish = plugin_finish,
                                                .open = plugin_open,
                                                .describe = plugin_describe,
                                                .read = plugin_read,
                                                .close = archive_close };
    return &table;
}
