/* Values that refer to others, pages of segments that are gone, and the files around them. */
#include <pthread.h>

#include "kit.h"

#define SIDE 600u

static uint64_t axes[2] = { SIDE, SIDE };

/* Two images; the second is the first, changed in a few places. */
struct pair {
    struct kit_value v[3];
    uint64_t base; /* what the writer is told that the second is a difference from */
    int has_base;  /* that is in the segment */
};

static void make_pair(struct pair *p, uint8_t size, uint8_t kind)
{
    uint64_t seed = 9;

    *p = (struct pair){ .base = 100, .has_base = 1 };
    for (unsigned i = 0; i < 3; i++) {
        p->v[i] = (struct kit_value){ .birth = 100 + 100 * i,
                                      .rank = 2,
                                      .n = { axes[0], axes[1] },
                                      .size = size,
                                      .kind = kind,
                                      .fill = KIT_NOISE };
        kit_fill_value(&p->v[i], 5);
    }
    for (unsigned i = 0; i < 500; i++)
        p->v[1].raw[kit_random(&seed) % p->v[1].len] ^= (uint8_t)kit_random(&seed);
    memset(p->v[2].raw + 40, 0x5A, p->v[2].len / 2);
}

static void free_pair(struct pair *p)
{
    for (unsigned i = 0; i < 3; i++)
        free(p->v[i].raw);
}

static int fill_pair(struct hg_hwp_writer *w, void *ctx)
{
    const struct pair *p = ctx;
    const struct hg_hwp_base base = { p->base, p->v[0].raw };
    int rc = kit_add(w, &p->v[1], 1, &base);

    if (rc == HOLOG_OK)
        rc = hg_hwp_add_same(w, 250, 200);
    if (rc == HOLOG_OK && p->has_base)
        rc = kit_add(w, &p->v[0], 1, NULL);
    if (rc == HOLOG_OK)
        rc = kit_add(w, &p->v[2], 1, &base);
    return rc;
}

static void pair_comes_back(struct hg_hwp *h, struct pair *p, const struct hg_hwp_bases *bases)
{
    struct kit_value same = p->v[1];
    struct hg_hwp_verify how = { .bases = bases };
    uint8_t row[64];

    same.birth = 250;
    kit_has(h, &p->v[1], bases);
    kit_has(h, &p->v[2], bases);
    kit_has(h, &same, bases);
    if (p->has_base)
        kit_has(h, &p->v[0], NULL);
    OK(hg_hwp_read(h, hg_hwp_find(h, 200), 3001, 3065, row, bases));
    cr_assert_arr_eq(row, p->v[1].raw + 3001, 64);
    OK(hg_hwp_verify(h, &how));
}

static uint64_t stored_of(struct hg_hwp *h, uint64_t birth)
{
    const struct hg_hwp_value *v = hg_hwp_find(h, birth);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < v->groups; i++)
        sum += hg_hwp_group_stored(&hg_hwp_tables(h)->group[v->group + i]);
    return sum;
}

static const uint8_t elements[][2] = {
    { 1, HG_ELEMENT_UNSIGNED }, { 2, HG_ELEMENT_UNSIGNED }, { 2, HG_ELEMENT_FLOAT },
    { 4, HG_ELEMENT_FLOAT },    { 4, HG_ELEMENT_SIGNED },   { 8, HG_ELEMENT_FLOAT },
};

Test(hwp_links, differences_and_the_same_bytes_come_back_and_take_little)
{
    for (size_t e = 0; e < sizeof elements / sizeof elements[0]; e++) {
        struct pair p;
        make_pair(&p, elements[e][0], elements[e][1]);
        struct kit_plan plan = { .profile = HG_PROFILE_DEFAULT, .fill = fill_pair, .ctx = &p };
        struct kit_file *f = kit_make(&plan);
        struct hg_hwp *h = kit_open_file(f);
        pair_comes_back(h, &p, NULL);
        cr_assert_eq(hg_hwp_find(h, 200)->flags, HG_HWP_DIFFERENCE | HG_HWP_ARRAY);
        cr_assert_eq(hg_hwp_find(h, 250)->flags, HG_HWP_SAME | HG_HWP_ARRAY);
        cr_assert_lt(stored_of(h, 200), stored_of(h, 100) / 8, "size %u: %llu of %llu",
                     elements[e][0], (unsigned long long)stored_of(h, 200),
                     (unsigned long long)stored_of(h, 100));
        cr_assert_eq(stored_of(h, 250), 0);
        hg_hwp_close(h);
        kit_file_free(f);
        free_pair(&p);
    }
}

