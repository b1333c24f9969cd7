"""compact, and what statistics say of the space: on stores that are mostly garbage."""

import base64
import contextlib
import hashlib
import json
import os
import random
import re
import resource
import signal
import struct
import subprocess
import time
import unittest
import zlib

from clitest import BIN, DAMAGE, DONE, FAILED, TIMEOUT_S, USAGE, Case, main

os.environ["HOLOG_COMPACTION"] = "off"  # but for what is asked for here
HAVE_PNG = os.environ.get("HOLOG_HAVE_PNG") == "1"
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
        self.assertEqual(doc["ratio"], (doc["value_bytes"] + doc["record_bytes"]) / doc["added_bytes"])
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

    def test_scrub_reads_what_was_compressed_and_names_what_is_damaged(self):
        self.churn()
        self.compact("--all")
        doc = self.holog("scrub", self.store, "--rate", "100M", "--json").json()
        self.assertTrue(doc["sound"])
        self.assertEqual((doc["segments"], doc["damage"]), (1, []))
        self.assertRegex(self.holog("scrub", self.store).text, r"^sound: 1 compressed segment, .*\n$")
        [cold] = [n for n in os.listdir(os.path.join(self.store, "seg")) if n.endswith(".hwp")]
        with open(os.path.join(self.store, "seg", cold), "r+b") as f:
            f.seek(20000)
            byte = f.read(1)[0]
            f.seek(20000)
            f.write(bytes([byte ^ 1]))
        bad = self.holog("scrub", self.store, "--json", status=DAMAGE).json()
        self.assertFalse(bad["sound"])
        self.assertEqual(len(bad["damage"]), 1)
        self.assertIn(bad["damage"][0]["path"], self.want)
        self.assertEqual(bad["damage"][0]["file"], f"seg/{cold}")
        done = self.holog("verify", self.store, status=DAMAGE)
        self.assertIn(f"; entry {bad['damage'][0]['path']}\n", done.text)
        self.assertIn("the store opens: save again what is named", done.message)
        self.assertNotIn("repair", done.message)
        self.holog("scrub", self.store, "--rate", "fast", status=USAGE)

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

    def waiting_bytes(self):
        return self.holog("stats", self.store, "--json").json()["compaction_waiting_bytes"]

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
        waiting = self.waiting_bytes()
        self.assertGreater(waiting, 1 << 20)
        before = self.file_bytes(".hlog", ".hext")
        self.assertEqual(self.compact()["waiting"], 0)
        self.assertEqual(before - self.file_bytes(".hlog", ".hext"), waiting)
        self.assertEqual(self.waiting_bytes(), 0)
        self.assertLess(len(self.segments(".hext")), len(extents))
        self.has_all()

    def test_a_store_that_is_being_written_is_busy(self):
        self.churn(2)
        with subprocess.Popen([BIN, "save", self.store, "slow", "-"], stdin=subprocess.PIPE) as other:
            other.stdin.write(b"x" * (17 << 20))  # more than is collected before it opens the store
            other.stdin.flush()
            done = self.holog("compact", self.store, status=FAILED)
            purge = self.holog("compact", self.store, "--purge", status=FAILED)
            other.stdin.close()
            self.assertEqual(other.wait(TIMEOUT_S), DONE)
        self.assertIn("who has it open compacts it", done.message)
        self.assertIn("close it there", purge.message)
        self.assertNotIn("read-only", done.message + purge.message)
        self.compact()
        self.has_all()

    def test_a_file_that_cannot_grow_is_told_and_only_what_was_dead_has_gone(self):
        self.churn()
        extents = self.segments(".hext")

        def bound():
            resource.setrlimit(resource.RLIMIT_FSIZE, (300 * KIB, 300 * KIB))

        done = subprocess.run([BIN, "compact", self.store], capture_output=True, preexec_fn=bound,
                              check=False, timeout=TIMEOUT_S)
        self.assertEqual((done.returncode, done.stdout), (FAILED, b""), done.stderr)
        self.assertIn(b"'ulimit -f'", done.stderr)
        self.assertLessEqual(set(self.segments(".hext")), set(extents))
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


HOLDERS = ("head", "history", "tags", "views", "own", "dead")
MEMBERS = dict(zip(HOLDERS, ("head_bytes", "history_bytes", "tag_bytes", "view_bytes", "own_bytes",
                             "dead_bytes")))


