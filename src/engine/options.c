/*
 * Options: what the caller may leave out, and what makes no sense.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/store_internal.h"
#include "io/memory.h"

#define STRUCT_MIN 8u /* struct_size and something */
#define STRUCT_MAX 65536u

void holog_options_init(holog_options *opts)
{
    if (opts == NULL)
        return;
    memset(opts, 0, sizeof *opts);
    opts->struct_size = (uint32_t)sizeof *opts;
}

/* A struct from another version: longer ones are fine while their tail says nothing. */
static int copy_in(const holog_options *in, holog_options *out)
{
    const uint8_t *tail = (const uint8_t *)in;

    holog_options_init(out);
    if (in->struct_size < STRUCT_MIN || in->struct_size > STRUCT_MAX)
        return hg_error(HOLOG_E_INVAL, "options: struct_size is %u; call holog_options_init first",
                        in->struct_size);
    for (size_t i = sizeof *out; i < in->struct_size; i++) {
        if (tail[i] != 0)
            return hg_error(HOLOG_E_VERSION,
                            "options: byte %zu is set and belongs to a later version of holog", i);
    }
    memcpy(out, in, HG_MIN((size_t)in->struct_size, sizeof *out));
    out->struct_size = (uint32_t)sizeof *out;
    return HOLOG_OK;
}

/* ---- structs that the library fills ---------------------------------------------------------------*/

int hg_struct_check(const void *out, const char *name)
{
    uint32_t size;

    if (out == NULL)
        return hg_error(HOLOG_E_INVAL, "the %s to fill is NULL", name);
    memcpy(&size, out, sizeof size);
    if (size < STRUCT_MIN || size > STRUCT_MAX)
        return hg_error(HOLOG_E_INVAL, "struct_size is %u: set it to sizeof(%s) before the call",
                        size, name);
    return HOLOG_OK;
}

int hg_spec_check(const void *spec, const char *name)
{
    return spec == NULL ? hg_error(HOLOG_E_INVAL, "spec is NULL: it is to be a %s", name)
                        : hg_struct_check(spec, name);
}

void hg_struct_fill(void *out, const void *from, size_t from_size)
{
    uint32_t size;

    memcpy(&size, out, sizeof size);
    size = (uint32_t)HG_MIN((size_t)size, from_size);
    memcpy(out, from, size);
    memcpy(out, &size, sizeof size);
}

/* ---- what makes no sense ----------------------------------------------------------------------------*/

