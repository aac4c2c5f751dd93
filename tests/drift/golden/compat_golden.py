"""What evidently, nannyml and frouros say of columns that tests/drift/columns.h makes again from their seeds."""

import math
import warnings

import numpy as np


def side(n, scale=1.0, shift=0.0, steps=0, cubed=False, nan_every=0):
    """One column: u (or its cube) * scale + shift, floored to 1/steps, every nan_every-th missing."""
    return {"n": n, "scale": scale, "shift": shift, "steps": steps, "cubed": cubed, "nan_every": nan_every}


def numeric_cases():
    return [
        ("same law", side(400), side(300)),
        ("shifted", side(500), side(500, shift=0.2)),
        ("few values, tied", side(300, steps=10), side(200, steps=10, cubed=True)),
        ("twenty values", side(300, steps=20), side(200, steps=20)),
        ("many values, tied", side(600, steps=40), side(300, shift=0.1, steps=40)),
        ("one value, the same", side(50, scale=0, shift=3), side(40, scale=0, shift=3)),
        ("one value each", side(50, scale=0, shift=3), side(40, scale=0, shift=7)),
        ("one value against many", side(50, scale=0, shift=0.25), side(200)),
        ("many against one value", side(200), side(50, scale=0, shift=0.25)),
        ("one row each", side(1), side(1)),
        ("one row against many", side(1), side(150)),
        ("many against one row", side(150), side(1)),
        ("two rows", side(2), side(2)),
        ("three rows", side(3), side(3)),
        ("apart", side(200), side(150, shift=5)),
        ("gap in the middle", side(200, steps=2, scale=2), side(150, scale=2)),
        ("outliers", side(300, cubed=True), side(300, scale=40, cubed=True)),
        ("skewed", side(800, cubed=True), side(600)),
        ("powers of two", side(256), side(256)),
        ("powers of two, on the bins' edges", side(128, scale=64, steps=1), side(128, scale=64, steps=1)),
        ("missing values", side(300, nan_every=7), side(200, shift=0.1, nan_every=5)),
        ("nothing but missing values", side(100), side(30, nan_every=1)),
        ("whole numbers", side(700, scale=100, steps=1), side(500, scale=90, shift=5, steps=1)),
        ("zero and one", side(400, scale=2, steps=1), side(300, scale=2, steps=1)),
        ("zero and one, many", side(3000, scale=2, steps=1), side(900, scale=2, shift=0.1, steps=1)),
        ("five values", side(400, scale=5, steps=1), side(300, scale=5, steps=1, cubed=True)),
        ("five values, many", side(2000, scale=5, steps=1), side(700, scale=5, steps=1, cubed=True)),
        ("a thousand rows", side(1000), side(400, shift=0.05)),
        ("a thousand and one", side(1001), side(400, shift=0.05)),
        ("large numbers", side(500, scale=1e6, shift=1e9), side(400, scale=1.2e6, shift=1e9)),
        ("small numbers", side(500, scale=1e-9, shift=-2e-9), side(400, scale=1e-9, shift=-1.9e-9)),
        ("many rows", side(12000), side(3000, shift=0.1, scale=1.1)),
        ("many rows, missing values", side(12000, cubed=True, nan_every=11), side(3000, scale=1.5, nan_every=4)),
        ("many rows, live below", side(10000, steps=100), side(900, shift=-0.4)),
        ("many rows of one value", side(10000, scale=0, shift=2), side(500, scale=4)),
        ("against itself", side(300), None),
        ("against itself, skewed", side(777, cubed=True), None),
        ("against itself, few", side(49, cubed=True), None),
    ]


def category_cases():
    return [
        ("alike", side(400, scale=6, steps=1), side(300, scale=6, steps=1)),
        ("moved", side(400, scale=6, steps=1), side(300, scale=6, steps=1, cubed=True)),
        ("a new category", side(400, scale=4, steps=1), side(300, scale=6, steps=1)),
        ("lost categories", side(400, scale=8, steps=1), side(300, scale=3, steps=1)),
        ("two", side(400, scale=2, steps=1), side(300, scale=2, steps=1, cubed=True)),
        ("two and new", side(200, scale=1, steps=1), side(300, scale=2, steps=1)),
        ("one, the same", side(40, scale=0, shift=2), side(30, scale=0, shift=2)),
        ("one each", side(40, scale=0, shift=2), side(30, scale=0, shift=4)),
        ("one row", side(40, scale=3, steps=1), side(1, scale=3, steps=1)),
        ("rare", side(3000, scale=60, steps=1, cubed=True), side(150, scale=70, steps=1, cubed=True)),
        ("many rows", side(20000, scale=12, steps=1), side(5000, scale=12, steps=1, cubed=True)),
        ("missing", side(400, scale=6, steps=1, nan_every=6), side(300, scale=7, steps=1, nan_every=3)),
        ("rarer than one in ten thousand", side(12000, scale=1500, steps=1, cubed=True),
         side(15000, scale=1500, steps=1, cubed=True)),
    ]


