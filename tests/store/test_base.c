/*
 * Bases: a log that begins with one opens as it was, whichever file of it is there, and tells which one is damaged when
 * that matters. What takes frame segments away is not tried here: an edit made by hand removes those in which nothing
 * lives.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../crash/bases.h"
#include "holog/versions.h"
#include "storekit.h"

#define KIB ((size_t)1024)

enum {
    SOON_GONE = 400,
    VALUES = 60,
    CHANGES = 90,
    FEW = 300, /* more than the base's segment holds, and what is behind it; fewer than what went */
    ALL = SOON_GONE
};

static struct box box;

/* ---- what stands in the store --------------------------------------------------------------------*/

static void change(const char *path, uint64_t at, uint8_t byte)
{
    holog_delta d = {
        .kind = HOLOG_DELTA_UPDATE, .start = at, .end = at + 1, .data = &byte, .len_bytes = 1
    };
    OK(holog_apply(box.store, path, &d, 1, 0, 0, NULL));
}

static uint64_t head(void)
{
    uint64_t number;

    OK(holog_ref(box.store, "HEAD", &number));
    return number;
}

/* Some segments of frames in which nothing lives in the end, and before them nothing else. */
static void save_what_goes(void)
{
    char path[32];

    for (unsigned i = 0; i < SOON_GONE; i++) {
        (void)snprintf(path, sizeof path, "gone/%u", i);
        OK(save_seed(box.store, path, 900, i, HOLOG_PARENTS));
    }
    OK(holog_delete_all(box.store, "gone", NULL));
    OK(holog_gc(box.store, 1, 0, 0, NULL));
}

/* One of everything that an index knows. */
static void save_what_stays(void)
{
    char path[32];

    OK(holog_config(box.store, "user.colour", "blue", NULL, 0));
    for (unsigned i = 0; i < VALUES; i++) {
        (void)snprintf(path, sizeof path, "dir/%u", i);
        OK(save_seed(box.store, path, i % 10 == 0 ? 20 * KIB : 500, 1000 + i, HOLOG_PARENTS));
    }
    OK(save_seed(box.store, "changed", 3000, 7, 0));
    for (unsigned i = 0; i < CHANGES; i++)
        change("changed", i * 31 % 3000, (uint8_t)i);
    OK(holog_fold(box.store, "changed"));
    for (unsigned i = 0; i < CHANGES; i++)
        change("changed", i * 17 % 3000, (uint8_t)(i + 100));
    OK(holog_tag(box.store, "here", head(), 0));
    OK(save_seed(box.store, "dir/1", 700, 5, HOLOG_REPLACE));
    OK(holog_symlink(box.store, "dir/1", "link", 0, NULL));
    OK(holog_copy(box.store, "dir", "copy", 0, NULL));
    OK(holog_rollback(box.store, "dir", head() - 2, NULL));
}

static void begin(void)
{
    box_make(&box);
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 1024 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1;    /* it makes bases, too */
    box.opts.lock_wait_ms = 10000; /* a killed process lets go when its last write is over */
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
}

static void fill(void)
{
    begin();
    save_what_goes();
    save_what_stays();
}

static void make_base(void)
{
    OK(hg_base_make(box.store));
    cr_assert_neq(hg_base_begins(box.store), 0u);
    cr_assert_gt(hg_base_bytes(box.store), HG_SEGMENT_HEADER_SIZE);
}

struct told {
    char text[2000];
    size_t len;
};

static int tell_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    struct told *t = ctx;

    t->len += (size_t)snprintf(t->text + t->len, sizeof t->text - t->len, "%s %llu %llu\n", name,
                               (unsigned long long)number, (unsigned long long)time_ns);
    return 0;
}

static int tell_setting(void *ctx, const char *key, const char *value)
{
    struct told *t = ctx;

    t->len += (size_t)snprintf(t->text + t->len, sizeof t->text - t->len, "%s=%s\n", key, value);
    return 0;
}

/* Entries, those as of the tag, tags, settings. Free it. */
static char *everything(holog_store *s)
{
    struct told t = { .len = 0 };
    holog_view *v = NULL;
    char *out = malloc(4000000);
    char *now = store_text(s);
    uint64_t number = 0;
    uint64_t hash = 0;

    cr_assert_not_null(out);
    OK(holog_tag_list(s, tell_tag, &t));
    OK(holog_config_list(s, tell_setting, &t));
    OK(holog_ref(s, "here", &number));
    OK(holog_view_open_at(s, number, &v));
    OK(holog_state_hash(v, &hash));
    holog_view_close(v);
    cr_assert_lt(snprintf(out, 4000000, "%s%s%llx\n", now, t.text, (unsigned long long)hash),
                 4000000);
    free(now);
    return out;
}

