/*
 * The handle: init, open, close; settings; the lock; fork.
 *
 * Opening for writing, in order:
 *   O1  the lock, waiting a bounded time for a killed owner's last I/O
 *   O2  the newest sound index checkpoint, in chk/ or in a base; without one an empty index (start.c)
 *   O3  recovery: where the log ends, replay of what is behind the checkpoint (wal/recover.h)
 *   O4  after an unclean end: the cut is made and the segment sealed
 *   O5  the log's writer
 * A read-only open does O2 and O3 only and writes nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "engine/checkpoint.h"
#include "engine/delta.h"
#include "engine/retention.h"
#include "engine/start.h"
#include "io/event.h"
#include "io/fork.h"
#include "wal/super.h"

#define LOCK_POLL_NS (10u * 1000u * 1000u)

const char *holog_version(void)
{
    return "0.1.0";
}

/* ---- every call begins here -----------------------------------------------------------------------------*/

int hg_store_check(holog_store *s)
{
    if (s == NULL)
        return hg_error(HOLOG_E_INVAL, "the store is NULL");
    if (s->fork_generation != hg_fork_generation())
        return hg_error(HOLOG_E_FORKED,
                        "this handle belongs to the parent process; open the store again here");
    return HOLOG_OK;
}

int hg_store_check_write(holog_store *s)
{
    int rc = hg_store_check(s);

    if (rc < 0)
        return rc;
    if (s->log == NULL)
        return hg_error(HOLOG_E_READONLY, "%s was opened read-only", s->dir);
    return HOLOG_OK;
}

/* ---- settings ----------------------------------------------------------------------------------------------*/

/* One that is asked for at each commit has a place of its own. */
static void note_setting(holog_store *s, const struct hg_setting *e)
{
    int mode;

    if (strcmp(e->key, HG_CONSERVATION_KEY) == 0 && (mode = hg_conservation_mode(e->value)) >= 0)
        __atomic_store_n(&s->conservation, (enum hg_conservation)mode, __ATOMIC_RELAXED);
    if (strcmp(e->key, HG_COMPRESSION_KEY) == 0 && (mode = hg_compression_of(e->value)) >= 0)
        __atomic_store_n(&s->compression, mode, __ATOMIC_RELAXED);
}

int hg_setting_put(holog_store *s, const char *key, size_t key_len, const char *value,
                   size_t value_len)
{
    struct hg_setting *e = s->settings;
    char *v = hg_strndup(value, value_len);

    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a setting");
    while (e != NULL && (strlen(e->key) != key_len || memcmp(e->key, key, key_len) != 0))
        e = e->next;
    if (e != NULL) {
        hg_free(e->value);
        e->value = v;
        hg_retention_take_settings(s);
        note_setting(s, e);
        return HOLOG_OK;
    }
    e = hg_calloc(1, sizeof *e);
    if (e != NULL)
        e->key = hg_strndup(key, key_len);
    if (e == NULL || e->key == NULL) {
        hg_free(e);
        hg_free(v);
        return hg_error(HOLOG_E_NOMEM, "no memory for a setting");
    }
    e->value = v;
    e->next = s->settings;
    s->settings = e;
    hg_retention_take_settings(s);
    note_setting(s, e);
    return HOLOG_OK;
}

void hg_settings_release(holog_store *s)
{
    s->conservation = HG_CONSERVE_TRACK;
    s->compression = 0;
    while (s->settings != NULL) {
        struct hg_setting *e = s->settings;
        s->settings = e->next;
        hg_free(e->key);
        hg_free(e->value);
        hg_free(e);
    }
}

/* ---- the lock -----------------------------------------------------------------------------------------------------*/

/* LOCK, open for writing; made when it is missing. Two may try to make it at once. */
static int open_lock(struct hg_io *io, struct hg_file **out_file)
{
    int rc = io->ops->open(io, HG_LOCK_NAME, HG_OPEN_WRITE, out_file);

    if (rc == HOLOG_E_NOENT)
        rc = io->ops->open(io, HG_LOCK_NAME, HG_OPEN_WRITE | HG_OPEN_CREATE, out_file);
    if (rc == HOLOG_E_EXIST)
        rc = io->ops->open(io, HG_LOCK_NAME, HG_OPEN_WRITE, out_file);
    return rc;
}

