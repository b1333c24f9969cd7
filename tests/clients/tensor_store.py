"""TensorStore: the drivers zarr3 and zarr over the key-value store http."""

import urllib.parse
from importlib.metadata import version

import client
import numpy
import tensorstore

# Unless told otherwise it asks 32 times before it takes a 500 for an answer.
CONTEXT = tensorstore.Context({"http_request_retries": {"max_retries": 2, "initial_delay": "10ms"}})


# What it has read before is asked for again with If-None-Match.
CACHE = tensorstore.Context({"cache_pool": {"total_bytes_limit": 10 << 20},
                             "http_request_retries": {"max_retries": 2, "initial_delay": "10ms"}})


def read(job):
    base = urllib.parse.urlsplit(job["base"])
    store = {"driver": "http", "base_url": f"{base.scheme}://{base.netloc}"} if base.scheme else \
        {"driver": "file"}
    store["path"] = f"{base.path}/{job['path']}/"
    array = tensorstore.open({
        "driver": "zarr3" if job["format"] == 3 else "zarr",
        "kvstore": store}, read=True, context=CACHE if job.get("cache") else CONTEXT,
        recheck_cached_data=True, recheck_cached_metadata=True).result()
    spec = array.spec().to_json()
    labels = list(array.domain.labels)
    said = {"shape": list(array.shape), "dtype": array.dtype.name,
            "attributes": spec.get("metadata", {}).get("attributes", {}) if job["format"] == 3 else None,
            "names": [name or None for name in labels] if any(labels) else None}
    pending = [array[client.slices(region)].read() for region in job["regions"]]
    return said, [part.result() for part in pending]


def write(job):
    """Into a directory: the driver http only reads."""
    with open(job["file"], "rb") as f:
        data = numpy.frombuffer(f.read(), job["dtype"]).reshape(job["shape"])
    codecs = [{"name": "bytes", "configuration": {"endian": "little"}}] if data.itemsize > 1 else \
        [{"name": "bytes"}]
    if job["zstd"]:
        codecs.append({"name": "zstd", "configuration": {"level": 1}})
    if job["sharded"]:
        codecs = [{"name": "sharding_indexed", "configuration": {
            "chunk_shape": job["inner"], "codecs": codecs,
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]}}]
    array = tensorstore.open({
        "driver": "zarr3", "kvstore": {"driver": "file", "path": f"{job['base']}/{job['path']}/"},
        "metadata": {"shape": job["shape"], "data_type": job["type"], "codecs": codecs,
                     "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": job["chunk"]}},
                     "attributes": {"by": "TensorStore"}}}, create=True).result()
    array.write(data).result()
    return {}


if __name__ == "__main__":
    client.main(f"tensorstore {version('tensorstore')}", {"read": client.read_with(read), "write": write})
