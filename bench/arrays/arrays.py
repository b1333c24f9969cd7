#!/usr/bin/env python3
"""Arrays in holog beside arrays elsewhere: planes of a microscope saved, loaded, picked out.

    arrays.py LIBHOLOG.SO [--dir DIR] [--planes N] [--warm-planes N] [--rounds N] [--json FILE]

Everything is measured in one run on one disk, in interleaved rounds (A B C, A B C, ...), after a sync, with the
page cache dropped where a row says cold (that needs root; without it such rows are left out, and it is said).
Printed are the median, the spread (max - min) / median, and holog's ratio to each of the others in the same round.
Peers write raw chunks, as holog does: data do not compress. Durable means: on the disk when the clock stops.

  save-planes           all planes, as one array in chunks of a plane; durable when the clock stops: holog by its
                        commit, TensorStore by the syncs of its file driver, the others by a sync of the disk at
                        the end (acquire-zarr appends plane by plane; it only writes)
  load-planes-cold      all of them, PIECE at a time, into memory that is there
  load-planes-warm      the first --warm-planes of them once more
  load-planes-in-place  as many planes, each an array of its own, as whoever has them in memory gives them out
                        without a copy (holog_array_load; a mapped .npy file); a word of each cache line is read
  one-plane-cold        one of all planes; a median of nine
  plane-of-batch        one plane out of the batch, and in turn that plane saved alone, cold: the ratio of the pair
"""

import argparse
import gc
import os
import shutil
import statistics
import sys
import time

import numpy as np
from common import Holog, Lib, Report, drop_caches, machine, raw_rates, sync_disk, verdict, versions

SIDE = 2048
PIECE = 100  # planes that are read at once: memory for all of them twice there may not be
LINE = 8     # words in a cache line
UNITS = {"save-planes": ("MB/s, durable", True), "load-planes-cold": ("MB/s", True),
         "load-planes-warm": ("MB/s", True), "load-planes-in-place": ("MB/s", True),
         "one-plane-cold": ("us", False), "plane-of-batch": ("us", False)}


# ---- the same for all ----------------------------------------------------------------------------


class HologPlanes:
    name = "holog"

    def __init__(self, lib, where):
        self.lib, self.where = lib, where

    def save(self, planes):
        store = Holog(self.lib, self.where)
        start = time.perf_counter()
        store.save("well", planes, (1, SIDE, SIDE))
        spent = time.perf_counter() - start
        store.close()
        return spent

    def open(self):
        self.store = Holog(self.lib, self.where)
        self.array = self.store.open_array("well")

    def load(self, first, out):
        self.store.read(self.array, [(first, len(out), 1), (0, SIDE, 1), (0, SIDE, 1)], out)

    def close(self):
        self.store.close_array(self.array)
        self.store.close()


class NpyPlanes:
    """A .npy file for each plane, written, then all synced at once."""

    name = "npy files"

    def __init__(self, _, where):
        self.where = where

    def file(self, i):
        return os.path.join(self.where, f"p{i:04}.npy")

    def save(self, planes):
        os.makedirs(self.where)
        start = time.perf_counter()
        for i, plane in enumerate(planes):
            np.save(self.file(i), plane)
        sync_disk(self.where)
        return time.perf_counter() - start

    def open(self):
        pass

    def load(self, first, out):
        for i, plane in enumerate(out):
            plane[:] = np.load(self.file(first + i))

    def close(self):
        pass


class H5Planes:
    name = "h5py"

    def __init__(self, _, where):
        self.where = where

    def save(self, planes):
        import h5py
        os.makedirs(self.where)
        start = time.perf_counter()
        with h5py.File(os.path.join(self.where, "a.h5"), "w") as f:
            f.create_dataset("well", data=planes, chunks=(1, SIDE, SIDE))
        sync_disk(self.where)
        return time.perf_counter() - start

    def open(self):
        import h5py
        self.f = h5py.File(os.path.join(self.where, "a.h5"), "r")
        self.array = self.f["well"]

    def load(self, first, out):
        self.array.read_direct(out, np.s_[first:first + len(out)])

    def close(self):
        self.f.close()


class ZarrPlanes:
    name = "zarr"

    def __init__(self, _, where):
        self.where = where

    def save(self, planes):
        import zarr
        start = time.perf_counter()
        a = zarr.create_array(self.where, shape=planes.shape, chunks=(1, SIDE, SIDE),
                              dtype=planes.dtype, compressors=None, zarr_format=3)
        a[:] = planes
        sync_disk(self.where)
        return time.perf_counter() - start

    def open(self):
        import zarr
        self.array = zarr.open_array(self.where, mode="r")

    def load(self, first, out):
        out[:] = self.array[first:first + len(out)]

    def close(self):
        pass


