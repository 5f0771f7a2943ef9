#!/usr/bin/env python3
"""Writes every table and figure of README.md, docs/results* and docs/paper.md that comes from the committed studies.

usage: docs/results.py --report build/release/bin/report [--take NAME FOLDER [--command TEXT]]

Each study lies in docs/results/NAME: its cells (cells.csv, evaluations.csv), configuration.txt, and in command.txt the one
command that made it. What stands beside them there (README.md, figures, tables) is made from them by this script. --take
first copies a finished study's files there from its folder. Text between `<!-- results -->` and `<!-- /results -->` is this
script's: do not edit it by hand.
"""
import argparse
import csv
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = ROOT / "docs/results"
# What it was made on, whether its pictures are ours to publish, and whether README and docs/paper.md show it. The first one that is there leads.
STUDIES = {"photographs": ("photographs of blood cells (BCCD, 3 classes), YOLOv3-tiny from its COCO backbone", False, True),
           "drawn": ("drawn scenes, a slim YOLOv3", True, True),
           "photographs_slim": ("photographs of blood cells, a slim YOLOv3", False, False)}
RUN_TABLES = ["V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV"]
FIGURES = {"robust_AP50": "AP50 under attack over the pruning ratio", "AP50": "AP50 on clean images over the pruning ratio",
           "retention_beside_paper": "the part of the AP50 under attack that is kept, the paper's dotted",
           "fig_1a": "Fig. 1a: mAP under attack, filters", "fig_1a_kernels": "Fig. 1a: mAP under attack, kernels",
           "fig_1a_clean": "Fig. 1a on clean images, filters", "fig_1a_clean_kernels": "Fig. 1a on clean images, kernels",
           "fig_1b": "Fig. 1b: total time per image, filters", "fig_1b_kernels": "Fig. 1b: total time per image, kernels",
           "fig_2a": "Fig. 2a: mAP under attack, colour and greyscale", "fig_2a_clean": "Fig. 2a on clean images",
           "fig_2b": "Fig. 2b: total time per image, colour and greyscale", "ms_network": "network time per image",
           "worst_attack": "AP50 under the worst attack of each run", "budgets_1": "AP50 by the strength of an attack",
           "budgets_2": "AP50 by the strength of an attack"}
KEPT = ["summary.csv", "tests.csv", "claims.csv", "tradeoff.csv"]
MOST_BYTES = 8_000_000


def grid(header, rows):
    cells = lambda row: "| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |"
    return "\n".join([cells(header), "| --- |" + " --: |" * (len(header) - 1), *map(cells, rows)])


def records(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def counted(n, noun):
    return f"{n} {noun}{'' if n == 1 else 's'}"


class Study:
    def __init__(self, name, report):
        self.name, self.home, self.report = name, HOME / name, report
        self.of, self.pictures, self.in_front = STUDIES[name]
        rows = [r for r in records(self.home / "cells.csv") if r["scenario"] != "original"]
        self.runs = len({r["run"] for r in rows})
        self.ratios = len({r["ratio"] for r in rows})
        self.scenarios = len({r["scenario"] for r in rows})
        self.networks = len({(r["scenario"], r["run"], r["ratio"]) for r in rows})
        self.timed = any(r["ms_total"] != "nan" for r in rows)

    def counts(self):
        return (f"{counted(self.scenarios, 'scenario')} × {counted(self.runs, 'run')} × {counted(self.ratios, 'ratio')} = "
                f"{counted(self.networks, 'pruned network')}")

    def table(self, name):
        path = self.report / "tables" / f"{name}.md"
        return path.read_text().strip() if path.exists() else ""

    def note(self):
        """What a reader should know of how it was made, written by hand beside the cells."""
        note = self.home / "note.md"
        return note.read_text().strip() if note.exists() else ""

    def glance(self):
        return (self.report / "glance.md").read_text().split("\n\n", 1)[1].strip()

    def figure(self, name, at):
        return f"![{FIGURES[name]}]({at}/{name}.svg)" if (self.home / f"{name}.svg").exists() else ""


def joined(parts):
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def between(path, text):
    """Puts text between the markers of a page."""
    begin, end = "<!-- results -->\n", "<!-- /results -->"
    page = path.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"{path}: should have the markers {begin.strip()} and {end} once each")
    head, rest = page.split(begin)
    path.write_text(head + begin + text.rstrip() + "\n" + end + rest.split(end)[1])


def readme(studies):
    """The README's part: the first study with its curves, the others at a glance."""
    parts = []
    for study in studies:
        home = f"docs/results/{study.name}"
        parts.append(f"**On {study.of}**: {study.counts()}. [Everything it gives]({home}/README.md)" +
                     (" · [what of the paper agrees](docs/paper.md) · made by `./run results`" if study is studies[0] else ""))
        if study is studies[0]:
            parts += ["\n".join(filter(None, (study.figure(name, home) for name in ("robust_AP50", "AP50"))))]
        parts.append(study.glance())
        if study is studies[0]:
            parts += [study.table("retention_beside_paper")]
    parts.append("Kept: the part of a scenario's own value unpruned; under attack / on clean images.")
    return joined(parts)


