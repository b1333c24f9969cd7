/*
 * What filters and codecs of cold blocks are called where people read of them.
 */
#include "codec/cold/cold.h"

const char *hg_filter_name(unsigned filter)
{
    static const char *const names[HG_FILTERS] = { "none",    "shuffle", "bitshuffle",
                                                   "up",      "left",    "average",
                                                   "lorenzo", "lift26",  "lift53" };

    return filter < HG_FILTERS ? names[filter] : NULL;
}

const char *hg_codec_name(unsigned codec)
{
    static const char *const names[HG_CODECS] = { "raw",      "const", "lz4",  "zstd",
                                                  "literals", "dict",  "same", "prefix" };

    return codec < HG_CODECS ? names[codec] : NULL;
}
