#!/usr/bin/env python3
"""Makes tests/golden/images/ and images.json: small pictures of every kind, and what OpenCV reads and letterboxes.

Needs Pillow, OpenCV, NumPy and pypng. The letterbox is darknet's geometry with cv2.resize (INTER_LINEAR) on float32 / 255.
"""
import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import png
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
exif[0x0112] = 6  # turned by 90 degrees
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
cv2.imwrite(str(folder / "deep.png"), rng.integers(0, 65536, rgb.shape).astype(np.uint16))  # all 16 bits in use
with open(folder / "interlaced.png", "wb") as file:
    png.Writer(w, h, greyscale=False, bitdepth=8, interlace=True).write(file, rgb.reshape(h, -1).tolist())
for gamma in 55556, 100000:  # values are to stay as stored
    whole = (folder / "rgb.png").read_bytes()
    chunk = b"gAMA" + struct.pack(">I", gamma)
    chunk = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (folder / f"gamma{gamma}.png").write_bytes(whole[:33] + chunk + whole[33:])  # behind IHDR
picture.save(folder / "lossy.webp", quality=90)
picture.save(folder / "lossless.webp", lossless=True)
Image.fromarray(alpha).save(folder / "alpha.webp", lossless=True)
picture.save(folder / "24.bmp")
Image.fromarray(alpha).save(folder / "32.bmp")
picture.quantize(200).save(folder / "8.bmp")
Image.fromarray(rgb[..., 0] > 99).save(folder / "1.bmp")
top_down = bytearray((folder / "24.bmp").read_bytes())
top_down[22:26] = struct.pack("<i", -h)  # rows from the top
(folder / "top_down.bmp").write_bytes(top_down)

# What EXIF's orientations 2 to 8 ask for, in Pillow's words.
Turn = Image.Transpose
TURNS = {2: Turn.FLIP_LEFT_RIGHT, 3: Turn.ROTATE_180, 4: Turn.FLIP_TOP_BOTTOM, 5: Turn.TRANSPOSE, 6: Turn.ROTATE_270,
         7: Turn.TRANSVERSE, 8: Turn.ROTATE_90}
turned = {"turned.jpg": 6}
for orientation in TURNS:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned[f"turned{orientation}.jpg"] = orientation
    picture.crop((3, 2, 12, 9)).save(folder / f"turned{orientation}.jpg", quality=95, exif=exif)
for name in "turned.png", "turned.webp":
    turned[name] = 8
    exif = Image.Exif()
    exif[0x0112] = 8
    picture.crop((3, 2, 12, 9)).save(folder / name, exif=exif, lossless=True)


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
    if path.name in turned:
        read = np.asarray(Image.fromarray(np.ascontiguousarray(read)).transpose(TURNS[turned[path.name]]))
        if path.suffix == ".jpg":
            assert (read == cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]).all(), path
    result["pictures"].append({"file": path.name, "width": read.shape[1], "height": read.shape[0],
                               "rgb": read.reshape(-1).tolist()})
for name, net_w, net_h in (("rgb.png", 16, 16), ("rgb.png", 32, 48), ("444.jpg", 7, 9), ("420.jpg", 40, 13)):
    read = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)[..., ::-1]
    values = letterbox(read, net_w, net_h).reshape(-1)
    result["letterboxed"].append({"file": name, "width": net_w, "height": net_h,
                                  "values": [float(f"{v:.8g}") for v in values]})
text = json.dumps(result, separators=(",", ":")).replace("},{", "},\n{")
(here / "images.json").write_text(text + "\n")
