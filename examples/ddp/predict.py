import json
import os
from pathlib import Path

import torch

from model import Net, tensors
from serve import serve

torch.set_num_threads(1)
folder = Path(os.environ["REKINDLE_MODEL"])
facts = json.loads((folder / "facts.json").read_text())
net = Net(len(facts["numeric"]), [len(words) for words in facts["words"].values()])
net.load_state_dict(torch.load(folder / "net.pt", weights_only=True))
net.eval()


def predict(rows):
    with torch.no_grad():
        return torch.sigmoid(net(*tensors(rows, facts))).tolist()


serve(predict)
