"""--at, log of a path, tag, diff, rollback and gc: earlier states are read, named, come back and go;
nothing else changes."""

import time

from clitest import FAILED, USAGE, Case, main


class History(Case):
    """Commit n, for n from 1 to 4, has left value n in d/v."""

    def setUp(self):
        super().setUp()
        self.init()
        for i in range(1, 5):
            self.save("d/v", self.value(i), "-p", "--replace", "-m", f"run {i}")

    def value(self, i):
        return b"value %d " % i * (1000 * i)

    def head(self):
        return self.holog("ls", self.store, "--json").json()["commit"]

    def said(self, *args, status=FAILED):
        return self.holog(*args, status=status).message


class At(History):
    def test_load_reads_each_state(self):
        for i in range(1, 5):
            self.assertEqual(self.load("d/v", "--at", str(i)), self.value(i))
            self.assertEqual(self.load("d/v", "--at", f"HEAD~{4 - i}"), self.value(i))
        self.assertEqual(self.load("d/v", "--at", "HEAD"), self.value(4))
        self.assertEqual(self.load("d/v", "--at=2", "--range", "3:500"), self.value(2)[3:503])
        self.load("d/v", "--at", "1", "-o", self.path("out"))
        with open(self.path("out"), "rb") as f:
            self.assertEqual(f.read(), self.value(1))

    def test_a_time_is_the_newest_commit_by_then(self):
        when = self.holog("log", self.store, "--json").json()["commits"][1]["time_ns"]  # of 3
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when // 10**9))
        text += f".{when % 10**9:09}"
        self.assertEqual(self.load("d/v", "--at", text + "Z"), self.value(3))
        self.assertEqual(self.load("d/v", "--at", text + "+00:00"), self.value(3))
        self.assertIn("before the first commit",
                      self.said("load", self.store, "d/v", "--at", "1999-01-01T00:00:00Z"))

    def test_ls_and_stat_show_what_was_there(self):
        self.save("d/w", b"x")
        self.holog("rm", "-r", self.store, "d")
        self.assertEqual(self.names("-r"), [])
        self.assertEqual(self.names("-r", "--at", "5"), ["d", "d/v", "d/w"])
        self.assertEqual(self.names("d", "--at", "HEAD~2"), ["v"])
        doc = self.holog("ls", self.store, "-r", "--json", "--at", "2").json()
        self.assertEqual((doc["commit"], [(e["path"], e["bytes"]) for e in doc["entries"][1:]]),
                         (2, [("d/v", len(self.value(2)))]))
        doc = self.holog("stat", self.store, "d/v", "--json", "--at", "HEAD~4").json()
        self.assertEqual((doc["at"], doc["commit"], doc["bytes"]), (2, 2, len(self.value(2))))
        self.assertRegex(self.holog("stat", self.store, "d/v", "--at", "3").text, r"(?m)^at +3$")
        self.assertIn("no such entry at 4", self.said("stat", self.store, "d/w", "--at", "4"))

    def test_links_lead_where_they_led(self):
        self.holog("ln", self.store, "d/v", "link")
        self.holog("ln", self.store, "d/w", "link", "--replace")
        self.assertIn(" link -> d/v\n", self.holog("ls", "-l", self.store, "--at", "5").text)
        self.assertIn(" link -> d/w\n", self.holog("ls", "-l", self.store).text)
        doc = self.holog("stat", self.store, "link", "--at", "5", "--json").json()
        self.assertEqual((doc["target"], doc["target_type"]), ("d/v", "blob"))
        self.assertEqual(self.load("link", "--at", "5"), self.value(4))

    def test_what_names_no_state_is_refused(self):
        for ref, says in (("17", "no commit 17 yet; the newest is 4"), ("HEAD~9", "only 4 commits"),
                          ("nope", '"nope" (\'holog tag STORE --list\''),
                          ("HEAD~", "names no state"), ("-1", "names no state"),
                          ("2026-13-01T00:00:00Z", "names no state"), ("", "names no state")):
            for args in (["load", "d/v"], ["ls"], ["stat", "d/v"],
                         ["load", "d/v", "--range", "1:2"]):
                done = self.holog(args[0], self.store, *args[1:], "--at", ref, status=FAILED)
                self.assertIn(says, done.message)
                self.assertEqual(done.out, b"")
        self.said("load", self.store, "d/v", "--at", status=USAGE)


