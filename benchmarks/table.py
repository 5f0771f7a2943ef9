#!/usr/bin/env python3
"""Writes the tables of benchmarks/README.md from benchmarks/results/*.json.

usage: benchmarks/table.py

Targets are ratios to a peer of the same run, or milliseconds where there is none.
"""
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
# what; file, benchmark, counter; against; target (None: none was set)
ROWS = [
    ("JPEG to network input, photographs", "jpeg", "photographs", "ratio_serpette_ms", "OpenCV's decode and letterbox", 0.95),
    ("forward, YOLOv3 at 416", "network", "forward", "ratio_serpette_ms", "LibTorch eager, batch norm folded, channels-last", 1.05),
    ("decode + suppression, confidence 0.001", "decode", "decode_and_nms", "standard_ms", "ms", 1),
    ("loss with gradient, batch 8", "training", "loss", "value_and_gradient_ms", "ms", None),
    ("training step, f32", "training", "training_step/416", "ratio_float_ms", "LibTorch eager f32", 0.80),
    ("training step, bf16", "training", "training_step/416", "ratio_bfloat16_ms", "LibTorch eager f32", 0.50),
    ("PGD-5", "pgd", "pgd_5", "ratio_pgd_5_ms", "5 forward and backward passes with weight gradients", 0.68),
    ("DeepLIFT of all layers, per-image \\|S\\|", "deep_lift", "deep_lift", "ratio_deep_lift_ms", "forward and backward with weight gradients", 1.50),
    ("mask + compaction, YOLOv3 at 50 %", "compaction", "mask_and_compaction", "mask_and_compaction_ms", "ms", 600),
    ("90 % of single weights gone, YOLOv3 at 416", "sparse", "granularity:0/percent:90", "ratio_plan_ms", "LibTorch dense, nothing gone", None),
    ("90 % of kernels gone", "sparse", "granularity:1/percent:90", "ratio_plan_ms", "LibTorch dense, nothing gone", None),
    ("90 % of filters gone", "sparse", "granularity:2/percent:90", "ratio_plan_ms", "LibTorch dense, nothing gone", None),
    ("90 % of single weights gone, the demo's network", "sparse_small", "network:2/granularity:0/percent:90", "ratio_plan_ms", "LibTorch dense, nothing gone", None),
    ("90 % of kernels gone", "sparse_small", "network:2/granularity:1/percent:90", "ratio_plan_ms", "LibTorch dense, nothing gone", None),
    ("90 % of filters gone", "sparse_small", "network:2/granularity:2/percent:90", "ratio_plan_ms", "LibTorch dense, nothing gone", None),
]


def number(value):
    return f"{value:.3f}" if value < 10 else f"{value:.0f}"


