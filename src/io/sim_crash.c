/*
 * One of the states that a power cut at a step could leave.
 *
 * Everything pending at the step is an item: effects on files, changes of directories, and what was
 * in flight of both. A strategy gives each item a choice: which of its sectors reached the disk, and
 * whether the new size did. Then every file is built in the order in which its effects completed.
 */
#include <stdlib.h>
#include <string.h>

#include "io/sim_int.h"

enum item_data {
    DATA_NONE,
    DATA_ALL,
    DATA_HEAD,
    DATA_TAIL,
    DATA_SOME
};

struct item {
    const struct sim_event *ev;
    enum item_data data; /* which sectors; for a change: ALL or NONE */
    uint8_t size;        /* the new size reached the disk */
    uint64_t k;          /* HEAD, TAIL: sectors; SOME: seed of the subset */
};

enum fill {
    FILL_ZERO,
    FILL_A5,
    FILL_STALE
};

struct plan {
    const struct hg_sim *sim;
    const struct sim_state *st;
    uint64_t step;
    uint64_t rng;
    enum fill fill;
    int fill_each; /* another filling for each file */
    struct item *item;
    size_t n_item;
    size_t *first;       /* by inode: its first item */
    size_t first_change; /* items from here on are changes that completed ... */
    size_t first_flight; /* ... and from here on what is in flight, as in st->flight */
    /* built */
    struct hg_sim *after;
    struct sim_dir *dir; /* by inode: entries that survived */
    uint8_t *is_dir;     /* by inode */
    uint32_t *new_ino;   /* by inode: its number in `after`, 0 = not reached yet */
};

/* ---- items ------------------------------------------------------------------------------------- */

static size_t pending_count(const struct sim_state *st)
{
    size_t n = st->n_change;
    for (size_t i = 0; i < st->n_node; i++)
        for (size_t j = 0; j < st->node[i].list.n; j++)
            n += !st->node[i].list.p[j].forced;
    for (size_t i = 0; i < st->n_flight; i++)
        n += hg_sim_is_effect(st->flight[i]) || hg_sim_is_change(st->flight[i]);
    return n;
}

static void collect_items(struct plan *p)
{
    const struct sim_state *st = p->st;
    p->item = hg_sim_alloc(pending_count(st) + st->n_flight, sizeof *p->item);
    p->first = hg_sim_alloc(st->n_node, sizeof *p->first);
    for (size_t i = 0; i < st->n_node; i++) {
        p->first[i] = p->n_item;
        for (size_t j = 0; j < st->node[i].list.n; j++)
            if (!st->node[i].list.p[j].forced)
                p->item[p->n_item++].ev = st->node[i].list.p[j].ev;
    }
    p->first_change = p->n_item;
    for (size_t i = 0; i < st->n_change; i++)
        p->item[p->n_item++].ev = st->change[i].ev;
    p->first_flight = p->n_item;
    for (size_t i = 0; i < st->n_flight; i++)
        p->item[p->n_item++].ev = st->flight[i];
}

static uint64_t sectors_of(const struct sim_event *ev)
{
    if (ev->type != SIM_EV_WRITE || ev->len == 0)
        return 0;
    return (ev->off + ev->len - 1) / SIM_SECTOR - ev->off / SIM_SECTOR + 1;
}

static void choose(struct item *it, enum item_data data, uint64_t k, int size)
{
    it->data = data;
    it->k = k;
    it->size = (uint8_t)size;
}

static void choose_all(struct plan *p, enum item_data data, int size)
{
    for (size_t i = 0; i < p->n_item; i++)
        choose(&p->item[i], data, 0, size);
}

/* The i-th item that is an effect or a change, skipping syncs in flight. */
static struct item *pick_item(struct plan *p, uint64_t i)
{
    struct item *it = p->item;
    for (;; it++) {
        HG_ASSERT(it < p->item + p->n_item);
        if ((hg_sim_is_effect(it->ev) || hg_sim_is_change(it->ev)) && i-- == 0)
            return it;
    }
}

/* The newest write: in flight before completed, later begun or ended before earlier. */
static struct item *newest_write(struct plan *p)
{
    struct item *best = NULL;
    for (size_t i = 0; i < p->n_item; i++) {
        struct item *it = &p->item[i];
        if (it->ev->type != SIM_EV_WRITE || it->ev->len == 0)
            continue;
        int flying = i >= p->first_flight;
        int best_flying = best != NULL && best >= p->item + p->first_flight;
        uint64_t key = flying ? it->ev->begin : it->ev->end;
        uint64_t best_key = best == NULL ? 0 : best_flying ? best->ev->begin : best->ev->end;
        if (best == NULL || flying > best_flying || (flying == best_flying && key > best_key))
            best = it;
    }
    return best;
}

