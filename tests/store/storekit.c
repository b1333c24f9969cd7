/*
 * See storekit.h.
 */
#include "storekit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

void store_ok(int line, int rc)
{
    struct holog_error_detail d;

    if (rc == HOLOG_OK)
        return;
    holog_last_error(&d);
    cr_assert_fail("line %d: %s: %s", line, holog_error_name(rc), d.message);
}

void store_fails(int line, int code, int rc, const char *words)
{
    struct holog_error_detail d;

    holog_last_error(&d);
    cr_assert_eq(rc, code, "line %d: %s (%s), not %s", line, holog_error_name(rc),
                 rc < 0 ? d.message : "", holog_error_name(code));
    cr_assert_eq(d.code, code, "line %d: the detail says %s, the call %s", line,
                 holog_error_name(d.code), holog_error_name(code));
    cr_assert_neq(d.message[0], 0, "line %d: no message", line);
    if (words != NULL)
        cr_assert(strstr(d.message, words) != NULL || strstr(d.path, words) != NULL,
                  "line %d: neither \"%s\" nor \"%s\" names %s", line, d.message, d.path, words);
}

int test_level(void)
{
    const char *l = getenv("HOLOG_TEST_LEVEL");

    if (l == NULL || strcmp(l, "quick") == 0)
        return 0;
    return strcmp(l, "full") == 0 ? 2 : 1;
}

uint64_t test_seed(void)
{
    const char *s = getenv("HOLOG_TEST_SEED");
    return s == NULL ? 20261121 : strtoull(s, NULL, 0);
}

/* ---- directories ----------------------------------------------------------------------------------*/

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* what stays is in TMPDIR */
}

void *file_read(const char *dir, const char *name, size_t *out_len)
{
    char path[512];
    struct stat st;
    uint8_t *data;
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(fstat(fd, &st), 0);
    data = malloc((size_t)st.st_size + 1);
    cr_assert_not_null(data);
    cr_assert_eq(pread(fd, data, (size_t)st.st_size, 0), st.st_size, "%s", path);
    (void)close(fd);
    *out_len = (size_t)st.st_size;
    return data;
}

void file_write(const char *dir, const char *name, const void *data, size_t len)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0, "%s", path);
    cr_assert_eq(write(fd, data, len), (ssize_t)len, "%s", path);
    (void)close(fd);
}

/* ---- boxes ----------------------------------------------------------------------------------------*/

void box_make(struct box *b)
{
    const char *tmp = getenv("TMPDIR");

    memset(b, 0, sizeof *b);
    (void)snprintf(b->dir, sizeof b->dir, "%s/holog-store-XXXXXX", tmp != NULL ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(b->dir));
    holog_options_init(&b->opts);
    b->opts.segment_size_max = 256 << 10;
    b->opts.extent_segment_size_max = 1 << 20;
    b->opts.budget_bytes = 32 << 20;
    b->opts.lock_wait_ms = 20;
}

void box_open(struct box *b)
{
    OK(holog_open(b->dir, &b->opts, &b->store));
}

void box_begin(struct box *b)
{
    box_make(b);
    box_open(b);
}

void box_reopen(struct box *b)
{
    int rc = holog_close(b->store);

    b->store = NULL;
    OK(rc);
    box_open(b);
}

void box_end(struct box *b)
{
    int rc = holog_close(b->store);

    b->store = NULL;
    remove_tree(b->dir);
    OK(rc);
}

/* ---- what is there --------------------------------------------------------------------------------*/

static void describe(holog_store *s, holog_view *view, const holog_entry *e, FILE *out)
{
    char target[HOLOG_PATH_MAX + 1];
    uint64_t hash = 0;

    if (e->type == HOLOG_BLOB) {
        holog_value *v = NULL;
        OK(holog_view_load(view, e->path, &v));
        cr_assert_eq(holog_value_size(v), e->size_bytes, "%s", e->path);
        hash = hg_hash64(holog_value_data(v), holog_value_size(v));
        holog_value_release(v);
    }
    if (e->type == HOLOG_SYMLINK)
        OK(holog_readlink(s, e->path, target, sizeof target));
    (void)fprintf(out, "%s type %u size %llu number %llu hash %016llx%s%s\n", e->path, e->type,
                  (unsigned long long)e->size_bytes, (unsigned long long)e->number,
                  (unsigned long long)hash, e->type == HOLOG_SYMLINK ? " -> " : "",
                  e->type == HOLOG_SYMLINK ? target : "");
}

char *store_text(holog_store *s)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    holog_view *view = NULL;
    holog_cursor *c = NULL;
    const holog_entry *e;
    uint64_t hash = 0;
    int rc;

    cr_assert_not_null(out);
    OK(holog_view_open(s, &view));
    OK(holog_view_list(view, "/", HOLOG_LIST_RECURSIVE, NULL, NULL, &c));
    while ((rc = holog_cursor_next(c, &e)) == HOLOG_OK)
        describe(s, view, e, out);
    cr_assert_eq(rc, HOLOG_E_NOENT);
    OK(holog_state_hash(view, &hash));
    (void)fprintf(out, "commit %llu state %016llx\n", (unsigned long long)holog_view_number(view),
                  (unsigned long long)hash);
    holog_cursor_close(c);
    holog_view_close(view);
    (void)fclose(out);
    return text;
}

static int tell_damage(void *ctx, const holog_damage *d)
{
    (void)ctx;
    (void)fprintf(stderr, "%s %s at %llu: %s\n", d->harmless ? "harmless:" : "damage:", d->file,
                  (unsigned long long)d->offset, d->message);
    return 0;
}

void box_same_after_reopen(struct box *b)
{
    char *before = store_text(b->store);
    char *after;
    int rc = holog_close(b->store);

    b->store = NULL;
    OK(rc);
    OK(holog_verify(b->dir, 0, tell_damage, NULL, NULL, NULL));
    box_open(b);
    after = store_text(b->store);
    cr_assert_str_eq(after, before);
    free(before);
    free(after);
}

int save_seed(holog_store *s, const char *path, size_t len, uint64_t seed, unsigned flags)
{
    uint8_t *data = malloc(len + 1);
    int rc;

    cr_assert_not_null(data);
    value_fill(data, len, seed);
    rc = holog_save(s, path, data, len, flags, NULL);
    free(data);
    return rc;
}

void has_seed(holog_store *s, const char *path, size_t len, uint64_t seed)
{
    uint8_t *want = malloc(len + 1);
    holog_value *v = NULL;

    cr_assert_not_null(want);
    value_fill(want, len, seed);
    OK(holog_load(s, path, &v));
    cr_assert_eq(holog_value_size(v), len, "%s", path);
    cr_assert_eq(memcmp(holog_value_data(v), want, len), 0, "%s has wrong bytes", path);
    holog_value_release(v);
    free(want);
}

int save_text(holog_store *s, const char *path, const char *text, unsigned flags)
{
    return holog_save(s, path, text, strlen(text), flags, NULL);
}

void has_text(holog_store *s, const char *path, const char *text)
{
    holog_value *v = NULL;

    OK(holog_load(s, path, &v));
    cr_assert_eq(holog_value_size(v), strlen(text), "%s", path);
    cr_assert_eq(memcmp(holog_value_data(v), text, strlen(text)), 0, "%s has wrong bytes", path);
    holog_value_release(v);
}

enum holog_type type_of(holog_store *s, const char *path)
{
    holog_stat_info info = { .struct_size = sizeof info };

    OK(holog_stat(s, path, &info));
    return (enum holog_type)info.type;
}
