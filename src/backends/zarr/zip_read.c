/*
 * Zip files, read; see zip.h. Whoever made one may have meant harm: every number is bounded by the file before it
 * is used, and names lead nowhere but down. What entries have in the file adds up to less than the file, so that
 * all of them together cannot be more than HG_ZIP_RATIO_MAX times as much.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/zarr/key.h"
#include "backends/zarr/zip.h"
#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "codec/gzip.h"

#define LOCAL     30u
#define CENTRAL   46u
#define END       22u
#define LOCATOR   20u
#define END64     56u
#define COMMENT   UINT16_MAX
#define WINDOW    (1u << 20) /* of the directory; holds any central header */
#define STORED    0
#define DEFLATED  8
#define ENCRYPTED (1u << 0 | 1u << 6 | 1u << 13)
#define IS_UNIX   3
#define IS_MACOS  19
#define MODE_KIND 0170000u
#define MODE_LINK 0120000u
#define MODE_FILE 0100000u
#define MODE_DIR  0040000u
#define SHOWN     80 /* bytes of a name in a message */

/* Fuzzing: mutated bytes would not get past a checksum. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define ANY_CRC 1
#else
#define ANY_CRC 0
#endif

static int damaged(const char *why)
{
    return hg_error(HOLOG_E_CORRUPT, "the zip file is damaged: %s", why);
}

static int read_at(const struct hg_zip *z, uint64_t offset, void *out, size_t len)
{
    return z->source.read(z->source.ctx, offset, out, len);
}

/* ---- the end -----------------------------------------------------------------------------------------*/

struct end {
    uint64_t at; /* where the directory must end by */
    uint64_t entries, dir_size, dir_at;
};

/* The end whose comment goes to the last byte. */
static int find_end(const struct hg_zip *z, uint64_t *out_at, uint8_t *out)
{
    size_t len = (size_t)HG_MIN(z->source.size, (uint64_t)END + COMMENT);
    uint64_t from = z->source.size - len;
    uint8_t *tail = hg_malloc(len + 1);
    int rc = tail == NULL ? hg_error(HOLOG_E_NOMEM, "no memory to read a zip file")
                          : read_at(z, from, tail, len);

    if (rc == HOLOG_OK)
        rc = hg_error(HOLOG_E_INVAL, "it is no zip file, or one that is cut short");
    else
        len = 0;
    for (size_t at = len; at-- > 0 && len >= END;) {
        if (at + END > len || memcmp(tail + at, "PK\5\6", 4) != 0 ||
            at + END + hg_get_le16(tail + at + 20) != len)
            continue;
        memcpy(out, tail + at, END);
        *out_at = from + at;
        rc = HOLOG_OK;
        break;
    }
    hg_free(tail);
    return rc;
}

static int read_end64(const struct hg_zip *z, uint64_t locator_at, const uint8_t *locator,
                      struct end *out)
{
    uint8_t e[END64];
    uint64_t at = hg_get_le64(locator + 8);
    int rc;

    if (hg_get_le32(locator + 4) != 0 || hg_get_le32(locator + 16) > 1)
        return hg_error(HOLOG_E_NOTSUP, "the zip file is one of several parts");
    if (at > locator_at || locator_at - at < END64)
        return damaged("its zip64 end is not where it says");
    rc = read_at(z, at, e, sizeof e);
    if (rc < 0)
        return rc;
    if (memcmp(e, "PK\6\6", 4) != 0)
        return damaged("its zip64 end is not where it says");
    if (hg_get_le32(e + 16) != 0 || hg_get_le32(e + 20) != 0 ||
        hg_get_le64(e + 24) != hg_get_le64(e + 32))
        return hg_error(HOLOG_E_NOTSUP, "the zip file is one of several parts");
    *out = (struct end){ .at = at,
                         .entries = hg_get_le64(e + 32),
                         .dir_size = hg_get_le64(e + 40),
                         .dir_at = hg_get_le64(e + 48) };
    return HOLOG_OK;
}

