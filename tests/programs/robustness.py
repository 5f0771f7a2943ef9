#!/usr/bin/env python3
"""attack, robustness and scores as people run them: what they write, that they go on, and what they refuse.

usage: robustness.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_SHIPPED_NETWORK
"""
import csv
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

BIN, NETWORK = map(pathlib.Path, sys.argv[1:])
CFG, WEIGHTS = NETWORK / "yolov3-slim.cfg", NETWORK / "yolov3-slim.weights"
os.environ["OMP_NUM_THREADS"] = "1"


def run(program, *arguments, status=0, says="", **how):
    result = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, **how)
    shown = f"{program} {' '.join(map(str, arguments))}\n{result.stdout}{result.stderr}"
    assert result.returncode == status, f"exit status should be {status}, got {result.returncode}: {shown}"
    assert says in result.stdout + result.stderr, f"should say \"{says}\": {shown}"
    return result.stdout


def attacked(root, data):
    """Every attack by name; the numbers of detect; settings that an attack does not have."""
    for name, extra in {"fgsm": [], "pgd": ["--steps", 2, "--norm", "linf", "--aim", "vanish"], "pgd-l2": ["--steps", 2, "--color", "greyscale"],
                        "apgd": ["--steps", 2], "square": ["--queries", 3], "cw": ["--steps", 2, "--searches", 1],
                        "tog-untargeted": ["--steps", 1], "tog-vanishing": ["--steps", 1],
                        "tog-fabrication": ["--steps", 1], "tog-mislabelling": ["--steps", 1],
                        "mtd": ["--steps", 1], "noise": ["--color", "greyscale"]}.items():
        out = root / name
        epsilon = 2 if name == "pgd-l2" else 0.03
        run("attack", *data, "--attack", name, "--epsilon", epsilon, *extra, "--out", out, "--strips", 1)
        summary = json.loads((out / "summary.json").read_text())
        assert len(summary["clean"]) == len(summary["attacked"]) == 12 and summary["seconds"] >= 0
        assert 0 < summary["max_abs"] <= epsilon + 1e-6 and summary["mean_l2"] > 0, summary
        assert name != "pgd-l2" or summary["mean_l2"] <= epsilon * (1 + 1e-5), summary  # of one channel, not of three equal ones
        lines = list(csv.DictReader(open(out / "images.csv")))
        assert len(lines) == 3 == len(list((out / "inputs").glob("*.png"))) and len(list((out / "strips").glob("*.png"))) == 1
        assert (out / "inputs" / lines[0]["png"]).read_bytes()[16:24] == struct.pack(">2I", 128, 128)  # the network's size
    whole = [*data[:8], *data[10:]]  # all six pictures: the numbers of detect
    run("attack", *whole, "--attack", "fgsm", "--epsilon", 0.03, "--out", root / "all")
    run("detect", *whole, "--attack", "fgsm", "--attack-epsilon", 0.03, "--out", root / "found")
    both = [json.loads((root / f / "summary.json").read_text()) for f in ("all", "found")]
    assert abs(both[0]["attacked"]["AP50"] - both[1]["AP50"]) < 1e-6, both
    # Pictures of one name in two folders, and one that is called as the second of them would be.
    named = root / "named"
    (named / "b").mkdir(parents=True)
    truth = json.loads(data[7].read_text())
    truth["images"] = truth["images"][:3]
    ids = [image["id"] for image in truth["images"]]
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] in ids]
    for image, name in zip(truth["images"], (f"a-{ids[2]}", "a", "b/a")):
        file = data[5] / image["file_name"]
        image["file_name"] = name + file.suffix
        shutil.copy(file, named / image["file_name"])
    (root / "named.json").write_text(json.dumps(truth))
    three = [*data[:4], "--images", named, "--annotations", root / "named.json", "--device", "cpu", "--attack", "fgsm"]
    run("attack", *three, "--out", root / "names")
    files = {line["png"] for line in csv.DictReader(open(root / "names/images.csv"))}
    assert len(files) == 3 and files == {f.name for f in (root / "names/inputs").glob("*.png")}, files
    run("detect", *three, "--draw", 3, "--out", root / "drawn")
    assert len(list((root / "drawn/drawn").glob("*.png"))) == 3
    for wrong in (["square", "--steps", 3], ["cw", "--norm", "l2"], ["noise", "--aim", "truth"]):
        run("attack", *data, "--attack", *wrong, "--out", root / "no", status=2, says=f"should be a setting of {wrong[0]} (--")
    run("attack", *data, "--attack", "pgd", "--epsilon", 1.5, "--out", root / "no", status=2, says="from 0 to 1")
    run("detect", *data[:8], *data[10:], "--attack-steps", 3, "--out", root / "no", status=2, says="none (which has none)")
    run("attack", *data, "--attack", "none", "--out", root / "no", status=2, says="should be fgsm, ")
    run("attack", *data, "--attack", "pgd", "--out", root / "fgsm", status=2, says="another configuration's")
    run("attack", *data, "--attack", "fgsm", "--epsilon", 0.03, "--batch-size", 2, "--out", root / "fgsm", status=2,
        says="batch-size: 8 there, 2 here")
    assert not (root / "no").exists()


