#!/usr/bin/env python3
"""Writes the tables of docs/policies/results.md from docs/policies/results/DATA/*.csv, which `policies` wrote.

usage: docs/policies.py [--take DATA OUT]        the cells of a finished run, `./run policies --out OUT`, are kept first; DATA: drawn,
                                                 photographs
                        [--take-times DATA OUT]  of a run with nothing beside it the seconds per step of pre-training
                        [--take-pgd50 DATA OUT BIN IMAGES ANNOTATIONS]  of a run's objectives the AP50 unpruned under PGD of 50 steps,
                                                 which BIN/robustness measures on its test images into OUT/pgd50

Text between `<!-- tables -->` and `<!-- /tables -->` is this script's. Cells that a run does not have yet are dashes.
"""
import argparse
import collections
import csv
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent / "policies"
KEPT = ROOT / "results"
DATA = {"drawn": "On drawn scenes, a slim YOLOv3", "photographs": "On photographs of blood cells, a slim YOLOv3"}
COLUMNS = ("scenario", "run", "ratio", "profile", "AP50", "robust_AP50", "parameters", "macs", "weights_kept",
           "seconds_pretrain", "seconds_scores", "seconds_finetune")
TIMES = "seconds_per_step.csv"
PGD50 = "pgd50.csv"
RATIOS = ("50", "75", "90")
SCORES = {"hydra": "`Hydra`", "hydra-untrained": "`HydraUntrained`", "deeplift": "`DeepLift`", "deeplift-trained": "`DeepLiftTrained`",
          "deeplift-layer": "`DeepLiftLayer`", "magnitude": "`Magnitude`", "snip": "`Snip`", "taylor": "`Taylor`",
          "bn-gamma": "`BatchNormGamma`", "random": "`Random`"}
GRANULARITIES = {"weight": "`Weight`", "kernel": "`Kernel`", "input-channel": "`InputChannel`", "block-4x4": "`Block<4, 4>`",
                 "2-of-4": "`NofM<2, 4>`", "filter": "`Filter`", "filter-and-weight": "`Both<Filter, Weight>`", "layers": "`Layers`"}
ALLOCATIONS = {"": "`PerLayer`", "-global": "`Global`", "-lamp": "`Lamp`", "-erdos-renyi-kernel": "`ErdosRenyiKernel`",
               "-learned": "`Learned`"}
SCHEDULES = {"": "one shot", "-iterative": "iterative, 4 rounds", "-cubic": "cubic, 4 rounds"}
OBJECTIVES = {"pgd-adversarial": "`PgdAdversarial`", "both-forms": "`BothForms`", "adversarial-only": "`AdversarialOnly`",
              "free-4": "`FreeAdversarial<4>`", "fast": "`FastAdversarial`", "trades-like": "`TradesLike`",
              "mtd": "`Under<Mtd, AdversarialOnly>`", "mixed": "`Mixed`, three attacks of twice the ε",
              "distilled": "`Distilled<PgdAdversarial>`", "clean": "`Clean`"}
ATTACKS = {"pgd-adversarial": "`Pgd`", "under-noise": "`Noise`", "under-fgsm": "`Fgsm`", "under-pgd-random-start": "`Pgd`, random start",
           "under-pgd-l2": "`PgdL2`", "under-apgd": "`Apgd`",
           "under-square": "`Square`, 15 queries", "under-cw": "`CarliniWagner`, one search", "under-tog-untargeted": "`TogUntargeted`",
           "under-tog-vanishing": "`TogVanishing`", "under-tog-fabrication": "`TogFabrication`",
           "under-tog-mislabelling": "`TogMislabelling`"}


def take(data, out):
    """Keeps the cells of a run: of each sheet the columns that the tables need."""
    kept = KEPT / data
    kept.mkdir(parents=True, exist_ok=True)
    taken = 0
    for path in sorted(out.rglob("cells.csv")):
        if "cells" in path.parent.relative_to(out).parts:
            continue  # a single cell's
        with path.open() as file:
            rows = [row for row in csv.DictReader(file) if row["profile"] == "standard"]
        name = "-".join(path.parent.relative_to(out).parts) or "cells"
        with (kept / f"{name}.csv").open("w") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        configuration = path.parent / "configuration.txt"
        (kept / f"{name}.txt").write_text(configuration.read_text())
        taken += len(rows)
    if not taken:
        raise SystemExit(f"{out}: should hold what `policies` wrote, got no cells.csv")