/* Whoever reads the one end must find what is found by the other. */
static int agree(uint64_t in_32, uint64_t most, uint64_t in_64)
{
    return in_32 == most || in_32 == in_64;
}

static int read_end(const struct hg_zip *z, struct end *out)
{
    uint8_t e[END] = { 0 };
    uint8_t locator[LOCATOR] = { 0 };
    struct end d = { 0 };
    uint64_t at = 0;
    int rc = find_end(z, &at, e);

    if (rc == HOLOG_OK && at >= LOCATOR)
        rc = read_at(z, at - LOCATOR, locator, LOCATOR);
    if (rc < 0)
        return rc;
    *out = (struct end){ .at = at,
                         .entries = hg_get_le16(e + 10),
                         .dir_size = hg_get_le32(e + 12),
                         .dir_at = hg_get_le32(e + 16) };
    d = *out;
    if (memcmp(locator, "PK\6\7", 4) == 0)
        rc = read_end64(z, at - LOCATOR, locator, out);
    else if (hg_get_le32(e + 4) != 0 || hg_get_le16(e + 8) != d.entries)
        rc = hg_error(HOLOG_E_NOTSUP, "the zip file is one of several parts");
    if (rc == HOLOG_OK && (!agree(d.entries, UINT16_MAX, out->entries) ||
                           !agree(d.dir_size, UINT32_MAX, out->dir_size) ||
                           !agree(d.dir_at, UINT32_MAX, out->dir_at)))
        rc = damaged("its two ends do not say the same");
    return rc;
}

static int check_end(const struct end *e)
{
    if (e->dir_at > e->at || e->dir_size > e->at - e->dir_at || e->entries > e->dir_size / CENTRAL)
        return damaged("its directory does not fit into it");
    if (e->entries > HG_ZIP_ENTRIES_MAX || e->dir_size > HG_ZIP_DIR_MAX)
        return hg_error(HOLOG_E_TOOBIG,
                        "the zip file has %" PRIu64 " entries; at most %" PRIu64
                        " are read: unpack it, and import the directory",
                        e->entries, HG_ZIP_ENTRIES_MAX);
    return HOLOG_OK;
}

/* ---- one entry ---------------------------------------------------------------------------------------*/

/* A central header, taken apart. */
struct central {
    const uint8_t *h;
    const char *name;
    size_t name_len;
    uint64_t size, packed, offset;
    uint16_t flags, method;
};

static int bad_entry(int code, const struct central *c, const char *why)
{
    char shown[SHOWN + 1];
    size_t len = HG_MIN(c->name_len, (size_t)SHOWN);

    memset(shown, '?', len);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)c->name[i] >= 0x20 && c->name[i] != 0x7f)
            shown[i] = c->name[i];
    shown[len] = 0;
    return hg_error(code, "entry \"%s\": %s", shown, why);
}

/* One of the numbers that a header says to be in the extra field. */
static int take(const uint8_t **field, size_t *len, uint64_t *number)
{
    if (*number != UINT32_MAX)
        return 1;
    if (*len < 8)
        return 0;
    *number = hg_get_le64(*field);
    *field += 8;
    *len -= 8;
    return 1;
}

/* Fields are {kind, bytes, ...}; without one of zip64 FFFFFFFF is what it is. */
static int read_extra(struct central *c, const uint8_t *extra, size_t len)
{
    while (len >= 4) {
        size_t n = hg_get_le16(extra + 2);
        const uint8_t *field = extra + 4;
        if (n > len - 4)
            return bad_entry(HOLOG_E_CORRUPT, c, "its extra field is longer than it can be");
        if (hg_get_le16(extra) == 1)
            return take(&field, &n, &c->size) && take(&field, &n, &c->packed) &&
                           take(&field, &n, &c->offset)
                       ? HOLOG_OK
                       : bad_entry(HOLOG_E_CORRUPT, c, "its zip64 field is too short");
        extra += 4 + n;
        len -= 4 + n;
    }
    return HOLOG_OK;
}

