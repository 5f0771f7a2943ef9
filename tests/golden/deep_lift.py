#!/usr/bin/env python3
"""Captum's LayerDeepLift on a slim YOLOv3 with shortcuts, routes, upsampling and three heads.

Writes deep_lift.cfg, deep_lift.weights (darknet's formats) and deep_lift.json: for every convolution, the attribution
of its output summed over positions, one number per filter. A convolution's output is linear in its weights, so that
number is what the filter's weights contribute together. There is no max-pool: Captum's rule for it does not add up.

    python tests/golden/deep_lift.py        # torch 2.11, captum 0.9; double precision, CPU, a few seconds
"""
import json
import pathlib
import struct

import captum.attr
import numpy
import torch

CLASSES, SIDE = 3, 64
ANCHORS = [(4, 5), (6, 12), (12, 8), (14, 20), (22, 16), (24, 32), (34, 28), (40, 44), (56, 52)]
HEAD = 3 * (5 + CLASSES)


def conv(filters, size=1, stride=1):
    return ("convolutional", dict(batch_normalize=1, filters=filters, size=size, stride=stride, pad=1, activation="leaky"))


def head():
    return ("convolutional", dict(filters=HEAD, size=1, stride=1, pad=1, activation="linear"))


def yolo(mask):
    return ("yolo", dict(mask=",".join(map(str, mask)), anchors=", ".join(f"{w},{h}" for w, h in ANCHORS),
                         classes=CLASSES, num=len(ANCHORS), ignore_thresh=0.7, truth_thresh=1))


def shortcut():
    return ("shortcut", {"from": -3, "activation": "linear"})


def route(*layers):
    return ("route", dict(layers=",".join(map(str, layers))))


