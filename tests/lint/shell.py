#!/usr/bin/env python3
"""Shell scripts parse, stop at the first error, and shellcheck has nothing to say."""

import os
import shutil
import subprocess

import lintlib


def scripts(root):
    for path in lintlib.walk(root):
        if path.endswith((".c", ".h", ".py", ".md")) or path.startswith(("docs/", "fuzz/corpus")):
            continue
        with open(os.path.join(root, path), "rb") as f:
            first = f.readline(64)
        if first.startswith(b"#!") and (b"bash" in first or b"/sh" in first):
            yield path


def check(root):
    if shutil.which("shellcheck") is None:
        raise lintlib.Skip("shellcheck is missing: install shellcheck")
    for path in scripts(root):
        text = lintlib.read(root, path)
        if "set -euo pipefail" not in text and "set -eu" not in text:
            yield f"{path}: does not say  set -euo pipefail"
        done = subprocess.run(["shellcheck", "-f", "gcc", "-S", "warning", path], cwd=root,
                              text=True, capture_output=True, check=False)
        if done.returncode != 0:
            yield done.stdout.strip() or done.stderr.strip()


CLEAN = {"dev": "#!/usr/bin/env bash\nset -euo pipefail\necho x\n"}
PLANTED = [
    ({"x.sh": "#!/bin/bash\necho x\n"}, "x.sh: does not say"),
    ({"tests/x.sh": "#!/bin/bash\nset -euo pipefail\nif true; then\n"}, "tests/x.sh:"),
    ({"x.sh": "#!/bin/bash\nset -euo pipefail\nunused=1\n"}, "SC2034"),
]

if __name__ == "__main__":
    lintlib.main(check, PLANTED, CLEAN)
