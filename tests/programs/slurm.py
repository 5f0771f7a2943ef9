#!/usr/bin/env python3
"""A study as a Slurm array job, by the templates of programs/cluster, on a Slurm of the test's own: slurmctld and slurmd
on this host, in a temporary folder, on free ports. Shards are stopped, killed, queued and submitted again; the cells in
the end should be those of a study without shards. Then srun starts two processes that train one network.

usage: slurm.py FOLDER_OF_PROGRAMS SOURCES WHETHER_BUILT_FOR_SEVERAL     exit status 77: skipped, Slurm is not installed
"""
import csv
import ctypes
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from together import Training, free_port

BIN, SOURCES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CLUSTER = SOURCES / "programs/cluster"
TIMES = ("ms_", "seconds_")
STUDY = ["--budget", "smoke", "--train-pictures", 12, "--test-pictures", 6, "--ratios", "0,50,75,90", "--runs", 2,
         "--scenarios", "unstructured_hydra,structured_deeplift", "--finetune-steps", 6, "--device", "cpu"]
SHARDS = 2  # each does one of the runs


def until(what, done, seconds=60):
    """Waits for `done()` to be true and returns it."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        if value := done():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


def call(*command, status=0):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert result.returncode == status, f"{command} ended with {result.returncode}: {result.stdout}{result.stderr}"
    return result.stdout


def with_parent():
    """A daemon does not outlive this test, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Slurm:
    """One controller and one node of four cores, without munge, accounting or cgroups."""

    def __init__(self, root):
        self.root, self.daemons = root, []
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        for folder in ("state", "spool"):
            (root / folder).mkdir()
        conf = root / "slurm.conf"
        conf.write_text(f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=defer,sched_interval=1,sched_min_interval=100000
SlurmdParameters=config_overrides
KillWait=5
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000
PartitionName=all Nodes={host} Default=YES State=UP
""")
        os.environ["SLURM_CONF"] = str(conf)

    def __enter__(self):
        for daemon in ("slurmctld", "slurmd"):
            with open(self.root / f"{daemon}.out", "w") as out:
                program = shutil.which(daemon, path=PATH)
                self.daemons.append(subprocess.Popen([program, "-D", "-f", os.environ["SLURM_CONF"]], stdout=out,
                                                     stderr=out, preexec_fn=with_parent))
        until("an idle node", lambda: "idle" in subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True,
                                                               text=True).stdout, 30)
        return self

    def __exit__(self, kind, *_):
        if kind:
            for log in sorted([*self.root.glob("*.log"), *self.root.glob("slurm*.out")]):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")
        subprocess.run(["scancel", "--signal=KILL", "--full", f"--user={getpass.getuser()}"], capture_output=True)
        subprocess.run(["scancel", f"--user={getpass.getuser()}"], capture_output=True)
        deadline = time.time() + 15
        while time.time() < deadline and subprocess.run(["squeue", "-h"], capture_output=True, text=True).stdout:
            time.sleep(0.1)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def state(job):
    """(state, exit status) of a job, an array task (`12_3`) or the worst of an array."""
    fields = {}
    for word in call("scontrol", "-o", "show", "job", job).split():
        key, _, value = word.partition("=")
        fields.setdefault(key, value)
    return fields["JobState"], int(fields["ExitCode"].split(":")[0])


def ended(job):
    return state(job)[0] not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED")


def submit(out):
    said = call(CLUSTER / "submit.sh", SHARDS, *STUDY, "--out", out).split()
    return said[1], said[3]


def timeless(path):
    with open(path) as file:
        return [{k: v for k, v in row.items() if not k.startswith(TIMES)} for row in csv.DictReader(file)]


def cells(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("cells/*/cells.csv")}


def log(root, pattern):
    return "".join(path.read_text() for path in sorted(root.glob(pattern)))


def processes_of(shard):
    """Ids of the study's processes that do this shard."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == os.fsencode(BIN / "study") and f"{shard}/{SHARDS}".encode() in words:
                found.append(int(entry.name))
    return found


def check(root):
    out = root / "study"
    array, collect = submit(out)
    half = [f"{array}_{i + 1}" for i in range(SHARDS)]

    # When each has a cell: as the time limit nears, Slurm signals the script of a shard, which stops and queues itself
    # again; and another shard's study is killed, as where memory runs out: its task fails.
    stops = {1: lambda: call("scancel", "--batch", "--signal=USR1", half[0]),
             2: lambda: os.kill(processes_of(2)[0], signal.SIGKILL)}

    def all_stopped():
        for shard in [i for i in stops if list(out.glob(f"cells/*-run{i}-*/cells.csv"))]:
            stops.pop(shard)()
        return not stops

    until("a cell of each shard", all_stopped)
    before = cells(out)
    until("the shard to be queued again", lambda: "Restarts=1" in call("scontrol", "show", "job", half[0]))
    for job in (*half, collect):
        until(f"job {job} to end", lambda job=job: ended(job), 90)
    assert state(half[0]) == ("COMPLETED", 0), (state(half[0]), log(root, "study-*_1.log"))
    assert state(half[1])[0] == "FAILED", state(half[1])
    assert "stopped; what is done is kept" in log(root, "study-*_1.log")
    assert state(collect) == ("FAILED", 1), "a collection of half a study should fail"
    assert "missing: " in log(root, "study-*-collect.log")

    # The same command again finishes the rest, and only that.
    kept = cells(out)
    assert before.items() <= kept.items() and 8 <= len(kept) < 16, (len(before), len(kept))
    array, collect = submit(out)
    for job in (f"{array}_1", f"{array}_2", collect):
        until(f"job {job} to end", lambda job=job: ended(job), 90)
        assert state(job) == ("COMPLETED", 0), (state(job), log(root, f"study-{array}*.log"), log(root, "*-collect.log"))
    assert kept.items() <= cells(out).items(), "finished cells should not be done again"

    subprocess.run([BIN / "study", *map(str, STUDY), "--out", root / "alone"], check=True, stdout=subprocess.DEVNULL)
    sharded, alone = timeless(out / "cells.csv"), timeless(root / "alone/cells.csv")
    assert len(alone) == 36 and sharded == alone, "shards should give the cells of an unbroken study"
    assert timeless(out / "evaluations.csv") == timeless(root / "alone/evaluations.csv")
    assert (out / "index.html").exists(), "a collection should end in a report"


def main():
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
               if not shutil.which(name, path=PATH)]
    if missing:
        print(f"SKIPPED: Slurm is not installed, no {', '.join(missing)} (Debian: slurmctld slurmd slurm-client)")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    root = pathlib.Path(tempfile.mkdtemp(prefix="serpette-slurm-"))
    os.chdir(root)
    for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
        del os.environ[name]
    os.environ.update(STUDY=str(BIN / "study"), OMP_NUM_THREADS="1")
    try:
        with Slurm(root):
            check(root)
            if sys.argv[3] == "1":
                training = Training(BIN, SOURCES / "share/demo", root / "together")
                training.compare("srun.weights", call("srun", "--ntasks=2", *training.command("srun.weights")))
    finally:
        os.chdir("/")
        shutil.rmtree(root, ignore_errors=True)
    return 0


PATH = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin"
if __name__ == "__main__":
    sys.exit(main())
