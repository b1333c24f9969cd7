#!/usr/bin/env python3
"""Makes the folders beside it with zarr-python (3.1.6; PyPI: zarr); the tests need none.

Each is an array of one chunk: its document, the chunk as it is stored, and the elements it holds.
"""

import os
import shutil
import tempfile

import numpy
import zarr
from zarr.codecs import (BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec,
                         TransposeCodec, ZstdCodec)
from zarr.codecs.numcodecs import LZ4, Shuffle

HERE = os.path.dirname(os.path.abspath(__file__))


def values(shape, kind):
    count = int(numpy.prod(shape))
    numbers = numpy.arange(count) * 7919 // 64 % 251
    return numbers.astype(kind).reshape(shape)


def put(name, array, codecs, fill=0, **more):
    """codecs: filters, the one that makes bytes, the rest."""
    filters, serializer, rest = codecs
    place = os.path.join(HERE, name)
    shutil.rmtree(place, ignore_errors=True)
    os.mkdir(place)
    with tempfile.TemporaryDirectory() as here:
        a = zarr.create_array(here, shape=array.shape, chunks=array.shape, dtype=array.dtype,
                              filters=filters, serializer=serializer, compressors=rest,
                              fill_value=fill, config={"write_empty_chunks": True}, **more)
        a[...] = array
        shutil.copy(os.path.join(here, "zarr.json"), os.path.join(place, "document"))
        chunk = os.path.join(here, "c", *["0"] * array.ndim)
        shutil.copy(chunk, os.path.join(place, "chunk"))
    little = array.astype(array.dtype.newbyteorder("<"))
    with open(os.path.join(place, "raw"), "wb") as f:
        f.write(little.tobytes())


def shard(inner, codecs, **more):
    return ShardingCodec(chunk_shape=inner, codecs=codecs, **more)


def main():
    little, big = BytesCodec(endian="little"), BytesCodec(endian="big")
    u2 = values((8, 12), "u2")
    holes = u2.copy()
    holes[:4, 4:8] = 9
    put("plain", u2, ([], little, []))
    put("single", values((), "f8"), ([], big, [ZstdCodec(level=3), Crc32cCodec()]))
    put("zstd_checked", u2, ([], little, [ZstdCodec(level=1, checksum=True)]))
    put("turned", values((3, 4, 5), "c8"), ([TransposeCodec(order=(2, 0, 1))], big, []))
    put("turned_twice", values((3, 4, 5), "i4"),
        ([TransposeCodec(order=(2, 0, 1)), TransposeCodec(order=(0, 2, 1))], little,
         [ZstdCodec()]))
    put("blosc_bits", values((16, 64), "u2"),
        ([], little, [BloscCodec(cname="lz4", shuffle="bitshuffle", typesize=2)]))
    put("blosc_zstd", values((16, 64), "f4"),
        ([], little, [BloscCodec(cname="zstd", shuffle="shuffle", typesize=4)]))
    put("shuffled_lz4", values((16, 20), "u4"),
        ([], little, [Shuffle(elementsize=4), LZ4(acceleration=1)]))
    put("gzip", u2, ([], little, [GzipCodec(level=5)]))
    put("shard", holes, ([], shard((4, 4), [little, ZstdCodec()]), []), fill=9)
    put("shard_start", holes, ([], shard((2, 4), [big, Crc32cCodec()], index_location="start"),
                               []), fill=9)
    put("shard_nested", holes, ([], shard((4, 12), [shard((2, 4), [little])]), []), fill=9)
    put("shard_turned", holes,
        ([], shard((4, 6), [TransposeCodec(order=(1, 0)), little, ZstdCodec()]), []), fill=9)
    put("shard_index_big", holes,
        ([], shard((8, 2), [little], index_codecs=[big, Crc32cCodec()]), [Crc32cCodec()]), fill=9)


main()
