/*
 * Changes applied to the index; see apply.h.
 */
#include "engine/apply.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/past.h"

/* ---- states --------------------------------------------------------------------------------------*/

void hg_state_freeze(struct hg_state *st, struct hg_state_mark *out)
{
    *out = (struct hg_state_mark){ .root = hg_index_freeze(st->index), .sums = st->sums };
    if (st->past != NULL)
        out->past = hg_index_freeze(st->past);
}

void hg_state_reset(struct hg_state *st, const struct hg_state_mark *m)
{
    hg_index_reset(st->index, m->root);
    if (st->past != NULL)
        hg_index_reset(st->past, m->past);
    st->sums = m->sums;
}

void hg_state_mark_release(struct hg_state_mark *m)
{
    hg_root_put(m->root);
    if (m->past != NULL)
        hg_root_put(m->past);
}

/* ---- changes -------------------------------------------------------------------------------------*/

void hg_key_make(const char *path, size_t path_len, struct hg_key *out)
{
    out->len = hg_path_to_key(path, path_len, out->bytes);
    out->path_len = path_len;
    out->parent_len = hg_key_parent(out->bytes, out->len);
}

int hg_state_get(const struct hg_state *st, const uint8_t *key, size_t len, struct hg_locator *out)
{
    if (len == 0) {
        *out = (struct hg_locator){ .type = HG_ENTRY_DIR, .size = st->sums.root_number };
        return HOLOG_OK;
    }
    return hg_index_get(st->index, key, len, out);
}

/* The directory whose key this is has a changed child. *out_was: its last change before. No message:
 * HOLOG_E_NOENT, HOLOG_E_NOTDIR may be what the caller expects. */
static int mark_directory(struct hg_state *st, const uint8_t *key, size_t len, uint64_t number,
                          uint64_t *out_was)
{
    struct hg_locator loc;
    int rc;

    if (len == 0) {
        *out_was = st->sums.root_number;
        st->sums.root_number = number;
        return HOLOG_OK;
    }
    rc = hg_index_mark(st->index, key, len, number, &loc);
    if (rc == HOLOG_OK)
        *out_was = loc.size;
    return rc == HOLOG_OK && loc.type != HG_ENTRY_DIR ? HOLOG_E_NOTDIR : rc;
}

static int say_parent(int rc)
{
    if (rc == HOLOG_E_NOENT)
        return hg_error(HOLOG_E_NOENT, "the parent directory is missing");
    if (rc == HOLOG_E_NOTDIR)
        return hg_error(HOLOG_E_NOTDIR, "the parent is not a directory");
    return rc;
}

int hg_apply_mark(struct hg_state *st, const struct hg_key *k, uint64_t number, uint64_t *out_was)
{
    return mark_directory(st, k->bytes, k->parent_len, number, out_was);
}

void hg_apply_unmark(struct hg_state *st, const struct hg_key *k, uint64_t number, uint64_t was)
{
    if (was >= number)
        return; /* it was marked before, and stays so */
    if (k->parent_len == 0)
        st->sums.root_number = was;
    else
        hg_index_unmark(st->index, k->bytes, k->parent_len, was);
}

void hg_sums_count(struct hg_sums *s, const struct hg_locator *loc, size_t path_len, int sign)
{
    uint64_t n = sign > 0 ? 1 : UINT64_MAX; /* modulo 2^64 */

    s->entries += n;
    s->live_key_bytes += n * path_len;
    if (loc->type == HG_ENTRY_DIR)
        s->directories += n;
    else
        s->live_value_bytes += n * loc->size;
}