static int wait_for_lock(struct hg_io *io, struct hg_file *file, uint32_t wait_ms)
{
    uint64_t until = io->ops->now_ns(io) + (uint64_t)wait_ms * 1000000u;

    for (;;) {
        int rc = io->ops->lock(file, HG_LOCK_WRITER, 1, 1);
        if (rc != HOLOG_E_BUSY)
            return rc;
        if (io->ops->now_ns(io) >= until)
            break;
        io->ops->sleep_ns(io, LOCK_POLL_NS);
    }
    return hg_error(HOLOG_E_BUSY,
                    "%s is open for writing already, in another process or in this one (waited %u "
                    "ms); until it is closed there it can only be read",
                    io->root, wait_ms);
}

static int take_lock(holog_store *s)
{
    int rc;

    if ((s->opts.flags & HOLOG_OPEN_READONLY) == 0) {
        rc = open_lock(s->io, &s->lock_file);
        return rc < 0 ? rc : wait_for_lock(s->io, s->lock_file, s->opts.lock_wait_ms);
    }
    rc = s->io->ops->open(s->io, HG_LOCK_NAME, 0, &s->lock_file);
    if (rc == HOLOG_E_NOENT)
        return HOLOG_OK; /* a copy without LOCK: nobody writes it */
    return rc < 0 ? rc : s->io->ops->lock(s->lock_file, HG_LOCK_READERS, 1, 0);
}

/* ---- init --------------------------------------------------------------------------------------------------------*/

struct listing {
    int store_files; /* SUPER is there */
    int leftovers;   /* what a cut during init leaves */
    int others;
    char other[64];
};

static int each_name(void *ctx, const char *name, int is_dir)
{
    struct listing *l = ctx;

    HG_UNUSED(is_dir);
    if (strcmp(name, HG_SUPER_NAME) == 0)
        l->store_files = 1;
    else if (strcmp(name, "SUPER.tmp") == 0 || strcmp(name, HG_LOCK_NAME) == 0 ||
             strcmp(name, HG_SEG_DIR) == 0 || strcmp(name, HG_CHK_DIR) == 0 ||
             strcmp(name, HG_QUARANTINE_DIR) == 0 || strcmp(name, HG_CTL_NAME) == 0)
        l->leftovers = 1;
    else if (strcmp(name, "lost+found") != 0 && strcmp(name, HG_CALIBRATION_NAME) != 0 &&
             strcmp(name, HG_CALIBRATION_TMP) != 0 && strcmp(name, HG_CALIBRATION_TRIAL) != 0) {
        l->others = 1;
        (void)snprintf(l->other, sizeof l->other, "%s", name); /* cut to fit */
    }
    return 0;
}

static int make_dir(struct hg_io *io, const char *name)
{
    int rc = io->ops->mkdir(io, name);
    return rc == HOLOG_E_EXIST ? HOLOG_OK : rc;
}

static int write_first_super(struct hg_io *io, const holog_options *o)
{
    struct hg_super s = { .generation = 1,
                          .next_segment = 1,
                          .state = HG_SUPER_CLEAN,
                          .segment_size_max = o->segment_size_max,
                          .extent_size_max = o->extent_segment_size_max,
                          .inline_max = o->inline_max,
                          .space_amp_milli = (uint32_t)(o->max_space_amp * 1000 + 0.5) };
    struct hg_file *f = NULL;
    int rc = io->ops->random(io, s.uuid, sizeof s.uuid);

    if (rc == HOLOG_OK)
        rc = io->ops->random(io, &s.salt, sizeof s.salt);
    s.created_ns = io->ops->wall_ns(io);
    if (rc == HOLOG_OK)
        hg_probe_disk(io, &s);
    if (rc == HOLOG_OK) {
        rc = io->ops->unlink(io, "SUPER.tmp"); /* of an init that was cut short */
        rc = rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
    }
    if (rc == HOLOG_OK)
        rc = io->ops->open(io, "SUPER.tmp", HG_OPEN_WRITE | HG_OPEN_CREATE, &f);
    if (rc < 0)
        return rc;
    rc = hg_super_write(f, &s);
    s.generation = 2;
    if (rc == HOLOG_OK)
        rc = hg_super_write(f, &s);
    if (rc == HOLOG_OK)
        rc = io->ops->fdatasync(f);
    if (rc == HOLOG_OK) {
        rc = io->ops->close(f);
        f = NULL;
    }
    if (f != NULL)
        (void)io->ops->close(f); /* the first cause is told */
    if (rc == HOLOG_OK)
        rc = io->ops->rename(io, "SUPER.tmp", HG_SUPER_NAME);
    return rc == HOLOG_OK ? io->ops->sync_dir(io, "") : rc;
}

