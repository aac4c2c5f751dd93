"""An ordinary DistributedDataParallel script on two ranks over gloo (nightly: its environment is torch with all its
dependencies, the one that ./dev makes for benchmarks). Killed in the middle, it goes on from its checkpoint."""

import json
import os
import signal
import unittest
from pathlib import Path

from command_test import WEEKS, copy_of
from harness import LoopTest, ROOT, processes_below, wait_for

PEER = Path(os.environ.get("REKINDLE_PEER", ROOT / "build/peer/bin/python"))


def rank_of(pid):
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((entry[5:].decode() for entry in entries if entry.startswith(b"RANK=")), None)


@unittest.skipUnless(PEER.exists(), f"no {PEER}: ./dev nightly makes it")
class Ddp(LoopTest):
    def test_a_ddp_script_is_killed_and_goes_on(self):
        loop = self.loop
        loop.start_daemon()
        loop.import_flights()
        folder = copy_of(loop, "ddp", ("[python, train.py, --epochs, \"6\"]", f"[{PEER}, train.py, --epochs, \"12\"]"),
                         ("[python, predict.py]", f"[{PEER}, predict.py]"))
        loop.run("apply", folder / "job.yaml")
        waiting = loop.start("run", "flight-ddp", "--wait")
        run = loop.state / "runs/flight-ddp-1"
        wait_for("a checkpoint", lambda: list(run.glob("checkpoints/step-*[0-9]")), 180)
        victims = [pid for pid, line in processes_below(PEER) if "train.py" in line and rank_of(pid) == "1"]
        self.assertEqual(1, len(victims), "rank 1 runs")
        os.kill(victims[0], signal.SIGKILL)
        output, _ = waiting.communicate(timeout=400)
        self.assertEqual(0, waiting.returncode, output + loop.daemon_log()[-3000:])
        got = loop.json("get", "flight-ddp-1")
        self.assertEqual("PUBLISHED", got["state"])
        self.assertEqual(["END_CRASH", "END_FINISHED"], [attempt["end"] for attempt in got["attempts"]])
        self.assertIn("rank 1 ended by signal 9", got["attempts"][0]["message"])
        self.assertRegex((run / "2/log-0.txt").read_text(), r"goes on from step [1-9]\d*, epoch [1-9]")
        whole = got["outcome"]["evaluation"]["slices"][0]
        self.assertGreater(whole["candidateAuroc"], 0.55, "it has learned something")

        loop.start_node("flight-ddp")
        loop.node_ready("flight-ddp", 1)
        report = loop.folder / "report.json"
        loop.run("replay", "flight-ddp", "--node", loop.url, "--report", report, *WEEKS, timeout=900)
        figures = json.loads(report.read_text())
        self.assertEqual(0, figures["requests_failed"])
        self.assertGreaterEqual(figures["runs_triggered"], 1)
        self.assertGreaterEqual(figures["versions_published"], 1)


if __name__ == "__main__":
    unittest.main()
