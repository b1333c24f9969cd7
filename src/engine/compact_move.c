/*
 * The output of a compaction: values read, compressed by what they are, written, and read back.
 *
 * Values come by path, the versions of one path together, the newest first. A version of as many bytes as the newest is
 * stored as a difference from it; bytes that another value has already brought are stored once. The newest version may have
 * been moved by an earlier compaction: then it is the base where it is, unless it is to go now. So may the bytes have been
 * (compact_same.c).
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "compaction/hwp.h"
#include "engine/compact.h"
#include "engine/shape.h"

/* Bytes that have been written, to be found again. */
struct seen {
    struct hg_hash128 hash; /* of the value's block table */
    hg_pos birth;
};

struct mover {
    struct hg_compaction *c;
    holog_store *s;
    struct hg_segment_header header;
    struct hg_hwp_writer *writer;
    struct hg_version *version; /* where documents are looked up */
    struct hg_record_read record;
    struct hg_mem *raw;  /* of the value at hand */
    struct hg_mem *base; /* of the newest version of this path; NULL: none, or it is of no use */
    hg_pos base_birth;
    const struct hg_moving *newest; /* of this path, in this round */
    struct seen *seen;              /* by slot, open addressing */
    size_t slots;
    struct hg_compact_same *same; /* what earlier rounds have brought; NULL: nothing */
    char dir[HG_PATH_MAX + 1];    /* of the array whose shape this is */
    size_t dir_len;
    uint64_t array_id; /* 0: there has been none */
    int shaped;
    struct hg_chunk_shape shape;
};

/* ---- what a chunk is -----------------------------------------------------------------------------*/

/* The newest version's. 0: there is none. */
static int find_path(const struct mover *m, const char *path, size_t len, struct hg_locator *out)
{
    struct hg_key key;

    hg_key_make(path, len, &key);
    return hg_root_lookup(m->version->root, key.bytes, key.len, out) >= 0;
}

static int find_document(struct mover *m, holog_value **out)
{
    char path[HG_PATH_MAX + 1];
    struct hg_locator loc;
    size_t len = m->dir_len;

    memcpy(path, m->dir, len);
    if (len > 0)
        path[len++] = '/';
    memcpy(path + len, HG_NODE_ARRAY, sizeof HG_NODE_ARRAY);
    len += sizeof HG_NODE_ARRAY - 1;
    if (!find_path(m, path, len, &loc))
        return HOLOG_E_NOENT;
    return hg_value_load_often(m->s, &loc, path, out);
}

/* Arrays whose document is gone, or says something else now, have chunks that are bytes. */
static void find_shape(struct mover *m)
{
    struct holog_error_detail before;
    holog_value *doc = NULL;

    m->array_id++;
    hg_error_get(&before);
    m->shaped = find_document(m, &doc) == HOLOG_OK &&
                hg_chunk_shape(holog_value_data(doc), holog_value_size(doc), &m->shape);
    holog_value_release(doc);
    hg_error_set(&before);
}

/* 1: the value's bytes are such elements. */
static int shape_of(struct mover *m, const struct hg_moving *v)
{
    size_t dir = v->path_len;

    if (!v->is_chunk || v->path_len > HG_PATH_MAX)
        return 0;
    while (dir > 0 && v->path[dir - 1] != '/')
        dir--;
    dir -= dir > 0;
    if (m->array_id == 0 || dir != m->dir_len || memcmp(m->dir, v->path, dir) != 0) {
        memcpy(m->dir, v->path, dir);
        m->dir_len = dir;
        find_shape(m);
    }
    return m->shaped && hg_chunk_bytes(&m->shape) == v->len;
}

/* ---- the same bytes once -------------------------------------------------------------------------*/

static int make_seen(struct mover *m)
{
    size_t n = m->c->moving.len / sizeof(struct hg_moving);

    for (m->slots = 16; m->slots < 2 * n;)
        m->slots *= 2;
    m->seen = hg_calloc(m->slots, sizeof *m->seen);
    return m->seen == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to compact %zu values", n)
                           : HOLOG_OK;
}

