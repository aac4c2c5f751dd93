"""PyTorch's optimizers as docs/job-spec.md describes ours: matrices decay, biases do not."""

import math

import torch


def kind_of(spec):
    for kind in ("adam", "sgd", "adagrad", "adamw"):
        if kind in spec:
            return kind, spec[kind]
    return "adamw", {}


def build(spec, model):
    kind, o = kind_of(spec)
    decay = o.get("decay", 0.01 if kind == "adamw" else 0.0)
    matrices = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": g, "weight_decay": d} for g, d in ((matrices, decay), (rest, 0.0)) if g]
    rate = o["rate"]
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=o.get("momentum", 0.9), nesterov=o.get("nesterov", False))
    if kind == "adagrad":
        return torch.optim.Adagrad(groups, lr=rate)
    betas = (o.get("beta1", 0.9), o.get("beta2", 0.999))
    return (torch.optim.Adam if kind == "adam" else torch.optim.AdamW)(groups, lr=rate, betas=betas)


def clip(spec, model):
    if spec.get("clip", 0) > 0:
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec["clip"])


def rate(spec, step, steps):
    peak = kind_of(spec)[1]["rate"]
    warmup = spec.get("warmup", {})
    warm = max(1.0, min(float(warmup.get("most", 100)), warmup.get("share", 0.05) * steps))
    at = step + 1
    if at < warm:
        return peak * at / warm
    way = min(1.0, (at - warm) / max(1.0, steps - warm))
    schedule = spec.get("schedule", {})
    if "constant" in schedule:
        return peak
    if "step" in schedule:
        return peak * schedule["step"]["factor"] ** (step // int(schedule["step"]["every"]))
    if "linear" in schedule:
        return peak * (1 - (1 - schedule["linear"].get("floor", 0.0)) * way)
    floor = schedule.get("cosine", {}).get("floor", 0.1)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * way)))
