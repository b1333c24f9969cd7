#include "kit.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"

#define CHECK(call) cr_assert_eq((call), HOLOG_OK, "%s", #call)

static const uint8_t kit_uuid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

void kit_begin(struct kit *k)
{
    memset(k, 0, sizeof *k);
    memcpy(k->super.uuid, kit_uuid, sizeof kit_uuid);
    k->super.salt = 0x5a175a175a175a17;
    k->super.segment_size_max = KIT_CAPACITY;
    k->super.extent_size_max = HG_EXTENT_SEGMENT_MIN;
    k->super.inline_max = 4096;
    k->super.space_amp_milli = 1500;
    k->super.created_ns = 1;
    k->super.generation = 1;
    k->super.next_segment = 1;
    k->super.state = HG_SUPER_OPEN;
    k->capacity = KIT_CAPACITY;
    k->log = KIT_SEGMENTS;
    k->ext = KIT_SEGMENTS;
}

void kit_end(struct kit *k)
{
    for (size_t i = 0; i < k->n_files; i++)
        hg_buf_release(&k->file[i].bytes);
}

static struct kit_file *new_file(struct kit *k, uint32_t kind)
{
    cr_assert_lt(k->n_files, KIT_SEGMENTS);
    struct kit_file *f = &k->file[k->n_files++];
    f->id = k->super.next_segment++;
    f->kind = kind;
    f->header = (struct hg_segment_header){ .kind = kind,
                                            .id = f->id,
                                            .epoch = 0xE0E0E0E0E0E00000u + f->id * 7919u,
                                            .salt = k->super.salt,
                                            .capacity = k->capacity,
                                            .created_ns = 1 };
    if (kind == HG_KIND_FRAMES)
        f->header.feat_incompat = k->super.feat_incompat;
    memcpy(f->header.uuid, k->super.uuid, sizeof f->header.uuid);
    f->end = HG_SEGMENT_HEADER_SIZE;
    return f;
}

static void put_header(struct kit_file *f)
{
    uint8_t header[HG_SEGMENT_HEADER_SIZE];
    hg_segment_header_encode(&f->header, header);
    CHECK(hg_buf_append(&f->bytes, header, sizeof header));
}

static size_t list_files(const struct kit *k, struct hg_segment_entry e[KIT_SEGMENTS])
{
    size_t n = 0;

    for (size_t i = 0; i < k->n_files; i++) {
        if (!k->file[i].removed)
            e[n++] = (struct hg_segment_entry){ .segment = k->file[i].id,
                                                .kind = (uint8_t)k->file[i].kind,
                                                .used = k->file[i].bytes.len };
    }
    return n;
}

static void put_segments_frame(struct kit *k)
{
    struct hg_segment_entry e[KIT_SEGMENTS];
    struct hg_buf body = { 0 };
    size_t n = list_files(k, e);

    CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_segments(&body, e, n, NULL));
    (void)kit_put_frame(k, HG_FRAME_SYSTEM, &body, 1);
}

void kit_segment(struct kit *k, int empty)
{
    const struct kit_file *pred = k->log < KIT_SEGMENTS ? &k->file[k->log] : NULL;
    struct kit_file *f = new_file(k, HG_KIND_FRAMES);

    if (pred != NULL) {
        f->header.pred_id = pred->id;
        f->header.pred_epoch = pred->header.epoch;
        f->header.pred_end = pred->end;
        f->header.pred_last_len = pred->last_len;
        f->header.pred_last_hash = pred->last_hash;
        f->header.pred_number = k->number;
    }
    f->header.first_number = k->highest + 1;
    f->header.highest_number = k->highest;
    put_header(f);
    k->log = (size_t)(f - k->file);
    k->super.active_segment = f->id;
    if (!empty)
        put_segments_frame(k);
}