/* ---- its files -----------------------------------------------------------------------------------*/

static unsigned files_of(const char *suffix, char *out_name)
{
    char dir[300];
    unsigned n = 0;
    const struct dirent *e;

    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);
        if (len <= strlen(suffix) || strcmp(e->d_name + len - strlen(suffix), suffix) != 0)
            continue;
        n++;
        if (out_name != NULL)
            (void)snprintf(out_name, 64, "seg/%.50s", e->d_name);
    }
    (void)closedir(d);
    return n;
}

static int is_there(const char *name)
{
    char path[400];

    (void)snprintf(path, sizeof path, "%s/%s", box.dir, name);
    return access(path, F_OK) == 0;
}

static void lose_checkpoints(void)
{
    char path[300];

    (void)snprintf(path, sizeof path, "%s/chk", box.dir);
    remove_tree(path);
}

static void flip(const char *name, size_t at)
{
    size_t len;
    uint8_t *bytes = file_read(box.dir, name, &len);

    cr_assert_lt(at, len);
    bytes[at] ^= 0x10;
    file_write(box.dir, name, bytes, len);
    free(bytes);
}

static unsigned remove_dead_frames(void)
{
    unsigned n = 0;

    OK(base_remove_dead_frames(box.store, &n));
    cr_assert_gt(n, 2u);
    return n;
}

static holog_recovery_report recovery(void)
{
    holog_recovery_report r = { .struct_size = sizeof r };

    OK(holog_recovery_info(box.store, &r));
    return r;
}

static void same_after(void (*between)(void))
{
    char *before = everything(box.store);
    char *after;

    OK(holog_close(box.store));
    box.store = NULL;
    between();
    box_open(&box);
    after = everything(box.store);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
}

static void nothing(void)
{
}

static void sound(void)
{
    OK(holog_verify(box.dir, 0, NULL, NULL, NULL, NULL));
}

/* ---- with all frames still there ---------------------------------------------------------------------*/

Test(base, a_store_with_one_is_the_same_after_a_close)
{
    fill();
    make_base();
    box_same_after_reopen(&box);
    same_after(nothing);
    OK(save_seed(box.store, "later", 500, 1, 0));
    same_after(sound);
    box_end(&box);
}

Test(base, an_open_without_checkpoints_begins_there)
{
    fill();
    make_base();
    uint32_t begins = hg_base_begins(box.store);
    OK(save_seed(box.store, "later", 500, 1, 0));
    same_after(lose_checkpoints);
    cr_assert_eq(recovery().used_checkpoint, 1u);
    cr_assert_lt(recovery().frames_read, (uint64_t)FEW);
    cr_assert_eq(hg_base_begins(box.store), begins);
    cr_assert_gt(hg_base_bytes(box.store), HG_SEGMENT_HEADER_SIZE);
    has_seed(box.store, "later", 500, 1);
    same_after(sound);
    box_end(&box);
}

Test(base, an_open_after_a_kill_begins_there)
{
    fill();
    char *before = everything(box.store);
    OK(holog_close(box.store));
    pid_t pid = fork();
    if (pid == 0) {
        if (holog_open(box.dir, &box.opts, &box.store) != HOLOG_OK ||
            hg_base_make(box.store) != HOLOG_OK ||
            save_seed(box.store, "later", 500, 1, 0) != HOLOG_OK)
            _exit(1);
        _exit(0);
    }
    int status = 1;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
    box_open(&box);
    cr_assert_eq(recovery().clean, 0u);
    cr_assert_lt(recovery().frames_read, (uint64_t)FEW);
    cr_assert_neq(hg_base_begins(box.store), 0u);
    has_seed(box.store, "later", 500, 1);
    OK(holog_delete(box.store, "later", NULL));
    char *after = everything(box.store);
    cr_assert_not_null(strstr(after, "here "));
    cr_assert_str_eq(strstr(after, "here "), strstr(before, "here "));
    free(before);
    free(after);
    same_after(sound);
    box_end(&box);
}

static char base_name[64];
static size_t damage_at;

static void damage_base(void)
{
    cr_assert_eq(files_of(".base", base_name), 1u);
    flip(base_name, damage_at);
    lose_checkpoints();
}

