"""Plans beside other engines: every peer stays loaded, and they are asked in turn.

usage: compare.py [--build build/bench] [--cfg F] [--size N] [--threads T] [--starts N] [--rounds N] [--out F.json]
                  [--engines ncnn,deepsparse,…] [--precisions f32,bf16,int8] CASE …
                                                               CASE: none, unstructured:0.9, kernel:0.75, block:0.75, filter:0.5 …

For each case plan_peer saves its network; every engine loads that network, and its heads are compared with ours before
anything is timed (engine.py). A ratio is taken within a round: time ÷ that of the first engine (ncnn) with the *dense*
network; the median over the rounds and the quartiles are printed and written. Small networks on several threads take as long as
numbers take from core to core, which differs from process to process: with --starts all are started so often, and their rounds
count together. Peers live in environments of their own, made by setup.sh: $PEERS_PYTHON, $MNN_PYTHON, $DEEPSPARSE_PYTHON. A peer
that cannot start is reported and left out.
"""

import argparse
import filecmp
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
USER_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
CACHE = pathlib.Path(os.environ.get("PEERS_CACHE") or USER_CACHE / "serpette/peers")  # as setup.sh has it


# Several threads that have no work left wait for more of it on their cores, 200 ms with LLVM's OpenMP: nobody is asked meanwhile [s].
# Then those who are have gone to sleep, and are woken by a burst of times that do not count; of a second one the median does.
PAUSE, BURST = 0.25, 0.02


def python_of(engine):
    if engine in ("deepsparse", "mnn"):
        return os.environ.get(f"{engine.upper()}_PYTHON", str(CACHE / engine / "bin/python"))
    return os.environ.get("PEERS_PYTHON", str(CACHE / "python/bin/python"))


