#!/usr/bin/env python3
"""The pages of report and compare in a real browser, wide and narrow: legible charts, tables that say that they scroll.

usage: pages.py FOLDER_OF_PROGRAMS     exit status 77 where no chromium is installed
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from report import cells, run, write  # noqa: E402

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def seen(page, width, folder):
    """The page's elements after its script has run."""
    told = subprocess.run([BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/browser",
                           f"--window-size={width},2000", "--virtual-time-budget=4000", "--dump-dom", f"file://{page}"],
                          capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    return told.stdout


def main():
    root = pathlib.Path(tempfile.mkdtemp(prefix="serpette-pages-"))
    rows = cells(scenarios=["structured_hydra", "unstructured_deeplift", "my_policy"])
    for row in rows:  # ratios whose ticks are 0.2 apart
        row["ratio"] = {"0": "0", "50": "0.5", "90": "1"}[row["ratio"]]
        for name in ("AP", "AP50", "AP75", "robust_AP", "robust_AP50"):
            row[name] = abs(row[name])
    original = [{**r, "scenario": "original", "score_init": "None"} for r in rows if r["ratio"] == "0" and r["scenario"] == "my_policy"]
    study = write(root / "study/cells.csv", rows + original)
    run("report", "--cells", study, "--out", root / "report")
    run("compare", study, write(root / "other/cells.csv", rows), "--out", root / "compared")
    for width in (1400, 600):
        html = seen(root / "report/index.html", width, root)
        charts = re.findall(r'<div class="chart" id="([\w-]+)">(.*?</svg>)', html, re.S)
        assert {"curve-a", "curve-b", "tradeoff", "stack"} <= {name for name, _ in charts}, [name for name, _ in charts]
        for name, chart in charts:
            drawn = re.search(r'<svg width="([\d.]+)" height="([\d.]+)" viewBox="0 0 ([\d.]+) ([\d.]+)"', chart)
            assert drawn, chart[:200]
            assert drawn[1] == drawn[3] and drawn[2] == drawn[4], f"{name} should be drawn at its own size, at {width}: {drawn[0]}"
            assert float(drawn[1]) <= width or name == "stack", f"{name} should fit into {width}: {drawn[0]}"
            texts = re.findall(r"<text[^>]*>([^<]*)</text>", chart)
            assert texts and not [t for t in texts if re.search(r"\d\.\d{7}|NaN|undefined", t)], texts
        assert "Original" in dict(charts)["curve-a"], "the untouched network should be a line"
        notes = [box for box in re.findall(r'<p class="more( shown)?">[^<]*scroll', html)]
        assert notes and any(notes) == (width == 600), f"wide tables should say that they scroll at {width}: {notes}"
        untouched = re.search(r'<table id="results">.*?<tr><td>Original</td>(.*?)</tr>', html, re.S)
        assert untouched and untouched[1].count("<td>–</td>") == 2, "the untouched network has a row, and a number at 0 % alone"
        html = seen(root / "compared/index.html", width, root)
        assert "<h2>What differs</h2>" in html and "all 3 ratios" in html
    # What was not pruned has no place in a study that prunes everywhere.
    pruned = write(root / "pruned/cells.csv", [r for r in rows if r["ratio"] != "0"] + original)
    run("report", "--cells", pruned, "--out", root / "pruned_report")
    html = seen(root / "pruned_report/index.html", 1400, root)
    assert '<table id="results">' in html and "<tr><td>Original</td>" not in html, "0.5 % is not the untouched network's ratio"
    shutil.rmtree(root)


if __name__ == "__main__":
    if BROWSER is None:
        print("SKIPPED: no chromium is installed")
        sys.exit(77)
    main()
