/*
 * The simulated machine's volatile file system, its trace and its faults.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/sim_int.h"

#define STALE_MAX 32 /* deleted files whose bytes may come back */

/* ---- nodes ------------------------------------------------------------------------------------- */

struct sim_node *hg_sim_node(const struct hg_sim *sim, uint32_t ino)
{
    HG_ASSERT(ino != 0 && ino < sim->n_node && sim->node[ino] != NULL);
    return sim->node[ino];
}

uint32_t hg_sim_node_new(struct hg_sim *sim, int is_dir)
{
    struct sim_node *n = hg_sim_alloc(1, sizeof *n);
    n->is_dir = (uint8_t)is_dir;
    if (!is_dir)
        n->data = hg_sim_image_new();
    if (sim->n_node == 0)
        sim->n_node = 1; /* number 0 stands for nobody */
    sim->node = hg_sim_grow(sim->node, &sim->cap_node, sim->n_node + 1, sizeof(void *));
    sim->node[0] = NULL;
    sim->node[sim->n_node] = n;
    return (uint32_t)sim->n_node++;
}

static void keep_stale(struct hg_sim *sim, struct sim_image *data)
{
    if (data->size == 0)
        return;
    if (sim->n_stale == STALE_MAX) {
        hg_sim_image_unref(sim->stale[0].data);
        sim->n_stale--;
        memmove(sim->stale, sim->stale + 1, sim->n_stale * sizeof *sim->stale);
    }
    sim->stale = hg_sim_grow(sim->stale, &sim->cap_stale, sim->n_stale + 1, sizeof *sim->stale);
    sim->stale[sim->n_stale++] =
        (struct sim_stale){ .step = sim->step + 1, .data = hg_sim_image_ref(data) };
}

void hg_sim_charge(struct hg_sim *sim, struct sim_node *n)
{
    uint64_t bytes = n->is_dir ? 0 : HG_ALIGN_UP(n->data->size, (uint64_t)HG_IO_BLOCK);
    sim->used_bytes += bytes - n->charged;
    n->charged = bytes;
}

/* A name or a handle of the node went away: it ends with the last of them. */
void hg_sim_node_unlinked(struct hg_sim *sim, uint32_t ino)
{
    struct sim_node *n = hg_sim_node(sim, ino);
    if (n->links != 0 || n->opens != 0 || n->maps != 0)
        return;
    sim->used_bytes -= n->charged;
    if (!n->is_dir)
        keep_stale(sim, n->data);
    hg_sim_image_unref(n->data);
    hg_sim_dir_release(&n->dir);
    free(n->lock);
    free(n->map);
    free(n);
    sim->node[ino] = NULL;
}

/* ---- names ------------------------------------------------------------------------------------- */

uint32_t hg_sim_parent(const struct hg_sim *sim, const char *name, const char **out_base,
                       int *out_err)
{
    uint32_t dir = 1;
    for (;;) {
        const char *slash = strchr(name, '/');
        *out_base = name;
        *out_err = ENOTDIR;
        if (!hg_sim_node(sim, dir)->is_dir)
            return 0;
        if (slash == NULL)
            return dir;
        dir = hg_sim_dir_find(&hg_sim_node(sim, dir)->dir, name, (size_t)(slash - name));
        *out_err = ENOENT;
        if (dir == 0)
            return 0;
        name = slash + 1;
    }
}

uint32_t hg_sim_lookup(const struct hg_sim *sim, const char *name)
{
    const char *base;
    int err;
    if (name[0] == '\0')
        return 1;
    uint32_t dir = hg_sim_parent(sim, name, &base, &err);
    return dir != 0 ? hg_sim_dir_find(&hg_sim_node(sim, dir)->dir, base, strlen(base)) : 0;
}

/* ---- the trace --------------------------------------------------------------------------------- */

struct sim_event *hg_sim_event_new(enum sim_event_type type, uint32_t ino, uint64_t data_len)
{
    struct sim_event *ev = hg_sim_alloc(1, sizeof *ev + data_len);
    ev->type = type;
    ev->ino = ino;
    ev->len = data_len;
    return ev;
}

/* Before the first effect: what the volatile file system holds is durable. */
static void start_trace(struct hg_sim *sim)
{
    if (sim->base != NULL)
        return;
    sim->base = hg_sim_state_of_now(sim);
    sim->base->owns_events = sim->opts.no_trace;
}

static void record(struct hg_sim *sim, struct sim_event *ev, enum sim_step_kind kind)
{
    struct sim_step s = { .ev = ev, .kind = kind };
    start_trace(sim);
    sim->idle_picks = 0;
    sim->step++;
    if (kind != SIM_STEP_END)
        ev->begin = sim->step;
    if (kind != SIM_STEP_BEGIN)
        ev->end = sim->step;
    if (sim->opts.no_trace) {
        hg_sim_state_step(sim->base, &s);
    } else {
        sim->steps = hg_sim_grow(sim->steps, &sim->cap_steps, sim->n_steps + 1, sizeof s);
        sim->steps[sim->n_steps++] = s;
    }
    if (sim->has_crash_step && sim->step >= sim->crash_step && !sim->crashed) {
        sim->crashed = 1;
        hg_sim_wake_all(sim);
    }
}

/* Stores into a shared page become a write of the bytes that differ, as the kernel would find a
 * dirty page: pending until the file is synced. */