void kit_extents(struct kit *k)
{
    struct kit_file *f = new_file(k, HG_KIND_EXTENTS);
    f->header.capacity = HG_EXTENT_SEGMENT_MIN;
    put_header(f);
    k->ext = (size_t)(f - k->file);
}

struct kit_frame kit_put_frame(struct kit *k, enum hg_frame_type type, struct hg_buf *body,
                               uint32_t nrec)
{
    struct kit_file *f = &k->file[k->log];
    uint8_t head[HG_FRAME_HEADER_SIZE];

    CHECK(hg_buf_append_zeros(&f->bytes, HG_ALIGN_UP(f->bytes.len, 8) - f->bytes.len));
    uint32_t offset = (uint32_t)f->bytes.len;
    struct hg_frame_place at = { k->super.salt, f->header.epoch, f->id, offset };
    struct hg_frame h = { .type = (uint8_t)type,
                          .len = (uint32_t)(HG_FRAME_HEADER_SIZE + body->len),
                          .nrec = nrec,
                          .number = k->number,
                          .floor = k->floor,
                          .prev_len = k->prev_len,
                          .prev_hash = (uint32_t)k->prev_hash,
                          .body_hash = hg_hash64(body->data, body->len) };
    hg_frame_encode(&h, &at, head);
    CHECK(hg_buf_append(&f->bytes, head, sizeof head));
    CHECK(hg_buf_append(&f->bytes, body->data, body->len));
    hg_buf_release(body);
    f->end = f->bytes.len;
    f->last_len = k->prev_len = h.len;
    f->last_hash = k->prev_hash = h.head_hash;
    cr_assert_lt(k->n_frames, KIT_FRAMES);
    struct kit_frame *fr = &k->frame[k->n_frames++];
    *fr = (struct kit_frame){ f->id, offset, h.len, k->number, h.head_hash };
    return *fr;
}

static uint8_t *value_of(uint64_t number, size_t len)
{
    uint8_t *v = hg_malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        v[i] = (uint8_t)(number * 31 + i * 7 + i / 251 + 1);
    return v;
}

static void next_number(struct kit *k)
{
    k->number = k->highest + 1;
    k->highest = k->number;
}

struct kit_frame kit_commit(struct kit *k, size_t len)
{
    struct hg_buf body = { 0 };
    char path[32];

    next_number(k);
    uint8_t *v = value_of(k->number, len);
    int n = snprintf(path, sizeof path, "p/%llu", (unsigned long long)k->number);
    CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_blob(&body, path, (size_t)n, v, len, hg_hash64(v, len), hg_csum(v, len), NULL));
    hg_free(v);
    return kit_put_frame(k, HG_FRAME_COMMIT, &body, 1);
}

/* Bytes into the extent segment; where they are. */
static struct hg_piece put_extent(struct kit *k, const void *data, size_t len)
{
    struct kit_file *x = &k->file[k->ext];

    CHECK(hg_buf_append_zeros(&x->bytes, HG_ALIGN_UP(x->bytes.len, HG_BLOCK) - x->bytes.len));
    struct hg_piece p = { .segment = x->id, .offset = x->bytes.len, .len = len };
    CHECK(hg_buf_append(&x->bytes, data, len));
    return p;
}

struct kit_frame kit_commit_large(struct kit *k, size_t len)
{
    struct hg_buf body = { 0 };
    struct hg_buf table = { 0 };
    uint8_t csum = 0;
    char path[32];

    next_number(k);
    uint8_t *v = value_of(k->number, len);
    struct hg_piece p = put_extent(k, v, len);
    CHECK(hg_block_table_add(&table, v, len, &csum));
    int n = snprintf(path, sizeof path, "l/%llu", (unsigned long long)k->number);
    CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_large(&body, path, (size_t)n, len, hg_hash128(table.data, table.len), csum, &p, 1,
                       table.data, NULL));
    hg_free(v);
    hg_buf_release(&table);
    return kit_put_frame(k, HG_FRAME_COMMIT, &body, 1);
}