/* What is not a file or a directory, where the system that made it says so. */
static int check_kind(const struct central *c, int is_dir)
{
    uint8_t system = c->h[5];
    uint32_t kind = hg_get_le32(c->h + 38) >> 16 & MODE_KIND;

    if (system != IS_UNIX && system != IS_MACOS)
        return HOLOG_OK;
    if (kind == MODE_LINK)
        return bad_entry(HOLOG_E_LOOP, c, "is a symlink, which is not followed");
    if (kind != 0 && kind != (is_dir ? MODE_DIR : MODE_FILE))
        return bad_entry(HOLOG_E_TYPE, c, "is neither a file nor a directory");
    return HOLOG_OK;
}

static int check_name(const struct central *c)
{
    struct hg_zarr_key key;
    struct holog_error_detail why;
    int rc;

    if (c->name_len == 0)
        return bad_entry(HOLOG_E_BADPATH, c, "it has no name");
    if (memchr(c->name, '\\', c->name_len) != NULL)
        return bad_entry(HOLOG_E_BADPATH, c, "its name has a backslash in it: is it a separator?");
    rc = hg_zarr_key_read(c->name, c->name_len, &key);
    if (rc < 0) {
        hg_error_get(&why);
        return bad_entry(rc, c, why.message);
    }
    return HOLOG_OK;
}

static int check_sizes(const struct hg_zip *z, const struct central *c)
{
    uint64_t head = (uint64_t)LOCAL + c->name_len;

    if (c->offset > z->dir_at || z->dir_at - c->offset < head ||
        z->dir_at - c->offset - head < c->packed)
        return bad_entry(HOLOG_E_CORRUPT, c, "it does not fit into the file");
    if (c->method == STORED && c->packed != c->size)
        return bad_entry(HOLOG_E_CORRUPT, c, "it is stored, and has two sizes");
    if (c->method == DEFLATED && c->size / HG_ZIP_RATIO_MAX > c->packed)
        return bad_entry(HOLOG_E_TOOBIG, c, "so many bytes cannot come out of what is there");
    return HOLOG_OK;
}

static int check_entry(const struct hg_zip *z, const struct central *c, int is_dir)
{
    int rc = check_name(c);

    if (rc == HOLOG_OK && (c->flags & ENCRYPTED) != 0)
        rc = bad_entry(HOLOG_E_NOTSUP, c, "is encrypted");
    if (rc == HOLOG_OK && c->method != STORED && c->method != DEFLATED)
        rc = bad_entry(HOLOG_E_NOTSUP, c,
                       "is compressed in another way than deflate: pack it anew, or import the "
                       "directory");
    if (rc == HOLOG_OK && hg_get_le16(c->h + 34) != 0)
        rc = bad_entry(HOLOG_E_NOTSUP, c, "is in another part of the zip file");
    if (rc == HOLOG_OK)
        rc = check_kind(c, is_dir);
    if (rc == HOLOG_OK)
        rc = check_sizes(z, c);
    return rc < 0 || !is_dir || c->size == 0
               ? rc
               : bad_entry(HOLOG_E_CORRUPT, c, "is a directory, and has bytes");
}

/* Directories are there by what is in them. */
static int add_entry(struct hg_zip *z, const struct central *c)
{
    int is_dir = c->name_len > 0 && c->name[c->name_len - 1] == '/';
    int rc = check_entry(z, c, is_dir);

    if (rc < 0 || is_dir)
        return rc;
    z->entries[z->n++] = (struct hg_zip_entry){ .offset = c->offset,
                                                .packed = c->packed,
                                                .size = c->size,
                                                .crc = hg_get_le32(c->h + 16),
                                                .name = (uint32_t)z->names.len,
                                                .name_len = (uint16_t)c->name_len,
                                                .is_deflated = c->method == DEFLATED };
    rc = hg_buf_append(&z->names, c->name, c->name_len);
    return rc < 0 ? rc : hg_buf_append_byte(&z->names, 0);
}

