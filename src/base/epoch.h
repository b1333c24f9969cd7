/*
 * Epoch reclamation: readers walk shared immutable structures without locks or shared counters;
 * what a writer unlinks is freed once every reader that could still see it has left.
 *
 * One hg_epoch_domain a store. A reader calls enter/leave around one call (epochs last for one
 * call, never for a view: views hold counts). Slots are claimed lazily, one per thread and domain,
 * padded to a cache line, and given back when the thread ends. Nesting is allowed.
 *
 *   retire(obj)    any thread; frees later by calling `destroy`
 *   poll           tries to advance the epoch and frees what is old enough; cheap; the committer
 *                  calls it after publishing
 *   synchronize    waits until everything retired so far is freed (close only)
 *
 * In the simulated world all callers are coroutines of one thread that never yield between enter
 * and leave.
 */
#ifndef HG_BASE_EPOCH_H
#define HG_BASE_EPOCH_H

#include "base/assert.h"

struct hg_epoch_domain;

HG_MUST_CHECK int hg_epoch_create(struct hg_epoch_domain **out_domain);
void hg_epoch_destroy(struct hg_epoch_domain *d); /* no reader inside; frees all retired objects */

struct hg_epoch_slot;
/* NULL only when no memory for a first slot of this thread could be had. */
struct hg_epoch_slot *hg_epoch_enter(struct hg_epoch_domain *d);
void hg_epoch_leave(struct hg_epoch_slot *slot);

/* Embedded in an object that may be retired: no allocation on the way out. */
struct hg_retired {
    struct hg_retired *next;
    void (*destroy)(struct hg_retired *self);
};
void hg_epoch_retire(struct hg_epoch_domain *d, struct hg_retired *obj,
                     void (*destroy)(struct hg_retired *self));
void hg_epoch_poll(struct hg_epoch_domain *d);
void hg_epoch_synchronize(struct hg_epoch_domain *d);

#endif
