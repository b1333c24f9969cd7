/*
 * Frames of the store's own: what it notes in the log beside commits. They have no number; a replay
 * meets them where they were written, between the same commits.
 */
#include "engine/store_internal.h"

int hg_note_append(holog_store *s, struct hg_buf *body, enum holog_sync sync, int deletes,
                   struct hg_ticket *out_ticket)
{
    struct hg_log_place place;
    struct hg_ticket ticket = { 0 };
    int rc = hg_log_need(s->log, HG_FEATURE_VERSIONS, deletes);

    if (rc == HOLOG_OK)
        rc = hg_log_append_system(s->log, body, 1, sync, 0, deletes, &place, &ticket);
    if (rc == HOLOG_OK && out_ticket != NULL)
        *out_ticket = ticket;
    return rc;
}
