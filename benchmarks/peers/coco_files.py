"""Writes the annotations and detections that the evaluation benchmarks read: as many as COCO's val2017 has.

    python coco_files.py FOLDER    # instances.json (5,000 images, 36,335 boxes), detections.json (500,000)
"""
import json
import pathlib
import random
import sys


def main(folder):
    rng = random.Random(17)
    folder.mkdir(parents=True, exist_ok=True)
    images = [{"id": i + 1, "file_name": f"{i + 1:012d}.jpg", "width": 640, "height": 480} for i in range(5000)]
    categories = [{"id": i + 1, "name": f"class {i + 1}"} for i in range(80)]
    weights = [1 / (i + 1) for i in range(80)]  # few classes are frequent

    def box():
        w, h = 640 * rng.random() ** 2 + 2, 480 * rng.random() ** 2 + 2
        return [round(rng.uniform(0, max(1, 640 - w)), 2), round(rng.uniform(0, max(1, 480 - h)), 2),
                round(w, 2), round(h, 2)]

    annotations = []
    for i, category in enumerate(rng.choices(range(1, 81), weights, k=36_335)):
        b = box()
        annotations.append({"id": i + 1, "image_id": rng.randint(1, 5000), "category_id": category, "bbox": b,
                            "area": round(b[2] * b[3] * rng.uniform(0.4, 1), 3), "iscrowd": int(rng.random() < 0.01)})
    truth = {}
    for a in annotations:
        truth.setdefault(a["image_id"], []).append(a)
    detections = []
    for image in range(1, 5001):
        near = truth.get(image, [])
        for category in rng.choices(range(1, 81), weights, k=100):
            if near and rng.random() < 0.3:
                a = rng.choice(near)
                category = a["category_id"]
                b = [round(max(0.0, v + rng.gauss(0, 0.1) * a["bbox"][2 + i % 2]), 3) for i, v in enumerate(a["bbox"])]
            else:
                b = [round(v, 3) for v in box()]
            detections.append({"image_id": image, "category_id": category, "bbox": b,
                               "score": round(rng.random() ** 3, 5)})
    (folder / "instances.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    (folder / "detections.json").write_text(json.dumps(detections))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