static int refuse_init(struct hg_io *io)
{
    struct listing l = { 0 };
    struct hg_recover_options ro = { .read_only = 1 };
    struct hg_recovered r;
    struct hg_replay none = { 0 };
    int rc = io->ops->read_dir(io, "", each_name, &l);

    if (rc < 0)
        return rc;
    if (l.store_files)
        return hg_error(HOLOG_E_EXIST, "%s is a holog store already", io->root);
    if (l.others)
        return hg_error(HOLOG_E_NOTDIREMPTY,
                        "%s holds something else (%s): choose an empty directory", io->root,
                        l.other);
    if (!l.leftovers)
        return HOLOG_OK;
    rc = hg_recover(io, &ro, &none, &r); /* is it what a cut during init leaves? */
    if (rc == HOLOG_OK) {
        hg_free(r.segments);
        hg_free(r.left_over);
    }
    if (rc == HOLOG_E_NOTSTORE)
        return HOLOG_OK;
    return rc == HOLOG_OK || rc == HOLOG_E_CORRUPT
               ? hg_error(HOLOG_E_CORRUPT,
                          "%s holds commits but no SUPER: `holog repair` rebuilds it", io->root)
               : rc;
}

/* Everything but SUPER, which makes it a store. */
static int make_dirs(struct hg_io *io)
{
    int rc = make_dir(io, HG_SEG_DIR);

    if (rc == HOLOG_OK)
        rc = make_dir(io, HG_CHK_DIR);
    if (rc == HOLOG_OK)
        rc = make_dir(io, HG_QUARANTINE_DIR);
    return rc == HOLOG_OK ? io->ops->sync_dir(io, "") : rc;
}

/* Under the lock: another process may be at it, or may have committed already. */
int hg_store_init_io(struct hg_io *io, const holog_options *opts)
{
    holog_options o;
    struct hg_file *lock = NULL;
    int rc = hg_options_resolve(opts, &o);

    if (rc == HOLOG_OK)
        rc = refuse_init(io);
    if (rc == HOLOG_OK)
        rc = open_lock(io, &lock);
    if (rc == HOLOG_OK)
        rc = wait_for_lock(io, lock, o.lock_wait_ms);
    if (rc == HOLOG_OK)
        rc = refuse_init(io);
    if (rc == HOLOG_OK)
        rc = make_dirs(io);
    if (rc == HOLOG_OK)
        rc = write_first_super(io, &o);
    if (lock != NULL) {
        struct holog_error_detail d;
        hg_error_get(&d);
        (void)io->ops->close(lock); /* it is empty */
        hg_error_set(&d);
    }
    return rc;
}

static enum hg_io_choice io_choice(const holog_options *o)
{
    return o->io == HOLOG_IO_POSIX   ? HG_IO_POSIX
           : o->io == HOLOG_IO_URING ? HG_IO_URING
                                     : HG_IO_AUTO;
}

int holog_init(const char *dir, const holog_options *opts)
{
    struct hg_io *io = NULL;
    holog_options o;
    int rc;

    if (dir == NULL || dir[0] == 0)
        return hg_error(HOLOG_E_INVAL, "the directory is empty or NULL");
    rc = hg_options_resolve(opts, &o);
    if (rc == HOLOG_OK)
        rc = hg_io_make_dir(dir);
    if (rc == HOLOG_E_EXIST)
        rc = HOLOG_OK;
    if (rc == HOLOG_OK)
        rc = hg_io_open(dir, io_choice(&o), &io);
    if (rc != HOLOG_OK)
        return rc;
    io->buffered = o.direct == HOLOG_DIRECT_OFF;
    rc = hg_store_init_io(io, &o);
    io->ops->destroy(io);
    return rc;
}

