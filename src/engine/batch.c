/*
 * Batches: many puts in one commit, taken in the order of their keys.
 *
 * In that order the directories above one path are mostly those above the path before, a path that
 * comes twice comes twice in a row, neighbours in the tree are met one after the other, and what is
 * written lies as it will be listed. The keys are kept for the commit, which then applies the whole
 * batch as a run (run.h).
 */
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"

struct text {
    uint32_t at; /* in txn->arena */
    uint32_t len;
};

struct batch {
    holog_txn *txn;
    const holog_item *items;
    size_t n;
    unsigned flags;
    struct hg_lookup lookup; /* for parents: what is published */
    struct hg_buf texts;     /* struct text, of each item */
    struct hg_run keys;      /* of each item; the locator's offset is its number */
    const uint8_t *last;     /* key of the item before */
    size_t last_len;
    size_t last_parent_len;
};

/* ---- collecting ----------------------------------------------------------------------------------*/

static int add_key(struct batch *b, size_t i)
{
    struct hg_locator loc = { .type = HG_ENTRY_BLOB, .offset = (uint32_t)i };
    char path[HG_PATH_MAX + 1];
    struct text text;
    struct hg_key k;
    size_t len = 0;
    int rc = hg_user_path(b->items[i].path, path, &len);

    if (rc == HOLOG_OK && len == 0)
        rc = hg_txn_refuse_root(HG_OP_SAVE, b->flags, 0);
    if (rc == HOLOG_OK)
        rc = hg_txn_keep_text(b->txn, path, len, &text.at, &text.len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&b->texts, &text, sizeof text);
    if (rc < 0)
        return rc;
    hg_key_make(path, len, &k);
    return hg_run_add(&b->keys, &k, &loc);
}

static const char *text_of(const struct batch *b, const struct text *t)
{
    return (const char *)b->txn->arena.data + t->at;
}

/* Length of the longest directory key that both directories are, or are below. */
static size_t shared_dir(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t n = HG_MIN(a_len, b_len);
    size_t i = 0;

    while (i < n && a[i] == b[i])
        i++;
    if ((i == a_len || a[i] == 0) && (i == b_len || b[i] == 0))
        return i;
    while (i > 0 && a[i - 1] != 0)
        i--;
    return i > 0 ? i - 1 : 0;
}

/* The deepest directory above put that is there, or that the item before has: all below it is to be
 * made. 0: something on the way is no directory, so keys do not tell. */
static int find_deepest(const struct batch *b, const struct hg_run_put *put, size_t shared,
                        size_t *out_len)
{
    size_t len = put->parent_len;
    struct hg_locator loc;
    int rc = HOLOG_E_NOENT;

    for (; len > shared; len = hg_key_parent(put->key, len)) {
        rc = b->lookup.get(b->lookup.ctx, put->key, len, &loc);
        if (rc != HOLOG_E_NOENT)
            break;
    }
    *out_len = len;
    return len <= shared || (rc == HOLOG_OK && loc.type == HG_ENTRY_DIR);
}

/* The same through symlinks: by path. */
static size_t find_deepest_resolved(const struct batch *b, const struct hg_run_put *put,
                                    size_t shared, const struct text *text)
{
    size_t path_len = hg_path_parent(text_of(b, text), text->len);
    size_t len = put->parent_len;

    while (len > shared && hg_parent_is_missing(&b->lookup, text_of(b, text), path_len) == 1) {
        len = hg_key_parent(put->key, len);
        path_len = hg_path_parent(text_of(b, text), path_len);
    }
    return len;
}

/* Bytes of the path that the first `key_len` bytes of its key, a directory's, stand for. */
static size_t path_len_of(const char *path, const uint8_t *key, size_t key_len)
{
    size_t len = 0;

    for (size_t at = 0; at < key_len; at += 1 + strlen((const char *)key + at))
        len += (at > 0) + strcspn(path + len + (at > 0), "/");
    return len;
}

/* Operations and the run stay in step: put i is operation i. */
static int add_put(struct batch *b, const struct hg_run_put *put, struct hg_op *op,
                   const void *data, size_t len)
{
    int rc = hg_txn_add(b->txn, op, data, len);

    return rc < 0 ? rc : hg_run_append(&b->txn->run, put);
}

static int add_dir(struct batch *b, const uint8_t *key, size_t key_len, const struct text *text,
                   size_t path_len)
{
    struct hg_locator loc = { .type = HG_ENTRY_DIR };
    struct hg_op op = { .type = HG_OP_MKDIR, .flags = HOLOG_PARENTS };
    struct hg_run_put put = { .key = key,
                              .key_len = key_len,
                              .parent_len = hg_key_parent(key, key_len),
                              .path_len = path_len,
                              .loc = &loc };
    char path[HG_PATH_MAX];
    int rc;

    memcpy(path, text_of(b, text), path_len); /* the arena may move */
    rc = hg_txn_keep_text(b->txn, path, path_len, &op.path, &op.path_len);
    return rc < 0 ? rc : add_put(b, &put, &op, NULL, 0);
}

