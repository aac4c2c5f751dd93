"""Our safetensors reader and writer beside the Python package of that name (peer environment).

  package_test.py SAFETENSORS_FILES

What we accept, the package must accept too and read as the same; what the package writes, we read. What we
refuse and it accepts is printed: those are rules of ours that are stricter."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save_file

MUTATIONS = 5000


def judged(program, folder):
    lines = subprocess.run([program, "judge", folder], capture_output=True, text=True, check=True).stdout
    return {line["file"]: line for line in map(json.loads, lines.splitlines())}


def package_reads(path):
    """The package's tensors by name, or None when it refuses."""
    try:
        tensors = deserialize(path.read_bytes())
    except Exception:  # its own error types differ from release to release
        return None
    return {name: {"dtype": t["dtype"], "shape": list(t["shape"]), "sha256": hashlib.sha256(bytes(t["data"])).hexdigest()}
            for name, t in tensors}


def write_by_package(folder):
    rng = np.random.default_rng(5)
    kinds = [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32,
             np.uint64, np.bool_, np.complex64]
    for i in range(100):
        tensors = {}
        for j in range(int(rng.integers(0, 6))):
            shape = tuple(int(n) for n in rng.integers(0, 5, size=int(rng.integers(0, 5))))
            tensors[f"t{j}.\u00e9\"\\"] = np.asarray(rng.integers(0, 100, size=shape)).astype(kinds[int(rng.integers(len(kinds)))])
        save_file(tensors, folder / f"package-{i}", metadata={"n": str(i)} if i % 2 else None)


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([program, "write", name, str(MUTATIONS)], check=True)
        write_by_package(folder)
        ours = judged(program, name)
        failures, stricter, both = [], [], 0
        for path in sorted(folder.iterdir()):
            mine, theirs = ours[path.name], package_reads(path)
            if mine["accepted"] and theirs is None:
                failures.append(f"{path.name}: we accept it, the package refuses it")
            elif mine["accepted"] and mine["tensors"] != theirs:
                failures.append(f"{path.name}: read as {mine['tensors']}, by the package as {theirs}")
            elif mine["accepted"]:
                both += 1
            elif theirs is not None:
                stricter.append((path.name, mine["says"]))
                if path.name.startswith(("package-", "ours-", "good-")):
                    failures.append(f"{path.name}: the package accepts it, we refuse it: {mine['says']}")
            if mine["accepted"] and path.name.startswith("package-"):
                i = int(path.name.split("-")[1])
                if mine["metadata"] != ({"n": str(i)} if i % 2 else {}):
                    failures.append(f"{path.name}: metadata {mine['metadata']}")
        for name, says in stricter:
            if not name.startswith("mutation-"):
                print(f"only we refuse {name}: {says}")
        print(f"{len(ours)} files: {both} accepted by both alike, {len(stricter)} refused by us alone")
        for failure in failures:
            print("FAILED", failure)
        sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
