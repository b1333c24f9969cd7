"""batch: many changes, one commit, or none and the line that is to blame."""

import base64
import json
import os
import random
import subprocess

from clitest import BIN, FAILED, Case, main


def lines(*objects):
    return "".join(json.dumps(o) + "\n" for o in objects).encode()


class Batch(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def batch(self, *objects, options=(), status=0):
        return self.holog("batch", self.store, *options, input=lines(*objects), status=status)

    def test_every_operation_in_one_commit(self):
        value = random.Random(3).randbytes(100000)
        with open(self.path("file"), "wb") as f:
            f.write(value)
        self.save("old/x", b"x", "-p")
        before = self.holog("ls", self.store, "--json").json()["commit"]
        doc = self.batch(
            {"op": "mkdir", "path": "a/b", "parents": True},
            {"op": "save", "path": "a/file", "file": "file"},
            {"op": "save", "path": "a/text", "text": "grün\n\u0000"},
            {"op": "save", "path": "a/bytes", "base64": base64.b64encode(value[:1000]).decode()},
            {"op": "save", "path": "a/empty", "base64": ""},
            {"op": "cp", "from": "a/text", "to": "c/text", "parents": True},
            {"op": "mv", "from": "a/bytes", "to": "c/bytes"},
            {"op": "ln", "target": "../a/file", "path": "c/link"},
            {"op": "save", "path": "c/text", "text": "new", "replace": True},
            {"op": "rm", "path": "a/empty"},
            {"op": "rm", "path": "old", "recursive": True},
            options=("--json", "-m", "all of it")).json()
        self.assertEqual((doc["operations"], doc["commit"]), (11, before + 1))
        self.assertEqual(self.names("-r"), ["a", "a/b", "a/file", "a/text", "c", "c/bytes",
                                            "c/link", "c/text"])
        self.assertEqual(self.load("c/link"), value)
        self.assertEqual(self.load("a/text"), "grün\n\0".encode())
        self.assertEqual(self.load("c/bytes"), value[:1000])
        self.assertEqual(self.load("c/text"), b"new")
        log = self.holog("log", self.store, "--json", "-n1").json()["commits"][0]
        self.assertEqual((log["commit"], log["message"]), (before + 1, "all of it"))

    def test_half_a_character_is_refused_not_replaced(self):
        for text in (rb'"\ud800"', rb'"a\udfffb"', rb'"\uD83D\u0041"', rb'"\ud83d\\udE00"'):
            done = self.holog("batch", self.store, status=FAILED,
                              input=b'{"op":"save","path":"p","text":' + text + b'}\n')
            self.assertIn("line 1: ", done.message)
            self.assertIn("surrogate", done.message)
        self.holog("batch", self.store, input=b'{"op":"save","path":"p","text":"\\ud83d\\uDE00 '
                                              b'\\\\ud800"}\n')
        self.assertEqual(self.load("p"), "\U0001F600 \\ud800".encode())

    def test_a_failing_line_is_named_and_nothing_is_changed(self):
        done = self.batch({"op": "save", "path": "a", "text": "x"},
                          {"op": "mkdir", "path": "no/dir"},
                          {"op": "save", "path": "b", "text": "x"}, status=FAILED)
        self.assertIn("line 2: ", done.message)
        self.assertIn("no/dir", done.message)
        self.assertEqual(self.names(), [])

    def test_lines_that_make_no_sense(self):
        good = b'{"op":"mkdir","path":"d"}\n\n'
        for bad, says in (
                (b"{", "not one whole JSON object"),
                (b"nonsense", "not JSON"),
                (b"[1]", "not a JSON object"),
                (b'{"op":"mkdir","path":"x"} {}', "something follows"),
                (b'{"path":"x"}', '"op" is missing'),
                (b'{"op":"frob","path":"x"}', 'op "frob" is not one of'),
                (b'{"op":"mkdir"}', '"path" is missing'),
                (b'{"op":"mkdir","path":3}', '"path" is not a string'),
                (b'{"op":"mkdir","path":"a\\u0000b"}', "NUL"),
                (b'{"op":"mkdir","path":"x","parent":true}', 'member "parent"'),
                (b'{"op":"mkdir","path":"x","parents":"yes"}', "neither true nor false"),
                (b'{"op":"mkdir","path":"x","replace":true}', 'member "replace"'),
                (b'{"op":"save","path":"x"}', 'one of "file", "base64" and "text"'),
                (b'{"op":"save","path":"x","text":"a","base64":""}', 'one of "file"'),
                (b'{"op":"save","path":"x","text":7}', '"text" is not a string'),
                (b'{"op":"save","path":"x","base64":"YQ"}', "not base64"),
                (b'{"op":"save","path":"x","base64":"YR=="}', "not base64"),
                (b'{"op":"save","path":"x","base64":"Y@=="}', "not base64"),
                (b'{"op":"save","path":"x","file":"nowhere"}', "nowhere: No such file"),
                (b'{"op":"save","path":"x","text":"a","if_seq":-1}', "not a number"),
                (b'{"op":"save","path":"x","text":"a","if_seq":"1"}', "not a number"),
                (b'{"op":"rollback"}', 'one of "to" and "steps"'),
                (b'{"op":"rollback","to":"1","steps":1}', 'one of "to" and "steps"'),
                (b'{"op":"rollback","to":"v1"}', 'no tag is called "v1"'),
                (b'{"op":"rollback","to":1}', '"to" is not a string'),
                (b'{"op":"rollback","steps":"1"}', '"steps" is not a number'),
                (b'{"op":"rollback","to":"0","path":"y"}', "y: "),
                (b'{"op":"mkdir","path":"../x"}', "../x"),
                (b'{"op":"mkdir","path":"x\xff"}', "not JSON")):
            done = self.holog("batch", self.store, input=good + bad + b"\n", status=FAILED)
            self.assertIn("line 3", done.message)
            self.assertIn(says, done.message)
        self.assertEqual(self.names(), [])

    def test_options_hold_for_every_line(self):
        self.save("a", b"old")
        objects = ({"op": "save", "path": "a", "text": "new"},
                   {"op": "save", "path": "b/c", "text": "new"})
        self.batch(*objects, status=FAILED)
        self.batch(*objects, options=("--replace", "--parents"))
        self.assertEqual(self.load("a"), b"new")
        off = {"op": "save", "path": "a", "text": "newer", "replace": False}
        self.batch(off, options=("--replace",), status=FAILED)

    def test_preconditions(self):
        number = self.save("a", b"1", "--json").json()["commit"]
        self.batch({"op": "save", "path": "a", "text": "2", "if_seq": number},
                   {"op": "save", "path": "b", "text": "2", "if_seq": 0})
        self.batch({"op": "save", "path": "c", "text": "3"},
                   {"op": "save", "path": "a", "text": "3", "if_seq": number}, status=FAILED)
        self.batch({"op": "rm", "path": "a", "if_seq": number}, status=FAILED)
        self.missing("c")
        self.assertEqual(self.load("a"), b"2")

    def test_a_rollback_among_other_changes(self):
        self.save("a", b"1")
        self.save("b", b"1")
        self.save("a", b"2", "--replace")
        self.save("b", b"2", "--replace")
        done = self.batch({"op": "rollback", "to": "HEAD~3", "path": "a"},
                          {"op": "rollback", "steps": 1, "path": "b"},
                          {"op": "save", "path": "c", "text": "3"}, options=("--json",)).json()
        self.assertEqual((done["operations"], done["commit"]), (3, 5))
        self.assertEqual([self.load(p) for p in "abc"], [b"1", b"1", b"3"])
        self.batch({"op": "rollback", "to": "4"})
        self.assertEqual([self.load(p) for p in "ab"], [b"2", b"2"])
        self.missing("c")

    def test_an_empty_batch_is_no_commit(self):
        before = self.holog("ls", self.store, "--json").json()["commit"]
        self.assertEqual(self.batch(options=("--json",)).json()["operations"], 0)
        self.holog("batch", self.store, input=b"\n  \n\n")
        self.assertEqual(self.holog("ls", self.store, "--json").json()["commit"], before)

    def test_from_a_file_without_a_last_newline(self):
        with open(self.path("lines"), "wb") as f:
            f.write(b'{"op":"mkdir","path":"d"}\n{"op":"mkdir","path":"d/e"}')
        self.holog("batch", self.store, "lines")
        self.assertEqual(self.names("-r"), ["d", "d/e"])
        self.holog("batch", self.store, "nowhere", status=FAILED)

    def test_a_long_batch(self):
        self.holog("batch", self.store, "-p", input=lines(*(
            {"op": "save", "path": f"d/{i}", "text": "v" * (i % 100)} for i in range(10000))))
        self.assertEqual(self.names("d"), [str(i) for i in range(10000)])
        self.assertEqual(self.load("d/9999"), b"v" * 99)

    def test_while_it_is_open_others_read_and_do_not_write(self):
        self.save("v", b"x")
        process = subprocess.Popen([BIN, "batch", self.store], stdin=subprocess.PIPE)
        try:
            process.stdin.write(lines({"op": "mkdir", "path": "d"}))
            process.stdin.flush()
            # Until it has the store a writer may get in: each such save is of another name.
            for i in range(1000):
                done = self.save(f"w{i}", b"y", status=None)
                if done.status != 0:
                    break
            self.assertEqual(done.status, FAILED)
            self.assertRegex(done.message, "another process|open for writing")
            self.assertEqual(self.load("v"), b"x")
            self.missing("d")
        finally:
            process.stdin.close()
            status = process.wait()
        self.assertEqual(status, 0)
        self.assertEqual(self.stat("d")["type"], "directory")

    def test_a_file_that_cannot_be_read(self):
        os.mkdir(self.path("folder"))
        done = self.batch({"op": "save", "path": "x", "file": "folder"}, status=FAILED)
        self.assertIn("line 1", done.message)
        self.assertIn("Is a directory", done.message)


if __name__ == "__main__":
    main()
