/*
 * Records, encoded and decoded.
 *
 *   type u8 | varint length of the content | varint offset in the body | content
 *
 * The content by type (docs/FORMAT.md, section 5):
 *   BLOB, SYMLINK  csum u8, hash u64, varint path length, path, value
 *   LARGE          csum u8, hash u128, varint path length, path, varint value length, varint pieces,
 *                  { segment u32, varint offset / 4096, varint bytes }*, 13 u8, block table
 *   DIRECTORY      path                      DELETE_TREE  path or nothing
 *   DELETE         segment u32, path         MOVE, COPY   varint from length, from, to
 *   BODY           segment u32, varint offset / 4096, varint length, hash u64
 *   SEGMENTS       varint count, { segment u32, kind u8, used u64 }*
 *   EDIT           varint added, varint removed, entries of both as in SEGMENTS
 *   CONFIG         varint key length, key, value
 *   DELTA, FOLD, ROLLBACK, TAG, RETENTION: record_versions.c
 *
 * What lies in extents (pieces, block tables) is in record_extents.c.
 *
 * Decoding checks everything that later code relies on, once, here. It allocates nothing.
 */
#include "wal/record.h"

#include <assert.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "base/node.h"
#include "wal/record_parts.h"

#define BLOB_FIXED     (1u + 8u)
#define LARGE_FIXED    (1u + 16u)
#define CONFIG_KEY_MAX 255u
#define TARGET_MAX     HG_REC_PATH_MAX

static_assert(HG_REC_PREFIX_MAX == 1 + 2 * HG_VARINT_MAX, "type and two varints");

int hg_rec_bad(const char *why)
{
    return hg_error(HOLOG_E_CORRUPT, "malformed record: %s", why);
}

/* ---- paths ----------------------------------------------------------------------------------- */

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Length of the UTF-8 sequence at p (its first byte is not ASCII), or 0: shortest forms only, no
 * surrogates, nothing above U+10FFFF. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t len = 0;

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        len = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        len = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        len = 4;
    if (len == 0 || len > left)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* below: a longer form of a shorter sequence */
    else if (p[0] == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f; /* above: beyond U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return len;
}

int hg_rec_utf8_valid(const void *text, size_t len)
{
    const uint8_t *p = text;
    size_t i = 0;
    while (i < len) {
        if (len - i >= 8 && (hg_get_le64(p + i) & HIGHS) == 0) {
            i += 8;
        } else if (p[i] < 0x80) {
            i++;
        } else {
            size_t n = utf8_sequence(p + i, len - i);
            if (n == 0)
                return 0;
            i += n;
        }
    }
    return 1;
}

static size_t last_component(const char *path, size_t len)
{
    const char *slash = memrchr(path, '/', len);

    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

uint64_t hg_rec_type_needs(uint8_t type)
{
    return type == HG_REC_DELTA || type == HG_REC_ROLLBACK || type == HG_REC_TAG ||
                   type == HG_REC_RETENTION || type == HG_REC_FOLD
               ? HG_FEATURE_VERSIONS
           : type == HG_REC_EDIT ? HG_FEATURE_COLD
                                 : 0;
}

uint64_t hg_rec_needs(const struct hg_record *r)
{
    return hg_rec_type_needs(r->type) |
           (hg_node_ends(r->path, r->path_len) ? HG_FEATURE_ARRAYS : 0);
}

static int name_valid(const char *name, size_t len)
{
    if (len == 0 || len > HG_REC_NAME_MAX)
        return 0;
    return name[0] != '.' || len > 2 || (len == 2 && name[1] != '.');
}

/* Eight bytes a step: a mask of the slashes among them, and whether any is NUL or not ASCII. */
int hg_rec_path_valid(const char *path, size_t len)
{
    size_t start = 0;
    unsigned depth = 1;
    uint64_t high = 0;

    if (len == 0 || len > HG_REC_PATH_MAX)
        return 0;
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = ONES; /* fills the last step: neither slash nor NUL */
        if (len - at >= 8)
            memcpy(&word, path + at, 8);
        else
            memcpy(&word, path + at, len - at);
        uint64_t x = word ^ (ONES * '/');
        uint64_t slashes = ~(((x & ~HIGHS) + ~HIGHS) | x | ~HIGHS); /* high bit where x is 0 */
        if (((word - ONES) & ~word & HIGHS) != 0)
            return 0; /* a NUL */
        high |= word;
        for (; slashes != 0; slashes &= slashes - 1) {
            size_t end = at + (size_t)__builtin_ctzll(slashes) / 8;
            if (!name_valid(path + start, end - start) || ++depth > HG_REC_DEPTH_MAX)
                return 0;
            start = end + 1;
        }
    }
    if (!name_valid(path + start, len - start))
        return 0;
    if ((high & HIGHS) == 0)
        return 1;
    if (!hg_node_ends(path, len))
        return hg_rec_utf8_valid(path, len);
    start = last_component(path, len);
    return hg_node_valid(path + start, len - start) && hg_rec_utf8_valid(path, start);
}

