"""Gangs that stand still, shrink, grow and run out of time, with the real programs and ranks.

REKINDLE_FAULTS=n takes n faults at random steps in place of one of each kind; REKINDLE_SEED=s other steps."""

import datetime
import os
import random
import re
import signal
import unittest
from pathlib import Path

from harness import LoopTest, ROOT, processes_below, wait_for

JOB = "flight-delay"
FOUND_WITHIN = 15.0
# Two cores are shared with whatever else runs on the host: what is measured beyond the promise is slack for that.
SLACK = 5.0


class Gangs(LoopTest):
    def begin(self, slots=2, limits="", **more):
        self.loop.start_daemon("--allow-faults", slots=slots)
        self.loop.import_flights()
        self.apply(JOB, "{count: 2}", limits, **more)

    def apply(self, name, ranks, limits="", epochs=12, priority=0, preempt="false"):  # epochs of about 22 steps
        text = (ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text()
        text = text.replace("name: flight-delay", f"name: {name}").replace("ranks: {count: 2}", f"ranks: {ranks}")
        text = text.replace("epochs: 6", f"epochs: {epochs}") + f"priority: {priority}\npreempt: {preempt}\n"
        text = text.replace("  stop:", f"  limits: {{{limits}}}\n  checkpoints: {{every: 1s}}\n  stop:")
        spec = self.loop.folder / f"{name}.yaml"
        spec.write_text(text)
        self.loop.run("apply", spec)

    def get(self, run):
        return self.loop.json("get", run)

    def step(self, run):
        return int((self.loop.json("describe", run).get("progress") or {}).get("step", 0))

    def attempt(self, run, number):
        attempts = self.get(run)["attempts"]
        return attempts[number - 1] if len(attempts) >= number else {}

    def ends(self, run, attempt, seconds=60):
        return wait_for(f"attempt {attempt} of {run} to end",
                        lambda: (a := self.attempt(run, attempt)).get("state") == "ENDED" and a, seconds)

    def rank(self, run, number):
        """pid of a rank that trains."""
        for pid, line in processes_below(self.loop.state / "runs" / run):
            if "rekindle-trainer" not in line.split(" ")[0]:
                continue
            entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"OMPI_COMM_WORLD_RANK={number}".encode() in entries:
                return pid
        raise AssertionError(f"rank {number} of {run} is not there")

    def leaves_nothing(self):
        wait_for("no process of the runs to be left", lambda: not processes_below(self.loop.state / "runs"), 10)
        left = [name for name in os.listdir("/dev/shm") if name in self.scratches]
        self.assertEqual([], left)

    def published(self, run, timeout=240):
        self.loop.run("wait", run, "--timeout", f"{timeout}s", timeout=timeout + 30, check=False)
        ended = self.get(run)
        self.assertEqual("PUBLISHED", ended["state"], ended.get("reason"))
        # Scratch folders of gangs lie in shared memory; each is named in its attempt's record.
        self.scratches = {os.path.basename(a["gang"]["scratch"]) for a in ended["attempts"]}
        self.leaves_nothing()
        return ended


class Faults(Gangs):
    """A rank that is stopped, killed or runs in circles: found in time, named rightly, recovered."""

    def fault_time(self, run, rank):
        """When an injected fault says that it came to pass: wall clock, microseconds."""
        log = self.loop.state / "runs" / run / "1" / f"log-{rank}.txt"
        match = wait_for("the fault",
                         lambda: log.exists() and re.search(r"(\S+)Z .*fault comes to pass", log.read_text()), 60)
        stamp = match.group(1)[:26]
        moment = datetime.datetime.fromisoformat(stamp).replace(tzinfo=datetime.timezone.utc)
        return moment.timestamp() * 1e6

    def one(self, kind, rank, step):
        run = self.loop.json("run", JOB, "--fault", f"slow ms=20;{kind} rank={rank} step={step}")["id"]
        at = self.fault_time(run, rank)
        ended = self.ends(run, 1)
        seconds = (int(ended["endedUs"]) - at) / 1e6
        print(f"{kind} of rank {rank} at step {step}: ended after {seconds:.1f} s: {ended['message']}", flush=True)
        self.assertLess(seconds, FOUND_WITHIN + SLACK)
        self.assertEqual("END_CRASH" if kind == "kill" else "END_HANG", ended["end"], ended)
        says = {"stop": f"rank {rank} stopped beating", "spin": f"rank {rank} has made no progress",
                "kill": f"rank {rank} ended by signal 9"}[kind]
        self.assertIn(says, ended["message"])
        self.assertRegex(ended["message"], r" at step \d+")
        if kind != "kill":
            self.assertIn(f"rank {1 - rank} waits in collective", ended["message"])
        after = self.published(run)
        self.assertEqual(2, len(after["attempts"]), after["attempts"])
        self.assertEqual(1, int(after["crashFailures" if kind == "kill" else "hangFailures"]))

    def test_faults(self):
        dice = random.Random(int(os.environ.get("REKINDLE_SEED", "1")))
        count = int(os.environ.get("REKINDLE_FAULTS", "0"))
        kinds = [dice.choice(["stop", "kill", "spin"]) for _ in range(count)] or ["stop", "kill", "spin"]
        self.begin()
        for kind in kinds:
            with self.subTest(kind=kind):
                self.one(kind, dice.randrange(2), dice.randrange(10, 100))


    def test_ranks_that_diverged_end_the_run(self):
        self.begin()
        run = self.loop.json("run", JOB, "--fault", "flip rank=1 step=20 attempt=0")["id"]
        done = self.loop.run("wait", run, "--timeout", "120s", check=False)
        self.assertEqual(11, done.returncode, done.stderr)
        ended = self.get(run)
        self.assertEqual(["END_DIVERGED"], [a["end"] for a in ended["attempts"]], "never tried again")
        self.assertRegex(ended["reason"], "ranks 0 and 1 hold different parameters")
        self.scratches = {os.path.basename(ended["attempts"][0]["gang"]["scratch"])}
        self.leaves_nothing()


class Elastic(Gangs):
    def test_a_gang_shrinks_for_a_retry_and_grows_again(self):
        self.begin()
        self.apply("stretch", "{min: 1, max: 2}", epochs=120)
        self.apply("other", "{count: 1}", epochs=400)
        run = self.loop.json("run", "stretch", "--fault", "slow ms=25 attempt=1;slow ms=25 attempt=2")["id"]
        wait_for("a checkpoint", lambda: list((self.loop.state / "runs" / run / "checkpoints").glob("step-*[0-9]")), 60)
        other = self.loop.json("run", "other")["id"]
        self.assertEqual("QUEUED", self.get(other)["state"])
        os.kill(self.rank(run, 1), signal.SIGKILL)
        wait_for("the retry", lambda: self.attempt(run, 2).get("state") == "STARTED", 60)
        self.assertEqual("RUNNING", self.get(other)["state"])
        wait_for("the smaller gang to train", lambda: self.step(run) > 0, 60)
        self.loop.run("cancel", other)
        wait_for("the larger gang", lambda: self.attempt(run, 3).get("state") == "STARTED", 90)
        self.assertRegex(self.attempt(run, 2)["message"], "grows from 1 to 2 ranks")
        self.assertIn("attempt 3: placed on 2 ranks, 1 before", self.loop.run("describe", run).stdout)
        ended = self.published(run)
        self.assertEqual([2, 1, 2], [a["world"] for a in ended["attempts"]])
        self.assertEqual(["END_CRASH", "END_YIELDED", "END_FINISHED"], [a["end"] for a in ended["attempts"]])
        self.assertEqual(1, int(ended["crashFailures"]), "growing is free of charge")
        steps = [(int(a["fromStep"]), int(a["untilStep"])) for a in ended["attempts"][1:]]
        self.assertGreater(steps[0][0], 0, "the smaller gang goes on from the checkpoint")
        self.assertEqual(steps[0][1], steps[1][0], "and the larger one where the smaller one left")

    def test_a_time_limit_ends_attempts_at_checkpoints(self):
        self.begin(limits="attempt: 14s, cancel_grace: 6s")
        run = self.loop.json("run", JOB, "--fault", "slow ms=60 attempt=0")["id"]
        ended = self.published(run)
        attempts = ended["attempts"]
        self.assertGreater(len(attempts), 1)
        for one in attempts[:-1]:
            self.assertEqual("END_YIELDED", one["end"], one)
            self.assertLess(int(one["endedUs"]) - int(one["placedUs"]), 14e6 + SLACK * 1e6)
        self.assertEqual(0, int(ended["crashFailures"]))

    def test_the_urgent_one_is_made_way_for_and_nothing_is_lost(self):
        self.begin()
        run = self.loop.json("run", JOB, "--fault", "slow ms=60 attempt=1")["id"]
        wait_for("some steps", lambda: self.step(run) > 20, 60)
        self.apply("urgent", "{count: 2}", epochs=1, priority=50, preempt="true")
        urgent = self.loop.json("run", "urgent")["id"]
        left = self.ends(run, 1)
        self.assertEqual("END_YIELDED", left["end"], left)
        self.assertIn(f"made way for {urgent}", left["message"])
        self.assertRegex(self.loop.run("why-not", run).stdout, "1 of 1 in pool local|is RUNNING")
        self.loop.run("wait", urgent, "--timeout", "120s")
        self.assertEqual("PUBLISHED", self.get(urgent)["state"])
        ended = self.published(run)
        self.assertEqual(left["untilStep"], ended["attempts"][1]["fromStep"], "it goes on where it left")
        self.assertEqual(0, int(ended["preemptions"]), "who saved is charged nothing")

    def test_a_job_for_gpus_is_refused_where_none_is(self):
        if any(name.startswith("nvidia") for name in os.listdir("/dev")):
            self.skipTest("this host has a GPU")
        self.begin()
        self.apply("gpu", "{count: 1, gpus: 1}")
        refused = self.loop.run("run", "gpu", check=False)
        self.assertEqual(4, refused.returncode, refused.stderr)
        self.assertIn("pool local, this host, has none: no NVIDIA device", refused.stderr)
        self.assertIn("has none: no NVIDIA device", self.loop.run("plan", self.loop.folder / "gpu.yaml").stdout)


if __name__ == "__main__":
    unittest.main()
