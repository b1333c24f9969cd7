/*
 * What a disk holds for certain at a step, and what it may hold besides.
 *
 * The order in which effects completed is kept for each file. An effect that became durable (forced)
 * goes into the durable image as soon as no older pending effect touches the same bytes; until then
 * it waits in the list, and a crash applies the list in order.
 */
#include <stdlib.h>
#include <string.h>

#include "io/sim_int.h"

#define SIM_SAVE_EVERY 1024 /* steps between saved states: bounds the cost of going back */

static struct sim_dnode *state_node(struct sim_state *st, uint32_t ino)
{
    if (ino >= st->n_node) {
        st->node = hg_sim_grow(st->node, &st->cap_node, (size_t)ino + 1, sizeof *st->node);
        memset(st->node + st->n_node, 0, (ino + 1 - st->n_node) * sizeof *st->node);
        st->n_node = (size_t)ino + 1;
    }
    return &st->node[ino];
}

static struct sim_dnode *file_node(struct sim_state *st, uint32_t ino)
{
    struct sim_dnode *n = state_node(st, ino);
    if (n->data == NULL)
        n->data = hg_sim_image_new(); /* created in this trace: durable as nothing */
    return n;
}

static void drop_event(const struct sim_state *st, struct sim_event *ev)
{
    if (st->owns_events)
        hg_sim_event_free(ev);
}

/* ---- effects on files -------------------------------------------------------------------------- */

static int overlaps(const struct sim_event *a, const struct sim_event *b)
{
    return a->off < b->off + b->len && b->off < a->off + a->len;
}

/* Whether applying `later` before `earlier` could give another result. */
static int must_follow(const struct sim_event *later, const struct sim_event *earlier)
{
    if (later->type == SIM_EV_TRUNCATE || earlier->type == SIM_EV_TRUNCATE)
        return 1;
    if (later->type == SIM_EV_WRITE && earlier->type == SIM_EV_WRITE)
        return overlaps(later, earlier);
    return 0; /* an allocation only moves the end, upwards */
}

static void make_durable(struct sim_dnode *n, const struct sim_event *ev)
{
    if (ev->type == SIM_EV_WRITE)
        hg_sim_image_write(&n->data, ev->off, ev->data, ev->len, 1);
    else if (ev->type == SIM_EV_TRUNCATE || ev->len > n->data->size)
        hg_sim_image_resize(&n->data, ev->len);
}

/* Takes out of the list what is forced and follows nothing that is not. */
static void fold(struct sim_state *st, struct sim_dnode *n)
{
    struct sim_pending_list *l = &n->list;
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        int wait = !l->p[i].forced;
        for (size_t j = 0; j < kept && !wait; j++)
            wait = must_follow(l->p[i].ev, l->p[j].ev);
        if (wait) {
            l->p[kept++] = l->p[i];
        } else {
            make_durable(n, l->p[i].ev);
            drop_event(st, l->p[i].ev);
        }
    }
    l->n = kept;
}

static void end_effect(struct sim_state *st, struct sim_event *ev)
{
    struct sim_dnode *n = file_node(st, ev->ino);
    if (ev->type == SIM_EV_WRITE && ev->len == 0) {
        drop_event(st, ev);
        return;
    }
    struct sim_pending_list *l = &n->list;
    l->p = hg_sim_grow(l->p, &l->cap, l->n + 1, sizeof *l->p);
    l->p[l->n++] = (struct sim_pending){ .ev = ev,
                                         .forced = ev->dsync && !ev->failed,
                                         .dropped = ev->dsync && ev->failed };
    if (ev->dsync)
        fold(st, n);
}

static void end_sync(struct sim_state *st, const struct sim_event *ev)
{
    struct sim_dnode *n = file_node(st, ev->ino);
    for (size_t i = 0; i < n->list.n; i++) {
        struct sim_pending *p = &n->list.p[i];
        if (p->forced || p->dropped || p->ev->end > ev->begin)
            continue;
        p->forced = !ev->failed;
        p->dropped = ev->failed;
    }
    fold(st, n);
    /* What is below the durable end and was never written is a hole now: zeros. */
    if (!ev->failed && n->data->known != NULL)
        hg_sim_image_all_known(hg_sim_image_own(&n->data));
}

static void settle(struct sim_state *st, uint32_t ino)
{
    struct sim_dnode *n = file_node(st, ino);
    size_t kept = 0;

    for (size_t i = 0; i < n->list.n; i++) {
        if (n->list.p[i].dropped)
            drop_event(st, n->list.p[i].ev);
        else
            n->list.p[kept++] = n->list.p[i];
    }
    n->list.n = kept;
    fold(st, n);
}

/* ---- changes of directories ---------------------------------------------------------------------- */

/* No name of this file can come back. */
static void forget_file(struct sim_state *st, uint32_t ino)
{
    struct sim_dnode *n = state_node(st, ino);
    if (n->is_dir)
        return;
    for (size_t i = 0; i < n->list.n; i++)
        drop_event(st, n->list.p[i].ev);
    n->list.n = 0;
    hg_sim_image_unref(n->data);
    n->data = NULL;
}