class TensorStorePlanes:
    """Its file driver syncs each value by itself."""

    name = "tensorstore"

    def __init__(self, _, where):
        self.where = where

    def spec(self):
        return {"driver": "zarr3", "kvstore": {"driver": "file", "path": self.where + "/"}}

    def save(self, planes):
        import tensorstore as ts
        start = time.perf_counter()
        a = ts.open(dict(self.spec(), metadata={
            "shape": list(planes.shape), "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, SIDE, SIDE]}},
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}),
            create=True, delete_existing=True).result()
        a[:] = planes
        return time.perf_counter() - start

    def open(self):
        import tensorstore as ts
        self.array = ts.open(self.spec(), open=True).result()

    def load(self, first, out):
        import tensorstore as ts
        ts.array(out).write(self.array[first:first + len(out)]).result()

    def close(self):
        del self.array


class AcquirePlanes:
    """A stream of planes, each a shard with one chunk; what it has not synced when it is closed, we sync. It
    only writes."""

    name = "acquire-zarr"

    def __init__(self, _, where):
        self.where = where

    def save(self, planes):
        import acquire_zarr as az
        space = az.DimensionType.SPACE
        dimensions = [az.Dimension(name=name, kind=kind, array_size_px=size, chunk_size_px=chunk,
                                   shard_size_chunks=1)
                      for name, kind, size, chunk in (("t", az.DimensionType.TIME, 0, 1),
                                                      ("y", space, SIDE, SIDE), ("x", space, SIDE, SIDE))]
        start = time.perf_counter()
        stream = az.ZarrStream(az.StreamSettings(store_path=self.where, arrays=[az.ArraySettings(
            dimensions=dimensions, data_type=az.DataType.UINT16)]))
        for plane in planes:
            stream.append(plane)
        stream.close()
        sync_disk(self.where)
        return time.perf_counter() - start

    def compare(self, planes):
        import zarr
        array = zarr.open_array(self.where, mode="r")
        for i in (0, len(planes) - 1):
            if not np.array_equal(array[i], planes[i]):
                raise RuntimeError(f"acquire-zarr: plane {i} is another")


KINDS = {"holog": HologPlanes, "numpy": NpyPlanes, "h5py": H5Planes, "zarr": ZarrPlanes,
         "tensorstore": TensorStorePlanes, "acquire-zarr": AcquirePlanes}


# ---- rows ----------------------------------------------------------------------------------------


def load_all(peer, count, out):
    """Seconds, for the first `count` planes."""
    start = time.perf_counter()
    for first in range(0, count, len(out)):
        peer.load(first, out[:min(len(out), count - first)])
    return time.perf_counter() - start


def load_rows(peer, planes, out, args, report):
    if args.cold:
        drop_caches()
        peer.open()
        spent = load_all(peer, len(planes), out)
        report.add("load-planes-cold", peer.name, planes.nbytes / 1e6 / spent)
        peer.close()
    count = min(args.warm_planes, len(planes))
    peer.open()
    load_all(peer, count, out)
    report.add("load-planes-warm", peer.name, planes[:count].nbytes / 1e6 / load_all(peer, count, out))
    for first in range(0, count, len(out)):
        part = out[:min(len(out), count - first)]
        peer.load(first, part)
        if not np.array_equal(part, planes[first:first + len(part)]):
            raise RuntimeError(f"{peer.name}: planes from {first} on are others")
    peer.close()


def one_plane(peer, planes, report):
    """Of all planes one, cold."""
    times = []
    one = np.zeros((1, SIDE, SIDE), np.uint16)
    for k in range(9):
        drop_caches()
        peer.open()
        i = (k * 7919 + 13) % len(planes)
        start = time.perf_counter()
        peer.load(i, one)
        times.append((time.perf_counter() - start) * 1e6)
        if not np.array_equal(one[0], planes[i]):
            raise RuntimeError(f"{peer.name}: plane {i} is another")
        peer.close()
    report.add("one-plane-cold", peer.name, statistics.median(times))


def touch(plane):
    return int(plane.reshape(-1).view(np.uint64)[::LINE].sum(dtype=np.uint64))


def in_place_holog(lib, where, planes, want):
    store = Holog(lib, where)
    store.save_each("in-place", planes)
    for _ in range(2):  # the first time fills what keeps them
        start = time.perf_counter()
        total = 0
        for i in range(len(planes)):
            data, value = store.load(f"in-place/{i}")
            total += touch(data)
            del data
            store.release(value)
        spent = time.perf_counter() - start
        if total != want:
            raise RuntimeError("holog: the planes are others")
    store.close()
    return spent