struct kit_frame kit_commit_body(struct kit *k)
{
    struct hg_buf inner = { 0 };
    struct hg_buf body = { 0 };
    char path[32];

    next_number(k);
    int n = snprintf(path, sizeof path, "b/%llu", (unsigned long long)k->number);
    CHECK(hg_body_begin(&inner, 1000 + k->number, NULL, 0));
    CHECK(
        hg_rec_blob(&inner, path, (size_t)n, path, 3, hg_hash64(path, 3), hg_csum(path, 3), NULL));
    struct hg_piece p = put_extent(k, inner.data, inner.len);
    CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_body(&body, &p, hg_hash64(inner.data, inner.len), NULL));
    hg_buf_release(&inner);
    return kit_put_frame(k, HG_FRAME_COMMIT, &body, 1);
}

/* What every delta here is to: p/1 is as long as nobody asks. */
static struct hg_delta_rec front_delta(hg_pos base)
{
    return (struct hg_delta_rec){
        .path = "p/1",
        .path_len = 3,
        .base = base,
        .kind = HG_DELTA_INSERT,
        .version_size = UINT64_C(1) << 30,
        .payload = { .len = 1, .bytes = "x", .hash = { .lo = hg_hash64("x", 1) } },
    };
}

struct kit_frame kit_commit_delta(struct kit *k, hg_pos base, int in_extent, hg_pos *out_birth)
{
    struct hg_delta_rec d = front_delta(base);
    struct hg_buf list = { 0 };
    struct hg_buf body = { 0 };
    struct hg_piece p = { 0 };
    size_t at = 0;

    next_number(k);
    CHECK(hg_body_begin(&list, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_delta(&list, &d, &at));
    if (in_extent) {
        p = put_extent(k, list.data, list.len);
        CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
        CHECK(hg_rec_body(&body, &p, hg_hash64(list.data, list.len), NULL));
        hg_buf_release(&list);
        *out_birth = hg_pos_make(p.segment, (uint32_t)(p.offset + at));
        return kit_put_frame(k, HG_FRAME_COMMIT, &body, 1);
    }
    struct kit_frame f = kit_put_frame(k, HG_FRAME_COMMIT, &list, 1);
    *out_birth = hg_pos_make(f.segment, f.offset + HG_FRAME_HEADER_SIZE + (uint32_t)at);
    return f;
}

struct kit_frame kit_commit_delta_large(struct kit *k, hg_pos base, size_t len)
{
    struct hg_delta_rec d = front_delta(base);
    struct hg_buf table = { 0 };
    struct hg_buf body = { 0 };

    next_number(k);
    uint8_t *v = value_of(k->number, len);
    struct hg_piece p = put_extent(k, v, len);
    d.payload = (struct hg_payload){ .len = len, .pieces = &p, .n_pieces = 1 };
    CHECK(hg_block_table_add(&table, v, len, &d.payload.csum));
    d.payload.hash = hg_hash128(table.data, table.len);
    d.payload.table = table.data;
    CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_delta(&body, &d, NULL));
    hg_free(v);
    hg_buf_release(&table);
    return kit_put_frame(k, HG_FRAME_COMMIT, &body, 1);
}

struct kit_frame kit_put_tag(struct kit *k, const char *name, hg_pos version)
{
    struct hg_fold_rec f = { .version = version, .version_size = 3, .n_spans = 1 };
    const struct hg_span span = { version, 0, 3 };
    struct hg_buf spans = { 0 };
    struct hg_buf body = { 0 };

    CHECK(hg_span_append(&spans, &span));
    f.spans_len = spans.len;
    f.payload = (struct hg_payload){ .len = spans.len, .bytes = spans.data };
    f.payload.hash.lo = hg_hash64(spans.data, spans.len);
    CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_tag(&body, k->number, 1, name, strlen(name), NULL));
    CHECK(hg_rec_retention(&body, 1, NULL));
    CHECK(hg_rec_fold(&body, &f, NULL));
    hg_buf_release(&spans);
    return kit_put_frame(k, HG_FRAME_SYSTEM, &body, 3);
}

