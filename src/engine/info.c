/*
 * What machine, what choices, what settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "engine/retention.h"
#include "engine/store_internal.h"
#include "io/machine.h"
#include "io/memory.h"

/* The disk under the store, measured once at init; kept in SUPER for `holog info`. */
void hg_probe_disk(struct hg_io *io, struct hg_super *s)
{
    enum {
        PROBE_BYTES = 1 << 20,
        PROBES = 15
    };
    struct hg_file *f = NULL;
    struct hg_file_info info;
    uint8_t *buf = hg_alloc_aligned(HG_BLOCK, PROBE_BYTES);
    uint64_t best = UINT64_MAX;
    int rc;

    if (io->ops->world == HG_WORLD_URING)
        s->probe_flags |= 4;
    if (buf == NULL)
        return;
    memset(buf, 0, PROBE_BYTES);
    rc = io->ops->open(io, "SUPER.tmp", HG_OPEN_WRITE | HG_OPEN_CREATE | HG_OPEN_DIRECT, &f);
    if (rc == HOLOG_OK && io->ops->info(f, &info) == HOLOG_OK && info.direct)
        s->probe_flags |= 2;
    if (rc == HOLOG_OK) {
        uint64_t t0 = io->ops->now_ns(io);
        rc = hg_io_write_full(f, buf, PROBE_BYTES, 0, HG_WRITE_DSYNC);
        t0 = io->ops->now_ns(io) - t0;
        if (rc == HOLOG_OK && t0 > 0)
            s->probe_mb_per_s = (uint32_t)((uint64_t)PROBE_BYTES * 1000 / t0);
    }
    for (unsigned i = 0; rc == HOLOG_OK && i < PROBES; i++) {
        uint64_t t0 = io->ops->now_ns(io);
        rc = hg_io_write_full(f, buf, HG_BLOCK, (uint64_t)i * HG_BLOCK, HG_WRITE_DSYNC);
        best = HG_MIN(best, io->ops->now_ns(io) - t0);
    }
    if (rc == HOLOG_OK) {
        s->probe_flags |= 1;
        s->probe_write_ns = (uint32_t)HG_MIN(best, (uint64_t)UINT32_MAX);
    }
    if (f != NULL)
        (void)io->ops->close(f);
    (void)io->ops->unlink(io, "SUPER.tmp"); /* init deletes one that a cut left */
    hg_error_clear();
    hg_free(buf);
}

struct out {
    int (*each)(void *ctx, const char *key, const char *value);
    void *ctx;
    int stopped;
};

static void say(struct out *o, const char *key, unsigned long long v)
{
    char text[64];

    (void)snprintf(text, sizeof text, "%llu", v);
    if (!o->stopped)
        o->stopped = o->each(o->ctx, key, text);
}

static void say_text(struct out *o, const char *key, const char *text)
{
    if (!o->stopped)
        o->stopped = o->each(o->ctx, key, text);
}

static void say_super(struct out *o, const struct hg_super *s)
{
    char uuid[40];
    const uint8_t *u = s->uuid;

    (void)snprintf(uuid, sizeof uuid,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
                   u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
                   u[14], u[15]);
    say_text(o, "uuid", uuid);
    say(o, "format_version", HG_FORMAT_VERSION);
    say(o, "created_ns", s->created_ns);
    say_text(o, "probe_direct", (s->probe_flags & 2) != 0 ? "yes" : "no");
    say_text(o, "probe_dsync", (s->probe_flags & 1) != 0 ? "yes" : "no");
    say(o, "probe_durable_4k_write_ns", s->probe_write_ns);
    say(o, "probe_durable_1m_write_mb_per_s", s->probe_mb_per_s);
}

static void say_direct(holog_store *s, struct out *o)
{
    struct hg_file *f = NULL;
    struct hg_file_info info;

    if (s->io->ops->open(s->io, HG_SUPER_NAME, HG_OPEN_DIRECT, &f) == HOLOG_OK) {
        if (s->io->ops->info(f, &info) == HOLOG_OK)
            say_text(o, "direct_io",
                     info.direct                 ? "yes"
                     : info.why_buffered != NULL ? info.why_buffered
                                                 : "no");
        (void)s->io->ops->close(f);
    }
    hg_error_clear();
}

static void say_calibration(const holog_store *s, struct out *o)
{
    static const char *const states[] = { "none", "used", "off", "ignored" };
    const struct hg_calibration *c = &s->calibration;

    say_text(o, "calibration", states[c->state]);
    if (c->note[0] != 0)
        say_text(o, "calibration_reason", c->note);
    if (c->state != HG_CALIBRATION_USED)
        return;
    say_text(o, "calibration_io", c->io == HOLOG_IO_URING ? "uring" : "posix");
    say_text(o, "calibration_direct", c->direct == HOLOG_DIRECT_ON ? "on" : "off");
    say_text(o, "calibration_codec", hg_calibration_codec_name(c->codec));
    say(o, "calibration_level", (unsigned long long)c->level);
}

