/*
 * dump.c: prints one file of a store, byte for byte accounted for.
 *
 *   .hlog   header; every frame with its records; what lies between; the footer
 *   .hext   header (what is in an extent segment only the frames know)
 *   .hwp    dump_hwp.c
 *   SUPER   both slots
 *   .hidx   dump_index.c
 *   .base   the same, and its segment header
 *
 * What a file is, its first eight bytes say, or its name when they are damaged. The decoders are the
 * library's. Damage is reported where it is, then the dump goes on with the next frame that verifies
 * at its place. When a segment's header is damaged, salt and epoch are taken from the footer, or else
 * from the damaged header as they stand.
 */
#include "inspect/dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "inspect/dump_hwp.h"
#include "inspect/dump_index.h"
#include "inspect/say.h"
#include "wal/footer.h"
#include "wal/frame.h"
#include "wal/record.h"
#include "wal/segment.h"
#include "wal/super.h"

#define FILE_MAX    (256u << 20) /* frame segments hold 64 MiB, then a footer */
#define VERDICT_MAX 640          /* a message of the library and some words */

enum file_kind {
    FILE_UNKNOWN,
    FILE_SUPER,
    FILE_SEGMENT,
    FILE_COMPRESSED,
    FILE_BASE,
    FILE_INDEX
};

/* ---- records ------------------------------------------------------------------------------------- */

static const char *record_name(unsigned type)
{
    static const char *const names[] = {
        [HG_REC_BLOB] = "BLOB",           [HG_REC_LARGE] = "LARGE",
        [HG_REC_DIR] = "DIRECTORY",       [HG_REC_SYMLINK] = "SYMLINK",
        [HG_REC_DELETE] = "DELETE",       [HG_REC_DELETE_TREE] = "DELETE_TREE",
        [HG_REC_MOVE] = "MOVE",           [HG_REC_COPY] = "COPY",
        [HG_REC_BODY] = "BODY",           [HG_REC_SEGMENTS] = "SEGMENTS",
        [HG_REC_CONFIG] = "CONFIG",       [HG_REC_DELTA] = "DELTA",
        [HG_REC_ROLLBACK] = "ROLLBACK",   [HG_REC_TAG] = "TAG",
        [HG_REC_RETENTION] = "RETENTION", [HG_REC_FOLD] = "FOLD",
        [HG_REC_EDIT] = "EDIT",
    };
    if (type < sizeof names / sizeof names[0] && names[type] != NULL)
        return names[type];
    return "UNKNOWN";
}

/* Brings bytes: a value, a target, a payload. */
static int brings_bytes(const struct hg_record *r)
{
    return r->type == HG_REC_BLOB || r->type == HG_REC_SYMLINK || r->type == HG_REC_LARGE ||
           hg_rec_has_payload(r);
}

/* Whether the value's bytes are those that the record's hash and sum are of. The sum of a DELTA or
 * FOLD is that of a version, which is not all here. */
static int value_sound(const struct hg_record *r)
{
    if (r->n_pieces > 0) {
        struct hg_hash128 h =
            hg_hash128(r->table, (size_t)hg_block_count(r->value_len) * HG_BLOCK_ENTRY_SIZE);
        return h.lo == r->hash.lo && h.hi == r->hash.hi;
    }
    return hg_hash64(r->value, (size_t)r->value_len) == r->hash.lo &&
           (hg_rec_has_payload(r) || hg_csum(r->value, (size_t)r->value_len) == r->csum);
}

static const char *delta_name(uint8_t kind)
{
    static const char *const names[] = { [HG_DELTA_INSERT] = "insert",
                                         [HG_DELTA_UPDATE] = "update",
                                         [HG_DELTA_DELETE] = "delete",
                                         [HG_DELTA_MOVE] = "move" };
    return names[kind]; /* decoded: no other */
}

static json_object *pieces_json(const struct hg_record *r)
{
    json_object *list = json_object_new_array();
    struct hg_piece p;
    size_t at = 0;
    while (hg_pieces_next(r, &at, &p) == HOLOG_OK) {
        json_object *o = json_object_new_object();
        json_add(o, "segment", json_number(p.segment));
        json_add(o, "offset", json_number(p.offset));
        json_add(o, "length", json_number(p.len));
        (void)json_object_array_add(list, o); /* fails only without memory */
    }
    return list;
}

static json_object *entry_json(const struct hg_segment_entry *e)
{
    json_object *o = json_object_new_object();
    json_add(o, "segment", json_number(e->segment));
    json_add(o, "kind", json_number(e->kind));
    json_add(o, "used_bytes", json_number(e->used));
    return o;
}

