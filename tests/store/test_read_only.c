/*
 * Reading writes nothing: every call that reads, on a store that lies on a file system mounted read-only, and again
 * over an io that counts. Of a store that was closed, and of one whose process was killed.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "engine/store_internal.h"
#include "holog/backend.h"
#include "holog/files.h"
#include "holog/versions.h"
#include "holog/zarr.h"
#include "storekit.h"

TestSuite(read_only, .timeout = 300);

#define LARGE 300000 /* bytes: an extent of several blocks */

static struct box box;
static char files_dir[300]; /* of the backend files */
static char other_dir[300]; /* where exports go */

/* ---- a store with everything in it -----------------------------------------------------------------*/

static const uint64_t shape[3] = { 4, 20, 30 };
static uint16_t pixels[4 * 20 * 30];

static void make_pixels(void)
{
    for (size_t i = 0; i < sizeof pixels / 2; i++)
        pixels[i] = (uint16_t)(i * 31 + 7);
}

static void save_arrays(void)
{
    static const uint64_t plane[2] = { 20, 30 };
    static const uint64_t chunk[3] = { 4, 20, 30 };
    static const uint64_t inner[3] = { 2, 10, 10 };
    static const char *const names[] = { "z0.tif", "z1.tif" };
    const void *const planes[] = { pixels, pixels + 600 };
    holog_array_spec spec = {
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 3, .shape = shape
    };

    OK(holog_array_save(box.store, "arrays/raw", &spec, pixels, NULL, HOLOG_PARENTS, NULL));
    spec.codec = HOLOG_CODEC_ZSTD;
    OK(holog_array_save(box.store, "arrays/zstd", &spec, pixels, NULL, 0, NULL));
    spec.chunk = chunk;
    spec.inner_chunk = inner;
    OK(holog_array_save(box.store, "arrays/shards", &spec, pixels, NULL, 0, NULL));
    spec = (holog_array_spec){
        .struct_size = sizeof spec, .dtype = HOLOG_UINT16, .rank = 2, .shape = plane
    };
    OK(holog_planes_save(box.store, "arrays/planes", names, planes, 2, &spec, 0, NULL));
}

static void save_files(void)
{
    holog_backend_options o = { .struct_size = sizeof o, .store = box.store, .root = files_dir };
    holog_backend *b = NULL;

    OK(holog_backend_open("files", &o, &b));
    OK(holog_vfs_save_bytes(b, "beside/a.txt", "a file", 6, HOLOG_PARENTS, NULL));
    OK(holog_backend_close(b));
}

/* Commit 1 has small/0 to small/39, of which later ones change some. */
static void fill(void)
{
    holog_item items[40];
    char paths[40][32];
    uint64_t first = 0;
    holog_delta d = {
        .kind = HOLOG_DELTA_UPDATE, .start = 100, .end = 104, .data = "xy", .len_bytes = 2
    };

    for (size_t i = 0; i < 40; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "small/%zu", i);
        items[i] = (holog_item){ paths[i], "text", 4 };
    }
    OK(holog_save_batch(box.store, items, 40, HOLOG_PARENTS, &first));
    OK(holog_tag(box.store, "first", first, 0));
    OK(save_seed(box.store, "large", LARGE, 5, 0));
    OK(holog_apply(box.store, "large", &d, 1, 0, 0, NULL));
    OK(holog_symlink(box.store, "small/1", "link", 0, NULL));
    OK(save_text(box.store, "small/2", "replaced", HOLOG_REPLACE));
    OK(holog_delete(box.store, "small/3", NULL));
    OK(holog_config(box.store, "user.color", "green", NULL, 0));
    save_arrays();
    save_files();
}

/* ---- every call that reads ---------------------------------------------------------------------------*/

static int count_commit(void *ctx, const holog_commit_info *info)
{
    *(int *)ctx += info->number != 0;
    return 0;
}

static int count_version(void *ctx, const holog_version_info *info)
{
    *(int *)ctx += info->number != 0;
    return 0;
}

static int count_difference(void *ctx, const holog_difference *d)
{
    *(int *)ctx += d->path != NULL;
    return 0;
}

static int count_pair(void *ctx, const char *key, const char *value)
{
    *(int *)ctx += key != NULL && value != NULL;
    return 0;
}

static int count_tag(void *ctx, const char *name, uint64_t number, uint64_t time_ns)
{
    *(int *)ctx += name != NULL && number > 0 && time_ns > 0;
    return 0;
}

