"""serpette's evaluate against pycocotools and faster-coco-eval: same files, whole programs, in turns.

    pip install pycocotools faster-coco-eval
    python coco_files.py out/coco
    python coco_evaluation.py build/release/bin/evaluate out/coco > benchmarks/results/coco_evaluation.json

Every round starts each program once, in rotating order; pycocotools, which needs a minute, takes part in every
`--slow-every`-th round. Time is the wall clock of the process with the two JSON files read, memory its peak; on a
machine that does other things besides, look at processor seconds. The answers have to agree before anything is written.
"""
import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time

KEYS = "AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl".split()
PYTHON = """
import json, sys
{imports}
truth = COCO(sys.argv[1]); run = COCOeval(truth, truth.loadRes(sys.argv[2]), {kind})
run.evaluate(); run.accumulate(); run.summarize()
json.dump(dict(zip({keys}, map(float, run.stats[:12]))), open(sys.argv[3], "w"))
"""
PROGRAMS = {
    "pycocotools": ("from pycocotools.coco import COCO; from pycocotools.cocoeval import COCOeval", '"bbox"'),
    "faster-coco-eval": ("from faster_coco_eval import COCO, COCOeval_faster as COCOeval", 'iouType="bbox"'),
}


def run(command):
    """Wall-clock seconds, processor seconds and peak memory [MB] of one process."""
    start = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execvp(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, command
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("evaluate")
    parser.add_argument("files")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--slow-every", type=int, default=10)
    options = parser.parse_args()
    truth, found = (os.path.join(options.files, n) for n in ("instances.json", "detections.json"))
    with tempfile.TemporaryDirectory() as folder:
        commands, answers = {}, {}
        for threads in (1, 2):
            name = f"serpette, {threads} thread{'s' * (threads > 1)}"
            commands[name] = [options.evaluate, "--annotations", truth, "--detections", found, "--threads", str(threads),
                              "--out", os.path.join(folder, f"serpette{threads}")]
            answers[name] = commands[name][-1]
        for name, (imports, kind) in PROGRAMS.items():
            answers[name] = os.path.join(folder, name)
            commands[name] = [sys.executable, "-c", PYTHON.format(imports=imports, kind=kind, keys=KEYS), truth, found,
                              answers[name]]
        names, times, work, memory = list(commands), {}, {}, {}
        for i in range(options.rounds):
            for name in names[i % len(names):] + names[:i % len(names)]:
                if name == "pycocotools" and i % options.slow_every:
                    continue
                seconds, processor, peak = run(commands[name])
                times.setdefault(name, []).append(seconds)
                work.setdefault(name, []).append(processor)
                memory.setdefault(name, []).append(peak)
                print(f"round {i + 1}: {name} {seconds:.2f} s, {processor:.2f} processor s, {peak:.0f} MB", file=sys.stderr)
        results = {name: json.load(open(path)) for name, path in answers.items()}
    reference = results["pycocotools"]
    for name, numbers in results.items():
        off = max(abs(numbers[k] - reference[k]) for k in KEYS)
        assert off == 0 if name.startswith("serpette") else off < 1e-12, (name, off)
    json.dump({
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "what": "5,000 images, 36,335 boxes, 500,000 detections: both files read and evaluated, whole process",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f} at the end",
        "versions": {"python": platform.python_version(),
                     **{p: importlib.metadata.version(p) for p in ("numpy", "pycocotools", "faster-coco-eval")}},
        "agree": "all 12 numbers equal pycocotools' exactly (faster-coco-eval: to 1e-12)",
        "programs": {name: {"rounds": len(t), "seconds_median": round(statistics.median(t), 3),
                            "seconds_min": round(min(t), 3), "seconds_max": round(max(t), 3),
                            "processor_seconds_median": round(statistics.median(work[name]), 3),
                            "peak_megabytes": round(max(memory[name]))} for name, t in times.items()},
        "numbers": reference}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
