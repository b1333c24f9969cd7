/* Values come back, whole and in parts. */
#include "kit.h"

#define MANY 1200

struct list {
    struct kit_value *v;
    size_t count;
};

static struct kit_value *add(struct list *l, uint8_t size, uint8_t kind, enum kit_fill fill,
                             unsigned rank, const uint64_t *n)
{
    struct kit_value *v = &l->v[l->count];

    cr_assert_lt(l->count, MANY);
    *v = (struct kit_value){
        .birth = 1000 + 7 * l->count, .rank = rank, .size = size, .kind = kind, .fill = fill
    };
    memcpy(v->n, n, (rank == 99 ? 1 : rank) * sizeof n[0]);
    kit_fill_value(v, l->count);
    l->count++;
    return v;
}

static struct list make_list(void)
{
    return (struct list){ calloc(MANY, sizeof(struct kit_value)), 0 };
}

static void free_list(struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->v[i].raw);
    free(l->v);
}

static int fill_list(struct hg_hwp_writer *w, void *ctx)
{
    const struct list *l = ctx;
    int rc = 0;

    for (size_t i = l->count; rc == 0 && i-- > 0;) /* in any order */
        rc = kit_add(w, &l->v[i], l->v[i].size, NULL);
    return rc;
}

static const uint8_t elements[][2] = {
    { 1, HG_ELEMENT_UNSIGNED }, { 1, HG_ELEMENT_SIGNED }, { 2, HG_ELEMENT_UNSIGNED },
    { 2, HG_ELEMENT_SIGNED },   { 2, HG_ELEMENT_FLOAT },  { 4, HG_ELEMENT_UNSIGNED },
    { 4, HG_ELEMENT_SIGNED },   { 4, HG_ELEMENT_FLOAT },  { 8, HG_ELEMENT_UNSIGNED },
    { 8, HG_ELEMENT_SIGNED },   { 8, HG_ELEMENT_FLOAT },
};
#define ELEMENTS (sizeof elements / sizeof elements[0])

/* Every element, fills of all kinds, axes of 1 to 67, none to six of them. */
static void small_shapes(struct list *l)
{
    uint64_t seed = 3;

    for (size_t e = 0; e < ELEMENTS; e++)
        for (unsigned fill = 0; fill < KIT_FILLS; fill++)
            for (unsigned rank = 0; rank <= 6; rank++) {
                uint64_t n[6];
                for (unsigned i = 0; i < 6; i++)
                    n[i] = rank > 2 ? 1 + kit_random(&seed) % (rank > 4 ? 5 : 13)
                                    : 1 + kit_random(&seed) % 67;
                (void)add(l, elements[e][0], elements[e][1], (enum kit_fill)fill, rank, n);
            }
}

/* Several tiles, ragged at the far edges; several groups. */
static void large_shapes(struct list *l)
{
    static const uint64_t shapes[][5] = {
        { 2, 300, 513 },      { 2, 257, 256 },    { 2, 1, 70001 },
        { 2, 66000, 3 },      { 3, 3, 300, 260 }, { 3, 300, 70, 11 },
        { 4, 2, 70, 80, 90 }, { 1, 300001 },      { 4, 5, 1, 259, 270 },
    };

    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (size_t e = s % 2; e < ELEMENTS; e += 2)
            (void)add(l, elements[e][0], elements[e][1], (enum kit_fill)((s + e) % KIT_FILLS),
                      (unsigned)shapes[s][0], shapes[s] + 1);
    (void)add(l, 2, HG_ELEMENT_UNSIGNED, KIT_NOISE, 2, (const uint64_t[]){ 2500, 2100 });
    (void)add(l, 1, HG_ELEMENT_UNSIGNED, KIT_NOISE, 99, (const uint64_t[]){ 9000001 });
    (void)add(l, 1, HG_ELEMENT_UNSIGNED, KIT_STEPS, 99, (const uint64_t[]){ 1 });
    (void)add(l, 1, HG_ELEMENT_UNSIGNED, KIT_RANDOM, 99, (const uint64_t[]){ 262144 });
    (void)add(l, 1, HG_ELEMENT_UNSIGNED, KIT_RANDOM, 99, (const uint64_t[]){ 0 });
}