def overview(studies):
    """docs/results.md: the studies at a glance."""
    parts = ["# Results", "Made from the cells that are kept in `docs/results/` by `./run results`. Headline is AP50 under the attack that a "
             "scenario is trained against, as the paper's mAP is; clean images stand beside it. *Original* is the network as it came: "
             "the study has neither trained nor pruned it."]
    for study in studies:
        home = f"results/{study.name}"
        parts += [f"## {study.name.capitalize().replace('_', ', ')}", f"On {study.of}: {study.counts()}. [All of it]({home}/README.md).", study.glance(),
                  study.figure("robust_AP50", home), study.figure("retention_beside_paper", home)]
    return joined(parts)


def page(study):
    """docs/results/NAME/README.md: everything a study gives, for people."""
    parts = [f"# Results on {study.of}",
             f"{study.counts()}. Cells with their seeds: [cells.csv](cells.csv); configuration: [configuration.txt](configuration.txt). Made by",
             "```\n" + (study.home / "command.txt").read_text().strip() + "\n```",
             "This page, its figures and tables are made from the cells by `./run results`; `report --cells "
             f"docs/results/{study.name}/cells.csv --out out/report` makes the interactive page. Profile standard (confidence 0.001)" +
             ("; times are medians per image, batch 1, on one thread." if study.timed else "."),
             study.note(), "## At a glance", study.glance(), "Means over the runs. Kept: the part of a scenario's own value unpruned; under attack / on clean images.",
             "## Figures", "Marks are means over the runs, bars one standard deviation, small dots the runs."]
    parts += [study.figure(name, ".") for name in FIGURES]
    if (study.home / "fig_3.svg").exists():
        parts.append("Fig. 3: one test picture across scenarios and ratios, run 1, boxes of confidence 0.5 and more; dashed boxes are "
                     "wrong.\n\n![Fig. 3: detections on one picture](./fig_3.svg)")
    parts.append("## What is kept, beside the paper\n\nThe paper's structured scenarios stand below filters and kernels alike.")
    parts += [study.table("retention_beside_paper"), "## Means over the runs"]
    parts += [study.table(f"means_{m}") for m in ("robust_AP50", "AP50", "robust_AP", "AP", "ms_network", "ms_total", "parameters", "macs")]
    evaluations = [study.table(name) for name in ("attacks", "budgets_1", "budgets_2")]
    if any(evaluations):
        parts += ["## Other attacks", *evaluations]
    parts += ["## The paper's claims under these data",
              "Differences: Welch's test at each ratio, Holm's correction within each table, 5 %. Whole curves: 2,000 resamples of runs.",
              (study.report / "claims.md").read_text(), "## Tests",
              "p-values of one-way ANOVA as the paper's Tables I–IV have them, for both readings of structured, under attack and clean. Welch, "
              "Kruskal-Wallis, effect sizes: [tests.csv](tests.csv); the report has assumption checks and all pairs."]
    parts += [study.table(f"table_{n}{suffix}") for suffix in ("", "_kernels", "_clean", "_clean_kernels") for n in ("I", "II", "III", "IV")]
    parts += ["## Every run", "As the paper's Tables V–XIV: per run, then maximum, minimum, average and (population) standard deviation."]
    parts += [study.table(f"table_{n}{suffix}") for suffix in ("", "_kernels", "_clean", "_clean_kernels") for n in RUN_TABLES]
    parts += ["## Configuration", "```\n" + (study.home / "configuration.txt").read_text().strip() + "\n```"]
    return joined(parts)


