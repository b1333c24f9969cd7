"""zarr-python 3, over fsspec's HTTP file system, as zarr.open(URL) does it."""

import client
import fsspec
import numcodecs
import numpy
import xarray
import zarr
import zarr.codecs
import zarr.storage

STORES = {}


def store_of(job, **options):
    base = job["base"]
    if base.endswith((".ozx", ".zip")):
        return STORES.setdefault(base, zarr.storage.ZipStore(base, mode="r"))
    if not base.startswith("http:"):
        return base
    if base not in STORES:
        STORES[base] = zarr.storage.FsspecStore.from_url(base, **options)
    return STORES[base]


def read(job):
    array = zarr.open_array(store=store_of(job, read_only=True), path=job["path"], mode="r",
                            zarr_format=job["format"])
    said = {"shape": list(array.shape), "dtype": array.dtype.str, "attributes": dict(array.attrs),
            "names": getattr(array.metadata, "dimension_names", None)}
    return said, [array[client.slices(region)] for region in job["regions"]]


def members(job):
    """All that is below a group, as its consolidated metadata has it, with the shapes of arrays."""
    group = zarr.open_group(store=store_of(job, read_only=True), mode="r", use_consolidated=job["consolidated"],
                            zarr_format=job["format"])
    return {"members": {name: list(getattr(node, "shape", [])) if isinstance(node, zarr.Array) else None
                        for name, node in group.members(max_depth=None)}}


def dataset(job):
    """A group as xarray reads it: arrays by name, with where their elements stand in the file, and their axes."""
    found = xarray.open_zarr(f"{job['base']}/{job['group']}", consolidated=False, decode_cf=False, chunks=None)
    variables = {}
    with open(job["out"], "wb") as f:
        for name, variable in sorted(found.variables.items()):
            data = variable.to_numpy().tobytes()
            variables[name] = [f.tell(), len(data), list(variable.dims)]
            f.write(data)
    return {"variables": variables, "sizes": dict(found.sizes), "coordinates": sorted(found.coords),
            "attributes": found.attrs}


def url(job):
    """The whole URL of an array, as people write it."""
    array = zarr.open(f"{job['base']}/{job['path']}", mode="r")
    return {"sum": int(numpy.asarray(array[...]).astype("u8").sum()), "shape": list(array.shape)}


def write(job):
    """Arrays through HTTP itself, where each key is a PUT; or into a directory; or one into a zip file."""
    target = job["base"]
    if target.endswith(".zip"):
        target = zarr.storage.ZipStore(target, mode="w", compression=8 if job["deflate"] else 0)
    if "token" in job:
        target = store_of(job, read_only=False,
                          storage_options={"client_kwargs": {
                              "headers": {"Authorization": "Bearer " + job["token"]}}})
    with open(job["file"], "rb") as f:
        data = numpy.frombuffer(f.read(), job["dtype"]).reshape(job["shape"])
    how = {"chunks": tuple(job["inner"]), "shards": tuple(job["chunk"]) if job["sharded"] else None,
           "compressors": zarr.codecs.ZstdCodec(level=1) if job["zstd"] else None, "fill_value": 0}
    how = VARIANTS[job["variant"]](how) if "variant" in job else how
    in_pieces = job.get("variant") == "pieces"
    array = zarr.create_array(target, name=job["path"] or None, shape=(2, 9, 41) if in_pieces else data.shape,
                              dtype=data.dtype, attributes={"by": "zarr-python"}, **how)
    if in_pieces:  # each of them reads, changes and writes chunks or shards
        array[...] = data[:2, :9]
        array.resize(data.shape)
        array[:, 9:, 5:] = data[:, 9:, 5:]
        array[:, 9:, :5] = data[:, 9:, :5]
        array[2:, :9, ::2] = data[2:, :9, ::2]
        array[2:, :9, 1::2] = data[2:, :9, 1::2]
        array.attrs["more"] = ["\u00e9", None, 1.5]
    else:
        array[...] = data
    if isinstance(target, zarr.storage.ZipStore):
        target.close()
    return {}


# What create_array gets, from what it would get.
VARIANTS = {
    "plain": lambda how: {},
    "pieces": lambda how: how,
    "gzip": lambda how: {**how, "compressors": zarr.codecs.GzipCodec(level=5)},
    "blosc": lambda how: {**how, "compressors": zarr.codecs.BloscCodec(cname="zstd", shuffle="shuffle")},
    "blosc-bits": lambda how: {**how, "compressors": zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")},
    "turned": lambda how: {**how, "filters": zarr.codecs.TransposeCodec(order=(2, 0, 1))},
    "big-endian": lambda how: {**how, "serializer": zarr.codecs.BytesCodec(endian="big")},
    "crc32c": lambda how: {**how, "compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]},
    "index-first": lambda how: {**how, "shards": {"shape": how["shards"] or (2, 16, 24), "index_location": "start"}},
    "v2-keys": lambda how: {**how, "chunk_key_encoding": {"name": "v2", "separator": "."}},
    "dotted": lambda how: {**how, "chunk_key_encoding": {"name": "default", "separator": "."}},
    "named": lambda how: {**how, "dimension_names": ["z", None, "x \u00b5m"]},
    "v2": lambda how: {"chunks": how["chunks"], "zarr_format": 2, "compressors": numcodecs.Zstd(level=1)},
    "filled": lambda how: {**how, "fill_value": 7},
}


if __name__ == "__main__":
    client.main(f"zarr {zarr.__version__}, fsspec {fsspec.__version__}, numcodecs {numcodecs.__version__}, "
                f"xarray {xarray.__version__}",
                {"read": client.read_with(read), "members": members, "url": url, "dataset": dataset,
                 "write": write})
