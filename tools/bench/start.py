"""`./dev bench start`: the demo's model on the flights of January, beside the same shape under torchrun."""

import json
import statistics
import tempfile
from pathlib import Path

import measure
import programs

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


def run(options):
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as folder:
        ours = programs.Ours(options.build, folder)
        try:
            ours.import_rows(programs.ROOT / "jobs/imports/flights.yaml", Path(options.data).resolve())
            ours.apply("bench-start", SPEC)
            ours.apply("bench-alone", ALONE)

            def peer():
                told, submitted = programs.torchrun(options.peer, "ddp_peer.py", 2, json.dumps(SHAPE))
                return {"start": told["first_step"] - submitted, "steps": told["steps_per_second"]}

            samples = measure.interleaved(
                {"ours": lambda: ours.sample("bench-start"), "peer": peer}, options.pairs,
                say=lambda s: ", ".join(f"{arm} {x['start']:.2f} s, {x['steps']:.0f} steps/s" for arm, x in s.items()))
            alone = statistics.median(ours.sample("bench-alone")["steps"] for _ in range(3))
        finally:
            ours.stop()
    column = lambda arm, key: [sample[key] for sample in samples[arm]]  # noqa: E731
    peer_name = "torchrun + PyTorch DDP, gloo"
    return [measure.result("submit to first optimizer step", "s", column("ours", "start"), column("peer", "start"), peer_name,
                           True, f"fork + exec of one process: {measure.spawn_seconds() * 1e3:.1f} ms", goal=10),
            measure.result("small MLP, 2 ranks", "steps/s", column("ours", "steps"), column("peer", "steps"), peer_name, False,
                           f"one rank alone with its half of the batch, no reduction: {alone:.0f} steps/s")]
