/*
 * See compactkit.h.
 */
#include "compactkit.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "holog/versions.h"

struct box box;
holog_compact_report report;

void begin_with(double space_amp)
{
    box_make(&box);
    box.opts.max_space_amp = space_amp;
    box.opts.segment_size_max = 64 * KIB;
    box.opts.extent_segment_size_max = 1024 * KIB;
    box.opts.inline_max = 8 * KIB;
    box.opts.no_compaction = 1; /* but for what is asked for here */
    box_open(&box);
    OK(holog_config(box.store, "retention.commits", "1", NULL, 0));
}

void begin(void)
{
    begin_with(0);
}

void compact(unsigned flags)
{
    holog_compact_options o = { .struct_size = sizeof o, .flags = flags };

    report = (holog_compact_report){ .struct_size = sizeof report };
    OK(holog_compact(box.store, &o, &report));
}

void let_go(void)
{
    holog_gc_report gc = { .struct_size = sizeof gc };
    OK(holog_gc(box.store, 1, 0, 0, &gc));
}

unsigned files_of(const char *suffix)
{
    char dir[300];
    unsigned n = 0;
    const struct dirent *e;

    (void)snprintf(dir, sizeof dir, "%s/seg", box.dir);
    DIR *d = opendir(dir);
    cr_assert_not_null(d);
    while ((e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);
        n += len > strlen(suffix) && strcmp(e->d_name + len - strlen(suffix), suffix) == 0;
    }
    (void)closedir(d);
    return n;
}

uint64_t head(void)
{
    uint64_t number;
    OK(holog_ref(box.store, "HEAD", &number));
    return number;
}

int change(const char *path, uint64_t at, const void *bytes, size_t len)
{
    holog_delta d = {
        .kind = HOLOG_DELTA_UPDATE, .start = at, .end = at + len, .data = bytes, .len_bytes = len
    };
    return holog_apply(box.store, path, &d, 1, 0, 0, NULL);
}