int hg_apply_put_marked(struct hg_state *st, const struct hg_key *k, const struct hg_locator *loc,
                        unsigned over)
{
    struct hg_locator old;
    int rc = hg_index_put_over(st->index, k->bytes, k->len, loc, over, &old);

    if (rc != HOLOG_OK)
        return rc;
    if (old.type != 0) {
        rc = hg_past_keep(st, k->bytes, k->len, &old, loc->number, loc->ends);
        if (rc < 0) {
            hg_index_put_back(st->index, k->bytes, k->len, &old);
            return rc;
        }
    }
    if (old.type != 0)
        hg_sums_count(&st->sums, &old, k->path_len, -1);
    hg_sums_count(&st->sums, loc, k->path_len, +1);
    return HOLOG_OK;
}

int hg_apply_put_over(struct hg_state *st, const struct hg_key *k, const struct hg_locator *loc,
                      unsigned over)
{
    uint64_t was = 0;
    int rc = hg_apply_mark(st, k, loc->number, &was);

    if (rc < 0)
        return rc;
    rc = hg_apply_put_marked(st, k, loc, over);
    if (rc != HOLOG_OK)
        hg_apply_unmark(st, k, loc->number, was);
    return rc;
}

int hg_apply_put(struct hg_state *st, const struct hg_key *k, const struct hg_locator *loc)
{
    return say_parent(hg_apply_put_over(st, k, loc, ~0u));
}

int hg_apply_mkdir(struct hg_state *st, const struct hg_key *k, const struct hg_locator *loc)
{
    struct hg_locator have;
    int rc = hg_state_get(st, k->bytes, k->len, &have);

    if (rc == HOLOG_OK && have.type == HG_ENTRY_DIR)
        return HOLOG_OK;
    return hg_apply_put(st, k, loc);
}

/* Key of everything below a directory: its key and 00. */
static size_t below(const struct hg_key *k, uint8_t *out)
{
    if (k->len == 0)
        return 0;
    memcpy(out, k->bytes, k->len);
    out[k->len] = 0;
    return k->len + 1;
}

static size_t key_path_len(const uint8_t *key, size_t len)
{
    char path[HG_PATH_MAX + 1];
    size_t n = 0;

    return hg_key_to_path(key, len, path, &n) < 0 ? 0 : n;
}

