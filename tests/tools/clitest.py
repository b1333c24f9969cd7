"""What the tests of the command share: a temporary directory, running holog, reading its JSON.

HOLOG_BIN names the command, HOLOG_SOURCE the source tree. Each test runs the real program on a real
store; nothing is shared between tests.
"""

import json
import os
import pty
import select
import shutil
import subprocess
import tempfile
import unittest

BIN = os.environ.get("HOLOG_BIN", "")
SOURCE = os.environ.get("HOLOG_SOURCE", os.path.join(os.path.dirname(__file__), "..", ".."))
TIMEOUT_S = 300

DONE, FAILED, USAGE, DAMAGE = 0, 1, 2, 3


class Done:
    """What a run left: status, out and err (bytes)."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def text(self):
        return self.out.decode()

    @property
    def message(self):
        return self.err.decode(errors="replace")

    def json(self):
        return json.loads(self.out)


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="holog-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.store = os.path.join(self.dir, "s.holog")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def holog(self, *args, input=b"", status=DONE, env=None):
        """Run the command; status None takes any but a signal; env is put on top of ours."""
        done = subprocess.run([BIN, *args], input=input, capture_output=True, cwd=self.dir,
                              timeout=TIMEOUT_S, check=False, env={**os.environ, **(env or {})})
        said = f"holog {args}\nstdout: {done.stdout[:2000]!r}\nstderr: {done.stderr.decode()}"
        self.assertGreaterEqual(done.returncode, 0, "killed by a signal: " + said)
        if status is not None:
            self.assertEqual(done.returncode, status, said)
        if done.returncode != 0:
            self.assertTrue(done.stderr.startswith(b"holog: "), "no message: " + said)
        return Done(done.returncode, done.stdout, done.stderr)

    def init(self, *options):
        self.holog("init", self.store, *options)

    def save(self, path, value, *options, status=DONE):
        return self.holog("save", self.store, path, *options, input=value, status=status)

    def load(self, path, *options, status=DONE):
        return self.holog("load", self.store, path, *options, status=status).out

    def stat(self, path):
        return self.holog("stat", self.store, path, "--json").json()

    def names(self, *args):
        """Names as ls -0 gives them."""
        out = self.holog("ls", "-0", self.store, *args).out
        self.assertTrue(out == b"" or out.endswith(b"\0"))
        return [name.decode() for name in out.split(b"\0")[:-1]]

    def missing(self, path):
        self.holog("stat", self.store, path, status=FAILED)

    def segments(self, ending):
        folder = os.path.join(self.store, "seg")
        return [os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(ending)]

    def flip(self, needle, ending=".hlog"):
        """Flip one bit of the first place that holds needle; (segment id, offset of the byte)."""
        for name in self.segments(ending):
            with open(name, "r+b") as f:
                data = f.read()
                at = data.find(needle)
                if at < 0:
                    continue
                f.seek(at)
                f.write(bytes([data[at] ^ 1]))
                return int(os.path.basename(name).split(".")[0], 16), at
        self.fail(f"{needle!r} is in no {ending} segment")

    def on_terminal(self, *args, input=None, stderr=True, between=None):
        """Run with stdout (and stderr) on a terminal: (status, what appeared there)."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([BIN, *args], cwd=self.dir, stdout=theirs,
                                   stdin=subprocess.PIPE,
                                   stderr=theirs if stderr else subprocess.DEVNULL)
        os.close(theirs)
        if between is not None:
            between(process.stdin)
        elif input is not None:
            process.stdin.write(input)
        process.stdin.close()
        seen = b""
        while select.select([ours], [], [], TIMEOUT_S)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            seen += piece
        os.close(ours)
        return process.wait(TIMEOUT_S), seen


def main():
    unittest.main(verbosity=2)
