/* A shard, from anybody: its index alone, and all of it. The first byte says which kind. */
#include "array/shard.h"
#include "chain.h"

static const char *const shards[] = {
    SHARD("[2,3]", LITTLE, INDEX),
    SHARD("[1,6]", LITTLE "," CRC32C, INDEX ",\"index_location\":\"start\""),
    SHARD("[2,1]", LITTLE "," ZSTD, "\"index_codecs\":[" BIG "]"),
};
#define SHARDS    (sizeof shards / sizeof shards[0])
#define INNER_MAX 12

static void check_index(const struct hg_shard *s, const uint8_t *data, size_t size)
{
    struct hg_shard_entry entries[INNER_MAX];
    uint64_t lengths[INNER_MAX];
    uint64_t at = 0;
    uint64_t bytes = 0;
    uint64_t sum = hg_shard_index_bytes(s);

    FUZZ_CHECK(hg_shard_count(s) <= INNER_MAX);
    if (hg_shard_index_find(s, size, &at) < 0 ||
        hg_shard_index_decode(s, data + at, size, entries) < 0)
        return;
    for (uint64_t i = 0; i < hg_shard_count(s); i++) {
        lengths[i] = entries[i].len;
        if (entries[i].offset == HG_SHARD_NONE)
            continue;
        (void)fuzz_touch(data + entries[i].offset, (size_t)entries[i].len);
        sum += entries[i].len;
    }
    hg_shard_place(s, lengths, entries, &bytes);
    FUZZ_CHECK(bytes == sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hg_chain *made[SHARDS];
    size_t i;

    if (size == 0)
        return 0;
    i = data[0] % SHARDS;
    if (made[i] == NULL)
        made[i] = fuzz_chain(shards[i]);
    check_index(hg_chain_shard(made[i]), data + 1, size - 1);
    fuzz_decode(made[i], data + 1, size - 1, 1);
    return 0;
}
