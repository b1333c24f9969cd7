/*
 * Bases: made, named, found and read. Where an open begins is start.c.
 */
#include "engine/base.h"

#include <string.h>

#include "base/error.h"
#include "engine/checkpoint.h"

/* ---- B1: what it says ----------------------------------------------------------------------------*/

#define FULL_MAX 8 /* segments that were full, and could not be described */

void hg_base_segment_full(holog_store *s)
{
    struct hg_base *b = &s->base;
    struct hg_log_state st;

    if (!b->wanted || b->version != NULL)
        return;
    b->full++;
    if (s->latest == NULL || s->latest->number != s->last_number ||
        !hg_log_covered(s->log, &b->header))
        return;
    hg_log_state(s->log, &st);
    b->rc = hg_keeper_describe(s, &st, s->latest, &b->next);
    if (b->rc < 0)
        return;
    s->keeper.described = b->next.covered; /* as good as one of the keeper's */
    b->version = s->latest;
    __atomic_add_fetch(&b->version->refs, 1, __ATOMIC_RELAXED);
}

static void forget_described(holog_store *s)
{
    struct hg_base *b = &s->base;

    hg_log_lock(s->log);
    hg_checkpoint_release(&b->next);
    b->next = (struct hg_checkpoint){ 0 };
    hg_version_put(s, b->version); /* NULL is fine */
    b->version = NULL;
    hg_log_unlock(s->log);
}

static int describe(holog_store *s)
{
    struct hg_base *b = &s->base;
    int rc = HOLOG_OK;

    hg_log_lock(s->log);
    b->wanted = 1;
    b->rc = HOLOG_OK;
    b->full = 0;
    while (rc == HOLOG_OK && b->version == NULL && b->rc == HOLOG_OK && b->full < FULL_MAX)
        rc = hg_log_roll_now(s->log, HG_FEATURE_COLD | HG_FEATURE_BASE);
    b->wanted = 0;
    hg_log_unlock(s->log);
    if (rc == HOLOG_OK && b->rc < 0)
        rc = hg_error(b->rc, "no memory to describe the index for a base");
    if (rc == HOLOG_OK && b->version == NULL)
        rc = hg_error(HOLOG_E_BUSY, "%s: the index could not be described for a base", s->dir);
    return rc;
}

/* ---- B2, B3: its file ----------------------------------------------------------------------------*/

static int write_content(holog_store *s, struct hg_file *f)
{
    _Alignas(HG_BLOCK) uint8_t block[HG_SEGMENT_HEADER_SIZE];
    struct hg_base *b = &s->base;
    uint64_t len = 0;
    int rc = hg_checkpoint_put(f, HG_SEGMENT_HEADER_SIZE, &b->next, b->version->root,
                               b->version->past, &len);

    if (rc < 0)
        return rc;
    b->header.capacity = HG_SEGMENT_HEADER_SIZE + len;
    if (b->header.capacity > HG_BASE_MAX)
        return hg_error(HOLOG_E_TOOBIG, "an index of %llu bytes is too large for a base",
                        (unsigned long long)len);
    hg_segment_header_encode(&b->header, block);
    rc = hg_io_write_full(f, block, sizeof block, 0, 0);
    return rc < 0 ? rc : s->io->ops->fdatasync(f);
}

static int write_file(holog_store *s, const char *tmp)
{
    struct holog_error_detail first;
    struct hg_file *f = NULL;
    int rc = s->io->ops->open(s->io, tmp, (unsigned)HG_OPEN_WRITE | HG_OPEN_CREATE, &f);
    int closed;

    if (rc < 0)
        return rc;
    rc = write_content(s, f);
    hg_error_get(&first);
    closed = s->io->ops->close(f);
    if (rc == HOLOG_OK)
        return closed;
    hg_error_set(&first); /* first cause wins */
    return rc;
}

/* As recovery reads it, too, which does not look behind it: both must find the same bases. */
static int read_header(struct hg_io *io, const char *name, uint32_t id,
                       struct hg_segment_header *out, uint64_t *out_size)
{
    _Alignas(HG_BLOCK) uint8_t block[HG_SEGMENT_HEADER_SIZE];
    struct hg_file_info info = { 0 };
    struct hg_file *f = NULL;
    int rc = io->ops->open(io, name, 0, &f);

    if (rc < 0)
        return rc;
    rc = io->ops->info(f, &info);
    if (rc == HOLOG_OK && info.size_bytes < sizeof block)
        rc = hg_corrupt_file(name, info.size_bytes, "the file ends inside its header");
    if (rc == HOLOG_OK)
        rc = hg_io_read_full(f, block, sizeof block, 0);
    if (rc == HOLOG_OK)
        rc = hg_segment_header_decode(block, id, HG_KIND_BASE, out);
    (void)io->ops->close(f); /* only read from */
    *out_size = info.size_bytes;
    return rc;
}

