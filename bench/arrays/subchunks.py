#!/usr/bin/env python3
"""Random parts of 64^3 elements out of a cube of uint16: holog, zarr-python, zarrs and TensorStore.

    subchunks.py LIBHOLOG.SO [--dir DIR] [--size N] [--readers 1,8] [--layouts raw,zstd,shards] [--seconds S]
                 [--rounds N] [--json FILE]

The method is that of LDeakin/zarr_benchmarks: a cube of 1024^3 (512 or 256 with --size), in chunks of 256^3

  raw       as they are
  zstd      compressed, level 1: who wants a part decodes the whole chunk
  shards    the same with inner chunks of 64^3, which are the parts

and parts at random places of a grid of 64, each of them once, read by one thread and by some. Cold: the page
cache is dropped and what is read is opened anew before (that needs root). Warm: the same parts again.
A measurement ends after --seconds, or when all parts are read; what counts is parts/s. Before, some parts are
compared with the data, of each layout and reader. The cube is a smooth one with noise in its low 5 bits.

holog         holog_array_read; every byte it reads is verified
zarr          zarr-python as it comes
zarrs         its codec pipeline in Rust (PyPI zarrs)
tensorstore   zarr3 over file, without a cache, as it comes
tensorstore, cache   with a cache_pool of a quarter of memory, which is what holog takes

All but holog read one directory, which TensorStore has written. Interleaved rounds; printed are the median, the
spread (max - min) / median, and holog's ratio to each of the others in the same round.
"""

import argparse
import os
import shutil
import sys
import threading
import time

import numpy as np
from common import Holog, Lib, Report, drop_caches, machine, versions

CHUNK, PART = 256, 64
LAYOUTS = ("raw", "zstd", "shards")


def make_cube(size):
    some = np.random.default_rng(3)
    axis = (np.sin(np.arange(size) / 60.0) * 8000 + 16000).astype(np.uint16)
    cube = np.empty((size, size, size), np.uint16)
    for z in range(size):
        cube[z] = (axis[z] + axis[:, None]) // 2 + axis[None, :] // 4
        cube[z] += some.integers(0, 32, (size, size), dtype=np.uint16)
    return cube


# ---- who reads ---------------------------------------------------------------------------------------


class HologReader:
    name = "holog"

    def __init__(self, lib, where, layout):
        self.store = Holog(lib, os.path.join(where, "store"))
        self.array = self.store.open_array(layout)

    def read(self, at, out):
        self.store.read(self.array, [(x, PART, 1) for x in at], out)

    def close(self):
        self.store.close_array(self.array)
        self.store.close()


def box(at):
    return tuple(slice(x, x + PART) for x in at)


class ZarrReader:
    name = "zarr"
    pipeline = "zarr.core.codec_pipeline.BatchedCodecPipeline"

    def __init__(self, _, where, layout):
        import zarr
        with zarr.config.set({"codec_pipeline.path": self.pipeline}):
            self.array = zarr.open_array(os.path.join(where, layout), mode="r")

    def read(self, at, out):
        out[:] = self.array[box(at)]

    def close(self):
        pass


class ZarrsReader(ZarrReader):
    name = "zarrs"
    pipeline = "zarrs.ZarrsCodecPipeline"


def tensorstore_spec(where, layout):
    return {"driver": "zarr3", "kvstore": {"driver": "file", "path": os.path.join(where, layout) + "/"}}


class TensorStoreReader:
    name = "tensorstore"
    cache_bytes = 0

    def __init__(self, _, where, layout):
        import tensorstore as ts
        context = ts.Context({"cache_pool": {"total_bytes_limit": self.cache_bytes}})
        self.array = ts.open(tensorstore_spec(where, layout), open=True, read=True, context=context).result()

    def read(self, at, out):
        out[:] = self.array[box(at)].read().result()

    def close(self):
        del self.array


class TensorStoreCache(TensorStoreReader):
    name = "tensorstore, cache"
    cache_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


KINDS = {"holog": [HologReader], "zarr": [ZarrReader], "zarrs": [ZarrsReader],
         "tensorstore": [TensorStoreReader, TensorStoreCache]}


# ---- what they read ------------------------------------------------------------------------------------


def codecs_of(layout):
    raw = [{"name": "bytes", "configuration": {"endian": "little"}}]
    zstd = [*raw, {"name": "zstd", "configuration": {"level": 1}}]
    shards = [{"name": "sharding_indexed", "configuration": {
        "chunk_shape": [PART] * 3, "codecs": zstd, "index_codecs": [*raw, {"name": "crc32c"}]}}]
    return {"raw": raw, "zstd": zstd, "shards": shards}[layout]


