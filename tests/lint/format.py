#!/usr/bin/env python3
"""clang-format leaves every C file as it is.  `format.py --fix ROOT` makes it so."""

import os
import shutil
import subprocess
import sys

import lintlib


def tool():
    found = shutil.which("clang-format-14") or shutil.which("clang-format")
    if found is None:
        raise lintlib.Skip("clang-format is missing: install clang-format")
    return found


def style():
    here = os.path.dirname(os.path.abspath(__file__))
    return "file:" + os.path.join(here, "..", "..", ".clang-format")


def check(root):
    files = list(lintlib.c_files(root))
    command = [tool(), "--style=" + style(), "--dry-run", "-Werror", "-ferror-limit=1"]
    for path in files:
        done = subprocess.run([*command, path], cwd=root, text=True, capture_output=True,
                              check=False)
        if done.returncode != 0:
            first = done.stderr.strip().split("\n")[0]
            yield f"{first or path} (./dev fmt)"


def fix(root):
    files = list(lintlib.c_files(root))
    if files:
        subprocess.run([tool(), "--style=" + style(), "-i", *files], cwd=root, check=True)
    print(f"{len(files)} files formatted")


CLEAN = {"src/base/a.c": "int f(void)\n{\n    return 0;\n}\n"}
PLANTED = [
    ({"src/base/b.c": "int f(void) {\n  return 0;\n}\n"}, "src/base/b.c"),
    ({"tests/base/b.c": "int  x;\n"}, "tests/base/b.c"),
    ({"include/holog/b.h": "char* holog_b(void);\n"}, "include/holog/b.h"),
]

if __name__ == "__main__":
    if sys.argv[1:2] == ["--fix"] and len(sys.argv) == 3:
        fix(os.path.abspath(sys.argv[2]))
        sys.exit(0)
    lintlib.main(check, PLANTED, CLEAN)
