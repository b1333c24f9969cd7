/*
 * A chain of codecs, compiled and run; see chain.h.
 */
#include "array/chain.h"

#include <string.h>

#include "array/conf.h"
#include "array/grid.h"
#include "array/shard.h"
#include "array/step.h"
#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "codec/crc32c.h"
#include "codec/lz4.h"

struct hg_chain {
    struct hg_type type;
    unsigned rank;
    uint64_t shape[HG_RANK_MAX];
    uint64_t raw_bytes;
    int transposed;
    uint8_t order[HG_RANK_MAX]; /* axis i as stored is axis order[i] of the array */
    uint64_t stored_shape[HG_RANK_MAX];
    int swapped;            /* big-endian */
    struct hg_shard *shard; /* NULL: bytes */
    unsigned n_steps;
    struct hg_step steps[HG_CODECS_MAX];
    uint64_t max[HG_CODECS_MAX + 1]; /* bytes before each step, at most; the last: as stored */
    unsigned n_exact; /* how many of them, from the first on, are neither more nor less */
};

/* ---- compiling -----------------------------------------------------------------------------------*/

static int set_shape(struct hg_chain *c, const struct hg_chain_plan *p)
{
    c->type = p->type;
    c->rank = p->rank;
    c->raw_bytes = p->type.size;
    for (unsigned i = 0; i < p->rank; i++) {
        if (c->raw_bytes > HG_CHUNK_RAW_MAX / p->shape[i])
            return hg_error(
                HOLOG_E_TOOBIG,
                "chunks of more than 2^31 - 1 bytes, which is the most: write the array "
                "with smaller ones");
        c->raw_bytes *= p->shape[i];
        c->shape[i] = p->shape[i];
        c->stored_shape[i] = p->shape[i];
        c->order[i] = (uint8_t)i;
    }
    return HOLOG_OK;
}

/* Behind the transpositions before it. */
static int add_transpose(struct hg_chain *c, const struct hg_codec *codec)
{
    static const char *const members[] = { "order" };
    uint64_t order[HG_RANK_MAX] = { 0 };
    uint8_t before[HG_RANK_MAX];
    uint32_t seen = 0;
    int rc = hg_conf_check(codec, members, 1);

    if (rc == HOLOG_OK)
        rc = hg_conf_list(codec, "order", c->rank, 0, order);
    if (rc < 0)
        return rc;
    memcpy(before, c->order, sizeof before);
    c->transposed = 0;
    for (unsigned i = 0; i < c->rank; i++) {
        if (order[i] >= c->rank || (seen >> order[i] & 1) != 0)
            return hg_conf_bad(codec, "order", "does not have each axis once");
        seen |= UINT32_C(1) << order[i];
        c->order[i] = before[order[i]];
        c->stored_shape[i] = c->shape[c->order[i]];
        c->transposed |= c->order[i] != i;
    }
    return HOLOG_OK;
}

static int set_bytes(struct hg_chain *c, const struct hg_codec *codec)
{
    static const char *const members[] = { "endian" };
    static const char *const orders[] = { "little", "big" };
    unsigned order = 2;
    int rc = hg_conf_check(codec, members, 1);

    if (rc == HOLOG_OK)
        rc = hg_conf_word(codec, "endian", orders, 2, &order);
    if (rc < 0)
        return rc;
    if (order == 2 && hg_type_word(c->type) > 1)
        return hg_conf_bad(codec, "endian", "is missing");
    c->swapped = order == 1 && hg_type_word(c->type) > 1;
    c->max[0] = c->raw_bytes;
    c->n_exact = 1;
    return HOLOG_OK;
}

static int set_shard(struct hg_chain *c, const struct hg_codec *codec,
                     const struct hg_chain_plan *p)
{
    struct hg_chain_plan plan = *p;
    int rc;

    plan.shape = c->stored_shape;
    rc = hg_shard_make(codec, &plan, &c->shard);
    if (rc == HOLOG_OK)
        c->max[0] = hg_shard_stored_max(c->shard);
    return rc;
}

