/*
 * Verify, the files that are not the log: index checkpoints, and names that mean nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/byteorder.h"
#include "base/error.h"
#include "base/hash.h"
#include "wal/verify_internal.h"

#define CHECKPOINT_MAGIC  "HOLOGIDX"
#define CHECKPOINT_HEADER 256u
#define CHECKPOINT_MAX    ((uint64_t)4 << 30) /* a larger one is not read: it is only a cache */

/* Names of a directory, kept because checking them opens files. */
struct names {
    char (*name)[64];
    size_t n;
    size_t cap;
};

static int keep_name(void *ctx, const char *name, int is_dir)
{
    struct names *l = ctx;

    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : l->cap * 2;
        void *grown = hg_realloc(l->name, cap * sizeof *l->name);
        if (grown == NULL)
            return hg_error(HOLOG_E_NOMEM, "no memory for a list of %zu names", cap);
        l->name = grown;
        l->cap = cap;
    }
    (void)snprintf(l->name[l->n], sizeof *l->name, "%.60s%s", name, is_dir ? "/" : "");
    l->n++;
    return 0;
}

static int read_names(struct hg_io *io, const char *dir, struct names *out)
{
    int there = *dir == '\0';
    int rc = there ? HOLOG_OK : io->ops->exists(io, dir, &there);
    if (rc < 0 || !there)
        return rc;
    return io->ops->read_dir(io, dir, keep_name, out);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

static int hash_is(const uint8_t *data, size_t len, const uint8_t *stored)
{
    struct hg_hash128 h = hg_hash128(data, len);
    return hg_hash_matches(hg_get_le64(stored), h.lo) &&
           hg_hash_matches(hg_get_le64(stored + 8), h.hi);
}

/* NULL, or what is wrong. */
static const char *checkpoint_fault(const struct hg_verifier *v, const uint8_t *data, size_t len)
{
    if (len < CHECKPOINT_HEADER + 16 || memcmp(data, CHECKPOINT_MAGIC, 8) != 0)
        return "this is no index checkpoint";
    if (!hash_is(data, 240, data + 240))
        return "the header of an index checkpoint fails its hash";
    if (v->super_rc == HOLOG_OK && memcmp(data + 16, v->super.uuid, sizeof v->super.uuid) != 0)
        return "the index checkpoint belongs to another store";
    if (!hash_is(data + CHECKPOINT_HEADER, len - CHECKPOINT_HEADER - 16, data + len - 16))
        return "an index checkpoint fails its hash";
    return NULL;
}

static int verify_checkpoint(struct hg_verifier *v, const char *name)
{
    struct hg_damage_found d = { .harmless = 1 };
    uint8_t *data = NULL;
    size_t len = 0;

    (void)snprintf(d.file, sizeof d.file, HG_CHK_DIR "/%.40s", name);
    int rc = hg_io_read_file(v->io, d.file, CHECKPOINT_MAX, &data, &len);
    if (rc == HOLOG_E_NOENT)
        return HOLOG_OK; /* a writer is alive and has dropped it */
    if (rc < 0 && !hg_verify_is_finding(rc) && rc != HOLOG_E_TOOBIG)
        return rc;
    const char *fault =
        rc < 0 ? "the index checkpoint cannot be read" : checkpoint_fault(v, data, len);
    hg_free(data);
    return fault == NULL ? HOLOG_OK : hg_verify_report(v, &d, "%s; it is rebuilt", fault);
}

/* ---- stray names ----------------------------------------------------------------------------- */

static int report_stray(struct hg_verifier *v, const char *dir, const char *name, const char *what)
{
    struct hg_damage_found d = { .harmless = 1 };

    (void)snprintf(d.file, sizeof d.file, "%s%s%.40s", dir, *dir == '\0' ? "" : "/", name);
    return hg_verify_report(v, &d, "%s", what);
}

static int is_ours(const char *name)
{
    static const char *const ours[] = { HG_SUPER_NAME,      HG_LOCK_NAME,   HG_CTL_NAME,
                                        HG_SEG_DIR "/",     HG_CHK_DIR "/", HG_QUARANTINE_DIR "/",
                                        HG_CALIBRATION_NAME };

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (strcmp(name, ours[i]) == 0)
            return 1;
    }
    return 0;
}

static int judge_segment_name(struct hg_verifier *v, const char *name)
{
    enum hg_segment_kind kind;
    uint32_t id;

    switch (hg_segment_parse_name(name, &id, &kind)) {
    case 1: return HOLOG_OK;
    case 2:
        if (v->live)
            return HOLOG_OK; /* it is being made */
        return report_stray(
            v, HG_SEG_DIR, name,
            "a segment that was never finished; the next open for writing deletes it");
    default: return report_stray(v, HG_SEG_DIR, name, "not a file of the store");
    }
}

static int judge_checkpoint_name(struct hg_verifier *v, const char *name)
{
    size_t len = strlen(name);

    if (len == 21 && strcmp(name + 16, ".hidx") == 0)
        return verify_checkpoint(v, name);
    if (v->live && strcmp(name, HG_CHK_TMP) == 0)
        return HOLOG_OK; /* it is being made */
    return report_stray(v, HG_CHK_DIR, name, "not a checkpoint; nobody reads it");
}

static int judge_root_name(struct hg_verifier *v, const char *name)
{
    return is_ours(name) ? HOLOG_OK : report_stray(v, "", name, "not a file of the store");
}

int hg_verify_other_files(struct hg_verifier *v)
{
    static const struct {
        const char *dir;
        int (*judge)(struct hg_verifier *v, const char *name);
    } dirs[] = { { "", judge_root_name },
                 { HG_SEG_DIR, judge_segment_name },
                 { HG_CHK_DIR, judge_checkpoint_name } };
    int rc = HOLOG_OK;

    for (size_t i = 0; rc == 0 && i < sizeof dirs / sizeof *dirs; i++) {
        struct names l = { 0 };
        rc = read_names(v->io, dirs[i].dir, &l);
        for (size_t k = 0; rc == 0 && k < l.n; k++)
            rc = dirs[i].judge(v, l.name[k]);
        hg_free(l.name);
    }
    return rc;
}
