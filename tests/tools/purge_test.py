"""rm --purge and compact --purge: what is deleted is in no file of the store afterwards."""

import os
import random
import struct
import unittest

from clitest import FAILED, USAGE, Case, main

os.environ["HOLOG_COMPACTION"] = "off"  # but for what is asked for here


def noise(seed, size):
    return random.Random(seed).randbytes(size)


class Purge(Case):

    def setUp(self):
        super().setUp()
        self.init("--segment-size", "64K", "--extent-segment-size", "1M", "--inline-max", "8K")
        self.values = {f"{d}/{i}": noise(f"{d}{i}", 90000 if i % 2 else 600)
                       for d in ("keep", "patient") for i in range(8)}
        for path, data in self.values.items():
            self.save(path, data, "--parents")

    def in_files(self, data):
        """How many files have some of it; noise that is compressed stands there as it is."""
        found = 0
        for folder, _, names in os.walk(self.store):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    content = f.read()
                found += any(data[at:at + 24] in content for at in (16, len(data) // 2, len(data) - 40))
        return found

    def gone(self, what):
        for path, data in self.values.items():
            if path.startswith(what):
                self.assertEqual(self.in_files(data), 0, path)
            else:
                self.assertEqual(self.load(path), data, path)
        self.holog("verify", self.store)

    def test_rm_leaves_no_byte(self):
        done = self.holog("rm", "-r", "--purge", "--forget", self.store, "patient", "--json").json()
        self.assertGreater(done["segments_removed"], 1)
        self.assertEqual(done["paths"], ["patient"])
        self.gone("patient")
        self.assertEqual(len(self.holog("log", self.store, "--json").json()["commits"]), 1)

    def test_what_would_stay_is_refused_and_nothing_is_deleted(self):
        done = self.holog("rm", "-r", "--purge", self.store, "patient", status=FAILED)
        self.assertIn("it would stay in the history of the store", done.message)
        self.assertIn("--forget", done.message)
        self.holog("tag", self.store, "run1")
        done = self.holog("rm", "-r", "--purge", "--forget", self.store, "patient", status=FAILED)
        self.assertIn(f"holog tag {self.store} --delete run1", done.message)
        self.assertEqual(self.load("patient/1"), self.values["patient/1"])
        self.holog("tag", self.store, "--delete", "run1")
        self.holog("rm", "-r", "--purge", "--forget", self.store, "patient")
        self.gone("patient")

    def test_nor_is_what_stays_under_another_path(self):
        self.holog("tag", self.store, "before")
        self.holog("mv", self.store, "patient", "moved")
        done = self.holog("rm", "-r", "--purge", "--forget", self.store, "moved", status=FAILED)
        self.assertRegex(done.message, 'moved: tag "before" holds it, as patient')
        self.holog("tag", self.store, "--delete", "before")
        self.holog("tag", self.store, "older")
        self.save("moved/1", noise("newer", 700), "--replace")
        self.holog("ln", self.store, "moved", "link")
        done = self.holog("rm", "--purge", "--forget", self.store, "link/1", status=FAILED)
        self.assertIn('moved/1: tag "older" holds it', done.message)
        self.holog("tag", self.store, "--delete", "older")
        self.holog("cp", self.store, "moved/1", "keep/copy")
        done = self.holog("rm", "--purge", "--forget", self.store, "link/1", status=FAILED)
        self.assertIn("link/1: keep/copy is a copy that shares its bytes", done.message)
        done = self.holog("rm", "--purge", "--forget", self.store, "link/1", "keep/copy")
        self.assertRegex(done.text, "^purged: [0-9]+ segments, .*, gone; what lives in them takes ")
        self.assertEqual(self.in_files(self.values["patient/1"]), 0)
        self.assertEqual(self.load("moved/3"), self.values["patient/3"])

    def test_nor_are_arrays_and_groups(self):
        data = noise("array", 200000)
        file = self.path("image.npy")
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (200, 1000), }"
        with open(file, "wb") as f:
            f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)
        self.holog("save", self.store, "study/image", file, "--parents")
        self.holog("tag", self.store, "before")
        self.holog("mv", self.store, "study", "moved")
        done = self.holog("rm", "-r", "--purge", "--forget", self.store, "moved/image", status=FAILED)
        self.assertIn('moved/image: tag "before" holds it, as study/image', done.message)
        self.holog("tag", self.store, "--delete", "before")
        self.holog("cp", self.store, "moved", "keep/other")
        done = self.holog("rm", "-r", "--purge", "--forget", self.store, "moved", status=FAILED)
        self.assertIn("moved: keep/other is a copy", done.message)
        self.assertGreater(self.in_files(data), 0)
        self.holog("rm", "-r", "--purge", "--forget", self.store, "moved", "keep/other")
        self.assertEqual(self.in_files(data), 0)
        self.holog("verify", self.store)

    def test_a_tag_without_it_is_in_nobodys_way(self):
        self.holog("rm", "-r", self.store, "patient")
        self.holog("tag", self.store, "after")
        self.save("patient", noise("again", 700))
        self.holog("rm", "--purge", "--forget", self.store, "patient")
        self.assertEqual(self.in_files(noise("again", 700)), 0)
        self.gone("patient")
        self.assertEqual(self.holog("load", self.store, "keep/1", "--at", "after").out,
                         self.values["keep/1"])

    def test_without_history_there_is_nothing_to_agree_to(self):
        self.holog("config", self.store, "retention.commits=1")
        self.holog("rm", "-r", "--purge", self.store, "patient")
        self.gone("patient")

    def test_what_was_deleted_before_is_purged_by_compact(self):
        self.holog("rm", "-r", self.store, "patient")
        self.holog("gc", self.store, "--keep", "1")
        self.assertGreater(self.in_files(self.values["patient/1"]), 0)
        done = self.holog("compact", "--purge", self.store, "--json").json()
        self.assertTrue(done["purge"])
        self.assertGreater(done["segments_removed"], 1)
        self.gone("patient")

    def test_copies_in_quarantine_are_mentioned(self):
        with open(os.path.join(self.store, "quarantine", "00000001-4096.bin"), "wb") as f:
            f.write(b"x")
        done = self.holog("rm", "-r", "--purge", "--forget", self.store, "patient")
        self.assertIn("quarantine has 1 copy of damaged bytes", done.message)

    def test_options(self):
        self.holog("rm", "--forget", self.store, "keep/1", status=USAGE)
        self.holog("compact", "--purge", "--all", self.store, status=USAGE)
        self.holog("compact", "--purge", "--dry-run", self.store, status=USAGE)


if __name__ == "__main__":
    main()
