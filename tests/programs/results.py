#!/usr/bin/env python3
"""README.md, docs/results and docs/paper.md say what the kept studies give: made anew in a copy, they are what is committed.

usage: results.py FOLDER_OF_PROGRAMS
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MADE = ["README.md", "docs/results.md", "docs/paper.md", "docs/results"]


def files(root):
    """Text of all that results.py writes, by name."""
    paths = [p for name in MADE for p in ([root / name] if (root / name).is_file() else (root / name).rglob("*")) if p.is_file()]
    return {p.relative_to(root): p.read_bytes() for p in paths}


def main():
    report = pathlib.Path(sys.argv[1]).resolve() / "report"
    with tempfile.TemporaryDirectory(prefix="serpette-results-") as folder:
        copy = pathlib.Path(folder)
        shutil.copytree(ROOT / "docs", copy / "docs")
        shutil.copy(ROOT / "README.md", copy)
        subprocess.run([sys.executable, copy / "docs/results.py", "--report", report], check=True, stdout=subprocess.DEVNULL)
        before, now = files(ROOT), files(copy)
        differ = sorted(str(name) for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        assert not differ, f"`./run results` makes other ones than are committed: {', '.join(differ)}"
        # A finished study is taken whole or not at all.
        shutil.rmtree(copy / "docs/results/photographs_slim")  # a third of the time, and nothing below is of it
        told = subprocess.run([sys.executable, copy / "docs/results.py", "--report", report, "--take", "drawn", copy / "nowhere"],
                              capture_output=True, text=True)
        assert told.returncode == 1 and "should be there in the folder of a finished study" in told.stderr, told
        taken = copy / "study"
        shutil.copytree(copy / "docs/results/drawn", taken)
        (taken / "command.txt").unlink()
        kept = {p: p.read_bytes() for p in (copy / "docs/results/photographs").iterdir()}
        told = subprocess.run([sys.executable, copy / "docs/results.py", "--report", report, "--take", "photographs", taken],
                              capture_output=True, text=True)
        assert told.returncode == 1 and "should say the command that made the study" in told.stderr, told
        assert kept == {p: p.read_bytes() for p in (copy / "docs/results/photographs").iterdir()}, "what is refused changes nothing"
        (taken / "evaluations.csv").unlink()
        subprocess.run([sys.executable, copy / "docs/results.py", "--report", report, "--take", "photographs", taken, "--command",
                        "./run study --mine"], check=True, stdout=subprocess.DEVNULL)
        page = (copy / "docs/results/photographs/README.md").read_text()
        assert "./run study --mine" in page
        assert not (copy / "docs/results/photographs/evaluations.csv").exists(), "another study's evaluations stay out"
        assert not (copy / "docs/results/photographs/fig_3.svg").exists(), "pictures of other people's data stay out"
        readme = (copy / "README.md").read_text()
        assert readme.index("docs/results/photographs/") < readme.index("docs/results/drawn/"), "photographs lead"


if __name__ == "__main__":
    main()
