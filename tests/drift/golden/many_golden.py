"""Scores over several columns of rows that tests/drift/many_test.cc makes again from their seeds."""

import math
import warnings

import numpy as np


def rows(uniform, count, columns, shift, bend):
    """Uniform numbers; the second column leans on the first by `bend`, each is moved by shift / (its number)."""
    out = np.empty((count, columns))
    for i in range(count):
        for k in range(columns):
            u = uniform()
            out[i, k] = (1 - bend) * u + bend * out[i, 0] if k == 1 else u
    return out + shift / np.arange(1, columns + 1)


def cases():
    """(name, reference rows, live rows, columns, shift, bend of live rows)."""
    return [
        ("same law", 60, 50, 3, 0.0, 0.0),
        ("moved", 80, 80, 4, 0.2, 0.0),
        ("dependent", 70, 90, 2, 0.0, 0.8),
        ("one column", 40, 30, 1, 0.3, 0.0),
        ("few", 6, 5, 2, 0.1, 0.0),
        ("apart", 50, 60, 3, 3.0, 0.0),
    ]


def both(uniform_class, seed, n, m, columns, shift, bend):
    uniform = uniform_class(seed)
    return rows(uniform, n, columns, 0.0, 0.0), rows(uniform, m, columns, shift, bend)


def mmd(uniform_class):
    from functools import partial

    from frouros.detectors.data_drift import MMD
    from frouros.utils.kernels import rbf_kernel
    from scipy.spatial.distance import pdist

    out = []
    for seed, (name, *case) in enumerate(cases(), start=601):
        a, b = both(uniform_class, seed, *case)
        bandwidth = math.sqrt(np.median(pdist(np.vstack([a, b]), "sqeuclidean")) / 2)
        detector = MMD(kernel=partial(rbf_kernel, sigma=bandwidth))
        detector.fit(X=a)
        out.append({"name": name, "seed": seed, "case": case, "bandwidth": bandwidth,
                    "squared": float(detector.compare(X=b)[0].distance)})
    return out


def domain(uniform_class):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    folds, out = 5, []
    for seed, (name, *case) in enumerate(cases(), start=601):
        a, b = both(uniform_class, seed, *case)
        x, side = np.vstack([a, b]), np.array([0] * len(a) + [1] * len(b))
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        fold = np.concatenate([np.arange(len(a)), np.arange(len(b))]) % folds
        scores = np.empty(len(x))
        for k in range(folds):
            model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-14, max_iter=1000)
            model.fit(x[fold != k], side[fold != k])
            scores[fold == k] = model.decision_function(x[fold == k])
        model = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-14, max_iter=1000).fit(x, side)
        out.append({"name": name, "seed": seed, "case": case, "auroc": float(roc_auc_score(side, scores)),
                    "rows": x[:5].ravel().tolist(),
                    "log_odds": model.decision_function(x[:5]).tolist()})
    return out


def table(uniform, count, shift, unseen):
    """Two numbers, one that is missing at times, one that never changes, and two categories."""
    out = {"a": [], "b": [], "c": [], "d": [], "e": [], "f": []}
    for i in range(count):
        u, v, w, x, y = (uniform() for _ in range(5))
        out["a"].append(u + shift)
        out["b"].append(0.7 * u + 0.3 * v)
        out["c"].append(math.nan if i % 7 == 3 else v * w)
        out["d"].append(2.5)
        out["e"].append(math.nan if i % 11 == 5 else f"c{int(x * x * (5 + unseen)):02d}")
        out["f"].append(f"c{int((y + u) * 3):02d}")
    return out


def reconstruction(uniform_class):
    import nannyml as nml
    import pandas as pd

    warnings.simplefilter("ignore")
    out = []
    for seed, (count, live, chunk, shift, unseen) in enumerate(
            [(600, 200, 100, 0.0, 0), (1000, 300, 100, 0.5, 0), (450, 90, 60, -0.3, 2)], start=701):
        uniform = uniform_class(seed)
        reference = pd.DataFrame(table(uniform, count, 0.0, 0))
        analysis = pd.DataFrame(table(uniform, live, shift, unseen))
        calculator = nml.DataReconstructionDriftCalculator(column_names=list("abcdef"), chunk_size=chunk)
        calculator.fit(reference)
        found = calculator.calculate(analysis).filter(period="all").to_df()["reconstruction_error"]
        out.append({"seed": seed, "case": [count, live, chunk, shift, unseen],
                    "components": int(calculator._pca.n_components_), "value": found["value"].tolist(),
                    "standard_error": found["sampling_error"].tolist(),
                    "limits": [found["lower_threshold"].iloc[0], found["upper_threshold"].iloc[0]],
                    "alert": [bool(x) for x in found["alert"]]})
    return out