static void flush_map(struct hg_sim *sim, uint32_t ino, struct sim_node *n)
{
    size_t from = 0;
    size_t to = HG_MIN(n->map_len, (size_t)n->data->size);
    if (to == 0 || memcmp(n->map, n->data->data, to) == 0) /* nearly always, at every step */
        return;
    while (from < to && n->map[from] == n->data->data[from])
        from++;
    while (to > from && n->map[to - 1] == n->data->data[to - 1])
        to--;
    struct sim_event *ev = hg_sim_event_new(SIM_EV_WRITE, ino, to - from);
    ev->off = from;
    memcpy(ev->data, n->map + from, to - from);
    start_trace(sim);
    hg_sim_image_write(&n->data, from, n->map + from, to - from, 0);
    record(sim, ev, SIM_STEP_INSTANT);
}

void hg_sim_settle(struct hg_sim *sim, uint32_t ino)
{
    struct sim_node *n = hg_sim_node(sim, ino);

    if (n->doubt != SIM_DOUBT_OPEN)
        return;
    n->doubt = SIM_DOUBT_SETTLED;
    record(sim, hg_sim_event_new(SIM_EV_SETTLE, ino, 0), SIM_STEP_INSTANT);
}

void hg_sim_flush_maps(struct hg_sim *sim)
{
    for (uint32_t ino = 1; sim->maps != 0 && ino < sim->n_node && !sim->crashed; ino++)
        if (sim->node[ino] != NULL && sim->node[ino]->map != NULL)
            flush_map(sim, ino, sim->node[ino]);
}

int hg_sim_dead(struct hg_sim *sim, const char *what, const char *name)
{
    HG_ASSERT(sim->crashed);
    return hg_error(HOLOG_E_IO, "%s %s: the power is gone (step %llu)", what, name,
                    (unsigned long long)sim->step);
}

int hg_sim_fly(struct hg_sim *sim, struct sim_event *ev)
{
    hg_sim_flush_maps(sim);
    if (sim->crashed) {
        hg_sim_event_free(ev);
        return HOLOG_E_IO;
    }
    record(sim, ev, SIM_STEP_BEGIN);
    return HOLOG_OK;
}

int hg_sim_begin(struct hg_sim *sim, struct sim_event *ev)
{
    int rc = hg_sim_fly(sim, ev);
    if (rc < 0)
        return hg_sim_dead(sim, "call", "");
    hg_sim_point(sim);
    if (sim->crashed)
        return hg_sim_dead(sim, "call", "in flight");
    return HOLOG_OK;
}

void hg_sim_end(struct hg_sim *sim, struct sim_event *ev)
{
    if (ev->failed && (ev->type == SIM_EV_SYNC || ev->dsync))
        hg_sim_node(sim, ev->ino)->doubt = SIM_DOUBT_OPEN;
    record(sim, ev, SIM_STEP_END);
}

void hg_sim_clear_trace(struct hg_sim *sim)
{
    struct sim_cache *c = sim->cache;
    hg_sim_state_free(c->state);
    c->state = NULL;
    for (size_t i = 0; i < c->n_saved; i++)
        hg_sim_state_free(c->saved[i]);
    c->n_saved = 0;
    hg_sim_state_free(sim->base);
    sim->base = NULL;
    for (size_t i = 0; i < sim->n_steps; i++)
        if (sim->steps[i].kind != SIM_STEP_END) /* every event has one first step */
            hg_sim_event_free(sim->steps[i].ev);
    sim->n_steps = 0;
    sim->step = 0;
    sim->n_mark = 0;
    for (size_t i = 0; i < sim->n_stale; i++)
        sim->stale[i].step = 0;
}

/* ---- faults ------------------------------------------------------------------------------------ */

static int fault_hits(struct hg_sim *sim, unsigned fault_class)
{
    const struct hg_sim_options *o = &sim->opts;
    sim->calls[__builtin_ctz(fault_class)]++;
    if ((o->fault_classes & fault_class) == 0)
        return 0;
    sim->fault_seen++;
    if (o->fault_at == 0 || o->fault_kind == HG_SIM_FAULT_NONE || sim->fault_seen < o->fault_at)
        return 0;
    int for_ever = o->fault_sticky || o->fault_kind == HG_SIM_FAULT_STUCK;
    return sim->fault_seen == o->fault_at || for_ever;
}

int hg_sim_fault(struct hg_sim *sim, unsigned fault_class, enum hg_sim_fault_kind *out_kind)
{
    const struct hg_sim_options *o = &sim->opts;
    *out_kind = HG_SIM_FAULT_NONE;
    for (int tries = 0; tries < HG_IO_TRIES_MAX; tries++) {
        if (!fault_hits(sim, fault_class))
            return 0;
        int interrupted = o->fault_kind == HG_SIM_FAULT_EINTR ||
                          (o->fault_kind == HG_SIM_FAULT_ERRNO &&
                           (o->fault_errno == EINTR || o->fault_errno == EAGAIN));
        if (interrupted)
            continue; /* as the real worlds do */
        if (o->fault_kind == HG_SIM_FAULT_ERRNO)
            return o->fault_errno;
        *out_kind = o->fault_kind;
        return 0;
    }
    return o->fault_kind == HG_SIM_FAULT_ERRNO ? o->fault_errno : EINTR;
}
