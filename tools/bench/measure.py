"""How every bench measures: both arms in turn within one run, ratios pair by pair, and beside each result what
the same arm differs from itself (null) and what the machine itself can do (limit)."""

import os
import statistics
import subprocess
import sys
import time


def interleaved(arms, pairs, warm=True, say=None):
    """Samples {arm: [...]} of `pairs` rounds. The order turns each time (A B, B A), so that a slow drift of the
    machine meets all arms alike. Each arm runs once unmeasured first: page cache."""
    names = list(arms)
    if warm:
        for name in names:
            arms[name]()
    samples = {name: [] for name in names}
    for pair in range(pairs):
        for name in names if pair % 2 == 0 else reversed(names):
            samples[name].append(arms[name]())
        if say:
            print(f"pair {pair + 1}/{pairs}: " + say({name: samples[name][-1] for name in names}), file=sys.stderr)
    return samples


def quartiles(values):
    return statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3


def result(metric, unit, ours, peer, peer_name, better_is_less, limit, goal=None, remark=None):
    """One line of a report. A ratio above 1 says that ours is better; null_q1 and null_q3 are the ratios of our own
    neighbouring samples: a ratio within them is no difference."""
    ratios = [(p / o if better_is_less else o / p) for o, p in zip(ours, peer)]
    q = quartiles(ratios)
    null = quartiles([a / b for a, b in zip(ours, ours[1:])] or [1.0])
    out = {"metric": metric, "unit": unit, "ours": significant(statistics.median(ours)),
           "least": significant(min(ours)), "most": significant(max(ours)),
           "peer_least": significant(min(peer)), "peer_most": significant(max(peer)),
           "peer": significant(statistics.median(peer)), "peer_name": peer_name,
           "ratio": round(statistics.median(ratios), 3), "ratio_q1": round(q[0], 3), "ratio_q3": round(q[2], 3),
           "null_q1": round(null[0], 3), "null_q3": round(null[2], 3), "samples": len(ratios), "limit": limit}
    if goal is not None:
        out["goal"] = goal
        out["reached"] = out["ratio"] >= goal
    if remark:
        out["remark"] = remark
    return out


def significant(value):
    return float(f"{value:.4g}")


def spawn_seconds():
    """What starting any process costs here: the floor of every start."""
    samples = []
    for _ in range(20):
        began = time.perf_counter()
        subprocess.run(["/bin/true"], check=True)
        samples.append(time.perf_counter() - began)
    return statistics.median(samples)


def fsync_gigabytes_per_second(folder, size=256 << 20):
    """Sequential write of `size` bytes with fsync at the end: the floor of every durable checkpoint."""
    path = folder / "fsync-limit"
    block = bytes(8 << 20)
    began = time.perf_counter()
    with open(path, "wb", buffering=0) as out:
        for _ in range(size // len(block)):
            out.write(block)
        os.fsync(out.fileno())
    took = time.perf_counter() - began
    path.unlink()
    return size / took / 1e9


def table(results):
    """For reading: one line per result."""
    lines = []
    for r in results:
        if "failed" in r:
            lines.append(f"{r['metric']}: FAILED: {r['failed']}")
            continue
        if "peer" not in r:
            lines.append(f"{r['metric']}: {r['ours']:g} {r['unit']} ({r['least']:g} to {r['most']:g}), goal {r['goal']:g}: "
                         f"{'reached' if r['reached'] else 'NOT reached'}; {r['remark']}")
            continue
        goal = f", goal {r['goal']:g}: {'reached' if r['reached'] else 'NOT reached'}" if "goal" in r else ""
        lines.append(f"{r['metric']}: {r['ours']:g} {r['unit']} ({r['least']:g} to {r['most']:g}), {r['peer_name']} {r['peer']:g} "
                     f"({r['peer_least']:g} to {r['peer_most']:g}); ratio {r['ratio']:g} "
                     f"({r['ratio_q1']:g} to {r['ratio_q3']:g}, null {r['null_q1']:g} to {r['null_q3']:g}){goal}; "
                     f"limit: {r['limit']}" + (f"; {r['remark']}" if r.get("remark") else ""))
    return "\n".join(lines)
