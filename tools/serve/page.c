/*
 * page.c: listings, as HTML and as JSON.
 */
#include "serve/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holog/error.h>

#include "serve/target.h"

/* ---- growing text ---------------------------------------------------------------------------- */

static void fail(struct page *page, int code)
{
    free(page->data);
    page->data = NULL;
    page->len_bytes = 0;
    page->room = 0;
    page->failed = code;
}

static bool make_room(struct page *page, size_t more)
{
    size_t wanted = page->room < 4096 ? 4096 : page->room;

    if (page->failed != 0)
        return false;
    if (more > PAGE_MAX - page->len_bytes) {
        fail(page, HOLOG_E_TOOBIG);
        return false;
    }
    while (wanted <= page->len_bytes + more) /* and the NUL */
        wanted *= 2;
    if (wanted == page->room)
        return true;
    char *grown = realloc(page->data, wanted);
    if (grown == NULL) {
        fail(page, HOLOG_E_NOMEM);
        return false;
    }
    page->data = grown;
    page->room = wanted;
    return true;
}

static void put(struct page *page, const char *text)
{
    size_t len = strlen(text);

    if (!make_room(page, len))
        return;
    memcpy(page->data + page->len_bytes, text, len + 1);
    page->len_bytes += len;
}

static void put_html(struct page *page, const char *text)
{
    char one[2] = { 0 };

    for (; *text != '\0'; text++) {
        one[0] = *text;
        switch (*text) {
        case '&': put(page, "&amp;"); break;
        case '<': put(page, "&lt;"); break;
        case '>': put(page, "&gt;"); break;
        case '"': put(page, "&quot;"); break;
        case '\'': put(page, "&#39;"); break;
        default: put(page, one);
        }
    }
}

static void put_json(struct page *page, json_object *value)
{
    put(page, json_object_to_json_string_ext(value, JSON_C_TO_STRING_SPACED |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(value);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void begin_json(struct page *page, json_object *head)
{
    put(page, "{");
    if (head != NULL) {
        json_object_object_foreach(head, name, value) {
            put_json(page, json_object_new_string(name));
            put(page, ": ");
            put_json(page, json_object_get(value));
            put(page, ",\n ");
        }
    }
    put(page, "\"entries\": [");
}

void page_begin(struct page *page, bool json, const char *path, json_object *head)
{
    *page = (struct page){ .json = json };
    if (json) {
        begin_json(page, head);
    } else {
        put(page, "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>Index of ");
        put_html(page, path);
        put(page, "</title>\n</head>\n<body>\n<h1>Index of ");
        put_html(page, path);
        put(page, "</h1>\n<pre>\n");
    }
    (void)json_object_put(head);
}

static void put_link(struct page *page, const char *href, const char *text, const char *tail)
{
    put(page, "<a href=\"");
    put_html(page, href);
    put(page, tail);
    put(page, "\">");
    put_html(page, text);
    put(page, tail);
    put(page, "</a>");
}

static void put_entry_html(struct page *page, const char *name, bool is_key, bool is_prefix,
                           uint64_t size_bytes)
{
    char size[32];
    char *href = target_escape(name);

    if (href == NULL) {
        fail(page, HOLOG_E_NOMEM);
        return;
    }
    if (is_prefix) {
        put_link(page, href, name, "/");
        put(page, "\n");
    }
    if (is_key) {
        put_link(page, href, name, "");
        (void)snprintf(size, sizeof size, " %" PRIu64 "\n", size_bytes);
        put(page, size);
    }
    free(href);
}

void page_entry(struct page *page, const char *name, bool is_key, bool is_prefix,
                uint64_t size_bytes)
{
    if (!page->json) {
        put_entry_html(page, name, is_key, is_prefix, size_bytes);
        return;
    }
    json_object *entry = json_object_new_object();
    (void)json_object_object_add(entry, "name", json_object_new_string(name));
    (void)json_object_object_add(entry, "key", json_object_new_boolean(is_key));
    (void)json_object_object_add(entry, "prefix", json_object_new_boolean(is_prefix));
    if (is_key)
        (void)json_object_object_add(entry, "bytes", json_object_new_uint64(size_bytes));
    put(page, page->any ? ",\n  " : "\n  ");
    put_json(page, entry);
    page->any = true;
}

void page_link(struct page *page, const char *href, const char *remark)
{
    if (page->json)
        return;
    put_link(page, href, href, "");
    put(page, *remark != '\0' ? "  " : "");
    put_html(page, remark);
    put(page, "\n");
}

int page_end(struct page *page)
{
    put(page, page->json ? "\n]}\n" : "</pre>\n</body>\n</html>\n");
    return page->failed;
}