static int add_step(struct hg_chain *c, const struct hg_codec *codec)
{
    struct hg_step *s = &c->steps[c->n_steps];
    uint64_t len = c->max[c->n_steps];
    int is_exact = c->n_exact == c->n_steps + 1;
    int rc = hg_step_make(codec, s);

    if (rc < 0)
        return rc;
    if (is_exact && s->id == HG_CODEC_LZ4 && len > HG_LZ4_RAW_MAX)
        return hg_error(HOLOG_E_TOOBIG, "chunks of %llu bytes, for numcodecs.lz4",
                        (unsigned long long)len);
    if (is_exact && s->id == HG_CODEC_SHUFFLE && s->level > 1 && len % (uint64_t)s->level != 0)
        return hg_conf_bad(codec, "elementsize", "does not divide the chunk");
    c->n_steps++;
    c->max[c->n_steps] = hg_step_bound(s, len);
    c->n_exact += is_exact && hg_step_is_exact(s);
    return HOLOG_OK;
}

static int add_codec(struct hg_chain *c, const struct hg_codec *codec,
                     const struct hg_chain_plan *p)
{
    switch (codec->stage) {
    case HG_ARRAY_TO_ARRAY: return add_transpose(c, codec);
    case HG_ARRAY_TO_BYTES:
        return codec->id == HG_CODEC_SHARDING ? set_shard(c, codec, p) : set_bytes(c, codec);
    case HG_BYTES_TO_BYTES:
    case HG_STAGE_UNKNOWN:
    default: return add_step(c, codec); /* which refuses what is not known */
    }
}

int hg_chain_make(const struct hg_chain_plan *plan, struct hg_chain **out)
{
    struct hg_chain *c = hg_calloc(1, sizeof *c);
    int rc;

    HG_ASSERT(plan->rank <= HG_RANK_MAX && plan->n_codecs <= HG_CODECS_MAX);
    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a chain of codecs");
    rc = set_shape(c, plan);
    for (unsigned i = 0; rc == HOLOG_OK && i < plan->n_codecs; i++)
        rc = add_codec(c, &plan->codecs[i], plan);
    if (rc == HOLOG_OK)
        *out = c;
    else
        hg_chain_destroy(c);
    return rc;
}

int hg_chain_create(const struct hg_document *d, struct hg_chain **out)
{
    struct hg_chain_plan plan = { .type = d->type,
                                  .rank = d->rank,
                                  .shape = d->chunk,
                                  .fill = d->fill,
                                  .codecs = d->codecs,
                                  .n_codecs = d->n_codecs };

    if (d->type.dtype == HG_OPAQUE)
        return hg_error(HOLOG_E_NOTSUP,
                        "elements of type \"%.40s\", which holog keeps as they are and cannot read",
                        d->type_name);
    return hg_chain_make(&plan, out);
}

void hg_chain_destroy(struct hg_chain *c)
{
    if (c == NULL)
        return;
    hg_shard_destroy(c->shard);
    hg_free(c);
}

int hg_chain_is_plain(const struct hg_chain *c)
{
    return !c->transposed && !c->swapped && c->shard == NULL && c->n_steps == 0;
}

const struct hg_shard *hg_chain_shard(const struct hg_chain *c)
{
    return c->transposed || c->n_steps > 0 ? NULL : c->shard;
}

uint64_t hg_chain_raw_bytes(const struct hg_chain *c)
{
    return c->raw_bytes;
}

uint64_t hg_chain_stored_max(const struct hg_chain *c)
{
    return c->max[c->n_steps];
}

/* ---- elements ------------------------------------------------------------------------------------*/

static void swap(uint8_t *p, size_t len, uint32_t word)
{
    uint8_t *end = p + len;

    switch (word) {
    case 2:
        for (; p < end; p += 2)
            hg_put_le16(p, __builtin_bswap16(hg_get_le16(p)));
        break;
    case 4:
        for (; p < end; p += 4)
            hg_put_le32(p, __builtin_bswap32(hg_get_le32(p)));
        break;
    case 8:
        for (; p < end; p += 8)
            hg_put_le64(p, __builtin_bswap64(hg_get_le64(p)));
        break;
    default: HG_ASSERT(word == 1); break;
    }
}

