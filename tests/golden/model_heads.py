#!/usr/bin/env python3
"""Makes model_heads.json: loss, its gradient, targets and detections of random heads, by plain loops over darknet's rules.

Independent of serpette: NumPy scalars only, one prediction at a time, written after darknet's src/yolo_layer.c
(delta_yolo_box, delta_yolo_class, forward_yolo_layer). As there, every anchor of a layer's list competes for a truth, also
one that no head predicts (the truth then has no positive), and where two truths meet in one place the box is the later
one's while the classes are both's: delta_yolo_class sets no more than its own class where there is a delta already.

    python3 tests/golden/model_heads.py > tests/golden/model_heads.json
"""
import json
import math

import numpy as np

WIDTH, HEIGHT, CLASSES, IMAGES = 64, 96, 3, 3  # not square: width and height must not be confused
ANCHORS = [(8, 10), (14, 22), (30, 20), (40, 60)]
MASKS = [[2, 3], [1, 2]]  # anchor 2 in both heads, anchor 0 in none, as in the published YOLOv3-tiny
GRIDS = [(6, 4), (12, 8)]  # rows, columns
IGNORE = [0.5, 0.7]
SCALE = [1, 1.125]  # scale_x_y
CFG = f"""[net]
width={WIDTH}
height={HEIGHT}
[convolutional]
filters=8
size=8
stride=8
activation=leaky
[convolutional]
filters=16
size=2
stride=2
activation=linear
[yolo]
mask=2,3
anchors={",".join(f"{w},{h}" for w, h in ANCHORS)}
classes={CLASSES}
ignore_thresh=.5
[route]
layers=0
[convolutional]
filters=16
activation=linear
[yolo]
mask=1,2
anchors={",".join(f"{w},{h}" for w, h in ANCHORS)}
classes={CLASSES}
ignore_thresh=.7
scale_x_y=1.125
"""
# image, class, cx, cy, w, h
TRUTH = [
    (0, 0, 0.30, 0.40, 0.45, 0.20),  # anchor 2: both heads
    (0, 2, 0.31, 0.41, 0.50, 0.21),  # same place: its box, and the classes of both
    (0, 1, 0.70, 0.75, 0.60, 0.65),  # anchor 3
    (0, 1, 0.10, 0.10, 0.12, 0.10),  # closest to anchor 0, which nobody predicts: no positive
    (2, 2, 1.00, 1.00, 0.20, 0.22),  # centre on the far corner
    (2, 0, 0.55, 0.52, 0.22, 0.24),
]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def iou(a, b):  # (cx, cy, w, h)
    w = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    h = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def predicted_box(logits, head, n, slot, row, column):
    rows, columns = GRIDS[head]
    t = logits[head][n, slot * (5 + CLASSES):, row, column]
    w, h = ANCHORS[MASKS[head][slot]]
    x, y = (SCALE[head] * sigmoid(t[k]) - 0.5 * (SCALE[head] - 1) for k in (0, 1))
    return ((x + column) / columns, (y + row) / rows,
            math.exp(t[2]) * w / WIDTH, math.exp(t[3]) * h / HEIGHT)


def bce(logit, target):
    p = sigmoid(logit)
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


def make_logits(random):
    logits = [random.normal(0, 1, (IMAGES, len(m) * (5 + CLASSES), *g)) for m, g in zip(MASKS, GRIDS)]
    for head in range(2):
        logits[head][:, 4::5 + CLASSES] -= 1.0
    for head, n, slot, row, column, truth in [(0, 0, 0, 4, 2, 2), (0, 0, 1, 2, 1, 1), (1, 0, 0, 4, 2, 0), (1, 2, 1, 6, 4, 5)]:
        # A prediction that equals a truth, by the other anchor of the cell that answers for it: must be ignored.
        rows, columns = GRIDS[head]
        _, _, cx, cy, w, h = TRUTH[truth]
        base = slot * (5 + CLASSES)
        aw, ah = ANCHORS[MASKS[head][slot]]
        x, y = ((min(max(v, 0.03), 0.97) + 0.5 * (SCALE[head] - 1)) / SCALE[head] for v in (cx * columns - column, cy * rows - row))
        logits[head][n, base:base + 4, row, column] = (math.log(x / (1 - x)), math.log(y / (1 - y)),
                                                       math.log(w * WIDTH / aw), math.log(h * HEIGHT / ah))
    return [np.round(l, 3) for l in logits]


def assign():
    """{(head, image, slot, row, column): (the last truth's index, the classes of all)}"""
    places = {}
    for index, (n, category, cx, cy, w, h) in enumerate(TRUTH):
        shape = [iou((0, 0, w, h), (0, 0, a[0] / WIDTH, a[1] / HEIGHT)) for a in ANCHORS]
        best = int(np.argmax(shape))  # the first of equals
        for head, mask in enumerate(MASKS):
            if best in mask:
                rows, columns = GRIDS[head]
                place = head, n, mask.index(best), min(int(cy * rows), rows - 1), min(int(cx * columns), columns - 1)
                places[place] = index, places.get(place, (0, set()))[1] | {category}
    return places


