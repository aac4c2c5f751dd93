"""A backtest decides as the daemon does, run for run; what docs/backtest.md shows works as written."""

import json
import os
import re
import shlex
import subprocess
import unittest

from harness import BIN, DATA, LoopTest, ROOT

JOB = "flight-delay"
WEEKS = ["--until", "2013-03-20", "--group-by", "origin"]
ROWS = ["--import", ROOT / "jobs/imports/flights.yaml", "--source", DATA]


class Backtest(LoopTest):
    def spec(self):
        """One rank: several sum in another order, to another last digit. Every trigger is asked, two fits are made."""
        text = (ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text()
        for ours, words in (("ranks: {count: 2}", "ranks: {count: 1}"),
                            ("rows: {last: 60d}", "rows: {decay: {half_life: 20d}}\n"
                             "  candidates: [{rows: {since_drift: {at_least: 10d, at_most: 60d}}}]"),
                            ("when: [drift, quality]",
                             "when: [drift, quality, regret, estimate, {labels: 12000}, {schedule: {cron: '0 4 * * 2'}}],"
                             " quiet: ['* 8-17 * * 1-5'], clear: 80%, reuse: true")):
            self.assertIn(ours, text)
            text = text.replace(ours, words)
        path = self.loop.folder / "weeks.yaml"
        path.write_text(text)
        return path

    def backtest(self, *arguments, check=True):
        return self.loop.run("backtest", self.spec(), "--cache", self.loop.folder / "cache", "--trees", "no", *arguments,
                             check=check,
                             timeout=600)

    def test_it_decides_as_the_daemon_does(self):
        loop = self.loop
        ours = json.loads(self.backtest("--data", "flights", *ROWS, *WEEKS, "--slice", "7d", "--policy", "rekindle",
                                        "--json").stdout)
        # As many slots as cores: then a rank has one thread, as in a backtest.
        loop.start_daemon(slots=os.cpu_count())
        loop.import_flights()
        loop.run("apply", self.spec())
        loop.run("run", JOB, "--wait")
        loop.start_node(JOB)
        loop.node_ready(JOB)
        report = loop.folder / "report.json"
        loop.run("replay", JOB, "--dataset", "flights@2013-02..2013-12", "--node", loop.url, "--report", report, *WEEKS,
                 timeout=600)
        theirs = json.loads(report.read_text())
        told = ("as_of", "cause", "detail", "outcome")
        own = ours["policies"][0]
        self.assertEqual([[run[key] for key in told] for run in theirs["runs"]],
                         [[run[key] for key in told] for run in own["runs"]])
        self.assertGreaterEqual(len(own["runs"]), 2, "weeks in which nothing is decided prove nothing")
        self.assertEqual(theirs["rows"], ours["rows"])
        self.assertAlmostEqual(theirs["logloss_served"], own["loss"], 12)
        self.assertAlmostEqual(theirs["auroc_served"], own["score"], 12)
        chosen = loop.json("get", f"{JOB}-2")["outcome"]["candidates"]
        self.assertEqual(1, sum(fit["chosen"] for fit in chosen))
        self.assertRegex(loop.run("describe", f"{JOB}-2").stdout, r"candidates  . train as it stands: 0\.\d+, \d+ rows")

        # The same through the coordinator's own datasets; all fits were made by the first.
        again = json.loads(self.backtest("--data", "flights", *WEEKS, "--slice", "7d", "--policy", "rekindle",
                                         "--json").stdout)
        self.assertEqual(0, again["fits_made"])
        self.assertEqual(own["runs"], [dict(run, made_before=False) | {"made_before": then["made_before"]}
                                       for run, then in zip(again["policies"][0]["runs"], own["runs"])])

    def test_refusals_say_what_to_do(self):
        for arguments, words in (
                (["--data", "flights", *ROWS, "--policy", "adwim"], "ddm, hddm-a"),
                (["--data", "flights@2013-02", *ROWS], "use --slice"),
                (["--data", "flights@2013-01", *ROWS], "there is no history after them"),
                (["--data", "trains", *ROWS], "flights"),
                (["--data", "flights"], "--import SPEC --source DIR"),
                (["--data", "flights", *ROWS, "--slice", "5h"], "--slice 28d")):
            done = self.backtest(*arguments, check=False)
            self.assertNotEqual(0, done.returncode, arguments)
            self.assertIn(words, done.stderr, arguments)

    def test_the_page_asks_nothing_of_anybody(self):
        page = self.loop.folder / "page.html"
        done = self.backtest("--data", "flights", *ROWS, *WEEKS, "--slice", "10d", "--policy", "never", "--policy",
                             "always", "--html", page)
        self.assertIn("best possible by fits: 1 ", done.stdout)
        text = page.read_text()
        self.assertNotRegex(text, r"<script|src=|url\(|https?://(?!www\.w3\.org)|<link")
        self.assertEqual(2, text.count("<svg"))
        self.assertEqual(2, text.count("<polyline"))

    def test_the_examples_of_the_page_work(self):
        shown = re.findall(r"^    (rekindle backtest .*?)(?<!\\)$", (ROOT / "docs/backtest.md").read_text(), re.M | re.S)
        self.assertTrue(shown)
        for line in shown:
            words = [w.replace("build/data", str(DATA)) for w in shlex.split(line.replace("\\\n", " "))[1:]]
            # Two months in place of a year: that it works is what is tested.
            done = subprocess.run([BIN / "rekindle", *words, "--until", "2013-03-20", "--slice", "10d", "--cache",
                                   self.loop.folder / "cache"], cwd=ROOT, capture_output=True, text=True, timeout=600)
            self.assertEqual(0, done.returncode, f"{line}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    unittest.main()
