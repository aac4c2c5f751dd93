"""`./dev bench scheduler`: the pure parts of the scheduler, in memory: decisions with an executor that does nothing, one
pass over a long queue and many nodes, and memory per queued run (times of one core); then trivial jobs beside Slurm and
HyperQueue, and the time from submission to start (throughput.py)."""

import json
import statistics
import subprocess
from pathlib import Path

import measure
import throughput

DECISIONS_GOAL = 20_000  # runs a second, from submission to end
PASS_MS_GOAL = 50  # 100,000 waiting runs, 1,000 nodes
BYTES_GOAL = 1024  # of a queued run


def against_goal(metric, unit, values, goal, better_is_less, remark):
    value = statistics.median(values)
    return {"metric": metric, "unit": unit, "ours": measure.significant(value), "least": measure.significant(min(values)),
            "most": measure.significant(max(values)), "samples": len(values), "goal": goal,
            "reached": value <= goal if better_is_less else value >= goal, "remark": remark}


def run(options):
    parts = options.only.split(",") if options.only else list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"bench: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [result for part in parts for result in PARTS[part](options)]


def memory(options):
    program = Path(options.build) / "tests" / "scheduler_bench"
    rounds = [json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
              for _ in range(min(options.pairs, 5))]
    results = [
        against_goal("null executor", "runs/s", [r["null_executor"]["runs_per_s"] for r in rounds], DECISIONS_GOAL, False,
                     "submission to end of {runs} runs on {slots} slots, three decisions each; no journal, no processes"
                     .format(**rounds[0]["null_executor"])),
        against_goal("null executor, decisions", "decisions/s", [r["null_executor"]["decisions_per_s"] for r in rounds],
                     DECISIONS_GOAL, False, "submissions, starts and ends, each with the pass that follows it"),
    ]
    for i, one in enumerate(rounds[0]["memory"]):
        results.append(against_goal(
            f"memory per queued run of job {one['job']}" + (" with an idempotency key" if one["keys"] else ""), "bytes",
            [r["memory"][i]["bytes_per_queued_run"] for r in rounds], BYTES_GOAL, True,
            f"heap in use, with all indices, of {one['runs']} queued runs"
            + ("; each with a key of 36 bytes and what tells a repeated request from another" if one["keys"] else "")))
    for where, text in (("last", "at the end of the queue"), ("urgent", "at its front")):
        results.append(against_goal(
            f"submission {text}", "ms", [r["submissions"][f"{where}_ms_median"] for r in rounds], PASS_MS_GOAL, True,
            "{waiting} waiting runs, {nodes} nodes of 8 slots; with the passes that follow; ".format(**rounds[0]["submissions"])
            + f"{rounds[0]['submissions'][f'{where}_placed']} placed at once; longest "
              f"{max(r['submissions'][f'{where}_ms_max'] for r in rounds):.2f} ms"))
    for i, mix in enumerate(rounds[0]["passes"]):
        results.append(against_goal(
            f"scheduling pass, {mix['mix']}", "ms", [r["passes"][i]["pass_ms_median"] for r in rounds], PASS_MS_GOAL, True,
            f"{mix['waiting']} waiting runs, {mix['nodes']} nodes of 8 slots; {mix['placed']} placed"))
    return results


PARTS = {"memory": memory, "rates": throughput.rates_part, "latency": throughput.latency_part}
