#!/usr/bin/python3
"""Makes npy/: files as NumPy writes them (1.24 made those that are kept). Needs python3-numpy.

    make_npy.py FOLDER

Elements of TYPE-SHAPE-ORDER-BYTES.npy are, in C order and little-endian, the bytes (7 k + 3) mod 256, or
for bool whether k is a multiple of 3; so the test has nothing to read but the file.
"""

import os
import sys

import numpy as np

TYPES = {"bool": "|b1", "int8": "|i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "uint8": "|u1",
         "uint16": "<u2", "uint32": "<u4", "uint64": "<u8", "float16": "<f2", "float32": "<f4",
         "float64": "<f8", "complex64": "<c8", "complex128": "<c16", "r24": "|V3"}
SHAPES = {"scalar": (), "5": (5,), "0": (0,), "3x0x2": (3, 0, 2), "64": (64,), "100000x0": (100000, 0),
          "axes": (1,) * 15 + (2, 3) + (1,) * 15}


def elements(descr, shape):
    dtype = np.dtype(descr)
    n = dtype.itemsize * int(np.prod(shape, dtype=int))
    k = np.arange(n)
    data = k % 3 == 0 if dtype.kind == "b" else (k * 7 + 3) % 256
    return np.frombuffer(data.astype(np.uint8).tobytes(), dtype).reshape(shape)


def save(folder, name, array, **how):
    with open(os.path.join(folder, name + ".npy"), "wb") as f:
        np.lib.format.write_array(f, array, **how)


def main(folder):
    for name, descr in TYPES.items():
        a = elements(descr, (2, 3, 4))
        for order, b in (("c", a), ("f", np.asfortranarray(a))):
            save(folder, f"{name}-2x3x4-{order}-le", b)
            if descr[0] == "<":
                save(folder, f"{name}-2x3x4-{order}-be", b.byteswap().newbyteorder())
    for name, shape in SHAPES.items():
        save(folder, f"uint16-{name}-c-le", elements("<u2", shape))
    save(folder, "uint16-axes-f-le", np.asfortranarray(elements("<u2", SHAPES["axes"])))
    a = elements("<u2", (2, 3, 4))
    save(folder, "version-2", a, version=(2, 0))
    save(folder, "version-3", a, version=(3, 0))
    save(folder, "refused-fields", np.zeros(2, [("a", "<u2"), ("b", "<f4")]))
    save(folder, "refused-unicode-fields", np.zeros(2, [("\u00e9", "<u2")]), version=(3, 0))
    save(folder, "refused-objects", np.array([None, 1]))
    save(folder, "refused-time", np.zeros(2, "<M8[ns]"))
    save(folder, "refused-text", np.array(["ab"]))
    save(folder, "refused-bytes", np.array([b"ab"]))
    save(folder, "refused-longdouble", np.zeros(2, np.longdouble))


if __name__ == "__main__":
    main(sys.argv[1])