static void repair_base(void)
{
    flip(base_name, damage_at);
}

/* Each of its parts: the segment's header, the checkpoint's, lists, pages, the last hash. */
static size_t places(size_t *out, size_t len)
{
    size_t n = 0;
    const size_t at[] = { 0, 30, 240, 4085, 4096, 4096 + 60, 4096 + 250, 4096 + 300 };

    for (; n < sizeof at / sizeof at[0]; n++)
        out[n] = at[n];
    for (size_t p = 4096 + 600; p + 20 < len; p += len / 7)
        out[n++] = p;
    out[n++] = len - 1;
    return n;
}

Test(base, one_that_is_damaged_is_passed_over_while_the_log_is_whole)
{
    size_t at[40];
    size_t n;

    fill();
    make_base();
    n = places(at, (size_t)hg_base_bytes(box.store));
    for (size_t i = 0; i < n; i++) {
        damage_at = at[i];
        same_after(damage_base);
        cr_assert_eq(hg_base_begins(box.store), 0u, "byte %zu", damage_at);
        cr_assert_gt(recovery().frames_read, (uint64_t)ALL, "byte %zu", damage_at);
        same_after(repair_base);
    }
    same_after(sound);
    box_end(&box);
}

static void shorten_base(void)
{
    size_t len;
    uint8_t *bytes;

    cr_assert_eq(files_of(".base", base_name), 1u);
    bytes = file_read(box.dir, base_name, &len);
    file_write(box.dir, base_name, bytes, len - damage_at);
    free(bytes);
    lose_checkpoints();
}

static void lengthen_base(void)
{
    size_t len;
    uint8_t *bytes;

    cr_assert_eq(files_of(".base", base_name), 1u);
    bytes = file_read(box.dir, base_name, &len);
    bytes = realloc(bytes, len + 8);
    cr_assert_not_null(bytes);
    memset(bytes + len, 0, 8);
    file_write(box.dir, base_name, bytes, len + 8);
    free(bytes);
    lose_checkpoints();
}

Test(base, one_of_another_length_is_passed_over_while_the_log_is_whole)
{
    fill();
    make_base();
    const size_t less[] = { 1,
                            16,
                            400,
                            (size_t)hg_base_bytes(box.store) - 4096,
                            (size_t)hg_base_bytes(box.store) - 100,
                            (size_t)hg_base_bytes(box.store) };
    for (size_t i = 0; i < sizeof less / sizeof less[0]; i++) {
        damage_at = less[i];
        OK(holog_close(box.store));
        size_t len;
        cr_assert_eq(files_of(".base", base_name), 1u);
        uint8_t *whole = file_read(box.dir, base_name, &len);
        box_open(&box);
        same_after(shorten_base);
        cr_assert_eq(hg_base_begins(box.store), 0u, "%zu less", damage_at);
        OK(holog_close(box.store));
        file_write(box.dir, base_name, whole, len);
        free(whole);
        box_open(&box);
    }
    same_after(lengthen_base);
    cr_assert_eq(hg_base_begins(box.store), 0u);
    make_base();
    same_after(lose_checkpoints);
    same_after(sound);
    box_end(&box);
}

Test(base, a_damaged_one_is_replaced_by_the_next)
{
    fill();
    make_base();
    damage_at = 4096 + 300;
    same_after(damage_base);
    make_base();
    same_after(lose_checkpoints);
    cr_assert_lt(recovery().frames_read, (uint64_t)FEW);
    cr_assert_eq(files_of(".base", NULL), 1u);
    same_after(sound);
    box_end(&box);
}

/* A newer checkpoint was used: that the base is sound nobody has seen yet. */
Test(base, one_that_no_open_has_read_is_read_before_anything_relies_on_it)
{
    fill();
    make_base();
    OK(holog_close(box.store));
    cr_assert_eq(files_of(".base", base_name), 1u);
    flip(base_name, 4096 + 300);
    box_open(&box);
    cr_assert_eq(recovery().used_checkpoint, 1u);
    cr_assert_eq(hg_base_begins(box.store), 0u);
    make_base();
    same_after(sound);
    box_end(&box);
}

