#!/usr/bin/env python3
"""Real images that Debian packages hold, as NPY files for holog-bench-codec:

    apt-get install python3-skimage mricron-data
    /usr/bin/python3 images.py DIRECTORY

What is not there is left out, and said. Colours become planes; volumes are planes as they are.
"""

import gzip
import pathlib
import sys

import numpy as np

SKIMAGE = pathlib.Path("/usr/lib/python3/dist-packages/skimage/data")
MRICRON = pathlib.Path("/usr/share/mricron/templates")
PICTURES = ["camera.png", "cell.png", "coins.png", "microaneurysms.png", "moon.png", "phantom.png", "retina.jpg",
            "ihc.png", "hubble_deep_field.jpg", "brick.png", "grass.png", "gravel.png", "page.png", "text.png"]
VOLUMES = ["ch2.nii.gz", "ch2better.nii.gz", "aal.nii.gz", "brodmann.nii.gz"]
NIFTI = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 256: "i1", 512: "<u2"}


def picture(path):
    from skimage import io
    image = io.imread(path)
    return np.moveaxis(image, -1, 0) if image.ndim == 3 else image


def volume(path):
    data = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(data, "<i2", 8, 40)
    kind = int(np.frombuffer(data, "<i2", 1, 70)[0])
    at = int(np.frombuffer(data, "<f4", 1, 108)[0])
    n = shape[1:1 + shape[0]].astype(int)
    return np.frombuffer(data, NIFTI[kind], int(n.prod()), at).reshape(n[::-1])


def main():
    to = pathlib.Path(sys.argv[1])
    to.mkdir(parents=True, exist_ok=True)
    jobs = [(SKIMAGE / name, picture) for name in PICTURES] + [(MRICRON / name, volume) for name in VOLUMES]
    for path, read in jobs:
        if not path.exists():
            print(f"not there: {path}")
            continue
        array = np.ascontiguousarray(read(path))
        if array.ndim < 2 or array.dtype.kind not in "uif":
            continue
        np.save(to / (path.name.split(".")[0] + ".npy"), array)
        print(f"{path.name}: {array.dtype} {array.shape}")


main()
