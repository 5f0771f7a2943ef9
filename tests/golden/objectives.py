#!/usr/bin/env python3
"""Three training steps of every objective on a tiny network, written out plainly with JAX: objectives.json.

The network, its loss and PGD are those of tests/support (tiny_graph, tiny_loss) and of the papers, in double precision;
SGD with momentum, decay on convolution weights, a cosine of three steps. Nothing here is ours.

    python tests/golden/objectives.py          # jax 0.10; CPU, a minute
"""
import json
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy

jax.config.update("jax_enable_x64", True)
random = numpy.random.default_rng(11)
STEPS, RATE, MOMENTUM, DECAY = 3, 0.01, 0.9, 5e-4
EPSILON, STEP, ATTACK_STEPS = 0.05, 0.02, 2
CANVAS, ANCHOR, CLASSES, N = 16, 6.0, 2, 4


def normal(*shape, scale=1.0):
    return numpy.round(random.normal(0, scale, shape), 4)


start = {
    "0.weight": normal(8, 3, 3, 3, scale=0.27), "0.gamma": 1 + normal(8, scale=0.2), "0.beta": normal(8, scale=0.1),
    "0.running_mean": normal(8, scale=0.1), "0.running_var": 1 + numpy.abs(normal(8, scale=0.2)),
    "1.weight": normal(8, 8, 3, 3, scale=0.17), "1.bias": normal(8, scale=0.1),
    "2.weight": normal(7, 8, 1, 1, scale=0.5), "2.bias": normal(7, scale=0.1)}
TRAINED = [k for k in start if "running" not in k]


def batch():
    images = numpy.round(random.uniform(0, 1, (N, 3, CANVAS, CANVAS)), 3)
    truth = [[n, int(random.integers(CLASSES)), *numpy.round(random.uniform(0.3, 0.7, 2), 3), *numpy.round(random.uniform(0.2, 0.5, 2), 3)]
             for n in range(N)]
    return images, truth


batches = [batch() for _ in range(STEPS)]
# The random starts that LibTorch draws when the test trains under Seed(1): Mersenne twister, two words to a number.
twister = numpy.random.RandomState(1163070405)  # what core/seed.hpp makes of "torch" under 1, its lower 32 bits
words = twister.randint(0, 2**32, (STEPS, N, 3, CANVAS, CANVAS, 2), dtype=numpy.uint32).astype(numpy.uint64)
noises = EPSILON * (2 * ((words[..., 0] << numpy.uint64(32) | words[..., 1]) & numpy.uint64(2**53 - 1)).astype(float) / 2**53 - 1)


def conv(x, w, stride, padding):
    return jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2)


def leaky(x):
    return jnp.where(x > 0, x, 0.1 * x)


def per_channel(v):
    return v[None, :, None, None]


def forward(p, x, training):
    """The head, and the running statistics after it."""
    y = conv(x, p["0.weight"], 1, 1)
    mean, var = p["0.running_mean"], p["0.running_var"]
    moved = (mean, var)
    if training:
        mean, var = y.mean((0, 2, 3)), y.var((0, 2, 3))
        n = y.size / 8
        moved = (0.9 * p["0.running_mean"] + 0.1 * mean, 0.9 * p["0.running_var"] + 0.1 * var * n / (n - 1))
    y = per_channel(p["0.gamma"]) * (y - per_channel(mean)) / jnp.sqrt(per_channel(var) + 1e-5) + per_channel(p["0.beta"])
    y = leaky(conv(leaky(y), p["1.weight"], 2, 1) + per_channel(p["1.bias"]))
    return conv(y, p["2.weight"], 1, 0) + per_channel(p["2.bias"]), jax.lax.stop_gradient(moved)


def bce(logit, target):
    return jnp.maximum(logit, 0) - logit * target + jnp.log1p(jnp.exp(-jnp.abs(logit)))


def sigmoid(x):
    return 1 / (1 + jnp.exp(-x))


def parts(head, truth):
    """Per image: box, objectness, classes."""
    side = head.shape[2]
    each = []
    for n, c, cx, cy, w, h in truth:
        p = head[int(n)]
        x, y = min(int(cx * side), side - 1), min(int(cy * side), side - 1)
        wanted = jnp.zeros((side, side)).at[y, x].set(1)
        cell = p[:, y, x]
        box = ((sigmoid(cell[0]) - (cx * side - x)) ** 2 + (sigmoid(cell[1]) - (cy * side - y)) ** 2 +
               (cell[2] - math.log(w * CANVAS / ANCHOR)) ** 2 + (cell[3] - math.log(h * CANVAS / ANCHOR)) ** 2)
        classes = bce(cell[5:], jnp.zeros(CLASSES).at[int(c)].set(1)).sum()
        each.append(jnp.stack([box, bce(p[4], wanted).sum(), classes]))
    return jnp.stack(each)


def losses(head, truth):
    """Per image."""
    return parts(head, truth).sum(1)


def pgd(p, x, truth, weights=(1, 1, 1)):
    at = jnp.asarray(x)
    gradient = jax.grad(lambda v: (parts(forward(p, v, False)[0], truth) * jnp.asarray(weights)).sum())
    for _ in range(ATTACK_STEPS):
        at = jnp.clip(x + jnp.clip(at + STEP * jnp.sign(gradient(at)) - x, -EPSILON, EPSILON), 0, 1)
    return at