/* ---- the directory -----------------------------------------------------------------------------------*/

/* The header at the begin of so many bytes. *out_size: how many it has; 0: they are not all there. */
static int take_central(struct hg_zip *z, const uint8_t *h, size_t len, size_t *out_size)
{
    struct central c = { .h = h, .name = (const char *)h + CENTRAL };
    size_t extra;
    size_t size;
    int rc;

    *out_size = 0;
    if (len < CENTRAL)
        return HOLOG_OK;
    if (memcmp(h, "PK\1\2", 4) != 0)
        return damaged("its directory has what is no header");
    c.name_len = hg_get_le16(h + 28);
    extra = hg_get_le16(h + 30);
    size = CENTRAL + c.name_len + extra + hg_get_le16(h + 32);
    if (size > len)
        return HOLOG_OK;
    c.flags = hg_get_le16(h + 8);
    c.method = hg_get_le16(h + 10);
    c.packed = hg_get_le32(h + 20);
    c.size = hg_get_le32(h + 24);
    c.offset = hg_get_le32(h + 42);
    rc = read_extra(&c, h + CENTRAL + c.name_len, extra);
    *out_size = size;
    return rc < 0 ? rc : add_entry(z, &c);
}

struct window {
    uint8_t *data;
    size_t at, len; /* of what is there, what is used */
    uint64_t next;  /* offset of what comes behind */
    uint64_t end;
};

/* What is left is moved to the front, and more read behind it. */
static int fill(const struct hg_zip *z, struct window *w)
{
    size_t left = w->len - w->at;
    size_t n = (size_t)HG_MIN(w->end - w->next, (uint64_t)(WINDOW - left));
    int rc;

    memmove(w->data, w->data + w->at, left);
    rc = read_at(z, w->next, w->data + left, n);
    w->at = 0;
    w->len = left + n;
    w->next += n;
    return rc;
}

static int read_headers(struct hg_zip *z, const struct end *e, struct window *w)
{
    int rc = HOLOG_OK;

    for (uint64_t i = 0; rc == HOLOG_OK && i < e->entries; i++) {
        size_t size = 0;
        rc = take_central(z, w->data + w->at, w->len - w->at, &size);
        if (rc == HOLOG_OK && size == 0 && w->next < w->end) {
            rc = fill(z, w);
            if (rc == HOLOG_OK)
                rc = take_central(z, w->data, w->len, &size);
        }
        if (rc == HOLOG_OK && size == 0)
            rc = damaged("its directory is cut short");
        w->at += size;
    }
    if (rc == HOLOG_OK && (w->at < w->len || w->next < w->end))
        rc = damaged("its directory has more in it than it says");
    return rc;
}

static int read_directory(struct hg_zip *z, const struct end *e)
{
    struct window w = { .next = e->dir_at, .end = e->dir_at + e->dir_size };
    int rc = HOLOG_OK;

    z->dir_at = e->dir_at;
    w.data = hg_malloc(WINDOW);
    z->entries = hg_malloc(((size_t)e->entries + 1) * sizeof *z->entries);
    if (w.data == NULL || z->entries == NULL)
        rc =
            hg_error(HOLOG_E_NOMEM, "no memory for a directory of %" PRIu64 " entries", e->entries);
    if (rc == HOLOG_OK)
        rc = read_headers(z, e, &w);
    hg_free(w.data);
    return rc;
}

/* ---- all of them -------------------------------------------------------------------------------------*/

static const char *name_of(const struct hg_zip *z, const struct hg_zip_entry *e)
{
    return (const char *)z->names.data + e->name;
}

