#!/usr/bin/env python3
"""Data sets as people have them, in every program that reads one: forms, class names, text of Windows, outputs that are inputs.

usage: own_data.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_DEMO_NETWORK
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BIN, DEMO = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
os.environ["OMP_NUM_THREADS"] = "1"
SMOKE = ["--budget", "smoke", "--batch-size", 2, "--pretrain-steps", 1, "--finetune-steps", 1, "--test-limit", 2, "--timing-images", 1]
LOOKERS = {"detect": [], "attack": ["--attack", "noise"], "robustness": ["--attacks", "noise", "--strengths", "0.1", "--curve-steps", 1],
           "scores": ["--score", "magnitude"]}


def run(program, *arguments, status=0, says=""):
    done = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert done.returncode == status, (program, arguments, done.returncode, told[-500:])
    assert says in told, (says, program, arguments, told[-500:])
    return told


def network(cfg="net.cfg", weights="net.weights"):
    return ["--cfg", cfg, "--weights", weights, "--device", "cpu"]


def ap50(told):
    return next(line.split()[1] for line in told.splitlines() if line.split()[:1] == ["AP50"])


def forms():
    """The same boxes in every form give the same numbers in every program."""
    for part in "train", "test":
        for form in "voc", "yolo":
            run("dataset", "convert", "--to", form, "--annotations", f"scenes/{part}/instances.json", "--images", f"scenes/{part}/images",
                "--out", f"{part}.{form}")
    shutil.copytree("test.yolo/labels", "labels")  # apart from the pictures, without names
    names = [c["name"] for c in json.loads(pathlib.Path("scenes/test/instances.json").read_text())["categories"]]
    pathlib.Path("class.names").write_text("\n".join(names) + "\n")
    data = ["--images", "scenes/test/images", "--annotations"]
    wanted = ap50(run("detect", *network(), *data, "scenes/test/instances.json", "--out", "wanted"))
    for form in "test.voc", "test.yolo", "test.yolo/obj.data", "test.yolo/data.yaml", "test.yolo/images.txt", "labels":
        named = ["--names", "class.names"]
        out = pathlib.Path("found", form.replace("/", "-"))
        assert ap50(run("detect", *network(), *data, form, *named, "--out", out)) == wanted, form
        for annotations in form, "scenes/test/instances.json":  # pictures and classes are found again, by their names
            if annotations == "labels" or form == "labels" and annotations != form:
                continue  # classes without names
            for found in "detections.csv", "detections.json":
                told = run("evaluate", "--annotations", annotations, "--images", "scenes/test/images", "--detections", out / found,
                           "--out", "numbers.json")
                assert ap50(told) == wanted, (form, annotations, told)
        run("evaluate", "--annotations", form, "--images", "scenes/test/images", "--detections", out / "detections.csv", "--out", "n.json")
        for program, more in LOOKERS.items():
            run(program, *network(), *data, form, *named, *more, "--out", pathlib.Path("looked", program, out.name))


def class_names():
    """Classes are matched by name: beside the weights, beside the cfg, by the training data; else refused."""
    voc = ["--images", "scenes/test/images", "--annotations", "test.voc"]
    for program, more in LOOKERS.items():
        run(program, *network(), *voc, *more, "--out", "refused", status=2, says="Pascal VOC's classes have no numbers")
    train = ["--images", "scenes/train/images", "--annotations", "train.voc", "--test-images", "scenes/test/images",
             "--test-annotations", "test.voc"]
    run("study", *network(), *train, "--scenarios", "unstructured_magnitude", "--ratios", 0, "--runs", 1, *SMOKE, "--out",
        "refused", status=2, says="have no numbers")
    run("train", *network(), *voc, "--steps", 1, "--batch-size", 2, "--out", "x.weights", status=2, says="have no numbers")
    assert not pathlib.Path("refused/configuration.txt").exists()
    wanted = ap50(run("detect", *network(), "--images", "scenes/test/images", "--annotations", "scenes/test/instances.json", "--out", "w"))
    pathlib.Path("other").mkdir()
    shutil.copy("net.weights", "other/own.weights")
    shutil.copy("class.names", "other/own.names")
    told = run("detect", *network(weights="other/own.weights"), *voc, "--out", "beside")
    assert ap50(told) == wanted and "by name, in another order" in told, told
    for program, more in LOOKERS.items():
        run(program, *network(weights="other/own.weights"), *voc, *more, "--out", pathlib.Path("beside", program))
    # A study of a training set in one form and a test set in another; the rarest class of all is not in the test set.
    data = json.loads(pathlib.Path("scenes/test/instances.json").read_text())
    lost = data["categories"][0]
    data["annotations"] = [a for a in data["annotations"] if a["category_id"] != lost["id"]]
    pathlib.Path("fewer.json").write_text(json.dumps(data))
    run("dataset", "convert", "--to", "voc", "--annotations", "fewer.json", "--images", "scenes/test/images", "--out", "fewer.voc")
    mixed = ["--images", "scenes/train/images", "--annotations", "scenes/train/instances.json", "--test-images", "scenes/test/images",
             "--test-annotations", "fewer.voc"]
    told = run("unstructured_magnitude", *network(), *mixed, "--ratios", 0, "--runs", 1, *SMOKE, "--out", "mixed")
    assert f"1 of the 8 classes of net.cfg have no boxes: {lost['name']}" in told, told
    # prune hands the names on, wherever they came from.
    run("prune", *network(), *mixed, "--scenario", "unstructured_magnitude", "--ratio", 50, *SMOKE, "--out", "pruned")
    assert pathlib.Path("pruned/network.names").read_text() == pathlib.Path("class.names").read_text()
    # Validation data that count classes otherwise are matched with the training data.
    order = {c["id"]: 1000 - c["id"] for c in data["categories"]}
    data = json.loads(pathlib.Path("scenes/test/instances.json").read_text())
    for row, key in [(c, "id") for c in data["categories"]] + [(a, "category_id") for a in data["annotations"]]:
        row[key] = order[row[key]]
    pathlib.Path("reversed.json").write_text(json.dumps(data))
    said = []
    for name in "scenes/test/instances.json", "reversed.json":
        told = run("train", *network(), "--images", "scenes/train/images", "--annotations", "scenes/train/instances.json",
                   "--validation-images", "scenes/test/images", "--validation-annotations", name, "--steps", 1, "--batch-size", 2,
                   "--learning-rate", 0, "--out", f"trained/{len(said)}.weights")
        said.append(next(line for line in told.splitlines() if line.startswith("step 1:")))
    assert said[0] == said[1], said


def windows():
    """Text with CRLF and a byte order mark is read as meant."""
    marked = pathlib.Path("windows")
    for kind in "voc", "yolo":
        shutil.copytree(f"test.{kind}", marked / f"test.{kind}", symlinks=True)
    for source in "scenes/test/instances.json", "net.cfg", "class.names", "wanted/detections.csv", "wanted/detections.json":
        shutil.copy(source, marked)
    for file in marked.rglob("*"):
        if file.is_file() and not file.parent.is_symlink() and file.suffix not in (".jpg", ".weights"):
            text = file.read_bytes().replace(b"/test.yolo", b"/windows/test.yolo")
            blank = b" \t\r\n\r\n" if file.suffix == ".names" else b"\r\n"
            file.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n").rstrip() + blank)
    wanted = ap50(run("evaluate", "--annotations", "scenes/test/instances.json", "--detections", "wanted/detections.csv", "--out", "n.json"))
    for form in "instances.json", "test.voc", "test.yolo/obj.data", "test.yolo/data.yaml", "test.yolo/images.txt":
        told = run("detect", *network(marked / "net.cfg"), "--images", "scenes/test/images", "--annotations", marked / form, "--names",
                   marked / "class.names", "--out", pathlib.Path("marked", form))
        assert ap50(told) == wanted, (form, told)
    for found in "detections.csv", "detections.json":
        told = run("evaluate", "--annotations", marked / "instances.json", "--detections", marked / found, "--out", "n.json")
        assert ap50(told) == wanted, told


def inputs():
    """No output replaces an input, in any program; halves of networks and old parts are named."""
    kept = {file: file.read_bytes() for file in pathlib.Path(".").rglob("*") if file.is_file() and not file.parent.is_symlink()}
    data = ["--images", "scenes/test/images", "--annotations", "scenes/test/instances.json"]
    same = "should be another"
    for name in "summary.json", "detections.json", "evaluations.csv", "index.json", "images.csv":
        pathlib.Path("in", name).parent.mkdir(exist_ok=True)
        shutil.copy("scenes/test/instances.json", pathlib.Path("in", name))
    instances = ["--images", "scenes/test/images", "--annotations"]
    run("detect", *network(), *instances, "in/summary.json", "--out", "in", status=2, says=same)
    run("attack", *network(), *instances, "in/summary.json", "--attack", "noise", "--out", "in", status=2, says=same)
    run("robustness", *network(), *instances, "in/evaluations.csv", "--attacks", "noise", "--out", "in", status=2, says=same)
    run("scores", *network(), *instances, "in/index.json", "--score", "magnitude", "--out", "in", status=2, says=same)
    shutil.copy("net.weights", "in/profile.csv")
    run("profile", "--cfg", "net.cfg", "--weights", "in/profile.csv", "--out", "in", status=2, says=same)
    for folder in "drawn", "inputs", "strips":
        shutil.copytree("scenes/test/images", pathlib.Path("in", folder))
    run("detect", *network(), "--images", "in/drawn", "--draw", 2, "--out", "in", status=2, says=same)
    run("detect", *network(), "--images", sorted(pathlib.Path("in/drawn").iterdir())[0], "--draw", 1, "--out", "in", status=2, says=same)
    for folder in "inputs", "strips":
        run("attack", *network(), "--images", pathlib.Path("in", folder), "--annotations", "scenes/test/instances.json", "--attack",
            "noise", "--out", "in", status=2, says=same)
    shutil.copytree("pruned", "in/pruned")
    run("prune", "--cfg", "in/pruned/network.cfg", "--weights", "in/pruned/network.weights", "--images", "scenes/train/images",
        "--annotations", "scenes/train/instances.json", "--test-images", "scenes/test/images", "--test-annotations",
        "scenes/test/instances.json", "--scenario", "unstructured_magnitude", "--ratio", 50, "--out", "in/pruned", status=2, says=same)
    run("export_network", "--cfg", "net.cfg", "--weights", "net.weights", "--format", "plan", "--names", "class.names", "--out",
        "class.names", status=2, says=same)
    picture = sorted(pathlib.Path("scenes/test/images").iterdir())[0]
    run("train", *network(), *data, "--steps", 1, "--out", picture, status=2, says=same)
    for door in "obj.data", "data.yaml", "images.txt", "", "labels":  # obj.names is the meaning of the labels, by each
        run("train", *network(), "--images", "test.yolo/images", "--annotations", f"test.yolo/{door}", "--steps", 1, "--batch-size", 2,
            "--out", "test.yolo/obj.weights", status=2, says=same)
    run("evaluate", "--annotations", "test.voc", "--detections", "wanted/detections.csv", "--out", "test.voc/Annotations/000001.xml",
        status=2, says=same)
    convert = ["convert", "--images", "scenes/test/images", "--annotations"]
    run("dataset", *convert, "test.voc", "--names", "class.names", "--to", "coco", "--out", "class.names", status=2, says=same)
    run("dataset", *convert, "scenes/test/instances.json", "--names", "class.names", "--to", "coco", "--out", "x.json", status=2,
        says="--names: should come with Pascal VOC's or YOLO's")
    run("dataset", *convert, "test.voc", "--to", "coco", "--out", "test.voc/Annotations/000001.xml", status=2, says=same)
    run("dataset", *convert, "test.voc/Annotations", "--to", "voc", "--out", "test.voc", status=2, says=same)
    for source in "test.yolo", "test.yolo/obj.data", "test.yolo/labels", "test.yolo/images.txt":
        run("dataset", "convert", "--images", "test.yolo/images", "--annotations", source, "--to", "yolo", "--out", "test.yolo",
            status=2, says=same)
    run("dataset", "stats", "--annotations", "test.voc", "--names", "class.names", "--out", "class.names", status=2, says=same)
    pathlib.Path("parts").mkdir()
    shutil.copy("scenes/train/instances.json", "parts/test.json")
    run("dataset", "split", "--annotations", "parts/test.json", "--out", "parts", status=2, says=same)
    assert not pathlib.Path("parts/train.json").exists()
    for file, text in kept.items():
        assert file.read_bytes() == text, file

    # What an earlier conversion or split left is named.
    run("dataset", "convert", "--images", "scenes/train/images", "--annotations", "scenes/train/instances.json", "--to", "voc", "--out", "set")
    part = json.loads(pathlib.Path("scenes/test/instances.json").read_text())
    part["images"] = part["images"][:3]
    part["annotations"] = [a for a in part["annotations"] if a["image_id"] in {i["id"] for i in part["images"]}]
    pathlib.Path("part.json").write_text(json.dumps(part))
    run("dataset", *convert, "part.json", "--to", "voc", "--out", "set", status=2, says="got 5 of another (000004.xml, 000005.xml, 000006.xml, …)")
    run("dataset", "split", "--annotations", "scenes/train/instances.json", "--parts", "0.5,0.25,0.25", "--out", "three")
    run("dataset", "split", "--annotations", "scenes/train/instances.json", "--parts", "0.5,0.5", "--out", "three",
        says="three/val.json was there before and is no part of this split")
    # Half a network is refused where it would be looked with, and said where it is trained or timed.
    pathlib.Path("half.conv.15").symlink_to("net.weights")
    for program, more in LOOKERS.items():
        run(program, *network(weights="half.conv.15"), *data, *more, "--out", "half", status=2, says="whole network")
    run("export_network", "--cfg", "net.cfg", "--weights", "half.conv.15", "--format", "onnx", "--out", "x", status=2, says="whole network")
    run("profile", "--cfg", "net.cfg", "--weights", "half.conv.15", "--rounds", 1, "--out", "half", says="on start fresh")
    run("train", *network(weights="half.conv.15"), *data, "--steps", 1, "--batch-size", 2, "--out", "half/x.weights", says="on start fresh")
    run("unstructured_magnitude", *network(weights="half.conv.15"), "--images", "scenes/train/images", "--annotations",
        "scenes/train/instances.json", "--test-images", "scenes/test/images", "--test-annotations", "scenes/test/instances.json",
        "--ratios", 0, "--runs", 1, *SMOKE, "--out", "half/study", says="on start fresh")
    # Pictures of a list that are not there are left out where that is asked for, else summed up.
    listed = pathlib.Path("test.yolo/images", picture.name).absolute()  # where it has labels
    pathlib.Path("list.txt").write_text(f"{listed}\n" + "".join(f"gone/{i}.jpg\n" for i in range(3000)))
    told = run("dataset", "convert", "--annotations", "list.txt", "--to", "coco", "--out", "x.json", status=2, says="for 3000 of 3001")
    assert len(told.splitlines()) == 1, told
    run("dataset", *convert, "list.txt", "--to", "coco", "--out", "x.json", says="3000 pictures are not in")
    told = run("dataset", "stats", "--annotations", "list.txt", "--images", "scenes/test/images", says="3000 missing")
    assert len(told.splitlines()) < 20, told
    told = run("dataset", "convert", "--from", "yolo", "--to", "coco", "--annotations", "fewer.json", "--out", "x.json", status=2,
               says="should be YOLO's")


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    run("drawn_scenes", "--out", "scenes", "--train", 8, "--test", 8)
    for suffix in "cfg", "weights":
        shutil.copy(DEMO / f"yolov3-slim.{suffix}", f"net.{suffix}")
    for test in forms, class_names, windows, inputs:
        test()
        print(f"{test.__name__}: {test.__doc__.splitlines()[0]}")
