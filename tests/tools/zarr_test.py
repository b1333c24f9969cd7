"""export and import: directories and zip files that Zarr programs read and write."""

import json
import os
import resource
import shutil
import signal
import stat
import struct
import subprocess
import unittest
import warnings
import zipfile

from clitest import BIN, DAMAGE, FAILED, USAGE, Case, main
from array_test import npy, numbers

HAVE_ZIP = os.environ.get("HOLOG_HAVE_ZIP") == "1"
FORMS = ("out.zarr", "out.ozx") if HAVE_ZIP else ("out.zarr",)
DOCUMENT = {
    "zarr_format": 3, "node_type": "array", "shape": [6], "data_type": "uint16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 9, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}


class ZarrCase(Case):
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


class Zarr(ZarrCase):
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

    def test_without_room_it_is_said_for_what_and_nothing_stays(self):
        self.put("a.npy", npy("<u2", (2, 512, 1024), numbers(1 << 20)))
        self.holog("save", "--parents", self.store, "plate/a", self.path("a.npy"))
        self.holog("export", self.store, "plate", self.path("whole.zarr"))
        other = self.path("other.holog")
        self.holog("init", other)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, before[1]))
        try:
            for name in FORMS:
                said = self.holog("export", self.store, "plate", self.path(name), status=FAILED).message
                self.assertRegex(said, "(a/c/0/0/0: )?write .*; what was written is removed again")
            said = self.holog("import", other, "x", self.path("whole.zarr"), status=FAILED).message
            self.assertIn("a/c/0/0/0: the store has no room for it", said)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.assertEqual([n for n in os.listdir(self.dir) if n.startswith("out")], [])
        self.assertEqual(self.holog("ls", other).out, b"")
        self.holog("import", other, "x", self.path("whole.zarr"))
        self.assertEqual(self.holog("verify", other).text, "sound\n")

    def test_what_would_help_is_said_behind_what_went_wrong(self):
        self.put("odd.zarr/zarr.json", json.dumps({**DOCUMENT, "chunk_grid": {"name": "odd"}}).encode())
        lines = self.holog("import", self.store, "x", self.path("odd.zarr"), status=FAILED).message.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn('"odd"', lines[0])
        self.assertIn("--skip-unsupported", lines[1])

    def test_names_that_are_not_utf_8_are_shown_in_ascii(self):
        self.put("bad.zarr/zarr.json", json.dumps(DOCUMENT).encode())
        with open(os.path.join(self.path("bad.zarr").encode(), b"n\xffm"), "wb") as f:
            f.write(b"x")
        done = self.holog("import", self.store, "x", self.path("bad.zarr"), status=FAILED)
        self.assertIn(b": n\\xffm: a key", done.err)
        done.err.decode("ascii")
        done = self.holog("import", self.store, "x", self.path("bad.zarr"), "--skip-damaged", status=DAMAGE)
        self.assertIn(b"n\\xffm", done.err)
        done.err.decode("ascii")

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

    def test_a_type_that_nobody_knows_is_stat_and_kept(self):
        document = dict(DOCUMENT, data_type="string", fill_value="", codecs=[{"name": "vlen-utf8"}])
        self.put("in.zarr/zarr.json", json.dumps(document).encode())
        self.put("in.zarr/c/0", b"texts, in some way")
        self.holog("import", self.store, "x", self.path("in.zarr"))
        done = self.holog("load", self.store, "x", "--raw", status=FAILED)
        self.assertIn("string", done.message)
        self.holog("export", self.store, "x", self.path("back.zarr"))
        self.assertEqual(self.get("back.zarr/zarr.json"), self.get("in.zarr/zarr.json"))
        self.assertEqual(self.get("back.zarr/c/0"), b"texts, in some way")

    def test_what_is_unsupported_has_an_option_of_its_own(self):
        self.put("in.zarr/zarr.json", b'{"zarr_format": 3, "node_type": "group"}')
        odd = dict(DOCUMENT, chunk_grid={"name": "rectangular"})
        self.put("in.zarr/odd/zarr.json", json.dumps(odd).encode())
        self.put("in.zarr/good/zarr.json", json.dumps(DOCUMENT).encode())
        done = self.holog("import", self.store, "x", self.path("in.zarr"), "--skip-damaged", status=FAILED)
        self.assertIn("rectangular", done.message)
        self.assertIn("--skip-unsupported", done.message)
        self.missing("x")
        done = self.holog("import", "--json", self.store, "x", self.path("in.zarr"), "--skip-unsupported")
        self.assertEqual((done.json()["unsupported"], done.json()["damaged"]), (1, 0))

    def test_what_version_2_has_no_words_for_is_named(self):
        self.some_array()
        checked = dict(DOCUMENT, codecs=DOCUMENT["codecs"] + [{"name": "crc32c"}])
        self.put("in.zarr/zarr.json", json.dumps(checked).encode())
        self.holog("import", self.store, "plate/checked", self.path("in.zarr"))
        done = self.holog("export", self.store, "plate", self.path("two.zarr"), "--format", "zarr2", status=FAILED)
        self.assertIn("plate/checked", done.message)
        self.assertIn("crc32c", done.message)
        self.assertIn("--skip-unsupported", done.message)
        done = self.holog("export", "--json", self.store, "plate", self.path("two.zarr"), "--format", "zarr2",
                          "--skip-unsupported")
        self.assertEqual(done.json()["left_out"], 1)
        self.assertIn("crc32c", done.message)
        self.assertEqual(self.tree("two.zarr")[-4:], ["a/.zarray", "a/0/0/0", "a/1/0/0", "a/2/0/0"])

    def test_a_name_for_two_things_is_told(self):
        self.some_array()
        self.put("note", b"x")
        self.holog("save", self.store, "plate/a/c", self.path("note"))
        for to in FORMS:
            done = self.holog("export", self.store, "plate", self.path(to), status=FAILED)
            self.assertIn("a/c", done.message)
            self.assertIn("a/c/0/0/0", done.message)
            self.assertNotIn("holog-tmp", done.message)
        self.assertEqual([n for n in os.listdir(self.dir) if n.startswith("out")], [])


