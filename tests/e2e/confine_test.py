"""What confines runs of this host, from the spec to the reason that people read: a job that eats memory, one that reads
what is not its own; a built-in kind on two ranks and a script beside them as if nothing were there."""

import json
import unittest

from harness import LoopTest, ROOT, processes_below, wait_for

SPEC = """rekindle: 1
name: {name}
data:
  initial: flights@2013-01
  time: sched_dep
  label: {{column: late, kind: binary, matures: 1d}}
  categorical: [carrier, origin]
train:
  command: [/usr/bin/python3, train.py]
  code: .
  ranks: {{count: {ranks}, memory: {memory}}}
  rows: {{last: 60d}}
  limits: {{crash_retries: 3, memory_retries: 1}}
predict: {{command: [/usr/bin/python3, predict.py]}}
gate: {{holdout: 3d}}
"""

EATS = """import os, time
if os.environ["RANK"] == "0":
    time.sleep(1000)
hoard = []
while True:
    hoard.append(bytearray(16 << 20))
"""

READS = """import os, sys
state = os.environ["REKINDLE_OUT"].split("/runs/")[0]
for path in ("token", "journal.db", "artifacts/blobs", "runs"):
    try:
        os.listdir(f"{state}/{path}") if path in ("runs", "artifacts/blobs") else open(f"{state}/{path}").close()
        print("reached", path, flush=True)
    except OSError:
        print("could not reach", path, flush=True)
sys.exit(65)
"""


class Confined(LoopTest):
    def job(self, name, script, ranks=1, memory="1GB"):
        folder = self.loop.folder / name
        folder.mkdir()
        (folder / "job.yaml").write_text(SPEC.format(name=name, ranks=ranks, memory=memory))
        (folder / "train.py").write_text(script)
        (folder / "predict.py").write_text("")
        self.loop.run("apply", folder / "job.yaml")
        self.loop.run("run", name)

    def ended(self, run):
        return wait_for(f"{run} to end", lambda: (lambda r: r if r["state"] in ("FAILED_RUN", "PUBLISHED") else None)(
            self.loop.json("get", run)), 120)

    def test_runs_are_kept_apart(self):
        loop = self.loop
        loop.start_daemon(slots=4)
        loop.import_flights()
        findings = [finding["what"] for finding in loop.json("doctor", check=False)["findings"]]
        if not any("runs are confined: files, memory" in what for what in findings):
            self.skipTest("this host confines less: " + "; ".join(w for w in findings if w.startswith("pool local")))

        self.job("eats", EATS, ranks=2, memory="100MB")
        self.job("reads", READS)
        run = self.ended("eats-1")
        ends = [attempt["end"] for attempt in run["attempts"]]
        self.assertEqual(["END_OUT_OF_MEMORY"] * 2, ends, "the budget of memory_retries, not of crashes")
        text = json.dumps(run)
        self.assertIn("rank 1 ran out of memory", text)
        self.assertIn("raise train.ranks.memory", text)

        run = self.ended("reads-1")
        self.assertEqual(["END_DATA_REFUSED"], [attempt["end"] for attempt in run["attempts"]])
        log = (loop.state / "runs/reads-1/1/log-0.txt").read_text()
        for path in ("token", "journal.db", "artifacts/blobs", "runs"):
            self.assertIn(f"could not reach {path}", log)
        self.assertEqual([], processes_below(loop.state / "runs"))


if __name__ == "__main__":
    unittest.main()
