#!/usr/bin/env python3
"""train as people run it: best and last network, log, checkpoints, kills, refusals.

usage: train.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_DEMO_NETWORK
"""
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom

BIN, DEMO = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
os.environ.setdefault("OMP_NUM_THREADS", "1")


def run(program, *arguments, status=0, says=""):
    done = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert done.returncode == status, (program, arguments, done.returncode, told)
    assert says in told, (says, program, arguments, told)
    return told


def command(scenes, out, *more):
    return ["--cfg", DEMO / "yolov3-slim.cfg", "--weights", DEMO / "yolov3-slim.weights",
            "--images", scenes / "train/images", "--annotations", scenes / "train/instances.json",
            "--validation-images", scenes / "test/images", "--validation-annotations", scenes / "test/instances.json",
            "--steps", 9, "--batch-size", 4, "--warmup", 2, "--evaluate-every", 4, "--checkpoint-every", 2, "--attack", "fgsm",
            "--device", "cpu", "--out", out, *more]


def stop(scenes, out, how, after):
    """A training that a signal ends once its log has so many lines: its exit status and what it said."""
    process = subprocess.Popen([BIN / "train", *map(str, command(scenes, out))], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
    log, checkpoint = out.with_suffix(".log.csv"), out.with_suffix(".checkpoint")
    deadline = time.time() + 60
    while process.poll() is None and time.time() < deadline:
        if checkpoint.exists() and log.exists() and len(log.read_text().splitlines()) > after:
            break
        time.sleep(0.005)
    process.send_signal(how)
    told, _ = process.communicate(timeout=60)
    return process.returncode, told


def whole(scenes, root):
    """Best and last network, names, log and picture; nothing else stays."""
    left, held = (root / f"own.log.csv.part-serpette-elsewhere-1-{n}" for n in (0, 1))
    left.write_text("of a process that was killed, days ago: another host's stay for one")
    os.utime(left, (0, 0))
    with open(held, "w") as other:  # of one that lives
        fcntl.flock(other, fcntl.LOCK_EX)
        told = run("train", *command(scenes, root / "own.weights"))
    held.unlink()
    assert told.count("under FGSM") == 4, told
    files = sorted(path.name for path in root.iterdir())
    assert files == ["own.configuration", "own.last.weights", "own.log.csv", "own.log.svg", "own.names", "own.weights"], files
    log = (root / "own.log.csv").read_text().splitlines()
    assert log[0] == "step,learning_rate,loss,AP,AP50,robust_AP,robust_AP50" and len(log) == 10, log
    evaluated = {int(r[0]): float(r[6]) for r in (line.split(",") for line in log[1:]) if r[6]}
    assert sorted(evaluated) == [4, 8, 9], evaluated
    best = max(evaluated, key=lambda step: (evaluated[step], step))
    assert f"holds the best, of step {best}:" in told, told
    xml.dom.minidom.parse(str(root / "own.log.svg"))
    # The names that travelled are found and used.
    run("detect", "--cfg", DEMO / "yolov3-slim.cfg", "--weights", root / "own.weights", "--images", scenes / "test/images",
        "--out", root / "found", "--device", "cpu", "--confidence", 0.1)
    names = set((root / "own.names").read_text().splitlines())
    lines = (root / "found/detections.csv").read_text().splitlines()
    column = lines[0].split(",").index("category")
    assert lines[1:] and {line.split(",")[column] for line in lines[1:]} <= names, lines[:2]
    return root


def kills(scenes, root, unbroken):
    """Whatever ended it, the same command goes on and ends in the same bytes."""
    for how, after in (signal.SIGKILL, 2), (signal.SIGKILL, 5), (signal.SIGHUP, 3), (signal.SIGTERM, 3), (signal.SIGINT, 3):
        out = root / f"{how.name}{after}" / "own.weights"
        status, told = stop(scenes, out, how, after)
        if how == signal.SIGKILL:
            assert status == -signal.SIGKILL, (status, told)
        else:
            assert status == 130 and "the same command goes on" in told, (status, told)
            assert ("validation: AP" in told) == (how == signal.SIGINT), told
            assert out.with_suffix(".last.weights").exists()
        run("train", *command(scenes, out), says="goes on after step")
        for extension in ".weights", ".last.weights", ".log.csv", ".log.svg", ".names", ".configuration":
            mine, same = out.with_suffix(extension), (unbroken / "own.weights").with_suffix(extension)
            assert mine.read_bytes() == same.read_bytes(), f"{mine} differs after {how.name}"
        assert not out.with_suffix(".checkpoint").exists() and not list(out.parent.glob("*.part-*"))


def averaged(scenes, root):
    """With an average of the weights that is what is evaluated and written: the best network of the last step is the last one."""
    words = command(scenes, root / "own.weights", "--average", 0.9)
    words[words.index("--evaluate-every") + 1] = 100
    run("train", *words, says="best, of step 9")
    best, last = (root / name for name in ("own.weights", "own.last.weights"))
    assert best.read_bytes() == last.read_bytes()
    words[words.index(0.9)], words[words.index(best)] = 0, root / "plain.weights"
    run("train", *words)
    assert (root / "plain.weights").read_bytes() != best.read_bytes()


def diverges(scenes, root):
    """A loss that is not finite ends the training before its step: the images are named, the checkpoint before it stays."""
    words = command(scenes, root / "own.weights", "--learning-rate", 1e6)
    words[words.index("--warmup") + 1], words[words.index("--checkpoint-every") + 1] = 0, 1
    told = run("train", *words, status=2, says="the loss should be finite, got ")
    step, images = re.search(r"at step (\d+) on the images ([\d, ]+); lower the learning rate", told).groups()
    known = {image["id"] for image in json.loads((scenes / "train/instances.json").read_text())["images"]}
    named = [int(image) for image in images.split(", ")]
    assert int(step) > 1 and len(named) == 4 and set(named) <= known, told
    kept = (root / "own.checkpoint").read_bytes()
    assert not (root / "own.configuration").exists() and not list(root.glob("*.part-*")), list(root.iterdir())
    # From there the same step has the same batch, and the same end.
    again = run("train", *words, status=2, says=f"goes on after step {int(step) - 1} of 9")
    assert f"at step {step} on the images {images};" in again, (told, again)
    assert (root / "own.checkpoint").read_bytes() == kept


def quick(scenes, out, *more, images=None, annotations=None):
    return ["--cfg", DEMO / "yolov3-slim.cfg", "--weights", DEMO / "yolov3-slim.weights", "--images", images or scenes / "train/images",
            "--annotations", annotations or scenes / "train/instances.json", "--steps", 1, "--batch-size", 2, "--device", "cpu",
            "--out", out, *more]


def unnamed(instances, file, shift=0):
    """The same boxes of categories without names, whose ids are so much higher."""
    data = json.loads(instances.read_text())
    data["categories"] = [{"id": c["id"] + shift} for c in data["categories"]]
    for row in data["annotations"]:
        row["category_id"] += shift
    file.write_text(json.dumps(data))
    return file


def again(scenes, root):
    """A finished training is not repeated, and its results make room for another one's only where that is said."""
    out, test = root / "own.weights", ("--test-images", scenes / "test/images", "--test-annotations", scenes / "test/instances.json")

    def there(folder):
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}

    run("train", *quick(scenes, out))
    kept = there(root)
    assert sorted(kept) == ["own.configuration", "own.log.csv", "own.log.svg", "own.names", "own.weights"], sorted(kept)
    run("train", *quick(scenes, out), says="finished already")
    run("train", *quick(scenes, out, "--force"), says="finished already")
    run("train", *quick(scenes, out, *test), says="test: AP")
    run("train", *quick(scenes, out, "--seed", 2), status=2, says="another one's (--seed: 1 there, 2 here)")
    # Pictures of the same names and boxes: one has changed.
    pictures = pathlib.Path(shutil.copytree(scenes / "train/images", root.parent / "other pictures"))
    with sorted(pictures.iterdir())[0].open("ab") as picture:
        picture.write(b"more")
    run("train", *quick(scenes, out, images=pictures), status=2, says="another one's (training images: ")
    run("train", *quick(scenes, out, "--augment-upside-down", 0.5), status=2, says="(--augment-upside-down 0.5) here)")
    assert there(root) == kept
    # Classes without names leave none of another network's beside the weights.
    nameless = unnamed(scenes / "train/instances.json", root.parent / "unnamed.json")
    run("train", *quick(scenes, out, "--force", annotations=nameless), says="own.weights.1 now")
    assert {name: file[0] for name, file in there(root / "own.weights.1").items()} == {name: file[0] for name, file in kept.items()}
    assert sorted(there(root)) == sorted(kept.keys() - {"own.names"}), sorted(there(root))
    # Weights of which nothing says how they came are nobody's to replace.
    (root / "own.configuration").unlink()
    run("train", *quick(scenes, out), status=2, says="add --force, which moves what is there to")


