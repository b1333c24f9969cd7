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

static uint32_t at_index(const struct hg_buf *ids, size_t i)
{
    uint32_t id;

    memcpy(&id, ids->data + i * sizeof id, sizeof id);
    return id;
}

/* Index of the first one that is not below id. */
static size_t find(const struct hg_buf *ids, uint32_t id)
{
    size_t low = 0;
    size_t high = ids->len / sizeof id;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (at_index(ids, mid) < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int has(const struct hg_buf *ids, uint32_t id)
{
    size_t i = find(ids, id);

    return i < ids->len / sizeof id && at_index(ids, i) == id;
}

/* Lists come in order: the place is at the end, mostly. */
static int add(struct hg_buf *ids, uint32_t id)
{
    size_t i = find(ids, id);
    size_t n = ids->len / sizeof id;

    if (i < n && at_index(ids, i) == id)
        return HOLOG_OK;
    int rc = hg_buf_append(ids, &id, sizeof id);
    if (rc < 0 || i == n)
        return rc;
    memmove(ids->data + (i + 1) * sizeof id, ids->data + i * sizeof id, (n - i) * sizeof id);
    memcpy(ids->data + i * sizeof id, &id, sizeof id);
    return HOLOG_OK;
}

static int take_entry(struct hg_edits *e, const struct hg_segment_entry *entry, int removed)
{
    if (removed)
        return add(&e->removed, entry->segment);
    switch (entry->kind) {
    case HG_KIND_HWP: return add(&e->cold, entry->segment);
    case HG_KIND_BASE: return add(&e->bases, entry->segment);
    case HG_KIND_FRAMES:
        return entry->segment < e->begins ? add(&e->frames, entry->segment) : HOLOG_OK;
    default: return entry->segment < e->begins ? add(&e->extents, entry->segment) : HOLOG_OK;
    }
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
    hg_buf_release(&e->bases);
    hg_buf_release(&e->frames);
    hg_buf_release(&e->extents);
    hg_buf_release(&e->missing);
}

static int take_edit(struct hg_edits *e, const struct hg_record *r, int removals)
{
    struct hg_segment_entry entry;
    size_t at = 0;
    int removed = 0;
    int rc;

    while ((rc = hg_rec_edit_next(r, &at, &entry, &removed)) == HOLOG_OK) {
        rc = removals && !removed ? HOLOG_OK : take_entry(e, &entry, removed);
        if (rc < 0)
            return rc;
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int hg_edits_record(struct hg_edits *e, const struct hg_record *r)
{
    return take_edit(e, r, 0);
}

int hg_edits_removals(struct hg_edits *e, const struct hg_record *r)
{
    return take_edit(e, r, 1);
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

int hg_edits_has_base(const struct hg_edits *e, uint32_t segment)
{
    return has(&e->bases, segment) && !has(&e->removed, segment);
}

int hg_edits_knows_extents(const struct hg_edits *e, uint32_t segment)
{
    return segment >= e->begins || has(&e->extents, segment);
}

static uint32_t next_of(const struct hg_edits *e, const struct hg_buf *ids, size_t *at)
{
    while (*at < ids->len / sizeof(uint32_t)) {
        uint32_t id = at_index(ids, (*at)++);
        if (!has(&e->removed, id))
            return id;
    }
    return 0;
}

uint32_t hg_edits_next_frames(const struct hg_edits *e, size_t *at)
{
    return next_of(e, &e->frames, at);
}

uint32_t hg_edits_next_base(const struct hg_edits *e, size_t *at)
{
    return next_of(e, &e->bases, at);
}

static int is_left_over(const struct hg_edits *e, const struct hg_recovered *out,
                        const struct hg_log_segment *s)
{
    int removed = has(&e->removed, s->id);

    switch (s->kind) {
    case HG_KIND_FRAMES: return removed && s->id < out->begins; /* or the chain needs it */
    case HG_KIND_HWP: return removed || !has(&e->cold, s->id);
    case HG_KIND_BASE: return s->id != out->base && (removed || !has(&e->bases, s->id));
    default: return removed;
    }
}

/* Files that are no longer, or were never, of the store go from the list to that of what is to be removed. */
static int drop_left_over(const struct hg_edits *e, struct hg_recovered *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < out->n_segments; i++)
        out->n_left_over += is_left_over(e, out, &out->segments[i]) ? 1 : 0;
    if (out->n_left_over == 0)
        return HOLOG_OK;
    out->left_over = hg_calloc(out->n_left_over, sizeof *out->left_over);
    if (out->left_over == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a list of segments");
    out->n_left_over = 0;
    for (size_t i = 0; i < out->n_segments; i++) {
        const struct hg_log_segment *s = &out->segments[i];
        if (!is_left_over(e, out, s)) {
            out->segments[kept++] = *s;
            continue;
        }
        out->left_over[out->n_left_over++] = (struct hg_segment_entry){ .segment = s->id,
                                                                        .kind = (uint8_t)s->kind,
                                                                        .used = s->file_size };
        out->replaced_bytes += has(&e->removed, s->id) ? s->file_size : 0;
    }
    out->n_segments = kept;
    return HOLOG_OK;
}

struct hg_log_segment *hg_recovered_find(const struct hg_recovered *out, uint32_t id)
{
    size_t low = 0;
    size_t high = out->n_segments;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (out->segments[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < out->n_segments && out->segments[low].id == id ? &out->segments[low] : NULL;
}

static int has_file(const struct hg_recovered *out, uint32_t id, enum hg_segment_kind kind)
{
    const struct hg_log_segment *s = hg_recovered_find(out, id);

    return s != NULL && s->kind == kind;
}

/* Files that came and did not go, and are not there. Bases are none: whether one is needed is decided before. */
static int judge_files(const struct hg_edits *e, const struct hg_recovered *out)
{
    char name[HG_FILE_NAME_MAX];
    size_t at = 0;
    uint32_t id;

    for (size_t i = 0; i < e->cold.len / sizeof id; i++) {
        id = at_index(&e->cold, i);
        if (has(&e->removed, id) || has_file(out, id, HG_KIND_HWP))
            continue;
        hg_segment_name(name, id, HG_KIND_HWP);
        return hg_corrupt_file(name, 0, "%s is missing: values were moved there", name);
    }
    while ((id = hg_edits_next_frames(e, &at)) != 0) {
        if (has_file(out, id, HG_KIND_FRAMES))
            continue;
        hg_segment_name(name, id, HG_KIND_FRAMES);
        return hg_corrupt_file(name, 0, "%s is missing: values lie there", name);
    }
    return HOLOG_OK;
}

int hg_edits_judge(const struct hg_edits *e, struct hg_recovered *out)
{
    const struct hg_missing *m = (const struct hg_missing *)(const void *)e->missing.data;

    for (size_t i = 0; i < e->missing.len / sizeof *m; i++) {
        if (has(&e->removed, m[i].segment))
            continue;
        hg_error_set(&m[i].why);
        return m[i].rc;
    }
    int rc = judge_files(e, out);
    return rc < 0 ? rc : drop_left_over(e, out);
}
