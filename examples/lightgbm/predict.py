import json
import os
from pathlib import Path

import lightgbm

from features import matrix
from serve import serve

folder = Path(os.environ["REKINDLE_MODEL"])
columns = json.loads((folder / "columns.json").read_text())
booster = lightgbm.Booster(model_file=folder / "trees.txt")


def predict(rows):
    return booster.predict(matrix(rows, columns["numeric"], columns["words"]), num_threads=1).tolist()


serve(predict)
