/*
 * A commit with deltas is one frame. Where changes of an array's chunks make it more than a frame holds,
 * chunks that were changed are saved whole instead: such a commit may list its records in an extent.
 *
 * Deltas that follow one another on one chunk become one save, in the place of the last of them; others of the
 * same chunk, before and behind it, are saves of their own, since what lies between may have copied or moved
 * it. What the transaction has read of these chunks is noted, so the commit fails when others have changed
 * them, and the values are what the deltas would have made.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/node.h"
#include "engine/delta.h"
#include "wal/frame.h"

struct whole {
    size_t op; /* becomes a save */
    size_t at; /* a short value: where it is in `bytes` */
    struct hg_staged *staged;
};
struct flatten {
    holog_txn *txn;
    struct hg_buf wholes; /* struct whole, by op */
    struct hg_buf bytes;
};

static size_t op_count(const holog_txn *txn)
{
    return txn->ops.len / sizeof(struct hg_op);
}

static struct hg_op *op_at(const holog_txn *txn, size_t i)
{
    return (struct hg_op *)(void *)txn->ops.data + i;
}

static const char *path_of(const holog_txn *txn, const struct hg_op *op)
{
    return (const char *)txn->arena.data + op->path;
}

static int is_of_a_chunk(const holog_txn *txn, const struct hg_op *op)
{
    return op->type == HG_OP_DELTA && hg_node_ends(path_of(txn, op), op->path_len);
}

/* Is the next operation another delta of the same chunk? */
static int goes_on(const holog_txn *txn, size_t i)
{
    const struct hg_op *a = op_at(txn, i);
    const struct hg_op *b = i + 1 < op_count(txn) ? op_at(txn, i + 1) : NULL;

    return b != NULL && b->type == HG_OP_DELTA && a->path_len == b->path_len &&
           memcmp(path_of(txn, a), path_of(txn, b), a->path_len) == 0;
}

/* What the deltas up to operation i have made, while they can be read. */
static int take_value(struct flatten *f, size_t i)
{
    struct whole w = { .op = i, .at = f->bytes.len };
    holog_value *v = NULL;
    int rc = hg_delta_load_own(f->txn, op_at(f->txn, i), &v);

    if (rc < 0)
        return rc;
    rc = hg_txn_stage(f->txn, v->data, v->len, &w.staged);
    if (rc == HOLOG_OK && w.staged == NULL)
        rc = hg_buf_append(&f->bytes, v->data, v->len);
    if (rc == HOLOG_OK)
        rc = hg_buf_append(&f->wholes, &w, sizeof w);
    holog_value_release(v);
    return rc;
}

/* Nothing: the root directory is there. */
static struct hg_op nothing(const struct hg_op *op)
{
    return (struct hg_op){ .type = HG_OP_MKDIR,
                           .flags = HOLOG_PARENTS,
                           .path = op->path + op->path_len, /* "" */
                           .user_path = op->path + op->path_len,
                           .record = SIZE_MAX };
}

static int encode(struct flatten *f, const struct hg_buf *old)
{
    holog_txn *txn = f->txn;
    const struct whole *w = (const struct whole *)(const void *)f->wholes.data;
    const struct whole *end = w + f->wholes.len / sizeof *w;
    int rc = hg_body_begin(&txn->body, 0, txn->fields.data, txn->fields.len);

    txn->nrec = 0;
    for (size_t i = 0; rc == HOLOG_OK && i < op_count(txn); i++) {
        struct hg_op *op = op_at(txn, i);
        struct hg_record r = { 0 };
        if (w < end && w->op == i) {
            *op = (struct hg_op){ .type = HG_OP_SAVE,
                                  .flags = HOLOG_REPLACE,
                                  .path = op->path,
                                  .path_len = op->path_len,
                                  .user_path = op->user_path,
                                  .user_path_len = op->user_path_len,
                                  .size = op->size,
                                  .staged = w->staged };
            r.value = f->bytes.data + w->at;
            r.value_len = op->size;
            w++;
        } else if (is_of_a_chunk(txn, op)) {
            *op = nothing(op);
        } else if ((op->type == HG_OP_SAVE || op->type == HG_OP_DELTA) && op->staged == NULL) {
            rc = hg_rec_decode(old->data + op->record, old->len - op->record, op->record, &r);
            HG_ASSERT(rc == HOLOG_OK); /* we encoded it */
        }
        rc = hg_op_encode(txn, op, r.value, (size_t)r.value_len);
        txn->nrec += op->record != SIZE_MAX;
    }
    return rc;
}

int hg_txn_flatten(holog_txn *txn)
{
    struct flatten f = { .txn = txn };
    struct hg_buf old = txn->body;
    int others = 0;
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == HOLOG_OK && i < op_count(txn); i++) {
        others |= op_at(txn, i)->type == HG_OP_DELTA && !is_of_a_chunk(txn, op_at(txn, i));
        if (is_of_a_chunk(txn, op_at(txn, i)) && !goes_on(txn, i))
            rc = take_value(&f, i);
    }
    if (rc == HOLOG_OK) {
        txn->body = (struct hg_buf){ 0 };
        rc = encode(&f, &old);
        hg_buf_release(&old);
        if (!others)
            hg_deltas_free(txn, NULL);
    }
    hg_buf_release(&f.wholes);
    hg_buf_release(&f.bytes);
    return rc;
}
