/*
 * Tables and footer of a compressed segment; see hwp_format.h.
 *
 *  footer                                   entry of the groups           entry of the values
 *     0    8 magic 'HOLOGHWP'                  0  8 offset                   0  8 birth
 *     8    4 version, 1                        8  8 raw bytes                8  8 length
 *    12    4 segment id                       16  8 hash of the heads       16  8 base, or the same
 *    16    8 epoch                            24  4 length of the heads     24  8 sum
 *    24   16 uuid                             28  4 tiles                   32  4 first group
 *    40    8 salt                             32 32 lengths of 8 slots      36  4 groups
 *    48    8 features, must understand        64  1 slots                   40  1 csum
 *    56    4 profile                          65  1 kind                    41  1 flags
 *    60    4 zero                             66  6 zero                    42  1 element
 *    64    8 raw bytes                                                      43  1 rank
 *    72    8 stored bytes                   of the pages                    44  4 zero
 *    80    8 size of the file                  0  4 segment                 48 32 four axes
 *    88  160 four tables: offset 8,            4  4 page
 *            length 8, entries 8, hash 16      8  4 group                 of the sources
 *   248   16 hash of the tables' hashes       12  4 offset                   0  4 id
 *   264 3816 zero                             16  4 length                   4  4 kind
 *  4080   16 XXH3-128 of bytes 0..4079                                       8  8 epoch
 */
#include "compaction/hwp_format.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "compaction/hwp_tiles.h"
#include "wal/layout.h"
#include "wal/segment.h"

#define FOOTER_MAGIC   "HOLOGHWP"
#define FOOTER_TABLES  88u
#define FOOTER_TABLE   40u
#define FOOTER_ROOT    248u
#define FOOTER_USED    264u
#define FOOTER_HASH_AT 4080u

static_assert(FOOTER_TABLES + FOOTER_TABLE * HG_HWP_TABLES == FOOTER_ROOT, "format v1");
static_assert(FOOTER_HASH_AT + 16 == HG_HWP_FOOTER_SIZE, "format v1");
static_assert(48 + 8 * HG_HWP_RANK == HG_HWP_VALUE_SIZE, "format v1");
static_assert(32 + 4 * HG_HWP_SLOTS + 8 == HG_HWP_GROUP_SIZE, "format v1");

static void put_hash(uint8_t *out, struct hg_hash128 h)
{
    hg_put_le64(out, h.lo);
    hg_put_le64(out + 8, h.hi);
}

static struct hg_hash128 get_hash(const uint8_t *in)
{
    return (struct hg_hash128){ hg_get_le64(in), hg_get_le64(in + 8) };
}

static int is_hash(struct hg_hash128 stored, struct hg_hash128 computed)
{
    return hg_hash_matches(stored.lo, computed.lo) && hg_hash_matches(stored.hi, computed.hi);
}

size_t hg_hwp_entry_size(enum hg_hwp_table t)
{
    static const size_t size[HG_HWP_TABLES] = { HG_HWP_GROUP_SIZE, HG_HWP_VALUE_SIZE,
                                                HG_HWP_PAGE_SIZE, HG_HWP_SOURCE_SIZE };
    return size[t];
}

/* ---- footer --------------------------------------------------------------------------------------*/

static struct hg_hash128 root_of(const struct hg_hwp_footer *f)
{
    uint8_t hashes[16 * HG_HWP_TABLES];

    for (unsigned i = 0; i < HG_HWP_TABLES; i++)
        put_hash(hashes + (size_t)16 * i, f->table[i].hash);
    return hg_hash128(hashes, sizeof hashes);
}

/* What encode asserts and decode checks: NULL, or what is wrong and where. */
static const char *footer_fault(const struct hg_hwp_footer *f, uint32_t *out_at)
{
    uint64_t end = f->size - HG_HWP_FOOTER_SIZE;
    uint64_t at = f->table[0].offset;

    *out_at = 80;
    if (f->size < HG_HWP_SEGMENT_MIN || f->size % HG_BLOCK != 0 || f->size > HG_HWP_SEGMENT_MAX)
        return "the size of the file is out of range";
    *out_at = 56;
    if (f->profile >= HG_HWP_PROFILES)
        return "the profile is unknown";
    *out_at = 72;
    if (at < HG_SEGMENT_HEADER_SIZE || at > end || f->stored != at - HG_SEGMENT_HEADER_SIZE)
        return "the groups do not reach from the header to the first table";
    for (unsigned i = 0; i < HG_HWP_TABLES; i++) {
        const struct hg_hwp_extent *t = &f->table[i];
        *out_at = FOOTER_TABLES + FOOTER_TABLE * i;
        if (t->offset != at || t->len > end - at || t->count > UINT32_MAX ||
            t->len != t->count * hg_hwp_entry_size((enum hg_hwp_table)i))
            return "the tables do not lie one behind the other";
        at += t->len;
    }
    return end - at < HG_BLOCK ? NULL : "the tables do not reach up to the footer";
}

