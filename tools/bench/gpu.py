"""`tools/gpu_check.sh bench`: steps on one GPU beside PyTorch, in turn within one run.

    gpu.py BENCH_PROGRAM ROUNDS [MODEL ...]      models: mlp, resnet, with ":bf16" or ":tf32" for less precision
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import measure

STEPS = {"mlp": 2000, "resnet": 600}
OURS = {"": [], "bf16": ['"precision": "BF16"'], "tf32": ['"tf32": true']}
LIMIT_S = 240


def last_json(command, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    program, rounds, models = sys.argv[1], int(sys.argv[2]), sys.argv[3:] or ["mlp", "resnet"]
    here = Path(__file__).resolve().parent
    oracle = next(p for p in (here.parents[1] / "tests" / "oracle", here.parent / "oracle", here) if (p / "reference_models.py").exists())
    environment = dict(os.environ, PYTHONPATH=f"{oracle}:{os.environ.get('PYTHONPATH', '')}")
    environment.pop("LD_LIBRARY_PATH", None)
    out = []
    for model in models:
        name, _, how = model.partition(":")

        def peer(way):
            return last_json([sys.executable, str(here / "gpu_peer.py"), name, way, str(STEPS[name]), str(time.time()), *([how] if how else [])],
                             environment)

        arms = {"ours": lambda: last_json([program, name, str(STEPS[name]), *OURS[how]])}
        for way in ("eager", "compile", "graph"):
            arms[way] = lambda way=way: peer(way)
        samples = measure.interleaved(arms, rounds, warm=False, say=lambda s: f"{model} " + ", ".join(
            f"{arm} {v['steps_per_second']:.0f}/s, all {v['all_steps']:.1f} s" for arm, v in s.items()))
        print(json.dumps({"model": model, "samples": samples}), flush=True)
        for way in ("eager", "compile", "graph"):
            for metric, field, less in (("steps per second", "steps_per_second", False), (f"seconds to {STEPS[name]:,} steps", "all_steps", True)):
                ours, theirs = ([s[field] for s in samples[arm]] for arm in ("ours", way))
                out.append(measure.result(f"{model}: {metric}", "s" if less else "steps/s", ours, theirs, way, less, "see eager"))
    print(measure.table(out), file=sys.stderr)
    print(json.dumps(out))


main()
