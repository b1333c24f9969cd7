"""Programs that know nothing of holog read a store that `holog serve` serves, and write into one.

    clients_test.py zarr-python | tensorstore | zarrita | icechunk | zarr-2 | gdal

One client a run. Every element that it reads is compared with what was stored: some clients answer with zeros
and say that all went well. What a client cannot do is said in the tables below, and it is a failure when it can
after all. HOLOG_CLIENTS names the directory into which ./dev has installed the clients that Debian has not.
A client that is missing skips the run; with CI=true that is a failure.
"""

import itertools
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))

from array_test import npy  # noqa: E402
from serve_test import TOKEN, Serve  # noqa: E402
import unittest  # noqa: E402

MAKE_ARRAYS = os.environ["HOLOG_MAKE_ARRAYS"]
CLIENTS = os.environ["HOLOG_CLIENTS"]
TIMEOUT_S = 120  # of one client, however much it is asked
VENV = os.path.join(CLIENTS, "venv", "bin", "python")
DEBIAN = "/usr/bin/python3"
MODULES = os.path.join(CLIENTS, "npm", "node_modules")

# formats: of Zarr that it reads.  writes: how what it writes gets into a store.
KINDS = {
    "zarr-python": {"command": [VENV, "-B", "zarr_python.py"], "formats": (3, 2), "writes": "http",
                    "needs": "zarr 3 from tests/clients/requirements.txt"},
    "tensorstore": {"command": [VENV, "-B", "tensor_store.py"], "formats": (3, 2), "writes": "directory",
                    "needs": "tensorstore from tests/clients/requirements.txt"},
    "zarrita": {"command": ["node", "zarrita.mjs"], "formats": (3, 2), "writes": "http",
                "needs": "node, and zarrita from tests/clients/package-lock.json"},
    "icechunk": {"command": [VENV, "-B", "ice_chunk.py"], "formats": (3,), "writes": None,
                 "needs": "icechunk from tests/clients/requirements.txt"},
    "zarr-2": {"command": [DEBIAN, "-B", "zarr_2.py"], "formats": (2,), "writes": None,
               "needs": "Debian's python3-zarr, python3-fsspec and python3-aiohttp"},
    "gdal": {"command": [DEBIAN, "-B", "gdal_vsicurl.py"], "formats": (2,), "writes": None,
             "needs": "Debian's python3-gdal"},
}

# (client, format, what arrays: "dtype ...", "codec ..." or "path ..."): why it refuses them.
REFUSES = [
    ("zarr-python", 3, "dtype r16", "has no raw bits"),
    ("icechunk", 3, "dtype r16", "is read with zarr-python"),
    ("tensorstore", 3, "dtype r16", "has no raw bits"),
    ("tensorstore", 3, "codec .*(lz4|shuffle)", "has no codecs of numcodecs"),
    ("tensorstore", 2, "codec .*(lz4|shuffle)", "has no LZ4 and no filters"),
    ("zarrita", 3, "dtype (r16|complex64|complex128)", "JavaScript has no such arrays"),
    ("zarrita", 2, "dtype (r16|complex64|complex128)", "JavaScript has no such arrays"),
    ("zarrita", 3, "path ranks/empty", "its product of no indexes fails"),
    ("zarrita", 2, "path ranks/empty", "its product of no indexes fails"),
    ("gdal", 2, "dtype r16", "has no such type"),
    ("gdal", 2, "dtype complex", "wants one number as fill_value"),
    ("gdal", 2, "codec .*shuffle", "has no filters"),
    ("gdal", 2, "path ranks/empty", "an axis has elements"),
]
# What it reads, and not as it was stored.
WRONG = [
    ("tensorstore", 2, "dtype r16", "the bytes are one more axis"),
    ("zarrita", 3, "path fills/(int64-max|uint64-)", "fill_value is a double to it"),
    ("zarrita", 2, "path fills/(int64-max|uint64-)", "fill_value is a double to it"),
    ("zarr-2", 2, "path fills/(complex64-nan-neg-zero|complex128-plain-inf)", "adds re + 1j * im"),
    ("gdal", 2, "path fills/uint64-max", "fill_value is a double to it"),
]
# Take every answer but 200 for a missing chunk, and what is damaged for the fill value: fsspec is asked to leave
# out what fails, /vsicurl knows no file that cannot be read.
SILENT = ("zarr-2", "gdal")
# A tag is a redirect to a number. TensorStore follows none, and says so; /vsicurl follows and drops what comes.
LED_ASTRAY = ("tensorstore", "gdal")
# Not to be asked: the program ends.
CRASHES = [("gdal", 2, "path (ranks/(0|float64-0)|saved/point)$", "GDAL 3.6: no axes, SIGSEGV")]