void hg_hwp_footer_encode(const struct hg_hwp_footer *f, uint8_t out[HG_HWP_FOOTER_SIZE])
{
    uint32_t at = 0;

    HG_ASSERT(footer_fault(f, &at) == NULL);
    memset(out, 0, HG_HWP_FOOTER_SIZE);
    memcpy(out + 0, FOOTER_MAGIC, 8);
    hg_put_le32(out + 8, HG_HWP_VERSION);
    hg_put_le32(out + 12, f->id);
    hg_put_le64(out + 16, f->epoch);
    memcpy(out + 24, f->uuid, 16);
    hg_put_le64(out + 40, f->salt);
    hg_put_le32(out + 56, f->profile);
    hg_put_le64(out + 64, f->raw);
    hg_put_le64(out + 72, f->stored);
    hg_put_le64(out + 80, f->size);
    for (unsigned i = 0; i < HG_HWP_TABLES; i++) {
        uint8_t *to = out + FOOTER_TABLES + (size_t)FOOTER_TABLE * i;
        hg_put_le64(to, f->table[i].offset);
        hg_put_le64(to + 8, f->table[i].len);
        hg_put_le64(to + 16, f->table[i].count);
        put_hash(to + 24, f->table[i].hash);
    }
    put_hash(out + FOOTER_ROOT, root_of(f));
    put_hash(out + FOOTER_HASH_AT, hg_hash128(out, FOOTER_HASH_AT));
}

static void read_footer(const uint8_t *in, struct hg_hwp_footer *f)
{
    f->id = hg_get_le32(in + 12);
    f->epoch = hg_get_le64(in + 16);
    memcpy(f->uuid, in + 24, 16);
    f->salt = hg_get_le64(in + 40);
    f->profile = hg_get_le32(in + 56);
    f->raw = hg_get_le64(in + 64);
    f->stored = hg_get_le64(in + 72);
    f->size = hg_get_le64(in + 80);
    for (unsigned i = 0; i < HG_HWP_TABLES; i++) {
        const uint8_t *from = in + FOOTER_TABLES + (size_t)FOOTER_TABLE * i;
        f->table[i] = (struct hg_hwp_extent){ hg_get_le64(from), hg_get_le64(from + 8),
                                              hg_get_le64(from + 16), get_hash(from + 24) };
    }
    f->root = get_hash(in + FOOTER_ROOT);
}

static int understand(const uint8_t *in, uint32_t id)
{
    uint32_t version = hg_get_le32(in + 8);
    uint64_t features = hg_get_le64(in + 48);

    if (version != HG_HWP_VERSION)
        return hg_error(HOLOG_E_VERSION,
                        "compressed segment %08x has version %u; this holog reads %u" HG_USE_NEWER,
                        (unsigned)id, (unsigned)version, HG_HWP_VERSION);
    if (features != 0)
        return hg_error(
            HOLOG_E_VERSION,
            "compressed segment %08x needs features 0x%llx that this holog lacks" HG_USE_NEWER,
            (unsigned)id, (unsigned long long)features);
    return HOLOG_OK;
}

int hg_hwp_footer_decode(const uint8_t in[HG_HWP_FOOTER_SIZE], uint32_t id, uint64_t size,
                         struct hg_hwp_footer *out)
{
    uint64_t begin = size - HG_HWP_FOOTER_SIZE;
    struct hg_hwp_footer f;
    const char *fault;
    uint32_t at = 0;
    int rc;

