/*
 * ctl: the shared page, a sequence lock.
 *
 * The writer makes the sequence odd, changes the fields, makes it even again. A reader takes the
 * fields between two readings of one even sequence. Every field is stored with release and loaded
 * with acquire, which does without fences: a reader that sees a new field also sees, afterwards,
 * the odd sequence that was stored before it.
 *
 * From opening to its first publish the writer leaves the sequence odd: what the page says then is
 * of a writer that is gone, perhaps of another store it was copied from.
 */
#include "wal/ctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define CTL_MAGIC   "HOLOGCTL"
#define CTL_VERSION 1u
#define READ_TRIES  1000 /* a writer is between two stores for nanoseconds, unless it is gone */

struct hg_ctl {
    struct hg_io *io;
    struct hg_file *file;
    uint8_t *page; /* HG_CTL_SIZE bytes, shared with other processes */
    int writable;
    uint64_t magic; /* CTL_MAGIC as the number it is in memory */
};

enum ctl_field {
    CTL_MAGIC_AT = 0,
    CTL_VERSION_AT = 8,
    CTL_SEQUENCE_AT = 12,
    CTL_DURABLE_AT = 16,
    CTL_NUMBER_AT = 24,
    CTL_RESERVED_AT = 32,
    CTL_PID_AT = 40
};

/* The build refuses big-endian machines: an aligned store is the encoding, and it must be one
 * store, since others read it meanwhile. */
static uint32_t *field32(const struct hg_ctl *c, enum ctl_field at)
{
    return (uint32_t *)(void *)(c->page + at);
}

static uint64_t *field64(const struct hg_ctl *c, enum ctl_field at)
{
    return (uint64_t *)(void *)(c->page + at);
}

static uint32_t load32(const struct hg_ctl *c, enum ctl_field at)
{
    return __atomic_load_n(field32(c, at), __ATOMIC_ACQUIRE);
}

static uint64_t load64(const struct hg_ctl *c, enum ctl_field at)
{
    return __atomic_load_n(field64(c, at), __ATOMIC_ACQUIRE);
}

static void store32(struct hg_ctl *c, enum ctl_field at, uint32_t v)
{
    __atomic_store_n(field32(c, at), v, __ATOMIC_RELEASE);
}

static void store64(struct hg_ctl *c, enum ctl_field at, uint64_t v)
{
    __atomic_store_n(field64(c, at), v, __ATOMIC_RELEASE);
}

/* ---- open and close ------------------------------------------------------------------------------*/

static int open_file(struct hg_io *io, int writable, struct hg_file **out_file)
{
    unsigned flags = writable ? (unsigned)HG_OPEN_WRITE : 0u;
    int rc = io->ops->open(io, HG_CTL_NAME, flags, out_file);
    if (rc != HOLOG_E_NOENT || !writable)
        return rc;
    return io->ops->open(io, HG_CTL_NAME, flags | HG_OPEN_CREATE, out_file);
}

/* Touching a mapped page behind the end of the file would end the process. */
static int check_size(struct hg_io *io, struct hg_file *f, int writable)
{
    struct hg_file_info info;
    int rc = io->ops->info(f, &info);
    if (rc < 0 || info.size_bytes >= HG_CTL_SIZE)
        return rc;
    if (writable)
        return io->ops->truncate(f, HG_CTL_SIZE);
    return hg_error(HOLOG_E_AGAIN, "ctl has %llu bytes: no writer has prepared it yet",
                    (unsigned long long)info.size_bytes);
}

static int map_page(struct hg_io *io, struct hg_file *f, int writable, void **out_page)
{
    struct holog_error_detail detail;
    int rc = io->ops->map_shared(f, HG_CTL_SIZE, writable, out_page);
    if (rc == HOLOG_OK)
        return rc;
    hg_error_get(&detail);
    if (detail.sys_errno == ENODEV) /* a file system without shared mappings */
        return hg_error_sys_as(HOLOG_E_NOTSUP, ENODEV, "map", HG_CTL_NAME);
    return rc;
}

