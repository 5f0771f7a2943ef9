#!/usr/bin/env python3
"""The programs that make a network ready to ship (export_network, prune, profile, detect --plan) as people run them: what they write, and
what they refuse.

usage: export.py FOLDER_OF_PROGRAMS FOLDER_OF_THE_DEMO
"""
import csv
import json
import os
import pathlib
import re
import resource
import struct
import subprocess
import sys
import tempfile
import zipfile

BIN, DEMO = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CFG, WEIGHTS = DEMO / "yolov3-slim.cfg", DEMO / "yolov3-slim.weights"
NETWORK = ("--cfg", CFG, "--weights", WEIGHTS)
os.environ["OMP_NUM_THREADS"] = "1"


def run(program, *arguments, status=0, says="", **process):
    done = subprocess.run([BIN / program, *map(str, arguments)], capture_output=True, text=True, **process)
    told = done.stdout + done.stderr
    assert done.returncode == status, (program, arguments, done.returncode, told)
    assert says in told, (program, arguments, told)
    return told


def export(form, out, *more, **expected):
    run("export_network", *NETWORK, "--format", form, "--out", out, *more, **expected)
    return out.read_bytes() if out.is_file() else b""


def formats(root):
    onnx = export("onnx", root / "a.onnx", says="a.onnx: onnx of")
    assert onnx.startswith(b"\x08\x07\x12\x08serpette"), onnx[:20]
    assert b"head_2" in onnx and b"BatchNormalization" not in onnx
    assert export("onnx", root / "b.onnx") == onnx, "equal networks should give equal files"
    kept = export("onnx", root / "kept.onnx", "--batch-norm", "keep")
    assert b"BatchNormalization" in kept
    boxes = export("onnx", root / "boxes.onnx", "--decode", "--confidence", "0.25", "--batch", "1")
    assert b"NonMaxSuppression" in boxes and b"head_2" not in boxes
    export("torchscript", root / "a.pt", says="torchscript of")
    names = zipfile.ZipFile(root / "a.pt").namelist()
    assert any(name.endswith("extra/darknet_cfg") for name in names), names
    export("darknet", root / "a.cfg", says="darknet of")
    assert (root / "a.weights").read_bytes()[12:] == WEIGHTS.read_bytes()[12:], "darknet's files keep the network"
    # Class names travel along; outputs whose names have dots share no file, and names of another network do not stay.
    names = "".join(f"thing {c}\n" for c in range(8))
    (root / "things.names").write_text(names)
    for name in "net-0.5", "net-0.9.cfg":
        export("darknet", root / name, "--names", root / "things.names")
    written = {path.name for path in root.glob("net-0.*")}
    assert written == {"net-0.5", "net-0.5.weights", "net-0.5.names", "net-0.9.cfg", "net-0.9.weights", "net-0.9.names"}, written
    assert (root / "net-0.5.names").read_text() == names
    run("export_network", "--cfg", root / "net-0.5", "--weights", root / "net-0.5.weights", "--format", "darknet", "--out", root / "on.cfg")
    assert (root / "on.names").read_text() == names
    export("darknet", root / "on.cfg")
    assert not (root / "on.names").exists()
    run("new_network", "--classes", root / "things.names", "--base", CFG, "--out", root / "fresh-0.5")
    assert (root / "fresh-0.5.names").read_text() == names and not (root / "fresh-0.names").exists()
    run("export_network", "--cfg", root / "a.cfg", "--weights", root / "a.weights", "--format", "onnx", "--out", root / "again.onnx")
    assert len((root / "again.onnx").read_bytes()) == len(onnx)


