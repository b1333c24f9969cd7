/*
 * What a record says of bytes that lie in extents (docs/FORMAT.md, sections 5 and 6):
 *
 *   piece        segment u32, varint offset / 4096, varint bytes
 *   block table  { hash u64, csum u8, stored length u32 }* for every 64 KiB
 *   the end of LARGE, and of a payload in extents:
 *                varint length, varint pieces, piece*, 13 u8, block table
 */
#include <assert.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "wal/record_parts.h"

static_assert(HG_BLOCK_ENTRY_SIZE == 8 + 1 + 4, "block table entry: format v1");

/* ---- block tables ------------------------------------------------------------------------------ */

void hg_block_entry_encode(const struct hg_block_entry *e, uint8_t out[HG_BLOCK_ENTRY_SIZE])
{
    hg_put_le64(out + 0, e->hash);
    out[8] = e->csum;
    hg_put_le32(out + 9, e->stored_len);
}

void hg_block_entry_decode(const uint8_t in[HG_BLOCK_ENTRY_SIZE], struct hg_block_entry *out)
{
    out->hash = hg_get_le64(in + 0);
    out->csum = in[8];
    out->stored_len = hg_get_le32(in + 9);
}

int hg_block_table_add(struct hg_buf *table, const void *data, size_t len, uint8_t *csum)
{
    const uint8_t *p = data;
    int rc = hg_buf_reserve(table, (size_t)hg_block_count(len) * HG_BLOCK_ENTRY_SIZE);
    if (rc < 0)
        return rc;
    while (len > 0) {
        size_t n = HG_MIN(len, (size_t)HG_HASH_BLOCK);
        struct hg_block_entry e = { .stored_len = (uint32_t)n };
        e.csum = hg_csum(p, n);   /* reads memory, in a straight line, */
        e.hash = hg_hash64(p, n); /* which finds the block in the cache: 10 GB/s, not 7.5 */
        hg_block_entry_encode(&e, table->data + table->len);
        table->len += HG_BLOCK_ENTRY_SIZE;
        *csum = hg_csum_add(*csum, e.csum);
        p += n;
        len -= n;
    }
    return HOLOG_OK;
}

