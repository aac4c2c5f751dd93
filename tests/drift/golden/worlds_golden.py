"""Rows of river's generators: the first few, and sums over many. Numbers are written to the last bit, in hexadecimal."""

from river.datasets import synth

SHOWN = 6
SUMMED = 3000


def cases():
    """(name, arguments as the C++ test takes them, river's stream)."""
    for variant in range(4):
        yield "sea", [42 + variant, variant, 0.1], synth.SEA(variant=variant, noise=0.1, seed=42 + variant)
    yield "sea", [7, 2, 0.0], synth.SEA(variant=2, seed=7)
    for function in range(10):
        yield ("agrawal", [function + 1, function, 0.05],
               synth.Agrawal(classification_function=function, seed=function + 1, perturbation=0.05))
    yield "agrawal", [3, 4, 0.0], synth.Agrawal(classification_function=4, seed=3)
    yield ("hyperplane", [5, 10, 2, 0.0, 0.05, 0.1], synth.Hyperplane(seed=5))
    yield ("hyperplane", [6, 8, 4, 0.001, 0.2, 0.3],
           synth.Hyperplane(seed=6, n_features=8, n_drift_features=4, mag_change=0.001, noise_percentage=0.2, sigma=0.3))
    yield "led", [11, 0.1, 0], synth.LED(seed=11, noise_percentage=0.1, irrelevant_features=True)
    yield ("led", [12, 0.2, 4],
           synth.LEDDrift(seed=12, noise_percentage=0.2, irrelevant_features=True, n_drift_features=4))
    yield "rbf", [1, 2, 2, 10, 50, 0.0, 0], synth.RandomRBF(seed_model=1, seed_sample=2)
    yield ("rbf", [3, 4, 4, 5, 20, 0.01, 10],
           synth.RandomRBFDrift(seed_model=3, seed_sample=4, n_classes=4, n_features=5, n_centroids=20, change_speed=0.01,
                                n_drift_centroids=10))
    yield ("mixed", [9, 1000, 200],
           synth.ConceptDriftStream(stream=synth.SEA(variant=0, seed=1), drift_stream=synth.SEA(variant=3, seed=2),
                                    position=1000, width=200, seed=9))


def worlds():
    out = []
    for name, arguments, stream in cases():
        shown, sums, label_sum, changes = [], None, 0, 0
        last = None
        for i, (x, y) in enumerate(stream.take(SUMMED)):
            row = [float(value) for value in x.values()]
            if i < SHOWN:
                shown.append({"x": [value.hex() for value in row], "y": int(y)})
            sums = row if sums is None else [a + b for a, b in zip(sums, row)]
            label_sum += int(y)
            changes += last is not None and last != int(y)
            last = int(y)
        out.append({"name": name, "arguments": arguments, "rows": shown, "summed": SUMMED,
                    "sums": [value.hex() for value in sums],
                    "labels": label_sum, "changes": int(changes)})
    return out
