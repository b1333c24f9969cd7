/*
 * Files outside a store: what is written is there whole, and nothing leads out of the directory.
 */
#include "io/outside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "world.h"

static char dir[200];
static struct hg_outside *out;

static void make(void)
{
    char root[300];

    world_make_dir(dir, sizeof dir);
    (void)snprintf(root, sizeof root, "%s/root", dir);
    OK(hg_outside_open(root, 1, &out));
}

static void clean(void)
{
    hg_outside_close(out);
    world_remove_dir(dir);
}

TestSuite(outside, .init = make, .fini = clean);
TestSuite(refused_outside, .init = make, .fini = clean);

static const char *path_of(const char *name)
{
    static char path[5000];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int put(const char *name, const char *text, unsigned flags)
{
    const void *parts[] = { text };
    size_t lens[] = { strlen(text) };

    return hg_outside_write(out, name, parts, lens, 1, flags);
}

static void demand(const char *name, const char *text)
{
    struct hg_buf b = { 0 };

    OK(hg_outside_read(out, name, 1 << 20, &b));
    cr_assert_eq(b.len, strlen(text), "%s has %zu bytes", name, b.len);
    cr_assert(b.len == 0 || memcmp(b.data, text, b.len) == 0, "%s", name);
    hg_buf_release(&b);
}

struct listing {
    unsigned files, dirs;
    uint64_t bytes;
    int stop;
};

static int count(void *ctx, const char *name, int is_dir, uint64_t size)
{
    struct listing *l = ctx;

    cr_assert(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    l->files += is_dir ? 0 : 1;
    l->dirs += is_dir ? 1 : 0;
    l->bytes += size;
    return l->stop;
}

/* Entries that are in a directory in truth, with those that no listing has. */
static unsigned really(const char *name)
{
    unsigned n = 0;
    DIR *d = opendir(path_of(name));

    cr_assert_not_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    (void)closedir(d);
    return n;
}

/* ---- what is written is read --------------------------------------------------------------------- */

Test(outside, a_file_is_its_parts_one_after_the_other)
{
    static uint8_t big[3000000];
    const void *parts[] = { "ab", "", big, "cd" };
    size_t lens[] = { 2, 0, sizeof big, 2 };
    struct hg_buf b = { 0 };

    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 31 >> 3);
    OK(hg_outside_write(out, "f", parts, lens, 4, 0));
    OK(hg_buf_append(&b, "before", 6));
    OK(hg_outside_read(out, "f", sizeof big + 4, &b));
    cr_assert_eq(b.len, 6 + sizeof big + 4);
    cr_assert_eq(memcmp(b.data, "beforeab", 8), 0);
    cr_assert_eq(memcmp(b.data + 8, big, sizeof big), 0);
    cr_assert_eq(memcmp(b.data + 8 + sizeof big, "cd", 2), 0);
    hg_buf_release(&b);
    OK(hg_outside_write(out, "empty", NULL, NULL, 0, 0));
    demand("empty", "");
}

Test(outside, a_file_that_is_there_is_replaced_only_when_asked)
{
    OK(put("f", "old", 0));
    FAILS(HOLOG_E_EXIST, put("f", "new", 0));
    demand("f", "old");
    OK(put("f", "new", HG_OUTSIDE_REPLACE));
    demand("f", "new");
    OK(put("g", "new", HG_OUTSIDE_REPLACE));
    demand("g", "new");
    cr_assert_eq(really("root"), 2, "nothing is left over");
}

Test(outside, directories_are_made_with_their_parents)
{
    FAILS(HOLOG_E_NOENT, put("a/b/f", "x", 0));
    OK(hg_outside_mkdir(out, "a/b/c", 0));
    OK(hg_outside_mkdir(out, "a/b/c", 0));
    OK(hg_outside_mkdir(out, "a/d", HG_OUTSIDE_LAZY));
    OK(put("a/b/c/f", "x", 0));
    demand("a/b/c/f", "x");
    FAILS(HOLOG_E_NOTDIR, hg_outside_mkdir(out, "a/b/c/f/g", 0));
    FAILS(HOLOG_E_NOTDIR, hg_outside_mkdir(out, "a/b/c/f", 0));
    FAILS(HOLOG_E_NOTDIR, put("a/b/c/f/g", "x", 0));
    FAILS(HOLOG_E_ISDIR, put("a/b", "x", HG_OUTSIDE_REPLACE));
    FAILS(HOLOG_E_ISDIR, put("a/b", "x", 0));
}

Test(outside, names_of_any_characters_are_only_names)
{
    static const char *const names[] = { "...", " ", "\\..\\x", "-rf",     "a\nb", "\xff\xfe",
                                         "~",   "*", "C:",      ".hidden", "..x",  "x.." };
    struct listing l = { 0 };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        OK(put(names[i], names[i], 0));
        demand(names[i], names[i]);
    }
    OK(hg_outside_list(out, "", count, &l));
    cr_assert_eq(l.files, sizeof names / sizeof names[0]);
    cr_assert_eq(really(""), 1, "nothing beside the root");
}

