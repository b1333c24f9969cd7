/*
 * Where the records that salvage keeps stood, and where they stand: what DELTA records name.
 */
#include <stdlib.h>
#include <string.h>

#include "wal/repair_internal.h"

struct hg_birth_range {
    hg_pos start; /* of a body */
    uint64_t len;
    uint64_t number;
};

struct hg_birth_body {
    uint64_t number;
    hg_pos start;
};

struct hg_birth_blank {
    uint64_t number;
    uint64_t offset; /* in the body */
};

int hg_births_found(struct hg_births *b, uint64_t number, uint32_t segment, uint64_t body_start,
                    size_t body_len)
{
    struct hg_birth_range r = { hg_pos_make(segment, (uint32_t)body_start), body_len, number };
    return hg_buf_append(&b->old, &r, sizeof r);
}

static int by_place(const void *a, const void *b)
{
    const struct hg_birth_range *x = a;
    const struct hg_birth_range *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

void hg_births_sort(struct hg_births *b)
{
    size_t n = b->old.len / sizeof(struct hg_birth_range);
    if (n > 1)
        qsort(b->old.data, n, sizeof(struct hg_birth_range), by_place);
}

int hg_births_kept(struct hg_births *b, uint64_t number, uint32_t segment, uint64_t body_start)
{
    struct hg_birth_body k = { number, hg_pos_make(segment, (uint32_t)body_start) };
    return hg_buf_append(&b->kept, &k, sizeof k);
}

static int is_in(const void *key, const void *element)
{
    const hg_pos *p = key;
    const struct hg_birth_range *r = element;
    if (*p < r->start)
        return -1;
    return *p - r->start >= r->len;
}

static int by_number(const void *key, const void *element)
{
    const uint64_t *number = key;
    const struct hg_birth_body *k = element;
    return *number < k->number ? -1 : *number > k->number;
}

static int by_number_and_offset(const void *key, const void *element)
{
    const struct hg_birth_blank *x = key;
    const struct hg_birth_blank *y = element;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static const void *find(const struct hg_buf *b, const void *key, size_t size,
                        int (*compare)(const void *, const void *))
{
    return b->len == 0 ? NULL : bsearch(key, b->data, b->len / size, size, compare);
}

/* Where the record that stood at `old` stands now; 0: it is lost. */
static hg_pos now_at(const struct hg_births *b, hg_pos old)
{
    const struct hg_birth_range *r = find(&b->old, &old, sizeof *r, is_in);
    if (r == NULL)
        return 0;
    struct hg_birth_blank at = { r->number, old - r->start };
    if (find(&b->blanks, &at, sizeof at, by_number_and_offset) != NULL)
        return 0;
    const struct hg_birth_body *k = find(&b->kept, &r->number, sizeof *k, by_number);
    return k == NULL ? 0 : k->start + at.offset;
}

struct rebase {
    struct hg_births *b;
    uint64_t number;
    uint8_t *body;
    size_t len;
    int (*lost)(void *ctx, const struct hg_record *r);
    void *ctx;
};

static int rebase_record(void *ctx, const struct hg_record *r)
{
    struct rebase *x = ctx;
    struct hg_birth_blank at = { x->number, r->offset };
    int rc = HOLOG_OK;

    if (r->type == HG_REC_DELTA) {
        hg_pos base = now_at(x->b, r->base);
        if (base != 0) {
            int fits = hg_rec_delta_patch(x->body + r->offset, x->len - r->offset, r->csum, base,
                                          r->version_size);
            HG_ASSERT(fits); /* the size stays */
            return HOLOG_OK;
        }
        rc = x->lost(x->ctx, r);
        x->body[r->offset] = HG_REC_IGNORABLE | HG_REC_BLANK;
    } else if (r->type != HG_REC_BLANK) {
        return HOLOG_OK;
    }
    return rc == 0 ? hg_buf_append(&x->b->blanks, &at, sizeof at) : rc;
}

int hg_births_rebase(struct hg_births *b, uint64_t number, uint8_t *body, size_t len,
                     int (*lost)(void *ctx, const struct hg_record *r), void *ctx)
{
    struct rebase x = { b, number, body, len, lost, ctx };
    return hg_body_each(body, len, 0, 0, rebase_record, &x, NULL);
}

void hg_births_release(struct hg_births *b)
{
    hg_buf_release(&b->old);
    hg_buf_release(&b->kept);
    hg_buf_release(&b->blanks);
}
