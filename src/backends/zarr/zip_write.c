/*
 * Zip files, written; see zip.h.
 */
#include "backends/zarr/zip.h"
#include "base/error.h"
#include "io/plugin.h"

/* Without a reason it was a function of the caller's, which has told its own. */
static int told(int rc, const char *why)
{
    return rc < 0 && why[0] != 0 ? hg_error(rc, "%s", why) : rc;
}

int hg_zip_begin(struct hg_zip_writer *w, const struct hg_zip_to *to)
{
    char why[HG_PLUGIN_WHY] = "";
    int rc;

    *w = (struct hg_zip_writer){ .plugin = NULL };
    rc = hg_plugin_zip(&w->plugin);
    return rc < 0 ? rc : told(w->plugin->create(to, &w->archive, why), why);
}

int hg_zip_add(struct hg_zip_writer *w, const char *name)
{
    char why[HG_PLUGIN_WHY] = "";

    return told(w->plugin->add(w->archive, name, why), why);
}

int hg_zip_end(struct hg_zip_writer *w, const char *comment)
{
    char why[HG_PLUGIN_WHY] = "";

    return told(w->plugin->finish(w->archive, comment, why), why);
}

void hg_zip_release(struct hg_zip_writer *w)
{
    if (w->archive != NULL)
        w->plugin->close(w->archive);
    w->archive = NULL;
}
