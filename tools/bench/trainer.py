"""`./dev bench trainer`: what the engine claims, part by part."""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import programs

PARTS = ("mlp", "resnet", "sums", "checkpoint")
DDP = "torchrun + PyTorch DDP, gloo"
NUMBERS = 32
ROWS = 60000
STEPS = 1000


def spec(name, batch, ranks, model, epochs, more=""):
    columns = ", ".join(f"f{i}" for i in range(NUMBERS))
    return f"""rekindle: 1
name: {name}
data:
  initial: numbers@all
  time: t
  label: {{column: y, kind: binary, matures: 1d}}
  numeric: [{columns}]
train:
  model: {model}
  batch: {batch}
  stop: {{epochs: {epochs}, patience: 0}}
  ranks: {{count: {ranks}}}
  validation: 1%
{more}gate: {{holdout: 1d}}
"""


def write_numbers(folder):
    """Rows of 32 numbers over a hundred days, with a label that depends on them."""
    draw = random.Random(1)
    minutes = 100 * 1440
    with open(folder / "numbers.csv", "w") as out:
        out.write("t," + ",".join(f"f{i}" for i in range(NUMBERS)) + ",score\n")
        for row in range(ROWS):
            at = row * minutes // ROWS
            day, minute = divmod(at, 1440)
            month, day = (1, day + 1) if day < 31 else (2, day - 30) if day < 59 else (3, day - 58) if day < 90 else (4, day - 89)
            values = [draw.gauss(0, 1) for _ in range(NUMBERS)]
            score = sum(values[:4]) + draw.gauss(0, 2)
            out.write(f"2013-{month:02}-{day:02}T{minute // 60:02}:{minute % 60:02}:00Z,"
                      + ",".join(f"{v:.4f}" for v in values) + f",{score:.3f}\n")
    (folder / "numbers.yaml").write_text("""rekindle: 1
dataset: numbers
rows: {file: numbers.csv}
derive:
  - {column: y, compare: {column: score, op: greater, value: 1}}
keep: [t, """ + ", ".join(f"f{i}" for i in range(NUMBERS)) + """, y]
time: t
""")
    return folder / "numbers.yaml"


def mlp(ours, options):
    """MLP 32-128-64-1 at 256 rows per rank, and what start-up and a second rank cost."""
    model = "{tabular: {hidden: [128, 64], dropout: 0%}}"
    shape = {"numeric": NUMBERS, "embeddings": [], "hidden": [128, 64], "dropout": 0.0, "batch": 512, "rows": ROWS,
             "steps": STEPS}
    ours.apply("bench-mlp", spec("bench-mlp", 512, 2, model, 9))
    ours.apply("bench-mlp-alone", spec("bench-mlp-alone", 256, 1, model, 5))

    def peer(ranks):
        told, submitted = programs.torchrun(options.peer, "ddp_peer.py", ranks, json.dumps(dict(shape, batch=256 * ranks)))
        return {"start": told["first_step"] - submitted, "steps": told["steps_per_second"]}

    samples = measure.interleaved(
        {"ours": lambda: ours.sample("bench-mlp"), "peer": lambda: peer(2),
         "ours alone": lambda: ours.sample("bench-mlp-alone"), "peer alone": lambda: peer(1)}, options.pairs,
        say=lambda s: ", ".join(f"{arm} {x['start']:.2f} s {x['steps']:.0f}/s" for arm, x in s.items()))
    column = lambda arm, key: [sample[key] for sample in samples[arm]]  # noqa: E731
    efficiency = {arm: [two / one for two, one in zip(column(arm, "steps"), column(f"{arm} alone", "steps"))]
                  for arm in ("ours", "peer")}
    limit = statistics.median(column("ours alone", "steps"))
    return [
        measure.result("submit to first optimizer step, 2 ranks", "s", column("ours", "start"), column("peer", "start"), DDP,
                       True, f"fork + exec of one process: {measure.spawn_seconds() * 1e3:.1f} ms", goal=10),
        measure.result("MLP 32-128-64-1, 256 rows a rank, 2 ranks", "steps/s", column("ours", "steps"),
                       column("peer", "steps"), DDP, False, f"one rank alone, no reduction: {limit:.0f} steps/s", goal=5),
        measure.result("the same, 1 rank", "steps/s", column("ours alone", "steps"), column("peer alone", "steps"),
                       "PyTorch DDP, 1 rank", False, "the arithmetic of one core"),
        measure.result("efficiency at 2 ranks: rate(2) / rate(1) at the same rows a rank", "", efficiency["ours"],
                       efficiency["peer"], DDP, False, "1: the second rank costs nothing; needs 2 free cores"),
    ]


