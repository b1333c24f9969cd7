/*
 * What is made under another name: it is there whole or not at all, and what a dead process left of it goes, but
 * nothing that anybody holds or that is not ours.
 */
#include "io/partial.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

static char dir[200];
static struct hg_outside *out;

static void make(void)
{
    world_make_dir(dir, sizeof dir);
    OK(hg_outside_open(dir, 0, &out));
}

static void clean(void)
{
    hg_outside_close(out);
    world_remove_dir(dir);
}

TestSuite(partial, .init = make, .fini = clean);

static const char *path_of(const char *name)
{
    static char path[500];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int is_there(const char *name)
{
    struct stat st;

    return lstat(path_of(name), &st) == 0;
}

static int add_name(void *ctx, const char *name, int is_dir, uint64_t size)
{
    (void)is_dir;
    (void)size;
    (void)snprintf((char *)ctx + strlen(ctx), 1000 - strlen(ctx), "%s ", name);
    return 0;
}

/* How many names there are. */
static const char *names(void)
{
    static char all[1000];

    all[0] = 0;
    OK(hg_outside_list(out, "", add_name, all));
    return all;
}

static void fill(struct hg_partial *p, int is_dir)
{
    const void *parts[] = { "PK\3\4 bytes" };
    const size_t lens[] = { 10 };

    if (!is_dir) {
        OK(hg_partial_write(p, 0, parts[0], lens[0]));
        return;
    }
    OK(hg_outside_mkdir(hg_partial_dir(p), "a/b", HG_OUTSIDE_LAZY));
    OK(hg_outside_write(hg_partial_dir(p), "a/b/c", parts, lens, 1, HG_OUTSIDE_LAZY));
}

Test(partial, it_has_its_name_only_when_it_is_whole)
{
    for (int is_dir = 0; is_dir <= 1; is_dir++) {
        struct hg_partial *p = NULL;
        const char *name = is_dir ? "d" : "f";
        OK(hg_partial_begin(out, name, is_dir, &p));
        fill(p, is_dir);
        cr_assert(!is_there(name) && strstr(names(), ".partial-") != NULL);
        OK(hg_partial_finish(p));
        cr_assert(is_there(name) && strstr(names(), ".partial-") == NULL);
    }
    cr_assert(is_there("d/a/b/c") && !is_there("d/" HG_PARTIAL_MARK));
    FAILS(HOLOG_E_EXIST, hg_partial_begin(out, "d", 0, &(struct hg_partial *){ NULL }));
}

Test(partial, large_and_small_pieces_stay_in_order)
{
    static char big[600000];
    struct hg_partial *p = NULL;
    struct hg_buf b = { 0 };

    memset(big, 'x', sizeof big);
    OK(hg_partial_begin(out, "f", 0, &p));
    OK(hg_partial_write(p, 0, "PK", 2));
    OK(hg_partial_write(p, 2, big, sizeof big));
    OK(hg_partial_write(p, 2 + sizeof big, "end", 3));
    OK(hg_partial_finish(p));
    OK(hg_outside_read(out, "f", 1 << 20, &b));
    cr_assert_eq(b.len, sizeof big + 5);
    cr_assert(memcmp(b.data, "PKx", 3) == 0 && memcmp(b.data + b.len - 4, "xend", 4) == 0);
    hg_buf_release(&b);
}

/* Pieces of a file of so many bytes, over others wherever these are: written out, staged, or both. */
Test(partial, a_piece_may_be_written_over_others)
{
    static uint8_t want[700000];
    struct hg_partial *p = NULL;
    struct hg_buf b = { 0 };
    static const size_t over[][2] = { { 0, 4 },           { 299999, 3 },  { 680000, 20000 },
                                      { 100000, 500000 }, { 699990, 10 }, { 350000, 1 } };

    OK(hg_partial_begin(out, "f", 0, &p));
    for (size_t at = 0; at < sizeof want; at += 70000) {
        memset(want + at, 'a' + (int)(at / 70000), 70000);
        OK(hg_partial_write(p, at, want + at, 70000));
    }
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        memset(want + over[i][0], '0' + (int)i, over[i][1]);
        OK(hg_partial_write(p, over[i][0], want + over[i][0], over[i][1]));
        if (i % 2 != 0)
            continue;
        OK(hg_buf_append(&b, "more", 4)); /* behind all of them */
        OK(hg_partial_write(p, sizeof want + b.len - 4, "more", 4));
    }
    OK(hg_partial_write(p, sizeof want + b.len - 2, "end", 3)); /* half over, half behind */
    b.len = 0;
    OK(hg_partial_finish(p));
    OK(hg_outside_read(out, "f", 1 << 20, &b));
    cr_assert_eq(b.len, sizeof want + 13);
    cr_assert(memcmp(b.data, want, sizeof want) == 0);
    cr_assert(memcmp(b.data + sizeof want, "moremoremoend", 13) == 0);
    hg_buf_release(&b);
}

Test(partial, given_up_nothing_stays)
{
    for (int is_dir = 0; is_dir <= 1; is_dir++) {
        struct hg_partial *p = NULL;
        OK(hg_partial_begin(out, "x", is_dir, &p));
        fill(p, is_dir);
        hg_partial_abandon(p);
        cr_assert_str_eq(names(), "");
    }
}

