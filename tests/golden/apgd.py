#!/usr/bin/env python3
"""APGD as algorithm 1 of Croce & Hein 2020 has it, image by image in plain loops, on the network of attacks.json:
apgd.json.

torchattacks' own APGD is no oracle here: its checkpoints are those of its authors' code, not of the paper, and its
first one compares a loss with an entry that is not filled yet.

    python tests/golden/apgd.py          # torch 2.11; CPU, seconds
"""
import json
import math
import pathlib

import torch

here = pathlib.Path(__file__).parent
golden = json.loads((here / "attacks.json").read_text())
weight, readout, images = (torch.tensor(golden[k], dtype=torch.float64) for k in ("weight", "readout", "images"))
EPSILON, MOMENTUM, PROGRESS = 0.05, 0.75, 0.75


def loss_and_gradient(x, label):
    x = x.clone().requires_grad_()
    hidden = torch.nn.functional.softplus(torch.nn.functional.conv2d(x[None], weight, padding=1))
    loss = torch.nn.functional.cross_entropy(hidden.flatten(1) @ readout.T, torch.tensor([label]))
    return loss.item(), torch.autograd.grad(loss, x)[0]


def checkpoints(n):
    p, found = [0, 22], []  # in hundredths, so that the ceiling is exact
    while p[-1] < 100:
        found.append(math.ceil(p[-1] * n / 100))
        p.append(p[-1] + max(p[-1] - p[-2] - 3, 6))
    return found


def apgd(x0, label, n):
    def project(x):
        return torch.minimum(torch.maximum(x, x0 - EPSILON), x0 + EPSILON).clamp(0, 1)

    eta = 2 * EPSILON
    before, x = x0, x0
    f, gradient = loss_and_gradient(x, label)
    best_x, best_f, best_gradient = x, f, gradient
    last_w, last_eta, last_best, rises = 0, None, f, 0
    for k in range(n):
        z = project(x + eta * gradient.sign())
        after = z if k == 0 else project(x + MOMENTUM * (z - x) + (1 - MOMENTUM) * (x - before))
        before, x = x, after
        previous, (f, gradient) = f, loss_and_gradient(x, label)
        rises += f > previous
        if f > best_f:
            best_x, best_f, best_gradient = x, f, gradient
        if k + 1 in checkpoints(n) and k + 1 > last_w:
            w, now = k + 1, eta
            if rises < PROGRESS * (w - last_w) or ((last_eta is None or last_eta == eta) and last_best == best_f):
                eta /= 2
                x, f, gradient = best_x, best_f, best_gradient  # `before` stays: x(k) of the momentum
            last_w, last_eta, last_best, rises = w, now, best_f, 0
    return best_x


found = {str(n): torch.stack([apgd(x, y, n) for x, y in zip(images, golden["labels"])]).tolist() for n in (9, 30, 50, 100)}
for n, x in found.items():
    print(n, checkpoints(int(n)), (torch.tensor(x, dtype=torch.float64) - images).abs().max().item())
(here / "apgd.json").write_text(json.dumps(found) + "\n")