static void come_back(struct list *l, enum hg_profile profile)
{
    struct kit_plan p = { .profile = profile, .fill = fill_list, .ctx = l };
    struct kit_file *f = kit_make(&p);
    struct hg_hwp *h = kit_open_file(f);
    struct hg_hwp_verify how = { 0 };

    cr_assert_eq(p.info.count[HG_HWP_VALUES], l->count);
    for (size_t i = 0; i < l->count; i++)
        kit_has(h, &l->v[i], NULL);
    cr_assert_null(hg_hwp_find(h, 999));
    cr_assert_null(hg_hwp_find(h, 1001));
    OK(hg_hwp_verify(h, &how));
    hg_hwp_close(h);
    kit_file_free(f);
}

Test(hwp_values, of_every_element_and_shape_come_back_by_fast)
{
    struct list l = make_list();

    small_shapes(&l);
    large_shapes(&l);
    come_back(&l, HG_PROFILE_FAST);
    free_list(&l);
}

Test(hwp_values, of_every_element_and_shape_come_back_by_default)
{
    struct list l = make_list();

    small_shapes(&l);
    large_shapes(&l);
    come_back(&l, HG_PROFILE_DEFAULT);
    free_list(&l);
}

Test(hwp_values, of_every_element_and_shape_come_back_by_archive)
{
    struct list l = make_list();

    small_shapes(&l);
    come_back(&l, HG_PROFILE_ARCHIVE);
    free_list(&l);
}

/* ---- parts ---------------------------------------------------------------------------------------*/

static void random_ranges(struct hg_hwp *h, const struct kit_value *v, uint64_t *seed)
{
    const struct hg_hwp_value *it = hg_hwp_find(h, v->birth);

    for (int i = 0; i < 40 && v->len > 0; i++) {
        uint64_t from = kit_random(seed) % v->len;
        uint64_t most = i % 3 == 0 ? v->len - from : HG_MIN(v->len - from, 5000);
        uint64_t n = kit_random(seed) % (most + 1);
        uint8_t *out = malloc(n + 1);
        out[n] = 0xAB;
        OK(hg_hwp_read(h, it, from, from + n, out, NULL));
        cr_assert_eq(memcmp(out, v->raw + from, n), 0, "bytes %llu to %llu of %llu",
                     (unsigned long long)from, (unsigned long long)(from + n),
                     (unsigned long long)v->birth);
        cr_assert_eq(out[n], 0xAB);
        free(out);
    }
}

static void random_box(const struct hg_hwp_tiling *t, uint64_t *seed, struct hg_hwp_box *out)
{
    for (unsigned i = 0; i < HG_HWP_RANK; i++) {
        out->lo[i] = kit_random(seed) % t->n[i];
        out->n[i] = 1 + kit_random(seed) % (t->n[i] - out->lo[i]);
        if (kit_random(seed) % 3 == 0)
            out->n[i] = HG_MIN(out->n[i], 7);
    }
}

static void random_boxes(struct hg_hwp *h, const struct kit_value *v, uint64_t *seed)
{
    const struct hg_hwp_value *it = hg_hwp_find(h, v->birth);
    struct hg_hwp_tiling t;
    struct hg_hwp_box whole = { { 0 }, { 0 } };

    hg_hwp_tile(&it->shape, &t);
    memcpy(whole.n, t.n, sizeof t.n);
    for (int i = 0; i < 12 && v->len > 0; i++) {
        struct hg_hwp_box b;
        random_box(&t, seed, &b);
        uint64_t bytes = hg_hwp_box_bytes(&b, v->size);
        uint8_t *out = malloc(bytes);
        uint8_t *expected = malloc(bytes);
        OK(hg_hwp_region(h, it, &b, 0, out, NULL));
        hg_hwp_copy(&b, v->size, &whole, v->raw, &b, expected);
        cr_assert_eq(memcmp(out, expected, bytes), 0, "value %llu", (unsigned long long)v->birth);
        free(out);
        free(expected);
    }
}

