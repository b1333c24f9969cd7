"""ome and pyramid: images, plates and their levels; import --check."""

import json
import os
import shutil

from clitest import FAILED, USAGE, Case, main
from array_test import npy, numbers


class Ome(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def some_array(self, path="a", shape=(3, 70, 50)):
        count = 1
        for n in shape:
            count *= n
        with open(self.path("a.npy"), "wb") as f:
            f.write(npy("<u2", shape, numbers(count)))
        self.holog("save", "-p", self.store, path, self.path("a.npy"))

    def ome(self, path, *more):
        return json.loads(self.holog("ome", self.store, path, "--json", *more).text)

    def test_an_array_becomes_an_image(self):
        self.some_array()
        before = self.holog("load", "--raw", self.store, "a").out
        self.holog("pyramid", self.store, "a", "--axes", "cyx", "--scale", "0.325", "--unit", "micrometer",
                   "--levels", "4", "-m", "levels")
        self.assertEqual(self.holog("load", "--raw", self.store, "a/0").out, before)
        said = self.ome("a")
        self.assertEqual((said["kind"], said["dtype"], said["method"]), ("image", "uint16", "mean"))
        self.assertEqual([(a["name"], a["type"], a["unit"]) for a in said["axes"]],
                         [("c", "channel", None), ("y", "space", "micrometer"), ("x", "space", "micrometer")])
        self.assertEqual([level["shape"] for level in said["levels"]],
                         [[3, 70, 50], [3, 35, 25], [3, 18, 13], [3, 9, 7]])
        self.assertEqual(said["levels"][1]["scale"], [1, 0.65, 0.65])
        self.assertEqual(said["levels"][1]["translation"], [0, 0.1625, 0.1625])
        self.assertEqual(self.ome("a", "--check")["problems"], [])
        self.assertIn("levels", self.holog("log", self.store).text)

    def test_what_is_shown_of_an_image(self):
        self.some_array()
        self.holog("pyramid", self.store, "a", "--axes", "cyx", "--scale", "2,0.5", "--unit", "micrometer",
                   "--levels", "2")
        self.assertEqual(self.holog("ome", self.store, "a").text,
                         "a: image, uint16, 2 levels by mean\n"
                         "axes  c  3       channel\n"
                         "      y  70      space  2 micrometer\n"
                         "      x  50      space  0.5 micrometer\n"
                         "level 0  3 x 70 x 50, chunks of 1 x 70 x 50, scale 1 2 0.5\n"
                         "level 1  3 x 35 x 25, chunks of 1 x 35 x 25, scale 1 4 1\n")
        self.assertIn("must be", self.holog("ome", self.store, "a", "--check").text)
        self.assertIn("no metadata", self.holog("ome", self.store, status=FAILED).message)

    def test_levels_are_computed_again_and_others_take_their_place(self):
        self.some_array()
        self.holog("pyramid", self.store, "a", "--levels", "2", "--method", "nearest")
        first = self.holog("load", "--raw", self.store, "a/1").out
        self.holog("rm", "-r", self.store, "a/0")
        self.some_array("b", (3, 70, 50))
        self.holog("cp", self.store, "b", "a/0")
        self.assertIn("dimension_names", self.holog("ome", self.store, "a", "--check", status=FAILED).text)
        self.holog("pyramid", self.store, "a")
        self.assertEqual(self.holog("load", "--raw", self.store, "a/1").out, first)
        self.holog("pyramid", self.store, "a", "--levels", "3")
        said = self.ome("a")
        self.assertEqual((len(said["levels"]), said["method"]), (3, "nearest"))
        self.holog("pyramid", self.store, "a", "--halve-z", "--method", "mean", "--levels", "3")
        self.assertEqual([level["shape"][0] for level in self.ome("a")["levels"]], [3, 2, 1])

    def test_words_that_make_no_sense(self):
        self.some_array()
        for words in (["--levels", "0"], ["--levels", "65"], ["--method", "max"], ["--axes", "qyx"],
                      ["--axes", ""], ["--scale", "1"], ["--axes", "zyx", "--scale", "1,0,1"],
                      ["--axes", "zyx", "--scale", "1,2,3,4"], ["--axes", "zyx", "--scale", "a"],
                      ["--axes", "zyx", "--unit", "meter"]):
            self.holog("pyramid", self.store, "a", *words, status=USAGE)
        self.assertIn("space", self.holog("pyramid", self.store, "a", "--axes", "tcx", status=FAILED).message)
        self.assertIn("none", self.holog("pyramid", self.store, "none", status=FAILED).message)
        self.holog("mkdir", self.store, "d")
        self.assertIn("no image", self.holog("pyramid", self.store, "d", status=FAILED).message)
        self.assertEqual(json.loads(self.holog("stat", "--json", self.store, "a").text)["type"], "array")

    def plate(self):
        """A plate of one well, with an image of one level, as files of Zarr v3."""
        self.some_array("p/B/11/0", (1, 40, 40))
        self.holog("pyramid", self.store, "p/B/11/0", "--axes", "cyx", "--levels", "1")
        self.holog("export", self.store, "p", self.path("p.zarr"))
        self.holog("rm", "-r", self.store, "p")
        rows = [{"name": name} for name in ("A", "B", "AA")]
        columns = [{"name": str(i + 1)} for i in range(12)]
        self.group("p.zarr", {"plate": {"name": "some plate", "rows": rows, "columns": columns,
                                        "wells": [{"path": "B/11", "rowIndex": 1, "columnIndex": 10}]}})
        self.group("p.zarr/B/11", {"well": {"images": [{"path": "0"}]}})

    def group(self, folder, ome):
        with open(self.path(folder, "zarr.json"), "w", encoding="utf-8") as f:
            json.dump({"zarr_format": 3, "node_type": "group",
                       "attributes": {"ome": {"version": "0.5", **ome}}}, f)

    def test_a_plate_is_imported_if_it_is_right_and_drawn(self):
        self.plate()
        self.holog("import", self.store, "p", self.path("p.zarr"), "--check")
        self.assertEqual(self.holog("ome", self.store, "p").text,
                         "some plate: plate of 3 x 12, 1 well, 0 acquisitions\n"
                         "                      1 1 1\n"
                         "    1 2 3 4 5 6 7 8 9 0 1 2\n"
                         " A  . . . . . . . . . . . .\n"
                         " B  . . . . . . . . . . # .\n"
                         "AA  . . . . . . . . . . . .\n")
        self.assertEqual(self.ome("p")["wells"], ["B/11"])
        self.assertEqual(self.ome("p/B/11")["fields"], ["0"])
        self.assertIn("fields  0", self.holog("ome", self.store, "p/B/11").text)
        shutil.rmtree(self.path("p.zarr/B/11/0/0"))
        done = self.holog("import", self.store, "q", self.path("p.zarr"), "--check", status=FAILED)
        self.assertIn("B/11/0", done.message)
        self.assertNotIn("q", self.holog("ls", self.store).text.split())
        self.holog("import", self.store, "q", self.path("p.zarr"))
        said = json.loads(self.holog("ome", self.store, "q", "--check", "--json", status=FAILED).text)
        self.assertEqual([p["path"] for p in said["problems"]], ["q/B/11/0"])

    def test_version_2_is_0_4_and_comes_back_as_0_5(self):
        self.some_array()
        self.holog("pyramid", self.store, "a", "--axes", "zyx", "--levels", "2")
        self.holog("export", self.store, "a", self.path("two.zarr"), "--format", "zarr2")
        with open(self.path("two.zarr/.zattrs"), encoding="utf-8") as f:
            said = json.load(f)
        self.assertNotIn("ome", said)
        self.assertEqual(said["multiscales"][0]["version"], "0.4")
        os.remove(self.path("two.zarr/1/.zattrs"))  # no names of axes
        self.holog("import", self.store, "b", self.path("two.zarr"), "--check")
        a, b = self.ome("a"), self.ome("b")
        self.assertEqual({**a, "path": "b", "commit": b["commit"]}, b)


if __name__ == "__main__":
    main()
