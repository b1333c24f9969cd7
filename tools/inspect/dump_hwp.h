/*
 * dump_hwp.h: `holog dump` of a compressed segment.
 */
#ifndef HOLOG_TOOLS_INSPECT_DUMP_HWP_H
#define HOLOG_TOOLS_INSPECT_DUMP_HWP_H

#include <stdio.h>

#include "inspect/say.h"

/* d->bytes: the first block of f. Returns the exit status. */
int dump_hwp(struct dump *d, FILE *f);

#endif