static int read_base(void *ctx, uint64_t birth, const struct hg_hwp_shape *shape,
                     const struct hg_hwp_box *box, void *out)
{
    const struct pair *p = ctx;
    struct hg_hwp_box whole = { { 0 }, { 1, 1, SIDE, SIDE } };

    cr_assert_eq(birth, 7777);
    hg_hwp_copy(box, shape->size, &whole, p->v[0].raw, box, out);
    return 0;
}

Test(hwp_links, a_base_may_be_elsewhere)
{
    struct pair p;

    make_pair(&p, 2, HG_ELEMENT_UNSIGNED);
    p.base = 7777;
    p.has_base = 0;
    struct kit_plan plan = { .profile = HG_PROFILE_DEFAULT, .fill = fill_pair, .ctx = &p };
    struct kit_file *f = kit_make(&plan);
    struct hg_hwp *h = kit_open_file(f);
    struct hg_hwp_bases bases = { .ctx = &p, .read = read_base };
    struct hg_hwp_verify how = { 0 };
    uint8_t out[100];
    pair_comes_back(h, &p, &bases);
    cr_assert_eq(hg_hwp_read(h, hg_hwp_find(h, 200), 0, 100, out, NULL), HOLOG_E_INVAL);
    OK(hg_hwp_verify(h, &how)); /* hashes of parts alone */
    p.v[0].raw[1] ^= 1;         /* not what it was */
    cr_assert_eq(hg_hwp_read(h, hg_hwp_find(h, 200), 0, 100, out, &bases), HOLOG_E_CORRUPT);
    hg_hwp_close(h);
    kit_file_free(f);
    free_pair(&p);
}

/* ---- what cannot be ------------------------------------------------------------------------------*/

static const uint8_t some[300] = { 1, 2, 3 };

static int same_of_nothing(struct hg_hwp_writer *w, void *ctx)
{
    (void)ctx;
    return hg_hwp_add_same(w, 5, 6);
}

static int same_of_same(struct hg_hwp_writer *w, void *ctx)
{
    int rc = hg_hwp_add_value(w, 5, NULL, some, 300, NULL);

    (void)ctx;
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_same(w, 6, 5);
    return rc < 0 ? rc : hg_hwp_add_same(w, 7, 6);
}

static int same_of_itself(struct hg_hwp_writer *w, void *ctx)
{
    (void)ctx;
    return hg_hwp_add_same(w, 5, 5);
}

static int twice(struct hg_hwp_writer *w, void *ctx)
{
    int rc = hg_hwp_add_value(w, 5, NULL, some, 300, NULL);

    (void)ctx;
    return rc < 0 ? rc : hg_hwp_add_value(w, 5, NULL, some, 200, NULL);
}

static int two_hops(struct hg_hwp_writer *w, void *ctx)
{
    static uint8_t v[3][100000];
    uint64_t seed = 1;
    const struct hg_hwp_base first = { 1, v[0] };
    const struct hg_hwp_base second = { 2, v[1] };
    int rc;

    (void)ctx;
    for (size_t i = 0; i < sizeof v[0]; i++)
        v[0][i] = (uint8_t)kit_random(&seed);
    memcpy(v[1], v[0], sizeof v[0]);
    memcpy(v[2], v[0], sizeof v[0]);
    v[1][5]++;
    v[2][6]++;
    rc = hg_hwp_add_value(w, 1, NULL, v[0], sizeof v[0], NULL);
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_value(w, 2, NULL, v[1], sizeof v[1], &first);
    return rc < 0 ? rc : hg_hwp_add_value(w, 3, NULL, v[2], sizeof v[2], &second);
}

