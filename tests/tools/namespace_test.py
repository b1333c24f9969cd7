"""ls, stat, rm, mkdir, mv, cp, ln."""

from clitest import FAILED, Case, main


class Listing(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_natural_order(self):
        for name in ("z10", "z2", "z1", "a", "z02"):
            self.save(name, b"x")
        names = self.names()
        self.assertEqual(names[0], "a")
        self.assertLess(names.index("z2"), names.index("z10"))
        self.assertEqual(self.holog("ls", self.store).text.split("\n")[:-1], names)

    def test_recursive_gives_a_directory_before_what_is_in_it(self):
        self.save("p/a/1", b"x", "-p")
        self.save("p/b", b"x")
        self.save("q", b"x")
        self.assertEqual(self.names("-r"), ["p", "p/a", "p/a/1", "p/b", "q"])
        self.assertEqual(self.names("-r", "p"), ["p/a", "p/a/1", "p/b"])
        self.assertEqual(self.names("p"), ["a", "b"])

    def test_pages(self):
        self.holog("batch", self.store, input=b"".join(
            b'{"op":"save","path":"n%d","text":"x"}\n' % i for i in range(25)))
        seen, after = [], []
        while page := self.names("-n", "10", *after):
            seen += page
            after = ["--after", page[-1]]
        self.assertEqual(seen, [f"n{i}" for i in range(25)])
        self.assertEqual(self.names("--prefix", "n2"), ["n2", "n20", "n21", "n22", "n23", "n24"])

    def test_long_and_json(self):
        self.save("file", b"12345")
        self.holog("mkdir", self.store, "dir")
        self.holog("ln", self.store, "file", "link")
        lines = self.holog("ls", "-l", self.store).text.split("\n")[:-1]
        self.assertEqual([line[0] for line in lines], ["d", "-", "l"])
        self.assertTrue(lines[2].endswith(" link -> file"))
        self.assertIn(" 5 ", lines[1])
        self.assertRegex(lines[1], r" 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z file$")
        doc = self.holog("ls", self.store, "--json", "-l").json()
        self.assertEqual(doc["store"], self.store)
        self.assertEqual(doc["path"], "/")
        self.assertEqual([(e["name"], e["path"], e["type"], e["bytes"]) for e in doc["entries"]],
                         [("dir", "dir", "directory", 0), ("file", "file", "blob", 5),
                          ("link", "link", "symlink", 4)])
        self.assertEqual(doc["entries"][2]["target"], "file")
        self.assertEqual(max(e["commit"] for e in doc["entries"]), doc["commit"])
        self.assertGreater(doc["entries"][1]["time_ns"], 1_600_000_000_000_000_000)

    def test_an_empty_listing_is_a_document_too(self):
        self.assertEqual(self.holog("ls", self.store).out, b"")
        self.assertEqual(self.holog("ls", self.store, "--json").json()["entries"], [])

    def test_a_blob_lists_itself(self):
        self.save("d/file", b"x", "-p")
        self.assertEqual(self.names("d/file"), ["file"])
        self.assertEqual(len(self.holog("ls", self.store, "d/file", "--json").json()["entries"]), 1)

    def test_a_link_to_a_directory_lists_it(self):
        self.save("d/file", b"x", "-p")
        self.holog("ln", self.store, "d", "link")
        self.assertEqual(self.names("link"), ["file"])

    def test_missing_is_told_and_prints_nothing(self):
        for options in ([], ["--json"], ["-l"], ["-r"]):
            done = self.holog("ls", self.store, "no/such", *options, status=FAILED)
            self.assertEqual(done.out, b"")
            self.assertIn("no/such", done.message)

    def test_stat(self):
        commit = self.save("v", b"abc", "--json").json()["commit"]
        doc = self.stat("v")
        self.assertEqual((doc["path"], doc["type"], doc["bytes"], doc["commit"]),
                         ("v", "blob", 3, commit))
        self.assertRegex(doc["hash"], r"^[0-9a-f]{32}$")
        self.assertEqual(doc["csum"], sum(b"abc") % 96)
        self.assertIn("segment", doc)
        self.assertIn("offset", doc)
        text = self.holog("stat", self.store, "v").text
        self.assertRegex(text, r"(?m)^type +blob$")
        self.holog("ln", self.store, "gone", "dangling")
        doc = self.stat("dangling")
        self.assertEqual((doc["type"], doc["target"], doc["target_type"]),
                         ("symlink", "gone", "missing"))
        done = self.holog("stat", self.store, "gone", status=FAILED)
        self.assertIn("gone: no such entry", done.message)


class Changes(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_mkdir(self):
        self.holog("mkdir", self.store, "a", "b")
        self.assertEqual(self.names(), ["a", "b"])
        self.holog("mkdir", self.store, "a", status=FAILED)
        self.holog("mkdir", self.store, "x/y", status=FAILED)
        self.holog("mkdir", "-p", self.store, "x/y", "a")
        self.assertEqual(self.names("-r"), ["a", "b", "x", "x/y"])
        self.save("file", b"x")
        self.holog("mkdir", "-p", self.store, "file", status=FAILED)
        self.holog("mkdir", "-p", self.store, "file/d", status=FAILED)

    def test_several_are_one_commit_or_none(self):
        before = self.holog("ls", self.store, "--json").json()["commit"]
        self.holog("mkdir", self.store, "a", "b", "no/c", status=FAILED)
        self.assertEqual(self.names(), [])
        doc = self.holog("mkdir", self.store, "a", "b", "--json").json()
        self.assertEqual(doc, {"store": self.store, "paths": ["a", "b"], "commit": before + 1})

    def test_rm(self):
        self.save("d/e/f", b"x", "-p")
        done = self.holog("rm", self.store, "d", status=FAILED)
        self.assertIn("rm -r", done.message)
        self.holog("rm", self.store, "nothing", status=FAILED)
        self.holog("rm", self.store, "d/e/f", "d/e")
        self.assertEqual(self.names("-r"), ["d"])
        self.save("d/e/f", b"x", "-p")
        self.save("g", b"x")
        self.holog("rm", "-r", self.store, "d")
        self.assertEqual(self.names("-r"), ["g"])
        self.holog("rm", "-r", self.store, "/")
        self.assertEqual(self.names("-r"), [])

    def test_rm_if_seq(self):
        number = self.save("v", b"x", "--json").json()["commit"]
        self.holog("rm", self.store, "v", "--if-seq", str(number + 5), status=FAILED)
        self.assertEqual(self.load("v"), b"x")
        self.holog("rm", self.store, "v", "--if-seq", str(number))
        self.missing("v")

    def test_rm_of_a_link_leaves_its_target(self):
        self.save("v", b"x")
        self.holog("ln", self.store, "v", "link")
        self.holog("rm", self.store, "link")
        self.assertEqual(self.names(), ["v"])

    def test_mv(self):
        self.save("d/v", b"x", "-p")
        self.holog("mv", self.store, "d", "e")
        self.assertEqual(self.names("-r"), ["e", "e/v"])
        self.save("w", b"y")
        self.holog("mv", self.store, "w", "e/v", status=FAILED)
        doc = self.holog("mv", self.store, "w", "e/v", "--replace", "--json").json()
        self.assertEqual((doc["from"], doc["to"]), ("w", "e/v"))
        self.assertEqual(self.load("e/v"), b"y")
        self.holog("mv", self.store, "e", "e/sub", status=FAILED)
        self.holog("mv", self.store, "nothing", "f", status=FAILED)
        self.holog("mv", self.store, "e/v", "no/dir", status=FAILED)
        self.holog("mv", self.store, "e/v", "new/dir", "--parents")
        self.assertEqual(self.load("new/dir"), b"y")

    def test_cp(self):
        self.save("d/v", b"x" * 100000, "-p")
        self.holog("cp", self.store, "d", "e")
        self.save("d/v", b"changed", "--replace")
        self.assertEqual(self.load("e/v"), b"x" * 100000)
        self.holog("cp", self.store, "d/v", "e/v", status=FAILED)
        self.holog("cp", self.store, "d/v", "e/v", "--replace", "-m", "over it")
        self.assertEqual(self.load("e/v"), b"changed")
        log = self.holog("log", self.store, "--json", "-n", "1").json()
        self.assertEqual(log["commits"][0]["message"], "over it")

    def test_ln(self):
        self.save("d/v", b"x", "-p")
        self.holog("ln", self.store, "v", "d/link")
        self.assertEqual(self.load("d/link"), b"x")
        self.assertEqual(self.stat("d/link")["target"], "v")
        self.holog("ln", self.store, "v", "d/link", status=FAILED)
        self.holog("ln", self.store, "link", "d/link", "--replace")
        done = self.holog("load", self.store, "d/link", status=FAILED)
        self.assertIn("d/link", done.message)

    def test_saving_onto_a_link_replaces_the_link(self):
        self.save("v", b"x")
        self.holog("ln", self.store, "v", "link")
        self.save("link", b"y", status=FAILED)
        self.save("link", b"y", "--replace")
        self.assertEqual((self.load("v"), self.load("link")), (b"x", b"y"))

    def test_a_component_that_is_no_directory(self):
        self.save("v", b"x")
        for args in (["save", "v/w"], ["load", "v/w"], ["ls", "v/w"], ["mkdir", "v/w"]):
            done = self.holog(args[0], self.store, *args[1:], input=b"", status=FAILED)
            self.assertIn("v/w", done.message)


if __name__ == "__main__":
    main()
