/*
 * The commits whose states are kept, oldest first: number, time, where the frame stands; the tags; and
 * the horizon. In memory, from the log (RETENTION and TAG records in frames of the store's own).
 *
 * As of commit s the store can be read when s is not below the horizon, or when a tag names s.
 * Guarded by the log's lock, of a read-only handle by misc_lock.
 */
#ifndef HG_ENGINE_TIMELINE_H
#define HG_ENGINE_TIMELINE_H

#include "base/assert.h"
#include "base/buf.h"
#include "wal/layout.h"
#include "wal/record.h"

struct hg_moment {
    uint64_t number;
    uint64_t time_ns;
    hg_pos frame;
    uint32_t len; /* of the frame */
    uint32_t reserved;
    uint64_t body_hash;   /* 0: its header says it */
    uint64_t ended_bytes; /* values that this commit replaced or removed: only the past has them */
    uint64_t ended_total; /* by all commits up to it; it only grows */
};

struct hg_tag {
    uint64_t number;
    uint64_t time_ns; /* when it was set */
    char name[HG_TAG_NAME_MAX + 1];
};

/* The rules of what is kept (retention.h). UINT64_MAX: all. */
struct hg_retention {
    uint64_t commits;
    uint64_t age_ns;
    uint64_t bytes;
    int bytes_live; /* bytes is not a number: as many as are live */
    uint64_t pin_age_ns;
    uint64_t pin_bytes;
};

struct hg_timeline {
    struct hg_buf moments;  /* struct hg_moment, by number */
    size_t forgotten;       /* of them, at the front: not kept any more */
    struct hg_buf tags;     /* struct hg_tag, by name */
    struct hg_buf tagged;   /* uint64_t, the numbers they name, ascending */
    uint64_t horizon;       /* 0: everything is kept */
    int said;               /* the log says so: any replay has at least that */
    uint64_t ended_bytes;   /* of all moments kept */
    uint64_t horizon_total; /* ended_total as of the horizon */
};
void hg_timeline_release(struct hg_timeline *t);

size_t hg_timeline_count(const struct hg_timeline *t);
const struct hg_moment *hg_timeline_at(const struct hg_timeline *t, size_t i); /* 0: the oldest */
/* Room for one more. HOLOG_E_NOMEM. */
HG_MUST_CHECK int hg_timeline_reserve(struct hg_timeline *t);
/* A commit after all others, for which there is room. */
void hg_timeline_add(struct hg_timeline *t, const struct hg_moment *m);
/* The newest with a number not above it; its index, or SIZE_MAX. */
size_t hg_timeline_find(const struct hg_timeline *t, uint64_t number);
/* The newest at or before that time; SIZE_MAX. Times do not descend. */
size_t hg_timeline_find_time(const struct hg_timeline *t, uint64_t time_ns);
/* More, by it; total: by all up to it, where that is known already. */
void hg_timeline_ended(struct hg_timeline *t, uint64_t number, uint64_t bytes, uint64_t total);
/* The totals, when all that was ended is told. The last of them. */
uint64_t hg_timeline_sum_up(struct hg_timeline *t);
void hg_timeline_cut(struct hg_timeline *t, uint64_t number); /* those above it never happened */
/* Those below it are not kept any more, and the log says so. Never goes back. */
void hg_timeline_say_horizon(struct hg_timeline *t, uint64_t horizon);
/* The same of what the log does not say. */
void hg_timeline_set_horizon(struct hg_timeline *t, uint64_t horizon);

const struct hg_tag *hg_timeline_tag(const struct hg_timeline *t, const char *name);
HG_MUST_CHECK int hg_timeline_set_tag(struct hg_timeline *t, const char *name, size_t name_len,
                                      uint64_t number, uint64_t time_ns);
/* After `tags` was set as a whole. */
HG_MUST_CHECK int hg_timeline_index_tags(struct hg_timeline *t);
void hg_timeline_remove_tag(struct hg_timeline *t, const char *name, size_t name_len);
/* Is there a tag with first <= number < end? */
int hg_timeline_has_tag(const struct hg_timeline *t, uint64_t first, uint64_t end);
/* Is a version that was there from `number` until `end` kept, by the horizon or by a tag? What is not
 * may be in the past for a while all the same: nobody has come by yet. */
int hg_timeline_keeps(const struct hg_timeline *t, uint64_t number, uint64_t end);
/* What hg_timeline_keeps asks, as it is now; for who walks the past without a lock. Release it. */
HG_MUST_CHECK int hg_timeline_copy_kept(const struct hg_timeline *t, struct hg_timeline *out);

#endif
