#!/usr/bin/env python3
"""The shared library shows only holog_*; what the static one defines starts with hg_ or holog_.

ROOT here is a folder that holds libholog.so and libholog.a: the build directory.
"""

import os
import re
import shutil
import subprocess

import lintlib

# Written by the compiler or the linker, not by us.
TOOLING = re.compile(r"^(__asan|__ubsan|__tsan|__sanitizer|__odr_asan|__gcov|__llvm|__start_|"
                     r"__stop_|__emutls|_init$|_fini$|_edata$|_end$|__bss_start$|__gmon)")


def names(library, dynamic):
    flags = ["-D"] if dynamic else ["-g"]
    done = subprocess.run(["nm", *flags, "--defined-only", "-P", library], text=True,
                          capture_output=True, check=True)
    for line in done.stdout.splitlines():
        parts = line.split()
        if len(parts) < 2 or parts[1] == "A" or TOOLING.match(parts[0]):
            continue
        yield parts[0].split("@")[0]


def check(root):
    if shutil.which("nm") is None:
        raise lintlib.Skip("nm is missing: install binutils")
    shared = os.path.join(root, "libholog.so")
    static = os.path.join(root, "libholog.a")
    for library in (shared, static):
        if not os.path.exists(library):
            yield f"{library}: not built"
    if os.path.exists(shared):
        shown = list(names(shared, dynamic=True))
        for name in shown:
            if not name.startswith("holog_"):
                yield f"libholog.so shows {name}"
        if not shown:
            yield "libholog.so shows nothing: is HOLOG_API missing?"
    if os.path.exists(static):
        for name in names(static, dynamic=False):
            if not name.startswith(("hg_", "holog_")):
                yield f"libholog.a defines {name}: name it hg_..., or make it static"


def built(source):
    """Compile source into the two libraries; the bytes travel as planted files."""
    import tempfile
    with tempfile.TemporaryDirectory(prefix="holog-lint-") as here:
        lintlib.plant(here, {"x.c": source})
        run = lambda *a: subprocess.run(a, cwd=here, check=True)
        compiler = shutil.which("gcc") or shutil.which("clang") or "cc"
        run(compiler, "-fPIC", "-c", "x.c")
        run(compiler, "-shared", "-o", "libholog.so", "x.o")
        run("ar", "rc", "libholog.a", "x.o")
        out = {}
        for name in ("libholog.so", "libholog.a"):
            with open(os.path.join(here, name), "rb") as f:
                out[name] = f.read()
        return out


HIDDEN = '__attribute__((visibility("hidden"))) '


def cases():
    ok = "int holog_open(void) { return 0; }\n" + HIDDEN + "int hg_x(void) { return 0; }\n"
    return built(ok + "static int y(void) { return 0; }\nint holog_y(void) { return y(); }\n"), [
        (built(ok + "int hg_leaked(void) { return 0; }\n"), "shows hg_leaked"),
        (built(ok + "int open_store(void) { return 0; }\n"), "shows open_store"),
        (built(ok + HIDDEN + "int helper_count;\n"), "defines helper_count"),
        (built(HIDDEN + "int hg_x(void) { return 0; }\n"), "shows nothing"),
    ]


if __name__ == "__main__":
    import sys
    CLEAN, PLANTED = cases() if sys.argv[1:] == ["--self-test"] else ({}, [])
    lintlib.main(check, PLANTED, CLEAN)