def refusals(root):
    out, own = root / "x", ("--cfg", root / "a.cfg", "--weights", root / "a.weights")
    export("tensorrt", out, status=2, says="--format: should be onnx, torchscript")
    export("torchscript", out, "--decode", status=2, says="--decode: should come with --format onnx")
    export("darknet", out, "--batch", "2", status=2, says="--batch: should come with --format onnx")
    for option in ("--confidence", "--nms"):
        export("onnx", out, option, "0.25", status=2, says=f"{option} requires --decode")
    export("onnx", out, "--limit", "5", status=2, says="--limit requires --decode")
    export("plan", out, "--batch-norm", "keep", status=2, says="--batch-norm: should be fold")
    for name in "x.weights", "x.names":
        export("darknet", root / name, status=2, says="--out: should name the cfg")
    run("new_network", "--classes", root / "things.names", "--base", CFG, "--out", root / "x.names", status=2, says="--out: should name the cfg")
    assert not (root / "x.names").exists()
    export("darknet", root / "things.cfg", "--names", root / "things.names", status=2, says="should be another file than the input")
    run("export_network", *NETWORK, "--format", "onnx", "--out", "", status=2, says="output: should have the name of a file, got none")
    run("export_network", "--cfg", CFG, "--weights", CFG, "--format", "onnx", "--out", out, status=2, says="error: ")
    for form in ("onnx", "darknet"):
        run("export_network", *own, "--format", form, "--out", root / "a.cfg", status=2, says="should be another file than the input")
    export("onnx", root, status=2, says="should be writable")
    assert not out.exists() and not list(root.glob("*.part-*"))


