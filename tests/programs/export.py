#!/usr/bin/env python3
"""export as people run it: what it writes, and what it refuses.

usage: export.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_DEMO
"""
import pathlib
import subprocess
import sys
import tempfile
import zipfile

BIN, DEMO = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CFG, WEIGHTS = DEMO / "yolov3-slim.cfg", DEMO / "yolov3-slim.weights"


def run(*arguments, status=0, says=""):
    done = subprocess.run([BIN / "export", *map(str, arguments)], capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert done.returncode == status, (arguments, done.returncode, told)
    assert says in told, (arguments, told)


def export(form, out, *more, **expected):
    run("--cfg", CFG, "--weights", WEIGHTS, "--format", form, "--out", out, *more, **expected)
    return out.read_bytes() if out.is_file() else b""


def formats(root):
    onnx = export("onnx", root / "a.onnx", says="a.onnx: onnx of")
    assert onnx.startswith(b"\x08\x07\x12\x08serpette"), onnx[:20]
    assert b"head_2" in onnx and b"BatchNormalization" not in onnx
    assert export("onnx", root / "b.onnx") == onnx, "equal networks should give equal files"
    kept = export("onnx", root / "kept.onnx", "--batch-norm", "keep")
    assert b"BatchNormalization" in kept
    boxes = export("onnx", root / "boxes.onnx", "--decode", "--confidence", "0.25", "--batch", "1")
    assert b"NonMaxSuppression" in boxes and b"head_2" not in boxes
    export("torchscript", root / "a.pt", says="torchscript of")
    names = zipfile.ZipFile(root / "a.pt").namelist()
    assert any(name.endswith("extra/darknet_cfg") for name in names), names
    export("darknet", root / "a.cfg", says="darknet of")
    assert (root / "a.weights").read_bytes()[12:] == WEIGHTS.read_bytes()[12:], "darknet's files keep the network"
    run("--cfg", root / "a.cfg", "--weights", root / "a.weights", "--format", "onnx", "--out", root / "again.onnx")
    assert len((root / "again.onnx").read_bytes()) == len(onnx)


def refusals(root):
    out = root / "x"
    export("tensorrt", out, status=2, says="--format: should be onnx, torchscript")
    export("torchscript", out, "--decode", status=2, says="--decode: should come with --format onnx")
    export("darknet", out, "--batch", "2", status=2, says="--batch: should come with --format onnx")
    export("darknet", root / "x.weights", status=2, says="--out: should name the cfg")
    run("--cfg", CFG, "--weights", CFG, "--format", "onnx", "--out", out, status=2, says="error: ")
    run("--cfg", root / "a.cfg", "--weights", root / "a.weights", "--format", "onnx", "--out", root / "a.cfg", status=2,
        says="should be another file than the input")
    run("--cfg", root / "a.cfg", "--weights", root / "a.weights", "--format", "darknet", "--out", root / "a.cfg", status=2,
        says="should be another file than the input")
    export("onnx", root, status=2, says="should be writable")
    assert not out.exists() and not list(root.glob("*.part-*"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        formats(pathlib.Path(folder))
        refusals(pathlib.Path(folder))
