/*
 * How much of a segment is read for a part of it, and for a preview: counted in bytes that the segment was asked for, of
 * images in the manner of a microscope (bench/codec/fields.c), of 2048 x 2048 elements of 16 bits.
 */
#include "../../bench/codec/fields.h"
#include "compaction/hwp_census.h"
#include "kit.h"

#define SIDE  2048u
#define LIGHT 3u

struct image {
    struct kit_value v;
    struct field f;
};

static void make_image(struct image *m, unsigned i)
{
    static const struct light lights[LIGHT] = { { 30, 2000, 0.6 },
                                                { 60, 4000, 0.9 },
                                                { 120, 4500, 0.8 } };

    cr_assert_eq(field_make(&m->f, SIDE, &lights[i], 96 + i), 0);
    m->v = (struct kit_value){ .birth = 5,
                               .rank = 2,
                               .n = { SIDE, SIDE },
                               .size = 2,
                               .kind = HG_ELEMENT_UNSIGNED,
                               .raw = (uint8_t *)m->f.image,
                               .len = (uint64_t)SIDE * SIDE * 2 };
}

static int fill_image(struct hg_hwp_writer *w, void *ctx)
{
    const struct image *m = ctx;

    return kit_add(w, &m->v, 1, NULL);
}

/* The most that one of some regions of 256 x 256 reads. */
static uint64_t read_regions(struct kit_file *f, struct hg_hwp *h, const struct image *m)
{
    static uint16_t out[256 * 256];
    uint64_t seed = 3;
    uint64_t most = 0;

    for (int i = 0; i < 60; i++) {
        struct hg_hwp_box b = { { 0, 0, kit_random(&seed) % (SIDE - 255),
                                  kit_random(&seed) % (SIDE - 255) },
                                { 1, 1, 256, 256 } };
        f->read = 0;
        OK(hg_hwp_region(h, hg_hwp_find(h, 5), &b, 0, out, NULL));
        most = HG_MAX(most, f->read);
        for (size_t y = 0; y < 256; y++)
            cr_assert_arr_eq(out + y * 256, m->f.image + (b.lo[2] + y) * SIDE + b.lo[3], 512);
    }
    return most;
}

static uint64_t read_preview(struct kit_file *f, struct hg_hwp *h, unsigned halvings)
{
    struct hg_hwp_box b = { { 0 }, { 1, 1, SIDE >> halvings, SIDE >> halvings } };
    uint16_t *out = malloc(b.n[2] * b.n[3] * 2);

    f->read = 0;
    f->calls = 0;
    OK(hg_hwp_region(h, hg_hwp_find(h, 5), &b, halvings, out, NULL));
    free(out);
    return f->read;
}

/* And the same once more, as a difference of which every tile is the base's. */
static int fill_copy(struct hg_hwp_writer *w, void *ctx)
{
    const struct image *m = ctx;
    const struct hg_hwp_base base = { 5, m->v.raw };
    struct kit_value copy = m->v;
    int rc = fill_image(w, ctx);

    copy.birth = 6;
    return rc < 0 ? rc : kit_add(w, &copy, 1, &base);
}

Test(hwp_reads, a_copy_has_the_preview_of_what_it_is_a_copy_of)
{
    struct image m;
    struct kit_plan p = { .profile = HG_PROFILE_ARCHIVE, .fill = fill_copy, .ctx = &m };
    struct kit_file *f;
    struct hg_hwp *h;

    make_image(&m, 0);
    f = kit_make(&p);
    h = kit_open_file(f);
    for (unsigned halvings = 1; halvings < 4; halvings++) {
        const struct hg_hwp_box all = { { 0 }, { 1, 1, SIDE >> halvings, SIDE >> halvings } };
        const struct hg_hwp_box part = { { 0, 0, 37, 11 },
                                         { 1, 1, SIDE / 2 >> halvings, SIDE / 3 >> halvings } };
        size_t bytes = hg_hwp_box_bytes(&all, 2);
        uint8_t *of[2] = { malloc(bytes), malloc(bytes) };
        uint64_t alone = read_preview(f, h, halvings);
        OK(hg_hwp_region(h, hg_hwp_find(h, 5), &all, halvings, of[0], NULL));
        f->read = 0;
        OK(hg_hwp_region(h, hg_hwp_find(h, 6), &all, halvings, of[1], NULL));
        cr_assert_arr_eq(of[0], of[1], bytes);
        cr_assert_lt(f->read, alone + (64 << 10), "1/%u: %llu bytes, and %llu", 1u << halvings,
                     (unsigned long long)alone, (unsigned long long)f->read);
        (void)fprintf(stderr, "# 1/%u of a copy: %llu bytes, of the other %llu\n", 1u << halvings,
                      (unsigned long long)f->read, (unsigned long long)alone);
        OK(hg_hwp_region(h, hg_hwp_find(h, 5), &part, halvings, of[0], NULL));
        OK(hg_hwp_region(h, hg_hwp_find(h, 6), &part, halvings, of[1], NULL));
        cr_assert_arr_eq(of[0], of[1], hg_hwp_box_bytes(&part, 2));
        free(of[0]);
        free(of[1]);
    }
    hg_hwp_close(h);
    kit_file_free(f);
    field_free(&m.f);
}