static json_object *segments_json(const struct hg_record *r)
{
    json_object *list = json_object_new_array();
    struct hg_segment_entry e;
    size_t at = 0;
    while (hg_rec_segments_next(r, &at, &e) == HOLOG_OK)
        (void)json_object_array_add(list, entry_json(&e)); /* fails only without memory */
    return list;
}

/* Those that came, or those that went. */
static json_object *edit_json(const struct hg_record *r, int which)
{
    json_object *list = json_object_new_array();
    struct hg_segment_entry e;
    int removed = 0;
    size_t at = 0;
    while (hg_rec_edit_next(r, &at, &e, &removed) == HOLOG_OK) {
        if (removed == which)
            (void)json_object_array_add(list, entry_json(&e)); /* fails only without memory */
    }
    return list;
}

static void add_position(json_object *o, const char *segment, const char *offset, hg_pos p)
{
    json_add(o, segment, json_number(hg_pos_segment(p)));
    json_add(o, offset, json_number(hg_pos_offset(p)));
}

static json_object *spans_json(const struct hg_record *r)
{
    json_object *list = json_object_new_array();
    const uint8_t *table = r->value + (r->value_len - r->spans_len);
    struct hg_span s;
    size_t at = 0;
    while (hg_spans_next(table, (size_t)r->spans_len, &at, &s) == HOLOG_OK) {
        json_object *o = json_object_new_object();
        add_position(o, "segment", "offset", s.birth);
        json_add(o, "at", json_number(s.at));
        json_add(o, "length", json_number(s.len));
        (void)json_object_array_add(list, o); /* fails only without memory */
    }
    return list;
}

static void version_json(json_object *o, const struct hg_record *r)
{
    if (r->type == HG_REC_ROLLBACK || r->type == HG_REC_TAG || r->type == HG_REC_RETENTION)
        json_add(o, "number", json_number(r->number));
    if (r->type == HG_REC_TAG)
        json_add(o, "time_ns", json_number(r->time_ns));
    if (r->type != HG_REC_DELTA && r->type != HG_REC_FOLD)
        return;
    add_position(o, r->type == HG_REC_DELTA ? "base_segment" : "version_segment",
                 r->type == HG_REC_DELTA ? "base_offset" : "version_offset", r->base);
    json_add(o, "version_bytes", json_number(r->version_size));
    json_add(o, "version_csum", json_number(r->csum));
    if (r->type == HG_REC_FOLD) {
        json_add(o, "span_count", json_number(r->n_spans));
        json_add(o, "span_table_bytes", json_number(r->spans_len));
        if (r->value != NULL)
            json_add(o, "spans", spans_json(r));
        return;
    }
    json_add(o, "kind", json_text(delta_name(r->kind)));
    json_add(o, "start", json_number(r->start));
    json_add(o, "end", json_number(r->end));
    if (r->kind == HG_DELTA_MOVE)
        json_add(o, "move_to", json_number(r->move_to));
}

static json_object *record_json(const struct hg_record *r)
{
    json_object *o = json_object_new_object();
    json_add(o, "offset", json_number(r->offset));
    json_add(o, "type", json_text(record_name(r->type)));
    json_add(o, "type_number", json_number(r->type));
    json_add(o, "length", json_number(r->whole_len));
    if (r->type == HG_REC_CONFIG) {
        json_add(o, "key", json_bytes(r->path, r->path_len));
        json_add(o, "value_bytes", json_number(r->value_len));
    } else if (r->path != NULL) {
        json_add(o, r->type == HG_REC_TAG ? "name" : "path", json_bytes(r->path, r->path_len));
    }
    if (r->to != NULL)
        json_add(o, "to", json_bytes(r->to, r->to_len));
    version_json(o, r);
    if (brings_bytes(r)) {
        json_add(o, "value_bytes", json_number(r->value_len));
        json_add(o, "hash", json_hex(r->hash.lo));
        if (!hg_rec_has_payload(r))
            json_add(o, "csum", json_number(r->csum));
        json_add(o, "sound", json_object_new_boolean(value_sound(r)));
    }
    if (r->n_pieces > 0)
        json_add(o, "pieces", pieces_json(r));
    if (r->type == HG_REC_SYMLINK)
        json_add(o, "target", json_bytes(r->value, (size_t)r->value_len));
    if (r->type == HG_REC_DELETE)
        json_add(o, "killed_segment", json_number(r->killed_segment));
    if (r->type == HG_REC_SEGMENTS)
        json_add(o, "segments", segments_json(r));
    if (r->type == HG_REC_EDIT) {
        json_add(o, "added", edit_json(r, 0));
        json_add(o, "removed", edit_json(r, 1));
    }
    if (r->type == HG_REC_BODY) {
        json_add(o, "segment", json_number(r->body.segment));
        json_add(o, "extent_offset", json_number(r->body.offset));
        json_add(o, "extent_bytes", json_number(r->body.len));
        json_add(o, "hash", json_hex(r->body_hash));
    }
    return o;
}