static int check_size(const char *name, const struct hg_segment_header *h, uint64_t size)
{
    return h->capacity == size
               ? HOLOG_OK
               : hg_corrupt_file(name, HG_MIN(size, h->capacity),
                                 "the file has %llu bytes, its header says %llu",
                                 (unsigned long long)size, (unsigned long long)h->capacity);
}

static int read_content(struct hg_io *io, const char *name, const struct hg_segment_header *h,
                        struct hg_index *ix, struct hg_index *past, struct hg_checkpoint *out)
{
    const struct hg_checkpoint like = { .covered = hg_base_covers(h),
                                        .last_hash = h->pred_last_hash,
                                        .last_len = h->pred_last_len,
                                        .number = h->pred_number,
                                        .highest_number = h->highest_number };
    const struct hg_checkpoint_at at = {
        .name = name, .offset = HG_SEGMENT_HEADER_SIZE, .uuid = h->uuid, .like = &like
    };

    return hg_checkpoint_read(io, &at, ix, past, out);
}

static int check_file(struct hg_io *io, const char *name, uint32_t id,
                      struct hg_segment_header *out)
{
    struct hg_checkpoint c = { 0 };
    uint64_t size;
    int rc = read_header(io, name, id, out, &size);

    if (rc == HOLOG_OK)
        rc = check_size(name, out, size);
    if (rc == HOLOG_OK)
        rc = read_content(io, name, out, NULL, NULL, &c);
    hg_checkpoint_release(&c);
    return rc;
}

static int read_back(holog_store *s, const char *tmp)
{
    uint8_t wrote[HG_SEGMENT_HEADER_SIZE];
    uint8_t found[HG_SEGMENT_HEADER_SIZE];
    struct hg_segment_header h;
    int rc = check_file(s->io, tmp, s->base.header.id, &h);

    if (rc < 0)
        return rc;
    hg_segment_header_encode(&s->base.header, wrote);
    hg_segment_header_encode(&h, found);
    return memcmp(wrote, found, sizeof wrote) == 0
               ? HOLOG_OK
               : hg_corrupt_file(tmp, 0, "it reads back otherwise than it was written");
}

/* ---- B4, B5 --------------------------------------------------------------------------------------*/

/* What no EDIT names. One that may be there has poisoned the log. */
static void give_up(holog_store *s)
{
    struct holog_error_detail first;
    char name[HG_FILE_NAME_MAX];

    if (s->base.header.id == 0 || hg_log_poisoned(s->log) != 0)
        return;
    hg_error_get(&first);
    hg_segment_tmp_name(name, s->base.header.id);
    (void)s->io->ops->unlink(s->io, name); /* the next open does it otherwise */
    hg_segment_name(name, s->base.header.id, HG_KIND_BASE);
    (void)s->io->ops->unlink(s->io, name);
    hg_error_set(&first);
}

/* Those of the store so far, appended. */
static int find_older(holog_store *s, struct hg_buf *out)
{
    struct hg_buf all = { 0 };
    const struct hg_segment_entry *e;
    int rc = hg_log_segments(s->log, &all);

    e = (const struct hg_segment_entry *)(const void *)all.data;
    for (size_t i = 0; i < all.len / sizeof *e && rc == HOLOG_OK; i++) {
        if (e[i].kind == HG_KIND_BASE)
            rc = hg_buf_append(out, &e[i], sizeof e[i]);
    }
    hg_buf_release(&all);
    return rc;
}

static int exchange(holog_store *s)
{
    const struct hg_segment_entry added = { .segment = s->base.header.id,
                                            .kind = HG_KIND_BASE,
                                            .used = s->base.header.capacity };
    struct hg_edit edit = { .added = &added, .n_added = 1 };
    struct hg_buf older = { 0 };
    int rc = find_older(s, &older);

    edit.removed = (const struct hg_segment_entry *)(const void *)older.data;
    edit.n_removed = older.len / sizeof *edit.removed;
    if (rc == HOLOG_OK)
        rc = hg_log_edit(s->log, &edit);
    if (rc == HOLOG_OK && edit.n_removed > 0)
        __atomic_store_n(&s->replaced_ns, s->io->ops->now_ns(s->io) | 1, __ATOMIC_RELEASE);
    hg_buf_release(&older);
    return rc;
}

static void take(holog_store *s, const struct hg_segment_header *h, int sound)
{
    s->base.id = h->id;
    s->base.begins = h->pred_id;
    s->base.sound = sound;
    __atomic_store_n(&s->base.bytes, h->capacity, __ATOMIC_RELAXED);
}

