/*
 * gzip by its plug-in; see gzip.h.
 */
#include "codec/gzip.h"

#include "base/error.h"
#include "io/plugin.h"

int hg_gzip_check(void)
{
    const struct hg_plugin_gzip *plugin;

    return hg_plugin_gzip(&plugin);
}

int hg_gzip_decompress(const void *in, size_t len, void *out, size_t cap, size_t *out_len)
{
    const struct hg_plugin_gzip *plugin;
    size_t n = 0;
    int rc = hg_plugin_gzip(&plugin);

    if (rc < 0)
        return rc;
    rc = plugin->decode(in, len, out, cap, &n);
    if (rc < 0)
        return hg_error(rc, "gzip: %zu bytes %s", len,
                        rc == HOLOG_E_CORRUPT ? "are damaged, or hold more than is expected"
                                              : "could not be decompressed");
    HG_ASSERT(n <= cap);
    *out_len = n;
    return HOLOG_OK;
}

int hg_gzip_compress(const void *data, size_t len, int level, struct hg_buf *out)
{
    const struct hg_plugin_gzip *plugin;
    size_t bound;
    size_t n = 0;
    int rc = hg_plugin_gzip(&plugin);

    if (rc < 0)
        return rc;
    bound = plugin->bound(len);
    rc = hg_buf_reserve(out, bound);
    if (rc < 0)
        return rc;
    rc = plugin->encode(data, len, level, out->data + out->len, bound, &n);
    if (rc < 0)
        return hg_error(rc, "gzip: %zu bytes could not be compressed", len);
    HG_ASSERT(n <= bound);
    out->len += n;
    return HOLOG_OK;
}