static void version_text(const struct hg_record *r)
{
    if (r->type == HG_REC_ROLLBACK)
        (void)printf("  to %llu", (unsigned long long)r->number);
    if (r->type == HG_REC_TAG)
        (void)printf("  %llu", (unsigned long long)r->number);
    if (r->type == HG_REC_RETENTION)
        (void)printf("from %llu", (unsigned long long)r->number);
    if (r->type == HG_REC_DELTA) {
        (void)printf("  %s [%llu, %llu)", delta_name(r->kind), (unsigned long long)r->start,
                     (unsigned long long)r->end);
        if (r->kind == HG_DELTA_MOVE)
            (void)printf(" to %llu", (unsigned long long)r->move_to);
    }
    if (r->type == HG_REC_DELTA || r->type == HG_REC_FOLD)
        (void)printf(" of %08x:%u, makes %llu bytes, csum %u", (unsigned)hg_pos_segment(r->base),
                     (unsigned)hg_pos_offset(r->base), (unsigned long long)r->version_size,
                     (unsigned)r->csum);
    if (r->type == HG_REC_FOLD)
        (void)printf(", %u spans in %llu bytes", (unsigned)r->n_spans,
                     (unsigned long long)r->spans_len);
    if (hg_rec_has_payload(r))
        (void)printf("; payload");
}

static void put_entry(const char *sign, const struct hg_segment_entry *e)
{
    static const char *const kinds[] = { "", "frames", "extents", "compressed", "base" };

    (void)printf(" %s%08x(%s %llu)", sign, (unsigned)e->segment, kinds[e->kind],
                 (unsigned long long)e->used);
}

static void record_text(const struct hg_record *r)
{
    struct hg_piece p;
    struct hg_segment_entry e;
    int removed = 0;
    size_t at = 0;

    (void)printf("%12u    %-11s ", (unsigned)r->offset, record_name(r->type));
    if (r->path != NULL)
        put_bytes(r->path, r->path_len);
    if (r->to != NULL) {
        (void)fputs(" -> ", stdout);
        put_bytes(r->to, r->to_len);
    }
    if (r->type == HG_REC_SYMLINK) {
        (void)fputs(" -> ", stdout);
        put_bytes(r->value, (size_t)r->value_len);
    }
    version_text(r);
    if (brings_bytes(r)) {
        (void)printf("  %llu bytes, hash %016llx", (unsigned long long)r->value_len,
                     (unsigned long long)r->hash.lo);
        if (!hg_rec_has_payload(r))
            (void)printf(", csum %u", (unsigned)r->csum);
        (void)printf("%s", value_sound(r) ? "" : " WRONG");
    }
    while (r->n_pieces > 0 && hg_pieces_next(r, &at, &p) == HOLOG_OK)
        (void)printf(", %08x:%llu+%llu", (unsigned)p.segment, (unsigned long long)p.offset,
                     (unsigned long long)p.len);
    while (r->type == HG_REC_SEGMENTS && hg_rec_segments_next(r, &at, &e) == HOLOG_OK)
        put_entry("", &e);
    while (r->type == HG_REC_EDIT && hg_rec_edit_next(r, &at, &e, &removed) == HOLOG_OK)
        put_entry(removed ? "-" : "+", &e);
    if (r->type == HG_REC_DELETE)
        (void)printf("  of segment %08x", (unsigned)r->killed_segment);
    if (r->type == HG_REC_CONFIG)
        (void)printf("  %llu bytes", (unsigned long long)r->value_len);
    if (r->type == HG_REC_BODY)
        (void)printf(" %08x:%llu+%llu, hash %016llx", (unsigned)r->body.segment,
                     (unsigned long long)r->body.offset, (unsigned long long)r->body.len,
                     (unsigned long long)r->body_hash);
    if (strcmp(record_name(r->type), "UNKNOWN") == 0)
        (void)printf(" type %u, %zu bytes", (unsigned)r->type, r->rest_len);
    (void)putchar('\n');
}

/* ---- frames ---------------------------------------------------------------------------------------- */

struct frames {
    struct dump *d;
    struct hg_frame_place place; /* offset: of the frame at hand */
    uint64_t capacity;
    size_t limit; /* frames end here at the latest */
    struct json_stream stream;
    struct hg_buf hashes; /* header hashes, 8 bytes each */
    uint64_t count;
    size_t end; /* of the last frame */
    struct hg_frame last;
};

