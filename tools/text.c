/*
 * text.c: from bytes to what a person or a JSON reader sees, and back.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* Length of the sequence at s and its code point; 0 when it is none (too long a form, a surrogate,
 * above U+10FFFF, cut short: s ends with NUL, which continues nothing). */
static size_t utf8_next(const unsigned char *s, uint32_t *out_point)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xC0 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;

    if (len == 0 || s[0] > 0xF4)
        return 0;
    uint32_t point = len == 1 ? s[0] : s[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (s[i] & 0x3Fu);
    }
    if (point < least[len] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    *out_point = point;
    return len;
}

/* Moves a terminal's cursor, changes its state, or reorders what is seen. */
static bool is_treacherous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0) ||
           (point >= 0x200E && point <= 0x200F) || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069);
}

static void put_treacherous(FILE *f, uint32_t point)
{
    if (point == '\n')
        (void)fputs("\\n", f);
    else if (point == '\t')
        (void)fputs("\\t", f);
    else if (point < 0x80)
        (void)fprintf(f, "\\x%02x", (unsigned)point);
    else
        (void)fprintf(f, "\\u%04x", (unsigned)point);
}

void put_escaped(FILE *f, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    uint32_t point = 0;

    while (*s != 0) {
        size_t len = utf8_next(s, &point);
        if (len == 0) {
            (void)fprintf(f, "\\x%02x", *s);
            s++;
            continue;
        }
        if (is_treacherous(point))
            put_treacherous(f, point);
        else if (point == '\\')
            (void)fputs("\\\\", f);
        else
            (void)fwrite(s, 1, len, f);
        s += len;
    }
}

void put_name(FILE *f, const char *text)
{
    static int terminal[2] = { -1, -1 }; /* not asked yet */
    int *is_terminal = &terminal[f == stderr];

    if (*is_terminal < 0)
        *is_terminal = isatty(fileno(f));
    if (*is_terminal != 0)
        put_escaped(f, text);
    else
        (void)fputs(text, f);
}

json_object *json_text(const char *text)
{
    static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
    const unsigned char *s = (const unsigned char *)text;
    uint32_t point = 0;

    if (text == NULL)
        return NULL;
    struct printbuf *buf = printbuf_new();
    if (buf == NULL)
        return NULL;
    while (*s != 0) {
        size_t len = utf8_next(s, &point);
        if (len == 0)
            (void)printbuf_memappend(buf, replacement, 3);
        else
            (void)printbuf_memappend(buf, (const char *)s, (int)len);
        s += len == 0 ? 1 : len;
    }
    json_object *out = json_object_new_string_len(buf->buf, printbuf_length(buf));
    printbuf_free(buf);
    return out;
}

/* ---- for people ------------------------------------------------------------------------------ */

const char *human_bytes(uint64_t bytes, char *out)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        (void)snprintf(out, HUMAN_MAX, "%" PRIu64 " B", bytes);
        return out;
    }
    while (value >= 1023.95 && unit < 5) { /* 1023.95 would be printed as 1024.0 */
        value /= 1024;
        unit++;
    }
    (void)snprintf(out, HUMAN_MAX, "%.1f %s", value, units[unit]);
    return out;
}

