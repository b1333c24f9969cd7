/*
 * The simulated machine as tests see it: life, runs, marks, and the disk as bytes between runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/sim_int.h"

/* ---- life -------------------------------------------------------------------------------------- */

int hg_sim_create(const struct hg_sim_options *opts, struct hg_sim **out_sim)
{
    struct hg_sim *sim = hg_sim_alloc(1, sizeof *sim);
    sim->opts = *opts;
    sim->cache = hg_sim_alloc(1, sizeof *sim->cache);
    uint32_t root = hg_sim_node_new(sim, 1);
    hg_sim_node(sim, root)->links = 1;
    hg_sim_sched_init(sim);
    *out_sim = sim;
    return HOLOG_OK;
}

void hg_sim_destroy(struct hg_sim *sim)
{
    if (sim == NULL)
        return;
    HG_ASSERT(sim->crashed || (sim->open_files == 0 && sim->threads == 0 && sim->maps == 0));
    hg_sim_clear_trace(sim);
    hg_sim_sched_release(sim);
    for (uint32_t ino = 1; ino < sim->n_node; ino++) {
        struct sim_node *n = sim->node[ino];
        if (n == NULL)
            continue;
        hg_sim_image_unref(n->data);
        hg_sim_dir_release(&n->dir);
        free(n->lock);
        free(n->map);
        free(n);
    }
    for (size_t i = 0; i < sim->n_stale; i++)
        hg_sim_image_unref(sim->stale[i].data);
    for (struct sim_io *io = sim->ios; io != NULL;) {
        struct sim_io *next = io->next;
        free(io);
        io = next;
    }
    free(sim->node);
    free(sim->stale);
    free(sim->steps);
    free(sim->mark);
    free(sim->cache->saved);
    free(sim->cache);
    free(sim);
}

void hg_sim_set_options(struct hg_sim *sim, const struct hg_sim_options *opts)
{
    HG_ASSERT(sim->current == sim->host && opts->dirs == sim->opts.dirs);
    hg_sim_clear_trace(sim);
    uint64_t rng = opts->seed;
    sim->opts = *opts;
    sim->sched_rng = hg_sim_next(&rng);
    sim->random_rng = hg_sim_next(&rng);
    sim->fault_seen = 0;
    memset(sim->calls, 0, sizeof sim->calls);
}

int hg_sim_open_io(struct hg_sim *sim, struct hg_io **out_io)
{
    struct sim_io *io = hg_sim_alloc(1, sizeof *io);
    io->base.ops = &hg_sim_ops;
    io->base.why_world = "";
    (void)snprintf(io->base.root, sizeof io->base.root, "sim");
    io->sim = sim;
    io->next = sim->ios;
    sim->ios = io;
    *out_io = &io->base;
    return HOLOG_OK;
}

int hg_sim_run(struct hg_sim *sim, int (*scenario)(struct hg_io *io, void *ctx), void *ctx)
{
    struct hg_io *io;
    int rc = hg_sim_open_io(sim, &io);
    if (rc < 0)
        return rc;
    rc = hg_sim_sched_run(sim, scenario, io, ctx);
    ((struct sim_io *)io)->destroyed = 1; /* perhaps by the scenario already */
    hg_sim_flush_maps(sim);
    return rc;
}

/* ---- steps, marks, faults -------------------------------------------------------------------- */

uint64_t hg_sim_steps(const struct hg_sim *sim)
{
    return sim->step;
}

void hg_sim_mark(struct hg_sim *sim, uint32_t kind, uint64_t value)
{
    if (sim->crashed)
        return; /* nobody outside can have seen it */
    sim->mark = hg_sim_grow(sim->mark, &sim->cap_mark, sim->n_mark + 1, sizeof *sim->mark);
    sim->mark[sim->n_mark++] = (struct sim_mark){ .step = sim->step, .value = value, .kind = kind };
}

uint64_t hg_sim_marked_max(const struct hg_sim *sim, uint32_t kind, uint64_t step, uint64_t none)
{
    uint64_t max = none;
    int found = 0;
    for (size_t i = 0; i < sim->n_mark && sim->mark[i].step <= step; i++) {
        const struct sim_mark *m = &sim->mark[i];
        if (m->kind != kind || (found && m->value <= max))
            continue;
        max = m->value;
        found = 1;
    }
    return max;
}

uint64_t hg_sim_fallible_calls(const struct hg_sim *sim, unsigned classes)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SIM_CLASSES; i++)
        if ((classes & (1u << i)) != 0)
            n += sim->calls[i];
    return n;
}

void hg_sim_set_crash_step(struct hg_sim *sim, uint64_t step)
{
    sim->has_crash_step = 1;
    sim->crash_step = step;
    if (sim->step >= step && !sim->crashed) {
        sim->crashed = 1;
        hg_sim_wake_all(sim);
    }
}

