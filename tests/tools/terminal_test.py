"""What is shown on a terminal only: escaped names, progress, and no binary."""

import time

from clitest import DONE, FAILED, Case, main


class Terminal(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def test_control_characters_are_escaped(self):
        names = {"a\x1b[31mred": b"a\\x1b[31mred", "b\nb": b"b\\nb", "c\\c": b"c\\\\c",
                 "d\u202ed": b"d\\u202ed", "e\u009be": b"e\\u009be", "größe": "größe".encode()}
        for name in names:
            self.save(name, b"x")
        status, seen = self.on_terminal("ls", self.store)
        self.assertEqual(status, DONE)
        self.assertEqual(sorted(seen.split(b"\r\n")[:-1]), sorted(names.values()))
        _, seen = self.on_terminal("ls", "-l", self.store)
        self.assertNotIn(b"\x1b", seen)
        _, seen = self.on_terminal("ls", "-0", self.store)
        self.assertIn(b"\x1b[31m", seen)
        out = self.holog("ls", self.store).out
        self.assertIn(b"\x1b[31m", out)

    def test_no_listing_of_paths_moves_the_cursor(self):
        bad = "d/\x1b[2Jdir/v"
        self.save(bad, b"1", "-p")
        self.save(bad, b"2", "--replace", "-m", "\x1b[2J")
        for args in (["diff", self.store, "0", "2", "--ranges"], ["du", self.store, "-d", "9"],
                     ["rollback", self.store, "1", "--dry-run"], ["log", self.store, bad],
                     ["stat", self.store, bad, "--at", "1"], ["stats", self.store],
                     ["gc", self.store, "--dry-run"]):
            status, seen = self.on_terminal(*args)
            self.assertEqual((status, b"\x1b" in seen), (DONE, False), (args, seen))

    def test_messages_are_always_escaped(self):
        done = self.holog("load", self.store, "no\x1b[2Jsuch", status=FAILED)
        self.assertIn("no\\x1b[2Jsuch", done.message)

    def test_binary_is_not_written_to_a_terminal(self):
        self.save("binary", b"\0\1\2")
        self.save("text", b"hello")
        status, seen = self.on_terminal("load", self.store, "binary")
        self.assertEqual(status, FAILED)
        self.assertIn(b"use -o FILE", seen)
        self.assertEqual(self.on_terminal("load", self.store, "text"), (DONE, b"hello"))
        self.assertEqual(self.on_terminal("load", self.store, "binary", "-o", "-"),
                         (DONE, b"\0\1\2"))

    def test_progress_shows_after_a_second_and_goes_away(self):
        piece = b"x" * (17 << 20)

        def slowly(pipe):
            pipe.write(piece)
            pipe.flush()
            time.sleep(1.2)
            pipe.write(piece)
            pipe.flush()

        status, seen = self.on_terminal("save", self.store, "slow", "-", between=slowly)
        self.assertEqual(status, DONE)
        self.assertIn(b"saving: ", seen)
        self.assertIn(b"MiB", seen)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen)

    def test_no_progress_for_what_is_quick(self):
        self.assertEqual(self.on_terminal("save", self.store, "v", input=b"x" * 100), (DONE, b""))


if __name__ == "__main__":
    main()