const char *human_duration(uint64_t ns, char *out)
{
    double value = (double)ns;

    if (ns < 1000)
        (void)snprintf(out, HUMAN_MAX, "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        (void)snprintf(out, HUMAN_MAX, "%.1f us", value / 1e3);
    else if (ns < 1000000000)
        (void)snprintf(out, HUMAN_MAX, "%.1f ms", value / 1e6);
    else if (ns < 120000000000)
        (void)snprintf(out, HUMAN_MAX, "%.1f s", value / 1e9);
    else
        (void)snprintf(out, HUMAN_MAX, "%.0f min", value / 60e9);
    return out;
}

const char *iso_time(uint64_t ns, char *out)
{
    time_t seconds = (time_t)(ns / 1000000000);
    char date[HUMAN_MAX - 8];
    struct tm tm;

    if (ns == 0 || gmtime_r(&seconds, &tm) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        (void)snprintf(out, HUMAN_MAX, "-");
    else
        (void)snprintf(out, HUMAN_MAX, "%s.%03uZ", date, (unsigned)(ns / 1000000 % 1000));
    return out;
}

const char *type_name(uint32_t type)
{
    switch (type) {
    case HOLOG_MISSING: return "missing";
    case HOLOG_DIRECTORY: return "directory";
    case HOLOG_BLOB: return "blob";
    case HOLOG_SYMLINK: return "symlink";
    case HOLOG_ARRAY: return "array";
    default: return "unknown";
    }
}

char type_letter(uint32_t type)
{
    switch (type) {
    case HOLOG_DIRECTORY: return 'd';
    case HOLOG_BLOB: return '-';
    case HOLOG_SYMLINK: return 'l';
    case HOLOG_ARRAY: return 'a';
    default: return '?';
    }
}

/* ---- from people ----------------------------------------------------------------------------- */

/* Digits at *text, which is moved behind them. */
static bool take_digits(const char **text, uint64_t *out)
{
    const char *s = *text;
    uint64_t value = 0;

    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        uint64_t digit = (uint64_t)(*s - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *text = s;
    *out = value;
    return true;
}

bool parse_number(const char *text, uint64_t *out)
{
    uint64_t value;

    if (!take_digits(&text, &value) || *text != '\0')
        return false;
    *out = value;
    return true;
}

static bool take_size(const char **text, uint64_t *out)
{
    static const char units[] = "KMGT";
    uint64_t value;

    if (!take_digits(text, &value))
        return false;
    const char *unit = **text != '\0' ? strchr(units, **text) : NULL;
    if (unit != NULL) {
        unsigned shift = 10 * (unsigned)(unit - units + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
        *text += strncmp(*text + 1, "iB", 2) == 0 ? 3 : 1;
    }
    *out = value;
    return true;
}

bool parse_size(const char *text, uint64_t *out)
{
    uint64_t value;

    if (!take_size(&text, &value) || *text != '\0')
        return false;
    *out = value;
    return true;
}

bool parse_age(const char *text, uint64_t *out_seconds)
{
    static const char units[] = "smhdw";
    static const uint64_t seconds[] = { 1, 60, 3600, 86400, 604800 };
    uint64_t value;

    if (!take_digits(&text, &value) || text[0] == '\0' || text[1] != '\0')
        return false;
    const char *unit = strchr(units, text[0]);
    if (unit == NULL || value > UINT64_MAX / seconds[unit - units])
        return false;
    *out_seconds = value * seconds[unit - units];
    return true;
}

bool parse_range(const char *text, uint64_t *out_offset, uint64_t *out_len)
{
    uint64_t offset;
    uint64_t len = UINT64_MAX;

    if (!take_size(&text, &offset) || *text++ != ':')
        return false;
    if (*text != '\0' && !parse_size(text, &len))
        return false;
    *out_offset = offset;
    *out_len = len;
    return true;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool parse_base64(const char *text, size_t len_chars, uint8_t *out, size_t *out_len)
{
    size_t n = 0;

    if (len_chars % 4 != 0)
        return false;
    for (size_t at = 0; at < len_chars; at += 4) {
        size_t pad = 0;
        uint32_t bits = 0;
        if (at + 4 == len_chars)
            pad = text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
        for (size_t i = 0; i < 4; i++) {
            int digit = i < 4 - pad ? base64_digit(text[at + i]) : 0;
            if (digit < 0)
                return false;
            bits = bits << 6 | (uint32_t)digit;
        }
        if ((bits & ((1u << (8 * pad)) - 1)) != 0)
            return false; /* bits beyond the last byte */
        for (size_t i = 0; i < 3 - pad; i++)
            out[n++] = (uint8_t)(bits >> (16 - 8 * i));
    }
    *out_len = n;
    return true;
}
