"""The command line itself: help, version, wrong usage, and that man page and completion keep up."""

import os
import re
import shutil
import subprocess
import unittest

from clitest import BIN, DONE, FAILED, SOURCE, USAGE, Case, main
from array_test import npy, numbers

VERBS = """init save load ls stat delta rm mkdir mv cp ln batch serve log tag diff rollback gc compact du verify repair
    dump config info stats export import ome pyramid bench""".split()


class Advice(Case):
    def setUp(self):
        super().setUp()
        self.init()

    def said(self, *args, status=FAILED):
        return self.holog(*args, input=b"x", status=status).message

    def test_a_missing_parent_is_named(self):
        said = self.said("save", self.store, "d/e/x", "-")
        self.assertIn(" d: no such directory", said)
        self.assertIn("-p", said)

    def test_replace_is_advised_once_and_where_it_helps(self):
        self.holog("mkdir", self.store, "d")
        self.holog("mkdir", self.store, "e")
        self.save("y", b"1")
        self.assertEqual(self.said("save", self.store, "y", "-").count("replace"), 1)
        for source in ("e", "y"):
            self.assertNotIn("--replace", self.said("mv", self.store, source, "d"))

    def test_a_log_of_what_never_was_is_told(self):
        self.save("y", b"1")
        self.assertIn("never", self.said("log", self.store, "never"))
        self.holog("rm", self.store, "y")
        self.assertEqual(self.holog("log", self.store, "y").text.count("\n"), 1)
        self.assertEqual(self.holog("log", self.store, "y", "--before", "9").text.count("\n"), 2)
        self.assertIn("--before", self.said("log", self.store, "--before", "0", status=USAGE))

    def test_a_size_out_of_range_names_its_option(self):
        for option in ("--segment-size", "--extent-segment-size", "--inline-max"):
            self.assertIn(option, self.said("init", self.path("n"), option, "5G", status=USAGE))
        self.assertIn("4294967295", self.said("init", self.path("n"), "--inline-max",
                                              "4294967295", status=USAGE))