static void prepare_page(struct hg_ctl *c)
{
    store32(c, CTL_SEQUENCE_AT, load32(c, CTL_SEQUENCE_AT) | 1);
    store64(c, CTL_MAGIC_AT, c->magic);
    store32(c, CTL_VERSION_AT, CTL_VERSION);
    store64(c, CTL_RESERVED_AT, 0);
    store32(c, CTL_PID_AT, (uint32_t)getpid());
}

int hg_ctl_open(struct hg_io *io, int writable, struct hg_ctl **out_ctl)
{
    void *page = NULL;
    struct hg_file *f = NULL;
    struct hg_ctl *c = hg_calloc(1, sizeof *c);
    int rc = HOLOG_OK;

    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for ctl");
    rc = open_file(io, writable, &f);
    if (rc < 0)
        goto out;
    rc = check_size(io, f, writable);
    if (rc < 0)
        goto out;
    rc = map_page(io, f, writable, &page);
    if (rc < 0)
        goto out;
    *c = (struct hg_ctl){ .io = io, .file = f, .page = page, .writable = writable };
    memcpy(&c->magic, CTL_MAGIC, sizeof c->magic);
    if (writable)
        prepare_page(c);
    *out_ctl = c;
    c = NULL;
    f = NULL;
out:
    if (f != NULL)
        (void)io->ops->close(f); /* a hint's file: rc tells the first cause */
    hg_free(c);
    return rc;
}

void hg_ctl_close(struct hg_ctl *c)
{
    if (c == NULL)
        return;
    c->io->ops->unmap(c->io, c->page, HG_CTL_SIZE);
    (void)c->io->ops->close(c->file); /* a hint: nothing in it need reach the disk */
    hg_free(c);
}

/* ---- publish and read ----------------------------------------------------------------------------*/

void hg_ctl_publish(struct hg_ctl *c, hg_pos durable, uint64_t number)
{
    HG_ASSERT(c->writable);
    uint32_t odd = load32(c, CTL_SEQUENCE_AT) | 1;
    store32(c, CTL_SEQUENCE_AT, odd);
    store64(c, CTL_DURABLE_AT, durable);
    store64(c, CTL_NUMBER_AT, number);
    store32(c, CTL_SEQUENCE_AT, odd + 1);
}

int hg_ctl_read(const struct hg_ctl *c, hg_pos *out_durable, uint64_t *out_number)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t sequence = load32(c, CTL_SEQUENCE_AT);
        hg_pos durable = load64(c, CTL_DURABLE_AT);
        uint64_t number = load64(c, CTL_NUMBER_AT);
        if (sequence % 2 != 0 || load32(c, CTL_SEQUENCE_AT) != sequence)
            continue;
        if (load64(c, CTL_MAGIC_AT) != c->magic || load32(c, CTL_VERSION_AT) != CTL_VERSION)
            break;
        *out_durable = durable;
        *out_number = number;
        return HOLOG_OK;
    }
    return hg_error(HOLOG_E_AGAIN, "ctl says nothing: no writer has published yet");
}

uint32_t hg_ctl_sequence(const struct hg_ctl *c)
{
    return load32(c, CTL_SEQUENCE_AT);
}

int hg_writer_alive(struct hg_io *io, int *out_alive)
{
    struct hg_file *lock = NULL;
    int alive = 0;

    int rc = io->ops->open(io, HG_LOCK_NAME, 0, &lock);
    if (rc == HOLOG_OK) {
        rc = io->ops->lock_test(lock, HG_LOCK_WRITER, 1, 0, &alive);
        (void)io->ops->close(lock); /* nothing was locked */
    }
    if (rc < 0 && rc != HOLOG_E_NOENT && rc != HOLOG_E_NOTSUP)
        return rc;
    *out_alive = alive; /* where there is no lock, or none can be had, there is no writer */
    return HOLOG_OK;
}
