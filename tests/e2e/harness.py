"""What the end-to-end suites share: the real programs in a folder of their own, on loopback, ended by pid."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("REKINDLE_BIN", ROOT / "build/release/bin"))
DATA = Path(os.environ.get("REKINDLE_DATA", ROOT / "build/data"))


def wait_for(what, condition, seconds=30.0):
    """The first true answer of condition(); fails after `seconds`. Polls: the programs' own states have no push."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


def processes_below(folder):
    """pids whose command line mentions `folder`: what a run may leave behind."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, IndexError):
            continue
        if str(folder) in line and state != "Z":
            found.append((int(entry.name), line))
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def share_environments(loop):
    """Environments of scripts are kept beside the build: a test must not download them each time."""
    kept = BIN.parent / "environments"
    kept.mkdir(exist_ok=True)
    for state in (loop.state, loop.folder / "node"):
        state.mkdir(exist_ok=True, mode=0o700)
        (state / "environments").symlink_to(kept)


def version_bytes(loop, run, name):
    """A file of the version that a run made."""
    blobs = loop.state / "artifacts/blobs"
    manifest = loop.json("get", run)["outcome"]["manifest"]
    files = json.loads((blobs / manifest[:2] / manifest).read_text())["files"]
    sha256 = next(file["sha256"] for file in files if file["name"] == name)
    return (blobs / sha256[:2] / sha256).read_bytes()


def version_file(loop, run, name):
    """A JSON file of the version that a run made."""
    return json.loads(version_bytes(loop, run, name))


class Loop:
    """A coordinator, at most one serving node, and the verbs, on one state folder."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rekindle-e2e-"))
        self.state = self.folder / "state"
        self.prefix = []  # what runs the coordinator and the verbs as somebody else
        self.daemon = None
        self.node = None
        self._port = None
        self._node_port = None

    # --- verbs
    def run(self, *arguments, check=True, timeout=300, **options):
        done = subprocess.run([*self.prefix, str(BIN / "rekindle"), "--state", str(self.state), *map(str, arguments)],
                              capture_output=True, text=True, timeout=timeout, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"rekindle {' '.join(map(str, arguments))} ended with {done.returncode}:\n"
                                 f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{self.daemon_log()[-3000:]}")
        return done

    def json(self, *arguments, check=True):
        return json.loads(self.run(*arguments, "--json", check=check).stdout)

    def start(self, *arguments, **options):
        """A verb that goes on in the background."""
        return subprocess.Popen([str(BIN / "rekindle"), "--state", str(self.state), *map(str, arguments)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                **options)

    # --- programs
    def start_daemon(self, *flags, slots=2):
        self.state.mkdir(exist_ok=True, mode=0o700)
        (self.state / "address").unlink(missing_ok=True)
        with open(self.folder / "rekindled.log", "ab") as log:
            self.daemon = subprocess.Popen(
                [*self.prefix, str(BIN / "rekindled"), "--state", str(self.state), "--slots", str(slots), "--listen",
                 f"127.0.0.1:{self.port()}", *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("rekindled to answer", lambda: self.run("status", check=False).returncode == 0)

    def open_files(self, slots=2):
        """Runs may reach every file, for scripts that meet the test in its folder."""
        self.state.mkdir(exist_ok=True, mode=0o700)
        (self.state / "pools.yaml").write_text(
            f"rekindle: 1\npools: [{{name: local, local: {{slots: {slots}, confine: {{files: all}}}}}}]\n")

    def port(self):
        """One port for the life of the loop, so that nodes find a coordinator that came back."""
        self._port = self._port or free_port()
        return self._port

    def kill_daemon(self):
        self.daemon.kill()
        self.daemon.wait()

    def start_node(self, model, *flags):
        (self.folder / "node" / "address").unlink(missing_ok=True)
        with open(self.folder / "node.log", "ab") as log:
            self.node = subprocess.Popen(
                [str(BIN / "rekindle-serve"), "--name", "node-1", "--model", model,
                 "--coordinator", f"http://127.0.0.1:{self.port()}", "--token-file", str(self.state / "serving-token"),
                 "--operator-token-file", str(self.state / "token"), "--artifacts", str(self.state / "artifacts"),
                 "--state", str(self.folder / "node"), "--listen", f"127.0.0.1:{self.node_port()}", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the node's address", lambda: (self.folder / "node" / "address").exists() or self.node.poll() is not None)
        self.url = (self.folder / "node" / "address").read_text().strip()
        return self.url

    def stop_node(self):
        self.node.terminate()
        self.node.wait(20)

    def node_port(self):
        self._node_port = self._node_port or free_port()
        return self._node_port

    def node_ready(self, model, version=None):
        def ready():
            status = self.json("serving", check=False)
            return any(v.get("state") == "READY" and (version is None or int(v.get("version", 0)) == version)
                       for n in status.get("nodes", []) if n.get("model") == model for v in n.get("versions", []))
        wait_for(f"the node to serve {model} {version or ''}", ready)

    def daemon_log(self):
        path = self.folder / "rekindled.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def import_flights(self):
        self.run("dataset", "import", ROOT / "jobs/imports/flights.yaml", "--source", DATA)

    def close(self):
        for process in (self.node, self.daemon):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        left = processes_below(self.folder)
        for pid, _ in left:
            os.kill(pid, signal.SIGKILL)
        if os.environ.get("REKINDLE_KEEP"):
            print(f"kept {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return left


class LoopTest(unittest.TestCase):
    """One loop per test; nothing of it may be left when the test ends."""

    def setUp(self):
        self.loop = Loop()

    def tearDown(self):
        left = self.loop.close()
        self.assertEqual([], left, "processes left behind")
