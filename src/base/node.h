/*
 * Node components: what a group or an array has below its directory beside named entries.
 *
 *   fe 81               metadata document of a group
 *   fe 82               metadata document of an array
 *   ff {80+n n digits}* a chunk: for each axis, outermost first, its index in the grid of chunks, as n (0-7)
 *                       digits to the base 128, the highest first and not 0, each with 80 added
 *
 * No UTF-8 begins so: they are nobody's names. There is no NUL, slash or decimal digit in them, so that a
 * path takes them as it takes a name, and no byte below 80, so that their end is known in a text. In the
 * order of bytes they stand behind all names, and chunks in the C order of their indexes.
 */
#ifndef HG_BASE_NODE_H
#define HG_BASE_NODE_H

#include <stddef.h>
#include <stdint.h>

#define HG_RANK_MAX  32
#define HG_INDEX_MAX ((UINT64_C(1) << 49) - 1)

#define HG_NODE_GROUP    "\xfe\x81"
#define HG_NODE_ARRAY    "\xfe\x82"
#define HG_NODE_FIRST    0xfe /* no name begins with this byte or a higher one */
#define HG_NODE_LEN_MAX  255
#define HG_NODE_TEXT_MAX (2 + HG_RANK_MAX * 16) /* with the NUL */

/* 1 when it is one, not when it only begins so. */
int hg_node_valid(const char *component, size_t len);
/* The component of a chunk into out (HG_NODE_LEN_MAX). Returns its length; 0 when it would be too long: no
 * grid of fewer than 2^63 chunks has such. Each index is at most HG_INDEX_MAX. */
size_t hg_node_chunk(const uint64_t *index, unsigned rank, char *out);
/* The indexes of a valid chunk (HG_RANK_MAX). Returns how many; -1: it is a document. */
int hg_node_index(const char *component, size_t len, uint64_t *out_index);
/* As people know it, NUL-terminated, in out (HG_NODE_TEXT_MAX): "zarr.json", or "c/0/12", as in a Zarr
 * hierarchy. Returns its length. */
size_t hg_node_text(const char *component, size_t len, char *out);
/* Does the path, which is canonical but for that, end in a node component? */
int hg_node_ends(const char *path, size_t path_len);
/* All of them in a text (NUL-terminated, in `cap` bytes), a path or a message, become what people know; cut
 * to fit. Bytes like that inside of a name stay: not all names that are told are ours. */
void hg_node_show(char *text, size_t cap);

#endif
