"""`./dev bench scheduler`, its parts with processes: trivial jobs a second beside Slurm and HyperQueue, and the time from a
submission to its command's first moment, idle and with a long queue."""

import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import measure
import tasks

SLURM_GOAL = 10
LATENCY_GOALS_MS = {"idle": 10, "with 100,000 queued": 30}
# It takes longer over each: the rate is what counts.
SLURM_JOBS = {2: 20, 64: 200}
VERB_JOBS = 1_000


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
    """Jobs completed, and jobs acknowledged, a second by all arms, in turn. Slots are only a number to jobs that do nothing: with
    two each, as there are cores, and with 64, of which a scheduler that looks now and then makes more."""
    pairs, jobs = min(options.pairs, 3), options.jobs
    ours, slurms, arms = {}, [], {}
    hq = lambda how: tasks.hyperqueue(options.hyperqueue, folder / "hq", jobs, how)  # noqa: E731
    try:
        for slots, few in SLURM_JOBS.items():
            (folder / str(slots)).mkdir()
            ours[slots] = one = tasks.Ours(options.build, folder / str(slots), slots)
            one.task("trivial", ["true"])
            slurms.append(slurm := tasks.Slurm(slots))
            arms |= {
                f"ours {slots}, batch": (lambda one=one: one.batch("trivial", jobs), jobs),
                f"slurm {slots}, batch": (lambda slurm=slurm, few=few: slurm.batch(few), few),
                f"ours {slots}, by verb": (lambda one=one: one.by_verb("trivial", VERB_JOBS), VERB_JOBS),
                f"slurm {slots}, singly": (lambda slurm=slurm, few=few: slurm.single(few), few)}
        arms |= {
            "hyperqueue, batch": (lambda: hq("batch"), jobs),
            "ours 2, singly": (lambda: ours[2].single("trivial", jobs), jobs),
            "hyperqueue, singly": (lambda: hq("single"), jobs)}
        timed = measure.interleaved(
            {name: arm for name, (arm, _) in arms.items()}, pairs, warm=False,
            say=lambda s: ", ".join(f"{name} {arms[name][1] / s[name][1]:.1f}/s" for name in s))
    finally:
        for one in ours.values():
            one.stop()
        for slurm in slurms:
            slurm.stop()
    each = {name: arms[name][1] for name in arms}
    return ({name: [each[name] / took for _, took in samples] for name, samples in timed.items()},
            {name: [each[name] / accepted for accepted, _ in samples] for name, samples in timed.items()})


def floor(folder):
    """What the machine itself can do, and what else it did."""
    return (f"posix_spawn and wait of true, two at a time: {spawns_per_second():.0f}/s; a small fsync: "
            f"{fsync_ms(folder):.1f} ms")


def rate_results(options, folder):
    load = os.getloadavg()[0]
    got, accepted = rates(options, folder)
    limit = f"{floor(folder)}; load before it began: {load:.1f}"
    out = []
    rows = [(f"ours {slots}, {ours}", f"slurm {slots}, {slurm}", f"Slurm 22.05, {name}", SLURM_GOAL,
             f"{slots} slots each; {remark}") for slots in SLURM_JOBS for ours, slurm, name, remark in (
                 ("batch", "batch", "an array", "one request, durable when answered"),
                 ("by verb", "singly", "sbatch each", "a process of `rekindle run` each"))]
    rows += [("ours 2, batch", "hyperqueue, batch", "HyperQueue 0.27, one job of tasks", None,
              "two slots each; its journal off: it acknowledges from memory"),
             ("ours 2, singly", "hyperqueue, singly", "HyperQueue 0.27, a job each", None,
              f"two slots each; ours from {tasks.CALLERS} connections, each answer durable; its journal off")]
    for ours, peer, name, goal, remark in rows:
        out.append(measure.result(f"trivial jobs completed, {ours.split(', ')[1]}", "jobs/s", got[ours], got[peer], name, False,
                                  limit, goal, remark))
    for ours, peer, name in (("ours 2, batch", "slurm 2, batch", "Slurm 22.05, an array"),
                             ("ours 2, by verb", "slurm 2, singly", "Slurm 22.05, sbatch each"),
                             ("ours 2, singly", "hyperqueue, singly", "HyperQueue 0.27, from memory")):
        out.append(measure.result(f"jobs acknowledged, {ours.split(', ')[1]}", "jobs/s", accepted[ours], accepted[peer], name,
                                  False, limit, None, "ours durable when answered"))
    return out


