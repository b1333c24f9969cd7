/*
 * holog/calibrate.h: which way of input and output, and which codec, is the fast one on this machine and this disk;
 * measured once, stored, and used by whoever opens the store later.
 *
 *     holog_calibration result = { .struct_size = sizeof result };
 *     holog_calibrate("data.holog", NULL, &result);
 *
 * What is chosen is stored in the directory, in calibration.json. holog_open takes from it what neither the options
 * nor the environment say:
 *
 *   1. holog_options: io, direct          what is not 0
 *   2. the environment: HOLOG_IO, HOLOG_DIRECT
 *   3. calibration.json                   if it was made on this machine (processors, their instructions, kernel,
 *                                         file system); else it is ignored, and holog_info and the log say why
 *   4. the default                        io_uring and direct I/O where there are
 * HOLOG_CALIBRATION=off in the environment, or HOLOG_OPEN_NO_CALIBRATION, leaves 3 out. To be rid of it: delete the
 * file. The codec is used for arrays that are created with HOLOG_CODEC_AUTO, and for no others.
 *
 * A calibration changes how long things take: not what is stored, not what survives, not when a call returns.
 */
#ifndef HOLOG_CALIBRATE_H
#define HOLOG_CALIBRATE_H

#include "holog/array.h"

#ifdef __cplusplus
extern "C" {
#endif

enum holog_calibrate_flags {
    HOLOG_CALIBRATE_DRY_RUN = 1 /* measures and chooses; stores nothing */
};

typedef struct holog_calibrate_options {
    uint32_t struct_size;
    uint32_t flags; /* enum holog_calibrate_flags */
    /* What the codecs are tried on, the first 64 MiB of it; borrowed for the call. NULL: 4 MiB as a camera's
     * images are, 16 bits a pixel */
    const void *sample;
    uint64_t sample_bytes;
    uint32_t figure_ms;         /* for each figure, about; 0 = 150. At most 60000 */
    uint32_t reserved;          /* 0 */
    holog_progress_fn progress; /* in "figures"; may be NULL */
    void *progress_ctx;
} holog_calibrate_options;

#define HOLOG_CALIBRATE_IO     4
#define HOLOG_CALIBRATE_CODECS 4

/* One way to write. The quickest by the sum of both figures, each relative to the default's; a tenth better than the
 * default, or the default stays. */
typedef struct holog_io_figure {
    uint32_t io;        /* HOLOG_IO_POSIX, HOLOG_IO_URING */
    uint32_t direct;    /* HOLOG_DIRECT_ON, HOLOG_DIRECT_OFF (by way of the page cache) */
    uint32_t available; /* 0: not on this machine; no figures */
    uint32_t chosen;
    uint64_t durable_write_ns;  /* of 4 KiB, the median */
    uint64_t large_bytes_per_s; /* 8 MiB at once, and a sync */
} holog_io_figure;

/* One codec. The one that has the sample on this disk first: time to encode, and to write what comes out; a tenth
 * better than the one before it in the list, or that stays. */
typedef struct holog_codec_figure {
    uint32_t codec; /* enum holog_array_codec */
    int32_t level;
    uint32_t chosen;
    uint32_t reserved;
    uint64_t stored_bytes;       /* of the sample */
    uint64_t encode_bytes_per_s; /* of the sample, one thread; 0: nothing is done */
    uint64_t decode_bytes_per_s;
} holog_codec_figure;

typedef struct holog_calibration {
    uint32_t struct_size;
    uint32_t stored; /* 1: in calibration.json */
    uint64_t sample_bytes;
    holog_io_figure io[HOLOG_CALIBRATE_IO]; /* the default first */
    holog_codec_figure codecs[HOLOG_CALIBRATE_CODECS];
} holog_calibration;

/*
 * Measure in directory `dir`, a store or not, also one that is open; some 25 MiB are written there in a file of their
 * own, which is deleted again (after a kill, by the next open for writing).
 *
 * opts may be NULL. HOLOG_E_NOENT: no such directory; HOLOG_E_NOSPC; HOLOG_E_IO, also when nothing may be written there;
 * HOLOG_E_CANCELED. On failure what was stored before stays.
 */
HOLOG_API int holog_calibrate(const char *dir, const holog_calibrate_options *opts,
                              holog_calibration *out);

#ifdef __cplusplus
}
#endif

#endif