static void apply_rename(struct sim_state *st, const struct sim_event *ev)
{
    struct sim_dir *to = &state_node(st, ev->dir[1])->dir;
    uint32_t replaced = hg_sim_dir_find(to, ev->name[1]->text, strlen(ev->name[1]->text));
    hg_sim_dir_set(to, ev->name[1], ev->ino);
    if (replaced != 0 && replaced != ev->ino)
        forget_file(st, replaced);
}

static void apply_change(struct sim_state *st, const struct sim_event *ev)
{
    if (ev->type == SIM_EV_MKDIR)
        state_node(st, ev->ino)->is_dir = 1;
    else if (ev->type == SIM_EV_CREATE)
        (void)file_node(st, ev->ino);
    uint32_t ino = ev->type == SIM_EV_CREATE || ev->type == SIM_EV_MKDIR ? ev->ino : 0;
    hg_sim_dir_set(&state_node(st, ev->dir[0])->dir, ev->name[0], ino);
    if (ev->type == SIM_EV_REMOVE)
        forget_file(st, ev->ino);
    else if (ev->type == SIM_EV_RENAME)
        apply_rename(st, ev);
}

/* Whether both concern one entry. */
static int same_entry(const struct sim_event *a, const struct sim_event *b)
{
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (a->name[i] != NULL && b->name[j] != NULL && a->dir[i] == b->dir[j] &&
                strcmp(a->name[i]->text, b->name[j]->text) == 0)
                return 1;
    return 0;
}

static int covers(const struct sim_event *sync, struct sim_change *c)
{
    if (c->ev->end > sync->begin)
        return 0;
    int complete = 1;
    for (int i = 0; i < 2; i++) {
        if (c->ev->name[i] != NULL && c->ev->dir[i] == sync->ino)
            c->synced[i] = 1;
        complete = complete && (c->ev->name[i] == NULL || c->synced[i]);
    }
    return complete;
}

/* A journal writes changes in their order, whatever directory they are in. */
static void pick_prefix(const struct sim_state *st, const struct sim_event *sync, uint8_t *durable)
{
    size_t n = 0;
    for (size_t i = 0; i < st->n_change; i++) {
        struct sim_change *c = &st->change[i];
        (void)covers(sync, c);
        if (c->synced[0] || c->synced[1])
            n = i + 1;
    }
    memset(durable, 1, n);
}

/* Each on its own, but never a later change of an entry without the earlier ones. */
static void pick_each(const struct sim_state *st, const struct sim_event *sync, uint8_t *durable)
{
    for (size_t i = 0; i < st->n_change; i++)
        durable[i] = covers(sync, &st->change[i]) != 0;
    for (size_t i = st->n_change; i-- > 0;)
        for (size_t j = 0; j < i && durable[i]; j++)
            if (same_entry(st->change[i].ev, st->change[j].ev))
                durable[j] = 1;
}

static void end_sync_dir(struct sim_state *st, const struct sim_event *ev)
{
    if (ev->failed || st->n_change == 0)
        return;
    uint8_t *durable = hg_sim_alloc(st->n_change, 1);
    if (st->dirs == HG_SIM_DIRS_JOURNAL)
        pick_prefix(st, ev, durable);
    else
        pick_each(st, ev, durable);
    size_t kept = 0;
    for (size_t i = 0; i < st->n_change; i++) {
        if (!durable[i]) {
            st->change[kept++] = st->change[i];
            continue;
        }
        apply_change(st, st->change[i].ev);
        drop_event(st, st->change[i].ev);
    }
    st->n_change = kept;
    free(durable);
}

/* ---- steps ------------------------------------------------------------------------------------- */

static void begin_event(struct sim_state *st, struct sim_event *ev)
{
    st->flight = hg_sim_grow(st->flight, &st->cap_flight, st->n_flight + 1, sizeof(void *));
    st->flight[st->n_flight++] = ev;
}

static void leave_flight(struct sim_state *st, const struct sim_event *ev)
{
    size_t i = 0;
    while (i < st->n_flight && st->flight[i] != ev)
        i++;
    HG_ASSERT(i < st->n_flight);
    st->n_flight--;
    memmove(st->flight + i, st->flight + i + 1, (st->n_flight - i) * sizeof(void *));
}

static void end_event(struct sim_state *st, struct sim_event *ev)
{
    if (hg_sim_is_effect(ev)) {
        end_effect(st, ev);
        return;
    }
    if (hg_sim_is_change(ev) && !ev->failed) {
        st->change = hg_sim_grow(st->change, &st->cap_change, st->n_change + 1, sizeof *st->change);
        st->change[st->n_change++] = (struct sim_change){ .ev = ev };
        return;
    }
    if (ev->type == SIM_EV_SYNC)
        end_sync(st, ev);
    else if (ev->type == SIM_EV_SYNC_DIR)
        end_sync_dir(st, ev);
    else if (ev->type == SIM_EV_SETTLE)
        settle(st, ev->ino);
    drop_event(st, ev);
}

