/*
 * Open segment files.
 *
 * A slot is free, or in the table under its segment's id; there it is being opened, in use
 * (refs > 0) or idle. Idle slots are in a list, the least recently used last, and are taken from
 * there for other segments. Opening and closing happen without the lock; whoever wants a segment
 * that somebody else is opening waits for the outcome.
 *
 * Lock rank: below everything else of wal; nothing is locked inside.
 */
#include "wal/files.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define BUCKETS      (2 * HG_FILES_MAX)
#define BOUNCE_BYTES (256u << 10) /* for transfers that a direct file would not take as they are */
#define WAIT_NS      (10u * UINT64_C(1000000000)) /* every one in use so long: too many are kept */

struct slot {
    uint32_t id; /* fixed while in the table; everything else: fs->lock */
    uint32_t refs;
    int opening;
    int forgotten;            /* closed when it is idle */
    struct hg_file *file;     /* fixed while refs > 0 and not opening */
    struct hg_file_info info; /* as file */
    struct slot *hash_next;   /* also the list of free slots */
    struct slot *prev, *next; /* idle */
};

struct hg_files {
    struct hg_io *io; /* fixed */
    int direct;       /* fixed */
    struct hg_mutex lock;
    struct hg_cond changed; /* a slot became idle, or the end of an opening */
    unsigned waiters;
    struct slot *free;
    struct slot idle; /* head of the ring: idle.next is the most recently used */
    struct slot *buckets[BUCKETS];
    struct slot slots[HG_FILES_MAX];
    uint64_t bytes_read; /* atomic; who counts has just waited for the disk */
};

/* ---- the table (lock held) -----------------------------------------------------------------------*/

static struct slot **bucket_of(struct hg_files *fs, uint32_t id)
{
    return &fs->buckets[id % BUCKETS]; /* ids are a sequence: they spread by themselves */
}

static struct slot *find_slot(struct hg_files *fs, uint32_t id)
{
    struct slot *s = *bucket_of(fs, id);
    while (s != NULL && s->id != id)
        s = s->hash_next;
    return s;
}

static void remove_slot(struct hg_files *fs, struct slot *s)
{
    struct slot **link = bucket_of(fs, s->id);
    while (*link != s)
        link = &(*link)->hash_next;
    *link = s->hash_next;
}

static void idle_remove(struct slot *s)
{
    s->prev->next = s->next;
    s->next->prev = s->prev;
}

static void idle_add(struct hg_files *fs, struct slot *s)
{
    s->prev = &fs->idle;
    s->next = fs->idle.next;
    s->next->prev = s;
    s->prev->next = s;
}

static void wake_waiters(struct hg_files *fs)
{
    if (fs->waiters > 0)
        hg_cond_wake_all(fs->io, &fs->changed);
}

/* Releases and retakes the lock. 0 when the time is over; *until is set by the first call. */
static int wait_for_change(struct hg_files *fs, uint64_t *until)
{
    uint64_t now = fs->io->ops->now_ns(fs->io);
    if (*until == 0)
        *until = now + WAIT_NS;
    if (now >= *until)
        return 0;
    fs->waiters++;
    hg_cond_wait(fs->io, &fs->changed, &fs->lock, *until - now);
    fs->waiters--;
    return 1;
}

/* A free slot, or the least recently used idle one, whose file the caller closes. NULL: none. */
static struct slot *take_slot(struct hg_files *fs, struct hg_file **out_victim)
{
    struct slot *s = fs->free;
    *out_victim = NULL;
    if (s != NULL) {
        fs->free = s->hash_next;
        return s;
    }
    s = fs->idle.prev;
    if (s == &fs->idle)
        return NULL;
    idle_remove(s);
    remove_slot(fs, s);
    *out_victim = s->file;
    s->file = NULL;
    return s;
}

static void give_slot(struct hg_files *fs, struct slot *s)
{
    s->file = NULL;
    s->hash_next = fs->free;
    fs->free = s;
    wake_waiters(fs);
}

/* ---- get and put ---------------------------------------------------------------------------------*/

static int open_segment(struct hg_files *fs, uint32_t id, enum hg_segment_kind kind,
                        struct hg_file **out_file, struct hg_file_info *out_info)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_file *f = NULL;
    hg_segment_name(name, id, kind);
    int rc = fs->io->ops->open(fs->io, name, fs->direct ? (unsigned)HG_OPEN_DIRECT : 0u, &f);
    if (rc == HOLOG_E_NOENT)
        return hg_error(HOLOG_E_STALE, "%s is gone: the view outlived it", name);
    if (rc < 0)
        return rc;
    rc = fs->io->ops->info(f, out_info);
    if (rc < 0) {
        (void)fs->io->ops->close(f); /* rc tells the first cause; only read from */
        return rc;
    }
    *out_file = f;
    return HOLOG_OK;
}