Test(hwp_values, ranges_and_boxes_are_what_is_there)
{
    struct list l = make_list();
    uint64_t seed = 77;

    large_shapes(&l);
    struct kit_plan p = { .profile = HG_PROFILE_DEFAULT, .fill = fill_list, .ctx = &l };
    struct kit_file *f = kit_make(&p);
    struct hg_hwp *h = kit_open_file(f);
    for (size_t i = 0; i < l.count; i++) {
        random_ranges(h, &l.v[i], &seed);
        random_boxes(h, &l.v[i], &seed);
    }
    hg_hwp_close(h);
    kit_file_free(f);
    free_list(&l);
}

Test(hwp_values, what_lies_outside_is_refused)
{
    struct list l = make_list();
    struct hg_hwp_box b = { { 0, 0, 0, 1 }, { 1, 1, 30, 40 } };
    uint8_t out[4];

    (void)add(&l, 2, HG_ELEMENT_UNSIGNED, KIT_NOISE, 2, (const uint64_t[]){ 30, 40 });
    (void)add(&l, 1, HG_ELEMENT_UNSIGNED, KIT_NOISE, 99, (const uint64_t[]){ 100 });
    struct kit_plan p = { .fill = fill_list, .ctx = &l };
    struct kit_file *f = kit_make(&p);
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_value *v = hg_hwp_find(h, 1000);
    const struct hg_hwp_value *bytes = hg_hwp_find(h, 1007);
    cr_assert_eq(hg_hwp_read(h, v, 0, 2401, out, NULL), HOLOG_E_INVAL);
    cr_assert_eq(hg_hwp_read(h, v, 3, 2, out, NULL), HOLOG_E_INVAL);
    OK(hg_hwp_read(h, v, 2400, 2400, out, NULL));
    cr_assert_eq(hg_hwp_region(h, v, &b, 0, out, NULL), HOLOG_E_INVAL);
    b.lo[3] = 0;
    cr_assert_eq(hg_hwp_region(h, v, &b, 1, out, NULL), HOLOG_E_INVAL);
    cr_assert_eq(hg_hwp_region(h, v, &b, 8, out, NULL), HOLOG_E_INVAL);
    b = (struct hg_hwp_box){ { 0 }, { 1, 1, 1, 1 } };
    cr_assert_eq(hg_hwp_region(h, bytes, &b, 1, out, NULL), HOLOG_E_NOTSUP);
    hg_hwp_close(h);
    kit_file_free(f);
    free_list(&l);
}

/* ---- previews ------------------------------------------------------------------------------------*/

/* The mean of the elements that one of a preview stands for. */
static double mean_of(const struct kit_value *v, uint64_t y, uint64_t x, unsigned h)
{
    double sum = 0;
    double count = 0;

    for (uint64_t i = y << h; i < HG_MIN((y + 1) << h, v->n[0]); i++)
        for (uint64_t j = x << h; j < HG_MIN((x + 1) << h, v->n[1]); j++, count++) {
            uint16_t e;
            memcpy(&e, v->raw + (i * v->n[1] + j) * 2, 2);
            sum += e;
        }
    return sum / count;
}

static void preview_is_of_means(struct hg_hwp *h, const struct kit_value *v, unsigned halvings)
{
    const struct hg_hwp_value *it = hg_hwp_find(h, v->birth);
    struct hg_hwp_shape s;

    OK(hg_hwp_preview_shape(it, halvings, &s));
    struct hg_hwp_box b = { { 0 }, { 1, 1, s.n[0], s.n[1] } };
    uint16_t *out = malloc(s.n[0] * s.n[1] * 2);
    OK(hg_hwp_region(h, it, &b, halvings, out, NULL));
    for (uint64_t y = 0; y < s.n[0]; y++)
        for (uint64_t x = 0; x < s.n[1]; x++) {
            double off = out[y * s.n[1] + x] - mean_of(v, y, x, halvings);
            cr_assert(off >= -16 && off <= 16, "1/%u at %llu, %llu: %f away", 1u << halvings,
                      (unsigned long long)y, (unsigned long long)x, off);
        }
    free(out);
}

