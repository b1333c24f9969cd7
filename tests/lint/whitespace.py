#!/usr/bin/env python3
"""Text files are UTF-8, end in one newline, hold no control or hidden characters, no trailing
blanks and, in C, Python and meson files, no tabs."""

import os
import re

import lintlib

ENDINGS = (".c", ".h", ".py", ".sh", ".md", ".build", ".txt", ".json", ".yml", ".yaml", ".map",
           ".toml", ".1", ".3", ".fish", ".bash", ".editorconfig", ".gitignore", ".clang-format",
           ".clang-tidy", ".supp")
NAMES = ("dev", "run", "LICENSE")
NO_TABS = (".c", ".h", ".py", ".build", ".md")
# Control characters, and those that change what a reader sees: zero width, directions, BOM.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069"
                    "\ufeff]")


def text_files(root):
    for path in lintlib.walk(root):
        name = os.path.basename(path)
        if "/corpus/" in path or "/golden/" in path:
            continue
        if name.endswith(ENDINGS) or name in NAMES:
            yield path


def check(root):
    for path in text_files(root):
        with open(os.path.join(root, path), "rb") as f:
            raw = f.read()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as e:
            yield f"{path}: not UTF-8 at byte {e.start}"
            continue
        if text and not text.endswith("\n"):
            yield f"{path}: no newline at the end"
        if text.endswith("\n\n"):
            yield f"{path}: blank lines at the end"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip(" \t\r"):
                yield f"{path}:{number}: trailing blanks"
            if "\t" in line and path.endswith(NO_TABS):
                yield f"{path}:{number}: a tab"
            m = HIDDEN.search(line)
            if m:
                yield f"{path}:{number}: hidden character U+{ord(m.group(0)):04X}"


CLEAN = {"src/a.c": "int x; /* \u00b5s */\n", "README.md": "# x\n", "empty.txt": ""}
PLANTED = [
    ({"src/b.c": "int x; \n"}, "src/b.c:1: trailing"),
    ({"src/b.c": "int x;\r\n"}, "src/b.c:1: trailing"),
    ({"src/b.c": "int x;"}, "no newline"),
    ({"README.md": "x\n\n"}, "blank lines at the end"),
    ({"src/b.c": "\tint x;\n"}, "a tab"),
    ({"docs/x.md": "a\u202eb\n"}, "U+202E"),
    ({"docs/x.md": "a\x07b\n"}, "U+0007"),
    ({"docs/x.md": b"a\xffb\n"}, "not UTF-8 at byte 1"),
]

if __name__ == "__main__":
    lintlib.main(check, PLANTED, CLEAN)