/* Lock held, dropped inside. On success s has one count. */
static int fill_slot(struct hg_files *fs, struct slot *s, uint32_t id, enum hg_segment_kind kind,
                     struct hg_file *victim)
{
    struct hg_file *f = NULL;
    struct hg_file_info info = { 0 };

    s->id = id;
    s->refs = 1;
    s->opening = 1;
    s->forgotten = 0;
    s->hash_next = *bucket_of(fs, id);
    *bucket_of(fs, id) = s;
    hg_mutex_unlock(fs->io, &fs->lock);
    if (victim != NULL)
        (void)fs->io->ops->close(victim); /* only read from: nothing can be lost */
    int rc = open_segment(fs, id, kind, &f, &info);
    hg_mutex_lock(fs->io, &fs->lock);
    s->opening = 0;
    if (rc < 0) {
        s->refs = 0;
        remove_slot(fs, s);
        give_slot(fs, s);
        return rc;
    }
    s->file = f;
    s->info = info;
    wake_waiters(fs);
    return HOLOG_OK;
}

/* Lock held, dropped inside. One count for the caller. */
static int get_slot(struct hg_files *fs, uint32_t id, enum hg_segment_kind kind,
                    struct slot **out_slot)
{
    uint64_t until = 0;
    do {
        struct hg_file *victim = NULL;
        struct slot *s = find_slot(fs, id);
        if (s != NULL && s->opening)
            continue; /* somebody is at it */
        if (s != NULL) {
            if (s->refs++ == 0)
                idle_remove(s);
            *out_slot = s;
            return HOLOG_OK;
        }
        s = take_slot(fs, &victim);
        if (s != NULL) {
            int rc = fill_slot(fs, s, id, kind, victim);
            if (rc == HOLOG_OK)
                *out_slot = s;
            return rc;
        }
    } while (wait_for_change(fs, &until));
    (void)hg_error(HOLOG_E_AGAIN, "all %u files that may be open are in use", HG_FILES_MAX);
    return HOLOG_E_AGAIN;
}

static void put_slot(struct hg_files *fs, struct slot *s)
{
    struct hg_file *last = NULL;

    hg_mutex_lock(fs->io, &fs->lock);
    HG_ASSERT(s->refs > 0);
    if (--s->refs == 0 && s->forgotten) {
        last = s->file;
        remove_slot(fs, s);
        give_slot(fs, s);
    } else if (s->refs == 0) {
        idle_add(fs, s);
        wake_waiters(fs);
    }
    hg_mutex_unlock(fs->io, &fs->lock);
    if (last != NULL)
        (void)fs->io->ops->close(last); /* only read from: nothing can be lost */
}

int hg_files_forget(struct hg_files *fs, uint32_t id)
{
    struct hg_file *idle = NULL;
    struct slot *s;
    int used;

    hg_mutex_lock(fs->io, &fs->lock);
    s = find_slot(fs, id);
    used = s != NULL && s->refs > 0;
    if (used) {
        s->forgotten = 1;
    } else if (s != NULL) {
        idle = s->file;
        idle_remove(s);
        remove_slot(fs, s);
        give_slot(fs, s);
    }
    hg_mutex_unlock(fs->io, &fs->lock);
    if (idle != NULL)
        (void)fs->io->ops->close(idle); /* only read from: nothing can be lost */
    return used;
}

int hg_files_get(struct hg_files *fs, uint32_t id, enum hg_segment_kind kind,
                 struct hg_file **out_file)
{
    struct slot *s = NULL;
    hg_mutex_lock(fs->io, &fs->lock);
    int rc = get_slot(fs, id, kind, &s);
    hg_mutex_unlock(fs->io, &fs->lock);
    if (rc == HOLOG_OK)
        *out_file = s->file;
    return rc;
}

void hg_files_put(struct hg_files *fs, uint32_t id)
{
    hg_mutex_lock(fs->io, &fs->lock);
    struct slot *s = find_slot(fs, id);
    hg_mutex_unlock(fs->io, &fs->lock);
    HG_ASSERT(s != NULL); /* the caller's count keeps it in the table */
    put_slot(fs, s);
}

/* ---- reading -------------------------------------------------------------------------------------*/

