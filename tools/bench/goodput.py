"""`./dev bench goodput`: steps that stay done while one rank is killed again and again, beside torchrun.

Goodput is the share of the time in which steps were done that stay done: what a kill costs is the time from it until
the ranks that follow are back at the step that it came to, whatever was spent on noticing, waiting, starting and doing
steps again. So nothing is held against a pace that was measured at another time. Both arms save a checkpoint every 5
seconds and fsync it."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import programs
import trainer

SHAPE = {"numeric": trainer.NUMBERS, "embeddings": [], "hidden": [512, 256], "dropout": 0.0, "batch": 512, "rows": trainer.ROWS,
         "steps": 10**9, "save_seconds": 5}
MORE = "  checkpoints: {every: 5s}\n  limits: {crash_retries: 1000}\n"


class OursRunning:
    """One run, watched through its attempts' report logs."""

    def __init__(self, ours, job):
        self.ours = ours
        told = json.loads(ours.verb("run", job, "--no-publish", "--json"))
        self.run = told["id"]

    def _reports(self):
        logs = [log for log in self.ours.state.rglob("report-*.log") if self.run in log.parts]
        newest = max((int(log.parent.name) for log in logs), default=0)
        for log in logs:
            if int(log.parent.name) == newest:
                yield from programs.reports(log.read_bytes())

    def step(self):
        return max((programs.fields(r[2]).get(2, 0) for r in self._reports() if 2 in r), default=0)

    def pids(self):
        return [programs.fields(r[6])[1] for r in self._reports() if 6 in r]

    def stop(self):
        self.ours.verb("cancel", self.run)
        self.ours.verb("wait", self.run, codes=(0, 10, 11, 12))


class PeerRunning:
    """torchrun with restarts; its ranks leave their pids and steps in a folder."""

    def __init__(self, python, folder):
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.process = subprocess.Popen(
            [python, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1000", "--rdzv-backend", "c10d",
             "--rdzv-endpoint", "127.0.0.1:0", str(programs.HERE / "goodput_peer.py"), json.dumps(SHAPE), str(self.folder)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env=dict(os.environ, OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo"))

    def _number(self, name):
        try:
            return int((self.folder / name).read_text() or 0)
        except (FileNotFoundError, ValueError):
            return 0

    def step(self):
        return self._number("step")

    def pids(self):
        return [pid for pid in (self._number(f"pid-{rank}") for rank in range(2)) if pid]

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # torchrun's ranks have sessions of their own; some may have begun since anyone told a pid.
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and str(self.folder).encode() in command_line(entry):
                kill(int(entry.name))


def command_line(process):
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def wait_for(what, condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: waited {seconds} s for {what}")
        time.sleep(0.05)


def seconds_lost(running, seconds, every):
    """What each of the kills within `seconds` cost; a random rank is killed each `every` seconds."""
    draw = random.Random(3)
    wait_for("a first step", lambda: running.step() > 0)
    began, lost = time.monotonic(), []
    for due in (every * (number + 0.5) for number in range(max(1, int(seconds // every)))):
        wait_for("the next kill", lambda: time.monotonic() - began >= due, every + 120)
        before, reached, killed = running.pids(), running.step(), time.monotonic()
        if not before or not kill(draw.choice(before)):
            raise SystemExit("bench: no rank was there to be killed")
        # A rank says where it begins before it gives its pid: the step is not one of the ranks before.
        wait_for("the ranks to be back", lambda: (now := running.pids()) and not set(now) & set(before)
                 and running.step() >= reached)
        lost.append(time.monotonic() - killed)
    return lost


def run(options):
    seconds, every = options.seconds, options.kill_every
    out = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as name:
        folder = Path(name)
        ours = programs.Ours(options.build, folder)
        try:
            ours.import_rows(trainer.write_numbers(folder), folder)
            ours.apply("bench-goodput", trainer.spec("bench-goodput", 512, 2, "{tabular: {hidden: [512, 256], dropout: 0%}}",
                                                     10000, MORE))
            arms = {"ours": lambda: OursRunning(ours, "bench-goodput"), "peer": lambda: PeerRunning(options.peer, folder)}
            for pair in range(options.pairs):
                for arm in ("ours", "peer") if pair % 2 == 0 else ("peer", "ours"):
                    running = arms[arm]()
                    try:
                        lost = seconds_lost(running, seconds, every)
                    finally:
                        running.stop()
                    goodput = 1 - sum(lost) / (len(lost) * every)
                    out[arm].append(goodput)
                    print(f"pair {pair + 1}, {arm}: goodput {goodput:.3f}; seconds lost by each kill: "
                          + ", ".join(f"{one:.1f}" for one in lost), file=sys.stderr)
        finally:
            ours.stop()
    return [measure.result(f"goodput, a rank killed every {every} s for {seconds} s", "", out["ours"], out["peer"],
                           "torchrun --max-restarts, torch.save every 5 s", False, "1: nothing is lost",
                           remark="goal: ours at least 0.9 at a kill every 60 s")]
