/* A .npy file from anybody: refused with a message, or its header is in bounds, its elements are in the file, and
 * what is written of it is read again as the same. */
#include <string.h>

#include "backends/files/npy.h"
#include "base/error.h"
#include "fuzz.h"

static void check_written(const struct hg_npy *h, const uint8_t *elements)
{
    struct hg_buf b = { 0 };
    struct hg_npy again;

    if (hg_npy_write_header(h->type, h->rank, h->shape, 0, &b) == HOLOG_OK) {
        size_t data_at = b.len;
        if (hg_buf_append(&b, elements, h->data_bytes) == HOLOG_OK) {
            FUZZ_CHECK(hg_npy_read_header(b.data, b.len, &again) == HOLOG_OK);
            FUZZ_CHECK(again.data_at == data_at && again.data_at % 64 == 0);
            FUZZ_CHECK(again.type.dtype == h->type.dtype && again.type.size == h->type.size);
            FUZZ_CHECK(again.rank == h->rank && !again.swapped && !again.fortran);
            FUZZ_CHECK(memcmp(again.shape, h->shape, h->rank * sizeof h->shape[0]) == 0);
        }
    }
    hg_buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct holog_error_detail error;
    struct hg_npy h;

    hg_error_clear();
    int rc = hg_npy_read_header(data, size, &h);
    hg_error_get(&error);
    FUZZ_CHECK(rc == HOLOG_OK || (error.code == rc && error.message[0] != 0));
    if (rc < 0)
        return 0;
    FUZZ_CHECK(h.rank <= HG_RANK_MAX && h.type.size >= 1 && h.type.size <= HG_ITEM_MAX);
    FUZZ_CHECK(h.data_at <= size && h.data_bytes == size - h.data_at);
    uint8_t *out = malloc(h.data_bytes + 1);
    if (out == NULL)
        return 0;
    rc = hg_npy_elements(&h, data + h.data_at, out);
    FUZZ_CHECK(rc == HOLOG_OK || h.type.dtype == HG_BOOL);
    if (rc == HOLOG_OK)
        check_written(&h, out);
    free(out);
    return 0;
}
