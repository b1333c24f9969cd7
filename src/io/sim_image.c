/*
 * Bytes of files and names of entries: reference counted, copied when written to.
 */
#include <stdlib.h>
#include <string.h>

#include "io/sim_int.h"

void *hg_sim_alloc(size_t count, size_t size)
{
    void *p = calloc(HG_MAX(count, (size_t)1), HG_MAX(size, (size_t)1));
    HG_ASSERT(p != NULL); /* the test machine is out of memory: no result of this test counts */
    return p;
}

void *hg_sim_grow(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return array;
    size_t more = HG_MAX(need, HG_MAX(*cap * 2, (size_t)8));
    void *p = realloc(array, more * size);
    HG_ASSERT(p != NULL);
    *cap = more;
    return p;
}

uint64_t hg_sim_next(uint64_t *rng)
{
    uint64_t z = (*rng += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* ---- images ------------------------------------------------------------------------------------ */

struct sim_image *hg_sim_image_new(void)
{
    struct sim_image *img = hg_sim_alloc(1, sizeof *img);
    img->refs = 1;
    return img;
}

struct sim_image *hg_sim_image_ref(struct sim_image *img)
{
    img->refs++;
    return img;
}

void hg_sim_image_unref(struct sim_image *img)
{
    if (img == NULL || --img->refs != 0)
        return;
    free(img->data);
    free(img->known);
    free(img);
}

static size_t sector_count(uint64_t bytes)
{
    return (size_t)((bytes + SIM_SECTOR - 1) / SIM_SECTOR);
}

/* A private copy with room for cap bytes. */
static struct sim_image *image_copy(const struct sim_image *img, uint64_t cap)
{
    struct sim_image *copy = hg_sim_image_new();
    copy->size = img->size;
    copy->cap = HG_ALIGN_UP(HG_MAX(cap, img->size), (uint64_t)HG_IO_BLOCK);
    if (copy->cap != 0)
        copy->data = hg_sim_alloc(1, copy->cap);
    if (copy->data != NULL && img->data != NULL)
        memcpy(copy->data, img->data, img->size);
    if (img->known != NULL) {
        copy->known = hg_sim_alloc(1, sector_count(copy->cap));
        memset(copy->known, 1, sector_count(copy->cap));
        memcpy(copy->known, img->known, sector_count(img->size));
    }
    return copy;
}

struct sim_image *hg_sim_image_own(struct sim_image **slot)
{
    if ((*slot)->refs > 1) {
        struct sim_image *copy = image_copy(*slot, (*slot)->cap); /* the room too */
        hg_sim_image_unref(*slot);
        *slot = copy;
    }
    return *slot;
}

static struct sim_image *own_with_room(struct sim_image **slot, uint64_t need)
{
    if (need <= (*slot)->cap)
        return hg_sim_image_own(slot);
    uint64_t cap = HG_MAX(need, (*slot)->cap + (*slot)->cap / 2);
    struct sim_image *copy = image_copy(*slot, cap);
    hg_sim_image_unref(*slot);
    *slot = copy;
    return copy;
}

/* Sectors wholly inside the gap between the old end and off; the caller writes from off on. */
static void forget_gap(struct sim_image *img, uint64_t off)
{
    size_t from = sector_count(img->size);
    size_t to = (size_t)(off / SIM_SECTOR);
    if (from >= to)
        return;
    if (img->known == NULL) {
        img->known = hg_sim_alloc(1, sector_count(img->cap));
        memset(img->known, 1, sector_count(img->cap));
    }
    memset(img->known + from, 0, to - from);
}

void hg_sim_image_write(struct sim_image **slot, uint64_t off, const uint8_t *data, uint64_t len,
                        int gap_unknown)
{
    if (len == 0)
        return;
    struct sim_image *img = own_with_room(slot, off + len);
    if (gap_unknown && off > img->size)
        forget_gap(img, off);
    if (img->known != NULL)
        memset(img->known + off / SIM_SECTOR, 1,
               sector_count(off + len) - (size_t)(off / SIM_SECTOR));
    HG_ASSERT(img->data != NULL);
    memcpy(img->data + off, data, len);
    img->size = HG_MAX(img->size, off + len);
}

void hg_sim_image_resize(struct sim_image **slot, uint64_t size)
{
    if (size == (*slot)->size)
        return;
    struct sim_image *img = own_with_room(slot, size);
    if (size < img->size) {
        HG_ASSERT(img->data != NULL);
        memset(img->data + size, 0, img->size - size);
        if (img->known != NULL) {
            size_t from = sector_count(size);
            memset(img->known + from, 1, sector_count(img->cap) - from);
        }
    }
    img->size = size;
}

void hg_sim_image_all_known(struct sim_image *img)
{
    free(img->known);
    img->known = NULL;
}

/* ---- names ------------------------------------------------------------------------------------- */

struct sim_name *hg_sim_name_new(const char *text, size_t len)
{
    struct sim_name *name = hg_sim_alloc(1, sizeof *name + len + 1);
    name->refs = 1;
    memcpy(name->text, text, len);
    return name;
}

void hg_sim_name_unref(struct sim_name *name)
{
    if (name != NULL && --name->refs == 0)
        free(name);
}

static struct sim_entry *find_entry(const struct sim_dir *d, const char *text, size_t len)
{
    for (size_t i = 0; i < d->n; i++)
        if (strncmp(d->e[i].name->text, text, len) == 0 && d->e[i].name->text[len] == '\0')
            return &d->e[i];
    return NULL;
}

uint32_t hg_sim_dir_find(const struct sim_dir *d, const char *text, size_t len)
{
    const struct sim_entry *e = find_entry(d, text, len);
    return e != NULL ? e->ino : 0;
}

void hg_sim_dir_set(struct sim_dir *d, struct sim_name *name, uint32_t ino)
{
    struct sim_entry *e = find_entry(d, name->text, strlen(name->text));
    if (e != NULL && ino != 0) {
        e->ino = ino;
    } else if (e != NULL) {
        hg_sim_name_unref(e->name);
        *e = d->e[--d->n];
    } else if (ino != 0) {
        d->e = hg_sim_grow(d->e, &d->cap, d->n + 1, sizeof *d->e);
        name->refs++;
        d->e[d->n++] = (struct sim_entry){ .name = name, .ino = ino };
    }
}

void hg_sim_dir_copy(struct sim_dir *to, const struct sim_dir *from)
{
    *to = (struct sim_dir){ 0 };
    if (from->n == 0)
        return;
    to->e = hg_sim_grow(NULL, &to->cap, from->n, sizeof *to->e);
    to->n = from->n;
    memcpy(to->e, from->e, from->n * sizeof *to->e);
    for (size_t i = 0; i < to->n; i++)
        to->e[i].name->refs++;
}

void hg_sim_dir_release(struct sim_dir *d)
{
    for (size_t i = 0; i < d->n; i++)
        hg_sim_name_unref(d->e[i].name);
    free(d->e);
    *d = (struct sim_dir){ 0 };
}

void hg_sim_event_free(struct sim_event *ev)
{
    hg_sim_name_unref(ev->name[0]);
    hg_sim_name_unref(ev->name[1]);
    free(ev);
}
