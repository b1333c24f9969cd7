/*
 * Versions of the store. The published one is loaded by readers inside an epoch; views count the
 * one they hold. A version that nobody counts is retired: a reader may still be inside it.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/store_internal.h"

struct hg_version *hg_version_new(holog_store *s)
{
    struct hg_version *v = hg_calloc(1, sizeof *v);

    if (v != NULL) {
        v->refs = 1;
        v->store = s;
    }
    return v;
}

/* ---- the list: whoever marks what lives asks for all --------------------------------------------- */

/* Its roots are set: from here on the list is what keeps them known. */
static void enlist(holog_store *s, struct hg_version *v)
{
    hg_mutex_lock(s->io, &s->versions_lock);
    v->next = s->versions;
    if (s->versions != NULL)
        s->versions->prev = v;
    s->versions = v;
    hg_mutex_unlock(s->io, &s->versions_lock);
}

static void delist(holog_store *s, struct hg_version *v)
{
    hg_mutex_lock(s->io, &s->versions_lock);
    *(v->prev != NULL ? &v->prev->next : &s->versions) = v->next;
    if (v->next != NULL)
        v->next->prev = v->prev;
    hg_mutex_unlock(s->io, &s->versions_lock);
}

/* ---- counts -------------------------------------------------------------------------------------- */

static void destroy(struct hg_retired *r)
{
    struct hg_version *v = (struct hg_version *)(void *)r;

    hg_point_forget_past(v->store, v);
    hg_free(v);
}

/* The roots are retired by themselves, now: what they alone have is known to wait for readers, and so
 * can be waited for (free_replaced in commit.c), from the moment that nobody counts it. */
void hg_version_put(holog_store *s, struct hg_version *v)
{
    if (v == NULL || __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (v->root != NULL) {
        delist(s, v);
        hg_root_put(v->root);
    }
    if (v->past != NULL)
        hg_root_put(v->past);
    hg_epoch_retire(s->domain, &v->retired, destroy);
}

static int get_unless_zero(struct hg_version *v)
{
    uint32_t refs = __atomic_load_n(&v->refs, __ATOMIC_RELAXED);

    while (refs != 0) {
        if (__atomic_compare_exchange_n(&v->refs, &refs, refs + 1, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return 1;
    }
    return 0;
}

/* Only views that have ended count it. */
static int is_left(const struct hg_version *v)
{
    return __atomic_load_n(&v->refs, __ATOMIC_RELAXED) ==
           __atomic_load_n(&v->expired, __ATOMIC_RELAXED);
}

int hg_versions_get(holog_store *s, struct hg_buf *out)
{
    int rc = HOLOG_OK;

    hg_mutex_lock(s->io, &s->versions_lock);
    for (struct hg_version *v = s->versions; v != NULL && rc == HOLOG_OK; v = v->next) {
        rc = hg_buf_reserve(out, sizeof(struct hg_version *)); /* first: no put under the lock */
        if (rc == HOLOG_OK && !is_left(v) && get_unless_zero(v))
            rc = hg_buf_append(out, &v, sizeof(struct hg_version *));
    }
    hg_mutex_unlock(s->io, &s->versions_lock);
    return rc;
}

void hg_versions_put(holog_store *s, struct hg_buf *versions)
{
    struct hg_version **v = (struct hg_version **)(void *)versions->data;

    for (size_t i = 0; i < versions->len / sizeof(struct hg_version *); i++)
        hg_version_put(s, v[i]);
    hg_buf_release(versions);
}

struct hg_version *hg_version_get_published(holog_store *s)
{
    struct hg_epoch_slot *slot = hg_epoch_enter(s->domain);
    struct hg_version *v = NULL;

    if (slot == NULL)
        return NULL;
    do {
        v = __atomic_load_n(&s->published, __ATOMIC_ACQUIRE);
    } while (!get_unless_zero(v)); /* replaced between the two: the next load finds another */
    hg_epoch_leave(slot);
    return v;
}

struct hg_version *hg_version_as_of(holog_store *s, struct hg_version *v, uint64_t number)
{
    struct hg_version *past = hg_version_new(s);

    if (past == NULL)
        return NULL;
    hg_root_get(v->root);
    hg_root_get(v->past);
    past->root = v->root;
    past->past = v->past;
    past->number = number;
    past->sums.root_number = HG_MIN(v->sums.root_number, number);
    past->is_past = number < v->number || v->is_past;
    enlist(s, past);
    return past;
}

int hg_version_spare(holog_store *s)
{
    if (s->spare == NULL)
        s->spare = hg_version_new(s);
    return s->spare == NULL ? hg_error(HOLOG_E_NOMEM, "no memory for a commit") : HOLOG_OK;
}

struct hg_version *hg_version_freeze(holog_store *s)
{
    struct hg_version *v = s->spare;
    struct hg_state_mark m;

    HG_ASSERT(v != NULL);
    s->spare = NULL;
    hg_state_freeze(&s->sequenced, &m);
    v->root = m.root;
    v->past = m.past;
    v->sums = m.sums;
    v->number = s->last_number;
    enlist(s, v);
    return v;
}

void hg_version_publish(holog_store *s, struct hg_version *v)
{
    struct hg_version *old = s->published;

    __atomic_store_n(&s->published, v, __ATOMIC_RELEASE);
    hg_version_put(s, old);
}
