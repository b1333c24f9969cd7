/*
 * How much of the past is kept, and what is let go.
 *
 * The rules (settings of the store): the last `retention.commits`, those of the last
 * `retention.age_s` seconds, and as many as need no more than `retention.bytes` for values that are
 * not current; the strictest counts, the newest commit is always kept. The first number that all
 * rules keep is the horizon. It is said in the log (a RETENTION record) before anything below it is
 * let go, so that a replay has at each place of the log at least what the writer had there.
 * What tags name is kept beside that. Views hold what they have for as long as pins.max_age_s and
 * pins.max_bytes let them.
 */
#ifndef HG_ENGINE_RETENTION_H
#define HG_ENGINE_RETENTION_H

#include "engine/store_internal.h"

/* 1: key is one of the rules', *out_ok: and value one of its values. */
int hg_retention_setting(const char *key, const char *value, int *out_ok);
/* s->rules, from the settings as they are now. Log lock held, or nobody else is there. */
void hg_retention_take_settings(holog_store *s);
/* The first number that the rules keep. Log lock held. */
uint64_t hg_retention_horizon(const holog_store *s, const struct hg_retention *r);

/* Before each commit: moves the horizon now and then, lets some of the past go. Nothing is owed to
 * anybody here: what cannot be done is done later. Log lock held; may release and retake it. */
void hg_retention_step(holog_store *s);
/* Views that have held for too long, or too much, end. Nobody waits for them to be closed. Log lock
 * held. */
void hg_retention_expire(holog_store *s);
/* Bytes of values that the view holds and the rules do not, at most: what has ended since, and is below
 * the horizon, and no more than what was live. misc_lock held. */
uint64_t hg_retention_pinned(const holog_view *v, uint64_t horizon, uint64_t horizon_total);
/* The horizon moves there, now; asked: by somebody, who may have a full disk. Log lock held; may release and retake it. */
HG_MUST_CHECK int hg_retention_move(holog_store *s, uint64_t horizon, int asked);
/* Everything below the horizon that no tag keeps goes; at most `quota` versions are looked at. Log
 * lock held, or nobody else is there. */
HG_MUST_CHECK int hg_retention_sweep(holog_store *s, size_t quota);
/*
 * In a replay. Of a log in which no horizon is said (an old one has none; the disk was full for long)
 * the last so many commits are kept, or there would be no end to the past. A replay may begin
 * anywhere, and has the settings of that place only: a writer goes back no further than any replay
 * could, whatever the rules say, until it has said a horizon. It does so when it comes half way.
 */
#define HG_UNSAID_MAX    4096u
#define HG_UNSAID_MARGIN 64u
void hg_retention_unsaid(holog_store *s);        /* after each so many commits */
void hg_retention_unsaid_before(holog_store *s); /* the same of a checkpoint, which has the rest */
HG_MUST_CHECK int hg_retention_replayed(holog_store *s);    /* the past as far as the horizon */
HG_MUST_CHECK int hg_retention_count_ended(holog_store *s); /* once, at the end */

#endif