    if (memcmp(in, FOOTER_MAGIC, 8) != 0)
        return hg_corrupt(id, begin, "no footer ends the compressed segment: its magic is wrong");
    if (!is_hash(get_hash(in + FOOTER_HASH_AT), hg_hash128(in, FOOTER_HASH_AT)))
        return hg_corrupt(id, begin + FOOTER_HASH_AT, "the footer's hash is wrong");
    rc = understand(in, id);
    if (rc < 0)
        return rc;
    read_footer(in, &f);
    if (f.id != id)
        return hg_corrupt(id, begin + 12, "the footer belongs to segment %08x", (unsigned)f.id);
    if (f.size != size)
        return hg_corrupt(id, begin + 80, "the file has %llu bytes, its footer says %llu",
                          (unsigned long long)size, (unsigned long long)f.size);
    if (hg_get_le32(in + 60) != 0 ||
        !hg_layout_zero(in + FOOTER_USED, FOOTER_HASH_AT - FOOTER_USED))
        return hg_corrupt(id, begin + FOOTER_USED, "reserved bytes are not zero");
    fault = footer_fault(&f, &at);
    if (fault != NULL)
        return hg_corrupt(id, begin + at, "%s", fault);
    if (!is_hash(f.root, root_of(&f)))
        return hg_corrupt(id, begin + FOOTER_ROOT, "the hash of the tables' hashes is wrong");
    *out = f;
    return HOLOG_OK;
}

/* ---- entries -------------------------------------------------------------------------------------*/

uint64_t hg_hwp_group_stored(const struct hg_hwp_group *g)
{
    uint64_t sum = g->heads_len;

    for (unsigned i = 0; i < g->slots; i++)
        sum += g->slot[i];
    return sum;
}

void hg_hwp_group_encode(const struct hg_hwp_group *g, uint8_t out[HG_HWP_GROUP_SIZE])
{
    memset(out, 0, HG_HWP_GROUP_SIZE);
    hg_put_le64(out, g->offset);
    hg_put_le64(out + 8, g->raw);
    hg_put_le64(out + 16, g->heads_hash);
    hg_put_le32(out + 24, g->heads_len);
    hg_put_le32(out + 28, g->tiles);
    for (unsigned i = 0; i < g->slots; i++)
        hg_put_le32(out + 32 + (size_t)4 * i, g->slot[i]);
    out[64] = g->slots;
    out[65] = g->kind;
}

static int group_decode(const uint8_t *in, struct hg_hwp_group *g)
{
    *g = (struct hg_hwp_group){ .offset = hg_get_le64(in),
                                .raw = hg_get_le64(in + 8),
                                .heads_hash = hg_get_le64(in + 16),
                                .heads_len = hg_get_le32(in + 24),
                                .tiles = hg_get_le32(in + 28),
                                .slots = in[64],
                                .kind = in[65] };
    if (g->slots < 1 || g->slots > HG_HWP_SLOTS || g->kind > HG_HWP_POOL ||
        !hg_layout_zero(in + 66, 6))
        return -1;
    for (unsigned i = 0; i < HG_HWP_SLOTS; i++)
        g->slot[i] = hg_get_le32(in + 32 + (size_t)4 * i);
    for (unsigned i = g->slots; i < HG_HWP_SLOTS; i++)
        if (g->slot[i] != 0)
            return -1;
    if (g->tiles < 1 || g->heads_len / HG_COLD_HEAD_MIN < g->tiles ||
        g->heads_len > (uint64_t)g->tiles * HG_COLD_HEAD_MAX)
        return -1;
    if (g->kind == HG_HWP_POOL && (g->tiles != 1 || g->raw < 1 || g->raw > HG_HWP_POOL_RAW))
        return -1;
    return 0;
}

void hg_hwp_value_encode(const struct hg_hwp_value *v, uint8_t out[HG_HWP_VALUE_SIZE])
{
    memset(out, 0, HG_HWP_VALUE_SIZE);
    hg_put_le64(out, v->birth);
    hg_put_le64(out + 8, v->len);
    hg_put_le64(out + 16, v->other);
    hg_put_le64(out + 24, v->sum);
    hg_put_le32(out + 32, v->group);
    hg_put_le32(out + 36, v->groups);
    out[40] = v->csum;
    out[41] = v->flags;
    out[42] = (uint8_t)(v->shape.size | v->shape.kind << 4);
    out[43] = v->shape.rank;
    for (unsigned i = 0; i < v->shape.rank; i++)
        hg_put_le64(out + 48 + (size_t)8 * i, v->shape.n[i]);
}

static int is_bytes(const struct hg_hwp_value *v)
{
    return v->shape.size == 1 && v->shape.kind == HG_ELEMENT_UNSIGNED && v->shape.rank == 1 &&
           v->shape.n[0] == v->len;
}

