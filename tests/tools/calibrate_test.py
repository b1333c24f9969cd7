"""calibrate: what is measured, told and stored, and what later commands make of it."""

import json
import os
import subprocess

from array_test import npy, numbers
from clitest import BIN, FAILED, TIMEOUT_S, USAGE, Case, main


class Calibrate(Case):
    def stored(self):
        with open(os.path.join(self.store, "calibration.json"), encoding="utf-8") as f:
            return json.load(f)

    def info(self, **env):
        done = subprocess.run([BIN, "info", self.store, "--json"], capture_output=True,
                              env={**os.environ, **env}, timeout=TIMEOUT_S, check=True)
        return json.loads(done.stdout)["info"]

    def test_what_is_chosen_is_what_is_stored_and_used(self):
        self.init()
        doc = self.holog("calibrate", self.store, "--json").json()
        way = [f for f in doc["io"] if f["chosen"]]
        codec = [f for f in doc["codecs"] if f["chosen"]]
        self.assertEqual((len(way), len(codec), doc["stored"]), (1, 1, True))
        kept = self.stored()
        self.assertEqual((kept["io"], kept["direct"]), (way[0]["io"], way[0]["direct"]))
        self.assertEqual((kept["codec"], kept["level"]), (codec[0]["codec"], codec[0]["level"]))
        info = self.info()
        self.assertEqual((info["calibration"], info["io"]), ("used", kept["io"]))
        self.assertEqual(self.info(HOLOG_CALIBRATION="off")["calibration"], "off")
        self.save("a", b"value")
        self.assertEqual(self.load("a"), b"value")
        self.assertEqual(self.holog("verify", self.store).text, "sound\n")

    def test_a_directory_is_calibrated_before_it_is_a_store(self):
        os.mkdir(self.store)
        self.assertIn("* ", self.holog("calibrate", self.store).text)
        self.init()
        self.assertEqual(self.info()["calibration"], "used")

    def test_a_dry_run_stores_nothing(self):
        self.init()
        self.assertIn("not stored", self.holog("calibrate", self.store, "--dry-run").text)
        self.assertEqual(self.info()["calibration"], "none")

    def test_codecs_are_tried_on_a_file_or_a_path_of_the_store(self):
        self.init()
        with open(self.path("zeros"), "wb") as f:
            f.write(bytes(200000))
        with open(self.path("a.npy"), "wb") as f:
            f.write(npy("<u2", (3, 40, 50), numbers(6000)))
        self.holog("save", self.store, "a", "a.npy")
        self.save("v", b"x" * 5000)
        for name, size in (("zeros", 200000), ("a", 12000), ("v", 5000)):
            doc = self.holog("calibrate", self.store, "--dry-run", "--json", "--sample", name).json()
            self.assertEqual(doc["sample_bytes"], size, name)
            self.assertEqual(doc["codecs"][0]["stored_bytes"], size)
        self.assertIn("none", self.holog("calibrate", self.store, "--sample", "none",
                                         status=FAILED).message)
        self.save("empty", b"")
        self.assertIn("nothing", self.holog("calibrate", self.store, "--sample", "empty",
                                            status=FAILED).message)

    def test_what_makes_no_sense_is_refused(self):
        self.assertIn("nowhere", self.holog("calibrate", self.path("nowhere"), status=FAILED).message)
        self.holog("calibrate", status=USAGE)
        with open(self.path("file"), "wb"):
            pass
        for place, why in ((self.path("file"), "Not a directory"), (self.path("nowhere"), "No such file"),
                           ("/proc", "calibration.tmp")):
            said = self.holog("calibrate", place, status=FAILED).message
            self.assertIn(f"{place}: to measure takes a directory that may be written", said)
            self.assertIn(why, said)
        self.init()
        done = subprocess.run([BIN, "info", self.store], capture_output=True, check=False,
                              env={**os.environ, "HOLOG_CALIBRATION": "maybe"}, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"HOLOG_CALIBRATION", done.stderr)


if __name__ == "__main__":
    main()
