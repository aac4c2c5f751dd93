"""Runs under torchrun as it does here: it takes rank and world from torchrun's variables. Of rekindle it knows folders,
and that SIGUSR1 asks it to save and leave."""

import argparse
import json
import os
import re
import signal
import sys
from pathlib import Path

import pyarrow.parquet
import torch
import torch.distributed
from torch.nn.parallel import DistributedDataParallel

from model import Net, tensors

arguments = argparse.ArgumentParser()
arguments.add_argument("--epochs", type=int, default=6)
arguments.add_argument("--batch", type=int, default=256)
arguments = arguments.parse_args()

leaving = False


def on_leave(*_):
    global leaving
    leaving = True


signal.signal(signal.SIGUSR1, on_leave)
torch.distributed.init_process_group("gloo")
rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
torch.manual_seed(int(os.environ["REKINDLE_SEED"]))
data = json.loads(Path(os.environ["REKINDLE_SPEC"]).read_text())["data"]
train = pyarrow.parquet.read_table(os.environ["REKINDLE_TRAIN"]).to_pydict()
valid = pyarrow.parquet.read_table(os.environ["REKINDLE_VALID"]).to_pydict()


def fact(name):
    known = torch.tensor([v for v in train[name] if v is not None])
    return {"mean": known.mean().item(), "scale": known.std().item() or 1.0}


facts = {"numeric": {name: fact(name) for name in data["numeric"]},
         "words": {name: sorted({v for v in train[name] if v is not None}) for name in data["categorical"]}}
label = data["label"]["column"]
inputs, targets = tensors(train, facts), torch.tensor(train[label], dtype=torch.float32)
valid_inputs, valid_targets = tensors(valid, facts), torch.tensor(valid[label], dtype=torch.float32)

net = DistributedDataParallel(Net(len(facts["numeric"]), [len(words) for words in facts["words"].values()]))
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
loss_of = torch.nn.BCEWithLogitsLoss()
checkpoints = Path(os.environ["REKINDLE_CHECKPOINT"])


def newest():
    steps = [int(match[1]) for path in checkpoints.iterdir() if (match := re.fullmatch(r"step-(\d+)", path.name))]
    return max(steps, default=None)


def save(step, epoch):
    """Rank 0 writes into a folder beside and renames it: that commits."""
    if rank == 0 and not (checkpoints / f"step-{step}").exists():
        folder = checkpoints / f"step-{step}.tmp"
        folder.mkdir()
        torch.save({"net": net.module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch, "step": step},
                   folder / "state.pt")
        folder.rename(checkpoints / f"step-{step}")
    torch.distributed.barrier()


def say(**fields):
    if rank == 0:
        with open(os.environ["REKINDLE_METRICS"], "a") as file:
            file.write(json.dumps(fields) + "\n")


step = epoch = 0
if (found := newest()) is not None:
    state = torch.load(checkpoints / f"step-{found}" / "state.pt", weights_only=True)
    net.module.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    step, epoch = state["step"], state["epoch"]
    print(f"goes on from step {step}, epoch {epoch}")

while epoch < arguments.epochs:
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(epoch))
    mine = order[rank : len(order) // world * world : world]
    for rows in mine.split(arguments.batch):
        optimizer.zero_grad()
        loss = loss_of(net(inputs[0][rows], inputs[1][rows]), targets[rows])
        loss.backward()
        optimizer.step()
        step += 1
    epoch += 1
    with torch.no_grad():
        valid_loss = loss_of(net.module(*valid_inputs), valid_targets).item()
    say(step=step, epoch=epoch, epochs=arguments.epochs, train_loss=loss.item(), valid_loss=valid_loss)
    # All ranks leave after the same epoch: one of them was asked first.
    asked = torch.tensor(int(leaving))
    torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
    save(step, epoch)
    if asked:
        sys.exit(75)

if rank == 0:
    out = Path(os.environ["REKINDLE_OUT"])
    torch.save(net.module.state_dict(), out / "net.pt")
    (out / "facts.json").write_text(json.dumps(facts))
torch.distributed.destroy_process_group()
