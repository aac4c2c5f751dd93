"""`./dev bench drift`: detectors beside river, a report over many columns beside evidently, and how fast profiles count.
Both arms read the same file and must raise the same alarms in each pair."""

import array
import random
import subprocess
import tempfile
from pathlib import Path

import measure
import programs

HERE = Path(__file__).resolve().parent
# (goal, events): KSWIN's peer takes a fifth of a millisecond for each.
DETECTORS = {"adwin": (8, 1_000_000), "page_hinkley": (40, 1_000_000), "kswin": (500, 20_000)}
COUNT_GOAL = 20e6  # values a second and core
REPORT_GOAL = 200
DRIFTED = 5  # of the columns: every fifth has moved by one standard deviation


def run(options):
    parts = options.only.split(",") if options.only else list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise SystemExit(f"bench: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        return [result for part in parts for result in PARTS[part](options, Path(folder))]


def program(options):
    return str(Path(options.build) / "tests" / "drift_bench")


def same_alarms(name):
    """A sample of each arm is compared with the first one of all."""
    seen = []

    def check(sample):
        seen.append(sample["alarms"])
        if seen[-1] != seen[0]:
            raise SystemExit(f"bench: {name}: alarms differ: {seen[0][:10]} and {seen[-1][:10]}")
        return sample

    return check, seen


def events_file(folder, name, count):
    """Errors of a model whose world changes every 50,000 answers; for KSWIN numbers that move every 5,000."""
    draw = random.Random(7)
    if name == "kswin":
        events = (draw.gauss(1.0 * (i // 5000 % 2), 1) for i in range(count))
    else:
        events = (float(draw.random() < (0.2, 0.35)[i // 50_000 % 2]) for i in range(count))
    path = folder / name
    path.write_bytes(array.array("d", events).tobytes())
    return path


def detector(name):
    def part(options, folder):
        goal, count = DETECTORS[name]
        count = max(1000, int(count * options.scale))
        path = str(events_file(folder, name, count))
        check, alarms = same_alarms(name)
        samples = measure.interleaved(
            {"ours": lambda: check(programs.json_line([program(options), name, path])),
             "peer": lambda: check(programs.json_line([options.river, str(HERE / "river_peer.py"), name, path]))},
            options.pairs, say=lambda s: ", ".join(f"{arm} {x['seconds']:.3g} s" for arm, x in s.items()))
        rates = {arm: [count / x["seconds"] for x in taken] for arm, taken in samples.items()}
        return [measure.result(name, "events/s", rates["ours"], rates["peer"], "river 0.26.1", False,
                               "one core, the loop alone", goal=goal,
                               remark=f"{count} events, {len(alarms[0])} alarms at the same events in each pair")]

    return part


def report(options, folder):
    rows, columns = max(2000, int(300_000 * options.scale)), 50
    path = str(folder / "columns")
    # numpy is the peer's: the tables are made there.
    made = ("import numpy, sys; rng = numpy.random.default_rng(7); "
            f"two = rng.standard_normal((2, {columns}, {rows})); two[1, ::{DRIFTED}] += 1; two.tofile(sys.argv[1])")
    subprocess.run([options.evidently, "-c", made, path], check=True)
    arguments = [path, str(rows), str(columns)]
    check, alarms = same_alarms("report")
    samples = measure.interleaved(
        {"ours": lambda: check(programs.json_line([program(options), "report", *arguments])),
         "peer": lambda: check(programs.json_line([options.evidently, str(HERE / "evidently_peer.py"), *arguments]))},
        options.pairs, say=lambda s: ", ".join(f"{arm} {seconds(x):.3g} s" for arm, x in s.items()))
    peer = [x["seconds"] for x in samples["peer"]]
    whole = [seconds(x) for x in samples["ours"]]
    live = [x["live_seconds"] for x in samples["ours"]]
    size = f"{rows} rows x {columns} columns beside as many reference rows; the same {len(alarms[0])} columns in each pair"
    rates = [rows * columns / x["count_seconds"] for x in samples["ours"]]
    return [
        measure.result("report, reference profiled before", "s", live, peer, "evidently 0.7.23", True, "one core",
                       goal=REPORT_GOAL, remark=size + "; a version's profile is made once, when it is trained"),
        measure.result("report, profiling the reference too", "s", whole, peer, "evidently 0.7.23", True, "one core",
                       goal=REPORT_GOAL, remark=size),
        {"metric": "profile update", "unit": "values/s", "ours": measure.significant(sorted(rates)[len(rates) // 2]),
         "least": measure.significant(min(rates)), "most": measure.significant(max(rates)), "samples": len(rates),
         "goal": COUNT_GOAL, "reached": sorted(rates)[len(rates) // 2] >= COUNT_GOAL,
         "remark": "one core; numbers over the 20 bins of their version's profile"}]


def seconds(sample):
    return sample.get("seconds") or sample["profile_seconds"] + sample["live_seconds"]


PARTS = {name: detector(name) for name in DETECTORS} | {"report": report}
