"""Faults of one run and of one host, with the real programs: recovery or a clear error, no process left."""

import json
import os
import signal
import subprocess
import time
import unittest

from harness import BIN, DATA, LoopTest, ROOT, processes_below, wait_for

JOB = "flight-delay"


class Faults(LoopTest):
    def train_slowly(self):
        """A job whose training takes several seconds; answers once its ranks are stepping."""
        self.loop.start_daemon()
        self.loop.import_flights()
        spec = self.loop.folder / "slow.yaml"
        text = (ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text()
        spec.write_text(text.replace("epochs: 6", "epochs: 80"))
        self.loop.run("apply", spec)
        run = self.loop.json("run", JOB)["id"]
        wait_for("both ranks to train", lambda: len(self.ranks()) == 2 and self.steps(run) > 10, 60)
        return run

    def steps(self, run):
        logs = self.loop.state / "runs" / run
        return sum(p.stat().st_size for p in logs.glob("*/report-0.log")) // 20 if logs.exists() else 0

    def named(self, program):
        return [pid for pid, line in processes_below(self.loop.state / "runs") if program in line.split(" ")[0]]

    def ranks(self):
        return self.named("rekindle-trainer")

    def ends_published(self, run, attempts):
        self.loop.run("wait", run, "--timeout", "120s", timeout=150)
        ended = self.loop.json("get", run)
        self.assertEqual("PUBLISHED", ended["state"], ended)
        self.assertEqual(attempts, len(ended["attempts"]), ended["attempts"])
        wait_for("no process of the run to be left", lambda: not processes_below(self.loop.state / "runs"), 10)

    def test_a_killed_rank_is_retried(self):
        run = self.train_slowly()
        os.kill(self.ranks()[-1], signal.SIGKILL)
        self.ends_published(run, 2)

    def test_a_killed_mpirun_is_retried(self):
        run = self.train_slowly()
        mpirun = self.named("mpirun") or self.named("orterun")
        os.kill(mpirun[0], signal.SIGKILL)
        self.ends_published(run, 2)

    def test_a_killed_gang_supervisor_is_retried(self):
        run = self.train_slowly()
        os.kill(self.named("rekindle-gang")[0], signal.SIGKILL)
        self.ends_published(run, 2)

    def test_a_cancelled_run_leaves_nothing(self):
        run = self.train_slowly()
        self.loop.run("cancel", run, "--reason", "a test")
        self.loop.run("wait", run, "--timeout", "60s", check=False)
        self.assertEqual("CANCELLED", self.loop.json("get", run)["state"])
        wait_for("no process of the run to be left", lambda: not processes_below(self.loop.state / "runs"), 10)


class ClearErrors(LoopTest):
    def refused(self, done, *words):
        self.assertNotEqual(0, done.returncode, done.stdout)
        for word in words:
            self.assertIn(word, done.stderr + done.stdout)

    def test_bad_input_is_refused_by_name(self):
        loop = self.loop
        loop.start_daemon()
        spec = loop.folder / "bad.yaml"
        text = (ROOT / "jobs/specs/flight-delay.yaml").read_text()
        spec.write_text(text.replace("batch: 1024", "bacth: 1024"))
        self.refused(loop.run("apply", spec, check=False), "bad.yaml", "bacth", "batch")
        self.refused(loop.run("run", "nobody", check=False), "nobody")
        bad = loop.folder / "data"
        bad.mkdir()
        (bad / "weather.csv").write_bytes((DATA / "weather.csv").read_bytes())
        (bad / "flights.csv.zip").write_bytes((DATA / "flights.csv.zip").read_bytes()[:100000])
        self.refused(loop.run("dataset", "import", ROOT / "jobs/imports/flights.yaml", "--source", bad, check=False),
                     "flights.csv.zip")
        loop.run("apply", ROOT / "jobs/specs/flight-delay.yaml")
        self.refused(loop.run("run", JOB, "--wait", check=False), "flights@2013-01")

    def test_a_second_coordinator_and_a_taken_port_are_refused(self):
        loop = self.loop
        loop.start_daemon()
        second = subprocess.run([BIN / "rekindled", "--state", loop.state, "--listen", "127.0.0.1:0"],
                                capture_output=True, text=True, timeout=30)
        self.assertNotEqual(0, second.returncode)
        self.assertIn(str(loop.state), second.stderr)
        taken = subprocess.run([BIN / "rekindled", "--state", loop.folder / "other", "--listen",
                                f"127.0.0.1:{loop.port()}"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(0, taken.returncode)
        self.assertIn(str(loop.port()), taken.stderr)

    def test_without_the_token_nothing_is_answered(self):
        loop = self.loop
        loop.start_daemon()
        curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H",
                "Content-Type: application/json", "-d", "{}"]
        url = f"http://127.0.0.1:{loop.port()}/rekindle.v1.AdminService/Status"
        self.assertEqual("401", subprocess.run([*curl, url], capture_output=True, text=True).stdout)
        token = (loop.state / "token").read_text().strip()
        self.assertEqual("200", subprocess.run([*curl, "-H", f"Authorization: Bearer {token}", url],
                                               capture_output=True, text=True).stdout)
        self.assertEqual(0o600, (loop.state / "token").stat().st_mode & 0o777)


if __name__ == "__main__":
    unittest.main()
