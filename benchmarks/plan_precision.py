"""What fewer bits cost of average precision: plans of networks in float, bfloat16 and int8, on annotated pictures.

usage: plan_precision.py PROGRAMS CALIBRATE IMAGES ANNOTATIONS OUT.json NAME=FOLDER …

PROGRAMS is build/release/bin. Each FOLDER holds network.cfg and network.weights, as a study's cells do. Every network is exported as a
plan per precision (`export_network --format plan`, forms as they are chosen on this machine; int8 by the pictures of the folder CALIBRATE),
and `detect --plan` measures it on IMAGES. A precision that this processor lacks is left out.
"""
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile


def precision_of(programs, folder, precision, calibrate, images, annotations, root):
    """COCO's numbers of a network's plan; None where this processor has no such products."""
    plan = root / f"{precision}.plan"
    export = [programs / "export_network", "--cfg", folder / "network.cfg", "--weights", folder / "network.weights", "--format", "plan",
              "--precision", precision, "--out", plan, *(["--calibrate", calibrate] if precision == "int8" else [])]
    done = subprocess.run(export, capture_output=True, text=True)
    if done.returncode != 0 and "on a machine without" in done.stderr:
        return None
    done.check_returncode()
    out = root / precision
    subprocess.run([programs / "detect", "--plan", plan, "--images", images, "--annotations", annotations, "--out", out], check=True,
                   stdout=subprocess.DEVNULL)
    return {**json.loads((out / "summary.json").read_text()), "forms": done.stdout.strip().splitlines()[-1]}


def main():
    if len(sys.argv) < 7:
        raise SystemExit(__doc__)
    programs, calibrate, images, annotations, to = map(pathlib.Path, sys.argv[1:6])
    rows = []
    for name, folder in (word.split("=", 1) for word in sys.argv[6:]):
        with tempfile.TemporaryDirectory() as root:
            for precision in "f32", "bf16", "int8":
                found = precision_of(programs, pathlib.Path(folder), precision, calibrate, images, annotations, pathlib.Path(root))
                if found is None:
                    continue
                rows.append({"network": name, "precision": precision, "AP": round(found["AP"], 5), "AP50": round(found["AP50"], 5),
                             "forms": found["forms"].split("(")[1].split(")")[0]})
                print(f"{name:32} {precision:5} AP {found['AP']:.4f}  AP50 {found['AP50']:.4f}", flush=True)
    to.write_text(json.dumps({"date": datetime.date.today().isoformat(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
