/*
 * Contexts and memory, kept; see coder.h.
 */
#include "codec/cold/coder.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "codec/lz4.h"

#define ALIGNMENT 64

struct hg_coder {
    struct hg_zstd_encoder *encoder; /* NULL: not needed yet, as below */
    struct hg_zstd_decoder *decoder;
    void *lz4;
    void *room[HG_ROOMS];
    size_t bytes[HG_ROOMS];
};

int hg_coder_create(struct hg_coder **out)
{
    struct hg_coder *c = hg_calloc(1, sizeof *c);

    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a coder");
    *out = c;
    return HOLOG_OK;
}

void hg_coder_destroy(struct hg_coder *c)
{
    if (c == NULL)
        return;
    hg_zstd_encoder_destroy(c->encoder);
    hg_zstd_decoder_destroy(c->decoder);
    hg_free(c->lz4);
    for (int i = 0; i < HG_ROOMS; i++)
        hg_free(c->room[i]);
    hg_free(c);
}

int hg_coder_room(struct hg_coder *c, enum hg_room room, size_t bytes, void *out)
{
    if (bytes > c->bytes[room] || c->room[room] == NULL) {
        size_t size = HG_ALIGN_UP(HG_MAX(bytes, (size_t)ALIGNMENT), (size_t)ALIGNMENT);
        void *p = hg_alloc_aligned(ALIGNMENT, size);
        if (p == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for %zu bytes to code in", size);
        hg_free(c->room[room]);
        c->room[room] = p;
        c->bytes[room] = size;
    }
    memcpy(out, &c->room[room],
           sizeof c->room[room]); /* a pointer to what the caller reads there */
    return HOLOG_OK;
}

int hg_coder_encoder(struct hg_coder *c, struct hg_zstd_encoder **out)
{
    int rc = c->encoder == NULL ? hg_zstd_encoder_create(&c->encoder) : HOLOG_OK;

    *out = c->encoder;
    return rc;
}

int hg_coder_decoder(struct hg_coder *c, struct hg_zstd_decoder **out)
{
    int rc = c->decoder == NULL ? hg_zstd_decoder_create(&c->decoder) : HOLOG_OK;

    *out = c->decoder;
    return rc;
}

int hg_coder_lz4(struct hg_coder *c, void **out_state)
{
    if (c->lz4 == NULL) {
        c->lz4 = hg_malloc(hg_lz4_state_size());
        if (c->lz4 == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory to compress with lz4");
    }
    *out_state = c->lz4;
    return HOLOG_OK;
}