Test(base, the_older_one_goes)
{
    char first[64];
    char second[64];

    fill();
    make_base();
    cr_assert_eq(files_of(".base", first), 1u);
    OK(save_seed(box.store, "later", 500, 1, 0));
    make_base();
    (void)hg_compact_tidy(box.store);
    cr_assert_eq(files_of(".base", second), 1u);
    cr_assert_str_neq(first, second);
    for (unsigned i = 0; i < 5; i++) {
        make_base();
        same_after(i % 2 == 0 ? lose_checkpoints : nothing);
        cr_assert_eq(files_of(".base", NULL), 1u);
    }
    same_after(sound);
    box_end(&box);
}

Test(base, an_empty_store_needs_none)
{
    box_begin(&box);
    OK(hg_base_make(box.store));
    cr_assert_eq(hg_base_begins(box.store), 0u);
    cr_assert_eq(hg_base_bytes(box.store), 0u);
    cr_assert_eq(files_of(".base", NULL), 0u);
    OK(save_seed(box.store, "first", 500, 1, 0));
    make_base();
    box_same_after_reopen(&box);
    lose_checkpoints();
    box_reopen(&box);
    has_seed(box.store, "first", 500, 1);
    box_end(&box);
}

static uint64_t number_at(const char *name, size_t at)
{
    size_t len;
    uint8_t *bytes = file_read(box.dir, name, &len);
    uint64_t number = 0;

    cr_assert_gt(len, at + 8);
    memcpy(&number, bytes + at, sizeof number);
    free(bytes);
    return number;
}

Test(base, who_does_not_know_bases_is_told_by_super_and_segments)
{
    char name[64];
    uint64_t both[2];

    fill();
    make_base();
    OK(holog_close(box.store));
    both[0] = number_at("SUPER", 64);
    both[1] = number_at("SUPER", 4096 + 64);
    cr_assert_eq((both[0] | both[1]) & 24, 24u);
    cr_assert_eq(files_of(".base", name), 1u);
    cr_assert_eq(number_at(name, 72) & 24, 24u);
    unsigned n = 0;
    for (unsigned id = 1; id < 40; id++) {
        (void)snprintf(name, sizeof name, "seg/%08x.hlog", id);
        if (is_there(name))
            n += (number_at(name, 72) & 24) == 24;
    }
    cr_assert_eq(n, 1u, "from the roll on");
    box_open(&box);
    box_end(&box);
}

enum {
    WRITERS = 3,
    EACH = 300
};

struct writer {
    pthread_t thread;
    unsigned index;
    int rc;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    char path[32];

    for (unsigned i = 0; i < EACH && w->rc == HOLOG_OK; i++) {
        (void)snprintf(path, sizeof path, "w%u/%u", w->index, i % 50);
        w->rc =
            save_seed(box.store, path, 200 + i, w->index * 1000 + i, HOLOG_REPLACE | HOLOG_PARENTS);
    }
    return NULL;
}

