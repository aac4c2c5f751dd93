"""A version that passed its gate and its bake, and that labels then prove worse than the one before it: it is undone without
anybody being asked, and what was seen can be read."""

import unittest
from urllib.request import Request, urlopen

from harness import LoopTest, ROOT

JOB = "flight-delay"
SPEC = (ROOT / "tests/e2e/flight-delay-weeks.yaml").read_text()


class LabelsUndoAPromotion(LoopTest):
    def apply(self, text):
        spec = self.loop.folder / "spec.yaml"
        spec.write_text(text)
        self.loop.run("apply", spec)

    def test_the_champion_before_it_comes_back(self):
        loop = self.loop
        loop.start_daemon()
        loop.import_flights()
        spec = SPEC
        for old, new in (("{canary: 10%, bake: 6h}", "{canary: 50%, bake: 1d, analysis: {min_rows: 100}}"),
                         ("[drift, quality]", "[{schedule: {every: 3d}}]"), ("runs: 4,", "runs: 1,")):
            self.assertIn(old, spec)
            spec = spec.replace(old, new)
        self.apply(spec)
        loop.run("run", JOB, "--wait")
        loop.start_node(JOB)
        loop.node_ready(JOB, 1)
        # What it learns by heart of one day says little of the next; its gate lets all pass. Labels are known a day after their
        # flights: when the bake is over.
        self.apply(spec.replace("{last: 60d}", "{last: 5d}").replace(
            "stop: {epochs: 6, patience: 0}", "stop: {epochs: 200, patience: 0}\n  optimizer: {adam: {rate: 0.2}}"))
        loop.run("replay", JOB, "--node", loop.url, "--dataset", "flights@2013-02", "--until", "2013-02-10", "--group-by", "origin")

        versions = loop.json("versions", JOB)
        self.assertEqual("1", versions["aliases"]["champion"])
        second = versions["versions"][1]
        self.assertTrue(second["barred"] and second["provedWorse"], second)
        moves = [(move["from"], move["to"]) for move in versions["history"] if move["alias"] == "champion"]
        self.assertEqual([("0", "1"), ("1", "2"), ("2", "1")], moves)
        why = loop.run("why", JOB, 2).stdout
        self.assertLess(why.index("PROMOTED"), why.index("labels prove version 2 worse: gain -"))
        served = {v["version"] for n in loop.json("serving")["nodes"] for v in n["versions"] if v["state"] == "READY"}
        self.assertIn("1", served)
        self.assertIn("proved worse", loop.run("versions", JOB).stdout)
        asked = Request((loop.state / "address").read_text().strip() + "/metrics",
                        headers={"Authorization": "Bearer " + (loop.state / "token").read_text().strip()})
        with urlopen(asked, timeout=10) as answer:
            counts = [line for line in answer.read().decode().splitlines() if line.startswith("rekindle_promotions_undone")]
        self.assertEqual(["1"], [line.rsplit(" ", 1)[1] for line in counts], counts)


if __name__ == "__main__":
    unittest.main()