Test(outside, lazily_written_files_are_there_and_can_be_synced)
{
    char name[16];

    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "f%d", i);
        OK(put(name, name, HG_OUTSIDE_LAZY));
    }
    OK(hg_outside_sync(out));
    demand("f49", "f49");
    FAILS(HOLOG_E_EXIST, put("f1", "x", HG_OUTSIDE_LAZY));
}

Test(outside, reading_is_bounded)
{
    struct hg_buf b = { 0 };

    OK(put("f", "12345", 0));
    FAILS(HOLOG_E_TOOBIG, hg_outside_read(out, "f", 4, &b));
    cr_assert_eq(b.len, 0);
    OK(hg_outside_read(out, "f", 5, &b));
    cr_assert_eq(b.len, 5);
    FAILS(HOLOG_E_NOENT, hg_outside_read(out, "g", 5, &b));
    OK(hg_outside_mkdir(out, "d", 0));
    FAILS(HOLOG_E_ISDIR, hg_outside_read(out, "d", 5, &b));
    cr_assert_eq(b.len, 5, "untouched");
    hg_buf_release(&b);
}

Test(outside, a_listing_has_files_with_their_sizes_and_directories)
{
    struct listing l = { 0 };

    OK(put("f", "12345", 0));
    OK(put("g", "123", 0));
    OK(hg_outside_mkdir(out, "d/e", 0));
    OK(put("d/h", "1", 0));
    OK(hg_outside_list(out, "", count, &l));
    cr_assert(l.files == 2 && l.dirs == 1 && l.bytes == 8);
    l = (struct listing){ 0 };
    OK(hg_outside_list(out, "d", count, &l));
    cr_assert(l.files == 1 && l.dirs == 1 && l.bytes == 1);
    l = (struct listing){ .stop = 1 };
    OK(hg_outside_list(out, "", count, &l));
    cr_assert_eq(l.files + l.dirs, 1, "stopped");
    l = (struct listing){ .stop = HOLOG_E_CANCELED };
    FAILS(HOLOG_E_CANCELED, hg_outside_list(out, "", count, &l));
    FAILS(HOLOG_E_NOENT, hg_outside_list(out, "no", count, &l));
    FAILS(HOLOG_E_NOTDIR, hg_outside_list(out, "f", count, &l));
}

Test(outside, a_long_listing_is_complete)
{
    struct listing l = { 0 };
    char name[120];

    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof name, "%0100d", i);
        OK(put(name, "x", HG_OUTSIDE_LAZY));
    }
    OK(hg_outside_list(out, "", count, &l));
    cr_assert_eq(l.files, 300);
}

Test(outside, a_stat_tells_files_from_directories)
{
    struct hg_outside_info info = { .is_dir = 7 };

    OK(hg_outside_mkdir(out, "d", 0));
    OK(put("d/f", "four", 0));
    OK(hg_outside_stat(out, "d/f", &info));
    cr_assert(!info.is_dir && info.size == 4 && info.mtime_ns > 0);
    OK(hg_outside_stat(out, "d", &info));
    cr_assert(info.is_dir && info.size == 0);
    OK(hg_outside_stat(out, "", &info));
    cr_assert(info.is_dir);
    FAILS(HOLOG_E_NOENT, hg_outside_stat(out, "d/g", &info));
    FAILS(HOLOG_E_NOENT, hg_outside_stat(out, "e/f", &info));
    FAILS(HOLOG_E_NOTDIR, hg_outside_stat(out, "d/f/g", &info));
    FAILS(HOLOG_E_BADPATH, hg_outside_stat(out, "../x", &info));
    cr_assert_eq(symlink("d", path_of("root/l")), 0);
    FAILS(HOLOG_E_LOOP, hg_outside_stat(out, "l", &info));
}