/* ---- strategies ---------------------------------------------------------------------------------- */

static void set_changes(struct plan *p, enum item_data data)
{
    for (size_t i = p->first_change; i < p->n_item; i++)
        if (hg_sim_is_change(p->item[i].ev))
            p->item[i].data = data;
}

static void random_changes(struct plan *p)
{
    uint64_t n = p->n_item - p->first_change;
    uint64_t prefix = hg_sim_below(&p->rng, n + 1);
    if (hg_sim_below(&p->rng, 2) == 0) {
        set_changes(p, DATA_ALL); /* so that half the states show what happens to the bytes */
        return;
    }
    for (size_t i = p->first_change; i < p->n_item; i++) {
        int take = p->sim->opts.dirs == HG_SIM_DIRS_JOURNAL ? i - p->first_change < prefix
                                                            : hg_sim_below(&p->rng, 2) != 0;
        if (hg_sim_is_change(p->item[i].ev))
            p->item[i].data = take ? DATA_ALL : DATA_NONE;
    }
}

static void keep_one(struct plan *p, uint64_t seed)
{
    uint64_t n = pending_count(p->st);
    if (n == 0)
        return;
    /* Beyond one seed for each item: the same with all names, so that the bytes can be seen. */
    if ((seed / n) % 2 != 0)
        set_changes(p, DATA_ALL);
    choose(pick_item(p, seed % n), DATA_ALL, 0, 1);
}

static void drop_one(struct plan *p, uint64_t seed)
{
    uint64_t n = pending_count(p->st);
    choose_all(p, DATA_ALL, 1);
    if (n != 0)
        choose(pick_item(p, seed % n), DATA_NONE, 0, 0);
}

static void tear(struct plan *p, enum item_data part, uint64_t seed)
{
    struct item *it = newest_write(p);
    choose_all(p, DATA_ALL, 1);
    if (it == NULL)
        return;
    uint64_t n = sectors_of(it->ev);
    HG_ASSERT(n != 0); /* newest_write has bytes */
    choose(it, part, part == DATA_HEAD ? seed % n : seed % n + 1, (seed / n) % 2 == 0);
}

static void random_sectors(struct plan *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        choose(&p->item[i], DATA_SOME, hg_sim_next(&p->rng), (int)hg_sim_below(&p->rng, 2));
}

/* One kind of treatment for the items [from, to) of one file. */
static void random_file(struct plan *p, size_t from, size_t to)
{
    uint64_t how = hg_sim_below(&p->rng, 6);
    if (how < 2) {
        random_sectors(p, from, to);
        return;
    }
    for (size_t i = from; i < to; i++) {
        uint64_t n = HG_MAX(sectors_of(p->item[i].ev), (uint64_t)1);
        switch (how) {
        case 2: choose(&p->item[i], DATA_NONE, 0, 0); break;
        case 3: choose(&p->item[i], DATA_ALL, 0, 1); break;
        case 4: choose(&p->item[i], DATA_NONE, 0, 1); break;
        default:
            choose(&p->item[i], i + 1 < to ? DATA_ALL : DATA_HEAD, hg_sim_below(&p->rng, n), 1);
        }
    }
}

static void random_mix(struct plan *p)
{
    p->fill_each = 1;
    for (size_t i = 0; i < p->st->n_node; i++) {
        size_t to = i + 1 < p->st->n_node ? p->first[i + 1] : p->first_change;
        random_file(p, p->first[i], to);
    }
    for (size_t i = p->first_flight; i < p->n_item; i++)
        random_file(p, i, i + 1);
    random_changes(p);
}

static void choose_by_strategy(struct plan *p, enum hg_sim_strategy strategy, uint64_t seed)
{
    p->fill = (enum fill)(seed % 3);
    switch (strategy) {
    case HG_SIM_CRASH_NONE: break;
    case HG_SIM_CRASH_ALL:
        choose_all(p, DATA_ALL, 1);
        p->fill = FILL_ZERO; /* holes, as they were read before the cut */
        break;
    case HG_SIM_CRASH_KEEP_ONE: keep_one(p, seed); break;
    case HG_SIM_CRASH_DROP_ONE: drop_one(p, seed); break;
    case HG_SIM_CRASH_TORN_HEAD: tear(p, DATA_HEAD, seed); break;
    case HG_SIM_CRASH_TORN_TAIL: tear(p, DATA_TAIL, seed); break;
    case HG_SIM_CRASH_SECTORS:
        random_sectors(p, 0, p->n_item);
        random_changes(p);
        break;
    case HG_SIM_CRASH_ZEROS:
    case HG_SIM_CRASH_GARBAGE:
        choose_all(p, DATA_NONE, 1);
        set_changes(p, DATA_ALL);
        p->fill = strategy == HG_SIM_CRASH_ZEROS ? FILL_ZERO : seed % 2 == 0 ? FILL_A5 : FILL_STALE;
        break;
    case HG_SIM_CRASH_RANDOM: random_mix(p); break;
    case HG_SIM_CRASH_STRATEGIES:
    default: HG_ASSERT(0);
    }
}