/* What is wrong with a frame whose header verifies, or "ok". The body is all there. */
static void judge_frame(const struct frames *fs, const struct hg_frame *f, int linked,
                        char verdict[VERDICT_MAX])
{
    const uint8_t *body = fs->d->bytes + fs->place.offset + HG_FRAME_HEADER_SIZE;
    size_t len = f->len - HG_FRAME_HEADER_SIZE;
    struct hg_body open;
    struct hg_record r;

    (void)snprintf(verdict, VERDICT_MAX, "ok");
    if (hg_hash64(body, len) != f->body_hash) {
        (void)snprintf(verdict, VERDICT_MAX, "the body's hash is wrong");
        return;
    }
    if (hg_body_decode(body, len, &open) < 0) {
        (void)snprintf(verdict, VERDICT_MAX, "%s", last_message());
        return;
    }
    size_t at = open.records_at;
    for (uint32_t i = 0; i < f->nrec; i++, at += r.whole_len)
        if (hg_rec_decode(body + at, len - at, at, &r) < 0) {
            (void)snprintf(verdict, VERDICT_MAX, "record %u at %zu: %s", (unsigned)i,
                           (size_t)fs->place.offset + HG_FRAME_HEADER_SIZE + at, last_message());
            return;
        }
    if (at != len)
        (void)snprintf(verdict, VERDICT_MAX, "%zu bytes follow the records", len - at);
    else if (linked &&
             (f->prev_len != fs->last.len || f->prev_hash != (uint32_t)fs->last.head_hash))
        (void)snprintf(verdict, VERDICT_MAX, "it follows another frame than the one before it");
}

static json_object *frame_json(const struct hg_frame *f, uint32_t offset, const char *verdict)
{
    json_object *o = json_object_new_object();
    json_add(o, "offset", json_number(offset));
    json_add(o, "type", json_text(f->type == HG_FRAME_COMMIT ? "commit" : "system"));
    json_add(o, "number", json_number(f->number));
    json_add(o, "length", json_number(f->len));
    json_add(o, "record_count", json_number(f->nrec));
    json_add(o, "floor_segment", json_number(hg_pos_segment(f->floor)));
    json_add(o, "floor_offset", json_number(hg_pos_offset(f->floor)));
    json_add(o, "prev_length", json_number(f->prev_len));
    json_add(o, "prev_hash", json_hex(f->prev_hash));
    json_add(o, "body_hash", json_hex(f->body_hash));
    json_add(o, "head_hash", json_hex(f->head_hash));
    json_add(o, "verdict", json_text(verdict));
    return o;
}

/* Time, fields and as many records as decode. o: the frame's object, NULL as text. */
static void show_body(const struct frames *fs, const struct hg_frame *f, json_object *o)
{
    const uint8_t *body = fs->d->bytes + fs->place.offset + HG_FRAME_HEADER_SIZE;
    size_t len = f->len - HG_FRAME_HEADER_SIZE;
    json_object *records = o != NULL ? json_object_new_array() : NULL;
    struct hg_body open = { 0 };
    struct hg_record r;
    struct hg_field field;
    char time[HUMAN_MAX];
    size_t at = 0;

    int ok = hg_body_decode(body, len, &open) == HOLOG_OK;
    if (o != NULL) {
        json_add(o, "time", json_text(iso_time(open.time_ns, time)));
        json_add(o, "time_ns", json_number(open.time_ns));
    } else {
        (void)printf("                time %s\n", iso_time(open.time_ns, time));
    }
    while (ok && hg_field_next(open.fields, open.fields_len, &at, &field) == HOLOG_OK) {
        if (field.type != HG_FIELD_MESSAGE)
            continue;
        if (o != NULL) {
            json_add(o, "message", json_bytes(field.data, field.len));
        } else {
            (void)fputs("                message ", stdout);
            put_bytes(field.data, field.len);
            (void)putchar('\n');
        }
    }
    at = open.records_at;
    for (uint32_t i = 0; ok && i < f->nrec; i++, at += r.whole_len) {
        if (hg_rec_decode(body + at, len - at, at, &r) < 0)
            break;
        r.segment = fs->place.segment;
        r.body_start = fs->place.offset + HG_FRAME_HEADER_SIZE;
        r.offset = r.body_start + (uint32_t)at;
        if (o != NULL)
            (void)json_object_array_add(records, record_json(&r)); /* fails only without memory */
        else
            record_text(&r);
    }
    if (o != NULL)
        json_add(o, "records", records);
}