Test(outside, a_file_or_an_empty_directory_is_removed_and_nothing_else)
{
    OK(hg_outside_mkdir(out, "d", 0));
    OK(put("d/f", "four", 0));
    FAILS(HOLOG_E_NOTEMPTY, hg_outside_remove(out, "d", 0));
    FAILS(HOLOG_E_NOENT, hg_outside_remove(out, "d/g", 0));
    FAILS(HOLOG_E_BADPATH, hg_outside_remove(out, "", 0));
    OK(hg_outside_remove(out, "d/f", 0));
    cr_assert_eq(mknod(path_of("root/d/" HG_OUTSIDE_TEMP "1"), S_IFREG | 0600, 0), 0);
    OK(hg_outside_remove(out, "d", HG_OUTSIDE_LAZY));
    FAILS(HOLOG_E_NOENT, hg_outside_remove(out, "d", 0));
    cr_assert_eq(symlink("nowhere", path_of("root/l")), 0);
    FAILS(HOLOG_E_LOOP, hg_outside_remove(out, "l", 0));
}

Test(outside, a_root_that_is_missing_or_no_directory_is_refused)
{
    struct hg_outside *o = NULL;

    FAILS(HOLOG_E_NOENT, hg_outside_open(path_of("none"), 0, &o));
    FAILS(HOLOG_E_NOENT, hg_outside_open(path_of("none/none"), 1, &o));
    OK(put("f", "x", 0));
    FAILS(HOLOG_E_NOTDIR, hg_outside_open(path_of("root/f"), 0, &o));
    FAILS(HOLOG_E_NOTDIR, hg_outside_open(path_of("root/f"), 1, &o));
    cr_assert_null(o);
    cr_assert_eq(symlink("root", path_of("link")), 0);
    OK(hg_outside_open(path_of("link"), 1, &o));
    hg_outside_close(o);
    hg_outside_close(NULL);
}

Test(outside, moving_the_root_does_not_matter)
{
    char from[300];

    (void)snprintf(from, sizeof from, "%s/root", dir);
    cr_assert_eq(rename(from, path_of("moved")), 0);
    cr_assert_eq(mkdir(from, 0700), 0);
    OK(put("f", "x", 0));
    cr_assert_eq(access(path_of("moved/f"), F_OK), 0);
    cr_assert_eq(really("root"), 0);
}

/* ---- nothing leads out ----------------------------------------------------------------------------- */

/* Every call refuses the name, as BADPATH or as NAMETOOLONG. */
static void refuses(const char *name, int code)
{
    struct hg_buf b = { 0 };
    struct listing l = { 0 };

    FAILS(code, put(name, "x", 0));
    FAILS(code, put(name, "x", HG_OUTSIDE_REPLACE));
    FAILS(code, hg_outside_mkdir(out, name, 0));
    FAILS(code, hg_outside_read(out, name, 100, &b));
    if (name[0] != '\0')
        FAILS(code, hg_outside_list(out, name, count, &l));
}

Test(outside, names_that_could_lead_out_are_refused)
{
    static const char *const names[] = { "",       "/",        "/etc/passwd", "..",     "../x",
                                         "a/../x", "a/..",     ".",           "./x",    "a/./x",
                                         "a/",     "a//x",     "//x",         "../../", "x/",
                                         "/..",    "a/../../b" };

    OK(hg_outside_mkdir(out, "a", 0));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        refuses(names[i], HOLOG_E_BADPATH);
    cr_assert_eq(really(""), 1);
    cr_assert_eq(really("root"), 1);
}

