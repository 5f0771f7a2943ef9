#!/usr/bin/env python3
"""Writes every table and figure of README.md, docs/results.md and docs/paper.md that comes from the committed study.

usage: docs/results.py --report build/release/bin/report [--study out/study [--beside out/other]]

The study's cells, seeds and configuration lie in docs/results; --study first takes them from the folder of a finished
one. Another study of the same runs and ratios, whose scenarios are not the paper's, may stand --beside it in the README. Text between `<!-- results -->` and `<!-- /results -->` is this script's: do not edit it by hand.
"""
import argparse
import csv
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "docs/results"
LABELS = dict(re.findall(r'CatalogueEntry\{\s*"(\w+)",\s*"([^"]+)"', (ROOT / "include/serpette/scenario/catalogue.hpp").read_text()))
RUN_TABLES = ["V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV"]
FIGURES = {"fig_1a": "AP50 over the pruning ratio, four scenarios", "fig_1b": "total time per image, four scenarios",
           "fig_2a": "AP50, colour and greyscale", "fig_2b": "total time per image, colour and greyscale",
           "robust_AP50": "AP50 under PGD", "ms_network": "network time per image"}
MOST_BYTES = 2_000_000


def grid(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "| --- |" + " --: |" * (len(header) - 1),
                      *("| " + " | ".join(row) + " |" for row in rows)])


class Study:
    def __init__(self, *paths):
        self.rows = []
        for path in paths:
            rows = list(csv.DictReader(path.open()))
            if not rows:
                sys.exit(f"{path}: should hold cells, got none")
            self.rows += rows
        self.ratios = sorted({r["ratio"] for r in self.rows}, key=float)
        self.scenarios = list(dict.fromkeys(r["scenario"] for r in self.rows))
        self.runs = len({r["run"] for r in self.rows})
        self.networks = len({(r["scenario"], r["run"], r["ratio"]) for r in self.rows})
        self.seeds = sorted({r["seed"] for r in self.rows}, key=int)

    def means(self, column, digits, profile="standard", scale=1):
        rows = []
        for scenario in self.scenarios:
            values = [[float(r[column]) / scale for r in self.rows
                       if (r["scenario"], r["ratio"], r["profile"]) == (scenario, ratio, profile)] for ratio in self.ratios]
            rows.append([LABELS.get(scenario, scenario), *(f"{statistics.mean(v):.{digits}f}" if v else "–" for v in values)])
        return grid(["", *(f"{r} %" for r in self.ratios)], rows)


def between(path, text):
    """Puts text between the markers of a page."""
    begin, end = "<!-- results -->\n", "<!-- /results -->"
    page = path.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"{path}: should have the markers {begin.strip()} and {end} once each")
    head, rest = page.split(begin)
    path.write_text(head + begin + text.rstrip() + "\n" + end + rest.split(end)[1])


def readme(study, beside):
    """The README's part; `beside` holds cells of further scenarios, or nothing."""
    if beside.exists():
        other = Study(beside)
        cells = lambda s: {(r["run"], r["ratio"]) for r in s.rows}
        if cells(other) - cells(study) or set(other.scenarios) & set(study.scenarios):
            sys.exit(f"{beside}: should hold other scenarios at the study's runs and ratios")
    lead = (f"Means of {study.runs} runs: {len(study.scenarios)} scenarios × {study.runs} runs × {len(study.ratios)} ratios = "
            f"{study.networks} pruned networks, profile standard. [All tables, figures, tests and the paper's claims]"
            "(docs/results.md) · [what of the paper agrees](docs/paper.md) · made by `./run results`.")
    if beside.exists():
        lead += (f" Last rows: a study of {other.runs} runs beside it ([cells](docs/results/beside_cells.csv)), run at another time.")
        study = Study(HOME / "cells.csv", beside)
    figures = "\n".join(f"![{FIGURES[name]}](docs/results/{name}.svg)" for name in ("fig_1a", "robust_AP50") if (HOME / f"{name}.svg").exists())
    return (f"{lead}\n\n{figures}\n\nAP50 on clean images\n\n{study.means('AP50', 3)}\n\n"
            f"AP50 under PGD\n\n{study.means('robust_AP50', 3)}\n\n"
            f"Network time per image [ms], one thread\n\n{study.means('ms_network', 2)}\n")


