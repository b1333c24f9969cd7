#!/usr/bin/env python3
"""The C example of the README is examples/hello.c, letter for letter, in at most 20 lines of code;
so what a new user copies is what the tests compile and run.  readme_test.py ROOT
"""

import os
import re
import sys

LINES_MAX = 20


def main():
    root = sys.argv[1]
    with open(os.path.join(root, "examples", "hello.c"), encoding="utf-8") as f:
        hello = f.read()
    code = [line for line in hello.split("\n") if line.strip()]
    if len(code) > LINES_MAX:
        sys.exit(f"examples/hello.c has {len(code)} lines of code, at most {LINES_MAX}")
    try:
        with open(os.path.join(root, "README.md"), encoding="utf-8") as f:
            readme = f.read()
    except FileNotFoundError:
        sys.exit("there is no README.md")
    blocks = re.findall(r"^```c\n(.*?)^```$", readme, re.M | re.S)
    if not blocks:
        sys.exit("README.md has no ```c block")
    if blocks[0] != hello:
        sys.exit("the first ```c block of README.md is not examples/hello.c")
    print("README.md shows examples/hello.c")


if __name__ == "__main__":
    main()