int holog_info(holog_store *store, int (*each)(void *ctx, const char *key, const char *value),
               void *ctx)
{
    struct out o = { .each = each, .ctx = ctx };
    static const char *const modes[] = { "default", "commit", "interval", "os", "none" };
    uint32_t health = HOLOG_HEALTH_OK;

    if (each == NULL)
        return hg_error(HOLOG_E_INVAL, "each is NULL");
    say_text(&o, "version", holog_version());
    say(&o, "cpus", hg_cpu_count());
    say(&o, "memory_bytes", hg_memory_available());
    say_text(&o, "simd", hg_cpu_simd());
    if (store != NULL) {
        int rc = hg_store_check(store);
        if (rc < 0)
            return rc;
        say_text(&o, "directory", store->dir);
        say_text(&o, "io", store->io->ops->name);
        if (store->io->why_world != NULL && store->io->why_world[0] != 0)
            say_text(&o, "io_reason", store->io->why_world);
        say_direct(store, &o);
        say_calibration(store, &o);
        (void)holog_health(store, &health, NULL, NULL);
        say_text(&o, "health", holog_health_name(health));
        say_text(&o, "mode", store->log == NULL ? "read-only" : "read-write");
        say_text(&o, "sync", modes[store->opts.sync]);
        say(&o, "budget_bytes", store->opts.budget_bytes);
        say(&o, "groups_in_flight", store->opts.groups_in_flight);
        say_super(&o, store->log != NULL ? hg_log_super(store->log) : &store->recovered.super);
    }
    return HOLOG_OK;
}

/* ---- settings ------------------------------------------------------------------------------------------------*/

static const struct fixed {
    const char *key;
    int decimal;
} fixed[] = { { "segment_size_max", 0 },
              { "extent_segment_size_max", 0 },
              { "inline_max", 0 },
              { "max_space_amp", 1 } };
#define N_FIXED (sizeof fixed / sizeof fixed[0])

static void fixed_value(holog_store *s, size_t i, char *out, size_t size)
{
    const struct hg_super *p = s->log != NULL ? hg_log_super(s->log) : &s->recovered.super;
    const uint64_t values[N_FIXED] = { p->segment_size_max, p->extent_size_max, p->inline_max,
                                       p->space_amp_milli };

    if (fixed[i].decimal)
        (void)snprintf(out, size, "%g", (double)values[i] / 1000);
    else
        (void)snprintf(out, size, "%llu", (unsigned long long)values[i]);
}

/* These have a value also where nobody has set one. */
static const char *const rules[] = { "retention.commits", "retention.age_s", "retention.bytes",
                                     "pins.max_age_s",    "pins.max_bytes",  HG_CONSERVATION_KEY,
                                     HG_COMPRESSION_KEY };
#define N_RULES (sizeof rules / sizeof rules[0])

static size_t rule_of(const char *key)
{
    size_t i = 0;

    while (i < N_RULES && strcmp(rules[i], key) != 0)
        i++;
    return i;
}

static uint64_t seconds(uint64_t ns)
{
    return ns == UINT64_MAX ? ns : ns / 1000000000u;
}

/* Its length. The log's lock is held, where there is a log. */
static size_t rule_value(const holog_store *s, size_t i, char *out, size_t size)
{
    const struct hg_retention *r = &s->rules;
    const uint64_t values[N_RULES] = { r->commits, seconds(r->age_ns), r->bytes,
                                       seconds(r->pin_age_ns), r->pin_bytes };

    if (strcmp(rules[i], HG_CONSERVATION_KEY) == 0)
        return (size_t)snprintf(out, size, "%s", hg_conservation_name(s->conservation));
    if (strcmp(rules[i], HG_COMPRESSION_KEY) == 0)
        return (size_t)snprintf(out, size, "%s", hg_compression_name(s->compression));
    if (r->bytes_live && strcmp(rules[i], "retention.bytes") == 0)
        return (size_t)snprintf(out, size, "live");
    if (values[i] == UINT64_MAX)
        return (size_t)snprintf(out, size, "all");
    return (size_t)snprintf(out, size, "%llu", (unsigned long long)values[i]);
}

static int valid_key(const char *key)
{
    size_t n = key == NULL ? 0 : strlen(key);

    return n > 0 && n <= 64 && strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_.") == n;
}

