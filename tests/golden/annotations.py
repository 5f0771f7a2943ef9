#!/usr/bin/env python3
"""Makes tests/golden/annotations/ and annotations.json: small annotations of every format, and the boxes that the
converters people use make of them. The pictures are those of tests/golden/images.

Pascal VOC: as Detectron2 (detectron2/data/datasets/pascal_voc.py): "(xmin=1, xmax=W) covers the whole image. In
coordinate space this is represented by (xmin=0, xmax=W)". YOLO: as Ultralytics (segments2boxes, xywhn2xyxy); from COCO
to YOLO as its convert_coco. Needs Pillow.
"""
import json
import xml.etree.ElementTree as ET
from pathlib import Path

from PIL import Image

here = Path(__file__).parent
folder = here / "annotations"
size = {name: Image.open(here / "images" / name).size for name in ("420.jpg", "rgb.png", "24.bmp")}


def xml(path, filename, width, height, objects):
    text = f"<annotation>\n\t<folder>x</folder>\n\t<filename>{filename}</filename>\n"
    text += f"\t<size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
    for name, difficult, box in objects:
        corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box))
        text += f"\t<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{corners}</bndbox></object>\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "</annotation>\n")


def boxes_of(path, first):
    found = []
    for obj in ET.parse(path).getroot().findall("object"):
        box = [float(obj.find("bndbox").find(k).text) for k in ("xmin", "ymin", "xmax", "ymax")]
        box[0] -= first
        box[1] -= first
        found.append({"name": obj.find("name").text, "difficult": int(obj.find("difficult").text),
                      "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]})
    return found


voc = folder / "voc" / "Annotations"  # counts from 1; the last has no size and a name of Windows
xml(voc / "420.xml", "420.jpg", *size["420.jpg"], [("dog", 0, (1, 1, 21, 13)), ("cat", 1, (3, 4, 3, 4))])
xml(voc / "rgb.xml", "rgb.png", *size["rgb.png"], [("dog", 0, (2.5, 3.25, 10, 12.75))])
xml(voc / "other.xml", r"C:\pictures\24.bmp", 0, 0, [("cat &amp; co", 0, (5, 6, 20, 13))])
zero = folder / "voc_from_zero"
xml(zero / "420.xml", "420.jpg", *size["420.jpg"], [("dog", 0, (0, 0, 21, 13)), ("dog", 0, (4, 5, 10, 9))])
result = {"voc": {p.stem: boxes_of(p, 1) for p in sorted(voc.iterdir())},
          "voc_from_zero": {p.stem: boxes_of(p, 0) for p in sorted(zero.iterdir())}}

labels = folder / "yolo" / "labels"
labels.mkdir(parents=True, exist_ok=True)
(labels / "420.txt").write_text("0 0.5 0.5 1 1\r\n1 0.125 0.25 0.0625 0.2\r\n\r\n")
(labels / "rgb.txt").write_text("1 0.1 0.2 0.6 0.3 0.4 0.9 0.05 0.7\n")  # a polygon
(folder / "yolo" / "classes.txt").write_text("red cell\nwhite cell\n")
result["yolo"] = {}
for path in sorted(labels.iterdir()):
    name = {"420": "420.jpg", "rgb": "rgb.png"}[path.stem]
    w, h = size[name]
    result["yolo"][name] = found = []
    for line in path.read_text().split("\n"):
        numbers = [float(v) for v in line.split()]
        if not numbers:
            continue
        if len(numbers) > 6:
            x, y = numbers[1::2], numbers[2::2]
            box = [(min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]
        else:
            box = numbers[1:]
        x0, y0 = w * (box[0] - box[2] / 2), h * (box[1] - box[3] / 2)
        found.append({"class": int(numbers[0]), "bbox": [x0, y0, w * box[2], h * box[3]]})

coco = {"images": [{"id": 7, "file_name": "420.jpg", "width": 21, "height": 13},
                   {"id": 9, "file_name": "rgb.png", "width": 21, "height": 13}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [1.5, 2.25, 10, 8], "area": 80, "iscrowd": 0},
                        {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 21, 13], "area": 273, "iscrowd": 1},
                        {"id": 3, "image_id": 9, "category_id": 5, "bbox": [3, 3, 0, 4], "area": 0, "iscrowd": 0},
                        {"id": 4, "image_id": 9, "category_id": 5, "bbox": [3, 3, 7, 4], "area": 28, "iscrowd": 0}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}]}
(folder / "coco.json").write_text(json.dumps(coco, indent=1) + "\n")
result["coco_to_yolo"] = {}
for image in coco["images"]:
    result["coco_to_yolo"][image["file_name"]] = rows = []
    for a in coco["annotations"]:
        if a["image_id"] != image["id"] or a["iscrowd"]:
            continue
        box = [float(v) for v in a["bbox"]]
        box[0] += box[2] / 2
        box[1] += box[3] / 2
        box = [box[0] / image["width"], box[1] / image["height"], box[2] / image["width"], box[3] / image["height"]]
        if box[2] > 0 and box[3] > 0:
            rows.append([{3: 0, 5: 1}[a["category_id"]], *box])
(here / "annotations.json").write_text(json.dumps(result, indent=1) + "\n")
