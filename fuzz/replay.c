/*
 * Runs a fuzz target once over files, without libFuzzer: each argument is a file or a folder of
 * files.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX (16u << 20)

static int replay_file(const char *name)
{
    uint8_t *data = NULL;
    uint8_t *exact = NULL;
    int rc = 1;

    FILE *f = fopen(name, "rb");
    if (f == NULL) {
        (void)fprintf(stderr, "%s: %s\n", name, strerror(errno));
        return 1;
    }
    data = malloc(INPUT_MAX);
    if (data == NULL)
        goto out;
    size_t len = fread(data, 1, INPUT_MAX, f);
    exact = malloc(len + (len == 0)); /* ends where the input ends: a read past it is seen */
    if (exact == NULL)
        goto out;
    memcpy(exact, data, len);
    (void)LLVMFuzzerTestOneInput(exact, len); /* always 0 */
    rc = 0;
out:
    free(exact);
    free(data);
    (void)fclose(f); /* only read */
    return rc;
}

/* Files replayed, or -1. */
static int replay(const char *name)
{
    char path[4096];
    int count = 0;

    DIR *dir = opendir(name);
    if (dir == NULL)
        return replay_file(name) == 0 ? 1 : -1;
    for (const struct dirent *e = readdir(dir); e != NULL && count >= 0; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", name, e->d_name);
        count = replay_file(path) == 0 ? count + 1 : -1;
    }
    (void)closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n <= 0) {
            (void)fprintf(stderr, "%s: nothing could be replayed\n", argv[i]);
            return 1;
        }
        (void)printf("%s: %d replayed\n", argv[i], n);
    }
    return argc > 1 ? 0 : 1;
}
