/*
 * Request targets: a key never leads out of the hierarchy, and a target put together again from what was
 * read names the same thing.
 */
#include <string.h>

#include "fuzz.h"
#include "serve/target.h"

static void check_key(const char *key)
{
    FUZZ_CHECK(key[0] != '/' && strstr(key, "//") == NULL);
    while (*key != '\0') {
        size_t len = strcspn(key, "/");
        FUZZ_CHECK(!(len == 1 && key[0] == '.'));
        FUZZ_CHECK(!(len == 2 && key[0] == '.' && key[1] == '.'));
        key += len + (key[len] == '/');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char raw[TARGET_MAX + 16];
    static char parts[TARGET_MAX + 16];
    static char parts_again[TARGET_MAX + 16];
    static struct target target;
    static struct target again;

    if (size >= sizeof raw)
        return 0;
    memcpy(raw, data, size);
    raw[size] = '\0';
    target_parse(raw, parts, &target);
    if (target.kind != TARGET_LIVE && target.kind != TARGET_NUMBER && target.kind != TARGET_REF)
        return 0;
    check_key(target.key);
    char *text = target_link(&target, target.number, false);
    FUZZ_CHECK(text != NULL);
    if (strlen(text) > TARGET_MAX) { /* escaped it may be too long to come back */
        free(text);
        return 0;
    }
    target_parse(text, parts_again, &again);
    FUZZ_CHECK(again.kind == (target.kind == TARGET_LIVE ? TARGET_LIVE : TARGET_NUMBER));
    FUZZ_CHECK(again.number == target.number && again.twin == target.twin);
    FUZZ_CHECK(strcmp(again.key, target.key) == 0 && again.list == target.list);
    free(text);
    return 0;
}