def apart(scenes, root):
    """Outputs share no file, and data no picture; classes are counted alike."""
    for name in "net-0.5", "net-0.9.weights":
        run("train", *quick(scenes, root / name))
    ends = "configuration", "log.csv", "log.svg", "names"
    files = {"net-0.5", "net-0.9.weights", *(f"net-0.{digit}.{end}" for digit in (5, 9) for end in ends)}
    assert {path.name for path in root.iterdir()} == files, sorted(root.iterdir())
    for name in "x.checkpoint", "x.names", "x.log.csv", "x.last.weights", "x.checkpoint.lock", "x.configuration":
        run("train", *quick(scenes, root / name), status=2, says="--out: should be a name of weights")
    run("train", *quick(scenes, ""), status=2, says="output: should have the name of a file, got none")
    run("train", *quick(scenes, f"{root}/later/"), status=2, says='got "a folder"')
    for kind in "validation", "test":
        def other(part, instances):
            return f"--{kind}-images", scenes / part / "images", f"--{kind}-annotations", instances
        run("train", *quick(scenes, root / "x.weights", *other("train", scenes / "train/instances.json")), status=2,
            says="should share no image with the training set")
        shifted = unnamed(scenes / "test/instances.json", root.parent / "shifted.json", shift=1)
        nameless = unnamed(scenes / "train/instances.json", root.parent / "unnamed.json")
        run("train", *quick(scenes, root / "x.weights", *other("test", shifted), annotations=nameless), status=2,
            says="should have the categories of")
    assert {path.name for path in root.iterdir()} == files, sorted(root.iterdir())