/* The place of these bytes: birth 0, nobody has brought them yet. */
static struct seen *find_seen(struct mover *m, const struct hg_hash128 *hash)
{
    size_t at = (size_t)hash->lo & (m->slots - 1);

    while (m->seen[at].birth != 0 &&
           (m->seen[at].hash.lo != hash->lo || m->seen[at].hash.hi != hash->hi))
        at = (at + 1) & (m->slots - 1);
    return &m->seen[at];
}

/* A failure, of the value of the record at hand, of which nobody has given the path: that it was saved under. */
static int named(const struct mover *m, int rc)
{
    if (rc == HOLOG_E_CORRUPT && m->record.rec.path != NULL)
        hg_error_name_path(m->record.rec.path, m->record.rec.path_len);
    return rc;
}

/* path: NULL when nobody knows it. */
static int read_value(struct mover *m, hg_pos birth, const char *path, struct hg_mem **out)
{
    const char *shown = path != NULL ? path : "a value";
    int rc = hg_record_at(m->s, birth, shown, &m->record);

    if (rc == HOLOG_OK && m->record.rec.n_pieces == 0)
        return hg_record_wrong(birth, shown, "names no extents");
    if (rc < 0)
        return rc;
    rc = hg_value_read_large(m->s, &m->record.rec, shown, out);
    return path == NULL ? named(m, rc) : rc;
}

/* Hashes can be the same by chance: 1, they are the same bytes; 0; or an error. */
static int is_same(struct mover *m, hg_pos other)
{
    struct hg_mem *bytes = NULL;
    int same;
    int rc = read_value(m, other, NULL, &bytes);

    if (rc < 0)
        return rc;
    same = bytes->len == m->raw->len && memcmp(bytes->data, m->raw->data, bytes->len) == 0;
    hg_mem_put(bytes);
    return same;
}

/* ---- writing -------------------------------------------------------------------------------------*/

/* Of another path than the one before: what differences are taken from. */
static void forget_base(struct mover *m)
{
    hg_mem_put(m->base);
    m->base = NULL;
    m->newest = NULL;
}

static int is_version_of(const struct hg_moving *v, const struct hg_moving *newest)
{
    return newest != NULL && v->path_len > 0 && newest->len == v->len &&
           newest->path_len == v->path_len && memcmp(newest->path, v->path, v->path_len) == 0;
}

/* The newest version, where an earlier compaction has put it; 0: it is not there, or nothing can be a difference from
 * it, or it is about to go. What is in extents still comes in a later round, or never. */
static hg_pos base_elsewhere(const struct mover *m, const struct hg_moving *v,
                             const struct hg_hwp_shape *shape)
{
    struct hg_locator loc;
    uint32_t home;
    hg_pos birth;

    if (v->path_len == 0 || !find_path(m, v->path, v->path_len, &loc) || loc.segment == 0 ||
        loc.size != v->len)
        return 0;
    birth = hg_pos_make(loc.segment, loc.offset);
    if (birth == v->birth)
        return 0;
    home = hg_cold_can_be_base(m->s->cold, birth, shape);
    return home == 0 || hg_compact_victim(m->c, home) != NULL ? 0 : birth;
}

/* Of a path that is new here. A base is a help: one that is damaged is none, and will be told of
 * when it is read itself. */
static int get_base_elsewhere(struct mover *m, const struct hg_moving *v,
                              const struct hg_hwp_shape *shape)
{
    hg_pos birth = base_elsewhere(m, v, shape);
    struct holog_error_detail before;
    int rc;

    if (birth == 0)
        return HOLOG_OK;
    hg_error_get(&before);
    rc = read_value(m, birth, v->path, &m->base);
    if (rc == HOLOG_E_CORRUPT || rc == HOLOG_E_BUDGET) {
        hg_error_set(&before);
        return HOLOG_OK;
    }
    if (rc < 0)
        return rc;
    m->newest = v;
    m->base_birth = birth;
    return HOLOG_OK;
}

