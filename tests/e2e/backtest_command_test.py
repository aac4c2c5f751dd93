"""Backtests of jobs with a script of their own: they decide as the daemon does, and say what a script says."""

import json
import os
import shutil
import unittest

from backtest_test import ROWS
from command_test import copy_of
from harness import BIN, LoopTest, ROOT, share_environments

WEEKS = ["--until", "2013-02-24", "--group-by", "origin"]
# A script that needs no package: its model is how many bytes its rows are.
SCRIPT = {
    "job.yaml": """rekindle: 1
name: flight-sizes
data:
  initial: flights@2013-01
  time: sched_dep
  label: {column: late, kind: binary, matures: 1d}
  categorical: [carrier]
train: {command: [sh, train.sh], code: ., rows: {last: 60d}}
predict: {command: [python3, predict.py]}
retrain: {when: [{schedule: {every: 6d}}], at_most: {runs: 20, per: 60d}, cooldown: 1d}
gate: {holdout: 3d, margin: -1}
serve: {canary: 10%, bake: 6h}
""",
    "train.sh": """stat -c %s "$REKINDLE_TRAIN/part-0.parquet" >"$REKINDLE_OUT/size"
""",
    "predict.py": """import os
from serve import serve

size = int(open(os.environ["REKINDLE_MODEL"] + "/size").read())
serve(lambda rows: [0.35 + size % 97 / 2000] * len(rows["carrier"]))
"""}


class Trees(LoopTest):
    def test_it_decides_as_the_daemon_does(self):
        loop = self.loop
        share_environments(loop)
        folder = copy_of(loop, "lightgbm")
        cache = loop.folder / "cache"
        cache.mkdir()
        (cache / "environments").symlink_to(BIN.parent / "environments")
        done = loop.run("backtest", folder / "job.yaml", "--data", "flights", *ROWS, *WEEKS, "--slice", "5d", "--cache",
                        cache, "--policy", "rekindle", "--json", timeout=900)
        ours = json.loads(done.stdout)
        # As many slots as cores: then a rank has one thread, as in a backtest.
        loop.start_daemon(slots=os.cpu_count())
        loop.import_flights()
        loop.run("apply", folder / "job.yaml")
        loop.run("run", "flight-trees", "--wait", timeout=400)
        loop.start_node("flight-trees")
        loop.node_ready("flight-trees", 1)
        report = loop.folder / "report.json"
        loop.run("replay", "flight-trees", "--dataset", "flights@2013-02..2013-12", "--node", loop.url, "--report", report,
                 *WEEKS, timeout=900)
        theirs = json.loads(report.read_text())
        told = ("as_of", "cause", "detail", "outcome")
        own = ours["policies"][0]
        self.assertEqual([[run[key] for key in told] for run in theirs["runs"]],
                         [[run[key] for key in told] for run in own["runs"]])
        self.assertGreaterEqual(len(own["runs"]), 1, "weeks in which nothing is decided prove nothing")
        self.assertEqual(theirs["rows"], ours["rows"])
        self.assertAlmostEqual(theirs["logloss_served"], own["loss"], 12)


class Sizes(LoopTest):
    def script(self, *words):
        return self.loop.run("backtest", self.loop.folder / "script/job.yaml", "--data", "flights", *ROWS, "--until",
                             "2013-02-20", "--group-by", "origin", "--slice", "4d", "--cache", self.loop.folder / "cache",
                             "--policy", "rekindle", *words, check=False, timeout=300)

    def test_a_script_is_played_too(self):
        folder = self.loop.folder / "script"
        folder.mkdir()
        for name, text in SCRIPT.items():
            (folder / name).write_text(text)
        shutil.copy(ROOT / "examples/lightgbm/serve.py", folder)
        done = self.script("--policy", "always", "--json")
        self.assertEqual(0, done.returncode, done.stderr)
        first = json.loads(done.stdout)
        own, always = first["policies"]
        self.assertGreaterEqual(len(own["runs"]), 2)
        for run in own["runs"]:
            self.assertEqual(("schedule", "published"), (run["cause"], run["outcome"]))
            self.assertGreater(run["rows"], 20000)
            self.assertGreater(run["train_seconds"], 0)
        self.assertEqual(4, len(always["runs"]))
        self.assertEqual(5, len(set(round(loss, 9) for loss in always["loss_by_slice"])), "each slice had a version of its own")
        again = json.loads(self.script("--policy", "always", "--json").stdout)
        self.assertEqual(0, again["fits_made"])
        self.assertEqual([p["loss_by_slice"] for p in first["policies"]], [p["loss_by_slice"] for p in again["policies"]])

        # Other code is another fit; what it says when it refuses is told.
        (folder / "train.sh").write_text("echo these rows are too few; exit 65\n")
        refused = self.script()
        self.assertEqual(4, refused.returncode)
        self.assertIn("no version 1", refused.stderr)
        self.assertIn("these rows are too few", refused.stderr)
        (folder / "train.sh").write_text("echo out of cheese; exit 3\n")
        self.assertRegex(self.script().stderr, r"END_CRASH: rank 0 left with 3: out of cheese")


if __name__ == "__main__":
    unittest.main()
