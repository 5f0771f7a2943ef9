"""A darknet cfg and its weights as ONNX: what the peers get their models from.

usage: darknet_onnx.py FOLDER        network.cfg + network.weights → network.onnx

Independent of serpette: written from darknet's formats and ONNX's operators. Batch norm is folded. Input `images`, outputs
`head_0` … : what each [yolo] section reads.
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


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


def model_of(cfg, weights):
    (_, net), *layers = sections(cfg)
    shape = [1, int(net.get("channels", 3)), int(net["height"]), int(net["width"])]
    numbers = np.fromfile(weights, np.float32)
    major, minor = numbers[:2].view(np.int32)
    at = 5 if major * 10 + minor >= 2 else 4
    nodes, constants, names, channels, heads = [], [], [], [], []

    def take(*wanted):
        nonlocal at
        count = int(np.prod(wanted))
        at += count
        return numbers[at - count : at].reshape(wanted).copy()

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def sources(i, key):
        named = [int(j) for j in layers[i][1][key].split(",")]
        return [i + j if j < 0 else j for j in named]

    def activated(x, activation, i):
        if activation == "linear":
            return x
        kind, attributes = {"leaky": ("LeakyRelu", {"alpha": 0.1}), "relu": ("Relu", {}), "logistic": ("Sigmoid", {})}[activation]
        return node(kind, [x], f"activated_{i}", **attributes)

    x, count = "images", shape[1]
    for i, (kind, s) in enumerate(layers):
        if kind == "convolutional":
            size, stride, groups, out = (int(s.get(key, default)) for key, default in
                                         (("size", 1), ("stride", 1), ("groups", 1), ("filters", 1)))
            padding = size // 2 if int(s.get("pad", 0)) else int(s.get("padding", 0))
            bias, scale = take(out), np.ones(out, np.float32)
            if int(s.get("batch_normalize", 0)):
                gamma, mean, variance = take(out), take(out), take(out)
                scale = gamma / np.sqrt(variance + np.float32(1e-5))
                bias = bias - mean * scale
            weight = take(out, count // groups, size, size) * scale.reshape(-1, 1, 1, 1)
            x = node("Conv", [x, constant(f"weight_{i}", weight), constant(f"bias_{i}", bias)], f"conv_{i}",
                     kernel_shape=[size] * 2, strides=[stride] * 2, pads=[padding] * 4, group=groups)
            x, count = activated(x, s.get("activation", "logistic"), i), out
        elif kind == "shortcut":
            x = node("Add", [x, names[sources(i, "from")[0]]], f"sum_{i}")
            x = activated(x, s.get("activation", "linear"), i)
        elif kind == "route":
            groups, part = int(s.get("groups", 1)), int(s.get("group_id", 0))
            parts, count = [], 0
            for j in sources(i, "layers"):
                taken = channels[j] // groups
                name = names[j]
                if groups > 1:
                    name = node("Slice", [name, constant(f"from_{i}_{j}", np.array([part * taken])),
                                          constant(f"to_{i}_{j}", np.array([(part + 1) * taken])),
                                          constant(f"axis_{i}_{j}", np.array([1]))], f"part_{i}_{j}")
                parts.append(name)
                count += taken
            x = node("Concat", parts, f"route_{i}", axis=1) if len(parts) > 1 else parts[0]
        elif kind == "upsample":
            stride = float(s.get("stride", 2))
            x = node("Resize", [x, "", constant(f"scales_{i}", np.array([1, 1, stride, stride], np.float32))], f"larger_{i}",
                     mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        elif kind == "maxpool":
            stride = int(s.get("stride", 1))
            size = int(s.get("size", stride))
            padding = int(s.get("padding", size - 1))
            before = padding // 2
            x = node("MaxPool", [x], f"pool_{i}", kernel_shape=[size] * 2, strides=[stride] * 2,
                     pads=[before, before, padding - before, padding - before])
        elif kind == "yolo":
            name = node("Identity", [x], f"head_{len(heads)}")
            heads.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, count, f"height_{name}", f"width_{name}"]))
        else:
            raise SystemExit(f"{cfg}: no layer kind {kind} here")
        names.append(x)
        channels.append(count)
    if at != len(numbers):
        raise SystemExit(f"{weights}: {len(numbers)} numbers, {at} wanted")
    graph = helper.make_graph(nodes, "darknet", [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, shape)],
                              heads, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return onnx.shape_inference.infer_shapes(model)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    onnx.save(model_of(folder / "network.cfg", folder / "network.weights"), str(folder / "network.onnx"))