static int make(holog_store *s)
{
    char tmp[HG_FILE_NAME_MAX];
    int rc = describe(s);

    if (rc == HOLOG_OK)
        rc = hg_log_base_header(s->log, &s->base.header);
    if (rc < 0)
        return rc;
    hg_segment_tmp_name(tmp, s->base.header.id);
    rc = write_file(s, tmp); /* B2 */
    if (rc == HOLOG_OK)
        rc = read_back(s, tmp); /* B3 */
    if (rc == HOLOG_OK)
        rc = hg_log_base_name(s->log, s->base.header.id); /* B4 */
    if (rc == HOLOG_OK)
        rc = exchange(s); /* B5 */
    if (rc < 0)
        give_up(s);
    else
        take(s, &s->base.header, 1);
    return rc;
}

int hg_base_make(holog_store *s)
{
    struct hg_log_state st;
    int rc;

    rc = hg_log_sync(s->log);
    if (rc < 0)
        return rc;
    hg_log_lock(s->log);
    hg_log_state(s->log, &st);
    hg_log_unlock(s->log);
    if (st.n_segments == 0)
        return HOLOG_OK; /* nothing has ever been written */
    s->base.header = (struct hg_segment_header){ 0 };
    rc = make(s);
    forget_described(s);
    return rc;
}

/* ---- those that are there ------------------------------------------------------------------------*/

hg_pos hg_base_covers(const struct hg_segment_header *h)
{
    return hg_pos_make(h->pred_id, (uint32_t)HG_ALIGN_UP(h->pred_end, (uint64_t)8));
}

struct search {
    struct hg_io *io;
    const struct hg_super *super;
    uint32_t below;
    hg_pos limit;
    struct hg_segment_header found;
    int rc;
};

static int look_at(void *ctx, const char *file, int is_dir)
{
    struct search *f = ctx;
    struct hg_segment_header h = { 0 };
    enum hg_segment_kind kind;
    char name[HG_FILE_NAME_MAX];
    uint64_t size;
    uint32_t id;
    int rc;

    if (is_dir || hg_segment_parse_name(file, &id, &kind) != 1 || kind != HG_KIND_BASE ||
        id <= f->found.id || (f->below != 0 && id >= f->below))
        return 0;
    hg_segment_name(name, id, HG_KIND_BASE);
    rc = read_header(f->io, name, id, &h, &size);
    if (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_VERSION || rc == HOLOG_E_NOENT)
        return 0; /* does not count */
    if (rc < 0) {
        f->rc = rc;
        return 1;
    }
    if (memcmp(h.uuid, f->super->uuid, sizeof h.uuid) == 0 && h.salt == f->super->salt &&
        (f->limit == 0 || hg_base_covers(&h) <= f->limit))
        f->found = h;
    return 0;
}

int hg_base_find(struct hg_io *io, const struct hg_super *super, uint32_t below, hg_pos limit,
                 struct hg_segment_header *out)
{
    struct search f = { .io = io, .super = super, .below = below, .limit = limit };
    int rc = io->ops->read_dir(io, HG_SEG_DIR, look_at, &f);

    if (f.rc < 0)
        return f.rc;
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    *out = f.found;
    return HOLOG_OK;
}

int hg_base_load(struct hg_io *io, const struct hg_segment_header *h, struct hg_index *empty,
                 struct hg_index *empty_past, struct hg_checkpoint *out)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_segment_header again;
    uint64_t size;
    int rc;

    hg_segment_name(name, h->id, HG_KIND_BASE);
    rc = read_header(io, name, h->id, &again, &size);
    if (rc == HOLOG_OK)
        rc = check_size(name, h, size);
    return rc < 0 ? rc : read_content(io, name, h, empty, empty_past, out);
}

int hg_base_check(struct hg_io *io, uint32_t id)
{
    char name[HG_FILE_NAME_MAX];
    struct hg_segment_header h;

    hg_segment_name(name, id, HG_KIND_BASE);
    return check_file(io, name, id, &h);
}

void hg_base_opened(holog_store *s, uint32_t loaded)
{
    const struct hg_recovered *r = &s->recovered;

    for (size_t i = 0; i < r->n_segments; i++) {
        if (r->base != 0 && r->segments[i].id == r->base)
            take(s, &r->segments[i].header, r->base == loaded);
    }
}

uint32_t hg_base_begins(holog_store *s)
{
    struct hg_base *b = &s->base;

    if (b->id != 0 && !b->sound) {
        struct holog_error_detail before;
        hg_error_get(&before);
        b->sound = hg_base_check(s->io, b->id) == HOLOG_OK;
        hg_error_set(&before);
        if (!b->sound) /* verify tells; what is below it is all there is */
            return 0;
    }
    return b->begins;
}

uint64_t hg_base_bytes(const holog_store *s)
{
    return __atomic_load_n(&s->base.bytes, __ATOMIC_RELAXED);
}