static int shape_for(const struct hg_hwp_array *array, uint64_t len, struct hg_hwp_shape *out)
{
    *out = hg_hwp_bytes(len);
    return array == NULL ? HOLOG_OK
                         : hg_hwp_fold(array->size, array->kind, array->rank, array->n, out);
}

/* Other versions of this path are differences from it, or from the value that it has the bytes of. */
static void keep_base(struct mover *m, const struct hg_moving *v, hg_pos birth)
{
    m->newest = v;
    m->base = m->raw;
    m->base_birth = birth;
    m->raw = NULL;
}

/* What differences of this path are taken from, if anything: the same bytes are better than a newer version. */
static int choose_base(struct mover *m, const struct hg_moving *v, const struct hg_hwp_shape *shape,
                       hg_pos *out_same)
{
    int rc = hg_compact_same_find(m->same, v, shape, m->raw->data, out_same);

    if (rc < 0 || is_version_of(v, m->newest))
        return rc;
    forget_base(m);
    return *out_same != 0 ? HOLOG_OK : get_base_elsewhere(m, v, shape);
}

static int write_value(struct mover *m, const struct hg_moving *v)
{
    int is_array = shape_of(m, v);
    const struct hg_hwp_array elements = { .size = m->shape.size,
                                           .kind = m->shape.kind,
                                           .rank = m->shape.rank,
                                           .n = m->shape.n,
                                           .id = m->array_id };
    const struct hg_hwp_array *array = is_array ? &elements : NULL;
    struct hg_hwp_base base = { 0 };
    struct hg_hwp_shape shape;
    hg_pos same = 0;
    int rc = shape_for(array, v->len, &shape);

    if (rc == HOLOG_OK)
        rc = choose_base(m, v, &shape, &same);
    if (rc < 0)
        return rc;
    if (same != 0)
        base = (struct hg_hwp_base){ .birth = same, .raw = m->raw->data };
    else if (m->newest != NULL)
        base = (struct hg_hwp_base){ .birth = m->base_birth, .raw = m->base->data };
    rc = hg_hwp_add_value(m->writer, v->birth, array, m->raw->data, v->len,
                          base.birth != 0 ? &base : NULL);
    if (rc == HOLOG_OK && m->newest == NULL && v->path_len > 0)
        keep_base(m, v, same != 0 ? same : v->birth);
    return rc;
}

static int move_value(struct mover *m, const struct hg_moving *v)
{
    struct hg_hash128 hash;
    struct seen *seen;
    int rc = read_value(m, v->birth, v->path, &m->raw);

    if (rc < 0)
        return rc;
    hash = m->record.rec.hash;
    seen = find_seen(m, &hash);
    rc = seen->birth != 0 ? is_same(m, seen->birth) : 0;
    if (rc > 0)
        rc = hg_hwp_add_same(m->writer, v->birth, seen->birth);
    else if (rc == 0)
        rc = write_value(m, v);
    if (rc == HOLOG_OK && seen->birth == 0)
        *seen = (struct seen){ .hash = hash, .birth = v->birth };
    hg_mem_put(m->raw);
    m->raw = NULL;
    return rc;
}

int hg_compact_tell(struct hg_compaction *c, uint64_t bytes)
{
    c->done += bytes;
    if (hg_scheduler_progress(c, bytes))
        return hg_error(HOLOG_E_CANCELED, "the compaction has to make way");
    if (c->opts->progress == NULL ||
        c->opts->progress(c->opts->progress_ctx, c->done, 2 * c->bytes, "bytes") == 0)
        return HOLOG_OK; /* twice: written, and read back */
    return hg_error(HOLOG_E_CANCELED, "the compaction was stopped");
}

