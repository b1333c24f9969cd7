"""Known bugs, kept as patches: for each, the suite must fail.

A patch is a unified diff against src/ below a few lines of text:

    Bug: what is wrong, in one line
    Fails: tests/crash/test-crash crash/rolls*

Each `Fails:` line names a test program and, perhaps, which of its tests (a Criterion filter); one of
them must fail with the patch, and none without. `Needs: holog-zip.so` is for a plug-in: where that is not
built, the patch is passed over, by name. The tree is copied to a scratch directory, built once,
and built again with one patch at a time.

    run.py SOURCE --check          every patch applies
    run.py SOURCE                  all of them, or every HOLOG_TEST_THIN-th
    run.py SOURCE 07 12-successor  those whose name begins so
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

SCRATCH_LEAVES_OUT = shutil.ignore_patterns(".git", "build*", "bugs", "*.o", "__pycache__")
TIMEOUT_S = 180


class Patch:
    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.bug = ""
        self.tests = []
        self.needs = None
        self.files = []
        for line in path.read_text().splitlines():
            if line.startswith("Bug: "):
                self.bug = line[5:]
            elif line.startswith("Needs: "):
                self.needs = "src/plugins/" + line[7:]
            elif line.startswith("Fails: "):
                words = line.split()[1:]
                self.tests.append((words[0], words[1] if len(words) > 1 else None))
            elif line.startswith("+++ b/"):
                self.files.append(line[6:].split("\t")[0])

    def broken(self):
        if not self.bug or not self.tests or not self.files:
            return "needs a Bug: line, a Fails: line and a diff"
        if any(not f.startswith("src/") for f in self.files):
            return "changes something outside src/"
        return None


def apply(patch, root, *options):
    return subprocess.run(["patch", "-p1", "--fuzz=2", "--no-backup-if-mismatch", "--silent", "-r", "-",
                           *options, "-i", str(patch.path)], cwd=root, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def check(source, patches):
    bad = 0
    for p in patches:
        why = p.broken()
        if why is None:
            done = apply(p, source, "--dry-run", "--force")
            why = done.stdout.strip() if done.returncode != 0 else None
        if why is not None:
            bad += 1
            print(f"{p.name}: {why}")
    print(f"{len(patches)} patches, {bad} do not apply")
    return 1 if bad else 0


class Tree:
    def __init__(self, source, scratch):
        self.source = source
        self.root = scratch / "tree"
        self.build = scratch / "build"
        shutil.copytree(source, self.root, ignore=SCRATCH_LEAVES_OUT, symlinks=True)

    def run(self, *command):
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout[-4000:])
        return done.stdout

    def setup(self):
        self.run("meson", "setup", str(self.build), str(self.root), "-Dtools=false",
                 "-Dbench=disabled", "-Dbuildtype=debug", "-Doptimization=1")
        every = self.run("ninja", "-C", str(self.build), "-t", "targets", "all")
        self.plugins = {t for t in (line.split(":")[0] for line in every.splitlines())
                        if re.fullmatch(r"src/plugins/holog-[a-z]+\.so", t)}

    def make(self, targets):
        self.run("ninja", "-C", str(self.build), *sorted(targets | self.plugins))

    def restore(self, patch):
        for name in patch.files:
            shutil.copyfile(self.source / name, self.root / name) # a new time: it is built again

    def fails(self, target, what):
        """The first line that says so, or None."""
        command = [str(self.build / target)] + (["--filter", what] if what else [])
        env = dict(os.environ, HOLOG_TEST_LEVEL="quick",
                   HOLOG_PLUGIN_PATH=str(self.build / "src" / "plugins"))
        try:
            done = subprocess.run(command, text=True, env=env, errors="replace", timeout=TIMEOUT_S,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        except subprocess.TimeoutExpired:
            return "it hangs"
        if done.returncode == 0:
            return None
        lines = [line for line in done.stdout.splitlines() if "[FAIL]" in line]
        return lines[0] if lines else f"exit status {done.returncode}"


def try_patch(tree, patch):
    """An error message, or None."""
    done = apply(patch, tree.root)
    if done.returncode != 0:
        tree.restore(patch)
        return "does not apply: " + done.stdout.strip()
    try:
        tree.make({target for target, _ in patch.tests})
        for target, what in patch.tests:
            line = tree.fails(target, what)
            if line is not None:
                print(f"    {target}: {line.strip()}")
                return None
        return "no test sees it"
    except RuntimeError as error:
        return f"does not build:\n{error}"
    finally:
        tree.restore(patch)


def run(source, patches):
    missed = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="holog-bugs-") as scratch:
        tree = Tree(source, pathlib.Path(scratch))
        tree.setup()
        for p in [p for p in patches if p.needs not in tree.plugins | {None}]:
            print(f"{p.name}: passed over, since {p.needs} is not built here")
            patches.remove(p)
        wanted = {test for p in patches for test in p.tests}
        tree.make({target for target, _ in wanted})
        for target, what in sorted(wanted, key=str):
            line = tree.fails(target, what)
            if line is not None:
                print(f"{target} {what or ''} fails without any patch: {line}")
                return 1
        print(f"built in {time.monotonic() - begun:.0f} s; without a patch everything passes")
        for p in patches:
            print(f"{p.name}: {p.bug}", flush=True)
            why = try_patch(tree, p)
            if why is not None:
                missed.append(p.name)
                print(f"    MISSED: {why}", flush=True)
    print(f"{len(patches)} bugs, {len(patches) - len(missed)} seen, {len(missed)} missed "
          f"({time.monotonic() - begun:.0f} s){': ' if missed else ''}{', '.join(missed)}")
    return 1 if missed else 0


def thin():
    """Every how many-th is tried when nothing is named; all where HOLOG_TEST_THIN says nothing."""
    at_normal = os.environ.get("HOLOG_TEST_LEVEL", "normal") == "normal"
    return max(1, int(os.environ.get("HOLOG_TEST_THIN", "1"))) if at_normal else 1


def main(arguments):
    source = pathlib.Path(arguments[0]).resolve()
    patches = [Patch(p) for p in sorted((source / "tests" / "bugs").glob("*.patch"))]
    rest = arguments[1:]
    if rest == ["--check"]:
        return check(source, patches)
    if rest:
        return run(source, [p for p in patches if p.name.startswith(tuple(rest))])
    return run(source, patches[::thin()])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
