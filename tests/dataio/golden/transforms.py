"""Writes transforms.json: fitted statistics and encoded rows of a small table, in plain Python (fractions for
the sums, so the expected figures are exact to the last rounding)."""
import json
import math
import random
from fractions import Fraction

random.seed(7)
ROWS = 400
columns = {
    "x": [None if random.random() < 0.1 else random.gauss(50, 20) for _ in range(ROWS)],
    "big": [1e9 + random.random() for _ in range(ROWS)],
    "constant": [3.25] * ROWS,
    "empty": [None] * ROWS,
}
words = ["a"] * 200 + ["b"] * 100 + ["\u00e4"] * 50 + ["rare"] * 4 + ["five"] * 5 + [None] * 41
random.shuffle(words)
fresh = {
    "x": [None, -1e9, 1e9, 50.0],
    "big": [1e9, 1e9 + 0.5, 0.0, None],
    "constant": [3.25, 4.0, None, -1.0],
    "empty": [1.0, None, 5.0, 0.0],
}
fresh_words = ["a", "rare", "never seen", None]


def fit(values):
    seen = [Fraction(v) for v in values if v is not None]
    missing = len(seen) < len(values)
    if not seen:
        return dict(low=0, high=0, mean=0, scale=1, indicator=True)
    mean = sum(seen) / len(seen)
    scale = math.sqrt(sum((v - mean) ** 2 for v in seen) / len(seen))
    return dict(low=float(min(seen)), high=float(max(seen)), mean=float(mean), scale=scale or 1.0, indicator=missing)


def encode(fitted, value):
    out = []
    for_missing = [1.0] if fitted["indicator"] else []
    if value is None:
        return [0.0] + for_missing
    clipped = min(max(value, fitted["low"]), fitted["high"])
    out.append((clipped - fitted["mean"]) / fitted["scale"])
    return out + ([0.0] if fitted["indicator"] else [])


fits = {name: fit(values) for name, values in columns.items()}
vocabulary = sorted((w for w in set(words) - {None} if words.count(w) >= 5), key=lambda w: w.encode())


def table(numbers, texts):
    rows = []
    for row in range(len(texts)):
        rows.append({"numeric": [cell for name in columns for cell in encode(fits[name], numbers[name][row])],
                     "category": vocabulary.index(texts[row]) + 1 if texts[row] in vocabulary else 0})
    return rows


with open("tests/dataio/golden/transforms.json", "w") as file:
    json.dump({"columns": columns, "words": words, "fresh": fresh, "fresh_words": fresh_words, "fits": fits,
               "vocabulary": vocabulary, "training": table(columns, words), "unseen": table(fresh, fresh_words)}, file)
    file.write("\n")