static int count_holder(void *ctx, const holog_holder *h)
{
    *(int *)ctx += h->kind == HOLOG_HOLDER_TAG;
    return 0;
}

static int count_du(void *ctx, const holog_du_entry *e)
{
    *(int *)ctx += e->path != NULL;
    return 0;
}

static int count_key(void *ctx, const char *key, uint64_t size_bytes)
{
    (void)size_bytes;
    *(int *)ctx += key[0] != '\0';
    return 0;
}

static void read_values(holog_store *s)
{
    static const char *const paths[] = { "small/0", "link", "large" };
    holog_value *values[3] = { NULL };
    holog_stat_info info = { .struct_size = sizeof info };
    uint8_t part[500];
    size_t n = 0;
    int yes = 0;
    char target[32];

    OK(holog_load_batch(s, paths, 3, values, NULL));
    cr_assert_eq(holog_value_size(values[2]), LARGE - 2);
    for (size_t i = 0; i < 3; i++)
        holog_value_release(values[i]);
    OK(holog_load_range(s, "large", 70000, part, sizeof part, &n));
    cr_assert_eq(n, sizeof part);
    has_text(s, "small/2", "replaced");
    OK(holog_stat(s, "large", &info));
    cr_assert_eq(info.type, HOLOG_BLOB);
    OK(holog_exists(s, "small/3", &yes));
    cr_assert_eq(yes, 0);
    OK(holog_readlink(s, "link", target, sizeof target));
    free(store_text(s)); /* lists all and loads all */
}

static void read_views(holog_store *s)
{
    holog_view *now = NULL;
    holog_view *then = NULL;
    holog_value *v = NULL;
    uint64_t number = 0;
    uint64_t hash = 0;

    OK(holog_ref(s, "first", &number));
    OK(holog_view_open_at(s, number, &then));
    OK(holog_view_load(then, "small/3", &v));
    holog_value_release(v);
    holog_view_close(then);
    OK(holog_view_open(s, &now));
    OK(holog_state_hash(now, &hash));
    holog_view_close(now);
    OK(holog_refresh(s, &number));
    cr_assert_eq(number, holog_last_number(s));
}

static void read_past(holog_store *s)
{
    uint64_t first = 0;
    uint64_t number = 0;
    int n[6] = { 0 };
    holog_gc_report gc = { .struct_size = sizeof gc };

    OK(holog_ref(s, "first", &first));
    OK(holog_log(s, NULL, 0, 0, count_commit, &n[0]));
    OK(holog_history(s, "small/2", 0, count_version, &n[1]));
    OK(holog_diff(s, first, holog_last_number(s), "/", HOLOG_DIFF_RANGES, count_difference, &n[2]));
    OK(holog_before_changes(s, "small/2", 1, &number));
    OK(holog_tag_list(s, count_tag, &n[3]));
    OK(holog_holders(s, count_holder, &n[4]));
    OK(holog_du(s, "/", count_du, &n[5]));
    for (size_t i = 0; i < 6; i++)
        cr_assert_gt(n[i], 0, "%zu", i);
    FAILS(HOLOG_E_READONLY, holog_gc(s, 0, 0, 0, &gc), NULL);
}

static void read_facts(holog_store *s)
{
    holog_recovery_report r = { .struct_size = sizeof r };
    holog_stats st = { .struct_size = sizeof st };
    char value[32];
    int n = 0;

    OK(holog_recovery_info(s, &r));
    OK(holog_stats_get(s, &st));
    OK(holog_info(s, count_pair, &n));
    OK(holog_config(s, "user.color", NULL, value, sizeof value));
    cr_assert_str_eq(value, "green");
    OK(holog_config_list(s, count_pair, &n));
    cr_assert_gt(n, 10);
}

static int swallow(void *ctx, const void *data, size_t len_bytes)
{
    *(size_t *)ctx += data != NULL ? len_bytes : 0;
    return 0;
}

static void read_arrays(holog_store *s)
{
    static const char *const paths[] = { "arrays/raw", "arrays/zstd", "arrays/shards" };
    static uint16_t got[4 * 20 * 30];
    const holog_slice part[3] = { { 1, 2, 2 }, { 3, 9, 1 }, { 0, 30, 1 } };
    holog_array *a = NULL;
    holog_value *v = NULL;
    size_t bytes = 0;

    for (size_t i = 0; i < 3; i++) {
        OK(holog_array_open(s, paths[i], &a));
        OK(holog_array_read(a, part, got, NULL));
        OK(holog_array_load(a, &v));
        cr_assert_eq(memcmp(holog_value_data(v), pixels, sizeof pixels), 0, "%s", paths[i]);
        holog_value_release(v);
        OK(holog_file_encode(a, HOLOG_FILE_NPY, swallow, &bytes));
        holog_array_close(a);
    }
    cr_assert_gt(bytes, 3 * sizeof pixels);
    OK(holog_array_open(s, "arrays/planes", &a));
    OK(holog_planes_read(a, "z1.tif", got, NULL));
    cr_assert_eq(memcmp(got, pixels + 600, 1200), 0);
    holog_array_close(a);
}

