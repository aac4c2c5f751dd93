#!/usr/bin/env python3
"""Writes golden.json, the numbers that tests/registry compare with, from scipy and NumPy:

    VENV/bin/pip install scipy==1.17.1 numpy
    VENV/bin/python tests/registry/golden/make_golden.py

Rows come from the linear congruential generator that tests/drift/golden.h repeats; resamples from NumPy's MT19937,
whose seeding of old is the standard library's.
"""

import json
import pathlib

import numpy as np
from scipy import integrate, optimize, special, stats

HERE = pathlib.Path(__file__).parent
RESAMPLES = 10_000


class Uniform:
    """Knuth's MMIX generator; the top 53 bits as a number in [0, 1)."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**53


def mcnemar():
    """One-sided p-values, and least gains found with 80 % chance."""
    out = []
    for candidate, champion in [(0, 0), (0, 5), (1, 0), (5, 0), (4, 0), (10, 3), (45, 35), (90, 70), (450, 350), (3, 9),
                                (2500, 2400), (60000, 59000)]:
        n = candidate + champion
        row = {"candidate": candidate, "champion": champion}
        row["p"] = stats.binomtest(candidate, n, 0.5, alternative="greater").pvalue if n else 1.0
        for alpha in [0.05, 0.01]:
            critical = next((k for k in range(n + 1) if stats.binom.sf(k - 1, n, 0.5) <= alpha), None)
            share = None if critical is None else optimize.brentq(
                lambda p, c=critical: stats.binom.sf(c - 1, n, p) - 0.8, 1e-9, 1 - 1e-12, xtol=1e-15, rtol=1e-14)
            row[f"share {alpha}"] = share
        out.append(row)
    return out


def draws(blocks):
    """The block numbers of each resample."""
    bits = np.random.MT19937()
    bits._legacy_seeding(5489)
    raw = bits.random_raw(RESAMPLES * blocks).astype(np.uint64)
    return ((raw * np.uint64(blocks)) >> np.uint64(32)).astype(int).reshape(RESAMPLES, blocks)


def auroc(labels, scores):
    positives = labels > 0
    ranks = stats.rankdata(scores)
    p, n = positives.sum(), (~positives).sum()
    return (ranks[positives].sum() - p * (p + 1) / 2) / (p * n)


def bootstrap():
    """Rows with labels, two scores and losses, in blocks whose gains hang together; the quantiles of the resampled gains."""
    uniform = Uniform(20)
    blocks, each = 40, 30
    shift = np.array([uniform() - 0.5 for _ in range(blocks)]).repeat(each)
    u = np.array([[uniform() for _ in range(4)] for _ in range(blocks * each)])
    labels = (u[:, 0] < 0.3).astype(float)
    candidate = np.clip(0.35 * labels + 0.6 * u[:, 1], 0.01, 0.99)
    champion = np.clip(0.25 * labels + 0.6 * u[:, 2] + 0.1 * shift, 0.01, 0.99)
    loss = lambda p: -np.log(np.where(labels > 0, p, 1 - p))
    gain = loss(champion) - loss(candidate)
    block = np.arange(blocks).repeat(each)
    drawn = draws(blocks)
    sums = np.bincount(block, gain)
    mean = sums[drawn].sum(axis=1) / (blocks * each)
    whole = auroc(labels, candidate) - auroc(labels, champion)
    ranked = np.array([
        auroc(labels[rows], candidate[rows]) - auroc(labels[rows], champion[rows])
        for rows in ((chosen[:, None] * each + np.arange(each)).ravel() for chosen in drawn)
    ])
    shares = [0.01, 0.025, 0.05, 0.5, 0.975]
    return {"seed": 20, "blocks": blocks, "rows": each, "shares": shares,
            "log_loss": {"gain": gain.mean(), "quantiles": list(np.quantile(mean, shares)), "deviation": mean.std()},
            "auroc": {"gain": whole, "quantiles": list(np.quantile(ranked, shares)), "deviation": ranked.std()}}


def failures():
    """E-values against a share of failures: the mixture integrated by quadrature."""
    out = []
    for answered, failed, share in [(0, 0, 0.01), (20, 0, 0.01), (20, 1, 0.01), (3, 3, 0.01), (1000, 11, 0.01),
                                    (1000, 30, 0.01), (500, 12, 0.02), (100000, 1000, 0.01), (100000, 1150, 0.01),
                                    (40, 10, 0.2)]:
        null = failed * np.log(share) + (answered - failed) * np.log1p(-share)

        def ratio(p, weight=1.0):
            return np.exp(failed * np.log(p) + (answered - failed) * np.log1p(-p) - null - 0.5 * np.log(p)
                          - 0.5 * np.log1p(-p)) * weight

        mode = max(share, failed / answered if answered else share)
        cuts = sorted({min(1.0, max(share, mode + k * (mode * (1 - mode) / max(answered, 1)) ** 0.5))
                       for k in (-8, -2, 0, 2, 8, 30)} | {share, 1.0})
        total = sum(integrate.quad(ratio, a, b, limit=200, epsabs=0, epsrel=1e-11)[0] for a, b in zip(cuts, cuts[1:]))
        prior = special.beta(0.5, 0.5) * special.betaincc(0.5, 0.5, share)
        out.append({"answered": answered, "failed": failed, "share": share, "evidence": total / prior})
    return out


def main():
    golden = {"mcnemar": mcnemar(), "bootstrap": bootstrap(), "failures": failures()}
    (HERE / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
