/*
 * Files of segments that edits have removed: how they go.
 *
 * A file system that is given much back at once, above all one that tells its disk of it (discard), makes every sync wait
 * until it is through: 256 MiB for 50 ms where a commit takes a quarter of one. So whoever has time lets a file go in
 * steps: it is opened, its name goes, seg/ is synced, and then, while it is only this descriptor that still holds
 * it, it is cut shorter from its end.
 *
 * Trap: that must be nobody else's file. Another name of it is somebody's copy; a thread of this process may be reading
 * (hg_files_forget tells), or a process that opened it before its name was gone (the caller looks, after that). Then it
 * is closed, and goes whole with the last who has it.
 */
#include <string.h>

#include "base/error.h"
#include "wal/log_internal.h"

/* The next one that is to be unlinked; 0: there is none. */
static int next_removed(struct hg_log *log, uint32_t above, struct hg_segment_entry *out)
{
    const struct hg_segment_entry *e;
    size_t n;
    int found = 0;

    hg_mutex_lock(log->io, &log->ext_lock);
    e = (const struct hg_segment_entry *)(const void *)log->segments.data;
    n = log->segments.len / sizeof *e;
    for (size_t i = 0; i < n; i++) {
        if ((e[i].kind & HG_SEGMENT_REMOVED) != 0 && e[i].segment > above &&
            (!found || e[i].segment < out->segment)) {
            *out = e[i];
            found = 1;
        }
    }
    hg_mutex_unlock(log->io, &log->ext_lock);
    return found;
}

uint32_t hg_log_removed(struct hg_log *log)
{
    struct hg_segment_entry e = { 0 };
    uint32_t n = 0;

    while (next_removed(log, e.segment, &e))
        n++;
    return n;
}

/* ---- the one that is cut -------------------------------------------------------------------------*/

static void close_leaving(struct hg_log *log)
{
    struct hg_log_leaving *l = &log->leaving;

    (void)log->io->ops->close(l->file); /* nobody will ask for a byte of it */
    l->file = NULL;
    __atomic_store_n(&l->cut, 0, __ATOMIC_RELAXED);
    hg_log_drop_entry(log, l->segment);
}

void hg_log_unlink_whole(struct hg_log *log)
{
    if (log->leaving.file != NULL && log->leaving.cut == 0)
        close_leaving(log);
}

/* Before its name goes. What cannot be opened, or is small, goes whole. */
static struct hg_file *open_to_cut(struct hg_log *log, const char *name, uint64_t more_than)
{
    struct hg_file_info info = { 0 };
    struct hg_file *f = NULL;
    int rc = log->io->ops->open(log->io, name, HG_OPEN_WRITE, &f);

    if (rc == HOLOG_OK)
        rc = log->io->ops->info(f, &info);
    if (rc == HOLOG_OK && info.size_bytes > more_than)
        return f;
    if (rc < 0)
        hg_error_clear();
    if (f != NULL)
        (void)log->io->ops->close(f); /* nothing was written */
    return NULL;
}

/* Its name is gone, durably: whose is it now? */
static void begin_to_cut(struct hg_log *log, struct hg_file *f, uint32_t segment)
{
    struct hg_file_info info = { .links = 1 };
    int used = hg_files_forget(log->files, segment);

    if (log->io->ops->info(f, &info) < 0)
        hg_error_clear();
    log->leaving.file = f; /* not `cut`, which is 0, and which others read */
    log->leaving.segment = segment;
    log->leaving.size = info.size_bytes;
    if (used || info.links != 0)
        close_leaving(log);
}

/* Returns how many bytes have gone. */
static uint64_t cut(struct hg_log *log, uint64_t bytes)
{
    struct hg_log_leaving *l = &log->leaving;
    uint64_t left = l->size - l->cut;
    uint64_t step = HG_MIN(left, bytes);

    if (step == left || log->io->ops->truncate(l->file, left - step) < 0) {
        if (step < left)
            hg_error_clear(); /* then it goes whole */
        close_leaving(log);
        return left;
    }
    __atomic_store_n(&l->cut, l->cut + step, __ATOMIC_RELAXED);
    return step;
}

/* ---- all of them ---------------------------------------------------------------------------------*/

static void drop_up_to(struct hg_log *log, uint32_t last)
{
    struct hg_segment_entry e = { 0 };

    while (next_removed(log, e.segment, &e) && e.segment <= last) {
        if (log->leaving.file == NULL || log->leaving.segment != e.segment)
            hg_log_drop_entry(log, e.segment);
    }
}

int hg_log_unlink_removed(struct hg_log *log, uint64_t bytes)
{
    struct hg_segment_entry e = { 0 };
    struct hg_file *large = NULL;
    char name[HG_FILE_NAME_MAX];
    uint64_t gone = 0;
    uint32_t last = 0;
    int rc = hg_log_check(log); /* or the edit that removed them may never have been written */

    if (rc == HOLOG_OK && log->leaving.file != NULL)
        gone = cut(log, bytes);
    while (rc == HOLOG_OK && gone < bytes && large == NULL && next_removed(log, last, &e)) {
        last = e.segment;
        hg_segment_name(name, e.segment, (enum hg_segment_kind)hg_segment_entry_kind(&e));
        if (e.used > bytes - gone)
            large = open_to_cut(log, name, bytes - gone);
        gone += e.used;
        (void)hg_files_forget(log->files, e.segment);
        rc = log->io->ops->unlink(log->io, name);
        if (rc == HOLOG_E_NOENT)
            rc = HOLOG_OK;
    }
    if (rc == HOLOG_OK && last != 0)
        rc = hg_log_sync_names(log);
    if (rc == HOLOG_OK && large != NULL)
        begin_to_cut(log, large, last);
    else if (large != NULL)
        (void)log->io->ops->close(large); /* the next call finds the rest */
    if (rc == HOLOG_OK && last != 0)
        drop_up_to(log, last);
    return rc;
}
