/*
 * What scheduler.c and brake.c share.
 */
#ifndef HG_ENGINE_SCHEDULER_INTERNAL_H
#define HG_ENGINE_SCHEDULER_INTERNAL_H

#include "engine/scheduler.h"
#include "engine/store_internal.h"

/* Commits that wait look again. */
void hg_brake_look(holog_store *s);
/* Something has been done: they may wait on. */
void hg_brake_progress(holog_store *s);
/* Tells, once, what holds more than the cap allows for, if no compaction can lower it. exact: a mark has just found
 * that. No lock held. */
void hg_brake_judge(holog_store *s, const struct hg_estimate *e, int exact);

#endif
