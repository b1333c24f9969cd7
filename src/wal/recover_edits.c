/*
 * What edits have done to the list of segments, when the log is replayed.
 *
 * A record may name bytes in a segment that a later EDIT has removed, and a list may have one that is
 * gone: only at the end is it known what is missing. Files of segments that were removed may still be
 * there, and so may the output of a compaction whose EDIT was never written: neither is of the store.
 */
#include "wal/recover_edits.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static int has(const struct hg_buf *ids, uint32_t id)
{
    for (size_t i = 0; i < ids->len; i += sizeof id) {
        if (memcmp(ids->data + i, &id, sizeof id) == 0)
            return 1;
    }
    return 0;
}

static int add(struct hg_buf *ids, uint32_t id)
{
    return has(ids, id) ? HOLOG_OK : hg_buf_append(ids, &id, sizeof id);
}

static int take_entry(struct hg_edits *e, const struct hg_segment_entry *entry, int removed)
{
    if (removed)
        return add(&e->removed, entry->segment);
    return entry->kind == HG_KIND_HWP ? add(&e->cold, entry->segment) : HOLOG_OK;
}

int hg_edits_begin(struct hg_edits *e, const struct hg_segment_entry *known, size_t n)
{
    int rc = HOLOG_OK;

    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        struct hg_segment_entry entry = known[i];
        entry.kind = (uint8_t)hg_segment_entry_kind(&entry);
        rc = take_entry(e, &entry, (known[i].kind & HG_SEGMENT_REMOVED) != 0);
    }
    return rc;
}

void hg_edits_release(struct hg_edits *e)
{
    hg_buf_release(&e->removed);
    hg_buf_release(&e->cold);
    hg_buf_release(&e->missing);
}

int hg_edits_record(struct hg_edits *e, const struct hg_record *r)
{
    struct hg_segment_entry entry;
    size_t at = 0;
    int removed = 0;
    int rc;

    while ((rc = hg_rec_edit_next(r, &at, &entry, &removed)) == HOLOG_OK) {
        rc = take_entry(e, &entry, removed);
        if (rc < 0)
            return rc;
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_edits_listed(struct hg_edits *e, const struct hg_segment_entry *entry)
{
    return take_entry(e, entry, 0);
}

int hg_edits_missing(struct hg_edits *e, uint32_t segment, int rc)
{
    struct hg_missing m = { .segment = segment, .rc = rc };

    if (hg_edits_is_missing(e, segment))
        return HOLOG_OK; /* the first one tells */
    hg_error_get(&m.why);
    return hg_buf_append(&e->missing, &m, sizeof m);
}

int hg_edits_is_missing(const struct hg_edits *e, uint32_t segment)
{
    const struct hg_missing *m = (const struct hg_missing *)(const void *)e->missing.data;

    for (size_t i = 0; i < e->missing.len / sizeof *m; i++) {
        if (m[i].segment == segment)
            return 1;
    }
    return 0;
}

int hg_edits_has_cold(const struct hg_edits *e, uint32_t segment)
{
    return has(&e->cold, segment) && !has(&e->removed, segment);
}

int hg_edits_removed(const struct hg_edits *e, uint32_t segment)
{
    return has(&e->removed, segment);
}

static int is_left_over(const struct hg_edits *e, const struct hg_log_segment *s)
{
    return has(&e->removed, s->id) || (s->kind == HG_KIND_HWP && !has(&e->cold, s->id));
}

/* Files that are no longer, or were never, of the store go from the list to that of what is to be removed. */
static int drop_left_over(const struct hg_edits *e, struct hg_recovered *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < out->n_segments; i++)
        out->n_left_over += is_left_over(e, &out->segments[i]) ? 1 : 0;
    if (out->n_left_over == 0)
        return HOLOG_OK;
    out->left_over = hg_calloc(out->n_left_over, sizeof *out->left_over);
    if (out->left_over == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a list of segments");
    out->n_left_over = 0;
    for (size_t i = 0; i < out->n_segments; i++) {
        const struct hg_log_segment *s = &out->segments[i];
        if (is_left_over(e, s))
            out->left_over[out->n_left_over++] = (struct hg_segment_entry){
                .segment = s->id, .kind = (uint8_t)s->kind, .used = s->file_size
            };
        else
            out->segments[kept++] = *s;
    }
    out->n_segments = kept;
    return HOLOG_OK;
}

static int has_file(const struct hg_recovered *out, uint32_t id)
{
    for (size_t i = 0; i < out->n_segments; i++) {
        if (out->segments[i].id == id && out->segments[i].kind == HG_KIND_HWP)
            return 1;
    }
    return 0;
}

int hg_edits_judge(const struct hg_edits *e, struct hg_recovered *out)
{
    const struct hg_missing *m = (const struct hg_missing *)(const void *)e->missing.data;
    char name[HG_FILE_NAME_MAX];

    for (size_t i = 0; i < e->missing.len / sizeof *m; i++) {
        if (has(&e->removed, m[i].segment))
            continue;
        hg_error_set(&m[i].why);
        return m[i].rc;
    }
    for (size_t i = 0; i < e->cold.len; i += sizeof(uint32_t)) {
        uint32_t id;
        memcpy(&id, e->cold.data + i, sizeof id);
        if (has(&e->removed, id) || has_file(out, id))
            continue;
        hg_segment_name(name, id, HG_KIND_HWP);
        return hg_corrupt_file(name, 0, "%s is missing: values were moved there", name);
    }
    return drop_left_over(e, out);
}
