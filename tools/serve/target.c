/*
 * target.c: request targets, taken apart and put together.
 */
#include "serve/target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- bytes ----------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Escapes of [raw, raw + len) into out, which has room for len + 1 bytes. */
static bool decode(const char *raw, size_t len, char *out, size_t *out_len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = raw[i];
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return false; /* escaped it may be part of a name */
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(raw[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    *out_len = n;
    return true;
}

/* Length of the UTF-8 character at s, which ends with a NUL; 0: it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) /* the NUL is none either */
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90))
        return 0; /* longer than need be */
    if ((s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0; /* a surrogate; beyond the last character */
    return len;
}

static bool is_utf8(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s != '\0') {
        size_t len = utf8_length(s);
        if (len == 0)
            return false;
        s += len;
    }
    return true;
}

/* ---- taking apart ---------------------------------------------------------------------------- */

/* Segments between '/', of a path behind its first '/'. The last may be empty: a directory is meant. */
static bool segments_are_sound(const char *path)
{
    for (;;) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        if (len == 0)
            return last;
        if (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.')))
            return false;
        if (last)
            return true;
        path += len + 1;
    }
}

/* The path of http://host/path. NULL: neither that nor a path. */
static const char *skip_authority(const char *raw)
{
    if (raw[0] == '/')
        return raw;
    if (strncasecmp(raw, "http://", 7) == 0)
        raw += 7;
    else if (strncasecmp(raw, "https://", 8) == 0)
        raw += 8;
    else
        return NULL;
    raw += strcspn(raw, "/?#");
    return raw[0] == '/' ? raw : NULL;
}

static bool query_has_list(const char *query)
{
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        if (strncmp(query, "list", 4) == 0 && (len == 4 || query[4] == '='))
            return true;
        query += len + (query[len] != '\0');
    }
    return false;
}

/* A number as we write it: no zero in front, so that a state has one name. */
static bool parse_commit(const char *text, uint64_t *out)
{
    uint64_t value = 0;

    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text != '\0'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* What stands behind the state: a twin, a key. */
static void take_key(struct target *t, char *rest)
{
    t->bare = rest == NULL;
    t->key = "";
    if (rest == NULL)
        return;
    t->key = rest;
    if (rest[0] != 'v' || (rest[1] != '2' && rest[1] != '3'))
        return;
    if (rest[2] != '/' && rest[2] != '\0')
        return;
    t->twin = rest[1] == '2' ? TWIN_V2 : TWIN_V3;
    t->bare = rest[2] == '\0';
    t->key = t->bare ? "" : rest + 3;
}

/* path: behind its first '/', decoded and sound; it is cut in pieces. */
static void name_it(struct target *t, char *path)
{
    char *rest = strchr(path, '/');

    if (path[0] == '\0') {
        t->kind = TARGET_ROOT;
        return;
    }
    if (strcmp(path, "healthz") == 0) {
        t->kind = TARGET_HEALTH;
        return;
    }
    if (strcmp(path, "metrics") == 0) {
        t->kind = TARGET_METRICS;
        return;
    }
    if (rest != NULL)
        *rest++ = '\0';
    t->kind = TARGET_NOTHING;
    if (strcmp(path, "live") == 0) {
        t->kind = TARGET_LIVE;
    } else if (path[0] == '@' && path[1] != '\0') {
        t->kind = parse_commit(path + 1, &t->number) ? TARGET_NUMBER : TARGET_REF;
        t->ref = path + 1;
    }
    if (t->kind != TARGET_NOTHING)
        take_key(t, rest);
}

void target_parse(const char *raw, char *text, struct target *out)
{
    size_t len = 0;

    out->kind = TARGET_BAD;
    out->twin = TWIN_NONE;
    out->number = 0;
    out->bare = false;
    out->list = false;
    out->ref = "";
    out->key = "";
    if (strnlen(raw, TARGET_MAX + 1) > TARGET_MAX) {
        out->kind = TARGET_TOO_LONG;
        return;
    }
    const char *path = skip_authority(raw);
    if (path == NULL)
        return;
    size_t path_len = strcspn(path, "?#");
    if (!decode(path, path_len, text, &len) || !is_utf8(text) || !segments_are_sound(text + 1))
        return;
    out->list = path[path_len] == '?' && query_has_list(path + path_len + 1);
    name_it(out, text + 1);
}

#define STATE_ROOM 32 /* "live", or '@' and a number */

/* ---- putting together ------------------------------------------------------------------------ */

/* Not ':', which would make a scheme of what stands before it in a relative link. */
static bool stands_for_itself(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-._~/@+", c) != NULL);
}

char *target_escape(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = malloc(3 * strlen(text) + 1);
    char *to = out;

    if (out == NULL)
        return NULL;
    for (const char *s = text; *s != '\0'; s++) {
        if (stands_for_itself(*s)) {
            *to++ = *s;
        } else {
            *to++ = '%';
            *to++ = digits[(unsigned char)*s >> 4];
            *to++ = digits[(unsigned char)*s & 15];
        }
    }
    *to = '\0';
    return out;
}

static char *put_together(const struct target *t, const char *state, const char *key,
                          const char *tail)
{
    static const char *const twins[] = { [TWIN_NONE] = "", [TWIN_V2] = "v2/", [TWIN_V3] = "v3/" };
    char *out = NULL;

    if (key == NULL || asprintf(&out, "/%s/%s%s%s", state, twins[t->twin], key, tail) < 0)
        return NULL;
    return out;
}

static char *state_of(const struct target *t, uint64_t number, char out[STATE_ROOM])
{
    if (t->kind == TARGET_LIVE)
        (void)snprintf(out, STATE_ROOM, "live");
    else
        (void)snprintf(out, STATE_ROOM, "@%" PRIu64, number);
    return out;
}

char *target_link(const struct target *target, uint64_t number, bool directory)
{
    const char *const tails[2][2] = { { "", "?list" }, { "/", "/?list" } };
    char state[STATE_ROOM];
    char *key = target_escape(target->key);
    char *out =
        put_together(target, state_of(target, number, state), key, tails[directory][target->list]);

    free(key);
    return out;
}

char *target_show(const struct target *target)
{
    char state[STATE_ROOM];

    return put_together(target, state_of(target, target->number, state), target->key, "");
}
