"""A darknet cfg and its weights as a PyTorch module: what the peers get their models from.

Independent of serpette: written from darknet's formats.
"""

import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def sections(path):
    """[(kind, {key: value})] of a cfg."""
    found = []
    for line in pathlib.Path(path).read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            found.append((line[1:-1], {}))
        elif "=" in line:
            key, value = (part.strip() for part in line.split("=", 1))
            found[-1][1][key] = value
    return found


class Network(nn.Module):
    """Returns what each [yolo] section reads. Batch norm is folded into the weights."""

    def __init__(self, cfg, weights):
        super().__init__()
        (_, net), *self.layers = sections(cfg)
        self.input = [1, int(net.get("channels", 3)), int(net["height"]), int(net["width"])]
        numbers = np.fromfile(weights, np.float32)
        major, minor = numbers[:2].view(np.int32)
        at = 5 if major * 10 + minor >= 2 else 4

        def take(*shape):
            nonlocal at
            count = int(np.prod(shape))
            part = torch.from_numpy(numbers[at : at + count].copy()).view(*shape)
            at += count
            return part

        channels, self.convolutions = [], nn.ModuleDict()
        for i, (kind, s) in enumerate(self.layers):
            before = channels[-1] if channels else self.input[1]
            if kind == "convolutional":
                size, groups, out = int(s.get("size", 1)), int(s.get("groups", 1)), int(s["filters"])
                padding = size // 2 if int(s.get("pad", 0)) else int(s.get("padding", 0))
                bias = take(out)
                scale = None
                if int(s.get("batch_normalize", 0)):
                    gamma, mean, variance = take(out), take(out), take(out)
                    scale = gamma / torch.sqrt(variance + 1e-5)
                    bias = bias - mean * scale
                weight = take(out, before // groups, size, size)
                if scale is not None:
                    weight = weight * scale.view(-1, 1, 1, 1)
                layer = nn.Conv2d(before, out, size, int(s.get("stride", 1)), padding, groups=groups)
                layer.weight.data, layer.bias.data = weight, bias
                self.convolutions[str(i)] = layer
                channels.append(out)
            elif kind == "route":
                groups = int(s.get("groups", 1))
                channels.append(sum(channels[j] // groups for j in self.sources(i)))
            else:
                channels.append(before)
        if at != len(numbers):
            raise SystemExit(f"{weights}: {len(numbers)} numbers, {at} wanted")

    def sources(self, i):
        named = [int(j) for j in self.layers[i][1].get("layers", self.layers[i][1].get("from", "")).split(",")]
        return [i + j if j < 0 else j for j in named]

    def forward(self, x):
        outputs, heads = [], []
        for i, (kind, s) in enumerate(self.layers):
            if kind == "convolutional":
                x = self.convolutions[str(i)](x)
            elif kind == "shortcut":
                x = x + outputs[self.sources(i)[0]]
            elif kind == "route":
                groups, part = int(s.get("groups", 1)), int(s.get("group_id", 0))
                parts = [outputs[j] for j in self.sources(i)]
                x = torch.cat([p.chunk(groups, 1)[part] if groups > 1 else p for p in parts], 1)
            elif kind == "upsample":
                x = F.interpolate(x, scale_factor=float(s.get("stride", 2)), mode="nearest")
            elif kind == "maxpool":
                size, stride = int(s.get("size", 2)), int(s.get("stride", 2))
                padding = int(s.get("padding", size - 1))
                before = padding // 2
                x = F.max_pool2d(F.pad(x, [before, padding - before] * 2, value=-3.4e38), size, stride)
            elif kind == "yolo":
                heads.append(x)
            else:
                raise SystemExit(f"no layer kind {kind}")
            activation = s.get("activation", "linear") if kind in ("convolutional", "shortcut") else "linear"
            if activation == "leaky":
                x = F.leaky_relu(x, 0.1)
            elif activation == "relu":
                x = F.relu(x)
            elif activation == "logistic":
                x = torch.sigmoid(x)
            elif activation != "linear":
                raise SystemExit(f"no activation {activation}")
            outputs.append(x)
        return tuple(heads)


def image(shape):
    """As test_image in plan_peer.cpp."""
    count = int(np.prod(shape))
    return np.modf(np.arange(count) * 0.6180339887498949)[0].astype(np.float32).reshape(shape)


def onnx_file(folder):
    """The network of a folder that plan_peer saved, as ONNX; made once."""
    path = pathlib.Path(folder, "network.onnx")
    if not path.exists():
        net = Network(path.with_suffix(".cfg"), path.with_suffix(".weights")).eval()
        heads = sum(kind == "yolo" for kind, _ in net.layers)
        torch.onnx.export(net, torch.rand(net.input), str(path), opset_version=13, dynamo=False,
                          input_names=["images"], output_names=[f"head_{i}" for i in range(heads)])
    return str(path)
