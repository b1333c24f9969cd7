/* A zip file from anybody: refused with a message, or all its entries are in it, have names that lead nowhere else,
 * are listed once each, and are read or refused with a message. The plug-in is linked, and libzip as it is. */
#include <string.h>

#include "backends/zarr/key.h"
#include "backends/zarr/zip.h"
#include "base/error.h"
#include "fuzz.h"

#define ENTRY_MAX (1u << 20)

const struct hg_plugin_zip *holog_plugin_zip(void);

struct bytes {
    const uint8_t *data;
    size_t len;
};

static int read_at(void *ctx, uint64_t offset, void *out, size_t len)
{
    const struct bytes *b = ctx;

    FUZZ_CHECK(offset <= b->len && len <= b->len - offset);
    if (len > 0)
        memcpy(out, b->data + offset, len);
    return HOLOG_OK;
}

static void check_message(int rc)
{
    struct holog_error_detail error;

    hg_error_get(&error);
    FUZZ_CHECK(rc == HOLOG_OK || (error.code == rc && error.message[0] != 0));
}

/* Files below a directory, all levels. */
struct walk {
    const struct hg_zip *zip;
    char dir[HG_ZARR_KEY_MAX + 300];
    size_t files;
};

static int walk_one(void *ctx, const char *name, int is_dir, uint64_t size)
{
    struct walk *w = ctx;
    size_t len = strlen(w->dir);

    FUZZ_CHECK(len + strlen(name) + 2 < sizeof w->dir);
    (void)snprintf(w->dir + len, sizeof w->dir - len, "%s%s", len > 0 ? "/" : "", name);
    if (is_dir) {
        FUZZ_CHECK(hg_zip_find(w->zip, w->dir) == NULL);
        FUZZ_CHECK(hg_zip_list(w->zip, w->dir, walk_one, w) == HOLOG_OK);
    } else {
        const struct hg_zip_entry *e = hg_zip_find(w->zip, w->dir);
        FUZZ_CHECK(e != NULL && e->size == size);
        w->files++;
    }
    w->dir[len] = 0;
    return 0;
}

static void check_entries(const struct hg_zip *z)
{
    struct walk w = { .zip = z };

    for (size_t i = 0; i < z->n; i++) {
        const struct hg_zip_entry *e = &z->entries[i];
        const char *name = e->name;
        struct hg_zarr_key key;
        struct hg_buf b = { 0 };
        FUZZ_CHECK(strlen(name) == e->name_len);
        FUZZ_CHECK(hg_zarr_key_read(name, e->name_len, &key) == HOLOG_OK && !key.is_prefix);
        hg_error_clear();
        int rc = hg_zip_read(z, e, ENTRY_MAX, &b);
        check_message(rc);
        FUZZ_CHECK(b.len == (rc == HOLOG_OK ? e->size : 0));
        hg_buf_release(&b);
    }
    FUZZ_CHECK(hg_zip_list(z, "", walk_one, &w) == HOLOG_OK);
    FUZZ_CHECK(w.files == z->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = { data, size };
    struct hg_zip_from from = { read_at, &b, size };
    struct hg_zip z;

    hg_error_clear();
    int rc = hg_zip_open_by(&z, holog_plugin_zip(), &from);
    check_message(rc);
    if (rc == HOLOG_OK)
        check_entries(&z);
    hg_zip_close(&z);
    return 0;
}
