/*
 * say.h: what a dump says: facts, damage, the first and the last lines; as text or as one JSON document.
 */
#ifndef HOLOG_TOOLS_INSPECT_SAY_H
#define HOLOG_TOOLS_INSPECT_SAY_H

#include "cli.h"
#include "wal/segment.h"

struct dump {
    const char *name;
    int json;
    uint8_t *bytes; /* what was read */
    size_t len;
    uint64_t size;       /* of the whole file */
    json_object *damage; /* array; NULL as text */
    unsigned damages;
};

const char *last_message(void); /* of the library; until the next call */

/* Bytes that do not verify. */
void report(struct dump *d, uint64_t at, uint64_t len, const char *why);

json_object *json_hex(uint64_t v);
json_object *json_bytes(const void *text, size_t len);
void put_bytes(const void *text, size_t len);

/* One fact of a header, in either form. A NULL object prints a line. */
void fact_text(json_object *o, const char *name, const char *value);
void fact(json_object *o, const char *name, uint64_t value);
void fact_hex(json_object *o, const char *name, uint64_t value);
void fact_pos(json_object *o, const char *name, hg_pos pos);
void fact_uuid(json_object *o, const uint8_t uuid[16]);
void fact_time(json_object *o, const char *name, uint64_t ns);
void fact_header(json_object *o, const struct hg_segment_header *h);

/* The document, or the first lines of the text. */
json_object *head_begin(const struct dump *d, const char *kind);
json_object *section_begin(const struct dump *d, const char *title);
/* The exit status; says on stderr how much does not verify. */
int finish(const struct dump *d);

#endif
