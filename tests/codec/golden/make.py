#!/usr/bin/env python3
"""Makes the files beside it, with numcodecs and the zstd command; the tests need neither.

    /usr/bin/python3 make.py        (Debian: python3-numcodecs, zstd)

`raw` is what all of them are made of: each holds its first bytes, as many as the name ends in.

    CODEC-...-SIZE.BYTES    SIZE: of an element; 1 where there is none
"""

import gzip
import os
import subprocess
import sys

import numpy
from numcodecs import Blosc, LZ4, Shuffle, Zstd

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = [1, 240, 4099]


def make_raw(count):
    """Slow counters of 16 bits with noise in between: it compresses, and not to nothing."""
    state = 1
    out = bytearray()
    while len(out) < count:
        state = (state * 1103515245 + 12345) & 0x7fffffff
        value = len(out) // 24 + (state >> 16) % 3
        out += bytes([value & 0xff, value >> 8])
    return bytes(out[:count])


def elements(raw, size):
    raw = raw[:len(raw) // size * size]
    kind = {1: "u1", 2: "<u2", 4: "<u4", 8: "<u8"}.get(size, f"V{size}")
    return numpy.frombuffer(raw, dtype=kind)


def put(name, size, array, data):
    with open(os.path.join(HERE, f"{name}-{size}.{array.nbytes}"), "wb") as f:
        f.write(bytes(data))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return (crc ^ 0xffffffff).to_bytes(4, "little")


def make_blosc(raw):
    shuffles = {"plain": Blosc.NOSHUFFLE, "bytes": Blosc.SHUFFLE, "bits": Blosc.BITSHUFFLE}
    for codec in ("lz4", "zstd"):
        for word, shuffle in shuffles.items():
            for size in (1, 2, 3, 4, 8, 17):
                for length in LENGTHS[1:]:
                    array = elements(raw[:length], size)
                    coder = Blosc(cname=codec, clevel=5, shuffle=shuffle)
                    put(f"blosc_{codec}_{word}", size, array, coder.encode(array))
            array = elements(raw[:20000], 4)
            coder = Blosc(cname=codec, clevel=9, shuffle=shuffle, blocksize=3072)
            put(f"blosc_{codec}_{word}", 4, array, coder.encode(array))
    for codec in ("lz4hc", "blosclz", "zlib", "snappy"):
        array = elements(raw[:1024], 4)
        try:
            put(f"blosc_{codec}_bytes", 4, array, Blosc(cname=codec).encode(array))
        except ValueError:
            print(f"this c-blosc has no {codec}", file=sys.stderr)
    array = elements(raw[:17], 1)
    put("blosc_lz4_stored", 1, array, Blosc(cname="lz4", clevel=0).encode(array))


def make_zstd(raw, length):
    part = raw[:length]
    array = elements(part, 1)
    put("zstd_level1", 1, array, Zstd(1).encode(part))
    half = length // 2
    put("zstd_two", 1, array, Zstd(1).encode(part[:half] or b"") + Zstd(3).encode(part[half:])
        if half else Zstd(3).encode(part))
    piped = subprocess.run(["zstd", "-c", "--check"], input=part, check=True,
                           capture_output=True).stdout  # does not know its length; a checksum
    put("zstd_piped", 1, array, piped)
    skip = (0x184d2a53).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    put("zstd_skip", 1, array, skip + piped + skip)


def make_gzip(raw, length):
    array = elements(raw[:length], 1)
    half = length // 2
    put("gzip_level6", 1, array, gzip.compress(raw[:length], 6, mtime=0))
    put("gzip_two", 1, array, gzip.compress(raw[:half], 1, mtime=0)
        + gzip.compress(raw[half:length], 9, mtime=0))


def main():
    raw = make_raw(20000)
    with open(os.path.join(HERE, "raw"), "wb") as f:
        f.write(raw)
    for length in LENGTHS:
        array = elements(raw[:length], 1)
        put("lz4_fast", 1, array, LZ4().encode(array))
        put("crc32c_end", 1, array, raw[:length] + crc32c(raw[:length]))
        make_zstd(raw, length)
        make_gzip(raw, length)
    for size in (1, 2, 3, 4, 8, 16):
        array = elements(raw[:1000], size)
        put("shuffle_bytes", size, array, Shuffle(elementsize=size).encode(array))
    make_blosc(raw)


main()
