#!/usr/bin/env python3
"""What programs refuse of policies: settings that nothing at work has, combinations that cannot be, targets out of reach. One line, exit
status 2, before anything is written.

usage: refusals.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_SHIPPED_NETWORK
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BIN, NETWORK = map(pathlib.Path, sys.argv[1:])
CFG, WEIGHTS = NETWORK / "yolov3-slim.cfg", NETWORK / "yolov3-slim.weights"
os.environ["OMP_NUM_THREADS"] = "1"

# Program → (options, what the line says of them).
TABLE = {
    "attack": [
        ("--attack fgsm --norm l2", "--norm: should be a setting of fgsm (--epsilon, --aim"),
        ("--attack fgsm --norm l2", "got one of pgd, mtd"),
        ("--attack fgsm --steps 3", "--steps: should be a setting of fgsm"),
        ("--attack square --steps 3", "--steps: should be a setting of square"),
        ("--attack noise --aim vanish", "--aim: should be a setting of noise (--epsilon), got one of fgsm, pgd"),
        ("--attack cw --aim vanish", "--aim: should be a setting of cw"),
        ("--attack tog-vanishing --aim truth", "--aim: should be a setting of tog-vanishing"),
        ("--attack mtd --aim truth", "--aim: should be a setting of mtd"),
        ("--attack mtd --aim-own", "--aim-own: should be a setting of mtd"),
        ("--attack pgd --aim vanish --aim-own", "--aim-own: should have an effect beside the other settings of pgd, got none"),
        ("--attack apgd --aim fabricate --aim-box 2", "--aim-box: should have an effect beside the other settings of apgd"),
        ("--attack pgd --aim evade --aim-objectness 2", "--aim-objectness: should have an effect beside"),
        ("--attack pgd-l2 --norm linf", "--norm: should be a setting of pgd-l2"),
        ("--attack pgd --queries 7", "--queries: should be a setting of pgd"),
        ("--attack pgd --epsilon 1.5", "epsilon should be a pixel value from 0 to 1, got 1.5"),
        ("--attack none", "--attack: should be fgsm, "),
        ("--attack pgd --aim fabricate --aim-objectness 0", "aim: should leave a part of the loss, got a weight of 0 for objectness"),
        ("--attack apgd --aim-box 0 --aim-objectness 0 --aim-classes 0", "aim: should leave a part of the loss"),
    ],
    "robustness": [
        ("--attacks magic", 'got "magic"'),
        ("--attacks apgd,apgd", "--attacks: should name each attack once, got apgd twice"),
        ("--attacks transfer", "it needs --transfer-cfg and --transfer-weights"),
        ("--attacks pgd-50 --queries 9", "--queries: should come with one of the attacks square, got pgd-50"),
        ("--attacks apgd --restarts 2", "--restarts: should come with one of the attacks pgd-50, got apgd"),
        ("--attacks pgd-5,noise --steps 20", "--steps: should come with one of the attacks pgd-20, apgd, cw, transfer, got pgd-5, noise"),
        ("--strengths 0.1,0.1", "--strengths: should name each radius once, got 0.1 twice"),
        ("--strengths 2", "--strengths: should be a number above 0 to 1"),
        ("--strengths 0", "--strengths: should be a number above 0 to 1"),
        ("--attacks clean", 'got "clean"'),
        ("--transfer-cfg a.cfg", "--transfer-cfg requires --transfer-weights"),
        ("--epsilon 0", "--epsilon: should be a number above 0 to 1"),
    ],
    "train": [
        ("--attacked 0.7", "--attacked: should come with --attack, got none"),
        ("--patience 3", "--patience: should come with --validation-images and --validation-annotations"),
        ("--evaluate-every 3", "--evaluate-every: should come with --validation-images and --validation-annotations"),
        ("--attack fgsm --attack-steps 3", "--attack-steps: should be a setting of fgsm"),
        ("--attack pgd --attack-aim evade --attack-aim-objectness 2", "--attack-aim-objectness: should have an effect beside"),
    ],
    "scores": [
        ("--score snip --reference grey", "--reference: should be a setting of snip (which has none), got one of deeplift"),
        ("--score magnitude --target loss", "--target: should be a setting of magnitude (which has none), got one of deeplift"),
        ("--score hydra --rule rescale", "--rule: should be a setting of hydra"),
        ("--score hydra --learning-rate 0.1", "--learning-rate: should come with a study, where hydra trains its scores"),
        ("--score magnitude --color greyscale", "--color: should come with a score that looks at pictures, got greyscale for magnitude"),
        ("--score snip --attack fgsm", "--attack: should come with --reference clean-twin"),
        ("--score deeplift --reference clean-twin", "--attack: should be one"),
        ("--score deeplift --steps 3", "--steps: should be an option that --help lists"),
        ("--score deeplift --reference other", "--reference: should be zeros, grey, mean, blurred or clean-twin"),
    ],
    "prune": [
        ("--scenario structured_hydra --ratio 50 --score-rule rescale", "--score-rule: should be a setting of structured_hydra, got one of"),
        ("--scenario structured_hydra --ratio 50 --attack-norm l2 --attack-aim vanish --attack-aim-own", "--attack-aim-own: should have"),
        ("--scenario unstructured_magnitude --ratio 50 --score-steps 9", "--score-training-steps: should come with a scenario whose score is"),
        ("--scenario structured_hydra --ratio 50 --score-images 9", "--score-images: should come with a scenario whose score looks at"),
        ("--scenario structured_hydra --ratio 50 --keep 0.9", "got --ratio and --keep"),
        ("--scenario structured_hydra --ratio 50 --of AP50", "--of: should come with --keep"),
        ("--scenario structured_hydra --ratio 50 --up-to 60", "--up-to: should come with"),
        ("--scenario structured_hydra --max-parameters 1", "--max-parameters: should be at least "),
        ("--scenario unstructured_hydra --max-parameters 9000", "--max-parameters: should come with a scenario that cuts filters"),
        ("--scenario structured_hydra --max-ms 1e-6", "--max-ms: should be at least "),
        ("--scenario structured_hydra --ratio 100", "--ratio: should be"),
        ("--scenario structured_hydra --ratio 50 --attack-aim vanish --attack-aim-objectness 0", "aim: should leave a part of the loss"),
        ("--scenario unstructured_hydra --ratio 80 --allocation-at-least 0.5", "should be at most "),
        ("--scenario unstructured_magnitude --ratio 50 --allocation learned", "Learned: should come with a score that is trained"),
        ("--scenario unstructured_hydra --ratio 50 --allocation learned --schedule cubic --schedule-rounds 3", "pruning in one shot"),
        ("--scenario unstructured_hydra --ratio 50 --allocation-compared raw", "--allocation-compared: should have an effect beside"),
        ("--scenario structured_hydra --ratio 50 --allocation learned --allocation-of macs", "Learned: should leave what a ratio is of to"),
        ("--scenario unstructured_hydra --ratio 50 --allocation learned --allocation-of time", "Learned: should come with the milliseconds of each"),
        ("--scenario unstructured_hydra --ratio 50 --allocation learned --allocation-of time --allocation-times conv_0:1",
         "times: should have a time for every convolution, got none for conv_1"),
        ("--scenario unstructured_hydra --ratio 50 --allocation learned --allocation-times conv_0:1", "--allocation-times: should have an effect"),
        ("--scenario structured_hydra --ratio 50 --granularity-ratio-of time", "Structured: should come with the milliseconds of each"),
        ("--scenario structured_hydra --ratio 50 --granularity-ratio-of time --granularity-times conv_0:x", "should be NAME:MILLISECONDS"),
        ("--scenario mine --ratio 50", "scenario: should be one of"),
    ],
    "study": [
        ("--scenarios structured_hydra --allocation-spare conv_99", 'spare: should name convolutions of the network, from conv_0 to'),
        ("--scenarios structured_hydra --score-rule rescale", "--score-rule: should be a setting of structured_hydra, got one of"),
        ("--scenarios unstructured_deeplift,structured_deeplift --score-steps 5", "--score-training-steps: should come with"),
        ("--scenarios structured_hydra,unstructured_magnitude --score-images 5", "--score-images: should come with"),
        ("--scenarios structured_hydra --attack-queries 5", "--attack-queries: should be an option that --help lists"),
        ("--scenarios structured_hydra --finetune-optimizer adam --finetune-momentum 0.5", "--finetune-momentum: should come with "
         "--finetune-optimizer sgd, got adam, which has its own"),
        ("--scenarios structured_hydra --score-training-optimizer adam --score-momentum 0.5", "--score-momentum: should come with "
         "--score-training-optimizer sgd, got adam, which has its own"),
        ("--scenarios structured_hydra --schedule cubic", "got 1 with cubic"),
        ("--scenarios structured_hydra --train-pictures 9", "--train-pictures: should come without data"),
        ("--scenarios unstructured_hydra --ratios 0,75 --allocation-at-least 0.5", "--ratios: should be at most "),
        ("--scenarios unstructured_deeplift,unstructured_hydra --allocation learned", "Learned: should come with a score that is trained"),
        ("--scenarios structured_hydra --suite-steps 9", "--suite-steps: should come with --suite, got none"),
        ("--scenarios structured_hydra --suite --suite-curve-steps 9", "--suite-curve-steps: should come with --suite-strengths"),
        ("--scenarios structured_hydra --suite --suite-strengths 0.1,0.1", "should name each radius once"),
        ("--scenarios structured_deeplift --score-normalise filter", "Structured: should come with scores that tell filters apart"),
        ("--scenarios unstructured_hydra --allocation learned --score-steps 0", "--score-training-steps: should be at least 1 with --allocation learned"),
        ("--scenarios structured_deeplift --schedule iterative --schedule-rounds 3", "--schedule-rounds: should be at most the 2 steps of fine-tuning"),
        ("--scenarios structured_hydra --schedule cubic --schedule-rounds 2 --score-steps 1", "should be at most the 1 steps of score training"),
        ("--scenarios original", "should be some that prune, got original alone"),
        ("--scenarios structured_hydra --color-weights greyscale=x", '--color-weights: should be for a colour mode of the scenarios (Colour), got "greyscale"'),
        ("--scenarios unstructured_deeplift_greyscale --color-weights greyscale=", '--color-weights: should be COLOR=FILE, got "greyscale="'),
        ("--scenarios unstructured_deeplift_greyscale --color-weights greyscale=x --color-weights Greyscale=y",
         "--color-weights: should be given once for each colour mode, got Greyscale twice"),
        ("--scenarios unstructured_deeplift_greyscale --color-weights greyscale=/no/such.weights", "/no/such.weights: "),
    ],
    "structured_hydra": [
        ("--score-rule rescale", "--score-rule: should be an option that --help lists"),
        ("--attack-aim-goal fabricate --attack-aim-classes 2", "--attack-aim-classes: should have an effect beside the other settings of"),
        ("--attack-aim other", "--attack-aim: should be truth, vanish, fabricate, mislabel or evade"),
        ("--score-images 5", "--score-images: should come with a scenario whose score looks at images"),
        ("--score-training-optimizer adamw --score-momentum 0.5", "--score-momentum: should come with --score-training-optimizer sgd, got adamw"),
        ("--schedule-rounds 3", "Rounds: should be 1 with the curve one-shot"),
    ],
    "unstructured_deeplift": [
        ("--score-steps 5", "--score-training-steps: should come with a scenario whose score is trained"),
        ("--score-reference clean-twin --attack-epsilon 0", "should have an attack of a radius above 0"),
        ("--score-learning-rate 0.1", "--score-learning-rate: should be an option that --help lists"),
        ("--pretrain-optimizer adamw --pretrain-momentum 0.5", "--pretrain-momentum: should come with --pretrain-optimizer sgd"),
    ],
}


def run(program, *arguments):
    return subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True)


with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    scenes, out = root / "scenes", root / "out"
    assert run("drawn_scenes", "--out", scenes, "--train", 2, "--test", 2).returncode == 0
    network = ["--cfg", CFG, "--weights", WEIGHTS, "--device", "cpu", "--out", out]
    one = [*network, "--images", scenes / "test/images", "--annotations", scenes / "test/instances.json"]
    two = [*network, "--images", scenes / "train/images", "--annotations", scenes / "train/instances.json",
           "--test-images", scenes / "test/images", "--test-annotations", scenes / "test/instances.json", "--budget", "smoke"]
    training = [*network[:-1], out / "x.weights", "--images", scenes / "train/images", "--annotations", scenes / "train/instances.json",
                "--steps", 1, "--batch-size", 2]
    failures = []
    for program, rows in TABLE.items():
        common = one if program in ("attack", "robustness", "scores") else training if program == "train" else two
        for options, says in rows:
            result = run(program, *common, *options.split())
            lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
            if result.returncode != 2 or len(lines) != 1 or says not in lines[0] or out.exists():
                failures.append(f"{program} {options}\n  should say  {says}\n  said ({result.returncode})  {result.stdout}{result.stderr}")
            subprocess.run(["rm", "-rf", out], check=True)
    # What is evaluated has to hold something to find; whatever comes later is not looked at.
    late = json.loads((scenes / "test/instances.json").read_text())
    first = min(image["id"] for image in late["images"])
    late["annotations"] = [a for a in late["annotations"] if a["image_id"] != first]
    assert late["annotations"]
    (scenes / "test/instances.json").write_text(json.dumps(late))
    result = run("structured_hydra", *two, "--test-limit", 1)
    if result.returncode != 2 or "should have boxes of objects, got none in the first 1 of 2 images (--test-limit)" not in result.stderr or out.exists():
        failures.append(f"an evaluation without objects: {result.returncode}, {result.stdout}{result.stderr}")
    assert not failures, "\n".join(failures)
    print(f"{sum(map(len, TABLE.values()))} refusals of {len(TABLE)} programs")
