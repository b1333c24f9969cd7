/*
 * Whose a damaged value is; see damage.h. What lives in the segment is found out when the first of its damages is told of:
 * by a mark (live.h), which is dear, but damage is rare. Where there can be none, the path that the value was saved
 * under is looked up in the newest state.
 */
#include "engine/damage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/node.h"
#include "engine/store_internal.h"

static int by_birth(const void *a, const void *b)
{
    const struct hg_live_thing *x = a;
    const struct hg_live_thing *y = b;

    return (x->birth > y->birth) - (x->birth < y->birth);
}

/* The values of the segment alone, by birth. */
static void keep_values(struct hg_damaged *d)
{
    struct hg_live_thing *t = (struct hg_live_thing *)(void *)d->list.things.data;
    size_t n = d->list.things.len / sizeof *t;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (t[i].kind == HG_LIVE_PIECE && t[i].segment == d->segment)
            t[kept++] = t[i];
    d->list.things.len = kept * sizeof *t;
    if (kept > 0)
        qsort(t, kept, sizeof *t, by_birth);
}

void hg_damaged_release(holog_store *s, struct hg_damaged *d)
{
    hg_live_list_release(s, &d->list);
    *d = (struct hg_damaged){ 0 };
}

static void look_at(holog_store *s, struct hg_damaged *d, uint32_t segment)
{
    if (d->segment == segment)
        return;
    hg_damaged_release(s, d);
    d->segment = segment;
    d->known = hg_live_things(s, &segment, 1, &d->list) == HOLOG_OK &&
               hg_cold_there(s->cold, segment); /* or it says nothing of what was there */
    if (!d->known)
        d->list.things.len = 0;
    keep_values(d);
}

static const struct hg_live_thing *find(const struct hg_damaged *d, hg_pos birth)
{
    const struct hg_live_thing key = { .birth = birth };
    size_t n = d->list.things.len / sizeof key;

    return n == 0 ? NULL : bsearch(&key, d->list.things.data, n, sizeof key, by_birth);
}

static void set_path(struct hg_damaged_value *out, const char *path, size_t len)
{
    if (path == NULL)
        return;
    (void)snprintf(out->path, sizeof out->path, "%.*s", (int)HG_MIN(len, sizeof out->path - 1),
                   path);
    hg_node_show(out->path, sizeof out->path);
}

static int is_newest(holog_store *s, const char *path, size_t len, hg_pos birth)
{
    struct hg_version *v = hg_version_get_published(s);
    struct hg_locator loc = { 0 };
    struct hg_key key;
    int is;

    if (v == NULL || len > HG_PATH_MAX) {
        hg_version_put(s, v);
        return 0;
    }
    hg_key_make(path, len, &key);
    is = hg_root_lookup(v->root, key.bytes, key.len, &loc) >= 0 &&
         hg_pos_make(loc.segment, loc.offset) == birth;
    hg_version_put(s, v);
    return is;
}

/* That of the record, when it can be read: what the value was saved under. */
static void set_recorded(holog_store *s, const struct hg_damaged *d, hg_pos birth,
                         struct hg_damaged_value *out)
{
    struct hg_record_read r = { 0 };

    if (hg_record_at(s, birth, "a value", &r) == HOLOG_OK && r.rec.path != NULL) {
        set_path(out, r.rec.path, r.rec.path_len);
        if (!d->known && !is_newest(s, r.rec.path, r.rec.path_len, birth))
            out->which = "an older version of this entry, or what was moved from there";
    }
    hg_record_release(&r);
}

static const char *const which[HG_HOLDERS] = { NULL, "an older version, which history keeps",
                                               "an older version, which a tag keeps",
                                               "an older version, which an open view keeps" };

void hg_damaged_value(holog_store *s, struct hg_damaged *d, uint32_t segment, hg_pos birth,
                      struct hg_damaged_value *out)
{
    const struct hg_live_thing *t;
    struct holog_error_detail before;

    *out = (struct hg_damaged_value){ 0 };
    hg_error_get(&before);
    look_at(s, d, segment);
    t = find(d, birth);
    out->harmless = d->known && t == NULL;
    if (t != NULL) {
        out->which = which[t->holder];
        set_path(out, t->path, t->path_len);
    }
    if (out->path[0] == 0)
        set_recorded(s, d, birth, out);
    hg_error_set(&before);
}

void hg_damaged_say(const struct hg_damaged_value *v, const char *why, char *out, size_t room)
{
    const char *once = v->path[0] != 0 ? ", once " : "";

    if (v->harmless)
        (void)snprintf(out, room,
                       "%.90s; nobody can ask for it any more%s%.60s: it goes when its segment is "
                       "compacted, or with a purge",
                       why, once, v->path);
    else
        (void)snprintf(out, room, "%.200s%s%s", why, v->which != NULL ? "; " : "",
                       v->which != NULL ? v->which : "");
}