def plans(root, scenes):
    plan = root / "a.plan"
    export("plan", plan, says="a.plan: plan of")
    look = ("--images", scenes / "test/images", "--annotations", scenes / "test/instances.json")
    run("detect", *NETWORK, *look, "--out", root / "by_network", "--device", "cpu")
    run("detect", *NETWORK, *look, "--out", root / "once_more", "--device", "cpu")  # by a plan as well, each time the same
    assert (root / "by_network/detections.csv").read_bytes() == (root / "once_more/detections.csv").read_bytes()
    run("detect", "--plan", plan, *look, "--out", root / "by_plan")
    ap = [json.loads((root / f"by_{way}/summary.json").read_text())["AP50"] for way in ("network", "plan")]
    assert ap[0] > 0 and abs(ap[0] - ap[1]) < 1e-3, ap
    # Results of another network are not written over, whichever way it is given.
    other = (("by_network", ("--plan", plan), "plan: none there"), ("by_plan", (*NETWORK, "--device", "cpu"), "cfg: none there"))
    for folder, network, says in other:
        run("detect", *network, *look, "--out", root / folder, status=2, says=says)
    run("detect", "--plan", plan, *NETWORK, *look, "--out", root / "no", status=2, says="network: should be given by")
    run("detect", *look, "--out", root / "no", status=2, says="network: should be given by")
    run("detect", "--plan", plan, *look, "--attack", "pgd", "--out", root / "no", status=2, says="a plan has no gradients")
    whole, bad = plan.read_bytes(), root / "bad.plan"
    for damaged, says in ((whole[:-1], "it is incomplete"), (whole[:5000], "it is incomplete"), (b"", "should be a plan file"),
                          (whole[:9000] + bytes([whole[9000] ^ 4]) + whole[9001:], "it is damaged"),
                          (whole[:16] + b"\x63" + whole[17:], f"should be a plan of version {whole[16]}, got 99"),
                          (whole[:40] + b"PDP-11 with 1 lane\0" + whole[59:], "got one for PDP-11 with 1 lane: write it anew")):
        bad.write_bytes(damaged)
        run("detect", "--plan", bad, *look, "--out", root / "no", status=2, says=says)
    assert not (root / "no").exists()

    # In bf16 where the machine can, by name where it cannot, or should seem not to.
    half, cpu = root / "half.plan", pathlib.Path("/proc/cpuinfo").read_text()
    lacks_bf16, lacks_vnni, lacks_amx = ({"env": os.environ | {"SERPETTE_WITHOUT": names}}
                                         for names in ("avx512_bf16", "avx512_vnni", "amx_bf16,amx_int8"))
    refused_bf16 = "should be f32 on a machine without AVX512-BF16, got bf16"
    export("plan", half, "--precision", "bf16", status=2, says=refused_bf16, **lacks_bf16)
    export("plan", half, "--precision", "bf16", status=2, says="SERPETTE_WITHOUT: should name some of",
           env=os.environ | {"SERPETTE_WITHOUT": "amx"})
    if "avx512_bf16" in cpu:
        export("plan", half, "--precision", "bf16", says="_bf16")
        run("detect", "--plan", half, *look, "--out", root / "by_half")
        by_half = json.loads((root / "by_half/summary.json").read_text())["AP50"]
        assert abs(by_half - ap[0]) < 0.1, (by_half, ap)
        run("detect", "--plan", half, *look, "--out", root / "no", status=2, says=refused_bf16, **lacks_bf16)
        if "amx_bf16" in cpu:
            run("detect", "--plan", half, *look, "--out", root / "no", status=2, says="should have a form that this machine has", **lacks_amx)
        told = run("export_network", *NETWORK, "--format", "plan", "--precision", "bf16", "--out", half, **lacks_amx)
        assert "amx_" not in told, told
    export("onnx", half, "--precision", "bf16", status=2, says="--precision: should come with --format plan")

    # In int8, calibrated on pictures of training.
    bytes_plan, pictures = root / "bytes.plan", ("--calibrate", scenes / "train/images")
    export("plan", bytes_plan, "--precision", "int8", *pictures, status=2,
           says="should be f32 on a machine without AVX512-VNNI, got int8", **lacks_vnni)
    if "avx512_vnni" in cpu:
        export("plan", bytes_plan, "--precision", "int8", *pictures, says="_int8")
        run("detect", "--plan", bytes_plan, *look, "--out", root / "by_bytes")
        by_bytes = json.loads((root / "by_bytes/summary.json").read_text())["AP50"]
        assert abs(by_bytes - ap[0]) < 0.15, (by_bytes, ap)
    export("plan", bytes_plan, "--precision", "int8", status=2, says="--calibrate: should name a folder of pictures for")
    export("plan", bytes_plan, *pictures, status=2, says="--calibrate: should name a folder of pictures only with")

    # A plan knows its class names and colours: pictures are all that is left to say.
    names = root / "a.names"
    names.write_text("".join(f"thing {c}\n" for c in range(8)))
    grey = root / "grey.plan"
    export("plan", grey, "--names", names, "--color", "greyscale")
    frames = ("--images", scenes / "test/images")
    told = run("detect", "--plan", grey, *frames, "--out", root / "by_grey", says=" a second; files in")
    assert "6 images" in told, told
    found = list(csv.DictReader((root / "by_grey/detections.csv").open()))
    assert found and all(row["category"].startswith("thing ") for row in found), found[:2]
    run("detect", *NETWORK, *frames, "--names", names, "--color", "greyscale", "--device", "cpu", "--out", root / "by_grey_network")
    run("detect", *NETWORK, *frames, "--color", "greyscale", "--device", "cpu", "--out", root / "by_grey_network", status=2, says="names: ")
    also = list(csv.DictReader((root / "by_grey_network/detections.csv").open()))
    near = [abs(float(a["confidence"]) - float(b["confidence"])) for a, b in zip(found, also)]
    assert abs(len(found) - len(also)) <= 2 and max(near[:20]) < 1e-3, (len(found), len(also), max(near[:20]))
    run("detect", "--plan", grey, *frames, "--color", "rgb", "--out", root / "no", status=2, says="--color: should be greyscale or left out")
    (root / "two.names").write_text("cat\ndog\n")
    export("plan", root / "x.plan", "--names", root / "two.names", status=2, says="one per class of")
    export("onnx", root / "x.onnx", "--names", names, status=2, says="--names: should come with --format plan or darknet")
    for form in "onnx", "darknet":
        export(form, root / "x.onnx", "--color", "greyscale", status=2, says="--color: should come with --format plan")
    assert not (root / "no").exists()