static int other_shape(struct hg_hwp_writer *w, void *ctx)
{
    const uint64_t n[] = { 10, 31 };
    const struct hg_hwp_array a = { 1, HG_ELEMENT_UNSIGNED, 2, n, 0 };

    (void)ctx;
    return hg_hwp_add_value(w, 1, &a, some, 300, NULL);
}

static int complex_elements(struct hg_hwp_writer *w, void *ctx)
{
    const uint64_t n[] = { 10 };
    const struct hg_hwp_array a = { 16, HG_ELEMENT_FLOAT, 1, n, 0 };

    (void)ctx;
    return hg_hwp_add_value(w, 1, &a, some, 160, NULL);
}

static int page_behind(struct hg_hwp_writer *w, void *ctx)
{
    const struct hg_hwp_run run = { 0, 10, some };
    int rc = hg_hwp_add_page(w, 4, 2, &run, 1);

    (void)ctx;
    return rc < 0 ? rc : hg_hwp_add_page(w, 4, 1, &run, 1);
}

static int runs_that_touch(struct hg_hwp_writer *w, void *ctx)
{
    const struct hg_hwp_run runs[] = { { 0, 10, some }, { 10, 5, some } };

    (void)ctx;
    return hg_hwp_add_page(w, 4, 1, runs, 2);
}

static int run_past_the_page(struct hg_hwp_writer *w, void *ctx)
{
    const struct hg_hwp_run run = { 65530, 7, some };

    (void)ctx;
    return hg_hwp_add_page(w, 4, 1, &run, 1);
}

static int source_twice(struct hg_hwp_writer *w, void *ctx)
{
    const struct hg_hwp_source s = { 3, HG_KIND_EXTENTS, 77 };
    int rc = hg_hwp_add_source(w, &s);

    (void)ctx;
    return rc < 0 ? rc : hg_hwp_add_source(w, &s);
}

static int exists(struct hg_io *io, void *ctx)
{
    int is_there = 0;
    int rc = io->ops->exists(io, KIT_TMP, &is_there);

    (void)ctx;
    return rc < 0 ? rc : is_there;
}

static void refuses(int (*fill)(struct hg_hwp_writer *w, void *ctx), uint64_t capacity, int code)
{
    const struct hg_sim_options o = { .seed = 1 };
    struct kit_plan p = { .fill = fill, .capacity = capacity };
    struct hg_sim *sim = NULL;

    OK(hg_sim_create(&o, &sim));
    cr_assert_eq(hg_sim_run(sim, kit_write_segment, &p), code);
    cr_assert_eq(hg_sim_run(sim, exists, NULL), 0, "a file is left");
    hg_sim_destroy(sim);
}

Test(hwp_links, what_no_reader_could_take_is_not_written)
{
    int (*const wrong[])(struct hg_hwp_writer * w, void *ctx) = {
        same_of_nothing, same_of_same,      same_of_itself,   twice,
        two_hops,        other_shape,       page_behind,      runs_that_touch,
        source_twice,    run_past_the_page, complex_elements,
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refuses(wrong[i], 0, HOLOG_E_INVAL);
}

static int fill_noise(struct hg_hwp_writer *w, void *ctx)
{
    static uint8_t noise[100000];
    uint64_t seed = 1;

    (void)ctx;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)kit_random(&seed);
    return hg_hwp_add_value(w, 1, NULL, noise, sizeof noise, NULL);
}

Test(hwp_links, a_segment_keeps_to_its_capacity)
{
    struct kit_plan p = { .fill = fill_noise };
    struct kit_file *f = kit_make(&p);

    refuses(fill_noise, f->size - 4096, HOLOG_E_TOOBIG);
    refuses(fill_noise, 8192, HOLOG_E_TOOBIG);
    p.capacity = f->size;
    struct kit_file *fits = kit_make(&p);
    cr_assert_eq(fits->size, f->size);
    kit_file_free(fits);
    kit_file_free(f);
}

/* ---- pages ---------------------------------------------------------------------------------------*/

#define PAGES 90u

