/*
 * dump_index.h: `holog dump` of an index checkpoint, in a file of its own or in a base.
 */
#ifndef HOLOG_TOOLS_INSPECT_DUMP_INDEX_H
#define HOLOG_TOOLS_INSPECT_DUMP_INDEX_H

#include <stdio.h>

#include "inspect/say.h"

/* d->bytes: the first block of f. Return the exit status. */
int dump_index(struct dump *d, FILE *f);
int dump_base(struct dump *d, FILE *f);

#endif
