"""The demo's promises on the whole year, with drift and without (nightly: two times five minutes)."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness import BIN, DATA, ROOT, processes_below


class Year(unittest.TestCase):
    def demo(self, *flags):
        with tempfile.TemporaryDirectory(prefix="rekindle-year-") as folder:
            report = Path(folder) / "report.json"
            subprocess.run([sys.executable, ROOT / "tools/demo.py", "--build", BIN.parent, "--data", DATA, "--folder",
                            Path(folder) / "demo", "--report", report, *flags], check=True, timeout=1200)
            self.assertEqual([], processes_below(folder), "processes left behind")
            return json.loads(report.read_text())

    def test_the_loop_on_a_real_year(self):
        got = self.demo()
        self.assertEqual(0, got["requests_failed"])
        self.assertGreater(got["requests_answered"], 17000)
        self.assertLessEqual(got["runs_triggered"], 8)
        self.assertGreaterEqual(got["auroc_served"], 0.68)
        self.assertLessEqual(got["logloss_served"], got["logloss_cron"] + 0.003)
        self.assertLess(got["logloss_frozen"], got["logloss_constant"])

    def test_nothing_to_find_where_nothing_drifts(self):
        got = self.demo("--control")
        self.assertEqual(0, got["requests_failed"])
        causes = [run["cause"] for run in got["runs"] if run["cause"] in ("drift", "quality")]
        self.assertLessEqual(len(causes), 1, got["runs"])


if __name__ == "__main__":
    unittest.main()
