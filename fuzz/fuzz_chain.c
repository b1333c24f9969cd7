/* A stored chunk, from anybody: the first byte says what it has gone through. */
#include "chain.h"

static const char *const chains[] = {
    LITTLE,
    "{\"name\":\"transpose\",\"configuration\":{\"order\":[1,0]}}," BIG "," CRC32C,
    LITTLE "," ZSTD,
    LITTLE ",{\"name\":\"numcodecs.shuffle\",\"configuration\":{\"elementsize\":2}}," LZ4
           "," CRC32C,
    LITTLE "," CRC32C "," ZSTD "," LZ4,
    LITTLE ",{\"name\":\"zstd\",\"configuration\":{\"level\":3,\"checksum\":true}}",
    SHARD("[2,3]", BIG "," ZSTD, INDEX) "," LZ4,
    SHARD("[2,6]", SHARD("[2,2]", LITTLE "," LZ4, INDEX), INDEX),
    LITTLE ",{\"name\":\"blosc\",\"configuration\":{\"cname\":\"lz4\"}}", /* not written */
};
#define CHAINS (sizeof chains / sizeof chains[0])

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hg_chain *made[CHAINS];
    size_t i;

    if (size == 0)
        return 0;
    i = data[0] % CHAINS;
    if (made[i] == NULL)
        made[i] = fuzz_chain(chains[i]);
    fuzz_decode(made[i], data + 1, size - 1, i + 1 < CHAINS);
    return 0;
}
