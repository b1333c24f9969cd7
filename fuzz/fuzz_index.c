/*
 * Pages of an index checkpoint: { length u32, page }*. What loads is a sound tree.
 */
#include "base/byteorder.h"
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_index *ix = NULL;
    struct hg_index_loader *l = NULL;
    int rc = 0;

    if (hg_index_create(NULL, 0, &ix) < 0)
        return 0;
    if (hg_index_load_begin(ix, &l) < 0) {
        hg_index_destroy(ix);
        return 0;
    }
    for (size_t at = 0; rc == 0 && size - at >= 4;) {
        uint32_t len = hg_get_le32(data + at);
        at += 4;
        if (len > size - at)
            break;
        rc = hg_index_load_page(l, data + at, len);
        at += len;
    }
    if (rc < 0)
        hg_index_load_abort(l);
    else
        rc = hg_index_load_end(l);
    if (rc == 0)
        (void)fuzz_walk_index(ix); /* sound, however many keys */
    hg_index_destroy(ix);
    return 0;
}