class Space(Compacted):
    """What stats says of the segments."""

    def stats(self, **more):
        return self.holog("stats", self.store, "--json", **more).json()

    def checked(self):
        """Figures that have to agree, whatever was done."""
        doc = self.stats()
        space = doc["space"]
        self.assertEqual(sum(space[MEMBERS[h]] for h in HOLDERS), space["used_bytes"])
        kept = sum(space[MEMBERS[h]] for h in HOLDERS[:4])
        self.assertAlmostEqual(space["amplification"], doc["disk_bytes"] / kept)
        self.assertEqual(space["cold_segments"], len(self.segments(".hwp")))
        self.assertEqual(space["extents_segments"], len(self.segments(".hext")))
        self.assertEqual(space["frames_segments"], len(self.segments(".hlog")))
        self.assertEqual(doc["compaction_used_bytes"], space["used_bytes"])
        self.assertEqual(doc["cold_bytes"], self.file_bytes(".hwp"))
        self.assertEqual(doc["extent_bytes"], self.file_bytes(".hext"))
        return doc

    def test_garbage_is_dead_until_a_compaction_gives_its_space_back(self):
        self.churn()
        before = self.checked()
        live = sum(self.stat(path)["bytes"] for path in self.want)
        dead = before["space"]["dead_bytes"]
        self.assertGreater(dead, (GENERATIONS - 2) * 11 * 150 * KIB)
        self.assertGreater(before["space"]["head_bytes"], live)
        self.assertLess(before["space"]["head_bytes"], live + 200 * KIB)
        self.assertIsNone(before["cold_ratio"])
        self.assertGreater(before["space"]["amplification"], 2)
        done = self.compact("--all")
        after = self.checked()
        self.assertLess(after["space"]["dead_bytes"], dead / 8)
        self.assertEqual((after["cold_values"], after["cold_raw_bytes"]),
                         (done["values"], done["value_bytes"]))
        self.assertEqual(after["cold_ratio"], after["cold_raw_bytes"] / after["cold_stored_bytes"])
        self.assertGreater(after["cold_ratio"], 1.5)
        self.assertLess(after["space"]["head_bytes"], live, "compressed, it needs less")

    def test_who_keeps_what_is_told_apart(self):
        self.save("v", bytes_of(1, 400 * KIB))
        self.holog("tag", self.store, "old")
        self.save("v", bytes_of(2, 600 * KIB), "--replace")
        self.holog("gc", self.store, "--keep", "1")
        self.holog("config", self.store, "retention.commits=100", "retention.bytes=all")
        self.save("v", bytes_of(3, 200 * KIB), "--replace")
        space = self.checked()["space"]
        for key, size in (("tag_bytes", 400), ("history_bytes", 600), ("head_bytes", 200)):
            self.assertGreaterEqual(space[key], size * KIB, key)
            self.assertLess(space[key], (size + 70) * KIB, key)
        self.assertEqual(space["view_bytes"], 0)
        self.holog("tag", self.store, "--delete", "old")
        space = self.checked()["space"]
        self.assertEqual(space["tag_bytes"], 0)
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
            value = doc["space"][MEMBERS[holder]]
            self.assertIn(f'holog_space_bytes{{store="{self.store}",held="{holder}"}} {value}\n', text)
        self.assertIn(f'holog_cold_ratio{{store="{self.store}"}} {doc["cold_ratio"]:.3f}\n', text)
        self.assertIn(f'holog_cold_bytes{{store="{self.store}"}} {doc["cold_bytes"]}\n', text)
        self.assertRegex(text, r'(?m)^holog_space_amplification\{store="[^"]+"\} [\d.]+$')

    def test_a_store_without_anything_in_it_has_no_ratios(self):
        doc = self.stats()
        self.assertEqual((doc["space"]["head_bytes"], doc["cold_ratio"]), (0, None))
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
            for at, whence in ((-140, os.SEEK_END), (8000, os.SEEK_SET)):  # its footer; a frame
                f.seek(at, whence)
                was = f.read(1)
                f.seek(at, whence)
                f.write(bytes([was[0] ^ 1]))
        done = self.holog("stats", other, "--json", status=DAMAGE)
        self.assertIn("what segments hold is not known", done.message)
        self.assertIn("segment 1", done.message)
        self.assertEqual((done.json()["entries"], done.json()["space"]), (200, None))


