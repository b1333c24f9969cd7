"""What the house-rule checks share: walking the tree, reading C, reporting, and the self-test.

A check is a function check(root) that yields complaints as strings.  Its script ends with

    lintlib.main(check, planted=[...], clean={...})

and is called as `script ROOT` (0 clean, 1 complaints, 77 skipped with the reason) or as
`script --self-test`: then each planted violation must be found in a temporary tree, and the
clean tree must be left in peace.  A check that cannot fail defends nothing.
"""

import os
import re
import sys
import tempfile

SKIP = 77
C_FOLDERS = ("include", "src", "tools", "tests", "bench", "examples", "fuzz", "python")
SKIPPED_FOLDERS = {".git", "__pycache__", ".cache", "node_modules"}


class Skip(Exception):
    """Raised by a check that cannot run here; the text names what is missing."""


def walk(root, folders=None, endings=None):
    """Yield the paths below root, relative to it and sorted, that end in one of endings."""
    starts = [root] if folders is None else [os.path.join(root, f) for f in folders]
    for start in starts:
        for here, dirs, files in os.walk(start):
            dirs[:] = sorted(d for d in dirs if not skipped_folder(os.path.join(here, d), root))
            for name in sorted(files):
                path = os.path.relpath(os.path.join(here, name), root)
                if endings is None or name.endswith(tuple(endings)):
                    yield path


def skipped_folder(path, root):
    name = os.path.basename(path)
    at_top = os.path.dirname(path) == root.rstrip("/")
    is_build = at_top and (name == "build" or name.startswith("build-"))
    return name in SKIPPED_FOLDERS or is_build or os.path.exists(os.path.join(path, "build.ninja"))


def c_files(root, folders=C_FOLDERS):
    return walk(root, folders, (".c", ".h"))


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_BLANKED = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
                      re.S | re.X)


def strip_c(text, keep_strings=False):
    """Blank comments (and strings), keeping every line where it is."""

    def blank(match):
        s = match.group(0)
        if s[0] in "\"'":
            return s if keep_strings else s[0] + s[0]
        return "\n" * s.count("\n") or " "

    return _BLANKED.sub(blank, text)


def includes(text):
    """Yield (line number, '<' or '"', name) for each #include."""
    for number, line in enumerate(strip_c(text, keep_strings=True).split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if m:
            yield number, m.group(1), m.group(2)


def plant(root, files):
    for path, content in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(full, mode, **({} if mode == "wb" else {"encoding": "utf-8"})) as f:
            f.write(content)


def self_test(check, planted, clean):
    """planted: list of (files, text that a complaint must hold); clean: files that pass."""
    bad = 0
    with tempfile.TemporaryDirectory(prefix="holog-lint-") as root:
        plant(root, clean)
        for complaint in check(root):
            print(f"FAIL: the clean tree was refused: {complaint}")
            bad += 1
    for files, expected in planted:
        with tempfile.TemporaryDirectory(prefix="holog-lint-") as root:
            plant(root, {**clean, **files})
            complaints = list(check(root))
        if any(expected in c for c in complaints):
            print(f"ok: found: {expected}")
        else:
            print(f"FAIL: not found: {expected}; complaints were {complaints}")
            bad += 1
    print(f"{len(planted) + 1 - min(bad, len(planted) + 1)} of {len(planted) + 1} as expected")
    return 1 if bad else 0


def main(check, planted, clean, argv=None):
    argv = sys.argv[1:] if argv is None else argv
    if len(argv) != 1 or argv[0] in ("-h", "--help"):
        print(f"usage: {os.path.basename(sys.argv[0])} ROOT | --self-test", file=sys.stderr)
        sys.exit(2)
    try:
        if argv[0] == "--self-test":
            sys.exit(self_test(check, planted, clean))
        complaints = list(check(os.path.abspath(argv[0])))
    except Skip as why:
        print(f"skipped: {why}")
        sys.exit(SKIP)
    for complaint in complaints:
        print(complaint)
    print(f"{len(complaints)} complaint(s)" if complaints else "clean")
    sys.exit(1 if complaints else 0)
