/*
 * Result codes in words, and the detail of a thread's last failure.
 */
#define HG_ERROR_C
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/node.h"

static _Thread_local struct holog_error_detail last_error;

static const struct code_text {
    int code;
    const char *name;
    const char *text;
} code_texts[] = {
    { HOLOG_OK, "HOLOG_OK", "success" },
    { HOLOG_E_INVAL, "HOLOG_E_INVAL", "an argument makes no sense; nothing was changed" },
    { HOLOG_E_NOENT, "HOLOG_E_NOENT", "no such entry" },
    { HOLOG_E_EXIST, "HOLOG_E_EXIST", "the entry exists already" },
    { HOLOG_E_NOTDIR, "HOLOG_E_NOTDIR", "a component of the path is not a directory" },
    { HOLOG_E_ISDIR, "HOLOG_E_ISDIR", "the entry is a directory" },
    { HOLOG_E_NOTEMPTY, "HOLOG_E_NOTEMPTY", "the directory has entries" },
    { HOLOG_E_LOOP, "HOLOG_E_LOOP", "too many symlinks on the way" },
    { HOLOG_E_BADPATH, "HOLOG_E_BADPATH", "not a valid path" },
    { HOLOG_E_NAMETOOLONG, "HOLOG_E_NAMETOOLONG", "the path is too long or too deep" },
    { HOLOG_E_RANGE, "HOLOG_E_RANGE", "offset or length outside the value" },
    { HOLOG_E_TOOBIG, "HOLOG_E_TOOBIG", "over a limit of the format" },
    { HOLOG_E_TYPE, "HOLOG_E_TYPE", "the entry is of another type than the call is for" },
    { HOLOG_E_CONFLICT, "HOLOG_E_CONFLICT", "something this commit depends on has changed" },
    { HOLOG_E_VERSION, "HOLOG_E_VERSION", "from a later version of holog" },
    { HOLOG_E_NOTSUP, "HOLOG_E_NOTSUP", "this build or machine cannot do that" },
    { HOLOG_E_CANCELED, "HOLOG_E_CANCELED", "canceled by the caller" },
    { HOLOG_E_CONSERVE, "HOLOG_E_CONSERVE", "the sum of a value's bytes would change" },
    { HOLOG_E_BUSY, "HOLOG_E_BUSY", "the store is open for writing already" },
    { HOLOG_E_READONLY, "HOLOG_E_READONLY", "the handle was opened read-only" },
    { HOLOG_E_POISONED, "HOLOG_E_POISONED",
      "an earlier write or sync failed: close and reopen the store" },
    { HOLOG_E_FORKED, "HOLOG_E_FORKED", "the handle belongs to the parent process" },
    { HOLOG_E_NOTSTORE, "HOLOG_E_NOTSTORE", "no holog store here" },
    { HOLOG_E_NOTDIREMPTY, "HOLOG_E_NOTDIREMPTY", "the directory holds something else" },
    { HOLOG_E_STALE, "HOLOG_E_STALE",
      "the view, or the open array, is not of what is there any more" },
    { HOLOG_E_CLOSED, "HOLOG_E_CLOSED", "the object was committed, aborted or closed" },
    { HOLOG_E_DROPPED, "HOLOG_E_DROPPED", "that part of the history is not kept any more" },
    { HOLOG_E_NOMEM, "HOLOG_E_NOMEM", "no memory" },
    { HOLOG_E_NOSPC, "HOLOG_E_NOSPC", "no space or quota left; nothing was stored" },
    { HOLOG_E_IO, "HOLOG_E_IO", "I/O error" },
    { HOLOG_E_BUDGET, "HOLOG_E_BUDGET", "over the memory budget given at open" },
    { HOLOG_E_INDOUBT, "HOLOG_E_INDOUBT", "the commit may or may not be there after a reopen" },
    { HOLOG_E_AGAIN, "HOLOG_E_AGAIN", "too many commits in flight; wait for some" },
    { HOLOG_E_CORRUPT, "HOLOG_E_CORRUPT", "stored bytes are not what was written" },
};