/* The directories above put that are missing, from the top down. */
static int add_parents(struct batch *b, const struct hg_run_put *put, const struct text *text)
{
    size_t shared = shared_dir(put->key, put->parent_len, b->last, b->last_parent_len);
    size_t len;
    int rc = HOLOG_OK;

    if (!find_deepest(b, put, shared, &len))
        len = find_deepest_resolved(b, put, shared, text);
    while (rc == HOLOG_OK && len < put->parent_len) { /* down, a component a step */
        len += 1 + strlen((const char *)put->key + len + 1);
        rc = add_dir(b, put->key, len, text, path_len_of(text_of(b, text), put->key, len));
    }
    return rc;
}

static int add_item(struct batch *b, size_t i)
{
    struct hg_run_put put = hg_run_at(&b->keys, i);
    const holog_item *item = &b->items[put.loc->offset];
    const struct text *text = (const struct text *)(const void *)b->texts.data + put.loc->offset;
    struct hg_op op = {
        .type = HG_OP_SAVE, .flags = b->flags, .path = text->at, .path_len = text->len
    };
    int rc = HOLOG_OK;

    if (i > 0 && put.key_len == b->last_len && memcmp(put.key, b->last, put.key_len) == 0)
        return hg_error_path(HOLOG_E_INVAL, text_of(b, text), text->len, "%s is in the batch twice",
                             text_of(b, text));
    if ((b->flags & HOLOG_PARENTS) != 0)
        rc = add_parents(b, &put, text);
    if (rc == HOLOG_OK)
        rc = hg_txn_stage(b->txn, item->data, item->len_bytes, &op.staged);
    b->last = put.key;
    b->last_len = put.key_len;
    b->last_parent_len = put.parent_len;
    return rc < 0 ? rc : add_put(b, &put, &op, item->data, item->len_bytes);
}

static int collect(struct batch *b)
{
    size_t bytes = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; i < b->n && rc == HOLOG_OK; i++) {
        rc = add_key(b, i);
        bytes += b->items[i].len_bytes <= b->txn->store->inline_max ? b->items[i].len_bytes : 0;
    }
    if (rc == HOLOG_OK)
        rc = hg_txn_expect_bytes(b->txn, b->n, bytes);
    hg_run_sort(&b->keys);
    for (size_t i = 0; i < b->n && rc == HOLOG_OK; i++)
        rc = add_item(b, i);
    return rc;
}

int hg_batch_save(holog_txn *txn, const holog_item *items, size_t n, unsigned flags)
{
    struct batch b = { .txn = txn, .items = items, .n = n, .flags = flags };
    struct hg_version *v = hg_version_get_published(txn->store);
    int rc;

    if (v == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a batch");
    hg_lookup_version(txn->store, v, &b.lookup);
    rc = hg_txn_check_call(txn, HG_OP_SAVE, flags);
    if (rc == HOLOG_OK)
        rc = collect(&b);
    hg_version_put(txn->store, v);
    hg_buf_release(&b.texts);
    hg_run_release(&b.keys);
    return rc;
}

/* ---- committing ----------------------------------------------------------------------------------*/

static const struct hg_op *op_at(const holog_txn *txn, size_t i)
{
    return (const struct hg_op *)(const void *)txn->ops.data + i;
}

static size_t op_count(const holog_txn *txn)
{
    return txn->ops.len / sizeof(struct hg_op);
}

static int fits_run(const holog_txn *txn, const struct hg_op *op)
{
    return hg_op_makes_entry(op) && op->path_len > 0 && hg_op_is_literal(txn, op);
}

static int make_run(holog_txn *txn)
{
    size_t n = op_count(txn);
    struct hg_key k;
    int rc = HOLOG_OK;

    if (n < 2)
        return HOLOG_OK;
    for (size_t i = 0; i < n; i++)
        if (!fits_run(txn, op_at(txn, i)))
            return HOLOG_OK;
    for (size_t i = 0; i < n && rc == HOLOG_OK; i++) {
        const struct hg_op *op = op_at(txn, i);
        struct hg_locator loc = { .type = op->type == HG_OP_MKDIR ? HG_ENTRY_DIR : HG_ENTRY_BLOB };
        hg_key_make((const char *)txn->arena.data + op->path, op->path_len, &k);
        rc = hg_run_add(&txn->run, &k, &loc);
    }
    return rc;
}

int hg_batch_prepare(holog_txn *txn)
{
    int rc = txn->run.refs.len > 0 ? HOLOG_OK : make_run(txn);

    if (rc == HOLOG_OK)
        hg_run_sort(&txn->run);
    return rc;
}

struct fill {
    const holog_txn *txn;
    hg_batch_locator_fn locator;
    void *ctx;
};

static int fill_one(void *ctx, size_t i, struct hg_locator *loc)
{
    const struct fill *f = ctx;
    const struct hg_op *op = op_at(f->txn, i);

    *loc = f->locator(f->ctx, op);
    return (op->flags & (op->type == HG_OP_MKDIR ? HOLOG_PARENTS : HOLOG_REPLACE)) == 0;
}

int hg_batch_apply(holog_txn *txn, struct hg_state *st, hg_batch_locator_fn locator, void *ctx)
{
    struct fill f = { .txn = txn, .locator = locator, .ctx = ctx };

    hg_run_fill(&txn->run, fill_one, &f);
    return hg_run_flush(&txn->run, st);
}
