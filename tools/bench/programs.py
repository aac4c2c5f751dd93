"""The two sides as programs: a coordinator of ours with data imported, and PyTorch under torchrun."""

import contextlib
import json
import os
import struct
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


class Ours:
    """A coordinator of its own in `folder`; each sample is one run of a job. `path`: a folder of programs that tasks name."""

    def __init__(self, build, folder, slots=2, path=None):
        self.environment = dict(os.environ, **({"PATH": f"{Path(path).resolve()}:{os.environ['PATH']}"} if path else {}))
        self.rekindle = str(Path(build).resolve() / "bin" / "rekindle")
        self.folder = Path(folder)
        self.state = self.folder / "state"
        self.verb("up", "--slots", str(slots))

    def verb(self, *arguments, codes=(0, 10)):
        done = subprocess.run([self.rekindle, "--state", str(self.state), *arguments], capture_output=True, text=True,
                              env=self.environment)
        if done.returncode not in codes:
            raise SystemExit(f"bench: rekindle {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def import_rows(self, import_yaml, source):
        self.verb("dataset", "import", str(import_yaml), "--source", str(source))

    def apply(self, name, text):
        path = self.folder / f"{name}.yaml"
        path.write_text(text)
        self.verb("apply", str(path))

    def sample(self, job):
        submitted = time.time()
        run = json.loads(self.verb("run", job, "--no-publish", "--wait", "--json"))
        outcome = run["outcome"]
        return {"start": int(outcome["firstStepUs"]) / 1e6 - submitted, "run": run,
                "steps": int(outcome["steps"]) / float(outcome["trainSeconds"])}

    def checkpoints(self, run):
        """(seconds to write, seconds the ranks waited) of each checkpoint of a run."""
        out = []
        for log in sorted(self.state.rglob("report-0.log")):
            if run in log.parts:
                out += report_checkpoints(log.read_bytes())
        return out

    def stop(self):
        self.verb("down")


@contextlib.contextmanager
def serving_node(ours, model, within=60):
    """A node of the coordinator's that answers by the model's champion: its URL."""
    folder = ours.folder / "node"
    with open(ours.folder / "node.log", "wb") as log:
        node = subprocess.Popen(
            [str(Path(ours.rekindle).with_name("rekindle-serve")), "--name", "node-1", "--model", model,
             "--coordinator", (ours.state / "address").read_text().strip(), "--token-file", str(ours.state / "serving-token"),
             "--operator-token-file", str(ours.state / "token"), "--artifacts", str(ours.state / "artifacts"),
             "--state", str(folder), "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + within
        while '"READY"' not in ours.verb("serving", "--json"):
            if time.monotonic() > until or node.poll() is not None:
                raise SystemExit(f"bench: the serving node is not ready:\n{(ours.folder / 'node.log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield (folder / "address").read_text().strip()
    finally:
        node.terminate()
        node.wait(20)


def reports(data):
    """The records of a report log (launch/report_log.h) as fields: frames of length, xxHash, protobuf."""
    at = 0
    while at + 12 <= len(data):
        length = struct.unpack_from("<I", data, at)[0]
        if at + 12 + length > len(data):
            return
        yield fields(data[at + 12:at + 12 + length])
        at += 12 + length


def report_checkpoints(data):
    """Field 5 of a Report is CheckpointCommitted {3: seconds, 4: stall_seconds}."""
    out = []
    for report in reports(data):
        if 5 in report:
            checkpoint = fields(report[5])
            number = lambda key: struct.unpack("<d", checkpoint[key])[0] if key in checkpoint else 0.0  # noqa: E731
            out.append((number(3), number(4)))
    return out


def fields(data):
    """Field number -> last raw value of one protobuf message."""
    out, at = {}, 0

    def varint(at):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7

    while at < len(data):
        key, at = varint(at)
        kind = key & 7
        if kind == 0:
            value, at = varint(at)
        elif kind == 1:
            value, at = data[at:at + 8], at + 8
        elif kind == 5:
            value, at = data[at:at + 4], at + 4
        else:
            size, at = varint(at)
            value, at = data[at:at + size], at + size
        out[key >> 3] = value
    return out


def torchrun(python, script, ranks, *arguments):
    """Runs a peer script and returns the JSON line of its rank 0, and when it was submitted."""
    command = [python, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "--master-addr", "127.0.0.1",
               "--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", str(HERE / script),
               *arguments]
    submitted = time.time()
    return json_line(command), submitted


def json_line(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True,
                          env=dict(os.environ, OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo", **environment))
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise SystemExit(f"bench: {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(lines[-1])


def mpirun(ranks, *command):
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1",
            "--mca", "pml", "ob1", "--mca", "btl", "vader,self", "-n", str(ranks), *command]
