#!/usr/bin/env python3
"""Writes the tables of docs/ablation.md from docs/ablation/cells.csv, which `ablation` wrote.

usage: docs/ablation.py      text between `<!-- tables -->` and `<!-- /tables -->` is this script's
"""
import collections
import csv
import pathlib
import statistics

ROOT = pathlib.Path(__file__).resolve().parent
GROUPS = [
    ("Single weights: what DeepLIFT explains", "deeplift deeplift-target-detection deeplift-target-detection-box "
     "deeplift-target-logits deeplift-target-loss deeplift-undivided-detection"),
    ("What it divides by, and how images become one number", "deeplift deeplift-normalise-none "
     "deeplift-normalise-filter-input deeplift-aggregate-rms deeplift-aggregate-signed deeplift-layer"),
    ("With what images are compared, and by which rule", "deeplift deeplift-reference-grey deeplift-reference-mean "
     "deeplift-reference-blurred deeplift-reference-clean-twin deeplift-rule-reveal-cancel"),
    ("HYDRA and DeepLIFT trained, and the floors", "hydra hydra-0.1 hydra-0.001 deeplift-trained magnitude "
     "magnitude-share snip snip-share taylor random"),
    ("Kernels", "kernel-deeplift kernel-deeplift-layer kernel-hydra kernel-magnitude"),
    ("Whole filters, share of parameters", "filter-deeplift filter-deeplift-detection filter-hydra filter-magnitude "
     "filter-random"),
]


def tables():
    cells = collections.defaultdict(list)
    with (ROOT / "ablation/cells.csv").open() as file:
        for row in csv.DictReader(file):
            if row["profile"] == "standard":
                cells[row["scenario"], row["ratio"]].append((float(row["AP50"]), float(row["robust_AP50"])))
    ratios = sorted({ratio for _, ratio in cells}, key=float)
    for title, names in GROUPS:
        yield f"### {title}\n"
        yield "| | " + " | ".join(f"{ratio} %" for ratio in ratios) + " |"
        yield "| --- |" + " --: |" * len(ratios)
        for name in names.split():
            texts = []
            for ratio in ratios:
                clean, robust = zip(*cells[name, ratio])
                texts.append(f"{statistics.mean(clean):.3f} / {statistics.mean(robust):.3f} ± {statistics.stdev(robust):.3f}")
            yield f"| `{name}` | " + " | ".join(texts) + " |"
        yield ""


if __name__ == "__main__":
    page = ROOT / "ablation.md"
    head, rest = page.read_text().split("<!-- tables -->\n")
    page.write_text(head + "<!-- tables -->\n" + "\n".join(tables()) + "<!-- /tables -->" + rest.split("<!-- /tables -->")[1])
