/*
 * Verify and repair of a directory, and the state hash.
 */
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/node.h"
#include "compaction/hwp.h"
#include "engine/base.h"
#include "engine/damage.h"
#include "engine/store_internal.h"

struct report {
    int (*each)(void *ctx, const holog_damage *damage);
    void *ctx;
    int damaged;
    struct hg_io *io; /* of a verification, as what is below */
    holog_store
        *reader; /* of who names damaged values; NULL: none yet, or the store does not open */
    int asked;   /* for that */
    struct hg_damaged in; /* the reader's */
};

static int on_damage(void *ctx, const struct hg_damage_found *d)
{
    struct report *r = ctx;
    struct hg_damage_found shown = *d;
    holog_damage out = { .file = d->file[0] == 0 ? NULL : d->file,
                         .segment = d->segment,
                         .harmless = d->harmless ? 1u : 0u,
                         .offset = d->offset,
                         .first_number = d->first_number,
                         .last_number = d->last_number,
                         .path = d->path[0] == 0 ? NULL : shown.path,
                         .message = shown.message };

    hg_node_show(shown.path, sizeof shown.path);
    hg_node_show(shown.message, sizeof shown.message);
    if (!d->harmless)
        r->damaged = 1;
    return r->each == NULL ? 0 : r->each(r->ctx, &out);
}

/* Records of moved values may be anywhere: the store finds them, if it can be opened. */
static holog_store *reader_of(struct report *r)
{
    const holog_options o = { .struct_size = sizeof o, .flags = HOLOG_OPEN_READONLY };

    if (!r->asked && hg_store_open_io(r->io, &o, &r->reader) < 0)
        r->reader = NULL;
    r->asked = 1;
    return r->reader;
}

static int close_reader(struct report *r, int rc)
{
    struct holog_error_detail before;
    int closed;

    if (r->reader == NULL)
        return rc;
    hg_error_get(&before);
    hg_damaged_release(r->reader, &r->in);
    closed = holog_close(r->reader);
    r->reader = NULL;
    if (rc == HOLOG_OK)
        return closed;
    hg_error_set(&before);
    return rc;
}

static void name_value(struct report *r, struct hg_damage_found *d)
{
    struct hg_damaged_value value;
    char why[sizeof d->message];

    hg_damaged_value(r->reader, &r->in, d->segment, d->birth, &value);
    memcpy(why, d->message, sizeof why);
    hg_damaged_say(&value, why, d->message, sizeof d->message);
    d->harmless = value.harmless;
    if (value.harmless)
        d->path[0] = 0;
    else if (value.path[0] != 0)
        (void)snprintf(d->path, sizeof d->path, "%s", value.path);
}

static int on_found(void *ctx, struct hg_damage_found *d)
{
    struct holog_error_detail before;
    struct report *r = ctx;

    hg_error_get(&before);
    if (d->birth != 0 && reader_of(r) != NULL)
        name_value(r, d);
    hg_error_set(&before);
    return on_damage(r, d);
}

static int open_dir(const char *dir, struct hg_io **out_io)
{
    int rc;

    if (dir == NULL || dir[0] == 0)
        return hg_error(HOLOG_E_INVAL, "the directory is empty or NULL");
    rc = hg_io_open(dir, HG_IO_POSIX, out_io);
    return rc == HOLOG_E_NOENT ? hg_error(HOLOG_E_NOTSTORE, "%s: no such directory", dir) : rc;
}

/* ---- compressed segments ------------------------------------------------------------------------*/

struct cold {
    int (*found)(void *ctx, hg_pos birth);
    void *ctx;
};

static int cold_damage(void *ctx, const struct hg_hwp_verdict *d)
{
    const struct cold *c = ctx;

    if (d->rc != HOLOG_E_CORRUPT && d->rc != HOLOG_E_IO && d->rc != HOLOG_E_NOTSUP)
        return d->rc;
    return c->found(c->ctx, d->value != NULL ? d->value->birth : 0);
}

static int verify_open(struct hg_hwp *h, int quick, struct cold *c)
{
    const struct hg_hwp_verify how = { .ctx = c, .damage = cold_damage };
    int rc = quick ? HOLOG_OK : hg_hwp_verify(h, &how);

    return rc == HOLOG_E_CORRUPT || rc == HOLOG_E_IO || rc == HOLOG_E_NOTSUP ? HOLOG_OK /* told */
                                                                             : rc;
}