/* ---- encoding ---------------------------------------------------------------------------------- */

int hg_rec_begin(struct hg_buf *body, uint8_t type, size_t len, uint8_t **out_p, size_t *out_at)
{
    HG_ASSERT(body->len >= 9 && len <= HG_REC_CONTENT_MAX);
    int rc = hg_buf_reserve(body, HG_REC_PREFIX_MAX + len);
    if (rc < 0)
        return rc;
    uint8_t *p = body->data + body->len;
    if (out_at != NULL)
        *out_at = body->len;
    *p = type;
    size_t n = 1 + hg_put_varint(p + 1, len);
    n += hg_put_varint(p + n, body->len);
    *out_p = p + n;
    body->len += n + len;
    return HOLOG_OK;
}

uint8_t *hg_rec_put_bytes(uint8_t *p, const void *data, size_t len)
{
    if (len != 0) /* data may be NULL then */
        memcpy(p, data, len);
    return p + len;
}

uint8_t *hg_rec_put_text(uint8_t *p, const char *text, size_t len)
{
    p += hg_put_varint(p, len);
    return hg_rec_put_bytes(p, text, len);
}

static int put_value(struct hg_buf *body, uint8_t type, const char *path, size_t path_len,
                     const void *value, size_t value_len, uint64_t hash, uint8_t csum,
                     size_t *out_at)
{
    uint8_t *p = NULL;

    HG_INVARIANT(hg_rec_path_valid(path, path_len));
    HG_ASSERT(csum < HG_CSUM_MOD);
    HG_ASSERT(value_len <= HG_FRAME_MAX);
    size_t len = BLOB_FIXED + hg_varint_size(path_len) + path_len + value_len;
    int rc = hg_rec_begin(body, type, len, &p, out_at);
    if (rc < 0)
        return rc;
    p[0] = csum;
    hg_put_le64(p + 1, hash);
    p = hg_rec_put_text(p + BLOB_FIXED, path, path_len);
    (void)hg_rec_put_bytes(p, value, value_len);
    return HOLOG_OK;
}

int hg_rec_blob(struct hg_buf *body, const char *path, size_t path_len, const void *value,
                size_t value_len, uint64_t hash, uint8_t csum, size_t *out_at)
{
    return put_value(body, HG_REC_BLOB, path, path_len, value, value_len, hash, csum, out_at);
}

int hg_rec_symlink(struct hg_buf *body, const char *path, size_t path_len, const char *target,
                   size_t target_len, size_t *out_at)
{
    if (target_len == 0 || memchr(target, 0, target_len) != NULL)
        return hg_error_path(HOLOG_E_BADPATH, path, (uint32_t)path_len,
                             "a symlink's target is empty or holds a NUL");
    if (target_len > TARGET_MAX)
        return hg_error_path(HOLOG_E_NAMETOOLONG, path, (uint32_t)path_len,
                             "a symlink's target is over %u bytes", TARGET_MAX);
    return put_value(body, HG_REC_SYMLINK, path, path_len, target, target_len,
                     hg_hash64(target, target_len), hg_csum(target, target_len), out_at);
}

int hg_rec_large(struct hg_buf *body, const char *path, size_t path_len, uint64_t value_len,
                 struct hg_hash128 hash, uint8_t csum, const struct hg_piece *pieces,
                 uint32_t n_pieces, const uint8_t *table, size_t *out_at)
{
    uint8_t *p = NULL;

    HG_INVARIANT(hg_rec_path_valid(path, path_len));
    HG_ASSERT(csum < HG_CSUM_MOD);
    int rc = hg_rec_large_check(value_len, n_pieces);
    if (rc < 0)
        return rc;
    HG_INVARIANT(hg_block_table_sane(table, value_len, csum));
    size_t len = LARGE_FIXED + hg_varint_size(path_len) + path_len +
                 hg_rec_extents_size(value_len, pieces, n_pieces);
    rc = hg_rec_begin(body, HG_REC_LARGE, len, &p, out_at);
    if (rc < 0)
        return rc;
    p[0] = csum;
    hg_put_le64(p + 1, hash.lo);
    hg_put_le64(p + 9, hash.hi);
    p = hg_rec_put_text(p + LARGE_FIXED, path, path_len);
    (void)hg_rec_put_extents(p, value_len, pieces, n_pieces, table);
    return HOLOG_OK;
}

