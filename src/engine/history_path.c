/*
 * holog_history: the versions of one path, from the index and its past.
 */
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"
#include "holog/versions.h"

struct walk {
    holog_store *s;
    struct hg_fields fields;
    uint64_t left; /* still wanted */
    int (*each)(void *ctx, const holog_version_info *info);
    void *ctx;
    int stopped;
    int any;
};

/* 0: that commit's frame is not known any more. */
static int find_moment(holog_store *s, uint64_t number, struct hg_moment *out)
{
    size_t i;
    int found;

    hg_timeline_lock(s);
    i = hg_timeline_find(&s->timeline, number);
    found = i != SIZE_MAX && hg_timeline_at(&s->timeline, i)->number == number;
    if (found)
        *out = *hg_timeline_at(&s->timeline, i);
    hg_timeline_unlock(s);
    return found;
}

/* Neither the rules nor a tag keep it: it is only there because nobody has come by yet. */
static int is_dropped(holog_store *s, uint64_t number, uint64_t end)
{
    int dropped;

    hg_timeline_lock(s);
    dropped = !hg_timeline_keeps(&s->timeline, number, end);
    hg_timeline_unlock(s);
    return dropped;
}

static int show(struct walk *w, const struct hg_locator *loc, uint64_t end)
{
    static const char *const none[] = { NULL };
    holog_version_info info = { .struct_size = sizeof info,
                                .type = loc->type,
                                .number = loc->number,
                                .end_number = end,
                                .size_bytes = loc->type == HG_ENTRY_DIR ? 0 : loc->size,
                                .segment = loc->segment,
                                .offset = loc->offset,
                                .message = "",
                                .meta = none };
    struct hg_moment m;

    if (find_moment(w->s, loc->number, &m)) {
        int rc = hg_fields_read(w->s, &m, &w->fields);
        if (rc < 0)
            return rc;
        info.time_ns = w->fields.time_ns;
        info.message = w->fields.message;
        info.meta = (const char *const *)(const void *)w->fields.meta.data;
    }
    w->any = 1;
    w->left--;
    w->stopped = w->each(w->ctx, &info) != 0;
    return HOLOG_OK;
}

static int show_past(struct walk *w, const struct hg_version *v, const struct hg_key *k)
{
    uint8_t prefix[HG_KEY_MAX];
    struct hg_cursor c;
    int rc;

    memcpy(prefix, k->bytes, k->len);
    prefix[k->len] = prefix[k->len + 1] = 0;
    rc = hg_cursor_open(&c, v->past, prefix, k->len + 2, 0);
    while (rc == HOLOG_OK && w->left > 0 && !w->stopped && c.key_len >= k->len + 2 &&
           memcmp(c.key, prefix, k->len + 2) == 0) {
        struct hg_locator loc = c.loc;
        struct hg_past_key p;
        hg_past_key_decode(c.key, c.key_len, &p);
        loc.number = p.number;
        if (!is_dropped(w->s, p.number, c.loc.number))
            rc = show(w, &loc, c.loc.number);
        if (rc == HOLOG_OK)
            rc = hg_cursor_next(&c);
    }
    hg_cursor_close(&c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

int holog_history(holog_store *store, const char *path, uint64_t limit,
                  int (*each)(void *ctx, const holog_version_info *info), void *ctx)
{
    struct walk w = { .s = store, .each = each, .ctx = ctx };
    struct hg_version *v;
    struct hg_resolved r;
    int rc = hg_store_check(store);

    if (rc == HOLOG_OK && each == NULL)
        rc = hg_error(HOLOG_E_INVAL, "each is NULL");
    if (rc < 0)
        return rc;
    w.left = limit == 0 ? UINT64_MAX : limit;
    v = hg_version_get_published(store);
    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a view");
    rc = hg_resolve_gone(store, v, path, &r);
    if (rc == HOLOG_OK && r.path_len == 0)
        rc = hg_error(HOLOG_E_INVAL, "the root directory has no versions; the log has all commits");
    if (rc == HOLOG_OK && r.loc.type != 0)
        rc = show(&w, &r.loc, 0);
    if (rc == HOLOG_OK)
        rc = show_past(&w, v, &r.key);
    if (rc == HOLOG_OK && !w.any)
        rc = hg_error_path(HOLOG_E_NOENT, r.path, (uint32_t)r.path_len,
                           "%s: there is nothing, and was nothing that is kept", r.path);
    hg_fields_release(&w.fields);
    hg_version_put(store, v);
    return rc;
}