/* One step of a direct read through the bounce buffer: from the block that holds offset. */
static int read_bounced(struct hg_file *f, uint8_t *bounce, size_t align, uint8_t *out, size_t len,
                        uint64_t offset, size_t *out_n)
{
    size_t skip = (size_t)(offset % align);
    size_t want = HG_MIN(HG_ALIGN_UP(skip + len, align), (size_t)BOUNCE_BYTES);
    size_t n = 0;
    int rc = hg_io_read_upto(f, bounce, want, offset - skip, &n);
    if (rc < 0)
        return rc;
    n = n > skip ? HG_MIN(n - skip, len) : 0;
    memcpy(out, bounce + skip, n);
    *out_n = n;
    return HOLOG_OK;
}

/* How many bytes from here on a direct file takes as they are; 0: none. When only the start is out
 * of step, *out_bounce is just as much as brings it into step. */
static size_t direct_part(const uint8_t *out, size_t left, uint64_t offset, size_t align,
                          size_t *out_bounce)
{
    size_t skip = (size_t)(offset % align);
    *out_bounce = left;
    if (((uintptr_t)out - skip) % align != 0)
        return 0; /* never in step */
    if (skip != 0) {
        *out_bounce = HG_MIN(left, align - skip);
        return 0;
    }
    return HG_ALIGN_DOWN(left, align);
}

static int read_direct(struct hg_file *f, size_t align, uint8_t *out, size_t len, uint64_t offset,
                       size_t *out_n)
{
    uint8_t *bounce = NULL;
    size_t done = 0;
    int rc = HOLOG_OK;

    while (done < len) {
        size_t ask = 0;
        size_t n = 0;
        size_t part = direct_part(out + done, len - done, offset + done, align, &ask);
        if (part > 0) {
            ask = part;
            rc = hg_io_read_upto(f, out + done, part, offset + done, &n);
        } else {
            size_t room = HG_MIN(HG_ALIGN_UP(len, align) + align, (size_t)BOUNCE_BYTES);
            if (bounce == NULL)
                bounce = hg_alloc_aligned(HG_IO_BLOCK, room);
            rc = bounce == NULL
                     ? hg_error(HOLOG_E_NOMEM, "no memory to read %s", f->name)
                     : read_bounced(f, bounce, align, out + done, ask, offset + done, &n);
            ask = HG_MIN(ask, room - (size_t)((offset + done) % align)); /* what it could bring */
        }
        if (rc < 0)
            goto out;
        done += n;
        if (n < ask)
            break; /* the end of the file */
    }
    *out_n = done;
out:
    hg_free(bounce);
    return rc;
}

int hg_files_read(struct hg_files *fs, uint32_t id, enum hg_segment_kind kind, void *buf,
                  size_t len, uint64_t offset, size_t *out_n)
{
    struct slot *s = NULL;
    hg_mutex_lock(fs->io, &fs->lock);
    int rc = get_slot(fs, id, kind, &s);
    hg_mutex_unlock(fs->io, &fs->lock);
    if (rc < 0)
        return rc;
    if (s->info.direct && s->info.dio_align > 1)
        rc = read_direct(s->file, s->info.dio_align, buf, len, offset, out_n);
    else
        rc = hg_io_read_upto(s->file, buf, len, offset, out_n);
    put_slot(fs, s);
    if (rc == HOLOG_OK)
        hg_files_count_read(fs, *out_n);
    return rc;
}

uint64_t hg_files_bytes_read(const struct hg_files *fs)
{
    return fs == NULL ? 0 : __atomic_load_n(&fs->bytes_read, __ATOMIC_RELAXED);
}

void hg_files_count_read(struct hg_files *fs, uint64_t bytes)
{
    __atomic_add_fetch(&fs->bytes_read, bytes, __ATOMIC_RELAXED);
}

/* ---- create and destroy --------------------------------------------------------------------------*/

int hg_files_create(struct hg_io *io, int direct, struct hg_files **out_files)
{
    struct hg_files *fs = hg_calloc(1, sizeof *fs);
    if (fs == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the table of open files");
    fs->io = io;
    fs->direct = direct;
    fs->idle.prev = &fs->idle;
    fs->idle.next = &fs->idle;
    for (size_t i = HG_FILES_MAX; i-- > 0;) {
        fs->slots[i].hash_next = fs->free;
        fs->free = &fs->slots[i];
    }
    *out_files = fs;
    return HOLOG_OK;
}

void hg_files_destroy(struct hg_files *fs)
{
    if (fs == NULL)
        return;
    for (size_t i = 0; i < HG_FILES_MAX; i++) {
        HG_ASSERT(fs->slots[i].refs == 0 && !fs->slots[i].opening);
        if (fs->slots[i].file != NULL)
            (void)fs->io->ops->close(fs->slots[i].file); /* only read from */
    }
    hg_free(fs);
}
