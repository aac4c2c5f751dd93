#!/usr/bin/env python3
"""The structure of the sources, as a test: arrows between folders as drawn in docs/architecture.md, where
heavy libraries may be included, sizes of files and folders, and two things that g++ 12 miscompiles.

`tidy.py` checks the project. `tidy.py --self-test` checks that each rule bites."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
SOURCE_LINES_MAX = 500
HEADER_LINES_MAX = 220
FOLDER_SOURCES_MAX = 12

# Header prefix -> folders that may include it, their sub-folders too.
CONFINED = {
    "boost/beast": ["net"],
    "torch/": ["trainer"],
    "ATen/": ["trainer"],
    "c10/": ["trainer"],
    "arrow/": ["artifacts", "dataio"],
    "parquet/": ["artifacts", "dataio"],
    "mpi.h": ["trainer/collectives"],
    "nccl.h": ["trainer/collectives/nccl"],
    "cuda": ["trainer/collectives/nccl", "trainer/gpu/plugin"],
    "c10/cuda": ["trainer/collectives/nccl", "trainer/gpu/plugin"],
    "ATen/cuda": ["trainer/gpu/plugin"],
    "datasketches/": ["drift/sketch"],
    "sqlite3.h": ["coordinator", "events", "base/sqlite"],
    "yaml-cpp": ["jobs"],
    "CLI/": ["cli", "coordinator", "serving", "launch", "trainer"],
}


def drawn_arrows(text):
    """Reads the lines `folder -> a, b, c` of the fenced block after the heading 'Arrows'."""
    block = re.search(r"## Arrows.*?```\n(.*?)```", text, re.S)
    if not block:
        return None
    arrows = {}
    for line in block.group(1).splitlines():
        match = re.match(r"(\w+)\s*->\s*(.*)", line)
        if match:
            arrows[match.group(1)] = {part.strip() for part in match.group(2).split(",") if part.strip()}
    return arrows


def include_problems(path, text, arrows):
    folder = path.parts[0]
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#include\s+["<]([^">]+)[">]', line)
        if not match:
            continue
        target = match.group(1)
        head = target.split("/")[0]
        if target.startswith("rekindle/v1/"):
            head = "proto"
        if head in arrows and head != folder and head not in arrows[folder]:
            yield f"{path}:{number}: {folder} -> {head} is not drawn in docs/architecture.md"
        for prefix, allowed in CONFINED.items():
            if target.startswith(prefix) and not any(str(path.parent / "").startswith(f"{a}") for a in allowed):
                yield f"{path}:{number}: {target} may be included only in {', '.join(allowed)}"


def text_problems(path, text):
    lines = text.count("\n")
    limit = HEADER_LINES_MAX if path.suffix == ".h" else SOURCE_LINES_MAX
    if lines > limit:
        yield f"{path}: {lines} lines, at most {limit}"
    if path.suffix == ".h" and not text.startswith("//"):
        yield f"{path}: a header opens with what it owns"
    for number, line in enumerate(text.splitlines(), 1):
        code = line.split("//")[0]
        # g++ 12 destroys a braced temporary or a captured lambda inside an awaited expression twice.
        awaited = re.search(r"\bco_await\b(.*)", code)
        if awaited and re.search(r"[\w>]\{(?!\})|\{\}", awaited.group(1)) and "Await" not in awaited.group(1):
            if not awaited.group(1).rstrip().endswith(") {"):
                yield f"{path}:{number}: a braced temporary inside an awaited expression"
        if awaited and re.search(r"\[[^\]]+\]\s*(\(|\{)", awaited.group(1)) and "operator[]" not in line:
            if re.search(r"\[[&=]", awaited.group(1)):
                yield f"{path}:{number}: a captured lambda inside an awaited expression"
        if re.search(r"\?[^:]*\bco_await\b", code):
            yield f"{path}:{number}: co_await inside ?:"
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            yield f"{path}:{number}: unfinished word"


def sources():
    out = subprocess.run(["git", "ls-files", "*.cc", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in out.stdout.splitlines()]


def check_project():
    arrows = drawn_arrows(ARCHITECTURE.read_text())
    if arrows is None:
        return ["docs/architecture.md: no block of arrows under the heading 'Arrows'"]
    problems = []
    per_folder = {}
    for path in sources():
        text = (ROOT / path).read_text()
        problems += text_problems(path, text)
        if path.parts[0] in arrows:
            problems += include_problems(path, text, arrows)
            if path.suffix == ".cc":
                per_folder.setdefault(path.parent, []).append(path)
        elif path.parts[0] != "tests":
            problems.append(f"{path}: its folder is not in docs/architecture.md")
    for folder, files in sorted(per_folder.items()):
        if len(files) > FOLDER_SOURCES_MAX:
            problems.append(f"{folder}: {len(files)} sources, at most {FOLDER_SOURCES_MAX}: give it sub-folders")
    return problems


def self_test():
    arrows = {"core": {"base", "jobs"}, "net": {"base"}, "jobs": {"base"}, "base": set()}
    bites = [
        (list(include_problems(Path("core/a.cc"), '#include "net/http.h"\n', arrows)), 1),
        (list(include_problems(Path("core/a.cc"), '#include "jobs/spec.h"\n', arrows)), 0),
        (list(include_problems(Path("core/a.cc"), "#include <boost/beast/http.hpp>\n", arrows)), 1),
        (list(include_problems(Path("net/a.cc"), "#include <boost/beast/http.hpp>\n", arrows)), 0),
        (list(text_problems(Path("a.cc"), "x\n" * 501)), 1),
        (list(text_problems(Path("a.cc"), "  co_await send(Message{1});\n")), 1),
        (list(text_problems(Path("a.cc"), "  co_await run([&] { f(); });\n")), 1),
        (list(text_problems(Path("a.cc"), "  auto x = a ? co_await f() : g();\n")), 1),
        (list(text_problems(Path("a.cc"), "  auto x = co_await f(a);\n")), 0),
        (list(text_problems(Path("a.h"), "#pragma once\n")), 1),
    ]
    return [f"rule {i}: {got}, wanted {want} problems" for i, (got, want) in enumerate(bites) if len(got) != want]


if __name__ == "__main__":
    found = self_test() if "--self-test" in sys.argv else check_project()
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