uint32_t kit_cold(struct kit *k)
{
    struct kit_file *f = new_file(k, HG_KIND_HWP);
    put_header(f);
    return f->id;
}

uint32_t kit_base(struct kit *k)
{
    const struct kit_file last = k->file[k->log];
    struct kit_file *f = new_file(k, HG_KIND_BASE);

    f->header.capacity = KIT_BASE;
    f->header.feat_incompat = k->super.feat_incompat;
    f->header.pred_id = last.id;
    f->header.pred_epoch = last.header.epoch;
    f->header.pred_end = last.end;
    f->header.pred_last_len = last.last_len;
    f->header.pred_last_hash = last.last_hash;
    f->header.pred_number = k->number;
    f->header.highest_number = k->highest;
    f->n_known = list_files(k, f->known) - 1; /* but itself */
    put_header(f);
    CHECK(hg_buf_append_zeros(&f->bytes, KIT_BASE - f->bytes.len));
    return f->id;
}

struct kit_file *kit_file(struct kit *k, uint32_t id)
{
    for (size_t i = 0; i < k->n_files; i++) {
        if (k->file[i].id == id)
            return &k->file[i];
    }
    return NULL;
}

static uint8_t kind_of(struct kit *k, uint32_t id)
{
    const struct kit_file *f = kit_file(k, id);
    return f == NULL ? HG_KIND_EXTENTS : (uint8_t)f->kind;
}

struct kit_frame kit_edit(struct kit *k, uint32_t added, uint32_t removed)
{
    const struct hg_segment_entry in = { .segment = added,
                                         .kind = kind_of(k, added),
                                         .used = 4096 };
    const struct hg_segment_entry out = { .segment = removed, .kind = kind_of(k, removed) };
    struct hg_buf body = { 0 };

    struct kit_file *gone = removed == 0 ? NULL : kit_file(k, removed);
    if (gone != NULL)
        gone->removed = 1;

    CHECK(hg_body_begin(&body, 1000 + k->number, NULL, 0));
    CHECK(hg_rec_edit(&body, &in, added != 0, &out, removed != 0, NULL));
    return kit_put_frame(k, HG_FRAME_SYSTEM, &body, 1);
}

hg_pos kit_pos(const struct kit *k)
{
    const struct kit_file *f = &k->file[k->log];
    return hg_pos_make(f->id, (uint32_t)HG_ALIGN_UP(f->end, (uint64_t)8));
}

hg_pos kit_end_of(const struct kit_frame *f)
{
    return hg_pos_make(f->segment, HG_ALIGN_UP(f->offset + f->len, 8u));
}

void kit_durable(struct kit *k)
{
    k->floor = kit_pos(k);
}

void kit_block(struct kit *k)
{
    struct hg_buf *b = &k->file[k->log].bytes;
    CHECK(hg_buf_append_zeros(b, HG_ALIGN_UP(b->len, HG_BLOCK) - b->len));
}

void kit_pad(struct kit *k, uint64_t size)
{
    struct hg_buf *b = &k->file[k->log].bytes;
    CHECK(hg_buf_append_zeros(b, size));
}

uint8_t *kit_at(struct kit *k, const struct kit_frame *f)
{
    for (size_t i = 0; i < k->n_files; i++) {
        if (k->file[i].id == f->segment)
            return k->file[i].bytes.data + f->offset;
    }
    cr_assert_fail("no such segment");
    return NULL;
}