class Peer:
    """A process that answers every line with one time [ms]."""

    def __init__(self, name, command, environment):
        self.name, self.times, self.process, self.ready = name, [], None, False
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        except OSError as error:  # its environment was not made
            print(f"{name}: {error}", file=sys.stderr)
        else:
            self.ready = any(line.strip() == "READY" for line in self.process.stdout)

    def ask(self):
        """One more time [ms]; of a process that has died, which is ready no more, none."""
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            return float(self.process.stdout.readline())
        except (OSError, ValueError):
            self.ready = False
            return None

    def burst(self):
        """Times, one at least; none of a process that has died."""
        times, end = [self.ask()], time.monotonic() + BURST
        while self.ready and time.monotonic() < end:
            times.append(self.ask())
        return [t for t in times if t is not None]

    def ask_awake(self):
        """One time [ms] of several threads, once they are awake."""
        self.burst()
        return statistics.median(self.burst() or [float("nan")])

    def quit(self):
        if self.process is None:
            return
        try:
            self.process.communicate("quit\n", timeout=60)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def machine():
    """The processor, as the system calls it."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {os.cpu_count()} cores"
    return platform.processor()


def version(engine):
    """Of an engine, as its environment has it."""
    package = engine.split("-")[0]
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python_of(engine), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def keep(made, folder):
    """A network that was just saved takes the place of the one that the engines have, with what they made of that, unless it is the same: then
    its heads alone, which today's plan computed."""
    same = (folder / "network.onnx").exists() and all(
        (folder / name).exists() and filecmp.cmp(made / name, folder / name, shallow=False) for name in ("network.cfg", "network.weights"))
    if same:
        for name in ("heads.f32", "choices.txt"):
            os.replace(made / name, folder / name)
        shutil.rmtree(made)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/bench"))
    parser.add_argument("--cfg", default="share/cfg/yolov3.cfg")
    parser.add_argument("--size", type=int, help="of the canvas [pixels], instead of the cfg's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--starts", type=int, default=1, help="of every engine's process")
    parser.add_argument("--rounds", type=int, default=20, help="after each start")
    parser.add_argument("--engines", default="ncnn,deepsparse,onnxruntime,openvino")
    parser.add_argument("--precisions", default="f32", help="that our plans are made in")
    parser.add_argument("--models", type=pathlib.Path, default=CACHE / "models", help="where networks are saved")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("cases", nargs="+")
    o = parser.parse_args()
    plan_peer = o.build / "bin/plan_peer"
    environment = dict(os.environ, OMP_NUM_THREADS=str(o.threads), MKL_NUM_THREADS=str(o.threads))
    engines = o.engines.split(",")
    cfg = pathlib.Path(o.cfg)
    made_here = set()
    if o.size:
        o.models.mkdir(parents=True, exist_ok=True)
        text = re.sub(r"(?m)^(width|height) *=.*", rf"\1={o.size}", cfg.read_text())
        cfg = o.models / f"{cfg.stem}-{o.size}.cfg"
        cfg.write_text(text)

    def options(case):
        kind, _, sparsity = case.partition(":")
        return ["--cfg", cfg, "--kind", kind, "--sparsity", sparsity or "0"]

    def saved(case):
        folder = o.models / f"{cfg.stem}-{case.replace(':', '-')}"
        if case not in made_here:  # one of another day, or of another cfg of that name, may lie there
            made = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(made, ignore_errors=True)
            subprocess.run([plan_peer, *options(case), "--save", made], check=True)
            if not keep(made, folder):
                subprocess.run([python_of("onnx"), HERE / "darknet_onnx.py", folder], check=True)
            made_here.add(case)
        return folder

    def engine(name, case):
        return Peer(f"{name} {case}", [python_of(name), HERE / "engine.py", name, "--model", saved(case).resolve(),
                                       "--threads", str(o.threads), "--serve"], environment)

    def started():
        """A process of every engine for every case, the first to compare with."""
        peers = [engine(engines[0], "none")]
        if not peers[0].ready:
            sys.exit(f"{engines[0]} does not start: it is what all are compared with")
        for case in o.cases:
            for precision in o.precisions.split(","):
                ours = "ours" if precision == "f32" else f"ours-{precision}"
                peers.append(Peer(f"{ours} {case}", [plan_peer, *options(case), "--precision", precision, "--threads", str(o.threads),
                                                     "--serve"], environment))
            peers += [engine(name, case) for name in engines if (name, case) != (engines[0], "none")]
        return leave_out("did not start", peers)

    def leave_out(why, peers):
        for peer in peers:
            if not peer.ready:
                print(f"{peer.name}: {why}, left out", file=sys.stderr)
                peer.quit()
        if not peers[0].ready:
            sys.exit(f"{peers[0].name} is what all are compared with")
        return [peer for peer in peers if peer.ready]

    times, ratios = {}, {}
    for _ in range(o.starts):
        peers = started()
        for _ in range(o.rounds):
            for peer in peers:
                if o.threads > 1:
                    time.sleep(PAUSE)
                peer.times.append(peer.ask() if o.threads == 1 else peer.ask_awake())
            peers = leave_out("has died", peers)
        for peer in peers:
            times.setdefault(peer.name, []).extend(peer.times)
            ratios.setdefault(peer.name, []).extend(a / b for a, b in zip(peer.times, peers[0].times))
            peer.quit()
    rows = []
    for name, of_name in ratios.items():
        of_name.sort()
        quartiles = [round(of_name[k * len(of_name) // 4], 4) for k in (1, 3)]
        rows.append({"name": name, "ms": round(statistics.median(times[name]), 3), "ratio": round(statistics.median(of_name), 4),
                     "quartiles": quartiles})
        print(f"{name:32} {rows[-1]['ms']:10.2f} ms   {rows[-1]['ratio']:.3f} ({quartiles[0]:.3f}–{quartiles[1]:.3f})")
    if o.out:
        o.out.write_text(json.dumps({"cfg": o.cfg, **({"size": o.size} if o.size else {}), "threads": o.threads, "rounds": o.starts * o.rounds, "date": time.strftime("%Y-%m-%d"),
                                     "machine": machine(), "versions": {name: version(name) for name in engines
                                                                           if any(row["name"].split()[0] == name for row in rows)},
                                     "against": rows[0]["name"], "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
