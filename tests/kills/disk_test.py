"""Disks that fail: a sync of the coordinator that goes wrong, and no room left. What was acknowledged is kept, what
cannot be kept is refused with the reason, and all goes on when the disk does.

REKINDLE_ROUNDS=n: every sync of a run's life fails once, and disks are filled n times."""

import os
import re
import subprocess
import time
import unittest

from world import SHIM, Refused, Traffic, World, champion, remove_made, wait_for

ROUNDS = int(os.environ.get("REKINDLE_ROUNDS", "0"))
SYNCS = range(1, 200) if ROUNDS else (1, 5, 9, 14, 20)
UNSYNCED, REFUSED_TO_START = 74, 78


class Syncs(unittest.TestCase):
    @classmethod
    def tearDownClass(cls):
        remove_made()

    def test_a_sync_that_fails_ends_the_coordinator_and_loses_nothing(self):
        ends = {}
        for number in SYNCS:
            with self.subTest(sync=number):
                how = self.life(number)
                if not how:
                    break  # a whole life has fewer
                ends[how] = ends.get(how, 0) + 1
        print(f"syncs that failed, by what came of it: {ends}", flush=True)
        self.assertGreater(sum(ends.values()), 3)

    def life(self, number):
        """A start, a submission, a published version, while that sync fails; what came of it."""
        world = World()
        try:
            world.shim = {"LD_PRELOAD": str(SHIM), "SHIM_FSYNC": str(number)}
            world.may_end_with = {UNSYNCED: "ending, so that nothing is answered that is not stored",
                                  REFUSED_TO_START: "cannot start"}
            world.start_node()
            world.start_daemon()
            world.shim = {}  # for starts that follow
            ended = world.ends(world.submit("one"))
            self.assertEqual("PUBLISHED", ended["state"], ended)
            wait_for("version 3 to be the champion", lambda: champion(world) == 3)
            world.check_kept()
            self.assertLessEqual(len(ended["attempts"]), 2)
            hit = re.search(r"shim: sync \d+ fails: (.*)", world.daemon_log())
            if not hit:
                return None
            self.assertLessEqual(len(world.deaths), 1)
            return "it ended" if world.deaths else "that wish alone failed"
        finally:
            self.assertEqual([], world.close())


class FullDisk(unittest.TestCase):
    """A small disk that something else fills to its last byte while a run is under way."""

    def setUp(self):
        self.world = World()
        self.disk = self.world.folder / "disk"
        self.disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", self.disk], capture_output=True,
                                 text=True)
        if mounted.returncode != 0:
            self.world.close()
            print(f"SKIP full disks: a small one cannot be mounted here: {mounted.stderr.strip()}", flush=True)
            self.skipTest("no tmpfs can be mounted: run as root")

    def tearDown(self):
        if not self.disk.exists():
            return
        # What runs there ends before the disk goes.
        for process in (self.world.node, self.world.daemon):
            if process and process.poll() is None:
                process.terminate()
                process.wait(20)
        subprocess.run(["umount", "-l", self.disk], check=False)
        self.assertEqual([], self.world.close())

    @classmethod
    def tearDownClass(cls):
        remove_made()

    def fill(self):
        with open(self.disk / "filler", "ab", buffering=0) as filler:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError:
                    pass

    def is_filled_and_freed(self):
        world = self.world
        world.start_node()
        world.start_daemon()
        pid = world.daemon.pid
        with Traffic(world) as traffic:
            for turn in range(max(1, ROUNDS)):
                before = len(world.starts("trainer"))
                under_way = world.submit(f"under way {turn}", fault="slow ms=40 attempt=1")
                wait_for("it to train", lambda: len(world.starts("trainer")) > before)
                self.fill()
                with self.assertRaises(Refused) as refused:
                    world.submit(f"later {turn}")
                self.assertEqual("resource_exhausted", refused.exception.code)
                # The audit log is written first: it may be what has no room.
                self.assertRegex(refused.exception.message,
                                 "the disk that holds .* has .* left.*free some space|audit log.*No space left")
                full_until = time.monotonic() + 4
                while time.monotonic() < full_until:
                    self.assertIn(world.get(under_way)["state"], ("QUEUED", "RUNNING", "JUDGING", "PUBLISHED"))
                    self.assertGreaterEqual(len(world.versions()), 2)
                    self.assertEqual(200, world.infer()[0])
                    time.sleep(0.2)
                (self.disk / "filler").unlink()
                ended = world.ends(under_way)
                self.assertEqual("PUBLISHED", ended["state"], ended)
                ended = world.ends(world.submit(f"later {turn}"))
                self.assertEqual("PUBLISHED", ended["state"], ended)
            world.check_kept()
        self.assertEqual([], traffic.failures)
        self.assertEqual(pid, world.daemon.pid)
        self.assertIsNone(world.daemon.poll(), "it lived through all of it")

    def test_the_disk_of_everything(self):
        # Moved, not made there: it is a copy like any other.
        here = self.disk / "state"
        subprocess.run(["cp", "-a", self.world.state, here], check=True)
        self.world.state = here
        self.world.runs = here / "runs"
        self.is_filled_and_freed()

    def test_the_disk_of_runs_and_artifacts(self):
        subprocess.run(["cp", "-a", self.world.state / "artifacts", self.disk / "artifacts"], check=True)
        self.world.flags = ["--shared", str(self.disk)]
        self.world.runs = self.disk / "runs"
        (self.world.state / "artifacts").rename(self.world.folder / "artifacts-before")
        (self.world.state / "artifacts").symlink_to(self.disk / "artifacts")
        self.is_filled_and_freed()


if __name__ == "__main__":
    unittest.main()
