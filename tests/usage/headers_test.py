"""The examples in the comments of public headers compile."""

import os
import re
import subprocess
import tempfile
import unittest

SOURCE = os.environ.get("HOLOG_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
COMPILER = os.environ.get("HOLOG_CC", "cc")
HEADERS = ("compact.h", "space.h")
FLAGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only"]


def example_of(name):
    """Lines of the first comment that are set in by four blanks more than its text."""
    with open(os.path.join(SOURCE, "include", "holog", name), encoding="utf-8") as f:
        comment = f.read().split("*/")[0]
    return "\n".join(re.findall(r"(?m)^ \* {5}(.*)$", comment))


class Examples(unittest.TestCase):
    def compile(self, name, code):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
            f.write(f"#include <inttypes.h>\n#include <stdio.h>\n#include <holog/{name}>\n{code}\n")
            f.flush()
            return subprocess.run([COMPILER, *FLAGS, "-I", os.path.join(SOURCE, "include"), f.name],
                                  capture_output=True, text=True, check=False)

    def test_examples_in_headers_compile(self):
        for name in HEADERS:
            code = example_of(name)
            self.assertIn("holog_", code, name)
            done = self.compile(name, code)
            self.assertEqual(done.returncode, 0, (name, done.stderr))

    def test_what_does_not_compile_is_seen(self):
        done = self.compile("space.h", example_of("space.h").replace("dead_bytes", "dead"))
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
