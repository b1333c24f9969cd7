#include "making.h"

#include <stdlib.h>

#include <holog/holog.h>

FILE *list;
unsigned made;
static const char *out_dir;

void ok(int rc, const char *what)
{
    struct holog_error_detail why;

    if (rc >= 0)
        return;
    holog_last_error(&why);
    (void)fprintf(stderr, "%s: %s\n", what, why.message);
    exit(1);
}

void *memory(size_t bytes)
{
    void *p = calloc(1, bytes);

    if (p == NULL)
        abort();
    return p;
}

uint64_t random_bits(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void demand(int done, const char *name)
{
    if (!done) {
        perror(name);
        exit(1);
    }
}

void list_begin(const char *dir, const char *name)
{
    char path[4096];

    out_dir = dir;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    list = fopen(path, "w");
    demand(list != NULL, path);
    (void)fputs("[", list);
}

void list_end(void)
{
    (void)fputs("\n]\n", list);
    demand(fclose(list) == 0, "the list");
}

void write_bytes(const void *data, size_t bytes)
{
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%u.bin", out_dir, made);
    f = fopen(path, "wb");
    demand(f != NULL && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0, path);
}
