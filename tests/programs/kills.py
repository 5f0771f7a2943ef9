#!/usr/bin/env python3
"""A small study, killed again and again at random moments: nothing is lost, nothing is torn.

usage: kills.py FOLDER_OF_PROGRAMS [KILLS [SEED]]     by default 20 kills

A study is started, killed (SIGKILL) and started again until it is finished; then another, until so many kills are done.
After each kill every file that has its name is whole; in the end the cells are those of a study that nobody killed, and no
half-written file is left.
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

BIN = pathlib.Path(sys.argv[1])
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(2**32)
os.environ["OMP_NUM_THREADS"] = "1"
STUDY = [BIN / "study", "--budget", "smoke", "--train-pictures", "12", "--test-pictures", "6", "--ratios", "0,75", "--runs", "1",
         "--scenarios", "unstructured_hydra,structured_deeplift", "--device", "cpu", "--workers", "2", "--out"]


def timeless(path):
    with open(path) as file:
        return [{k: v for k, v in row.items() if not k.startswith(("ms_", "seconds_"))} for row in csv.DictReader(file)]


def start(out):
    return subprocess.Popen([*map(str, STUDY), str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def check_whole(out):
    """What has its name is all there, whenever the study was killed."""
    for table in (*out.glob("cells.csv"), *out.glob("cells/*/cells.csv")):
        text = table.read_text()
        rows = timeless(table)
        assert text.endswith("\n") and rows and all(None not in row.values() for row in rows), f"{table} is torn"
    for seal in out.glob("cells/*/trained.txt"):
        said = dict(line.split(": ", 1) for line in seal.read_text().splitlines())
        size = (seal.parent / "network.weights").stat().st_size
        assert said["network.weights"].startswith(f"{size} bytes "), f"{seal} tells of another network"
    for scenes in out.glob("scenes/*/instances.json"):
        assert scenes.read_text().rstrip().endswith("}"), f"{scenes} is torn"


def main():
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    with tempfile.TemporaryDirectory(prefix="serpette-kills-") as folder:
        root = pathlib.Path(folder)
        begin = time.time()
        unbroken = start(root / "unbroken")
        _, said = unbroken.communicate()
        assert unbroken.returncode == 0, said
        whole, seconds = timeless(root / "unbroken/cells.csv"), time.time() - begin
        kills = studies = 0
        while kills < KILLS:
            out, studies = root / f"killed-{studies}", studies + 1
            while True:
                process = start(out)
                try:
                    _, said = process.communicate(timeout=chance.uniform(0.02, 0.6) * seconds if kills < KILLS else None)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += 1
                    check_whole(out)
                    continue
                assert process.returncode == 0, said
                break
            assert timeless(out / "cells.csv") == whole, "a study that was killed should have an unbroken one's cells"
            left = [p for p in out.rglob("*.part-*")]
            assert not left, f"half-written files should be gone, got {left}"
            subprocess.run(["rm", "-rf", out], check=True)
        print(f"{kills} kills over {studies} studies: nothing lost, nothing torn")


if __name__ == "__main__":
    main()
