"""The demo cut to a few weeks: kills in the middle, and the same outcome whatever the machine's speed."""

import json
import os
import signal
import threading
import time
import unittest

from harness import LoopTest, Loop, ROOT, processes_below, wait_for

JOB = "flight-delay"
SPEC = ROOT / "tests/e2e/flight-delay-weeks.yaml"
WEEKS = ["--dataset", "flights@2013-02", "--until", "2013-02-15", "--compare", "1", "--group-by", "origin"]


def first_version(loop):
    loop.start_daemon()
    loop.import_flights()
    loop.run("apply", SPEC)
    loop.run("run", JOB, "--wait")
    loop.start_node(JOB)
    loop.node_ready(JOB, 1)


def without_wall_clock(report):
    """What two replays must agree on: everything but the fields that are named as wall-clock ones."""
    if isinstance(report, dict):
        return {k: without_wall_clock(v) for k, v in report.items()
                if not k.endswith("_seconds") and not k.startswith("unrecorded_")}
    if isinstance(report, list):
        return [without_wall_clock(v) for v in report]
    return report


class KilledInTheMiddle(LoopTest):
    def test_coordinator_and_node_are_killed_and_nothing_is_lost(self):
        loop = self.loop
        first_version(loop)
        report = loop.folder / "report.json"
        replay = loop.start("replay", JOB, "--node", loop.url, "--report", report, *WEEKS)

        def training():
            runs = loop.json("list", check=False).get("runs", [])
            return [r for r in runs if r["state"] == "RUNNING" and r["attempts"][-1]["state"] == "STARTED"]
        run = wait_for("a triggered run to train", training, 120)[0]["id"]
        loop.kill_daemon()
        self.assertTrue(processes_below(loop.state / "runs" / run), "training goes on without the coordinator")
        loop.start_daemon()
        loop.node.kill()
        loop.node.wait()
        loop.start_node(JOB)

        output, _ = replay.communicate(timeout=240)
        self.assertEqual(0, replay.returncode, output + loop.daemon_log()[-4000:])
        figures = json.loads(report.read_text())
        self.assertEqual(0, figures["requests_failed"])
        self.assertGreaterEqual(figures["runs_triggered"], 1)
        self.assertGreaterEqual(figures["versions_published"], 1)
        killed = loop.json("get", run)
        self.assertEqual("PUBLISHED", killed["state"])
        self.assertEqual(1, len(killed["attempts"]), "the running attempt was adopted, not replaced")
        why = loop.run("why", JOB, killed["version"]).stdout
        for word in ("window", "trigger", "run", "attempt", "gate", "version", "rollout"):
            self.assertIn(word, why)


class SameOutcomeAtAnySpeed(unittest.TestCase):
    def replay(self, slowed):
        loop = Loop()
        try:
            first_version(loop)
            report = loop.folder / "report.json"
            replay = loop.start("replay", JOB, "--node", loop.url, "--report", report, *WEEKS)
            stop = threading.Event()

            def slow():
                turn = 0
                while not stop.is_set():
                    victims = [loop.daemon.pid, loop.node.pid, replay.pid]
                    victims += [pid for pid, line in processes_below(loop.state / "runs") if "rekindle-trainer" in line]
                    victim = victims[turn % len(victims)]
                    turn += 1
                    try:
                        os.kill(victim, signal.SIGSTOP)
                        stop.wait(0.4)
                        os.kill(victim, signal.SIGCONT)
                    except ProcessLookupError:
                        pass
                    stop.wait(0.3)
            thread = threading.Thread(target=slow)
            if slowed:
                thread.start()
            try:
                output, _ = replay.communicate(timeout=400)
            finally:
                stop.set()
                if slowed:
                    thread.join()
            self.assertEqual(0, replay.returncode, output)
            return json.loads(report.read_text())
        finally:
            loop.close()

    def test_a_slowed_replay_gives_the_same_report(self):
        plain, slowed = self.replay(False), self.replay(True)
        self.assertGreaterEqual(plain["runs_triggered"], 1)
        self.assertEqual(without_wall_clock(plain), without_wall_clock(slowed))


if __name__ == "__main__":
    unittest.main()
