#!/usr/bin/env python3
"""dataset and evaluate as people run them: what they write, and what they refuse.

usage: dataset.py FOLDER_OF_PROGRAMS FOLDER_OF_GOLDEN_FILES
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

BIN, GOLDEN = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])


def run(program, *arguments, status=0, says="", memory=None):
    limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None
    done = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, preexec_fn=limit)
    told = done.stdout + done.stderr
    assert done.returncode == status, (program, arguments, done.returncode, told)
    assert says in told, (program, arguments, told)
    return done.stdout


def convert(root):
    """Around all formats and back: the same boxes."""
    coco, images = GOLDEN / "annotations/coco.json", GOLDEN / "images"
    run("dataset", "convert", "--from", "coco", "--to", "voc", "--annotations", coco, "--images", images, "--out",
        root / "voc", says="2 pictures, 4 boxes, 2 classes")
    run("dataset", "convert", "--from", "voc", "--to", "yolo", "--annotations", root / "voc", "--images", images, "--out",
        root / "yolo", says="2 crowds and boxes without area were left out")
    run("dataset", "convert", "--from", "yolo", "--to", "coco", "--annotations", root / "yolo/obj.data", "--images",
        images, "--out", root / "again.json", says="2 pictures, 2 boxes, 2 classes")
    want = [a["bbox"] for a in json.loads(coco.read_text())["annotations"] if not a["iscrowd"] and a["area"] > 0]
    got = [a["bbox"] for a in json.loads((root / "again.json").read_text())["annotations"]]
    assert all(abs(x - y) < 1e-9 for a, b in zip(want, got, strict=True) for x, y in zip(a, b)), (want, got)
    run("dataset", "convert", "--to", "coco", "--annotations", coco, "--out", coco, status=2, says="another file than")
    run("dataset", "convert", "--to", "yolo", "--annotations", coco, "--out", root / "x", status=2, says="--images")
    assert coco.exists()


def parts(root):
    """Splits by seed, statistics, anchors."""
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 80} for i in range(1, 101)]
    boxes = [{"id": i, "image_id": i, "category_id": 1 + (i % 10 == 0), "bbox": [0, 0, 10 + i % 3 * 30, 20],
              "area": 200, "iscrowd": 0} for i in range(1, 101)]
    whole = root / "whole.json"
    whole.write_text(json.dumps({"images": images, "annotations": boxes,
                                 "categories": [{"id": 1, "name": "many"}, {"id": 2, "name": "few"}]}))
    for out in "a", "b":
        run("dataset", "split", "--annotations", whole, "--parts", "0.8,0.2", "--seed", 3, "--out", root / out)
    train, test = ((root / "a" / name).read_text() for name in ("train.json", "test.json"))
    assert train == (root / "b/train.json").read_text()
    train, test = json.loads(train), json.loads(test)
    assert len(train["images"]) == 80 and len(test["images"]) == 20
    assert sum(a["category_id"] == 2 for a in test["annotations"]) == 2  # a fifth of the rare class as well
    told = run("dataset", "stats", "--annotations", root / "a/train.json", root / "a/test.json", "--out", root / "s.svg")
    assert "80 pictures" in told and "0 pictures are listed twice" in told, told
    assert (root / "s.svg").read_text().startswith("<svg")
    told = run("dataset", "stats", "--annotations", whole, root / "a/test.json", says="20 pictures are listed twice")
    told = run("dataset", "anchors", "--annotations", whole, "--size", 100, "--count", 3)
    assert told == "anchors = 10,20,  40,20,  70,20\n", told
    run("dataset", "anchors", "--annotations", whole, "--count", 4, status=2, says="different boxes")
    run("dataset", "split", "--annotations", whole, "--parts", "0.5,0.2", "--out", root / "c", status=2, says="add up to 1")


def networks(root):
    """A cfg that fits a data set: classes, filters, anchors, masks."""
    boxes = [(10, 20), (40, 20), (30, 60), (90, 80), (150, 120), (200, 210)]
    data = {"images": [{"id": i + 1, "width": 416, "height": 416, "file_name": f"{i}.jpg"} for i in range(6)],
            "categories": [{"id": 0, "name": "things"}, {"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [{"id": i + 1, "image_id": i + 1, "category_id": 1 + i % 2, "bbox": [1, 1, w, h]}
                            for i, (w, h) in enumerate(boxes)]}
    (root / "a.json").write_text(json.dumps(data))
    told = run("new_network", "--annotations", root / "a.json", "--base", "yolov3-tiny", "--out", root / "own.cfg",
               says="the category 0 (things) has no boxes")
    assert "yolov3-tiny.conv.15" in told and "mean best IoU of 6 boxes with an anchor: 1.000" in told, told
    assert (root / "own.names").read_text() == "cat\ndog\n"
    cfg = (root / "own.cfg").read_text()
    assert cfg.count("classes=2") == 2 and cfg.count("filters=21") == 2, cfg  # 3 × (5 + 2)
    assert "mask=3,4,5" in cfg and "mask=0,1,2" in cfg and "anchors=10,20,  40,20,  30,60,  90,80,  150,120,  200,210" in cfg
    assert cfg.index("mask=3,4,5") < cfg.index("mask=0,1,2")  # the coarse head stands first
    # At half the size more of them are small: the fine head takes four.
    run("new_network", "--annotations", root / "a.json", "--base", "yolov3-tiny", "--size", 224, "--out", root / "half.cfg")
    half = (root / "half.cfg").read_text()
    assert "mask=4,5\n" in half and "mask=0,1,2,3\n" in half and "filters=14\n" in half and "filters=28\n" in half, half
    # A canvas that is no square stays, and boxes are measured on it.
    (root / "wide.cfg").write_text(cfg.replace("height=416", "height=224"))
    run("new_network", "--annotations", root / "a.json", "--base", root / "wide.cfg", "--out", root / "fitted.cfg", says="416 x 224 pixels")
    assert "anchors=5,11,  22,11,  16,32,  48,43,  81,65,  108,113\n" in (root / "fitted.cfg").read_text()
    run("new_network", "--classes", root / "own.names", "--base", root / "own.cfg", "--out", root / "again.cfg", says=".conv.15")
    run("new_network", "--classes", root / "own.names", "--base", "yolov3", "--size", 100, "--out", root / "x.cfg", status=2,
        says="multiple of 32")
    run("new_network", "--base", "yolov3", "--out", root / "x.cfg", status=2, says="--classes")
    run("new_network", "--classes", root / "own.names", "--base", root / "own.cfg", "--out", root / "own.cfg", status=2,
        says="another file than")
    for option, value in ("--images", root), ("--anchors", "auto"), ("--count", 6), ("--seed", 2):
        run("new_network", "--classes", root / "own.names", "--base", "yolov3", option, value, "--out", root / "x.cfg", status=2,
            says=f"{option} requires --annotations")
    run("new_network", "--annotations", root / "a.json", "--base", "yolov3", "--anchors", "base", "--count", 6, "--out", root / "x.cfg",
        status=2, says="--count: should come, as --seed, with --anchors auto")


def names(root):
    """Classes keep their names and numbers, and detections their pictures, from one form to another."""
    photos = GOLDEN / "images"

    def data(name, categories, boxes, files=("420.jpg",)):
        """Annotations with a box of each category in `boxes`, on the first picture."""
        (root / name).write_text(json.dumps({
            "images": [{"id": i + 1, "file_name": file, "width": 21, "height": 13} for i, file in enumerate(files)],
            "categories": [{"id": i} | ({"name": name} if name else {}) for i, name in categories],
            "annotations": [{"id": i + 1, "image_id": 1, "category_id": category, "bbox": [i, 1, 9, 9]} for i, category in enumerate(boxes)]}))
        return root / name

    # A category without a name is called by its number, and those behind it keep theirs.
    unnamed = data("unnamed.json", [(1, None), (2, "two"), (3, "three")], [2, 1, 2])
    run("dataset", "convert", "--to", "yolo", "--annotations", unnamed, "--images", photos, "--out", root / "yolo")
    run("dataset", "convert", "--to", "coco", "--annotations", root / "yolo/obj.data", "--images", root / "yolo/images", "--out", root / "again.json")
    again = json.loads((root / "again.json").read_text())
    called = {c["id"]: c["name"] for c in again["categories"]}
    assert [called[a["category_id"]] for a in again["annotations"]] == ["two", "class 0", "two"], again
    network = ["--base", "yolov3-tiny", "--anchors", "base", "--out", root / "own.cfg"]
    run("new_network", "--annotations", unnamed, *network)
    assert (root / "own.names").read_text() == "class 0\ntwo\n"
    run("new_network", "--annotations", unnamed, "--classes", root / "own.names", "--base", root / "own.cfg", "--anchors", "base", "--out",
        root / "same.cfg")
    assert (root / "same.names").read_text() == "class 0\ntwo\n"
    run("dataset", "convert", "--to", "voc", "--annotations", unnamed, "--out", root / "voc", status=2, says="category 1 should have a name, got none")
    # Of two categories of one name the one with boxes is the class; with boxes in both nothing tells them apart.
    run("new_network", "--annotations", data("ball.json", [(0, "ball"), (1, "ball")], [1, 1]), *network)
    assert (root / "own.names").read_text() == "ball\n"
    balls = data("balls.json", [(0, "ball"), (1, "ball")], [0, 1])
    run("new_network", "--annotations", balls, *network, status=2, says="of its own, got \"ball\" twice")
    for form in "yolo", "voc":
        run("dataset", "convert", "--to", form, "--annotations", balls, "--images", photos, "--out", root / "twice", status=2, says="twice")
    assert not (root / "twice").exists()
    broken = data("broken.json", [(1, "a\nb")], [1])
    run("dataset", "convert", "--to", "yolo", "--annotations", broken, "--images", photos, "--out", root / "twice", status=2, says="should be one line")
    # A network without names counts its classes; ids of annotations may begin elsewhere.
    found = root / "found.json"

    def ap50(truth, **refused):
        told = run("evaluate", "--annotations", truth, "--detections", found, "--out", root / "numbers.json", **refused)
        return refused or next(float(line.split()[1]) for line in told.splitlines() if line.split()[:1] == ["AP50"])

    found.write_text(json.dumps([{"image_id": 1, "category_id": k + 1, "category": f"class {k}", "bbox": [k, 1, 9, 9], "score": 0.5}
                                 for k in range(2)]))
    for first in 0, 1:
        assert ap50(data("truth.json", [(first, "a"), (first + 1, "b")], [first, first + 1])) == 1, first
    ap50(data("truth.json", [(1, "a"), (5, "b")], [1, 5]), status=2, says="detect with --annotations or with --names")
    # Detections are of the picture that they name.
    found.write_text(json.dumps([{"image_id": 2, "category_id": 1, "file_name": "a/1.jpg", "bbox": [0, 1, 9, 9], "score": 0.5}]))
    pictures = data("truth.json", [(1, "cat")], [1], files=("x/a/1.jpg", "x/b/1.jpg"))
    assert ap50(pictures) == 1
    found.write_text(found.read_text().replace("a/1.jpg", "1.jpg"))
    ap50(pictures, status=2, says="got 1.jpg, which several folders have")


def data_sets(root):
    """A folder of labels is read whole or refused, and whatever says what they mean is no output."""
    coco, images = GOLDEN / "annotations/coco.json", GOLDEN / "images"
    same = "should be another file than"
    yy, voc = root / "yy", root / "voc"
    run("dataset", "convert", "--to", "yolo", "--annotations", coco, "--images", images, "--out", yy)
    run("dataset", "convert", "--to", "voc", "--annotations", coco, "--images", images, "--out", voc)
    (voc / "ImageSets/Main").mkdir(parents=True)
    (voc / "ImageSets/Main/t.txt").write_text("420\n")
    (yy / "hyp.yaml").write_text("lr0: 0.01\n")
    run("dataset", "stats", "--annotations", yy, says="  2 boxes: ")
    kept = {file: file.read_bytes() for file in [*yy.rglob("*"), *voc.rglob("*")] if file.is_file() and file.parent != yy / "images"}
    assert yy / "obj.names" in kept and voc / "Annotations/420.xml" in kept
    names = (yy / "obj.names").read_text().splitlines()
    order = root / "order.txt"
    order.write_text("\n".join(reversed(names)) + "\n")
    for door in "", "obj.data", "obj.data:train", "data.yaml", "data.yaml:train", "images.txt":
        for output in "data.yaml", "obj.data", "obj.names", "images.txt", "labels/420.txt":
            run("dataset", "convert", "--to", "coco", "--annotations", yy / door, "--out", yy / output, status=2, says=same)
            run("dataset", "stats", "--annotations", yy / door, "--out", yy / output, status=2, says=same)
        network = ["--annotations", yy / door, "--base", "yolov3-tiny", "--anchors", "base", "--classes", order]
        run("new_network", *network, "--out", yy / "obj.cfg", status=2, says=same)
        for again in range(2):  # one's own is replaced, and says nothing of the data set
            run("new_network", *network, "--out", yy / "own.cfg")
        assert (yy / "own.names").read_text() == order.read_text() and not (yy / "obj.cfg").exists()
    for door in "", "Annotations", "ImageSets/Main/t.txt":
        run("dataset", "convert", "--to", "coco", "--annotations", voc / door, "--images", images, "--out", voc / "Annotations/420.xml",
            status=2, says=same)
    for file, data in kept.items():
        assert file.read_bytes() == data, file

    # Where labels are of what classes is known or refused, and so is where they are.
    (yy / "other.names").write_text(order.read_text())
    told = ["stats", "--annotations", yy / "images.txt"]
    run("dataset", *told, status=2, says="other.names, which differ")
    run("dataset", *told, "--names", yy / "obj.names", says="  2 boxes: ")
    for file in "other.names", "data.yaml", "hyp.yaml":
        (yy / file).unlink()
    run("dataset", "stats", "--annotations", yy, status=2, says="got none for any of ")
    run("dataset", "convert", "--from", "voc", "--to", "coco", "--annotations", coco, "--out", root / "x.json", status=2,
        says=f"{coco}: should be a folder of Pascal VOC's XML or a list under ImageSets/Main, got neither")
    # Pictures that are elsewhere are found there later.
    run("dataset", "split", "--annotations", voc, "--parts", "1", "--out", root / "parts")
    parted = json.loads((root / "parts/all.json").read_text())
    assert sorted(image["file_name"] for image in parted["images"]) == ["420.jpg", "rgb.png"], parted["images"]
    run("dataset", "stats", "--annotations", root / "parts/all.json", "--images", images, says="files: 0 missing")


def refusals(root):
    """What goes wrong is one line and status 2, and what was there stays."""
    coco = GOLDEN / "annotations/coco.json"
    found = root / "found.json"
    found.write_text("[]")
    run("evaluate", "--annotations", coco, "--detections", found, "--out", found, status=2, says="another file than")
    run("evaluate", "--annotations", coco, "--detections", found, "--out", "/dev/null")
    assert pathlib.Path("/dev/null").is_char_device()
    run("evaluate", "--annotations", "/dev/zero", "--detections", found, "--out", root / "s", status=2, says="a device")
    assert found.read_text() == "[]"
    own = root / "own"
    (own / "photos").mkdir(parents=True)
    (own / "data.yaml").write_text("train: photos\nnc: 1\nnames: [cat]\n")
    (own / "photos/0.jpg").write_bytes(b"")
    (root / "one.json").write_text(json.dumps({"images": [{"id": 1, "width": 9, "height": 9, "file_name": "0.jpg"}],
                                               "annotations": [], "categories": [{"id": 1, "name": "cat"}]}))
    kept = (root / "one.json").read_text()
    run("dataset", "stats", "--annotations", root / "one.json", "--out", root / "one.json", status=2, says="another file than")
    assert (root / "one.json").read_text() == kept
    yolo = ["convert", "--to", "yolo", "--annotations", root / "one.json", "--images", own / "photos", "--out"]
    run("dataset", *yolo, own, status=2, says="a data set's own")
    assert (own / "data.yaml").read_text().startswith("train: photos") and not (own / "labels").exists()
    for again in range(2):
        run("dataset", *yolo, root / "converted")  # one's own is replaced
    # Whoever listens to nothing gets a status all the same.
    for lost in [1], [2], [1, 2]:
        done = subprocess.run([BIN / "evaluate", "--annotations", coco, "--detections", root / "none", "--out", root / "s"],
                              preexec_fn=lambda: [os.close(stream) for stream in lost])
        assert done.returncode == 2, (lost, done.returncode)
    for full, status in ("stdout", 2), ("stderr", 0):
        with open("/dev/full", "w") as device:
            done = subprocess.run([BIN / "evaluate", "--annotations", coco, "--detections", found, "--out", root / "s"],
                                  **{"stdout": subprocess.DEVNULL, full: device})
        assert done.returncode == status, (full, done.returncode)
    # Memory that ends in a worker: very many boxes on one picture, each of which meets each detection.
    many = {"images": [{"id": 1}], "categories": [{"id": 1}, {"id": 2}],
            "annotations": [{"id": i + 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]} for i in range(200_000)]}
    (root / "many.json").write_text(json.dumps(many))
    (root / "hits.json").write_text(json.dumps([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1}] * 100))
    run("evaluate", "--annotations", root / "many.json", "--detections", root / "hits.json", "--out", root / "s",
        "--threads", 2, status=2, says="memory", memory=250 << 20)


with tempfile.TemporaryDirectory() as folder:
    for test in convert, parts, networks, names, data_sets, refusals:
        root = pathlib.Path(folder) / test.__name__
        root.mkdir()
        test(root)
        print(f"{test.__name__}: {test.__doc__.splitlines()[0]}")
