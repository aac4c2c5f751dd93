"""A whole small loop that may die anywhere: coordinator, gangs, ranks and a serving node under requests.

Each world is a copy of one that was made once: a model `tiny` with two versions of which the first is in service, a
job `pair` of two ranks, and a node that holds version 1. What starts a gang and a rank are scripts that write down
each start and can arm the process that they become with a crash point (base/faults/crash_point.h), once."""

import csv
import http.client
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness import BIN, Loop, processes_below, wait_for  # noqa: E402

IMPORT = """rekindle: 1
dataset: drawn
rows: {file: drawn.csv}
keep: [at, x, colour, late]
time: at
"""
SPEC = """rekindle: 1
name: %s
data:
  initial: drawn@all
  time: at
  label: {column: late, kind: binary, matures: 1h}
  numeric: [x]
  categorical: [colour]
train:
  model: linear
  rows: {last: 60d}
  batch: 64
  stop: {epochs: 3, patience: 0}
  checkpoints: {every: 1s}
  ranks: {count: %d}%s
retrain: {when: [{age: 3650d}], at_most: {runs: 1000, per: 1d, burst: 1000}, min_rows: 1}
gate: {holdout: 3d, margin: -1, min_rows: 1}
serve: {canary: 0%%}
"""
# The scripts write beside the loop's folders, which a confined rank would not see.
POOLS = """rekindle: 1
pools:
  - name: local
    local: {slots: 2, confine: {files: all}}
"""
# The program that a script becomes, told where to die when the file of its name lies there: whoever moves it away
# first is the one.
WRAPPER = """#!/bin/sh
echo "$@" >>"{folder}/started-{name}"
if mv "{folder}/arm-{name}" "{folder}/armed-{name}" 2>/dev/null; then
  REKINDLE_CRASH_AT=$(cat "{folder}/armed-{name}")
  export REKINDLE_CRASH_AT
fi
[ -f "{folder}/environment" ] && . "{folder}/environment"
exec "{program}" "$@"
"""


SHIM = Path(os.environ.get("REKINDLE_SHIM", BIN.parent / "tests/libkills_shim.so"))


class Gone(Exception):
    """Nobody answered: the process died, or is not up yet."""


class Refused(Exception):
    def __init__(self, status, answer):
        super().__init__(f"{status}: {answer}")
        self.status = status
        self.code = answer.get("code", "")
        self.message = answer.get("message", "")


