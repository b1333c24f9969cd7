/*
 * dump_hwp.c: prints a compressed segment: header, counts, groups, values and how they are coded, pages, sources; then
 * decodes all of it, and says what does not verify.
 */
#include "inspect/dump_hwp.h"

#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "compaction/hwp.h"

#define CODED_MAX 200 /* bytes of a list of filters and codecs */
#define SHAPE_MAX 100

struct packed {
    struct dump *d;
    FILE *f;
    struct hg_hwp *h;
};

/* How many tiles are coded in which way. */
struct coded {
    uint32_t tiles[16][16]; /* by filter and codec */
    uint32_t others;        /* of a later version */
    uint32_t damaged;       /* groups whose heads cannot be read; verifying says why */
    uint32_t differences;
    uint32_t lifted; /* that have a preview */
};

static int read_file_at(void *ctx, void *buf, size_t len, uint64_t offset, size_t *out_n)
{
    const struct packed *p = ctx;

    if (offset > INT64_MAX || fseeko(p->f, (int64_t)offset, SEEK_SET) != 0)
        return hg_error(HOLOG_E_IO, "the file cannot be read at %llu", (unsigned long long)offset);
    *out_n = fread(buf, 1, len, p->f);
    if (*out_n < len && ferror(p->f))
        return hg_error(HOLOG_E_IO, "the file cannot be read at %llu", (unsigned long long)offset);
    return HOLOG_OK;
}

/* ---- how tiles are coded -------------------------------------------------------------------------*/

static int count_head(void *ctx, const struct hg_cold_head *head)
{
    struct coded *c = ctx;

    if (head->filter >= HG_FILTERS || head->codec >= HG_CODECS) {
        c->others++;
        return 0;
    }
    c->tiles[head->filter][head->codec]++;
    c->differences += (head->flags & HG_COLD_AIDED) != 0;
    c->lifted += (head->flags & HG_COLD_MEANS) != 0;
    return 0;
}

static void count_groups(const struct packed *p, uint32_t first, uint32_t groups, struct coded *c)
{
    *c = (struct coded){ .others = 0 };
    for (uint32_t i = 0; i < groups; i++)
        if (hg_hwp_each_head(p->h, first + i, count_head, c) < 0)
            c->damaged++;
}

/* "lift26+literals 62, none+const 2" */
static const char *coded_text(const struct coded *c, char out[CODED_MAX])
{
    size_t at = 0;

    out[0] = '\0';
    for (unsigned f = 0; f < HG_FILTERS; f++)
        for (unsigned k = 0; k < HG_CODECS; k++)
            if (c->tiles[f][k] > 0 && at < CODED_MAX)
                at +=
                    (size_t)snprintf(out + at, CODED_MAX - at, "%s%s+%s %u", at > 0 ? ", " : "",
                                     hg_filter_name(f), hg_codec_name(k), (unsigned)c->tiles[f][k]);
    if (c->others > 0 && at < CODED_MAX)
        at += (size_t)snprintf(out + at, CODED_MAX - at, "%sof a later version %u",
                               at > 0 ? ", " : "", (unsigned)c->others);
    if (c->damaged > 0 && at < CODED_MAX)
        (void)snprintf(out + at, CODED_MAX - at, "%sdamaged groups %u", at > 0 ? ", " : "",
                       (unsigned)c->damaged);
    return out;
}

static double ratio(uint64_t raw, uint64_t stored)
{
    return stored == 0 ? 0 : (double)raw / (double)stored;
}

/* There is no document when it is text. */
static void attach(json_object *doc, const char *name, json_object *value)
{
    if (doc != NULL)
        json_add(doc, name, value);
}

/* ---- sections ------------------------------------------------------------------------------------*/

static void show_header(const struct packed *p, json_object *doc)
{
    const struct hg_segment_header *h = hg_hwp_header(p->h);
    json_object *o = section_begin(p->d, "header");

    fact(o, "segment", h->id);
    fact(o, "kind", h->kind);
    fact_uuid(o, h->uuid);
    fact_hex(o, "salt", h->salt);
    fact_hex(o, "epoch", h->epoch);
    fact(o, "capacity", h->capacity);
    fact_time(o, "created", h->created_ns);
    attach(doc, "header", o);
}

static void show_footer(const struct packed *p, json_object *doc)
{
    static const char *const profiles[HG_HWP_PROFILES] = { "fast", "default", "archive" };
    const struct hg_hwp_footer *f = hg_hwp_footer(p->h);
    const struct hg_hwp_tables *t = hg_hwp_tables(p->h);
    json_object *o = section_begin(p->d, "footer");
    char text[32];

    fact_text(o, "profile", profiles[f->profile]);
    fact(o, "groups", t->count[HG_HWP_GROUPS]);
    fact(o, "values", t->count[HG_HWP_VALUES]);
    fact(o, "pages", t->count[HG_HWP_PAGES]);
    fact(o, "sources", t->count[HG_HWP_SOURCES]);
    fact(o, "raw_bytes", f->raw);
    fact(o, "stored_bytes", f->stored);
    (void)snprintf(text, sizeof text, "%.3f", ratio(f->raw, f->stored));
    fact_text(o, "ratio", text);
    fact_hex(o, "root_hash", f->root.lo);
    attach(doc, "footer", o);
}