class Codecs(Compacted):
    """What stats says of how compressed data is coded."""

    def setUp(self):
        super().setUp()
        self.churn(3)
        self.save("flat", bytes(400 * KIB))
        for i in range(VALUES):
            self.save(f"copy{i % 2}", bytes_of("copy", 300 * KIB), "--replace")
        self.save("last", bytes_of("last", 900 * KIB))  # what is written to is not compacted
        for g in range(20):
            self.holog("batch", self.store, input="\n".join(
                json.dumps({"op": "save", "path": f"n{i}", "replace": True,
                            "text": json.dumps({"well": i % 12, "x": i * 7.5, "of": "plate %d" % g})})
                for i in range(g * 20, g * 20 + 100)).encode())
        self.holog("gc", self.store, "--keep", "1")
        self.compact("--all")

    def codecs(self, **more):
        return self.holog("stats", self.store, "--codecs", "--json", **more).json()

    def dumped(self):
        """The same, as dump says it of each group of each file."""
        found = {}
        for name in self.segments(".hwp"):
            for group in self.holog("dump", name, "--json").json()["groups"]:
                use = "records" if group["kind"] == "pages" else "values"
                for coded in group["coded"].split(", "):
                    way, blocks = coded.rsplit(" ", 1)
                    key = (use, *way.split("+"))
                    found[key] = found.get(key, 0) + int(blocks)
        return found

    def test_json_counts_what_dump_shows(self):
        doc = self.codecs()
        rows = doc["codecs"]
        self.assertEqual({(r["of"], r["filter"], r["codec"]): r["blocks"] for r in rows}, self.dumped())
        self.assertEqual((doc["store"], doc["segments"], doc["damage"]),
                         (self.store, len(self.segments(".hwp")), []))
        for key in ("blocks", "differences", "raw_bytes", "stored_bytes"):
            self.assertEqual(sum(r[key] for r in rows), doc["total"][key])
        for r in [*rows, doc["total"]]:
            self.assertEqual(r["ratio"], r["raw_bytes"] / r["stored_bytes"])
        self.assertEqual({r["state"] for r in rows}, {"known"})
        stats = self.holog("stats", self.store, "--json").json()
        self.assertEqual(doc["total"]["raw_bytes"] + doc["same_bytes"], stats["cold_raw_bytes"])
        self.assertEqual(doc["total"]["stored_bytes"], stats["cold_stored_bytes"])
        [flat] = [r for r in rows if r["codec"] == "const"]
        self.assertEqual((flat["of"], flat["filter"], flat["raw_bytes"]), ("values", "none", 400 * KIB))
        self.assertTrue(any(r["of"] == "records" and r["codec"] == "zstd" for r in rows))

    def test_the_table_says_the_same(self):
        doc = self.codecs()
        lines = self.holog("stats", self.store, "--codecs").text.splitlines()
        self.assertRegex(lines[0], r"^of +filter +codec +blocks +differences +raw +stored +ratio$")
        for r, line in zip([*doc["codecs"], doc["total"]], lines[1:]):
            names = [r["of"], r["filter"], r["codec"]] if "of" in r else ["total"]
            self.assertEqual(line.split()[:len(names)], names)
            self.assertRegex(line, rf" {r['blocks']} +{r['differences']} +[\d.]+ \w+ +[\d.]+ \w+ "
                                   rf"+{r['ratio']:.2f}$")
        self.assertEqual(len({len(line) for line in lines[:len(doc["codecs"]) + 2]}), 1, "columns")
        self.assertEqual(doc["same_values"], 1)
        self.assertEqual(lines[-1], "1 more value, 300.0 KiB, has the bytes of others, and takes none")

    def test_a_store_without_any_says_so(self):
        self.store = self.path("other")
        self.init()
        self.assertEqual(self.holog("stats", self.store, "--codecs").text,
                         "nothing is compressed: see 'holog compact'\n")
        doc = self.codecs()
        self.assertEqual((doc["codecs"], doc["segments"], doc["total"]["blocks"], doc["total"]["ratio"]),
                         ([], 0, 0, None))

    def test_damaged_heads_are_named_beside_all_figures(self):
        sound = self.codecs()["total"]
        cold = self.segments(".hwp")[0]
        with open(cold, "r+b") as f:
            f.seek(4096 + 20)  # the first head
            byte = f.read(1)[0]
            f.seek(4096 + 20)
            f.write(bytes([byte ^ 1]))
        doc = self.codecs(status=DAMAGE)
        self.assertEqual({key: doc["total"][key] for key in sound}, {**sound, **{
            "differences": doc["total"]["differences"]}})
        self.assertEqual([r["of"] for r in doc["codecs"] if r["state"] == "unreadable"], ["values"])
        [damage] = doc["damage"]
        self.assertEqual((damage["file"], damage["offset"]), (f"seg/{os.path.basename(cold)}", 4096))
        done = self.holog("stats", self.store, "--codecs", status=DAMAGE)
        self.assertRegex(done.text, r"(?m)^values +unreadable +\d+ +0 ")
        self.assertRegex(done.text, r"(?m)^total ")
        self.assertIn(f"{damage['file']}, offset 4096: ", done.message)
        self.assertIn("1 damaged place; 'holog scrub'", done.message)


