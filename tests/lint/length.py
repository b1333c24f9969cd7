#!/usr/bin/env python3
"""No source file is longer than 1500 lines: beyond that it holds more than one thing."""

import lintlib

LIMIT = 1500


def check(root):
    for path in lintlib.walk(root, lintlib.C_FOLDERS, (".c", ".h", ".py", ".sh")):
        count = lintlib.read(root, path).count("\n")
        if count > LIMIT:
            yield f"{path}: {count} lines, at most {LIMIT}"


CLEAN = {"src/a.c": "\n" * LIMIT}
PLANTED = [
    ({"src/b.c": "\n" * (LIMIT + 1)}, "src/b.c: 1501 lines"),
    ({"tests/x.py": "\n" * (LIMIT + 1)}, "tests/x.py: 1501 lines"),
]

if __name__ == "__main__":
    lintlib.main(check, PLANTED, CLEAN)
