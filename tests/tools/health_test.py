"""log, du, stats, info, config, verify, repair, dump: on sound stores and on damaged ones."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
import unittest

from clitest import BIN, DAMAGE, FAILED, Case, main


class Queries(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_log(self):
        self.save("a/x", b"1", "-p", "-m", "first of all")
        self.save("b", b"2", "-m", "second\nline \x1b[31m")
        self.save("a/x", b"3", "--replace")
        doc = self.holog("log", self.store, "--json").json()
        commits = doc["commits"]
        numbers = [c["commit"] for c in commits]
        self.assertEqual(numbers, sorted(numbers, reverse=True))
        self.assertEqual([c["message"] for c in commits],
                         ["", "second\nline \x1b[31m", "first of all"])
        self.assertEqual([c["meta"] for c in commits], [{}, {}, {}])
        times = [c["time_ns"] for c in commits]
        self.assertEqual(times, sorted(times, reverse=True))
        text = self.holog("log", self.store).text
        self.assertEqual(text.count("\n"), 3, "one commit is one line")
        self.assertIn("second\\nline \\x1b[31m", text)

    def test_log_of_a_path_and_of_a_page(self):
        for i in range(6):
            self.save(f"d{i % 2}/v", str(i).encode(), "-p", "--replace")
        every = self.holog("log", self.store, "--json").json()["commits"]
        self.assertEqual(len(every), 6)
        self.assertEqual(len(self.holog("log", self.store, "d1", "--json").json()["commits"]), 3)
        self.assertEqual(len(self.holog("log", self.store, "d1/v", "--before", "99",
                                        "--json").json()["commits"]), 3)
        page = self.holog("log", self.store, "-n", "2", "--json").json()["commits"]
        self.assertEqual(page, every[:2])
        page = self.holog("log", self.store, "-n", "2", "--before", str(page[-1]["commit"]),
                          "--json").json()["commits"]
        self.assertEqual(page, every[2:4])

    def test_an_empty_log(self):
        self.assertEqual(self.holog("log", self.store, "--json").json()["commits"], [])

    def test_du(self):
        self.save("a/b/x", b"x" * 1000, "-p")
        self.save("a/b/y", b"x" * 200)
        self.save("a/z", b"x" * 30)
        self.save("c/d/e/f", b"x" * 4, "-p")
        self.save("top", b"x" * 5)
        doc = self.holog("du", self.store, "--json").json()
        self.assertEqual([(s["path"], s["live_bytes"], s["entries"]) for s in doc["subtrees"]],
                         [("a", 1230, 5), ("c", 4, 4), ("/", 1239, 10)])
        doc = self.holog("du", self.store, "--json", "-d", "9").json()
        self.assertEqual([s["path"] for s in doc["subtrees"]],
                         ["a/b", "a", "c/d/e", "c/d", "c", "/"])
        doc = self.holog("du", self.store, "--json", "-d", "0", "a").json()
        self.assertEqual([(s["path"], s["live_bytes"]) for s in doc["subtrees"]], [("a", 1230)])
        self.assertEqual(doc["live_value_bytes"], 1239)
        self.assertEqual(doc["live_bytes"], doc["live_key_bytes"] + doc["live_value_bytes"])
        self.assertEqual(doc["garbage_bytes"], doc["disk_bytes"] - doc["live_bytes"])
        text = self.holog("du", self.store, "c").text
        self.assertRegex(text, r"(?m)^ +4 B +0 B +0 B +3  c/d$")
        self.assertRegex(text, r"(?m)^disk ")
        for options in ([], ["--json"]):
            done = self.holog("du", self.store, "nothing", *options, status=FAILED)
            self.assertEqual((done.out, "nothing" in done.message), (b"", True))

    def test_du_says_what_history_and_tags_hold(self):
        self.save("a/b/v", b"x" * 1000, "-p")
        self.holog("tag", self.store, "old")
        self.save("a/b/v", b"x" * 300, "--replace")
        self.save("c/gone", b"y" * 50, "-p")
        self.holog("rm", self.store, "c/gone")
        self.holog("config", self.store, "retention.bytes=all")

        def held(*args):
            doc = self.holog("du", self.store, "--json", *args).json()
            rows = [(s["path"], s["type"], s["live_bytes"], s["history_bytes"], s["tag_bytes"])
                    for s in doc["subtrees"]]
            self.assertEqual(doc["garbage_bytes"], doc["disk_bytes"] - doc["live_bytes"]
                             - doc["history_bytes"] - doc["tag_bytes"])
            return rows

        self.assertEqual(held(), [("a", "directory", 300, 1000, 0), ("c", "directory", 0, 50, 0),
                                  ("/", "directory", 300, 1050, 0)])
        self.assertEqual(held("c"), [("c/gone", "missing", 0, 50, 0),
                                     ("c", "directory", 0, 50, 0)])
        self.assertRegex(self.holog("du", self.store, "c").text, r"(?m)  c/gone \(gone\)$")
        self.holog("gc", self.store, "--keep", "1")
        self.assertEqual(held("-d", "2"), [("a/b", "directory", 300, 0, 1000),
                                           ("a", "directory", 300, 0, 1000),
                                           ("c", "directory", 0, 0, 0),
                                           ("/", "directory", 300, 0, 1000)])

    def test_stats(self):
        self.save("a", b"x" * 1000)
        self.holog("mkdir", self.store, "d")
        doc = self.holog("stats", self.store, "--json").json()
        self.assertEqual((doc["entries"], doc["directories"], doc["live_value_bytes"]),
                         (2, 1, 1000))
        self.assertEqual(doc["last_number"], doc["durable_number"])
        self.assertGreater(doc["disk_bytes"], 1000)
        self.assertEqual(set(doc["load_latency"]),
                         {"count", "sum_ns", "max_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns"})
        self.assertRegex(self.holog("stats", self.store).text, r"(?m)^entries +2  ")

    def test_stats_leave_out_what_only_a_writer_counts(self):
        self.save("a", b"x" * 1000)
        doc = self.holog("stats", self.store, "--json").json()
        text = self.holog("stats", self.store).text
        prometheus = self.holog("stats", self.store, "--prometheus").text
        for name in ("poisoned", "commits", "commit_latency", "checkpoints", "folds", "compactions",
                     "compaction_needed_bytes", "compaction_cap_bytes", "commits_delayed",
                     "scrubbed_bytes"):
            self.assertNotIn(name, doc)
            self.assertNotRegex(text, rf"(?m)^{name} ")
            self.assertNotRegex(prometheus, rf"(?m)^holog_{name}(_total|_seconds)?[{{ ]")
        for name in ("cache_misses", "bytes_read", "load_latency"):
            self.assertIn(name, doc)

    def test_stats_say_what_keeps_the_past(self):
        self.save("a", b"x" * 2000)
        self.holog("tag", self.store, "old")
        self.save("a", b"x", "--replace")
        self.holog("gc", self.store, "--keep", "1")
        self.holog("tag", self.store, "new")
        doc = self.holog("stats", self.store, "--json").json()
        self.assertEqual([(h["kind"], h["name"], h["commit"], h["bytes"]) for h in doc["holders"]],
                         [("tag", "new", 2, 0), ("tag", "old", 1, 2000)])
        self.assertEqual(doc["retention"]["retention.commits"], "1000")
        text = self.holog("stats", self.store).text
        self.assertRegex(text, r"(?m)^tag old +2\.0 KiB  .* of commit 1$")
        self.assertRegex(text, r"(?m)^retention\.bytes +live  ")
        text = self.holog("stats", self.store, "--prometheus").text
        labels = f'store="{self.store}",kind="tag",name="old",commit="1"'
        self.assertIn(f"holog_held_bytes{{{labels}}} 2000\n", text)

    def test_stats_say_what_each_segment_holds(self):
        big = bytes(range(256)) * 1000
        self.save("a", big)
        self.save("b", big)
        self.holog("tag", self.store, "both")
        self.holog("rm", self.store, "b")
        self.holog("gc", self.store, "--keep", "1")
        doc = self.holog("stats", self.store, "--segments", "--json").json()
        sizes = ["own_bytes", "head_bytes", "history_bytes", "tag_bytes", "view_bytes", "dead_bytes"]
        for s in doc["segments"] + [doc["total"]]:
            self.assertEqual(s["used_bytes"], sum(s[name] for name in sizes))
        extents = [s for s in doc["segments"] if s["kind"] == "extents"]
        self.assertEqual([sum(s[name] for s in extents) for name in ("head_bytes", "tag_bytes")],
                         [len(big), len(big)])
        for s in doc["segments"]:
            self.assertTrue(os.path.exists(os.path.join(self.store, s["file"])))
        self.assertEqual(doc["total"]["used_bytes"], sum(s["used_bytes"] for s in doc["segments"]))
        self.holog("tag", self.store, "--delete", "both")
        doc = self.holog("stats", self.store, "--segments", "--json").json()
        self.assertEqual(doc["total"]["tag_bytes"], 0)
        self.assertGreater(doc["total"]["dead_bytes"], len(big))
        text = self.holog("stats", self.store, "--segments").text
        self.assertRegex(text, r"(?m)^seg/[0-9a-f]{8}\.hext +extents .* +250\.0 KiB ")
        self.assertRegex(text, r"(?m)^total ")

    def test_prometheus(self):
        self.save("a", b"x")
        self.holog("tag", self.store, "v1")
        text = self.holog("stats", self.store, "--prometheus").text
        self.assertTrue(text.endswith("\n"))
        typed = {}
        for line in text.split("\n")[:-1]:
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, typed)
                self.assertIn(kind, ("gauge", "counter", "histogram"))
                typed[name] = kind
            elif line.startswith("# HELP "):
                self.assertRegex(line, r"^# HELP holog_\w+ \S.*$")
            else:
                match = re.match(r'^(holog_\w+)\{store="[^"]+"(,\w+="[^"]+")*\} [0-9.]+$', line)
                self.assertIsNotNone(match, line)
                base = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
                self.assertTrue(match.group(1) in typed or typed[base] == "histogram", line)
        self.assertEqual(typed["holog_entries"], "gauge")
        self.assertEqual(typed["holog_bytes_read_total"], "counter")
        self.assertEqual(typed["holog_load_latency_seconds"], "histogram")

    def test_info(self):
        doc = self.holog("info", "--json").json()
        self.assertEqual(set(doc), {"version", "machine"})
        doc = self.holog("info", self.store, "--json").json()
        self.assertEqual(doc["store"], self.store)
        self.assertTrue(doc["info"])
        self.assertIn("clean", doc["recovery"])
        self.assertIn("version: " + doc["version"], self.holog("info", self.store).text)

    def test_config(self):
        doc = self.holog("config", self.store, "--json").json()
        self.assertEqual((doc["store"], doc["config"]["max_space_amp"]), (self.store, "1.5"))
        self.holog("config", self.store, "user.owner=plate room")
        self.assertEqual(self.holog("config", self.store, "user.owner").text, "plate room\n")
        doc = self.holog("config", self.store, "user.owner", "--json").json()
        self.assertEqual(doc["config"], {"user.owner": "plate room"})
        text = self.holog("config", self.store, "user.owner=a=b", "user.empty=").text
        self.assertEqual(text, "user.owner=a=b\nuser.empty=\n")
        self.assertRegex(self.holog("config", self.store).text, r"(?m)^user.owner=a=b$")

    def test_rules_of_retention_are_shown_also_when_nobody_set_them(self):
        rules = {"retention.commits": "1000", "retention.age_s": "604800",
                 "retention.bytes": "live", "pins.max_age_s": "all", "pins.max_bytes": "all",
                 "conservation": "track"}

        def shown():
            config = self.holog("config", self.store, "--json").json()["config"]
            return {k: v for k, v in config.items() if k in rules}

        self.assertEqual(shown(), rules)
        for key, value in (("retention.commits", "5"), ("retention.age_s", "all"),
                           ("retention.bytes", "1000000"), ("pins.max_age_s", "60"),
                           ("retention.bytes", "live"), ("conservation", "enforce"),
                           ("conservation", "track")):
            self.assertEqual(self.holog("config", self.store, key).text, rules[key] + "\n")
            self.holog("config", self.store, f"{key}={value}")
            rules[key] = value
            self.assertEqual(shown(), rules)
        for word in ("retention.commits=0", "retention.age_s=live", "retention.bytes=-1",
                     "retention.commits=", "pins.max_bytes=1K", "conservation=on"):
            done = self.holog("config", self.store, word, status=FAILED)
            self.assertIn(word.split("=")[0], done.message)
        self.assertEqual(shown(), rules)

    def test_config_of_what_cannot_be_set(self):
        for word in ("no_such_key", "no_such_key=1", "max_space_amp=2.5", "=x", "user.UPPER=1"):
            done = self.holog("config", self.store, word, status=FAILED)
            self.assertIn(word.split("=")[0], done.message)
        self.assertEqual(self.holog("config", self.store, "max_space_amp").text, "1.5\n")

    def test_init_settings_are_kept(self):
        other = self.path("other")
        self.holog("init", other, "--segment-size", "64K", "--extent-segment-size", "1M",
                   "--inline-max", "4K", "--max-space-amp", "2.25")
        config = self.holog("config", other, "--json").json()["config"]
        self.assertEqual({k: float(v) for k, v in config.items()
                          if "." not in k and k not in ("conservation", "compression")},
                         {"segment_size_max": 65536, "extent_segment_size_max": 1 << 20,
                          "inline_max": 4096, "max_space_amp": 2.25})

    def test_reading_verbs_write_nothing(self):
        self.save("a/b", b"x" * 100, "-p")

        def files():
            return {os.path.join(d, n): (os.stat(os.path.join(d, n)).st_mtime_ns,
                                         os.stat(os.path.join(d, n)).st_size)
                    for d, _, names in os.walk(self.store) for n in names}

        before = files()
        for args in (["ls", "-r"], ["stat", "a/b"], ["load", "a/b"], ["log"], ["du"], ["stats"],
                     ["info"], ["config"], ["verify"]):
            self.holog(args[0], self.store, *args[1:])
            self.assertEqual(files(), before, args)


class Damage(Case):
    def setUp(self):
        super().setUp()
        self.init()
        self.needle = random.Random(5).randbytes(300)
        self.large = random.Random(6).randbytes(300000)
        self.save("before", b"first")
        self.save("small", self.needle)
        self.save("large", self.large)
        self.save("after", b"last")

    def test_a_sound_store(self):
        for options in ([], ["--quick"]):
            self.assertTrue(self.holog("verify", self.store, *options).text.endswith("sound\n"))
            doc = self.holog("verify", self.store, "--json", *options).json()
            self.assertEqual((doc["sound"], doc["damage"], doc["quick"]),
                             (True, [], bool(options)))

    def check_found(self, segment, offset):
        done = self.holog("verify", self.store, status=DAMAGE)
        self.assertRegex(done.text, rf"seg/{segment:08x}\.h(log|ext), offset \d+: ")
        doc = self.holog("verify", self.store, "--json", status=DAMAGE).json()
        self.assertFalse(doc["sound"])
        here = [d for d in doc["damage"] if d["segment"] == segment and not d["harmless"]]
        self.assertTrue(here, doc)
        self.assertIn(f"{segment:08x}", here[0]["file"])
        self.assertTrue(any(d["offset"] <= offset for d in here), (offset, doc))

    def test_a_flipped_bit_in_the_log(self):
        segment, offset = self.flip(self.needle)
        self.check_found(segment, offset)
        done = self.holog("load", self.store, "small", status=DAMAGE)
        self.assertNotEqual(done.out, self.needle)
        self.assertRegex(done.message, rf"segment {segment}\b.*offset \d+")
        self.save("new", b"x", status=DAMAGE)

    def test_a_flipped_bit_in_a_large_value(self):
        segment, offset = self.flip(self.large[200000:200064], ".hext")
        self.check_found(segment, offset)
        done = self.holog("load", self.store, "large", status=DAMAGE)
        self.assertRegex(done.message, rf"segment {segment}\b.*offset \d+")

    def test_repair(self):
        self.flip(self.needle)
        plan = self.holog("repair", self.store, "--mode", "point-in-time", "--dry-run", "--json",
                          status=DAMAGE).json()
        self.assertTrue(plan["changed"])
        self.holog("save", self.store, "new", input=b"x", status=DAMAGE)
        doc = self.holog("repair", self.store, "--mode", "point-in-time", "--json").json()
        self.assertEqual(doc["kept_through_commit"], plan["kept_through_commit"])
        self.assertEqual(self.load("before"), b"first")
        self.missing("small")
        self.assertTrue(os.listdir(os.path.join(self.store, "quarantine")))
        self.holog("verify", self.store)
        self.save("new", b"x")
        text = self.holog("repair", self.store, "--mode", "point-in-time").text
        self.assertIn("nothing needed doing", text)

    def test_salvage_keeps_what_verifies(self):
        self.flip(self.needle)
        doc = self.holog("repair", self.store, "--mode", "salvage", "--json").json()
        self.assertTrue(doc["changed"])
        self.assertEqual(self.load("before"), b"first")
        self.assertEqual(self.load("after"), b"last")
        self.assertEqual(self.load("large"), self.large)
        self.missing("small")
        self.holog("verify", self.store)

    def test_salvage_makes_the_directories_that_are_lost(self):
        needle = random.Random(7).randbytes(300)
        self.save("lost/with/this", needle, "-p")
        self.save("lost/with/kept", b"kept")
        self.flip(needle)
        self.holog("repair", self.store, "--mode", "salvage")
        self.assertEqual(self.load("lost/with/kept"), b"kept")
        self.missing("lost/with/this")
        self.save("lost/with/this", b"again")
        self.assertEqual(self.load("lost/with/this"), b"again")
        self.holog("verify", self.store)

    def test_a_segment_that_is_gone(self):
        os.unlink(self.segments(".hlog")[0])
        self.holog("verify", self.store, status=DAMAGE)
        self.save("new", b"x", status=DAMAGE)

    def test_a_stray_file_is_not_called_rebuilt(self):
        with open(os.path.join(self.store, "notes"), "wb"):
            pass
        self.assertEqual(self.holog("verify", self.store).text,
                         "notes, offset 0: not a file of the store (harmless)\nsound\n")

    def test_what_a_repair_says(self):
        for mode in ("point-in-time", "salvage"):
            self.setUp()
            self.flip(self.needle)
            text = self.holog("repair", self.store, "--mode", mode, "--dry-run",
                              status=DAMAGE).text
            self.assertNotRegex(text, r"(?m)^:|^, |commits 0|-0\b|segment 0,", text)
        self.setUp()
        os.remove(os.path.join(self.store, "SUPER"))
        text = self.holog("repair", self.store, "--mode", "point-in-time", "--dry-run",
                          status=DAMAGE).text
        self.assertNotRegex(text.replace("through commit", ""), r"(?m)^:|commit")

    def test_verify_of_no_store(self):
        for options in ([], ["--json"]):
            done = self.holog("verify", self.path("nowhere"), *options, status=FAILED)
            self.assertIn("nowhere", done.message)
        self.assertIn("error", done.json())
        done = self.holog("repair", self.path("nowhere"), "--mode", "salvage", status=FAILED)
        self.assertIn("nowhere", done.message)

    def test_dump(self):
        segment = self.segments(".hlog")[0]
        self.assertTrue(self.holog("dump", segment).out)
        self.holog("dump", segment, "--json").json()
        with open(self.path("text"), "wb") as f:
            f.write(b"hello\n")
        self.holog("dump", "text", status=FAILED)
        self.holog("dump", "nowhere", status=FAILED)

    def test_dump_wants_a_file_of_a_store(self):
        done = self.holog("dump", self.store, status=FAILED)
        self.assertIn("a directory", done.message)
        self.assertIn("seg/", done.message)

    def test_dump_of_a_compressed_segment(self):
        golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compaction", "golden")
        good = os.path.join(golden, "good.hwp")
        text = self.holog("dump", good).text
        self.assertRegex(text, r"values +4\n +pages +3\n +sources +1\n")
        self.assertIn("uint16 264 x 264, 139392 bytes", text)
        self.assertIn("lift26+literals", text)
        self.assertIn("the same as 00000003:12288", text)
        self.assertIn("seg/00000003.hext", text)
        doc = self.holog("dump", good, "--json").json()
        self.assertEqual((doc["kind"], len(doc["groups"]), doc["damage"]), ("compressed", 4, []))
        self.assertEqual(doc["values"][1]["base"], doc["values"][0]["birth"])
        self.assertEqual(sum(g["stored_bytes"] for g in doc["groups"]), doc["footer"]["stored_bytes"])
        for name in ("part", "head", "table", "cut"):
            shutil.copy(os.path.join(golden, name + ".corrupt"), self.path("00000009.hwp"))
            done = self.holog("dump", "00000009.hwp", status=DAMAGE)
            self.assertIn("! ", done.text, name)
            self.assertTrue(self.holog("dump", "00000009.hwp", "--json",
                                       status=DAMAGE).json()["damage"], name)
        shutil.copy(os.path.join(golden, "feature.later"), self.path("00000009.hwp"))
        self.assertIn("use a newer holog", self.holog("dump", "00000009.hwp", status=DAMAGE).text)

    def test_a_directory_in_place_of_super_is_to_be_taken_away(self):
        os.remove(self.path("s.holog", "SUPER"))
        os.mkdir(self.path("s.holog", "SUPER"))
        done = self.holog("verify", self.store, status=DAMAGE)
        self.assertIn("SUPER is no regular file: take it away", done.text)
        self.assertNotIn("holog repair rebuilds it", done.text)
        self.assertNotIn("makes it open again", done.message)
        os.rmdir(self.path("s.holog", "SUPER"))
        self.assertIn("holog repair rebuilds it",
                      self.holog("verify", self.store, status=DAMAGE).text)
        self.holog("repair", self.store, "--mode", "point-in-time")
        self.holog("verify", self.store)

    @unittest.skipIf(os.geteuid() != 0, "mounting needs root")
    def test_a_read_only_file_system_says_what_to_do(self):
        script = ('mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" && '
                  'shift && exec "$@"')
        for args in (("rm", "s.holog", "a"), ("init", "t.holog")):
            done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", self.dir, BIN, *args],
                                  capture_output=True, check=False)
            if b"mount:" in done.stderr or b"unshare:" in done.stderr:
                self.skipTest("nothing can be mounted here")
            self.assertEqual(done.returncode, FAILED)
            self.assertIn(b"Read-only file system", done.stderr)
            self.assertIn(b"read-write", done.stderr)

    def test_dump_goes_on_over_damage(self):
        segment, offset = self.flip(self.needle)
        name = os.path.join(self.store, "seg", f"{segment:08x}.hlog")
        done = self.holog("dump", name, status=DAMAGE)
        self.assertTrue(done.out)
        self.holog("dump", name, "--json", status=DAMAGE).json()


class Killed(Case):
    def test_a_store_whose_writer_was_killed_opens_and_is_sound(self):
        process = subprocess.Popen([BIN, "bench", "commit16", "--seconds", "60", "--dir", self.dir],
                                   stdout=subprocess.DEVNULL)
        store = None
        for _ in range(400):
            time.sleep(0.05)
            found = [n for n in os.listdir(self.dir) if n.startswith("holog-bench-")]
            if found:
                store = os.path.join(self.dir, found[0], "store")
                if subprocess.run([BIN, "ls", store, "commit"], capture_output=True,
                                  check=False).stdout:
                    break
        process.send_signal(signal.SIGKILL)
        process.wait()
        copy = self.path("copy")
        shutil.copytree(store, copy)
        names = self.holog("ls", copy, "commit").text.split("\n")[:-1]
        self.assertTrue(names)
        doc = self.holog("info", copy, "--json").json()
        self.assertFalse(doc["recovery"]["clean"])
        done = self.holog("save", copy, "mine", input=b"x")
        if done.err:
            self.assertIn("a torn tail", done.message)
        self.holog("verify", copy)
        self.assertEqual(self.holog("ls", copy, "commit").text.split("\n")[:-1], names)


if __name__ == "__main__":
    main()
