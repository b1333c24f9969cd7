#!/usr/bin/python3
"""Makes tiff/: files as tifffile, libtiff's tiffcp and Pillow write them. Needs python3-tifffile, python3-pil
and libtiff-tools (2023.2.3, 9.4.0 and 4.5.0 made those that are kept).

    make_tiff.py FOLDER

Elements are, in C order and little-endian, the bytes (7 k + 3) mod 256.
"""

import os
import subprocess
import sys

import numpy as np
import tifffile
from PIL import Image

FOLDER = sys.argv[1]


def path(name):
    return os.path.join(FOLDER, name + ".tif")


def elements(dtype, shape):
    dtype = np.dtype(dtype)
    k = np.arange(dtype.itemsize * int(np.prod(shape)))
    return np.frombuffer(((k * 7 + 3) % 256).astype(np.uint8).tobytes(), dtype).reshape(shape)


def save(name, data, **how):
    how = {"photometric": "minisblack", "metadata": None, "software": "", **how}
    tifffile.imwrite(path(name), data, **how)


def tiffcp(source, name, *how):
    subprocess.run(["tiffcp", *how, path(source), path(name)], check=True)


def samples_apart(a):
    return np.ascontiguousarray(np.moveaxis(a, -1, 0))


def main():
    for kind, sizes in (("u", (1, 2, 4, 8)), ("i", (1, 2, 4, 8)), ("f", (2, 4, 8))):
        for size in sizes:
            for order in "<" if size == 1 else "<>":
                a = elements(f"<{kind}{size}", (5, 7))
                save(f"{kind}{size}-{'le' if order == '<' else 'be'}", a, byteorder=order)
    u2 = elements("<u2", (3, 18, 20))
    save("pages", u2)
    save("pages-be-big", u2, byteorder=">", bigtiff=True)
    save("big", u2[:1], bigtiff=True)
    save("strips", u2, rowsperstrip=3)
    save("tiles", u2, tile=(16, 16))
    save("tiles-be", u2, tile=(16, 16), byteorder=">")
    rgb = elements("<u2", (18, 20, 3))
    save("rgb", rgb, photometric="rgb")
    save("rgb-tiles", rgb, photometric="rgb", tile=(16, 16))
    save("rgb-apart", samples_apart(rgb), photometric="rgb", planarconfig="separate", rowsperstrip=3)
    save("rgb-apart-tiles", samples_apart(rgb), photometric="rgb", planarconfig="separate", tile=(16, 16))
    pages = elements("|u1", (2, 18, 20, 4))
    save("rgba-pages", pages, photometric="rgb", extrasamples=["unassalpha"])
    save("samples", elements("<f4", (18, 20, 2)), planarconfig="contig")
    for name, how in (("lzw", "lzw"), ("lzw-predictor", "lzw:2"), ("zip", "zip"), ("packbits", "packbits")):
        tiffcp("strips", name, "-c", how)
    tiffcp("rgb-tiles", "rgb-tiles-zip", "-c", "zip", "-t", "-w", "16", "-l", "16")
    with tifffile.TiffWriter(path("reduced")) as f:
        how = {"photometric": "minisblack", "metadata": None, "software": ""}
        f.write(u2[0, ::4, ::4], subfiletype=1, **how)
        f.write(u2[0], **how)
        f.write(u2[1, ::4, ::4], subfiletype=1, **how)
        f.write(u2[1], **how)
    with tifffile.TiffWriter(path("refused-unlike-pages")) as f:
        f.write(u2[0], **how)
        f.write(u2[1], **how)
        f.write(u2[2, :17], **how)
    with tifffile.TiffWriter(path("refused-unlike-types")) as f:
        f.write(u2[0], **how)
        f.write(u2[1].astype("<i2"), **how)
    save("refused-complex", np.zeros((5, 7), "<c8"))
    Image.fromarray(np.zeros((5, 7), bool)).save(path("refused-bits"))
    Image.fromarray(np.full((32, 32, 3), 77, np.uint8)).save(path("jpeg"), compression="jpeg")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).convert("YCbCr").save(path("refused-ycbcr"))
    save("zeros", np.zeros((500, 500), "u1"))
    tiffcp("zeros", "zeros-zip", "-c", "zip", "-r", "500")
    os.unlink(path("zeros"))


main()
