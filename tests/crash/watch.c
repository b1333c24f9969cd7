/*
 * Watching the disk; see watch.h.
 */
#include "watch.h"

#include <stdio.h>
#include <string.h>

#include "holog/error.h"

enum {
    NAMES = 64
};

struct names {
    char name[NAMES][64];
    unsigned n;
};

static const struct hg_io_ops *below;
static struct hg_io_ops watched;
static struct names published; /* temporary names whose files are part of the store by now */
static struct names failed;    /* files whose sync failed, under this handle */
static int log_failed;
static unsigned retried;
static unsigned long failed_syncs;

static int has(const struct names *l, const char *name)
{
    for (unsigned i = 0; i < l->n; i++)
        if (strcmp(l->name[i], name) == 0)
            return 1;
    return 0;
}

static void add(struct names *l, const char *name)
{
    if (!has(l, name) && l->n < NAMES)
        (void)snprintf(l->name[l->n++], sizeof l->name[0], "%s", name);
}

static int is_log(const struct hg_file *f)
{
    const char *dot = strrchr(f->name, '.');

    if (strncmp(f->name, "seg/", 4) != 0 || dot == NULL)
        return 0;
    return strcmp(dot, ".tmp") != 0 || has(&published, f->name);
}

static int on_sync(struct hg_file *f)
{
    int rc;

    if (has(&failed, f->name))
        retried++;
    rc = below->fdatasync(f);
    if (rc < 0) {
        failed_syncs++;
        add(&failed, f->name);
        log_failed |= is_log(f);
    }
    return rc;
}

static int on_write(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                    unsigned flags, size_t *out_n)
{
    int rc = below->pwritev(f, iov, n_iov, offset, flags, out_n);

    if (rc < 0)
        log_failed |= is_log(f);
    return rc;
}

static int on_rename(struct hg_io *io, const char *from, const char *to)
{
    int rc = below->rename(io, from, to);

    if (rc == HOLOG_OK)
        add(&published, from);
    return rc;
}

/* Names of segments: what comes after may rest on what was not synced. */
static int on_sync_dir(struct hg_io *io, const char *name)
{
    int rc = below->sync_dir(io, name);

    log_failed |= rc < 0 && strcmp(name, "seg") == 0;
    return rc;
}

void watch_start(struct hg_io *io)
{
    below = io->ops;
    watched = *below;
    watched.fdatasync = on_sync;
    watched.pwritev = on_write;
    watched.rename = on_rename;
    watched.sync_dir = on_sync_dir;
    published.n = 0;
    retried = 0;
    watch_new_handle();
    io->ops = &watched;
}

void watch_stop(struct hg_io *io)
{
    io->ops = below;
}

void watch_new_handle(void)
{
    failed.n = 0;
    log_failed = 0;
}

int watch_log_failed(void)
{
    return log_failed;
}

unsigned watch_retried_syncs(void)
{
    return retried;
}

unsigned long watch_failed_syncs(void)
{
    return failed_syncs;
}