void hg_sim_state_step(struct sim_state *st, const struct sim_step *s)
{
    st->step++;
    if (s->kind != SIM_STEP_END)
        begin_event(st, s->ev);
    if (s->kind != SIM_STEP_BEGIN) {
        leave_flight(st, s->ev);
        end_event(st, s->ev);
    }
}

/* ---- states ------------------------------------------------------------------------------------ */

struct sim_state *hg_sim_state_of_now(const struct hg_sim *sim)
{
    struct sim_state *st = hg_sim_alloc(1, sizeof *st);
    st->dirs = sim->opts.dirs;
    for (uint32_t ino = 1; ino < sim->n_node; ino++) {
        struct sim_dnode *to = state_node(st, ino);
        const struct sim_node *from = sim->node[ino];
        if (from == NULL)
            continue;
        to->is_dir = from->is_dir;
        if (from->is_dir)
            hg_sim_dir_copy(&to->dir, &from->dir);
        else
            to->data = hg_sim_image_ref(from->data);
    }
    return st;
}

static void *copy_array(const void *from, size_t n, size_t size)
{
    void *to = hg_sim_alloc(n, size);
    if (n != 0)
        memcpy(to, from, n * size);
    return to;
}

struct sim_state *hg_sim_state_copy(const struct sim_state *st)
{
    struct sim_state *copy = hg_sim_alloc(1, sizeof *copy);
    *copy = *st;
    HG_ASSERT(!st->owns_events); /* two owners of one event */
    copy->node = copy_array(st->node, st->n_node, sizeof *st->node);
    copy->cap_node = st->n_node;
    for (size_t i = 0; i < st->n_node; i++) {
        const struct sim_dnode *from = &st->node[i];
        struct sim_dnode *to = &copy->node[i];
        if (from->data != NULL)
            to->data = hg_sim_image_ref(from->data);
        hg_sim_dir_copy(&to->dir, &from->dir);
        to->list.p = copy_array(from->list.p, from->list.n, sizeof *from->list.p);
        to->list.cap = from->list.n;
    }
    copy->change = copy_array(st->change, st->n_change, sizeof *st->change);
    copy->cap_change = st->n_change;
    copy->flight = copy_array(st->flight, st->n_flight, sizeof(void *));
    copy->cap_flight = st->n_flight;
    return copy;
}

void hg_sim_state_free(struct sim_state *st)
{
    if (st == NULL)
        return;
    for (size_t i = 0; i < st->n_node; i++) {
        struct sim_dnode *n = &st->node[i];
        for (size_t j = 0; j < n->list.n; j++)
            drop_event(st, n->list.p[j].ev);
        hg_sim_image_unref(n->data);
        hg_sim_dir_release(&n->dir);
        free(n->list.p);
    }
    for (size_t i = 0; i < st->n_change; i++)
        drop_event(st, st->change[i].ev);
    for (size_t i = 0; i < st->n_flight; i++)
        drop_event(st, st->flight[i]);
    free(st->node);
    free(st->change);
    free(st->flight);
    free(st);
}

/* A state to roll forward from: the cached one, or the last saved one before step. */
static void rewind_cache(const struct hg_sim *sim, uint64_t step)
{
    struct sim_cache *c = sim->cache;
    if (c->state != NULL && c->state->step <= step)
        return;
    hg_sim_state_free(c->state);
    size_t i = HG_MIN(c->n_saved, (size_t)(step / SIM_SAVE_EVERY));
    c->state = hg_sim_state_copy(i > 0 ? c->saved[i - 1] : sim->base);
}

struct sim_state *hg_sim_state_at(const struct hg_sim *sim, uint64_t step)
{
    struct sim_cache *c = sim->cache;
    if (sim->opts.no_trace && sim->base != NULL) {
        HG_ASSERT(step == sim->step); /* without a trace there is only now */
        return sim->base;
    }
    if (sim->base == NULL) { /* nothing happened yet */
        hg_sim_state_free(c->state);
        c->state = hg_sim_state_of_now(sim);
        return c->state;
    }
    HG_ASSERT(step <= sim->n_steps);
    rewind_cache(sim, step);
    while (c->state->step < step) {
        hg_sim_state_step(c->state, &sim->steps[c->state->step]);
        if (c->state->step == (c->n_saved + 1) * SIM_SAVE_EVERY) {
            c->saved = hg_sim_grow(c->saved, &c->cap_saved, c->n_saved + 1, sizeof(void *));
            c->saved[c->n_saved++] = hg_sim_state_copy(c->state);
        }
    }
    return c->state;
}

/* What the disk gives to whoever goes past the page cache: all that completed, less what a failed
 * sync or a failed durable write left in the cache only. */
struct sim_image *hg_sim_device_image(const struct hg_sim *sim, uint32_t ino)
{
    const struct sim_state *st = hg_sim_state_at(sim, sim->step);
    struct sim_dnode n = { 0 };

    n.data = ino < st->n_node && st->node[ino].data != NULL ? hg_sim_image_ref(st->node[ino].data)
                                                            : hg_sim_image_new();
    for (size_t i = 0; ino < st->n_node && i < st->node[ino].list.n; i++)
        make_durable(&n, st->node[ino].list.p[i].ev);
    return n.data;
}
