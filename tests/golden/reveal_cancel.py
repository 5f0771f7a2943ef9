#!/usr/bin/env python3
"""Makes reveal_cancel.json: DeepLIFT's RevealCancel contributions of every weight of a small net.

Written from Shrikumar, Greenside, Kundaje 2017 (arXiv:1704.02685), sections 3.3 to 3.5, in their notation, and from nothing
else: NumPy in double precision, every convolution as the matrix of its taps. Of a layer y = W x, with Δx = Δx⁺ + Δx⁻:

    linear rule (3.5)    Δy⁺ = Σ 1{w Δx > 0} w Δx,  Δy⁻ = Σ 1{w Δx < 0} w Δx, by the sign of the *total* Δx;
                         m(Δx± Δy⁺) = 1{w Δx > 0} w,  m(Δx± Δy⁻) = 1{w Δx < 0} w,  both ½ w where Δx = 0
    RevealCancel (3.5.2) Δy⁺ = ½[f(x⁰+Δx⁺) − f(x⁰)] + ½[f(x⁰+Δx⁻+Δx⁺) − f(x⁰+Δx⁻)], Δy⁻ likewise;
                         m(Δx⁺ Δy⁺) = Δy⁺ / Δx⁺,  m(Δx⁻ Δy⁻) = Δy⁻ / Δx⁻
    chain rule (3.2)     m(Δx± Δt) = Σ over y of m(Δx± Δy⁺) m(Δy⁺ Δt) + m(Δx± Δy⁻) m(Δy⁻ Δt)

A weight contributes what its taps do. The script checks itself on what the paper promises: contributions of every layer add
up to the target's difference, min(i1, i2) credits both inputs alike (sec. 3.5.2), and in a net where parts of both signs meet
in one unit the rule differs from one that routes by the sign of each part.

    python3 tests/golden/reveal_cancel.py > tests/golden/reveal_cancel.json
"""
import json

import numpy as np

F = {
    "linear": lambda y: y,
    "relu": lambda y: np.maximum(y, 0),
    "leaky": lambda y: np.where(y >= 0, y, 0.1 * y),
    "logistic": lambda y: 1 / (1 + np.exp(-y)),
}


