"""Versions of `cnn`, `transformer` and `plugin` through the real loop, by the specs of their pages: import, apply,
run, gate, registry, a node that pulls them, predictions over HTTP that are those of `rekindle score`, and a version
that was fitted to what the node was asked."""

import base64
import json
import math
import re
import struct
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import drawn_data
from harness import BIN, LoopTest, ROOT, version_bytes, version_file, wait_for

sys.path.insert(0, str(BIN.parent / "lib/site-packages"))
import pyarrow.parquet  # noqa: E402

EVENT_US = 1359709200000000
# Any finite candidate passes when it comes to retraining: the turn itself is what is tested. The first version must
# beat the constant all the same.
LOOP = """retrain: {when: [{age: 2d}], at_most: {runs: 4, per: 60d, burst: 4}, cooldown: 2d, window: 2d}
gate: {holdout: 2d, margin: -1, min_rows: 40}
serve: {canary: 20%, bake: 6h}
"""


def shown(page, begins):
    """The one block of a page that begins so."""
    blocks = [text for text in re.findall(r"^```\w*\n(.*?)^```$", (ROOT / page).read_text(), re.S | re.M)
              if text.startswith(begins)]
    assert len(blocks) == 1, f"{page}: {len(blocks)} blocks begin with {begins!r}"
    return blocks[0]


