/*
 * Reads all that a decoded record points at.
 */
#ifndef HOLOG_FUZZ_TOUCH_H
#define HOLOG_FUZZ_TOUCH_H

#include "fuzz.h"
#include "wal/record.h"

/* They make up the version, as the decoder has promised. */
static inline void fuzz_touch_spans(const struct hg_record *r)
{
    const uint8_t *table = r->value + (r->value_len - r->spans_len);
    struct hg_span span;
    uint64_t sum = 0;
    size_t at = 0;

    for (uint32_t i = 0; i < r->n_spans; i++, sum += span.len)
        FUZZ_CHECK(hg_spans_next(table, (size_t)r->spans_len, &at, &span) == 0);
    FUZZ_CHECK(at == r->spans_len && sum == r->version_size);
}

/* from_footer: values and tables are not there. */
static inline void fuzz_touch_record(const struct hg_record *r, int from_footer)
{
    struct hg_piece piece;
    struct hg_segment_entry entry;
    uint64_t sum = 0;
    size_t at = 0;

    (void)fuzz_touch(r->path, r->path_len);
    (void)fuzz_touch(r->to, r->to_len);
    (void)fuzz_touch(r->rest, r->rest_len);
    if (r->value != NULL)
        (void)fuzz_touch(r->value, (size_t)r->value_len);
    if (r->path_len > 0 && r->type != HG_REC_CONFIG && r->type != HG_REC_TAG)
        FUZZ_CHECK(hg_rec_path_valid(r->path, r->path_len));
    if (r->n_pieces > 0) {
        FUZZ_CHECK((r->table == NULL) == (from_footer != 0));
        if (r->table != NULL)
            (void)fuzz_touch(r->table, (size_t)hg_block_count(r->value_len) * HG_BLOCK_ENTRY_SIZE);
        for (uint32_t i = 0; i < r->n_pieces; i++, sum += piece.len)
            FUZZ_CHECK(hg_pieces_next(r, &at, &piece) == 0);
        FUZZ_CHECK(hg_pieces_next(r, &at, &piece) < 0);
        FUZZ_CHECK(sum == r->value_len);
    }
    if (r->type == HG_REC_FOLD && r->value != NULL)
        fuzz_touch_spans(r);
    if (r->type == HG_REC_SEGMENTS)
        while (hg_rec_segments_next(r, &at, &entry) == 0)
            FUZZ_CHECK(entry.segment != 0);
}

#endif