def take_times(data, out):
    """Keeps the seconds per step of each objective's sheet of a run."""
    rows = []
    for path in sorted((out / "objectives").glob("*/cells.csv")):
        with path.open() as file:
            cells = [row for row in csv.DictReader(file) if row["profile"] == "standard" and row["ratio"] == "0"]
        rows.append((path.parent.name, f"{mean(cells, 'seconds_pretrain') / steps(path.with_name('configuration.txt'), '--pretrain-steps'):.4f}"))
    if not rows:
        raise SystemExit(f"{out}: should hold the objectives that `policies` wrote, got none")
    with (KEPT / data / TIMES).open("w") as file:
        csv.writer(file, lineterminator="\n").writerows([("objective", "seconds_per_step"), *rows])


def take_pgd50(data, out, programs, images, annotations):
    """Measures the unpruned network of every objective and run under PGD of 50 steps, and keeps its AP50."""
    rows = []
    for cell in sorted((out / "objectives").glob("*/cells/*-ratio0")):
        measured = out / "pgd50" / cell.name
        subprocess.run([programs / "robustness", "--cfg", cell / "network.cfg", "--weights", cell / "network.weights", "--images", images,
                        "--annotations", annotations, "--attacks", "pgd-50", "--restarts", "1", "--strengths", "", "--batch-size", "32",
                        "--out", measured], check=True, stdout=subprocess.DEVNULL)
        with (measured / "evaluations.csv").open() as file:
            found = [row["value"] for row in csv.DictReader(file)
                     if (row["attack"], row["profile"], row["metric"]) == ("PGD-50", "standard", "AP50")]
        objective, run = cell.name.removesuffix("-ratio0").rsplit("-run", 1)
        rows.append((objective, run, *found))
    if not rows:
        raise SystemExit(f"{out}: should hold the objectives that `policies` wrote, got none")
    with (KEPT / data / PGD50).open("w") as file:
        csv.writer(file, lineterminator="\n").writerows([("objective", "run", "AP50"), *rows])


def pgd50(data):
    """AP50 under PGD of 50 steps by objective, one a run, where it was measured."""
    path, found = KEPT / data / PGD50, collections.defaultdict(list)
    if path.exists():
        with path.open() as file:
            for row in csv.DictReader(file):
                found[row["objective"]].append(float(row["AP50"]))
    return found


def times(data):
    """Seconds per step by objective, where they were taken."""
    path = KEPT / data / TIMES
    if not path.exists():
        return {}
    with path.open() as file:
        return {row["objective"]: float(row["seconds_per_step"]) for row in csv.DictReader(file)}


def steps(sheet, option):
    """A number of a sheet, by its configuration."""
    for line in sheet.read_text().splitlines():
        if line.startswith(f"{option}: "):
            return int(line.split(": ")[1])
    raise SystemExit(f"{sheet}: should say {option}")


def cells(data):
    found = collections.defaultdict(list)
    for path in sorted((KEPT / data).glob("*.csv")):
        if path.name in (TIMES, PGD50):
            continue
        with path.open() as file:
            for row in csv.DictReader(file):
                row["sheet"] = path
                rows = found[row["scenario"], row["ratio"]]
                if twin := next((other for other in rows if other["run"] == row["run"]), None):
                    raise SystemExit(f"{path}: should have no cell that {twin['sheet']} has, got {row['scenario']}, {row['ratio']} %, run {row['run']}")
                rows.append(row)
    return found


def ap50(rows):
    """Means over the runs, clean / under PGD, ± the standard deviation of the latter where there are two runs."""
    if not rows:
        return "–"
    clean, robust = ([float(row[column]) for row in rows] for column in ("AP50", "robust_AP50"))
    spread = f" ± {statistics.stdev(robust):.3f}" if len(robust) > 1 else ""
    return f"{statistics.mean(clean):.3f} / {statistics.mean(robust):.3f}{spread}"


