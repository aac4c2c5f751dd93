#!/usr/bin/env python3
"""Writes python.safetensors with the safetensors package (0.5.3, numpy)."""

import numpy as np
from safetensors.numpy import save_file

save_file(
    {"layer0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array([7], dtype=np.int64)},
    "python.safetensors",
    metadata={"origin": "python"},
)
