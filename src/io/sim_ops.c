/*
 * The simulated machine's table of calls: files, names, locks, the shared page.
 *
 * Every call with an effect is in flight between hg_sim_begin, where other coroutines may run, and
 * hg_sim_end. What it would do is checked before it begins, so that a call that must fail leaves no
 * trace, and checked again before it takes effect.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/sim_int.h"

#define SIM_DIO_ALIGN HG_IO_BLOCK /* the strictest that our callers must cope with */
#define SIM_MEM_ALIGN 512u        /* of buffers */

static struct hg_sim *sim_of(struct hg_io *io)
{
    return ((struct sim_io *)io)->sim;
}

static struct sim_file *file_of(struct hg_file *f)
{
    return (struct sim_file *)f;
}

static struct sim_node *node_of(const struct sim_file *f)
{
    return hg_sim_node(f->sim, f->ino);
}

/* The start of a call with no effect on the disk: the power, chance and faults. */
static int enter(struct hg_sim *sim, unsigned fault_class, const char *what, const char *name)
{
    enum hg_sim_fault_kind kind;
    if (sim->crashed)
        return hg_sim_dead(sim, what, name);
    hg_sim_point(sim);
    if (sim->crashed)
        return hg_sim_dead(sim, what, name);
    int err = fault_class != 0 ? hg_sim_fault(sim, fault_class, &kind) : 0;
    return err != 0 ? hg_io_fail(err, what, name) : HOLOG_OK;
}

