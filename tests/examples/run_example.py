#!/usr/bin/env python3
"""Run one example in an empty directory: run_example.py NAME PROGRAM.

It must end with 0, say nothing on stderr, and print what is written here.
"""

import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77


def plain(program, here):
    return subprocess.run([program], cwd=here, text=True, capture_output=True, check=False)


def demo(program, here):
    """The short demo, with a fixed seed; its sheet must hold pictures."""
    env = dict(os.environ, HOLOG_DEMO=program)
    return subprocess.run([os.path.join(ROOT, "examples/demo/run.sh"), here, "--short", "--seed",
                           "7"], env=env, text=True, capture_output=True, check=False)


EXAMPLES = {
    "hello": (plain, [r"hello\n"]),
    "async": (plain, [r"20000 durable commits, 256 in flight: \d+ commits/s\n"]),
    "txn": (plain, [r"400 moves, \d+ conflicts tried again, 2000 coins\n"]),
    "steps": (plain, [r"(pixel 0 of each plane: 1007 1033 59 85 11 37\n){2}"]),
    "planes": (plain, [r"plane 3 with its mask: 0, beside it 356\nand without: 836\n"]),
    "plate": (plain, [r"level 0: 64 x 64 at 0.000 um, the corner 0 and 200\nlevel 1: 32 x 32 at 0.163 um, "
                      r"the corner 0 and 200\nlevel 2: 16 x 16 at 0.488 um, the corner 0 and 201\n"]),
    "demo": (demo, [r"seed 7, 2 kills\n", r"(killed while .*\n(.*\n)*){2}",
                    r"\n end +[\d.]+ +3 +3 +0 +0 ",
                    r"\nOK: 2 kills, 3 of 3 batches at the end, 0 lost, 0 half\n"]),
}


def complaints(name, done, here):
    _, patterns = EXAMPLES[name]
    if done.returncode != 0:
        yield f"ended with {done.returncode}"
    if done.stderr:
        yield f"stderr is not empty: {done.stderr}"
    for pattern in patterns:
        if not re.search(pattern, done.stdout):
            yield f"stdout has no match for {pattern}"
    if name == "demo":
        sheet = os.path.join(here, "contact-sheet.png")
        size = os.path.getsize(sheet) if os.path.exists(sheet) else 0
        if size < 100_000:
            yield f"the contact sheet has {size} bytes: no pictures in it"


def main():
    name, program = sys.argv[1], os.path.abspath(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="holog-example-") as here:
        done = EXAMPLES[name][0](program, here)
        sys.stdout.write(done.stdout)
        if done.returncode == SKIP:
            print(done.stderr)
            sys.exit(SKIP)
        bad = list(complaints(name, done, here))
    for complaint in bad:
        print(f"{name}: {complaint}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