/* ---- open -------------------------------------------------------------------------------------------------------------*/

static int add_segments(holog_store *s)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; i < s->recovered.n_segments && rc == HOLOG_OK; i++) {
        const struct hg_log_segment *g = &s->recovered.segments[i];
        if (g->kind == HG_KIND_BASE)
            continue;                                             /* no birth is there */
        uint64_t size = HG_MAX(g->header.capacity, g->file_size); /* a header may be damaged */
        rc = hg_cache_add_segment(s->cache, g->id, g->kind,
                                  HG_MIN(HG_MAX(size, (uint64_t)HG_BLOCK), (uint64_t)UINT32_MAX));
        hg_cache_set_written(s->cache, g->id, s->log == NULL ? g->used : g->file_size);
    }
    return rc;
}

/* Damage in one of them is the damage of what lies there, and told when that is asked for; but which that is,
 * its tables say: without them nothing can be told. */
static int open_cold(holog_store *s)
{
    const struct hg_log_segment *g = s->recovered.segments;
    struct hg_cold_set *set = NULL;
    struct hg_buf ids = { 0 };
    int rc = HOLOG_OK;

    for (size_t i = 0; i < s->recovered.n_segments && rc == HOLOG_OK; i++) {
        if (g[i].kind == HG_KIND_HWP)
            rc = hg_buf_append(&ids, &g[i].id, sizeof g[i].id);
    }
    if (rc == HOLOG_OK && ids.len > 0)
        rc = hg_cold_prepare(s->cold, (const uint32_t *)(const void *)ids.data,
                             ids.len / sizeof(uint32_t), &set);
    if (set != NULL)
        hg_cold_exchange(s->cold, set, NULL, 0);
    hg_buf_release(&ids);
    return rc;
}

void hg_recovered_release(struct hg_recovered *r)
{
    hg_free(r->segments);
    hg_free(r->left_over);
    r->segments = NULL;
    r->left_over = NULL;
    r->n_segments = r->n_left_over = 0;
}

/* *out_known NULL: it is lost or damaged, as recovery will tell. */
static int look_at_super(struct hg_io *io, struct hg_super *out, const struct hg_super **out_known)
{
    struct hg_super_slots slots;
    int rc = hg_super_read(io, out, &slots);

    *out_known = rc == HOLOG_OK ? out : NULL;
    return rc == HOLOG_E_IO || rc == HOLOG_E_NOMEM || rc == HOLOG_E_NOSPC ? rc : HOLOG_OK;
}

static int recover(holog_store *s)
{
    struct hg_super super;
    const struct hg_super *known = NULL;
    struct hg_recover_options ro = { .read_only = (s->opts.flags & HOLOG_OPEN_READONLY) != 0,
                                     .progress = s->opts.progress,
                                     .progress_ctx = s->opts.progress_ctx };
    uint64_t t0 = s->io->ops->now_ns(s->io);
    uint64_t limit_number = UINT64_MAX;
    int rc = HOLOG_OK;

    if (ro.read_only)
        rc = hg_reader_limit(s, &ro.limit, &limit_number);
    if (rc == HOLOG_OK)
        rc = look_at_super(s->io, &super, &known);
    if (rc == HOLOG_OK)
        rc = hg_start(s, known, limit_number, &ro);
    if (rc < 0)
        return rc;
    s->inline_max = s->recovered.super.inline_max;
    s->report.struct_size = sizeof s->report;
    s->report.clean = s->recovered.clean != 0;
    s->report.last_number = s->recovered.last_number;
    s->report.frames_read = s->recovered.frames_read;
    s->report.bytes_read = s->recovered.bytes_read;
    s->report.tail_cut = s->recovered.cut != 0;
    s->report.cut_segment = s->recovered.last_segment;
    s->report.cut_offset = s->recovered.end;
    s->report.cut_bytes = s->recovered.cut_bytes;
    s->report.quarantined_bytes = s->recovered.quarantined_bytes;
    if (rc == HOLOG_OK && !ro.read_only && !s->recovered.clean)
        rc = hg_recover_seal(s->io, &s->recovered); /* O4 */
    if (rc == HOLOG_OK && !ro.read_only && s->recovered.last_segment == 0)
        rc = s->io->ops->sync_dir(s->io, ""); /* an init that was cut has not: SUPER's name */
    s->report.duration_ns = s->io->ops->now_ns(s->io) - t0;
    if (rc == HOLOG_OK && s->recovered.cut && s->opts.log != NULL) {
        char message[512];
        (void)
            snprintf(message, sizeof message,
                     "%.200s: a torn tail was cut at segment %u, offset %llu (%llu bytes; nothing "
                     "acknowledged as durable was in it)",
                     s->io->root, s->recovered.last_segment, (unsigned long long)s->recovered.end,
                     (unsigned long long)s->recovered.cut_bytes);
        s->opts.log(s->opts.log_ctx, HOLOG_LOG_WARN, message);
    }
    return rc;
}