def plain(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def evaluation():
    """Rows of whole programs: seconds and peak memory, pycocotools' and faster-coco-eval's beside ours."""
    run = json.loads((HERE / "results/coco_evaluation.json").read_text())
    ours, peers = run["programs"]["serpette, 1 thread"], ("pycocotools", "faster-coco-eval")
    rows = []
    for what, key, unit, target in (("seconds", "seconds_median", "s", 4), ("peak memory", "peak_megabytes", "MB", 600)):
        against = ", ".join(f"{p} {plain(run['programs'][p][key])} {unit}" for p in peers)
        rows.append(f"| COCO evaluation, files read, {what} | {plain(ours[key])} {unit} | – | {against} | ≤ {target} | {run['date']} |")
    return rows


def peers():
    """What compare.py measured: plans beside other engines, as ratios to the dense network in the first of them."""
    tables, lines = {}, []
    for path in sorted((HERE / "results").glob("peers_*.json")):
        run = json.loads(path.read_text())
        fewer = [p for p in ("bf16", "int8") if any(row["name"].startswith(f"ours-{p}") for row in run["rows"])]
        also = f" in {' and '.join(['float', *fewer])}" if fewer else ""
        title = (f"{pathlib.Path(run['cfg']).stem}{' at {}'.format(run['size']) if 'size' in run else ''}{also}, {run['threads']} thread{'s' if run['threads'] > 1 else ''}, {run['rounds']} rounds, "
                 f"{run['date']}, {run['machine']}; time ÷ that of {run['against'].split(' ')[0]} with the dense network:")
        rows = {}
        for row in run["rows"]:
            engine, case = row["name"].split(" ")
            cell = f"{row['ratio']:.3f} ({row['quartiles'][0]:.3f}–{row['quartiles'][1]:.3f}), {number(row['ms'])} ms"
            rows.setdefault(case, {})[engine] = cell
        # Runs share a table, but for one that has a case again beside other engines.
        for again in range(len(tables) + 1):
            cases, beside = tables.setdefault((title, again), ({}, tuple(run["versions"])))
            both = (engine for case in cases.keys() & rows for engine in cases[case].keys() & rows[case])
            if beside == tuple(run["versions"]) or not any(engine.startswith("ours") for engine in both):
                break
        for case, cells in rows.items():  # a row is of one run: the one with more of it
            cases[case] = max(cases.get(case, {}), cells, key=len)
    kinds = ["none", "unstructured", "kernel", "block", "filter"]
    for (title, _), (cases, _) in tables.items():
        engines = sorted(dict.fromkeys(engine for cells in cases.values() for engine in cells), key=lambda engine: not engine.startswith("ours"))
        lines += [title, "", "| Gone | " + " | ".join(engines) + " |", "| --- |" + " --: |" * len(engines)]
        for case in sorted(cases, key=lambda case: (kinds.index(case.partition(":")[0]), float(case.partition(":")[2] or 0))):
            kind, _, share = case.partition(":")
            what = "nothing" if kind == "none" else f"{100 * float(share):.3g} % of {dict(unstructured='weights', block='blocks of 32 × 64').get(kind, kind + 's')}"
            lines.append(f"| {what} | " + " | ".join(cases[case].get(engine, "–") for engine in engines) + " |")
        lines.append("")
    return lines


def gpu():
    """What bench_gpu measured: forward passes, images a second of attack and training, and several processes at once."""
    run = json.loads((HERE / "results/gpu.json").read_text())
    found = {b["name"]: b for b in run["benchmarks"]}
    get = lambda start, mps=False: next(b for name, b in found.items() if name.startswith(start) and name.endswith("/mps") == mps)
    one, eight = get("forward/1"), get("forward/8")
    ways = [("eager", "LibTorch eager, planes"), ("eager_channels_last", "LibTorch eager, channels-last"), ("float", "serpette, float"),
            ("float_graph", "… as a CUDA graph"), ("tf32", "serpette, TF32"), ("bf16", "serpette, bf16"), ("bf16_graph", "… as a CUDA graph"),
            ("quarter_of_parameters", "serpette, float, whole filters of 75 % of the parameters gone")]
    lines = [f"{run['context']['gpu']}, LibTorch {run['context']['libtorch']}, {run['context']['date'][:10]}; YOLOv3 at 416, medians of 20 rounds [ms]:", "",
             "| Forward | batch 1 | batch 8 |", "| --- | --: | --: |"]
    lines += [f"| {what} | {one[f'{way}_ms']:.2f} | {eight[f'{way}_ms']:.1f} |" for way, what in ways]
    lines += ["", "Images a second, 16 at a time (PGD: five steps; training: a step of Adam, half of the images under that attack):", "",
              "| | float | TF32 | bf16 |", "| --- | --: | --: | --: |"]
    rows = [(f"{what}, {network}", get(f"{benchmark}/{side}/"))
            for benchmark, what in (("pgd_5", "PGD"), ("training_step", "Training"))
            for side, network in ((224, "the demo's network at 224"), (320, "YOLOv3-tiny at 320"), (416, "YOLOv3 at 416"))]
    rows.append(("Training, YOLOv3-tiny at 320, six processes in turns", get("processes/6")))
    rows.append(("… at once (MPS)", get("processes/6", mps=True)))
    lines += [f"| {what} | " + " | ".join(f"{b[f'{way}_images_per_second']:.0f}" for way in ("float", "tf32", "bf16")) + " |" for what, b in rows]
    return lines


def write_between(marker, lines):
    page = (HERE / "README.md").read_text()
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    head, rest = page.split(begin)
    (HERE / "README.md").write_text(head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])


def main():
    lines = ["| What | Measured | Quartiles | Against | Target | Run of |", "| --- | --: | --: | --- | --: | --- |"]
    for what, file, benchmark, counter, against, target in ROWS:
        path = HERE / f"results/{file}.json"
        run = json.loads(path.read_text())
        found = [b for b in run["benchmarks"] if benchmark in b["name"] and counter in b]
        if len(found) != 1:
            raise SystemExit(f"{path}: should have one benchmark {benchmark} with {counter}, got {len(found)}")
        b = found[0]
        quartiles = f"{b[counter + '_q1']:.3f}–{b[counter + '_q3']:.3f}" if counter + "_q1" in b else "–"
        lines.append(f"| {what} | {number(b[counter])}{' ms' if against == 'ms' else ''} | {quartiles} | "
                     f"{'–' if against == 'ms' else against} | {'–' if target is None else f'≤ {target:g}'} | {run['context']['date'][:10]} |")
    lines += evaluation()
    write_between("results", lines)
    write_between("peers", peers())
    write_between("gpu", gpu())


if __name__ == "__main__":
    main()
