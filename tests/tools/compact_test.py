"""compact, and what statistics say of the space: on stores that are mostly garbage."""

import base64
import contextlib
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import time

from clitest import BIN, DAMAGE, DONE, FAILED, TIMEOUT_S, USAGE, Case, main

KIB = 1024
GENERATIONS, VALUES = 5, 12


def bytes_of(seed, size):
    """The same for a seed; half of it can be compressed."""
    noise = random.Random(seed).randbytes(size // 2)
    return noise + b"plates and wells" * ((size - len(noise)) // 16 + 1)


class Compacted(Case):
    """A store in which twelve values were saved again and again; the first stays each time."""

    def setUp(self):
        super().setUp()
        self.init("--segment-size", "64K", "--extent-segment-size", "1M", "--inline-max", "8K")
        self.holog("config", self.store, "retention.commits=1")
        self.want = {}

    def churn(self, generations=GENERATIONS):
        for g in range(generations):
            lines = []
            for i in range(VALUES):
                path = f"v{100 + g if i == 0 else i}"
                data = bytes_of(f"{g}/{i}", 150 * KIB + i * 1000)
                self.want[path] = hashlib.sha256(data).digest()
                lines.append(json.dumps({"op": "save", "path": path, "replace": True,
                                         "base64": base64.b64encode(data).decode()}))
            self.holog("batch", self.store, input="\n".join(lines).encode())
        self.holog("gc", self.store, "--keep", "1")

    def has_all(self):
        for path, want in self.want.items():
            self.assertEqual(hashlib.sha256(self.load(path)).digest(), want, path)
        self.holog("verify", self.store)

    def compact(self, *options):
        return self.holog("compact", self.store, *options, "--json").json()

    def file_bytes(self, *endings):
        return sum(os.path.getsize(name) for e in endings for name in self.segments(e))

    @contextlib.contextmanager
    def reader(self):
        """Another process that has the store open for reading, while this lasts."""
        with subprocess.Popen([BIN, "ls", "-r", "-0", self.store], stdout=subprocess.PIPE) as other:
            yield other
            other.stdout.read()
            self.assertEqual(other.wait(TIMEOUT_S), DONE)


class Compact(Compacted):
    def test_what_is_garbage_goes_and_the_rest_reads_as_before(self):
        self.churn()
        extents = self.segments(".hext")
        listed = self.holog("ls", "-l", "-r", self.store).out
        doc = self.compact()
        gone = [name for name in extents if not os.path.exists(name)]
        self.assertEqual((doc["store"], doc["dry_run"], doc["all"], doc["waiting"]),
                         (self.store, False, False, 0))
        self.assertGreater(len(gone), 3)
        self.assertEqual(doc["segments_removed"], len(gone))
        self.assertEqual(doc["segments_added"], len(self.segments(".hwp")))
        self.assertEqual(doc["added_bytes"], self.file_bytes(".hwp"))
        self.assertEqual(doc["ratio"], doc["value_bytes"] / doc["added_bytes"])
        self.assertGreater(doc["ratio"], 1.5, "half of each value compresses")
        self.assertEqual(self.holog("ls", "-l", "-r", self.store).out, listed)
        self.has_all()

    def test_one_line_says_what_it_came_to(self):
        self.churn()
        text = self.holog("compact", self.store).text
        self.assertRegex(text, r"^\d+ segments, [\d.]+ MiB, became 1, [\d.]+ [KM]iB; "
                               r"\d+ values?, [\d.]+ [KM]iB, moved \(\d\.\d\d : 1\)\n$")
        self.assertRegex(self.holog("compact", self.store).text, r"^nothing to compact: .*--all.*\n$")
        self.assertRegex(self.holog("compact", self.store, "--all").text,
                         r"^\d+ segments?, .* became 1, .*\n$")
        self.assertEqual(self.holog("compact", self.store, "--all").text, "nothing to compact\n")
        self.has_all()

    def test_segments_without_anything_that_lives_just_go(self):
        for i in range(8):
            self.save("v", bytes_of(i, 900 * KIB), "--replace")
        self.holog("rm", self.store, "v")
        self.holog("gc", self.store, "--keep", "1")
        self.assertRegex(self.holog("compact", self.store, "--dry-run").text,
                         r"^\d+ segments, .* would go; nothing in them is needed any more\n$")
        self.assertRegex(self.holog("compact", self.store).text,
                         r"^\d+ segments, .* gone; nothing in them was needed any more\n$")
        self.assertEqual(self.segments(".hwp"), [])
        self.missing("v")

    def test_all_takes_what_is_no_garbage(self):
        self.save("a", bytes_of("a", 900 * KIB))
        self.save("b", bytes_of("b", 900 * KIB))
        self.save("c", bytes_of("c", 900 * KIB))
        self.assertEqual(self.compact()["segments_removed"], 0)
        doc = self.compact("--all")
        self.assertEqual((doc["all"], doc["segments_added"]), (True, 1))
        self.assertGreaterEqual(doc["values"], 2)
        self.assertIsNone(self.compact("--all")["ratio"], "nothing was left to do")
        for name in "abc":
            self.assertEqual(self.load(name), bytes_of(name, 900 * KIB))

    def test_a_dry_run_says_it_and_changes_nothing(self):
        self.churn()
        before = {name: os.path.getsize(name) for name in self.segments(".hext")}
        plan = self.compact("--dry-run")
        self.assertRegex(self.holog("compact", self.store, "--dry-run").text,
                         r"^\d+ segments, .* would go; \d+ values?, .* would be compressed first\n$")
        self.assertEqual({name: os.path.getsize(name) for name in self.segments(".hext")}, before)
        self.assertEqual(self.segments(".hwp"), [])
        done = self.compact()
        for key in ("segments_removed", "removed_bytes", "values", "value_bytes"):
            self.assertEqual(plan[key], done[key], key)
        self.assertEqual((plan["dry_run"], plan["added_bytes"]), (True, 0))
        self.has_all()

    def test_readers_that_files_wait_for_are_said(self):
        self.churn(3)
        names = [f"{i:04d}" + "n" * 200 for i in range(2000)]  # more than a pipe takes
        self.holog("batch", self.store, input="\n".join(
            json.dumps({"op": "mkdir", "path": name}) for name in names).encode())
        self.holog("gc", self.store, "--keep", "1")
        with self.reader() as other:
            self.assertEqual(len(other.stdout.read(1)), 1, "it has opened the store")
            extents = self.segments(".hext")
            done = self.holog("compact", self.store)
            self.assertIn("others are reading", done.message)
            self.assertEqual(self.segments(".hext"), extents)
        self.assertEqual(self.compact()["waiting"], 0)
        self.assertLess(len(self.segments(".hext")), len(extents))
        self.has_all()

    def test_a_store_that_is_being_written_is_busy(self):
        self.churn(2)
        with subprocess.Popen([BIN, "save", self.store, "slow", "-"], stdin=subprocess.PIPE) as other:
            other.stdin.write(b"x" * (17 << 20))  # more than is collected before it opens the store
            other.stdin.flush()
            done = self.holog("compact", self.store, status=FAILED)
            other.stdin.close()
            self.assertEqual(other.wait(TIMEOUT_S), DONE)
        self.assertIn("close it there", done.message)
        self.compact()
        self.has_all()

    def test_a_file_that_cannot_grow_is_told_and_nothing_has_changed(self):
        self.churn()
        extents = self.segments(".hext")

        def bound():
            resource.setrlimit(resource.RLIMIT_FSIZE, (300 * KIB, 300 * KIB))

        done = subprocess.run([BIN, "compact", self.store], capture_output=True, preexec_fn=bound,
                              check=False, timeout=TIMEOUT_S)
        self.assertEqual((done.returncode, done.stdout), (FAILED, b""), done.stderr)
        self.assertIn(b"'ulimit -f'", done.stderr)
        self.assertEqual(self.segments(".hext"), extents)
        self.assertEqual(self.segments(".hwp") + self.segments(".tmp"), [])
        self.has_all()
        self.assertEqual(self.compact()["segments_added"], 1)
        self.has_all()

    def test_one_that_is_killed_or_stopped_at_any_time_loses_nothing(self):
        self.churn()
        for number, wait_s in ((signal.SIGTERM, 0.02), (signal.SIGKILL, 0.04), (signal.SIGKILL, 0.08),
                               (signal.SIGINT, 0.08), (signal.SIGKILL, 0.12), (signal.SIGKILL, 0)):
            with subprocess.Popen([BIN, "compact", self.store, "--all"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE) as other:
                time.sleep(wait_s)
                other.send_signal(number)
                said = other.communicate(timeout=TIMEOUT_S)[1]
            if other.returncode == FAILED:
                self.assertIn(b"stopped", said)
            self.has_all()
        self.compact("--all")
        self.has_all()
        self.assertEqual(self.segments(".tmp"), [])

    def test_what_cannot_be_is_refused(self):
        self.holog("compact", self.path("none"), status=FAILED)
        self.holog("compact", self.store, "v", status=USAGE)


HOLDERS = ("live", "history", "tags", "views", "own", "dead")


class Space(Compacted):
    """What stats says of the segments."""

    def stats(self, **more):
        return self.holog("stats", self.store, "--json", **more).json()

    def checked(self):
        """Figures that have to agree, whatever was done."""
        doc = self.stats()
        space = doc["space"]
        self.assertEqual(sum(space[h + "_bytes"] for h in HOLDERS), space["used_bytes"])
        kept = sum(space[h + "_bytes"] for h in HOLDERS[:4])
        self.assertAlmostEqual(space["amplification"], doc["disk_bytes"] / kept)
        self.assertEqual(space["cold_segments"], len(self.segments(".hwp")))
        self.assertEqual(space["extents_segments"], len(self.segments(".hext")))
        self.assertEqual(space["frames_segments"], len(self.segments(".hlog")))
        self.assertEqual(doc["cold_bytes"], self.file_bytes(".hwp"))
        self.assertEqual(doc["extent_bytes"], self.file_bytes(".hext"))
        return doc

    def test_garbage_is_dead_until_a_compaction_gives_its_space_back(self):
        self.churn()
        before = self.checked()
        live = sum(self.stat(path)["bytes"] for path in self.want)
        dead = before["space"]["dead_bytes"]
        self.assertGreater(dead, (GENERATIONS - 2) * 11 * 150 * KIB)
        self.assertGreater(before["space"]["live_bytes"], live)
        self.assertLess(before["space"]["live_bytes"], live + 200 * KIB)
        self.assertIsNone(before["cold_ratio"])
        self.assertGreater(before["space"]["amplification"], 2)
        done = self.compact("--all")
        after = self.checked()
        self.assertLess(after["space"]["dead_bytes"], dead / 8)
        self.assertEqual((after["cold_values"], after["cold_raw_bytes"]),
                         (done["values"], done["value_bytes"]))
        self.assertEqual(after["cold_ratio"], after["cold_raw_bytes"] / after["cold_stored_bytes"])
        self.assertGreater(after["cold_ratio"], 1.5)
        self.assertLess(after["space"]["live_bytes"], live, "compressed, it needs less")

    def test_who_keeps_what_is_told_apart(self):
        self.save("v", bytes_of(1, 400 * KIB))
        self.holog("tag", self.store, "old")
        self.save("v", bytes_of(2, 600 * KIB), "--replace")
        self.holog("gc", self.store, "--keep", "1")
        self.holog("config", self.store, "retention.commits=100", "retention.bytes=all")
        self.save("v", bytes_of(3, 200 * KIB), "--replace")
        space = self.checked()["space"]
        for key, size in (("tags_bytes", 400), ("history_bytes", 600), ("live_bytes", 200)):
            self.assertGreaterEqual(space[key], size * KIB, key)
            self.assertLess(space[key], (size + 70) * KIB, key)
        self.assertEqual(space["views_bytes"], 0)
        self.holog("tag", self.store, "--delete", "old")
        space = self.checked()["space"]
        self.assertEqual(space["tags_bytes"], 0)
        self.assertGreaterEqual(space["dead_bytes"], 400 * KIB)

    def test_the_table_and_prometheus_say_the_same(self):
        self.churn(3)
        self.compact("--all")
        doc = self.checked()
        text = self.holog("stats", self.store).text
        for holder in HOLDERS:
            self.assertRegex(text, rf"(?m)^space\.{holder} +[\d.]+ \w+  In segments: \w")
        self.assertRegex(text, rf"(?m)^space\.amplification +{doc['space']['amplification']:.2f}  ")
        self.assertRegex(text, rf"(?m)^cold_ratio +{doc['cold_ratio']:.2f}  ")
        text = self.holog("stats", self.store, "--prometheus").text
        for holder in HOLDERS:
            value = doc["space"][holder + "_bytes"]
            self.assertIn(f'holog_space_bytes{{store="{self.store}",held="{holder}"}} {value}\n', text)
        self.assertIn(f'holog_cold_ratio{{store="{self.store}"}} {doc["cold_ratio"]:.3f}\n', text)
        self.assertIn(f'holog_cold_bytes{{store="{self.store}"}} {doc["cold_bytes"]}\n', text)
        self.assertRegex(text, r'(?m)^holog_space_amplification\{store="[^"]+"\} [\d.]+$')

    def test_a_store_without_anything_in_it_has_no_ratios(self):
        doc = self.stats()
        self.assertEqual((doc["space"]["live_bytes"], doc["cold_ratio"]), (0, None))
        self.assertRegex(self.holog("stats", self.store).text, r"(?m)^cold_ratio +-  ")

    def test_too_small_a_budget_leaves_only_that_out(self):
        small = {"HOLOG_BUDGET": "4M"}
        for g in range(15):
            self.holog("batch", self.store, input="\n".join(
                json.dumps({"op": "save", "path": f"{g}-{i}", "text": "x"})
                for i in range(6000)).encode())
            done = self.holog("stats", self.store, "--json", env=small)
            entries = done.json()["entries"]
            self.assertEqual(entries, 6000 * (g + 1))
            if done.json()["space"] is None:
                break
        self.assertIsNone(done.json()["space"])
        self.assertIn("HOLOG_BUDGET", done.message)
        for form in ([], ["--prometheus"]):
            text = self.holog("stats", self.store, *form, env=small).text
            self.assertRegex(text, r"(?m)^(holog_)?entries.* " + f"{entries}\\b")
            self.assertNotIn("space.", text)
            self.assertNotIn("holog_space", text)
        self.assertIsNotNone(self.stats()["space"])

    def test_damage_where_segments_are_described_is_said_beside_all_other_figures(self):
        other = self.path("other")
        self.holog("init", other, "--segment-size", "16K")
        for g in range(20):
            self.holog("batch", other, input="\n".join(
                json.dumps({"op": "save", "path": f"{g}-{i}", "text": "x" * 200})
                for i in range(10)).encode())
        first = os.path.join(other, "seg", "00000001.hlog")
        with open(first, "r+b") as f:
            f.seek(-8, os.SEEK_END)  # in its footer
            last = f.read(1)
            f.seek(-8, os.SEEK_END)
            f.write(bytes([last[0] ^ 1]))
        done = self.holog("stats", other, "--json", status=DAMAGE)
        self.assertIn("what segments hold is not known", done.message)
        self.assertIn("segment 1", done.message)
        self.assertEqual((done.json()["entries"], done.json()["space"]), (200, None))


if __name__ == "__main__":
    main()
