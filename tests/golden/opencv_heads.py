#!/usr/bin/env python3
"""Makes opencv_heads.json: networks of AlexeyAB's layers, and what their heads read according to OpenCV's DNN module.

Small cfgs with what YOLOv4, YOLOv4-tiny and YOLOv7-tiny have and YOLOv3 has not: mish and swish, routes of one part of
several, max-pools of stride 1 beside one another (SPP), grouped convolutions, a shortcut with an activation, heads of
probabilities (new_coords), gates on channels and on places. Weights and
image are random; OpenCV reads the very files that are stored.

    python3 tests/golden/opencv_heads.py > tests/golden/opencv_heads.json     # numpy, opencv-python-headless 4
"""
import json
import pathlib
import tempfile

import cv2
import numpy as np


def conv(filters, size=1, stride=1, activation="leaky", norm=True, groups=1):
    return (f"[convolutional]\n{'batch_normalize=1' if norm else ''}\nfilters={filters}\nsize={size}\nstride={stride}\npad=1\n"
            f"groups={groups}\nactivation={activation}\n")


HEAD = conv(14, activation="linear", norm=False) + "[yolo]\nmask=0,1\nanchors=4,5, 9,8\nclasses=2\nnum=2\n"
# Probabilities in the cfg, sizes (2σ)² (YOLOv4-csp, YOLOv7).
NEW_HEAD = conv(14, activation="logistic", norm=False) + (
    "[yolo]\nmask=0,1\nanchors=4,5, 9,8\nclasses=2\nnum=2\nscale_x_y=2.0\nnew_coords=1\n")
NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"
NETWORKS = {
    "yolov4-tiny": NET + conv(8, 3, 2) + conv(8, 3) + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n" + conv(4, 3) + conv(4, 3)
    + "[route]\nlayers=-1,-2\n" + conv(8) + "[route]\nlayers=-6,-1\n[maxpool]\nsize=2\nstride=2\n" + conv(8, 3) + HEAD
    + "[route]\nlayers=-3\n" + conv(4) + "[upsample]\nstride=2\n[route]\nlayers=-1,7\n" + conv(8, 3) + HEAD,
    "yolov4": NET + conv(8, 3, 1, "mish") + conv(8, 3, 2, "mish") + conv(8, 1, 1, "mish") + "[route]\nlayers=-2\n"
    + conv(8, 1, 1, "mish") + conv(8, 1, 1, "mish") + conv(8, 3, 1, "mish") + "[shortcut]\nfrom=-3\nactivation=linear\n"
    + "[route]\nlayers=-1,-6\n" + conv(8, 1, 1, "mish") + "[maxpool]\nstride=1\nsize=5\n[route]\nlayers=-2\n"
    + "[maxpool]\nstride=1\nsize=9\n[route]\nlayers=-4\n[maxpool]\nstride=1\nsize=13\n[route]\nlayers=-1,-3,-5,-6\n"
    + conv(8) + HEAD,
    "yolov7-tiny": NET + conv(8, 3, 2, "swish") + conv(8, 1, 1, "swish") + "[route]\nlayers=-2\n" + conv(8, 1, 1, "swish")
    + conv(8, 3, 1, "swish", groups=2) + "[route]\nlayers=-1,-2,-4\n[maxpool]\nsize=2\nstride=1\n" + conv(8, 3, 2, "swish") + HEAD,
    "yolov4-csp": NET + conv(8, 3, 2, "mish") + conv(8, 3, 2, "swish") + NEW_HEAD + "[route]\nlayers=-4\n" + conv(8, 3, 1, "mish")
    + NEW_HEAD,
    "gates": NET + conv(8, 3, 2) + conv(8, 3) + "[avgpool]\n" + conv(4, 1, 1, "swish") + conv(8, 1, 1, "logistic")
    + "[scale_channels]\nfrom=-4\n" + conv(8, 3, 2) + conv(8, 1, 1, "logistic") + "[sam]\nfrom=-2\n" + conv(8, 3) + HEAD,
}


def weights(cfg, random):
    """The .weights file of a cfg, and its number of layers."""
    out, channels, layer = [np.array([0, 2, 0, 0, 0], np.int32).tobytes()], [], -1
    for section in cfg.split("[")[2:]:
        kind, *lines = section.replace("]", "\n", 1).split("\n")
        keys = dict(line.split("=", 1) for line in lines if "=" in line)
        layer += 1
        read = channels[-1] if channels else 3
        if kind == "convolutional":
            filters, size, groups = int(keys["filters"]), int(keys["size"]), int(keys["groups"])
            out.append(random.normal(0, 0.3, filters).astype(np.float32).tobytes())
            if "batch_normalize" in keys:
                out.append(random.uniform(0.5, 1.5, filters).astype(np.float32).tobytes())
                out.append(random.normal(0, 0.3, filters).astype(np.float32).tobytes())
                out.append(random.uniform(0.5, 1.5, filters).astype(np.float32).tobytes())
            fan_in = read // groups * size * size
            out.append((random.normal(size=filters * fan_in) * np.sqrt(2 / fan_in)).astype(np.float32).tobytes())
            channels.append(filters)
        elif kind == "route":
            sources = [int(s) if int(s) >= 0 else layer + int(s) for s in keys["layers"].split(",")]
            channels.append(sum(channels[s] for s in sources) // int(keys.get("groups", 1)))
        else:
            channels.append(read)
    return b"".join(out)


if not hasattr(cv2.dnn, "readNetFromDarknet"):
    raise SystemExit(f"OpenCV should be a 4.x, which reads darknet's files, got {cv2.__version__}")
random, result = np.random.default_rng(10), {}
for name, cfg in NETWORKS.items():
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, f"n.{end}") for end in ("cfg", "weights")]
        file = weights(cfg, random)
        paths[0].write_text(cfg)
        paths[1].write_bytes(file)
        net = cv2.dnn.readNetFromDarknet(*map(str, paths))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    image = random.uniform(size=(1, 3, 32, 32)).astype(np.float32)
    net.setInput(image)
    kinds = [section.split("]")[0] for section in cfg.split("[")[2:]]
    heads = [net.forward(f"conv_{i - 1}") for i, kind in enumerate(kinds) if kind == "yolo"]
    result[name] = {"cfg": cfg, "weights": file.hex(), "image": image.tobytes().hex(), "heads": [h.tobytes().hex() for h in heads]}
    if "new_coords" in cfg:  # centre, size (parts of the canvas) and objectness of every prediction
        boxes = [net.forward(f"yolo_{i}")[:, :5] for i, kind in enumerate(kinds) if kind == "yolo"]
        result[name]["boxes"] = [np.ascontiguousarray(b, np.float32).tobytes().hex() for b in boxes]
print(json.dumps({"opencv": cv2.__version__, "networks": result}))