static int is_power_of_two(uint64_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

static int check_sizes(const holog_options *o)
{
    if (o->segment_size_max < HG_SEGMENT_MIN || o->segment_size_max > HG_SEGMENT_MAX ||
        !is_power_of_two(o->segment_size_max))
        return hg_error(HOLOG_E_INVAL,
                        "segment_size_max is %u: a power of two from 16 KiB to 64 MiB",
                        o->segment_size_max);
    if (o->extent_segment_size_max < HG_EXTENT_SEGMENT_MIN ||
        o->extent_segment_size_max > HG_EXTENT_SEGMENT_MAX ||
        o->extent_segment_size_max % HG_BLOCK != 0)
        return hg_error(HOLOG_E_INVAL,
                        "extent_segment_size_max is %u: a multiple of 4096 from 128 KiB to 1 GiB",
                        o->extent_segment_size_max);
    if (!(o->max_space_amp >= 1.1 && o->max_space_amp <= 100))
        return hg_error(HOLOG_E_INVAL, "max_space_amp is %g: from 1.1 to 100", o->max_space_amp);
    return HOLOG_OK;
}

/* ---- from the environment ---------------------------------------------------------------------------*/

/* What the caller has left open, whoever starts the program may say: not one that has more rights than its user. */
const char *hg_environment(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && value[0] != 0 ? value : NULL;
}

static int refuse(const char *name, const char *value, const char *what)
{
    return hg_error(HOLOG_E_INVAL, "the environment says %s=%.40s: it is %s", name, value, what);
}

static int take_io(holog_options *o)
{
    const char *value = hg_environment("HOLOG_IO");

    if (o->io != HOLOG_IO_AUTO || value == NULL || strcmp(value, "auto") == 0)
        return HOLOG_OK;
    if (strcmp(value, "posix") != 0 && strcmp(value, "uring") != 0)
        return refuse("HOLOG_IO", value, "auto, posix or uring");
    o->io = strcmp(value, "posix") == 0 ? HOLOG_IO_POSIX : HOLOG_IO_URING;
    return HOLOG_OK;
}

static int take_direct(holog_options *o)
{
    const char *value = hg_environment("HOLOG_DIRECT");

    if (o->direct != HOLOG_DIRECT_AUTO || value == NULL || strcmp(value, "auto") == 0)
        return HOLOG_OK;
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return refuse("HOLOG_DIRECT", value, "auto, on or off");
    o->direct = strcmp(value, "on") == 0 ? HOLOG_DIRECT_ON : HOLOG_DIRECT_OFF;
    return HOLOG_OK;
}

static int take_calibration(holog_options *o)
{
    const char *value = hg_environment("HOLOG_CALIBRATION");

    if (value == NULL || strcmp(value, "on") == 0)
        return HOLOG_OK;
    if (strcmp(value, "off") != 0)
        return refuse("HOLOG_CALIBRATION", value, "on or off");
    o->flags |= HOLOG_OPEN_NO_CALIBRATION;
    return HOLOG_OK;
}

static int take_compaction(holog_options *o)
{
    const char *value = hg_environment("HOLOG_COMPACTION");

    if (value == NULL || strcmp(value, "on") == 0)
        return HOLOG_OK;
    if (strcmp(value, "off") != 0)
        return refuse("HOLOG_COMPACTION", value, "on or off");
    o->no_compaction = 1;
    return HOLOG_OK;
}

static int take_budget(holog_options *o)
{
    const char *value = hg_environment("HOLOG_BUDGET");
    char *end = NULL;
    unsigned long long bytes;
    unsigned shift;

    if (o->budget_bytes != 0 || value == NULL)
        return HOLOG_OK;
    errno = 0;
    bytes = strtoull(value, &end, 10);
    shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (errno != 0 || value[0] < '0' || value[0] > '9' || end[shift > 0 ? 1 : 0] != 0 ||
        bytes > UINT64_MAX >> 1 >> shift)
        return refuse("HOLOG_BUDGET", value, "bytes, with K, M or G behind them if you like");
    o->budget_bytes = (uint64_t)bytes << shift;
    return HOLOG_OK;
}

int hg_options_resolve(const holog_options *in, holog_options *out)
{
    int rc = HOLOG_OK;

    if (in == NULL)
        holog_options_init(out);
    else
        rc = copy_in(in, out);
    if (rc == HOLOG_OK)
        rc = take_io(out);
    if (rc == HOLOG_OK)
        rc = take_budget(out);
    if (rc == HOLOG_OK)
        rc = take_direct(out);
    if (rc == HOLOG_OK)
        rc = take_calibration(out);
    if (rc == HOLOG_OK)
        rc = take_compaction(out);
    if (rc < 0)
        return rc;
    if ((out->flags & ~(uint32_t)(HOLOG_OPEN_READONLY | HOLOG_OPEN_NO_CREATE |
                                  HOLOG_OPEN_MUST_CREATE | HOLOG_OPEN_NO_CALIBRATION)) != 0)
        return hg_error(HOLOG_E_INVAL, "options: unknown flags %#x", out->flags);
    if (out->sync > HOLOG_SYNC_NONE)
        return hg_error(HOLOG_E_INVAL, "options: sync mode %u does not exist", out->sync);
    if (out->io > HOLOG_IO_URING)
        return hg_error(HOLOG_E_INVAL, "options: io choice %u does not exist", out->io);
    if (out->direct > HOLOG_DIRECT_OFF)
        return hg_error(HOLOG_E_INVAL, "options: direct choice %u does not exist", out->direct);
    if (out->reserved != 0)
        return hg_error(HOLOG_E_INVAL, "options: reserved is %u, and has to be 0", out->reserved);
    if (out->groups_in_flight > 8)
        return hg_error(HOLOG_E_INVAL, "groups_in_flight is %u: 1 to 8", out->groups_in_flight);
    if (out->sync == HOLOG_SYNC_DEFAULT)
        out->sync = HOLOG_SYNC_COMMIT;
    if (out->sync_interval_ms == 0)
        out->sync_interval_ms = 50;
    if (out->budget_bytes == 0)
        out->budget_bytes = hg_memory_available() / 4;
    if (out->budget_bytes < 4u << 20)
        return hg_error(HOLOG_E_INVAL, "budget_bytes is %llu: at least 4 MiB",
                        (unsigned long long)out->budget_bytes);
    if (out->lock_wait_ms == 0)
        out->lock_wait_ms = 2000;
    if (out->segment_size_max == 0)
        out->segment_size_max = HG_SEGMENT_MAX;
    if (out->extent_segment_size_max == 0)
        out->extent_segment_size_max = 256u << 20;
    if (out->inline_max == 0)
        out->inline_max = HG_INLINE_DEFAULT;
    if (out->inline_max > 1u << 20)
        return hg_error(HOLOG_E_INVAL, "inline_max is %u: at most 1 MiB", out->inline_max);
    out->inline_max = HG_MIN(out->inline_max, out->segment_size_max / 8);
    if (out->groups_in_flight == 0)
        out->groups_in_flight = 1;
    if (out->max_space_amp == 0)
        out->max_space_amp = 1.5;
    if (out->checkpoint_tail_mib == 0)
        out->checkpoint_tail_mib = 64;
    return check_sizes(out);
}
