"""Random evaluation cases with pycocotools' answer: writes coco_evaluation.json, which tests/unit/metric reads.

    pip install numpy pycocotools && python coco_evaluation.py

Each case holds annotations, detections, the 12 numbers as hexadecimal doubles, and the FNV-1a hash of the bytes of
the precision and the recall array: equal hashes mean equal arrays, bit for bit. With a program's path and a count,
`python coco_evaluation.py build/release/bin/evaluate 200` compares fresh random cases through that program instead.
"""
import contextlib
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

KEYS = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()


def random_case(seed):
    """Crowds, ties, empty images, categories without truth or without detections, more than 100 detections."""
    rng = random.Random(seed)
    crowded = seed % 6 == 5
    images = rng.sample(range(1, 1000), rng.randint(1, 3 if crowded else 8))
    categories = sorted(rng.sample(range(1, 91), rng.randint(1, 2 if crowded else 5)))
    side = rng.choice([60, 300, 640])
    annotations, detections = [], []

    def box():
        w, h = (round(side * rng.random() ** 2 + 1, 2) for _ in range(2))
        return [round(rng.uniform(0, side), 2), round(rng.uniform(0, side), 2), w, h]

    for image in images:
        for _ in range(rng.choice([0, 1, 4, 10])):
            b = box()
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": rng.choice(categories), "bbox": b,
                "area": round(b[2] * b[3] * rng.choice([1, 0.6]), 4), "iscrowd": int(rng.random() < 0.15)})
    scores = [round(rng.random(), 2) for _ in range(8)] if rng.random() < 0.6 else None  # few scores: many ties
    for image in images:
        truth = [a for a in annotations if a["image_id"] == image]
        for _ in range(260 if crowded else rng.choice([0, 1, 5, 25])):
            if truth and rng.random() < 0.6:
                a = rng.choice(truth)
                shift = rng.choice([0, 0.02, 0.1, 0.3])
                b = [round(v + rng.uniform(-shift, shift) * a["bbox"][2 + i % 2], 2) for i, v in enumerate(a["bbox"])]
                b[2], b[3] = max(b[2], 0), max(b[3], 0)
                category = a["category_id"] if rng.random() < 0.9 else rng.choice(categories)
            else:
                b, category = box(), rng.choice(categories)
            score = rng.choice(scores) if scores else rng.random()
            detections.append({"image_id": image, "category_id": category, "bbox": b, "score": score})
    rng.shuffle(detections)
    if rng.random() < 0.3:
        categories.append(99)  # neither truth nor detections
    if not detections:
        return random_case(seed + 1000)
    return {"images": [{"id": i} for i in images], "annotations": annotations,
            "categories": [{"id": c} for c in categories]}, detections


def reference(instances, detections):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(instances))
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(json.loads(json.dumps(detections))), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats, run.eval["precision"], run.eval["recall"]


def fnv(array):
    value = 0xcbf29ce484222325
    for byte in np.ascontiguousarray(array, dtype="<f8").tobytes():
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{value:016x}"


def write():
    cases = []
    for seed in range(30):
        instances, detections = random_case(seed)
        stats, precision, recall = reference(instances, detections)
        cases.append({
            "images": [i["id"] for i in instances["images"]],
            "categories": [c["id"] for c in instances["categories"]],
            "annotations": [[a["id"], a["image_id"], a["category_id"], *a["bbox"], a["area"], a["iscrowd"]]
                            for a in instances["annotations"]],
            "detections": [[d["image_id"], d["category_id"], *d["bbox"], d["score"]] for d in detections],
            "numbers": [float(v).hex() for v in stats], "precision": fnv(precision), "recall": fnv(recall)})
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")


def compare(program, count):
    for seed in range(10_000, 10_000 + count):
        instances, detections = random_case(seed)
        stats = reference(instances, detections)[0]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "instances.json").write_text(json.dumps(instances))
            (folder / "detections.json").write_text(json.dumps(detections))
            subprocess.run([program, "--annotations", folder / "instances.json", "--detections",
                            folder / "detections.json", "--out", folder / "out.json"],
                           check=True, stdout=subprocess.DEVNULL)
            ours = json.loads((folder / "out.json").read_text())
        assert [ours[k] for k in KEYS] == [float(v) for v in stats], (seed, ours, stats)
    print(f"{count} random cases: no difference")


if __name__ == "__main__":
    compare(sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else write()
