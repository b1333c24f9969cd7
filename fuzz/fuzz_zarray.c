/* Any bytes as a .zarray: refused with a message, or made a document of v3, which is read or refused; one that has
 * a twin gives a .zarray that is taken again. */
#include <string.h>

#include "array/document.h"
#include "backends/zarr/from_v2.h"
#include "backends/zarr/twin.h"
#include "base/error.h"
#include "fuzz.h"

static void again(const struct hg_buf *v3)
{
    struct json_object *v2 = NULL;
    struct hg_buf json = { 0 };
    const char *text;

    if (hg_twin_array(v3->data, v3->len, &v2) != HOLOG_OK)
        return;
    text = json_object_to_json_string(v2);
    FUZZ_CHECK(text != NULL &&
               hg_zarr_array_from_v2(text, strlen(text), NULL, 0, &json) == HOLOG_OK);
    json_object_put(v2);
    hg_buf_release(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct holog_error_detail error;
    struct hg_document d = { 0 };
    struct hg_buf json = { 0 };
    int rc;

    hg_error_clear();
    rc = hg_zarr_array_from_v2(data, size, NULL, 0, &json);
    if (rc == HOLOG_OK)
        rc = hg_document_read(json.data, json.len, &d);
    hg_error_get(&error);
    FUZZ_CHECK(rc == HOLOG_OK || error.message[0] != 0);
    if (rc == HOLOG_OK)
        again(&json);
    hg_document_release(&d);
    hg_buf_release(&json);
    return 0;
}