class Log(History):
    def versions(self, path, *args):
        doc = self.holog("log", self.store, path, "--json", *args).json()
        return [(v["commit"], v["bytes"], v["fate"], v["end_commit"], v["message"])
                for v in doc["versions"]]

    def test_a_value_shows_its_versions_and_what_became_of_them(self):
        self.holog("rm", self.store, "d/v")
        self.save("d/v", b"again", "-m", "line\nbreak")
        sizes = [len(self.value(i)) for i in range(5)]
        self.assertEqual(self.versions("d/v"),
                         [(6, 5, "current", None, "line\nbreak"),
                          (4, sizes[4], "removed", 5, "run 4"),
                          (3, sizes[3], "replaced", 4, "run 3"),
                          (2, sizes[2], "replaced", 3, "run 2"),
                          (1, sizes[1], "replaced", 2, "run 1")])
        self.assertEqual(self.versions("d/v", "-n", "2"), self.versions("d/v")[:2])
        lines = self.holog("log", self.store, "d/v").text.split("\n")
        self.assertRegex(lines[0], r"^ +6  20\d\d-\S+Z +5 B  current +line\\nbreak$")
        self.assertRegex(lines[1], r"^ +4  20\d\d-\S+Z +31\.2 KiB  removed by 5 +run 4$")
        self.assertRegex(lines[2], r" replaced by 4 +run 3$")
        self.save("d/v", b"no message", "--replace")
        self.assertRegex(self.holog("log", self.store, "d/v").text, r"^ +7 .* current\n")
        self.holog("rollback", self.store, "6")
        item = self.holog("log", self.store, "d/v", "--json").json()["versions"][0]
        stat = self.stat("d/v")
        self.assertEqual((item["segment"], item["offset"], item["type"]),
                         (stat["segment"], stat["offset"], "blob"))

    def test_a_directory_shows_commits(self):
        self.save("e/w", b"x", "-p")
        for path in ("d", "/"):
            doc = self.holog("log", self.store, path, "--json").json()
            self.assertEqual([c["commit"] for c in doc["commits"]][-4:], [4, 3, 2, 1], path)

    def test_what_is_forgotten_is_in_the_log_still(self):
        self.holog("rm", self.store, "d/v")
        self.save("x", b"x")
        self.holog("gc", self.store, "--keep", "1")
        doc = self.holog("log", self.store, "d/v", "--json").json()
        self.assertEqual([c["commit"] for c in doc["commits"]], [5, 4, 3, 2, 1])
        self.assertIn("never", self.said("log", self.store, "never"))


