#!/usr/bin/env python3
"""A study, a training and a report, killed again and again at random moments: nothing is lost, nothing is torn.

usage: kills.py FOLDER_OF_PROGRAMS [KILLS [SEED]]     by default 20 kills: half of them of the study, the rest of the others

Each is started, killed (SIGKILL) and started again until it is finished; then anew in another folder, until so many kills
are done. After each kill every file that has its name is whole; in the end the files are those of a run that nobody killed
(a study's but for its times), and no half-written one is left.
"""
import csv
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(sys.argv[1]).resolve()
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(2**32)
os.environ["OMP_NUM_THREADS"] = "1"


def timeless(path):
    with open(path) as file:
        return [{k: v for k, v in row.items() if not k.startswith(("ms_", "seconds_"))} for row in csv.DictReader(file)]


def require_whole(folder):
    """What ends as such a file ends is all there: files are written in one go."""
    ends = {".csv": b"\n", ".md": b"\n", ".tex": b"\n", ".svg": b"</svg>\n", ".html": b"</html>\n", ".json": b"}\n",
            ".png": b"IEND\xaeB`\x82"}
    for path in folder.rglob("*"):
        if path.suffix in ends and ".part-" not in path.name:
            assert path.read_bytes().endswith(ends[path.suffix]), f"{path} is torn"


class Study:
    name, share, latest = "study", 0.5, 0.6

    def __init__(self, root):
        self.root = root

    def command(self, out):
        return ["study", "--budget", "smoke", "--train-pictures", 12, "--test-pictures", 6, "--ratios", "0,75", "--runs", 1,
                "--scenarios", "unstructured_hydra,structured_deeplift", "--device", "cpu", "--workers", 2, "--out", out]

    def check(self, out):
        require_whole(out)
        for table in (*out.glob("cells.csv"), *out.glob("cells/*/cells.csv")):
            rows = timeless(table)
            assert rows and all(None not in row.values() for row in rows), f"{table} is torn"
        for seal in out.glob("cells/*/trained.txt"):
            said = dict(line.split(": ", 1) for line in seal.read_text().splitlines())
            size = (seal.parent / "network.weights").stat().st_size
            assert said["network.weights"].startswith(f"{size} bytes "), f"{seal} tells of another network"

    def result(self, out):
        return timeless(out / "cells.csv")


class Training:
    """On the study's pictures, from one of its networks; it goes on from its checkpoint."""
    name, share, latest = "training", 0.3, 0.6

    def __init__(self, root):
        self.study = root / "study-unbroken"

    def command(self, out):
        scenes, network = self.study / "scenes", self.study / "cells/structured_deeplift-run1-ratio75"
        return ["train", "--cfg", network / "network.cfg", "--weights", network / "network.weights", "--images",
                scenes / "train/images", "--annotations", scenes / "train/instances.json", "--validation-images",
                scenes / "test/images", "--validation-annotations", scenes / "test/instances.json", "--steps", 12,
                "--batch-size", 2, "--warmup", 2, "--evaluate-every", 4, "--checkpoint-every", 1, "--device", "cpu", "--out",
                out / "own.weights"]

    def check(self, out):
        require_whole(out)
        size = (self.study / "cells/structured_deeplift-run1-ratio75/network.weights").stat().st_size
        for weights in out.glob("*.weights"):
            assert weights.stat().st_size == size, f"{weights} is torn"

    def result(self, out):
        assert not (out / "own.checkpoint").exists()
        return {path.name: path.read_bytes() for path in out.iterdir()}


class Report:
    """Of the study; it begins anew each time."""
    name, share, latest = "report", 0.2, 1.05

    def __init__(self, root):
        self.study = root / "study-unbroken"

    def command(self, out):
        return ["report", "--cells", self.study / "cells.csv", "--test-images", self.study / "scenes/test/images",
                "--test-annotations", self.study / "scenes/test/instances.json", "--out", out]

    def check(self, out):
        require_whole(out)

    def result(self, out):
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def start(subject, out):
    return subprocess.Popen([str(BIN / subject.command(out)[0]), *map(str, subject.command(out)[1:])],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def try_out(subject, root, wanted, chance):
    """Kills runs of the subject so many times."""
    begin = time.time()
    unbroken = start(subject, root / f"{subject.name}-unbroken")
    _, said = unbroken.communicate()
    assert unbroken.returncode == 0, said
    whole, seconds = subject.result(root / f"{subject.name}-unbroken"), time.time() - begin
    kills = runs = 0
    while kills < wanted:
        out, runs = root / f"{subject.name}-{runs}", runs + 1
        while True:
            process = start(subject, out)
            try:
                after = chance.uniform(0.02, subject.latest) * seconds if kills < wanted else None
                _, said = process.communicate(timeout=after)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                subject.check(out)
                continue
            assert process.returncode == 0, said
            break
        got = subject.result(out)
        assert got == whole, f"a {subject.name} that was killed should leave an unbroken one's results, got others in {out}"
        left = [*out.rglob("*.part-*")]
        assert not left, f"half-written files should be gone, got {left}"
        subprocess.run(["rm", "-rf", out], check=True)
    print(f"{subject.name}: {kills} kills over {runs} runs: nothing lost, nothing torn", flush=True)


def main():
    chance = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    with tempfile.TemporaryDirectory(prefix="serpette-kills-") as folder:
        for subject in Study, Training, Report:
            try_out(subject(pathlib.Path(folder)), pathlib.Path(folder), round(subject.share * KILLS), chance)


if __name__ == "__main__":
    main()
