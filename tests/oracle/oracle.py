"""PyTorch takes the steps that our trainer took: same weights, same batches, and says what the losses are.

  oracle.py write --test ORACLE_TEST     runs the cases and writes golden.json
  oracle.py check --test ORACLE_TEST     runs them and compares ours, PyTorch's now and golden.json

Nothing here is shared with the product but the files: models, losses, optimizers, schedules and DDP are
PyTorch's own or written from the documentation."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent))
import optimizers  # noqa: E402
import reference_models  # noqa: E402

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-5
# A case must not magnify rounding, or no two machines agree on it: begun this far apart, PyTorch's own losses stay
# within the second figure.
NUDGE, STEADY = 1e-7, 3e-6


class Case:
    def __init__(self, folder):
        told = json.loads((folder / "case.json").read_text())
        self.name, self.folder = folder.name, folder
        self.world, self.spec = told["world"], told["spec"]
        self.tensors = load_file(folder / "beginning.safetensors")
        self.tensors["labels"] = self.tensors["labels"].reshape(-1)  # one number a row, whatever its kind
        self.rows = [[] for _ in range(self.world)]  # of each rank, by step
        self.losses, self.rates = [], []
        for rank in range(self.world):
            for line in (folder / f"record-{rank}.jsonl").read_text().splitlines():
                record = json.loads(line)
                if "rows" in record:
                    self.rows[rank].append(record["rows"])
                else:
                    self.losses.append(record["loss"])
                    self.rates.append(record["rate"])

    def steps_most(self):
        train = self.spec["train"]
        rows = self.tensors["labels"].shape[0]
        batches = -(-rows // train["batch"])
        steps = batches * train["stop"]["epochs"]
        limit = int(train["stop"].get("steps", 0))
        return min(steps, limit) if limit else steps


def run_rank(rank, case_folder, out, port, nudge):
    """All steps of one rank; rank 0 writes losses and rates as JSON."""
    torch.set_num_threads(1)
    case = Case(Path(case_folder))
    noise = torch.Generator().manual_seed(1)
    for name, values in case.tensors.items():
        if name.startswith("parameters/"):
            values.mul_(1 + nudge * torch.randn(values.shape, generator=noise))
    model = reference_models.build(case.spec, case.tensors)
    train = case.spec["train"]
    whole = model
    if case.world > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
        dist.init_process_group("gloo", rank=rank, world_size=case.world)
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = optimizers.build(train.get("optimizer", {}), whole)
    losses, rates = [], []
    steps = case.steps_most()
    for step, rows in enumerate(case.rows[rank]):
        count = sum(len(case.rows[r][step]) for r in range(case.world))
        index = torch.tensor(rows, dtype=torch.long)
        rate = optimizers.rate(train.get("optimizer", {}), step, steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        total = reference_models.loss_sum(case.spec, model, case.tensors, index)
        # DDP takes the mean over the ranks; the loss is the mean over the batch.
        (total * case.world / count).backward()
        optimizers.clip(train.get("optimizer", {}), whole)
        optimizer.step()
        total = total.detach().double()
        if case.world > 1:
            dist.all_reduce(total)
        losses.append(total.item() / count)
        rates.append(rate)
    if rank == 0:
        Path(out).write_text(json.dumps({"losses": losses, "rates": rates}))
    if case.world > 1:
        dist.destroy_process_group()


def losses_of_pytorch(case, port, nudge=0.0):
    with tempfile.NamedTemporaryFile() as out:
        if case.world == 1:
            run_rank(0, str(case.folder), out.name, port, nudge)
        else:
            mp.spawn(run_rank, args=(str(case.folder), out.name, port, nudge), nprocs=case.world)
        return json.loads(Path(out.name).read_text())


def difference(a, b):
    assert len(a) == len(b), f"{len(a)} and {len(b)} steps"
    return max(abs(x - y) / max(abs(y), 1e-6) for x, y in zip(a, b))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["write", "check"])
    parser.add_argument("--test", required=True)
    parser.add_argument("--only", default="*", help="gtest pattern of cases")
    options = parser.parse_args()
    golden_path = HERE / "golden.json"
    golden = json.loads(golden_path.read_text()) if golden_path.exists() else {}
    failures = []
    with tempfile.TemporaryDirectory(prefix="rekindle-oracle-") as name:
        subprocess.run([options.test, f"--gtest_filter=*Oracle*{options.only}", "--gtest_brief=1"], check=True,
                       env=dict(os.environ, REKINDLE_ORACLE_OUT=name))
        for number, folder in enumerate(sorted(Path(name).iterdir())):
            case = Case(folder)
            theirs = losses_of_pytorch(case, 29700 + number)
            off = difference(case.losses, theirs["losses"])
            rate_off = difference(case.rates, theirs["rates"])
            line = f"{case.name}: {len(case.losses)} steps, largest difference from PyTorch {off:.1e}, of rates {rate_off:.1e}"
            if off > TOLERANCE or rate_off > 1e-9:
                failures.append(line)
            if options.verb == "write":
                apart = difference(losses_of_pytorch(case, 29700 + number, NUDGE)["losses"], theirs["losses"])
                line += f", of PyTorch begun {NUDGE:.0e} apart {apart:.1e}"
                if apart > STEADY:
                    failures.append(line)
                golden[case.name] = {"losses": [float(f"{x:.9g}") for x in theirs["losses"]]}
            elif case.name not in golden or difference(golden[case.name]["losses"], theirs["losses"]) > 2e-6:
                failures.append(f"{case.name}: golden.json differs from PyTorch {torch.__version__}")
            print(line, flush=True)
    if options.verb == "write" and not failures:
        lines = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(golden.items()))
        golden_path.write_text("{\n" + lines + "\n}\n")
    for failure in failures:
        print("FAILED", failure)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
