"""A script of the user's own as a job: LightGBM from PyPI in an environment that is built from its lock file; nothing
in it knows of us. Spec, run, gate, serving, drift, retraining."""

import json
import re
import shutil
import unittest

from harness import LoopTest, ROOT, share_environments, version_file

WEEKS = ["--dataset", "flights@2013-02", "--until", "2013-02-12", "--compare", "1"]


def copy_of(loop, name, *replacements):
    """examples/NAME in the loop's folder, with words of its spec replaced."""
    folder = loop.folder / name
    shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "job.yaml").read_text()
    # Any finite candidate passes: the turn itself is what is tested.
    for old, new in (("gate: {holdout: 3d}", "gate: {holdout: 3d, margin: -1}"), *replacements):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "job.yaml").write_text(text)
    return folder


class Trees(LoopTest):
    def test_a_job_of_lightgbm_goes_round(self):
        loop = self.loop
        share_environments(loop)
        loop.start_daemon()
        loop.import_flights()
        folder = copy_of(loop, "lightgbm")
        applied = loop.json("apply", folder / "job.yaml")
        self.assertTrue(applied["changed"])
        again = loop.json("apply", folder / "job.yaml")
        self.assertFalse(again.get("changed", False), "the same folder is the same job")
        loop.run("run", "flight-trees", "--wait", timeout=400)
        lineage = version_file(loop, "flight-trees-1", "lineage.json")
        self.assertEqual(applied["job"]["spec"]["code"]["sha256"], lineage["code"]["sha256"])
        self.assertRegex(lineage["environment"], r"^venv [0-9a-f]{32}, Python 3")
        card = version_file(loop, "flight-trees-1", "model.json")
        self.assertEqual(["python", "predict.py"], card["predict"]["command"])
        run = loop.json("get", "flight-trees-1")
        whole = run["outcome"]["evaluation"]["slices"][0]
        self.assertLess(whole["candidateLogLossSum"], whole["constantLogLossSum"], "it has learned something")

        loop.start_node("flight-trees")
        loop.node_ready("flight-trees", 1)
        report = loop.folder / "report.json"
        loop.run("replay", "flight-trees", "--node", loop.url, "--report", report, *WEEKS, timeout=500)
        figures = json.loads(report.read_text())
        self.assertEqual(0, figures["requests_failed"])
        self.assertGreaterEqual(figures["runs_triggered"], 1)
        self.assertGreaterEqual(figures["versions_published"], 1)
        self.assertIn("rollout", loop.run("why", "flight-trees", 2).stdout)

        # A changed folder is another revision; the versions before keep their own code.
        (folder / "train.py").write_text((folder / "train.py").read_text() + "# changed\n")
        self.assertTrue(loop.json("apply", folder / "job.yaml")["changed"])


class Page(LoopTest):
    def test_the_example_of_the_page(self):
        loop = self.loop
        page = ROOT / "docs/command-jobs.md"
        folder = loop.folder / "job"
        folder.mkdir()
        text = page.read_text()
        for name, block in re.findall(r"`([\w.]+)`:\n\n```\w*\n(.*?)^```$", text, re.S | re.M):
            (folder / name).write_text(block)
        shutil.copy(ROOT / "examples/lightgbm/serve.py", folder)
        self.assertEqual({"job.yaml", "train.py", "predict.py", "requirements.lock", "serve.py"},
                         {path.name for path in folder.iterdir()})
        self.assertLessEqual(len((folder / "train.py").read_text().splitlines()), 10)
        share_environments(loop)
        loop.start_daemon()
        loop.import_flights()
        loop.run("apply", folder / "job.yaml")
        loop.run("run", "flight-rates", "--wait", timeout=400)
        self.assertEqual("PUBLISHED", loop.json("get", "flight-rates-1")["state"])


if __name__ == "__main__":
    unittest.main()
