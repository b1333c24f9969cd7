/*
 * How much memory there is to have: the machine's, or less when a cgroup says so.
 */
#ifndef HG_IO_MEMORY_H
#define HG_IO_MEMORY_H

#include <stdint.h>

uint64_t hg_memory_available(void); /* bytes; at least 64 MiB */
unsigned hg_cpu_count(void);        /* that this process may run on; at least 1 */

#endif
