"""Trivial jobs as programs: a coordinator of ours, a Slurm of its own and HyperQueue, each with two slots and `true` as the job.
Each arm answers (seconds until the last was accepted, seconds until the last had ended)."""

import concurrent.futures
import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlparse

import programs

sys.path.insert(0, str(programs.ROOT / "tests" / "slurm"))
import cluster  # noqa: E402

CONFIG, NODE = cluster.CONFIG, cluster.NODE
# As many callers as keep a group commit full, and no more than a person's scripts would be.
CALLERS = 8


class Api:
    """Calls of a coordinator over one connection that is kept."""

    def __init__(self, state):
        url = urlparse((Path(state) / "address").read_text().strip())
        self.connection = http.client.HTTPConnection(url.hostname, url.port)
        self.headers = {"Content-Type": "application/json",
                        "Authorization": "Bearer " + (Path(state) / "token").read_text().strip()}

    def call(self, method, **request):
        return self.send(method, request)[1]

    def send(self, method, request):
        """(when the request was ready to leave, in ns of the wall clock; the answer)"""
        body = json.dumps(request).encode()
        self.connection.putrequest("POST", f"/rekindle.v1.{method}", skip_accept_encoding=True)
        for name, value in self.headers.items():
            self.connection.putheader(name, value)
        self.connection.putheader("Content-Length", str(len(body)))
        left = time.time_ns()
        self.connection.endheaders(body)
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"bench: {method} ended with {response.status}: {body[:500]}")
        return left, json.loads(body)


class Ours(programs.Ours):
    """A coordinator with plain tasks."""

    def task(self, name, command, extra=""):
        self.apply(name, f"rekindle: 1\nname: {name}\ntrain: {{command: {json.dumps(command)}}}\n{extra}")

    def api(self):
        return Api(self.state)

    def drained(self):
        api = self.api()
        while True:
            status = api.call("AdminService/Status")
            if int(status.get("runsActive", 0)) == 0 and int(status.get("runsQueued", 0)) == 0:
                return
            time.sleep(0.02)

    def batch(self, job, jobs):
        api, began = self.api(), time.perf_counter()
        for done in range(0, jobs, 10_000):
            api.call("ArrayService/StartRuns", run={"job": job}, count=min(10_000, jobs - done))
        accepted = time.perf_counter() - began
        self.drained()
        return accepted, time.perf_counter() - began

    def single(self, job, jobs):
        """Each by a request of its own, acknowledged when it is on the disk, from CALLERS connections at once."""
        def caller(share):
            api = self.api()
            for _ in range(share):
                api.call("RunService/StartRun", job=job)
        return self._singly(caller, jobs)

    def by_verb(self, job, jobs):
        """Each by `rekindle run`, a process of its own, as `sbatch` is."""
        return self._singly(lambda share: [self.verb("run", job) for _ in range(share)], jobs)

    def _singly(self, caller, jobs):
        began = time.perf_counter()
        shares = [jobs // CALLERS + (i < jobs % CALLERS) for i in range(CALLERS)]
        with concurrent.futures.ThreadPoolExecutor(CALLERS) as threads:
            list(threads.map(caller, shares))
        accepted = time.perf_counter() - began
        self.drained()
        return accepted, time.perf_counter() - began


class Slurm:
    """Debian's Slurm with a node of so many CPUs, asked to look at its queue as often as it can: once a second. What it starts
    a second is then what it has CPUs for, whether they are there or not."""

    def __init__(self, cpus):
        if why := cluster.missing():
            raise SystemExit(f"bench: {why}")
        cluster.CONFIG = CONFIG.replace("MinJobAge=300", "MinJobAge=2\nMaxJobCount=100000\nMaxArraySize=10001")
        cluster.NODE = NODE.replace("{cpus}", str(cpus))
        self.folder = tempfile.TemporaryDirectory(prefix="rekindle-bench-slurm-")
        self.cluster = cluster.Cluster(self.folder.name).start()
        self.script = Path(self.folder.name) / "true.sh"
        self.script.write_text("#!/bin/sh\nexec true\n")

    def submit(self, *more):
        self.cluster.tell("sbatch", "--quiet", "--output=/dev/null", "--ntasks=1", *more, str(self.script))

    def drained(self):
        while self.cluster.tell("squeue", "--noheader", "--states=PENDING,RUNNING,COMPLETING", "--format=%i").strip():
            time.sleep(0.2)

    def batch(self, jobs):
        began = time.perf_counter()
        self.submit(f"--array=1-{jobs}")
        accepted = time.perf_counter() - began
        self.drained()
        return accepted, time.perf_counter() - began

    def single(self, jobs):
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(CALLERS) as threads:
            list(threads.map(lambda _: self.submit(), range(jobs)))
        accepted = time.perf_counter() - began
        self.drained()
        return accepted, time.perf_counter() - began

    def stop(self):
        self.cluster.stop()
        self.folder.cleanup()


def hyperqueue(python, folder, jobs, how):
    folder.mkdir(exist_ok=True)
    done = subprocess.run([python, str(programs.HERE / "hq_peer.py"), str(jobs), how, str(folder)], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise SystemExit(f"bench: HyperQueue ended with {done.returncode}:\n{done.stderr[-2000:]}")
    told = json.loads(lines[-1])
    return told["accepted"], told["seconds"]