/* Both go through what they write one element after the other: reads may jump, writes are dear. */
static void transpose(const struct hg_chain *c, const uint8_t *raw, uint8_t *out)
{
    int64_t strides[HG_RANK_MAX];
    int64_t from[HG_RANK_MAX];
    int64_t to[HG_RANK_MAX];

    hg_strides_of(c->rank, c->shape, c->type.size, strides);
    hg_strides_of(c->rank, c->stored_shape, c->type.size, to);
    for (unsigned i = 0; i < c->rank; i++)
        from[i] = strides[c->order[i]];
    hg_copy_strided(c->rank, c->stored_shape, c->type.size, out, to, raw, from);
}

static void untranspose(const struct hg_chain *c, const uint8_t *in, uint8_t *raw)
{
    int64_t strides[HG_RANK_MAX];
    int64_t from[HG_RANK_MAX];
    int64_t to[HG_RANK_MAX];

    hg_strides_of(c->rank, c->stored_shape, c->type.size, strides);
    hg_strides_of(c->rank, c->shape, c->type.size, to);
    for (unsigned i = 0; i < c->rank; i++)
        from[c->order[i]] = strides[i];
    hg_copy_strided(c->rank, c->shape, c->type.size, raw, to, in, from);
}

static void *new_room(size_t len)
{
    void *p = hg_malloc(len + (len == 0));

    if (p == NULL)
        (void)hg_error(HOLOG_E_NOMEM, "no memory for %zu bytes of a chunk", len);
    return p;
}

/* ---- decoding ------------------------------------------------------------------------------------*/

/* What has been made of the stored bytes so far. */
struct bytes {
    const uint8_t *at;
    size_t len;
    uint8_t *held; /* the room they lie in; NULL: it is somebody else's */
};

/* As many as there must be before step i, or behind the last. */
static int check_len(const struct hg_chain *c, unsigned i, size_t len)
{
    unsigned long long most = c->max[i];

    if (len > most)
        return hg_error(HOLOG_E_CORRUPT,
                        "%zu bytes of a chunk, at step %u of its codecs; %llu at most", len, i,
                        most);
    if (i < c->n_exact && len != most)
        return hg_error(HOLOG_E_CORRUPT,
                        "%zu bytes of a chunk, at step %u of its codecs; it must be %llu", len, i,
                        most);
    return HOLOG_OK;
}

/* Undo step i. into: where the result is to be, max[i] bytes; NULL: anywhere. */
static int undo_step(const struct hg_chain *c, unsigned i, struct hg_scratch *scratch,
                     struct bytes *b, uint8_t *into)
{
    const struct hg_step *s = &c->steps[i];
    uint8_t *room = into;
    size_t cap;
    size_t n = 0;
    int rc;

    if (s->id == HG_CODEC_CRC32C) { /* nothing moves */
        rc = hg_crc32c_verify(b->at, b->len, &n);
        if (rc < 0)
            return rc;
        b->len = n;
        return check_len(c, i, n);
    }
    cap = into != NULL ? (size_t)c->max[i] : hg_step_room(s, b->at, b->len, (size_t)c->max[i]);
    if (room == NULL)
        room = new_room(cap);
    if (room == NULL)
        return HOLOG_E_NOMEM;
    rc = hg_step_decode(s, scratch, b->at, b->len, room, cap, &n);
    hg_free(b->held);
    *b = (struct bytes){ .at = room, .len = n, .held = into == NULL ? room : NULL };
    return rc < 0 ? rc : check_len(c, i, n);
}

/* The elements, of bytes that are as many. */
static void undo_bytes(const struct hg_chain *c, const uint8_t *in, uint8_t *raw)
{
    if (c->transposed)
        untranspose(c, in, raw);
    else if (in != raw)
        memcpy(raw, in, c->raw_bytes);
    if (c->swapped)
        swap(raw, c->raw_bytes, hg_type_word(c->type));
}

static int undo_shard(const struct hg_chain *c, struct hg_scratch *scratch, const struct bytes *b,
                      uint8_t *raw)
{
    uint8_t *room = raw;
    int rc;

    if (c->transposed)
        room = new_room(c->raw_bytes);
    if (room == NULL)
        return HOLOG_E_NOMEM;
    rc = hg_shard_decode(c->shard, scratch, b->at, b->len, room);
    if (c->transposed) {
        if (rc == HOLOG_OK)
            untranspose(c, room, raw);
        hg_free(room);
    }
    return rc;
}