def latencies_ms(ours, state, probes):
    """From where the request leaves the client to what the command itself reads off the clock. Each begins when the one before
    has ended, at no moment that anything else keeps time with."""
    api, out, dice = ours.api(), [], random.Random(1)
    for _ in range(probes):
        left, answer = api.send("RunService/StartRun", {"job": "probe"})
        run = answer["id"]
        deadline = time.monotonic() + 60
        time.sleep(0.02)  # whoever asks at once is in the way of what is measured
        while api.call("RunService/GetRun", id=run)["state"] != "COMPLETED":
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: {run} did not end")
            time.sleep(0.02)
        out.append((int((state / "runs" / run / "1" / "log-0.txt").read_text()) - left) / 1e6)
        time.sleep(dice.uniform(0.02, 0.06))
    return sorted(out)


def latency_results(options, folder):
    queued, load = options.queued, os.getloadavg()[0]
    ours = tasks.Ours(options.build, folder, path=Path(options.build) / "tests" / "probe")
    try:
        ours.task("probe", ["clock_probe"], "priority: 10\n")
        ours.task("blocker", ["sleep", "100000"])
        ours.task("waiting", ["true"], "")
        spec = (ours.folder / "waiting.yaml").read_text().replace("train: {", "train: {ranks: {count: 2}, ")
        ours.apply("waiting", spec)
        latencies_ms(ours, ours.state, 10)
        rounds = lambda: [latencies_ms(ours, ours.state, options.probes) for _ in range(min(options.pairs, 3))]  # noqa: E731
        got = {"idle": rounds()}
        # One slot is held, so that gangs of two wait; a probe comes before them and takes the other.
        ours.verb("run", "blocker")
        for _ in range(0, queued, 10_000):
            ours.api().call("ArrayService/StartRuns", run={"job": "waiting"}, count=10_000)
        got["with 100,000 queued"] = rounds()
        ours.verb("cancel", "blocker-1")
    finally:
        ours.stop()
    out = []
    for when, rounds in got.items():
        part = lambda share: [ms[min(len(ms) - 1, int(len(ms) * share))] for ms in rounds]  # noqa: E731
        p99 = statistics.median(part(0.99))
        spread = "; ".join(f"{name} {', '.join(f'{ms:.1f}' for ms in part(share))} ms"
                           for name, share in (("least", 0), ("median", 0.5), ("p90", 0.9), ("longest", 1)))
        out.append({"metric": f"submit to start, p99, {when}", "unit": "ms", "ours": measure.significant(p99),
                    "least": measure.significant(min(part(0.99))), "most": measure.significant(max(part(0.99))),
                    "samples": len(rounds), "goal": LATENCY_GOALS_MS[when], "reached": p99 <= LATENCY_GOALS_MS[when],
                    "remark": f"{len(rounds)} rounds of {options.probes}; {spread}; from the request's leaving the client to the command's "
                              f"own clock, through an fsync; {floor(folder)}; load before it began: {load:.1f}"})
    return out


def in_folder(part, options):
    """Not below /tmp: of that each attempt has one of its own, with the folders that it needs put back into it. And where nobody
    has just deleted thousands of files, as the bench before this one has: for five minutes ext4 passes over each such inode
    whenever it makes a file near it, which takes longer than all that is measured here. A folder whose own folders are
    spread over the disk (chattr +T) has none near it."""
    around = Path(options.folder or options.build).resolve() / "bench"
    around.mkdir(exist_ok=True)
    subprocess.run(["chattr", "+T", around], capture_output=True)  # fails where there is no such thing
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-", dir=around) as folder:
        return part(options, Path(folder))


def rates_part(options):
    return in_folder(rate_results, options)


def latency_part(options):
    return in_folder(latency_results, options)
