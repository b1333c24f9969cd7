/*
 * say.c: what a dump says, as text or as JSON; see say.h.
 */
#include "inspect/say.h"

#include <stdlib.h>
#include <string.h>

const char *last_message(void)
{
    static struct holog_error_detail detail;
    holog_last_error(&detail);
    return detail.message;
}

void report(struct dump *d, uint64_t at, uint64_t len, const char *why)
{
    uint64_t end = at + len;

    d->damages++;
    if (!d->json) {
        (void)printf("! %llu..%llu (%llu bytes): ", (unsigned long long)at, (unsigned long long)end,
                     (unsigned long long)len);
        put_escaped(stdout, why);
        (void)putchar('\n');
        return;
    }
    json_object *o = json_object_new_object();
    json_add(o, "offset", json_number(at));
    json_add(o, "length", json_number(len));
    json_add(o, "reason", json_text(why));
    (void)json_object_array_add(d->damage, o); /* fails only without memory */
}

json_object *json_hex(uint64_t v)
{
    char text[20];
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)v);
    return json_object_new_string(text);
}

json_object *json_bytes(const void *text, size_t len)
{
    char *copy = strndup(text, len);
    json_object *o = json_text(copy);
    free(copy);
    return o;
}

void put_bytes(const void *text, size_t len)
{
    char *copy = strndup(text, len);
    if (copy != NULL)
        put_escaped(stdout, copy);
    free(copy);
}

static void uuid_text(const uint8_t uuid[16], char out[33])
{
    for (int i = 0; i < 16; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", uuid[i]);
}

/* One fact of a header, in either form. A NULL object prints a line. */
void fact_text(json_object *o, const char *name, const char *value)
{
    if (o != NULL)
        json_add(o, name, json_text(value));
    else
        (void)printf("  %-18s %s\n", name, value);
}

void fact(json_object *o, const char *name, uint64_t value)
{
    if (o != NULL)
        json_add(o, name, json_number(value));
    else
        (void)printf("  %-18s %llu\n", name, (unsigned long long)value);
}

void fact_hex(json_object *o, const char *name, uint64_t value)
{
    char text[20];
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    fact_text(o, name, text);
}

void fact_pos(json_object *o, const char *name, hg_pos pos)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%08x:%u", (unsigned)hg_pos_segment(pos),
                   (unsigned)hg_pos_offset(pos));
    fact_text(o, name, pos == 0 ? "none" : text);
}

void fact_uuid(json_object *o, const uint8_t uuid[16])
{
    char text[33];
    uuid_text(uuid, text);
    fact_text(o, "uuid", text);
}

void fact_time(json_object *o, const char *name, uint64_t ns)
{
    char text[HUMAN_MAX];
    fact_text(o, name, iso_time(ns, text));
}

void fact_header(json_object *o, const struct hg_segment_header *h)
{
    fact(o, "segment", h->id);
    fact(o, "kind", h->kind);
    fact_uuid(o, h->uuid);
    fact_hex(o, "salt", h->salt);
    fact_hex(o, "epoch", h->epoch);
    fact_hex(o, "features_compat", h->feat_compat);
    fact_hex(o, "features_ro", h->feat_ro_compat);
    fact_hex(o, "features_must", h->feat_incompat);
    fact(o, "capacity", h->capacity);
    fact_time(o, "created", h->created_ns);
    fact(o, "first_number", h->first_number);
    fact(o, "highest_number", h->highest_number);
    fact(o, "pred_segment", h->pred_id);
    if (h->pred_id == 0)
        return;
    fact_hex(o, "pred_epoch", h->pred_epoch);
    fact(o, "pred_end", h->pred_end);
    fact(o, "pred_last_length", h->pred_last_len);
    fact_hex(o, "pred_last_hash", h->pred_last_hash);
    fact(o, "pred_number", h->pred_number);
    fact(o, "pred_cut", h->pred_cut);
}

/* The document, or the first lines of the text. */
json_object *head_begin(const struct dump *d, const char *kind)
{
    if (d->json) {
        json_object *o = json_object_new_object();
        json_add(o, "file", json_text(d->name));
        json_add(o, "kind", json_text(kind));
        json_add(o, "size_bytes", json_number(d->size));
        return o;
    }
    put_escaped(stdout, d->name);
    (void)printf(": %s, %llu bytes\n", kind, (unsigned long long)d->size);
    return NULL;
}

json_object *section_begin(const struct dump *d, const char *title)
{
    if (d->json)
        return json_object_new_object();
    (void)printf("%s\n", title);
    return NULL;
}

int finish(const struct dump *d)
{
    if (d->damages == 0)
        return EXIT_DONE;
    (void)fflush(stdout);
    (void)fputs("holog: dump: ", stderr);
    put_name(stderr, d->name);
    (void)fprintf(stderr, ": %u %s not verify\n", d->damages,
                  d->damages == 1 ? "place does" : "places do");
    return EXIT_DAMAGE;
}