/* ---- files ------------------------------------------------------------------------------------- */

/* A file as the disk may hold it: bytes may lie beyond the size, and come to light when a later
 * effect extends it. */
struct draft {
    uint8_t *data;
    uint8_t *known; /* by sector */
    uint64_t size;
    uint64_t cap;
};

static uint64_t event_end(const struct sim_event *ev)
{
    return ev->type == SIM_EV_WRITE ? ev->off + ev->len : ev->len;
}

static void draft_sector(struct draft *d, const struct sim_event *ev, uint64_t sector)
{
    uint64_t from = HG_MAX(ev->off, sector * SIM_SECTOR);
    uint64_t to = HG_MIN(ev->off + ev->len, (sector + 1) * SIM_SECTOR);
    memcpy(d->data + from, ev->data + (from - ev->off), to - from);
    d->known[sector] = 1;
}

static int sector_survives(const struct item *it, uint64_t i, uint64_t n)
{
    switch (it->data) {
    case DATA_NONE: return 0;
    case DATA_ALL: return 1;
    case DATA_HEAD: return i < it->k;
    case DATA_TAIL: return i + it->k >= n;
    case DATA_SOME:
    default: {
        uint64_t rng = it->k + i;
        return (hg_sim_next(&rng) & 1) != 0;
    }
    }
}

/* Sectors from `from` on hold zeros, and that is known. */
static void draft_cut(struct draft *d, uint64_t from)
{
    uint64_t sectors = d->cap / SIM_SECTOR;
    uint64_t first = (from + SIM_SECTOR - 1) / SIM_SECTOR;
    memset(d->data + from, 0, d->cap - from);
    memset(d->known + first, 1, sectors - first);
}

static void draft_apply(struct draft *d, const struct item *it)
{
    const struct sim_event *ev = it->ev;
    uint64_t n = sectors_of(ev);

    if (ev->type == SIM_EV_TRUNCATE && it->size && ev->len < d->size)
        draft_cut(d, ev->len);
    for (uint64_t i = 0; i < n; i++)
        if (sector_survives(it, i, n))
            draft_sector(d, ev, ev->off / SIM_SECTOR + i);
    if (!it->size)
        return;
    if (ev->type == SIM_EV_TRUNCATE || (event_end(ev) > d->size && event_end(ev) != 0))
        d->size = event_end(ev);
}

static void draft_apply_forced(struct draft *d, const struct sim_event *ev)
{
    struct item whole = { .ev = ev, .data = DATA_ALL, .size = 1 };
    uint64_t before = d->size;
    draft_apply(d, &whole);
    if (ev->type == SIM_EV_WRITE || d->size <= before)
        return;
    for (uint64_t s = before / SIM_SECTOR; s * SIM_SECTOR < d->size; s++)
        d->known[s] = 1; /* extended for certain: zeros unless written */
}

static const struct sim_image *pick_stale(struct plan *p)
{
    size_t n = 0;
    while (n < p->sim->n_stale && p->sim->stale[n].step <= p->step)
        n++;
    return n != 0 ? p->sim->stale[hg_sim_below(&p->rng, n)].data : NULL;
}

static void draft_fill(struct plan *p, struct draft *d)
{
    enum fill fill = p->fill_each ? (enum fill)hg_sim_below(&p->rng, 3) : p->fill;
    const struct sim_image *stale = fill == FILL_STALE ? pick_stale(p) : NULL;
    if (fill == FILL_ZERO)
        return;
    for (uint64_t s = 0; s * SIM_SECTOR < d->size; s++) {
        uint64_t off = s * SIM_SECTOR;
        if (d->known[s])
            continue;
        if (stale != NULL && off + SIM_SECTOR <= stale->size)
            memcpy(d->data + off, stale->data + off, SIM_SECTOR);
        else
            memset(d->data + off, 0xA5, SIM_SECTOR);
    }
}