def profile(root):
    told = run("profile", *NETWORK, "--out", root / "profile", "--rounds", 2, "--threads", 1)
    assert "ms an image on 1 thread " in told, told
    rows = list(csv.DictReader((root / "profile/profile.csv").open()))
    assert sum(bool(row["form"]) for row in rows) == CFG.read_text().count("[convolutional]")
    assert abs(sum(float(row["time %"]) for row in rows) - 100) < 3, rows
    # What a convolution finishes in passing, or hands on, moves nothing of its own.
    assert all(row["GB/s"] for row in rows if row["form"]) and any(not row["GB/s"] for row in rows), rows
    assert all(float(row["bandwidth %"]) < 10000 for row in rows if row["bandwidth %"]), rows
    assert (root / "profile/profile.svg").read_text().count("<title>") == len(rows)
    times = dict(entry.split(":") for entry in (root / "profile/times.txt").read_text().strip().split(","))
    assert list(times) == [row["layer"] for row in rows if row["form"]] and all(float(ms) > 0 for ms in times.values())
    run("profile", "--plan", root / "a.plan", "--out", root / "profile_of_plan", "--rounds", 2, "--threads", 1)
    again = list(csv.DictReader((root / "profile_of_plan/profile.csv").open()))
    assert [row["layer"] for row in again] == [row["layer"] for row in rows] and again[0].keys() == rows[0].keys()
    run("profile", "--plan", root / "a.plan", "--cfg", CFG, "--out", root / "no", status=2, says="should be given by")
    assert "slice by slice" not in told, told
    large = root / "large.cfg"
    layer = "[convolutional]\nfilters={}\nsize={}\nstride={}\npad=1\nactivation={}\n"
    large.write_text("[net]\nwidth=416\nheight=416\nchannels=3\n" + layer.format(16, 5, 1, "leaky") + layer.format(8, 3, 2, "leaky")
                     + layer.format(18, 1, 1, "linear") + "[yolo]\nmask=0,1,2\nanchors=9,9, 20,20, 40,40\nnum=3\nclasses=1\n")
    numbers = 16 * (75 + 1) + 8 * (144 + 1) + 18 * (8 + 1)
    large.with_suffix(".weights").write_bytes(struct.pack("<3iq", 0, 2, 5, 0) + struct.pack("<f", 0.01) * numbers)
    told = run("profile", "--cfg", large, "--weights", large.with_suffix(".weights"), "--out", root / "profile_of_large", "--rounds", 1)
    # Where both have the same layout: a busy machine's clock may prefer another form for one of them.
    in_planes = {row["form"] in ("weights", "shifted_weights", "kernels")
                 for row in csv.DictReader((root / "profile_of_large/profile.csv").open()) if row["layer"] in ("conv_0", "conv_1")}
    assert ("conv_0 to conv_1: 2 convolutions, slice by slice" in told) == (len(in_planes) == 1), told


def page_of(out, scenes, ap50):
    """report.html: self-contained, with the table's numbers, a bar or column each, and pictures of both networks, clean and attacked."""
    page = (out / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page), "a page should open offline"
    assert re.findall(r'<section id="(\w+)">', page) == ["numbers", "pictures", "layers", "made"], page[-3000:]
    table = re.findall(r"<tr>(.*?)</tr>", page.split('id="pictures"')[0])
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in table][1:]
    kept = [[cell.replace("&nbsp;", " ") for cell in row] for row in rows]
    assert kept == list(csv.reader((out / "before_and_after.csv").open()))[1:], kept
    assert kept[0][0] == "AP50" and kept[0][2] == ap50, kept
    layers = re.findall(r"<title>(conv_\d+): ([\d.]+) % of", page)
    assert len(layers) == CFG.read_text().count("[convolutional]") and min(float(share) for _, share in layers) < 50, layers
    assert page.count("data:image/") == 4 and page.count('<use href="#picture-') == 16, page.count('<use href="#picture-')
    assert not re.search(r">-?nan|\binf\b", page)