static const struct code_text *find_code(int code)
{
    for (size_t i = 0; i < sizeof code_texts / sizeof code_texts[0]; i++)
        if (code_texts[i].code == code)
            return &code_texts[i];
    return NULL;
}

const char *holog_error_name(int code)
{
    const struct code_text *t = find_code(code);
    return t != NULL ? t->name : "HOLOG_E_UNKNOWN";
}

const char *holog_strerror(int code)
{
    const struct code_text *t = find_code(code);
    return t != NULL ? t->text : "unknown result code";
}

void holog_last_error(struct holog_error_detail *out_detail)
{
    if (out_detail != NULL)
        *out_detail = last_error;
}

/* A fresh detail: all strings empty, no position. */
static struct holog_error_detail *begin_detail(int code)
{
    struct holog_error_detail *d = &last_error;
    d->code = code;
    d->sys_errno = 0;
    d->has_position = 0;
    d->segment = 0;
    d->offset = 0;
    d->path[0] = '\0';
    d->message[0] = '\0';
    return d;
}

static void set_path(struct holog_error_detail *d, const char *path, size_t len)
{
    if (len > sizeof d->path - 1) {
        len = sizeof d->path - 1;
        while (len > 0 && ((unsigned char)path[len] & 0xc0) == 0x80)
            len--; /* cut between characters, not inside one */
    }
    if (len != 0)
        memcpy(d->path, path, len);
    d->path[len] = '\0';
    hg_node_show(d->path, sizeof d->path);
}

HG_PRINTF(2, 0)
static void set_message(struct holog_error_detail *d, const char *fmt, va_list args)
{
    (void)vsnprintf(d->message, sizeof d->message, fmt, args); /* cut to fit is what we want */
    hg_node_show(d->message, sizeof d->message);
}

int hg_error(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    set_message(begin_detail(code), fmt, args);
    va_end(args);
    return code;
}

int hg_error_path(int code, const char *path, uint32_t path_len, const char *fmt, ...)
{
    struct holog_error_detail *d = begin_detail(code);
    va_list args;

    set_path(d, path, path_len);
    va_start(args, fmt);
    set_message(d, fmt, args);
    va_end(args);
    return code;
}

int hg_corrupt(uint32_t segment, uint64_t offset, const char *fmt, ...)
{
    struct holog_error_detail *d = begin_detail(HOLOG_E_CORRUPT);
    va_list args;

    d->has_position = 1;
    d->segment = segment;
    d->offset = offset;
    va_start(args, fmt);
    set_message(d, fmt, args);
    va_end(args);
    return HOLOG_E_CORRUPT;
}

void hg_error_name_path(const char *path, size_t path_len)
{
    set_path(&last_error, path, path_len);
}

int hg_corrupt_file(const char *file, uint64_t offset, const char *fmt, ...)
{
    struct holog_error_detail *d = begin_detail(HOLOG_E_CORRUPT);
    va_list args;

    set_path(d, file, strlen(file));
    d->offset = offset;
    va_start(args, fmt);
    set_message(d, fmt, args);
    va_end(args);
    return HOLOG_E_CORRUPT;
}

int hg_error_sys_as(int code, int errno_value, const char *what, const char *file)
{
    struct holog_error_detail *d = begin_detail(code);
    const char *reason = strerrordesc_np(errno_value); /* thread-safe, unlike strerror */

    d->sys_errno = errno_value;
    set_path(d, file, strlen(file));
    (void)snprintf(d->message, sizeof d->message, "%s%s%s: %s", what, file[0] != '\0' ? " " : "",
                   file, reason != NULL ? reason : "unknown error");
    return code;
}

int hg_error_sys(int errno_value, const char *what, const char *file)
{
    int code = HOLOG_E_IO;
    if (errno_value == ENOSPC || errno_value == EDQUOT)
        code = HOLOG_E_NOSPC;
    else if (errno_value == ENOMEM)
        code = HOLOG_E_NOMEM;
    return hg_error_sys_as(code, errno_value, what, file);
}

void hg_error_clear(void)
{
    (void)begin_detail(HOLOG_OK);
}

void hg_error_get(struct holog_error_detail *out)
{
    *out = last_error;
}

void hg_error_set(const struct holog_error_detail *d)
{
    last_error = *d;
}
