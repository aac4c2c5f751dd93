"""The network and what it sees; the same for training and serving."""

import torch


class Net(torch.nn.Module):
    def __init__(self, numbers, sizes):
        super().__init__()
        self.embeddings = torch.nn.ModuleList(torch.nn.Embedding(size + 1, 8) for size in sizes)
        self.layers = torch.nn.Sequential(torch.nn.Linear(numbers + 8 * len(sizes), 64), torch.nn.ReLU(),
                                          torch.nn.Linear(64, 1))

    def forward(self, numbers, codes):
        embedded = [embedding(codes[:, i]) for i, embedding in enumerate(self.embeddings)]
        return self.layers(torch.cat([numbers, *embedded], dim=1)).squeeze(1)


def tensors(columns, facts):
    """`columns`: lists by name, None where a value is missing."""
    numbers = [[0.0 if v is None else (v - fact["mean"]) / fact["scale"] for v in columns[name]]
               for name, fact in facts["numeric"].items()]
    codes = []
    for name, words in facts["words"].items():
        number = {word: i + 1 for i, word in enumerate(words)}
        codes.append([number.get(v, 0) for v in columns[name]])
    return torch.tensor(numbers, dtype=torch.float32).T, torch.tensor(codes).T