/* What a cut left half made: no part of the store, once recovery has decided. */
struct leftovers {
    struct hg_io *io;
    const char *dir;
    int rc;
};

static int drop_leftover(void *ctx, const char *name, int is_dir)
{
    struct leftovers *l = ctx;
    char path[512];
    size_t n = strlen(name);
    int rc;

    if (is_dir || n < 4 || strcmp(name + n - 4, ".tmp") != 0)
        return 0;
    (void)snprintf(path, sizeof path, "%s%s%s", l->dir, l->dir[0] == 0 ? "" : "/", name);
    rc = l->io->ops->unlink(l->io, path);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        l->rc = rc;
    return 0;
}

/* Files of segments that a compaction has replaced, or began to make. Readers in other processes may still read
 * there: then the log remembers what is to go. */
static int drop_replaced(holog_store *s)
{
    char name[HG_FILE_NAME_MAX];
    int held = 0;
    int rc = s->io->ops->lock_test(s->lock_file, HG_LOCK_READERS, 1, 1, &held);

    if (rc < 0 || held)
        return rc;
    for (size_t i = 0; i < s->recovered.n_left_over && rc == HOLOG_OK; i++) {
        const struct hg_segment_entry *e = &s->recovered.left_over[i];
        hg_segment_name(name, e->segment, e->kind);
        rc = s->io->ops->unlink(s->io, name);
    }
    if (rc == HOLOG_OK && s->recovered.n_left_over > 0)
        rc = s->io->ops->sync_dir(s->io, HG_SEG_DIR);
    if (rc == HOLOG_OK)
        s->recovered.n_left_over = 0;
    return rc;
}

static int drop_leftovers(holog_store *s)
{
    static const char *const dirs[] = { "", HG_SEG_DIR, HG_CHK_DIR, HG_QUARANTINE_DIR };
    struct leftovers l = { .io = s->io };
    int rc = drop_replaced(s);

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0] && rc == HOLOG_OK; i++) {
        l.dir = dirs[i];
        rc = s->io->ops->read_dir(s->io, dirs[i], drop_leftover, &l);
        if (rc == HOLOG_E_NOENT)
            rc = make_dir(s->io, dirs[i]); /* chk and quarantine may be deleted by anybody */
    }
    return rc < 0 ? rc : l.rc;
}

void hg_store_tell_budget(holog_store *s)
{
    hg_budget_set_index(s->cache, hg_index_bytes(s->sequenced.index) +
                                      hg_index_bytes(s->sequenced.past) + s->timeline.moments.cap +
                                      hg_ropes_bytes(s->ropes) +
                                      (s->points != NULL ? hg_side_table_bytes(s->points) : 0));
}

static int make_points(holog_store *s)
{
    uint64_t seed = 0;
    int rc = s->opts.no_side_table ? HOLOG_OK : s->io->ops->random(s->io, &seed, sizeof seed);

    if (rc < 0 || s->opts.no_side_table)
        return rc;
    return hg_side_table_create(s->io, s->domain, seed, &s->points);
}

