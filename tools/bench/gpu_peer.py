"""The peer of the GPU bench: the same network in PyTorch, `eager`, by `compile` (torch.compile) or as a CUDA `graph` of
the whole step; fused AdamW. Its rows lie on the GPU from the start, which favours it. Prints one JSON line."""

import json
import sys
import time

import torch
from torch import nn

from gpu_models import MODELS

WARM = 11


def main():
    name, way, steps, began, more = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = "tf32" in more
    torch.manual_seed(1)
    gpu = torch.device("cuda")
    model, inputs, labels, batch = MODELS[name](gpu)
    graph_way = way == "graph"
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True, capturable=graph_way)
    loss_of = nn.BCEWithLogitsLoss()
    autocast = torch.autocast("cuda", torch.bfloat16, enabled="bf16" in more, cache_enabled=not graph_way)
    forward = torch.compile(model) if way == "compile" else model
    taken, wanted = inputs[:batch].clone(), labels[:batch].clone()

    def work():
        with autocast:
            loss = loss_of(forward(taken).float().squeeze(1), wanted)
        loss.backward()
        optimizer.step()
        return loss

    graph = loss = None
    if graph_way:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM):
                optimizer.zero_grad(set_to_none=True)
                work()
        torch.cuda.current_stream().wait_stream(side)
        optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = work()
    batches = len(inputs) // batch
    order = torch.randperm(len(inputs), device=gpu)
    first = half = None
    for step in range(steps):
        if step % batches == 0:
            order = torch.randperm(len(inputs), device=gpu)
        at = step % batches * batch
        index = order[at:at + batch]
        torch.index_select(inputs, 0, index, out=taken)
        torch.index_select(labels, 0, index, out=wanted)
        if graph:
            graph.replay()
        else:
            optimizer.zero_grad(set_to_none=True)
            loss = work()
        if step == 0:
            loss.item()
            first = time.time()
        elif step == steps // 2:
            loss.item()
            half = time.time()
    last_loss = loss.item()
    end = time.time()
    print(json.dumps({"first_step": first - began, "all_steps": end - began, "steps": steps,
                      "steps_per_second": (steps - steps // 2 - 1) / (end - half), "loss": last_loss}), flush=True)


main()