int hg_rec_dir(struct hg_buf *body, const char *path, size_t path_len, size_t *out_at)
{
    uint8_t *p = NULL;
    HG_INVARIANT(hg_rec_path_valid(path, path_len));
    int rc = hg_rec_begin(body, HG_REC_DIR, path_len, &p, out_at);
    if (rc < 0)
        return rc;
    (void)hg_rec_put_bytes(p, path, path_len);
    return HOLOG_OK;
}

int hg_rec_delete(struct hg_buf *body, const char *path, size_t path_len, uint32_t killed_segment,
                  size_t *out_at)
{
    uint8_t *p = NULL;
    HG_INVARIANT(hg_rec_path_valid(path, path_len));
    int rc = hg_rec_begin(body, HG_REC_DELETE, 4 + path_len, &p, out_at);
    if (rc < 0)
        return rc;
    hg_put_le32(p, killed_segment);
    (void)hg_rec_put_bytes(p + 4, path, path_len);
    return HOLOG_OK;
}

int hg_rec_delete_tree(struct hg_buf *body, const char *path, size_t path_len, size_t *out_at)
{
    uint8_t *p = NULL;
    HG_ASSERT(path_len == 0 || hg_rec_path_valid(path, path_len));
    int rc = hg_rec_begin(body, HG_REC_DELETE_TREE, path_len, &p, out_at);
    if (rc < 0)
        return rc;
    (void)hg_rec_put_bytes(p, path, path_len);
    return HOLOG_OK;
}

int hg_rec_transfer(struct hg_buf *body, enum hg_record_type type, const char *from,
                    size_t from_len, const char *to, size_t to_len, size_t *out_at)
{
    uint8_t *p = NULL;
    HG_ASSERT(type == HG_REC_MOVE || type == HG_REC_COPY);
    HG_ASSERT(hg_rec_path_valid(from, from_len) && hg_rec_path_valid(to, to_len));
    int rc =
        hg_rec_begin(body, (uint8_t)type, hg_varint_size(from_len) + from_len + to_len, &p, out_at);
    if (rc < 0)
        return rc;
    p = hg_rec_put_text(p, from, from_len);
    (void)hg_rec_put_bytes(p, to, to_len);
    return HOLOG_OK;
}

int hg_rec_body(struct hg_buf *body, const struct hg_piece *extent, uint64_t hash, size_t *out_at)
{
    uint8_t *p = NULL;
    HG_ASSERT(hg_piece_sane(extent) && extent->len >= 9);
    int rc = hg_rec_begin(body, HG_REC_BODY, hg_piece_size(extent) + 8, &p, out_at);
    if (rc < 0)
        return rc;
    p += hg_piece_encode(p, extent);
    hg_put_le64(p, hash);
    return HOLOG_OK;
}

int hg_rec_config(struct hg_buf *body, const char *key, size_t key_len, const void *value,
                  size_t value_len, size_t *out_at)
{
    uint8_t *p = NULL;
    if (key_len == 0 || key_len > CONFIG_KEY_MAX || !hg_rec_utf8_valid(key, key_len))
        return hg_error(HOLOG_E_INVAL, "the name of a setting is empty, too long or not UTF-8");
    if (value_len > HG_FRAME_MAX)
        return hg_error(HOLOG_E_TOOBIG, "a setting of %zu bytes", value_len);
    int rc = hg_rec_begin(body, HG_REC_CONFIG, hg_varint_size(key_len) + key_len + value_len, &p,
                          out_at);
    if (rc < 0)
        return rc;
    p = hg_rec_put_text(p, key, key_len);
    (void)hg_rec_put_bytes(p, value, value_len);
    return HOLOG_OK;
}

/* ---- decoding ---------------------------------------------------------------------------------- */

int hg_rec_head_decode(const uint8_t *in, size_t avail, struct hg_rec_head *out)
{
    uint64_t len = 0;
    uint64_t back = 0;

    if (avail == 0)
        return hg_rec_bad("it is cut short");
    size_t a = hg_get_varint(in + 1, avail - 1, &len);
    if (a == 0 || len > HG_REC_CONTENT_MAX)
        return hg_rec_bad("its length is out of range");
    size_t b = hg_get_varint(in + 1 + a, avail - 1 - a, &back);
    if (b == 0 || back < 9 || back > UINT32_MAX)
        return hg_rec_bad("its place in the body is out of range");
    out->type_byte = in[0];
    out->size = (uint8_t)(1 + a + b);
    out->content = (size_t)len;
    out->back = (size_t)back;
    return HOLOG_OK;
}