/* Everything below k is taken out of the sums, and goes to the past. */
static int uncount_below(struct hg_state *st, const uint8_t *prefix, size_t prefix_len,
                         uint64_t number, uint8_t ends)
{
    struct hg_root *root = hg_index_freeze(st->index);
    struct hg_cursor c;
    int rc = hg_cursor_open(&c, root, prefix, prefix_len, 0);
    int opened = rc == HOLOG_OK;

    while (rc == HOLOG_OK && c.key_len >= prefix_len && memcmp(c.key, prefix, prefix_len) == 0) {
        hg_sums_count(&st->sums, &c.loc, key_path_len(c.key, c.key_len), -1);
        rc = hg_past_keep(st, c.key, c.key_len, &c.loc, number, ends);
        if (rc == HOLOG_OK)
            rc = hg_cursor_next(&c);
    }
    if (opened)
        hg_cursor_close(&c);
    hg_root_put(root);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int delete_tree(struct hg_state *st, const struct hg_key *k, uint64_t number, uint8_t ends)
{
    uint8_t prefix[HG_KEY_MAX + 1];
    size_t prefix_len = below(k, prefix);
    struct hg_locator old = { .type = HG_ENTRY_DIR };
    uint64_t was;
    int rc = HOLOG_OK;

    if (k->len > 0) {
        rc = hg_index_get(st->index, k->bytes, k->len, &old);
        if (rc == HOLOG_OK)
            rc = say_parent(mark_directory(st, k->bytes, k->parent_len, number, &was));
    }
    if (rc == HOLOG_OK && old.type == HG_ENTRY_DIR) {
        rc = uncount_below(st, prefix, prefix_len, number, ends);
        if (rc == HOLOG_OK)
            rc = hg_index_remove_prefix(st->index, prefix, prefix_len, NULL);
    }
    if (rc < 0)
        return rc;
    if (k->len == 0) {
        st->sums.root_number = number;
        return HOLOG_OK;
    }
    rc = hg_index_remove(st->index, k->bytes, k->len, &old);
    if (rc == HOLOG_OK)
        rc = hg_past_keep(st, k->bytes, k->len, &old, number, ends);
    if (rc == HOLOG_OK)
        hg_sums_count(&st->sums, &old, k->path_len, -1);
    return rc;
}

int hg_apply_delete_tree(struct hg_state *st, const struct hg_key *k, uint64_t number)
{
    return delete_tree(st, k, number, HG_ENDS_ALL);
}

/* One entry below `from`, put below `to`. */
static int transfer_one(struct hg_state *st, const struct hg_key *from, const struct hg_key *to,
                        const uint8_t *key, size_t key_len, struct hg_locator loc, uint64_t number)
{
    uint8_t dest[HG_KEY_MAX];
    struct hg_locator old;
    size_t path_len;
    int replaced = 0;
    size_t dest_len = to->len + (key_len - from->len);
    int rc;

    if (dest_len > sizeof dest)
        return hg_error(HOLOG_E_NAMETOOLONG, "a path below the destination would be too long");
    memcpy(dest, to->bytes, to->len);
    memcpy(dest + to->len, key + from->len, key_len - from->len);
    path_len = key_path_len(dest, dest_len);
    if (path_len == 0)
        return hg_error(HOLOG_E_NAMETOOLONG, "a path below the destination would be too long");
    loc.number = number;
    if (loc.type == HG_ENTRY_DIR)
        loc.size = number;
    rc = hg_index_put(st->index, dest, dest_len, &loc, &replaced, &old);
    if (rc == HOLOG_OK && replaced)
        rc = hg_past_keep(st, dest, dest_len, &old, number, HG_ENDS_ALL);
    if (rc == HOLOG_OK && replaced)
        hg_sums_count(&st->sums, &old, path_len, -1);
    if (rc == HOLOG_OK)
        hg_sums_count(&st->sums, &loc, path_len, +1);
    return rc;
}

int hg_apply_copy(struct hg_state *st, const struct hg_key *from, const struct hg_key *to,
                  uint64_t number)
{
    uint8_t prefix[HG_KEY_MAX + 1];
    size_t prefix_len = below(from, prefix);
    struct hg_root *root = hg_index_freeze(st->index);
    struct hg_cursor c;
    struct hg_locator loc;
    uint64_t was;
    int opened = 0;
    int rc = hg_index_get(st->index, from->bytes, from->len, &loc);

    if (rc == HOLOG_OK)
        rc = say_parent(mark_directory(st, to->bytes, to->parent_len, number, &was));
    if (rc == HOLOG_OK)
        rc = transfer_one(st, from, to, from->bytes, from->len, loc, number);
    if (rc == HOLOG_OK && loc.type == HG_ENTRY_DIR) {
        rc = hg_cursor_open(&c, root, prefix, prefix_len, 0);
        opened = rc == HOLOG_OK;
        while (rc == HOLOG_OK && c.key_len > prefix_len && memcmp(c.key, prefix, prefix_len) == 0) {
            rc = transfer_one(st, from, to, c.key, c.key_len, c.loc, number);
            if (rc == HOLOG_OK)
                rc = hg_cursor_next(&c);
        }
        if (rc == HOLOG_E_NOENT)
            rc = HOLOG_OK;
        if (opened)
            hg_cursor_close(&c);
    }
    hg_root_put(root);
    return rc;
}

int hg_apply_move(struct hg_state *st, const struct hg_key *from, const struct hg_key *to,
                  uint64_t number)
{
    int rc = hg_apply_copy(st, from, to, number);

    if (rc == HOLOG_OK)
        rc = delete_tree(st, from, number, HG_ENDS_NONE);
    return rc;
}

/* ---- going back ----------------------------------------------------------------------------------*/

struct rollback {
    struct hg_state *st;
    const struct hg_state_mark *before;
    uint64_t target;
    uint64_t number;
    uint8_t marked[HG_KEY_MAX]; /* the directory of the last one that was changed */
    size_t marked_len;          /* SIZE_MAX: of none yet */
};

/* The directory that the entry is in, which may be gone by now, with all that was in it: it comes
 * before them and has become what it was. */
static int mark_parent_if_there(struct rollback *r, const uint8_t *key, size_t len)
{
    size_t parent = hg_key_parent(key, len);
    uint64_t was;
    int rc;

    if (parent == r->marked_len && memcmp(key, r->marked, parent) == 0)
        return HOLOG_OK;
    memcpy(r->marked, key, parent);
    r->marked_len = parent;
    rc = mark_directory(r->st, key, parent, r->number, &was);
    return rc == HOLOG_E_NOENT || rc == HOLOG_E_NOTDIR ? HOLOG_OK : rc;
}

static int same_version(const struct hg_locator *a, const struct hg_locator *b)
{
    return a->type == b->type &&
           (a->type == HG_ENTRY_DIR || (a->segment == b->segment && a->offset == b->offset));
}

/* What comes back was counted when it went, and stays so: what goes now counts as far as it is more. */
static uint8_t swapped(const struct hg_locator *goes, const struct hg_locator *comes)
{
    if (goes->type == HG_ENTRY_DIR || comes->type == HG_ENTRY_DIR)
        return HG_ENDS_ALL;
    return hg_past_ends(goes->size > comes->size ? goes->size - comes->size : 0);
}

/* One entry becomes what it was. */
static int restore_one(struct rollback *r, const uint8_t *key, size_t len)
{
    struct hg_locator was;
    struct hg_locator is;
    size_t path_len = key_path_len(key, len);
    int has = hg_root_lookup(r->before->root, key, len, &is);
    int had;
    int rc;

    if ((has < 0 && has != HOLOG_E_NOENT) || (has == HOLOG_OK && is.number <= r->target))
        return has; /* not changed since */
    had = hg_past_find(r->before->past, key, len, r->target, &was);
    if (had < 0 && had != HOLOG_E_NOENT)
        return had;
    /* It came and went: whether the past has let go of it by now must make no difference. */
    if (had != HOLOG_OK && has != HOLOG_OK)
        return HOLOG_OK;
    if (had == HOLOG_OK && has == HOLOG_OK && same_version(&was, &is))
        return HOLOG_OK;
    rc = mark_parent_if_there(r, key, len);
    if (rc == HOLOG_OK && has == HOLOG_OK) {
        rc = hg_past_keep(r->st, key, len, &is, r->number,
                          had < 0 ? HG_ENDS_ALL : swapped(&is, &was));
        hg_sums_count(&r->st->sums, &is, path_len, -1);
    }
    if (rc < 0)
        return rc;
    if (had < 0)
        return hg_index_remove(r->st->index, key, len, NULL);
    was.number = r->number;
    if (was.type == HG_ENTRY_DIR)
        was.size = r->number;
    hg_sums_count(&r->st->sums, &was, path_len, +1);
    return hg_index_put(r->st->index, key, len, &was, NULL, NULL);
}

int hg_apply_rollback(struct hg_state *st, const struct hg_key *subtree, uint64_t target,
                      uint64_t number)
{
    struct hg_state_mark before;
    struct rollback r = {
        .st = st, .before = &before, .target = target, .number = number, .marked_len = SIZE_MAX
    };
    struct hg_changes *c = hg_malloc(sizeof *c);
    int rc;

    if (c == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a rollback");
    hg_state_freeze(st, &before);
    rc = hg_changes_open(c, before.root, before.past, subtree, target);
    while (rc == HOLOG_OK) {
        rc = hg_changes_next(c);
        if (rc == HOLOG_OK)
            rc = restore_one(&r, c->key, c->key_len);
    }
    hg_changes_close(c);
    hg_state_mark_release(&before);
    hg_free(c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}
