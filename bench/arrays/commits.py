#!/usr/bin/env python3
"""A durable commit of one chunk of 64 KiB into an array of few, many and very many chunks: holog and Icechunk.

    commits.py LIBHOLOG.SO [--dir DIR] [--chunks N,...] [--icechunk-most N] [--commits N] [--rounds N] [--json FILE]

All chunks of the arrays are there before: in zstd, of one value, or a million of them would be 64 GiB; the one
that is committed is noise and stays 64 KiB. Rounds are interleaved, over sizes and stores; p50 and p99 are over the
commits of a round, what is printed is their median over the rounds, with the spread (max - min) / median.

holog                  holog_array_update, which compresses and is durable when it returns
icechunk               a session, the chunk (compressed before), its commit, and a syncfs: on its own Icechunk syncs
                       nothing on a local disk. Chunks are not in manifests (threshold 0), as those of 64 KiB never are
icechunk, split        the same, manifests split by 4096 chunks
(icechunk, not durable)  without the syncfs: no peer, only shown

Icechunk's repositories have a file for each chunk: of more than --icechunk-most there is none.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import time

import numpy as np
from common import Holog, Lib, Report, machine, sync_disk, verdict, versions

CHUNK = 32700  # uint16: 64 KiB less a little, so that zstd of noise is not more than that
SPLIT = 4096
AT_ONCE = 512  # chunks on their way into a repository that is made


class HologStore:
    name = "holog"

    def __init__(self, lib, where, chunks, _):
        self.chunks = chunks
        self.store = Holog(lib, where)
        self.store.save_value("a", 1, (chunks, CHUNK), (1, CHUNK))

    def commit(self, i, noise):
        self.store.update("a", [(i, 1, 1), (0, CHUNK, 1)], noise)

    def read(self, i):
        array = self.store.open_array("a")
        out = np.zeros((1, CHUNK), np.uint16)
        self.store.read(array, [(i, 1, 1), (0, CHUNK, 1)], out)
        self.store.close_array(array)
        return out

    def close(self):
        self.store.close()


class IcechunkStore:
    name = "icechunk"
    split = None

    def __init__(self, _, where, chunks, encode):
        import icechunk
        self.where, self.chunks, self.encode = where, chunks, encode
        config = icechunk.RepositoryConfig(inline_chunk_threshold_bytes=0)
        if self.split is not None:
            config.manifest = icechunk.ManifestConfig(splitting=icechunk.ManifestSplittingConfig.from_dict({
                icechunk.ManifestSplitCondition.AnyArray(): {
                    icechunk.ManifestSplitDimCondition.Axis(0): self.split}}))
        self.repository = icechunk.Repository.create(icechunk.local_filesystem_storage(where), config)
        self.fill(encode(np.ones((1, CHUNK), np.uint16)))

    def fill(self, chunk):
        import zarr
        session = self.repository.writable_session("main")
        zarr.create_array(session.store, name="a", shape=(self.chunks, CHUNK), chunks=(1, CHUNK),
                          dtype="uint16", compressors=zarr.codecs.ZstdCodec(level=1), zarr_format=3)
        asyncio.run(self.put_all(session.store, chunk))
        session.commit("made")
        sync_disk(self.where)

    async def put_all(self, store, chunk):
        value = buffer(chunk)
        for first in range(0, self.chunks, AT_ONCE):
            await asyncio.gather(*(store.set(f"a/c/{i}/0", value)
                                   for i in range(first, min(first + AT_ONCE, self.chunks))))

    def commit(self, i, noise):
        self.commit_only(i, noise)
        sync_disk(self.where)

    def commit_only(self, i, noise):
        from zarr.core.sync import sync
        session = self.repository.writable_session("main")
        sync(session.store.set(f"a/c/{i}/0", buffer(noise)))
        session.commit("one")

    def read(self, i):
        import zarr
        session = self.repository.readonly_session("main")
        return zarr.open_array(session.store, path="a", mode="r")[i:i + 1]

    def close(self):
        pass


class IcechunkSplit(IcechunkStore):
    name = "icechunk, split"
    split = SPLIT


class IcechunkNotDurable:
    """The same repository as another store's."""

    name = "(icechunk, not durable)"

    def __init__(self, store):
        self.chunks, self.encode = store.chunks, store.encode
        self.commit, self.read, self.close = store.commit_only, store.read, store.close