def read_png(data):
    """Rows of (r, g, b) of a PNG file of 8-bit RGB (PNG 1.2, sections 4 to 6)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels, head = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]
        head = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else head
        pixels += body if kind == b"IDAT" else b""
        at += 12 + size
    width, height, depth, colour, _, _, interlaced = head
    assert (depth, colour, interlaced) == (8, 2, 0)
    raw, stride, rows, above = zlib.decompress(pixels), 3 * width, [], bytes(3 * width)
    for y in range(height):
        line = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        unfilter(raw[y * (stride + 1)], line, above)
        above = bytes(line)
        rows.append([tuple(above[x:x + 3]) for x in range(0, stride, 3)])
    return rows


def unfilter(kind, line, above):
    for i, value in enumerate(line):
        a, b = line[i - 3] if i >= 3 else 0, above[i]
        c = above[i - 3] if i >= 3 else 0
        nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
        line[i] = (value + (0, a, b, (a + b) // 2, nearest)[kind]) & 0xFF


LETTERS = "#=@%|."
COLOURS = {(0, 158, 115): "head", (86, 180, 233): "history", (204, 121, 167): "tags",
           (240, 228, 66): "views", (110, 110, 110): "own", (213, 94, 0): "dead",
           (250, 226, 212): "dead"}


class Map(Compacted):
    """The picture of the segments."""

    def setUp(self):
        super().setUp()
        self.churn(3)
        self.compact()
        self.save("more", bytes_of("more", 900 * KIB))
        self.holog("tag", self.store, "old")
        self.save("more", bytes_of("else", 900 * KIB), "--replace")
        self.holog("gc", self.store, "--keep", "1")

    def segments_json(self):
        return self.holog("stats", self.store, "--map", "--json").json()["segments"]

    def test_json_has_every_segment(self):
        found = self.segments_json()
        files = [os.path.basename(n) for e in (".hlog", ".hext", ".hwp") for n in self.segments(e)]
        ends = {"frames": "hlog", "extents": "hext", "cold": "hwp"}
        self.assertEqual([s["file"] for s in found], ["seg/" + name for name in sorted(files)])
        self.assertEqual([f"{s['segment']:08x}.{ends[s['kind']]}" for s in found], sorted(files))
        for s in found:
            self.assertEqual(sum(s[MEMBERS[h]] for h in HOLDERS), s["used_bytes"])
        space = self.holog("stats", self.store, "--json").json()["space"]
        for holder in HOLDERS:
            self.assertEqual(sum(s[MEMBERS[holder]] for s in found), space[MEMBERS[holder]])

    def test_text_has_a_line_for_each_with_a_bar_as_long_as_it_is_large(self):
        found = self.segments_json()
        lines = self.holog("stats", self.store, "--map").text.split("\n")
        rows = lines[1:1 + len(found)]
        largest = max(s["used_bytes"] for s in found)
        for s, line in zip(found, rows):
            match = re.match(r"^([0-9a-f]{8})([* ]) (\w+) +[\d.]+ \w+  ([#=@%|.]+)$", line)
            self.assertIsNotNone(match, line)
            self.assertEqual((int(match.group(1), 16), match.group(3)), (s["segment"], s["kind"]))
            self.assertEqual(match.group(2) == "*", s["busy"])
            bar = match.group(4)
            self.assertEqual(len(bar), max(1, int(s["used_bytes"] / largest * 60 + 0.5)))
            self.assertEqual(bar, "".join(sorted(bar, key=LETTERS.index)), "in the legend's order")
            for letter, holder in zip(LETTERS, HOLDERS):
                share = s[MEMBERS[holder]] / s["used_bytes"] * len(bar)
                self.assertLess(abs(bar.count(letter) - share), 1, (line, holder))
        self.assertIn("@", "".join(rows), "what the tag keeps")
        legend = "\n".join(lines[1 + len(found):])
        for letter, holder in zip(LETTERS, HOLDERS):
            self.assertRegex(legend, rf"(?m)^{re.escape(letter)} {holder} +[\d.]+ \w+, [\d.]+ %  \w")
        self.assertRegex(legend, rf"(?m)^{len(found)} segments: .*, 1 cold; ")

    def test_colours_are_for_terminals_and_for_those_who_want_them(self):
        plain = self.holog("stats", self.store, "--map").out
        self.assertNotIn(b"\x1b", plain)
        status, seen = self.on_terminal("stats", self.store, "--map")
        self.assertEqual(status, DONE)
        self.assertIn(b"\x1b[32m#", seen)
        self.assertEqual(re.sub(rb"\x1b\[\d+m", b"", seen).replace(b"\r\n", b"\n"), plain)
        os.environ["NO_COLOR"] = "1"
        self.addCleanup(os.environ.pop, "NO_COLOR")
        self.assertNotIn(b"\x1b", self.on_terminal("stats", self.store, "--map")[1])

    @unittest.skipUnless(HAVE_PNG, "built without libpng")
    def test_the_picture_shows_what_the_figures_say(self):
        file = self.path("map.png")
        self.assertEqual(self.holog("stats", self.store, f"--map={file}").out, b"")
        with open(file, "rb") as f:
            data = f.read()
        self.assertEqual(self.holog("stats", self.store, "--map", "-o", "-").out, data)
        rows = read_png(data)
        found = self.segments_json()
        bars = [[COLOURS.get(p) for p in row] for row in rows]
        of_all = next(bar for bar in bars if any(bar))  # the sum comes first
        self.has_shares(of_all, {h: sum(s[MEMBERS[h]] for s in found) for h in HOLDERS})
        left = 252  # of the bars
        tops = [y for y in range(1, len(bars)) if bars[y][left] and not bars[y - 1][left]]
        self.assertEqual(len(tops), len(found) + 1, "the sum, and each segment")
        for y, s in zip(tops[1:], found):
            self.has_shares(bars[y][left:900], {h: s[MEMBERS[h]] for h in HOLDERS})

    def has_shares(self, bar, held):
        width = sum(p is not None for p in bar)
        for holder in HOLDERS:
            share = held[holder] / sum(held.values()) * width
            self.assertLess(abs(bar.count(holder) - share), 1, holder)

    @unittest.skipUnless(HAVE_PNG, "built without libpng")
    def test_a_picture_of_very_many_segments_has_bounded_rows(self):
        many = self.path("many")
        self.holog("init", many, "--extent-segment-size", "128K", "--inline-max", "8K")
        value = base64.b64encode(bytes_of("x", 100 * KIB)).decode()
        for first, count in ((0, 100), (100, 150), (250, 250)):
            self.holog("batch", many, input="\n".join(
                json.dumps({"op": "save", "path": f"v{i}", "base64": value})
                for i in range(first, first + count)).encode())
            data = self.holog("stats", many, "--map", "-o", "-").out
            self.assertEqual((data[:8], data[12:16]), (b"\x89PNG\r\n\x1a\n", b"IHDR"))
            width, height = struct.unpack(">II", data[16:24])
            self.assertEqual(width, 1200)
            self.assertLess(height, 400 * 5 + 500)
        self.assertGreater(len(self.holog("stats", many, "--map").text.split("\n")), 500)

    @unittest.skipUnless(HAVE_PNG, "built without libpng")
    def test_a_picture_goes_where_it_can_be(self):
        inside = os.path.join(self.store, "map.png")
        done = self.holog("stats", self.store, f"--map={inside}", status=FAILED)
        self.assertIn("the store's own directory", done.message)
        self.assertFalse(os.path.exists(inside))
        done = self.holog("stats", self.store, f"--map={self.path('no', 'map.png')}", status=FAILED)
        self.assertIn("No such file", done.message)
        status, seen = self.on_terminal("stats", self.store, "--map", "-o", "-")
        self.assertEqual(status, FAILED)
        self.assertIn(b"--map=FILE.png", seen)
        self.assertNotIn(b"PNG\r", seen)

    @unittest.skipIf(HAVE_PNG, "built with libpng")
    def test_without_libpng_it_says_so(self):
        done = self.holog("stats", self.store, "--map=m.png", status=FAILED)
        self.assertIn("this build or machine cannot do that", done.message)
        self.assertIn("libpng", done.message)


if __name__ == "__main__":
    main()