Test(outside, names_that_are_too_long_are_refused)
{
    static char name[5000];

    memset(name, 'x', 256);
    refuses(name, HOLOG_E_NAMETOOLONG);
    (void)snprintf(name + 256, 10, "/y");
    refuses(name, HOLOG_E_NAMETOOLONG);
    name[255] = '\0';
    OK(put(name, "x", 0));
    memset(name, 'x', sizeof name - 1);
    for (size_t i = 200; i < sizeof name; i += 200)
        name[i] = '/';
    refuses(name, HOLOG_E_NAMETOOLONG);
    name[4095] = '\0';
    FAILS(HOLOG_E_NOENT, put(name, "x", 0));
    name[3000] = '\0'; /* what clean() can still remove */
    OK(hg_outside_mkdir(out, name, HG_OUTSIDE_LAZY));
    FAILS(HOLOG_E_ISDIR, put(name, "x", 0));
}

Test(outside, names_of_unfinished_files_are_nobodys)
{
    struct listing l = { 0 };
    FILE *f = fopen(path_of("root/" HG_OUTSIDE_TEMP "1"), "w");

    cr_assert_not_null(f);
    (void)fclose(f);
    refuses(HG_OUTSIDE_TEMP "1", HOLOG_E_BADPATH);
    refuses("a/" HG_OUTSIDE_TEMP, HOLOG_E_BADPATH);
    OK(hg_outside_list(out, "", count, &l));
    cr_assert_eq(l.files, 0);
}

/* Symlinks to a file and to a directory outside, and to one inside. */
static void plant(void)
{
    FILE *f = fopen(path_of("secret"), "w");

    cr_assert_not_null(f);
    (void)fputs("secret", f);
    (void)fclose(f);
    cr_assert_eq(mkdir(path_of("elsewhere"), 0700), 0);
    OK(hg_outside_mkdir(out, "d", 0));
    cr_assert_eq(symlink("../secret", path_of("root/file")), 0);
    cr_assert_eq(symlink("../elsewhere", path_of("root/dir")), 0);
    cr_assert_eq(symlink("../none", path_of("root/dangling")), 0);
    cr_assert_eq(symlink("d", path_of("root/inside")), 0);
    cr_assert_eq(symlink("/proc/self/root", path_of("root/magic")), 0);
}

static int is_refused(int rc)
{
    return rc == HOLOG_E_LOOP || rc == HOLOG_E_NOTDIR;
}

static void follows_nothing(void)
{
    static const char *const dirs[] = { "dir", "inside", "magic" };
    struct hg_buf b = { 0 };
    struct listing l = { 0 };
    char name[64];

    plant();
    FAILS(HOLOG_E_LOOP, hg_outside_read(out, "file", 100, &b));
    FAILS(HOLOG_E_LOOP, put("file", "x", HG_OUTSIDE_REPLACE));
    FAILS(HOLOG_E_LOOP, put("file", "x", 0));
    FAILS(HOLOG_E_LOOP, put("dangling", "x", HG_OUTSIDE_REPLACE));
    FAILS(HOLOG_E_LOOP, put("dangling", "x", 0));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%s/x", dirs[i]);
        cr_assert(is_refused(put(name, "x", HG_OUTSIDE_REPLACE)), "%s", name);
        cr_assert(is_refused(hg_outside_mkdir(out, name, 0)), "%s", name);
        cr_assert(is_refused(hg_outside_mkdir(out, dirs[i], 0)), "%s", name);
        cr_assert(is_refused(hg_outside_read(out, name, 100, &b)), "%s", name);
        cr_assert(is_refused(hg_outside_list(out, dirs[i], count, &l)), "%s", name);
        (void)snprintf(name, sizeof name, "%s/x/y", dirs[i]);
        cr_assert(is_refused(put(name, "x", 0)), "%s", name);
    }
    cr_assert_eq(really("elsewhere"), 0);
    cr_assert_neq(access(path_of("none"), F_OK), 0);
    OK(hg_outside_list(out, "", count, &l));
    cr_assert(l.files == 0 && l.dirs == 1, "symlinks are passed over");
    cr_assert_eq(b.len, 0);
}

Test(outside, symlinks_are_not_followed)
{
    follows_nothing();
}

Test(refused_outside, without_openat2_symlinks_are_not_followed_either)
{
    world_refuse(SYS_openat2, -1, ENOSYS);
    follows_nothing();
}

