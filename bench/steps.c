/*
 * What several workloads do: sessions, bulk loads, stores that are kept; see bench.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench.h"

int bench_fresh(struct bench *b, const struct bench_engine *e, char *out_dir)
{
    if (bench_path(out_dir, "%s/%s", b->dir, e->name) != 0 || bench_make_fresh_dir(out_dir) != 0)
        return -1;
    return bench_settle(b->dir);
}

int bench_session_open(struct bench_session *s, const struct bench_engine *e, const char *dir,
                       const struct bench_how *how, enum bench_worker_kind kind)
{
    memset(s, 0, sizeof *s);
    s->engine = e;
    (void)snprintf(s->dir, sizeof s->dir, "%s", dir);
    if (e->open(dir, how, &s->db) != 0) {
        s->db = NULL;
        return -1;
    }
    if (e->worker_open(s->db, kind, &s->worker) != 0) {
        (void)e->close(s->db); /* the first cause is kept */
        s->db = NULL;
        return -1;
    }
    return 0;
}

int bench_session_close(struct bench_session *s, int rc)
{
    if (s->worker != NULL)
        s->engine->worker_close(s->worker);
    if (s->db != NULL && s->engine->close(s->db) != 0 && rc == 0)
        rc = -1;
    s->worker = NULL;
    s->db = NULL;
    return rc;
}

int bench_session_discard(struct bench_session *s, int rc)
{
    rc = bench_session_close(s, rc);
    int removed = bench_remove_tree(s->dir);
    return rc != 0 ? rc : removed;
}

int bench_load_small(struct bench_session *s, const uint32_t *order, uint32_t count,
                     size_t len_bytes, uint64_t *out_ns)
{
    struct bench_item items[BENCH_BATCH];
    const char *keys = bench_keys(count);
    uint64_t spent = 0;

    for (uint32_t at = 0; at < count && !bench_stopped();) {
        uint32_t n = count - at < BENCH_BATCH ? count - at : BENCH_BATCH;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t index = order != NULL ? order[at + i] : at + i;
            items[i] = (struct bench_item){ .key = keys + (size_t)index * BENCH_KEY_MAX,
                                            .data = bench_value(index, len_bytes),
                                            .len_bytes = len_bytes };
        }
        uint64_t start = bench_now_ns();
        if (s->engine->put_batch(s->worker, items, n) != 0)
            return -1;
        spent += bench_now_ns() - start;
        at += n;
    }
    if (out_ns != NULL)
        *out_ns = spent;
    return bench_stopped() ? bench_fail("stopped") : 0;
}

void bench_image_key(uint32_t index, char *out)
{
    (void)snprintf(out, BENCH_KEY_MAX, "images/%05u.tif", index);
}

double bench_live_bytes(uint32_t count, size_t len_bytes)
{
    return (double)count * ((double)strlen(bench_keys(1)) + (double)len_bytes);
}

/* ---- kept stores ---- */

static int kept_dir(struct bench *b, const struct bench_engine *e, const char *kind, char *out_dir,
                    int *out_made)
{
    struct stat st;
    char parent[BENCH_PATH_MAX];

    if (bench_path(parent, "%s/kept", b->dir) != 0 || bench_make_dir(parent) != 0 ||
        bench_path(out_dir, "%s/%s-%s", parent, e->name, kind) != 0)
        return -1;
    *out_made = stat(out_dir, &st) == 0;
    return 0;
}

/*
 * Closes, opens and closes a new store: LevelDB and RocksDB move what is still in their log into
 * tables when they open, and later readers of the store shall not find it in memory. A store half
 * made because its engine failed would be taken for a whole one: it goes.
 */
static int finish_kept(struct bench_session *s, int rc)
{
    struct bench_how how = { .flags = 0 };
    struct bench_session again;

    rc = bench_session_close(s, rc);
    if (rc == 0) {
        rc = bench_session_open(&again, s->engine, s->dir, &how, BENCH_READER);
        rc = bench_session_close(&again, rc);
    }
    if (rc != 0)
        (void)bench_remove_tree(s->dir);
    return rc;
}

int bench_kept_small(struct bench *b, const struct bench_engine *e, char *out_dir)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY };
    struct bench_session s;
    int made = 0;

    if (kept_dir(b, e, "small", out_dir, &made) != 0)
        return -1;
    if (made)
        return 0;
    if (bench_make_fresh_dir(out_dir) != 0)
        return -1;
    if (bench_session_open(&s, e, out_dir, &how, BENCH_WRITER) != 0)
        return finish_kept(&s, -1);
    uint32_t *order = bench_shuffle(b->scale->keys, 1);
    int rc = bench_load_small(&s, order, b->scale->keys, BENCH_SMALL_LEN, NULL);
    free(order);
    if (rc == 0)
        rc = e->sync(s.db);
    return finish_kept(&s, rc);
}

int bench_keep_small(struct bench *b, const struct bench_engine *e, const char *dir)
{
    char kept[BENCH_PATH_MAX];
    int made = 0;

    if (kept_dir(b, e, "small", kept, &made) != 0)
        return -1;
    if (made)
        return bench_remove_tree(dir);
    return rename(dir, kept) == 0 ? 0 : bench_fail("cannot rename %s", dir);
}

static int put_images(struct bench_session *s, uint32_t count)
{
    char key[BENCH_KEY_MAX];

    for (uint32_t i = 0; i < count && !bench_stopped(); i++) {
        struct bench_item item = { .key = key,
                                   .data = bench_value(i, BENCH_IMAGE_LEN),
                                   .len_bytes = BENCH_IMAGE_LEN };
        bench_image_key(i, key);
        if (s->engine->put(s->worker, &item) != 0)
            return -1;
    }
    return s->engine->sync(s->db);
}

int bench_kept_images(struct bench *b, const struct bench_engine *e, char *out_dir)
{
    struct bench_how how = { .flags = BENCH_OPEN_LAZY | BENCH_OPEN_LARGE };
    struct bench_session s;
    int made = 0;

    if (kept_dir(b, e, "images", out_dir, &made) != 0)
        return -1;
    if (made)
        return 0;
    if (bench_make_fresh_dir(out_dir) != 0)
        return -1;
    if (bench_session_open(&s, e, out_dir, &how, BENCH_WRITER) != 0)
        return finish_kept(&s, -1);
    return finish_kept(&s, put_images(&s, b->scale->load_images));
}
