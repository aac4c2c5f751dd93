#!/usr/bin/env python3
"""Prints kinds.json: what PyTorch's own modules answer, lose and differentiate for the parameters and rows that
deep_kinds_test.cc makes by the same formulas. Needs torch (2.11.0 made it)."""

import json
import math

import torch
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)
CLASSES = 3


def load(module):
    """Every parameter by name: the names are part of what is compared."""
    state = {}
    for name, value in module.named_parameters():
        flat = [0.2 * math.cos(i * 0.37 + len(name)) + (1.0 if is_scale(name) else 0.0) for i in range(value.numel())]
        state[name] = torch.tensor(flat, dtype=torch.float32).view(value.shape)
    module.load_state_dict(state, strict=True)
    return module.double().float()


def is_scale(name):
    return name.endswith(".weight") and ("bn" in name or "norm" in name or "downsample.1" in name)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        norm = lambda c: nn.GroupNorm(math.gcd(8, c), c)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = norm(outputs)
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.GroupNorm(math.gcd(8, width), width)
        inputs = width
        for stage, count in enumerate(blocks):
            layers = []
            for block in range(count):
                layers.append(Block(inputs, width << stage, 2 if stage and not block else 1))
                inputs = width << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.stages = len(blocks)
        self.fc = nn.Linear(inputs, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self, vocabulary, context, width, layers, heads, causal):
        super().__init__()
        self.causal = causal
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
                                           norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, rows):
        longest = max(len(row) for row in rows)
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        padding = torch.arange(longest)[None] >= lengths[:, None]
        mask = nn.Transformer.generate_square_subsequent_mask(longest) if self.causal else None
        bias = torch.zeros(padding.shape).masked_fill(padding, float("-inf"))
        x = self.tokens(tokens) + self.positions.weight[:longest]
        x = self.encoder(x, mask=mask, src_key_padding_mask=bias)
        if self.causal:
            return self.fc(x[torch.arange(len(rows)), lengths - 1])
        x = x.masked_fill(padding[..., None], 0).sum(1) / lengths[:, None]
        return self.fc(x)


def report(module, inputs, labels):
    module.train()
    logits = module(inputs)
    loss = F.cross_entropy(logits, labels, reduction="sum")
    loss.backward()
    gradients = {name: float(p.grad.double().norm()) for name, p in module.named_parameters()}
    return {"logits": logits.flatten().tolist(), "loss": loss.item(), "gradient_norms": gradients}


labels = torch.tensor([0, 2, 1, 2, 0])
pixels = torch.tensor([(i * 37 + i // 7 * 11) % 256 for i in range(5 * 3 * 8 * 8)], dtype=torch.float32)
images = (pixels / 127.5 - 1).view(5, 3, 8, 8)
rows = [[(r * 5 + p * 3 + r * p) % 11 for p in range(length)] for r, length in enumerate([3, 6, 1, 5, 2])]
out = {"cnn": report(load(ResNet(4, [1, 2])), images, labels)}
for causal in (False, True):
    out["decoder" if causal else "encoder"] = report(load(Transformer(11, 6, 16, 2, 2, causal)), rows, labels)
print(json.dumps(out, indent=1))
