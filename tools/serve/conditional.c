/*
 * conditional.c: entity tags, and the If- headers.
 */
#include "serve/conditional.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void etag_print(const uint64_t etag[2], char out[ETAG_ROOM])
{
    (void)snprintf(out, ETAG_ROOM, "\"%016" PRIx64 "%016" PRIx64 "\"", etag[0], etag[1]);
}

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

/* The tag at s, with its quotes: its length, 0 when there is none. */
static size_t tag_length(const char *s)
{
    if (s[0] != '"')
        return 0;
    size_t len = strcspn(s + 1, "\"") + 1;
    return s[len] == '"' ? len + 1 : 0;
}

/* Whether the list has the tag. Empty elements are fine; at the first thing that is none the rest goes
 * unread. */
static bool list_has(const char *list, const char *etag, bool weakly)
{
    list = skip_blanks(list);
    if (list[0] == '*' && *skip_blanks(list + 1) == '\0')
        return true;
    for (;;) {
        while (*list == ',' || *list == ' ' || *list == '\t')
            list++;
        bool weak = strncmp(list, "W/", 2) == 0;
        const char *tag = weak ? list + 2 : list;
        size_t len = tag_length(tag);
        if (len == 0)
            return false;
        if ((weakly || !weak) && strlen(etag) == len && memcmp(tag, etag, len) == 0)
            return true;
        list = skip_blanks(tag + len);
        if (*list != ',')
            return false;
    }
}

enum verdict conditional_judge(const struct conditional *c, const char *etag, bool is_change)
{
    if (c->if_match != NULL && (etag == NULL || !list_has(c->if_match, etag, false)))
        return VERDICT_FAILED;
    if (c->if_none_match != NULL && etag != NULL && list_has(c->if_none_match, etag, true))
        return is_change ? VERDICT_FAILED : VERDICT_NOT_MODIFIED;
    return VERDICT_GO_ON;
}

bool conditional_range_holds(const struct conditional *c, const char *etag)
{
    if (c->if_range == NULL)
        return true;
    const char *tag = skip_blanks(c->if_range);
    size_t len = tag_length(tag);
    return len > 0 && *skip_blanks(tag + len) == '\0' && strlen(etag) == len &&
           memcmp(tag, etag, len) == 0;
}
