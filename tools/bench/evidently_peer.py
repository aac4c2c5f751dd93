"""evidently's side of `./dev bench drift`: `evidently_peer.py FILE ROWS COLUMNS` reports the drift of a table against a
reference and prints one JSON line. Its own defaults; making the data frames is not in the time."""

import json
import os
import sys
import time

import numpy
import pandas

os.environ["DO_NOT_TRACK"] = "1"  # evidently reports what is done with it, else
from evidently import Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402


def main():
    path, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    numbers = numpy.fromfile(path).reshape(2, columns, rows)
    names = [f"c{i}" for i in range(columns)]
    reference, live = (pandas.DataFrame(dict(zip(names, side))) for side in numbers)
    began = time.perf_counter()
    result = Report([DataDriftPreset()]).run(live, reference)
    told = result.dict()
    seconds = time.perf_counter() - began
    alarms = []
    for metric in told["metrics"]:
        column = metric.get("config", {}).get("column")
        if column is not None and float(metric["value"]) >= float(metric["config"]["threshold"]):
            alarms.append(column)
    print(json.dumps({"seconds": seconds, "alarms": sorted(alarms, key=names.index)}))


main()