class Help(Case):
    def options(self, verb):
        text = self.holog(verb, "--help").text
        return set(re.findall(r"--([a-z-]+)", text.split("\noptions\n")[1]))

    def test_overview_lists_every_verb(self):
        text = self.holog("--help").text
        for verb in VERBS:
            self.assertRegex(text, rf"(?m)^  {verb} ")
        self.assertEqual(self.holog("help").text, text)

    def test_help_of_help_is_help(self):
        self.assertEqual(self.holog("help", "help").text, self.holog("help").text)

    def test_each_verb_has_help(self):
        for verb in VERBS:
            text = self.holog(verb, "--help").text
            self.assertTrue(text.startswith(f"usage: holog {verb} "), text)
            self.assertEqual(self.holog("help", verb).text, text)
            self.assertEqual(self.holog(verb, "-h").text, text)
            self.assertLess(max(map(len, text.split("\n"))), 101)

    def test_every_query_has_json(self):
        for verb in VERBS[VERBS.index("log"):] + ["ls", "stat"]:
            self.assertIn("json", self.options(verb), verb)

    def test_version(self):
        self.assertRegex(self.holog("--version").text, r"^holog \d+\.\d+\.\d+\n$")

    def test_completion_knows_every_verb_and_option(self):
        script = os.path.join(SOURCE, "tools/completion/holog.bash")
        for verb in VERBS:
            done = subprocess.run(
                ["bash", "-c", 'source "$1"; COMP_WORDS=(holog "$2" --); COMP_CWORD=2; _holog; '
                 'printf "%s\\n" "${COMPREPLY[@]}"', "bash", script, verb],
                text=True, capture_output=True, check=True)
            self.assertEqual({w[2:] for w in done.stdout.split()}, self.options(verb), verb)

    def test_completion_completes_paths_in_a_store(self):
        self.init()
        self.save("plates/a b/z1", b"x", "-p")
        self.save("plates/other", b"x")
        script = os.path.join(SOURCE, "tools/completion/holog.bash")
        done = subprocess.run(
            ["bash", "-c", 'source "$1"; PATH=$3:$PATH; COMP_WORDS=(holog load "$2" plates/a); '
             'COMP_CWORD=3; _holog; printf "%s\\n" "${COMPREPLY[@]}"', "bash", script, self.store,
             os.path.dirname(BIN)],
            text=True, capture_output=True, check=True)
        self.assertEqual(done.stdout, "plates/a\\ b\n")

    def test_completion_completes_tags(self):
        self.init()
        self.save("v", b"x")
        self.holog("tag", self.store, "final")
        script = os.path.join(SOURCE, "tools/completion/holog.bash")
        for words in (["load", self.store, "v", "--at", "f"], ["rollback", self.store, "f"],
                      ["tag", self.store, "--delete", "f"]):
            done = subprocess.run(
                ["bash", "-c", 'source "$1"; PATH=$2:$PATH; shift 2; COMP_WORDS=(holog "$@"); '
                 'COMP_CWORD=$#; _holog; printf "%s\n" "${COMPREPLY[@]}"', "bash", script,
                 os.path.dirname(BIN), *words], text=True, capture_output=True, check=True)
            self.assertEqual(done.stdout, "final\n", words)

    def test_man_page_knows_every_verb_and_option(self):
        with open(os.path.join(SOURCE, "docs/man/holog.1"), encoding="utf-8") as f:
            page = f.read()
        for verb in VERBS:
            start = re.search(rf"(?m)^\.It Cm {verb}\b", page)
            self.assertIsNotNone(start, verb)
            entry = page[start.start():]
            entry = entry[:entry.index("\n.It", entry.index("\n.It Cm cp")
                                       + 5 if verb == "mv" else 5)]
            for option in self.options(verb) - {"help"}:
                self.assertRegex(entry, rf"(Fl|\|) -{option}\b", verb)

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_man_page_is_well_formed(self):
        page = os.path.join(SOURCE, "docs/man/holog.1")
        done = subprocess.run(["man", "-l", "--warnings", page], capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Readme(Case):
    def commands(self):
        """Of the blocks of commands in README.md; two blanks end a command, a comment follows."""
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as f:
            blocks = re.findall(r"(?m)^```\n(holog .*?)^```$", f.read(), re.S)
        for line in "".join(blocks).split("\n"):
            yield from (part for part in re.split(" {2,}", line) if part.startswith("holog "))

    def test_its_commands_work_as_written(self):
        for name in ("plane.raw", "better.raw", "patch.raw"):
            with open(self.path(name), "wb") as f:
                f.write(os.urandom(100000))
        with open(self.path("stack.npy"), "wb") as f:
            f.write(npy("<u2", (3, 40, 50), numbers(6000)))
        seen = set()
        for command in self.commands():
            if command.endswith(".tif") and os.environ.get("HOLOG_HAVE_TIFF") != "1":
                continue  # array_test says that the plug-in is missing
            if command.endswith(".ozx") and os.environ.get("HOLOG_HAVE_ZIP") != "1":
                continue  # zarr_test says so
            done = subprocess.run(command, shell=True, cwd=self.dir, capture_output=True,
                                  env={**os.environ, "PATH": os.path.dirname(BIN) + ":"
                                       + os.environ["PATH"]}, check=False)
            self.assertEqual(done.returncode, DONE, (command, done.stderr))
            seen.add(command.split()[1])
        self.assertGreater(len(seen), 10)


class WrongUsage(Case):
    def refused(self, *args, says):
        done = self.holog(*args, status=USAGE)
        self.assertIn(says, done.message)
        self.assertIn("--help'", done.message)
        self.assertEqual(done.out, b"")

    def test_no_verb(self):
        done = subprocess.run([BIN], capture_output=True, check=False)
        self.assertEqual(done.returncode, USAGE)
        self.assertTrue(done.stderr.startswith(b"usage: holog "))

    def test_unknown_verb_and_options(self):
        self.refused("frobnicate", says="there is no verb 'frobnicate'")
        self.refused("--frobnicate", says="unknown option --frobnicate")
        self.refused("help", "frobnicate", says="there is no verb")
        self.refused("ls", "--frobnicate", self.store, says="unknown option --frobnicate")
        self.refused("ls", "-z", self.store, says="unknown option -z")
        self.refused("stat", self.store, "p", "--replace", says="unknown option --replace")
        self.refused("ls", "--json=1", self.store, says="--json takes no value")

    def test_what_comes_later_says_so(self):
        for args in (["snapshot", self.store], ["wave"]):
            done = self.holog(*args, status=USAGE)
            self.assertIn("is not of this version (", done.message)

    def test_too_few_and_too_many(self):
        self.refused("init", says="too few")
        self.refused("save", self.store, says="too few arguments: STORE PATH")
        self.refused("save", self.store, "p", "f", "g", says='too many arguments, from "g" on')
        self.refused("mv", self.store, "a", says="too few")
        self.refused("ls", self.store, "a", "b", says="too many")

    def test_values_of_options(self):
        self.refused("load", self.store, "p", "--range", "5", says="OFF:LEN")
        self.refused("load", self.store, "p", "--range", "-1:5", says="OFF:LEN")
        self.refused("load", self.store, "p", "--range", "1:5:6", says="OFF:LEN")
        self.refused("load", self.store, "p", "--range", "99999999999999999999:1", says="OFF:LEN")
        self.refused("save", self.store, "p", "--if-seq", "x", says="a number")
        self.refused("save", self.store, "p", "--if-seq", "-1", says="a number")
        self.refused("save", self.store, "p", "--if-seq", says="--if-seq needs a value")
        self.refused("save", self.store, "p", "-m", says="-m needs a value")
        self.refused("init", self.store, "--segment-size", "64Q", says="a size in bytes")
        for size in ("5G", "3000", "48K", "128M"):
            self.refused("init", self.store, "--segment-size", size,
                         says="a power of two from 16K to 64M")
        for size in ("64K", "1000000", "2G"):
            self.refused("init", self.store, "--extent-segment-size", size,
                         says="a multiple of 4096 from 128K to 1G")
        self.refused("init", self.store, "--inline-max", "2M", says="at most 1M")
        self.refused("init", self.store, "--max-space-amp", "1", says="from 1.1 to 100")
        self.refused("init", self.store, "--max-space-amp", "nan", says="above 0")
        self.refused("repair", self.store, says="--mode is missing")
        self.refused("repair", self.store, "--mode", "magic", says="neither point-in-time nor")
        self.refused("bench", "frobnicate", says="no workload")
        self.refused("stats", self.store, "--json", "--prometheus", says="exclude each other")
        self.refused("stats", self.store, "--segments", "--prometheus", says="exclude each other")
        self.refused("stats", self.store, "--map", "--prometheus", says="exclude each other")
        self.refused("stats", self.store, "--codecs", "--prometheus", says="exclude each other")
        self.refused("stats", self.store, "--codecs", "--map", says="--codecs and --map exclude")
        self.refused("stats", self.store, "--segments", "--codecs", says="exclude each other")
        self.refused("stats", self.store, "--map=m.png", "--json", says="exclude each other")
        self.refused("stats", self.store, "-o", "m.png", says="--output goes with --map")
        self.refused("stats", self.store, "--map=a.png", "-o", "b.png", says="two files")
        self.refused("stats", self.store, "--map=a.txt", says="a.txt is no name for a PNG file")
        self.refused("rm", self.store, "a", "b", "--if-seq", "1", says="one PATH")

    def test_operands_after_two_dashes_are_no_options(self):
        self.init()
        self.holog("save", self.store, "--", "--json", input=b"x")
        self.assertEqual(self.holog("load", "--", self.store, "--json").out, b"x")


class NoStore(Case):
    def test_no_directory_and_an_empty_one_are_no_stores(self):
        os.mkdir(self.path("empty"))
        for where in (self.store, self.path("empty")):
            for verb in (["ls"], ["save", "p"], ["log"], ["stats"], ["config"], ["info"]):
                done = self.holog(verb[0], where, *verb[1:], status=FAILED)
                self.assertIn(where, done.message)
        self.assertFalse(os.path.exists(self.store), "a failed request made something")
        self.assertEqual(os.listdir(self.path("empty")), [])

    def test_a_directory_of_something_else_is_left_alone(self):
        os.mkdir(self.path("else"))
        with open(self.path("else", "file"), "w", encoding="utf-8") as f:
            f.write("x")
        self.holog("init", self.path("else"), status=FAILED)
        self.holog("save", self.path("else"), "p", input=b"x", status=FAILED)
        self.assertEqual(os.listdir(self.path("else")), ["file"])

    def test_init_twice_is_refused(self):
        self.init()
        self.holog("init", self.store, status=FAILED)

    def test_init_makes_no_parents(self):
        self.holog("init", self.path("no", "parent"), status=FAILED)

    def test_init_json(self):
        doc = self.holog("init", self.store, "--json", "--segment-size", "16K").json()
        self.assertEqual(doc, {"store": self.store})

    def test_full_output_is_no_success(self):
        self.init()
        self.save("p", b"x" * 100000)
        for args in (["ls"], ["stats"], ["info"], ["log"], ["du"], ["load", "p"], ["stat", "p"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([BIN, args[0], self.store, *args[1:]], stdout=full,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, FAILED, args)
            self.assertIn(b"standard output: No space left", done.stderr)


if __name__ == "__main__":
    main()
