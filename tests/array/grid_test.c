/* Regions in parts of chunks, against one element at a time. */
#include "array/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"

static uint64_t state;

static uint64_t below(uint64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
}

static void seed(void)
{
    const char *s = getenv("HOLOG_TEST_SEED");

    state = s != NULL ? strtoull(s, NULL, 10) : 20261122;
    (void)fprintf(stderr, "HOLOG_TEST_SEED=%llu\n", (unsigned long long)state);
}

struct world {
    unsigned rank;
    uint64_t shape[HG_RANK_MAX];
    uint64_t chunk[HG_RANK_MAX];
    struct hg_region region;
};

static void make_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->rank = (unsigned)below(5);
    for (unsigned i = 0; i < w->rank; i++) {
        w->shape[i] = 1 + below(9);
        w->chunk[i] = 1 + below(5);
        w->region.start[i] = below(w->shape[i]);
        w->region.step[i] = 1 + (below(2) == 0 ? 0 : below(4));
        w->region.count[i] =
            1 + below((w->shape[i] - 1 - w->region.start[i]) / w->region.step[i] + 1);
        if (below(3) == 0) {
            w->region.start[i] = 0;
            w->region.step[i] = 1;
            w->region.count[i] = w->shape[i];
        }
    }
}

/* The next index below count, in C order. 0: that was the last. */
static int step(unsigned rank, const uint64_t *count, uint64_t *index)
{
    for (unsigned i = rank; i-- > 0;) {
        if (++index[i] < count[i])
            return 1;
        index[i] = 0;
    }
    return 0;
}

static uint64_t flat(unsigned rank, const uint64_t *shape, const uint64_t *index)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < rank; i++)
        at = at * shape[i] + index[i];
    return at;
}

static int covers_chunk(const struct world *w, const struct hg_part *p)
{
    for (unsigned i = 0; i < w->rank; i++) {
        uint64_t begin = p->chunk[i] * w->chunk[i];
        uint64_t end = begin + w->chunk[i] < w->shape[i] ? begin + w->chunk[i] : w->shape[i];
        for (uint64_t at = begin; at < end; at++) {
            uint64_t k = (at - w->region.start[i]) / w->region.step[i];
            if (at < w->region.start[i] || (at - w->region.start[i]) % w->region.step[i] != 0 ||
                k >= w->region.count[i])
                return 0;
        }
    }
    return 1;
}

Test(grid, each_element_of_a_region_is_in_one_part_of_its_chunk)
{
    seed();
    for (int round = 0; round < 20000; round++) {
        struct world w;
        struct hg_parts walk;
        uint8_t seen[10000] = { 0 };
        uint64_t total = 1;
        uint64_t found = 0;
        uint64_t last[HG_RANK_MAX] = { 0 };
        int parts = 0;
        make_world(&w);
        for (unsigned i = 0; i < w.rank; i++)
            total *= w.region.count[i];
        cr_assert_eq(hg_parts_begin(&walk, w.rank, w.shape, w.chunk, &w.region), HOLOG_OK);
        while (hg_parts_next(&walk)) {
            const struct hg_part *p = &walk.part;
            uint64_t k[HG_RANK_MAX] = { 0 };
            int order = 0;
            for (unsigned i = 0; i < w.rank && order == 0; i++)
                order = (p->chunk[i] > last[i]) - (p->chunk[i] < last[i]);
            cr_assert(order > 0 || parts == 0, "C order");
            memcpy(last, p->chunk, sizeof last);
            parts++;
            cr_assert_eq(p->whole, covers_chunk(&w, p), "round %d", round);
            do {
                uint64_t in_region[HG_RANK_MAX];
                for (unsigned i = 0; i < w.rank; i++) {
                    uint64_t at = w.region.start[i] + (p->first[i] + k[i]) * w.region.step[i];
                    in_region[i] = p->first[i] + k[i];
                    cr_assert_eq(at / w.chunk[i], p->chunk[i]);
                    cr_assert_eq(at % w.chunk[i], p->start[i] + k[i] * w.region.step[i]);
                }
                cr_assert_eq(seen[flat(w.rank, w.region.count, in_region)]++, 0);
                found++;
            } while (step(w.rank, p->count, k));
        }
        cr_assert_eq(found, total, "round %d", round);
        cr_assert_eq(hg_parts_next(&walk), 0, "it has ended");
    }
}

Test(grid, a_region_without_elements_has_no_parts)
{
    const uint64_t shape[2] = { 5, 0 };
    const uint64_t chunk[2] = { 2, 2 };
    struct hg_region r = { .start = { 5, 0 }, .count = { 0, 0 }, .step = { 1, 1 } };
    struct hg_parts w;

    cr_assert_eq(hg_parts_begin(&w, 2, shape, chunk, &r), HOLOG_OK);
    cr_assert_eq(hg_parts_next(&w), 0);
    r.start[0] = 1;
    r.count[0] = 3;
    cr_assert_eq(hg_parts_begin(&w, 2, shape, chunk, &r), HOLOG_OK);
    cr_assert_eq(hg_parts_next(&w), 0);
}