static int value_decode(const uint8_t *in, struct hg_hwp_value *v)
{
    *v = (struct hg_hwp_value){ .birth = hg_get_le64(in),
                                .len = hg_get_le64(in + 8),
                                .other = hg_get_le64(in + 16),
                                .sum = hg_get_le64(in + 24),
                                .group = hg_get_le32(in + 32),
                                .groups = hg_get_le32(in + 36),
                                .csum = in[40],
                                .flags = in[41],
                                .shape = {
                                    .size = in[42] & 15, .kind = in[42] >> 4, .rank = in[43] } };
    if ((v->flags & ~HG_HWP_VALUE_FLAGS) != 0 || v->shape.rank > HG_HWP_RANK ||
        v->csum >= HG_CSUM_MOD || v->birth == 0 || v->len > HG_NUMBER_MAX ||
        hg_get_le32(in + 44) != 0)
        return -1;
    for (unsigned i = 0; i < v->shape.rank; i++)
        v->shape.n[i] = hg_get_le64(in + 48 + (size_t)8 * i);
    if (!hg_layout_zero(in + 48 + (size_t)8 * v->shape.rank,
                        (size_t)8 * (HG_HWP_RANK - v->shape.rank)))
        return -1;
    if ((v->flags & HG_HWP_ARRAY) == 0 ? !is_bytes(v) : hg_hwp_shape_bytes(&v->shape) != v->len)
        return -1;
    if ((v->flags & HG_HWP_ARRAY) && v->len == 0)
        return -1;
    if (((v->flags & (HG_HWP_SAME | HG_HWP_DIFFERENCE)) != 0) != (v->other != 0) ||
        (v->flags & (HG_HWP_SAME | HG_HWP_DIFFERENCE)) == (HG_HWP_SAME | HG_HWP_DIFFERENCE) ||
        v->other == v->birth)
        return -1;
    return 0;
}

void hg_hwp_page_encode(const struct hg_hwp_page *p, uint8_t out[HG_HWP_PAGE_SIZE])
{
    hg_put_le32(out, p->segment);
    hg_put_le32(out + 4, p->page);
    hg_put_le32(out + 8, p->group);
    hg_put_le32(out + 12, p->offset);
    hg_put_le32(out + 16, p->len);
}

static void page_decode(const uint8_t *in, struct hg_hwp_page *p)
{
    *p = (struct hg_hwp_page){ hg_get_le32(in), hg_get_le32(in + 4), hg_get_le32(in + 8),
                               hg_get_le32(in + 12), hg_get_le32(in + 16) };
}

void hg_hwp_source_encode(const struct hg_hwp_source *s, uint8_t out[HG_HWP_SOURCE_SIZE])
{
    hg_put_le32(out, s->id);
    hg_put_le32(out + 4, s->kind);
    hg_put_le64(out + 8, s->epoch);
}

/* ---- tables --------------------------------------------------------------------------------------*/

struct decoding {
    const struct hg_hwp_footer *f;
    const uint8_t *in;
    struct hg_hwp_tables *t;
    uint8_t *owned; /* for each group: 1 when it is somebody's */
};

static const uint8_t *table_at(const struct decoding *d, enum hg_hwp_table t)
{
    return d->in + (d->f->table[t].offset - d->f->table[0].offset);
}

static int damaged(const struct decoding *d, enum hg_hwp_table t, size_t i, const char *why)
{
    return hg_corrupt(d->f->id, d->f->table[t].offset + i * hg_hwp_entry_size(t), "%s", why);
}

static int check_hashes(const struct decoding *d)
{
    const struct hg_hwp_extent *last = &d->f->table[HG_HWP_TABLES - 1];
    uint64_t end = last->offset + last->len;

    for (unsigned i = 0; i < HG_HWP_TABLES; i++)
        if (!is_hash(d->f->table[i].hash,
                     hg_hash128(table_at(d, (enum hg_hwp_table)i), d->f->table[i].len)))
            return damaged(d, (enum hg_hwp_table)i, 0, "the hash of a table is wrong");
    if (!hg_layout_zero(d->in + (end - d->f->table[0].offset),
                        d->f->size - HG_HWP_FOOTER_SIZE - end))
        return hg_corrupt(d->f->id, end, "bytes between the tables and the footer are not zero");
    return HOLOG_OK;
}