/* '/' before all else: "a/b" comes directly behind "a", before "a.b". */
static int compare_names(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    if (*a == 0 || *b == 0)
        return (*a != 0) - (*b != 0);
    if (*a == '/' || *b == '/')
        return *a == '/' ? -1 : 1;
    return (uint8_t)*a < (uint8_t)*b ? -1 : 1;
}

static int compare(const void *a, const void *b, void *ctx)
{
    return compare_names(name_of(ctx, a), name_of(ctx, b));
}

static int is_below(const char *name, const char *dir, size_t len)
{
    return strncmp(name, dir, len) == 0 && name[len] == '/';
}

static int check_all(const struct hg_zip *z)
{
    uint64_t packed = 0;

    for (size_t i = 0; i < z->n; i++) {
        const struct hg_zip_entry *e = &z->entries[i];
        const char *name = name_of(z, e);
        packed += e->packed; /* each is below the size of the file, and there are 2^24 at most */
        if (i + 1 == z->n)
            break;
        if (strcmp(name, name_of(z, e + 1)) == 0)
            return hg_error(HOLOG_E_CORRUPT,
                            "entry \"%.80s\": is there twice, and which one counts nobody "
                            "can tell: unpack it, and import the directory",
                            name);
        if (is_below(name_of(z, e + 1), name, e->name_len))
            return hg_error(HOLOG_E_CORRUPT,
                            "entry \"%.80s\": is a file, and \"%.80s\" is to be in it", name,
                            name_of(z, e + 1));
    }
    return packed <= z->dir_at
               ? HOLOG_OK
               : damaged("entries overlap: they have more bytes in it than there are");
}

int hg_zip_open(struct hg_zip *z, const struct hg_zip_source *source)
{
    struct end e = { 0 };
    int rc;

    memset(z, 0, sizeof *z);
    z->source = *source;
    hg_crc32_prepare(&z->crc);
    rc = read_end(z, &e);
    if (rc == HOLOG_OK)
        rc = check_end(&e);
    if (rc == HOLOG_OK)
        rc = read_directory(z, &e);
    if (rc < 0)
        return rc;
    if (z->n > 1)
        qsort_r(z->entries, z->n, sizeof z->entries[0], compare, z);
    return check_all(z);
}

void hg_zip_close(struct hg_zip *z)
{
    hg_free(z->entries);
    hg_buf_release(&z->names);
    z->entries = NULL;
    z->n = 0;
}

/* ---- names -------------------------------------------------------------------------------------------*/