static void read_zarr(holog_store *s)
{
    static const char *const keys[] = { "arrays/raw/c/1/0/0", "arrays/shards/c/0/0/0",
                                        "arrays/zstd/zarr.json", "zarr.json" };
    static int exports;
    holog_zarr_info info = { .struct_size = sizeof info };
    holog_view *view = NULL;
    holog_zarr *z = NULL;
    holog_value *v = NULL;
    char dir[400];
    int n = 0;

    OK(holog_view_open(s, &view));
    OK(holog_zarr_open(view, "/", HOLOG_ZARR_CONSOLIDATED, &z));
    OK(holog_zarr_list(z, "", count_key, &n));
    cr_assert_gt(n, 10);
    for (size_t i = 0; i < 4; i++) {
        OK(holog_zarr_stat(z, keys[i], &info));
        OK(holog_zarr_get(z, keys[i], &v));
        cr_assert_eq(holog_value_size(v), info.size_bytes);
        holog_value_release(v);
    }
    (void)snprintf(dir, sizeof dir, "%s/%d.zarr", other_dir, exports++);
    OK(holog_zarr_export(z, dir, NULL));
    holog_zarr_close(z);
    holog_view_close(view);
}

static int count_object(void *ctx, const char *path, uint32_t type)
{
    *(int *)ctx += path != NULL && type != HOLOG_MISSING;
    return 0;
}

static void read_backend(holog_store *s, const char *name)
{
    holog_backend_options o = { .struct_size = sizeof o, .store = s, .root = files_dir };
    holog_vfs_stat_info info = { .struct_size = sizeof info };
    holog_vfs_place place = { .struct_size = sizeof place };
    holog_backend *b = NULL;
    holog_object *object = NULL;
    int answer = 0;
    int n = 0;

    OK(holog_backend_open(name, &o, &b));
    OK(holog_vfs_load(b, "beside/a.txt", &object));
    holog_object_release(object);
    OK(holog_vfs_load_checked(b, "arrays/zstd", HOLOG_UINT16, 3, shape, &object));
    holog_object_release(object);
    OK(holog_vfs_exists(b, "nowhere/at/all", &answer));
    OK(holog_vfs_is_dir(b, "arrays", &answer));
    cr_assert_eq(answer, HOLOG_YES);
    OK(holog_vfs_stat(b, "arrays/raw", &info));
    OK(holog_vfs_resolve(b, "large", &place));
    OK(holog_vfs_list_files(b, "/", NULL, NULL, HOLOG_LIST_RECURSIVE, count_object, &n));
    OK(holog_vfs_list_dir(b, "/", count_object, &n));
    cr_assert_gt(n, 40);
    FAILS(HOLOG_E_READONLY, holog_vfs_save_bytes(b, "new", "x", 1, 0, NULL), NULL);
    OK(holog_backend_close(b));
}

static void read_everything(holog_store *s)
{
    read_values(s);
    read_views(s);
    read_past(s);
    read_facts(s);
    read_arrays(s);
    read_zarr(s);
    read_backend(s, "memory");
    read_backend(s, "zarr");
    read_backend(s, "files");
}

/* ---- what must stay as it is --------------------------------------------------------------------------*/

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names, sizes, modes, times and bytes of everything below dir. */
static uint64_t tree_hash(const char *dir, uint64_t seed)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, NULL, by_name);

    cr_assert_geq(n, 0, "%s", dir);
    for (int i = 0; i < n; i++) {
        char path[1024];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
        if (strcmp(names[i]->d_name, "..") == 0) { /* is others' */
            free(names[i]);
            continue;
        }
        cr_assert_eq(lstat(path, &st), 0);
        seed = hg_hash64_seeded(names[i]->d_name, strlen(names[i]->d_name), seed);
        seed = hg_hash64_seeded(&st.st_mtim, sizeof st.st_mtim, seed);
        seed = hg_hash64_seeded(&st.st_ctim, sizeof st.st_ctim, seed);
        seed = hg_hash64_seeded(&st.st_size, sizeof st.st_size, seed);
        if (S_ISREG(st.st_mode)) {
            size_t len = 0;
            void *bytes = file_read(dir, names[i]->d_name, &len);
            seed = hg_hash64_seeded(bytes, len, seed);
            free(bytes);
        } else if (S_ISDIR(st.st_mode) && strcmp(names[i]->d_name, ".") != 0) {
            seed = tree_hash(path, seed);
        }
        free(names[i]);
    }
    free(names);
    return seed;
}

