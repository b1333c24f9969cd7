/* Chunks that zarr-python wrote are read as it meant them: golden/make.py says what they are. */
#include "chainkit.h"

static uint8_t *file_of(const char *name, const char *part, size_t *out_len)
{
    char path[4096];
    uint8_t *data = malloc(65536);

    (void)snprintf(path, sizeof path, "%s/%s/%s", HOLOG_GOLDEN_DIR, name, part);
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL && data != NULL, "%s", path);
    *out_len = fread(data, 1, 65536, f);
    (void)fclose(f);
    return data;
}

/* NULL: it cannot be run, as it must be. */
static struct hg_chain *chain_of(const char *name, int code)
{
    size_t len;
    uint8_t *json = file_of(name, "document", &len);
    struct hg_chain *c = NULL;
    struct hg_document d;
    int rc = hg_document_read(json, len, &d);

    hg_error_get(&error);
    cr_assert_eq(rc, HOLOG_OK, "%s: %s", name, error.message);
    rc = hg_chain_create(&d, &c);
    hg_error_get(&error);
    cr_assert_eq(rc, code, "%s: %s", name, error.message);
    hg_document_release(&d);
    free(json);
    return c;
}

static void reads(const char *name)
{
    struct hg_chain *c = chain_of(name, HOLOG_OK);
    size_t len;
    size_t raw_len;
    uint8_t *stored = file_of(name, "chunk", &len);
    uint8_t *raw = file_of(name, "raw", &raw_len);
    uint8_t *back = malloc(raw_len);
    int rc;

    cr_assert_eq(hg_chain_raw_bytes(c), raw_len, "%s", name);
    rc = hg_chain_decode(c, stored, len, back);
    hg_error_get(&error);
    cr_assert_eq(rc, HOLOG_OK, "%s: %s", name, error.message);
    cr_assert_eq(memcmp(back, raw, raw_len), 0, "%s", name);
    if (strncmp(name, "blosc", 5) != 0)
        round_trip(c, raw, name);
    hg_chain_destroy(c);
    free(stored);
    free(raw);
    free(back);
}

Test(golden, chunks_of_zarr_python_are_read)
{
    reads("plain");
    reads("single");
    reads("zstd_checked");
    reads("turned");
    reads("turned_twice");
    reads("blosc_bits");
    reads("blosc_zstd");
    reads("shuffled_lz4");
}

Test(golden, shards_of_zarr_python_are_read)
{
    reads("shard");
    reads("shard_start");
    reads("shard_nested");
    reads("shard_turned");
    reads("shard_index_big");
}

#if HOLOG_HAVE_GZIP
Test(golden, what_needs_a_plugin_is_read_with_it)
{
    reads("gzip");
}
#endif

Test(golden, what_needs_a_plugin_says_so_without_it)
{
    cr_assert_eq(setenv("HOLOG_PLUGIN_PATH", "/nowhere", 1), 0);
    cr_assert_null(chain_of("gzip", HOLOG_E_NOTSUP));
    cr_assert_not_null(strstr(error.message, "plug-in holog-gzip.so"));
}

/* Where there is one way only to write it, it is the same. */
Test(golden, what_has_one_form_is_written_as_zarr_python_does)
{
    static const char *const names[] = { "plain", "turned", "shuffled_lz4" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct hg_chain *c = chain_of(names[i], HOLOG_OK);
        size_t len;
        size_t raw_len;
        uint8_t *stored = file_of(names[i], "chunk", &len);
        uint8_t *raw = file_of(names[i], "raw", &raw_len);
        struct hg_buf b = { 0 };
        cr_assert_eq(hg_chain_encode(c, raw, &b), HOLOG_OK);
        cr_assert(b.len == len && memcmp(b.data, stored, len) == 0, "%s", names[i]);
        hg_buf_release(&b);
        hg_chain_destroy(c);
        free(stored);
        free(raw);
    }
}
