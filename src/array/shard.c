/*
 * Shards: their index, and all of them at once; see shard.h.
 */
#include "array/shard.h"

#include <string.h>

#include "array/conf.h"
#include "array/grid.h"
#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"

#define ENTRY_BYTES 16
#define SLACK       4 /* a shard may have gaps: inner chunks that were written again leave theirs */

struct hg_shard {
    struct hg_type type;
    unsigned rank;
    uint64_t inner[HG_RANK_MAX];
    uint64_t grid[HG_RANK_MAX];
    uint64_t count;
    int64_t strides[HG_RANK_MAX];       /* of elements, in the shard */
    int64_t inner_strides[HG_RANK_MAX]; /* in an inner chunk */
    int in_place; /* the elements of an inner chunk lie together in the shard, too */
    uint8_t fill[HG_ITEM_MAX];
    struct hg_chain *chain;
    struct hg_chain *index;
    int at_start;
};

/* ---- compiling -----------------------------------------------------------------------------------*/

static int set_grid(struct hg_shard *s, const struct hg_codec *codec, const uint64_t *shape)
{
    int split = 0; /* an axis has been met with more than one element in an inner chunk */
    int rc = hg_conf_list(codec, "chunk_shape", s->rank, 1, s->inner);

    s->count = 1;
    s->in_place = 1;
    for (unsigned i = 0; rc == HOLOG_OK && i < s->rank; i++) {
        if (shape[i] % s->inner[i] != 0)
            return hg_conf_bad(codec, "chunk_shape", "does not divide the shape of the shard");
        s->grid[i] = shape[i] / s->inner[i];
        s->count *= s->grid[i]; /* elements are at most 2^31 */
        s->in_place &= !split || s->grid[i] == 1;
        split |= s->inner[i] > 1;
    }
    hg_strides_of(s->rank, shape, s->type.size, s->strides);
    hg_strides_of(s->rank, s->inner, s->type.size, s->inner_strides);
    return rc;
}

static int make_chain(struct hg_shard *s, const struct hg_codec *codec,
                      const struct hg_chain_plan *outer)
{
    struct hg_codec codecs[HG_CODECS_MAX];
    struct hg_chain_plan plan = *outer;
    int rc =
        hg_codecs_read(hg_conf_get(codec, "codecs"), "codecs of a shard", codecs, &plan.n_codecs);

    plan.codecs = codecs;
    plan.shape = s->inner;
    plan.depth = outer->depth + 1;
    return rc < 0 ? rc : hg_chain_make(&plan, &s->chain);
}

/* The index is an array of numbers; nobody may make it shorter or turn it. */
static int make_index(struct hg_shard *s, const struct hg_codec *codec)
{
    static const uint8_t zeros[8];
    struct hg_codec codecs[HG_CODECS_MAX];
    uint64_t shape[1] = { s->count * 2 };
    struct hg_chain_plan plan = {
        .type = hg_type_of(HG_UINT64, 0), .rank = 1, .shape = shape, .fill = zeros, .codecs = codecs
    };
    int rc = hg_codecs_read(hg_conf_get(codec, "index_codecs"), "index_codecs of a shard", codecs,
                            &plan.n_codecs);

    for (unsigned i = 0; rc == HOLOG_OK && i < plan.n_codecs; i++)
        if (codecs[i].id != HG_CODEC_BYTES && codecs[i].id != HG_CODEC_CRC32C)
            rc = hg_error(HOLOG_E_NOTSUP,
                          "the codec %.40s in index_codecs of a shard; bytes and crc32c are known",
                          codecs[i].name);
    return rc < 0 ? rc : hg_chain_make(&plan, &s->index);
}

static int configure(struct hg_shard *s, const struct hg_codec *codec,
                     const struct hg_chain_plan *plan)
{
    static const char *const members[] = { "chunk_shape", "codecs", "index_codecs",
                                           "index_location" };
    static const char *const places[] = { "end", "start" };
    unsigned place = 0;
    int rc = hg_conf_check(codec, members, 4);

    if (rc == HOLOG_OK)
        rc = set_grid(s, codec, plan->shape);
    if (rc == HOLOG_OK)
        rc = hg_conf_word(codec, "index_location", places, 2, &place);
    s->at_start = place == 1;
    if (rc == HOLOG_OK)
        rc = make_index(s, codec);
    return rc < 0 ? rc : make_chain(s, codec, plan);
}

int hg_shard_make(const struct hg_codec *codec, const struct hg_chain_plan *plan,
                  struct hg_shard **out)
{
    struct hg_shard *s;
    int rc;