Test(partial, somebody_else_has_taken_the_name_meanwhile)
{
    for (int is_dir = 0; is_dir <= 1; is_dir++) {
        struct hg_partial *p = NULL;
        OK(hg_partial_begin(out, "x", is_dir, &p));
        fill(p, is_dir);
        cr_assert_eq(mkdir(path_of("x"), 0700), 0);
        FAILS(HOLOG_E_EXIST, hg_partial_finish(p));
        cr_assert_str_eq(names(), "x ");
        cr_assert_eq(rmdir(path_of("x")), 0, "nothing was put there");
    }
}

Test(partial, one_at_a_time_in_a_process)
{
    struct hg_partial *p = NULL;
    struct hg_partial *other = NULL;

    OK(hg_partial_begin(out, "x", 1, &p));
    FAILS(HOLOG_E_BUSY, hg_partial_begin(out, "x", 1, &other));
    fill(p, 1);
    OK(hg_partial_begin(out, "y", 1, &other));
    hg_partial_abandon(other);
    OK(hg_partial_finish(p));
    cr_assert(is_there("x/a/b/c"));
}

/* A process that makes it, and is there until the pipe is closed, or is killed. Its number. */
static pid_t maker(int is_dir)
{
    static const char stuff[300000];
    int ready[2];
    char byte;
    pid_t pid;

    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        struct hg_partial *p = NULL;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
        if (hg_partial_begin(out, "x", is_dir, &p) < 0)
            _exit(1);
        fill(p, is_dir);
        if (!is_dir && hg_partial_write(p, 10, stuff, sizeof stuff) < 0) /* more than is staged */
            _exit(1);
        (void)!write(ready[1], "r", 1);
        (void)pause();
    }
    cr_assert_gt(pid, 0);
    (void)close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1, "it has failed");
    (void)close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(partial_killed, what_a_dead_process_left_goes_with_the_next_and_what_a_living_one_has_stays,
     .init = make, .fini = clean)
{
    for (int is_dir = 0; is_dir <= 1; is_dir++) {
        struct hg_partial *p = NULL;
        char left[60];
        pid_t pid = maker(is_dir);
        (void)snprintf(left, sizeof left, "x.partial-%d", (int)pid);
        OK(hg_partial_begin(out, "x", is_dir, &p));
        cr_assert(is_there(left), "its process lives");
        hg_partial_abandon(p);
        end(pid);
        cr_assert(is_there(left));
        OK(hg_partial_begin(out, "y", is_dir, &p));
        cr_assert(is_there(left), "it is of another name");
        hg_partial_abandon(p);
        OK(hg_partial_begin(out, "x", is_dir, &p));
        cr_assert_not(is_there(left));
        hg_partial_abandon(p);
    }
}

Test(partial, an_empty_one_of_a_dead_process_goes_too)
{
    struct hg_partial *p = NULL;

    cr_assert_eq(mkdir(path_of("x.partial-1"), 0700), 0);
    cr_assert_geq(close(open(path_of("x.partial-2"), O_CREAT | O_WRONLY, 0600)), 0);
    OK(hg_partial_begin(out, "x", 1, &p));
    cr_assert(!is_there("x.partial-1") && !is_there("x.partial-2"));
    hg_partial_abandon(p);
}

Test(partial, what_only_looks_like_ours_stays)
{
    static const char *const theirs[] = { "x.partial-1/keep", "x.partial-/" HG_PARTIAL_MARK,
                                          "x.partial-7a/" HG_PARTIAL_MARK };
    struct hg_partial *p = NULL;
    FILE *f;

    for (size_t i = 0; i < 3; i++) {
        char parent[40];
        (void)snprintf(parent, sizeof parent, "%.*s", (int)strcspn(theirs[i], "/"), theirs[i]);
        cr_assert_eq(mkdir(path_of(parent), 0700), 0);
        cr_assert_geq(close(open(path_of(theirs[i]), O_CREAT | O_WRONLY, 0600)), 0);
    }
    f = fopen(path_of("x.partial-2"), "w");
    cr_assert(f != NULL && fputs("a diary", f) >= 0 && fclose(f) == 0);
    cr_assert_eq(symlink("x.partial-1", path_of("x.partial-3")), 0);
    OK(hg_partial_begin(out, "x", 1, &p));
    hg_partial_abandon(p);
    for (size_t i = 0; i < 3; i++)
        cr_assert(is_there(theirs[i]), "%s", theirs[i]);
    cr_assert(is_there("x.partial-2") && is_there("x.partial-3"));
}

Test(partial, names_that_are_none_are_refused)
{
    struct hg_partial *p = NULL;
    char name[256];

    memset(name, 'n', 250);
    name[250] = 0;
    FAILS(HOLOG_E_NAMETOOLONG, hg_partial_begin(out, name, 1, &p));
    FAILS(HOLOG_E_BADPATH, hg_partial_begin(out, "..", 1, &p));
    FAILS(HOLOG_E_BADPATH, hg_partial_begin(out, "a/b", 1, &p));
    cr_assert_str_eq(names(), "");
}