static void show_source(const struct packed *p, const struct hg_hwp_source *s, json_object *list)
{
    char name[HG_FILE_NAME_MAX];

    hg_segment_name(name, s->id, (enum hg_segment_kind)s->kind);
    if (!p->d->json) {
        (void)printf("  %s epoch %016llx\n", name, (unsigned long long)s->epoch);
        return;
    }
    json_object *o = json_object_new_object();
    json_add(o, "segment", json_number(s->id));
    json_add(o, "kind", json_number(s->kind));
    json_add(o, "epoch", json_hex(s->epoch));
    (void)json_object_array_add(list, o); /* fails only without memory, as below */
}

static void show_group(const struct packed *p, uint32_t i, json_object *list)
{
    const struct hg_hwp_group *g = &hg_hwp_tables(p->h)->group[i];
    const char *kind = g->kind == HG_HWP_POOL ? "pages" : "tiles";
    struct coded c;
    char text[CODED_MAX];

    count_groups(p, i, 1, &c);
    if (!p->d->json) {
        (void)printf("%8u at %llu: %s, %llu bytes from %llu in %u tiles, %u slots; %s\n",
                     (unsigned)i, (unsigned long long)g->offset, kind, (unsigned long long)g->raw,
                     (unsigned long long)hg_hwp_group_stored(g), (unsigned)g->tiles,
                     (unsigned)g->slots, coded_text(&c, text));
        return;
    }
    json_object *o = json_object_new_object();
    json_add(o, "offset", json_number(g->offset));
    json_add(o, "kind", json_text(kind));
    json_add(o, "raw_bytes", json_number(g->raw));
    json_add(o, "stored_bytes", json_number(hg_hwp_group_stored(g)));
    json_add(o, "tiles", json_number(g->tiles));
    json_add(o, "slots", json_number(g->slots));
    json_add(o, "coded", json_text(coded_text(&c, text)));
    (void)json_object_array_add(list, o);
}

/* "uint16 2048 x 2048", "bytes" */
static const char *shape_text(const struct hg_hwp_value *v, char out[SHAPE_MAX])
{
    static const char *const kinds[] = { "uint", "int", "float" };
    size_t at;

    if (!(v->flags & HG_HWP_ARRAY)) {
        (void)snprintf(out, SHAPE_MAX, "bytes");
        return out;
    }
    at = (size_t)snprintf(out, SHAPE_MAX, "%s%u", kinds[v->shape.kind], v->shape.size * 8u);
    for (unsigned i = 0; i < v->shape.rank && at < SHAPE_MAX; i++)
        at += (size_t)snprintf(out + at, SHAPE_MAX - at, "%s%llu", i == 0 ? " " : " x ",
                               (unsigned long long)v->shape.n[i]);
    return out;
}

static uint64_t stored_of(const struct packed *p, const struct hg_hwp_value *v)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < v->groups; i++)
        sum += hg_hwp_group_stored(&hg_hwp_tables(p->h)->group[v->group + i]);
    return sum;
}

static void position_text(hg_pos at, char out[24])
{
    (void)snprintf(out, 24, "%08x:%u", (unsigned)hg_pos_segment(at), (unsigned)hg_pos_offset(at));
}

static void show_value_text(const struct hg_hwp_value *v, uint64_t stored, const struct coded *c)
{
    char birth[24];
    char other[24];
    char shape[SHAPE_MAX];
    char text[CODED_MAX];

    position_text(v->birth, birth);
    position_text(v->other, other);
    (void)printf("  %s %s, %llu bytes", birth, shape_text(v, shape), (unsigned long long)v->len);
    if (v->flags & HG_HWP_SAME) {
        (void)printf(", the same as %s\n", other);
        return;
    }
    if (v->flags & HG_HWP_DIFFERENCE)
        (void)printf(", from %s in %u tiles", other, (unsigned)c->differences);
    (void)printf(", %llu stored, %.3f times smaller; %s\n", (unsigned long long)stored,
                 ratio(v->len, stored), coded_text(c, text));
}