int hg_sim_crashed(const struct hg_sim *sim)
{
    return sim->crashed;
}

unsigned hg_sim_open_files(const struct hg_sim *sim)
{
    return sim->open_files;
}

unsigned hg_sim_live_threads(const struct hg_sim *sim)
{
    return sim->threads;
}

/* ---- the disk at rest ------------------------------------------------------------------------ */

int hg_sim_clone(const struct hg_sim *sim, struct hg_sim **out_copy)
{
    HG_ASSERT(sim->open_files == 0);
    return hg_sim_crash(sim, sim->step, HG_SIM_CRASH_ALL, 0, out_copy);
}

struct walk {
    const struct hg_sim *sim;
    int (*each)(void *ctx, const char *name, uint64_t size);
    void *ctx;
    char path[HG_IO_NAME_MAX + 1];
};

static int walk_dir(struct walk *w, uint32_t ino, size_t len)
{
    const struct sim_dir *d = &hg_sim_node(w->sim, ino)->dir;
    for (size_t i = 0; i < d->n; i++) {
        const struct sim_node *n = hg_sim_node(w->sim, d->e[i].ino);
        int more = snprintf(w->path + len, sizeof w->path - len, "%s%s", len != 0 ? "/" : "",
                            d->e[i].name->text);
        HG_ASSERT(more >= 0 && (size_t)more < sizeof w->path - len);
        int rc = n->is_dir ? walk_dir(w, d->e[i].ino, len + (size_t)more)
                           : w->each(w->ctx, w->path, n->data->size);
        w->path[len] = '\0';
        if (rc != 0)
            return rc;
    }
    return 0;
}

int hg_sim_each_file(const struct hg_sim *sim,
                     int (*each)(void *ctx, const char *name, uint64_t size), void *ctx)
{
    struct walk w = { .sim = sim, .each = each, .ctx = ctx };
    return walk_dir(&w, 1, 0);
}

/* What the volatile file system holds becomes what the disk holds. */
static void settle(struct hg_sim *sim)
{
    HG_ASSERT(sim->open_files == 0 && sim->maps == 0);
    hg_sim_clear_trace(sim);
}

uint8_t *hg_sim_file_data(struct hg_sim *sim, const char *name, uint64_t *out_size)
{
    uint32_t ino = hg_sim_lookup(sim, name);
    if (ino == 0 || hg_sim_node(sim, ino)->is_dir)
        return NULL;
    settle(sim);
    struct sim_image *img = hg_sim_image_own(&hg_sim_node(sim, ino)->data);
    *out_size = img->size;
    if (img->data == NULL) { /* empty: still an address, not NULL */
        img->cap = HG_IO_BLOCK;
        img->data = hg_sim_alloc(1, img->cap);
    }
    return img->data;
}

int hg_sim_file_put(struct hg_sim *sim, const char *name, const void *data, uint64_t size)
{
    const char *base;
    int err;
    settle(sim);
    uint32_t dir = hg_sim_parent(sim, name, &base, &err);
    if (dir == 0)
        return hg_io_fail(err, "put", name);
    uint32_t ino = hg_sim_dir_find(&hg_sim_node(sim, dir)->dir, base, strlen(base));
    if (ino == 0) {
        struct sim_name *entry = hg_sim_name_new(base, strlen(base));
        ino = hg_sim_node_new(sim, 0);
        hg_sim_node(sim, ino)->links = 1;
        hg_sim_dir_set(&hg_sim_node(sim, dir)->dir, entry, ino);
        hg_sim_name_unref(entry);
    }
    struct sim_node *n = hg_sim_node(sim, ino);
    hg_sim_image_unref(n->data);
    n->data = hg_sim_image_new();
    hg_sim_image_write(&n->data, 0, data, size, 0);
    hg_sim_charge(sim, n);
    return HOLOG_OK;
}

int hg_sim_file_remove(struct hg_sim *sim, const char *name)
{
    const char *base;
    int err;
    uint32_t ino = hg_sim_lookup(sim, name);
    uint32_t dir = hg_sim_parent(sim, name, &base, &err);
    if (dir == 0 || ino == 0 || hg_sim_node(sim, ino)->is_dir)
        return hg_error(HOLOG_E_NOENT, "no file %s", name);
    settle(sim);
    struct sim_name *entry = hg_sim_name_new(base, strlen(base));
    hg_sim_dir_set(&hg_sim_node(sim, dir)->dir, entry, 0);
    hg_sim_name_unref(entry);
    hg_sim_node(sim, ino)->links--;
    hg_sim_node_unlinked(sim, ino);
    return HOLOG_OK;
}
