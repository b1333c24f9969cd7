"""The verbs that read, on a store that lies on a file system mounted read-only: each works, and not a byte changes."""

import hashlib
import http.client
import os
import re
import select
import signal
import subprocess
import unittest

from array_test import npy, numbers
from clitest import BIN, FAILED, TIMEOUT_S, Case, main

TOKEN = "0123456789abcdef-token"
HAVE_SERVE = os.environ.get("HOLOG_HAVE_SERVE") == "1"
MOUNT = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def unshare():
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


def tree(top):
    """Names, sizes, times and bytes of everything below a directory."""
    found = []
    for where, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names) + ["."]:
            path = os.path.join(where, name)
            info = os.lstat(path)
            digest = ""
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    digest = hashlib.sha256(f.read()).hexdigest()
            found.append((path, info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns, digest))
    return found


class ReadOnly(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("disk"))
        self.store = self.path("disk", "s.holog")
        probe = subprocess.run([*unshare(), "sh", "-c", MOUNT, "sh", self.path("disk"), "true"],
                               capture_output=True, check=False)
        if probe.returncode != 0:
            self.skipTest("nothing can be mounted here: " + probe.stderr.decode().strip())

    def fill(self):
        self.init()
        with open(self.path("a.npy"), "wb") as f:
            f.write(npy("<u2", (3, 40, 50), numbers(6000)))
        self.save("plates/p1/z0", b"first" * 1000, "-p")
        self.holog("tag", self.store, "start")
        self.holog("save", self.store, "plates/a", self.path("a.npy"))
        self.save("plates/p1/z0", b"second" * 50000, "--replace", "--message", "again")
        self.holog("ln", self.store, "p1/z0", "plates/link")
        self.segment = self.segments(".hlog")[0]

    def serve(self, command, *options):
        """A server, started by that command; (process, connection)."""
        process = subprocess.Popen([*command, "serve", self.store, "--port", "0", *options],
                                   cwd=self.dir, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertTrue(select.select([process.stdout], [], [], TIMEOUT_S)[0])
        line = process.stdout.readline().decode()
        match = re.fullmatch(r"serving .+ at http://(\S+):(\d+)/ \(\S+\)\n", line)
        self.assertIsNotNone(match, line)
        connection = http.client.HTTPConnection(match.group(1), int(match.group(2)), timeout=30)
        self.addCleanup(connection.close)
        return process, connection

    def kill_a_writer(self):
        """What is left is a store that nobody has closed."""
        with open(self.path("token"), "w", encoding="ascii") as f:
            f.write(TOKEN)
        os.chmod(self.path("token"), 0o600)
        process, connection = self.serve([BIN], "--writable", "--token", self.path("token"))
        connection.request("PUT", "/live/late", body=b"x",
                           headers={"Authorization": "Bearer " + TOKEN})
        self.assertEqual(connection.getresponse().status, 201)
        process.kill()
        process.wait(TIMEOUT_S)

    def mounted(self, *args, status=0):
        done = subprocess.run([*unshare(), "sh", "-c", MOUNT, "sh", self.path("disk"), BIN, *args],
                              capture_output=True, cwd=self.dir, timeout=TIMEOUT_S, check=False)
        self.assertEqual(done.returncode, status, (args, done.stdout[:500], done.stderr))
        return done.stdout

    def every_verb(self):
        s = self.store
        value = b"second" * 50000
        self.assertEqual(self.mounted("load", s, "plates/p1/z0"), value)
        self.assertEqual(self.mounted("load", s, "plates/p1/z0", "--at", "start"), b"first" * 1000)
        self.assertEqual(self.mounted("load", s, "plates/link", "--range", "6:6"), b"second")
        self.mounted("load", s, "plates/a", "-o", self.path("out.npy"))
        with open(self.path("a.npy"), "rb") as a, open(self.path("out.npy"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertIn(b"plates/p1/z0", self.mounted("ls", "-l", "-r", s))
        for args in (["stat", s, "plates/a"], ["log", s], ["log", s, "plates/p1/z0"], ["tag", s],
                     ["diff", s, "start", "HEAD", "--ranges"], ["du", s], ["config", s],
                     ["config", s, "retention.commits"], ["info", s], ["stats", s],
                     ["stats", s, "--prometheus"], ["verify", s], ["verify", s, "--quick"],
                     ["dump", self.segment], ["dump", os.path.join(s, "SUPER")],
                     ["gc", s, "--dry-run"], ["rollback", s, "start", "--dry-run"],
                     ["repair", s, "--mode", "point-in-time", "--dry-run"],
                     ["export", s, "plates", self.path("out.zarr")],
                     ["export", s, "plates", self.path("out2.zarr"), "--format", "zarr2"]):
            self.mounted(*args)

    def refusals(self):
        s = self.store
        for args in (["save", s, "new", self.path("a.npy")], ["rm", s, "plates/link"],
                     ["tag", s, "other"], ["config", s, "user.x=1"], ["gc", s],
                     ["rollback", s, "start"], ["mkdir", s, "d"]):
            self.mounted(*args, status=FAILED)

    def test_every_verb_that_reads_leaves_a_closed_store_as_it_is(self):
        self.fill()
        before = tree(self.path("disk"))
        self.every_verb()
        self.refusals()
        self.assertEqual(tree(self.path("disk")), before)
        self.holog("save", self.store, "new", self.path("a.npy"))
        self.holog("verify", self.store)

    @unittest.skipUnless(HAVE_SERVE, "built without serve, whose server is killed here")
    def test_every_verb_that_reads_leaves_a_store_that_nobody_closed_as_it_is(self):
        self.fill()
        self.kill_a_writer()
        self.assertFalse(self.holog("info", self.store, "--json").json()["recovery"]["clean"])
        before = tree(self.path("disk"))
        self.every_verb()
        self.assertEqual(tree(self.path("disk")), before)
        self.holog("save", self.store, "new", self.path("a.npy"))
        self.holog("verify", self.store)

    @unittest.skipUnless(HAVE_SERVE, "built without serve")
    def test_serve_answers_from_there(self):
        self.fill()
        before = tree(self.path("disk"))
        process, connection = self.serve(
            [*unshare(), "sh", "-c", MOUNT, "sh", self.path("disk"), BIN])
        for target in ("/", "/live/plates/p1/z0", "/live/plates/a/zarr.json", "/@1/plates/p1/z0",
                       "/live/plates/a/c/0/0/0", "/live/v2/plates/a/.zarray", "/live/plates/?list",
                       "/metrics", "/healthz"):
            connection.request("GET", target)
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 200, target)
        connection.request("PUT", "/live/new", body=b"x")
        self.assertEqual(connection.getresponse().status, 405)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(TIMEOUT_S), 0)
        self.assertEqual(tree(self.path("disk")), before)


if __name__ == "__main__":
    main()
