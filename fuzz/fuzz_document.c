/* The metadata document of an array, from anybody: read, or refused with a message; what is read is in bounds, and
 * its fill value comes back from what is written of it. */
#include <string.h>

#include <json-c/json_object.h>

#include "array/document.h"
#include "array/fill.h"
#include "base/error.h"
#include "fuzz.h"

static void check_fill(const struct hg_document *d)
{
    uint8_t again[HG_ITEM_MAX];
    struct json_object *value = NULL;

    if (hg_fill_to_json(d->type, d->fill, &value) < 0)
        return;
    FUZZ_CHECK(hg_fill_from_json(d->type, value, again) == HOLOG_OK);
    FUZZ_CHECK(memcmp(again, d->fill, d->type.size) == 0);
    json_object_put(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct holog_error_detail error;
    struct hg_document d;
    int rc;

    hg_error_clear();
    rc = hg_document_read(data, size, &d);
    hg_error_get(&error);
    FUZZ_CHECK(rc == HOLOG_OK || error.message[0] != 0);
    if (rc == HOLOG_OK) {
        FUZZ_CHECK(d.rank <= HG_RANK_MAX && d.n_codecs <= HG_CODECS_MAX && d.n_codecs > 0);
        FUZZ_CHECK(d.type.size >= 1 && d.type.size <= HG_ITEM_MAX);
        for (unsigned i = 0; i < d.rank; i++)
            FUZZ_CHECK(d.chunk[i] > 0 && hg_document_chunks(&d, i) <= d.shape[i]);
        check_fill(&d);
    }
    hg_document_release(&d);
    return 0;
}