class Tags(History):
    def tags(self):
        doc = self.holog("tag", self.store, "--list", "--json").json()
        return [(t["name"], t["commit"]) for t in doc["tags"]]

    def test_a_tag_names_a_state(self):
        self.assertEqual(self.tags(), [])
        self.assertEqual(self.holog("tag", self.store, "--list").out, b"")
        doc = self.holog("tag", self.store, "v1", "HEAD~2", "--json").json()
        self.assertEqual(doc, {"store": self.store, "name": "v1", "commit": 2})
        self.holog("tag", self.store, "now")
        self.assertEqual(self.tags(), [("now", 4), ("v1", 2)])
        self.assertEqual(self.head(), 4, "a tag is no commit")
        self.assertEqual(self.load("d/v", "--at", "v1"), self.value(2))
        text = self.holog("tag", self.store, "--list").text
        self.assertRegex(text, r"^ +4  20\d\d-[-0-9T:.]+Z  now\n +2  20\d\d-[-0-9T:.]+Z  v1\n$")
        self.assertEqual(self.holog("tag", self.store).text, text)

    def test_a_tag_moves_only_when_forced(self):
        self.holog("tag", self.store, "v1", "1")
        self.assertIn("commit 1 (--force moves it)", self.said("tag", self.store, "v1", "2"))
        self.assertEqual(self.tags(), [("v1", 1)])
        self.holog("tag", self.store, "v1", "2", "--force")
        self.holog("tag", self.store, "v2", "v1", "-f")
        self.assertEqual(self.tags(), [("v1", 2), ("v2", 2)])

    def test_a_tag_goes(self):
        self.holog("tag", self.store, "v1")
        doc = self.holog("tag", self.store, "--delete", "v1", "--json").json()
        self.assertEqual(doc, {"store": self.store, "name": "v1", "deleted": True})
        self.assertEqual(self.tags(), [])
        self.assertIn("--list", self.said("tag", self.store, "--delete", "v1"))
        self.said("load", self.store, "d/v", "--at", "v1")

    def test_names_and_numbers_that_are_none(self):
        for name in ("HEAD", "1st", "a/b", "", "a" * 65):
            self.assertIn("HEAD is taken", self.said("tag", self.store, name))
        self.assertIn("newest is 4", self.said("tag", self.store, "v1", "5"))
        self.assertEqual(self.tags(), [])
        self.holog("init", self.path("empty"))
        self.assertIn("no commit yet", self.said("tag", self.path("empty"), "v1"))

    def test_words_that_do_not_go_together(self):
        for args in (["--list", "--delete", "v1"], ["v1", "--list"], ["v1", "--delete", "v2"],
                     ["--force"], ["v1", "1", "2"]):
            self.said("tag", self.store, *args, status=USAGE)
        self.assertEqual(self.tags(), [])


class Diff(History):
    def diff(self, *args):
        return self.holog("diff", self.store, *args, "--json").json()

    def test_what_came_went_and_changed(self):
        self.save("new", b"x" * 10)
        self.holog("ln", self.store, "new", "link")
        doc = self.diff("2", "HEAD")
        self.assertEqual((doc["path"], doc["a"], doc["b"]), ("/", 2, 6))
        self.assertEqual([(d["path"], d["a"] and tuple(d["a"].values()),
                           d["b"] and tuple(d["b"].values())) for d in doc["differences"]],
                         [("d/v", ("blob", 2, len(self.value(2))), ("blob", 4, len(self.value(4)))),
                          ("link", None, ("symlink", 6, 3)), ("new", None, ("blob", 5, 10))])
        back = self.diff("HEAD", "2")["differences"]
        self.assertEqual([(d["path"], d["a"], d["b"]) for d in back],
                         [(d["path"], d["b"], d["a"]) for d in doc["differences"]])
        text = self.holog("diff", self.store, "2", "6").text
        self.assertEqual(text, "~   15.6 KiB ->   31.2 KiB  d/v\n+          - ->        3 B  link\n"
                               "+          - ->       10 B  new\n")
        self.assertEqual(self.holog("diff", self.store, "6", "4", "new").text,
                         "-       10 B ->          -  new\n")
        self.assertRegex(self.holog("diff", self.store, "0", "1").text,
                         r"(?m)^\+          - ->        dir  d$")

    def test_only_what_was_asked_for(self):
        self.save("e/w", b"x", "-p")
        self.assertEqual([d["path"] for d in self.diff("1", "HEAD", "d")["differences"]], ["d/v"])
        done = self.holog("diff", self.store, "HEAD", "4", "d")
        self.assertEqual((done.out, "no difference" in done.message), (b"", True))
        self.assertEqual(self.diff("4", "HEAD", "d")["differences"], [])
        self.assertEqual(self.diff("4", "4")["differences"], [])
        for path in ("wrong", "wrong/too"):
            self.assertIn("no such entry in either",
                          self.said("diff", self.store, "1", "HEAD", path))

    def test_ranges_say_which_bytes(self):
        value = bytearray(300000)
        self.save("big", bytes(value))
        value[70000:70010] = b"0123456789"
        value[299990:] = b"longer than it was"
        self.save("big", bytes(value), "--replace")
        item = self.diff("HEAD~1", "HEAD", "--ranges")["differences"][0]
        self.assertEqual([tuple(r.values()) for r in item["ranges"]],
                         [(70000, 10, 70000, 10), (299990, 10, 299990, 18)])
        text = self.holog("diff", self.store, "5", "6", "--ranges").text
        self.assertIn("  big\n    70000:10 -> 70000:10\n    299990:10 -> 299990:18\n", text)
        self.assertEqual(self.load("big", "--at", "HEAD", "--range", "70000:10"), b"0123456789")

    def test_a_state_that_is_none(self):
        for refs in (["1", "9"], ["nope", "1"]):
            self.assertEqual(self.holog("diff", self.store, *refs, status=FAILED).out, b"")
        self.said("diff", self.store, "1", status=USAGE)


