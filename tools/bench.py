#!/usr/bin/env python3
"""./dev bench: rekindle beside its peer, in interleaved pairs of one run.

Each result is a ratio above 1 where ours is better, the median over pairs with its quartiles, and the
physical limit that was measured in the same run."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCHES = {"start": "submit to first optimizer step, and steps per second of a small MLP on 2 ranks, "
                    "beside torchrun with PyTorch DDP on gloo"}

# One rank's share is 512 rows. The peer gets the same widths; see jobs/specs/flight-delay.yaml.
SHAPE = {"numeric": 14, "embeddings": [[8, 4], [17, 8], [4, 2], [106, 8]], "hidden": [128, 64], "dropout": 0.1,
         "batch": 1024, "rows": 20000, "steps": 400}

SPEC = """rekindle: 1
name: bench-start
data:
  initial: flights@2013-01
  time: sched_dep
  label: {column: late, kind: binary, matures: 1d}
  numeric: [sched_minute, distance, temp, humid, wind_speed, precip, visib]
  categorical: [weekday, carrier, origin, dest]
train:
  model: {tabular: {hidden: [128, 64]}}
  batch: 1024
  stop: {epochs: 20, patience: 0}
  ranks: {count: 2}
"""

# One rank's share of the same steps with nobody to wait for: what no reduction can beat.
ALONE = SPEC.replace("bench-start", "bench-alone").replace("batch: 1024", "batch: 512").replace("count: 2", "count: 1")


class Ours:
    """A coordinator with January imported; each sample is one run of a job."""

    def __init__(self, build, data, folder):
        self.rekindle = str(Path(build).resolve() / "bin" / "rekindle")
        self.state = folder / "state"
        self.verb("up", "--slots", "2")
        self.verb("dataset", "import", str(ROOT / "jobs/imports/flights.yaml"), "--source", str(data))
        spec = folder / "bench.yaml"
        for text in (SPEC, ALONE):
            spec.write_text(text)
            self.verb("apply", str(spec))

    def verb(self, *arguments):
        done = subprocess.run([self.rekindle, "--state", str(self.state), *arguments], capture_output=True, text=True)
        if done.returncode not in (0, 10):
            raise SystemExit(f"bench: rekindle {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def sample(self, job="bench-start"):
        submitted = time.time()
        run = json.loads(self.verb("run", job, "--no-publish", "--wait", "--json"))
        outcome = run["outcome"]
        return {"start": int(outcome["firstStepUs"]) / 1e6 - submitted,
                "steps": int(outcome["steps"]) / float(outcome["trainSeconds"])}

    def stop(self):
        self.verb("down")


def peer_sample(python):
    torchrun = [python, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
                "--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0",
                str(ROOT / "tools/bench/ddp_peer.py"), json.dumps(SHAPE)]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    submitted = time.time()
    done = subprocess.run(torchrun, capture_output=True, text=True, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        raise SystemExit(f"bench: the peer ended with {done.returncode}:\n{done.stderr[-2000:]}")
    result = json.loads(lines[-1])
    return {"start": result["first_step"] - submitted, "steps": result["steps_per_second"]}


def spawn_limit():
    """What starting any process costs here: the floor of every start."""
    samples = []
    for _ in range(20):
        began = time.perf_counter()
        subprocess.run(["/bin/true"], check=True)
        samples.append(time.perf_counter() - began)
    return statistics.median(samples)


def summary(metric, unit, ours, peers, better_is_less, limit):
    ratios = [(p / o if better_is_less else o / p) for o, p in zip(ours, peers)]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"metric": metric, "unit": unit, "ours": round(statistics.median(ours), 4),
            "peer": round(statistics.median(peers), 4), "peer_name": "torchrun + PyTorch DDP, gloo",
            "ratio": round(statistics.median(ratios), 3), "ratio_q1": round(quartiles[0], 3),
            "ratio_q3": round(quartiles[2], 3), "limit": limit}


def bench_start(options):
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        ours = Ours(options.build, Path(options.data).resolve(), Path(folder))
        mine, theirs = [], []
        try:
            ours.sample()  # both arms once unmeasured: page cache
            peer_sample(options.peer)
            for pair in range(options.pairs):
                # A B, then B A: a slow drift of the machine meets both arms alike.
                for arm in ("ours", "peer") if pair % 2 == 0 else ("peer", "ours"):
                    (mine if arm == "ours" else theirs).append(
                        ours.sample() if arm == "ours" else peer_sample(options.peer))
                print(f"pair {pair + 1}/{options.pairs}: ours {mine[-1]['start']:.2f} s, {mine[-1]['steps']:.0f} steps/s; "
                      f"peer {theirs[-1]['start']:.2f} s, {theirs[-1]['steps']:.0f} steps/s", file=sys.stderr)
            alone = statistics.median(ours.sample("bench-alone")["steps"] for _ in range(3))
        finally:
            ours.stop()
    limit = spawn_limit()
    return [summary("submit to first optimizer step", "s", [m["start"] for m in mine],
                    [t["start"] for t in theirs], True, f"fork + exec of one process: {limit * 1e3:.1f} ms"),
            summary("small MLP, 2 ranks", "steps/s", [m["steps"] for m in mine], [t["steps"] for t in theirs], False,
                    f"one rank alone with its half of the batch, no reduction: {alone:.0f} steps/s")]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("name", nargs="?", choices=sorted(BENCHES), help="which bench")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--build", help=argparse.SUPPRESS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list or not options.name:
        for name, text in BENCHES.items():
            print(f"{name:10} {text}")
        return
    report = {"bench": options.name, "pairs": options.pairs, "results": bench_start(options)}
    text = json.dumps(report, indent=2)
    print(text)
    if options.json:
        Path(options.json).write_text(text + "\n")


if __name__ == "__main__":
    main()