def prune(root, scenes):
    data = ("--images", scenes / "train/images", "--annotations", scenes / "train/instances.json",
            "--test-images", scenes / "test/images", "--test-annotations", scenes / "test/instances.json")
    out = root / "pruned"
    command = (*NETWORK, *data, "--scenario", "structured_hydra", "--budget", "smoke", "--device", "cpu", "--out", out)
    told = run("prune", *command, "--ratio", 75)
    assert "network.cfg, .weights, .onnx and .plan" in told, told
    summary = json.loads((out / "summary.json").read_text())
    assert abs(summary["after"]["parameters"] / summary["before"]["parameters"] - 0.25) < 0.02, summary
    assert summary["after"]["bytes of weights"] == (out / "network.weights").stat().st_size
    assert summary["before"].keys() == summary["after"].keys() and summary["ratio_percent"] == 75
    assert (out / "before_and_after.md").read_text().count("\n") == len(summary["after"]) + 2
    left = summary["after"]["weights other than 0"] / summary["before"]["weights other than 0"]
    assert 0.15 < left < 0.35, summary
    page_of(out, scenes, f"{summary['after']['AP50']:.3f}")
    run("detect", "--plan", out / "network.plan", "--images", scenes / "test/images", "--annotations", scenes / "test/instances.json",
        "--out", root / "shipped")
    ap = json.loads((root / "shipped/summary.json").read_text())["AP50"]
    assert abs(ap - summary["after"]["AP50"]) < 2e-3, (ap, summary["after"]["AP50"])
    trained = (out / "study/cells/structured_hydra-run1-ratio75/network.weights").stat().st_mtime_ns
    run("prune", *command, "--ratio", 75)  # nothing is trained again
    assert (out / "study/cells/structured_hydra-run1-ratio75/network.weights").stat().st_mtime_ns == trained
    # Names of another network do not stay beside one whose classes have none.
    assert (out / "network.names").exists()
    bare = []
    for part in "train", "test":
        instances = json.loads((scenes / part / "instances.json").read_text())
        instances["categories"] = [{"id": c["id"]} for c in instances["categories"]]
        bare.append(root / f"{part}.json")
        bare[-1].write_text(json.dumps(instances))
    named = (scenes / "train/instances.json", scenes / "test/instances.json")
    run("prune", *(bare[named.index(word)] if word in named else word for word in command), "--ratio", 75, "--force")
    assert (out / "network.cfg").exists() and not (out / "network.names").exists()
    # What is in the way is said before anything is trained.
    (root / "blocked/network.onnx").mkdir(parents=True)
    run("prune", *(root / "blocked" if word == out else word for word in command), "--ratio", 75, status=2, says='got "a folder"')
    assert not (root / "blocked/study").exists()
    run("prune", *command, "--ratio", 100, status=2, says="--ratio: should be")
    run("prune", *command, "--ratio", 75, "--augment-upside-down", 2, status=2, says="--augment-upside-down")
    other = ["mine" if word == "structured_hydra" else root / "no" if word == out else word for word in command]
    run("prune", *other, "--ratio", 50, status=2, says='scenario: should be one of')
    assert not (root / "no").exists()