def loss(logits):
    box, objectness, classes = np.zeros(IMAGES), np.zeros(IMAGES), np.zeros(IMAGES)
    gradient = [np.zeros_like(l) for l in logits]
    places, ignored, least = assign(), 0, []
    for head, (rows, columns) in enumerate(GRIDS):
        for n in range(IMAGES):
            for slot in range(len(MASKS[head])):
                base = slot * (5 + CLASSES)
                for row in range(rows):
                    for column in range(columns):
                        t, g = logits[head][n, base:, row, column], gradient[head][n, base:, row, column]
                        place = (head, n, slot, row, column)
                        if place not in places:
                            predicted = predicted_box(logits, *place)
                            best = max([iou(predicted, truth[2:]) for truth in TRUTH if truth[0] == n], default=0)
                            if best > IGNORE[head]:
                                ignored += 1
                                continue
                            objectness[n] += bce(t[4], 0)
                            g[4] = sigmoid(t[4])
                            continue
                        last, categories = places[place]
                        _, _, cx, cy, w, h = TRUTH[last]
                        aw, ah = ANCHORS[MASKS[head][slot]]
                        scale = 2 - w * h
                        target = (cx * columns - column, cy * rows - row, math.log(w * WIDTH / aw), math.log(h * HEIGHT / ah))
                        for k in (0, 1):
                            # delta = scale * (target - x), x = s * p - (s - 1) / 2: its potential in the logit
                            p, s = sigmoid(t[k]), SCALE[head]
                            box[n] += scale * (s * -math.log(1 - p) - (target[k] + 0.5 * (s - 1)) * t[k])
                            g[k] = scale * (s * p - 0.5 * (s - 1) - target[k])
                        for k in (2, 3):
                            box[n] += scale * 0.5 * (target[k] - t[k]) ** 2
                            g[k] = scale * (t[k] - target[k])
                        objectness[n] += bce(t[4], 1)
                        g[4] = sigmoid(t[4]) - 1
                        for c in range(CLASSES):
                            classes[n] += bce(t[5 + c], float(c in categories))
                            g[5 + c] = sigmoid(t[5 + c]) - float(c in categories)
                        others = [c for c in range(CLASSES) if c not in categories]
                        least.append([*place, min(others, key=lambda c: t[5 + c])])
    assert ignored >= 4, ignored
    return box, objectness, classes, gradient, places, least, ignored


def detections(logits, confidence, threshold, limit, geometry):
    w, h, new_w, new_h, left, top = (geometry[k] for k in ("width", "height", "new_width", "new_height", "left", "top"))
    result = []
    for n in range(IMAGES):
        found, index = [], 0
        for head, (rows, columns) in enumerate(GRIDS):
            for slot in range(len(MASKS[head])):
                for row in range(rows):
                    for column in range(columns):
                        t = logits[head][n, slot * (5 + CLASSES):, row, column]
                        cx, cy, bw, bh = predicted_box(logits, head, n, slot, row, column)
                        corners = [(cx - bw / 2) * WIDTH, (cy - bh / 2) * HEIGHT, (cx + bw / 2) * WIDTH, (cy + bh / 2) * HEIGHT]
                        for k, (pad, scale, end) in enumerate([(left, w / new_w, w), (top, h / new_h, h)] * 2):
                            corners[k] = min(max((corners[k] - pad) * scale, 0), end)
                        for c in range(CLASSES):
                            score = sigmoid(t[4]) * sigmoid(t[5 + c])
                            if score > confidence:
                                found.append((-score, c, index, corners))
                        index += 1
        kept = []
        for c in range(CLASSES):
            mine = []
            for candidate in sorted(f for f in found if f[1] == c):
                centred = lambda b: ((b[0] + b[2]) / 2, (b[1] + b[3]) / 2, b[2] - b[0], b[3] - b[1])
                if all(iou(centred(candidate[3]), centred(k[3])) <= threshold for k in mine):
                    mine.append(candidate)
            kept += mine
        kept.sort(key=lambda k: k[0])
        result.append([[c, -score, b[0], b[1], b[2] - b[0], b[3] - b[1]] for score, c, _, b in kept[:limit]])
    return result


def main():
    logits = make_logits(np.random.default_rng(20))
    box, objectness, classes, gradient, places, least, ignored = loss(logits)
    single = [l.astype(np.float32).astype(np.float64) for l in logits]  # decoding starts from floats
    geometry = {"width": 50, "height": 200, "new_width": 24, "new_height": 96, "left": 20, "top": 0}
    print(json.dumps({
        "cfg": CFG,
        "heads": [[round(v, 3) for v in l.ravel().tolist()] for l in logits],
        "truth": TRUTH,
        "box": box.tolist(), "objectness": objectness.tolist(), "classes": classes.tolist(),
        "gradient": [[float(f"{v:.10g}") for v in g.ravel().tolist()] for g in gradient],
        "positives": [list(place) for place in sorted(places)],
        "categories": [sorted(places[place][1]) for place in sorted(places)],
        "least_likely": least,
        "ignored": ignored,
        "geometry": geometry,
        "detections": [{"confidence": c, "nms": t, "limit": m, "images": detections(single, c, t, m, geometry)}
                       for c, t, m in [(0.05, 0.45, 100), (0.3, 0.45, 100), (0.02, 0.2, 20)]],
    }, separators=(",", ":")))


if __name__ == "__main__":
    main()
