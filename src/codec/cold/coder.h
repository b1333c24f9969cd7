/*
 * What coding many blocks in a row keeps: contexts of libraries, and memory to work in. One thread at a time.
 * Nothing in it tells one block of another: the same call gives the same bytes, whatever came before.
 */
#ifndef HG_CODEC_COLD_CODER_H
#define HG_CODEC_COLD_CODER_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "codec/zstd.h"

/* Rooms of memory, by what they are for. */
enum hg_room {
    HG_ROOM_WORDS,   /* the words of a block */
    HG_ROOM_OTHER,   /* as much again */
    HG_ROOM_SCRATCH, /* a few rows */
    HG_ROOM_VALUES,  /* words of a unit, in the order they are coded */
    HG_ROOM_TOPS,    /* a byte for each */
    HG_ROOM_LOWS,    /* their low bits */
    HG_ROOM_PLANE,   /* a plane of bytes */
    HG_ROOM_CLASSES, /* a byte for each square */
    HG_ROOM_SAMPLE,  /* elements by which a plan is chosen */
    HG_ROOMS
};

struct hg_coder;
HG_MUST_CHECK int hg_coder_create(struct hg_coder **out);
void hg_coder_destroy(struct hg_coder *c); /* NULL is fine */

/* Memory of at least `bytes`, aligned to 64, with what is there undefined; until the room is asked again. */
HG_MUST_CHECK int hg_coder_room(struct hg_coder *c, enum hg_room room, size_t bytes, void *out);

/* Made when they are first asked for. */
HG_MUST_CHECK int hg_coder_encoder(struct hg_coder *c, struct hg_zstd_encoder **out);
HG_MUST_CHECK int hg_coder_decoder(struct hg_coder *c, struct hg_zstd_decoder **out);
HG_MUST_CHECK int hg_coder_lz4(struct hg_coder *c, void **out_state);

#endif
