/*
 * page.h: a directory as a page of links, or as JSON.
 *
 * The page is what programs that read listings expect: a title "Index of PATH", and for each name a line
 * <a href="name/">name/</a>, with the '/' where keys lie below it; links are relative, escaped for URLs,
 * then for HTML. The JSON is { members, "entries": [ {"name", "key", "prefix", "bytes"} ] }.
 */
#ifndef HOLOG_TOOLS_SERVE_PAGE_H
#define HOLOG_TOOLS_SERVE_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#define PAGE_MAX ((size_t)64 << 20) /* bytes: some 500,000 names; beyond that the listing fails */

struct page {
    bool json;
    bool any;   /* an entry was put */
    int failed; /* 0, HOLOG_E_NOMEM or HOLOG_E_TOOBIG: from then on nothing is put */
    char *data; /* NUL-terminated, malloc'd */
    size_t len_bytes;
    size_t room;
};

/* path: as shown, not escaped. head: members of the JSON object, taken over; ignored in HTML. */
void page_begin(struct page *page, bool json, const char *path, json_object *head);
void page_entry(struct page *page, const char *name, bool is_key, bool is_prefix,
                uint64_t size_bytes);
/* A link to somewhere else, with a remark (may be ""); nothing in JSON. href: escaped for URLs. */
void page_link(struct page *page, const char *href, const char *remark);
/* 0, and data is the caller's to free; or the code, and there is nothing to free. */
int page_end(struct page *page);

#endif
