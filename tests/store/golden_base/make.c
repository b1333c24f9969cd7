/*
 * How the store here was made, by the version that brought bases:
 *     cc -Isrc -Iinclude -Itests/crash make.c tests/crash/bases.c libholog.a ... && ./make tests/store/golden_base/store
 * It stays as it is: the layout of index checkpoints and their pages is part of the format, in bases. chk/, ctl, LOCK
 * and quarantine/ were deleted.
 */
#include <stdio.h>
#include <string.h>

#include "bases.h"
#include "holog/versions.h"

#define RP (HOLOG_REPLACE | HOLOG_PARENTS)

static int failed;
#define TRY(call) (failed = failed != 0 ? failed : (call) < 0 ? __LINE__ : 0)

static void save(holog_store *s, const char *path, unsigned i, size_t len)
{
    char v[1000];

    for (size_t k = 0; k < len; k++)
        v[k] = (char)('a' + (i + k * 7) % 26);
    TRY(holog_save(s, path, v, len, RP, NULL));
}

static void change(holog_store *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char byte = (char)('A' + i % 26);
        holog_delta d = { .kind = HOLOG_DELTA_UPDATE,
                          .start = i * 13 % 900,
                          .end = i * 13 % 900 + 1,
                          .data = &byte,
                          .len_bytes = 1 };
        TRY(holog_apply(s, "changed", &d, 1, 0, 0, NULL));
    }
}

int main(int argc, char **argv)
{
    holog_options o;
    holog_store *s = NULL;
    unsigned gone = 0;
    char path[32];

    if (argc != 2)
        return 2;
    holog_options_init(&o);
    o.segment_size_max = 16 << 10;
    o.no_background = 1;
    TRY(holog_open(argv[1], &o, &s));
    for (unsigned i = 0; i < 30; i++) {
        (void)snprintf(path, sizeof path, "gone/%u", i);
        save(s, path, i, 900);
    }
    TRY(holog_delete_all(s, "gone", NULL));
    TRY(holog_gc(s, 1, 0, 0, NULL));
    TRY(holog_config(s, "user.colour", "blue", NULL, 0));
    save(s, "changed", 0, 900);
    change(s, 0, 40);
    TRY(holog_fold(s, "changed"));
    change(s, 40, 60);
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(path, sizeof path, "dir/%u/z%u", i % 3, i);
        save(s, path, i, 30 + i);
    }
    TRY(holog_symlink(s, "dir/1", "link", 0, NULL));
    TRY(holog_tag(s, "here", holog_last_number(s), 0));
    save(s, "dir/1/z1", 100, 50);
    TRY(holog_delete(s, "dir/2/z2", NULL));
    TRY(hg_base_make(s));
    TRY(base_remove_dead_frames(s, &gone));
    save(s, "later", 7, 77);
    TRY(holog_close(s));
    (void)printf("%u gone, line %d\n", gone, failed);
    return failed != 0;
}
