/*
 * Index checkpoints: one is written and read here, and the newest sound file of chk/ chosen. Those in bases (base.c) are
 * the same bytes, at another offset of a file.
 *
 *  offset size field                             offset size field
 *       0    8 magic 'HOLOGIDX'                      112    8 live key bytes
 *       8    4 version                               120    8 live value bytes
 *      12    4 zero                                  128    8 directories
 *      16   16 store uuid                            136    8 keys of the past
 *      32    8 position covered                      144    8 its pages
 *      40    8 header hash of the last frame         152    8 bytes of those and their lengths
 *      48    8 its length                            160    8 value bytes of the past
 *      56    8 number of the last commit             168    8 horizon
 *      64    8 its time                              176    4 commits kept
 *      72    8 keys                                  180    4 tags
 *      80    8 pages                                 184    4 folds
 *      88    8 bytes of pages and their lengths      188   52 zero
 *      96    8 highest number ever seen              240   16 XXH3-128 of bytes 0..239
 *     104    4 bytes of the settings block           256      settings, segments, commits, tags,
 *     108    4 entries of the segment block                   folds, pages, pages of the past
 *                                                    end   16 XXH3-128 of bytes 256..end
 *
 * A file is whole or worthless: it is written under a name of its own, synced, renamed, and chk/
 * synced. What a power cut leaves of that is the temporary name, which the next writing removes.
 *
 * Reading hashes and parses chunk by chunk in one pass, so pages reach the index before the hash
 * over all is known: every number is bounded first, the index validates each page, and it takes
 * none of them before the hash has been found right.
 */
#include "engine/checkpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/index_page.h"
#include "wal/frame.h"
#include "wal/record.h"

#define CHK_VERSION      2u
#define CHK_HEADER_SIZE  256u
#define CHK_HASH_SIZE    16u
#define CHK_USED         188u
#define CHK_HASH_AT      240u
#define CHK_SEGMENT_SIZE 13u /* segment u32, kind u8, used u64 */
#define CHK_MOMENT_SIZE  28u /* number u64, time u64, frame u64, its length u32 */
#define CHK_TAG_SIZE     (8u + 8u + 1u + HG_TAG_NAME_MAX) /* number, time, name length, name */
#define CHK_SETTINGS_MAX (64u << 20)
#define CHK_SEGMENTS_MAX (1u << 24)
#define CHK_MOMENTS_MAX  (1u << 30)
#define CHK_TAGS_MAX     (1u << 24)
#define CHK_FOLD_SIZE    16u /* version u64, fold u64 */
#define CHK_FOLDS_MAX    (1u << 28)
#define CHK_PAGE_MAX     HG_MAX(HG_PAGE_BYTES_MAX, HG_PAGE_LONE_MAX)

#define CHK_TMP_NAME   HG_CHK_DIR "/" HG_CHK_TMP
#define CHK_NAME_MAX   48
#define CHK_SUFFIX     ".hidx"
#define CHK_DIGITS     16
#define CHK_KEPT       2
#define CHUNK_BYTES    (1u << 20)
#define ROOT_KEY_LEN   5
#define ROOT_VALUE_LEN 8 /* the number, u64 */

static const uint8_t chk_magic[8] = { 'H', 'O', 'L', 'O', 'G', 'I', 'D', 'X' };

static const uint8_t root_key[ROOT_KEY_LEN] = { 1, 'r', 'o', 'o', 't' }; /* no setting's key */

static_assert(CHK_HASH_AT + CHK_HASH_SIZE == CHK_HEADER_SIZE, "the hash ends the header");
static_assert(CHK_PAGE_MAX + 4 < CHUNK_BYTES, "a page fits the reader's buffer");

void hg_checkpoint_release(struct hg_checkpoint *c)
{
    hg_buf_release(&c->settings);
    hg_buf_release(&c->segments);
    hg_buf_release(&c->moments);
    hg_buf_release(&c->tags);
    hg_buf_release(&c->folds);
}

/* ---- header --------------------------------------------------------------------------------------*/

struct header {
    uint8_t uuid[16];
    hg_pos covered;
    uint64_t last_hash, last_len;
    uint64_t number, time_ns;
    uint64_t keys, pages, page_bytes;
    uint64_t highest_number;
    uint32_t settings_len, n_segments;
    uint64_t live_key_bytes, live_value_bytes, directories;
    uint64_t past_keys, past_pages, past_page_bytes, past_bytes;
    uint64_t horizon;
    uint32_t n_moments, n_tags, n_folds;
};

static void encode_header(const struct header *h, uint8_t out[CHK_HEADER_SIZE])
{
    memset(out, 0, CHK_HEADER_SIZE);
    memcpy(out, chk_magic, sizeof chk_magic);
    hg_put_le32(out + 8, CHK_VERSION);
    memcpy(out + 16, h->uuid, 16);
    hg_put_le64(out + 32, h->covered);
    hg_put_le64(out + 40, h->last_hash);
    hg_put_le64(out + 48, h->last_len);
    hg_put_le64(out + 56, h->number);
    hg_put_le64(out + 64, h->time_ns);
    hg_put_le64(out + 72, h->keys);
    hg_put_le64(out + 80, h->pages);
    hg_put_le64(out + 88, h->page_bytes);
    hg_put_le64(out + 96, h->highest_number);
    hg_put_le32(out + 104, h->settings_len);
    hg_put_le32(out + 108, h->n_segments);
    hg_put_le64(out + 112, h->live_key_bytes);
    hg_put_le64(out + 120, h->live_value_bytes);
    hg_put_le64(out + 128, h->directories);
    hg_put_le64(out + 136, h->past_keys);
    hg_put_le64(out + 144, h->past_pages);
    hg_put_le64(out + 152, h->past_page_bytes);
    hg_put_le64(out + 160, h->past_bytes);
    hg_put_le64(out + 168, h->horizon);
    hg_put_le32(out + 176, h->n_moments);
    hg_put_le32(out + 180, h->n_tags);
    hg_put_le32(out + 184, h->n_folds);
    struct hg_hash128 hash = hg_hash128(out, CHK_HASH_AT);
    hg_put_le64(out + CHK_HASH_AT, hash.lo);
    hg_put_le64(out + CHK_HASH_AT + 8, hash.hi);
}

