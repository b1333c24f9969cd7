#!/usr/bin/env python3
"""A program that links libholog.a, and all it needs, as pkg-config says, runs without any shared
library.  static_test.py BUILD COMPILER... ; exit 77 where an archive is missing.
"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def pkg_config(build, what):
    """What the .pc file says; the library and the header are where they were built."""
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(build, "meson-private"))
    said = subprocess.run(["pkg-config", "--static", what, "holog"], env=env, check=True,
                          stdout=subprocess.PIPE, universal_newlines=True)
    return said.stdout.split()


def main():
    build, compiler = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as work:
        exe = os.path.join(work, "hello")
        libs = pkg_config(build, "--libs")
        for lib in (x[2:] for x in libs if x.startswith("-l") and x != "-lholog"):
            found = subprocess.run(compiler + ["-print-file-name=lib%s.a" % lib], check=True,
                                   stdout=subprocess.PIPE, universal_newlines=True)
            if os.sep not in found.stdout:
                print("there is no lib%s.a" % lib)
                sys.exit(77)
        subprocess.run(compiler + ["-static", "-I", os.path.join(ROOT, "include"),
                                   os.path.join(ROOT, "examples", "hello.c"), "-o", exe,
                                   "-L", build] + libs, check=True)
        said = subprocess.run([exe], cwd=work, check=True, stdout=subprocess.PIPE,
                              universal_newlines=True)
        if said.stdout != "hello\n":
            sys.exit("it said %r" % said.stdout)
    print("ok: hello, linked statically")


if __name__ == "__main__":
    main()
