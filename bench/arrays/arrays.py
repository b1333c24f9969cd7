#!/usr/bin/env python3
"""Arrays in holog beside arrays elsewhere: planes of a microscope saved, loaded, picked out; chunks committed.

    arrays.py LIBHOLOG.SO [--dir DIR] [--planes N] [--rounds N] [--only ROW,...] [--json FILE]

Everything is measured in one run on one disk, in interleaved rounds (A B C, A B C, ...), after a sync, with the
page cache dropped where a row says cold (that needs root; without it such rows are left out, and it is said).
Printed are the median, the spread (max - min) / median, and holog's ratio to the best peer of the same round.
Peers write raw chunks, as holog does: data do not compress. Durable means: on the disk when the clock stops.
"""

import argparse
import ctypes
import gc
import json
import os
import shutil
import statistics
import sys
import time

import numpy as np

SIDE = 2048
U64 = ctypes.c_uint64


# ---- holog, by its C interface -------------------------------------------------------------------


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("rest", ctypes.c_uint8 * 1016)]


class Spec(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("dtype", ctypes.c_uint32),
                ("item_size", ctypes.c_uint32), ("rank", ctypes.c_uint32),
                ("shape", ctypes.POINTER(U64)), ("chunk", ctypes.POINTER(U64)),
                ("fill", ctypes.c_void_p), ("names", ctypes.c_void_p),
                ("attributes", ctypes.c_char_p), ("codec", ctypes.c_uint32),
                ("level", ctypes.c_int32)]


class Slice(ctypes.Structure):
    _fields_ = [("start", U64), ("count", U64), ("step", U64)]


class Detail(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("sys_errno", ctypes.c_int), ("has_position", ctypes.c_int),
                ("segment", ctypes.c_uint32), ("offset", U64), ("path", ctypes.c_char * 256),
                ("message", ctypes.c_char * 512)]


class Lib:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)

    def call(self, name, *args):
        rc = getattr(self.lib, name)(*args)
        if rc != 0:
            detail = Detail()
            self.lib.holog_last_error(ctypes.byref(detail))
            raise RuntimeError(f"{name}: {detail.message.decode()}")


def numbers(values):
    return (U64 * len(values))(*values)


class Holog:
    """A store in a directory; arrays are uint16."""

    name = "holog"

    def __init__(self, lib, where):
        self.lib = lib
        self.where = where
        self.store = ctypes.c_void_p()
        self.lib.call("holog_open", where.encode(), None, ctypes.byref(self.store))

    def close(self):
        self.lib.call("holog_close", self.store)

    def save(self, path, data, shape, chunk):
        spec = Spec(struct_size=ctypes.sizeof(Spec), dtype=7, rank=len(shape),
                    shape=numbers(shape), chunk=numbers(chunk))
        pointer = data.ctypes.data_as(ctypes.c_void_p) if data is not None else None
        name = "holog_array_save" if data is not None else "holog_array_create"
        args = [self.store, path.encode(), ctypes.byref(spec)]
        if data is not None:
            args += [pointer, None]
        self.lib.call(name, *args, ctypes.c_uint(3), None)

    def save_one_value(self, path, value, shape, chunk):
        """Every element the same, by strides of 0; in zstd."""
        spec = Spec(struct_size=ctypes.sizeof(Spec), dtype=7, rank=len(shape),
                    shape=numbers(shape), chunk=numbers(chunk), codec=1, level=1)
        element = ctypes.c_uint16(value)
        strides = (ctypes.c_int64 * len(shape))()
        self.lib.call("holog_array_save", self.store, path.encode(), ctypes.byref(spec),
                      ctypes.byref(element), strides, ctypes.c_uint(3), None)

    def open_array(self, path):
        array = ctypes.c_void_p()
        self.lib.call("holog_array_open", self.store, path.encode(), ctypes.byref(array))
        return array

    def read(self, array, slices, out):
        region = (Slice * len(slices))(*[Slice(*s) for s in slices]) if slices else None
        self.lib.call("holog_array_read", array, region, out.ctypes.data_as(ctypes.c_void_p), None)

    def close_array(self, array):
        self.lib.lib.holog_array_close(array)

    def update(self, path, slices, data):
        region = (Slice * len(slices))(*[Slice(*s) for s in slices])
        self.lib.call("holog_array_update", self.store, path.encode(), region,
                      data.ctypes.data_as(ctypes.c_void_p), None, None)