static void show_frame(struct frames *fs, const struct hg_frame *f, int linked)
{
    struct dump *d = fs->d;
    char verdict[VERDICT_MAX];
    uint8_t hash[8];
    uint32_t at = fs->place.offset;

    judge_frame(fs, f, linked, verdict);
    if (d->json) {
        json_object *o = frame_json(f, at, verdict);
        show_body(fs, f, o);
        json_stream_item(&fs->stream, o);
    } else {
        char floor[40] = "none";
        if (f->floor != 0)
            (void)snprintf(floor, sizeof floor, "%08x:%u", (unsigned)hg_pos_segment(f->floor),
                           (unsigned)hg_pos_offset(f->floor));
        (void)printf("%12u  %-6s number %llu, %u bytes, %u records, floor %s, prev %u %08x, "
                     "hash %016llx, ",
                     (unsigned)at, f->type == HG_FRAME_COMMIT ? "commit" : "system",
                     (unsigned long long)f->number, (unsigned)f->len, (unsigned)f->nrec, floor,
                     (unsigned)f->prev_len, (unsigned)f->prev_hash,
                     (unsigned long long)f->head_hash);
        put_escaped(stdout, verdict);
        (void)putchar('\n');
        show_body(fs, f, NULL);
    }
    if (strcmp(verdict, "ok") != 0)
        report(d, at, f->len, verdict);
    hg_put_le64(hash, f->head_hash);
    if (hg_buf_append(&fs->hashes, hash, sizeof hash) < 0)
        report(d, at, f->len, "no memory to check the footer against this frame");
    fs->count++;
    fs->end = at + f->len;
    fs->last = *f;
}

static enum hg_frame_verdict frame_at(struct frames *fs, size_t at, struct hg_frame *out)
{
    fs->place.offset = (uint32_t)at;
    enum hg_frame_verdict v = hg_frame_decode(fs->d->bytes + at, &fs->place, fs->capacity, out);
    return v == HG_FRAME_OK && out->len > fs->limit - at ? HG_FRAME_DAMAGED : v;
}

/* The next place from `at` on where a frame verifies; the limit when there is none. */
static size_t find_frame(struct frames *fs, size_t at)
{
    struct hg_frame f;
    for (; fs->limit >= HG_FRAME_HEADER_SIZE && at <= fs->limit - HG_FRAME_HEADER_SIZE; at += 8)
        if (frame_at(fs, at, &f) == HG_FRAME_OK)
            return at;
    return fs->limit;
}

static int zeros(const struct frames *fs, size_t from, size_t to)
{
    return from >= to || hg_layout_zero(fs->d->bytes + from, to - from);
}

/* All frames up to the limit, with what lies between them. */
static void walk_frames(struct frames *fs)
{
    size_t at = HG_SEGMENT_HEADER_SIZE;
    struct hg_frame f;
    int linked = 0; /* the frame before this place is known */

    while (at < fs->limit) {
        enum hg_frame_verdict v = HG_FRAME_BAD;
        if (fs->limit - at >= HG_FRAME_HEADER_SIZE)
            v = frame_at(fs, at, &f);
        if (v == HG_FRAME_OK) {
            show_frame(fs, &f, linked);
            linked = 1;
            if (!zeros(fs, fs->end, HG_MIN(HG_ALIGN_UP(fs->end, (size_t)8), fs->limit)))
                report(fs->d, fs->end, HG_ALIGN_UP(fs->end, (size_t)8) - fs->end,
                       "padding is not zero");
            at = HG_ALIGN_UP(fs->end, (size_t)8);
            continue;
        }
        size_t block = HG_ALIGN_UP(at, (size_t)HG_BLOCK);
        if (block > at && zeros(fs, at, HG_MIN(block, fs->limit))) {
            at = block; /* the next frame may begin a block of its own */
            continue;
        }
        size_t next = find_frame(fs, at + 8);
        if (next == fs->limit && zeros(fs, at, fs->limit))
            return; /* never written */
        report(fs->d, at, next - at,
               v == HG_FRAME_DAMAGED ? "a frame header meant for this place does not verify"
               : v == HG_FRAME_ZERO  ? "zeros before more of the log"
                                     : "no frame begins here");
        at = next;
        linked = 0;
    }
}

/* ---- segments ---------------------------------------------------------------------------------------- */

static void tail_facts(json_object *o, const struct hg_footer_tail *t, const char *verdict)
{
    fact(o, "segment", t->segment);
    fact_uuid(o, t->uuid);
    fact_hex(o, "salt", t->salt);
    fact_hex(o, "epoch", t->epoch);
    fact(o, "frames", t->frames);
    fact(o, "frames_end", t->frames_end);
    fact(o, "chunks", t->chunks);
    fact(o, "chunks_at", t->chunks_at);
    fact(o, "first_number", t->first_number);
    fact(o, "last_number", t->last_number);
    fact(o, "last_length", t->last_len);
    fact_hex(o, "last_hash", t->last_hash);
    fact_hex(o, "heads_hash", t->heads_hash);
    fact_text(o, "verdict", verdict);
}