def robust(root, data):
    """A small suite: it goes on where it was, the worst case is the worst, an honest network has no masked gradients."""
    command = [*data, "--attacks", "noise,pgd-5,apgd,square,transfer", "--steps", 6, "--queries", 20, "--curve-steps", 4,
               "--strengths", "0.02,0.1,1", "--transfer-cfg", CFG, "--transfer-weights", WEIGHTS, "--out", root / "suite"]
    told = run("robustness", *command)
    assert "Worst case" in told, told
    found = json.loads((root / "suite/robustness.json").read_text())
    table = [line.split() for line in told.splitlines()]
    shown = next(words for words in table if words[:1] == ["None"])  # all of one profile, as AP50 is
    clean = next(a["standard"] for a in found["attacks"] if a["attack"] == "None")
    assert shown[2:5] == ["–" if clean[name] < 0 else f"{clean[name]:.3f}" for name in ("AP50", "AP50_places", "rightly_named")], shown
    by = {(a["attack"], a["epsilon"]): a["standard"]["AP50"] for a in found["attacks"]}
    assert found["worst_case"]["paper"]["AP50"] <= min(a["paper"]["AP50"] for a in found["attacks"][:5]) + 0.1
    assert sum(found["worst_case"]["paper"]["images_by_attack"].values()) == 3
    assert found["vanished_gradients"] == 0 and by["PGD-4 curve", 1] <= by["None", 0]
    rows = list(csv.DictReader(open(root / "suite/evaluations.csv")))
    assert {"AP50", "AP50_places", "rightly_named"} <= {r["metric"] for r in rows}
    assert {r["attack"] for r in rows} == {"None", "Noise", "PGD-5", "APGD", "Square", "Transfer", "PGD-4 curve", "Worst case"}
    assert (root / "suite/strengths.svg").read_text().startswith("<svg")
    # Again: nothing is computed; a damaged part is made anew, and all is as it was.
    seals = {p: p.stat().st_mtime_ns for p in (root / "suite/attacks").glob("*/seal.txt")}
    broken = root / "suite/attacks/apgd/detections.csv"
    broken.write_text(broken.read_text().replace("0.", "1.", 1))
    run("robustness", *command)
    assert json.loads((root / "suite/robustness.json").read_text())["worst_case"] == found["worst_case"]
    changed = {p.parent.name for p, time in seals.items() if p.stat().st_mtime_ns != time}
    assert changed == {"apgd"}, changed
    run("robustness", *command, "--seed", 2, status=2, says="seed: 1 there, 2 here")
    run("robustness", *command, "--batch-size", 2, status=2, says="batch-size: 8 there, 2 here")
    # A picture that was damaged and is mended counts, under the attacks that were kept without it too.
    quick = [*data, "--attacks", "noise", "--strengths", ""]
    picture = data[5] / json.loads(data[7].read_text())["images"][0]["file_name"]
    whole = picture.read_bytes()
    picture.write_bytes(b"no picture")
    run("robustness", *quick, "--out", root / "mended")
    assert json.loads((root / "mended/robustness.json").read_text())["images"] == 2
    picture.write_bytes(whole)
    run("robustness", *quick, "--out", root / "mended")
    run("robustness", *quick, "--out", root / "fresh")
    numbers = [[(a["attack"], a["paper"], a["standard"]) for a in json.loads((root / name / "robustness.json").read_text())["attacks"]]
               for name in ("mended", "fresh")]
    assert numbers[0] == numbers[1], numbers
    # A picture that is replaced by another one of as many bytes makes another data set.
    replaced = root / "bmp"
    replaced.mkdir()
    truth = json.loads(data[7].read_text())
    image = {**truth["images"][0], "file_name": "a.bmp"}
    (root / "bmp.json").write_text(json.dumps({**truth, "images": [image], "annotations": [
        a for a in truth["annotations"] if a["image_id"] == image["id"]]}))
    width, height = image["width"], image["height"]
    row = -(-3 * width // 4) * 4
    header = b"BM" + struct.pack("<I2HI", 54 + row * height, 0, 0, 54)
    header += struct.pack("<I2i2H6I", 40, width, height, 1, 24, 0, row * height, 0, 0, 0, 0)
    one = [*data[:4], "--images", replaced, "--annotations", root / "bmp.json", "--device", "cpu", "--attacks", "noise", "--strengths", "",
           "--out", root / "replaced"]
    kept = root / "replaced/attacks/noise/seal.txt"
    times = []
    for grey in 0, 0, 200:
        (replaced / "a.bmp").write_bytes(header + bytes([grey]) * (row * height))
        run("robustness", *one)
        times.append(kept.stat().st_mtime_ns)
    assert times[0] == times[1] < times[2], times
    run("robustness", *data, "--attacks", "magic", "--out", root / "no", status=2, says='got "magic"')
    run("robustness", *data, "--attacks", "transfer", "--out", root / "no", status=2, says="it needs --transfer-cfg")
    assert not (root / "no").exists()


def scored(root, data):
    """Scores in the cfg's order, and what a score does not have."""
    for name, extra in {"magnitude": [], "snip": [], "deeplift": ["--reference", "grey", "--target", "detection"]}.items():
        run("scores", *data, "--score", name, *extra, "--out", root / name)
        index = json.loads((root / name / "index.json").read_text())
        size, end = (root / name / "scores.bin").stat().st_size, 0
        for layer in index["layers"]:
            assert layer["offset"] == end and layer["kind"] == "convolutional", layer
            end += 4 * layer["shape"][0] * layer["shape"][1] * layer["shape"][2] * layer["shape"][3]
        assert end == size and index["layers"][0]["name"] == "conv_0"
        assert len(list(csv.DictReader(open(root / name / "importance.csv")))) == sum(l["shape"][0] for l in index["layers"])
        assert (root / name / "importance.svg").read_text().count("conv_") == len(index["layers"])
    # Scores of other settings are not replaced unless that is wanted.
    run("scores", *data, "--score", "snip", "--out", root / "snip")
    before = (root / "snip/scores.bin").read_bytes()
    run("scores", *data, "--score", "magnitude", "--out", root / "snip", status=2, says="--force")
    assert (root / "snip/scores.bin").read_bytes() == before
    run("scores", *data, "--score", "magnitude", "--out", root / "snip", "--force")
    assert (root / "snip.1/scores.bin").read_bytes() == before != (root / "snip/scores.bin").read_bytes()
    run("scores", *data, "--score", "deeplift", "--reference", "clean-twin", "--attack", "fgsm", "--out", root / "twins")
    run("scores", *data, "--score", "deeplift", "--reference", "clean-twin", "--out", root / "no", status=2, says="attacked twins")
    run("scores", *data, "--score", "snip", "--attack", "fgsm", "--out", root / "no", status=2, says="--attack")
    run("scores", *data, "--score", "snip", "--reference", "grey", "--out", root / "no", status=2,
        says="--reference: should be a setting of snip (which has none)")
    assert not (root / "no").exists()


QUICK = {"detect": [], "attack": ["--attack", "fgsm"], "robustness": ["--attacks", "noise", "--strengths", ""],
         "scores": ["--score", "snip"]}


def arguments(program, data, **swapped):
    """The data as a program takes it, some of it swapped."""
    swapped = {"--" + name: value for name, value in swapped.items()}
    taken = [swapped.get(before, this) for before, this in zip(["", *data], data)]
    return [*(taken[:8] + taken[10:] if program == "detect" else taken), *QUICK[program]]


def inputs_and_outputs(root, data):
    """No pipes for what is read twice; --out may lie in --images; what one program wrote is no other's to replace."""
    read, write = os.pipe()
    os.close(write)
    pipe = f"/dev/fd/{read}"
    for program in QUICK:
        for name in "cfg", "weights", "annotations":
            run(program, *arguments(program, data, **{name: pipe}), "--out", root / "no", status=2,
                says=f"{pipe}: should be a file, got a pipe", pass_fds=[read])
    transfer = ["transfer" if word == "noise" else word for word in arguments("robustness", data)]
    run("robustness", *transfer, "--transfer-cfg", CFG, "--transfer-weights", pipe, "--out", root / "no", status=2, says="got a pipe",
        pass_fds=[read])
    assert not (root / "no").exists()
    images = root / "images"
    shutil.copytree(data[5], images)
    for program in QUICK:
        for _ in "first", "again":
            run(program, *arguments(program, data, images=images), "--out", images / program)
    run("scores", *arguments("scores", data, images=images), "--out", images, status=2, says="should be another folder than the input")
    for program in QUICK:
        for other in QUICK.keys() - {program}:
            run(program, *arguments(program, data, images=images), "--out", images / other, status=2,
                says=f"program: {other} there, {program} here")


with tempfile.TemporaryDirectory() as folder:
    scenes = pathlib.Path(folder) / "scenes"
    run("drawn_scenes", "--out", scenes, "--train", 2, "--test", 6)
    data = ["--cfg", CFG, "--weights", WEIGHTS, "--images", scenes / "test/images", "--annotations",
            scenes / "test/instances.json", "--limit", 3, "--device", "cpu"]
    for test in attacked, robust, scored, inputs_and_outputs:
        root = pathlib.Path(folder) / test.__name__
        root.mkdir()
        test(root, data)
        print(f"{test.__name__}: {test.__doc__.splitlines()[0]}")