def make(lib, args, cube):
    import tensorstore as ts
    store = Holog(lib, os.path.join(args.dir, "store"))
    for layout in args.layouts:
        store.save(layout, cube, [CHUNK] * 3, [PART] * 3 if layout == "shards" else None, layout != "raw")
        array = ts.open({**tensorstore_spec(args.dir, layout), "metadata": {
            "shape": list(cube.shape), "data_type": "uint16", "codecs": codecs_of(layout),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [CHUNK] * 3}}}},
            create=True).result()
        array.write(cube).result()
    store.close()


def places(size, seed):
    """All parts, in a random order."""
    n = size // PART
    order = np.random.default_rng(seed).permutation(n ** 3)
    return [tuple(int(x) * PART for x in np.unravel_index(i, (n, n, n))) for i in order]


# ---- measuring -----------------------------------------------------------------------------------------


def read_parts(reader, parts, readers, seconds):
    """(parts read, in how many seconds)."""
    todo = iter(parts)  # next() of a list's iterator is one step for all threads
    done, failed = [0] * readers, []
    start = time.perf_counter()

    def go(k):
        out = np.empty((PART, PART, PART), np.uint16)
        try:
            for at in todo:
                reader.read(at, out)
                done[k] += 1
                if time.perf_counter() - start >= seconds:
                    break
        except Exception as e:  # raised below, in the main thread
            failed.append(e)

    threads = [threading.Thread(target=go, args=(k,)) for k in range(readers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
    return sum(done), time.perf_counter() - start


def compare(kinds, lib, args, cube):
    for layout in args.layouts:
        for kind in kinds:
            reader = kind(lib, args.dir, layout)
            out = np.empty((PART, PART, PART), np.uint16)
            for at in places(args.size, 5)[:8]:
                reader.read(at, out)
                if not np.array_equal(out, cube[box(at)]):
                    raise RuntimeError(f"{kind.name}, {layout}: the part at {at} is another")
            reader.close()


def row_of(layout, readers, temperature):
    return f"{layout}-{readers}-{temperature}"


def measure(kind, lib, args, layout, readers, parts, report):
    if args.cold:
        drop_caches()
    reader = kind(lib, args.dir, layout)
    count, spent = read_parts(reader, parts, readers, args.seconds)
    if args.cold:
        report.add(row_of(layout, readers, "cold"), kind.name, count / spent)
    count, spent = read_parts(reader, parts[:count], readers, args.seconds)
    report.add(row_of(layout, readers, "warm"), kind.name, count / spent)
    reader.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("libholog", metavar="LIBHOLOG.SO")
    p.add_argument("--dir", default="bench-scratch")
    p.add_argument("--size", type=int, default=1024)
    p.add_argument("--readers", default="1,8")
    p.add_argument("--layouts", default=",".join(LAYOUTS))
    p.add_argument("--seconds", type=float, default=5)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--json")
    args = p.parse_args()
    args.layouts = args.layouts.split(",")
    args.readers = [int(n) for n in args.readers.split(",")]
    args.dir = os.path.join(os.path.abspath(args.dir), f"subchunks-{os.getpid()}")
    os.makedirs(args.dir)
    args.cold = drop_caches()
    print("{machine}: {cores} cores, load {load:.1f}".format(**machine()))
    if not args.cold:
        print("not root: cold rows are left out")
    there = versions("numpy", "tensorstore", "zarr", "zarrs")
    kinds = [kind for name, of in KINDS.items() for kind in of if name == "holog" or there[name]]
    lib = Lib(args.libholog)
    report = Report({row_of(layout, readers, t): (f"parts/s, {readers} readers, {t}", True)
                     for layout in args.layouts for readers in args.readers for t in ("cold", "warm")})
    try:
        cube = make_cube(args.size)
        make(lib, args, cube)
        compare(kinds, lib, args, cube)
        del cube
        for round_ in range(args.rounds):
            parts = places(args.size, round_)
            for layout in args.layouts:
                for readers in args.readers:
                    for kind in kinds if round_ % 2 == 0 else kinds[::-1]:
                        measure(kind, lib, args, layout, readers, parts, report)
    finally:
        shutil.rmtree(args.dir)
    report.show()
    report.write(args.json, size=args.size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
