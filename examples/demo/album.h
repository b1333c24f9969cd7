/*
 * The finished store, opened read-only, as a source of planes for the contact sheet.
 */
#ifndef DEMO_ALBUM_H
#define DEMO_ALBUM_H

#include "plate.h"

/* Write the contact sheet of the store in `dir` to `path`. 0, or -1 after saying why on stderr. */
int album_write_sheet(const struct plate *plate, const char *dir, const char *path);

#endif
