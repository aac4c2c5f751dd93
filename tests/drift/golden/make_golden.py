#!/usr/bin/env python3
"""Writes the golden numbers of tests/drift from their oracles: river 0.26.1, scipy 1.17.1, numpy.

    python3 -m venv v && v/bin/pip install river==0.26.1 scipy==1.17.1 numpy
    v/bin/python tests/drift/golden/make_golden.py

The streams themselves are committed only where they cannot be made again in C++: they come from a
64-bit linear congruential generator that the test repeats.
"""

import json
import pathlib

import numpy as np
from river import drift
from scipy import stats

HERE = pathlib.Path(__file__).parent


class Uniform:
    """Knuth's MMIX generator; the top 53 bits as a number in [0, 1)."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**53


def adwin_streams():
    """(name, delta, segments of (items, kind, parameter)); kind bernoulli: u < p; mean: (u + p) / 2."""
    return [
        ("stationary bernoulli", 0.002, [(20000, "bernoulli", 0.2)]),
        ("step up", 0.002, [(3000, "bernoulli", 0.2), (3000, "bernoulli", 0.3), (3000, "bernoulli", 0.6)]),
        ("step down and back", 0.002, [(2000, "mean", 0.8), (2000, "mean", 0.1), (2000, "mean", 0.8)]),
        ("eager delta", 0.3, [(4000, "bernoulli", 0.5), (500, "bernoulli", 0.7), (4000, "bernoulli", 0.5)]),
        ("short", 0.002, [(40, "mean", 0.0), (60, "mean", 1.0)]),
    ]


def adwin():
    out = []
    for seed, (name, delta, segments) in enumerate(adwin_streams(), start=1):
        uniform = Uniform(seed)
        detector = drift.ADWIN(delta=delta)
        detections, widths, index = [], [], 0
        for items, kind, parameter in segments:
            for _ in range(items):
                u = uniform()
                detector.update((1.0 if u < parameter else 0.0) if kind == "bernoulli" else (u + parameter) / 2)
                if detector.drift_detected:
                    detections.append(index)
                # After a detection too: how much of the window was dropped.
                if detector.drift_detected or index % 97 == 0:
                    widths.append([index, int(detector.width), detector.estimation])
                index += 1
        out.append({"name": name, "seed": seed, "delta": delta,
                    "segments": [{"items": n, "kind": k, "parameter": p} for n, k, p in segments],
                    "detections": detections, "widths": widths})
    return out


def chi2():
    out = []
    for bins in (2, 3, 10, 22, 24, 110):
        for tail in (0.05, 0.01, 0.01 / 13, 1e-6):
            for n, m in ((200, 200), (27004, 6000), (1000, 37)):
                out.append({"bins": bins, "tail": tail, "n": n, "m": m,
                            "value": float(stats.chi2.isf(tail, bins - 1) * (1 / n + 1 / m))})
    return out


def psi():
    out = []
    rng = np.random.default_rng(7)
    cases = [rng.multinomial(n, rng.dirichlet(np.full(b, a)), size=2)
             for n, b, a in ((500, 5, 3.0), (20000, 24, 1.0), (60, 90, 0.3))]
    cases.append(np.array([[100, 0, 0, 5], [0, 0, 90, 10]]))
    for reference, live in cases:
        kept = (reference > 0) | (live > 0)
        p, q = reference[kept] + 0.5, live[kept] + 0.5
        p, q = p / p.sum(), q / q.sum()
        out.append({"reference": reference.tolist(), "live": live.tolist(), "bins": int(kept.sum()),
                    "value": float(np.sum((p - q) * np.log(p / q)))})
    return out


def main():
    golden = {"adwin": adwin(), "chi2": chi2(), "psi": psi()}
    (HERE / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    for stream in golden["adwin"]:
        print(stream["name"], stream["detections"])


if __name__ == "__main__":
    main()