def buffer(data):
    from zarr.core.buffer import default_buffer_prototype
    return default_buffer_prototype().buffer.from_bytes(data)


def zstd():
    from numcodecs import Zstd
    return lambda chunk: Zstd(level=1).encode(chunk)


def make(lib, args, there):
    stores = []
    for chunks in args.chunks:
        kinds = [HologStore]
        if there["icechunk"] and chunks <= args.icechunk_most:
            kinds += [IcechunkStore, IcechunkSplit]
        for kind in kinds:
            start = time.perf_counter()
            where = os.path.join(args.dir, f"{chunks}-{len(stores)}")
            stores.append(kind(lib, where, chunks, zstd() if kind is not HologStore else None))
            print(f"  {kind.name}: {chunks} chunks made in {time.perf_counter() - start:.1f} s", flush=True)
            if kind is IcechunkStore:
                stores.append(IcechunkNotDurable(stores[-1]))
    return stores


def run(store, args, round_, noise):
    """Microseconds of each commit."""
    encoded = noise if isinstance(store, HologStore) else store.encode(noise)
    times = []
    for k in range(args.commits):
        i = ((round_ * args.commits + k) * 7919 + 5) % store.chunks
        start = time.perf_counter()
        store.commit(i, encoded)
        times.append((time.perf_counter() - start) * 1e6)
    if not np.array_equal(store.read(i), noise):
        raise RuntimeError(f"{store.name}: chunk {i} is another")
    return times


def measure(lib, args, report):
    stores = make(lib, args, versions("icechunk", "zarr"))
    sync_disk(args.dir)
    noise = np.random.default_rng(2).integers(1, 65536, (1, CHUNK), dtype=np.uint16)
    for store in stores:  # once, for what is made when it is first used
        run(store, args, 0, noise)
    for round_ in range(1, args.rounds + 1):
        for store in stores if round_ % 2 == 0 else stores[::-1]:
            times = sorted(run(store, args, round_, noise))
            report.add(f"commit-{store.chunks}-p50", store.name, statistics.median(times))
            report.add(f"commit-{store.chunks}-p99", store.name, times[len(times) * 99 // 100])
    for store in stores:
        store.close()


def judge(args, report):
    def median(chunks):
        return statistics.median(report.rows[f"commit-{chunks}-p50"]["holog"])

    for chunks in args.chunks:
        row = report.rows[f"commit-{chunks}-p50"]
        for peer in ("icechunk", "icechunk, split"):
            if chunks >= 50000 and peer in row:
                ratio = statistics.median(b / a for a, b in zip(row["holog"], row[peer]))
                verdict(f"times as fast as {peer}, {chunks} chunks,", ratio, 5, True)
    if len(args.chunks) > 1:
        verdict("holog's p50 with the most chunks by that with the fewest", median(max(args.chunks)) /
                median(min(args.chunks)), 1.3, False)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("libholog", metavar="LIBHOLOG.SO")
    p.add_argument("--dir", default="bench-scratch")
    p.add_argument("--chunks", default="2000,50000,1000000")
    p.add_argument("--icechunk-most", type=int, default=50000)
    p.add_argument("--commits", type=int, default=200, help="in a round")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json")
    args = p.parse_args()
    args.chunks = [int(n) for n in args.chunks.split(",")]
    args.dir = os.path.join(os.path.abspath(args.dir), f"commits-{os.getpid()}")
    os.makedirs(args.dir)
    os.environ.setdefault("ICECHUNK_LOG", "error")  # it warns of local disks each time
    print("{machine}: {cores} cores, load {load:.1f}".format(**machine()))
    report = Report({f"commit-{n}-p{p}": (f"us, durable, one of {n} chunks", False)
                     for n in args.chunks for p in (50, 99)})
    try:
        measure(Lib(args.libholog), args, report)
    finally:
        shutil.rmtree(args.dir)
    report.show()
    judge(args, report)
    report.write(args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
