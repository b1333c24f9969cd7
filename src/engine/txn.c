/*
 * Transactions: changes are collected as operations, with their records encoded as they come; a
 * private overlay (a small index of its own) lets the transaction read what it has changed.
 *
 * The overlay holds, by key, a locator of the transaction's own: segment 0 and offset = number of
 * the operation that made it; segment HG_GONE says "gone". Entries it copies or moves keep the locator they
 * had, whose birth position is in the log.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/node.h"
#include "engine/check.h"
#include "engine/delta.h"
#include "engine/store_internal.h"
#include "wal/frame.h"

#define OPS_MAX      (1u << 22)
#define IDLE_BUF_MAX 4096u
#define RECORD_REST  64u /* of a record beside path, value and table; roughly */

static struct hg_op *op_at(holog_txn *txn, size_t i)
{
    return (struct hg_op *)(void *)txn->ops.data + i;
}

static size_t op_count(const holog_txn *txn)
{
    return txn->ops.len / sizeof(struct hg_op);
}

static const char *text(const holog_txn *txn, uint32_t at)
{
    return (const char *)txn->arena.data + at;
}

int hg_txn_keep_text(holog_txn *txn, const char *s, size_t len, uint32_t *out_at, uint32_t *out_len)
{
    size_t at = txn->arena.len;
    int rc;

    if (at + len + 1 > UINT32_MAX)
        return hg_error(HOLOG_E_TOOBIG, "the transaction's paths are over 4 GiB");
    rc = hg_buf_append(&txn->arena, s, len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append_byte(&txn->arena, 0);
    if (rc < 0) {
        txn->arena.len = at;
        return rc;
    }
    *out_at = (uint32_t)at;
    *out_len = (uint32_t)len;
    return HOLOG_OK;
}

/* ---- life ----------------------------------------------------------------------------------------------*/

/* Small commits come by the thousand: the transactions they end with, and their buffers, serve the
 * next. One place for each of some threads. */
static holog_txn **idle_place(holog_store *s)
{
    static _Thread_local char here; /* threads' blocks are some pages apart */
    return &s->idle_txns[((uintptr_t)&here >> 12) % HG_IDLE_TXNS];
}

static int is_small(const struct hg_buf *b)
{
    return b->cap <= IDLE_BUF_MAX;
}

static void destroy(holog_txn *txn)
{
    hg_buf_release(&txn->arena);
    hg_buf_release(&txn->body);
    hg_buf_release(&txn->fields);
    hg_buf_release(&txn->ops);
    hg_buf_release(&txn->reads);
    hg_buf_release(&txn->savepoints);
    hg_free(txn);
}

static struct hg_buf emptied(struct hg_buf b)
{
    b.len = 0;
    return b;
}

static void keep_or_destroy(holog_txn *txn)
{
    holog_txn *before = txn;

    if (is_small(&txn->arena) && is_small(&txn->body) && is_small(&txn->fields) &&
        is_small(&txn->ops) && is_small(&txn->reads) && is_small(&txn->savepoints)) {
        *txn = (holog_txn){ .arena = emptied(txn->arena),
                            .body = emptied(txn->body),
                            .fields = emptied(txn->fields),
                            .ops = emptied(txn->ops),
                            .reads = emptied(txn->reads),
                            .savepoints = emptied(txn->savepoints),
                            .store = txn->store };
        before = __atomic_exchange_n(idle_place(txn->store), txn, __ATOMIC_ACQ_REL);
    }
    if (before != NULL)
        destroy(before);
}

void hg_txn_free_idle(holog_store *s)
{
    for (size_t i = 0; i < HG_IDLE_TXNS; i++) {
        if (s->idle_txns[i] != NULL)
            destroy(s->idle_txns[i]);
        s->idle_txns[i] = NULL;
    }
}

int hg_txn_begin(holog_store *s, enum hg_txn_kind kind, holog_txn **out_txn)
{
    holog_txn *txn = __atomic_exchange_n(idle_place(s), NULL, __ATOMIC_ACQ_REL);
    int rc;

    if (txn == NULL)
        txn = hg_calloc(1, sizeof *txn);
    if (txn == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a transaction");
    txn->store = s;
    txn->kind = kind;
    if (kind == HG_TXN_READING)
        __atomic_add_fetch(&s->open_txns, 1, __ATOMIC_RELAXED);
    txn->sync = (enum holog_sync)s->opts.sync;
    rc = hg_body_begin(&txn->body, 0, NULL, 0);
    if (rc == HOLOG_OK && kind == HG_TXN_READING) {
        txn->base = hg_version_get_published(s);
        if (txn->base == NULL)
            rc = hg_error(HOLOG_E_NOMEM, "no memory for a transaction");
    }
    if (rc < 0) {
        hg_txn_free(txn);
        return rc;
    }
    *out_txn = txn;
    return HOLOG_OK;
}

void hg_txn_free(holog_txn *txn)
{
    if (txn == NULL)
        return;
    if (txn->kind == HG_TXN_READING)
        __atomic_sub_fetch(&txn->store->open_txns, 1, __ATOMIC_RELEASE);
    while (txn->children != NULL) {
        struct hg_txn_child *child = txn->children;
        txn->children = child->next;
        child->ended(child);
    }
    hg_version_put(txn->store, txn->base);
    if (txn->overlay != NULL)
        hg_index_destroy(txn->overlay);
    while (txn->staged != NULL) {
        struct hg_staged *g = txn->staged;
        txn->staged = g->next;
        hg_staged_put(g);
    }
    hg_deltas_free(txn, NULL);
    hg_run_release(&txn->run);
    if (txn->kept != NULL)
        txn->release_kept(txn->kept);
    hg_budget_give(txn->store->cache, txn->taken);
    keep_or_destroy(txn);
}

/* ---- budget ------------------------------------------------------------------------------------------------*/

#define ROOM_FREE (64u << 10)  /* a small transaction is not counted */
#define ROOM_STEP (256u << 10) /* taken at once, if it is there */

static uint64_t room_used(const holog_txn *txn, size_t add)
{
    return hg_buf_grown(&txn->body, add) + txn->arena.cap + txn->ops.cap + txn->reads.cap +
           (txn->overlay != NULL ? hg_index_bytes(txn->overlay) : 0) + hg_run_bytes(&txn->run);
}

/* Room for `add` more bytes in the body, and for what the commit will make of it: pages of the
 * cache, or a copy on its way to an extent. */
static int take_room(holog_txn *txn, size_t add)
{
    uint64_t want = room_used(txn, add) + txn->body.len + add;
    uint64_t need;
    int rc;

    if (want <= ROOM_FREE + txn->taken)
        return HOLOG_OK;
    need = want - ROOM_FREE - txn->taken;
    rc = hg_budget_take(txn->store->cache, HG_MAX(need, (uint64_t)ROOM_STEP));
    if (rc == HOLOG_OK)
        need = HG_MAX(need, (uint64_t)ROOM_STEP);
    else if (rc == HOLOG_E_BUDGET && need < ROOM_STEP)
        rc = hg_budget_take(txn->store->cache, need);
    if (rc == HOLOG_OK)
        txn->taken += need;
    return rc;
}

int hg_txn_expect_bytes(holog_txn *txn, size_t n_ops, size_t value_bytes)
{
    size_t add = value_bytes + txn->arena.len + n_ops * RECORD_REST;
    int rc = take_room(txn, add + n_ops * sizeof(struct hg_op) + 4 * txn->arena.len);

    if (rc == HOLOG_OK)
        rc = hg_buf_reserve(&txn->body, add);
    return rc < 0 ? rc : hg_buf_reserve(&txn->ops, n_ops * sizeof(struct hg_op));
}

void hg_txn_make_way(holog_txn *txn)
{
    uint64_t keep = HG_MIN(room_used(txn, 0), txn->taken);

    hg_budget_give(txn->store->cache, txn->taken - keep);
    txn->taken = keep;
}

/* ---- reading through the transaction -----------------------------------------------------------------------*/

static int get_below(const holog_txn *txn, const uint8_t *key, size_t len, struct hg_locator *out)
{
    struct hg_lookup below;

    hg_lookup_version(txn->store, txn->base, &below);
    return below.get(below.ctx, key, len, out);
}

static int get_through(void *ctx, const uint8_t *key, size_t len, struct hg_locator *out)
{
    const holog_txn *txn = ctx;
    int rc = HOLOG_E_NOENT;

    if (txn->overlay != NULL && len > 0)
        rc = hg_index_get(txn->overlay, key, len, out);
    if (rc == HOLOG_OK)
        return hg_is_gone(out) ? HOLOG_E_NOENT : HOLOG_OK;
    return rc == HOLOG_E_NOENT ? get_below(txn, key, len, out) : rc;
}

static int target_through(void *ctx, const struct hg_locator *loc, char *out, size_t *out_len)
{
    holog_txn *txn = ctx;
    const struct hg_op *op;

    if (loc->segment != 0)
        return hg_value_target(txn->store, loc, out, out_len);
    op = op_at(txn, loc->offset);
    memcpy(out, text(txn, op->to), (size_t)op->to_len + 1);
    *out_len = op->to_len;
    return HOLOG_OK;
}

void hg_txn_lookup(holog_txn *txn, struct hg_lookup *out)
{
    *out = (struct hg_lookup){
        .store = txn->store, .ctx = txn, .get = get_through, .target = target_through
    };
}

/* ---- what was read ------------------------------------------------------------------------------------------*/

static int note(holog_txn *txn, enum hg_read_kind kind, const uint8_t *key, size_t len,
                uint64_t number)
{
    struct hg_read read = { .kind = kind, .number = number };
    int rc = hg_txn_keep_text(txn, (const char *)key, len, &read.key, &read.key_len);

    return rc < 0 ? rc : hg_buf_append(&txn->reads, &read, sizeof read);
}

/* Something that the transaction has copied or moved is being read: so its sources are. */
static int note_copies(holog_txn *txn)
{
    int rc = HOLOG_OK;

    for (; rc == HOLOG_OK && txn->copies_noted < op_count(txn); txn->copies_noted++) {
        const struct hg_op *op = op_at(txn, txn->copies_noted);
        struct hg_key key;
        if (op->type != HG_OP_COPY && op->type != HG_OP_MOVE)
            continue;
        hg_key_make(text(txn, op->path), op->path_len, &key);
        rc = note(txn, HG_READ_TREE, key.bytes, key.len, 0);
    }
    return rc;
}

/* Of directories on the way only that they are there; a link's number says where it leads. */
static int get_noting(void *ctx, const uint8_t *key, size_t len, struct hg_locator *out)
{
    holog_txn *txn = ctx;
    int rc = HOLOG_E_NOENT;
    int rc2;

    if (txn->overlay != NULL && len > 0)
        rc = hg_index_get(txn->overlay, key, len, out);
    if (rc == HOLOG_OK && hg_is_gone(out))
        return HOLOG_E_NOENT;
    if (rc == HOLOG_OK && out->number == HG_NUMBER_OWN) {
        rc2 = out->segment != 0 ? note_copies(txn) : HOLOG_OK;
        return rc2 < 0 ? rc2 : rc;
    }
    if (rc == HOLOG_E_NOENT)
        rc = get_below(txn, key, len, out);
    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    if (rc == HOLOG_OK && out->type == HG_ENTRY_DIR)
        rc2 = note(txn, HG_READ_DIR, key, len, 0);
    else
        rc2 = note(txn, HG_READ_ENTRY, key, len, rc == HOLOG_OK ? out->number : 0);
    return rc2 < 0 ? rc2 : rc;
}

void hg_txn_lookup_reading(holog_txn *txn, struct hg_lookup *out)
{
    hg_txn_lookup(txn, out);
    out->get = get_noting;
}

/* What others have in the directory; the transaction's own changes are nobody else's. */
int hg_txn_note_listing(holog_txn *txn, const struct hg_key *dir)
{
    struct hg_locator loc;
    int rc = note_copies(txn);

    if (rc == HOLOG_OK)
        rc = get_below(txn, dir->bytes, dir->len, &loc);
    if (rc == HOLOG_E_NOENT)
        return HOLOG_OK;
    if (rc == HOLOG_OK && loc.type == HG_ENTRY_DIR)
        rc = note(txn, HG_READ_CHILDREN, dir->bytes, dir->len, loc.size);
    return rc;
}

/* ---- records ---------------------------------------------------------------------------------------------------*/

static int encode_save(holog_txn *txn, struct hg_op *op, const void *data, size_t len)
{
    uint64_t hash;

    op->size = op->staged != NULL ? op->staged->len : len;
    if (op->staged != NULL) {
        op->check = (uint32_t)op->staged->hash.lo & 0xffffffu;
        return hg_staged_record(op->staged, &txn->body, text(txn, op->path), op->path_len,
                                &op->record);
    }
    hash = hg_hash64(data, len);
    op->check = (uint32_t)hash & 0xffffffu;
    return hg_rec_blob(&txn->body, text(txn, op->path), op->path_len, data, len, hash,
                       hg_csum(data, len), &op->record);
}

/* The root is always there, and no record names it but DELETE_TREE's. */
static int has_record(const struct hg_op *op)
{
    return op->type != HG_OP_EXPECT && !(op->type == HG_OP_MKDIR && op->path_len == 0);
}

int hg_op_encode(holog_txn *txn, struct hg_op *op, const void *data, size_t len)
{
    const char *path = text(txn, op->path);
    struct hg_buf *body = &txn->body;

    op->record = SIZE_MAX;
    if (!has_record(op))
        return HOLOG_OK;
    switch (op->type) {
    case HG_OP_SAVE: return encode_save(txn, op, data, len);
    case HG_OP_MKDIR: return hg_rec_dir(body, path, op->path_len, &op->record);
    case HG_OP_DELETE: return hg_rec_delete(body, path, op->path_len, 0, &op->record);
    case HG_OP_DELETE_TREE: return hg_rec_delete_tree(body, path, op->path_len, &op->record);
    case HG_OP_MOVE:
    case HG_OP_COPY:
        return hg_rec_transfer(body, op->type == HG_OP_MOVE ? HG_REC_MOVE : HG_REC_COPY, path,
                               op->path_len, text(txn, op->to), op->to_len, &op->record);
    case HG_OP_SYMLINK:
        op->size = op->to_len;
        op->check = (uint32_t)hg_hash64(text(txn, op->to), op->to_len) & 0xffffffu;
        return hg_rec_symlink(body, path, op->path_len, text(txn, op->to), op->to_len, &op->record);
    case HG_OP_CONFIG:
        return hg_rec_config(body, path, op->path_len, text(txn, op->to), op->to_len, &op->record);
    case HG_OP_DELTA: return hg_delta_encode(body, op, path, data);
    case HG_OP_ROLLBACK: return hg_rec_rollback(body, op->expect, path, op->path_len, &op->record);
    case HG_OP_EXPECT:
    default: return HOLOG_OK;
    }
}

static int encode_again(holog_txn *txn, const struct hg_buf *old)
{
    int rc = hg_body_begin(&txn->body, 0, txn->fields.data, txn->fields.len);

    txn->nrec = 0;
    for (size_t i = 0; rc == HOLOG_OK && i < op_count(txn); i++) {
        struct hg_op *op = op_at(txn, i);
        struct hg_record r = { 0 };
        if ((op->type == HG_OP_SAVE || op->type == HG_OP_DELTA) && op->staged == NULL) {
            rc = hg_rec_decode(old->data + op->record, old->len - op->record, op->record, &r);
            HG_ASSERT(rc == HOLOG_OK); /* we encoded it */
        }
        rc = hg_op_encode(txn, op, r.value, (size_t)r.value_len);
        txn->nrec += has_record(op) ? 1 : 0;
    }
    return rc;
}

/* The body again, from the operations: paths or fields have changed, or there are more of them. On
 * failure, what the transaction had is lost to it. */
int hg_txn_encode(holog_txn *txn)
{
    struct hg_buf old = txn->body;
    int rc;

    txn->body = (struct hg_buf){ 0 };
    rc = encode_again(txn, &old);
    hg_buf_release(&old);
    return rc;
}

/* ---- parents -------------------------------------------------------------------------------------------------------*/

int hg_parent_is_missing(const struct hg_lookup *l, const char *path, size_t len)
{
    struct hg_lookup quiet = *l;
    struct hg_resolved r;
    int rc;

    quiet.quiet = 1;
    rc = hg_resolve(&quiet, path, len, 1, &r);

    if (rc == HOLOG_OK)
        return r.loc.type == 0;
    return rc == HOLOG_E_NOENT ? 1 : rc;
}

static int make_dir_op(holog_txn *txn, const char *path, size_t len, struct hg_op *out)
{
    struct hg_op op = { .type = HG_OP_MKDIR, .flags = HOLOG_PARENTS, .record = SIZE_MAX };
    int rc = hg_txn_keep_text(txn, path, len, &op.path, &op.path_len);

    op.user_path = op.path;
    op.user_path_len = op.path_len;
    *out = op;
    return rc;
}

/* Length of the deepest directory above the path that is there, or a negative code. */
static int find_there(const struct hg_lookup *l, const char *path, size_t len, size_t *out_there)
{
    size_t there = hg_path_parent(path, len);
    int rc = HOLOG_OK;

    while (there > 0 && (rc = hg_parent_is_missing(l, path, there)) > 0)
        there = hg_path_parent(path, there);
    *out_there = there;
    return rc;
}

/* Those above the path and below `there`, from the top down, into *out_added. */
static int list_parents(holog_txn *txn, const char *path, size_t len, size_t there,
                        struct hg_buf *out_added)
{
    int rc = HOLOG_OK;

    for (size_t at = there + 1; rc >= 0 && at < len; at++) {
        struct hg_op dir;
        if (path[at] != '/')
            continue;
        rc = make_dir_op(txn, path, at, &dir);
        if (rc == HOLOG_OK)
            rc = hg_buf_append(out_added, &dir, sizeof dir);
    }
    if (rc >= 0 && out_added->len == 0)
        rc = hg_error_path(HOLOG_E_NOENT, path, (uint32_t)len, "a parent directory is missing");
    return rc;
}

/* Operations from `first` on have moved by `by`: so does what a delta calls its base, if that is one
 * of them. */
static void follow_bases(holog_txn *txn, size_t first, size_t by)
{
    for (struct hg_delta_op *d = txn->deltas; d != NULL; d = d->next)
        if (d->from.type != 0 && d->from.segment == 0 && d->from.offset >= first)
            d->from.offset += (uint32_t)by;
}

int hg_txn_insert_parents(holog_txn *txn, size_t i, const struct hg_lookup *l,
                          const struct hg_resolved *found_missing)
{
    struct hg_buf added = { 0 };
    char path[HG_PATH_MAX + 1];
    const struct hg_op *op = op_at(txn, i);
    int moves = op->type == HG_OP_MOVE || op->type == HG_OP_COPY;
    size_t len = moves ? op->user_to_len : op->user_path_len;
    size_t there = 0;
    int rc = HOLOG_OK;

    memcpy(path, text(txn, moves ? op->user_to : op->user_path), len);
    if (found_missing->literal)
        there = hg_path_parent(path, found_missing->missing);
    else
        rc = find_there(l, path, len, &there);
    if (rc >= 0)
        rc = list_parents(txn, path, len, there, &added);
    if (rc == HOLOG_OK)
        rc = hg_buf_reserve(&txn->ops, added.len);
    if (rc == HOLOG_OK) {
        uint8_t *at = txn->ops.data + i * sizeof(struct hg_op);
        memmove(at + added.len, at, txn->ops.len - i * sizeof(struct hg_op));
        memcpy(at, added.data, added.len);
        txn->ops.len += added.len;
        follow_bases(txn, i, added.len / sizeof(struct hg_op));
    }
    hg_buf_release(&added);
    return rc;
}

/* ---- the overlay -----------------------------------------------------------------------------------------------------*/

static const struct hg_locator gone = { .segment = HG_GONE, .type = HG_ENTRY_BLOB };

static int overlay_ready(holog_txn *txn)
{
    return txn->overlay != NULL ? HOLOG_OK : hg_index_create(NULL, 0, &txn->overlay);
}

static int overlay_put(holog_txn *txn, const uint8_t *key, size_t len, struct hg_locator loc)
{
    loc.number = HG_NUMBER_OWN;
    if (loc.type == HG_ENTRY_DIR)
        loc.size = HG_NUMBER_OWN;
    return hg_index_put(txn->overlay, key, len, &loc, NULL, NULL);
}

/* Everything below dir as the transaction sees it, one call for each. */
static int each_below(holog_txn *txn, const struct hg_key *dir,
                      int (*each)(holog_txn *txn, const uint8_t *key, size_t len,
                                  const struct hg_locator *loc, void *ctx),
                      void *ctx)
{
    holog_cursor c;
    int rc = hg_cursor_begin(&c, txn->store, txn->base, txn, dir);

    while (rc == HOLOG_OK) {
        struct hg_cursor_at at;
        rc = hg_cursor_step(&c, &at);
        if (rc == HOLOG_OK)
            rc = each(txn, at.key, at.key_len, &at.loc, ctx);
    }
    hg_cursor_end(&c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int drop_one(holog_txn *txn, const uint8_t *key, size_t len, const struct hg_locator *loc,
                    void *ctx)
{
    HG_UNUSED(loc);
    HG_UNUSED(ctx);
    return overlay_put(txn, key, len, gone);
}

struct transfer {
    const struct hg_key *from;
    const struct hg_key *to;
};

static int copy_one(holog_txn *txn, const uint8_t *key, size_t len, const struct hg_locator *loc,
                    void *ctx)
{
    const struct transfer *t = ctx;
    uint8_t dest[HG_KEY_MAX];
    char path[HG_PATH_MAX + 1];
    size_t path_len = 0;
    size_t dest_len = t->to->len + (len - t->from->len);

    if (dest_len > sizeof dest)
        return hg_error(HOLOG_E_NAMETOOLONG, "a path below the destination would be too long");
    memcpy(dest, t->to->bytes, t->to->len);
    memcpy(dest + t->to->len, key + t->from->len, len - t->from->len);
    if (hg_key_to_path(dest, dest_len, path, &path_len) < 0)
        return hg_error(HOLOG_E_NAMETOOLONG, "a path below the destination would be too long");
    return overlay_put(txn, dest, dest_len, *loc);
}

static int overlay_drop(holog_txn *txn, const struct hg_resolved *r)
{
    int rc = HOLOG_OK;

    if (r->loc.type == HG_ENTRY_DIR)
        rc = each_below(txn, &r->key, drop_one, NULL);
    if (rc == HOLOG_OK && r->key.len > 0)
        rc = overlay_put(txn, r->key.bytes, r->key.len, gone);
    return rc;
}

static int overlay_copy(holog_txn *txn, const struct hg_checked *c)
{
    struct transfer t = { .from = &c->at.key, .to = &c->to.key };
    int rc = overlay_put(txn, c->to.key.bytes, c->to.key.len, c->at.loc);

    if (rc == HOLOG_OK && c->at.loc.type == HG_ENTRY_DIR)
        rc = each_below(txn, &c->at.key, copy_one, &t);
    return rc;
}

/* The directory above has a changed child: whoever lists it again sees a version of our own. */
static int overlay_mark_parent(holog_txn *txn, const struct hg_key *k)
{
    struct hg_locator loc;
    int rc;

    if (k->parent_len == 0)
        return HOLOG_OK;
    rc = get_through(txn, k->bytes, k->parent_len, &loc);
    if (rc == HOLOG_OK && loc.type == HG_ENTRY_DIR) {
        uint64_t number = loc.number;
        loc.size = HG_NUMBER_OWN;
        loc.number = number;
        rc = hg_index_put(txn->overlay, k->bytes, k->parent_len, &loc, NULL, NULL);
    }
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

/* One entry is what it was: as the base has it, whatever the transaction did to it before. */
static int overlay_restore(holog_txn *txn, const uint8_t *key, size_t len, uint64_t target)
{
    struct hg_locator loc;
    int rc = hg_past_get(txn->base->root, txn->base->past, key, len, target, &loc);

    if (rc < 0 && rc != HOLOG_E_NOENT)
        return rc;
    return overlay_put(txn, key, len, rc == HOLOG_OK ? loc : gone);
}

static int overlay_rollback(holog_txn *txn, const struct hg_key *subtree, uint64_t target)
{
    struct hg_changes *c = hg_malloc(2 * sizeof *c);
    struct hg_root *own = hg_index_freeze(txn->overlay);
    int rc;

    if (c == NULL) {
        hg_root_put(own);
        return hg_error(HOLOG_E_NOMEM, "no memory for a rollback");
    }
    rc = hg_changes_open(&c[0], own, NULL, subtree, 0);
    while (rc == HOLOG_OK && (rc = hg_changes_next(&c[0])) == HOLOG_OK)
        rc = overlay_restore(txn, c[0].key, c[0].key_len, target);
    if (rc == HOLOG_E_NOENT)
        rc = HOLOG_OK;
    hg_changes_close(&c[0]);
    if (rc == HOLOG_OK) {
        rc = hg_changes_open(&c[1], txn->base->root, txn->base->past, subtree, target);
        while (rc == HOLOG_OK && (rc = hg_changes_next(&c[1])) == HOLOG_OK)
            rc = overlay_restore(txn, c[1].key, c[1].key_len, target);
        hg_changes_close(&c[1]);
    }
    hg_root_put(own);
    hg_free(c);
    return rc == HOLOG_E_NOENT ? HOLOG_OK : rc;
}

static int overlay_apply(holog_txn *txn, size_t i, const struct hg_checked *c)
{
    const struct hg_op *op = op_at(txn, i);
    struct hg_locator own = { .offset = (uint32_t)i, .size = op->size, .check = op->check };
    int rc = overlay_ready(txn);

    if (rc < 0)
        return rc;
    switch (op->type) {
    case HG_OP_SAVE:
    case HG_OP_DELTA:
        own.type = HG_ENTRY_BLOB;
        rc = overlay_put(txn, c->at.key.bytes, c->at.key.len, own);
        break;
    case HG_OP_SYMLINK:
        own.type = HG_ENTRY_SYMLINK;
        rc = overlay_put(txn, c->at.key.bytes, c->at.key.len, own);
        break;
    case HG_OP_MKDIR:
        own.type = HG_ENTRY_DIR;
        rc = c->nothing_to_do ? HOLOG_OK : overlay_put(txn, c->at.key.bytes, c->at.key.len, own);
        break;
    case HG_OP_DELETE:
    case HG_OP_DELETE_TREE: rc = overlay_drop(txn, &c->at); break;
    case HG_OP_COPY: rc = overlay_copy(txn, c); break;
    case HG_OP_MOVE:
        rc = overlay_copy(txn, c);
        if (rc == HOLOG_OK)
            rc = overlay_drop(txn, &c->at);
        break;
    case HG_OP_ROLLBACK: rc = overlay_rollback(txn, &c->at.key, op->expect); break;
    case HG_OP_EXPECT:
    case HG_OP_CONFIG:
    default: return HOLOG_OK;
    }
    if (rc == HOLOG_OK)
        rc = overlay_mark_parent(txn, &c->at.key);
    if (rc == HOLOG_OK && (op->type == HG_OP_COPY || op->type == HG_OP_MOVE))
        rc = overlay_mark_parent(txn, &c->to.key);
    return rc;
}

static int has_children_through(void *ctx, const struct hg_key *dir)
{
    holog_txn *txn = ctx;
    holog_cursor c;
    struct hg_cursor_at at;
    int rc = hg_cursor_begin(&c, txn->store, txn->base, txn, dir);

    if (rc == HOLOG_OK)
        rc = hg_cursor_step(&c, &at);
    if (rc == HOLOG_OK &&
        hg_key_is_node(at.key, at.key_len)) /* the directory's own: behind names */
        rc = HOLOG_E_NOENT;
    hg_cursor_end(&c);
    return rc == HOLOG_OK ? 1 : rc == HOLOG_E_NOENT ? 0 : rc;
}

static int was_there_in_base(void *ctx, const struct hg_key *k, uint64_t number)
{
    const holog_txn *txn = ctx;
    struct hg_locator loc;
    int rc = hg_past_get(txn->base->root, txn->base->past, k->bytes, k->len, number, &loc);

    return rc == HOLOG_E_NOENT ? 0 : rc < 0 ? rc : 1;
}

/* ---- collecting an operation -------------------------------------------------------------------------------------------*/

static int collect(holog_txn *txn, struct hg_op op, const char *path, size_t path_len,
                   const char *to, const void *data, size_t len);

/* From the deepest directory that is there, down. */
static int add_parent_ops(holog_txn *txn, const char *path, size_t len)
{
    struct hg_lookup l;
    size_t there = hg_path_parent(path, len);
    int rc = HOLOG_OK;

    hg_txn_lookup(txn, &l);
    while (there > 0 && hg_parent_is_missing(&l, path, there) == 1)
        there = hg_path_parent(path, there);
    for (size_t at = there + 1; rc == HOLOG_OK && at < len; at++) {
        struct hg_op op = { .type = HG_OP_MKDIR, .flags = HOLOG_PARENTS, .record = SIZE_MAX };
        if (path[at] != '/')
            continue;
        rc = collect(txn, op, path, at, NULL, NULL, 0);
    }
    return rc;
}

static int add_parents(holog_txn *txn, enum hg_op_type type, const char *path, size_t path_len,
                       const char *to)
{
    char canonical[HG_PATH_MAX + 1];
    size_t len = 0;
    int rc;

    if (type != HG_OP_MOVE && type != HG_OP_COPY)
        return add_parent_ops(txn, path, path_len);
    rc = hg_user_path(to, canonical, &len);
    return rc < 0 ? rc : add_parent_ops(txn, canonical, len);
}

static int check_against_own_view(holog_txn *txn, struct hg_op *op, struct hg_checked *c)
{
    struct hg_check_ctx check = { .has_children = has_children_through,
                                  .was_there = was_there_in_base,
                                  .children_ctx = txn };
    int rc;

    c->at.loc = c->to.loc = (struct hg_locator){ 0 };
    c->at.key.len = c->at.key.parent_len = c->to.key.len = c->to.key.parent_len = 0;
    c->nothing_to_do = c->missing_parent = 0;
    hg_txn_lookup(txn, &check.lookup);
    check.lookup.quiet = hg_op_makes_parents(op);
    if (op->type == HG_OP_EXPECT)
        return HOLOG_OK; /* of the store, not of what the transaction has made of it */
    rc = hg_check_op(&check, op, text(txn, op->user_path), op->user_path_len,
                     op->user_to_len > 0 ? text(txn, op->user_to) : "", op->user_to_len, c);
    if (rc < 0 || op->type == HG_OP_CONFIG || op->type == HG_OP_EXPECT)
        return rc;
    rc = hg_txn_keep_text(txn, c->at.path, c->at.path_len, &op->path, &op->path_len);
    if (rc == HOLOG_OK && (op->type == HG_OP_MOVE || op->type == HG_OP_COPY))
        rc = hg_txn_keep_text(txn, c->to.path, c->to.path_len, &op->to, &op->to_len);
    return rc;
}

/* What may be asked of the root directory, in the words of check.c: next to nothing. */
int hg_txn_refuse_root(enum hg_op_type type, unsigned flags, int is_destination)
{
    int replace = (flags & HOLOG_REPLACE) != 0;

    if (type == HG_OP_DELTA)
        return hg_error(HOLOG_E_ISDIR, "/: is a directory");
    if (is_destination || type == HG_OP_SAVE || type == HG_OP_SYMLINK)
        return replace ? hg_error(HOLOG_E_ISDIR, "/: is a directory; nothing can replace it")
                       : hg_error(HOLOG_E_EXIST, "/: exists (a directory)");
    if (type == HG_OP_MKDIR)
        return (flags & HOLOG_PARENTS) != 0 ? HOLOG_OK : hg_error(HOLOG_E_EXIST, "/: exists");
    if (type == HG_OP_DELETE)
        return hg_error(HOLOG_E_INVAL, "/: the root directory cannot be deleted");
    if (type == HG_OP_MOVE || type == HG_OP_COPY)
        return hg_error(HOLOG_E_INVAL, "/: the root directory cannot be moved or copied");
    return HOLOG_OK;
}

/* Into the overlay, behind the parents it lacks. */
static int settle_first(holog_txn *txn, struct hg_checked *c)
{
    struct hg_lookup l;
    int rc = check_against_own_view(txn, op_at(txn, 0), c);

    if (rc == HOLOG_E_NOENT && c->missing_parent && hg_op_makes_parents(op_at(txn, 0))) {
        hg_txn_lookup(txn, &l);
        rc = hg_txn_insert_parents(txn, 0, &l, &c->at);
    }
    for (size_t i = 0; rc == HOLOG_OK && i < op_count(txn); i++) {
        rc = check_against_own_view(txn, op_at(txn, i), c);
        if (rc == HOLOG_OK)
            rc = overlay_apply(txn, i, c);
    }
    return rc;
}

/* The first operation waits with the overlay, and with the parents it is to make: most transactions
 * have one and read nothing. Before anything reads through the transaction, it is put in. */
int hg_txn_settle(holog_txn *txn)
{
    struct hg_checked *c;
    struct hg_buf body = txn->body;
    uint32_t nrec = txn->nrec;
    struct hg_op first;
    int rc;

    if (txn->kind != HG_TXN_READING || txn->overlay != NULL || txn->ops.len == 0)
        return HOLOG_OK;
    HG_ASSERT(op_count(txn) == 1);
    first = *op_at(txn, 0);
    c = hg_malloc(sizeof *c);
    rc = c == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a transaction") : overlay_ready(txn);
    if (rc == HOLOG_OK)
        rc = settle_first(txn, c);
    if (rc == HOLOG_OK && op_count(txn) > 1) {
        txn->body = (struct hg_buf){ 0 };
        rc = encode_again(txn, &body);
        hg_buf_release(rc == HOLOG_OK ? &body : &txn->body);
    }
    if (rc < 0) { /* as it was */
        txn->body = body;
        txn->nrec = nrec;
        txn->ops.len = sizeof first;
        *op_at(txn, 0) = first;
        if (txn->overlay != NULL)
            hg_index_destroy(txn->overlay);
        txn->overlay = NULL;
    }
    hg_free(c);
    return rc;
}

static int set_texts(holog_txn *txn, struct hg_op *op, const char *path, size_t path_len,
                     const char *to)
{
    char canonical[HG_PATH_MAX + 1];
    size_t len = 0;
    int rc = hg_txn_keep_text(txn, path, path_len, &op->path, &op->path_len);

    op->user_path = op->path;
    op->user_path_len = op->path_len;
    if (rc < 0 || to == NULL)
        return rc;
    if (op->type == HG_OP_MOVE || op->type == HG_OP_COPY) {
        rc = hg_user_path(to, canonical, &len);
        if (rc == HOLOG_OK && len == 0)
            rc = hg_txn_refuse_root(op->type, op->flags, 1);
        if (rc == HOLOG_OK)
            rc = hg_txn_keep_text(txn, canonical, len, &op->to, &op->to_len);
        op->user_to = op->to;
        op->user_to_len = op->to_len;
        return rc;
    }
    return hg_txn_keep_text(txn, to, strlen(to), &op->to, &op->to_len);
}

/* A delta of one call and one commit (c NULL) is judged by what it meets then, which may have changed
 * since: here it may be out of range. */
static int make_ready(holog_txn *txn, struct hg_op *op, const struct hg_checked *c)
{
    int rc;

    if (c != NULL)
        op->delta->from = c->at.loc;
    rc = hg_delta_prepare(txn, op, op_count(txn), text(txn, op->path));
    return c == NULL && (rc == HOLOG_E_RANGE || rc == HOLOG_E_TOOBIG) ? HOLOG_OK : rc;
}

/* Check the operation, encode its record, remember it. On failure all is as it was. */
static int collect(holog_txn *txn, struct hg_op op, const char *path, size_t path_len,
                   const char *to, const void *data, size_t len)
{
    struct hg_checked checked; /* 33 KiB: only what counts is set */
    struct hg_checked *c = NULL;
    size_t arena_was;
    size_t body_was;
    size_t ops_was;
    int rc = hg_txn_settle(txn); /* those before it must be seen, and have what they need */

    txn->parent_missing = 0;
    if (rc < 0)
        return rc;
    arena_was = txn->arena.len;
    body_was = txn->body.len;
    ops_was = txn->ops.len;
    if (op_count(txn) >= OPS_MAX)
        return hg_error(HOLOG_E_TOOBIG, "more than %u operations in one commit", OPS_MAX);
    rc = take_room(txn, path_len + RECORD_REST + (op.staged != NULL ? op.staged->table.len : len));
    if (rc < 0)
        return rc;
    rc = set_texts(txn, &op, path, path_len, to);
    if (rc == HOLOG_OK && txn->kind == HG_TXN_READING) {
        c = &checked;
        rc = check_against_own_view(txn, &op, c);
        txn->parent_missing = rc == HOLOG_E_NOENT && c->missing_parent;
        if (txn->parent_missing && ops_was == 0 && txn->overlay == NULL &&
            hg_op_makes_parents(&op) && c->at.literal) /* they come later: see hg_txn_settle */
            rc = hg_txn_keep_text(txn, path, path_len, &op.path, &op.path_len);
    }
    if (rc == HOLOG_OK && op.type == HG_OP_DELTA)
        rc = make_ready(txn, &op, c);
    op.serial = ++txn->serials;
    if (rc == HOLOG_OK)
        rc = hg_op_encode(txn, &op, data, len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&txn->ops, &op, sizeof op);
    if (rc == HOLOG_OK && c != NULL && txn->overlay != NULL)
        rc = overlay_apply(txn, op_count(txn) - 1, c);
    if (rc < 0) {
        txn->arena.len = arena_was;
        txn->body.len = body_was;
        txn->ops.len = ops_was;
        return rc;
    }
    txn->nrec += has_record(&op) ? 1 : 0;
    return HOLOG_OK;
}

int hg_txn_add(holog_txn *txn, struct hg_op *op, const void *data, size_t len)
{
    size_t body_was = txn->body.len;
    int rc;

    if (op_count(txn) >= OPS_MAX)
        return hg_error(HOLOG_E_TOOBIG, "more than %u operations in one commit", OPS_MAX);
    op->user_path = op->path;
    op->user_path_len = op->path_len;
    rc = take_room(txn,
                   op->path_len + RECORD_REST + (op->staged != NULL ? op->staged->table.len : len));
    if (rc == HOLOG_OK)
        rc = hg_op_encode(txn, op, data, len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&txn->ops, op, sizeof *op);
    if (rc < 0)
        txn->body.len = body_was;
    else
        txn->nrec++;
    return rc;
}

/* What the calls on each type are documented to take. */
static unsigned known_flags(enum hg_op_type type)
{
    if (type == HG_OP_DELTA)
        return HOLOG_BALANCE;
    return type == HG_OP_MKDIR ? HOLOG_PARENTS : HOLOG_REPLACE | HOLOG_PARENTS;
}

int hg_txn_check_call(const holog_txn *txn, enum hg_op_type type, unsigned flags)
{
    if ((flags & ~known_flags(type)) != 0)
        return hg_error(HOLOG_E_INVAL, "flags %#x: not known to this call", flags);
    return hg_log_check(txn->store->log); /* before what is not durable is found missing */
}

/* The operation was refused: the parents that were made for it go again. */
static int without_parents(holog_txn *txn, size_t ops_were, int rc)
{
    struct holog_error_detail why;
    int back;

    if (op_count(txn) == ops_were)
        return rc;
    hg_error_get(&why);
    back = hg_txn_truncate(txn, ops_were);
    if (back == HOLOG_OK)
        hg_error_set(&why);
    return back < 0 ? back : rc;
}

int hg_txn_op(holog_txn *txn, enum hg_op_type type, unsigned flags, const char *path,
              const char *to, const void *data, size_t len, struct hg_staged *staged)
{
    char canonical[HG_PATH_MAX + 1];
    size_t path_len = 0;
    struct hg_op op = { .type = type,
                        .flags = flags,
                        .record = SIZE_MAX,
                        .expect = txn->expecting,
                        .staged = staged,
                        .delta = txn->delta };
    int rc = hg_txn_check_call(txn, type, flags);

    if (rc < 0)
        return rc;
    if (type == HG_OP_CONFIG)
        return collect(txn, op, path, strlen(path), to, data, len);
    if (txn->internal) {
        path_len = strlen(path);
        memcpy(canonical, path, path_len + 1);
        txn->nodes |= hg_node_ends(path, path_len);
    } else {
        rc = hg_user_path(path, canonical, &path_len);
    }
    if (rc == HOLOG_OK && path_len == 0)
        rc = hg_txn_refuse_root(type, flags, 0);
    if (rc < 0 || (path_len == 0 && type == HG_OP_MKDIR))
        return rc; /* the root is there: nothing to do */
    if (rc == HOLOG_OK)
        rc = collect(txn, op, canonical, path_len, to, data, len);
    if (rc == HOLOG_E_NOENT && (flags & HOLOG_PARENTS) != 0 && txn->parent_missing) {
        size_t ops_were = op_count(txn);
        rc = add_parents(txn, type, canonical, path_len, to);
        if (rc == HOLOG_OK)
            rc = collect(txn, op, canonical, path_len, to, data, len);
        return rc < 0 ? without_parents(txn, ops_were, rc) : rc;
    }
    return rc;
}

int hg_txn_op_rollback(holog_txn *txn, const char *path, uint64_t number)
{
    int rc;

    hg_timeline_lock(txn->store);
    rc = hg_ref_check(txn->store, number);
    hg_timeline_unlock(txn->store);
    if (rc < 0)
        return rc;
    txn->expecting = number;
    rc = hg_txn_op(txn, HG_OP_ROLLBACK, 0, path, NULL, NULL, 0, NULL);
    txn->expecting = 0;
    return rc;
}

int hg_txn_op_expect(holog_txn *txn, const char *path, uint64_t number)
{
    int rc;

    if (number >= HG_NUMBER_OWN)
        return hg_error(HOLOG_E_INVAL, "no commit has the number %llu", (unsigned long long)number);
    txn->expecting = number;
    rc = hg_txn_op(txn, HG_OP_EXPECT, 0, path, NULL, NULL, 0, NULL);
    txn->expecting = 0;
    return rc;
}

/* The newest delta of the operations that there are. */
static const struct hg_delta_op *last_delta(const holog_txn *txn)
{
    const struct hg_op *ops = (const struct hg_op *)(const void *)txn->ops.data;
    size_t n = op_count(txn);

    while (n > 0 && ops[n - 1].delta == NULL)
        n--;
    return n > 0 ? ops[n - 1].delta : NULL;
}

/* Back to n operations: the overlay is made again from those that stay. */
int hg_txn_truncate(holog_txn *txn, size_t n)
{
    struct hg_checked *c = hg_malloc(sizeof *c);
    struct hg_index *overlay = NULL;
    size_t had = op_count(txn);
    int rc = c == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to go back to a savepoint")
                       : hg_index_create(NULL, 0, &overlay);

    if (rc == HOLOG_OK) {
        struct hg_index *old = txn->overlay;
        txn->overlay = overlay;
        txn->ops.len = n * sizeof(struct hg_op);
        txn->copies_noted = HG_MIN(txn->copies_noted, n);
        for (size_t i = 0; rc == HOLOG_OK && i < n; i++) {
            struct hg_op *op = op_at(txn, i);
            rc = check_against_own_view(txn, op, c);
            if (rc == HOLOG_OK)
                rc = overlay_apply(txn, i, c);
        }
        overlay = old;
        if (rc < 0) { /* no memory: as it was */
            overlay = txn->overlay;
            txn->overlay = old;
            txn->ops.len = had * sizeof(struct hg_op);
        }
    }
    if (overlay != NULL)
        hg_index_destroy(overlay);
    hg_free(c);
    if (rc < 0)
        return rc;
    hg_deltas_free(txn, last_delta(txn)); /* a commit without any may be longer than a frame */
    return hg_txn_encode(txn);
}
