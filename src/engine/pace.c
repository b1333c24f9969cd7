#include "engine/pace.h"

#include "base/assert.h"

#define SECOND UINT64_C(1000000000)
#define FLOOR \
    (UINT64_C(32) << 20) /* bytes/s: a round of 512 MiB, written and read back, in half a minute */
#define BURST_NS (SECOND / 50) /* so much of a second's bytes may go at once */
#define LOOK_NS  (SECOND / 10)
#define QUIET_NS SECOND

static uint64_t per_second(uint64_t bytes, uint64_t ns)
{
    return (uint64_t)((double)bytes * (double)SECOND / (double)ns);
}

static void look(struct hg_pace *p, const struct hg_pace_facts *f)
{
    uint64_t ns = f->now_ns - p->since_ns;
    uint64_t bytes = f->written - HG_MIN(p->written, f->written);

    if (p->last_ns != 0 && ns < LOOK_NS)
        return;
    if (bytes > 0 || p->last_ns == 0)
        p->quiet_ns = f->now_ns;
    if (p->last_ns != 0)
        p->speed = (p->speed + per_second(bytes, ns)) / 2;
    p->written = f->written;
    p->since_ns = f->now_ns;
}

/* Bytes/s. */
static double needed(const struct hg_pace *p, const struct hg_pace_facts *f)
{
    return 2 * (double)f->left * (double)p->speed / (double)f->room;
}

static uint64_t tune(const struct hg_pace *p, const struct hg_pace_facts *f)
{
    double need;

    if (p->limit != 0)
        return p->limit;
    if (f->room == 0 || f->now_ns - p->quiet_ns >= QUIET_NS)
        return 0;
    need = needed(p, f);
    return need > (double)(UINT64_MAX / 2) ? 0 : HG_MAX(FLOOR, (uint64_t)need);
}

uint64_t hg_pace_take(struct hg_pace *p, uint64_t bytes, const struct hg_pace_facts *f)
{
    uint64_t most;
    uint64_t owed;

    look(p, f);
    p->rate = tune(p, f);
    if (p->rate == 0) {
        p->fill = 0;
        p->last_ns = f->now_ns | 1;
        return 0;
    }
    most = (uint64_t)((double)p->rate * (double)BURST_NS / (double)SECOND);
    if (p->last_ns != 0)
        p->fill += (uint64_t)((double)p->rate *
                              (double)(f->now_ns - HG_MIN(p->last_ns, f->now_ns)) / (double)SECOND);
    p->fill = HG_MIN(p->fill, most);
    if (bytes <= p->fill) {
        p->fill -= bytes;
        p->last_ns = f->now_ns | 1;
        return 0;
    }
    owed = (uint64_t)((double)(bytes - p->fill) * (double)SECOND / (double)p->rate);
    p->fill = 0;
    p->last_ns = (f->now_ns + owed) | 1; /* what flows in until then has gone */
    return owed;
}

uint64_t hg_pace_step(struct hg_pace *p, uint64_t ns, uint64_t floor, const struct hg_pace_facts *f)
{
    double bytes;

    look(p, f);
    p->last_ns = f->now_ns | 1;
    if (f->room == 0)
        return UINT64_MAX;
    bytes = needed(p, f) * (double)ns / (double)SECOND;
    return bytes >= (double)f->left ? HG_MAX(floor, f->left) : HG_MAX(floor, (uint64_t)bytes);
}
