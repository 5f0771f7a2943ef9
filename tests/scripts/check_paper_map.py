#!/usr/bin/env python3
"""docs/paper.md names headers, test files, tests and programs that exist.

usage: check_paper_map.py [ROOT]     exit status 1 and one line per name that does not
"""
import pathlib
import re
import sys


def offences(root):
    text = (root / "docs/paper.md").read_text()
    tests = "".join(p.read_text() for p in (root / "tests/unit").rglob("*.cpp"))
    tests = re.sub(r'"\s*\n\s*"', "", tests)  # names broken over two lines
    for path in sorted(set(re.findall(r"`([a-z_0-9/]+\.(?:hpp|cpp|cfg))`", text))):
        if not any((root / place / path).exists() for place in ("include", "include/serpette", "tests", ".")):
            yield f"docs/paper.md: {path} does not exist"
    for name, file in re.findall(r'"([^"\n|]*(?:\\\|[^"\n|]*)*)"\s+\(`(unit/[^`]*)`\)', text.replace("\n", " ")):
        name = name.replace("\\|", "|")
        if f'"{name}"' not in tests:
            yield f"docs/paper.md: no test is called \"{name}\""
        elif f'"{name}"' not in re.sub(r'"\s*\n\s*"', "", (root / "tests" / file).read_text()):
            yield f"docs/paper.md: the test \"{name}\" is not in {file}"
    for table in "I II III IV V VI VII VIII IX X XI XII XIII XIV".split():
        if f"\n| {table} | " not in text:
            yield f"docs/paper.md: Table {table} is missing"


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    found = list(offences(root))
    print("\n".join(found) if found else "paper map: every header and test that docs/paper.md names is there")
    sys.exit(bool(found))
