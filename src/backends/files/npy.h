/*
 * An array as a .npy file, the format of NumPy's save() and load(). In memory, and one array a file.
 *
 *   offset size field
 *        0    6 magic    93 'NUMPY'
 *        6    1 major    1, 2 or 3
 *        7    1 minor    0
 *        8  2/4 length   of the text that follows: 2 bytes in version 1, 4 since; little-endian
 *       10/12   text     a dict as Python writes it, padded with spaces so that the elements begin at a
 *                        multiple of 64, and a newline:
 *                        {'descr': '<u2', 'fortran_order': False, 'shape': (3, 4), }
 *               elements to the end of the file, one after the other, in C or in Fortran order
 *
 * Read are the three keys in any order, numbers with Python 2's L, and any padding. What is written is what
 * NumPy writes, to the byte: version 1, with room to spare for a first axis that grows (the last one, in
 * Fortran order).
 */
#ifndef HG_BACKENDS_FILES_NPY_H
#define HG_BACKENDS_FILES_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "array/dtype.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/node.h"

struct hg_npy {
    struct hg_type type;
    int swapped; /* elements are big-endian */
    int fortran; /* the first axis varies fastest */
    unsigned rank;
    uint64_t shape[HG_RANK_MAX]; /* each at most HG_INDEX_MAX */
    size_t data_at;              /* where the elements begin */
    uint64_t data_bytes;         /* of them; data_at + data_bytes is the length of the file */
};

/*
 * The header of a whole file of len bytes.
 *
 * HOLOG_E_CORRUPT   no such file, or not all of it, or more; the message says what and at which byte
 * HOLOG_E_NOTSUP    an element type that holog does not have (fields, objects, text, ...), too many axes, or
 *                   a later version of the format
 * HOLOG_E_TOOBIG    sizes that no array can have
 */
HG_MUST_CHECK int hg_npy_read_header(const void *file, size_t len, struct hg_npy *out);

/* Its elements, h->data_bytes from `data`, as an array has them: in C order, little-endian. The two lie
 * apart. HOLOG_E_CORRUPT: a bool that is neither 0 nor 1; nothing was written. */
HG_MUST_CHECK int hg_npy_elements(const struct hg_npy *h, const void *data, void *out);

/* Append the header that elements of this type and shape stand behind. */
HG_MUST_CHECK int hg_npy_write_header(struct hg_type type, unsigned rank, const uint64_t *shape,
                                      int fortran, struct hg_buf *out);

#endif
