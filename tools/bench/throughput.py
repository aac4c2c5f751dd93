"""`./dev bench scheduler`, its parts with processes: trivial jobs a second beside Slurm and HyperQueue, and the time from a
submission to its command's first moment, idle and with a long queue."""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import measure
import tasks

SLURM_GOAL = 10
LATENCY_GOALS_MS = {"idle": 10, "with 100,000 queued": 30}
SLURM_JOBS = 200  # it takes longer over each: the rate is what counts


def spawns_per_second(seconds=2.0):
    """posix_spawn and wait of `true` from two threads: nobody who starts a process a job is faster."""
    counts = [0, 0]
    until = time.perf_counter() + seconds

    def spawn(i):
        while time.perf_counter() < until:
            os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
            counts[i] += 1
    threads = [threading.Thread(target=spawn, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def fsync_ms(folder, count=50):
    """A small append with fsync: the floor of every durable acknowledgement."""
    path = Path(folder) / "fsync-floor"
    with open(path, "wb", buffering=0) as out:
        took = []
        for _ in range(count):
            began = time.perf_counter()
            out.write(b"x" * 512)
            os.fsync(out.fileno())
            took.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(took) * 1e3


def rates(options, folder):
    """Completed jobs a second of all arms, in turn."""
    pairs, jobs = min(options.pairs, 3), options.jobs
    few = min(jobs, SLURM_JOBS)
    ours, slurm = tasks.Ours(options.build, folder), tasks.Slurm()
    hq = lambda how: tasks.hyperqueue(options.hyperqueue, folder / "hq", jobs, how)  # noqa: E731
    try:
        ours.task("trivial", ["true"])
        arms = {"ours, batch": (lambda: ours.batch("trivial", jobs), jobs), "slurm, batch": (lambda: slurm.batch(few), few),
                "hyperqueue, batch": (lambda: hq("batch"), jobs),
                "ours, singly": (lambda: ours.single("trivial", jobs), jobs),
                "ours, by verb": (lambda: ours.by_verb("trivial", few), few),
                "slurm, singly": (lambda: slurm.single(few), few), "hyperqueue, singly": (lambda: hq("single"), jobs)}
        timed = measure.interleaved(
            {name: arm for name, (arm, _) in arms.items()}, pairs, warm=False,
            say=lambda s: ", ".join(f"{name} {arms[name][1] / s[name][1]:.1f}/s" for name in s))
    finally:
        ours.stop()
        slurm.stop()
    return {name: [arms[name][1] / took for _, took in samples] for name, samples in timed.items()}


def rate_results(options, folder):
    load = os.getloadavg()[0]
    got = rates(options, folder)
    limit = (f"posix_spawn and wait of true, two at a time: {spawns_per_second():.0f}/s; a small fsync: "
             f"{fsync_ms(folder):.1f} ms; load before it began: {load:.1f}")
    out = []
    for ours, peer, name, goal, remark in (
            ("ours, batch", "slurm, batch", "Slurm 22.05, an array", SLURM_GOAL, "one request, durable when answered"),
            ("ours, by verb", "slurm, singly", "Slurm 22.05, sbatch each", SLURM_GOAL, "a process of `rekindle run` each"),
            ("ours, batch", "hyperqueue, batch", "HyperQueue 0.27, one job of tasks", None, "its journal off: it acknowledges from memory"),
            ("ours, singly", "hyperqueue, singly", "HyperQueue 0.27, a job each", None,
             f"ours from {tasks.CALLERS} connections, each answer durable; its journal off")):
        out.append(measure.result(f"trivial jobs completed, {ours.split(', ')[1]}", "jobs/s", got[ours], got[peer], name, False,
                                  limit, goal, remark))
    return out


def latencies_ms(ours, state, probes):
    """From before the request to what the command itself reads off the clock."""
    api, out = ours.api(), []
    for _ in range(probes):
        began = time.time_ns()
        run = api.call("RunService/StartRun", job="probe")["id"]
        log = state / "runs" / run / "1" / "log-0.txt"
        deadline = time.monotonic() + 60
        text = ""
        while not text.endswith("\n"):
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: {run} did not start")
            time.sleep(0.001)
            text = log.read_text() if log.exists() else ""
        out.append((int(text) - began) / 1e6)
        time.sleep(0.01)
    return sorted(out)


def latency_results(options, folder):
    queued = options.queued
    ours = tasks.Ours(options.build, folder)
    try:
        ours.task("probe", ["date", "+%s%N"], "priority: 10\n")
        ours.task("blocker", ["sleep", "100000"])
        ours.task("waiting", ["true"], "")
        spec = (ours.folder / "waiting.yaml").read_text().replace("train: {", "train: {ranks: {count: 2}, ")
        ours.apply("waiting", spec)
        latencies_ms(ours, ours.state, 10)
        got = {"idle": latencies_ms(ours, ours.state, options.probes)}
        # One slot is held, so that gangs of two wait; a probe comes before them and takes the other.
        ours.verb("run", "blocker")
        for _ in range(0, queued, 10_000):
            ours.api().call("ArrayService/StartRuns", run={"job": "waiting"}, count=10_000)
        got["with 100,000 queued"] = latencies_ms(ours, ours.state, options.probes)
        ours.verb("cancel", "blocker-1")
    finally:
        ours.stop()
    out = []
    for when, ms in got.items():
        p99 = ms[min(len(ms) - 1, len(ms) * 99 // 100)]
        out.append({"metric": f"submit to start, p99, {when}", "unit": "ms", "ours": measure.significant(p99),
                    "least": measure.significant(ms[0]), "most": measure.significant(ms[-1]), "samples": len(ms),
                    "goal": LATENCY_GOALS_MS[when], "reached": p99 <= LATENCY_GOALS_MS[when],
                    "remark": f"median {statistics.median(ms):.1f} ms; from before the request to the command's own clock, through an "
                              f"fsync; a small fsync here: {fsync_ms(folder):.1f} ms"})
    return out


def in_folder(part, options):
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        return part(options, Path(folder))


def rates_part(options):
    return in_folder(rate_results, options)


def latency_part(options):
    return in_folder(latency_results, options)
