"""Labels of other kinds through the whole loop: spec, run, gate, serve, feedback, settle, retrain."""

import json
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from harness import DATA, ROOT, LoopTest

HERE = Path(__file__).parent


class Kinds(LoopTest):
    def begin(self, job):
        loop = self.loop
        loop.start_daemon()
        loop.run("dataset", "import", ROOT / "jobs/imports/departures.yaml", "--source", DATA)
        loop.run("apply", HERE / f"{job}.yaml")
        loop.run("run", job, "--wait")
        loop.start_node(job)
        loop.node_ready(job, 1)
        return loop.json("get", f"{job}-1")

    def post(self, path, body):
        """Status and parsed body of a call to the node with the serving token."""
        token = (self.loop.state / "serving-token").read_text().strip()
        request = urllib.request.Request(self.loop.url + path, json.dumps(body).encode() if body else None,
                                         {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def feedback(self, job, request, **labels):
        return self.post("/rekindle.v1.NodeService/Feedback",
                         {"model": job, "labels": [{"requestId": request, "eventTimeUs": "1359709200000000", **labels}]})

    def replay(self, job):
        report = self.loop.folder / "report.json"
        self.loop.run("replay", job, "--node", self.loop.url, "--report", report, "--dataset", "departures@2013-02",
                      "--until", "2013-02-07", "--group-by", "carrier", "--compare", "1")
        figures = json.loads(report.read_text())
        self.assertEqual(0, figures["requests_failed"])
        self.assertGreaterEqual(figures["versions_published"], 1)
        return figures

    def test_three_classes(self):
        run = self.begin("origin")
        whole = run["outcome"]["evaluation"]["slices"][0]
        self.assertGreater(whole["candidateCorrect"], 1.3 * whole["constantCorrect"])
        self.assertIn("accuracy", run["verdict"]["reason"])
        self.assertIn("the class shares'", run["verdict"]["reason"])

        _, metadata = self.post("/v2/models/origin", None)
        self.assertEqual([{"name": "probabilities", "datatype": "FP64", "shape": [-1, 3],
                           "classes": ["EWR", "JFK", "LGA"]}], metadata["outputs"])
        status, answer = self.post("/v2/models/origin/infer", {"id": "two-flights", "inputs": [
            {"name": "sched_dep", "datatype": "INT64", "shape": [2], "data": [1359709200000000, 1359709200000000]},
            {"name": "sched_minute", "datatype": "FP64", "shape": [2], "data": [540, 600]},
            {"name": "distance", "datatype": "FP64", "shape": [2], "data": [2475, None]},
            {"name": "weekday", "datatype": "BYTES", "shape": [2], "data": ["fri", "fri"]},
            {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["VX", "B6"]},
            {"name": "dest", "datatype": "BYTES", "shape": [2], "data": ["LAX", "BOS"]}]})
        self.assertEqual(200, status, answer)
        output = answer["outputs"][0]
        self.assertEqual(("probabilities", [2, 3]), (output["name"], output["shape"]))
        for row in (output["data"][:3], output["data"][3:]):
            self.assertAlmostEqual(1, sum(row), places=9)
        self.assertEqual(1, output["data"][:3].index(max(output["data"][:3])), "flights to Los Angeles leave from JFK")

        self.assertEqual(200, self.feedback("origin", "two-flights", names=["JFK", ""], unknown=[1])[0])
        self.assertEqual(200, self.feedback("origin", "two-flights", labels=[1, "NaN"])[0], "the same as numbers")
        status, error = self.feedback("origin", "two-flights", names=["SFO", "JFK"])
        self.assertEqual(400, status)
        self.assertIn("row 1: 'SFO' is none of its classes", json.dumps(error))
        self.assertEqual(400, self.feedback("origin", "two-flights", labels=[3, 0])[0], "there are three classes")

        figures = self.replay("origin")
        self.assertGreater(figures["accuracy_served"], figures["accuracy_constant"])
        self.assertLess(figures["logloss_served"], figures["logloss_constant"])
        settled = self.loop.json("dataset", "list")
        columns = [s["columns"] for s in settled["snapshots"] if s["dataset"] == "origin"]
        self.assertTrue(columns, "days have settled")
        self.assertIn({"name": "origin", "type": "TEXT"}, columns[0], "labels by their names")
        scored = self.loop.run("score", "origin@1", "origin").stdout
        self.assertRegex(scored, r"LOG-LOSS +ACCURACY")
        settled_rows = self.loop.json("run", "origin", "--wait")
        self.assertEqual("PUBLISHED", settled_rows["state"], "initial and settled rows are trained on together")

    def test_minutes(self):
        run = self.begin("arrival")
        whole = run["outcome"]["evaluation"]["slices"][0]
        self.assertLess(whole["candidateLogLossSum"], 0.5 * whole["constantLogLossSum"])
        self.assertIn("squared error", run["verdict"]["reason"])
        self.assertIn("the training mean's", run["verdict"]["reason"])
        status, answer = self.post("/v2/models/arrival/infer", {"id": "late", "inputs": [
            {"name": "sched_dep", "datatype": "INT64", "shape": [2], "data": [1359709200000000, 1359709200000000]},
            {"name": "sched_minute", "datatype": "FP64", "shape": [2], "data": [540, 540]},
            {"name": "distance", "datatype": "FP64", "shape": [2], "data": [1400, 1400]},
            {"name": "dep_delay", "datatype": "FP64", "shape": [2], "data": [0, 90]},
            {"name": "weekday", "datatype": "BYTES", "shape": [2], "data": ["fri", "fri"]},
            {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["UA", "UA"]},
            {"name": "origin", "datatype": "BYTES", "shape": [2], "data": ["EWR", "EWR"]},
            {"name": "dest", "datatype": "BYTES", "shape": [2], "data": ["IAH", "IAH"]}]})
        self.assertEqual(200, status, answer)
        output = answer["outputs"][0]
        self.assertEqual(("value", [2]), (output["name"], output["shape"]))
        self.assertGreater(output["data"][1] - output["data"][0], 20, "in minutes, not in standard deviations")
        self.assertEqual(200, self.feedback("arrival", "late", labels=[-12.5, 88])[0])
        self.assertEqual(400, self.feedback("arrival", "late", labels=["Infinity", 88])[0])
        self.assertEqual(400, self.feedback("arrival", "late", names=["88", "3"])[0])
        figures = self.replay("arrival")
        self.assertLess(figures["squared_error_served"], figures["squared_error_constant"])
        self.assertLess(figures["absolute_error_served"], figures["absolute_error_constant"])
        self.assertRegex(self.loop.run("score", "arrival@1", "arrival").stdout, r"SQUARED ERROR +ABSOLUTE ERROR")


if __name__ == "__main__":
    unittest.main()
