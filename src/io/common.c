#include "io/common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

int hg_io_code(int errno_value)
{
    switch (errno_value) {
    case ENOENT: return HOLOG_E_NOENT;
    case EEXIST: return HOLOG_E_EXIST;
    case ENOTDIR: return HOLOG_E_NOTDIR;
    case EISDIR: return HOLOG_E_ISDIR;
    case ENOTEMPTY: return HOLOG_E_NOTEMPTY;
    case ELOOP: return HOLOG_E_LOOP;
    case EXDEV: return HOLOG_E_BADPATH; /* openat2: the name leads out of the directory */
    case ENAMETOOLONG: return HOLOG_E_NAMETOOLONG;
    case EOPNOTSUPP:
    case ENOSYS: return HOLOG_E_NOTSUP;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return HOLOG_E_NOSPC; /* EFBIG: the process's file size limit, a quota too */
    case ENOMEM: return HOLOG_E_NOMEM;
    default: return HOLOG_E_IO;
    }
}

int hg_io_fail(int errno_value, const char *what, const char *name)
{
    return hg_error_sys_as(hg_io_code(errno_value), errno_value, what, name);
}

/* Length of the component at s; 0 for one that is not allowed. */
static size_t component_length(const char *s)
{
    size_t len = strcspn(s, "/");
    int dots = (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.');
    return dots ? 0 : len;
}

int hg_io_check_name(const char *name, int root_too)
{
    if (root_too && name[0] == '\0')
        return HOLOG_OK;
    if (strlen(name) > HG_IO_NAME_MAX)
        return hg_error(HOLOG_E_NAMETOOLONG, "file name of over %d bytes", HG_IO_NAME_MAX);
    for (const char *s = name;; s++) {
        size_t len = component_length(s);
        if (len == 0)
            return hg_error(HOLOG_E_BADPATH, "not a file name: \"%s\"", name);
        s += len;
        if (*s == '\0')
            return HOLOG_OK;
    }
}

void hg_io_set_file_name(struct hg_file *f, struct hg_io *io, const char *name)
{
    size_t len = strlen(name);
    size_t room = sizeof f->name - 1;
    if (len > room)
        name += len - room;
    f->io = io;
    (void)snprintf(f->name, sizeof f->name, "%s", name); /* fits, by the lines above */
}

size_t hg_io_iov_bytes(const struct iovec *iov, int n_iov)
{
    size_t total = 0;
    for (int i = 0; i < n_iov; i++)
        total += iov[i].iov_len;
    return total;
}

int hg_io_req_result(const struct hg_req *r)
{
    static const char *const op_names[] = { "read", "write", "write", "sync" };
    if (r->rc >= 0)
        return r->rc;
    return hg_error(r->rc, "%s of %s at %llu (%zu of %zu bytes done): %s", op_names[r->op],
                    r->file->name, (unsigned long long)r->offset, r->done_bytes, r->len_bytes,
                    holog_strerror(r->rc));
}
