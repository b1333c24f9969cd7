/* A compressed segment, from anybody: its tables, its values whole, in part and as previews, its pages. */
#include <string.h>

#include "base/byteorder.h"
#include "compaction/hwp_census.h"
#include "fuzz.h"
#include "holog/error.h"

#define RAW_MAX ((uint64_t)4 << 20) /* more is not worth the time */

struct input {
    const uint8_t *data;
    size_t size;
};

static int read_input(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    const struct input *in = ctx;
    size_t n = offset >= in->size ? 0 : HG_MIN(len, in->size - (size_t)offset);

    memcpy(buf, in->data + (n > 0 ? offset : 0), n);
    *out_n = n;
    return 0;
}

static int read_base(void *ctx, uint64_t birth, const struct hg_hwp_shape *shape,
                     const struct hg_hwp_box *box, void *out)
{
    (void)ctx;
    (void)birth;
    memset(out, 1, hg_hwp_box_bytes(box, shape->size));
    return 0;
}

static const struct hg_hwp_bases bases = { .read = read_base };

static void preview(struct hg_hwp *h, const struct hg_hwp_value *v, unsigned halvings)
{
    struct hg_hwp_shape s;
    struct hg_hwp_tiling t;
    struct hg_hwp_box b = { { 0 }, { 0 } };

    if (hg_hwp_preview_shape(v, halvings, &s) < 0 || v->len == 0)
        return;
    hg_hwp_tile(&s, &t);
    memcpy(b.n, t.n, sizeof t.n);
    uint8_t *out = malloc(hg_hwp_shape_bytes(&s)); /* a write behind it is seen */
    FUZZ_CHECK(out != NULL && hg_hwp_shape_bytes(&s) <= v->len);
    if (hg_hwp_region(h, v, &b, halvings, out, &bases) == HOLOG_OK)
        (void)fuzz_touch(out, hg_hwp_shape_bytes(&s));
    free(out);
}

static void look_at_value(struct hg_hwp *h, const struct hg_hwp_value *v)
{
    uint64_t from = v->len / 3;
    uint64_t to = from + HG_MIN(v->len - from, 5000u);
    uint8_t *out = malloc(v->len + 1);

    FUZZ_CHECK(out != NULL && hg_hwp_find(h, v->birth) == v);
    if (hg_hwp_read(h, v, 0, v->len, out, &bases) == HOLOG_OK)
        (void)fuzz_touch(out, v->len);
    if (hg_hwp_read(h, v, from, to, out, NULL) == HOLOG_OK)
        (void)fuzz_touch(out, to - from);
    free(out);
    for (unsigned halvings = 0; halvings < 4; halvings++)
        preview(h, v, halvings);
}

/* Each block is counted once, whatever it is. */
static void count_blocks(struct hg_hwp *h)
{
    struct hg_hwp_census c = { .read = 0 };
    uint64_t raw = 0;
    uint64_t stored = 0;

    FUZZ_CHECK(hg_hwp_census(h, NULL, NULL, &c) == HOLOG_OK);
    for (unsigned kind = 0; kind < 2; kind++) {
        const struct hg_hwp_coded *n = &c.coded[kind];
        raw += n->later.raw + n->unreadable.raw;
        stored += n->later.stored + n->unreadable.stored;
        for (unsigned f = 0; f < HG_FILTERS; f++)
            for (unsigned k = 0; k < HG_CODECS; k++) {
                raw += n->by[f][k].raw;
                stored += n->by[f][k].stored;
            }
    }
    FUZZ_CHECK(raw == hg_hwp_footer(h)->raw && stored == hg_hwp_footer(h)->stored);
}

static void look_at(struct hg_hwp *h)
{
    static uint8_t page[HG_HWP_PAGE];
    const struct hg_hwp_tables *t = hg_hwp_tables(h);
    const struct hg_hwp_verify how = { .bases = &bases };

    if (hg_hwp_footer(h)->raw > RAW_MAX)
        return;
    FUZZ_CHECK(hg_hwp_verify(h, &how) <= HOLOG_OK);
    count_blocks(h);
    for (size_t i = 0; i < t->count[HG_HWP_VALUES]; i++)
        if (t->value[i].len <= RAW_MAX)
            look_at_value(h, &t->value[i]);
    for (size_t i = 0; i < t->count[HG_HWP_PAGES]; i++)
        if (hg_hwp_read_page(h, &t->page[i], page) == HOLOG_OK)
            (void)fuzz_touch(page, sizeof page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    const struct hg_hwp_bytes bytes = { read_input, &in, size };
    struct hg_hwp_from from = { .bytes = &bytes };
    struct hg_hwp *h = NULL;

    from.id = size >= HG_SEGMENT_ID_AT + 4 ? hg_get_le32(data + HG_SEGMENT_ID_AT) : 1;
    FUZZ_CHECK(hg_workspaces_create(&from.work) == HOLOG_OK);
    if (hg_hwp_open(&from, &h) == HOLOG_OK)
        look_at(h);
    hg_hwp_close(h);
    hg_workspaces_destroy(from.work);
    return 0;
}