/* The first version: what recovery found. */
static int first_version(holog_store *s)
{
    struct hg_version *v;
    int rc = hg_version_spare(s);

    if (rc < 0)
        return rc;
    v = hg_version_freeze(s);
    s->published = v;
    __atomic_add_fetch(&v->refs, 2, __ATOMIC_RELAXED);
    s->durable = v;
    s->latest = v;
    s->strict_number = v->number;
    hg_point_fit(s);
    hg_store_tell_budget(s);
    return HOLOG_OK;
}

static int open_log(holog_store *s)
{
    struct hg_log_options o = { .groups_in_flight = s->opts.groups_in_flight,
                                .background = !s->opts.no_background,
                                .compacts = !s->opts.no_compaction,
                                .sync_interval_ms = s->opts.sync == HOLOG_SYNC_INTERVAL
                                                        ? s->opts.sync_interval_ms
                                                        : 0,
                                .log = s->opts.log,
                                .log_ctx = s->opts.log_ctx };
    int rc;

    hg_commit_hooks(s, &o.hooks);
    rc = hg_ctl_open(s->io, 1, &s->ctl);
    if (rc < 0) { /* readers then follow by recovery */
        hg_error_clear();
        s->ctl = NULL;
    }
    rc = hg_log_open(s->io, s->files, s->ctl, &s->recovered, &o, &s->log);
    if (rc == HOLOG_OK && s->recovered.n_left_over > 0) {
        rc = hg_log_add_removed(s->log, s->recovered.left_over, s->recovered.n_left_over);
        s->replaced_ns = s->io->ops->now_ns(s->io) | 1; /* readers have time from now on */
    }
    return rc;
}

static int open_parts(holog_store *s)
{
    int read_only = (s->opts.flags & HOLOG_OPEN_READONLY) != 0;
    int rc = hg_epoch_create(&s->domain);

    if (rc == HOLOG_OK)
        rc = take_lock(s); /* O1 */
    if (rc == HOLOG_OK)
        rc = hg_files_create(s->io, 1, &s->files);
    if (rc == HOLOG_OK)
        rc = hg_cache_create(s->io, s->files, s->domain, s->opts.budget_bytes, &s->cache);
    if (rc == HOLOG_OK)
        rc = hg_ropes_create(s->io, s->opts.budget_bytes, &s->ropes);
    if (rc == HOLOG_OK)
        rc = hg_cold_create(s, &s->cold);
    if (rc == HOLOG_OK)
        rc = hg_refs_create(s->io, s->files, s->cache, s->opts.budget_bytes, &s->refs);
    if (rc == HOLOG_OK)
        rc = hg_index_create(s->domain, 0, &s->sequenced.index);
    if (rc == HOLOG_OK)
        rc = hg_index_create(s->domain, 0, &s->sequenced.past);
    if (rc == HOLOG_OK)
        hg_index_set_limit(s->sequenced.index, s->opts.budget_bytes - s->opts.budget_bytes / 8);
    if (rc == HOLOG_OK)
        rc = make_points(s);
    if (rc == HOLOG_OK)
        rc = recover(s);
    if (rc == HOLOG_OK && !read_only)
        rc = drop_leftovers(s);
    if (rc == HOLOG_OK)
        rc = add_segments(s);
    if (rc == HOLOG_OK)
        rc = open_cold(s);
    if (rc == HOLOG_OK)
        rc = first_version(s);
    if (rc == HOLOG_OK && !read_only)
        rc = open_log(s); /* O5 */
    if (rc == HOLOG_OK && read_only)
        rc = hg_follow_create(s->io, &s->recovered, &s->follower);
    if (rc == HOLOG_OK && s->log != NULL)
        rc = hg_keeper_start(s);
    if (rc == HOLOG_OK && s->log != NULL)
        rc = hg_scheduler_start(s);
    if (read_only && rc == HOLOG_OK)
        rc = hg_reader_segments(s);
    hg_recovered_release(&s->recovered);
    hg_buf_release(&s->known_segments);
    return rc;
}