class Rollback(History):
    def test_everything_goes_back_and_forth(self):
        self.save("new", b"x")
        doc = self.holog("rollback", self.store, "2", "--json", "-m", "as before").json()
        self.assertEqual(doc, {"store": self.store, "path": "/", "target": 2, "commit": 6})
        self.assertEqual((self.load("d/v"), self.names()), (self.value(2), ["d"]))
        log = self.holog("log", self.store, "--json", "-n1").json()["commits"][0]
        self.assertEqual((log["commit"], log["message"]), (6, "as before"))
        self.holog("rollback", self.store, "HEAD~1")
        self.assertEqual((self.load("d/v"), self.load("new")), (self.value(4), b"x"))
        for i in range(1, 5):
            self.assertEqual(self.load("d/v", "--at", str(i)), self.value(i))
        self.assertEqual(self.names("--at", "6"), ["d"])

    def test_only_the_path_that_was_named(self):
        self.save("d/w", b"w")
        self.save("e/v", b"e", "-p")
        self.holog("tag", self.store, "good", "1")
        self.holog("rollback", self.store, "good", "d/v")
        self.assertEqual((self.load("d/v"), self.load("d/w")), (self.value(1), b"w"))
        self.holog("rollback", self.store, "good", "d")
        self.assertEqual(self.names("-r"), ["d", "d/v", "e", "e/v"])

    def test_steps_count_commits_that_changed_the_path(self):
        self.save("other", b"1")
        self.save("other", b"2", "--replace")
        doc = self.holog("rollback", self.store, "-n", "1", "d/v", "--json").json()
        self.assertEqual((doc["path"], doc["target"]), ("d/v", 3))
        self.assertEqual((self.load("d/v"), self.load("other")), (self.value(3), b"2"))
        self.holog("rollback", self.store, "--steps", "2", "d")
        self.assertEqual(self.load("d/v"), self.value(3), "the rollback is one of the two")
        self.holog("rollback", self.store, "-n", "1")
        self.holog("rollback", self.store, "-n", "1", "other")
        self.assertEqual(self.load("other"), b"1")
        self.holog("rollback", self.store, "-n", "3", "other")
        self.missing("other")

    def test_a_dry_run_shows_what_would_change_and_changes_nothing(self):
        self.save("new", b"x")
        text = self.holog("rollback", self.store, "2", "--dry-run").text
        self.assertEqual(text, "~   31.2 KiB ->   15.6 KiB  d/v\n-        1 B ->          -  new\n")
        doc = self.holog("rollback", self.store, "-n", "1", "d", "--dry-run", "--json").json()
        self.assertEqual((doc["target"], doc["dry_run"], [d["path"] for d in doc["differences"]]),
                         (3, True, ["d/v"]))
        self.assertIn("no difference",
                      self.holog("rollback", self.store, "HEAD", "--dry-run").message)
        self.said("rollback", self.store, "9", "--dry-run")
        self.assertEqual((self.head(), self.load("d/v")), (5, self.value(4)))

    def test_where_to_has_to_be_said(self):
        for args, says in (([], "where to?"), (["1", "d", "-n", "1"], "either"),
                           (["-n", "0"], "nothing"), (["-n", "x"], "a number")):
            self.assertIn(says, self.said("rollback", self.store, *args, status=USAGE))
        for args, says in ((["9"], "newest is 4"), (["v1"], "no tag"), (["1", "gone"], "gone"),
                           (["-n", "7", "d/v"], "7 changes")):
            self.assertIn(says, self.said("rollback", self.store, *args))
        self.assertEqual((self.head(), self.load("d/v")), (4, self.value(4)))