def refusals(scenes, root):
    """One line and status 2; early stop, freezing and partial weights say what they did."""
    out = root / "own.weights"
    stop(scenes, out, signal.SIGTERM, 2)
    run("train", *command(scenes, out, "--seed", 3), status=2, says="--seed: 1 there, 3 here")
    run("train", *command(scenes, out, "--clip", 7), status=2, says="another one's (--clip: 50 there, 7 here)")
    # Other instructions give other last digits: that is said, and stays in the checkpoint.
    stop(scenes, root / "older/own.weights", signal.SIGTERM, 2)
    done = subprocess.run([BIN / "train", *map(str, command(scenes, root / "older/own.weights"))], text=True,
                          env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}, capture_output=True)
    assert done.returncode == 0 and "note: some steps were computed on" in done.stderr, done.stderr
    assert "now it is" in done.stderr and "ONEDNN_MAX_CPU_ISA=AVX2" in done.stderr, done.stderr
    checkpoint = out.with_suffix(".checkpoint")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    run("train", *command(scenes, out), status=2, says="damaged")
    checkpoint.unlink()
    run("train", *command(scenes, out), status=2, says="another one's (settings unknown, without own.configuration)")
    with subprocess.Popen([BIN / "train", *(str(100000 if before == "--steps" else this) for before, this in
                                          zip([None, *command(scenes, out)], command(scenes, out, "--force")))],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        while first.poll() is None and not checkpoint.exists():
            time.sleep(0.005)
        run("train", *command(scenes, out), status=2, says=f"should be free, but process {first.pid}")
        first.kill()
    checkpoint.unlink()
    run("train", *command(scenes, "/no-such-folder/x.weights"), status=2, says="at the root")
    run("train", *command(scenes, root / "x.weights", "--freeze", 1000), status=2, says="--freeze")
    os.mkfifo(root / "pipe")
    for option in "--cfg", "--weights", "--annotations", "--validation-annotations":
        words = command(scenes, root / "x.weights")
        words[words.index(option) + 1] = root / "pipe"
        run("train", *words, status=2, says="pipe: should be a file, got a pipe")
    for option, part in ("--annotations", "train"), ("--validation-annotations", "test"):  # nothing to find
        empty = json.loads((scenes / part / "instances.json").read_text())
        (root / "empty.json").write_text(json.dumps({**empty, "annotations": []}))
        words = command(scenes, root / "x.weights")
        words[words.index(option) + 1] = root / "empty.json"
        run("train", *words, status=2, says="empty.json: should have boxes of objects, got none in")
    run("train", *command(scenes, DEMO / "yolov3-slim.weights"), status=2, says="another file than")
    untrained = command(scenes, root / "x.weights")
    untrained[untrained.index("--steps") + 1] = 0
    run("train", *untrained, status=2, says="--steps: should be at least 1 with validation data")
    assert not list(root.glob("x.*"))
    untrained = quick(scenes, root / "start.weights")
    untrained[untrained.index("--steps") + 1] = 0
    run("train", *untrained, says="0 steps in")
    patient = [1 if before == "--evaluate-every" else this
               for before, this in zip([None, *command(scenes, 0)], command(scenes, root / "a.weights"))]
    told = run("train", *patient, "--learning-rate", 0, "--patience", 2)
    # oneDNN has no bfloat16 for a CPU without AVX-512: other, slower convolutions compute it.
    older = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    subprocess.run([BIN / "train", *map(str, command(scenes, root / "half.weights", "--precision", "bf16"))], check=True, env=older,
                   stdout=subprocess.DEVNULL)
    steps = int(told[:told.index(" steps in")].split()[-1])
    assert 3 <= steps < 9, told  # the statistics of batch norm move all the same
    # The class order is the cfg's names': another numbering of the same boxes trains the same network.
    data = json.loads((scenes / "train/instances.json").read_text())
    last = max(c["id"] for c in data["categories"])
    for row in data["categories"]:
        row["id"] = 2 * last - row["id"]
    for row in data["annotations"]:
        row["category_id"] = 2 * last - row["category_id"]
    (root / "renamed.json").write_text(json.dumps(data))
    shutil.copy(DEMO / "yolov3-slim.cfg", root / "named.cfg")
    (root / "named.names").write_text("".join(c["name"] + "\n" for c in sorted(data["categories"], key=lambda c: -c["id"])))
    for name, annotations in ("same", scenes / "train/instances.json"), ("renamed", root / "renamed.json"):
        run("train", "--cfg", root / "named.cfg", "--images", scenes / "train/images", "--annotations", annotations, "--steps", 2,
            "--batch-size", 2, "--device", "cpu", "--out", root / f"{name}.weights")
    assert (root / "same.weights").read_bytes() == (root / "renamed.weights").read_bytes()
    for cutoff, says in (20, "start fresh"), (30, "feeds a head"):
        part = root / f"slim.conv.{cutoff}"
        part.symlink_to(DEMO / "yolov3-slim.weights")
        run("train", "--cfg", DEMO / "yolov3-slim.cfg", "--weights", part, "--images", scenes / "train/images", "--annotations",
            scenes / "train/instances.json", "--steps", 1, "--batch-size", 2, "--freeze", 20, "--device", "cpu", "--out",
            root / f"{cutoff}.weights", says=says)


with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    run("drawn_scenes", "--out", root / "scenes", "--train", 24, "--test", 6)
    for name in "whole", "kills", "averaged", "diverges", "again", "apart", "refusals":
        (root / name).mkdir()
    unbroken = whole(root / "scenes", root / "whole")
    kills(root / "scenes", root / "kills", unbroken)
    averaged(root / "scenes", root / "averaged")
    diverges(root / "scenes", root / "diverges")
    again(root / "scenes", root / "again")
    apart(root / "scenes", root / "apart")
    refusals(root / "scenes", root / "refusals")
    for test in whole, kills, averaged, diverges, again, apart, refusals:
        print(f"{test.__name__}: {test.__doc__.splitlines()[0]}")
