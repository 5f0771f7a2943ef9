"""The programs of this folder on a real plan: no LibTorch in them, the boxes of detect --plan, one line for each refusal.

usage: check.py PROGRAMS DEMO FOLDER    PROGRAMS holds export_network and detect, FOLDER in_c and in_cpp
"""

import csv
import pathlib
import subprocess
import sys
import tempfile


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def main(programs, demo, built):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        plan, cfg, weights = root / "demo.plan", demo / "yolov3-slim.cfg", demo / "yolov3-slim.weights"
        drawn = run(programs / "drawn_scenes", "--out", root / "scenes", "--train", "0", "--test", "1")
        assert drawn.returncode == 0, drawn.stderr
        picture = next((root / "scenes/test/images").iterdir())
        made = run(programs / "export_network", "--cfg", cfg, "--weights", weights, "--format", "plan", "--out", plan)
        assert made.returncode == 0, made.stderr
        seen = run(programs / "detect", "--plan", plan, "--images", picture, "--out", root / "out", "--confidence", "0.25")
        assert seen.returncode == 0, seen.stderr
        with open(root / "out/detections.csv") as file:
            expected = [(float(row["confidence"]), *(float(row[k]) for k in ("x", "y", "width", "height")))
                        for row in csv.DictReader(file)]
        assert expected, "the demo's network should see something in its own scenes"

        told = []
        for program in (built / "in_c", built / "in_cpp"):
            libraries = run("ldd", program).stdout
            assert "libtorch" not in libraries and "libc10" not in libraries, libraries  # addresses hold any letters
            found = run(program, plan, picture)
            assert found.returncode == 0, found.stderr
            told.append(found.stdout)
            whole = plan.read_bytes()
            for content, says in ((whole[:-1], "it is incomplete"), (whole[:16] + b"\xfe" + whole[17:], "should be a plan of version"),
                                  (whole[:-9] + b"~" + whole[-8:], "it is damaged"), (b"[net]", "should be a plan file")):
                bad = root / "bad.plan"
                bad.write_bytes(content)
                refused = run(program, bad, picture)
                assert refused.returncode == 2 and says in refused.stderr and refused.stderr.count("\n") == 1, refused.stderr
        assert told[0] == told[1], told
        lines = told[0].splitlines()
        assert len(lines) == len(expected), (lines, expected)
        for line, box in zip(lines, expected):
            numbers = line.rsplit(" at ", 1)
            mine = [float(numbers[0].split()[-1]), *(float(n) for n in numbers[1].replace(" x ", ", ").split(", "))]
            assert all(abs(a - b) < 2e-3 for a, b in zip(mine, box)), (line, box)
        print(f"{len(lines)} boxes in C, in C++ and by detect; in_c has {(built / 'in_c').stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*(pathlib.Path(word) for word in sys.argv[1:4]))