static void free_store(holog_store *s)
{
    hg_scheduler_stop(s);
    hg_keeper_stop(s);
    hg_txn_free_idle(s);
    hg_log_destroy(s->log);
    hg_follow_destroy(s->follower);
    if (s->ctl != NULL)
        hg_ctl_close(s->ctl);
    if (s->event_fd >= 0)
        hg_io_event_close(s->event_fd);
    if (s->domain != NULL) {
        hg_version_put(s, s->published);
        hg_version_put(s, s->durable);
        hg_version_put(s, s->latest);
        hg_version_put(s, s->spare);
        hg_epoch_synchronize(s->domain);
    }
    if (s->sequenced.index != NULL)
        hg_index_destroy(s->sequenced.index);
    if (s->sequenced.past != NULL)
        hg_index_destroy(s->sequenced.past);
    hg_timeline_release(&s->timeline);
    hg_buf_release(&s->sweep.key);
    hg_buf_release(&s->sweep.gone);
    hg_fold_forget(s);
    hg_ropes_destroy(s->ropes);
    hg_cold_destroy(s->cold);
    hg_refs_destroy(s->refs);
    if (s->cache != NULL)
        hg_cache_destroy(s->cache);
    hg_side_table_destroy(s->points);
    if (s->domain != NULL)
        hg_epoch_destroy(s->domain);
    if (s->files != NULL)
        hg_files_destroy(s->files);
    if (s->lock_file != NULL)
        (void)s->io->ops->close(s->lock_file); /* releases the lock */
    hg_settings_release(s);
    hg_buf_release(&s->sched.avoided);
    hg_buf_release(&s->reader_segments);
    hg_buf_release(&s->followed_added);
    hg_buf_release(&s->followed_removed);
    if (s->io_is_ours)
        s->io->ops->destroy(s->io);
    hg_free(s);
}

