/*
 * A whole index checkpoint: header, settings, segments, pages and hashes of one file in chk/. It
 * loads as a sound index or leaves the index empty, and what loads passes the check of verify.
 */
#include <inttypes.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/error.h"
#include "engine/checkpoint.h"
#include "io/sim.h"
#include "wal/record.h"
#include "walk.h"

#define UUID_AT   16
#define NUMBER_AT 56 /* repeated in the file's name */

struct input {
    uint8_t uuid[16];
    char name[48];
};

static int make_folder(struct hg_io *io, void *ctx)
{
    (void)ctx;
    return io->ops->mkdir(io, HG_CHK_DIR);
}

static void look_at(struct hg_index *ix, struct hg_checkpoint *c)
{
    FUZZ_CHECK(fuzz_walk_index(ix) == c->keys);
    FUZZ_CHECK(c->segments.len % sizeof(struct hg_segment_entry) == 0);
    (void)fuzz_touch(c->settings.data, c->settings.len);
    (void)fuzz_touch(c->segments.data, c->segments.len);
    (void)fuzz_touch(c->moments.data, c->moments.len);
    (void)fuzz_touch(c->tags.data, c->tags.len);
    hg_checkpoint_release(c);
}

static int load(struct hg_io *io, void *ctx)
{
    const struct input *in = ctx;
    struct hg_index *ix = NULL;
    struct hg_index *past = NULL;
    struct hg_checkpoint c = { 0 };
    char note[160];
    const struct hg_checkpoint_at at = { .name = in->name };
    const struct hg_checkpoint_bounds bounds = { .uuid = in->uuid, .max_number = UINT64_MAX };
    int checked = hg_checkpoint_check(io, &at);

    if (hg_index_create(NULL, 0, &ix) < 0)
        return 0;
    if (hg_index_create(NULL, 0, &past) < 0) {
        hg_index_destroy(ix);
        return 0;
    }
    int loaded = hg_checkpoint_load(io, &bounds, ix, past, &c, note);
    FUZZ_CHECK(loaded == 0 || loaded == HOLOG_E_NOENT);
    FUZZ_CHECK(checked == 0 || checked == HOLOG_E_CORRUPT || checked == HOLOG_E_VERSION);
    FUZZ_CHECK(loaded < 0 || checked == 0);
    if (loaded == 0)
        look_at(ix, &c);
    else
        FUZZ_CHECK(fuzz_walk_index(ix) == 0 && fuzz_walk_index(past) == 0);
    hg_index_destroy(ix);
    hg_index_destroy(past);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct hg_sim_options so = { .seed = 1 };
    struct hg_sim *sim = NULL;
    struct input in = { .name = "" };
    uint64_t number = size >= NUMBER_AT + 8 ? hg_get_le64(data + NUMBER_AT) : 0;

    if (size >= UUID_AT + sizeof in.uuid)
        memcpy(in.uuid, data + UUID_AT, sizeof in.uuid);
    (void)snprintf(in.name, sizeof in.name, HG_CHK_DIR "/%016" PRIx64 ".hidx", number);
    if (hg_sim_create(&so, &sim) < 0)
        return 0;
    FUZZ_CHECK(hg_sim_run(sim, make_folder, NULL) == 0);
    FUZZ_CHECK(hg_sim_file_put(sim, in.name, data, size) == 0);
    (void)hg_sim_run(sim, load, &in); /* always 0 */
    hg_sim_destroy(sim);
    return 0;
}
