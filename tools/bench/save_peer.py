"""The peer of `./dev bench trainer`'s checkpoints: torch.save of model and optimizer, fsync, rename, in the loop.

  save_peer.py SHAPE FOLDER"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from ddp_peer import Tabular


def save(model, optimizer, folder, step):
    path = folder / f"step-{step % 2}.pt"
    with open(str(path) + ".tmp", "wb") as out:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, out)
        out.flush()
        os.fsync(out.fileno())
    os.rename(str(path) + ".tmp", path)
    return path.stat().st_size


def main():
    shape, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = Tabular(shape)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    loss_of = nn.BCEWithLogitsLoss()
    numbers = torch.randn(shape["batch"], shape["numeric"])
    categories = torch.zeros(shape["batch"], 0, dtype=torch.long)
    labels = (torch.rand(shape["batch"]) < 0.2).float()
    plain, saving, size = [], [], 0
    for step in range(1, shape["steps"] + 1):
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(numbers, categories), labels).backward()
        optimizer.step()
        due = step % shape["save_every"] == 0
        if due:
            size = save(model, optimizer, folder, step)
        (saving if due else plain).append(time.perf_counter() - began)
    print(json.dumps({"stall": statistics.median(saving) - statistics.median(plain), "bytes": size,
                      "step": statistics.median(plain)}))


main()