/* Whether the footer says of the frames what was found. */
static void check_footer(struct frames *fs, const struct hg_footer_tail *t, uint64_t first_number,
                         char verdict[VERDICT_MAX])
{
    const struct hg_footer_visitor nobody = { NULL, NULL, NULL };
    const struct dump *d = fs->d;

    (void)snprintf(verdict, VERDICT_MAX, "ok");
    if (hg_footer_walk(t, d->bytes + t->chunks_at, d->len - (size_t)t->chunks_at, first_number,
                       &nobody) < 0)
        (void)snprintf(verdict, VERDICT_MAX, "%s", last_message());
    else if (t->frames != fs->count || t->frames_end != fs->end)
        (void)snprintf(verdict, VERDICT_MAX, "it lists other frames than were found");
    else if (fs->count > 0 && (t->last_hash != fs->last.head_hash || t->last_len != fs->last.len))
        (void)snprintf(verdict, VERDICT_MAX, "its last frame is another");
    else if (t->heads_hash != hg_hash64(fs->hashes.data, fs->hashes.len))
        (void)snprintf(verdict, VERDICT_MAX, "its hash of the header hashes is wrong");
}

/* id from the name (0: it has another name), else from the header; 0 when both are silent. */
static uint32_t segment_id(const struct dump *d, enum hg_segment_kind *kind)
{
    const char *base = strrchr(d->name, '/');
    uint32_t id = 0;

    if (hg_segment_parse_name(base == NULL ? d->name : base + 1, &id, kind) == 1)
        return id;
    *kind = hg_get_le32(d->bytes + 12) == HG_KIND_EXTENTS ? HG_KIND_EXTENTS : HG_KIND_FRAMES;
    return hg_get_le32(d->bytes + 16);
}

/* The header as far as it can be known; 1 when it verifies. */
static int read_header(struct dump *d, const struct hg_footer_tail *tail,
                       struct hg_segment_header *h)
{
    enum hg_segment_kind kind = HG_KIND_FRAMES;
    uint32_t id = segment_id(d, &kind);
    int rc = hg_segment_header_decode(d->bytes, id, kind, h);

    if (rc == HOLOG_OK)
        return 1;
    report(d, 0, HG_SEGMENT_HEADER_SIZE, last_message());
    *h = (struct hg_segment_header){
        .kind = kind,
        .id = tail != NULL ? tail->segment : id,
        .salt = tail != NULL ? tail->salt : hg_get_le64(d->bytes + 48),
        .epoch = tail != NULL ? tail->epoch : hg_get_le64(d->bytes + 24),
        .capacity = HG_SEGMENT_MAX,
        .first_number = hg_get_le64(d->bytes + 216),
    };
    return 0;
}

static void dump_log(struct dump *d, json_object *doc, const struct hg_segment_header *h,
                     const struct hg_footer_tail *tail)
{
    struct frames fs = {
        .d = d,
        .place = { .salt = h->salt, .epoch = h->epoch, .segment = h->id },
        .capacity = h->capacity,
        .limit = tail != NULL ? (size_t)tail->frames_end : d->len,
        .end = HG_SEGMENT_HEADER_SIZE,
    };
    json_object *rest = d->json ? json_object_new_object() : NULL;
    char verdict[VERDICT_MAX];

    if (d->json)
        json_stream_begin(&fs.stream, doc, "frames");
    else
        (void)puts("frames");
    walk_frames(&fs);
    if (!d->json)
        (void)printf("end\n  %-18s %llu\n  %-18s %zu\n", "frames", (unsigned long long)fs.count,
                     "end", fs.end);
    else
        json_add(rest, "end", json_number(fs.end));
    if (tail != NULL) {
        json_object *o = section_begin(d, "footer");
        if (!zeros(&fs, (size_t)tail->frames_end, (size_t)tail->chunks_at))
            report(d, tail->frames_end, tail->chunks_at - tail->frames_end, "padding is not zero");
        check_footer(&fs, tail, h->first_number, verdict);
        tail_facts(o, tail, verdict);
        if (d->json)
            json_add(rest, "footer", o);
        if (strcmp(verdict, "ok") != 0)
            report(d, tail->chunks_at, d->len - tail->chunks_at, verdict);
    } else if (d->json) {
        json_add(rest, "footer", NULL);
    }
    if (d->json) {
        json_add(rest, "damage", d->damage);
        json_stream_end(&fs.stream, rest);
    }
    hg_buf_release(&fs.hashes);
}