Test(hwp_reads, a_region_takes_an_eighth_at_most_and_previews_a_few_hundredths)
{
    static const double allowed[] = { 1.05, 0.26, 0.08, 0.03 };

    for (unsigned i = 0; i < LIGHT; i++) {
        struct image m;
        struct kit_plan p = { .profile = HG_PROFILE_ARCHIVE, .fill = fill_image, .ctx = &m };
        make_image(&m, i);
        struct kit_file *f = kit_make(&p);
        struct hg_hwp *h = kit_open_file(f);
        double stored = (double)p.info.stored;
        double region = (double)read_regions(f, h, &m) / stored;
        (void)fprintf(stderr, "# image %u: %.3f times smaller; 256^2 reads at most %.4f of it;", i,
                      (double)m.v.len / stored, region);
        cr_assert_leq(region, 0.125);
        for (unsigned halvings = 1; halvings <= 3; halvings++) {
            double part = (double)read_preview(f, h, halvings) / stored;
            (void)fprintf(stderr, " 1/%u %.4f in %u reads;", 1u << halvings, part, f->calls);
            cr_assert_leq(part, allowed[halvings], "a preview of 1/%u reads %f", 1u << halvings,
                          part);
        }
        (void)fprintf(stderr, "\n");
        hg_hwp_close(h);
        kit_file_free(f);
        field_free(&m.f);
    }
}

/* A stack of planes, some of which are looked at: what one is made of lies together. */
static int fill_stack(struct hg_hwp_writer *w, void *ctx)
{
    const struct image *m = ctx;
    const uint64_t n[] = { 64, 256, 256 };
    const struct hg_hwp_array a = { 2, HG_ELEMENT_UNSIGNED, 3, n, 1 };

    return hg_hwp_add_value(w, 5, &a, m->f.image, m->v.len, NULL);
}

Test(hwp_reads, bytes_of_one_plane_do_not_read_the_others)
{
    static uint8_t out[256 * 256 * 2];
    struct image m;
    struct kit_plan p = { .profile = HG_PROFILE_DEFAULT, .fill = fill_stack, .ctx = &m };

    make_image(&m, 1);
    struct kit_file *f = kit_make(&p);
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_value *v = hg_hwp_find(h, 5);
    for (size_t plane = 0; plane < 64; plane += 9) {
        f->read = 0;
        OK(hg_hwp_read(h, v, plane * sizeof out, (plane + 1) * sizeof out, out, NULL));
        cr_assert_arr_eq(out, m.v.raw + plane * sizeof out, sizeof out);
        cr_assert_leq(f->read,
                      p.info.stored / 8); /* four planes to a tile: a sixteenth, and blocks */
    }
    hg_hwp_close(h);
    kit_file_free(f);
    field_free(&m.f);
}

Test(hwp_reads, to_count_blocks_takes_their_heads_alone)
{
    struct image m;
    struct kit_plan p = { .profile = HG_PROFILE_DEFAULT, .fill = fill_image, .ctx = &m };
    struct hg_hwp_census c = { .read = 0 };

    make_image(&m, 1);
    struct kit_file *f = kit_make(&p);
    struct hg_hwp *h = kit_open_file(f);
    f->read = 0;
    f->calls = 0;
    OK(hg_hwp_census(h, NULL, NULL, &c));
    cr_assert_eq(c.read, f->read);
    cr_assert_eq(f->calls, hg_hwp_tables(h)->count[HG_HWP_GROUPS]);
    cr_assert_leq(f->read, p.info.stored / 100);
    hg_hwp_close(h);
    kit_file_free(f);
    field_free(&m.f);
}
