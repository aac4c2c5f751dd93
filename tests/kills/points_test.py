"""At each crash point a process of a real loop dies, is started again or replaced, and nothing is lost: what was
accepted is there, each run made one version, no second gang was started, no process is left, and the node answered
all the while by a version that exists. That the fault came to pass is asserted too.

By default each story is told once, with some of its points; REKINDLE_ROUNDS=n tells all of them, each point of the
coordinator also alone, n times, the later ones at a later coming."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

from points import BACKUP, CANCEL, EVENTS, GANG, GANG_UNSEEN, LIFE, NODE, NODE_SPOOL, RANK, RESTORE, SLURM, STOP, TRAINER, ROOT
from world import BIN, SPEC, Gone, Traffic, World, champion, remove_made, wait_for

ROUNDS = int(os.environ.get("REKINDLE_ROUNDS", "0"))
DAY = 86400

POOLS = """rekindle: 1
pools:
  - name: cluster
    slurm: {commands: %s, poll: 200ms, search: 3s, time: 10m}
"""


def some(points, default):
    return points if ROUNDS else [point for point in points if point in default]


class Story(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.begun = time.monotonic()

    def tearDown(self):
        left = self.world.close()
        self.assertEqual([], left, "processes left behind")

    @classmethod
    def tearDownClass(cls):
        remove_made()

    def told(self, points):
        """Every fault came to pass, in order."""
        self.assertEqual(points, self.world.deaths)
        print(f"{self.id().rsplit('.', 1)[1]}: {len(points)} deaths in {time.monotonic() - self.begun:.0f} s",
              flush=True)

    def fresh(self):
        """Another world for the next round."""
        self.tearDown()
        self.setUp()


class Coordinator(Story):
    def life(self, points):
        world, left = self.world, list(points)
        world.start_node()
        world.start_daemon(crash=left.pop(0))
        with Traffic(world) as traffic:
            while len(world.deaths) < len(points):
                self.assertLess(len(world.accepted), 30, f"{world.daemon_point} is never come to")
                run = world.submit(f"key-{len(world.accepted)}", points=left)
                ended = world.ends(run, left)
                self.assertEqual("PUBLISHED", ended["state"], ended)
                self.assertEqual(1, len(ended["attempts"]), "a running attempt is adopted, not replaced")
            newest = 2 + len(world.accepted)
            wait_for("the newest version to be in service", lambda: champion(world) == newest, 60)
            world.check_kept()
            wait_for("the node to answer by it", lambda: newest in traffic.versions)
        self.assertEqual([], traffic.failures)
        self.assertLessEqual(traffic.versions, set(range(1, newest + 1)))
        self.told(points)

    def test_it_dies_again_and_again_while_runs_are_made(self):
        self.life(LIFE)

    @unittest.skipUnless(ROUNDS, "nightly")
    def test_it_dies_once_in_the_life_of_a_run(self):
        for turn in range(ROUNDS):
            for point in LIFE:
                # Starts come once in a process; what else a run comes to comes more often.
                nth = 1 if point.startswith("daemon-") else 1 + turn % 3
                with self.subTest(point=point, nth=nth):
                    self.life([f"{point}:{nth}"])
                    self.fresh()

    def test_it_dies_while_it_stops(self):
        world = self.world
        world.start_node()
        for point in STOP:
            with self.subTest(point=point):
                world.start_daemon(crash=point)
                run = world.submit(point)
                world.daemon.terminate()
                wait_for("it to die", lambda: world.daemon.poll() is not None)
                world.died(point, world.daemon.returncode, "rekindled.log")
                world.start_daemon()
                self.assertEqual("PUBLISHED", world.ends(run)["state"])
                world.check_kept()
                world.daemon.terminate()
                self.assertEqual(0, world.daemon.wait(20))
        world.start_daemon()
        self.told(STOP)

    def test_it_dies_while_a_run_is_cancelled(self):
        world = self.world
        world.start_daemon(crash=CANCEL[0])
        run = world.submit("slow", fault="slow ms=100 attempt=0")
        wait_for("the gang to work", lambda: world.starts("trainer"))
        world.patiently(lambda: world.call("RunService/CancelRun", id=run, reason="a test"))
        self.assertEqual("CANCELLED", world.ends(run)["state"])
        self.assertEqual(2, len(world.versions()))
        world.check_nothing_left()
        self.told(CANCEL)

    def test_it_dies_while_events_come_in_and_days_are_settled(self):
        world, left = self.world, list(EVENTS)
        noon = (int(time.time()) // DAY - 3) * DAY + DAY // 2
        rows = [{"requestId": f"r{i}", "version": "1", "eventTimeUs": str((noon + i) * 1_000_000), "rows": 1,
                 "columns": [{"name": "at", "numbers": [(noon + i) * 1e6]}, {"name": "x", "numbers": [0.1 * i]},
                             {"name": "colour", "texts": ["red"]}], "predictions": [0.5]} for i in range(40)]
        labels = [{"requestId": f"r{i}", "labels": [i % 2], "knownAtUs": str((noon + i) * 1_000_000)}
                  for i in range(40)]
        world.start_node()  # until one reports, a coordinator that was started again waits for what it may hold
        world.start_daemon(crash=left.pop(0))
        world.patiently(lambda: world.call("EventService/Append", node="n", boot="b", seq="1", model="tiny",
                                           requests=rows, labels=labels), left)

        def settled():
            world.revived(left)
            sets = world.patiently(lambda: world.call("DataService/ListDatasets"), left).get("snapshots", [])
            return [int(one["rows"]) for one in sets if one["dataset"] == "tiny"]
        wait_for("the day to be settled", lambda: settled() and len(world.deaths) == len(EVENTS) - 1, 60)
        # A node counts what it answers, and what was counted is judged.
        self.assertEqual(200, world.infer("counted", at=noon)[0])
        wait_for("its slot to be judged", lambda: settled() and len(world.deaths) == len(EVENTS), 60)
        self.assertEqual([40], settled())
        world.daemon.terminate()
        world.daemon.wait(20)
        with sqlite3.connect(world.state / "events.db") as events:
            for table, rows in (("requests", 41), ("labels", 40)):
                self.assertEqual(rows, events.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table)
            self.assertEqual(1, events.execute("SELECT count(*) FROM settled").fetchone()[0])
        self.told(EVENTS)

    @unittest.skipUnless(ROUNDS, "nightly")
    def test_it_dies_while_it_hands_a_run_to_slurm(self):
        world, slurm = self.world, self.world.folder / "slurm"
        subprocess.run([sys.executable, ROOT / "tests/slurm/fake.py", slurm], check=True)
        (world.state / "pools.yaml").write_text(POOLS % (slurm / "bin"))
        world.start_node()
        world.start_daemon()
        (world.folder / "spec.yaml").write_text(SPEC % ("tiny", 1, "") + "pool: cluster\n")
        world.run("apply", world.folder / "spec.yaml")
        world.daemon.terminate()
        world.daemon.wait(20)
        for point in SLURM:
            with self.subTest(point=point):
                jobs = (slurm / "count").stat().st_size if (slurm / "count").exists() else 0
                world.start_daemon(crash=point)
                ended = world.ends(world.submit(point))
                self.assertEqual("PUBLISHED", ended["state"], ended)
                # Recorded, never handed over: nothing can tell, so it is looked for and then tried again.
                self.assertEqual(2 if point == "slurm-recorded" else 1, len(ended["attempts"]))
                self.assertEqual(1, (slurm / "count").stat().st_size - jobs, "one job of Slurm's")
                world.check_kept()
                world.daemon.terminate()
                world.daemon.wait(20)
        world.start_daemon()
        self.told(SLURM)


class Backups(Story):
    def restore(self, backup, state, crash=None):
        environment = {key: value for key, value in os.environ.items() if key != "REKINDLE_CRASH_AT"}
        if crash:
            environment["REKINDLE_CRASH_AT"] = crash
        return subprocess.run([BIN / "rekindled", "restore", backup, "--state", state], env=environment,
                              capture_output=True, text=True, timeout=120)

    def test_the_coordinator_dies_while_it_is_backed_up(self):
        world = self.world
        world.start_node()
        with Traffic(world) as traffic:
            for point in BACKUP:
                with self.subTest(point=point):
                    world.start_daemon(crash=point)
                    backup, restored = world.folder / point, world.folder / f"restored-{point}"
                    self.assertNotEqual(0, world.run("backup", backup, check=False).returncode)
                    world.died(point, world.daemon.wait(20), "rekindled.log")
                    whole = point == "backup-listed"
                    self.assertEqual(whole, (backup / "backup.json").exists())
                    done = self.restore(backup, restored)
                    self.assertEqual(0 if whole else 78, done.returncode, done.stdout + done.stderr)
                    if not whole:
                        self.assertIn("never finished", done.stderr)
                        self.assertFalse(restored.exists())
                    world.start_daemon()
                    self.assertIn("is not empty", world.run("backup", backup, check=False).stderr)
                    world.run("backup", world.folder / f"{point}-again")
                    self.assertEqual(2, len(world.versions()))
                    world.daemon.terminate()
                    self.assertEqual(0, world.daemon.wait(20))
        self.assertEqual([], traffic.failures)
        world.start_daemon()
        self.told(BACKUP)

    def test_a_restore_dies_and_what_comes_of_a_whole_one(self):
        world = self.world
        world.start_node()
        world.start_daemon()
        before = world.submit("before")
        self.assertEqual("3", world.ends(before)["version"])
        why = world.json("why", "tiny", 3)
        backup = world.folder / "backup"
        world.run("backup", backup)
        lost = world.submit("after")
        self.assertEqual("4", world.ends(lost)["version"])
        world.kill_daemon()
        for point in RESTORE:
            with self.subTest(point=point):
                state = world.folder / point
                done = self.restore(backup, state, crash=point)
                self.assertEqual(-signal.SIGKILL, done.returncode, done.stdout + done.stderr)
                self.assertIn(f"crash point {point} reached", done.stderr)
                world.deaths.append(point)
                if point == "restore-ended":
                    continue
                self.assertIn("is not empty", self.restore(backup, state).stderr)
                taken = subprocess.run([BIN / "rekindled", "--state", state], capture_output=True, text=True, timeout=60)
                self.assertEqual(78, taken.returncode, taken.stderr)
                self.assertIn("its restore did not come to an end", taken.stderr)
        # The one that died behind its end is whole: the model as it was, and numbers that nobody has had.
        world.flags = ["--artifacts", str(world.state / "artifacts")]
        world.state = world.folder / "restore-ended"
        world.runs = world.state / "runs"
        with Traffic(world) as traffic:
            world.start_daemon()
            self.assertEqual(why, world.json("why", "tiny", 3))
            self.assertEqual("PUBLISHED", world.get(before)["state"])
            again = world.submit("after")
            self.assertNotEqual(lost, again)
            self.assertEqual("2001", world.ends(again)["version"])
            wait_for("the node to answer by it", lambda: 2001 in traffic.versions)
        self.assertEqual([], traffic.failures)
        self.told(RESTORE)


class Gangs(Story):
    """The process is replaced: the run goes on in another attempt, or had all that it needed."""

    def each(self, points, name, job, before, log):
        world = self.world
        world.start_node()
        world.start_daemon()
        with Traffic(world) as traffic:
            for point in points:
                with self.subTest(point=point):
                    world.arm(name, point)
                    run = world.submit(point, job)
                    ended = world.ends(run)
                    self.assertEqual("PUBLISHED", ended["state"], ended)
                    said = (world.state / "runs" / run / "1" / log).read_text(errors="replace")
                    self.assertIn(f"crash point {point} reached", said)
                    self.assertLessEqual(len(ended["attempts"]), 2, ended["attempts"])
                    world.deaths.append(point)
                    world.accepted = {point: run}
                    world.check_kept(job, before)
                    before += 1
        self.assertEqual([], traffic.failures)
        self.told(list(points))

    def test_supervisors_die(self):
        self.each(some(GANG, ["gang-scratch-made", "gang-ranks-started", "gang-ranks-swept"]), "gang", "pair", 0,
                  "log-gang.txt")

    @unittest.skipUnless(ROUNDS, "nightly")
    def test_supervisors_die_before_anybody_saw_them(self):
        self.each(GANG_UNSEEN, "gang", "pair", 0, "log-gang.txt")

    @unittest.skipUnless(ROUNDS, "nightly")
    def test_what_mpirun_starts_dies(self):
        self.each(RANK, "mpirun", "pair", 0, "log-gang.txt")

    def test_ranks_die(self):
        self.each(some(TRAINER, ["checkpoint-renamed", "blob-synced", "version-stored", "outcome-written"]), "trainer",
                  "tiny", 2, "log-0.txt")


class Nodes(Story):
    def test_it_dies_while_it_changes_to_another_version(self):
        world = self.world
        world.start_daemon()
        with Traffic(world) as traffic:
            for point in NODE:
                with self.subTest(point=point):
                    world.node_away.set()
                    world.start_node(crash=point)
                    self.meets_its_end(point)
            world.start_node()
            world.node_away.clear()
            status, _ = world.infer()
            self.assertEqual(200, status)
            wanted = self.other()
            wait_for("the champion to be in service", lambda: champion(world) == wanted)
            wait_for("the node to answer by it", lambda: int(world.infer()[1]["model_version"]) == wanted)
        self.assertEqual([], traffic.failures)
        self.assertLessEqual(traffic.versions, {1, 2})
        self.told(NODE)

    def meets_its_end(self, point):
        """The champion is moved to and fro until the node comes to the point; as long as it lives, it answers."""
        world, deadline = self.world, time.monotonic() + 60
        moved = 0.0
        while world.node.poll() is None:
            try:
                status, answer = world.infer()
                self.assertEqual(200, status, answer)
                self.assertIn(int(answer["model_version"]), (1, 2))
            except Gone:
                wait_for("it to be dead as it does not answer", lambda: world.node.poll() is not None, 5)
                break
            if time.monotonic() - moved > 2:
                moved = time.monotonic()
                self.other()
            self.assertLess(time.monotonic(), deadline, f"{point} is never come to")
            time.sleep(0.05)
        world.died(point, world.node.wait(), "node.log")

    def other(self):
        """Moves the champion to the version that it is not."""
        wanted = 3 - champion(self.world)
        self.world.call("RegistryService/SetAlias", model="tiny", alias="champion", version=wanted)
        return wanted

    def test_it_dies_while_it_keeps_requests_and_labels(self):
        world, kept, sent = self.world, set(), 0
        world.start_daemon()
        for turn in range(max(1, ROUNDS)):
            # Not the first coming: something is to be acknowledged before.
            for point in [f"{name}:{turn + 3}" for name in NODE_SPOOL]:
                world.start_node(crash=point)
                while world.node.poll() is None:
                    sent += 1
                    try:
                        world.infer(f"r{sent}")
                        if world.feedback(f"r{sent}", sent % 2)[0] == 200:
                            kept.add(f"r{sent}")
                    except Gone:
                        wait_for("it to be dead as it does not answer", lambda: world.node.poll() is not None, 5)
                    self.assertLess(sent, 500, f"{point} is never come to")
                world.died(point, world.node.wait(), "node.log")
        world.start_node()
        self.assertEqual(200, world.feedback("r1", 1)[0])
        wait_for("the spool to be empty", lambda: self.spooled() == 0)
        for process in (world.node, world.daemon):
            process.send_signal(signal.SIGTERM)
            self.assertEqual(0, process.wait(20))
        with sqlite3.connect(world.state / "events.db") as events:
            stored = [row[0] for row in events.execute("SELECT id FROM labels")]
        self.assertLessEqual(kept, set(stored), "an acknowledged label is not there")
        self.assertEqual(len(stored), len(set(stored)))
        self.assertGreater(len(kept), 0)
        self.told([f"{point}:{turn + 3}" for turn in range(max(1, ROUNDS)) for point in NODE_SPOOL])

    def spooled(self):
        nodes = self.world.call("ServingService/ServingStatus").get("nodes", [])
        return int(nodes[0].get("spooled", 0)) if nodes else -1


if __name__ == "__main__":
    unittest.main()
