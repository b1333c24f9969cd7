#!/usr/bin/env python3
"""cppcheck has nothing to say about the library, the tools and the examples."""

import os
import shutil
import subprocess

import lintlib

FLAGS = ["-q", "--std=c11", "--enable=warning,performance,portability", "--inline-suppr",
         "--error-exitcode=9", "--suppress=missingIncludeSystem", "--suppress=internalAstError",
         "--suppress=normalCheckLevelMaxBranches", "-D__linux__", "-D_GNU_SOURCE",
         "-DHG_HAVE_IO_URING=1", "--template={file}:{line}: {id}: {message}"]


def check(root):
    if shutil.which("cppcheck") is None:
        raise lintlib.Skip("cppcheck is missing: install cppcheck")
    files = list(lintlib.walk(root, ("src", "tools", "examples", "bench"), (".c",)))
    if not files:
        return
    done = subprocess.run(
        ["cppcheck", *FLAGS, "-j", str(os.cpu_count() or 1), "-I", "include", "-I", "src",
         *files], cwd=root, text=True, capture_output=True, check=False)
    lines = [x for x in (done.stderr + done.stdout).split("\n") if x.strip()]
    if done.returncode != 0:
        yield from lines or [f"cppcheck ended with {done.returncode}"]


CLEAN = {"src/base/a.c": "int f(int x)\n{\n    return x + 1;\n}\n"}
PLANTED = [
    ({"src/base/b.c": "int f(void)\n{\n    int a[2] = { 0, 0 };\n    return a[2];\n}\n"},
     "arrayIndexOutOfBounds"),
    ({"tools/b.c": "#include <stdlib.h>\nvoid f(void)\n{\n    char *p = malloc(4);\n"
      "    p = NULL;\n    (void)p;\n}\n"}, "memleak"),
]

if __name__ == "__main__":
    lintlib.main(check, PLANTED, CLEAN)
