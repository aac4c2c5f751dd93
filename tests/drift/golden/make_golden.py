#!/usr/bin/env python3
"""Writes the golden numbers of tests/drift from their oracles, which need three environments:

    river.venv/bin/pip install river==0.26.1 scipy==1.17.1 numpy
    frouros.venv/bin/pip install frouros==0.9.0
    evidently.venv/bin/pip install evidently==0.7.23 nannyml==0.13.1 'pandas<3' statsmodels

Run in each: `VENV/bin/python tests/drift/golden/make_golden.py`. A run writes the parts whose library it
can import and leaves the others as they are: golden.json (streams, samples, counts), compat.json (other tools'
distances), several.json (many columns, performance without labels), worlds.json (made-up streams).

The streams, samples, columns and rows themselves are not committed, as far as they can be made again in C++: they
come from a 64-bit linear congruential generator that the tests repeat. evidently sums over categories in the order
of the process's string hashes: there the last digits differ from run to run (PYTHONHASHSEED=0 keeps them).
"""

import json
import math
import os
import pathlib
import random

import numpy as np
from scipy import spatial, stats

try:
    from river import drift
    import worlds_golden
except ImportError:
    drift = worlds_golden = None
try:
    import frouros
except ImportError:
    frouros = None
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # nannyml reports what is done with it, else
try:
    import evidently
    import nannyml
except ImportError:
    evidently = nannyml = None

import compat_golden
import many_golden
import unlabelled_golden

HERE = pathlib.Path(__file__).parent