static void read_fields(const uint8_t *in, struct header *h)
{
    memcpy(h->uuid, in + 16, 16);
    h->covered = hg_get_le64(in + 32);
    h->last_hash = hg_get_le64(in + 40);
    h->last_len = hg_get_le64(in + 48);
    h->number = hg_get_le64(in + 56);
    h->time_ns = hg_get_le64(in + 64);
    h->keys = hg_get_le64(in + 72);
    h->pages = hg_get_le64(in + 80);
    h->page_bytes = hg_get_le64(in + 88);
    h->highest_number = hg_get_le64(in + 96);
    h->settings_len = hg_get_le32(in + 104);
    h->n_segments = hg_get_le32(in + 108);
    h->live_key_bytes = hg_get_le64(in + 112);
    h->live_value_bytes = hg_get_le64(in + 120);
    h->directories = hg_get_le64(in + 128);
    h->past_keys = hg_get_le64(in + 136);
    h->past_pages = hg_get_le64(in + 144);
    h->past_page_bytes = hg_get_le64(in + 152);
    h->past_bytes = hg_get_le64(in + 160);
    h->horizon = hg_get_le64(in + 168);
    h->n_moments = hg_get_le32(in + 176);
    h->n_tags = hg_get_le32(in + 180);
    h->n_folds = hg_get_le32(in + 184);
}

static int hash_is(const uint8_t *stored, struct hg_hash128 hash)
{
    return hg_hash_matches(hg_get_le64(stored), hash.lo) &&
           hg_hash_matches(hg_get_le64(stored + 8), hash.hi);
}

/* What is wrong with the fields of a header, and where; NULL: nothing. `left`: bytes of the file
 * between the header and the last hash. */
static const char *header_fault(const struct header *h, uint64_t left, uint32_t *out_at)
{
    uint32_t offset = hg_pos_offset(h->covered);

    *out_at = 32;
    if (h->covered != 0 && (hg_pos_segment(h->covered) == 0 || offset < HG_BLOCK ||
                            offset > HG_SEGMENT_MAX || offset % 8 != 0))
        return "the position covered is no end of a frame";
    *out_at = 48;
    if (h->last_len > HG_FRAME_MAX)
        return "the last frame is longer than frames are";
    *out_at = 56;
    if (h->number > HG_NUMBER_MAX || h->highest_number > HG_NUMBER_MAX)
        return "a commit number is out of range";
    *out_at = 104;
    if (h->settings_len > CHK_SETTINGS_MAX || h->settings_len > left)
        return "the settings do not fit the file";
    left -= h->settings_len;
    *out_at = 108;
    if (h->n_segments > CHK_SEGMENTS_MAX || h->n_segments > left / CHK_SEGMENT_SIZE)
        return "the segments do not fit the file";
    left -= (uint64_t)h->n_segments * CHK_SEGMENT_SIZE;
    *out_at = 168;
    if (h->horizon > h->number)
        return "the horizon is behind the last commit";
    *out_at = 176;
    if (h->n_moments > CHK_MOMENTS_MAX || h->n_moments > left / CHK_MOMENT_SIZE)
        return "the commits do not fit the file";
    left -= (uint64_t)h->n_moments * CHK_MOMENT_SIZE;
    *out_at = 180;
    if (h->n_tags > CHK_TAGS_MAX || h->n_tags > left / CHK_TAG_SIZE)
        return "the tags do not fit the file";
    left -= (uint64_t)h->n_tags * CHK_TAG_SIZE;
    *out_at = 184;
    if (h->n_folds > CHK_FOLDS_MAX || h->n_folds > left / CHK_FOLD_SIZE)
        return "the folds do not fit the file";
    left -= (uint64_t)h->n_folds * CHK_FOLD_SIZE;
    *out_at = 88;
    if (h->page_bytes > left || h->past_page_bytes != left - h->page_bytes)
        return "the pages are not as long as the file says";
    *out_at = 80;
    if (h->pages > left / (4 + HG_PAGE_HEADER_SIZE))
        return "the number of pages is out of range";
    *out_at = 144;
    if (h->past_pages > left / (4 + HG_PAGE_HEADER_SIZE))
        return "the number of pages of the past is out of range";
    return NULL;
}

/* in: as it stands at `origin` of the file, `size` bytes before its end. */
static int decode_header(const char *name, const uint8_t *in, uint64_t origin, uint64_t size,
                         struct header *out)
{
    uint32_t at = 0;
    struct header h;

    if (memcmp(in, chk_magic, sizeof chk_magic) != 0)
        return hg_corrupt_file(name, origin, "no index checkpoint: the magic is wrong");
    if (!hash_is(in + CHK_HASH_AT, hg_hash128(in, CHK_HASH_AT)))
        return hg_corrupt_file(name, origin + CHK_HASH_AT, "the header's hash is wrong");
    uint32_t version = hg_get_le32(in + 8);
    if (version != CHK_VERSION)
        return hg_error(HOLOG_E_VERSION, "%s has version %" PRIu32 "; this holog reads %u", name,
                        version, CHK_VERSION);
    if (hg_get_le32(in + 12) != 0)
        return hg_corrupt_file(name, origin + 12, "reserved bytes are not zero");
    if (!hg_layout_zero(in + CHK_USED, CHK_HASH_AT - CHK_USED))
        return hg_corrupt_file(name, origin + CHK_USED, "reserved bytes are not zero");
    read_fields(in, &h);
    const char *fault = header_fault(&h, size - CHK_HEADER_SIZE - CHK_HASH_SIZE, &at);
    if (fault != NULL)
        return hg_corrupt_file(name, origin + at, "%s", fault);
    *out = h;
    return HOLOG_OK;
}

