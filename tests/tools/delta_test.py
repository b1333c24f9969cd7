"""delta: a part of a value changes, by the verb and by batch; every byte of the rest stays."""

import json
import random

from clitest import FAILED, USAGE, Case, main


class Delta(Case):
    def setUp(self):
        super().setUp()
        self.init()
        self.value = bytes(random.Random(4).randbytes(200000))
        self.number = self.save("v", self.value, "--json").json()["commit"]

    def delta(self, *args, data=b"", status=0):
        return self.holog("delta", self.store, "v", *map(str, args), input=data, status=status)

    def is_now(self, value):
        self.assertEqual(self.load("v"), value)
        self.value = value

    def splice(self, start, end, data):
        return self.value[:start] + data + self.value[end:]

    def test_each_kind(self):
        self.delta("insert", 70000, data=b"inserted")
        self.is_now(self.splice(70000, 70000, b"inserted"))
        with open(self.path("file"), "wb") as f:
            f.write(b"x" * 3)
        self.delta("update", 100, 5000, "file")
        self.is_now(self.splice(100, 5000, b"xxx"))
        self.delta("update", "64K", "128K", "-", data=b"y" * 100000)
        self.is_now(self.splice(65536, 131072, b"y" * 100000))
        self.delta("delete", 0, 10)
        self.is_now(self.value[10:])
        v = self.value
        self.delta("move", 10, 30, 100000)
        self.is_now(v[:10] + v[30:100000] + v[10:30] + v[100000:])
        self.delta("move", 500, 600, 0)
        self.is_now(self.value[500:600] + self.value[:500] + self.value[600:])
        self.delta("insert", len(self.value), data=b"at the end")
        self.is_now(self.value + b"at the end")
        self.delta("delete", 0, len(self.value))
        self.is_now(b"")
        self.delta("insert", 0, data=b"")
        self.is_now(b"")
        self.holog("verify", self.store)

    def test_each_is_a_version_in_the_history(self):
        old = self.value
        doc = self.delta("update", 5, 8, "--json", "-m", "three for two", data=b"ab").json()
        self.assertEqual(doc, {"store": self.store, "path": "v", "kind": "update", "start": 5,
                               "end": 8, "bytes": 2, "commit": self.number + 1})
        self.assertEqual(self.load("v", "--at", "HEAD~1"), old)
        stat = self.stat("v")
        self.assertEqual((stat["hash"], stat["bytes"]), (None, len(old) - 1))
        self.assertEqual(stat["csum"], sum(self.load("v")) % 96)
        self.assertRegex(self.holog("stat", self.store, "v").text, r"(?m)^hash +-$")
        versions = self.holog("log", self.store, "v", "--json").json()["versions"]
        self.assertEqual([(v["bytes"], v["message"]) for v in versions],
                         [(len(old) - 1, "three for two"), (len(old), "")])
        diff = self.holog("diff", self.store, "HEAD~1", "HEAD", "--ranges").text
        self.assertIn("\n    5:3 -> 5:2\n", diff)
        self.holog("rollback", self.store, "HEAD~1", "v")
        self.is_now(old)

    def test_only_if_it_is_still_that_version(self):
        self.delta("delete", 0, 1, "--if-seq", self.number)
        done = self.delta("delete", 0, 1, "--if-seq", self.number, status=FAILED)
        self.assertIn("holog stat", done.message)
        self.is_now(self.value[1:])

    def test_ranges_outside_the_value_are_refused(self):
        size = len(self.value)
        for args in (["insert", size + 1], ["update", 0, size + 1], ["delete", size, size + 1],
                     ["move", 0, 1, size + 1], ["delete", 9, 8], ["move", 10, 20, 15]):
            done = self.delta(*args, data=b"x", status=FAILED)
            self.assertIn("v", done.message)
        self.holog("delta", self.store, "nothing", "delete", "0", "0", status=FAILED)
        self.holog("mkdir", self.store, "d")
        self.holog("delta", self.store, "d", "delete", "0", "0", status=FAILED)
        self.delta("insert", 0, "nowhere", status=FAILED)
        self.is_now(self.value)

    def test_words_that_make_no_sense(self):
        for args, says in ((["append", 1], "not one of insert, update, delete, move"),
                           (["insert"], "too few"), (["update", 1], "end is missing"),
                           (["move", 1, 2], "to is missing"), (["delete", 1, "x"], '"x"'),
                           (["delete", 1, -2], "unknown option"),
                           (["delete", 1, 2, "f"], 'from "f"'),
                           (["move", 1, 2, 3, "f"], "too many"),
                           (["insert", 1, "f", "g"], 'from "g"')):
            self.assertIn(says, self.delta(*args, status=USAGE).message)

    def test_a_sum_that_is_to_be_kept(self):
        self.holog("config", self.store, "conservation=enforce")
        self.save("text", b"aaaa")
        done = self.holog("delta", self.store, "text", "update", "0", "1", input=b"b",
                          status=FAILED)
        self.assertIn("--balance", done.message)
        self.holog("delta", self.store, "text", "update", "0", "2", input=b"b`")
        self.assertEqual(self.load("text"), b"b`aa")
        self.holog("delta", self.store, "text", "update", "0", "1", "--balance", input=b"c")
        self.assertEqual(self.load("text"), b"c`aa")
        commit = self.holog("log", self.store, "--json", "-n1").json()["commits"][0]
        self.assertRegex(commit["meta"]["holog.deficit"], r"^\d+ text$")

    def batch(self, *objects, status=0):
        return self.holog("batch", self.store, "--json", status=status,
                          input="".join(json.dumps(o) + "\n" for o in objects).encode())

    def test_batches_of_them_are_one_commit_or_none(self):
        one = {"op": "delta", "path": "v", "kind": "insert", "start": 0, "text": "abc"}
        two = {"op": "delta", "path": "v", "kind": "update", "start": 1, "end": 5, "base64": "WFg="}
        out = {"op": "delta", "path": "v", "kind": "delete", "start": 0, "end": 10**9}
        done = self.batch(one, two, out, status=FAILED)
        self.assertIn("line 3: ", done.message)
        self.is_now(self.value)
        move = {"op": "delta", "path": "v", "kind": "move", "start": 0, "end": 3, "to": 10,
                "if_seq": self.number}
        doc = self.batch({**move, "to": 3}, one, two).json()
        self.assertEqual((doc["operations"], doc["bytes"], doc["commit"]), (3, 5, self.number + 1))
        self.is_now(b"aXX" + self.value[2:])
        self.assertIn("holog stat", self.batch(move, status=FAILED).message)
        self.is_now(self.value)

    def test_lines_of_a_batch_that_make_no_sense(self):
        for members, says in (({"kind": "append"}, "not one of insert"),
                              ({"kind": "insert", "start": 1}, 'one of "file"'),
                              ({"kind": "insert", "text": "x"}, '"start" is missing'),
                              ({"kind": "insert", "start": 1, "end": 2, "text": "x"}, '"end"'),
                              ({"kind": "delete", "start": 1, "end": 2, "text": "x"}, "no bytes"),
                              ({"kind": "delete", "start": -1, "end": 2}, '"start" is not'),
                              ({"start": 1, "end": 2}, '"kind" is missing')):
            done = self.batch({"op": "delta", "path": "v", **members}, status=FAILED)
            self.assertIn(says, done.message)
        self.is_now(self.value)


if __name__ == "__main__":
    main()