/* The first entry whose name is not below this one. */
static size_t find_from(const struct hg_zip *z, const char *name)
{
    size_t low = 0;
    size_t high = z->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_names(name_of(z, &z->entries[mid]), name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct hg_zip_entry *hg_zip_find(const struct hg_zip *z, const char *name)
{
    size_t at = find_from(z, name);

    return at < z->n && strcmp(name_of(z, &z->entries[at]), name) == 0 ? &z->entries[at] : NULL;
}

/* The first from `at` on that is not below the directory of len bytes, all of which begin as `name` does. */
static size_t skip_below(const struct hg_zip *z, const char *name, size_t len, size_t at)
{
    size_t low = at;
    size_t high = z->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (is_below(name_of(z, &z->entries[mid]), name, len))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int hg_zip_list(const struct hg_zip *z, const char *dir,
                int (*each)(void *ctx, const char *name, int is_dir, uint64_t size), void *ctx)
{
    char name[HG_NAME_MAX + 1];
    size_t len = strlen(dir);
    size_t at = len > 0 ? find_from(z, dir) : 0;
    int stop = 0;

    while (stop == 0 && at < z->n) {
        const struct hg_zip_entry *e = &z->entries[at];
        const char *rest = name_of(z, e);
        size_t n;
        if (len > 0 && !is_below(rest, dir, len))
            break;
        rest += len > 0 ? len + 1 : 0;
        n = strcspn(rest, "/");
        HG_ASSERT(n <= HG_NAME_MAX); /* check_name */
        memcpy(name, rest, n);
        name[n] = 0;
        stop = each(ctx, name, rest[n] == '/', rest[n] == '/' ? 0 : e->size);
        at = rest[n] == '/' ? skip_below(z, name_of(z, e), (size_t)(rest - name_of(z, e)) + n, at)
                            : at + 1;
    }
    return HG_MIN(stop, 0);
}

/* ---- bytes -------------------------------------------------------------------------------------------*/

static int bad_data(const struct hg_zip *z, const struct hg_zip_entry *e, int code, const char *why)
{
    return hg_error(code, "entry \"%.80s\": %s", name_of(z, e), why);
}

/* Where its data begin. */
static int read_local(const struct hg_zip *z, const struct hg_zip_entry *e, uint64_t *out_at)
{
    uint8_t h[LOCAL];
    char name[HG_ZARR_KEY_MAX + 1];
    uint64_t at = e->offset + LOCAL + e->name_len;
    int rc = read_at(z, e->offset, h, sizeof h);

    if (rc == HOLOG_OK)
        rc = read_at(z, e->offset + LOCAL, name, e->name_len);
    if (rc < 0)
        return rc;
    if (memcmp(h, "PK\3\4", 4) != 0 || hg_get_le16(h + 26) != e->name_len ||
        memcmp(name, name_of(z, e), e->name_len) != 0 ||
        (hg_get_le16(h + 8) == DEFLATED) != e->is_deflated || (hg_get_le16(h + 6) & ENCRYPTED) != 0)
        return bad_data(z, e, HOLOG_E_CORRUPT, "the directory says other things than its header");
    at += hg_get_le16(h + 28);
    if (at > z->dir_at || z->dir_at - at < e->packed)
        return bad_data(z, e, HOLOG_E_CORRUPT, "it does not fit into the file");
    *out_at = at;
    return HOLOG_OK;
}

static int inflate(const struct hg_zip *z, const struct hg_zip_entry *e, uint64_t at, uint8_t *out)
{
    uint8_t *packed = hg_malloc((size_t)e->packed + 1);
    struct holog_error_detail why;
    int rc = packed == NULL
                 ? hg_error(HOLOG_E_NOMEM, "no memory for an entry of %" PRIu64 " bytes", e->packed)
                 : read_at(z, at, packed, (size_t)e->packed);

    if (rc == HOLOG_OK) {
        rc = hg_gzip_inflate(packed, (size_t)e->packed, out, (size_t)e->size);
        if (rc < 0) {
            hg_error_get(&why);
            (void)bad_data(z, e, rc, why.message);
        }
    }
    hg_free(packed);
    return rc;
}

int hg_zip_read(const struct hg_zip *z, const struct hg_zip_entry *entry, uint64_t max,
                struct hg_buf *out)
{
    uint64_t at = 0;
    uint8_t *to;
    int rc;

    if (entry->size > max)
        return hg_error(HOLOG_E_TOOBIG,
                        "entry \"%.80s\": has %" PRIu64 " bytes; at most %" PRIu64 " are taken",
                        name_of(z, entry), entry->size, max);
    rc = read_local(z, entry, &at);
    if (rc == HOLOG_OK)
        rc = hg_buf_reserve(out, (size_t)entry->size + 1);
    if (rc < 0)
        return rc;
    to = out->data + out->len;
    rc = entry->is_deflated ? inflate(z, entry, at, to) : read_at(z, at, to, (size_t)entry->size);
    if (rc == HOLOG_OK && !ANY_CRC && hg_crc32(&z->crc, to, (size_t)entry->size) != entry->crc)
        rc = bad_data(z, entry, HOLOG_E_CORRUPT, "its checksum is another one");
    if (rc == HOLOG_OK)
        out->len += (size_t)entry->size;
    return rc;
}