/* Under sync modes in which commits are on their way all the time. */
Test(base, one_is_made_beside_commits)
{
    struct writer w[WRITERS] = { { 0 } };
    char path[32];

    box_make(&box);
    box.opts.segment_size_max = 256 * KIB;
    box.opts.sync = HOLOG_SYNC_NONE;
    box.opts.no_compaction = 1; /* bases are made by one at a time */
    box_open(&box);
    for (unsigned i = 0; i < WRITERS; i++) {
        w[i].index = i;
        cr_assert_eq(pthread_create(&w[i].thread, NULL, write_on, &w[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++)
        OK(hg_base_make(box.store));
    for (unsigned i = 0; i < WRITERS; i++) {
        cr_assert_eq(pthread_join(w[i].thread, NULL), 0);
        OK(w[i].rc);
    }
    for (int again = 0; again < 2; again++) {
        for (unsigned i = 0; i < WRITERS; i++) {
            for (unsigned k = EACH - 50; k < EACH; k++) {
                (void)snprintf(path, sizeof path, "w%u/%u", i, k % 50);
                has_seed(box.store, path, 200 + k, i * 1000 + k);
            }
        }
        OK(holog_close(box.store));
        lose_checkpoints();
        sound();
        box_open(&box);
    }
    box_end(&box);
}

/* ---- with frames gone ----------------------------------------------------------------------------*/

Test(base, what_was_before_may_go)
{
    unsigned files;
    unsigned gone;

    fill();
    files = files_of(".hlog", NULL);
    char *before = everything(box.store);
    make_base();
    gone = remove_dead_frames();
    char *after = everything(box.store);
    cr_assert_str_eq(before, after);
    cr_assert_eq(files_of(".hlog", NULL), files + 1 - gone);
    same_after(nothing);
    same_after(lose_checkpoints);
    cr_assert_lt(recovery().frames_read, (uint64_t)FEW);
    same_after(sound);
    change("changed", 5, 1);
    OK(holog_fold(box.store, "changed"));
    OK(save_seed(box.store, "later", 500, 1, 0));
    same_after(lose_checkpoints);
    make_base();
    same_after(lose_checkpoints);
    has_seed(box.store, "later", 500, 1);
    same_after(sound);
    free(before);
    free(after);
    box_end(&box);
}

Test(base, a_damaged_one_is_named_when_the_log_begins_with_it)
{
    size_t at[40];
    size_t n;

    fill();
    make_base();
    n = places(at, (size_t)hg_base_bytes(box.store));
    (void)remove_dead_frames();
    char *before = everything(box.store);
    OK(holog_close(box.store));
    for (size_t i = 0; i < n; i++) {
        damage_at = at[i];
        damage_base();
        FAILS(HOLOG_E_CORRUPT, holog_open(box.dir, &box.opts, &box.store), base_name);
        FAILS(HOLOG_E_CORRUPT, holog_verify(box.dir, 0, NULL, NULL, NULL, NULL), NULL);
        repair_base();
    }
    damage_at = 300;
    size_t len;
    uint8_t *whole = file_read(box.dir, base_name, &len);
    shorten_base();
    FAILS(HOLOG_E_CORRUPT, holog_open(box.dir, &box.opts, &box.store), base_name);
    file_write(box.dir, base_name, whole, len);
    lengthen_base();
    FAILS(HOLOG_E_CORRUPT, holog_open(box.dir, &box.opts, &box.store), base_name);
    file_write(box.dir, base_name, whole, len);
    free(whole);
    box_open(&box);
    char *after = everything(box.store);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
    same_after(sound);
    box_end(&box);
}

Test(base, a_checkpoint_that_covers_more_is_enough)
{
    fill();
    make_base();
    (void)remove_dead_frames();
    OK(save_seed(box.store, "later", 500, 1, 0));
    same_after(nothing);
    OK(holog_close(box.store));
    cr_assert_eq(files_of(".base", base_name), 1u);
    flip(base_name, 4096 + 300);
    box_open(&box);
    has_seed(box.store, "later", 500, 1);
    cr_assert_eq(hg_base_begins(box.store), 0u);
    make_base(); /* from what is in memory: the store is whole again */
    same_after(lose_checkpoints);
    same_after(sound);
    box_end(&box);
}

/* ---- readers -------------------------------------------------------------------------------------*/

static holog_store *open_reader(void)
{
    holog_options o = box.opts;
    holog_store *r = NULL;

    o.flags = HOLOG_OPEN_READONLY;
    OK(holog_open(box.dir, &o, &r));
    return r;
}

static void same_in(holog_store *reader)
{
    char *here = everything(box.store);
    char *there;

    OK(holog_refresh(reader, NULL));
    there = everything(reader);
    cr_assert_str_eq(here, there);
    free(here);
    free(there);
}

Test(base, readers_elsewhere_follow_and_open)
{
    fill();
    OK(holog_sync(box.store));
    holog_store *before = open_reader();
    make_base();
    same_in(before);
    holog_store *after = open_reader();
    same_in(after);
    OK(holog_close(before));
    OK(holog_close(after));
    before = open_reader();
    OK(save_seed(box.store, "later", 500, 1, 0));
    make_base();
    cr_assert_eq(hg_compact_tidy(box.store), 1, "it goes beside a reader");
    cr_assert_eq(files_of(".base", NULL), 2u);
    same_in(before);
    OK(holog_close(before));
    (void)remove_dead_frames();
    cr_assert_eq(files_of(".base", NULL), 1u);
    lose_checkpoints();
    after = open_reader();
    same_in(after);
    OK(save_seed(box.store, "more", 500, 2, 0));
    same_in(after);
    OK(holog_close(box.store));
    OK(holog_refresh(after, NULL));
    has_seed(after, "more", 500, 2);
    lose_checkpoints();
    before = open_reader();
    has_seed(before, "more", 500, 2);
    OK(holog_close(before));
    OK(holog_close(after));
    box_open(&box);
    same_after(sound);
    box_end(&box);
}

/* A base is made, and the writer goes, before it looks again: all is still there. */
Test(base, a_reader_that_is_behind_one_follows_without_its_writer)
{
    fill();
    OK(holog_sync(box.store));
    holog_store *reader = open_reader();
    OK(save_seed(box.store, "later", 500, 1, 0));
    make_base();
    OK(save_seed(box.store, "more", 500, 2, 0));
    OK(holog_close(box.store));
    OK(holog_refresh(reader, NULL));
    has_seed(reader, "later", 500, 1);
    has_seed(reader, "more", 500, 2);
    OK(holog_close(reader));
    box_open(&box);
    same_after(sound);
    box_end(&box);
}

/* ---- statistics ----------------------------------------------------------------------------------*/

Test(base, statistics_count_it_apart)
{
    holog_stats before = { .struct_size = sizeof before };
    holog_stats after = { .struct_size = sizeof after };

    fill();
    OK(holog_stats_get(box.store, &before));
    cr_assert_eq(before.base_bytes, 0u);
    make_base();
    OK(holog_stats_get(box.store, &after));
    cr_assert_eq(after.base_bytes, hg_base_bytes(box.store));
    cr_assert_lt(after.log_bytes, before.log_bytes + 12 * KIB); /* a header, a footer, an edit */
    holog_store *reader = open_reader();
    OK(holog_stats_get(reader, &before));
    cr_assert_eq(before.base_bytes, after.base_bytes);
    OK(holog_close(reader));
    box_end(&box);
}

/* ---- those of earlier versions -------------------------------------------------------------------*/

static void copy_golden(void)
{
    static const char *const names[] = { "SUPER",
                                         "seg/00000003.hlog",
                                         "seg/00000004.hlog",
                                         "seg/00000005.hlog",
                                         "seg/00000006.hlog",
                                         "seg/00000007.base" };
    char path[300];

    box_make(&box);
    (void)snprintf(path, sizeof path, "%s/seg", box.dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t len = 0;
        void *data = file_read(GOLDEN_BASE, names[i], &len);
        file_write(box.dir, names[i], data, len);
        free(data);
    }
}

static void golden_has(holog_view *v, const char *path, unsigned seed, size_t len)
{
    holog_value *value = NULL;
    char want[1000];

    for (size_t k = 0; k < len; k++)
        want[k] = (char)('a' + (seed + k * 7) % 26);
    OK(holog_view_load(v, path, &value));
    cr_assert_eq(holog_value_size(value), len, "%s", path);
    cr_assert_arr_eq(holog_value_data(value), want, len, "%s", path);
    holog_value_release(value);
}

static void golden_is_changed(holog_view *v)
{
    holog_value *value = NULL;
    char want[900];

    for (size_t k = 0; k < sizeof want; k++)
        want[k] = (char)('a' + k * 7 % 26);
    for (unsigned i = 0; i < 60; i++)
        want[i * 13 % 900] = (char)('A' + i % 26);
    OK(holog_view_load(v, "changed", &value));
    cr_assert_eq(holog_value_size(value), sizeof want);
    cr_assert_arr_eq(holog_value_data(value), want, sizeof want);
    holog_value_release(value);
}

/* golden_base/make.c says what it was made of. Its first two segments are gone. */
Test(base, the_base_of_an_earlier_version_is_read)
{
    holog_view *v = NULL;
    char text[64];
    uint64_t number = 0;
    int there = 1;

    copy_golden();
    OK(holog_verify(box.dir, 0, NULL, NULL, NULL, NULL));
    box_open(&box);
    cr_assert_eq(recovery().used_checkpoint, 1u);
    cr_assert_eq(hg_base_begins(box.store), 5u);
    OK(holog_config(box.store, "user.colour", NULL, text, sizeof text));
    cr_assert_str_eq(text, "blue");
    OK(holog_readlink(box.store, "link", text, sizeof text));
    cr_assert_str_eq(text, "dir/1");
    OK(holog_view_open(box.store, &v));
    golden_is_changed(v);
    golden_has(v, "dir/1/z1", 100, 50);
    golden_has(v, "dir/0/z39", 39, 69);
    golden_has(v, "later", 7, 77);
    OK(holog_exists(box.store, "dir/2/z2", &there));
    cr_assert_eq(there, 0);
    holog_view_close(v);
    OK(holog_ref(box.store, "here", &number));
    OK(holog_view_open_at(box.store, number, &v));
    golden_is_changed(v);
    golden_has(v, "dir/1/z1", 1, 31);
    golden_has(v, "dir/2/z2", 2, 32);
    holog_view_close(v);
    change("changed", 1, 'x');
    same_after(lose_checkpoints);
    make_base();
    same_after(lose_checkpoints);
    same_after(sound);
    box_end(&box);
}
