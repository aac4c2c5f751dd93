"""The peer of `./dev bench trainer`'s ResNet: the same network (GroupNorm), images as bytes, AdamW, one thread."""

import json
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "oracle"))
from reference_models import Block, group_norm  # noqa: E402


class ResNet(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape["width"]
        layers, inputs = [nn.Conv2d(3, width, 3, 1, 1, bias=False), group_norm(width), nn.ReLU()], width
        for stage, count in enumerate(shape["blocks"]):
            for block in range(count):
                layers.append(Block(inputs, width << stage, 2 if stage > 0 and block == 0 else 1))
                inputs = width << stage
        self.body = nn.Sequential(*layers)
        self.fc = nn.Linear(inputs, shape["classes"])

    def forward(self, images):
        return self.fc(self.body(images.float() / 127.5 - 1).mean((2, 3)))


def gemm_gflops():
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return 2 * 1024**3 / best / 1e9


def main():
    shape = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    torch.manual_seed(1)
    plain = ResNet(shape)
    flops = []

    def count(module, _, output):
        flops.append(2 * output.numel() * module.weight.numel() / module.weight.shape[0])

    hooks = [m.register_forward_hook(count) for m in plain.modules() if isinstance(m, nn.Conv2d)]
    model = DistributedDataParallel(plain)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    images = torch.randint(0, 256, (shape["images"], 3, shape["size"], shape["size"]), dtype=torch.uint8)
    labels = torch.randint(0, shape["classes"], (shape["images"],))
    order = torch.randperm(shape["images"])
    batches = shape["images"] // shape["batch"]
    need = began = 0
    for step in range(shape["steps"]):
        at = step % batches * shape["batch"]
        index = order[at:at + shape["batch"]]
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images[index]), labels[index]).backward()
        optimizer.step()
        if step == 0:
            need = 3 * sum(flops)  # backward takes twice what forward takes
            for hook in hooks:
                hook.remove()
            began = time.time()
    seconds = time.time() - began
    print(json.dumps({"steps_per_second": (shape["steps"] - 1) / seconds, "gflop_per_step": need / 1e9,
                      "gemm_gflops": gemm_gflops()}), flush=True)
    dist.destroy_process_group()


main()
