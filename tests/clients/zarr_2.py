"""zarr 2.13 as Debian has it, over fsspec's HTTP file system: Zarr v2."""

import client
import fsspec
import fsspec.implementations.http  # wants aiohttp
import numcodecs
import numpy
import zarr

STORES = {}


def store_of(job):
    base = job["base"]
    if base.endswith(".zip"):
        return STORES.setdefault(base, zarr.storage.ZipStore(base, mode="r"))
    if not base.startswith("http:"):
        return zarr.storage.NestedDirectoryStore(base) if job.get("nested") else zarr.storage.DirectoryStore(base)
    if base not in STORES:
        STORES[base] = zarr.storage.FSStore(base, mode="r")
    return STORES[base]


def read(job):
    array = zarr.open_array(store_of(job), mode="r", path=job["path"])
    said = {"shape": list(array.shape), "dtype": array.dtype.str, "attributes": dict(array.attrs),
            "names": None}
    return said, [array[client.slices(region)] for region in job["regions"]]


def members(job):
    """All that .zmetadata has, with the shapes of arrays."""
    group = zarr.open_consolidated(store_of(job), mode="r")
    found = {}

    def visit(name, node):
        found[name] = list(node.shape) if isinstance(node, zarr.Array) else None
    group.visititems(visit)
    return {"members": found}


# What a job of writing asks for by "variant".
VARIANTS = {
    "plain": {},  # blosc
    "none": {"compressor": None},
    "nested": {"compressor": numcodecs.Zstd(3), "dimension_separator": "/"},
    "lz4": {"compressor": numcodecs.LZ4(), "filters": [numcodecs.Shuffle(2)]},
    "columns": {"compressor": numcodecs.Zstd(1), "order": "F"},
    "gzip": {"compressor": numcodecs.GZip(5)},
}


def write(job):
    with open(job["file"], "rb") as f:
        data = numpy.frombuffer(f.read(), job["dtype"]).reshape(job["shape"])
    packed = job["base"].endswith(".zip")
    store = zarr.storage.ZipStore(job["base"], mode="w", compression=8 if job["deflate"] else 0) if packed \
        else store_of(job)
    group = zarr.open_group(store, mode="a")
    group.attrs["of"] = "the group"
    array = group.create_dataset(job["path"], shape=data.shape, dtype=data.dtype, chunks=tuple(job["chunk"]),
                                 fill_value=7, **VARIANTS[job["variant"]])
    array.attrs["by"] = "zarr \u00e9"
    array[...] = data
    if packed:
        store.close()
    return {}


if __name__ == "__main__":
    client.main(f"zarr {zarr.__version__}, fsspec {fsspec.__version__}, numcodecs {numcodecs.__version__}",
                {"read": client.read_with(read), "members": members,
                 "write": write})
