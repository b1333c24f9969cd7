#!/usr/bin/env python3
"""clang-tidy reports no error in the library and the tools (.clang-tidy says which count).

ROOT is a build directory made with clang: its compile_commands.json says how each file is built.
What was clean stays clean while the file, all headers and the settings are the same, so only
what changed is read again.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess

import lintlib

FOLDERS = ("src", "tools", "examples", "include")


def tool():
    found = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    if found is None:
        raise lintlib.Skip("clang-tidy is missing: install clang-tidy")
    return found


def settings():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "..", ".clang-tidy"), encoding="utf-8") as f:
        return f.read()


def headers_digest(source_root):
    h = hashlib.sha256(settings().encode())
    for path in lintlib.walk(source_root, FOLDERS, (".h",)):
        h.update(path.encode())
        h.update(lintlib.read(source_root, path).encode())
    return h


def wanted(build, source_root):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    seen = {}
    for entry in commands:
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        relative = os.path.relpath(path, source_root)
        if relative.split("/")[0] in FOLDERS and path.endswith(".c"):
            seen.setdefault(relative, (path, entry["command"]))
    return seen


def check(build):
    binary = tool()
    database = os.path.join(build, "compile_commands.json")
    if not os.path.exists(database):
        yield f"{database}: missing"
        return
    with open(database, encoding="utf-8") as f:
        text = f.read()
    if not re.search(r'"command": "(\S*/)?clang', text):
        raise lintlib.Skip("needs a build directory made with clang; `./dev lint` makes one")
    # The sources are the common parent of what was compiled; the build may lie elsewhere.
    entries = json.loads(text)
    paths = [os.path.normpath(os.path.join(e["directory"], e["file"])) for e in entries]
    roots = [re.sub(r"/(src|tools|examples)/.*$", "", p) for p in paths
             if re.search(r"/src/", p)]
    source_root = min(roots, key=len) if roots else os.path.dirname(os.path.abspath(build))
    known_path = os.path.join(build, "tidy-clean.json")
    try:
        with open(known_path, encoding="utf-8") as f:
            known = set(json.load(f))
    except (OSError, ValueError):
        known = set()
    headers = headers_digest(source_root)
    jobs = {}
    for relative, (path, command) in sorted(wanted(build, source_root).items()):
        h = headers.copy()
        h.update(command.encode())
        with open(path, "rb") as f:
            h.update(f.read())
        jobs[relative] = (path, h.hexdigest())

    def one(path):
        return subprocess.run([binary, "--quiet", "-p", build, "--config", settings(), path],
                              text=True, capture_output=True, check=False)

    clean = set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        running = {}
        for relative, (path, digest) in jobs.items():
            if digest in known:
                clean.add(digest)
            else:
                running[pool.submit(one, path)] = (relative, digest)
        complaints = set()
        for future in concurrent.futures.as_completed(running):
            relative, digest = running[future]
            done = future.result()
            errors = [x for x in done.stdout.split("\n") if " error: " in x]
            if done.returncode == 0 and not errors:
                clean.add(digest)
            else:
                complaints |= set(errors or [f"{relative}: {done.stderr.strip()}"])
    with open(known_path, "w", encoding="utf-8") as f:
        json.dump(sorted(clean), f)
    yield from sorted(c.replace(source_root + "/", "") for c in complaints)


class TidyTree:
    """Wraps check() for the self-test: makes the compile_commands.json of a planted tree."""

    def __call__(self, root):
        entries = [{"directory": root, "file": p, "command": f"clang -std=c11 -c {p}"}
                   for p in lintlib.walk(root, ("src",), (".c",))]
        lintlib.plant(root, {"b/compile_commands.json": json.dumps(entries)})
        first = list(check(os.path.join(root, "b")))
        again = list(check(os.path.join(root, "b")))
        if first != again:
            return [f"a second run differs: {first} {again}"]
        return first


CLEAN = {"src/base/a.c": "int f(int x);\nint f(int x)\n{\n    return x + 1;\n}\n"}
PLANTED = [
    ({"src/base/b.c": "#include <string.h>\nvoid g(int *p);\nvoid g(int *p)\n{\n"
      "    memset(p, 300, sizeof(*p));\n}\n"}, "bugprone-suspicious-memset-usage"),
    ({"src/base/b.c": "#include <stdio.h>\nvoid g(FILE *f);\nvoid g(FILE *f)\n{\n"
      "    fclose(f);\n}\n"}, "cert-err33-c"),
    ({"src/base/b.c": "int g(int *p);\nint g(int *p)\n{\n    if (p)\n        return 0;\n"
      "    return *p;\n}\n"}, "clang-analyzer-core.NullDereference"),
]

if __name__ == "__main__":
    import sys
    lintlib.main(TidyTree() if sys.argv[1:] == ["--self-test"] else check, PLANTED, CLEAN)