class Uniform:
    """Knuth's MMIX generator; the top 53 bits as a number in [0, 1)."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**53


def adwin_streams():
    """(name, delta, clock, segments of (items, kind, parameter)); kind bernoulli: u < p; mean: (u + p) / 2."""
    return [
        ("stationary bernoulli", 0.002, 32, [(20000, "bernoulli", 0.2)]),
        ("step up", 0.002, 32, [(3000, "bernoulli", 0.2), (3000, "bernoulli", 0.3), (3000, "bernoulli", 0.6)]),
        ("step down and back", 0.002, 32, [(2000, "mean", 0.8), (2000, "mean", 0.1), (2000, "mean", 0.8)]),
        ("eager delta", 0.3, 32, [(4000, "bernoulli", 0.5), (500, "bernoulli", 0.7), (4000, "bernoulli", 0.5)]),
        ("short", 0.002, 32, [(40, "mean", 0.0), (60, "mean", 1.0)]),
        ("after each item", 0.002, 1, [(2000, "mean", 0.1), (300, "mean", 0.5), (1000, "bernoulli", 0.2)]),
    ]


def adwin():
    out = []
    for seed, (name, delta, clock, segments) in enumerate(adwin_streams(), start=1):
        uniform = Uniform(seed)
        detector = drift.ADWIN(delta=delta, clock=clock)
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
        out.append({"name": name, "seed": seed, "delta": delta, "clock": clock,
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


def items(segments, seed):
    uniform = Uniform(seed)
    for count, kind, parameter in segments:
        for _ in range(count):
            u = uniform()
            yield (1.0 if u < parameter else 0.0) if kind == "bernoulli" else (u + parameter) / 2


def detector_streams():
    """(seed, segments) that every detector sees: errors, then numbers in [0, 1]."""
    return [
        (11, [(6000, "bernoulli", 0.2)]),
        (12, [(3000, "bernoulli", 0.2), (2000, "bernoulli", 0.35), (2000, "bernoulli", 0.1),
              (2000, "bernoulli", 0.6)]),
        (13, [(1000, "bernoulli", 0.02), (1500, "bernoulli", 0.05), (1500, "bernoulli", 0.5)]),
        (14, [(40, "bernoulli", 0.0), (60, "bernoulli", 1.0), (200, "bernoulli", 0.0)]),
        (15, [(2000, "mean", 0.2), (2000, "mean", 0.5), (1000, "mean", 0.1), (1500, "mean", 0.9)]),
    ]


def run_detectors(detectors, correct_first):
    """Indices of detections and of warnings, on each stream; `correct_first`: fed with 1 for a correct answer."""
    out = []
    for seed, segments in detector_streams():
        entry = {"seed": seed, "segments": [{"items": n, "kind": k, "parameter": p} for n, k, p in segments]}
        for name, (make, update) in detectors.items():
            detector, found, warned = make(), [], []
            if name in ("ddm", "eddm", "stepd", "fhddm") and any(k == "mean" for _, k, _ in segments):
                continue  # error rates alone
            for index, value in enumerate(items(segments, seed)):
                detected, warning = update(detector, 1 - value if name in correct_first else value)
                if detected:
                    found.append(index)
                if warning:
                    warned.append(index)
            entry[name] = {"detections": found, "warnings": warned}
        out.append(entry)
    return out


def river_detectors():
    def update(detector, value):
        detector.update(value)
        return detector.drift_detected, getattr(detector, "warning_detected", False)

    binary = drift.binary
    makers = {"adwin": drift.ADWIN, "ddm": binary.DDM, "eddm": binary.EDDM, "hddm_a": binary.HDDMA,
              "hddm_w": binary.HDDMW, "page_hinkley": drift.PageHinkley,
              "kswin": lambda: drift.KSWIN(seed=42), "fhddm": binary.FHDDM}
    return run_detectors({name: (make, update) for name, make in makers.items()}, {"fhddm"})


def frouros_detectors():
    """frouros goes on after a detection; ours starts afresh at the next item, so here the detector is reset."""
    from frouros.detectors.concept_drift import CUSUM, STEPD

    def update(detector, value):
        if detector.drift:
            detector.reset()
            detector.warning = False
        detector.update(value=value)
        return bool(detector.drift), bool(getattr(detector, "warning", False))

    return run_detectors({"cusum": (CUSUM, update), "stepd": (STEPD, update)}, {"stepd"})


def sample_cases():
    """(name, n, m, scale and shift of the second sample, values are floored to this many steps or 0)."""
    return [
        ("same law", 400, 300, 1.0, 0.0, 0),
        ("equal sizes", 200, 200, 1.0, 0.1, 0),
        ("small", 12, 9, 1.0, 0.4, 0),
        ("tiny", 5, 7, 1.0, 0.2, 0),
        ("tied", 150, 90, 1.0, 0.15, 10),
        ("tied and small", 6, 8, 1.0, 0.3, 4),
        ("wide", 900, 2500, 2.0, -0.5, 0),
        ("large", 12000, 3000, 1.0, 0.02, 0),
        ("large and apart", 20000, 15000, 1.0, 0.2, 100),
        ("large and alike", 30000, 30000, 1.0, 0.0, 0),
        ("apart", 50, 60, 1.0, 2.0, 0),
    ]


def sample(uniform, count, scale, shift, steps):
    values = [uniform() * scale + shift for _ in range(count)]
    return np.array([math.floor(x * steps) / steps for x in values] if steps else values)


def distances():
    out = []
    for seed, (name, n, m, scale, shift, steps) in enumerate(sample_cases(), start=101):
        uniform = Uniform(seed)
        a, b = sample(uniform, n, 1.0, 0.0, steps), sample(uniform, m, scale, shift, steps)
        ks, cvm, mwu = stats.ks_2samp(a, b), stats.cramervonmises_2samp(a, b), stats.mannwhitneyu(a, b)
        ad = stats.anderson_ksamp([a, b], variant="midrank")
        out.append({"name": name, "seed": seed, "n": n, "m": m, "scale": scale, "shift": shift, "steps": steps,
                    "ks": [ks.statistic, ks.pvalue], "cvm": [cvm.statistic, cvm.pvalue],
                    "mwu": [mwu.statistic, mwu.pvalue], "ad": [ad.statistic, ad.pvalue],
                    "wasserstein": stats.wasserstein_distance(a, b), "energy": stats.energy_distance(a, b)})
    return out


def kolmogorov():
    return [[n, d, float(stats.kstwo.sf(d, n))]
            for n in (2, 5, 10, 50, 139, 141, 1000, 9000, 99_999, 300_000, 1_000_000)
            for d in (0.6 / n, 0.9 / n, *(z / math.sqrt(n) for z in (0.45, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 2.1, 3.0)),
                      0.55, 0.9, 1 - 0.5 / n) if 0 < d < 1]


def counts():
    out = []
    rng = np.random.default_rng(9)
    cases = [rng.multinomial(n, rng.dirichlet(np.full(b, a)), size=2)
             for n, b, a in ((500, 5, 3.0), (20000, 24, 1.0), (300, 12, 0.4), (80, 2, 5.0))]
    cases.append(np.array([[100, 0, 0, 5], [0, 0, 90, 10]]))
    cases.append(np.array([[100, 0, 40], [0, 0, 90]]))
    for reference, live in cases:
        kept = (reference > 0) | (live > 0)
        r, l = reference[kept], live[kept]
        p, q = r / r.sum(), l / l.sum()
        smooth_p, smooth_q = (r + 0.5) / (r + 0.5).sum(), (l + 0.5) / (l + 0.5).sum()
        chi, g = (stats.chi2_contingency([r, l], correction=lambda_ is None, lambda_=lambda_)
                  for lambda_ in (None, "log-likelihood"))
        out.append({"reference": reference.tolist(), "live": live.tolist(),
                    "jensen_shannon": float(spatial.distance.jensenshannon(p, q)),
                    "hellinger": float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / math.sqrt(2)),
                    "total_variation": float(np.abs(p - q).sum() / 2), "l_infinity": float(np.abs(p - q).max()),
                    "kullback_leibler": float(stats.entropy(smooth_p, smooth_q)),
                    "chi_square": [float(chi.statistic), float(chi.pvalue)],
                    "g_test": [float(g.statistic), float(g.pvalue)]})
    return out


def false_discoveries():
    out = []
    rng = np.random.default_rng(21)
    cases = [rng.uniform(size=n) ** power for n, power in ((1, 1), (2, 3), (13, 4), (60, 2))]
    cases += [np.array([0.0, 0.01, 0.01, 0.04, 1.0]), np.array([1.0, 1.0, 1.0]), np.array([])]
    for p in cases:
        bh, by = ((stats.false_discovery_control(p, method=m) if p.size else p).tolist() for m in ("bh", "by"))
        out.append({"p": p.tolist(), "bh": bh, "by": by})
    return out


def write(name, made):
    """Puts what was made into the file of that name beside what other environments made."""
    path = HERE / name
    golden = (json.loads(path.read_text()) if path.exists() else {}) | made
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(name, ", ".join(golden), f"{path.stat().st_size} bytes")


def main():
    golden, compat, several, worlds = {}, {}, {}, {}
    if drift is not None:
        golden |= {"adwin": adwin(), "river": river_detectors()}
        golden |= {"chi2": chi2(), "psi": psi(), "python_sample": random.Random(7).sample(range(1000), 5)}
        golden |= {"distances": distances(), "kolmogorov": kolmogorov(), "counts": counts()}
        golden |= {"false_discoveries": false_discoveries()}
        worlds |= {"river": worlds_golden.worlds()}
    if frouros is not None:
        golden |= {"frouros": frouros_detectors()}
        compat |= {"frouros": compat_golden.frouros(Uniform)}
        several |= {"mmd": many_golden.mmd(Uniform)}
    if evidently is not None:
        compat |= {"evidently": compat_golden.evidently(Uniform), "nannyml": compat_golden.nannyml(Uniform)}
        several |= {"cbpe": unlabelled_golden.made(Uniform), "splits": unlabelled_golden.splits()}
        several |= {"domain": many_golden.domain(Uniform), "reconstruction": many_golden.reconstruction(Uniform)}
    write("golden.json", golden)
    write("compat.json", compat)
    write("several.json", several)
    write("worlds.json", worlds)


if __name__ == "__main__":
    main()