def sums(ours, options):
    """A sum over 2 ranks alone: our window, MPI_Allreduce, gloo."""
    bench = Path(options.build).resolve() / "tests" / "trainer_collectives_bench"
    if not bench.exists():
        print("SKIP sums: build trainer_collectives_bench first", file=sys.stderr)
        return []
    sizes = [40, 64 << 10, 1 << 20, 64 << 20]
    words = [str(size) for size in sizes]

    def of_ours(transport):
        told = programs.json_line(programs.mpirun(2, str(bench), transport, *words))
        memcpy.append(told["memcpy_gb_per_s"])
        return {s["bytes"]: s["median_us"] for s in told["sums"]}

    def gloo():
        told, _ = programs.torchrun(options.peer, "gloo_peer.py", 2, *words)
        return {s["bytes"]: s["median_us"] for s in told["sums"]}

    memcpy = []
    samples = measure.interleaved({"window": lambda: of_ours("window"), "mpi": lambda: of_ours("allreduce"), "gloo": gloo},
                                  max(3, options.pairs * 2 // 3), warm=False,
                                  say=lambda s: ", ".join(f"{arm} " + " ".join(f"{us:.1f}" for us in x.values()) + " us"
                                                          for arm, x in s.items()))
    copy = statistics.median(memcpy)
    goals = {64 << 10: 50, 64 << 20: 5}
    out = []
    for size in sizes:
        # Each rank reads the other's bytes and writes its own at least once.
        floor = 2 * size / 2 / (copy * 1e9) * 1e6
        limit = f"memcpy by both ranks at once, {copy:.1f} GB/s each: {floor:.1f} us" if size >= 1 << 20 else \
            "a cache line between two cores: about 0.1 us"
        for peer, name in (("gloo", "gloo (PyTorch 2.11)"), ("mpi", "MPI_Allreduce (Open MPI 4.1)")):
            out.append(measure.result(f"sum of {size} bytes over 2 ranks", "us", [s[size] for s in samples["window"]],
                                      [s[size] for s in samples[peer]], name, True, limit,
                                      goal=goals.get(size) if peer == "gloo" else None))
    return out


def checkpoint(ours, options):
    """How long training waits for a checkpoint of a model with four million parameters."""
    model = "{tabular: {hidden: [2048, 2048], dropout: 0%}}"
    shape = {"numeric": NUMBERS, "embeddings": [], "hidden": [2048, 2048], "dropout": 0.0, "batch": 64, "rows": ROWS,
             "steps": 60, "save_every": 10}
    stop = "  checkpoints: {every: 1s, keep: 1, best: false}\n"
    text = spec("bench-checkpoint", 256, 1, model, 1, stop).replace("epochs: 1,", "epochs: 1, steps: 100,")
    ours.apply("bench-checkpoint", text)

    def mine():
        sample = ours.sample("bench-checkpoint")
        told = ours.checkpoints(sample["run"]["id"])
        if len(told) < 2:
            raise SystemExit(f"bench: {len(told)} checkpoints in {sample['run']['id']}: too few to say anything")
        return {"stall": statistics.median(stall for _, stall in told), "written": statistics.median(s for s, _ in told),
                "count": len(told)}

    def peer():
        with tempfile.TemporaryDirectory(dir=ours.folder) as folder:
            return programs.json_line([options.peer, str(programs.HERE / "save_peer.py"), json.dumps(shape), folder])

    pairs = max(3, options.pairs // 3)
    samples = measure.interleaved({"ours": mine, "peer": peer}, pairs, warm=False,
                                  say=lambda s: ", ".join(f"{arm} {x['stall'] * 1e3:.2f} ms" for arm, x in s.items()))
    disk = measure.fsync_gigabytes_per_second(ours.folder)
    size = samples["peer"][0]["bytes"]
    # Against a stall that the clock cannot see a ratio says nothing: ten microseconds at least.
    stalls = [max(s["stall"], 1e-5) for s in samples["ours"]]
    return [measure.result("training waits for one checkpoint, 4.3 million parameters", "s", stalls,
                           [s["stall"] for s in samples["peer"]], "torch.save of parameters and moments + fsync", True,
                           f"{size / 1e6:.0f} MB written with fsync at {disk:.2f} GB/s: {size / disk / 1e9:.3f} s; in the "
                           "background: 0", goal=30,
                           remark=f"written behind training in {statistics.median(s['written'] for s in samples['ours']):.2f} s")]


def resnet(ours, options):
    """A compute-bound ResNet on one rank: nothing to win but nothing to lose."""
    import images  # noqa: PLC0415: only where it is asked for
    return images.run(ours, options)


def run(options):
    parts = options.only.split(",") if options.only else PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise SystemExit(f"bench: no part {', '.join(unknown)}: {', '.join(PARTS)}")
    out = []
    with tempfile.TemporaryDirectory(prefix="rekindle-bench-") as name:
        folder = Path(name)
        ours = programs.Ours(options.build, folder)
        try:
            ours.import_rows(write_numbers(folder), folder)
            for part in parts:
                print(f"== {part}", file=sys.stderr)
                try:
                    out += globals()[part](ours, options)
                except SystemExit as problem:  # the other parts are worth having
                    if "asked to end" in str(problem):
                        raise
                    out.append({"metric": part, "failed": str(problem)})
        finally:
            ours.stop()
    return out