/* ---- stores --------------------------------------------------------------------------------------------*/

static void make_directories(void)
{
    make_pixels();
    box_make(&box);
    (void)snprintf(files_dir, sizeof files_dir, "%s-files", box.dir);
    (void)snprintf(other_dir, sizeof other_dir, "%s-other", box.dir);
    cr_assert_eq(mkdir(other_dir, 0700), 0);
}

static void make_closed(void)
{
    make_directories();
    box_open(&box);
    fill();
    OK(holog_close(box.store));
    box.store = NULL;
}

static void make_killed(void)
{
    int status = 0;
    pid_t pid;

    make_directories();
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        box_open(&box);
        fill();
        (void)kill(getpid(), SIGKILL);
        _exit(1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%#x", (unsigned)status);
    file_write(box.dir, "SUPER.tmp", "x",
               1); /* what is half made is for the next writer to delete */
}

static void end(void)
{
    remove_tree(box.dir);
    remove_tree(files_dir);
    remove_tree(other_dir);
}

static int damages;

static int count_damage(void *ctx, const holog_damage *d)
{
    (void)ctx;
    damages += !d->harmless;
    return 0;
}

static void open_read_only(void)
{
    holog_options o = box.opts;

    o.flags = HOLOG_OPEN_READONLY;
    o.lock_wait_ms = 10000;
    OK(holog_open(box.dir, &o, &box.store));
}

/* Twice, so that the first look leaves nothing for the second one either. */
static void look(void)
{
    holog_repair_report r = { .struct_size = sizeof r };
    uint64_t before = tree_hash(box.dir, 0);
    uint64_t files_before = tree_hash(files_dir, 0);

    for (int round = 0; round < 2; round++) {
        open_read_only();
        read_everything(box.store);
        OK(holog_close(box.store));
        box.store = NULL;
        OK(holog_verify(box.dir, 0, count_damage, NULL, NULL, NULL));
        OK(holog_verify(box.dir, HOLOG_VERIFY_QUICK, count_damage, NULL, NULL, NULL));
        cr_assert_eq(damages, 0);
    }
    OK(holog_repair(box.dir, HOLOG_REPAIR_POINT_IN_TIME, 1, NULL, NULL, &r));
    cr_assert_eq(tree_hash(box.dir, 0), before);
    cr_assert_eq(tree_hash(files_dir, 0), files_before);
}

/* ---- on a read-only mount --------------------------------------------------------------------------------*/

static int write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");

    if (f == NULL)
        return -1;
    (void)fputs(text, f);
    return fclose(f);
}