static int make_room(struct decoding *d)
{
    struct hg_hwp_tables *t = d->t;

    for (unsigned i = 0; i < HG_HWP_TABLES; i++)
        t->count[i] = d->f->table[i].count;
    t->group = hg_calloc(t->count[HG_HWP_GROUPS] + 1, sizeof *t->group);
    t->value = hg_calloc(t->count[HG_HWP_VALUES] + 1, sizeof *t->value);
    t->page = hg_calloc(t->count[HG_HWP_PAGES] + 1, sizeof *t->page);
    t->source = hg_calloc(t->count[HG_HWP_SOURCES] + 1, sizeof *t->source);
    d->owned = hg_calloc(t->count[HG_HWP_GROUPS] + 1, 1);
    if (t->group == NULL || t->value == NULL || t->page == NULL || t->source == NULL ||
        d->owned == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for the tables of segment %08x",
                        (unsigned)d->f->id);
    return HOLOG_OK;
}

static int decode_groups(const struct decoding *d)
{
    uint64_t at = HG_SEGMENT_HEADER_SIZE;
    uint64_t raw = 0;

    for (size_t i = 0; i < d->t->count[HG_HWP_GROUPS]; i++) {
        struct hg_hwp_group *g = &d->t->group[i];
        if (group_decode(table_at(d, HG_HWP_GROUPS) + i * HG_HWP_GROUP_SIZE, g) < 0)
            return damaged(d, HG_HWP_GROUPS, i, "a group that cannot be");
        if (g->offset != at || hg_hwp_group_stored(g) > d->f->table[0].offset - at ||
            g->raw > HG_NUMBER_MAX)
            return damaged(d, HG_HWP_GROUPS, i, "a group is not where the one before ends");
        at += hg_hwp_group_stored(g);
        raw += g->raw;
    }
    if (at != d->f->table[0].offset || raw != d->f->raw)
        return damaged(d, HG_HWP_GROUPS, 0, "the groups do not fill the file");
    return HOLOG_OK;
}

/* The groups of a value are what its shape makes, and nobody else's. */
static int check_groups(const struct decoding *d, const struct hg_hwp_value *v)
{
    struct hg_hwp_tiling t;

    hg_hwp_tile(&v->shape, &t);
    if (v->flags & HG_HWP_SAME)
        return v->groups == 0 && v->group == 0;
    if (t.groups != v->groups || v->group > d->t->count[HG_HWP_GROUPS] ||
        v->groups > d->t->count[HG_HWP_GROUPS] - v->group)
        return 0;
    for (uint32_t i = 0; i < v->groups; i++) {
        const struct hg_hwp_group *g = &d->t->group[v->group + i];
        uint64_t first = t.per_group * i;
        uint64_t tiles = HG_MIN(t.per_group, t.tiles - first);
        if (g->kind != HG_HWP_TILES || d->owned[v->group + i]++ != 0 || g->tiles != tiles ||
            g->raw != hg_hwp_tiles_bytes(&t, first, tiles))
            return 0;
    }
    return 1;
}

/* One hop is all there is. */
static int check_other(const struct decoding *d, const struct hg_hwp_value *v)
{
    const struct hg_hwp_value *o = hg_hwp_tables_find(d->t, v->other);

    if (v->other == 0)
        return 1;
    if (v->flags & HG_HWP_SAME)
        return o != NULL && !(o->flags & HG_HWP_SAME) && o->len == v->len && o->sum == v->sum &&
               o->csum == v->csum && hg_hwp_is_alike(&o->shape, &v->shape);
    return o == NULL || (o->other == 0 && hg_hwp_is_alike(&o->shape, &v->shape));
}

static int decode_values(const struct decoding *d)
{
    size_t n = d->t->count[HG_HWP_VALUES];
    struct hg_hwp_value *v = d->t->value;

    for (size_t i = 0; i < n; i++) {
        if (value_decode(table_at(d, HG_HWP_VALUES) + i * HG_HWP_VALUE_SIZE, &v[i]) < 0)
            return damaged(d, HG_HWP_VALUES, i, "a value that cannot be");
        if (i > 0 && v[i].birth <= v[i - 1].birth)
            return damaged(d, HG_HWP_VALUES, i, "values are not in the order of their births");
        if (!check_groups(d, &v[i]))
            return damaged(d, HG_HWP_VALUES, i, "a value has not the groups that its shape makes");
    }
    for (size_t i = 0; i < n; i++)
        if (!check_other(d, &v[i]))
            return damaged(d, HG_HWP_VALUES, i, "a value refers to one that cannot be its base");
    return HOLOG_OK;
}