NUMPY = {"bool": "|b1", "int8": "|i1", "uint8": "|u1", "r16": "|V2",
         **{f"{kind}{bits}": f"<{kind[0]}{bits // 8}" for kind in ("int", "uint", "float", "complex")
            for bits in (16, 32, 64, 128)}}


class Missing(Exception):
    pass


class Client:
    def __init__(self, name, folder):
        kind = KINDS[name]
        self.name, self.formats, self.count = name, kind["formats"], 0
        command = list(kind["command"])
        script = os.path.join(HERE, command[-1])
        if script.endswith(".mjs"):  # looks for its modules beside itself
            script = shutil.copy(script, folder)
            if not os.path.isdir(os.path.join(MODULES, "zarrita")):
                raise Missing(f"needs {kind['needs']}: not in {MODULES}")
            os.symlink(MODULES, os.path.join(folder, "node_modules"))
        command[-1] = script
        if shutil.which(command[0]) is None:
            raise Missing(f"needs {kind['needs']}: there is no {command[0]}")
        self.stderr = open(os.path.join(folder, name + ".err"), "wb")
        # Nothing of ours or the caller's may change what it does.
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith(("PYTHON", "NODE_", "ZARR_", "GDAL_", "CPL_")) and
                       not k.lower().endswith("_proxy")}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.stderr, cwd=folder, env=environment)
        self.watch = threading.Timer(TIMEOUT_S, self.process.kill)
        self.watch.daemon = True
        self.watch.start()
        try:
            said = self.ask(do="versions")
            self.versions, self.lacks = said["versions"], said.get("lacks", [])
        except OSError as e:
            self.end()
            raise Missing(f"needs {kind['needs']}: {e}") from None

    def said(self):
        with open(self.stderr.name, encoding="utf-8", errors="replace") as f:
            lines = [line.strip() for line in f if line.strip()]
        return lines[-1] if lines else "it ended"

    def ask(self, **job):
        self.count += 1
        try:
            self.process.stdin.write(json.dumps({"id": self.count, **job}).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            status = self.process.wait()
            raise OSError(f"{self.name} ended with {status}: {self.said()} (asked {job})")
        answer = json.loads(line)
        if answer.pop("id") != self.count:
            raise OSError(f"{self.name} answered something else: {line}")
        return answer

    def end(self):
        self.watch.cancel()
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.stderr.close()


def listed(table, client, form, array):
    for name, of, pattern, why in table:
        what, pattern = pattern.split(" ", 1)
        if (name, of) == (client, form) and re.match(pattern, array[what]):
            return why
    return None


def cut(data, size, shape, region):
    """The elements of a region, in C order."""
    if not shape:
        return data
    row = size * math.prod(shape[1:])
    return b"".join(cut(data[i * row:(i + 1) * row], size, shape[1:], region[1:])
                    for i in range(*region[0]))


def regions(array):
    """All of it; one chunk, or inner chunk; across chunks; with gaps."""
    shape = array["shape"]
    small = array.get("inner", array["chunk"])
    whole = [[0, n, 1] for n in shape]
    if not shape or 0 in shape:
        return [whole]
    one = [[c if n > c else 0, min(2 * c if n > c else c, n), 1] for n, c in zip(shape, small)]
    if array["path"].startswith(("types/", "fills/")):  # the others have shown that
        return [whole, one]
    across = [[min(1, n - 1), max(n - 1, 1) if n > 2 else n, 1] for n in shape]
    gaps = [[0, n, 2] for n in shape]
    return [whole, one, across, gaps]


class Read(Serve):
    client_name = None

    def need_zip(self):
        if os.environ["HOLOG_HAVE_ZIP"] != "1":
            self.skipTest("the plug-in for zip files was not built: libzip is missing")

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("client"))
        self.client = Client(self.client_name, self.path("client"))
        self.addCleanup(self.client.end)

    def make(self):
        os.mkdir(self.path("made"))
        subprocess.run([MAKE_ARRAYS, self.store, self.path("made")], check=True, timeout=60)
        with open(self.path("made", "arrays.json"), encoding="utf-8") as f:
            arrays = json.load(f)
        for array in arrays:
            with open(self.path("made", array["file"]), "rb") as f:
                array["data"] = f.read()
        return arrays + self.saved()

    def saved(self):
        """Arrays that `holog save` made of NPY files."""
        some = random.Random(7)
        arrays = []
        for name, dtype, shape in (("plane", "uint16", [90, 130]), ("stack", "float32", [5, 40, 30]),
                                   ("flags", "bool", [1000]), ("point", "int64", [])):
            size = int(NUMPY[dtype][2:])
            data = bytes(some.randrange(2 if dtype == "bool" else 120)
                         for _ in range(size * math.prod(shape)))
            with open(self.path(name + ".npy"), "wb") as f:
                f.write(npy(NUMPY[dtype], tuple(shape), data))
            self.holog("save", "-p", self.store, "saved/" + name, self.path(name + ".npy"))
            arrays.append({"path": "saved/" + name, "dtype": dtype, "itemsize": size, "shape": shape,
                           "chunk": self.stat("saved/" + name)["chunk_shape"], "names": None,
                           "codec": "none", "attributes": {}, "data": data})
        return arrays

    def base(self, state, form):
        return f"http://{self.host}:{self.port}/{state}" + ("/v2" if form == 2 else "")

    def newest(self):
        return f"@{self.get('/?list').json()['commit']}"

    def elements(self, base, form, array, parts, **more):
        """What the client says of the array, and the bytes that it has read."""
        out = self.path("client", "out")
        said = self.client.ask(base=base, path=array["path"], format=form, dtype=NUMPY[array["dtype"]],
                               regions=parts, out=out, **more)
        if "error" in said:
            return said, None
        with open(out, "rb") as f:
            return said, f.read()

    def check(self, base, form, array, **more):
        """What is wrong with how the client reads it, in a list."""
        name = self.client.name
        where = f"{array['path']} as v{form}"
        parts = regions(array)
        want = b"".join(cut(array["data"], array["itemsize"], array["shape"], part) for part in parts)
        said, got = self.elements(base, form, array, parts, **more)
        refuses, wrong = listed(REFUSES, name, form, array), listed(WRONG, name, form, array)
        if array["dtype"] in self.client.lacks:
            refuses = "says that it lacks the type"
        if "error" in said:
            return [] if refuses else [f"{where}: {said['error']}"]
        if refuses:
            return [f"{where}: it does not refuse, though it {refuses}"]
        if wrong:
            return [f"{where}: it is right now, though {wrong}"] if got == want else []
        bad = []
        if got != want:
            first = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
            bad.append(f"{where}: {len(got)} bytes for {len(want)}, other ones from {first} on")
        if said["shape"] != array["shape"]:
            bad.append(f"{where}: shape {said['shape']}")
        attributes, names = array["attributes"], array["names"]
        if form == 2 and names and None not in names:
            attributes = {**attributes, "_ARRAY_DIMENSIONS": names}
        if name == "gdal":  # knows no null, no empty name and no large whole number; names are no attribute
            attributes = {k: v for k, v in attributes.items() if k in ("title", "n", "x", "nested", "neg")}
            said["attributes"] = {k: v for k, v in said["attributes"].items() if k in attributes}
        if name == "zarrita":
            attributes = json.loads(json.dumps(attributes), parse_int=lambda n: int(float(n)))
        if said["attributes"] not in (None, attributes):
            bad.append(f"{where}: attributes {said['attributes']}")
        if form == 3 and said["names"] != names:
            bad.append(f"{where}: names {said['names']}")
        return bad


