/*
 * The part of a verification that frames do not lead to: values and payloads that lie in extents still, while their
 * records have been moved. All other parts go by the segments alone, whatever state they are in; this one opens the
 * store, as a reader does, and goes by what lives.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/live.h"
#include "engine/store_internal.h"
#include "wal/recover.h"

#define AT_ONCE (8u << 20) /* bytes, a multiple of HG_HASH_BLOCK */
#define TRIES   8          /* a compaction elsewhere may replace what was seen */

struct look {
    holog_store *s;
    int (*found)(void *ctx, const struct hg_damage_found *d);
    void *ctx;
    uint8_t *room; /* NULL: not needed so far */
    struct hg_record_read record;
    int told; /* damages */
};

static int is_finding(int rc)
{
    return rc == HOLOG_E_CORRUPT || rc == HOLOG_E_IO;
}

/* Its path is the one that it was saved under, if no entry refers to it (a part of a rope). */
static int tell(struct look *l, const struct hg_live_thing *t)
{
    struct holog_error_detail e;
    struct hg_damage_found d = { .segment = t->segment, .offset = t->offset };
    const char *path = t->path != NULL ? t->path : l->record.rec.path;
    size_t n = t->path != NULL ? t->path_len : l->record.rec.path_len;

    hg_error_get(&e);
    hg_segment_name(d.file, t->segment, HG_KIND_EXTENTS);
    (void)snprintf(d.message, sizeof d.message, "%.*s", (int)sizeof d.message - 1, e.message);
    if (path != NULL)
        memcpy(d.path, path, HG_MIN(n, sizeof d.path - 1));
    l->told++;
    return l->found(l->ctx, &d);
}

/* By the hashes of its record. */
static int read_all(struct look *l, const struct hg_live_thing *t, const char *path)
{
    int rc;

    l->record.rec.path = NULL;
    if (l->room == NULL)
        l->room = hg_alloc_aligned(HG_BLOCK, AT_ONCE);
    if (l->room == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory to read values");
    rc = hg_record_at(l->s, t->birth, path, &l->record);
    for (uint64_t at = 0; rc == HOLOG_OK && at < t->value_len; at += AT_ONCE)
        rc = hg_value_read_blocks(l->s, &l->record.rec, path, at,
                                  HG_MIN(at + AT_ONCE, t->value_len), l->room);
    return rc;
}

static int look_at(struct look *l, const struct hg_live_thing *t)
{
    char path[HG_PATH_MAX + 1] = "a value";
    int rc;

    if (t->kind != HG_LIVE_PIECE || t->value_at != 0 ||
        !hg_cold_has_pages(l->s->cold, hg_pos_segment(t->birth)))
        return HOLOG_OK;
    if (t->path != NULL && t->path_len <= HG_PATH_MAX) {
        memcpy(path, t->path, t->path_len);
        path[t->path_len] = 0;
    }
    rc = read_all(l, t, path);
    return is_finding(rc) ? tell(l, t) : rc;
}

static int look_at_all(struct look *l, const uint32_t *extents, size_t n)
{
    struct hg_live_list list = { 0 };
    int rc = hg_live_things(l->s, extents, n, &list);
    const struct hg_live_thing *t = (const struct hg_live_thing *)(const void *)list.things.data;

    for (size_t i = 0; rc == HOLOG_OK && i < list.things.len / sizeof *t; i++)
        rc = look_at(l, &t[i]);
    hg_live_list_release(l->s, &list);
    return rc;
}

static int list_extents(holog_store *s, struct hg_buf *out)
{
    struct hg_buf marks = { 0 };
    int rc = hg_live_mark(s, &marks);
    const struct hg_live_segment *g = (const struct hg_live_segment *)(const void *)marks.data;

    for (size_t i = 0; rc == HOLOG_OK && i < marks.len / sizeof *g; i++) {
        if (g[i].kind == HG_KIND_EXTENTS)
            rc = hg_buf_append(out, &g[i].segment, sizeof g[i].segment);
    }
    hg_buf_release(&marks);
    return rc;
}

static int any_moved(holog_store *s, int *out_any)
{
    struct hg_buf replaced = { 0 };
    int rc = hg_cold_replaced(s->cold, &replaced);

    *out_any = replaced.len > 0;
    hg_buf_release(&replaced);
    return rc;
}

static int look_in(struct look *l)
{
    struct hg_buf extents = { 0 };
    int any = 0;
    int rc = any_moved(l->s, &any);

    if (rc == HOLOG_OK && any)
        rc = list_extents(l->s, &extents);
    if (rc == HOLOG_OK && extents.len > 0)
        rc = look_at_all(l, (const uint32_t *)(const void *)extents.data,
                         extents.len / sizeof(uint32_t));
    hg_buf_release(&extents);
    return rc;
}

static int try_once(struct hg_io *io, struct look *l)
{
    const holog_options o = { .struct_size = sizeof o, .flags = HOLOG_OPEN_READONLY };
    struct holog_error_detail e;
    int closed;
    int rc = hg_store_open_io(io, &o, &l->s);

    if (rc < 0)
        return rc;
    rc = look_in(l);
    hg_record_release(&l->record);
    hg_error_get(&e);
    closed = holog_close(l->s);
    if (rc != HOLOG_OK)
        hg_error_set(&e);
    return rc != HOLOG_OK ? rc : closed;
}

static int see_name(void *ctx, const char *name, int is_dir)
{
    int *any = ctx;
    uint32_t id;
    enum hg_segment_kind kind = HG_KIND_FRAMES;

    if (!is_dir && hg_segment_parse_name(name, &id, &kind) == 1 && kind == HG_KIND_HWP)
        *any = 1;
    return 0;
}

/* Else no record has been moved, and there is nothing to open the store for. */
static int any_compressed(struct hg_io *io, int *out_any)
{
    *out_any = 0;
    return io->ops->read_dir(io, HG_SEG_DIR, see_name, out_any);
}

int hg_verify_moved(struct hg_io *io, int (*found)(void *ctx, const struct hg_damage_found *d),
                    void *ctx)
{
    struct look l = { .found = found, .ctx = ctx };
    int any = 0;
    int rc = any_compressed(io, &any);

    if (rc < 0 || !any)
        return rc;
    rc = HOLOG_E_STALE;
    for (int i = 0; rc == HOLOG_E_STALE && l.told == 0 && i < TRIES; i++)
        rc = try_once(io, &l);
    hg_free(l.room);
    return rc;
}