struct segment {
    uint8_t page[PAGES][HG_HWP_PAGE]; /* zeros where nothing lives */
    struct hg_hwp_run *run[PAGES];
    size_t runs[PAGES];
};

static void make_page(struct segment *s, unsigned i, uint64_t *seed)
{
    uint32_t at = (uint32_t)(kit_random(seed) % 3 * 100);

    s->run[i] = calloc(HG_HWP_PAGE / 2 + 1, sizeof *s->run[i]);
    while (at < HG_HWP_PAGE) {
        uint32_t len = i == 7 ? 1 : 1 + (uint32_t)(kit_random(seed) % 900);
        struct hg_hwp_run *r = &s->run[i][s->runs[i]++];
        len = i == 8 ? HG_HWP_PAGE - at : HG_MIN(len, HG_HWP_PAGE - at);
        *r = (struct hg_hwp_run){ at, len, s->page[i] + at };
        for (uint32_t b = 0; b < len; b++)
            s->page[i][at + b] = (uint8_t)(i % 5 == 0 ? kit_random(seed) : 3 + b % 11);
        at += len + (i == 7 ? 1 : 1 + (uint32_t)(kit_random(seed) % (i * 40 + 1)));
    }
}

static int fill_pages(struct hg_hwp_writer *w, void *ctx)
{
    const struct segment *s = ctx;
    const struct hg_hwp_source sources[] = { { 5, HG_KIND_FRAMES, 50 },
                                             { 3, HG_KIND_EXTENTS, 30 } };
    int rc = HOLOG_OK;

    for (unsigned i = 0; rc == HOLOG_OK && i < PAGES; i++) {
        rc = hg_hwp_add_page(w, 3 + i / 40, 2 * i, s->run[i], s->runs[i]);
        if (rc == HOLOG_OK && i % 10 == 9) /* values between, in the same pool's time */
            rc = hg_hwp_add_value(w, 100 + i, NULL, s->page[i], HG_HWP_PAGE, NULL);
    }
    for (unsigned i = 0; rc == HOLOG_OK && i < 2; i++)
        rc = hg_hwp_add_source(w, &sources[i]);
    return rc;
}

static void pages_are_there(struct hg_hwp *h, const struct segment *s)
{
    static uint8_t out[HG_HWP_PAGE];

    for (unsigned i = 0; i < PAGES; i++) {
        const struct hg_hwp_page *p = hg_hwp_find_page(h, 3 + i / 40, 2 * i);
        cr_assert_not_null(p);
        memset(out, 0xCC, sizeof out);
        OK(hg_hwp_read_page(h, p, out));
        cr_assert_arr_eq(out, s->page[i], HG_HWP_PAGE, "page %u", i);
        cr_assert_null(hg_hwp_find_page(h, 3 + i / 40, 2 * i + 1));
    }
    for (unsigned i = 9; i < PAGES; i += 10) {
        OK(hg_hwp_read(h, hg_hwp_find(h, 100 + i), 0, HG_HWP_PAGE, out, NULL));
        cr_assert_arr_eq(out, s->page[i], HG_HWP_PAGE);
    }
}

Test(hwp_links, pages_hold_what_lived_where_it_was)
{
    struct segment *s = calloc(1, sizeof *s);
    uint64_t seed = 4;

    for (unsigned i = 0; i < PAGES; i++)
        make_page(s, i, &seed);
    struct kit_plan plan = { .profile = HG_PROFILE_DEFAULT, .fill = fill_pages, .ctx = s };
    struct kit_file *f = kit_make(&plan);
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_tables *t = hg_hwp_tables(h);
    struct hg_hwp_verify how = { 0 };
    pages_are_there(h, s);
    cr_assert_eq(t->count[HG_HWP_PAGES], PAGES);
    cr_assert_eq(t->count[HG_HWP_SOURCES], 2);
    cr_assert_eq(t->source[0].id, 3);
    cr_assert_eq(t->source[1].epoch, 50);
    OK(hg_hwp_verify(h, &how));
    hg_hwp_close(h);
    kit_file_free(f);
    for (unsigned i = 0; i < PAGES; i++)
        free(s->run[i]);
    free(s);
}

