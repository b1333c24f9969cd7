/* Files that others wrote: golden/make.py says what they hold. */
#ifndef HOLOG_TESTS_CODEC_GOLDEN_H
#define HOLOG_TESTS_CODEC_GOLDEN_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

struct golden {
    char name[256];
    size_t size; /* of an element */
    uint8_t *data;
    size_t len;
    uint8_t *raw;
    size_t raw_bytes;
};

static inline uint8_t *golden_file(const char *name, size_t *out_len)
{
    char path[4096];
    long len;
    uint8_t *data;

    (void)snprintf(path, sizeof path, "%s/%s", HOLOG_GOLDEN_DIR, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    len = ftell(f);
    cr_assert(len >= 0 && fseek(f, 0, SEEK_SET) == 0);
    data = malloc((size_t)len + (len == 0)); /* ends where the file ends: a read behind it shows */
    cr_assert(data != NULL && fread(data, 1, (size_t)len, f) == (size_t)len);
    (void)fclose(f);
    *out_len = (size_t)len;
    return data;
}

/* Each whose name begins so is shown to `judge`. Returns how many. */
static inline unsigned golden_each(const char *begin, void (*judge)(struct golden *))
{
    size_t raw_len;
    uint8_t *raw = golden_file("raw", &raw_len);
    unsigned count = 0;

    DIR *dir = opendir(HOLOG_GOLDEN_DIR);
    cr_assert_not_null(dir);
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        struct golden g = { .raw = raw };
        const char *size = strrchr(e->d_name, '-');
        const char *bytes = strrchr(e->d_name, '.');
        if (strncmp(e->d_name, begin, strlen(begin)) != 0 || size == NULL || bytes == NULL)
            continue;
        (void)snprintf(g.name, sizeof g.name, "%s", e->d_name);
        g.size = strtoul(size + 1, NULL, 10);
        g.raw_bytes = strtoul(bytes + 1, NULL, 10);
        g.data = golden_file(g.name, &g.len);
        cr_assert_leq(g.raw_bytes, raw_len);
        judge(&g);
        free(g.data);
        count++;
    }
    (void)closedir(dir);
    free(raw);
    return count;
}

#endif
