"""A store with tiny segments whose writer is killed again and again, at any moment.

Each round one `holog batch` of random saves runs and is killed after a random time, or not. Then the
next open for writing, which waits for what the killed process had in flight, must work; the batch must
be there whole or not at all, whole if it was acknowledged; and now and then everything is verified
and compared. HOLOG_TEST_SEED repeats a run (the moments of the kills are its own affair).
"""

import base64
import json
import os
import random
import subprocess
import time

from clitest import BIN, Case, main

ROUNDS = {"quick": 40, "normal": 120, "full": 3000}
SIZES = [0, 10, 300, 3000, 70000, 200000]


class Kill(Case):
    def make_batch(self, rng):
        values = {f"d{rng.randrange(5)}/k{rng.randrange(60)}": rng.randbytes(rng.choice(SIZES))
                  for _ in range(rng.choice([1, 5, 40]))}
        lines = [json.dumps({"op": "save", "path": path, "replace": True, "parents": True,
                             "base64": base64.b64encode(value).decode()})
                 for path, value in values.items()]
        return values, "\n".join(lines).encode()

    def run_batch(self, lines, kill_after_s):
        """The exit status: negative when it was killed in time."""
        process = subprocess.Popen([BIN, "batch", self.store], stdin=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        try:
            process.stdin.write(lines)
            process.stdin.close()
        except BrokenPipeError:
            pass
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            process.kill()
        status = process.wait()
        said = process.stderr.read().decode()
        process.stderr.close()
        self.assertIn(status, (0, -9), said)
        return status

    def check_values(self, wanted):
        for path, value in wanted.items():
            self.assertEqual(self.load(path), value, path)

    def whole_or_not_at_all(self, values, known):
        """True when the batch of the killed writer is there."""
        found = {path: self.holog("load", self.store, path, status=None) for path in values}
        now = {path: done.out if done.status == 0 else None for path, done in found.items()}
        if now == values:
            return True
        self.assertEqual(now, {path: known.get(path) for path in values}, "half a batch")
        return False

    def test_no_acknowledged_batch_is_lost_and_none_is_halved(self):
        seed = int(os.environ.get("HOLOG_TEST_SEED", random.randrange(1 << 32)))
        print(f"HOLOG_TEST_SEED={seed}", flush=True)
        rng = random.Random(seed)
        self.init("--segment-size", "32K", "--extent-segment-size", "4M", "--inline-max", "2K")
        known = {}
        kills = 0
        for at in range(ROUNDS[os.environ.get("HOLOG_TEST_LEVEL", "quick")]):
            values, lines = self.make_batch(rng)
            kill_after_s = rng.random() * 0.06 if rng.random() < 0.8 else None
            status = self.run_batch(lines, kill_after_s)
            kills += status != 0
            self.holog("config", self.store, f"user.round={at}")
            if status == 0 or self.whole_or_not_at_all(values, known):
                known.update(values)
            if at % 10 == 9:
                self.holog("verify", self.store)
                self.check_values(dict(rng.sample(sorted(known.items()), min(10, len(known)))))
        self.check_values(known)
        self.assertEqual({path for path in self.names("-r") if "/" in path}, set(known))
        print(f"# total: 0 crash states, 0 second crashes, {kills} kills, 0 wrong", flush=True)


if __name__ == "__main__":
    main()