/* ---- files ---------------------------------------------------------------------------------------*/

struct names {
    struct kit_plan plan;
    struct pair *pair;
    int direct;
};

static int write_verify_rename_read(struct hg_io *io, void *ctx)
{
    struct names *n = ctx;
    struct hg_segment_header header = kit_header();
    struct hg_hwp_from from = { .id = KIT_ID, .uuid = header.uuid, .salt = header.salt, .io = io };
    struct hg_hwp_verify how = { 0 };
    struct hg_files *files = NULL;
    struct hg_hwp *h = NULL;

    OK(kit_write_segment(io, &n->plan));
    OK(hg_workspaces_create(&from.work));
    OK(hg_hwp_open(&from, &h));
    OK(hg_hwp_verify(h, &how));
    hg_hwp_close(h);
    OK(io->ops->rename(io, KIT_TMP, KIT_NAME));
    OK(hg_files_create(io, n->direct, &files));
    from.io = NULL;
    from.files = files;
    OK(hg_hwp_open(&from, &h));
    pair_comes_back(h, n->pair, NULL);
    hg_hwp_close(h);
    from.salt++;
    cr_assert_eq(hg_hwp_open(&from, &h), HOLOG_E_CORRUPT);
    from.salt--;
    from.id++;
    cr_assert_eq(hg_hwp_open(&from, &h), HOLOG_E_STALE);
    hg_workspaces_destroy(from.work);
    hg_files_destroy(files);
    return 0;
}

Test(hwp_links, a_segment_is_verified_as_a_tmp_and_read_by_its_name)
{
    for (int direct = 0; direct < 2; direct++) {
        const struct hg_sim_options o = { .seed = 1 };
        struct pair p;
        struct names n = { .pair = &p, .direct = direct };
        struct hg_sim *sim = NULL;
        make_pair(&p, 2, HG_ELEMENT_UNSIGNED);
        n.plan = (struct kit_plan){ .profile = HG_PROFILE_DEFAULT, .fill = fill_pair, .ctx = &p };
        OK(hg_sim_create(&o, &sim));
        OK(hg_sim_run(sim, write_verify_rename_read, &n));
        hg_sim_destroy(sim);
        free_pair(&p);
    }
}

/* ---- threads -------------------------------------------------------------------------------------*/

struct reading {
    struct hg_hwp *h;
    const struct pair *p;
    uint64_t seed;
    unsigned wrong;
};

static int read_still(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    const struct kit_file *f = ctx; /* counts nothing */

    *out_n = offset >= f->size ? 0 : HG_MIN(len, f->size - (size_t)offset);
    memcpy(buf, f->data + offset, *out_n);
    return 0;
}

static void *read_many(void *arg)
{
    struct reading *r = arg;
    uint8_t out[3000];

    for (unsigned i = 0; i < 60; i++) {
        const struct kit_value *v = &r->p->v[i % 3];
        uint64_t from = kit_random(&r->seed) % (v->len - sizeof out);
        if (hg_hwp_read(r->h, hg_hwp_find(r->h, v->birth), from, from + sizeof out, out, NULL) <
                0 ||
            memcmp(out, v->raw + from, sizeof out) != 0)
            r->wrong++;
    }
    return NULL;
}

Test(hwp_links, many_threads_read_one_segment)
{
    struct pair p;
    pthread_t thread[6];
    struct reading r[6];

    make_pair(&p, 2, HG_ELEMENT_UNSIGNED);
    struct kit_plan plan = { .profile = HG_PROFILE_DEFAULT, .fill = fill_pair, .ctx = &p };
    struct kit_file *f = kit_make(&plan);
    f->bytes.read = read_still;
    struct hg_hwp *h = kit_open_file(f);
    for (unsigned i = 0; i < 6; i++) {
        r[i] = (struct reading){ h, &p, i, 0 };
        cr_assert_eq(pthread_create(&thread[i], NULL, read_many, &r[i]), 0);
    }
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(pthread_join(thread[i], NULL), 0);
        cr_assert_eq(r[i].wrong, 0);
    }
    hg_hwp_close(h);
    kit_file_free(f);
    free_pair(&p);
}