UPSAMPLE = ("upsample", dict(stride=2))
SECTIONS = [
    conv(8, 3), conv(16, 3, 2), conv(8), conv(16, 3), shortcut(),              # 4: 32 x 32
    conv(16, 3, 2), conv(8), conv(16, 3), shortcut(),                          # 8: 16 x 16
    conv(24, 3, 2), conv(12), conv(24, 3), shortcut(),                         # 12: 8 x 8
    conv(12), conv(24, 3), head(), yolo([6, 7, 8]),                            # 16
    route(-4), conv(8), UPSAMPLE, route(-1, 8), conv(8), conv(16, 3), head(), yolo([3, 4, 5]),  # 24
    route(-4), conv(8), UPSAMPLE, route(-1, 4), conv(8), conv(16, 3), head(), yolo([0, 1, 2]),  # 32
]
TRUTH = [[0, 1, 0.30, 0.40, 0.35, 0.30], [0, 2, 0.70, 0.65, 0.60, 0.70], [0, 0, 0.55, 0.20, 0.08, 0.10]]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        random = numpy.random.default_rng(20)
        self.convs, self.norms, self.acts, self.inputs = [torch.nn.ModuleDict() for _ in range(3)] + [{}]
        channels = []
        for i, (kind, o) in enumerate(SECTIONS):
            before = channels[-1] if channels else 3
            if kind == "convolutional":
                normal = "batch_normalize" in o
                c = torch.nn.Conv2d(before, o["filters"], o["size"], o["stride"], o["size"] // 2, bias=not normal)
                scale = (2 / (before * o["size"] ** 2)) ** 0.5
                c.weight.data = single(random.normal(0, scale, c.weight.shape))
                if normal:
                    n, f = torch.nn.BatchNorm2d(o["filters"]), o["filters"]
                    n.bias.data = single(random.normal(0, 0.2, f))
                    n.weight.data = single(random.uniform(0.5, 1.5, f) * random.choice([1, 1, 1, -1], f))
                    n.running_mean.data = single(random.normal(0, 0.2, f))
                    n.running_var.data = single(random.uniform(0.3, 1.5, f))
                    self.norms[str(i)], self.acts[str(i)] = n, torch.nn.LeakyReLU(0.1)
                else:
                    c.bias.data = single(random.normal(0, 0.2, o["filters"]))
                self.convs[str(i)] = c
                channels.append(o["filters"])
            elif kind == "route":
                self.inputs[i] = [i + int(k) if int(k) < 0 else int(k) for k in o["layers"].split(",")]
                channels.append(sum(channels[k] for k in self.inputs[i]))
            else:
                channels.append(before)

    def heads(self, x):
        out, found = [], []
        for i, (kind, o) in enumerate(SECTIONS):
            key = str(i)
            if kind == "convolutional":
                x = self.convs[key](x)
                x = self.acts[key](self.norms[key](x)) if key in self.norms else x
            elif kind == "shortcut":
                x = x + out[i - 3]
            elif kind == "route":
                x = torch.cat([out[k] for k in self.inputs[i]], 1)
            elif kind == "upsample":
                x = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
            else:
                found.append(x)
            out.append(x)
        return found

    def forward(self, x):
        """The target: objectness and true-class logits at the anchors assigned to ground truth, per image."""
        heads = self.heads(x)
        return sum(heads[h][:, c, i, j] for h, c, i, j in places())


def single(a):
    return torch.from_numpy(a.astype(numpy.float32)).double()  # what the weights file can hold


def places():
    """(head, channel, row, column) of every logit in the target; the best anchor by shape IoU, as darknet assigns."""
    def iou(w, h, a):
        joint = min(w, a[0]) * min(h, a[1])
        return joint / (w * h + a[0] * a[1] - joint)
    found = []
    for _, category, x, y, w, h in TRUTH:
        best = max(range(9), key=lambda k: iou(w * SIDE, h * SIDE, ANCHORS[k]))
        scale, cells = 2 - best // 3, {0: 32, 1: 16, 2: 8}[best // 3]
        base = best % 3 * (5 + CLASSES)
        for k in (4, 5 + category):
            found.append((scale, base + k, int(y * cells), int(x * cells)))
    return found


def image():
    c, i, j = numpy.meshgrid(range(3), range(SIDE), range(SIDE), indexing="ij")
    return single(((29 * c + 7 * i + 13 * j + i * j) % 32 / 31)[None])


def main():
    folder = pathlib.Path(__file__).parent
    net = Net().double().eval()
    x = image()

    with open(folder / "deep_lift.cfg", "w") as f:
        f.write(f"[net]\nwidth={SIDE}\nheight={SIDE}\nchannels=3\n")
        for kind, options in SECTIONS:
            f.write(f"\n[{kind}]\n" + "".join(f"{k}={v}\n" for k, v in options.items()))
    with open(folder / "deep_lift.weights", "wb") as f:
        f.write(struct.pack("<iiiq", 0, 2, 0, 0))
        for key, c in net.convs.items():
            n = net.norms[key] if key in net.norms else None
            for t in ([n.bias, n.weight, n.running_mean, n.running_var] if n else [c.bias]) + [c.weight]:
                f.write(t.detach().numpy().astype("<f4").tobytes())

    golden = dict(truth=TRUTH, places=places(), references={})
    for name, value in (("zeros", 0.0), ("letterbox grey", 0.5)):
        base = torch.full_like(x, value)
        difference = (net(x) - net(base)).item()
        filters = {}
        for key, layer in net.convs.items():
            part = captum.attr.LayerDeepLift(net, layer).attribute(x, base).detach()
            filters[key] = part.sum((0, 2, 3)).tolist()
        heads = sum(sum(filters[str(i)]) for i, (k, o) in enumerate(SECTIONS) if k == "convolutional" and o["activation"] == "linear")
        assert abs(sum(filters["0"]) - difference) < 1e-9 * abs(difference), (sum(filters["0"]), difference)
        assert abs(heads - difference) < 1e-9 * abs(difference)
        golden["references"][name] = dict(difference=difference, filters=filters)
        print(name, difference)
    (folder / "deep_lift.json").write_text(json.dumps(golden) + "\n")


main()
