/*
 * Paths in, keys out: the one place where a path is judged.
 *
 * A path is UTF-8, components of 1-255 bytes separated by '/', at most 64 components and 4096
 * bytes. A leading '/', "//", "./" components and a trailing '/' are dropped. ".." and NUL are
 * refused (HOLOG_E_BADPATH), as are invalid UTF-8 and the control characters that a terminal or an
 * exported file name would trip over only when exported (they are allowed here).
 * The empty path (or "/", ".") is the root directory.
 *
 * A key is an order-preserving encoding: memcmp order of keys is the natural order of paths,
 * component by component ("z2" before "z10"), a directory right before what is in it.
 *   end of component   00          (so a/b sorts before "a b"); the key of "a/b" is a 00 b
 *   digit run          3d [n] digits... zz
 *                      3d = 0x30 + min(k, 9), k = number of digits without leading zeros;
 *                      n  = k as one byte, only when k >= 9;
 *                      zz = 1 + number of leading zeros (ties: fewer first)
 *                      ("0", "00", the number zero, have k = 0; their last digit is no leading
 *                      zero: 30 01, 30 02; so a name of 255 zeros still has its zz in a byte)
 *   any other byte     itself
 * The prefix of everything below directory p is key(p) followed by 00; below the root it is "".
 * A digit run at most doubles in a key ("1" becomes 31 31 01, and no two runs touch), so a key is
 * not longer than two bytes for each byte of the path and one more.
 */
#ifndef HG_ENGINE_PATHKEY_H
#define HG_ENGINE_PATHKEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define HG_PATH_MAX  4096
#define HG_NAME_MAX  255
#define HG_DEPTH_MAX 64

/* Canonical form of `path` (path_len bytes, need not end in NUL) into out (HG_PATH_MAX + 1 bytes,
 * NUL-terminated). Errors: HOLOG_E_BADPATH, HOLOG_E_NAMETOOLONG, detail says which component. */
HG_MUST_CHECK int hg_path_canonical(const char *path, size_t path_len, char *out, size_t *out_len);

/* 1 for the usual path: ASCII, canonical as it stands. 0 says nothing. */
int hg_path_is_plain(const char *path, size_t path_len);

/* Key of a canonical path into out (HG_KEY_MAX bytes). Returns its length. Root: 0. */
size_t hg_path_to_key(const char *path, size_t path_len, uint8_t *out);

/* Length of the key of the directory above. 0: the root. */
size_t hg_key_parent(const uint8_t *key, size_t key_len);

/* Path, perhaps an internal one, of a key into out (HG_PATH_MAX + 1). HOLOG_E_CORRUPT when it is no key
 * of a valid path. */
HG_MUST_CHECK int hg_key_to_path(const uint8_t *key, size_t key_len, char *out, size_t *out_len);

/* 1 when the key is that of a document or a chunk: of an *internal* path, which ends in a node component
 * (base/node.h). Such paths are only made by holog; hg_path_to_key takes them. */
int hg_key_is_node(const uint8_t *key, size_t key_len);

/* Length of the canonical path's parent ("a/b/c" -> 3; "a" -> 0). The last component starts after
 * it. Not for the root. */
size_t hg_path_parent(const char *path, size_t path_len);

/* Natural order of two names, the same order as their keys: <0, 0, >0. */
int hg_name_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
