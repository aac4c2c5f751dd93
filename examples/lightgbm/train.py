import argparse
import json
import os
from pathlib import Path

import lightgbm
import numpy
import pyarrow.parquet

from features import matrix, read_spec

arguments = argparse.ArgumentParser()
arguments.add_argument("--leaves", type=int, default=31)
arguments = arguments.parse_args()

numeric, categorical = read_spec(os.environ["REKINDLE_SPEC"])
train = pyarrow.parquet.read_table(os.environ["REKINDLE_TRAIN"]).to_pydict()
valid = pyarrow.parquet.read_table(os.environ["REKINDLE_VALID"]).to_pydict()
words = {name: sorted({v for v in train[name] if v is not None}) for name in categorical}
label = os.environ["REKINDLE_LABEL"]
columns = list(range(len(numeric), len(numeric) + len(categorical)))


def dataset(rows, reference=None):
    return lightgbm.Dataset(matrix(rows, numeric, words), label=numpy.array(rows[label], dtype=float),
                            categorical_feature=columns, reference=reference, free_raw_data=False)


def report(env):
    _, name, loss, _ = env.evaluation_result_list[0][:4]
    with open(os.environ["REKINDLE_METRICS"], "a") as file:
        file.write(json.dumps({"step": env.iteration + 1, "steps": env.end_iteration, "valid_loss": loss}) + "\n")


first = dataset(train)
booster = lightgbm.train(
    {"objective": "binary", "metric": "binary_logloss", "num_leaves": arguments.leaves, "learning_rate": 0.1,
     "seed": int(os.environ["REKINDLE_SEED"]), "num_threads": int(os.environ["OMP_NUM_THREADS"]), "verbose": -1},
    first, num_boost_round=200, valid_sets=[dataset(valid, first)],
    callbacks=[lightgbm.early_stopping(10, verbose=False), report])

out = Path(os.environ["REKINDLE_OUT"])
booster.save_model(out / "trees.txt")
(out / "columns.json").write_text(json.dumps({"numeric": numeric, "words": words}))
print(f"{booster.best_iteration} rounds, validation loss {booster.best_score['valid_0']['binary_logloss']:.4f}")
