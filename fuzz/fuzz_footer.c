/*
 * A footer: chunks and tail, as they stand at the end of a sealed segment.
 */
#include "base/byteorder.h"
#include "touch.h"
#include "wal/footer.h"

struct seen {
    uint32_t segment;
    uint64_t end;
    uint32_t left;
};

static int on_frame(void *ctx, const struct hg_frame *f, uint32_t offset, uint64_t time_ns)
{
    struct seen *s = ctx;
    HG_UNUSED(time_ns);
    FUZZ_CHECK(s->left == 0 && offset >= s->end);
    s->end = (uint64_t)offset + f->len;
    s->left = f->nrec;
    return 0;
}

static int on_record(void *ctx, const struct hg_record *r)
{
    struct seen *s = ctx;
    FUZZ_CHECK(s->left-- > 0 && r->segment == s->segment);
    FUZZ_CHECK(r->offset > r->body_start && r->whole_len <= s->end - r->offset);
    fuzz_touch_record(r, 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hg_footer_tail t;
    struct seen seen = { 0 };
    const struct hg_footer_visitor v = { &seen, on_frame, on_record };

    if (size < HG_FOOTER_TAIL_SIZE)
        return 0;
    const uint8_t *tail = data + size - HG_FOOTER_TAIL_SIZE;
    uint64_t chunks_at = hg_get_le64(tail + 56) % (HG_SEGMENT_MAX + 8); /* where we say it stands */
    if (hg_footer_tail_decode(tail, chunks_at + size, &t) < 0)
        return 0;
    seen.segment = t.segment;
    (void)!hg_footer_walk(&t, data, size, t.first_number == 0 ? t.last_number + 1 : t.first_number,
                          &v);
    return 0;
}