def beside(studies, paper):
    """What docs/paper.md shows of the studies beside the paper's own numbers."""
    def averages(folder):
        return {(r["table"], r["ratio_percent"], r["statistic"]): float(r["value"]) for r in records(folder / "summary.csv") if r["table"]}

    theirs = averages(paper)
    names = {r["table"]: (r["scenario"], r["metric"]) for r in records(paper / "summary.csv") if r["table"]}
    ratios = list(dict.fromkeys(r["ratio_percent"] for r in records(paper / "summary.csv")))
    rows = []
    for table in RUN_TABLES:
        scenario, metric = names[table]
        rows.append([f"{table}: {scenario}, {metric}", "paper", theirs, table, 3 if metric == "mAP" else 1])
        for study in studies:
            ours = averages(study.report)
            for reading, word in ((table, study.name), (f"{table} kernels", f"{study.name}, kernels")):
                if any(key[0] == reading for key in ours):
                    rows.append(["", word, ours, reading, 3 if metric == "mAP" else 2])
    shown = [[title, who, *(f"{data[t, r, 'avg']:.{n}f} ± {data[t, r, 'std dev']:.{n}f}" if (t, r, "avg") in data else "–" for r in ratios)]
             for title, who, data, t, n in rows]
    text = ("AP50 under PGD in profile standard and total time per image in ms on a CPU; the paper: mAP under PGD on COCO, ms on a GPU. "
            "Averages ± population standard deviation; absolute numbers are not comparable, courses are.\n\n"
            + grid(["Table", "", *(f"{r} %" for r in ratios)], shown) + "\n\n### Claims\n\n")
    key = lambda r: (r["What the paper says"], r.get("Structured means", "–"), r["Measured by"])
    verdicts = {r["What the paper says"]: r["Verdict"] for r in records(paper / "claims.csv")}
    own = [{key(r): r["Verdict"] for r in records(study.report / "claims.csv")} for study in studies]
    keys = list(dict.fromkeys(k for found in own for k in found))
    keys.sort(key=lambda k: list(verdicts).index(k[0]) if k[0] in verdicts else len(verdicts))
    return text + grid(["Claim", "Structured means", "Measured by", "the paper's data", *(s.name for s in studies)],
                       [[*k, verdicts.get(k[0], "–") if "clean" not in k[2] else "–", *(found.get(k, "–") for found in own)] for k in keys]) + "\n"


def take(name, folder, command):
    """Copies a finished study's files to docs/results; nothing of the study that was kept there before stays beside them."""
    home = HOME / name
    files = [folder / file for file in ("cells.csv", "configuration.txt", "evaluations.csv", "command.txt")]
    for source in files:
        if not source.exists() and source.name in ("cells.csv", "configuration.txt"):
            sys.exit(f"{source}: should be there in the folder of a finished study, got nothing")
        if source.exists() and source.stat().st_size > MOST_BYTES:
            sys.exit(f"{source}: should have at most {MOST_BYTES} bytes to be committed, got {source.stat().st_size}")
    if not command and not files[-1].exists():  # the one that is kept made another study
        sys.exit(f"{files[-1]}: should say the command that made the study; give it with --command")
    home.mkdir(parents=True, exist_ok=True)
    for source in files:
        if source.exists():
            shutil.copyfile(source, home / source.name)
        else:
            (home / source.name).unlink(missing_ok=True)
    if command:
        (home / "command.txt").write_text(command.strip() + "\n")
    if (home / "note.md").exists():
        print(f"{home}/note.md: was written of the cells before; read it again", file=sys.stderr)


def make(name, program, folder, source):
    """Runs the report on a kept study and puts its figures and tables beside the cells."""
    cells = (source or HOME / name) / "cells.csv"  # a whole study keeps its boxes too: Fig. 3
    if subprocess.run([program, "--cells", cells, "--out", folder], stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit(1)  # it has said why
    study = Study(name, folder)
    for old in study.home.glob("*.svg"):
        if source or old.name != "fig_3.svg":  # that one needs the study's pictures
            old.unlink()
    figures = list(FIGURES) + (["fig_3"] if study.pictures else [])  # pictures of other people's data stay out
    for file in [f"figures/{figure}.svg" for figure in figures] + KEPT:
        if (folder / file).exists():
            shutil.copyfile(folder / file, study.home / pathlib.Path(file).name)
    (study.home / "README.md").write_text(page(study))
    return study


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=pathlib.Path, required=True, help="the program `report`")
    parser.add_argument("--take", nargs=2, metavar=("NAME", "FOLDER"), help="first take this study from a finished one's folder")
    parser.add_argument("--command", help="the command that made it")
    options = parser.parse_args()
    name, source = options.take or (None, None)
    if options.take:
        if name not in STUDIES:
            parser.error(f"--take: NAME should be one of {', '.join(STUDIES)}, got {name}")
        source = pathlib.Path(source).resolve()
        take(name, source, options.command)
    there = [n for n in STUDIES if (HOME / n / "cells.csv").exists()]
    if not there:
        sys.exit(f"{HOME}: should hold a study's cells, got none; take a finished study with --take")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        paper = folder / "the_paper"
        if subprocess.run([options.report, "--paper", "--out", paper], stdout=subprocess.DEVNULL).returncode != 0:
            sys.exit(1)
        studies = [make(n, options.report, folder / n, source if n == name else None) for n in there]
        in_front = [study for study in studies if study.in_front]
        between(ROOT / "README.md", readme(in_front))
        (ROOT / "docs/results.md").write_text(overview(studies))
        between(ROOT / "docs/paper.md", beside(in_front, paper))
    print("README.md, docs/paper.md, docs/results: " + ", ".join(f"{s.name} ({s.networks} networks)" for s in studies))


if __name__ == "__main__":
    main()
