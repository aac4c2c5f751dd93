"""SIGKILL at random moments of whatever is there: coordinator, gang, mpirun, a rank, the serving node; one run after
another is under way meanwhile. All runs end published once, and the node answers whenever it is there.

REKINDLE_KILLS=n kills n times (30), REKINDLE_SEED=s takes other moments."""

import os
import random
import signal
import statistics
import time
import unittest

from world import SPEC, Gone, Traffic, World, champion, processes_below, remove_made, wait_for

KILLS = int(os.environ.get("REKINDLE_KILLS", "30"))
SEED = int(os.environ.get("REKINDLE_SEED", "1"))
RETRIES = "\n  limits: {crash_retries: 1000, node_retries: 1000, launcher_retries: 1000}"


class Kills(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.dice = random.Random(SEED)
        self.kills = {}
        self.recovered = {}

    def tearDown(self):
        self.assertEqual([], self.world.close(), "processes left behind")

    @classmethod
    def tearDownClass(cls):
        remove_made()

    def victims(self):
        """pids by what they are, of what is there now."""
        world, found = self.world, {"coordinator": [self.world.daemon.pid], "node": [self.world.node.pid]}
        for pid, line in processes_below(world.state / "runs"):
            program = os.path.basename(line.split(" ")[0])
            kind = {"rekindle-gang": "gang", "mpirun": "mpirun", "orterun": "mpirun", "rekindle-trainer": "rank"}
            # What mpirun starts is rekindle-gang, too, until it becomes a rank.
            if program in kind and (kind[program] != "gang" or " rank " not in line):
                found.setdefault(kind[program], []).append(pid)
        return found

    def kill_one(self):
        world, found = self.world, self.victims()
        kind = self.dice.choice(sorted(found))
        pid = self.dice.choice(found[kind])
        begun = time.monotonic()
        if kind == "node":
            world.node_away.set()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[kind] = self.kills.get(kind, 0) + 1
        if kind == "coordinator":
            world.daemon.wait()
            world.start_daemon()
            self.recovered.setdefault(kind, []).append(time.monotonic() - begun)
        if kind == "node":
            world.node.wait()
            world.start_node()
            wait_for("the node to answer", self.node_answers)
            world.node_away.clear()
            self.recovered.setdefault(kind, []).append(time.monotonic() - begun)

    def node_answers(self):
        try:
            return self.world.infer(record=False)[0] == 200
        except Gone:
            return False

    def is_over(self, run):
        """Its version is the champion too: what was judged against the one before would be held."""
        now = self.world.get(run)
        self.assertNotIn(now["state"], ("HELD", "FAILED_RUN", "REJECTED"), now)
        return now["state"] == "PUBLISHED" and champion(self.world, "pair") == int(now["version"])

    def test_nothing_is_lost(self):
        world, begun = self.world, time.monotonic()
        world.start_daemon()
        world.start_node()
        (world.folder / "spec.yaml").write_text(SPEC % ("pair", 2, RETRIES))
        world.run("apply", world.folder / "spec.yaml")
        run, submitted = None, 0
        with Traffic(world) as traffic:
            while sum(self.kills.values()) < KILLS:
                if not run or self.is_over(run):
                    run = world.submit(f"key-{submitted}", "pair", fault="slow ms=20 attempt=0")
                    submitted += 1
                # Mostly with a gang at work: between two attempts there is little to kill.
                patience = time.monotonic() + 2
                while len(self.victims()) < 4 and time.monotonic() < patience:
                    time.sleep(0.02)
                time.sleep(self.dice.uniform(0, 1.2))
                self.kill_one()
            ended = world.ends(run)
            self.assertEqual("PUBLISHED", ended["state"], ended)
            world.check_kept("pair", 0)
        self.assertEqual([], traffic.failures)
        attempts = sum(len(world.get(each)["attempts"]) for each in world.accepted.values())
        times = ", ".join(f"{kind} back after {statistics.median(some):.2f} s (median), {max(some):.2f} s (most)"
                          for kind, some in sorted(self.recovered.items()))
        print(f"seed {SEED}: {sum(self.kills.values())} kills {dict(sorted(self.kills.items()))}, {submitted} runs in "
              f"{attempts} attempts, {traffic.answered} requests answered, in {time.monotonic() - begun:.0f} s; {times}",
              flush=True)


if __name__ == "__main__":
    unittest.main()