class Convolution:
    """y = W x + b as a matrix; `owner[r, c]` is the flat index of the weight that stands at W[r, c], −1 where none does."""

    def __init__(self, w, b, stride, pad, f, shape):
        self.w, self.b, self.f, self.inputs = w, b, F[f], shape
        filters, channels, size, _ = w.shape
        rows, columns = ((n + 2 * pad - size) // stride + 1 for n in shape[1:])
        self.outputs = (filters, rows, columns)
        self.owner = np.full((filters * rows * columns, channels * shape[1] * shape[2]), -1)
        place = np.arange(self.owner.shape[1]).reshape(shape)
        flat = np.arange(w.size).reshape(w.shape)
        for r, (o, y, x) in enumerate(np.ndindex(*self.outputs)):
            for c, i, j in np.ndindex(channels, size, size):
                a, e = y * stride + i - pad, x * stride + j - pad
                if 0 <= a < shape[1] and 0 <= e < shape[2]:
                    self.owner[r, place[c, a, e]] = flat[o, c, i, j]
        self.matrix = np.where(self.owner >= 0, w.ravel()[self.owner], 0.0)
        self.bias = np.repeat(b, rows * columns)

    def linear(self, delta):
        """The four multipliers' two distinct ones: (Δx± → Δy⁺, Δx± → Δy⁻)."""
        sign = np.sign(self.matrix * delta)
        half = 0.5 * self.matrix * (delta == 0)
        return self.matrix * (sign > 0) + half, self.matrix * (sign < 0) + half

    def reveal_cancel(self, x0, plus, minus):
        f = self.f
        up = 0.5 * (f(x0 + plus) - f(x0)) + 0.5 * (f(x0 + minus + plus) - f(x0 + minus))
        down = 0.5 * (f(x0 + minus) - f(x0)) + 0.5 * (f(x0 + plus + minus) - f(x0 + plus))
        return up, down


def explain(net, x, x0, seed):
    """Contributions of each layer's weights to seed · output, and output − output⁰."""
    x, x0, trail = x.ravel(), x0.ravel(), []
    for layer in net:
        delta = x - x0
        to_plus, to_minus = layer.linear(delta)
        plus, minus = to_plus @ delta, to_minus @ delta
        y0 = layer.matrix @ x0 + layer.bias
        up, down = layer.reveal_cancel(y0, plus, minus)
        trail.append((layer, delta, to_plus, to_minus, plus, minus, up, down))
        x, x0 = layer.f(y0 + plus + minus), layer.f(y0)
    m_plus, m_minus, found = seed.ravel().copy(), seed.ravel().copy(), []
    for layer, delta, to_plus, to_minus, plus, minus, up, down in reversed(trail):
        m_plus *= np.divide(up, plus, out=np.zeros_like(up), where=plus != 0)
        m_minus *= np.divide(down, minus, out=np.zeros_like(down), where=minus != 0)
        taps = (m_plus[:, None] * to_plus + m_minus[:, None] * to_minus) * delta
        held = layer.owner >= 0
        found.insert(0, np.bincount(layer.owner[held], taps[held], layer.w.size).reshape(layer.w.shape))
        m_plus = m_plus @ to_plus + m_minus @ to_minus  # of Δx⁺ and Δx⁻ alike
        m_minus = m_plus.copy()
    return found, x - x0


def dense(w, f):
    w = np.array(w, float)[:, :, None, None]
    return Convolution(w, np.zeros(len(w)), 1, 0, f, (w.shape[1], 1, 1))


def by_sign_of_parts(w1, w2, x):
    """What routing by each part's own sign would give two 1×1 layers with a ReLU between and behind: for the last check."""
    p, n = np.maximum(w1 * x, 0).sum(1), np.minimum(w1 * x, 0).sum(1)
    relu = F["relu"]
    up, down = 0.5 * (relu(p) + relu(n + p) - relu(n)), 0.5 * (relu(n) + relu(p + n) - relu(p))
    return np.maximum(w2 * up, 0).sum(1) + np.maximum(w2 * down, 0).sum(1)


# Section 3.5.2: o = min(i1, i2) = i1 − relu(i1 − i2), i1 = 4, i2 = 1, reference 0: half of the output's 1 to each.
point = np.array([4.0, 1.0])
parts, gain = explain([dense([[1, 0], [1, -1]], "relu"), dense([[1, -1]], "linear")], point, 0 * point, np.ones(1))
assert np.allclose(parts[0].sum(axis=(0, 2, 3)), 0.5) and gain == 1

# A unit that both signs reach, read by a positive and a negative weight.
w1, w2 = np.array([[2.0, -1.0]]), np.array([[1.0], [-1.0]])
unit = dense(w1, "relu")
plus, minus = (m @ point for m in unit.linear(point))
up, down = unit.reveal_cancel(0.0, plus, minus)
assert up > 0 > down and by_sign_of_parts(w1, w2, point)[0] == up != (up + down)  # the paper's Δy⁺ is the total's: up + down

rng = np.random.default_rng(20260)
SETTINGS = [(3, 2, 3, 1, 1, "leaky"), (4, 3, 3, 2, 1, "logistic"), (4, 4, 1, 1, 0, "relu"), (6, 4, 1, 1, 0, "linear")]
net, shape = [], (2, 5, 5)
for filters, channels, size, stride, pad, f in SETTINGS:
    w, b = rng.normal(size=(filters, channels, size, size)), rng.normal(size=filters) / 2
    net.append(Convolution(w, b, stride, pad, f, shape))
    shape = net[-1].outputs
x, x0 = rng.uniform(size=(2, 5, 5)), rng.uniform(size=(2, 5, 5))
x[1, 2, 3] = x0[1, 2, 3]  # a difference of exactly 0
seed = (rng.uniform(size=shape) < 0.3).astype(float)
found, gain = explain(net, x, x0, seed)
difference = (seed.ravel() * gain).sum()
for s in found:  # a chain: every layer cuts it
    assert abs(s.sum() - difference) < 1e-10
flat = lambda a: [float(v) for v in np.asarray(a).ravel()]
print(json.dumps({
    "x": flat(x), "x0": flat(x0), "seed": flat(seed), "difference": float(difference),
    "layers": [{"w": flat(layer.w), "b": flat(layer.b), "s": flat(s)} for layer, s in zip(net, found)],
}))