/* The start of a call with an effect: begin does the rest. */
static int enter_effect(struct hg_sim *sim, unsigned fault_class, const char *what,
                        const char *name)
{
    enum hg_sim_fault_kind kind;
    if (sim->crashed)
        return hg_sim_dead(sim, what, name);
    int err = hg_sim_fault(sim, fault_class, &kind);
    return err != 0 ? hg_io_fail(err, what, name) : HOLOG_OK;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

static int create_node(struct hg_sim *sim, const char *name, enum sim_event_type type,
                       const char *what, uint32_t *out_ino)
{
    const char *base;
    int err;
    uint32_t dir = hg_sim_parent(sim, name, &base, &err);
    if (dir == 0)
        return hg_io_fail(err, what, name);
    if (hg_sim_lookup(sim, name) != 0)
        return hg_io_fail(EEXIST, what, name);
    uint32_t ino = hg_sim_node_new(sim, type == SIM_EV_MKDIR);
    struct sim_event *ev = hg_sim_event_new(type, ino, 0);
    ev->dir[0] = dir;
    ev->name[0] = hg_sim_name_new(base, strlen(base));
    int rc = hg_sim_begin(sim, ev);
    if (rc == HOLOG_OK && hg_sim_lookup(sim, name) != 0) {
        ev->failed = 1; /* another coroutine was faster */
        hg_sim_end(sim, ev);
        rc = hg_io_fail(EEXIST, what, name);
    }
    if (rc < 0) {
        hg_sim_node_unlinked(sim, ino);
        return rc;
    }
    hg_sim_node(sim, ino)->links = 1;
    hg_sim_dir_set(&hg_sim_node(sim, dir)->dir, ev->name[0], ino);
    hg_sim_end(sim, ev);
    *out_ino = ino;
    return HOLOG_OK;
}

static int find_file(struct hg_sim *sim, const char *name, uint32_t *out_ino)
{
    uint32_t ino = hg_sim_lookup(sim, name);
    if (ino == 0)
        return hg_io_fail(ENOENT, "open", name);
    if (hg_sim_node(sim, ino)->is_dir)
        return hg_io_fail(EISDIR, "open", name);
    *out_ino = ino;
    return HOLOG_OK;
}

static int open_node(struct hg_sim *sim, const char *name, unsigned flags, uint32_t *out_ino)
{
    int create = (flags & HG_OPEN_CREATE) != 0;
    int rc = hg_io_check_name(name, 0);
    if (rc == HOLOG_OK)
        rc = create ? enter_effect(sim, HG_SIM_F_OPEN, "open", name)
                    : enter(sim, HG_SIM_F_OPEN, "open", name);
    if (rc < 0)
        return rc;
    return create ? create_node(sim, name, SIM_EV_CREATE, "open", out_ino)
                  : find_file(sim, name, out_ino);
}

static int op_open(struct hg_io *io, const char *name, unsigned flags, struct hg_file **out_file)
{
    struct hg_sim *sim = sim_of(io);
    HG_ASSERT(!((struct sim_io *)io)->destroyed);
    struct sim_file *f = hg_calloc(1, sizeof *f); /* the library's: its failure is tested */
    if (f == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to open %s", name);
    int rc = open_node(sim, name, flags, &f->ino);
    if (rc < 0) {
        hg_free(f);
        return rc;
    }
    hg_io_set_file_name(&f->base, io, name);
    f->sim = sim;
    f->writable = (flags & HG_OPEN_WRITE) != 0;
    f->direct = (flags & HG_OPEN_DIRECT) != 0;
    node_of(f)->opens++;
    sim->open_files++;
    *out_file = &f->base;
    return HOLOG_OK;
}

static void drop_locks(struct sim_file *f, uint64_t from, uint64_t to);

static int op_close(struct hg_file *file)
{
    struct sim_file *f = file_of(file);
    struct hg_sim *sim = f->sim;
    int rc = enter(sim, HG_SIM_F_CLOSE, "close", file->name);
    drop_locks(f, 0, UINT64_MAX);
    node_of(f)->opens--;
    hg_sim_node_unlinked(sim, f->ino);
    sim->open_files--;
    hg_free(f);
    return rc;
}

static int op_info(struct hg_file *file, struct hg_file_info *out_info)
{
    struct sim_file *f = file_of(file);
    int rc = enter(f->sim, 0, "stat", file->name);
    if (rc < 0)
        return rc;
    *out_info = (struct hg_file_info){ .size_bytes = node_of(f)->data->size,
                                       .direct = f->direct,
                                       .dio_align = f->direct ? SIM_DIO_ALIGN : 1,
                                       .links = node_of(f)->links };
    return HOLOG_OK;
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static int misaligned(const struct sim_file *f, const struct iovec *iov, int n_iov, uint64_t offset)
{
    if (!f->direct)
        return 0;
    int bad = offset % SIM_DIO_ALIGN != 0;
    for (int i = 0; i < n_iov; i++)
        bad |=
            iov[i].iov_len % SIM_DIO_ALIGN != 0 || (uintptr_t)iov[i].iov_base % SIM_MEM_ALIGN != 0;
    return bad;
}

/* How much a transfer of len bytes moves. */
static size_t cut_short(const struct sim_file *f, enum hg_sim_fault_kind kind, size_t len)
{
    size_t unit = f->direct ? SIM_DIO_ALIGN : 1;
    size_t some = len;
    if (kind == HG_SIM_FAULT_SHORT_ONE)
        some = unit;
    else if (kind == HG_SIM_FAULT_SHORT_HALF)
        some = HG_MAX(len / 2 / unit * unit, unit);
    else if (kind == HG_SIM_FAULT_STUCK)
        some = 0;
    return HG_MIN(some, len);
}

/* Beyond what the disk has of a file there are zeros, up to the size the file system gives it. */
static void copy_from_device(uint8_t *to, const struct sim_image *img, uint64_t at, size_t len)
{
    size_t have = at < img->size ? (size_t)HG_MIN(img->size - at, (uint64_t)len) : 0;

    if (have > 0)
        memcpy(to, img->data + at, have);
    memset(to + have, 0, len - have);
}

size_t hg_sim_read(struct sim_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                   size_t max)
{
    struct sim_node *n = node_of(f);
    struct sim_image *past_cache = NULL;
    size_t done = 0;
    hg_sim_flush_maps(f->sim);
    if (f->direct && n->doubt != SIM_DOUBT_NONE) {
        hg_sim_settle(f->sim, f->ino);
        past_cache = hg_sim_device_image(f->sim, f->ino);
    }
    for (int i = 0; i < n_iov; i++) {
        uint64_t at = offset + done;
        size_t len = HG_MIN(iov[i].iov_len, max - done);
        if (at >= n->data->size || len == 0)
            break;
        len = (size_t)HG_MIN((uint64_t)len, n->data->size - at);
        if (past_cache == NULL)
            memcpy(iov[i].iov_base, n->data->data + at, len);
        else
            copy_from_device(iov[i].iov_base, past_cache, at, len);
        done += len;
    }
    hg_sim_image_unref(past_cache);
    return done;
}

static int op_preadv(struct hg_file *file, const struct iovec *iov, int n_iov, uint64_t offset,
                     size_t *out_n)
{
    struct sim_file *f = file_of(file);
    enum hg_sim_fault_kind kind;
    int rc = enter(f->sim, 0, "read", file->name);
    if (rc < 0)
        return rc;
    int err = hg_sim_fault(f->sim, HG_SIM_F_READ, &kind);
    if (err == 0 && misaligned(f, iov, n_iov, offset))
        err = EINVAL;
    if (err == 0 && kind == HG_SIM_FAULT_STUCK)
        err = EAGAIN; /* 0 bytes would mean the end of the file */
    if (err != 0)
        return hg_io_fail(err, "read", file->name);
    *out_n = hg_sim_read(f, iov, n_iov, offset, cut_short(f, kind, hg_io_iov_bytes(iov, n_iov)));
    return HOLOG_OK;
}

/* Bytes of [offset, offset + len) for which there is room on the disk. */
static size_t room_for(const struct sim_file *f, uint64_t offset, size_t len)
{
    const struct hg_sim *sim = f->sim;
    uint64_t end = HG_ALIGN_UP(offset + len, (uint64_t)HG_IO_BLOCK);
    uint64_t have = node_of(f)->charged;
    if (sim->opts.capacity == 0 || end <= have)
        return len;
    uint64_t left = sim->opts.capacity - HG_MIN(sim->used_bytes, sim->opts.capacity);
    uint64_t reach = have + left / HG_IO_BLOCK * HG_IO_BLOCK;
    return reach >= offset + len ? len : (size_t)(reach - HG_MIN(reach, offset));
}

static void copy_from_iov(uint8_t *to, const struct iovec *iov, size_t len)
{
    for (size_t done = 0; done < len; iov++) {
        size_t part = HG_MIN(iov->iov_len, len - done);
        if (part != 0)
            memcpy(to + done, iov->iov_base, part);
        done += part;
    }
}

/* The errno of a write that moves nothing whatever the disk has to say; or 0. */
static int refusal(const struct sim_file *f, const struct sim_write *w)
{
    if (!f->writable)
        return EBADF;
    return misaligned(f, w->iov, w->n_iov, w->offset) ? EINVAL : 0;
}

/* How many bytes move, and in *err what the call fails with after that. */
static size_t plan_bytes(struct sim_file *f, const struct sim_write *w, int *err)
{
    uint64_t *rng = &f->sim->sched_rng;
    size_t total = hg_io_iov_bytes(w->iov, w->n_iov);
    enum hg_sim_fault_kind kind;
    *err = hg_sim_fault(f->sim, HG_SIM_F_WRITE, &kind);
    int refused = refusal(f, w);
    if (refused != 0) {
        *err = refused;
        return 0;
    }
    if (*err == EIO) /* may have been partial */
        return hg_sim_below(rng, 2) * hg_sim_below(rng, total);
    if (*err != 0)
        return 0;
    size_t moved = w->whole && kind != HG_SIM_FAULT_STUCK ? total : cut_short(f, kind, total);
    size_t room = room_for(f, w->offset, moved);
    if (w->whole && moved < total)
        *err = EAGAIN; /* stuck for ever */
    else if (room < moved && (w->whole || room == 0))
        *err = ENOSPC;
    return HG_MIN(room, moved);
}

int hg_sim_plan_write(struct sim_file *f, const struct sim_write *w, struct sim_planned *out)
{
    size_t moved = plan_bytes(f, w, &out->err);
    out->ev = NULL;
    if (moved == 0)
        return out->err == 0 ? HOLOG_OK : hg_io_fail(out->err, "write", f->base.name);
    struct sim_event *ev = hg_sim_event_new(SIM_EV_WRITE, f->ino, moved);
    ev->off = w->offset;
    ev->dsync = (w->flags & HG_WRITE_DSYNC) != 0;
    ev->failed = out->err != 0;
    copy_from_iov(ev->data, w->iov, moved);
    out->ev = ev;
    return HOLOG_OK;
}

void hg_sim_apply_write(struct hg_sim *sim, const struct sim_event *ev)
{
    struct sim_node *n = hg_sim_node(sim, ev->ino);
    hg_sim_image_write(&n->data, ev->off, ev->data, ev->len, 0);
    if (n->map != NULL && ev->off < n->map_len)
        memcpy(n->map + ev->off, ev->data, HG_MIN(ev->len, n->map_len - ev->off));
    hg_sim_charge(sim, n);
}

static int op_pwritev(struct hg_file *file, const struct iovec *iov, int n_iov, uint64_t offset,
                      unsigned flags, size_t *out_n)
{
    struct sim_file *f = file_of(file);
    struct sim_write w = { .iov = iov, .n_iov = n_iov, .offset = offset, .flags = flags };
    struct sim_planned p = { 0 };
    if (f->sim->crashed)
        return hg_sim_dead(f->sim, "write", file->name);
    int rc = hg_sim_plan_write(f, &w, &p);
    if (rc < 0)
        return rc;
    if (p.ev == NULL) {
        hg_sim_point(f->sim);
        *out_n = 0;
        return HOLOG_OK;
    }
    size_t moved = (size_t)p.ev->len;
    rc = hg_sim_begin(f->sim, p.ev);
    if (rc < 0)
        return rc;
    hg_sim_apply_write(f->sim, p.ev);
    hg_sim_end(f->sim, p.ev);
    if (p.err != 0)
        return hg_io_fail(p.err, "write", file->name);
    *out_n = moved;
    return HOLOG_OK;
}

int hg_sim_plan_sync(struct sim_file *f, struct sim_planned *out)
{
    enum hg_sim_fault_kind kind;
    if (f->sync_errno != 0)
        return hg_io_fail(f->sync_errno, "sync (an earlier one failed) of", f->base.name);
    int err = hg_sim_fault(f->sim, HG_SIM_F_SYNC, &kind);
    f->sync_errno = err;
    out->ev = hg_sim_event_new(SIM_EV_SYNC, f->ino, 0);
    out->ev->failed = err != 0;
    out->err = err;
    return HOLOG_OK;
}

static int op_fdatasync(struct hg_file *file)
{
    struct sim_file *f = file_of(file);
    struct sim_planned p = { 0 };
    if (f->sim->crashed)
        return hg_sim_dead(f->sim, "sync", file->name);
    int rc = hg_sim_plan_sync(f, &p);
    if (rc == HOLOG_OK)
        rc = hg_sim_begin(f->sim, p.ev);
    if (rc < 0)
        return rc;
    hg_sim_end(f->sim, p.ev);
    return p.err != 0 ? hg_io_fail(p.err, "sync", file->name) : HOLOG_OK;
}

/* Truncation and allocation: the new size, or at least it, is in len. */
static int change_size(struct sim_file *f, enum sim_event_type type, uint64_t size)
{
    struct sim_event *ev = hg_sim_event_new(type, f->ino, 0);
    ev->len = size;
    int rc = hg_sim_begin(f->sim, ev);
    if (rc < 0)
        return rc;
    struct sim_node *n = node_of(f);
    if (type == SIM_EV_TRUNCATE || size > n->data->size)
        hg_sim_image_resize(&n->data, size);
    hg_sim_charge(f->sim, n);
    hg_sim_end(f->sim, ev);
    return HOLOG_OK;
}

static int op_fallocate(struct hg_file *file, uint64_t offset, uint64_t len)
{
    struct sim_file *f = file_of(file);
    int rc = enter_effect(f->sim, HG_SIM_F_FALLOCATE, "allocate space for", file->name);
    if (rc < 0)
        return rc;
    if (!f->writable || len == 0)
        return hg_io_fail(f->writable ? EINVAL : EBADF, "allocate space for", file->name);
    if (room_for(f, 0, (size_t)(offset + len)) < offset + len)
        return hg_io_fail(ENOSPC, "allocate space for", file->name);
    return change_size(f, SIM_EV_ALLOCATE, offset + len);
}

static int op_truncate(struct hg_file *file, uint64_t size)
{
    struct sim_file *f = file_of(file);
    int rc = enter_effect(f->sim, HG_SIM_F_TRUNCATE, "truncate", file->name);
    if (rc < 0)
        return rc;
    if (!f->writable)
        return hg_io_fail(EBADF, "truncate", file->name);
    return change_size(f, SIM_EV_TRUNCATE, size);
}

/* ---- names ------------------------------------------------------------------------------------- */

/* Where both names of a rename are. 0, or an errno. */
static int find_rename(const struct hg_sim *sim, const char *from, const char *to,
                       struct sim_event *ev, const char **out_from, const char **out_to)
{
    int err;
    ev->dir[0] = hg_sim_parent(sim, from, out_from, &err);
    if (ev->dir[0] == 0)
        return err;
    ev->ino = hg_sim_lookup(sim, from);
    if (ev->ino == 0)
        return ENOENT;
    ev->dir[1] = hg_sim_parent(sim, to, out_to, &err);
    if (ev->dir[1] == 0)
        return err;
    uint32_t target = hg_sim_lookup(sim, to);
    if (target != 0 && target != ev->ino &&
        (hg_sim_node(sim, target)->is_dir || hg_sim_node(sim, ev->ino)->is_dir))
        return EISDIR;
    return 0;
}

static void apply_rename(struct hg_sim *sim, const struct sim_event *ev)
{
    struct sim_dir *to = &hg_sim_node(sim, ev->dir[1])->dir;
    uint32_t target = hg_sim_dir_find(to, ev->name[1]->text, strlen(ev->name[1]->text));
    if (target == ev->ino)
        return; /* both names are one */
    hg_sim_dir_set(&hg_sim_node(sim, ev->dir[0])->dir, ev->name[0], 0);
    hg_sim_dir_set(to, ev->name[1], ev->ino);
    if (target != 0) {
        hg_sim_node(sim, target)->links--;
        hg_sim_node_unlinked(sim, target);
    }
}

static int op_rename(struct hg_io *io, const char *from, const char *to)
{
    struct hg_sim *sim = sim_of(io);
    const char *from_base = NULL;
    const char *to_base = NULL;
    int rc = hg_io_check_name(from, 0);
    if (rc == HOLOG_OK)
        rc = hg_io_check_name(to, 0);
    if (rc == HOLOG_OK)
        rc = enter_effect(sim, HG_SIM_F_RENAME, "rename", from);
    if (rc < 0)
        return rc;
    struct sim_event *ev = hg_sim_event_new(SIM_EV_RENAME, 0, 0);
    int err = find_rename(sim, from, to, ev, &from_base, &to_base);
    if (err != 0 || strcmp(from, to) == 0) {
        hg_sim_event_free(ev);
        return err != 0 ? hg_io_fail(err, "rename", from) : HOLOG_OK;
    }
    HG_ASSERT(from_base != NULL && to_base != NULL); /* found, so they have names */
    ev->name[0] = hg_sim_name_new(from_base, strlen(from_base));
    ev->name[1] = hg_sim_name_new(to_base, strlen(to_base));
    rc = hg_sim_begin(sim, ev);
    if (rc < 0)
        return rc;
    err = find_rename(sim, from, to, ev, &from_base, &to_base);
    ev->failed = err != 0;
    if (err == 0)
        apply_rename(sim, ev);
    hg_sim_end(sim, ev);
    return err != 0 ? hg_io_fail(err, "rename", from) : HOLOG_OK;
}

/* 0, or an errno. */
static int find_removal(const struct hg_sim *sim, const char *name, int want_dir,
                        struct sim_event *ev, const char **out_base)
{
    int err;
    ev->dir[0] = hg_sim_parent(sim, name, out_base, &err);
    if (ev->dir[0] == 0)
        return err;
    ev->ino = hg_sim_lookup(sim, name);
    if (ev->ino == 0)
        return ENOENT;
    const struct sim_node *n = hg_sim_node(sim, ev->ino);
    if (want_dir != n->is_dir)
        return want_dir ? ENOTDIR : EISDIR;
    return n->dir.n != 0 ? ENOTEMPTY : 0;
}

static int remove_name(struct hg_sim *sim, const char *name, int want_dir, const char *what)
{
    const char *base = NULL;
    int rc = hg_io_check_name(name, 0);
    if (rc == HOLOG_OK)
        rc = enter_effect(sim, HG_SIM_F_UNLINK, what, name);
    if (rc < 0)
        return rc;
    struct sim_event *ev = hg_sim_event_new(SIM_EV_REMOVE, 0, 0);
    int err = find_removal(sim, name, want_dir, ev, &base);
    if (err != 0) {
        hg_sim_event_free(ev);
        return hg_io_fail(err, what, name);
    }
    HG_ASSERT(base != NULL); /* found, so it has a name */
    ev->name[0] = hg_sim_name_new(base, strlen(base));
    rc = hg_sim_begin(sim, ev);
    if (rc < 0)
        return rc;
    err = find_removal(sim, name, want_dir, ev, &base);
    ev->failed = err != 0;
    if (err == 0) {
        hg_sim_dir_set(&hg_sim_node(sim, ev->dir[0])->dir, ev->name[0], 0);
        hg_sim_node(sim, ev->ino)->links--;
        hg_sim_node_unlinked(sim, ev->ino);
    }
    hg_sim_end(sim, ev);
    return err != 0 ? hg_io_fail(err, what, name) : HOLOG_OK;
}

static int op_unlink(struct hg_io *io, const char *name)
{
    return remove_name(sim_of(io), name, 0, "unlink");
}

static int op_rmdir(struct hg_io *io, const char *name)
{
    return remove_name(sim_of(io), name, 1, "remove directory");
}

static int op_mkdir(struct hg_io *io, const char *name)
{
    uint32_t ino;
    int rc = hg_io_check_name(name, 0);
    if (rc == HOLOG_OK)
        rc = enter_effect(sim_of(io), HG_SIM_F_MKDIR, "create directory", name);
    if (rc < 0)
        return rc;
    return create_node(sim_of(io), name, SIM_EV_MKDIR, "create directory", &ino);
}

static int find_dir(const struct hg_sim *sim, const char *name, const char *what, uint32_t *out_ino)
{
    uint32_t ino = hg_sim_lookup(sim, name);
    if (ino == 0 || !hg_sim_node(sim, ino)->is_dir)
        return hg_io_fail(ino == 0 ? ENOENT : ENOTDIR, what, name);
    *out_ino = ino;
    return HOLOG_OK;
}

static int op_sync_dir(struct hg_io *io, const char *name)
{
    struct hg_sim *sim = sim_of(io);
    enum hg_sim_fault_kind kind;
    uint32_t ino = 0;
    int rc = hg_io_check_name(name, 1);
    if (rc < 0)
        return rc;
    if (sim->crashed)
        return hg_sim_dead(sim, "sync directory", name);
    rc = find_dir(sim, name, "sync directory", &ino);
    if (rc < 0)
        return rc;
    int err = hg_sim_fault(sim, HG_SIM_F_SYNC_DIR, &kind);
    struct sim_event *ev = hg_sim_event_new(SIM_EV_SYNC_DIR, ino, 0);
    ev->failed = err != 0;
    rc = hg_sim_begin(sim, ev);
    if (rc < 0)
        return rc;
    hg_sim_end(sim, ev);
    return err != 0 ? hg_io_fail(err, "sync directory", name) : HOLOG_OK;
}

static int op_exists(struct hg_io *io, const char *name, int *out_exists)
{
    struct hg_sim *sim = sim_of(io);
    int rc = hg_io_check_name(name, 0);
    if (rc == HOLOG_OK)
        rc = enter(sim, 0, "look up", name);
    if (rc < 0)
        return rc;
    *out_exists = hg_sim_lookup(sim, name) != 0;
    return HOLOG_OK;
}

static int op_read_dir(struct hg_io *io, const char *name,
                       int (*each)(void *ctx, const char *name, int is_dir), void *ctx)
{
    struct hg_sim *sim = sim_of(io);
    struct sim_dir names; /* a copy: each may create and unlink */
    uint32_t ino = 0;
    int rc = hg_io_check_name(name, 1);
    if (rc == HOLOG_OK)
        rc = enter(sim, HG_SIM_F_READ_DIR, "read directory", name);
    if (rc == HOLOG_OK)
        rc = find_dir(sim, name, "read directory", &ino);
    if (rc < 0)
        return rc;
    hg_sim_dir_copy(&names, &hg_sim_node(sim, ino)->dir);
    for (size_t i = 0; i < names.n; i++) {
        const struct sim_node *n = sim->node[names.e[i].ino];
        int stop = n != NULL ? each(ctx, names.e[i].name->text, n->is_dir) : 0;
        rc = HG_MIN(stop, 0);
        if (stop != 0)
            break;
    }
    hg_sim_dir_release(&names);
    return rc;
}

/* ---- locks ------------------------------------------------------------------------------------- */

static uint64_t range_end(uint64_t offset, uint64_t len)
{
    return len == 0 || len > UINT64_MAX - offset ? UINT64_MAX : offset + len;
}

static void add_lock(struct sim_node *n, struct sim_lock lock)
{
    n->lock = hg_sim_grow(n->lock, &n->cap_lock, n->n_lock + 1, sizeof *n->lock);
    n->lock[n->n_lock++] = lock;
}

/* Takes [from, to) out of what f holds, cutting locks that reach over it. */
static void drop_locks(struct sim_file *f, uint64_t from, uint64_t to)
{
    struct sim_node *n = node_of(f);
    size_t count = n->n_lock;
    size_t kept = 0;
    struct sim_lock rest[2];
    size_t n_rest = 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_lock l = n->lock[i];
        if (l.owner != f || l.to <= from || l.from >= to) {
            n->lock[kept++] = l;
            continue;
        }
        /* Locks of one file do not overlap: only one can reach over each end. */
        if (l.from < from)
            rest[n_rest++] = (struct sim_lock){ f, l.from, from, l.exclusive };
        if (l.to > to)
            rest[n_rest++] = (struct sim_lock){ f, to, l.to, l.exclusive };
    }
    n->n_lock = kept;
    for (size_t i = 0; i < n_rest; i++)
        add_lock(n, rest[i]);
}

static int conflicts(const struct sim_file *f, uint64_t from, uint64_t to, int exclusive)
{
    const struct sim_node *n = node_of(f);
    for (size_t i = 0; i < n->n_lock; i++) {
        const struct sim_lock *l = &n->lock[i];
        if (l->owner != f && l->from < to && from < l->to && (exclusive || l->exclusive))
            return 1;
    }
    return 0;
}

static int op_lock(struct hg_file *file, uint64_t offset, uint64_t len, int exclusive)
{
    struct sim_file *f = file_of(file);
    uint64_t to = range_end(offset, len);
    int rc = enter(f->sim, HG_SIM_F_LOCK, "lock", file->name);
    if (rc < 0)
        return rc;
    if (exclusive && !f->writable)
        return hg_io_fail(EBADF, "lock", file->name);
    if (conflicts(f, offset, to, exclusive))
        return hg_error_sys_as(HOLOG_E_BUSY, EAGAIN, "lock", file->name);
    drop_locks(f, offset, to);
    add_lock(node_of(f), (struct sim_lock){ f, offset, to, exclusive });
    return HOLOG_OK;
}

static int op_unlock(struct hg_file *file, uint64_t offset, uint64_t len)
{
    struct sim_file *f = file_of(file);
    int rc = enter(f->sim, 0, "unlock", file->name);
    if (rc < 0)
        return rc;
    drop_locks(f, offset, range_end(offset, len));
    return HOLOG_OK;
}

static int op_lock_test(struct hg_file *file, uint64_t offset, uint64_t len, int exclusive,
                        int *out_held)
{
    struct sim_file *f = file_of(file);
    int rc = enter(f->sim, HG_SIM_F_LOCK, "lock", file->name);
    if (rc < 0)
        return rc;
    *out_held = conflicts(f, offset, range_end(offset, len), exclusive);
    return HOLOG_OK;
}

/* ---- the shared page ----------------------------------------------------------------------------- */

static int op_map_shared(struct hg_file *file, size_t len, int writable, void **out_addr)
{
    struct sim_file *f = file_of(file);
    struct sim_node *n = node_of(f);
    int rc = enter(f->sim, 0, "map", file->name);
    if (rc < 0)
        return rc;
    if (writable && !f->writable)
        return hg_io_fail(EACCES, "map", file->name);
    if (len == 0 || len > n->data->size || (n->map != NULL && len != n->map_len))
        return hg_io_fail(EINVAL, "map (past the end, or as two sizes)", file->name);
    if (n->map == NULL) {
        n->map_len = len;
        n->map = aligned_alloc(HG_IO_BLOCK, HG_ALIGN_UP(len, (size_t)HG_IO_BLOCK));
        HG_ASSERT(n->map != NULL);
        memcpy(n->map, n->data->data, len);
    }
    n->maps++;
    f->sim->maps++;
    *out_addr = n->map;
    return HOLOG_OK;
}

static void op_unmap(struct hg_io *io, void *addr, size_t len)
{
    struct hg_sim *sim = sim_of(io);
    hg_sim_flush_maps(sim);
    for (uint32_t ino = 1; ino < sim->n_node; ino++) {
        struct sim_node *n = sim->node[ino];
        if (n == NULL || n->map == NULL || n->map != addr)
            continue;
        HG_ASSERT(len == n->map_len);
        sim->maps--;
        if (--n->maps == 0) {
            free(n->map);
            n->map = NULL;
            hg_sim_node_unlinked(sim, ino);
        }
        return;
    }
    HG_ASSERT(0); /* not what map_shared gave */
}

static void op_destroy(struct hg_io *io)
{
    struct sim_io *s = (struct sim_io *)io;
    HG_ASSERT(!s->destroyed);
    s->destroyed = 1; /* freed with the machine */
}

const struct hg_io_ops hg_sim_ops = {
    .name = "sim",
    .world = HG_WORLD_SIM,
    .open = op_open,
    .close = op_close,
    .info = op_info,
    .preadv = op_preadv,
    .pwritev = op_pwritev,
    .fdatasync = op_fdatasync,
    .fallocate = op_fallocate,
    .truncate = op_truncate,
    .rename = op_rename,
    .unlink = op_unlink,
    .mkdir = op_mkdir,
    .rmdir = op_rmdir,
    .sync_dir = op_sync_dir,
    .exists = op_exists,
    .read_dir = op_read_dir,
    .lock = op_lock,
    .unlock = op_unlock,
    .lock_test = op_lock_test,
    .map_shared = op_map_shared,
    .unmap = op_unmap,
    .submit = hg_sim_submit,
    .wait = hg_sim_wait,
    .now_ns = hg_sim_now_ns,
    .wall_ns = hg_sim_wall_ns,
    .random = hg_sim_random,
    .sleep_ns = hg_sim_sleep_ns,
    .thread_start = hg_sim_thread_start,
    .thread_join = hg_sim_thread_join,
    .word_wait = hg_sim_word_wait,
    .word_wake = hg_sim_word_wake,
    .destroy = op_destroy,
};
