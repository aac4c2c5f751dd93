"""Training through a Slurm that the test starts: to a published version, cancelled, over a time limit, and with a
coordinator that dies meanwhile. Skipped, with the reason, where there is no Slurm."""

import os
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

from harness import LoopTest, ROOT, wait_for

sys.path.insert(0, str(ROOT / "tests/slurm"))
import cluster as slurm  # noqa: E402

JOB = "flight-delay"
POOLS = """rekindle: 1
pools:
  - name: local
    local: {{slots: 2}}
  - name: cluster
    slurm: {{config: {config}, poll: 200ms, {more}}}
"""


class SlurmTest(LoopTest):
    NODES = {}

    @classmethod
    def setUpClass(cls):
        if why := slurm.missing():
            raise unittest.SkipTest(why)
        cls.folder = tempfile.mkdtemp(prefix="rekindle-slurm-")
        cls.cluster = slurm.Cluster(cls.folder, **cls.NODES)
        try:
            cls.cluster.start()
        except Exception:
            cls.cluster.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        super().setUp()
        self.before = {number for number, _ in self.cluster.jobs()}

    def pools(self, more="time: 10m"):
        self.loop.state.mkdir(exist_ok=True, mode=0o700)
        (self.loop.state / "pools.yaml").write_text(POOLS.format(config=self.cluster.config, more=more))

    def flags(self):
        trainer = os.environ.get("REKINDLE_TRAINER")
        return ["--shared", self.loop.folder / "shared", *(["--trainer-program", trainer] if trainer else [])]

    def begin(self, more="time: 10m", **spec):
        self.pools(more)
        self.loop.start_daemon("--allow-faults", *map(str, self.flags()))
        self.loop.import_flights()
        self.apply(**spec)

    def apply(self, ranks="{count: 2}", limits="", more="", epochs=6):
        text = (ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text()
        text = text.replace("ranks: {count: 2}", f"ranks: {ranks}").replace("epochs: 6", f"epochs: {epochs}")
        text = text.replace("  stop:", f"  limits: {{{limits}}}\n  checkpoints: {{every: 1s}}\n  stop:")
        spec = self.loop.folder / "spec.yaml"
        spec.write_text(text + f"pool: cluster\n{more}")
        return self.loop.run("apply", spec, check=False)

    def get(self, run):
        return self.loop.json("get", run)

    def jobs(self, run):
        """Of this test: others before it had runs of the same names."""
        return [job for job in self.cluster.jobs(f"rekindle:{run}/") if job[0] not in self.before]

    def published(self, run):
        self.loop.run("wait", run, "--timeout", "240s", check=False)
        ended = self.get(run)
        self.assertEqual("PUBLISHED", ended["state"], ended.get("reason"))
        return ended

    def step(self, run):
        return int((self.loop.json("describe", run).get("progress") or {}).get("step", 0))


class Slurm(SlurmTest):
    def test_a_run_is_published_by_gangs_of_one_and_of_two(self):
        self.begin()
        for ranks in ("{count: 2}", "{count: 1}"):
            with self.subTest(ranks=ranks):
                self.apply(ranks=ranks)
                run = self.loop.json("run", JOB)["id"]
                ended = self.published(run)
                self.assertEqual(1, len(ended["attempts"]), ended["attempts"])
                self.assertEqual(1, len(self.jobs(run)))
                self.assertIn("epoch", self.loop.run("logs", run).stdout)
                wait_for("Slurm to be done with it", lambda: {s for _, s in self.jobs(run)} == {"COMPLETED"})

    def test_what_waits_says_why_and_can_be_cancelled(self):
        self.begin(more="time: 10m, constraint: a100")
        run = self.loop.json("run", JOB)["id"]
        self.loop.run("wait", run, "--timeout", "60s", check=False)
        self.assertIn("Invalid feature", self.get(run)["reason"])
        self.pools("time: 10m")
        wait_for("the edit to be taken over",
                 lambda: not self.loop.json("pools")["pools"][1]["pool"]["slurm"].get("constraint"))
        self.cluster.tell("scontrol", "update", "partitionname=main", "state=DOWN")
        try:
            run = self.loop.json("run", JOB)["id"]
            wait_for("the reason", lambda: "PartitionDown" in self.get(run).get("reason", ""), 30)
            self.loop.run("cancel", run)
            self.loop.run("wait", run, "--timeout", "60s", check=False)
            self.assertEqual("CANCELLED", self.get(run)["state"])
            self.assertEqual(["CANCELLED"], [state for _, state in self.jobs(run)])
        finally:
            self.cluster.tell("scontrol", "update", "partitionname=main", "state=UP")

    def test_a_cancelled_gang_saves_and_leaves(self):
        self.begin(epochs=2000)
        run = self.loop.json("run", JOB)["id"]
        wait_for("training", lambda: self.step(run) > 0, 60)
        self.loop.run("cancel", run)
        self.loop.run("wait", run, "--timeout", "60s", check=False)
        ended = self.get(run)
        self.assertEqual("CANCELLED", ended["state"])
        self.assertEqual("END_YIELDED", ended["attempts"][0]["end"])
        wait_for("the job to be over", lambda: [s for _, s in self.jobs(run)] == ["COMPLETED"], 30)

    def test_a_job_that_somebody_cancels_in_slurm_is_not_tried_again(self):
        self.begin(epochs=2000)
        run = self.loop.json("run", JOB)["id"]
        wait_for("training", lambda: self.step(run) > 0, 60)
        number = self.jobs(run)[0][0]
        self.cluster.tell("scancel", str(number))
        self.loop.run("wait", run, "--timeout", "60s", check=False)
        ended = self.get(run)
        self.assertEqual(("CANCELLED", f"cancelled in Slurm (job {number})"), (ended["state"], ended["reason"]))
        self.assertEqual(["END_CANCELLED"], [attempt["end"] for attempt in ended["attempts"]])
        self.assertEqual([(number, "CANCELLED")], self.jobs(run))

    def test_a_time_limit_makes_it_save_and_the_next_job_goes_on(self):
        # A minute is the shortest that Slurm knows; half of it is notice.
        self.begin(more="time: 1m, notice: 30s", epochs=40)
        run = self.loop.json("run", JOB, "--fault", "slow ms=60 attempt=1")["id"]
        ended = self.published(run)
        first, second = ended["attempts"][:2]
        self.assertEqual("END_YIELDED", first["end"], first)
        self.assertGreater(int(second["fromStep"]), 0)
        self.assertEqual(len(ended["attempts"]), len(self.jobs(run)))
        self.assertEqual(0, int(ended.get("crashFailures", 0)))

    def test_a_coordinator_that_dies_finds_its_job_again(self):
        self.begin(epochs=2000)
        run = self.loop.json("run", JOB)["id"]
        wait_for("training", lambda: self.step(run) > 0, 60)
        self.loop.kill_daemon()
        before = self.jobs(run)
        self.loop.start_daemon("--allow-faults", *map(str, self.flags()))
        self.assertEqual(before, self.jobs(run))
        at = self.step(run)
        wait_for("it to go on", lambda: self.step(run) > at, 30)
        self.assertEqual(1, len(self.get(run)["attempts"]))
        self.loop.run("cancel", run)
        self.loop.run("wait", run, "--timeout", "60s", check=False)
        self.assertEqual("CANCELLED", self.get(run)["state"])
        self.assertEqual(1, len(self.jobs(run)))

    def test_what_slurm_cannot_do_is_refused_before_and_shown(self):
        self.begin()
        refused = self.apply(more="priority: 3\n")
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("waive: [priority]", refused.stderr)
        self.assertEqual(0, self.apply(more="priority: 3\nwaive: [priority]\n").returncode)
        shown = self.loop.run("plan", self.loop.folder / "spec.yaml", "--pool", "cluster").stdout
        for part in ("waived", "--ntasks=2", "--time=10", 'exec "$@"', "rekindle:flight-delay-1/1:"):
            self.assertIn(part, shown)
        (self.loop.state / "pools.yaml").write_text("rekindle: 1\npools: [{name: cluster, slrum: {}}]\n")
        time.sleep(1.5)
        broken = self.loop.run("pools", check=False)
        self.assertEqual(1, broken.returncode)
        self.assertIn("did you mean 'slurm'?", broken.stderr)
        self.assertIn("cluster", broken.stdout)


class SlurmNodes(SlurmTest):
    """A cluster of two nodes, both on this host: what spans them meets over sockets, not in shared memory."""

    NODES = {"nodes": 2, "gpus": 2}

    def test_a_gang_over_two_nodes_is_published_with_what_its_nodes_were_asked_for(self):
        # A rank takes a node's cores, and each node one of its GPUs.
        self.begin(more='time: 10m, cpus: 2, gres: "gpu:a100:1"')
        run = self.loop.json("run", JOB)["id"]
        wait_for("training", lambda: self.step(run) > 0, 60)
        shown = self.cluster.tell("scontrol", "show", "job", "--details", str(self.jobs(run)[0][0]))
        for part in (" NodeList=n[1-2]", "NumNodes=2", "GRES=gpu:a100:1(IDX:0)"):
            self.assertIn(part, shown)
        ended = self.published(run)
        self.assertEqual(1, len(ended["attempts"]), ended["attempts"])


if __name__ == "__main__":
    unittest.main()