static int write_all(struct mover *m)
{
    const struct hg_moving *v = (const struct hg_moving *)(const void *)m->c->moving.data;
    size_t n = m->c->moving.len / sizeof *v;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        rc = move_value(m, &v[i]);
        if (rc == HOLOG_OK)
            rc = hg_compact_tell(m->c, v[i].len);
    }
    return rc;
}

/* The header of an extent segment is nobody's only witness: a damaged one has no epoch, and that is all. */
static int find_epoch(struct mover *m, const struct hg_segment_entry *v, uint64_t *out_epoch)
{
    uint8_t header[HG_SEGMENT_HEADER_SIZE];
    struct holog_error_detail before;
    struct hg_segment_header h;
    size_t n = 0;
    int rc;

    hg_error_get(&before);
    rc = hg_files_read(m->s->files, v->segment, v->kind, header, sizeof header, 0, &n);
    if (rc < 0)
        return rc;
    if (n == sizeof header && hg_segment_header_decode(header, v->segment, v->kind, &h) == HOLOG_OK)
        *out_epoch = h.epoch;
    hg_error_set(&before);
    return HOLOG_OK;
}

static int write_sources(struct mover *m)
{
    const struct hg_segment_entry *v =
        (const struct hg_segment_entry *)(const void *)m->c->victims.data;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < m->c->victims.len / sizeof *v && rc == HOLOG_OK; i++) {
        struct hg_hwp_source source = { .id = v[i].segment, .kind = v[i].kind };
        rc = find_epoch(m, &v[i], &source.epoch);
        if (rc == HOLOG_OK)
            rc = hg_hwp_add_source(m->writer, &source);
    }
    return rc;
}

/* ---- reading back --------------------------------------------------------------------------------*/

/* The values as they were saved, by the tables of their records; through the .tmp. */
static int check_value(struct mover *m, struct hg_hwp *h, const struct hg_moving *v, uint8_t *buf,
                       size_t room)
{
    const struct hg_hwp_value *value = hg_hwp_find(h, v->birth);
    const struct hg_hwp_bases elsewhere = { .ctx = m->s->cold, .read = hg_cold_read_base };
    int rc = hg_record_at(m->s, v->birth, "a value", &m->record);

    if (rc == HOLOG_OK && value == NULL)
        rc = hg_corrupt(m->header.id, 0, "a value that was written is not there");
    for (uint64_t at = 0; rc == HOLOG_OK && at < v->len; at += room) {
        uint64_t to = HG_MIN(at + room, v->len);
        rc = hg_hwp_read(h, value, at, to, buf, &elsewhere);
        if (rc == HOLOG_OK)
            rc = hg_blocks_verify(buf, (size_t)(to - at), m->record.rec.table, at / HG_HASH_BLOCK,
                                  m->header.id, 0);
        rc = named(m, rc);
    }
    return rc;
}

#define CHECK_BYTES ((size_t)8 << 20)
_Static_assert(CHECK_BYTES % HG_HASH_BLOCK == 0, "reads hold whole hash blocks");

static size_t room_to_check(const struct hg_moving *v, size_t n)
{
    uint64_t longest = 0;

    for (size_t i = 0; i < n; i++)
        longest = HG_MAX(longest, v[i].len);
    return (size_t)HG_MIN(HG_ALIGN_UP(longest, (uint64_t)HG_HASH_BLOCK), (uint64_t)CHECK_BYTES);
}

static int check_all(struct mover *m, struct hg_hwp *h)
{
    const struct hg_moving *v = (const struct hg_moving *)(const void *)m->c->moving.data;
    size_t n = m->c->moving.len / sizeof *v;
    size_t room = room_to_check(v, n);
    uint8_t *buf = room == 0 ? NULL : hg_malloc(room);
    int rc = HOLOG_OK;

    if (buf == NULL && room > 0)
        return hg_error(HOLOG_E_NOMEM, "no memory to read back a segment");
    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        rc = check_value(m, h, &v[i], buf, room);
        if (rc == HOLOG_OK)
            rc = hg_compact_tell(m->c, v[i].len);
    }
    hg_free(buf);
    return rc;
}