void kit_seal(struct kit *k)
{
    struct kit_file *f = &k->file[k->log];
    struct hg_footer_builder *b = NULL;
    struct hg_footer_tail t = {
        .segment = f->id, .epoch = f->header.epoch, .salt = k->super.salt, .frames_end = f->end
    };

    memcpy(t.uuid, k->super.uuid, sizeof t.uuid);
    CHECK(hg_footer_builder_create(f->header.first_number, &b));
    for (size_t i = 0; i < k->n_frames; i++) {
        struct hg_frame h;
        struct hg_frame_place at = { k->super.salt, f->header.epoch, f->id, k->frame[i].offset };
        if (k->frame[i].segment != f->id)
            continue;
        const uint8_t *p = f->bytes.data + k->frame[i].offset;
        cr_assert_eq(hg_frame_decode(p, &at, f->header.capacity, &h), HG_FRAME_OK);
        CHECK(hg_footer_add(b, &h, k->frame[i].offset, p + HG_FRAME_HEADER_SIZE));
    }
    f->bytes.len = f->end;
    CHECK(hg_buf_append_zeros(&f->bytes, HG_ALIGN_UP(f->end, 8u) - f->end));
    CHECK(hg_footer_finish(b, &t, &f->bytes));
    hg_footer_builder_destroy(b);
    f->sealed = 1;
    kit_durable(k);
}

void kit_super(struct kit *k, hg_pos floor, enum hg_super_state state)
{
    k->super.floor = floor;
    k->super.floor_number = floor == 0 ? 0 : k->number;
    k->super.state = state;
    k->super.generation++;
}

void kit_super_clean(struct kit *k)
{
    struct kit_file *f = &k->file[k->log];
    if (!f->sealed) {
        f->bytes.len = f->end;
        CHECK(hg_buf_append_zeros(&f->bytes, HG_ALIGN_UP(f->end, HG_BLOCK) - f->end));
    }
    kit_super(k, kit_pos(k), HG_SUPER_CLEAN);
}

void kit_name(char *out, const struct kit_file *f)
{
    hg_segment_name(out, f->id, f->kind);
}

void kit_drop(struct kit *k, size_t file)
{
    hg_buf_release(&k->file[file].bytes);
    memmove(&k->file[file], &k->file[file + 1], (k->n_files - file - 1) * sizeof k->file[0]);
    k->n_files--;
}

void kit_drop_id(struct kit *k, uint32_t id)
{
    const struct kit_file *f = kit_file(k, id);
    cr_assert_not_null(f, "there is no segment %u", id);
    kit_drop(k, (size_t)(f - k->file));
}

void kit_sample(struct kit *k)
{
    kit_begin(k);
    kit_extents(k);
    for (int s = 0; s < 3; s++) {
        kit_segment(k, 0);
        kit_durable(k);
        (void)kit_commit(k, 200);
        kit_durable(k);
        kit_block(k);
        (void)kit_commit_large(k, 70000);
        kit_durable(k);
        (void)kit_commit_body(k);
        if (s < 2)
            kit_seal(k);
    }
    kit_super(k, 0, HG_SUPER_OPEN);
}

static int make_dirs(struct hg_io *io, void *ctx)
{
    (void)ctx;
    int rc = io->ops->mkdir(io, HG_SEG_DIR);
    if (rc == HOLOG_OK)
        rc = io->ops->mkdir(io, HG_CHK_DIR);
    return rc == HOLOG_OK ? io->ops->sync_dir(io, "") : rc;
}

struct hg_sim *kit_disk(const struct kit *k)
{
    struct hg_sim_options o = { .seed = 1 };
    return kit_disk_with(k, &o);
}

struct hg_sim *kit_disk_with(const struct kit *k, const struct hg_sim_options *o)
{
    struct hg_sim *sim = NULL;
    uint8_t super[2 * HG_SUPER_SLOT_SIZE] = { 0 };

