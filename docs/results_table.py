#!/usr/bin/env python3
"""Writes the demo's results into README.md, between the markers <!-- results --> and <!-- /results -->.

usage: docs/results_table.py out/demo/cells.csv README.md
"""
import csv
import pathlib
import statistics
import sys

LABELS = {
    "unstructured_deeplift": "Unstructured DeepLIFT",
    "unstructured_hydra": "Unstructured HYDRA",
    "structured_deeplift": "Structured DeepLIFT",
    "structured_hydra": "Structured HYDRA",
    "unstructured_deeplift_greyscale": "Unstructured DeepLIFT Greyscale",
}


def table(rows, column, digits):
    ratios = sorted({r["ratio"] for r in rows}, key=float)
    lines = ["| | " + " | ".join(f"{r} %" for r in ratios) + " |", "| --- |" + " --: |" * len(ratios)]
    for scenario in dict.fromkeys(r["scenario"] for r in rows):
        means = [statistics.mean(float(r[column]) for r in rows if (r["scenario"], r["ratio"]) == (scenario, ratio))
                 for ratio in ratios]
        lines.append(f"| {LABELS.get(scenario, scenario)} | " + " | ".join(f"{m:.{digits}f}" for m in means) + " |")
    return "\n".join(lines)


def main():
    cells, readme = map(pathlib.Path, sys.argv[1:])
    rows = [r for r in csv.DictReader(cells.open()) if r["profile"] == "standard"]
    runs = len({r["run"] for r in rows})
    text = (f"Means of {runs} runs (`./run demo`), profile standard; the page has the spread, the tests and the pictures.\n\n"
            f"AP50 on clean images\n\n{table(rows, 'AP50', 3)}\n\n"
            f"AP50 under PGD\n\n{table(rows, 'robust_AP50', 3)}\n\n"
            f"Network time per image [ms], one thread\n\n{table(rows, 'ms_network', 2)}\n")
    page = readme.read_text()
    begin, end = "<!-- results -->\n", "<!-- /results -->"
    head, rest = page.split(begin)
    readme.write_text(head + begin + text + end + rest.split(end)[1])


if __name__ == "__main__":
    main()
