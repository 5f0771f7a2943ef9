#!/usr/bin/env python3
"""Two processes train one network, started in every way that is installed here: by torchrun's variables alone, torchrun,
mpirun. Their weights should be those of one process. (srun: slurm.py.)

usage: together.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_SHIPPED_NETWORK WHETHER_BUILT_FOR_SEVERAL     exit status 77: skipped
"""
import math
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def weights(path):
    data = path.read_bytes()[20:]  # after darknet's header
    return struct.unpack(f"<{len(data) // 4}f", data)


class Training:
    """Three steps of training of the shipped network on a few drawn scenes."""

    def __init__(self, programs, network, root):
        self.programs, self.network, self.root = map(pathlib.Path, (programs, network, root))
        self.clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "OMPI_", "MASTER_", "TORCHELASTIC_")) and k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
        self.clean["OMP_NUM_THREADS"] = "1"
        self.run(self.programs / "drawn_scenes", "--out", root / "scenes", "--train", 24, "--test", 1)
        self.run(*self.command("alone.weights"))

    def command(self, out, batch=8):
        cfg, start, scenes = self.network / "yolov3-slim.cfg", self.network / "yolov3-slim.weights", self.root / "scenes/train"
        return [str(word) for word in (
            self.programs / "train", "--cfg", cfg, "--weights", start, "--images", scenes / "images", "--annotations",
            scenes / "instances.json", "--steps", 3, "--batch-size", batch, "--warmup", 0, "--device", "cpu",
            "--learning-rate", 1e-3, "--out", self.root / out)]

    def run(self, *command, status=0, **variables):
        result = subprocess.run([*map(str, command)], env={**self.clean, **variables}, text=True, timeout=300,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert result.returncode == status, f"{command}: exit status {result.returncode}\n{result.stdout}"
        return result.stdout

    def compare(self, out, told):
        """The weights in `out` with those of one process, to rounding in float; the unit tests are exact, in double."""
        alone = weights(self.root / "alone.weights")
        moved = math.dist(alone, weights(self.network / "yolov3-slim.weights"))
        away = math.dist(alone, weights(self.root / out))
        print(f"{out}: {away / moved:.1e} of the way that training went from one process's weights")
        assert moved > 0 and away < 1e-4 * moved, told
        assert told.count("3 steps in") == 1, f"one process should speak for all: {told}"


def check(training):
    def refused(says, batch=8, **variables):
        told = training.run(*training.command("none", batch), status=2, MASTER_ADDR="here", **variables)
        assert says in told, told

    refused("environment/RANK", WORLD_SIZE="2", RANK="x")
    refused("multiple of the 2", batch=7, WORLD_SIZE="2", RANK="0")

    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    second = subprocess.Popen(training.command("second.weights"), env={**training.clean, **variables, "RANK": "1"}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        told = training.run(*training.command("variables.weights"), **variables, RANK="0")
        told += second.communicate(timeout=60)[0]
    finally:
        second.kill()
    assert second.returncode == 0 and not (training.root / "second.weights").exists(), told
    training.compare("variables.weights", told)

    if shutil.which("torchrun"):
        training.compare("torchrun.weights", training.run(
            "torchrun", "--nproc-per-node=2", f"--master-port={free_port()}", "--no-python", *training.command("torchrun.weights")))
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout if shutil.which("mpirun") else ""
    if "Open MPI" in version:  # others know no --oversubscribe
        as_root = ["--allow-run-as-root"] if os.getuid() == 0 else []
        training.compare("mpirun.weights", training.run(
            "mpirun", *as_root, "--oversubscribe", "-n", 2, *training.command("mpirun.weights"), MASTER_PORT=str(free_port())))


def main():
    programs, network, built = sys.argv[1:]
    if built != "1":
        print("SKIPPED: built for one process only, without Gloo's headers (Debian: libgloo-dev)")
        return 77
    with tempfile.TemporaryDirectory(prefix="serpette-together-") as root:
        check(Training(pathlib.Path(programs).resolve(), pathlib.Path(network).resolve(), pathlib.Path(root)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
