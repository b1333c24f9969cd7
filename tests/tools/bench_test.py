"""bench: runs, says what it did, and leaves nothing behind. The figures are not looked at."""

import os
import signal
import subprocess
import time

from clitest import BIN, FAILED, Case, main

WORKLOADS = ["disk", "sync", "commit", "commit16", "async", "bulk", "get", "save", "load"]


class Bench(Case):
    def test_all_workloads(self):
        doc = self.holog("bench", "--seconds", "0.05", "--json").json()
        self.assertEqual([r["workload"] for r in doc["results"]], WORKLOADS)
        for result in doc["results"]:
            self.assertGreater(result["operations"], 0, result)
            self.assertGreater(result["seconds"], 0, result)
        self.assertEqual(os.listdir(self.dir), [])

    def test_table_and_choice(self):
        os.mkdir(self.path("there"))
        text = self.holog("bench", "commit", "get", "--seconds", "0.05", "--dir", "there").text
        lines = [line.split(" ")[0] for line in text.split("\n")]
        self.assertIn("commit", lines)
        self.assertIn("get", lines)
        self.assertNotIn("bulk", lines)
        self.assertIn("0.05 s for each workload", text)
        self.assertEqual(os.listdir(self.path("there")), [])

    def test_a_directory_that_is_not_there(self):
        done = self.holog("bench", "--dir", "nowhere", status=FAILED)
        self.assertIn("nowhere", done.message)

    def test_an_interrupt_leaves_nothing_behind(self):
        process = subprocess.Popen([BIN, "bench", "commit16", "--seconds", "60"], cwd=self.dir,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not os.listdir(self.dir):
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, FAILED)
        self.assertIn(b"interrupted", err)
        self.assertEqual(os.listdir(self.dir), [])


if __name__ == "__main__":
    main()