/* ---- names ---------------------------------------------------------------------------------------*/

static void checkpoint_name(char out[CHK_NAME_MAX], uint64_t number)
{
    (void)snprintf(out, CHK_NAME_MAX, HG_CHK_DIR "/%016" PRIx64 CHK_SUFFIX, number);
}

/* 1 when name, inside chk/, is that of a checkpoint. */
static int parse_name(const char *name, uint64_t *out_number)
{
    uint64_t number = 0;
    for (int i = 0; i < CHK_DIGITS; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9')
            number = number << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            number = number << 4 | (uint64_t)(c - 'a' + 10);
        else
            return 0; /* the NUL of a short name ends here too */
    }
    *out_number = number;
    return strcmp(name + CHK_DIGITS, CHK_SUFFIX) == 0;
}

struct listing {
    struct hg_buf numbers; /* uint64_t, highest first */
};

static size_t listing_count(const struct listing *l)
{
    return l->numbers.len / sizeof(uint64_t);
}

static uint64_t listing_at(const struct listing *l, size_t i)
{
    uint64_t number;
    memcpy(&number, l->numbers.data + i * sizeof number, sizeof number);
    return number;
}

static int list_one(void *ctx, const char *name, int is_dir)
{
    struct listing *l = ctx;
    uint64_t number = 0;
    if (is_dir || !parse_name(name, &number))
        return 0;
    size_t at = 0;
    while (at < listing_count(l) && listing_at(l, at) > number)
        at++;
    int rc = hg_buf_append(&l->numbers, &number, sizeof number);
    if (rc < 0)
        return rc;
    uint8_t *place = l->numbers.data + at * sizeof number;
    memmove(place + sizeof number, place,
            l->numbers.len - sizeof number - (size_t)(place - l->numbers.data));
    memcpy(place, &number, sizeof number);
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------------*/

struct writer {
    struct hg_hash_stream hash;
    struct hg_file *file;
    uint64_t origin; /* of the checkpoint in the file */
    uint8_t *chunk;  /* CHUNK_BYTES, page-aligned */
    size_t len;      /* bytes in it */
    uint64_t at;     /* where it begins in the checkpoint */
    uint64_t pages, page_bytes;
};

static int writer_flush(struct writer *w)
{
    size_t skip = w->at == 0 ? CHK_HEADER_SIZE : 0; /* the header has a hash of its own */
    int rc = hg_io_write_full(w->file, w->chunk, w->len, w->origin + w->at, 0);
    if (rc < 0)
        return rc;
    hg_hash_stream_add(&w->hash, w->chunk + skip, w->len - skip);
    w->at += w->len;
    w->len = 0;
    return HOLOG_OK;
}

static int writer_add(struct writer *w, const void *data, size_t len)
{
    const uint8_t *p = data;
    int rc = HOLOG_OK;
    while (len > 0 && rc == HOLOG_OK) {
        size_t n = HG_MIN(len, CHUNK_BYTES - w->len);
        memcpy(w->chunk + w->len, p, n);
        w->len += n;
        p += n;
        len -= n;
        if (w->len == CHUNK_BYTES)
            rc = writer_flush(w);
    }
    return rc;
}

static int write_page(void *ctx, const uint8_t *page, size_t len)
{
    struct writer *w = ctx;
    uint8_t word[4];
    hg_put_le32(word, (uint32_t)len);
    int rc = writer_add(w, word, sizeof word);
    if (rc == HOLOG_OK)
        rc = writer_add(w, page, len);
    w->pages++;
    w->page_bytes += sizeof word + len;
    return rc;
}

static int write_settings(struct writer *w, const struct hg_checkpoint *c, uint32_t *out_len)
{
    uint8_t root[HG_VARINT_MAX + ROOT_KEY_LEN + HG_VARINT_MAX + ROOT_VALUE_LEN];
    size_t n = hg_put_varint(root, ROOT_KEY_LEN);
    memcpy(root + n, root_key, ROOT_KEY_LEN);
    n += ROOT_KEY_LEN;
    n += hg_put_varint(root + n, ROOT_VALUE_LEN);
    hg_put_le64(root + n, c->root_number);
    n += ROOT_VALUE_LEN;

    if (c->settings.len > CHK_SETTINGS_MAX - n)
        return hg_error(HOLOG_E_TOOBIG, "settings of %zu bytes, at most %u fit a checkpoint",
                        c->settings.len, CHK_SETTINGS_MAX);
    *out_len = (uint32_t)(n + c->settings.len);
    int rc = writer_add(w, root, n);
    if (rc == HOLOG_OK)
        rc = writer_add(w, c->settings.data, c->settings.len);
    return rc;
}

static int write_segments(struct writer *w, const struct hg_checkpoint *c, uint32_t *out_count)
{
    size_t count = c->segments.len / sizeof(struct hg_segment_entry);
    int rc = HOLOG_OK;
    if (count > CHK_SEGMENTS_MAX)
        return hg_error(HOLOG_E_TOOBIG, "%zu segments, at most %u fit a checkpoint", count,
                        CHK_SEGMENTS_MAX);
    *out_count = (uint32_t)count;
    for (size_t i = 0; i < count && rc == HOLOG_OK; i++) {
        struct hg_segment_entry e;
        uint8_t out[CHK_SEGMENT_SIZE];
        memcpy(&e, c->segments.data + i * sizeof e, sizeof e);
        hg_put_le32(out, e.segment);
        out[4] = e.kind;
        hg_put_le64(out + 5, e.used);
        rc = writer_add(w, out, sizeof out);
    }
    return rc;
}

static int write_moments(struct writer *w, const struct hg_checkpoint *c, uint32_t *out_count)
{
    size_t count = c->moments.len / sizeof(struct hg_moment);
    int rc = HOLOG_OK;
    if (count > CHK_MOMENTS_MAX)
        return hg_error(HOLOG_E_TOOBIG, "%zu commits, at most %u fit a checkpoint", count,
                        CHK_MOMENTS_MAX);
    *out_count = (uint32_t)count;
    for (size_t i = 0; i < count && rc == HOLOG_OK; i++) {
        struct hg_moment m;
        uint8_t out[CHK_MOMENT_SIZE];
        memcpy(&m, c->moments.data + i * sizeof m, sizeof m);
        hg_put_le64(out, m.number);
        hg_put_le64(out + 8, m.time_ns);
        hg_put_le64(out + 16, m.frame);
        hg_put_le32(out + 24, m.len);
        rc = writer_add(w, out, sizeof out);
    }
    return rc;
}

static int write_tags(struct writer *w, const struct hg_checkpoint *c, uint32_t *out_count)
{
    size_t count = c->tags.len / sizeof(struct hg_tag);
    int rc = HOLOG_OK;
    if (count > CHK_TAGS_MAX)
        return hg_error(HOLOG_E_TOOBIG, "%zu tags, at most %u fit a checkpoint", count,
                        CHK_TAGS_MAX);
    *out_count = (uint32_t)count;
    for (size_t i = 0; i < count && rc == HOLOG_OK; i++) {
        struct hg_tag t;
        uint8_t out[CHK_TAG_SIZE] = { 0 };
        memcpy(&t, c->tags.data + i * sizeof t, sizeof t);
        hg_put_le64(out, t.number);
        hg_put_le64(out + 8, t.time_ns);
        out[16] = (uint8_t)strlen(t.name);
        memcpy(out + 17, t.name, out[16]);
        rc = writer_add(w, out, sizeof out);
    }
    return rc;
}

static int write_folds(struct writer *w, const struct hg_checkpoint *c, uint32_t *out_count)
{
    size_t count = c->folds.len / sizeof(struct hg_fold_at);
    int rc = HOLOG_OK;
    if (count > CHK_FOLDS_MAX)
        return hg_error(HOLOG_E_TOOBIG, "%zu folds, at most %u fit a checkpoint", count,
                        CHK_FOLDS_MAX);
    *out_count = (uint32_t)count;
    for (size_t i = 0; i < count && rc == HOLOG_OK; i++) {
        struct hg_fold_at f;
        uint8_t out[CHK_FOLD_SIZE];
        memcpy(&f, c->folds.data + i * sizeof f, sizeof f);
        hg_put_le64(out, f.version);
        hg_put_le64(out + 8, f.fold);
        rc = writer_add(w, out, sizeof out);
    }
    return rc;
}

static struct header header_of(const struct hg_checkpoint *c, const struct hg_root *root,
                               const struct hg_root *past)
{
    struct header h = {
        .covered = c->covered,
        .last_hash = c->last_hash,
        .last_len = c->last_len,
        .number = c->number,
        .time_ns = c->time_ns,
        .keys = hg_root_count(root),
        .highest_number = c->highest_number,
        .live_key_bytes = c->live_key_bytes,
        .live_value_bytes = c->live_value_bytes,
        .directories = c->directories,
        .past_keys = past != NULL ? hg_root_count(past) : 0,
        .past_bytes = c->past_bytes,
        .horizon = c->horizon,
    };
    memcpy(h.uuid, c->uuid, sizeof h.uuid);
    return h;
}

/* Everything but the header, then the header. */
static int write_content(struct writer *w, const struct hg_checkpoint *c,
                         const struct hg_root *root, const struct hg_root *past)
{
    struct header h = header_of(c, root, past);
    uint8_t bytes[CHK_HEADER_SIZE] = { 0 };

    int rc = writer_add(w, bytes, sizeof bytes); /* its place */
    if (rc == HOLOG_OK)
        rc = write_settings(w, c, &h.settings_len);
    if (rc == HOLOG_OK)
        rc = write_segments(w, c, &h.n_segments);
    if (rc == HOLOG_OK)
        rc = write_moments(w, c, &h.n_moments);
    if (rc == HOLOG_OK)
        rc = write_tags(w, c, &h.n_tags);
    if (rc == HOLOG_OK)
        rc = write_folds(w, c, &h.n_folds);
    if (rc == HOLOG_OK)
        rc = hg_root_save(root, write_page, w);
    h.pages = w->pages;
    h.page_bytes = w->page_bytes;
    if (rc == HOLOG_OK && past != NULL)
        rc = hg_root_save(past, write_page, w);
    if (rc == HOLOG_OK && w->len > 0)
        rc = writer_flush(w);
    if (rc < 0)
        return rc;
    struct hg_hash128 hash = hg_hash_stream_end(&w->hash);
    hg_put_le64(bytes, hash.lo);
    hg_put_le64(bytes + 8, hash.hi);
    rc = hg_io_write_full(w->file, bytes, CHK_HASH_SIZE, w->origin + w->at, 0);
    if (rc < 0)
        return rc;
    w->at += CHK_HASH_SIZE;
    h.past_pages = w->pages - h.pages;
    h.past_page_bytes = w->page_bytes - h.page_bytes;
    encode_header(&h, bytes);
    return hg_io_write_full(w->file, bytes, sizeof bytes, w->origin, 0);
}

int hg_checkpoint_put(struct hg_file *file, uint64_t offset, const struct hg_checkpoint *c,
                      const struct hg_root *root, const struct hg_root *past, uint64_t *out_len)
{
    struct writer w = { .file = file, .origin = offset };
    int rc;

    hg_hash_stream_begin(&w.hash);
    w.chunk = hg_alloc_aligned(HG_IO_BLOCK, CHUNK_BYTES);
    if (w.chunk == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to write an index checkpoint");
    rc = write_content(&w, c, root, past);
    hg_free(w.chunk);
    if (rc == HOLOG_OK)
        *out_len = w.at;
    return rc;
}

/* An empty file under the temporary name, and chk/ when it is missing. */
static int create_tmp(struct hg_io *io, struct hg_file **out_file)
{
    const unsigned flags = (unsigned)HG_OPEN_WRITE | HG_OPEN_CREATE;
    int rc = io->ops->unlink(io, CHK_TMP_NAME); /* what an interrupted writing left */
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    rc = io->ops->open(io, CHK_TMP_NAME, flags, out_file);
    if (rc != HOLOG_E_NOENT)
        return rc;
    rc = io->ops->mkdir(io, HG_CHK_DIR);
    if (rc == HOLOG_OK)
        rc = io->ops->sync_dir(io, "");
    if (rc == HOLOG_OK)
        rc = io->ops->open(io, CHK_TMP_NAME, flags, out_file);
    return rc;
}

static int write_tmp(struct hg_io *io, const struct hg_checkpoint *c, const struct hg_root *root,
                     const struct hg_root *past)
{
    struct holog_error_detail first;
    struct hg_file *file = NULL;
    uint64_t len = 0;
    int rc = create_tmp(io, &file);

    if (rc < 0)
        return rc;
    rc = hg_checkpoint_put(file, 0, c, root, past, &len);
    if (rc == HOLOG_OK)
        rc = io->ops->fdatasync(file);
    hg_error_get(&first);
    int closed = io->ops->close(file);
    if (rc < 0)
        hg_error_set(&first); /* first cause wins */
    else
        rc = closed;
    return rc;
}

/* What is kept: the one just written and the newest below it. One with a higher number is of a log
 * that was cut since. Best effort: a file too many does no harm. */
static void remove_others(struct hg_io *io, uint64_t written)
{
    struct listing l = { { 0 } };
    unsigned kept = 0;

    if (io->ops->read_dir(io, HG_CHK_DIR, list_one, &l) == HOLOG_OK) {
        for (size_t i = 0; i < listing_count(&l); i++) {
            char name[CHK_NAME_MAX];
            uint64_t number = listing_at(&l, i);
            if (number <= written && kept < CHK_KEPT) {
                kept++;
                continue;
            }
            checkpoint_name(name, number);
            (void)io->ops->unlink(io, name); /* the next writing tries again */
        }
    }
    hg_buf_release(&l.numbers);
}

int hg_checkpoint_write(struct hg_io *io, const struct hg_checkpoint *c, const struct hg_root *root,
                        const struct hg_root *past)
{
    char name[CHK_NAME_MAX];
    checkpoint_name(name, c->number);
    int rc = write_tmp(io, c, root, past);
    if (rc == HOLOG_OK)
        rc = io->ops->rename(io, CHK_TMP_NAME, name);
    if (rc == HOLOG_OK)
        rc = io->ops->sync_dir(io, HG_CHK_DIR);
    if (rc < 0) {
        struct holog_error_detail first;
        hg_error_get(&first);
        (void)io->ops->unlink(io, CHK_TMP_NAME); /* or the next writing does */
        hg_error_set(&first);
        return rc;
    }
    remove_others(io, c->number);
    return HOLOG_OK;
}

/* ---- reading -------------------------------------------------------------------------------------*/

struct reader {
    struct hg_hash_stream hash;
    const char *name;
    struct hg_file *file;
    uint64_t origin; /* of the checkpoint in the file */
    uint64_t size;   /* from there to the file's end */
    uint8_t *chunk;  /* CHUNK_BYTES, page-aligned */
    size_t from, to; /* bytes in it that wait to be parsed */
    uint64_t next;   /* offset in the checkpoint behind them */
    struct header head;
};

/* In the file, of what is parsed next. */
static uint64_t reader_offset(const struct reader *r)
{
    return r->origin + r->next - (r->to - r->from);
}

/* Hash what of the bytes just read, at `at` of the checkpoint, lies between header and last hash. */
static void reader_hash(struct reader *r, const uint8_t *data, size_t len, uint64_t at)
{
    uint64_t end = r->size - CHK_HASH_SIZE;
    size_t skip = at < CHK_HEADER_SIZE ? (size_t)(CHK_HEADER_SIZE - at) : 0;
    if (at >= end || skip >= len)
        return;
    len = (size_t)HG_MIN((uint64_t)len, end - at);
    if (skip < len)
        hg_hash_stream_add(&r->hash, data + skip, len - skip);
}

/* At least n bytes (less than a chunk) in the buffer. The file is known to be long enough. */
static int reader_need(struct reader *r, size_t n)
{
    if (r->to - r->from >= n)
        return HOLOG_OK;
    memmove(r->chunk, r->chunk + r->from, r->to - r->from);
    r->to -= r->from;
    r->from = 0;
    size_t want = (size_t)HG_MIN((uint64_t)(CHUNK_BYTES - r->to), r->size - r->next);
    HG_ASSERT(n <= r->to + want);
    int rc = hg_io_read_full(r->file, r->chunk + r->to, want, r->origin + r->next);
    if (rc < 0)
        return rc;
    reader_hash(r, r->chunk + r->to, want, r->next);
    r->next += want;
    r->to += want;
    return HOLOG_OK;
}

static int reader_copy(struct reader *r, uint8_t *out, size_t len)
{
    while (len > 0) {
        size_t n = HG_MIN(len, (size_t)(CHUNK_BYTES / 2));
        int rc = reader_need(r, n);
        if (rc < 0)
            return rc;
        memcpy(out, r->chunk + r->from, n);
        r->from += n;
        out += n;
        len -= n;
    }
    return HOLOG_OK;
}

/* One {varint length, bytes} of the settings. 0 when it does not fit. */
static int next_string(const uint8_t *in, size_t len, size_t *at, size_t *out_from, size_t *out_len)
{
    uint64_t n = 0;
    size_t used = hg_get_varint(in + *at, len - *at, &n);
    if (used == 0 || n > len - *at - used)
        return 0;
    *out_from = *at + used;
    *out_len = (size_t)n;
    *at += used + (size_t)n;
    return 1;
}

/* Check the settings block in *b and take the root's number out of it. NULL, or what is wrong. */
static const char *take_root_number(struct hg_buf *b, uint64_t *out_number)
{
    int found = 0;
    for (size_t at = 0; at < b->len;) {
        size_t begin = at;
        size_t key, key_len, value, value_len;
        if (!next_string(b->data, b->len, &at, &key, &key_len) ||
            !next_string(b->data, b->len, &at, &value, &value_len))
            return "a setting does not fit the block";
        if (key_len != ROOT_KEY_LEN || memcmp(b->data + key, root_key, ROOT_KEY_LEN) != 0)
            continue;
        if (found || value_len != ROOT_VALUE_LEN)
            return "the root's number is not one number";
        found = 1;
        *out_number = hg_get_le64(b->data + value);
        memmove(b->data + begin, b->data + at, b->len - at);
        b->len -= at - begin;
        at = begin;
    }
    if (!found || *out_number > HG_NUMBER_MAX)
        return "the root's number is missing or out of range";
    return NULL;
}

static int read_settings(struct reader *r, struct hg_checkpoint *out)
{
    uint64_t at = reader_offset(r);
    int rc = hg_buf_reserve(&out->settings, r->head.settings_len);
    if (rc == HOLOG_OK)
        rc = reader_copy(r, out->settings.data, r->head.settings_len);
    if (rc < 0)
        return rc;
    out->settings.len = r->head.settings_len;
    const char *fault = take_root_number(&out->settings, &out->root_number);
    return fault != NULL ? hg_corrupt_file(r->name, at, "%s", fault) : HOLOG_OK;
}

static int read_segments(struct reader *r, struct hg_checkpoint *out)
{
    int rc = hg_buf_reserve(&out->segments, r->head.n_segments * sizeof(struct hg_segment_entry));
    for (uint32_t i = 0; i < r->head.n_segments && rc == HOLOG_OK; i++) {
        uint8_t in[CHK_SEGMENT_SIZE];
        rc = reader_copy(r, in, sizeof in);
        if (rc < 0)
            break;
        struct hg_segment_entry e = { .segment = hg_get_le32(in),
                                      .kind = in[4],
                                      .used = hg_get_le64(in + 5) };
        unsigned kind = hg_segment_entry_kind(&e);
        if (e.segment == 0 || kind < HG_KIND_FRAMES || kind > HG_KIND_BASE)
            return hg_corrupt_file(r->name, reader_offset(r) - sizeof in,
                                   "an entry names no segment");
        rc = hg_buf_append(&out->segments, &e, sizeof e);
    }
    return rc;
}

static int read_moments(struct reader *r, struct hg_checkpoint *out)
{
    uint64_t before = 0;
    int rc = hg_buf_reserve(&out->moments, r->head.n_moments * sizeof(struct hg_moment));
    for (uint32_t i = 0; i < r->head.n_moments && rc == HOLOG_OK; i++) {
        uint8_t in[CHK_MOMENT_SIZE];
        rc = reader_copy(r, in, sizeof in);
        if (rc < 0)
            break;
        struct hg_moment m = { .number = hg_get_le64(in),
                               .time_ns = hg_get_le64(in + 8),
                               .frame = hg_get_le64(in + 16),
                               .len = hg_get_le32(in + 24) };
        if (m.number <= before || m.number > r->head.number || m.number < r->head.horizon)
            return hg_corrupt_file(r->name, reader_offset(r) - sizeof in,
                                   "a commit is out of its order");
        if (m.len < HG_FRAME_HEADER_SIZE || m.len > HG_FRAME_MAX)
            return hg_corrupt_file(r->name, reader_offset(r) - 4, "a frame's length is wrong");
        before = m.number;
        rc = hg_buf_append(&out->moments, &m, sizeof m);
    }
    return rc;
}

/* What is wrong with a tag, which comes behind `before`; NULL: nothing. */
static const char *tag_fault(const struct header *h, const uint8_t *in, const char *before)
{
    const char *name = (const char *)in + 17;
    size_t len = in[16];

    if (len > HG_TAG_NAME_MAX || !hg_tag_name_valid(name, len) ||
        !hg_layout_zero(in + 17 + len, HG_TAG_NAME_MAX - len))
        return "a tag has no name";
    if (hg_get_le64(in) == 0 || hg_get_le64(in) > h->number)
        return "a tag names no commit";
    return strncmp(before, name, HG_TAG_NAME_MAX) >= 0 ? "a tag is out of its order" : NULL;
}

static int read_tags(struct reader *r, struct hg_checkpoint *out)
{
    char before[HG_TAG_NAME_MAX + 1] = "";
    int rc = hg_buf_reserve(&out->tags, r->head.n_tags * sizeof(struct hg_tag));
    for (uint32_t i = 0; i < r->head.n_tags && rc == HOLOG_OK; i++) {
        uint8_t in[CHK_TAG_SIZE];
        rc = reader_copy(r, in, sizeof in);
        if (rc < 0)
            break;
        struct hg_tag t = { .number = hg_get_le64(in), .time_ns = hg_get_le64(in + 8) };
        const char *fault = tag_fault(&r->head, in, before);
        if (fault != NULL)
            return hg_corrupt_file(r->name, reader_offset(r) - sizeof in, "%s", fault);
        memcpy(t.name, in + 17, in[16]);
        memcpy(before, t.name, sizeof before);
        rc = hg_buf_append(&out->tags, &t, sizeof t);
    }
    return rc;
}

static int read_folds(struct reader *r, struct hg_checkpoint *out)
{
    hg_pos before = 0;
    int rc = hg_buf_reserve(&out->folds, r->head.n_folds * sizeof(struct hg_fold_at));
    for (uint32_t i = 0; i < r->head.n_folds && rc == HOLOG_OK; i++) {
        uint8_t in[CHK_FOLD_SIZE];
        rc = reader_copy(r, in, sizeof in);
        if (rc < 0)
            break;
        struct hg_fold_at f = { .version = hg_get_le64(in), .fold = hg_get_le64(in + 8) };
        if (f.version <= before || f.fold <= f.version || f.fold >= r->head.covered)
            return hg_corrupt_file(r->name, reader_offset(r) - sizeof in,
                                   "a fold is out of its order");
        before = f.version;
        rc = hg_buf_append(&out->folds, &f, sizeof f);
    }
    return rc;
}

struct pages_said {
    uint64_t keys, pages, bytes;
    uint32_t at; /* in the header */
};

/* The loader knows what is wrong with a page, and not where it stands. */
static int page_corrupt(const struct reader *r)
{
    struct holog_error_detail why;

    hg_error_get(&why);
    return hg_corrupt_file(r->name, reader_offset(r) + 4, "%.400s", why.message);
}

/* Pages to the loader; without one, only their lengths are checked. */
static int read_pages(struct reader *r, const struct pages_said *said,
                      struct hg_index_loader *loader)
{
    uint64_t left = said->bytes;
    uint64_t keys = 0;
    uint64_t pages = 0;

    for (; left > 0; pages++) {
        int rc = reader_need(r, HG_MIN(left, (uint64_t)4));
        if (rc < 0)
            return rc;
        uint32_t len = left >= 4 ? hg_get_le32(r->chunk + r->from) : 0;
        if (len < HG_PAGE_HEADER_SIZE || len > CHK_PAGE_MAX || len > left - 4)
            return hg_corrupt_file(r->name, reader_offset(r),
                                   "the length of page %" PRIu64 " is out of range", pages);
        rc = reader_need(r, 4 + (size_t)len);
        if (rc < 0)
            return rc;
        const uint8_t *page = r->chunk + r->from + 4;
        keys += hg_page_count(page);
        if (loader != NULL)
            rc = hg_index_load_page(loader, page, len);
        if (rc < 0)
            return rc == HOLOG_E_CORRUPT ? page_corrupt(r) : rc;
        r->from += 4 + (size_t)len;
        left -= 4 + (uint64_t)len;
    }
    if (pages != said->pages || keys != said->keys)
        return hg_corrupt_file(r->name, r->origin + said->at,
                               "%" PRIu64 " keys in %" PRIu64 " pages, not as stated", keys, pages);
    return HOLOG_OK;
}

static int read_last_hash(struct reader *r)
{
    uint8_t stored[CHK_HASH_SIZE];
    int rc = reader_copy(r, stored, sizeof stored);
    if (rc == HOLOG_OK && !hash_is(stored, hg_hash_stream_end(&r->hash)))
        return hg_corrupt_file(r->name, r->origin + r->size - CHK_HASH_SIZE, "the hash is wrong");
    return rc;
}

static int read_header(struct reader *r)
{
    uint8_t bytes[CHK_HEADER_SIZE];
    struct hg_file_info info;

    int rc = r->file->io->ops->info(r->file, &info);
    if (rc < 0)
        return rc;
    if (info.size_bytes < r->origin + CHK_HEADER_SIZE + CHK_HASH_SIZE)
        return hg_corrupt_file(r->name, info.size_bytes, "the file ends too early");
    r->size = info.size_bytes - r->origin;
    rc = reader_copy(r, bytes, sizeof bytes);
    return rc < 0 ? rc : decode_header(r->name, bytes, r->origin, r->size, &r->head);
}

static void fill_out(const struct header *h, struct hg_checkpoint *out)
{
    memcpy(out->uuid, h->uuid, sizeof out->uuid);
    out->covered = h->covered;
    out->last_hash = h->last_hash;
    out->last_len = h->last_len;
    out->number = h->number;
    out->time_ns = h->time_ns;
    out->highest_number = h->highest_number;
    out->keys = h->keys;
    out->live_key_bytes = h->live_key_bytes;
    out->live_value_bytes = h->live_value_bytes;
    out->directories = h->directories;
    out->horizon = h->horizon;
    out->past_bytes = h->past_bytes;
}

/* Where a checkpoint goes: the index and its past; or nowhere. */
struct target {
    struct hg_index *index[2];
    struct hg_index_loader *loader[2];
};

static int load_pages(struct reader *r, struct target *t, int i)
{
    const struct header *h = &r->head;
    const struct pages_said said[2] = { { h->keys, h->pages, h->page_bytes, 72 },
                                        { h->past_keys, h->past_pages, h->past_page_bytes, 136 } };
    int rc = HOLOG_OK;

    if (t->index[i] != NULL)
        rc = hg_index_load_begin(t->index[i], &t->loader[i]);
    return rc < 0 ? rc : read_pages(r, &said[i], t->loader[i]);
}

/* Nothing is in an index before the hash over all is known to be right; then only memory can be
 * missing. */
static int load_end(struct target *t)
{
    int rc = HOLOG_OK;

    for (int i = 0; i < 2; i++) {
        struct hg_index_loader *l = t->loader[i];
        t->loader[i] = NULL;
        if (l == NULL)
            continue;
        if (rc == HOLOG_OK)
            rc = hg_index_load_end(l);
        else
            hg_index_load_abort(l);
    }
    if (rc < 0 && t->index[0] != NULL) {
        struct holog_error_detail first;
        hg_error_get(&first);
        if (hg_index_remove_prefix(t->index[0], NULL, 0, NULL) < 0) /* the first may be in */
            HG_ASSERT(0); /* it needs memory only to keep what others hold; nobody does */
        hg_error_set(&first);
    }
    return rc;
}

/* What the caller knows of it, before anything is read of its pages. */
static int expected(const struct reader *r, const struct hg_checkpoint_at *at)
{
    const struct header *h = &r->head;
    const struct hg_checkpoint *like = at->like;
    const char *slash = strrchr(r->name, '/');
    uint64_t number = 0;

    if (at->uuid != NULL && memcmp(at->uuid, h->uuid, sizeof h->uuid) != 0)
        return hg_error(HOLOG_E_STALE, "%s is of another store", r->name);
    if (at->offset == 0 &&
        (!parse_name(slash != NULL ? slash + 1 : r->name, &number) || number != h->number))
        return hg_corrupt_file(r->name, 56, "the number is not the one in the name");
    if (like != NULL && (h->covered != like->covered || h->last_hash != like->last_hash ||
                         h->last_len != like->last_len || h->number != like->number ||
                         h->highest_number != like->highest_number))
        return hg_corrupt_file(r->name, r->origin + 32,
                               "it covers another frame than the segment's header says");
    if (h->covered < at->covered_min)
        return hg_error(HOLOG_E_STALE, "%s covers too little", r->name);
    return HOLOG_OK;
}

/* All of it in one pass. On failure the indexes are empty and out holds nothing to release. */
static int read_content(struct reader *r, const struct hg_checkpoint_at *at, struct target *t,
                        struct hg_checkpoint *out)
{
    struct hg_checkpoint c = { 0 };

    int rc = read_header(r);
    if (rc == HOLOG_OK)
        rc = expected(r, at);
    if (rc == HOLOG_OK)
        rc = read_settings(r, &c);
    if (rc == HOLOG_OK)
        rc = read_segments(r, &c);
    if (rc == HOLOG_OK)
        rc = read_moments(r, &c);
    if (rc == HOLOG_OK)
        rc = read_tags(r, &c);
    if (rc == HOLOG_OK)
        rc = read_folds(r, &c);
    if (rc == HOLOG_OK)
        rc = load_pages(r, t, 0);
    if (rc == HOLOG_OK)
        rc = load_pages(r, t, 1);
    if (rc == HOLOG_OK)
        rc = read_last_hash(r);
    if (rc < 0) {
        hg_index_load_abort(t->loader[0]); /* NULL is fine */
        hg_index_load_abort(t->loader[1]);
        goto out;
    }
    rc = load_end(t);
    if (rc < 0)
        goto out;
    fill_out(&r->head, &c);
    *out = c;
    c = (struct hg_checkpoint){ 0 };
out:
    hg_checkpoint_release(&c);
    return rc;
}

int hg_checkpoint_read(struct hg_io *io, const struct hg_checkpoint_at *at, struct hg_index *ix,
                       struct hg_index *past, struct hg_checkpoint *out)
{
    struct target t = { .index = { ix, past } };
    struct reader r = { .name = at->name, .origin = at->offset };

    hg_hash_stream_begin(&r.hash);
    r.chunk = hg_alloc_aligned(HG_IO_BLOCK, CHUNK_BYTES);
    if (r.chunk == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to read an index checkpoint");
    int rc = io->ops->open(io, at->name, 0, &r.file);
    if (rc == HOLOG_OK) {
        rc = read_content(&r, at, &t, out);
        (void)io->ops->close(r.file); /* only read from */
    }
    hg_free(r.chunk);
    return rc;
}

static void note_last_error(char *out_note)
{
    struct holog_error_detail detail;
    if (out_note == NULL)
        return;
    hg_error_get(&detail);
    (void)snprintf(out_note, 160, "%.159s", detail.message);
}

/* Not the checkpoint's fault: rebuilding the index would meet it too. */
static int is_ours(int rc)
{
    return rc == HOLOG_E_NOMEM || rc == HOLOG_E_BUDGET || rc == HOLOG_E_INVAL;
}

int hg_checkpoint_load(struct hg_io *io, const struct hg_checkpoint_bounds *of,
                       struct hg_index *empty, struct hg_index *empty_past,
                       struct hg_checkpoint *out, char out_note[160])
{
    struct hg_checkpoint_at at = { .uuid = of->uuid, .covered_min = of->covered_min };
    struct listing l = { { 0 } };
    int faults = 0;

    if (out_note != NULL)
        out_note[0] = '\0';
    int rc = io->ops->read_dir(io, HG_CHK_DIR, list_one, &l);
    if (is_ours(rc))
        goto out;
    if (rc < 0 && rc != HOLOG_E_NOENT) {
        note_last_error(out_note);
        faults++;
    }
    rc = HOLOG_E_NOENT;
    for (size_t i = 0; i < listing_count(&l) && rc < 0; i++) {
        char name[CHK_NAME_MAX];
        if (listing_at(&l, i) > of->max_number)
            continue;
        checkpoint_name(name, listing_at(&l, i));
        at.name = name;
        rc = hg_checkpoint_read(io, &at, empty, empty_past, out);
        if (is_ours(rc))
            goto out;
        if (rc < 0 && faults++ == 0)
            note_last_error(out_note);
    }
    if (rc < 0) {
        if (faults == 0 && out_note != NULL)
            (void)snprintf(out_note, 160, "none");
        rc = hg_error(HOLOG_E_NOENT, "no usable index checkpoint");
    }
out:
    hg_buf_release(&l.numbers);
    return rc;
}

int hg_checkpoint_check(struct hg_io *io, const struct hg_checkpoint_at *at)
{
    struct hg_checkpoint c = { 0 };
    int rc = hg_checkpoint_read(io, at, NULL, NULL, &c);
    if (rc == HOLOG_OK)
        hg_checkpoint_release(&c);
    return rc;
}
