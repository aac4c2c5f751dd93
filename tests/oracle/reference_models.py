"""The kinds of models in PyTorch's own words, with weights taken by name from ours. Dropout is off."""

import math

import torch
from torch import nn
from torch.nn import functional


class Tabular(nn.Module):
    """Embeddings beside numbers, an MLP with ReLU; linear: one coefficient for each number and category."""

    def __init__(self, spec, parameters):
        super().__init__()
        self.linear = "linear" in spec["train"]["model"]
        columns = spec["data"].get("categorical", [])
        self.tables = nn.ModuleList(nn.Embedding(*parameters[f"embedding.{c}"].shape) for c in columns)
        depth = sum(name.startswith("layer") and name.endswith(".weight") for name in parameters)
        shapes = [parameters[f"layer{i}.weight"].shape for i in range(depth)]
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for outputs, inputs in shapes)
        with torch.no_grad():
            for table, column in zip(self.tables, columns):
                table.weight.copy_(parameters[f"embedding.{column}"])
            for i, layer in enumerate(self.layers):
                layer.weight.copy_(parameters[f"layer{i}.weight"])
                layer.bias.copy_(parameters[f"layer{i}.bias"])

    def forward(self, tensors, index):
        rows = tensors["labels"].shape[0]
        numeric = tensors.get("numeric", torch.zeros(rows, 0))[index]
        categorical = tensors.get("categorical", torch.zeros(rows, 0, dtype=torch.long))[index]
        looked_up = [table(categorical[:, i]) for i, table in enumerate(self.tables)]
        if self.linear:
            return self.layers[0](numeric) + sum(looked_up)
        x = torch.cat([numeric, *looked_up], dim=1)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


def group_norm(channels):
    return nn.GroupNorm(math.gcd(8, channels), channels)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = group_norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = group_norm(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), group_norm(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """torchvision's BasicBlock network as for CIFAR, GroupNorm in place of BatchNorm."""

    def __init__(self, spec, parameters):
        super().__init__()
        cnn = spec["train"]["model"]["cnn"]
        width = cnn.get("width", 16)
        self.conv1 = nn.Conv2d(1 if cnn.get("gray") else 3, width, 3, 1, 1, bias=False)
        self.bn1 = group_norm(width)
        self.stages = len(cnn["blocks"])
        inputs = width
        for stage, count in enumerate(cnn["blocks"]):
            outputs = width << stage
            blocks = []
            for block in range(count):
                blocks.append(Block(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(*reversed(parameters["fc.weight"].shape))
        self.load_state_dict(parameters)

    def forward(self, tensors, index):
        x = torch.relu(self.bn1(self.conv1(tensors["images"][index].float() / 127.5 - 1)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


class Transformer(nn.Module):
    """PyTorch's own nn.TransformerEncoder, norm first and GELU, over the last `context` tokens."""

    def __init__(self, spec, parameters):
        super().__init__()
        t = spec["train"]["model"]["transformer"]
        self.context, self.causal = t["context"], t.get("causal", False)
        width = t["width"]
        self.tokens = nn.Embedding(t["vocabulary"], width)
        self.positions = nn.Embedding(self.context, width)
        layer = nn.TransformerEncoderLayer(width, t["heads"], 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, t["layers"], nn.LayerNorm(width), enable_nested_tensor=False)
        self.fc = nn.Linear(*reversed(parameters["fc.weight"].shape))
        self.load_state_dict(parameters)

    def forward(self, tensors, index):
        starts, flat = tensors["token_starts"], tensors["tokens"]
        rows = [flat[starts[i]:starts[i + 1]][-self.context:] for i in index.tolist()]
        lengths = torch.tensor([len(row) for row in rows])
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        length = padded.shape[1]
        places = torch.arange(length)
        hidden = places[None, :] >= lengths[:, None]
        mask = nn.Transformer.generate_square_subsequent_mask(length) if self.causal else None
        hidden = torch.zeros(hidden.shape).masked_fill(hidden, float("-inf"))
        x = self.encoder(self.tokens(padded) + self.positions(places), mask=mask, src_key_padding_mask=hidden)
        if self.causal:
            return self.fc(x[torch.arange(len(rows)), lengths - 1])
        return self.fc((x * (places[None, :] < lengths[:, None]).unsqueeze(2)).sum(1) / lengths.unsqueeze(1))


class Wide(nn.Module):
    """examples/plugin/wide.c: a bias, a coefficient for each number and for each value of each category."""

    def __init__(self, parameters, categorical):
        super().__init__()
        for name, values in parameters.items():
            setattr(self, name, nn.Parameter(values.clone()))
        counts = categorical.max(dim=0).values + 1  # every value that the table has a row for is there
        self.first = 1 + counts.cumsum(0) - counts
        assert self.first[-1] + counts[-1] == self.categories.shape[0]

    def forward(self, tensors, index):
        numeric, categorical = tensors["numeric"][index], tensors["categorical"][index]
        looked_up = self.categories[categorical + self.first].sum(1)
        return (numeric @ self.numbers[:-1] + self.bias).unsqueeze(1) + looked_up


def build(spec, tensors):
    parameters = {name.removeprefix("parameters/"): t for name, t in tensors.items() if name.startswith("parameters/")}
    kinds = {"linear": Tabular, "tabular": Tabular, "cnn": ResNet, "transformer": Transformer}
    kind = next(iter(spec["train"]["model"]))
    if kind == "plugin":
        return Wide(parameters, tensors["categorical"])
    return kinds[kind](spec, parameters)


def loss_sum(spec, model, tensors, index):
    """Sum of the rows' losses."""
    outputs = model(tensors, index)
    labels = tensors["labels"][index]
    kind = spec["data"]["label"].get("kind", "BINARY")
    if kind == "MULTICLASS":  # the number of the class
        return functional.cross_entropy(outputs, labels.long(), reduction="sum")
    if kind == "REGRESSION":
        return functional.mse_loss(outputs.squeeze(1), regression_targets(spec, tensors, labels), reduction="sum")
    if kind == "MULTILABEL":  # a bit for each class; the mean over the classes
        bits = labels.long().unsqueeze(1) >> torch.arange(outputs.shape[1]) & 1
        return functional.binary_cross_entropy_with_logits(outputs, bits.float(), reduction="none").mean(1).sum()
    return functional.binary_cross_entropy_with_logits(outputs.squeeze(1), labels.float(), reduction="sum")


def regression_targets(spec, tensors, labels):
    """Standardised over the training rows."""
    whole = tensors["labels"]
    return ((labels - whole.mean()) / whole.std(correction=0)).float()