    CHECK(hg_sim_create(o, &sim));
    CHECK(hg_sim_run(sim, make_dirs, NULL));
    if (!k->no_super) {
        struct hg_super older = k->super;
        older.generation--;
        older.floor = 0;
        older.floor_number = 0;
        older.state = HG_SUPER_OPEN;
        hg_super_encode(&k->super, super + k->super.generation % 2 * HG_SUPER_SLOT_SIZE);
        if (older.generation > 0)
            hg_super_encode(&older, super + older.generation % 2 * HG_SUPER_SLOT_SIZE);
        CHECK(hg_sim_file_put(sim, HG_SUPER_NAME, super, sizeof super));
    }
    for (size_t i = 0; i < k->n_files; i++) {
        char name[HG_FILE_NAME_MAX];
        kit_name(name, &k->file[i]);
        CHECK(hg_sim_file_put(sim, name, k->file[i].bytes.data, k->file[i].bytes.len));
    }
    return sim;
}

/* ---- recovery -------------------------------------------------------------------------------- */

static int see_frame(void *ctx, const struct hg_frame *f, uint32_t segment, uint32_t offset,
                     uint64_t time_ns)
{
    struct kit_run *run = ctx;
    (void)segment;
    (void)offset;
    if (f->type != HG_FRAME_COMMIT) {
        run->n_system++;
        return 0;
    }
    if (time_ns != 1000 + f->number)
        return HOLOG_E_INVAL;
    run->numbers[run->n_numbers++] = f->number;
    return 0;
}

static int see_record(void *ctx, const struct hg_record *r)
{
    struct kit_run *run = ctx;
    size_t len = strlen(run->paths);

    run->n_records++;
    const char *sign = r->type == HG_REC_DELTA ? "+" : r->type == HG_REC_TAG ? "#" : "";
    if (r->type == HG_REC_BLOB || r->type == HG_REC_LARGE || *sign != '\0') {
        run->value_bytes += r->value_len;
        (void)snprintf(run->paths + len, sizeof run->paths - len, "%s%.*s;", sign, (int)r->path_len,
                       r->path);
    }
    if (r->type == HG_REC_BLOB || r->type == HG_REC_DELTA) {
        cr_assert_lt(run->n_births, KIT_FRAMES);
        run->births[run->n_births++] = hg_pos_make(r->segment, r->offset);
    }
    if (r->type == HG_REC_DELTA) {
        size_t i = 0;
        while (i < run->n_births && run->births[i] != r->base)
            i++;
        run->lost_bases += i == run->n_births;
    }
    return 0;
}

int kit_recover_io(struct hg_io *io, void *ctx)
{
    struct kit_run *run = ctx;
    const struct hg_replay replay = { .ctx = run, .frame = see_frame, .record = see_record };

    run->n_numbers = run->n_system = run->n_records = run->n_births = run->lost_bases = 0;
    run->value_bytes = 0;
    run->paths[0] = '\0';
    memset(&run->r, 0, sizeof run->r);
    run->rc = hg_recover(io, &run->o, &replay, &run->r);
    if (run->rc == HOLOG_OK && run->seal && !run->r.clean)
        run->rc = hg_recover_seal(io, &run->r);
    if (run->rc < 0)
        holog_last_error(&run->error);
    run->n_left_over = run->rc < 0 ? 0 : run->r.n_left_over;
    run->left_over = run->n_left_over > 0 ? run->r.left_over[0].segment : 0;
    hg_free(run->r.segments);
    hg_free(run->r.left_over);
    run->r.segments = NULL;
    run->r.left_over = NULL;
    return run->rc;
}

int kit_recover(struct hg_sim *sim, struct kit_run *run)
{
    return hg_sim_run(sim, kit_recover_io, run);
}

void kit_from_base(const struct kit *k, uint32_t base, struct hg_recover_options *o)
{
    for (size_t i = 0; i < k->n_files; i++) {
        const struct kit_file *b = &k->file[i];
        if (b->id != base)
            continue;
        o->from =
            hg_pos_make(b->header.pred_id, (uint32_t)HG_ALIGN_UP(b->header.pred_end, (uint64_t)8));
        o->from_hash = b->header.pred_last_hash;
        o->from_len = b->header.pred_last_len;
        o->known = b->known;
        o->n_known = b->n_known;
    }
}