/* The pages of a pool fill it, one behind the other, and stand together in the table. */
static int decode_pages(const struct decoding *d)
{
    size_t groups = d->t->count[HG_HWP_GROUPS];
    uint64_t end = 0; /* of the page before */

    for (size_t i = 0; i < d->t->count[HG_HWP_PAGES]; i++) {
        struct hg_hwp_page *p = &d->t->page[i];
        int is_first;
        page_decode(table_at(d, HG_HWP_PAGES) + i * HG_HWP_PAGE_SIZE, p);
        is_first = i == 0 || p->group != p[-1].group;
        if (i > 0 &&
            (p->segment < p[-1].segment || (p->segment == p[-1].segment && p->page <= p[-1].page)))
            return damaged(d, HG_HWP_PAGES, i, "pages are not in order");
        if (p->segment == 0 || p->page > UINT32_MAX / HG_HWP_PAGE || p->group >= groups ||
            d->t->group[p->group].kind != HG_HWP_POOL)
            return damaged(d, HG_HWP_PAGES, i, "a page that cannot be");
        if (is_first &&
            (d->owned[p->group]++ != 0 || (i > 0 && end != d->t->group[p[-1].group].raw)))
            return damaged(d, HG_HWP_PAGES, i, "the pages of a pool do not fill it");
        if (is_first)
            end = 0;
        if (p->offset != end || p->len == 0 || p->len > d->t->group[p->group].raw - end)
            return damaged(d, HG_HWP_PAGES, i, "a page does not lie in its pool");
        end += p->len;
    }
    if (d->t->count[HG_HWP_PAGES] > 0 &&
        end != d->t->group[d->t->page[d->t->count[HG_HWP_PAGES] - 1].group].raw)
        return damaged(d, HG_HWP_PAGES, 0, "the pages of the last pool do not fill it");
    for (size_t i = 0; i < groups; i++)
        if (!d->owned[i])
            return damaged(d, HG_HWP_GROUPS, i, "a group belongs to nobody");
    return HOLOG_OK;
}

static int decode_sources(const struct decoding *d)
{
    for (size_t i = 0; i < d->t->count[HG_HWP_SOURCES]; i++) {
        const uint8_t *in = table_at(d, HG_HWP_SOURCES) + i * HG_HWP_SOURCE_SIZE;
        struct hg_hwp_source *s = &d->t->source[i];
        *s = (struct hg_hwp_source){ hg_get_le32(in), hg_get_le32(in + 4), hg_get_le64(in + 8) };
        if (s->id == 0 || (i > 0 && s->id <= s[-1].id) || s->kind < HG_KIND_FRAMES ||
            s->kind > HG_KIND_HWP)
            return damaged(d, HG_HWP_SOURCES, i, "a source that cannot be, or out of order");
    }
    return HOLOG_OK;
}

int hg_hwp_tables_decode(const struct hg_hwp_footer *f, const uint8_t *in,
                         struct hg_hwp_tables *out)
{
    struct hg_hwp_tables t = { 0 };
    struct decoding d = { f, in, &t, NULL };
    int rc = check_hashes(&d);

    if (rc == HOLOG_OK)
        rc = make_room(&d);
    if (rc == HOLOG_OK)
        rc = decode_groups(&d);
    if (rc == HOLOG_OK)
        rc = decode_values(&d);
    if (rc == HOLOG_OK)
        rc = decode_pages(&d);
    if (rc == HOLOG_OK)
        rc = decode_sources(&d);
    hg_free(d.owned);
    if (rc == HOLOG_OK)
        *out = t;
    else
        hg_hwp_tables_release(&t);
    return rc;
}

void hg_hwp_tables_release(struct hg_hwp_tables *t)
{
    hg_free(t->group);
    hg_free(t->value);
    hg_free(t->page);
    hg_free(t->source);
    *t = (struct hg_hwp_tables){ 0 };
}

const struct hg_hwp_value *hg_hwp_tables_find(const struct hg_hwp_tables *t, uint64_t birth)
{
    size_t lo = 0;
    size_t end = t->count[HG_HWP_VALUES];

    while (lo < end) {
        size_t mid = lo + (end - lo) / 2;
        if (t->value[mid].birth < birth)
            lo = mid + 1;
        else
            end = mid;
    }
    return lo < t->count[HG_HWP_VALUES] && t->value[lo].birth == birth ? &t->value[lo] : NULL;
}
