/*
 * The log back into the index: recovery and followers call these for every commit that stays.
 */
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"


static int on_frame(void *ctx, const struct hg_frame *f, uint32_t segment, uint32_t offset,
                    uint64_t time_ns)
{
    holog_store *s = ctx;

    HG_UNUSED(segment);
    HG_UNUSED(offset);
    if (f->type == HG_FRAME_COMMIT) {
        s->last_number = f->number;
        s->last_time_ns = time_ns;
    }
    return HOLOG_OK;
}

static int apply(holog_store *s, const struct hg_record *r)
{
    struct hg_state *st = &s->sequenced;
    struct hg_key *a = &s->replay_keys[0];
    struct hg_key *b = &s->replay_keys[1];
    struct hg_locator loc = { .segment = r->segment,
                              .offset = r->offset,
                              .size = r->value_len,
                              .number = s->last_number,
                              .check = r->check };

    if (r->type == HG_REC_CONFIG)
        return hg_setting_put(s, r->path, r->path_len, (const char *)r->value,
                              (size_t)r->value_len);
    if (r->type == HG_REC_SEGMENTS || r->ignorable)
        return HOLOG_OK;
    hg_key_make(r->path, r->path_len, a);
    switch (r->type) {
    case HG_REC_BLOB:
    case HG_REC_LARGE:
        loc.type = HG_ENTRY_BLOB;
        return hg_apply_put(st, a, &loc);
    case HG_REC_SYMLINK:
        loc.type = HG_ENTRY_SYMLINK;
        return hg_apply_put(st, a, &loc);
    case HG_REC_DIR:
        loc.type = HG_ENTRY_DIR;
        loc.size = s->last_number;
        loc.check = 0;
        return hg_apply_mkdir(st, a, &loc);
    case HG_REC_DELETE:
    case HG_REC_DELETE_TREE:
        return hg_apply_delete_tree(st, a, s->last_number);
    case HG_REC_MOVE:
    case HG_REC_COPY:
        hg_key_make(r->to, r->to_len, b);
        return r->type == HG_REC_MOVE ? hg_apply_move(st, a, b, s->last_number)
                                      : hg_apply_copy(st, a, b, s->last_number);
    default:
        return hg_error(HOLOG_E_VERSION, "record type %u is not of this version", r->type);
    }
}

static int on_record(void *ctx, const struct hg_record *r)
{
    int rc = apply(ctx, r);

    /* The commit passed its checks when it was made: what fails now is not its doing. */
    if (rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR)
        return hg_corrupt(r->segment, r->offset,
                          "a record does not fit what came before it (%.*s)", (int)r->path_len,
                          r->path);
    return rc;
}

int hg_replay_into(holog_store *s, struct hg_replay *out)
{
    *out = (struct hg_replay){ .ctx = s, .frame = on_frame, .record = on_record };
    return HOLOG_OK;
}