class AtRest(Read):
    def test_every_element_of_every_array(self):
        arrays = self.make()
        self.assertGreater(len(arrays), 130)
        self.serve()
        state = self.newest()
        bad = []
        read = 0
        for form in self.client.formats:
            base = self.base(state, form)
            for array in arrays:
                if listed(CRASHES, self.client.name, form, array):
                    continue
                if form == 2 and ("inner" in array or "crc32c" in array["codec"]):
                    said, _ = self.elements(base, form, array, regions(array))
                    if "error" not in said:
                        bad.append(f"{array['path']} has no twin, and was read")
                    continue
                bad += self.check(base, form, array)
                read += 1
        self.assertEqual(bad, [], "\n".join(bad))
        print(f"# {self.client.versions}: {read} arrays")

    def test_an_exported_directory(self):
        arrays = [a for a in self.make() if a["path"].startswith(("codecs/", "fills/", "groups/", "ranks/"))]
        bad = []
        for form in self.client.formats:
            folder = self.path(f"exported-{form}")
            self.export(form, folder)
            for array in arrays:
                if listed(CRASHES, self.client.name, form, array) or not self.has_words(form, array):
                    continue
                bad += self.check(folder, form, array)
        self.assertEqual(bad, [], "\n".join(bad))

    def test_an_exported_zip_file(self):
        if self.client.name not in ("zarr-python", "zarr-2"):
            self.skipTest("is not asked to read zip files")
        self.need_zip()
        arrays = self.make()
        bad = []
        read = 0
        for form in self.client.formats:
            packed = self.path("exported.ozx" if form == 3 else "exported.zip")
            self.export(form, packed)
            for array in arrays:
                if not listed(CRASHES, self.client.name, form, array) and self.has_words(form, array):
                    bad += self.check(packed, form, array)
                    read += 1
        self.assertEqual(bad, [], "\n".join(bad))
        self.assertGreater(read, 70)

    def export(self, form, to):
        """All of the store; what Zarr 2 has no words for is left out, and by default ends it."""
        if form == 2:
            self.holog("export", "--format", "zarr2", self.store, "/", to, status=1)
            self.holog("export", "--format", "zarr2", "--skip-unsupported", self.store, "/", to)
        else:
            self.holog("export", self.store, "/", to)

    @staticmethod
    def has_words(form, array):
        return form == 3 or not ("inner" in array or "crc32c" in array["codec"])

    def test_what_is_in_the_store(self):
        if self.client.name not in ("zarr-python", "zarr-2"):
            self.skipTest("does not list")
        arrays = [a for a in self.make() if a["dtype"] != "r16"]
        for path in ("types/r16", "types/r16-zstd", "types/r16-shards", "fills/r16", "fills/r16-shards"):
            self.holog("rm", "-r", self.store, path)  # zarr-python opens no group that has one
        self.serve()
        number = self.newest()
        for form in self.client.formats:
            want = {a["path"]: a["shape"] for a in arrays
                    if form == 3 or not ("inner" in a or "crc32c" in a["codec"])}
            for path in list(want):
                while "/" in path:
                    path = path.rsplit("/", 1)[0]
                    want[path] = None
            want["groups/bare"] = None
            if form == 3:
                of_v3 = want
            if form == 2:
                want["groups/deep"] = want["groups/deep/er"] = None
            base = f"http://{self.host}:{self.port}/{number}/v{form}"
            said = self.client.ask(do="members", base=base, format=form, consolidated=True)
            self.assertEqual(said.get("members"), want, said)
        base = self.base(number, 3)
        if self.client.name == "zarr-python":  # without consolidated metadata it reads the pages of links
            said = self.client.ask(do="members", base=base, format=3, consolidated=False)
            self.assertNotIn("error", said)
            found = {urllib.parse.unquote(k): v for k, v in said["members"].items()}  # as in the links
            self.assertEqual(found, of_v3)

    def test_a_tag_leads_to_its_number(self):
        array = self.saved()[0]
        self.holog("tag", self.store, "first")
        with open(self.path("plane.npy"), "wb") as f:
            f.write(npy("<u2", (90, 130), bytes(len(array["data"]))))
        self.holog("save", "--replace", self.store, array["path"], self.path("plane.npy"))
        self.serve()
        for form in self.client.formats:
            bad = self.check(self.base("@first", form), form, array)
            if self.client.name in LED_ASTRAY:
                self.assertNotEqual(bad, [], "it follows by now: LED_ASTRAY is not true")
            else:
                self.assertEqual(bad, [])

    def test_a_damaged_chunk_is_no_missing_one(self):
        array = self.saved()[0]
        self.serve()
        state = self.newest()  # it has read the log
        self.flip(array["data"][5000:5032])
        for form in self.client.formats:
            said, got = self.elements(self.base(state, form), form, array, [[[0, n, 1] for n in array["shape"]]])
            if self.client.name in SILENT:
                self.assertEqual(got, bytes(len(array["data"])), "it says so by now: SILENT is not true")
            else:
                self.assertIn("500", said.get("error", ""), got)

    def test_chunks_that_a_repository_refers_to(self):
        if self.client.name != "icechunk":
            self.skipTest("has no such references")
        arrays = self.make()
        self.serve()
        state = self.newest()  # it has read the log
        damaged = next(a for a in arrays if a["path"] == "saved/plane")
        self.flip(damaged["data"][5000:5032])
        bad = []
        for array in arrays:
            if array is not damaged:
                bad += self.check(self.base(state, 3), 3, array, way="refer")
        self.assertEqual(bad, [], "\n".join(bad))
        said, _ = self.elements(self.base(state, 3), 3, damaged, regions(damaged), way="refer")
        self.assertIn("500", said.get("error", ""), "what is damaged was read")

    def test_a_group_as_a_dataset(self):
        if self.client.name != "zarr-python":
            self.skipTest("is not what xarray reads with")
        arrays = [a for a in self.make() if a["path"].startswith("dataset/")]
        self.assertEqual(len(arrays), 5)
        self.serve()
        for state in ("live", self.newest()):
            for base in (self.base(state, 3), self.base(state, 3) + "/v3", self.base(state, 2)):
                said = self.client.ask(do="dataset", base=base, group="dataset", out=self.path("client", "out"))
                self.assertNotIn("error", said, base)
                self.assertEqual(said["sizes"], {"t": 3, "y": 20, "x": 30})
                self.assertEqual(said["coordinates"], ["t", "x", "y"])
                self.assertEqual(said["attributes"], {"of": "the dataset"})
                with open(self.path("client", "out"), "rb") as f:
                    got = f.read()
                for array in arrays:
                    at, size, names = said["variables"][array["path"].split("/")[1]]
                    self.assertEqual(got[at:at + size], array["data"], (base, array["path"]))
                    self.assertEqual(names, array["names"])

    def test_a_url_as_people_write_it(self):
        if self.client.name != "zarr-python":
            self.skipTest("reads with its own words")
        self.make()
        self.serve()
        for base in (self.base("live", 3), self.base(self.newest(), 3)):
            said = self.client.ask(do="url", base=base, path="saved/plane")
            self.assertEqual(said.get("shape"), [90, 130], said)