def in_place_npy(where, planes, want):
    os.makedirs(where)
    for i, plane in enumerate(planes):
        np.save(os.path.join(where, f"{i}.npy"), plane)
    for _ in range(2):  # the first time fills what keeps them
        start = time.perf_counter()
        total = sum(touch(np.load(os.path.join(where, f"{i}.npy"), mmap_mode="r"))
                    for i in range(len(planes)))
        spent = time.perf_counter() - start
        if total != want:
            raise RuntimeError("npy files: the planes are others")
    return spent


def in_place(lib, planes, args, report):
    planes = planes[:args.warm_planes]
    want = sum(map(touch, planes))
    where = os.path.join(args.dir, "in-place")
    report.add("load-planes-in-place", "holog", planes.nbytes / 1e6 / in_place_holog(lib, where, planes, want))
    shutil.rmtree(where)
    report.add("load-planes-in-place", "npy, mapped", planes.nbytes / 1e6 / in_place_npy(where, planes, want))
    shutil.rmtree(where)


def timed_plane(lib, where, path, slices):
    drop_caches()
    store = Holog(lib, where)
    array = store.open_array(path)
    out = np.zeros((SIDE, SIDE), np.uint16)
    start = time.perf_counter()
    store.read(array, slices, out)
    spent = time.perf_counter() - start
    store.close_array(array)
    store.close()
    return spent * 1e6, out


def plane_of_batch(lib, where, planes, args, report):
    """Pairs, one after the other in turn, of one plane of the array "well" and the same plane saved alone."""
    indexes = [(k * 7919 + 13) % len(planes) for k in range(args.pairs)]
    store = Holog(lib, where)
    for i in set(indexes):
        store.save(f"alone/{i}", planes[i], (SIDE, SIDE))
    store.close()
    pairs = []
    for k, i in enumerate(indexes):
        ways = [("well", [(i, 1, 1), (0, SIDE, 1), (0, SIDE, 1)]), (f"alone/{i}", None)]
        got = [timed_plane(lib, where, *way) for way in (ways if k % 2 == 0 else ways[::-1])]
        if any(not np.array_equal(out, planes[i]) for _, out in got):
            raise RuntimeError(f"plane {i} is another")
        pairs.append([spent for spent, _ in (got if k % 2 == 0 else got[::-1])])
    report.add("plane-of-batch", "holog", statistics.median(of for of, _ in pairs))
    report.add("plane-of-batch", "(saved alone)", statistics.median(alone for _, alone in pairs))
    return [of / alone for of, alone in pairs]


def bench_planes(lib, args, report):
    there = versions("numpy", "h5py", "zarr", "tensorstore", "acquire-zarr")
    kinds = [kind for name, kind in KINDS.items() if name == "holog" or there[name]]
    planes = np.random.default_rng(1).integers(0, 65536, (args.planes, SIDE, SIDE), dtype=np.uint16)
    out = np.zeros((min(PIECE, args.planes), SIDE, SIDE), np.uint16)
    out[:] = 1  # its pages are there
    ratios = []
    for round_ in range(args.rounds):
        write, read = raw_rates(args.dir, min(planes.nbytes, 2 << 30) >> 23 << 23)
        report.add("save-planes", "disk", write)
        if args.cold:
            report.add("load-planes-cold", "disk", read)
        for kind in kinds:
            where = os.path.join(args.dir, f"planes-{round_}")
            peer = kind(lib, where)
            os.sync()
            report.add("save-planes", kind.name, planes.nbytes / 1e6 / peer.save(planes))
            if kind is not AcquirePlanes:
                load_rows(peer, planes, out, args, report)
            elif there["zarr"]:
                peer.compare(planes)
            if kind is not AcquirePlanes and args.cold:
                one_plane(peer, planes, report)
            if kind is HologPlanes and args.cold:
                ratios += plane_of_batch(lib, where, planes, args, report)
            gc.collect()
            shutil.rmtree(where)
        in_place(lib, planes, args, report)
    return ratios


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("libholog", metavar="LIBHOLOG.SO")
    p.add_argument("--dir", default="bench-scratch")
    p.add_argument("--planes", type=int, default=1000)
    p.add_argument("--warm-planes", type=int, default=200, help="of them, for rows that are warm")
    p.add_argument("--pairs", type=int, default=15, help="of plane-of-batch, in each round")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--json")
    args = p.parse_args()
    args.dir = os.path.abspath(args.dir)
    os.makedirs(args.dir, exist_ok=True)
    args.cold = drop_caches()
    print("{machine}: {cores} cores, load {load:.1f}".format(**machine()))
    if not args.cold:
        print("not root: cold rows are left out")
    report = Report(UNITS)
    ratios = bench_planes(Lib(args.libholog), args, report)
    report.show()
    if ratios:
        verdict("one plane out of the batch by the plane alone, median of pairs,",
                statistics.median(ratios), 1.2, False)
    report.write(args.json, plane_of_batch_ratios=ratios)
    return 0


if __name__ == "__main__":
    sys.exit(main())
