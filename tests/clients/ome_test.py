"""What holog says of images and plates is what OME-NGFF 0.4 and 0.5 say, and their levels are what is written.

ome-zarr-models judges metadata, zarr-python reads the elements; both know nothing of holog. Levels are computed here, from
what level 0 was given, one element at a time.
"""

import fractions
import itertools
import json
import math
import os
import random
import struct
import subprocess
import sys
import unittest

import clients_test
from clients_test import Client, Serve, absent

NAME = "ome-zarr-models"
clients_test.KINDS[NAME] = {"command": [clients_test.VENV, "-B", "ome_zarr.py"], "formats": (3, 2), "writes": "directory",
                            "needs": "ome-zarr-models from tests/clients/requirements.txt"}
MAKE_IMAGES = os.environ["HOLOG_MAKE_IMAGES"]
CODES = {"uint8": "B", "int8": "b", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q",
         "int64": "q", "float32": "f", "float64": "d"}


def mean(block, dtype):
    if dtype.startswith("float"):
        total = block[0]
        for element in block[1:]:
            total += element
        # to the type, as it will be stored: the next level is made of that
        return struct.unpack("<" + CODES[dtype], struct.pack("<" + CODES[dtype], total / len(block)))[0]
    return round(fractions.Fraction(sum(block), len(block)))  # halves to the even one


def mode(block, _):
    return max(block, key=lambda element: (block.count(element), -block.index(element)))


METHODS = {"mean": mean, "mode": mode, "nearest": lambda block, _: block[0]}


