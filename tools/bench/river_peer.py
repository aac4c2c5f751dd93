"""river's side of `./dev bench drift`: `river_peer.py adwin|page_hinkley|kswin FILE` looks at each number of a file of
doubles and prints one JSON line. Reading the file is not in the time."""

import array
import json
import pathlib
import sys
import time

from river import drift

DETECTORS = {"adwin": drift.ADWIN, "page_hinkley": drift.PageHinkley, "kswin": lambda: drift.KSWIN(seed=42)}


def main():
    events = array.array("d", pathlib.Path(sys.argv[2]).read_bytes())
    detector, alarms = DETECTORS[sys.argv[1]](), []
    began = time.perf_counter()
    for index, value in enumerate(events):
        detector.update(value)
        if detector.drift_detected:
            alarms.append(index)
    print(json.dumps({"seconds": time.perf_counter() - began, "alarms": alarms}))


main()