static int read_back(struct mover *m)
{
    const struct hg_hwp_from from = { .id = m->header.id,
                                      .uuid = m->header.uuid,
                                      .salt = m->header.salt,
                                      .work = hg_cold_workspaces(m->s->cold),
                                      .io = m->s->io };
    struct hg_hwp *h = NULL;
    int rc = hg_hwp_open(&from, &h);

    if (rc == HOLOG_OK)
        rc = check_all(m, h);
    if (rc == HOLOG_OK)
        rc = hg_compact_check_pages(m->c, m->header.id, h);
    hg_hwp_close(h);
    return rc;
}

/* ---- all of it -----------------------------------------------------------------------------------*/

static uint64_t capacity_for(uint64_t bytes)
{
    return HG_ALIGN_UP(bytes + bytes / 8 + (UINT64_C(16) << 20), (uint64_t)HG_BLOCK);
}

static const struct {
    const char *name;
    enum hg_profile profile;
} compressions[] = { { "default", HG_PROFILE_DEFAULT },
                     { "fast", HG_PROFILE_FAST },
                     { "archive", HG_PROFILE_ARCHIVE } };

int hg_compression_of(const char *value)
{
    for (int i = 0; i < (int)(sizeof compressions / sizeof compressions[0]); i++)
        if (strcmp(value, compressions[i].name) == 0)
            return i;
    return -1;
}

const char *hg_compression_name(int compression)
{
    return compressions[compression].name;
}

static int write_segment(struct mover *m, struct hg_hwp_info *info)
{
    int compression = __atomic_load_n(&m->s->compression, __ATOMIC_RELAXED);
    int rc = hg_log_cold_header(m->s->log, capacity_for(m->c->bytes), &m->header);

    if (rc == HOLOG_OK)
        rc = hg_hwp_create(m->s->io, &m->header, compressions[compression].profile, &m->writer);
    if (rc == HOLOG_OK)
        rc = write_all(m);
    if (rc == HOLOG_OK)
        rc = hg_compact_write_pages(m->c, m->writer);
    if (rc == HOLOG_OK)
        rc = write_sources(m);
    if (rc < 0) {
        hg_hwp_abort(m->writer);
        return rc;
    }
    return hg_hwp_finish(m->writer, info);
}

static void remove_segment(struct mover *m)
{
    struct holog_error_detail first;
    char name[HG_FILE_NAME_MAX];

    hg_error_get(&first);
    hg_segment_tmp_name(name, m->header.id);
    (void)m->s->io->ops->unlink(m->s->io, name); /* the next open does it otherwise */
    hg_segment_name(name, m->header.id, HG_KIND_HWP);
    (void)m->s->io->ops->unlink(m->s->io, name);
    hg_error_set(&first);
}

int hg_compact_move(struct hg_compaction *c)
{
    struct mover m = { .c = c, .s = c->store };
    struct hg_hwp_info info = { 0 };
    int rc;

    m.version = hg_version_get_published(c->store);
    rc = m.version == NULL ? hg_error(HOLOG_E_AGAIN, "too many threads read the store at once")
                           : make_seen(&m);
    if (rc == HOLOG_OK) {
        m.same = hg_compact_same_make(c);
        rc = write_segment(&m, &info);
    }
    forget_base(&m);
    hg_compact_same_free(m.same);
    if (rc == HOLOG_OK) {
        rc = read_back(&m);
        if (rc == HOLOG_OK)
            rc = hg_log_cold_name(m.s->log, m.header.id); /* C4 */
        if (rc < 0)
            remove_segment(&m);
    }
    if (rc == HOLOG_OK) {
        c->output = (struct hg_segment_entry){ .segment = m.header.id,
                                               .kind = HG_KIND_HWP,
                                               .used = info.size };
    }
    hg_mem_put(m.raw);
    hg_version_put(c->store, m.version);
    hg_record_release(&m.record);
    hg_free(m.seen);
    return rc;
}