class Busy(Read):
    """Another process commits all the while."""

    SHAPE, CHUNK, STEPS = [6, 40, 60], [1, 16, 32], 60

    def setUp(self):
        super().setUp()
        self.steps = []  # (number, step, when it was told)

    def start(self):
        self.writer = subprocess.Popen([MAKE_ARRAYS, self.store, str(self.STEPS), "20"],
                                       stdout=subprocess.PIPE)

        def follow():
            for line in self.writer.stdout:
                number, step = map(int, line.split())
                self.steps.append((number, step, time.monotonic()))
        self.follower = threading.Thread(target=follow)
        self.follower.start()
        self.addCleanup(self.stop)
        deadline = time.monotonic() + 30
        while len(self.steps) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertGreater(len(self.steps), 1)

    def stop(self):
        if self.writer.poll() is None:
            self.writer.kill()
        self.writer.wait()
        self.follower.join()
        self.writer.stdout.close()

    def held(self, name, step):
        """The elements that a state had."""
        planes = [step] * 6
        if name != "whole":
            planes = [max((s for s in range(step + 1) if s % 6 == p), default=65535) for p in range(6)]
        return b"".join(p.to_bytes(2, "little") * (40 * 60) for p in planes)

    def array(self, name, step=0):
        array = {"path": "busy/" + name, "dtype": "uint16", "itemsize": 2, "shape": self.SHAPE,
                 "chunk": self.CHUNK, "names": None, "attributes": {}, "data": self.held(name, step),
                 "codec": "none" if name == "whole" else "zstd"}
        if name == "shards":
            array.update(chunk=[6, 32, 32], inner=[1, 8, 16])
        return array

    def test_a_number_holds_what_that_commit_held(self):
        self.serve()
        self.start()
        some = random.Random(11)
        bad, asked = [], 0
        while self.writer.poll() is None or asked < 6:
            number, step, _ = self.steps[-1] if asked % 2 == 0 else some.choice(self.steps)
            for form in self.client.formats:
                name = ["whole", "planes", "shards" if form == 3 else "planes"][asked % 3]
                bad += self.check(self.base(f"@{number}", form), form, self.array(name, step))
            asked += 1
        self.assertEqual(self.writer.wait(), 0)
        self.assertEqual(bad, [], "\n".join(bad))

    def test_live_chunks_are_of_a_commit_each(self):
        self.serve()
        self.start()
        array = self.array("whole")
        bad, seen, asked = [], set(), 0
        while self.writer.poll() is None:
            for form in self.client.formats:
                began = time.monotonic()
                oldest = max((s for _, s, when in self.steps if when < began - 0.5), default=0)
                said, got = self.elements(self.base("live", form), form, array,
                                          [[[0, n, 1] for n in self.SHAPE]], cache=asked % 2 == 0)
                asked += 1
                self.assertIsNotNone(got, said)
                for chunk in self.chunks(got):
                    step = int.from_bytes(chunk[:2], "little")
                    seen.add(step)
                    if chunk != chunk[:2] * (len(chunk) // 2):
                        bad.append("a chunk of several commits")
                    if not oldest <= step < self.STEPS:
                        bad.append(f"step {step}, when {oldest} had been committed")
        self.assertEqual(self.writer.wait(), 0)
        self.assertEqual(bad, [], "\n".join(bad))
        self.assertGreater(len(seen), 1, "nothing moved")
        time.sleep(0.1)
        for form in self.client.formats:
            for cache in (True, False):
                _, got = self.elements(self.base("live", form), form, array,
                                       [[[0, n, 1] for n in self.SHAPE]], cache=cache)
                self.assertEqual(got, self.held("whole", self.STEPS - 1))

    def chunks(self, data):
        for z in range(6):
            for y in range(0, 40, 16):
                for x in range(0, 60, 32):
                    yield cut(data, 2, self.SHAPE, [[z, z + 1, 1], [y, min(y + 16, 40), 1],
                                                    [x, min(x + 32, 60), 1]])


class Written(Read):
    """The client writes, holog reads."""

    def jobs(self):
        some = random.Random(13)
        for dtype in ("uint8", "int32", "float64"):
            for sharded in (False, True):
                for zstd in (False, True):
                    size = int(NUMPY[dtype][2:])
                    name = f"w/{dtype}{'-shards' if sharded else ''}{'-zstd' if zstd else ''}"
                    data = bytes(some.randrange(60) for _ in range(size * 5 * 30 * 41))
                    yield {"path": name, "type": dtype, "dtype": NUMPY[dtype], "shape": [5, 30, 41],
                           "chunk": [2, 16, 24] if sharded else [1, 8, 24],
                           "inner": [1, 8, 12] if sharded else [1, 8, 24],
                           "sharded": sharded, "zstd": zstd}, data

    def variants(self):
        """What zarr-python can make besides."""
        if self.client.name != "zarr-python":
            return
        some = random.Random(17)
        for variant in ("plain", "pieces", "gzip", "blosc", "blosc-bits", "turned", "big-endian", "crc32c",
                        "index-first", "v2-keys", "dotted", "named", "filled"):
            if variant == "gzip" and os.environ["HOLOG_HAVE_GZIP"] != "1":
                continue
            for sharded in (False, True):
                data = b"".join(some.randrange(2000).to_bytes(2, "little") for _ in range(5 * 30 * 41))
                if variant == "filled":
                    data = (7).to_bytes(2, "little") * 4000 + data[8000:]
                yield {"path": f"w/{variant}{'-shards' if sharded else ''}", "type": "uint16", "dtype": "<u2",
                       "shape": [5, 30, 41], "chunk": [2, 16, 24] if sharded else [1, 8, 12],
                       "inner": [1, 8, 12], "sharded": sharded, "zstd": variant in ("plain", "pieces", "filled"),
                       "variant": variant}, data
        for dtype in ("bool", "int8", "int16", "int64", "uint64", "uint32", "float16", "float32", "complex64",
                      "complex128"):
            size = int(NUMPY[dtype][2:])
            data = bytes(some.randrange(2 if dtype == "bool" else 60) for _ in range(size * 5 * 30 * 41))
            yield {"path": f"w/{dtype}", "type": dtype, "dtype": NUMPY[dtype], "shape": [5, 30, 41],
                   "chunk": [1, 8, 12], "inner": [1, 8, 12], "sharded": False, "zstd": True,
                   "variant": "plain"}, data

    def token(self):
        name = self.path("token")
        with open(name, "w", encoding="utf-8") as f:
            f.write(TOKEN)
        os.chmod(name, 0o600)
        return name

    def put_all(self, folder):
        """Each file is a key; documents first or last, as it happens."""
        keys = sorted(os.path.relpath(os.path.join(at, name), folder)
                      for at, _, names in os.walk(folder) for name in names)
        random.Random(len(keys)).shuffle(keys)
        connection = self.connect()
        for key in keys:
            with open(os.path.join(folder, key), "rb") as f:
                answer = self.ask("PUT", "/live/" + key, {"Authorization": "Bearer " + TOKEN}, f.read(),
                                  connection)
            self.assertIn(answer.status, (201, 204), (key, answer.body))

    def test_what_it_writes_is_what_holog_reads(self):
        how = KINDS[self.client.name]["writes"]
        if how is None:
            self.skipTest("writes no Zarr v3 elsewhere")
        self.assertEqual(self.serve("--writable", "--token", self.token()), "writable")
        written = []
        for job, data in itertools.chain(self.jobs(), self.variants()):
            if job["sharded"] and self.client.name == "zarrita":
                continue  # it writes none
            with open(self.path("data"), "wb") as f:
                f.write(data)
            folder = self.path("dir-" + job["path"].replace("/", "-"))
            in_folder = how == "directory" or job.get("variant") == "filled"  # fsspec cannot delete by HTTP
            to = {"base": folder} if in_folder else {"base": self.base("live", 3), "token": TOKEN}
            said = self.client.ask(do="write", file=self.path("data"), **job, **to)
            self.assertNotIn("error", said, job)
            if in_folder:
                self.put_all(folder)
            written.append({**job, "data": data, "dtype": job["type"], "itemsize": len(data) // (5 * 30 * 41),
                            "codec": "", "names": ["z", None, "x \u00b5m"] if job.get("variant") == "named" else None,
                            "attributes": self.get(f"/live/{job['path']}/zarr.json").json()["attributes"]})
        bad = []
        for array in written:
            self.assertIn("by", array["attributes"])
            bad += self.check(self.base("live", 3), 3, array)
        self.assertEqual(bad, [], "\n".join(bad))
        self.end()
        for array in written:
            self.assertEqual(self.load(array["path"], "--raw"), array["data"], array["path"])
            self.assertEqual(self.stat(array["path"])["dtype"], array["dtype"])
            if array.get("variant") == "pieces":
                self.assertEqual(array["attributes"]["more"], ["\u00e9", None, 1.5])
            if not array["sharded"] and "variant" not in array:
                self.assertEqual(self.stat(array["path"])["chunk_shape"], array["chunk"])
        self.changed_by_holog([a for a in written if "variant" in a and a["dtype"] == "uint16"])

    def test_what_it_has_packed_is_imported(self):
        if self.client.name not in ("zarr-python", "zarr-2"):
            self.skipTest("packs no zip files")
        self.need_zip()
        some = random.Random(23)
        variants = ("plain", "v2", "pieces", "turned", "filled") if self.client.name == "zarr-python" else \
            ("plain", "none", "nested", "lz4", "columns")
        for variant, sharded, deflate in itertools.product(variants, (False, True), (False, True)):
            if sharded and (variant == "v2" or self.client.name == "zarr-2"):
                continue
            name = f"{variant}{'-shards' if sharded else ''}{'-deflated' if deflate else ''}"
            data = b"".join(some.randrange(2000).to_bytes(2, "little") for _ in range(5 * 30 * 41))
            with open(self.path("data"), "wb") as f:
                f.write(data)
            inner = "a" if self.client.name == "zarr-2" else ""
            said = self.client.ask(do="write", base=self.path(name + ".zip"), path=inner, variant=variant,
                                   type="uint16", dtype="<u2", shape=[5, 30, 41], inner=[1, 8, 12],
                                   chunk=[2, 16, 24] if sharded else [1, 8, 12], sharded=sharded, zstd=True,
                                   deflate=deflate, file=self.path("data"))
            self.assertNotIn("error", said, name)
            self.holog("import", self.store, name, self.path(name + ".zip"))
            self.assertEqual(self.load(f"{name}/{inner}".rstrip("/"), "--raw"), data, name)
            self.holog("export", self.store, name, self.path(name + ".ozx"))
            self.holog("import", self.store, name + "-again", self.path(name + ".ozx"))
            self.holog("export", self.store, name, self.path(name + "-1"))
            self.holog("export", self.store, name + "-again", self.path(name + "-2"))
            self.assertEqual(self.files(name + "-1"), self.files(name + "-2"), name)

    def files(self, folder):
        found = {}
        for at, _, names in os.walk(self.path(folder)):
            for name in names:
                with open(os.path.join(at, name), "rb") as f:
                    found[os.path.relpath(os.path.join(at, name), self.path(folder))] = f.read()
        self.assertGreater(len(found), 1)
        return found

    def test_what_it_has_written_as_v2_is_imported(self):
        if self.client.name != "zarr-2":
            self.skipTest("is asked for v3")
        some = random.Random(19)
        folder = self.path("v2")
        want = {}
        for variant in ("plain", "none", "nested", "lz4", "columns", "gzip"):
            if variant == "gzip" and os.environ["HOLOG_HAVE_GZIP"] != "1":
                continue
            data = b"".join(some.randrange(2000).to_bytes(2, "little") for _ in range(5 * 30 * 41))
            want[variant] = (7).to_bytes(2, "little") * 4000 + data[8000:]
            with open(self.path("data"), "wb") as f:
                f.write(want[variant])
            said = self.client.ask(do="write", base=folder, path=variant, variant=variant, dtype="<u2",
                                   shape=[5, 30, 41], chunk=[1, 8, 12], file=self.path("data"))
            self.assertNotIn("error", said, variant)
        self.holog("import", self.store, "from-v2", folder)
        for variant, data in want.items():
            self.assertEqual(self.load(f"from-v2/{variant}", "--raw"), data, variant)
        self.serve()
        bad = []
        for variant, data in want.items():
            bad += self.check(self.base("live", 2), 2, {
                "path": f"from-v2/{variant}", "dtype": "uint16", "itemsize": 2, "shape": [5, 30, 41],
                "chunk": [1, 8, 12], "codec": "", "names": None, "attributes": {"by": "zarr \u00e9"},
                "data": data})
        self.assertEqual(bad, [], "\n".join(bad))

    def changed_by_holog(self, arrays):
        """The client reads what holog changes in its arrays."""
        for array in arrays:
            done = subprocess.run([MAKE_ARRAYS, self.store, "change", array["path"]], timeout=60, check=False)
            reads_only = array["variant"].startswith("blosc")
            self.assertEqual(done.returncode, 3 if reads_only else 0, array["path"])
            if not reads_only:
                data = bytearray(array["data"])
                for z, y, x in itertools.product(range(1, 4), range(5, 25), range(7, 33)):
                    at = 2 * ((z * 30 + y) * 41 + x)
                    data[at:at + 2] = (int.from_bytes(data[at:at + 2], "little") + 1).to_bytes(2, "little")
                array["data"] = bytes(data)
        self.serve()
        bad = []
        for array in arrays:
            bad += self.check(self.base("live", 3), 3, array)
        self.assertEqual(bad, [], "\n".join(bad))


def absent(name):
    """Why the client is not there; None: it is."""
    import tempfile
    with tempfile.TemporaryDirectory(prefix="holog-client-") as folder:
        try:
            client = Client(name, folder)
        except Missing as e:
            return str(e)
        client.end()
        print(f"# {name}: {client.versions}", flush=True)
    return None


if __name__ == "__main__":
    Read.client_name = sys.argv.pop(1)
    why = absent(Read.client_name)
    if why is not None:
        print(f"{Read.client_name} {why}; ./dev test installs it")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    unittest.main(verbosity=2)
