/* A cold block, from anybody: all of it, and each preview. */
#include "codec/cold/cold.h"
#include "fuzz.h"
#include "holog/error.h"

#define RAW_MAX ((size_t)1 << 20) /* more is not worth the time */

static void previews(struct hg_coder *c, const struct hg_cold_head *h,
                     const struct hg_cold_parts *parts)
{
    for (unsigned k = 0; k < h->parts; k++) {
        struct hg_cold_array shape;
        unsigned needed = 0;
        if (hg_cold_preview_shape(h, k, &shape, &needed) < 0)
            return;
        size_t bytes = hg_cold_raw_bytes(&shape);
        uint8_t *out = malloc(bytes); /* a write behind it is seen */
        FUZZ_CHECK(out != NULL && bytes > 0 && bytes <= h->raw_bytes && needed >= 1);
        if (hg_cold_preview(c, h, parts, k, out, bytes) == HOLOG_OK)
            (void)fuzz_touch(out, bytes);
        free(out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_cold_head head;
    struct hg_cold_parts parts;
    struct hg_coder *c = NULL;

    if (hg_cold_head_decode(data, size, &head) < 0 || head.raw_bytes > RAW_MAX)
        return 0;
    FUZZ_CHECK(head.head_bytes <= size && head.raw_bytes > 0 && head.parts >= 1);
    FUZZ_CHECK(hg_coder_create(&c) == HOLOG_OK);
    hg_cold_parts_of(&head, data, size, &parts);
    uint8_t *out = malloc(head.raw_bytes);
    uint8_t *base = calloc(1, head.raw_bytes);
    FUZZ_CHECK(out != NULL && base != NULL);
    struct hg_cold_aid aid = { .base = base, .base_len = head.raw_bytes };
    if (hg_cold_decode(c, &head, &parts, &aid, out, head.raw_bytes) == HOLOG_OK)
        (void)fuzz_touch(out, head.raw_bytes);
    previews(c, &head, &parts);
    free(base);
    free(out);
    hg_coder_destroy(c);
    return 0;
}