/* Tiles that are lifted, tiles of one element, tiles of steps that are not, in one value. */
static void mix(struct kit_value *v)
{
    for (uint64_t y = 0; y < v->n[0]; y++)
        for (uint64_t x = 0; x < v->n[1]; x++) {
            uint16_t e = (uint16_t)(x < 256 ? 500 : y / 64 % 2 * 9 + 40);
            if (x < 512 && x >= 256 && y > 255)
                memcpy(v->raw + (y * v->n[1] + x) * 2, &e, 2);
            if (x < 256)
                memcpy(v->raw + (y * v->n[1] + x) * 2, &e, 2);
        }
}

Test(hwp_values, previews_are_means_whatever_the_tiles_are)
{
    struct list l = make_list();
    struct kit_value *v =
        add(&l, 2, HG_ELEMENT_UNSIGNED, KIT_NOISE, 2, (const uint64_t[]){ 611, 903 });

    for (uint64_t i = 0; i < v->len / 2; i++) { /* a slope that does not wrap */
        uint16_t e;
        memcpy(&e, v->raw + 2 * i, 2);
        e = (uint16_t)(e % 16 + i % 903 / 4 + i / 903);
        memcpy(v->raw + 2 * i, &e, 2);
    }
    mix(v);
    for (unsigned profile = 0; profile < HG_PROFILES; profile++) {
        struct kit_plan p = { .profile = (enum hg_profile)profile, .fill = fill_list, .ctx = &l };
        struct kit_file *f = kit_make(&p);
        struct hg_hwp *h = kit_open_file(f);
        for (unsigned halvings = 0; halvings <= HG_HWP_HALVINGS; halvings++)
            preview_is_of_means(h, v, halvings);
        hg_hwp_close(h);
        kit_file_free(f);
    }
    free_list(&l);
}

/* Of every element and shape a preview lies between the least and the greatest, and a box of it is the same as in all
 * of it. */
Test(hwp_values, a_box_of_a_preview_is_cut_out_of_it)
{
    struct list l = make_list();
    uint64_t seed = 5;

    large_shapes(&l);
    struct kit_plan p = { .profile = HG_PROFILE_DEFAULT, .fill = fill_list, .ctx = &l };
    struct kit_file *f = kit_make(&p);
    struct hg_hwp *h = kit_open_file(f);
    for (size_t i = 0; i < l.count; i++) {
        const struct hg_hwp_value *it = hg_hwp_find(h, l.v[i].birth);
        unsigned halvings = 1 + (unsigned)i % 3;
        struct hg_hwp_shape s;
        struct hg_hwp_tiling t;
        struct hg_hwp_box whole = { { 0 }, { 0 } };
        struct hg_hwp_box b;
        if (l.v[i].rank == 99)
            continue;
        OK(hg_hwp_preview_shape(it, halvings, &s));
        hg_hwp_tile(&s, &t);
        memcpy(whole.n, t.n, sizeof t.n);
        uint8_t *all = malloc(hg_hwp_shape_bytes(&s));
        OK(hg_hwp_region(h, it, &whole, halvings, all, NULL));
        random_box(&t, &seed, &b);
        uint64_t bytes = hg_hwp_box_bytes(&b, s.size);
        uint8_t *out = malloc(bytes);
        uint8_t *expected = malloc(bytes);
        OK(hg_hwp_region(h, it, &b, halvings, out, NULL));
        hg_hwp_copy(&b, s.size, &whole, all, &b, expected);
        cr_assert_eq(memcmp(out, expected, bytes), 0, "value %zu", i);
        free(all);
        free(out);
        free(expected);
    }
    hg_hwp_close(h);
    kit_file_free(f);
    free_list(&l);
}
