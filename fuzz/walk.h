/*
 * Walks an index that was loaded from bytes of any kind: it must be a sound tree.
 */
#ifndef HOLOG_FUZZ_WALK_H
#define HOLOG_FUZZ_WALK_H

#include "engine/index.h"
#include "fuzz.h"

/* Returns how many keys it has. */
static inline uint64_t fuzz_walk_index(struct hg_index *ix)
{
    struct hg_root *root = hg_index_freeze(ix);
    struct hg_cursor c;
    uint64_t count = 0;

    FUZZ_CHECK(hg_root_check(root) == 0);
    int rc = hg_cursor_open(&c, root, NULL, 0, 0);
    for (; rc == 0; rc = hg_cursor_next(&c), count++)
        (void)fuzz_touch(c.key, c.key_len);
    hg_cursor_close(&c);
    FUZZ_CHECK(count == hg_root_count(root));
    hg_root_put(root);
    return count;
}

#endif
