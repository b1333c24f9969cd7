"""Icechunk: what is read goes through a repository of its own, and is read from what was committed there.

Of a URL each array is copied by zarr-python, its document and then its elements. Of a directory, and of a URL when
the job says so, only the document is: chunks are virtual references to the files, or to the URLs.
"""

import http.client
import itertools
import os
import tempfile
import urllib.parse

os.environ["ICECHUNK_LOG"] = "error"  # it warns of repositories on a local disk
import client
import icechunk
import zarr
import zarr_python
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

REPOSITORIES = {}


def container_of(base):
    """What references to the base begin with, and how they are followed."""
    if not base.startswith("http:"):
        folder = os.path.realpath(base)
        return f"file://{folder}/", icechunk.local_filesystem_store(folder)
    url = urllib.parse.urlsplit(base)
    # Icechunk 1 leaves the port out of such URLs: the port is that of a proxy then.
    return f"http://{url.hostname}/", icechunk.http_store({
        "allow_http": "true", "proxy_url": f"http://{url.netloc}"})


def repository_of(base):
    if base not in REPOSITORIES:
        prefix, store = container_of(base)
        config = icechunk.RepositoryConfig.default()
        config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
        REPOSITORIES[base] = icechunk.Repository.create(
            icechunk.local_filesystem_storage(tempfile.mkdtemp(prefix="repository-", dir=".")), config=config,
            authorize_virtual_chunk_access={prefix: None})
    return REPOSITORIES[base]


def chunk_keys(array):
    """Keys of all chunks that may be there, or of shards."""
    shape = array.shards or array.chunks
    for index in itertools.product(*(range(-(-n // c)) for n, c in zip(array.shape, shape))):
        yield array.metadata.encode_chunk_key(index)


class Sizes:
    """Bytes of what is below the base; None: it is missing."""

    def __init__(self, base):
        self.base = base
        self.url = urllib.parse.urlsplit(base)
        self.connection = http.client.HTTPConnection(self.url.netloc) if self.url.scheme else None

    def of(self, key):
        if self.connection is None:
            name = os.path.join(self.base, key)
            return os.path.getsize(name) if os.path.isfile(name) else None
        self.connection.request("HEAD", f"{self.url.path}/{urllib.parse.quote(key)}")
        answer = self.connection.getresponse()
        answer.read()
        if answer.status not in (200, 404):
            raise OSError(f"{key}: {answer.status}")
        return int(answer.headers["Content-Length"]) if answer.status == 200 else None


def location_of(base, key):
    prefix, _ = container_of(base)
    inside = urllib.parse.urlsplit(base).path.lstrip("/") + "/" if base.startswith("http:") else ""
    return prefix + urllib.parse.quote(inside + key, safe="/@")


def refer(session, base, path, array):
    sizes = Sizes(base)
    for chunk in chunk_keys(array):
        key = f"{path}/{chunk}"
        size = sizes.of(key)
        if size is not None:
            session.store.set_virtual_ref(key, location_of(base, key), offset=0, length=size)


def put(session, job):
    """One array of the base, in one commit."""
    base, path = job["base"], job["path"]
    source = zarr.open_array(store=zarr_python.store_of(job, read_only=True), path=path, mode="r", zarr_format=3)
    document = source.metadata.to_buffer_dict(default_buffer_prototype())["zarr.json"]
    sync(session.store.set(f"{path}/zarr.json", document))
    no_copy = source.shards is not None and source.ndim == 0  # zarr-python 3.1 cannot write such a shard
    if job.get("way") == "refer" or no_copy or not base.startswith("http:"):
        refer(session, base, path, source)
    else:
        zarr.open_array(store=session.store, path=path, mode="r+")[...] = source[...]
    session.commit(path)


def read(job):
    repository = repository_of(job["base"])
    put(repository.writable_session("main"), job)
    array = zarr.open_array(store=repository.readonly_session("main").store, path=job["path"], mode="r")
    said = {"shape": list(array.shape), "dtype": array.dtype.str, "attributes": dict(array.attrs),
            "names": getattr(array.metadata, "dimension_names", None)}
    return said, [array[client.slices(region)] for region in job["regions"]]


if __name__ == "__main__":
    client.main(f"icechunk {icechunk.__version__}, zarr {zarr.__version__}", {"read": client.read_with(read)})
