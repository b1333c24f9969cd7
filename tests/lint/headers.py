#!/usr/bin/env python3
"""Each public header compiles alone, twice over, as C99 and as C++17, with every compiler here."""

import os
import shutil
import subprocess

import lintlib

C_FLAGS = ["-x", "c", "-std=c99"]
CXX_FLAGS = ["-x", "c++", "-std=c++17"]
FLAGS = ["-pedantic", "-Wall", "-Wextra", "-Wundef", "-Wshadow", "-Wconversion", "-Werror",
         "-fsyntax-only"]


def compilers():
    wanted = [("gcc", C_FLAGS + ["-Wstrict-prototypes"]), ("clang", C_FLAGS), ("g++", CXX_FLAGS),
              ("clang++", CXX_FLAGS)]
    found = [(name, flags) for name, flags in wanted if shutil.which(name)]
    for language, flags in (("C", C_FLAGS), ("C++", CXX_FLAGS)):
        if not any(f[:3] == flags for _, f in found):
            raise lintlib.Skip(f"no {language} compiler: install gcc and g++, or clang")
    return found


def check(root):
    found = compilers()
    for path in lintlib.walk(root, ("include",), (".h",)):
        name = os.path.relpath(path, "include")
        text = f"#include <{name}>\n#include <{name}>\nextern int holog_lint_unused;\n"
        for compiler, flags in found:
            done = subprocess.run(
                [compiler, *flags, *FLAGS, "-I", os.path.join(root, "include"), "-"],
                input=text, text=True, capture_output=True, check=False)
            if done.returncode != 0:
                yield f"{path}: {compiler} {flags[2]} refuses it:\n{done.stderr.strip()}"


GUARD = "#ifndef A_H\n#define A_H\n#include <stddef.h>\n%s\n#endif\n"
CLEAN = {"include/holog/a.h": GUARD % "size_t holog_a(void);"}
PLANTED = [
    ({"include/holog/b.h": "struct holog_b { int x; };\n"}, "include/holog/b.h: "),
    ({"include/holog/b.h": GUARD.replace("A_H", "B_H") % "uint32_t holog_b(void);"}, "uint32_t"),
    ({"include/holog/b.h": GUARD.replace("A_H", "B_H") % "int holog_b(int class);"}, "c++17"),
    ({"include/holog/b.h": GUARD.replace("A_H", "B_H") % "int holog_b(int a[static 4]);"},
     "c++17"),
    ({"include/holog/b.h": GUARD.replace("A_H", "B_H") % "_Static_assert(1, \"x\");"}, "c99"),
]

if __name__ == "__main__":
    lintlib.main(check, PLANTED, CLEAN)
