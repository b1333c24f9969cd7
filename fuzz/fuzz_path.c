/*
 * Paths: the canonical form is one, stays itself, is what the log takes for one, and survives the
 * way to a key and back.
 */
#include <string.h>

#include "base/error.h"
#include "base/node.h"
#include "engine/index.h"
#include "engine/pathkey.h"
#include "fuzz.h"
#include "wal/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char canonical[HG_PATH_MAX + 1];
    static char again[HG_PATH_MAX + 1];
    static uint8_t key[HG_KEY_MAX];
    size_t len = 0;
    size_t again_len = 0;
    const char *path = (const char *)data;

    int rc = hg_path_canonical(path, size, canonical, &len);
    if (hg_rec_path_valid(path, size) && hg_node_ends(path, size))
        FUZZ_CHECK(rc == HOLOG_E_BADPATH); /* only holog makes such */
    else if (hg_rec_path_valid(path, size))
        FUZZ_CHECK(rc == 0 && len == size && memcmp(path, canonical, len) == 0);
    if (rc == 0) {
        FUZZ_CHECK(len <= HG_PATH_MAX && canonical[len] == 0);
        FUZZ_CHECK(len == 0 || hg_rec_path_valid(canonical, len));
        FUZZ_CHECK(hg_path_canonical(canonical, len, again, &again_len) == 0);
        FUZZ_CHECK(again_len == len && memcmp(canonical, again, len) == 0);
        size_t key_len = hg_path_to_key(canonical, len, key);
        FUZZ_CHECK(key_len <= HG_KEY_MAX);
        FUZZ_CHECK(hg_key_to_path(key, key_len, again, &again_len) == 0);
        FUZZ_CHECK(again_len == len && memcmp(canonical, again, len) == 0);
        FUZZ_CHECK(len == 0 || hg_path_parent(canonical, len) < len);
    }
    /* Any bytes as a key: refused, or the key of the path they give. */
    if (size > 0 && size <= HG_KEY_MAX && hg_key_to_path(data, size, again, &again_len) == 0)
        FUZZ_CHECK(hg_path_to_key(again, again_len, key) == size && memcmp(key, data, size) == 0);
    return 0;
}
