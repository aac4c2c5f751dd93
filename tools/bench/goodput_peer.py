"""The peer of `./dev bench goodput`: DDP with a checkpoint every few seconds, restarted by torchrun.

  goodput_peer.py SHAPE FOLDER"""

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ddp_peer import Tabular


def tell(folder, step):
    (folder / "step.tmp").write_text(str(step))
    os.rename(folder / "step.tmp", folder / "step")


def main():
    shape, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(1)
    plain = Tabular(shape)
    model = DistributedDataParallel(plain)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    loss_of = nn.BCEWithLogitsLoss()
    rows, local = shape["rows"], shape["batch"] // world
    numbers, labels = torch.randn(rows, shape["numeric"]), (torch.rand(rows) < 0.2).float()
    categories = torch.zeros(rows, 0, dtype=torch.long)
    order = torch.randperm(rows)
    step, kept = 0, folder / "kept.pt"
    if kept.exists():
        state = torch.load(kept)
        plain.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    if rank == 0:
        tell(folder, step)
    (folder / f"pid-{rank}").write_text(str(os.getpid()))
    saved = time.monotonic()
    while step < shape["steps"]:
        at = (step % (rows // shape["batch"])) * shape["batch"] + rank * local
        index = order[at:at + local]
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(numbers[index], categories[index]), labels[index]).backward()
        optimizer.step()
        step += 1
        if rank != 0:
            continue
        if step % 10 == 0:
            tell(folder, step)
        if time.monotonic() - saved >= shape["save_seconds"]:
            with open(folder / "kept.tmp", "wb") as out:
                torch.save({"model": plain.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, out)
                out.flush()
                os.fsync(out.fileno())
            os.rename(folder / "kept.tmp", kept)
            saved = time.monotonic()


main()