size_t hg_rec_get_path(const uint8_t *in, size_t avail, const char **out_path, size_t *out_len)
{
    uint64_t len = 0;
    size_t n = hg_get_varint(in, avail, &len);
    if (n == 0 || len > avail - n || !hg_rec_path_valid((const char *)in + n, (size_t)len))
        return 0;
    *out_path = (const char *)in + n;
    *out_len = (size_t)len;
    return n + (size_t)len;
}

static int decode_value(const uint8_t *in, size_t len, struct hg_record *r)
{
    if (len < BLOB_FIXED)
        return hg_rec_bad("it is cut short");
    r->csum = in[0];
    r->hash.lo = hg_get_le64(in + 1);
    r->check = (uint32_t)(r->hash.lo & 0xffffff);
    if (r->csum >= HG_CSUM_MOD)
        return hg_rec_bad("the sum of the value is out of range");
    size_t n = hg_rec_get_path(in + BLOB_FIXED, len - BLOB_FIXED, &r->path, &r->path_len);
    if (n == 0)
        return hg_rec_bad("the path is not canonical");
    r->value = in + BLOB_FIXED + n;
    r->value_len = len - BLOB_FIXED - n;
    if (r->type == HG_REC_SYMLINK && (r->value_len == 0 || r->value_len > TARGET_MAX ||
                                      memchr(r->value, 0, (size_t)r->value_len) != NULL))
        return hg_rec_bad("the target of the symlink is empty, too long or holds a NUL");
    return HOLOG_OK;
}

static int decode_large(const uint8_t *in, size_t len, struct hg_record *r)
{
    if (len < LARGE_FIXED)
        return hg_rec_bad("it is cut short");
    r->csum = in[0];
    r->hash.lo = hg_get_le64(in + 1);
    r->hash.hi = hg_get_le64(in + 9);
    r->check = (uint32_t)(r->hash.lo & 0xffffff);
    if (r->csum >= HG_CSUM_MOD)
        return hg_rec_bad("the sum of the value is out of range");
    size_t n = hg_rec_get_path(in + LARGE_FIXED, len - LARGE_FIXED, &r->path, &r->path_len);
    if (n == 0)
        return hg_rec_bad("the path is not canonical");
    n += LARGE_FIXED;
    return hg_rec_extents_decode(in + n, len - n, r->csum, r);
}

int hg_rec_path_to_end(const uint8_t *in, size_t len, struct hg_record *r)
{
    r->path = (const char *)in;
    r->path_len = len;
    if (len == 0 && (r->type == HG_REC_DELETE_TREE || r->type == HG_REC_ROLLBACK))
        return HOLOG_OK; /* everything */
    return hg_rec_path_valid(r->path, len) ? HOLOG_OK : hg_rec_bad("the path is not canonical");
}

static int decode_delete(const uint8_t *in, size_t len, struct hg_record *r)
{
    if (len < 4)
        return hg_rec_bad("it is cut short");
    r->killed_segment = hg_get_le32(in);
    return hg_rec_path_to_end(in + 4, len - 4, r);
}

static int decode_transfer(const uint8_t *in, size_t len, struct hg_record *r)
{
    size_t n = hg_rec_get_path(in, len, &r->path, &r->path_len);
    if (n == 0)
        return hg_rec_bad("the path it takes is not canonical");
    r->to = (const char *)in + n;
    r->to_len = len - n;
    return hg_rec_path_valid(r->to, r->to_len) ? HOLOG_OK
                                               : hg_rec_bad("the path it goes to is not canonical");
}

static int decode_body(const uint8_t *in, size_t len, struct hg_record *r)
{
    size_t n = hg_piece_decode(in, len, &r->body);
    if (n == 0 || r->body.len < 9)
        return hg_rec_bad("the extent of the body is out of range");
    if (len - n != 8)
        return hg_rec_bad("its length is wrong");
    r->body_hash = hg_get_le64(in + n);
    return HOLOG_OK;
}

static int decode_config(const uint8_t *in, size_t len, struct hg_record *r)
{
    uint64_t key_len = 0;
    size_t n = hg_get_varint(in, len, &key_len);
    if (n == 0 || key_len == 0 || key_len > CONFIG_KEY_MAX || key_len > len - n ||
        !hg_rec_utf8_valid(in + n, (size_t)key_len))
        return hg_rec_bad("the name of the setting is out of range");
    r->path = (const char *)in + n;
    r->path_len = (size_t)key_len;
    r->value = in + n + r->path_len;
    r->value_len = len - n - r->path_len;
    return HOLOG_OK;
}