static int verify_cold(struct hg_io *io, const struct hg_super *super, uint32_t segment, int quick,
                       int (*found)(void *ctx, hg_pos birth), void *ctx)
{
    struct cold c = { .found = found, .ctx = ctx };
    struct hg_hwp_from from = { .id = segment, .uuid = super->uuid, .salt = super->salt };
    struct hg_hwp *h = NULL;
    int rc = hg_files_create(io, 1, &from.files);

    if (rc == HOLOG_OK)
        rc = hg_workspaces_create(&from.work);
    if (rc == HOLOG_OK) {
        rc = hg_hwp_open(&from, &h);
        if (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_IO)
            rc = found(ctx, 0);
        else if (rc == HOLOG_OK)
            rc = verify_open(h, quick, &c);
    }
    hg_hwp_close(h);
    hg_workspaces_destroy(from.work);
    hg_files_destroy(from.files);
    return rc;
}

/* ---- bases ---------------------------------------------------------------------------------------*/

/* Its header has been looked at; quick: that is all. */
static int verify_base(struct hg_io *io, const struct hg_super *super, uint32_t segment, int quick,
                       int (*found)(void *ctx, hg_pos birth), void *ctx)
{
    int rc = quick ? HOLOG_OK : hg_base_check(io, segment);

    HG_UNUSED(super);
    if (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_IO || rc == HOLOG_E_VERSION || rc == HOLOG_E_STALE)
        rc = found(ctx, 0);
    return rc;
}

/* What damage that was told keeps from being opened is looked at when that is repaired. */
static int verify_moved(struct hg_io *io, struct report *r)
{
    int damaged = r->damaged;
    int rc = hg_verify_moved(io, on_damage, r);

    return rc < 0 && damaged ? HOLOG_OK : rc;
}

/* A writer may be compacting: of a reader it does not cut a file shorter that is open. NULL: there is no lock to be had, and
 * what can be told without one is. */
static struct hg_file *lock_as_reader(struct hg_io *io)
{
    struct hg_file *lock = NULL;
    int rc = io->ops->open(io, HG_LOCK_NAME, 0, &lock);

    if (rc == HOLOG_OK)
        rc = io->ops->lock(lock, HG_LOCK_READERS, 1, 0);
    if (rc < 0)
        hg_error_clear();
    return lock;
}

int hg_verify_io(struct hg_io *io, unsigned flags,
                 int (*each)(void *ctx, const holog_damage *damage), void *ctx,
                 holog_progress_fn progress, void *progress_ctx)
{
    struct report r = { .each = each, .ctx = ctx, .io = io };
    struct hg_file *lock = lock_as_reader(io);
    int rc = hg_verify(io, flags, verify_cold, verify_base, on_found, &r, progress, progress_ctx);

    rc = close_reader(&r, rc);
    if (rc == HOLOG_OK && (flags & HOLOG_VERIFY_QUICK) == 0)
        rc = verify_moved(io, &r);
    if (rc == HOLOG_OK && r.damaged)
        rc = hg_error(HOLOG_E_CORRUPT, "%s is damaged", io->root);
    if (lock != NULL)
        (void)io->ops->close(lock); /* only read from */
    return rc;
}

int holog_verify(const char *dir, unsigned flags,
                 int (*each)(void *ctx, const holog_damage *damage), void *ctx,
                 holog_progress_fn progress, void *progress_ctx)
{
    struct hg_io *io = NULL;
    int rc;

    if ((flags & ~(unsigned)HOLOG_VERIFY_QUICK) != 0)
        return hg_error(HOLOG_E_INVAL, "unknown flags %#x", flags);
    rc = open_dir(dir, &io);
    if (rc < 0)
        return rc;
    rc = hg_verify_io(io, flags, each, ctx, progress, progress_ctx);
    io->ops->destroy(io);
    return rc;
}

/* Nobody writes meanwhile: what a repair would do beside a writer is no answer either. A dry run
 * shares the lock with others, and makes no file. */
static int lock_for_repair(struct hg_io *io, int dry_run, struct hg_file **out_lock)
{
    int rc = io->ops->open(io, HG_LOCK_NAME, dry_run ? 0 : HG_OPEN_WRITE, out_lock);

    if (rc == HOLOG_E_NOENT && dry_run)
        return HOLOG_OK;
    if (rc == HOLOG_E_NOENT)
        rc = io->ops->open(io, HG_LOCK_NAME, HG_OPEN_WRITE | HG_OPEN_CREATE, out_lock);
    if (rc == HOLOG_OK)
        rc = io->ops->lock(*out_lock, HG_LOCK_WRITER, 1, !dry_run);
    return rc == HOLOG_E_BUSY
               ? hg_error(
                     rc,
                     "%s is open for writing, in another process or in this one: close it first",
                     io->root)
               : rc;
}

