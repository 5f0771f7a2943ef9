#!/usr/bin/env python3
"""torchattacks' FGSM, PGD and PGDL2 on a tiny fixed network, written to attacks.json.

The network is one convolution, a softplus and a dot product per class, the loss is cross entropy: its input gradient
is short enough to be written out again in the test. Double precision, so that no sign hangs on a rounding.

    python tests/golden/attacks.py          # torch 2.11, torchattacks 3.5; CPU, a second
"""
import json
import pathlib

import numpy
import torch
import torchattacks

random = numpy.random.default_rng(5)
weight = random.normal(0, 0.5, (4, 3, 3, 3)).astype(numpy.float32)
readout = random.normal(0, 0.3, (3, 4 * 6 * 6)).astype(numpy.float32)
images = random.uniform(0, 1, (2, 3, 6, 6)).astype(numpy.float32)
images[:, 0, :2] = numpy.round(images[:, 0, :2])  # some pixels at the edge of [0, 1]
labels = [2, 0]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.from_numpy(weight).double())
        self.readout = torch.nn.Parameter(torch.from_numpy(readout).double())

    def forward(self, x):
        hidden = torch.nn.functional.softplus(torch.nn.functional.conv2d(x, self.weight, padding=1))
        return hidden.flatten(1) @ self.readout.T


net = Net().eval()
x, y = torch.from_numpy(images).double(), torch.tensor(labels)
attacks = {
    "FGSM": torchattacks.FGSM(net, eps=0.05),
    "PGD": torchattacks.PGD(net, eps=0.05, alpha=0.02, steps=5, random_start=False),
    "PGD 50": torchattacks.PGD(net, eps=0.05, alpha=0.02, steps=50, random_start=False),
    "PGD L2": torchattacks.PGDL2(net, eps=0.5, alpha=0.2, steps=5, random_start=False),
}
golden = dict(weight=weight.tolist(), readout=readout.tolist(), images=images.tolist(), labels=labels, attacks={})
for name, attack in attacks.items():
    moved = attack(x, y)
    golden["attacks"][name] = moved.tolist()
    print(name, (moved - x).abs().max().item())
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
