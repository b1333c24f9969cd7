/*
 * Writes the golden blocks of this folder, into the folder that is its argument; and what the fuzz targets `cold` and
 * `dict` begin with, into the two behind it. Run once, by hand: what is there stays, whatever the writer does later.
 *
 *   FILTER-CODEC-SIZE-KIND.good   40 x 53 elements (kit.h: KIT_NOISE, seed 42) through a plan
 *   FILTER-CODEC-SIZE-KIND.boxed  a difference from seed 43; rows 5 to 29 and columns 10 to 40 of seed 42, without a base
 *   *.corrupt                     a bit flipped in the head, in a part, a block cut; hashes right and a stream wrong
 *   *.later                       a filter, a flag that no version has yet, in a head whose hash is right
 */
#include <stdio.h>

#include "../kit.h"
#include "base/hash.h"

static const char *folder;

static void save(const char *in, const char *name, const void *data, size_t len)
{
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", in, name);
    f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        abort();
}

static void block(struct hg_coder *c, uint8_t filter, uint8_t codec, uint8_t size, uint8_t kind,
                  struct hg_buf *out)
{
    struct hg_cold_array a = { size, kind, 2, { 40, 53 } };
    struct hg_cold_plan plan = { filter, codec, 1, 2, 5 };
    uint8_t *raw = kit_array(&a, KIT_NOISE, 42);

    out->len = 0;
    if (hg_cold_encode(c, &a, raw, &plan, NULL, out) < 0)
        abort();
    free(raw);
}

static void boxed(struct hg_coder *c, struct hg_buf *out)
{
    struct hg_cold_array a = { 2, HG_ELEMENT_UNSIGNED, 2, { 40, 53 } };
    struct hg_cold_plan plan = { HG_FILTER_LIFT26, HG_CODEC_LITERALS, 1, 2, 5 };
    const struct hg_cold_box box = { { 5, 10 }, { 30, 41 } };
    uint8_t *raw = kit_array(&a, KIT_NOISE, 43);
    uint8_t *in_box = kit_array(&a, KIT_NOISE, 42);
    uint8_t *base = kit_array(&a, KIT_NOISE, 43);
    struct hg_cold_aid aid = {
        .base = base, .base_len = hg_cold_raw_bytes(&a), .difference = 1, .box = &box
    };

    for (size_t y = 5; y < 30; y++)
        memcpy(raw + 2 * (y * 53 + 10), in_box + 2 * (y * 53 + 10), (size_t)2 * 31);
    out->len = 0;
    if (hg_cold_encode(c, &a, raw, &plan, &aid, out) < 0)
        abort();
    free(base);
    free(in_box);
    free(raw);
}

static void bad(struct hg_coder *c)
{
    struct hg_buf b = { 0 };
    struct hg_cold_head h;

    block(c, HG_FILTER_LIFT26, HG_CODEC_LITERALS, 2, 0, &b);
    if (hg_cold_head_decode(b.data, b.len, &h) < 0)
        abort();
    b.data[14] ^= 4;
    save(folder, "head.corrupt", b.data, b.len);
    b.data[14] ^= 4;
    b.data[h.head_bytes + 20] ^= 16;
    save(folder, "part.corrupt", b.data, b.len);
    h.part[0].hash = hg_hash64(b.data + h.head_bytes, h.part[0].len);
    hg_cold_head_encode(&h, b.data);
    save(folder, "stream.corrupt", b.data, b.len);
    save(folder, "cut.corrupt", b.data, b.len - 1);
    h.filter = 200;
    hg_cold_head_encode(&h, b.data);
    save(folder, "filter.later", b.data, b.len);
    h.filter = HG_FILTER_LIFT26;
    h.flags |= 0x80;
    hg_cold_head_encode(&h, b.data);
    save(folder, "flag.later", b.data, b.len);
    hg_buf_release(&b);
}

static void dictionary(const char *in)
{
    struct hg_buf b = { 0 };
    char text[200 * 64];
    size_t sizes[200];
    size_t len = 0;

    for (size_t i = 0; i < 200; i++) {
        int n = snprintf(text + len, 64, "{\"well\": \"%c%u\", \"z\": %u}", (int)('A' + i % 8),
                         (unsigned)(i % 12), (unsigned)(i * i % 977));
        sizes[i] = (size_t)n;
        len += (size_t)n;
    }
    if (hg_dict_train(text, sizes, 200, 512, &b) < 0)
        abort();
    save(in, "wells", b.data, b.len);
    hg_buf_release(&b);
}

int main(int argc, char **argv)
{
    static const uint8_t made[][4] = { { 0, 2, 8, 1 }, { 0, 3, 8, 1 }, { 1, 2, 2, 0 },
                                       { 1, 3, 4, 2 }, { 2, 3, 2, 1 }, { 2, 2, 8, 2 },
                                       { 3, 3, 2, 0 }, { 4, 4, 4, 1 }, { 5, 4, 2, 0 },
                                       { 6, 3, 4, 2 }, { 6, 4, 8, 2 }, { 7, 3, 1, 0 },
                                       { 7, 4, 2, 0 }, { 7, 4, 4, 2 }, { 8, 3, 2, 1 },
                                       { 8, 4, 2, 0 }, { 8, 2, 8, 0 } };
    struct hg_coder *c = kit_coder();
    struct hg_buf b = { 0 };
    char name[64];

    if (argc != 4)
        return 1;
    folder = argv[1];
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        block(c, made[i][0], made[i][1], made[i][2], made[i][3], &b);
        (void)snprintf(name, sizeof name, "%u-%u-%u-%u.good", made[i][0], made[i][1], made[i][2],
                       made[i][3]);
        save(folder, name, b.data, b.len);
        (void)snprintf(name, sizeof name, "%u-%u-%u-%u", made[i][0], made[i][1], made[i][2],
                       made[i][3]);
        save(argv[2], name, b.data, b.len);
    }
    boxed(c, &b);
    save(folder, "7-4-2-0.boxed", b.data, b.len);
    save(argv[2], "7-4-2-0-boxed", b.data, b.len);
    bad(c);
    dictionary(argv[3]);
    hg_buf_release(&b);
    hg_coder_destroy(c);
    return 0;
}