def results(study, report):
    """docs/results.md: everything the study gives, for people."""
    out = [f"""# Results of the study

{len(study.scenarios)} scenarios × {study.runs} runs × {len(study.ratios)} ratios = {study.networks} pruned networks on drawn scenes.
Cells with their seeds: [cells.csv](results/cells.csv); configuration: [configuration.txt](results/configuration.txt). This page,
its figures and the README's tables are made from them by `./run results`; `report --cells docs/results/cells.csv --out
out/report` makes the interactive page. Profile standard (confidence 0.001) unless said; times are medians per image, batch 1,
on one thread.

## Figures

Dots are means over the runs, bars one standard deviation."""]
    for name, caption in FIGURES.items():
        if (HOME / f"{name}.svg").exists():
            label = "Fig. " + name[4:] + ": " if name.startswith("fig_") else ""
            out.append(f"![{label}{caption}](results/{name}.svg)")
    if (HOME / "fig_3.svg").exists():
        out.append("Fig. 3: one test picture across scenarios and ratios, run 1, boxes of confidence 0.5 and more; dashed boxes are "
                   "wrong.\n\n![Fig. 3: detections on one picture](results/fig_3.svg)")
    out.append("## Means over the runs")
    for title, column, digits, profile, scale in [
            ("AP50 on clean images", "AP50", 3, "standard", 1), ("AP50 under PGD", "robust_AP50", 3, "standard", 1),
            ("AP (IoU 0.50:0.95) on clean images", "AP", 3, "standard", 1),
            ("AP50 on clean images, profile paper (confidence 0.5)", "AP50", 3, "paper", 1),
            ("Network time [ms]", "ms_network", 2, "standard", 1), ("Total time [ms]", "ms_total", 2, "standard", 1),
            ("Parameters [thousands]", "parameters", 0, "standard", 1e3), ("Multiply-adds [millions]", "macs", 1, "standard", 1e6)]:
        out.append(f"{title}\n\n{study.means(column, digits, profile, scale)}")
    out.append("## The paper's claims under these data\n\nDifferences: Welch's test at each ratio, Holm's correction within each "
               "table, 5 %. Whole curves: 2,000 resamples of runs.\n\n" + (report / "claims.md").read_text())
    out.append("## Tests\n\np-values of one-way ANOVA as the paper's Tables I–IV have them. Welch, Kruskal-Wallis, effect sizes, assumption "
               "checks and all pairs are in the report's CSV files.")
    for name in ["table_I", "table_II", "table_III", "table_IV", "anova_robust_AP50"]:
        if (report / f"tables/{name}.md").exists():
            out.append((report / f"tables/{name}.md").read_text())
    out.append("## Every run\n\nAs the paper's Tables V–XIV: per run, then maximum, minimum, average and (population) standard deviation.")
    for number in RUN_TABLES:
        if (report / f"tables/table_{number}.md").exists():
            out.append((report / f"tables/table_{number}.md").read_text())
    out.append("## Configuration\n\n```\n" + (HOME / "configuration.txt").read_text().strip() + "\n```")
    return "\n\n".join(part.strip() for part in out) + "\n"