static uint64_t draft_room(const struct plan *p, const struct sim_dnode *n, uint32_t ino)
{
    uint64_t end = n->data != NULL ? n->data->size : 0;
    for (size_t i = 0; i < n->list.n; i++)
        end = HG_MAX(end, event_end(n->list.p[i].ev));
    for (size_t i = 0; i < p->st->n_flight; i++)
        if (hg_sim_is_effect(p->st->flight[i]) && p->st->flight[i]->ino == ino)
            end = HG_MAX(end, event_end(p->st->flight[i]));
    return HG_ALIGN_UP(HG_MAX(end, (uint64_t)1), (uint64_t)HG_IO_BLOCK);
}

static void draft_begin(struct draft *d, const struct sim_image *img, uint64_t room)
{
    d->cap = room;
    d->data = hg_sim_alloc(1, room);
    d->known = hg_sim_alloc(1, room / SIM_SECTOR);
    if (img == NULL || img->size == 0)
        return;
    uint64_t sectors = (img->size + SIM_SECTOR - 1) / SIM_SECTOR;
    d->size = img->size;
    memcpy(d->data, img->data, img->size);
    if (img->known != NULL)
        memcpy(d->known, img->known, sectors);
    else
        memset(d->known, 1, sectors);
}

static int has_flight(const struct plan *p, uint32_t ino)
{
    for (size_t i = 0; i < p->st->n_flight; i++)
        if (hg_sim_is_effect(p->st->flight[i]) && p->st->flight[i]->ino == ino)
            return 1;
    return 0;
}

static struct sim_image *build_file(struct plan *p, uint32_t ino)
{
    static const struct sim_dnode nothing;
    const struct sim_dnode *n = ino < p->st->n_node ? &p->st->node[ino] : &nothing;
    struct draft d = { 0 };
    size_t at = ino < p->st->n_node ? p->first[ino] : 0;

    if (n->list.n == 0 && !has_flight(p, ino)) {
        if (n->data == NULL)
            return hg_sim_image_new();
        if (n->data->known == NULL)
            return hg_sim_image_ref(n->data);
    }
    draft_begin(&d, n->data, draft_room(p, n, ino));
    for (size_t i = 0; i < n->list.n; i++) {
        if (n->list.p[i].forced)
            draft_apply_forced(&d, n->list.p[i].ev);
        else
            draft_apply(&d, &p->item[at++]);
    }
    for (size_t i = p->first_flight; i < p->n_item; i++)
        if (hg_sim_is_effect(p->item[i].ev) && p->item[i].ev->ino == ino)
            draft_apply(&d, &p->item[i]);
    draft_fill(p, &d);
    memset(d.data + d.size, 0, d.cap - d.size);
    free(d.known);
    struct sim_image *img = hg_sim_image_new();
    img->data = d.data;
    img->cap = d.cap;
    img->size = d.size;
    return img;
}

/* ---- directories --------------------------------------------------------------------------------- */

static int touches(const struct sim_event *ev, uint32_t dir, const char *name)
{
    for (int i = 0; i < 2; i++)
        if (ev->name[i] != NULL && ev->dir[i] == dir && strcmp(ev->name[i]->text, name) == 0)
            return 1;
    return 0;
}

static int same_entry(const struct sim_event *a, const struct sim_event *b)
{
    return (a->name[0] != NULL && touches(b, a->dir[0], a->name[0]->text)) ||
           (a->name[1] != NULL && touches(b, a->dir[1], a->name[1]->text));
}

/* Makes the chosen changes possible ones: with a journal no change without all before it; else no
 * change of an entry without the earlier changes of that entry (or rename could lose a file). */
static void close_changes(struct plan *p)
{
    int journal = p->sim->opts.dirs == HG_SIM_DIRS_JOURNAL;
    int cut = 0;
    for (size_t i = p->first_change; i < p->n_item; i++) {
        if (!hg_sim_is_change(p->item[i].ev))
            continue;
        if (journal && cut)
            p->item[i].data = DATA_NONE;
        cut = cut || p->item[i].data == DATA_NONE;
    }
    for (size_t i = p->n_item; !journal && i-- > p->first_change;) {
        if (!hg_sim_is_change(p->item[i].ev) || p->item[i].data == DATA_NONE)
            continue;
        for (size_t j = p->first_change; j < i; j++)
            if (hg_sim_is_change(p->item[j].ev) && same_entry(p->item[i].ev, p->item[j].ev))
                p->item[j].data = DATA_ALL;
    }
}