def divergence(a, b):
    """Σ KL of the probabilities behind the logits a from those behind b, boxes and classes where a sees an object; a mean over images."""
    def kl(u, v):
        p, q = sigmoid(u), sigmoid(v)
        return p * jnp.log(p / q) + (1 - p) * jnp.log((1 - p) / (1 - q))
    seen = jax.lax.stop_gradient(sigmoid(a[:, 4]))
    inner = kl(a[:, 5:], b[:, 5:]).sum(1) + kl(a[:, :2], b[:, :2]).sum(1) + ((a[:, 2:4] - b[:, 2:4]) ** 2).sum(1) / 2
    return (kl(a[:, 4], b[:, 4]).sum() + (seen * inner).sum()) / a.shape[0]


def after(p, moved):
    return {**p, "0.running_mean": moved[0], "0.running_var": moved[1]}


# Each gives loss(trainable parameters) → (loss, running statistics), from the state before the step.
def clean(p, images, truth, _):
    def loss(t):
        head, moved = forward({**p, **t}, images, True)
        return losses(head, truth).mean(), moved
    return loss


def adversarial_only(p, images, truth, extra):
    return clean(p, pgd(p, images, truth), truth, extra)


def mtd(p, images, truth, extra):
    """Zhang & Wang 2019: of the attacks on location and on classification, per image whichever raises the whole loss more."""
    location, category = pgd(p, images, truth, (1, 0, 0)), pgd(p, images, truth, (0, 1, 1))
    whole = [losses(forward(p, x, False)[0], truth) for x in (location, category)]
    return clean(p, jnp.where((whole[1] > whole[0])[:, None, None, None], category, location), truth, extra)


def fast(p, images, truth, noise):
    """Wong et al. 2020, algorithm 3: one step of 1.25 ε from a random start, both held in the ball and in [0, 1]."""
    at = jnp.clip(images + noise, 0, 1)
    gradient = jax.grad(lambda v: losses(forward(p, v, False)[0], truth).sum())(at)
    delta = jnp.clip(at - images + 1.25 * EPSILON * jnp.sign(gradient), -EPSILON, EPSILON)
    return clean(p, jnp.clip(images + delta, 0, 1), truth, noise)


def pgd_adversarial(p, images, truth, extra):
    hit = pgd(p, images[2:], [[n - 2, *rest] for n, *rest in truth[2:]])
    return clean(p, jnp.concatenate([images[:2], hit]), truth, extra)


def both_forms(p, images, truth, _):
    hit = pgd(p, images, truth)

    def loss(t):
        one, moved = forward({**p, **t}, images, True)
        two, moved = forward({**after(p, moved), **t}, hit, True)
        return losses(one, truth).mean() + losses(two, truth).mean(), moved
    return loss


def trades(p, images, truth, _):
    hit = pgd(p, images, truth)

    def loss(t):
        one, moved = forward({**p, **t}, images, True)
        two, moved = forward({**after(p, moved), **t}, hit, True)
        return losses(one, truth).mean() + 6 * divergence(one, two), moved
    return loss


def distilled(p, images, truth, _):
    said = forward({k: jnp.asarray(v) for k, v in start.items()}, images, False)[0]

    def loss(t):
        one, moved = forward({**p, **t}, images, True)
        two, moved = forward({**after(p, moved), **t}, images, True)
        return losses(one, truth).mean() + 0.5 * divergence(said, two), moved
    return loss


def train(*objectives, replay=False):
    p = {k: jnp.asarray(v) for k, v in start.items()}
    velocity, values, delta = None, [], jnp.zeros((N, 3, CANVAS, CANVAS))
    for step in range(STEPS):
        images, truth = batches[0 if replay else step]
        trained = {k: p[k] for k in TRAINED}
        if replay:  # free: the gradient by the images comes with the step
            x = jnp.clip(images + delta, 0, 1)
            by_images = jax.grad(lambda v: losses(forward(p, v, True)[0], truth).mean())(x)
            images = x
            delta = jnp.clip(delta + EPSILON * jnp.sign(by_images), -EPSILON, EPSILON)
        objective = objectives[step % len(objectives)]
        (value, moved), g = jax.value_and_grad(objective(p, jnp.asarray(images), truth, noises[step]), has_aux=True)(trained)
        values.append(float(value))
        g = {k: g[k] + (DECAY * p[k] if k.endswith("weight") else 0) for k in TRAINED}
        velocity = g if velocity is None else {k: MOMENTUM * velocity[k] + g[k] for k in TRAINED}
        rate = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        p = after({**p, **{k: p[k] - rate * velocity[k] for k in TRAINED}}, moved)
    return {"losses": values, "tensors": {k: [float(f"{v:.9g}") for v in numpy.asarray(p[k]).ravel()] for k in p}}


golden = {"start": {k: v.ravel().tolist() for k, v in start.items()},
          "batches": [{"images": i.ravel().tolist(), "truth": t} for i, t in batches],
          "objectives": {name: train(objective) for name, objective in (
              ("Clean", clean), ("Adversarial only", adversarial_only), ("PGD adversarial", pgd_adversarial),
              ("Both forms", both_forms), ("TRADES-like", trades), ("Distilled", distilled))}}
golden["objectives"]["Free adversarial"] = train(clean, replay=True)
golden["objectives"]["Mixed"] = train(mtd, clean, both_forms)
golden["objectives"]["MTD"] = train(mtd)
golden["objectives"]["Fast adversarial"] = train(fast)
for name, result in golden["objectives"].items():
    print(f"{name:20}", *(f"{v:.6f}" for v in result["losses"]))
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
