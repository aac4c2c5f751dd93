"""A host's clock that jumps, by an hour and by ten years, forward and back, under a run and over a restart; and a host
that is started again while a run is under way."""

import os
import signal
import struct
import time
import unittest

from world import SHIM, Traffic, World, processes_below, remove_made, wait_for

HOUR, YEARS = 3600, 10 * 365 * 86400


class Clocks(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.boot = self.world.folder / "boot"
        self.boot.write_text("11111111-1111-1111-1111-111111111111\n")
        self.offset = self.world.folder / "offset"
        self.jump(0)
        self.world.shim = {"LD_PRELOAD": str(SHIM), "SHIM_CLOCK": str(self.offset), "SHIM_BOOT": str(self.boot)}
        # One host: what its clock and its boot are, gangs and ranks see as well.
        (self.world.folder / "environment").write_text(
            "".join(f'export {name}="{value}"\n' for name, value in self.world.shim.items()))

    def tearDown(self):
        self.assertEqual([], self.world.close(), "processes left behind")

    @classmethod
    def tearDownClass(cls):
        remove_made()

    def jump(self, seconds):
        with open(self.offset, "r+b" if self.offset.exists() else "wb") as file:
            file.write(struct.pack("q", seconds))

    def has_jumped(self, seconds):
        """What the daemon logs has the time that it was told."""
        day = time.strftime("\n%Y-%m-%dT%H", time.gmtime(time.time() + seconds))
        wait_for(f"{day.strip()} in the log", lambda: day in self.world.daemon_log())

    def begin(self, key):
        before = len(self.world.starts("trainer"))
        run = self.world.submit(key, fault="slow ms=40 attempt=1")
        wait_for("it to train", lambda: len(self.world.starts("trainer")) > before)
        wait_for("its gang to be seen", lambda: self.world.get(run)["attempts"][-1]["state"] == "STARTED")
        return run

    def test_jumps_expire_nothing_and_start_nothing(self):
        world = self.world
        world.start_node()
        world.start_daemon()
        with Traffic(world) as traffic:
            for seconds in (HOUR, -HOUR, YEARS, -YEARS):
                with self.subTest(seconds=seconds):
                    run = self.begin(f"under {seconds}")
                    self.jump(seconds)
                    ended = world.ends(run)
                    self.assertEqual("PUBLISHED", ended["state"], ended)
                    self.assertEqual(1, len(ended["attempts"]), ended["attempts"])
                    self.has_jumped(seconds)
                    self.jump(0)
            self.runs_are_ours()
            # The start at another time: the journal's goes on.
            for seconds in (-YEARS, -HOUR, HOUR):
                with self.subTest(restarted_at=seconds):
                    run = self.begin(f"over {seconds}")
                    world.daemon.kill()
                    world.daemon.wait()
                    self.jump(seconds)
                    world.start_daemon()
                    self.has_jumped(seconds)
                    ended = world.ends(run)
                    self.assertEqual("PUBLISHED", ended["state"], ended)
                    self.assertEqual(1, len(ended["attempts"]), "adopted, not replaced")
                    self.assertEqual("PUBLISHED", world.ends(world.submit(f"after {seconds}"))["state"])
            self.runs_are_ours()
            world.check_kept()
        self.assertEqual([], traffic.failures)

    def runs_are_ours(self):
        """No clock has started a run of its own."""
        runs = self.world.call("RunService/ListRuns", job="tiny").get("runs", [])
        self.assertEqual(2 + len(self.world.accepted), len(runs))

    def test_a_host_that_was_started_again_loses_no_run(self):
        world = self.world
        world.start_daemon()
        run = self.begin("before")
        wait_for("a checkpoint", lambda: list((world.state / "runs" / run / "checkpoints").glob("step-*[0-9]")))
        world.daemon.kill()
        world.daemon.wait()
        for pid, _ in processes_below(world.state / "runs"):
            os.kill(pid, signal.SIGKILL)
        self.boot.write_text("22222222-2222-2222-2222-222222222222\n")
        world.start_daemon()
        ended = world.ends(run)
        self.assertEqual("PUBLISHED", ended["state"], ended)
        self.assertEqual(["END_NODE_LOST", "END_FINISHED"], [a["end"] for a in ended["attempts"]])
        self.assertIn("the host has been restarted since", ended["attempts"][0]["message"])
        self.assertGreater(int(ended["attempts"][1]["fromStep"]), 0, "it goes on from its checkpoint")
        world.check_kept()


if __name__ == "__main__":
    unittest.main()