    if (plan->depth >= HG_SHARD_DEPTH)
        return hg_error(HOLOG_E_NOTSUP, "shards in shards, more than %d deep", HG_SHARD_DEPTH);
    s = hg_calloc(1, sizeof *s);
    if (s == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a chain of codecs");
    s->type = plan->type;
    s->rank = plan->rank;
    memcpy(s->fill, plan->fill, plan->type.size);
    rc = configure(s, codec, plan);
    if (rc == HOLOG_OK)
        *out = s;
    else
        hg_shard_destroy(s);
    return rc;
}

void hg_shard_destroy(struct hg_shard *s)
{
    if (s == NULL)
        return;
    hg_chain_destroy(s->chain);
    hg_chain_destroy(s->index);
    hg_free(s);
}

/* ---- what it is ----------------------------------------------------------------------------------*/

const uint64_t *hg_shard_inner(const struct hg_shard *s)
{
    return s->inner;
}

const uint64_t *hg_shard_grid(const struct hg_shard *s)
{
    return s->grid;
}

uint64_t hg_shard_count(const struct hg_shard *s)
{
    return s->count;
}

const struct hg_chain *hg_shard_chain(const struct hg_shard *s)
{
    return s->chain;
}

uint64_t hg_shard_stored_max(const struct hg_shard *s)
{
    return s->count * hg_chain_stored_max(s->chain) * SLACK + hg_shard_index_bytes(s);
}

uint64_t hg_shard_index_bytes(const struct hg_shard *s)
{
    return hg_chain_stored_max(s->index); /* nothing in it is of unknown size */
}

int hg_shard_index_at_start(const struct hg_shard *s)
{
    return s->at_start;
}

/* ---- the index -----------------------------------------------------------------------------------*/

int hg_shard_index_find(const struct hg_shard *s, uint64_t shard_bytes, uint64_t *out_offset)
{
    uint64_t bytes = hg_shard_index_bytes(s);

    if (shard_bytes < bytes)
        return hg_error(HOLOG_E_CORRUPT, "a shard of %llu bytes; its index alone has %llu",
                        (unsigned long long)shard_bytes, (unsigned long long)bytes);
    *out_offset = s->at_start ? 0 : shard_bytes - bytes;
    return HOLOG_OK;
}

static int check_entry(uint64_t i, const struct hg_shard_entry *e, uint64_t shard_bytes)
{
    if (e->offset == HG_SHARD_NONE && e->len == HG_SHARD_NONE)
        return HOLOG_OK;
    if (e->offset <= shard_bytes && e->len <= shard_bytes - e->offset)
        return HOLOG_OK;
    return hg_error(HOLOG_E_CORRUPT,
                    "the index of a shard: inner chunk %llu has %llu bytes from %llu on, of %llu",
                    (unsigned long long)i, (unsigned long long)e->len,
                    (unsigned long long)e->offset, (unsigned long long)shard_bytes);
}

static int index_failed(int rc)
{
    struct holog_error_detail detail;

    hg_error_get(&detail);
    return hg_error(rc, "the index of a shard: %.400s", detail.message);
}

int hg_shard_index_decode(const struct hg_shard *s, const void *index, uint64_t shard_bytes,
                          struct hg_shard_entry *out)
{
    /* The numbers lie as the machine has them, and as entries do. */
    _Static_assert(sizeof(struct hg_shard_entry) == ENTRY_BYTES, "two numbers, nothing between");
    int rc = hg_chain_decode(s->index, index, (size_t)hg_shard_index_bytes(s), out);

