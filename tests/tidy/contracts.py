#!/usr/bin/env python3
"""Protobuf numbers are never reused: compares the contracts with those of earlier commits.

A field, enum value or method that an earlier commit had must still be there with the same number, type
and label, or its number must be reserved. Compared with the last commit (or, when the work tree equals
it, the one before)."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "proto/rekindle/v1"


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)


def describe(folder):
    """{'Message.field': 'number type label'} of all .proto files below folder, and {'Message': reserved numbers}."""
    files = sorted(str(p.relative_to(folder)) for p in Path(folder).glob("rekindle/v1/*.proto"))
    compiled = subprocess.run(["protoc", "-I", str(folder), "--descriptor_set_out=/dev/stdout", *files],
                              capture_output=True, check=True).stdout
    text = subprocess.run(["protoc", "--decode=google.protobuf.FileDescriptorSet", "-I", "/usr/include",
                           "google/protobuf/descriptor.proto"], input=compiled, capture_output=True,
                          check=True).stdout.decode()
    facts, reserved = {}, {}
    path, blocks = [], []  # names and kinds of the open blocks
    for line in text.splitlines():
        line = line.strip()
        if line.endswith("{"):
            blocks.append((line[:-1].strip(), {}))
            continue
        if line == "}":
            kind, values = blocks.pop()
            scope = ".".join(v.get("name", "") for k, v in blocks if k in ("message_type", "nested_type", "enum_type"))
            name = f"{scope}.{values.get('name', '')}".strip(".")
            if kind == "field":
                facts[name] = " ".join(values.get(k, "") for k in ("number", "type", "type_name", "label"))
            elif kind == "value":
                facts[name] = values.get("number", "0")
            elif kind == "reserved_range":
                for number in range(int(values["start"]), int(values["end"])):
                    reserved.setdefault(scope, set()).add(str(number))
            elif kind == "method":
                service = blocks[-1][1].get("name", "")
                facts[f"{service}/{values['name']}"] = " ".join(
                    values.get(k, "") for k in ("input_type", "output_type", "server_streaming"))
            continue
        match = re.match(r'(\w+): "?(.*?)"?$', line)
        if match and blocks:
            blocks[-1][1].setdefault(match.group(1), match.group(2))
    return facts, reserved


def compare(old, new, reserved):
    for name, fact in sorted(old.items()):
        if name in new:
            if new[name] != fact:
                yield f"{name}: was '{fact}', is '{new[name]}'"
        elif fact.split(" ")[0] not in reserved.get(name.rpartition(".")[0], set()):
            yield f"{name}: gone, and its number {fact.split(' ')[0]} is not reserved"


def main():
    base = "HEAD"
    if git("diff", "--quiet", "HEAD", "--", PACKAGE).returncode == 0:
        base = "HEAD~1"
    listing = git("ls-tree", "--name-only", base, f"{PACKAGE}/")
    if listing.returncode != 0 or not listing.stdout:
        print(f"no contracts in {base} to compare with")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for name in listing.stdout.split():
            target = Path(folder) / Path(name).relative_to("proto")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(git("show", f"{base}:{name}").stdout)
        old, _ = describe(folder)
    new, reserved = describe(ROOT / "proto")
    problems = list(compare(old, new, reserved))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        gone = list(compare({"A.x": "1 T"}, {}, {}))
        kept = list(compare({"A.x": "1 T"}, {}, {"A": {"1"}}))
        changed = list(compare({"A.x": "1 T"}, {"A.x": "2 T"}, {}))
        sys.exit(0 if (len(gone), len(kept), len(changed)) == (1, 0, 1) else 1)
    sys.exit(main())
