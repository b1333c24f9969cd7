/*
 * Zip files, read; see zip.h. Whoever made one may have meant harm: names lead nowhere but down, and sizes are
 * bounded by the file before they are used. What entries have in the file adds up to less than the file, so that
 * all of them together cannot be more than HG_ZIP_RATIO_MAX times as much.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/zarr/key.h"
#include "backends/zarr/zip.h"
#include "base/alloc.h"
#include "base/error.h"
#include "io/plugin.h"

#define STORED    0
#define DEFLATED  8
#define MODE_KIND 0170000u
#define MODE_LINK 0120000u
#define MODE_FILE 0100000u
#define MODE_DIR  0040000u
#define SHOWN     80 /* bytes of a name in a message */

static int bad_entry(int code, const char *name, const char *why)
{
    char shown[SHOWN + 1];
    size_t len = strnlen(name, SHOWN);

    memset(shown, '?', len);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)name[i] >= 0x20 && name[i] != 0x7f)
            shown[i] = name[i];
    shown[len] = 0;
    return hg_error(code, "entry \"%s\": %s", shown, why);
}

/* ---- one entry ---------------------------------------------------------------------------------------*/

static int check_name(const char *name, size_t len)
{
    struct hg_zarr_key key;
    struct holog_error_detail why;
    int rc;

    if (len == 0)
        return bad_entry(HOLOG_E_BADPATH, name, "it has no name");
    if (memchr(name, '\\', len) != NULL)
        return bad_entry(HOLOG_E_BADPATH, name,
                         "its name has a backslash in it: is it a separator?");
    rc = hg_zarr_key_read(name, len, &key);
    if (rc < 0) {
        hg_error_get(&why);
        return bad_entry(rc, name, why.message);
    }
    return HOLOG_OK;
}

/* What is not a file or a directory, where the system that made it says so. */
static int check_kind(const struct hg_zip_about *a, int is_dir)
{
    uint32_t kind = a->mode & MODE_KIND;

    if (kind == MODE_LINK)
        return bad_entry(HOLOG_E_LOOP, a->name, "is a symlink, which is not followed");
    if (kind != 0 && kind != (is_dir ? MODE_DIR : MODE_FILE))
        return bad_entry(HOLOG_E_TYPE, a->name, "is neither a file nor a directory");
    return is_dir && a->size > 0
               ? bad_entry(HOLOG_E_CORRUPT, a->name, "is a directory, and has bytes")
               : HOLOG_OK;
}

static int check_packing(const struct hg_zip_about *a)
{
    if (a->is_encrypted)
        return bad_entry(HOLOG_E_NOTSUP, a->name, "is encrypted");
    if (a->method != STORED && a->method != DEFLATED)
        return bad_entry(HOLOG_E_NOTSUP, a->name,
                         "is compressed in another way than deflate: pack it anew, or import the "
                         "directory");
    if (a->method == STORED && a->packed != a->size)
        return bad_entry(HOLOG_E_CORRUPT, a->name, "it is stored, and has two sizes");
    if (a->method == DEFLATED && a->size / HG_ZIP_RATIO_MAX > a->packed)
        return bad_entry(HOLOG_E_TOOBIG, a->name, "so many bytes cannot come out of what is there");
    return HOLOG_OK;
}

/* Directories are there by what is in them. *io_left: bytes of the file that are no other entry's. */
static int add_entry(struct hg_zip *z, uint32_t index, uint64_t *io_left)
{
    struct hg_zip_about a = { 0 };
    char why[HG_PLUGIN_WHY] = "";
    int rc = z->plugin->describe(z->archive, index, &a, why);
    size_t len = rc < 0 ? 0 : strlen(a.name);
    int is_dir = len > 0 && a.name[len - 1] == '/';

    if (rc < 0)
        return hg_error(rc, "entry %" PRIu32 ": %s", index, why);
    rc = check_name(a.name, len);
    if (rc == HOLOG_OK)
        rc = check_packing(&a);
    if (rc == HOLOG_OK)
        rc = check_kind(&a, is_dir);
    if (rc == HOLOG_OK && a.packed > *io_left)
        rc = bad_entry(HOLOG_E_CORRUPT, a.name,
                       "it does not fit into the file, or has bytes of another");
    if (rc < 0)
        return rc;
    *io_left -= a.packed;
    if (!is_dir)
        z->entries[z->n++] = (struct hg_zip_entry){ .name = a.name,
                                                    .size = a.size,
                                                    .packed = a.packed,
                                                    .index = index,
                                                    .name_len = (uint16_t)len,
                                                    .is_deflated = a.method == DEFLATED };
    return HOLOG_OK;
}

/* ---- all of them -------------------------------------------------------------------------------------*/

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

static int compare(const void *a, const void *b)
{
    const struct hg_zip_entry *one = a;
    const struct hg_zip_entry *other = b;
    int order = compare_names(one->name, other->name);

    return order != 0 ? order : (one->index > other->index) - (one->index < other->index);
}

static int is_below(const char *name, const char *dir, size_t len)
{
    return strncmp(name, dir, len) == 0 && name[len] == '/';
}

