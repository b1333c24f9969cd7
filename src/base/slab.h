/*
 * Slabs: many blocks of one size from chunks of 2 MiB.
 *
 *   chunk, aligned to its size:  header | block | block | ... | rest
 *
 * The header is found from a block's address. Blocks never handed out are never touched: a slab
 * of few blocks takes the few pages that they lie in. A slab of any size takes at most a chunk more
 * than what was handed out at its peak. A chunk goes back to the system when its last block is freed,
 * but for one, which is kept so that a block freed and taken again and again costs nothing.
 *
 * No huge pages: reads at random gain a sixth from them, but where a host takes back the large free
 * blocks of its guests the first touch of one takes milliseconds, and the cache is filled once.
 *
 * A block counts as one allocation of base/alloc.h: its test hook fails it, hg_alloc_live has it.
 * Under AddressSanitizer each block comes from malloc by itself, so that what is used after it was
 * freed is still found.
 *
 * Any thread may take and free blocks. The lock is the last one taken: nothing waits under it, the
 * kernel is not called.
 */
#ifndef HG_BASE_SLAB_H
#define HG_BASE_SLAB_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct hg_slab_chunk;

struct hg_slab {
    size_t block_bytes; /* fixed, as the next three */
    size_t align;
    size_t first;       /* offset of a chunk's first block */
    uint32_t per_chunk; /* blocks */
    pthread_mutex_t lock;
    struct hg_slab_chunk *open; /* lock; chunks with a block to hand out, the next one first */
    struct hg_slab_chunk *idle; /* lock; the chunk kept though it is empty, or NULL */
    unsigned chunks;            /* lock; all of them */
    _Atomic int low;            /* the last chunk is half used up */
};

/* block_bytes is a multiple of align, a power of two; both are far below a chunk. */
void hg_slab_init(struct hg_slab *s, size_t block_bytes, size_t align);
void hg_slab_release(struct hg_slab *s); /* all blocks freed */

void *hg_slab_alloc(struct hg_slab *s); /* aligned, with any bytes in it; NULL: no memory */
void hg_slab_free(struct hg_slab *s, void *block); /* NULL is fine */

/* The first touch of a chunk may take milliseconds: where memory is the guest's only once the host
 * has found some. hg_slab_low says, once for each chunk, that one is wanted soon; who then calls
 * hg_slab_prepare, in its own time, spares the next caller of hg_slab_alloc that wait. */
int hg_slab_low(struct hg_slab *s);
void hg_slab_prepare(struct hg_slab *s);

#endif
