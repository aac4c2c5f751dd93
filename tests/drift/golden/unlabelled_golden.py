"""What nannyml's CBPE says of scores and labels that tests/drift/answers.h makes again from their seeds."""

import math
import warnings

import numpy as np


def cases():
    """(name, reference rows, live rows, chunk rows, said, steps, shift of live scores).

    A row's truth is u; it comes true with probability u, and the model says u ** said, floored to 1/steps.
    Whether to calibrate is far from the edge in each: on it, the order of tied rows would decide."""
    return [
        ("overconfident", 2000, 600, 200, 3, 0, 0.0),
        ("timid", 1500, 300, 150, 0.5, 0, 0.0),
        ("near to calibrated", 2000, 600, 200, 1.5, 0, 0.0),
        ("calibrated", 1000, 600, 200, 1, 0, 0.0),
        ("two decimals", 3000, 1000, 500, 2, 100, 0.0),
        ("live rows are surer", 2000, 600, 300, 2, 0, 0.4),
        ("last chunk is small", 1030, 77, 100, 2, 0, 0.0),
        ("few rows", 40, 12, 10, 2, 0, 0.0),
        ("large", 12000, 5000, 1000, 1.5, 1000, 0.2),
    ]


def answers(uniform, rows, said, steps, shift):
    score, predicted, label = [], [], []
    for _ in range(rows):
        u = uniform()
        u = u + (1 - u) * shift
        p = math.sqrt(u) if said == 0.5 else u * math.sqrt(u) if said == 1.5 else u**int(said)
        p = math.floor(p * steps) / steps if steps else p
        score.append(p)
        predicted.append(1 if p > 0.5 else 0)
        label.append(1 if uniform() < u else 0)
    return np.array(score), np.array(predicted), np.array(label)


def plain(value):
    return float(value) if value is not None and math.isfinite(value) else "nan"


def splits():
    """The draws on which nannyml decides whether to calibrate."""
    from sklearn.model_selection import StratifiedShuffleSplit

    out = []
    for zeros, ones in ((60, 40), (15, 15), (97, 8), (333, 270)):
        labels = np.array([0, 1] * min(zeros, ones) + [0 if zeros > ones else 1] * abs(zeros - ones))
        drawn = StratifiedShuffleSplit(n_splits=3, test_size=0.1, random_state=42).split(labels, labels)
        out.append({"labels": labels.tolist(), "test": [test.tolist() for _, test in drawn]})
    return out


def made(uniform_class):
    import nannyml as nml
    import pandas as pd
    from nannyml.calibration import IsotonicCalibrator

    warnings.simplefilter("ignore")
    out = []
    for seed, (name, rows, live_rows, chunk, said, steps, shift) in enumerate(cases(), start=501):
        uniform = uniform_class(seed)
        frames = []
        for count, by in ((rows, 0.0), (live_rows, shift)):
            score, predicted, label = answers(uniform, count, said, steps, by)
            frames.append(pd.DataFrame({"p": score, "predicted": predicted, "label": label}))
        estimator = nml.CBPE(y_pred_proba="p", y_pred="predicted", y_true="label",
                             metrics=["accuracy", "f1", "roc_auc"], chunk_size=chunk,
                             problem_type="classification_binary")
        estimator.fit(frames[0])
        result = estimator.estimate(frames[1]).filter(period="all").to_df()
        metrics = {}
        for metric in ("accuracy", "f1", "roc_auc"):
            table = result[metric]
            metrics[metric] = {
                "limits": [plain(table["lower_threshold"].iloc[0]), plain(table["upper_threshold"].iloc[0])],
                "value": [plain(x) for x in table["value"]],
                "realized": [plain(x) for x in table["realized"]],
            }
        isotonic = IsotonicCalibrator()
        isotonic.fit(frames[0]["p"].to_numpy(), frames[0]["label"].to_numpy())
        grid = np.linspace(-0.1, 1.1, 25)
        out.append({"name": name, "seed": seed, "rows": rows, "live_rows": live_rows, "chunk": chunk, "said": said,
                    "steps": steps, "shift": shift, "calibrates": bool(estimator.needs_calibration),
                    "isotonic": isotonic.calibrate(grid).tolist()} | metrics)
    return out