int hg_rec_content_decode(uint8_t type_byte, const uint8_t *content, size_t len,
                          struct hg_record *out)
{
    *out = (struct hg_record){
        .type = type_byte & HG_REC_TYPE_BITS,
        .ignorable = (type_byte & HG_REC_IGNORABLE) != 0,
    };
    /* The types of this version are told by the whole byte: none is ignorable, bit 6 is zero. */
    switch (type_byte) {
    case HG_REC_BLOB:
    case HG_REC_SYMLINK: return decode_value(content, len, out);
    case HG_REC_LARGE: return decode_large(content, len, out);
    case HG_REC_DIR:
    case HG_REC_DELETE_TREE: return hg_rec_path_to_end(content, len, out);
    case HG_REC_DELETE: return decode_delete(content, len, out);
    case HG_REC_MOVE:
    case HG_REC_COPY: return decode_transfer(content, len, out);
    case HG_REC_BODY: return decode_body(content, len, out);
    case HG_REC_SEGMENTS: return hg_rec_segments_decode(content, len, out);
    case HG_REC_EDIT: return hg_rec_edit_decode(content, len, out);
    case HG_REC_CONFIG: return decode_config(content, len, out);
    case HG_REC_DELTA:
    case HG_REC_ROLLBACK:
    case HG_REC_TAG:
    case HG_REC_RETENTION:
    case HG_REC_FOLD: return hg_rec_versions_decode(content, len, out);
    default: break;
    }
    if ((type_byte & ~(HG_REC_TYPE_BITS | HG_REC_IGNORABLE)) != 0)
        return hg_rec_bad("reserved bits of the type are set");
    if (out->type <= HG_REC_BODY || out->type == HG_REC_SEGMENTS || out->type == HG_REC_CONFIG ||
        hg_rec_type_needs(out->type) != 0)
        return hg_rec_bad(out->type == 0 ? "it has no type"
                                         : "a type that is known may not be skipped");
    if (!out->ignorable)
        return hg_error(HOLOG_E_VERSION,
                        "a record of type %u, which this holog does not know" HG_USE_NEWER,
                        (unsigned)out->type);
    out->rest = content;
    out->rest_len = len;
    return HOLOG_OK;
}

int hg_rec_decode_at(const uint8_t *in, size_t avail, size_t *out_back, struct hg_record *out)
{
    struct hg_rec_head head = { 0 };
    struct hg_record r;

    int rc = hg_rec_head_decode(in, avail, &head);
    if (rc < 0)
        return rc;
    if (head.content > avail - head.size)
        return hg_rec_bad("it is longer than what holds it");
    rc = hg_rec_content_decode(head.type_byte, in + head.size, head.content, &r);
    if (rc < 0)
        return rc;
    r.whole_len = head.size + head.content;
    *out = r;
    *out_back = head.back;
    return HOLOG_OK;
}

int hg_rec_decode(const uint8_t *in, size_t avail, size_t back, struct hg_record *out)
{
    struct hg_record r;
    size_t found = 0;

    int rc = hg_rec_decode_at(in, avail, &found, &r);
    if (rc < 0)
        return rc;
    if (found != back)
        return hg_rec_bad("it belongs to another place in the body");
    *out = r;
    return HOLOG_OK;
}

int hg_rec_is_blob_of(const uint8_t *in, size_t avail, const char *path, size_t path_len,
                      struct hg_rec_blob_value *out)
{
    const uint8_t *content;
    struct hg_rec_head head;
    uint64_t len = 0;
    size_t n;

    if (avail == 0 || in[0] != HG_REC_BLOB || hg_rec_head_decode(in, avail, &head) < 0 ||
        head.content > avail - head.size || head.content < BLOB_FIXED)
        return 0;
    content = in + head.size;
    n = hg_get_varint(content + BLOB_FIXED, head.content - BLOB_FIXED, &len);
    if (n == 0 || len != path_len || len > head.content - BLOB_FIXED - n ||
        memcmp(content + BLOB_FIXED + n, path, path_len) != 0)
        return 0;
    n += BLOB_FIXED + path_len;
    *out = (struct hg_rec_blob_value){ .bytes = content + n,
                                       .len = head.content - n,
                                       .hash = hg_get_le64(content + 1),
                                       .back = head.back };
    return 1;
}

int hg_rec_peek(const uint8_t *in, size_t avail, size_t *out_whole_len)
{
    struct hg_rec_head head = { 0 };
    int rc = hg_rec_head_decode(in, avail, &head);
    if (rc < 0)
        return rc;
    *out_whole_len = head.size + head.content;
    return HOLOG_OK;
}