class Gc(History):
    def gc(self, *args):
        return self.holog("gc", self.store, *args, "--json").json()

    def sizes(self, *versions):
        return sum(len(self.value(i)) for i in versions)

    def test_the_last_ones_are_kept_and_the_others_say_what_is(self):
        plan = self.gc("--keep", "2", "--dry-run")
        self.assertEqual((plan["dry_run"], plan["kept_from"], plan["commits_before"],
                          plan["commits"], plan["versions"], plan["bytes"]),
                         (True, 3, 4, 2, 2, self.sizes(1, 2)))
        self.assertEqual([r["rule"] for r in plan["rules"]],
                         ["retention.bytes=live", "--keep 2", "retention.age_s=604800"])
        self.assertEqual(sum(r["bytes"] for r in plan["rules"]), plan["bytes"])
        self.assertEqual(self.load("d/v", "--at", "1"), self.value(1), "a dry run changes nothing")
        done = self.gc("--keep", "2")
        self.assertEqual({**done, "dry_run": True}, plan)
        for i in (3, 4):
            self.assertEqual(self.load("d/v", "--at", str(i)), self.value(i))
        for args in (["load", self.store, "d/v", "--at", "2"], ["ls", self.store, "--at", "2"],
                     ["rollback", self.store, "2"], ["diff", self.store, "2", "4"],
                     ["tag", self.store, "late", "1"]):
            said = self.said(*args)
            self.assertIn("not kept any more; the oldest that is, is 3", said)
            self.assertIn("tags keep", said)
        self.assertEqual(self.gc("--keep", "2")["versions"], 0)
        self.holog("verify", self.store)

    def test_what_a_tag_names_stays(self):
        self.holog("tag", self.store, "first", "1")
        text = self.holog("gc", self.store, "--keep", "1").text
        self.assertRegex(text, r"(?m)^--keep 1 +4 ")
        self.assertRegex(text, r"(?m)^\d versions?, .* freed; of 4 states 1 kept, from commit 4 ")
        self.assertIn("tags keep 7.8 KiB of older versions", text)
        self.assertEqual(self.load("d/v", "--at", "first"), self.value(1))
        self.said("load", self.store, "d/v", "--at", "2")
        self.holog("tag", self.store, "--delete", "first")
        self.said("load", self.store, "d/v", "--at", "1")
        self.gc()
        self.assertEqual(self.gc("--dry-run")["kept_by_tags_bytes"], 0)

    def test_the_rules_of_the_store(self):
        self.assertEqual(self.gc()["commits"], self.gc("--dry-run")["commits_before"])
        self.holog("config", self.store, "retention.commits=3")
        rules = self.gc()["rules"]
        self.assertEqual(rules[1]["rule"], "retention.commits=3")
        self.holog("config", self.store, "retention.bytes=0", "retention.commits=1000")
        rules = self.gc("--dry-run")["rules"]
        self.assertEqual((rules[0]["rule"], rules[1]["bytes"], rules[2]["bytes"]),
                         ("retention.bytes=0", 0, 0))
        self.assertGreater(rules[0]["bytes"], 0)

    def test_ages(self):
        self.holog("config", self.store, "retention.bytes=all")
        time.sleep(1.1)
        self.save("d/v", b"new", "--replace")
        self.assertEqual(self.gc("--older", "1h")["commits"], 6)
        done = self.gc("--older", "1s")
        self.assertEqual((done["rules"][2]["rule"], done["kept_from"]), ("--older 1s", 6))
        self.assertEqual(self.load("d/v"), b"new")

    def test_values_that_make_no_sense(self):
        for args in (["--keep", "0"], ["--older", "0s"], ["--older", "7"], ["--older", "d"],
                     ["--older", "7x"], ["--older", "7dd"], ["--keep", "all"],
                     ["--older", "99999999999999999999w"], ["x"]):
            self.said("gc", self.store, *args, status=USAGE)
        self.assertEqual(self.load("d/v", "--at", "1"), self.value(1))


if __name__ == "__main__":
    main()
