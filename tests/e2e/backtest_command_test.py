"""A backtest of a job with a script of its own, in an environment of its own, decides as the daemon does."""

import json
import os
import unittest

from backtest_test import ROWS
from command_test import copy_of
from harness import BIN, LoopTest, share_environments

WEEKS = ["--until", "2013-02-24", "--group-by", "origin"]


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


if __name__ == "__main__":
    unittest.main()