static int mount_read_only(const char *dir)
{
    if (mount(dir, dir, NULL, MS_BIND, NULL) != 0)
        return -1;
    return mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

/* In a namespace of our own. Who is not root would need one of users first, which a process with threads, as those
 * of Criterion are, cannot have: tests/tools/read_only_test.py is for them, too. */
static void begin_mounts(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        cr_skip_test("a read-only file system: this process may not mount (%s)", strerror(errno));
}

static void look_mounted(void)
{
    char name[600];

    if (mount_read_only(box.dir) != 0 || mount_read_only(files_dir) != 0)
        cr_skip_test("a read-only file system: mount says %s", strerror(errno));
    (void)snprintf(name, sizeof name, "%s/x", box.dir);
    cr_assert_neq(write_file(name, "x"), 0, "it is read-only indeed");
    look();
    (void)umount(box.dir);
    (void)umount(files_dir);
    end();
}

Test(read_only, every_read_works_on_a_read_only_mount_and_leaves_a_closed_store_as_it_is)
{
    begin_mounts();
    make_closed();
    look_mounted();
}

Test(read_only, every_read_works_on_a_read_only_mount_and_leaves_a_killed_store_as_it_is)
{
    begin_mounts();
    make_killed();
    look_mounted();
}

Test(read_only, reading_leaves_a_closed_store_as_it_is_where_it_could_write)
{
    make_closed();
    look();
    end();
}

Test(read_only, reading_leaves_a_killed_store_as_it_is_where_it_could_write)
{
    make_killed();
    look();
    open_read_only();
    OK(holog_close(box.store));
    box.opts.lock_wait_ms = 10000;
    box_open(&box); /* and recovery has all to do that there was */
    has_text(box.store, "small/2", "replaced");
    box_same_after_reopen(&box);
    OK(holog_close(box.store));
    end();
}

/* ---- over an io that counts ------------------------------------------------------------------------------*/

static const struct hg_io_ops *real;
static int writes; /* atomic: calls that could change something */

static int note(void)
{
    __atomic_add_fetch(&writes, 1, __ATOMIC_RELAXED);
    return HOLOG_OK;
}

static int counted_open(struct hg_io *io, const char *name, unsigned flags, struct hg_file **out)
{
    if ((flags & (HG_OPEN_WRITE | HG_OPEN_CREATE)) != 0)
        (void)note();
    return real->open(io, name, flags, out);
}

static int counted_pwritev(struct hg_file *f, const struct iovec *iov, int n_iov, uint64_t offset,
                           unsigned flags, size_t *out_n)
{
    (void)note();
    return real->pwritev(f, iov, n_iov, offset, flags, out_n);
}

static int counted_fdatasync(struct hg_file *f)
{
    (void)note();
    return real->fdatasync(f);
}

static int counted_fallocate(struct hg_file *f, uint64_t offset, uint64_t len)
{
    (void)note();
    return real->fallocate(f, offset, len);
}

static int counted_truncate(struct hg_file *f, uint64_t size)
{
    (void)note();
    return real->truncate(f, size);
}

static int counted_rename(struct hg_io *io, const char *from, const char *to)
{
    (void)note();
    return real->rename(io, from, to);
}

static int counted_unlink(struct hg_io *io, const char *name)
{
    (void)note();
    return real->unlink(io, name);
}

static int counted_mkdir(struct hg_io *io, const char *name)
{
    (void)note();
    return real->mkdir(io, name);
}

static int counted_rmdir(struct hg_io *io, const char *name)
{
    (void)note();
    return real->rmdir(io, name);
}

static int counted_sync_dir(struct hg_io *io, const char *name)
{
    (void)note();
    return real->sync_dir(io, name);
}

static int counted_map(struct hg_file *f, size_t len, int writable, void **out_addr)
{
    if (writable)
        (void)note();
    return real->map_shared(f, len, writable, out_addr);
}

static int counted_submit(struct hg_io *io, struct hg_req *const *reqs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (reqs[i]->op != HG_REQ_READ)
            (void)note();
    }
    return real->submit(io, reqs, n);
}

static int writes_while(unsigned open_flags, void (*use)(holog_store *s))
{
    struct hg_io *io = NULL;
    struct hg_io_ops ops;
    holog_options o = box.opts;
    holog_store *s = NULL;

    o.flags = open_flags;
    o.lock_wait_ms = 10000;
    OK(hg_io_open(box.dir, HG_IO_AUTO, &io));
    real = io->ops;
    ops = *real;
    ops.open = counted_open;
    ops.pwritev = counted_pwritev;
    ops.fdatasync = counted_fdatasync;
    ops.fallocate = counted_fallocate;
    ops.truncate = counted_truncate;
    ops.rename = counted_rename;
    ops.unlink = counted_unlink;
    ops.mkdir = counted_mkdir;
    ops.rmdir = counted_rmdir;
    ops.sync_dir = counted_sync_dir;
    ops.map_shared = counted_map;
    ops.submit = counted_submit;
    io->ops = &ops;
    writes = 0;
    OK(hg_store_open_io(io, &o, &s));
    use(s);
    OK(holog_close(s));
    if (open_flags != 0)
        OK(hg_verify_io(io, 0, count_damage, NULL, NULL, NULL));
    io->ops = real;
    real->destroy(io);
    return writes;
}

static void save_one(holog_store *s)
{
    OK(holog_save(s, "one", "x", 1, HOLOG_REPLACE, NULL));
}

Test(read_only, no_call_that_reads_asks_the_system_for_a_change)
{
    make_killed();
    cr_assert_eq(writes_while(HOLOG_OPEN_READONLY, read_everything), 0);
    cr_assert_gt(writes_while(0, save_one), 3, "what is counted is what saves are made of");
    cr_assert_eq(writes_while(HOLOG_OPEN_READONLY, read_everything), 0);
    end();
}
