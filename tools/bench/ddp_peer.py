"""The peer of the step benches: PyTorch DDP on gloo under torchrun, same model shape, rows and batch.

Reads no file (its rows are made in memory), which favours it. Prints one JSON line from rank 0."""

import json
import os
import sys
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class Tabular(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(rows, width) for rows, width in shape["embeddings"])
        widths = [shape["numeric"] + sum(width for _, width in shape["embeddings"])] + shape["hidden"]
        layers = []
        for fan_in, fan_out in zip(widths, widths[1:]):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU(), nn.Dropout(shape["dropout"])]
        self.body = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, numbers, categories):
        parts = [table(categories[:, i]) for i, table in enumerate(self.embeddings)]
        return self.body(torch.cat([numbers, *parts], dim=1)).squeeze(1)


def main():
    shape = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(1)
    model = DistributedDataParallel(Tabular(shape))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    loss_of = nn.BCEWithLogitsLoss()
    local = shape["batch"] // world
    rows = shape["rows"]
    numbers = torch.randn(rows, shape["numeric"])
    columns = [torch.randint(0, n, (rows,)) for n, _ in shape["embeddings"]]
    categories = torch.stack(columns, dim=1) if columns else torch.zeros(rows, 0, dtype=torch.long)
    labels = (torch.rand(rows) < 0.2).float()
    order = torch.randperm(rows)
    batches = rows // shape["batch"]
    first = None
    began = time.time()
    for step in range(shape["steps"]):
        at = (step % batches) * shape["batch"] + rank * local
        index = order[at:at + local]
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(numbers[index], categories[index]), labels[index]).backward()
        optimizer.step()
        if first is None:
            first = time.time()
            began = first
    seconds = time.time() - began
    if rank == 0:
        print(json.dumps({"first_step": first, "steps_per_second": (shape["steps"] - 1) / seconds}), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    main()