int hg_chain_decode_with(const struct hg_chain *c, struct hg_scratch *scratch, const void *stored,
                         size_t len, void *raw)
{
    struct bytes b = { .at = stored, .len = len };
    uint8_t *into = c->transposed || c->shard != NULL ? NULL : raw;
    int rc = check_len(c, c->n_steps, len);

    for (unsigned i = c->n_steps; rc == HOLOG_OK && i-- > 0;)
        rc = undo_step(c, i, scratch, &b, i == 0 ? into : NULL);
    if (rc == HOLOG_OK && c->shard != NULL)
        rc = undo_shard(c, scratch, &b, raw);
    else if (rc == HOLOG_OK)
        undo_bytes(c, b.at, raw);
    hg_free(b.held);
    return rc;
}

int hg_chain_decode(const struct hg_chain *c, const void *stored, size_t len, void *raw)
{
    struct hg_scratch scratch = { 0 };
    int rc = hg_chain_decode_with(c, &scratch, stored, len, raw);

    hg_scratch_release(&scratch);
    return rc;
}

/* ---- encoding ------------------------------------------------------------------------------------*/

static int put_shard(const struct hg_chain *c, struct hg_scratch *scratch, const uint8_t *raw,
                     struct hg_buf *out)
{
    uint8_t *room;
    int rc;

    if (!c->transposed)
        return hg_shard_encode(c->shard, scratch, raw, out);
    room = new_room(c->raw_bytes);
    if (room == NULL)
        return HOLOG_E_NOMEM;
    transpose(c, raw, room);
    rc = hg_shard_encode(c->shard, scratch, room, out);
    hg_free(room);
    return rc;
}

/* Append the elements as bytes, or the shard. */
static int put_elements(const struct hg_chain *c, struct hg_scratch *scratch, const uint8_t *raw,
                        struct hg_buf *out)
{
    uint8_t *to;
    int rc;

    if (c->shard != NULL)
        return put_shard(c, scratch, raw, out);
    rc = hg_buf_reserve(out, c->raw_bytes);
    if (rc < 0)
        return rc;
    to = out->data + out->len;
    if (c->transposed)
        transpose(c, raw, to);
    else
        memcpy(to, raw, c->raw_bytes);
    if (c->swapped)
        swap(to, c->raw_bytes, hg_type_word(c->type));
    out->len += c->raw_bytes;
    return HOLOG_OK;
}

/* How many steps there are before the checksums at the end: those go where the bytes are. */
static unsigned steps_that_move(const struct hg_chain *c)
{
    unsigned n = c->n_steps;

    while (n > 0 && c->steps[n - 1].id == HG_CODEC_CRC32C)
        n--;
    return n;
}

/* Steps 0 to n - 1, the last of them into out. */
static int put_steps(const struct hg_chain *c, struct hg_scratch *scratch, unsigned n,
                     const uint8_t *raw, struct hg_buf *out)
{
    struct hg_buf held = { 0 };
    const uint8_t *at = raw;
    size_t len = c->raw_bytes;
    int rc = HOLOG_OK;

    if (c->transposed || c->swapped || c->shard != NULL) {
        rc = put_elements(c, scratch, raw, &held);
        at = held.data;
        len = held.len;
    }
    for (unsigned i = 0; rc == HOLOG_OK && i < n; i++) {
        struct hg_buf next = { 0 };
        rc = hg_step_encode(&c->steps[i], scratch, at, len, i + 1 == n ? out : &next);
        hg_buf_release(&held);
        held = next;
        at = held.data;
        len = held.len;
    }
    hg_buf_release(&held);
    return rc;
}

int hg_chain_encode_with(const struct hg_chain *c, struct hg_scratch *scratch, const void *raw,
                         struct hg_buf *out)
{
    size_t from = out->len;
    unsigned n = steps_that_move(c);
    int rc = n == 0 ? put_elements(c, scratch, raw, out) : put_steps(c, scratch, n, raw, out);

    for (; rc == HOLOG_OK && n < c->n_steps; n++)
        rc = hg_crc32c_append(out, from);
    if (rc < 0)
        out->len = from;
    return rc;
}

int hg_chain_encode(const struct hg_chain *c, const void *raw, struct hg_buf *out)
{
    struct hg_scratch scratch = { 0 };
    int rc = hg_chain_encode_with(c, &scratch, raw, out);

    hg_scratch_release(&scratch);
    return rc;
}
