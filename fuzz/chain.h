/*
 * A chain of codecs for a target to run: made once, from a document.
 */
#ifndef HOLOG_FUZZ_CHAIN_H
#define HOLOG_FUZZ_CHAIN_H

#include <string.h>

#include "array/chain.h"
#include "base/error.h"
#include "fuzz.h"

#define LITTLE "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"little\"}}"
#define BIG    "{\"name\":\"bytes\",\"configuration\":{\"endian\":\"big\"}}"
#define ZSTD   "{\"name\":\"zstd\",\"configuration\":{\"level\":1}}"
#define LZ4    "{\"name\":\"numcodecs.lz4\",\"configuration\":{\"acceleration\":1}}"
#define CRC32C "{\"name\":\"crc32c\"}"
#define INDEX  "\"index_codecs\":[" LITTLE "," CRC32C "]"
#define SHARD(inner, codecs, more)                                             \
    "{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":" inner \
    ",\"codecs\":[" codecs "]," more "}}"

/* Chunks of 4 x 6 elements of uint16; the fill value is 513. */
static inline struct hg_chain *fuzz_chain(const char *codecs)
{
    char json[4096];
    struct hg_document d;
    struct hg_chain *c = NULL;
    int n = snprintf(
        json, sizeof json,
        "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4,6],\"data_type\":\"uint16\","
        "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":[4,6]}},"
        "\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":513,\"codecs\":[%s]}",
        codecs);

    FUZZ_CHECK(n > 0 && n < (int)sizeof json);
    FUZZ_CHECK(hg_document_read(json, (size_t)n, &d) == HOLOG_OK);
    FUZZ_CHECK(hg_chain_create(&d, &c) == HOLOG_OK);
    hg_document_release(&d);
    return c;
}

/* Decoded, or refused with a message; what comes out goes in again. */
static inline void fuzz_decode(const struct hg_chain *c, const uint8_t *data, size_t size,
                               int writes)
{
    size_t len = (size_t)hg_chain_raw_bytes(c);
    uint8_t *raw = malloc(len);
    uint8_t *again = malloc(len);
    struct holog_error_detail error;
    struct hg_buf b = { 0 };
    int rc;

    FUZZ_CHECK(raw != NULL && again != NULL);
    hg_error_clear();
    rc = hg_chain_decode(c, data, size, raw);
    hg_error_get(&error);
    FUZZ_CHECK(rc == HOLOG_OK || error.message[0] != 0);
    if (rc == HOLOG_OK && writes) {
        FUZZ_CHECK(hg_chain_encode(c, raw, &b) == HOLOG_OK);
        FUZZ_CHECK(b.len <= hg_chain_stored_max(c));
        FUZZ_CHECK(hg_chain_decode(c, b.data, b.len, again) == HOLOG_OK);
        FUZZ_CHECK(memcmp(raw, again, len) == 0);
    } else if (rc == HOLOG_OK) {
        (void)fuzz_touch(raw, len);
    }
    hg_buf_release(&b);
    free(raw);
    free(again);
}

#endif
