#!/usr/bin/env python3
"""A study and a training whose disk is full: one line that names the file, nothing torn; with room again the same command goes on.

usage: disk_full.py FOLDER_OF_PROGRAMS

The disk is a file system in memory, which root may mount, of some share of what an unbroken run writes, so that it is full
early, midway and just before the end. Where it may not be mounted (or SERPETTE_NO_MOUNT is set), no file may have more bytes than such a share of them has.
"""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

from kills import BIN, Study, Training, start

SHARES = 0.01, 0.5, 0.97


class Mounted:
    """A file system of so many bytes."""

    def __init__(self, place):
        self.place = place

    @staticmethod
    def works(root):
        place = root / "tried"
        place.mkdir()
        if shutil.which("mount") is None:
            return False
        if subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True).returncode != 0:
            return False
        subprocess.run(["umount", place], check=True)
        return True

    def fill(self, whole, share):
        self.place.mkdir()
        room = round(share * sum(path.stat().st_size for path in whole.rglob("*") if path.is_file()))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "none", self.place], check=True)
        return None

    def make_room(self):
        subprocess.run(["mount", "-o", "remount,size=1g", self.place], check=True)

    def remove(self):
        subprocess.run(["umount", self.place], check=True)


class Limited:
    """A folder in which no file may have more bytes than so many."""

    def __init__(self, place):
        self.place = place

    def fill(self, whole, share):
        self.place.mkdir()
        sizes = sorted(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        most = max(1, sizes[int(share * len(sizes))] - 1)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        return limit

    def make_room(self):
        pass

    def remove(self):
        pass


def try_out(subject, root, kind):
    whole = root / f"{subject.name}-unbroken"
    unbroken = start(subject, whole)
    _, said = unbroken.communicate()
    assert unbroken.returncode == 0, said
    for share in SHARES:
        disk = kind(root / f"{subject.name}-{share}")
        before = disk.fill(whole, share)
        try:
            out = disk.place / "out"
            words = [str(BIN / subject.command(out)[0]), *map(str, subject.command(out)[1:])]
            done = subprocess.run(words, capture_output=True, text=True, preexec_fn=before)
            told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert done.returncode == 2 and len(told) == 1, (done.returncode, done.stdout, done.stderr)
            assert str(out) in told[0] and ("No space left" in told[0] or "File too large" in told[0]), told
            subject.check(out)
            left = [*out.rglob("*.part-*")]
            assert not left, f"half-written files should be gone, got {left}"
            disk.make_room()
            again = start(subject, out)
            _, said = again.communicate()
            assert again.returncode == 0, said
            assert subject.result(out) == subject.result(whole), f"a {subject.name} whose disk was full has other results in the end"
            print(f"{subject.name}, room for {share:.0%}: {told[0].replace(str(root), '…')}", flush=True)
        finally:
            disk.remove()


def main():
    with tempfile.TemporaryDirectory(prefix="serpette-disk-full-") as folder:
        root = pathlib.Path(folder)
        kind = Mounted if os.environ.get("SERPETTE_NO_MOUNT") is None and Mounted.works(root) else Limited
        print(f"a full disk here: {kind.__doc__}", flush=True)
        for subject in Study, Training:
            try_out(subject(root), root, kind)


if __name__ == "__main__":
    main()
