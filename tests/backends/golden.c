#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"

#define FILE_MAX 65536

uint8_t *golden_exact(const void *data, size_t len)
{
    uint8_t *p = malloc(len + (len == 0));

    cr_assert_not_null(p);
    if (len > 0)
        memcpy(p, data, len);
    return p;
}

uint8_t *golden_read(const char *name, size_t *out_len)
{
    static uint8_t data[FILE_MAX];
    char path[512];

    (void)snprintf(path, sizeof path, GOLDEN "/%s", name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s is missing", path);
    *out_len = fread(data, 1, sizeof data, f);
    cr_assert(!ferror(f) && feof(f), "%s", path);
    (void)fclose(f);
    return golden_exact(data, *out_len);
}

uint8_t golden_byte(enum hg_dtype dtype, uint64_t k)
{
    return (uint8_t)(dtype == HG_BOOL ? k % 3 == 0 : k * 7 + 3);
}

const char *golden_why(void)
{
    static struct holog_error_detail d;

    hg_error_get(&d);
    return d.message;
}
