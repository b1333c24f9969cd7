/*
 * Cold blocks, measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "codec/cold/select.h"
#include "coders.h"

double cpu_seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int encode(struct hg_coder *c, const struct tiles *t, enum ours_how how,
                  struct hg_buf *blocks)
{
    struct hg_cold_habit habit = { 0 };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->count; i++) {
        const uint8_t *raw = t->at + i * t->bytes;
        blocks[i].len = 0;
        if (how == OURS_COMPACT || how == OURS_ARCHIVE)
            rc = hg_cold_compact(c, how == OURS_COMPACT ? HG_PROFILE_DEFAULT : HG_PROFILE_ARCHIVE,
                                 &t->of, raw, how == OURS_COMPACT ? &habit : NULL, &blocks[i]);
        else
            rc = hg_cold_write(c, how == OURS_FAST ? HG_PROFILE_FAST : HG_PROFILE_DEFAULT, &t->of,
                               raw, &habit, &blocks[i]);
    }
    return rc;
}

/* With parts: adds up how many bytes previews read. */
static int decode(struct hg_coder *c, const struct tiles *t, const struct hg_buf *b, uint8_t *out,
                  struct figures *parts)
{
    struct hg_cold_head head;
    struct hg_cold_parts at;
    int rc = hg_cold_head_decode(b->data, b->len, &head);

    if (rc < 0)
        return rc;
    hg_cold_parts_of(&head, b->data, b->len, &at);
    for (unsigned k = 1; parts != NULL && k < 4 && (head.flags & HG_COLD_MEANS) && k < head.parts;
         k++)
        for (unsigned i = 0; i < head.parts - k; i++)
            parts->preview[k] += head.part[i].len;
    return hg_cold_decode(c, &head, &at, NULL, out, t->bytes);
}

static int verify(struct hg_coder *c, const struct tiles *t, const struct hg_buf *blocks,
                  uint8_t *out, struct figures *f)
{
    double total = 0;

    for (size_t i = 0; i < t->count; i++) {
        if (decode(c, t, &blocks[i], out, f) < 0 ||
            memcmp(out, t->at + i * t->bytes, t->bytes) != 0) {
            (void)fprintf(stderr, "tile %zu did not come back\n", i);
            return -1;
        }
        total += (double)blocks[i].len;
    }
    f->ratio = (double)(t->bytes * t->count) / total;
    for (unsigned k = 1; k < 4; k++)
        f->preview[k] /= total;
    return 0;
}

int ours_measure(const struct tiles *t, enum ours_how how, struct figures *out)
{
    struct hg_buf *blocks = calloc(t->count, sizeof *blocks);
    uint8_t *room = malloc(t->bytes);
    struct hg_coder *c = NULL;
    double begin;
    int rc = blocks == NULL || room == NULL || hg_coder_create(&c) < 0 ? -1 : 0;

    *out = (struct figures){ 0 };
    begin = cpu_seconds();
    if (rc == 0)
        rc = encode(c, t, how, blocks);
    out->encode = (double)(t->bytes * t->count) / 1e6 / (cpu_seconds() - begin);
    begin = cpu_seconds();
    for (size_t i = 0; rc == 0 && i < t->count; i++)
        rc = decode(c, t, &blocks[i], room, NULL);
    out->decode = (double)(t->bytes * t->count) / 1e6 / (cpu_seconds() - begin);
    if (rc == 0)
        rc = verify(c, t, blocks, room, out);
    for (size_t i = 0; blocks != NULL && i < t->count; i++)
        hg_buf_release(&blocks[i]);
    hg_coder_destroy(c);
    free(room);
    free(blocks);
    return rc < 0 ? -1 : 0;
}