static int get_setting(holog_store *s, const char *key, char *out, size_t size)
{
    size_t rule = rule_of(key);
    int rc = HOLOG_E_NOENT;
    char text[64];

    for (size_t i = 0; i < N_FIXED; i++) {
        if (strcmp(fixed[i].key, key) == 0) {
            fixed_value(s, i, text, sizeof text);
            (void)snprintf(out, size, "%s", text);
            return HOLOG_OK;
        }
    }
    if (s->log != NULL)
        hg_log_lock(s->log);
    if (rule < N_RULES) {
        rc = rule_value(s, rule, out, size) < size ? HOLOG_OK : HOLOG_E_RANGE;
    }
    for (const struct hg_setting *e = s->settings; e != NULL && rule == N_RULES; e = e->next) {
        if (strcmp(e->key, key) == 0) {
            rc = strlen(e->value) < size ? HOLOG_OK : HOLOG_E_RANGE;
            (void)snprintf(out, size, "%s", e->value);
        }
    }
    if (s->log != NULL)
        hg_log_unlock(s->log);
    if (rc == HOLOG_E_NOENT)
        return hg_error(rc, "no setting is called \"%s\"", key);
    return rc < 0 ? hg_error(rc, "the value of \"%s\" does not fit", key) : rc;
}

int holog_config(holog_store *store, const char *key, const char *value, char *out_value,
                 size_t out_size)
{
    holog_txn *txn;
    int ok = 0;
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (!valid_key(key))
        return hg_error(HOLOG_E_INVAL, "a setting's name has 1-64 of a-z 0-9 _ .");
    if (value == NULL)
        return out_value == NULL || out_size == 0 ? hg_error(HOLOG_E_INVAL, "out_value is NULL")
                                                  : get_setting(store, key, out_value, out_size);
    for (size_t i = 0; i < N_FIXED; i++) {
        if (strcmp(fixed[i].key, key) == 0)
            return hg_error(HOLOG_E_INVAL, "%s is fixed when a store is created", key);
    }
    if (hg_retention_setting(key, value, &ok)) {
        if (!ok)
            return hg_error(HOLOG_E_INVAL, "%s: \"%s\" is neither a number%s nor \"all\"", key,
                            value,
                            strcmp(key, "retention.bytes") == 0     ? ", \"live\""
                            : strcmp(key, "retention.commits") == 0 ? " (1 or more)"
                                                                    : "");
    } else if (strcmp(key, HG_CONSERVATION_KEY) == 0) {
        if (hg_conservation_mode(value) < 0)
            return hg_error(HOLOG_E_INVAL, "%s: \"%s\" is none of off, track, enforce", key, value);
    } else if (strcmp(key, HG_COMPRESSION_KEY) == 0) {
        if (hg_compression_of(value) < 0)
            return hg_error(HOLOG_E_INVAL, "%s: \"%s\" is none of fast, default, archive", key,
                            value);
    } else if (strncmp(key, "user.", 5) != 0 || key[5] == 0)
        return hg_error(HOLOG_E_INVAL, "no setting is called \"%s\" (your own begin with user.)",
                        key);
    if (strlen(value) > 4096)
        return hg_error(HOLOG_E_TOOBIG, "a setting's value is at most 4096 bytes");
    rc = hg_store_check_write(store);
    if (rc == HOLOG_OK)
        rc = hg_txn_begin(store, HG_TXN_SINGLE, &txn);
    if (rc < 0)
        return rc;
    rc = hg_txn_op(txn, HG_OP_CONFIG, 0, key, value, NULL, 0, NULL);
    if (rc == HOLOG_OK)
        rc = hg_commit(txn, 0, NULL, NULL, NULL);
    hg_txn_free(txn);
    return rc;
}

static int copy_setting(struct hg_buf *copy, const char *key, const char *value)
{
    int rc = hg_buf_append(copy, key, strlen(key) + 1);

    return rc < 0 ? rc : hg_buf_append(copy, value, strlen(value) + 1);
}

int holog_config_list(holog_store *store,
                      int (*each)(void *ctx, const char *key, const char *value), void *ctx)
{
    struct hg_buf copy = { 0 };
    char text[64];
    int rc = hg_store_check(store);

    if (rc < 0)
        return rc;
    if (each == NULL)
        return hg_error(HOLOG_E_INVAL, "each is NULL");
    for (size_t i = 0; i < N_FIXED; i++) {
        fixed_value(store, i, text, sizeof text);
        if (each(ctx, fixed[i].key, text) != 0)
            return HOLOG_OK;
    }
    if (store->log != NULL)
        hg_log_lock(store->log);
    for (size_t i = 0; i < N_RULES && rc == HOLOG_OK; i++) {
        (void)rule_value(store, i, text, sizeof text);
        rc = copy_setting(&copy, rules[i], text);
    }
    for (const struct hg_setting *e = store->settings; e != NULL && rc == HOLOG_OK; e = e->next) {
        if (rule_of(e->key) == N_RULES)
            rc = copy_setting(&copy, e->key, e->value);
    }
    if (store->log != NULL)
        hg_log_unlock(store->log);
    for (size_t at = 0;
         rc == HOLOG_OK && at < copy.len;) { /* not under the lock: it is a callback */
        const char *key = (const char *)copy.data + at;
        const char *value = key + strlen(key) + 1;
        if (each(ctx, key, value) != 0)
            break;
        at += strlen(key) + strlen(value) + 2;
    }
    hg_buf_release(&copy);
    return rc;
}