# ---- the same for all: planes --------------------------------------------------------------------


def sync_disk(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    os.sync()


class HologPlanes:
    name = "holog"

    def __init__(self, lib, where):
        self.lib, self.where = lib, where

    def save(self, planes):
        store = Holog(self.lib, self.where)
        start = time.perf_counter()
        store.save("well", planes, planes.shape, (1, SIDE, SIDE))
        spent = time.perf_counter() - start
        store.close()
        return spent

    def open(self):
        self.store = Holog(self.lib, self.where)
        self.array = self.store.open_array("well")

    def load(self, out):
        self.store.read(self.array, None, out)

    def plane(self, i, out):
        self.store.read(self.array, [(i, 1, 1), (0, SIDE, 1), (0, SIDE, 1)], out)

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

    def load(self, out):
        for i in range(len(out)):
            out[i] = np.load(self.file(i))

    def plane(self, i, out):
        out[0] = np.load(self.file(i))

    def close(self):
        pass


class H5Planes:
    name = "HDF5"

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

    def load(self, out):
        self.array.read_direct(out)

    def plane(self, i, out):
        self.array.read_direct(out, np.s_[i:i + 1])

    def close(self):
        self.f.close()


class ZarrPlanes:
    name = "zarr-python"

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

    def load(self, out):
        out[:] = self.array[:]

    def plane(self, i, out):
        out[0] = self.array[i]

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

    def load(self, out):
        self.array.read().result()  # it has memory of its own
        del out

    def plane(self, i, out):
        out[0] = self.array[i].read().result()

    def close(self):
        del self.array


# ---- running --------------------------------------------------------------------------------------


def drop_caches():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3")
        return True
    except OSError:
        return False


def raw_rates(where, size):
    """MB/s of the disk itself: 8 MiB O_DIRECT transfers, one at a time, and a sync."""
    import mmap
    piece = mmap.mmap(-1, 8 << 20)
    piece.write(os.urandom(1 << 20) * 8)
    name = os.path.join(where, "raw")
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
    os.posix_fallocate(fd, 0, size)
    start = time.perf_counter()
    for at in range(0, size, 8 << 20):
        os.pwrite(fd, piece, at)
    os.fsync(fd)
    write = size / (time.perf_counter() - start) / 1e6
    start = time.perf_counter()
    for at in range(0, size, 8 << 20):
        os.preadv(fd, [piece], at)
    read = size / (time.perf_counter() - start) / 1e6
    os.close(fd)
    os.unlink(name)
    return write, read


class Report:
    def __init__(self):
        self.rows = {}

    def add(self, row, who, value):
        self.rows.setdefault(row, {}).setdefault(who, []).append(value)
        print(f"  {row:<22} {who:<14} {value:12.1f}", flush=True)

    def show(self, units):
        print()
        for row, all_of in self.rows.items():
            unit, more = units[row]
            print(f"{row}  ({unit}, {'more' if more else 'less'} is better)")
            peers = [w for w in all_of if w not in ("holog", "disk")]
            best = None
            if peers and "holog" in all_of:
                pick = max if more else min
                best = pick(peers, key=lambda w: statistics.median(all_of[w]))
            for who, values in all_of.items():
                median = statistics.median(values)
                spread = (max(values) - min(values)) / median if median else 0
                note = ""
                if who == "holog" and best:
                    ratios = [(a / b if more else b / a) for a, b in zip(values, all_of[best])]
                    note += f"  {statistics.median(ratios):.2f}x {best}"
                if who == "holog" and "disk" in all_of:
                    ratios = [a / b for a, b in zip(values, all_of["disk"])]
                    note += f"  {statistics.median(ratios):.2f}x the disk"
                print(f"  {who:<14} {median:12.1f}  spread {spread:4.0%}{note}")


def bench_planes(lib, args, report):
    kinds = [HologPlanes, NpyPlanes, H5Planes, ZarrPlanes, TensorStorePlanes]
    planes = np.random.default_rng(1).integers(0, 65536, (args.planes, SIDE, SIDE), dtype=np.uint16)
    out = np.empty_like(planes)
    out[:] = 0  # its pages are there
    megabytes = planes.nbytes / 1e6
    cold = drop_caches()
    if not cold:
        print("not root: cold rows are left out")
    for round_ in range(args.rounds):
        write, read = raw_rates(args.dir, min(planes.nbytes, 2 << 30) >> 23 << 23)
        report.add("save-planes", "disk", write)
        if cold:
            report.add("load-planes-cold", "disk", read)
        for kind in kinds:
            where = os.path.join(args.dir, f"planes-{round_}")
            peer = kind(lib, where)
            os.sync()
            report.add("save-planes", kind.name, megabytes / peer.save(planes))
            if cold:
                drop_caches()
                peer.open()
                start = time.perf_counter()
                peer.load(out)
                report.add("load-planes-cold", kind.name, megabytes / (time.perf_counter() - start))
                peer.close()
            peer.open()
            peer.load(out)
            start = time.perf_counter()
            peer.load(out)
            report.add("load-planes-warm", kind.name, megabytes / (time.perf_counter() - start))
            if kind is not TensorStorePlanes:
                assert np.array_equal(out, planes), kind.name
            peer.close()
            one_plane(peer, planes, report, cold)
            gc.collect()
            shutil.rmtree(where)


def one_plane(peer, planes, report, cold):
    """Of all planes one, cold, in microseconds; the disk's own time is that of 8 MiB."""
    if not cold:
        return
    times = []
    one = np.zeros((1, SIDE, SIDE), np.uint16)
    for k in range(9):
        drop_caches()
        peer.open()
        i = (k * 7919 + 13) % len(planes)
        start = time.perf_counter()
        peer.plane(i, one)
        times.append((time.perf_counter() - start) * 1e6)
        assert np.array_equal(one[0], planes[i])
        peer.close()
    report.add("one-plane-cold", peer.name, statistics.median(times))


CHUNK = 32700  # uint16: 64 KiB less a little, so that zstd of noise is not more than that


def bench_chunks(lib, args, report):
    """A durable commit of one chunk of 64 KiB of noise into an array of N chunks, all of which are there: the
    others are of one value and zstd makes them small, or they would be 64 GiB."""
    noise = np.random.default_rng(2).integers(1, 65536, (1, CHUNK), dtype=np.uint16)
    for round_ in range(args.rounds):
        for chunks in COUNTS:
            where = os.path.join(args.dir, f"chunks-{round_}-{chunks}")
            store = Holog(lib, where)
            store.save_one_value("a", 1, (chunks, CHUNK), (1, CHUNK))
            times = []
            for i in range(220):
                start = time.perf_counter()
                store.update("a", [((i * 7919 + 5) % chunks, 1, 1), (0, CHUNK, 1)], noise)
                times.append((time.perf_counter() - start) * 1e6)
            report.add(f"commit-chunk-{chunks}", "holog", statistics.median(times[20:]))
            store.close()
            shutil.rmtree(where)


COUNTS = (2000, 50000, 1000000)
UNITS = {"save-planes": ("MB/s, durable", True), "load-planes-cold": ("MB/s", True),
         "load-planes-warm": ("MB/s", True), "one-plane-cold": ("us", False)}
for n in COUNTS:
    UNITS[f"commit-chunk-{n}"] = (f"us, durable, one of {n} chunks", False)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("library")
    p.add_argument("--dir", default="bench-scratch")
    p.add_argument("--planes", type=int, default=1000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only", default="planes,chunks")
    p.add_argument("--json")
    args = p.parse_args()
    args.dir = os.path.abspath(args.dir)
    os.makedirs(args.dir, exist_ok=True)
    report = Report()
    lib = Lib(args.library)
    print(f"{os.uname().nodename}: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    if "planes" in args.only:
        bench_planes(lib, args, report)
    if "chunks" in args.only:
        bench_chunks(lib, args, report)
    report.show(UNITS)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(report.rows, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
