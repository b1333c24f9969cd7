/*
 * Loading plug-ins; see plugin.h.
 */
#include "backends/files/plugin.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define PATH_ROOM 4096

/* Never unloaded: a second load of the same file by another thread is the same module. */
static _Atomic(const struct hg_plugin_tiff *) tiff;

/* NULL: not there, or it cannot be loaded, and out_why (`room` bytes) says why. */
static void *load(const char *dir, const char *file, char *out_why, size_t room)
{
    char path[PATH_ROOM];

    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path) {
        (void)snprintf(out_why, room, "the name of the directory is too long");
        return NULL;
    }
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL)
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): a thread has its own in glibc and in musl */
        (void)snprintf(out_why, room, "%s", dlerror()); /* cut to fit */
    return module;
}

static int load_tiff(const struct hg_plugin_tiff **out)
{
    const char *dir = secure_getenv("HOLOG_PLUGIN_PATH");
    char why[256];
    void *module = NULL;
    hg_plugin_tiff_entry entry = NULL;

    if (dir != NULL && dir[0] != '\0')
        module = load(dir, HG_PLUGIN_TIFF_FILE, why, sizeof why);
    if (module == NULL)
        module = load(HG_PLUGIN_DIR, HG_PLUGIN_TIFF_FILE, why, sizeof why);
    if (module == NULL)
        return hg_error(
            HOLOG_E_NOTSUP,
            "TIFF files need the plug-in %s, which is not there: build holog with libtiff "
            "(libtiff-dev), install it, or name its directory in HOLOG_PLUGIN_PATH (%s)",
            HG_PLUGIN_TIFF_FILE, why);
    void *symbol = dlsym(module, HG_PLUGIN_TIFF_SYMBOL);
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object to a function */
    const struct hg_plugin_tiff *table = entry != NULL ? entry() : NULL;
    if (table == NULL || table->version != HG_PLUGIN_VERSION || table->struct_size != sizeof *table)
        return hg_error(HOLOG_E_VERSION, "the plug-in %s is from another version of holog",
                        HG_PLUGIN_TIFF_FILE);
    *out = table;
    return HOLOG_OK;
}

int hg_plugin_tiff(const struct hg_plugin_tiff **out)
{
    const struct hg_plugin_tiff *table = atomic_load_explicit(&tiff, memory_order_acquire);

    if (table == NULL) {
        int rc = load_tiff(&table);
        if (rc < 0)
            return rc;
        atomic_store_explicit(&tiff, table, memory_order_release);
    }
    *out = table;
    return HOLOG_OK;
}