/* Of those of one name the last stays. */
static void drop_copies(struct hg_zip *z)
{
    size_t kept = 0;

    for (size_t i = 0; i < z->n; i++) {
        struct hg_zip_entry e = z->entries[i];
        if (kept > 0 && strcmp(z->entries[kept - 1].name, e.name) == 0)
            e.copies = z->entries[--kept].copies + 1;
        z->entries[kept++] = e;
    }
    z->n = kept;
}

static int check_all(const struct hg_zip *z)
{
    for (size_t i = 0; i + 1 < z->n; i++) {
        const struct hg_zip_entry *e = &z->entries[i];
        if (is_below(e[1].name, e->name, e->name_len))
            return hg_error(HOLOG_E_CORRUPT,
                            "entry \"%.80s\": is a file, and \"%.80s\" is to be in it", e->name,
                            e[1].name);
    }
    return HOLOG_OK;
}

static int read_entries(struct hg_zip *z, uint64_t n, uint64_t file_size)
{
    int rc = HOLOG_OK;

    if (n > HG_ZIP_ENTRIES_MAX)
        return hg_error(HOLOG_E_TOOBIG,
                        "the zip file has %" PRIu64 " entries; at most %" PRIu64
                        " are read: unpack it, and import the directory",
                        n, HG_ZIP_ENTRIES_MAX);
    z->entries = hg_malloc(((size_t)n + 1) * sizeof *z->entries);
    if (z->entries == NULL)
        return hg_error(HOLOG_E_NOMEM, "no memory for a directory of %" PRIu64 " entries", n);
    for (uint32_t i = 0; rc == HOLOG_OK && i < n; i++)
        rc = add_entry(z, i, &file_size);
    return rc;
}

int hg_zip_open_by(struct hg_zip *z, const struct hg_plugin_zip *plugin,
                   const struct hg_zip_from *from)
{
    char why[HG_PLUGIN_WHY] = "";
    uint64_t n = 0;
    int rc;

    *z = (struct hg_zip){ .plugin = plugin };
    rc = plugin->open(from, HG_ZIP_ENTRIES_MAX, HG_ZIP_DIR_MAX, &z->archive, &n, why);
    if (rc < 0)
        return why[0] != 0 ? hg_error(rc, "%s", why) : rc; /* else from->read has told it */
    rc = read_entries(z, n, from->size);
    if (rc < 0)
        return rc;
    qsort(z->entries, z->n, sizeof z->entries[0], compare);
    drop_copies(z);
    return check_all(z);
}

int hg_zip_open(struct hg_zip *z, const struct hg_zip_from *from)
{
    const struct hg_plugin_zip *plugin = NULL;
    int rc = hg_plugin_zip(&plugin);

    *z = (struct hg_zip){ .plugin = plugin };
    return rc < 0 ? rc : hg_zip_open_by(z, plugin, from);
}

void hg_zip_close(struct hg_zip *z)
{
    if (z->archive != NULL)
        z->plugin->close(z->archive);
    hg_free(z->entries);
    z->archive = NULL;
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
        if (compare_names(z->entries[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct hg_zip_entry *hg_zip_find(const struct hg_zip *z, const char *name)
{
    size_t at = find_from(z, name);

    return at < z->n && strcmp(z->entries[at].name, name) == 0 ? &z->entries[at] : NULL;
}

/* The first from `at` on that is not below the directory of len bytes, all of which begin as `name` does. */
static size_t skip_below(const struct hg_zip *z, const char *name, size_t len, size_t at)
{
    size_t low = at;
    size_t high = z->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (is_below(z->entries[mid].name, name, len))
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
        const char *rest = e->name;
        size_t n;
        if (len > 0 && !is_below(rest, dir, len))
            break;
        rest += len > 0 ? len + 1 : 0;
        n = strcspn(rest, "/");
        HG_ASSERT(n <= HG_NAME_MAX); /* check_name */
        memcpy(name, rest, n);
        name[n] = 0;
        stop = each(ctx, name, rest[n] == '/', rest[n] == '/' ? 0 : e->size);
        at = rest[n] == '/' ? skip_below(z, e->name, (size_t)(rest - e->name) + n, at) : at + 1;
    }
    return HG_MIN(stop, 0);
}

/* ---- bytes -------------------------------------------------------------------------------------------*/

int hg_zip_read(const struct hg_zip *z, const struct hg_zip_entry *entry, uint64_t max,
                struct hg_buf *out)
{
    char why[HG_PLUGIN_WHY] = "";
    int rc;

    if (entry->size > max)
        return hg_error(HOLOG_E_TOOBIG,
                        "entry \"%.80s\": has %" PRIu64 " bytes; at most %" PRIu64 " are taken",
                        entry->name, entry->size, max);
    rc = hg_buf_reserve(out, (size_t)entry->size + 1);
    if (rc < 0)
        return rc;
    rc = z->plugin->read(z->archive, entry->index, out->data + out->len, (size_t)entry->size, why);
    if (rc < 0)
        return why[0] != 0 ? bad_entry(rc, entry->name, why) : rc;
    out->len += (size_t)entry->size;
    return HOLOG_OK;
}