int hg_store_open_io(struct hg_io *io, const holog_options *opts, holog_store **out_store)
{
    holog_store *s = hg_calloc(1, sizeof *s);
    int rc;

    if (s == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a store");
    s->io = io;
    s->event_fd = -1;
    s->pid = hg_process_id();
    s->fork_generation = hg_fork_generation();
    (void)snprintf(s->dir, sizeof s->dir, "%s", io->root); /* for messages */
    hg_retention_take_settings(s);
    rc = hg_options_resolve(opts, &s->opts);
    if (rc == HOLOG_OK)
        rc = open_parts(s);
    if (rc < 0) {
        struct holog_error_detail d;
        hg_error_get(&d);
        free_store(s);
        hg_error_set(&d);
        return rc;
    }
    *out_store = s;
    return HOLOG_OK;
}

/* Without SUPER: no store, or one whose SUPER is lost. Writes nothing. */
static int judge_without_super(struct hg_io *io)
{
    struct hg_recover_options ro = { .read_only = 1 };
    struct hg_recovered r;
    struct hg_replay none = { 0 };
    int rc = hg_recover(io, &ro, &none, &r);

    if (rc != HOLOG_OK)
        return rc;
    hg_free(r.segments);
    hg_free(r.left_over);
    return hg_error(HOLOG_E_NOTSTORE, "%s: no holog store here", io->root);
}

static int is_store(struct hg_io *io, int *out_is)
{
    return io->ops->exists(io, HG_SUPER_NAME, out_is);
}

#define OPEN_TRIES 8

/* While a reader opens, the writer's compactions may replace what it has just seen. */
static int open_in_time(struct hg_io *io, const holog_options *o, holog_store **out_store)
{
    int rc = hg_store_open_io(io, o, out_store);

    for (int i = 1; i < OPEN_TRIES && rc == HOLOG_E_STALE && (o->flags & HOLOG_OPEN_READONLY) != 0;
         i++)
        rc = hg_store_open_io(io, o, out_store);
    return rc;
}

int holog_open(const char *dir, const holog_options *opts, holog_store **out_store)
{
    struct hg_calibration calibration;
    struct hg_io *io = NULL;
    holog_options o;
    int is = 0;
    int rc;

    if (dir == NULL || dir[0] == 0 || out_store == NULL)
        return hg_error(HOLOG_E_INVAL, "%s",
                        out_store == NULL ? "out_store is NULL" : "the directory is empty or NULL");
    rc = hg_options_resolve(opts, &o);
    if (rc < 0)
        return rc;
    if ((o.flags & (HOLOG_OPEN_READONLY | HOLOG_OPEN_NO_CREATE)) == 0) {
        rc = hg_io_make_dir(dir);
        if (rc < 0 && rc != HOLOG_E_EXIST)
            return rc;
    }
    hg_calibration_apply(dir, &o, &calibration);
    rc = hg_io_open(dir, io_choice(&o), &io);
    if (rc == HOLOG_E_NOENT)
        return hg_error(HOLOG_E_NOTSTORE, "%s: no such directory (holog init creates a store)",
                        dir);
    if (rc < 0)
        return rc;
    io->buffered = o.direct == HOLOG_DIRECT_OFF;
    rc = is_store(io, &is);
    if (rc == HOLOG_OK && is && (o.flags & HOLOG_OPEN_MUST_CREATE) != 0)
        rc = hg_error(HOLOG_E_EXIST, "%s is a holog store already", dir);
    if (rc == HOLOG_OK && !is && (o.flags & (HOLOG_OPEN_READONLY | HOLOG_OPEN_NO_CREATE)) != 0) {
        rc = judge_without_super(io);
    } else if (rc == HOLOG_OK && !is) {
        rc = hg_store_init_io(io, &o);
        if (rc == HOLOG_E_EXIST && (o.flags & HOLOG_OPEN_MUST_CREATE) == 0)
            rc = HOLOG_OK; /* somebody else has just made it */
    }
    if (rc == HOLOG_OK)
        rc = open_in_time(io, &o, out_store);
    if (rc < 0) {
        struct holog_error_detail d;
        hg_error_get(&d);
        io->ops->destroy(io);
        hg_error_set(&d);
        return rc;
    }
    rc = hg_fork_watch(io);
    (*out_store)->io_is_ours = 1;
    (*out_store)->calibration = calibration;
    if (rc < 0) {
        (void)holog_close(*out_store); /* the first cause is told */
        *out_store = NULL;
    }
    return rc;
}

int holog_recovery_info(holog_store *store, holog_recovery_report *out_report)
{
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK)
        rc = hg_struct_check(out_report, "holog_recovery_report");
    if (rc < 0)
        return rc;
    hg_struct_fill(out_report, &store->report, sizeof store->report);
    return HOLOG_OK;
}

/* ---- close ---------------------------------------------------------------------------------------------------------------*/

static int close_writer(holog_store *s)
{
    int rc;

    hg_compact_tidy(s);
    rc = hg_log_shutdown(s->log);

    if (rc == HOLOG_OK) {
        int rc2 = hg_keeper_last(s);
        if (rc2 < 0 && s->opts.log != NULL) /* a cache: the next open is slower, nothing is lost */
            s->opts.log(s->opts.log_ctx, HOLOG_LOG_WARN, "the index checkpoint was not written");
    }
    return rc;
}

int holog_close(holog_store *store)
{
    int rc = HOLOG_OK;

    if (store == NULL)
        return HOLOG_OK;
    if (store->fork_generation != hg_fork_generation()) {
        hg_free(store); /* the parent's threads, locks and files are not ours to touch */
        return HOLOG_OK;
    }
    if (__atomic_load_n(&store->open_txns, __ATOMIC_ACQUIRE) > 0)
        return hg_error(HOLOG_E_BUSY,
                        "%u transactions are open: commit or abort them, then close the store",
                        __atomic_load_n(&store->open_txns, __ATOMIC_ACQUIRE));
    hg_fork_unwatch(store->io);
    hg_scheduler_stop(store);
    hg_keeper_stop(store);
    if (store->log != NULL) { /* values acknowledged before they were written */
        hg_log_extents_settle(store->log);
        hg_staged_collect(store);
    }
    if (store->log != NULL && hg_log_poisoned(store->log) == 0)
        rc = close_writer(store);
    else if (store->log != NULL)
        rc = hg_error(HOLOG_E_POISONED, "an earlier write failed: closed without a clean end");
    free_store(store);
    return rc;
}
