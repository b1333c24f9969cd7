/*
 * XXH3 (Debian's libxxhash, run-time SIMD dispatch) and the conservation sum.
 */
#ifndef HG_BASE_HASH_H
#define HG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hg_hash128 {
    uint64_t lo;
    uint64_t hi;
};

uint64_t hg_hash64(const void *data, size_t len); /* XXH3-64, seed 0 */
uint64_t hg_hash64_seeded(const void *data, size_t len, uint64_t seed);
struct hg_hash128 hg_hash128(const void *data, size_t len); /* XXH3-128, seed 0 */

/* XXH3-128 of bytes that come in parts. A plain value on the stack: begin, add, end. */
struct hg_hash_stream {
    _Alignas(64) uint64_t state[72];
};
void hg_hash_stream_begin(struct hg_hash_stream *s);
void hg_hash_stream_add(struct hg_hash_stream *s, const void *data, size_t len);
struct hg_hash128 hg_hash_stream_end(const struct hg_hash_stream *s); /* s may go on after it */

/* The same of XXH3-64. */
struct hg_hash64_stream {
    _Alignas(64) uint64_t state[72];
};
void hg_hash64_stream_begin(struct hg_hash64_stream *s);
void hg_hash64_stream_add(struct hg_hash64_stream *s, const void *data, size_t len);
uint64_t hg_hash64_stream_end(const struct hg_hash64_stream *s); /* s may go on after it */

#define HG_CSUM_MOD 96
/* The sum of the bytes modulo 96; sums of parts add up, modulo 96, to the sum of the whole. */
uint8_t hg_csum(const void *data, size_t len);
static inline uint8_t hg_csum_add(uint8_t a, uint8_t b)
{
    return (uint8_t)((a + b) % HG_CSUM_MOD);
}

#endif