def column(uniform, spec):
    out = []
    for i in range(spec["n"]):
        x = uniform()
        if spec["cubed"]:
            x = x * x * x
        x = x * spec["scale"] + spec["shift"]
        if spec["steps"]:
            x = math.floor(x * spec["steps"]) / spec["steps"]
        out.append(math.nan if spec["nan_every"] and i % spec["nan_every"] == 0 else x)
    return np.array(out)


def plain(value):
    """A number as JSON has it; what it has no number for by name."""
    value = float(value)
    return value if math.isfinite(value) else "nan" if math.isnan(value) else "inf"


def attempt(compute):
    try:
        return plain(compute())
    except (ValueError, IndexError):
        return "refused"


def made(cases, first_seed, uniform_class, judge):
    out = []
    warnings.simplefilter("ignore")
    for seed, (name, reference, live) in enumerate(cases, start=first_seed):
        uniform = uniform_class(seed)
        a = column(uniform, reference)
        b = column(uniform, live) if live else a.copy()
        out.append({"name": name, "seed": seed, "reference": reference, "live": live} | judge(a, b))
    return out


# --- evidently ---


def evidently(uniform_class):
    import pandas as pd
    from evidently.legacy.calculations.stattests import tvd_stattest
    from evidently.legacy.calculations.stattests.registry import get_stattest
    from evidently.legacy.core import ColumnType

    def clean(values):  # as get_one_column_drift
        return pd.Series(values).replace([-np.inf, np.inf], np.nan).dropna()

    def call(a, b, kind, name):
        reference, live = clean(a), clean(b)
        if reference.empty or live.empty:
            raise ValueError("An empty column")
        test = get_stattest(reference, live, kind, name)
        return test, test(reference, live, kind, test.default_threshold)

    def verdict(a, b, kind):
        try:
            test, result = call(a, b, kind, None)
        except ValueError:
            return "refused"
        return [test.name, plain(result.drift_score), bool(result.drifted)]

    def numeric(a, b):
        scores = {name: attempt(lambda name=name: call(a, b, ColumnType.Numerical, name)[1].drift_score)
                  for name in ("psi", "jensenshannon", "kl_div", "hellinger", "wasserstein")}
        return scores | {"default": verdict(a, b, ColumnType.Numerical)}

    def categories(a, b):
        a, b = names(a), names(b)
        scores = {name: attempt(lambda name=name: call(a, b, ColumnType.Categorical, name)[1].drift_score)
                  for name in ("psi", "jensenshannon", "kl_div", "hellinger", "chisquare", "z")}
        tvd = tvd_stattest._total_variation_distance(clean(a), clean(b))
        return scores | {"tvd": plain(tvd), "default": verdict(a, b, ColumnType.Categorical)}

    return {"numeric": made(numeric_cases(), 301, uniform_class, numeric),
            "categories": made(category_cases(), 401, uniform_class, categories)}


def names(values):
    return np.array([None if math.isnan(x) else f"c{int(x):02d}" for x in values], dtype=object)


# --- nannyml ---


def nannyml(uniform_class):
    import pandas as pd
    from nannyml.chunk import DefaultChunker
    from nannyml.drift.univariate.methods import FeatureType, MethodFactory
    from nannyml.exceptions import ChunkerException
    from nannyml.thresholds import StandardDeviationThreshold

    def judge(kind, keys, a, b):
        out = {}
        reference, live = pd.Series(a, name="x"), pd.Series(b, name="x")
        for key in keys:
            method = MethodFactory.create(key, kind, chunker=DefaultChunker(),
                                          threshold=StandardDeviationThreshold())
            try:
                method.fit(reference)
                limits = [method.lower_threshold_value, method.upper_threshold_value]
            except ChunkerException:  # fewer rows than chunks
                method._fit(reference)
                limits = None
            value = method.calculate(live)
            out[key] = {"value": plain(value), "limits": limits}
            if key == "chi2":
                out[key] |= {"p": plain(method._p_value)}
            elif limits is not None:
                out[key] |= {"alert": bool(method.alert(value))}
        return out

    continuous = ("kolmogorov_smirnov", "jensen_shannon", "wasserstein", "hellinger")
    categorical = ("chi2", "jensen_shannon", "l_infinity", "hellinger")
    return {"numeric": made(numeric_cases(), 301, uniform_class,
                            lambda a, b: judge(FeatureType.CONTINUOUS, continuous, a, b)),
            "categories": made(category_cases(), 401, uniform_class,
                               lambda a, b: judge(FeatureType.CATEGORICAL, categorical, names(a), names(b)))}


# --- frouros ---


def frouros(uniform_class):
    from frouros.detectors import data_drift

    detectors = {"psi": data_drift.PSI, "hellinger": data_drift.HellingerDistance,
                 "bhattacharyya": data_drift.BhattacharyyaDistance, "js": data_drift.JS, "kl": data_drift.KL}

    def distance(make, a, b):
        detector = make()
        detector.fit(X=a)
        return detector.compare(X=b)[0].distance

    def numeric(a, b):
        return {name: attempt(lambda make=make: distance(make, a, b)) for name, make in detectors.items()}

    return {"numeric": made(numeric_cases(), 301, uniform_class, numeric)}
