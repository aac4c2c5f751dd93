"""The peer of `./dev bench trainer`'s sums: all_reduce of PyTorch's gloo group, float32, under torchrun."""

import json
import statistics
import sys
import time

import torch
import torch.distributed as dist


def main():
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    out = []
    for size in map(int, sys.argv[1:]):
        values = torch.zeros(size // 4)
        for _ in range(3):
            dist.all_reduce(values)
        rounds = 3 if size > 8 << 20 else 50 if size > 256 << 10 else 200
        samples = []
        for _ in range(9 if size <= 8 << 20 else 5):
            dist.barrier()
            began = time.perf_counter()
            for _ in range(rounds):
                dist.all_reduce(values)
            samples.append((time.perf_counter() - began) / rounds * 1e6)
        out.append({"bytes": size, "median_us": statistics.median(samples)})
    if rank == 0:
        print(json.dumps({"sums": out}), flush=True)
    dist.destroy_process_group()


main()
