"""Columns to the matrix that the trees see; the same for training and serving."""

import json
from pathlib import Path

import numpy


def read_spec(path):
    data = json.loads(Path(path).read_text())["data"]
    return data["numeric"], data["categorical"]


def matrix(columns, numeric, words):
    """`columns`: lists by name, None where a value is missing. `words`: of each categorical column, its values."""
    parts = [numpy.array([numpy.nan if v is None else v for v in columns[name]], dtype=float) for name in numeric]
    for name, known in words.items():
        number = {word: i for i, word in enumerate(known)}
        parts.append(numpy.array([number.get(v, numpy.nan) for v in columns[name]], dtype=float))
    return numpy.column_stack(parts)
