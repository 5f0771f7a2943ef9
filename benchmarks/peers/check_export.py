"""Every format that export_network writes, opened by the engines it is for: the same heads, the same boxes.

usage: check_export.py EXPORT CFG WEIGHTS [--engines onnxruntime,openvino,ncnn,opencv,torch] [--tolerance 1e-4] [--json FILE]

EXPORT is the program (build/release/bin/export_network). The reference is the ONNX model that darknet_onnx.py builds of the same two
files, independently of serpette, in ONNX Runtime, and for boxes a plain suppression in NumPy. Environment: `setup.sh export`, or `setup.sh`
without OpenCV and PyTorch; an engine that is not installed is named and left out.
--json adds what was found to a file, an entry a network.
Exit status 1 if anything differs.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

import darknet_onnx

IOU, CONFIDENCE, LIMIT = 0.45, 0.05, 100


def ort(path):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"images": x})


def openvino(path):
    import openvino as ov

    core = ov.Core()
    model = core.compile_model(core.read_model(str(path)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(x):
        found = model([x])
        return [np.array(found[output]) for output in model.outputs]

    return run


def ncnn(path):
    import ncnn as engine

    folder, shape = path.parent, [d.dim_value for d in onnx.load(str(path)).graph.input[0].type.tensor_type.shape.dim]
    package = pathlib.Path(importlib.util.find_spec("pnnx").origin).parent
    program = next(p for p in package.rglob("pnnx") if p.is_file())
    subprocess.run([program, path.name, f"inputshape=[{','.join(map(str, shape))}]", "fp16=0"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    net = engine.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    if net.load_param(str(path.with_suffix(".ncnn.param"))) or net.load_model(str(path.with_suffix(".ncnn.bin"))):
        raise RuntimeError("cannot read what pnnx wrote")

    def run(x):
        with net.create_extractor() as extractor:
            extractor.input(net.input_names()[0], engine.Mat(x[0]))
            return [np.array(extractor.extract(name)[1])[None] for name in net.output_names()]

    return run


def opencv(path):
    import cv2

    net = cv2.dnn.readNetFromONNX(str(path))

    def run(x):
        net.setInput(x)
        return list(net.forward(net.getUnconnectedOutLayersNames()))

    return run


def torch(path):
    import torch as library

    module = library.jit.load(str(path))

    def run(x):
        with library.no_grad():
            return [head.numpy() for head in module(library.from_numpy(x))]

    return run


def boxes_of(cfg, heads):
    """[(image, class, score, x1, y1, x2, y2)], decoded and suppressed as darknet does it."""
    (_, net), *layers = darknet_onnx.sections(cfg)
    width, height = int(net["width"]), int(net["height"])
    sigmoid = lambda x: 1 / (1 + np.exp(-x.astype(np.float64)))  # noqa: E731
    boxes, scores = [], []
    for (_, s), head in zip([layer for layer in layers if layer[0] == "yolo"], heads):
        anchors = np.array(s["anchors"].split(","), float).reshape(-1, 2)
        mask, classes, scale = [int(i) for i in s["mask"].split(",")], int(s["classes"]), float(s.get("scale_x_y", 1))
        n, _, h, w = head.shape
        t = head.reshape(n, len(mask), 5 + classes, h, w)
        y, x = np.mgrid[:h, :w]
        cx = (scale * sigmoid(t[:, :, 0]) - (scale - 1) / 2 + x) * width / w
        cy = (scale * sigmoid(t[:, :, 1]) - (scale - 1) / 2 + y) * height / h
        bw = np.exp(t[:, :, 2].astype(np.float64)) * anchors[mask, 0][None, :, None, None] / 2
        bh = np.exp(t[:, :, 3].astype(np.float64)) * anchors[mask, 1][None, :, None, None] / 2
        corners = np.stack([(cx - bw).clip(0, width), (cy - bh).clip(0, height), (cx + bw).clip(0, width),
                            (cy + bh).clip(0, height)], -1)
        boxes.append(corners.reshape(n, -1, 4))
        scores.append((sigmoid(t[:, :, 4:5]) * sigmoid(t[:, :, 5:])).transpose(0, 1, 3, 4, 2).reshape(n, -1, classes))
    boxes, scores, found = np.concatenate(boxes, 1), np.concatenate(scores, 1), []
    for n in range(len(boxes)):
        for c in range(scores.shape[2]):
            kept = []
            for i in np.argsort(-scores[n, :, c], kind="stable"):
                if scores[n, i, c] <= CONFIDENCE or len(kept) == LIMIT:
                    break
                b = boxes[n, i]
                for k in kept:
                    o = boxes[n, k]
                    both = max(0, min(b[2], o[2]) - max(b[0], o[0])) * max(0, min(b[3], o[3]) - max(b[1], o[1]))
                    either = (b[2] - b[0]) * (b[3] - b[1]) + (o[2] - o[0]) * (o[3] - o[1]) - both
                    if either > 0 and both / either > IOU:
                        break
                else:
                    kept.append(i)
                    found.append((n, c, scores[n, i, c], *b))
    return found


def keep(o, model, rows):
    """Adds a network's rows to a file of figures, in place of those it had there."""
    name = o.name or o.cfg.resolve().parent.name
    kept = json.loads(o.json.read_text()) if o.json.exists() else {}
    versions = {}
    for package in ("onnx", "onnxruntime", "openvino", "ncnn", "pnnx", "opencv-python-headless", "torch"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    weights = [onnx.numpy_helper.to_array(w) for w in model.graph.initializer if w.name.startswith("weight_")]
    networks = [n for n in kept.get("networks", []) if n["name"] != name]
    networks.append({"name": name, "weights": int(sum(w.size for w in weights)), "zeros": int(sum((w == 0).sum() for w in weights)),
                     "rows": rows})
    o.json.write_text(json.dumps({"date": datetime.date.today().isoformat(), "versions": versions,
                                  "error": "largest difference of a head over its largest number; of boxes: of the canvas's side, or of a score",
                                  "networks": networks}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export")
    parser.add_argument("cfg", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--engines", default="onnxruntime,openvino,ncnn,opencv,torch")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--json", type=pathlib.Path, help="a file that this network's figures are added to")
    parser.add_argument("--name", help="what the network is called there; default: the name of the folder of CFG")
    parser.add_argument("--picture", help="an image to look at, squeezed onto the canvas; else noise")
    o = parser.parse_args()
    engines, bad, rows = set(o.engines.split(",")), [], []

    def say(what, error, limit):
        print(f"{what:44} {error:.1e}", "" if error < limit else "  DIFFERS")
        rows.append({"name": what, "error": float(f"{error:.2g}"), "bound": limit})
        if not error < limit:
            bad.append(what)

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def export(name, form, *options):
            path = folder / name
            subprocess.run([o.export, "--cfg", o.cfg, "--weights", o.weights, "--format", form, "--out", path, *options],
                           check=True, stdout=subprocess.DEVNULL)
            if form == "onnx":
                onnx.checker.check_model(onnx.load(str(path)), full_check=True)
            return path

        reference_path = folder / "reference.onnx"
        reference_model = darknet_onnx.model_of(o.cfg, o.weights)
        onnx.save(reference_model, str(reference_path))
        shape = [d.dim_value for d in reference_model.graph.input[0].type.tensor_type.shape.dim]
        x = np.modf(np.arange(int(np.prod(shape))) * 0.6180339887498949)[0].astype(np.float32).reshape(shape)
        if o.picture:
            import cv2

            picture = cv2.resize(cv2.imread(o.picture), (shape[3], shape[2]))[:, :, ::-1]
            x = np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        reference = ort(reference_path)(x)

        def compare(what, make, x=x, reference=reference):
            try:
                run = make()
            except ImportError as error:
                print(f"{what:44} left out: {error}")
                return
            heads = run(x)
            if len(heads) != len(reference):
                say(f"{what}: {len(heads)} heads", np.inf, 1)
                return
            say(what, max(float(np.abs(a.reshape(b.shape) - b).max() / np.abs(b).max()) for a, b in zip(heads, reference)),
                o.tolerance)

        turned = np.ascontiguousarray(x[:, :, ::-1])
        two = np.concatenate([x, turned])
        both = [np.concatenate(pair) for pair in zip(reference, ort(reference_path)(turned))]
        folded, fixed = export("folded.onnx", "onnx"), export("fixed.onnx", "onnx", "--batch", "1")
        kept = export("kept.onnx", "onnx", "--batch-norm", "keep")
        script = export("folded.pt", "torchscript")
        for what, path in (("folded", folded), ("batch norm kept", kept)):
            compare(f"ONNX Runtime, {what}", lambda: ort(path))
            compare(f"ONNX Runtime, {what}, two images", lambda: ort(path), two, both)
            if "openvino" in engines:
                compare(f"OpenVINO, {what}", lambda: openvino(path))
        if "ncnn" in engines:
            compare("ncnn by pnnx, one image", lambda: ncnn(fixed))
        if "opencv" in engines:
            compare("OpenCV, one image", lambda: opencv(fixed))
        if "torch" in engines:
            compare("torch.jit.load", lambda: torch(script))
            compare("torch.jit.load, two images", lambda: torch(script), two, both)

        decoded = export("boxes.onnx", "onnx", "--decode", "--confidence", str(CONFIDENCE), "--nms", str(IOU))
        wanted = boxes_of(o.cfg, both)
        for engine, make in (("ONNX Runtime", lambda: ort(decoded)), ("OpenVINO", lambda: openvino(decoded))):
            if engine.lower().replace(" ", "") not in engines:
                continue
            boxes, scores, classes, image = (np.asarray(a) for a in make()(two))
            found = sorted((int(n), int(c), float(s), *map(float, b)) for n, c, s, b in zip(image, classes, scores, boxes))
            off = np.inf
            if len(found) == len(wanted):
                off = max((max(abs(p - q) / (1 if k < 3 else max(shape[2:])) for k, (p, q) in enumerate(zip(a, b)))
                           for a, b in zip(found, sorted(wanted))), default=0.0)
            say(f"{engine}, {len(found)} boxes ({len(wanted)} wanted)", off, 1e-4)
    if o.json:
        keep(o, reference_model, rows)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