Test(grid, what_is_not_inside_the_shape_is_refused_and_says_where)
{
    const uint64_t shape[2] = { 10, HG_INDEX_MAX };
    const uint64_t chunk[2] = { 4, HG_INDEX_MAX };
    const struct {
        uint64_t start, count, step;
        int code;
    } cases[] = {
        { 0, 10, 1, HOLOG_OK },
        { 0, 11, 1, HOLOG_E_RANGE },
        { 9, 1, 1, HOLOG_OK },
        { 10, 1, 1, HOLOG_E_RANGE },
        { 10, 0, 1, HOLOG_OK },
        { 11, 0, 1, HOLOG_E_RANGE },
        { 0, 4, 3, HOLOG_OK },
        { 1, 4, 3, HOLOG_E_RANGE },
        { 9, 1, UINT64_MAX, HOLOG_OK },
        { 0, 2, 9, HOLOG_OK },
        { 0, 2, 10, HOLOG_E_RANGE },
        { 0, 2, UINT64_MAX, HOLOG_E_RANGE },
        { 5, UINT64_MAX, 1, HOLOG_E_RANGE },
        { UINT64_MAX, 1, 1, HOLOG_E_RANGE },
        { 0, 1, 0, HOLOG_E_INVAL },
    };
    struct holog_error_detail d;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hg_region r = { .start = { cases[i].start, 7 },
                               .count = { cases[i].count, 1 },
                               .step = { cases[i].step, 1 } };
        struct hg_parts w;
        cr_assert_eq(hg_parts_begin(&w, 2, shape, chunk, &r), cases[i].code, "case %zu", i);
        if (cases[i].code == HOLOG_OK)
            continue;
        hg_error_get(&d);
        cr_assert_not_null(strstr(d.message, "axis 0"), "%s", d.message);
    }
}

Test(grid, elements_move_between_any_strides)
{
    static uint8_t from[100000];
    static uint8_t to[100000];
    static uint8_t want[100000];
    static const size_t sizes[] = { 1, 2, 3, 4, 8, 16 };

    seed();
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)below(256);
    for (int round = 0; round < 3000; round++) {
        size_t size = sizes[below(sizeof sizes / sizeof sizes[0])];
        unsigned rank = (unsigned)below(5);
        uint64_t count[HG_RANK_MAX] = { 0 };
        uint64_t held[2][HG_RANK_MAX] = { { 0 } }; /* what the elements are cut out of */
        int64_t stride[2][HG_RANK_MAX];
        size_t base[2] = { 0, 0 };
        uint64_t k[HG_RANK_MAX] = { 0 };
        for (unsigned i = 0; i < rank; i++) {
            count[i] = below(12) == 0 ? 0 : 1 + below(5);
            held[0][i] = count[i] + (below(2) == 0 ? 0 : below(3));
            held[1][i] = count[i] + (below(2) == 0 ? 0 : below(3));
        }
        for (int side = 0; side < 2; side++) {
            hg_strides_of(rank, held[side], size, stride[side]);
            for (unsigned i = 0; i < rank; i++) {
                if (below(4) == 0 && count[i] > 0) { /* from its end */
                    base[side] += (size_t)((int64_t)(count[i] - 1) * stride[side][i]);
                    stride[side][i] = -stride[side][i];
                }
            }
        }
        int any = 1;
        for (unsigned i = 0; i < rank; i++)
            any = any && count[i] > 0;
        memset(to, 0x55, sizeof to);
        memset(want, 0x55, sizeof want);
        if (any) {
            do {
                int64_t a = (int64_t)base[0];
                int64_t b = (int64_t)base[1];
                for (unsigned i = 0; i < rank; i++) {
                    a += (int64_t)k[i] * stride[0][i];
                    b += (int64_t)k[i] * stride[1][i];
                }
                memcpy(want + a, from + b, size);
            } while (step(rank, count, k));
        }
        hg_copy_strided(rank, count, size, to + base[0], stride[0], from + base[1], stride[1]);
        cr_assert_eq(memcmp(to, want, sizeof to), 0, "round %d", round);
    }
}

Test(grid, a_fill_value_goes_where_the_strides_say_and_nowhere_else)
{
    const uint8_t element[3] = { 1, 2, 3 };
    const uint64_t count[3] = { 2, 3, 4 };
    const int64_t strides[4][3] = {
        { 36, 12, 3 },
        { 40, 13, 3 },
        { 72, 24, 6 },
        { -36, 12, 3 },
    };

    for (int k = 0; k < 4; k++) {
        uint8_t filled[160] = { 0 };
        uint8_t copied[160] = { 0 };
        static const int64_t still[3];
        size_t at = strides[k][0] < 0 ? 36 : 0;
        hg_fill_strided(3, count, 3, filled + at, strides[k], element);
        hg_copy_strided(3, count, 3, copied + at, strides[k], element, still);
        cr_assert_eq(memcmp(filled, copied, sizeof filled), 0, "strides %d", k);
    }
}