def beside(study, report, paper):
    """What docs/paper.md shows of the study beside the paper's own numbers."""
    def averages(folder):
        found = {}
        for r in csv.DictReader((folder / "summary.csv").open()):
            if r["statistic"] in ("avg", "std dev") and r["table"]:
                found[r["table"], r["ratio_percent"], r["statistic"]] = float(r["value"])
        return found

    ours, theirs = averages(report), averages(paper)
    names = {r["table"]: (r["scenario"], r["metric"]) for r in csv.DictReader((paper / "summary.csv").open())}
    ratios = list(dict.fromkeys(r["ratio_percent"] for r in csv.DictReader((paper / "summary.csv").open())))
    rows = []
    for table in RUN_TABLES:
        scenario, metric = names[table]
        digits = (3, 3) if metric == "mAP" else (1, 2)
        for who, data, n in (("paper", theirs, digits[0]), ("study", ours, digits[1])):
            rows.append([f"{table}: {scenario}, {metric}" if who == "paper" else "", who,
                         *(f"{data[table, r, 'avg']:.{n}f} ± {data[table, r, 'std dev']:.{n}f}" if (table, r, "avg") in data else "–" for r in ratios)])
    text = (f"The study: {study.networks} networks on drawn scenes ({study.runs} runs), AP50 in profile standard and total time per image "
            "in ms on a CPU; the paper: mAP on COCO, ms on a GPU. Averages ± population standard deviation; absolute numbers are not "
            f"comparable, courses are.\n\n{grid(['Table', '', *(f'{r} %' for r in ratios)], rows)}\n\n")
    verdicts = {r["Claim"]: r["Verdict"] for r in csv.DictReader((paper / "claims.csv").open())}
    own = list(csv.DictReader((report / "claims.csv").open()))
    return text + "### Claims\n\n" + grid(["Claim", "the paper's data", "the study's data"],
                                          [[r["Claim"].replace("|", "\\|"), verdicts.get(r["Claim"], "–"), r["Verdict"]] for r in own]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=pathlib.Path, required=True, help="the program `report`")
    parser.add_argument("--study", type=pathlib.Path, help="folder of a finished study to take the results from")
    parser.add_argument("--beside", type=pathlib.Path, help="folder of another one, for the README")
    options = parser.parse_args()
    if options.beside and not options.study:
        parser.error("--beside should come with --study")
    HOME.mkdir(exist_ok=True)
    if options.study:
        taken = {name: options.study / name for name in ("cells.csv", "configuration.txt")}
        if options.beside:
            taken |= {f"beside_{name}": options.beside / name for name in list(taken)}
        else:
            for old in HOME.glob("beside_*"):
                old.unlink()
        for name, source in taken.items():
            if not source.exists():
                sys.exit(f"{source}: should be there in the folder of a finished study, got nothing")
            if source.stat().st_size > MOST_BYTES:
                sys.exit(f"{source}: should have at most {MOST_BYTES} bytes to be committed, got {source.stat().st_size}")
            shutil.copyfile(source, HOME / name)
        for figure in HOME.glob("*.svg"):  # of the study before
            figure.unlink()
    cells = HOME / "cells.csv"
    if not cells.exists():
        sys.exit(f"{cells}: should hold a study's cells, got nothing; name a finished study with --study")
    with tempfile.TemporaryDirectory() as folder:
        report, paper = pathlib.Path(folder) / "study", pathlib.Path(folder) / "paper"
        source = options.study / "cells.csv" if options.study else cells  # a whole study keeps its boxes too: Fig. 3
        for arguments in (["--cells", source, "--out", report], ["--paper", "--out", paper]):
            if subprocess.run([options.report, *arguments], stdout=subprocess.DEVNULL).returncode != 0:
                sys.exit(1)  # it has said why
        for name in [*FIGURES, *(["fig_3"] if options.study else [])]:
            if (report / f"figures/{name}.svg").exists():
                shutil.copyfile(report / f"figures/{name}.svg", HOME / f"{name}.svg")
        study = Study(cells)
        beside_it = HOME / "beside_cells.csv"
        between(ROOT / "README.md", readme(study, beside_it))
        (ROOT / "docs/results.md").write_text(results(study, report))
        between(ROOT / "docs/paper.md", beside(study, report, paper))
    print(f"README.md, docs/results.md, docs/paper.md: {study.networks} networks")


if __name__ == "__main__":
    main()