int kit_open(struct hg_sim *sim, struct kit_run *run)
{
    memset(run, 0, sizeof *run);
    run->seal = 1;
    return kit_recover(sim, run);
}

int kit_open_base(struct hg_sim *sim, const struct kit *k, uint32_t base, struct kit_run *run)
{
    memset(run, 0, sizeof *run);
    run->seal = 1;
    kit_from_base(k, base, &run->o);
    return kit_recover(sim, run);
}

struct print {
    struct hg_sim *sim;
    uint64_t sum;
};

static int add_file(void *ctx, const char *name, uint64_t size)
{
    struct print *p = ctx;
    uint64_t n = 0;
    const uint8_t *data = hg_sim_file_data(p->sim, name, &n);
    p->sum += hg_hash64_seeded(data, (size_t)n, hg_hash64(name, strlen(name)) + size);
    return 0;
}

uint64_t kit_fingerprint(struct hg_sim *sim)
{
    struct print p = { .sim = sim };
    CHECK(hg_sim_each_file(sim, add_file, &p));
    return p.sum;
}

/* ---- verify and repair ----------------------------------------------------------------------- */

static int keep_damage(void *ctx, struct hg_damage_found *d)
{
    struct kit_verify *v = ctx;
    if (v->n_found < sizeof v->found / sizeof *v->found)
        v->found[v->n_found++] = *d;
    v->n_harmful += !d->harmless;
    return 0;
}

/* What a base of the kit holds: zeros. */
static int check_base(struct hg_io *io, const struct hg_super *super, uint32_t segment, int quick,
                      int (*found)(void *ctx, hg_pos birth), void *ctx)
{
    char name[HG_FILE_NAME_MAX];
    uint8_t *data = NULL;
    size_t len = 0;
    size_t at = HG_SEGMENT_HEADER_SIZE;

    (void)super;
    (void)quick;
    hg_segment_name(name, segment, HG_KIND_BASE);
    int rc = hg_io_read_file(io, name, HG_BASE_MAX, &data, &len);
    if (rc < 0)
        return rc;
    while (at < len && data[at] == 0)
        at++;
    hg_free(data);
    if (at >= len)
        return HOLOG_OK;
    (void)hg_corrupt_file(name, at, "an index that is not all zeros"); /* found asks for it */
    return found(ctx, 0);
}

static int verify_io(struct hg_io *io, void *ctx)
{
    struct kit_verify *v = ctx;
    v->n_found = v->n_harmful = 0;
    v->rc = hg_verify(io, v->flags, NULL, check_base, keep_damage, v, NULL, NULL);
    if (v->rc < 0)
        holog_last_error(&v->error);
    return v->rc;
}

int kit_verify(struct hg_sim *sim, struct kit_verify *out)
{
    return hg_sim_run(sim, verify_io, out);
}

static int keep_loss(void *ctx, const struct hg_damage_found *d)
{
    struct kit_repair *r = ctx;
    if (r->n_found < sizeof r->found / sizeof *r->found)
        r->found[r->n_found++] = *d;
    return 0;
}

int kit_repair_io(struct hg_io *io, void *ctx)
{
    struct kit_repair *r = ctx;
    r->n_found = 0;
    memset(&r->report, 0, sizeof r->report);
    r->report.struct_size = sizeof r->report;
    r->rc = hg_repair(io, r->mode, r->dry_run, check_base, keep_loss, r, &r->report);
    if (r->rc < 0)
        holog_last_error(&r->error);
    return r->rc;
}

int kit_repair(struct hg_sim *sim, struct kit_repair *out)
{
    return hg_sim_run(sim, kit_repair_io, out);
}
