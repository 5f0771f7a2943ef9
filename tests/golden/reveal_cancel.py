#!/usr/bin/env python3
"""Makes reveal_cancel.json: DeepLIFT's RevealCancel contributions of every weight of a small net, by plain loops.

Independent of serpette: NumPy in double precision, one weight and one position at a time, after Shrikumar et al. 2017,
sec. 3.5.2. Checks itself on the paper's example min(a, b) = a - relu(a - b), whose credit goes half to a, half to b.

    python3 tests/golden/reveal_cancel.py > tests/golden/reveal_cancel.json
"""
import json

import numpy as np

ACTIVATIONS = {
    "leaky": lambda y: np.where(y >= 0, y, 0.1 * y),
    "relu": lambda y: np.maximum(y, 0),
    "logistic": lambda y: 1 / (1 + np.exp(-y)),
    "linear": lambda y: y,
}


def taps(layer, shape):
    """Every (filter, row, column, channel, i, j, input row, input column) at which a weight meets an input."""
    size, stride, pad = layer["size"], layer["stride"], layer["pad"]
    _, height, width = shape
    rows, columns = (height + 2 * pad - size) // stride + 1, (width + 2 * pad - size) // stride + 1
    for f, c, i, j in np.ndindex(*layer["w"].shape):
        for r in range(rows):
            for k in range(columns):
                y, x = r * stride + i - pad, k * stride + j - pad
                if 0 <= y < height and 0 <= x < width:
                    yield f, r, k, c, i, j, y, x


def explain(layers, x, x0, seed):
    """Contributions of each layer's weights to sum(seed * output), x against x0."""
    states, values, reference = [], x, x0
    positive, negative = np.maximum(x - x0, 0), np.minimum(x - x0, 0)
    for layer in layers:
        shape, meets = values.shape, list(taps(layer, values.shape))
        out = (layer["w"].shape[0], 1 + max(m[1] for m in meets), 1 + max(m[2] for m in meets))
        y0, p, n = np.zeros(out), np.zeros(out), np.zeros(out)
        y0 += layer["b"][:, None, None]
        for f, r, k, c, i, j, y, column in meets:
            w = layer["w"][f, c, i, j]
            y0[f, r, k] += w * reference[c, y, column]
            for part in (positive, negative):
                push = w * part[c, y, column]
                if push > 0:
                    p[f, r, k] += push
                else:
                    n[f, r, k] += push
        g = ACTIVATIONS[layer["activation"]]
        after_p = 0.5 * (g(y0 + p) - g(y0) + g(y0 + n + p) - g(y0 + n))
        after_n = 0.5 * (g(y0 + n) - g(y0) + g(y0 + p + n) - g(y0 + p))
        states.append((meets, shape, positive, negative, p, n, after_p, after_n))
        positive, negative = after_p, after_n
        values, reference = g(y0 + p + n), g(y0)
    up, down, found = seed.copy(), seed.copy(), []
    for layer, (meets, shape, positive, negative, p, n, after_p, after_n) in zip(layers[::-1], states[::-1]):
        up = up * np.divide(after_p, p, out=np.zeros_like(p), where=p != 0)
        down = down * np.divide(after_n, n, out=np.zeros_like(n), where=n != 0)
        s = np.zeros_like(layer["w"])
        up_in, down_in = np.zeros(shape), np.zeros(shape)
        for f, r, k, c, i, j, y, column in meets:
            w = layer["w"][f, c, i, j]
            for part, into in ((positive, up_in), (negative, down_in)):
                push = w * part[c, y, column]
                multiplier = up[f, r, k] if push > 0 else down[f, r, k]
                s[f, c, i, j] += multiplier * push
            up_in[c, y, column] += w * (up if w > 0 else down)[f, r, k]
            down_in[c, y, column] += w * (down if w > 0 else up)[f, r, k]
        found.insert(0, s)
        up, down = up_in, down_in
    return found, values - reference


def one_by_one(w, activation):
    w = np.array(w, float)[:, :, None, None]
    return {"w": w, "b": np.zeros(len(w)), "size": 1, "stride": 1, "pad": 0, "activation": activation}


# min(a, b) with a = 4, b = 1 against zeros: hidden units a and relu(a - b), and b's credit comes through the second.
point = np.array([4.0, 1.0])[:, None, None]
parts, gain = explain([one_by_one([[1, 0], [1, -1]], "relu"), one_by_one([[1, -1]], "linear")], point, 0 * point,
                      np.ones((1, 1, 1)))
assert abs(parts[0][:, 0].sum() - 0.5) < 1e-12 and abs(parts[0][:, 1].sum() - 0.5) < 1e-12 and gain.sum() == 1

rng = np.random.default_rng(20260)
SHAPES = [(3, 2, 3, 1, 1, "leaky"), (4, 3, 3, 2, 1, "logistic"), (4, 4, 1, 1, 0, "relu"), (6, 4, 1, 1, 0, "linear")]
layers = [
    {"w": rng.normal(size=(f, c, k, k)), "b": rng.normal(size=f) / 2, "size": k, "stride": s, "pad": p, "activation": a}
    for f, c, k, s, p, a in SHAPES
]
x, x0 = rng.uniform(size=(2, 5, 5)), rng.uniform(size=(2, 5, 5))
seed = (rng.uniform(size=(6, 3, 3)) < 0.3).astype(float)
found, gain = explain(layers, x, x0, seed)
for s in found:  # a chain: every layer cuts it
    assert abs(s.sum() - (seed * gain).sum()) < 1e-10
flat = lambda a: [float(v) for v in np.asarray(a).ravel()]
print(json.dumps({
    "x": flat(x), "x0": flat(x0), "seed": flat(seed), "difference": float((seed * gain).sum()),
    "layers": [{"w": flat(layer["w"]), "b": flat(layer["b"]), "s": flat(s)} for layer, s in zip(layers, found)],
}))