int hg_block_table_sane(const uint8_t *table, uint64_t value_len, uint8_t csum)
{
    uint64_t sum = 0;
    for (uint64_t left = value_len; left > 0; table += HG_BLOCK_ENTRY_SIZE) {
        uint32_t len = (uint32_t)HG_MIN(left, (uint64_t)HG_HASH_BLOCK);
        if (table[8] >= HG_CSUM_MOD || hg_get_le32(table + 9) != len)
            return 0;
        sum += table[8];
        left -= len;
    }
    return sum % HG_CSUM_MOD == csum;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

int hg_piece_sane(const struct hg_piece *p)
{
    return p->segment != 0 && p->offset >= HG_BLOCK && p->offset % HG_BLOCK == 0 && p->len > 0 &&
           p->offset < HG_EXTENT_SEGMENT_MAX && p->len <= HG_EXTENT_SEGMENT_MAX - p->offset;
}

size_t hg_piece_encode(uint8_t *out, const struct hg_piece *p)
{
    hg_put_le32(out, p->segment);
    size_t n = 4 + hg_put_varint(out + 4, p->offset / HG_BLOCK);
    return n + hg_put_varint(out + n, p->len);
}

size_t hg_piece_size(const struct hg_piece *p)
{
    return 4 + hg_varint_size(p->offset / HG_BLOCK) + hg_varint_size(p->len);
}

size_t hg_piece_decode(const uint8_t *in, size_t avail, struct hg_piece *out)
{
    uint64_t block = 0;
    uint64_t len = 0;

    if (avail < 4)
        return 0;
    size_t a = hg_get_varint(in + 4, avail - 4, &block);
    if (a == 0 || block >= HG_EXTENT_SEGMENT_MAX / HG_BLOCK)
        return 0;
    size_t b = hg_get_varint(in + 4 + a, avail - 4 - a, &len);
    struct hg_piece p = { .segment = hg_get_le32(in), .offset = block * HG_BLOCK, .len = len };
    if (b == 0 || !hg_piece_sane(&p))
        return 0;
    *out = p;
    return 4 + a + b;
}

int hg_rec_pieces_decode(const uint8_t *in, size_t avail, struct hg_record *r)
{
    uint64_t left = r->value_len;
    struct hg_piece p;
    size_t at = 0;

    for (uint32_t i = 0; i < r->n_pieces; i++) {
        size_t n = hg_piece_decode(in + at, avail - at, &p);
        if (n == 0)
            return hg_rec_bad("a piece of the value is out of range");
        if (p.len > left || (p.len < left && p.len % HG_HASH_BLOCK != 0))
            return hg_rec_bad("the pieces do not make up the value");
        left -= p.len;
        at += n;
    }
    if (left != 0)
        return hg_rec_bad("the pieces do not make up the value");
    r->pieces = in;
    r->pieces_len = at;
    return HOLOG_OK;
}

int hg_pieces_next(const struct hg_record *r, size_t *at, struct hg_piece *out)
{
    HG_ASSERT(*at <= r->pieces_len);
    if (*at == r->pieces_len)
        return HOLOG_E_NOENT;
    size_t n = hg_piece_decode(r->pieces + *at, r->pieces_len - *at, out);
    if (n == 0)
        return hg_rec_bad("a piece of the value is out of range");
    *at += n;
    return HOLOG_OK;
}

/* ---- the end of a record ----------------------------------------------------------------------- */

int hg_rec_large_check(uint64_t value_len, uint64_t n_pieces)
{
    const uint64_t blocks_max = HG_REC_CONTENT_MAX / 2 / HG_BLOCK_ENTRY_SIZE;

    if (n_pieces > HG_PIECES_MAX)
        return hg_error(
            HOLOG_E_TOOBIG,
            "a value in more than %u pieces: written beside others it is cut into many; "
            "write it alone, or with a larger budget",
            HG_PIECES_MAX);
    if (hg_block_count(value_len) > blocks_max)
        return hg_error(HOLOG_E_TOOBIG, "a value of %llu bytes: at most %llu",
                        (unsigned long long)value_len,
                        (unsigned long long)(blocks_max * HG_HASH_BLOCK));
    return HOLOG_OK;
}

static size_t table_size(uint64_t value_len)
{
    return (size_t)hg_block_count(value_len) * HG_BLOCK_ENTRY_SIZE;
}

size_t hg_rec_extents_size(uint64_t value_len, const struct hg_piece *pieces, uint32_t n_pieces)
{
    uint64_t left = value_len;
    size_t len = hg_varint_size(value_len) + hg_varint_size(n_pieces) + 1 + table_size(value_len);

    HG_ASSERT(value_len > 0 && n_pieces > 0);
    for (uint32_t i = 0; i < n_pieces; i++) {
        HG_ASSERT(hg_piece_sane(&pieces[i]) && pieces[i].len <= left);
        left -= pieces[i].len;
        HG_ASSERT(left == 0 || pieces[i].len % HG_HASH_BLOCK == 0);
        len += hg_piece_size(&pieces[i]);
    }
    HG_ASSERT(left == 0);
    return len;
}

uint8_t *hg_rec_put_extents(uint8_t *p, uint64_t value_len, const struct hg_piece *pieces,
                            uint32_t n_pieces, const uint8_t *table)
{
    p += hg_put_varint(p, value_len);
    p += hg_put_varint(p, n_pieces);
    for (uint32_t i = 0; i < n_pieces; i++)
        p += hg_piece_encode(p, &pieces[i]);
    *p++ = HG_BLOCK_ENTRY_SIZE;
    return hg_rec_put_bytes(p, table, table_size(value_len));
}

int hg_rec_extents_decode(const uint8_t *in, size_t len, uint8_t csum, struct hg_record *r)
{
    const uint8_t *end = in + len;
    uint64_t n_pieces = 0;

    size_t n = hg_get_varint(in, len, &r->value_len);
    if (n == 0 || r->value_len == 0 || r->value_len > HG_NUMBER_MAX)
        return hg_rec_bad("the length of the value is out of range");
    in += n;
    n = hg_get_varint(in, (size_t)(end - in), &n_pieces);
    if (n == 0 || n_pieces == 0 || n_pieces > HG_PIECES_MAX)
        return hg_rec_bad("the number of pieces is out of range");
    in += n;
    r->n_pieces = (uint32_t)n_pieces;
    int rc = hg_rec_pieces_decode(in, (size_t)(end - in), r);
    if (rc < 0)
        return rc;
    in += r->pieces_len;
    if (in == end)
        return hg_rec_bad("it is cut short");
    if (*in++ != HG_BLOCK_ENTRY_SIZE)
        return hg_error(HOLOG_E_VERSION, "a block table of a later version" HG_USE_NEWER);
    if ((uint64_t)(end - in) != hg_block_count(r->value_len) * HG_BLOCK_ENTRY_SIZE)
        return hg_rec_bad("the block table does not fit the value");
    if (!hg_block_table_sane(in, r->value_len, csum))
        return hg_rec_bad("an entry of the block table is out of range");
    r->table = in;
    return HOLOG_OK;
}
