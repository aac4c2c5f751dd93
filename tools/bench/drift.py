"""`./dev bench drift`: detectors beside river, a report over many columns beside evidently, how fast profiles count, and what
a serving node pays for it all. Detectors and reports read the same file in both arms and must raise the same alarms in each
pair."""

import array
import json
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
# On against off: p99 at most 5 % longer, at most 10 % fewer answers a second.
P99_GOAL, RATE_GOAL = 1 / 1.05, 0.9
REQUESTS, CONNECTIONS = 10_000, 4
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


JOB = "bench-drift"
SPEC = f"""rekindle: 1
name: {JOB}
data:
  initial: flights@2013-01
  time: sched_dep
  label: {{column: late, kind: binary, matures: 1d}}
  numeric: [sched_minute, distance, temp, humid, wind_speed, precip, visib]
  categorical: [weekday, carrier, origin, dest]
train:
  model: {{tabular: {{hidden: [128, 64]}}}}
  stop: {{epochs: 1}}
"""
FLIGHT = {"sched_minute": 600, "distance": 1400, "temp": 39, "humid": 60, "wind_speed": 10, "precip": 0, "visib": 10,
          "weekday": "Tue", "carrier": "UA", "origin": "EWR", "dest": "IAH"}


def question(recorded):
    """A flight of February 2013; unless told not to, the node counts and stores what it answered."""
    tensors = [{"name": "sched_dep", "datatype": "INT64", "shape": [1], "data": [1_360_000_000_000_000]}]
    tensors += [{"name": name, "datatype": "BYTES" if isinstance(value, str) else "FP64", "shape": [1], "data": [value]}
                for name, value in FLIGHT.items()]
    return json.dumps({"inputs": tensors} | ({} if recorded else {"parameters": {"rekindle_record": False}}))


def serving(options, folder):
    requests = max(200, int(REQUESTS * options.scale))
    ours = programs.Ours(options.build, folder)
    try:
        ours.import_rows(programs.ROOT / "jobs/imports/flights.yaml", Path(options.data).resolve())
        ours.apply(JOB, SPEC)
        ours.verb("run", JOB, "--wait")
        with programs.serving_node(ours, JOB) as url:
            arms = {}
            for arm, recorded in (("on", True), ("off", False)):
                body = folder / arm
                body.write_text(question(recorded))
                command = [str(Path(options.build) / "tests" / "serving_bench"), url, JOB]
                # An operator's token: nobody else may ask unrecorded.
                command += [str(ours.state / "token"), str(body), str(requests), str(CONNECTIONS)]
                arms[arm] = lambda command=command: programs.json_line(command)
            samples = measure.interleaved(
                arms, options.pairs,
                say=lambda s: ", ".join(f"{arm} {x['rate']:.0f}/s, p99 {x['p99_ms']:.2f} ms" for arm, x in s.items()))
    finally:
        ours.stop()
    column = lambda arm, key: [sample[key] for sample in samples[arm]]  # noqa: E731
    first = all(sample["first"] for arm in arms for sample in samples[arm])
    limit = (f"{requests} requests of one row over {CONNECTIONS} connections, node, coordinator and client on one host; the client "
             + ("goes first" if first else "may not go first (it takes root): its waits for a core are in these figures"))
    peer = "the same node, not counting and not storing"
    return [measure.result("serving with profiles and events, p99", "ms", column("on", "p99_ms"), column("off", "p99_ms"), peer,
                           True, limit, goal=round(P99_GOAL, 3)),
            measure.result("serving with profiles and events, rate", "answers/s", column("on", "rate"), column("off", "rate"), peer,
                           False, limit, goal=RATE_GOAL)]


PARTS = {name: detector(name) for name in DETECTORS} | {"report": report, "serving": serving}
