"""zarr 2.13 as Debian has it, over fsspec's HTTP file system: Zarr v2."""

import client
import fsspec
import fsspec.implementations.http  # wants aiohttp
import numcodecs
import zarr

STORES = {}


def store_of(job):
    base = job["base"]
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


if __name__ == "__main__":
    client.main(f"zarr {zarr.__version__}, fsspec {fsspec.__version__}, numcodecs {numcodecs.__version__}",
                {"read": client.read_with(read), "members": members})
