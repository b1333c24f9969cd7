/*
 * Writes the golden segments of this folder, into the folder that is its argument, and what the fuzz target `hwp` begins
 * with, into the one behind it. Run once, by hand: what is there stays, whatever the writer does later.
 *
 *   good.hwp        what ../small.h says
 *   *.corrupt       a byte of a part, of a head, of a table is another; the file is cut
 *   *.later         a feature in the footer, a version of it, that no holog has yet
 */
#include "../small.h"
#include "base/byteorder.h"

static void save(const char *in, const char *name, const void *data, size_t len)
{
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", in, name);
    f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        abort();
}

static void sign_footer(struct kit_file *f)
{
    uint8_t *footer = f->data + f->size - HG_HWP_FOOTER_SIZE;
    struct hg_hash128 hash = hg_hash128(footer, 4080);

    hg_put_le64(footer + 4080, hash.lo);
    hg_put_le64(footer + 4088, hash.hi);
}

/* One byte is another, in the file of that name alone. */
static void save_changed(const char *in, const char *name, struct kit_file *f, size_t at,
                         uint8_t value, int is_signed)
{
    uint8_t was = f->data[at];

    f->data[at] = value;
    if (is_signed)
        sign_footer(f);
    save(in, name, f->data, f->size);
    f->data[at] = was;
    sign_footer(f);
}

static void golden(const char *in)
{
    struct small *s = small_make();
    struct kit_file *f = small_file(s);
    struct hg_hwp *h = kit_open_file(f);
    const struct hg_hwp_group *g = hg_hwp_tables(h)->group;
    size_t table = hg_hwp_footer(h)->table[0].offset;
    size_t part = g->offset + g->heads_len + 10;
    size_t footer = f->size - HG_HWP_FOOTER_SIZE;

    save(in, "good.hwp", f->data, f->size);
    save(in, "cut.corrupt", f->data, f->size - 100);
    save_changed(in, "part.corrupt", f, part, f->data[part] ^ 4, 0);
    save_changed(in, "head.corrupt", f, g->offset + 30, f->data[g->offset + 30] ^ 4, 0);
    save_changed(in, "table.corrupt", f, table + 9, f->data[table + 9] ^ 4, 0);
    save_changed(in, "feature.later", f, footer + 48, 1, 1);
    save_changed(in, "version.later", f, footer + 8, 2, 1);
    hg_hwp_close(h);
    kit_file_free(f);
    small_free(s);
}

/* ---- for the fuzzer: shorter ---------------------------------------------------------------------*/

static int tiny_fill(struct hg_hwp_writer *w, void *ctx)
{
    struct small *s = ctx;
    const struct hg_hwp_base base = { 5, s->image.raw };
    const struct hg_hwp_run runs[] = { { 0, 40, s->bytes.raw }, { 60000, 9, s->bytes.raw } };
    const struct hg_hwp_source source = { 3, HG_KIND_FRAMES, 77 };
    uint64_t n[3] = { 2, 40, 53 };
    struct hg_hwp_array a = { 2, HG_ELEMENT_UNSIGNED, 2, n + 1, 1 };
    int rc = hg_hwp_add_value(w, 5, &a, s->image.raw, 40 * 53 * 2, NULL);

    if (rc == HOLOG_OK)
        rc = hg_hwp_add_value(w, 6, &a, s->other.raw, 40 * 53 * 2, &base);
    a.rank = 3;
    a.n = n;
    a.size = 4;
    a.kind = HG_ELEMENT_FLOAT;
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_value(w, 7, &a, s->image.raw, UINT64_C(2) * 40 * 53 * 4, NULL);
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_value(w, 8, NULL, s->bytes.raw, 400, NULL);
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_same(w, 9, 8);
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_page(w, 3, 1, runs, 2);
    if (rc == HOLOG_OK)
        rc = hg_hwp_add_page(w, 3, 4, runs, 1);
    return rc < 0 ? rc : hg_hwp_add_source(w, &source);
}

static int nothing(struct hg_hwp_writer *w, void *ctx)
{
    (void)w;
    (void)ctx;
    return 0;
}

static void seeds(const char *in)
{
    static const char *const names[] = { "fast", "default", "archive" };
    struct small *s = small_make();
    struct kit_plan p = { .fill = tiny_fill, .ctx = s };

    for (unsigned i = 0; i < HG_PROFILES; i++) {
        p.profile = (enum hg_profile)i;
        struct kit_file *f = kit_make(&p);
        save(in, names[i], f->data, f->size);
        kit_file_free(f);
    }
    p.fill = nothing;
    struct kit_file *f = kit_make(&p);
    save(in, "empty", f->data, f->size);
    kit_file_free(f);
    small_free(s);
}

Test(hwp_golden, are_written)
{
    golden(getenv("GOLDEN"));
    seeds(getenv("SEEDS"));
}
