/*
 * Loading plug-ins; see plugin.h.
 */
#include "io/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/common.h"

#define PATH_ROOM 4096

/* Never unloaded: a second load of the same file by another thread is the same module. */
static _Atomic(const struct hg_plugin_tiff *) tiff;
static _Atomic(const struct hg_plugin_gzip *) gzip;
static _Atomic(const struct hg_plugin_zip *) zip;

/* NULL: not there, or it cannot be loaded, and out_why (`room` bytes) says why. */
static void *load_from(const char *dir, const char *file, char *out_why, size_t room)
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

/* What a plug-in's entry is called by that name; it takes nothing and returns a table. */
typedef const void *(*entry_fn)(void);

static int load(const char *file, const char *symbol, const char *what, const char *package,
                entry_fn *out)
{
    const char *dir = secure_getenv("HOLOG_PLUGIN_PATH");
    char why[256];
    void *module = NULL;

    if (dir != NULL && dir[0] != '\0')
        module = load_from(dir, file, why, sizeof why);
    if (module == NULL)
        module = load_from(HG_PLUGIN_DIR, file, why, sizeof why);
    if (module == NULL)
        return hg_error(
            HOLOG_E_NOTSUP,
            "%s: needs the plug-in %s, which is not there: build holog with %s, install it, or "
            "name its directory in HOLOG_PLUGIN_PATH (%s)",
            what, file, package, why);
    void *address = dlsym(module, symbol);
    if (address == NULL)
        return hg_error(HOLOG_E_VERSION, "%s is no plug-in of holog", file);
    memcpy(out, &address, sizeof *out); /* ISO C has no cast from an object to a function */
    return HOLOG_OK;
}

static int check(const char *file, uint32_t version, uint32_t size, size_t want)
{
    return version == HG_PLUGIN_VERSION && size == want
               ? HOLOG_OK
               : hg_error(HOLOG_E_VERSION, "the plug-in %s is from another version of holog", file);
}

int hg_plugin_tiff(const struct hg_plugin_tiff **out)
{
    const struct hg_plugin_tiff *table = atomic_load_explicit(&tiff, memory_order_acquire);
    entry_fn entry = NULL;

    if (table == NULL) {
        int rc = load(HG_PLUGIN_TIFF_FILE, HG_PLUGIN_TIFF_SYMBOL, "TIFF", "libtiff (libtiff-dev)",
                      &entry);
        if (rc == HOLOG_OK) {
            table = entry();
            rc = check(HG_PLUGIN_TIFF_FILE, table->version, table->struct_size, sizeof *table);
        }
        if (rc < 0)
            return rc;
        atomic_store_explicit(&tiff, table, memory_order_release);
    }
    *out = table;
    return HOLOG_OK;
}

int hg_plugin_gzip(const struct hg_plugin_gzip **out)
{
    const struct hg_plugin_gzip *table = atomic_load_explicit(&gzip, memory_order_acquire);
    entry_fn entry = NULL;

    if (table == NULL) {
        int rc =
            load(HG_PLUGIN_GZIP_FILE, HG_PLUGIN_GZIP_SYMBOL, "gzip", "zlib (zlib1g-dev)", &entry);
        if (rc == HOLOG_OK) {
            table = entry();
            rc = check(HG_PLUGIN_GZIP_FILE, table->version, table->struct_size, sizeof *table);
        }
        if (rc < 0)
            return rc;
        atomic_store_explicit(&gzip, table, memory_order_release);
    }
    *out = table;
    return HOLOG_OK;
}

int hg_plugin_zip(const struct hg_plugin_zip **out)
{
    const struct hg_plugin_zip *table = atomic_load_explicit(&zip, memory_order_acquire);
    entry_fn entry = NULL;

    if (table == NULL) {
        int rc =
            load(HG_PLUGIN_ZIP_FILE, HG_PLUGIN_ZIP_SYMBOL, "zip", "libzip (libzip-dev)", &entry);
        if (rc == HOLOG_OK) {
            table = entry();
            rc = check(HG_PLUGIN_ZIP_FILE, table->version, table->struct_size, sizeof *table);
        }
        if (rc < 0)
            return rc;
        atomic_store_explicit(&zip, table, memory_order_release);
    }
    *out = table;
    return HOLOG_OK;
}

/* ---- modules of others ----------------------------------------------------------------------------*/

int hg_plugin_open(const char *path, const char *symbol, void **out_module, void *out, size_t size)
{
    void *address;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    HG_ASSERT(size == sizeof address);
    if (module == NULL && access(path, F_OK) != 0)
        return hg_io_fail(errno, "load", path);
    if (module == NULL)
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): a thread has its own in glibc and in musl */
        return hg_error(HOLOG_E_NOTSUP, "%s cannot be loaded: %s", path, dlerror());
    address = dlsym(module, symbol);
    if (address == NULL) {
        (void)dlclose(module);
        return hg_error(HOLOG_E_VERSION, "%s is no module of holog: it has no %s", path, symbol);
    }
    memcpy(out, &address, size); /* ISO C has no cast from an object to a function */
    *out_module = module;
    return HOLOG_OK;
}

void hg_plugin_close(void *module)
{
    (void)dlclose(module); /* it stays then; nobody asks for it */
}
