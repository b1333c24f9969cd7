/*
 * Plug-ins (src/plugins/plugin.h): looked for in the directory that HOLOG_PLUGIN_PATH names, then where holog is
 * installed. A process that runs with more rights than its user has does not look at the environment.
 */
#ifndef HG_IO_PLUGIN_H
#define HG_IO_PLUGIN_H

#include <stddef.h>

#include "base/assert.h"
#include "plugins/plugin.h"

/* Loaded when it is first asked for, and kept; any thread may ask. HOLOG_E_NOTSUP: there is none, and the
 * message says how to come by it; it is looked for again the next time. HOLOG_E_VERSION: it belongs to
 * another version of holog. */
HG_MUST_CHECK int hg_plugin_tiff(const struct hg_plugin_tiff **out);
HG_MUST_CHECK int hg_plugin_gzip(const struct hg_plugin_gzip **out);
HG_MUST_CHECK int hg_plugin_zip(const struct hg_plugin_zip **out);

/* A module of somebody else's, by its path, and the function in it of that name (a pointer to it into *out, of
 * `size` bytes). HOLOG_E_NOENT: no such file; HOLOG_E_NOTSUP: it cannot be loaded; HOLOG_E_VERSION: it has no
 * such function. */
HG_MUST_CHECK int hg_plugin_open(const char *path, const char *symbol, void **out_module, void *out,
                                 size_t size);
void hg_plugin_close(void *module); /* one that nothing was taken from */

#endif