    if (rc < 0)
        return index_failed(rc);
    for (uint64_t i = 0; rc == HOLOG_OK && i < s->count; i++)
        rc = check_entry(i, &out[i], shard_bytes);
    return rc;
}

int hg_shard_index_encode(const struct hg_shard *s, const struct hg_shard_entry *entries,
                          struct hg_buf *out)
{
    return hg_chain_encode(s->index, entries, out);
}

void hg_shard_place(const struct hg_shard *s, const uint64_t *lengths, struct hg_shard_entry *out,
                    uint64_t *out_bytes)
{
    uint64_t at = s->at_start ? hg_shard_index_bytes(s) : 0;

    for (uint64_t i = 0; i < s->count; i++) {
        int none = lengths[i] == HG_SHARD_NONE;
        out[i] = (struct hg_shard_entry){ none ? HG_SHARD_NONE : at, lengths[i] };
        at += none ? 0 : lengths[i];
    }
    *out_bytes = at + (s->at_start ? 0 : hg_shard_index_bytes(s));
}

/* ---- whole shards --------------------------------------------------------------------------------*/

/* Inner chunks, in C order. */
struct walk {
    const struct hg_shard *s;
    struct hg_scratch *scratch;
    uint64_t i;
    uint64_t at[HG_RANK_MAX];
    struct hg_shard_entry *entries;
    uint8_t *room; /* for the elements of one; NULL: they lie together in the shard */
};

static int begin(struct walk *w, const struct hg_shard *s, struct hg_scratch *scratch)
{
    *w = (struct walk){ .s = s, .scratch = scratch };
    w->entries = hg_calloc((size_t)s->count, sizeof w->entries[0]);
    if (w->entries != NULL && !s->in_place)
        w->room = hg_malloc((size_t)hg_chain_raw_bytes(s->chain));
    if (w->entries == NULL || (!s->in_place && w->room == NULL))
        return hg_error(HOLOG_E_NOMEM, "no memory for a shard of %llu chunks",
                        (unsigned long long)s->count);
    return HOLOG_OK;
}

static void end(struct walk *w)
{
    hg_free(w->entries);
    hg_free(w->room);
}

/* Bytes from the shard's first element to the inner chunk's. */
static size_t place_of(const struct walk *w)
{
    size_t at = 0;

    for (unsigned i = 0; i < w->s->rank; i++)
        at += (size_t)(w->at[i] * w->s->inner[i]) * (size_t)w->s->strides[i];
    return at;
}

static void step(struct walk *w)
{
    unsigned i = w->s->rank;

    w->i++;
    while (i > 0 && ++w->at[i - 1] == w->s->grid[i - 1])
        w->at[--i] = 0;
}

static int inner_failed(const struct walk *w, int rc)
{
    struct holog_error_detail detail;

    if (rc != HOLOG_E_CORRUPT)
        return rc;
    hg_error_get(&detail);
    return hg_error(rc, "inner chunk %llu of a shard: %.400s", (unsigned long long)w->i,
                    detail.message);
}

static void fill(const struct hg_shard *s, uint8_t *to)
{
    size_t bytes = (size_t)hg_chain_raw_bytes(s->chain);
    size_t have = s->type.size;

    memcpy(to, s->fill, have);
    for (; have < bytes; have += HG_MIN(have, bytes - have)) /* what is there, once more */
        memcpy(to + have, to, HG_MIN(have, bytes - have));
}

static int is_fill(const struct hg_shard *s, const uint8_t *elements)
{
    size_t size = s->type.size;

    return memcmp(elements, s->fill, size) == 0 &&
           memcmp(elements, elements + size, (size_t)hg_chain_raw_bytes(s->chain) - size) == 0;
}

static int decode_inner(struct walk *w, const uint8_t *stored, uint8_t *raw)
{
    const struct hg_shard *s = w->s;
    const struct hg_shard_entry *e = &w->entries[w->i];
    uint8_t *at = raw + place_of(w);
    uint8_t *to = w->room != NULL ? w->room : at;

    if (e->offset == HG_SHARD_NONE) {
        fill(s, to);
    } else {
        int rc = hg_chain_decode_with(s->chain, w->scratch, stored + e->offset, (size_t)e->len, to);
        if (rc < 0)
            return inner_failed(w, rc);
    }
    if (w->room != NULL)
        hg_copy_strided(s->rank, s->inner, s->type.size, at, s->strides, to, s->inner_strides);
    return HOLOG_OK;
}

int hg_shard_decode(const struct hg_shard *s, struct hg_scratch *scratch, const void *stored,
                    size_t len, uint8_t *raw)
{
    uint64_t index = 0;
    struct walk w;
    int rc = hg_shard_index_find(s, len, &index);

    if (rc < 0)
        return rc;
    rc = begin(&w, s, scratch);
    if (rc == HOLOG_OK)
        rc = hg_shard_index_decode(s, (const uint8_t *)stored + index, len, w.entries);
    for (; rc == HOLOG_OK && w.i < s->count; step(&w))
        rc = decode_inner(&w, stored, raw);
    end(&w);
    return rc;
}

/* from: where the shard begins in out. */
static int encode_inner(struct walk *w, const uint8_t *raw, size_t from, struct hg_buf *out)
{
    const struct hg_shard *s = w->s;
    const uint8_t *elements = raw + place_of(w);
    size_t begin = out->len;
    int rc;

    if (w->room != NULL) {
        hg_copy_strided(s->rank, s->inner, s->type.size, w->room, s->inner_strides, elements,
                        s->strides);
        elements = w->room;
    }
    w->entries[w->i] = (struct hg_shard_entry){ HG_SHARD_NONE, HG_SHARD_NONE };
    if (is_fill(s, elements))
        return HOLOG_OK;
    rc = hg_chain_encode_with(s->chain, w->scratch, elements, out);
    if (rc == HOLOG_OK)
        w->entries[w->i] = (struct hg_shard_entry){ begin - from, out->len - begin };
    return rc;
}

/* The index is known when all inner chunks are written; at the start there is room for it. */
static int encode_index(const struct walk *w, size_t from, struct hg_buf *out)
{
    struct hg_buf index = { 0 };
    int rc;

    if (!w->s->at_start)
        return hg_shard_index_encode(w->s, w->entries, out);
    rc = hg_shard_index_encode(w->s, w->entries, &index);
    if (rc == HOLOG_OK)
        memcpy(out->data + from, index.data, index.len);
    hg_buf_release(&index);
    return rc;
}

int hg_shard_encode(const struct hg_shard *s, struct hg_scratch *scratch, const uint8_t *raw,
                    struct hg_buf *out)
{
    size_t from = out->len;
    struct walk w;
    int rc = begin(&w, s, scratch);

    if (rc == HOLOG_OK && s->at_start)
        rc = hg_buf_append_zeros(out, (size_t)hg_shard_index_bytes(s));
    for (; rc == HOLOG_OK && w.i < s->count; step(&w))
        rc = encode_inner(&w, raw, from, out);
    if (rc == HOLOG_OK)
        rc = encode_index(&w, from, out);
    end(&w);
    if (rc < 0)
        out->len = from;
    return rc;
}