def next_level(elements, shape, factor, method, dtype):
    smaller = [-(-n // f) for n, f in zip(shape, factor)]
    strides = [math.prod(shape[i + 1:]) for i in range(len(shape))]
    out = []
    for index in itertools.product(*map(range, smaller)):
        block = [elements[sum(i * s for i, s in zip(at, strides))] for at in itertools.product(
            *(range(i * f, min((i + 1) * f, n)) for i, f, n in zip(index, factor, shape)))]
        out.append(METHODS[method](block, dtype))
    return out, smaller


class Images(Serve):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("client"))
        self.client = Client(NAME, self.path("client"))
        self.addCleanup(self.client.end)

    def make(self):
        os.mkdir(self.path("made"))
        subprocess.run([MAKE_IMAGES, self.store, self.path("made")], check=True, timeout=60)
        with open(self.path("made", "images.json"), encoding="utf-8") as f:
            return json.load(f)

    def first(self, image):
        with open(self.path("made", image["file"]), "rb") as f:
            data = f.read()
        code = CODES[image["dtype"]]
        return list(struct.unpack(f"<{len(data) // struct.calcsize('<' + code)}{code}", data))

    def check_levels(self, image, said, data, first):
        """Elements, shapes and positions of all levels; how many levels there are."""
        code = CODES[image["dtype"]]
        elements, shape, factor = first, said[0]["shape"], [1] * len(said[0]["shape"])
        scale = said[0]["transforms"][0]["scale"]
        origin = said[0]["transforms"][1]["translation"] if len(said[0]["transforms"]) > 1 else [0] * len(shape)
        at = 0
        for k, level in enumerate(said):
            where = f"{image['path']}, level {k}"
            ratio = [round(a / b) for a, b in zip(level["transforms"][0]["scale"], scale)]
            if k > 0:
                step = [a // b for a, b in zip(ratio, factor)]
                elements, shape = next_level(elements, shape, step, image["method"], image["dtype"])
                self.assertIn(2, step, where)
            factor = ratio
            self.assertEqual(level["shape"], shape, where)
            size = len(elements) * struct.calcsize("<" + code)
            self.assertEqual(struct.pack(f"<{len(elements)}{code}", *elements), data[at:at + size], where)
            at += size
            moved = level["transforms"][1]["translation"] if len(level["transforms"]) > 1 else [0] * len(shape)
            for t, o, s, f in zip(moved, origin, scale, factor):
                self.assertAlmostEqual(t, o + s * (f - 1) / 2, 12, where)
        self.assertEqual(at, len(data), image["path"])
        return len(said)

    def levels_of(self, base, form, image):
        out = self.path("client", "out")
        said = self.client.ask(do="levels", base=base, path=image["path"], format=form, out=out)
        self.assertNotIn("error", said, (image["path"], form))
        with open(out, "rb") as f:
            return said["levels"], f.read()

    def validate(self, base, form, path, kind):
        said = self.client.ask(do="validate", base=base, path=path, kind=kind, format=form)
        self.assertNotIn("error", said, (path, form))
        return said["said"]

    def check_all(self, images, base, form):
        read = 0
        for image in images:
            if form == 2 and image["sharded"]:
                continue
            said = self.validate(base, form, image["path"], image["kind"])
            if image["kind"] in ("image", "label"):
                levels, data = self.levels_of(base, form, image)
                read += self.check_levels(image, levels, data, self.first(image))
                if form == 3:
                    self.assertEqual({tuple(level["names"]) for level in levels},
                                     {tuple(a["name"] for a in said["multiscales"][0]["axes"])}, image["path"])
            elif image["kind"] == "plate":
                self.assertEqual(said["wells"], 3)
                self.assertEqual([w["path"] for w in said["plate"]["wells"]], ["A/1", "AF/48", "AA/12"])
                self.assertEqual((said["plate"]["field_count"], len(said["plate"]["rows"])), (2, 32))
        self.assertGreater(read, 30)
        print(f"# v{form}: {read} levels")

    def test_what_is_exported(self):
        images = self.make()
        for form in self.client.formats:
            folder = self.path(f"exported-{form}")
            # what version 2 has no words for, shards, is left out
            skip = ["--skip-unsupported"] if form == 2 else []
            self.holog("export", "--format", f"zarr{form}", *skip, self.store, "/", folder)
            self.check_all(images, folder, form)

    def test_what_is_served(self):
        images = self.make()
        self.serve()
        number = self.get("/?list").json()["commit"]
        for form in self.client.formats:
            base = f"http://{self.host}:{self.port}/@{number}" + ("/v2" if form == 2 else "")
            self.check_all(images, base, form)

    def test_what_holog_says_of_it_is_what_they_say(self):
        for image in self.make():
            if image["kind"] == "plate" or image["path"].startswith("images/"):
                said = json.loads(self.holog("ome", self.store, image["path"], "--check", "--json").text)
                self.assertEqual(said["problems"], [], image["path"])

    def theirs(self, form, kind):
        some = random.Random(form)
        shape = [3, 21, 34]
        data = [some.randrange(65536) for _ in range(math.prod(shape))]
        with open(self.path("data"), "wb") as f:
            f.write(struct.pack(f"<{len(data)}H", *data))
        folder = self.path(f"theirs-{kind}-{form}")
        said = self.client.ask(do="write", base=folder, kind=kind, shape=shape, format=form, file=self.path("data"))
        self.assertNotIn("error", said)
        return folder, data

    def check_theirs(self, base, form, path, data):
        image = {"path": path, "dtype": "uint16", "method": "mean"}
        self.validate(base, form, path, "image")
        levels, read = self.levels_of(base, form, image)
        for level in levels[1:]:
            if len(level["transforms"]) == 1:  # theirs has no translations
                level["transforms"].append({"translation": [0, *(0.5 * (s / 0.5 - 1) / 2 for s in
                                                                 level["transforms"][0]["scale"][1:])]})
        self.assertEqual(self.check_levels(image, levels, read, data), 3)

    def test_what_zarr_python_wrote_is_imported_and_comes_back_as_both(self):
        for form in self.client.formats:
            folder, data = self.theirs(form, "image")
            path = f"from-{form}"
            self.holog("import", self.store, path, folder, "--check")
            if form == 2:  # its compressor is Blosc, which holog reads
                self.assertIn("--levels", self.holog("pyramid", self.store, path, status=1).message)
                self.holog("pyramid", self.store, path, "--levels", "3")
            else:
                self.holog("pyramid", self.store, path)
                self.holog("pyramid", self.store, path + "/labels/cells")
            self.assertEqual(self.holog("ome", self.store, path, "--check").status, 0)
            for back in self.client.formats:
                out = self.path(f"{path}-as-{back}")
                self.holog("export", "--format", f"zarr{back}", self.store, path, out)
                self.check_theirs(out, back, "", data)
                self.validate(out, back, "labels", "labels")
                said = self.validate(out, back, "labels/cells", "label")
                self.assertEqual(said["image-label"]["colors"][0]["rgba"], [1, 2, 3, 4])
                with open(os.path.join(out, "zarr.json" if back == 3 else ".zattrs"), encoding="utf-8") as f:
                    kept = json.load(f)
                kept = kept["attributes"] if back == 3 else kept
                self.assertEqual(kept["theirs"], {"n": 1})
                ome = kept["ome"] if back == 3 else kept
                self.assertEqual(ome["omero"]["rdefs"], {"model": "color"})
                self.assertEqual(ome["multiscales"][0]["type"], "gaussian" if form == 3 else "mean")
                self.assertEqual("version" in ome["multiscales"][0], back == 2)
                self.assertEqual("multiscales" in kept, back == 2)

    def test_a_plate_that_zarr_python_wrote_is_imported_and_comes_back_as_both(self):
        for form in self.client.formats:
            folder, data = self.theirs(form, "plate")
            path = f"plate-{form}"
            self.holog("import", self.store, path, folder, "--check")
            self.holog("pyramid", self.store, path + "/AA/1/0")
            for back in self.client.formats:
                out = self.path(f"{path}-as-{back}")
                self.holog("export", "--format", f"zarr{back}", self.store, path, out)
                self.assertEqual(self.validate(out, back, "", "plate")["wells"], 1)
                self.validate(out, back, "AA/1", "well")
                self.check_theirs(out, back, "AA/1/0", data)


if __name__ == "__main__":
    why = absent(NAME)
    if why is not None:
        print(f"{NAME} {why}; ./dev test installs it")
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    unittest.main(verbosity=2)
