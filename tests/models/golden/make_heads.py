#!/usr/bin/env python3
"""Writes heads.json: answers, losses and metrics of each kind of label from their oracles
(scipy 1.17.1, scikit-learn 1.9.1, numpy).

    python3 -m venv v && v/bin/pip install scipy==1.17.1 scikit-learn==1.9.1 numpy
    v/bin/python tests/models/golden/make_heads.py
"""

import json
import pathlib

import numpy as np
from scipy import special
from sklearn import metrics

HERE = pathlib.Path(__file__).parent
FLOOR = 1e-7  # probabilities are clipped to it before their logarithm is taken


def logits_of(rng, rows, width, spread):
    """float32, as a network gives them; one row is far out."""
    out = (rng.normal(size=(rows, width)) * spread).astype(np.float32)
    out[0] *= 40
    return out


def case(kind, logits, answers, labels, losses, constant, **more):
    return {"kind": kind, "logits": logits.ravel().tolist(), "answers": np.ravel(answers).tolist(),
            "labels": np.asarray(labels, dtype=float).tolist(), "losses": np.ravel(losses).tolist(),
            "constant": np.ravel(constant).tolist(), **more}


def binary(rng):
    logits = logits_of(rng, 50, 1, 2)
    answers = special.expit(logits.astype(np.float64))[:, 0]
    labels = (rng.random(50) < answers).astype(int)
    clipped = np.clip(answers, FLOOR, 1 - FLOOR)
    losses = [metrics.log_loss([y], [p], labels=[0, 1]) for y, p in zip(labels, clipped)]
    return case("BINARY", logits, answers, labels, losses, labels.mean(),
                accuracy=metrics.accuracy_score(labels, answers >= 0.5), auroc=metrics.roc_auc_score(labels, answers))


def multiclass(rng):
    classes = 5
    logits = logits_of(rng, 60, classes, 1.5)
    answers = special.softmax(logits.astype(np.float64), axis=1)
    labels = np.array([rng.choice(classes, p=p) for p in answers])
    labels[3] = (np.argmax(answers[3]) + 1) % classes
    clipped = np.clip(answers, FLOOR, 1 - FLOOR)
    losses = -np.log(clipped[np.arange(60), labels])
    plain = metrics.log_loss(labels[1:], answers[1:], labels=range(classes))
    assert abs(np.mean(losses[1:]) - plain) < 1e-6, "scikit-learn says the same of rows that need no clipping"
    return case("MULTICLASS", logits, answers, labels, losses, np.bincount(labels, minlength=classes) / 60,
                classes=[f"c{i}" for i in range(classes)],
                accuracy=metrics.accuracy_score(labels, answers.argmax(axis=1)))


def multilabel(rng):
    classes = 7
    logits = logits_of(rng, 40, classes, 2)
    answers = special.expit(logits.astype(np.float64))
    sets = (rng.random((40, classes)) < answers).astype(int)
    labels = sets @ (1 << np.arange(classes))
    clipped = np.clip(answers, FLOOR, 1 - FLOOR)
    losses = -(sets * np.log(clipped) + (1 - sets) * np.log1p(-clipped)).mean(axis=1)
    return case("MULTILABEL", logits, answers, labels, losses, sets.mean(axis=0),
                classes=[f"c{i}" for i in range(classes)], accuracy=metrics.accuracy_score(sets, answers >= 0.5))


def regression(rng):
    labels = rng.gamma(2.0, 15.0, size=50) - 10
    mean, scale = labels.mean(), labels.std()
    logits = ((labels - mean) / scale + rng.normal(size=50) * 0.5).astype(np.float32).reshape(-1, 1)
    answers = mean + scale * logits.astype(np.float64)[:, 0]
    return case("REGRESSION", logits, answers, labels, (labels - answers) ** 2, mean, mean=mean, scale=scale,
                squared_error=metrics.mean_squared_error(labels, answers),
                absolute_error=metrics.mean_absolute_error(labels, answers))


def main():
    rng = np.random.default_rng(11)
    golden = [binary(rng), multiclass(rng), multilabel(rng), regression(rng)]
    (HERE / "heads.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