Test(refused_outside, without_openat2_everything_else_is_the_same)
{
    static char name[300];

    world_refuse(SYS_openat2, -1, ENOSYS);
    OK(hg_outside_mkdir(out, "a/b", 0));
    OK(put("a/b/f", "x", 0));
    demand("a/b/f", "x");
    refuses("a/../f", HOLOG_E_BADPATH);
    memset(name, 'x', 256);
    refuses(name, HOLOG_E_NAMETOOLONG);
    FAILS(HOLOG_E_NOENT, put("a/c/f", "x", 0));
}

Test(outside, what_is_no_regular_file_is_neither_read_nor_replaced)
{
    struct hg_buf b = { 0 };
    struct listing l = { 0 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.90s/root/socket", dir);
    cr_assert_eq(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(mkfifo(path_of("root/fifo"), 0600), 0);
    (void)alarm(10); /* an open of a FIFO waits for the other end */
    FAILS(HOLOG_E_TYPE, hg_outside_read(out, "fifo", 100, &b));
    FAILS(HOLOG_E_TYPE, hg_outside_read(out, "socket", 100, &b));
    FAILS(HOLOG_E_TYPE, put("fifo", "x", HG_OUTSIDE_REPLACE));
    FAILS(HOLOG_E_TYPE, put("socket", "x", HG_OUTSIDE_REPLACE));
    (void)alarm(0);
    OK(hg_outside_list(out, "", count, &l));
    cr_assert_eq(l.files + l.dirs, 0);
    (void)close(s);
}

/* ---- failures --------------------------------------------------------------------------------------- */

/* A write that the kernel refuses at one point leaves the old file, and nothing else. */
static void fails_cleanly(int nr, int err, int code, unsigned flags)
{
    OK(put("f", "old", 0));
    world_refuse(nr, -1, err);
    FAILS(code, put("f", "new", flags | HG_OUTSIDE_REPLACE));
    demand("f", "old");
    cr_assert_eq(really("root"), 1, "nothing is left over");
}

Test(refused_outside, a_sync_that_fails_leaves_the_old_file)
{
    fails_cleanly(SYS_fsync, EIO, HOLOG_E_IO, 0);
}

Test(refused_outside, a_rename_that_fails_leaves_the_old_file)
{
    fails_cleanly(SYS_renameat, EACCES, HOLOG_E_IO, 0);
}

Test(refused_outside, a_file_system_whose_rename_replaces_always_is_no_danger)
{
    world_refuse(SYS_renameat2, -1, EINVAL);
    OK(put("f", "old", 0));
    FAILS(HOLOG_E_EXIST, put("f", "new", 0));
    demand("f", "old");
}

static int always(size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    return 1;
}

Test(outside, without_memory_nothing_stays_open)
{
    struct hg_outside *o = NULL;
    struct hg_buf b = { 0 };

    OK(put("f", "x", 0));
    hg_alloc_set_fault(always, NULL);
    FAILS(HOLOG_E_NOMEM, hg_outside_open(path_of("root"), 0, &o));
    FAILS(HOLOG_E_NOMEM, hg_outside_read(out, "f", 10, &b));
    hg_alloc_set_fault(NULL, NULL);
    cr_assert_null(o);
}

Test(outside, a_file_in_place_is_new_and_right_in_its_directory)
{
    struct hg_outside *below = NULL;

    OK(hg_outside_mkdir(out, "a/b", HG_OUTSIDE_LAZY));
    OK(hg_outside_enter(out, "a/b", &below));
    OK(hg_outside_create(below, "f", "bytes", 5));
    demand("a/b/f", "bytes");
    FAILS(HOLOG_E_EXIST, hg_outside_create(below, "f", "other", 5));
    demand("a/b/f", "bytes");
    FAILS(HOLOG_E_BADPATH, hg_outside_create(below, "../f", "x", 1));
    FAILS(HOLOG_E_BADPATH, hg_outside_create(below, "c/f", "x", 1));
    FAILS(HOLOG_E_BADPATH, hg_outside_create(below, HG_OUTSIDE_TEMP "1", "x", 1));
    hg_outside_close(below);
    cr_assert_eq(symlink("/etc", path_of("root/etc")), 0);
    cr_assert_lt(hg_outside_enter(out, "etc", &below), 0);
    FAILS(HOLOG_E_NOENT, hg_outside_enter(out, "none", &below));
    FAILS(HOLOG_E_BADPATH, hg_outside_enter(out, "..", &below));
}