def by_target(root, scenes):
    data = ("--images", scenes / "train/images", "--annotations", scenes / "train/instances.json",
            "--test-images", scenes / "test/images", "--test-annotations", scenes / "test/instances.json")
    def command(scenario, out):
        return (*NETWORK, *data, "--scenario", scenario, "--budget", "smoke", "--device", "cpu", "--out", root / out)

    # A share of AP50: probes are trained once, and the one that is found is not trained again.
    keep = (*command("unstructured_magnitude", "keep"), "--keep", 0.5, "--of", "AP50", "--up-to", 4)
    told = run("prune", *keep)
    assert "probe: ratio 0 %: AP50" in told and "probe: ratio 4 %: AP50" in told, told
    summary = json.loads((root / "keep/summary.json").read_text())
    probes = {p["ratio_percent"]: p for p in summary["probes"]}
    assert probes[summary["ratio_percent"]]["meets"] and probes[0]["meets"], summary
    assert all(p["meets"] == (p["value"] >= 0.5 * probes[0]["value"]) for p in probes.values()), summary
    assert abs(probes[summary["ratio_percent"]]["value"] - summary["after"]["AP50"]) < 1e-9, summary
    cells = [row for row in csv.DictReader((root / "keep/study/cells.csv").open()) if row["profile"] == "standard"]
    assert {float(r["ratio"]) for r in cells if r["scenario"] != "original"} == set(probes), cells
    page = (root / "keep/report.html").read_text()
    assert page.split('<section id="tried">')[1].split("</section>")[0].count("meets it") == sum(p["meets"] for p in probes.values())
    networks = {p: p.stat().st_mtime_ns for p in (root / "keep/study/cells").glob("*/network.weights")}
    run("prune", *keep)
    assert networks == {p: p.stat().st_mtime_ns for p in (root / "keep/study/cells").glob("*/network.weights")}

    # A budget of parameters: the least pruning that meets it, found before anything is trained.
    whole = summary["before"]["parameters"]
    fits = command("structured_hydra", "fits")
    told = run("prune", *fits, "--max-parameters", int(whole / 2))
    assert told.index("probe: ratio 0 %") < told.index("cells in"), told
    summary = json.loads((root / "fits/summary.json").read_text())
    assert 0.49 * whole < summary["after"]["parameters"] <= 0.5 * whole, summary
    # What goes where hangs on trained scores: the finished network meets it all the same.
    lamp = (*command("structured_hydra", "lamp"), "--allocation", "lamp", "--granularity-ratio-of", "macs", "--max-parameters", int(whole / 20))
    told = run("prune", *lamp)
    summary = json.loads((root / "lamp/summary.json").read_text())
    assert " parameters, trained: meets it" in told and summary["after"]["parameters"] <= whole / 20, summary
    assert summary["probes"][-1] == {"ratio_percent": summary["ratio_percent"], "value": summary["after"]["parameters"], "meets": True}, summary
    # A plan that the file system refuses takes no result with it.
    results = [root / "lamp" / name for name in ("summary.json", "before_and_after.md", "before_and_after.csv", "report.html")]
    forms = r'"forms": *"[^"]*"|<td>[a-z]\w*</td></tr>|<dt>Plan</dt><dd>[^<]*'  # which, the clock says
    told_of = lambda file: re.sub(forms, "", file.read_text())
    written = [told_of(file) for file in results]
    for file in results:
        file.unlink()
    # Forms lay weights out in whole vectors or with their places, as ONNX does not.
    most = max((root / "lamp" / name).stat().st_size for name in ("network.weights", "network.onnx")) + 8192
    assert most < (root / "lamp/network.plan").stat().st_size
    run("prune", *lamp, status=2, says="network.plan", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        restore_signals=False)  # Python ignores the signal, so that writing fails instead
    assert [told_of(file) for file in results] == written
    # A budget of time: met by the network as it came, and out of reach.
    run("prune", *command("unstructured_magnitude", "slow"), "--max-ms", 1e6)
    assert json.loads((root / "slow/summary.json").read_text())["ratio_percent"] == 0
    no = command("structured_hydra", "no")
    run("prune", *no, "--max-ms", 1e-6, status=2, says="--max-ms: should be at least ")
    run("prune", *no, "--max-parameters", 1, status=2, says="--max-parameters: should be at least ")
    run("prune", *command("unstructured_hydra", "no"), "--max-parameters", 1000, status=2, says="should come with a scenario that cuts")
    run("prune", *no, status=2, says="got none of them")
    run("prune", *no, "--ratio", 50, "--keep", 0.9, status=2, says="got --ratio and --keep")
    run("prune", *no, "--ratio", 50, "--of", "AP50", status=2, says="--of: should come with --keep")
    run("prune", *no, "--ratio", 50, "--up-to", 60, status=2, says="--up-to: should come with")
    run("prune", *no, "--keep", 0, status=2, says="--keep: should be a share above 0")
    run("prune", *no, "--keep", 1.5, status=2, says="--keep: should be a number above 0 to 1")
    assert not (root / "no").exists()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        run("drawn_scenes", "--out", root / "scenes", "--train", 12, "--test", 6)
        formats(root)
        refusals(root)
        plans(root, root / "scenes")
        profile(root)
        prune(root, root / "scenes")
        by_target(root, root / "scenes")