def mean(rows, column):
    return statistics.mean(float(row[column]) for row in rows)


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " --: |" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def tables(data):
    found = cells(data)
    if not found:
        yield "Not run yet.\n"
        return
    percents = [f"{ratio} %" for ratio in RATIOS]
    for granularity, name in GRANULARITIES.items():
        ratios = ("50",) if granularity == "2-of-4" else RATIOS
        rows = [[label, *(ap50(found.get((f"{granularity}-{score}", ratio), [])) for ratio in ratios)]
                for score, label in SCORES.items()
                if score != "bn-gamma" or granularity in ("filter", "filter-and-weight", "layers")]
        yield f"### Scores under {name}\n"
        yield from table(["", *(f"{ratio} %" for ratio in ratios)], rows)
    for granularity, of in (("weight", "weights"), ("filter", "parameters, whole filters")):
        yield f"### Allocations at one ratio of {of} (HYDRA)\n"
        rows = []
        for suffix, label in ALLOCATIONS.items():
            at = [found.get((f"{granularity}-hydra{suffix}", ratio), []) for ratio in RATIOS]
            kept = "–"
            if at[0]:
                kept = f"{mean(at[0], 'weights_kept') / 1e3:,.0f} k" if granularity == "weight" else f"{mean(at[0], 'macs') / 1e6:.1f} M"
            rows.append([label, *map(ap50, at), kept])
        yield from table(["", *percents, "weights left at 50 %" if granularity == "weight" else "multiply-adds at 50 %"], rows)
    yield "### Schedules at one budget of steps (HYDRA)\n"
    yield from table(["", *percents], [[f"{name}: {label}", *(ap50(found.get((f"{granularity}-hydra{suffix}", ratio), [])) for ratio in RATIOS)]
                                       for granularity, name in (("weight", "`Weight`"), ("filter", "`Filter`"))
                                       for suffix, label in SCHEDULES.items()])
    yield "### Objectives at equal time (magnitudes of weights)\n"
    yield from at_equal_time(data, found, OBJECTIVES)
    yield "### Attacks to train under, at equal time (magnitudes of weights, `PgdAdversarial`)\n"
    yield from at_equal_time(data, found, ATTACKS)


def at_equal_time(data, found, ways):
    """A table of ways to train."""
    rows, paces, longer = [], times(data), pgd50(data)
    for way, label in ways.items():
        at = {ratio: found.get((way, ratio), []) for ratio in ("0", *RATIOS)}
        number = f"{steps(at['0'][0]['sheet'].with_suffix('.txt'), '--pretrain-steps')}" if at["0"] else "–"
        pace = f"{paces[way]:.3f}" if way in paces else "–"
        under = f"{statistics.mean(longer[way]):.3f}" if longer[way] else "–"
        rows.append([label, number, pace, ap50(at["0"]), under, *(ap50(at[ratio]) for ratio in RATIOS)])
    yield from table(["", "steps of pre-training", "s per step", "0 %", "0 %, PGD-50", *(f"{ratio} %" for ratio in RATIOS)], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    taking = {"take": take, "take_times": take_times, "take_pgd50": take_pgd50}
    for name in taking:
        more = ("BIN", "IMAGES", "ANNOTATIONS") if name == "take_pgd50" else ()
        parser.add_argument(f"--{name.replace('_', '-')}", nargs=2 + len(more), metavar=("DATA", "OUT", *more))
    options = parser.parse_args()
    for name, act in taking.items():
        if chosen := getattr(options, name):
            data, *places = chosen
            if data not in DATA:
                parser.error(f"--{name.replace('_', '-')} should name one of {', '.join(DATA)}, got {data}")
            act(data, *map(pathlib.Path, places))
    page = ROOT / "results.md"
    head, rest = page.read_text().split("<!-- tables -->\n")
    text = "\n".join(line for data, title in DATA.items() for line in (f"## {title}\n", *tables(data)))
    page.write_text(head + "<!-- tables -->\n" + text + "<!-- /tables -->" + rest.split("<!-- /tables -->")[1])