static size_t inode_count(const struct plan *p)
{
    size_t n = p->st->n_node;
    for (size_t i = p->first_change; i < p->n_item; i++)
        if (hg_sim_is_change(p->item[i].ev))
            n = HG_MAX(n, (size_t)p->item[i].ev->ino + 1);
    return n;
}

static void build_dirs(struct plan *p)
{
    size_t n = inode_count(p);
    p->dir = hg_sim_alloc(n, sizeof *p->dir);
    p->is_dir = hg_sim_alloc(n, sizeof *p->is_dir);
    p->new_ino = hg_sim_alloc(n, sizeof *p->new_ino);
    for (size_t i = 0; i < p->st->n_node; i++) {
        hg_sim_dir_copy(&p->dir[i], &p->st->node[i].dir);
        p->is_dir[i] = p->st->node[i].is_dir;
    }
    for (size_t i = p->first_change; i < p->n_item; i++) {
        const struct sim_event *ev = p->item[i].ev;
        if (!hg_sim_is_change(ev))
            continue;
        if (ev->type == SIM_EV_MKDIR)
            p->is_dir[ev->ino] = 1;
        if (p->item[i].data == DATA_NONE)
            continue;
        int adds = ev->type == SIM_EV_CREATE || ev->type == SIM_EV_MKDIR;
        hg_sim_dir_set(&p->dir[ev->dir[0]], ev->name[0], adds ? ev->ino : 0);
        if (ev->type == SIM_EV_RENAME)
            hg_sim_dir_set(&p->dir[ev->dir[1]], ev->name[1], ev->ino);
    }
}

/* Copies what hangs below old into the new machine's directory `to`. */
static void copy_tree(struct plan *p, uint32_t old, uint32_t to)
{
    for (size_t i = 0; i < p->dir[old].n; i++) {
        const struct sim_entry *e = &p->dir[old].e[i];
        uint32_t ino = p->new_ino[e->ino];
        if (ino == 0) {
            ino = hg_sim_node_new(p->after, p->is_dir[e->ino]);
            p->new_ino[e->ino] = ino;
            struct sim_node *n = hg_sim_node(p->after, ino);
            if (p->is_dir[e->ino]) {
                copy_tree(p, e->ino, ino);
            } else {
                hg_sim_image_unref(n->data);
                n->data = build_file(p, e->ino);
            }
            hg_sim_charge(p->after, n);
        }
        hg_sim_node(p->after, ino)->links++;
        hg_sim_dir_set(&hg_sim_node(p->after, to)->dir, e->name, ino);
    }
}

static void copy_stale(struct plan *p)
{
    for (size_t i = 0; i < p->sim->n_stale; i++) {
        struct hg_sim *to = p->after;
        if (p->sim->stale[i].step > p->step)
            break;
        to->stale = hg_sim_grow(to->stale, &to->cap_stale, to->n_stale + 1, sizeof *to->stale);
        to->stale[to->n_stale++] =
            (struct sim_stale){ .data = hg_sim_image_ref(p->sim->stale[i].data) };
    }
}

int hg_sim_crash(const struct hg_sim *sim, uint64_t step, enum hg_sim_strategy strategy,
                 uint64_t seed, struct hg_sim **out_after)
{
    struct hg_sim_options opts = sim->opts;
    struct plan p = { .sim = sim, .step = step };

    opts.fault_at = 0;
    opts.fault_kind = HG_SIM_FAULT_NONE;
    opts.seed = sim->opts.seed ^ (step * 0x9e3779b97f4a7c15ull) ^ (seed << 8) ^ (uint64_t)strategy;
    p.rng = opts.seed;
    int rc = hg_sim_create(&opts, &p.after);
    if (rc < 0)
        return rc;
    p.st = hg_sim_state_at(sim, step);
    collect_items(&p);
    choose_by_strategy(&p, strategy, seed);
    close_changes(&p);
    build_dirs(&p);
    p.new_ino[1] = 1;
    copy_tree(&p, 1, 1);
    copy_stale(&p);
    p.after->wall_base_ns = sim->wall_base_ns + sim->now_ns;

    for (size_t i = 0; i < inode_count(&p); i++)
        hg_sim_dir_release(&p.dir[i]);
    free(p.dir);
    free(p.is_dir);
    free(p.new_ino);
    free(p.first);
    free(p.item);
    *out_after = p.after;
    return HOLOG_OK;
}

unsigned hg_sim_pending(const struct hg_sim *sim, uint64_t step)
{
    return (unsigned)pending_count(hg_sim_state_at(sim, step));
}
