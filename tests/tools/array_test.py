"""save, load and stat of arrays: files of other programs in, files of other programs out."""

import os
import struct
import unittest

from clitest import FAILED, USAGE, Case, main


def npy(descr, shape, data, fortran=False):
    """A file as numpy.save writes it."""
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape!r}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def numbers(count, form="<H"):
    return b"".join(struct.pack(form, i * 7 % 65521) for i in range(count))


class Arrays(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def file(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def save_file(self, path, name, data, *options, status=0):
        return self.holog("save", *options, self.store, path, self.file(name, data), status=status)

    def elements(self, path):
        return self.load(path, "--raw")

    def test_an_npy_file_becomes_an_array_and_a_file_again(self):
        data = numbers(6 * 50 * 70)
        self.save_file("a", "a.npy", npy("<u2", (6, 50, 70), data))
        doc = self.stat("a")
        self.assertEqual((doc["type"], doc["dtype"], doc["shape"], doc["chunk_shape"], doc["bytes"]),
                         ("array", "uint16", [6, 50, 70], [1, 50, 70], 42000))
        self.assertEqual(self.elements("a"), data)
        self.load("a", "-o", self.path("b.npy"))
        with open(self.path("b.npy"), "rb") as f:
            back = f.read()
        self.assertEqual(back[-len(data):], data)
        self.save_file("c", "b.npy", back)
        self.assertEqual(self.elements("c"), data)

    def test_a_long_listing_says_how_large_an_array_is_and_what(self):
        self.save_file("d/a", "a.npy", npy("<u2", (6, 50, 70), numbers(6 * 50 * 70)), "-p")
        line = self.holog("ls", "-l", self.store, "d").text.split()
        self.assertEqual((line[0], line[1]), ("a", "42000"))
        self.assertEqual(" ".join(line[4:]), "a uint16 (6, 50, 70)")
        entry = self.holog("ls", "-l", "--json", self.store, "d").json()["entries"][0]
        self.assertEqual((entry["bytes"], entry["shape"]), (42000, [6, 50, 70]))

    def test_big_endian_and_fortran_order_are_turned_round(self):
        want = numbers(12)
        self.save_file("b", "b.npy", npy(">u2", (3, 4), numbers(12, ">H")))
        self.assertEqual(self.elements("b"), want)
        columns = b"".join(want[2 * (4 * y + x):2 * (4 * y + x) + 2]
                           for x in range(4) for y in range(3))
        self.save_file("f", "f.npy", npy("<u2", (3, 4), columns, fortran=True))
        self.assertEqual(self.elements("f"), want)

    def test_no_axes_and_no_elements(self):
        self.save_file("one", "one.npy", npy("<f8", (), struct.pack("<d", 1.5)))
        self.assertEqual(self.elements("one"), struct.pack("<d", 1.5))
        self.save_file("none", "none.npy", npy("<f8", (0, 5), b""))
        self.assertEqual(self.elements("none"), b"")
        self.assertEqual(self.stat("none")["shape"], [0, 5])

    def test_blob_keeps_the_file_as_it_is(self):
        file = npy("<u2", (3, 4), numbers(12))
        self.save_file("b", "b.npy", file, "--blob")
        self.assertEqual(self.stat("b")["type"], "blob")
        self.assertEqual(self.load("b"), file)

    def test_a_damaged_file_saves_nothing_and_says_what_to_do(self):
        file = npy("<u2", (3, 4), numbers(12))
        for bad in (file[:-1], file + b"x", b"x" + file[1:], file[:20]):
            done = self.save_file("b", "b.npy", bad, status=FAILED)
            self.assertIn("--blob", done.message)
            self.missing("b")
        self.save_file("b", "b.npy", b"", status=FAILED)
        done = self.holog("save", self.store, "b", self.path("missing.npy"), status=FAILED)
        self.assertIn("missing.npy", done.message)

    def test_replace_parents_and_if_seq_are_as_for_blobs(self):
        file = npy("<u2", (3, 4), numbers(12))
        other = npy("|u1", (2,), b"\x01\x02")
        self.save_file("d/b", "b.npy", file, status=FAILED)
        self.save_file("d/b", "b.npy", file, "--parents")
        self.save_file("d/b", "c.npy", other, status=FAILED)
        self.assertEqual(self.elements("d/b"), numbers(12))
        self.save_file("d/b", "c.npy", other, "--replace")
        self.assertEqual(self.elements("d/b"), b"\x01\x02")
        self.assertEqual(self.load("d/b", "--raw", "--at", "1"), numbers(12))

    def test_where_an_array_goes_must_be_said(self):
        self.save_file("a", "a.npy", npy("<u2", (3, 4), numbers(12)))
        done = self.holog("load", self.store, "a", status=FAILED)
        self.assertIn("-o FILE.npy", done.message)
        done = self.holog("load", self.store, "a", "-o", self.path("x.csv"), status=FAILED)
        self.assertIn("-o FILE.npy", done.message)
        self.assertFalse(os.path.exists(self.path("x.csv")))
        self.holog("load", self.store, "a", "--range", "0:4", "-o", self.path("x.npy"), status=USAGE)

    def preview_of(self, path, n, *options):
        self.load(path, "-o", self.path("p.npy"), "--preview", str(n), *options)
        with open(self.path("p.npy"), "rb") as f:
            file = f.read()
        return file[:128].decode("latin-1"), file[128:]

    def test_a_preview_has_means_of_pairs_and_its_own_shape(self):
        pixels = [[(y * 31 + x * 17) % 997 for x in range(70)] for y in range(51)]
        self.save_file("d/a", "a.npy", npy("<u2", (51, 70), b"".join(
            struct.pack("<70H", *row) for row in pixels)), "-p")
        want = pixels
        for n in (2, 4, 8, 16, 32, 64, 128):
            rows = [[(row[x] + row[x + 1]) // 2 if x + 1 < len(row) else row[x]
                     for x in range(0, len(row), 2)] for row in want]
            want = [[-(-(a + b) // 2) for a, b in zip(rows[y], rows[y + 1])] if y + 1 < len(rows)
                    else rows[y] for y in range(0, len(rows), 2)]
            header, data = self.preview_of("d/a", n)
            self.assertIn(f"({len(want)}, {len(want[0])})", header)
            self.assertEqual(data, b"".join(struct.pack(f"<{len(row)}H", *row) for row in want))
            self.assertEqual(self.load("d/a", "--raw", "--preview", str(n)), data)
        self.assertEqual(self.load("d/a", "--raw", "--preview", "1"), self.elements("d/a"))

    def test_a_preview_of_a_compressed_array_is_near_that_and_of_the_state_asked_for(self):
        data = b"".join(struct.pack("<H", 1000 + y + x) for y in range(512) for x in range(512))
        self.save_file("a", "a.npy", npy("<u2", (512, 512), data))
        header, hot = self.preview_of("a", 4)
        self.save_file("a", "b.npy", npy("<u2", (2, 2), bytes(8)), "--replace")
        self.holog("compact", self.store, "--all")
        again, cold = self.preview_of("a", 4, "--at", "1")
        self.assertIn("(128, 128)", header)
        self.assertEqual(header, again)
        for a, b in zip(struct.unpack("<16384H", hot), struct.unpack("<16384H", cold)):
            self.assertLess(abs(a - b), 5)
        self.assertEqual(self.preview_of("a", 2)[1], bytes(2))

    def test_a_preview_of_what_has_none_is_refused(self):
        self.save_file("a", "a.npy", npy("<u2", (3, 4), numbers(12)))
        self.save_file("v", "v.npy", npy("|V3", (4,), bytes(12)))
        self.save_file("b", "b.txt", b"text")
        for n in ("0", "3", "129", "256", "18446744073709551617", "-2", "1/2", "two", ""):
            done = self.holog("load", self.store, "a", "--preview", n, "-o", self.path("x.npy"),
                              status=USAGE)
            self.assertIn("--preview", done.message)
        done = self.holog("load", self.store, "b", "--preview", "2", status=USAGE)
        self.assertIn("b is no array", done.message)
        done = self.holog("load", self.store, "v", "--preview", "2", "-o", self.path("x.npy"),
                          status=FAILED)
        self.assertIn("no mean", done.message)
        self.assertFalse(os.path.exists(self.path("x.npy")))

    @unittest.skipUnless(os.environ.get("HOLOG_HAVE_TIFF") == "1",
                         "the TIFF plug-in was not built: libtiff is missing")
    def test_a_preview_as_a_tiff_file(self):
        self.save_file("a", "a.npy", npy("<u2", (6, 50, 70), numbers(6 * 50 * 70)))
        self.load("a", "-o", self.path("a.tif"), "--preview", "4")
        self.holog("save", self.store, "b", self.path("a.tif"))
        self.assertEqual(self.stat("b")["shape"], [6, 13, 18])
        self.assertEqual(self.elements("b"), self.load("a", "--raw", "--preview", "4"))

    @unittest.skipUnless(os.environ.get("HOLOG_HAVE_TIFF") == "1",
                         "the TIFF plug-in was not built: libtiff is missing")
    def test_a_tiff_file_there_and_back(self):
        data = numbers(6 * 50 * 70)
        self.save_file("a", "a.npy", npy("<u2", (6, 50, 70), data))
        self.load("a", "-o", self.path("a.tif"))
        self.holog("save", self.store, "b", self.path("a.tif"))
        self.assertEqual(self.stat("b")["shape"], [6, 50, 70])
        self.assertEqual(self.elements("b"), data)

    def test_without_the_plugin_tiff_says_what_is_missing(self):
        os.environ["HOLOG_PLUGIN_PATH"] = "/nowhere"
        self.addCleanup(os.environ.pop, "HOLOG_PLUGIN_PATH")
        done = self.save_file("a", "a.tif", b"II*\0" + bytes(100), status=FAILED)
        self.assertIn("libtiff", done.message)

    def test_a_damaged_chunk_is_told_and_no_file_appears(self):
        hay = b"needle in a haystack" * 5000
        self.save_file("a", "a.npy", npy("|u1", (4, 25000), hay))
        self.flip(b"needle in a haystack" * 2, ".hext")
        done = self.holog("load", self.store, "a", "-o", self.path("b.npy"), status=None)
        self.assertEqual(done.status, 3)
        self.assertIn("a/c/", done.message)
        self.assertFalse(os.path.exists(self.path("b.npy")))

    def test_a_copy_of_an_array_and_its_removal(self):
        self.save_file("a", "a.npy", npy("<u2", (3, 4), numbers(12)))
        self.holog("cp", self.store, "a", "b")
        self.holog("rm", self.store, "a")
        self.assertEqual(self.elements("b"), numbers(12))
        self.missing("a")


if __name__ == "__main__":
    main()
