/*
 * dump.h: the forensic dumper of one segment file, behind `holog dump`.
 *
 * It needs no store around the file and trusts nothing in it: what does not decode is shown as such,
 * with its offset, and the dump goes on.
 */
#ifndef HOLOG_TOOLS_INSPECT_DUMP_H
#define HOLOG_TOOLS_INSPECT_DUMP_H

/* Prints `file` to stdout, as text or (json not 0) as one JSON document. Returns the exit status:
 * 0, 1 when the file cannot be read or is no segment, 3 when something in it does not verify; says
 * why on stderr when it is not 0. */
int dump_segment(const char *file, int json);

#endif
