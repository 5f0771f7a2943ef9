"""Looks for what ties the project to one machine: absolute paths of somebody's home or scratch folder, and addresses of
package mirrors. Reads the files that git tracks or would track.

usage: check_paths.py [ROOT]     exit status 1 and one line per offence
"""

import pathlib
import re
import subprocess
import sys

OFFENCE = re.compile(
    rb"(?<![\w$}.~*-])/(?:home|root|work|mnt|Users)/[\w.]|(?:pypi|pythonhosted|debian|ubuntu)\.(?:org|com)(?![\w-])")
EXEMPT = {"tests/scripts/check_paths.py", "tests/scripts/self_test.py"}


def files(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True)
    if listed.returncode == 0:
        return [root / name.decode() for name in listed.stdout.split(b"\0") if name]
    return [path for path in root.rglob("*") if not {"build", "out", ".git"} & set(path.relative_to(root).parts)]


def offences(root):
    for path in files(root):
        name = path.relative_to(root).as_posix()
        if name in EXEMPT or not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        for number, line in enumerate(content.splitlines(), 1):
            found = OFFENCE.search(line)
            if found:
                yield f"{name}:{number}: should name no machine, got {found[0].decode(errors='replace')!r}"


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    found = list(offences(root))
    print("\n".join(found) or "paths: nothing names a machine")
    sys.exit(bool(found))
