"""Compares include/serpette/serpette.hpp with the tree: every public header, in order, once.

usage: check_umbrella.py [ROOT] [--write]     --write rewrites the umbrella
"""

import pathlib
import sys

# Not in the umbrella: what needs more than LibTorch (the command line CLI11, the laws Catch2), and parts that no user
# names: a folder detail/ or a header that says `@internal` (how others of its folder do their work).
LEFT_OUT = ("serpette.hpp", "app/", "laws/")
HEAD = """#pragma once

/// @file
/// Everything, a convenience: a file that names the headers it uses compiles sooner.
/// Written by `tests/scripts/check_umbrella.py --write`, compared with the tree by a test.

"""


def wanted(root):
    include = root / "include/serpette"
    headers = sorted(path.relative_to(include).as_posix() for path in include.rglob("*.hpp"))
    return HEAD + "".join(f'#include "serpette/{header}"\n' for header in headers
                          if not header.startswith(LEFT_OUT) and "detail/" not in header
                          and not header.endswith("-inl.hpp") and "/// @internal" not in (include / header).read_text())


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--write"]
    root = pathlib.Path(words[0] if words else pathlib.Path(__file__).parents[2])
    umbrella = root / "include/serpette/serpette.hpp"
    if "--write" in sys.argv:
        umbrella.write_text(wanted(root))
    have, want = set(umbrella.read_text().splitlines()), set(wanted(root).splitlines())
    for line in sorted(want - have):
        print(f"serpette.hpp: lacks {line}")
    for line in sorted(have - want):
        print(f"serpette.hpp: should not have {line}")
    if have != want:
        print("write it anew: python3 tests/scripts/check_umbrella.py --write")
    sys.exit(have != want)