static int dump_one_segment(struct dump *d)
{
    struct hg_segment_header h;
    struct hg_footer_tail tail;
    int sealed = 0;

    if (d->len < HG_SEGMENT_HEADER_SIZE) {
        json_object *doc = head_begin(d, "segment");
        report(d, 0, d->len, "the file ends inside the segment header");
        if (d->json) {
            json_add(doc, "damage", d->damage);
            json_print(doc);
        }
        return finish(d);
    }
    enum hg_segment_kind kind = HG_KIND_FRAMES;
    (void)segment_id(d, &kind);
    json_object *doc = head_begin(d, kind == HG_KIND_EXTENTS ? "extents" : "frames");
    if (kind == HG_KIND_FRAMES && d->len >= HG_SEGMENT_HEADER_SIZE + HG_FOOTER_TAIL_SIZE) {
        int rc = hg_footer_tail_decode(d->bytes + d->len - HG_FOOTER_TAIL_SIZE, d->len, &tail);
        if (rc == HOLOG_E_CORRUPT)
            report(d, d->len - HG_FOOTER_TAIL_SIZE, HG_FOOTER_TAIL_SIZE, last_message());
        sealed = rc == HOLOG_OK;
    }
    int sound = read_header(d, sealed ? &tail : NULL, &h);
    json_object *o = section_begin(d, sound ? "header" : "header (damaged: what is taken for it)");
    fact_header(o, &h);
    if (d->json)
        json_add(doc, "header", o);
    if (kind == HG_KIND_FRAMES) {
        dump_log(d, doc, &h, sealed ? &tail : NULL);
    } else if (d->json) {
        json_add(doc, "damage", d->damage);
        json_print(doc);
    }
    return finish(d);
}

/* ---- SUPER ------------------------------------------------------------------------ */

static void super_facts(json_object *o, const struct hg_super *s)
{
    fact(o, "generation", s->generation);
    fact_uuid(o, s->uuid);
    fact_hex(o, "salt", s->salt);
    fact_hex(o, "features_compat", s->feat_compat);
    fact_hex(o, "features_ro", s->feat_ro_compat);
    fact_hex(o, "features_must", s->feat_incompat);
    fact_pos(o, "floor", s->floor);
    fact(o, "floor_number", s->floor_number);
    fact(o, "active_segment", s->active_segment);
    fact(o, "next_segment", s->next_segment);
    fact_text(o, "state", s->state == HG_SUPER_CLEAN ? "closed" : "open");
    fact(o, "segment_size_max", s->segment_size_max);
    fact(o, "extent_size_max", s->extent_size_max);
    fact(o, "inline_max", s->inline_max);
    fact(o, "space_amp_milli", s->space_amp_milli);
    fact_time(o, "created", s->created_ns);
    fact(o, "probe_flags", s->probe_flags);
    fact(o, "probe_write_ns", s->probe_write_ns);
    fact(o, "probe_mb_per_s", s->probe_mb_per_s);
}

static int dump_super(struct dump *d)
{
    json_object *doc = head_begin(d, "super");
    json_object *slots = d->json ? json_object_new_array() : NULL;

    for (size_t i = 0; i < 2; i++) {
        size_t at = i * HG_SUPER_SLOT_SIZE;
        json_object *o = section_begin(d, i == 0 ? "slot 0" : "slot 1");
        struct hg_super s;
        if (d->len < at + HG_SUPER_SLOT_SIZE) {
            fact_text(o, "verdict", "missing");
            report(d, HG_MIN(d->len, at), at + HG_SUPER_SLOT_SIZE - HG_MIN(d->len, at),
                   "the file ends before the slot does");
        } else if (hg_super_decode(d->bytes + at, &s) < 0) {
            char why[VERDICT_MAX];
            (void)snprintf(why, sizeof why, "%s", last_message());
            fact_text(o, "verdict", why);
            report(d, at, HG_SUPER_SLOT_SIZE, why);
        } else {
            fact_text(o, "verdict", "ok");
            super_facts(o, &s);
        }
        if (d->json)
            (void)json_object_array_add(slots, o); /* fails only without memory */
    }
    if (d->json) {
        json_add(doc, "slots", slots);
        json_add(doc, "damage", d->damage);
        json_print(doc);
    }
    return finish(d);
}

/* ---- the file -------------------------------------------------------------------------------------------- */

static int ends_with(const char *name, const char *end)
{
    size_t a = strlen(name);
    size_t b = strlen(end);
    return a >= b && strcmp(name + a - b, end) == 0;
}

/* By its name, or by its header: one that is damaged may say anything. */
static enum file_kind what_segment(const char *name, const uint8_t *bytes, size_t len)
{
    uint32_t kind = len >= 16 ? hg_get_le32(bytes + HG_SEGMENT_KIND_AT) : 0;

