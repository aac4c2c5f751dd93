"""What the GPU bench trains, as PyTorch has it: (model, inputs, labels, rows a batch), all on the GPU."""

import torch
from torch import nn

from reference_models import Block, group_norm


def mlp(gpu):
    model = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)).to(gpu)
    inputs = torch.rand(60000, 32, device=gpu) * 2 - 1
    return model, inputs, (inputs.sum(1) > 0).float(), 256


class ResNet(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        layers, inputs = [nn.Conv2d(3, width, 3, 1, 1, bias=False), group_norm(width), nn.ReLU()], width
        for stage, count in enumerate(blocks):
            for block in range(count):
                layers.append(Block(inputs, width << stage, 2 if stage > 0 and block == 0 else 1))
                inputs = width << stage
        self.body = nn.Sequential(*layers)
        self.fc = nn.Linear(inputs, 1)

    def forward(self, images):
        return self.fc(self.body(images).mean((2, 3)))


def resnet(gpu):
    inputs = torch.rand(4096, 3, 32, 32, device=gpu) * 2 - 1
    return ResNet(64, [2, 2, 2, 2]).to(gpu), inputs, (inputs[:, 0].mean((1, 2)) > 0).float(), 128


MODELS = {"mlp": mlp, "resnet": resnet}
