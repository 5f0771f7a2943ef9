"""Seconds and memory that a source costs which includes one of our headers, compiled alone without precompiled headers;
and those of a user's own policy with the whole command line (examples/03_own_score.cpp).

usage: measure.py BUILD [--rounds N] [--out FILE.json] [HEADER or SOURCE …]
BUILD is a configured build folder: its compile commands say how LibTorch is included. Rounds are interleaved over the
headers; medians are printed.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

DEFAULT = ["serpette/graph/graph.hpp", "serpette/torch/tensor.hpp", "serpette/score/magnitude.hpp",
           "serpette/prune/filter.hpp", "serpette/attack/pgd.hpp", "serpette/scenario/paper.hpp",
           "serpette/detector/yolov3.hpp", "serpette/method/run_cell.hpp", "serpette/app/scenario_main.hpp", "serpette/serpette.hpp", "examples/03_own_score.cpp"]
ROOT = pathlib.Path(__file__).resolve().parents[2]


def compiler_line(build):
    """A compile command of a LibTorch test, less its input, output, precompiled header and optimisation."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if "unit_core.dir" in entry["command"]:
            line = re.sub(r"-include \S+cmake_pch\S*|-o \S+|-c \S+|-O\d|-Winvalid-pch", "", entry["command"])
            return shlex.split(line)
    sys.exit(f"{build}/compile_commands.json: should know tests/unit/core, got nothing of it")


def measure(command, header, folder):
    source = ROOT / header
    if not header.endswith(".cpp"):
        source = folder / "one.cpp"
        source.write_text(f'#include "{header}"\nint main() {{}}\n')
    start = time.perf_counter()
    process = subprocess.Popen([*command, "-O0", "-c", source, "-o", folder / "one.o"])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{header}: does not compile alone")
    return {"wall_s": time.perf_counter() - start, "cpu_s": usage.ru_utime + usage.ru_stime,
            "memory_mb": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("headers", nargs="*", default=DEFAULT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    command = compiler_line(options.build)
    runs = {header: [] for header in options.headers}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for header in options.headers:
                runs[header].append(measure(command, header, pathlib.Path(folder)))
    medians = {header: {key: statistics.median(run[key] for run in of) for key in of[0]} for header, of in runs.items()}
    for header, m in medians.items():
        print(f"{m['cpu_s']:6.1f} s CPU {m['wall_s']:6.1f} s {m['memory_mb']:7.0f} MB  {header}")
    if options.out:
        version = subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout.splitlines()[0]
        options.out.write_text(json.dumps({"compiler": version, "machine": platform.processor() or platform.machine(),
                                           "rounds": options.rounds, "headers": medians}, indent=1) + "\n")
