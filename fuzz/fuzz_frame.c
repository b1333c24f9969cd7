/*
 * The bytes behind a segment's header: frames, bodies, fields and records, as recovery reads them.
 */
#include <string.h>

#include "base/hash.h"
#include "touch.h"
#include "wal/frame.h"
#include "wal/segment.h"

#define CAPACITY (1u << 20)

static void read_body(const struct hg_frame *f, const uint8_t *bytes)
{
    size_t len = f->len - HG_FRAME_HEADER_SIZE;
    struct hg_body body;
    struct hg_field field;
    struct hg_record r;
    size_t at = 0;

    if (!hg_hash_matches(f->body_hash, hg_hash64(bytes, len)) ||
        hg_body_decode(bytes, len, &body) < 0)
        return;
    while (hg_field_next(body.fields, body.fields_len, &at, &field) == 0) {
        (void)fuzz_touch(field.data, field.len);
        (void)fuzz_touch(field.key, field.key_len);
        (void)fuzz_touch(field.value, field.value_len);
    }
    at = body.records_at;
    for (uint32_t i = 0; i < f->nrec && hg_rec_decode(bytes + at, len - at, at, &r) == 0; i++) {
        fuzz_touch_record(&r, 0);
        at += r.whole_len;
        FUZZ_CHECK(at <= len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_frame_place place = {
        .salt = UINT64_C(0x1122334455667788),
        .epoch = UINT64_C(0x0123456789abcdef),
        .segment = 1,
    };
    struct hg_frame f;

    for (size_t at = 0;
         at < CAPACITY && size >= HG_FRAME_HEADER_SIZE && at <= size - HG_FRAME_HEADER_SIZE;) {
        place.offset = (uint32_t)(HG_SEGMENT_HEADER_SIZE + at);
        switch (hg_frame_decode(data + at, &place, CAPACITY, &f)) {
        case HG_FRAME_OK:
            FUZZ_CHECK(f.len >= HG_FRAME_MIN && f.len <= hg_frame_len_max(CAPACITY));
            if (f.len > size - at)
                return 0;
            read_body(&f, data + at + HG_FRAME_HEADER_SIZE);
            at = HG_ALIGN_UP(at + f.len, (size_t)8);
            break;
        case HG_FRAME_ZERO: at = HG_ALIGN_UP(at + 1, (size_t)HG_BLOCK); break;
        case HG_FRAME_BAD:
        case HG_FRAME_DAMAGED:
        default: at += 8; break;
        }
    }
    return 0;
}
