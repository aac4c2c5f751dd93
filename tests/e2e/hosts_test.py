"""Training over hosts by real mpirun, in network namespaces of this one machine with a folder that all of them see:
published, cordoned, drained, a link that is cut, a coordinator that dies. Skipped, with the reason, where no
namespaces can be made."""

import shutil
import sys
import tempfile
import time
import unittest

from harness import LoopTest, ROOT, wait_for

sys.path.insert(0, str(ROOT / "tests/hosts"))
import network  # noqa: E402

JOB = "flight-delay"
POOLS = """rekindle: 1
pools:
  - name: local
    local: {{slots: 2}}
  - name: lab
    hosts:
      inventory: [{inventory}]
      agent: [{agent}]
      control: 10.77.0.0/24
      collectives: 10.77.0.0/24
      probe: 1s
      misses: 2
"""


class Hosts(LoopTest):
    @classmethod
    def setUpClass(cls):
        if why := network.missing():
            raise unittest.SkipTest(why)
        network.own_network()
        cls.folder = tempfile.mkdtemp(prefix="rekindle-hosts-")
        cls.network = network.Network(cls.folder, ["n1", "n2", "n3"])
        try:
            cls.network.start()
        except Exception:
            cls.network.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.network.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def begin(self):
        self.before = self.seen_on_the_hosts()
        self.loop.state.mkdir(exist_ok=True, mode=0o700)
        hosts = ", ".join(f"{{name: {name}, slots: 1}}" for name in ("n1", "n2", "n3"))
        (self.loop.state / "pools.yaml").write_text(
            POOLS.format(inventory=hosts, agent=", ".join(self.network.agent())))
        self.start()
        self.loop.import_flights()
        text = (ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text()
        text = text.replace("  stop:", "  checkpoints: {every: 1s}\n  stop:")
        spec = self.loop.folder / "spec.yaml"
        spec.write_text(text + "pool: lab\n")
        self.loop.run("apply", spec)
        for name in ("n1", "n2", "n3"):
            self.comes_to(name, "OPEN")

    def start(self):
        self.loop.start_daemon("--allow-faults", "--shared", str(self.loop.folder / "shared"))

    def node(self, name):
        return next(node for node in self.loop.json("nodes")["nodes"] if node["node"] == name)

    def comes_to(self, name, state, seconds=30):
        wait_for(f"{name} to be {state}", lambda: self.node(name)["state"] == state, seconds)

    def get(self, run):
        return self.loop.json("get", run)

    def seats(self, run, attempt=-1):
        return [(share["node"], share["ranks"]) for share in self.get(run)["attempts"][attempt]["shares"]]

    def step(self, run):
        return int((self.loop.json("describe", run).get("progress") or {}).get("step", 0))

    def trains(self, fault="slow ms=20"):
        run = self.loop.json("run", JOB, "--fault", fault)["id"]
        wait_for("training", lambda: self.step(run) > 0, 60)
        return run

    def published(self, run):
        self.loop.run("wait", run, "--timeout", "120s", check=False)
        ended = self.get(run)
        self.assertEqual("PUBLISHED", ended["state"], ended.get("reason"))
        return ended

    def seen_on_the_hosts(self):
        return {word for name in self.network.hosts
                for word in self.network.on(name, "pidof orted rekindle-trainer; ls /dev/shm").split()}

    def nothing_is_left_on_the_hosts(self):
        """Neither processes of attempts nor scratch folders, but for what this machine had before: the hosts share it."""
        deadline = time.monotonic() + 20
        while (left := self.seen_on_the_hosts() - self.before) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(set(), left)

    def test_published_over_two_hosts_cordoned_and_drained(self):
        self.begin()
        shown = self.loop.run("plan", self.loop.folder / "spec.yaml", "--pool", "lab").stdout
        for part in ("mpirun -n 2", "--map-by seq", "--mca plm_rsh_agent", "hostfile:\nn1\nn2\n", "its 3 hosts' 3 slots"):
            self.assertIn(part, shown)
        run = self.trains("slow ms=100 attempt=1")
        self.assertEqual([("n1", 1), ("n2", 1)], self.seats(run))
        # What runs on a cordoned node stays; what is drained leaves, and goes on from its checkpoint elsewhere.
        self.assertIn("is cordoned", self.loop.run("cordon", "n1", "--reason", "new disk").stdout)
        self.assertEqual(1, len(self.get(run)["attempts"]))
        self.assertIn(run, self.loop.run("drain", "n2", "--reason", "new cable").stdout)
        wait_for("the drained node to be empty", lambda: self.node("n2")["state"] == "DRAINED", 30)
        wait_for("it to wait", lambda: "n1: cordoned by operator: new disk, n2: drained by operator: new cable" in
                 self.loop.run("why-not", run).stdout, 20)
        self.loop.kill_daemon()
        self.start()
        self.assertEqual("CORDONED", self.node("n1")["state"], "kept over a restart")
        self.assertEqual("DRAINED", self.node("n2")["state"])
        self.loop.run("uncordon", "n1")
        ended = self.published(run)
        self.assertEqual(["END_YIELDED", "END_FINISHED"], [a["end"] for a in ended["attempts"]], ended["attempts"])
        self.assertEqual([("n1", 1), ("n3", 1)], self.seats(run))
        self.assertGreater(int(ended["attempts"][1]["fromStep"]), 0)
        self.nothing_is_left_on_the_hosts()
        refused = self.loop.run("cordon", "n9", "--reason", "x", check=False)
        self.assertEqual(3, refused.returncode)

    def test_a_host_that_goes_away_is_lost_and_the_others_go_on(self):
        self.begin()
        run = self.trains("slow ms=100 attempt=1")
        wait_for("a checkpoint", lambda: any((self.loop.folder / "shared").glob(f"runs/{run}/checkpoints/step-*[0-9]")), 30)
        # The coordinator is not needed meanwhile: it finds its gang again, and what became of it.
        self.loop.kill_daemon()
        self.start()
        at = self.step(run)
        wait_for("it to go on", lambda: self.step(run) > at, 30)
        self.assertEqual(1, len(self.get(run)["attempts"]), "adopted, not started anew")
        self.network.cut("n2")
        ended = wait_for("the loss", lambda: (a := self.get(run)["attempts"][0])["state"] == "ENDED" and a, 40)
        self.assertEqual("END_NODE_LOST", ended["end"], ended)
        self.assertIn("n2", ended["message"])
        self.comes_to("n2", "UNREACHABLE")
        self.assertIn("unreachable", self.node("n2")["reasons"][0])
        ended = self.published(run)
        self.assertEqual(2, len(ended["attempts"]), ended["attempts"])
        self.assertEqual([("n1", 1), ("n3", 1)], self.seats(run))
        self.assertGreater(int(ended["attempts"][1]["fromStep"]), 0)
        self.assertEqual(1, int(ended["nodeFailures"]))
        self.assertEqual(0, int(ended.get("crashFailures", 0)) + int(ended.get("hangFailures", 0)))
        self.network.mend("n2")
        self.comes_to("n2", "OPEN")
        self.assertEqual(1, self.node("n2")["faults"])
        self.nothing_is_left_on_the_hosts()


if __name__ == "__main__":
    unittest.main()
