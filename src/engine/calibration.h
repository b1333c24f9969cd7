/*
 * What a calibration has chosen, kept in a store's directory: calibration.json, a few lines that people can read.
 *
 *     { "holog_calibration": 1,
 *       "machine": { "cpus": 2, "simd": "sse4.2 avx2", "kernel": "6.18.3", "file_system": "ef53-..." },
 *       "io": "uring", "direct": true, "codec": "zstd", "level": 1 }
 *
 * A hint and no part of the store: it decides how fast, never what is stored or when it is durable. Missing, damaged,
 * or of another machine (any of the four differs), it is as if there were none. Other members are passed over.
 *
 * written, synced as calibration.json.tmp    the old one, or none; the next open for writing deletes what is left
 * renamed                                    the old one or the new one, each whole
 * directory synced                           the new one
 */
#ifndef HG_ENGINE_CALIBRATION_H
#define HG_ENGINE_CALIBRATION_H

#include "holog/calibrate.h"
#include "io/io.h"
#include "io/machine.h"
#include "wal/layout.h"

#define HG_CALIBRATION_TMP   HG_CALIBRATION_NAME ".tmp"
#define HG_CALIBRATION_TRIAL "calibration.tmp" /* what is measured on */

enum hg_calibration_state {
    HG_CALIBRATION_NONE = 0, /* there is none */
    HG_CALIBRATION_USED = 1,
    HG_CALIBRATION_OFF = 2,    /* the options or the environment say so */
    HG_CALIBRATION_IGNORED = 3 /* why: see `note` */
};

struct hg_calibration {
    enum hg_calibration_state state;
    uint32_t io;     /* HOLOG_IO_POSIX or HOLOG_IO_URING */
    uint32_t direct; /* HOLOG_DIRECT_ON or HOLOG_DIRECT_OFF */
    uint32_t codec;  /* enum holog_array_codec, not AUTO; NONE unless state is USED */
    int32_t level;
    char note[160];
};

/* "zstd"; codec is one of array.h, not AUTO. */
const char *hg_calibration_codec_name(uint32_t codec);
/* What lies in `dir`, as this machine is to take it. Never fails: what cannot be read is ignored, with a note. */
void hg_calibration_read(const char *dir, struct hg_calibration *out);
/* Into the directory that io was opened on, durable on return. */
HG_MUST_CHECK int hg_calibration_write(struct hg_io *io, const struct hg_machine *machine,
                                       const struct hg_calibration *c);
/* Reads it unless the options or the environment forbid; options that nobody has set, and only those of speed, are
 * set as it says. Tells opts->log of one that is ignored. */
void hg_calibration_apply(const char *dir, holog_options *opts, struct hg_calibration *out);

#endif