def post(port, path, token, body, timeout=20):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body),
                           {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
        raise Gone(str(error)) from error
    finally:
        connection.close()


class World(Loop):
    """One loop. Bare: nothing in it yet, for making the one that others are copies of."""

    made = None

    def __init__(self, bare=False, state_on=None):
        super().__init__()
        if state_on:
            self.state = Path(state_on)
        if not bare:
            if not World.made:
                World.made = make_world()
            shutil.copytree(World.made / "state", self.state, dirs_exist_ok=True)
            shutil.copytree(World.made / "node", self.folder / "node")
        for name, program in (("gang", BIN / "rekindle-gang"), ("trainer", BIN / "rekindle-trainer"),
                              ("mpirun", shutil.which("mpirun") or "/usr/bin/mpirun")):
            script = self.folder / name
            script.write_text(WRAPPER.format(folder=self.folder, name=name, program=program))
            script.chmod(0o755)
        self.flags = []
        self.runs = self.state / "runs"
        self.shim = {}          # the daemon's environment, for tests/kills/shim.c
        self.deaths = []        # crash points that the daemon or the node came to
        self.may_end_with = {}  # other ends of the daemon that are wanted: code, and what its log says then
        self.accepted = {}      # idempotency key: run
        self.wishes = {}        # idempotency key: what else the submission said
        self.node_away = threading.Event()

    # --- programs
    def start_daemon(self, crash=None, wait=True):
        environment = dict(os.environ, PATH=f"{self.folder}:{os.environ['PATH']}", **self.shim)
        environment.pop("REKINDLE_CRASH_AT", None)
        if crash:
            environment["REKINDLE_CRASH_AT"] = crash
        (self.state / "address").unlink(missing_ok=True)
        with open(self.folder / "rekindled.log", "ab") as log:
            self.daemon = subprocess.Popen(
                [str(BIN / "rekindled"), "--state", str(self.state), "--slots", "2", "--listen",
                 f"127.0.0.1:{self.port()}", "--judge-every", "200ms", "--allow-faults",
                 "--gang-program", str(self.folder / "gang"), "--trainer-program", str(self.folder / "trainer"),
                 *self.flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self.daemon_point = crash
        if wait:
            wait_for("rekindled to answer or to end", lambda: self.answers() or self.daemon.poll() is not None)

    def answers(self):
        try:
            self.call("AdminService/Status", timeout=5)
            return True
        except (Gone, FileNotFoundError):
            return False

    def start_node(self, crash=None):
        (self.folder / "node" / "address").unlink(missing_ok=True)
        environment = {key: value for key, value in os.environ.items() if key != "REKINDLE_CRASH_AT"}
        if crash:
            environment["REKINDLE_CRASH_AT"] = crash
        with open(self.folder / "node.log", "ab") as log:
            self.node = subprocess.Popen(
                [str(BIN / "rekindle-serve"), "--name", "node-1", "--model", "tiny",
                 "--coordinator", f"http://127.0.0.1:{self.port()}", "--token-file", str(self.state / "serving-token"),
                 "--operator-token-file", str(self.state / "token"), "--artifacts", str(self.state / "artifacts"),
                 "--state", str(self.folder / "node"), "--listen", f"127.0.0.1:{self.node_port()}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self.node_point = crash
        wait_for("the node to answer or to end",
                 lambda: (self.folder / "node" / "address").exists() or self.node.poll() is not None)

    def arm(self, name, point):
        """The next gang, trainer or mpirun that starts dies there."""
        (self.folder / f"arm-{name}").write_text(point)

    def starts(self, name):
        path = self.folder / f"started-{name}"
        return path.read_text().splitlines() if path.exists() else []

    # --- calls
    def token(self, name="token"):
        return (self.state / name).read_text().strip()

    def call(self, method, token="token", timeout=20, **body):
        status, answer = post(self.port(), f"/rekindle.v1.{method}", self.token(token), body, timeout)
        if status != 200:
            raise Refused(status, answer)
        return answer

    def infer(self, request="", at=None, record=True):
        at = int((at or time.time()) * 1e6)
        body = {"parameters": {"rekindle_record": record}, "inputs": [
            {"name": "at", "datatype": "INT64", "shape": [1], "data": [at]},
            {"name": "x", "datatype": "FP64", "shape": [1], "data": [0.5]},
            {"name": "colour", "datatype": "BYTES", "shape": [1], "data": ["red"]}]}
        if request:
            body["id"] = request
        # Only an operator may ask for what is not to be recorded.
        token = self.token("serving-token" if record else "token")
        return post(self.node_port(), "/v2/models/tiny/infer", token, body)

    def feedback(self, request, label):
        return post(self.node_port(), "/rekindle.v1.NodeService/Feedback", self.token("serving-token"),
                    {"model": "tiny", "labels": [{"requestId": request, "labels": [label]}]})

    # --- the daemon dies and comes back
    def revived(self, points=()):
        """A daemon that is found dead at its crash point is started again, armed with the first of `points`."""
        code = self.daemon.poll()
        if code is not None:
            self.died(self.daemon_point, code, "rekindled.log")
            self.start_daemon(crash=points.pop(0) if points else None)

    def died(self, point, code, log):
        """As it was to die; another end is a failure."""
        text = (self.folder / log).read_text(errors="replace")
        if code in self.may_end_with:
            assert self.may_end_with[code] in text, text[-3000:]
        else:
            assert code == -signal.SIGKILL, f"ended with {code} in place of dying at {point}:\n{text[-3000:]}"
            assert point and f"crash point {point.split(':')[0]} reached" in text, f"{point}: it died of something else"
        self.deaths.append(point)

    def patiently(self, call, points=()):
        """The answer of `call`, however often the daemon dies meanwhile at one of `points`, taken in order."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return call()
            except Gone:
                pass
            except Refused as refused:
                if refused.code not in ("unavailable", "deadline_exceeded"):
                    raise
            if self.daemon.poll() is None:
                time.sleep(0.05)
            else:
                self.revived(points)
            assert time.monotonic() < deadline, "nobody answers for two minutes"

    def submit(self, key, job="tiny", points=(), **more):
        run = self.patiently(lambda: self.call("RunService/StartRun", job=job, idempotencyKey=key, **more), points)
        self.accepted[key] = run["id"]
        self.wishes[key] = more
        return run["id"]

    def get(self, run, points=()):
        return self.patiently(lambda: self.call("RunService/GetRun", id=run), points)

    def ends(self, run, points=(), seconds=180):
        """The run in its last state, its version the champion (what was judged against another one is held). The
        daemon may die meanwhile."""
        def over():
            self.revived(points)
            now = self.get(run, points)
            if now["state"] == "PUBLISHED":
                return now if champion(self, now["job"], points) >= int(now["version"]) else None
            return now if now["state"] in ("HELD", "REJECTED", "FAILED_RUN", "CANCELLED") else None
        try:
            return wait_for(f"{run} to end", over, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.get(run)}") from None

    # --- what must hold
    def versions(self, model="tiny"):
        return self.patiently(lambda: self.call("RegistryService/ListVersions", model=model)).get("versions", [])

    def check_kept(self, job="tiny", before=2):
        """Each accepted submission is there once, is published once, by ranks that were started once an attempt."""
        ids = list(self.accepted.values())
        assert len(set(ids)) == len(ids), f"two keys, one run: {self.accepted}"
        for key, run in self.accepted.items():
            assert self.submit(key, job, **self.wishes[key]) == run, f"{key} made a second run"
            now = self.get(run)
            assert now["state"] == "PUBLISHED", f"{run}: {now['state']}, {now.get('reason')}"
            assert now["idempotencyKey"] == key
        made = [version["run"] for version in self.versions(job)][before:]
        assert sorted(made) == sorted(ids), f"versions of {made} for runs {ids}"
        self.check_nothing_left()

    def check_nothing_left(self):
        wait_for("no process of the runs to be left", lambda: not processes_below(self.runs), 10)
        world = {"tiny": 1, "pair": 2}
        started = {}
        for line in self.starts("trainer"):
            folder = line.split("--folder ")[1].split()[0]
            started[folder] = started.get(folder, 0) + 1
        for folder, times in started.items():
            job = Path(folder).parent.name.rsplit("-", 1)[0]
            assert times <= world[job], f"{folder}: {times} ranks were started: a second gang"
        for run in self.accepted.values():
            for attempt in self.get(run).get("attempts", []):
                scratch = attempt.get("gang", {}).get("scratch")
                assert not scratch or not os.path.exists(scratch), f"{scratch} was left behind"


class Traffic:
    """Requests to the node, one after another. While it is there, each is answered by a version that exists."""

    def __init__(self, world):
        self.world = world
        self.answered = 0
        self.failures = []
        self.versions = set()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stopping.wait(0.03):
            away = self.world.node_away.is_set()
            try:
                status, answer = self.world.infer(record=False)
            except Gone as gone:
                if not away and not self.world.node_away.is_set():
                    self.failures.append(str(gone))
                continue
            if status != 200:
                self.failures.append(f"{status}: {answer}")
            else:
                self.answered += 1
                self.versions.add(int(answer["model_version"]))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


def make_world():
    """Folders of a coordinator with two versions of `tiny` and of a node that serves the first."""
    world = World(bare=True)
    world.state.mkdir(mode=0o700)
    (world.state / "pools.yaml").write_text(POOLS)
    draw, now = random.Random(5), datetime.now(timezone.utc)
    with open(world.folder / "drawn.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["at", "x", "colour", "late"])
        for i in range(900):
            x, colour = draw.gauss(0, 1), draw.choice(["red", "green", "blue"])
            late = draw.random() < 1 / (1 + math.exp(-2 * x))
            at = now - timedelta(days=50) + timedelta(days=50) * i / 900
            rows.writerow([at.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{x:.4f}", colour, str(late).lower()])
    (world.folder / "import.yaml").write_text(IMPORT)
    try:
        world.start_daemon()
        world.run("dataset", "import", world.folder / "import.yaml", "--source", world.folder)
        for job, ranks in (("tiny", 1), ("pair", 2)):
            (world.folder / "spec.yaml").write_text(SPEC % (job, ranks, ""))
            world.run("apply", world.folder / "spec.yaml")
        assert world.ends(world.submit("first"))["state"] == "PUBLISHED", world.get("tiny-1")
        world.start_node()
        world.node_ready("tiny", 1)
        wait_for("the plan to be kept", lambda: list((world.folder / "node/plans").glob("*.pb")))
        world.stop_node()
        assert world.ends(world.submit("second"))["state"] == "PUBLISHED"
        world.call("RegistryService/SetAlias", model="tiny", alias="champion", version=1)
        wait_for("version 1 to be the champion", lambda: champion(world) == 1)
        world.daemon.terminate()
        world.daemon.wait(20)
        kept = Path(tempfile.mkdtemp(prefix="rekindle-kills-"))
        shutil.copytree(world.state, kept / "state")
        shutil.copytree(world.folder / "node", kept / "node")
        return kept
    finally:
        world.close()


def champion(world, model="tiny", points=()):
    state = world.patiently(lambda: world.call("RegistryService/ListVersions", model=model), points)
    return int(state.get("aliases", {}).get("champion", 0))


def remove_made():
    if World.made:
        shutil.rmtree(World.made, ignore_errors=True)
        World.made = None
