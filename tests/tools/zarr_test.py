"""export and import: directories that Zarr programs read and write."""

import json
import os
import shutil
import struct

from clitest import DAMAGE, FAILED, USAGE, Case, main
from array_test import npy, numbers

DOCUMENT = {
    "zarr_format": 3, "node_type": "array", "shape": [6], "data_type": "uint16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 9, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}


class Zarr(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def put(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as f:
            f.write(data)

    def get(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def tree(self, top):
        return sorted(os.path.relpath(os.path.join(where, name), self.path(top))
                      for where, _, names in os.walk(self.path(top)) for name in names)

    def some_array(self):
        self.put("a.npy", npy("<u2", (3, 40, 50), numbers(6000)))
        self.holog("save", "--parents", self.store, "plate/a", self.path("a.npy"))

    def test_what_is_exported_is_what_zarr_says_it_is(self):
        self.some_array()
        self.holog("export", self.store, "plate", self.path("out.zarr"))
        self.assertEqual(self.tree("out.zarr"),
                         ["a/c/0/0/0", "a/c/1/0/0", "a/c/2/0/0", "a/zarr.json", "zarr.json"])
        root = json.loads(self.get("out.zarr/zarr.json"))
        self.assertEqual((root["zarr_format"], root["node_type"]), (3, "group"))
        self.assertEqual(list(root["consolidated_metadata"]["metadata"]), ["a"])
        chunks = [self.get(f"out.zarr/a/c/{i}/0/0") for i in range(3)]
        self.assertEqual(b"".join(chunks), numbers(6000))

    def test_version_2_has_the_same_chunks(self):
        self.some_array()
        self.holog("export", self.store, "plate", self.path("two.zarr"), "--format", "zarr2")
        self.assertEqual(self.tree("two.zarr"),
                         [".zattrs", ".zgroup", ".zmetadata"][1:] + ["a/.zarray", "a/0/0/0", "a/1/0/0", "a/2/0/0"])
        doc = json.loads(self.get("two.zarr/a/.zarray"))
        self.assertEqual((doc["dtype"], doc["chunks"], doc["compressor"], doc["filters"]),
                         ("<u2", [1, 40, 50], None, None))

    def test_an_earlier_state_is_exported(self):
        self.some_array()
        self.holog("rm", "-r", self.store, "plate/a")
        self.holog("export", self.store, "plate", self.path("old.zarr"), "--at", "1")
        self.assertIn("a/zarr.json", self.tree("old.zarr"))

    def test_a_directory_that_is_there_stays_as_it_is(self):
        self.some_array()
        self.put("out.zarr/mine", b"x")
        done = self.holog("export", self.store, "plate", self.path("out.zarr"), status=FAILED)
        self.assertIn("exists", done.message)
        self.assertEqual(self.tree("out.zarr"), ["mine"])
        self.assertEqual([n for n in os.listdir(self.dir) if "partial" in n], [])
        self.holog("export", self.store, "plate", self.path("o"), "--format", "hdf5", status=USAGE)

    def test_a_damaged_chunk_ends_it_and_nothing_looks_complete(self):
        hay = b"needle in a haystack" * 5000
        self.put("a.npy", npy("|u1", (1, len(hay)), hay))
        self.holog("save", self.store, "a", self.path("a.npy"))
        self.flip(b"needle in a haystack" * 2, ".hext")
        done = self.holog("export", self.store, "a", self.path("out.zarr"), status=DAMAGE)
        self.assertIn("segment", done.message)
        self.assertFalse(os.path.exists(self.path("out.zarr")))

    def test_import_takes_what_others_wrote(self):
        self.put("in.zarr/zarr.json", json.dumps(DOCUMENT).encode())
        self.put("in.zarr/c/0", struct.pack("<4H", 1, 2, 3, 4))
        self.holog("import", self.store, "x/y", self.path("in.zarr"))
        self.assertEqual(self.load("x/y", "--raw"), struct.pack("<6H", 1, 2, 3, 4, 9, 9))
        self.holog("export", self.store, "x/y", self.path("back.zarr"))
        self.assertEqual(self.get("back.zarr/zarr.json"), self.get("in.zarr/zarr.json"))
        self.holog("import", self.store, "x/y", self.path("in.zarr"), status=FAILED)
        self.put("in.zarr/c/1", struct.pack("<4H", 5, 6, 7, 8))
        self.holog("import", "--replace", self.store, "x/y", self.path("in.zarr"))
        self.assertEqual(self.load("x/y", "--raw"), struct.pack("<6H", 1, 2, 3, 4, 5, 6))

    def test_version_2_is_imported_with_its_keys(self):
        document = {"zarr_format": 2, "shape": [6], "chunks": [4], "dtype": ">u2", "order": "C",
                    "compressor": None, "filters": None, "fill_value": 9}
        self.put("in.zarr/.zgroup", b'{"zarr_format": 2}')
        self.put("in.zarr/.zattrs", b'{"well": "A01"}')
        self.put("in.zarr/a/.zarray", json.dumps(document).encode())
        self.put("in.zarr/a/0", struct.pack(">4H", 1, 2, 3, 4))
        self.holog("import", self.store, "x", self.path("in.zarr"))
        self.assertEqual(self.load("x/a", "--raw"), struct.pack("<6H", 1, 2, 3, 4, 9, 9))
        self.holog("export", self.store, "x", self.path("back.zarr"))
        self.assertEqual(self.tree("back.zarr"), ["a/0", "a/zarr.json", "zarr.json"])
        self.assertEqual(self.get("back.zarr/a/0"), self.get("in.zarr/a/0"))
        root = json.loads(self.get("back.zarr/zarr.json"))
        self.assertEqual(root["attributes"], {"well": "A01"})

    def test_consolidated_metadata_is_never_out_of_date(self):
        self.some_array()
        self.holog("export", self.store, "plate", self.path("one.zarr"))
        self.holog("import", self.store, "again", self.path("one.zarr"))
        self.holog("save", self.store, "again/new", self.path("a.npy"))
        self.holog("export", self.store, "/", self.path("two.zarr"))
        self.assertNotIn(b"consolidated", self.get("two.zarr/again/zarr.json"))
        root = json.loads(self.get("two.zarr/zarr.json"))
        self.assertIn("again/new", root["consolidated_metadata"]["metadata"])

    def test_codecs_that_nobody_knows_keep_their_bytes(self):
        document = dict(DOCUMENT, codecs=DOCUMENT["codecs"] + [{"name": "acme.squeeze"}])
        self.put("in.zarr/zarr.json", json.dumps(document).encode())
        self.put("in.zarr/c/0", b"whatever this is")
        self.holog("import", self.store, "x", self.path("in.zarr"))
        done = self.holog("load", self.store, "x", "--raw", status=FAILED)
        self.assertIn("acme.squeeze", done.message)
        self.holog("export", self.store, "x", self.path("back.zarr"))
        self.assertEqual(self.get("back.zarr/c/0"), b"whatever this is")

    def test_a_torn_shard_is_named(self):
        inner = {"chunk_shape": [2], "codecs": DOCUMENT["codecs"],
                 "index_codecs": DOCUMENT["codecs"] + [{"name": "crc32c", "configuration": {}}],
                 "index_location": "end"}
        document = dict(DOCUMENT, codecs=[{"name": "sharding_indexed", "configuration": inner}])
        self.put("in.zarr/zarr.json", json.dumps(document).encode())
        self.put("in.zarr/c/0", b"torn")
        self.put("in.zarr/notes.txt", b"hello")
        done = self.holog("import", self.store, "x", self.path("in.zarr"), status=FAILED)
        self.assertIn("c/0", done.message)
        self.missing("x")
        done = self.holog("import", "--skip-damaged", self.store, "x", self.path("in.zarr"),
                          status=DAMAGE)
        self.assertEqual(self.load("x/notes.txt"), b"hello")
        self.assertEqual(self.load("x", "--raw"), struct.pack("<6H", *[9] * 6))

    def test_what_is_no_hierarchy_is_told(self):
        os.mkdir(self.path("empty"))
        done = self.holog("import", self.store, "x", self.path("empty"), status=FAILED)
        self.assertIn("zarr.json", done.message)
        done = self.holog("import", self.store, "x", self.path("missing"), status=FAILED)
        self.assertIn("missing", done.message)

    def test_a_hostile_document_is_refused_and_names_what_is_wrong(self):
        for member, value, says in (("shape", [-1], "shape"), ("shape", [2 ** 63], "shape"),
                                    ("fill_value", 65536, "fill value 65536"),
                                    ("codecs", [], "codecs"), ("surprise", 1, "surprise"),
                                    ("zarr_format", 4, "zarr_format")):
            self.put("in.zarr/zarr.json", json.dumps(dict(DOCUMENT, **{member: value})).encode())
            done = self.holog("import", self.store, "x", self.path("in.zarr"), status=FAILED)
            self.assertIn(says, done.message)
            self.missing("x")
        self.put("in.zarr/zarr.json", b"[" * 100000)
        self.holog("import", self.store, "x", self.path("in.zarr"), status=FAILED)
        shutil.rmtree(self.path("in.zarr"))


if __name__ == "__main__":
    main()