@unittest.skipUnless(HAVE_ZIP, "the plug-in for zip files was not built: libzip is missing")
class Zip(ZarrCase):
    """As one file."""

    def export(self, name, *more, path="plate"):
        self.holog("export", self.store, path, self.path(name), *more)
        return zipfile.ZipFile(self.path(name))

    def test_it_is_what_rfc_9_asks_for(self):
        self.some_array()
        self.holog("cp", self.store, "plate/a", "plate/deep/er/b", "--parents")
        with self.export("out.ozx") as z:
            names = [i.filename for i in z.infolist()]
            documents = [n for n in names if n.endswith("zarr.json")]
            self.assertEqual(documents, ["zarr.json", "a/zarr.json", "deep/zarr.json", "deep/er/zarr.json",
                                         "deep/er/b/zarr.json"])
            self.assertEqual(names[:5], documents)
            self.assertEqual([i.filename for i in sorted(z.infolist(), key=lambda i: i.header_offset)], names)
            self.assertEqual({(i.compress_type, i.extract_version) for i in z.infolist()}, {(0, 45)})
            self.assertEqual(json.loads(z.comment), {"ome": {"version": "0.5", "zipFile": {
                "centralDirectory": {"jsonFirst": True}}}})
            self.assertIsNone(z.testzip())
            self.assertEqual(b"".join(z.read(f"a/c/{i}/0/0") for i in range(3)), numbers(6000))
        extra = self.get("out.ozx")[30 + len("zarr.json"):][:20]
        self.assertEqual(struct.unpack("<HH", extra[:4]), (1, 16), "sizes in 64 bits, though they are small")

    def test_other_programs_unpack_it(self):
        self.some_array()
        self.export("out.ozx").close()
        self.holog("export", self.store, "plate", self.path("out.zarr"))
        tried = 0
        for program in (["unzip", "-q", "../out.ozx"], ["bsdtar", "-xf", "../out.ozx"],
                        ["bsdtar", "-xf", "-"]):  # the last from the front
            if shutil.which(program[0]) is None:
                continue
            os.mkdir(self.path("unpacked"))
            with open(self.path("out.ozx"), "rb") as packed:
                subprocess.run(program, cwd=self.path("unpacked"), check=True, stdin=packed)
            self.assertEqual(self.tree("unpacked"), self.tree("out.zarr"), program)
            for name in self.tree("out.zarr"):
                self.assertEqual(self.get("unpacked/" + name), self.get("out.zarr/" + name), program)
            shutil.rmtree(self.path("unpacked"))
            tried += 1
        if tried == 0:
            self.skipTest("neither unzip nor bsdtar is here")

    def test_the_version_of_ome_is_that_of_the_root(self):
        self.put("in.zarr/zarr.json", json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {
            "ome": {"version": "0.6"}}}).encode())
        self.holog("import", self.store, "image", self.path("in.zarr"))
        with self.export("out.ozx", path="image") as z:
            self.assertEqual(json.loads(z.comment)["ome"]["version"], "0.6")

    def test_version_2_is_a_zip_file_without_a_claim(self):
        self.some_array()
        self.holog("export", self.store, "plate", self.path("out.ozx"), "--format", "zarr2", status=USAGE)
        with self.export("out.zip", "--format", "zarr2") as z:
            names = z.namelist()
            self.assertEqual(names[:3], [".zgroup", ".zmetadata", "a/.zarray"])
            self.assertEqual(z.comment, b"")
        self.holog("import", self.store, "back", self.path("out.zip"))
        self.assertEqual(self.load("back/a", "--raw"), numbers(6000))

    def test_what_others_packed_is_taken_or_refused(self):
        document = json.dumps(DOCUMENT)
        chunk = struct.pack("<4H", 1, 2, 3, 4)

        def pack(name, *entries, **how):
            with zipfile.ZipFile(self.path(name), "w", **how) as z:
                z.writestr("zarr.json", document)
                z.writestr("c/0", chunk)
                for entry, data in entries:
                    z.writestr(entry, data)

        pack("good.zip")
        self.holog("import", self.store, "good", self.path("good.zip"))
        self.assertEqual(self.load("good", "--raw"), struct.pack("<6H", 1, 2, 3, 4, 9, 9))
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        for says, entries in (("../up", [("../up", b"x")]), ("/etc", [("/etc", b"x")]), ("backslash", [("a\\b", b"x")]),
                              ("link", [(link, "/etc/passwd")]), ("notes/a", [("notes", b""), ("notes/a", b"")])):
            pack("bad.zip", *entries)
            done = self.holog("import", self.store, "x", self.path("bad.zip"), status=None)
            self.assertNotEqual(done.status, 0, says)
            self.assertIn("bad.zip", done.message)
            self.assertIn(says, done.message)
            self.missing("x")

    def test_a_bomb_is_refused_before_it_is_unpacked(self):
        with zipfile.ZipFile(self.path("bomb.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("zarr.json", json.dumps(DOCUMENT))
            z.writestr("c/0", bytes(64 << 20))  # of a chunk of eight bytes
        done = self.holog("import", self.store, "x", self.path("bomb.zip"), status=None)
        self.assertIn("c/0", done.message)
        self.assertIn("at most", done.message)
        self.missing("x")

    def test_deflated_entries_are_taken(self):
        with zipfile.ZipFile(self.path("in.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("zarr.json", json.dumps(DOCUMENT))
            z.writestr("c/0", struct.pack("<4H", 1, 2, 3, 4))
        self.holog("import", self.store, "x", self.path("in.zip"))
        self.assertEqual(self.load("x", "--raw"), struct.pack("<6H", 1, 2, 3, 4, 9, 9))

    def test_a_document_that_was_written_again_counts_as_it_was_last(self):
        with zipfile.ZipFile(self.path("in.zip"), "w") as z, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile says that it is there
            z.writestr("zarr.json", json.dumps(DOCUMENT))
            z.writestr("c/0", struct.pack("<4H", 1, 2, 3, 4))
            z.writestr("zarr.json", json.dumps(dict(DOCUMENT, fill_value=7)))
        done = self.holog("import", self.store, "x", self.path("in.zip"))
        self.assertIn("zarr.json: is there 2 times", done.err.decode())
        self.assertEqual(self.load("x", "--raw"), struct.pack("<6H", 1, 2, 3, 4, 7, 7))


class WithoutThePlugIn(ZarrCase):
    def test_zip_files_say_what_is_missing(self):
        self.some_array()
        with zipfile.ZipFile(self.path("in.zip"), "w") as z:
            z.writestr("zarr.json", json.dumps(DOCUMENT))
        os.mkdir(self.path("nothing"))
        for command in (("import", self.store, "x", self.path("in.zip")),
                        ("export", self.store, "plate", self.path("out.ozx"))):
            done = self.holog(*command, status=None, env={"HOLOG_PLUGIN_PATH": self.path("nothing")})
            if done.status != 0:  # unless holog is installed
                self.assertIn("libzip", done.message)
                self.assertEqual([n for n in os.listdir(self.dir) if n.startswith("out")], [])


class Killed(ZarrCase):
    def test_a_killed_export_never_looks_complete_and_the_next_removes_it(self):
        self.put("a.npy", npy("|u1", (300, 100, 100), bytes(3000000)))
        self.holog("save", self.store, "a", self.path("a.npy"))
        seen = 0
        for to in FORMS:
            for after in range(1, 12):
                run = subprocess.Popen([BIN, "export", self.store, "a", self.path(to)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while run.poll() is None and not any(n.startswith(to + ".partial") for n in os.listdir(self.dir)):
                    pass
                for _ in range(after * 300):  # a little further each time
                    pass
                run.send_signal(signal.SIGKILL)
                run.wait()
                left = [n for n in os.listdir(self.dir) if n.startswith(to)]
                if left == [to]:  # it was faster
                    self.holog("import", "--replace", self.store, "b", self.path(to))
                    (shutil.rmtree if os.path.isdir(self.path(to)) else os.remove)(self.path(to))
                    continue
                seen += any(n.startswith(to + ".partial") for n in left)
                self.assertNotIn(to, left)
            self.holog("export", self.store, "a", self.path(to))
            self.assertIn(to, os.listdir(self.dir))
            for name in os.listdir(self.dir):  # one that was killed right before it got its name is all there
                if name.startswith(to + ".partial"):
                    self.assertTrue(os.path.isdir(self.path(name)), name)
                    self.assertEqual(self.tree(name), self.tree(to))
        self.assertGreater(seen, 0)


if __name__ == "__main__":
    main()
