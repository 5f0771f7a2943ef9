#!/usr/bin/env python3
"""report, compare and evaluate as people run them: what they write, from where they find their data, and bad input.

usage: report.py FOLDER_OF_PROGRAMS [BUILD_FOLDER [CMAKE]]     with a build folder: also as installed from it
"""
import csv
import fcntl
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

BIN = pathlib.Path(sys.argv[1]).resolve()
POLICIES = {"structured_hydra": ("HYDRA", "Structured"), "unstructured_deeplift": ("DeepLIFT", "Unstructured")}
os.environ["OMP_NUM_THREADS"] = "1"


def cells(shift=0.0, scenarios=POLICIES):
    """Rows of a small complete study, with numbers that follow from the indices."""
    rows = []
    for s, name in enumerate(scenarios):
        score, granularity = POLICIES.get(name, ("Mine", "Unstructured"))
        for run in (1, 2, 3):
            for ratio in ("0", "50", "90"):
                for profile in ("paper", "standard"):
                    ap50 = 0.6 - 0.1 * s - float(ratio) / 200 + 0.01 * run + shift
                    ms = 10 - s + 0.1 * run
                    rows.append({"scenario": name, "score_init": score, "granularity": granularity, "attack": "PGD",
                                 "color": "Colour", "run": run, "ratio": ratio, "seed": 100 + run, "profile": profile,
                                 "AP": ap50 / 2, "AP50": ap50, "AP75": ap50 / 3, "robust_AP": ap50 / 4,
                                 "robust_AP50": ap50 / 2, "ms_input": 1, "ms_network": ms, "ms_post": 0.5,
                                 "ms_total": ms + 1.5, "weights_kept": 1000, "filters_kept": 100, "parameters": 2000,
                                 "macs": 100000, "seconds_pretrain": 1, "seconds_scores": 1, "seconds_finetune": 1})
    return rows


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(program, *arguments, status=0, says="", **options):
    program = pathlib.Path(program)
    result = subprocess.run([program if program.is_absolute() else BIN / program, *map(str, arguments)],
                            capture_output=True, text=True, **options)
    shown = f"{program} {' '.join(map(str, arguments))}\n{result.stdout}{result.stderr}"
    assert result.returncode == status, f"exit status should be {status}, got {result.returncode}: {shown}"
    assert says in result.stderr, f"should say \"{says}\": {shown}"
    return result


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def no_room():
    """What is written beyond 32 KB fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, 1 << 15))


def main():
    root = pathlib.Path(tempfile.mkdtemp(prefix="serpette-report-"))
    good = write(root / "study/cells.csv", cells())

    # What a report holds; equal cells give equal bytes.
    run("report", "--cells", good, "--out", root / "a")
    left, held = (root / f"b/tables/anova_AP.md.part-serpette-elsewhere-1-{n}" for n in (0, 1))
    left.parent.mkdir(parents=True)
    left.write_text("half")  # by a process that was killed, days ago: another host's stay for one
    os.utime(left, (0, 0))
    with open(held, "w") as other:  # by one that lives
        fcntl.flock(other, fcntl.LOCK_EX)
        run("report", "--cells", good, "--out", root / "b")
    assert held.exists() and not left.exists()
    held.unlink()
    written = files(root / "a")
    assert written == files(root / "b"), "equal cells should give equal reports"
    names = {str(p) for p in written}
    wanted = {"index.html", "glance.md", "claims.md", "figures/fig_1a.svg", "figures/fig_1a.csv", "figures/fig_1a_clean.svg",
              "tables/retention_beside_paper.md", "tables/means_robust_AP50.csv"}
    wanted |= {f"{n}.csv" for n in "runs summary anova tests assumptions omnibus pairs blocked tradeoff".split()}
    wanted |= {f"tables/table_V.{e}" for e in ("csv", "md", "tex")}
    assert wanted <= names, wanted - names
    if shutil.which("rsvg-convert"):
        assert "figures/fig_1a.png" in names
    page = (root / "a/index.html").read_text()
    assert "http://" not in page and "https://" not in page, "the page should need no network"

    # The untouched network: a row, and a line. A second report of fewer scenarios leaves nothing of the first.
    whole = [{**r, "scenario": "original", "score_init": "None", "AP50": 0.9} for r in cells()
             if r["ratio"] == "0" and r["scenario"] == "structured_hydra"]
    run("report", "--cells", write(root / "whole/cells.csv", cells() + whole), "--out", root / "c")
    assert "| Original | 0.900 |" in (root / "c/tables/means_AP50.md").read_text()
    assert ">Original</text>" in (root / "c/figures/AP50.svg").read_text()
    fewer = [r for r in cells() if r["scenario"] == "structured_hydra"]
    run("report", "--cells", write(root / "fewer/cells.csv", fewer), "--out", root / "c")
    run("report", "--cells", root / "fewer/cells.csv", "--out", root / "d")
    assert files(root / "c") == files(root / "d"), set(files(root / "c")) ^ set(files(root / "d"))

    # The paper's tables come along: from any folder, moved elsewhere, and installed.
    says = "450 of 450 printed entries agree"
    assert says in run("report", "--paper", "--out", root / "paper", cwd=root).stdout
    assert sum(1 for _ in open(root / "paper/agreement.csv")) == 451
    moved = root / "moved/report"
    moved.parent.mkdir()
    shutil.copy(BIN / "report", moved)
    assert says in run(moved, "--paper", "--out", root / "paper", cwd="/").stdout
    if len(sys.argv) > 2:
        cmake = sys.argv[3] if len(sys.argv) > 3 else "cmake"
        subprocess.run([cmake, "--install", sys.argv[2], "--component", "programs", "--prefix", root / "usr"], check=True,
                       stdout=subprocess.DEVNULL)
        summary = root / "usr/share/serpette/paper/summary.csv"
        summary.write_text(summary.read_text().replace("max,0.412", "max,0.414"))  # proves which one is read
        told = run(root / "usr/bin/report", "--paper", "--out", root / "paper", cwd="/").stdout
        assert "449 of 450" in told, told

    # Two studies side by side.
    better = write(root / "better/cells.csv", cells(shift=0.1))
    told = run("compare", good, better, "--out", root / "compared").stdout
    assert "(better) against" in told and "is better at 0 %, 50 %, 90 %" in told, told
    mine = write(root / "mine/cells.csv", cells(scenarios=["my_policy"]))
    told = run("compare", good, mine, "--out", root / "compared").stdout
    assert "My Policy (mine) against Structured HYDRA (study)" in told, told

    # Bad input: one message, exit status 2, nothing written.
    new = root / "new"

    def refuses(says, rows, *arguments):
        bad = write(root / "bad/cells.csv", rows) if isinstance(rows, list) else rows
        for program, inputs in (("report", ["--cells", bad]), ("compare", [good, bad])):
            told = run(program, *inputs, "--out", new, *arguments, status=2, says=says).stderr
            assert told.startswith("error: ") and told.count("\n") == 1, told
        assert not new.exists(), "a refusal should write nothing"

    def changed(index, **values):
        rows = cells()
        rows[index].update(values)
        return rows

    (root / "victim.csv").write_text("mine")
    rows = cells()
    for row in rows:
        row["scenario"] = row["scenario"].replace("structured_hydra", "/../../../../victim")
    refuses("letters", rows)
    assert (root / "victim.csv").read_text() == "mine", "a report should stay in its folder"
    refuses("nowhere.csv", root / "nowhere.csv")
    refuses("\"robust_AP50\" is missing", [{k: v for k, v in r.items() if k != "robust_AP50"} for r in cells()])
    refuses("should share one configuration", changed(4, attack="FGSM"))
    refuses("two studies in one file?", changed(4, seed=7))
    refuses("should be one network", changed(6, parameters=7))
    refuses("twice", [*cells(), cells()[3]])
    refuses("35 cells of 36; missing: unstructured_deeplift run 3 ratio 90 (standard)", cells()[:-1])
    refuses("AP50 should be a fraction in [0, 1], got nan in structured_hydra run 1 ratio 50 (paper)", changed(2, AP50="nan"))
    refuses("cells.csv:4: AP50 should be a number, got \"0,5\"", changed(2, AP50="0,5"))
    refuses("[0, 100)", changed(2, ratio="100"))
    refuses("should have the profile \"strict\"", cells(), "--profile", "strict")
    truncated = root / "bad/cells.csv"
    write(truncated, cells()).write_bytes(good.read_bytes()[:-40])
    refuses("should have 25 fields", truncated)
    run("report", "--cells", good, "--out", new, "--test-images", root, status=2, says="--test-annotations")
    run("report", "--cells", good, "--out", new, "--paper-data", root, status=2, says="--paper-data requires --paper")
    run("report", "--paper", "--out", new, "--test-images", root, "--test-annotations", root, status=2, says="excludes")
    assert not new.exists()

    # Nothing that a report or a comparison is made from is written over, neither goes into the other's folder, and what
    # cannot be read is refused while all is as it was.
    run("report", "--cells", write(root / "over/runs.csv", cells()), "--out", root / "over", status=2,
        says="runs.csv: should be another file than the input")
    run("compare", write(root / "over/compare.csv", cells()), good, "--out", root / "over", status=2,
        says="compare.csv: should be another file than the input")
    assert {str(p) for p in files(root / "over")} == {"runs.csv", "compare.csv"}
    for folder, says, *command in (
            ("a", "should be another folder than that of a report", "compare", good, better),
            ("compared", "should be another folder than that of a comparison", "report", "--cells", good),
            ("a", "nofile.png: should be a readable file", "report", "--cells", better, "--picture", root / "nofile.png")):
        before = files(root / folder)
        run(*command, "--out", root / folder, status=2, says=says)
        assert files(root / folder) == before, says
    evaluations = [{"scenario": "structured_hydra", "run": 1, "ratio": "25", "attack": "PGD", "epsilon": 0.05,
                    "profile": "standard", "metric": "AP50", "value": 0.5}]
    write(root / "evaluated/evaluations.csv", evaluations)
    run("report", "--cells", write(root / "evaluated/cells.csv", cells()), "--out", new, status=2,
        says="evaluated/evaluations.csv: should be of cells that the study has")

    # Studies that were measured otherwise are compared with a word on it; how they were trained is what is compared.
    for study, limit in (("study", 6), ("better", 12)):
        (root / study / "configuration.txt").write_text(
            f"# Trained with (another value needs another folder)\nseed: {limit}\n\n"
            f"# Measured with (another value measures the same networks anew)\n--test-limit: {limit}\n\n# Computed on\n")
    told = run("compare", good, better, "--out", root / "compared").stdout
    assert "measured with other settings" in told and "--test-limit: 6 there, 12 here" in told and "seed" not in told, told
    assert "--test-limit: 6 there, 12 here" in (root / "compared/index.html").read_text()
    assert "measured" not in run("compare", good, good, "--out", root / "compared").stdout

    # Missing cells on request; groups that do not vary are called so.
    told = run("report", "--cells", write(root / "bad/cells.csv", cells()[:-1]), "--out", root / "partial", "--partial").stderr
    assert "1 cell is missing" in told, told
    flat = [{**r, "robust_AP50": 0.25} for r in cells()]
    run("report", "--cells", write(root / "bad/cells.csv", flat), "--out", root / "flat")
    rows = list(csv.DictReader(open(root / "flat/assumptions.csv")))
    assert {r["verdict"] for r in rows if r["metric"] == "mAP"} == {"a group does not vary"}, rows[0]
    assert "undefined" in (root / "flat/tables/anova_robust_AP50.md").read_text()

    # No space: one message, what was there stays whole, no temporary file stays behind.
    before = (root / "a/index.html").read_bytes()
    told = run("report", "--cells", better, "--out", root / "a", status=2, says="index.html: should be writable", preexec_fn=no_room)
    assert told.stderr.count("error: ") == 1, told.stderr
    assert (root / "a/index.html").read_bytes() == before
    assert not [p for p in root.rglob("*.part*")], "a failed write should leave no temporary file"

    # Output that does not arrive is an error, of the help too; a closed one is no file of ours.
    with open("/dev/full", "w") as full:
        for arguments in (["--help"], ["--cells", good, "--out", root / "a"]):
            told = subprocess.run([BIN / "report", *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True)
            assert told.returncode == 2 and told.stderr.startswith("error: standard output: "), told
    told = subprocess.run(["sh", "-c", f"'{BIN}/report' --cells '{good}' --out '{root}/closed' >&-"], stderr=subprocess.PIPE, text=True)
    assert told.returncode == 2 and "standard output" in told.stderr, told
    assert files(root / "closed") == files(root / "a"), "what is printed should reach no file"

    # A folder that another process works in: who it is.
    if (BIN / "study").exists():
        (root / "busy").mkdir()
        with open(root / "busy/.lock-all", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write("4711 on elsewhere")
            lock.flush()
            run("study", "--budget", "smoke", "--train-pictures", 8, "--test-pictures", 4, "--device", "cpu", "--out",
                root / "busy", status=2, says="process 4711 on elsewhere works in it")
        for option in ("--train-pictures", "--test-pictures"):
            run("study", "--budget", "smoke", option, 0, "--out", root / "no", status=2, says=f"{option}: should be a whole number")
        run("study", "--budget", "smoke", "--device", "cpu", "--out", root / "compared", status=2,
            says="should be another folder than that of a comparison")
        assert not (root / "no").exists() and not (root / "compared/scenes").exists()
        run("study", "--budget", "smoke", "--train-pictures", 8, "--test-pictures", 4, "--runs", 1, "--ratios", "0",
            "--device", "cpu", "--out", root / "full", status=2, says="should be writable", preexec_fn=no_room)
        assert not (root / "full/cells.csv").exists()
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
