"""save and load: what goes in comes out, whatever its size and name; a failure leaves nothing."""

import hashlib
import os
import random
import resource
import signal
import stat
import subprocess
import time

from clitest import BIN, DAMAGE, FAILED, USAGE, Case, main

MIB = 1 << 20


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


class Values(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_a_file_in_the_store_is_not_written_over(self):
        self.save("a", b"precious")
        for name in ("SUPER", "seg/00000001.hlog", "new"):
            place = os.path.join(self.store, name)
            self.holog("load", self.store, "a", "-o", place, status=FAILED)
            self.holog("export", self.store, "/", place, status=FAILED)
        self.holog("verify", self.store)
        self.assertEqual(self.load("a"), b"precious")

    def test_every_size_comes_back(self):
        for n in (0, 1, 255, 4096, 65535, 65536, 65537, MIB, 3 * MIB + 1):
            value = noise(n, n)
            self.save(f"v{n}", value)
            self.assertEqual(self.load(f"v{n}"), value, n)
            doc = self.stat(f"v{n}")
            self.assertEqual((doc["type"], doc["bytes"]), ("blob", n))
            self.assertEqual(doc["csum"], sum(value) % 96)

    def test_sizes_about_what_is_streamed(self):
        for n in (16 * MIB - 1, 16 * MIB, 16 * MIB + 1):
            value = noise(n, n)
            doc = self.save(f"v{n}", value, "--json").json()
            self.assertEqual(doc["bytes"], n)
            self.assertEqual(self.load(f"v{n}"), value, n)

    def test_twenty_mebibytes_through_a_pipe(self):
        value = noise(20 * MIB)
        writer = subprocess.Popen([BIN, "save", self.store, "big", "-"], stdin=subprocess.PIPE)
        for at in range(0, len(value), 123457):
            writer.stdin.write(value[at:at + 123457])
        writer.stdin.close()
        self.assertEqual(writer.wait(), 0)
        reader = subprocess.Popen([BIN, "load", self.store, "big"], stdout=subprocess.PIPE)
        digest = hashlib.sha256()
        while piece := reader.stdout.read(65536):
            digest.update(piece)
        reader.stdout.close()
        self.assertEqual(reader.wait(), 0)
        self.assertEqual(digest.digest(), hashlib.sha256(value).digest())
        self.assertEqual(self.stat("big")["bytes"], len(value))

    def test_a_file_is_saved_by_name(self):
        for n in (10, 17 * MIB):
            with open(self.path("in"), "wb") as f:
                f.write(noise(n))
            self.holog("save", self.store, f"f{n}", "in")
            self.holog("load", self.store, f"f{n}", "-o", "out")
            with open(self.path("out"), "rb") as f:
                self.assertEqual(f.read(), noise(n))

    def test_a_streamed_value_replaces(self):
        self.save("v", b"old")
        self.save("v", noise(17 * MIB), status=FAILED)
        self.assertEqual(self.load("v"), b"old")
        self.save("v", noise(17 * MIB), "--replace")
        self.assertEqual(self.load("v"), noise(17 * MIB))
        self.save("a/b/v", noise(17 * MIB), "--parents")
        self.assertEqual(self.stat("a/b/v")["bytes"], 17 * MIB)

    def test_a_large_value_takes_message_and_precondition(self):
        number = self.save("v", b"old", "--json").json()["commit"]
        self.save("v", noise(17 * MIB), "--if-seq", str(number), "-m", "large")
        self.assertEqual(self.load("v"), noise(17 * MIB))
        log = self.holog("log", self.store, "--json", "-n1").json()
        self.assertEqual(log["commits"][0]["message"], "large")

    def test_saving_twice_needs_replace(self):
        first = self.save("v", b"one", "--json").json()["commit"]
        done = self.save("v", b"two", status=FAILED)
        self.assertIn("v", done.message)
        self.assertIn("--replace", done.message)
        self.assertEqual(self.load("v"), b"one")
        second = self.save("v", b"two", "--replace", "--json").json()["commit"]
        self.assertGreater(second, first)
        self.assertEqual(self.load("v"), b"two")

    def test_a_missing_parent_needs_parents(self):
        done = self.save("a/b/v", b"x", status=FAILED)
        self.assertIn("a/b/v", done.message)
        self.missing("a")
        self.save("a/b/v", b"x", "--parents")
        self.assertEqual(self.load("a/b/v"), b"x")

    def test_if_seq_saves_only_over_what_was_seen(self):
        self.save("v", b"1", "--if-seq", "0")
        self.save("v", b"2", "--if-seq", "0", status=FAILED)
        number = self.stat("v")["commit"]
        self.save("v", b"3", "--if-seq", str(number))
        done = self.save("v", b"4", "--if-seq", str(number), status=FAILED)
        self.assertIn("v", done.message)
        self.assertEqual(self.load("v"), b"3")

    def test_a_missing_file_saves_nothing(self):
        done = self.holog("save", self.store, "v", "nowhere", status=FAILED)
        self.assertIn("nowhere: No such file", done.message)
        done = self.holog("save", self.store, "v", self.dir, status=FAILED)
        self.assertIn("Is a directory", done.message)
        self.missing("v")


class Names(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_odd_names_come_back(self):
        names = ["with space", "new\nline", "tab\there", "Größe μm", "日本語", "-dash", "quote\"'",
                 "back\\slash", "\x1b[31mred", "*?[a]", "e\u0301", "x" * 255, "…"]
        for name in names:
            self.holog("save", self.store, "--", name, input=name.encode())
        for name in names:
            self.assertEqual(self.holog("load", self.store, "--", name).out, name.encode())
        self.assertEqual(sorted(self.names()), sorted(names))
        doc = self.holog("ls", self.store, "--json").json()
        self.assertEqual(sorted(e["name"] for e in doc["entries"]), sorted(names))

    def test_paths_are_brought_into_one_form(self):
        self.save("/a//b/./c/", b"x", "--parents")
        self.assertEqual(self.load("a/b/c"), b"x")
        self.assertEqual(self.names("-r"), ["a", "a/b", "a/b/c"])

    def test_bad_paths_are_refused(self):
        for bad in ("..", "a/../b", "", "x" * 256, "a/" * 65 + "a", "/".join(["y" * 200] * 30)):
            for verb in ("save", "load", "stat", "mkdir", "rm"):
                done = self.holog(verb, self.store, bad, input=b"x", status=FAILED)
                self.assertNotIn("internal", done.message)
        self.assertEqual(self.names(), [])

    def test_a_path_that_is_not_utf8_is_refused(self):
        done = subprocess.run([BIN, "save", self.store, b"bad\xff\xfe"], input=b"x",
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"bad\\xff\\xfe", done.stderr)

    def test_the_longest_path_works(self):
        path = "/".join(["d" * 63] * 63 + ["e" * 64])
        self.assertEqual(len(path), 4096)
        self.save(path, b"deep", "-p")
        self.assertEqual(self.load(path), b"deep")
        self.assertEqual(self.names("-r")[-1], path)


class Loads(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_ranges(self):
        value = noise(200000)
        self.save("v", value)
        for off, n in ((0, 1), (65535, 2), (65536, 65536), (1, 199998), (199999, 1), (200000, 5)):
            self.assertEqual(self.load("v", "--range", f"{off}:{n}"), value[off:off + n], (off, n))
        self.assertEqual(self.load("v", "--range", "100000:"), value[100000:])
        self.assertEqual(self.load("v", "--range", "64K:1K"), value[65536:66560])
        self.assertEqual(self.load("v", "--range", "199990:999"), value[199990:])
        self.assertEqual(self.load("v", "--range", "7:0"), b"")
        self.load("v", "--range", "200001:1", status=FAILED)

    def test_a_range_of_a_large_value(self):
        value = noise(20 * MIB)
        self.save("v", value)
        at = 4 * MIB - 5
        self.assertEqual(self.load("v", "--range", f"{at}:10"), value[at:at + 10])
        self.assertEqual(self.load("v", "--range", f"{at}:9M"), value[at:at + 9 * MIB])

    def test_what_is_missing_or_no_blob_is_told(self):
        self.holog("mkdir", self.store, "d")
        self.assertIn("nothing", self.holog("load", self.store, "nothing", status=FAILED).message)
        self.assertIn("director", self.holog("load", self.store, "d", status=FAILED).message)

    def test_a_link_is_followed(self):
        self.save("v", noise(5 * MIB))
        self.holog("ln", self.store, "v", "link")
        self.assertEqual(self.load("link"), noise(5 * MIB))
        self.holog("ln", self.store, "nowhere", "dangling")
        self.load("dangling", status=FAILED)

    def test_a_failed_load_leaves_what_was_there(self):
        with open(self.path("out"), "wb") as f:
            f.write(b"precious")
        self.holog("load", self.store, "nothing", "-o", "out", status=FAILED)
        with open(self.path("out"), "rb") as f:
            self.assertEqual(f.read(), b"precious")
        self.holog("load", self.store, "nothing", "-o", "new", status=FAILED)
        self.assertEqual(sorted(os.listdir(self.dir)), ["out", "s.holog"])

    def test_a_load_of_damaged_bytes_leaves_no_file(self):
        value = noise(20 * MIB)
        self.save("v", value)
        self.flip(value[15 * MIB:15 * MIB + 64], ".hext")
        done = self.holog("load", self.store, "v", "-o", "out", status=DAMAGE)
        self.assertRegex(done.message, r"segment \d+.*offset \d+")
        self.assertEqual(os.listdir(self.dir), ["s.holog"])
        self.assertEqual(self.load("v", "--range", "1M:1M"), value[MIB:2 * MIB])

    def test_an_interrupted_load_leaves_no_file(self):
        self.save("v", noise(20 * MIB))
        os.mkfifo(self.path("fifo"))
        # A fifo in the place of the file would be written in place: interrupt a file's load by
        # stopping it first, so that the signal is there before the end is.
        process = subprocess.Popen([BIN, "load", self.store, "v", "-o", "out"], cwd=self.dir,
                                   stderr=subprocess.PIPE)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        process.communicate()
        self.assertIn(process.returncode, (0, FAILED, -signal.SIGTERM))
        left = set(os.listdir(self.dir)) - {"s.holog", "fifo"}
        self.assertIn(left, (set(), {"out"}))
        if left:
            self.assertEqual(os.path.getsize(self.path("out")), 20 * MIB)

    def test_the_file_keeps_its_mode_and_links_stay(self):
        self.save("v", b"new")
        with open(self.path("real"), "wb") as f:
            f.write(b"old")
        os.chmod(self.path("real"), 0o640)
        os.symlink("real", self.path("link"))
        self.holog("load", self.store, "v", "-o", "link")
        self.assertTrue(os.path.islink(self.path("link")))
        with open(self.path("real"), "rb") as f:
            self.assertEqual(f.read(), b"new")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("real")).st_mode), 0o640)

    def test_a_link_to_nothing_is_refused(self):
        self.save("v", b"new")
        os.symlink("nothing", self.path("link"))
        done = self.holog("load", self.store, "v", "-o", "link", status=FAILED)
        self.assertIn("symlink", done.message)
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertFalse(os.path.exists(self.path("nothing")))

    def test_a_limit_of_file_size_is_an_error_and_kills_nobody(self):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, before[1]))
        try:
            done = self.save("v", noise(3 * MIB), status=FAILED)
            self.assertIn("ulimit -f", done.message)
            self.save("small", b"x")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.assertEqual(self.load("small"), b"x")
        self.save("v", noise(3 * MIB))

    def test_a_device_is_written_in_place(self):
        self.save("v", b"x")
        self.holog("load", self.store, "v", "-o", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        self.holog("load", self.store, "v", "-o", "/dev/full", status=FAILED)
        self.assertEqual(self.holog("load", self.store, "v", "-o", "-").out, b"x")

    def test_a_directory_as_output_is_refused(self):
        self.save("v", b"x")
        done = self.holog("load", self.store, "v", "-o", self.dir, status=FAILED)
        self.assertIn("Is a directory", done.message)

    def test_range_with_nonsense_is_usage(self):
        self.holog("load", self.store, "v", "--range", "a:b", status=USAGE)


if __name__ == "__main__":
    main()
