/*
 * Frames of the store's own: what it notes in the log beside commits. They have no number; a replay
 * meets them where they were written, between the same commits.
 */
#include "base/byteorder.h"
#include "base/hash.h"
#include "engine/store_internal.h"

int hg_note_append(holog_store *s, struct hg_buf *body, enum holog_sync sync,
                   struct hg_ticket *out_ticket)
{
    struct hg_log_place place;
    struct hg_ticket ticket;
    struct hg_append a = { .type = HG_FRAME_SYSTEM, .nrec = 1, .sync = sync };
    int rc = hg_log_need(s->log, HG_FEATURE_VERSIONS);

    if (rc == HOLOG_OK)
        rc = hg_log_reserve(s->log, body->len, 0, &place);
    if (rc == HOLOG_OK)
        rc = hg_version_spare(s);
    if (rc < 0)
        return rc;
    hg_put_le64(body->data, s->last_time_ns); /* no earlier than that of the frame before it */
    a.body = body->data;
    a.body_len = body->len;
    a.body_hash = hg_hash64(body->data, body->len);
    a.number = s->last_number;
    rc = hg_log_append(s->log, &a, &ticket);
    if (rc == HOLOG_OK && out_ticket != NULL)
        *out_ticket = ticket;
    return rc;
}