static void show_value(const struct packed *p, const struct hg_hwp_value *v, json_object *list)
{
    uint64_t stored = stored_of(p, v);
    struct coded c;
    char text[CODED_MAX];

    count_groups(p, v->group, v->groups, &c);
    if (!p->d->json) {
        show_value_text(v, stored, &c);
        return;
    }
    json_object *o = json_object_new_object();
    position_text(v->birth, text);
    json_add(o, "birth", json_text(text));
    json_add(o, "bytes", json_number(v->len));
    json_add(o, "shape", json_text(shape_text(v, text)));
    json_add(o, "sum", json_hex(v->sum));
    json_add(o, "csum", json_number(v->csum));
    if (v->other != 0) {
        position_text(v->other, text);
        json_add(o, v->flags & HG_HWP_SAME ? "same_as" : "base", json_text(text));
    }
    json_add(o, "group", json_number(v->group));
    json_add(o, "groups", json_number(v->groups));
    json_add(o, "stored_bytes", json_number(stored));
    json_add(o, "coded", json_text(coded_text(&c, text)));
    json_add(o, "differences", json_number(c.differences));
    json_add(o, "with_preview", json_number(c.lifted));
    (void)json_object_array_add(list, o);
}

static void show_page(const struct packed *p, const struct hg_hwp_page *page, json_object *list)
{
    if (!p->d->json) {
        (void)printf("  %08x:%llu in group %u, %u bytes at %u\n", (unsigned)page->segment,
                     (unsigned long long)page->page * HG_HWP_PAGE, (unsigned)page->group,
                     (unsigned)page->len, (unsigned)page->offset);
        return;
    }
    json_object *o = json_object_new_object();
    json_add(o, "segment", json_number(page->segment));
    json_add(o, "page", json_number(page->page));
    json_add(o, "group", json_number(page->group));
    json_add(o, "offset", json_number(page->offset));
    json_add(o, "bytes", json_number(page->len));
    (void)json_object_array_add(list, o);
}

static json_object *list_begin(const struct packed *p, const char *title, size_t count)
{
    if (p->d->json)
        return json_object_new_array();
    if (count > 0)
        (void)puts(title);
    return NULL;
}

static void show_lists(const struct packed *p, json_object *doc)
{
    const struct hg_hwp_tables *t = hg_hwp_tables(p->h);
    json_object *list = list_begin(p, "sources", t->count[HG_HWP_SOURCES]);

    for (size_t i = 0; i < t->count[HG_HWP_SOURCES]; i++)
        show_source(p, &t->source[i], list);
    attach(doc, "sources", list);
    list = list_begin(p, "groups", t->count[HG_HWP_GROUPS]);
    for (uint32_t i = 0; i < t->count[HG_HWP_GROUPS]; i++)
        show_group(p, i, list);
    attach(doc, "groups", list);
    list = list_begin(p, "values", t->count[HG_HWP_VALUES]);
    for (size_t i = 0; i < t->count[HG_HWP_VALUES]; i++)
        show_value(p, &t->value[i], list);
    attach(doc, "values", list);
    list = list_begin(p, "pages", t->count[HG_HWP_PAGES]);
    for (size_t i = 0; i < t->count[HG_HWP_PAGES]; i++)
        show_page(p, &t->page[i], list);
    attach(doc, "pages", list);
}

/* ---- the file ------------------------------------------------------------------------------------*/

static int report_group(void *ctx, const struct hg_hwp_verdict *v)
{
    const struct packed *p = ctx;
    const struct hg_hwp_group *g = &hg_hwp_tables(p->h)->group[v->group];

    if (v->value != NULL && (v->value->flags & HG_HWP_SAME))
        return 0; /* of a group that has been reported */
    report(p->d, g->offset, hg_hwp_group_stored(g), last_message());
    return 0;
}

/* What the name says, or the header. */
static uint32_t id_of(const struct dump *d)
{
    const char *base = strrchr(d->name, '/');
    enum hg_segment_kind kind;
    uint32_t id = 0;

    if (hg_segment_parse_name(base == NULL ? d->name : base + 1, &id, &kind) == 1)
        return id;
    return d->len >= HG_SEGMENT_ID_AT + 4 ? hg_get_le32(d->bytes + HG_SEGMENT_ID_AT) : 0;
}

static void show(struct packed *p, json_object *doc)
{
    struct hg_hwp_verify how = { .ctx = p, .damage = report_group };

    show_header(p, doc);
    show_footer(p, doc);
    show_lists(p, doc);
    if (hg_hwp_verify(p->h, &how) < 0 && p->d->damages == 0)
        report(p->d, 0, p->d->size, last_message());
}

int dump_hwp(struct dump *d, FILE *f)
{
    struct packed p = { .d = d, .f = f };
    const struct hg_hwp_bytes bytes = { read_file_at, &p, d->size };
    struct hg_hwp_from from = { .id = id_of(d), .bytes = &bytes };
    json_object *doc = head_begin(d, "compressed");
    int rc = hg_workspaces_create(&from.work);

    if (rc == HOLOG_OK)
        rc = hg_hwp_open(&from, &p.h);
    if (rc == HOLOG_OK)
        show(&p, doc);
    else
        report(d, 0, d->size, last_message());
    hg_hwp_close(p.h);
    hg_workspaces_destroy(from.work);
    if (d->json) {
        json_add(doc, "damage", d->damage);
        json_print(doc);
    }
    return finish(d);
}