    if (ends_with(name, ".hlog") || ends_with(name, ".hext"))
        return FILE_SEGMENT;
    if (ends_with(name, ".hwp"))
        return FILE_COMPRESSED;
    if (ends_with(name, ".base"))
        return FILE_BASE;
    return kind == HG_KIND_HWP ? FILE_COMPRESSED : kind == HG_KIND_BASE ? FILE_BASE : FILE_SEGMENT;
}

static enum file_kind what_is(const char *name, const uint8_t *bytes, size_t len)
{
    if (len >= 8) {
        if (memcmp(bytes, "HOLOGSEG", 8) == 0)
            return what_segment(name, bytes, len);
        if (memcmp(bytes, "HOLOGSUP", 8) == 0)
            return FILE_SUPER;
        if (memcmp(bytes, "HOLOGIDX", 8) == 0)
            return FILE_INDEX;
    }
    if (ends_with(name, ".hwp") || ends_with(name, ".hlog") || ends_with(name, ".hext") ||
        ends_with(name, ".base"))
        return what_segment(name, bytes, 0);
    if (strcmp(name, HG_SUPER_NAME) == 0 || ends_with(name, "/" HG_SUPER_NAME))
        return FILE_SUPER;
    return ends_with(name, ".hidx") ? FILE_INDEX : FILE_UNKNOWN;
}

static int cannot_read(const char *name, const char *why)
{
    (void)fputs("holog: dump: ", stderr);
    put_name(stderr, name);
    (void)fprintf(stderr, ": %s\n", why);
    return EXIT_FAILED;
}

static const char *error_text(int error)
{
    static char text[128];
    return strerror_r(error, text, sizeof text); /* GNU's: it may choose its own place */
}

/* The file, or its first block when the frames alone know the rest. NULL, or why not. */
static const char *read_file(struct dump *d, FILE *f)
{
    struct stat st;

    if (fstat(fileno(f), &st) != 0)
        return error_text(errno);
    if (S_ISDIR(st.st_mode))
        return "it is a directory; give one file of a store's seg/ or chk/, or its SUPER";
    if (fseek(f, 0, SEEK_END) != 0)
        return error_text(errno);
    long size = ftell(f);
    if (size < 0 || fseek(f, 0, SEEK_SET) != 0)
        return error_text(errno);
    d->size = (uint64_t)size;
    d->len = (size_t)HG_MIN(d->size, (uint64_t)HG_BLOCK);
    d->bytes = malloc(HG_BLOCK);
    if (d->bytes == NULL)
        return "no memory";
    if (fread(d->bytes, 1, d->len, f) != d->len)
        return "it cannot be read";
    enum hg_segment_kind kind = HG_KIND_EXTENTS;
    enum file_kind what = what_is(d->name, d->bytes, d->len);
    if (what == FILE_SEGMENT && d->len == HG_BLOCK)
        (void)segment_id(d, &kind);
    if (what == FILE_UNKNOWN)
        return "it is no file of a store (.hlog, .hext, .hwp, .base, .hidx or SUPER)";
    if (what == FILE_INDEX || what == FILE_COMPRESSED || what == FILE_BASE ||
        (what == FILE_SEGMENT && kind != HG_KIND_FRAMES))
        return NULL;
    if (d->size > FILE_MAX)
        return "it is longer than any frame segment";
    uint8_t *all = realloc(d->bytes, HG_MAX((size_t)d->size, (size_t)HG_BLOCK));
    if (all == NULL)
        return "no memory";
    d->bytes = all;
    size_t more = (size_t)d->size - d->len;
    if (fread(d->bytes + d->len, 1, more, f) != more)
        return "it cannot be read";
    d->len += more;
    return NULL;
}

int dump_segment(const char *file, int json)
{
    struct dump d = { .name = file, .json = json };
    int status = EXIT_FAILED;

    FILE *f = fopen(file, "rb");
    if (f == NULL)
        return cannot_read(file, error_text(errno));
    const char *why = read_file(&d, f);
    if (why != NULL) {
        (void)fclose(f); /* only read, as below */
        free(d.bytes);
        return cannot_read(file, why);
    }
    if (json)
        d.damage = json_object_new_array();
    switch (what_is(file, d.bytes, d.len)) {
    case FILE_SEGMENT: status = dump_one_segment(&d); break;
    case FILE_COMPRESSED: status = dump_hwp(&d, f); break;
    case FILE_SUPER: status = dump_super(&d); break;
    case FILE_BASE: status = dump_base(&d, f); break;
    case FILE_INDEX: status = dump_index(&d, f); break;
    case FILE_UNKNOWN: break; /* read_file refused it */
    }
    (void)fclose(f);
    free(d.bytes);
    return status;
}
