#!/usr/bin/env python3
"""./dev bench: rekindle beside its peer, in interleaved pairs of one run.

Each result is a ratio above 1 where ours is better, the median over pairs with its quartiles, and the
physical limit that was measured in the same run."""

import argparse
import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
import drift  # noqa: E402
import goodput  # noqa: E402
import journal  # noqa: E402
import measure  # noqa: E402
import scheduler  # noqa: E402
import start  # noqa: E402
import trainer  # noqa: E402

BENCHES = {
    "scheduler": (scheduler.run, "decisions a second, one pass over 100,000 waiting runs and 1,000 nodes, memory per queued "
                                 "run, all in memory; trivial jobs beside Slurm and HyperQueue; submission to start "
                                 "(--only PART,PART; --jobs N)"),
    "drift": (drift.run, "events a second of detectors beside river, a report of 300,000 rows x 50 columns beside evidently, values "
                         "counted a second, a serving node with and without profiles and events (--only PART,PART; --scale SHARE of the sizes)"),
    "journal": (journal.run, "restart of a coordinator with 1,000,000 events, beside reading the file; pauses by snapshots and "
                             "archives"),
    "start": (start.run, "submit to first optimizer step, and steps per second of a small MLP on 2 ranks, beside torchrun "
                         "with PyTorch DDP on gloo"),
    "trainer": (trainer.run, "the engine: start, MLP and ResNet steps, sums of all sizes, checkpoint stalls, efficiency at "
                             "2 ranks (about 10 minutes; --only PART,PART)"),
    "goodput": (goodput.run, "share of the time that stays useful while a rank is killed every --kill-every seconds, beside torchrun "
                             "with restarts (about 5 minutes a pair at the defaults: --pairs 1)"),
}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("name", nargs="?", choices=sorted(BENCHES), help="which bench")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--only", help=f"parts of `trainer`: {', '.join(trainer.PARTS)}; of `scheduler`: {', '.join(scheduler.PARTS)}; "
                        f"of `drift`: {', '.join(drift.PARTS)}")
    parser.add_argument("--jobs", type=int, default=10_000,
                        help="scheduler: trivial jobs a sample (1,000 by `rekindle run`; Slurm gets 20 and 200)")
    parser.add_argument("--scale", type=float, default=1, help="drift: share of the events and rows")
    parser.add_argument("--queued", type=int, default=100_000, help=argparse.SUPPRESS)
    parser.add_argument("--probes", type=int, default=300, help=argparse.SUPPRESS)
    parser.add_argument("--hyperqueue", help=argparse.SUPPRESS)
    parser.add_argument("--river", help=argparse.SUPPRESS)
    parser.add_argument("--evidently", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help="scheduler: where what is measured keeps its files (default: the build folder)")
    parser.add_argument("--kill-every", type=float, default=20, help="goodput: seconds between kills")
    parser.add_argument("--seconds", type=float, default=120, help="goodput: length of each sample")
    parser.add_argument("--build", help=argparse.SUPPRESS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list or not options.name:
        for name, (_, text) in BENCHES.items():
            print(f"{name:10} {text}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: asked to end"))  # the coordinator goes with it
    began = time.monotonic()
    results = BENCHES[options.name][0](options)
    report = {"bench": options.name, "pairs": options.pairs, "seconds": round(time.monotonic() - began), "results": results}
    text = json.dumps(report, indent=2)
    print(text)
    print(measure.table(results), file=sys.stderr)
    if options.json:
        Path(options.json).write_text(text + "\n")
    sys.exit(1 if any("failed" in result for result in results) else 0)


if __name__ == "__main__":
    main()
