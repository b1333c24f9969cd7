/*
 * Names of segment files, and what all decoders of the log ask.
 */
#include "wal/layout.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/byteorder.h"

#define ID_DIGITS 8

static const char *kind_suffix(enum hg_segment_kind kind)
{
    if (kind == HG_KIND_FRAMES)
        return "hlog";
    if (kind == HG_KIND_EXTENTS)
        return "hext";
    if (kind == HG_KIND_BASE)
        return "base";
    HG_ASSERT(kind == HG_KIND_HWP);
    return "hwp";
}

void hg_segment_name(char *out, uint32_t id, enum hg_segment_kind kind)
{
    HG_ASSERT(id != 0);
    (void)snprintf(out, HG_FILE_NAME_MAX, HG_SEG_DIR "/%08x.%s", (unsigned)id, kind_suffix(kind));
}

void hg_segment_tmp_name(char *out, uint32_t id)
{
    HG_ASSERT(id != 0);
    (void)snprintf(out, HG_FILE_NAME_MAX, HG_SEG_DIR "/%08x.tmp", (unsigned)id);
}

/* 8 lower-case hex digits that are not all 0. */
static int parse_id(const char *name, uint32_t *out_id)
{
    uint32_t id = 0;
    for (int i = 0; i < ID_DIGITS; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9')
            id = id << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            id = id << 4 | (uint32_t)(c - 'a' + 10);
        else
            return 0; /* the NUL of a short name ends here too */
    }
    *out_id = id;
    return id != 0;
}

int hg_segment_parse_name(const char *name, uint32_t *out_id, enum hg_segment_kind *out_kind)
{
    static const struct {
        const char *suffix;
        enum hg_segment_kind kind;
    } suffixes[] = {
        { ".hlog", HG_KIND_FRAMES },
        { ".hext", HG_KIND_EXTENTS },
        { ".hwp", HG_KIND_HWP },
        { ".base", HG_KIND_BASE },
    };
    size_t len = strlen(name);
    uint32_t id = 0;

    if (len >= 4 && memcmp(name + len - 4, ".tmp", 4) == 0)
        return 2;
    if (!parse_id(name, &id))
        return 0;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (strcmp(name + ID_DIGITS, suffixes[i].suffix) == 0) {
            *out_id = id;
            *out_kind = suffixes[i].kind;
            return 1;
        }
    }
    return 0;
}

int hg_layout_zero(const uint8_t *p, size_t len)
{
    uint64_t any = 0;
    for (; len >= 8; p += 8, len -= 8)
        any |= hg_get_le64(p);
    for (; len > 0; p++, len--)
        any |= *p;
    return any == 0;
}
