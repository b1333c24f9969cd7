/*
 * Compressed segments on the simulated disk and in memory, for their tests.
 */
#ifndef HOLOG_TESTS_COMPACTION_KIT_H
#define HOLOG_TESTS_COMPACTION_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../codec/cold/kit.h"
#include "base/alloc.h"
#include "compaction/hwp.h"
#include "io/sim.h"

#define KIT_ID   9u
#define KIT_TMP  HG_SEG_DIR "/00000009.tmp"
#define KIT_NAME HG_SEG_DIR "/00000009.hwp"

static inline void kit_ok_at(int line, int rc)
{
    struct holog_error_detail d = { 0 };

    if (rc < 0)
        hg_error_get(&d);
    cr_assert_eq(rc, HOLOG_OK, "line %d: %d, %s", line, rc, d.message);
}
#define OK(call) kit_ok_at(__LINE__, (call))

static inline struct hg_segment_header kit_header(void)
{
    return (struct hg_segment_header){ .kind = HG_KIND_HWP,
                                       .id = KIT_ID,
                                       .epoch = 0x0123456789abcdef,
                                       .uuid = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                                 16 },
                                       .salt = 0x1122334455667788,
                                       .capacity = HG_HWP_SEGMENT_MAX,
                                       .created_ns = UINT64_C(1795248000000000000) };
}

/* ---- writing -------------------------------------------------------------------------------------*/

struct kit_plan {
    enum hg_profile profile;
    int (*fill)(struct hg_hwp_writer *w, void *ctx);
    void *ctx;
    struct hg_hwp_info info;
    uint64_t capacity; /* 0: the most */
};

/* To be run on a simulated disk. */
static inline int kit_write_segment(struct hg_io *io, void *ctx)
{
    struct kit_plan *p = ctx;
    struct hg_segment_header h = kit_header();
    struct hg_hwp_writer *w = NULL;
    int rc = io->ops->mkdir(io, HG_SEG_DIR);

    if (p->capacity != 0)
        h.capacity = p->capacity;
    if (rc == HOLOG_OK)
        rc = hg_hwp_create(io, &h, p->profile, &w);
    if (rc < 0)
        return rc;
    rc = p->fill(w, p->ctx);
    if (rc < 0) {
        hg_hwp_abort(w);
        return rc;
    }
    return hg_hwp_finish(w, &p->info);
}

/* ---- reading from memory -------------------------------------------------------------------------*/

struct kit_file {
    uint8_t *data;
    size_t size;
    struct hg_workspaces *work;
    struct hg_hwp_bytes bytes;
    uint64_t read; /* bytes, since the test has set it to 0 */
    unsigned calls;
};

static inline int kit_read(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    struct kit_file *f = ctx;
    size_t n = offset >= f->size ? 0 : HG_MIN(len, f->size - (size_t)offset);

    memcpy(buf, f->data + offset, n);
    f->read += n;
    f->calls++;
    *out_n = n;
    return 0;
}

/* Takes data, which is from malloc. */
static inline struct kit_file *kit_file_of(uint8_t *data, size_t size)
{
    struct kit_file *f = calloc(1, sizeof *f);

    cr_assert_not_null(f);
    f->data = data;
    f->size = size;
    f->bytes = (struct hg_hwp_bytes){ kit_read, f, size };
    OK(hg_workspaces_create(&f->work));
    return f;
}

static inline void kit_file_free(struct kit_file *f)
{
    hg_workspaces_destroy(f->work);
    free(f->data);
    free(f);
}

static inline struct hg_hwp_from kit_from(const struct kit_file *f)
{
    return (struct hg_hwp_from){ .id = KIT_ID, .work = f->work, .bytes = &f->bytes };
}

static inline struct hg_hwp *kit_open_file(const struct kit_file *f)
{
    struct hg_hwp_from from = kit_from(f);
    struct hg_hwp *h = NULL;

    OK(hg_hwp_open(&from, &h));
    return h;
}

/* Written on a simulated disk, and taken from there. */
static inline struct kit_file *kit_make(struct kit_plan *p)
{
    const struct hg_sim_options o = { .seed = 1, .no_trace = 1 };
    struct hg_sim *sim = NULL;
    uint64_t size = 0;
    uint8_t *copy;
    const uint8_t *data;

    OK(hg_sim_create(&o, &sim));
    OK(hg_sim_run(sim, kit_write_segment, p));
    data = hg_sim_file_data(sim, KIT_TMP, &size);
    cr_assert_not_null(data);
    cr_assert_eq(size, p->info.size);
    copy = malloc(size);
    cr_assert_not_null(copy);
    memcpy(copy, data, size);
    hg_sim_destroy(sim);
    return kit_file_of(copy, size);
}

/* ---- values --------------------------------------------------------------------------------------*/

struct kit_value {
    uint64_t birth;
    unsigned rank; /* 99: bytes */
    uint64_t n[8];
    uint8_t size;
    uint8_t kind;
    enum kit_fill fill;
    uint8_t *raw;
    uint64_t len;
};

static inline struct hg_hwp_array kit_array_of(const struct kit_value *v, uint64_t id)
{
    return (struct hg_hwp_array){ v->size, v->kind, v->rank, v->n, id };
}

/* Elements as the fill says; those of floats that are random bits have NaNs of all kinds. */
static inline void kit_fill_value(struct kit_value *v, uint64_t seed)
{
    uint64_t count = 1;

    for (unsigned i = 0; i < v->rank && v->rank != 99; i++)
        count *= v->n[i];
    if (v->rank == 99)
        count = v->n[0];
    v->len = count * v->size;
    v->raw = malloc(v->len + 1);
    cr_assert_not_null(v->raw);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t e = kit_value(v->fill, i, count, 8u * v->size, &seed);
        float f = (float)e / 3;
        double d = (double)e / 3;
        if (v->kind == HG_ELEMENT_FLOAT && v->size == 4 &&
            (v->fill == KIT_RAMP || v->fill == KIT_NOISE))
            memcpy(&e, &f, sizeof f);
        if (v->kind == HG_ELEMENT_FLOAT && v->size == 8 &&
            (v->fill == KIT_RAMP || v->fill == KIT_NOISE))
            memcpy(&e, &d, sizeof d);
        memcpy(v->raw + i * v->size, &e, v->size);
    }
}

static inline int kit_add(struct hg_hwp_writer *w, const struct kit_value *v, uint64_t id,
                          const struct hg_hwp_base *base)
{
    struct hg_hwp_array a = kit_array_of(v, id);

    return hg_hwp_add_value(w, v->birth, v->rank == 99 ? NULL : &a, v->raw, v->len, base);
}

/* All of it, byte for byte, into memory that ends where it ends. */
static inline void kit_has(struct hg_hwp *h, const struct kit_value *v,
                           const struct hg_hwp_bases *bases)
{
    const struct hg_hwp_value *it = hg_hwp_find(h, v->birth);
    uint8_t *out = malloc(v->len);

    cr_assert_not_null(it, "value %llu", (unsigned long long)v->birth);
    cr_assert_eq(it->len, v->len);
    OK(hg_hwp_read(h, it, 0, v->len, out, bases));
    cr_assert_arr_eq(out, v->raw, v->len, "value %llu: other bytes", (unsigned long long)v->birth);
    free(out);
}

#endif
