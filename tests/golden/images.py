#!/usr/bin/env python3
"""Makes tests/golden/images/ and images.json: small pictures of every kind, and what OpenCV reads and letterboxes.

Needs Pillow, OpenCV and NumPy. The letterbox is darknet's geometry with cv2.resize (INTER_LINEAR) on float32 / 255.
"""
import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

here = Path(__file__).parent
folder = here / "images"
folder.mkdir(exist_ok=True)

rng = np.random.default_rng(5)
w, h = 21, 13
y, x = np.mgrid[0:h, 0:w]
rgb = np.stack([x * 12, y * 19, (x * y) % 256], -1).astype(np.uint8)
rgb[3:9, 4:12] = (230, 40, 20)
rgb = np.clip(rgb.astype(int) + rng.integers(-9, 10, rgb.shape), 0, 255).astype(np.uint8)
picture = Image.fromarray(rgb)

picture.save(folder / "420.jpg", quality=90, subsampling=2)
picture.save(folder / "422.jpg", quality=90, subsampling=1)
picture.save(folder / "444.jpg", quality=95, subsampling=0)
picture.save(folder / "progressive.jpg", quality=85, progressive=True)
picture.convert("L").save(folder / "grey.jpg", quality=90)
picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
exif = Image.Exif()
exif[0x0112] = 6  # turned by 90 degrees; to be ignored
picture.save(folder / "turned.jpg", quality=90, exif=exif)
picture.save(folder / "rgb.png")
picture.convert("L").save(folder / "grey.png")
picture.quantize(16).save(folder / "palette.png")
picture.quantize(4).save(folder / "palette2bit.png", bits=2)
alpha = np.concatenate([rgb, (x * 12).astype(np.uint8)[..., None]], -1)
Image.fromarray(alpha).save(folder / "alpha.png")
Image.fromarray(np.stack([rgb[..., 0], (y * 19).astype(np.uint8)], -1), "LA").save(folder / "grey_alpha.png")
Image.fromarray(rgb[..., 0] > 99).save(folder / "bits.png")
cv2.imwrite(str(folder / "sixteen.png"), rgb[..., ::-1].astype(np.uint16) * 257)


def letterbox(image, net_w, net_h):
    h, w = image.shape[:2]
    if net_w * h < net_h * w:
        new_w, new_h = net_w, max(1, h * net_w // w)
    else:
        new_w, new_h = max(1, w * net_h // h), net_h
    left, top = (net_w - new_w) // 2, (net_h - new_h) // 2
    canvas = np.full((net_h, net_w, 3), 0.5, np.float32)
    small = cv2.resize(image.astype(np.float32) / np.float32(255), (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    canvas[top:top + new_h, left:left + new_w] = small
    return canvas.transpose(2, 0, 1)


result = {"pictures": [], "letterboxed": []}
for path in sorted(folder.iterdir()):
    read = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[..., ::-1]
    result["pictures"].append({"file": path.name, "width": read.shape[1], "height": read.shape[0],
                               "rgb": read.reshape(-1).tolist()})
for name, net_w, net_h in (("rgb.png", 16, 16), ("rgb.png", 32, 48), ("444.jpg", 7, 9), ("420.jpg", 40, 13)):
    read = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)[..., ::-1]
    values = letterbox(read, net_w, net_h).reshape(-1)
    result["letterboxed"].append({"file": name, "width": net_w, "height": net_h,
                                  "values": [float(f"{v:.8g}") for v in values]})
text = json.dumps(result, separators=(",", ":")).replace("},{", "},\n{")
(here / "images.json").write_text(text + "\n")
