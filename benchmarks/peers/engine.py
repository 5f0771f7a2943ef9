"""One engine with a network that plan_peer saved, as one of the peers that compare.py asks in turn.

usage: engine.py ENGINE --model FOLDER [--threads T] --serve
ENGINE: onnxruntime, openvino, openvino-bf16, openvino-int8, ncnn, mnn, deepsparse

Before anything is timed the engine's heads are compared with ours (heads.f32, to 1e-4 of the largest; MNN, whose float
arithmetic is coarser: to 1e-2; bf16: to 0.25; int8, whose errors random weights multiply: correlated to 0.85). Prints READY, then one time [ms] for every line read; ends on `quit`.
"""

import argparse
import importlib.util
import pathlib
import subprocess
import sys
import time

import numpy as np


def onnxruntime_engine(folder, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(folder / "network.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"images": x})


def openvino_engine(folder, threads, precision="f32"):
    import openvino

    core = openvino.Core()
    model = core.read_model(str(folder / "network.onnx"))
    if precision == "int8":  # quantized after training, calibrated on the image that is timed, as ours
        import nncf

        model = nncf.quantize(model, nncf.Dataset([test_image(folder)]), subset_size=1)
        precision = "bf16"  # what stays, as in ours
    model = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision})
    request = model.create_infer_request()

    def run(x):
        request.infer({0: x})
        return [request.get_output_tensor(i).data for i in range(len(model.outputs))]

    return run


def ncnn_engine(folder, threads):
    import ncnn

    if not (folder / "network.ncnn.param").exists():
        # Its Python module wants PyTorch, its program does not.
        package = pathlib.Path(importlib.util.find_spec("pnnx").origin).parent
        program = next(path for path in package.rglob("pnnx") if path.is_file())
        shape = ",".join(map(str, input_shape(folder)))
        subprocess.run([program, "network.onnx", f"inputshape=[{shape}]", "fp16=0"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    if net.load_param(str(folder / "network.ncnn.param")) or net.load_model(str(folder / "network.ncnn.bin")):
        raise SystemExit("ncnn cannot read what pnnx wrote")

    def run(x):
        with net.create_extractor() as extractor:
            extractor.input(net.input_names()[0], ncnn.Mat(x[0]))
            return [np.array(extractor.extract(name)[1])[None] for name in net.output_names()]

    return run


def mnn_engine(folder, threads):
    import MNN.expr
    import MNN.nn

    model = folder / "network.mnn"
    if not model.exists():
        convert = pathlib.Path(sys.executable).with_name("mnnconvert")
        subprocess.run([convert, "-f", "ONNX", "--modelFile", folder / "network.onnx", "--MNNModel", model, "--bizCode", "x"], check=True,
                       stdout=subprocess.DEVNULL)
    runtime = MNN.nn.create_runtime_manager(({"backend": "CPU", "precision": "high", "numThread": threads},))
    heads = [f"head_{i}" for i in range((folder / "network.cfg").read_text().count("[yolo]"))]
    net = MNN.nn.load_module_from_file(str(model), ["images"], heads, runtime_manager=runtime)

    def run(x):
        found = net.forward([MNN.expr.const(x, list(x.shape), MNN.expr.NCHW)])
        return [np.array(MNN.expr.convert(head, MNN.expr.NCHW).read()) for head in found]

    return run


def deepsparse_engine(folder, threads):
    import deepsparse

    engine = deepsparse.Engine(model=str(folder / "network.onnx"), batch_size=1, num_cores=threads)
    return lambda x: engine.run([x])


ENGINES = {
    "onnxruntime": onnxruntime_engine, "openvino": openvino_engine,
    "openvino-bf16": lambda f, t: openvino_engine(f, t, "bf16"), "openvino-int8": lambda f, t: openvino_engine(f, t, "int8"), "ncnn": ncnn_engine,
    "mnn": mnn_engine, "deepsparse": deepsparse_engine,
}


def input_shape(folder):
    """[1, channels, height, width] of the cfg, without PyTorch: DeepSparse's environment has none."""
    net = {}
    for line in (folder / "network.cfg").read_text().splitlines()[1:]:
        if line.startswith("["):
            break
        if "=" in line:
            key, value = line.split("=", 1)
            net[key.strip()] = value.strip()
    return [1, int(net.get("channels", 3)), int(net["height"]), int(net["width"])]


def test_image(folder):
    shape = input_shape(folder)
    return np.modf(np.arange(int(np.prod(shape))) * 0.6180339887498949)[0].astype(np.float32).reshape(shape)


def check(heads, folder, engine):
    ours = np.fromfile(folder / "heads.f32", np.float32)
    got = np.concatenate([np.asarray(head).ravel() for head in heads])
    if ours.size != got.size:
        raise SystemExit(f"{got.size} numbers in the heads, ours has {ours.size}")
    error = float(np.abs(got - ours).max() / np.abs(ours).max())
    correlation = float(np.corrcoef(got, ours)[0, 1])
    says = f"differs from ours by {error:.1e} of the largest, correlation {correlation:.4f}"
    print(says, file=sys.stderr)
    most = 0.25 if engine.endswith("bf16") else 1e-2 if engine == "mnn" else 1e-4
    same = correlation > 0.85 if engine.endswith("int8") else error < most
    if not same:
        raise SystemExit(says)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--serve", action="store_true")
    o = parser.parse_args()
    x = test_image(o.model)
    run = ENGINES[o.engine](o.model, o.threads)
    check(run(x), o.model, o.engine)

    def once():
        start = time.perf_counter()
        run(x)
        return (time.perf_counter() - start) * 1e3

    for _ in range(3):
        once()
    if not o.serve:
        print(*(f"{once():.3f}" for _ in range(10)))
        return
    print("READY", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        print(f"{once():.4f}", flush=True)


if __name__ == "__main__":
    main()