class DeepKinds(LoopTest):
    def file(self, name, text, **replaced):
        for old, new in replaced.items():
            assert old in text, old
            text = text.replace(old, new)
        path = self.loop.folder / name
        path.write_text(text)
        return path

    def publish(self, job, spec, *flags):
        """Version 1 of the job, served by a node that has pulled it."""
        loop = self.loop
        loop.run("apply", spec)
        loop.run("run", job, "--wait", timeout=400)
        run = loop.json("get", f"{job}-1")
        self.assertEqual("PUBLISHED", run["state"])
        whole = run["outcome"]["evaluation"]["slices"][0]
        self.assertLess(whole["candidateLogLossSum"], 0.8 * whole["constantLogLossSum"], "it has learned something")
        loop.start_node(job, *flags)
        loop.node_ready(job, 1)

    def post(self, path, body):
        """Status and parsed body of a call to the node with the serving token."""
        token = (self.loop.state / "serving-token").read_text().strip()
        request = urllib.request.Request(self.loop.url + path, json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def ask(self, job, *tensors, rows):
        time = {"name": self.time, "datatype": "INT64", "shape": [rows], "data": [EVENT_US] * rows}
        return self.post(f"/v2/models/{job}/infer", {"inputs": [time, *tensors]})

    def scored(self, job, dataset):
        """The predictions of version 1 for a dataset's rows, as `rekindle score` writes them."""
        out = self.loop.folder / "scored.parquet"
        self.loop.run("score", f"{job}@1", dataset, "--out", out, timeout=400)
        return pyarrow.parquet.read_table(out).to_pydict()

    def assert_same(self, answers, scored):
        self.assertEqual(len(answers), len(scored))
        for got, want in zip(answers, scored):
            self.assertAlmostEqual(got, want, delta=1e-12)

    def goes_round(self, job, dataset, until):
        """What the node was asked becomes rows, the rows a version, and the node answers by it."""
        report = self.loop.folder / "report.json"
        self.loop.run("replay", job, "--node", self.loop.url, "--report", report, "--dataset", dataset, "--until", until,
                      timeout=500)
        figures = json.loads(report.read_text())
        self.assertEqual(0, figures["requests_failed"])
        self.assertGreaterEqual(figures["versions_published"], 1)
        settled = [s for s in self.loop.json("dataset", "list")["snapshots"] if s["dataset"] == job]
        self.assertTrue(settled, "days have settled")
        self.assertIn("rollout", self.loop.run("why", job, 2).stdout)
        return settled[0]

    def test_a_cnn_of_digits(self):
        loop, self.time = self.loop, "taken"
        loop.start_daemon()
        drawn_data.digits(loop.folder / "digits-0.tar", 1, "2013-01-01", 30, 900)
        later = drawn_data.digits(loop.folder / "later.tar", 2, "2013-02-01", 8, 160)
        spec = shown("docs/data.md", "rekindle: 1\ndataset: scanned-digits")
        loop.run("dataset", "import", self.file("first.yaml", spec), "--source", loop.folder)
        loop.run("dataset", "import", self.file("later.yaml", spec, **{"scanned-digits": "digits-later", "digits-*.tar":
                                                                       "later.tar"}), "--source", loop.folder)
        job = shown("docs/models/cnn.md", "rekindle: 1\nname: digits") + LOOP
        self.publish("digits", self.file("digits.yaml", job, **{
            "  batch: 128": "  batch: 16\n  stop: {epochs: 6, patience: 0}\n  ranks: {count: 2}\n"
                            "  optimizer: {adamw: {rate: 0.004}}"}))

        images = [base64.b64encode(image).decode() for image, _ in later]
        tensor = {"name": "image", "datatype": "BYTES", "shape": [len(images)], "data": images,
                  "parameters": {"content_type": "base64"}}
        status, answer = self.ask("digits", tensor, rows=len(images))
        self.assertEqual(200, status, answer)
        output = answer["outputs"][0]
        self.assertEqual(("probabilities", [len(images), 10]), (output["name"], output["shape"]))
        scored = self.scored("digits", "digits-later")
        self.assert_same(output["data"], [scored[f"probabilities[{name}]"][i] for i in range(len(images))
                                          for name in drawn_data.NAMES])
        rows = [output["data"][10 * i:10 * i + 10] for i in range(len(images))]
        right = sum(drawn_data.NAMES[row.index(max(row))] == name for row, (_, name) in zip(rows, later))
        self.assertGreater(right, 0.3 * len(later), "and are of the digits: a tenth by chance")
        status, error = self.ask("digits", dict(tensor, shape=[1], data=[base64.b64encode(b"GIF89a").decode()]), rows=1)
        self.assertEqual(400, status)
        self.assertIn("neither a JPEG nor a PNG", json.dumps(error))

        settled = self.goes_round("digits", "digits-later", "2013-02-08")
        self.assertIn({"name": "image", "type": "BYTES"}, settled["columns"])

    def test_a_transformer_of_sentences(self):
        loop, self.time = self.loop, "written"
        loop.start_daemon()
        drawn_data.sentences(loop.folder / "sentences.csv", 1, "2013-01-01", 30, 2000)
        later = drawn_data.sentences(loop.folder / "later.csv", 2, "2013-02-01", 8, 160)
        spec = shown("docs/data.md", "rekindle: 1\ndataset: sentences")
        loop.run("dataset", "import", self.file("first.yaml", spec), "--source", loop.folder)
        loop.run("dataset", "import", self.file("later.yaml", spec, **{"dataset: sentences": "dataset: later",
                                                                       "sentences.csv": "later.csv"}), "--source", loop.folder)
        job = shown("docs/models/transformer.md", "rekindle: 1\nname: politeness") + LOOP
        self.publish("politeness", self.file("politeness.yaml", job, **{
            "  batch: 256": "  batch: 64\n  stop: {epochs: 4, patience: 0}\n  optimizer: {adamw: {rate: 0.004}}"}))

        longest = max(len(words) for words, _ in later)
        padded = [token for words, _ in later for token in words + [-1] * (longest - len(words))]
        tensor = {"name": "words", "datatype": "INT32", "shape": [len(later), longest], "data": padded}
        status, answer = self.ask("politeness", tensor, rows=len(later))
        self.assertEqual(200, status, answer)
        output = answer["outputs"][0]
        self.assertEqual(("probability", [len(later)]), (output["name"], output["shape"]))
        self.assert_same(output["data"], self.scored("politeness", "later")["probability"])
        right = sum((p > 0.5) == polite for p, (_, polite) in zip(output["data"], later))
        self.assertGreater(right, 0.9 * len(later))
        status, error = self.ask("politeness", dict(tensor, shape=[1, 2], data=[7, 8000]), rows=1)
        self.assertEqual(400, status)
        self.assertIn("token 8000 is not below", json.dumps(error))

        settled = self.goes_round("politeness", "later", "2013-02-08")
        self.assertIn({"name": "words", "type": "TOKENS"}, settled["columns"])

    def test_a_plugin_of_ones_own(self):
        loop, self.time = self.loop, "sched_dep"
        loop.start_daemon()
        loop.import_flights()
        page = "docs/models/plugin.md"
        lines = shown(page, "cp -r examples/plugin").replace("/tmp/wide", str(loop.folder / "build"))
        subprocess.run(["sh", "-ec", lines], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        spec = self.file("wide.yaml", shown(page, "rekindle: 1\nname: flight-delay-wide") + LOOP,
                         **{"  code: build": "  code: build\n  rows: {last: 20d}\n  stop: {epochs: 3, patience: 0}\n"
                                             "  optimizer: {adamw: {rate: 0.02}}"})
        job = "flight-delay-wide"
        loop.run("apply", spec)
        loop.run("run", job, "--wait", timeout=400)
        loop.start_node(job)
        failed = self.health(job)
        self.assertEqual("FAILED", failed["state"], "the operator of this node has not allowed it")
        self.assertIn("--allow-packages", failed["message"])
        loop.stop_node()
        loop.start_node(job, "--allow-packages")
        loop.node_ready(job, 1)

        rows = [dict(sched_minute=540, distance=1400, temp=39.02, weekday="fri", carrier="UA", origin="EWR", dest="IAH"),
                dict(sched_minute=1200, distance=719, temp=None, weekday="mon", carrier="nobody", origin="LGA", dest="ORD")]
        numbers = ("sched_minute", "distance", "temp")
        tensors = [{"name": name, "datatype": "FP64" if name in numbers else "BYTES", "shape": [2],
                    "data": [row[name] for row in rows]} for name in rows[0]]
        status, answer = self.ask(job, *tensors, rows=2)
        self.assertEqual(200, status, answer)
        # The same in the test's own words, from the published files: the library is logistic regression.
        card = version_file(loop, f"{job}-1", "model.json")
        weights = tensors_of(version_bytes(loop, f"{job}-1", "model.safetensors"))
        for got, row in zip(answer["outputs"][0]["data"], rows):
            self.assertAlmostEqual(got, probability(card["transforms"], weights, row), delta=1e-6)

        report = loop.folder / "report.json"
        loop.run("replay", job, "--node", loop.url, "--report", report, "--dataset", "flights@2013-02", "--until",
                 "2013-02-07", timeout=500)
        figures = json.loads(report.read_text())
        self.assertEqual(0, figures["requests_failed"])
        self.assertGreaterEqual(figures["versions_published"], 1)
        self.assertLess(figures["logloss_served"], figures["logloss_constant"])

    def health(self, job):
        """Version 1 on the node, once it is settled whether it is served."""
        def settled():
            for node in self.loop.json("serving", check=False).get("nodes", []):
                for version in node.get("versions", []):
                    if node.get("model") == job and version.get("state") in ("READY", "FAILED"):
                        return version
            return None
        return wait_for("the node to say how version 1 is", settled, 60)


def tensors_of(data):
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return {name: struct.unpack(f"<{(tensor['data_offsets'][1] - tensor['data_offsets'][0]) // 4}f",
                                data[8 + size + tensor["data_offsets"][0]:8 + size + tensor["data_offsets"][1]])
            for name, tensor in header.items() if name != "__metadata__"}


def probability(transforms, weights, row):
    logit, number, first = weights["bias"][0], 0, 1
    for t in transforms.get("numeric", []):
        value = row[t["column"]]
        if value is not None:
            clipped = min(max(value, t.get("low", 0)), t.get("high", 0))
            logit += weights["numbers"][number] * (clipped - t.get("mean", 0)) / t["scale"]
        number += 1
        if t.get("indicator"):
            logit += weights["numbers"][number] * (value is None)
            number += 1
    for t in transforms.get("categorical", []):
        values = t["values"]
        logit += weights["categories"][first + (values.index(row[t["column"]]) + 1 if row[t["column"]] in values else 0)]
        first += len(values) + 1
    return 1 / (1 + math.exp(-logit))


if __name__ == "__main__":
    unittest.main()
