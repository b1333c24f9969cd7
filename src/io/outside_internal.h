/*
 * What the files about files outside a store share.
 */
#ifndef HG_IO_OUTSIDE_INTERNAL_H
#define HG_IO_OUTSIDE_INTERNAL_H

#include "io/beneath.h"
#include "io/outside.h"

struct hg_outside {
    struct hg_beneath root;
    unsigned file_mode; /* 0: MODE_FILE less the umask */
};

HG_MUST_CHECK int hg_outside_check_name(const char *name);
/* fsync; messages say "WHAT NAME: why". */
HG_MUST_CHECK int hg_outside_sync_fd(int fd, const char *what, const char *name);
HG_MUST_CHECK int hg_outside_write_all(int fd, const void *data, size_t len, const char *name);
/* Another name in the same directory, which nothing has. 0, or -1 and errno. */
int hg_outside_rename_new(int dir, const char *from, const char *to);

#endif