int holog_repair(const char *dir, enum holog_repair_mode mode, int dry_run,
                 int (*each)(void *ctx, const holog_damage *lost), void *ctx,
                 holog_repair_report *out_report)
{
    struct report r = { .each = each, .ctx = ctx };
    struct hg_io *io = NULL;
    struct hg_file *lock = NULL;
    holog_repair_report report = { .struct_size = sizeof report };
    int rc;

    if (mode != HOLOG_REPAIR_POINT_IN_TIME && mode != HOLOG_REPAIR_SALVAGE)
        return hg_error(HOLOG_E_INVAL, "repair mode %d does not exist", (int)mode);
    rc = out_report == NULL ? HOLOG_OK : hg_struct_check(out_report, "holog_repair_report");
    if (rc == HOLOG_OK)
        rc = open_dir(dir, &io);
    if (rc != HOLOG_OK)
        return rc;
    rc = lock_for_repair(io, dry_run, &lock);
    if (rc == HOLOG_OK)
        rc = hg_repair(io, mode, dry_run, verify_base, on_damage, &r, &report);
    if (lock != NULL)
        (void)io->ops->close(lock); /* releases the lock */
    io->ops->destroy(io);
    if (rc == HOLOG_OK && out_report != NULL)
        hg_struct_fill(out_report, &report, sizeof report);
    return rc;
}

/* The hash that a save of the value would have. */
static int hash_content(holog_store *s, const struct hg_locator *loc, const char *path,
                        struct hg_hash128 *out)
{
    struct hg_buf table = { 0 };
    uint8_t csum = 0;
    holog_value *v = NULL;
    int rc = hg_value_load(s, loc, path, &v);

    if (rc < 0)
        return rc;
    if (v->len <= s->inline_max) {
        *out = (struct hg_hash128){ .lo = hg_hash64(v->data, v->len) };
    } else {
        rc = hg_block_table_add(&table, v->data, v->len, &csum);
        *out = hg_hash128(table.data, table.len);
    }
    hg_buf_release(&table);
    holog_value_release(v);
    return rc;
}

/* Order matters not: a sum of one hash for each entry. Types, paths, values; not numbers. */
static int add_entry(holog_store *s, const struct hg_entries *at, uint64_t *sum)
{
    uint8_t head[HG_KEY_MAX + 32];
    char path[HG_PATH_MAX + 1];
    size_t path_len = 0;
    struct hg_record_read r = { 0 };
    struct hg_hash128 hash;
    int rc = hg_key_to_path(at->key, at->key_len, path, &path_len);

    if (rc == HOLOG_OK && at->loc.type != HG_ENTRY_DIR)
        rc = hg_record_read(s, &at->loc, path, &r);
    hash = r.rec.hash;
    if (rc == HOLOG_OK && r.rec.type == HG_REC_DELTA) {
        hg_record_release(&r);
        r = (struct hg_record_read){ 0 };
        rc = hash_content(s, &at->loc, path, &hash);
    }
    if (rc < 0)
        return rc;
    memcpy(head, at->key, at->key_len);
    hg_put_le64(head + at->key_len, at->loc.type);
    hg_put_le64(head + at->key_len + 8, at->loc.type == HG_ENTRY_DIR ? 0 : at->loc.size);
    hg_put_le64(head + at->key_len + 16, hash.lo);
    hg_put_le64(head + at->key_len + 24, hash.hi);
    *sum += hg_hash64(head, at->key_len + 32);
    hg_record_release(&r);
    return HOLOG_OK;
}

int holog_state_hash(holog_view *view, uint64_t *out_hash)
{
    struct hg_entries e;
    const struct hg_version *v;
    uint64_t sum = 0;
    int rc = hg_view_check(view);

    if (rc < 0)
        return rc;
    if (out_hash == NULL)
        return hg_error(HOLOG_E_INVAL, "out_hash is NULL");
    v = view->version;
    rc = hg_entries_open(&e, v->root, v->is_past ? v->past : NULL, v->number, NULL, 0, 0);
    while (rc == HOLOG_OK) {
        rc = add_entry(view->store, &e, &sum);
        if (rc == HOLOG_OK)
            rc = hg_entries_next(&e);
    }
    hg_entries_close(&e);
    if (rc != HOLOG_E_NOENT)
        return rc;
    *out_hash = sum;
    return HOLOG_OK;
}
