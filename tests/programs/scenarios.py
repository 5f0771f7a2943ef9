#!/usr/bin/env python3
"""The programs as people run them: a scenario end to end on drawn scenes, stopping and going on, and bad input.

usage: scenarios.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_SHIPPED_NETWORK
"""
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN, NETWORK = map(pathlib.Path, sys.argv[1:])
CFG, WEIGHTS = NETWORK / "yolov3-slim.cfg", NETWORK / "yolov3-slim.weights"
os.environ["OMP_NUM_THREADS"] = "1"
TIMES = ("ms_", "seconds_")


def run(program, *arguments, status=0, says=""):
    result = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True)
    shown = f"{program} {' '.join(map(str, arguments))}\n{result.stdout}{result.stderr}"
    assert result.returncode == status, f"exit status should be {status}, got {result.returncode}: {shown}"
    assert says in result.stderr, f"should say \"{says}\": {shown}"
    return result


def timeless(path):
    with open(path) as file:
        return [{k: v for k, v in row.items() if not k.startswith(TIMES)} for row in csv.DictReader(file)]


def main():
    root = pathlib.Path(tempfile.mkdtemp(prefix="serpette-programs-"))
    scenes = root / "scenes"
    run("drawn_scenes", "--out", scenes, "--train", 12, "--test", 6)
    data = ["--cfg", CFG, "--weights", WEIGHTS, "--images", scenes / "train/images",
            "--annotations", scenes / "train/instances.json", "--test-images", scenes / "test/images",
            "--test-annotations", scenes / "test/instances.json", "--device", "cpu"]
    smoke = [*data, "--budget", "smoke", "--ratios", "0,50"]

    # End to end, twice: equal but for the times.
    for out in ("a", "b"):
        run("structured_hydra", *smoke, "--out", root / out)
    first = timeless(root / "a/cells.csv")
    assert first == timeless(root / "b/cells.csv"), "equal seeds should give equal cells"
    assert [(r["ratio"], r["profile"]) for r in first] == [("0", "paper"), ("0", "standard"), ("50", "paper"), ("50", "standard")]
    assert (root / "a/grid.png").stat().st_size > 1000
    smaller = root / "a/cells/structured_hydra-run1-ratio50"
    assert abs((smaller / "network.weights").stat().st_size / WEIGHTS.stat().st_size - 0.5) < 0.01  # half of the parameters

    # A pruned network is a network; its detections are those of its cell; without training the 0 % cell is detect's.
    run("detect", "--cfg", smaller / "network.cfg", "--weights", smaller / "network.weights", "--images", scenes / "test/images",
        "--annotations", scenes / "test/instances.json", "--out", root / "found", "--device", "cpu")
    ap = json.loads((root / "found/summary.json").read_text())["AP50"]
    assert abs(ap - float(first[3]["AP50"])) < 1e-6, (ap, first[3]["AP50"])
    run("unstructured_deeplift", *data, "--budget", "smoke", "--ratios", "0", "--pretrain-steps", 0, "--finetune-steps", 0,
        "--out", root / "untrained")
    run("detect", "--cfg", CFG, "--weights", WEIGHTS, "--images", scenes / "test/images", "--annotations",
        scenes / "test/instances.json", "--out", root / "plain", "--device", "cpu")
    ap = json.loads((root / "plain/summary.json").read_text())["AP"]
    assert abs(ap - float(timeless(root / "untrained/cells.csv")[1]["AP"])) < 1e-6

    # Scenarios of a colour mode start from its own weights, if there are some.
    grey = NETWORK / "yolov3-slim-greyscale.weights"
    run("unstructured_deeplift_greyscale", *data, "--budget", "smoke", "--ratios", "0", "--pretrain-steps", 0, "--finetune-steps", 0,
        "--color-weights", f"greyscale={grey}", "--out", root / "grey")
    kept = (root / "grey/cells/unstructured_deeplift_greyscale-run1-ratio0/network.weights").read_bytes()
    header = 20
    assert kept[header:] == grey.read_bytes()[header:] != WEIGHTS.read_bytes()[header:]
    assert "network in Greyscale: " in (root / "grey/configuration.txt").read_text()

    run("evaluate", "--annotations", scenes / "test/instances.json", "--images", root / "nowhere", "--detections", root / "found/detections.csv",
        "--out", root / "n.json", status=2, says="nowhere: should be a folder of pictures")
    assert "a folder of Pascal VOC's XML" in " ".join(run("evaluate", "--help").stdout.split())

    # Files of the same names are another program's: neither replaces them.
    run("detect", "--cfg", CFG, "--weights", WEIGHTS, "--images", scenes / "test/images", "--out", root / "a", status=2,
        says="program: none")
    run("structured_hydra", *smoke, "--out", root / "plain", status=2, says="program: detect there")

    # In rounds: pruned as far, and what the rounds left behind goes.
    run("structured_hydra", *data, "--budget", "smoke", "--ratios", "50", "--schedule", "cubic", "--schedule-rounds", 2, "--out",
        root / "rounds")
    assert timeless(root / "rounds/cells.csv")[0]["parameters"] == first[2]["parameters"]
    assert not list((root / "rounds/stages").glob("round*")), "stages of a finished cell should go"

    # How much goes where, trained with the scores: as many weights in all, not in each layer.
    for allocation in "per-layer", "learned":
        run("unstructured_hydra", *data, "--budget", "smoke", "--score-steps", 4, "--ratios", "50", "--allocation", allocation,
            "--out", root / allocation)
    kept = [int(timeless(root / allocation / "cells.csv")[0]["weights_kept"]) for allocation in ("per-layer", "learned")]
    assert kept[0] - 100 < kept[1] <= kept[0], kept  # floor(ratio · n) in each layer, and in all
    assert "allocation=Learned{of=weights," in (root / "learned/configuration.txt").read_text()

    # Killed and run again: the same cells.
    command = [BIN / "structured_hydra", *map(str, smoke), "--out", root / "killed"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60
    while not list((root / "killed").glob("stages/pretrain-*")) and time.time() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run("structured_hydra", *smoke, "--out", root / "killed")
    assert timeless(root / "killed/cells.csv") == first, "a resumed run should give an unbroken one's cells"

    # A study in two shards, collected.
    study = [*data, "--budget", "smoke", "--ratios", "0,90", "--runs", 1, "--scenarios",
             "unstructured_hydra,structured_deeplift", "--out", root / "study"]
    listed = run("study", *study, "--dry-run").stdout
    assert "5 cells left" in listed, listed
    assert not (root / "study").exists(), "a dry run should write nothing"
    run("study", "--budget", "smoke", "--train-pictures", 8, "--test-pictures", 4, "--ratios", "0", "--runs", 1, "--out",
        root / "drawn", "--dry-run")
    assert not (root / "drawn").exists(), "a dry run should leave no drawn scenes"
    run("study", *study, "--shard", "1/2")
    run("study", *study, "--collect", status=1, says="missing: ")
    run("study", *study, "--shard", "2/2")
    run("study", *study, "--collect")
    collected, before = timeless(root / "study/cells.csv"), (root / "study/cells.csv").read_text()
    assert len(collected) == 10
    run("study", *study, "--time-again")
    assert timeless(root / "study/cells.csv") == collected, "timing again should change times only"
    assert (root / "study/cells.csv").read_text() != before, "timing again should give other times"

    # A scenario's own program has the same words for it.
    cells = (root / "a/cells.csv").read_text()
    listed = run("structured_hydra", *data, "--budget", "smoke", "--ratios", "0,50,75", "--out", root / "a", "--dry-run").stdout
    assert listed.count("  finished\n") == 2 and "1 cell left" in listed, listed
    assert not (root / "a/cells/structured_hydra-run1-ratio75").exists() and (root / "a/cells.csv").read_text() == cells
    run("structured_hydra", *smoke, "--out", root / "a", "--time-again")
    assert timeless(root / "a/cells.csv") == first and (root / "a/cells.csv").read_text() != cells

    # Another way of measuring keeps the networks; another training is refused, by the name of its option.
    networks = {p: p.stat().st_mtime_ns for p in (root / "study").glob("cells/*/network.weights")}
    told = run("study", *study, "--timing-images", 4, "--test-limit", 4).stderr
    assert "--timing-images: 3 there, 4 here" in told, told
    assert networks == {p: p.stat().st_mtime_ns for p in (root / "study").glob("cells/*/network.weights")}
    run("study", *study, "--finetune-steps", 3, status=2, says="--finetune-steps: 2 there, 3 here")
    run("study", *study, "--finetune-steps", 3, status=2, says="robust pre-trainings  1 of 1")

    # --force moves results of other settings aside, and loses nothing.
    shutil.copytree(root / "study", root / "used")
    used = [*study[:-1], root / "used", "--finetune-steps", 3]
    run("study", *used, status=2, says="--force")
    used[used.index("0,90")] = "0"
    run("study", *used, "--force", says="held results of other settings")
    assert timeless(root / "used.1/cells.csv") == timeless(root / "study/cells.csv")
    assert len(timeless(root / "used/cells.csv")) == 6

    # A suite of attacks is a measurement too: it says what it costs, and trains nothing.
    suite = ["--suite", "--suite-steps", 2, "--suite-restarts", 1, "--suite-queries", 3]
    told = run("study", *study, *suite, "--dry-run").stdout
    assert "suite: 11 attacks" in told and "suites of attacks     0 of 5" in told, told
    run("study", *study, *suite)
    assert networks == {p: p.stat().st_mtime_ns for p in (root / "study").glob("cells/*/network.weights")}
    tried = {(row["scenario"], row["attack"]) for row in csv.DictReader(open(root / "study/evaluations.csv"))}
    assert {("unstructured_hydra", attack) for attack in ("PGD", "PGD-2", "APGD", "Square", "Transfer", "Worst case")} <= tried, tried
    assert ("original", "Worst case") in tried and ("original", "Transfer") not in tried, tried

    # A digit changed in a finished cell does not reach the tables.
    run("study", *study)
    table = root / "study/cells/unstructured_hydra-run1-ratio90/cells.csv"
    whole = table.read_text()
    table.write_text(whole.replace("paper,0", "paper,9", 1))
    run("study", *study)
    assert timeless(root / "study/cells.csv") == collected

    # Bad input: one message, exit status 2, nothing written over.
    def refuses(says, *arguments, program="structured_hydra"):
        run(program, *arguments, status=2, says=says)

    def swap(*pairs):
        wanted = dict(zip(pairs[::2], pairs[1::2]))
        return [wanted.get(smoke[i - 1], a) if i else a for i, a in enumerate(smoke)]

    new = root / "new"
    refuses("another configuration", *smoke, "--seed", 2, "--out", root / "a")
    assert timeless(root / "a/cells.csv") == first
    refuses("[0, 100)", *data, "--budget", "smoke", "--ratios", "0,100", "--out", new)
    refuses("twice", *data, "--budget", "smoke", "--ratios", "5,5", "--out", new)
    refuses("CUDA device", *swap("--device", "cuda:77"), "--out", new)
    refuses("--budget", *data, "--budget", "huge", "--out", new)
    for option, words in (("reference", "zeros, grey, mean, blurred or clean-twin"), ("rule", "rescale or reveal-cancel"),
                          ("target", "detection, detection+box, box, objectness, classes, logits, loss or parts")):
        for name in (f"--score-{option}", f"--deeplift-{option}"):
            refuses(f'--score-{option}: should be {words}, got "other"', *smoke, name, "other", "--out", new, program="unstructured_deeplift")
    for option, wanted in (("objective-attacked", "a number from 0 to 1"), ("attack-epsilon", "a number of at least 0"),
                           ("attack-step", "a number of at least 0"), ("finetune-momentum", "a number from 0 to 1")):
        for text in ("nan", "-0.1", "half"):
            refuses(f'--{option}: should be {wanted}, got "{text}"', *smoke, f"--{option}={text}", "--out", new)
    refuses("PGD: epsilon should be a pixel value from 0 to 1, got 1.5", *smoke, "--epsilon", "1.5", "--out", new)
    refuses("Rounds: should be 1 with the curve one-shot", *smoke, "--schedule-rounds", 3, "--out", new)
    refuses("got 1 with cubic", *smoke, "--schedule", "cubic", "--out", new)
    # Settings of policies that are not at work are refused, not passed over.
    refuses("--score-rule: should be an option that --help lists", *smoke, "--score-rule", "rescale", "--out", new)
    refuses("--score-rule: should be a setting of structured_hydra", "--scenarios", "structured_hydra", "--score-rule", "rescale",
            "--out", new, program="study")
    refuses("--finetune-steps: 2 there, 3 here", *smoke, "--finetune-steps", 3, "--out", root / "a")  # a changed budget names the option
    for text in ("3/2", "0/2", "1", "1/2x", "/2", "1/", "1/99999999999", "99999999999/99999999999"):
        refuses(f'--shard: should be i/n with 1 <= i <= n, got "{text}"', *smoke, "--shard", text, "--out", new, program="study")
    refuses("should be another folder than the input", *smoke, "--out", scenes / "train/images")
    refuses("--shard excludes --collect", *smoke, "--collect", "--shard", "1/2", "--out", new, program="study")
    short = root / "short.weights"
    short.write_bytes(WEIGHTS.read_bytes()[:-400])
    refuses("short.weights", *swap("--weights", short), "--out", new)
    short.write_bytes(WEIGHTS.read_bytes() + b"0000")
    refuses("short.weights", *swap("--weights", short), "--out", new)
    bad = root / "bad.cfg"
    bad.write_text(CFG.read_text().replace("[shortcut]", "[shortcat]", 1))
    refuses("bad.cfg:", *swap("--cfg", bad), "--out", new)
    bad = root / "bad.json"
    bad.write_text("[1, 2]")
    refuses("bad.json", *swap("--annotations", bad), "--out", new)
    truth = json.loads((scenes / "train/instances.json").read_text())
    extra = {**truth["annotations"][0], "id": 10**6, "category_id": 99}
    bad.write_text(json.dumps({**truth, "categories": truth["categories"] + [{"id": 99, "name": "extra"}],
                               "annotations": truth["annotations"] + [extra]}))
    refuses("classes", *swap("--annotations", bad), "--out", new)
    outside = json.loads(json.dumps(truth))
    outside["annotations"][0]["bbox"] = [100000, 0, 10, 10]
    bad.write_text(json.dumps(outside))
    refuses("inside", *swap("--annotations", bad), "--out", new)
    bad.write_text(json.dumps({**truth, "images": [], "annotations": []}))
    refuses("empty split", *swap("--annotations", bad), "--out", new)
    bad.write_text(json.dumps({**truth, "annotations": []}))
    refuses("bad.json: should have boxes", *swap("--annotations", bad), "--out", new)
    tested = json.loads((scenes / "test/instances.json").read_text())
    bad.write_text(json.dumps({**tested, "categories": [{**c, "name": c["name"] + "s"} for c in tested["categories"]]}))
    refuses('bad.json: should have the class "red ball"', *swap("--test-annotations", bad), "--out", new)
    refuses("--sead: should be an option that --help lists", *smoke, "--sead", 2, "--out", new)
    refuses("--seed: should be a whole number", *smoke, "--seed", -1, "--out", new)
    for wrong in (["--ratios", "0,100"], ["--scenarios", "mine"], ["--device", "tpu"]):
        refuses("should be", *wrong, "--out", new, program="study")  # before anything is drawn
    both = swap("--test-annotations", scenes / "train/instances.json", "--test-images", scenes / "train/images")
    refuses("in both", *both, "--out", new)
    os.mkfifo(root / "pipe")
    refuses("pipe: should be a file, got a pipe", *swap("--test-annotations", root / "pipe"), "--out", new)
    refuses("--attack", "--cfg", CFG, "--weights", WEIGHTS, "--images", scenes / "test/images", "--attack", "pgd", "--out", new,
            program="detect")
    for program in ("study", "ablation", "policies"):
        if not (BIN / program).exists():
            continue  # the last two are built when they are asked for
        refuses("data: should be given by all of --images", "--test-images", scenes / "test/images", "--test-annotations",
                scenes / "test/instances.json", "--out", new, program=program)
        refuses("network: should be given by both --cfg and --weights", "--weights", WEIGHTS, "--out", new, program=program)
    assert not new.exists(), "a refusal should write nothing"

    # A damaged picture is reported and counted; with --strict it ends the run.
    victim = sorted((scenes / "train/images").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:200])
    refuses("training images: ", *smoke, "--out", root / "a")  # which was made with the whole picture
    told = run("unstructured_hydra", *smoke, "--out", root / "damaged").stderr
    assert "1 training image is damaged and left out" in told, told
    run("unstructured_hydra", *smoke, "--strict", "--out", root / "strict", status=2, says=victim.name)

    for program in sorted(BIN.iterdir()):
        if not program.name.startswith(("unit_", "fuzz_", "laws", "bench_")) and program.is_file():
            assert "--" in run(program.name, "--help").stdout, program
    subprocess.run(["rm", "-rf", root], check=True)


if __name__ == "__main__":
    main()
