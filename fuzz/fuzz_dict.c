/* A dictionary, from anybody; what loads is used to compress itself and to read that, and to read itself as a frame. */
#include <string.h>

#include "base/buf.h"
#include "codec/cold/stream.h"
#include "fuzz.h"
#include "holog/error.h"

static void use(struct hg_coder *c, const struct hg_dict *dict, const uint8_t *data, size_t size)
{
    struct hg_zstd_aid aid = { .dict = dict };
    struct hg_stream_how how = { HG_CODEC_DICT, 3, &aid };
    struct hg_buf out = { 0 };
    uint8_t *back = malloc(size);

    FUZZ_CHECK(back != NULL);
    FUZZ_CHECK(hg_stream_put(c, &how, data, size, &out) == HOLOG_OK);
    struct hg_reader r = { out.data, out.len };
    FUZZ_CHECK(hg_stream_get(c, &r, &aid, back, size) == HOLOG_OK && r.left == 0);
    FUZZ_CHECK(memcmp(back, data, size) == 0);
    out.data[0] = HG_CODEC_DICT; /* and bytes that no writer wrote */
    struct hg_reader wrong = { out.data, out.len };
    if (hg_stream_get(c, &wrong, &aid, back, size) == HOLOG_OK)
        (void)fuzz_touch(back, size);
    free(back);
    hg_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_dict *dict = NULL;
    struct hg_coder *c = NULL;

    if (hg_dict_load(data, size, 3, &dict) < 0)
        return 0;
    FUZZ_CHECK(size >= HG_DICT_MIN && size <= HG_DICT_MAX);
    FUZZ_CHECK(hg_coder_create(&c) == HOLOG_OK);
    use(c, dict, data, size);
    hg_coder_destroy(c);
    hg_dict_destroy(dict);
    return 0;
}
